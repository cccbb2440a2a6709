/* Cells of the NAS-Bench-101 space: the MD5 hashes that name them, the same for isomorphic cells.
 *
 * A cell is 26 codes. Vertex 0 is the input, 6 the output, and 1 to 5 are the inner vertices. Codes 0 to 4 are the
 * operations of vertices 1 to 5: 0 no such vertex, 1 conv3x3-bn-relu, 2 conv1x1-bn-relu, 3 maxpool3x3. Codes 5 to 25
 * say which of the 21 possible edges there are, by target and then source: (0,1), (0,2), (1,2), (0,3), ..., (5,6).
 *
 * A cell has a name when it is pruned: the vertices that exist come first, an edge enters and an edge leaves each of
 * them, an edge enters the output, and no edge touches a vertex that does not exist.
 *
 * Source: C. Ying et al., "NAS-Bench-101", arXiv 1902.09635. The hash starts as the MD5 of each vertex's text
 * "(out-degree, in-degree, label)", label -1 for the input, -2 for the output, else the operation's code less 1. In as
 * many rounds as there are vertices, each vertex becomes the MD5 of the sorted hashes of its predecessors, "|", those
 * of its successors, "|" and its own, all in hexadecimal. The name is the MD5 of the sorted hashes, written as
 * "['...', '...']".
 */
#ifndef CR_GRAPH_NASBENCH101_H
#define CR_GRAPH_NASBENCH101_H

#include <stddef.h>
#include <stdint.h>

#include "../core/md5.h"
#include "../core/status.h"

#define CR_NB101_VERTICES 7
#define CR_NB101_INNER (CR_NB101_VERTICES - 2)
#define CR_NB101_OPS 3
#define CR_NB101_EDGES (CR_NB101_VERTICES * (CR_NB101_VERTICES - 1) / 2) /* 21 */
#define CR_NB101_CODES (CR_NB101_INNER + CR_NB101_EDGES)                 /* 26 */

/* Checks the cells from begin to end (not included). CR_ERR_VALUE names the first that is not pruned or has a code outside
 * its range. */
CR_MUST_USE cr_status cr_nb101_check(const uint8_t *codes, size_t begin, size_t end, cr_error *err);

/* hashes[i] = the hash of cell i, for n cells one after the other. A cell takes about 30 microseconds, and the threads
 * share the cells. CR_ERR_VALUE as in cr_nb101_check; hashes is then undefined. */
CR_MUST_USE cr_status cr_nb101_hash(const uint8_t *codes, size_t n, uint8_t (*hashes)[CR_MD5_SIZE], cr_error *err);

/* channels[i] = the channels of each inner vertex of cell i, in units of the output's: the vertices that lead to the output
 * share its channels, another vertex has as many as the largest vertex that it leads to. weights[i] = the weights of the
 * network in units of the output's channels squared, where an edge from the input is a projection, and 0.001, so that they
 * have a logarithm. For the cells from begin to end (not included), which may have vertices that lead nowhere.
 * CR_ERR_VALUE names the first that has a code outside its range. */
CR_MUST_USE cr_status cr_nb101_channels(const uint8_t *codes, size_t begin, size_t end,
                                        double (*channels)[CR_NB101_INNER], double *weights, cr_error *err);

#endif
