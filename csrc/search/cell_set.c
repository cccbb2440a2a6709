#include "cell_set.h"

#include <stdlib.h>

/* Spreads the bits of a key (the finaliser of MurmurHash3, public domain). */
static uint64_t mix_bits(uint64_t key)
{
    key ^= key >> 33;
    key *= 0xff51afd7ed558ccdULL;
    key ^= key >> 33;
    key *= 0xc4ceb9fe1a85ec53ULL;
    return key ^ (key >> 33);
}

/* The slot of the key, or the free slot where it would go. The set is never full. */
static size_t find_slot(const cr_cell_set *set, uint64_t key)
{
    size_t slot = (size_t)mix_bits(key) & (set->capacity - 1);
    while (set->ranks[slot] != 0 && set->keys[slot] != key)
        slot = (slot + 1) & (set->capacity - 1);
    return slot;
}

static cr_status grow_table(cr_cell_set *set, cr_error *err)
{
    size_t bytes;
    cr_cell_set larger = {.capacity = set->capacity == 0 ? 64 : 2 * set->capacity};
    cr_status status = cr_size_multiply(larger.capacity, sizeof *larger.keys, &bytes, "cell set", err);
    if (status != CR_OK)
        return status;
    larger.keys = malloc(bytes);
    larger.ranks = calloc(larger.capacity, sizeof *larger.ranks);
    if (larger.keys == NULL || larger.ranks == NULL) {
        cr_cell_set_free(&larger);
        return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a set of %zu cells", set->count);
    }
    for (size_t i = 0; i < set->capacity; i++)
        if (set->ranks[i] != 0) {
            size_t slot = find_slot(&larger, set->keys[i]);
            larger.keys[slot] = set->keys[i];
            larger.ranks[slot] = set->ranks[i];
        }
    larger.count = set->count;
    cr_cell_set_free(set);
    *set = larger;
    return CR_OK;
}

cr_status cr_cell_set_add(cr_cell_set *set, uint64_t key, bool *added, cr_error *err)
{
    if (4 * (set->count + 1) > 3 * set->capacity) {
        cr_status status = grow_table(set, err);
        if (status != CR_OK)
            return status;
    }
    size_t slot = find_slot(set, key);
    *added = set->ranks[slot] == 0;
    if (*added) {
        set->keys[slot] = key;
        set->ranks[slot] = ++set->count;
    }
    return CR_OK;
}

bool cr_cell_set_has(const cr_cell_set *set, uint64_t key)
{
    return cr_cell_set_position(set, key) >= 0;
}

int64_t cr_cell_set_position(const cr_cell_set *set, uint64_t key)
{
    return set->capacity > 0 ? (int64_t)set->ranks[find_slot(set, key)] - 1 : -1;
}

void cr_cell_set_free(cr_cell_set *set)
{
    free(set->keys);
    free(set->ranks);
    *set = (cr_cell_set){0};
}
