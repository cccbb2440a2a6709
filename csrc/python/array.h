/* Memory shared between tensors and NumPy arrays. */
#ifndef CR_PYTHON_ARRAY_H
#define CR_PYTHON_ARRAY_H

#include "py.h"

/* A new Tensor object. It steals the reference to tensor, also on failure. */
PyObject *cr_py_wrap_tensor(cr_py_state *state, cr_tensor *tensor);

/* The tensor of a Tensor object, borrowed. Where the array that it shared memory with is gone, it is no longer watched for
 * writes. */
cr_tensor *cr_py_tensor_in(PyObject *object);

/* A tensor, a new reference, from a Tensor or anything that NumPy makes real numbers of. A float32 or float64 array
 * that is contiguous, aligned, native and writeable is used as it is, without copying. What is no Tensor becomes `dtype`;
 * when dtype < 0, numbers that are neither float32 nor float64 become float32. NULL with an exception that names the
 * argument. */
cr_tensor *cr_py_tensor_of(cr_py_state *state, PyObject *object, const char *name, int dtype);

/* A NumPy array over a tensor's memory; the array holds a reference to the buffer. */
PyObject *cr_py_array_of(cr_tensor *tensor);

/* Whether an object is a NumPy array of the dtype and shape of a tensor. */
int cr_py_fits_tensor(PyObject *object, const cr_tensor *tensor);

#endif
