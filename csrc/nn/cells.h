/* Cells as graphs: the different graphs of some cells, and the different nodes of these graphs. Encoders of one space
 * have all of this in common, whatever their weights. */
#ifndef CR_NN_CELLS_H
#define CR_NN_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/kernels.h"
#include "../core/status.h"

/* The nodes and edges that the cells of a space have in common. A cell is n_graphs graphs, which share its nodes and its
 * codes evenly, one graph after the other; an edge, and the codes of an edge or node, belong to one graph. */
typedef struct {
    size_t n_graphs, n_nodes, n_codes, n_edges, n_types;
    const int32_t *from, *to;    /* (n_edges,) node numbers */
    const int32_t *column;       /* (n_edges,) the code of each edge, or -1: always there, type 0 */
    const int32_t *first_kind;   /* (n_nodes + 1,) ascending from 0: node i has kinds first_kind[i] to first_kind[i + 1] */
    const int32_t *kind_column;  /* (n_nodes,) the code that is added to a node's first kind, or -1 for none */
    const int32_t *message_rows; /* (kinds, kinds, n_types) the row of the table for target, source and type, or -1 */
    bool has_absent;             /* code 0 is no edge, and code c type c - 1; else code c is type c */
    bool both_directions;        /* an edge sends messages both ways; else from `from` to `to` alone */
} cr_encoder_cells;

/* A node at the other end of an edge that sends a message. */
typedef struct {
    int32_t other, column;
} cr_incoming;

/* A copy of that, with the edges listed by their targets. */
typedef struct {
    size_t n_graphs, nodes, length, edges; /* of a graph: its nodes, its codes, the most messages */
    size_t n_types, n_kinds, n_incoming;
    bool has_absent;
    int32_t *first_kind, *kind_column, *message_rows; /* one block of memory, owned by first_kind */
    size_t *incoming_start;                           /* (nodes of all graphs + 1,) */
    cr_incoming *incoming;
} cr_cells;

/* Checks and copies. `rows` is the number of rows of the table. */
CR_MUST_USE cr_status cr_cells_new(const cr_encoder_cells *given, size_t rows, cr_cells **out, cr_error *err);
void cr_cells_release(cr_cells *cells); /* NULL is allowed */
bool cr_cells_equal(const cr_cells *a, const cr_cells *b);

/* The different graphs of some cells: the codes and the number (normal, reduction, ...) of each, which ones a cell has,
 * and those whose sums are wanted, which the caller lists. */
typedef struct {
    const uint8_t **codes; /* (n,) in the codes of the cells */
    uint32_t *number;      /* (n,) */
    uint32_t *of_cell;     /* (cells, n_graphs) */
    uint32_t *wanted;      /* (n_wanted,) */
    size_t n, n_wanted;
    void *memory; /* free() it */
} cr_graphs;

/* Finds the graphs of n cells; none is wanted yet. */
CR_MUST_USE cr_status cr_graphs_find(const cr_cells *cells, const uint8_t *codes, size_t n, cr_graphs *graphs,
                                     cr_error *err);

/* The nodes of some graphs, one graph after the other, and the messages to them. In layer 0, nodes with the same kind
 * and the same messages are alike; in layer l + 1, nodes that are alike in layer l, with messages of the same types from
 * nodes that are alike in layer l. Nodes that are alike have the same features, so each layer has a row for all of them.
 * Graphs come in steps of a few, so that rows can be used while they are in the cache: the rows of a layer that are new in
 * step s follow those of the steps before. */
typedef struct {
    size_t n, n_steps;   /* n: nodes */
    cr_edges edges;      /* into each node */
    int32_t **row_of;    /* (layers,) of (n,): the row of each node */
    int32_t **node_of;   /* (layers,) of (rows,): a node that has each row */
    size_t **row_start;  /* (layers,) of (n_steps + 1,): the first row of each step, and the number of rows */
    int32_t *list_start; /* (rows of layer 0 + 1,) the rows of the table that are summed for each row of layer 0 */
    int32_t *list;
} cr_nodes;

/* Bytes of memory that the nodes of some graphs take, at most: so many for each graph, and those of 0 graphs. */
size_t cr_nodes_bytes(const cr_cells *cells, size_t graphs, size_t layers);

/* Finds the nodes of the wanted graphs [begin, begin + n), in steps of `step` graphs, in that memory, aligned to 8 bytes.
 * CR_ERR_VALUE for a code that is no kind or type, and for a message that the table does not have. */
CR_MUST_USE cr_status cr_nodes_find(const cr_cells *cells, const cr_graphs *graphs, size_t begin, size_t n, size_t step,
                                    size_t layers, void *memory, cr_nodes *nodes, cr_error *err);

#endif
