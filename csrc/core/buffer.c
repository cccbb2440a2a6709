#include "buffer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ALIGNMENT 64
#define MIN_LOG2 6             /* smallest class: 64 bytes */
#define MAX_LOG2 30            /* larger buffers are not pooled */
#define STEPS_PER_POWER 4      /* classes at 2^k x {1, 1.25, 1.5, 1.75}: at most 20 % are wasted */
#define N_CLASSES ((MAX_LOG2 - MIN_LOG2) * STEPS_PER_POWER)
#define POOL_LIMIT ((size_t)512 << 20) /* bytes that the pool keeps at most */

struct cr_buffer {
    atomic_int references;
    int size_class; /* -1: not pooled */
    size_t bytes;
    void *data;
    void (*release)(void *owner); /* NULL for our own memory */
    void *owner;
    cr_buffer *next; /* in the free list */
};

static struct {
    pthread_mutex_t lock;
    cr_buffer *free_list[N_CLASSES];
    cr_pool_statistics statistics;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Fork handlers hold the lock during a fork, or the child could start with a lock that another thread held. */
static void lock_pool(void)
{
    pthread_mutex_lock(&pool.lock);
}

static void unlock_pool(void)
{
    pthread_mutex_unlock(&pool.lock);
}

static void prepare_for_forks(void)
{
    pthread_atfork(lock_pool, unlock_pool, unlock_pool);
}

static pthread_once_t fork_handler_once = PTHREAD_ONCE_INIT;

/* The smallest size class for `bytes`, with its size in *class_bytes; -1, with the exact size, when there is none. */
static int find_size_class(size_t bytes, size_t *class_bytes)
{
    size_t base = (size_t)1 << MIN_LOG2;
    for (int power = 0; power < MAX_LOG2 - MIN_LOG2; power++, base <<= 1)
        for (int step = 0; step < STEPS_PER_POWER; step++) {
            size_t size = base + base / STEPS_PER_POWER * (size_t)step;
            if (bytes <= size) {
                *class_bytes = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
                return power * STEPS_PER_POWER + step;
            }
        }
    *class_bytes = bytes;
    return -1;
}

static cr_buffer *take_pooled(int size_class)
{
    if (size_class < 0)
        return NULL;
    cr_buffer *buffer = pool.free_list[size_class];
    if (buffer != NULL) {
        pool.free_list[size_class] = buffer->next;
        pool.statistics.pooled_bytes -= buffer->bytes;
        pool.statistics.live_bytes += buffer->bytes;
    }
    return buffer;
}

cr_status cr_buffer_new(size_t bytes, cr_buffer **out, cr_error *err)
{
    size_t class_bytes;
    int size_class = find_size_class(bytes, &class_bytes);
    pthread_once(&fork_handler_once, prepare_for_forks);
    pthread_mutex_lock(&pool.lock);
    cr_buffer *buffer = take_pooled(size_class);
    pthread_mutex_unlock(&pool.lock);
    if (buffer == NULL) {
        const size_t header = (sizeof(cr_buffer) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (class_bytes > SIZE_MAX - header - ALIGNMENT)
            return cr_fail(err, CR_ERR_MEMORY, "cannot allocate %zu bytes", bytes);
        size_t total = (header + class_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        buffer = aligned_alloc(ALIGNMENT, total);
        if (buffer == NULL)
            return cr_fail(err, CR_ERR_MEMORY, "cannot allocate %zu bytes", bytes);
        buffer->size_class = size_class;
        buffer->bytes = class_bytes;
        buffer->data = (char *)buffer + header;
        buffer->release = NULL;
        buffer->owner = NULL;
        pthread_mutex_lock(&pool.lock);
        pool.statistics.system_allocations++;
        pool.statistics.live_bytes += class_bytes;
        pthread_mutex_unlock(&pool.lock);
    }
    atomic_init(&buffer->references, 1);
    buffer->next = NULL;
    *out = buffer;
    return CR_OK;
}

cr_status cr_buffer_wrap(void *data, void (*release)(void *owner), void *owner, cr_buffer **out, cr_error *err)
{
    cr_buffer *buffer = calloc(1, sizeof *buffer);
    if (buffer == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a buffer header");
    atomic_init(&buffer->references, 1);
    buffer->size_class = -1;
    buffer->data = data;
    buffer->release = release;
    buffer->owner = owner;
    *out = buffer;
    return CR_OK;
}

void cr_buffer_retain(cr_buffer *buffer)
{
    atomic_fetch_add_explicit(&buffer->references, 1, memory_order_relaxed);
}

void cr_buffer_release(cr_buffer *buffer)
{
    if (buffer == NULL || atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel) != 1)
        return;
    if (buffer->release != NULL) {
        buffer->release(buffer->owner);
        free(buffer);
        return;
    }
    pthread_mutex_lock(&pool.lock);
    pool.statistics.live_bytes -= buffer->bytes;
    int keep = buffer->size_class >= 0 && pool.statistics.pooled_bytes + buffer->bytes <= POOL_LIMIT;
    if (keep) {
        buffer->next = pool.free_list[buffer->size_class];
        pool.free_list[buffer->size_class] = buffer;
        pool.statistics.pooled_bytes += buffer->bytes;
    }
    pthread_mutex_unlock(&pool.lock);
    if (!keep)
        free(buffer);
}

void *cr_buffer_data(const cr_buffer *buffer)
{
    return buffer->data;
}

cr_pool_statistics cr_pool_stats(void)
{
    pthread_mutex_lock(&pool.lock);
    cr_pool_statistics copy = pool.statistics;
    pthread_mutex_unlock(&pool.lock);
    return copy;
}

void cr_pool_trim(void)
{
    pthread_mutex_lock(&pool.lock);
    for (int c = 0; c < N_CLASSES; c++)
        while (pool.free_list[c] != NULL) {
            cr_buffer *buffer = pool.free_list[c];
            pool.free_list[c] = buffer->next;
            pool.statistics.pooled_bytes -= buffer->bytes;
            free(buffer);
        }
    pthread_mutex_unlock(&pool.lock);
}
