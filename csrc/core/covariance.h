/* Kernel matrices of Gaussian processes, rows of whitened ones, and mixtures of posteriors; all in double.
 *
 * An element depends on neither the other elements nor the number of threads.
 */
#ifndef CR_CORE_COVARIANCE_H
#define CR_CORE_COVARIANCE_H

#include <stddef.h>

/* The kernel of n points with m others: exp(-sum_g weights[g] distances[g]) + sum_k factors[k] x[k] y[k] + constant, for
 * distances (n, m), x (products, n) and y (products, m). */
typedef struct {
    size_t n, m, groups, products;
    const double *weights, *const *distances;
    const double *factors, *x, *y;
    double constant;
} cr_covariance;

/* out (n, m). */
void cr_covariances(const cr_covariance *kernel, double *out);

/* out (n,) = 1 + constant + sum_k factors[k] x[k]^2: the same kernel of each point with itself. */
void cr_variances(size_t n, size_t products, const double *factors, const double *x, double constant, double *out);

/* out (m,) = (kernel - sum_i row[i] rows[i]) / pivot for row (n,) and rows (n, m): the next row of L^-1 K, where row and
 * pivot are the next one of L. */
void cr_whitened_row(size_t n, size_t m, const double *kernel, const double *row, const double *rows, double pivot,
                     double *out);

/* mean (m,) and variance (m,) of the mixture of k posteriors: sum_i shares[i] means[i], and sum_i shares[i] variances[i]
 * + sum_i shares[i] (means[i] - mean)^2. */
void cr_mixture(size_t k, size_t m, const double *shares, const double *const *means, const double *const *variances,
                double *mean, double *variance);

#endif
