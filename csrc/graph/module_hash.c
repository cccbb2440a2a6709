#include "module_hash.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../core/threads.h"

#define VERTICES CR_NB101_VERTICES
#define INNER CR_NB101_INNER
#define HEX (2 * CR_MD5_SIZE)

typedef struct {
    int n; /* vertices, input and output included; the output is number n - 1 */
    int label[VERTICES];
    bool edge[VERTICES][VERTICES]; /* [source][target] */
} module;

typedef char hex_digest[HEX];

static bool codes_in_range(const uint8_t codes[CR_NB101_CODES])
{
    for (int i = 0; i < CR_NB101_CODES; i++)
        if (codes[i] > (i < INNER ? CR_NB101_OPS : 1))
            return false;
    return true;
}

/* False when an edge touches a vertex that does not exist, or a vertex that exists comes after one that does not. */
static bool read_module(const uint8_t codes[CR_NB101_CODES], module *m)
{
    int inner = 0;
    while (inner < INNER && codes[inner] > 0)
        inner++;
    for (int i = inner; i < INNER; i++)
        if (codes[i] > 0)
            return false;
    *m = (module){.n = inner + 2};
    m->label[0] = -1;
    for (int i = 0; i < inner; i++)
        m->label[i + 1] = codes[i] - 1;
    m->label[inner + 1] = -2;
    const uint8_t *bit = codes + INNER;
    for (int target = 1; target < VERTICES; target++)
        for (int source = 0; source < target; source++) {
            if (*bit++ == 0)
                continue;
            const bool to_output = target == VERTICES - 1;
            if (source > inner || (target > inner && !to_output))
                return false;
            m->edge[source][to_output ? inner + 1 : target] = true;
        }
    return true;
}

static void degrees(const module *m, int vertex, int *in, int *out)
{
    *in = *out = 0;
    for (int w = 0; w < m->n; w++) {
        *in += m->edge[w][vertex];
        *out += m->edge[vertex][w];
    }
}

static bool is_pruned(const module *m)
{
    for (int v = 0; v < m->n; v++) {
        int in, out;
        degrees(m, v, &in, &out);
        if ((in == 0 && v > 0) || (out == 0 && v < m->n - 1))
            return false;
    }
    return true;
}

static void hex_md5(const char *text, size_t length, hex_digest out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[CR_MD5_SIZE];
    cr_md5(text, length, digest);
    for (int i = 0; i < CR_MD5_SIZE; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
}

static void sort_digests(hex_digest *list, int n)
{
    for (int i = 1; i < n; i++) {
        hex_digest moved;
        memcpy(moved, list[i], HEX);
        int j = i;
        for (; j > 0 && memcmp(list[j - 1], moved, HEX) > 0; j--)
            memcpy(list[j], list[j - 1], HEX);
        memcpy(list[j], moved, HEX);
    }
}

/* Appends the sorted hashes of a vertex's predecessors or successors and a bar; returns the new length. */
static size_t append_neighbours(const module *m, int vertex, bool before, hex_digest *hashes, char *text, size_t length)
{
    hex_digest found[VERTICES];
    int n = 0;
    for (int w = 0; w < m->n; w++)
        if (before ? m->edge[w][vertex] : m->edge[vertex][w])
            memcpy(found[n++], hashes[w], HEX);
    sort_digests(found, n);
    memcpy(text + length, found, (size_t)n * HEX);
    length += (size_t)n * HEX;
    text[length++] = '|';
    return length;
}

static void hash_module(const module *m, uint8_t out[CR_MD5_SIZE])
{
    hex_digest hashes[VERTICES], next[VERTICES];
    char text[(VERTICES + 1) * (HEX + 4)];
    for (int v = 0; v < m->n; v++) {
        int in_degree, out_degree;
        degrees(m, v, &in_degree, &out_degree);
        const int length = snprintf(text, sizeof text, "(%d, %d, %d)", out_degree, in_degree, m->label[v]);
        hex_md5(text, (size_t)length, hashes[v]);
    }
    for (int round = 0; round < m->n; round++) {
        for (int v = 0; v < m->n; v++) {
            size_t length = append_neighbours(m, v, true, hashes, text, 0);
            length = append_neighbours(m, v, false, hashes, text, length);
            memcpy(text + length, hashes[v], HEX);
            hex_md5(text, length + HEX, next[v]);
        }
        memcpy(hashes, next, sizeof hashes);
    }
    sort_digests(hashes, m->n);
    size_t length = 0;
    for (int v = 0; v < m->n; v++) {
        memcpy(text + length, v == 0 ? "['" : ", '", v == 0 ? 2 : 3);
        length += v == 0 ? 2 : 3;
        memcpy(text + length, hashes[v], HEX);
        length += HEX;
        text[length++] = '\'';
    }
    text[length++] = ']';
    cr_md5(text, length, out);
}

typedef struct {
    const uint8_t *codes;
    size_t n, n_chunks;
    uint8_t (*hashes)[CR_MD5_SIZE];
} hash_job;

static void hash_chunk(void *context, size_t chunk)
{
    const hash_job *job = context;
    size_t begin, end;
    cr_chunk_range(job->n, job->n_chunks, chunk, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        module m;
        if (read_module(job->codes + CR_NB101_CODES * i, &m)) /* as the check before has seen */
            hash_module(&m, job->hashes[i]);
    }
}

static cr_status check_cell(const uint8_t codes[CR_NB101_CODES], size_t i, cr_error *err)
{
    module m;
    if (!codes_in_range(codes))
        return cr_fail(err, CR_ERR_VALUE, "codes: expected operations 0 to %d and edges 0 or 1, got others in cell %zu",
                       CR_NB101_OPS, i);
    if (!read_module(codes, &m) || !is_pruned(&m))
        return cr_fail(err, CR_ERR_VALUE,
                       "codes: expected pruned cells (present vertices first, each on a path from input to output), "
                       "cell %zu is not", i);
    return CR_OK;
}

cr_status cr_nb101_hash(const uint8_t *codes, size_t n, uint8_t (*hashes)[CR_MD5_SIZE], cr_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const cr_status status = check_cell(codes + CR_NB101_CODES * i, i, err);
        if (status != CR_OK)
            return status;
    }
    hash_job job = {codes, n, cr_chunk_count(n, 30000), hashes};
    cr_parallel(job.n_chunks, hash_chunk, &job);
    return CR_OK;
}
