// sources: @core @autodiff @nn csrc/search/descent.c
/* The frozen input-convex network and descent on it, against plain loops; Jensen's inequality; what is refused. */
#include "nn/icnn.h"

#include <string.h>

#include "check.h"
#include "sample.h"
#include "search/descent.h"
#include "tensors.h"

typedef CR_TEST_REAL real;
#define DTYPE (sizeof(real) == sizeof(float) ? CR_F32 : CR_F64)
#define TOLERANCE (DTYPE == CR_F32 ? 1e-5 : 1e-12)

enum { LAYERS = 3, M = 9, D = 4, MOST = 250 }; /* three blocks of rows */

typedef struct {
    cr_tensor *all[5 + 2 * LAYERS]; /* A, b, w, u, c, then weights and skips */
    cr_tensor *weights[LAYERS], *skips[LAYERS];
    cr_icnn net;
    cr_icnn_frozen *frozen;
} network_t;

/* Weights in [low, 1): convex when low >= 0. */
static void network_new(network_t *n, double low)
{
    n->all[0] = leaf(DTYPE, M, D, -1, 1);
    n->all[1] = leaf(DTYPE, M, 0, -1, 1);
    n->all[2] = leaf(DTYPE, 1, M, low, 1);
    n->all[3] = leaf(DTYPE, 1, D, -1, 1);
    n->all[4] = leaf(DTYPE, 1, 0, -1, 1);
    for (int l = 0; l < LAYERS; l++) {
        n->weights[l] = n->all[5 + 2 * l] = leaf(DTYPE, M, M, low / M, 1.0 / M);
        n->skips[l] = n->all[6 + 2 * l] = leaf(DTYPE, M, D, -1, 1);
    }
    n->net = (cr_icnn){n->all[0], n->all[1], n->weights, n->skips, LAYERS, n->all[2], n->all[3], n->all[4], 0.1};
    cr_error err = {""};
    CHECK(cr_icnn_freeze(&n->net, low >= 0, &n->frozen, &err) == CR_OK, "%s", err.text);
}

static void network_free(network_t *n)
{
    cr_icnn_frozen_release(n->frozen);
    for (int i = 0; i < 5 + 2 * LAYERS; i++)
        cr_tensor_release(n->all[i]);
    CHECK(cr_pool_stats().live_bytes == 0, "%zu bytes are left", cr_pool_stats().live_bytes);
}

static double leaky(double x)
{
    return x > 0 ? x : 0.1 * x;
}

static double row_product(const cr_tensor *matrix, size_t row, const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < matrix->shape[1]; i++)
        sum += cr_load(matrix, row * matrix->shape[1] + i) * x[i];
    return sum;
}

static double plain_value(const network_t *n, const double *z)
{
    double h[M], next[M];
    for (size_t i = 0; i < M; i++)
        h[i] = leaky(row_product(n->all[0], i, z) + cr_load(n->all[1], i));
    for (int l = 0; l < LAYERS; l++) {
        for (size_t i = 0; i < M; i++)
            next[i] = leaky(row_product(n->weights[l], i, h)) + leaky(row_product(n->skips[l], i, z));
        memcpy(h, next, sizeof h);
    }
    return row_product(n->all[2], 0, h) + row_product(n->all[3], 0, z) + cr_load(n->all[4], 0);
}

static void points(real *z, size_t n)
{
    for (size_t i = 0; i < n * D; i++)
        z[i] = (real)sample_uniform(-3, 3);
}

static void values_and_gradients(void)
{
    network_t n;
    real z[MOST * D], value[MOST], gradient[MOST * D], alone[MOST];
    cr_error err = {""};
    for (int trial = 0; trial < 20; trial++) {
        network_new(&n, trial % 2 ? -1 : 0);
        points(z, MOST);
        CHECK(cr_icnn_evaluate(n.frozen, z, MOST, value, gradient, &err) == CR_OK, "%s", err.text);
        CHECK(cr_icnn_evaluate(n.frozen, z, MOST, alone, NULL, &err) == CR_OK, "%s", err.text);
        CHECK(memcmp(value, alone, sizeof value) == 0, "the gradient changes the values");
        for (size_t r = 0; r < MOST; r++) {
            double at[D], ends[2];
            for (size_t i = 0; i < D; i++)
                at[i] = (double)z[r * D + i];
            CHECK(sample_close((double)value[r], plain_value(&n, at), 10 * TOLERANCE), "%g, expected %g",
                  (double)value[r], plain_value(&n, at));
            for (size_t i = 0; i < D; i++) {
                for (int side = 0; side < 2; side++) {
                    at[i] = (double)z[r * D + i] + (side ? 1e-6 : -1e-6);
                    ends[side] = plain_value(&n, at);
                }
                at[i] = (double)z[r * D + i];
                double slope = (ends[1] - ends[0]) / 2e-6;
                double got = (double)gradient[r * D + i];
                CHECK(sample_close(got, slope, DTYPE == CR_F32 ? 1e-4 : 1e-6), "%g, expected %g", got, slope);
            }
        }
        network_free(&n);
    }
    network_new(&n, 0);
    CHECK(cr_icnn_evaluate(n.frozen, NULL, 0, NULL, NULL, &err) == CR_OK, "%s", err.text);
    z[MOST * D - 1] = (real)NAN;
    CHECK(cr_icnn_evaluate(n.frozen, z, MOST, value, gradient, &err) == CR_ERR_VALUE, "a point that is no number");
    CHECK(strstr(err.text, "z: expected finite numbers") != NULL, "%s", err.text);
    network_free(&n);
}

/* The largest f((x + y) / 2) - (f(x) + f(y)) / 2 on random segments. */
static double jensen_gap(const network_t *n)
{
    double worst = -INFINITY;
    cr_error err = {""};
    for (int trial = 0; trial < 200; trial++) {
        real z[3 * D], value[3];
        points(z, 2);
        for (size_t i = 0; i < D; i++)
            z[2 * D + i] = (z[i] + z[D + i]) / 2;
        CHECK(cr_icnn_evaluate(n->frozen, z, 3, value, NULL, &err) == CR_OK, "%s", err.text);
        worst = fmax(worst, (double)value[2] - ((double)value[0] + (double)value[1]) / 2);
    }
    return worst;
}

static void convex_only_with_nonnegative_weights(void)
{
    network_t n;
    for (int trial = 0; trial < 10; trial++) {
        network_new(&n, 0);
        double gap = jensen_gap(&n);
        CHECK(gap <= 10 * TOLERANCE, "gap %g", gap);
        network_free(&n);
        network_new(&n, -1);
        gap = jensen_gap(&n);
        CHECK(gap > 1e-2, "a signed network looks convex: gap %g", gap);
        network_free(&n);
    }
}

static void refuse(const cr_icnn *net, cr_status expected, const char *words)
{
    cr_error err = {""};
    cr_icnn_frozen *frozen;
    cr_status status = cr_icnn_freeze(net, true, &frozen, &err);
    CHECK((frozen != NULL) == (status == CR_OK), "status %d", (int)status);
    cr_icnn_frozen_release(frozen);
    CHECK_STATUS(status, expected, err.text, words);
}

static void bad_networks(void)
{
    network_t n;
    network_new(&n, 0);
    refuse(&n.net, CR_OK, "");
    cr_tensor *other = leaf(DTYPE == CR_F32 ? CR_F64 : CR_F32, M, 0, 0, 1), *narrow = leaf(DTYPE, M, M - 1, 0, 1);
    cr_icnn net = n.net;
    net.input_bias = other;
    refuse(&net, CR_ERR_TYPE, "input_bias");
    net = n.net;
    net.input_weight = n.all[1];
    refuse(&net, CR_ERR_VALUE, "input_weight");
    net = n.net;
    net.slope = 1;
    refuse(&net, CR_ERR_VALUE, "slope");
    net = n.net;
    net.output_weight = narrow;
    refuse(&net, CR_ERR_VALUE, "output_weight");
    n.weights[1] = narrow;
    refuse(&n.net, CR_ERR_VALUE, "weights");
    n.weights[1] = n.all[7];
    const double bad[] = {-1e-6, NAN, -INFINITY};
    for (int i = 0; i < 3; i++) {
        for (int which = 0; which < 2; which++) {
            cr_tensor *tensor = n.all[which ? 2 : 9];
            double kept = cr_load(tensor, tensor->size - 1);
            cr_store(tensor, tensor->size - 1, bad[i]);
            refuse(&n.net, CR_ERR_VALUE, which ? "output_weight: expected no neg" : "weights: expected no neg");
            cr_icnn_frozen *frozen;
            CHECK(cr_icnn_freeze(&n.net, false, &frozen, NULL) == CR_OK, "refused without convexity");
            cr_icnn_frozen_release(frozen);
            cr_store(tensor, tensor->size - 1, kept);
        }
    }
    cr_tensor_release(other);
    cr_tensor_release(narrow);
    network_free(&n);
}

static void descent(void)
{
    network_t n;
    real z[5 * D], gradient[5 * D], out[5 * D], again[5 * D];
    double step[5] = {0, 0.1, 0.2, -0.3, 2};
    cr_error err = {""};
    network_new(&n, 0);
    points(z, 5);
    CHECK(cr_icnn_evaluate(n.frozen, z, 5, NULL, gradient, &err) == CR_OK, "%s", err.text);
    for (int one = 0; one < 2; one++) {
        CHECK(cr_descend(n.frozen, z, one, step, 5, out, &err) == CR_OK, "%s", err.text);
        for (size_t i = 0; i < 5 * D; i++) {
            size_t start = one ? i % D : i;
            double expected = (double)z[start] - step[i / D] * (double)gradient[start];
            CHECK(sample_close((double)out[i], expected, TOLERANCE), "%g, expected %g", (double)out[i], expected);
        }
    }
    CHECK(cr_descend(n.frozen, z, true, step, 0, NULL, &err) == CR_OK, "%s", err.text);
    memcpy(again, out, sizeof again);
    const double bad[] = {INFINITY, NAN};
    for (int i = 0; i < 2; i++) {
        step[3] = bad[i];
        CHECK(cr_descend(n.frozen, z, false, step, 5, out, &err) == CR_ERR_VALUE, "a step of %g", bad[i]);
        CHECK(memcmp(again, out, sizeof out) == 0, "a refused step wrote points");
    }
    network_free(&n);
}

/* What happens to the tensors after freezing does not reach the snapshot. */
static void snapshot(void)
{
    network_t n;
    real z[2 * D], before[2], after[2];
    cr_error err = {""};
    network_new(&n, 0);
    points(z, 2);
    CHECK(cr_icnn_evaluate(n.frozen, z, 2, before, NULL, &err) == CR_OK, "%s", err.text);
    for (int i = 0; i < 5 + 2 * LAYERS; i++)
        for (size_t j = 0; j < n.all[i]->size; j++)
            cr_store(n.all[i], j, NAN);
    CHECK(cr_icnn_evaluate(n.frozen, z, 2, after, NULL, &err) == CR_OK, "%s", err.text);
    CHECK(memcmp(before, after, sizeof before) == 0, "%g, was %g", (double)after[0], (double)before[0]);
    network_free(&n);
}

int main(void)
{
    RUN(values_and_gradients);
    RUN(convex_only_with_nonnegative_weights);
    RUN(bad_networks);
    RUN(descent);
    RUN(snapshot);
    return check_finish("test_icnn");
}
