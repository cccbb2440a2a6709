#include "graph.h"

#include <stdlib.h>

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

static cr_status check_offsets(const int32_t *offsets, size_t n, size_t total, const char *name, const char *counted_by,
                               cr_error *err)
{
    if (offsets[0] != 0 || (size_t)offsets[n] != total)
        return cr_fail(err, CR_ERR_VALUE, "%s: expected to run from 0 to %zu, as %s says, got %d to %d", name, total,
                       counted_by, offsets[0], offsets[n]);
    for (size_t i = 0; i < n; i++)
        if (offsets[i] > offsets[i + 1])
            return cr_fail(err, CR_ERR_VALUE, "%s: expected non-decreasing values, got %d then %d at position %zu",
                           name, offsets[i], offsets[i + 1], i);
    return CR_OK;
}

cr_status cr_graph_check(const cr_graph *graph, cr_error *err)
{
    /* the edges first: the length of edge_offsets, which counts the nodes, is trusted when its end is right */
    cr_status status = check_offsets(graph->edge_offsets, graph->n_nodes, graph->n_edges, "edge_offsets",
                                     "the length of sources", err);
    if (status != CR_OK)
        return status;
    status = check_offsets(graph->node_offsets, graph->n_graphs, graph->n_nodes, "node_offsets",
                           "the length of edge_offsets", err);
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
