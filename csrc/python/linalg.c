/* Cholesky factors and triangular systems for Python. */
#include "arguments.h"

#include "../core/blas.h"

/* The length of the axis that is number `from_end` from the last, which is number 1. */
static size_t axis_length(PyArrayObject *array, int from_end)
{
    return (size_t)PyArray_DIM(array, PyArray_NDIM(array) - from_end);
}

static size_t count_matrices(PyArrayObject *array)
{
    return PyArray_NDIM(array) == 3 ? (size_t)PyArray_DIM(array, 0) : 1;
}

static int expect_square(PyArrayObject *array, const char *name)
{
    if (axis_length(array, 1) == axis_length(array, 2))
        return 0;
    PyErr_Format(PyExc_ValueError, "%s: expected square matrices, got %zu x %zu", name, axis_length(array, 2),
                 axis_length(array, 1));
    return -1;
}

static PyObject *cholesky(PyObject *module, PyObject *object)
{
    (void)module;
    PyArrayObject *a = cr_py_copy_reals(object, "a", 2, 3);
    if (a == NULL)
        return NULL;
    if (expect_square(a, "a") < 0) {
        Py_DECREF(a);
        return NULL;
    }
    cr_error err;
    size_t failed;
    cr_status status;
    Py_BEGIN_ALLOW_THREADS
    status = cr_cholesky(count_matrices(a), axis_length(a, 1), PyArray_DATA(a), &failed, &err);
    Py_END_ALLOW_THREADS
    if (status == CR_OK)
        return (PyObject *)a;
    Py_DECREF(a);
    return cr_py_raise(status, &err);
}

static PyObject *solve_lower(PyObject *module, PyObject *args, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"lower", "b", "transposed", NULL};
    PyObject *lower_object, *b_object;
    int transposed = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO|p:solve_lower", names, &lower_object, &b_object, &transposed))
        return NULL;
    PyArrayObject *lower = cr_py_read_doubles(lower_object, "lower");
    PyArrayObject *b = lower == NULL ? NULL : cr_py_copy_reals(b_object, "b", 2, 3);
    if (b == NULL) {
        Py_XDECREF(lower);
        return NULL;
    }
    cr_error err;
    cr_status status = CR_OK;
    int wrong = 0;
    if (PyArray_NDIM(lower) != PyArray_NDIM(b) || count_matrices(lower) != count_matrices(b)) {
        PyErr_Format(PyExc_ValueError, "lower: expected as many matrices as b, (n, n) or (k, n, n), got %d dimensions, "
                     "b %d", PyArray_NDIM(lower), PyArray_NDIM(b));
        wrong = -1;
    } else if ((wrong = expect_square(lower, "lower")) == 0 && axis_length(lower, 1) != axis_length(b, 2)) {
        PyErr_Format(PyExc_ValueError, "b: expected %zu rows, got %zu", axis_length(lower, 1), axis_length(b, 2));
        wrong = -1;
    }
    if (wrong == 0) {
        Py_BEGIN_ALLOW_THREADS
        status = cr_solve_lower(count_matrices(b), axis_length(b, 2), axis_length(b, 1), PyArray_DATA(lower),
                                transposed != 0, PyArray_DATA(b), &err);
        Py_END_ALLOW_THREADS
        if (status != CR_OK)
            cr_py_raise(status, &err);
    }
    Py_DECREF(lower);
    if (wrong == 0 && status == CR_OK)
        return (PyObject *)b;
    Py_DECREF(b);
    return NULL;
}

static PyMethodDef functions[] = {
    {"cholesky", cholesky, METH_O,
     PyDoc_STR("cholesky(a, /)\n--\n\nLower Cholesky factors, float64, of positive definite matrices (n, n) or (k, n, n); "
               "ValueError where one is not, or not finite. Only the lower half is read.")},
    {"solve_lower", (PyCFunction)(void (*)(void))solve_lower, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("solve_lower(lower, b, transposed=False)\n--\n\nlower^-1 b, or lower^-T b, float64: lower (n, n) and b "
               "(n, m), or (k, n, n) and (k, n, m). ValueError where lower is singular or not finite.")},
    {NULL, NULL, 0, NULL}};

int cr_py_add_linalg(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
