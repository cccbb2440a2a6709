/* Readers of arguments: each kind of argument has one reader and one wording of its errors. A reader names its argument
 * in the exception: "name: expected X, got Y". */
#ifndef CR_PYTHON_ARGUMENTS_H
#define CR_PYTHON_ARGUMENTS_H

#include "py.h"

/* ---- exceptions; each function returns NULL ---- */

/* Sets a TypeError that shows the type of an object. */
PyObject *cr_py_wrong_type(const char *name, const char *expected, PyObject *got);

/* Sets a TypeError that shows the dtype of an array. */
PyObject *cr_py_wrong_dtype(const char *name, const char *expected, PyArrayObject *got);

/* Sets a ValueError that shows the shape of an array. */
PyObject *cr_py_wrong_shape(const char *name, const char *expected, PyArrayObject *got);

/* ---- arrays ----
 * Each reader returns a new reference to a contiguous, aligned array of native byte order, or NULL with an exception.
 * read_ readers take anything that NumPy makes an array of, and copy only what they must. copy_ readers return a private
 * copy: nobody can change it while the GIL is released or while the next argument is read. */

/* Any array, of any layout. Where NumPy cannot make one, a TypeError or ValueError says what was expected. */
PyArrayObject *cr_py_read_array(PyObject *object, const char *name, const char *expected);

/* Integers as `type` (NPY_INT64 or NPY_UINT64), of least_ndim to most_ndim dimensions. */
PyArrayObject *cr_py_read_integers(PyObject *object, const char *name, int type, int least_ndim, int most_ndim);

/* Integers as int64. */
PyArrayObject *cr_py_copy_integers(PyObject *object, const char *name, int ndim);

/* Numbers that NumPy casts to float64 without loss. */
PyArrayObject *cr_py_read_doubles(PyObject *object, const char *name);

/* Real numbers as float64, of least_ndim to most_ndim dimensions; booleans are refused. */
PyArrayObject *cr_py_copy_reals(PyObject *object, const char *name, int least_ndim, int most_ndim);

/* Floats of shape (n, columns) as `dtype`. SIZE_MAX stands for any number of columns. */
PyArrayObject *cr_py_read_rows(PyObject *object, const char *name, cr_dtype dtype, size_t columns);

/* An array whose dtype is `type` (NPY_UINT8 or NPY_INT64) already, of shape (length,) or (n, length). A negative length
 * stands for any. */
PyArrayObject *cr_py_read_exact(PyObject *object, const char *name, int type, int ndim, npy_intp length);
PyArrayObject *cr_py_copy_array(PyObject *object, const char *name, int type, int ndim, npy_intp length);

/* ---- single values: 0, or -1 with an exception, where the result is an int ---- */

/* An integer as an int object, a new reference. */
PyObject *cr_py_read_index(PyObject *object, const char *name);

/* An integer above -2^63 and below 2^63; OverflowError for others. */
int cr_py_read_int64(PyObject *object, const char *name, int64_t *out);

/* An integer from 0 to `maximum`; ValueError for others. */
int cr_py_read_unsigned(PyObject *object, const char *name, uint64_t maximum, uint64_t *out);

/* A real number. */
int cr_py_read_double(PyObject *object, const char *name, double *out);

/* The dtype of a tensor or a random fill: anything by which NumPy knows native float32 or float64. */
int cr_py_read_dtype(PyObject *object, cr_dtype *out);

/* The tensor of a Tensor, borrowed. */
cr_tensor *cr_py_read_tensor(cr_py_state *state, PyObject *object, const char *name);

#endif
