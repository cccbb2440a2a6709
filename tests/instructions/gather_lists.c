// sources: csrc/core/kernels.c csrc/core/status.c csrc/core/kernels_baseline.c csrc/core/kernels_avx2.c csrc/core/kernels_avx512.c csrc/core/gemm_baseline.c csrc/core/gemm_avx2.c csrc/core/gemm_avx512.c
/* 256 sums of one to seven rows of a table, 384 columns: the first layer of a frozen encoder. */
#include "measured.h"

enum { TABLE = 400, WIDTH = 384, N = 256, MOST = 7 };

static int32_t offsets[N + 1], rows[N * MOST];
static float *table, *out;

void prepare(void)
{
    for (int32_t node = 0; node < N; node++)
        offsets[node + 1] = offsets[node] + 1 + node % MOST;
    for (size_t i = 0; i < N * MOST; i++)
        rows[i] = (int32_t)sample_below(TABLE);
    table = floats(TABLE * WIDTH, -1, 1);
    out = floats(N * WIDTH, 0, 1);
}

__attribute__((noinline)) void measured(const cr_kernel_table *kernels)
{
    kernels->gather_lists(N, WIDTH, table, offsets, rows, out);
}
