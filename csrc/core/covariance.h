/* Kernel matrices of Gaussian processes, and rows of whitened ones; all in double.
 *
 * An element depends on neither the other elements nor the number of threads.
 */
#ifndef CR_CORE_COVARIANCE_H
#define CR_CORE_COVARIANCE_H

#include <stddef.h>

/* The kernel of n points with m others: exp(-sum_g weights[g] distances[g]) + sum_k x[k] y[k] + constant, for distances
 * (n, m), x (products, n) and y (products, m). */
typedef struct {
    size_t n, m, groups, products;
    const double *weights, *const *distances;
    const double *x, *y;
    double constant;
} cr_covariance;

/* out (n, m). */
void cr_covariances(const cr_covariance *kernel, double *out);

/* out (m,) = (kernel - sum_i row[i] rows[i]) / pivot for row (n,) and rows (n, m): the next row of L^-1 K, where row and
 * pivot are the next one of L. */
void cr_whitened_row(size_t n, size_t m, const double *kernel, const double *row, const double *rows, double pivot,
                     double *out);

#endif
