#include "blas.h"

#include <limits.h>
#include <stdint.h>

#include "threads.h"
#include CRLSO_BLAS_HEADER

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define BLAS(name) JOIN(CRLSO_BLAS_PREFIX, name)

/* Each chunk packs the operand that all share again, so chunks must be large for that to stay cheap: a few of them from
 * about 200 us each on, many only from four times as much on. */
#define FEW_CHUNKS 4
#define FLOPS_PER_CHUNK 1.6e7
#define MANY_CHUNKS 16
#define FLOPS_PER_CHUNK_OF_MANY 6.4e7
#define MIN_PER_CHUNK 32    /* rows or columns */

typedef struct {
    cr_dtype dtype;
    size_t m, n, k;
    cr_matrix a, b;
    double beta;
    void *c;
    size_t stride_c;
    bool by_rows;
    size_t n_chunks;
} gemm_t;

static const void *at(const void *data, size_t element, cr_dtype dtype)
{
    return (const char *)data + element * cr_dtype_size(dtype);
}

static void run_chunk(void *context, size_t chunk)
{
    const gemm_t *g = context;
    size_t begin, end, m = g->m, n = g->n;
    cr_chunk_range(g->by_rows ? m : n, g->n_chunks, chunk, &begin, &end);
    const void *a = g->a.data, *b = g->b.data;
    void *c = g->c;
    if (g->by_rows) {
        m = end - begin;
        a = at(a, begin * (g->a.transposed ? 1 : g->a.stride), g->dtype);
        c = (void *)at(c, begin * g->stride_c, g->dtype);
    } else {
        n = end - begin;
        b = at(b, begin * (g->b.transposed ? g->b.stride : 1), g->dtype);
        c = (void *)at(c, begin, g->dtype);
    }
    int ta = g->a.transposed ? CblasTrans : CblasNoTrans, tb = g->b.transposed ? CblasTrans : CblasNoTrans;
    int im = (int)m, in = (int)n, ik = (int)g->k, lda = (int)g->a.stride, ldb = (int)g->b.stride, ldc = (int)g->stride_c;
    if (g->dtype == CR_F32)
        BLAS(cblas_sgemm)(CblasRowMajor, ta, tb, im, in, ik, 1.0f, a, lda, b, ldb, (float)g->beta, c, ldc);
    else
        BLAS(cblas_dgemm)(CblasRowMajor, ta, tb, im, in, ik, 1.0, a, lda, b, ldb, g->beta, c, ldc);
}

/* How many chunks of `each` steps, at most `most`. */
static size_t share(double steps, double each, size_t most)
{
    return steps >= each * (double)most ? most : (size_t)(steps / each);
}

static size_t chunk_count(size_t m, size_t n, size_t k)
{
    size_t longest = m >= n ? m : n;
    double flops = 2.0 * (double)m * (double)n * (double)k;
    size_t few = share(flops, FLOPS_PER_CHUNK, FEW_CHUNKS), many = share(flops, FLOPS_PER_CHUNK_OF_MANY, MANY_CHUNKS);
    size_t chunks = few > many ? few : many;
    if (chunks > longest / MIN_PER_CHUNK)
        chunks = longest / MIN_PER_CHUNK;
    return chunks == 0 ? 1 : chunks;
}

cr_status cr_gemm(cr_dtype dtype, size_t m, size_t n, size_t k, cr_matrix a, cr_matrix b, double beta, void *c,
                  size_t stride_c, cr_error *err)
{
    const size_t sizes[] = {m, n, k, a.stride, b.stride, stride_c};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] > INT_MAX)
            return cr_fail(err, CR_ERR_OVERFLOW, "matrix product: size %zu exceeds BLAS's limit %d", sizes[i], INT_MAX);
    if (m == 0 || n == 0)
        return CR_OK;
    /* BLAS asks for strides of at least 1 even where k or a dimension is 0. */
    a.stride = a.stride == 0 ? 1 : a.stride;
    b.stride = b.stride == 0 ? 1 : b.stride;
    gemm_t g = {dtype, m, n, k, a, b, beta, c, stride_c, m >= n, chunk_count(m, n, k)};
    cr_parallel(g.n_chunks, run_chunk, &g);
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
