/* Kendall's rank correlation. */
#ifndef CR_CORE_KENDALL_H
#define CR_CORE_KENDALL_H

#include "status.h"

/* *tau = tau-b of n pairs of numbers, in O(n log n) (Knight 1966). Ties are neither concordant nor discordant. NaN when
 * x or y is constant or n < 2. CR_ERR_VALUE for NaN among the numbers, CR_ERR_MEMORY. */
CR_MUST_USE cr_status cr_kendall_tau(const double *x, const double *y, size_t n, double *tau, cr_error *err);

#endif
