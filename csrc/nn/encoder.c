#include "encoder.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../autodiff/checks.h"
#include "../core/blas.h"
#include "blocks.h"
#include "known.h"

/* Graphs whose sums a network keeps for its next calls: a search encodes neighbours of cells, which share all graphs but
 * one with cells that it encoded before. */
#define KNOWN_GRAPHS 8192

/* A node at the other end of an edge that sends a message. */
typedef struct {
    int32_t other, column;
} incoming_t;

struct cr_encoder_frozen {
    cr_dtype dtype;
    size_t n_graphs, nodes, length, edges; /* of a graph: its nodes, its codes, the most messages */
    size_t n_types, n_kinds, width, n_layers, outputs;
    bool has_absent;
    double slope;
    int32_t *first_kind, *kind_column, *message_rows; /* one block of memory, owned by first_kind */
    size_t *incoming_start;                           /* (nodes of all graphs + 1,) */
    incoming_t *incoming;
    cr_buffer *table, **types, *head_bias;
    cr_packed **weights, *messages_head, *root_head;
    cr_known *known;             /* NULL where a cell is one graph: callers know cells themselves */
    atomic_flag is_known_in_use; /* by a call; others do without */
};

size_t cr_encoder_codes(const cr_encoder_frozen *net)
{
    return net->n_graphs * net->length;
}

size_t cr_encoder_outputs(const cr_encoder_frozen *net)
{
    return net->outputs;
}

cr_dtype cr_encoder_dtype(const cr_encoder_frozen *net)
{
    return net->dtype;
}

void cr_encoder_frozen_release(cr_encoder_frozen *net)
{
    if (net == NULL)
        return;
    for (size_t l = 0; l < net->n_layers; l++) {
        if (net->types != NULL)
            cr_buffer_release(net->types[l]);
        if (net->weights != NULL)
            cr_packed_release(net->weights[l]);
    }
    cr_buffer_release(net->table);
    cr_buffer_release(net->head_bias);
    cr_packed_release(net->messages_head);
    cr_packed_release(net->root_head);
    cr_known_release(net->known);
    free(net->types);
    free(net->weights);
    free(net->first_kind);
    free(net->incoming_start);
    free(net->incoming);
    free(net);
}

/* ---- checks ---- */

/* Checks that a column is -1 or one of the codes of a graph. */
static cr_status check_column(const cr_encoder_cells *cells, int32_t column, size_t graph, cr_error *err)
{
    const int64_t length = (int64_t)(cells->n_codes / cells->n_graphs), first = (int64_t)graph * length;
    if (column != -1 && (column < first || column >= first + length))
        return cr_fail(err, CR_ERR_VALUE, "columns: expected -1 or a code of graph %zu, %lld to %lld, got %d", graph,
                       (long long)first, (long long)(first + length - 1), column);
    return CR_OK;
}

static cr_status check_edges(const cr_encoder_cells *cells, cr_error *err)
{
    const size_t nodes = cells->n_nodes / cells->n_graphs;
    for (size_t e = 0; e < cells->n_edges; e++) {
        const int32_t from = cells->from[e], to = cells->to[e];
        if (from < 0 || to < 0 || (size_t)from >= cells->n_nodes || (size_t)to >= cells->n_nodes || from == to ||
            (size_t)from / nodes != (size_t)to / nodes)
            return cr_fail(err, CR_ERR_VALUE, "edges: expected two different nodes of one graph, got %d and %d for edge %zu",
                           from, to, e);
        cr_status status = check_column(cells, cells->column[e], (size_t)from / nodes, err);
        if (status != CR_OK)
            return status;
    }
    return CR_OK;
}

static cr_status check_cells(const cr_encoder_cells *cells, size_t rows, cr_error *err)
{
    cr_status status;
    if (cells->n_graphs == 0 || cells->n_nodes == 0 || cells->n_nodes % cells->n_graphs != 0 ||
        cells->n_codes % cells->n_graphs != 0)
        return cr_fail(err, CR_ERR_VALUE, "cells: expected graphs with equally many nodes and codes, got %zu graphs, %zu "
                       "nodes and %zu codes", cells->n_graphs, cells->n_nodes, cells->n_codes);
    CR_TRY(check_edges(cells, err));
    if (cells->first_kind[0] != 0)
        return cr_fail(err, CR_ERR_VALUE, "kinds: expected 0 as the first, got %d", cells->first_kind[0]);
    for (size_t i = 0; i < cells->n_nodes; i++) {
        if (cells->first_kind[i + 1] <= cells->first_kind[i] || (size_t)cells->first_kind[i + 1] > rows)
            return cr_fail(err, CR_ERR_VALUE, "kinds: expected ascending numbers up to the %zu rows of the table, got %d "
                           "after %d", rows, cells->first_kind[i + 1], cells->first_kind[i]);
        CR_TRY(check_column(cells, cells->kind_column[i], i / (cells->n_nodes / cells->n_graphs), err));
    }
    const size_t kinds = (size_t)cells->first_kind[cells->n_nodes];
    for (size_t i = 0; i < kinds * kinds * cells->n_types; i++)
        if (cells->message_rows[i] < -1 || cells->message_rows[i] >= (int64_t)rows)
            return cr_fail(err, CR_ERR_VALUE, "message_rows: expected -1 or one of the %zu rows of the table, got %d", rows,
                           cells->message_rows[i]);
    return CR_OK;
fail:
    return status;
}

static cr_status check_tensor(const cr_tensor *x, const char *name, cr_dtype dtype, size_t rows, size_t columns,
                              cr_error *err)
{
    char text[96];
    if (x->dtype != dtype)
        return cr_fail(err, CR_ERR_TYPE, "%s: expected %s as in the table, got %s", name, cr_dtype_name(dtype),
                       cr_dtype_name(x->dtype));
    if (x->ndim != 2 || x->shape[0] != rows || x->shape[1] != columns)
        return cr_fail(err, CR_ERR_VALUE, "%s: expected shape (%zu, %zu), got %s", name, rows, columns,
                       cr_shape_text(x->ndim, x->shape, text, sizeof text));
    return CR_OK;
}

static cr_status check_network(const cr_encoder *net, cr_error *err)
{
    const cr_dtype dtype = net->table->dtype;
    const cr_tensor *bias = net->head_bias;
    cr_status status;
    char text[96];
    CR_TRY(cr_expect_slope(net->slope, err));
    CR_TRY(cr_expect_ndim(net->table, 2, "table", err));
    if (net->n_layers == 0 || net->table->shape[1] == 0 || net->table->shape[1] % 3 != 0)
        return cr_fail(err, CR_ERR_VALUE, "table: expected three equal parts [root | target | source] and at least one layer, "
                       "got %zu columns and %zu layers", net->table->shape[1], net->n_layers);
    const size_t width = net->table->shape[1] / 3;
    for (size_t l = 0; l < net->n_layers; l++) {
        CR_TRY(check_tensor(net->types[l], "types", dtype, net->cells.n_types, width, err));
        if (l > 0)
            CR_TRY(check_tensor(net->weights[l - 1], "weights", dtype, (l + 1 < net->n_layers ? 3 : 2) * width, width, err));
    }
    CR_TRY(cr_expect_ndim(net->messages_head, 2, "head", err));
    CR_TRY(check_tensor(net->messages_head, "head", dtype, net->messages_head->shape[0], width, err));
    CR_TRY(check_tensor(net->root_head, "head", dtype, net->messages_head->shape[0], width, err));
    if (bias->dtype != dtype || bias->ndim != 1 || bias->shape[0] != net->messages_head->shape[0])
        return cr_fail(err, CR_ERR_VALUE, "head: expected a bias of shape (%zu,) and dtype %s, got %s and %s",
                       net->messages_head->shape[0], cr_dtype_name(dtype),
                       cr_shape_text(bias->ndim, bias->shape, text, sizeof text), cr_dtype_name(bias->dtype));
    return check_cells(&net->cells, net->table->shape[0], err);
fail:
    return status;
}

/* ---- the snapshot ---- */

static cr_status no_memory(cr_error *err)
{
    return cr_fail(err, CR_ERR_MEMORY, "cannot allocate a frozen network");
}

static cr_status copy_tensor(const cr_tensor *x, cr_buffer **out, cr_error *err)
{
    const size_t bytes = x->size * cr_dtype_size(x->dtype);
    cr_status status = cr_buffer_new(bytes, out, err);
    if (status == CR_OK)
        memcpy(cr_buffer_data(*out), x->data, bytes);
    return status;
}

static cr_status pack_weight(const cr_tensor *x, cr_packed **out, cr_error *err)
{
    return cr_packed_new(x->dtype, x->shape[1], x->shape[0], cr_transposed(x->data, x->shape[1]), out, err);
}

/* Lists for each node the edges that send it messages, in their order. */
static cr_status list_incoming(const cr_encoder_cells *cells, cr_encoder_frozen *f, cr_error *err)
{
    size_t next = 0;
    f->incoming_start = malloc((cells->n_nodes + 1) * sizeof *f->incoming_start);
    f->incoming = malloc((2 * cells->n_edges + 1) * sizeof *f->incoming);
    if (f->incoming_start == NULL || f->incoming == NULL)
        return no_memory(err);
    for (size_t node = 0; node < cells->n_nodes; node++) {
        f->incoming_start[node] = next;
        for (size_t e = 0; e < cells->n_edges; e++)
            if ((size_t)cells->to[e] == node)
                f->incoming[next++] = (incoming_t){cells->from[e], cells->column[e]};
            else if (cells->both_directions && (size_t)cells->from[e] == node)
                f->incoming[next++] = (incoming_t){cells->to[e], cells->column[e]};
    }
    f->incoming_start[cells->n_nodes] = next;
    for (size_t g = 0; g < f->n_graphs; g++) {
        size_t count = f->incoming_start[(g + 1) * f->nodes] - f->incoming_start[g * f->nodes];
        f->edges = count > f->edges ? count : f->edges;
    }
    return CR_OK;
}

static cr_status copy_cells(const cr_encoder_cells *cells, cr_encoder_frozen *f, cr_error *err)
{
    const size_t n = cells->n_nodes, rows = f->n_kinds * f->n_kinds * f->n_types;
    f->first_kind = malloc((2 * n + 1 + rows) * sizeof *f->first_kind);
    if (f->first_kind == NULL)
        return no_memory(err);
    f->kind_column = f->first_kind + n + 1;
    f->message_rows = f->kind_column + n;
    memcpy(f->first_kind, cells->first_kind, (n + 1) * sizeof *f->first_kind);
    memcpy(f->kind_column, cells->kind_column, n * sizeof *f->first_kind);
    if (rows > 0)
        memcpy(f->message_rows, cells->message_rows, rows * sizeof *f->first_kind);
    return list_incoming(cells, f, err);
}

static cr_status copy_layers(const cr_encoder *net, cr_encoder_frozen *f, cr_error *err)
{
    cr_status status;
    f->types = calloc(f->n_layers, sizeof *f->types);
    f->weights = calloc(f->n_layers, sizeof *f->weights); /* that of layer 0 stays NULL */
    if (f->types == NULL || f->weights == NULL)
        return no_memory(err);
    for (size_t l = 0; l < f->n_layers; l++) {
        CR_TRY(copy_tensor(net->types[l], &f->types[l], err));
        if (l > 0)
            CR_TRY(pack_weight(net->weights[l - 1], &f->weights[l], err));
    }
    CR_TRY(copy_tensor(net->table, &f->table, err));
    CR_TRY(copy_tensor(net->head_bias, &f->head_bias, err));
    CR_TRY(pack_weight(net->messages_head, &f->messages_head, err));
    CR_TRY(pack_weight(net->root_head, &f->root_head, err));
fail:
    return status;
}

cr_status cr_encoder_freeze(const cr_encoder *net, cr_encoder_frozen **out, cr_error *err)
{
    const cr_encoder_cells *cells = &net->cells;
    *out = NULL;
    cr_status status = check_network(net, err);
    if (status != CR_OK)
        return status;
    cr_encoder_frozen *f = calloc(1, sizeof *f);
    if (f == NULL)
        return no_memory(err);
    f->dtype = net->table->dtype;
    f->n_graphs = cells->n_graphs;
    f->nodes = cells->n_nodes / cells->n_graphs;
    f->length = cells->n_codes / cells->n_graphs;
    f->n_types = cells->n_types;
    f->n_kinds = (size_t)cells->first_kind[cells->n_nodes];
    f->width = net->table->shape[1] / 3;
    f->n_layers = net->n_layers;
    f->outputs = net->messages_head->shape[0];
    f->has_absent = cells->has_absent;
    f->slope = net->slope;
    atomic_flag_clear(&f->is_known_in_use);
    CR_TRY(copy_cells(cells, f, err));
    CR_TRY(copy_layers(net, f, err));
    if (f->n_graphs > 1 && f->dtype == CR_F32) /* in which sums do not depend on the other graphs */
        CR_TRY(cr_known_new(KNOWN_GRAPHS, f->length, 2 * f->width * cr_dtype_size(f->dtype), &f->known, err));
    *out = f;
    return CR_OK;
fail:
    cr_encoder_frozen_release(f);
    return status;
}

/* ---- the different graphs of some cells ---- */

/* Graphs that are computed once: the codes and the number (normal, reduction, ...) of each, which ones a cell has, and
 * those whose sums are wanted. */
typedef struct {
    const uint8_t **codes; /* (n,) */
    uint32_t *number;      /* (n,) */
    uint32_t *of_cell;     /* (cells, n_graphs) */
    uint32_t *wanted;      /* (n_wanted,) */
    size_t n, n_wanted;
    void *memory;
} graphs_t;

static cr_status find_graphs(const cr_encoder_frozen *net, const uint8_t *codes, size_t cells, graphs_t *graphs,
                             cr_error *err)
{
    const size_t length = net->length;
    size_t total, bytes, capacity = 16;
    memset(graphs, 0, sizeof *graphs);
    cr_status status = cr_size_multiply(cells, net->n_graphs, &total, "cells", err);
    if (status == CR_OK)
        status = cr_size_multiply(total, sizeof *graphs->codes + 8 * sizeof *graphs->number, &bytes, "cells", err);
    if (status != CR_OK)
        return status;
    if (total >= UINT32_MAX / 4)
        return cr_fail(err, CR_ERR_OVERFLOW, "codes: expected fewer cells in one call, got %zu", cells);
    while (capacity < 2 * total)
        capacity *= 2;
    graphs->memory = malloc(bytes + (capacity + 1) * sizeof(uint32_t));
    if (graphs->memory == NULL)
        return no_memory(err);
    graphs->codes = graphs->memory;
    graphs->number = (uint32_t *)(graphs->codes + total);
    graphs->of_cell = graphs->number + total;
    graphs->wanted = graphs->of_cell + total;
    uint32_t *table = graphs->wanted + total; /* 1 + the graph in each place, 0 for none */
    memset(table, 0, capacity * sizeof *table);
    for (size_t i = 0; i < total; i++) {
        const uint8_t *own = codes + i * length;
        const uint32_t number = (uint32_t)(i % net->n_graphs);
        size_t place = (size_t)cr_hash_codes(number, own, length) & (capacity - 1);
        for (; table[place] != 0; place = (place + 1) & (capacity - 1)) {
            const size_t known = table[place] - 1;
            if (graphs->number[known] == number && memcmp(graphs->codes[known], own, length) == 0)
                break;
        }
        if (table[place] == 0) {
            graphs->codes[graphs->n] = own;
            graphs->number[graphs->n] = number;
            table[place] = (uint32_t)++graphs->n;
        }
        graphs->of_cell[i] = table[place] - 1;
    }
    return CR_OK;
}

/* ---- message passing on a block of graphs ---- */

typedef struct {
    const cr_encoder_frozen *net;
    graphs_t graphs;
    void *sums; /* (graphs, 2 width) [sum of m_i | sum of root_i] */
    void *latents;
} encoding_t;

/* The parts of a block's scratch memory, for its nodes: [root | target | source], x, m, then the edges into each node
 * and the rows of the table that are summed. */
typedef struct {
    char *wide, *x, *messages;
    int32_t *edge_offsets, *sources, *types, *row_offsets, *rows;
} parts_t;

static size_t scratch_per_graph(const cr_encoder_frozen *net)
{
    return net->nodes * 5 * net->width * cr_dtype_size(net->dtype) +
           (2 * (net->nodes + 1) + net->nodes + 3 * net->edges) * sizeof(int32_t);
}

static parts_t split_scratch(const cr_encoder_frozen *net, size_t graphs, void *scratch)
{
    const size_t nodes = graphs * net->nodes, one = nodes * net->width * cr_dtype_size(net->dtype);
    parts_t p = {.wide = scratch, .x = (char *)scratch + 3 * one, .messages = (char *)scratch + 4 * one};
    p.edge_offsets = (int32_t *)((char *)scratch + 5 * one);
    p.row_offsets = p.edge_offsets + nodes + graphs;
    p.sources = p.row_offsets + nodes + graphs;
    p.types = p.sources + graphs * net->edges;
    p.rows = p.types + graphs * net->edges;
    return p;
}

/* The kind of a node, or -1 when its code is none. */
static int32_t find_kind(const cr_encoder_frozen *net, const uint8_t *codes, size_t node)
{
    const int32_t column = net->kind_column[node], first = net->first_kind[node];
    const int32_t kind = first + (column < 0 ? 0 : codes[column]);
    return kind < net->first_kind[node + 1] ? kind : -1;
}

/* Appends the messages to a node of a graph: its edges, and their rows of the table. `codes` are those of the graph,
 * shifted so that columns of a cell are its indices. */
static cr_status add_messages(const cr_encoder_frozen *net, const uint8_t *codes, size_t node, const int32_t *kinds,
                              size_t first, parts_t *p, size_t *n_edges, size_t *n_rows, cr_error *err)
{
    const size_t first_node = node / net->nodes * net->nodes;
    for (size_t i = net->incoming_start[node]; i < net->incoming_start[node + 1]; i++) {
        const incoming_t edge = net->incoming[i];
        const int32_t type = edge.column < 0 ? 0 : (int32_t)codes[edge.column] - net->has_absent;
        const size_t other = (size_t)edge.other - first_node;
        if (type < 0)
            continue;
        if ((size_t)type >= net->n_types)
            return cr_fail(err, CR_ERR_VALUE, "codes: expected values below %zu in column %d, got %d",
                           net->n_types + net->has_absent, edge.column, type + net->has_absent);
        const size_t pair = (size_t)kinds[node - first_node] * net->n_kinds + (size_t)kinds[other];
        const int32_t row = net->message_rows[pair * net->n_types + (size_t)type];
        if (row < 0)
            return cr_fail(err, CR_ERR_VALUE, "codes: expected messages that the table has, got one of kind %d to kind %d",
                           kinds[other], kinds[node - first_node]);
        p->sources[*n_edges] = (int32_t)(first + other);
        p->types[(*n_edges)++] = type;
        p->rows[(*n_rows)++] = row;
    }
    return CR_OK;
}

/* Writes the edges into all nodes of a block of graphs, and the rows of the table of each node. */
static cr_status list_messages(const encoding_t *e, size_t begin, size_t graphs, parts_t *p, int32_t *kinds, cr_error *err)
{
    const cr_encoder_frozen *net = e->net;
    size_t n_edges = 0, n_rows = 0, at = 0;
    for (size_t g = 0; g < graphs; g++) {
        const uint32_t graph = e->graphs.wanted[begin + g];
        const size_t number = e->graphs.number[graph], first_node = number * net->nodes;
        const uint8_t *codes = e->graphs.codes[graph] - number * net->length;
        for (size_t i = 0; i < net->nodes; i++)
            if ((kinds[i] = find_kind(net, codes, first_node + i)) < 0)
                return cr_fail(err, CR_ERR_VALUE, "codes: expected values below %d in column %d, got %d",
                               net->first_kind[first_node + i + 1] - net->first_kind[first_node + i],
                               net->kind_column[first_node + i], codes[net->kind_column[first_node + i]]);
        for (size_t i = 0; i < net->nodes; i++, at++) {
            p->edge_offsets[at] = (int32_t)n_edges;
            p->row_offsets[at] = (int32_t)n_rows;
            p->rows[n_rows++] = kinds[i];
            cr_status status = add_messages(net, codes, first_node + i, kinds, g * net->nodes, p, &n_edges, &n_rows, err);
            if (status != CR_OK)
                return status;
        }
    }
    p->edge_offsets[at] = (int32_t)n_edges;
    p->row_offsets[at] = (int32_t)n_rows;
    return CR_OK;
}

/* Adds up the sums of m_i and of root_i of each graph. */
static void sum_nodes(const encoding_t *e, size_t begin, size_t graphs, const char *messages, const char *root,
                      size_t root_stride)
{
    const cr_encoder_frozen *net = e->net;
    const cr_kernel_table *kernels = cr_kernels(net->dtype);
    const size_t size = cr_dtype_size(net->dtype), width = net->width;
    for (size_t g = 0; g < graphs; g++) {
        char *sums = (char *)e->sums + e->graphs.wanted[begin + g] * 2 * width * size;
        kernels->fill(2 * width, 0, sums);
        for (size_t i = g * net->nodes; i < (g + 1) * net->nodes; i++) {
            kernels->axpy(width, 1, messages + i * width * size, sums);
            kernels->axpy(width, 1, root + i * root_stride * size, sums + width * size);
        }
    }
}

static cr_status encode_graphs(void *context, size_t begin, size_t graphs, void *scratch, cr_error *err)
{
    const encoding_t *e = context;
    const cr_encoder_frozen *net = e->net;
    const cr_kernel_table *kernels = cr_kernels(net->dtype);
    const size_t w = net->width, size = cr_dtype_size(net->dtype), nodes = graphs * net->nodes;
    parts_t p = split_scratch(net, graphs, scratch);
    const cr_edges edges = {p.edge_offsets, p.sources, p.types};
    cr_status status;
    CR_TRY(list_messages(e, begin, graphs, &p, (int32_t *)(void *)p.x, err)); /* x is not needed yet */
    kernels->gather_lists(nodes, 3 * w, cr_buffer_data(net->table), p.row_offsets, p.rows, p.wide);
    const char *root = p.wide;
    size_t stride = 3 * w, target = w; /* where the targets begin in a row, before the sources */
    for (size_t l = 0; l < net->n_layers; l++) {
        const bool is_last = l + 1 == net->n_layers;
        if (l > 0) {
            stride = is_last ? 2 * w : 3 * w;
            target = is_last ? 0 : w;
            root = is_last ? p.x : p.wide;
            CR_TRY(cr_gemm_packed(nodes, cr_plain(p.x, w), net->weights[l], 0, p.wide, stride, NULL, err));
        }
        char *messages = is_last ? p.messages : p.x;
        kernels->message_pass(0, nodes, w, stride, edges, net->slope, p.wide + target * size, p.wide + (target + w) * size,
                              cr_buffer_data(net->types[l]), messages);
        for (size_t i = 0; !is_last && i < nodes; i++)
            kernels->axpy(w, 1, root + i * stride * size, p.x + i * w * size);
    }
    sum_nodes(e, begin, graphs, p.messages, root, net->n_layers > 1 ? w : stride);
fail:
    return status;
}

/* ---- latents ---- */

/* Adds up the sums of the graphs of each cell of a block, and maps them to latents. */
static cr_status encode_cells(void *context, size_t begin, size_t cells, void *scratch, cr_error *err)
{
    const encoding_t *e = context;
    const cr_encoder_frozen *net = e->net;
    const cr_kernel_table *kernels = cr_kernels(net->dtype);
    const size_t w = 2 * net->width, d = net->outputs, size = cr_dtype_size(net->dtype);
    const cr_epilogue add_bias = {CR_IDENTITY, 0, cr_buffer_data(net->head_bias)};
    char *sums = scratch, *from_root = sums + cells * w * size, *latents = (char *)e->latents + begin * d * size;
    cr_status status;
    for (size_t c = 0; c < cells; c++) {
        const uint32_t *graphs = e->graphs.of_cell + (begin + c) * net->n_graphs;
        memcpy(sums + c * w * size, (char *)e->sums + graphs[0] * w * size, w * size);
        for (size_t g = 1; g < net->n_graphs; g++)
            kernels->axpy(w, 1, (char *)e->sums + graphs[g] * w * size, sums + c * w * size);
    }
    CR_TRY(cr_gemm_packed(cells, cr_plain(sums, w), net->messages_head, 0, latents, d, &add_bias, err));
    CR_TRY(cr_gemm_packed(cells, cr_plain(sums + net->width * size, w), net->root_head, 0, from_root, d, NULL, err));
    kernels->axpy(cells * d, 1, from_root, latents);
fail:
    return status;
}

/* Copies the sums that are known, and lists the graphs of all others. */
static void recall_sums(encoding_t *e, const cr_known *known)
{
    graphs_t *graphs = &e->graphs;
    const size_t bytes = 2 * e->net->width * cr_dtype_size(e->net->dtype);
    for (size_t g = 0; g < graphs->n; g++) {
        const void *sums = known == NULL ? NULL : cr_known_find(known, graphs->number[g], graphs->codes[g]);
        if (sums != NULL)
            memcpy((char *)e->sums + g * bytes, sums, bytes);
        else
            graphs->wanted[graphs->n_wanted++] = (uint32_t)g;
    }
}

/* Finds the sums of all graphs. They do not depend on whether they are known. */
static cr_status find_sums(encoding_t *e, cr_error *err)
{
    cr_encoder_frozen *net = (cr_encoder_frozen *)e->net; /* what is known is all that ever changes */
    const graphs_t *graphs = &e->graphs;
    const bool has_known = net->known != NULL && !atomic_flag_test_and_set(&net->is_known_in_use);
    recall_sums(e, has_known ? net->known : NULL);
    cr_status status = cr_run_blocks(graphs->n_wanted, net->nodes, scratch_per_graph(net), encode_graphs, e, err);
    if (has_known && status == CR_OK)
        cr_known_add(net->known, graphs->n_wanted, graphs->wanted, graphs->number, graphs->codes, e->sums);
    if (has_known)
        atomic_flag_clear(&net->is_known_in_use);
    return status;
}

cr_status cr_encoder_run(const cr_encoder_frozen *net, const uint8_t *codes, size_t n, void *latents, cr_error *err)
{
    const size_t size = cr_dtype_size(net->dtype);
    encoding_t e = {.net = net, .latents = latents};
    cr_buffer *sums = NULL;
    size_t bytes;
    cr_status status;
    CR_TRY(find_graphs(net, codes, n, &e.graphs, err));
    CR_TRY(cr_size_multiply(e.graphs.n, 2 * net->width * size, &bytes, "cells", err));
    CR_TRY(cr_buffer_new(bytes, &sums, err));
    e.sums = cr_buffer_data(sums);
    CR_TRY(find_sums(&e, err));
    CR_TRY(cr_run_blocks(n, 1, (2 * net->width + net->outputs) * size, encode_cells, &e, err));
fail:
    cr_buffer_release(sums);
    free(e.graphs.memory);
    return status;
}
