/* Features of cells of any space: how many paths have a sequence of operations, and descriptors of their graphs. */
#ifndef CR_GRAPH_FEATURES_H
#define CR_GRAPH_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/status.h"

#define CR_FORM_MAX_NODES 16

/* How cells of a space are written: graphs side by side, each a row of `length` codes. Nodes are the inputs, then the
 * intermediate nodes, then, where there is one, the output; else every intermediate node is an output. */
typedef struct {
    size_t n_graphs, length; /* of a graph: its codes */
    size_t n_nodes, n_inputs, n_edges, n_operations;
    bool has_output;
    bool operations_on_nodes; /* they are the first codes of a graph; else each edge has one */
    bool free;                /* code 0 is no operation, and operations count from 1 */
    const int32_t *from, *to; /* (n_edges,) from < to; edges are in the order of their targets */
    const int32_t *column;    /* (n_edges,) the code of an edge, or -1: always there */
    const bool *is_dead;      /* (n_operations,) passes nothing on */
    const bool *is_identity;  /* (n_operations,) passes on what it gets */
} cr_cell_form;

/* Checks numbers of nodes, edges and columns. CR_ERR_VALUE for what does not fit. */
CR_MUST_USE cr_status cr_cell_form_check(const cr_cell_form *form, cr_error *err);

/* Ways through a graph: path p has edges[offsets[p]] to edges[offsets[p + 1] - 1]. */
typedef struct {
    size_t n_paths;
    const int32_t *offsets, *edges;
} cr_cell_paths;

/* numbers[i, g, p] = what names graph g and the sequence of operations on path p of cell i, identities left out, and
 * open[i, g, p] whether all its edges are there and pass something on: the sequence in base n_operations + 1, after
 * g + 1 as its first digit, modulo 2^64. codes: (n, n_graphs * length). */
void cr_cell_sequences(const cr_cell_form *form, const cr_cell_paths *paths, const uint8_t *codes, size_t n,
                       uint64_t *numbers, bool *open);

/* counts[i, k] = how many open paths of cell i have the number known[k]; known ascends. */
void cr_cell_count_sequences(const cr_cell_form *form, const cr_cell_paths *paths, const uint8_t *codes, size_t n,
                             const uint64_t *known, size_t n_known, double *counts);

/* What cr_cell_describe says of each graph, and then of each operation: how often it is there, and the most on one path. */
enum {
    CR_LONGEST = 0,  /* operations on the longest path, identities left out */
    CR_SHORTEST,     /* and on the shortest */
    CR_BARE,         /* 1 when a path has none */
    CR_OUT_OF_INPUT, /* edges */
    CR_INTO_OUTPUT,  /* edges; where there is no output, nodes */
    CR_NODES,        /* intermediate ones */
    CR_EDGES,
    CR_PATHS,
    CR_N_DESCRIPTORS
};

/* described[i, g, :] = CR_N_DESCRIPTORS + 2 n_operations numbers of graph g of cell i. Only what is on a path from an
 * input to the output counts. */
void cr_cell_describe(const cr_cell_form *form, const uint8_t *codes, size_t n, double *described);

#endif
