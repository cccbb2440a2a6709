#include "cell_space.h"

#include <string.h>

#include "../core/threads.h"

#define MAX_NODES CR_CELL_MAX_NODES

/* What pruning leaves of a graph. Sets of nodes have a bit for each. */
typedef struct {
    uint32_t present;            /* the intermediate nodes that stay */
    uint32_t sources[MAX_NODES]; /* the nodes with an edge to a node, of those that stay */
    bool reached;                /* whether an input reaches the output, or there is none */
} pruned_t;

/* The nodes that have a position. Blocks are runs of positions whose nodes could exchange their places without a change
 * of the sequence up to here, so that their order is open. Sets of positions have a bit for each, too. */
typedef struct {
    size_t n_placed;
    uint32_t placed;         /* nodes */
    uint32_t starts;         /* positions where a block begins */
    uint8_t order[MAX_NODES]; /* nodes by position; the first are the inputs */
} placing_t;

/* A node's part of the sequence: one byte for its operation and one for the edge from each node before it. */
typedef uint8_t part_t[MAX_NODES + 1];

/* The search for the smallest sequence over all orders of the present intermediate nodes. */
typedef struct {
    const cr_cell_layout *layout;
    const cr_cell_matrix *cell;
    const pruned_t *pruned;
    size_t end;                         /* the number of positions, without the output's */
    size_t limit;                       /* present nodes are below */
    part_t part[MAX_NODES], best[MAX_NODES]; /* by position */
    uint32_t path[MAX_NODES], best_path[MAX_NODES]; /* the sets of nodes that were placed together, one after the other */
    uint8_t best_order[MAX_NODES];
    bool found;
    size_t return_to;                   /* the depth to go on at: what is below, has been tried in another place */
} ordering_t;

cr_status cr_cell_layout_check(const cr_cell_layout *layout, cr_error *err)
{
    if (layout->n_graphs == 0 || layout->n_graphs > CR_CELL_MAX_GRAPHS || layout->n_operations > CR_CELL_MAX_OPERATIONS)
        return cr_fail(err, CR_ERR_VALUE, "layout: expected 1 to %d graphs and at most %d operations, got %zu and %zu",
                       CR_CELL_MAX_GRAPHS, CR_CELL_MAX_OPERATIONS, layout->n_graphs, layout->n_operations);
    if (layout->n_nodes > MAX_NODES || layout->n_inputs == 0 || layout->n_inputs + layout->has_output > layout->n_nodes)
        return cr_fail(err, CR_ERR_VALUE, "layout: expected at least one input, and room for the output, among at most %d "
                       "nodes, got %zu inputs, %s output and %zu nodes", MAX_NODES, layout->n_inputs,
                       layout->has_output ? "an" : "no", layout->n_nodes);
    return CR_OK;
}

size_t cr_cell_intermediate(const cr_cell_layout *layout)
{
    return layout->n_nodes - layout->n_inputs - layout->has_output;
}

size_t cr_cell_graph_length(const cr_cell_layout *layout)
{
    const size_t n = layout->n_nodes, inputs = layout->n_inputs;
    return (layout->operations_on_nodes ? cr_cell_intermediate(layout) : 0) + (n * (n - 1) - inputs * (inputs - 1)) / 2;
}

size_t cr_cell_row_length(const cr_cell_layout *layout)
{
    return layout->n_graphs * cr_cell_graph_length(layout);
}

void cr_cell_read(const cr_cell_layout *layout, const uint8_t *codes, cr_cell_matrix *graph)
{
    memset(graph, 0, sizeof *graph);
    if (layout->operations_on_nodes)
        for (size_t i = 0; i < cr_cell_intermediate(layout); i++)
            graph->operation[layout->n_inputs + i] = *codes++;
    for (size_t t = layout->n_inputs; t < layout->n_nodes; t++)
        for (size_t s = 0; s < t; s++)
            graph->edge[s][t] = *codes++;
}

/* Writes the row of a cell with its nodes in `order`: n_placed inputs and intermediate nodes, then absent ones. */
static void write_cell(const cr_cell_layout *layout, const cr_cell_matrix *cell, const uint8_t *order, size_t n_placed,
                       uint8_t *row)
{
    const size_t last = layout->n_nodes - 1, n_before_output = layout->n_nodes - layout->has_output;
    if (layout->operations_on_nodes)
        for (size_t p = layout->n_inputs; p < n_before_output; p++)
            *row++ = p < n_placed ? cell->operation[order[p]] : 0;
    for (size_t p = layout->n_inputs; p < n_before_output; p++)
        for (size_t q = 0; q < p; q++)
            *row++ = p < n_placed ? cell->edge[order[q]][order[p]] : 0;
    for (size_t q = 0; layout->has_output && q < last; q++)
        *row++ = q < n_placed ? cell->edge[order[q]][last] : 0;
}

static bool has(uint32_t set, size_t element)
{
    return set >> element & 1;
}

static size_t count_bits(uint32_t set)
{
    size_t n = 0;
    for (; set != 0; set &= set - 1)
        n++;
    return n;
}

/* Finds what pruning leaves of a graph. Without an output that is every node; else the nodes on a path to it, of those that
 * have an operation where nodes have one. */
static void find_pruned(const cr_cell_layout *layout, const cr_cell_matrix *cell, pruned_t *pruned)
{
    const size_t n_inputs = layout->n_inputs, last = layout->n_nodes - 1;
    const uint32_t inputs = ((uint32_t)1 << n_inputs) - 1, output = (uint32_t)layout->has_output << last;
    uint32_t from_input = inputs, to_output = output;
    for (size_t v = n_inputs; v < layout->n_nodes; v++) {
        uint32_t sources = 0;
        for (size_t s = 0; s < v; s++)
            sources |= (uint32_t)(cell->edge[s][v] != 0) << s;
        pruned->sources[v] = sources;
        const bool usable = !layout->operations_on_nodes || cell->operation[v] != 0 || has(output, v);
        from_input |= (uint32_t)(usable && (sources & from_input) != 0) << v;
    }
    for (size_t v = last; v >= n_inputs; v--)
        if (has(to_output, v))
            to_output |= pruned->sources[v] & from_input;
    pruned->reached = !layout->has_output || has(from_input, last);
    pruned->present = ((uint32_t)1 << last << 1) - 1 - inputs - output;
    if (layout->has_output)
        pruned->present &= from_input & to_output;
    for (size_t v = n_inputs; v < layout->n_nodes; v++)
        pruned->sources[v] &= has(pruned->present | output, v) ? pruned->present | inputs : 0;
}

/* Whether a pruned graph is one of the space. */
static bool is_of_space(const cr_cell_layout *layout, const pruned_t *pruned)
{
    const size_t n_before_output = layout->n_nodes - layout->has_output;
    size_t n_edges = 0;
    for (size_t v = layout->n_inputs; v < layout->n_nodes; v++) {
        const size_t into = count_bits(pruned->sources[v]);
        n_edges += into;
        if (v < n_before_output && layout->in_degree != CR_CELL_ANY && into != layout->in_degree)
            return false;
    }
    return pruned->reached && n_edges <= layout->max_edges;
}

/* Moves the nodes of each block with the smaller codes of edges to v to the front, and cuts the block where codes
 * change. */
static void split_blocks(const cr_cell_matrix *cell, placing_t *p, size_t v)
{
    for (size_t i = 1; i < p->n_placed; i++) { /* insertion sort within blocks; `starts` is still the old one */
        const uint8_t node = p->order[i];
        size_t j = i;
        for (; !has(p->starts, j) && cell->edge[p->order[j - 1]][v] > cell->edge[node][v]; j--)
            p->order[j] = p->order[j - 1];
        p->order[j] = node;
    }
    for (size_t i = 1; i < p->n_placed; i++)
        if (cell->edge[p->order[i]][v] != cell->edge[p->order[i - 1]][v])
            p->starts |= (uint32_t)1 << i;
}

/* Writes the smallest part that v can have after the placed nodes. */
static void write_part(const cr_cell_matrix *cell, const placing_t *p, size_t v, uint8_t *part)
{
    part[0] = cell->operation[v];
    for (size_t i = 0; i < p->n_placed; i++) {
        uint8_t code = cell->edge[p->order[i]][v];
        size_t j = i;
        for (; !has(p->starts, j) && part[j] > code; j--) /* part[j] belongs to position j - 1 */
            part[j + 1] = part[j];
        part[j + 1] = code;
    }
}

/* Whether two nodes with the same operation have the same edges from all placed nodes. */
static bool have_same_sources(const cr_cell_matrix *cell, const placing_t *p, size_t u, size_t v)
{
    for (size_t i = 0; i < p->n_placed; i++)
        if (cell->edge[p->order[i]][u] != cell->edge[p->order[i]][v])
            return false;
    return cell->operation[u] == cell->operation[v];
}

/* Writes to groups the sets of nodes that may come next: those with the smallest part, in one set when they have the
 * same sources. *part = that part. */
static size_t find_next_groups(const ordering_t *o, const placing_t *p, uint32_t *groups, uint8_t *part)
{
    size_t n = 0, length = 1 + p->n_placed, first[MAX_NODES];
    part_t other;
    for (size_t v = o->layout->n_inputs; v < o->limit; v++) {
        if (!has(o->pruned->present & ~p->placed, v) || (o->pruned->sources[v] & ~p->placed) != 0)
            continue;
        write_part(o->cell, p, v, other);
        int order = n == 0 ? -1 : memcmp(other, part, length);
        if (order > 0)
            continue;
        if (order < 0) {
            memcpy(part, other, length);
            n = 0;
        }
        size_t g = 0;
        while (g < n && !have_same_sources(o->cell, p, first[g], v))
            g++;
        if (g == n) {
            first[n] = v;
            groups[n++] = 0;
        }
        groups[g] |= (uint32_t)1 << v;
    }
    return n;
}

/* Writes to sets the subsets of a group that may come next. It is the whole group, unless a node whose part is smaller
 * can come as soon as some of the group are placed: then it is the fewest after which one can. */
static size_t find_next_sets(const ordering_t *o, const placing_t *p, uint32_t group, const uint8_t *part, uint32_t *sets)
{
    size_t n = 1;
    part_t other;
    sets[0] = group;
    for (size_t w = o->layout->n_inputs; w < o->limit; w++) {
        uint32_t set = o->pruned->sources[w] & group;
        if (!has(o->pruned->present & ~p->placed & ~group, w) || set == 0 ||
            (o->pruned->sources[w] & ~p->placed & ~group) != 0 || count_bits(set) > count_bits(sets[0]))
            continue;
        write_part(o->cell, p, w, other);
        if (memcmp(other, part, 1 + p->n_placed) >= 0)
            continue;
        if (count_bits(set) < count_bits(sets[0]))
            n = 0;
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known |= sets[i] == set;
        if (!known)
            sets[n++] = set;
    }
    return n;
}

/* Places a set of nodes as a new block. Returns how their parts compare with those of the best sequence: below 0 when
 * they are smaller, or when there is none. */
static int place_set(ordering_t *o, placing_t *p, uint32_t set, const uint8_t *part)
{
    size_t n_before = p->n_placed;
    int order = o->found ? 0 : -1;
    p->starts |= (uint32_t)1 << n_before;
    p->placed |= set;
    for (size_t v = o->layout->n_inputs; v < o->limit; v++) {
        if (!has(set, v))
            continue;
        uint8_t *own = o->part[p->n_placed];
        memset(own, 0, sizeof *o->part); /* no edges within the set */
        memcpy(own, part, 1 + n_before);
        if (order == 0)
            order = memcmp(own, o->best[p->n_placed], sizeof *o->part);
        p->order[p->n_placed++] = (uint8_t)v;
    }
    return order;
}

/* Keeps a complete sequence that is smaller than the best. When it is equal, exchanging the nodes of the two orders
 * changes nothing in the cell: then what follows the choice by which they differ needs no second try. */
static void finish_order(ordering_t *o, placing_t *p)
{
    int order = o->found ? 0 : -1;
    if (o->layout->has_output) {
        uint8_t *part = o->part[p->n_placed];
        write_part(o->cell, p, o->layout->n_nodes - 1, part);
        if (order == 0)
            order = memcmp(part, o->best[p->n_placed], 1 + p->n_placed);
        split_blocks(o->cell, p, o->layout->n_nodes - 1);
    }
    if (order < 0) {
        memcpy(o->best, o->part, sizeof o->best);
        memcpy(o->best_path, o->path, sizeof o->best_path);
        memcpy(o->best_order, p->order, sizeof o->best_order);
        o->found = true;
    } else if (order == 0) {
        size_t depth = 0;
        while (o->path[depth] == o->best_path[depth])
            depth++;
        o->return_to = depth;
    }
}

/* Tries all sets of nodes that may give the smallest sequence after the placed ones. The parts of these are equal to
 * those of the best sequence found, if there is one. */
static void place_nodes(ordering_t *o, placing_t *p, size_t depth)
{
    uint32_t groups[MAX_NODES], sets[MAX_NODES];
    part_t part;
    if (p->n_placed == o->end) {
        o->path[depth] = 0;
        finish_order(o, p);
        return;
    }
    size_t n_groups = find_next_groups(o, p, groups, part);
    for (size_t g = 0; g < n_groups; g++) {
        placing_t split = *p;
        size_t member = 0;
        while (!has(groups[g], member))
            member++;
        split_blocks(o->cell, &split, member);
        size_t n_sets = find_next_sets(o, &split, groups[g], part, sets);
        for (size_t i = 0; i < n_sets; i++) {
            placing_t next = split;
            int order = place_set(o, &next, sets[i], part);
            if (order > 0)
                continue;
            if (order < 0)
                o->found = false; /* smaller than all before: the next complete sequence is the best so far */
            o->path[depth] = sets[i];
            place_nodes(o, &next, depth + 1);
            if (o->return_to < depth)
                return;
            o->return_to = MAX_NODES;
        }
    }
}

#define NUMBERED_END 7 /* the most positions for which parts fit numbers, see place_single_nodes() */

/* Places nodes as long as a single one may come next, and has the smallest part: in most graphs that is all of them. A part
 * is a number here, its first byte the most significant, and the last byte is the node. Nodes that may not come next count
 * as the largest number. */
static void place_single_nodes(const ordering_t *o, placing_t *p)
{
    const uint8_t(*edge)[MAX_NODES] = o->cell->edge;
    const uint32_t *sources = o->pruned->sources;
    const size_t n_inputs = o->layout->n_inputs, limit = o->limit;
    uint32_t left = o->pruned->present;
    uint64_t part[MAX_NODES];
    for (size_t v = n_inputs; v < limit; v++) {
        part[v] = has(left, v) ? (uint64_t)o->cell->operation[v] << 56 | v : UINT64_MAX;
        for (size_t i = 0; i + 1 < n_inputs; i++)
            part[v] |= (uint64_t)edge[i][v] << (48 - 8 * i);
    }
    while (left != 0) {
        const uint8_t *from_newest = edge[p->order[p->n_placed - 1]];
        uint64_t least = UINT64_MAX, second = UINT64_MAX;
        for (size_t v = n_inputs; v < limit; v++) {
            part[v] |= (uint64_t)from_newest[v] << (56 - 8 * p->n_placed);
            const uint64_t own = (sources[v] & left) != 0 ? UINT64_MAX : part[v];
            second = own < least ? least : own < second ? own : second;
            least = own < least ? own : least;
        }
        if (least >> 8 == second >> 8) /* a choice */
            return;
        const uint8_t v = (uint8_t)least;
        p->starts |= (uint32_t)1 << p->n_placed;
        p->placed |= (uint32_t)1 << v;
        p->order[p->n_placed++] = v;
        left &= ~((uint32_t)1 << v);
        part[v] = UINT64_MAX;
    }
}

/* Finds the order of the smallest sequence. */
static void find_canonical_order(const cr_cell_layout *layout, const cr_cell_matrix *cell, const pruned_t *pruned,
                                 uint8_t *order)
{
    ordering_t o; /* its sequences are written before they are read, and too long to be cleared for each cell */
    placing_t p = {.n_placed = layout->n_inputs};
    o.layout = layout;
    o.cell = cell;
    o.pruned = pruned;
    o.end = layout->n_inputs + count_bits(pruned->present);
    for (o.limit = layout->n_nodes; o.limit > 0 && !has(pruned->present, o.limit - 1);)
        o.limit--;
    o.return_to = MAX_NODES;
    o.found = false;
    for (size_t i = 0; i < layout->n_inputs; i++) { /* each in its own place */
        p.order[i] = (uint8_t)i;
        p.starts |= (uint32_t)1 << i;
        p.placed |= (uint32_t)1 << i;
    }
    if (o.end <= NUMBERED_END)
        place_single_nodes(&o, &p);
    if (p.n_placed < o.end) { /* the search goes on from there */
        place_nodes(&o, &p, 0);
        memcpy(p.order, o.best_order, sizeof o.best_order);
    }
    memcpy(order, p.order, o.end);
}

/* Writes what pruning leaves of a graph. */
static void write_pruned(const cr_cell_layout *layout, const cr_cell_matrix *cell, const pruned_t *pruned, bool canonical,
                         uint8_t *out)
{
    uint8_t order[MAX_NODES];
    size_t n_placed = 0;
    if (!pruned->reached) {
        memset(out, 0, cr_cell_graph_length(layout));
        return;
    }
    for (size_t v = 0; v < layout->n_nodes; v++)
        if (v < layout->n_inputs || has(pruned->present, v))
            order[n_placed++] = (uint8_t)v;
    if (canonical)
        find_canonical_order(layout, cell, pruned, order);
    write_cell(layout, cell, order, n_placed, out);
}

bool cr_cell_prune_graph(const cr_cell_layout *layout, const cr_cell_matrix *graph, bool canonical, uint8_t *out)
{
    pruned_t pruned;
    find_pruned(layout, graph, &pruned);
    if (!is_of_space(layout, &pruned))
        return false;
    write_pruned(layout, graph, &pruned, canonical, out);
    return true;
}

typedef struct {
    const cr_cell_layout *layout;
    const uint8_t *codes;
    size_t n, n_chunks;
    bool canonical;
    uint8_t *out;
    bool *valid;
} rows_t;

static void prune_chunk(void *context, size_t chunk)
{
    const rows_t *p = context;
    size_t begin, end, length = cr_cell_graph_length(p->layout), n_graphs = p->layout->n_graphs;
    cr_chunk_range(p->n, p->n_chunks, chunk, &begin, &end);
    for (size_t i = begin * n_graphs; i < end * n_graphs; i++) {
        cr_cell_matrix graph;
        pruned_t pruned;
        cr_cell_read(p->layout, p->codes + i * length, &graph);
        find_pruned(p->layout, &graph, &pruned);
        write_pruned(p->layout, &graph, &pruned, p->canonical, p->out + i * length);
    }
}

void cr_cell_prune(const cr_cell_layout *layout, const uint8_t *codes, size_t n, bool canonical, uint8_t *out)
{
    rows_t p = {layout, codes, n, cr_chunk_count(n, 1000 * layout->n_graphs), canonical, out, NULL};
    cr_parallel(p.n_chunks, prune_chunk, &p);
}

/* ---- which rows are cells ---- */

static void check_chunk(void *context, size_t chunk)
{
    const rows_t *p = context;
    size_t begin, end, length = cr_cell_graph_length(p->layout), n_graphs = p->layout->n_graphs;
    cr_chunk_range(p->n, p->n_chunks, chunk, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        p->valid[i] = true;
        for (size_t g = 0; g < n_graphs && p->valid[i]; g++) {
            cr_cell_matrix graph;
            pruned_t pruned;
            cr_cell_read(p->layout, p->codes + (i * n_graphs + g) * length, &graph);
            find_pruned(p->layout, &graph, &pruned);
            p->valid[i] = is_of_space(p->layout, &pruned);
        }
    }
}

void cr_cell_valid(const cr_cell_layout *layout, const uint8_t *codes, size_t n, bool *valid)
{
    rows_t p = {layout, codes, n, cr_chunk_count(n, 500 * layout->n_graphs), false, NULL, valid};
    cr_parallel(p.n_chunks, check_chunk, &p);
}

/* ---- keys ---- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

#define KEYS_AT_ONCE 8 /* each step of a key waits for the one before: several keys keep the processor busy */

/* The keys of at most KEYS_AT_ONCE rows, in mixed radix or as hashes. */
static void find_keys(const uint8_t *codes, size_t rows, size_t length, const int64_t *cardinalities, bool fits,
                      int64_t *keys)
{
    uint64_t key[KEYS_AT_ONCE] = {0};
    for (size_t c = 0; c < length; c++)
        for (size_t i = 0; i < rows; i++) {
            const uint64_t code = codes[i * length + c];
            key[i] = fits ? key[i] * (uint64_t)cardinalities[c] + code : mix(key[i] + code + 0x9E3779B97F4A7C15u);
        }
    for (size_t i = 0; i < rows; i++)
        keys[i] = (int64_t)(fits ? key[i] : key[i] >> 1);
}

void cr_cell_keys(const uint8_t *codes, size_t n, size_t length, const int64_t *cardinalities, int64_t *keys)
{
    bool fits = true;
    int64_t most = 1;
    for (size_t c = 0; c < length && fits; c++)
        if ((fits = cardinalities[c] <= INT64_MAX / most))
            most *= cardinalities[c];
    for (size_t i = 0; i < n; i += KEYS_AT_ONCE)
        if (n - i >= KEYS_AT_ONCE) /* a constant, so that the loop over rows is unrolled */
            find_keys(codes + i * length, KEYS_AT_ONCE, length, cardinalities, fits, keys + i);
        else
            find_keys(codes + i * length, n - i, length, cardinalities, fits, keys + i);
}
