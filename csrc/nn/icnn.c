#include "icnn.h"

#include <stdlib.h>
#include <string.h>

#include "../autodiff/checks.h"
#include "../core/blas.h"
#include "blocks.h"

static cr_status expect_tensor(const cr_tensor *tensor, const char *name, cr_dtype dtype, int ndim, size_t rows,
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

static cr_status check_network(const cr_icnn *net, bool convex, cr_error *err)
{
    cr_status status;
    CR_TRY(cr_expect_ndim(net->input_weight, 2, "input_weight", err));
    CR_TRY(cr_expect_slope(net->slope, err));
    cr_dtype dtype = net->input_weight->dtype;
    size_t m = net->input_weight->shape[0], d = net->input_weight->shape[1];
    CR_TRY(expect_tensor(net->input_bias, "input_bias", dtype, 1, m, 1, err));
    for (size_t l = 0; l < net->n_layers; l++) {
        CR_TRY(expect_tensor(net->weights[l], "weights", dtype, 2, m, m, err));
        CR_TRY(expect_tensor(net->skips[l], "skips", dtype, 2, m, d, err));
        if (convex)
            CR_TRY(cr_expect_nonnegative(net->weights[l], "weights", err));
    }
    CR_TRY(expect_tensor(net->output_weight, "output_weight", dtype, 2, 1, m, err));
    CR_TRY(expect_tensor(net->output_skip, "output_skip", dtype, 2, 1, d, err));
    CR_TRY(expect_tensor(net->output_bias, "output_bias", dtype, 1, 1, 1, err));
    if (convex)
        CR_TRY(cr_expect_nonnegative(net->output_weight, "output_weight", err));
    return CR_OK;
fail:
    return status;
}

/* ---- the snapshot ---- */

/* A frozen network. A and the U_l are stacked to one matrix with (n_layers + 1) m rows, so that one product replaces
 * all products with z, and another one all products that give the gradient. */
struct cr_icnn_frozen {
    cr_dtype dtype;
    size_t n_layers, m, d;
    double slope, output_bias;
    cr_packed *inputs, *inputs_back; /* for z A^T and z U_l^T in one row; for the gradient of z from theirs */
    cr_packed **weights;             /* h W_l^T, then d W_l for each layer */
    cr_buffer *buffer;               /* b, w, u */
    void *input_bias, *output_weight, *output_skip;
};

size_t cr_icnn_inputs(const cr_icnn_frozen *net)
{
    return net->d;
}

cr_dtype cr_icnn_dtype(const cr_icnn_frozen *net)
{
    return net->dtype;
}

void cr_icnn_frozen_release(cr_icnn_frozen *net)
{
    if (net == NULL)
        return;
    for (size_t i = 0; net->weights != NULL && i < 2 * net->n_layers; i++)
        cr_packed_release(net->weights[i]);
    free(net->weights);
    cr_packed_release(net->inputs);
    cr_packed_release(net->inputs_back);
    cr_buffer_release(net->buffer);
    free(net);
}

static cr_status pack_inputs(const cr_icnn *net, cr_icnn_frozen *f, cr_error *err)
{
    const size_t rows = (f->n_layers + 1) * f->m, part = net->input_weight->size * cr_dtype_size(f->dtype);
    cr_buffer *stacked = NULL;
    size_t bytes;
    cr_status status;
    CR_TRY(cr_size_multiply(f->n_layers + 1, part, &bytes, "icnn", err));
    CR_TRY(cr_buffer_new(bytes, &stacked, err));
    char *data = cr_buffer_data(stacked);
    for (size_t i = 0; part > 0 && i <= f->n_layers; i++)
        memcpy(data + i * part, (i == 0 ? net->input_weight : net->skips[i - 1])->data, part);
    CR_TRY(cr_packed_new(f->dtype, f->d, rows, cr_transposed(data, f->d), &f->inputs, err));
    CR_TRY(cr_packed_new(f->dtype, rows, f->d, cr_plain(data, f->d), &f->inputs_back, err));
fail:
    cr_buffer_release(stacked);
    return status;
}

static cr_status pack_layers(const cr_icnn *net, cr_icnn_frozen *f, cr_error *err)
{
    const size_t m = f->m;
    cr_status status = CR_OK;
    f->weights = calloc(2 * f->n_layers + 1, sizeof *f->weights);
    if (f->weights == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a frozen network");
    for (size_t l = 0; l < f->n_layers; l++) {
        CR_TRY(cr_packed_new(f->dtype, m, m, cr_transposed(net->weights[l]->data, m), &f->weights[2 * l], err));
        CR_TRY(cr_packed_new(f->dtype, m, m, cr_plain(net->weights[l]->data, m), &f->weights[2 * l + 1], err));
    }
fail:
    return status;
}

static cr_status copy_vectors(const cr_icnn *net, cr_icnn_frozen *f, cr_error *err)
{
    const size_t size = cr_dtype_size(f->dtype), m = f->m * size, d = f->d * size;
    cr_status status = cr_buffer_new(2 * m + d, &f->buffer, err);
    if (status != CR_OK)
        return status;
    f->input_bias = cr_buffer_data(f->buffer);
    f->output_weight = (char *)f->input_bias + m;
    f->output_skip = (char *)f->output_weight + m;
    memcpy(f->input_bias, net->input_bias->data, m);
    memcpy(f->output_weight, net->output_weight->data, m);
    memcpy(f->output_skip, net->output_skip->data, d);
    f->output_bias = cr_load(net->output_bias, 0);
    return CR_OK;
}

cr_status cr_icnn_freeze(const cr_icnn *net, bool convex, cr_icnn_frozen **out, cr_error *err)
{
    cr_status status;
    *out = NULL;
    CR_TRY(check_network(net, convex, err));
    cr_icnn_frozen *f = calloc(1, sizeof *f);
    if (f == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a frozen network");
    *out = f;
    f->dtype = net->input_weight->dtype;
    f->n_layers = net->n_layers;
    f->m = net->input_weight->shape[0];
    f->d = net->input_weight->shape[1];
    f->slope = net->slope;
    CR_TRY(pack_inputs(net, f, err));
    CR_TRY(pack_layers(net, f, err));
    CR_TRY(copy_vectors(net, f, err));
    return CR_OK;
fail:
    cr_icnn_frozen_release(*out);
    *out = NULL;
    return status;
}

/* ---- evaluation ---- */

typedef struct {
    const cr_icnn_frozen *net;
    const void *z;
    void *value, *gradient;
} evaluation_t;

/* The parts of a block's scratch memory. from_z: h0 and the U_l z in one row. d_from_z: their gradients. inner: the W_l
 * h of each layer. h: the last h, or its gradient in the backward pass. d_inner: the gradient of one W_l h. */
typedef struct {
    char *from_z, *d_from_z, *inner, *h, *d_inner;
} parts_t;

static size_t scratch_per_row(const cr_icnn_frozen *net)
{
    return (3 * net->n_layers + 4) * net->m * cr_dtype_size(net->dtype);
}

static parts_t split_scratch(const cr_icnn_frozen *net, size_t rows, void *scratch)
{
    const size_t one = rows * net->m * cr_dtype_size(net->dtype), all = (net->n_layers + 1) * one;
    char *start = scratch;
    return (parts_t){start, start + all, start + 2 * all, start + 3 * all - one, start + 3 * all};
}

static cr_status run_forward(const cr_icnn_frozen *net, const parts_t *p, const void *z, size_t rows, cr_error *err)
{
    const size_t m = net->m, wide = (net->n_layers + 1) * m, size = cr_dtype_size(net->dtype);
    const cr_kernel_table *kernels = cr_kernels(net->dtype);
    cr_matrix h = cr_plain(p->from_z, wide);
    cr_status status;
    CR_TRY(cr_gemm_packed(rows, cr_plain(z, net->d), net->inputs, 0, p->from_z, wide, NULL, err));
    for (size_t r = 0; r < rows; r++)
        kernels->bias_activation(CR_LEAKY_RELU, net->slope, 1, m, net->input_bias, p->from_z + r * wide * size);
    for (size_t l = 0; l < net->n_layers; l++, h = cr_plain(p->h, m)) {
        char *inner = p->inner + l * rows * m * size;
        CR_TRY(cr_gemm_packed(rows, h, net->weights[2 * l], 0, inner, m, NULL, err));
        for (size_t r = 0; r < rows; r++)
            kernels->leaky_pair(m, net->slope, inner + r * m * size, p->from_z + (r * wide + (l + 1) * m) * size,
                                p->h + r * m * size);
    }
fail:
    return status;
}

/* Writes the gradient of each row. The gradient of the last h is w, the same in every row. */
static cr_status run_backward(const cr_icnn_frozen *net, const parts_t *p, size_t rows, void *gradient, cr_error *err)
{
    const size_t m = net->m, wide = (net->n_layers + 1) * m, size = cr_dtype_size(net->dtype);
    const cr_kernel_table *kernels = cr_kernels(net->dtype);
    const cr_epilogue add_skip = {CR_IDENTITY, 0, net->output_skip};
    const char *dh = net->output_weight;
    size_t stride = 0;
    cr_status status = CR_OK;
    for (size_t l = net->n_layers; l-- > 0; dh = p->h, stride = m * size) {
        const char *inner = p->inner + l * rows * m * size;
        for (size_t r = 0; r < rows; r++) {
            const size_t at = (r * wide + (l + 1) * m) * size;
            kernels->leaky_pair_gradient(m, net->slope, inner + r * m * size, p->from_z + at, dh + r * stride,
                                         p->d_inner + r * m * size, p->d_from_z + at);
        }
        CR_TRY(cr_gemm_packed(rows, cr_plain(p->d_inner, m), net->weights[2 * l + 1], 0, p->h, m, NULL, err));
    }
    for (size_t r = 0; r < rows; r++)
        kernels->unary_gradient(CR_LEAKY_RELU, net->slope, m, NULL, p->from_z + r * wide * size, dh + r * stride,
                                p->d_from_z + r * wide * size, 0);
    CR_TRY(cr_gemm_packed(rows, cr_plain(p->d_from_z, wide), net->inputs_back, 0, gradient, net->d, &add_skip, err));
fail:
    return status;
}

static void write_values(const cr_icnn_frozen *net, const parts_t *p, const char *z, size_t rows, size_t begin,
                         void *value)
{
    const size_t size = cr_dtype_size(net->dtype), stride = net->m * size;
    const cr_kernel_table *kernels = cr_kernels(net->dtype);
    const char *h = net->n_layers == 0 ? p->from_z : p->h;
    for (size_t r = 0; r < rows; r++) {
        double f = net->output_bias + kernels->dot(net->m, net->output_weight, h + r * stride) +
                   kernels->dot(net->d, net->output_skip, z + r * net->d * size);
        kernels->fill(1, f, (char *)value + (begin + r) * size);
    }
}

static cr_status evaluate_block(void *context, size_t begin, size_t rows, void *scratch, cr_error *err)
{
    const evaluation_t *e = context;
    const cr_icnn_frozen *net = e->net;
    const size_t first = begin * net->d * cr_dtype_size(net->dtype);
    const char *z = (const char *)e->z + first;
    const parts_t parts = split_scratch(net, rows, scratch);
    cr_status status;
    CR_TRY(cr_expect_finite(net->dtype, rows * net->d, z, "z", err));
    CR_TRY(run_forward(net, &parts, z, rows, err));
    if (e->value != NULL)
        write_values(net, &parts, z, rows, begin, e->value);
    if (e->gradient != NULL)
        CR_TRY(run_backward(net, &parts, rows, (char *)e->gradient + first, err));
fail:
    return status;
}

cr_status cr_icnn_evaluate(const cr_icnn_frozen *net, const void *z, size_t n, void *value, void *gradient,
                           cr_error *err)
{
    evaluation_t e = {net, z, value, gradient};
    return cr_run_blocks(n, 1, scratch_per_row(net), evaluate_block, &e, err);
}
