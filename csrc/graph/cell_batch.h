/* Batches of cells whose operations are on edges, as graphs for message passing. */
#ifndef CR_GRAPH_CELL_BATCH_H
#define CR_GRAPH_CELL_BATCH_H

#include <stdint.h>

#include "../autodiff/tensor.h"

/* The edges that all cells of a space share. */
typedef struct {
    size_t n_nodes, n_edges, n_operations;
    const int32_t *from, *to; /* (n_edges,) node numbers */
} cr_cell_edges;

/* One graph per cell, each edge used in both directions with its operation as type. codes: (n_cells, n_edges), each
 * below n_operations. *out is a new reference, already checked. CR_ERR_VALUE for a bad code or node number. */
CR_MUST_USE cr_status cr_cell_batch(const uint8_t *codes, size_t n_cells, const cr_cell_edges *edges, cr_graph **out,
                                    cr_error *err);

#endif
