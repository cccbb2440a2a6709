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

/* out (b, n + b) = the next b rows of the Cholesky factor L of a matrix, for those before, lower (n, n), and the next rows
 * of the matrix, kernel (b, n + b), of which only the lower half is read. Squares of pivots are at least `least`. */
void cr_cholesky_rows(size_t n, size_t b, const double *lower, const double *kernel, double least, double *out);

/* out (b, m) = the next b rows of L^-1 K, for those before, rows (n, m), the next ones of K, kernel (b, m), and of L, lower
 * (b, n + b). A row does not depend on how many are found at once, to the last bit. */
void cr_whitened_rows(size_t n, size_t b, size_t m, const double *lower, const double *rows, const double *kernel,
                      double *out);

/* mean (m,) and variance (m,) of the mixture of k posteriors: sum_i shares[i] means[i], and sum_i shares[i] variances[i]
 * + sum_i shares[i] (means[i] - mean)^2. */
void cr_mixture(size_t k, size_t m, const double *shares, const double *const *means, const double *const *variances,
                double *mean, double *variance);

#endif
