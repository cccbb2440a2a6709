// sources: csrc/core/buffer.c csrc/core/status.c
/* Buffers: alignment, reuse, counts, memory of somebody else, many threads, a fork while they work. */
#define _POSIX_C_SOURCE 200809L
#include "core/buffer.h"

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

static cr_buffer *make(size_t bytes)
{
    cr_error err;
    cr_buffer *buffer = NULL;
    cr_status status = cr_buffer_new(bytes, &buffer, &err);
    CHECK(status == CR_OK && buffer != NULL, "%zu bytes: status %d", bytes, (int)status);
    return buffer;
}

static void sizes_and_alignment(void)
{
    for (size_t bytes = 0; bytes < 70000; bytes += 1 + bytes / 7) {
        cr_buffer *buffer = make(bytes);
        CHECK((uintptr_t)cr_buffer_data(buffer) % 64 == 0, "%zu bytes", bytes);
        memset(cr_buffer_data(buffer), 0xa5, bytes); /* the sanitiser sees whether there are as many */
        cr_buffer_release(buffer);
    }
    cr_pool_trim();
    CHECK(cr_pool_stats().live_bytes == 0, "%zu", cr_pool_stats().live_bytes);
}

static void classes_waste_little(void)
{
    for (size_t bytes = 512; bytes < (size_t)1 << 22; bytes += 1 + bytes / 5) {
        cr_buffer *buffer = make(bytes);
        size_t live = cr_pool_stats().live_bytes;
        CHECK(live >= bytes && live <= bytes + bytes / 4 + 64, "%zu bytes take %zu", bytes, live);
        cr_buffer_release(buffer);
    }
    cr_pool_trim();
}

static void released_memory_is_used_again(void)
{
    cr_pool_trim();
    cr_buffer *first = make(1000), *second = make(1000);
    void *data = cr_buffer_data(first);
    CHECK(cr_buffer_data(second) != data, "two live buffers share memory");
    uint64_t calls = cr_pool_stats().system_allocations;
    cr_buffer_release(first);
    CHECK(cr_pool_stats().pooled_bytes >= 1000, "%zu", cr_pool_stats().pooled_bytes);
    first = make(990);
    CHECK(cr_buffer_data(first) == data, "a fitting free buffer was not taken");
    CHECK(cr_pool_stats().pooled_bytes == 0, "%zu", cr_pool_stats().pooled_bytes);
    CHECK(cr_pool_stats().system_allocations == calls, "the system was asked");
    cr_buffer *other = make(100000);
    CHECK(cr_pool_stats().system_allocations == calls + 1, "a larger buffer came from nowhere");
    cr_buffer_release(first);
    cr_buffer_release(second);
    cr_buffer_release(other);
    cr_pool_trim();
    CHECK(cr_pool_stats().pooled_bytes == 0 && cr_pool_stats().live_bytes == 0, "trim left memory");
}

static void references_are_counted(void)
{
    cr_buffer *buffer = make(64);
    cr_buffer_retain(buffer);
    cr_buffer_release(buffer);
    memset(cr_buffer_data(buffer), 1, 64);
    CHECK(cr_pool_stats().live_bytes == 64, "%zu", cr_pool_stats().live_bytes);
    cr_buffer_release(buffer);
    CHECK(cr_pool_stats().live_bytes == 0, "%zu", cr_pool_stats().live_bytes);
    cr_buffer_release(NULL);
}

static int released;

static void count_release(void *owner)
{
    released += *(int *)owner;
}

static void memory_of_somebody_else(void)
{
    int data[4] = {1, 2, 3, 4}, owner = 5;
    cr_error err;
    cr_buffer *buffer = NULL;
    size_t live = cr_pool_stats().live_bytes;
    CHECK(cr_buffer_wrap(data, sizeof data, true, count_release, &owner, &buffer, &err) == CR_OK, "%s", err.text);
    CHECK(cr_buffer_data(buffer) == data, "other memory");
    CHECK(cr_pool_stats().live_bytes == live, "it is not ours to count");
    cr_buffer_retain(buffer);
    cr_buffer_release(buffer);
    CHECK(released == 0, "released too early");
    cr_buffer_release(buffer);
    CHECK(released == 5, "released %d times five", released);
}

/* A remembered buffer is watched as long as somebody else may write to it. */
static void versions(void)
{
    char data[101] = {0};
    int owner = 0;
    cr_error err;
    cr_buffer *ours = make(64), *theirs = NULL;
    CHECK(cr_buffer_wrap(data, sizeof data, true, count_release, &owner, &theirs, &err) == CR_OK, "%s", err.text);
    memset(cr_buffer_data(ours), 0, 64);
    uint64_t version = cr_buffer_remember(ours);
    CHECK(cr_buffer_version(ours) == version, "nobody wrote");
    cr_buffer_wrote(ours);
    CHECK(cr_buffer_version(ours) != version, "a write that was told");
    version = cr_buffer_remember(ours);
    cr_buffer_add_writer(ours);
    ((char *)cr_buffer_data(ours))[5] = 1;
    cr_buffer_remove_writer(ours);
    CHECK(cr_buffer_version(ours) != version, "a write through an array that is gone");
    version = cr_buffer_remember(ours);
    CHECK(cr_buffer_version(ours) == version, "nobody wrote");
    version = cr_buffer_remember(theirs);
    for (size_t i = 0; i < sizeof data; i++)
        for (int bit = 0; bit < 8; bit++) {
            data[i] ^= (char)(1 << bit);
            uint64_t now = cr_buffer_version(theirs);
            CHECK(now > version, "byte %zu, bit %d", i, bit);
            version = now;
        }
    CHECK(cr_buffer_sharing_owner(theirs) == &owner, "another owner");
    cr_buffer_stop_sharing(theirs);
    CHECK(cr_buffer_sharing_owner(theirs) == NULL && cr_buffer_version(theirs) == version, "nobody wrote");
    cr_buffer_release(ours);
    cr_buffer_release(theirs);
}

static void impossible_sizes(void)
{
    const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2, (size_t)1 << 60};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        cr_error err = {""};
        cr_buffer *buffer = NULL;
        CHECK(cr_buffer_new(sizes[i], &buffer, &err) == CR_ERR_MEMORY, "%zu bytes were given", sizes[i]);
        CHECK(buffer == NULL && strstr(err.text, "cannot allocate") != NULL, "%s", err.text);
        CHECK(cr_buffer_new(sizes[i], &buffer, NULL) == CR_ERR_MEMORY, "without a message");
    }
    CHECK(cr_pool_stats().live_bytes == 0, "%zu", cr_pool_stats().live_bytes);
}

static void large_buffers_are_not_kept(void)
{
    cr_pool_trim();
    cr_buffer *buffer = make(((size_t)1 << 30) + 1);
    cr_buffer_release(buffer);
    CHECK(cr_pool_stats().pooled_bytes == 0, "%zu", cr_pool_stats().pooled_bytes);
    cr_buffer *many[40];
    for (int i = 0; i < 40; i++)
        many[i] = make((size_t)16 << 20);
    for (int i = 0; i < 40; i++)
        cr_buffer_release(many[i]);
    CHECK(cr_pool_stats().pooled_bytes == (size_t)512 << 20, "%zu", cr_pool_stats().pooled_bytes);
    cr_pool_trim();
}

enum { THREADS = 4, ROUNDS = 4000, HELD = 8 };

static void *hammer(void *argument)
{
    unsigned char mark = (unsigned char)(uintptr_t)argument;
    cr_buffer *held[HELD] = {NULL};
    size_t sizes[HELD] = {0};
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t slot = round % HELD;
        for (size_t i = 0; i < sizes[slot]; i += 61)
            CHECK(((unsigned char *)cr_buffer_data(held[slot]))[i] == mark, "another thread wrote here");
        cr_buffer_release(held[slot]);
        sizes[slot] = (round * 37 + mark) % 3000;
        held[slot] = make(sizes[slot]);
        memset(cr_buffer_data(held[slot]), mark, sizes[slot]);
    }
    for (int slot = 0; slot < HELD; slot++)
        cr_buffer_release(held[slot]);
    return NULL;
}

static void many_threads(void)
{
    pthread_t threads[THREADS];
    for (uintptr_t t = 0; t < THREADS; t++)
        CHECK(pthread_create(&threads[t], NULL, hammer, (void *)(t + 1)) == 0, "no thread");
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    CHECK(cr_pool_stats().live_bytes == 0, "%zu", cr_pool_stats().live_bytes);
    cr_pool_trim();
}

static atomic_bool stop;

static void *take_and_give(void *argument)
{
    (void)argument;
    while (!stop)
        cr_buffer_release(make(128));
    return NULL;
}

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

/* Children of a process in which another thread may hold the pool's lock still get memory. */
static void forks(void)
{
    pthread_t thread;
    cr_buffer *spare[4]; /* so that the child needs nothing from the system's allocator */
    for (int i = 0; i < 4; i++)
        spare[i] = make(128);
    for (int i = 0; i < 4; i++)
        cr_buffer_release(spare[i]);
    stop = false;
    CHECK(pthread_create(&thread, NULL, take_and_give, NULL) == 0, "no thread");
    int bad = 0;
    for (int i = 0; i < 200 && bad == 0; i++) {
        pid_t child = fork();
        if (child == 0) {
            cr_buffer_release(make(128));
            _exit(0);
        }
        bad = wait_for(child);
    }
    CHECK(bad == 0, "a child ended with %d", bad);
    stop = true;
    pthread_join(thread, NULL);
    cr_pool_trim();
}

int main(void)
{
    RUN(sizes_and_alignment);
    RUN(classes_waste_little);
    RUN(released_memory_is_used_again);
    RUN(references_are_counted);
    RUN(memory_of_somebody_else);
    RUN(versions);
    RUN(impossible_sizes);
    RUN(large_buffers_are_not_kept);
    RUN(many_threads);
    RUN(forks);
    return check_finish("test_buffer");
}
