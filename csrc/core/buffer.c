#include "buffer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define MIN_LOG2 6             /* smallest class: 64 bytes */
#define MAX_LOG2 30            /* larger buffers are not pooled */
#define STEPS_PER_POWER 4      /* classes at 2^k x {1, 1.25, 1.5, 1.75}: at most 20 % are wasted */
#define N_CLASSES ((MAX_LOG2 - MIN_LOG2) * STEPS_PER_POWER)
#define POOL_LIMIT ((size_t)512 << 20) /* bytes that the pool keeps at most */

struct cr_buffer { /* what every operation touches comes first */
    atomic_int references;
    atomic_int writers;      /* arrays over this memory, and 1 for the owner of shared memory */
    atomic_bool remembered;  /* somebody is going to compare versions */
    atomic_bool watched;     /* fingerprint is that of the bytes when `version` last grew */
    atomic_bool shared;      /* wrapped memory that its owner shares with others */
    int size_class;          /* -1: not pooled */
    atomic_uint_fast64_t version, fingerprint;
    size_t bytes;            /* of the size class */
    size_t used;             /* as asked for */
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

/* Sets the members that are new for every user of a buffer. */
static void start(cr_buffer *buffer, size_t used, bool shared)
{
    atomic_init(&buffer->references, 1);
    buffer->used = used;
    buffer->next = NULL;
    atomic_init(&buffer->version, 0);
    atomic_init(&buffer->writers, shared);
    atomic_init(&buffer->shared, shared);
    atomic_init(&buffer->remembered, false);
    atomic_init(&buffer->watched, false);
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
    start(buffer, bytes, false);
    *out = buffer;
    return CR_OK;
}

cr_status cr_buffer_wrap(void *data, size_t bytes, bool shared, void (*release)(void *owner), void *owner,
                         cr_buffer **out, cr_error *err)
{
    cr_buffer *buffer = calloc(1, sizeof *buffer);
    if (buffer == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a buffer header");
    start(buffer, bytes, shared);
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

/* ---- versions ---- */

#define WORD sizeof(uint64_t)
#define FINGERPRINT_LANES 8 /* chains that the processor works on at the same time, 2 words of each per step */

/* Mixes two words into a hash. Every operation is invertible, so that a change of one word always changes the hash; the
 * rotation keeps the sign bits of one word from meeting those of the next. */
static uint64_t mix(uint64_t hash, uint64_t first, uint64_t second)
{
    hash = (hash ^ first) * 0x9E3779B97F4A7C15u + second;
    return hash << 23 | hash >> 41;
}

static uint64_t take_fingerprint(const cr_buffer *buffer)
{
    const char *data = buffer->data;
    uint64_t hash = buffer->used, lanes[FINGERPRINT_LANES] = {1, 2, 3, 4, 5, 6, 7, 8}, words[2 * FINGERPRINT_LANES];
    size_t i = 0;
    for (; i + sizeof words <= buffer->used; i += sizeof words) {
        memcpy(words, data + i, sizeof words);
        for (size_t k = 0; k < FINGERPRINT_LANES; k++)
            lanes[k] = mix(lanes[k], words[2 * k], words[2 * k + 1]);
    }
    for (; i < buffer->used; i += WORD) {
        words[0] = 0;
        memcpy(words, data + i, buffer->used - i < WORD ? buffer->used - i : WORD);
        hash = mix(hash, words[0], 0);
    }
    for (size_t k = 0; k < FINGERPRINT_LANES; k++)
        hash = mix(hash, lanes[k], 0);
    return hash;
}

static void watch(cr_buffer *buffer)
{
    atomic_store(&buffer->fingerprint, take_fingerprint(buffer));
    atomic_store(&buffer->watched, true);
}

void cr_buffer_wrote(cr_buffer *buffer)
{
    uint64_t version = atomic_load_explicit(&buffer->version, memory_order_relaxed);
    atomic_store_explicit(&buffer->version, version + 1, memory_order_relaxed); /* of two writes at once, one counts */
}

uint64_t cr_buffer_version(cr_buffer *buffer)
{
    if (atomic_load_explicit(&buffer->watched, memory_order_acquire)) {
        bool last_look = atomic_load(&buffer->writers) == 0;
        uint_fast64_t before = atomic_load(&buffer->fingerprint), now = take_fingerprint(buffer);
        if (before != now && atomic_compare_exchange_strong(&buffer->fingerprint, &before, now))
            cr_buffer_wrote(buffer);
        if (last_look) {
            atomic_store(&buffer->watched, false);
            if (atomic_load(&buffer->writers) > 0) /* a new one, of another thread */
                atomic_store(&buffer->watched, true);
        }
    }
    return atomic_load_explicit(&buffer->version, memory_order_relaxed);
}

uint64_t cr_buffer_remember(cr_buffer *buffer)
{
    if (!atomic_load_explicit(&buffer->remembered, memory_order_relaxed))
        atomic_store_explicit(&buffer->remembered, true, memory_order_release);
    uint64_t version = cr_buffer_version(buffer);
    if (atomic_load(&buffer->writers) > 0 && !atomic_load(&buffer->watched))
        watch(buffer);
    return version;
}

void cr_buffer_add_writer(cr_buffer *buffer)
{
    atomic_fetch_add(&buffer->writers, 1);
    if (atomic_load(&buffer->remembered) && !atomic_load(&buffer->watched))
        watch(buffer);
}

void cr_buffer_remove_writer(cr_buffer *buffer)
{
    atomic_fetch_sub(&buffer->writers, 1);
}

void *cr_buffer_sharing_owner(const cr_buffer *buffer)
{
    return atomic_load_explicit(&buffer->shared, memory_order_relaxed) ? buffer->owner : NULL;
}

void cr_buffer_stop_sharing(cr_buffer *buffer)
{
    if (atomic_exchange(&buffer->shared, false))
        cr_buffer_remove_writer(buffer);
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
