// sources: @core csrc/graph/cell_space.c
/* Canonical form of cells: the same row for random orders of the intermediate nodes, once and again. */
#include "graph/cell_space.h"

#include <string.h>

#include "check.h"
#include "sample.h"

enum { NODES = 7, INNER = 5, EDGES = 21, ROW = INNER + EDGES, TRIALS = 2000 };

static const cr_cell_layout LAYOUT = {1, NODES, 1, true, true, 3, CR_CELL_ANY, CR_CELL_ANY};

/* The row of the edge from s to t. */
static size_t edge(size_t s, size_t t)
{
    return INNER + t * (t - 1) / 2 + s;
}

static void random_row(uint8_t *row)
{
    for (size_t i = 0; i < ROW; i++)
        row[i] = (uint8_t)sample_below(i < INNER ? 4 : 2);
}

/* Moves the intermediate nodes to other places, where that keeps every edge forward. */
static bool reorder(const uint8_t *row, const size_t *place, uint8_t *out)
{
    memset(out, 0, ROW);
    for (size_t v = 1; v <= INNER; v++)
        out[place[v] - 1] = row[v - 1];
    for (size_t t = 1; t < NODES; t++)
        for (size_t s = 0; s < t; s++)
            if (row[edge(s, t)]) {
                if (place[s] >= place[t])
                    return false;
                out[edge(place[s], place[t])] = 1;
            }
    return true;
}

static void one_row_for_all_orders(void)
{
    uint8_t row[ROW], moved[ROW], canonical[ROW], other[ROW];
    int compared = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        size_t place[NODES] = {0, 1, 2, 3, 4, 5, 6};
        random_row(row);
        for (size_t i = INNER; i > 1; i--) {
            size_t j = 1 + (size_t)sample_below((uint32_t)i), swap = place[i];
            place[i] = place[j];
            place[j] = swap;
        }
        cr_cell_prune(&LAYOUT, row, 1, true, canonical);
        cr_cell_prune(&LAYOUT, canonical, 1, true, other);
        CHECK(memcmp(canonical, other, ROW) == 0, "trial %d: not its own canonical form", trial);
        if (!reorder(row, place, moved))
            continue;
        cr_cell_prune(&LAYOUT, moved, 1, true, other);
        CHECK(memcmp(canonical, other, ROW) == 0, "trial %d: another row for another order", trial);
        compared++;
    }
    CHECK(compared > 20, "%d orders compared", compared);
}

static void what_does_nothing_is_left_out(void)
{
    uint8_t row[ROW] = {0}, out[ROW], expected[ROW] = {0};
    row[1] = 2, row[3] = 1; /* node 2 on the path, node 4 not */
    row[edge(0, 2)] = row[edge(2, 6)] = row[edge(2, 4)] = 1;
    expected[0] = 2, expected[edge(0, 1)] = expected[edge(1, 6)] = 1;
    cr_cell_prune(&LAYOUT, row, 1, false, out);
    CHECK(memcmp(out, expected, ROW) == 0, "other row");
    row[edge(2, 6)] = 0;
    memset(expected, 0, ROW);
    cr_cell_prune(&LAYOUT, row, 1, true, out);
    CHECK(memcmp(out, expected, ROW) == 0, "no path");
}

static void layouts(void)
{
    cr_error err = {""};
    const cr_cell_layout bad[] = {{1, 17, 1, true, true, 1, 0, 0}, {1, 4, 0, true, true, 1, 0, 0},
                                  {1, 1, 1, true, false, 1, 0, 0}, {0, 4, 1, true, true, 1, 0, 0},
                                  {9, 4, 1, true, true, 1, 0, 0},  {1, 4, 1, true, true, 255, 0, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(cr_cell_layout_check(&bad[i], &err) == CR_ERR_VALUE, "layout %zu", i);
    CHECK(cr_cell_layout_check(&LAYOUT, &err) == CR_OK && cr_cell_row_length(&LAYOUT) == ROW, "%s", err.text);
    CHECK(cr_cell_row_length(&(cr_cell_layout){2, 6, 2, false, false, 7, CR_CELL_ANY, 2}) == 28, "a pair of DARTS");
}

int main(void)
{
    RUN(one_row_for_all_orders);
    RUN(what_does_nothing_is_left_out);
    RUN(layouts);
    return check_finish("test_cell_space");
}
