#include "kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gemm.h"

static struct {
    const cr_kernel_table *table;
    const cr_gemm_table *gemm;
    double (*fma_rounds)(size_t rounds);
    const char *isa;
} chosen;

static void choose_kernels(void)
{
    chosen.table = cr_kernels_baseline;
    chosen.fma_rounds = cr_fma_rounds_baseline;
    chosen.isa = "baseline";
#ifdef CR_HAVE_X86_KERNELS
    const char *asked = getenv("CRLSO_ISA");
    int level = 3;
    if (asked != NULL && strcmp(asked, "baseline") == 0)
        level = 1;
    else if (asked != NULL && strcmp(asked, "avx2") == 0)
        level = 2;
    __builtin_cpu_init();
    if (level >= 2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2")) {
        chosen.table = cr_kernels_avx2;
        chosen.gemm = &cr_gemm_avx2;
        chosen.fma_rounds = cr_fma_rounds_avx2;
        chosen.isa = "avx2";
        if (level >= 3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
            chosen.table = cr_kernels_avx512;
            chosen.gemm = &cr_gemm_avx512;
            chosen.fma_rounds = cr_fma_rounds_avx512;
            chosen.isa = "avx512";
        }
    }
#endif
}

static pthread_once_t choice_once = PTHREAD_ONCE_INIT;

const cr_kernel_table *cr_kernels(cr_dtype dtype)
{
    pthread_once(&choice_once, choose_kernels);
    return &chosen.table[dtype];
}

const char *cr_kernels_isa(void)
{
    pthread_once(&choice_once, choose_kernels);
    return chosen.isa;
}

const cr_gemm_table *cr_gemm_kernels(void)
{
    pthread_once(&choice_once, choose_kernels);
    return chosen.gemm;
}

double cr_fma_rounds(size_t rounds)
{
    pthread_once(&choice_once, choose_kernels);
    return chosen.fma_rounds(rounds);
}
