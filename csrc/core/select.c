#include "select.h"

#include <math.h>
#include <stdbool.h>

/* Whether the value at index a comes after the value at index b in the order of cr_smallest. */
static bool comes_after(const double *values, int64_t a, int64_t b)
{
    double x = values[a], y = values[b];
    if (isnan(x) || isnan(y))
        return isnan(x) && (!isnan(y) || a > b);
    return x > y || (x == y && a > b);
}

/* Moves the root of a heap down to where it belongs. The root of the heap is the last of the kept indices in the order
 * of cr_smallest. */
static void sift_down(const double *values, int64_t *heap, size_t size, size_t root)
{
    for (;;) {
        size_t largest = root, child = 2 * root + 1;
        for (size_t c = child; c < child + 2 && c < size; c++)
            if (comes_after(values, heap[c], heap[largest]))
                largest = c;
        if (largest == root)
            return;
        int64_t swap = heap[root];
        heap[root] = heap[largest];
        heap[largest] = swap;
        root = largest;
    }
}

cr_status cr_smallest(const double *values, size_t n, size_t k, int64_t *indices, cr_error *err)
{
    if (k > n)
        return cr_fail(err, CR_ERR_VALUE, "k: expected at most %zu, the number of values, got %zu", n, k);
    for (size_t i = 0; i < k; i++)
        indices[i] = (int64_t)i;
    for (size_t i = k / 2; i-- > 0;)
        sift_down(values, indices, k, i);
    for (size_t i = k; k > 0 && i < n; i++)
        if (comes_after(values, indices[0], (int64_t)i)) {
            indices[0] = (int64_t)i;
            sift_down(values, indices, k, 0);
        }
    for (size_t size = k; size > 1; size--) { /* heap sort: the last goes to the end */
        int64_t swap = indices[0];
        indices[0] = indices[size - 1];
        indices[size - 1] = swap;
        sift_down(values, indices, size - 1, 0);
    }
    return CR_OK;
}
