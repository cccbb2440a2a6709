#include "checks.h"

#include <stdio.h>
#include <string.h>

/* Writes the name of the tensor argument `input` into text: "weight", or "tensors[2]" of a list. */
static const char *input_name(const char *signature, size_t input, char *text, size_t size)
{
    size_t tensors = 0;
    for (const char *word = signature; *word != 0; word += strspn(word, " ")) {
        const char *colon = strchr(word, ':');
        const int length = (int)(colon - word);
        if (colon[1] == 'L')
            snprintf(text, size, "%.*s[%zu]", length, word, input);
        if (colon[1] == 'T' && tensors++ == input)
            snprintf(text, size, "%.*s", length, word);
        word += strcspn(word, " ");
    }
    return text;
}

cr_status cr_expect_same_dtype(const cr_node *node, const char *operation, const char *signature, cr_error *err)
{
    char first[40] = "", other[40] = "";
    for (size_t i = 1; i < node->n_inputs; i++)
        if (node->inputs[i] != NULL && node->inputs[i]->dtype != node->inputs[0]->dtype)
            return cr_fail(err, CR_ERR_TYPE, "%s: expected tensors of one dtype, got %s of %s and %s of %s", operation,
                           input_name(signature, 0, first, sizeof first), cr_dtype_name(node->inputs[0]->dtype),
                           input_name(signature, i, other, sizeof other), cr_dtype_name(node->inputs[i]->dtype));
    return CR_OK;
}

cr_status cr_expect_axis(const cr_tensor *x, int64_t axis, int *out, cr_error *err)
{
    if (x->ndim == 0)
        return cr_fail(err, CR_ERR_VALUE, "axis: expected none for a tensor without dimensions, got %lld",
                       (long long)axis);
    if (axis < -x->ndim || axis >= x->ndim)
        return cr_fail(err, CR_ERR_VALUE, "axis: expected -%d to %d, got %lld", x->ndim, x->ndim - 1, (long long)axis);
    *out = (int)(axis < 0 ? axis + x->ndim : axis);
    return CR_OK;
}

cr_status cr_expect_ndim(const cr_tensor *tensor, int ndim, const char *name, cr_error *err)
{
    char text[96];
    if (tensor->ndim != ndim)
        return cr_fail(err, CR_ERR_VALUE, "%s: expected %d dimensions, got shape %s", name, ndim,
                       cr_shape_text(tensor->ndim, tensor->shape, text, sizeof text));
    return CR_OK;
}

cr_status cr_expect_same_shape(const cr_tensor *a, const char *a_name, const cr_tensor *b, const char *b_name,
                               cr_error *err)
{
    char first[96], second[96];
    if (!cr_same_shape(a, b))
        return cr_fail(err, CR_ERR_VALUE, "%s: expected the shape of %s, %s, got %s", b_name, a_name,
                       cr_shape_text(a->ndim, a->shape, first, sizeof first),
                       cr_shape_text(b->ndim, b->shape, second, sizeof second));
    return CR_OK;
}

cr_status cr_expect_batch(const cr_tensor *x, const char *name, cr_error *err)
{
    char text[96];
    if (x->ndim < 1 || x->shape[0] == 0)
        return cr_fail(err, CR_ERR_VALUE, "%s: expected a batch of at least one row, got shape %s", name,
                       cr_shape_text(x->ndim, x->shape, text, sizeof text));
    return CR_OK;
}

cr_status cr_expect_node_rows(const cr_tensor *x, const cr_graph *graph, const char *name, cr_error *err)
{
    if (x->shape[0] != graph->n_nodes)
        return cr_fail(err, CR_ERR_VALUE, "%s: expected %zu rows, one per node of the graph batch, got %zu", name,
                       graph->n_nodes, x->shape[0]);
    return CR_OK;
}

cr_status cr_expect_constant(const cr_tensor *tensor, const char *name, cr_error *err)
{
    if (tensor->requires_grad)
        return cr_fail(err, CR_ERR_VALUE, "%s: expected a constant, got a tensor that requires a gradient", name);
    return CR_OK;
}

cr_status cr_expect_nonnegative(const cr_tensor *weight, const char *name, cr_error *err)
{
    if (cr_kernels(weight->dtype)->any_negative(weight->size, weight->data))
        return cr_fail(err, CR_ERR_VALUE, "%s: expected no negative entry and no NaN: the net is not convex", name);
    return CR_OK;
}

cr_status cr_expect_slope(double slope, cr_error *err)
{
    if (!(slope > 0 && slope < 1))
        return cr_fail(err, CR_ERR_VALUE, "slope: expected a number between 0 and 1, got %g", slope);
    return CR_OK;
}

cr_status cr_expect_activation(cr_unary activation, double slope, cr_error *err)
{
    return activation == CR_LEAKY_RELU ? cr_expect_slope(slope, err) : CR_OK;
}
