/* Reference-counted memory, 64-byte aligned, recycled by size class.
 *
 * A released buffer goes back to a pool. A training step releases all its buffers at its end, and the next step takes
 * the same ones again: after the first step, the system is asked for no memory (cr_pool_stats shows it). All functions
 * may be called from any thread.
 */
#ifndef CR_CORE_BUFFER_H
#define CR_CORE_BUFFER_H

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

/* A new buffer over memory that `owner` owns, reference count 1. release(owner) runs when the last reference is
 * released. */
CR_MUST_USE cr_status cr_buffer_wrap(void *data, void (*release)(void *owner), void *owner, cr_buffer **out,
                                     cr_error *err);

void cr_buffer_retain(cr_buffer *buffer);
void cr_buffer_release(cr_buffer *buffer); /* NULL is allowed */
void *cr_buffer_data(const cr_buffer *buffer);

cr_pool_statistics cr_pool_stats(void);
void cr_pool_trim(void); /* returns all pooled memory to the system */

#endif
