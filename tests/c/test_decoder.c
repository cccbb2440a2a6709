// sources: @core @autodiff @nn
/* The frozen decoder against plain loops, for any number of rows and threads; what is refused. */
#include "nn/decoder.h"

#include <string.h>

#include "check.h"
#include "core/threads.h"
#include "sample.h"
#include "tensors.h"

typedef CR_TEST_REAL real;
#define DTYPE (sizeof(real) == sizeof(float) ? CR_F32 : CR_F64)
#define TOLERANCE (DTYPE == CR_F32 ? 1e-5 : 1e-12)

enum { LAYERS = 6, INPUTS = 5, WIDTH = 11, INNER = 19, OUTPUTS = 14, FEWER = 7, MOST = 250 };

static const size_t inputs[LAYERS] = {INPUTS, WIDTH, INNER, WIDTH, INNER, WIDTH};
static size_t outputs[LAYERS] = {WIDTH, INNER, WIDTH, INNER, WIDTH, OUTPUTS}; /* the last changes with the test */

typedef struct {
    cr_tensor *weight[LAYERS], *bias[LAYERS];
    cr_affine layers[LAYERS];
    cr_decoder net;
    cr_decoder_frozen *frozen;
} network_t;

static void network_new(network_t *n, bool with_bias)
{
    cr_error err = {""};
    for (int i = 0; i < LAYERS; i++) {
        n->weight[i] = leaf(DTYPE, outputs[i], inputs[i], -0.5, 0.5);
        n->bias[i] = leaf(DTYPE, outputs[i], 0, -1, 1);
        n->layers[i] = (cr_affine){n->weight[i], with_bias ? n->bias[i] : NULL};
    }
    n->net = (cr_decoder){n->layers, LAYERS, 0.1};
    CHECK(cr_decoder_freeze(&n->net, &n->frozen, &err) == CR_OK, "%s", err.text);
}

static void network_free(network_t *n)
{
    cr_decoder_frozen_release(n->frozen);
    for (int i = 0; i < LAYERS; i++) {
        cr_tensor_release(n->weight[i]);
        cr_tensor_release(n->bias[i]);
    }
    CHECK(cr_pool_stats().live_bytes == 0, "%zu bytes are left", cr_pool_stats().live_bytes);
}

static void affine(const network_t *n, int layer, const double *x, double *y)
{
    for (size_t i = 0; i < outputs[layer]; i++) {
        y[i] = n->layers[layer].bias == NULL ? 0 : cr_load(n->bias[layer], i);
        for (size_t j = 0; j < inputs[layer]; j++)
            y[i] += cr_load(n->weight[layer], i * inputs[layer] + j) * x[j];
    }
}

static void plain_logits(const network_t *n, const real *z, double *logits)
{
    double x[INPUTS], h[WIDTH], inner[INNER], outer[WIDTH];
    for (size_t i = 0; i < INPUTS; i++)
        x[i] = (double)z[i];
    affine(n, 0, x, h);
    for (size_t i = 0; i < WIDTH; i++)
        h[i] = tanh(h[i]);
    for (int layer = 1; layer + 1 < LAYERS; layer += 2) {
        affine(n, layer, h, inner);
        for (size_t i = 0; i < INNER; i++)
            inner[i] = inner[i] > 0 ? inner[i] : 0.1 * inner[i];
        affine(n, layer + 1, inner, outer);
        for (size_t i = 0; i < WIDTH; i++)
            h[i] += outer[i];
    }
    affine(n, LAYERS - 1, h, logits);
}

static real z[MOST * INPUTS], got[MOST * OUTPUTS], alone[MOST * OUTPUTS];

static void logits(void)
{
    cr_error err = {""};
    for (int trial = 0; trial < 4; trial++) {
        network_t n;
        const size_t width = outputs[LAYERS - 1] = trial < 2 ? OUTPUTS : FEWER;
        network_new(&n, trial % 2 == 0);
        CHECK(cr_decoder_inputs(n.frozen) == INPUTS && cr_decoder_outputs(n.frozen) == width, "other sizes");
        for (size_t i = 0; i < MOST * INPUTS; i++)
            z[i] = (real)sample_uniform(-2, 2);
        CHECK(cr_decoder_logits(n.frozen, z, MOST, got, &err) == CR_OK, "%s", err.text);
        for (size_t r = 0; r < MOST; r++) {
            double expected[OUTPUTS];
            plain_logits(&n, z + r * INPUTS, expected);
            for (size_t i = 0; i < width; i++)
                CHECK(sample_close((double)got[r * width + i], expected[i], 10 * TOLERANCE), "%g, expected %g",
                      (double)got[r * width + i], expected[i]);
        }
        for (int i = 0; i < LAYERS; i++) /* the snapshot has weights of its own */
            cr_store(n.weight[i], 0, NAN);
        for (int threads = 1; threads <= 3; threads++) {
            CHECK(cr_threads_set(threads, &err) == CR_OK, "%s", err.text);
            CHECK(cr_decoder_logits(n.frozen, z, MOST, alone, &err) == CR_OK, "%s", err.text);
            CHECK(memcmp(got, alone, MOST * width * sizeof *got) == 0, "other logits on %d threads", threads);
        }
        CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
        CHECK(cr_decoder_logits(n.frozen, NULL, 0, NULL, &err) == CR_OK, "%s", err.text);
        z[MOST * INPUTS - 2] = (real)-INFINITY;
        CHECK(cr_decoder_logits(n.frozen, z, MOST, alone, &err) == CR_ERR_VALUE, "an infinite latent");
        CHECK(strstr(err.text, "z: expected finite numbers, got -inf") != NULL, "%s", err.text);
        network_free(&n);
    }
}

static void refuse(const cr_decoder *net, cr_status expected, const char *words)
{
    cr_error err = {""};
    cr_decoder_frozen *frozen;
    CHECK_STATUS(cr_decoder_freeze(net, &frozen, &err), expected, err.text, words);
    CHECK(frozen == NULL, "a snapshot of a refused network");
}

static void bad_networks(void)
{
    network_t n;
    network_new(&n, true);
    cr_tensor *other = leaf(DTYPE == CR_F32 ? CR_F64 : CR_F32, WIDTH, INNER, 0, 1);
    refuse(&(cr_decoder){n.layers, LAYERS - 1, 0.1}, CR_ERR_VALUE, "layers: expected the first, two per block");
    refuse(&(cr_decoder){n.layers, 0, 0.1}, CR_ERR_VALUE, "layers: expected the first, two per block");
    refuse(&(cr_decoder){n.layers, LAYERS, 1}, CR_ERR_VALUE, "slope");
    n.layers[2].weight = other;
    refuse(&n.net, CR_ERR_TYPE, "in layer 2");
    n.layers[2].weight = n.weight[1];
    refuse(&n.net, CR_ERR_VALUE, "in the weight of layer 2");
    n.layers[2].weight = n.weight[2];
    n.layers[4].bias = n.bias[1];
    refuse(&n.net, CR_ERR_VALUE, "in layer 4");
    n.layers[4].bias = n.bias[4];
    n.layers[5].weight = n.bias[5];
    refuse(&n.net, CR_ERR_VALUE, "layer 5, got shape");
    n.layers[0].weight = n.bias[0];
    refuse(&n.net, CR_ERR_VALUE, "expected 2 dimensions");
    cr_decoder_frozen_release(NULL);
    cr_tensor_release(other);
    network_free(&n);
}

int main(void)
{
    RUN(logits);
    RUN(bad_networks);
    return check_finish("test_decoder");
}
