/* Matrix products for x86-64 with AVX-512: tiles of 12 x 32, twenty-four sums in the thirty-two registers. */
#include "gemm.h"

#ifdef CR_HAVE_X86_KERNELS
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma,bmi,bmi2"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx2,fma,bmi,bmi2,prefer-vector-width=512")
#endif
#define CR_ISA avx512
#define LANES ((size_t)16)
#define STRIP 12
#define RESTS REST(11) REST(10) REST(9) REST(8) REST(7) REST(6) REST(5) REST(4) REST(3) REST(2) REST(1)
#define VEC __m512
#define ZERO() _mm512_setzero_ps()
#define BROADCAST(from) _mm512_set1_ps(*(from))
#define LOAD(from) _mm512_loadu_ps(from)
#define LOAD_ALIGNED(from) _mm512_load_ps(from)
#define STORE(to, x) _mm512_storeu_ps(to, x)
#define FMA(x, y, z) _mm512_fmadd_ps(x, y, z)
#include "gemm.inc"
#include "gemm_peak.inc"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
