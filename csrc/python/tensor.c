/* The Python type Tensor: construction, attributes, operators, backward. */
#include "arguments.h"
#include "array.h"
#include "indexing.h"
#include "ops.h"
#include "pickling.h"

/* ---- construction ---- */

/* An object cast to dtype by NumPy's rules, a new reference. */
static PyObject *cast_array(PyObject *object, int dtype)
{
    int type = cr_py_type_number((cr_dtype)dtype);
    PyObject *array = (PyObject *)cr_py_read_array(object, "data", "a tensor or an array of real numbers");
    if (array == NULL || PyArray_DESCR((PyArrayObject *)array)->kind == 'c' ||
        PyArray_TYPE((PyArrayObject *)array) == type)
        return array; /* cr_py_tensor_of refuses complex numbers */
    PyObject *result = NULL;
    if (PyTypeNum_ISNUMBER(PyArray_TYPE((PyArrayObject *)array)) || PyTypeNum_ISBOOL(PyArray_TYPE((PyArrayObject *)array)))
        result = PyArray_Cast((PyArrayObject *)array, type);
    else {
        Py_INCREF(array);
        result = array;
    }
    Py_DECREF(array);
    return result;
}

static PyObject *tensor_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"data", "requires_grad", "dtype", NULL};
    PyObject *data, *dtype_object = NULL;
    int requires_grad = 0;
    cr_py_state *state = cr_py_state_of_type(type);
    if (state == NULL || !PyArg_ParseTupleAndKeywords(args, keywords, "O|pO:Tensor", names, &data, &requires_grad,
                                                      &dtype_object))
        return NULL;
    int dtype = -1;
    if (dtype_object != NULL && dtype_object != Py_None) {
        cr_dtype wanted;
        if (cr_py_read_dtype(dtype_object, &wanted) < 0)
            return NULL;
        dtype = (int)wanted;
    }
    cr_tensor *source = NULL, *tensor = NULL;
    if (PyObject_TypeCheck(data, state->tensor)) { /* another leaf over the same memory */
        cr_tensor *given = ((TensorObject *)data)->tensor;
        if (dtype >= 0 && dtype != (int)given->dtype)
            return PyErr_Format(PyExc_TypeError, "dtype: expected %s, the dtype of the tensor; cast data.numpy()",
                                cr_dtype_name(given->dtype));
        cr_error err;
        cr_status status = cr_tensor_view(given->buffer, given->data, given->dtype, given->ndim, given->shape, &tensor,
                                          &err);
        if (status != CR_OK)
            return cr_py_raise(status, &err);
    } else {
        PyObject *array = dtype >= 0 ? cast_array(data, dtype) : Py_NewRef(data);
        if (array == NULL)
            return NULL;
        source = tensor = cr_py_tensor_of(state, array, "data", dtype);
        Py_DECREF(array);
        if (source == NULL)
            return NULL;
    }
    tensor->requires_grad = requires_grad != 0;
    TensorObject *self = (TensorObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        cr_tensor_release(tensor);
        return NULL;
    }
    self->tensor = tensor;
    return (PyObject *)self;
}

static void tensor_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    cr_tensor_release(((TensorObject *)object)->tensor);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- attributes ---- */

static cr_tensor *get_tensor(PyObject *object)
{
    return ((TensorObject *)object)->tensor;
}

static PyObject *get_shape(PyObject *self, void *closure)
{
    (void)closure;
    PyObject *shape = PyTuple_New(get_tensor(self)->ndim);
    for (int d = 0; shape != NULL && d < get_tensor(self)->ndim; d++) {
        PyObject *length = PyLong_FromSize_t(get_tensor(self)->shape[d]);
        if (length == NULL) {
            Py_DECREF(shape);
            return NULL;
        }
        PyTuple_SET_ITEM(shape, d, length);
    }
    return shape;
}

static PyObject *get_dtype(PyObject *self, void *closure)
{
    (void)closure;
    return (PyObject *)PyArray_DescrFromType(cr_py_type_number(get_tensor(self)->dtype));
}

static PyObject *get_ndim(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLong(get_tensor(self)->ndim);
}

static PyObject *get_size(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(get_tensor(self)->size);
}

static PyObject *get_requires_grad(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(get_tensor(self)->requires_grad);
}

static PyObject *get_is_leaf(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(get_tensor(self)->node == NULL);
}

static PyObject *get_transpose(PyObject *self, void *closure)
{
    (void)closure;
    cr_py_state *state = cr_py_state_of_type(Py_TYPE(self));
    return state == NULL ? NULL : cr_py_apply_unary(state, CR_OP_transpose, self);
}

/* Reads a truth value that is assigned to an attribute; -1 with an exception, also when the attribute is deleted. */
static int read_truth(PyObject *value, const char *name)
{
    if (value == NULL) {
        PyErr_Format(PyExc_AttributeError, "%s cannot be deleted", name);
        return -1;
    }
    return PyObject_IsTrue(value);
}

static int set_requires_grad(PyObject *self, PyObject *value, void *closure)
{
    (void)closure;
    int truth = read_truth(value, "requires_grad");
    if (truth < 0)
        return -1;
    if (get_tensor(self)->node != NULL && !truth) {
        PyErr_SetString(PyExc_RuntimeError, "requires_grad: expected a leaf, got the result of an operation; use detach()");
        return -1;
    }
    get_tensor(self)->requires_grad = truth != 0;
    return 0;
}

static PyObject *get_nonnegative(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(get_tensor(self)->nonnegative);
}

static int set_nonnegative(PyObject *self, PyObject *value, void *closure)
{
    (void)closure;
    int truth = read_truth(value, "nonnegative");
    if (truth < 0)
        return -1;
    get_tensor(self)->nonnegative = truth != 0;
    return 0;
}

static PyObject *get_grad(PyObject *self, void *closure)
{
    (void)closure;
    cr_py_state *state = cr_py_state_of_type(Py_TYPE(self));
    if (state == NULL)
        return NULL;
    cr_py_lock_gradients();
    cr_tensor *grad = get_tensor(self)->grad;
    if (grad != NULL)
        cr_tensor_retain(grad);
    cr_grad_unlock();
    if (grad == NULL)
        Py_RETURN_NONE;
    return cr_py_wrap_tensor(state, grad);
}

static int set_grad(PyObject *self, PyObject *value, void *closure)
{
    (void)closure;
    if (value != NULL && value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "grad: expected None (gradients are made by backward)");
        return -1;
    }
    cr_py_lock_gradients();
    cr_tensor *grad = get_tensor(self)->grad;
    get_tensor(self)->grad = NULL;
    cr_grad_unlock();
    cr_tensor_release(grad);
    return 0;
}

static PyGetSetDef tensor_attributes[] = {
    {"shape", get_shape, NULL, "Tuple of dimensions.", NULL},
    {"dtype", get_dtype, NULL, "numpy.dtype: float32 or float64.", NULL},
    {"ndim", get_ndim, NULL, "Number of dimensions, at most 4.", NULL},
    {"size", get_size, NULL, "Number of elements.", NULL},
    {"T", get_transpose, NULL, "The tensor with its axes in reverse order.", NULL},
    {"is_leaf", get_is_leaf, NULL, "Whether no recorded operation made this tensor.", NULL},
    {"requires_grad", get_requires_grad, set_requires_grad, "Whether backward computes a gradient for this tensor.", NULL},
    {"nonnegative", get_nonnegative, set_nonnegative, "Whether optimisers project this parameter onto w >= 0.", NULL},
    {"grad", get_grad, set_grad, "The gradient that backward has added up, or None; assign None to clear it.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

/* ---- methods ---- */

static PyObject *tensor_numpy(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return cr_py_array_of(get_tensor(self));
}

/* NumPy's protocol. With copy=None the array is a copy only when dtype requires it; copy=False never copies. */
static PyObject *tensor_array(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"dtype", "copy", NULL};
    PyObject *dtype = Py_None, *copy = Py_None, *array = NULL, *result = NULL;
    PyArray_Descr *descr = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO:__array__", names, &dtype, &copy))
        return NULL;
    int truth = copy == Py_None ? 0 : PyObject_IsTrue(copy);
    if (truth < 0 || (dtype != Py_None && !PyArray_DescrConverter(dtype, &descr)) ||
        (array = cr_py_array_of(get_tensor(self))) == NULL)
        goto done;
    int same = descr == NULL || PyArray_EquivTypes(descr, PyArray_DESCR((PyArrayObject *)array));
    if (same && !truth)
        result = Py_NewRef(array);
    else if (same)
        result = PyArray_NewCopy((PyArrayObject *)array, NPY_CORDER);
    else if (copy != Py_None && !truth)
        PyErr_Format(PyExc_ValueError, "copy: a tensor of %s cannot be seen as %S without copying",
                     cr_dtype_name(get_tensor(self)->dtype), (PyObject *)descr);
    else
        result = PyObject_CallMethod(array, "astype", "O", (PyObject *)descr);
done:
    Py_XDECREF(descr);
    Py_XDECREF(array);
    return result;
}

static PyObject *tensor_detach(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    cr_error err;
    cr_tensor *copy, *tensor = get_tensor(self);
    cr_py_state *state = cr_py_state_of_type(Py_TYPE(self));
    if (state == NULL)
        return NULL;
    cr_status status = cr_tensor_view(tensor->buffer, tensor->data, tensor->dtype, tensor->ndim, tensor->shape, &copy,
                                      &err);
    return status == CR_OK ? cr_py_wrap_tensor(state, copy) : cr_py_raise(status, &err);
}

static PyObject *tensor_item(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    if (get_tensor(self)->size != 1)
        return PyErr_Format(PyExc_ValueError, "item: expected a tensor of one element, got %zu", get_tensor(self)->size);
    return PyFloat_FromDouble(cr_load(get_tensor(self), 0));
}

static PyObject *tensor_backward(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"gradient", NULL};
    PyObject *gradient = Py_None;
    cr_tensor *seed = NULL;
    cr_py_state *state = cr_py_state_of_type(Py_TYPE(self));
    if (state == NULL || !PyArg_ParseTupleAndKeywords(args, keywords, "|O:backward", names, &gradient))
        return NULL;
    if (gradient != Py_None) {
        seed = cr_py_tensor_of(state, gradient, "gradient", (int)get_tensor(self)->dtype);
        if (seed == NULL)
            return NULL;
    }
    cr_error err;
    cr_status status;
    Py_BEGIN_ALLOW_THREADS
    status = cr_backward(get_tensor(self), seed, &err);
    Py_END_ALLOW_THREADS
    cr_tensor_release(seed);
    if (status != CR_OK)
        return cr_py_raise(status, &err);
    Py_RETURN_NONE;
}

static PyObject *tensor_repr(PyObject *self)
{
    PyObject *array = cr_py_array_of(get_tensor(self));
    if (array == NULL)
        return NULL;
    PyObject *text = PyObject_Str(array), *result = NULL;
    Py_DECREF(array);
    if (text != NULL)
        result = PyUnicode_FromFormat("Tensor(%U, dtype=%s%s)", text, cr_dtype_name(get_tensor(self)->dtype),
                                      get_tensor(self)->requires_grad ? ", requires_grad=True" : "");
    Py_XDECREF(text);
    return result;
}

static Py_ssize_t tensor_length(PyObject *self)
{
    if (get_tensor(self)->ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "len() of a tensor without dimensions");
        return -1;
    }
    return (Py_ssize_t)get_tensor(self)->shape[0];
}

static PyMethodDef tensor_methods[] = {
    {"numpy", tensor_numpy, METH_NOARGS,
     PyDoc_STR("numpy($self)\n--\n\nThe tensor's memory as a NumPy array, without copying. Writing to it "
               "between an operation that needs the old values and its backward makes backward raise RuntimeError.")},
    {"__array__", (PyCFunction)(void (*)(void))tensor_array, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("__array__($self, dtype=None, copy=None)\n--\n\nThe tensor as a NumPy array, for numpy.asarray and others.")},
    {"detach", tensor_detach, METH_NOARGS,
     PyDoc_STR("detach($self)\n--\n\nThe same memory as a constant: no gradient flows through it.")},
    {"item", tensor_item, METH_NOARGS, PyDoc_STR("item($self)\n--\n\nThe value of a tensor of one element.")},
    {"backward", (PyCFunction)(void (*)(void))tensor_backward, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("backward($self, gradient=None)\n--\n\nAdd the gradient of this tensor (of one element, or weighted by "
               "`gradient` of its shape) to `grad` of every leaf that requires one.")},
    {"__reduce__", cr_py_reduce_tensor, METH_NOARGS, NULL},
    {"__setstate__", cr_py_restore_tensor, METH_O,
     PyDoc_STR("__setstate__($self, state, /)\n--\n\nTake what __reduce__ gave to a pickle or a copy.")},
    {NULL, NULL, 0, NULL}};

/* ---- operators ---- */

static PyObject *apply_operator(PyObject *x, PyObject *y, cr_op op)
{
    PyObject *tensor = NULL;
    cr_py_state *state = cr_py_state_of_type(Py_TYPE(x)); /* one of the two is a Tensor */
    if (state != NULL) {
        tensor = x;
    } else {
        PyErr_Clear();
        state = cr_py_state_of_type(Py_TYPE(y));
        if (state == NULL)
            return NULL;
        tensor = y;
    }
    PyObject *other = tensor == x ? y : x;
    if (!PyObject_TypeCheck(other, state->tensor) && !PyArray_Check(other) && !PyNumber_Check(other))
        Py_RETURN_NOTIMPLEMENTED;
    return cr_py_apply_binary(state, op, x, y);
}

static PyObject *tensor_add(PyObject *x, PyObject *y)
{
    return apply_operator(x, y, CR_OP_add);
}

static PyObject *tensor_subtract(PyObject *x, PyObject *y)
{
    return apply_operator(x, y, CR_OP_sub);
}

static PyObject *tensor_multiply(PyObject *x, PyObject *y)
{
    return apply_operator(x, y, CR_OP_mul);
}

static PyObject *tensor_divide(PyObject *x, PyObject *y)
{
    return apply_operator(x, y, CR_OP_div);
}

static PyObject *tensor_matmul(PyObject *x, PyObject *y)
{
    return apply_operator(x, y, CR_OP_matmul);
}

/* Whether an exponent is the plain number 2. */
static bool is_two(PyObject *exponent)
{
    if (PyFloat_CheckExact(exponent))
        return PyFloat_AS_DOUBLE(exponent) == 2;
    return PyLong_CheckExact(exponent) && PyLong_AsDouble(exponent) == 2;
}

static PyObject *tensor_power(PyObject *x, PyObject *y, PyObject *modulus)
{
    if (modulus != Py_None)
        Py_RETURN_NOTIMPLEMENTED;
    cr_py_state *state = is_two(y) ? cr_py_state_of_type(Py_TYPE(x)) : NULL; /* x is the Tensor then */
    if (state != NULL)
        return cr_py_apply_unary(state, CR_OP_square, x);
    PyErr_Clear(); /* a number too large for a double, say: the operation refuses it */
    return apply_operator(x, y, CR_OP_pow);
}

static PyObject *tensor_absolute(PyObject *x)
{
    cr_py_state *state = cr_py_state_of_type(Py_TYPE(x));
    return state == NULL ? NULL : cr_py_apply_unary(state, CR_OP_abs, x);
}

static PyObject *tensor_float(PyObject *x)
{
    return tensor_item(x, NULL);
}

static PyObject *tensor_negative(PyObject *x)
{
    PyObject *minus_one = PyFloat_FromDouble(-1), *result = NULL;
    if (minus_one != NULL)
        result = apply_operator(x, minus_one, CR_OP_mul);
    Py_XDECREF(minus_one);
    return result;
}

/* ---- truth, comparison, identity ---- */

static int tensor_truth(PyObject *self)
{
    if (get_tensor(self)->size == 1)
        return cr_load(get_tensor(self), 0) != 0;
    PyErr_Format(PyExc_ValueError, "bool: expected a tensor of one element, got %zu; use x.numpy().any() or .all()",
                 get_tensor(self)->size);
    return -1;
}

/* A comparison by value is an error that says what to use. Other objects, such as None and texts, are never equal to a
 * tensor. */
static PyObject *tensor_compare(PyObject *self, PyObject *other, int operation)
{
    cr_py_state *state = cr_py_state_of_type(Py_TYPE(self));
    if (state == NULL)
        return NULL;
    bool sequence = PySequence_Check(other) && !PyUnicode_Check(other) && !PyBytes_Check(other);
    if (!PyObject_TypeCheck(other, state->tensor) && !PyNumber_Check(other) && !sequence && !PyArray_Check(other))
        Py_RETURN_NOTIMPLEMENTED;
    if (operation == Py_EQ || operation == Py_NE)
        PyErr_SetString(PyExc_TypeError, "Tensor: == and != do not compare tensors; use x.numpy() == y for their elements, "
                                         "x is y for identity");
    else
        PyErr_SetString(PyExc_TypeError, "Tensor: <, <=, > and >= do not compare tensors; use x.numpy() < y for their "
                                         "elements, x.item() < y for a tensor of one");
    return NULL;
}

static Py_hash_t tensor_hash(PyObject *self)
{
    return PyBaseObject_Type.tp_hash(self); /* by identity */
}

static const char tensor_doc[] =
    "Tensor(data, requires_grad=False, dtype=None)\n--\n\n"
    "An array of float32 or float64, at most four dimensions, that records the operations applied to it.\n\n"
    "Arithmetic, broadcasting, indexing (integers, slices, None, ..., and an array of integers or booleans for the first\n"
    "axis), iteration and `axis` are those of NumPy arrays. Operations are methods and functions; whole rows, as x[0] and\n"
    "x[2:], share memory with x.\n\n"
    "Parameters\n----------\n"
    "data : array_like\n    Real numbers. A writeable, contiguous float32 or float64 array is used without copying;\n"
    "    anything else is copied, to float32 unless dtype says otherwise.\n"
    "requires_grad : bool\n    Whether backward() computes a gradient for this tensor.\n"
    "dtype : {'float32', 'float64'}, optional\n\n"
    "Examples\n--------\n"
    ">>> x = Tensor([1.0, 2.0], requires_grad=True)\n"
    ">>> (x * x).sum().backward()\n"
    ">>> x.grad.numpy()\narray([2., 4.], dtype=float32)\n"
    ">>> x[::-1].numpy()\narray([2., 1.], dtype=float32)\n";

static PyType_Slot tensor_slots[] = {{Py_tp_doc, (void *)tensor_doc},
                                     {Py_tp_new, tensor_new},
                                     {Py_tp_dealloc, tensor_dealloc},
                                     {Py_tp_repr, tensor_repr},
                                     {Py_tp_getset, tensor_attributes},
                                     {Py_tp_methods, tensor_methods},
                                     {Py_mp_length, tensor_length},
                                     {Py_mp_subscript, cr_py_tensor_subscript},
                                     {Py_sq_length, tensor_length},
                                     {Py_sq_item, cr_py_tensor_item},
                                     {Py_tp_iter, cr_py_tensor_iter},
                                     {Py_nb_add, tensor_add},
                                     {Py_nb_subtract, tensor_subtract},
                                     {Py_nb_multiply, tensor_multiply},
                                     {Py_nb_true_divide, tensor_divide},
                                     {Py_nb_matrix_multiply, tensor_matmul},
                                     {Py_nb_power, tensor_power},
                                     {Py_nb_absolute, tensor_absolute},
                                     {Py_nb_negative, tensor_negative},
                                     {Py_nb_float, tensor_float},
                                     {Py_nb_bool, tensor_truth},
                                     {Py_tp_richcompare, tensor_compare},
                                     {Py_tp_hash, tensor_hash},
                                     {0, NULL}};

static PyType_Spec tensor_spec = {.name = "crlso._core.Tensor",
                                  .basicsize = sizeof(TensorObject),
                                  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                                  .slots = tensor_slots};

/* ---- functions ---- */

static PyObject *set_grad_enabled(PyObject *module, PyObject *argument)
{
    (void)module;
    int truth = PyObject_IsTrue(argument);
    if (truth < 0)
        return NULL;
    return PyBool_FromLong(cr_set_grad_enabled(truth != 0));
}

static PyObject *is_grad_enabled(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    return PyBool_FromLong(cr_grad_enabled());
}

/* A tuple of n Tensors; steals the references in grads. */
static PyObject *wrap_tensors(cr_py_state *state, cr_tensor **grads, Py_ssize_t n)
{
    PyObject *result = PyTuple_New(n);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = NULL;
        if (result != NULL)
            item = cr_py_wrap_tensor(state, grads[i]);
        else
            cr_tensor_release(grads[i]);
        if (result != NULL && item == NULL)
            Py_CLEAR(result);
        else if (result != NULL)
            PyTuple_SET_ITEM(result, i, item);
    }
    return result;
}

static PyObject *gradients(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"output", "inputs", "gradient", NULL};
    cr_py_state *state = cr_py_state_of(module);
    PyObject *output, *inputs, *gradient = Py_None, *sequence = NULL, *result = NULL;
    cr_tensor *seed = NULL, **targets = NULL, **grads = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!O|O:gradients", names, state->tensor, &output, &inputs,
                                     &gradient))
        return NULL;
    if (PyObject_TypeCheck(inputs, state->tensor)) /* whose rows are no inputs of output */
        return cr_py_wrong_type("inputs", "a list of tensors", inputs);
    sequence = PySequence_Tuple(inputs);
    if (sequence == NULL)
        return NULL;
    Py_ssize_t n = PyTuple_GET_SIZE(sequence);
    targets = PyMem_Calloc((size_t)n + 1, sizeof *targets);
    grads = PyMem_Calloc((size_t)n + 1, sizeof *grads);
    if (targets == NULL || grads == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(sequence, i);
        if (!PyObject_TypeCheck(item, state->tensor) || !get_tensor(item)->requires_grad) {
            PyErr_Format(PyExc_ValueError, "inputs: expected tensors that require a gradient, number %zd does not", i);
            goto done;
        }
        targets[i] = get_tensor(item);
    }
    if (gradient != Py_None) {
        seed = cr_py_tensor_of(state, gradient, "gradient", (int)get_tensor(output)->dtype);
        if (seed == NULL)
            goto done;
    }
    cr_error err;
    cr_status status;
    Py_BEGIN_ALLOW_THREADS
    status = cr_gradients(get_tensor(output), seed, targets, (size_t)n, grads, &err);
    Py_END_ALLOW_THREADS
    result = status == CR_OK ? wrap_tensors(state, grads, n) : cr_py_raise(status, &err);
done:
    cr_tensor_release(seed);
    PyMem_Free(targets);
    PyMem_Free(grads);
    Py_DECREF(sequence);
    return result;
}

static PyMethodDef functions[] = {
    {"set_grad_enabled", set_grad_enabled, METH_O,
     PyDoc_STR("set_grad_enabled(enabled, /)\n--\n\nWhether this thread records operations; returns the old setting.")},
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS,
     PyDoc_STR("is_grad_enabled()\n--\n\nWhether this thread records operations.")},
    {"gradients", (PyCFunction)(void (*)(void))gradients, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("gradients(output, inputs, gradient=None)\n--\n\nThe gradients of output for each of inputs, as a tuple; "
               "no `grad` attribute changes.")},
    {NULL, NULL, 0, NULL}};

int cr_py_add_tensor(PyObject *module)
{
    cr_py_state *state = cr_py_state_of(module);
    state->tensor = (PyTypeObject *)PyType_FromModuleAndSpec(module, &tensor_spec, NULL);
    if (state->tensor == NULL || PyModule_AddType(module, state->tensor) < 0)
        return -1;
    /* NumPy then leaves operators such as array * tensor to Tensor */
    if (PyObject_SetAttrString((PyObject *)state->tensor, "__array_ufunc__", Py_None) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
