/* Kernel matrices of Gaussian processes for Python. */
#include "arguments.h"

#include "../core/covariance.h"

enum { MAX_ARRAYS = 64 };

/* A few arrays of one shape. */
typedef struct {
    npy_intp count;
    PyArrayObject *items[MAX_ARRAYS];
    const double *data[MAX_ARRAYS];
} arrays_t;

static void release_arrays(arrays_t *arrays)
{
    for (int i = 0; i < MAX_ARRAYS; i++)
        Py_XDECREF(arrays->items[i]);
}

static int read_item(arrays_t *arrays, npy_intp i, PyObject *object, const char *name, int ndim)
{
    PyArrayObject *own = arrays->items[i] =
        ndim == 2 ? cr_py_read_rows(object, name, CR_F64, SIZE_MAX) : cr_py_read_doubles(object, name);
    if (own == NULL)
        return -1;
    if (PyArray_NDIM(own) != ndim || !PyArray_SAMESHAPE(own, arrays->items[0])) {
        PyObject *shape = PyObject_GetAttrString((PyObject *)own, "shape");
        if (shape != NULL)
            PyErr_Format(PyExc_ValueError, "%s: expected %d-dimensional arrays of one shape, got %R for number %zd", name,
                         ndim, shape, i);
        Py_XDECREF(shape);
        return -1;
    }
    arrays->data[i] = PyArray_DATA(own);
    return 0;
}

/* Reads `count` arrays of one shape. */
static int read_arrays(arrays_t *arrays, PyObject *object, const char *name, npy_intp count, int ndim)
{
    PyObject *list = PySequence_Tuple(object); /* own: reading an array may run Python code that changes a list */
    if (list == NULL)
        return -1;
    int result = 0;
    arrays->count = PyTuple_GET_SIZE(list);
    if (arrays->count < 1 || arrays->count > MAX_ARRAYS || arrays->count != count) {
        PyErr_Format(PyExc_ValueError, "%s: expected 1 to %d arrays, as many as there are weights, %zd, got %zd", name,
                     MAX_ARRAYS, count, arrays->count);
        result = -1;
    }
    for (npy_intp i = 0; i < arrays->count && result == 0; i++)
        result = read_item(arrays, i, PyTuple_GET_ITEM(list, i), name, ndim);
    Py_DECREF(list);
    return result;
}

/* What the arguments of covariances() are read into. */
typedef struct {
    PyArrayObject *weights, *factors, *x, *y;
    arrays_t distances;
} given_t;

static void release_given(given_t *given)
{
    Py_XDECREF(given->weights);
    Py_XDECREF(given->factors);
    Py_XDECREF(given->x);
    Py_XDECREF(given->y);
    release_arrays(&given->distances);
}

/* Reads one factor for each row of an array. */
static PyArrayObject *read_factors(PyObject *object, PyArrayObject *x)
{
    PyArrayObject *factors = cr_py_read_doubles(object, "factors");
    if (factors != NULL && PyArray_SIZE(factors) != PyArray_DIM(x, 0)) {
        PyErr_Format(PyExc_ValueError, "factors: expected %zd, one for each row of x, got %zd", PyArray_DIM(x, 0),
                     PyArray_SIZE(factors));
        Py_CLEAR(factors);
    }
    return factors;
}

static int read_groups(given_t *given, PyObject *distances, PyObject *weights)
{
    if ((given->weights = cr_py_read_doubles(weights, "weights")) == NULL)
        return -1;
    return read_arrays(&given->distances, distances, "distances", PyArray_SIZE(given->weights), 2);
}

static int read_products(given_t *given, PyObject *factors, PyObject *x, PyObject *y)
{
    const npy_intp *shape = PyArray_DIMS(given->distances.items[0]);
    if ((given->x = cr_py_read_rows(x, "x", CR_F64, (size_t)shape[0])) == NULL ||
        (given->y = cr_py_read_rows(y, "y", CR_F64, (size_t)shape[1])) == NULL ||
        (given->factors = read_factors(factors, given->x)) == NULL)
        return -1;
    if (PyArray_DIM(given->x, 0) == PyArray_DIM(given->y, 0))
        return 0;
    PyErr_Format(PyExc_ValueError, "y: expected as many rows as x, %zd, got %zd", PyArray_DIM(given->x, 0),
                 PyArray_DIM(given->y, 0));
    return -1;
}

static PyObject *covariances_of(const given_t *given, double constant)
{
    npy_intp *shape = PyArray_DIMS(given->distances.items[0]);
    PyArrayObject *out = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_FLOAT64);
    if (out == NULL)
        return NULL;
    const cr_covariance kernel = {
        .n = (size_t)shape[0],
        .m = (size_t)shape[1],
        .groups = (size_t)given->distances.count,
        .products = (size_t)PyArray_DIM(given->x, 0),
        .weights = PyArray_DATA(given->weights),
        .distances = given->distances.data,
        .factors = PyArray_DATA(given->factors),
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
    PyObject *distances, *weights, *factors, *x, *y, *out = NULL;
    double constant;
    given_t given = {0};
    if (!PyArg_ParseTuple(args, "OOOOOd:covariances", &distances, &weights, &factors, &x, &y, &constant))
        return NULL;
    if (read_groups(&given, distances, weights) == 0 && read_products(&given, factors, x, y) == 0)
        out = covariances_of(&given, constant);
    release_given(&given);
    return out;
}

static PyObject *variances(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *factors_object, *x_object;
    PyArrayObject *factors = NULL, *x, *out = NULL;
    double constant;
    if (!PyArg_ParseTuple(args, "OOd:variances", &factors_object, &x_object, &constant))
        return NULL;
    if ((x = cr_py_read_rows(x_object, "x", CR_F64, SIZE_MAX)) != NULL &&
        (factors = read_factors(factors_object, x)) != NULL &&
        (out = (PyArrayObject *)PyArray_SimpleNew(1, PyArray_DIMS(x) + 1, NPY_FLOAT64)) != NULL)
        cr_variances((size_t)PyArray_DIM(x, 1), (size_t)PyArray_DIM(x, 0), PyArray_DATA(factors), PyArray_DATA(x), constant,
                     PyArray_DATA(out));
    Py_XDECREF(factors);
    Py_XDECREF(x);
    return (PyObject *)out;
}

static PyObject *mixture(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *shares_object, *means_object, *variances_object, *out = NULL;
    arrays_t means = {0}, given = {0};
    PyArrayObject *mean = NULL, *variance = NULL, *shares;
    if (!PyArg_ParseTuple(args, "OOO:mixture", &shares_object, &means_object, &variances_object) ||
        (shares = cr_py_read_doubles(shares_object, "shares")) == NULL)
        return NULL;
    const npy_intp k = PyArray_SIZE(shares);
    if (read_arrays(&means, means_object, "means", k, 1) < 0 || read_arrays(&given, variances_object, "variances", k, 1) < 0)
        goto done;
    npy_intp *m = PyArray_DIMS(means.items[0]);
    if (m[0] != PyArray_DIM(given.items[0], 0)) {
        PyErr_Format(PyExc_ValueError, "variances: expected as many as means, %zd, got %zd", m[0],
                     PyArray_DIM(given.items[0], 0));
        goto done;
    }
    if ((mean = (PyArrayObject *)PyArray_SimpleNew(1, m, NPY_FLOAT64)) == NULL ||
        (variance = (PyArrayObject *)PyArray_SimpleNew(1, m, NPY_FLOAT64)) == NULL)
        goto done;
    cr_mixture((size_t)k, (size_t)m[0], PyArray_DATA(shares), means.data, given.data, PyArray_DATA(mean),
               PyArray_DATA(variance));
    out = PyTuple_Pack(2, mean, variance);
done:
    Py_DECREF(shares);
    Py_XDECREF(mean);
    Py_XDECREF(variance);
    release_arrays(&means);
    release_arrays(&given);
    return out;
}

/* Expects a matrix of this shape. */
static int expect_matrix(PyArrayObject *array, const char *name, npy_intp rows, npy_intp columns)
{
    if (PyArray_DIM(array, 0) == rows && PyArray_DIM(array, 1) == columns)
        return 0;
    char expected[50];
    snprintf(expected, sizeof expected, "(%lld, %lld)", (long long)rows, (long long)columns);
    cr_py_wrong_shape(name, expected, array);
    return -1;
}

static PyObject *cholesky_rows(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *lower_object, *kernel_object;
    PyArrayObject *lower, *kernel = NULL, *out = NULL;
    double least;
    if (!PyArg_ParseTuple(args, "OOd:cholesky_rows", &lower_object, &kernel_object, &least))
        return NULL;
    if ((lower = cr_py_read_rows(lower_object, "lower", CR_F64, SIZE_MAX)) == NULL ||
        (kernel = cr_py_read_rows(kernel_object, "kernel", CR_F64, SIZE_MAX)) == NULL)
        goto done;
    const npy_intp n = PyArray_DIM(lower, 0), b = PyArray_DIM(kernel, 0);
    if (expect_matrix(lower, "lower", n, n) < 0 || expect_matrix(kernel, "kernel", b, n + b) < 0 ||
        (out = (PyArrayObject *)PyArray_SimpleNew(2, PyArray_DIMS(kernel), NPY_FLOAT64)) == NULL)
        goto done;
    Py_BEGIN_ALLOW_THREADS
    cr_cholesky_rows((size_t)n, (size_t)b, PyArray_DATA(lower), PyArray_DATA(kernel), least, PyArray_DATA(out));
    Py_END_ALLOW_THREADS
done:
    Py_XDECREF(lower);
    Py_XDECREF(kernel);
    return (PyObject *)out;
}

static PyObject *whitened_rows(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *lower_object, *rows_object, *kernel_object;
    PyArrayObject *lower, *rows = NULL, *kernel = NULL, *out = NULL;
    if (!PyArg_ParseTuple(args, "OOO:whitened_rows", &lower_object, &rows_object, &kernel_object))
        return NULL;
    if ((lower = cr_py_read_rows(lower_object, "lower", CR_F64, SIZE_MAX)) == NULL ||
        (rows = cr_py_read_rows(rows_object, "rows", CR_F64, SIZE_MAX)) == NULL ||
        (kernel = cr_py_read_rows(kernel_object, "kernel", CR_F64, SIZE_MAX)) == NULL)
        goto done;
    const npy_intp n = PyArray_DIM(rows, 0), b = PyArray_DIM(kernel, 0), m = PyArray_DIM(kernel, 1);
    if (expect_matrix(lower, "lower", b, n + b) < 0 || expect_matrix(rows, "rows", n, m) < 0 ||
        (out = (PyArrayObject *)PyArray_SimpleNew(2, PyArray_DIMS(kernel), NPY_FLOAT64)) == NULL)
        goto done;
    Py_BEGIN_ALLOW_THREADS
    cr_whitened_rows((size_t)n, (size_t)b, (size_t)m, PyArray_DATA(lower), PyArray_DATA(rows), PyArray_DATA(kernel),
                     PyArray_DATA(out));
    Py_END_ALLOW_THREADS
done:
    Py_XDECREF(lower);
    Py_XDECREF(rows);
    Py_XDECREF(kernel);
    return (PyObject *)out;
}

static PyMethodDef functions[] = {
    {"covariances", covariances, METH_VARARGS,
     PyDoc_STR("covariances(distances, weights, factors, x, y, constant, /)\n--\n\nexp(-sum_g weights[g] distances[g]) + "
               "sum_k factors[k] x[k] y[k] + constant, float64: distances (n, m) each, x (k, n) and y (k, m).")},
    {"variances", variances, METH_VARARGS,
     PyDoc_STR("variances(factors, x, constant, /)\n--\n\n1 + sum_k factors[k] x[k]^2 + constant, float64 (n,): x (k, n).")},
    {"mixture", mixture, METH_VARARGS,
     PyDoc_STR("mixture(shares, means, variances, /)\n--\n\nThe mean and the variance, float64 (m,), of a mixture of k "
               "posteriors: k arrays (m,) each.")},
    {"cholesky_rows", cholesky_rows, METH_VARARGS,
     PyDoc_STR("cholesky_rows(lower, kernel, least, /)\n--\n\nThe next b rows of a Cholesky factor, float64 (b, n + b), for those "
               "before (n, n), the next rows of the matrix (b, n + b), and the least square of a pivot.")},
    {"whitened_rows", whitened_rows, METH_VARARGS,
     PyDoc_STR("whitened_rows(lower, rows, kernel, /)\n--\n\nThe next b rows of L^-1 K, float64 (b, m), for the next rows of L "
               "(b, n + b), the rows before (n, m), and the next rows of K (b, m).")},
    {NULL, NULL, 0, NULL}};

int cr_py_add_covariance(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
