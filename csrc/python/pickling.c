#include "pickling.h"

#include <string.h>

#include "arguments.h"
#include "array.h"

void cr_py_lock_gradients(void)
{
    if (cr_grad_trylock())
        return;
    Py_BEGIN_ALLOW_THREADS
    cr_grad_lock();
    Py_END_ALLOW_THREADS
}

/* The tuple (type, *arguments). */
static PyObject *with_type(PyTypeObject *type, PyObject *arguments)
{
    PyObject *head = PyTuple_Pack(1, type), *all = NULL;
    if (head != NULL)
        all = PySequence_Concat(head, arguments);
    Py_XDECREF(head);
    return all;
}

PyObject *cr_py_reduced(PyObject *object, PyObject *arguments, PyObject *state)
{
    PyObject *module = NULL, *make = NULL, *all = NULL, *result = NULL;
    if (arguments != NULL && (module = PyImport_ImportModule("copyreg")) != NULL &&
        (make = PyObject_GetAttrString(module, "__newobj__")) != NULL &&
        (all = with_type(Py_TYPE(object), arguments)) != NULL)
        result = state == NULL ? PyTuple_Pack(2, make, all) : PyTuple_Pack(3, make, all, state);
    Py_XDECREF(module);
    Py_XDECREF(make);
    Py_XDECREF(all);
    Py_XDECREF(arguments);
    Py_XDECREF(state);
    return result;
}

PyObject *cr_py_refuse_pickle(PyObject *object, const char *advice)
{
    return PyErr_Format(PyExc_TypeError, "%.100s: expected something that can be pickled, got a snapshot; %s",
                        Py_TYPE(object)->tp_name, advice);
}

/* ---- Tensor ---- */

/* The gradient as an array, or None. */
static PyObject *gradient_array(cr_tensor *tensor)
{
    cr_py_lock_gradients();
    cr_tensor *grad = tensor->grad;
    if (grad != NULL)
        cr_tensor_retain(grad);
    cr_grad_unlock();
    if (grad == NULL)
        Py_RETURN_NONE;
    PyObject *array = cr_py_array_of(grad);
    cr_tensor_release(grad);
    return array;
}

/* The attributes that a class derived from Tensor gives its instances: a dict, or None. */
static PyObject *instance_attributes(PyObject *self)
{
    PyObject *attributes = PyObject_GetAttrString(self, "__dict__");
    if (attributes == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return attributes;
}

PyObject *cr_py_reduce_tensor(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    cr_tensor *tensor = ((TensorObject *)self)->tensor;
    PyObject *array = NULL, *grad = NULL, *attributes = NULL, *state = NULL;
    if (tensor->node != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Tensor: expected a leaf to copy or pickle, got the result of an operation, "
                                            "whose graph cannot go along; use detach()");
        return NULL;
    }
    if ((array = cr_py_array_of(tensor)) != NULL && (grad = gradient_array(tensor)) != NULL &&
        (attributes = instance_attributes(self)) != NULL)
        state = Py_BuildValue("(NNOO)", PyBool_FromLong(tensor->requires_grad), PyBool_FromLong(tensor->nonnegative),
                              grad, attributes);
    Py_XDECREF(grad);
    Py_XDECREF(attributes);
    if (state == NULL) {
        Py_XDECREF(array);
        return NULL;
    }
    return cr_py_reduced(self, Py_BuildValue("(N)", array), state);
}

/* A gradient for a tensor from an array of its dtype and shape, copied; NULL with an exception. */
static cr_tensor *copied_gradient(const cr_tensor *tensor, PyObject *object)
{
    cr_tensor *grad = NULL;
    cr_error err;
    if (!cr_py_fits_tensor(object, tensor)) {
        PyErr_SetString(PyExc_ValueError, "state: expected a gradient of the dtype and shape of the tensor");
        return NULL;
    }
    PyArrayObject *array = (PyArrayObject *)PyArray_FROM_OTF(object, cr_py_type_number(tensor->dtype),
                                                             NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED);
    if (array == NULL)
        return NULL;
    cr_status status = cr_tensor_new(tensor->dtype, tensor->ndim, tensor->shape, &grad, &err);
    if (status != CR_OK)
        cr_py_raise(status, &err);
    else if (tensor->size > 0)
        memcpy(grad->data, PyArray_DATA(array), tensor->size * cr_dtype_size(tensor->dtype));
    Py_DECREF(array);
    return grad;
}

/* Updates __dict__ with a dict; nothing to do for None. */
static int restore_attributes(PyObject *self, PyObject *given)
{
    if (given == Py_None)
        return 0;
    PyObject *attributes = PyObject_GetAttrString(self, "__dict__");
    int result = attributes == NULL ? -1 : PyDict_Update(attributes, given);
    Py_XDECREF(attributes);
    return result;
}

PyObject *cr_py_restore_tensor(PyObject *self, PyObject *state)
{
    cr_tensor *tensor = ((TensorObject *)self)->tensor, *grad = NULL;
    PyObject *flags[2], *gradient, *attributes;
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) != 4)
        return cr_py_wrong_type("state", "a tuple of 4: requires_grad, nonnegative, gradient, attributes", state);
    for (int i = 0; i < 2; i++)
        if (!PyBool_Check(flags[i] = PyTuple_GET_ITEM(state, i)))
            return cr_py_wrong_type("state", "two bools first", flags[i]);
    gradient = PyTuple_GET_ITEM(state, 2);
    attributes = PyTuple_GET_ITEM(state, 3);
    if (attributes != Py_None && !PyDict_Check(attributes))
        return cr_py_wrong_type("state", "a dict of attributes or None", attributes);
    if (tensor->node != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "state: expected a leaf to restore, got the result of an operation");
        return NULL;
    }
    if (gradient != Py_None && (grad = copied_gradient(tensor, gradient)) == NULL)
        return NULL;
    if (restore_attributes(self, attributes) < 0) {
        cr_tensor_release(grad);
        return NULL;
    }
    cr_py_lock_gradients();
    tensor->requires_grad = flags[0] == Py_True;
    tensor->nonnegative = flags[1] == Py_True;
    cr_tensor *before = tensor->grad;
    tensor->grad = grad;
    cr_grad_unlock();
    cr_tensor_release(before);
    Py_RETURN_NONE;
}
