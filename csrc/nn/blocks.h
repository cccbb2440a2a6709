/* Runs many rows through a network block by block, so that the results of all layers for a block stay in the cache. */
#ifndef CR_NN_BLOCKS_H
#define CR_NN_BLOCKS_H

#include "../core/dtype.h"
#include "../core/status.h"

/* Runs rows [begin, begin + rows) through a network. `scratch` is memory of this block alone, for the results of
 * layers. */
typedef cr_status (*cr_block_function)(void *context, size_t begin, size_t rows, void *scratch, cr_error *err);

/* Runs all blocks of n rows on all threads, each with `scratch` bytes per row. Where rows are cut depends on n and
 * scratch alone. When blocks fail, one of the failures is reported. */
CR_MUST_USE cr_status cr_run_blocks(size_t n, size_t scratch, cr_block_function run, void *context, cr_error *err);

/* CR_ERR_VALUE when one of n numbers is not finite; the message shows the first such number. */
CR_MUST_USE cr_status cr_expect_finite(cr_dtype dtype, size_t n, const void *x, const char *name, cr_error *err);

#endif
