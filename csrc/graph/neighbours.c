#include "neighbours.h"

#include <stdlib.h>
#include <string.h>

#include "../core/threads.h"

#define MAX_NODES CR_CELL_MAX_NODES

/* A graph whose steps are visited. Steps are counted, and, unless out is NULL, those to cells of the space written. */
typedef struct {
    const cr_cell_layout *layout;
    const uint8_t *codes; /* of the cell */
    const uint8_t *row;   /* the cell as it is written, for the graphs that do not change */
    size_t graph;
    bool canonical;
    uint8_t *out; /* the next row, or NULL */
    size_t count;
} steps_t;

/* Takes the codes of the changed graph. */
static void take_step(steps_t *s, const uint8_t *codes)
{
    if (s->out == NULL) {
        s->count++;
        return;
    }
    const size_t length = cr_cell_graph_length(s->layout), total = cr_cell_row_length(s->layout);
    uint8_t *own = s->out + s->graph * length;
    cr_cell_prune_graph(s->layout, codes, s->canonical, own);
    if (!cr_cell_is_valid_graph(s->layout, own))
        return;
    memcpy(s->out, s->row, s->graph * length);
    memcpy(own + length, s->row + (s->graph + 1) * length, total - (s->graph + 1) * length);
    s->out += total;
    s->count++;
}

/* Another value of one code. Nodes stay absent or present, and so do edges where their number is fixed. */
static void change_codes(steps_t *s, uint8_t *codes)
{
    const cr_cell_layout *layout = s->layout;
    const size_t first_edge = layout->operations_on_nodes ? cr_cell_intermediate(layout) : 0;
    for (size_t c = 0; c < cr_cell_graph_length(layout); c++) {
        const uint8_t before = codes[c];
        const bool may_vanish = c >= first_edge && layout->in_degree == CR_CELL_ANY;
        const size_t values = layout->operations_on_nodes && c >= first_edge ? 2 : layout->n_operations + 1;
        if (!may_vanish && before == 0)
            continue;
        for (size_t code = may_vanish ? 0 : 1; code < values; code++) {
            if (code == before)
                continue;
            codes[c] = (uint8_t)code;
            take_step(s, codes);
        }
        codes[c] = before;
    }
}

/* An edge that moves to another source, with its operation. */
static void move_edges(steps_t *s, uint8_t *codes)
{
    const cr_cell_layout *layout = s->layout;
    uint8_t *into = codes + (layout->operations_on_nodes ? cr_cell_intermediate(layout) : 0);
    for (size_t t = layout->n_inputs; t < layout->n_nodes; into += t++)
        for (size_t from = 0; from < t; from++)
            for (size_t to = 0; to < t; to++) {
                const uint8_t code = into[from];
                if (code == 0 || into[to] != 0)
                    continue;
                into[to] = code;
                into[from] = 0;
                take_step(s, codes);
                into[from] = code;
                into[to] = 0;
            }
}

/* The graph with its nodes from `position` on moved by one; the last intermediate node, an absent one, takes the place. */
static cr_cell_matrix open_place(const cr_cell_matrix *graph, size_t n_nodes, size_t position)
{
    size_t order[MAX_NODES], n = 0;
    cr_cell_matrix wider = {{0}, {{0}}};
    for (size_t v = 0; v < n_nodes; v++) {
        if (v == position)
            order[n++] = n_nodes - 2;
        if (v != n_nodes - 2)
            order[n++] = v;
    }
    for (size_t p = 0; p < n_nodes; p++) {
        wider.operation[p] = graph->operation[order[p]];
        for (size_t q = 0; q < n_nodes; q++)
            wider.edge[q][p] = graph->edge[order[q]][order[p]];
    }
    return wider;
}

/* A node between two others, with every choice of operations: its own, or those of its two edges. */
static void insert_node(steps_t *s, cr_cell_matrix *graph, size_t source, size_t node, size_t target)
{
    const size_t n = s->layout->n_operations, n_choices = s->layout->operations_on_nodes ? n : n * n;
    uint8_t codes[CR_CELL_MAX_LENGTH];
    for (size_t choice = 0; choice < n_choices; choice++) {
        if (s->layout->operations_on_nodes) {
            graph->operation[node] = (uint8_t)(choice + 1);
            graph->edge[source][node] = graph->edge[node][target] = 1;
        } else {
            graph->edge[source][node] = (uint8_t)(choice / n + 1);
            graph->edge[node][target] = (uint8_t)(choice % n + 1);
        }
        if (s->out != NULL)
            cr_cell_write(s->layout, graph, codes);
        take_step(s, codes);
    }
    graph->operation[node] = 0;
    graph->edge[source][node] = graph->edge[node][target] = 0;
}

/* One more node between any two others. The nodes of a pruned cell stand first. */
static void insert_nodes(steps_t *s, const uint8_t *codes)
{
    const cr_cell_layout *layout = s->layout;
    const size_t last = layout->n_nodes - 1, n_inputs = layout->n_inputs;
    size_t n_before = n_inputs; /* the nodes before the output that are there */
    cr_cell_matrix graph;
    cr_cell_read(layout, codes, &graph);
    for (size_t v = n_inputs; v < last; v++)
        for (size_t t = v + 1; t < layout->n_nodes; t++)
            if (graph.edge[v][t] != 0)
                n_before = v + 1;
    if (n_before == last)
        return;
    for (size_t source = 0; source < n_before; source++) {
        const size_t node = source < n_inputs ? n_inputs : source + 1;
        cr_cell_matrix wider = open_place(&graph, layout->n_nodes, node);
        for (size_t target = node + 1; target <= n_before; target++)
            insert_node(s, &wider, source, node, target);
        insert_node(s, &wider, source, node, last);
    }
}

/* Visits the steps of one graph of a cell. */
static void visit_graph(steps_t *s)
{
    uint8_t codes[CR_CELL_MAX_LENGTH];
    const size_t length = cr_cell_graph_length(s->layout);
    memcpy(codes, s->codes + s->graph * length, length);
    change_codes(s, codes);
    if (s->layout->in_degree != CR_CELL_ANY)
        move_edges(s, codes);
    if (s->layout->has_output)
        insert_nodes(s, codes);
}

typedef struct {
    const cr_cell_layout *layout;
    const uint8_t *codes;
    size_t n, n_chunks;
    bool canonical;
    const size_t *begins;
    uint8_t *out;
    size_t *counts;
} neighbours_t;

/* Writes a cell as its neighbours have it, and returns how many of its graphs are of the space, and which. */
static size_t read_graphs(const neighbours_t *w, size_t cell, bool *valid, uint8_t *row)
{
    const size_t length = cr_cell_graph_length(w->layout), n_graphs = w->layout->n_graphs;
    size_t n_valid = 0;
    for (size_t g = 0; g < n_graphs; g++) {
        const uint8_t *codes = w->codes + (cell * n_graphs + g) * length;
        cr_cell_prune_graph(w->layout, codes, w->canonical, row + g * length);
        n_valid += valid[g] = cr_cell_is_valid_graph(w->layout, row + g * length);
    }
    return n_valid;
}

static void neighbours_chunk(void *context, size_t chunk)
{
    const neighbours_t *w = context;
    const size_t total = cr_cell_row_length(w->layout), n_graphs = w->layout->n_graphs;
    uint8_t row[CR_CELL_MAX_GRAPHS * CR_CELL_MAX_LENGTH];
    bool valid[CR_CELL_MAX_GRAPHS];
    size_t begin, end;
    cr_chunk_range(w->n, w->n_chunks, chunk, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        steps_t s = {w->layout, w->codes + i * total, row, 0, w->canonical, NULL, 0};
        size_t n_valid = n_graphs;
        if (w->out != NULL) {
            n_valid = read_graphs(w, i, valid, row);
            s.out = w->out + w->begins[i] * total;
        }
        for (s.graph = 0; s.graph < n_graphs; s.graph++) /* the other graphs must be of the space too */
            if (n_valid == n_graphs || n_valid + !valid[s.graph] == n_graphs)
                visit_graph(&s);
        w->counts[i] = s.count;
    }
}

void cr_cell_count_steps(const cr_cell_layout *layout, const uint8_t *codes, size_t n, size_t *counts)
{
    neighbours_t w = {layout, codes, n, cr_chunk_count(n, 1000), false, NULL, NULL, counts};
    cr_parallel(w.n_chunks, neighbours_chunk, &w);
}

void cr_cell_neighbours(const cr_cell_layout *layout, const uint8_t *codes, size_t n, bool canonical, const size_t *begins,
                        uint8_t *out, size_t *counts)
{
    neighbours_t w = {layout, codes, n, cr_chunk_count(n, 100000), canonical, begins, out, counts};
    cr_parallel(w.n_chunks, neighbours_chunk, &w);
}

/* ---- which are different ---- */

static int compare_keys(const void *a, const void *b)
{
    const cr_cell_keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

size_t cr_cell_different(cr_cell_keyed *cells, size_t n, int64_t own)
{
    size_t kept = 0;
    if (n > 1)
        qsort(cells, n, sizeof *cells, compare_keys);
    for (size_t i = 0; i < n; i++)
        if (cells[i].key != own && (kept == 0 || cells[i].key != cells[kept - 1].key))
            cells[kept++] = cells[i];
    return kept;
}
