#include "cell_space.h"

#include <string.h>

#include "../core/threads.h"

#define MAX_NODES CR_CELL_MAX_NODES

/* A cell as a matrix: edge[s][t] is the code of the edge from s to t. */
typedef struct {
    uint8_t operation[MAX_NODES];
    uint8_t edge[MAX_NODES][MAX_NODES];
} cell_t;

/* The search for the smallest sequence over all orders of the present intermediate nodes. A node's part of the sequence
 * is one byte for its operation and one for each node before it. */
typedef struct {
    const cr_cell_layout *layout;
    const cell_t *cell;
    const size_t *present; /* the intermediate nodes to be ordered */
    size_t n_present;
    size_t order[MAX_NODES], best_order[MAX_NODES]; /* nodes by position; the first are the inputs */
    bool placed[MAX_NODES];
    uint8_t part[MAX_NODES][MAX_NODES + 1], best[MAX_NODES][MAX_NODES + 1]; /* by position */
    bool found;
} ordering_t;

cr_status cr_cell_layout_check(const cr_cell_layout *layout, cr_error *err)
{
    if (layout->n_nodes > MAX_NODES || layout->n_inputs == 0 || layout->n_inputs + layout->has_output > layout->n_nodes)
        return cr_fail(err, CR_ERR_VALUE, "layout: expected at least one input, and room for the output, among at most %d "
                       "nodes, got %zu inputs, %s output and %zu nodes", MAX_NODES, layout->n_inputs,
                       layout->has_output ? "an" : "no", layout->n_nodes);
    return CR_OK;
}

static size_t count_intermediate(const cr_cell_layout *layout)
{
    return layout->n_nodes - layout->n_inputs - layout->has_output;
}

size_t cr_cell_row_length(const cr_cell_layout *layout)
{
    size_t n = layout->operations_on_nodes ? count_intermediate(layout) : 0;
    for (size_t t = layout->n_inputs; t < layout->n_nodes; t++)
        n += t;
    return n;
}

static void read_cell(const cr_cell_layout *layout, const uint8_t *row, cell_t *cell)
{
    memset(cell, 0, sizeof *cell);
    if (layout->operations_on_nodes)
        for (size_t i = 0; i < count_intermediate(layout); i++)
            cell->operation[layout->n_inputs + i] = *row++;
    for (size_t t = layout->n_inputs; t < layout->n_nodes; t++)
        for (size_t s = 0; s < t; s++)
            cell->edge[s][t] = *row++;
}

/* Writes the row of a cell with its nodes in `order`: n_placed inputs and intermediate nodes, then absent ones. */
static void write_cell(const cr_cell_layout *layout, const cell_t *cell, const size_t *order, size_t n_placed,
                       uint8_t *row)
{
    size_t n_before_output = layout->n_nodes - layout->has_output, last = layout->n_nodes - 1;
    if (layout->operations_on_nodes)
        for (size_t p = layout->n_inputs; p < n_before_output; p++)
            *row++ = p < n_placed ? cell->operation[order[p]] : 0;
    for (size_t p = layout->n_inputs; p < layout->n_nodes; p++) {
        bool is_output = layout->has_output && p == last;
        for (size_t q = 0; q < p; q++) {
            bool both = q < n_placed && (p < n_placed || is_output);
            *row++ = both ? cell->edge[order[q]][is_output ? last : order[p]] : 0;
        }
    }
}

/* Finds the present intermediate nodes: those that have an operation, where nodes have one, and are on a path to the
 * output. Writes them to nodes in their order and returns their number. *reached = whether an input reaches the
 * output. */
static size_t find_present(const cr_cell_layout *layout, const cell_t *cell, size_t *nodes, bool *reached)
{
    bool from_input[MAX_NODES] = {false}, to_output[MAX_NODES] = {false};
    size_t n = 0, last = layout->n_nodes - 1;
    bool usable[MAX_NODES];
    for (size_t v = 0; v < layout->n_nodes; v++) {
        bool intermediate = v >= layout->n_inputs && !(layout->has_output && v == last);
        usable[v] = !intermediate || !layout->operations_on_nodes || cell->operation[v] != 0;
        from_input[v] = v < layout->n_inputs;
        to_output[v] = layout->has_output && v == last;
        for (size_t s = 0; s < v && usable[v]; s++)
            from_input[v] |= from_input[s] && cell->edge[s][v] != 0;
    }
    for (size_t v = layout->n_nodes; v-- > 0;)
        for (size_t t = v + 1; t < layout->n_nodes && usable[v]; t++)
            to_output[v] |= to_output[t] && cell->edge[v][t] != 0;
    *reached = !layout->has_output || from_input[last];
    for (size_t v = layout->n_inputs; v < layout->n_nodes - layout->has_output; v++)
        if (!layout->has_output || (from_input[v] && to_output[v]))
            nodes[n++] = v;
    return n;
}

/* Writes node v's part of the sequence when n_before nodes of `order` come before it. */
static void write_part(const ordering_t *o, size_t v, size_t n_before, uint8_t *part)
{
    part[0] = o->cell->operation[v];
    for (size_t q = 0; q < n_before; q++)
        part[1 + q] = o->cell->edge[o->order[q]][v];
}

static bool is_ready(const ordering_t *o, size_t v)
{
    for (size_t i = 0; i < o->n_present; i++) {
        size_t u = o->present[i];
        if (!o->placed[u] && o->cell->edge[u][v] != 0)
            return false;
    }
    return !o->placed[v];
}

/* Whether two nodes with the same part also send the same edges: then exchanging them changes nothing. */
static bool are_twins(const ordering_t *o, size_t u, size_t v)
{
    for (size_t t = 0; t < o->layout->n_nodes; t++)
        if (o->cell->edge[u][t] != o->cell->edge[v][t])
            return false;
    return true;
}

static void finish_order(ordering_t *o, size_t position)
{
    if (o->layout->has_output) {
        write_part(o, o->layout->n_nodes - 1, position, o->part[position]);
        if (o->found && memcmp(o->part[position], o->best[position], 1 + position) >= 0)
            return;
    } else if (o->found) {
        return;
    }
    memcpy(o->best, o->part, sizeof o->best);
    memcpy(o->best_order, o->order, sizeof o->best_order);
    o->found = true;
}

/* Tries every node that may give the smallest sequence at `position`, and all nodes after it. The parts before
 * `position` are equal to those of the best sequence found, if there is one. */
static void place_nodes(ordering_t *o, size_t position)
{
    size_t end = o->layout->n_inputs + o->n_present, tied[MAX_NODES], n_tied = 0, length = 1 + position;
    uint8_t part[MAX_NODES + 1], *least = o->part[position];
    if (position == end) {
        finish_order(o, position);
        return;
    }
    for (size_t i = 0; i < o->n_present; i++) {
        size_t v = o->present[i];
        if (!is_ready(o, v))
            continue;
        write_part(o, v, position, part);
        int order = n_tied == 0 ? -1 : memcmp(part, least, length);
        if (order < 0) {
            memcpy(least, part, length);
            n_tied = 0;
        }
        bool twin = false;
        for (size_t j = 0; order == 0 && j < n_tied && !twin; j++)
            twin = are_twins(o, tied[j], v);
        if (order <= 0 && !twin)
            tied[n_tied++] = v;
    }
    for (size_t j = 0; j < n_tied; j++) {
        int order = o->found ? memcmp(least, o->best[position], length) : 0;
        if (order > 0)
            return;
        if (order < 0)
            o->found = false; /* smaller than all before: the next sequence is the best so far */
        o->order[position] = tied[j];
        o->placed[tied[j]] = true;
        place_nodes(o, position + 1);
        o->placed[tied[j]] = false;
    }
}

static void prune_cell(const cr_cell_layout *layout, const uint8_t *row, bool canonical, uint8_t *out)
{
    cell_t cell;
    size_t present[MAX_NODES], order[MAX_NODES];
    bool reached;
    read_cell(layout, row, &cell);
    size_t n = find_present(layout, &cell, present, &reached), n_placed = layout->n_inputs + n;
    if (!reached) {
        memset(out, 0, cr_cell_row_length(layout));
        return;
    }
    for (size_t p = 0; p < n_placed; p++)
        order[p] = p < layout->n_inputs ? p : present[p - layout->n_inputs];
    if (canonical) {
        ordering_t o = {.layout = layout, .cell = &cell, .present = present, .n_present = n};
        memcpy(o.order, order, sizeof order);
        place_nodes(&o, layout->n_inputs);
        memcpy(order, o.best_order, sizeof order);
    }
    write_cell(layout, &cell, order, n_placed, out);
}

typedef struct {
    const cr_cell_layout *layout;
    const uint8_t *codes;
    size_t n, n_chunks;
    bool canonical;
    uint8_t *out;
} prune_t;

static void prune_chunk(void *context, size_t chunk)
{
    const prune_t *p = context;
    size_t begin, end, length = cr_cell_row_length(p->layout);
    cr_chunk_range(p->n, p->n_chunks, chunk, &begin, &end);
    for (size_t i = begin; i < end; i++)
        prune_cell(p->layout, p->codes + i * length, p->canonical, p->out + i * length);
}

void cr_cell_prune(const cr_cell_layout *layout, const uint8_t *codes, size_t n, bool canonical, uint8_t *out)
{
    prune_t p = {layout, codes, n, cr_chunk_count(n, 1000), canonical, out};
    cr_parallel(p.n_chunks, prune_chunk, &p);
}
