// sources: csrc/core/kernels.c csrc/core/status.c csrc/core/kernels_baseline.c csrc/core/kernels_avx2.c csrc/core/kernels_avx512.c csrc/core/gemm_baseline.c csrc/core/gemm_avx2.c csrc/core/gemm_avx512.c
/* Messages of 64 complete graphs of four nodes, width 256, forward and backward: an encoder's layer. */
#include "measured.h"

enum { GRAPHS = 64, NODES = 4, DEGREE = NODES - 1, TYPES = 5, WIDTH = 256, N = GRAPHS * NODES };

static int32_t offsets[N + 1], sources[N * DEGREE], types[N * DEGREE];
static float *target, *source, *rows, *out, *d_target, *d_source, *d_rows;

void prepare(void)
{
    size_t edge = 0;
    for (size_t node = 0; node < N; node++) {
        for (size_t other = 0; other < NODES; other++)
            if (other != node % NODES) {
                sources[edge] = (int32_t)(node / NODES * NODES + other);
                types[edge++] = (int32_t)sample_below(TYPES);
            }
        offsets[node + 1] = (int32_t)edge;
    }
    target = floats(N * WIDTH, -1, 1);
    source = floats(N * WIDTH, -1, 1);
    rows = floats(TYPES * WIDTH, -1, 1);
    out = floats(N * WIDTH, -1, 1);
    d_target = floats(N * WIDTH, 0, 1);
    d_source = floats(N * WIDTH, 0, 1);
    d_rows = floats(TYPES * WIDTH, 0, 1);
}

__attribute__((noinline)) void measured(const cr_kernel_table *kernels)
{
    cr_edges edges = {offsets, sources, types};
    kernels->message_pass(0, N, WIDTH, WIDTH, edges, 0.01, target, source, rows, out);
    kernels->message_pass_gradient(0, N, WIDTH, edges, 0.01, target, source, rows, out, d_target, d_source, TYPES, d_rows, 0, 0);
}
