/* Rearrangements: concat, slice, reshape, transpose, gather_rows. */
#include <string.h>

#include "../core/threads.h"
#include "autodiff.h"
#include "checks.h"

typedef struct {
    size_t outer, length, inner; /* sizes of the axes before one axis, of that axis, and of the axes after it */
    int axis;
} axis_t;

static cr_status view_around_axis(const cr_tensor *x, int64_t axis, axis_t *out, cr_error *err)
{
    *out = (axis_t){1, 1, 1, 0};
    cr_status status = cr_expect_axis(x, axis, &out->axis, err);
    if (status != CR_OK)
        return status;
    for (int d = 0; d < x->ndim; d++) {
        size_t *part = d < out->axis ? &out->outer : d == out->axis ? &out->length : &out->inner;
        *part *= x->shape[d];
    }
    return CR_OK;
}

/* ---- concat: integers[0] axis ---- */

static bool match_outside_axis(const cr_tensor *a, const cr_tensor *b, int axis)
{
    bool same = a->ndim == b->ndim;
    for (int d = 0; same && d < a->ndim; d++)
        same = d == axis || a->shape[d] == b->shape[d];
    return same;
}

cr_status concat_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    axis_t view = {0};
    if (node->n_inputs == 0)
        return cr_fail(err, CR_ERR_VALUE, "tensors: expected at least one, got none");
    const cr_tensor *first = node->inputs[0];
    cr_status status = view_around_axis(first, node->integers[0], &view, err);
    if (status != CR_OK)
        return status;
    size_t shape[CR_MAX_NDIM], total = 0;
    for (int d = 0; d < first->ndim; d++)
        shape[d] = first->shape[d];
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (!match_outside_axis(first, node->inputs[i], view.axis))
            return cr_fail(err, CR_ERR_VALUE, "tensors: number %zu does not match the first outside axis %d", i,
                           view.axis);
        if (total + node->inputs[i]->shape[view.axis] < total)
            return cr_fail(err, CR_ERR_OVERFLOW, "tensors: the joined axis is too long");
        total += node->inputs[i]->shape[view.axis];
    }
    shape[view.axis] = total;
    status = cr_tensor_new(first->dtype, first->ndim, shape, out, err);
    size_t joined = 0, element = cr_dtype_size(first->dtype);
    for (size_t i = 0; status == CR_OK && i < node->n_inputs; i++) {
        size_t part = node->inputs[i]->shape[view.axis] * view.inner;
        for (size_t o = 0; o < view.outer && part > 0; o++)
            memcpy(cr_tensor_element(*out, (o * total + joined) * view.inner),
                   cr_tensor_element(node->inputs[i], o * part), part * element);
        joined += node->inputs[i]->shape[view.axis];
    }
    return status;
}

cr_status concat_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    axis_t view = {0};
    cr_status status = view_around_axis(out, node->integers[0], &view, err);
    size_t joined = 0;
    for (size_t i = 0; status == CR_OK && i < node->n_inputs; i++) {
        void *data;
        size_t length = node->inputs[i]->shape[view.axis], part = length * view.inner;
        status = cr_grad_begin_zeroed(node->inputs[i], &data, err);
        if (status == CR_OK && data != NULL)
            for (size_t o = 0; o < view.outer && part > 0; o++)
                cr_kernels(out->dtype)->axpy(part, 1, cr_tensor_element(dout, (o * view.length + joined) * view.inner),
                                             cr_element(data, o * part, out->dtype));
        joined += length;
    }
    return status;
}

/* ---- slice: integers start, stop, axis, step ---- */

typedef struct {
    axis_t view;
    size_t start, count;
    int64_t step;
} slice_t;

static cr_status view_slice(const cr_node *node, slice_t *s, cr_error *err)
{
    cr_status status = view_around_axis(node->inputs[0], node->integers[2], &s->view, err);
    if (status != CR_OK)
        return status;
    const int64_t start = node->integers[0], stop = node->integers[1], length = (int64_t)s->view.length;
    s->step = node->integers[3];
    if (s->step == 0)
        return cr_fail(err, CR_ERR_VALUE, "step: expected a number other than 0, got 0");
    if (s->step > 0 && (start < 0 || stop < start || stop > length))
        return cr_fail(err, CR_ERR_INDEX, "slice: expected 0 <= start <= stop <= %lld, got %lld to %lld",
                       (long long)length, (long long)start, (long long)stop);
    if (s->step < 0 && (start >= length || start < stop || stop < -1))
        return cr_fail(err, CR_ERR_INDEX, "slice: expected %lld > start >= stop >= -1 for a negative step, got %lld to %lld",
                       (long long)length, (long long)start, (long long)stop);
    s->start = (size_t)start;
    s->count = 0;
    if (start != stop)
        s->count = (size_t)(s->step > 0 ? (stop - start - 1) / s->step : (start - stop - 1) / -s->step) + 1;
    return CR_OK;
}

/* The first element of position k of the slice in block o of x. */
static size_t slice_position(const slice_t *s, size_t o, size_t k)
{
    return (o * s->view.length + (size_t)((int64_t)s->start + (int64_t)k * s->step)) * s->view.inner;
}

/* How many positions of x that follow each other are copied at once. */
static size_t slice_run(const slice_t *s)
{
    return s->step == 1 ? s->count : 1;
}

cr_status slice_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    slice_t s = {0};
    cr_status status = view_slice(node, &s, err);
    if (status != CR_OK)
        return status;
    size_t shape[CR_MAX_NDIM];
    for (int d = 0; d < x->ndim; d++)
        shape[d] = d == s.view.axis ? s.count : x->shape[d];
    if (s.view.outer == 1 && s.step == 1) /* whole rows: the same memory */
        return cr_tensor_view(x->buffer, cr_tensor_element(x, slice_position(&s, 0, 0)), x->dtype, x->ndim, shape, out,
                              err);
    status = cr_tensor_new(x->dtype, x->ndim, shape, out, err);
    if (status != CR_OK || (*out)->size == 0)
        return status;
    const size_t run = slice_run(&s), bytes = run * s.view.inner * cr_dtype_size(x->dtype);
    char *to = (*out)->data;
    for (size_t o = 0; o < s.view.outer; o++)
        for (size_t k = 0; k < s.count; k += run, to += bytes)
            memcpy(to, cr_tensor_element(x, slice_position(&s, o, k)), bytes);
    return CR_OK;
}

cr_status slice_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    slice_t s = {0};
    void *data;
    cr_status status = view_slice(node, &s, err);
    if (status == CR_OK)
        status = cr_grad_begin_zeroed(node->inputs[0], &data, err);
    if (status != CR_OK || data == NULL || out->size == 0)
        return status;
    const size_t run = slice_run(&s), n = run * s.view.inner;
    size_t from = 0;
    for (size_t o = 0; o < s.view.outer; o++)
        for (size_t k = 0; k < s.count; k += run, from += n)
            cr_kernels(out->dtype)->axpy(n, 1, cr_tensor_element(dout, from),
                                         cr_element(data, slice_position(&s, o, k), out->dtype));
    return CR_OK;
}

/* ---- reshape: integers = the new shape, at most one of them -1 ---- */

static cr_status resolve_shape(const cr_node *node, const cr_tensor *x, size_t *shape, cr_error *err)
{
    int unknown = -1;
    size_t known = 1;
    if (node->n_integers > CR_MAX_NDIM)
        return cr_fail(err, CR_ERR_VALUE, "shape: expected at most %d dimensions, got %zu", CR_MAX_NDIM,
                       node->n_integers);
    for (size_t d = 0; d < node->n_integers; d++) {
        int64_t length = node->integers[d];
        if (length == -1 && unknown < 0) {
            unknown = (int)d;
            continue;
        }
        if (length < 0)
            return cr_fail(err, CR_ERR_VALUE, "shape: expected lengths >= 0 and at most one -1, got %lld",
                           (long long)length);
        shape[d] = (size_t)length;
        cr_status status = cr_size_multiply(known, shape[d], &known, "shape", err);
        if (status != CR_OK)
            return status;
    }
    bool ambiguous = unknown >= 0 && known == 0; /* any length would do */
    if (unknown >= 0 && !ambiguous) {
        shape[unknown] = x->size / known;
        known *= shape[unknown];
    }
    if (known != x->size || ambiguous)
        return cr_fail(err, CR_ERR_VALUE, "shape: expected %zu elements, got %zu", x->size, known);
    return CR_OK;
}

cr_status reshape_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    size_t shape[CR_MAX_NDIM];
    cr_status status = resolve_shape(node, x, shape, err);
    if (status != CR_OK)
        return status;
    return cr_tensor_view(x->buffer, x->data, x->dtype, (int)node->n_integers, shape, out, err);
}

cr_status reshape_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    (void)out;
    void *data;
    cr_status status = cr_grad_begin_zeroed(node->inputs[0], &data, err);
    if (status == CR_OK && data != NULL)
        cr_kernels(dout->dtype)->axpy(dout->size, 1, dout->data, data);
    return status;
}

/* ---- transpose ---- */

/* The shape with ones behind it, for loops over four axes. */
static void pad_shape(const cr_tensor *x, size_t *shape)
{
    for (int d = 0; d < CR_MAX_NDIM; d++)
        shape[d] = d < x->ndim ? x->shape[d] : 1;
}

cr_status transpose_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    size_t shape[CR_MAX_NDIM], padded[CR_MAX_NDIM];
    for (int d = 0; d < x->ndim; d++)
        shape[d] = x->shape[x->ndim - 1 - d];
    cr_status status = cr_tensor_new(x->dtype, x->ndim, shape, out, err);
    pad_shape(x, padded);
    if (status == CR_OK && x->size > 0)
        cr_kernels(x->dtype)->reverse_axes(padded, x->data, (*out)->data, 0);
    return status;
}

cr_status transpose_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    void *data;
    int accumulate;
    size_t padded[CR_MAX_NDIM];
    cr_status status = cr_grad_begin(node->inputs[0], &data, &accumulate, err);
    pad_shape(out, padded);
    if (status == CR_OK && data != NULL && out->size > 0)
        cr_kernels(out->dtype)->reverse_axes(padded, dout->data, data, accumulate);
    return status;
}

/* ---- gather_rows: index (r,) or (r, k) ---- */

typedef struct {
    const cr_tensor *table;
    const cr_index *index;
    const void *from;
    void *to;
    size_t rows, k, columns, n_chunks;
} gather_t;

static void gather_chunk(void *context, size_t chunk)
{
    const gather_t *g = context;
    size_t begin, end;
    cr_chunk_range(g->rows, g->n_chunks, chunk, &begin, &end);
    cr_kernels(g->table->dtype)
        ->gather_sum(end - begin, g->k, g->columns, g->from, g->index->data + begin * g->k,
                     cr_element(g->to, begin * g->columns, g->table->dtype));
}

static void scatter_chunk(void *context, size_t chunk)
{
    const gather_t *g = context;
    size_t begin, end;
    cr_chunk_range(g->columns, g->n_chunks, chunk, &begin, &end);
    cr_kernels(g->table->dtype)
        ->scatter_add(g->rows, g->k, g->columns, begin, end, g->index->data, g->from, g->to);
}

cr_status gather_rows_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *table = node->inputs[0];
    const cr_index *index = node->index;
    cr_status status = cr_expect_ndim(table, 2, "table", err);
    if (status != CR_OK)
        return status;
    if (index->largest >= 0 && (size_t)index->largest >= table->shape[0])
        return cr_fail(err, CR_ERR_INDEX, "index: expected row numbers below %zu, got %d", table->shape[0],
                       index->largest);
    size_t shape[2] = {index->shape[0], table->shape[1]}, k = index->ndim == 1 ? 1 : index->shape[1];
    status = cr_tensor_new(table->dtype, 2, shape, out, err);
    if (status != CR_OK)
        return status;
    gather_t g = {table, index, table->data, (*out)->data, shape[0], k, shape[1],
                  cr_chunk_count(shape[0], k * shape[1])};
    cr_parallel(g.n_chunks, gather_chunk, &g);
    return CR_OK;
}

cr_status gather_rows_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    cr_tensor *table = node->inputs[0];
    void *data;
    cr_status status = cr_grad_begin_zeroed(table, &data, err);
    if (status != CR_OK || data == NULL)
        return status;
    size_t k = node->index->ndim == 1 ? 1 : node->index->shape[1], columns = out->shape[1];
    size_t n_chunks = columns < 128 || out->size * k < 65536 ? 1 : columns / 64; /* by columns: no partial sums */
    gather_t g = {table, node->index, dout->data, data, out->shape[0], k, columns, n_chunks > 8 ? 8 : n_chunks};
    cr_parallel(g.n_chunks, scatter_chunk, &g);
    return CR_OK;
}
