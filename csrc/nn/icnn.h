/* An input-convex network with fixed weights: value and input gradient for a batch of points, outside the graph. */
#ifndef CR_NN_ICNN_H
#define CR_NN_ICNN_H

#include "../autodiff/autodiff.h"

/* h0 = s(A z + b); h_{l+1} = s(W_l h_l) + s(U_l z), l < n_layers; f = w . h_n + u . z + c, s the leaky ReLU.
 * Borrowed tensors of one dtype: A (m, d), b (m,), W_l (m, m), U_l (m, d), w (1, m), u (1, d), c (1,). */
typedef struct {
    cr_tensor *input_weight, *input_bias;
    cr_tensor *const *weights, *const *skips;
    size_t n_layers;
    cr_tensor *output_weight, *output_skip, *output_bias;
    double slope;
} cr_icnn;

/* A snapshot of such a network, with weights packed for products in both directions. Later changes to the tensors do
 * not change it. Several threads may read it at once. */
typedef struct cr_icnn_frozen cr_icnn_frozen;

/* Checks shapes and dtypes, with `convex` also that every W_l and w is non-negative, and takes the snapshot. */
CR_MUST_USE cr_status cr_icnn_freeze(const cr_icnn *net, bool convex, cr_icnn_frozen **out, cr_error *err);
void cr_icnn_frozen_release(cr_icnn_frozen *net); /* NULL is allowed */

size_t cr_icnn_inputs(const cr_icnn_frozen *net); /* d */
cr_dtype cr_icnn_dtype(const cr_icnn_frozen *net);

/* value (n,) and gradient (n, d) at the points z (n, d), z of the net's dtype; both may be NULL. CR_ERR_VALUE when z is
 * not finite. A. Amos et al., arXiv 1609.07152. O(n n_layers m (m + d)). */
CR_MUST_USE cr_status cr_icnn_evaluate(const cr_icnn_frozen *net, const void *z, size_t n, void *value, void *gradient,
                                       cr_error *err);

#endif
