#include "blocks.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "../core/buffer.h"
#include "../core/kernels.h"
#include "../core/threads.h"

/* The rows of a block: their scratch memory takes about half of a second-level cache, they are whole tiles of every
 * kernel (12 or 6 rows, see gemm.h) where items allow it, and they are enough to repay the reading of the weights. */
#define BLOCK_BYTES ((size_t)1 << 18)
#define ROWS_STEP 12
#define MIN_ROWS 24
#define MAX_ROWS 96

typedef struct {
    size_t n, count, scratch, more; /* count: items of a block */
    cr_block_function run;
    void *context;
    atomic_int status;
    atomic_flag has_failed;
    cr_error *err;
} blocks_t;

static size_t choose_block_items(size_t rows, size_t scratch)
{
    size_t step = 1, least = MIN_ROWS / rows, most = MAX_ROWS / rows;
    while (step < ROWS_STEP && step * rows % ROWS_STEP != 0)
        step++;
    size_t items = scratch == 0 ? most : BLOCK_BYTES / scratch;
    items = items < least ? least : items > most ? most : items;
    return items >= step ? items / step * step : items == 0 ? 1 : items;
}

static void run_block(void *context, size_t number)
{
    blocks_t *b = context;
    size_t begin = number * b->count, count = b->n - begin < b->count ? b->n - begin : b->count, bytes;
    cr_buffer *buffer = NULL;
    cr_error err;
    if (atomic_load(&b->status) != CR_OK)
        return;
    cr_status status = cr_size_multiply(count, b->scratch, &bytes, "scratch memory", &err);
    if (status == CR_OK)
        status = cr_buffer_new(bytes + b->more, &buffer, &err);
    if (status == CR_OK)
        status = b->run(b->context, begin, count, cr_buffer_data(buffer), &err);
    cr_buffer_release(buffer);
    if (status == CR_OK || atomic_flag_test_and_set(&b->has_failed))
        return;
    atomic_store(&b->status, (int)status);
    if (b->err != NULL)
        *b->err = err;
}

cr_status cr_run_parts(size_t n, size_t items, size_t scratch, size_t more, cr_block_function run, void *context,
                       cr_error *err)
{
    blocks_t b = {n, items, scratch, more, run, context, CR_OK, ATOMIC_FLAG_INIT, err};
    cr_parallel(n / items + (n % items != 0), run_block, &b);
    return (cr_status)atomic_load(&b.status);
}

cr_status cr_run_blocks(size_t n, size_t rows, size_t scratch, cr_block_function run, void *context, cr_error *err)
{
    return cr_run_parts(n, choose_block_items(rows, scratch), scratch, 0, run, context, err);
}

static double read_number(cr_dtype dtype, const void *x, size_t i)
{
    return dtype == CR_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

static bool all_finite(cr_dtype dtype, size_t n, const void *x)
{
    if (isfinite(cr_kernels(dtype)->sum(n, x))) /* else a sum of finite numbers may have been too large */
        return true;
    bool bad = false; /* x - x is 0 for finite numbers alone, and without branches compilers vectorise the loops */
    if (dtype == CR_F32)
        for (size_t i = 0; i < n; i++)
            bad |= !(((const float *)x)[i] - ((const float *)x)[i] == 0);
    else
        for (size_t i = 0; i < n; i++)
            bad |= !(((const double *)x)[i] - ((const double *)x)[i] == 0);
    return !bad;
}

cr_status cr_expect_finite(cr_dtype dtype, size_t n, const void *x, const char *name, cr_error *err)
{
    size_t i = 0;
    if (all_finite(dtype, n, x))
        return CR_OK;
    while (isfinite(read_number(dtype, x, i)))
        i++;
    return cr_fail(err, CR_ERR_VALUE, "%s: expected finite numbers, got %g", name, read_number(dtype, x, i));
}
