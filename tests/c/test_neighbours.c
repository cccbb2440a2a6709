// sources: @core csrc/graph/cell_space.c csrc/graph/neighbours.c
/* Neighbours of cells: those of a small cell by hand, and for random cells that all are of the space and one step away,
 * on any number of threads. */
#include "graph/neighbours.h"

#include <string.h>

#include "check.h"
#include "core/threads.h"
#include "sample.h"

/* An input, two intermediate nodes and an output: operations, then edges 01, 02, 12, 03, 13, 23. */
static const cr_cell_layout SMALL = {1, 4, 1, true, true, 2, CR_CELL_ANY, CR_CELL_ANY};
/* The pairs of cells of DARTS. */
static const cr_cell_layout PAIRS = {2, 6, 2, false, false, 7, CR_CELL_ANY, 2};

enum { SMALL_ROW = 8, PAIR = 28, CELLS = 40 };

/* Writes the neighbours of n cells, cell by cell, and their numbers; the caller frees the rows. */
static uint8_t *find(const cr_cell_layout *layout, const uint8_t *codes, size_t n, bool canonical, size_t *begins,
                     size_t *counts)
{
    size_t total = 0;
    cr_cell_count_steps(layout, codes, n, counts);
    for (size_t i = 0; i < n; i++) {
        begins[i] = total;
        total += counts[i];
    }
    uint8_t *rows = sample_memory(total * cr_cell_row_length(layout), 1);
    cr_cell_neighbours(layout, codes, n, canonical, begins, rows, counts);
    return rows;
}

/* Whether a row is among the different ones of some rows. */
static bool is_among(const uint8_t *rows, size_t n, const uint8_t *row, size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(rows + i * length, row, length) == 0)
            return true;
    return false;
}

static void by_hand(void)
{
    static const uint8_t codes[SMALL_ROW] = {1, 0, 1, 0, 0, 0, 1, 0}; /* input - 1 - output */
    static const uint8_t expected[][SMALL_ROW] = {
        {1, 0, 1, 0, 0, 0, 1, 0},                           /* the cell itself, by an edge from or to no node */
        {2, 0, 1, 0, 0, 0, 1, 0},                           /* another operation */
        {1, 0, 1, 0, 0, 1, 1, 0},                           /* the edge past it */
        {1, 1, 1, 0, 1, 0, 1, 1}, {1, 2, 1, 0, 1, 0, 1, 1}, /* a node after it, beside its edge to the output */
        {1, 1, 1, 1, 0, 0, 1, 1}, {1, 2, 1, 1, 0, 0, 1, 1}, /* a node side by side */
        {1, 1, 1, 1, 1, 0, 0, 1}, {2, 1, 1, 1, 1, 0, 0, 1}, /* a node before it, beside its edge from the input */
    };
    size_t begins[1], counts[1], n_expected = sizeof expected / sizeof expected[0], found = 0;
    uint8_t *rows = find(&SMALL, codes, 1, true, begins, counts);
    for (size_t i = 0; i < counts[0]; i++) {
        CHECK(is_among(expected[0], n_expected, rows + i * SMALL_ROW, SMALL_ROW), "neighbour %zu is another cell", i);
        found += !is_among(rows, i, rows + i * SMALL_ROW, SMALL_ROW);
    }
    CHECK(found == n_expected, "%zu different neighbours, expected %zu", found, n_expected);
    free(rows);
}

/* Random pairs with two edges into each node. */
static void random_pairs(uint8_t *codes)
{
    for (size_t i = 0; i < 2 * CELLS; i++, codes += PAIR / 2) {
        memset(codes, 0, PAIR / 2);
        for (size_t t = 2, first = 0; t < 6; first += t++) {
            size_t a = sample_below(t), b = (a + 1 + sample_below(t - 1)) % t;
            codes[first + a] = (uint8_t)(1 + sample_below(7));
            codes[first + b] = (uint8_t)(1 + sample_below(7));
        }
    }
}

static void pairs(void)
{
    cr_error err = {""};
    size_t begins[CELLS], counts[CELLS], again[CELLS];
    uint8_t codes[CELLS * PAIR];
    random_pairs(codes);
    uint8_t *rows = find(&PAIRS, codes, CELLS, false, begins, counts), *threaded;
    for (size_t i = 0; i < CELLS; i++) {
        CHECK(counts[i] == 2 * (8 * 6 + 2 * (1 + 2 + 3)), "%zu neighbours", counts[i]); /* operations, sources */
        for (size_t j = 0; j < counts[i]; j++) {
            const uint8_t *row = rows + (begins[i] + j) * PAIR;
            bool valid;
            size_t changed = 0;
            for (size_t c = 0; c < PAIR; c++)
                changed += row[c] != codes[i * PAIR + c];
            cr_cell_valid(&PAIRS, row, 1, &valid);
            CHECK(valid && (changed == 1 || changed == 2), "%zu codes changed, valid %d", changed, (int)valid);
        }
    }
    for (int threads = 2; threads <= 3; threads++) {
        CHECK(cr_threads_set(threads, &err) == CR_OK, "%s", err.text);
        threaded = find(&PAIRS, codes, CELLS, false, begins, again);
        CHECK(memcmp(counts, again, sizeof counts) == 0 && memcmp(rows, threaded, CELLS * counts[0] * PAIR) == 0,
              "other neighbours on %d threads", threads);
        free(threaded);
    }
    CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
    free(rows);
    memset(codes + PAIR / 2, 0, PAIR / 2); /* the second graph of the first cell is none: a step cannot mend it */
    rows = find(&PAIRS, codes, 1, true, begins, counts);
    CHECK(counts[0] == 0, "%zu neighbours of no cell", counts[0]);
    free(rows);
}

/* Rows of any codes, pruned or not, are safe. */
static void any_rows(void)
{
    static const cr_cell_layout layouts[] = {
        {1, 16, 1, true, true, 3, 9, CR_CELL_ANY}, {1, 16, 15, true, false, 2, CR_CELL_ANY, CR_CELL_ANY},
        {8, 5, 2, true, false, 3, 4, CR_CELL_ANY}, {1, 2, 1, true, true, 1, CR_CELL_ANY, CR_CELL_ANY},
        {2, 3, 3, false, true, 2, CR_CELL_ANY, 1}};
    for (size_t l = 0; l < sizeof layouts / sizeof layouts[0]; l++) {
        const size_t length = cr_cell_row_length(&layouts[l]);
        uint8_t *codes = sample_memory(3 * length, 1);
        size_t begins[3], counts[3];
        for (size_t i = 0; i < 3 * length; i++)
            codes[i] = (uint8_t)(sample_below(3) == 0 ? sample_below(256) : 0);
        free(find(&layouts[l], codes, 3, l % 2 == 0, begins, counts));
        free(codes);
    }
}

static void different(void)
{
    cr_cell_keyed cells[] = {{7, 0}, {3, 1}, {7, 2}, {5, 3}, {3, 4}, {9, 5}, {5, 6}}, room[7];
    CHECK(cr_cell_different(cells, 7, 5, room) == 3, "others are different");
    CHECK(cells[0].row == 1 && cells[1].row == 0 && cells[2].row == 5, "not the first of each");
    CHECK(cr_cell_different(cells, 0, 1, room) == 0, "none");
}

/* Any number of cells: those that stay have ascending keys, and are the first of each but one's own. */
static void many_different(void)
{
    enum { MOST = 100, KEYS = 60 };
    cr_cell_keyed cells[MOST], room[MOST];
    for (size_t n = 0; n <= MOST; n++) {
        size_t first[KEYS], n_found = 0;
        const int64_t own = (int64_t)sample_below(KEYS);
        for (size_t key = 0; key < KEYS; key++)
            first[key] = MOST;
        for (size_t i = 0; i < n; i++) {
            const size_t key = sample_below(KEYS);
            cells[i] = (cr_cell_keyed){(int64_t)key, i};
            if (first[key] == MOST)
                first[key] = i;
        }
        size_t kept = cr_cell_different(cells, n, own, room);
        for (size_t key = 0; key < KEYS; key++)
            if (first[key] < MOST && (int64_t)key != own) {
                CHECK(n_found < kept && cells[n_found].key == (int64_t)key && cells[n_found].row == first[key],
                      "of %zu cells, number %zu is another", n, n_found);
                n_found++;
            }
        CHECK(n_found == kept, "%zu different ones of %zu cells, expected %zu", kept, n, n_found);
    }
}

int main(void)
{
    RUN(by_hand);
    RUN(pairs);
    RUN(any_rows);
    RUN(different);
    RUN(many_different);
    return check_finish("test_neighbours");
}
