// sources: @core @autodiff csrc/optim/adam.c
/* Adam against algorithm 1 of arXiv 1412.6980 in double; projection, clipping, threads, what is refused. */
#include "optim/adam.h"

#include <string.h>

#include "check.h"
#include "core/threads.h"
#include "sample.h"
#include "tensors.h"

typedef CR_TEST_REAL real;
#define DTYPE (sizeof(real) == sizeof(float) ? CR_F32 : CR_F64)
#define TOLERANCE (DTYPE == CR_F32 ? 3e-5 : 1e-12)

static const cr_adam_options plain = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .max_norm = INFINITY};

static cr_adam *make(cr_tensor **parameters, size_t n, cr_adam_options options)
{
    cr_error err = {""};
    cr_adam *adam = NULL;
    cr_status status = cr_adam_new(parameters, n, options, &adam, &err);
    CHECK(status == CR_OK, "%s", err.text);
    return adam;
}

/* Gives a parameter the gradient `value` (one number for each element), or none for NULL. */
static void set_gradient(cr_tensor *parameter, const double *value)
{
    cr_error err = {""};
    cr_tensor_release(parameter->grad);
    parameter->grad = NULL;
    if (value == NULL)
        return;
    CHECK(cr_tensor_new(DTYPE, parameter->ndim, parameter->shape, &parameter->grad, &err) == CR_OK, "%s", err.text);
    for (size_t i = 0; i < parameter->size; i++)
        cr_store(parameter->grad, i, value[i]);
}

enum { N = 3, MOST = 40 };

typedef struct {
    double w[MOST], m[MOST], v[MOST];
    int t;
} twin_t;

static void twin_step(twin_t *twin, size_t size, const double *g, double rate, double clip, bool project,
                      cr_adam_options o)
{
    twin->t++;
    for (size_t i = 0; i < size; i++) {
        double gradient = clip * g[i] + (o.decoupled ? 0 : o.weight_decay * twin->w[i]);
        twin->m[i] = o.beta1 * twin->m[i] + (1 - o.beta1) * gradient;
        twin->v[i] = o.beta2 * twin->v[i] + (1 - o.beta2) * gradient * gradient;
        double m = twin->m[i] / (1 - pow(o.beta1, twin->t)), v = twin->v[i] / (1 - pow(o.beta2, twin->t));
        double w = twin->w[i] * (o.decoupled ? 1 - rate * o.weight_decay : 1) - rate * m / (sqrt(v) + o.epsilon);
        twin->w[i] = project && w < 0 ? 0 : w;
    }
}

static void against_the_twin(cr_adam_options options)
{
    static twin_t twins[N];
    const size_t sizes[N] = {MOST, 1, 17};
    cr_tensor *parameters[N];
    cr_error err = {""};
    memset(twins, 0, sizeof twins);
    for (int p = 0; p < N; p++) {
        parameters[p] = leaf(DTYPE, sizes[p], 0, 0, 1);
        for (size_t i = 0; i < sizes[p]; i++)
            twins[p].w[i] = cr_load(parameters[p], i);
    }
    parameters[0]->nonnegative = true;
    cr_adam *adam = make(parameters, N, options);
    for (int step = 0; step < 15; step++) {
        double g[N][MOST], squares = 0, norm, rate = 0.3 / (1 + step);
        for (int p = 0; p < N; p++) {
            bool given = p != 2 || step % 3 != 1;
            for (size_t i = 0; i < sizes[p]; i++)
                g[p][i] = (double)(real)sample_uniform(-2, 2);
            set_gradient(parameters[p], given ? g[p] : NULL);
            for (size_t i = 0; given && i < sizes[p]; i++)
                squares += g[p][i] * g[p][i];
        }
        CHECK(cr_adam_step(adam, rate, &norm, &err) == CR_OK, "%s", err.text);
        CHECK(sample_close(norm, sqrt(squares), 1e-6), "norm %g, expected %g", norm, sqrt(squares));
        double clip = norm > options.max_norm ? options.max_norm / norm : 1;
        for (int p = 0; p < N; p++) {
            if (parameters[p]->grad != NULL)
                twin_step(&twins[p], sizes[p], g[p], rate, clip, p == 0, options);
            for (size_t i = 0; i < sizes[p]; i++)
                CHECK(sample_close(cr_load(parameters[p], i), twins[p].w[i], TOLERANCE), "step %d, %d at %zu: %g, %g",
                      step, p, i, cr_load(parameters[p], i), twins[p].w[i]);
        }
    }
    cr_adam_zero_grad(adam);
    for (int p = 0; p < N; p++) {
        CHECK(parameters[p]->grad == NULL, "a gradient was left");
        cr_tensor_release(parameters[p]); /* the optimiser holds its own reference */
    }
    cr_adam_free(adam);
    CHECK(cr_pool_stats().live_bytes == 0, "%zu bytes are left", cr_pool_stats().live_bytes);
}

static void all_options(void)
{
    for (int kind = 0; kind < 32; kind++) {
        cr_adam_options options = plain;
        options.beta1 = kind & 1 ? 0 : 0.9;
        options.weight_decay = kind & 2 ? 0.2 : 0;
        options.decoupled = kind & 4;
        options.max_norm = kind & 8 ? 0.5 : INFINITY;
        options.beta2 = kind & 16 ? 0.5 : 0.999;
        against_the_twin(options);
    }
}

static void a_gradient_that_is_not_finite_changes_nothing(void)
{
    cr_tensor *w = leaf(DTYPE, 4, 0, 1, 1);
    cr_adam *adam = make(&w, 1, plain);
    double norm;
    for (int kind = 0; kind < 3; kind++) {
        const double g[4] = {1, 2, kind == 0 ? NAN : kind == 1 ? INFINITY : -INFINITY, 3};
        cr_error err = {""};
        set_gradient(w, g);
        CHECK(cr_adam_step(adam, 0.1, &norm, &err) == CR_ERR_STATE && strstr(err.text, "unchanged"), "%s", err.text);
        for (size_t i = 0; i < 4; i++)
            CHECK(cr_load(w, i) == 1, "%g", cr_load(w, i));
    }
    const double g[4] = {1, 1, 1, 1}; /* the first real step: its corrections must be those of step 1 */
    cr_error err = {""};
    set_gradient(w, g);
    CHECK(cr_adam_step(adam, 0.25, &norm, &err) == CR_OK, "%s", err.text);
    CHECK(sample_close(cr_load(w, 2), 0.75, 1e-5), "%g", cr_load(w, 2));
    cr_adam_free(adam);
    cr_tensor_release(w);
}

static void threads_do_not_change_a_bit(void)
{
    enum { SIZE = 50001 };
    static real first[SIZE];
    double first_norm = 0, *g = sample_memory(SIZE, sizeof *g);
    const uint64_t state = sample_state;
    for (int n = 1; n <= 4; n++) {
        cr_error err = {""};
        sample_state = state;
        cr_tensor *w = leaf(DTYPE, SIZE, 0, -1, 1);
        cr_adam_options options = plain;
        options.max_norm = 1;
        CHECK(cr_threads_set(n, &err) == CR_OK, "%s", err.text);
        cr_adam *adam = make(&w, 1, options);
        double norm = 0;
        for (int step = 0; step < 3; step++) {
            for (size_t i = 0; i < SIZE; i++)
                g[i] = sample_uniform(-1, 1);
            set_gradient(w, g);
            CHECK(cr_adam_step(adam, 0.1, &norm, &err) == CR_OK, "%s", err.text);
        }
        if (n == 1) {
            memcpy(first, w->data, sizeof first);
            first_norm = norm;
        }
        CHECK(norm == first_norm && memcmp(first, w->data, sizeof first) == 0, "%d threads", n);
        cr_adam_free(adam);
        cr_tensor_release(w);
    }
    CHECK(cr_threads_set(1, NULL) == CR_OK, "one thread");
    free(g);
}

static void refuse(cr_tensor **parameters, size_t n, cr_adam_options options, const char *words)
{
    cr_error err = {""};
    cr_adam *adam = NULL;
    CHECK(cr_adam_new(parameters, n, options, &adam, &err) == CR_ERR_VALUE && adam == NULL, "'%s' is accepted", words);
    CHECK(strstr(err.text, words) != NULL, "'%s', expected '%s'", err.text, words);
}

#define REFUSE_OPTION(field, value)             \
    do {                                        \
        cr_adam_options options_ = plain;       \
        options_.field = (value);               \
        refuse(&w, 1, options_, "expected");    \
    } while (0)

static void bad_input(void)
{
    cr_tensor *w = leaf(DTYPE, 2, 0, 1, 1), *negative = leaf(DTYPE, 2, 0, -1, -1), *pair[2] = {w, w};
    negative->nonnegative = true;
    REFUSE_OPTION(beta1, 1);
    REFUSE_OPTION(beta1, -0.1);
    REFUSE_OPTION(beta2, NAN);
    REFUSE_OPTION(epsilon, 0);
    REFUSE_OPTION(epsilon, INFINITY);
    REFUSE_OPTION(weight_decay, -1);
    REFUSE_OPTION(weight_decay, INFINITY);
    REFUSE_OPTION(max_norm, 0);
    REFUSE_OPTION(max_norm, NAN);
    refuse(pair, 2, plain, "each tensor once");
    pair[1] = negative;
    refuse(pair, 2, plain, "negative entries");
    cr_store(negative, 0, 1);
    cr_store(negative, 1, NAN);
    refuse(pair, 2, plain, "negative entries");
    pair[1] = apply(CR_OP_square, w, NULL, 0);
    refuse(pair, 2, plain, "expected leaves");
    cr_tensor_release(pair[1]);
    cr_adam *adam = make(&w, 1, plain);
    const double rates[] = {-1, NAN, INFINITY};
    for (int i = 0; i < 3; i++) {
        double norm;
        CHECK(cr_adam_step(adam, rates[i], &norm, NULL) == CR_ERR_VALUE, "rate %g", rates[i]);
    }
    cr_adam_free(adam);
    cr_adam_free(NULL);
    cr_tensor_release(negative);
    w->requires_grad = false;
    refuse(&w, 1, plain, "expected leaves");
    cr_tensor_release(w);
    CHECK(cr_pool_stats().live_bytes == 0, "%zu bytes are left", cr_pool_stats().live_bytes);
}

int main(void)
{
    RUN(all_options);
    RUN(a_gradient_that_is_not_finite_changes_nothing);
    RUN(threads_do_not_change_a_bit);
    RUN(bad_input);
    return check_finish("test_adam");
}
