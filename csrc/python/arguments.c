#include "arguments.h"

#include <stdio.h>

#include "array.h"

/* ---- exceptions ---- */

PyObject *cr_py_wrong_type(const char *name, const char *expected, PyObject *got)
{
    return PyErr_Format(PyExc_TypeError, "%s: expected %s, got %.100s", name, expected, Py_TYPE(got)->tp_name);
}

PyObject *cr_py_wrong_dtype(const char *name, const char *expected, PyArrayObject *got)
{
    return PyErr_Format(PyExc_TypeError, "%s: expected %s, got dtype %S", name, expected,
                        (PyObject *)PyArray_DESCR(got));
}

PyObject *cr_py_wrong_shape(const char *name, const char *expected, PyArrayObject *got)
{
    PyObject *shape = PyObject_GetAttrString((PyObject *)got, "shape");
    if (shape == NULL)
        return NULL;
    PyErr_Format(PyExc_ValueError, "%s: expected shape %s, got %R", name, expected, shape);
    Py_DECREF(shape);
    return NULL;
}

/* Replaces NumPy's TypeError or ValueError about an object by one of the same type that names the argument. */
static void name_the_argument(const char *name, const char *expected, PyObject *got)
{
    PyObject *type = PyErr_ExceptionMatches(PyExc_TypeError)    ? PyExc_TypeError
                     : PyErr_ExceptionMatches(PyExc_ValueError) ? PyExc_ValueError
                                                                : NULL;
    if (type != NULL)
        PyErr_Format(type, "%s: expected %s, got %.100s", name, expected, Py_TYPE(got)->tp_name);
}

static int expect_ndim(const char *name, int least, int most, PyArrayObject *got)
{
    const int ndim = PyArray_NDIM(got);
    if (ndim >= least && ndim <= most)
        return 0;
    if (least == most)
        PyErr_Format(PyExc_ValueError, "%s: expected %d dimensions, got %d", name, least, ndim);
    else
        PyErr_Format(PyExc_ValueError, "%s: expected %d or %d dimensions, got %d", name, least, most, ndim);
    return -1;
}

/* Expects shape (length,) or (n, length); a negative length stands for any. */
static int expect_shape(const char *name, int ndim, npy_intp length, PyArrayObject *got)
{
    char number[24] = "m", expected[40];
    if (PyArray_NDIM(got) == ndim && (length < 0 || PyArray_DIM(got, ndim - 1) == length))
        return 0;
    if (length >= 0)
        snprintf(number, sizeof number, "%lld", (long long)length);
    snprintf(expected, sizeof expected, ndim == 1 ? "(%s,)" : "(n, %s)", number);
    cr_py_wrong_shape(name, expected, got);
    return -1;
}

/* ---- arrays ---- */

/* The array, or a view of it when it is the caller's own object; steals the reference to it. Python code that runs
 * while a later argument is read can change the shape of the caller's object in place, but not that of a view. */
static PyArrayObject *protect_shape(PyObject *array, PyObject *given)
{
    if (array != NULL && array == given) {
        PyObject *view = PyArray_View((PyArrayObject *)array, NULL, &PyArray_Type);
        Py_SETREF(array, view);
    }
    return (PyArrayObject *)array;
}

/* The array as `type`, contiguous, aligned and native, cast where it has to be; flags are further ones. */
static PyArrayObject *fit_array(PyArrayObject *array, int type, int flags)
{
    flags |= NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_ENSUREARRAY | NPY_ARRAY_FORCECAST;
    PyObject *fitting = PyArray_FromArray(array, PyArray_DescrFromType(type), flags);
    return protect_shape(fitting, (PyObject *)array);
}

#define PRIVATE_COPY (NPY_ARRAY_CARRAY | NPY_ARRAY_ENSURECOPY)

PyArrayObject *cr_py_read_array(PyObject *object, const char *name, const char *expected)
{
    PyArrayObject *array = (PyArrayObject *)PyArray_FROM_O(object);
    if (array == NULL)
        name_the_argument(name, expected, object);
    return array;
}

static PyArrayObject *fit_integers(PyObject *object, const char *name, int type, int least_ndim, int most_ndim,
                                   int flags)
{
    PyArrayObject *given = cr_py_read_array(object, name, "integers"), *result = NULL;
    if (given == NULL)
        return NULL;
    const bool is_empty_list = PyArray_SIZE(given) == 0 && !PyArray_Check(object); /* NumPy takes [] for reals */
    if (!PyTypeNum_ISINTEGER(PyArray_TYPE(given)) && !is_empty_list)
        cr_py_wrong_dtype(name, "integers", given);
    else if (expect_ndim(name, least_ndim, most_ndim, given) == 0)
        result = fit_array(given, type, flags);
    Py_DECREF(given);
    return result;
}

PyArrayObject *cr_py_read_integers(PyObject *object, const char *name, int type, int least_ndim, int most_ndim)
{
    return fit_integers(object, name, type, least_ndim, most_ndim, 0);
}

PyArrayObject *cr_py_copy_integers(PyObject *object, const char *name, int ndim)
{
    return fit_integers(object, name, NPY_INT64, ndim, ndim, PRIVATE_COPY);
}

PyArrayObject *cr_py_read_doubles(PyObject *object, const char *name)
{
    PyObject *array = PyArray_FROM_OTF(object, NPY_FLOAT64, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_ENSUREARRAY);
    if (array == NULL)
        name_the_argument(name, "real numbers", object);
    return protect_shape(array, object);
}

PyArrayObject *cr_py_copy_reals(PyObject *object, const char *name, int least_ndim, int most_ndim)
{
    PyArrayObject *given = cr_py_read_array(object, name, "real numbers"), *copy = NULL;
    if (given == NULL)
        return NULL;
    const char kind = PyArray_DESCR(given)->kind;
    if (kind != 'f' && kind != 'i' && kind != 'u')
        cr_py_wrong_dtype(name, "real numbers", given);
    else if (expect_ndim(name, least_ndim, most_ndim, given) == 0)
        copy = fit_array(given, NPY_FLOAT64, PRIVATE_COPY);
    Py_DECREF(given);
    return copy;
}

PyArrayObject *cr_py_read_rows(PyObject *object, const char *name, cr_dtype dtype, size_t columns)
{
    PyArrayObject *given = cr_py_read_array(object, name, "an array of floats"), *rows = NULL;
    if (given == NULL)
        return NULL;
    if (PyArray_DESCR(given)->kind != 'f')
        cr_py_wrong_dtype(name, "an array of floats", given);
    else if (expect_shape(name, 2, (npy_intp)columns, given) == 0)
        rows = fit_array(given, cr_py_type_number(dtype), 0);
    Py_DECREF(given);
    return rows;
}

static PyArrayObject *fit_exact(PyObject *object, const char *name, int type, int ndim, npy_intp length, int flags)
{
    const char *expected = type == NPY_UINT8 ? "a uint8 array" : "an int64 array";
    if (!PyArray_Check(object))
        return (PyArrayObject *)cr_py_wrong_type(name, expected, object);
    PyArrayObject *given = (PyArrayObject *)object;
    if (!PyArray_EquivTypenums(PyArray_TYPE(given), type))
        return (PyArrayObject *)cr_py_wrong_dtype(name, expected, given);
    return expect_shape(name, ndim, length, given) < 0 ? NULL : fit_array(given, type, flags);
}

PyArrayObject *cr_py_read_exact(PyObject *object, const char *name, int type, int ndim, npy_intp length)
{
    return fit_exact(object, name, type, ndim, length, 0);
}

PyArrayObject *cr_py_copy_array(PyObject *object, const char *name, int type, int ndim, npy_intp length)
{
    return fit_exact(object, name, type, ndim, length, PRIVATE_COPY);
}

/* ---- single values ---- */

PyObject *cr_py_read_index(PyObject *object, const char *name)
{
    PyObject *number = PyNumber_Index(object);
    if (number == NULL && PyErr_ExceptionMatches(PyExc_TypeError))
        cr_py_wrong_type(name, "an integer", object);
    return number;
}

int cr_py_read_int64(PyObject *object, const char *name, int64_t *out)
{
    PyObject *number = cr_py_read_index(object, name);
    if (number == NULL)
        return -1;
    int overflow;
    const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (overflow != 0 || value == INT64_MIN) {
        PyErr_Format(PyExc_OverflowError, "%s: expected an integer that fits 64 bits, got a larger one", name);
        return -1;
    }
    *out = value;
    return 0;
}

int cr_py_read_unsigned(PyObject *object, const char *name, uint64_t maximum, uint64_t *out)
{
    PyObject *number = cr_py_read_index(object, name);
    if (number == NULL)
        return -1;
    const unsigned long long value = PyLong_AsUnsignedLongLong(number);
    const int wrong = PyErr_Occurred() || value > maximum;
    if (wrong)
        PyErr_Format(PyExc_ValueError, "%s: expected an integer from 0 to %llu, got %S", name,
                     (unsigned long long)maximum, number);
    else
        *out = value;
    Py_DECREF(number);
    return wrong ? -1 : 0;
}

int cr_py_read_double(PyObject *object, const char *name, double *out)
{
    *out = PyFloat_AsDouble(object);
    if (*out != -1 || !PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_TypeError))
        cr_py_wrong_type(name, "a number", object);
    return -1;
}

int cr_py_read_dtype(PyObject *object, cr_dtype *out)
{
    PyArray_Descr *descr = NULL;
    int type = -1;
    if (object != Py_None && PyArray_DescrConverter(object, &descr) == NPY_SUCCEED) {
        if (PyArray_ISNBO(descr->byteorder))
            type = descr->type_num;
        Py_DECREF(descr);
    } else if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1; /* an interrupt is not a wrong dtype */
    }
    if (type != NPY_FLOAT32 && type != NPY_FLOAT64) {
        PyErr_Format(PyExc_TypeError, "dtype: expected 'float32' or 'float64', got %R", object);
        return -1;
    }
    *out = type == NPY_FLOAT32 ? CR_F32 : CR_F64;
    return 0;
}

cr_tensor *cr_py_read_tensor(cr_py_state *state, PyObject *object, const char *name)
{
    if (!PyObject_TypeCheck(object, state->tensor))
        return (cr_tensor *)cr_py_wrong_type(name, "a Tensor", object);
    return cr_py_tensor_in(object);
}
