/* Operations over a batch of graphs: message passing and pooling. Chunks are whole graphs, and edges stay within their
 * graph, so no two chunks write to one row. */
#include "../core/threads.h"
#include "autodiff.h"
#include "checks.h"

typedef struct {
    const cr_kernel_table *kernels;
    const cr_graph *graph;
    cr_dtype dtype;
    size_t columns, n_chunks;
    double slope;
    const void *target, *source, *types, *dout;
    void *out;
    void *d_target, *d_source;
    void *d_types; /* n_chunks partial tables, or NULL */
    int accumulate, accumulate_source;
} graph_work_t;

static cr_edges kernel_edges(const cr_graph *graph)
{
    return (cr_edges){graph->edge_offsets, graph->sources, graph->types};
}

static void find_node_range(const graph_work_t *w, size_t chunk, size_t *begin, size_t *end)
{
    cr_chunk_range(w->graph->n_graphs, w->n_chunks, chunk, begin, end);
    *begin = (size_t)w->graph->node_offsets[*begin];
    *end = (size_t)w->graph->node_offsets[*end];
}

static size_t count_chunks(const cr_graph *graph, size_t steps_per_column, size_t columns)
{
    size_t graphs = graph->n_graphs == 0 ? 1 : graph->n_graphs;
    return cr_chunk_count(graphs, (steps_per_column / graphs + 1) * columns);
}

/* ---- message_pass: inputs target, source, types; reals[0] slope ---- */

static cr_status expect_messages(const cr_node *node, cr_error *err)
{
    const cr_tensor *target = node->inputs[0], *source = node->inputs[1], *types = node->inputs[2];
    cr_status status = cr_expect_slope(node->reals[0], err);
    if (status == CR_OK)
        status = cr_expect_ndim(target, 2, "target", err);
    if (status == CR_OK)
        status = cr_expect_same_shape(target, "target", source, "source", err);
    if (status == CR_OK)
        status = cr_expect_ndim(types, 2, "types", err);
    if (status == CR_OK)
        status = cr_expect_node_rows(target, node->graph, "target", err);
    if (status != CR_OK)
        return status;
    if (types->shape[0] != node->graph->n_types || types->shape[1] != target->shape[1])
        return cr_fail(err, CR_ERR_VALUE,
                       "types: expected shape (%zu, %zu), a row per edge type of the graph batch, got (%zu, %zu)",
                       node->graph->n_types, target->shape[1], types->shape[0], types->shape[1]);
    return CR_OK;
}

static graph_work_t prepare_messages(const cr_node *node)
{
    const cr_tensor *target = node->inputs[0];
    graph_work_t w = {.kernels = cr_kernels(target->dtype), .graph = node->graph, .dtype = target->dtype,
                      .columns = target->shape[1], .slope = node->reals[0], .target = target->data,
                      .source = node->inputs[1]->data, .types = node->inputs[2]->data};
    w.n_chunks = count_chunks(node->graph, 2 * node->graph->n_edges, w.columns);
    return w;
}

static void message_chunk(void *context, size_t chunk)
{
    const graph_work_t *w = context;
    size_t begin, end;
    find_node_range(w, chunk, &begin, &end);
    w->kernels->message_pass(begin, end, w->columns, w->columns, kernel_edges(w->graph), w->slope, w->target, w->source,
                             w->types, w->out);
}

static void message_gradient_chunk(void *context, size_t chunk)
{
    const graph_work_t *w = context;
    size_t begin, end;
    find_node_range(w, chunk, &begin, &end);
    const size_t first = chunk * w->graph->n_types * w->columns;
    void *d_types = w->d_types == NULL ? NULL : cr_element(w->d_types, first, w->dtype);
    w->kernels->message_pass_gradient(begin, end, w->columns, kernel_edges(w->graph), w->slope, w->target, w->source,
                                      w->types, w->dout, w->d_target, w->d_source, w->graph->n_types, d_types,
                                      w->accumulate, w->accumulate_source);
}

cr_status message_pass_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    cr_status status = expect_messages(node, err);
    const cr_tensor *target = node->inputs[0];
    if (status == CR_OK)
        status = cr_tensor_new(target->dtype, 2, target->shape, out, err);
    if (status != CR_OK)
        return status;
    graph_work_t w = prepare_messages(node);
    w.out = (*out)->data;
    cr_parallel(w.n_chunks, message_chunk, &w);
    return CR_OK;
}

cr_status message_pass_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    graph_work_t w = prepare_messages(node);
    cr_tensor *types = node->inputs[2];
    cr_buffer *partials = NULL;
    void *d_types;
    cr_status status;
    CR_TRY(cr_grad_begin(node->inputs[0], &w.d_target, &w.accumulate, err));
    CR_TRY(cr_grad_begin(node->inputs[1], &w.d_source, &w.accumulate_source, err));
    if (w.d_target != NULL && w.d_target == w.d_source && !w.accumulate) { /* both inputs are one tensor */
        w.kernels->fill(node->inputs[0]->size, 0, w.d_target);
        w.accumulate = 1;
    }
    CR_TRY(cr_grad_begin_zeroed(types, &d_types, err));
    if (d_types != NULL) {
        CR_TRY(cr_buffer_new(w.n_chunks * types->size * cr_dtype_size(out->dtype), &partials, err));
        w.d_types = cr_buffer_data(partials);
    }
    w.dout = dout->data;
    cr_parallel(w.n_chunks, message_gradient_chunk, &w);
    for (size_t chunk = 0; d_types != NULL && chunk < w.n_chunks; chunk++)
        w.kernels->axpy(types->size, 1, cr_element(w.d_types, chunk * types->size, out->dtype), d_types);
fail:
    cr_buffer_release(partials);
    return status;
}

/* ---- sum_pool: input x (nodes, d) ---- */

static void sum_pool_chunk(void *context, size_t chunk)
{
    const graph_work_t *w = context;
    size_t begin, end;
    cr_chunk_range(w->graph->n_graphs, w->n_chunks, chunk, &begin, &end);
    w->kernels->segment_sum(begin, end, w->columns, w->graph->node_offsets, w->target, w->out);
}

static void sum_pool_gradient_chunk(void *context, size_t chunk)
{
    const graph_work_t *w = context;
    size_t begin, end;
    cr_chunk_range(w->graph->n_graphs, w->n_chunks, chunk, &begin, &end);
    w->kernels->segment_spread(begin, end, w->columns, w->graph->node_offsets, w->dout, w->out, w->accumulate);
}

cr_status sum_pool_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *x = node->inputs[0];
    const cr_graph *graph = node->graph;
    cr_status status = cr_expect_ndim(x, 2, "x", err);
    if (status == CR_OK)
        status = cr_expect_node_rows(x, graph, "x", err);
    size_t shape[2] = {graph->n_graphs, x->ndim == 2 ? x->shape[1] : 0};
    if (status == CR_OK)
        status = cr_tensor_new(x->dtype, 2, shape, out, err);
    if (status != CR_OK)
        return status;
    graph_work_t w = {.kernels = cr_kernels(x->dtype), .graph = graph, .columns = shape[1], .target = x->data,
                      .out = (*out)->data, .n_chunks = count_chunks(graph, graph->n_nodes, shape[1])};
    cr_parallel(w.n_chunks, sum_pool_chunk, &w);
    return CR_OK;
}

cr_status sum_pool_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    cr_tensor *x = node->inputs[0];
    graph_work_t w = {.kernels = cr_kernels(x->dtype), .graph = node->graph, .columns = out->shape[1],
                      .dout = dout->data, .n_chunks = count_chunks(node->graph, node->graph->n_nodes, out->shape[1])};
    cr_status status = cr_grad_begin(x, &w.out, &w.accumulate, err);
    if (status == CR_OK && w.out != NULL)
        cr_parallel(w.n_chunks, sum_pool_gradient_chunk, &w);
    return status;
}
