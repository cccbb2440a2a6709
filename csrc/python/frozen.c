/* Networks with fixed weights for Python: the types FrozenICNN and FrozenDecoder. */
#include "arguments.h"
#include "pickling.h"

#include <string.h>

#include "../nn/decoder.h"
#include "../search/descent.h"
#include "network.h"
#include "rows.h"

static PyArrayObject *new_array_like(PyArrayObject *z, int ndim, npy_intp rows, npy_intp columns)
{
    npy_intp shape[2] = {rows, columns};
    return (PyArrayObject *)PyArray_SimpleNew(ndim, shape, PyArray_TYPE(z));
}

/* A snapshot never changes, so it is its own copy. */
static PyObject *share_snapshot(PyObject *object, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(object);
}

/* ---- FrozenICNN ---- */

void cr_py_release_network(cr_py_network *network)
{
    PyMem_Free(network->layers);
    Py_CLEAR(network->tuples[0]);
    Py_CLEAR(network->tuples[1]);
}

int cr_py_read_network(cr_py_state *state, PyObject *parameters, double slope, cr_py_network *network)
{
    PyObject *p[7];
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
        if ((network->layers[i] = cr_py_read_tensor(state, PyTuple_GET_ITEM(network->tuples[i / n], i % n),
                                                  i < n ? "weights" : "skips")) == NULL)
            goto fail;
    network->net = (cr_icnn){.input_weight = cr_py_read_tensor(state, p[0], "input_weight"),
                             .weights = network->layers, .skips = network->layers + n, .n_layers = (size_t)n,
                             .slope = slope};
    if (network->net.input_weight == NULL ||
        (network->net.input_bias = cr_py_read_tensor(state, p[1], "input_bias")) == NULL ||
        (network->net.output_weight = cr_py_read_tensor(state, p[4], "output_weight")) == NULL ||
        (network->net.output_skip = cr_py_read_tensor(state, p[5], "output_skip")) == NULL ||
        (network->net.output_bias = cr_py_read_tensor(state, p[6], "output_bias")) == NULL)
        goto fail;
    return 0;
fail:
    cr_py_release_network(network);
    return -1;
}

typedef struct {
    PyObject_HEAD
    cr_icnn_frozen *net; /* owned, never NULL in a constructed object */
} ICNNObject;

static PyObject *icnn_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"parameters", "slope", "convex", NULL};
    PyObject *parameters;
    double slope = 0.01;
    int convex = 1;
    cr_py_network network;
    cr_error err;
    cr_py_state *state = cr_py_state_of_type(type);
    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, keywords, "O|dp:FrozenICNN", names, &parameters, &slope, &convex) ||
        cr_py_read_network(state, parameters, slope, &network) < 0)
        return NULL;
    ICNNObject *self = (ICNNObject *)type->tp_alloc(type, 0);
    if (self != NULL) {
        cr_status status = cr_icnn_freeze(&network.net, convex != 0, &self->net, &err);
        if (status != CR_OK) {
            Py_CLEAR(self);
            cr_py_raise(status, &err);
        }
    }
    cr_py_release_network(&network);
    return (PyObject *)self;
}

static void icnn_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    cr_icnn_frozen_release(((ICNNObject *)object)->net);
    type->tp_free(object);
    Py_DECREF(type);
}

/* Points that a network takes between two looks at signals, always the same number: OpenBLAS may give a row other last
 * bits among another number of rows. */
#define NETWORK_ROWS 8192

/* Work on points: a network, the points, and what is made of them. */
typedef struct {
    const void *net;
    PyArrayObject *z, *step, *value, *out;
} points_t;

/* The address of a row; NULL for no array. */
static void *row_of(PyArrayObject *array, size_t row)
{
    return array == NULL ? NULL : PyArray_BYTES(array) + (npy_intp)row * PyArray_STRIDE(array, 0);
}

static cr_status evaluate_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const points_t *p = context;
    return cr_icnn_evaluate(p->net, row_of(p->z, begin), end - begin, row_of(p->value, begin), row_of(p->out, begin), err);
}

static PyObject *icnn_evaluate(PyObject *object, PyObject *argument)
{
    const cr_icnn_frozen *net = ((ICNNObject *)object)->net;
    PyArrayObject *z = cr_py_read_rows(argument, "z", cr_icnn_dtype(net), cr_icnn_inputs(net));
    PyArrayObject *value = NULL, *gradient = NULL;
    PyObject *result = NULL;
    if (z != NULL && (value = new_array_like(z, 1, PyArray_DIM(z, 0), 0)) != NULL &&
        (gradient = new_array_like(z, 2, PyArray_DIM(z, 0), PyArray_DIM(z, 1))) != NULL) {
        points_t points = {.net = net, .z = z, .value = value, .out = gradient};
        if (cr_py_run_rows((size_t)PyArray_DIM(z, 0), NETWORK_ROWS, evaluate_rows, &points) == 0)
            result = PyTuple_Pack(2, value, gradient);
    }
    Py_XDECREF(z);
    Py_XDECREF(value);
    Py_XDECREF(gradient);
    return result;
}

/* Reads step sizes: one for all of n points, one for each of them, or any number of sizes for one point. */
static PyArrayObject *read_steps(PyObject *object, npy_intp n)
{
    PyArrayObject *steps = cr_py_read_doubles(object, "step");
    if (steps != NULL && PyArray_NDIM(steps) == 0) {
        const double size = *(const double *)PyArray_DATA(steps);
        Py_SETREF(steps, (PyArrayObject *)PyArray_SimpleNew(1, &n, NPY_FLOAT64));
        for (npy_intp i = 0; steps != NULL && i < n; i++)
            ((double *)PyArray_DATA(steps))[i] = size;
    }
    if (steps != NULL && (PyArray_NDIM(steps) != 1 || (n != 1 && PyArray_DIM(steps, 0) != n))) {
        if (n == 1)
            PyErr_SetString(PyExc_ValueError, "step: expected shape (k,), any number of sizes for the one point");
        else
            PyErr_Format(PyExc_ValueError, "step: expected one size or shape (%zd,), one size per point", (Py_ssize_t)n);
        Py_CLEAR(steps);
    }
    return steps;
}

static cr_status descend_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const points_t *p = context;
    bool one_start = PyArray_DIM(p->z, 0) == 1;
    return cr_descend(p->net, row_of(p->z, one_start ? 0 : begin), one_start, row_of(p->step, begin), end - begin,
                      row_of(p->out, begin), err);
}

static PyObject *icnn_descend(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"z", "step", NULL};
    const cr_icnn_frozen *net = ((ICNNObject *)object)->net;
    PyObject *z_object, *step_object;
    PyArrayObject *step = NULL, *moved = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:descend", names, &z_object, &step_object))
        return NULL;
    PyArrayObject *z = cr_py_read_rows(z_object, "z", cr_icnn_dtype(net), cr_icnn_inputs(net));
    if (z != NULL && (step = read_steps(step_object, PyArray_DIM(z, 0))) != NULL &&
        (moved = new_array_like(z, 2, PyArray_DIM(step, 0), PyArray_DIM(z, 1))) != NULL) {
        points_t points = {.net = net, .z = z, .step = step, .out = moved};
        cr_error err;
        cr_status status = cr_descent_check(PyArray_DATA(step), (size_t)PyArray_DIM(step, 0), &err);
        if (status != CR_OK)
            cr_py_raise(status, &err);
        if (status != CR_OK || cr_py_run_rows((size_t)PyArray_DIM(step, 0), NETWORK_ROWS, descend_rows, &points) < 0)
            Py_CLEAR(moved);
    }
    Py_XDECREF(z);
    Py_XDECREF(step);
    return (PyObject *)moved;
}

static PyObject *icnn_reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return cr_py_refuse_pickle(object, "pickle its parameters, and freeze them again");
}

static PyMethodDef icnn_methods[] = {
    {"__reduce__", icnn_reduce, METH_NOARGS, NULL},
    {"__copy__", share_snapshot, METH_NOARGS, PyDoc_STR("__copy__($self)\n--\n\nThe snapshot itself, which never changes.")},
    {"__deepcopy__", share_snapshot, METH_O,
     PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\nThe snapshot itself, which never changes.")},
    {"evaluate", icnn_evaluate, METH_O,
     PyDoc_STR("evaluate($self, z, /)\n--\n\nValues (n,) and input gradients (n, d) at points z (n, d).")},
    {"descend", (PyCFunction)(void (*)(void))icnn_descend, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("descend($self, z, step)\n--\n\nz - step * gradient, one step size for all points or one per point (n,); from one point z (1, d) "
               "any number of steps (k,), the gradient taken once: (k, d).")},
    {NULL, NULL, 0, NULL}};

static const char icnn_doc[] =
    "FrozenICNN(parameters, slope=0.01, convex=True)\n--\n\n"
    "A snapshot of an input-convex network, its weights packed once for many evaluations.\n\n"
    "With convex, a negative weight is a ValueError. What happens to the parameters later does not reach it.\n";

static PyType_Slot icnn_slots[] = {{Py_tp_doc, (void *)icnn_doc},
                                   {Py_tp_new, icnn_new},
                                   {Py_tp_dealloc, icnn_dealloc},
                                   {Py_tp_methods, icnn_methods},
                                   {0, NULL}};

static PyType_Spec icnn_spec = {.name = "crlso._core.FrozenICNN",
                                .basicsize = sizeof(ICNNObject),
                                .flags = Py_TPFLAGS_DEFAULT,
                                .slots = icnn_slots};

/* ---- FrozenDecoder ---- */

typedef struct {
    PyObject_HEAD
    cr_decoder_frozen *net; /* owned, never NULL in a constructed object */
} DecoderObject;

/* A snapshot of the network whose layers are pairs (weight, bias) in a tuple; NULL with an exception. */
static cr_decoder_frozen *freeze_decoder(cr_py_state *state, PyObject *layers, double slope)
{
    const Py_ssize_t n = PyTuple_GET_SIZE(layers);
    cr_decoder_frozen *net = NULL;
    cr_error err;
    cr_affine *affine = PyMem_Calloc((size_t)n + 1, sizeof *affine);
    if (affine == NULL)
        return (cr_decoder_frozen *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *pair = PyTuple_GET_ITEM(layers, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            cr_py_wrong_type("layers", "tuples (weight, bias)", pair);
            goto done;
        }
        PyObject *bias = PyTuple_GET_ITEM(pair, 1);
        if ((affine[i].weight = cr_py_read_tensor(state, PyTuple_GET_ITEM(pair, 0), "weight")) == NULL ||
            (bias != Py_None && (affine[i].bias = cr_py_read_tensor(state, bias, "bias")) == NULL))
            goto done;
    }
    cr_status status = cr_decoder_freeze(&(cr_decoder){affine, (size_t)n, slope}, &net, &err);
    if (status != CR_OK)
        cr_py_raise(status, &err);
done:
    PyMem_Free(affine);
    return net;
}

static PyObject *decoder_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"layers", "slope", NULL};
    PyObject *layers;
    double slope = 0.01;
    cr_py_state *state = cr_py_state_of_type(type);
    if (state == NULL || !PyArg_ParseTupleAndKeywords(args, keywords, "O|d:FrozenDecoder", names, &layers, &slope) ||
        (layers = PySequence_Tuple(layers)) == NULL)
        return NULL;
    DecoderObject *self = (DecoderObject *)type->tp_alloc(type, 0);
    if (self != NULL && (self->net = freeze_decoder(state, layers, slope)) == NULL)
        Py_CLEAR(self);
    Py_DECREF(layers);
    return (PyObject *)self;
}

static void decoder_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    cr_decoder_frozen_release(((DecoderObject *)object)->net);
    type->tp_free(object);
    Py_DECREF(type);
}

static cr_status decode_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const points_t *p = context;
    return cr_decoder_logits(p->net, row_of(p->z, begin), end - begin, row_of(p->out, begin), err);
}

static PyObject *decoder_logits(PyObject *object, PyObject *argument)
{
    const cr_decoder_frozen *net = ((DecoderObject *)object)->net;
    PyArrayObject *z = cr_py_read_rows(argument, "z", cr_decoder_dtype(net), cr_decoder_inputs(net)), *logits = NULL;
    if (z != NULL &&
        (logits = new_array_like(z, 2, PyArray_DIM(z, 0), (npy_intp)cr_decoder_outputs(net))) != NULL) {
        points_t points = {.net = net, .z = z, .out = logits};
        if (cr_py_run_rows((size_t)PyArray_DIM(z, 0), NETWORK_ROWS, decode_rows, &points) < 0)
            Py_CLEAR(logits);
    }
    Py_XDECREF(z);
    return (PyObject *)logits;
}

static PyObject *decoder_reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return cr_py_refuse_pickle(object, "pickle its layers, and freeze them again");
}

static PyMethodDef decoder_methods[] = {
    {"__reduce__", decoder_reduce, METH_NOARGS, NULL},
    {"__copy__", share_snapshot, METH_NOARGS, PyDoc_STR("__copy__($self)\n--\n\nThe snapshot itself, which never changes.")},
    {"__deepcopy__", share_snapshot, METH_O,
     PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\nThe snapshot itself, which never changes.")},
    {"logits", decoder_logits, METH_O,
     PyDoc_STR("logits($self, z, /)\n--\n\nLogits (n, outputs) at latents z (n, inputs).")},
    {NULL, NULL, 0, NULL}};

static const char decoder_doc[] =
    "FrozenDecoder(layers, slope=0.01)\n--\n\n"
    "A snapshot of a decoder, its weights packed once for many evaluations.\n\n"
    "layers are tuples (weight, bias or None): first, inner and outer of each block, last. It computes h = tanh(first(z)), for "
    "each block\nh + outer(leaky_relu(inner(h))), then last(h). What happens to the parameters later does not reach it.\n";

static PyType_Slot decoder_slots[] = {{Py_tp_doc, (void *)decoder_doc},
                                      {Py_tp_new, decoder_new},
                                      {Py_tp_dealloc, decoder_dealloc},
                                      {Py_tp_methods, decoder_methods},
                                      {0, NULL}};

static PyType_Spec decoder_spec = {.name = "crlso._core.FrozenDecoder",
                                   .basicsize = sizeof(DecoderObject),
                                   .flags = Py_TPFLAGS_DEFAULT,
                                   .slots = decoder_slots};

int cr_py_add_frozen(PyObject *module)
{
    cr_py_state *state = cr_py_state_of(module);
    state->frozen_icnn = (PyTypeObject *)PyType_FromModuleAndSpec(module, &icnn_spec, NULL);
    if (state->frozen_icnn == NULL || PyModule_AddType(module, state->frozen_icnn) < 0)
        return -1;
    state->frozen_decoder = (PyTypeObject *)PyType_FromModuleAndSpec(module, &decoder_spec, NULL);
    return state->frozen_decoder == NULL ? -1 : PyModule_AddType(module, state->frozen_decoder);
}
