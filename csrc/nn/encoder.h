/* An encoder of cells with fixed weights: codes to latents by message passing, outside the graph of operations. */
#ifndef CR_NN_ENCODER_H
#define CR_NN_ENCODER_H

#include "../autodiff/autodiff.h"
#include "cells.h"

/* Layer 0: the sum of a node's rows of the table, that of its kind and those of its messages, is [root | target |
 * source]. Later layers: [root | target | source] = W x, in the last layer [target | source], with root = x. Each layer
 * makes m_i = sum over edges j -> i of s(target_i + source_j + types[e]), s the leaky ReLU, and x_i = root_i + m_i, but
 * for the last: latent = A sum_i m_i + B sum_i root_i + b.
 *
 * Borrowed tensors of one dtype: table (rows, 3 w), types of each layer (n_types, w), W of each but layer 0 (3 w, w),
 * in the last layer (2 w, w), A and B (d, w), b (d,). */
typedef struct {
    cr_encoder_cells cells;
    const cr_tensor *table;
    const cr_tensor *const *types, *const *weights;
    size_t n_layers; /* at least 1 */
    const cr_tensor *messages_head, *root_head, *head_bias;
    double slope;
} cr_encoder;

/* A snapshot of such a network, with packed weights. Later changes to the tensors do not change it. Several threads may
 * read it at once. */
typedef struct cr_encoder_frozen cr_encoder_frozen;

/* Checks the cells, shapes and dtypes and takes the snapshot. */
CR_MUST_USE cr_status cr_encoder_freeze(const cr_encoder *net, cr_encoder_frozen **out, cr_error *err);
void cr_encoder_frozen_release(cr_encoder_frozen *net); /* NULL is allowed */

size_t cr_encoder_codes(const cr_encoder_frozen *net);
size_t cr_encoder_outputs(const cr_encoder_frozen *net); /* d */
cr_dtype cr_encoder_dtype(const cr_encoder_frozen *net);

/* latents[k] (n, d) of the cells with codes (n, n_codes), for each of n_nets networks of the same cells, which may have
 * different layers and dtypes. Graphs that several cells share, and nodes that are alike, are computed once. In float32 a
 * cell's result does not depend on the other cells, nor in any dtype on the other networks; where a cell has several
 * graphs, a network keeps the sums of some thousands for its next calls. CR_ERR_VALUE for networks of different cells, a
 * code that is no kind or type, a message that the table does not have, and latents that are not finite. */
CR_MUST_USE cr_status cr_encoder_run(const cr_encoder_frozen *const *nets, size_t n_nets, const uint8_t *codes, size_t n,
                                     void *const *latents, cr_error *err);

#endif
