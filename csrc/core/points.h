/* Points whose squared distances to others are asked for again and again, and sums over the rows of a matrix.
 *
 * All in double. Elements are added one after the other in one order, with fused multiply-adds where the machine has
 * them, so that the distance of two points depends on neither the other points, nor the number of threads.
 */
#ifndef CR_CORE_POINTS_H
#define CR_CORE_POINTS_H

#include <stddef.h>

#include "status.h"

/* A copy of m points, stored as distances need them. */
typedef struct cr_points cr_points;

/* y (m, d). CR_ERR_VALUE when it is not finite. */
CR_MUST_USE cr_status cr_points_new(size_t m, size_t d, const double *y, cr_points **out, cr_error *err);
void cr_points_release(cr_points *points); /* NULL is allowed */
size_t cr_points_count(const cr_points *points);
size_t cr_points_columns(const cr_points *points);

/* out (n, m) = the squared distances of n others x (n, d), never negative: |x|^2 + |y|^2 - 2 x y. Columns in which a
 * point of x is 0 are not read for it: few of them cost little. CR_ERR_VALUE when x is not finite. */
CR_MUST_USE cr_status cr_points_distances(const cr_points *points, size_t n, const double *x, double *out, cr_error *err);

/* sums[j] = sum_i weights[i] rows[i, j] and squares[j] = sum_i rows[i, j]^2 for rows (n, m), in one pass. */
void cr_row_moments(size_t n, size_t m, const double *rows, const double *weights, double *sums, double *squares);

#endif
