/* Losses, each averaged over the first axis, and the reparameterised Gaussian sample. */
#include "../core/threads.h"
#include "autodiff.h"
#include "checks.h"

/* A new tensor without dimensions, of one value. */
static cr_status new_scalar(cr_dtype dtype, double value, cr_tensor **out, cr_error *err)
{
    cr_status status = cr_tensor_new(dtype, 0, NULL, out, err);
    if (status == CR_OK)
        cr_store(*out, 0, value);
    return status;
}

/* ---- softmax_cross_entropy: input logits; index target; saved: probabilities ---- */

cr_status softmax_cross_entropy_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *logits = node->inputs[0];
    const cr_index *target = node->index;
    size_t classes, rows = target->size;
    cr_status status = cr_expect_batch(logits, "logits", err);
    if (status != CR_OK)
        return status;
    bool fits = logits->ndim == target->ndim + 1;
    for (int d = 0; fits && d < target->ndim; d++)
        fits = logits->shape[d] == target->shape[d];
    if (!fits) {
        char first[96], second[96];
        return cr_fail(err, CR_ERR_VALUE, "target: expected the leading axes of logits %s, got %s",
                       cr_shape_text(logits->ndim, logits->shape, first, sizeof first),
                       cr_shape_text(target->ndim, target->shape, second, sizeof second));
    }
    classes = logits->shape[logits->ndim - 1];
    if (target->largest >= 0 && (size_t)target->largest >= classes)
        return cr_fail(err, CR_ERR_INDEX, "target: expected classes below %zu, got %d", classes, target->largest);
    status = cr_buffer_new(logits->size * cr_dtype_size(logits->dtype), &node->saved[0], err);
    if (status != CR_OK)
        return status;
    double total = cr_kernels(logits->dtype)->softmax_cross_entropy(rows, classes, logits->data, target->data,
                                                                    cr_buffer_data(node->saved[0]));
    return new_scalar(logits->dtype, total / (double)logits->shape[0], out, err);
}

cr_status softmax_cross_entropy_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout,
                                         cr_error *err)
{
    (void)out;
    cr_tensor *logits = node->inputs[0];
    void *data;
    int accumulate;
    cr_status status = cr_grad_begin(logits, &data, &accumulate, err);
    if (status == CR_OK && data != NULL)
        cr_kernels(logits->dtype)
            ->softmax_cross_entropy_gradient(node->index->size, logits->shape[logits->ndim - 1],
                                             cr_load(dout, 0) / (double)logits->shape[0],
                                             cr_buffer_data(node->saved[0]), node->index->data, data, accumulate);
    return status;
}

/* ---- binary_cross_entropy: inputs logits, target ---- */

cr_status binary_cross_entropy_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *logits = node->inputs[0], *target = node->inputs[1];
    cr_status status = cr_expect_batch(logits, "logits", err);
    if (status == CR_OK)
        status = cr_expect_same_shape(logits, "logits", target, "target", err);
    if (status == CR_OK)
        status = cr_expect_constant(target, "target", err);
    if (status != CR_OK)
        return status;
    double total = cr_kernels(logits->dtype)->binary_cross_entropy(logits->size, logits->data, target->data);
    return new_scalar(logits->dtype, total / (double)logits->shape[0], out, err);
}

cr_status binary_cross_entropy_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout,
                                        cr_error *err)
{
    (void)out;
    cr_tensor *logits = node->inputs[0];
    void *data;
    int accumulate;
    cr_status status = cr_grad_begin(logits, &data, &accumulate, err);
    if (status == CR_OK && data != NULL)
        cr_kernels(logits->dtype)
            ->binary_cross_entropy_gradient(logits->size, cr_load(dout, 0) / (double)logits->shape[0], logits->data,
                                            node->inputs[1]->data, data, accumulate);
    return status;
}

/* ---- mse: inputs prediction, target; saved: their difference ---- */

cr_status mse_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *prediction = node->inputs[0], *target = node->inputs[1];
    cr_status status = cr_expect_batch(prediction, "prediction", err);
    if (status == CR_OK)
        status = cr_expect_same_shape(prediction, "prediction", target, "target", err);
    if (status == CR_OK)
        status = cr_buffer_new(prediction->size * cr_dtype_size(prediction->dtype), &node->saved[0], err);
    if (status != CR_OK)
        return status;
    const cr_kernel_table *kernels = cr_kernels(prediction->dtype);
    void *difference = cr_buffer_data(node->saved[0]);
    kernels->binary(CR_SUB, prediction->size, prediction->data, target->data, difference);
    double total = kernels->sum_squares(prediction->size, difference);
    return new_scalar(prediction->dtype, total / (double)prediction->shape[0], out, err);
}

cr_status mse_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    (void)out;
    double scale = 2 * cr_load(dout, 0) / (double)node->inputs[0]->shape[0];
    for (int side = 0; side < 2; side++) {
        void *data;
        cr_status status = cr_grad_begin_zeroed(node->inputs[side], &data, err);
        if (status != CR_OK)
            return status;
        if (data != NULL)
            cr_kernels(dout->dtype)
                ->axpy(node->inputs[0]->size, side == 0 ? scale : -scale, cr_buffer_data(node->saved[0]), data);
    }
    return CR_OK;
}

/* ---- kl_normal: inputs mu, log_variance ---- */

cr_status kl_normal_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *mu = node->inputs[0], *log_variance = node->inputs[1];
    cr_status status = cr_expect_batch(mu, "mu", err);
    if (status == CR_OK)
        status = cr_expect_same_shape(mu, "mu", log_variance, "log_variance", err);
    if (status != CR_OK)
        return status;
    double total = cr_kernels(mu->dtype)->kl_normal(mu->size, mu->data, log_variance->data);
    return new_scalar(mu->dtype, total / (double)mu->shape[0], out, err);
}

cr_status kl_normal_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    (void)out;
    cr_tensor *mu = node->inputs[0], *log_variance = node->inputs[1];
    void *dmu, *dv;
    int accumulate_mu, accumulate_v;
    cr_status status = cr_grad_begin(mu, &dmu, &accumulate_mu, err);
    if (status == CR_OK)
        status = cr_grad_begin(log_variance, &dv, &accumulate_v, err);
    if (status == CR_OK)
        cr_kernels(mu->dtype)->kl_normal_gradient(mu->size, cr_load(dout, 0) / (double)mu->shape[0], mu->data,
                                                  log_variance->data, dmu, dv, accumulate_mu, accumulate_v);
    return status;
}

/* ---- gaussian: inputs mu, log_variance, noise; reals[0] scale ---- */

cr_status gaussian_forward(cr_node *node, cr_tensor **out, cr_error *err)
{
    const cr_tensor *mu = node->inputs[0], *log_variance = node->inputs[1], *noise = node->inputs[2];
    cr_status status = cr_expect_same_shape(mu, "mu", log_variance, "log_variance", err);
    if (status == CR_OK)
        status = cr_expect_same_shape(mu, "mu", noise, "noise", err);
    if (status == CR_OK)
        status = cr_expect_constant(noise, "noise", err);
    if (status == CR_OK)
        status = cr_tensor_new(mu->dtype, mu->ndim, mu->shape, out, err);
    if (status == CR_OK)
        cr_kernels(mu->dtype)->gaussian(mu->size, node->reals[0], mu->data, log_variance->data, noise->data,
                                        (*out)->data);
    return status;
}

cr_status gaussian_backward(const cr_node *node, const cr_tensor *out, const cr_tensor *dout, cr_error *err)
{
    cr_tensor *mu = node->inputs[0], *log_variance = node->inputs[1];
    const cr_kernel_table *kernels = cr_kernels(out->dtype);
    void *data;
    int accumulate;
    cr_status status = cr_grad_begin_zeroed(mu, &data, err);
    if (status != CR_OK)
        return status;
    if (data != NULL)
        kernels->axpy(mu->size, 1, dout->data, data);
    status = cr_grad_begin(log_variance, &data, &accumulate, err);
    if (status == CR_OK && data != NULL)
        kernels->gaussian_gradient(mu->size, mu->data, out->data, dout->data, data, accumulate);
    return status;
}
