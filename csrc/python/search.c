/* Search kernels for Python: the input-convex network with fixed weights, descent, smallest values, sets of cells. */
#include "py.h"

#include <string.h>

#include "../core/kendall.h"
#include "../search/cell_set.h"
#include "../search/descent.h"

/* ---- the network ---- */

typedef struct {
    cr_icnn net;
    const cr_tensor **layers; /* weights, then skips; memory of PyMem */
    PyObject *tuples[2];      /* keep the tensors of the layers alive */
} network_t;

static void network_clear(network_t *network)
{
    PyMem_Free(network->layers);
    Py_CLEAR(network->tuples[0]);
    Py_CLEAR(network->tuples[1]);
}

static const cr_tensor *tensor_argument(cr_py_state *state, PyObject *object, const char *name)
{
    if (!PyObject_TypeCheck(object, state->tensor))
        return (const cr_tensor *)cr_py_wrong_type(name, "a Tensor", object);
    return ((TensorObject *)object)->tensor;
}

/* parameters: (input_weight, input_bias, weights, skips, output_weight, output_skip, output_bias), borrowed. */
static int network_read(cr_py_state *state, PyObject *parameters, double slope, int convex, network_t *network)
{
    PyObject *p[7];
    cr_error err;
    memset(network, 0, sizeof *network);
    if (!PyTuple_Check(parameters) || PyTuple_GET_SIZE(parameters) != 7) {
        PyErr_SetString(PyExc_TypeError, "parameters: expected a tuple of 7: input_weight, input_bias, weights, skips, "
                                         "output_weight, output_skip, output_bias");
        return -1;
    }
    for (int i = 0; i < 7; i++)
        p[i] = PyTuple_GET_ITEM(parameters, i);
    for (int side = 0; side < 2; side++)
        if ((network->tuples[side] = PySequence_Tuple(p[2 + side])) == NULL)
            goto fail;
    Py_ssize_t n = PyTuple_GET_SIZE(network->tuples[0]);
    if (PyTuple_GET_SIZE(network->tuples[1]) != n) {
        PyErr_SetString(PyExc_ValueError, "parameters: expected as many weights as skips");
        goto fail;
    }
    network->layers = PyMem_Calloc((size_t)(2 * n) + 1, sizeof *network->layers);
    if (network->layers == NULL) {
        PyErr_NoMemory();
        goto fail;
    }
    for (Py_ssize_t i = 0; i < 2 * n; i++)
        if ((network->layers[i] = tensor_argument(state, PyTuple_GET_ITEM(network->tuples[i / n], i % n),
                                                  i < n ? "weights" : "skips")) == NULL)
            goto fail;
    network->net = (cr_icnn){.input_weight = tensor_argument(state, p[0], "input_weight"),
                             .weights = network->layers, .skips = network->layers + n, .n_layers = (size_t)n,
                             .slope = slope};
    if (network->net.input_weight == NULL || (network->net.input_bias = tensor_argument(state, p[1], "input_bias")) == NULL ||
        (network->net.output_weight = tensor_argument(state, p[4], "output_weight")) == NULL ||
        (network->net.output_skip = tensor_argument(state, p[5], "output_skip")) == NULL ||
        (network->net.output_bias = tensor_argument(state, p[6], "output_bias")) == NULL)
        goto fail;
    cr_status status = cr_icnn_check(&network->net, convex != 0, &err);
    if (status == CR_OK)
        return 0;
    cr_py_raise(status, &err);
fail:
    network_clear(network);
    return -1;
}

/* z as a contiguous (n, d) array of the network's type, new reference. */
static PyArrayObject *points(const network_t *network, PyObject *object)
{
    int type = network->net.input_weight->dtype == CR_F32 ? NPY_FLOAT32 : NPY_FLOAT64;
    Py_ssize_t d = (Py_ssize_t)network->net.input_weight->shape[1];
    PyArrayObject *given = (PyArrayObject *)PyArray_FROM_O(object), *z = NULL;
    if (given == NULL)
        return NULL;
    if (PyArray_DESCR(given)->kind != 'f')
        PyErr_Format(PyExc_TypeError, "z: expected an array of floats, got dtype %S", (PyObject *)PyArray_DESCR(given));
    else if (PyArray_NDIM(given) != 2 || PyArray_DIM(given, 1) != d)
        PyErr_Format(PyExc_ValueError, "z: expected shape (n, %zd), got %d dimensions, the last %zd", d,
                     PyArray_NDIM(given), PyArray_NDIM(given) > 0 ? (Py_ssize_t)PyArray_DIM(given, PyArray_NDIM(given) - 1) : 0);
    else
        z = (PyArrayObject *)PyArray_FromArray(given, PyArray_DescrFromType(type),
                                               NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_FORCECAST |
                                                   NPY_ARRAY_ENSUREARRAY);
    Py_DECREF(given);
    return z;
}

static PyArrayObject *empty_like(PyArrayObject *z, int ndim)
{
    return (PyArrayObject *)PyArray_SimpleNew(ndim, PyArray_DIMS(z), PyArray_TYPE(z));
}

static PyObject *icnn_evaluate(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"parameters", "z", "slope", "convex", NULL};
    PyObject *parameters, *z_object, *result = NULL;
    double slope = 0.01;
    int convex = 1;
    network_t network;
    cr_py_state *state = cr_py_state_of(module);
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO|dp:icnn_evaluate", names, &parameters, &z_object, &slope,
                                     &convex) ||
        network_read(state, parameters, slope, convex, &network) < 0)
        return NULL;
    PyArrayObject *z = points(&network, z_object), *value = NULL, *gradient = NULL;
    if (z != NULL && (value = empty_like(z, 1)) != NULL && (gradient = empty_like(z, 2)) != NULL) {
        cr_error err;
        cr_status status;
        Py_BEGIN_ALLOW_THREADS
        status = cr_icnn_evaluate(&network.net, PyArray_DATA(z), (size_t)PyArray_DIM(z, 0), PyArray_DATA(value),
                                  PyArray_DATA(gradient), &err);
        Py_END_ALLOW_THREADS
        result = status == CR_OK ? PyTuple_Pack(2, value, gradient) : cr_py_raise(status, &err);
    }
    Py_XDECREF(z);
    Py_XDECREF(value);
    Py_XDECREF(gradient);
    network_clear(&network);
    return result;
}

static PyArrayObject *steps_argument(PyObject *object, npy_intp n)
{
    PyArrayObject *steps = (PyArrayObject *)PyArray_FROM_OTF(object, NPY_FLOAT64, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_ENSUREARRAY);
    if (steps != NULL && (PyArray_NDIM(steps) != 1 || PyArray_DIM(steps, 0) != n)) {
        PyErr_Format(PyExc_ValueError, "step: expected shape (%zd,), one size per point", (Py_ssize_t)n);
        Py_CLEAR(steps);
    }
    return steps;
}

static PyObject *descend(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"parameters", "z", "step", "slope", "convex", NULL};
    PyObject *parameters, *z_object, *step_object, *result = NULL;
    double slope = 0.01;
    int convex = 1;
    network_t network;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO|dp:descend", names, &parameters, &z_object, &step_object, &slope,
                                     &convex) ||
        network_read(cr_py_state_of(module), parameters, slope, convex, &network) < 0)
        return NULL;
    PyArrayObject *z = points(&network, z_object), *step = NULL, *value = NULL, *gradient = NULL, *out = NULL;
    if (z != NULL && (step = steps_argument(step_object, PyArray_DIM(z, 0))) != NULL &&
        (value = empty_like(z, 1)) != NULL && (gradient = empty_like(z, 2)) != NULL && (out = empty_like(z, 2)) != NULL) {
        cr_error err;
        cr_status status;
        Py_BEGIN_ALLOW_THREADS
        status = cr_descend(&network.net, PyArray_DATA(z), (size_t)PyArray_DIM(z, 0), PyArray_DATA(step),
                            PyArray_DATA(value), PyArray_DATA(gradient), PyArray_DATA(out), &err);
        Py_END_ALLOW_THREADS
        result = status == CR_OK ? PyTuple_Pack(3, out, value, gradient) : cr_py_raise(status, &err);
    }
    Py_XDECREF(z);
    Py_XDECREF(step);
    Py_XDECREF(value);
    Py_XDECREF(gradient);
    Py_XDECREF(out);
    network_clear(&network);
    return result;
}

/* ---- smallest values, largest logits ---- */

static PyObject *smallest(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *object, *result = NULL;
    Py_ssize_t k;
    if (!PyArg_ParseTuple(args, "On:smallest", &object, &k))
        return NULL;
    PyArrayObject *values = (PyArrayObject *)PyArray_FROM_OTF(object, NPY_FLOAT64, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_ENSUREARRAY);
    if (values == NULL)
        return NULL;
    npy_intp length = k;
    if (PyArray_NDIM(values) != 1 || k < 0 || k > PyArray_DIM(values, 0)) {
        PyErr_Format(PyExc_ValueError, "smallest: expected a one-dimensional array and 0 <= k <= its length, got %d "
                                       "dimensions and k = %zd", PyArray_NDIM(values), k);
    } else if ((result = PyArray_SimpleNew(1, &length, NPY_INT64)) != NULL) {
        cr_error err;
        cr_status status = cr_smallest(PyArray_DATA(values), (size_t)PyArray_DIM(values, 0), (size_t)k,
                                       PyArray_DATA((PyArrayObject *)result), &err);
        if (status != CR_OK) {
            Py_CLEAR(result);
            cr_py_raise(status, &err);
        }
    }
    Py_DECREF(values);
    return result;
}

static PyObject *argmax_last(PyObject *module, PyObject *object)
{
    (void)module;
    PyArrayObject *array = (PyArrayObject *)PyArray_FROM_O(object), *x = NULL;
    PyObject *result = NULL;
    if (array == NULL)
        return NULL;
    int type = PyArray_TYPE(array), ndim = PyArray_NDIM(array);
    if (type != NPY_FLOAT32 && type != NPY_FLOAT64)
        PyErr_Format(PyExc_TypeError, "logits: expected float32 or float64, got dtype %S", (PyObject *)PyArray_DESCR(array));
    else if (ndim < 1 || PyArray_DIM(array, ndim - 1) < 1)
        PyErr_SetString(PyExc_ValueError, "logits: expected at least one class along the last axis");
    else
        x = (PyArrayObject *)PyArray_FromArray(array, PyArray_DescrFromType(type),
                                               NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_ENSUREARRAY);
    if (x != NULL && (result = PyArray_SimpleNew(ndim - 1, PyArray_DIMS(x), NPY_INT64)) != NULL) {
        size_t classes = (size_t)PyArray_DIM(x, ndim - 1);
        cr_kernels(type == NPY_FLOAT32 ? CR_F32 : CR_F64)
            ->argmax((size_t)PyArray_SIZE(x) / classes, classes, PyArray_DATA(x), PyArray_DATA((PyArrayObject *)result));
    }
    Py_XDECREF(x);
    Py_DECREF(array);
    return result;
}

static PyObject *kendall_tau(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *x_object, *y_object, *result = NULL;
    if (!PyArg_ParseTuple(args, "OO:kendall_tau", &x_object, &y_object))
        return NULL;
    int flags = NPY_ARRAY_CARRAY_RO | NPY_ARRAY_ENSUREARRAY;
    PyArrayObject *x = (PyArrayObject *)PyArray_FROM_OTF(x_object, NPY_FLOAT64, flags), *y = NULL;
    if (x != NULL && (y = (PyArrayObject *)PyArray_FROM_OTF(y_object, NPY_FLOAT64, flags)) != NULL) {
        if (PyArray_NDIM(x) != 1 || PyArray_NDIM(y) != 1 || PyArray_DIM(x, 0) != PyArray_DIM(y, 0)) {
            PyErr_SetString(PyExc_ValueError, "kendall_tau: expected two one-dimensional arrays of equal length");
        } else {
            double tau;
            cr_error err;
            cr_status status;
            Py_BEGIN_ALLOW_THREADS
            status = cr_kendall_tau(PyArray_DATA(x), PyArray_DATA(y), (size_t)PyArray_DIM(x, 0), &tau, &err);
            Py_END_ALLOW_THREADS
            result = status == CR_OK ? PyFloat_FromDouble(tau) : cr_py_raise(status, &err);
        }
    }
    Py_XDECREF(x);
    Py_XDECREF(y);
    return result;
}

static PyMethodDef functions[] = {
    {"kendall_tau", kendall_tau, METH_VARARGS,
     PyDoc_STR("kendall_tau(x, y, /)\n--\n\nKendall's tau-b of two arrays (n,), in O(n log n); NaN when one is constant.")},
    {"icnn_evaluate", (PyCFunction)(void (*)(void))icnn_evaluate, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("icnn_evaluate(parameters, z, slope=0.01, convex=True)\n--\n\nValues (n,) and input gradients (n, d) of an "
               "input-convex network at points z (n, d). With convex, a negative weight is a ValueError.")},
    {"descend", (PyCFunction)(void (*)(void))descend, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("descend(parameters, z, step, slope=0.01, convex=True)\n--\n\nz - step * gradient (n, d) with one step size "
               "per point (n,); returns the new points, the values and the gradients at z.")},
    {"smallest", smallest, METH_VARARGS,
     PyDoc_STR("smallest(values, k, /)\n--\n\nPositions of the k smallest values, smallest first; NaN comes last.")},
    {"argmax_last", argmax_last, METH_O,
     PyDoc_STR("argmax_last(logits, /)\n--\n\nIndex of the first largest element along the last axis, int64.")},
    {NULL, NULL, 0, NULL}};

/* ---- CellSet ---- */

typedef struct {
    PyObject_HEAD
    cr_cell_set set;
} CellSetObject;

static PyObject *cell_set_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, ":CellSet", names))
        return NULL;
    return type->tp_alloc(type, 0); /* zero-filled: an empty set */
}

static void cell_set_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    cr_cell_set_free(&((CellSetObject *)object)->set);
    type->tp_free(object);
    Py_DECREF(type);
}

/* A 64-bit key from a non-negative integer; -1 with an exception. */
static int key_of(PyObject *object, uint64_t *key)
{
    PyObject *number = PyNumber_Index(object);
    if (number == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            cr_py_wrong_type("key", "an integer", object);
        return -1;
    }
    *key = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    return *key == (uint64_t)-1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *cell_set_add(PyObject *object, PyObject *argument)
{
    uint64_t key;
    bool added;
    cr_error err;
    if (key_of(argument, &key) < 0)
        return NULL;
    cr_status status = cr_cell_set_add(&((CellSetObject *)object)->set, key, &added, &err);
    return status == CR_OK ? PyBool_FromLong(added) : cr_py_raise(status, &err);
}

static int cell_set_contains(PyObject *object, PyObject *argument)
{
    uint64_t key;
    if (key_of(argument, &key) < 0)
        return -1;
    return cr_cell_set_has(&((CellSetObject *)object)->set, key);
}

static Py_ssize_t cell_set_length(PyObject *object)
{
    return (Py_ssize_t)((CellSetObject *)object)->set.count;
}

static PyObject *cell_set_has(PyObject *object, PyObject *argument)
{
    PyArrayObject *given = (PyArrayObject *)PyArray_FROM_O(argument), *keys = NULL;
    PyObject *result = NULL;
    if (given == NULL)
        return NULL;
    if (!PyTypeNum_ISINTEGER(PyArray_TYPE(given)))
        PyErr_Format(PyExc_TypeError, "keys: expected integers, got dtype %S", (PyObject *)PyArray_DESCR(given));
    else
        keys = (PyArrayObject *)PyArray_FromArray(given, PyArray_DescrFromType(NPY_UINT64),
                                                  NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST | NPY_ARRAY_ENSUREARRAY);
    if (keys != NULL && (result = PyArray_SimpleNew(PyArray_NDIM(keys), PyArray_DIMS(keys), NPY_BOOL)) != NULL) {
        const uint64_t *key = PyArray_DATA(keys);
        npy_bool *has = PyArray_DATA((PyArrayObject *)result);
        for (npy_intp i = 0; i < PyArray_SIZE(keys); i++)
            has[i] = cr_cell_set_has(&((CellSetObject *)object)->set, key[i]);
    }
    Py_XDECREF(keys);
    Py_DECREF(given);
    return result;
}

static PyMethodDef cell_set_methods[] = {
    {"add", cell_set_add, METH_O, PyDoc_STR("add($self, key, /)\n--\n\nAdd a key; whether it was new.")},
    {"has", cell_set_has, METH_O,
     PyDoc_STR("has($self, keys, /)\n--\n\nFor an array of integers: whether each is in the set, bool of the same shape.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot cell_set_slots[] = {
    {Py_tp_doc, "CellSet()\n--\n\nA set of cells by their canonical keys, integers in [0, 2**64)."},
    {Py_tp_new, cell_set_new},
    {Py_tp_dealloc, cell_set_dealloc},
    {Py_tp_methods, cell_set_methods},
    {Py_sq_contains, cell_set_contains},
    {Py_sq_length, cell_set_length},
    {0, NULL}};

static PyType_Spec cell_set_spec = {.name = "crlso._core.CellSet",
                                    .basicsize = sizeof(CellSetObject),
                                    .flags = Py_TPFLAGS_DEFAULT,
                                    .slots = cell_set_slots};

int cr_py_add_search(PyObject *module)
{
    cr_py_state *state = cr_py_state_of(module);
    state->cell_set = (PyTypeObject *)PyType_FromModuleAndSpec(module, &cell_set_spec, NULL);
    if (state->cell_set == NULL || PyModule_AddType(module, state->cell_set) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
