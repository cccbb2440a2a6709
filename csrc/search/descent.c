#include "descent.h"

#include <math.h>

cr_status cr_descend(const cr_icnn_frozen *net, const void *z, bool one_start, const double *step, size_t n_steps,
                     void *out, cr_error *err)
{
    const size_t d = cr_icnn_inputs(net);
    const cr_dtype dtype = cr_icnn_dtype(net);
    const cr_kernel_table *kernels = cr_kernels(dtype);
    for (size_t i = 0; i < n_steps; i++)
        if (!isfinite(step[i]))
            return cr_fail(err, CR_ERR_VALUE, "step: expected finite numbers, got %g at position %zu", step[i], i);
    cr_status status = cr_icnn_evaluate(net, z, one_start && n_steps > 0 ? 1 : n_steps, NULL, out, err);
    if (status != CR_OK)
        return status;
    for (size_t i = n_steps; i-- > 0;) { /* the row with the one gradient of all comes last */
        void *row = cr_element(out, i * d, dtype);
        kernels->unary(CR_AFFINE, -step[i], 0, d, one_start ? out : row, row);
        kernels->axpy(d, 1, one_start ? z : cr_element(z, i * d, dtype), row);
    }
    return CR_OK;
}

/* Whether position a comes after position b in the order of cr_smallest. */
static bool after(const double *values, int64_t a, int64_t b)
{
    double x = values[a], y = values[b];
    if (isnan(x) || isnan(y))
        return isnan(x) && (!isnan(y) || a > b);
    return x > y || (x == y && a > b);
}

/* A heap with the last of the kept positions at its root. */
static void sift_down(const double *values, int64_t *heap, size_t size, size_t root)
{
    for (;;) {
        size_t largest = root, child = 2 * root + 1;
        for (size_t c = child; c < child + 2 && c < size; c++)
            if (after(values, heap[c], heap[largest]))
                largest = c;
        if (largest == root)
            return;
        int64_t swap = heap[root];
        heap[root] = heap[largest];
        heap[largest] = swap;
        root = largest;
    }
}

cr_status cr_smallest(const double *values, size_t n, size_t k, int64_t *positions, cr_error *err)
{
    if (k > n)
        return cr_fail(err, CR_ERR_VALUE, "k: expected at most %zu, the number of values, got %zu", n, k);
    for (size_t i = 0; i < k; i++)
        positions[i] = (int64_t)i;
    for (size_t i = k / 2; i-- > 0;)
        sift_down(values, positions, k, i);
    for (size_t i = k; k > 0 && i < n; i++)
        if (after(values, positions[0], (int64_t)i)) {
            positions[0] = (int64_t)i;
            sift_down(values, positions, k, 0);
        }
    for (size_t size = k; size > 1; size--) { /* heap sort: the last goes to the end */
        int64_t swap = positions[0];
        positions[0] = positions[size - 1];
        positions[size - 1] = swap;
        sift_down(values, positions, size - 1, 0);
    }
    return CR_OK;
}
