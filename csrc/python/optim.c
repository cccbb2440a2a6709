/* The Python type Adam. */
#include "arguments.h"

#include <math.h>

#include "../optim/adam.h"

typedef struct {
    PyObject_HEAD
    cr_adam *adam; /* owned, never NULL in a constructed object */
} AdamObject;

static void adam_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
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

static cr_adam *new_adam(cr_py_state *state, PyObject *parameters, cr_adam_options options)
{
    cr_error err;
    cr_adam *adam = NULL;
    PyObject *tuple = PySequence_Tuple(parameters);
    cr_tensor **tensors = tuple == NULL ? NULL : borrow_tensors(state, tuple);
    if (tensors != NULL) {
        cr_status status = cr_adam_new(tensors, (size_t)PyTuple_GET_SIZE(tuple), options, &adam, &err);
        if (status != CR_OK)
            cr_py_raise(status, &err);
    }
    PyMem_Free(tensors);
    Py_XDECREF(tuple);
    return adam;
}

static PyObject *adam_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"parameters", "betas", "epsilon", "weight_decay", "decoupled", "max_norm", NULL};
    PyObject *parameters, *max_norm = Py_None;
    int decoupled = 0;
    cr_adam_options options = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .max_norm = INFINITY};
    cr_py_state *state = cr_py_state_of_type(type);
    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, keywords, "O|(dd)ddpO:Adam", names, &parameters, &options.beta1,
                                     &options.beta2, &options.epsilon, &options.weight_decay, &decoupled, &max_norm))
        return NULL;
    options.decoupled = decoupled != 0;
    if (max_norm != Py_None && cr_py_read_double(max_norm, "max_norm", &options.max_norm) < 0)
        return NULL;
    AdamObject *self = (AdamObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->adam = new_adam(state, parameters, options);
    if (self->adam == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *adam_step(PyObject *object, PyObject *argument)
{
    AdamObject *self = (AdamObject *)object;
    double norm, learning_rate;
    if (cr_py_read_double(argument, "learning_rate", &learning_rate) < 0)
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

static PyMethodDef adam_methods[] = {
    {"step", adam_step, METH_O,
     PyDoc_STR("step($self, learning_rate, /)\n--\n\nClip, step and project; returns the gradients' global norm before clipping. "
               "RuntimeError when it is not finite: nothing has changed then.")},
    {"zero_grad", adam_zero_grad, METH_NOARGS, PyDoc_STR("zero_grad($self)\n--\n\nClear the gradients of all parameters.")},
    {NULL, NULL, 0, NULL}};

static const char adam_doc[] =
    "Adam(parameters, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=0.0, decoupled=False, max_norm=None)\n--\n\n"
    "Adam (arXiv 1412.6980), or AdamW (arXiv 1711.05101) when decoupled; one C sweep per step.\n\n"
    "Parameters marked `nonnegative` are projected onto w >= 0 inside the step; `max_norm` clips the gradients' global "
    "norm.\n";

static PyType_Slot adam_slots[] = {{Py_tp_doc, (void *)adam_doc},
                                   {Py_tp_new, adam_new},
                                   {Py_tp_dealloc, adam_dealloc},
                                   {Py_tp_methods, adam_methods},
                                   {0, NULL}};

static PyType_Spec adam_spec = {.name = "crlso._core.Adam",
                                .basicsize = sizeof(AdamObject),
                                .flags = Py_TPFLAGS_DEFAULT,
                                .slots = adam_slots};

int cr_py_add_optim(PyObject *module)
{
    cr_py_state *state = cr_py_state_of(module);
    state->adam = (PyTypeObject *)PyType_FromModuleAndSpec(module, &adam_spec, NULL);
    return state->adam == NULL ? -1 : PyModule_AddType(module, state->adam);
}
