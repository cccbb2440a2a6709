#include "features.h"

#include <string.h>

#include "../core/threads.h"

#define MAX_NODES CR_FORM_MAX_NODES
#define MAX_EDGES (MAX_NODES * (MAX_NODES - 1) / 2)

cr_status cr_cell_form_check(const cr_cell_form *form, cr_error *err)
{
    if (form->n_nodes > MAX_NODES || form->n_inputs == 0 || form->n_inputs + form->has_output > form->n_nodes ||
        form->n_edges > MAX_EDGES || form->n_graphs == 0 || form->n_operations == 0 || form->n_operations > 255)
        return cr_fail(err, CR_ERR_VALUE, "form: expected graphs of at most %d nodes, an input and room for the output among "
                       "them, at most %d edges and 1 to 255 operations, got %zu graphs, %zu nodes, %zu inputs, %zu edges and "
                       "%zu operations", MAX_NODES, MAX_EDGES, form->n_graphs, form->n_nodes, form->n_inputs, form->n_edges,
                       form->n_operations);
    const size_t places = form->operations_on_nodes ? form->n_nodes - form->n_inputs - form->has_output : form->n_edges;
    if (places > form->length)
        return cr_fail(err, CR_ERR_VALUE, "form: expected at least %zu codes of a graph, one per operation, got %zu", places,
                       form->length);
    for (size_t e = 0; e < form->n_edges; e++) {
        const int32_t from = form->from[e], to = form->to[e];
        if (from < 0 || to <= from || (size_t)to >= form->n_nodes || (e > 0 && to < form->to[e - 1]))
            return cr_fail(err, CR_ERR_VALUE, "edges: expected pairs (source, target) of nodes below %zu, source < target, in "
                           "the order of targets, got (%d, %d) for edge %zu", form->n_nodes, from, to, e);
        if (form->column[e] < -1 || form->column[e] >= (int64_t)form->length)
            return cr_fail(err, CR_ERR_VALUE, "columns: expected -1 or a code below %zu, got %d for edge %zu", form->length,
                           form->column[e], e);
    }
    return CR_OK;
}

/* ---- what a graph has ---- */

static bool is_intermediate(const cr_cell_form *form, size_t node)
{
    return node >= form->n_inputs && node < form->n_nodes - form->has_output;
}

/* The operation at a place of a graph, an intermediate node or an edge; below 0 for none, and for a code that is none. */
static int read_operation(const cr_cell_form *form, const uint8_t *codes, size_t place)
{
    const int number = (int)codes[place] - form->free;
    return number < (int)form->n_operations ? number : -1;
}

/* The operation that an edge leads through: its own, or that of its target; -1 for none. */
static int passed_operation(const cr_cell_form *form, const uint8_t *codes, size_t edge)
{
    if (!form->operations_on_nodes)
        return read_operation(form, codes, edge);
    const size_t target = (size_t)form->to[edge];
    return is_intermediate(form, target) ? read_operation(form, codes, target - form->n_inputs) : -1;
}

/* Whether an edge is there and passes something on. */
static bool is_passing(const cr_cell_form *form, const uint8_t *codes, size_t edge)
{
    if (form->operations_on_nodes)
        return form->column[edge] < 0 || codes[form->column[edge]] > 0;
    const int operation = read_operation(form, codes, edge);
    return operation >= 0 && !form->is_dead[operation];
}

/* ---- sequences of operations ---- */

typedef struct {
    const cr_cell_form *form;
    const cr_cell_paths *paths;
    const uint8_t *codes;
    size_t n, n_chunks;
    uint64_t *numbers;
    bool *open;
    const uint64_t *known;
    size_t n_known;
    double *out;
} features_t;

/* The edges of a graph: which pass something on, and the digit of each in a sequence, 0 when it adds none. */
typedef struct {
    bool passes[MAX_EDGES];
    uint8_t digit[MAX_EDGES];
} edges_t;

static void read_edges(const cr_cell_form *form, const uint8_t *codes, edges_t *edges)
{
    for (size_t e = 0; e < form->n_edges; e++) {
        const int operation = passed_operation(form, codes, e);
        edges->passes[e] = is_passing(form, codes, e);
        edges->digit[e] = operation < 0 || form->is_identity[operation] ? 0 : (uint8_t)(operation + 1);
    }
}

/* The number of a path's sequence; *open = whether all its edges pass something on. */
static uint64_t number_path(const features_t *w, const edges_t *edges, size_t graph, size_t path, bool *open)
{
    uint64_t number = graph + 1;
    *open = true;
    for (int32_t i = w->paths->offsets[path]; i < w->paths->offsets[path + 1]; i++) {
        const int32_t edge = w->paths->edges[i];
        *open &= edges->passes[edge];
        if (edges->digit[edge] > 0)
            number = number * (w->form->n_operations + 1) + edges->digit[edge];
    }
    return number;
}

static void sequences_chunk(void *context, size_t chunk)
{
    const features_t *w = context;
    size_t begin, end, n_paths = w->paths->n_paths;
    edges_t edges;
    cr_chunk_range(w->n, w->n_chunks, chunk, &begin, &end);
    for (size_t i = begin * w->form->n_graphs; i < end * w->form->n_graphs; i++) {
        read_edges(w->form, w->codes + i * w->form->length, &edges);
        for (size_t p = 0; p < n_paths; p++)
            w->numbers[i * n_paths + p] = number_path(w, &edges, i % w->form->n_graphs, p, &w->open[i * n_paths + p]);
    }
}

static size_t count_chunks(const cr_cell_form *form, size_t n, size_t steps)
{
    return cr_chunk_count(n, form->n_graphs * (steps + 10 * form->n_edges));
}

void cr_cell_sequences(const cr_cell_form *form, const cr_cell_paths *paths, const uint8_t *codes, size_t n,
                       uint64_t *numbers, bool *open)
{
    features_t w = {.form = form, .paths = paths, .codes = codes, .n = n, .numbers = numbers, .open = open,
                    .n_chunks = count_chunks(form, n, 10 * paths->n_paths)};
    cr_parallel(w.n_chunks, sequences_chunk, &w);
}

/* The position of a number among those known, or n_known. */
static size_t find_known(const features_t *w, uint64_t number)
{
    size_t low = 0, high = w->n_known;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (w->known[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < w->n_known && w->known[low] == number ? low : w->n_known;
}

static void count_chunk(void *context, size_t chunk)
{
    const features_t *w = context;
    size_t begin, end;
    edges_t edges;
    bool open;
    cr_chunk_range(w->n, w->n_chunks, chunk, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        double *counts = w->out + i * w->n_known;
        for (size_t k = 0; k < w->n_known; k++)
            counts[k] = 0;
        for (size_t g = 0; g < w->form->n_graphs; g++) {
            read_edges(w->form, w->codes + (i * w->form->n_graphs + g) * w->form->length, &edges);
            for (size_t p = 0; p < w->paths->n_paths; p++) {
                const uint64_t number = number_path(w, &edges, g, p, &open);
                const size_t k = open ? find_known(w, number) : w->n_known;
                if (k < w->n_known)
                    counts[k]++;
            }
        }
    }
}

void cr_cell_count_sequences(const cr_cell_form *form, const cr_cell_paths *paths, const uint8_t *codes, size_t n,
                             const uint64_t *known, size_t n_known, double *counts)
{
    features_t w = {.form = form, .paths = paths, .codes = codes, .n = n, .known = known, .n_known = n_known, .out = counts,
                    .n_chunks = count_chunks(form, n, 20 * paths->n_paths)};
    cr_parallel(w.n_chunks, count_chunk, &w);
}

/* ---- descriptors ---- */

/* What of a graph is on a path from an input to the output. */
typedef struct {
    bool nodes[MAX_NODES], edges[MAX_EDGES];
    int passed[MAX_EDGES];
} live_t;

static void find_live(const cr_cell_form *form, const uint8_t *codes, live_t *live)
{
    bool reached[MAX_NODES], used[MAX_NODES];
    for (size_t v = 0; v < form->n_nodes; v++) {
        reached[v] = v < form->n_inputs;
        used[v] = form->has_output ? v == form->n_nodes - 1 : v >= form->n_inputs;
    }
    for (size_t e = 0; e < form->n_edges; e++) { /* by target: sources come before */
        live->edges[e] = is_passing(form, codes, e);
        live->passed[e] = passed_operation(form, codes, e);
        reached[form->to[e]] |= live->edges[e] && reached[form->from[e]];
    }
    for (size_t e = form->n_edges; e-- > 0;) /* by target from the last: what a target leads to is known */
        used[form->from[e]] |= live->edges[e] && used[form->to[e]];
    for (size_t e = 0; e < form->n_edges; e++)
        live->edges[e] = live->edges[e] && reached[form->from[e]] && used[form->to[e]];
    for (size_t v = 0; v < form->n_nodes; v++)
        live->nodes[v] = reached[v] && used[v];
}

/* The largest sum of steps along a path over live edges; 0 where there is no path. */
static int find_longest(const cr_cell_form *form, const live_t *live, const int *steps)
{
    enum { CLOSED = -1000 }; /* less than any sum */
    int most[MAX_NODES], longest = CLOSED;
    for (size_t v = 0; v < form->n_nodes; v++)
        most[v] = v < form->n_inputs ? 0 : CLOSED;
    for (size_t e = 0; e < form->n_edges; e++)
        if (live->edges[e] && most[form->from[e]] + steps[e] > most[form->to[e]])
            most[form->to[e]] = most[form->from[e]] + steps[e];
    for (size_t v = form->has_output ? form->n_nodes - 1 : form->n_inputs; v < form->n_nodes; v++)
        longest = most[v] > longest ? most[v] : longest;
    return longest > CLOSED / 2 ? longest : 0;
}

/* How many paths lead from an input to the output over live edges. */
static double count_paths(const cr_cell_form *form, const live_t *live)
{
    double ways[MAX_NODES], paths = 0;
    for (size_t v = 0; v < form->n_nodes; v++)
        ways[v] = v < form->n_inputs;
    for (size_t e = 0; e < form->n_edges; e++)
        if (live->edges[e])
            ways[form->to[e]] += ways[form->from[e]];
    for (size_t v = form->has_output ? form->n_nodes - 1 : form->n_inputs; v < form->n_nodes; v++)
        paths += ways[v];
    return paths;
}

static void describe_lengths(const cr_cell_form *form, const live_t *live, double *out)
{
    int steps[MAX_EDGES] = {0};
    for (size_t e = 0; e < form->n_edges; e++)
        steps[e] = live->passed[e] >= 0 && !form->is_identity[live->passed[e]];
    out[CR_LONGEST] = find_longest(form, live, steps);
    for (size_t e = 0; e < form->n_edges; e++)
        steps[e] = -steps[e];
    out[CR_SHORTEST] = -find_longest(form, live, steps);
    out[CR_PATHS] = count_paths(form, live);
    out[CR_BARE] = out[CR_PATHS] > 0 && out[CR_SHORTEST] == 0;
}

static void describe_operations(const cr_cell_form *form, const uint8_t *codes, const live_t *live, double *out)
{
    int steps[MAX_EDGES] = {0};
    bool met[256] = {false};
    for (size_t k = 0; k < 2 * form->n_operations; k++)
        out[k] = 0;
    for (size_t v = form->n_inputs; form->operations_on_nodes && is_intermediate(form, v); v++) {
        const int operation = live->nodes[v] ? read_operation(form, codes, v - form->n_inputs) : -1;
        if (operation >= 0)
            out[2 * operation]++;
    }
    for (size_t e = 0; e < form->n_edges; e++) {
        if (!live->edges[e] || live->passed[e] < 0)
            continue;
        met[live->passed[e]] = true;
        if (!form->operations_on_nodes)
            out[2 * live->passed[e]]++;
    }
    for (size_t k = 0; k < form->n_operations; k++) {
        if (!met[k])
            continue;
        for (size_t e = 0; e < form->n_edges; e++)
            steps[e] = live->passed[e] == (int)k;
        out[2 * k + 1] = find_longest(form, live, steps);
    }
}

static void describe_graph(const cr_cell_form *form, const uint8_t *codes, double *out)
{
    live_t live = {0};
    find_live(form, codes, &live);
    describe_lengths(form, &live, out);
    out[CR_OUT_OF_INPUT] = out[CR_INTO_OUTPUT] = out[CR_NODES] = out[CR_EDGES] = 0;
    for (size_t v = form->n_inputs; is_intermediate(form, v); v++)
        out[CR_NODES] += live.nodes[v];
    for (size_t e = 0; e < form->n_edges; e++) {
        out[CR_EDGES] += live.edges[e];
        out[CR_OUT_OF_INPUT] += live.edges[e] && (size_t)form->from[e] < form->n_inputs;
        out[CR_INTO_OUTPUT] += live.edges[e] && (size_t)form->to[e] == form->n_nodes - 1;
    }
    if (!form->has_output)
        out[CR_INTO_OUTPUT] = out[CR_NODES];
    describe_operations(form, codes, &live, out + CR_N_DESCRIPTORS);
}

static void describe_chunk(void *context, size_t chunk)
{
    const features_t *w = context;
    const size_t columns = CR_N_DESCRIPTORS + 2 * w->form->n_operations;
    size_t begin, end;
    cr_chunk_range(w->n, w->n_chunks, chunk, &begin, &end);
    for (size_t i = begin * w->form->n_graphs; i < end * w->form->n_graphs; i++)
        describe_graph(w->form, w->codes + i * w->form->length, w->out + i * columns);
}

void cr_cell_describe(const cr_cell_form *form, const uint8_t *codes, size_t n, double *described)
{
    features_t w = {.form = form, .codes = codes, .n = n, .out = described, .n_chunks = count_chunks(form, n, 300)};
    cr_parallel(w.n_chunks, describe_chunk, &w);
}
