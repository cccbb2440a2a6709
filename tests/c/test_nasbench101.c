// sources: csrc/core/status.c csrc/core/md5.c csrc/core/crc32c.c csrc/core/threads.c csrc/graph/nasbench101.c
/* MD5 against RFC 1321, CRC-32C against RFC 3720, module hashes against published ones; what is no pruned cell. */
#include "core/crc32c.h"
#include "core/md5.h"
#include "core/threads.h"
#include "graph/nasbench101.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { CODES = CR_NB101_CODES };

static cr_error err;

static int is_hex(const uint8_t digest[CR_MD5_SIZE], const char *expected)
{
    char text[2 * CR_MD5_SIZE + 1];
    for (int i = 0; i < CR_MD5_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return strcmp(text, expected) == 0;
}

static void md5_vectors(void)
{
    static const char *const vectors[7][2] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    uint8_t digest[CR_MD5_SIZE];
    for (int i = 0; i < 7; i++) {
        cr_md5(vectors[i][0], strlen(vectors[i][0]), digest);
        CHECK(is_hex(digest, vectors[i][1]), "vector %d", i);
    }
    cr_md5(NULL, 0, digest);
    CHECK(is_hex(digest, vectors[0][1]), "no bytes at all");
}

/* Lengths around the ends of blocks, in buffers of just that size; the digests of all are hashed again. */
static void md5_lengths(void)
{
    enum { LENGTHS = 200 };
    uint8_t digests[LENGTHS][CR_MD5_SIZE], total[CR_MD5_SIZE];
    for (size_t n = 0; n < LENGTHS; n++) {
        uint8_t *bytes = malloc(n);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(7 * i + n);
        cr_md5(bytes, n, digests[n]);
        free(bytes);
    }
    cr_md5(digests, sizeof digests, total);
    CHECK(is_hex(total, "0e31983fb09e7f80b96e5ec823d6bb1a"), "md5 of the digests"); /* by Python's hashlib */
}

static void crc_vectors(void)
{
    uint8_t bytes[32];
    CHECK(cr_crc32c(NULL, 0) == 0, "no bytes");
    CHECK(cr_crc32c("123456789", 9) == 0xe3069283, "digits");
    memset(bytes, 0, sizeof bytes);
    CHECK(cr_crc32c(bytes, 32) == 0x8a9136aa, "zeros");
    memset(bytes, 255, sizeof bytes);
    CHECK(cr_crc32c(bytes, 32) == 0x62a8ab43, "ones");
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    CHECK(cr_crc32c(bytes, 32) == 0x46dd794e, "ascending");
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    CHECK(cr_crc32c(bytes, 32) == 0x113fdb5c, "descending");
}

/* The first cell of the published file: 3x3, pool, 3x3, 3x3, 1x1. */
static const uint8_t first_cell[CODES] = {1, 3, 1, 1, 2, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1};

static void first_published_hash(void)
{
    uint8_t hash[1][CR_MD5_SIZE];
    CHECK(cr_nb101_hash(first_cell, 1, hash, &err) == CR_OK, "%s", err.text);
    CHECK(is_hex(hash[0], "00005c142e6f48ac74fdcf73e3439874"), "the first cell");
}

static void many_cells_on_threads(void)
{
    enum { N = 3000 };
    static uint8_t codes[N][CODES], hashes[N][CR_MD5_SIZE];
    for (int i = 0; i < N; i++) {
        memcpy(codes[i], first_cell, CODES);
        codes[i][i % 5] = (uint8_t)(1 + i / 5 % 3);
    }
    CHECK(cr_threads_set(4, &err) == CR_OK, "%s", err.text);
    CHECK(cr_nb101_hash(codes[0], N, hashes, &err) == CR_OK, "%s", err.text);
    for (int i = 0; i < N; i++) {
        uint8_t alone[1][CR_MD5_SIZE];
        CHECK(cr_nb101_hash(codes[i], 1, alone, &err) == CR_OK, "%s", err.text);
        CHECK(memcmp(alone[0], hashes[i], CR_MD5_SIZE) == 0, "cell %d", i);
    }
    CHECK(cr_nb101_hash(NULL, 0, NULL, &err) == CR_OK, "no cells");
    CHECK(cr_threads_set(1, &err) == CR_OK, "%s", err.text);
}

static void refuses(int slot, uint8_t value, const char *expected)
{
    uint8_t codes[2][CODES], hashes[2][CR_MD5_SIZE];
    memcpy(codes[0], first_cell, CODES);
    memcpy(codes[1], first_cell, CODES);
    codes[1][slot] = value;
    CHECK(cr_nb101_hash(codes[0], 2, hashes, &err) == CR_ERR_VALUE, "slot %d, value %d", slot, value);
    CHECK(strstr(err.text, expected) != NULL, "slot %d: %s", slot, err.text);
    CHECK(strstr(err.text, "cell 1") != NULL, "slot %d: %s", slot, err.text);
}

static void no_cells(void)
{
    refuses(0, 4, "operations 0 to 3");
    refuses(4, 255, "operations 0 to 3");
    refuses(5, 2, "edges 0 or 1");
    refuses(25, 255, "edges 0 or 1");
    refuses(2, 0, "pruned"); /* a hole among the vertices */
    refuses(4, 0, "pruned"); /* edges of a vertex that does not exist */
    refuses(25, 0, "pruned"); /* nothing leaves vertex 5 */
    refuses(5, 0, "pruned"); /* nothing enters vertex 1 */
}

/* Any bytes give a status and never touch memory they should not. */
static void random_bytes(void)
{
    uint32_t state = 12345;
    for (int round = 0; round < 20000; round++) {
        uint8_t codes[CODES], hash[1][CR_MD5_SIZE];
        for (int i = 0; i < CODES; i++) {
            state = state * 1664525 + 1013904223;
            codes[i] = (uint8_t)((state >> 24) % (i < 5 ? 4 : 2));
        }
        const cr_status status = cr_nb101_hash(codes, 1, hash, NULL);
        CHECK(status == CR_OK || status == CR_ERR_VALUE, "status %d", (int)status);
    }
}

int main(void)
{
    RUN(md5_vectors);
    RUN(md5_lengths);
    RUN(crc_vectors);
    RUN(first_published_hash);
    RUN(many_cells_on_threads);
    RUN(no_cells);
    RUN(random_bytes);
    return check_finish("test_nasbench101");
}
