/* Checks for several operations and networks. The message of a failed check has the name of the tensor or number, what
 * was expected and what was found. */
#ifndef CR_AUTODIFF_CHECKS_H
#define CR_AUTODIFF_CHECKS_H

#include "../core/kernels.h"
#include "graph.h"
#include "tensor.h"

/* CR_ERR_TYPE unless all inputs of a node have one dtype. `operation` leads the message, which names the arguments by
 * the operation's signature (ops.def). */
CR_MUST_USE cr_status cr_expect_same_dtype(const cr_node *node, const char *operation, const char *signature,
                                           cr_error *err);

/* CR_ERR_VALUE unless the tensor has `ndim` dimensions. */
CR_MUST_USE cr_status cr_expect_ndim(const cr_tensor *tensor, int ndim, const char *name, cr_error *err);

/* *out = the axis, counted from 0. CR_ERR_VALUE unless it is one of the tensor's, where negative ones count from the
 * end. */
CR_MUST_USE cr_status cr_expect_axis(const cr_tensor *x, int64_t axis, int *out, cr_error *err);

/* CR_ERR_VALUE unless b has the shape of a. */
CR_MUST_USE cr_status cr_expect_same_shape(const cr_tensor *a, const char *a_name, const cr_tensor *b,
                                           const char *b_name, cr_error *err);

/* CR_ERR_VALUE unless x (n, ...) has at least one row. */
CR_MUST_USE cr_status cr_expect_batch(const cr_tensor *x, const char *name, cr_error *err);

/* CR_ERR_VALUE unless x (rows, columns) has one row per node of the graphs. */
CR_MUST_USE cr_status cr_expect_node_rows(const cr_tensor *x, const cr_graph *graph, const char *name, cr_error *err);

/* CR_ERR_VALUE for a tensor that requires a gradient. */
CR_MUST_USE cr_status cr_expect_constant(const cr_tensor *tensor, const char *name, cr_error *err);

/* CR_ERR_VALUE for a negative entry or NaN in a weight of a network that is to be convex. */
CR_MUST_USE cr_status cr_expect_nonnegative(const cr_tensor *weight, const char *name, cr_error *err);

/* CR_ERR_VALUE unless 0 < slope < 1. */
CR_MUST_USE cr_status cr_expect_slope(double slope, cr_error *err);

/* Checks the slope of an activation that has one, the leaky ReLU. */
CR_MUST_USE cr_status cr_expect_activation(cr_unary activation, double slope, cr_error *err);

#endif
