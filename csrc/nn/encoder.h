/* An encoder of cells with fixed weights: codes to latents by message passing, outside the graph of operations. */
#ifndef CR_NN_ENCODER_H
#define CR_NN_ENCODER_H

#include <stdbool.h>

#include "../autodiff/autodiff.h"

/* The nodes and edges that the cells of a space have in common. A cell is n_graphs graphs, which share its nodes and its
 * codes evenly, one graph after the other; an edge, and the codes of an edge or node, belong to one graph. */
typedef struct {
    size_t n_graphs, n_nodes, n_codes, n_edges, n_types;
    const int32_t *from, *to;    /* (n_edges,) node numbers */
    const int32_t *column;       /* (n_edges,) the code of each edge, or -1: always there, type 0 */
    const int32_t *first_kind;   /* (n_nodes + 1,) ascending from 0: node i has kinds first_kind[i] to first_kind[i + 1] */
    const int32_t *kind_column;  /* (n_nodes,) the code that is added to a node's first kind, or -1 for none */
    const int32_t *message_rows; /* (kinds, kinds, n_types) the row of the table for target, source and type, or -1 */
    bool has_absent;             /* code 0 is no edge, and code c type c - 1; else code c is type c */
    bool both_directions;        /* an edge sends messages both ways; else from `from` to `to` alone */
} cr_encoder_cells;

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

/* latents (n, d) of the cells with codes (n, n_codes). A graph that several cells share is computed once. In float32 a
 * cell's result does not depend on the other cells; where a cell has several graphs, a network keeps the sums of some
 * thousands for its next calls. CR_ERR_VALUE for a code that is no kind or type, and for a message
 * that the table does not have. */
CR_MUST_USE cr_status cr_encoder_run(const cr_encoder_frozen *net, const uint8_t *codes, size_t n, void *latents,
                                     cr_error *err);

#endif
