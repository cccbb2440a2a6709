/* One deterministic pool of worker threads above a single-threaded BLAS.
 *
 * Callers cut work into chunks by the shapes alone, never by the number of threads, and reductions add partial
 * results in chunk order; which worker runs which chunk then cannot change a bit of the result.
 */
#ifndef CR_CORE_THREADS_H
#define CR_CORE_THREADS_H

#include <stddef.h>

#include "status.h"

typedef void (*cr_chunk_function)(void *context, size_t chunk);

/* Runs run(context, chunk) for each chunk < n_chunks and returns when all are done. The caller works too. When the
 * pool is in use by another thread (or by the caller itself) the chunks run in the calling thread. */
void cr_parallel(size_t n_chunks, cr_chunk_function run, void *context);

/* Number of threads, the caller's included: 1 to CR_MAX_THREADS. Workers start at the first use after a change. */
#define CR_MAX_THREADS 256
CR_MUST_USE cr_status cr_threads_set(int n, cr_error *err);
int cr_threads_get(void);

/* Sets the number that CRLSO_NUM_THREADS asks for, or that of the processors this process may use. CR_ERR_VALUE for
 * a variable that is no number from 1 to CR_MAX_THREADS. */
CR_MUST_USE cr_status cr_threads_init(cr_error *err);

/* [*begin, *end) is the share of chunk `chunk` when n items are cut into n_chunks nearly equal parts. */
static inline void cr_chunk_range(size_t n, size_t n_chunks, size_t chunk, size_t *begin, size_t *end)
{
    size_t share = n / n_chunks, rest = n % n_chunks;
    *begin = chunk * share + (chunk < rest ? chunk : rest);
    *end = *begin + share + (chunk < rest ? 1 : 0);
}

/* How many chunks n items of `cost` elementary steps each are worth: 1 for little work, at most 16. */
size_t cr_chunk_count(size_t n, size_t cost);

#endif
