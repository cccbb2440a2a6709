/* Search kernels for Python: smallest values, largest logits, rank correlation, sets of cells. */
#include "arguments.h"
#include "pickling.h"

#include <limits.h>

#include "../core/kendall.h"
#include "../core/select.h"
#include "../search/cell_set.h"

/* ---- smallest values, largest logits ---- */

static PyObject *smallest(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *object, *result = NULL;
    Py_ssize_t k;
    if (!PyArg_ParseTuple(args, "On:smallest", &object, &k))
        return NULL;
    PyArrayObject *values = cr_py_read_doubles(object, "values");
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
    const char *expected = "float32 or float64";
    PyArrayObject *array = cr_py_read_array(object, "logits", expected), *x = NULL;
    PyObject *result = NULL;
    if (array == NULL)
        return NULL;
    int type = PyArray_TYPE(array), ndim = PyArray_NDIM(array);
    if (type != NPY_FLOAT32 && type != NPY_FLOAT64)
        cr_py_wrong_dtype("logits", expected, array);
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
    PyArrayObject *x = cr_py_read_doubles(x_object, "x"), *y = NULL;
    if (x != NULL && (y = cr_py_read_doubles(y_object, "y")) != NULL) {
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
    {"smallest", smallest, METH_VARARGS,
     PyDoc_STR("smallest(values, k, /)\n--\n\nPositions of the k smallest values, smallest first; NaN comes last.")},
    {"argmax_last", argmax_last, METH_O,
     PyDoc_STR("argmax_last(logits, /)\n--\n\nIndex of the first largest element along the last axis, int64. NaN is larger than "
               "every number, as in NumPy.")},
    {NULL, NULL, 0, NULL}};

/* ---- CellSet ---- */

typedef struct {
    PyObject_HEAD
    cr_cell_set set;
} CellSetObject;

/* Adds an array of keys. Returns whether each was new. */
static PyObject *add_keys(cr_cell_set *set, PyObject *object)
{
    PyArrayObject *keys = cr_py_read_integers(object, "keys", NPY_UINT64, 1, 1);
    PyObject *result = keys == NULL ? NULL : PyArray_SimpleNew(1, PyArray_DIMS(keys), NPY_BOOL);
    cr_status status = CR_OK;
    cr_error err;
    bool added;
    for (npy_intp i = 0; result != NULL && status == CR_OK && i < PyArray_SIZE(keys); i++) {
        status = cr_cell_set_add(set, ((const uint64_t *)PyArray_DATA(keys))[i], &added, &err);
        ((npy_bool *)PyArray_DATA((PyArrayObject *)result))[i] = added;
    }
    Py_XDECREF(keys);
    if (status != CR_OK) {
        Py_CLEAR(result);
        cr_py_raise(status, &err);
    }
    return result;
}

static PyObject *cell_set_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"keys", NULL};
    PyObject *keys = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:CellSet", names, &keys))
        return NULL;
    PyObject *self = type->tp_alloc(type, 0), *added; /* zero-filled: an empty set */
    if (self != NULL && keys != Py_None) {
        added = add_keys(&((CellSetObject *)self)->set, keys);
        if (added == NULL)
            Py_CLEAR(self);
        Py_XDECREF(added);
    }
    return self;
}

static void cell_set_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    cr_cell_set_free(&((CellSetObject *)object)->set);
    type->tp_free(object);
    Py_DECREF(type);
}

/* Reads a 64-bit key; OverflowError for an integer outside [0, 2^64). */
static int read_key(PyObject *object, uint64_t *key)
{
    PyObject *number = cr_py_read_index(object, "key");
    if (number == NULL)
        return -1;
    *key = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    return *key == (uint64_t)-1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *cell_set_add(PyObject *object, PyObject *argument)
{
    uint64_t key;
    bool added;
    cr_error err;
    if (read_key(argument, &key) < 0)
        return NULL;
    cr_status status = cr_cell_set_add(&((CellSetObject *)object)->set, key, &added, &err);
    return status == CR_OK ? PyBool_FromLong(added) : cr_py_raise(status, &err);
}

static PyObject *cell_set_update(PyObject *object, PyObject *argument)
{
    return add_keys(&((CellSetObject *)object)->set, argument);
}

static int cell_set_contains(PyObject *object, PyObject *argument)
{
    uint64_t key;
    if (read_key(argument, &key) < 0)
        return -1;
    return cr_cell_set_has(&((CellSetObject *)object)->set, key);
}

static Py_ssize_t cell_set_length(PyObject *object)
{
    return (Py_ssize_t)((CellSetObject *)object)->set.count;
}

/* Looks an array of keys up, of any shape: positions as int64, or as bool whether there is one. */
static PyObject *look_up(PyObject *object, PyObject *argument, int type)
{
    PyArrayObject *keys = cr_py_read_integers(argument, "keys", NPY_UINT64, 0, INT_MAX);
    PyObject *result = NULL;
    if (keys != NULL && (result = PyArray_SimpleNew(PyArray_NDIM(keys), PyArray_DIMS(keys), type)) != NULL) {
        const uint64_t *key = PyArray_DATA(keys);
        void *found = PyArray_DATA((PyArrayObject *)result);
        for (npy_intp i = 0; i < PyArray_SIZE(keys); i++) {
            const int64_t position = cr_cell_set_position(&((CellSetObject *)object)->set, key[i]);
            if (type == NPY_BOOL)
                ((npy_bool *)found)[i] = position >= 0;
            else
                ((int64_t *)found)[i] = position;
        }
    }
    Py_XDECREF(keys);
    return result;
}

static PyObject *cell_set_has(PyObject *object, PyObject *argument)
{
    return look_up(object, argument, NPY_BOOL);
}

static PyObject *cell_set_locate(PyObject *object, PyObject *argument)
{
    return look_up(object, argument, NPY_INT64);
}

static PyObject *cell_set_reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const cr_cell_set *set = &((CellSetObject *)object)->set;
    npy_intp length = (npy_intp)set->count;
    PyObject *keys = PyArray_SimpleNew(1, &length, NPY_UINT64);
    if (keys == NULL)
        return NULL;
    for (size_t slot = 0; slot < set->capacity; slot++)
        if (set->ranks[slot] != 0)
            ((uint64_t *)PyArray_DATA((PyArrayObject *)keys))[set->ranks[slot] - 1] = set->keys[slot];
    return cr_py_reduced(object, Py_BuildValue("(N)", keys), NULL);
}

static PyMethodDef cell_set_methods[] = {
    {"__reduce__", cell_set_reduce, METH_NOARGS, NULL},
    {"add", cell_set_add, METH_O, PyDoc_STR("add($self, key, /)\n--\n\nAdd a key; whether it was new.")},
    {"has", cell_set_has, METH_O,
     PyDoc_STR("has($self, keys, /)\n--\n\nFor an array of integers: whether each is in the set, bool of the same shape.")},
    {"locate", cell_set_locate, METH_O,
     PyDoc_STR("locate($self, keys, /)\n--\n\nFor an array of integers: how many keys were added before each, int64 of the "
               "same shape; -1 for those that are not in the set.")},
    {"update", cell_set_update, METH_O,
     PyDoc_STR("update($self, keys, /)\n--\n\nAdd an array of keys (n,); whether each was new, bool (n,).")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot cell_set_slots[] = {
    {Py_tp_doc, "CellSet(keys=None)\n--\n\nA set of cells by their canonical keys, integers in [0, 2**64)."},
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
