// sources: csrc/core/kernels.c csrc/core/status.c csrc/core/kernels_baseline.c csrc/core/kernels_avx2.c csrc/core/kernels_avx512.c csrc/core/gemm_baseline.c csrc/core/gemm_avx2.c csrc/core/gemm_avx512.c
/* A product of 96 rows with 256 x 256 weights: the right operand packed panel by panel, then the tiles. */
#include "core/gemm.h"
#include "measured.h"

enum { ROWS = 96, INNER = CR_GEMM_BLOCK, COLUMNS = 256 };

static float *left, *right, *packed, *product;

void prepare(void)
{
    left = floats(ROWS * INNER, -1, 1);
    right = floats(INNER * COLUMNS, -1, 1);
    packed = (float *)(((uintptr_t)floats(INNER * COLUMNS + 16, 0, 1) + 63) / 64 * 64); /* as buffers are aligned */
    product = floats(ROWS * COLUMNS, 0, 1);
}

__attribute__((noinline)) void measured(const cr_kernel_table *kernels)
{
    const cr_gemm_table *gemm = cr_gemm_kernels();
    (void)kernels;
    for (size_t first = 0; first < COLUMNS; first += gemm->panel)
        gemm->pack(INNER, gemm->panel, (cr_view){right + first, COLUMNS, 1}, packed + first * INNER);
    gemm->tiles(ROWS, COLUMNS, INNER, (cr_view){left, INNER, 1}, packed, 0, product, COLUMNS);
}
