/* The loop behind cr_fma_peak for machines without tiles of our own; their products are OpenBLAS's. */
#include "gemm.h"

#define CR_ISA baseline
#define LANES 4
#define VEC four_t
#define BROADCAST(from) ((four_t){*(from), *(from), *(from), *(from)})
#define FMA(x, y, z) ((x) * (y) + (z))

typedef float four_t __attribute__((vector_size(16)));

#include "gemm_peak.inc"
