#include "nasbench201.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_names[CR_NB201_OPS] = {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3",
                                                   "avg_pool_3x3"};

#define OP_CHOICES "none, skip_connect, nor_conv_1x1, nor_conv_3x3 or avg_pool_3x3"

const char *cr_nb201_op_name(unsigned code)
{
    return code < CR_NB201_OPS ? op_names[code] : NULL;
}

static cr_status check_codes(const uint8_t codes[CR_NB201_EDGES], cr_error *err)
{
    for (int e = 0; e < CR_NB201_EDGES; e++)
        if (codes[e] >= CR_NB201_OPS)
            return cr_fail(err, CR_ERR_VALUE, "codes: expected values 0 to %d, got %d on edge %d", CR_NB201_OPS - 1,
                           (int)codes[e], e);
    return CR_OK;
}

/* ---- strings ---------------------------------------------------------------------------------------------- */

typedef struct {
    const char *text;
    size_t length, position;
} reader;

/* Fails with a message that has the reader's position, what was expected there, and what was found, as at most 16
 * printable bytes. */
static cr_status fail_unexpected(const reader *in, const char *expected, cr_error *err)
{
    char found[24];
    size_t n = in->length - in->position;
    if (n == 0)
        return cr_fail(err, CR_ERR_VALUE, "cell string, position %zu: expected %s, got the end of the string",
                       in->position, expected);
    bool cut = n > 16;
    if (cut)
        n = 16;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)in->text[in->position + i];
        found[i] = c >= 32 && c < 127 ? (char)c : '?';
    }
    found[n] = '\0';
    return cr_fail(err, CR_ERR_VALUE, "cell string, position %zu: expected %s, got '%s'%s", in->position, expected,
                   found, cut ? "..." : "");
}

static cr_status read_char(reader *in, char c, cr_error *err)
{
    if (in->position < in->length && in->text[in->position] == c) {
        in->position++;
        return CR_OK;
    }
    const char expected[4] = {'\'', c, '\'', '\0'};
    return fail_unexpected(in, expected, err);
}

/* No operation's name is the beginning of another's, so the first that matches is the one. */
static cr_status read_op(reader *in, uint8_t *code, cr_error *err)
{
    for (uint8_t k = 0; k < CR_NB201_OPS; k++) {
        size_t n = strlen(op_names[k]);
        if (in->length - in->position >= n && memcmp(in->text + in->position, op_names[k], n) == 0) {
            in->position += n;
            *code = k;
            return CR_OK;
        }
    }
    return fail_unexpected(in, OP_CHOICES, err);
}

cr_status cr_nb201_parse(const char *text, size_t length, uint8_t codes[CR_NB201_EDGES], cr_error *err)
{
    cr_status status = CR_OK;
    reader in = {text, length, 0};
    uint8_t parsed[CR_NB201_EDGES] = {0};
    int e = 0;
    for (int target = 1; target < CR_NB201_NODES; target++) {
        if (target > 1)
            CR_TRY(read_char(&in, '+', err));
        CR_TRY(read_char(&in, '|', err));
        for (int source = 0; source < target; source++) {
            CR_TRY(read_op(&in, &parsed[e++], err));
            CR_TRY(read_char(&in, '~', err));
            CR_TRY(read_char(&in, (char)('0' + source), err));
            CR_TRY(read_char(&in, '|', err));
        }
    }
    if (in.position != in.length)
        CR_TRY(fail_unexpected(&in, "the end of the string", err));
    memcpy(codes, parsed, sizeof parsed);
fail:
    return status;
}

cr_status cr_nb201_format(const uint8_t codes[CR_NB201_EDGES], char text[CR_NB201_STRING_SIZE], size_t *length,
                          cr_error *err)
{
    cr_status status = check_codes(codes, err);
    if (status != CR_OK)
        return status;
    size_t n = 0;
    const uint8_t *code = codes;
    for (int target = 1; target < CR_NB201_NODES; target++) {
        if (target > 1)
            text[n++] = '+';
        text[n++] = '|';
        for (int source = 0; source < target; source++) {
            size_t name = strlen(op_names[*code]);
            memcpy(text + n, op_names[*code++], name);
            n += name;
            text[n++] = '~';
            text[n++] = (char)('0' + source);
            text[n++] = '|';
        }
    }
    text[n] = '\0';
    if (length != NULL)
        *length = n;
    return CR_OK;
}

/* ---- ranks ------------------------------------------------------------------------------------------------ */

cr_status cr_nb201_rank(const uint8_t codes[CR_NB201_EDGES], uint32_t *rank, cr_error *err)
{
    cr_status status = check_codes(codes, err);
    if (status != CR_OK)
        return status;
    uint32_t r = 0;
    for (int e = 0; e < CR_NB201_EDGES; e++)
        r = r * CR_NB201_OPS + codes[e];
    *rank = r;
    return CR_OK;
}

static void write_codes_of_rank(uint32_t rank, uint8_t codes[CR_NB201_EDGES])
{
    for (int e = CR_NB201_EDGES - 1; e >= 0; e--) {
        codes[e] = (uint8_t)(rank % CR_NB201_OPS);
        rank /= CR_NB201_OPS;
    }
}

cr_status cr_nb201_unrank(uint32_t rank, uint8_t codes[CR_NB201_EDGES], cr_error *err)
{
    if (rank >= CR_NB201_CELLS)
        return cr_fail(err, CR_ERR_INDEX, "rank: expected 0 to %d, got %lu", CR_NB201_CELLS - 1, (unsigned long)rank);
    write_codes_of_rank(rank, codes);
    return CR_OK;
}

/* ---- canonical forms -------------------------------------------------------------------------------------- */

/* An expression is text: "0" the input, "(x)a" operation a on x, "x+y" a sum with sorted terms, "#" zero. The letter
 * of an operation keeps the order of the official names (avg_pool < nor_conv_1x1 < nor_conv_3x3), because the
 * published classes depend on how terms sort. The longest expressions are "(0)a" of node 1 (4
 * characters), "(0)a+((0)a)b" of node 2 (12) and "(0)a+((0)a)b+((0)a+((0)a)b)c" of node 3 (28): '#' and skips only
 * shorten them. */
#define EXPRESSION_SIZE 32
#define TERMS_MAX 4 /* of node 3 in flattened form: one by edge 3<-0, one by 3<-1, two by a skip from node 2 */

typedef char expression[EXPRESSION_SIZE];

typedef struct {
    expression terms[TERMS_MAX]; /* ascending */
    int n;
} term_list;

static const char op_letters[CR_NB201_OPS] = {'?', '?', 'b', 'c', 'a'};

/* Inserts a copy of term so that the list stays sorted. */
static void insert_term(term_list *list, const char *term)
{
    int i = list->n++;
    while (i > 0 && strcmp(list->terms[i - 1], term) > 0) {
        memcpy(list->terms[i], list->terms[i - 1], sizeof(expression));
        i--;
    }
    strcpy(list->terms[i], term);
}

/* out = the terms joined by '+'; "" for an empty list. */
static void join_terms(const term_list *list, expression out)
{
    size_t n = 0;
    for (int i = 0; i < list->n; i++) {
        if (i > 0)
            out[n++] = '+';
        size_t length = strlen(list->terms[i]);
        memcpy(out + n, list->terms[i], length);
        n += length;
    }
    out[n] = '\0';
}

/* out = "(x)a". */
static void apply_op(const char *x, uint8_t code, expression out)
{
    size_t n = strlen(x);
    out[0] = '(';
    memcpy(out + 1, x, n);
    out[n + 1] = ')';
    out[n + 2] = op_letters[code];
    out[n + 3] = '\0';
}

/* Adds the terms of an edge with operation `code` from its source to `target`. In the published string a source is zero
 * only when it is the one term '#': a sum of zeros, "#+#", is not. */
static void add_edge(cr_nb201_level level, const term_list *source, uint8_t code, term_list *target)
{
    expression joined, term;
    join_terms(source, joined);
    bool zero = code == CR_NB201_NONE || joined[0] == '\0' || strcmp(joined, "#") == 0;
    if (zero) {
        if (level == CR_NB201_ISOMORPHISM)
            insert_term(target, "#");
    } else if (code != CR_NB201_SKIP) {
        apply_op(joined, code, term);
        insert_term(target, term);
    } else if (level == CR_NB201_ISOMORPHISM) {
        insert_term(target, joined);
    } else {
        for (int i = 0; i < source->n; i++)
            insert_term(target, source->terms[i]);
    }
}

/* out = the expression of the cell's last node, the same text for the cells of a class and for no other. */
static void cell_expression(cr_nb201_level level, const uint8_t codes[CR_NB201_EDGES], expression out)
{
    term_list nodes[CR_NB201_NODES];
    nodes[0].n = 0;
    insert_term(&nodes[0], "0");
    for (int target = 1; target < CR_NB201_NODES; target++) {
        nodes[target].n = 0;
        for (int source = 0; source < target; source++)
            add_edge(level, &nodes[source], *codes++, &nodes[target]);
    }
    join_terms(&nodes[CR_NB201_NODES - 1], out);
}

/* The lower, the better a cell represents its class (before ranks decide). */
static int representative_cost(const uint8_t codes[CR_NB201_EDGES])
{
    int operations = 0, weighty = 0;
    for (int e = 0; e < CR_NB201_EDGES; e++) {
        operations += codes[e] != CR_NB201_NONE;
        weighty += codes[e] != CR_NB201_NONE && codes[e] != CR_NB201_SKIP;
    }
    return operations * (CR_NB201_EDGES + 1) + weighty;
}

#define SLOTS 32768 /* a power of two, more than twice the number of cells */
#define NO_CELL UINT16_MAX

/* Temporary memory of compute_classes: about 650 kB. */
typedef struct {
    expression expressions[CR_NB201_CELLS];
    uint16_t slots[SLOTS];          /* hash table: the first cell met of a class, or NO_CELL */
    uint16_t first[CR_NB201_CELLS]; /* per rank: the first cell of its class */
    uint16_t best[CR_NB201_CELLS];  /* per first cell: the representative so far */
    uint8_t cost[CR_NB201_CELLS];
} class_work;

/* The slot that holds the first cell with this expression, or the free slot where it belongs. FNV-1a, probing. */
static uint16_t *find_slot(class_work *work, const char *text)
{
    uint32_t hash = 2166136261u;
    for (const char *c = text; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    uint32_t i = (hash ^ (hash >> 15)) & (SLOTS - 1);
    while (work->slots[i] != NO_CELL && strcmp(work->expressions[work->slots[i]], text) != 0)
        i = (i + 1) & (SLOTS - 1);
    return &work->slots[i];
}

static void compute_classes(cr_nb201_level level, class_work *work, uint16_t table[CR_NB201_CELLS])
{
    memset(work->slots, 0xff, sizeof work->slots);
    for (uint32_t rank = 0; rank < CR_NB201_CELLS; rank++) {
        uint8_t codes[CR_NB201_EDGES];
        write_codes_of_rank(rank, codes);
        cell_expression(level, codes, work->expressions[rank]);
        work->cost[rank] = (uint8_t)representative_cost(codes);
        uint16_t *slot = find_slot(work, work->expressions[rank]);
        if (*slot == NO_CELL) {
            *slot = (uint16_t)rank;
            work->best[rank] = (uint16_t)rank;
        }
        uint16_t first = *slot;
        work->first[rank] = first;
        if (work->cost[rank] < work->cost[work->best[first]]) /* ranks ascend, so that the smaller one wins a tie */
            work->best[first] = (uint16_t)rank;
    }
    for (uint32_t rank = 0; rank < CR_NB201_CELLS; rank++)
        table[rank] = work->best[work->first[rank]];
}

static uint16_t class_tables[CR_NB201_LEVELS][CR_NB201_CELLS];
static atomic_bool class_ready[CR_NB201_LEVELS];
static pthread_mutex_t class_lock = PTHREAD_MUTEX_INITIALIZER;

cr_status cr_nb201_classes(cr_nb201_level level, const uint16_t **table, cr_error *err)
{
    if ((unsigned)level >= CR_NB201_LEVELS)
        return cr_fail(err, CR_ERR_VALUE, "level: expected 0 (isomorphism) or 1 (function), got %d", (int)level);
    if (!atomic_load_explicit(&class_ready[level], memory_order_acquire)) {
        pthread_mutex_lock(&class_lock);
        if (!atomic_load_explicit(&class_ready[level], memory_order_relaxed)) {
            class_work *work = malloc(sizeof *work);
            if (work == NULL) {
                pthread_mutex_unlock(&class_lock);
                return cr_fail(err, CR_ERR_MEMORY, "classes of NAS-Bench-201: cannot allocate %zu bytes", sizeof *work);
            }
            compute_classes(level, work, class_tables[level]);
            free(work);
            atomic_store_explicit(&class_ready[level], true, memory_order_release);
        }
        pthread_mutex_unlock(&class_lock);
    }
    *table = class_tables[level];
    return CR_OK;
}
