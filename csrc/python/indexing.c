/* x[key] as NumPy has it, made of the operations slice, gather_rows and reshape: integers, slices, None, an ellipsis,
 * and one array of integers or booleans for the first axis. */
#include "indexing.h"

#include "arguments.h"
#include "array.h"
#include "ops.h"

#define EXPECTED "integers, slices, None, ... and one array of integers or booleans for the first axis"

/* How far the key has been read. */
typedef struct {
    cr_tensor *tensor; /* owned: the result so far, in which a number still has an axis, of length 1 */
    int axis;          /* of `tensor`, to which the next item belongs */
    int ndim;
    size_t shape[CR_MAX_NDIM]; /* of the result */
} view_t;

/* Replaces the tensor by the result of an operation on it; steals the index. */
static int run(view_t *view, cr_op op, const int64_t *integers, size_t n, cr_index *index)
{
    cr_error err;
    cr_node *node;
    cr_status status = cr_node_new(op, 1, &node, &err);
    if (status != CR_OK) {
        cr_index_release(index);
        cr_py_raise(status, &err);
        return -1;
    }
    node->inputs[0] = view->tensor;
    cr_tensor_retain(view->tensor);
    node->index = index;
    for (size_t i = 0; i < n; i++)
        node->integers[node->n_integers++] = integers[i];
    cr_tensor *out = cr_py_run(node);
    if (out == NULL)
        return -1;
    cr_tensor_release(view->tensor);
    view->tensor = out;
    return 0;
}

static int run_reshape(view_t *view, int ndim, const size_t *shape)
{
    int64_t integers[CR_MAX_NDIM];
    for (int d = 0; d < ndim; d++)
        integers[d] = (int64_t)shape[d];
    return run(view, CR_OP_reshape, integers, (size_t)ndim, NULL);
}

static int add_axis(view_t *view, size_t length)
{
    if (view->ndim == CR_MAX_NDIM) {
        PyErr_Format(PyExc_IndexError, "index: expected a result of at most %d dimensions", CR_MAX_NDIM);
        return -1;
    }
    view->shape[view->ndim++] = length;
    return 0;
}

/* ---- the items of a key ---- */

/* Makes a position from 0 of one that may count from the end; -1 with an exception when the axis does not have it. */
static int count_from_start(int64_t *position, int axis, size_t length)
{
    const int64_t n = (int64_t)length, given = *position;
    if (n > 0 && given >= -n && given < n) {
        *position = given < 0 ? given + n : given;
        return 0;
    }
    if (n == 0)
        PyErr_Format(PyExc_IndexError, "index: expected none for axis %d, which is empty, got %lld", axis,
                     (long long)given);
    else
        PyErr_Format(PyExc_IndexError, "index: expected -%lld to %lld for axis %d, got %lld", (long long)n,
                     (long long)n - 1, axis, (long long)given);
    return -1;
}

static int take_position(view_t *view, PyObject *item)
{
    int64_t position;
    if (cr_py_read_int64(item, "index", &position) < 0 ||
        count_from_start(&position, view->axis, view->tensor->shape[view->axis]) < 0)
        return -1;
    return run(view, CR_OP_slice, (int64_t[]){position, position + 1, view->axis++, 1}, 4, NULL);
}

static int take_slice(view_t *view, PyObject *item)
{
    Py_ssize_t start, stop, step;
    const Py_ssize_t length = (Py_ssize_t)view->tensor->shape[view->axis];
    if (PySlice_Unpack(item, &start, &stop, &step) < 0)
        return -1;
    const Py_ssize_t count = PySlice_AdjustIndices(length, &start, &stop, step);
    const int64_t axis = view->axis++;
    if (add_axis(view, (size_t)count) < 0)
        return -1;
    if (count == length && step == 1)
        return 0;
    if (count == 0)
        return run(view, CR_OP_slice, (int64_t[]){0, 0, axis, 1}, 4, NULL);
    return run(view, CR_OP_slice, (int64_t[]){start, stop, axis, step}, 4, NULL);
}

/* The row numbers that an array stands for, as a new int64 array: those of the true values of a mask. NULL with an
 * exception. */
static PyArrayObject *read_rows(PyObject *item, size_t length)
{
    PyArrayObject *given = cr_py_read_array(item, "index", "integers"), *rows = NULL;
    if (given == NULL)
        return NULL;
    if (PyArray_SIZE(given) == 0 && PyList_Check(item)) { /* x[[]] */
        rows = (PyArrayObject *)PyArray_SimpleNew(PyArray_NDIM(given), PyArray_DIMS(given), NPY_INT64);
    } else if (PyArray_TYPE(given) == NPY_BOOL) {
        PyObject *found = NULL;
        if (PyArray_NDIM(given) != 1 || (size_t)PyArray_DIM(given, 0) != length)
            PyErr_Format(PyExc_IndexError, "index: expected a mask of %zu booleans, one per row, got %zd in %d dimensions",
                         length, PyArray_SIZE(given), PyArray_NDIM(given));
        else
            found = PyArray_Nonzero(given);
        if (found != NULL)
            rows = cr_py_copy_integers(PyTuple_GET_ITEM(found, 0), "index", 1);
        Py_XDECREF(found);
    } else {
        PyArrayObject *integers = cr_py_read_integers(item, "index", NPY_INT64, 1, CR_MAX_NDIM);
        if (integers != NULL)
            rows = (PyArrayObject *)PyArray_NewCopy(integers, NPY_CORDER);
        Py_XDECREF(integers);
    }
    Py_DECREF(given);
    return rows;
}

/* Gathers rows: they become the first axis, whatever the shape of their numbers. */
static int gather(view_t *view, PyArrayObject *rows)
{
    cr_error err;
    cr_index *index = NULL;
    const cr_tensor *x = view->tensor;
    size_t shape[CR_MAX_NDIM] = {x->shape[0], 1}, count = (size_t)PyArray_SIZE(rows);
    const int ndim = x->ndim;
    size_t rest[CR_MAX_NDIM] = {count};
    for (int d = 1; d < ndim; d++) {
        rest[d] = x->shape[d];
        shape[1] *= x->shape[d];
    }
    if (run_reshape(view, 2, shape) < 0)
        return -1;
    cr_status status = cr_index_new(PyArray_DATA(rows), 1, &count, &index, &err);
    if (status != CR_OK) {
        cr_py_raise(status, &err);
        return -1;
    }
    return run(view, CR_OP_gather_rows, NULL, 0, index) < 0 ? -1 : run_reshape(view, ndim, rest);
}

static int take_rows(view_t *view, PyObject *item)
{
    if (view->axis != 0) {
        PyErr_SetString(PyExc_TypeError, "index: expected an array for the first axis alone; transpose the tensor");
        return -1;
    }
    const size_t length = view->tensor->shape[view->axis++];
    PyArrayObject *rows = read_rows(item, length);
    if (rows == NULL)
        return -1;
    int64_t *positions = PyArray_DATA(rows);
    int result = 0;
    for (npy_intp i = 0; result == 0 && i < PyArray_SIZE(rows); i++)
        result = count_from_start(&positions[i], 0, length);
    for (int d = 0; result == 0 && d < PyArray_NDIM(rows); d++)
        result = add_axis(view, (size_t)PyArray_DIM(rows, d));
    if (result == 0)
        result = gather(view, rows);
    Py_DECREF(rows);
    return result;
}

static bool is_array_item(PyObject *item)
{
    return PyList_Check(item) || (PyArray_Check(item) && PyArray_NDIM((PyArrayObject *)item) > 0);
}

/* Whether an item stands for an axis of the tensor; -1 with an exception for what is no item. */
static int takes_axis(PyObject *item)
{
    if (item == Py_None || item == Py_Ellipsis)
        return 0;
    if (PySlice_Check(item) || is_array_item(item) || (PyIndex_Check(item) && !PyBool_Check(item)))
        return 1;
    cr_py_wrong_type("index", EXPECTED, item);
    return -1;
}

/* Leaves axes as they are. */
static int skip_axes(view_t *view, int n)
{
    int result = 0;
    for (int i = 0; result == 0 && i < n; i++)
        result = add_axis(view, view->tensor->shape[view->axis++]);
    return result;
}

static int take_item(view_t *view, PyObject *item, int n_left_out)
{
    if (item == Py_None)
        return add_axis(view, 1);
    if (item == Py_Ellipsis)
        return skip_axes(view, n_left_out);
    if (PySlice_Check(item))
        return take_slice(view, item);
    return is_array_item(item) ? take_rows(view, item) : take_position(view, item);
}

/* ---- x[key] ---- */

/* How many axes of the tensor the key leaves out; -1 with an exception. */
static int count_left_out(const cr_tensor *tensor, PyObject *items)
{
    int taken = 0, ellipses = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        const int takes = takes_axis(PyTuple_GET_ITEM(items, i));
        if (takes < 0)
            return -1;
        taken += takes;
        ellipses += PyTuple_GET_ITEM(items, i) == Py_Ellipsis;
    }
    if (taken > tensor->ndim)
        PyErr_Format(PyExc_IndexError, "index: expected at most %d, one per axis, got %d", tensor->ndim, taken);
    else if (ellipses > 1)
        PyErr_SetString(PyExc_IndexError, "index: expected at most one ellipsis");
    else
        return tensor->ndim - taken;
    return -1;
}

static int take_items(view_t *view, PyObject *items)
{
    const cr_tensor *given = view->tensor;
    const int n_left_out = count_left_out(given, items);
    if (n_left_out < 0)
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++)
        if (take_item(view, PyTuple_GET_ITEM(items, i), n_left_out) < 0)
            return -1;
    if (skip_axes(view, view->tensor->ndim - view->axis) < 0)
        return -1;
    bool same = view->tensor != given && view->tensor->ndim == view->ndim; /* x[:] is a new tensor too */
    for (int d = 0; same && d < view->ndim; d++)
        same = view->tensor->shape[d] == view->shape[d];
    return same ? 0 : run_reshape(view, view->ndim, view->shape);
}

static PyObject *take(PyObject *self, PyObject *items)
{
    cr_py_state *state = cr_py_state_of_type(Py_TYPE(self));
    if (state == NULL)
        return NULL;
    view_t view = {.tensor = ((TensorObject *)self)->tensor};
    cr_tensor_retain(view.tensor);
    if (take_items(&view, items) == 0)
        return cr_py_wrap_tensor(state, view.tensor);
    cr_tensor_release(view.tensor);
    return NULL;
}

PyObject *cr_py_tensor_subscript(PyObject *self, PyObject *key)
{
    PyObject *items = PyTuple_Check(key) ? Py_NewRef(key) : PyTuple_Pack(1, key);
    PyObject *result = items == NULL ? NULL : take(self, items);
    Py_XDECREF(items);
    return result;
}

PyObject *cr_py_tensor_item(PyObject *self, Py_ssize_t position)
{
    PyObject *key = PyLong_FromSsize_t(position);
    PyObject *result = key == NULL ? NULL : cr_py_tensor_subscript(self, key);
    Py_XDECREF(key);
    return result;
}

PyObject *cr_py_tensor_iter(PyObject *self)
{
    if (((TensorObject *)self)->tensor->ndim == 0)
        return PyErr_Format(PyExc_TypeError, "iteration over a tensor without dimensions");
    return PySeqIter_New(self);
}
