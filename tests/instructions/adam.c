// sources: csrc/core/kernels.c csrc/core/status.c csrc/core/kernels_baseline.c csrc/core/kernels_avx2.c csrc/core/kernels_avx512.c csrc/core/gemm_baseline.c csrc/core/gemm_avx2.c csrc/core/gemm_avx512.c
/* An Adam step on 65,536 parameters, without a first moment as in the published training, and with one. */
#include "measured.h"

enum { N = 65536 };

static float *weight, *gradient, *first, *second;

void prepare(void)
{
    weight = floats(N, 0, 1);
    gradient = floats(N, -1, 1);
    first = floats(N, -1, 1);
    second = floats(N, 0, 1);
}

__attribute__((noinline)) void measured(const cr_kernel_table *kernels)
{
    cr_adam_parameters p = {.learning_rate = 1e-3, .beta2 = 0.5, .epsilon = 1e-8, .weight_decay = 3e-5,
                            .correction1 = 1, .correction2 = 0.5, .gradient_scale = 1, .project = 1};
    kernels->adam(N, &p, weight, gradient, NULL, second);
    p.beta1 = 0.9;
    p.correction1 = 0.1;
    kernels->adam(N, &p, weight, gradient, first, second);
}
