/* A set of cells by their 64-bit keys, such as the cells that a search has evaluated. */
#ifndef CR_SEARCH_CELL_SET_H
#define CR_SEARCH_CELL_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/status.h"

/* Zero-initialise before use. Not thread-safe. */
typedef struct {
    uint64_t *keys;  /* owned; open addressing, capacity a power of two */
    uint64_t *ranks; /* owned; of the key in each slot: 1 for the first that was added, 0 where there is none */
    size_t capacity, count;
} cr_cell_set;

/* Adds a key. *added = whether it was new. Amortised O(1). CR_ERR_MEMORY leaves the set unchanged. */
CR_MUST_USE cr_status cr_cell_set_add(cr_cell_set *set, uint64_t key, bool *added, cr_error *err);
bool cr_cell_set_has(const cr_cell_set *set, uint64_t key);

/* How many keys were added before this one; -1 when it is not in the set. */
int64_t cr_cell_set_position(const cr_cell_set *set, uint64_t key);
void cr_cell_set_free(cr_cell_set *set);

#endif
