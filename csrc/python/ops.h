/* Operations applied to Python objects. */
#ifndef CR_PYTHON_OPS_H
#define CR_PYTHON_OPS_H

#include "py.h"

/* The result of a binary operation, for the operators of Tensor: a new Tensor, or NULL with an exception. */
PyObject *cr_py_apply_binary(cr_py_state *state, cr_op op, PyObject *x, PyObject *y);

#endif
