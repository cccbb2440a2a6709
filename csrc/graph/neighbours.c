#include "neighbours.h"

#include <string.h>

#include "../core/threads.h"

#define MAX_NODES CR_CELL_MAX_NODES

/* A graph whose steps are visited. Steps are counted, and, unless out is NULL, those to cells of the space written. */
typedef struct {
    const cr_cell_layout *layout;
    const uint8_t *row; /* the cell as it is written, for the graphs that do not change */
    size_t length;      /* codes of a row */
    size_t place;       /* of the graph in a row */
    bool canonical;
    uint8_t *out; /* the next row, or NULL */
    size_t count;
} steps_t;

/* Takes the changed graph. */
static void take_step(steps_t *s, const cr_cell_matrix *graph)
{
    if (s->out == NULL) {
        s->count++;
        return;
    }
    memcpy(s->out, s->row, s->length);
    if (!cr_cell_prune_graph(s->layout, graph, s->canonical, s->out + s->place))
        return;
    s->out += s->length;
    s->count++;
}

/* Other values of one code, from `least` to below `values`. */
static void change_code(steps_t *s, const cr_cell_matrix *graph, uint8_t *code, size_t least, size_t values)
{
    const uint8_t before = *code;
    if (before < least)
        return;
    for (size_t other = least; other < values; other++)
        if (other != before) {
            *code = (uint8_t)other;
            take_step(s, graph);
        }
    *code = before;
}

/* Another value of one code. Nodes stay absent or present, and so do edges where their number is fixed. */
static void change_codes(steps_t *s, cr_cell_matrix *graph)
{
    const cr_cell_layout *layout = s->layout;
    const size_t n_before_output = layout->n_nodes - layout->has_output;
    const size_t values = layout->operations_on_nodes ? 2 : layout->n_operations + 1;
    if (layout->operations_on_nodes)
        for (size_t v = layout->n_inputs; v < n_before_output; v++)
            change_code(s, graph, &graph->operation[v], 1, layout->n_operations + 1);
    for (size_t t = layout->n_inputs; t < layout->n_nodes; t++)
        for (size_t from = 0; from < t; from++)
            change_code(s, graph, &graph->edge[from][t], layout->in_degree != CR_CELL_ANY, values);
}

/* An edge that moves to another source, with its operation. */
static void move_edges(steps_t *s, cr_cell_matrix *graph)
{
    for (size_t t = s->layout->n_inputs; t < s->layout->n_nodes; t++)
        for (size_t from = 0; from < t; from++)
            for (size_t to = 0; to < t; to++) {
                const uint8_t code = graph->edge[from][t];
                if (code == 0 || graph->edge[to][t] != 0)
                    continue;
                graph->edge[to][t] = code;
                graph->edge[from][t] = 0;
                take_step(s, graph);
                graph->edge[from][t] = code;
                graph->edge[to][t] = 0;
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
        for (size_t q = 0; q < p; q++)
            wider.edge[q][p] = graph->edge[order[q]][order[p]];
    }
    return wider;
}

/* A node between two others, with every choice of operations: its own, or those of its two edges. */
static void insert_node(steps_t *s, cr_cell_matrix *graph, size_t source, size_t node, size_t target)
{
    const size_t n = s->layout->n_operations, n_choices = s->layout->operations_on_nodes ? n : n * n;
    for (size_t choice = 0; choice < n_choices; choice++) {
        if (s->layout->operations_on_nodes) {
            graph->operation[node] = (uint8_t)(choice + 1);
            graph->edge[source][node] = graph->edge[node][target] = 1;
        } else {
            graph->edge[source][node] = (uint8_t)(choice / n + 1);
            graph->edge[node][target] = (uint8_t)(choice % n + 1);
        }
        take_step(s, graph);
    }
    graph->operation[node] = 0;
    graph->edge[source][node] = graph->edge[node][target] = 0;
}

/* One more node between any two others. The nodes of a pruned cell stand first. */
static void insert_nodes(steps_t *s, const cr_cell_matrix *graph)
{
    const cr_cell_layout *layout = s->layout;
    const size_t last = layout->n_nodes - 1, n_inputs = layout->n_inputs;
    size_t n_before = n_inputs; /* the nodes before the output that are there */
    for (size_t v = n_inputs; v < last; v++)
        for (size_t t = v + 1; t < layout->n_nodes; t++)
            if (graph->edge[v][t] != 0)
                n_before = v + 1;
    if (n_before == last)
        return;
    for (size_t source = 0; source < n_before; source++) {
        const size_t node = source < n_inputs ? n_inputs : source + 1;
        cr_cell_matrix wider = open_place(graph, layout->n_nodes, node);
        for (size_t target = node + 1; target <= n_before; target++)
            insert_node(s, &wider, source, node, target);
        insert_node(s, &wider, source, node, last);
    }
}

/* Visits the steps of a graph, given as its codes. */
static void visit_graph(steps_t *s, const uint8_t *codes)
{
    cr_cell_matrix graph;
    cr_cell_read(s->layout, codes, &graph);
    change_codes(s, &graph);
    if (s->layout->in_degree != CR_CELL_ANY)
        move_edges(s, &graph);
    if (s->layout->has_output)
        insert_nodes(s, &graph);
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
        cr_cell_matrix graph;
        cr_cell_read(w->layout, w->codes + (cell * n_graphs + g) * length, &graph);
        n_valid += valid[g] = cr_cell_prune_graph(w->layout, &graph, w->canonical, row + g * length);
    }
    return n_valid;
}

static void neighbours_chunk(void *context, size_t chunk)
{
    const neighbours_t *w = context;
    const size_t length = cr_cell_graph_length(w->layout), n_graphs = w->layout->n_graphs, total = n_graphs * length;
    uint8_t row[CR_CELL_MAX_GRAPHS * CR_CELL_MAX_LENGTH];
    bool valid[CR_CELL_MAX_GRAPHS];
    size_t begin, end;
    cr_chunk_range(w->n, w->n_chunks, chunk, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        steps_t s = {w->layout, row, total, 0, w->canonical, NULL, 0};
        size_t n_valid = n_graphs;
        if (w->out != NULL) {
            n_valid = read_graphs(w, i, valid, row);
            s.out = w->out + w->begins[i] * total;
        }
        for (size_t g = 0; g < n_graphs; g++, s.place += length) /* the other graphs must be of the space too */
            if (n_valid == n_graphs || n_valid + !valid[g] == n_graphs)
                visit_graph(&s, w->codes + i * total + s.place);
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

#define SORTED_AT_ONCE 8 /* few enough that insertion is the fastest way to sort them */

/* Sorts a few cells by their keys; equal ones keep their order. */
static void sort_few(cr_cell_keyed *cells, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const cr_cell_keyed cell = cells[i];
        size_t j = i;
        for (; j > 0 && cells[j - 1].key > cell.key; j--)
            cells[j] = cells[j - 1];
        cells[j] = cell;
    }
}

/* Merges cells [0, middle) and [middle, n), each sorted. No processor foresees which of two keys is smaller: so no
 * branch depends on it. */
static void merge_cells(const cr_cell_keyed *cells, size_t middle, size_t n, cr_cell_keyed *out)
{
    size_t i = 0, j = middle;
    while (i < middle && j < n) {
        const bool second = cells[j].key < cells[i].key;
        *out++ = cells[second ? j : i];
        i += !second;
        j += second;
    }
    memcpy(out, cells + i, (middle - i) * sizeof *out);
    memcpy(out + (middle - i), cells + j, (n - j) * sizeof *out);
}

/* Sorts cells by their keys; equal ones keep their order. */
static void sort_cells(cr_cell_keyed *cells, size_t n, cr_cell_keyed *room)
{
    cr_cell_keyed *from = cells, *to = room;
    for (size_t i = 0; i < n; i += SORTED_AT_ONCE)
        sort_few(cells + i, n - i < SORTED_AT_ONCE ? n - i : SORTED_AT_ONCE);
    for (size_t width = SORTED_AT_ONCE; width < n; width *= 2) {
        for (size_t i = 0; i < n; i += 2 * width) {
            const size_t left = n - i;
            merge_cells(from + i, left < width ? left : width, left < 2 * width ? left : 2 * width, to + i);
        }
        cr_cell_keyed *swap = from;
        from = to;
        to = swap;
    }
    if (from != cells)
        memcpy(cells, from, n * sizeof *cells);
}

size_t cr_cell_different(cr_cell_keyed *cells, size_t n, int64_t own, cr_cell_keyed *room)
{
    size_t kept = 0;
    sort_cells(cells, n, room);
    for (size_t i = 0; i < n; i++)
        if (cells[i].key != own && (kept == 0 || cells[i].key != cells[kept - 1].key))
            cells[kept++] = cells[i];
    return kept;
}
