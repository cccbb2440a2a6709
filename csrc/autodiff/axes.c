#include "axes.h"

#include "../core/kernels.h"

cr_axes cr_axes_of(int ndim, const size_t *shape, const bool *chosen)
{
    cr_axes axes = {.size = 1, .kept = 1, .reduced = 1};
    for (int d = 0; d < ndim; d++) {
        if (chosen[d]) {
            if (d == 0 || !chosen[d - 1]) {
                axes.runs[axes.n_runs].outer = axes.size;
                axes.runs[axes.n_runs].length = 1;
                axes.runs[axes.n_runs++].inner = 1;
            }
            axes.runs[axes.n_runs - 1].length *= shape[d];
            axes.reduced *= shape[d];
        } else {
            for (int r = 0; r < axes.n_runs; r++)
                axes.runs[r].inner *= shape[d];
            axes.kept *= shape[d];
        }
        axes.size *= shape[d];
    }
    if (axes.n_runs == 0) { /* each element by itself */
        axes.n_runs = 1;
        axes.runs[0].outer = axes.size;
        axes.runs[0].length = axes.runs[0].inner = 1;
    }
    return axes;
}

cr_axes cr_axes_of_broadcast(const cr_tensor *operand, int ndim, const size_t *shape)
{
    bool repeated[CR_MAX_NDIM];
    for (int d = 0; d < ndim; d++) {
        int own = d - (ndim - operand->ndim);
        repeated[d] = (own < 0 ? 1 : operand->shape[own]) != shape[d];
    }
    return cr_axes_of(ndim, shape, repeated);
}

bool cr_broadcast_shape(const cr_tensor *a, const cr_tensor *b, int *ndim, size_t *shape)
{
    *ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int d = 1; d <= *ndim; d++) { /* from the last axis on */
        size_t x = d > a->ndim ? 1 : a->shape[a->ndim - d], y = d > b->ndim ? 1 : b->shape[b->ndim - d];
        if (x != y && x != 1 && y != 1)
            return false;
        shape[*ndim - d] = x == 1 ? y : x;
    }
    return true;
}

/* Reduces one run of axes. */
static void reduce_run(const cr_axes *axes, int run, cr_reduction kind, double scale, cr_dtype dtype, const void *x,
                       void *y)
{
    const size_t outer = axes->runs[run].outer, length = axes->runs[run].length, inner = axes->runs[run].inner;
    if (kind == CR_MAX)
        cr_kernels(dtype)->max_axis(outer, length, inner, x, y);
    else if (kind == CR_MIN)
        cr_kernels(dtype)->min_axis(outer, length, inner, x, y);
    else
        cr_kernels(dtype)->sum_axis(outer, length, inner, scale, x, y);
}

/* A buffer for what lies between the two runs. */
static cr_status new_between(const cr_axes *axes, cr_dtype dtype, cr_buffer **out, cr_error *err)
{
    return cr_buffer_new(axes->runs[1].outer * axes->runs[1].inner * cr_dtype_size(dtype), out, err);
}

cr_status cr_reduce_axes(const cr_axes *axes, cr_reduction kind, double scale, cr_dtype dtype, const void *x, void *y,
                         cr_error *err)
{
    if (axes->size == 0) {
        cr_kernels(dtype)->fill(axes->kept, 0, y);
        return CR_OK;
    }
    if (axes->n_runs == 1) {
        reduce_run(axes, 0, kind, scale, dtype, x, y);
        return CR_OK;
    }
    cr_buffer *between;
    cr_status status = new_between(axes, dtype, &between, err);
    if (status != CR_OK)
        return status;
    reduce_run(axes, 1, kind, 1, dtype, x, cr_buffer_data(between));
    reduce_run(axes, 0, kind, scale, dtype, cr_buffer_data(between), y);
    cr_buffer_release(between);
    return CR_OK;
}

/* Repeats along one run of axes. */
static void repeat_run(const cr_axes *axes, int run, double scale, cr_dtype dtype, const void *x, void *y,
                       int accumulate)
{
    cr_kernels(dtype)->spread_axis(axes->runs[run].outer, axes->runs[run].length, axes->runs[run].inner, scale, x, y,
                                   accumulate);
}

cr_status cr_repeat_axes(const cr_axes *axes, double scale, cr_dtype dtype, const void *x, void *y, int accumulate,
                         cr_error *err)
{
    if (axes->size == 0)
        return CR_OK;
    if (axes->n_runs == 1) {
        repeat_run(axes, 0, scale, dtype, x, y, accumulate);
        return CR_OK;
    }
    cr_buffer *between;
    cr_status status = new_between(axes, dtype, &between, err);
    if (status != CR_OK)
        return status;
    repeat_run(axes, 0, scale, dtype, x, cr_buffer_data(between), 0);
    repeat_run(axes, 1, 1, dtype, cr_buffer_data(between), y, accumulate);
    cr_buffer_release(between);
    return CR_OK;
}
