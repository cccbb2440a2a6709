// sources:
/* Vector functions against libm (double for float32, long double for float64), on samples spread over all bit
 * patterns and dense where the functions bend; once per instruction set that this processor has. `test_vecmath all`
 * goes through every float32 argument instead (minutes). */
#include "../../csrc/core/vecmath.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"

enum { SAMPLES = 600000, REGION = 100000 };

typedef void (*loop_f32)(const float *x, float *y, size_t n);
typedef void (*loop_f64)(const double *x, double *y, size_t n);

#define LOOP(attribute, suffix, function, type)                                                       \
    attribute __attribute__((noinline)) static void loop_##function##suffix(const type *x, type *y,   \
                                                                            size_t n)                 \
    {                                                                                                 \
        for (size_t i = 0; i < n; i++)                                                                \
            y[i] = cr_##function(x[i]);                                                               \
    }

#define LOOPS(attribute, suffix)                    \
    LOOP(attribute, suffix, exp_f32, float)         \
    LOOP(attribute, suffix, log_f32, float)         \
    LOOP(attribute, suffix, tanh_f32, float)        \
    LOOP(attribute, suffix, sigmoid_f32, float)     \
    LOOP(attribute, suffix, softplus_f32, float)    \
    LOOP(attribute, suffix, exp_f64, double)        \
    LOOP(attribute, suffix, log_f64, double)        \
    LOOP(attribute, suffix, tanh_f64, double)       \
    LOOP(attribute, suffix, sigmoid_f64, double)    \
    LOOP(attribute, suffix, softplus_f64, double)

LOOPS(, _base)
#if defined(__x86_64__) && defined(__GNUC__)
#define MANY_SETS 1
LOOPS(__attribute__((target("avx2,fma"))), _avx2)
LOOPS(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))), _avx512)
#define SETS(function) {loop_##function##_base, loop_##function##_avx2, loop_##function##_avx512}
#else
#define MANY_SETS 0
#define SETS(function) {loop_##function##_base, NULL, NULL}
#endif

static const char *const set_names[3] = {"base", "avx2", "avx512"};

static int set_available(int set)
{
#if MANY_SETS
    if (set == 1)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (set == 2)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#endif
    return set == 0;
}

/* ---------------------------------------------------------------- references */

static double sigmoid_double(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double softplus_double(double x)
{
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

static long double sigmoid_long(long double x)
{
    return 1.0L / (1.0L + expl(-x));
}

static long double softplus_long(long double x)
{
    return fmaxl(x, 0.0L) + log1pl(expl(-fabsl(x)));
}

/* Bounds are those of the table in vecmath.h; [low, high] is where the function bends. */
typedef struct {
    const char *name;
    loop_f32 loops[3];
    double (*exact)(double);
    double bound, low, high;
} function_f32;

typedef struct {
    const char *name;
    loop_f64 loops[3];
    long double (*exact)(long double);
    double bound, low, high;
} function_f64;

static const function_f32 functions_f32[] = {
    {"exp", SETS(exp_f32), exp, 1.1, -105.0, 90.0},
    {"log", SETS(log_f32), log, 1.0, 0.25, 4.0},
    {"tanh", SETS(tanh_f32), tanh, 3.0, -10.0, 10.0},
    {"sigmoid", SETS(sigmoid_f32), sigmoid_double, 2.5, -105.0, 20.0},
    {"softplus", SETS(softplus_f32), softplus_double, 2.5, -105.0, 20.0},
};

static const function_f64 functions_f64[] = {
    {"exp", SETS(exp_f64), expl, 1.1, -746.0, 711.0},
    {"log", SETS(log_f64), logl, 1.0, 0.25, 4.0},
    {"tanh", SETS(tanh_f64), tanhl, 3.0, -20.0, 20.0},
    {"sigmoid", SETS(sigmoid_f64), sigmoid_long, 2.5, -746.0, 40.0},
    {"softplus", SETS(softplus_f64), softplus_long, 2.5, -746.0, 40.0},
};

enum { FUNCTIONS = sizeof functions_f32 / sizeof *functions_f32 };

/* ---------------------------------------------------------------- distance in ulp */

/* Distance of `got` (inf counts as 2^max_exponent) from `exact` in units of the last place that `exact` has in a
 * format of `digits` bits; infinite where only one is NaN. */
static double ulp_distance(long double got, long double exact, int digits, int min_exponent, int max_exponent)
{
    if (isnan(exact) || isnan(got))
        return isnan(exact) && isnan(got) ? 0.0 : INFINITY;
    const long double top = ldexpl(1.0L, max_exponent);
    if (fabsl(exact) >= top || fabsl(got) >= top) {
        const long double limit = top - ldexpl(0.5L, max_exponent - digits);
        if (isinf(got) && fabsl(exact) >= limit)
            return signbit(got) == signbit(exact) ? 0.0 : INFINITY;
        got = isinf(got) ? copysignl(top, got) : got;
        exact = isinf(exact) ? copysignl(2.0L * top, exact) : exact;
    }
    if (got == exact)
        return 0.0;
    int exponent;
    frexpl(exact, &exponent);
    exponent = exponent < min_exponent ? min_exponent : exponent;
    return (double)fabsl(ldexpl(got - exact, digits - exponent));
}

static double ulp_f32(float got, double exact)
{
    return ulp_distance(got, exact, FLT_MANT_DIG, FLT_MIN_EXP, FLT_MAX_EXP);
}

static double ulp_f64(double got, long double exact)
{
    return ulp_distance(got, exact, DBL_MANT_DIG, DBL_MIN_EXP, DBL_MAX_EXP);
}

/* ---------------------------------------------------------------- accuracy */

static float x32[SAMPLES], y32[SAMPLES];
static double x64[SAMPLES], y64[SAMPLES];
static double exact32[SAMPLES];
static long double exact64[SAMPLES];

/* All bit patterns at an odd stride, then the region of interest, then the neighbourhood of zero. */
static void sample_f32(const function_f32 *function)
{
    for (uint32_t i = 0; i < SAMPLES; i++)
        x32[i] = cr_from_bits_f32(i * (UINT32_MAX / SAMPLES | 1u));
    for (int i = 0; i < REGION; i++) {
        x32[i] = (float)(function->low + (function->high - function->low) * i / REGION);
        x32[REGION + i] = (float)((2.0 * i / REGION - 1.0) * 1.5);
    }
    for (int i = 0; i < SAMPLES; i++)
        exact32[i] = function->exact(x32[i]);
}

static void sample_f64(const function_f64 *function)
{
    for (uint64_t i = 0; i < SAMPLES; i++)
        x64[i] = cr_from_bits_f64(i * (UINT64_MAX / SAMPLES | 1u));
    for (int i = 0; i < REGION; i++) {
        x64[i] = function->low + (function->high - function->low) * i / REGION;
        x64[REGION + i] = (2.0 * i / REGION - 1.0) * 1.5;
    }
    for (int i = 0; i < SAMPLES; i++)
        exact64[i] = function->exact(x64[i]);
}

static void accuracy_f32(void)
{
    for (int f = 0; f < FUNCTIONS; f++) {
        sample_f32(&functions_f32[f]);
        for (int set = 0; set < 3; set++) {
            double worst = 0.0;
            int where = 0;
            if (!set_available(set))
                continue;
            functions_f32[f].loops[set](x32, y32, SAMPLES);
            for (int i = 0; i < SAMPLES; i++) {
                const double distance = ulp_f32(y32[i], exact32[i]);
                if (distance > worst) {
                    worst = distance;
                    where = i;
                }
            }
            printf("  %s_f32 (%s): %.3f ulp at %a\n", functions_f32[f].name, set_names[set], worst, x32[where]);
            CHECK(worst <= functions_f32[f].bound, "%s_f32 (%s): %g ulp at %a: got %a, exact %a",
                  functions_f32[f].name, set_names[set], worst, x32[where], y32[where], exact32[where]);
        }
    }
}

static void accuracy_f64(void)
{
    /* without a wider long double the reference itself is off by up to one ulp */
    const double slack = LDBL_MANT_DIG > DBL_MANT_DIG ? 0.0 : 1.0;
    for (int f = 0; f < FUNCTIONS; f++) {
        sample_f64(&functions_f64[f]);
        for (int set = 0; set < 3; set++) {
            double worst = 0.0;
            int where = 0;
            if (!set_available(set))
                continue;
            functions_f64[f].loops[set](x64, y64, SAMPLES);
            for (int i = 0; i < SAMPLES; i++) {
                const double distance = ulp_f64(y64[i], exact64[i]);
                if (distance > worst) {
                    worst = distance;
                    where = i;
                }
            }
            printf("  %s_f64 (%s): %.3f ulp at %a\n", functions_f64[f].name, set_names[set], worst, x64[where]);
            CHECK(worst <= functions_f64[f].bound + slack, "%s_f64 (%s): %g ulp at %a: got %a, exact %La",
                  functions_f64[f].name, set_names[set], worst, x64[where], y64[where], exact64[where]);
        }
    }
}

/* ---------------------------------------------------------------- special values */

/* x, then exp, log, tanh, sigmoid, softplus of it, which must come out exactly; FROM_LIBM where the value is known
 * by the reference function alone and one ulp is allowed. */
#define FROM_LIBM 12345.0
static const double special[][6] = {
    {0.0, 1.0, -INFINITY, 0.0, 0.5, 0.69314718055994530942},
    {-0.0, 1.0, -INFINITY, -0.0, 0.5, 0.69314718055994530942},
    {INFINITY, INFINITY, INFINITY, 1.0, 1.0, INFINITY},
    {-INFINITY, 0.0, NAN, -1.0, 0.0, 0.0},
    {NAN, NAN, NAN, NAN, NAN, NAN},
    {-NAN, NAN, NAN, NAN, NAN, NAN},
    {1000.0, INFINITY, FROM_LIBM, 1.0, 1.0, 1000.0},
    {-1000.0, 0.0, NAN, -1.0, 0.0, 0.0},
    {3e38, INFINITY, FROM_LIBM, 1.0, 1.0, 3e38},
    {-3e38, 0.0, NAN, -1.0, 0.0, 0.0},
    {0x1p-149, 1.0, FROM_LIBM, 0x1p-149, 0.5, 0.69314718055994530942},
    {-0x1p-149, 1.0, NAN, -0x1p-149, 0.5, 0.69314718055994530942},
};

enum { SPECIALS = sizeof special / sizeof *special };

static int same(double a, double b)
{
    return isnan(a) ? isnan(b) != 0 : a == b && (a != 0.0 || !signbit(a) == !signbit(b));
}

static void special_values(void)
{
    float xf[SPECIALS], yf[SPECIALS];
    double xd[SPECIALS], yd[SPECIALS];
    for (int i = 0; i < SPECIALS; i++) {
        xd[i] = special[i][0];
        xf[i] = (float)special[i][0];
    }
    for (int f = 0; f < FUNCTIONS; f++)
        for (int set = 0; set < 3; set++) {
            if (!set_available(set))
                continue;
            functions_f32[f].loops[set](xf, yf, SPECIALS);
            functions_f64[f].loops[set](xd, yd, SPECIALS);
            for (int i = 0; i < SPECIALS; i++) {
                const double want = special[i][1 + f];
                const int libm32 = want == FROM_LIBM && ulp_f32(yf[i], log(xf[i])) <= 1.0;
                const int libm64 = want == FROM_LIBM && ulp_f64(yd[i], logl(xd[i])) <= 1.0;
                CHECK(libm32 || same(yf[i], (float)want), "%s_f32(%a) is %a (%s)", functions_f32[f].name, xf[i],
                      yf[i], set_names[set]);
                CHECK(libm64 || same(yd[i], want), "%s_f64(%a) is %a (%s)", functions_f64[f].name, xd[i], yd[i],
                      set_names[set]);
            }
        }
}

/* Subnormal results and arguments of double, which the table above reaches in float only. */
static void subnormal_numbers(void)
{
    const double x[3] = {-744.0, -720.0, -745.2};
    const double tiny[3] = {0x1p-1074, 0x1.8p-1050, 0x1.fffffffffffffp-1023};
    double y[3];
    for (int set = 0; set < 3; set++) {
        if (!set_available(set))
            continue;
        functions_f64[0].loops[set](x, y, 3);
        for (int i = 0; i < 3; i++)
            CHECK(ulp_f64(y[i], expl(x[i])) <= 1.1 && (y[i] > 0.0) == (i < 2), "exp(%g) is %a", x[i], y[i]);
        functions_f64[1].loops[set](tiny, y, 3);
        for (int i = 0; i < 3; i++)
            CHECK(ulp_f64(y[i], logl(tiny[i])) <= 1.0, "log(%a) is %a", tiny[i], y[i]);
        functions_f64[2].loops[set](tiny, y, 3);
        for (int i = 0; i < 3; i++)
            CHECK(y[i] == tiny[i], "tanh(%a) is %a", tiny[i], y[i]);
    }
}

/* ---------------------------------------------------------------- loop body and remainder */

/* An element gives the same bits at every place of every loop length. */
static void place_does_not_matter(void)
{
    enum { N = 2048 };
    static float one32[N];
    static double one64[N];
    for (int f = 0; f < FUNCTIONS; f++) {
        const function_f32 *single = &functions_f32[f];
        const function_f64 *twice = &functions_f64[f];
        for (int i = 0; i < N; i++) {
            x32[i] = (float)(single->low + (single->high - single->low) * i / N);
            x64[i] = twice->low + (twice->high - twice->low) * i / N;
        }
        for (int set = 0; set < 3; set++) {
            if (!set_available(set))
                continue;
            for (int i = 0; i < N; i++) {
                single->loops[set](x32 + i, one32 + i, 1);
                twice->loops[set](x64 + i, one64 + i, 1);
            }
            for (size_t n = 1; n < 100; n++)
                for (size_t start = 0; start + n <= N; start += 333) {
                    single->loops[set](x32 + start, y32, n);
                    twice->loops[set](x64 + start, y64, n);
                    CHECK(memcmp(y32, one32 + start, n * sizeof *y32) == 0, "%s_f32 (%s), %zu from %zu", single->name,
                          set_names[set], n, start);
                    CHECK(memcmp(y64, one64 + start, n * sizeof *y64) == 0, "%s_f64 (%s), %zu from %zu", twice->name,
                          set_names[set], n, start);
                }
        }
    }
}

/* Every float32 argument. */
static void all_of_f32(void)
{
    for (int set = 0; set < 3; set++)
        for (int f = 0; set_available(set) && f < FUNCTIONS; f++) {
            double worst = 0.0;
            float where = 0.0f;
            for (uint64_t block = 0; block < UINT64_C(1) << 32; block += 1 << 18) {
                for (uint32_t i = 0; i < 1 << 18; i++)
                    x32[i] = cr_from_bits_f32((uint32_t)block + i);
                functions_f32[f].loops[set](x32, y32, 1 << 18);
                for (uint32_t i = 0; i < 1 << 18; i++) {
                    const double exact = functions_f32[f].exact(x32[i]);
                    /* an ulp of `exact` is at least 2^-24 |exact|: most arguments need no closer look */
                    if (fabs((double)y32[i] - exact) <= worst * 0x1p-24 * fabs(exact))
                        continue;
                    const double distance = ulp_f32(y32[i], exact);
                    if (distance > worst) {
                        worst = distance;
                        where = x32[i];
                    }
                }
            }
            printf("  %s_f32 (%s), all: %.3f ulp at %a\n", functions_f32[f].name, set_names[set], worst, where);
            fflush(stdout);
            CHECK(worst <= functions_f32[f].bound, "%s_f32: %g ulp at %a", functions_f32[f].name, worst, where);
        }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "all") == 0)
        RUN(all_of_f32);
    RUN(accuracy_f32);
    RUN(accuracy_f64);
    RUN(special_values);
    RUN(subnormal_numbers);
    RUN(place_does_not_matter);
    return check_finish("test_vecmath");
}
