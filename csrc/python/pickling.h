/* What objects give to pickle and copy, and how a Tensor gets its state back. */
#ifndef CR_PYTHON_PICKLING_H
#define CR_PYTHON_PICKLING_H

#include "py.h"

/* The value of __reduce__ for an object that `type(*arguments)` makes again, and that takes `state` (NULL: none) by
 * __setstate__. Steals both references, also on failure; with NULL arguments it returns NULL. */
PyObject *cr_py_reduced(PyObject *object, PyObject *arguments, PyObject *state);

/* __reduce__ of an object that cannot be pickled: a TypeError that says what to do. */
PyObject *cr_py_refuse_pickle(PyObject *object, const char *advice);

/* Tensor.__reduce__: memory, flags and gradient of a leaf. RuntimeError for the result of an operation. */
PyObject *cr_py_reduce_tensor(PyObject *self, PyObject *ignored);

/* Tensor.__setstate__. It checks everything: the bytes of a pickle may be anybody's. */
PyObject *cr_py_restore_tensor(PyObject *self, PyObject *state);

/* Takes the gradient lock, and waits for it without the GIL. */
void cr_py_lock_gradients(void);

#endif
