/* Distances between points for Python: the type Points, and sums over the rows of a matrix. */
#include "arguments.h"
#include "pickling.h"

#include "../core/points.h"

typedef struct {
    PyObject_HEAD
    cr_points *points; /* owned, never NULL in a constructed object */
} PointsObject;

static PyObject *points_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"y", NULL};
    PyObject *object;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:Points", names, &object))
        return NULL;
    PyArrayObject *y = cr_py_read_rows(object, "y", CR_F64, SIZE_MAX);
    PointsObject *self = y == NULL ? NULL : (PointsObject *)type->tp_alloc(type, 0);
    if (self != NULL) {
        cr_error err;
        cr_status status;
        Py_BEGIN_ALLOW_THREADS
        status = cr_points_new((size_t)PyArray_DIM(y, 0), (size_t)PyArray_DIM(y, 1), PyArray_DATA(y), &self->points, &err);
        Py_END_ALLOW_THREADS
        if (status != CR_OK) {
            Py_CLEAR(self);
            cr_py_raise(status, &err);
        }
    }
    Py_XDECREF(y);
    return (PyObject *)self;
}

static void points_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    cr_points_release(((PointsObject *)object)->points);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *points_distances(PyObject *object, PyObject *argument)
{
    const cr_points *points = ((PointsObject *)object)->points;
    PyArrayObject *x = cr_py_read_rows(argument, "x", CR_F64, (npy_intp)cr_points_columns(points)), *out;
    if (x == NULL)
        return NULL;
    npy_intp shape[2] = {PyArray_DIM(x, 0), (npy_intp)cr_points_count(points)};
    out = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_FLOAT64);
    if (out != NULL) {
        cr_error err;
        cr_status status;
        Py_BEGIN_ALLOW_THREADS
        status = cr_points_distances(points, (size_t)shape[0], PyArray_DATA(x), PyArray_DATA(out), &err);
        Py_END_ALLOW_THREADS
        if (status != CR_OK) {
            Py_CLEAR(out);
            cr_py_raise(status, &err);
        }
    }
    Py_DECREF(x);
    return (PyObject *)out;
}

static Py_ssize_t points_length(PyObject *object)
{
    return (Py_ssize_t)cr_points_count(((PointsObject *)object)->points);
}

/* Points never change, so they are their own copy. */
static PyObject *share_points(PyObject *object, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(object);
}

static PyObject *points_reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return cr_py_refuse_pickle(object, "pickle its array");
}

static PyMethodDef points_methods[] = {
    {"__reduce__", points_reduce, METH_NOARGS, NULL},
    {"__copy__", share_points, METH_NOARGS, PyDoc_STR("__copy__($self)\n--\n\nThe points themselves, which never change.")},
    {"__deepcopy__", share_points, METH_O,
     PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\nThe points themselves, which never change.")},
    {"squared_distances", points_distances, METH_O,
     PyDoc_STR("squared_distances($self, x, /)\n--\n\nSquared distances (n, m) of points x (n, d) to these, none below 0. Bits "
               "depend on the two points alone.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot points_slots[] = {
    {Py_tp_doc, "Points(y)\n--\n\nA copy of m points (m, d), stored for their squared distances to others. Finite numbers."},
    {Py_tp_new, points_new},
    {Py_tp_dealloc, points_dealloc},
    {Py_tp_methods, points_methods},
    {Py_sq_length, points_length},
    {0, NULL}};

static PyType_Spec points_spec = {.name = "crlso._core.Points",
                                  .basicsize = sizeof(PointsObject),
                                  .flags = Py_TPFLAGS_DEFAULT,
                                  .slots = points_slots};

static PyObject *row_moments(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *rows_object, *weights_object;
    PyArrayObject *sums = NULL, *squares = NULL;
    if (!PyArg_ParseTuple(args, "OO:row_moments", &rows_object, &weights_object))
        return NULL;
    PyArrayObject *rows = cr_py_read_rows(rows_object, "rows", CR_F64, SIZE_MAX);
    PyArrayObject *weights = rows == NULL ? NULL : cr_py_read_doubles(weights_object, "weights");
    if (weights != NULL && (PyArray_NDIM(weights) != 1 || PyArray_DIM(weights, 0) != PyArray_DIM(rows, 0))) {
        PyErr_Format(PyExc_ValueError, "weights: expected shape (%zd,), one per row, got %d dimensions and %zd elements",
                     PyArray_DIM(rows, 0), PyArray_NDIM(weights), PyArray_SIZE(weights));
    } else if (weights != NULL) {
        npy_intp m = PyArray_DIM(rows, 1);
        sums = (PyArrayObject *)PyArray_SimpleNew(1, &m, NPY_FLOAT64);
        squares = (PyArrayObject *)PyArray_SimpleNew(1, &m, NPY_FLOAT64);
        if (sums != NULL && squares != NULL) {
            Py_BEGIN_ALLOW_THREADS
            cr_row_moments((size_t)PyArray_DIM(rows, 0), (size_t)m, PyArray_DATA(rows), PyArray_DATA(weights),
                           PyArray_DATA(sums), PyArray_DATA(squares));
            Py_END_ALLOW_THREADS
        }
    }
    Py_XDECREF(rows);
    Py_XDECREF(weights);
    if (sums != NULL && squares != NULL)
        return Py_BuildValue("(NN)", sums, squares);
    Py_XDECREF(sums);
    Py_XDECREF(squares);
    return NULL;
}

static PyMethodDef functions[] = {
    {"row_moments", row_moments, METH_VARARGS,
     PyDoc_STR("row_moments(rows, weights, /)\n--\n\nSums of the rows (n, m) by their weights (n,), and of their squares: (m,) "
               "each, float64.")},
    {NULL, NULL, 0, NULL}};

int cr_py_add_points(PyObject *module)
{
    cr_py_state *state = cr_py_state_of(module);
    state->points = (PyTypeObject *)PyType_FromModuleAndSpec(module, &points_spec, NULL);
    if (state->points == NULL || PyModule_AddType(module, state->points) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
