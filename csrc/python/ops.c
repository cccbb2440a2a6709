/* The functions of autodiff/ops.def for Python: one generic call that reads each operation's signature. */
#include "ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../autodiff/axes.h"
#include "arguments.h"
#include "array.h"

#define MAX_PARAMETERS 6
#define NAME_SIZE 24
#define LONG_WORK 8192 /* elements: from here on the GIL is released */
#define DOC_SIZE 1024

typedef struct {
    char name[NAME_SIZE];
    char kind;       /* T L X G f i b S A D, see ops.def */
    bool optional;   /* `?`: None is allowed and the default */
    bool has_default;
    double value;    /* the default of f, i, b */
} parameter_t;

typedef struct {
    size_t n;
    parameter_t parameters[MAX_PARAMETERS];
} signature_t;

static signature_t signatures[CR_N_OPS]; /* read once from ops.def, constant afterwards */

/* Written once: a signature that inspect and help() read, then the text of ops.def. */
static char function_docs[CR_N_OPS][DOC_SIZE], method_docs[CR_N_OPS][DOC_SIZE];

static const char *const activations[] = {"none", "leaky_relu", "relu", "tanh", "sigmoid", "softplus"}; /* cr_unary */

/* Reads one `name:kind?=default` of a signature. */
static void read_parameter(const char *text, size_t length, parameter_t *p)
{
    const char *colon = memchr(text, ':', length);
    size_t name_length = (size_t)(colon - text);
    memcpy(p->name, text, name_length);
    p->name[name_length] = 0;
    p->kind = colon[1];
    const char *rest = colon + 2, *end = text + length;
    p->optional = rest < end && *rest == '?';
    p->has_default = p->optional || (rest < end && *rest == '=');
    if (rest < end && *rest == '=' && p->kind != 'A')
        p->value = strtod(rest + 1, NULL);
}

/* Whether the last argument is a shape, which a method takes as several arguments too. */
static bool takes_shape(cr_op op)
{
    return signatures[op].parameters[signatures[op].n - 1].kind == 'S';
}

static void read_signatures(void)
{
    for (int op = 0; op < CR_N_OPS; op++) {
        const char *text = cr_operations[op].signature;
        signature_t *s = &signatures[op];
        s->n = 0;
        while (*text != 0) {
            size_t length = strcspn(text, " ");
            read_parameter(text, length, &s->parameters[s->n++]);
            text += length + strspn(text + length, " ");
        }
    }
}

/* ---- arguments ---- */

/* Matches positional and keyword arguments with parameters: values[p] is borrowed, or NULL when not given. */
static int match_arguments(cr_op op, PyObject *const *args, Py_ssize_t n_args, PyObject *keywords, PyObject **values)
{
    const signature_t *s = &signatures[op];
    const char *name = cr_operations[op].name;
    if ((size_t)n_args > s->n) {
        PyErr_Format(PyExc_TypeError, "%s: expected at most %zu arguments, got %zd", name, s->n, n_args);
        return -1;
    }
    memset(values, 0, MAX_PARAMETERS * sizeof *values);
    for (Py_ssize_t i = 0; i < n_args; i++)
        values[i] = args[i];
    for (Py_ssize_t k = 0; keywords != NULL && k < PyTuple_GET_SIZE(keywords); k++) {
        PyObject *keyword = PyTuple_GET_ITEM(keywords, k);
        size_t p = 0;
        while (p < s->n && PyUnicode_CompareWithASCIIString(keyword, s->parameters[p].name) != 0)
            p++;
        if (p == s->n) {
            char expected[DOC_SIZE];
            snprintf(expected, strcspn(function_docs[op], "\n") + 1, "%s", function_docs[op]);
            PyErr_Format(PyExc_TypeError, "%s: unknown argument %R, expected %s", name, keyword, expected);
            return -1;
        }
        if (values[p] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s: repeated argument %R", name, keyword);
            return -1;
        }
        values[p] = args[n_args + k];
    }
    for (size_t p = 0; p < s->n; p++)
        if (values[p] == NULL && !s->parameters[p].has_default) {
            PyErr_Format(PyExc_TypeError, "%s: missing argument '%s'", name, s->parameters[p].name);
            return -1;
        }
    return 0;
}

/* The dtype for plain numbers among the arguments: that of the first Tensor, or -1. */
static int find_tensor_dtype(cr_py_state *state, PyObject *const *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] != NULL && PyObject_TypeCheck(values[i], state->tensor))
            return (int)((TensorObject *)values[i])->tensor->dtype;
    return -1;
}

static cr_index *read_row_index(PyObject *object, const char *name)
{
    PyArrayObject *values = cr_py_read_integers(object, name, NPY_INT64, 1, 2);
    if (values == NULL)
        return NULL;
    cr_error err;
    cr_index *index = NULL;
    size_t shape[2];
    for (int d = 0; d < PyArray_NDIM(values); d++)
        shape[d] = (size_t)PyArray_DIM(values, d);
    cr_status status = cr_index_new(PyArray_DATA(values), PyArray_NDIM(values), shape, &index, &err);
    if (status != CR_OK)
        cr_py_raise(status, &err);
    Py_DECREF(values);
    return index;
}

/* Appends an integer attribute to a node. */
static int add_integer(cr_node *node, PyObject *object, const char *name)
{
    int64_t value;
    if (cr_py_read_int64(object, name, &value) < 0)
        return -1;
    if (node->n_integers == CR_MAX_ATTRIBUTES) {
        PyErr_Format(PyExc_ValueError, "%s: expected at most %d integers", name, CR_MAX_ATTRIBUTES);
        return -1;
    }
    node->integers[node->n_integers++] = value;
    return 0;
}

/* Appends the integers of a tuple to a node. */
static int add_integers(cr_node *node, PyObject *tuple, const char *name)
{
    int result = 0;
    for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(tuple); i++)
        result = add_integer(node, PyTuple_GET_ITEM(tuple, i), name);
    return result;
}

static int add_shape(cr_node *node, PyObject *object, const char *name)
{
    if (PyIndex_Check(object))
        return add_integer(node, object, name);
    PyObject *sequence = PySequence_Tuple(object);
    int result = sequence == NULL ? -1 : add_integers(node, sequence, name);
    Py_XDECREF(sequence);
    return result;
}

/* Appends the number of axes, or CR_ALL_AXES for None, and the axes. */
static int add_axes(cr_node *node, PyObject *object, const char *name)
{
    int64_t *count = &node->integers[node->n_integers++];
    *count = CR_ALL_AXES;
    if (object == NULL || object == Py_None)
        return 0;
    *count = 1;
    if (!PyTuple_Check(object) && !PyList_Check(object))
        return add_integer(node, object, name);
    PyObject *tuple = PySequence_Tuple(object); /* a list could change while its items are read */
    if (tuple == NULL)
        return -1;
    *count = PyTuple_GET_SIZE(tuple);
    int result = -1;
    if (*count > CR_MAX_NDIM)
        PyErr_Format(PyExc_ValueError, "%s: expected at most %d axes, got %zd", name, CR_MAX_NDIM,
                     PyTuple_GET_SIZE(tuple));
    else
        result = add_integers(node, tuple, name);
    Py_DECREF(tuple);
    return result;
}

static int add_activation(cr_node *node, PyObject *object)
{
    int64_t kind = 0;
    const int64_t n = sizeof activations / sizeof *activations;
    if (object != NULL && !PyUnicode_Check(object)) {
        cr_py_wrong_type("activation", "a string", object);
        return -1;
    }
    while (object != NULL && kind < n && PyUnicode_CompareWithASCIIString(object, activations[kind]) != 0)
        kind++;
    if (kind == n) {
        PyErr_Format(PyExc_ValueError,
                     "activation: expected 'none', 'leaky_relu', 'relu', 'tanh', 'sigmoid' or 'softplus', got %R", object);
        return -1;
    }
    node->integers[node->n_integers++] = kind;
    return 0;
}

static int add_real(cr_node *node, size_t *n_reals, PyObject *object, const parameter_t *p)
{
    double value = p->value;
    if (object != NULL && cr_py_read_double(object, p->name, &value) < 0)
        return -1;
    node->reals[(*n_reals)++] = value;
    return 0;
}

static int add_attribute(cr_node *node, size_t *n_reals, PyObject *object, const parameter_t *p)
{
    switch (p->kind) {
    case 'f': return add_real(node, n_reals, object, p);
    case 'A': return add_activation(node, object);
    case 'S': return add_shape(node, object, p->name);
    case 'D': return add_axes(node, object, p->name);
    case 'b': {
        int truth = object == NULL ? p->value != 0 : PyObject_IsTrue(object);
        if (truth < 0)
            return -1;
        node->integers[node->n_integers++] = truth;
        return 0;
    }
    case 'i':
        if (object == NULL) {
            node->integers[node->n_integers++] = (int64_t)p->value;
            return 0;
        }
        return add_integer(node, object, p->name);
    default: Py_UNREACHABLE();
    }
}

static int add_graph(cr_py_state *state, cr_node *node, PyObject *object, const char *name)
{
    if (!PyObject_TypeCheck(object, state->graph)) {
        cr_py_wrong_type(name, "a GraphBatch", object);
        return -1;
    }
    node->graph = ((GraphObject *)object)->graph;
    cr_graph_retain(node->graph);
    return 0;
}

static int add_tensors(cr_py_state *state, cr_node *node, PyObject *sequence, const char *name)
{
    PyObject *const *items = &PyTuple_GET_ITEM(sequence, 0);
    int hint = find_tensor_dtype(state, items, (size_t)PyTuple_GET_SIZE(sequence));
    for (size_t i = 0; i < node->n_inputs; i++)
        if ((node->inputs[i] = cr_py_tensor_of(state, items[i], name, hint)) == NULL)
            return -1;
    return 0;
}

static int fill_node(cr_py_state *state, cr_node *node, PyObject *const *values, PyObject *list)
{
    const signature_t *s = &signatures[node->op];
    size_t n_tensors = 0, n_reals = 0;
    int hint = find_tensor_dtype(state, values, s->n), result = 0;
    for (size_t i = 0; result == 0 && i < s->n; i++) {
        const parameter_t *p = &s->parameters[i];
        switch (p->kind) {
        case 'T':
            if (values[i] == NULL || (p->optional && values[i] == Py_None))
                n_tensors++;
            else if ((node->inputs[n_tensors++] = cr_py_tensor_of(state, values[i], p->name, hint)) == NULL)
                result = -1;
            break;
        case 'L': result = add_tensors(state, node, list, p->name); break;
        case 'X': result = (node->index = read_row_index(values[i], p->name)) == NULL ? -1 : 0; break;
        case 'G': result = add_graph(state, node, values[i], p->name); break;
        default: result = add_attribute(node, &n_reals, values[i], p);
        }
    }
    return result;
}

/* ---- calls ---- */

cr_tensor *cr_py_run(cr_node *node)
{
    cr_error err;
    cr_tensor *out;
    cr_status status;
    size_t work = 0;
    for (size_t i = 0; i < node->n_inputs; i++)
        work += node->inputs[i] == NULL ? 0 : node->inputs[i]->size;
    if (work < LONG_WORK) {
        status = cr_apply(node, &out, &err);
    } else {
        Py_BEGIN_ALLOW_THREADS
        status = cr_apply(node, &out, &err);
        Py_END_ALLOW_THREADS
    }
    return status == CR_OK ? out : (cr_tensor *)cr_py_raise(status, &err);
}

/* Runs a node, whose reference it steals, and wraps the result. */
static PyObject *run_node(cr_py_state *state, cr_node *node)
{
    cr_tensor *out = cr_py_run(node);
    return out == NULL ? NULL : cr_py_wrap_tensor(state, out);
}

static PyObject *call_operation(cr_py_state *state, cr_op op, PyObject *const *args, Py_ssize_t n_args,
                                PyObject *keywords)
{
    const signature_t *s = &signatures[op];
    PyObject *values[MAX_PARAMETERS], *list = NULL;
    size_t n_inputs = 0;
    cr_error err;
    cr_node *node;
    if (match_arguments(op, args, n_args, keywords, values) < 0)
        return NULL;
    for (size_t i = 0; i < s->n; i++)
        n_inputs += s->parameters[i].kind == 'T';
    if (s->parameters[0].kind == 'L') {
        list = PySequence_Tuple(values[0]);
        if (list == NULL)
            return NULL;
        n_inputs = (size_t)PyTuple_GET_SIZE(list);
    }
    cr_status status = cr_node_new(op, n_inputs, &node, &err);
    if (status != CR_OK) {
        Py_XDECREF(list);
        return cr_py_raise(status, &err);
    }
    int filled = fill_node(state, node, values, list);
    Py_XDECREF(list);
    if (filled < 0) {
        cr_node_release(node);
        return NULL;
    }
    return run_node(state, node);
}

/* The result of an operation on n tensors, its other arguments by default. */
static PyObject *apply_to_tensors(cr_py_state *state, cr_op op, size_t n, PyObject *x, PyObject *y)
{
    PyObject *values[MAX_PARAMETERS] = {x, y};
    cr_error err;
    cr_node *node;
    cr_status status = cr_node_new(op, n, &node, &err);
    if (status != CR_OK)
        return cr_py_raise(status, &err);
    if (fill_node(state, node, values, NULL) < 0) {
        cr_node_release(node);
        return NULL;
    }
    return run_node(state, node);
}

PyObject *cr_py_apply_unary(cr_py_state *state, cr_op op, PyObject *x)
{
    return apply_to_tensors(state, op, 1, x, NULL);
}

PyObject *cr_py_apply_binary(cr_py_state *state, cr_op op, PyObject *x, PyObject *y)
{
    return apply_to_tensors(state, op, 2, x, y);
}

/* Calls an operation whose shape is given as several arguments: x.reshape(3, 2). */
static PyObject *call_with_shape(cr_py_state *state, cr_op op, PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                                 PyObject *keywords)
{
    if (keywords != NULL && PyTuple_GET_SIZE(keywords) > 0)
        return PyErr_Format(PyExc_TypeError, "%s: expected the shape once", cr_operations[op].name);
    PyObject *shape = PyTuple_New(n_args), *result = NULL;
    if (shape == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < n_args; i++)
        PyTuple_SET_ITEM(shape, i, Py_NewRef(args[i]));
    PyObject *both[2] = {self, shape};
    result = call_operation(state, op, both, 2, NULL);
    Py_DECREF(shape);
    return result;
}

/* Calls an operation as a method: the tensor is the first argument. */
static PyObject *call_method(PyObject *self, cr_op op, PyObject *const *args, Py_ssize_t n_args, PyObject *keywords)
{
    PyObject *all[2 * MAX_PARAMETERS + 1] = {self};
    cr_py_state *state = cr_py_state_of_type(Py_TYPE(self));
    Py_ssize_t n = n_args + (keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords));
    if (state == NULL)
        return NULL;
    if (takes_shape(op) && n_args > 1)
        return call_with_shape(state, op, self, args, n_args, keywords);
    if (n > 2 * MAX_PARAMETERS)
        return PyErr_Format(PyExc_TypeError, "%s: too many arguments: %zd", cr_operations[op].name, n);
    memcpy(all + 1, args, (size_t)n * sizeof *all);
    return call_operation(state, op, all, n_args + 1, keywords);
}

#define CR_OP(name, signature, documentation)                                                                     \
    static PyObject *py_##name(PyObject *module, PyObject *const *args, Py_ssize_t n_args, PyObject *keywords)     \
    {                                                                                                             \
        return call_operation(cr_py_state_of(module), CR_OP_##name, args, n_args, keywords);                      \
    }                                                                                                             \
    static PyObject *method_##name(PyObject *self, PyObject *const *args, Py_ssize_t n_args, PyObject *keywords)   \
    {                                                                                                             \
        return call_method(self, CR_OP_##name, args, n_args, keywords);                                           \
    }
#include "../autodiff/ops.def"
#undef CR_OP

/* ---- documentation ---- */

/* Appends text to a string in a buffer of DOC_SIZE bytes. */
static void append(char *doc, const char *format, ...)
{
    const size_t used = strlen(doc);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(doc + used, DOC_SIZE - used, format, arguments);
    va_end(arguments);
}

/* Appends the default of a parameter as Python writes it. */
static void append_default(char *doc, const parameter_t *p)
{
    if (p->optional)
        append(doc, "=None");
    else if (p->kind == 'A')
        append(doc, "='%s'", activations[0]);
    else if (p->kind == 'b')
        append(doc, p->value != 0 ? "=True" : "=False");
    else if (p->kind == 'i')
        append(doc, "=%lld", (long long)p->value);
    else
        append(doc, p->value == (double)(long long)p->value ? "=%.1f" : "=%g", p->value);
}

static void write_doc(cr_op op, bool method, char *doc)
{
    const signature_t *s = &signatures[op];
    doc[0] = 0;
    append(doc, "%s(", cr_operations[op].name);
    for (size_t i = 0; i < s->n; i++) {
        const parameter_t *p = &s->parameters[i];
        const char *separator = i == 0 ? "" : ", ";
        if (method && i == 0)
            append(doc, "$self");
        else
            append(doc, "%s%s%s", separator, method && p->kind == 'S' ? "*" : "", p->name);
        if (p->has_default)
            append_default(doc, p);
    }
    append(doc, ")\n--\n\n%s", cr_operations[op].documentation);
    if (method)
        append(doc, "\n\nThe tensor is %s.", s->parameters[0].name);
}

static PyMethodDef functions[] = {
#define CR_OP(name, signature, documentation)                                                                       \
    {#name, (PyCFunction)(void (*)(void))py_##name, METH_FASTCALL | METH_KEYWORDS,                                  \
     function_docs[CR_OP_##name]},
#include "../autodiff/ops.def"
#undef CR_OP
    {NULL, NULL, 0, NULL}};

static PyMethodDef methods[] = {
#define CR_OP(name, signature, documentation)                                                                       \
    {#name, (PyCFunction)(void (*)(void))method_##name, METH_FASTCALL | METH_KEYWORDS,                              \
     method_docs[CR_OP_##name]},
#include "../autodiff/ops.def"
#undef CR_OP
};

/* Adds to Tensor a method for each operation whose first argument is a tensor. */
static int add_methods(cr_py_state *state)
{
    for (int op = 0; op < CR_N_OPS; op++) {
        if (signatures[op].parameters[0].kind != 'T')
            continue;
        PyObject *method = PyDescr_NewMethod(state->tensor, &methods[op]);
        int result = method == NULL ? -1 : PyObject_SetAttrString((PyObject *)state->tensor, methods[op].ml_name, method);
        Py_XDECREF(method);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* Adds OPERATIONS, a dict {name: signature}, from which the gradient test takes the names. */
static int add_operations_table(PyObject *module)
{
    PyObject *table = PyDict_New();
    for (int op = 0; table != NULL && op < CR_N_OPS; op++) {
        PyObject *text = PyUnicode_FromString(cr_operations[op].signature);
        if (text == NULL || PyDict_SetItemString(table, cr_operations[op].name, text) < 0)
            Py_CLEAR(table);
        Py_XDECREF(text);
    }
    int result = table == NULL ? -1 : PyModule_AddObjectRef(module, "OPERATIONS", table);
    Py_XDECREF(table);
    return result;
}

int cr_py_add_ops(PyObject *module)
{
    read_signatures();
    for (cr_op op = 0; op < CR_N_OPS; op++) {
        write_doc(op, false, function_docs[op]);
        write_doc(op, true, method_docs[op]);
    }
    if (add_operations_table(module) < 0 || add_methods(cr_py_state_of(module)) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
