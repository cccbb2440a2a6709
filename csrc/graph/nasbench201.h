/* Cells of the NAS-Bench-201 space: strings, ranks and canonical forms.
 *
 * A cell has four nodes and one operation on each of its six edges. It is six codes in string order,
 * (1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2), each 0 none, 1 skip_connect, 2 nor_conv_1x1, 3 nor_conv_3x3 or
 * 4 avg_pool_3x3. Its rank is the number with the codes as its digits in base 5, the first code leading. The index of
 * the published table is another order, which is not used here.
 *
 * Space: X. Dong, Y. Yang, "NAS-Bench-201", arXiv 2001.00326.
 */
#ifndef CR_GRAPH_NASBENCH201_H
#define CR_GRAPH_NASBENCH201_H

#include <stddef.h>
#include <stdint.h>

#include "../core/status.h"

#define CR_NB201_NODES 4
#define CR_NB201_EDGES 6
#define CR_NB201_OPS 5
#define CR_NB201_CELLS 15625                                      /* OPS ^ EDGES */
#define CR_NB201_STRING_SIZE 104 /* the longest string, 95 characters, and its NUL fit */

typedef enum {
    CR_NB201_NONE = 0,
    CR_NB201_SKIP = 1,
    CR_NB201_CONV_1X1 = 2,
    CR_NB201_CONV_3X3 = 3,
    CR_NB201_AVG_POOL = 4
} cr_nb201_op;

/* Two definitions of equal cells.
 *
 * ISOMORPHISM is the unique string of the benchmark's authors: a node is the sorted list of its terms, a skip edge
 * is replaced by the expression of its source as one term, a none edge and an edge from a node that is just '#'
 * become the term '#'. 6,466 classes. Zero terms and no terms still differ, and so may a nested sum and a flat one.
 *
 * FUNCTION is what the cell computes: a node is the multiset of its live terms; an operation on a node is a term
 * when that node has any, a skip edge contributes the terms of its source one by one, none and operations on an
 * empty node contribute nothing. 4,930 classes, each a union of isomorphism classes. Pooling is treated like any
 * other operation: that it is linear, avg(a + b) = avg(a) + avg(b), is not used. */
typedef enum { CR_NB201_ISOMORPHISM = 0, CR_NB201_FUNCTION = 1 } cr_nb201_level;

#define CR_NB201_LEVELS 2

/* The name of operation `code`, or NULL when code >= CR_NB201_OPS. */
const char *cr_nb201_op_name(unsigned code);

/* Reads the official string `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|` of `length` bytes (no NUL needed, any
 * bytes allowed). CR_ERR_VALUE names the position (in bytes, from 0), what was expected there and what was found;
 * codes is untouched then. O(length of the valid prefix). */
CR_MUST_USE cr_status cr_nb201_parse(const char *text, size_t length, uint8_t codes[CR_NB201_EDGES], cr_error *err);

/* Writes the official string and its NUL; *length (may be NULL) is its length without the NUL.
 * CR_ERR_VALUE when a code is not below CR_NB201_OPS. */
CR_MUST_USE cr_status cr_nb201_format(const uint8_t codes[CR_NB201_EDGES], char text[CR_NB201_STRING_SIZE],
                                      size_t *length, cr_error *err);

/* *rank = sum over e of codes[e] * 5^(5 - e), in [0, 15625). CR_ERR_VALUE when a code is not below CR_NB201_OPS. */
CR_MUST_USE cr_status cr_nb201_rank(const uint8_t codes[CR_NB201_EDGES], uint32_t *rank, cr_error *err);

/* The cell of a rank. CR_ERR_INDEX when rank is not below CR_NB201_CELLS. */
CR_MUST_USE cr_status cr_nb201_unrank(uint32_t rank, uint8_t codes[CR_NB201_EDGES], cr_error *err);

/* *table = CR_NB201_CELLS entries: for each rank, the rank of the representative of its class, which is also the key
 * of the class. The representative is the member with the fewest operations (edges that are not none), then the
 * fewest edges that are neither none nor skip_connect, then the smallest rank; so it represents itself.
 * The first call computes the table, in about a millisecond; only then is CR_ERR_MEMORY possible. The table is
 * constant and lives as long as the process. Any number of threads may call. CR_ERR_VALUE when level is unknown. */
CR_MUST_USE cr_status cr_nb201_classes(cr_nb201_level level, const uint16_t **table, cr_error *err);

#endif
