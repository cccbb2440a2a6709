/* Long work on rows that Ctrl-C can stop. */
#ifndef CR_PYTHON_ROWS_H
#define CR_PYTHON_ROWS_H

#include "py.h"

/* Works on rows [begin, end). */
typedef cr_status (*cr_py_row_function)(void *context, size_t begin, size_t end, cr_error *err);

/* Runs work on n rows in blocks, without the GIL, and handles signals between them. Blocks have `rows` rows, or take less
 * than about 100 ms when it is 0; this is for results that depend on one row alone, to the last bit. 0, or -1 with the
 * exception of the failed work or of a signal handler, such as KeyboardInterrupt. */
int cr_py_run_rows(size_t n, size_t rows, cr_py_row_function work, void *context);

#endif
