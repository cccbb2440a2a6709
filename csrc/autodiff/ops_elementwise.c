/* Operations by element: unary functions and arithmetic with broadcasting. */
#include <string.h>

#include "../core/threads.h"
#include "autodiff.h"
#include "axes.h"
#include "checks.h"

/* ---- unary ---- */

typedef struct {
    const cr_kernel_table *kernels;
    cr_dtype dtype;
    cr_unary kind;
    double a, b;
    size_t size, n_chunks;
    const void *x, *y, *dy;
    void *out;
    int accumulate;
} unary_t;

static void unary_chunk(void *context, size_t chunk)
{
    const unary_t *u = context;
    size_t begin, end;
    cr_chunk_range(u->size, u->n_chunks, chunk, &begin, &end);
    u->kernels->unary(u->kind, u->a, u->b, end - begin, cr_element(u->x, begin, u->dtype),
                      cr_element(u->out, begin, u->dtype));
}

static void unary_gradient_chunk(void *context, size_t chunk)
{
    const unary_t *u = context;
    size_t begin, end;
    cr_chunk_range(u->size, u->n_chunks, chunk, &begin, &end);
    u->kernels->unary_gradient(u->kind, u->a, end - begin, cr_element(u->x, begin, u->dtype),
                               cr_element(u->y, begin, u->dtype), cr_element(u->dy, begin, u->dtype),
                               cr_element(u->out, begin, u->dtype), u->accumulate);
}

static cr_status unary_forward(cr_node *node, cr_unary kind, cr_tensor **out, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    cr_status status = cr_expect_activation(kind, node->reals[0], err);
    if (status == CR_OK)
        status = cr_tensor_new(x->dtype, x->ndim, x->shape, out, err);
    if (status != CR_OK)
        return status;
    unary_t u = {.kernels = cr_kernels(x->dtype), .dtype = x->dtype, .kind = kind, .a = node->reals[0],
                 .b = node->reals[1], .size = x->size, .n_chunks = cr_chunk_count(x->size, 1), .x = x->data,
                 .out = (*out)->data};
    cr_parallel(u.n_chunks, unary_chunk, &u);
    return CR_OK;
}

static cr_status unary_backward(const cr_node *node, cr_unary kind, const cr_tensor *out, const cr_tensor *dout,
                                cr_error *err)
{
    cr_tensor *x = node->inputs[0];
    void *data;
    int accumulate;
    cr_status status = cr_grad_begin(x, &data, &accumulate, err);
    if (status != CR_OK || data == NULL)
        return status;
    unary_t u = {.kernels = cr_kernels(x->dtype), .dtype = x->dtype, .kind = kind, .a = node->reals[0],
                 .size = x->size, .n_chunks = cr_chunk_count(x->size, 1), .x = x->data, .y = out->data,
                 .dy = dout->data, .out = data, .accumulate = accumulate};
    cr_parallel(u.n_chunks, unary_gradient_chunk, &u);
    return CR_OK;
}

#define UNARY(name, kind)                                                                                         \
    cr_status name##_forward(cr_node *node, cr_tensor **out, cr_error *err)                                       \
    {                                                                                                             \
        return unary_forward(node, kind, out, err);                                                               \
    }                                                                                                             \
    cr_status name##_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)    \
    {                                                                                                             \
        return unary_backward(node, kind, out, dout, err);                                                        \
    }

UNARY(leaky_relu, CR_LEAKY_RELU)
UNARY(relu, CR_RELU)
UNARY(tanh, CR_TANH)
UNARY(sigmoid, CR_SIGMOID)
UNARY(softplus, CR_SOFTPLUS)
UNARY(exp, CR_EXP)
UNARY(log, CR_LOG)
UNARY(square, CR_SQUARE)
UNARY(affine, CR_AFFINE)
UNARY(abs, CR_ABS)
UNARY(sqrt, CR_SQRT)

/* ---- binary ----
 * Mostly the result has the shape of one operand, and the other is that shape, a row (the trailing axes) or one element:
 * these have ways of their own. Other shapes that broadcast are written out first. */

static bool is_row_of(const cr_tensor *row, const cr_tensor *x)
{
    int lead = x->ndim - row->ndim;
    return lead >= 0 && memcmp(row->shape, x->shape + lead, (size_t)row->ndim * sizeof *row->shape) == 0;
}

/* How many times `operand` repeats in the result: once for equal shapes, never in an empty result. Rows repeat
 * whole. */
static size_t count_repeats(const cr_tensor *operand, const cr_tensor *out)
{
    return operand->size == 0 ? 0 : out->size / operand->size;
}

/* Points *data to an operand in the shape of the result. A broadcast operand is written out to a new buffer. */
static cr_status write_broadcast(const cr_tensor *operand, const cr_tensor *out, cr_buffer **buffer, const void **data,
                                 cr_error *err)
{
    *buffer = NULL;
    *data = operand->data;
    if (operand->size == out->size)
        return CR_OK;
    cr_status status = cr_buffer_new(out->size * cr_dtype_size(out->dtype), buffer, err);
    if (status != CR_OK)
        return status;
    void *all = cr_buffer_data(*buffer);
    *data = all;
    if (operand->size == 1) {
        cr_kernels(out->dtype)->fill(out->size, cr_load(operand, 0), all);
    } else if (!is_row_of(operand, out)) {
        const cr_axes axes = cr_axes_of_broadcast(operand, out->ndim, out->shape);
        return cr_repeat_axes(&axes, 1, out->dtype, operand->data, all, 0, err);
    } else {
        size_t bytes = operand->size * cr_dtype_size(out->dtype);
        for (size_t r = 0; r < count_repeats(operand, out); r++)
            memcpy((char *)all + r * bytes, operand->data, bytes);
    }
    return CR_OK;
}

/* The result of two operands of which both may have to be written out. */
static cr_status compute_general(const cr_node *node, cr_binary kind, cr_tensor *out, cr_error *err)
{
    cr_buffer *x_buffer = NULL, *y_buffer = NULL;
    const void *x, *y;
    cr_status status;
    CR_TRY(write_broadcast(node->inputs[0], out, &x_buffer, &x, err));
    CR_TRY(write_broadcast(node->inputs[1], out, &y_buffer, &y, err));
    cr_kernels(out->dtype)->binary(kind, out->size, x, y, out->data);
fail:
    cr_buffer_release(x_buffer);
    cr_buffer_release(y_buffer);
    return status;
}

static cr_status new_binary_result(const cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *x = node->inputs[0], *y = node->inputs[1];
    int ndim;
    size_t shape[CR_MAX_NDIM];
    if (!cr_broadcast_shape(x, y, &ndim, shape)) {
        char first[96], second[96];
        return cr_fail(err, CR_ERR_VALUE, "%s: expected shapes that broadcast, got %s and %s",
                       cr_operations[node->op].name, cr_shape_text(x->ndim, x->shape, first, sizeof first),
                       cr_shape_text(y->ndim, y->shape, second, sizeof second));
    }
    return cr_tensor_new(x->dtype, ndim, shape, out, err);
}

static cr_status binary_forward(cr_node *node, cr_binary kind, cr_tensor **out, cr_error *err)
{
    const cr_tensor *x = node->inputs[0], *y = node->inputs[1];
    cr_status status = new_binary_result(node, out, err);
    if (status != CR_OK)
        return status;
    const cr_kernel_table *kernels = cr_kernels(x->dtype);
    if (y->size == 1 && x->size == (*out)->size) {
        kernels->binary_scalar(kind, x->size, x->data, cr_load(y, 0), (*out)->data);
    } else if (is_row_of(y, x)) { /* equal shapes among them */
        for (size_t r = 0; r < count_repeats(y, *out); r++)
            kernels->binary(kind, y->size, cr_tensor_element(x, r * y->size), y->data,
                            cr_tensor_element(*out, r * y->size));
    } else if (is_row_of(x, y) && x->size != 1) {
        for (size_t r = 0; r < count_repeats(x, *out); r++)
            kernels->binary(kind, x->size, x->data, cr_tensor_element(y, r * x->size),
                            cr_tensor_element(*out, r * x->size));
    } else {
        status = compute_general(node, kind, *out, err);
    }
    if (status != CR_OK) {
        cr_tensor_release(*out);
        *out = NULL;
    }
    return status;
}

/* Adds the sums of `full` over the axes in which an operand was repeated. */
static cr_status add_sums_over_axes(const cr_tensor *operand, const cr_tensor *out, const void *full, void *data,
                                    cr_error *err)
{
    const cr_axes axes = cr_axes_of_broadcast(operand, out->ndim, out->shape);
    cr_buffer *sums;
    cr_status status = cr_buffer_new(operand->size * cr_dtype_size(out->dtype), &sums, err);
    if (status != CR_OK)
        return status;
    status = cr_reduce_axes(&axes, CR_SUM, 1, out->dtype, full, cr_buffer_data(sums), err);
    if (status == CR_OK)
        cr_kernels(out->dtype)->axpy(operand->size, 1, cr_buffer_data(sums), data);
    cr_buffer_release(sums);
    return status;
}

/* Adds the gradient of a broadcast operand: sums of `full` over its repeats. */
static cr_status add_summed_gradient(cr_tensor *operand, const cr_tensor *out, const void *full, cr_error *err)
{
    void *data;
    cr_status status = cr_grad_begin_zeroed(operand, &data, err);
    if (status != CR_OK || data == NULL)
        return status;
    const cr_kernel_table *kernels = cr_kernels(out->dtype);
    if (operand->size == 1)
        cr_store(operand->grad, 0, cr_load(operand->grad, 0) + kernels->sum(out->size, full));
    else if (is_row_of(operand, out))
        kernels->column_sums(count_repeats(operand, out), operand->size, 0, operand->size, full, data, 1);
    else
        status = add_sums_over_axes(operand, out, full, data, err);
    return status;
}

/* Adds the gradient of operand number `side`: 0 for x, 1 for y. That of a broadcast operand goes through a buffer of
 * the size of the result. */
static cr_status add_operand_gradient(const cr_node *node, cr_binary kind, int side, const cr_tensor *out,
                                      const cr_tensor *dout, const void *x, const void *y, cr_error *err)
{
    cr_tensor *operand = node->inputs[side];
    const cr_kernel_table *kernels = cr_kernels(out->dtype);
    void *data;
    int accumulate;
    if (operand->size == out->size) {
        cr_status status = cr_grad_begin(operand, &data, &accumulate, err);
        if (status == CR_OK && data != NULL)
            kernels->binary_gradient(kind, out->size, x, y, dout->data, side == 0 ? data : NULL,
                                     side == 1 ? data : NULL, accumulate, accumulate);
        return status;
    }
    if (!operand->requires_grad)
        return CR_OK;
    cr_buffer *full;
    cr_status status = cr_buffer_new(out->size * cr_dtype_size(out->dtype), &full, err);
    if (status != CR_OK)
        return status;
    data = cr_buffer_data(full);
    kernels->binary_gradient(kind, out->size, x, y, dout->data, side == 0 ? data : NULL, side == 1 ? data : NULL, 0, 0);
    status = add_summed_gradient(operand, out, data, err);
    cr_buffer_release(full);
    return status;
}

static cr_status binary_backward(const cr_node *node, cr_binary kind, const cr_tensor *out, const cr_tensor *dout,
                                 cr_error *err)
{
    cr_buffer *x_buffer = NULL, *y_buffer = NULL;
    const void *x, *y;
    cr_status status;
    CR_TRY(write_broadcast(node->inputs[0], out, &x_buffer, &x, err));
    CR_TRY(write_broadcast(node->inputs[1], out, &y_buffer, &y, err));
    CR_TRY(add_operand_gradient(node, kind, 0, out, dout, x, y, err));
    CR_TRY(add_operand_gradient(node, kind, 1, out, dout, x, y, err));
fail:
    cr_buffer_release(x_buffer);
    cr_buffer_release(y_buffer);
    return status;
}

#define BINARY(name, kind)                                                                                        \
    cr_status name##_forward(cr_node *node, cr_tensor **out, cr_error *err)                                       \
    {                                                                                                             \
        return binary_forward(node, kind, out, err);                                                              \
    }                                                                                                             \
    cr_status name##_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)    \
    {                                                                                                             \
        return binary_backward(node, kind, out, dout, err);                                                       \
    }

BINARY(add, CR_ADD)
BINARY(sub, CR_SUB)
BINARY(mul, CR_MUL)
BINARY(div, CR_DIV)
BINARY(pow, CR_POW)
