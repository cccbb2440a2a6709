/* A batch of graphs for message passing. Edges run within a graph and are sorted by target. */
#ifndef CR_AUTODIFF_GRAPH_H
#define CR_AUTODIFF_GRAPH_H

#include <stdatomic.h>
#include <stdint.h>

#include "../core/buffer.h"
#include "../core/status.h"

typedef struct {
    atomic_int references;
    size_t n_graphs, n_nodes, n_edges, n_types;
    cr_buffer *buffer;      /* owned reference; holds the four arrays */
    int32_t *node_offsets;  /* (n_graphs + 1,) nodes of graph g: node_offsets[g] to node_offsets[g + 1] */
    int32_t *edge_offsets;  /* (n_nodes + 1,) edges into target i: edge_offsets[i] to edge_offsets[i + 1] */
    int32_t *sources;       /* (n_edges,) */
    int32_t *types;         /* (n_edges,) in [0, n_types) */
} cr_graph;

/* A new batch of graphs, reference count 1. Fill its arrays, then call cr_graph_check before any other use.
 * CR_ERR_OVERFLOW when a count does not fit int32. */
CR_MUST_USE cr_status cr_graph_new(size_t n_graphs, size_t n_nodes, size_t n_edges, size_t n_types, cr_graph **out,
                                   cr_error *err);

/* Checks the arrays: CR_ERR_VALUE for bad offsets, CR_ERR_INDEX for a source outside its graph or an unknown type. */
CR_MUST_USE cr_status cr_graph_check(const cr_graph *graph, cr_error *err);
void cr_graph_retain(cr_graph *graph);
void cr_graph_release(cr_graph *graph); /* NULL is allowed */

#endif
