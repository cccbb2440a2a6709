#include "autodiff.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define CR_OP(name, signature, documentation)                                       \
    cr_status name##_forward(cr_node *node, cr_tensor **out, cr_error *err);        \
    cr_status name##_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err);
#include "ops.def"
#undef CR_OP

const cr_operation cr_operations[CR_N_OPS] = {
#define CR_OP(name, signature, documentation) {#name, signature, documentation, name##_forward, name##_backward},
#include "ops.def"
#undef CR_OP
};

static _Thread_local bool grad_disabled;

bool cr_grad_enabled(void)
{
    return !grad_disabled;
}

bool cr_set_grad_enabled(bool enabled)
{
    bool old = !grad_disabled;
    grad_disabled = !enabled;
    return old;
}

/* ---- writes between forward and backward ---- */

enum { READS_NOTHING = 0, READS_INPUTS = 1, READS_OUTPUT = 2 };

/* The values that backward of an operation reads. An operation that is not listed reads all. */
static int values_read_by(int op)
{
    switch (op) {
    case CR_OP_add:
    case CR_OP_sub:
    case CR_OP_affine:
    case CR_OP_sum:
    case CR_OP_mean:
    case CR_OP_concat:
    case CR_OP_slice:
    case CR_OP_reshape:
    case CR_OP_transpose:
    case CR_OP_gather_rows:
    case CR_OP_sum_pool:
    case CR_OP_softmax_cross_entropy: return READS_NOTHING;
    case CR_OP_leaky_relu:
    case CR_OP_relu:
    case CR_OP_tanh:
    case CR_OP_sigmoid:
    case CR_OP_softplus:
    case CR_OP_exp:
    case CR_OP_sqrt:
    case CR_OP_softmax: return READS_OUTPUT;
    default: return READS_INPUTS | READS_OUTPUT;
    }
}

/* The versions of the buffers that backward reads, added up: since versions only grow, a sum that is the same says that
 * all are. */
static uint64_t sum_versions(const cr_node *node, const cr_tensor *out, uint64_t (*version)(cr_buffer *buffer))
{
    int reads = values_read_by(node->op);
    uint64_t sum = reads & READS_OUTPUT ? version(out->buffer) : 0;
    for (size_t i = 0; reads & READS_INPUTS && i < node->n_inputs; i++)
        if (node->inputs[i] != NULL)
            sum += version(node->inputs[i]->buffer);
    return sum;
}

cr_status cr_apply(cr_node *node, cr_tensor **out, cr_error *err)
{
    *out = NULL;
    const cr_operation *operation = &cr_operations[node->op];
    cr_status status = cr_expect_same_dtype(node, operation->name, operation->signature, err);
    if (status == CR_OK)
        status = operation->forward(node, out, err);
    bool record = false;
    if (status == CR_OK && cr_grad_enabled())
        for (size_t i = 0; i < node->n_inputs; i++)
            record |= node->inputs[i] != NULL && node->inputs[i]->requires_grad;
    if (!record) {
        cr_node_release(node);
        return status;
    }
    (*out)->requires_grad = true;
    (*out)->node = node;
    node->versions = sum_versions(node, *out, cr_buffer_remember);
    return CR_OK;
}

/* ---- backward ---- */

/* The gradient lock. A backward pass holds it, since it marks tensors and adds to gradients that other threads may
 * use. */
static pthread_mutex_t grad_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_handler_once = PTHREAD_ONCE_INIT;
static uint64_t current_pass;

/* In a forked child the thread that held the lock is gone. */
static void after_fork_in_child(void)
{
    pthread_mutex_init(&grad_lock, NULL);
}

static void prepare_for_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

void cr_grad_lock(void)
{
    pthread_once(&fork_handler_once, prepare_for_forks);
    pthread_mutex_lock(&grad_lock);
}

bool cr_grad_trylock(void)
{
    pthread_once(&fork_handler_once, prepare_for_forks);
    return pthread_mutex_trylock(&grad_lock) == 0;
}

void cr_grad_unlock(void)
{
    pthread_mutex_unlock(&grad_lock);
}

typedef struct {
    cr_tensor **items; /* borrowed */
    size_t count, capacity;
} list_t;

static cr_status append_tensor(list_t *list, cr_tensor *tensor, cr_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        cr_tensor **items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL)
            return cr_fail(err, CR_ERR_MEMORY, "backward: cannot allocate a list of %zu operations", capacity);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = tensor;
    return CR_OK;
}

static cr_status mark_and_append(list_t *found, list_t *stack, cr_tensor *tensor, cr_error *err)
{
    if (tensor == NULL || !tensor->requires_grad || tensor->pass == current_pass)
        return CR_OK;
    tensor->pass = current_pass;
    cr_status status = append_tensor(found, tensor, err);
    return status == CR_OK ? append_tensor(stack, tensor, err) : status;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = (*(cr_tensor *const *)a)->order, y = (*(cr_tensor *const *)b)->order;
    return (x < y) - (x > y);
}

/* All tensors that root depends on and that require a gradient, newest first; each is marked with the pass. */
static cr_status collect_ancestors(cr_tensor *root, list_t *found, cr_error *err)
{
    list_t stack = {0};
    cr_status status;
    current_pass++;
    CR_TRY(mark_and_append(found, &stack, root, err));
    while (stack.count > 0) {
        cr_node *node = stack.items[--stack.count]->node;
        for (size_t i = 0; node != NULL && i < node->n_inputs; i++)
            CR_TRY(mark_and_append(found, &stack, node->inputs[i], err));
    }
    qsort(found->items, found->count, sizeof *found->items, newest_first);
    status = CR_OK;
fail:
    free(stack.items);
    return status;
}

/* Removes the mark of every tensor on no path from the root to a target, oldest first. The pass then differentiates the
 * paths to the targets alone. */
static void keep_only_paths_to(cr_tensor **targets, size_t n, const list_t *found)
{
    for (size_t i = found->count; i-- > 0;) {
        cr_tensor *tensor = found->items[i];
        bool needed = false;
        for (size_t t = 0; t < n; t++)
            needed |= targets[t] == tensor;
        for (size_t j = 0; tensor->node != NULL && !needed && j < tensor->node->n_inputs; j++)
            needed = tensor->node->inputs[j] != NULL && tensor->node->inputs[j]->requires_grad &&
                     tensor->node->inputs[j]->pass == current_pass;
        if (!needed)
            tensor->pass = 0;
    }
}

static cr_status seed_root(cr_tensor *root, const cr_tensor *seed, cr_error *err)
{
    void *data;
    int accumulate;
    if (seed == NULL && root->size != 1) {
        char text[96];
        return cr_fail(err, CR_ERR_VALUE, "backward: expected a tensor of one element or a gradient for it, got shape %s",
                       cr_shape_text(root->ndim, root->shape, text, sizeof text));
    }
    if (seed != NULL && (seed->dtype != root->dtype || !cr_same_shape(seed, root)))
        return cr_fail(err, CR_ERR_VALUE, "gradient: expected the shape and dtype of the tensor");
    cr_status status = cr_grad_begin(root, &data, &accumulate, err);
    if (status != CR_OK || data == NULL)
        return status;
    const cr_kernel_table *kernels = cr_kernels(root->dtype);
    if (!accumulate)
        kernels->fill(root->size, 0, data);
    if (seed != NULL) {
        kernels->axpy(root->size, 1, seed->data, data);
    } else {
        cr_store(root->grad, 0, cr_load(root->grad, 0) + 1);
    }
    return CR_OK;
}

/* Fails, before any gradient changes, when values that the pass needs were overwritten. */
static cr_status expect_unchanged(const list_t *found, cr_error *err)
{
    for (size_t i = 0; i < found->count; i++) {
        const cr_tensor *tensor = found->items[i];
        const cr_node *node = tensor->node;
        if (node == NULL || tensor->pass != current_pass || sum_versions(node, tensor, cr_buffer_version) == node->versions)
            continue;
        char text[96];
        return cr_fail(err, CR_ERR_STATE, "backward: %s, whose result has shape %s, needs values that were overwritten "
                       "after it was computed; compute it again, or write to a copy", cr_operations[node->op].name,
                       cr_shape_text(tensor->ndim, tensor->shape, text, sizeof text));
    }
    return CR_OK;
}

static bool is_target(const cr_tensor *tensor, cr_tensor **targets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (targets[i] == tensor)
            return true;
    return false;
}

/* Runs the operations backwards. An inner gradient is released as soon as it has been used. */
static cr_status run_backward_functions(const list_t *found, cr_tensor **targets, size_t n_targets, cr_error *err)
{
    for (size_t i = 0; i < found->count; i++) {
        cr_tensor *tensor = found->items[i];
        if (tensor->pass != current_pass || tensor->node == NULL || tensor->grad == NULL)
            continue;
        cr_status status = cr_operations[tensor->node->op].backward(tensor->node, tensor, tensor->grad, err);
        if (status != CR_OK)
            return status;
        if (!is_target(tensor, targets, n_targets)) {
            cr_tensor_release(tensor->grad);
            tensor->grad = NULL;
        }
    }
    return CR_OK;
}

static void drop_inner_gradients(const list_t *found)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->items[i]->node != NULL) {
            cr_tensor_release(found->items[i]->grad);
            found->items[i]->grad = NULL;
        }
}

static cr_status expect_requires_grad(const cr_tensor *root, cr_error *err)
{
    if (!root->requires_grad)
        return cr_fail(err, CR_ERR_STATE, "backward: the tensor does not depend on anything that requires a gradient");
    return CR_OK;
}

cr_status cr_backward(cr_tensor *root, const cr_tensor *seed, cr_error *err)
{
    list_t found = {0};
    cr_status status = expect_requires_grad(root, err);
    if (status != CR_OK)
        return status;
    cr_grad_lock();
    CR_TRY(collect_ancestors(root, &found, err));
    CR_TRY(expect_unchanged(&found, err));
    CR_TRY(seed_root(root, seed, err));
    CR_TRY(run_backward_functions(&found, NULL, 0, err));
fail:
    drop_inner_gradients(&found);
    free(found.items);
    cr_grad_unlock();
    return status;
}

static cr_status new_zeros_like(const cr_tensor *tensor, cr_tensor **out, cr_error *err)
{
    cr_status status = cr_tensor_new(tensor->dtype, tensor->ndim, tensor->shape, out, err);
    if (status == CR_OK)
        memset((*out)->data, 0, tensor->size * cr_dtype_size(tensor->dtype));
    return status;
}

cr_status cr_gradients(cr_tensor *root, const cr_tensor *seed, cr_tensor **targets, size_t n, cr_tensor **grads,
                       cr_error *err)
{
    list_t found = {0};
    cr_status status = expect_requires_grad(root, err);
    if (status != CR_OK)
        return status;
    cr_tensor **kept = calloc(n == 0 ? 1 : n, sizeof *kept); /* the targets' old gradients, put back at the end */
    if (kept == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate %zu gradients", n);
    for (size_t i = 0; i < n; i++)
        grads[i] = NULL;
    cr_grad_lock();
    for (size_t i = 0; i < n; i++) {
        kept[i] = targets[i]->grad;
        targets[i]->grad = NULL;
    }
    CR_TRY(collect_ancestors(root, &found, err));
    keep_only_paths_to(targets, n, &found);
    CR_TRY(expect_unchanged(&found, err));
    CR_TRY(seed_root(root, seed, err));
    CR_TRY(run_backward_functions(&found, targets, n, err));
    for (size_t i = 0; i < n; i++) {
        if (targets[i]->grad != NULL) {
            cr_tensor_retain(targets[i]->grad);
            grads[i] = targets[i]->grad;
        } else {
            CR_TRY(new_zeros_like(targets[i], &grads[i], err));
        }
    }
fail:
    for (size_t i = 0; i < n; i++) {
        cr_tensor_release(targets[i]->grad);
        targets[i]->grad = NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (kept[i] != NULL)
            targets[i]->grad = kept[i];
    drop_inner_gradients(&found);
    if (status != CR_OK)
        for (size_t i = 0; i < n; i++) {
            cr_tensor_release(grads[i]);
            grads[i] = NULL;
        }
    free(found.items);
    free(kept);
    cr_grad_unlock();
    return status;
}

cr_status cr_grad_begin(cr_tensor *input, void **data, int *accumulate, cr_error *err)
{
    *data = NULL;
    *accumulate = 0;
    if (input == NULL || !input->requires_grad || input->pass != current_pass)
        return CR_OK;
    *accumulate = input->grad != NULL;
    if (input->grad != NULL) {
        cr_buffer_wrote(input->grad->buffer);
    } else {
        cr_status status = cr_tensor_new(input->dtype, input->ndim, input->shape, &input->grad, err);
        if (status != CR_OK)
            return status;
    }
    *data = input->grad->data;
    return CR_OK;
}

cr_status cr_grad_begin_zeroed(cr_tensor *input, void **data, cr_error *err)
{
    int accumulate;
    cr_status status = cr_grad_begin(input, data, &accumulate, err);
    if (status == CR_OK && *data != NULL && !accumulate)
        memset(*data, 0, input->size * cr_dtype_size(input->dtype));
    return status;
}
