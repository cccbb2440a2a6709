/* Operations and their gradients. */
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

/* Runs the operation of a node and takes ownership of the node, also on failure. *out is a new reference. It keeps the
 * node when gradients are enabled in this thread and an input requires one. */
CR_MUST_USE cr_status cr_apply(cr_node *node, cr_tensor **out, cr_error *err);

/* Sets whether this thread records operations and returns the old setting. */
bool cr_set_grad_enabled(bool enabled);
bool cr_grad_enabled(void);

/* The gradient lock. Hold it while reading or writing `grad` of a tensor that another thread may use. Backward passes
 * and optimisers take it themselves. Do not wait for it while holding the GIL, which its holder may need. */
void cr_grad_lock(void);
bool cr_grad_trylock(void);
void cr_grad_unlock(void);

/* Adds the gradients of root to `grad` of all leaves that require them. Root has one element, or `seed`, a tensor of
 * its shape, is the gradient to start from. Passes of several threads run one after the other. */
CR_MUST_USE cr_status cr_backward(cr_tensor *root, const cr_tensor *seed, cr_error *err);

/* Writes the gradients of root for n targets to grads[], as new tensors, and changes nothing else. The gradient of a
 * target that root does not depend on is zero. */
CR_MUST_USE cr_status cr_gradients(cr_tensor *root, const cr_tensor *seed, cr_tensor **targets, size_t n,
                                   cr_tensor **grads, cr_error *err);

/* ---- for the backward functions of operations ---- */

/* Finds the memory for the gradient of `input`. *data is NULL when this pass does not need that gradient, else it has
 * `input->size` elements: add to them when *accumulate is 1, overwrite them when it is 0. */
CR_MUST_USE cr_status cr_grad_begin(cr_tensor *input, void **data, int *accumulate, cr_error *err);

/* The same, but with zeros in new memory: always add to it. */
CR_MUST_USE cr_status cr_grad_begin_zeroed(cr_tensor *input, void **data, cr_error *err);

#endif
