/* What was computed for some graphs, so that the next call need not: a table from codes to values.
 *
 * It is for one caller at a time. When it is full, all is forgotten.
 */
#ifndef CR_NN_KNOWN_H
#define CR_NN_KNOWN_H

#include <stddef.h>
#include <stdint.h>

#include "../core/status.h"

typedef struct cr_known cr_known;

/* FNV-1a of `length` codes and a number. */
uint64_t cr_hash_codes(uint32_t number, const uint8_t *codes, size_t length);

/* An empty table of at most `capacity` graphs, at least 1, with values of `bytes` bytes. Memory is taken at the first
 * addition. */
CR_MUST_USE cr_status cr_known_new(size_t capacity, size_t length, size_t bytes, cr_known **out, cr_error *err);
void cr_known_release(cr_known *known); /* NULL is allowed */

/* The values of a graph, or NULL. A graph is its number and its codes. They are valid until the next addition. */
const void *cr_known_find(const cr_known *known, uint32_t number, const uint8_t *codes);

/* Adds n different graphs, graph[i] of numbers, codes and values; those that are known stay as they are. None when they are more than half of the
 * capacity, or when there is no memory for a table. */
void cr_known_add(cr_known *known, size_t n, const uint32_t *graph, const uint32_t *numbers, const uint8_t *const *codes,
                  const void *values);

#endif
