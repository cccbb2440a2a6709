/* Sample numbers for the C tests: a small generator of its own, the same numbers in every run. */
#ifndef CR_TESTS_SAMPLE_H
#define CR_TESTS_SAMPLE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t sample_state = 0x9e3779b97f4a7c15ULL;

/* xorshift64*: the next 64 bits */
static inline uint64_t sample_bits(void)
{
    sample_state ^= sample_state >> 12;
    sample_state ^= sample_state << 25;
    sample_state ^= sample_state >> 27;
    return sample_state * 0x2545f4914f6cdd1dULL;
}

static inline double sample_uniform(double low, double high)
{
    return low + (high - low) * ((double)(sample_bits() >> 11) * 0x1p-53);
}

static inline size_t sample_below(size_t n)
{
    return (size_t)(sample_bits() % n);
}

/* Memory of exactly n elements, so that the sanitiser sees the first one beyond it, full of NaN. Never NULL. */
static inline void *sample_memory(size_t n, size_t element)
{
    void *memory = malloc(n * element + (n == 0));
    if (memory == NULL)
        abort();
    memset(memory, 0xff, n * element);
    return memory;
}

/* Whether got is expected within `tolerance` of its size (or of 1); equal infinities and two NaN are close. */
static inline int sample_close(double got, double expected, double tolerance)
{
    if (isnan(got) || isnan(expected))
        return isnan(got) && isnan(expected);
    if (isinf(got) || isinf(expected))
        return got == expected;
    return fabs(got - expected) <= tolerance * fmax(1, fabs(expected));
}

#endif
