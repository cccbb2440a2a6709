#include "training.h"

#include <math.h>
#include <string.h>

/* Replaces *x by the result of an operation, whose inputs are *x and `others`: n in all, NULL for an optional one. After
 * a failure *x is NULL. */
static cr_status apply(cr_tensor **x, cr_op op, size_t n, cr_tensor *const *others, double slope, int64_t integer,
                       cr_error *err)
{
    cr_node *node;
    cr_tensor *out = NULL;
    cr_status status = cr_node_new((int)op, n, &node, err);
    if (status == CR_OK) {
        for (size_t i = 0; i < n; i++)
            if ((node->inputs[i] = i == 0 ? *x : others[i - 1]) != NULL)
                cr_tensor_retain(node->inputs[i]);
        node->reals[0] = slope;
        node->integers[0] = integer;
        node->n_integers = 1;
        status = cr_apply(node, &out, err);
    }
    cr_tensor_release(*x);
    *x = out;
    return status;
}

#define OTHERS(...) ((cr_tensor *const[]){__VA_ARGS__})

static cr_status apply_linear(cr_tensor **x, cr_tensor *weight, cr_tensor *bias, cr_unary activation, double slope,
                              cr_error *err)
{
    return apply(x, CR_OP_linear, 3, OTHERS(weight, bias), slope, activation, err);
}

/* Adds activation(z weight^T) to *x. */
static cr_status add_linear(cr_tensor **x, cr_tensor *z, cr_tensor *weight, cr_unary activation, double slope,
                            cr_error *err)
{
    cr_tensor *skip = z;
    cr_tensor_retain(z);
    cr_status status = apply_linear(&skip, weight, NULL, activation, slope, err);
    if (status == CR_OK)
        status = apply(x, CR_OP_add, 2, OTHERS(skip), 0, 0, err);
    cr_tensor_release(skip);
    return status;
}

static cr_status apply_layer(cr_tensor **h, const cr_icnn *net, size_t l, bool convex, cr_tensor *z, cr_error *err)
{
    if (convex)
        return apply(h, CR_OP_icnn_layer, 4, OTHERS(z, net->weights[l], net->skips[l]), net->slope, 0, err);
    cr_status status = apply_linear(h, net->weights[l], NULL, CR_LEAKY_RELU, net->slope, err);
    return status == CR_OK ? add_linear(h, z, net->skips[l], CR_LEAKY_RELU, net->slope, err) : status;
}

/* *loss = the mean squared error of the net on a batch, recorded: the operations of ICNN in crlso/nn/convex.py. */
static cr_status compute_loss(const cr_icnn *net, bool convex, cr_tensor *z, cr_tensor *y, cr_tensor **loss,
                              cr_error *err)
{
    const cr_op combine = convex ? CR_OP_nonnegative_linear : CR_OP_linear;
    cr_status status;
    cr_tensor_retain(z);
    *loss = z;
    CR_TRY(apply_linear(loss, net->input_weight, net->input_bias, CR_LEAKY_RELU, net->slope, err));
    for (size_t l = 0; l < net->n_layers; l++)
        CR_TRY(apply_layer(loss, net, l, convex, z, err));
    CR_TRY(apply(loss, combine, 3, OTHERS(net->output_weight, NULL), 0, CR_IDENTITY, err));
    CR_TRY(add_linear(loss, z, net->output_skip, CR_IDENTITY, 0, err));
    CR_TRY(apply(loss, CR_OP_add, 2, OTHERS(net->output_bias), 0, 0, err));
    CR_TRY(apply(loss, CR_OP_reshape, 1, NULL, 0, -1, err));
    CR_TRY(apply(loss, CR_OP_mse, 2, OTHERS(y), 0, 0, err));
fail:
    return status;
}

/* A new tensor (rows, columns) or (rows,), from row `begin` on. */
static cr_status copy_rows(const void *from, cr_dtype dtype, size_t begin, size_t rows, int ndim, size_t columns,
                           cr_tensor **out, cr_error *err)
{
    const size_t shape[2] = {rows, columns};
    cr_status status = cr_tensor_new(dtype, ndim, shape, out, err);
    if (status == CR_OK)
        memcpy((*out)->data, cr_element(from, begin * (ndim == 1 ? 1 : columns), dtype),
               (*out)->size * cr_dtype_size(dtype));
    return status;
}

static cr_status train_batch(const cr_icnn *net, bool convex, cr_adam *adam, const cr_training *t, size_t number,
                             cr_error *err)
{
    const size_t per_epoch = t->n / t->batch + (t->n % t->batch != 0), epoch = number / per_epoch;
    const size_t first = number % per_epoch * t->batch, rest = t->n - first, rows = rest < t->batch ? rest : t->batch;
    const cr_dtype dtype = net->input_weight->dtype;
    cr_tensor *z = NULL, *y = NULL, *loss = NULL;
    double norm;
    cr_status status;
    cr_adam_zero_grad(adam);
    CR_TRY(copy_rows(t->z, dtype, epoch * t->n + first, rows, 2, t->d, &z, err));
    CR_TRY(copy_rows(t->y, dtype, epoch * t->n + first, rows, 1, 1, &y, err));
    CR_TRY(compute_loss(net, convex, z, y, &loss, err));
    const double mean = cr_load(loss, 0);
    if (!isfinite(mean)) {
        status = cr_fail(err, CR_ERR_STATE, "training: the loss of step %zu is %s; expected a finite one",
                         t->first_step + number, isnan(mean) ? "nan" : "inf");
        goto fail;
    }
    CR_TRY(cr_backward(loss, NULL, err));
    CR_TRY(cr_adam_step(adam, t->rates[number], &norm, err));
    t->sums[epoch] += (double)rows * mean;
fail:
    cr_tensor_release(loss);
    cr_tensor_release(z);
    cr_tensor_release(y);
    return status;
}

cr_status cr_icnn_train(const cr_icnn *net, bool convex, cr_adam *adam, const cr_training *training, size_t begin,
                        size_t end, cr_error *err)
{
    cr_status status = CR_OK;
    for (size_t number = begin; status == CR_OK && number < end; number++)
        status = train_batch(net, convex, adam, training, number, err);
    return status;
}
