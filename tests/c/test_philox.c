// sources: csrc/core/philox.c
/* Philox streams: published known answers, the layout written out again, independence of chunking, agreement of the
 * normal numbers with libm, and distribution tests whose thresholds a correct generator misses once in ~10^6 seeds
 * (the seeds are fixed, so the outcome is too). */
#include "../../csrc/core/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { COUNT = 100000 };

static uint32_t words32[COUNT];
static uint64_t words64[COUNT];
static float floats[COUNT];
static double doubles[COUNT];
static int64_t integers[COUNT];

/* kat_vectors of Random123: counter, key, result. */
static void known_answers(void)
{
    static const uint32_t vectors[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
         0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
         0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (int v = 0; v < 3; v++) {
        uint32_t out[4];
        cr_philox_block(vectors[v], vectors[v] + 4, out);
        for (int i = 0; i < 4; i++)
            CHECK(out[i] == vectors[v][6 + i], "vector %d word %d: got %08x", v, i, out[i]);
        memcpy(out, vectors[v], sizeof out);
        cr_philox_block(out, vectors[v] + 4, out);
        CHECK(memcmp(out, vectors[v] + 6, sizeof out) == 0, "vector %d in place", v);
    }
}

/* The words against blocks whose counters and keys are written out here, at small and at very large indices. */
static void layout(void)
{
    static const uint64_t starts[3] = {0, 5, (UINT64_C(1) << 40) + 3};
    const uint64_t seed = UINT64_C(0x0123456789abcdef), step = UINT64_C(0xfedcba9876543210);
    const cr_philox stream = cr_philox_stream(seed, 77, step);
    uint32_t key[4];
    cr_philox_block((const uint32_t[4]){77, 0x63726c73, 0x6f000000, 0}, (const uint32_t[2]){0x89abcdef, 0x01234567},
                    key);
    for (int s = 0; s < 3; s++) {
        cr_philox_u32(&stream, starts[s], words32, 300);
        cr_philox_u64(&stream, starts[s], words64, 300);
        for (uint64_t i = 0; i < 300; i++) {
            const uint64_t index = starts[s] + i;
            uint32_t a[4], b[4];
            cr_philox_block((const uint32_t[4]){(uint32_t)(index / 4), (uint32_t)(index / 4 >> 32), 0x76543210,
                                                0xfedcba98}, key, a);
            cr_philox_block((const uint32_t[4]){(uint32_t)(index / 2), (uint32_t)(index / 2 >> 32), 0x76543210,
                                                0xfedcba98}, key, b);
            const uint64_t pair = b[2 * (index % 2)] | (uint64_t)b[2 * (index % 2) + 1] << 32;
            CHECK(words32[i] == a[index % 4], "32-bit word %llu", (unsigned long long)index);
            CHECK(words64[i] == pair, "64-bit word %llu", (unsigned long long)index);
        }
    }
}

static void streams_differ(void)
{
    static const uint64_t names[6][3] = {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1},
                                         {UINT64_C(1) << 32, 0, 0}, {0, 0, UINT64_C(1) << 32}};
    uint32_t words[6][64];
    for (int s = 0; s < 6; s++) {
        const cr_philox stream = cr_philox_stream(names[s][0], (uint32_t)names[s][1], names[s][2]);
        cr_philox_u32(&stream, 0, words[s], 64);
        for (int t = 0; t < s; t++) {
            int same = 0;
            for (int i = 0; i < 64; i++)
                same += words[s][i] == words[t][i];
            CHECK(same == 0, "streams %d and %d share %d of 64 words", s, t, same);
        }
    }
}

/* One call of n elements from `first` against chunks of changing length and against single elements. */
#define CHUNK_TEST(name, type)                                                                       \
    static void chunks_##name(void)                                                                  \
    {                                                                                                \
        static const uint64_t firsts[4] = {0, 1, 1023, (UINT64_C(1) << 35) + 7};                     \
        const cr_philox stream = cr_philox_stream(9, 4, 2);                                          \
        type whole[1500], parts[1500];                                                               \
        for (int f = 0; f < 4; f++) {                                                                \
            memset(whole, 0xaa, sizeof whole);                                                       \
            memset(parts, 0x55, sizeof parts);                                                       \
            name(&stream, firsts[f], whole, 1500);                                                   \
            for (size_t i = 0, length = 0; i < 1500; i += length, length = (length * 7 + 3) % 211) { \
                length = length < 1500 - i ? length : 1500 - i;                                      \
                name(&stream, firsts[f] + i, parts + i, length);                                     \
            }                                                                                        \
            CHECK(memcmp(whole, parts, sizeof whole) == 0, #name " in chunks, case %d", f);          \
            for (size_t i = 0; i < 1500; i++)                                                        \
                name(&stream, firsts[f] + i, parts + i, 1);                                          \
            CHECK(memcmp(whole, parts, sizeof whole) == 0, #name " one by one, case %d", f);         \
        }                                                                                            \
        name(&stream, 3, NULL, 0);                                                                   \
    }

static void integers_below_1000(const cr_philox *stream, uint64_t first, int64_t *out, size_t n)
{
    cr_philox_integers(stream, first, 1000, out, n);
}

CHUNK_TEST(cr_philox_u32, uint32_t)
CHUNK_TEST(cr_philox_u64, uint64_t)
CHUNK_TEST(cr_philox_uniform_f32, float)
CHUNK_TEST(cr_philox_uniform_f64, double)
CHUNK_TEST(cr_philox_normal_f32, float)
CHUNK_TEST(cr_philox_normal_f64, double)
CHUNK_TEST(integers_below_1000, int64_t)

/* Bits: every output bit is set half the time, and neighbouring words do not agree more than chance. */
static void bits_are_fair(void)
{
    const cr_philox stream = cr_philox_stream(1, 2, 3);
    cr_philox_u32(&stream, 0, words32, COUNT);
    for (int bit = 0; bit < 32; bit++) {
        int ones = 0, changes = 0;
        for (int i = 0; i < COUNT; i++) {
            ones += words32[i] >> bit & 1;
            changes += i > 0 && ((words32[i] ^ words32[i - 1]) >> bit & 1);
        }
        CHECK(fabs(ones - COUNT / 2.0) < 2.5 * sqrt(COUNT), "bit %d: %d ones", bit, ones);
        CHECK(fabs(changes - COUNT / 2.0) < 2.5 * sqrt(COUNT), "bit %d: %d changes", bit, changes);
    }
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* sqrt(n) times the Kolmogorov-Smirnov distance of `doubles` from a distribution function; sorts them. */
static double ks_distance(double (*distribution)(double))
{
    double worst = 0.0;
    qsort(doubles, COUNT, sizeof *doubles, ascending);
    for (int i = 0; i < COUNT; i++) {
        const double p = distribution(doubles[i]);
        worst = fmax(worst, fmax(p - (double)i / COUNT, (i + 1.0) / COUNT - p));
    }
    return worst * sqrt((double)COUNT);
}

static double uniform_distribution(double x)
{
    return x;
}

static double normal_distribution(double x)
{
    return 0.5 * erfc(-x * sqrt(0.5));
}

static void uniform_numbers(void)
{
    const cr_philox stream = cr_philox_stream(42, 0, 0);
    cr_philox_u32(&stream, 0, words32, COUNT);
    cr_philox_u64(&stream, 0, words64, COUNT);
    cr_philox_uniform_f32(&stream, 0, floats, COUNT);
    cr_philox_uniform_f64(&stream, 0, doubles, COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK(floats[i] >= 0.0f && floats[i] < 1.0f, "float %d is %g", i, (double)floats[i]);
        CHECK(doubles[i] >= 0.0 && doubles[i] < 1.0, "double %d is %g", i, doubles[i]);
        CHECK((double)floats[i] == (words32[i] >> 8) / 16777216.0, "float %d", i);
        CHECK(doubles[i] == ldexp((double)(words64[i] >> 11), -53), "double %d", i);
    }
    const double distance64 = ks_distance(uniform_distribution);
    CHECK(distance64 < 2.7, "float64: KS statistic %g", distance64);
    for (int i = 0; i < COUNT; i++)
        doubles[i] = floats[i];
    const double distance32 = ks_distance(uniform_distribution);
    CHECK(distance32 < 2.7, "float32: KS statistic %g", distance32);
}

/* Box-Muller from the words with libm: u in (0, 1], an angle of quadrant + f quarter turns. */
static void box_muller(double u, uint64_t quadrant, double f, double *a, double *b)
{
    const double radius = sqrt(-2.0 * log(u));
    const double angle = ((double)quadrant + f) * 1.57079632679489661923;
    *a = radius * cos(angle);
    *b = radius * sin(angle);
}

static void normal_numbers_match_libm(void)
{
    const cr_philox stream = cr_philox_stream(7, 1, 5);
    double a, b, worst32 = 0.0, worst64 = 0.0;
    cr_philox_u32(&stream, 0, words32, COUNT);
    cr_philox_u64(&stream, 0, words64, COUNT);
    cr_philox_normal_f32(&stream, 0, floats, COUNT);
    cr_philox_normal_f64(&stream, 0, doubles, COUNT);
    for (int i = 0; i < COUNT; i += 2) {
        /* the float of the upper 31 bits, plus one in float: the number whose logarithm is meant */
        const float u = ((float)(words32[i] >> 1) + 1.0f) / 2147483648.0f;
        box_muller(u, words32[i + 1] >> 30, ldexp(words32[i + 1] & 0x3fffffff, -30) - 0.5, &a, &b);
        worst32 = fmax(worst32, fmax(fabs(floats[i] - a), fabs(floats[i + 1] - b)));
        box_muller(1.0 - ldexp((double)(words64[i] >> 12), -52), words64[i + 1] >> 62,
                   ldexp((double)(words64[i + 1] << 2 >> 12), -52) - 0.5, &a, &b);
        worst64 = fmax(worst64, fmax(fabs(doubles[i] - a), fabs(doubles[i + 1] - b)));
    }
    CHECK(worst32 < 2e-6, "float32 departs by %g", worst32);
    CHECK(worst64 < 5e-15, "float64 departs by %g", worst64);
}

/* The first four moments within five standard errors, and the distribution function. */
static void check_normal_moments(const char *what)
{
    double sum[5] = {0};
    for (int i = 0; i < COUNT; i++)
        for (int k = 1; k < 5; k++)
            sum[k] += pow(doubles[i], k) / COUNT;
    const double unit = 5.0 / sqrt((double)COUNT);
    CHECK(fabs(sum[1]) < unit, "%s: mean %g", what, sum[1]);
    CHECK(fabs(sum[2] - 1.0) < unit * sqrt(2.0), "%s: second moment %g", what, sum[2]);
    CHECK(fabs(sum[3]) < unit * sqrt(15.0), "%s: third moment %g", what, sum[3]);
    CHECK(fabs(sum[4] - 3.0) < unit * sqrt(96.0), "%s: fourth moment %g", what, sum[4]);
    double neighbours = 0.0;
    for (int i = 1; i < COUNT; i++)
        neighbours += doubles[i] * doubles[i - 1] / COUNT;
    CHECK(fabs(neighbours) < unit, "%s: correlation of neighbours %g", what, neighbours);
    const double distance = ks_distance(normal_distribution);
    CHECK(distance < 2.7, "%s: KS statistic %g", what, distance);
}

static void normal_numbers_are_normal(void)
{
    const cr_philox stream = cr_philox_stream(2024, 3, 0);
    cr_philox_normal_f64(&stream, 0, doubles, COUNT);
    check_normal_moments("float64");
    cr_philox_normal_f32(&stream, 0, floats, COUNT);
    for (int i = 0; i < COUNT; i++)
        doubles[i] = floats[i];
    check_normal_moments("float32");
}

/* A chi-square statistic less its mean, in standard deviations. */
static double chi_square_excess(const int *counts, int cells, double expected)
{
    double sum = 0.0;
    for (int c = 0; c < cells; c++)
        sum += (counts[c] - expected) * (counts[c] - expected) / expected;
    return (sum - (cells - 1)) / sqrt(2.0 * (cells - 1));
}

static void bounded_integers(void)
{
    static const uint64_t highs[5] = {1, 2, 1000003, (UINT64_C(1) << 63) - 25, UINT64_C(1) << 63};
    const cr_philox stream = cr_philox_stream(5, 6, 7);
    cr_philox_u64(&stream, 11, words64, 1000);
    for (int h = 0; h < 5; h++) {
        cr_philox_integers(&stream, 11, highs[h], integers, 1000);
        for (int i = 0; i < 1000; i++) {
            const uint64_t got = (uint64_t)integers[i];
            CHECK(got < highs[h], "high %llu gave %llu", (unsigned long long)highs[h], (unsigned long long)got);
#ifdef __SIZEOF_INT128__
            __extension__ typedef unsigned __int128 wide;
            CHECK(got == (uint64_t)((wide)words64[i] * highs[h] >> 64), "high %llu, element %d",
                  (unsigned long long)highs[h], i);
#endif
        }
    }
    int counts[10] = {0};
    cr_philox_integers(&stream, 0, 10, integers, COUNT);
    for (int i = 0; i < COUNT; i++)
        counts[integers[i]]++;
    const double excess = chi_square_excess(counts, 10, COUNT / 10.0);
    CHECK(fabs(excess) < 6.0, "ten values: chi-square off by %g deviations", excess);
}

static void permutations(void)
{
    cr_philox stream = cr_philox_stream(8, 8, 8);
    int64_t untouched = -5;
    cr_philox_permutation(&stream, NULL, 0);
    cr_philox_permutation(&stream, &untouched, 1);
    CHECK(untouched == 0, "one element gave %lld", (long long)untouched);
    static unsigned char seen[1000];
    for (size_t n = 2; n <= 1000; n = n * 3 / 2) {
        memset(seen, 0, sizeof seen);
        cr_philox_permutation(&stream, integers, n);
        for (size_t i = 0; i < n; i++) {
            CHECK(integers[i] >= 0 && (size_t)integers[i] < n && !seen[integers[i]], "n %zu, place %zu", n, i);
            if (integers[i] >= 0 && (size_t)integers[i] < n)
                seen[integers[i]] = 1;
        }
    }
    int counts[256] = {0}, orders[24], found = 0;
    for (uint64_t step = 0; step < 24000; step++) {
        stream = cr_philox_stream(8, 8, step);
        cr_philox_permutation(&stream, integers, 4);
        counts[integers[0] << 6 | integers[1] << 4 | integers[2] << 2 | integers[3]]++;
    }
    for (int code = 0; code < 256; code++)
        if (counts[code] > 0 && found < 24)
            orders[found++] = counts[code];
    CHECK(found == 24, "%d orders of 4 elements", found);
    const double excess = chi_square_excess(orders, found, 1000.0);
    CHECK(fabs(excess) < 6.0, "orders of 4: chi-square off by %g deviations", excess);
}

int main(void)
{
    RUN(known_answers);
    RUN(layout);
    RUN(streams_differ);
    RUN(chunks_cr_philox_u32);
    RUN(chunks_cr_philox_u64);
    RUN(chunks_cr_philox_uniform_f32);
    RUN(chunks_cr_philox_uniform_f64);
    RUN(chunks_cr_philox_normal_f32);
    RUN(chunks_cr_philox_normal_f64);
    RUN(chunks_integers_below_1000);
    RUN(bits_are_fair);
    RUN(uniform_numbers);
    RUN(normal_numbers_match_libm);
    RUN(normal_numbers_are_normal);
    RUN(bounded_integers);
    RUN(permutations);
    return check_finish("test_philox");
}
