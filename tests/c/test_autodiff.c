// sources: @core @autodiff
/* The graph of operations without Python: gradients, what is kept and given back, deep chains, what is refused. */
#include "autodiff/autodiff.h"

#include <pthread.h>
#include <string.h>

#include "check.h"
#include "sample.h"
#include "tensors.h"

typedef CR_TEST_REAL real;
#define DTYPE (sizeof(real) == sizeof(float) ? CR_F32 : CR_F64)
#define SINGLE (DTYPE == CR_F32)

static size_t live(void)
{
    return cr_pool_stats().live_bytes;
}

/* ---- gradients ---- */

enum { N_LEAVES = 4 };

/* sum(tanh(x W^T + b) * y): a tensor without dimensions */
static cr_tensor *network(cr_tensor *const *leaves)
{
    cr_error err = {""};
    cr_tensor *hidden = NULL;
    cr_status status = try_apply(CR_OP_linear, 3, leaves, NULL, NULL, 0, &hidden, &err);
    CHECK(status == CR_OK, "%s", err.text);
    hidden = then(CR_OP_tanh, hidden, NULL, 0);
    hidden = then(CR_OP_mul, hidden, leaves[3], 0);
    return then(CR_OP_sum, hidden, NULL, 0);
}

static void make_leaves(cr_tensor **leaves)
{
    leaves[0] = leaf(DTYPE, 5, 3, -1, 1);
    leaves[1] = leaf(DTYPE, 4, 3, -1, 1);
    leaves[2] = leaf(DTYPE, 4, 0, -1, 1);
    leaves[3] = leaf(DTYPE, 4, 0, 0.5, 1);
}

static void release_leaves(cr_tensor **leaves)
{
    for (int i = 0; i < N_LEAVES; i++)
        cr_tensor_release(leaves[i]);
}

static double value_of(cr_tensor *const *leaves)
{
    cr_tensor *out = network(leaves);
    double value = cr_load(out, 0);
    cr_tensor_release(out);
    return value;
}

/* The largest difference between gradients and central differences, each element by itself. */
static double gradient_error(cr_tensor *const *leaves, cr_tensor *const *grads)
{
    const double h = SINGLE ? 1e-2 : 1e-5;
    double worst = 0;
    for (int l = 0; l < N_LEAVES; l++)
        for (size_t i = 0; i < leaves[l]->size; i++) {
            double kept = cr_load(leaves[l], i), ends[2];
            for (int side = 0; side < 2; side++) {
                cr_store(leaves[l], i, kept + (side ? h : -h));
                ends[side] = value_of(leaves);
            }
            cr_store(leaves[l], i, kept);
            worst = fmax(worst, fabs((ends[1] - ends[0]) / (2 * h) - cr_load(grads[l], i)));
        }
    return worst;
}

static void gradients_match_central_differences(void)
{
    const double tolerance = SINGLE ? 2e-3 : 1e-9;
    cr_tensor *leaves[N_LEAVES], *grads[N_LEAVES];
    cr_error err = {""};
    make_leaves(leaves);
    cr_tensor *out = network(leaves);
    CHECK(cr_gradients(out, NULL, leaves, N_LEAVES, grads, &err) == CR_OK, "%s", err.text);
    double error = gradient_error(leaves, grads);
    CHECK(error < tolerance, "error %g", error);
    for (int l = 0; l < N_LEAVES; l++) { /* and a wrong one is noticed */
        CHECK(leaves[l]->grad == NULL, "cr_gradients left a gradient");
        double right = cr_load(grads[l], grads[l]->size - 1);
        cr_store(grads[l], grads[l]->size - 1, right + 10 * tolerance);
        CHECK(gradient_error(leaves, grads) > tolerance, "a planted error passed");
        cr_store(grads[l], grads[l]->size - 1, right);
    }
    CHECK(cr_backward(out, NULL, &err) == CR_OK && cr_backward(out, NULL, &err) == CR_OK, "%s", err.text);
    for (int l = 0; l < N_LEAVES; l++) {
        for (size_t i = 0; i < leaves[l]->size; i++)
            CHECK(sample_close(cr_load(leaves[l]->grad, i), 2 * cr_load(grads[l], i), 1e-5), "not added up");
        cr_tensor_release(grads[l]);
    }
    cr_tensor_release(out);
    release_leaves(leaves);
    CHECK(live() == 0, "%zu bytes are left", live());
}

static void targets_of_all_kinds(void)
{
    cr_error err = {""};
    cr_tensor *x = leaf(DTYPE, 1, 0, 2, 2), *other = leaf(DTYPE, 2, 2, 0, 1);
    cr_tensor *y = apply(CR_OP_square, x, NULL, 0), *z = apply(CR_OP_affine, y, NULL, 3), *grads[5];
    cr_tensor *targets[5] = {x, y, z, other, x};
    CHECK(cr_gradients(z, NULL, targets, 5, grads, &err) == CR_OK, "%s", err.text);
    const double expected[5] = {12, 3, 1, 0, 12};
    for (int i = 0; i < 5; i++) {
        CHECK(cr_same_shape(grads[i], targets[i]) && cr_load(grads[i], 0) == expected[i], "target %d: %g", i,
              cr_load(grads[i], 0));
        cr_tensor_release(grads[i]);
    }
    CHECK(x->grad == NULL && y->grad == NULL && z->grad == NULL && other->grad == NULL, "a gradient was left");
    CHECK(cr_gradients(z, NULL, NULL, 0, NULL, &err) == CR_OK, "%s", err.text);
    cr_tensor *all[] = {x, other, y, z};
    for (int i = 0; i < 4; i++)
        cr_tensor_release(all[i]);
    CHECK(live() == 0, "%zu bytes are left", live());
}

/* ---- lives ---- */

static void deep_chains(void)
{
    enum { DEPTH = 200000 };
    cr_error err = {""};
    cr_tensor *x = leaf(DTYPE, 1, 0, 1, 1), *y = apply(CR_OP_affine, x, NULL, 1);
    for (int i = 1; i < DEPTH; i++)
        y = then(CR_OP_affine, y, NULL, 1);
    CHECK(cr_backward(y, NULL, &err) == CR_OK, "%s", err.text);
    CHECK(cr_load(x->grad, 0) == 1, "%g", cr_load(x->grad, 0));
    cr_tensor_release(y);
    cr_tensor_release(x);
    CHECK(live() == 0, "%zu bytes are left", live());
}

static void diamonds(void)
{
    cr_error err = {""};
    cr_tensor *x = leaf(DTYPE, 3, 0, 1, 1), *y = apply(CR_OP_affine, x, NULL, 1);
    for (int i = 0; i < 50; i++) { /* 2^50 paths */
        y = then(CR_OP_add, y, y, 0);
        y = then(CR_OP_affine, y, NULL, 0.5);
    }
    y = then(CR_OP_sum, y, NULL, 0);
    CHECK(cr_backward(y, NULL, &err) == CR_OK, "%s", err.text);
    for (size_t i = 0; i < 3; i++)
        CHECK(cr_load(x->grad, i) == 1, "%g", cr_load(x->grad, i));
    cr_tensor_release(y);
    cr_tensor_release(x);
    CHECK(live() == 0, "%zu bytes are left", live());
}

static void steps_take_the_same_memory(void)
{
    cr_tensor *leaves[N_LEAVES];
    cr_error err = {""};
    make_leaves(leaves);
    uint64_t calls = 0;
    for (int step = 0; step < 5; step++) {
        cr_tensor *out = network(leaves);
        CHECK(cr_backward(out, NULL, &err) == CR_OK, "%s", err.text);
        cr_tensor_release(out);
        for (int l = 0; l < N_LEAVES; l++) {
            cr_tensor_release(leaves[l]->grad);
            leaves[l]->grad = NULL;
        }
        CHECK(step < 2 || calls == cr_pool_stats().system_allocations, "step %d asked the system", step);
        calls = cr_pool_stats().system_allocations;
    }
    release_leaves(leaves);
}

static void constants_are_not_recorded(void)
{
    cr_tensor *x = leaf(DTYPE, 4, 0, 0, 1);
    x->requires_grad = false;
    cr_tensor *y = apply(CR_OP_square, x, NULL, 0);
    CHECK(!y->requires_grad && y->node == NULL, "recorded");
    cr_error err = {""};
    CHECK(cr_backward(y, NULL, &err) == CR_ERR_STATE, "%s", err.text);
    cr_tensor_release(y);
    x->requires_grad = true;
    CHECK(cr_set_grad_enabled(false), "it was off");
    y = apply(CR_OP_square, x, NULL, 0);
    CHECK(!cr_set_grad_enabled(true) && !y->requires_grad && y->node == NULL, "recorded while off");
    cr_tensor_release(y);
    cr_tensor_release(x);
}

static void *look_at_mode(void *argument)
{
    *(bool *)argument = cr_grad_enabled() && cr_set_grad_enabled(false) && !cr_grad_enabled();
    return NULL;
}

static void mode_belongs_to_a_thread(void)
{
    pthread_t thread;
    bool good = false;
    CHECK(pthread_create(&thread, NULL, look_at_mode, &good) == 0, "no thread");
    pthread_join(thread, NULL);
    CHECK(good && cr_grad_enabled(), "the mode of one thread is seen in another");
}

/* ---- what is refused ---- */

static void refuse(cr_status expected, cr_op op, cr_tensor *a, cr_tensor *b, double real, const char *words)
{
    cr_error err = {""};
    cr_tensor *out = NULL, *inputs[2] = {a, b};
    cr_status status = try_apply(op, b == NULL ? 1 : 2, inputs, NULL, NULL, real, &out, &err);
    CHECK(status == expected && out == NULL, "%s: status %d", cr_operations[op].name, (int)status);
    CHECK(strstr(err.text, words) != NULL, "%s: '%s'", cr_operations[op].name, err.text);
}

static void bad_operands(void)
{
    cr_tensor *a = leaf(DTYPE, 2, 3, 0, 1), *b = leaf(DTYPE, 3, 3, 0, 1);
    cr_tensor *c = leaf(SINGLE ? CR_F64 : CR_F32, 2, 3, 0, 1);
    refuse(CR_ERR_VALUE, CR_OP_add, a, b, 0, "got (2, 3) and (3, 3)");
    refuse(CR_ERR_TYPE, CR_OP_add, a, c, 0, "one dtype");
    refuse(CR_ERR_VALUE, CR_OP_leaky_relu, a, NULL, 1, "slope");
    refuse(CR_ERR_VALUE, CR_OP_leaky_relu, a, NULL, NAN, "slope");
    refuse(CR_ERR_VALUE, CR_OP_matmul, a, a, 0, "inner dimension");
    refuse(CR_ERR_VALUE, CR_OP_gaussian, a, b, 1, "log_variance");
    cr_error err = {""};
    CHECK(cr_backward(a, NULL, &err) == CR_ERR_VALUE && strstr(err.text, "(2, 3)") != NULL, "%s", err.text);
    CHECK(cr_backward(a, b, &err) == CR_ERR_VALUE, "%s", err.text);
    CHECK(cr_backward(a, c, &err) == CR_ERR_VALUE, "%s", err.text);
    CHECK(a->grad == NULL, "a failed pass left a gradient");
    cr_tensor *all[] = {a, b, c};
    for (int i = 0; i < 3; i++)
        cr_tensor_release(all[i]);
    CHECK(live() == 0, "%zu bytes are left", live());
}

static void bad_shapes(void)
{
    const size_t many[5] = {1, 1, 1, 1, 1}, huge[3] = {SIZE_MAX / 2, 3, 1}, wide[2] = {(size_t)1 << 62, 1};
    cr_tensor *out = NULL;
    cr_error err = {""};
    size_t size = 7;
    CHECK(cr_tensor_new(DTYPE, 5, many, &out, &err) == CR_ERR_VALUE, "%s", err.text);
    CHECK(cr_tensor_new(DTYPE, -1, many, &out, &err) == CR_ERR_VALUE, "%s", err.text);
    CHECK(cr_tensor_new(DTYPE, 3, huge, &out, &err) == CR_ERR_OVERFLOW, "%s", err.text);
    CHECK(cr_tensor_new(DTYPE, 2, wide, &out, &err) == CR_ERR_OVERFLOW, "%s", err.text);
    CHECK(out == NULL && cr_shape_size(3, huge, DTYPE, &size, NULL) == CR_ERR_OVERFLOW && size == 7, "size %zu", size);
    CHECK(cr_shape_size(0, NULL, DTYPE, &size, &err) == CR_OK && size == 1, "size %zu", size);
    char text[12];
    cr_shape_text(4, (const size_t[]){SIZE_MAX, SIZE_MAX, 1, 2}, text, sizeof text);
    CHECK(strlen(text) == sizeof text - 1, "'%s'", text);
    CHECK(strcmp(cr_shape_text(1, many, text, sizeof text), "(1,)") == 0, "'%s'", text);
    CHECK(strcmp(cr_shape_text(0, many, text, sizeof text), "()") == 0, "'%s'", text);
}

static void indices(void)
{
    cr_index *index = NULL;
    cr_error err = {""};
    const int64_t bad[][2] = {{0, -1}, {(int64_t)INT32_MAX + 1, 0}, {INT64_MIN, 0}, {INT64_MAX, 0}};
    const size_t two = 2, zero[2] = {3, 0}, overflow[2] = {SIZE_MAX, 2};
    for (size_t i = 0; i < 4; i++)
        CHECK(cr_index_new(bad[i], 1, &two, &index, &err) == CR_ERR_INDEX && index == NULL, "%s", err.text);
    CHECK(cr_index_new(bad[0], 3, zero, &index, &err) == CR_ERR_VALUE, "%s", err.text);
    CHECK(cr_index_new(bad[0], 0, zero, &index, &err) == CR_ERR_VALUE, "%s", err.text);
    CHECK(cr_index_new(bad[0], 2, overflow, &index, &err) == CR_ERR_OVERFLOW, "%s", err.text);
    CHECK(cr_index_new(NULL, 2, zero, &index, &err) == CR_OK && index->largest == -1, "%s", err.text);
    cr_index_release(index);
    const int64_t rows[2] = {1, 5};
    CHECK(cr_index_new(rows, 1, &two, &index, &err) == CR_OK && index->largest == 5, "%s", err.text);
    cr_tensor *table = leaf(DTYPE, 5, 3, 0, 1), *out = NULL;
    CHECK(try_apply(CR_OP_gather_rows, 1, &table, index, NULL, 0, &out, &err) == CR_ERR_INDEX, "%s", err.text);
    CHECK(out == NULL && atomic_load(&index->references) == 1, "the failed node still holds the index");
    cr_index_release(index);
    cr_tensor_release(table);
    CHECK(live() == 0, "%zu bytes are left", live());
}

static void graphs(void)
{
    static const int32_t nodes[] = {0, 2, 3}, edges[] = {0, 1, 2, 3}, sources[] = {1, 0, 2}, types[] = {0, 1, 1};
    struct {
        int array, position;
        int32_t value;
        cr_status expected;
    } cases[] = {{0, 0, 0, CR_OK},        {0, 0, 1, CR_ERR_VALUE},  {0, 1, 5, CR_ERR_VALUE},  {0, 1, -1, CR_ERR_VALUE},
                 {0, 2, 2, CR_ERR_VALUE}, {1, 1, 3, CR_ERR_VALUE},  {1, 3, 2, CR_ERR_VALUE},  {1, 1, -7, CR_ERR_VALUE},
                 {2, 0, 2, CR_ERR_INDEX}, {2, 2, 1, CR_ERR_INDEX},  {2, 1, -1, CR_ERR_INDEX}, {3, 2, 2, CR_ERR_INDEX},
                 {3, 0, -1, CR_ERR_INDEX}, {2, 0, INT32_MIN, CR_ERR_INDEX}, {3, 1, INT32_MAX, CR_ERR_INDEX}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        cr_graph *graph = NULL;
        cr_error err = {""};
        CHECK(cr_graph_new(2, 3, 3, 2, &graph, &err) == CR_OK, "%s", err.text);
        memcpy(graph->node_offsets, nodes, sizeof nodes);
        memcpy(graph->edge_offsets, edges, sizeof edges);
        memcpy(graph->sources, sources, sizeof sources);
        memcpy(graph->types, types, sizeof types);
        int32_t *arrays[] = {graph->node_offsets, graph->edge_offsets, graph->sources, graph->types};
        arrays[cases[c].array][cases[c].position] = cases[c].value;
        cr_status status = cr_graph_check(graph, &err);
        CHECK(status == cases[c].expected, "case %zu: status %d, '%s'", c, (int)status, err.text);
        cr_graph_release(graph);
    }
    cr_graph *graph = NULL;
    for (int which = 0; which < 4; which++) {
        size_t s[4] = {1, 1, 1, 1};
        s[which] = INT32_MAX;
        CHECK(cr_graph_new(s[0], s[1], s[2], s[3], &graph, NULL) == CR_ERR_OVERFLOW && graph == NULL, "size %d", which);
    }
}

int main(void)
{
    RUN(gradients_match_central_differences);
    RUN(targets_of_all_kinds);
    RUN(deep_chains);
    RUN(diamonds);
    RUN(steps_take_the_same_memory);
    RUN(constants_are_not_recorded);
    RUN(mode_belongs_to_a_thread);
    RUN(bad_operands);
    RUN(bad_shapes);
    RUN(indices);
    RUN(graphs);
    return check_finish("test_autodiff");
}
