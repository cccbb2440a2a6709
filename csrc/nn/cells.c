#include "cells.h"

#include <stdlib.h>
#include <string.h>

#include "known.h"

/* ---- checks ---- */

/* Checks that a column is -1 or one of the codes of a graph. */
static cr_status check_column(const cr_encoder_cells *cells, int32_t column, size_t graph, cr_error *err)
{
    const int64_t length = (int64_t)(cells->n_codes / cells->n_graphs), first = (int64_t)graph * length;
    if (column != -1 && (column < first || column >= first + length))
        return cr_fail(err, CR_ERR_VALUE, "columns: expected -1 or a code of graph %zu, %lld to %lld, got %d", graph,
                       (long long)first, (long long)(first + length - 1), column);
    return CR_OK;
}

static cr_status check_edges(const cr_encoder_cells *cells, cr_error *err)
{
    const size_t nodes = cells->n_nodes / cells->n_graphs;
    for (size_t e = 0; e < cells->n_edges; e++) {
        const int32_t from = cells->from[e], to = cells->to[e];
        if (from < 0 || to < 0 || (size_t)from >= cells->n_nodes || (size_t)to >= cells->n_nodes || from == to ||
            (size_t)from / nodes != (size_t)to / nodes)
            return cr_fail(err, CR_ERR_VALUE, "edges: expected two different nodes of one graph, got %d and %d for edge %zu",
                           from, to, e);
        cr_status status = check_column(cells, cells->column[e], (size_t)from / nodes, err);
        if (status != CR_OK)
            return status;
    }
    return CR_OK;
}

static cr_status check_cells(const cr_encoder_cells *cells, size_t rows, cr_error *err)
{
    cr_status status;
    if (cells->n_graphs == 0 || cells->n_nodes == 0 || cells->n_nodes % cells->n_graphs != 0 ||
        cells->n_codes % cells->n_graphs != 0)
        return cr_fail(err, CR_ERR_VALUE, "cells: expected graphs with equally many nodes and codes, got %zu graphs, %zu "
                       "nodes and %zu codes", cells->n_graphs, cells->n_nodes, cells->n_codes);
    CR_TRY(check_edges(cells, err));
    if (cells->first_kind[0] != 0)
        return cr_fail(err, CR_ERR_VALUE, "kinds: expected 0 as the first, got %d", cells->first_kind[0]);
    for (size_t i = 0; i < cells->n_nodes; i++) {
        if (cells->first_kind[i + 1] <= cells->first_kind[i] || (size_t)cells->first_kind[i + 1] > rows)
            return cr_fail(err, CR_ERR_VALUE, "kinds: expected ascending numbers up to the %zu rows of the table, got %d "
                           "after %d", rows, cells->first_kind[i + 1], cells->first_kind[i]);
        CR_TRY(check_column(cells, cells->kind_column[i], i / (cells->n_nodes / cells->n_graphs), err));
    }
    const size_t kinds = (size_t)cells->first_kind[cells->n_nodes];
    for (size_t i = 0; i < kinds * kinds * cells->n_types; i++)
        if (cells->message_rows[i] < -1 || cells->message_rows[i] >= (int64_t)rows)
            return cr_fail(err, CR_ERR_VALUE, "message_rows: expected -1 or one of the %zu rows of the table, got %d", rows,
                           cells->message_rows[i]);
    return CR_OK;
fail:
    return status;
}

/* ---- the copy ---- */

static cr_status no_memory(cr_error *err)
{
    return cr_fail(err, CR_ERR_MEMORY, "cannot allocate the graphs of cells");
}

/* Lists for each node the edges that send it messages, in their order. */
static cr_status list_incoming(const cr_encoder_cells *given, cr_cells *cells, cr_error *err)
{
    size_t next = 0;
    cells->incoming_start = malloc((given->n_nodes + 1) * sizeof *cells->incoming_start);
    cells->incoming = malloc((2 * given->n_edges + 1) * sizeof *cells->incoming);
    if (cells->incoming_start == NULL || cells->incoming == NULL)
        return no_memory(err);
    for (size_t node = 0; node < given->n_nodes; node++) {
        cells->incoming_start[node] = next;
        for (size_t e = 0; e < given->n_edges; e++)
            if ((size_t)given->to[e] == node)
                cells->incoming[next++] = (cr_incoming){given->from[e], given->column[e]};
            else if (given->both_directions && (size_t)given->from[e] == node)
                cells->incoming[next++] = (cr_incoming){given->to[e], given->column[e]};
    }
    cells->incoming_start[given->n_nodes] = cells->n_incoming = next;
    for (size_t g = 0; g < cells->n_graphs; g++) {
        size_t count = cells->incoming_start[(g + 1) * cells->nodes] - cells->incoming_start[g * cells->nodes];
        cells->edges = count > cells->edges ? count : cells->edges;
    }
    return CR_OK;
}

static size_t count_numbers(const cr_cells *cells)
{
    return 2 * cells->n_graphs * cells->nodes + 1 + cells->n_kinds * cells->n_kinds * cells->n_types;
}

static cr_status copy_numbers(const cr_encoder_cells *given, cr_cells *cells, cr_error *err)
{
    const size_t n = given->n_nodes, rows = cells->n_kinds * cells->n_kinds * cells->n_types;
    cells->first_kind = malloc(count_numbers(cells) * sizeof *cells->first_kind);
    if (cells->first_kind == NULL)
        return no_memory(err);
    cells->kind_column = cells->first_kind + n + 1;
    cells->message_rows = cells->kind_column + n;
    memcpy(cells->first_kind, given->first_kind, (n + 1) * sizeof *cells->first_kind);
    memcpy(cells->kind_column, given->kind_column, n * sizeof *cells->first_kind);
    if (rows > 0)
        memcpy(cells->message_rows, given->message_rows, rows * sizeof *cells->first_kind);
    return list_incoming(given, cells, err);
}

cr_status cr_cells_new(const cr_encoder_cells *given, size_t rows, cr_cells **out, cr_error *err)
{
    *out = NULL;
    cr_status status = check_cells(given, rows, err);
    if (status != CR_OK)
        return status;
    cr_cells *cells = calloc(1, sizeof *cells);
    if (cells == NULL)
        return no_memory(err);
    cells->n_graphs = given->n_graphs;
    cells->nodes = given->n_nodes / given->n_graphs;
    cells->length = given->n_codes / given->n_graphs;
    cells->n_types = given->n_types;
    cells->n_kinds = (size_t)given->first_kind[given->n_nodes];
    cells->has_absent = given->has_absent;
    CR_TRY(copy_numbers(given, cells, err));
    *out = cells;
    return CR_OK;
fail:
    cr_cells_release(cells);
    return status;
}

void cr_cells_release(cr_cells *cells)
{
    if (cells == NULL)
        return;
    free(cells->first_kind);
    free(cells->incoming_start);
    free(cells->incoming);
    free(cells);
}

bool cr_cells_equal(const cr_cells *a, const cr_cells *b)
{
    if (a->n_graphs != b->n_graphs || a->nodes != b->nodes || a->length != b->length || a->n_types != b->n_types ||
        a->n_kinds != b->n_kinds || a->n_incoming != b->n_incoming || a->has_absent != b->has_absent)
        return false;
    return memcmp(a->first_kind, b->first_kind, count_numbers(a) * sizeof *a->first_kind) == 0 &&
           memcmp(a->incoming_start, b->incoming_start, (a->n_graphs * a->nodes + 1) * sizeof *a->incoming_start) == 0 &&
           memcmp(a->incoming, b->incoming, a->n_incoming * sizeof *a->incoming) == 0;
}

/* ---- the different graphs of some cells ---- */

cr_status cr_graphs_find(const cr_cells *cells, const uint8_t *codes, size_t n, cr_graphs *graphs, cr_error *err)
{
    const size_t length = cells->length;
    size_t total, bytes, capacity = 16;
    memset(graphs, 0, sizeof *graphs);
    cr_status status = cr_size_multiply(n, cells->n_graphs, &total, "cells", err);
    if (status == CR_OK)
        status = cr_size_multiply(total, sizeof *graphs->codes + 8 * sizeof *graphs->number, &bytes, "cells", err);
    if (status != CR_OK)
        return status;
    if (total >= UINT32_MAX / 4)
        return cr_fail(err, CR_ERR_OVERFLOW, "codes: expected fewer cells in one call, got %zu", n);
    while (capacity < 2 * total)
        capacity *= 2;
    graphs->memory = malloc(bytes + (capacity + 1) * sizeof(uint32_t));
    if (graphs->memory == NULL)
        return no_memory(err);
    graphs->codes = graphs->memory;
    graphs->number = (uint32_t *)(graphs->codes + total);
    graphs->of_cell = graphs->number + total;
    graphs->wanted = graphs->of_cell + total;
    uint32_t *table = graphs->wanted + total; /* 1 + the graph in each place, 0 for none */
    memset(table, 0, capacity * sizeof *table);
    for (size_t i = 0; i < total; i++) {
        const uint8_t *own = codes + i * length;
        const uint32_t number = (uint32_t)(i % cells->n_graphs);
        size_t place = (size_t)cr_hash_codes(number, own, length) & (capacity - 1);
        for (; table[place] != 0; place = (place + 1) & (capacity - 1)) {
            const size_t known = table[place] - 1;
            if (graphs->number[known] == number && memcmp(graphs->codes[known], own, length) == 0)
                break;
        }
        if (table[place] == 0) {
            graphs->codes[graphs->n] = own;
            graphs->number[graphs->n] = number;
            table[place] = (uint32_t)++graphs->n;
        }
        graphs->of_cell[i] = table[place] - 1;
    }
    return CR_OK;
}

/* ---- the different nodes of some graphs ---- */

/* The parts of the memory of a block's nodes that do not outlive the search. */
typedef struct {
    int32_t *kinds, *places; /* places: 1 + the row in each, 0 for none */
    size_t capacity;         /* a power of two, at least twice the nodes */
    int32_t *offsets, *sources, *types;
} found_t;

size_t cr_nodes_bytes(const cr_cells *cells, size_t graphs, size_t layers)
{
    /* pointers and first rows of layers, ends of offsets, and the least places */
    const size_t fixed = layers * (3 * sizeof(int32_t *) + 2 * sizeof(size_t)) + 24 * sizeof(int32_t);
    /* first rows, rows and nodes of each layer; kinds, lists, offsets of both and at most four places; edges and lists */
    return fixed + graphs * (layers * (sizeof(size_t) + 2 * cells->nodes * sizeof(int32_t)) +
                             (8 * cells->nodes + 3 * cells->edges) * sizeof(int32_t));
}

static void split_memory(const cr_cells *cells, size_t graphs, size_t layers, void *memory, cr_nodes *nodes, found_t *found)
{
    const size_t n = nodes->n, edges = graphs * cells->edges;
    nodes->row_of = memory;
    nodes->node_of = nodes->row_of + layers;
    nodes->row_start = (size_t **)(nodes->node_of + layers);
    size_t *starts = (size_t *)(nodes->row_start + layers);
    int32_t *next = (int32_t *)(starts + layers * (nodes->n_steps + 1));
    for (size_t l = 0; l < layers; l++, next += 2 * n) {
        nodes->row_start[l] = starts + l * (nodes->n_steps + 1);
        nodes->row_of[l] = next;
        nodes->node_of[l] = next + n;
    }
    found->kinds = next;
    nodes->list = next + n;
    nodes->list_start = nodes->list + n + edges;
    found->offsets = nodes->list_start + n + 1;
    found->sources = found->offsets + n + 1;
    found->types = found->sources + edges;
    found->places = found->types + edges;
    for (found->capacity = 16; found->capacity < 2 * n;)
        found->capacity *= 2;
    nodes->edges = (cr_edges){found->offsets, found->sources, found->types};
}

/* The kind of a node, or -1 when its code is none. */
static int32_t find_kind(const cr_cells *cells, const uint8_t *codes, size_t node)
{
    const int32_t column = cells->kind_column[node], first = cells->first_kind[node];
    const int32_t kind = first + (column < 0 ? 0 : codes[column]);
    return kind < cells->first_kind[node + 1] ? kind : -1;
}

/* Appends the messages to a node of a graph; `shift` turns numbers of nodes of a cell into those of the block. `codes`
 * are those of the graph, shifted so that columns of a cell are its indices. */
static cr_status add_messages(const cr_cells *cells, const uint8_t *codes, size_t node, int32_t shift, found_t *found,
                              int32_t *n_edges, cr_error *err)
{
    for (size_t i = cells->incoming_start[node]; i < cells->incoming_start[node + 1]; i++) {
        const cr_incoming edge = cells->incoming[i];
        const int32_t type = edge.column < 0 ? 0 : (int32_t)codes[edge.column] - cells->has_absent;
        if (type < 0)
            continue;
        if ((size_t)type >= cells->n_types)
            return cr_fail(err, CR_ERR_VALUE, "codes: expected values below %zu in column %d, got %d",
                           cells->n_types + cells->has_absent, edge.column, type + cells->has_absent);
        found->sources[*n_edges] = edge.other + shift;
        found->types[(*n_edges)++] = type;
    }
    return CR_OK;
}

/* Writes the kinds of the nodes of a graph, the block's number `at`, and the edges into them. */
static cr_status add_graph(const cr_cells *cells, const cr_graphs *graphs, uint32_t graph, size_t at, found_t *found,
                           int32_t *n_edges, cr_error *err)
{
    const size_t number = graphs->number[graph], first = number * cells->nodes, to = at * cells->nodes;
    const uint8_t *codes = graphs->codes[graph] - number * cells->length;
    for (size_t i = 0; i < cells->nodes; i++) {
        found->offsets[to + i] = *n_edges;
        if ((found->kinds[to + i] = find_kind(cells, codes, first + i)) < 0)
            return cr_fail(err, CR_ERR_VALUE, "codes: expected values below %d in column %d, got %d",
                           cells->first_kind[first + i + 1] - cells->first_kind[first + i], cells->kind_column[first + i],
                           codes[cells->kind_column[first + i]]);
        cr_status status = add_messages(cells, codes, first + i, (int32_t)to - (int32_t)first, found, n_edges, err);
        if (status != CR_OK)
            return status;
    }
    return CR_OK;
}

/* Whether two nodes are alike in a layer, by the rows in the layer before. */
static bool are_alike(const int32_t *before, cr_edges edges, size_t a, size_t b)
{
    const int32_t first = edges.offsets[a], n = edges.offsets[a + 1] - first, other = edges.offsets[b];
    if (before[a] != before[b] || edges.offsets[b + 1] - other != n)
        return false;
    for (int32_t e = 0; e < n; e++)
        if (edges.types[first + e] != edges.types[other + e] ||
            before[edges.sources[first + e]] != before[edges.sources[other + e]])
            return false;
    return true;
}

static uint64_t hash_node(const int32_t *before, cr_edges edges, size_t node)
{
    const uint64_t factor = 0x9E3779B97F4A7C15u;
    uint64_t hash = ((uint64_t)before[node] + 1) * factor;
    for (int32_t e = edges.offsets[node]; e < edges.offsets[node + 1]; e++)
        hash = (hash ^ hash >> 32 ^ ((uint64_t)before[edges.sources[e]] << 16 ^ (uint64_t)edges.types[e])) * factor;
    return hash >> 32 ^ hash >> 15;
}

/* The row of a node in a layer, of which n rows are there; n if it is a new one. */
static int32_t find_row(const int32_t *before, const cr_nodes *nodes, const int32_t *node_of, const found_t *found,
                        size_t node, int32_t n)
{
    size_t place = (size_t)hash_node(before, nodes->edges, node) & (found->capacity - 1);
    for (; found->places[place] != 0; place = (place + 1) & (found->capacity - 1)) {
        const int32_t row = found->places[place] - 1;
        if (are_alike(before, nodes->edges, node, (size_t)node_of[row]))
            return row;
    }
    found->places[place] = n + 1;
    return n;
}

/* Numbers the different nodes of a layer, by the rows in the layer before. */
static void find_rows(const int32_t *before, const found_t *found, cr_nodes *nodes, size_t layer, size_t step_nodes)
{
    int32_t *row_of = nodes->row_of[layer], *node_of = nodes->node_of[layer], n = 0;
    memset(found->places, 0, found->capacity * sizeof *found->places);
    for (size_t s = 0, i = 0; s < nodes->n_steps; s++) {
        const size_t end = (s + 1) * step_nodes < nodes->n ? (s + 1) * step_nodes : nodes->n;
        nodes->row_start[layer][s] = (size_t)n;
        for (; i < end; i++)
            if ((row_of[i] = find_row(before, nodes, node_of, found, i, n)) == n)
                node_of[n++] = (int32_t)i;
    }
    nodes->row_start[layer][nodes->n_steps] = (size_t)n;
}

/* Lists the rows of the table for each row of layer 0. */
static cr_status list_rows(const cr_cells *cells, const int32_t *kinds, cr_nodes *nodes, cr_error *err)
{
    const cr_edges edges = nodes->edges;
    const size_t rows = nodes->row_start[0][nodes->n_steps];
    int32_t n = 0;
    for (size_t row = 0; row < rows; row++) {
        const size_t node = (size_t)nodes->node_of[0][row];
        nodes->list_start[row] = n;
        nodes->list[n++] = kinds[node];
        for (int32_t e = edges.offsets[node]; e < edges.offsets[node + 1]; e++) {
            const int32_t other = kinds[edges.sources[e]];
            const size_t pair = (size_t)kinds[node] * cells->n_kinds + (size_t)other;
            if ((nodes->list[n++] = cells->message_rows[pair * cells->n_types + (size_t)edges.types[e]]) < 0)
                return cr_fail(err, CR_ERR_VALUE, "codes: expected messages that the table has, got one of kind %d to kind "
                               "%d", other, kinds[node]);
        }
    }
    nodes->list_start[rows] = n;
    return CR_OK;
}

cr_status cr_nodes_find(const cr_cells *cells, const cr_graphs *graphs, size_t begin, size_t n, size_t step,
                        size_t layers, void *memory, cr_nodes *nodes, cr_error *err)
{
    found_t found;
    int32_t n_edges = 0;
    if (n * (cells->nodes + cells->edges) > INT32_MAX)
        return cr_fail(err, CR_ERR_OVERFLOW, "codes: expected graphs with fewer nodes, got %zu each", cells->nodes);
    nodes->n = n * cells->nodes;
    nodes->n_steps = n / step + (n % step != 0);
    split_memory(cells, n, layers, memory, nodes, &found);
    for (size_t g = 0; g < n; g++) {
        cr_status status = add_graph(cells, graphs, graphs->wanted[begin + g], g, &found, &n_edges, err);
        if (status != CR_OK)
            return status;
    }
    found.offsets[nodes->n] = n_edges;
    for (size_t l = 0; l < layers; l++)
        find_rows(l == 0 ? found.kinds : nodes->row_of[l - 1], &found, nodes, l, step * cells->nodes);
    return list_rows(cells, found.kinds, nodes, err);
}
