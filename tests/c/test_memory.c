// sources: @core @autodiff @nn @optim @search @graph -Wl,-wrap=malloc,-wrap=calloc,-wrap=realloc,-wrap=aligned_alloc
/* Every allocation of a small training program fails once: each time the error is CR_ERR_MEMORY, nothing is lost (the
 * leak checker looks too) and the same program then runs to its end with the same result. */
#include "core/threads.h"
#include "graph/cell_batch.h"
#include "nn/decoder.h"
#include "nn/icnn.h"
#include "optim/adam.h"
#include "search/cell_set.h"
#include "search/training.h"

#include <string.h>

#include "check.h"
#include "sample.h"
#include "tensors.h"

/* ---- the allocator that refuses ---- */

static long calls, refused_call; /* allocations so far; the number of the one to refuse, 0 for none */

static bool refuse(void)
{
    return ++calls == refused_call;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return refuse() ? NULL : __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refuse() ? NULL : __real_aligned_alloc(alignment, size);
}

/* ---- the program ---- */

enum { WIDTH = 6, NODES = 6, MOST = 64 };

typedef struct {
    cr_tensor *held[MOST]; /* everything made, released at the end */
    size_t n;
    cr_graph *graph;
    cr_index *index;
    cr_adam *adam;
    cr_icnn_frozen *icnn;
    cr_decoder_frozen *decoder;
    cr_cell_set set;
    double result;
} program_t;

static cr_status new_leaf(program_t *p, size_t rows, size_t columns, cr_tensor **out, cr_error *err)
{
    const size_t shape[2] = {rows, columns};
    cr_status status = cr_tensor_new(CR_F64, 2, shape, out, err);
    if (status != CR_OK)
        return status;
    for (size_t i = 0; i < rows * columns; i++)
        cr_store(*out, i, sample_uniform(0, 1));
    (*out)->requires_grad = true;
    p->held[p->n++] = *out;
    return CR_OK;
}

static cr_status run(program_t *p, cr_op op, size_t n, cr_tensor *const *inputs, cr_tensor **out, cr_error *err)
{
    bool rows = op == CR_OP_gather_rows || op == CR_OP_softmax_cross_entropy;
    bool graph = op == CR_OP_message_pass || op == CR_OP_sum_pool;
    cr_status status = try_apply(op, n, inputs, rows ? p->index : NULL, graph ? p->graph : NULL, 0.1, out, err);
    if (status == CR_OK)
        p->held[p->n++] = *out;
    return status;
}

/* Two cells of three nodes, and six indices. */
static cr_status make_input(program_t *p, cr_error *err)
{
    static const uint8_t codes[] = {0, 1, 2, 1, 1, 0};
    static const int32_t from[] = {0, 0, 1}, to[] = {1, 2, 2}, column[] = {0, 1, 2};
    static const int64_t rows[NODES] = {0, 1, 2, 0, 1, 2};
    const cr_cell_edges edges = {3, 3, 3, 3, from, to, column, false, true};
    const size_t length = NODES;
    cr_status status = cr_cell_batch(codes, 2, &edges, &p->graph, err);
    return status == CR_OK ? cr_index_new(rows, 1, &length, &p->index, err) : status;
}

/* A scalar loss from the leaves table, K, types, skip through most kinds of operations. */
static cr_status make_loss(program_t *p, cr_tensor *const *leaves, cr_tensor **out, cr_error *err)
{
    cr_tensor *x, *k, *m, *h, *row, *pooled, *many[6];
    cr_status status;
    CR_TRY(run(p, CR_OP_gather_rows, 1, &leaves[0], &x, err));
    CR_TRY(run(p, CR_OP_linear, 3, (cr_tensor *[]){x, leaves[1], NULL}, &k, err));
    CR_TRY(run(p, CR_OP_message_pass, 3, (cr_tensor *[]){k, k, leaves[2]}, &m, err));
    CR_TRY(run(p, CR_OP_icnn_layer, 4, (cr_tensor *[]){m, x, leaves[1], leaves[3]}, &h, err));
    CR_TRY(run(p, CR_OP_softmax_cross_entropy, 1, &h, &row, err));
    CR_TRY(run(p, CR_OP_mul, 2, (cr_tensor *[]){row, h}, &h, err)); /* a broadcast operand on the left */
    CR_TRY(run(p, CR_OP_gaussian, 3, (cr_tensor *[]){h, k, leaves[4]}, &h, err));
    CR_TRY(run(p, CR_OP_sum_pool, 1, &h, &pooled, err));
    CR_TRY(run(p, CR_OP_mse, 2, (cr_tensor *[]){h, m}, &many[0], err));
    CR_TRY(run(p, CR_OP_kl_normal, 2, (cr_tensor *[]){h, k}, &many[1], err));
    CR_TRY(run(p, CR_OP_sum, 1, &pooled, &many[2], err));
    CR_TRY(run(p, CR_OP_affine, 1, &many[2], &many[3], err));
    many[4] = many[5] = many[0];
    for (int i = 1; i < 6; i++)
        CR_TRY(run(p, CR_OP_add, 2, (cr_tensor *[]){many[0], many[i]}, &many[0], err));
    *out = many[0];
fail:
    return status;
}

static cr_status use_gradients(program_t *p, cr_tensor **leaves, cr_tensor *loss, cr_error *err)
{
    cr_tensor *grads[4];
    double norm;
    const cr_adam_options options = {.beta1 = 0.9, .beta2 = 0.9, .epsilon = 1e-8, .max_norm = 1};
    cr_status status;
    CR_TRY(cr_gradients(loss, NULL, leaves, 4, grads, err));
    for (int i = 0; i < 4; i++)
        p->held[p->n++] = grads[i];
    CR_TRY(cr_backward(loss, NULL, err));
    CR_TRY(cr_adam_new(leaves, 4, options, &p->adam, err));
    CR_TRY(cr_adam_step(p->adam, 0.1, &norm, err));
    p->result = norm + cr_load(loss, 0) + cr_load(grads[0], 0) + cr_load(leaves[1], 0);
fail:
    return status;
}

static cr_status use_network(program_t *p, cr_tensor **leaves, cr_error *err)
{
    cr_tensor *bias, *row, *skip, *one;
    double z[2 * WIDTH] = {0}, value[2], gradient[2 * WIDTH], logits[2 * WIDTH];
    const size_t width = WIDTH, single = 1;
    cr_status status;
    CR_TRY(cr_tensor_view(leaves[1]->buffer, leaves[1]->data, CR_F64, 1, &width, &bias, err));
    p->held[p->n++] = bias;
    CR_TRY(cr_tensor_view(leaves[1]->buffer, leaves[1]->data, CR_F64, 1, &single, &one, err));
    p->held[p->n++] = one;
    CR_TRY(new_leaf(p, 1, WIDTH, &row, err));
    CR_TRY(new_leaf(p, 1, WIDTH, &skip, err));
    cr_tensor *layer = leaves[3];
    cr_icnn net = {leaves[1], bias, &layer, &layer, 1, row, skip, one, 0.1};
    CR_TRY(cr_icnn_freeze(&net, false, &p->icnn, err));
    CR_TRY(cr_icnn_evaluate(p->icnn, z, 2, value, gradient, err));
    double sum = 0;
    const double rate = 0.1;
    const cr_training training = {.n = 2, .d = WIDTH, .batch = 2, .z = z, .y = gradient, .rates = &rate, .sums = &sum};
    CR_TRY(cr_icnn_train(&net, false, p->adam, &training, 0, 1, err));
    const cr_affine layers[] = {{leaves[1], bias}, {leaves[3], NULL}, {leaves[1], bias}, {leaves[3], bias}};
    CR_TRY(cr_decoder_freeze(&(cr_decoder){layers, 4, 0.1}, &p->decoder, err));
    CR_TRY(cr_decoder_logits(p->decoder, z, 2, logits, err));
    for (uint64_t key = 0; key < 100; key++) {
        bool added;
        size_t count = p->set.count;
        cr_status grown = cr_cell_set_add(&p->set, key * 77, &added, err);
        if (grown != CR_OK)
            CHECK(p->set.count == count && (count == 0 || cr_cell_set_has(&p->set, (key - 1) * 77)), "the set changed");
        CR_TRY(grown);
    }
    p->result += value[1] + gradient[3] + logits[5] + sum;
fail:
    return status;
}

static void clean_up(program_t *p)
{
    cr_adam_free(p->adam);
    cr_icnn_frozen_release(p->icnn);
    cr_decoder_frozen_release(p->decoder);
    cr_cell_set_free(&p->set);
    for (size_t i = 0; i < p->n; i++)
        cr_tensor_release(p->held[i]);
    cr_index_release(p->index);
    cr_graph_release(p->graph);
    CHECK(cr_pool_stats().live_bytes == 0, "%zu bytes are left", cr_pool_stats().live_bytes);
}

/* The program from the same start, its `number`-th allocation refused. */
static cr_status run_program(long number, double *result, cr_error *err)
{
    program_t p = {.result = 0};
    cr_tensor *leaves[5], *loss;
    cr_status status;
    cr_pool_trim();
    sample_state = 12345;
    calls = 0;
    refused_call = number;
    CR_TRY(make_input(&p, err));
    for (int i = 0; i < 5; i++)
        CR_TRY(new_leaf(&p, i == 0 || i == 2 ? 3 : NODES, WIDTH, &leaves[i], err));
    leaves[4]->requires_grad = false;
    CR_TRY(make_loss(&p, leaves, &loss, err));
    CR_TRY(use_gradients(&p, leaves, loss, err));
    CR_TRY(use_network(&p, leaves, err));
fail:
    refused_call = 0;
    *result = p.result;
    clean_up(&p);
    return status;
}

static void every_allocation_may_fail(void)
{
    double expected, result;
    cr_error err = {""};
    CHECK(run_program(0, &expected, &err) == CR_OK, "%s", err.text);
    const long total = calls;
    CHECK(total > 100, "only %ld allocations were counted", total);
    for (long number = 1; number <= total; number++) {
        err.text[0] = 0;
        cr_status status = run_program(number, &result, &err);
        CHECK(status == CR_ERR_MEMORY, "allocation %ld: status %d, '%s'", number, (int)status, err.text);
        CHECK(strstr(err.text, "cannot allocate") != NULL, "allocation %ld: '%s'", number, err.text);
        if (number % 16 == 0) {
            CHECK(run_program(0, &result, &err) == CR_OK, "after allocation %ld: %s", number, err.text);
            CHECK(result == expected, "after allocation %ld: %.17g, before %.17g", number, result, expected);
        }
    }
    CHECK(isfinite(expected), "%g", expected);
}

/* A pass that fails midway leaves the gradients that were there before it, for cr_gradients. */
static void failed_gradients_put_the_old_ones_back(void)
{
    cr_error err = {""};
    cr_tensor *x = leaf(CR_F64, 3, 0, 1, 1), *grad = NULL;
    cr_tensor *y = then(CR_OP_exp, apply(CR_OP_square, x, NULL, 0), NULL, 0);
    y = then(CR_OP_sum, y, NULL, 0);
    CHECK(cr_backward(y, NULL, &err) == CR_OK, "%s", err.text);
    const cr_tensor *kept = x->grad;
    const double value = cr_load(x->grad, 0);
    int failures = 0;
    for (long number = 1; number < 40; number++) {
        cr_pool_trim();
        calls = 0;
        refused_call = number;
        cr_status status = cr_gradients(y, NULL, &x, 1, &grad, &err);
        refused_call = 0;
        CHECK(x->grad == kept && cr_load(x->grad, 0) == value, "allocation %ld: another gradient", number);
        CHECK(status == CR_OK || (status == CR_ERR_MEMORY && grad == NULL), "allocation %ld: %d", number, (int)status);
        failures += status != CR_OK;
        if (status == CR_OK)
            cr_tensor_release(grad);
    }
    CHECK(failures > 5 && failures < 39, "%d failures", failures);
    cr_tensor_release(y);
    cr_tensor_release(x);
}

int main(void)
{
    RUN(every_allocation_may_fail);
    RUN(failed_gradients_put_the_old_ones_back);
    return check_finish("test_memory");
}
