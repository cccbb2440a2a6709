/* Cells of spaces with free edges: pruning, canonical form, which rows are cells, and the keys of rows.
 *
 * A cell is some directed acyclic graphs, side by side, of at most CR_CELL_MAX_NODES nodes each: first the inputs, then
 * the intermediate nodes, and, where the space has one, the output as the last node; else every intermediate node is an
 * output. It is a row of codes, one byte each, graph by graph: the operations of the intermediate nodes (only where
 * operations are on nodes; 0 is an absent node), then the edges, by target from the first node after the inputs on, and
 * by source from node 0 on; 0 is no edge.
 */
#ifndef CR_GRAPH_CELL_SPACE_H
#define CR_GRAPH_CELL_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/status.h"

#define CR_CELL_MAX_NODES 16
#define CR_CELL_MAX_GRAPHS 8
#define CR_CELL_MAX_LENGTH (CR_CELL_MAX_NODES * CR_CELL_MAX_NODES) /* more than the codes of a graph */

#define CR_CELL_ANY SIZE_MAX

typedef struct {
    size_t n_graphs, n_nodes, n_inputs; /* the last two of each graph */
    bool has_output;                    /* the last node is the output */
    bool operations_on_nodes;
    size_t n_operations; /* at most CR_CELL_MAX_OPERATIONS */
    size_t max_edges;    /* of a pruned graph, or CR_CELL_ANY */
    size_t in_degree;    /* the number of edges into each intermediate node, or CR_CELL_ANY */
} cr_cell_layout;

#define CR_CELL_MAX_OPERATIONS 254 /* codes are bytes, and 0 is none */

/* A graph as a matrix: edge[s][t] is the code of the edge from s to t. */
typedef struct {
    uint8_t operation[CR_CELL_MAX_NODES];
    uint8_t edge[CR_CELL_MAX_NODES][CR_CELL_MAX_NODES];
} cr_cell_matrix;

/* Checks a layout. CR_ERR_VALUE when it has no graph, no input, too many graphs, nodes or operations, or more inputs and
 * outputs than nodes. */
CR_MUST_USE cr_status cr_cell_layout_check(const cr_cell_layout *layout, cr_error *err);

/* Of a checked layout: the number of intermediate nodes of a graph, of codes of a graph, and of codes in a row. */
size_t cr_cell_intermediate(const cr_cell_layout *layout);
size_t cr_cell_graph_length(const cr_cell_layout *layout);
size_t cr_cell_row_length(const cr_cell_layout *layout);

/* The matrix of a graph by its codes. */
void cr_cell_read(const cr_cell_layout *layout, const uint8_t *codes, cr_cell_matrix *graph);

/* Prunes each graph of some cells. Intermediate nodes that are absent, or on no path from an input to the output, lose their operation and
 * their edges; the others move to the front in their order. A graph whose output no input reaches becomes all zeros.
 *
 * With canonical, all graphs that differ only in the order of their intermediate nodes become the same row. Among the
 * orders with every edge forward it has the one with the smallest sequence of (operation, incoming edges by source)
 * over the nodes, the output's incoming edges last.
 *
 * codes, out: (n, row length), may be the same array. Rows are cut into chunks for all threads. Complexity per graph:
 * about nodes^3. Alike nodes are ordered only when later ones tell them apart, and what a symmetry maps to a part that has
 * been tried is left out; cells that seem symmetric until their last edges take up to some milliseconds. */
void cr_cell_prune(const cr_cell_layout *layout, const uint8_t *codes, size_t n, bool canonical, uint8_t *out);

/* The same for one graph, if it is of the space when it is pruned: an input reaches the output, and the numbers of edges are
 * as the layout says. Else writes nothing and returns false. */
bool cr_cell_prune_graph(const cr_cell_layout *layout, const cr_cell_matrix *graph, bool canonical, uint8_t *out);

/* valid[i] = whether all graphs of row i are of the space when they are pruned. codes: (n, row length). */
void cr_cell_valid(const cr_cell_layout *layout, const uint8_t *codes, size_t n, bool *valid);

/* keys[i] = one number for row i of codes (n, length), not negative: the row in mixed radix, the first code the most
 * significant, or, where that does not fit 63 bits, a hash (rounds of SplitMix64; G. Steele, D. Lea, C. Flood, 2014). */
void cr_cell_keys(const uint8_t *codes, size_t n, size_t length, const int64_t *cardinalities, int64_t *keys);

#endif
