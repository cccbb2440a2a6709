#include "cell_batch.h"

static cr_status check(const uint8_t *codes, size_t n_cells, const cr_cell_edges *edges, cr_error *err)
{
    for (size_t e = 0; e < edges->n_edges; e++)
        if (edges->from[e] < 0 || edges->to[e] < 0 || (size_t)edges->from[e] >= edges->n_nodes ||
            (size_t)edges->to[e] >= edges->n_nodes || edges->from[e] == edges->to[e])
            return cr_fail(err, CR_ERR_VALUE, "edges: expected two different nodes below %zu, got %d and %d for edge %zu",
                           edges->n_nodes, edges->from[e], edges->to[e], e);
    for (size_t i = 0; i < n_cells * edges->n_edges; i++)
        if (codes[i] >= edges->n_operations)
            return cr_fail(err, CR_ERR_VALUE, "codes: expected values below %zu, got %d in cell %zu, edge %zu",
                           edges->n_operations, codes[i], i / edges->n_edges, i % edges->n_edges);
    return CR_OK;
}

/* The edges into one node of one cell, appended at *next. */
static void add_edges(const uint8_t *codes, const cr_cell_edges *edges, size_t node, size_t first_node, cr_graph *graph,
                      size_t *next)
{
    for (size_t e = 0; e < edges->n_edges; e++) {
        int32_t other;
        if ((size_t)edges->to[e] == node)
            other = edges->from[e];
        else if ((size_t)edges->from[e] == node)
            other = edges->to[e];
        else
            continue;
        graph->sources[*next] = (int32_t)first_node + other;
        graph->types[(*next)++] = codes[e];
    }
}

cr_status cr_cell_batch(const uint8_t *codes, size_t n_cells, const cr_cell_edges *edges, cr_graph **out, cr_error *err)
{
    cr_graph *graph = NULL;
    size_t n_nodes, n_edges, next = 0;
    cr_status status;
    CR_TRY(check(codes, n_cells, edges, err));
    CR_TRY(cr_size_multiply(n_cells, edges->n_nodes, &n_nodes, "nodes of the batch", err));
    CR_TRY(cr_size_multiply(n_cells, 2 * edges->n_edges, &n_edges, "edges of the batch", err));
    CR_TRY(cr_graph_new(n_cells, n_nodes, n_edges, edges->n_operations, &graph, err));
    for (size_t c = 0; c < n_cells; c++) {
        graph->node_offsets[c] = (int32_t)(c * edges->n_nodes);
        for (size_t node = 0; node < edges->n_nodes; node++) {
            graph->edge_offsets[c * edges->n_nodes + node] = (int32_t)next;
            add_edges(codes + c * edges->n_edges, edges, node, c * edges->n_nodes, graph, &next);
        }
    }
    graph->node_offsets[n_cells] = (int32_t)n_nodes;
    graph->edge_offsets[n_nodes] = (int32_t)next;
    CR_TRY(cr_graph_check(graph, err));
    *out = graph;
    return CR_OK;
fail:
    cr_graph_release(graph);
    return status;
}
