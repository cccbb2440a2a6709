/* The kernels for x86-64 with AVX2 and FMA (x86-64-v3). */
#include "kernels.h"

#ifdef CR_HAVE_X86_KERNELS
#include <math.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2,f16c,lzcnt"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,bmi,bmi2,f16c,lzcnt")
#endif
#define CR_ISA avx2
#define CR_VECTOR 32 /* bytes */
#include "kernels_both.inc"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
