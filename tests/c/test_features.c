// sources: @core csrc/graph/features.c
/* Features of cells: by hand, for random cells against walks over all paths, and on any number of threads. */
#include "graph/features.h"

#include <string.h>

#include "check.h"
#include "core/threads.h"
#include "sample.h"

/* Two graphs of an input, three intermediate nodes and an output with operations on all ten edges: dead, two others, an
 * identity; code 0 is no edge. */
enum { GRAPHS = 2, NODES = 5, EDGES = 10, OPERATIONS = 4, CELLS = 300, PATHS = 8 };
enum { COLUMNS = CR_N_DESCRIPTORS + 2 * OPERATIONS };

static const int32_t from[EDGES] = {0, 0, 1, 0, 1, 2, 0, 1, 2, 3}, to[EDGES] = {1, 2, 2, 3, 3, 3, 4, 4, 4, 4};
static const int32_t column[EDGES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
static const bool is_dead[OPERATIONS] = {true}, is_identity[OPERATIONS] = {false, false, false, true};
static const cr_cell_form FORM = {GRAPHS, EDGES, NODES, 1, EDGES, OPERATIONS, true, false, true, from, to, column, is_dead,
                                  is_identity};

/* What all paths of a graph say. */
typedef struct {
    int longest, shortest, n, most[OPERATIONS];
    bool used[EDGES];
    uint64_t numbers[PATHS];
} walks_t;

static void walk(const uint8_t *codes, size_t node, const int *met, bool *edges, uint64_t number, walks_t *w)
{
    if (node == NODES - 1) {
        int length = 0;
        for (int k = 1; k < 3; k++)
            length += met[k];
        w->longest = w->n == 0 || length > w->longest ? length : w->longest;
        w->shortest = w->n == 0 || length < w->shortest ? length : w->shortest;
        for (int k = 0; k < OPERATIONS; k++)
            w->most[k] = met[k] > w->most[k] ? met[k] : w->most[k];
        for (size_t e = 0; e < EDGES; e++)
            w->used[e] |= edges[e];
        w->numbers[w->n++] = number;
        return;
    }
    for (size_t e = 0; e < EDGES; e++) {
        if ((size_t)from[e] != node || codes[e] < 2)
            continue;
        int next[OPERATIONS];
        memcpy(next, met, sizeof next);
        const int k = codes[e] - 1;
        next[k]++;
        edges[e] = true;
        walk(codes, (size_t)to[e], next, edges, k == 3 ? number : number * (OPERATIONS + 1) + (uint64_t)k + 1, w);
        edges[e] = false;
    }
}

static void expect_graph(const uint8_t *codes, size_t graph, const double *got)
{
    walks_t w = {0};
    bool edges[EDGES] = {false}, nodes[NODES] = {false};
    int met[OPERATIONS] = {0}, n_edges = 0, out_of = 0, into = 0, n_nodes = 0;
    walk(codes, 0, met, edges, graph + 1, &w);
    for (size_t e = 0; e < EDGES; e++) {
        n_edges += w.used[e];
        out_of += w.used[e] && from[e] == 0;
        into += w.used[e] && to[e] == NODES - 1;
        nodes[to[e]] |= w.used[e];
    }
    for (size_t v = 1; v < NODES - 1; v++)
        n_nodes += nodes[v];
    const double expected[CR_N_DESCRIPTORS] = {w.longest, w.shortest, w.n > 0 && w.shortest == 0, out_of, into, n_nodes,
                                               n_edges, w.n};
    for (int i = 0; i < CR_N_DESCRIPTORS; i++)
        CHECK(got[i] == expected[i], "descriptor %d: %g, expected %g", i, got[i], expected[i]);
    for (int k = 0; k < OPERATIONS; k++) {
        int count = 0;
        for (size_t e = 0; e < EDGES; e++)
            count += w.used[e] && codes[e] == k + 1;
        CHECK(got[CR_N_DESCRIPTORS + 2 * k] == count, "operation %d: %g times, expected %d", k, got[CR_N_DESCRIPTORS + 2 * k],
              count);
        CHECK(got[CR_N_DESCRIPTORS + 2 * k + 1] == w.most[k], "operation %d: %g on a path, expected %d", k,
              got[CR_N_DESCRIPTORS + 2 * k + 1], w.most[k]);
    }
}

/* All ways from the input to the output, as edges. */
static void all_paths(cr_cell_paths *paths, int32_t *offsets, int32_t *edges)
{
    static const int32_t ways[PATHS][4] = {{6, -1}, {0, 7, -1}, {1, 8, -1}, {3, 9, -1}, {0, 2, 8, -1}, {0, 4, 9, -1},
                                           {1, 5, 9, -1}, {0, 2, 5, 9}};
    int32_t n = 0;
    for (size_t p = 0; p < PATHS; p++) {
        offsets[p] = n;
        for (size_t i = 0; i < 4 && ways[p][i] >= 0; i++)
            edges[n++] = ways[p][i];
    }
    offsets[PATHS] = n;
    *paths = (cr_cell_paths){PATHS, offsets, edges};
}

static uint8_t *random_codes(void)
{
    uint8_t *codes = sample_memory(CELLS * GRAPHS * EDGES, 1);
    for (size_t i = 0; i < CELLS * GRAPHS * EDGES; i++)
        codes[i] = (uint8_t)sample_below(OPERATIONS + 1);
    return codes;
}

static void descriptors(void)
{
    cr_error err = {""};
    uint8_t *codes = random_codes();
    double *got = sample_memory(CELLS * GRAPHS * COLUMNS, sizeof *got), *again = sample_memory(CELLS * GRAPHS * COLUMNS, 8);
    CHECK(cr_cell_form_check(&FORM, &err) == CR_OK, "%s", err.text);
    cr_cell_describe(&FORM, codes, CELLS, got);
    for (size_t i = 0; i < CELLS * GRAPHS; i++)
        expect_graph(codes + i * EDGES, i % GRAPHS, got + i * COLUMNS);
    CHECK(cr_threads_set(3, &err) == CR_OK, "%s", err.text);
    cr_cell_describe(&FORM, codes, CELLS, again);
    CHECK(memcmp(got, again, CELLS * GRAPHS * COLUMNS * sizeof *got) == 0, "other descriptors on three threads");
    CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
    cr_cell_describe(&FORM, codes, 0, NULL);
    free(codes);
    free(got);
    free(again);
}

static void sequences(void)
{
    int32_t offsets[PATHS + 1], edges[4 * PATHS];
    cr_cell_paths paths;
    uint8_t *codes = random_codes();
    uint64_t *numbers = sample_memory(CELLS * GRAPHS * PATHS, sizeof *numbers), known[3];
    bool *open = sample_memory(CELLS * GRAPHS * PATHS, sizeof *open);
    double counts[CELLS * 3];
    size_t n_open = 0, n_known = 0;
    all_paths(&paths, offsets, edges);
    cr_cell_sequences(&FORM, &paths, codes, CELLS, numbers, open);
    for (size_t i = 0; i < CELLS * GRAPHS; i++) { /* the numbers of the open paths are those of the walks */
        walks_t w = {0};
        bool met_edges[EDGES] = {false};
        int met[OPERATIONS] = {0}, n = 0;
        walk(codes + i * EDGES, 0, met, met_edges, i % GRAPHS + 1, &w);
        for (size_t p = 0; p < PATHS; p++) {
            if (!open[i * PATHS + p])
                continue;
            n_open++;
            n++;
            bool found = false;
            for (int j = 0; j < w.n; j++)
                found |= w.numbers[j] == numbers[i * PATHS + p];
            CHECK(found, "graph %zu: path %zu has another number", i, p);
        }
        CHECK(n == w.n, "graph %zu: %d open paths, expected %d", i, n, w.n);
    }
    for (uint64_t number = 0; n_known < 3; number++) /* three that occur, in ascending order */
        for (size_t j = 0; j < CELLS * GRAPHS * PATHS; j++)
            if (open[j] && numbers[j] == number) {
                known[n_known++] = number;
                break;
            }
    cr_cell_count_sequences(&FORM, &paths, codes, CELLS, known, 3, counts);
    for (size_t i = 0; i < CELLS; i++)
        for (size_t k = 0; k < 3; k++) {
            double expected = 0;
            for (size_t j = i * GRAPHS * PATHS; j < (i + 1) * GRAPHS * PATHS; j++)
                expected += open[j] && numbers[j] == known[k];
            CHECK(counts[i * 3 + k] == expected, "cell %zu: %g times, expected %g", i, counts[i * 3 + k], expected);
        }
    CHECK(n_open > 100, "%zu open paths", n_open);
    cr_cell_count_sequences(&FORM, &paths, codes, CELLS, NULL, 0, NULL);
    free(codes);
    free(numbers);
    free(open);
}

int main(void)
{
    RUN(descriptors);
    RUN(sequences);
    return check_finish("test_features");
}
