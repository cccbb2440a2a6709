#include "icnn.h"

#include "../core/blas.h"

static cr_status expect(const cr_tensor *tensor, const char *name, cr_dtype dtype, int ndim, size_t rows,
                        size_t columns, cr_error *err)
{
    char text[96];
    if (tensor->dtype != dtype)
        return cr_fail(err, CR_ERR_TYPE, "%s: expected %s, got %s", name, cr_dtype_name(dtype),
                       cr_dtype_name(tensor->dtype));
    if (tensor->ndim != ndim || tensor->shape[0] != rows || (ndim == 2 && tensor->shape[1] != columns))
        return cr_fail(err, CR_ERR_VALUE, "%s: expected %zu rows and %zu columns, got shape %s", name, rows, columns,
                       cr_shape_text(tensor->ndim, tensor->shape, text, sizeof text));
    return CR_OK;
}

static cr_status expect_nonnegative(const cr_tensor *tensor, const char *name, cr_error *err)
{
    if (cr_kernels(tensor->dtype)->any_negative(tensor->size, tensor->data))
        return cr_fail(err, CR_ERR_VALUE, "%s: expected no negative entry and no NaN: the net is not convex", name);
    return CR_OK;
}

cr_status cr_icnn_check(const cr_icnn *net, bool convex, cr_error *err)
{
    cr_status status;
    CR_TRY(cr_expect_ndim(net->input_weight, 2, "input_weight", err));
    CR_TRY(cr_expect_slope(net->slope, err));
    cr_dtype dtype = net->input_weight->dtype;
    size_t m = net->input_weight->shape[0], d = net->input_weight->shape[1];
    CR_TRY(expect(net->input_bias, "input_bias", dtype, 1, m, 1, err));
    for (size_t l = 0; l < net->n_layers; l++) {
        CR_TRY(expect(net->weights[l], "weights", dtype, 2, m, m, err));
        CR_TRY(expect(net->skips[l], "skips", dtype, 2, m, d, err));
        if (convex)
            CR_TRY(expect_nonnegative(net->weights[l], "weights", err));
    }
    CR_TRY(expect(net->output_weight, "output_weight", dtype, 2, 1, m, err));
    CR_TRY(expect(net->output_skip, "output_skip", dtype, 2, 1, d, err));
    CR_TRY(expect(net->output_bias, "output_bias", dtype, 1, 1, 1, err));
    if (convex)
        CR_TRY(expect_nonnegative(net->output_weight, "output_weight", err));
    return CR_OK;
fail:
    return status;
}

/* Scratch memory of one evaluation, cut from one buffer; every part has n x m elements. */
typedef struct {
    cr_buffer *buffer;
    cr_dtype dtype;
    size_t part;
} scratch_t;

static void *part_of(const scratch_t *s, size_t number)
{
    return cr_at(cr_buffer_data(s->buffer), number * s->part, s->dtype);
}

/* Parts: 0 = h0; 1 + 2 l and 2 + 2 l = both products of layer l before activation; then h, dh, da, db. */
static cr_status scratch_new(const cr_icnn *net, size_t n, scratch_t *s, cr_error *err)
{
    size_t total;
    s->dtype = net->input_weight->dtype;
    cr_status status = cr_size_multiply(n, net->input_weight->shape[0], &s->part, "icnn", err);
    if (status == CR_OK)
        status = cr_size_multiply(s->part, (2 * net->n_layers + 5) * cr_dtype_size(s->dtype), &total, "icnn", err);
    return status == CR_OK ? cr_buffer_new(total, &s->buffer, err) : status;
}

static cr_status forward(const cr_icnn *net, const scratch_t *s, const void *z, size_t n, void *value, cr_error *err)
{
    size_t m = net->input_weight->shape[0], d = net->input_weight->shape[1];
    const cr_kernel_table *kernels = cr_kernels(s->dtype);
    void *h0 = part_of(s, 0), *next = part_of(s, 2 * net->n_layers + 1);
    const void *h = h0;
    cr_status status;
    CR_TRY(cr_gemm(s->dtype, n, m, d, cr_plain(z, d), cr_transposed(net->input_weight->data, d), 0, h0, m, err));
    kernels->bias_activation(CR_LEAKY_RELU, net->slope, n, m, net->input_bias->data, h0);
    for (size_t l = 0; l < net->n_layers; l++) {
        void *a = part_of(s, 1 + 2 * l), *b = part_of(s, 2 + 2 * l);
        CR_TRY(cr_gemm(s->dtype, n, m, m, cr_plain(h, m), cr_transposed(net->weights[l]->data, m), 0, a, m, err));
        CR_TRY(cr_gemm(s->dtype, n, m, d, cr_plain(z, d), cr_transposed(net->skips[l]->data, d), 0, b, m, err));
        kernels->leaky_pair(n * m, net->slope, a, b, next);
        h = next; /* the product above is done with the old content */
    }
    kernels->fill(n, cr_load(net->output_bias, 0), value);
    CR_TRY(cr_gemm(s->dtype, n, 1, m, cr_plain(h, m), cr_transposed(net->output_weight->data, m), 1, value, 1, err));
    CR_TRY(cr_gemm(s->dtype, n, 1, d, cr_plain(z, d), cr_transposed(net->output_skip->data, d), 1, value, 1, err));
    return CR_OK;
fail:
    return status;
}

static cr_status backward(const cr_icnn *net, const scratch_t *s, size_t n, void *gradient, cr_error *err)
{
    size_t m = net->input_weight->shape[0], d = net->input_weight->shape[1], first = 2 * net->n_layers + 2;
    const cr_kernel_table *kernels = cr_kernels(s->dtype);
    void *dh = part_of(s, first), *da = part_of(s, first + 1), *db = part_of(s, first + 2);
    cr_status status;
    for (size_t r = 0; r < n; r++) { /* every row starts from the same output weights */
        kernels->unary(CR_IDENTITY, 0, 0, m, net->output_weight->data, cr_at(dh, r * m, s->dtype));
        kernels->unary(CR_IDENTITY, 0, 0, d, net->output_skip->data, cr_at(gradient, r * d, s->dtype));
    }
    for (size_t l = net->n_layers; l-- > 0;) {
        kernels->leaky_pair_gradient(n * m, net->slope, part_of(s, 1 + 2 * l), part_of(s, 2 + 2 * l), dh, da, db);
        CR_TRY(cr_gemm(s->dtype, n, d, m, cr_plain(db, m), cr_plain(net->skips[l]->data, d), 1, gradient, d, err));
        CR_TRY(cr_gemm(s->dtype, n, m, m, cr_plain(da, m), cr_plain(net->weights[l]->data, m), 0, dh, m, err));
    }
    kernels->unary_gradient(CR_LEAKY_RELU, net->slope, n * m, NULL, part_of(s, 0), dh, da, 0);
    CR_TRY(cr_gemm(s->dtype, n, d, m, cr_plain(da, m), cr_plain(net->input_weight->data, d), 1, gradient, d, err));
    return CR_OK;
fail:
    return status;
}

cr_status cr_icnn_evaluate(const cr_icnn *net, const void *z, size_t n, void *value, void *gradient, cr_error *err)
{
    scratch_t scratch = {0};
    cr_status status;
    if (n == 0)
        return CR_OK;
    CR_TRY(scratch_new(net, n, &scratch, err));
    CR_TRY(forward(net, &scratch, z, n, value, err));
    if (gradient != NULL)
        CR_TRY(backward(net, &scratch, n, gradient, err));
fail:
    cr_buffer_release(scratch.buffer);
    return status;
}
