/* Tensors and operations in one line each, for the C tests. Everything returned is a new reference. */
#ifndef CR_TESTS_TENSORS_H
#define CR_TESTS_TENSORS_H

#include "autodiff/autodiff.h"
#include "autodiff/axes.h"
#include "check.h"
#include "sample.h"

/* A leaf (rows, columns) of numbers in [low, high); columns = 0 makes it (rows,). */
static inline cr_tensor *leaf(cr_dtype dtype, size_t rows, size_t columns, double low, double high)
{
    cr_error err = {""};
    cr_tensor *tensor = NULL;
    const size_t shape[2] = {rows, columns};
    cr_status status = cr_tensor_new(dtype, columns == 0 ? 1 : 2, shape, &tensor, &err);
    CHECK(status == CR_OK, "%s", err.text);
    for (size_t i = 0; status == CR_OK && i < tensor->size; i++)
        cr_store(tensor, i, sample_uniform(low, high));
    if (status == CR_OK)
        tensor->requires_grad = true;
    return tensor;
}

/* The operation on inputs (borrowed), with an optional index, graph and first real. */
static inline cr_status try_apply(cr_op op, size_t n, cr_tensor *const *inputs, cr_index *index, cr_graph *graph,
                                  double real, cr_tensor **out, cr_error *err)
{
    cr_node *node;
    cr_status status = cr_node_new(op, n, &node, err);
    if (status != CR_OK)
        return status;
    for (size_t i = 0; i < n; i++) {
        node->inputs[i] = inputs[i];
        if (inputs[i] != NULL)
            cr_tensor_retain(inputs[i]);
    }
    node->reals[0] = real;
    node->index = index;
    if (index != NULL)
        cr_index_retain(index);
    node->graph = graph;
    if (graph != NULL)
        cr_graph_retain(graph);
    if (op == CR_OP_sum)
        node->integers[0] = CR_ALL_AXES;
    return cr_apply(node, out, err);
}

static inline cr_tensor *apply(cr_op op, cr_tensor *a, cr_tensor *b, double real)
{
    cr_error err = {""};
    cr_tensor *out = NULL, *inputs[2] = {a, b};
    cr_status status = try_apply(op, b == NULL ? 1 : 2, inputs, NULL, NULL, real, &out, &err);
    CHECK(status == CR_OK, "%s: %s", cr_operations[op].name, err.text);
    return out;
}

/* The same, taking over the first input: for chains. */
static inline cr_tensor *then(cr_op op, cr_tensor *a, cr_tensor *b, double real)
{
    cr_tensor *out = apply(op, a, b, real);
    cr_tensor_release(a);
    return out;
}

#endif
