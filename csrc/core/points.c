#include "points.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "kernels.h"
#include "threads.h"

/* Points are stored in panels of this many, each by columns: those of one column lie side by side. The last panel is
 * filled up with zeros. */
#define PANEL CR_POINT_PANEL
#define LINE 8 /* doubles */

struct cr_points {
    size_t m, d, n_panels;
    cr_buffer *buffer; /* panels (n_panels, d, PANEL), then the squared lengths (n_panels, PANEL) */
};

size_t cr_points_count(const cr_points *points)
{
    return points->m;
}

size_t cr_points_columns(const cr_points *points)
{
    return points->d;
}

void cr_points_release(cr_points *points)
{
    if (points == NULL)
        return;
    cr_buffer_release(points->buffer);
    free(points);
}

static double *panel_of(const cr_points *points, size_t panel)
{
    return (double *)cr_buffer_data(points->buffer) + panel * points->d * PANEL;
}

static double *squares_of(const cr_points *points, size_t panel)
{
    return (double *)cr_buffer_data(points->buffer) + (points->n_panels * points->d + panel) * PANEL;
}

/* ---- the copy ---- */

typedef struct {
    cr_points *points;
    const double *y;
    size_t n_chunks;
} copy_t;

static void copy_panels(void *context, size_t chunk)
{
    const copy_t *copy = context;
    const cr_kernel_table *kernels = cr_kernels(CR_F64);
    const size_t m = copy->points->m, d = copy->points->d;
    size_t begin, end;
    cr_chunk_range(copy->points->n_panels, copy->n_chunks, chunk, &begin, &end);
    for (size_t p = begin; p < end; p++) {
        const double *from = copy->y + p * PANEL * d;
        const size_t count = m - p * PANEL < PANEL ? m - p * PANEL : PANEL;
        double *panel = panel_of(copy->points, p);
        if (count < PANEL)
            memset(panel, 0, d * PANEL * sizeof *panel);
        for (size_t first = 0; first < d; first += LINE) /* a line of the cache of each point at a time */
            for (size_t j = 0; j < count; j++)
                for (size_t k = first; k < d && k < first + LINE; k++)
                    panel[k * PANEL + j] = from[j * d + k];
        kernels->column_squares(d, PANEL, PANEL, panel, squares_of(copy->points, p));
    }
}

static bool are_finite(size_t n, const double *x)
{
    double nothing[LINE] = {0}, all = 0; /* NaN as soon as an element is infinite or NaN */
    size_t i = 0;
    for (; i + LINE <= n; i += LINE)
        for (size_t k = 0; k < LINE; k++) /* apart, so that no sum waits for the one before */
            nothing[k] += 0 * x[i + k];
    for (; i < n; i++)
        all += 0 * x[i];
    for (size_t k = 0; k < LINE; k++)
        all += nothing[k];
    return all == 0;
}

static cr_status expect_finite(size_t n, const double *x, cr_error *err)
{
    return are_finite(n, x) ? CR_OK : cr_fail(err, CR_ERR_VALUE, "points: expected finite numbers, got infinity or NaN");
}

cr_status cr_points_new(size_t m, size_t d, const double *y, cr_points **out, cr_error *err)
{
    const size_t panels = m / PANEL + (m % PANEL != 0);
    size_t bytes;
    *out = NULL;
    cr_status status = cr_size_multiply(panels * PANEL, d + 1, &bytes, "points", err);
    if (status == CR_OK)
        status = cr_size_multiply(bytes, sizeof(double), &bytes, "points", err);
    if (status != CR_OK)
        return status;
    status = expect_finite(m * d, y, err);
    if (status != CR_OK)
        return status;
    cr_points *points = malloc(sizeof *points);
    if (points == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate points");
    *points = (cr_points){m, d, panels, NULL};
    status = cr_buffer_new(bytes, &points->buffer, err);
    if (status != CR_OK) {
        free(points);
        return status;
    }
    copy_t copy = {points, y, cr_chunk_count(panels, PANEL * (d + 1))};
    if (panels > 0)
        cr_parallel(copy.n_chunks, copy_panels, &copy);
    *out = points;
    return CR_OK;
}

/* ---- distances ---- */

/* The elements of x that are not 0: those of row i from start[i] to start[i + 1], and their columns. */
typedef struct {
    const cr_points *points;
    size_t n, n_chunks;
    double *values, *squares; /* (n d,) and (n,) */
    size_t *start;            /* (n + 1,) */
    int32_t *columns;         /* (n d,) */
    double *out;
} distances_t;

static void list_elements(distances_t *t, const double *x)
{
    const size_t d = t->points->d;
    size_t next = 0;
    for (size_t i = 0; i < t->n; i++) {
        t->start[i] = next;
        for (size_t k = 0; k < d; k++)
            if (x[i * d + k] != 0) {
                t->values[next] = x[i * d + k];
                t->columns[next++] = (int32_t)k;
            }
        cr_kernels(CR_F64)->column_squares(next - t->start[i], 1, 1, t->values + t->start[i], t->squares + i);
    }
    t->start[t->n] = next;
}

static void measure_panels(void *context, size_t chunk)
{
    const distances_t *t = context;
    const cr_kernel_table *kernels = cr_kernels(CR_F64);
    const size_t m = t->points->m;
    double whole[PANEL];
    size_t begin, end;
    cr_chunk_range(t->points->n_panels, t->n_chunks, chunk, &begin, &end);
    for (size_t p = begin; p < end; p++) {
        const size_t count = m - p * PANEL < PANEL ? m - p * PANEL : PANEL;
        for (size_t i = 0; i < t->n; i++) {
            double *out = t->out + i * m + p * PANEL;
            kernels->point_distances(t->start[i + 1] - t->start[i], t->columns + t->start[i], t->values + t->start[i],
                                     t->squares[i], panel_of(t->points, p), squares_of(t->points, p),
                                     count < PANEL ? whole : out);
            if (count < PANEL)
                memcpy(out, whole, count * sizeof *out);
        }
    }
}

cr_status cr_points_distances(const cr_points *points, size_t n, const double *x, double *out, cr_error *err)
{
    distances_t t = {.points = points, .n = n, .out = out};
    cr_buffer *buffer;
    size_t elements, bytes;
    cr_status status = cr_size_multiply(n, points->d, &elements, "points", err);
    if (status == CR_OK)
        status = cr_size_multiply(elements + n + 1, 3 * sizeof(double), &bytes, "points", err);
    if (status == CR_OK)
        status = expect_finite(elements, x, err);
    if (status != CR_OK || n == 0 || points->m == 0)
        return status;
    status = cr_buffer_new(bytes, &buffer, err);
    if (status != CR_OK)
        return status;
    t.values = cr_buffer_data(buffer);
    t.squares = t.values + elements;
    t.start = (size_t *)(t.squares + n);
    t.columns = (int32_t *)(t.start + n + 1);
    list_elements(&t, x);
    t.n_chunks = cr_chunk_count(points->n_panels, PANEL * (t.start[n] + n));
    cr_parallel(t.n_chunks, measure_panels, &t);
    cr_buffer_release(buffer);
    return CR_OK;
}

/* ---- moments ---- */

#define BLOCK 128 /* columns whose rows are in the cache when they are read again */

typedef struct {
    size_t n, m, n_chunks;
    const double *rows, *weights;
    double *sums, *squares;
} moments_t;

static void sum_columns(void *context, size_t chunk)
{
    const moments_t *t = context;
    const cr_kernel_table *kernels = cr_kernels(CR_F64);
    const size_t blocks = t->m / BLOCK + (t->m % BLOCK != 0);
    size_t begin, end;
    cr_chunk_range(blocks, t->n_chunks, chunk, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        const size_t first = b * BLOCK, columns = t->m - first < BLOCK ? t->m - first : BLOCK;
        kernels->weighted_rows(t->n, columns, t->m, t->weights, t->rows + first, t->sums + first, 0);
        kernels->column_squares(t->n, columns, t->m, t->rows + first, t->squares + first);
    }
}

void cr_row_moments(size_t n, size_t m, const double *rows, const double *weights, double *sums, double *squares)
{
    const size_t blocks = m / BLOCK + (m % BLOCK != 0);
    moments_t t = {n, m, cr_chunk_count(blocks, 2 * BLOCK * (n + 1)), rows, weights, sums, squares};
    if (m > 0)
        cr_parallel(t.n_chunks, sum_columns, &t);
}
