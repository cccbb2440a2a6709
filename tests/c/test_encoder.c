// sources: @core @autodiff @nn
/* The frozen encoder against plain loops, for any number of cells and threads; what is refused. */
#include "nn/encoder.h"

#include <string.h>

#include "check.h"
#include "core/threads.h"
#include "sample.h"
#include "tensors.h"

typedef CR_TEST_REAL real;
#define DTYPE (sizeof(real) == sizeof(float) ? CR_F32 : CR_F64)
#define TOLERANCE (DTYPE == CR_F32 ? 1e-5 : 1e-12)

/* Two graphs of three nodes. In each the middle node has an operation (3 codes), and there are three edges: two with a
 * code (none, or one of two types), and one that is always there. */
enum { GRAPHS = 2, NODES = 6, CODES = 6, EDGES = 6, TYPES = 2, KINDS = 10, LAYERS = 3, WIDTH = 11, OUTPUTS = 5, MOST = 150 };
enum { ROWS = KINDS + KINDS * KINDS * TYPES };

static int32_t from[EDGES] = {0, 1, 0, 3, 4, 3}, to[EDGES] = {1, 2, 2, 4, 5, 5};
static int32_t column[EDGES] = {1, 2, -1, 4, 5, -1};
static int32_t first_kind[NODES + 1] = {0, 1, 4, 5, 6, 9, 10}, kind_column[NODES] = {-1, 0, -1, -1, 3, -1};
static int32_t message_rows[KINDS * KINDS * TYPES];

typedef struct {
    cr_tensor *table, *types[LAYERS], *weights[LAYERS], *heads[2], *bias;
    const cr_tensor *all_types[LAYERS], *all_weights[LAYERS];
    cr_encoder net;
    cr_encoder_frozen *frozen;
} network_t;

static void network_new(network_t *n, size_t layers, bool both_directions)
{
    cr_error err = {""};
    memset(n, 0, sizeof *n);
    for (int i = 0; i < KINDS * KINDS * TYPES; i++)
        message_rows[i] = KINDS + i;
    n->table = leaf(DTYPE, ROWS, 3 * WIDTH, -1, 1);
    for (size_t l = 0; l < LAYERS; l++) {
        n->all_types[l] = n->types[l] = leaf(DTYPE, TYPES, WIDTH, -1, 1);
        n->all_weights[l] = n->weights[l] = leaf(DTYPE, (l + 2 < layers ? 3 : 2) * WIDTH, WIDTH, -0.3, 0.3);
    }
    n->heads[0] = leaf(DTYPE, OUTPUTS, WIDTH, -0.2, 0.2);
    n->heads[1] = leaf(DTYPE, OUTPUTS, WIDTH, -0.2, 0.2);
    n->bias = leaf(DTYPE, OUTPUTS, 0, -1, 1);
    n->net = (cr_encoder){.cells = {GRAPHS, NODES, CODES, EDGES, TYPES, from, to, column, first_kind, kind_column,
                                    message_rows, true, both_directions},
                          .table = n->table, .types = n->all_types, .weights = n->all_weights, .n_layers = layers,
                          .messages_head = n->heads[0], .root_head = n->heads[1], .head_bias = n->bias, .slope = 0.1};
    CHECK(cr_encoder_freeze(&n->net, &n->frozen, &err) == CR_OK, "%s", err.text);
}

static void network_release(network_t *n)
{
    cr_encoder_frozen_release(n->frozen);
    cr_tensor_release(n->table);
    for (int l = 0; l < LAYERS; l++) {
        cr_tensor_release(n->types[l]);
        cr_tensor_release(n->weights[l]);
    }
    cr_tensor_release(n->heads[0]);
    cr_tensor_release(n->heads[1]);
    cr_tensor_release(n->bias);
}

static void network_free(network_t *n)
{
    network_release(n);
    CHECK(cr_pool_stats().live_bytes == 0, "%zu bytes are left", cr_pool_stats().live_bytes);
}

/* The type of an edge of a cell, -1 for none. The edges that are always there have type 0. */
static int type_of(const uint8_t *codes, int edge)
{
    return column[edge] < 0 ? 0 : codes[column[edge]] - 1;
}

static int kind_of(const uint8_t *codes, int node)
{
    return first_kind[node] + (kind_column[node] < 0 ? 0 : codes[kind_column[node]]);
}

/* The messages to a node: of each edge its other end, or -1 when the edge sends none to it. */
static int sender(const network_t *n, const uint8_t *codes, int edge, int node)
{
    if (type_of(codes, edge) < 0)
        return -1;
    if (to[edge] == node)
        return from[edge];
    return n->net.cells.both_directions && from[edge] == node ? to[edge] : -1;
}

static double at(const cr_tensor *x, size_t row, size_t c)
{
    return cr_load(x, row * x->shape[1] + c);
}

/* parts[i] = [root | target | source] of node i in the layer on the table. */
static void sum_table(const network_t *n, const uint8_t *codes, double parts[NODES][3 * WIDTH])
{
    for (int i = 0; i < NODES; i++)
        for (int c = 0; c < 3 * WIDTH; c++) {
            parts[i][c] = at(n->table, (size_t)kind_of(codes, i), (size_t)c);
            for (int e = 0; e < EDGES; e++) {
                const int j = sender(n, codes, e, i);
                if (j >= 0)
                    parts[i][c] += at(n->table, (size_t)message_rows[(kind_of(codes, i) * KINDS + kind_of(codes, j)) * TYPES +
                                                                     type_of(codes, e)], (size_t)c);
            }
        }
}

/* The same in a later layer, by its weight. */
static void multiply(const network_t *n, size_t layer, double x[NODES][WIDTH], double parts[NODES][3 * WIDTH])
{
    const cr_tensor *w = n->weights[layer - 1];
    const size_t first = 3 * WIDTH - w->shape[0]; /* the last layer has no root but x */
    for (int i = 0; i < NODES; i++) {
        memcpy(parts[i], x[i], sizeof x[i]);
        for (size_t r = 0; r < w->shape[0]; r++) {
            parts[i][first + r] = 0;
            for (size_t c = 0; c < WIDTH; c++)
                parts[i][first + r] += at(w, r, c) * x[i][c];
        }
    }
}

static void plain_latents(const network_t *n, const uint8_t *codes, double *latents)
{
    double x[NODES][WIDTH], parts[NODES][3 * WIDTH], messages[NODES][WIDTH], sums[2][WIDTH] = {{0}};
    for (size_t l = 0; l < n->net.n_layers; l++) {
        if (l == 0)
            sum_table(n, codes, parts);
        else
            multiply(n, l, x, parts);
        memset(messages, 0, sizeof messages);
        for (int i = 0; i < NODES; i++)
            for (int c = 0; c < WIDTH; c++) {
                for (int e = 0; e < EDGES; e++) {
                    const int j = sender(n, codes, e, i);
                    if (j < 0)
                        continue;
                    double v = parts[i][WIDTH + c] + parts[j][2 * WIDTH + c];
                    v += at(n->types[l], (size_t)type_of(codes, e), (size_t)c);
                    messages[i][c] += v > 0 ? v : 0.1 * v;
                }
                x[i][c] = parts[i][c] + messages[i][c];
            }
    }
    for (int i = 0; i < NODES; i++)
        for (int c = 0; c < WIDTH; c++) {
            sums[0][c] += messages[i][c];
            sums[1][c] += parts[i][c];
        }
    for (size_t o = 0; o < OUTPUTS; o++) {
        latents[o] = cr_load(n->bias, o);
        for (size_t c = 0; c < WIDTH; c++)
            latents[o] += at(n->heads[0], o, c) * sums[0][c] + at(n->heads[1], o, c) * sums[1][c];
    }
}

static cr_status run_one(const cr_encoder_frozen *net, const uint8_t *codes, size_t n, real *out, cr_error *err)
{
    void *latents = out;
    return cr_encoder_run(&net, 1, codes, n, &latents, err);
}

static uint8_t *random_codes(size_t cells)
{
    uint8_t *codes = sample_memory(cells * CODES, 1);
    for (size_t i = 0; i < cells * CODES; i++)
        codes[i] = (uint8_t)sample_below(3);
    return codes;
}

static void latents(void)
{
    cr_error err = {""};
    for (size_t trial = 0; trial < 6; trial++) {
        network_t n;
        network_new(&n, trial % LAYERS + 1, trial < 3);
        uint8_t *codes = random_codes(MOST);
        real *got = sample_memory(MOST * OUTPUTS, sizeof *got), *again = sample_memory(MOST * OUTPUTS, sizeof *got);
        CHECK(cr_encoder_codes(n.frozen) == CODES && cr_encoder_outputs(n.frozen) == OUTPUTS, "other sizes");
        CHECK(cr_encoder_dtype(n.frozen) == DTYPE, "another dtype");
        CHECK(run_one(n.frozen, codes, MOST, got, &err) == CR_OK, "%s", err.text);
        for (size_t i = 0; i < MOST; i++) {
            double expected[OUTPUTS];
            plain_latents(&n, codes + i * CODES, expected);
            for (size_t o = 0; o < OUTPUTS; o++)
                CHECK(sample_close((double)got[i * OUTPUTS + o], expected[o], 10 * TOLERANCE), "%g, expected %g",
                      (double)got[i * OUTPUTS + o], expected[o]);
        }
        cr_encoder_frozen *fresh[4]; /* which know no graph yet */
        for (int i = 0; i < 4; i++)
            CHECK(cr_encoder_freeze(&n.net, &fresh[i], &err) == CR_OK, "%s", err.text);
        cr_store(n.table, 0, NAN); /* the snapshot has weights of its own */
        cr_store(n.weights[0], 0, NAN);
        cr_store(n.bias, 0, NAN);
        for (int threads = 1; threads <= 3; threads++) {
            CHECK(cr_threads_set(threads, &err) == CR_OK, "%s", err.text);
            CHECK(run_one(fresh[threads - 1], codes, MOST, again, &err) == CR_OK, "%s", err.text);
            CHECK(memcmp(got, again, MOST * OUTPUTS * sizeof *got) == 0, "other latents on %d threads", threads);
            CHECK(run_one(n.frozen, codes, MOST, again, &err) == CR_OK, "%s", err.text);
            CHECK(memcmp(got, again, MOST * OUTPUTS * sizeof *got) == 0, "other latents of known graphs");
        }
        CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
        for (size_t i = 0; i < MOST && DTYPE == CR_F32; i += 7) {
            CHECK(run_one(fresh[3], codes + i * CODES, 1, again, &err) == CR_OK, "%s", err.text);
            CHECK(memcmp(got + i * OUTPUTS, again, OUTPUTS * sizeof *got) == 0, "other latents of a cell alone");
        }
        for (int i = 0; i < 4; i++)
            cr_encoder_frozen_release(fresh[i]);
        CHECK(run_one(n.frozen, NULL, 0, NULL, &err) == CR_OK, "%s", err.text);
        free(codes);
        free(got);
        free(again);
        network_free(&n);
    }
}

/* Networks of 1, 2 and 3 layers, the last one twice, in one call: each as in a call of its own. */
static void several(void)
{
    cr_error err = {""};
    enum { NETS = 4 };
    network_t n[LAYERS];
    const cr_encoder_frozen *nets[NETS], *swapped[2];
    uint8_t *codes = random_codes(MOST);
    real *expected[NETS], *got[NETS];
    void *out[NETS];
    for (size_t k = 0; k < NETS; k++) {
        if (k < LAYERS)
            network_new(&n[k], k + 1, true);
        nets[k] = n[k < LAYERS ? k : LAYERS - 1].frozen;
        expected[k] = sample_memory(MOST * OUTPUTS, sizeof *expected[k]);
        out[k] = got[k] = sample_memory(MOST * OUTPUTS, sizeof *got[k]);
        CHECK(run_one(nets[k], codes, k == 0 ? 0 : MOST / k, expected[k], &err) == CR_OK, "%s", err.text); /* known now */
    }
    for (int threads = 1; threads <= 3; threads++) {
        CHECK(cr_threads_set(threads, &err) == CR_OK, "%s", err.text);
        CHECK(cr_encoder_run(nets, NETS, codes, MOST, out, &err) == CR_OK, "%s", err.text);
        for (size_t k = 0; k < NETS; k++) {
            CHECK(run_one(nets[k], codes, MOST, expected[k], &err) == CR_OK, "%s", err.text);
            CHECK(memcmp(expected[k], got[k], MOST * OUTPUTS * sizeof *got[k]) == 0, "other latents of network %zu", k);
        }
    }
    CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
    network_t other;
    network_new(&other, 2, false);
    swapped[0] = nets[0];
    swapped[1] = other.frozen;
    CHECK_STATUS(cr_encoder_run(swapped, 2, codes, MOST, out, &err), CR_ERR_VALUE, err.text,
                 "encoders: expected encoders of the same cells, got other nodes, edges or messages in number 1");
    cr_encoder_frozen_release(other.frozen);
    cr_store(other.bias, 0, NAN);
    CHECK(cr_encoder_freeze(&other.net, &other.frozen, &err) == CR_OK, "%s", err.text);
    CHECK_STATUS(run_one(other.frozen, codes, MOST, got[0], &err), CR_ERR_VALUE, err.text,
                 "model: expected weights whose latents are finite");
    for (size_t k = 0; k < NETS; k++) {
        free(expected[k]);
        free(got[k]);
    }
    free(codes);
    network_release(&other);
    for (size_t k = 1; k < LAYERS; k++)
        network_release(&n[k]);
    network_free(&n[0]);
}

static void bad_codes(void)
{
    cr_error err = {""};
    network_t n;
    network_new(&n, 2, true);
    uint8_t *codes = random_codes(40);
    real out[40 * OUTPUTS];
    codes[39 * CODES] = 3;
    CHECK(run_one(n.frozen, codes, 40, out, &err) == CR_ERR_VALUE, "an operation too many");
    CHECK(strstr(err.text, "codes: expected values below 3 in column 0, got 3") != NULL, "%s", err.text);
    codes[39 * CODES] = 0;
    codes[CODES + 5] = 255;
    CHECK(run_one(n.frozen, codes, 40, out, &err) == CR_ERR_VALUE, "a type too many");
    CHECK(strstr(err.text, "codes: expected values below 3 in column 5, got 255") != NULL, "%s", err.text);
    free(codes);
    network_free(&n);
    network_new(&n, 1, true);
    cr_encoder_frozen_release(n.frozen);
    message_rows[(4 * KINDS + 0) * TYPES] = -1; /* from the first node to the third */
    CHECK(cr_encoder_freeze(&n.net, &n.frozen, &err) == CR_OK, "%s", err.text);
    codes = random_codes(1);
    CHECK(run_one(n.frozen, codes, 1, out, &err) == CR_ERR_VALUE, "a message that the table does not have");
    CHECK(strstr(err.text, "codes: expected messages that the table has, got one of kind 0 to kind 4") != NULL, "%s", err.text);
    free(codes);
    network_free(&n);
}

static void refuse(const cr_encoder *net, cr_status expected, const char *words)
{
    cr_error err = {""};
    cr_encoder_frozen *frozen;
    CHECK_STATUS(cr_encoder_freeze(net, &frozen, &err), expected, err.text, words);
    CHECK(frozen == NULL, "a snapshot of a refused network");
}

/* Refuses the network with another number somewhere, and puts the old one back. */
static void refuse_number(const network_t *n, int32_t *where, int32_t number, const char *words)
{
    const int32_t before = *where;
    *where = number;
    refuse(&n->net, CR_ERR_VALUE, words);
    *where = before;
}

static void bad_networks(void)
{
    network_t n;
    network_new(&n, 2, true);
    cr_tensor *other = leaf(DTYPE == CR_F32 ? CR_F64 : CR_F32, TYPES, WIDTH, 0, 1);
    cr_encoder bad = n.net;
    refuse_number(&n, &from[0], 1, "edges: expected two different nodes of one graph, got 1 and 1 for edge 0");
    refuse_number(&n, &to[5], 1, "edges: expected two different nodes of one graph, got 3 and 1");
    refuse_number(&n, &from[3], -1, "edges: expected two different nodes");
    refuse_number(&n, &to[3], 6, "edges: expected two different nodes");
    refuse_number(&n, &column[0], 3, "columns: expected -1 or a code of graph 0, 0 to 2, got 3");
    refuse_number(&n, &kind_column[4], 2, "columns: expected -1 or a code of graph 1, 3 to 5, got 2");
    refuse_number(&n, &first_kind[0], 1, "kinds: expected 0 as the first");
    refuse_number(&n, &first_kind[3], 4, "kinds: expected ascending numbers");
    refuse_number(&n, &first_kind[6], ROWS + 1, "kinds: expected ascending numbers up to the 210 rows");
    refuse_number(&n, &message_rows[7], ROWS, "message_rows: expected -1 or one of the 210 rows");
    refuse_number(&n, &message_rows[7], -2, "message_rows: expected -1 or one of the 210 rows");
    bad.cells.n_graphs = 4;
    refuse(&bad, CR_ERR_VALUE, "cells: expected graphs with equally many nodes and codes");
    bad = n.net;
    bad.n_layers = 0;
    refuse(&bad, CR_ERR_VALUE, "table: expected three equal parts");
    bad = n.net;
    bad.table = n.heads[0];
    refuse(&bad, CR_ERR_VALUE, "table: expected three equal parts");
    bad = n.net;
    bad.slope = 1;
    refuse(&bad, CR_ERR_VALUE, "slope");
    bad = n.net;
    bad.root_head = n.bias;
    refuse(&bad, CR_ERR_VALUE, "head: expected shape (5, 11), got (5,)");
    bad = n.net;
    bad.head_bias = n.heads[0];
    refuse(&bad, CR_ERR_VALUE, "head: expected a bias of shape (5,)");
    n.all_types[1] = other;
    refuse(&n.net, CR_ERR_TYPE, "types: expected");
    n.all_types[1] = n.types[1];
    n.all_weights[0] = n.table;
    refuse(&n.net, CR_ERR_VALUE, "weights: expected shape (22, 11)");
    n.all_weights[0] = n.weights[0];
    cr_encoder_frozen_release(NULL);
    cr_tensor_release(other);
    network_free(&n);
}

int main(void)
{
    RUN(latents);
    RUN(several);
    RUN(bad_codes);
    RUN(bad_networks);
    return check_finish("test_encoder");
}
