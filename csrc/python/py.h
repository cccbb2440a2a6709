/* Python, NumPy and a few declarations for all files of the extension module. */
#ifndef CR_PYTHON_PY_H
#define CR_PYTHON_PY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifndef NPY_TARGET_VERSION
#define NPY_TARGET_VERSION NPY_1_25_API_VERSION
#endif
#define NPY_NO_DEPRECATED_API NPY_1_25_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL crlso_ARRAY_API
#ifndef CR_PY_IMPORT_ARRAY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include "../core/status.h"

#include "../autodiff/autodiff.h"

/* The state of one copy of the module: its types. */
typedef struct {
    PyTypeObject *tensor, *graph, *adam, *cell_set, *frozen_icnn, *frozen_decoder, *frozen_encoder, *points;
} cr_py_state;

cr_py_state *cr_py_state_of(PyObject *module);
/* The state of the module that defines `object`'s type, or the type it was derived from; NULL with an exception. */
cr_py_state *cr_py_state_of_type(PyTypeObject *type);

typedef struct {
    PyObject_HEAD
    cr_tensor *tensor; /* owned, never NULL in a constructed object */
} TensorObject;

typedef struct {
    PyObject_HEAD
    cr_graph *graph; /* owned, never NULL in a constructed object */
} GraphObject;

/* Sets the Python exception that belongs to a failed status; always returns NULL. */
PyObject *cr_py_raise(cr_status status, const cr_error *err);

/* NumPy's number of a dtype. */
static inline int cr_py_type_number(cr_dtype dtype)
{
    return dtype == CR_F32 ? NPY_FLOAT32 : NPY_FLOAT64;
}

/* Each adds the functions and types of one file to the module; 0, or -1 with an exception set. */
int cr_py_add_runtime(PyObject *module);
int cr_py_add_random(PyObject *module);
int cr_py_add_tensor(PyObject *module);
int cr_py_add_graph(PyObject *module);
int cr_py_add_cells(PyObject *module);
int cr_py_add_features(PyObject *module);
int cr_py_add_linalg(PyObject *module);
int cr_py_add_ops(PyObject *module);
int cr_py_add_optim(PyObject *module);
int cr_py_add_frozen(PyObject *module);
int cr_py_add_encoder(PyObject *module);
int cr_py_add_points(PyObject *module);
int cr_py_add_covariance(PyObject *module);
int cr_py_add_search(PyObject *module);
int cr_py_add_training(PyObject *module);
int cr_py_add_nasbench101(PyObject *module);
int cr_py_add_nasbench201(PyObject *module);

#endif
