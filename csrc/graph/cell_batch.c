#include "cell_batch.h"

/* The type of an edge of a cell, or -1 when it is absent. */
static int32_t read_edge_type(const uint8_t *row, const cr_cell_edges *edges, size_t edge)
{
    int32_t column = edges->column[edge];
    return column < 0 ? 0 : (int32_t)row[column] - edges->has_absent;
}

static cr_status check_edges(const cr_cell_edges *edges, cr_error *err)
{
    for (size_t e = 0; e < edges->n_edges; e++) {
        if (edges->from[e] < 0 || edges->to[e] < 0 || (size_t)edges->from[e] >= edges->n_nodes ||
            (size_t)edges->to[e] >= edges->n_nodes || edges->from[e] == edges->to[e])
            return cr_fail(err, CR_ERR_VALUE, "edges: expected two different nodes below %zu, got %d and %d for edge %zu",
                           edges->n_nodes, edges->from[e], edges->to[e], e);
        if (edges->column[e] < -1 || edges->column[e] >= (int64_t)edges->n_codes)
            return cr_fail(err, CR_ERR_VALUE, "columns: expected -1 or a column below %zu, got %d for edge %zu",
                           edges->n_codes, edges->column[e], e);
    }
    return CR_OK;
}

/* Checks the types of all edges; *n_present is the number of edges that are not absent. */
static cr_status count_present_edges(const uint8_t *codes, size_t n_cells, const cr_cell_edges *edges,
                                     size_t *n_present, cr_error *err)
{
    *n_present = 0;
    for (size_t c = 0; c < n_cells; c++)
        for (size_t e = 0; e < edges->n_edges; e++) {
            int32_t type = read_edge_type(codes + c * edges->n_codes, edges, e);
            if (type >= (int32_t)edges->n_types)
                return cr_fail(err, CR_ERR_VALUE, "codes: expected values below %zu, got %d in cell %zu, edge %zu",
                               edges->n_types + edges->has_absent, type + edges->has_absent, c, e);
            *n_present += type >= 0;
        }
    return CR_OK;
}

/* Appends the edges into one node of one cell at *next. */
static void add_edges(const uint8_t *row, const cr_cell_edges *edges, size_t node, size_t first_node, cr_graph *graph,
                      size_t *next)
{
    for (size_t e = 0; e < edges->n_edges; e++) {
        int32_t other, type = read_edge_type(row, edges, e);
        if ((size_t)edges->to[e] == node)
            other = edges->from[e];
        else if (edges->both_directions && (size_t)edges->from[e] == node)
            other = edges->to[e];
        else
            continue;
        if (type < 0)
            continue;
        graph->sources[*next] = (int32_t)first_node + other;
        graph->types[(*next)++] = type;
    }
}

cr_status cr_cell_batch(const uint8_t *codes, size_t n_cells, const cr_cell_edges *edges, cr_graph **out, cr_error *err)
{
    cr_graph *graph = NULL;
    size_t n_nodes, n_edges, next = 0;
    cr_status status;
    if (edges->n_types > INT32_MAX || n_cells > INT32_MAX)
        return cr_fail(err, CR_ERR_OVERFLOW, "cell_graph: expected at most %d cells and types, got %zu and %zu", INT32_MAX,
                       n_cells, edges->n_types);
    CR_TRY(check_edges(edges, err));
    CR_TRY(count_present_edges(codes, n_cells, edges, &n_edges, err));
    CR_TRY(cr_size_multiply(n_cells, edges->n_nodes, &n_nodes, "nodes of the batch", err));
    CR_TRY(cr_size_multiply(n_edges, 1 + (size_t)edges->both_directions, &n_edges, "edges of the batch", err));
    CR_TRY(cr_graph_new(n_cells, n_nodes, n_edges, edges->n_types, &graph, err));
    for (size_t c = 0; c < n_cells; c++) {
        graph->node_offsets[c] = (int32_t)(c * edges->n_nodes);
        for (size_t node = 0; node < edges->n_nodes; node++) {
            graph->edge_offsets[c * edges->n_nodes + node] = (int32_t)next;
            add_edges(codes + c * edges->n_codes, edges, node, c * edges->n_nodes, graph, &next);
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
