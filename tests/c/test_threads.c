// sources: csrc/core/threads.c csrc/core/status.c
/* The pool: every chunk once, whatever the number of threads, from many callers, from inside a job, after a fork. */
#define _POSIX_C_SOURCE 200809L
#include "core/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "sample.h"

enum { MOST = 500 };

typedef struct {
    atomic_int visits[MOST];
    size_t n;
} visits_t;

static void visit(void *context, size_t chunk)
{
    visits_t *v = context;
    CHECK(chunk < v->n, "chunk %zu of %zu", chunk, v->n);
    v->visits[chunk]++;
}

static void set(int n)
{
    cr_error err;
    CHECK(cr_threads_set(n, &err) == CR_OK, "%s", err.text);
    CHECK(cr_threads_get() == n, "%d", cr_threads_get());
}

static bool run_once(size_t n)
{
    visits_t v = {.n = n};
    cr_parallel(n, visit, &v);
    bool once = true;
    for (size_t i = 0; i < MOST; i++)
        once = once && v.visits[i] == (i < n);
    return once;
}

static void every_chunk_runs_once(void)
{
    const int counts[] = {1, 2, 3, 4, 17, 2, 1};
    for (size_t t = 0; t < sizeof counts / sizeof *counts; t++) {
        set(counts[t]);
        for (int round = 0; round < 300; round++) {
            size_t n = (size_t)round % 40 * (round % 7 == 0 ? 12 : 1);
            CHECK(run_once(n), "%zu chunks on %d threads", n, counts[t]);
        }
    }
}

typedef struct {
    pthread_t threads[64];
    atomic_int count;
    pthread_mutex_t lock;
} seen_t;

static void see(void *context, size_t chunk)
{
    seen_t *seen = context;
    (void)chunk;
    pthread_mutex_lock(&seen->lock);
    bool known = false;
    for (int i = 0; i < seen->count; i++)
        known = known || pthread_equal(seen->threads[i], pthread_self());
    if (!known)
        seen->threads[seen->count++] = pthread_self();
    pthread_mutex_unlock(&seen->lock);
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* so that one thread cannot take them all */
}

static void work_is_shared(void)
{
    set(4);
    seen_t seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
    for (int round = 0; round < 50 && seen.count < 4; round++)
        cr_parallel(16, see, &seen);
    CHECK(seen.count == 4, "%d threads worked", seen.count);
    seen_t alone = {.lock = PTHREAD_MUTEX_INITIALIZER};
    set(1);
    cr_parallel(4, see, &alone);
    CHECK(alone.count == 1 && pthread_equal(alone.threads[0], pthread_self()), "%d threads worked", alone.count);
}

static void nest(void *context, size_t chunk)
{
    (void)chunk;
    if (run_once(20))
        (*(atomic_int *)context)++;
}

static void jobs_inside_jobs(void)
{
    set(3);
    atomic_int good = 0;
    cr_parallel(30, nest, &good);
    CHECK(good == 30, "%d", good);
}

static void *call_often(void *argument)
{
    atomic_int *good = argument;
    for (int round = 0; round < 500; round++)
        *good += run_once((size_t)round % 50);
    return NULL;
}

static void many_callers(void)
{
    pthread_t callers[4];
    atomic_int good = 0;
    set(3);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&callers[i], NULL, call_often, &good) == 0, "no thread");
    for (int i = 0; i < 100; i++)
        set(1 + i % 4); /* the number may change under them */
    for (int i = 0; i < 4; i++)
        pthread_join(callers[i], NULL);
    CHECK(good == 2000, "%d of 2000 jobs", good);
}

static void bad_numbers(void)
{
    const int bad[] = {0, -1, CR_MAX_THREADS + 1, -2147483647 - 1, 2147483647};
    set(2);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_error err = {""};
        CHECK(cr_threads_set(bad[i], &err) == CR_ERR_VALUE, "%d was accepted", bad[i]);
        CHECK(strstr(err.text, "expected 1 to") != NULL, "%s", err.text);
        CHECK(cr_threads_get() == 2, "%d", cr_threads_get());
    }
}

static void ranges_are_a_partition(void)
{
    for (size_t n = 0; n < 60; n++)
        for (size_t chunks = 1; chunks < 20; chunks++) {
            size_t next = 0, smallest = n, largest = 0;
            for (size_t c = 0; c < chunks; c++) {
                size_t begin, end;
                cr_chunk_range(n, chunks, c, &begin, &end);
                CHECK(begin == next && end >= begin, "n %zu, chunk %zu of %zu: %zu to %zu", n, c, chunks, begin, end);
                next = end;
                smallest = end - begin < smallest ? end - begin : smallest;
                largest = end - begin > largest ? end - begin : largest;
            }
            CHECK(next == n && largest - smallest <= 1, "n %zu, %zu chunks", n, chunks);
        }
    size_t begin, end;
    cr_chunk_range(SIZE_MAX, 16, 15, &begin, &end);
    CHECK(end == SIZE_MAX, "%zu", end);
}

static void counts_depend_on_the_work(void)
{
    const size_t sizes[] = {0, 1, 2, 15, 16, 17, 1000, 100000, 10000000, SIZE_MAX};
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < 10; j++) {
            size_t chunks = cr_chunk_count(sizes[i], sizes[j]);
            CHECK(chunks >= 1 && chunks <= 16 && (chunks <= sizes[i] || chunks == 1), "%zu x %zu: %zu", sizes[i],
                  sizes[j], chunks);
        }
    CHECK(cr_chunk_count(100, 1) == 1, "little work in %zu chunks", cr_chunk_count(100, 1));
    CHECK(cr_chunk_count(1000000, 1) == 16, "much work in %zu chunks", cr_chunk_count(1000000, 1));
    size_t before = cr_chunk_count(5000, 50);
    set(7);
    CHECK(cr_chunk_count(5000, 50) == before, "the number of threads changes the chunks");
}

#if !defined(__SANITIZE_THREAD__)
/* The exit code of a child, or -1 for one that has not ended after ten seconds. */
static int wait_for(pid_t child)
{
    for (int i = 0; i < 10000; i++) {
        int status;
        if (waitpid(child, &status, WNOHANG) == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return -1;
}

static atomic_bool stop;

static void *keep_busy(void *argument)
{
    while (!stop)
        *(atomic_int *)argument += !run_once(40);
    return NULL;
}

static void forks(bool busy)
{
    pthread_t thread;
    atomic_int wrong = 0;
    set(3);
    CHECK(run_once(50), "before");
    stop = false;
    if (busy)
        CHECK(pthread_create(&thread, NULL, keep_busy, &wrong) == 0, "no thread");
    for (int i = 0, code = 0; i < 40 && code == 0; i++) {
        pid_t child = fork();
        if (child == 0) {
            bool good = run_once(50) && run_once(3);
            good = good && cr_threads_set(2, NULL) == CR_OK && run_once(50) && run_once(20);
            _exit(good ? 0 : 1);
        }
        code = wait_for(child);
        CHECK(code == 0, "child %d ended with %d", i, code);
        CHECK(run_once(50), "the parent after fork %d", i);
    }
    stop = true;
    if (busy)
        pthread_join(thread, NULL);
    CHECK(wrong == 0, "%d jobs of the parent", wrong);
}

static void forked_children_have_a_pool(void)
{
    forks(false);
}

static void forked_children_of_a_busy_pool_have_one_too(void)
{
    forks(true);
}

#endif

/* Forks inside a job, that is, while this thread holds the pool; the child changes the number of threads. */
static void fork_inside(void *context, size_t chunk)
{
    int *status = context;
    if (chunk > 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        set(2);
        _exit(run_once(17) ? 0 : 1);
    }
    CHECK(waitpid(child, status, 0) == child, "no child");
}

/* Comes first, as long as no worker has started. */
static void forked_children_of_one_thread_have_a_pool(void)
{
    int status = -1;
    set(1);
    cr_parallel(2, fork_inside, &status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d", status);
}

int main(void)
{
    RUN(forked_children_of_one_thread_have_a_pool);
    RUN(every_chunk_runs_once);
    RUN(work_is_shared);
    RUN(jobs_inside_jobs);
    RUN(many_callers);
    RUN(bad_numbers);
    RUN(ranges_are_a_partition);
    RUN(counts_depend_on_the_work);
#if !defined(__SANITIZE_THREAD__) /* it takes a thread that a child starts for one of those that the parent had */
    RUN(forked_children_have_a_pool);
    RUN(forked_children_of_a_busy_pool_have_one_too);
#endif
    set(1);
    return check_finish("test_threads");
}
