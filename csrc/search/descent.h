/* Descent steps on a convex surrogate for a batch of latent points. */
#ifndef CR_SEARCH_DESCENT_H
#define CR_SEARCH_DESCENT_H

#include "../nn/icnn.h"

/* out (n, d) = z - step_i g_i, g the gradient of the net at z (n, d); step (n,) doubles, one size per point, each
 * finite. The gradients themselves go to gradient (n, d) and the values to value (n,). out may be z. */
CR_MUST_USE cr_status cr_descend(const cr_icnn *net, const void *z, size_t n, const double *step, void *value,
                                 void *gradient, void *out, cr_error *err);

/* The positions of the k smallest of n values, smallest first; equal values keep their order, NaN comes last.
 * k <= n. O(n log k) time, O(k) extra memory: none, the heap lives in `positions`. */
CR_MUST_USE cr_status cr_smallest(const double *values, size_t n, size_t k, int64_t *positions, cr_error *err);

#endif
