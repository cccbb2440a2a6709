#include "likely.h"

/* The most likely value of an edge that is there, and by how much it exceeds that of no edge. Without branches, which
 * processors guess wrongly: any value may be the largest. */
#define BEST_VALUE(name, REAL)                                                       \
    static uint8_t name(const REAL *x, size_t values, double *margin)                \
    {                                                                                \
        size_t best = 1;                                                             \
        REAL largest = x[1];                                                         \
        for (size_t v = 2; v < values; v++) { /* NaN is larger than every number */  \
            const bool larger = (largest == largest) & !(x[v] <= largest);           \
            best = larger ? v : best;                                                \
            largest = larger ? x[v] : largest;                                       \
        }                                                                            \
        const REAL difference = largest - x[0];                                      \
        *margin = difference;                                                        \
        return (uint8_t)best;                                                        \
    }
BEST_VALUE(best_value_f32, float)
BEST_VALUE(best_value_f64, double)

/* Whether an edge comes before another one: its margin is larger, where NaN is the smallest, or it is the first. */
static bool comes_before(double margin, size_t e, double other, size_t o)
{
    const bool larger = (margin > other) | ((margin == margin) & (other != other));
    const bool smaller = (other > margin) | ((other == other) & (margin != margin));
    return larger | (!smaller & (e < o));
}

/* Keeps the `kept` edges of n that come first, and clears the others. */
static void keep_largest(const double *margins, size_t n, size_t kept, uint8_t *codes)
{
    for (size_t e = 0; e < n; e++) {
        size_t before = 0;
        for (size_t o = 0; o < n; o++)
            before += comes_before(margins[o], o, margins[e], e);
        codes[e] = before < kept ? codes[e] : 0;
    }
}

void cr_cell_likely(const cr_cell_layout *layout, cr_dtype dtype, const void *logits, size_t n, size_t values,
                    uint8_t *codes)
{
    const size_t last = layout->n_nodes - layout->has_output;
    double margins[CR_CELL_MAX_NODES];
    size_t first = 0; /* the edge, among those of all cells */
    for (size_t graph = 0; graph < n * layout->n_graphs; graph++)
        for (size_t node = layout->n_inputs; node < layout->n_nodes; first += node, node++) {
            for (size_t e = 0; e < node; e++) {
                const void *x = cr_element(logits, (first + e) * values, dtype);
                codes[first + e] = dtype == CR_F32 ? best_value_f32(x, values, &margins[e])
                                                   : best_value_f64(x, values, &margins[e]);
            }
            keep_largest(margins, node, node >= last ? 0 : node < layout->in_degree ? node : layout->in_degree, codes + first);
        }
}
