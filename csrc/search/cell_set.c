#include "cell_set.h"

#include <stdlib.h>

/* Spreads the bits of a key (the finaliser of MurmurHash3, public domain). */
static uint64_t mix(uint64_t key)
{
    key ^= key >> 33;
    key *= 0xff51afd7ed558ccdULL;
    key ^= key >> 33;
    key *= 0xc4ceb9fe1a85ec53ULL;
    return key ^ (key >> 33);
}

/* Where the key is, or the free place where it belongs; the set is never full. */
static size_t place_of(const cr_cell_set *set, uint64_t key)
{
    size_t place = (size_t)mix(key) & (set->capacity - 1);
    while (set->used[place] && set->keys[place] != key)
        place = (place + 1) & (set->capacity - 1);
    return place;
}

static cr_status grow(cr_cell_set *set, cr_error *err)
{
    size_t bytes;
    cr_cell_set larger = {.capacity = set->capacity == 0 ? 64 : 2 * set->capacity};
    cr_status status = cr_size_multiply(larger.capacity, sizeof *larger.keys, &bytes, "cell set", err);
    if (status != CR_OK)
        return status;
    larger.keys = malloc(bytes);
    larger.used = calloc(larger.capacity, sizeof *larger.used);
    if (larger.keys == NULL || larger.used == NULL) {
        cr_cell_set_free(&larger);
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a set of %zu cells", set->count);
    }
    for (size_t i = 0; i < set->capacity; i++)
        if (set->used[i]) {
            size_t place = place_of(&larger, set->keys[i]);
            larger.keys[place] = set->keys[i];
            larger.used[place] = true;
        }
    larger.count = set->count;
    cr_cell_set_free(set);
    *set = larger;
    return CR_OK;
}

cr_status cr_cell_set_add(cr_cell_set *set, uint64_t key, bool *added, cr_error *err)
{
    if (4 * (set->count + 1) > 3 * set->capacity) {
        cr_status status = grow(set, err);
        if (status != CR_OK)
            return status;
    }
    size_t place = place_of(set, key);
    *added = !set->used[place];
    set->used[place] = true;
    set->keys[place] = key;
    set->count += *added;
    return CR_OK;
}

bool cr_cell_set_has(const cr_cell_set *set, uint64_t key)
{
    return set->capacity > 0 && set->used[place_of(set, key)];
}

void cr_cell_set_free(cr_cell_set *set)
{
    free(set->keys);
    free(set->used);
    *set = (cr_cell_set){0};
}
