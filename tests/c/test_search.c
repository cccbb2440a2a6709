// sources: @core @autodiff @nn @optim @search csrc/graph/cell_batch.c
/* The set of cells and batches of cells, against the plainest way to do the same. */
#include "search/cell_set.h"

#include <string.h>

#include "check.h"
#include "graph/cell_batch.h"
#include "sample.h"

enum { KEYS = 6000, RANGE = 3000 };

static void set_against_a_table(void)
{
    static bool known[RANGE];
    cr_cell_set set = {0};
    size_t count = 0;
    cr_error err = {""};
    CHECK(!cr_cell_set_has(&set, 0) && !cr_cell_set_has(&set, UINT64_MAX), "an empty set has a key");
    for (int i = 0; i < KEYS; i++) {
        uint64_t key = sample_below(RANGE), spread = key << (key % 48); /* low bits alike in many */
        bool added = false;
        CHECK(cr_cell_set_has(&set, spread) == known[key], "key %zu", (size_t)key);
        CHECK(cr_cell_set_add(&set, spread, &added, &err) == CR_OK, "%s", err.text);
        bool was_there = known[key];
        for (uint64_t other = 0; !was_there && other < RANGE; other++)
            was_there = known[other] && other << (other % 48) == spread;
        CHECK(added == !was_there, "key %zu", (size_t)key);
        count += !was_there;
        known[key] = true;
        for (uint64_t other = 0; other < RANGE; other++)
            known[other] = known[other] || other << (other % 48) == spread;
        CHECK(set.count == count && cr_cell_set_has(&set, spread), "%zu of %zu", set.count, count);
    }
    cr_cell_set_free(&set);
    CHECK(set.count == 0 && !cr_cell_set_has(&set, 1), "a freed set has a key");
    cr_cell_set_free(&set);
}

static void cells_as_graphs(void)
{
    static const int32_t from[] = {0, 0, 1}, to[] = {1, 2, 2}, column[] = {0, 1, 2};
    static const uint8_t codes[] = {0, 1, 2, 3, 3, 0};
    const cr_cell_edges edges = {3, 3, 3, 4, from, to, column, false, true};
    static const int32_t sources[] = {1, 2, 0, 2, 0, 1, 4, 5, 3, 5, 3, 4};
    static const int32_t types[] = {0, 1, 0, 2, 1, 2, 3, 3, 3, 0, 3, 0};
    cr_graph *graph = NULL;
    cr_error err = {""};
    CHECK(cr_cell_batch(codes, 2, &edges, &graph, &err) == CR_OK, "%s", err.text);
    CHECK(graph->n_graphs == 2 && graph->n_nodes == 6 && graph->n_edges == 12 && graph->n_types == 4, "other sizes");
    for (int i = 0; i < 7; i++)
        CHECK(graph->edge_offsets[i] == 2 * i, "node %d", i);
    CHECK(memcmp(graph->sources, sources, sizeof sources) == 0, "other sources");
    CHECK(memcmp(graph->types, types, sizeof types) == 0, "other types");
    cr_graph_release(graph);
    CHECK(cr_cell_batch(codes, 0, &edges, &graph, &err) == CR_OK && graph->n_nodes == 0, "%s", err.text);
    cr_graph_release(graph);
    CHECK(cr_pool_stats().live_bytes == 0, "%zu bytes are left", cr_pool_stats().live_bytes);
}

static void bad_cells(void)
{
    static const int32_t ends[][2] = {{0, 3}, {-1, 0}, {1, 1}, {INT32_MAX, 0}};
    const uint8_t code = 2;
    const int32_t zero = 0, one = 1, beyond = 1;
    cr_graph *graph = NULL;
    cr_error err = {""};
    for (size_t i = 0; i < 4; i++) {
        cr_cell_edges edges = {3, 1, 1, 4, &ends[i][0], &ends[i][1], &zero, false, true};
        CHECK(cr_cell_batch(&code, 1, &edges, &graph, &err) == CR_ERR_VALUE && graph == NULL, "%zu: %s", i, err.text);
    }
    cr_cell_edges edges = {3, 1, 1, 2, &zero, &one, &zero, false, true};
    CHECK(cr_cell_batch(&code, 1, &edges, &graph, &err) == CR_ERR_VALUE, "code 2 of 2 operations");
    edges.column = &beyond;
    CHECK(cr_cell_batch(&code, 1, &edges, &graph, &err) == CR_ERR_VALUE, "column 1 of 1");
    edges = (cr_cell_edges){SIZE_MAX / 2, 1, 1, 4, &zero, &one, &zero, false, true};
    CHECK(cr_cell_batch((const uint8_t[]){0, 0, 0}, 3, &edges, &graph, &err) == CR_ERR_OVERFLOW, "%s", err.text);
    CHECK(cr_cell_batch(&code, 1, &edges, &graph, &err) == CR_ERR_OVERFLOW && graph == NULL, "%s", err.text);
}

/* Free edges, used from source to target alone: code 0 is none. Column -1: an edge that is always there. */
static void free_edges(void)
{
    static const int32_t from[] = {0, 0, 1}, to[] = {1, 2, 2}, column[] = {-1, 0, 1};
    static const uint8_t codes[] = {0, 2, 1, 0};
    const cr_cell_edges edges = {3, 3, 2, 2, from, to, column, true, false};
    static const int32_t offsets[] = {0, 0, 1, 2, 2, 3, 4}, sources[] = {0, 1, 3, 3}, types[] = {0, 1, 0, 0};
    cr_graph *graph = NULL;
    cr_error err = {""};
    CHECK(cr_cell_batch(codes, 2, &edges, &graph, &err) == CR_OK && graph->n_edges == 4, "%s", err.text);
    CHECK(memcmp(graph->edge_offsets, offsets, sizeof offsets) == 0, "other offsets");
    CHECK(memcmp(graph->sources, sources, sizeof sources) == 0, "other sources");
    CHECK(memcmp(graph->types, types, sizeof types) == 0, "other types");
    cr_graph_release(graph);
    CHECK(cr_cell_batch(codes, (size_t)INT32_MAX + 1, &edges, &graph, &err) == CR_ERR_OVERFLOW, "%s", err.text);
}

int main(void)
{
    RUN(set_against_a_table);
    RUN(cells_as_graphs);
    RUN(bad_cells);
    RUN(free_edges);
    return check_finish("test_search");
}
