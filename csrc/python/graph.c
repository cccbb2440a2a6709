/* The Python type GraphBatch: graphs for message passing, checked once. */
#include "arguments.h"
#include "pickling.h"

#include <string.h>

#include "../graph/cell_batch.h"

static void graph_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    cr_graph_release(((GraphObject *)object)->graph);
    type->tp_free(object);
    Py_DECREF(type);
}

/* A new GraphBatch object. It steals the reference to graph, also on failure. */
static PyObject *wrap_graph(PyTypeObject *type, cr_graph *graph)
{
    GraphObject *object = (GraphObject *)type->tp_alloc(type, 0);
    if (object == NULL) {
        cr_graph_release(graph);
        return NULL;
    }
    object->graph = graph;
    return (PyObject *)object;
}

static int write_int32(PyArrayObject *from, const char *name, int32_t least, int32_t *to)
{
    const int64_t *values = PyArray_DATA(from);
    for (npy_intp i = 0; i < PyArray_SIZE(from); i++) {
        if (values[i] < least || values[i] > INT32_MAX) {
            PyErr_Format(PyExc_ValueError, "%s: expected values in [%d, %d], got %lld", name, least, INT32_MAX,
                         (long long)values[i]);
            return -1;
        }
        to[i] = (int32_t)values[i];
    }
    return 0;
}

/* Whether the arrays node_offsets, edge_offsets, sources and types have lengths that can agree; else a ValueError names
 * the one that the others do not agree with. */
static bool expect_lengths(PyArrayObject **arrays)
{
    static const char *const names[] = {"node_offsets", "edge_offsets"};
    for (int i = 0; i < 2; i++)
        if (PyArray_SIZE(arrays[i]) == 0) {
            PyErr_Format(PyExc_ValueError, "%s: expected at least one entry, got none", names[i]);
            return false;
        }
    const int64_t *edge_offsets = PyArray_DATA(arrays[1]);
    const npy_intp edges = (npy_intp)edge_offsets[PyArray_SIZE(arrays[1]) - 1];
    const npy_intp sources = PyArray_SIZE(arrays[2]), types = PyArray_SIZE(arrays[3]);
    if (sources == types)
        return true;
    if (types == edges)
        PyErr_Format(PyExc_ValueError, "sources: expected %zd entries, as many as types, got %zd", types, sources);
    else
        PyErr_Format(PyExc_ValueError, "types: expected %zd entries, as many as sources, got %zd", sources, types);
    return false;
}

static cr_graph *build_graph(PyArrayObject **arrays, uint64_t n_types)
{
    cr_error err;
    cr_graph *graph = NULL;
    if (!expect_lengths(arrays))
        return NULL;
    cr_status status = cr_graph_new((size_t)PyArray_SIZE(arrays[0]) - 1, (size_t)PyArray_SIZE(arrays[1]) - 1,
                                    (size_t)PyArray_SIZE(arrays[2]), (size_t)n_types, &graph, &err);
    if (status != CR_OK) {
        cr_py_raise(status, &err);
        return NULL;
    }
    if (write_int32(arrays[0], "node_offsets", 0, graph->node_offsets) < 0 ||
        write_int32(arrays[1], "edge_offsets", 0, graph->edge_offsets) < 0 ||
        write_int32(arrays[2], "sources", 0, graph->sources) < 0 ||
        write_int32(arrays[3], "types", 0, graph->types) < 0) {
        cr_graph_release(graph);
        return NULL;
    }
    status = cr_graph_check(graph, &err);
    if (status != CR_OK) {
        cr_graph_release(graph);
        cr_py_raise(status, &err);
        return NULL;
    }
    return graph;
}

static PyObject *graph_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"node_offsets", "edge_offsets", "sources", "types", "n_types", NULL};
    PyObject *objects[4];
    PyArrayObject *arrays[4] = {NULL};
    PyObject *n_types_object;
    uint64_t n_types;
    cr_graph *graph = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOO:GraphBatch", names, &objects[0], &objects[1], &objects[2],
                                     &objects[3], &n_types_object) ||
        cr_py_read_unsigned(n_types_object, "n_types", INT32_MAX - 1, &n_types) < 0)
        return NULL;
    int complete = 1;
    for (int i = 0; complete && i < 4; i++)
        complete = (arrays[i] = cr_py_copy_integers(objects[i], names[i], 1)) != NULL;
    if (complete)
        graph = build_graph(arrays, n_types);
    for (int i = 0; i < 4; i++)
        Py_XDECREF(arrays[i]);
    return graph == NULL ? NULL : wrap_graph(type, graph);
}

static PyObject *graph_repr(PyObject *object)
{
    const cr_graph *g = ((GraphObject *)object)->graph;
    return PyUnicode_FromFormat("GraphBatch(%zu graphs, %zu nodes, %zu edges, %zu edge types)", g->n_graphs, g->n_nodes,
                                g->n_edges, g->n_types);
}

static Py_ssize_t graph_length(PyObject *object)
{
    return (Py_ssize_t)((GraphObject *)object)->graph->n_graphs;
}

#define COUNT_GETTER(field)                                                     \
    static PyObject *get_##field(PyObject *object, void *closure)               \
    {                                                                           \
        (void)closure;                                                          \
        return PyLong_FromSize_t(((GraphObject *)object)->graph->field);        \
    }

COUNT_GETTER(n_graphs)
COUNT_GETTER(n_nodes)
COUNT_GETTER(n_edges)
COUNT_GETTER(n_types)

static PyObject *new_int32_array(const int32_t *values, size_t n)
{
    npy_intp length = (npy_intp)n;
    PyObject *array = PyArray_SimpleNew(1, &length, NPY_INT32);
    if (array != NULL && n > 0)
        memcpy(PyArray_DATA((PyArrayObject *)array), values, n * sizeof *values);
    return array;
}

static PyObject *get_arrays(PyObject *object, void *closure)
{
    (void)closure;
    const cr_graph *g = ((GraphObject *)object)->graph;
    return Py_BuildValue("(NNNN)", new_int32_array(g->node_offsets, g->n_graphs + 1),
                         new_int32_array(g->edge_offsets, g->n_nodes + 1), new_int32_array(g->sources, g->n_edges),
                         new_int32_array(g->types, g->n_edges));
}

static PyGetSetDef graph_attributes[] = {
    {"n_graphs", get_n_graphs, NULL, "Number of graphs.", NULL},
    {"n_nodes", get_n_nodes, NULL, "Number of nodes of all graphs.", NULL},
    {"n_edges", get_n_edges, NULL, "Number of directed edges of all graphs.", NULL},
    {"n_types", get_n_types, NULL, "Number of edge types.", NULL},
    {"arrays", get_arrays, NULL, "Copies of node_offsets, edge_offsets, sources and types, int32.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyObject *graph_reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const cr_graph *g = ((GraphObject *)object)->graph;
    PyObject *arrays = get_arrays(object, NULL), *number = Py_BuildValue("(n)", (Py_ssize_t)g->n_types), *all = NULL;
    if (arrays != NULL && number != NULL)
        all = PySequence_Concat(arrays, number);
    Py_XDECREF(arrays);
    Py_XDECREF(number);
    return cr_py_reduced(object, all, NULL);
}

static PyMethodDef graph_methods[] = {{"__reduce__", graph_reduce, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static const char graph_doc[] =
    "GraphBatch(node_offsets, edge_offsets, sources, types, n_types)\n--\n\n"
    "Several graphs side by side, for message_pass and sum_pool.\n\n"
    "Parameters\n----------\n"
    "node_offsets : int array, shape (n_graphs + 1,)\n    Nodes of graph g: node_offsets[g] to node_offsets[g + 1].\n"
    "edge_offsets : int array, shape (n_nodes + 1,)\n    Edges into node i: edge_offsets[i] to edge_offsets[i + 1].\n"
    "sources : int array, shape (n_edges,)\n    Node at the other end of each edge, of the same graph.\n"
    "types : int array, shape (n_edges,)\n    Edge types in [0, n_types).\n"
    "n_types : int\n\n"
    "Examples\n--------\n"
    ">>> GraphBatch([0, 2], [0, 0, 1], [0], [3], 5)      # one edge 0 -> 1 of type 3\n"
    "GraphBatch(1 graphs, 2 nodes, 1 edges, 5 edge types)\n";

static PyType_Slot graph_slots[] = {{Py_tp_doc, (void *)graph_doc}, {Py_tp_new, graph_new},
                                    {Py_tp_dealloc, graph_dealloc}, {Py_tp_repr, graph_repr},
                                    {Py_tp_getset, graph_attributes}, {Py_tp_methods, graph_methods},
                                    {Py_mp_length, graph_length},
                                    {0, NULL}};

static PyType_Spec graph_spec = {.name = "crlso._core.GraphBatch",
                                 .basicsize = sizeof(GraphObject),
                                 .flags = Py_TPFLAGS_DEFAULT,
                                 .slots = graph_slots};

/* ---- cells ---- */

/* Reads the node numbers and columns of the edges into one block of memory, which the caller frees with PyMem_Free;
 * NULL with an exception. */
static int32_t *read_edge_table(PyArrayObject *edges, PyArrayObject *columns, cr_cell_edges *shared)
{
    size_t n = (size_t)PyArray_DIM(edges, 0);
    int32_t *block = PyMem_Malloc((5 * n + 1) * sizeof *block);
    if (block == NULL)
        return (int32_t *)PyErr_NoMemory();
    int32_t *from = block, *to = block + n, *column = block + 2 * n, *flat = block + 3 * n;
    if (write_int32(edges, "edges", 0, flat) < 0 ||
        (columns != NULL && write_int32(columns, "columns", -1, column) < 0)) {
        PyMem_Free(block);
        return NULL;
    }
    for (size_t e = 0; e < n; e++) {
        from[e] = flat[2 * e];
        to[e] = flat[2 * e + 1];
        if (columns == NULL)
            column[e] = (int32_t)e;
    }
    shared->n_edges = n;
    shared->from = from;
    shared->to = to;
    shared->column = column;
    return block;
}

static cr_graph *build_cell_graph(PyArrayObject *codes, PyArrayObject *edges, PyArrayObject *columns,
                                  cr_cell_edges *shared)
{
    npy_intp wanted = columns == NULL ? PyArray_DIM(codes, 1) : PyArray_DIM(columns, 0), n = PyArray_DIM(edges, 0);
    cr_error err;
    cr_graph *graph = NULL;
    if (PyArray_DIM(edges, 1) != 2 || n != wanted) {
        PyErr_Format(PyExc_ValueError, "edges: expected shape (%zd, 2), got (%zd, %zd)", (Py_ssize_t)wanted, (Py_ssize_t)n,
                     (Py_ssize_t)PyArray_DIM(edges, 1));
        return NULL;
    }
    int32_t *table = read_edge_table(edges, columns, shared);
    if (table == NULL)
        return NULL;
    shared->n_codes = (size_t)PyArray_DIM(codes, 1);
    cr_status status = cr_cell_batch(PyArray_DATA(codes), (size_t)PyArray_DIM(codes, 0), shared, &graph, &err);
    if (status != CR_OK)
        cr_py_raise(status, &err);
    PyMem_Free(table);
    return graph;
}

static PyObject *cell_graph(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"codes", "edges", "n_nodes", "n_types", "columns", "has_absent", "both_directions", NULL};
    PyObject *codes_object, *edges_object, *columns_object = Py_None;
    Py_ssize_t n_nodes, n_types;
    int has_absent = 0, both_directions = 1;
    cr_graph *graph = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOnn|Opp:cell_graph", names, &codes_object, &edges_object, &n_nodes,
                                     &n_types, &columns_object, &has_absent, &both_directions))
        return NULL;
    if (n_nodes < 0 || n_types < 0)
        return PyErr_Format(PyExc_ValueError, "n_nodes, n_types: expected counts >= 0, got %zd and %zd", n_nodes, n_types);
    cr_cell_edges shared = {.n_nodes = (size_t)n_nodes, .n_types = (size_t)n_types, .has_absent = has_absent != 0,
                            .both_directions = both_directions != 0};
    PyArrayObject *codes = cr_py_copy_array(codes_object, "codes", NPY_UINT8, 2, -1), *edges = NULL, *columns = NULL;
    if (codes != NULL)
        edges = cr_py_copy_integers(edges_object, "edges", 2);
    if (edges != NULL && columns_object != Py_None)
        columns = cr_py_copy_integers(columns_object, "columns", 1);
    if (edges != NULL && (columns != NULL || columns_object == Py_None))
        graph = build_cell_graph(codes, edges, columns, &shared);
    Py_XDECREF(codes);
    Py_XDECREF(edges);
    Py_XDECREF(columns);
    return graph == NULL ? NULL : wrap_graph(cr_py_state_of(module)->graph, graph);
}

static const char cell_graph_doc[] =
    "cell_graph(codes, edges, n_nodes, n_types, columns=None, has_absent=False, both_directions=True)\n--\n\n"
    "GraphBatch of cells, one graph of n_nodes nodes each. codes: uint8 (n, codes per cell); edges: (m, 2), source and\n"
    "target of every edge that a cell can have; columns: (m,), the code that is the type of each edge, or -1 for an edge\n"
    "that is always there, with type 0 (by default the edges are the codes). With has_absent code 0 is no edge, and code c\n"
    "type c - 1. Edges are used in both directions, or from source to target alone.";

static PyMethodDef functions[] = {
    {"cell_graph", (PyCFunction)(void (*)(void))cell_graph, METH_VARARGS | METH_KEYWORDS, cell_graph_doc},
    {NULL, NULL, 0, NULL}};

int cr_py_add_graph(PyObject *module)
{
    cr_py_state *state = cr_py_state_of(module);
    state->graph = (PyTypeObject *)PyType_FromModuleAndSpec(module, &graph_spec, NULL);
    if (state->graph == NULL || PyModule_AddType(module, state->graph) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
