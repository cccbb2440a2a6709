/* The Python type Adam. */
#include "arguments.h"

#include <math.h>
#include <string.h>

#include "../optim/adam.h"
#include "array.h"
#include "network.h"
#include "pickling.h"

typedef struct {
    PyObject_HEAD
    cr_adam *adam;        /* owned, never NULL in a constructed object */
    PyObject *parameters; /* tuple of the Tensors: a pickle keeps them the same objects as those of a model beside it */
    double lr;            /* the learning rate of steps that are given none */
} AdamObject;

static int adam_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((AdamObject *)object)->parameters);
    return 0;
}

static int adam_clear(PyObject *object)
{
    Py_CLEAR(((AdamObject *)object)->parameters);
    return 0;
}

static void adam_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    adam_clear(object);
    cr_adam_free(((AdamObject *)object)->adam);
    type->tp_free(object);
    Py_DECREF(type);
}

/* The tensors of a tuple of Tensors, borrowed, in memory that PyMem_Free frees; NULL with an exception. */
static cr_tensor **borrow_tensors(cr_py_state *state, PyObject *tuple)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    cr_tensor **tensors = PyMem_Calloc((size_t)n + 1, sizeof *tensors);
    if (tensors == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        if (!PyObject_TypeCheck(item, state->tensor)) {
            PyErr_Format(PyExc_TypeError, "parameters: expected Tensors, got %.100s as number %zd",
                         Py_TYPE(item)->tp_name, i);
            PyMem_Free(tensors);
            return NULL;
        }
        tensors[i] = ((TensorObject *)item)->tensor;
    }
    return tensors;
}

static cr_adam *new_adam(cr_py_state *state, PyObject *tuple, cr_adam_options options)
{
    cr_error err;
    cr_adam *adam = NULL;
    cr_tensor **tensors = borrow_tensors(state, tuple);
    if (tensors != NULL) {
        cr_status status = cr_adam_new(tensors, (size_t)PyTuple_GET_SIZE(tuple), options, &adam, &err);
        if (status != CR_OK)
            cr_py_raise(status, &err);
    }
    PyMem_Free(tensors);
    return adam;
}

/* Reads a finite learning rate >= 0; -1 with an exception. */
static int read_rate(PyObject *object, const char *name, double *out)
{
    double rate;
    if (cr_py_read_double(object, name, &rate) < 0)
        return -1;
    if (!(rate >= 0) || !isfinite(rate)) {
        PyErr_Format(PyExc_ValueError, "%s: expected a number >= 0, got %R", name, object);
        return -1;
    }
    *out = rate;
    return 0;
}

static PyObject *get_lr(PyObject *object, void *closure)
{
    (void)closure;
    return PyFloat_FromDouble(((AdamObject *)object)->lr);
}

static int set_lr(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "lr cannot be deleted");
        return -1;
    }
    return read_rate(value, "lr", &((AdamObject *)object)->lr);
}

static PyGetSetDef adam_attributes[] = {
    {"lr", get_lr, set_lr, "Learning rate of steps that are given none.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyObject *adam_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"parameters", "lr", "betas", "epsilon", "weight_decay", "decoupled", "max_norm", NULL};
    PyObject *parameters, *lr = NULL, *max_norm = Py_None;
    int decoupled = 0;
    double rate = 1e-3;
    cr_adam_options options = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .max_norm = INFINITY};
    cr_py_state *state = cr_py_state_of_type(type);
    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, keywords, "O|O(dd)ddpO:Adam", names, &parameters, &lr, &options.beta1,
                                     &options.beta2, &options.epsilon, &options.weight_decay, &decoupled, &max_norm))
        return NULL;
    if (lr != NULL && read_rate(lr, "lr", &rate) < 0)
        return NULL;
    options.decoupled = decoupled != 0;
    if (max_norm != Py_None && cr_py_read_double(max_norm, "max_norm", &options.max_norm) < 0)
        return NULL;
    AdamObject *self = (AdamObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->lr = rate;
    self->parameters = PySequence_Tuple(parameters);
    if (self->parameters == NULL && PyErr_ExceptionMatches(PyExc_TypeError) && Py_TYPE(parameters)->tp_iter == NULL)
        cr_py_wrong_type("parameters", "Tensors, such as net.parameters()", parameters);
    if (self->parameters != NULL)
        self->adam = new_adam(state, self->parameters, options);
    if (self->adam == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *adam_step(PyObject *object, PyObject *args)
{
    AdamObject *self = (AdamObject *)object;
    double norm, learning_rate = self->lr;
    PyObject *argument = Py_None;
    if (!PyArg_ParseTuple(args, "|O:step", &argument) ||
        (argument != Py_None && read_rate(argument, "learning_rate", &learning_rate) < 0))
        return NULL;
    cr_error err;
    cr_status status;
    Py_BEGIN_ALLOW_THREADS
    status = cr_adam_step(self->adam, learning_rate, &norm, &err);
    Py_END_ALLOW_THREADS
    return status == CR_OK ? PyFloat_FromDouble(norm) : cr_py_raise(status, &err);
}

static PyObject *adam_zero_grad(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    AdamObject *self = (AdamObject *)object;
    Py_BEGIN_ALLOW_THREADS
    cr_adam_zero_grad(self->adam);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *adam_repr(PyObject *object)
{
    PyObject *lr = get_lr(object, NULL);
    PyObject *text = lr == NULL ? NULL : PyUnicode_FromFormat("Adam(lr=%R)", lr);
    Py_XDECREF(lr);
    return text;
}

cr_adam *cr_py_read_adam(cr_py_state *state, PyObject *object, const char *name)
{
    if (PyObject_TypeCheck(object, state->adam))
        return ((AdamObject *)object)->adam;
    cr_py_wrong_type(name, "an Adam", object);
    return NULL;
}

/* ---- pickling ---- */

static cr_tensor *parameter_of(const AdamObject *self, Py_ssize_t i)
{
    return ((TensorObject *)PyTuple_GET_ITEM(self->parameters, i))->tensor;
}

/* A new array of the shape of the parameter for a copy of `moment`, or None for NULL. */
static PyObject *room_for_moment(const cr_tensor *parameter, const void *moment)
{
    npy_intp shape[CR_MAX_NDIM];
    if (moment == NULL)
        Py_RETURN_NONE;
    for (int d = 0; d < parameter->ndim; d++)
        shape[d] = (npy_intp)parameter->shape[d];
    return PyArray_SimpleNew(parameter->ndim, shape, cr_py_type_number(parameter->dtype));
}

static void copy_moment(const cr_tensor *parameter, const void *moment, PyObject *array)
{
    if (moment != NULL && parameter->size > 0)
        memcpy(PyArray_DATA((PyArrayObject *)array), moment, parameter->size * cr_dtype_size(parameter->dtype));
}

/* For each parameter (steps, first moment or None, second moment). Room is made first: nothing that could run Python
 * code may happen under the lock. */
static PyObject *adam_state(const AdamObject *self)
{
    const Py_ssize_t n = PyTuple_GET_SIZE(self->parameters);
    uint64_t *steps = PyMem_Calloc((size_t)n + 1, sizeof *steps);
    PyObject *state = steps == NULL ? PyErr_NoMemory() : PyTuple_New(n);
    for (Py_ssize_t i = 0; state != NULL && i < n; i++) {
        const cr_adam_moments moments = cr_adam_moments_of(self->adam, (size_t)i);
        PyObject *item = Py_BuildValue("[ONN]", Py_None, room_for_moment(parameter_of(self, i), moments.first),
                                       room_for_moment(parameter_of(self, i), moments.second));
        if (item == NULL)
            Py_CLEAR(state);
        else
            PyTuple_SET_ITEM(state, i, item);
    }
    cr_py_lock_gradients();
    for (Py_ssize_t i = 0; state != NULL && i < n; i++) {
        const cr_adam_moments moments = cr_adam_moments_of(self->adam, (size_t)i);
        PyObject *item = PyTuple_GET_ITEM(state, i);
        steps[i] = *moments.steps;
        copy_moment(parameter_of(self, i), moments.first, PyList_GET_ITEM(item, 1));
        copy_moment(parameter_of(self, i), moments.second, PyList_GET_ITEM(item, 2));
    }
    cr_grad_unlock();
    for (Py_ssize_t i = 0; state != NULL && i < n; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(steps[i]);
        if (number == NULL || PyList_SetItem(PyTuple_GET_ITEM(state, i), 0, number) < 0)
            Py_CLEAR(state);
    }
    PyMem_Free(steps);
    return state;
}

static PyObject *adam_reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const AdamObject *self = (AdamObject *)object;
    const cr_adam_options *o = cr_adam_options_of(self->adam);
    PyObject *state = adam_state(self);
    if (state == NULL)
        return NULL;
    PyObject *norm = isinf(o->max_norm) ? Py_NewRef(Py_None) : PyFloat_FromDouble(o->max_norm);
    PyObject *arguments = Py_BuildValue("(Od(dd)ddNN)", self->parameters, self->lr, o->beta1, o->beta2, o->epsilon,
                                        o->weight_decay, PyBool_FromLong(o->decoupled), norm);
    return cr_py_reduced(object, arguments, state);
}

/* A private array of the parameter's dtype and shape, or None where `moment` is NULL. */
static PyObject *read_moment(const cr_tensor *parameter, const void *moment, PyObject *object)
{
    if (moment == NULL && object == Py_None)
        Py_RETURN_NONE;
    if (moment == NULL || !cr_py_fits_tensor(object, parameter)) {
        PyErr_SetString(PyExc_ValueError, "state: expected moments of the dtype and shape of each parameter");
        return NULL;
    }
    return PyArray_FROM_OTF(object, cr_py_type_number(parameter->dtype),
                            NPY_ARRAY_CARRAY | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_ENSURECOPY);
}

/* The state of one parameter, checked: a new tuple (steps, first, second). */
static PyObject *read_moments(const cr_tensor *parameter, cr_adam_moments moments, PyObject *given)
{
    uint64_t steps;
    PyObject *first = NULL, *second = NULL, *checked = NULL;
    PyObject *entry = PyList_Check(given) ? PyList_AsTuple(given) : NULL; /* other code cannot change it meanwhile */
    if (entry == NULL || PyTuple_GET_SIZE(entry) != 3) {
        Py_XDECREF(entry);
        return cr_py_wrong_type("state", "lists of 3: steps, first and second moment", given);
    }
    if (cr_py_read_unsigned(PyTuple_GET_ITEM(entry, 0), "state", UINT64_C(1) << 53, &steps) == 0 &&
        (first = read_moment(parameter, moments.first, PyTuple_GET_ITEM(entry, 1))) != NULL &&
        (second = read_moment(parameter, moments.second, PyTuple_GET_ITEM(entry, 2))) != NULL) {
        if (cr_kernels(parameter->dtype)->any_negative(parameter->size, PyArray_DATA((PyArrayObject *)second)))
            PyErr_SetString(PyExc_ValueError, "state: expected no negative second moment");
        else
            checked = Py_BuildValue("(KOO)", (unsigned long long)steps, first, second);
    }
    Py_XDECREF(first);
    Py_XDECREF(second);
    Py_DECREF(entry);
    return checked;
}

static void write_moments(const cr_tensor *parameter, cr_adam_moments moments, PyObject *checked)
{
    const size_t bytes = parameter->size * cr_dtype_size(parameter->dtype);
    *moments.steps = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(checked, 0));
    if (moments.first != NULL && bytes > 0)
        memcpy(moments.first, PyArray_DATA((PyArrayObject *)PyTuple_GET_ITEM(checked, 1)), bytes);
    if (bytes > 0)
        memcpy(moments.second, PyArray_DATA((PyArrayObject *)PyTuple_GET_ITEM(checked, 2)), bytes);
}

static PyObject *adam_restore(PyObject *object, PyObject *state)
{
    AdamObject *self = (AdamObject *)object;
    const Py_ssize_t n = PyTuple_GET_SIZE(self->parameters);
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) != n)
        return PyErr_Format(PyExc_ValueError, "state: expected a tuple of one entry for each of %zd parameters", n);
    PyObject *checked = PyTuple_New(n);
    for (Py_ssize_t i = 0; checked != NULL && i < n; i++) {
        cr_adam_moments moments = cr_adam_moments_of(self->adam, (size_t)i);
        PyObject *item = read_moments(parameter_of(self, i), moments, PyTuple_GET_ITEM(state, i));
        if (item == NULL)
            Py_CLEAR(checked);
        else
            PyTuple_SET_ITEM(checked, i, item);
    }
    if (checked == NULL)
        return NULL;
    cr_py_lock_gradients();
    for (Py_ssize_t i = 0; i < n; i++)
        write_moments(parameter_of(self, i), cr_adam_moments_of(self->adam, (size_t)i), PyTuple_GET_ITEM(checked, i));
    cr_grad_unlock();
    Py_DECREF(checked);
    Py_RETURN_NONE;
}

static PyMethodDef adam_methods[] = {
    {"__reduce__", adam_reduce, METH_NOARGS, NULL},
    {"__setstate__", adam_restore, METH_O,
     PyDoc_STR("__setstate__($self, state, /)\n--\n\nTake what __reduce__ gave to a pickle or a copy.")},
    {"step", adam_step, METH_VARARGS,
     PyDoc_STR("step($self, learning_rate=None, /)\n--\n\nClip, step and project; returns the gradients' global norm before "
               "clipping. The learning rate is `lr` unless given. RuntimeError when the norm is not finite: nothing has "
               "changed then.")},
    {"zero_grad", adam_zero_grad, METH_NOARGS, PyDoc_STR("zero_grad($self)\n--\n\nClear the gradients of all parameters.")},
    {NULL, NULL, 0, NULL}};

static const char adam_doc[] =
    "Adam(parameters, lr=0.001, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=0.0, decoupled=False, "
    "max_norm=None)\n--\n\n"
    "Adam (arXiv 1412.6980), or AdamW (arXiv 1711.05101) when decoupled; one C sweep per step.\n\n"
    "Parameters marked `nonnegative` are projected onto w >= 0 inside the step; `max_norm` clips the gradients' global "
    "norm.\n\n"
    "Examples\n--------\n"
    ">>> w = Tensor([1.0], requires_grad=True)\n"
    ">>> adam = Adam([w], lr=0.1)\n"
    ">>> (w * w).backward()\n"
    ">>> adam.step()\n2.0\n"
    ">>> w.numpy()\narray([0.9], dtype=float32)\n";

static PyType_Slot adam_slots[] = {{Py_tp_doc, (void *)adam_doc},
                                   {Py_tp_new, adam_new},
                                   {Py_tp_dealloc, adam_dealloc},
                                   {Py_tp_repr, adam_repr},
                                   {Py_tp_traverse, adam_traverse},
                                   {Py_tp_clear, adam_clear},
                                   {Py_tp_methods, adam_methods},
                                   {Py_tp_getset, adam_attributes},
                                   {0, NULL}};

static PyType_Spec adam_spec = {.name = "crlso._core.Adam",
                                .basicsize = sizeof(AdamObject),
                                .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                                .slots = adam_slots};

int cr_py_add_optim(PyObject *module)
{
    cr_py_state *state = cr_py_state_of(module);
    state->adam = (PyTypeObject *)PyType_FromModuleAndSpec(module, &adam_spec, NULL);
    return state->adam == NULL ? -1 : PyModule_AddType(module, state->adam);
}
