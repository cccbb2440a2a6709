/* What every file of the extension module includes: Python, NumPy and the few helpers they share. */
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

/* What belongs to one copy of the module: its types. */
typedef struct {
    PyTypeObject *tensor, *graph, *adam, *cell_set, *frozen_icnn, *frozen_decoder;
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

/* A new Tensor object; takes over the reference to tensor, also on failure. */
PyObject *cr_py_wrap_tensor(cr_py_state *state, cr_tensor *tensor);

/* A tensor (new reference) from a Tensor, or anything that NumPy makes real numbers of. A float32 or float64 array that
 * is contiguous, aligned, native and writeable is used as it is, without copying; other numbers become `dtype`
 * (an integer, say) or float32 when dtype < 0. NULL with an exception that names the argument. */
cr_tensor *cr_py_tensor_of(cr_py_state *state, PyObject *object, const char *name, int dtype);

/* A NumPy view of a tensor's memory (the array holds a reference to the buffer). */
PyObject *cr_py_array_of(cr_tensor *tensor);

/* One operation applied to Python objects (binary operators). New Tensor or NULL. */
PyObject *cr_py_apply_binary(cr_py_state *state, cr_op op, PyObject *x, PyObject *y);

/* Sets a TypeError for an argument that is not what is wanted; returns NULL. */
PyObject *cr_py_wrong_type(const char *name, const char *expected, PyObject *got);

/* One per binding file: adds that file's functions and types to the module; 0, or -1 with an exception set. */
int cr_py_add_runtime(PyObject *module);
int cr_py_add_random(PyObject *module);
int cr_py_add_tensor(PyObject *module);
int cr_py_add_graph(PyObject *module);
int cr_py_add_linalg(PyObject *module);
int cr_py_add_ops(PyObject *module);
int cr_py_add_optim(PyObject *module);
int cr_py_add_frozen(PyObject *module);
int cr_py_add_search(PyObject *module);
int cr_py_add_nasbench101(PyObject *module);
int cr_py_add_nasbench201(PyObject *module);

#endif
