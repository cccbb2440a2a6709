/* A pool of worker threads above a single-threaded BLAS. Results do not depend on the number of threads.
 *
 * Callers cut work into chunks by the shapes alone, never by the number of threads, and reductions add partial
 * results in chunk order; which worker runs which chunk then cannot change a bit of the result.
 */
#ifndef CR_CORE_THREADS_H
#define CR_CORE_THREADS_H

#include <stddef.h>

#include "status.h"

typedef void (*cr_chunk_function)(void *context, size_t chunk);

/* Runs run(context, chunk) for each chunk < n_chunks and returns when all are done. The calling thread runs chunks too.
 * It runs all of them while the pool works for another thread, or when the caller is itself a chunk. */
void cr_parallel(size_t n_chunks, cr_chunk_function run, void *context);

/* Number of threads, the caller's included: 1 to CR_MAX_THREADS. Workers start at the first use after a change. */
#define CR_MAX_THREADS 256
CR_MUST_USE cr_status cr_threads_set(int n, cr_error *err);
int cr_threads_get(void);

/* Sets the number of threads to CRLSO_NUM_THREADS, or to the number of processors this process may use. CR_ERR_VALUE
 * when the variable is no number from 1 to CR_MAX_THREADS. */
CR_MUST_USE cr_status cr_threads_init(cr_error *err);

/* [*begin, *end) = the items of chunk `chunk` when n items are cut into n_chunks nearly equal parts. */
static inline void cr_chunk_range(size_t n, size_t n_chunks, size_t chunk, size_t *begin, size_t *end)
{
    size_t share = n / n_chunks, rest = n % n_chunks;
    *begin = chunk * share + (chunk < rest ? chunk : rest);
    *end = *begin + share + (chunk < rest ? 1 : 0);
}

/* The number of chunks for n items of `cost` elementary steps each: 1 for little work, at most 16. */
size_t cr_chunk_count(size_t n, size_t cost);

#endif
