// sources: csrc/core/kernels.c csrc/core/status.c csrc/core/kernels_baseline.c csrc/core/kernels_avx2.c csrc/core/kernels_avx512.c csrc/core/gemm_baseline.c csrc/core/gemm_avx2.c csrc/core/gemm_avx512.c
/* Messages of 64 graphs of seven nodes, of which every other two are alike, width 128: the layers of a frozen encoder. */
#include "measured.h"

enum { GRAPHS = 64, NODES = 7, N = GRAPHS * NODES, TYPES = 2, WIDTH = 128, ROWS = N / 2 + 1 };

static int32_t offsets[N + 1], sources[N * NODES], types[N * NODES], row_of[N], nodes[N];
static float *rows, *type_rows, *out, *sums;

void prepare(void)
{
    int32_t edge = 0;
    for (int32_t node = 0; node < N; node++) {
        for (int32_t other = node / NODES * NODES; other < node; other++)
            if (sample_below(2)) {
                sources[edge] = other;
                types[edge++] = (int32_t)sample_below(TYPES);
            }
        offsets[node + 1] = edge;
        nodes[node] = node;
        row_of[node] = node / 2;
    }
    rows = floats(ROWS * 3 * WIDTH, -1, 1);
    type_rows = floats(TYPES * WIDTH, -1, 1);
    out = floats(N * WIDTH, 0, 1);
    sums = floats(2 * WIDTH, 0, 1);
}

__attribute__((noinline)) void measured(const cr_kernel_table *kernels)
{
    const cr_messages messages = {.edges = {offsets, sources, types},
                                  .row_of = row_of,
                                  .columns = WIDTH,
                                  .stride = 3 * WIDTH,
                                  .root_stride = 3 * WIDTH,
                                  .slope = 0.01,
                                  .root = rows,
                                  .target = rows + WIDTH,
                                  .source = rows + 2 * WIDTH,
                                  .types = type_rows};
    kernels->pass_messages(&messages, N, nodes, out);
    for (size_t graph = 0; graph < GRAPHS; graph++)
        kernels->sum_messages(&messages, graph * NODES, (graph + 1) * NODES, sums);
}
