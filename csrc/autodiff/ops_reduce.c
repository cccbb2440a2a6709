/* Reductions over axes: sum, mean, max, min; and softmax. */
#include "autodiff.h"
#include "axes.h"
#include "checks.h"

/* ---- attributes of a reduction: the number of axes or CR_ALL_AXES, the axes, keepdims ---- */

static cr_status choose_axes(const cr_node *node, bool *chosen, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    const bool all = node->integers[0] == CR_ALL_AXES;
    for (int d = 0; d < x->ndim; d++)
        chosen[d] = all;
    for (int64_t i = 0; i < node->integers[0]; i++) {
        int axis;
        cr_status status = cr_expect_axis(x, node->integers[1 + i], &axis, err);
        if (status != CR_OK)
            return status;
        if (chosen[axis])
            return cr_fail(err, CR_ERR_VALUE, "axis: expected different axes, got %d twice", axis);
        chosen[axis] = true;
    }
    return CR_OK;
}

static bool keeps_dimensions(const cr_node *node)
{
    const int64_t n = node->integers[0] == CR_ALL_AXES ? 0 : node->integers[0];
    return node->integers[1 + n] != 0;
}

/* The axes, and the shape of the result. */
static cr_status view_reduction(const cr_node *node, cr_axes *axes, int *ndim, size_t *shape, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    bool chosen[CR_MAX_NDIM] = {false};
    cr_status status = choose_axes(node, chosen, err);
    *ndim = 0;
    for (int d = 0; status == CR_OK && d < x->ndim; d++) {
        if (chosen[d] && keeps_dimensions(node))
            shape[(*ndim)++] = 1;
        else if (!chosen[d])
            shape[(*ndim)++] = x->shape[d];
    }
    *axes = cr_axes_of(x->ndim, x->shape, chosen);
    return status;
}

static cr_status new_reduction(cr_node *node, cr_axes *axes, cr_tensor **out, cr_error *err)
{
    int ndim;
    size_t shape[CR_MAX_NDIM];
    cr_status status = view_reduction(node, axes, &ndim, shape, err);
    return status == CR_OK ? cr_tensor_new(node->inputs[0]->dtype, ndim, shape, out, err) : status;
}

/* Computes a result that new_reduction made; it is released on failure. */
static cr_status fill_reduction(const cr_node *node, const cr_axes *axes, cr_reduction kind, double scale,
                                cr_tensor **out, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    cr_status status = cr_reduce_axes(axes, kind, scale, x->dtype, x->data, (*out)->data, err);
    if (status != CR_OK) {
        cr_tensor_release(*out);
        *out = NULL;
    }
    return status;
}

static cr_status axes_of_node(const cr_node *node, cr_axes *axes, cr_error *err)
{
    int ndim;
    size_t shape[CR_MAX_NDIM];
    return view_reduction(node, axes, &ndim, shape, err);
}

/* Repeats the gradient of the result along the axes. */
static cr_status repeat_gradient(const cr_node *node, const cr_axes *axes, double scale, const cr_tensor *dout,
                                 cr_error *err)
{
    void *data;
    int accumulate;
    cr_status status = cr_grad_begin(node->inputs[0], &data, &accumulate, err);
    if (status != CR_OK || data == NULL)
        return status;
    return cr_repeat_axes(axes, scale, dout->dtype, dout->data, data, accumulate, err);
}

/* ---- sum and mean ---- */

cr_status sum_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    cr_axes axes;
    cr_status status = new_reduction(node, &axes, out, err);
    return status == CR_OK ? fill_reduction(node, &axes, CR_SUM, 1, out, err) : status;
}

cr_status sum_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    (void)out;
    cr_axes axes;
    cr_status status = axes_of_node(node, &axes, err);
    return status == CR_OK ? repeat_gradient(node, &axes, 1, dout, err) : status;
}

static cr_status expect_elements(const cr_node *node, cr_error *err)
{
    cr_axes axes;
    cr_status status = axes_of_node(node, &axes, err);
    if (status == CR_OK && axes.reduced == 0)
        return cr_fail(err, CR_ERR_VALUE, "%s: expected at least one element, got none", cr_operations[node->op].name);
    return status;
}

cr_status mean_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    cr_axes axes;
    cr_status status = expect_elements(node, err);
    if (status == CR_OK)
        status = new_reduction(node, &axes, out, err);
    return status == CR_OK ? fill_reduction(node, &axes, CR_SUM, 1.0 / (double)axes.reduced, out, err) : status;
}

cr_status mean_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    (void)out;
    cr_axes axes;
    cr_status status = axes_of_node(node, &axes, err);
    return status == CR_OK ? repeat_gradient(node, &axes, 1.0 / (double)axes.reduced, dout, err) : status;
}

/* ---- max and min ---- */

static cr_status select_forward(cr_node *node, cr_reduction kind, cr_tensor **out, cr_error *err)
{
    cr_axes axes;
    cr_status status = expect_elements(node, err);
    if (status == CR_OK)
        status = new_reduction(node, &axes, out, err);
    return status == CR_OK ? fill_reduction(node, &axes, kind, 1, out, err) : status;
}

/* Adds the gradient: each of the elements that are equal to the result gets the same share. `full` and `is_selected`
 * have room for all elements, `share` and `count` for those of the result. */
static cr_status share_gradient(const cr_node *node, const cr_axes *axes, const cr_tensor *out, const cr_tensor *dout,
                                cr_buffer *const *scratch, cr_error *err)
{
    cr_tensor *x = node->inputs[0];
    const cr_kernel_table *kernels = cr_kernels(x->dtype);
    void *full = cr_buffer_data(scratch[0]), *is_selected = cr_buffer_data(scratch[1]);
    void *share = cr_buffer_data(scratch[2]), *count = cr_buffer_data(scratch[3]), *data;
    int accumulate;
    cr_status status;
    CR_TRY(cr_repeat_axes(axes, 1, x->dtype, out->data, full, 0, err));
    kernels->equal(x->size, x->data, full, is_selected);
    CR_TRY(cr_reduce_axes(axes, CR_SUM, 1, x->dtype, is_selected, count, err));
    kernels->binary(CR_DIV, out->size, dout->data, count, share);
    CR_TRY(cr_repeat_axes(axes, 1, x->dtype, share, full, 0, err));
    CR_TRY(cr_grad_begin(x, &data, &accumulate, err));
    kernels->binary_gradient(CR_MUL, x->size, full, is_selected, full, data, NULL, accumulate, 0);
fail:
    return status;
}

static cr_status select_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    cr_buffer *scratch[4] = {NULL};
    cr_axes axes;
    cr_status status = axes_of_node(node, &axes, err);
    for (int i = 0; status == CR_OK && i < 4; i++)
        status = cr_buffer_new((i < 2 ? x->size : out->size) * cr_dtype_size(x->dtype), &scratch[i], err);
    if (status == CR_OK)
        status = share_gradient(node, &axes, out, dout, scratch, err);
    for (int i = 0; i < 4; i++)
        cr_buffer_release(scratch[i]);
    return status;
}

cr_status max_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    return select_forward(node, CR_MAX, out, err);
}

cr_status max_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    return select_backward(node, out, dout, err);
}

cr_status min_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    return select_forward(node, CR_MIN, out, err);
}

cr_status min_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    return select_backward(node, out, dout, err);
}

/* ---- softmax: integers[0] axis ---- */

static cr_status axes_of_softmax(const cr_node *node, cr_axes *axes, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    bool chosen[CR_MAX_NDIM] = {false};
    int axis;
    cr_status status = cr_expect_axis(x, node->integers[0], &axis, err);
    if (status == CR_OK) {
        chosen[axis] = true;
        *axes = cr_axes_of(x->ndim, x->shape, chosen);
    }
    return status;
}

/* Two buffers for all elements and one for a number for each position along the axis. */
static cr_status new_scratch(const cr_axes *axes, cr_dtype dtype, cr_buffer **scratch, cr_error *err)
{
    cr_status status = CR_OK;
    for (int i = 0; status == CR_OK && i < 3; i++)
        status = cr_buffer_new((i < 2 ? axes->size : axes->kept) * cr_dtype_size(dtype), &scratch[i], err);
    return status;
}

static void release_scratch(cr_buffer *const *scratch)
{
    for (int i = 0; i < 3; i++)
        cr_buffer_release(scratch[i]);
}

/* y = exp(x - max(x)) / sum(exp(x - max(x))) */
static cr_status compute_softmax(const cr_axes *axes, const cr_tensor *x, void *y, cr_error *err)
{
    const cr_kernel_table *kernels = cr_kernels(x->dtype);
    cr_buffer *scratch[3] = {NULL};
    cr_status status;
    CR_TRY(new_scratch(axes, x->dtype, scratch, err));
    void *repeated = cr_buffer_data(scratch[0]), *e = cr_buffer_data(scratch[1]), *one = cr_buffer_data(scratch[2]);
    CR_TRY(cr_reduce_axes(axes, CR_MAX, 1, x->dtype, x->data, one, err));
    CR_TRY(cr_repeat_axes(axes, 1, x->dtype, one, repeated, 0, err));
    kernels->binary(CR_SUB, x->size, x->data, repeated, e);
    kernels->unary(CR_EXP, 0, 0, x->size, e, e);
    CR_TRY(cr_reduce_axes(axes, CR_SUM, 1, x->dtype, e, one, err));
    CR_TRY(cr_repeat_axes(axes, 1, x->dtype, one, repeated, 0, err));
    kernels->binary(CR_DIV, x->size, e, repeated, y);
fail:
    release_scratch(scratch);
    return status;
}

cr_status softmax_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    cr_axes axes;
    cr_status status = axes_of_softmax(node, &axes, err);
    if (status == CR_OK)
        status = cr_tensor_new(x->dtype, x->ndim, x->shape, out, err);
    if (status != CR_OK || x->size == 0)
        return status;
    status = compute_softmax(&axes, x, (*out)->data, err);
    if (status != CR_OK) {
        cr_tensor_release(*out);
        *out = NULL;
    }
    return status;
}

/* dx = y (dy - sum(y dy)) */
cr_status softmax_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    const cr_kernel_table *kernels = cr_kernels(out->dtype);
    cr_buffer *scratch[3] = {NULL};
    cr_axes axes;
    void *data;
    int accumulate;
    cr_status status;
    CR_TRY(axes_of_softmax(node, &axes, err));
    CR_TRY(new_scratch(&axes, out->dtype, scratch, err));
    void *repeated = cr_buffer_data(scratch[0]), *inner = cr_buffer_data(scratch[1]), *one = cr_buffer_data(scratch[2]);
    kernels->binary(CR_MUL, out->size, out->data, dout->data, inner);
    CR_TRY(cr_reduce_axes(&axes, CR_SUM, 1, out->dtype, inner, one, err));
    CR_TRY(cr_repeat_axes(&axes, 1, out->dtype, one, repeated, 0, err));
    kernels->binary(CR_SUB, out->size, dout->data, repeated, inner);
    CR_TRY(cr_grad_begin(node->inputs[0], &data, &accumulate, err));
    kernels->binary_gradient(CR_MUL, out->size, inner, out->data, inner, data, NULL, accumulate, 0);
fail:
    release_scratch(scratch);
    return status;
}
