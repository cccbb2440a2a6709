/* Counter-based random streams: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
 * as 1, 2, 3" (SC 2011).
 *
 * A stream is named by (seed, purpose, step) and has no state: element i of a fill is a function of the stream and
 * of i alone. `first` is the index of out[0], so a fill cut into chunks anywhere, in any order and on any
 * threads writes the same bits as one call. All kinds of fill use the same bits (a uniform and a normal fill of one
 * stream are dependent), so give every use a purpose of its own. Streams are values; all functions are pure, thread
 * safe and cannot fail. n = 0 touches nothing and allows out = NULL. Indices wrap modulo 2^64.
 *
 * Layout: block b of a stream is Philox(counter = (b, step), key), where the 64-bit key is the first half of
 * Philox(counter = (purpose, "crlso", 0, 0), seed). The 32-bit words of block b are number 4b .. 4b + 3, the 64-bit
 * words 2b and 2b + 1 (low half first).
 */
#ifndef CR_CORE_PHILOX_H
#define CR_CORE_PHILOX_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t key[2];
    uint64_t step;
} cr_philox;

/* The bijection itself: ten rounds on a 128-bit counter under a 64-bit key; out may be counter. */
void cr_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The stream of (seed, purpose, step). */
cr_philox cr_philox_stream(uint64_t seed, uint32_t purpose, uint64_t step);

/* Uniform words of 32 and 64 bits. */
void cr_philox_u32(const cr_philox *stream, uint64_t first, uint32_t *out, size_t n);
void cr_philox_u64(const cr_philox *stream, uint64_t first, uint64_t *out, size_t n);

/* Uniform numbers in [0, 1), multiples of 2^-24 and 2^-53. */
void cr_philox_uniform_f32(const cr_philox *stream, uint64_t first, float *out, size_t n);
void cr_philox_uniform_f64(const cr_philox *stream, uint64_t first, double *out, size_t n);

/* Standard normal numbers (Box-Muller; elements 2j and 2j + 1 share a radius). |out| < 6.6 in single and < 8.5 in
 * double precision, the largest radii that 31 and 52 bits can express. */
void cr_philox_normal_f32(const cr_philox *stream, uint64_t first, float *out, size_t n);
void cr_philox_normal_f64(const cr_philox *stream, uint64_t first, double *out, size_t n);

/* Integers in [0, high), high >= 1, as floor(word64 * high / 2^64): the probability of a value departs from
 * 1 / high by less than 2^-64, so the relative bias is below high / 2^64. high <= 2^63. */
void cr_philox_integers(const cr_philox *stream, uint64_t first, uint64_t high, int64_t *out, size_t n);

/* A permutation of 0 .. n - 1 (Fisher-Yates from inside out; draw i is one of i + 1 indices). All of it depends
 * on n: it is not a fill and has no `first`. */
void cr_philox_permutation(const cr_philox *stream, int64_t *out, size_t n);

#endif
