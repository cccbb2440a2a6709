/* Encoders of cells with fixed weights for Python: the type FrozenEncoder. */
#include "arguments.h"
#include "pickling.h"

#include <string.h>

#include "../nn/encoder.h"
#include "rows.h"

typedef struct {
    PyObject_HEAD
    cr_encoder_frozen *net; /* owned, never NULL in a constructed object */
} EncoderObject;

enum { EDGES, COLUMNS, KINDS, KIND_COLUMNS, MESSAGE_ROWS, N_TABLES };

static const char *const table_names[N_TABLES] = {"edges", "columns", "kinds", "kind_columns", "message_rows"};
static const int table_ndims[N_TABLES] = {2, 1, 1, 1, 3};

/* What the arguments of FrozenEncoder are read into. */
typedef struct {
    cr_encoder net;
    PyArrayObject *arrays[N_TABLES];
    int32_t *numbers;         /* memory of PyMem: the arrays as int32 */
    PyObject *types, *weights; /* tuples, which own the tensors of the layers */
    const cr_tensor **layers; /* memory of PyMem: types, then weights */
} given_t;

static void release_given(given_t *given)
{
    for (int i = 0; i < N_TABLES; i++)
        Py_XDECREF(given->arrays[i]);
    PyMem_Free(given->numbers);
    PyMem_Free(given->layers);
    Py_XDECREF(given->types);
    Py_XDECREF(given->weights);
}

/* Checks the shapes of the arrays against each other. */
static int check_shapes(const given_t *given, Py_ssize_t n_types)
{
    PyArrayObject *const *a = given->arrays;
    const npy_intp edges = PyArray_DIM(a[EDGES], 0), nodes = PyArray_DIM(a[KIND_COLUMNS], 0);
    const npy_intp *rows = PyArray_DIMS(a[MESSAGE_ROWS]);
    if (PyArray_DIM(a[EDGES], 1) != 2)
        PyErr_Format(PyExc_ValueError, "edges: expected shape (n, 2), got (%zd, %zd)", edges, PyArray_DIM(a[EDGES], 1));
    else if (PyArray_DIM(a[COLUMNS], 0) != edges)
        PyErr_Format(PyExc_ValueError, "columns: expected %zd, one per edge, got %zd", edges, PyArray_DIM(a[COLUMNS], 0));
    else if (PyArray_DIM(a[KINDS], 0) != nodes + 1)
        PyErr_Format(PyExc_ValueError, "kinds: expected %zd, one more than nodes, got %zd", nodes + 1,
                     PyArray_DIM(a[KINDS], 0));
    else {
        const int64_t kinds = ((const int64_t *)PyArray_DATA(a[KINDS]))[nodes];
        if (rows[0] == kinds && rows[1] == kinds && rows[2] == n_types)
            return 0;
        PyErr_Format(PyExc_ValueError, "message_rows: expected shape (%lld, %lld, %zd), got (%zd, %zd, %zd)",
                     (long long)kinds, (long long)kinds, n_types, rows[0], rows[1], rows[2]);
    }
    return -1;
}

/* Casts the arrays to int32, one after the other; the edges are split into sources and targets. */
static int cast_arrays(given_t *given)
{
    size_t total = 0;
    for (int i = 0; i < N_TABLES; i++)
        total += (size_t)PyArray_SIZE(given->arrays[i]);
    int32_t *to = given->numbers = PyMem_Calloc(total + 1, sizeof *to), *start[N_TABLES];
    if (to == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < N_TABLES; i++) {
        const int64_t *from = PyArray_DATA(given->arrays[i]);
        const size_t n = (size_t)PyArray_SIZE(given->arrays[i]);
        start[i] = to;
        for (size_t j = 0; j < n; j++) {
            if (from[j] < -1 || from[j] > INT32_MAX) {
                PyErr_Format(PyExc_ValueError, "%s: expected values in [-1, %d], got %lld", table_names[i], INT32_MAX,
                             (long long)from[j]);
                return -1;
            }
            to[i == EDGES ? j / 2 + (j % 2) * (n / 2) : j] = (int32_t)from[j];
        }
        to += n;
    }
    cr_encoder_cells *cells = &given->net.cells;
    cells->n_edges = (size_t)PyArray_DIM(given->arrays[EDGES], 0);
    cells->n_nodes = (size_t)PyArray_DIM(given->arrays[KIND_COLUMNS], 0);
    cells->from = start[EDGES];
    cells->to = start[EDGES] + cells->n_edges;
    cells->column = start[COLUMNS];
    cells->first_kind = start[KINDS];
    cells->kind_column = start[KIND_COLUMNS];
    cells->message_rows = start[MESSAGE_ROWS];
    return 0;
}

/* Reads the tensors of the layers from two sequences: types of each layer, and weights of each but the first. */
static int read_layers(cr_py_state *state, PyObject *types, PyObject *weights, given_t *given)
{
    if ((given->types = PySequence_Tuple(types)) == NULL || (given->weights = PySequence_Tuple(weights)) == NULL)
        return -1;
    const Py_ssize_t n = PyTuple_GET_SIZE(given->types), m = PyTuple_GET_SIZE(given->weights);
    if (n == 0 || m != n - 1) {
        PyErr_Format(PyExc_ValueError, "weights: expected one less than types, and at least one of these, got %zd and %zd", m,
                     n);
        return -1;
    }
    if ((given->layers = PyMem_Calloc((size_t)(n + m), sizeof *given->layers)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n + m; i++) {
        PyObject *item = i < n ? PyTuple_GET_ITEM(given->types, i) : PyTuple_GET_ITEM(given->weights, i - n);
        if ((given->layers[i] = cr_py_read_tensor(state, item, i < n ? "types" : "weights")) == NULL)
            return -1;
    }
    given->net.types = given->layers;
    given->net.weights = given->layers + n;
    given->net.n_layers = (size_t)n;
    given->net.cells.n_types = given->layers[0]->ndim == 2 ? given->layers[0]->shape[0] : 0;
    return 0;
}

static int read_given(cr_py_state *state, PyObject **objects, PyObject *head, given_t *given)
{
    for (int i = 0; i < N_TABLES; i++)
        if ((given->arrays[i] = cr_py_copy_integers(objects[i], table_names[i], table_ndims[i])) == NULL)
            return -1;
    if ((given->net.table = cr_py_read_tensor(state, objects[N_TABLES], "table")) == NULL ||
        read_layers(state, objects[N_TABLES + 1], objects[N_TABLES + 2], given) < 0)
        return -1;
    if (!PyTuple_Check(head) || PyTuple_GET_SIZE(head) != 3) {
        cr_py_wrong_type("head", "a tuple of three tensors", head);
        return -1;
    }
    if ((given->net.messages_head = cr_py_read_tensor(state, PyTuple_GET_ITEM(head, 0), "head")) == NULL ||
        (given->net.root_head = cr_py_read_tensor(state, PyTuple_GET_ITEM(head, 1), "head")) == NULL ||
        (given->net.head_bias = cr_py_read_tensor(state, PyTuple_GET_ITEM(head, 2), "head")) == NULL)
        return -1;
    return check_shapes(given, (Py_ssize_t)given->net.cells.n_types) < 0 ? -1 : cast_arrays(given);
}

static PyObject *encoder_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"n_graphs", "n_codes", "edges", "columns", "kinds", "kind_columns", "message_rows", "table",
                            "types", "weights", "head", "has_absent", "both_directions", "slope", NULL};
    PyObject *objects[N_TABLES + 3], *head;
    Py_ssize_t n_graphs, n_codes;
    int has_absent = 0, both_directions = 1;
    given_t given = {.net.slope = 0.01};
    EncoderObject *self = NULL;
    cr_error err;
    cr_py_state *state = cr_py_state_of_type(type);
    if (state == NULL || !PyArg_ParseTupleAndKeywords(args, keywords, "nnOOOOOOOOO|ppd:FrozenEncoder", names, &n_graphs,
                                                      &n_codes, &objects[0], &objects[1], &objects[2], &objects[3],
                                                      &objects[4], &objects[5], &objects[6], &objects[7], &head, &has_absent,
                                                      &both_directions, &given.net.slope))
        return NULL;
    if (n_graphs < 1 || n_codes < 0)
        return PyErr_Format(PyExc_ValueError, "n_graphs, n_codes: expected counts of at least 1 and 0, got %zd and %zd",
                            n_graphs, n_codes);
    given.net.cells.n_graphs = (size_t)n_graphs;
    given.net.cells.n_codes = (size_t)n_codes;
    given.net.cells.has_absent = has_absent != 0;
    given.net.cells.both_directions = both_directions != 0;
    if (read_given(state, objects, head, &given) == 0 && (self = (EncoderObject *)type->tp_alloc(type, 0)) != NULL) {
        cr_status status = cr_encoder_freeze(&given.net, &self->net, &err);
        if (status != CR_OK) {
            Py_CLEAR(self);
            cr_py_raise(status, &err);
        }
    }
    release_given(&given);
    return (PyObject *)self;
}

static void encoder_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    cr_encoder_frozen_release(((EncoderObject *)object)->net);
    type->tp_free(object);
    Py_DECREF(type);
}

#define ENCODED_ROWS 4096 /* cells between two looks at signals; graphs that they share are computed once */

typedef struct {
    const cr_encoder_frozen **nets; /* memory of PyMem, of all that follows as well */
    PyArrayObject **outputs;        /* owned */
    void **latents;                 /* of the block that is computed */
    size_t n;
    PyArrayObject *codes;           /* owned */
} call_t;

static cr_status encode_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const call_t *c = context;
    const uint8_t *codes = PyArray_DATA(c->codes);
    for (size_t k = 0; k < c->n; k++)
        c->latents[k] = (char *)PyArray_DATA(c->outputs[k]) + begin * cr_encoder_outputs(c->nets[k]) *
                                                                  cr_dtype_size(cr_encoder_dtype(c->nets[k]));
    return cr_encoder_run(c->nets, c->n, codes + begin * cr_encoder_codes(c->nets[0]), end - begin, c->latents, err);
}

static int start_call(size_t n, call_t *call)
{
    *call = (call_t){.n = n};
    if ((call->nets = PyMem_Calloc(n, 3 * sizeof(void *))) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    call->outputs = (PyArrayObject **)(call->nets + n);
    call->latents = (void **)(call->outputs + n);
    return 0;
}

static void end_call(call_t *call)
{
    for (size_t k = 0; call->nets != NULL && k < call->n; k++)
        Py_XDECREF(call->outputs[k]);
    Py_XDECREF(call->codes);
    PyMem_Free(call->nets);
}

/* Encodes cells by the networks of a call. */
static int run_call(call_t *call, PyObject *codes)
{
    call->codes = cr_py_copy_array(codes, "codes", NPY_UINT8, 2, (npy_intp)cr_encoder_codes(call->nets[0]));
    if (call->codes == NULL)
        return -1;
    for (size_t k = 0; k < call->n; k++) {
        npy_intp shape[2] = {PyArray_DIM(call->codes, 0), (npy_intp)cr_encoder_outputs(call->nets[k])};
        const int type = cr_py_type_number(cr_encoder_dtype(call->nets[k]));
        if ((call->outputs[k] = (PyArrayObject *)PyArray_SimpleNew(2, shape, type)) == NULL)
            return -1;
    }
    return cr_py_run_rows((size_t)PyArray_DIM(call->codes, 0), ENCODED_ROWS, encode_rows, call);
}

static PyObject *encoder_encode(PyObject *object, PyObject *codes)
{
    call_t call;
    PyObject *latents = NULL;
    if (start_call(1, &call) == 0) {
        call.nets[0] = ((EncoderObject *)object)->net;
        if (run_call(&call, codes) == 0)
            latents = Py_NewRef((PyObject *)call.outputs[0]);
    }
    end_call(&call);
    return latents;
}

static int read_encoders(const cr_py_state *state, PyObject *encoders, call_t *call)
{
    for (size_t k = 0; k < call->n; k++) {
        PyObject *item = PyTuple_GET_ITEM(encoders, (Py_ssize_t)k);
        if (!PyObject_TypeCheck(item, state->frozen_encoder)) {
            cr_py_wrong_type("encoders", "a sequence of FrozenEncoders", item);
            return -1;
        }
        call->nets[k] = ((EncoderObject *)item)->net;
    }
    return 0;
}

static PyObject *list_outputs(const call_t *call)
{
    PyObject *list = PyList_New((Py_ssize_t)call->n);
    for (size_t k = 0; list != NULL && k < call->n; k++)
        PyList_SET_ITEM(list, (Py_ssize_t)k, Py_NewRef((PyObject *)call->outputs[k]));
    return list;
}

static PyObject *encode_cells(PyObject *module, PyObject *args)
{
    PyObject *given, *codes, *list = NULL;
    call_t call = {0};
    if (!PyArg_ParseTuple(args, "OO:encode_cells", &given, &codes))
        return NULL;
    PyObject *encoders = PySequence_Tuple(given); /* holds the encoders during the call */
    if (encoders == NULL)
        return NULL;
    if (PyTuple_GET_SIZE(encoders) == 0)
        PyErr_SetString(PyExc_ValueError, "encoders: expected at least one, got none");
    else if (start_call((size_t)PyTuple_GET_SIZE(encoders), &call) == 0 &&
             read_encoders(cr_py_state_of(module), encoders, &call) == 0 && run_call(&call, codes) == 0)
        list = list_outputs(&call);
    end_call(&call);
    Py_DECREF(encoders);
    return list;
}

/* A snapshot never changes, so it is its own copy. */
static PyObject *share_snapshot(PyObject *object, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(object);
}

static PyObject *encoder_reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return cr_py_refuse_pickle(object, "pickle its layers, and freeze them again");
}

static PyMethodDef encoder_methods[] = {
    {"__reduce__", encoder_reduce, METH_NOARGS, NULL},
    {"__copy__", share_snapshot, METH_NOARGS, PyDoc_STR("__copy__($self)\n--\n\nThe snapshot itself, which never changes.")},
    {"__deepcopy__", share_snapshot, METH_O,
     PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\nThe snapshot itself, which never changes.")},
    {"encode", encoder_encode, METH_O,
     PyDoc_STR("encode($self, codes, /)\n--\n\nLatents (n, outputs) of cells with codes (n, codes per cell), uint8.")},
    {NULL, NULL, 0, NULL}};

static const char encoder_doc[] =
    "FrozenEncoder(n_graphs, n_codes, edges, columns, kinds, kind_columns, message_rows, table, types, weights, head,\n"
    "has_absent=False, both_directions=True, slope=0.01)\n--\n\n"
    "A snapshot of an encoder of cells, its weights packed once for many evaluations.\n\n"
    "A cell is n_graphs graphs, which share its nodes and its n_codes codes evenly. edges (m, 2) and columns (m,) are\n"
    "those of cell_graph; node i has kind kinds[i], plus the code of column kind_columns[i] unless that is -1;\n"
    "message_rows has the row of the table for the message of each kind of target, kind of source and type, or -1.\n"
    "table (rows, 3 w) is the first layer and its products [root | target | source]; types (n_types, w) are those of each\n"
    "layer of messages, weights those of all but the first: (3 w, w) in the same order, in the last (2 w, w) without root.\n"
    "head is (A, B, b): latents are A sum of messages + B sum of inputs of the last layer + b. What happens to the tensors\n"
    "later does not reach it. See csrc/nn/encoder.h.\n";

static PyType_Slot encoder_slots[] = {{Py_tp_doc, (void *)encoder_doc},
                                      {Py_tp_new, encoder_new},
                                      {Py_tp_dealloc, encoder_dealloc},
                                      {Py_tp_methods, encoder_methods},
                                      {0, NULL}};

static PyType_Spec encoder_spec = {.name = "crlso._core.FrozenEncoder",
                                   .basicsize = sizeof(EncoderObject),
                                   .flags = Py_TPFLAGS_DEFAULT,
                                   .slots = encoder_slots};

static PyMethodDef functions[] = {
    {"encode_cells", encode_cells, METH_VARARGS,
     PyDoc_STR("encode_cells(encoders, codes, /)\n--\n\nLatents of cells by several FrozenEncoders of the same cells, a list: "
               "those that encode() of each returns, but their graphs are found once.")},
    {NULL, NULL, 0, NULL}};

int cr_py_add_encoder(PyObject *module)
{
    cr_py_state *state = cr_py_state_of(module);
    state->frozen_encoder = (PyTypeObject *)PyType_FromModuleAndSpec(module, &encoder_spec, NULL);
    if (state->frozen_encoder == NULL || PyModule_AddType(module, state->frozen_encoder) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
