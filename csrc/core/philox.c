/* Philox streams. This file is compiled for the baseline instruction set only, so that the bits of a stream do not
 * depend on the processor the program runs on. Fills work on tiles of a fixed number of blocks; a tile is always
 * computed completely, so that every element goes through the same code wherever a chunk begins or ends. */
#include "philox.h"

#include <math.h>
#include <string.h>

#include "vecmath.h"

enum { TILE_BLOCKS = 16, TILE_WORDS = 4 * TILE_BLOCKS };

void cr_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t left = (uint64_t)0xD2511F53u * c0;
        const uint64_t right = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(right >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)right;
        c2 = (uint32_t)(left >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)left;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

cr_philox cr_philox_stream(uint64_t seed, uint32_t purpose, uint64_t step)
{
    const uint32_t seed_words[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {purpose, 0x63726c73u /* "crls" */, 0x6f000000u /* "o" */, 0};
    uint32_t words[4];
    cr_philox_block(counter, seed_words, words);
    return (cr_philox){.key = {words[0], words[1]}, .step = step};
}

/* The words of TILE_BLOCKS blocks from `block` on. */
static void tile_u32(const cr_philox *stream, uint64_t block, uint32_t *out)
{
    for (unsigned b = 0; b < TILE_BLOCKS; b++) {
        const uint64_t number = block + b;
        const uint32_t counter[4] = {(uint32_t)number, (uint32_t)(number >> 32), (uint32_t)stream->step,
                                     (uint32_t)(stream->step >> 32)};
        cr_philox_block(counter, stream->key, out + 4 * b);
    }
}

static void tile_u64(const cr_philox *stream, uint64_t block, uint64_t *out)
{
    uint32_t words[TILE_WORDS];
    tile_u32(stream, block, words);
    for (int i = 0; i < TILE_WORDS / 2; i++)
        out[i] = words[2 * i] | (uint64_t)words[2 * i + 1] << 32;
}

static void tile_uniform_f32(const cr_philox *stream, uint64_t block, float *out)
{
    uint32_t words[TILE_WORDS];
    tile_u32(stream, block, words);
    for (int i = 0; i < TILE_WORDS; i++)
        out[i] = (float)(int32_t)(words[i] >> 8) * 0x1p-24f;
}

static void tile_uniform_f64(const cr_philox *stream, uint64_t block, double *out)
{
    uint64_t words[TILE_WORDS / 2];
    tile_u64(stream, block, words);
    for (int i = 0; i < TILE_WORDS / 2; i++)
        out[i] = (double)(int64_t)(words[i] >> 11) * 0x1p-53;
}

/* The normal pair of two words: radius sqrt(-2 log u) from the first, with u = (1 + its upper 31 bits) / 2^31, and
 * angle (pi/2)(quadrant + f) from the second, with f in [-1/2, 1/2) (the lower 30 bits) and the quadrant its upper
 * two bits. sin and cos of (pi/2) f are polynomials in f^2. */
static void tile_normal_f32(const cr_philox *stream, uint64_t block, float *out)
{
    uint32_t words[TILE_WORDS];
    tile_u32(stream, block, words);
    for (int i = 0; i < TILE_WORDS / 2; i++) {
        const uint32_t second = words[2 * i + 1];
        const float u = ((float)(int32_t)(words[2 * i] >> 1) + 1.0f) * 0x1p-31f;
        const float radius = sqrtf(-2.0f * cr_log_f32(u));
        const float f = (float)((int32_t)(second & 0x3fffffffu) - 0x20000000) * 0x1p-30f;
        const float z = f * f;
        float sine = -0x1.2f7c3ep-8f;
        sine = sine * z + 0x1.466be6p-4f;
        sine = sine * z - 0x1.4abbeep-1f;
        sine = (sine * z + 0x1.921fb6p+0f) * f;
        float cosine = 0x1.d61e28p-11f;
        cosine = cosine * z - 0x1.55b684p-6f;
        cosine = cosine * z + 0x1.03c1b6p-2f;
        cosine = cosine * z - 0x1.3bd3ccp+0f;
        cosine = cosine * z + 1.0f;
        const uint32_t odd = second & 0x40000000u;
        const uint32_t cosine_sign = (second + 0x40000000u) & 0x80000000u;
        const uint32_t sine_sign = second & 0x80000000u;
        const float a = odd ? sine : cosine;
        const float b = odd ? cosine : sine;
        out[2 * i] = radius * cr_from_bits_f32(cr_bits_f32(a) ^ cosine_sign);
        out[2 * i + 1] = radius * cr_from_bits_f32(cr_bits_f32(b) ^ sine_sign);
    }
}

/* As above with u = 1 - (upper 52 bits) / 2^52 and f from the 52 bits below the quadrant. */
static void tile_normal_f64(const cr_philox *stream, uint64_t block, double *out)
{
    uint64_t words[TILE_WORDS / 2];
    tile_u64(stream, block, words);
    for (int i = 0; i < TILE_WORDS / 4; i++) {
        const uint64_t second = words[2 * i + 1];
        const double u = 2.0 - cr_from_bits_f64(words[2 * i] >> 12 | 0x3ff0000000000000u);
        const double radius = sqrt(-2.0 * cr_log_f64(u));
        const double f = cr_from_bits_f64((second << 2) >> 12 | 0x3ff0000000000000u) - 1.5;
        const double z = f * f;
        double sine = 0x1.e356905f06f74p-25;
        sine = sine * z - 0x1.e2fe733e88a92p-19;
        sine = sine * z + 0x1.50782d5b6b2d1p-13;
        sine = sine * z - 0x1.32d2ccdfe644ap-8;
        sine = sine * z + 0x1.466bc67754fe4p-4;
        sine = sine * z - 0x1.4abbce625be09p-1;
        sine = (sine * z + 0x1.921fb54442d18p+0) * f;
        double cosine = -0x1.b14b5b3de0d19p-28;
        cosine = cosine * z + 0x1.f9c840cb5747p-22;
        cosine = cosine * z - 0x1.a6d1e6b52f412p-16;
        cosine = cosine * z + 0x1.e1f5067b057f8p-11;
        cosine = cosine * z - 0x1.55d3c7e3c2d7bp-6;
        cosine = cosine * z + 0x1.03c1f081b5a65p-2;
        cosine = cosine * z - 0x1.3bd3cc9be45dep+0;
        cosine = cosine * z + 1.0;
        const uint64_t odd = second & 0x4000000000000000u;
        const uint64_t cosine_sign = (second + 0x4000000000000000u) & 0x8000000000000000u;
        const uint64_t sine_sign = second & 0x8000000000000000u;
        const double a = odd ? sine : cosine;
        const double b = odd ? cosine : sine;
        out[2 * i] = radius * cr_from_bits_f64(cr_bits_f64(a) ^ cosine_sign);
        out[2 * i + 1] = radius * cr_from_bits_f64(cr_bits_f64(b) ^ sine_sign);
    }
}

/* A fill from its tiles: `per_block` elements per Philox block; the first tile may be entered inside a block. */
#define DEFINE_FILL(name, type, per_block, make_tile)                                    \
    void name(const cr_philox *stream, uint64_t first, type *out, size_t n)              \
    {                                                                                    \
        type tile[TILE_BLOCKS * (per_block)];                                            \
        uint64_t block = first / (per_block);                                            \
        size_t skip = (size_t)(first % (per_block));                                     \
        while (n > 0) {                                                                  \
            const size_t available = TILE_BLOCKS * (per_block) - skip;                   \
            const size_t take = n < available ? n : available;                           \
            make_tile(stream, block, tile);                                              \
            memcpy(out, tile + skip, take * sizeof *out);                                \
            out += take;                                                                 \
            n -= take;                                                                   \
            block += TILE_BLOCKS;                                                        \
            skip = 0;                                                                    \
        }                                                                                \
    }

DEFINE_FILL(cr_philox_u32, uint32_t, 4, tile_u32)
DEFINE_FILL(cr_philox_u64, uint64_t, 2, tile_u64)
DEFINE_FILL(cr_philox_uniform_f32, float, 4, tile_uniform_f32)
DEFINE_FILL(cr_philox_uniform_f64, double, 2, tile_uniform_f64)
DEFINE_FILL(cr_philox_normal_f32, float, 4, tile_normal_f32)
DEFINE_FILL(cr_philox_normal_f64, double, 2, tile_normal_f64)

/* floor(a b / 2^64) */
static uint64_t multiply_high(uint64_t a, uint64_t b)
{
    const uint64_t a_low = (uint32_t)a, a_high = a >> 32;
    const uint64_t b_low = (uint32_t)b, b_high = b >> 32;
    const uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    const uint64_t carry = a_low * b_high + (uint32_t)middle;
    return a_high * b_high + (middle >> 32) + (carry >> 32);
}

void cr_philox_integers(const cr_philox *stream, uint64_t first, uint64_t high, int64_t *out, size_t n)
{
    uint64_t words[TILE_WORDS / 2];
    while (n > 0) {
        const size_t take = n < TILE_WORDS / 2 ? n : TILE_WORDS / 2;
        cr_philox_u64(stream, first, words, take);
        for (size_t i = 0; i < take; i++)
            out[i] = (int64_t)multiply_high(words[i], high);
        out += take;
        n -= take;
        first += take;
    }
}

void cr_philox_permutation(const cr_philox *stream, int64_t *out, size_t n)
{
    uint64_t words[TILE_WORDS / 2];
    for (size_t i = 0; i < n; i++) {
        const size_t place = i % (TILE_WORDS / 2);
        if (place == 0)
            tile_u64(stream, i / 2, words);
        const size_t j = (size_t)multiply_high(words[place], (uint64_t)i + 1);
        out[i] = j < i ? out[j] : 0;
        out[j] = (int64_t)i;
    }
}
