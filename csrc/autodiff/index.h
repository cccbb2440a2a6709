/* Row indices into a table: int32, one or two dimensions, checked once when they are made. */
#ifndef CR_AUTODIFF_INDEX_H
#define CR_AUTODIFF_INDEX_H

#include <stdatomic.h>
#include <stdint.h>

#include "../core/buffer.h"
#include "../core/status.h"

typedef struct {
    atomic_int references;
    int ndim;
    size_t shape[2];
    size_t size;
    int32_t largest;        /* -1 when empty; the smallest is >= 0 */
    cr_buffer *buffer;      /* owned reference */
    int32_t *data;          /* inside the buffer */
} cr_index;

/* A new index over a copy of int64 values, reference count 1. CR_ERR_INDEX when one is negative or exceeds int32. */
CR_MUST_USE cr_status cr_index_new(const int64_t *values, int ndim, const size_t *shape, cr_index **out, cr_error *err);
void cr_index_retain(cr_index *index);
void cr_index_release(cr_index *index); /* NULL is allowed */

#endif
