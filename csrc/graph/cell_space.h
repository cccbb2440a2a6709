/* Cells of spaces with free edges: pruning and canonical form.
 *
 * A cell is a directed acyclic graph of at most CR_CELL_MAX_NODES nodes: first the inputs, then the intermediate nodes,
 * and, where the space has one, the output as the last node; else every intermediate node is an output. It is a row of
 * codes, one byte each: the operations of the intermediate nodes (only where operations are on nodes; 0 is an absent
 * node), then the edges, by target from the first node after the inputs on, and by source from node 0 on; 0 is no edge.
 */
#ifndef CR_GRAPH_CELL_SPACE_H
#define CR_GRAPH_CELL_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/status.h"

#define CR_CELL_MAX_NODES 16

typedef struct {
    size_t n_nodes, n_inputs;
    bool has_output;         /* the last node is the output */
    bool operations_on_nodes;
} cr_cell_layout;

/* Checks a layout. CR_ERR_VALUE when it has no input, too many nodes, or more inputs and outputs than nodes. */
CR_MUST_USE cr_status cr_cell_layout_check(const cr_cell_layout *layout, cr_error *err);

/* The number of codes in a row of a checked layout. */
size_t cr_cell_row_length(const cr_cell_layout *layout);

/* Prunes cells. Intermediate nodes that are absent, or on no path from an input to the output, lose their operation and
 * their edges; the others move to the front in their order. A cell whose output no input reaches becomes all zeros.
 *
 * With canonical, all cells that differ only in the order of their intermediate nodes become the same row. Among the
 * orders with every edge forward it has the one with the smallest sequence of (operation, incoming edges by source)
 * over the nodes, the output's incoming edges last.
 *
 * codes, out: (n, row length), may be the same array. Rows are cut into chunks for all threads. Complexity per row:
 * about nodes^3. Alike nodes are ordered only when later ones tell them apart, and what a symmetry maps to a part that has
 * been tried is left out; cells that seem symmetric until their last edges take up to some milliseconds. */
void cr_cell_prune(const cr_cell_layout *layout, const uint8_t *codes, size_t n, bool canonical, uint8_t *out);

#endif
