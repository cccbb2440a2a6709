#include "covariance.h"

#include <math.h>

#include "kernels.h"
#include "threads.h"

#define BLOCK 512 /* columns: one row of a block and all that is added to it stay in the first cache */
#define EXP_COST 8 /* elementary steps */

static size_t count_blocks(size_t m)
{
    return m / BLOCK + (m % BLOCK != 0);
}

static size_t columns_of(size_t m, size_t first)
{
    return m - first < BLOCK ? m - first : BLOCK;
}

typedef struct {
    const cr_covariance *kernel;
    double *out;
    size_t n_chunks;
} covariances_t;

/* One row of a block of columns. */
static void fill_block(const cr_covariance *t, size_t i, size_t first, double *out)
{
    const cr_kernel_table *kernels = cr_kernels(CR_F64);
    const size_t columns = columns_of(t->m, first);
    kernels->fill(columns, 0, out);
    for (size_t g = 0; g < t->groups; g++)
        kernels->axpy(columns, -t->weights[g], t->distances[g] + i * t->m + first, out);
    kernels->unary(CR_EXP, 0, 0, columns, out, out);
    for (size_t k = 0; k < t->products; k++)
        kernels->axpy(columns, t->factors[k] * t->x[k * t->n + i], t->y + k * t->m + first, out);
    for (size_t j = 0; t->constant != 0 && j < columns; j++)
        out[j] += t->constant;
}

static void fill_blocks(void *context, size_t chunk)
{
    const covariances_t *t = context;
    const size_t m = t->kernel->m, blocks = count_blocks(m);
    size_t begin, end;
    cr_chunk_range(t->kernel->n * blocks, t->n_chunks, chunk, &begin, &end);
    for (size_t b = begin; b < end; b++)
        fill_block(t->kernel, b / blocks, b % blocks * BLOCK, t->out + b / blocks * m + b % blocks * BLOCK);
}

void cr_covariances(const cr_covariance *kernel, double *out)
{
    const size_t blocks = kernel->n * count_blocks(kernel->m);
    const size_t cost = (kernel->groups + kernel->products + EXP_COST) * columns_of(kernel->m, 0);
    covariances_t t = {kernel, out, cr_chunk_count(blocks, cost)};
    if (blocks > 0)
        cr_parallel(t.n_chunks, fill_blocks, &t);
}

void cr_variances(size_t n, size_t products, const double *factors, const double *x, double constant, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = 1 + constant;
    for (size_t k = 0; k < products; k++)
        for (size_t i = 0; i < n; i++)
            out[i] += factors[k] * (x[k * n + i] * x[k * n + i]);
}

/* The elements of row `row` of L before its pivot: those of (kernel - L L^T) / pivots, one after the other. */
static void find_row(size_t n, size_t row, const double *lower, const double *kernel, double *out, size_t width)
{
    double *own = out + row * width;
    for (size_t j = 0; j < n + row; j++) {
        const double *other = j < n ? lower + j * n : out + (j - n) * width;
        double rest = kernel[row * width + j];
        for (size_t k = 0; k < j; k++)
            rest -= own[k] * other[k];
        own[j] = rest / other[j];
    }
}

void cr_cholesky_rows(size_t n, size_t b, const double *lower, const double *kernel, double least, double *out)
{
    const size_t width = n + b;
    for (size_t i = 0; i < b; i++) {
        double *own = out + i * width, rest = kernel[i * width + n + i];
        find_row(n, i, lower, kernel, out, width);
        for (size_t k = 0; k < n + i; k++)
            rest -= own[k] * own[k];
        own[n + i] = sqrt(rest > least ? rest : least);
        for (size_t k = n + i + 1; k < width; k++)
            own[k] = 0;
    }
}

typedef struct {
    size_t n, b, m, n_chunks;
    const double *lower, *rows, *kernel;
    double *out;
} whitened_t;

/* All new rows of a block of columns, whose earlier rows are read out of the cache but once. */
static void whiten_block(const whitened_t *t, size_t first)
{
    const cr_kernel_table *kernels = cr_kernels(CR_F64);
    const size_t columns = columns_of(t->m, first), width = t->n + t->b;
    for (size_t i = 0; i < t->b; i++) {
        const double *weights = t->lower + i * width, *kernel = t->kernel + i * t->m + first;
        double *out = t->out + i * t->m + first;
        kernels->weighted_rows(t->n, columns, t->m, weights, t->rows + first, out, 0);
        kernels->weighted_rows(i, columns, t->m, weights + t->n, t->out + first, out, 1);
        for (size_t j = 0; j < columns; j++)
            out[j] = (kernel[j] - out[j]) / weights[t->n + i];
    }
}

static void whiten_blocks(void *context, size_t chunk)
{
    const whitened_t *t = context;
    size_t begin, end;
    cr_chunk_range(count_blocks(t->m), t->n_chunks, chunk, &begin, &end);
    for (size_t block = begin; block < end; block++)
        whiten_block(t, block * BLOCK);
}

void cr_whitened_rows(size_t n, size_t b, size_t m, const double *lower, const double *rows, const double *kernel,
                      double *out)
{
    whitened_t t = {n, b, m, cr_chunk_count(count_blocks(m), BLOCK * b * (n + b + 2)), lower, rows, kernel, out};
    if (m > 0)
        cr_parallel(t.n_chunks, whiten_blocks, &t);
}

/* A block of columns. */
static void mix_block(size_t k, size_t first, size_t columns, const double *shares, const double *const *means,
                      const double *const *variances, double *mean, double *variance)
{
    double apart[BLOCK] = {0}; /* how far the means are from theirs, squared */
    for (size_t j = 0; j < columns; j++)
        mean[j] = variance[j] = 0;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < columns; j++) {
            mean[j] += shares[i] * means[i][first + j];
            variance[j] += shares[i] * variances[i][first + j];
        }
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < columns; j++) {
            const double off = means[i][first + j] - mean[j];
            apart[j] += shares[i] * (off * off);
        }
    for (size_t j = 0; j < columns; j++)
        variance[j] += apart[j];
}

void cr_mixture(size_t k, size_t m, const double *shares, const double *const *means, const double *const *variances,
                double *mean, double *variance)
{
    for (size_t first = 0; first < m; first += BLOCK)
        mix_block(k, first, columns_of(m, first), shares, means, variances, mean + first, variance + first);
}
