// sources: @core
/* Matrix products against the plain triple loop: all transposes, odd and empty sizes, strides, threads. */
#include "core/blas.h"

#include <limits.h>
#include <string.h>

#include "check.h"
#include "core/threads.h"
#include "sample.h"

typedef CR_TEST_REAL real;
#define DTYPE (sizeof(real) == sizeof(float) ? CR_F32 : CR_F64)
#define TOLERANCE (sizeof(real) == sizeof(float) ? 2e-5 : 1e-13)

static real *random_matrix(size_t rows, size_t stride)
{
    real *matrix = sample_memory(rows * stride, sizeof *matrix);
    for (size_t i = 0; i < rows * stride; i++)
        matrix[i] = (real)sample_uniform(-1, 1);
    return matrix;
}

static double element(const real *data, size_t stride, bool transposed, size_t row, size_t column)
{
    return transposed ? (double)data[column * stride + row] : (double)data[row * stride + column];
}

/* One product with `extra` unused elements at the end of each row, which must survive. */
static void compare(size_t m, size_t n, size_t k, bool ta, bool tb, double beta, size_t extra)
{
    cr_error err = {""};
    size_t sa = (ta ? m : k) + extra, sb = (tb ? k : n) + extra, sc = n + extra;
    real *a = random_matrix(ta ? k : m, sa), *b = random_matrix(tb ? n : k, sb), *c = random_matrix(m, sc);
    real *before = random_matrix(m, sc);
    for (size_t i = 0; i < m * sc; i++)
        before[i] = c[i] = beta == 0 && i % sc < n ? (real)NAN : c[i]; /* which beta = 0 must not read */
    cr_status status = cr_gemm(DTYPE, m, n, k, (cr_matrix){a, sa, ta}, (cr_matrix){b, sb, tb}, beta, c, sc, &err);
    CHECK(status == CR_OK, "%s", err.text);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double expected = beta == 0 ? 0 : beta * (double)before[i * sc + j];
            for (size_t l = 0; l < k; l++)
                expected += element(a, sa, ta, i, l) * element(b, sb, tb, l, j);
            CHECK(sample_close((double)c[i * sc + j], expected, TOLERANCE * (1 + sqrt((double)k))),
                  "(%zu, %zu, %zu) %d%d beta %g at %zu, %zu: %g, expected %g", m, n, k, ta, tb, beta, i, j,
                  (double)c[i * sc + j], expected);
        }
        CHECK(extra == 0 || memcmp(c + i * sc + n, before + i * sc + n, extra * sizeof *c) == 0, "wrote past a row");
    }
    free(a);
    free(b);
    free(c);
    free(before);
}

static void against_the_triple_loop(void)
{
    const size_t sizes[] = {0, 1, 2, 3, 8, 17, 33};
    const size_t count = sizeof sizes / sizeof *sizes;
    for (size_t i = 0; i < count * count * count; i++)
        for (int kind = 0; kind < 4; kind++) {
            size_t m = sizes[i % count], n = sizes[i / count % count], k = sizes[i / count / count];
            const double betas[] = {0, 1, 0.5};
            compare(m, n, k, kind & 1, kind & 2, betas[i % 3], i % 2 * 3);
        }
}

static void several_chunks(void)
{
    cr_error err;
    CHECK(cr_threads_set(3, &err) == CR_OK, "%s", err.text);
    for (int kind = 0; kind < 4; kind++) {
        compare(701, 66, 130, kind & 1, kind & 2, 1, 2);
        compare(65, 700, 131, kind & 1, kind & 2, 0, 0);
        compare(257, 256, 65, kind & 1, kind & 2, 0, 1);
    }
    CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
}

static void threads_do_not_change_a_bit(void)
{
    enum { M = 1003, N = 130, K = 67 };
    real *a = random_matrix(M, K), *b = random_matrix(K, N), *c = random_matrix(M, N), *first = random_matrix(M, N);
    cr_error err;
    for (int n = 1; n <= 4; n++)
        for (int wide = 0; wide < 2; wide++) { /* cut by rows, and its transpose cut by columns */
            real *out = n == 1 && wide == 0 ? first : c;
            CHECK(cr_threads_set(n, &err) == CR_OK, "%s", err.text);
            cr_status status =
                wide == 0 ? cr_gemm(DTYPE, M, N, K, (cr_matrix){a, K, false}, (cr_matrix){b, N, false}, 0, out, N, &err)
                          : cr_gemm(DTYPE, N, M, K, (cr_matrix){b, N, true}, (cr_matrix){a, K, true}, 0, out, M, &err);
            CHECK(status == CR_OK, "%s", err.text);
            if (wide == 0)
                CHECK(memcmp(first, out, M * N * sizeof *out) == 0, "%d threads", n);
            for (size_t i = 0; wide == 1 && i < M * N; i++)
                CHECK(sample_close((double)out[i % N * M + i / N], (double)first[i], TOLERANCE), "transposed, %zu", i);
        }
    CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
    free(a);
    free(b);
    free(c);
    free(first);
}

static void sizes_beyond_blas(void)
{
    real x = 1;
    const size_t big = (size_t)INT_MAX + 1;
    for (int which = 0; which < 6; which++) {
        size_t s[6] = {1, 1, 1, 1, 1, 1};
        s[which] = big;
        cr_error err = {""};
        const cr_matrix a = {&x, s[3], false}, b = {&x, s[4], false};
        cr_status status = cr_gemm(DTYPE, s[0], s[1], s[2], a, b, 0, &x, s[5], &err);
        CHECK(status == CR_ERR_OVERFLOW, "size %d: status %d", which, (int)status);
        CHECK(strstr(err.text, "exceeds BLAS's limit") != NULL, "%s", err.text);
    }
    CHECK(x == 1, "%g", (double)x);
}

static void it_says_what_it_is(void)
{
    CHECK(strlen(cr_blas_config()) > 0 && strlen(cr_blas_core()) > 0, "'%s' '%s'", cr_blas_config(), cr_blas_core());
}

int main(void)
{
    cr_blas_init();
    RUN(against_the_triple_loop);
    RUN(several_chunks);
    RUN(threads_do_not_change_a_bit);
    RUN(sizes_beyond_blas);
    RUN(it_says_what_it_is);
    return check_finish("test_blas");
}
