// sources: @core
/* Our own matrix product against OpenBLAS: random shapes, all transposes, strides, packed operands, cuts of rows. */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "core/blas.h"
#include "core/threads.h"
#include "sample.h"

typedef CR_TEST_REAL real;
#define DTYPE (sizeof(real) == sizeof(float) ? CR_F32 : CR_F64)
#define TOLERANCE (sizeof(real) == sizeof(float) ? 4e-6 : 1e-14)

static real *random_numbers(size_t n)
{
    real *numbers = sample_memory(n == 0 ? 1 : n, sizeof *numbers);
    for (size_t i = 0; i < n; i++)
        numbers[i] = (real)sample_uniform(-1, 1);
    return numbers;
}

typedef struct {
    size_t m, n, k, stride_c;
    cr_matrix a, b;
    real *a_data, *b_data, *c; /* c holds random numbers, NaN where beta = 0 must not read */
    double beta;
} problem_t;

static problem_t problem(size_t m, size_t n, size_t k, bool ta, bool tb, double beta, size_t extra)
{
    problem_t p = {.m = m, .n = n, .k = k, .stride_c = n + extra, .beta = beta};
    size_t sa = (ta ? m : k) + extra, sb = (tb ? k : n) + extra;
    p.a_data = random_numbers((ta ? k : m) * sa);
    p.b_data = random_numbers((tb ? n : k) * sb);
    p.c = random_numbers(m * p.stride_c);
    for (size_t i = 0; beta == 0 && i < m * p.stride_c; i++)
        p.c[i] = (real)NAN;
    p.a = (cr_matrix){p.a_data, sa, ta};
    p.b = (cr_matrix){p.b_data, sb, tb};
    return p;
}

static void release(problem_t *p)
{
    free(p->a_data);
    free(p->b_data);
    free(p->c);
}

static real *copy_of(const problem_t *p)
{
    size_t bytes = p->m * p->stride_c * sizeof *p->c;
    real *copy = sample_memory(bytes == 0 ? 1 : bytes, 1);
    memcpy(copy, p->c, bytes);
    return copy;
}

static void expect_close(const char *what, const problem_t *p, const real *got, const real *expected)
{
    for (size_t i = 0; i < p->m * p->stride_c; i++)
        if (i % p->stride_c < p->n)
            CHECK(sample_close((double)got[i], (double)expected[i], TOLERANCE * (1 + sqrt((double)p->k))),
                  "%s (%zu, %zu, %zu) %d%d beta %g at %zu: %g, expected %g", what, p->m, p->n, p->k, p->a.transposed,
                  p->b.transposed, p->beta, i, (double)got[i], (double)expected[i]);
        else
            CHECK(memcmp(got + i, p->c + i, sizeof *got) == 0, "%s wrote past a row", what);
}

static void compare(size_t m, size_t n, size_t k, int kind, double beta, size_t extra)
{
    problem_t p = problem(m, n, k, kind & 1, kind & 2, beta, extra);
    real *expected = copy_of(&p), *own = copy_of(&p), *packed = copy_of(&p);
    cr_error err = {""};
    cr_packed *right = NULL;
    CHECK(cr_gemm_openblas(DTYPE, m, n, k, p.a, p.b, beta, expected, p.stride_c, &err) == CR_OK, "%s", err.text);
    CHECK(cr_gemm(DTYPE, m, n, k, p.a, p.b, beta, own, p.stride_c, &err) == CR_OK, "%s", err.text);
    CHECK(cr_packed_new(DTYPE, k, n, p.b, &right, &err) == CR_OK, "%s", err.text);
    CHECK(cr_gemm_packed(m, p.a, right, beta, packed, p.stride_c, NULL, &err) == CR_OK, "%s", err.text);
    expect_close("cr_gemm", &p, own, expected);
    expect_close("cr_gemm_packed", &p, packed, expected);
    cr_packed_release(right);
    free(expected);
    free(own);
    free(packed);
    release(&p);
}

static void random_shapes(void)
{
    const double betas[] = {0, 1, -0.5};
    for (int round = 0; round < 300; round++) {
        size_t largest = round % 3 == 0 ? 20 : 150;
        compare(sample_below(largest), sample_below(largest), sample_below(round % 10 == 0 ? 700 : largest), round % 4,
                betas[round % 3], sample_below(3));
    }
}

static void edges_of_tiles_and_blocks(void)
{
    const size_t rows[] = {1, 2, 5, 6, 7, 13, 24, 49}, columns[] = {1, 15, 16, 17, 32, 64, 65};
    const size_t depths[] = {0, 1, 255, 256, 257};
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 7; j++)
            for (size_t l = 0; l < 5; l++)
                compare(rows[i], columns[j], depths[l], (int)(i + j + l) % 4, (double)(l % 2), j % 2);
}

/* A row gives the same bits alone, in a product of any number of rows, and on any number of threads. */
static void rows_do_not_depend_on_each_other(void)
{
    enum { M = 301, N = 70, K = 520 };
    for (int kind = 0; kind < 4; kind += 2) {
        problem_t p = problem(M, N, K, false, kind & 2, 0, 1);
        cr_error err;
        cr_packed *right;
        CHECK(cr_packed_new(DTYPE, K, N, p.b, &right, &err) == CR_OK, "%s", err.text);
        real *all = copy_of(&p), *part = copy_of(&p);
        CHECK(cr_gemm(DTYPE, M, N, K, p.a, p.b, 0, all, p.stride_c, &err) == CR_OK, "%s", err.text);
        for (size_t step = 1; step <= M && DTYPE == CR_F32 && cr_gemm_kernels() != NULL; step = 2 * step + 1) {
            CHECK(cr_threads_set(1 + (int)step % 4, &err) == CR_OK, "%s", err.text);
            for (size_t first = 0; first < M; first += step) {
                size_t m = M - first < step ? M - first : step;
                cr_matrix a = cr_plain(p.a_data + first * p.a.stride, p.a.stride);
                CHECK(cr_gemm_packed(m, a, right, 0, part + first * p.stride_c, p.stride_c, NULL, &err) == CR_OK, "%s",
                      err.text);
            }
            for (size_t i = 0; i < M; i++)
                CHECK(memcmp(all + i * p.stride_c, part + i * p.stride_c, N * sizeof *all) == 0, "%zu rows, row %zu",
                      step, i);
        }
        CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
        cr_packed_release(right);
        free(all);
        free(part);
        release(&p);
    }
}

static void threads_do_not_change_a_bit(void)
{
    const size_t shapes[][3] = {{257, 256, 300}, {84, 256, 256}, {24, 700, 90}, {500, 16, 64}};
    for (int round = 0; round < 16; round++) {
        const size_t *s = shapes[round / 4];
        problem_t p = problem(s[0], s[1], s[2], round & 1, round & 2, 1, 0);
        real *first = copy_of(&p);
        cr_error err;
        CHECK(cr_gemm(DTYPE, p.m, p.n, p.k, p.a, p.b, 1, first, p.stride_c, &err) == CR_OK, "%s", err.text);
        for (int n = 2; n <= 4; n++) {
            real *c = copy_of(&p);
            CHECK(cr_threads_set(n, &err) == CR_OK, "%s", err.text);
            CHECK(cr_gemm(DTYPE, p.m, p.n, p.k, p.a, p.b, 1, c, p.stride_c, &err) == CR_OK, "%s", err.text);
            CHECK(memcmp(c, first, p.m * p.n * sizeof *c) == 0, "%d threads, shape %d", n, round);
            free(c);
        }
        CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
        free(first);
        release(&p);
    }
}

static void epilogues(void)
{
    const size_t shapes[][3] = {{3, 40, 9}, {100, 33, 17}, {30, 300, 300}, {300, 5, 8}, {0, 4, 4}};
    for (int round = 0; round < 10; round++) {
        const size_t *s = shapes[round / 2];
        problem_t p = problem(s[0], s[1], s[2], false, true, 0, 2);
        real *bias = random_numbers(p.n), *expected = copy_of(&p), *got = copy_of(&p);
        const cr_epilogue epilogue = {round % 2 ? CR_LEAKY_RELU : CR_TANH, 0.1, round % 2 ? bias : NULL};
        cr_error err;
        CHECK(cr_gemm_openblas(DTYPE, p.m, p.n, p.k, p.a, p.b, 0, expected, p.stride_c, &err) == CR_OK, "%s", err.text);
        for (size_t i = 0; i < p.m * p.stride_c; i++) {
            size_t column = i % p.stride_c;
            if (column >= p.n)
                continue;
            double v = (double)expected[i] + (epilogue.bias == NULL ? 0 : (double)bias[column]);
            expected[i] = (real)(epilogue.activation == CR_TANH ? tanh(v) : v > 0 ? v : 0.1 * v);
        }
        CHECK(cr_gemm_then(DTYPE, p.m, p.n, p.k, p.a, p.b, 0, got, p.stride_c, &epilogue, &err) == CR_OK, "%s",
              err.text);
        expect_close("cr_gemm_then", &p, got, expected);
        cr_packed *right;
        CHECK(cr_packed_new(DTYPE, p.k, p.n, p.b, &right, &err) == CR_OK, "%s", err.text);
        CHECK(cr_gemm_packed(p.m, p.a, right, 0, got, p.stride_c, &epilogue, &err) == CR_OK, "%s", err.text);
        expect_close("cr_gemm_packed then", &p, got, expected);
        cr_packed_release(right);
        free(bias);
        free(expected);
        free(got);
        release(&p);
    }
}

static void sizes_beyond_the_limit(void)
{
    real x = 1;
    const size_t big = (size_t)INT_MAX + 1;
    cr_error err = {""};
    cr_packed *packed;
    CHECK(cr_packed_new(DTYPE, big, 1, cr_plain(&x, 1), &packed, &err) == CR_ERR_OVERFLOW && packed == NULL, "%s",
          err.text);
    CHECK(cr_packed_new(DTYPE, 1, 1, cr_plain(&x, 1), &packed, &err) == CR_OK, "%s", err.text);
    CHECK(cr_gemm_packed(big, cr_plain(&x, 1), packed, 0, &x, 1, NULL, &err) == CR_ERR_OVERFLOW, "no error");
    cr_packed_release(packed);
    cr_packed_release(NULL);
}

static void the_peak_is_a_speed(void)
{
    double peak = cr_fma_peak(0.01);
    CHECK(peak > 1e8 && peak < 1e13, "%g", peak);
}

int main(void)
{
    cr_blas_init();
    RUN(random_shapes);
    RUN(edges_of_tiles_and_blocks);
    RUN(rows_do_not_depend_on_each_other);
    RUN(threads_do_not_change_a_bit);
    RUN(epilogues);
    RUN(sizes_beyond_the_limit);
    RUN(the_peak_is_a_speed);
    return check_finish("test_gemm");
}
