/* Philox fills as functions of the extension module; the streams themselves are in core/philox.c. */
#include "arguments.h"

#include <stdint.h>

#include "../core/philox.h"

enum {
    MAX_AXES = 32,             /* the most axes that every supported NumPy allows */
    RELEASE_GIL_FROM = 1 << 10 /* elements; smaller fills take less than a few microseconds */
};

/* The stream named by three Python integers; 0, or -1 with an exception set. */
static int read_stream(PyObject *seed, PyObject *purpose, PyObject *step, cr_philox *out)
{
    uint64_t values[3];
    if (cr_py_read_unsigned(seed, "seed", UINT64_MAX, &values[0]) < 0 ||
        cr_py_read_unsigned(purpose, "purpose", UINT32_MAX, &values[1]) < 0 ||
        cr_py_read_unsigned(step, "step", UINT64_MAX, &values[2]) < 0)
        return -1;
    *out = cr_philox_stream(values[0], (uint32_t)values[1], values[2]);
    return 0;
}

/* The axes of `shape`, an integer or a sequence, as a new tuple, which code of its items cannot change. The items may
 * be anything. NULL with TypeError, or with the exception of the sequence. */
static PyObject *read_axes(PyObject *shape)
{
    if (PyIndex_Check(shape)) {
        PyObject *number = PyNumber_Index(shape);
        if (number != NULL) {
            PyObject *axes = PyTuple_Pack(1, number);
            Py_DECREF(number);
            return axes;
        }
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) /* arrays have __index__ and refuse it unless they are scalars */
            return NULL;
        PyErr_Clear();
    }
    if (!PySequence_Check(shape) || PyUnicode_Check(shape) || PyBytes_Check(shape)) {
        PyErr_Format(PyExc_TypeError, "shape: expected an integer or a sequence of integers, got %.80s",
                     Py_TYPE(shape)->tp_name);
        return NULL;
    }
    return PySequence_Tuple(shape);
}

/* A new uninitialised array of the given type. NULL with TypeError or ValueError about `shape`, or MemoryError. The
 * size in bytes is checked here, since NumPy's message does not name the argument. */
static PyArrayObject *new_array_of_shape(PyObject *shape, int type, size_t itemsize)
{
    npy_intp lengths[MAX_AXES];
    size_t total = itemsize;
    PyObject *axes = read_axes(shape);
    if (axes == NULL)
        return NULL;
    const Py_ssize_t count = PyTuple_GET_SIZE(axes);
    if (count > MAX_AXES) {
        PyErr_Format(PyExc_ValueError, "shape: expected at most %d axes, got %zd", MAX_AXES, count);
        goto fail;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        uint64_t length;
        if (cr_py_read_unsigned(PyTuple_GET_ITEM(axes, i), "shape", NPY_MAX_INTP, &length) < 0)
            goto fail;
        if (length > 0 && total > (size_t)NPY_MAX_INTP / length) {
            PyErr_Format(PyExc_ValueError, "shape: expected an array of at most %zd bytes, got shape %R",
                         (Py_ssize_t)NPY_MAX_INTP, axes);
            goto fail;
        }
        total *= length > 0 ? (size_t)length : 1;
        lengths[i] = (npy_intp)length;
    }
    Py_DECREF(axes);
    return (PyArrayObject *)PyArray_SimpleNew((int)count, lengths, type);
fail:
    Py_DECREF(axes);
    return NULL;
}

typedef void (*fill_f32)(const cr_philox *stream, uint64_t first, float *out, size_t n);
typedef void (*fill_f64)(const cr_philox *stream, uint64_t first, double *out, size_t n);

/* Both float fills: parses (seed, purpose, step, shape, dtype) and fills a new array; NULL with an exception set. */
static PyObject *fill_floats(PyObject *args, PyObject *kwargs, const char *format, fill_f32 fill32, fill_f64 fill64)
{
    static char *names[] = {"seed", "purpose", "step", "shape", "dtype", NULL};
    PyObject *seed, *purpose, *step, *shape, *dtype = NULL;
    cr_philox stream;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &seed, &purpose, &step, &shape, &dtype))
        return NULL;
    if (read_stream(seed, purpose, step, &stream) < 0)
        return NULL;
    cr_dtype type = CR_F32;
    if (dtype != NULL && cr_py_read_dtype(dtype, &type) < 0)
        return NULL;
    PyArrayObject *array = new_array_of_shape(shape, cr_py_type_number(type), cr_dtype_size(type));
    if (array == NULL)
        return NULL;
    void *data = PyArray_DATA(array);
    const size_t n = (size_t)PyArray_SIZE(array);
    NPY_BEGIN_THREADS_DEF;
    if (n >= RELEASE_GIL_FROM)
        NPY_BEGIN_THREADS;
    if (type == CR_F32)
        fill32(&stream, 0, data, n);
    else
        fill64(&stream, 0, data, n);
    NPY_END_THREADS;
    return (PyObject *)array;
}

static PyObject *philox_normal(PyObject *module, PyObject *args, PyObject *kwargs)
{
    (void)module;
    return fill_floats(args, kwargs, "OOOO|O:philox_normal", cr_philox_normal_f32, cr_philox_normal_f64);
}

static PyObject *philox_uniform(PyObject *module, PyObject *args, PyObject *kwargs)
{
    (void)module;
    return fill_floats(args, kwargs, "OOOO|O:philox_uniform", cr_philox_uniform_f32, cr_philox_uniform_f64);
}

static PyObject *philox_permutation(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"seed", "purpose", "step", "n", NULL};
    PyObject *seed, *purpose, *step, *length;
    uint64_t n;
    cr_philox stream;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO:philox_permutation", names, &seed, &purpose, &step, &length))
        return NULL;
    if (read_stream(seed, purpose, step, &stream) < 0 ||
        cr_py_read_unsigned(length, "n", NPY_MAX_INTP / sizeof(int64_t), &n) < 0)
        return NULL;
    npy_intp axis = (npy_intp)n;
    PyObject *array = PyArray_SimpleNew(1, &axis, NPY_INT64);
    if (array == NULL)
        return NULL;
    int64_t *data = PyArray_DATA((PyArrayObject *)array);
    NPY_BEGIN_THREADS_DEF;
    if (n >= RELEASE_GIL_FROM)
        NPY_BEGIN_THREADS;
    cr_philox_permutation(&stream, data, (size_t)n);
    NPY_END_THREADS;
    return array;
}

static PyObject *philox_integers(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"seed", "purpose", "step", "shape", "high", NULL};
    PyObject *seed, *purpose, *step, *shape, *limit;
    uint64_t high;
    cr_philox stream;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO:philox_integers", names, &seed, &purpose, &step, &shape,
                                     &limit))
        return NULL;
    if (read_stream(seed, purpose, step, &stream) < 0 || cr_py_read_unsigned(limit, "high", UINT64_C(1) << 63, &high) < 0)
        return NULL;
    if (high == 0) {
        PyErr_SetString(PyExc_ValueError, "high: expected an integer from 1 to 9223372036854775808, got 0");
        return NULL;
    }
    PyArrayObject *array = new_array_of_shape(shape, NPY_INT64, sizeof(int64_t));
    if (array == NULL)
        return NULL;
    int64_t *data = PyArray_DATA(array);
    const size_t n = (size_t)PyArray_SIZE(array);
    NPY_BEGIN_THREADS_DEF;
    if (n >= RELEASE_GIL_FROM)
        NPY_BEGIN_THREADS;
    cr_philox_integers(&stream, 0, high, data, n);
    NPY_END_THREADS;
    return (PyObject *)array;
}

#define KEYWORD_METHOD(name, doc) \
    {#name, (PyCFunction)(void (*)(void))name, METH_VARARGS | METH_KEYWORDS, PyDoc_STR(doc)}

static PyMethodDef random_methods[] = {
    KEYWORD_METHOD(philox_normal,
                   "philox_normal(seed, purpose, step, shape, dtype='float32')\n--\n\n"
                   "Standard normal numbers of the stream (seed, purpose, step) as a new array.\n\n"
                   "Element i in C order depends on the stream and i alone: a shorter array is the beginning of a\n"
                   "longer one. seed and step are below 2**64, purpose is below 2**32."),
    KEYWORD_METHOD(philox_uniform,
                   "philox_uniform(seed, purpose, step, shape, dtype='float32')\n--\n\n"
                   "Uniform numbers in [0, 1) of the stream (seed, purpose, step) as a new array."),
    KEYWORD_METHOD(philox_permutation,
                   "philox_permutation(seed, purpose, step, n)\n--\n\n"
                   "A random order of 0 .. n - 1 as a new int64 array of shape (n,)."),
    KEYWORD_METHOD(philox_integers,
                   "philox_integers(seed, purpose, step, shape, high)\n--\n\n"
                   "Integers in [0, high) of the stream (seed, purpose, step) as a new int64 array;\n"
                   "1 <= high <= 2**63, relative bias below high / 2**64."),
    {NULL, NULL, 0, NULL},
};

int cr_py_add_random(PyObject *module)
{
    return PyModule_AddFunctions(module, random_methods);
}
