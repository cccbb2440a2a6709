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

/* Many nodes are found together, since more of them are alike then, and few are computed together, so that their rows
 * stay in the cache. Neither depends on the networks: in float64 bits depend on which rows are multiplied together. */
#define NODES_FOUND 1536
#define NODES_COMPUTED 128
#define ALIGNMENT 64 /* of what follows the rows */

struct cr_encoder_frozen {
    cr_dtype dtype;
    cr_cells *cells;
    size_t width, n_layers, outputs;
    size_t row_bytes; /* of a graph: [root | target | source] of each layer, and x of all but the first */
    double slope;
    cr_buffer *table, **types, *head_bias;
    cr_packed **weights, *messages_head, *root_head;
    cr_known *known;             /* NULL where a cell is one graph: callers know cells themselves */
    atomic_flag is_known_in_use; /* by a call; others do without */
};

size_t cr_encoder_codes(const cr_encoder_frozen *net)
{
    return net->cells->n_graphs * net->cells->length;
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
    cr_cells_release(net->cells);
    free(net);
}

/* ---- checks ---- */

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

/* Finds the memory that a graph needs; that of a block of them must be a number too. */
static cr_status find_row_bytes(cr_encoder_frozen *f, cr_error *err)
{
    size_t block;
    cr_status status;
    CR_TRY(cr_size_multiply(f->cells->nodes, 4 * f->n_layers - 1, &f->row_bytes, "rows", err));
    CR_TRY(cr_size_multiply(f->row_bytes, f->width * cr_dtype_size(f->dtype), &f->row_bytes, "rows", err));
    CR_TRY(cr_size_multiply(f->row_bytes, 4 * NODES_FOUND, &block, "rows", err));
fail:
    return status;
}

cr_status cr_encoder_freeze(const cr_encoder *net, cr_encoder_frozen **out, cr_error *err)
{
    *out = NULL;
    cr_status status = check_network(net, err);
    if (status != CR_OK)
        return status;
    cr_encoder_frozen *f = calloc(1, sizeof *f);
    if (f == NULL)
        return no_memory(err);
    f->dtype = net->table->dtype;
    f->width = net->table->shape[1] / 3;
    f->n_layers = net->n_layers;
    f->outputs = net->messages_head->shape[0];
    f->slope = net->slope;
    atomic_flag_clear(&f->is_known_in_use);
    CR_TRY(cr_cells_new(&net->cells, net->table->shape[0], &f->cells, err));
    CR_TRY(find_row_bytes(f, err));
    CR_TRY(copy_layers(net, f, err));
    if (f->cells->n_graphs > 1 && f->dtype == CR_F32) /* in which sums do not depend on the other graphs */
        CR_TRY(cr_known_new(KNOWN_GRAPHS, f->cells->length, 2 * f->width * cr_dtype_size(f->dtype), &f->known, err));
    *out = f;
    return CR_OK;
fail:
    cr_encoder_frozen_release(f);
    return status;
}

/* ---- message passing on a block of graphs ---- */

/* A network of a call, and what it computes. */
typedef struct {
    const cr_encoder_frozen *net;
    cr_known *known; /* NULL for none, and while another call uses it */
    cr_buffer *buffer;
    char *sums; /* (graphs, 2 width) [sum of m_i | sum of root_i] */
    char *latents;
    const cr_graphs *graphs;
} run_t;

typedef struct {
    const cr_cells *cells;
    cr_graphs graphs;
    run_t *runs;
    size_t n_runs, n_layers, row_bytes; /* the most of a network */
} encoding_t;

static size_t sum_bytes(const cr_encoder_frozen *net)
{
    return 2 * net->width * cr_dtype_size(net->dtype);
}

/* A layer's [root | target | source], and x before it. In the last layer root is x, unless that layer is the first. */
typedef struct {
    char *x, *wide;
    cr_messages messages;
} layer_t;

static layer_t layer_of(const cr_encoder_frozen *net, const cr_nodes *nodes, size_t layer, char *memory)
{
    const bool has_root = layer == 0 || layer + 1 < net->n_layers;
    const size_t w = net->width, one = w * cr_dtype_size(net->dtype);
    char *x = memory + (4 * layer - (layer > 0)) * nodes->n * one, *wide = layer == 0 ? x : x + nodes->n * one;
    const char *target = wide + (has_root ? one : 0);
    const cr_messages messages = {.edges = nodes->edges, .row_of = nodes->row_of[layer], .columns = w,
                                  .stride = has_root ? 3 * w : 2 * w, .root_stride = has_root ? 3 * w : w,
                                  .slope = net->slope, .root = has_root ? wide : x, .target = target,
                                  .source = target + one, .types = cr_buffer_data(net->types[layer])};
    return (layer_t){x, wide, messages};
}

/* Computes the new rows of a step: those of layer 0 from the table, those of others from the layer before. */
static cr_status add_rows(const cr_encoder_frozen *net, const cr_nodes *nodes, size_t step, char *memory, cr_error *err)
{
    const cr_kernel_table *kernels = cr_kernels(net->dtype);
    const size_t w = net->width, size = cr_dtype_size(net->dtype), first = nodes->row_start[0][step];
    layer_t before = layer_of(net, nodes, 0, memory);
    kernels->gather_lists(nodes->row_start[0][step + 1] - first, 3 * w, cr_buffer_data(net->table), nodes->list_start + first,
                          nodes->list, before.wide + first * 3 * w * size);
    for (size_t l = 1; l < net->n_layers; l++) {
        const layer_t layer = layer_of(net, nodes, l, memory);
        const size_t begin = nodes->row_start[l][step], rows = nodes->row_start[l][step + 1] - begin;
        const size_t stride = layer.messages.stride;
        char *x = layer.x + begin * w * size;
        kernels->pass_messages(&before.messages, rows, nodes->node_of[l] + begin, x);
        cr_status status = cr_gemm_packed(rows, cr_plain(x, w), net->weights[l], 0, layer.wide + begin * stride * size, stride,
                                          NULL, err);
        if (status != CR_OK)
            return status;
        before = layer;
    }
    return CR_OK;
}

/* Runs the layers of a network on a block of graphs, whose numbers in the call are given, in steps. */
static cr_status run_layers(const run_t *run, const cr_nodes *nodes, size_t step_graphs, const uint32_t *numbers,
                            size_t graphs, char *memory, cr_error *err)
{
    const cr_encoder_frozen *net = run->net;
    const size_t per_graph = net->cells->nodes;
    const layer_t last = layer_of(net, nodes, net->n_layers - 1, memory);
    for (size_t s = 0, g = 0; s < nodes->n_steps; s++) {
        cr_status status = add_rows(net, nodes, s, memory, err);
        if (status != CR_OK)
            return status;
        for (; g < graphs && g < (s + 1) * step_graphs; g++)
            cr_kernels(net->dtype)->sum_messages(&last.messages, g * per_graph, (g + 1) * per_graph,
                                                 run->sums + numbers[g] * sum_bytes(net));
    }
    return CR_OK;
}

/* Finds the nodes of a block of graphs once for all networks. */
static cr_status encode_graphs(void *context, size_t begin, size_t graphs, void *scratch, cr_error *err)
{
    const encoding_t *e = context;
    const size_t step = NODES_COMPUTED / e->cells->nodes + 1;
    cr_nodes nodes;
    char *memory = (char *)scratch + (graphs * e->row_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    cr_status status = cr_nodes_find(e->cells, &e->graphs, begin, graphs, step, e->n_layers, memory, &nodes, err);
    for (size_t k = 0; k < e->n_runs && status == CR_OK; k++)
        status = run_layers(&e->runs[k], &nodes, step, e->graphs.wanted + begin, graphs, scratch, err);
    return status;
}

/* ---- the sums of graphs ---- */

/* Copies the sums that all networks know, and lists the graphs of all others. */
static void recall_sums(encoding_t *e)
{
    cr_graphs *graphs = &e->graphs;
    for (size_t g = 0; g < graphs->n; g++) {
        bool is_known = true;
        for (size_t k = 0; k < e->n_runs && is_known; k++) {
            const run_t *run = &e->runs[k];
            const size_t bytes = sum_bytes(run->net);
            const void *sums = run->known == NULL ? NULL : cr_known_find(run->known, graphs->number[g], graphs->codes[g]);
            is_known = sums != NULL;
            if (is_known)
                memcpy(run->sums + g * bytes, sums, bytes);
        }
        if (!is_known)
            graphs->wanted[graphs->n_wanted++] = (uint32_t)g;
    }
}

/* Takes what networks know, where no other call has it. */
static void take_known(encoding_t *e)
{
    for (size_t k = 0; k < e->n_runs; k++) {
        cr_encoder_frozen *net = (cr_encoder_frozen *)e->runs[k].net; /* what is known is all that ever changes */
        if (net->known != NULL && !atomic_flag_test_and_set(&net->is_known_in_use))
            e->runs[k].known = net->known;
    }
}

/* Adds what was computed, and gives back what was taken. */
static void give_known(encoding_t *e, bool is_complete)
{
    const cr_graphs *graphs = &e->graphs;
    for (size_t k = 0; k < e->n_runs; k++) {
        const run_t *run = &e->runs[k];
        if (run->known == NULL)
            continue;
        if (is_complete)
            cr_known_add(run->known, graphs->n_wanted, graphs->wanted, graphs->number, graphs->codes, run->sums);
        atomic_flag_clear(&((cr_encoder_frozen *)run->net)->is_known_in_use);
    }
}

/* The graphs of a block, when all blocks have about equally many. */
static size_t graphs_per_block(const encoding_t *e)
{
    const size_t most = NODES_FOUND / e->cells->nodes + 1, blocks = (e->graphs.n_wanted + most - 1) / most;
    return blocks == 0 ? 1 : (e->graphs.n_wanted + blocks - 1) / blocks;
}

/* Finds the sums of all graphs. They do not depend on whether they are known. */
static cr_status find_sums(encoding_t *e, cr_error *err)
{
    take_known(e);
    recall_sums(e);
    const size_t fixed = cr_nodes_bytes(e->cells, 0, e->n_layers);
    const size_t scratch = e->row_bytes + cr_nodes_bytes(e->cells, 1, e->n_layers) - fixed;
    cr_status status = cr_run_parts(e->graphs.n_wanted, graphs_per_block(e), scratch, ALIGNMENT + fixed, encode_graphs, e,
                                    err);
    give_known(e, status == CR_OK);
    return status;
}

/* ---- latents ---- */

/* Adds up the sums of the graphs of each cell of a block, and maps them to latents. */
static cr_status encode_cells(void *context, size_t begin, size_t cells, void *scratch, cr_error *err)
{
    const run_t *run = context;
    const cr_encoder_frozen *net = run->net;
    const cr_kernel_table *kernels = cr_kernels(net->dtype);
    const size_t w = 2 * net->width, d = net->outputs, size = cr_dtype_size(net->dtype), n_graphs = net->cells->n_graphs;
    const cr_epilogue add_bias = {CR_IDENTITY, 0, cr_buffer_data(net->head_bias)};
    char *sums = scratch, *from_root = sums + cells * w * size, *latents = run->latents + begin * d * size;
    cr_status status;
    for (size_t c = 0; c < cells; c++) {
        const uint32_t *graphs = run->graphs->of_cell + (begin + c) * n_graphs;
        memcpy(sums + c * w * size, run->sums + graphs[0] * w * size, w * size);
        for (size_t g = 1; g < n_graphs; g++)
            kernels->axpy(w, 1, run->sums + graphs[g] * w * size, sums + c * w * size);
    }
    CR_TRY(cr_gemm_packed(cells, cr_plain(sums, w), net->messages_head, 0, latents, d, &add_bias, err));
    CR_TRY(cr_gemm_packed(cells, cr_plain(sums + net->width * size, w), net->root_head, 0, from_root, d, NULL, err));
    kernels->axpy(cells * d, 1, from_root, latents);
    if (cr_expect_finite(net->dtype, cells * d, latents, "latents", NULL) != CR_OK)
        return cr_fail(err, CR_ERR_VALUE, "model: expected weights whose latents are finite, as those of a damaged file may "
                       "not be");
fail:
    return status;
}

/* ---- a call ---- */

static void end_encoding(encoding_t *e)
{
    for (size_t k = 0; e->runs != NULL && k < e->n_runs; k++)
        cr_buffer_release(e->runs[k].buffer);
    free(e->runs);
    free(e->graphs.memory);
}

/* Takes memory for the sums of each network. */
static cr_status start_runs(encoding_t *e, const cr_encoder_frozen *const *nets, void *const *latents, cr_error *err)
{
    if ((e->runs = calloc(e->n_runs, sizeof *e->runs)) == NULL)
        return no_memory(err);
    for (size_t k = 0; k < e->n_runs; k++) {
        run_t *run = &e->runs[k];
        size_t bytes;
        cr_status status = cr_size_multiply(e->graphs.n, sum_bytes(nets[k]), &bytes, "cells", err);
        if (status == CR_OK)
            status = cr_buffer_new(bytes, &run->buffer, err);
        if (status != CR_OK)
            return status;
        run->net = nets[k];
        run->sums = cr_buffer_data(run->buffer);
        run->latents = latents[k];
        run->graphs = &e->graphs;
        e->n_layers = nets[k]->n_layers > e->n_layers ? nets[k]->n_layers : e->n_layers;
        e->row_bytes = nets[k]->row_bytes > e->row_bytes ? nets[k]->row_bytes : e->row_bytes;
    }
    return CR_OK;
}

cr_status cr_encoder_run(const cr_encoder_frozen *const *nets, size_t n_nets, const uint8_t *codes, size_t n,
                         void *const *latents, cr_error *err)
{
    encoding_t e = {.cells = nets[0]->cells, .n_runs = n_nets};
    cr_status status;
    for (size_t k = 1; k < n_nets; k++)
        if (!cr_cells_equal(nets[k]->cells, e.cells))
            return cr_fail(err, CR_ERR_VALUE, "encoders: expected encoders of the same cells, got other nodes, edges or "
                           "messages in number %zu", k);
    CR_TRY(cr_graphs_find(e.cells, codes, n, &e.graphs, err));
    CR_TRY(start_runs(&e, nets, latents, err));
    CR_TRY(find_sums(&e, err));
    for (size_t k = 0; k < n_nets; k++) {
        const cr_encoder_frozen *net = nets[k];
        const size_t bytes = (2 * net->width + net->outputs) * cr_dtype_size(net->dtype);
        CR_TRY(cr_run_blocks(n, 1, bytes, encode_cells, &e.runs[k], err));
    }
fail:
    end_encoding(&e);
    return status;
}
