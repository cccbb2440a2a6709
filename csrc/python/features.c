/* Features of cells for Python: sequences of operations on paths, and descriptors of graphs. */
#include "arguments.h"

#include "../graph/features.h"
#include "rows.h"

enum { COUNTS = 5, FORM = 12 };

/* What the arguments are read into. */
typedef struct {
    cr_cell_form form;
    cr_cell_paths paths;
    PyArrayObject *codes, *known, *out, *open;
    int32_t *numbers; /* memory of PyMem: edges, columns, offsets and edges of paths, as int32 */
    bool *flags;      /* memory of PyMem: dead operations, then identities */
} given_t;

static void release_given(given_t *given)
{
    Py_XDECREF(given->codes);
    Py_XDECREF(given->known);
    Py_XDECREF(given->out);
    Py_XDECREF(given->open);
    PyMem_Free(given->numbers);
    PyMem_Free(given->flags);
}

/* Casts integers of at least -1 to int32; -1 with an exception for others. */
static int cast_integers(PyArrayObject *from, const char *name, int32_t *to)
{
    const int64_t *values = PyArray_DATA(from);
    for (npy_intp i = 0; i < PyArray_SIZE(from); i++) {
        if (values[i] < -1 || values[i] > INT32_MAX) {
            PyErr_Format(PyExc_ValueError, "%s: expected values in [-1, %d], got %lld", name, INT32_MAX, (long long)values[i]);
            return -1;
        }
        to[i] = (int32_t)values[i];
    }
    return 0;
}

/* Reads which operations have a role: integers, the indices of operations. */
static int read_flags(PyObject *object, const char *name, size_t n_operations, bool *flags)
{
    PyArrayObject *indices = cr_py_copy_integers(object, name, 1);
    if (indices == NULL)
        return -1;
    int result = 0;
    for (npy_intp i = 0; i < PyArray_SIZE(indices) && result == 0; i++) {
        const int64_t index = ((const int64_t *)PyArray_DATA(indices))[i];
        if (index < 0 || index >= (int64_t)n_operations) {
            PyErr_Format(PyExc_ValueError, "%s: expected indices of %zu operations, got %lld", name, n_operations,
                         (long long)index);
            result = -1;
        } else {
            flags[index] = true;
        }
    }
    Py_DECREF(indices);
    return result;
}

/* Writes arrays of edges (n, 2), columns (n,), offsets and path edges one after the other, the edges split into sources
 * and targets. */
static int write_arrays(given_t *given, PyArrayObject *const arrays[4])
{
    size_t total = 1;
    for (int i = 0; i < 4; i++)
        total += arrays[i] == NULL ? 0 : (size_t)PyArray_SIZE(arrays[i]);
    const size_t n = (size_t)PyArray_DIM(arrays[0], 0);
    int32_t *flat = PyMem_Malloc(2 * n * sizeof *flat + 1), *to = given->numbers = PyMem_Malloc(total * sizeof *to);
    int result = -1;
    if (to == NULL || flat == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    if (PyArray_DIM(arrays[0], 1) != 2 || (size_t)PyArray_SIZE(arrays[1]) != n) {
        PyErr_SetString(PyExc_ValueError, "form: expected edges (n, 2) and as many columns");
        goto done;
    }
    if (cast_integers(arrays[0], "edges", flat) < 0 || cast_integers(arrays[1], "columns", to + 2 * n) < 0)
        goto done;
    for (size_t e = 0; e < n; e++) {
        to[e] = flat[2 * e];
        to[n + e] = flat[2 * e + 1];
    }
    given->form.n_edges = n;
    given->form.from = to;
    given->form.to = to + n;
    given->form.column = to + 2 * n;
    if (arrays[2] != NULL) {
        const size_t offsets = (size_t)PyArray_SIZE(arrays[2]);
        if (cast_integers(arrays[2], "paths", to + 3 * n) < 0 || cast_integers(arrays[3], "paths", to + 3 * n + offsets) < 0)
            goto done;
        given->paths = (cr_cell_paths){offsets - 1, to + 3 * n, to + 3 * n + offsets};
    }
    result = 0;
done:
    PyMem_Free(flat);
    return result;
}

/* Checks that paths are runs of the edges of a graph. */
static int check_paths(const given_t *given, npy_intp n_steps)
{
    const cr_cell_paths *paths = &given->paths;
    bool good = paths->offsets[0] == 0 && paths->offsets[paths->n_paths] == n_steps;
    for (size_t p = 0; p < paths->n_paths; p++)
        good = good && paths->offsets[p] <= paths->offsets[p + 1];
    for (npy_intp i = 0; i < n_steps; i++)
        good = good && paths->edges[i] >= 0 && (size_t)paths->edges[i] < given->form.n_edges;
    if (!good)
        PyErr_Format(PyExc_ValueError, "paths: expected ascending offsets from 0 to the number of edges on all paths, and edges "
                     "below %zu", given->form.n_edges);
    return good ? 0 : -1;
}

/* Reads edges and columns of a form and, unless `paths` is NULL, a tuple of offsets and edges of paths. */
static int read_arrays(PyObject *const *form, PyObject *paths, given_t *given)
{
    PyArrayObject *arrays[4] = {NULL};
    int result = -1;
    if (paths != NULL && (!PyTuple_Check(paths) || PyTuple_GET_SIZE(paths) != 2)) {
        cr_py_wrong_type("paths", "a tuple of offsets and edges", paths);
        return -1;
    }
    if ((arrays[0] = cr_py_copy_integers(form[0], "edges", 2)) != NULL &&
        (arrays[1] = cr_py_copy_integers(form[1], "columns", 1)) != NULL &&
        (paths == NULL || ((arrays[2] = cr_py_copy_integers(PyTuple_GET_ITEM(paths, 0), "paths", 1)) != NULL &&
                           (arrays[3] = cr_py_copy_integers(PyTuple_GET_ITEM(paths, 1), "paths", 1)) != NULL))) {
        if (arrays[2] != NULL && PyArray_SIZE(arrays[2]) == 0)
            PyErr_SetString(PyExc_ValueError, "paths: expected at least one offset, got none");
        else
            result = write_arrays(given, arrays);
    }
    if (result == 0 && paths != NULL)
        result = check_paths(given, PyArray_SIZE(arrays[3]));
    for (int i = 0; i < 4; i++)
        Py_XDECREF(arrays[i]);
    return result;
}

/* Reads the codes, the form of cells and, unless `paths` is NULL, paths. */
static int read_given(PyObject *codes, PyObject *form, PyObject *paths, given_t *given)
{
    static const char *const names[COUNTS] = {"n_graphs", "length", "n_nodes", "n_inputs", "n_operations"};
    size_t *const counts[COUNTS] = {&given->form.n_graphs, &given->form.length, &given->form.n_nodes, &given->form.n_inputs,
                                    &given->form.n_operations};
    bool *const flags[3] = {&given->form.has_output, &given->form.operations_on_nodes, &given->form.free};
    cr_error err;
    if (!PyTuple_Check(form) || PyTuple_GET_SIZE(form) != FORM) {
        cr_py_wrong_type("form", "a tuple of 12", form);
        return -1;
    }
    PyObject *const *item = ((PyTupleObject *)form)->ob_item;
    for (int i = 0; i < COUNTS; i++) {
        uint64_t number;
        if (cr_py_read_unsigned(item[i], names[i], 1 << 20, &number) < 0)
            return -1;
        *counts[i] = (size_t)number;
    }
    for (int i = 0; i < 3; i++) {
        const int truth = PyObject_IsTrue(item[COUNTS + i]);
        if (truth < 0)
            return -1;
        *flags[i] = truth != 0;
    }
    const size_t n = given->form.n_operations;
    if ((given->flags = PyMem_Calloc(2 * n + 1, sizeof *given->flags)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    given->form.is_dead = given->flags;
    given->form.is_identity = given->flags + n;
    if (read_flags(item[10], "dead", n, given->flags) < 0 || read_flags(item[11], "identities", n, given->flags + n) < 0 ||
        read_arrays(item + 8, paths, given) < 0)
        return -1;
    cr_status status = cr_cell_form_check(&given->form, &err);
    if (status != CR_OK) {
        cr_py_raise(status, &err);
        return -1;
    }
    given->codes = cr_py_copy_array(codes, "codes", NPY_UINT8, 2, (npy_intp)(given->form.n_graphs * given->form.length));
    return given->codes == NULL ? -1 : 0;
}

static uint8_t *row_of(PyArrayObject *array, size_t row)
{
    return (uint8_t *)PyArray_DATA(array) + (npy_intp)row * PyArray_STRIDE(array, 0);
}

/* Makes an array (n, columns) with a row for each cell. */
static PyArrayObject *new_rows(const given_t *given, size_t columns, int type)
{
    npy_intp shape[2] = {PyArray_DIM(given->codes, 0), (npy_intp)columns};
    return (PyArrayObject *)PyArray_SimpleNew(2, shape, type);
}

static int run_rows(given_t *given, cr_py_row_function work)
{
    return cr_py_run_rows((size_t)PyArray_DIM(given->codes, 0), 0, work, given);
}

/* ---- the functions ---- */

static cr_status sequence_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const given_t *g = context;
    (void)err;
    cr_cell_sequences(&g->form, &g->paths, row_of(g->codes, begin), end - begin, (uint64_t *)(void *)row_of(g->out, begin),
                      (bool *)row_of(g->open, begin));
    return CR_OK;
}

static PyObject *cell_sequences(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"codes", "form", "paths", NULL};
    PyObject *codes, *form, *paths, *result = NULL;
    given_t given = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO:cell_sequences", names, &codes, &form, &paths))
        return NULL;
    if (read_given(codes, form, paths, &given) == 0) {
        const size_t columns = given.form.n_graphs * given.paths.n_paths;
        if ((given.out = new_rows(&given, columns, NPY_UINT64)) != NULL &&
            (given.open = new_rows(&given, columns, NPY_BOOL)) != NULL && run_rows(&given, sequence_rows) == 0)
            result = PyTuple_Pack(2, given.out, given.open);
    }
    release_given(&given);
    return result;
}

static cr_status count_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const given_t *g = context;
    (void)err;
    cr_cell_count_sequences(&g->form, &g->paths, row_of(g->codes, begin), end - begin, PyArray_DATA(g->known),
                            (size_t)PyArray_SIZE(g->known), (double *)(void *)row_of(g->out, begin));
    return CR_OK;
}

static PyObject *cell_sequence_counts(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"codes", "form", "paths", "known", NULL};
    PyObject *codes, *form, *paths, *known, *result = NULL;
    given_t given = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOO:cell_sequence_counts", names, &codes, &form, &paths, &known))
        return NULL;
    if (read_given(codes, form, paths, &given) == 0 &&
        (given.known = cr_py_read_integers(known, "known", NPY_UINT64, 1, 1)) != NULL &&
        (given.out = new_rows(&given, (size_t)PyArray_SIZE(given.known), NPY_FLOAT64)) != NULL &&
        run_rows(&given, count_rows) == 0)
        result = Py_NewRef((PyObject *)given.out);
    release_given(&given);
    return result;
}

static cr_status describe_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const given_t *g = context;
    (void)err;
    cr_cell_describe(&g->form, row_of(g->codes, begin), end - begin, (double *)(void *)row_of(g->out, begin));
    return CR_OK;
}

static PyObject *cell_descriptors(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"codes", "form", NULL};
    PyObject *codes, *form, *result = NULL;
    given_t given = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:cell_descriptors", names, &codes, &form))
        return NULL;
    if (read_given(codes, form, NULL, &given) == 0) {
        const size_t columns = given.form.n_graphs * (CR_N_DESCRIPTORS + 2 * given.form.n_operations);
        if ((given.out = new_rows(&given, columns, NPY_FLOAT64)) != NULL && run_rows(&given, describe_rows) == 0)
            result = Py_NewRef((PyObject *)given.out);
    }
    release_given(&given);
    return result;
}

static const char cell_sequences_doc[] =
    "cell_sequences(codes, form, paths)\n--\n\n"
    "A number for the sequence of operations on each path of each graph of cells, identities left out, and whether the\n"
    "path is open: uint64 and bool, (n, graphs * paths).\n\n"
    "form: a tuple of n_graphs, length (codes of a graph), n_nodes, n_inputs, n_operations, has_output,\n"
    "operations_on_nodes, free, edges (m, 2) by target, columns (m,), and the indices of dead operations and identities.\n"
    "paths: offsets (paths + 1,) and the edges of all paths. See csrc/graph/features.h.";

static const char cell_sequence_counts_doc[] =
    "cell_sequence_counts(codes, form, paths, known)\n--\n\n"
    "How many open paths of each cell have each known number, float64 (n, known). known: uint64, ascending. Other arguments\n"
    "as of cell_sequences.";

static const char cell_descriptors_doc[] =
    "cell_descriptors(codes, form)\n--\n\n"
    "Descriptors of each graph of cells, float64 (n, graphs * (8 + 2 * n_operations)): operations on the longest and on the\n"
    "shortest path, whether a path has none, edges out of inputs, edges into the output (or nodes, where there is none),\n"
    "intermediate nodes, edges, paths; then of each operation how often it is there and the most on one path. Only what is\n"
    "on a path counts. form: as of cell_sequences.";

static PyMethodDef functions[] = {
    {"cell_sequences", (PyCFunction)(void (*)(void))cell_sequences, METH_VARARGS | METH_KEYWORDS, cell_sequences_doc},
    {"cell_sequence_counts", (PyCFunction)(void (*)(void))cell_sequence_counts, METH_VARARGS | METH_KEYWORDS,
     cell_sequence_counts_doc},
    {"cell_descriptors", (PyCFunction)(void (*)(void))cell_descriptors, METH_VARARGS | METH_KEYWORDS, cell_descriptors_doc},
    {NULL, NULL, 0, NULL}};

int cr_py_add_features(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
