/* Reference-counted memory, 64-byte aligned, recycled by size class.
 *
 * A released buffer goes back to a pool. A training step releases all its buffers at its end, and the next step takes
 * the same ones again: after the first step, the system is asked for no memory (cr_pool_stats shows it). All functions
 * may be called from any thread.
 */
#ifndef CR_CORE_BUFFER_H
#define CR_CORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

typedef struct cr_buffer cr_buffer;

typedef struct {
    uint64_t system_allocations; /* calls to the system allocator so far */
    size_t live_bytes;           /* held by buffers in use */
    size_t pooled_bytes;         /* in the pool, for reuse */
} cr_pool_statistics;

/* A new buffer of at least `bytes` uninitialised bytes, reference count 1. CR_ERR_MEMORY when the system has none. */
CR_MUST_USE cr_status cr_buffer_new(size_t bytes, cr_buffer **out, cr_error *err);

/* A new buffer over `bytes` bytes that `owner` owns, reference count 1. release(owner) runs when the last reference is
 * released. `shared`: somebody else may write to this memory, see below. */
CR_MUST_USE cr_status cr_buffer_wrap(void *data, size_t bytes, bool shared, void (*release)(void *owner), void *owner,
                                     cr_buffer **out, cr_error *err);

void cr_buffer_retain(cr_buffer *buffer);
void cr_buffer_release(cr_buffer *buffer); /* NULL is allowed */
void *cr_buffer_data(const cr_buffer *buffer);

/* ---- versions ----
 * An operation that backward will differentiate remembers the versions of the buffers it needs then. A version grows with
 * every write: whoever writes over what others may have read calls cr_buffer_wrote. Other writers, such as the owner of
 * wrapped memory or a NumPy array over a tensor, do not. While there is one, a buffer that an operation remembers is
 * watched: a fingerprint of its bytes shows that they have changed. */

void cr_buffer_wrote(cr_buffer *buffer);

/* The version now. It reads all bytes of a watched buffer, and nothing of others. */
uint64_t cr_buffer_version(cr_buffer *buffer);

/* The version, for somebody who is going to compare it later: from now on the buffer is watched whenever it has other
 * writers. */
uint64_t cr_buffer_remember(cr_buffer *buffer);

/* Counts arrays over the buffer's memory through which others may write. */
void cr_buffer_add_writer(cr_buffer *buffer);
void cr_buffer_remove_writer(cr_buffer *buffer);

/* The owner of wrapped memory that is shared, else NULL; and what to call when nobody else can write to it any more. */
void *cr_buffer_sharing_owner(const cr_buffer *buffer);
void cr_buffer_stop_sharing(cr_buffer *buffer);

cr_pool_statistics cr_pool_stats(void);
void cr_pool_trim(void); /* returns all pooled memory to the system */

#endif
