#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define PAUSE() _mm_pause()
#else
#define PAUSE() ((void)0)
#endif

#define SPINS 2000       /* about 20-50 us: longer than the gap between two operations of a training step */
#define YIELD_EVERY 64   /* of them */
#define MIN_CHUNK 32768  /* elementary steps; handing over a smaller chunk takes longer than running it */
#define MAX_CHUNKS 16

typedef struct {
    cr_chunk_function run;
    void *context;
    size_t n_chunks;
} job_t;

static struct {
    pthread_mutex_t user;  /* held by the thread whose job the pool runs */
    pthread_mutex_t lock;  /* guards sleeping and starting */
    pthread_cond_t wake;
    pthread_t workers[CR_MAX_THREADS];
    int n_workers;         /* running now */
    atomic_int n_threads;  /* as set by the user, the caller's included */
    job_t job;
    atomic_uint_fast64_t generation;  /* a new number for each job */
    atomic_size_t next_chunk;
    atomic_bool open;                 /* workers may join the job; write to job only while false and inside is 0 */
    atomic_int inside;                /* workers that may be looking at the job */
    atomic_bool stop;
} pool = {.user = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .n_threads = 1};

/* Waits for one step. On a busy machine the other thread may be in the queue of this very processor, so that this one
 * gives way every YIELD_EVERY steps. On an idle machine that costs half a microsecond. */
static void pause_briefly(int spin)
{
    if (spin % YIELD_EVERY == YIELD_EVERY - 1)
        sched_yield();
    else
        PAUSE();
}

static void run_chunks(void)
{
    for (;;) {
        size_t chunk = atomic_fetch_add_explicit(&pool.next_chunk, 1, memory_order_relaxed);
        if (chunk >= pool.job.n_chunks)
            return;
        pool.job.run(pool.job.context, chunk);
    }
}

/* Waits until the generation differs from `seen`: spins a little, then sleeps. */
static uint_fast64_t wait_for_job(uint_fast64_t seen)
{
    uint_fast64_t generation;
    for (int spin = 0; spin < SPINS; spin++) {
        generation = atomic_load_explicit(&pool.generation, memory_order_acquire);
        if (generation != seen)
            return generation;
        pause_briefly(spin);
    }
    pthread_mutex_lock(&pool.lock);
    while ((generation = atomic_load_explicit(&pool.generation, memory_order_acquire)) == seen)
        pthread_cond_wait(&pool.wake, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    return generation;
}

static void *run_worker(void *argument)
{
    uint_fast64_t seen = (uint_fast64_t)(uintptr_t)argument;
    for (;;) {
        seen = wait_for_job(seen);
        if (atomic_load_explicit(&pool.stop, memory_order_acquire))
            return NULL;
        atomic_fetch_add(&pool.inside, 1);
        if (atomic_load(&pool.open))
            run_chunks();
        atomic_fetch_sub(&pool.inside, 1);
    }
}

static void announce_job(void)
{
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add_explicit(&pool.generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

static void stop_workers(void)
{
    if (pool.n_workers == 0)
        return;
    atomic_store_explicit(&pool.stop, true, memory_order_release);
    announce_job();
    for (int i = 0; i < pool.n_workers; i++)
        pthread_join(pool.workers[i], NULL);
    pool.n_workers = 0;
    atomic_store_explicit(&pool.stop, false, memory_order_release);
}

/* Starts anew in a forked child, which has no workers, and locks in any state. */
static void after_fork_in_child(void)
{
    pthread_mutex_init(&pool.user, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pool.n_workers = 0;
    atomic_store(&pool.open, false);
    atomic_store(&pool.inside, 0);
}

static void prepare_for_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

/* Registers the fork handler, once. Everybody who locks `user` calls this before: also with one thread, a fork may come
 * while another thread holds the lock. */
static void expect_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_for_forks);
}

/* Starts the missing workers. When the system refuses a thread, fewer workers do the work. */
static void start_workers(void)
{
    uint_fast64_t generation = atomic_load(&pool.generation);
    while (pool.n_workers < pool.n_threads - 1) {
        if (pthread_create(&pool.workers[pool.n_workers], NULL, run_worker, (void *)(uintptr_t)generation) != 0)
            return;
        pool.n_workers++;
    }
}

/* Lets no further worker join and waits for those inside. A worker that is still asleep is not waited for. */
static void close_job(void)
{
    atomic_store(&pool.open, false);
    for (int spin = 0; atomic_load(&pool.inside) > 0; spin++)
        pause_briefly(spin);
}

static void run_inline(size_t n_chunks, cr_chunk_function run, void *context)
{
    for (size_t chunk = 0; chunk < n_chunks; chunk++)
        run(context, chunk);
}

void cr_parallel(size_t n_chunks, cr_chunk_function run, void *context)
{
    if (n_chunks <= 1) {
        run_inline(n_chunks, run, context);
        return;
    }
    expect_forks();
    if (pthread_mutex_trylock(&pool.user) != 0) {
        run_inline(n_chunks, run, context);
        return;
    }
    if (pool.n_workers < pool.n_threads - 1)
        start_workers();
    if (pool.n_workers == 0) {
        run_inline(n_chunks, run, context);
        pthread_mutex_unlock(&pool.user);
        return;
    }
    pool.job = (job_t){run, context, n_chunks};
    atomic_store_explicit(&pool.next_chunk, 0, memory_order_relaxed);
    atomic_store(&pool.open, true);
    announce_job();
    run_chunks();
    close_job();
    pthread_mutex_unlock(&pool.user);
}

cr_status cr_threads_set(int n, cr_error *err)
{
    if (n < 1 || n > CR_MAX_THREADS)
        return cr_fail(err, CR_ERR_VALUE, "number of threads: expected 1 to %d, got %d", CR_MAX_THREADS, n);
    expect_forks();
    pthread_mutex_lock(&pool.user);
    if (n != pool.n_threads)
        stop_workers();
    pool.n_threads = n;
    pthread_mutex_unlock(&pool.user);
    return CR_OK;
}

int cr_threads_get(void)
{
    return pool.n_threads;
}

static int count_processors(void)
{
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        return CPU_COUNT(&allowed);
#endif
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

cr_status cr_threads_init(cr_error *err)
{
    const char *text = getenv("CRLSO_NUM_THREADS");
    int n = count_processors();
    if (text != NULL && *text != 0) {
        char *end;
        long asked = strtol(text, &end, 10);
        if (*end != 0 || asked < 1 || asked > CR_MAX_THREADS)
            return cr_fail(err, CR_ERR_VALUE, "CRLSO_NUM_THREADS: expected a number from 1 to %d, got '%.40s'",
                           CR_MAX_THREADS, text);
        n = (int)asked;
    }
    return cr_threads_set(n < 1 ? 1 : n > CR_MAX_THREADS ? CR_MAX_THREADS : n, err);
}

size_t cr_chunk_count(size_t n, size_t cost)
{
    if (n == 0 || cost == 0)
        return 1;
    size_t per_chunk = MIN_CHUNK / cost;
    size_t chunks = per_chunk == 0 ? n : n / per_chunk;
    if (chunks > MAX_CHUNKS)
        chunks = MAX_CHUNKS;
    if (chunks > n)
        chunks = n;
    return chunks == 0 ? 1 : chunks;
}
