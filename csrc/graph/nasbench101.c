#include "nasbench101.h"

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
} cell_t;

typedef char hex_digest[HEX];

static bool codes_in_range(const uint8_t codes[CR_NB101_CODES])
{
    for (int i = 0; i < CR_NB101_CODES; i++)
        if (codes[i] > (i < INNER ? CR_NB101_OPS : 1))
            return false;
    return true;
}

/* Reads a cell from its codes. False when an edge touches a vertex that does not exist, or when a vertex that exists
 * comes after one that does not. */
static bool read_cell(const uint8_t codes[CR_NB101_CODES], cell_t *cell)
{
    int inner = 0;
    while (inner < INNER && codes[inner] > 0)
        inner++;
    for (int i = inner; i < INNER; i++)
        if (codes[i] > 0)
            return false;
    *cell = (cell_t){.n = inner + 2};
    cell->label[0] = -1;
    for (int i = 0; i < inner; i++)
        cell->label[i + 1] = codes[i] - 1;
    cell->label[inner + 1] = -2;
    const uint8_t *bit = codes + INNER;
    for (int target = 1; target < VERTICES; target++)
        for (int source = 0; source < target; source++) {
            if (*bit++ == 0)
                continue;
            const bool to_output = target == VERTICES - 1;
            if (source > inner || (target > inner && !to_output))
                return false;
            cell->edge[source][to_output ? inner + 1 : target] = true;
        }
    return true;
}

/* *in and *out = the numbers of edges into and out of a vertex. */
static void count_degrees(const cell_t *cell, int vertex, int *in, int *out)
{
    *in = *out = 0;
    for (int w = 0; w < cell->n; w++) {
        *in += cell->edge[w][vertex];
        *out += cell->edge[vertex][w];
    }
}

static bool is_pruned(const cell_t *cell)
{
    for (int v = 0; v < cell->n; v++) {
        int in, out;
        count_degrees(cell, v, &in, &out);
        if ((in == 0 && v > 0) || (out == 0 && v < cell->n - 1))
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
static size_t append_neighbours(const cell_t *cell, int vertex, bool before, hex_digest *hashes, char *text,
                                size_t length)
{
    hex_digest found[VERTICES];
    int n = 0;
    for (int w = 0; w < cell->n; w++)
        if (before ? cell->edge[w][vertex] : cell->edge[vertex][w])
            memcpy(found[n++], hashes[w], HEX);
    sort_digests(found, n);
    memcpy(text + length, found, (size_t)n * HEX);
    length += (size_t)n * HEX;
    text[length++] = '|';
    return length;
}

static void hash_cell(const cell_t *cell, uint8_t out[CR_MD5_SIZE])
{
    hex_digest hashes[VERTICES], next[VERTICES];
    char text[(VERTICES + 1) * (HEX + 4)];
    for (int v = 0; v < cell->n; v++) {
        int in_degree, out_degree;
        count_degrees(cell, v, &in_degree, &out_degree);
        const int length = snprintf(text, sizeof text, "(%d, %d, %d)", out_degree, in_degree, cell->label[v]);
        hex_md5(text, (size_t)length, hashes[v]);
    }
    for (int round = 0; round < cell->n; round++) {
        for (int v = 0; v < cell->n; v++) {
            size_t length = append_neighbours(cell, v, true, hashes, text, 0);
            length = append_neighbours(cell, v, false, hashes, text, length);
            memcpy(text + length, hashes[v], HEX);
            hex_md5(text, length + HEX, next[v]);
        }
        memcpy(hashes, next, sizeof hashes);
    }
    sort_digests(hashes, cell->n);
    size_t length = 0;
    for (int v = 0; v < cell->n; v++) {
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
} hashing_t;

static void hash_chunk(void *context, size_t chunk)
{
    const hashing_t *hashing = context;
    size_t begin, end;
    cr_chunk_range(hashing->n, hashing->n_chunks, chunk, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        cell_t cell;
        if (read_cell(hashing->codes + CR_NB101_CODES * i, &cell)) /* true, since check_codes has passed */
            hash_cell(&cell, hashing->hashes[i]);
    }
}

/* Fails unless cell `i` has codes in their ranges. */
static cr_status check_range(const uint8_t codes[CR_NB101_CODES], size_t i, cr_error *err)
{
    if (codes_in_range(codes))
        return CR_OK;
    return cr_fail(err, CR_ERR_VALUE, "codes: expected operations 0 to %d and edges 0 or 1, got others in cell %zu",
                   CR_NB101_OPS, i);
}

/* Fails unless cell `i` has valid codes and is pruned. */
static cr_status check_codes(const uint8_t codes[CR_NB101_CODES], size_t i, cr_error *err)
{
    cell_t cell;
    const cr_status status = check_range(codes, i, err);
    if (status != CR_OK)
        return status;
    if (!read_cell(codes, &cell) || !is_pruned(&cell))
        return cr_fail(err, CR_ERR_VALUE,
                       "codes: expected pruned cells (present vertices first, each on a path from input to output), "
                       "cell %zu is not", i);
    return CR_OK;
}

cr_status cr_nb101_check(const uint8_t *codes, size_t begin, size_t end, cr_error *err)
{
    cr_status status = CR_OK;
    for (size_t i = begin; i < end && status == CR_OK; i++)
        status = check_codes(codes + CR_NB101_CODES * i, i, err);
    return status;
}

cr_status cr_nb101_hash(const uint8_t *codes, size_t n, uint8_t (*hashes)[CR_MD5_SIZE], cr_error *err)
{
    const cr_status status = cr_nb101_check(codes, 0, n, err);
    if (status != CR_OK)
        return status;
    hashing_t hashing = {codes, n, cr_chunk_count(n, 30000), hashes};
    cr_parallel(hashing.n_chunks, hash_chunk, &hashing);
    return CR_OK;
}

/* Whether there is an edge, by its code. */
static bool has_edge(const uint8_t codes[CR_NB101_CODES], int source, int target)
{
    return codes[INNER + target * (target - 1) / 2 + source] > 0;
}

static void find_channels(const uint8_t codes[CR_NB101_CODES], double channels[INNER])
{
    const int output = VERTICES - 1;
    int into_output = 0;
    for (int vertex = 1; vertex < output; vertex++)
        into_output += has_edge(codes, vertex, output);
    for (int vertex = INNER; vertex > 0; vertex--) {
        double most = has_edge(codes, vertex, output) ? 1.0 / into_output : 0.0;
        for (int target = vertex + 1; target < output; target++)
            if (has_edge(codes, vertex, target) && channels[target - 1] > most)
                most = channels[target - 1];
        channels[vertex - 1] = most;
    }
}

static double count_weights(const uint8_t codes[CR_NB101_CODES], const double channels[INNER])
{
    static const double kernels[] = {0, 9, 1, 0}; /* weights per pair of channels, by code */
    double weights = has_edge(codes, 0, VERTICES - 1) + 1e-3;
    for (int vertex = INNER; vertex > 0; vertex--) {
        const double own = channels[vertex - 1];
        weights += kernels[codes[vertex - 1]] * (own * own);
        weights += has_edge(codes, 0, vertex) * own;
    }
    return weights;
}

cr_status cr_nb101_channels(const uint8_t *codes, size_t begin, size_t end, double (*channels)[CR_NB101_INNER],
                            double *weights, cr_error *err)
{
    for (size_t i = begin; i < end; i++) {
        const uint8_t *cell = codes + CR_NB101_CODES * i;
        const cr_status status = check_range(cell, i, err);
        if (status != CR_OK)
            return status;
        find_channels(cell, channels[i]);
        weights[i] = count_weights(cell, channels[i]);
    }
    return CR_OK;
}
