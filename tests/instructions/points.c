// sources: csrc/core/kernels.c csrc/core/status.c csrc/core/kernels_baseline.c csrc/core/kernels_avx2.c csrc/core/kernels_avx512.c csrc/core/gemm_baseline.c csrc/core/gemm_avx2.c csrc/core/gemm_avx512.c
/* Distances of 8 points of 128 columns to 320 others, and sums over 40 rows of 640 columns: what a Gaussian process asks
 * for in each round. */
#include "measured.h"

enum { POINTS = 8, COLUMNS = 128, PANELS = 10, ROWS = 40, M = 640 };

static double values[POINTS * COLUMNS], panels[PANELS * COLUMNS * CR_POINT_PANEL], squares[CR_POINT_PANEL];
static double out[CR_POINT_PANEL], rows[ROWS * M], weights[ROWS], sums[M];
static int32_t columns[COLUMNS];

static void fill(size_t n, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (double)sample_below(1000) / 1000;
}

void prepare(void)
{
    fill(POINTS * COLUMNS, values);
    fill(PANELS * COLUMNS * CR_POINT_PANEL, panels);
    fill(CR_POINT_PANEL, squares);
    fill(ROWS * M, rows);
    fill(ROWS, weights);
    for (int32_t k = 0; k < COLUMNS; k++)
        columns[k] = k;
}

__attribute__((noinline)) void measured(const cr_kernel_table *kernels)
{
    kernels = cr_kernels(CR_F64);
    for (size_t p = 0; p < PANELS; p++)
        for (size_t i = 0; i < POINTS; i++)
            kernels->point_distances(COLUMNS, columns, values + i * COLUMNS, 1, panels + p * COLUMNS * CR_POINT_PANEL,
                                     squares, out);
    kernels->weighted_rows(ROWS, M, M, weights, rows, sums, 0);
    kernels->column_squares(ROWS, M, M, rows, sums);
}
