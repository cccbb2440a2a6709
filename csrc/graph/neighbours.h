/* Neighbours of cells of spaces with free edges: the cells one step away. */
#ifndef CR_GRAPH_NEIGHBOURS_H
#define CR_GRAPH_NEIGHBOURS_H

#include "cell_space.h"

/* A step from a pruned cell changes one of its graphs: another operation; an edge more or less, or with another operation;
 * an edge that moves to another source of its target (where `in_degree` is fixed: there no edge comes or goes); one more
 * node between any two others, with every choice of operations (where there is an output). */

/* counts[i] = the number of steps from row i of codes (n, row length), pruned cells. */
void cr_cell_count_steps(const cr_cell_layout *layout, const uint8_t *codes, size_t n, size_t *counts);

/* Writes the cells one step away that are of the space, those of row i from row begins[i] of out on, and their number
 * to counts[i]. There is room for all steps. The graph that changed is pruned; with canonical, all graphs are canonical.
 * Cells may be equal. Threads share the rows. */
void cr_cell_neighbours(const cr_cell_layout *layout, const uint8_t *codes, size_t n, bool canonical, const size_t *begins,
                        uint8_t *out, size_t *counts);

/* A cell and its key. */
typedef struct {
    int64_t key;
    size_t row;
} cr_cell_keyed;

/* Sorts n cells, in the order of their rows, by their keys, and drops those whose key came before or is `own`. Returns how
 * many stay. There is room for n more. */
size_t cr_cell_different(cr_cell_keyed *cells, size_t n, int64_t own, cr_cell_keyed *room);

#endif
