/* Training of input-convex networks for Python. */
#include "arguments.h"
#include "network.h"
#include "rows.h"

#include "../search/training.h"

typedef struct {
    cr_py_network network;
    bool convex;
    cr_adam *adam;
    PyArrayObject *z, *y, *rates, *sums;
    cr_training training;
} training_t;

static cr_status train_batches(void *context, size_t begin, size_t end, cr_error *err)
{
    training_t *t = context;
    return cr_icnn_train(&t->network.net, t->convex, t->adam, &t->training, begin, end, err);
}

/* Reads points and targets of the dtype of the network, and a learning rate for each batch; -1 with an exception. */
static int read_training(training_t *t, PyObject *z, PyObject *y, PyObject *rates)
{
    const cr_dtype dtype = t->network.net.input_weight->dtype;
    cr_training *training = &t->training;
    if ((t->z = cr_py_read_rows(z, "z", dtype, SIZE_MAX)) == NULL || (t->y = cr_py_read_rows(y, "y", dtype, 1)) == NULL ||
        (t->rates = cr_py_read_doubles(rates, "rates")) == NULL)
        return -1;
    const size_t rows = (size_t)PyArray_DIM(t->z, 0), n = training->n;
    const size_t per_epoch = n / training->batch + (n % training->batch != 0);
    if (rows % n != 0 || (size_t)PyArray_DIM(t->y, 0) != rows || PyArray_NDIM(t->rates) != 1 ||
        (size_t)PyArray_DIM(t->rates, 0) != rows / n * per_epoch) {
        PyErr_Format(PyExc_ValueError, "train_icnn: expected epochs of %zu points each, a target for each point, and %zu "
                     "rates for each epoch", n, per_epoch);
        return -1;
    }
    const npy_intp epochs = (npy_intp)(rows / n);
    if ((t->sums = (PyArrayObject *)PyArray_ZEROS(1, &epochs, NPY_FLOAT64, 0)) == NULL)
        return -1;
    training->d = (size_t)PyArray_DIM(t->z, 1);
    training->z = PyArray_DATA(t->z);
    training->y = PyArray_DATA(t->y);
    training->rates = PyArray_DATA(t->rates);
    training->sums = PyArray_DATA(t->sums);
    return 0;
}

static PyObject *train_icnn(PyObject *module, PyObject *args)
{
    cr_py_state *state = cr_py_state_of(module);
    PyObject *parameters, *adam, *z, *y, *rates;
    training_t t = {.adam = NULL};
    double slope;
    int convex;
    Py_ssize_t n, batch, first_step;
    if (!PyArg_ParseTuple(args, "OdpOOOnnOn:train_icnn", &parameters, &slope, &convex, &adam, &z, &y, &n, &batch, &rates,
                          &first_step) ||
        (t.adam = cr_py_read_adam(state, adam, "adam")) == NULL)
        return NULL;
    if (n < 1 || batch < 1 || first_step < 0) {
        PyErr_SetString(PyExc_ValueError, "train_icnn: expected n >= 1, batch >= 1 and first_step >= 0");
        return NULL;
    }
    t.convex = convex != 0;
    t.training = (cr_training){.n = (size_t)n, .batch = (size_t)batch, .first_step = (size_t)first_step};
    if (cr_py_read_network(state, parameters, slope, &t.network) < 0)
        return NULL;
    if (read_training(&t, z, y, rates) < 0 ||
        cr_py_run_rows((size_t)PyArray_DIM(t.rates, 0), 0, train_batches, &t) < 0)
        Py_CLEAR(t.sums);
    Py_XDECREF(t.z);
    Py_XDECREF(t.y);
    Py_XDECREF(t.rates);
    cr_py_release_network(&t.network);
    return (PyObject *)t.sums;
}

static PyMethodDef functions[] = {
    {"train_icnn", train_icnn, METH_VARARGS,
     PyDoc_STR("train_icnn(parameters, slope, convex, adam, z, y, n, batch, rates, first_step, /)\n--\n\n"
               "Train an input-convex network by its mean squared error on batches of consecutive points.\n\n"
               "parameters, slope and convex are as in FrozenICNN; adam has the same parameters. z (epochs * n, d) has the\n"
               "points, n in each epoch, and y (epochs * n, 1) their targets. Each batch has one of the rates. Returns the\n"
               "sums of the squared errors of each epoch (epochs,), each before the step of its batch. RuntimeError when a\n"
               "loss is not finite; messages count steps from first_step.")},
    {NULL, NULL, 0, NULL}};

int cr_py_add_training(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
