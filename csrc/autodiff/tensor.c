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

/* Drops one reference. A tensor without references is put on the work list. */
static void drop_reference(cr_tensor *tensor, cr_tensor **work)
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
        drop_reference(node->inputs[i], work);
    cr_buffer_release(node->saved[0]);
    cr_buffer_release(node->saved[1]);
    cr_index_release(node->index);
    cr_graph_release(node->graph);
    if (node->inputs != node->inline_inputs)
        free(node->inputs);
    free(node);
}

static void free_work_list(cr_tensor *work)
{
    while (work != NULL) {
        cr_tensor *tensor = work;
        work = tensor->next;
        drop_reference(tensor->grad, &work);
        free_node(tensor->node, &work);
        cr_buffer_release(tensor->buffer);
        free(tensor);
    }
}

void cr_tensor_release(cr_tensor *tensor)
{
    cr_tensor *work = NULL;
    drop_reference(tensor, &work);
    free_work_list(work);
}

void cr_node_release(cr_node *node)
{
    cr_tensor *work = NULL;
    free_node(node, &work);
    free_work_list(work);
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

void cr_store(cr_tensor *tensor, size_t element, double value)
{
    if (tensor->dtype == CR_F32)
        ((float *)tensor->data)[element] = (float)value;
    else
        ((double *)tensor->data)[element] = value;
}

double cr_load(const cr_tensor *tensor, size_t element)
{
    return tensor->dtype == CR_F32 ? (double)((float *)tensor->data)[element] : ((double *)tensor->data)[element];
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
