/* The kernels for any machine. */
#define CR_ISA baseline
#include "kernels_both.inc"
