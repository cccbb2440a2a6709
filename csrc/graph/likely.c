#include "likely.h"

static double load(cr_dtype dtype, const void *x, size_t i)
{
    return dtype == CR_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

/* The most likely value of an edge that is there, and by how much it exceeds that of no edge. */
static uint8_t best_value(cr_dtype dtype, const void *logits, size_t first, size_t values, double *margin)
{
    size_t best = 1;
    for (size_t v = 2; v < values; v++) {
        const double x = load(dtype, logits, first + v), largest = load(dtype, logits, first + best);
        if (largest == largest && !(x <= largest))
            best = v;
    }
    *margin = load(dtype, logits, first + best) - load(dtype, logits, first);
    if (dtype == CR_F32)
        *margin = (double)(float)*margin;
    return (uint8_t)best;
}

static bool is_larger(double a, double b)
{
    return a > b || (a == a && b != b);
}

/* Keeps the `kept` edges of n with the largest margins, and clears the others. */
static void keep_largest(const double *margins, size_t n, size_t kept, uint8_t *codes)
{
    bool is_kept[CR_CELL_MAX_NODES] = {false};
    for (size_t k = 0; k < kept; k++) {
        size_t best = n;
        for (size_t e = 0; e < n; e++)
            if (!is_kept[e] && (best == n || is_larger(margins[e], margins[best])))
                best = e;
        is_kept[best] = true;
    }
    for (size_t e = 0; e < n; e++)
        codes[e] = is_kept[e] ? codes[e] : 0;
}

void cr_cell_likely(const cr_cell_layout *layout, cr_dtype dtype, const void *logits, size_t n, size_t values,
                    uint8_t *codes)
{
    const size_t last = layout->n_nodes - layout->has_output;
    double margins[CR_CELL_MAX_NODES];
    size_t first = 0; /* the edge, among those of all cells */
    for (size_t graph = 0; graph < n * layout->n_graphs; graph++)
        for (size_t node = layout->n_inputs; node < layout->n_nodes; first += node, node++) {
            for (size_t e = 0; e < node; e++)
                codes[first + e] = best_value(dtype, logits, (first + e) * values, values, &margins[e]);
            keep_largest(margins, node, node >= last ? 0 : node < layout->in_degree ? node : layout->in_degree, codes + first);
        }
}
