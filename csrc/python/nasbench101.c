/* Functions of crlso._core for NAS-Bench-101: hashes and channels of cells, and the checksum of its files. */
#include "arguments.h"

#include "../core/crc32c.h"
#include "../graph/nasbench101.h"
#include "rows.h"

PyDoc_STRVAR(hash_doc, "nb101_hash(codes, /)\n--\n\nuint8 (n, 16): the MD5 hashes by which NAS-Bench-101 names the "
                       "pruned cells of codes, uint8 (n, 26).");

typedef struct {
    const uint8_t *codes;
    uint8_t (*hashes)[CR_MD5_SIZE];
} hashing_t;

static cr_status hash_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const hashing_t *h = context;
    return cr_nb101_hash(h->codes + begin * CR_NB101_CODES, end - begin, h->hashes + begin, err);
}

static cr_status check_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const hashing_t *h = context;
    return cr_nb101_check(h->codes, begin, end, err);
}

static PyObject *nb101_hash(PyObject *Py_UNUSED(module), PyObject *object)
{
    PyArrayObject *codes = cr_py_copy_array(object, "codes", NPY_UINT8, 2, CR_NB101_CODES);
    if (codes == NULL)
        return NULL;
    npy_intp shape[2] = {PyArray_DIM(codes, 0), CR_MD5_SIZE};
    PyObject *out = PyArray_SimpleNew(2, shape, NPY_UINT8);
    if (out != NULL) {
        hashing_t hashing = {PyArray_DATA(codes), PyArray_DATA((PyArrayObject *)out)};
        if (cr_py_run_rows((size_t)shape[0], 0, check_rows, &hashing) < 0 ||
            cr_py_run_rows((size_t)shape[0], 0, hash_rows, &hashing) < 0)
            Py_CLEAR(out);
    }
    Py_DECREF(codes);
    return out;
}

PyDoc_STRVAR(channels_doc, "nb101_channels(codes, /)\n--\n\nThe channels of each inner vertex, float64 (n, 5), and 0.001 "
                           "more than the weights, float64 (n,), of the networks of cells, uint8 (n, 26).");

typedef struct {
    const uint8_t *codes;
    double (*channels)[CR_NB101_INNER], *weights;
} networks_t;

static cr_status find_rows(void *context, size_t begin, size_t end, cr_error *err)
{
    const networks_t *t = context;
    return cr_nb101_channels(t->codes, begin, end, t->channels, t->weights, err);
}

static PyObject *nb101_channels(PyObject *Py_UNUSED(module), PyObject *object)
{
    PyArrayObject *codes = cr_py_copy_array(object, "codes", NPY_UINT8, 2, CR_NB101_CODES);
    if (codes == NULL)
        return NULL;
    npy_intp shape[2] = {PyArray_DIM(codes, 0), CR_NB101_INNER};
    PyObject *channels = PyArray_SimpleNew(2, shape, NPY_FLOAT64), *weights = PyArray_SimpleNew(1, shape, NPY_FLOAT64);
    PyObject *out = NULL;
    if (channels != NULL && weights != NULL) {
        networks_t networks = {PyArray_DATA(codes), PyArray_DATA((PyArrayObject *)channels),
                               PyArray_DATA((PyArrayObject *)weights)};
        if (cr_py_run_rows((size_t)shape[0], 0, find_rows, &networks) == 0)
            out = PyTuple_Pack(2, channels, weights);
    }
    Py_XDECREF(channels);
    Py_XDECREF(weights);
    Py_DECREF(codes);
    return out;
}

PyDoc_STRVAR(crc32c_doc, "crc32c(data, /)\n--\n\nThe CRC-32C of a bytes-like object.");

static PyObject *crc32c(PyObject *Py_UNUSED(module), PyObject *object)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    const uint32_t crc = cr_crc32c(view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLong(crc);
}

static PyMethodDef functions[] = {
    {"nb101_hash", nb101_hash, METH_O, hash_doc},
    {"nb101_channels", nb101_channels, METH_O, channels_doc},
    {"crc32c", crc32c, METH_O, crc32c_doc},
    {NULL, NULL, 0, NULL},
};

int cr_py_add_nasbench101(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
