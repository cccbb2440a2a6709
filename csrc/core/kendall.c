#include "kendall.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    double x, y;
} pair_t;

static int by_x_then_y(const void *a, const void *b)
{
    const pair_t *p = a, *q = b;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    return (p->y > q->y) - (p->y < q->y);
}

/* Number of pairs i < j with equal keys among sorted pairs; with both, pairs equal in x and y. */
static double count_ties_in_x(const pair_t *pairs, size_t n, bool both)
{
    double ties = 0, run = 0; /* run: equal pairs before this one */
    for (size_t i = 1; i < n; i++) {
        bool equal = pairs[i].x == pairs[i - 1].x && (!both || pairs[i].y == pairs[i - 1].y);
        run = equal ? run + 1 : 0;
        ties += run;
    }
    return ties;
}

static double count_ties_in_y(const double *sorted, size_t n)
{
    double ties = 0, run = 0;
    for (size_t i = 1; i < n; i++) {
        run = sorted[i] == sorted[i - 1] ? run + 1 : 0;
        ties += run;
    }
    return ties;
}

/* Sorts values, bottom-up; returns the number of pairs that were in the wrong order. */
static double merge_sort(double *values, double *scratch, size_t n)
{
    double swaps = 0;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t begin = 0; begin < n; begin += 2 * width) {
            size_t middle = begin + width < n ? begin + width : n, end = middle + width < n ? middle + width : n;
            size_t left = begin, right = middle;
            for (size_t k = begin; k < end; k++) {
                if (right >= end || (left < middle && values[left] <= values[right])) {
                    scratch[k] = values[left++];
                } else {
                    swaps += (double)(middle - left);
                    scratch[k] = values[right++];
                }
            }
        }
        memcpy(values, scratch, n * sizeof *values);
    }
    return swaps;
}

cr_status cr_kendall_tau(const double *x, const double *y, size_t n, double *tau, cr_error *err)
{
    cr_status status = CR_OK;
    *tau = NAN;
    if (n < 2)
        return CR_OK;
    size_t bytes;
    status = cr_size_multiply(n, sizeof(pair_t), &bytes, "kendall_tau", err);
    if (status != CR_OK)
        return status;
    pair_t *pairs = malloc(bytes);
    double *values = malloc(bytes); /* two halves: the values and the scratch of the sort */
    if (pairs == NULL || values == NULL) {
        status = cr_fail(err, CR_ERR_MEMORY, "kendall_tau: cannot allocate %zu pairs", n);
        goto fail;
    }
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]) || isnan(y[i])) {
            status = cr_fail(err, CR_ERR_VALUE, "kendall_tau: expected numbers, got NaN at position %zu", i);
            goto fail;
        }
        pairs[i] = (pair_t){x[i], y[i]};
    }
    qsort(pairs, n, sizeof *pairs, by_x_then_y);
    for (size_t i = 0; i < n; i++)
        values[i] = pairs[i].y;
    double all = 0.5 * (double)n * (double)(n - 1);
    double tied_x = count_ties_in_x(pairs, n, false), tied_both = count_ties_in_x(pairs, n, true);
    double discordant = merge_sort(values, values + n, n), tied_y = count_ties_in_y(values, n);
    double concordant = all - tied_x - tied_y + tied_both - discordant;
    if (tied_x < all && tied_y < all)
        *tau = (concordant - discordant) / sqrt((all - tied_x) * (all - tied_y));
fail:
    free(pairs);
    free(values);
    return status;
}
