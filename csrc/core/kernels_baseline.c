/* The kernels for any machine. */
#define CR_ISA baseline
#define CR_VECTOR 16 /* bytes */
#include "kernels_both.inc"
