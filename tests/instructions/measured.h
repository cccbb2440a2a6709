/* A program whose instructions are counted: callgrind counts what runs inside measured() and inside reference(). */
#ifndef CR_TESTS_MEASURED_H
#define CR_TESTS_MEASURED_H

#include "core/kernels.h"
#include "../c/sample.h"

/* Defined by each program: the kernel, on data that was made before. */
void measured(const cr_kernel_table *kernels);
void prepare(void);

#define REFERENCE_N 65536

/* A loop that no change of the project touches, to compare compilers by: integers, which no flag makes vary. */
__attribute__((noinline)) uint64_t reference(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < REFERENCE_N; i++)
        sum ^= sample_bits();
    return sum;
}

/* n floats in [low, high) */
static inline float *floats(size_t n, double low, double high)
{
    float *made = sample_memory(n, sizeof *made);
    for (size_t i = 0; i < n; i++)
        made[i] = (float)sample_uniform(low, high);
    return made;
}

int main(void)
{
    prepare();
    if (reference() == 0)
        return 1;
    measured(cr_kernels(CR_F32));
    return 0;
}

#endif
