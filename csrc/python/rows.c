#include "rows.h"

#include <time.h>

#define FIRST_ROWS 64   /* the first block: a few milliseconds of the slowest work */
#define SHORT_BLOCK 0.02 /* seconds; the next block has twice as many rows after a shorter one, */
#define LONG_BLOCK 0.08  /* and half as many after a longer one */

static double seconds_now(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Runs one block and adapts the number of rows to the time it took. */
static int run_block(cr_py_row_function work, void *context, size_t begin, size_t end, size_t *rows)
{
    cr_error err;
    cr_status status;
    double seconds;
    Py_BEGIN_ALLOW_THREADS
    seconds = -seconds_now();
    status = work(context, begin, end, &err);
    seconds += seconds_now();
    Py_END_ALLOW_THREADS
    if (status != CR_OK) {
        cr_py_raise(status, &err);
        return -1;
    }
    if (seconds < SHORT_BLOCK)
        *rows *= 2;
    else if (seconds > LONG_BLOCK && *rows > 1)
        *rows /= 2;
    return PyErr_CheckSignals();
}

int cr_py_run_rows(size_t n, size_t rows, cr_py_row_function work, void *context)
{
    size_t adapted = FIRST_ROWS, begin = 0, end;
    do { /* also when there are no rows: work may check more */
        size_t next = rows > 0 ? rows : adapted;
        end = n - begin < next ? n : begin + next;
        if (run_block(work, context, begin, end, &adapted) < 0)
            return -1;
        begin = end;
    } while (end < n);
    return 0;
}
