/* Sums, maxima and minima over several axes, and their counterpart, which repeats along these axes: for reductions and for
 * broadcasting. */
#ifndef CR_AUTODIFF_AXES_H
#define CR_AUTODIFF_AXES_H

#include "tensor.h"

/* The number of axes of a reduction over all axes: the attribute when axis is None. */
#define CR_ALL_AXES (-1)

/* The axes that are reduced, as runs of neighbours. At most four axes make at most two runs. */
typedef struct {
    int n_runs;
    struct {
        size_t outer, length, inner; /* all elements before the run, of the run, and the kept ones after it */
    } runs[2];
    size_t size, kept, reduced; /* elements of the whole shape, of the result, and those that make one of the result */
} cr_axes;

typedef enum { CR_SUM, CR_MAX, CR_MIN } cr_reduction;

/* The axes of a shape for which `chosen` is true. */
cr_axes cr_axes_of(int ndim, const size_t *shape, const bool *chosen);

/* The axes in which an operand repeats when it is broadcast to a shape that it fits (cr_broadcast_shape). */
cr_axes cr_axes_of_broadcast(const cr_tensor *operand, int ndim, const size_t *shape);

/* The shape of two operands after broadcasting by NumPy's rule; false when they do not fit. */
bool cr_broadcast_shape(const cr_tensor *a, const cr_tensor *b, int *ndim, size_t *shape);

/* y = scale times the sum, or the maximum, of x over the axes: x has axes->size elements and y axes->kept. */
CR_MUST_USE cr_status cr_reduce_axes(const cr_axes *axes, cr_reduction kind, double scale, cr_dtype dtype,
                                     const void *x, void *y, cr_error *err);

/* y (+)= scale times x, repeated along the axes: x has axes->kept elements and y axes->size. */
CR_MUST_USE cr_status cr_repeat_axes(const cr_axes *axes, double scale, cr_dtype dtype, const void *x, void *y,
                                     int accumulate, cr_error *err);

#endif
