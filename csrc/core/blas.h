/* Matrix products and linear systems. No other file calls BLAS. Matrices are row-major. BLAS runs on one thread, and
 * the work is cut into chunks above it. */
#ifndef CR_CORE_BLAS_H
#define CR_CORE_BLAS_H

#include <stdbool.h>

#include "dtype.h"
#include "gemm.h"
#include "status.h"

/* A matrix operand: rows x columns as stored, with `stride` elements between rows. When `transposed`, it is used as its
 * transpose. */
typedef struct {
    const void *data;
    size_t stride;
    bool transposed;
} cr_matrix;

/* A matrix used as it is stored, and one used as its transpose. */
static inline cr_matrix cr_plain(const void *data, size_t stride)
{
    return (cr_matrix){data, stride, false};
}

static inline cr_matrix cr_transposed(const void *data, size_t stride)
{
    return (cr_matrix){data, stride, true};
}

/* c (m x n, stride_c) = a (m x k) b (k x n) + beta c, then the epilogue of cr_gemm_then (NULL for none). For beta = 0
 * the old content of c is not read. The work is cut into chunks of rows or columns by shape, for all threads. float32
 * goes to our own kernel (gemm.h) where that is faster, all else to OpenBLAS. CR_ERR_OVERFLOW when a size exceeds
 * BLAS's integers. Complexity 2 m n k. */
CR_MUST_USE cr_status cr_gemm(cr_dtype dtype, size_t m, size_t n, size_t k, cr_matrix a, cr_matrix b, double beta,
                              void *c, size_t stride_c, cr_error *err);
CR_MUST_USE cr_status cr_gemm_then(cr_dtype dtype, size_t m, size_t n, size_t k, cr_matrix a, cr_matrix b, double beta,
                                   void *c, size_t stride_c, const cr_epilogue *epilogue, cr_error *err);

/* The same by OpenBLAS alone, for tests and benchmarks to compare with. */
CR_MUST_USE cr_status cr_gemm_openblas(cr_dtype dtype, size_t m, size_t n, size_t k, cr_matrix a, cr_matrix b,
                                       double beta, void *c, size_t stride_c, cr_error *err);

/* A right operand packed once for many products, such as weights that do not change. Several threads may read it at
 * once. */
typedef struct cr_packed cr_packed;

/* Copies b (k x n). CR_ERR_MEMORY, CR_ERR_OVERFLOW. */
CR_MUST_USE cr_status cr_packed_new(cr_dtype dtype, size_t k, size_t n, cr_matrix b, cr_packed **out, cr_error *err);
void cr_packed_release(cr_packed *packed); /* NULL is allowed */

/* c (m x n, stride_c) = a (m x k) b + beta c, then the epilogue (NULL for none), for any number of rows, fast
 * from one row on. A row's result does not depend on the other rows. */
CR_MUST_USE cr_status cr_gemm_packed(size_t m, cr_matrix a, const cr_packed *b, double beta, void *c, size_t stride_c,
                                     const cr_epilogue *epilogue, cr_error *err);

/* ---- linear systems, float64, row-major; `batch` matrices one after the other ---- */

/* a[i] (n x n each) = its lower Cholesky factor, zeros above; only the lower half of a is read. *failed: the first
 * matrix that is not positive definite or not finite (CR_ERR_VALUE, its content then has no meaning), `batch` when all
 * are. The threads share the matrices. CR_ERR_OVERFLOW when n exceeds BLAS's integers. Complexity batch n^3 / 3 (LAPACK's
 * potrf). */
CR_MUST_USE cr_status cr_cholesky(size_t batch, size_t n, double *a, size_t *failed, cr_error *err);

/* b[i] (n x m each) = lower[i]^-1 b[i], or lower[i]^-T b[i] when transposed; the upper half of lower is not read.
 * CR_ERR_VALUE for a zero on the diagonal, and for what is not finite in lower; b is then as before. Cut into chunks of
 * columns by shape. Complexity batch n^2 m. */
CR_MUST_USE cr_status cr_solve_lower(size_t batch, size_t n, size_t m, const double *lower, bool transposed, double *b,
                                     cr_error *err);

/* Puts BLAS on one thread; called once when the extension is loaded. */
void cr_blas_init(void);
const char *cr_blas_config(void); /* version and build options, static */
const char *cr_blas_core(void);   /* name of the kernels in use, static */

#endif
