#include "adam.h"

#include <math.h>
#include <stdlib.h>

#include "../core/threads.h"

#define CHUNK 8192 /* elements of a parameter that one chunk covers */

typedef struct {
    size_t parameter, begin, end;
} span_t;

struct cr_adam {
    cr_adam_options options;
    size_t n, n_spans;
    cr_tensor **parameters;        /* owned references */
    cr_buffer **first, **second;   /* moments of each parameter; first[i] is NULL when beta1 = 0 */
    span_t *spans;                 /* all parameters cut into chunks */
    double *partial;               /* one sum of squares per span */
    uint64_t *steps;               /* of each parameter, without those in which it had no gradient */
    cr_adam_parameters *current;   /* the numbers of the running step for each parameter */
};

static cr_status check_options(cr_adam_options o, cr_error *err)
{
    if (!(o.beta1 >= 0 && o.beta1 < 1) || !(o.beta2 >= 0 && o.beta2 < 1))
        return cr_fail(err, CR_ERR_VALUE, "betas: expected two numbers in [0, 1), got %g and %g", o.beta1, o.beta2);
    if (!(o.epsilon > 0) || !isfinite(o.epsilon))
        return cr_fail(err, CR_ERR_VALUE, "epsilon: expected a positive number, got %g", o.epsilon);
    if (!(o.weight_decay >= 0) || !isfinite(o.weight_decay))
        return cr_fail(err, CR_ERR_VALUE, "weight_decay: expected a number >= 0, got %g", o.weight_decay);
    if (!(o.max_norm > 0))
        return cr_fail(err, CR_ERR_VALUE, "max_norm: expected a positive number or None, got %g", o.max_norm);
    return CR_OK;
}

static cr_status new_zeroed_buffer(size_t size, cr_dtype dtype, cr_buffer **out, cr_error *err)
{
    cr_status status = cr_buffer_new(size * cr_dtype_size(dtype), out, err);
    if (status == CR_OK)
        cr_kernels(dtype)->fill(size, 0, cr_buffer_data(*out));
    return status;
}

static cr_status add_parameter(cr_adam *adam, size_t i, cr_tensor *parameter, cr_error *err)
{
    if (parameter->node != NULL || !parameter->requires_grad)
        return cr_fail(err, CR_ERR_VALUE, "parameters: expected leaves that require a gradient, number %zu is not", i);
    if (parameter->nonnegative && cr_kernels(parameter->dtype)->any_negative(parameter->size, parameter->data))
        return cr_fail(err, CR_ERR_VALUE, "parameters: number %zu is marked nonnegative but has negative entries", i);
    cr_tensor_retain(parameter);
    adam->parameters[i] = parameter;
    cr_status status = new_zeroed_buffer(parameter->size, parameter->dtype, &adam->second[i], err);
    if (status == CR_OK && adam->options.beta1 > 0)
        status = new_zeroed_buffer(parameter->size, parameter->dtype, &adam->first[i], err);
    return status;
}

static size_t count_spans(cr_tensor **parameters, size_t n)
{
    size_t spans = 0;
    for (size_t i = 0; i < n; i++)
        spans += (parameters[i]->size + CHUNK - 1) / CHUNK;
    return spans;
}

static void make_spans(cr_adam *adam)
{
    size_t next = 0;
    for (size_t i = 0; i < adam->n; i++)
        for (size_t begin = 0; begin < adam->parameters[i]->size; begin += CHUNK) {
            size_t size = adam->parameters[i]->size;
            adam->spans[next++] = (span_t){i, begin, begin + CHUNK < size ? begin + CHUNK : size};
        }
}

static bool has_repeated(cr_tensor **parameters, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (parameters[i] == parameters[j])
                return true;
    return false;
}

cr_status cr_adam_new(cr_tensor **parameters, size_t n, cr_adam_options options, cr_adam **out, cr_error *err)
{
    cr_status status = check_options(options, err);
    if (status != CR_OK)
        return status;
    if (has_repeated(parameters, n))
        return cr_fail(err, CR_ERR_VALUE, "parameters: expected each tensor once");
    cr_adam *adam = calloc(1, sizeof *adam);
    if (adam == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate an optimiser");
    adam->options = options;
    adam->n = n;
    adam->n_spans = count_spans(parameters, n);
    adam->parameters = calloc(n + 1, sizeof *adam->parameters);
    adam->first = calloc(n + 1, sizeof *adam->first);
    adam->second = calloc(n + 1, sizeof *adam->second);
    adam->steps = calloc(n + 1, sizeof *adam->steps);
    adam->current = calloc(n + 1, sizeof *adam->current);
    adam->spans = calloc(adam->n_spans + 1, sizeof *adam->spans);
    adam->partial = calloc(adam->n_spans + 1, sizeof *adam->partial);
    if (adam->parameters == NULL || adam->first == NULL || adam->second == NULL || adam->steps == NULL ||
        adam->current == NULL || adam->spans == NULL || adam->partial == NULL) {
        status = cr_fail(err, CR_ERR_MEMORY, "cannot allocate an optimiser of %zu parameters", n);
        goto fail;
    }
    for (size_t i = 0; i < n; i++)
        CR_TRY(add_parameter(adam, i, parameters[i], err));
    make_spans(adam);
    *out = adam;
    return CR_OK;
fail:
    cr_adam_free(adam);
    return status;
}

void cr_adam_free(cr_adam *adam)
{
    if (adam == NULL)
        return;
    for (size_t i = 0; i < adam->n; i++) {
        if (adam->parameters != NULL)
            cr_tensor_release(adam->parameters[i]);
        if (adam->first != NULL)
            cr_buffer_release(adam->first[i]);
        if (adam->second != NULL)
            cr_buffer_release(adam->second[i]);
    }
    free(adam->parameters);
    free(adam->first);
    free(adam->second);
    free(adam->steps);
    free(adam->current);
    free(adam->spans);
    free(adam->partial);
    free(adam);
}

static void sum_squares_chunk(void *context, size_t chunk)
{
    const cr_adam *adam = context;
    span_t span = adam->spans[chunk];
    const cr_tensor *grad = adam->parameters[span.parameter]->grad;
    adam->partial[chunk] =
        grad == NULL ? 0
                     : cr_kernels(grad->dtype)->sum_squares(span.end - span.begin, cr_tensor_element(grad, span.begin));
}

static void step_chunk(void *context, size_t chunk)
{
    const cr_adam *adam = context;
    span_t span = adam->spans[chunk];
    const cr_tensor *parameter = adam->parameters[span.parameter], *grad = parameter->grad;
    if (grad == NULL)
        return;
    cr_buffer *first = adam->first[span.parameter];
    cr_kernels(grad->dtype)
        ->adam(span.end - span.begin, &adam->current[span.parameter], cr_tensor_element(parameter, span.begin),
               cr_tensor_element(grad, span.begin),
               first == NULL ? NULL : cr_element(cr_buffer_data(first), span.begin, grad->dtype),
               cr_element(cr_buffer_data(adam->second[span.parameter]), span.begin, grad->dtype));
}

/* Sets the numbers of the running step for each parameter that has a gradient. */
static void prepare_step(cr_adam *adam, double learning_rate, double norm)
{
    const cr_adam_options *o = &adam->options;
    for (size_t i = 0; i < adam->n; i++) {
        if (adam->parameters[i]->grad == NULL)
            continue;
        double t = (double)++adam->steps[i];
        adam->current[i] = (cr_adam_parameters){
            .learning_rate = learning_rate, .beta1 = o->beta1, .beta2 = o->beta2, .epsilon = o->epsilon,
            .weight_decay = o->weight_decay, .correction1 = 1 - pow(o->beta1, t), .correction2 = 1 - pow(o->beta2, t),
            .gradient_scale = norm > o->max_norm ? o->max_norm / norm : 1, .decoupled = o->decoupled,
            .project = adam->parameters[i]->nonnegative};
    }
}

cr_status cr_adam_step(cr_adam *adam, double learning_rate, double *norm, cr_error *err)
{
    cr_status status = CR_OK;
    if (!(learning_rate >= 0) || !isfinite(learning_rate))
        return cr_fail(err, CR_ERR_VALUE, "learning_rate: expected a number >= 0, got %g", learning_rate);
    cr_grad_lock();
    cr_parallel(adam->n_spans, sum_squares_chunk, adam);
    double squares = 0;
    for (size_t s = 0; s < adam->n_spans; s++)
        squares += adam->partial[s];
    *norm = sqrt(squares);
    if (isfinite(*norm)) {
        prepare_step(adam, learning_rate, *norm);
        cr_parallel(adam->n_spans, step_chunk, adam);
        for (size_t i = 0; i < adam->n; i++)
            if (adam->parameters[i]->grad != NULL)
                cr_buffer_wrote(adam->parameters[i]->buffer);
    } else {
        status = cr_fail(err, CR_ERR_STATE, "step: the gradients' norm is %g; the parameters were left unchanged", *norm);
    }
    cr_grad_unlock();
    return status;
}

cr_adam_moments cr_adam_moments_of(const cr_adam *adam, size_t i)
{
    cr_buffer *first = adam->first[i];
    return (cr_adam_moments){first == NULL ? NULL : cr_buffer_data(first), cr_buffer_data(adam->second[i]),
                             &adam->steps[i]};
}

const cr_adam_options *cr_adam_options_of(const cr_adam *adam)
{
    return &adam->options;
}

void cr_adam_zero_grad(cr_adam *adam)
{
    cr_grad_lock();
    for (size_t i = 0; i < adam->n; i++) {
        cr_tensor *grad = adam->parameters[i]->grad;
        adam->parameters[i]->grad = NULL;
        cr_tensor_release(grad);
    }
    cr_grad_unlock();
}
