/* Functions nb201_* of crlso._core: arrays of cells of NAS-Bench-201. */
#include "arguments.h"

#include <string.h>

#include "../graph/nasbench201.h"

#define EDGES CR_NB201_EDGES

/* A private copy of valid codes of shape (n, 6), or (6,) when single. New reference, or NULL with an exception set. */
static PyArrayObject *read_codes(PyObject *object, int single)
{
    PyArrayObject *codes = cr_py_copy_array(object, "codes", NPY_UINT8, single ? 1 : 2, EDGES);
    if (codes == NULL)
        return NULL;
    const uint8_t *data = PyArray_DATA(codes);
    npy_intp size = PyArray_SIZE(codes);
    for (npy_intp i = 0; i < size; i++)
        if (data[i] >= CR_NB201_OPS) {
            PyErr_Format(PyExc_ValueError, "codes: expected values 0 to %d, got %d in cell %zd, edge %d",
                         CR_NB201_OPS - 1, (int)data[i], (Py_ssize_t)(i / EDGES), (int)(i % EDGES));
            Py_DECREF(codes);
            return NULL;
        }
    return codes;
}

/* *table = the class table of the level named by a str; 0, or -1 with an exception set. */
static int read_class_table(PyObject *object, const uint16_t **table)
{
    if (!PyUnicode_Check(object)) {
        cr_py_wrong_type("level", "'function' or 'isomorphism'", object);
        return -1;
    }
    cr_nb201_level level;
    if (PyUnicode_CompareWithASCIIString(object, "function") == 0) {
        level = CR_NB201_FUNCTION;
    } else if (PyUnicode_CompareWithASCIIString(object, "isomorphism") == 0) {
        level = CR_NB201_ISOMORPHISM;
    } else {
        PyErr_Format(PyExc_ValueError, "level: expected 'function' or 'isomorphism', got %.100R", object);
        return -1;
    }
    cr_error err;
    cr_status status = cr_nb201_classes(level, table, &err);
    if (status != CR_OK) {
        cr_py_raise(status, &err);
        return -1;
    }
    return 0;
}

static PyObject *new_codes(npy_intp n)
{
    npy_intp shape[2] = {n, EDGES};
    return PyArray_SimpleNew(2, shape, NPY_UINT8);
}

PyDoc_STRVAR(parse_doc, "nb201_parse(text, /)\n--\n\nCodes, uint8 (6,), of an official cell string; ValueError names "
                        "the position of the first character that does not fit.");

static PyObject *nb201_parse(PyObject *Py_UNUSED(module), PyObject *text)
{
    if (!PyUnicode_Check(text))
        return cr_py_wrong_type("text", "a str", text);
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    if (bytes == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            return NULL;
        PyErr_Clear();
        PyErr_SetString(PyExc_ValueError, "cell string: expected text, got a str with lone surrogates");
        return NULL;
    }
    uint8_t codes[EDGES];
    cr_error err;
    cr_status status = cr_nb201_parse(bytes, (size_t)length, codes, &err);
    if (status != CR_OK)
        return cr_py_raise(status, &err);
    npy_intp shape[1] = {EDGES};
    PyObject *out = PyArray_SimpleNew(1, shape, NPY_UINT8);
    if (out != NULL)
        memcpy(PyArray_DATA((PyArrayObject *)out), codes, sizeof codes);
    return out;
}

PyDoc_STRVAR(format_doc, "nb201_format(codes, /)\n--\n\nList of the n official strings of codes, uint8 (n, 6).");

static PyObject *nb201_format(PyObject *Py_UNUSED(module), PyObject *object)
{
    PyArrayObject *codes = read_codes(object, 0);
    if (codes == NULL)
        return NULL;
    npy_intp n = PyArray_DIM(codes, 0);
    const uint8_t *data = PyArray_DATA(codes);
    PyObject *list = PyList_New(n);
    for (npy_intp i = 0; list != NULL && i < n; i++) {
        char text[CR_NB201_STRING_SIZE];
        size_t length = 0;
        cr_error err;
        cr_status status = cr_nb201_format(data + EDGES * i, text, &length, &err);
        PyObject *item = status == CR_OK ? PyUnicode_FromStringAndSize(text, (Py_ssize_t)length)
                                         : cr_py_raise(status, &err);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, item);
    }
    Py_DECREF(codes);
    return list;
}

/* ranks[i] = the rank of cell i, through the class table when there is one. */
static cr_status write_ranks(const uint8_t *codes, npy_intp n, const uint16_t *table, npy_int64 *ranks, cr_error *err)
{
    for (npy_intp i = 0; i < n; i++) {
        uint32_t rank;
        cr_status status = cr_nb201_rank(codes + EDGES * i, &rank, err);
        if (status != CR_OK)
            return status;
        ranks[i] = table != NULL ? table[rank] : rank;
    }
    return CR_OK;
}

static PyObject *new_ranks(PyObject *object, const uint16_t *table)
{
    PyArrayObject *codes = read_codes(object, 0);
    if (codes == NULL)
        return NULL;
    npy_intp n = PyArray_DIM(codes, 0);
    PyObject *out = PyArray_SimpleNew(1, &n, NPY_INT64);
    if (out != NULL) {
        cr_error err;
        cr_status status;
        npy_int64 *ranks = PyArray_DATA((PyArrayObject *)out);
        Py_BEGIN_ALLOW_THREADS
        status = write_ranks(PyArray_DATA(codes), n, table, ranks, &err);
        Py_END_ALLOW_THREADS
        if (status != CR_OK) {
            Py_CLEAR(out);
            cr_py_raise(status, &err);
        }
    }
    Py_DECREF(codes);
    return out;
}

PyDoc_STRVAR(rank_doc, "nb201_rank(codes, /)\n--\n\nint64 (n,): the number that codes, uint8 (n, 6), spell in base 5.");

static PyObject *nb201_rank(PyObject *Py_UNUSED(module), PyObject *object)
{
    return new_ranks(object, NULL);
}

PyDoc_STRVAR(codes_doc,
             "nb201_codes(rank, /)\n--\n\nuint8 (n, 6): the cells of ranks, int64 (n,), each in [0, 15625).");

static PyObject *nb201_codes(PyObject *Py_UNUSED(module), PyObject *object)
{
    PyArrayObject *ranks = cr_py_copy_array(object, "rank", NPY_INT64, 1, -1);
    if (ranks == NULL)
        return NULL;
    npy_intp n = PyArray_DIM(ranks, 0);
    const npy_int64 *data = PyArray_DATA(ranks);
    PyObject *out = new_codes(n);
    for (npy_intp i = 0; out != NULL && i < n; i++) {
        cr_error err;
        uint32_t rank = data[i] < 0 || data[i] >= CR_NB201_CELLS ? CR_NB201_CELLS : (uint32_t)data[i];
        uint8_t *row = (uint8_t *)PyArray_DATA((PyArrayObject *)out) + EDGES * i;
        if (cr_nb201_unrank(rank, row, &err) != CR_OK) {
            PyErr_Format(PyExc_IndexError, "rank: expected 0 to %d, got %lld at position %zd", CR_NB201_CELLS - 1,
                         (long long)data[i], (Py_ssize_t)i);
            Py_CLEAR(out);
        }
    }
    Py_DECREF(ranks);
    return out;
}

PyDoc_STRVAR(class_doc,
             "nb201_class(codes, level, /)\n--\n\nint64 (n,): the key of each cell's class at level 'function' or "
             "'isomorphism', which is the rank of the class's representative.");

static PyObject *nb201_class(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    const uint16_t *table;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "nb201_class: expected 2 arguments, got %zd", nargs);
    return read_class_table(args[1], &table) < 0 ? NULL : new_ranks(args[0], table);
}

PyDoc_STRVAR(representative_doc,
             "nb201_representative(codes, level, /)\n--\n\nuint8 (n, 6): the representative of each cell's class, its "
             "member with the fewest edges that are not none, then the fewest that are not skip_connect either, then "
             "the smallest rank.");

static PyObject *nb201_representative(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "nb201_representative: expected 2 arguments, got %zd", nargs);
    PyObject *keys = nb201_class(module, args, nargs);
    if (keys == NULL)
        return NULL;
    PyObject *out = nb201_codes(module, keys);
    Py_DECREF(keys);
    return out;
}

PyDoc_STRVAR(one_hot_doc, "nb201_one_hot(codes, /)\n--\n\nfloat32 (n, 6, 5): 1 at each edge's operation, else 0.");

static PyObject *nb201_one_hot(PyObject *Py_UNUSED(module), PyObject *object)
{
    PyArrayObject *codes = read_codes(object, 0);
    if (codes == NULL)
        return NULL;
    npy_intp n = PyArray_DIM(codes, 0);
    npy_intp shape[3] = {n, EDGES, CR_NB201_OPS};
    PyObject *out = PyArray_ZEROS(3, shape, NPY_FLOAT32, 0);
    if (out != NULL) {
        const uint8_t *data = PyArray_DATA(codes);
        float *hot = PyArray_DATA((PyArrayObject *)out);
        Py_BEGIN_ALLOW_THREADS
        for (npy_intp i = 0; i < n * EDGES; i++)
            hot[CR_NB201_OPS * i + data[i]] = 1.0f;
        Py_END_ALLOW_THREADS
    }
    Py_DECREF(codes);
    return out;
}

/* The cast through void (*)(void) is the documented way to store a METH_FASTCALL function. */
#define FASTCALL(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef functions[] = {
    {"nb201_parse", nb201_parse, METH_O, parse_doc},
    {"nb201_format", nb201_format, METH_O, format_doc},
    {"nb201_rank", nb201_rank, METH_O, rank_doc},
    {"nb201_codes", nb201_codes, METH_O, codes_doc},
    {"nb201_class", FASTCALL(nb201_class), METH_FASTCALL, class_doc},
    {"nb201_representative", FASTCALL(nb201_representative), METH_FASTCALL, representative_doc},
    {"nb201_one_hot", nb201_one_hot, METH_O, one_hot_doc},
    {NULL, NULL, 0, NULL},
};

int cr_py_add_nasbench201(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
