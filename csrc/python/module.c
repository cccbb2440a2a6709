/* The extension module crlso._core: its state, its initialisation, and functions about the run time. */
#define CR_PY_IMPORT_ARRAY
#include "arguments.h"

#include "../core/blas.h"
#include "../core/kernels.h"
#include "../core/threads.h"

PyObject *cr_py_raise(cr_status status, const cr_error *err)
{
    PyObject *type = PyExc_RuntimeError;
    switch (status) {
    case CR_OK:
    case CR_ERR_STATE: break;
    case CR_ERR_MEMORY: type = PyExc_MemoryError; break;
    case CR_ERR_VALUE: type = PyExc_ValueError; break;
    case CR_ERR_TYPE: type = PyExc_TypeError; break;
    case CR_ERR_INDEX: type = PyExc_IndexError; break;
    case CR_ERR_OVERFLOW: type = PyExc_OverflowError; break;
    }
    PyErr_SetString(type, err->text);
    return NULL;
}

static PyObject *set_num_threads(PyObject *module, PyObject *argument)
{
    (void)module;
    cr_error err;
    int overflow;
    if (PyBool_Check(argument) || !PyLong_Check(argument))
        return cr_py_wrong_type("n", "an integer", argument);
    long n = PyLong_AsLongAndOverflow(argument, &overflow);
    if (overflow != 0 || n > CR_MAX_THREADS || n < 1)
        return PyErr_Format(PyExc_ValueError, "n: expected 1 to %d threads, got %S", CR_MAX_THREADS, argument);
    cr_status status;
    Py_BEGIN_ALLOW_THREADS /* waits for a job of another thread to end */
    status = cr_threads_set((int)n, &err);
    Py_END_ALLOW_THREADS
    if (status != CR_OK)
        return cr_py_raise(status, &err);
    Py_RETURN_NONE;
}

static PyObject *get_num_threads(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    return PyLong_FromLong(cr_threads_get());
}

static PyObject *pool_stats(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    cr_pool_statistics s = cr_pool_stats();
    return Py_BuildValue("{s:K,s:n,s:n}", "system_allocations", (unsigned long long)s.system_allocations,
                         "live_bytes", (Py_ssize_t)s.live_bytes, "pooled_bytes", (Py_ssize_t)s.pooled_bytes);
}

static PyObject *pool_trim(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    cr_pool_trim();
    Py_RETURN_NONE;
}

static PyObject *fma_peak(PyObject *module, PyObject *argument)
{
    (void)module;
    double seconds, peak = 0;
    if (cr_py_read_double(argument, "seconds", &seconds) < 0)
        return NULL;
    if (!(seconds >= 0 && seconds <= 60))
        return PyErr_Format(PyExc_ValueError, "seconds: expected a number from 0 to 60, got %R", argument);
    do { /* signals are handled every 100 ms */
        double part = seconds < 0.1 ? seconds : 0.1, found;
        Py_BEGIN_ALLOW_THREADS
        found = cr_fma_peak(part);
        Py_END_ALLOW_THREADS
        peak = found > peak ? found : peak;
        seconds -= part;
        if (PyErr_CheckSignals() < 0)
            return NULL;
    } while (seconds > 0);
    return PyFloat_FromDouble(peak);
}

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

static PyObject *runtime_info(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    return Py_BuildValue("{s:s,s:s,s:s,s:s,s:s,s:i}", "version", CRLSO_VERSION, "compiler", COMPILER, "blas",
                         cr_blas_config(), "blas_kernel", cr_blas_core(), "isa", cr_kernels_isa(), "threads",
                         cr_threads_get());
}

static PyMethodDef runtime_functions[] = {
    {"set_num_threads", set_num_threads, METH_O,
     PyDoc_STR("set_num_threads(n, /)\n--\n\nUse n threads (1 to 256). Results do not depend on it.")},
    {"get_num_threads", get_num_threads, METH_NOARGS,
     PyDoc_STR("get_num_threads()\n--\n\nThe number of threads in use.")},
    {"pool_stats", pool_stats, METH_NOARGS,
     PyDoc_STR("pool_stats()\n--\n\nThe buffer pool: system_allocations so far, live_bytes, pooled_bytes.")},
    {"pool_trim", pool_trim, METH_NOARGS, PyDoc_STR("pool_trim()\n--\n\nGive pooled memory back to the system.")},
    {"runtime_info", runtime_info, METH_NOARGS,
     PyDoc_STR("runtime_info()\n--\n\nA dict: version, compiler, blas, blas_kernel, isa, threads.")},
    {"fma_peak", fma_peak, METH_O,
     PyDoc_STR("fma_peak(seconds, /)\n--\n\nWhat products are compared with in benchmarks: the float32 operations per\n"
               "second that multiply-adds between registers reach on one thread, the best of about `seconds` (0 to 60)\n"
               "of trying.")},
    {NULL, NULL, 0, NULL}};

int cr_py_add_runtime(PyObject *module)
{
    return PyModule_AddFunctions(module, runtime_functions);
}

static int import_numpy(void)
{
    import_array1(-1);
    return 0;
}

/* One thread pool and one buffer pool serve the whole process, NumPy works in the main interpreter only, and a thread
 * that releases an array finds no way back into another interpreter. From 3.12 on, Python can be told to refuse; but not
 * every sub-interpreter asks. */
static int expect_main_interpreter(void)
{
    if (PyInterpreterState_Get() == PyInterpreterState_Main())
        return 0;
    PyErr_SetString(PyExc_ImportError, "module crlso._core does not support loading in subinterpreters");
    return -1;
}

static int initialise_module(PyObject *module)
{
    if (expect_main_interpreter() < 0 || import_numpy() < 0)
        return -1;
    cr_blas_init();
    cr_error err;
    cr_status status = cr_kernels_check(&err);
    if (status == CR_OK)
        status = cr_threads_init(&err);
    if (status != CR_OK) {
        cr_py_raise(status, &err);
        return -1;
    }
    int (*const parts[])(PyObject *) = {cr_py_add_runtime, cr_py_add_random, cr_py_add_tensor, cr_py_add_graph,
                                        cr_py_add_ops, cr_py_add_optim, cr_py_add_linalg, cr_py_add_frozen, cr_py_add_encoder,
                                        cr_py_add_points, cr_py_add_covariance, cr_py_add_training,
                                        cr_py_add_search, cr_py_add_cells, cr_py_add_features, cr_py_add_nasbench101, cr_py_add_nasbench201};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i](module) < 0)
            return -1;
    return 0;
}

static int traverse_state(PyObject *module, visitproc visit, void *arg)
{
    cr_py_state *state = PyModule_GetState(module);
    Py_VISIT(state->tensor);
    Py_VISIT(state->graph);
    Py_VISIT(state->adam);
    Py_VISIT(state->cell_set);
    Py_VISIT(state->frozen_icnn);
    Py_VISIT(state->frozen_decoder);
    Py_VISIT(state->frozen_encoder);
    Py_VISIT(state->points);
    return 0;
}

static int clear_state(PyObject *module)
{
    cr_py_state *state = PyModule_GetState(module);
    Py_CLEAR(state->tensor);
    Py_CLEAR(state->graph);
    Py_CLEAR(state->adam);
    Py_CLEAR(state->cell_set);
    Py_CLEAR(state->frozen_icnn);
    Py_CLEAR(state->frozen_decoder);
    Py_CLEAR(state->frozen_encoder);
    Py_CLEAR(state->points);
    return 0;
}

static void free_state(void *module)
{
    clear_state(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, initialise_module},
#ifdef Py_mod_multiple_interpreters /* from 3.12 on */
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#ifdef Py_mod_gil /* from 3.13 on */
    {Py_mod_gil, Py_MOD_GIL_USED}, /* objects rely on the GIL: CellSet, for one, has no lock */
#endif
    {0, NULL}};

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "crlso._core",
    .m_doc = "The C core of crlso: tensors with gradients, operations, optimisers, cells and search kernels.",
    .m_size = sizeof(cr_py_state),
    .m_slots = module_slots,
    .m_traverse = traverse_state,
    .m_clear = clear_state,
    .m_free = free_state,
};

cr_py_state *cr_py_state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

#if PY_VERSION_HEX < 0x030B0000
#define PyType_GetModuleByDef _PyType_GetModuleByDef /* its name in 3.10 */
#endif

cr_py_state *cr_py_state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &module_definition);
    return module == NULL ? NULL : PyModule_GetState(module);
}

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_definition);
}
