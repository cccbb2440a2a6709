#include "tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint_fast64_t creation_counter = 1;

cr_status cr_shape_size(int ndim, const size_t *shape, cr_dtype dtype, size_t *out, cr_error *err)
{
    if (ndim < 0 || ndim > CR_MAX_NDIM)
        return cr_fail(err, CR_ERR_VALUE, "expected at most %d dimensions, got %d", CR_MAX_NDIM, ndim);
    size_t size = 1, bytes;
    for (int d = 0; d < ndim; d++) {
        cr_status status = cr_size_multiply(size, shape[d], &size, "tensor size", err);
        if (status != CR_OK)
            return status;
    }
    cr_status status = cr_size_multiply(size, cr_dtype_size(dtype), &bytes, "tensor size in bytes", err);
    if (status != CR_OK)
        return status;
    if (bytes > PTRDIFF_MAX)
        return cr_fail(err, CR_ERR_OVERFLOW, "tensor of %zu bytes exceeds the address space", bytes);
    *out = size;
    return CR_OK;
}

cr_status cr_tensor_view(cr_buffer *buffer, void *data, cr_dtype dtype, int ndim, const size_t *shape, cr_tensor **out,
                         cr_error *err)
{
    size_t size;
    cr_status status = cr_shape_size(ndim, shape, dtype, &size, err);
    if (status != CR_OK)
        return status;
    cr_tensor *tensor = calloc(1, sizeof *tensor);
    if (tensor == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a tensor");
    atomic_init(&tensor->references, 1);
    tensor->dtype = dtype;
    tensor->ndim = ndim;
    for (int d = 0; d < ndim; d++)
        tensor->shape[d] = shape[d];
    tensor->size = size;
    cr_buffer_retain(buffer);
    tensor->buffer = buffer;
    tensor->data = data;
    tensor->order = atomic_fetch_add_explicit(&creation_counter, 1, memory_order_relaxed);
    *out = tensor;
    return CR_OK;
}

cr_status cr_tensor_new(cr_dtype dtype, int ndim, const size_t *shape, cr_tensor **out, cr_error *err)
{
    size_t size;
    cr_buffer *buffer;
    cr_status status = cr_shape_size(ndim, shape, dtype, &size, err);
    if (status != CR_OK)
        return status;
    status = cr_buffer_new(size * cr_dtype_size(dtype), &buffer, err);
    if (status != CR_OK)
        return status;
    status = cr_tensor_view(buffer, cr_buffer_data(buffer), dtype, ndim, shape, out, err);
    cr_buffer_release(buffer); /* the tensor holds its own reference */
    return status;
}

void cr_tensor_retain(cr_tensor *tensor)
{
    atomic_fetch_add_explicit(&tensor->references, 1, memory_order_relaxed);
}

/* Drops one reference; a tensor that nobody holds any more is put on the work list. */
static void drop(cr_tensor *tensor, cr_tensor **work)
{
    if (tensor == NULL || atomic_fetch_sub_explicit(&tensor->references, 1, memory_order_acq_rel) != 1)
        return;
    tensor->next = *work;
    *work = tensor;
}

static void free_node(cr_node *node, cr_tensor **work)
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->n_inputs; i++)
        drop(node->inputs[i], work);
    cr_buffer_release(node->saved[0]);
    cr_buffer_release(node->saved[1]);
    cr_index_release(node->index);
    cr_graph_release(node->graph);
    if (node->inputs != node->inline_inputs)
        free(node->inputs);
    free(node);
}

static void free_all(cr_tensor *work)
{
    while (work != NULL) {
        cr_tensor *tensor = work;
        work = tensor->next;
        drop(tensor->grad, &work);
        free_node(tensor->node, &work);
        cr_buffer_release(tensor->buffer);
        free(tensor);
    }
}

void cr_tensor_release(cr_tensor *tensor)
{
    cr_tensor *work = NULL;
    drop(tensor, &work);
    free_all(work);
}

void cr_node_release(cr_node *node)
{
    cr_tensor *work = NULL;
    free_node(node, &work);
    free_all(work);
}

bool cr_same_shape(const cr_tensor *a, const cr_tensor *b)
{
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0;
}

const char *cr_shape_text(int ndim, const size_t *shape, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (int d = 0; d < ndim && used < size; d++)
        used += (size_t)snprintf(text + used, size - used, "%zu%s", shape[d], d + 1 < ndim ? ", " : "");
    if (used < size)
        snprintf(text + used, size - used, ndim == 1 ? ",)" : ")");
    return text;
}

cr_status cr_node_new(int op, size_t n_inputs, cr_node **out, cr_error *err)
{
    cr_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a graph node");
    node->op = op;
    node->n_inputs = n_inputs;
    node->inputs = node->inline_inputs;
    if (n_inputs > sizeof node->inline_inputs / sizeof *node->inline_inputs) {
        node->inputs = calloc(n_inputs, sizeof *node->inputs);
        if (node->inputs == NULL) {
            free(node);
            return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a graph node of %zu inputs", n_inputs);
        }
    }
    *out = node;
    return CR_OK;
}

cr_status cr_index_new(const int64_t *values, int ndim, const size_t *shape, cr_index **out, cr_error *err)
{
    cr_status status;
    cr_index *index = calloc(1, sizeof *index);
    if (index == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate an index");
    atomic_init(&index->references, 1);
    index->ndim = ndim;
    index->size = 1;
    index->largest = -1;
    if (ndim < 1 || ndim > 2) {
        status = cr_fail(err, CR_ERR_VALUE, "index: expected 1 or 2 dimensions, got %d", ndim);
        goto fail;
    }
    for (int d = 0; d < ndim; d++) {
        index->shape[d] = shape[d];
        CR_TRY(cr_size_multiply(index->size, shape[d], &index->size, "index size", err));
    }
    size_t bytes;
    CR_TRY(cr_size_multiply(index->size, sizeof(int32_t), &bytes, "index size", err));
    CR_TRY(cr_buffer_new(bytes, &index->buffer, err));
    index->data = cr_buffer_data(index->buffer);
    for (size_t i = 0; i < index->size; i++) {
        if (values[i] < 0 || values[i] > INT32_MAX) {
            status = cr_fail(err, CR_ERR_INDEX, "index: expected values in [0, %d], got %lld at position %zu",
                             INT32_MAX, (long long)values[i], i);
            goto fail;
        }
        index->data[i] = (int32_t)values[i];
        if (index->data[i] > index->largest)
            index->largest = index->data[i];
    }
    *out = index;
    return CR_OK;
fail:
    cr_index_release(index);
    return status;
}

void cr_index_retain(cr_index *index)
{
    atomic_fetch_add_explicit(&index->references, 1, memory_order_relaxed);
}

void cr_index_release(cr_index *index)
{
    if (index == NULL || atomic_fetch_sub_explicit(&index->references, 1, memory_order_acq_rel) != 1)
        return;
    cr_buffer_release(index->buffer);
    free(index);
}

cr_status cr_graph_new(size_t n_graphs, size_t n_nodes, size_t n_edges, size_t n_types, cr_graph **out, cr_error *err)
{
    if (n_graphs >= INT32_MAX || n_nodes >= INT32_MAX || n_edges >= INT32_MAX || n_types >= INT32_MAX)
        return cr_fail(err, CR_ERR_OVERFLOW, "graph batch: more than %d graphs, nodes, edges or types", INT32_MAX - 1);
    cr_graph *graph = calloc(1, sizeof *graph);
    if (graph == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a graph batch");
    size_t words = (n_graphs + 1) + (n_nodes + 1) + 2 * n_edges; /* < 2^34 */
    cr_status status = cr_buffer_new(words * sizeof(int32_t), &graph->buffer, err);
    if (status != CR_OK) {
        free(graph);
        return status;
    }
    atomic_init(&graph->references, 1);
    graph->n_graphs = n_graphs;
    graph->n_nodes = n_nodes;
    graph->n_edges = n_edges;
    graph->n_types = n_types;
    graph->node_offsets = cr_buffer_data(graph->buffer);
    graph->edge_offsets = graph->node_offsets + n_graphs + 1;
    graph->sources = graph->edge_offsets + n_nodes + 1;
    graph->types = graph->sources + n_edges;
    *out = graph;
    return CR_OK;
}

static cr_status check_offsets(const int32_t *offsets, size_t n, size_t total, const char *name, cr_error *err)
{
    if (offsets[0] != 0 || (size_t)offsets[n] != total)
        return cr_fail(err, CR_ERR_VALUE, "%s: expected to run from 0 to %zu, got %d to %d", name, total, offsets[0],
                       offsets[n]);
    for (size_t i = 0; i < n; i++)
        if (offsets[i] > offsets[i + 1])
            return cr_fail(err, CR_ERR_VALUE, "%s: expected non-decreasing values, got %d then %d at position %zu",
                           name, offsets[i], offsets[i + 1], i);
    return CR_OK;
}

cr_status cr_graph_check(const cr_graph *graph, cr_error *err)
{
    cr_status status = check_offsets(graph->node_offsets, graph->n_graphs, graph->n_nodes, "node_offsets", err);
    if (status != CR_OK)
        return status;
    status = check_offsets(graph->edge_offsets, graph->n_nodes, graph->n_edges, "edge_offsets", err);
    if (status != CR_OK)
        return status;
    for (size_t g = 0; g < graph->n_graphs; g++) {
        int32_t first = graph->node_offsets[g], last = graph->node_offsets[g + 1];
        for (int32_t e = graph->edge_offsets[first]; e < graph->edge_offsets[last]; e++) {
            if (graph->sources[e] < first || graph->sources[e] >= last)
                return cr_fail(err, CR_ERR_INDEX, "sources: edge %d of graph %zu starts at node %d, outside [%d, %d)",
                               e, g, graph->sources[e], first, last);
            if (graph->types[e] < 0 || (size_t)graph->types[e] >= graph->n_types)
                return cr_fail(err, CR_ERR_INDEX, "types: edge %d has type %d, expected [0, %zu)", e, graph->types[e],
                               graph->n_types);
        }
    }
    return CR_OK;
}

void cr_graph_retain(cr_graph *graph)
{
    atomic_fetch_add_explicit(&graph->references, 1, memory_order_relaxed);
}

void cr_graph_release(cr_graph *graph)
{
    if (graph == NULL || atomic_fetch_sub_explicit(&graph->references, 1, memory_order_acq_rel) != 1)
        return;
    cr_buffer_release(graph->buffer);
    free(graph);
}
