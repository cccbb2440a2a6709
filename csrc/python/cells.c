/* Cells of spaces with free edges for Python: pruning, canonical form, neighbours and keys. */
#include "arguments.h"

#include <stdlib.h>
#include <string.h>

#include "../graph/likely.h"
#include "../graph/neighbours.h"
#include "rows.h"

/* ---- arguments ---- */

/* Reads a count of a layout: an integer of at least 0, or, where `any` says so, None. */
static int read_count(PyObject *object, const char *name, bool any, size_t *out)
{
    uint64_t number = CR_CELL_ANY;
    if ((!any || object != Py_None) && cr_py_read_unsigned(object, name, INT32_MAX, &number) < 0)
        return -1;
    *out = (size_t)number;
    return 0;
}

/* Reads and checks a layout: a tuple of n_graphs, n_nodes, n_inputs, has_output, operations_on_nodes, n_operations,
 * max_edges or None, in_degree or None. */
static int read_layout(PyObject *object, cr_cell_layout *layout)
{
    PyObject *const *item = PyTuple_Check(object) ? ((PyTupleObject *)object)->ob_item : NULL;
    cr_error err;
    if (item == NULL || PyTuple_GET_SIZE(object) != 8) {
        PyErr_SetString(PyExc_TypeError, "layout: expected a tuple of 8: n_graphs, n_nodes, n_inputs, has_output, "
                                         "operations_on_nodes, n_operations, max_edges, in_degree");
        return -1;
    }
    const int has_output = PyObject_IsTrue(item[3]), on_nodes = PyObject_IsTrue(item[4]);
    if (has_output < 0 || on_nodes < 0 || read_count(item[0], "n_graphs", false, &layout->n_graphs) < 0 ||
        read_count(item[1], "n_nodes", false, &layout->n_nodes) < 0 ||
        read_count(item[2], "n_inputs", false, &layout->n_inputs) < 0 ||
        read_count(item[5], "n_operations", false, &layout->n_operations) < 0 ||
        read_count(item[6], "max_edges", true, &layout->max_edges) < 0 ||
        read_count(item[7], "in_degree", true, &layout->in_degree) < 0)
        return -1;
    layout->has_output = has_output != 0;
    layout->operations_on_nodes = on_nodes != 0;
    cr_status status = cr_cell_layout_check(layout, &err);
    if (status == CR_OK)
        return 0;
    cr_py_raise(status, &err);
    return -1;
}

/* Some cells with free edges, and what is made of them. */
typedef struct {
    cr_cell_layout layout;
    PyArrayObject *codes; /* a private copy */
    size_t length;        /* codes of a row */
    bool canonical;
    bool *valid;
    size_t *counts, *begins;
    uint8_t *rows;
} cells_t;

static uint8_t *row_of(const cells_t *c, size_t row)
{
    return (uint8_t *)PyArray_DATA(c->codes) + row * c->length;
}

static int read_cells(PyObject *codes, PyObject *layout, cells_t *cells)
{
    if (read_layout(layout, &cells->layout) < 0)
        return -1;
    cells->length = cr_cell_row_length(&cells->layout);
    cells->codes = cr_py_copy_array(codes, "codes", NPY_UINT8, 2, (npy_intp)cells->length);
    return cells->codes == NULL ? -1 : 0;
}

/* ---- pruning and canonical form ---- */

static cr_status prune_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const cells_t *c = context;
    (void)err;
    cr_cell_prune(&c->layout, row_of(c, begin), end - begin, c->canonical, row_of(c, begin));
    return CR_OK;
}

static PyObject *cell_prune(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"codes", "layout", "canonical", NULL};
    PyObject *codes, *layout;
    int canonical;
    cells_t cells = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOp:cell_prune", names, &codes, &layout, &canonical) ||
        read_cells(codes, layout, &cells) < 0)
        return NULL;
    cells.canonical = canonical != 0;
    if (cr_py_run_rows((size_t)PyArray_DIM(cells.codes, 0), 0, prune_rows, &cells) < 0)
        Py_CLEAR(cells.codes);
    return (PyObject *)cells.codes;
}

static cr_status check_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const cells_t *c = context;
    (void)err;
    cr_cell_valid(&c->layout, row_of(c, begin), end - begin, c->valid + begin);
    return CR_OK;
}

static PyObject *cell_valid(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"codes", "layout", NULL};
    PyObject *codes, *layout;
    cells_t cells = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:cell_valid", names, &codes, &layout) ||
        read_cells(codes, layout, &cells) < 0)
        return NULL;
    npy_intp n = PyArray_DIM(cells.codes, 0);
    PyArrayObject *valid = (PyArrayObject *)PyArray_SimpleNew(1, &n, NPY_BOOL);
    if (valid != NULL) {
        cells.valid = PyArray_DATA(valid);
        if (cr_py_run_rows((size_t)n, 0, check_rows, &cells) < 0)
            Py_CLEAR(valid);
    }
    Py_DECREF(cells.codes);
    return (PyObject *)valid;
}

/* ---- neighbours ---- */

static cr_status count_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const cells_t *c = context;
    (void)err;
    cr_cell_count_steps(&c->layout, row_of(c, begin), end - begin, c->counts + begin);
    return CR_OK;
}

static cr_status neighbour_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const cells_t *c = context;
    (void)err;
    cr_cell_neighbours(&c->layout, row_of(c, begin), end - begin, c->canonical, c->begins + begin, c->rows,
                       c->counts + begin);
    return CR_OK;
}

/* Turns counts into begins, and returns their sum. */
static size_t add_up(const size_t *counts, size_t n, size_t *begins)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        begins[i] = total;
        total += counts[i];
    }
    return total;
}

/* Shortens an array of one or two dimensions to n rows. */
static int shorten(PyArrayObject *array, npy_intp n)
{
    npy_intp shape[2] = {n, PyArray_NDIM(array) == 2 ? PyArray_DIM(array, 1) : 0};
    PyObject *none = PyArray_Resize(array, &(PyArray_Dims){shape, PyArray_NDIM(array)}, 0, NPY_CORDER);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

/* Moves the rows that were written together, and returns them with their numbers: a tuple (rows, counts). */
static PyObject *collect_neighbours(const cells_t *c, PyArrayObject *rows)
{
    npy_intp n = PyArray_DIM(c->codes, 0);
    size_t written = 0;
    PyArrayObject *counts = (PyArrayObject *)PyArray_SimpleNew(1, &n, NPY_INT64);
    if (counts == NULL)
        return NULL;
    for (npy_intp i = 0; i < n; i++) {
        ((int64_t *)PyArray_DATA(counts))[i] = (int64_t)c->counts[i];
        memmove(c->rows + written * c->length, c->rows + c->begins[i] * c->length, c->counts[i] * c->length);
        written += c->counts[i];
    }
    PyObject *both = shorten(rows, (npy_intp)written) < 0 ? NULL : PyTuple_Pack(2, rows, counts);
    Py_DECREF(counts);
    return both;
}

static PyObject *find_neighbours(cells_t *c)
{
    const size_t n = (size_t)PyArray_DIM(c->codes, 0);
    if (cr_py_run_rows(n, 0, count_rows, c) < 0)
        return NULL;
    npy_intp shape[2] = {(npy_intp)add_up(c->counts, n, c->begins), (npy_intp)c->length};
    PyArrayObject *rows = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_UINT8);
    if (rows == NULL)
        return NULL;
    c->rows = PyArray_DATA(rows);
    PyObject *both = cr_py_run_rows(n, 0, neighbour_rows, c) < 0 ? NULL : collect_neighbours(c, rows);
    Py_DECREF(rows);
    return both;
}

static PyObject *cell_neighbours(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"codes", "layout", "canonical", NULL};
    PyObject *codes, *layout, *both = NULL;
    int canonical;
    cells_t cells = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOp:cell_neighbours", names, &codes, &layout, &canonical) ||
        read_cells(codes, layout, &cells) < 0)
        return NULL;
    const size_t n = (size_t)PyArray_DIM(cells.codes, 0);
    cells.canonical = canonical != 0;
    cells.counts = malloc((n + 1) * sizeof *cells.counts);
    cells.begins = malloc((n + 1) * sizeof *cells.begins);
    if (cells.counts == NULL || cells.begins == NULL)
        PyErr_NoMemory();
    else
        both = find_neighbours(&cells);
    free(cells.counts);
    free(cells.begins);
    Py_DECREF(cells.codes);
    return both;
}

/* ---- keys ---- */

static PyObject *cell_keys(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"codes", "cardinalities", NULL};
    PyObject *codes_object, *cardinalities_object;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:cell_keys", names, &codes_object, &cardinalities_object))
        return NULL;
    PyArrayObject *cardinalities = cr_py_copy_integers(cardinalities_object, "cardinalities", 1), *codes = NULL, *keys = NULL;
    if (cardinalities == NULL)
        return NULL;
    const npy_intp length = PyArray_DIM(cardinalities, 0);
    for (npy_intp i = 0; i < length; i++)
        if (((const int64_t *)PyArray_DATA(cardinalities))[i] < 1) {
            PyErr_SetString(PyExc_ValueError, "cardinalities: expected numbers of at least 1");
            goto done;
        }
    if ((codes = cr_py_read_exact(codes_object, "codes", NPY_UINT8, 2, length)) == NULL)
        goto done;
    npy_intp n = PyArray_DIM(codes, 0);
    if ((keys = (PyArrayObject *)PyArray_SimpleNew(1, &n, NPY_INT64)) != NULL)
        cr_cell_keys(PyArray_DATA(codes), (size_t)n, (size_t)length, PyArray_DATA(cardinalities), PyArray_DATA(keys));
done:
    Py_DECREF(cardinalities);
    Py_XDECREF(codes);
    return (PyObject *)keys;
}

/* ---- different neighbours ---- */

/* Arrays of cells of which each of `n` has some, one after the other, and which of them are kept. */
typedef struct {
    PyArrayObject *codes, *keys, *counts, *own;
    PyArrayObject *kept_codes, *kept_keys; /* with room for all */
} groups_t;

/* The size of the largest group. */
static size_t largest_group(const groups_t *g)
{
    const int64_t *counts = PyArray_DATA(g->counts);
    int64_t most = 0;
    for (npy_intp i = 0; i < PyArray_SIZE(g->counts); i++)
        most = counts[i] > most ? counts[i] : most;
    return (size_t)most;
}

/* Sorts the cells of each group and keeps the different ones; counts become those that stay. Returns their sum. There is
 * room for two largest groups. */
static npy_intp keep_different(const groups_t *g, cr_cell_keyed *group, size_t most)
{
    const int64_t *keys = PyArray_DATA(g->keys), *own = PyArray_DATA(g->own);
    const uint8_t *codes = PyArray_DATA(g->codes);
    const size_t length = (size_t)PyArray_DIM(g->codes, 1);
    int64_t *counts = PyArray_DATA(g->counts), *to_keys = PyArray_DATA(g->kept_keys);
    uint8_t *to_codes = PyArray_DATA(g->kept_codes);
    size_t row = 0, kept = 0;
    for (npy_intp i = 0; i < PyArray_SIZE(g->counts); i++) {
        const size_t n = (size_t)counts[i];
        for (size_t j = 0; j < n; j++, row++)
            group[j] = (cr_cell_keyed){keys[row], row};
        counts[i] = (int64_t)cr_cell_different(group, n, own[i], group + most);
        for (size_t j = 0; j < (size_t)counts[i]; j++, kept++) {
            to_keys[kept] = group[j].key;
            memcpy(to_codes + kept * length, codes + group[j].row * length, length);
        }
    }
    return (npy_intp)kept;
}

/* The kept cells: a tuple (codes, keys, counts). */
static PyObject *find_different(groups_t *g)
{
    npy_intp shape[2] = {PyArray_DIM(g->codes, 0), PyArray_DIM(g->codes, 1)};
    const size_t most = largest_group(g);
    cr_cell_keyed *group = PyMem_Malloc(2 * most * sizeof *group + 1);
    PyObject *all = NULL;
    g->kept_codes = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_UINT8);
    g->kept_keys = (PyArrayObject *)PyArray_SimpleNew(1, shape, NPY_INT64);
    if (group == NULL)
        PyErr_NoMemory();
    else if (g->kept_codes != NULL && g->kept_keys != NULL) {
        const npy_intp kept = keep_different(g, group, most);
        if (shorten(g->kept_codes, kept) == 0 && shorten(g->kept_keys, kept) == 0)
            all = PyTuple_Pack(3, g->kept_codes, g->kept_keys, g->counts);
    }
    PyMem_Free(group);
    Py_XDECREF(g->kept_codes);
    Py_XDECREF(g->kept_keys);
    return all;
}

/* Whether there is a key for each cell, and as many own keys as counts, which add up to the cells. */
static bool groups_agree(const groups_t *g)
{
    const npy_intp n = PyArray_DIM(g->codes, 0);
    const int64_t *counts = PyArray_DATA(g->counts);
    int64_t left = n;
    bool fits = PyArray_SIZE(g->keys) == n && PyArray_SIZE(g->own) == PyArray_SIZE(g->counts);
    for (npy_intp i = 0; fits && i < PyArray_SIZE(g->counts); i++) {
        fits = counts[i] >= 0 && counts[i] <= left;
        left -= fits ? counts[i] : 0;
    }
    if (!fits || left != 0)
        PyErr_Format(PyExc_ValueError, "counts: expected one per own key, which add up to the %zd cells and keys", n);
    return fits && left == 0;
}

static PyObject *cell_different(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"codes", "keys", "counts", "own", NULL};
    PyObject *codes, *keys, *counts, *own, *all = NULL;
    groups_t g = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOO:cell_different", names, &codes, &keys, &counts, &own))
        return NULL;
    if ((g.codes = cr_py_read_exact(codes, "codes", NPY_UINT8, 2, -1)) != NULL &&
        (g.keys = cr_py_read_exact(keys, "keys", NPY_INT64, 1, -1)) != NULL &&
        (g.counts = cr_py_copy_array(counts, "counts", NPY_INT64, 1, -1)) != NULL &&
        (g.own = cr_py_read_exact(own, "own", NPY_INT64, 1, -1)) != NULL && groups_agree(&g)) {
        all = find_different(&g);
    }
    Py_XDECREF(g.codes);
    Py_XDECREF(g.keys);
    Py_XDECREF(g.counts);
    Py_XDECREF(g.own);
    return all;
}

/* ---- the most likely cells ---- */

typedef struct {
    cr_cell_layout layout;
    cr_dtype dtype;
    const char *logits;
    uint8_t *codes;
    size_t length, values;
} likely_t;

static cr_status choose_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const likely_t *t = context;
    (void)err;
    cr_cell_likely(&t->layout, t->dtype, t->logits + begin * t->length * t->values * cr_dtype_size(t->dtype), end - begin,
                   t->values, t->codes + begin * t->length);
    return CR_OK;
}

/* Reads logits, float32 or float64 of shape (n, codes per cell, at least 2); a new reference. */
static PyArrayObject *read_logits(PyObject *object, const likely_t *t)
{
    PyArrayObject *given = cr_py_read_array(object, "logits", "float32 or float64"), *logits = NULL;
    if (given == NULL)
        return NULL;
    const int type = PyArray_TYPE(given);
    if (type != NPY_FLOAT32 && type != NPY_FLOAT64)
        cr_py_wrong_dtype("logits", "float32 or float64", given);
    else if (PyArray_NDIM(given) != 3 || PyArray_DIM(given, 1) != (npy_intp)t->length || PyArray_DIM(given, 2) < 2 ||
             PyArray_DIM(given, 2) > CR_CELL_MAX_OPERATIONS + 1)
        PyErr_Format(PyExc_ValueError, "logits: expected shape (n, %zu, values), 2 to %d values, got %d dimensions and %zd "
                     "elements", t->length, CR_CELL_MAX_OPERATIONS + 1, PyArray_NDIM(given), PyArray_SIZE(given));
    else
        logits = (PyArrayObject *)PyArray_FromArray(given, PyArray_DescrFromType(type),
                                                    NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_ENSUREARRAY);
    Py_DECREF(given);
    return logits;
}

static PyObject *cell_likely(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"logits", "layout", NULL};
    PyObject *object, *layout;
    likely_t t = {.dtype = CR_F32};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:cell_likely", names, &object, &layout) ||
        read_layout(layout, &t.layout) < 0)
        return NULL;
    if (t.layout.in_degree == CR_CELL_ANY || t.layout.operations_on_nodes) {
        PyErr_SetString(PyExc_ValueError, "layout: expected operations on edges and an in_degree");
        return NULL;
    }
    t.length = cr_cell_row_length(&t.layout);
    PyArrayObject *logits = read_logits(object, &t), *codes;
    if (logits == NULL)
        return NULL;
    npy_intp shape[2] = {PyArray_DIM(logits, 0), (npy_intp)t.length};
    codes = (PyArrayObject *)PyArray_SimpleNew(2, shape, NPY_UINT8);
    if (codes != NULL) {
        t.dtype = PyArray_TYPE(logits) == NPY_FLOAT32 ? CR_F32 : CR_F64;
        t.values = (size_t)PyArray_DIM(logits, 2);
        t.logits = PyArray_DATA(logits);
        t.codes = PyArray_DATA(codes);
        if (cr_py_run_rows((size_t)shape[0], 0, choose_rows, &t) < 0)
            Py_CLEAR(codes);
    }
    Py_DECREF(logits);
    return (PyObject *)codes;
}

/* ---- the functions ---- */

static const char cell_prune_doc[] =
    "cell_prune(codes, layout, canonical)\n--\n\n"
    "Cells with free edges without the nodes that do nothing, the others moved to the front; with canonical, the same row\n"
    "for all orders of the intermediate nodes. codes: uint8 (n, codes per cell), graph by graph: operations of the\n"
    "intermediate nodes (where they are on nodes), then edges by target and source, 0 for an absent one. layout: a tuple of\n"
    "n_graphs, n_nodes and n_inputs (of a graph), has_output, operations_on_nodes, n_operations, max_edges (or None) and\n"
    "in_degree (or None). See csrc/graph/cell_space.h.";

static const char cell_valid_doc[] =
    "cell_valid(codes, layout)\n--\n\n"
    "Whether rows of codes are cells of the space when they are pruned: bool (n,). Arguments as of cell_prune.";

static const char cell_neighbours_doc[] =
    "cell_neighbours(codes, layout, canonical)\n--\n\n"
    "The cells of the space one step away from pruned cells, and how many each of these has: uint8 (m, codes per cell) and\n"
    "int64 (n,). Some may be equal; with canonical, all are canonical. Arguments as of cell_prune.\n"
    "See csrc/graph/neighbours.h.";

static const char cell_keys_doc[] =
    "cell_keys(codes, cardinalities)\n--\n\n"
    "One integer of at least 0 for each row of codes: the row in mixed radix, or a hash where that exceeds 63 bits.";

static const char cell_different_doc[] =
    "cell_different(codes, keys, counts, own)\n--\n\n"
    "The different ones among groups of cells: of each group, `counts` says how many cells, those with another key than\n"
    "`own`, once each, in the order of their keys. A tuple of codes, keys and counts.";

static const char cell_likely_doc[] =
    "cell_likely(logits, layout)\n--\n\n"
    "The most likely cells by logits (n, codes per cell, values) where each node has a fixed number of edges into it: uint8\n"
    "(n, codes per cell), not pruned. layout: as of cell_prune. See csrc/graph/likely.h.";

static PyMethodDef functions[] = {
    {"cell_likely", (PyCFunction)(void (*)(void))cell_likely, METH_VARARGS | METH_KEYWORDS, cell_likely_doc},
    {"cell_prune", (PyCFunction)(void (*)(void))cell_prune, METH_VARARGS | METH_KEYWORDS, cell_prune_doc},
    {"cell_valid", (PyCFunction)(void (*)(void))cell_valid, METH_VARARGS | METH_KEYWORDS, cell_valid_doc},
    {"cell_neighbours", (PyCFunction)(void (*)(void))cell_neighbours, METH_VARARGS | METH_KEYWORDS, cell_neighbours_doc},
    {"cell_different", (PyCFunction)(void (*)(void))cell_different, METH_VARARGS | METH_KEYWORDS, cell_different_doc},
    {"cell_keys", (PyCFunction)(void (*)(void))cell_keys, METH_VARARGS | METH_KEYWORDS, cell_keys_doc},
    {NULL, NULL, 0, NULL}};

int cr_py_add_cells(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
