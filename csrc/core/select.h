/* Selection of the smallest values. */
#ifndef CR_CORE_SELECT_H
#define CR_CORE_SELECT_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* indices (k,) = where the k smallest of n values are, smallest first. Equal values keep their order, NaN comes last.
 * CR_ERR_VALUE when k > n. O(n log k) time and no further memory: the heap is `indices` itself. */
CR_MUST_USE cr_status cr_smallest(const double *values, size_t n, size_t k, int64_t *indices, cr_error *err);

#endif
