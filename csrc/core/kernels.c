#include "kernels.h"

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "gemm.h"

static const char *const isa_names[CR_N_ISAS] = {"baseline", "avx2", "avx512"};

static struct {
    const cr_kernel_table *table;
    const cr_gemm_table *gemm;
    double (*fma_rounds)(size_t rounds);
    const char *isa;
} chosen;

static cr_isa best_isa(void)
{
#ifdef CR_HAVE_X86_KERNELS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
                   ? CR_ISA_AVX512
                   : CR_ISA_AVX2;
#endif
    return CR_ISA_BASELINE;
}

static bool equal_but_for_case(const char *a, const char *b)
{
    while (*a != 0 && tolower((unsigned char)*a) == tolower((unsigned char)*b))
        a++, b++;
    return *a == 0 && *b == 0;
}

cr_status cr_isa_read(const char *text, cr_isa best, cr_isa *isa, cr_error *err)
{
    *isa = best;
    if (text == NULL || *text == 0)
        return CR_OK;
    for (int i = 0; i < CR_N_ISAS; i++) {
        if (!equal_but_for_case(text, isa_names[i]))
            continue;
        if (i > (int)best)
            return cr_fail(err, CR_ERR_VALUE, "CRLSO_ISA: expected an instruction set that this processor has, at most %s, "
                           "got '%.40s'", isa_names[best], text);
        *isa = (cr_isa)i;
        return CR_OK;
    }
    return cr_fail(err, CR_ERR_VALUE, "CRLSO_ISA: expected baseline, avx2 or avx512, got '%.40s'", text);
}

cr_status cr_kernels_check(cr_error *err)
{
    cr_isa isa;
    return cr_isa_read(getenv("CRLSO_ISA"), best_isa(), &isa, err);
}

static void choose_kernels(void)
{
    cr_isa best = best_isa(), isa;
    if (cr_isa_read(getenv("CRLSO_ISA"), best, &isa, NULL) != CR_OK)
        isa = best; /* cr_kernels_check has told */
    chosen.isa = isa_names[isa];
    switch (isa) {
#ifdef CR_HAVE_X86_KERNELS
    case CR_ISA_AVX512:
        chosen.table = cr_kernels_avx512;
        chosen.gemm = &cr_gemm_avx512;
        chosen.fma_rounds = cr_fma_rounds_avx512;
        break;
    case CR_ISA_AVX2:
        chosen.table = cr_kernels_avx2;
        chosen.gemm = &cr_gemm_avx2;
        chosen.fma_rounds = cr_fma_rounds_avx2;
        break;
#endif
    default: /* products are OpenBLAS's */
        chosen.table = cr_kernels_baseline;
        chosen.fma_rounds = cr_fma_rounds_baseline;
    }
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
