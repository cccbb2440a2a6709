#include "known.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../core/buffer.h"

struct cr_known {
    size_t capacity, length, bytes, count, n_slots; /* slots: a power of two, at least twice the capacity */
    cr_buffer *buffer;                              /* values, slots, numbers, codes; NULL before the first addition */
};

uint64_t cr_hash_codes(uint32_t number, const uint8_t *codes, size_t length)
{
    uint64_t hash = 0xCBF29CE484222325u + number;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ codes[i]) * 0x100000001B3u;
    return hash ^ hash >> 29;
}

cr_status cr_known_new(size_t capacity, size_t length, size_t bytes, cr_known **out, cr_error *err)
{
    cr_known *known = malloc(sizeof *known);
    *out = known;
    if (known == NULL)
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a table of graphs");
    *known = (cr_known){capacity, length, bytes, 0, 2, NULL};
    while (known->n_slots < 2 * capacity)
        known->n_slots *= 2;
    return CR_OK;
}

void cr_known_release(cr_known *known)
{
    if (known == NULL)
        return;
    cr_buffer_release(known->buffer);
    free(known);
}

static char *values_of(const cr_known *known, size_t i)
{
    return (char *)cr_buffer_data(known->buffer) + i * known->bytes;
}

/* 1 + the graph in each slot, 0 for none. */
static uint32_t *slots_of(const cr_known *known)
{
    return (uint32_t *)(void *)values_of(known, known->capacity);
}

static uint32_t *numbers_of(const cr_known *known)
{
    return slots_of(known) + known->n_slots;
}

static uint8_t *codes_of(const cr_known *known, size_t i)
{
    return (uint8_t *)(numbers_of(known) + known->capacity) + i * known->length;
}

/* The slot of a graph, or the empty one where it belongs. */
static size_t find_slot(const cr_known *known, uint32_t number, const uint8_t *codes)
{
    const uint32_t *slots = slots_of(known);
    size_t slot = (size_t)cr_hash_codes(number, codes, known->length) & (known->n_slots - 1);
    for (; slots[slot] != 0; slot = (slot + 1) & (known->n_slots - 1)) {
        const size_t i = slots[slot] - 1;
        if (numbers_of(known)[i] == number && memcmp(codes_of(known, i), codes, known->length) == 0)
            break;
    }
    return slot;
}

const void *cr_known_find(const cr_known *known, uint32_t number, const uint8_t *codes)
{
    if (known->count == 0)
        return NULL;
    const uint32_t found = slots_of(known)[find_slot(known, number, codes)];
    return found == 0 ? NULL : values_of(known, found - 1);
}

static bool take_memory(cr_known *known)
{
    const size_t values = known->capacity * known->bytes, rest = known->n_slots + known->capacity;
    return known->buffer != NULL ||
           cr_buffer_new(values + rest * sizeof(uint32_t) + known->capacity * known->length, &known->buffer, NULL) == CR_OK;
}

void cr_known_add(cr_known *known, size_t n, const uint32_t *graph, const uint32_t *numbers, const uint8_t *const *codes,
                  const void *values)
{
    if (n > known->capacity / 2 || !take_memory(known))
        return;
    if (known->count == 0 || known->count + n > known->capacity) {
        memset(slots_of(known), 0, known->n_slots * sizeof(uint32_t));
        known->count = 0;
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t g = graph[i];
        uint32_t *slot = &slots_of(known)[find_slot(known, numbers[g], codes[g])];
        if (*slot != 0)
            continue;
        *slot = (uint32_t)known->count + 1;
        numbers_of(known)[known->count] = numbers[g];
        memcpy(codes_of(known, known->count), codes[g], known->length);
        memcpy(values_of(known, known->count++), (const char *)values + g * known->bytes, known->bytes);
    }
}
