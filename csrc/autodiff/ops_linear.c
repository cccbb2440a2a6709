/* Matrix products: linear (+ bias + activation), matmul, and the layers of an input-convex network. */
#include "../core/blas.h"
#include "../core/threads.h"
#include "autodiff.h"
#include "checks.h"

/* ---- functions for all layers ---- */

typedef struct {
    const cr_kernel_table *kernels;
    cr_dtype dtype;
    cr_unary activation;
    double slope;
    size_t rows, columns, n_chunks;
    const void *bias, *y, *dy;
    void *out;
} rows_t;

static void activation_gradient_chunk(void *context, size_t chunk)
{
    const rows_t *r = context;
    size_t begin, end;
    cr_chunk_range(r->rows * r->columns, r->n_chunks, chunk, &begin, &end);
    r->kernels->unary_gradient(r->activation, r->slope, end - begin, NULL, cr_element(r->y, begin, r->dtype),
                               cr_element(r->dy, begin, r->dtype), cr_element(r->out, begin, r->dtype), 0);
}

typedef struct {
    const cr_kernel_table *kernels;
    size_t rows, columns, n_chunks;
    const void *x;
    void *y;
    int accumulate;
} columns_t;

static void column_sums_chunk(void *context, size_t chunk)
{
    const columns_t *c = context;
    size_t begin, end;
    cr_chunk_range(c->columns, c->n_chunks, chunk, &begin, &end);
    c->kernels->column_sums(c->rows, c->columns, begin, end, c->x, c->y, c->accumulate);
}

/* Adds the gradient of a bias, the sums over rows. Chunks are columns, so that no partial sums are needed. */
static cr_status add_bias_gradient(cr_tensor *bias, const void *dy, size_t rows, size_t columns, cr_error *err)
{
    void *data;
    int accumulate;
    cr_status status = cr_grad_begin(bias, &data, &accumulate, err);
    if (status != CR_OK || data == NULL)
        return status;
    size_t n_chunks = columns >= 64 && rows * columns >= 65536 ? columns / 32 : 1;
    columns_t c = {cr_kernels(bias->dtype), rows, columns, n_chunks > 8 ? 8 : n_chunks, dy, data, accumulate};
    cr_parallel(c.n_chunks, column_sums_chunk, &c);
    return CR_OK;
}

/* dx (rows x k) (+)= dy (rows x n) W (n x k) */
static cr_status add_input_gradient(cr_tensor *x, const void *dy, const cr_tensor *weight, size_t rows, cr_error *err)
{
    void *data;
    int accumulate;
    size_t n = weight->shape[0], k = weight->shape[1];
    cr_status status = cr_grad_begin(x, &data, &accumulate, err);
    if (status != CR_OK || data == NULL)
        return status;
    return cr_gemm(x->dtype, rows, k, n, cr_plain(dy, n), cr_plain(weight->data, k), accumulate, data, k, err);
}

/* dW (n x k) (+)= dy^T (n x rows) x (rows x k) */
static cr_status add_weight_gradient(cr_tensor *weight, const void *dy, const cr_tensor *x, size_t rows, cr_error *err)
{
    void *data;
    int accumulate;
    size_t n = weight->shape[0], k = weight->shape[1];
    cr_status status = cr_grad_begin(weight, &data, &accumulate, err);
    if (status != CR_OK || data == NULL)
        return status;
    return cr_gemm(x->dtype, n, k, rows, cr_transposed(dy, n), cr_plain(x->data, k), accumulate, data, k, err);
}

static size_t count_rows(const cr_tensor *x)
{
    size_t rows = 1; /* counted over the leading axes: size / last would divide by 0 */
    for (int d = 0; d + 1 < x->ndim; d++)
        rows *= x->shape[d];
    return rows;
}

static cr_status expect_layer(const cr_tensor *x, const char *x_name, const cr_tensor *weight, const char *weight_name,
                              cr_error *err)
{
    char first[96], second[96];
    cr_status status = cr_expect_ndim(weight, 2, weight_name, err);
    if (status != CR_OK)
        return status;
    if (x->ndim < 1 || x->shape[x->ndim - 1] != weight->shape[1])
        return cr_fail(err, CR_ERR_VALUE, "%s: expected %zu as last dimension, like %s %s, got shape %s", x_name,
                       weight->shape[1], weight_name, cr_shape_text(weight->ndim, weight->shape, first, sizeof first),
                       cr_shape_text(x->ndim, x->shape, second, sizeof second));
    return CR_OK;
}

static cr_status expect_bias(const cr_tensor *bias, const cr_tensor *weight, cr_error *err)
{
    char text[96];
    if (bias != NULL && (bias->ndim != 1 || bias->shape[0] != weight->shape[0]))
        return cr_fail(err, CR_ERR_VALUE, "bias: expected shape (%zu,), got %s", weight->shape[0],
                       cr_shape_text(bias->ndim, bias->shape, text, sizeof text));
    return CR_OK;
}

/* Makes a new tensor x W^T, of the leading axes of x and the rows of W, and applies the epilogue (NULL for none). */
static cr_status multiply_weight(const cr_tensor *x, const cr_tensor *weight, const cr_epilogue *epilogue,
                                 cr_tensor **out, cr_error *err)
{
    size_t shape[CR_MAX_NDIM], n = weight->shape[0], k = weight->shape[1];
    for (int d = 0; d + 1 < x->ndim; d++)
        shape[d] = x->shape[d];
    shape[x->ndim - 1] = n;
    cr_status status = cr_tensor_new(x->dtype, x->ndim, shape, out, err);
    if (status != CR_OK)
        return status;
    status = cr_gemm_then(x->dtype, count_rows(x), n, k, cr_plain(x->data, k), cr_transposed(weight->data, k), 0,
                          (*out)->data, n, epilogue, err);
    if (status != CR_OK) {
        cr_tensor_release(*out);
        *out = NULL;
    }
    return status;
}

static cr_status affine_layer_forward(const cr_node *node, cr_unary activation, double slope, cr_tensor **out,
                                      cr_error *err)
{
    const cr_tensor *x = node->inputs[0], *weight = node->inputs[1], *bias = node->inputs[2];
    cr_status status = expect_layer(x, "x", weight, "weight", err);
    if (status == CR_OK)
        status = expect_bias(bias, weight, err);
    const cr_epilogue epilogue = {activation, slope, bias == NULL ? NULL : bias->data};
    const bool nothing = bias == NULL && activation == CR_IDENTITY;
    return status == CR_OK ? multiply_weight(x, weight, nothing ? NULL : &epilogue, out, err) : status;
}

static cr_status affine_layer_backward(const cr_node *node, cr_unary activation, double slope, const cr_tensor *out,
                                       const cr_tensor *dout, cr_error *err)
{
    cr_tensor *x = node->inputs[0], *weight = node->inputs[1], *bias = node->inputs[2], *dpre = NULL;
    size_t rows = count_rows(x), n = weight->shape[0];
    const void *dy = dout->data;
    cr_status status;
    if (activation != CR_IDENTITY) {
        CR_TRY(cr_tensor_new(out->dtype, out->ndim, out->shape, &dpre, err));
        rows_t r = {.kernels = cr_kernels(x->dtype), .dtype = x->dtype, .activation = activation, .slope = slope,
                    .rows = rows, .columns = n, .n_chunks = cr_chunk_count(out->size, 1),
                    .y = out->data, .dy = dy, .out = dpre->data};
        cr_parallel(r.n_chunks, activation_gradient_chunk, &r);
        dy = dpre->data;
    }
    CR_TRY(add_input_gradient(x, dy, weight, rows, err));
    CR_TRY(add_weight_gradient(weight, dy, x, rows, err));
    CR_TRY(add_bias_gradient(bias, dy, rows, n, err));
fail:
    cr_tensor_release(dpre);
    return status;
}

/* ---- linear: inputs x, weight, bias?; integers[0] activation; reals[0] slope ---- */

cr_status linear_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    cr_unary activation = (cr_unary)node->integers[0];
    cr_status status = cr_expect_activation(activation, node->reals[0], err);
    return status == CR_OK ? affine_layer_forward(node, activation, node->reals[0], out, err) : status;
}

cr_status linear_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    return affine_layer_backward(node, (cr_unary)node->integers[0], node->reals[0], out, dout, err);
}

/* ---- nonnegative_linear: inputs x, weight >= 0, bias? ---- */

cr_status nonnegative_linear_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    cr_status status = cr_expect_nonnegative(node->inputs[1], "weight", err);
    return status == CR_OK ? affine_layer_forward(node, CR_IDENTITY, 0, out, err) : status;
}

cr_status nonnegative_linear_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    return affine_layer_backward(node, CR_IDENTITY, 0, out, dout, err);
}

/* ---- matmul: inputs a, b; integers transpose_a, transpose_b ---- */

typedef struct {
    size_t m, n, k;
    bool ta, tb;
} matmul_t;

static matmul_t read_matmul(const cr_node *node)
{
    const cr_tensor *a = node->inputs[0], *b = node->inputs[1];
    bool ta = node->integers[0] != 0, tb = node->integers[1] != 0;
    return (matmul_t){a->shape[ta], b->shape[!tb], a->shape[!ta], ta, tb};
}

static cr_matrix as_matrix(const cr_tensor *tensor, bool transpose)
{
    return (cr_matrix){tensor->data, tensor->shape[1], transpose};
}

cr_status matmul_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *a = node->inputs[0], *b = node->inputs[1];
    cr_status status = cr_expect_ndim(a, 2, "a", err);
    if (status == CR_OK)
        status = cr_expect_ndim(b, 2, "b", err);
    if (status != CR_OK)
        return status;
    matmul_t p = read_matmul(node);
    if (b->shape[p.tb] != p.k)
        return cr_fail(err, CR_ERR_VALUE, "b: expected %zu as inner dimension like a, got %zu", p.k, b->shape[p.tb]);
    size_t shape[2] = {p.m, p.n};
    status = cr_tensor_new(a->dtype, 2, shape, out, err);
    if (status != CR_OK)
        return status;
    status = cr_gemm(a->dtype, p.m, p.n, p.k, as_matrix(a, p.ta), as_matrix(b, p.tb), 0, (*out)->data, p.n, err);
    if (status != CR_OK) {
        cr_tensor_release(*out);
        *out = NULL;
    }
    return status;
}

cr_status matmul_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    (void)out;
    cr_tensor *a = node->inputs[0], *b = node->inputs[1];
    matmul_t p = read_matmul(node);
    void *data;
    int accumulate;
    cr_status status = cr_grad_begin(a, &data, &accumulate, err);
    if (status == CR_OK && data != NULL) /* dA = dC B^T, or its transpose B dC^T */
        status = p.ta ? cr_gemm(a->dtype, p.k, p.m, p.n, as_matrix(b, p.tb), as_matrix(dout, true), accumulate, data,
                                p.m, err)
                      : cr_gemm(a->dtype, p.m, p.k, p.n, as_matrix(dout, false), as_matrix(b, !p.tb), accumulate, data,
                                p.k, err);
    if (status == CR_OK)
        status = cr_grad_begin(b, &data, &accumulate, err);
    if (status == CR_OK && data != NULL) /* dB = A^T dC, or its transpose dC^T A */
        status = p.tb ? cr_gemm(b->dtype, p.n, p.k, p.m, as_matrix(dout, true), as_matrix(a, p.ta), accumulate, data,
                                p.k, err)
                      : cr_gemm(b->dtype, p.k, p.n, p.m, as_matrix(a, !p.ta), as_matrix(dout, false), accumulate, data,
                                p.n, err);
    return status;
}

/* ---- icnn_layer: inputs h, z, weight, skip; reals[0] slope; saved: both products before their activations ---- */

cr_status icnn_layer_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *h = node->inputs[0], *z = node->inputs[1], *weight = node->inputs[2], *skip = node->inputs[3];
    cr_tensor *a = NULL, *b = NULL;
    cr_status status;
    CR_TRY(cr_expect_slope(node->reals[0], err));
    CR_TRY(cr_expect_ndim(h, 2, "h", err));
    CR_TRY(cr_expect_ndim(z, 2, "z", err));
    CR_TRY(expect_layer(h, "h", weight, "weight", err));
    CR_TRY(expect_layer(z, "z", skip, "skip", err));
    if (h->shape[0] != z->shape[0] || weight->shape[0] != skip->shape[0]) {
        status = cr_fail(err, CR_ERR_VALUE,
                         "icnn_layer: expected equal batches and widths, got batches %zu and %zu, widths %zu and %zu",
                         h->shape[0], z->shape[0], weight->shape[0], skip->shape[0]);
        goto fail;
    }
    CR_TRY(cr_expect_nonnegative(weight, "weight", err));
    CR_TRY(multiply_weight(h, weight, NULL, &a, err));
    CR_TRY(multiply_weight(z, skip, NULL, &b, err));
    CR_TRY(cr_tensor_new(h->dtype, 2, a->shape, out, err));
    cr_kernels(h->dtype)->leaky_pair(a->size, node->reals[0], a->data, b->data, (*out)->data);
    node->saved[0] = a->buffer;
    node->saved[1] = b->buffer;
    cr_buffer_retain(a->buffer);
    cr_buffer_retain(b->buffer);
fail:
    cr_tensor_release(a);
    cr_tensor_release(b);
    return status;
}

cr_status icnn_layer_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    cr_tensor *h = node->inputs[0], *z = node->inputs[1], *weight = node->inputs[2], *skip = node->inputs[3];
    cr_tensor *da = NULL, *db = NULL;
    cr_status status;
    CR_TRY(cr_tensor_new(out->dtype, 2, out->shape, &da, err));
    CR_TRY(cr_tensor_new(out->dtype, 2, out->shape, &db, err));
    cr_kernels(out->dtype)->leaky_pair_gradient(out->size, node->reals[0], cr_buffer_data(node->saved[0]),
                                                cr_buffer_data(node->saved[1]), dout->data, da->data, db->data);
    CR_TRY(add_input_gradient(h, da->data, weight, h->shape[0], err));
    CR_TRY(add_weight_gradient(weight, da->data, h, h->shape[0], err));
    CR_TRY(add_input_gradient(z, db->data, skip, z->shape[0], err));
    CR_TRY(add_weight_gradient(skip, db->data, z, z->shape[0], err));
fail:
    cr_tensor_release(da);
    cr_tensor_release(db);
    return status;
}
