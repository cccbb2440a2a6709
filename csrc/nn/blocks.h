/* Runs many items through a network block by block, so that the results of all layers for a block stay in the cache. */
#ifndef CR_NN_BLOCKS_H
#define CR_NN_BLOCKS_H

#include "../core/dtype.h"
#include "../core/status.h"

/* Runs `count` items from `begin` on through a network. `scratch` is memory of this block alone, for the results of
 * layers. */
typedef cr_status (*cr_block_function)(void *context, size_t begin, size_t count, void *scratch, cr_error *err);

/* Runs all blocks of n items on all threads. An item is `rows` rows of the products, and has `scratch` bytes. Where items
 * are cut depends on these numbers alone. When blocks fail, one of the failures is reported. */
CR_MUST_USE cr_status cr_run_blocks(size_t n, size_t rows, size_t scratch, cr_block_function run, void *context,
                                    cr_error *err);

/* The same with blocks of `items` items, the last one perhaps of fewer. A block has `more` bytes besides. */
CR_MUST_USE cr_status cr_run_parts(size_t n, size_t items, size_t scratch, size_t more, cr_block_function run,
                                   void *context, cr_error *err);

/* CR_ERR_VALUE when one of n numbers is not finite; the message shows the first such number. */
CR_MUST_USE cr_status cr_expect_finite(cr_dtype dtype, size_t n, const void *x, const char *name, cr_error *err);

#endif
