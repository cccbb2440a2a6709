// sources: csrc/graph/nasbench201.c csrc/core/status.c
/* Cells of NAS-Bench-201: strings against all cells and against damaged and random ones, ranks, and the
 * classes against two oracles of their own: the authors' unique string written out with the official names, and the
 * value of the cell as a function on 64-bit words. */
#include "../../csrc/graph/nasbench201.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { CELLS = CR_NB201_CELLS, EDGES = CR_NB201_EDGES };

static cr_error err;

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void codes_of(uint32_t rank, uint8_t codes[EDGES])
{
    CHECK(cr_nb201_unrank(rank, codes, &err) == CR_OK, "%s", err.text);
}

/* Parses a copy on the heap that is exactly as long as the text, so that a read past its end is seen. */
static cr_status parse_exact(const char *text, size_t length, uint8_t codes[EDGES])
{
    char *copy = malloc(length + (length == 0));
    if (copy == NULL)
        return CR_ERR_MEMORY;
    memcpy(copy, text, length);
    cr_status status = cr_nb201_parse(copy, length, codes, &err);
    free(copy);
    return status;
}

static void known_string(void)
{
    static const char text[] =
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|";
    static const uint8_t expected[EDGES] = {3, 3, 4, 1, 3, 1};
    uint8_t codes[EDGES];
    uint32_t rank = 0;
    CHECK(parse_exact(text, strlen(text), codes) == CR_OK, "%s", err.text);
    CHECK(memcmp(codes, expected, EDGES) == 0, "codes differ");
    CHECK(cr_nb201_rank(codes, &rank, &err) == CR_OK, "%s", err.text);
    CHECK(rank == 3 * 3125 + 3 * 625 + 4 * 125 + 1 * 25 + 3 * 5 + 1, "rank %u", (unsigned)rank);
    CHECK(strcmp(cr_nb201_op_name(2), "nor_conv_1x1") == 0 && cr_nb201_op_name(5) == NULL, "operation names");
}

static void every_cell_round_trips(void)
{
    size_t longest = 0;
    for (uint32_t rank = 0; rank < CELLS; rank++) {
        uint8_t codes[EDGES], back[EDGES];
        uint32_t again = CELLS;
        char text[CR_NB201_STRING_SIZE];
        size_t length = 0;
        codes_of(rank, codes);
        CHECK(cr_nb201_rank(codes, &again, &err) == CR_OK && again == rank, "rank %u", (unsigned)rank);
        CHECK(cr_nb201_format(codes, text, &length, &err) == CR_OK, "%s", err.text);
        CHECK(strlen(text) == length, "rank %u: length %zu", (unsigned)rank, length);
        CHECK(parse_exact(text, length, back) == CR_OK && memcmp(codes, back, EDGES) == 0, "%s: %s", text, err.text);
        longest = length > longest ? length : longest;
    }
    CHECK(longest < CR_NB201_STRING_SIZE && longest == 95, "longest %zu", longest);
}

static void bad_codes_and_ranks(void)
{
    uint8_t codes[EDGES] = {0, 0, 0, 0, 0, 0};
    char text[CR_NB201_STRING_SIZE];
    uint32_t rank = 7;
    for (int e = 0; e < EDGES; e++)
        for (int value = CR_NB201_OPS; value < 256; value += 50) {
            codes[e] = (uint8_t)value;
            CHECK(cr_nb201_rank(codes, &rank, &err) == CR_ERR_VALUE && rank == 7, "edge %d value %d", e, value);
            CHECK(cr_nb201_format(codes, text, NULL, &err) == CR_ERR_VALUE, "edge %d value %d", e, value);
            codes[e] = 0;
        }
    CHECK(cr_nb201_unrank(CELLS, codes, &err) == CR_ERR_INDEX, "rank one too large");
    CHECK(cr_nb201_unrank(UINT32_MAX, codes, &err) == CR_ERR_INDEX, "largest rank");
    const uint16_t *table = NULL;
    CHECK(cr_nb201_classes((cr_nb201_level)2, &table, &err) == CR_ERR_VALUE && table == NULL, "level 2");
    CHECK(cr_nb201_classes((cr_nb201_level)-1, &table, &err) == CR_ERR_VALUE && table == NULL, "level -1");
}

/* Every truncation and every change of one byte fails, or is another cell that is printed as it was read. */
static void damaged_strings(void)
{
    for (uint32_t rank = 0; rank < CELLS; rank += 617) {
        uint8_t codes[EDGES], out[EDGES];
        char text[CR_NB201_STRING_SIZE], again[CR_NB201_STRING_SIZE];
        size_t length = 0;
        codes_of(rank, codes);
        CHECK(cr_nb201_format(codes, text, &length, &err) == CR_OK, "%s", err.text);
        memset(out, 9, EDGES);
        for (size_t n = 0; n < length; n++)
            CHECK(parse_exact(text, n, out) == CR_ERR_VALUE && out[0] == 9, "%.*s", (int)n, text);
        CHECK(parse_exact(text, length + 1, out) == CR_ERR_VALUE, "a NUL at the end");
        for (size_t i = 0; i < length; i++) {
            char kept = text[i];
            for (int byte = 0; byte < 256; byte++) {
                text[i] = (char)byte;
                if (parse_exact(text, length, out) != CR_OK)
                    continue;
                CHECK(cr_nb201_format(out, again, NULL, &err) == CR_OK && memcmp(text, again, length) == 0, "%s", text);
            }
            text[i] = kept;
        }
    }
}

static void error_messages(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "cell string, position 0: expected '|', got the end of the string"},
        {"|nor_conv_5x5~0|", "cell string, position 1: expected none, skip_connect, nor_conv_1x1, nor_conv_3x3 or "
                             "avg_pool_3x3, got 'nor_conv_5x5~0|'"},
        {"|none~1|", "cell string, position 6: expected '0', got '1|'"},
        {"|none~0||none~0|", "cell string, position 8: expected '+', got '|none~0|'"},
        {"|none~0|+|none~0|none~1|+|none~0|none~1|none~2| and more that is cut",
         "cell string, position 47: expected the end of the string, got ' and more that i'..."},
        {"|none\n~0|", "cell string, position 5: expected '~', got '?~0|'"},
    };
    uint8_t codes[EDGES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(parse_exact(cases[i].text, strlen(cases[i].text), codes) == CR_ERR_VALUE, "%s", cases[i].text);
        CHECK(strcmp(err.text, cases[i].message) == 0, "got: %s", err.text);
    }
}

/* Random sequences of the pieces of which cell strings are made, and of any bytes. */
static void random_strings(void)
{
    static const char *const pieces[] = {"|", "+", "~", "0", "1", "2", "none", "skip_connect", "nor_conv_", "1x1",
                                         "avg_pool_3x3", "nor_conv_3x3", "|none~0|+", "\0x", "\xff"};
    uint64_t state = 1;
    for (int trial = 0; trial < 20000; trial++) {
        char text[400];
        size_t length = 0, wanted = mix(state++) % 300;
        while (length < wanted) {
            uint64_t word = mix(state++);
            if (trial % 2 == 0) {
                text[length++] = (char)word;
            } else {
                const char *piece = pieces[word % (sizeof pieces / sizeof *pieces)];
                size_t n = piece[0] == '\0' ? 2 : strlen(piece);
                memcpy(text + length, piece, n);
                length += n;
            }
        }
        uint8_t codes[EDGES];
        char again[CR_NB201_STRING_SIZE];
        size_t n = 0;
        if (parse_exact(text, length, codes) == CR_OK)
            CHECK(cr_nb201_format(codes, again, &n, &err) == CR_OK && n == length && memcmp(text, again, n) == 0,
                  "trial %d", trial);
        else
            CHECK(memchr(err.text, '\0', sizeof err.text) != NULL, "trial %d", trial);
    }
    size_t huge = (size_t)1 << 20;
    char *zeros = calloc(huge, 1);
    uint8_t codes[EDGES];
    CHECK(zeros != NULL && cr_nb201_parse(zeros, huge, codes, &err) == CR_ERR_VALUE, "a megabyte of NULs");
    free(zeros);
}

static void *ask_for_classes(void *level)
{
    const uint16_t *table = NULL;
    return cr_nb201_classes(*(cr_nb201_level *)level, &table, NULL) == CR_OK ? (void *)(uintptr_t)table : NULL;
}

/* The first calls of the process, from several threads at once. */
static void classes_from_many_threads(void)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    cr_nb201_level levels[THREADS];
    for (int i = 0; i < THREADS; i++) {
        levels[i] = (cr_nb201_level)(i % 2);
        CHECK(pthread_create(&threads[i], NULL, ask_for_classes, &levels[i]) == 0, "thread %d", i);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        const uint16_t *table = NULL;
        pthread_join(threads[i], &result);
        CHECK(cr_nb201_classes(levels[i], &table, &err) == CR_OK && (const uint16_t *)result == table, "thread %d", i);
    }
}

/* The cell as a function on words: an operation is a fixed random map with 0 -> 0, a node the sum modulo 2^64. */
static uint64_t behaviour(const uint8_t codes[EDGES])
{
    uint64_t node[CR_NB201_NODES] = {0x123456789abcdefu, 0, 0, 0};
    for (int target = 1; target < CR_NB201_NODES; target++)
        for (int source = 0; source < target; source++) {
            uint8_t op = *codes++;
            if (op == CR_NB201_SKIP)
                node[target] += node[source];
            else if (op != CR_NB201_NONE && node[source] != 0)
                node[target] += mix(node[source] + op * 0x9e3779b97f4a7c15u);
        }
    return node[CR_NB201_NODES - 1];
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The unique string of the authors with "considering zero operations", names in full; hashed to a word. */
static uint64_t unique_string(const uint8_t codes[EDGES])
{
    static char node[CR_NB201_NODES][256], terms[3][256];
    strcpy(node[0], "0");
    for (int target = 1; target < CR_NB201_NODES; target++) {
        for (int source = 0; source < target; source++) {
            uint8_t op = *codes++;
            if (op == CR_NB201_NONE || strcmp(node[source], "#") == 0)
                strcpy(terms[source], "#");
            else if (op == CR_NB201_SKIP)
                strcpy(terms[source], node[source]);
            else
                snprintf(terms[source], sizeof terms[source], "(%.200s)@%s", node[source], cr_nb201_op_name(op));
        }
        qsort(terms, (size_t)target, sizeof terms[0], compare_text);
        char *out = node[target];
        for (int i = 0; i < target; i++)
            out += sprintf(out, "%s%s", i > 0 ? "+" : "", terms[i]);
    }
    uint64_t hash = 0;
    for (const char *c = node[CR_NB201_NODES - 1]; *c != '\0'; c++)
        hash = mix(hash ^ (unsigned char)*c);
    return hash;
}

typedef struct {
    uint64_t word;
    uint16_t key;
} pair;

static int compare_pairs(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->word != y->word)
        return x->word < y->word ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

/* The table and the oracle make the same classes: as many of either as of pairs of both. */
static void same_partition(const uint16_t *table, uint64_t (*oracle)(const uint8_t *), int expected)
{
    static pair pairs[CELLS];
    static unsigned char seen[CELLS];
    memset(seen, 0, sizeof seen);
    int n_keys = 0, n_words = 0, n_pairs = 0;
    for (uint32_t rank = 0; rank < CELLS; rank++) {
        uint8_t codes[EDGES];
        codes_of(rank, codes);
        pairs[rank] = (pair){oracle(codes), table[rank]};
        n_keys += !seen[table[rank]];
        seen[table[rank]] = 1;
    }
    qsort(pairs, CELLS, sizeof *pairs, compare_pairs);
    for (int i = 0; i < CELLS; i++) {
        n_words += i == 0 || pairs[i].word != pairs[i - 1].word;
        n_pairs += i == 0 || compare_pairs(&pairs[i], &pairs[i - 1]) != 0;
    }
    CHECK(n_keys == expected, "%d classes, expected %d", n_keys, expected);
    CHECK(n_words == expected, "the oracle has %d classes, expected %d", n_words, expected);
    CHECK(n_pairs == expected, "%d pairs, expected %d", n_pairs, expected);
}

static int count_at_least(const uint8_t codes[EDGES], uint8_t least)
{
    int n = 0;
    for (int e = 0; e < EDGES; e++)
        n += codes[e] >= least;
    return n;
}

/* Negative when a is the better representative: fewer operations, then fewer that are not skips, then the rank. */
static int compare_cells(uint32_t a, uint32_t b)
{
    uint8_t x[EDGES], y[EDGES];
    codes_of(a, x);
    codes_of(b, y);
    int operations = count_at_least(x, 1) - count_at_least(y, 1);
    int others = count_at_least(x, 2) - count_at_least(y, 2);
    return operations != 0 ? operations : others != 0 ? others : (a > b) - (a < b);
}

static void classes(void)
{
    const uint16_t *isomorphism = NULL, *function = NULL;
    CHECK(cr_nb201_classes(CR_NB201_ISOMORPHISM, &isomorphism, &err) == CR_OK, "%s", err.text);
    CHECK(cr_nb201_classes(CR_NB201_FUNCTION, &function, &err) == CR_OK, "%s", err.text);
    same_partition(isomorphism, unique_string, 6466);
    same_partition(function, behaviour, 4930);
    for (uint32_t rank = 0; rank < CELLS; rank++) {
        CHECK(function[isomorphism[rank]] == function[rank], "rank %u: not nested", (unsigned)rank);
        CHECK(function[function[rank]] == function[rank], "rank %u: not idempotent", (unsigned)rank);
        CHECK(isomorphism[isomorphism[rank]] == isomorphism[rank], "rank %u: not idempotent", (unsigned)rank);
        CHECK(compare_cells(function[rank], rank) <= 0, "rank %u is better than its representative", (unsigned)rank);
        CHECK(compare_cells(isomorphism[rank], rank) <= 0, "rank %u is better than its representative", (unsigned)rank);
    }
    CHECK(function[0] == 0, "the zero cell is all none");
}

int main(void)
{
    RUN(classes_from_many_threads);
    RUN(known_string);
    RUN(every_cell_round_trips);
    RUN(bad_codes_and_ranks);
    RUN(damaged_strings);
    RUN(error_messages);
    RUN(random_strings);
    RUN(classes);
    return check_finish("test_nasbench201");
}
