/* Adam and AdamW over a list of parameters: clipping, decay, step and projection in one sweep. */
#ifndef CR_OPTIM_ADAM_H
#define CR_OPTIM_ADAM_H

#include "../autodiff/autodiff.h"

typedef struct cr_adam cr_adam;

typedef struct {
    double beta1, beta2, epsilon; /* [0, 1), [0, 1), > 0 */
    double weight_decay;          /* >= 0 */
    bool decoupled;               /* AdamW (arXiv 1711.05101) instead of decay added to the gradient */
    double max_norm;              /* clip the gradients' global norm to this; infinity: never */
} cr_adam_options;

/* A new optimiser of n parameters, with zero moments. It takes references to the parameters. First moments are kept
 * only when beta1 > 0. Parameters marked nonnegative must be so already. CR_ERR_VALUE for options out of range or a
 * negative entry. */
CR_MUST_USE cr_status cr_adam_new(cr_tensor **parameters, size_t n, cr_adam_options options, cr_adam **out,
                                  cr_error *err);
void cr_adam_free(cr_adam *adam); /* NULL is allowed */

/* One step from the parameters' gradients (those without one are left alone): the gradients' global norm is clipped,
 * w -= rate m / (sqrt(v) + epsilon) with bias-corrected moments (arXiv 1412.6980, algorithm 1), and parameters marked
 * nonnegative are projected: w = max(w, 0). *norm is the norm before clipping. CR_ERR_STATE when it is not finite;
 * nothing has changed then. The result is bit-identical for any number of threads. Steps and backward passes of several
 * threads run one after the other. */
CR_MUST_USE cr_status cr_adam_step(cr_adam *adam, double learning_rate, double *norm, cr_error *err);

/* What the steps so far left for parameter i: moments in its dtype, and the number of steps that it took part in. */
typedef struct {
    void *first, *second; /* as many elements as the parameter has; first is NULL when beta1 = 0 */
    uint64_t *steps;
} cr_adam_moments;

/* Borrowed, to read or write under the gradient lock: see cr_grad_lock. */
cr_adam_moments cr_adam_moments_of(const cr_adam *adam, size_t i);
const cr_adam_options *cr_adam_options_of(const cr_adam *adam);

/* Clears the gradients of all parameters. */
void cr_adam_zero_grad(cr_adam *adam);

#endif
