/* The most likely cells of a space where each intermediate node has a fixed number of edges into it. */
#ifndef CR_GRAPH_LIKELY_H
#define CR_GRAPH_LIKELY_H

#include "../core/dtype.h"
#include "cell_space.h"

/* codes (n, row length) of a layout with operations on edges and an in_degree. logits (n, row length, values), at least
 * two values: value 0 is no edge. Into each node lead the in_degree edges whose largest other value exceeds that of no
 * edge by most, the first ones of equals, and NaN last; each has the first value that is largest, where NaN is larger
 * than every number. Not pruned. */
void cr_cell_likely(const cr_cell_layout *layout, cr_dtype dtype, const void *logits, size_t n, size_t values,
                    uint8_t *codes);

#endif
