/* Tensors and the graph of operations that made them.
 *
 * A tensor is a contiguous array of float32 or float64 over a shared buffer. When an operation's input requires a
 * gradient, the output keeps a node: the operation, its inputs and the data that backward needs. Tensors are
 * reference-counted. Releasing the last reference to an output also releases the nodes that made it, without recursion.
 */
#ifndef CR_AUTODIFF_TENSOR_H
#define CR_AUTODIFF_TENSOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../core/buffer.h"
#include "../core/dtype.h"
#include "../core/status.h"
#include "graph.h"
#include "index.h"

#define CR_MAX_NDIM 4
#define CR_MAX_ATTRIBUTES 6

typedef struct cr_node cr_node;
typedef struct cr_tensor cr_tensor;

struct cr_tensor {
    atomic_int references;
    cr_dtype dtype;
    int ndim;
    bool requires_grad;
    bool nonnegative;       /* optimisers project this parameter onto w >= 0 */
    size_t shape[CR_MAX_NDIM];
    size_t size;            /* number of elements */
    cr_buffer *buffer;      /* owned reference */
    void *data;             /* inside the buffer */
    cr_tensor *grad;        /* owned; NULL until backward reaches this leaf */
    cr_node *node;          /* owned; NULL for leaves */
    uint64_t order;         /* creation number: an input is always older than its output */
    uint64_t pass;          /* the backward pass that last visited this tensor */
    cr_tensor *next;        /* work list of cr_tensor_release */
};

struct cr_node {
    int op;                 /* cr_op */
    size_t n_inputs;
    cr_tensor **inputs;     /* owned references; an optional input that was not given is NULL */
    cr_index *index;        /* owned or NULL */
    cr_graph *graph;        /* owned or NULL */
    double reals[2];
    int64_t integers[CR_MAX_ATTRIBUTES];
    size_t n_integers;
    cr_buffer *saved[2];    /* owned; data that forward keeps for backward */
    uint64_t versions;      /* of the buffers that backward reads, added up when the node was recorded */
    cr_tensor *inline_inputs[4];
};

/* A new uninitialised tensor, reference count 1. CR_ERR_VALUE for too many dimensions, CR_ERR_OVERFLOW for a size that
 * does not fit, CR_ERR_MEMORY. */
CR_MUST_USE cr_status cr_tensor_new(cr_dtype dtype, int ndim, const size_t *shape, cr_tensor **out, cr_error *err);

/* A new tensor over `data` inside `buffer`, reference count 1. It takes a reference to the buffer. */
CR_MUST_USE cr_status cr_tensor_view(cr_buffer *buffer, void *data, cr_dtype dtype, int ndim, const size_t *shape,
                                     cr_tensor **out, cr_error *err);

void cr_tensor_retain(cr_tensor *tensor);
void cr_tensor_release(cr_tensor *tensor); /* NULL is allowed */

/* *out = the number of elements of a shape. CR_ERR_OVERFLOW when it, or the number of bytes, does not fit a size. */
CR_MUST_USE cr_status cr_shape_size(int ndim, const size_t *shape, cr_dtype dtype, size_t *out, cr_error *err);
bool cr_same_shape(const cr_tensor *a, const cr_tensor *b);

/* Writes a shape such as "(3, 4)" into text, for messages, and returns text. */
const char *cr_shape_text(int ndim, const size_t *shape, char *text, size_t size);

/* The address of element `element`, counted in C order. */
static inline void *cr_tensor_element(const cr_tensor *tensor, size_t element)
{
    return cr_element(tensor->data, element, tensor->dtype);
}

/* Writes or reads one element of a tensor as a double. */
void cr_store(cr_tensor *tensor, size_t element, double value);
double cr_load(const cr_tensor *tensor, size_t element);

/* A new node with n_inputs inputs, all NULL. The caller fills them. */
CR_MUST_USE cr_status cr_node_new(int op, size_t n_inputs, cr_node **out, cr_error *err);
void cr_node_release(cr_node *node);

#endif
