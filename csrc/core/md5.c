#include "md5.h"

#include <string.h>

#define BLOCK 64

/* Word i is the whole part of 2^32 |sin(i + 1)|. */
static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static const uint8_t rotations[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t load_word(const uint8_t bytes[4])
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void store_word(uint32_t word, uint8_t bytes[4])
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(word >> 8 * i);
}

/* Sixteen steps with one mixing function; `word` is the word that step i of the round takes. */
#define ROUND(round, mixed, word)                                                                      \
    for (int i = 0; i < 16; i++) {                                                                     \
        const uint32_t sum = a + (mixed) + words[(word) % 16] + sines[16 * (round) + i];               \
        const int turn = rotations[round][i % 4];                                                      \
        a = d;                                                                                         \
        d = c;                                                                                         \
        c = b;                                                                                         \
        b += sum << turn | sum >> (32 - turn);                                                         \
    }

static void absorb_block(uint32_t state[4], const uint8_t block[BLOCK])
{
    uint32_t words[16], a = state[0], b = state[1], c = state[2], d = state[3];
    for (int i = 0; i < 16; i++)
        words[i] = load_word(block + 4 * i);
    ROUND(0, (b & c) | (~b & d), i)
    ROUND(1, (b & d) | (c & ~d), 5 * i + 1)
    ROUND(2, b ^ c ^ d, 3 * i + 5)
    ROUND(3, c ^ (b | ~d), 7 * i)
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void cr_md5(const void *data, size_t size, uint8_t digest[CR_MD5_SIZE])
{
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    const uint8_t *bytes = data;
    size_t rest = size;
    for (; rest >= BLOCK; rest -= BLOCK, bytes += BLOCK)
        absorb_block(state, bytes);
    /* The remaining bytes, a one bit, zeros, and the length in bits in the last eight bytes of a block. */
    uint8_t tail[2 * BLOCK] = {0};
    if (rest > 0)
        memcpy(tail, bytes, rest);
    tail[rest] = 0x80;
    const size_t padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    const uint64_t bits = (uint64_t)size * 8;
    store_word((uint32_t)bits, tail + padded - 8);
    store_word((uint32_t)(bits >> 32), tail + padded - 4);
    for (size_t i = 0; i < padded; i += BLOCK)
        absorb_block(state, tail + i);
    for (int i = 0; i < 4; i++)
        store_word(state[i], digest + 4 * i);
}
