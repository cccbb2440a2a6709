/* Machines without tiles of our own have OpenBLAS for products, and this loop to compare it with. */
#include "gemm.h"

#define CR_ISA baseline
#define LANES 4
#define VEC four_t
#define BROADCAST(from) ((four_t){*(from), *(from), *(from), *(from)})
#define FMA(x, y, z) ((x) * (y) + (z))

typedef float four_t __attribute__((vector_size(16)));

#include "gemm_peak.inc"
