#include "crc32c.h"

#include <pthread.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */
#define SLICES 8

/* Entry [k][b] is the remainder of byte b followed by k zero bytes: eight bytes are taken at a time, each by the table
 * for its distance from the last (M. Kounavis, F. Berry, "Novel table lookup-based algorithms", 2008). */
static uint32_t remainders[SLICES][256];
static pthread_once_t remainders_once = PTHREAD_ONCE_INIT;

static void make_remainders(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        remainders[0][b] = crc;
    }
    for (int k = 1; k < SLICES; k++)
        for (int b = 0; b < 256; b++)
            remainders[k][b] = remainders[k - 1][b] >> 8 ^ remainders[0][remainders[k - 1][b] & 255];
}

uint32_t cr_crc32c(const void *data, size_t size)
{
    pthread_once(&remainders_once, make_remainders);
    const uint8_t *bytes = data;
    uint32_t crc = UINT32_MAX;
    for (; size >= SLICES; size -= SLICES, bytes += SLICES) {
        uint32_t next = 0;
        for (int i = 0; i < SLICES; i++) {
            const uint32_t byte = bytes[i] ^ (i < 4 ? crc >> 8 * i & 255 : 0);
            next ^= remainders[SLICES - 1 - i][byte];
        }
        crc = next;
    }
    for (; size > 0; size--)
        crc = crc >> 8 ^ remainders[0][(crc ^ *bytes++) & 255];
    return ~crc;
}
