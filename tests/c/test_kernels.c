// sources: @core
/* Every loop of every instruction set that this processor has, against plain loops in double, on memory of exactly the
 * right size. The sizes cross all vector widths and leave every remainder. */
#define _POSIX_C_SOURCE 200809L
#include "core/kernels.h"

#include <string.h>

#include "check.h"
#include "sample.h"

typedef CR_TEST_REAL real;
#define SINGLE (sizeof(real) == sizeof(float))
#define DTYPE (SINGLE ? CR_F32 : CR_F64)
#define EXACT (SINGLE ? 2e-6 : 1e-14)
#define LOOSE (SINGLE ? 2e-5 : 1e-13)

static const cr_kernel_table *kernels;
static const char *isa;

static real *array(size_t n, double low, double high)
{
    real *x = sample_memory(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (real)sample_uniform(low, high);
    return x;
}

static real *copy_of(const real *x, size_t n)
{
    real *copy = sample_memory(n, sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    return copy;
}

static void expect(const char *name, size_t n, const real *got, const double *expected, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        CHECK(sample_close((double)got[i], expected[i], tolerance), "%s, %s, n = %zu, at %zu: %.17g, expected %.17g",
              isa, name, n, i, (double)got[i], expected[i]);
}

static void expect_number(const char *name, size_t n, double got, double expected)
{
    CHECK(sample_close(got, expected, LOOSE), "%s, %s, n = %zu: %.17g, expected %.17g", isa, name, n, got, expected);
}

/* ---- by element ---- */

static double plain_unary(cr_unary kind, double a, double b, double x)
{
    switch (kind) {
    case CR_IDENTITY: return x;
    case CR_LEAKY_RELU: return x > 0 ? x : a * x;
    case CR_RELU: return x > 0 ? x : 0;
    case CR_TANH: return tanh(x);
    case CR_SIGMOID: return 1 / (1 + exp(-x));
    case CR_SOFTPLUS: return log1p(exp(x));
    case CR_EXP: return exp(x);
    case CR_LOG: return log(x);
    case CR_SQUARE: return x * x;
    case CR_AFFINE: return a * x + b;
    case CR_ABS: return fabs(x);
    case CR_SQRT: return sqrt(x);
    }
    return NAN;
}

static double plain_derivative(cr_unary kind, double a, double x)
{
    double s = 1 / (1 + exp(-x));
    switch (kind) {
    case CR_IDENTITY: return 1;
    case CR_LEAKY_RELU: return x > 0 ? 1 : a;
    case CR_RELU: return x > 0;
    case CR_TANH: return 1 - tanh(x) * tanh(x);
    case CR_SIGMOID: return s * (1 - s);
    case CR_SOFTPLUS: return s;
    case CR_EXP: return exp(x);
    case CR_LOG: return 1 / x;
    case CR_SQUARE: return 2 * x;
    case CR_AFFINE: return a;
    case CR_ABS: return x > 0 ? 1 : -1;
    case CR_SQRT: return 0.5 / sqrt(x);
    }
    return NAN;
}

static void unary(size_t n)
{
    double *expected = sample_memory(n, sizeof *expected);
    for (cr_unary kind = CR_IDENTITY; kind <= CR_SQRT; kind++) {
        real *x = array(n, kind == CR_LOG || kind == CR_SQRT ? 0.1 : -3, 3), *y = array(n, 0, 0);
        real *dy = array(n, -1, 1), *dx = array(n, -1, 1);
        for (size_t i = 0; i < n; i++)
            expected[i] = plain_unary(kind, 0.25, -0.5, (double)x[i]);
        kernels->unary(kind, 0.25, -0.5, n, x, y);
        expect("unary", n, y, expected, EXACT);
        for (size_t i = 0; i < n; i++)
            expected[i] = plain_derivative(kind, 0.25, (double)x[i]) * (double)dy[i];
        const real *used = kind <= CR_EXP ? NULL : x;
        real *twice = copy_of(dx, n);
        kernels->unary_gradient(kind, 0.25, n, used, y, dy, dx, 0);
        expect("unary_gradient", n, dx, expected, LOOSE);
        for (size_t i = 0; i < n; i++)
            expected[i] += (double)twice[i];
        kernels->unary_gradient(kind, 0.25, n, used, y, dy, twice, 1);
        expect("unary_gradient added", n, twice, expected, LOOSE);
        kernels->unary(kind, 0.25, -0.5, n, x, x); /* in place */
        CHECK(memcmp(x, y, n * sizeof *x) == 0, "%s, unary %d in place, n = %zu", isa, (int)kind, n);
        free(x);
        free(y);
        free(dy);
        free(dx);
        free(twice);
    }
    free(expected);
}

static void bias_activation(size_t n)
{
    const size_t rows = 3;
    const cr_unary kinds[] = {CR_IDENTITY, CR_LEAKY_RELU, CR_TANH};
    double *expected = sample_memory(rows * n, sizeof *expected);
    for (size_t k = 0; k < 6; k++) {
        real *y = array(rows * n, -2, 2), *bias = array(n, -1, 1);
        for (size_t i = 0; i < rows * n; i++)
            expected[i] = plain_unary(kinds[k / 2], 0.1, 0, (double)y[i] + (k % 2 ? (double)bias[i % n] : 0));
        kernels->bias_activation(kinds[k / 2], 0.1, rows, n, k % 2 ? bias : NULL, y);
        expect("bias_activation", rows * n, y, expected, EXACT);
        free(y);
        free(bias);
    }
    free(expected);
}

static double plain_binary(cr_binary kind, double x, double w)
{
    return kind == CR_ADD ? x + w : kind == CR_SUB ? x - w : kind == CR_MUL ? x * w : kind == CR_DIV ? x / w : pow(x, w);
}

static void binary(size_t n)
{
    double *expected = sample_memory(n, sizeof *expected), *other = sample_memory(n, sizeof *other);
    for (cr_binary kind = CR_ADD; kind <= CR_POW; kind++) {
        real *x = array(n, kind == CR_POW ? 0.5 : -2, 2), *w = array(n, 0.5, 2), *y = array(n, 0, 0), *dy = array(n, -1, 1);
        real *dx = array(n, -1, 1), *dw = array(n, -1, 1);
        for (size_t i = 0; i < n; i++)
            expected[i] = plain_binary(kind, (double)x[i], (double)w[i]);
        kernels->binary(kind, n, x, w, y);
        expect("binary", n, y, expected, EXACT);
        for (size_t i = 0; i < n; i++)
            expected[i] = plain_binary(kind, (double)x[i], 1.5);
        kernels->binary_scalar(kind, n, x, 1.5, y);
        expect("binary_scalar", n, y, expected, EXACT);
        for (size_t i = 0; i < n; i++) {
            double xi = (double)x[i], wi = (double)w[i], g = (double)dy[i];
            const double by_x[] = {1, 1, wi, 1 / wi, wi * pow(xi, wi - 1)};
            const double by_w[] = {1, -1, xi, -xi / wi / wi, pow(xi, wi) * log(xi)}; /* in the order of cr_binary */
            expected[i] = g * by_x[kind] + (double)dx[i];
            other[i] = g * by_w[kind];
        }
        kernels->binary_gradient(kind, n, x, w, dy, dx, dw, 1, 0);
        expect("binary_gradient x", n, dx, expected, LOOSE);
        expect("binary_gradient w", n, dw, other, LOOSE);
        kernels->binary_gradient(kind, n, x, w, dy, NULL, NULL, 0, 0);
        free(x);
        free(w);
        free(y);
        free(dy);
        free(dx);
        free(dw);
    }
    free(expected);
    free(other);
}

static void extremes_and_equal(size_t n)
{
    const size_t outer = 3, length = 4;
    real *x = array(outer * length * n, -2, 2), *y = array(outer * n, 0, 0), *same = array(n, 0, 0);
    double *expected = sample_memory(outer * n, sizeof *expected);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < n; i++) {
            expected[o * n + i] = -INFINITY;
            for (size_t k = 0; k < length; k++)
                expected[o * n + i] = fmax(expected[o * n + i], (double)x[(o * length + k) * n + i]);
        }
    kernels->max_axis(outer, length, n, x, y);
    expect("max_axis", outer * n, y, expected, 0);
    for (size_t i = 0; i < n; i++)
        expected[i] = (double)x[i] == expected[i];
    kernels->equal(n, x, y, same);
    expect("equal", n, same, expected, 0);
    for (size_t i = 0; i < outer * n; i++)
        expected[i] = -(double)y[i];
    for (size_t i = 0; i < outer * length * n; i++)
        x[i] = -x[i];
    kernels->min_axis(outer, length, n, x, y);
    expect("min_axis", outer * n, y, expected, 0);
    if (n > 0) {
        x[n] = (real)NAN;
        kernels->max_axis(outer, length, n, x, y);
        CHECK(y[0] != y[0], "%s, max_axis loses a NaN", isa);
        kernels->min_axis(outer, length, n, x, y);
        CHECK(y[0] != y[0], "%s, min_axis loses a NaN", isa);
    }
    free(x);
    free(y);
    free(same);
    free(expected);
}

static void reverse_axes(size_t n)
{
    const size_t shape[4] = {2, n, 3, 5}, size = 2 * n * 3 * 5;
    real *x = array(size, -1, 1), *y = array(size, -1, 1);
    double *expected = sample_memory(size, sizeof *expected);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        for (size_t i = 0; i < 2; i++)
            for (size_t j = 0; j < n; j++)
                for (size_t k = 0; k < 3; k++)
                    for (size_t l = 0; l < 5; l++) {
                        const size_t to = ((l * 3 + k) * n + j) * 2 + i, from = ((i * n + j) * 3 + k) * 5 + l;
                        expected[to] = (accumulate ? (double)y[to] : 0) + (double)x[from];
                    }
        kernels->reverse_axes(shape, x, y, accumulate);
        expect("reverse_axes", size, y, expected, EXACT);
    }
    free(x);
    free(y);
    free(expected);
}

static void sums(size_t n)
{
    real *x = array(n, -1, 2), *y = array(n, -1, 1), *z = copy_of(y, n);
    double sum = 0, squares = 0, dot = 0, *expected = sample_memory(n, sizeof *expected);
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
        dot += (double)x[i] * (double)y[i];
        expected[i] = (double)y[i] - 1.5 * (double)x[i];
    }
    expect_number("sum", n, kernels->sum(n, x), sum);
    expect_number("sum_squares", n, kernels->sum_squares(n, x), squares);
    expect_number("dot", n, kernels->dot(n, x, y), dot);
    kernels->axpy(n, -1.5, x, y);
    expect("axpy", n, y, expected, EXACT);
    kernels->fill(n, 2.5, z);
    for (size_t i = 0; i < n; i++)
        expected[i] = 2.5;
    expect("fill", n, z, expected, 0);
    free(x);
    free(y);
    free(z);
    free(expected);
}

/* ---- axes, rows, graphs ---- */

static void axes(size_t inner)
{
    const size_t shapes[][2] = {{1, 1}, {3, 5}, {2, 0}, {0, 4}, {5, 17}};
    for (size_t s = 0; s < 5; s++) {
        size_t outer = shapes[s][0], length = shapes[s][1], small = outer * inner, n = small * length;
        real *x = array(n, -1, 1), *y = array(small, 5, 6), *dx = array(n, -1, 1);
        double *sum = sample_memory(small, sizeof *sum), *spread = sample_memory(n, sizeof *spread);
        for (size_t i = 0; i < small; i++)
            sum[i] = 0;
        for (size_t i = 0; i < n; i++)
            sum[i / (length * inner) * inner + i % inner] += 0.5 * (double)x[i];
        kernels->sum_axis(outer, length, inner, 0.5, x, y);
        expect("sum_axis", small, y, sum, LOOSE);
        for (size_t i = 0; i < n; i++)
            spread[i] = (double)dx[i] + 2 * (double)y[i / (length * inner) * inner + i % inner];
        kernels->spread_axis(outer, length, inner, 2, y, dx, 1);
        expect("spread_axis added", n, dx, spread, LOOSE);
        for (size_t i = 0; i < n; i++)
            spread[i] = 2 * (double)y[i / (length * inner) * inner + i % inner];
        kernels->spread_axis(outer, length, inner, 2, y, dx, 0);
        expect("spread_axis", n, dx, spread, EXACT);
        free(x);
        free(y);
        free(dx);
        free(sum);
        free(spread);
    }
    kernels->sum_axis((size_t)1 << 60, 7, 0, 1, NULL, NULL); /* nothing, at once */
    kernels->spread_axis((size_t)1 << 60, 7, 0, 1, NULL, NULL, 1);
}

static void columns_and_rows(size_t columns)
{
    enum { ROWS = 9, TABLE = 6 };
    size_t begin = columns / 3, end = columns - columns / 4;
    real *x = array(ROWS * columns, -1, 1), *y = array(columns, -1, 1), *before = copy_of(y, columns);
    double *expected = sample_memory((TABLE + ROWS) * columns, sizeof *expected);
    for (size_t c = 0; c < columns; c++) {
        expected[c] = (double)before[c];
        for (size_t r = 0; r < ROWS && c >= begin && c < end; r++)
            expected[c] += (double)x[r * columns + c];
    }
    kernels->column_sums(ROWS, columns, begin, end, x, y, 1);
    expect("column_sums", columns, y, expected, LOOSE);
    for (size_t c = begin; c < end; c++)
        expected[c] -= (double)before[c];
    kernels->column_sums(ROWS, columns, begin, end, x, y, 0);
    expect("column_sums anew", columns, y, expected, LOOSE);
    for (size_t k = 0; k < 7; k++) {
        int32_t *index = sample_memory(ROWS * k, sizeof *index);
        real *table = array(TABLE * columns, -1, 1), *out = array(ROWS * columns, 8, 9);
        for (size_t i = 0; i < ROWS * k; i++)
            index[i] = (int32_t)sample_below(TABLE);
        for (size_t i = 0; i < ROWS * columns; i++) {
            expected[i] = 0;
            for (size_t j = 0; j < k; j++)
                expected[i] += (double)table[(size_t)index[i / columns * k + j] * columns + i % columns];
        }
        kernels->gather_sum(ROWS, k, columns, table, index, out);
        expect("gather_sum", ROWS * columns, out, expected, LOOSE);
        if (k > 0) {
            int32_t lists[ROWS + 1];
            for (size_t r = 0; r <= ROWS; r++)
                lists[r] = (int32_t)(r * k);
            kernels->gather_lists(ROWS, columns, table, lists, index, out);
            expect("gather_lists", ROWS * columns, out, expected, LOOSE);
        }
        for (size_t i = 0; i < TABLE * columns; i++)
            expected[i] = (double)table[i];
        for (size_t i = 0; i < ROWS * k; i++)
            for (size_t c = begin; c < end; c++)
                expected[(size_t)index[i] * columns + c] += (double)out[i / k * columns + c];
        kernels->scatter_add(ROWS, k, columns, begin, end, index, out, table);
        expect("scatter_add", TABLE * columns, table, expected, LOOSE);
        free(index);
        free(table);
        free(out);
    }
    free(x);
    free(y);
    free(before);
    free(expected);
}

static void segments(size_t columns)
{
    enum { GRAPHS = 4, NODES = 7 };
    static const int32_t offsets[] = {0, 3, 3, 4, 7};
    real *x = array(NODES * columns, -1, 1), *out = array(GRAPHS * columns, 5, 6), *dx = array(NODES * columns, -1, 1);
    double *sum = sample_memory(GRAPHS * columns, sizeof *sum);
    double *spread = sample_memory(NODES * columns, sizeof *spread);
    for (size_t g = 0; g < GRAPHS; g++)
        for (size_t c = 0; c < columns; c++) {
            sum[g * columns + c] = g == 3 ? (double)out[g * columns + c] : 0; /* the last graph is not asked for */
            for (int32_t r = offsets[g]; r < offsets[g + 1]; r++) {
                size_t at = (size_t)r * columns + c;
                sum[g * columns + c] += g == 3 ? 0 : (double)x[at];
                spread[at] = (double)dx[at];
            }
        }
    kernels->segment_sum(0, 3, columns, offsets, x, out);
    expect("segment_sum", GRAPHS * columns, out, sum, LOOSE);
    for (size_t g = 1; g < GRAPHS; g++)
        for (size_t i = (size_t)offsets[g] * columns; i < (size_t)offsets[g + 1] * columns; i++)
            spread[i] += sum[g * columns + i % columns];
    kernels->segment_spread(1, GRAPHS, columns, offsets, out, dx, 1);
    expect("segment_spread", NODES * columns, dx, spread, LOOSE);
    free(x);
    free(out);
    free(dx);
    free(sum);
    free(spread);
}

static void messages(size_t d)
{
    enum { NODES = 5, EDGES = 9, TYPES = 3 };
    static const int32_t offsets[] = {0, 2, 2, 5, 8, 9}, sources[] = {1, 0, 4, 4, 2, 3, 0, 1, 4};
    static const int32_t types_of[] = {0, 2, 1, 1, 0, 2, 2, 0, 1};
    const cr_edges edges = {offsets, sources, types_of};
    real *target = array(NODES * d, -1, 1), *source = array(NODES * d, -1, 1), *types = array(TYPES * d, -1, 1);
    real *out = array(NODES * d, 5, 6), *dout = array(NODES * d, -1, 1);
    enum { ADDED_TARGET, ADDED_SOURCE, TARGET, SOURCE, TYPE, GRADS };
    real *grads[GRADS];
    double *sum = sample_memory(NODES * d, sizeof *sum), *expected[GRADS];
    for (int g = 0; g < GRADS; g++) { /* the first two are added to, the others written over */
        grads[g] = array(NODES * d, -1, 1);
        expected[g] = sample_memory(NODES * d, sizeof *expected[g]);
        for (size_t i = 0; i < NODES * d; i++)
            expected[g][i] = g <= ADDED_SOURCE ? (double)grads[g][i] : 0;
    }
    for (size_t t = 0; t < NODES; t++)
        for (size_t c = 0; c < d; c++) {
            sum[t * d + c] = 0;
            for (int32_t e = offsets[t]; e < offsets[t + 1]; e++) {
                size_t s = (size_t)sources[e] * d + c, k = (size_t)types_of[e] * d + c;
                double v = (double)(target[t * d + c] + source[s] + types[k]);
                double g = (v > 0 ? 1 : 0.2) * (double)dout[t * d + c];
                sum[t * d + c] += v > 0 ? v : 0.2 * v;
                expected[ADDED_TARGET][t * d + c] += g;
                expected[ADDED_SOURCE][s] += g;
                expected[TARGET][t * d + c] += g;
                expected[SOURCE][s] += g;
                expected[TYPE][k] += g;
            }
        }
    kernels->message_pass(0, 2, d, d, edges, 0.2, target, source, types, out);
    kernels->message_pass(2, NODES, d, d, edges, 0.2, target, source, types, out);
    expect("message_pass", NODES * d, out, sum, LOOSE);
    void *const added[] = {grads[ADDED_TARGET], grads[ADDED_SOURCE]};
    kernels->message_pass_gradient(0, 3, d, edges, 0.2, target, source, types, dout, added[0], added[1], 0, NULL, 1, 1);
    kernels->message_pass_gradient(3, NODES, d, edges, 0.2, target, source, types, dout, added[0], added[1], 0, NULL, 1,
                                   1);
    kernels->message_pass_gradient(0, NODES, d, edges, 0.2, target, source, types, dout, grads[TARGET], grads[SOURCE],
                                   TYPES, grads[TYPE], 0, 0);
    kernels->message_pass_gradient(0, NODES, d, edges, 0.2, target, source, types, dout, NULL, NULL, 0, NULL, 0, 0);
    for (int g = 0; g < GRADS; g++) {
        expect("message_pass_gradient", (g == TYPE ? TYPES : NODES) * d, grads[g], expected[g], LOOSE);
        free(grads[g]);
        free(expected[g]);
    }
    free(target);
    free(source);
    free(types);
    free(out);
    free(dout);
    free(sum);
}

/* Nodes that share rows of [root | target | source]. */
static void shared_messages(size_t d)
{
    enum { NODES = 5, ROWS = 3, TYPES = 3, CHOSEN = 2 };
    static const int32_t offsets[] = {0, 2, 2, 5, 8, 9}, sources[] = {1, 0, 4, 4, 2, 3, 0, 1, 4};
    static const int32_t types_of[] = {0, 2, 1, 1, 0, 2, 2, 0, 1}, row_of[] = {2, 0, 1, 0, 2}, chosen[] = {3, 1};
    real *wide = array(ROWS * 3 * d, -1, 1), *types = array(TYPES * d, -1, 1), *out = array(2 * NODES * d, 5, 6);
    double *x = sample_memory(CHOSEN * d, sizeof *x), *sums = sample_memory(2 * d, sizeof *sums);
    const cr_messages messages = {.edges = {offsets, sources, types_of}, .row_of = row_of, .columns = d, .stride = 3 * d,
                                  .root_stride = 3 * d, .slope = 0.2, .root = wide, .target = wide + d,
                                  .source = wide + 2 * d, .types = types};
    for (size_t c = 0; c < d; c++) {
        sums[c] = sums[d + c] = 0;
        for (size_t t = 0; t < NODES; t++) {
            const real *own = wide + (size_t)row_of[t] * 3 * d + c;
            double sum = 0;
            for (int32_t e = offsets[t]; e < offsets[t + 1]; e++) {
                const size_t from = (size_t)row_of[sources[e]] * 3 * d + 2 * d + c, k = (size_t)types_of[e] * d + c;
                const double v = (double)(own[d] + wide[from] + types[k]);
                sum += v > 0 ? v : 0.2 * v;
            }
            for (size_t i = 0; i < CHOSEN; i++)
                if ((size_t)chosen[i] == t)
                    x[i * d + c] = sum + (double)*own;
            sums[c] += t == 0 ? 0 : sum; /* the first node is not asked for */
            sums[d + c] += t == 0 ? 0 : (double)*own;
        }
    }
    kernels->pass_messages(&messages, CHOSEN, chosen, out);
    expect("pass_messages", CHOSEN * d, out, x, LOOSE);
    kernels->sum_messages(&messages, 1, NODES, out);
    expect("sum_messages", 2 * d, out, sums, LOOSE);
    free(wide);
    free(types);
    free(out);
    free(x);
    free(sums);
}

/* ---- losses and layers ---- */

static void cross_entropy(size_t classes)
{
    enum { ROWS = 7 };
    if (classes == 0)
        return;
    size_t n = ROWS * classes;
    int32_t target[ROWS];
    real *x = array(n, -4, 4), *p = array(n, 0, 0), *dx = array(n, -1, 1);
    double total = 0, *expected = sample_memory(n, sizeof *expected), *grad = sample_memory(n, sizeof *grad);
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0;
        target[r] = (int32_t)sample_below(classes);
        for (size_t c = 0; c < classes; c++)
            sum += exp((double)x[r * classes + c]);
        for (size_t c = 0; c < classes; c++) {
            size_t i = r * classes + c;
            expected[i] = exp((double)x[i]) / sum;
            grad[i] = (double)dx[i] + 0.5 * (expected[i] - (c == (size_t)target[r]));
        }
        total -= log(expected[r * classes + (size_t)target[r]]);
    }
    expect_number("softmax_cross_entropy", n, kernels->softmax_cross_entropy(ROWS, classes, x, target, p), total);
    expect("probabilities", n, p, expected, LOOSE);
    kernels->softmax_cross_entropy_gradient(ROWS, classes, 0.5, p, target, dx, 1);
    expect("softmax_cross_entropy_gradient", n, dx, grad, LOOSE);
    int64_t largest[ROWS];
    kernels->argmax(ROWS, classes, x, largest);
    int64_t with_nan[ROWS];
    for (size_t r = 0; r < ROWS; r++) { /* NaN at one place, or from there on */
        size_t at = sample_below(classes);
        real *row = p + r * classes;
        memcpy(row, x + r * classes, classes * sizeof *row);
        for (size_t c = at; c < (r % 2 == 0 ? at + 1 : classes); c++)
            row[c] = (real)NAN;
        kernels->argmax(1, classes, row, &with_nan[r]);
        CHECK(with_nan[r] == (int64_t)at, "%s, argmax of %zu with NaN at %zu", isa, classes, at);
    }
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < classes; c++) {
            real best = x[r * classes + (size_t)largest[r]], other = x[r * classes + c];
            CHECK(other < best || (other == best && (int64_t)c >= largest[r]), "%s, argmax of %zu", isa, classes);
        }
    free(x);
    free(p);
    free(dx);
    free(expected);
    free(grad);
}

static void other_losses(size_t n)
{
    real *x = array(n, -3, 3), *t = array(n, 0, 1), *v = array(n, -2, 2), *noise = array(n, -1, 1);
    real *out = array(n, 0, 0);
    real *dx = array(n, -1, 1), *dv = array(n, -1, 1), *dz = array(n, -1, 1);
    double binary_total = 0, kl = 0;
    double *a = sample_memory(n, sizeof *a), *b = sample_memory(n, sizeof *b), *z = sample_memory(n, sizeof *z);
    for (size_t i = 0; i < n; i++) {
        double xi = (double)x[i], vi = (double)v[i];
        binary_total += log1p(exp(xi)) - xi * (double)t[i];
        kl += 0.5 * (xi * xi + exp(vi) - 1 - vi);
        a[i] = 3 * (1 / (1 + exp(-xi)) - (double)t[i]);
        z[i] = xi + 0.7 * exp(vi / 2) * (double)noise[i];
    }
    expect_number("binary_cross_entropy", n, kernels->binary_cross_entropy(n, x, t), binary_total);
    kernels->binary_cross_entropy_gradient(n, 3, x, t, dx, 0);
    expect("binary_cross_entropy_gradient", n, dx, a, LOOSE);
    expect_number("kl_normal", n, kernels->kl_normal(n, x, v), kl);
    for (size_t i = 0; i < n; i++) {
        a[i] = (double)dx[i] + 2 * (double)x[i];
        b[i] = exp((double)v[i]) - 1;
    }
    kernels->kl_normal_gradient(n, 2, x, v, dx, dv, 1, 0);
    expect("kl_normal_gradient mu", n, dx, a, LOOSE);
    expect("kl_normal_gradient v", n, dv, b, LOOSE);
    for (size_t i = 0; i < n; i++)
        a[i] = (double)x[i] + exp((double)x[i]) - 1;
    kernels->kl_normal_gradient(n, 2, x, x, dx, dx, 0, 1); /* one tensor as both */
    for (size_t i = 0; i < n; i++)
        a[i] += (double)x[i];
    expect("kl_normal_gradient of one tensor", n, dx, a, LOOSE);
    kernels->gaussian(n, 0.7, x, v, noise, out);
    expect("gaussian", n, out, z, EXACT);
    for (size_t i = 0; i < n; i++)
        b[i] = (double)dv[i] + 0.5 * (z[i] - (double)x[i]) * (double)dz[i];
    kernels->gaussian_gradient(n, x, out, dz, dv, 1);
    expect("gaussian_gradient", n, dv, b, LOOSE);
    void *all[] = {x, t, v, noise, out, dx, dv, dz, a, b, z};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void layers_and_tests(size_t n)
{
    real *a = array(n, -1, 1), *b = array(n, -1, 1), *y = array(n, 0, 0), *dy = array(n, -1, 1);
    real *da = array(n, 5, 6), *db = array(n, 5, 6), *w = array(n, 0, 1);
    double *e = sample_memory(n, sizeof *e), *ea = sample_memory(n, sizeof *ea), *eb = sample_memory(n, sizeof *eb);
    for (size_t i = 0; i < n; i++) {
        e[i] = plain_unary(CR_LEAKY_RELU, 0.3, 0, (double)a[i]) + plain_unary(CR_LEAKY_RELU, 0.3, 0, (double)b[i]);
        ea[i] = (a[i] > 0 ? 1 : 0.3) * (double)dy[i];
        eb[i] = (b[i] > 0 ? 1 : 0.3) * (double)dy[i];
    }
    kernels->leaky_pair(n, 0.3, a, b, y);
    expect("leaky_pair", n, y, e, EXACT);
    kernels->leaky_pair_gradient(n, 0.3, a, b, dy, da, db);
    expect("leaky_pair_gradient", n, da, ea, EXACT);
    expect("leaky_pair_gradient", n, db, eb, EXACT);
    CHECK(!kernels->any_negative(n, w), "%s, any_negative, n = %zu: none is", isa, n);
    for (size_t i = 0; i < n; i++) {
        const real kept = w[i], bad[] = {(real)-1e-30, (real)NAN, (real)-INFINITY};
        for (int k = 0; k < 3; k++) {
            w[i] = bad[k];
            CHECK(kernels->any_negative(n, w), "%s, any_negative, n = %zu: number %zu is not seen", isa, n, i);
        }
        w[i] = i % 2 ? (real)-0.0 : (real)INFINITY;
        CHECK(!kernels->any_negative(n, w), "%s, any_negative, n = %zu: number %zu is not negative", isa, n, i);
        w[i] = kept;
    }
    void *all[] = {a, b, y, dy, da, db, w, e, ea, eb};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void adam(size_t n)
{
    for (int kind = 0; kind < 8; kind++) {
        const int decoupled = kind & 1, project = (kind & 2) != 0, momentum = (kind & 4) != 0;
        const double beta1 = momentum ? 0.9 : 0, beta2 = 0.999, decay = 0.1, rate = 0.05, scale = 0.5, eps = 1e-3;
        cr_adam_parameters p = {rate, beta1, beta2, eps, decay, 1 - beta1, 1 - beta2, scale, decoupled, project};
        real *w = array(n, -0.1, 0.1), *g = array(n, -1, 1), *m = array(n, -1, 1), *v = array(n, 0, 1);
        double *ew = sample_memory(n, sizeof *ew), *em = sample_memory(n, sizeof *em);
        double *ev = sample_memory(n, sizeof *ev);
        int moved = 0;
        for (size_t i = 0; i < n; i++) {
            double wi = (double)w[i], gradient = scale * (double)g[i] + (decoupled ? 0 : decay * wi);
            em[i] = beta1 * (double)m[i] + (1 - beta1) * gradient;
            ev[i] = beta2 * (double)v[i] + (1 - beta2) * gradient * gradient;
            double step = rate * (em[i] / (1 - beta1)) / (sqrt(ev[i] / (1 - beta2)) + eps);
            ew[i] = wi * (decoupled ? 1 - rate * decay : 1) - step;
            moved += project && ew[i] < 0;
            ew[i] = project && ew[i] < 0 ? 0 : ew[i];
        }
        kernels->adam(n, &p, w, g, momentum ? m : NULL, v);
        expect("adam w", n, w, ew, LOOSE);
        expect("adam v", n, v, ev, LOOSE);
        if (momentum)
            expect("adam m", n, m, em, LOOSE);
        CHECK(!project || n < 20 || moved > 0, "nothing to project");
        void *all[] = {w, g, m, v, ew, em, ev};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
}

static void sums_of_rows(size_t n)
{
    enum { ROWS_OF_SUM = 7, STRIDE = 5 };
    const size_t stride = n + STRIDE;
    real *x = array(ROWS_OF_SUM * stride, -1, 1), *w = array(ROWS_OF_SUM, -2, 2), *out = array(n, 0, 0);
    double *sums = sample_memory(n, sizeof *sums), *squares = sample_memory(n, sizeof *squares);
    for (size_t c = 0; c < n; c++) {
        sums[c] = squares[c] = 0;
        for (size_t r = 0; r < ROWS_OF_SUM; r++) {
            const double value = (double)x[r * stride + c];
            sums[c] += (double)w[r] * value;
            squares[c] += value * value;
        }
    }
    real *parts = array(n, 0, 0);
    kernels->weighted_rows(ROWS_OF_SUM, n, stride, w, x, out, 0);
    expect("weighted_rows", n, out, sums, LOOSE);
    kernels->weighted_rows(2, n, stride, w, x, parts, 0);
    kernels->weighted_rows(0, n, stride, w, x, parts, 1);
    kernels->weighted_rows(ROWS_OF_SUM - 2, n, stride, w + 2, x + 2 * stride, parts, 1);
    CHECK(memcmp(parts, out, n * sizeof *out) == 0, "weighted_rows in two parts has other bits");
    free(parts);
    kernels->column_squares(ROWS_OF_SUM, n, stride, x, out);
    expect("column_squares", n, out, squares, LOOSE);
    kernels->column_squares(0, n, stride, x, out);
    for (size_t c = 0; c < n; c++)
        CHECK(out[c] == 0, "column_squares of no rows");
    free(x);
    free(w);
    free(out);
    free(sums);
    free(squares);
}

/* n elements of a point with twice as many columns. */
static void distances(size_t n)
{
    const size_t columns = 2 * n + 1;
    real *panel = array(columns * CR_POINT_PANEL, -1, 1), *values = array(n, -1, 1);
    real *squares = array(CR_POINT_PANEL, 0, 0), *out = array(CR_POINT_PANEL, 0, 0);
    int32_t *at = sample_memory(n, sizeof *at);
    double expected[CR_POINT_PANEL] = {0}, square = 0;
    for (size_t k = 0; k < n; k++) {
        at[k] = (int32_t)(2 * k + sample_below(2));
        square += (double)values[k] * (double)values[k];
    }
    kernels->column_squares(columns, CR_POINT_PANEL, CR_POINT_PANEL, panel, squares);
    for (size_t i = 0; i < CR_POINT_PANEL; i++) {
        for (size_t c = 0; c < columns; c++)
            expected[i] += (double)panel[c * CR_POINT_PANEL + i] * (double)panel[c * CR_POINT_PANEL + i];
        for (size_t k = 0; k < n; k++) { /* (v - p)^2 instead of p^2 */
            const double p = (double)panel[(size_t)at[k] * CR_POINT_PANEL + i], v = (double)values[k];
            expected[i] += (v - p) * (v - p) - p * p;
        }
    }
    kernels->point_distances(n, at, values, square, panel, squares, out);
    expect("point_distances", CR_POINT_PANEL, out, expected, LOOSE);
    kernels->point_distances(n, at, values, -1e6, panel, squares, out);
    for (size_t i = 0; i < CR_POINT_PANEL; i++)
        CHECK(out[i] == 0, "%s: a distance of %g", isa, (double)out[i]);
    kernels->point_distances(n, at, values, NAN, panel, squares, out);
    for (size_t i = 0; i < CR_POINT_PANEL; i++)
        CHECK(out[i] != out[i], "%s: NaN became %g", isa, (double)out[i]);
    free(panel);
    free(values);
    free(squares);
    free(out);
    free(at);
}

static void all_of(const cr_kernel_table *table, const char *name)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100, 300};
    void (*const tests[])(size_t) = {unary, bias_activation, binary, sums, axes, extremes_and_equal, reverse_axes,
                                     columns_and_rows, segments, messages, shared_messages, cross_entropy, other_losses,
                                     layers_and_tests, sums_of_rows, distances, adam};
    kernels = table;
    isa = name;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
            tests[t](sizes[s]);
}

static void baseline(void)
{
    all_of(&cr_kernels_baseline[DTYPE], "baseline");
}

#ifdef CR_HAVE_X86_KERNELS
static void avx2(void)
{
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        all_of(&cr_kernels_avx2[DTYPE], "avx2");
}

static void avx512(void)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        all_of(&cr_kernels_avx512[DTYPE], "avx512");
}
#endif

static void names_of_instruction_sets(void)
{
    static const struct {
        const char *text;
        cr_isa best, isa;
        cr_status status;
    } cases[] = {
        {NULL, CR_ISA_AVX2, CR_ISA_AVX2, CR_OK},
        {"", CR_ISA_AVX512, CR_ISA_AVX512, CR_OK},
        {"baseline", CR_ISA_BASELINE, CR_ISA_BASELINE, CR_OK},
        {"Baseline", CR_ISA_AVX512, CR_ISA_BASELINE, CR_OK},
        {"AVX2", CR_ISA_AVX512, CR_ISA_AVX2, CR_OK},
        {"avx512", CR_ISA_AVX512, CR_ISA_AVX512, CR_OK},
        {"avx512", CR_ISA_AVX2, 0, CR_ERR_VALUE},
        {"avx2", CR_ISA_BASELINE, 0, CR_ERR_VALUE},
        {"xyz", CR_ISA_AVX512, 0, CR_ERR_VALUE},
        {"avx", CR_ISA_AVX512, 0, CR_ERR_VALUE},
        {"avx2 ", CR_ISA_AVX512, 0, CR_ERR_VALUE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_isa isa;
        cr_error err;
        cr_status status = cr_isa_read(cases[i].text, cases[i].best, &isa, &err);
        CHECK(status == cases[i].status, "case %zu: status %d", i, (int)status);
        CHECK(status == CR_OK ? isa == cases[i].isa : strstr(err.text, "CRLSO_ISA: expected") == err.text, "case %zu", i);
    }
}

static void the_choice_is_one_of_them(void)
{
    CHECK(setenv("CRLSO_ISA", "baseline", 1) == 0, "no environment");
    CHECK(strcmp(cr_kernels_isa(), "baseline") == 0, "%s", cr_kernels_isa());
    CHECK(cr_kernels(DTYPE) == &cr_kernels_baseline[DTYPE], "another table");
    CHECK(setenv("CRLSO_ISA", "avx2", 1) == 0, "no environment");
    CHECK(strcmp(cr_kernels_isa(), "baseline") == 0, "the choice is made once");
}

int main(void)
{
    RUN(baseline);
#ifdef CR_HAVE_X86_KERNELS
    RUN(avx2);
    RUN(avx512);
#endif
    RUN(names_of_instruction_sets);
    RUN(the_choice_is_one_of_them);
    return check_finish("test_kernels");
}
