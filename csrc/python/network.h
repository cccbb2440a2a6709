/* The parameters of an input-convex network, and its training, for several files of the extension module. */
#ifndef CR_PYTHON_NETWORK_H
#define CR_PYTHON_NETWORK_H

#include "py.h"

#include "../nn/icnn.h"
#include "../optim/adam.h"

typedef struct {
    cr_icnn net;
    cr_tensor **layers;  /* weights, then skips; memory of PyMem */
    PyObject *tuples[2]; /* own the tensors of the layers */
} cr_py_network;

/* Reads the parameters: a tuple (input_weight, input_bias, weights, skips, output_weight, output_skip, output_bias), which
 * the caller keeps while it uses the network. 0, or -1 with an exception. */
int cr_py_read_network(cr_py_state *state, PyObject *parameters, double slope, cr_py_network *network);
void cr_py_release_network(cr_py_network *network);

/* The optimiser of an Adam, borrowed; NULL with an exception. */
cr_adam *cr_py_read_adam(cr_py_state *state, PyObject *object, const char *name);

#endif
