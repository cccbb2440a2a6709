// sources: csrc/core/select.c csrc/core/status.c
/* The smallest values against selection one by one and a full sort; what is refused. */
#include "core/select.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "sample.h"

enum { MANY = 20000 };

/* Indices in the order that cr_smallest promises, by selection. */
static void plain_order(const double *values, size_t n, int64_t *order)
{
    bool used[64] = {false};
    for (size_t k = 0; k < n; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            if (used[i])
                continue;
            if (best == n || values[i] < values[best] || (isnan(values[best]) && !isnan(values[i])))
                best = i;
        }
        used[best] = true;
        order[k] = (int64_t)best;
    }
}

static void smallest_against_selection(void)
{
    for (int trial = 0; trial < 300; trial++) {
        double values[60];
        int64_t order[60], *got;
        size_t n = sample_below(60), kinds = 1 + sample_below(20);
        for (size_t i = 0; i < n; i++) {
            size_t kind = sample_below(kinds + 3);
            values[i] = kind < kinds ? (double)kind : kind == kinds ? NAN : kind == kinds + 1 ? INFINITY : -INFINITY;
        }
        plain_order(values, n, order);
        for (size_t k = 0; k <= n; k++) {
            cr_error err = {""};
            got = sample_memory(k, sizeof *got);
            CHECK(cr_smallest(values, n, k, got, &err) == CR_OK, "%s", err.text);
            CHECK(memcmp(got, order, k * sizeof *got) == 0, "trial %d, %zu of %zu", trial, k, n);
            free(got);
        }
    }
}

static const double *compared;

static int by_value_then_index(const void *a, const void *b)
{
    const int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (compared[i] != compared[j])
        return compared[i] < compared[j] ? -1 : 1;
    return (i > j) - (i < j);
}

/* Many values, many of them equal: a heap of some depth. */
static void many_against_a_sort(void)
{
    double *values = sample_memory(MANY, sizeof *values);
    int64_t *order = sample_memory(MANY, sizeof *order), *got = sample_memory(MANY, sizeof *got);
    for (size_t i = 0; i < MANY; i++) {
        values[i] = (double)sample_below(MANY / 4);
        order[i] = (int64_t)i;
    }
    compared = values;
    qsort(order, MANY, sizeof *order, by_value_then_index);
    static const size_t counts[] = {0, 1, 2, 1000, MANY - 1, MANY};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        cr_error err = {""};
        CHECK(cr_smallest(values, MANY, counts[c], got, &err) == CR_OK, "%s", err.text);
        CHECK(memcmp(got, order, counts[c] * sizeof *got) == 0, "%zu of %d", counts[c], MANY);
    }
    free(values);
    free(order);
    free(got);
}

static void more_than_there_are(void)
{
    int64_t none = -1;
    cr_error err = {""};
    CHECK(cr_smallest((const double[]){1}, 1, 2, &none, &err) == CR_ERR_VALUE, "%s", err.text);
    CHECK(strstr(err.text, "k: expected at most 1") != NULL && none == -1, "%s", err.text);
    CHECK(cr_smallest(NULL, 0, 0, NULL, &err) == CR_OK, "nothing of nothing");
    CHECK(cr_smallest(NULL, 0, 1, &none, NULL) == CR_ERR_VALUE, "one of nothing");
}

int main(void)
{
    RUN(smallest_against_selection);
    RUN(many_against_a_sort);
    RUN(more_than_there_are);
    return check_finish("test_select");
}
