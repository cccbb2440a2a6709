/* Operations and backward. */
#ifndef CR_AUTODIFF_AUTODIFF_H
#define CR_AUTODIFF_AUTODIFF_H

#include "../core/kernels.h"
#include "tensor.h"

typedef enum {
#define CR_OP(name, signature, documentation) CR_OP_##name,
#include "ops.def"
#undef CR_OP
    CR_N_OPS
} cr_op;

typedef struct {
    const char *name, *signature, *documentation;
    /* Checks node's inputs, makes the output (a new reference) and may fill node->saved. */
    cr_status (*forward)(cr_node *node, cr_tensor **out, cr_error *err);
    /* Adds to the gradients of node's inputs (cr_grad_begin) from `dout`, the gradient of `out`. */
    cr_status (*backward)(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err);
} cr_operation;

extern const cr_operation cr_operations[CR_N_OPS];

/* Runs node->op; takes ownership of node whatever happens. *out is a new reference that keeps the node when gradients
 * are enabled in this thread and an input requires one. */
CR_MUST_USE cr_status cr_apply(cr_node *node, cr_tensor **out, cr_error *err);

/* Whether this thread records operations; returns the old setting. */
bool cr_set_grad_enabled(bool enabled);
bool cr_grad_enabled(void);

/* Held while `grad` of tensors that other threads may know is read or changed: by backward passes and optimisers
 * themselves, by others around their own access. Whoever holds it never waits for anything but work. */
void cr_grad_lock(void);
bool cr_grad_trylock(void);
void cr_grad_unlock(void);

/* Gradients of root (one element, or `seed` of root's shape gives its gradient) added to `grad` of all leaves that
 * require them. Passes of several threads run one after the other. */
CR_MUST_USE cr_status cr_backward(cr_tensor *root, const cr_tensor *seed, cr_error *err);

/* Gradients of root for n targets, as new tensors in grads[]; nothing else is changed. A target that root does not
 * depend on gets zeros. */
CR_MUST_USE cr_status cr_gradients(cr_tensor *root, const cr_tensor *seed, cr_tensor **targets, size_t n,
                                   cr_tensor **grads, cr_error *err);

/* ---- for the backward functions of operations ---- */

/* Where the gradient of `input` goes: *data is NULL when it is not wanted, else `input->size` elements that are to be
 * added to (*accumulate) or written for the first time. */
CR_MUST_USE cr_status cr_grad_begin(cr_tensor *input, void **data, int *accumulate, cr_error *err);

/* The same, but zero-filled the first time, so that it may always be added to. */
CR_MUST_USE cr_status cr_grad_begin_zeroed(cr_tensor *input, void **data, cr_error *err);

#endif
