/* Elementary functions written so that a plain loop over them is vectorised by the compiler.
 *
 * Every function is branch free and always inlined; it takes the instruction set of the function it is inlined
 * into, so the same source serves baseline SSE2, x86-64-v3/v4 and AArch64. Bits are moved with memcpy, integers
 * wrap in unsigned types and every shift count is constant: nothing is undefined for any input, NaN included.
 * Required of the compiler: no -ffast-math, rounding to nearest (rounding to an integer is done by adding and
 * subtracting a large constant, since SSE2 has no rounding instruction). -fno-trapping-math lets selections become
 * masks; contraction into fused multiply-adds is allowed and changes the last bit only, so results are the same
 * for all elements of a loop but may differ between instruction sets.
 *
 * Common contract: NaN in gives NaN out; +-inf, +-0 and subnormal numbers are handled as C's functions of the same
 * name do; subnormal results are computed, not flushed. Floating-point flags and errno are not maintained.
 * Bounds are in units in the last place (ulp) of the exact result, measured by tests/c/test_vecmath.c; the
 * single-precision ones hold for every one of the 2^32 arguments (`test_vecmath all`; SSE2 and AVX2 with FMA).
 *
 *                 float32 bound   float64 bound
 *   cr_exp             1.1             1.1
 *   cr_log             1.0             1.0
 *   cr_tanh            3.0             3.0
 *   cr_sigmoid         2.5             2.5
 *   cr_softplus        2.5             2.5
 *
 * Polynomial coefficients are least-squares fits on Chebyshev nodes with the lower ones rounded first.
 */
#ifndef CR_CORE_VECMATH_H
#define CR_CORE_VECMATH_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define CR_VECMATH static inline __attribute__((always_inline))
#else
#define CR_VECMATH static inline
#endif

CR_VECMATH uint32_t cr_bits_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

CR_VECMATH float cr_from_bits_f32(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

CR_VECMATH uint64_t cr_bits_f64(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

CR_VECMATH double cr_from_bits_f64(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---------------------------------------------------------------- exponential */

/* Splits x = n ln 2 + r with |r| <= ln(2) / 2 and returns exp(r) - 1; *n is a two's complement number.
 * |x| must be small enough for |n| < 2^8; for NaN the result is NaN and *n is meaningless. */
CR_VECMATH float cr_expm1_reduced_f32(float x, uint32_t *n)
{
    const float magic = 0x1.8p23f; /* adding it leaves the nearest integer in the low bits of the significand */
    const float shifted = x * 0x1.715476p+0f + magic;
    const float whole = shifted - magic;
    const float r = (x - whole * 0x1.62ep-1f) - whole * 0x1.0bfbe8p-15f;
    float q = 0x1.684fe4p-10f;
    q = q * r + 0x1.123bfp-7f;
    q = q * r + 0x1.555b9ap-5f;
    q = q * r + 0x1.55548ep-3f;
    q = q * r + 0x1.fffff8p-2f;
    *n = cr_bits_f32(shifted) - cr_bits_f32(magic);
    return (r * r) * q + r;
}

/* The same in double; |n| < 2^11. */
CR_VECMATH double cr_expm1_reduced_f64(double x, uint64_t *n)
{
    const double magic = 0x1.8p52;
    const double shifted = x * 0x1.71547652b82fep+0 + magic;
    const double whole = shifted - magic;
    const double r = (x - whole * 0x1.62e42fefa38p-1) - whole * 0x1.ef35793c7673p-45;
    double q = 0x1.adfa45d221166p-26;
    q = q * r + 0x1.28b0d4566b2bbp-22;
    q = q * r + 0x1.71ded720eda62p-19;
    q = q * r + 0x1.a01995e460d9dp-16;
    q = q * r + 0x1.a01a014dbc99ep-13;
    q = q * r + 0x1.6c16c185f760fp-10;
    q = q * r + 0x1.111111112119bp-7;
    q = q * r + 0x1.555555554fe4p-5;
    q = q * r + 0x1.5555555555515p-3;
    q = q * r + 0x1.000000000000cp-1;
    *n = cr_bits_f64(shifted) - cr_bits_f64(magic);
    return (r * r) * q + r;
}

/* e^x. Overflows to inf above 88.7228..., reaches 0 through the subnormal numbers near -103.97. */
CR_VECMATH float cr_exp_f32(float x)
{
    uint32_t n;
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    const float p = cr_expm1_reduced_f32(x, &n);
    const uint32_t biased = n + 256u; /* 2^n = 2^(half - 128) 2^(rest - 128), both normal numbers */
    const uint32_t half = biased >> 1;
    const uint32_t rest = biased - half;
    return ((1.0f + p) * cr_from_bits_f32((half - 1u) << 23)) * cr_from_bits_f32((rest - 1u) << 23);
}

/* e^x. Overflows to inf above 709.78..., reaches 0 through the subnormal numbers near -745.13. */
CR_VECMATH double cr_exp_f64(double x)
{
    uint64_t n;
    x = x > 710.0 ? 710.0 : x;
    x = x < -746.0 ? -746.0 : x;
    const double p = cr_expm1_reduced_f64(x, &n);
    const uint64_t biased = n + 2048u;
    const uint64_t half = biased >> 1;
    const uint64_t rest = biased - half;
    return ((1.0 + p) * cr_from_bits_f64((half - 1u) << 52)) * cr_from_bits_f64((rest - 1u) << 52);
}

/* ---------------------------------------------------------------- logarithm */

/* Natural logarithm; log(+-0) = -inf, log(x < 0) = NaN. With x = 2^e m, m in [sqrt(1/2), sqrt(2)) and f = m - 1:
 * log(m) = f - (f^2/2 - s (f^2/2 + R(s^2))) where s = f / (2 + f). */
CR_VECMATH float cr_log_f32(float x)
{
    const float scaled = x < FLT_MIN ? x * 0x1p23f : x;
    const float bias = x < FLT_MIN ? 150.0f : 127.0f;
    const uint32_t bits = cr_bits_f32(scaled);
    const uint32_t exponent = (bits + 0x3f800000u - 0x3f3504f3u) >> 23; /* biased by 127; 0x3f3504f3 is sqrt(1/2) */
    const float e = (float)(int32_t)exponent - bias;
    const float f = cr_from_bits_f32(bits - ((exponent - 127u) << 23)) - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    const float square = 0.5f * f * f;
    float tail = 0x1.ec1d96p-3f;
    tail = tail * z + 0x1.23f1a2p-2f;
    tail = tail * z + 0x1.999bd4p-2f;
    tail = tail * z + 0x1.555554p-1f;
    tail = tail * z + square;
    float y = e * 0x1.62ep-1f - ((square - (s * tail + e * 0x1.0bfbe8p-15f)) - f);
    y = x < INFINITY ? y : x;
    y = x == 0.0f ? -INFINITY : y;
    return x < 0.0f ? NAN : y;
}

CR_VECMATH double cr_log_f64(double x)
{
    const double scaled = x < DBL_MIN ? x * 0x1p54 : x;
    const double bias = x < DBL_MIN ? 0x1p52 + 1077.0 : 0x1p52 + 1023.0;
    const uint64_t bits = cr_bits_f64(scaled);
    const uint64_t exponent = (bits + 0x3ff0000000000000u - 0x3fe6a09e667f3bcdu) >> 52;
    const double e = cr_from_bits_f64(exponent | 0x4330000000000000u) - bias; /* 2^52 + exponent, less the bias */
    const double f = cr_from_bits_f64(bits - ((exponent - 1023u) << 52)) - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    const double square = 0.5 * f * f;
    double tail = 0x1.2f17efa94bb3cp-3;
    tail = tail * z + 0x1.399fd376aebe3p-3;
    tail = tail * z + 0x1.746652b1500b2p-3;
    tail = tail * z + 0x1.c71c51a26870dp-3;
    tail = tail * z + 0x1.249249427c47dp-2;
    tail = tail * z + 0x1.999999997f26cp-2;
    tail = tail * z + 0x1.5555555555595p-1;
    tail = tail * z + square;
    double y = e * 0x1.62e42fefa38p-1 - ((square - (s * tail + e * 0x1.ef35793c7673p-45)) - f);
    y = x < (double)INFINITY ? y : x;
    y = x == 0.0 ? -(double)INFINITY : y;
    return x < 0.0 ? (double)NAN : y;
}

/* log(1 + x) for x in [0, 1] (NaN allowed): the formula above without the reduction, s in [0, 1/3]. */
CR_VECMATH float cr_log1p_unit_f32(float x)
{
    const float s = x / (2.0f + x);
    const float z = s * s;
    const float square = 0.5f * x * x;
    float tail = 0x1.f06756p-3f;
    tail = tail * z + 0x1.b7344ep-3f;
    tail = tail * z + 0x1.2504bcp-2f;
    tail = tail * z + 0x1.9996dap-2f;
    tail = tail * z + 0x1.555558p-1f;
    tail = tail * z + square;
    return x - (square - s * tail);
}

CR_VECMATH double cr_log1p_unit_f64(double x)
{
    const double s = x / (2.0 + x);
    const double z = s * s;
    const double square = 0.5 * x * x;
    double tail = 0x1.5c793826fa058p-3;
    tail = tail * z + 0x1.55ad18c1716aap-4;
    tail = tail * z + 0x1.efda2e963675ep-4;
    tail = tail * z + 0x1.10679371b2df3p-3;
    tail = tail * z + 0x1.3b1de1054a633p-3;
    tail = tail * z + 0x1.745cb3a1d3d9bp-3;
    tail = tail * z + 0x1.c71c742024665p-3;
    tail = tail * z + 0x1.2492492081d79p-2;
    tail = tail * z + 0x1.99999999a0933p-2;
    tail = tail * z + 0x1.5555555555534p-1;
    tail = tail * z + square;
    return x - (square - s * tail);
}

/* ---------------------------------------------------------------- activations */

/* tanh x = sign(x) m / (m + 2) with m = exp(2|x|) - 1; exactly +-1 from |x| = 9.1 (19.5 in double) on; keeps -0. */
CR_VECMATH float cr_tanh_f32(float x)
{
    uint32_t n;
    const uint32_t sign = cr_bits_f32(x) & 0x80000000u;
    float magnitude = cr_from_bits_f32(cr_bits_f32(x) ^ sign);
    magnitude = magnitude > 9.1f ? 9.1f : magnitude;
    const float p = cr_expm1_reduced_f32(2.0f * magnitude, &n);
    const float power = cr_from_bits_f32((n + 127u) << 23);
    const float m = power * p + (power - 1.0f);
    return cr_from_bits_f32(cr_bits_f32(m / (m + 2.0f)) | sign);
}

CR_VECMATH double cr_tanh_f64(double x)
{
    uint64_t n;
    const uint64_t sign = cr_bits_f64(x) & 0x8000000000000000u;
    double magnitude = cr_from_bits_f64(cr_bits_f64(x) ^ sign);
    magnitude = magnitude > 19.5 ? 19.5 : magnitude;
    const double p = cr_expm1_reduced_f64(2.0 * magnitude, &n);
    const double power = cr_from_bits_f64((n + 1023u) << 52);
    const double m = power * p + (power - 1.0);
    return cr_from_bits_f64(cr_bits_f64(m / (m + 2.0)) | sign);
}

/* 1 / (1 + exp(-x)), as exp(-|x|) / (1 + exp(-|x|)) on the negative side: accurate relative to itself there too. */
CR_VECMATH float cr_sigmoid_f32(float x)
{
    const float e = cr_exp_f32(cr_from_bits_f32(cr_bits_f32(x) | 0x80000000u));
    const float numerator = x < 0.0f ? e : 1.0f;
    return numerator / (1.0f + e);
}

CR_VECMATH double cr_sigmoid_f64(double x)
{
    const double e = cr_exp_f64(cr_from_bits_f64(cr_bits_f64(x) | 0x8000000000000000u));
    const double numerator = x < 0.0 ? e : 1.0;
    return numerator / (1.0 + e);
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)); never overflows. */
CR_VECMATH float cr_softplus_f32(float x)
{
    const float e = cr_exp_f32(cr_from_bits_f32(cr_bits_f32(x) | 0x80000000u));
    const float positive = x > 0.0f ? x : 0.0f;
    return positive + cr_log1p_unit_f32(e);
}

CR_VECMATH double cr_softplus_f64(double x)
{
    const double e = cr_exp_f64(cr_from_bits_f64(cr_bits_f64(x) | 0x8000000000000000u));
    const double positive = x > 0.0 ? x : 0.0;
    return positive + cr_log1p_unit_f64(e);
}

#endif
