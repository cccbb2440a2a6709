/* Our own matrix product in float32, for the sizes of training and search, where OpenBLAS packs too often.
 *
 * c (m x n) = a (m x k) b (k x n): b is copied into panels of a few columns once per product (or once for many
 * products, see cr_packed in blas.h), all threads read that copy, and tiles of c are summed in registers. An element of
 * c is always summed over k one by one, in blocks of CR_GEMM_BLOCK, so that the cuts between rows and columns do not
 * change its bits. There is one table of functions per instruction set (gemm.inc). Call cr_gemm of blas.h, not these
 * functions.
 */
#ifndef CR_CORE_GEMM_H
#define CR_CORE_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"
#include "kernels.h"
#include "status.h"

#define CR_GEMM_BLOCK 256 /* of k: a panel's block and a strip's stay in the first-level cache together */

/* A float32 matrix: `row` elements from row to row and `column` from column to column. */
typedef struct {
    const float *data;
    size_t row, column;
} cr_view;

typedef struct {
    size_t strip; /* rows of a tile */
    size_t panel; /* columns of a tile */
    /* b (k rows, `columns` <= panel columns) into one panel: k rows of `panel` numbers, zeros after the columns */
    void (*pack)(size_t k, size_t columns, cr_view b, float *to);
    /* a transposed (k rows as stored, `rows` columns) into strips, k rows of `strip` numbers each */
    void (*pack_strips)(size_t k, size_t rows, cr_view a, float *to);
    /* c (rows x columns) = beta c + a b. Panels of b follow each other, k rows each, and so do strips of a when they
     * are packed (a.row 1, a.column strip) */
    void (*tiles)(size_t rows, size_t columns, size_t k, cr_view a, const float *b, float beta, float *c,
                  size_t stride_c);
} cr_gemm_table;

/* The functions for this machine; NULL when it has none and OpenBLAS does all the work. */
const cr_gemm_table *cr_gemm_kernels(void);
/* Runs the loop of cr_fma_peak; returns its floating-point operations per round. */
double cr_fma_rounds(size_t rounds);

/* A function of the complete sums, applied in place: c = f(c + bias). The bias is a row or NULL. */
typedef struct {
    cr_unary activation;
    double a;
    const void *bias;
} cr_epilogue;

/* *elements = the number of elements of a packed k x n matrix. CR_ERR_OVERFLOW when it does not fit a size. */
CR_MUST_USE cr_status cr_gemm_packed_size(size_t k, size_t n, size_t *elements, cr_error *err);
/* Packs b (k x n) on all threads. `packed` has as many elements as cr_gemm_packed_size says, aligned to 64 bytes. */
void cr_gemm_pack(size_t k, size_t n, cr_view b, float *packed);
/* c = beta c + a b, then the epilogue (NULL for none), on all threads. m, n > 0; for k = 0 the product is 0. */
CR_MUST_USE cr_status cr_gemm_run(size_t m, size_t n, size_t k, cr_view a, const float *packed, float beta, float *c,
                                  size_t stride_c, const cr_epilogue *epilogue, cr_error *err);

/* Applies an epilogue to columns [begin, end) of `rows` rows of c. */
void cr_epilogue_apply(const cr_epilogue *epilogue, cr_dtype dtype, size_t rows, size_t begin, size_t end, void *c,
                       size_t stride_c);

/* The multiplications and additions per second of fused multiply-adds between registers on one thread, measured for
 * about `seconds`. Benchmarks compare products with it. */
double cr_fma_peak(double seconds);

/* CR_UNROLL(n) before a loop unrolls it n times. CR_UNROLL_WHOLE before a loop with a constant number of rounds, at
 * most 16, unrolls it completely. clang does the latter before it allocates registers and the former after that. */
#define CR_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define CR_UNROLL(n) CR_PRAGMA(clang loop unroll_count(n))
#define CR_UNROLL_WHOLE CR_PRAGMA(clang loop unroll(full))
#else
#define CR_UNROLL(n) CR_PRAGMA(GCC unroll n)
#define CR_UNROLL_WHOLE CR_UNROLL(16)
#endif

/* The exports of the translation units, one per instruction set. */
double cr_fma_rounds_baseline(size_t rounds);
#ifdef CR_HAVE_X86_KERNELS
double cr_fma_rounds_avx2(size_t rounds);
double cr_fma_rounds_avx512(size_t rounds);
extern const cr_gemm_table cr_gemm_avx2;
extern const cr_gemm_table cr_gemm_avx512;
#endif

#endif
