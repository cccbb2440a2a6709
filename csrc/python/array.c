#include "array.h"

#include "arguments.h"

static void release_array(void *array)
{
    PyGILState_STATE gil = PyGILState_Ensure(); /* a thread without the GIL may release the last reference */
    Py_DECREF((PyObject *)array);
    PyGILState_Release(gil);
}

static void release_capsule(PyObject *capsule)
{
    cr_buffer *buffer = PyCapsule_GetPointer(capsule, NULL);
    cr_buffer_remove_writer(buffer);
    cr_buffer_release(buffer);
}

/* Whether an array to which we have one reference can be reached by nobody else. */
static bool is_private(PyArrayObject *array)
{
    return Py_REFCNT(array) == 1 && PyArray_BASE(array) == NULL;
}

PyObject *cr_py_array_of(cr_tensor *tensor)
{
    npy_intp shape[CR_MAX_NDIM];
    for (int d = 0; d < tensor->ndim; d++)
        shape[d] = (npy_intp)tensor->shape[d];
    int type = cr_py_type_number(tensor->dtype);
    PyObject *capsule = PyCapsule_New(tensor->buffer, NULL, release_capsule);
    if (capsule == NULL)
        return NULL;
    cr_buffer_retain(tensor->buffer);
    cr_buffer_add_writer(tensor->buffer);
    PyObject *array = PyArray_SimpleNewFromData(tensor->ndim, shape, type, tensor->data);
    if (array == NULL) {
        Py_DECREF(capsule);
        return NULL;
    }
    if (PyArray_SetBaseObject((PyArrayObject *)array, capsule) < 0) { /* takes the capsule in any case */
        Py_DECREF(array);
        return NULL;
    }
    return array;
}

/* A new tensor that uses the memory of a fitting array. */
static cr_tensor *tensor_over_array(PyArrayObject *array)
{
    size_t shape[CR_MAX_NDIM];
    cr_error err;
    cr_buffer *buffer;
    cr_tensor *tensor = NULL;
    for (int d = 0; d < PyArray_NDIM(array); d++)
        shape[d] = (size_t)PyArray_DIM(array, d);
    cr_status status = cr_buffer_wrap(PyArray_DATA(array), (size_t)PyArray_NBYTES(array), !is_private(array),
                                      release_array, array, &buffer, &err);
    if (status == CR_OK) {
        Py_INCREF(array);
        cr_dtype dtype = PyArray_TYPE(array) == NPY_FLOAT32 ? CR_F32 : CR_F64;
        status = cr_tensor_view(buffer, PyArray_DATA(array), dtype, PyArray_NDIM(array), shape, &tensor, &err);
        cr_buffer_release(buffer);
    }
    if (status != CR_OK)
        cr_py_raise(status, &err);
    return tensor;
}

cr_tensor *cr_py_tensor_in(PyObject *object)
{
    cr_tensor *tensor = ((TensorObject *)object)->tensor;
    PyArrayObject *owner = cr_buffer_sharing_owner(tensor->buffer);
    if (owner != NULL && is_private(owner)) /* the array was a temporary one */
        cr_buffer_stop_sharing(tensor->buffer);
    return tensor;
}

cr_tensor *cr_py_tensor_of(cr_py_state *state, PyObject *object, const char *name, int dtype)
{
    if (PyObject_TypeCheck(object, state->tensor)) {
        cr_tensor *tensor = cr_py_tensor_in(object);
        cr_tensor_retain(tensor);
        return tensor;
    }
    const char *expected = "a tensor or an array of real numbers";
    PyArrayObject *array = cr_py_read_array(object, name, expected);
    if (array == NULL)
        return NULL;
    int kind = PyArray_DESCR(array)->kind;
    if (kind != 'f' && kind != 'i' && kind != 'u' && kind != 'b') {
        PyErr_Format(PyExc_TypeError, "%s: expected %s, got %.100s of dtype %S", name, expected,
                     Py_TYPE(object)->tp_name, (PyObject *)PyArray_DESCR(array));
        Py_DECREF(array);
        return NULL;
    }
    if (PyArray_NDIM(array) > CR_MAX_NDIM) {
        PyErr_Format(PyExc_ValueError, "%s: expected at most %d dimensions, got %d", name, CR_MAX_NDIM,
                     PyArray_NDIM(array));
        Py_DECREF(array);
        return NULL;
    }
    int type = PyArray_TYPE(array);
    if (dtype >= 0)
        type = cr_py_type_number((cr_dtype)dtype);
    else if (!PyArray_Check(object) || (type != NPY_FLOAT32 && type != NPY_FLOAT64))
        type = NPY_FLOAT32;
    int flags = NPY_ARRAY_CARRAY | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_FORCECAST | NPY_ARRAY_ENSUREARRAY;
    PyObject *fitting = PyArray_FromArray(array, PyArray_DescrFromType(type), flags);
    Py_DECREF(array);
    if (fitting == NULL)
        return NULL;
    cr_tensor *tensor = tensor_over_array((PyArrayObject *)fitting);
    Py_DECREF(fitting);
    return tensor;
}

PyObject *cr_py_wrap_tensor(cr_py_state *state, cr_tensor *tensor)
{
    TensorObject *object = (TensorObject *)state->tensor->tp_alloc(state->tensor, 0);
    if (object == NULL) {
        cr_tensor_release(tensor);
        return NULL;
    }
    object->tensor = tensor;
    return (PyObject *)object;
}

int cr_py_fits_tensor(PyObject *object, const cr_tensor *tensor)
{
    if (!PyArray_Check(object))
        return 0;
    PyArrayObject *array = (PyArrayObject *)object;
    int fits = PyArray_TYPE(array) == cr_py_type_number(tensor->dtype) && PyArray_NDIM(array) == tensor->ndim;
    for (int d = 0; fits && d < tensor->ndim; d++)
        fits = (size_t)PyArray_DIM(array, d) == tensor->shape[d];
    return fits;
}
