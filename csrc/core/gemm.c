#define _POSIX_C_SOURCE 200809L /* clock_gettime: musl hides it otherwise */
#include "gemm.h"

#include <time.h>

#include "threads.h"

/* Enough rows per chunk that a panel is mostly read from the first-level cache, and enough chunks that all threads end
 * at about the same time. */
#define ROWS_PER_CHUNK 48
#define COLUMNS_PER_CHUNK 256
#define FLOPS_PER_CHUNK 1e6
#define PACKED_PER_CHUNK 16384 /* elements */

typedef struct {
    const cr_gemm_table *kernels;
    size_t m, n, k;
    cr_view a, b;
    const float *packed;
    float *packed_a; /* memory for the strips of one block of k, when a is stored transposed */
    float beta;
    float *c;
    size_t stride_c;
    size_t row_chunks, column_chunks, panels;
    const cr_epilogue *epilogue;
} product_t;

static size_t divide_up(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

static size_t minimum(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- packing b: for each block of k, all panels one after the other ---- */

cr_status cr_gemm_packed_size(size_t k, size_t n, size_t *elements, cr_error *err)
{
    size_t panel = cr_gemm_kernels()->panel;
    cr_status status = cr_size_multiply(divide_up(n, panel), panel, elements, "matrix product", err);
    return status == CR_OK ? cr_size_multiply(*elements, k, elements, "matrix product", err) : status;
}

static void pack_chunk(void *context, size_t chunk)
{
    const product_t *p = context;
    size_t panel = p->kernels->panel, begin, end;
    cr_chunk_range(p->panels, p->column_chunks, chunk, &begin, &end);
    for (size_t first = 0; first < p->k; first += CR_GEMM_BLOCK) {
        size_t length = minimum(p->k - first, CR_GEMM_BLOCK);
        float *block = (float *)(uintptr_t)p->packed + first * p->panels * panel;
        for (size_t j = begin; j < end; j++) {
            cr_view b = {p->b.data + first * p->b.row + j * panel * p->b.column, p->b.row, p->b.column};
            p->kernels->pack(length, minimum(p->n - j * panel, panel), b, block + j * length * panel);
        }
    }
}

void cr_gemm_pack(size_t k, size_t n, cr_view b, float *packed)
{
    const cr_gemm_table *kernels = cr_gemm_kernels();
    product_t p = {.kernels = kernels, .n = n, .k = k, .b = b, .packed = packed,
                   .panels = divide_up(n, kernels->panel)};
    p.column_chunks = minimum(p.panels, k * n / PACKED_PER_CHUNK + 1);
    cr_parallel(p.column_chunks, pack_chunk, &p);
}

/* ---- the product ---- */

static void multiply_chunk(void *context, size_t chunk)
{
    const product_t *p = context;
    const size_t strip = p->kernels->strip, panel = p->kernels->panel;
    size_t begin, end, first_panel, last_panel;
    cr_chunk_range(divide_up(p->m, strip), p->row_chunks, chunk / p->column_chunks, &begin, &end);
    cr_chunk_range(p->panels, p->column_chunks, chunk % p->column_chunks, &first_panel, &last_panel);
    const size_t left = first_panel * panel, right = minimum(last_panel * panel, p->n);
    const size_t top = begin * strip, rows = minimum(end * strip, p->m) - top;
    float *strips = p->packed_a == NULL ? NULL
                                        : p->packed_a + (chunk % p->column_chunks * divide_up(p->m, strip) + begin) *
                                                            strip * CR_GEMM_BLOCK;
    for (size_t first = 0; first < p->k; first += CR_GEMM_BLOCK) {
        const size_t length = minimum(p->k - first, CR_GEMM_BLOCK);
        const float *block = p->packed + first * p->panels * panel;
        cr_view a = {p->a.data + top * p->a.row + first * p->a.column, p->a.row, p->a.column};
        if (strips != NULL) {
            p->kernels->pack_strips(length, rows, a, strips);
            a = (cr_view){strips, 1, strip};
        }
        p->kernels->tiles(rows, right - left, length, a, block + left * length, first == 0 ? p->beta : 1.0f,
                          p->c + top * p->stride_c + left, p->stride_c);
    }
    cr_epilogue_apply(p->epilogue, CR_F32, rows, left, right, p->c + top * p->stride_c, p->stride_c);
}

cr_status cr_gemm_run(size_t m, size_t n, size_t k, cr_view a, const float *packed, float beta, float *c,
                      size_t stride_c, const cr_epilogue *epilogue, cr_error *err)
{
    const cr_gemm_table *kernels = cr_gemm_kernels();
    product_t p = {kernels, m, n, k, a, {0}, packed, NULL, beta, c, stride_c, 1, 1, divide_up(n, kernels->panel),
                   epilogue};
    const double most = 2.0 * (double)m * (double)n * (double)k / FLOPS_PER_CHUNK;
    const size_t affordable = most < 1 ? 1 : most > 1e6 ? 1000000 : (size_t)most;
    p.row_chunks = minimum(divide_up(m, ROWS_PER_CHUNK), affordable);
    if (p.row_chunks < 4) /* few rows: cut the columns too */
        p.column_chunks = minimum(divide_up(n, COLUMNS_PER_CHUNK), divide_up(affordable, p.row_chunks));
    cr_buffer *strips = NULL;
    if (a.column != 1) {
        size_t bytes;
        cr_status status = cr_size_multiply(divide_up(m, kernels->strip) * kernels->strip * p.column_chunks,
                                            CR_GEMM_BLOCK * sizeof *c, &bytes, "matrix product", err);
        if (status == CR_OK)
            status = cr_buffer_new(bytes, &strips, err);
        if (status != CR_OK)
            return status;
        p.packed_a = cr_buffer_data(strips);
    }
    cr_parallel(p.row_chunks * p.column_chunks, multiply_chunk, &p);
    cr_buffer_release(strips);
    return CR_OK;
}

void cr_epilogue_apply(const cr_epilogue *epilogue, cr_dtype dtype, size_t rows, size_t begin, size_t end, void *c,
                       size_t stride_c)
{
    if (epilogue == NULL)
        return;
    const size_t size = cr_dtype_size(dtype);
    const char *bias = epilogue->bias;
    for (size_t r = 0; r < rows; r++)
        cr_kernels(dtype)->bias_activation(epilogue->activation, epilogue->a, 1, end - begin,
                                           bias == NULL ? NULL : bias + begin * size,
                                           (char *)c + (r * stride_c + begin) * size);
}

/* ---- the peak ---- */

static double read_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double cr_fma_peak(double seconds)
{
    const size_t rounds = 100000;
    const double start = read_clock();
    double best = 0, begin, end = start;
    do {
        begin = read_clock();
        double operations = cr_fma_rounds(rounds) * (double)rounds;
        end = read_clock();
        double speed = operations / (end - begin);
        best = speed > best ? speed : best;
    } while (end - start < seconds);
    return best;
}
