#include "decoder.h"

#include <stdlib.h>
#include <string.h>

#include "../autodiff/checks.h"
#include "../core/blas.h"
#include "blocks.h"

/* ---- the snapshot ---- */

typedef struct {
    cr_packed *weight;
    cr_buffer *bias; /* or NULL */
    size_t outputs;
} layer_t;

/* A frozen decoder. The last layer follows the sum of the last block and is linear: last (h + outer a) = last h +
 * (last outer) a. When there are fewer logits than the decoder is wide, the product (last outer) is smaller than outer.
 * Then the net is `folded`: that product replaces the outer layer of the last block, and adds to the logits. */
struct cr_decoder_frozen {
    cr_dtype dtype;
    size_t inputs, n_layers, widest; /* widest: the largest number of outputs of an inner layer */
    bool folded;
    double slope;
    layer_t *layers;
};

size_t cr_decoder_inputs(const cr_decoder_frozen *net)
{
    return net->inputs;
}

size_t cr_decoder_outputs(const cr_decoder_frozen *net)
{
    return net->layers[net->n_layers - 1].outputs;
}

cr_dtype cr_decoder_dtype(const cr_decoder_frozen *net)
{
    return net->dtype;
}

void cr_decoder_frozen_release(cr_decoder_frozen *net)
{
    if (net == NULL)
        return;
    for (size_t i = 0; net->layers != NULL && i < net->n_layers; i++) {
        cr_packed_release(net->layers[i].weight);
        cr_buffer_release(net->layers[i].bias);
    }
    free(net->layers);
    free(net);
}

/* Checks the dtype, the numbers of inputs and outputs, and the bias of a layer; 0 outputs stand for any number. */
static cr_status check_layer(const cr_affine *layer, size_t number, cr_dtype dtype, size_t inputs, size_t outputs,
                             cr_error *err)
{
    const cr_tensor *w = layer->weight, *b = layer->bias;
    char text[96];
    if (w->dtype != dtype || (b != NULL && b->dtype != dtype))
        return cr_fail(err, CR_ERR_TYPE, "layers: expected %s throughout, got %s in layer %zu", cr_dtype_name(dtype),
                       cr_dtype_name(w->dtype != dtype ? w->dtype : b->dtype), number);
    if (w->ndim != 2 || w->shape[1] != inputs || (outputs != 0 && w->shape[0] != outputs))
        return cr_fail(err, CR_ERR_VALUE, "layers: expected %zu columns%s in the weight of layer %zu, got shape %s",
                       inputs, outputs == 0 ? "" : " and as many rows as the block has inputs", number,
                       cr_shape_text(w->ndim, w->shape, text, sizeof text));
    if (b != NULL && (b->ndim != 1 || b->shape[0] != w->shape[0]))
        return cr_fail(err, CR_ERR_VALUE, "layers: expected a bias of shape (%zu,) in layer %zu, got shape %s",
                       w->shape[0], number, cr_shape_text(b->ndim, b->shape, text, sizeof text));
    return CR_OK;
}

static cr_status check_network(const cr_decoder *net, cr_error *err)
{
    cr_status status;
    const cr_affine *layers = net->layers;
    if (net->n_layers < 2 || net->n_layers % 2 != 0)
        return cr_fail(err, CR_ERR_VALUE, "layers: expected the first, two per block and the last, got %zu",
                       net->n_layers);
    CR_TRY(cr_expect_slope(net->slope, err));
    CR_TRY(cr_expect_ndim(layers[0].weight, 2, "layers", err));
    const cr_dtype dtype = layers[0].weight->dtype;
    const size_t width = layers[0].weight->shape[0];
    CR_TRY(check_layer(&layers[0], 0, dtype, layers[0].weight->shape[1], 0, err));
    for (size_t i = 1; i + 1 < net->n_layers; i += 2) {
        CR_TRY(check_layer(&layers[i], i, dtype, width, 0, err));
        CR_TRY(check_layer(&layers[i + 1], i + 1, dtype, layers[i].weight->shape[0], width, err));
    }
    CR_TRY(check_layer(&layers[net->n_layers - 1], net->n_layers - 1, dtype, width, 0, err));
    return CR_OK;
fail:
    return status;
}

static cr_status pack_layer(const cr_affine *from, layer_t *to, cr_error *err)
{
    const cr_tensor *w = from->weight;
    const size_t bytes = w->shape[0] * cr_dtype_size(w->dtype);
    cr_status status;
    to->outputs = w->shape[0];
    CR_TRY(cr_packed_new(w->dtype, w->shape[1], w->shape[0], cr_transposed(w->data, w->shape[1]), &to->weight, err));
    if (from->bias == NULL)
        return CR_OK;
    CR_TRY(cr_buffer_new(bytes, &to->bias, err));
    memcpy(cr_buffer_data(to->bias), from->bias->data, bytes);
fail:
    return status;
}

/* Packs last outer: the product of the two weights, and the last weight times the outer bias. */
static cr_status pack_folded(const cr_affine *outer, const cr_affine *last, layer_t *to, cr_error *err)
{
    const cr_tensor *w = last->weight;
    const size_t width = w->shape[1], inner = outer->weight->shape[1];
    cr_buffer *product = NULL;
    size_t elements, bytes;
    cr_status status;
    to->outputs = w->shape[0];
    CR_TRY(cr_size_multiply(to->outputs, inner, &elements, "decoder", err));
    CR_TRY(cr_size_multiply(elements, cr_dtype_size(w->dtype), &bytes, "decoder", err));
    CR_TRY(cr_buffer_new(bytes, &product, err));
    CR_TRY(cr_gemm(w->dtype, to->outputs, inner, width, cr_plain(w->data, width), cr_plain(outer->weight->data, inner), 0,
                   cr_buffer_data(product), inner, err));
    CR_TRY(cr_packed_new(w->dtype, inner, to->outputs, cr_transposed(cr_buffer_data(product), inner), &to->weight, err));
    if (outer->bias == NULL)
        goto fail;
    CR_TRY(cr_buffer_new(to->outputs * cr_dtype_size(w->dtype), &to->bias, err));
    CR_TRY(cr_gemm(w->dtype, to->outputs, 1, width, cr_plain(w->data, width), cr_plain(outer->bias->data, 1), 0,
                   cr_buffer_data(to->bias), 1, err));
fail:
    cr_buffer_release(product);
    return status;
}

cr_status cr_decoder_freeze(const cr_decoder *net, cr_decoder_frozen **out, cr_error *err)
{
    *out = NULL;
    cr_status status = check_network(net, err);
    if (status != CR_OK)
        return status;
    cr_decoder_frozen *f = calloc(1, sizeof *f);
    if (f == NULL || (f->layers = calloc(net->n_layers, sizeof *f->layers)) == NULL) {
        free(f);
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a frozen network");
    }
    f->dtype = net->layers[0].weight->dtype;
    f->inputs = net->layers[0].weight->shape[1];
    f->n_layers = net->n_layers;
    f->slope = net->slope;
    const cr_affine *last = net->layers + f->n_layers - 1;
    f->folded = f->n_layers > 2 && last->weight->shape[0] < last->weight->shape[1];
    for (size_t i = 0; i < f->n_layers; i++) {
        if (f->folded && i + 2 == f->n_layers)
            CR_TRY(pack_folded(last - 1, last, &f->layers[i], err));
        else
            CR_TRY(pack_layer(&net->layers[i], &f->layers[i], err));
        if (i % 2 == 1 && i + 1 < f->n_layers && f->layers[i].outputs > f->widest)
            f->widest = f->layers[i].outputs;
    }
    *out = f;
    return CR_OK;
fail:
    cr_decoder_frozen_release(f);
    return status;
}

/* ---- logits ---- */

typedef struct {
    const cr_decoder_frozen *net;
    const void *z;
    void *logits;
} decoding_t;

/* to (rows, outputs) = f(from W^T + bias), or that added to `to` when beta is 1. */
static cr_status apply_layer(const layer_t *layer, cr_unary activation, double slope, size_t rows, const void *from,
                             size_t inputs, double beta, void *to, cr_error *err)
{
    const cr_epilogue epilogue = {activation, slope, layer->bias == NULL ? NULL : cr_buffer_data(layer->bias)};
    return cr_gemm_packed(rows, cr_plain(from, inputs), layer->weight, beta, to, layer->outputs, &epilogue, err);
}

static cr_status decode_block(void *context, size_t begin, size_t rows, void *scratch, cr_error *err)
{
    const decoding_t *d = context;
    const cr_decoder_frozen *net = d->net;
    const layer_t *layers = net->layers, *last = layers + net->n_layers - 1;
    const size_t width = layers[0].outputs;
    const void *z = cr_element(d->z, begin * net->inputs, net->dtype);
    void *h = scratch, *inner = cr_element(scratch, rows * width, net->dtype);
    void *logits = cr_element(d->logits, begin * last->outputs, net->dtype);
    cr_status status;
    CR_TRY(cr_expect_finite(net->dtype, rows * net->inputs, z, "z", err));
    CR_TRY(apply_layer(&layers[0], CR_TANH, 0, rows, z, net->inputs, 0, h, err));
    for (const layer_t *layer = layers + 1; layer < last; layer += 2) {
        const bool folded = net->folded && layer + 2 == last;
        CR_TRY(apply_layer(layer, CR_LEAKY_RELU, net->slope, rows, h, width, 0, inner, err));
        if (folded)
            CR_TRY(apply_layer(last, CR_IDENTITY, 0, rows, h, width, 0, logits, err));
        CR_TRY(apply_layer(layer + 1, CR_IDENTITY, 0, rows, inner, layer->outputs, 1, folded ? logits : h, err));
    }
    if (!net->folded)
        CR_TRY(apply_layer(last, CR_IDENTITY, 0, rows, h, width, 0, logits, err));
fail:
    return status;
}

cr_status cr_decoder_logits(const cr_decoder_frozen *net, const void *z, size_t n, void *logits, cr_error *err)
{
    decoding_t d = {net, z, logits};
    return cr_run_blocks(n, 1, (net->layers[0].outputs + net->widest) * cr_dtype_size(net->dtype), decode_block, &d,
                         err);
}
