/* Operations applied to Python objects. */
#ifndef CR_PYTHON_OPS_H
#define CR_PYTHON_OPS_H

#include "py.h"

/* Runs a node, whose reference it steals, without the GIL when the work is long: a new tensor, or NULL with an
 * exception. */
cr_tensor *cr_py_run(cr_node *node);

/* The results of operations on one and two tensors, for the operators of Tensor: a new Tensor, or NULL with an
 * exception. */
PyObject *cr_py_apply_unary(cr_py_state *state, cr_op op, PyObject *x);
PyObject *cr_py_apply_binary(cr_py_state *state, cr_op op, PyObject *x, PyObject *y);

#endif
