/* The kernels for x86-64 with AVX-512 F, DQ, BW and VL (x86-64-v4). */
#include "kernels.h"

#ifdef CR_HAVE_X86_KERNELS
#include <math.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi,bmi2,f16c,lzcnt"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi,bmi2,f16c,lzcnt,prefer-vector-width=512")
#endif
#define CR_ISA avx512
#define CR_VECTOR 64 /* bytes */
#include "kernels_both.inc"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
