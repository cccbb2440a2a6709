#include "descent.h"

#include <math.h>

cr_status cr_descent_check(const double *step, size_t n_steps, cr_error *err)
{
    for (size_t i = 0; i < n_steps; i++)
        if (!isfinite(step[i]))
            return cr_fail(err, CR_ERR_VALUE, "step: expected finite numbers, got %g at position %zu", step[i], i);
    return CR_OK;
}

cr_status cr_descend(const cr_icnn_frozen *net, const void *z, bool one_start, const double *step, size_t n_steps,
                     void *out, cr_error *err)
{
    const size_t d = cr_icnn_inputs(net);
    const cr_dtype dtype = cr_icnn_dtype(net);
    const cr_kernel_table *kernels = cr_kernels(dtype);
    cr_status status = cr_descent_check(step, n_steps, err);
    if (status != CR_OK)
        return status;
    status = cr_icnn_evaluate(net, z, one_start && n_steps > 0 ? 1 : n_steps, NULL, out, err);
    if (status != CR_OK)
        return status;
    for (size_t i = n_steps; i-- > 0;) { /* backwards: row 0 may have the gradient for all rows */
        void *row = cr_element(out, i * d, dtype);
        kernels->unary(CR_AFFINE, -step[i], 0, d, one_start ? out : row, row);
        kernels->axpy(d, 1, one_start ? z : cr_element(z, i * d, dtype), row);
    }
    return CR_OK;
}
