/* Descent steps on a convex surrogate for a batch of latent points. */
#ifndef CR_SEARCH_DESCENT_H
#define CR_SEARCH_DESCENT_H

#include "../nn/icnn.h"

/* Checks that n_steps step sizes are finite. CR_ERR_VALUE names the first that is not. */
CR_MUST_USE cr_status cr_descent_check(const double *step, size_t n_steps, cr_error *err);

/* out (n_steps, d) = z_i - step_i g_i, where g is the gradient of the net at the points z. step (n_steps,) is finite.
 * z has n_steps points, or one that all steps start from. out and z do not overlap. */
CR_MUST_USE cr_status cr_descend(const cr_icnn_frozen *net, const void *z, bool one_start, const double *step,
                                 size_t n_steps, void *out, cr_error *err);

#endif
