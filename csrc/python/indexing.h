/* Indexing of Tensors: x[...]. */
#ifndef CR_PYTHON_INDEXING_H
#define CR_PYTHON_INDEXING_H

#include "py.h"

/* The slots of `x[key]`, `x[i]` in iteration, and `iter(x)`. */
PyObject *cr_py_tensor_subscript(PyObject *self, PyObject *key);
PyObject *cr_py_tensor_item(PyObject *self, Py_ssize_t position);
PyObject *cr_py_tensor_iter(PyObject *self);

#endif
