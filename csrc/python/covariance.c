/* Kernel matrices of Gaussian processes for Python. */
#include "arguments.h"

#include "../core/covariance.h"

enum { MAX_GROUPS = 64 };

/* What the arguments of covariances() are read into. */
typedef struct {
    PyArrayObject *weights, *x, *y, *distances[MAX_GROUPS];
    const double *data[MAX_GROUPS];
    npy_intp groups;
} given_t;

static void release_given(given_t *given)
{
    Py_XDECREF(given->weights);
    Py_XDECREF(given->x);
    Py_XDECREF(given->y);
    for (int g = 0; g < MAX_GROUPS; g++)
        Py_XDECREF(given->distances[g]);
}

/* Reads one array of distances, shape (n, m) as that of the first. */
static int read_distances(given_t *given, PyObject *object, npy_intp g)
{
    PyArrayObject *own = given->distances[g] = cr_py_read_rows(object, "distances", CR_F64, SIZE_MAX), *first;
    if (own == NULL)
        return -1;
    first = given->distances[0];
    if (!PyArray_SAMESHAPE(own, first)) {
        PyErr_Format(PyExc_ValueError, "distances: expected arrays of one shape, got (%zd, %zd) and (%zd, %zd)",
                     PyArray_DIM(first, 0), PyArray_DIM(first, 1), PyArray_DIM(own, 0), PyArray_DIM(own, 1));
        return -1;
    }
    given->data[g] = PyArray_DATA(own);
    return 0;
}

static int read_groups(given_t *given, PyObject *distances, PyObject *weights)
{
    PyObject *list = PySequence_Tuple(distances); /* own: reading an array may run Python code that changes a list */
    if (list == NULL)
        return -1;
    int result = -1;
    given->groups = PyTuple_GET_SIZE(list);
    given->weights = cr_py_read_doubles(weights, "weights");
    if (given->weights == NULL)
        goto done;
    if (given->groups < 1 || given->groups > MAX_GROUPS || PyArray_SIZE(given->weights) != given->groups) {
        PyErr_Format(PyExc_ValueError, "distances: expected 1 to %d arrays, one for each weight, got %zd and %zd weights",
                     MAX_GROUPS, given->groups, PyArray_SIZE(given->weights));
        goto done;
    }
    result = 0;
    for (npy_intp g = 0; g < given->groups && result == 0; g++)
        result = read_distances(given, PyTuple_GET_ITEM(list, g), g);
done:
    Py_DECREF(list);
    return result;
}

static int read_products(given_t *given, PyObject *x, PyObject *y)
{
    const npy_intp n = PyArray_DIM(given->distances[0], 0), m = PyArray_DIM(given->distances[0], 1);
    if ((given->x = cr_py_read_rows(x, "x", CR_F64, (size_t)n)) == NULL ||
        (given->y = cr_py_read_rows(y, "y", CR_F64, (size_t)m)) == NULL)
        return -1;
    if (PyArray_DIM(given->x, 0) == PyArray_DIM(given->y, 0))
        return 0;
    PyErr_Format(PyExc_ValueError, "y: expected as many rows as x, %zd, got %zd", PyArray_DIM(given->x, 0),
                 PyArray_DIM(given->y, 0));
    return -1;
}

static PyObject *covariances_of(const given_t *given, double constant)
{
    npy_intp *shape = PyArray_DIMS(given->distances[0]);
    PyArrayObject *out = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_FLOAT64);
    if (out == NULL)
        return NULL;
    const cr_covariance kernel = {
        .n = (size_t)shape[0],
        .m = (size_t)shape[1],
        .groups = (size_t)given->groups,
        .products = (size_t)PyArray_DIM(given->x, 0),
        .weights = PyArray_DATA(given->weights),
        .distances = given->data,
        .x = PyArray_DATA(given->x),
        .y = PyArray_DATA(given->y),
        .constant = constant,
    };
    Py_BEGIN_ALLOW_THREADS
    cr_covariances(&kernel, PyArray_DATA(out));
    Py_END_ALLOW_THREADS
    return (PyObject *)out;
}

static PyObject *covariances(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *distances, *weights, *x, *y, *out = NULL;
    double constant;
    given_t given = {0};
    if (!PyArg_ParseTuple(args, "OOOOd:covariances", &distances, &weights, &x, &y, &constant))
        return NULL;
    if (read_groups(&given, distances, weights) == 0 && read_products(&given, x, y) == 0)
        out = covariances_of(&given, constant);
    release_given(&given);
    return out;
}

static PyObject *whitened_row(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *kernel_object, *row_object, *rows_object;
    PyArrayObject *kernel, *row = NULL, *rows = NULL, *out = NULL;
    double pivot;
    if (!PyArg_ParseTuple(args, "OOOd:whitened_row", &kernel_object, &row_object, &rows_object, &pivot))
        return NULL;
    if ((kernel = cr_py_read_doubles(kernel_object, "kernel")) == NULL ||
        (row = cr_py_read_doubles(row_object, "row")) == NULL ||
        (rows = cr_py_read_rows(rows_object, "rows", CR_F64, (size_t)PyArray_SIZE(kernel))) == NULL)
        goto done;
    if (PyArray_SIZE(row) != PyArray_DIM(rows, 0)) {
        PyErr_Format(PyExc_ValueError, "row: expected %zd numbers, one per row, got %zd", PyArray_DIM(rows, 0),
                     PyArray_SIZE(row));
        goto done;
    }
    if ((out = (PyArrayObject *)PyArray_SimpleNew(1, PyArray_DIMS(rows) + 1, NPY_FLOAT64)) == NULL)
        goto done;
    Py_BEGIN_ALLOW_THREADS
    cr_whitened_row((size_t)PyArray_DIM(rows, 0), (size_t)PyArray_DIM(rows, 1), PyArray_DATA(kernel), PyArray_DATA(row),
                    PyArray_DATA(rows), pivot, PyArray_DATA(out));
    Py_END_ALLOW_THREADS
done:
    Py_XDECREF(kernel);
    Py_XDECREF(row);
    Py_XDECREF(rows);
    return (PyObject *)out;
}

static PyMethodDef functions[] = {
    {"covariances", covariances, METH_VARARGS,
     PyDoc_STR("covariances(distances, weights, x, y, constant, /)\n--\n\nexp(-sum_g weights[g] distances[g]) + x^T y + "
               "constant, float64: distances (n, m) each, x (k, n) and y (k, m).")},
    {"whitened_row", whitened_row, METH_VARARGS,
     PyDoc_STR("whitened_row(kernel, row, rows, pivot, /)\n--\n\n(kernel - row rows) / pivot, float64 (m,): kernel (m,), row (n,) "
               "and rows (n, m).")},
    {NULL, NULL, 0, NULL}};

int cr_py_add_covariance(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
