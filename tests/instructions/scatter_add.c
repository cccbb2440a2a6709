// sources: csrc/core/kernels.c csrc/core/status.c csrc/core/kernels_baseline.c csrc/core/kernels_avx2.c csrc/core/kernels_avx512.c csrc/core/gemm_baseline.c csrc/core/gemm_avx2.c csrc/core/gemm_avx512.c
/* Sums of table rows, and gradients added to the rows of that table: the encoder's second layer, width 256. */
#include "measured.h"

enum { ROWS = 512, K = 4, TABLE = 84, WIDTH = 256 };

static int32_t index_of[ROWS * K];
static float *table, *out;

void prepare(void)
{
    for (size_t i = 0; i < ROWS * K; i++)
        index_of[i] = (int32_t)sample_below(TABLE);
    table = floats(TABLE * WIDTH, -1, 1);
    out = floats(ROWS * WIDTH, -1, 1);
}

__attribute__((noinline)) void measured(const cr_kernel_table *kernels)
{
    kernels->gather_sum(ROWS, K, WIDTH, table, index_of, out);
    kernels->scatter_add(ROWS, K, WIDTH, 0, WIDTH, index_of, out, table);
}
