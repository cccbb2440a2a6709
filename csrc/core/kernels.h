/* The loops over memory that are not matrix products: one table of functions per instruction set and element type.
 *
 * Every function runs on one thread over the range in its arguments; its callers cut the work and check sizes. Arrays
 * are contiguous. Unless a comment says otherwise, they are not NULL and do not overlap. `accumulate` adds to the
 * destination instead of overwriting it. The same source is compiled for each instruction set and both types
 * (kernels.inc); cr_kernels() picks the best that the machine has, or the one that CRLSO_ISA names (baseline, avx2,
 * avx512).
 */
#ifndef CR_CORE_KERNELS_H
#define CR_CORE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "dtype.h"
#include "status.h"

typedef enum { CR_ISA_BASELINE = 0, CR_ISA_AVX2, CR_ISA_AVX512, CR_N_ISAS } cr_isa; /* each has what those before have */

typedef enum {
    CR_IDENTITY = 0,
    CR_LEAKY_RELU, /* a = slope, 0 < a < 1 */
    CR_RELU,
    CR_TANH,
    CR_SIGMOID,
    CR_SOFTPLUS,
    CR_EXP,
    CR_LOG,
    CR_SQUARE,
    CR_AFFINE, /* a x + b */
    CR_ABS,
    CR_SQRT
} cr_unary;

typedef enum { CR_ADD = 0, CR_SUB, CR_MUL, CR_DIV, CR_POW } cr_binary;

typedef struct {
    double learning_rate, beta1, beta2, epsilon;
    double weight_decay;                  /* added to the gradient (Adam), or to the step when decoupled (AdamW) */
    double correction1, correction2;      /* 1 - beta^t */
    double gradient_scale;                /* from global-norm clipping; 1 for none */
    int decoupled, project;               /* project: max(w, 0) after the step */
} cr_adam_parameters;

#define CR_POINT_PANEL 32

typedef struct {
    const int32_t *offsets;    /* (n_nodes + 1,) edges of target i: offsets[i] to offsets[i + 1] */
    const int32_t *sources;    /* (n_edges,) */
    const int32_t *types;      /* (n_edges,) */
} cr_edges;

/* Messages between nodes that share rows, as alike ones do: row_of[i] is that of node i. */
typedef struct {
    cr_edges edges;
    const int32_t *row_of;
    size_t columns, stride, root_stride; /* from row to row of target and source, and of root */
    double slope;
    const void *root, *target, *source, *types;
} cr_messages;

typedef struct {
    /* y = f(x); x == y is allowed */
    void (*unary)(cr_unary kind, double a, double b, size_t n, const void *x, void *y);
    /* dx (+)= f'(x) dy; x may be NULL for kinds whose derivative is known from y (identity to exp) */
    void (*unary_gradient)(cr_unary kind, double a, size_t n, const void *x, const void *y, const void *dy, void *dx,
                           int accumulate);
    /* y = f(y + bias), rows x columns, in place; bias (columns,) or NULL */
    void (*bias_activation)(cr_unary kind, double a, size_t rows, size_t columns, const void *bias, void *y);
    /* y = x op w, n elements each */
    void (*binary)(cr_binary kind, size_t n, const void *x, const void *w, void *y);
    void (*binary_scalar)(cr_binary kind, size_t n, const void *x, double w, void *y);
    /* dx (+)= d/dx, dw (+)= d/dw; dx or dw may be NULL */
    void (*binary_gradient)(cr_binary kind, size_t n, const void *x, const void *w, const void *dy, void *dx, void *dw,
                            int accumulate_x, int accumulate_w);
    void (*fill)(size_t n, double value, void *y);
    void (*axpy)(size_t n, double a, const void *x, void *y); /* y += a x */
    double (*sum)(size_t n, const void *x);
    double (*sum_squares)(size_t n, const void *x);
    double (*dot)(size_t n, const void *x, const void *y);
    /* y[o, i] = scale sum_k x[o, k, i] */
    void (*sum_axis)(size_t outer, size_t length, size_t inner, double scale, const void *x, void *y);
    /* dx[o, k, i] (+)= scale dy[o, i] */
    void (*spread_axis)(size_t outer, size_t length, size_t inner, double scale, const void *dy, void *dx,
                        int accumulate);
    /* y[o, i] = max_k x[o, k, i], or NaN where there is one; length > 0 */
    void (*max_axis)(size_t outer, size_t length, size_t inner, const void *x, void *y);
    /* y[o, i] = min_k x[o, k, i], or NaN where there is one; length > 0 */
    void (*min_axis)(size_t outer, size_t length, size_t inner, const void *x, void *y);
    /* y = 1 where x and w are equal, else 0 */
    void (*equal)(size_t n, const void *x, const void *w, void *y);
    /* y[l, k, j, i] (+)= x[i, j, k, l] for x of four axes */
    void (*reverse_axes)(const size_t *shape, const void *x, void *y, int accumulate);
    /* y[c] (+)= sum_r x[r, c] for columns [begin, end) of `columns` */
    void (*column_sums)(size_t rows, size_t columns, size_t begin, size_t end, const void *x, void *y, int accumulate);
    /* out[r] = sum_k table[index[r, k]], rows of `columns` */
    void (*gather_sum)(size_t rows, size_t k, size_t columns, const void *table, const int32_t *index, void *out);
    /* out[r] = sum of table[index[i]] for i from offsets[r] to offsets[r + 1], at least one; rows of `columns` */
    void (*gather_lists)(size_t rows, size_t columns, const void *table, const int32_t *offsets, const int32_t *index,
                         void *out);
    /* dtable[index[r, k], c] += dout[r, c] for columns [begin, end) */
    void (*scatter_add)(size_t rows, size_t k, size_t columns, size_t begin, size_t end, const int32_t *index,
                        const void *dout, void *dtable);
    /* out[g] = sum of rows offsets[g] to offsets[g + 1] for graphs [begin, end) */
    void (*segment_sum)(size_t begin, size_t end, size_t columns, const int32_t *offsets, const void *x, void *out);
    void (*segment_spread)(size_t begin, size_t end, size_t columns, const int32_t *offsets, const void *dout, void *dx,
                           int accumulate);
    /* out[i] = sum over edges j -> i of leaky_relu(target[i] + source[j] + types[e]), targets [begin, end). Rows of
     * target and source are `stride` apart */
    void (*message_pass)(size_t begin, size_t end, size_t columns, size_t stride, cr_edges edges, double slope,
                         const void *target, const void *source, const void *types, void *out);
    /* out[t] = the same sum for node nodes[t], plus its row of root */
    void (*pass_messages)(const cr_messages *messages, size_t n, const int32_t *nodes, void *out);
    /* out = [sum of these sums | sum of rows of root] over nodes [begin, end) */
    void (*sum_messages)(const cr_messages *messages, size_t begin, size_t end, void *out);
    /* d_target and d_source (+)=, for whole graphs [begin, end); d_types (n_types x columns) is
     * overwritten with the part of this chunk; each of the three may be NULL */
    void (*message_pass_gradient)(size_t begin, size_t end, size_t columns, cr_edges edges, double slope,
                                  const void *target, const void *source, const void *types, const void *dout,
                                  void *d_target, void *d_source, size_t n_types, void *d_types,
                                  int accumulate_target, int accumulate_source);
    /* returns sum over rows of -log softmax(logits)[target]; probabilities (rows x classes) is for backward */
    double (*softmax_cross_entropy)(size_t rows, size_t classes, const void *logits, const int32_t *target,
                                    void *probabilities);
    void (*softmax_cross_entropy_gradient)(size_t rows, size_t classes, double scale, const void *probabilities,
                                           const int32_t *target, void *dlogits, int accumulate);
    /* sum of max(x, 0) - x t + log(1 + exp(-|x|)); gradient scale (sigmoid(x) - t) to x, -scale x to t */
    double (*binary_cross_entropy)(size_t n, const void *x, const void *target);
    void (*binary_cross_entropy_gradient)(size_t n, double scale, const void *x, const void *target, void *dx,
                                          int accumulate);
    /* sum of 0.5 (mu^2 + exp(v) - 1 - v) */
    double (*kl_normal)(size_t n, const void *mu, const void *log_variance);
    void (*kl_normal_gradient)(size_t n, double scale, const void *mu, const void *log_variance, void *dmu,
                               void *dlog_variance, int accumulate_mu, int accumulate_log_variance);
    /* z = mu + scale exp(v / 2) noise; the gradient of v is 0.5 (z - mu) dz */
    void (*gaussian)(size_t n, double scale, const void *mu, const void *log_variance, const void *noise, void *z);
    void (*gaussian_gradient)(size_t n, const void *mu, const void *z, const void *dz, void *dlog_variance,
                              int accumulate);
    /* y = leaky_relu(a) + leaky_relu(b) */
    void (*leaky_pair)(size_t n, double slope, const void *a, const void *b, void *y);
    void (*leaky_pair_gradient)(size_t n, double slope, const void *a, const void *b, const void *dy, void *da,
                                void *db);
    /* 1 when an element is negative or NaN */
    int (*any_negative)(size_t n, const void *x);
    /* y[c] = sum_r w[r] x[r, c], and sum_r x[r, c]^2, each added up in the order of the rows; rows are `stride` apart. A sum
     * of weighted rows that goes on from y has the bits of one sum of all rows */
    void (*weighted_rows)(size_t rows, size_t columns, size_t stride, const void *w, const void *x, void *y,
                          int accumulate);
    void (*column_squares)(size_t rows, size_t columns, size_t stride, const void *x, void *y);
    /* Squared distances of a point, of squared length `square`, to the CR_POINT_PANEL points of a panel, which is stored
     * column by column (points.h): max(square + squares - 2 sum_k values[k] panel[columns[k]], 0), or NaN */
    void (*point_distances)(size_t n, const int32_t *columns, const void *values, double square, const void *panel,
                            const void *squares, void *out);
    /* out[r] = index of the first largest element of a row, where NaN is larger than every number */
    void (*argmax)(size_t rows, size_t classes, const void *x, int64_t *out);
    /* one Adam step; m may be NULL when beta1 = 0 */
    void (*adam)(size_t n, const cr_adam_parameters *p, void *w, const void *g, void *m, void *v);
} cr_kernel_table;

const cr_kernel_table *cr_kernels(cr_dtype dtype);
const char *cr_kernels_isa(void); /* "baseline", "avx2" or "avx512", static */

/* Checks that CRLSO_ISA, if it is set, names an instruction set that the machine has. Call it before all others, which
 * use the best one when it does not. */
CR_MUST_USE cr_status cr_kernels_check(cr_error *err);

/* Reads the name of an instruction set, in upper or lower case, on a machine whose best one is `best`: that is also the
 * result for no text. CR_ERR_VALUE for an unknown name, and for more than the machine has. */
CR_MUST_USE cr_status cr_isa_read(const char *text, cr_isa best, cr_isa *isa, cr_error *err);

/* The exports of the translation units, one per instruction set. */
extern const cr_kernel_table cr_kernels_baseline[CR_N_DTYPES];
#if defined(__x86_64__) && defined(__GNUC__)
#define CR_HAVE_X86_KERNELS 1
extern const cr_kernel_table cr_kernels_avx2[CR_N_DTYPES];
extern const cr_kernel_table cr_kernels_avx512[CR_N_DTYPES];
#endif

#endif
