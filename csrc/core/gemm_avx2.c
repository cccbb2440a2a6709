/* Matrix products for x86-64 with AVX2 and FMA: tiles of 6 x 16, twelve sums in the sixteen registers. */
#include "gemm.h"

#ifdef CR_HAVE_X86_KERNELS
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,bmi,bmi2")
#endif
#define CR_ISA avx2
#define LANES ((size_t)8)
#define STRIP 6
#define RESTS REST(5) REST(4) REST(3) REST(2) REST(1)
#define VEC __m256
#define ZERO() _mm256_setzero_ps()
#define BROADCAST(from) _mm256_broadcast_ss(from)
#define LOAD(from) _mm256_loadu_ps(from)
#define LOAD_ALIGNED(from) _mm256_load_ps(from)
#define STORE(to, x) _mm256_storeu_ps(to, x)
#define FMA(x, y, z) _mm256_fmadd_ps(x, y, z)
#include "gemm.inc"
#include "gemm_peak.inc"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
