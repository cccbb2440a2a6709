/* Batches of cells as graphs for message passing. */
#ifndef CR_GRAPH_CELL_BATCH_H
#define CR_GRAPH_CELL_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "../autodiff/graph.h"

/* The edges that the cells of a space can have, and for each the column of a cell's codes that has its type. */
typedef struct {
    size_t n_nodes, n_edges, n_codes, n_types;
    const int32_t *from, *to; /* (n_edges,) node numbers */
    const int32_t *column;    /* (n_edges,) the code of each edge, or -1: always there, type 0 */
    bool has_absent;          /* code 0 is no edge, and code c type c - 1; else code c is type c */
    bool both_directions;     /* an edge is used in both directions; else from `from` to `to` alone */
} cr_cell_edges;

/* Makes one graph per cell. codes: (n_cells, n_codes). *out is a new reference, already checked. CR_ERR_VALUE for a
 * code that is no type, and for a column or node number outside its range. */
CR_MUST_USE cr_status cr_cell_batch(const uint8_t *codes, size_t n_cells, const cr_cell_edges *edges, cr_graph **out,
                                    cr_error *err);

#endif
