/* A decoder with fixed weights: latents to logits, outside the graph. */
#ifndef CR_NN_DECODER_H
#define CR_NN_DECODER_H

#include "../autodiff/autodiff.h"

/* Borrowed: weight (outputs, inputs), bias (outputs,) or NULL. */
typedef struct {
    const cr_tensor *weight, *bias;
} cr_affine;

/* h = tanh(first z); for each block h += outer s(inner h), s the leaky ReLU; then logits h. Layers in this order:
 * first, the inner and the outer layer of each block, logits. All of one dtype. */
typedef struct {
    const cr_affine *layers;
    size_t n_layers; /* 2 + 2 per block */
    double slope;
} cr_decoder;

/* A snapshot of such a network, with packed weights. Later changes to the tensors do not change it. Several threads may
 * read it at once. */
typedef struct cr_decoder_frozen cr_decoder_frozen;

/* Checks shapes and dtypes and takes the snapshot. */
CR_MUST_USE cr_status cr_decoder_freeze(const cr_decoder *net, cr_decoder_frozen **out, cr_error *err);
void cr_decoder_frozen_release(cr_decoder_frozen *net); /* NULL is allowed */

size_t cr_decoder_inputs(const cr_decoder_frozen *net);
size_t cr_decoder_outputs(const cr_decoder_frozen *net);
cr_dtype cr_decoder_dtype(const cr_decoder_frozen *net);

/* logits (n, outputs) at the latents z (n, inputs), both of the net's dtype. CR_ERR_VALUE when z is not finite. */
CR_MUST_USE cr_status cr_decoder_logits(const cr_decoder_frozen *net, const void *z, size_t n, void *logits,
                                        cr_error *err);

#endif
