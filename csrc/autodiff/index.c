#include "index.h"

#include <stdlib.h>

cr_status cr_index_new(const int64_t *values, int ndim, const size_t *shape, cr_index **out, cr_error *err)
{
    cr_status status;
    cr_index *index = calloc(1, sizeof *index);
    if (index == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate an index");
    atomic_init(&index->references, 1);
    index->ndim = ndim;
    index->size = 1;
    index->largest = -1;
    if (ndim < 1 || ndim > 2) {
        status = cr_fail(err, CR_ERR_VALUE, "index: expected 1 or 2 dimensions, got %d", ndim);
        goto fail;
    }
    for (int d = 0; d < ndim; d++) {
        index->shape[d] = shape[d];
        CR_TRY(cr_size_multiply(index->size, shape[d], &index->size, "index size", err));
    }
    size_t bytes;
    CR_TRY(cr_size_multiply(index->size, sizeof(int32_t), &bytes, "index size", err));
    CR_TRY(cr_buffer_new(bytes, &index->buffer, err));
    index->data = cr_buffer_data(index->buffer);
    for (size_t i = 0; i < index->size; i++) {
        if (values[i] < 0 || values[i] > INT32_MAX) {
            status = cr_fail(err, CR_ERR_INDEX, "index: expected values in [0, %d], got %lld at position %zu",
                             INT32_MAX, (long long)values[i], i);
            goto fail;
        }
        index->data[i] = (int32_t)values[i];
        if (index->data[i] > index->largest)
            index->largest = index->data[i];
    }
    *out = index;
    return CR_OK;
fail:
    cr_index_release(index);
    return status;
}

void cr_index_retain(cr_index *index)
{
    atomic_fetch_add_explicit(&index->references, 1, memory_order_relaxed);
}

void cr_index_release(cr_index *index)
{
    if (index == NULL || atomic_fetch_sub_explicit(&index->references, 1, memory_order_acq_rel) != 1)
        return;
    cr_buffer_release(index->buffer);
    free(index);
}
