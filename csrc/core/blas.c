#include "blas.h"

#include <float.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "threads.h"
#include CRLSO_BLAS_HEADER

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define BLAS(name) JOIN(CRLSO_BLAS_PREFIX, name)

/* Every chunk packs the operand that all chunks use, so that chunks must be large: a few chunks from about 200 us each
 * on, many chunks only from four times as much on. */
#define FEW_CHUNKS 4
#define FLOPS_PER_CHUNK 1.6e7
#define MANY_CHUNKS 16
#define FLOPS_PER_CHUNK_OF_MANY 6.4e7
#define MIN_PER_CHUNK 32    /* rows or columns */

/* Sizes from which on our own kernel was faster than OpenBLAS, by measurement on AVX2. */
#define OWN_MIN_ROWS 24      /* fewer rows do not repay the packing of b */
#define OWN_MIN_COLUMNS 8    /* fewer leave most of a panel empty, */
#define OWN_MIN_TRANSPOSED 32 /* and do not repay the packing of a transposed a */
#define OWN_MAX_PACKED ((size_t)1 << 19) /* elements of b: more do not stay in the caches */

typedef struct {
    cr_dtype dtype;
    size_t m, n, k;
    cr_matrix a, b;
    double beta;
    void *c;
    size_t stride_c;
    bool by_rows;
    size_t n_chunks;
    const cr_epilogue *epilogue;
} gemm_t;

static void multiply_chunk(void *context, size_t chunk)
{
    const gemm_t *g = context;
    size_t begin, end, m = g->m, n = g->n;
    cr_chunk_range(g->by_rows ? m : n, g->n_chunks, chunk, &begin, &end);
    const void *a = g->a.data, *b = g->b.data;
    void *c = g->c;
    if (g->by_rows) {
        m = end - begin;
        a = cr_element(a, begin * (g->a.transposed ? 1 : g->a.stride), g->dtype);
        c = cr_element(c, begin * g->stride_c, g->dtype);
    } else {
        n = end - begin;
        b = cr_element(b, begin * (g->b.transposed ? g->b.stride : 1), g->dtype);
        c = cr_element(c, begin, g->dtype);
    }
    int ta = g->a.transposed ? CblasTrans : CblasNoTrans, tb = g->b.transposed ? CblasTrans : CblasNoTrans;
    int im = (int)m, in = (int)n, ik = (int)g->k, lda = (int)g->a.stride, ldb = (int)g->b.stride, ldc = (int)g->stride_c;
    if (g->dtype == CR_F32)
        BLAS(cblas_sgemm)(CblasRowMajor, ta, tb, im, in, ik, 1.0f, a, lda, b, ldb, (float)g->beta, c, ldc);
    else
        BLAS(cblas_dgemm)(CblasRowMajor, ta, tb, im, in, ik, 1.0, a, lda, b, ldb, g->beta, c, ldc);
    size_t first = g->by_rows ? 0 : begin;
    void *rows = cr_element(g->c, g->by_rows ? begin * g->stride_c : 0, g->dtype);
    cr_epilogue_apply(g->epilogue, g->dtype, m, first, first + n, rows, g->stride_c);
}

/* The number of chunks of `each` steps, at most `most`. */
static size_t count_chunks(double steps, double each, size_t most)
{
    return steps >= each * (double)most ? most : (size_t)(steps / each);
}

static size_t choose_chunk_count(size_t m, size_t n, size_t k)
{
    size_t longest = m >= n ? m : n;
    double flops = 2.0 * (double)m * (double)n * (double)k;
    size_t few = count_chunks(flops, FLOPS_PER_CHUNK, FEW_CHUNKS);
    size_t many = count_chunks(flops, FLOPS_PER_CHUNK_OF_MANY, MANY_CHUNKS);
    size_t chunks = few > many ? few : many;
    if (chunks > longest / MIN_PER_CHUNK)
        chunks = longest / MIN_PER_CHUNK;
    return chunks == 0 ? 1 : chunks;
}

static cr_status expect_sizes(size_t m, size_t n, size_t k, size_t a, size_t b, size_t c, cr_error *err)
{
    const size_t sizes[] = {m, n, k, a, b, c};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] > INT_MAX)
            return cr_fail(err, CR_ERR_OVERFLOW, "matrix product: size %zu exceeds BLAS's limit %d", sizes[i], INT_MAX);
    return CR_OK;
}

static void run_openblas(cr_dtype dtype, size_t m, size_t n, size_t k, cr_matrix a, cr_matrix b, double beta, void *c,
                         size_t stride_c, const cr_epilogue *epilogue)
{
    /* BLAS requires strides of at least 1, even where k or a dimension is 0. */
    a.stride = a.stride == 0 ? 1 : a.stride;
    b.stride = b.stride == 0 ? 1 : b.stride;
    gemm_t g = {dtype, m, n, k, a, b, beta, c, stride_c, m >= n, choose_chunk_count(m, n, k), epilogue};
    if (m > 0 && n > 0)
        cr_parallel(g.n_chunks, multiply_chunk, &g);
}

cr_status cr_gemm_openblas(cr_dtype dtype, size_t m, size_t n, size_t k, cr_matrix a, cr_matrix b, double beta, void *c,
                           size_t stride_c, cr_error *err)
{
    cr_status status = expect_sizes(m, n, k, a.stride, b.stride, stride_c, err);
    if (status == CR_OK)
        run_openblas(dtype, m, n, k, a, b, beta, c, stride_c, NULL);
    return status;
}

static cr_view view_matrix(cr_matrix matrix)
{
    return matrix.transposed ? (cr_view){matrix.data, 1, matrix.stride} : (cr_view){matrix.data, matrix.stride, 1};
}

static bool own_kernel_is_faster(size_t m, size_t n, size_t k, bool transposed)
{
    return m >= OWN_MIN_ROWS && n >= (transposed ? OWN_MIN_TRANSPOSED : OWN_MIN_COLUMNS) && k > 0 &&
           n <= OWN_MAX_PACKED / k;
}

/* Runs our own kernel block by block of k, so that a packed block is used while it is in the cache. */
static cr_status run_own_kernel(size_t m, size_t n, size_t k, cr_matrix a, cr_matrix b, double beta, void *c,
                                size_t stride_c, const cr_epilogue *epilogue, cr_error *err)
{
    cr_buffer *buffer;
    cr_view left = view_matrix(a), right = view_matrix(b);
    size_t bytes;
    cr_status status = cr_gemm_packed_size(k < CR_GEMM_BLOCK ? k : CR_GEMM_BLOCK, n, &bytes, err);
    if (status == CR_OK)
        status = cr_size_multiply(bytes, sizeof(float), &bytes, "matrix product", err);
    if (status == CR_OK)
        status = cr_buffer_new(bytes, &buffer, err);
    if (status != CR_OK)
        return status;
    for (size_t length, rest = k; status == CR_OK && rest > 0; rest -= length) {
        length = rest < CR_GEMM_BLOCK ? rest : CR_GEMM_BLOCK;
        cr_gemm_pack(length, n, right, cr_buffer_data(buffer));
        status = cr_gemm_run(m, n, length, left, cr_buffer_data(buffer), rest == k ? (float)beta : 1.0f, c, stride_c,
                             length == rest ? epilogue : NULL, err);
        left.data += length * left.column;
        right.data += length * right.row;
    }
    cr_buffer_release(buffer);
    return status;
}

cr_status cr_gemm_then(cr_dtype dtype, size_t m, size_t n, size_t k, cr_matrix a, cr_matrix b, double beta, void *c,
                       size_t stride_c, const cr_epilogue *epilogue, cr_error *err)
{
    cr_status status = expect_sizes(m, n, k, a.stride, b.stride, stride_c, err);
    if (status != CR_OK)
        return status;
    if (dtype == CR_F32 && cr_gemm_kernels() != NULL && own_kernel_is_faster(m, n, k, a.transposed))
        return run_own_kernel(m, n, k, a, b, beta, c, stride_c, epilogue, err);
    run_openblas(dtype, m, n, k, a, b, beta, c, stride_c, epilogue);
    return CR_OK;
}

cr_status cr_gemm(cr_dtype dtype, size_t m, size_t n, size_t k, cr_matrix a, cr_matrix b, double beta, void *c,
                  size_t stride_c, cr_error *err)
{
    return cr_gemm_then(dtype, m, n, k, a, b, beta, c, stride_c, NULL, err);
}

/* ---- packed operands ---- */

struct cr_packed {
    cr_dtype dtype;
    size_t k, n;
    bool panels;       /* packed for our own kernel; else a copy of k x n, row-major */
    cr_buffer *buffer;
};

static void copy_matrix(cr_dtype dtype, size_t rows, size_t columns, cr_matrix from, void *to)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            size_t source = from.transposed ? j * from.stride + i : i * from.stride + j;
            memcpy(cr_element(to, i * columns + j, dtype), cr_element(from.data, source, dtype), cr_dtype_size(dtype));
        }
}

cr_status cr_packed_new(cr_dtype dtype, size_t k, size_t n, cr_matrix b, cr_packed **out, cr_error *err)
{
    cr_status status = expect_sizes(0, n, k, 0, b.stride, 0, err);
    size_t elements, bytes;
    cr_packed *packed = NULL;
    /* Also for few columns: OpenBLAS adds in another order for few rows, and a row must not depend on the others. */
    const bool panels = dtype == CR_F32 && cr_gemm_kernels() != NULL && k > 0 && n > 0;
    *out = NULL;
    if (status == CR_OK)
        status = panels ? cr_gemm_packed_size(k, n, &elements, err)
                        : cr_size_multiply(k, n, &elements, "matrix product", err);
    if (status == CR_OK)
        status = cr_size_multiply(elements, cr_dtype_size(dtype), &bytes, "matrix product", err);
    if (status != CR_OK)
        return status;
    packed = malloc(sizeof *packed);
    if (packed == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a packed matrix");
    *packed = (cr_packed){dtype, k, n, panels, NULL};
    status = cr_buffer_new(bytes, &packed->buffer, err);
    if (status != CR_OK) {
        free(packed);
        return status;
    }
    if (panels)
        cr_gemm_pack(k, n, view_matrix(b), cr_buffer_data(packed->buffer));
    else
        copy_matrix(dtype, k, n, b, cr_buffer_data(packed->buffer));
    *out = packed;
    return CR_OK;
}

void cr_packed_release(cr_packed *packed)
{
    if (packed == NULL)
        return;
    cr_buffer_release(packed->buffer);
    free(packed);
}

cr_status cr_gemm_packed(size_t m, cr_matrix a, const cr_packed *b, double beta, void *c, size_t stride_c,
                         const cr_epilogue *epilogue, cr_error *err)
{
    cr_status status = expect_sizes(m, b->n, b->k, a.stride, 0, stride_c, err);
    if (status != CR_OK || m == 0)
        return status;
    void *data = cr_buffer_data(b->buffer);
    if (b->panels)
        return cr_gemm_run(m, b->n, b->k, view_matrix(a), data, (float)beta, c, stride_c, epilogue, err);
    run_openblas(b->dtype, m, b->n, b->k, a, cr_plain(data, b->n), beta, c, stride_c, epilogue);
    return CR_OK;
}

/* ---- linear systems ---- */

#define SOLVE_COLUMNS 256 /* per chunk */

/* LAPACK's Cholesky factor, Fortran's interface; some builds pass the length of the text at the end. */
void BLAS(dpotrf_)(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t length);

typedef struct {
    size_t n, m, n_chunks;
    double *a;
    int *info;
    const double *lower;
    bool transposed;
    double *b;
} system_t;

#define NOT_FINITE (-1) /* as system_t.info */

/* Whether the lower half of a matrix has finite elements alone. */
static bool is_lower_finite(const double *a, size_t n)
{
    for (size_t row = 0; row < n; row++) {
        double nothing = 0; /* NaN as soon as an element is infinite or NaN */
        for (size_t column = 0; column <= row; column++)
            nothing += 0 * a[row * n + column];
        if (nothing != 0)
            return false;
    }
    return true;
}

static void factorise_matrix(void *context, size_t i)
{
    const system_t *s = context;
    const size_t n = s->n;
    const int in = (int)n;
    double *a = s->a + i * n * n;
    if (!is_lower_finite(a, n)) {
        s->info[i] = NOT_FINITE;
        return;
    }
    BLAS(dpotrf_)("U", &in, a, &in, &s->info[i], 1); /* by columns, our lower half is the upper one */
    for (size_t row = 0; row < n; row++) {
        memset(a + row * n + row + 1, 0, (n - row - 1) * sizeof *a);
        if (s->info[i] == 0 && !(a[row * n + row] > 0 && a[row * n + row] <= DBL_MAX)) /* sums that overflowed */
            s->info[i] = (int)row + 1;
    }
}

cr_status cr_cholesky(size_t batch, size_t n, double *a, size_t *failed, cr_error *err)
{
    cr_buffer *buffer;
    size_t bytes;
    *failed = batch;
    cr_status status = expect_sizes(n, 0, 0, 0, 0, 0, err);
    if (status == CR_OK)
        status = cr_size_multiply(batch, sizeof(int), &bytes, "Cholesky factor", err);
    if (status != CR_OK || batch == 0 || n == 0)
        return status;
    status = cr_buffer_new(bytes, &buffer, err);
    if (status != CR_OK)
        return status;
    system_t s = {.n = n, .a = a, .info = cr_buffer_data(buffer)};
    cr_parallel(batch, factorise_matrix, &s);
    for (size_t i = 0; i < batch && status == CR_OK; i++)
        if (s.info[i] != 0) {
            *failed = i;
            status = s.info[i] == NOT_FINITE
                         ? cr_fail(err, CR_ERR_VALUE, "a: expected finite numbers, got infinity or NaN in the matrix at "
                                   "position %zu", i)
                         : cr_fail(err, CR_ERR_VALUE, "a: expected positive definite matrices, got one of which the "
                                   "leading %d rows are not, at position %zu", s.info[i], i);
        }
    cr_buffer_release(buffer);
    return status;
}

static void solve_chunk(void *context, size_t chunk)
{
    const system_t *s = context;
    const size_t i = chunk / s->n_chunks;
    size_t begin, end;
    cr_chunk_range(s->m, s->n_chunks, chunk % s->n_chunks, &begin, &end);
    BLAS(cblas_dtrsm)(CblasRowMajor, CblasLeft, CblasLower, s->transposed ? CblasTrans : CblasNoTrans, CblasNonUnit,
                      (int)s->n, (int)(end - begin), 1.0, s->lower + i * s->n * s->n, (int)s->n,
                      s->b + i * s->n * s->m + begin, (int)s->m);
}

static cr_status expect_solvable(size_t batch, size_t n, const double *lower, cr_error *err)
{
    for (size_t i = 0; i < batch; i++) {
        const double *matrix = lower + i * n * n;
        if (!is_lower_finite(matrix, n))
            return cr_fail(err, CR_ERR_VALUE, "lower: expected finite numbers, got infinity or NaN in the matrix at "
                           "position %zu", i);
        for (size_t row = 0; row < n; row++)
            if (matrix[row * n + row] == 0)
                return cr_fail(err, CR_ERR_VALUE, "lower: expected no zero on the diagonal, got one in row %zu of the "
                               "matrix at position %zu", row, i);
    }
    return CR_OK;
}

cr_status cr_solve_lower(size_t batch, size_t n, size_t m, const double *lower, bool transposed, double *b,
                         cr_error *err)
{
    cr_status status = expect_sizes(n, m, 0, 0, 0, 0, err);
    if (status != CR_OK || batch == 0 || n == 0 || m == 0)
        return status;
    status = expect_solvable(batch, n, lower, err);
    if (status != CR_OK)
        return status;
    const size_t n_chunks = (m + SOLVE_COLUMNS - 1) / SOLVE_COLUMNS;
    system_t s = {.n = n, .m = m, .n_chunks = n_chunks, .lower = lower, .transposed = transposed, .b = b};
    cr_parallel(batch * n_chunks, solve_chunk, &s);
    return CR_OK;
}

void cr_blas_init(void)
{
    BLAS(openblas_set_num_threads)(1);
}

const char *cr_blas_config(void)
{
    return BLAS(openblas_get_config)();
}

const char *cr_blas_core(void)
{
    return BLAS(openblas_get_corename)();
}
