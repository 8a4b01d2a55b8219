/* Loading and changing the scores of a grid, its labels and their certificate. grid_flow.h includes this
 * once for each number of arcs SSVM_ARCS.
 *
 * Edges have an array of scores for each direction, of the shape of the image; the entry of pixel v in
 * direction k belongs to the edge from v one step in that direction. `step` is the distance between the
 * entries of two pixels: 1, or 0 if a direction has one score for all pixels. */

#define SSVM_MASK SSVM_GRID_NAME(mask)
#define SSVM_NODE SSVM_GRID_NAME(node)
#define SSVM_BIT(arc) ((SSVM_MASK)((uint32_t)1 << (arc)))

#if SSVM_ARCS <= 8
typedef uint8_t SSVM_MASK;
#else
typedef uint32_t SSVM_MASK;
#endif

typedef struct {
    double excess;
    int32_t label;   /* in the search: distance to a root; after a solve: the label of the pixel */
    int8_t parent;   /* the arc to the parent, or a special value of grid_flow_search.h */
    uint8_t state;   /* the lists it is in */
    SSVM_MASK out;   /* bit k: arc k has a residual > 0 */
    SSVM_MASK in;    /* bit k: the arc from neighbour k to here has a residual > 0 */
} SSVM_NODE;

/* The pixels [*start, *stop) of row (d, h) that have a neighbour along `arc`. */
SSVM_INLINE void SSVM_GRID_NAME(inside)(const ssvm_grid *g, int arc, ptrdiff_t d, ptrdiff_t h,
                                        ptrdiff_t *start, ptrdiff_t *stop)
{
    const int *step = g->step[arc];
    const ptrdiff_t d2 = d + step[0], h2 = h + step[1];
    *start = step[2] < 0 ? 1 : 0;
    *stop = g->width - (step[2] > 0 ? 1 : 0);
    if (d2 < 0 || d2 >= g->depth || h2 < 0 || h2 >= g->height || *stop < *start)
        *start = *stop = 0;
}

/* Distance in an image array to the pixel one step in direction k. */
SSVM_INLINE ptrdiff_t SSVM_GRID_NAME(pixels)(const ssvm_grid *g, int direction)
{
    const int *step = g->step[2 * direction];
    return (step[0] * g->height + step[1]) * g->width + step[2];
}

/* Bits of the arcs with a residual > 0. */
SSVM_INLINE SSVM_MASK SSVM_GRID_NAME(open)(const double *residual)
{
    uint32_t bits = 0;
    for (int k = 0; k < SSVM_ARCS; ++k)
        bits |= (uint32_t)(residual[k] > 0.0) << k;
    return (SSVM_MASK)bits;
}

/* Which arcs have a residual > 0, at all pixels. */
static void SSVM_GRID_NAME(set_masks)(ssvm_grid *g)
{
    SSVM_NODE *nodes = (SSVM_NODE *)g->nodes;
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height; ++h) {
            const ptrdiff_t v = g->first + d * g->plane + h * g->row;
            for (ptrdiff_t j = 0; j < g->width; ++j)
                nodes[v + j].out = SSVM_GRID_NAME(open)(g->residual + (v + j) * SSVM_ARCS);
        }
    for (ptrdiff_t v = g->first; v < g->n_places - g->first; ++v) {
        uint32_t bits = 0;
        for (int k = 0; k < SSVM_ARCS; ++k)
            bits |= (uint32_t)((nodes[v + g->shift[k]].out >> (k ^ 1)) & 1u) << k;
        nodes[v].in = (SSVM_MASK)bits;
    }
}

static void SSVM_GRID_NAME(load)(ssvm_grid *g, const double *unary, const double *forward,
                                 const double *backward, ptrdiff_t step)
{
    SSVM_NODE *nodes = (SSVM_NODE *)g->nodes;
    const ptrdiff_t n_pixels = g->depth * g->height * g->width;
    const ptrdiff_t direction = step ? n_pixels : 1;
    const SSVM_NODE padding = {0.0, 0, -1, 0, 0, 0};
    for (ptrdiff_t v = 0; v < g->n_places; ++v)
        nodes[v] = padding;
    ptrdiff_t pixel = 0;
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height; ++h, pixel += g->width) {
            const ptrdiff_t v = g->first + d * g->plane + h * g->row;
            double *residual = g->residual + v * SSVM_ARCS;
            for (int k = 0; k < SSVM_ARCS; ++k) {
                ptrdiff_t start, stop, j = 0;
                const double *scores = k % 2 ? backward : forward;
                const ptrdiff_t one_back = k % 2 ? SSVM_GRID_NAME(pixels)(g, k / 2) : 0;
                const ptrdiff_t at = k / 2 * direction + step * (pixel - one_back);
                SSVM_GRID_NAME(inside)(g, k, d, h, &start, &stop);
                for (; j < start; ++j)
                    residual[j * SSVM_ARCS + k] = 0.0;
                for (; j < stop; ++j)
                    residual[j * SSVM_ARCS + k] = scores[at + j * step];
                for (; j < g->width; ++j)
                    residual[j * SSVM_ARCS + k] = 0.0;
            }
            for (ptrdiff_t j = 0; j < g->width; ++j) {
                SSVM_NODE *x = nodes + v + j;
                x->excess = unary[pixel + j];
                x->out = x->in = SSVM_GRID_NAME(open)(residual + j * SSVM_ARCS);
            }
        }
    if (forward != backward)
        SSVM_GRID_NAME(set_masks)(g);
}

SSVM_INLINE double SSVM_GRID_NAME(within)(double value, double limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

/* For each direction where its first edge is, in arrays of edges: direction by direction, row by row. */
static void SSVM_GRID_NAME(first_edges)(const ssvm_grid *g, ptrdiff_t *first)
{
    ptrdiff_t n = 0;
    for (int k = 0; k < SSVM_ARCS; k += 2) {
        const ptrdiff_t depth = g->depth - g->step[k][0];
        const ptrdiff_t height = g->height - abs(g->step[k][1]);
        const ptrdiff_t width = g->width - abs(g->step[k][2]);
        first[k / 2] = n;
        n += depth > 0 && height > 0 && width > 0 ? depth * height * width : 0;
    }
}

static void SSVM_GRID_NAME(load_edges)(ssvm_grid *g, const double *unary, const double *edges,
                                       const float *flow, double limit, double *kept)
{
    SSVM_NODE *nodes = (SSVM_NODE *)g->nodes;
    const SSVM_NODE padding = {0.0, 0, -1, 0, 0, 0};
    ptrdiff_t at[SSVM_ARCS / 2], start, stop, pixel = 0;
    double most = 0.0;
    SSVM_GRID_NAME(first_edges)(g, at);
    for (ptrdiff_t v = 0; v < g->n_places; ++v)
        nodes[v] = padding;
    memset(g->residual, 0, (size_t)g->n_places * SSVM_ARCS * sizeof(double));
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height; ++h, pixel += g->width) {
            const ptrdiff_t v = g->first + d * g->plane + h * g->row;
            for (ptrdiff_t j = 0; j < g->width; ++j)
                nodes[v + j].excess += SSVM_GRID_NAME(within)(unary[pixel + j], limit);
            for (int k = 0; k < SSVM_ARCS; k += 2) {
                SSVM_GRID_NAME(inside)(g, k, d, h, &start, &stop);
                const double *scores = edges + at[k / 2] - start;
                const float *flows = flow ? flow + at[k / 2] - start : NULL;
                double *there = g->residual + v * SSVM_ARCS + k;
                double *back = g->residual + (v + g->shift[k]) * SSVM_ARCS + k + 1;
                at[k / 2] += stop - start;
                for (ptrdiff_t j = start; j < stop; ++j) {
                    const double c = scores[j] < limit ? scores[j] : limit;
                    double f = 0.0;
                    if (flows) {
                        f = SSVM_GRID_NAME(within)((double)flows[j], c);
                        most = f > most ? f : -f > most ? -f : most;
                        nodes[v + j].excess -= f;
                        nodes[v + j + g->shift[k]].excess += f;
                    }
                    there[j * SSVM_ARCS] = c - f;
                    back[j * SSVM_ARCS] = c + f;
                }
            }
        }
    SSVM_GRID_NAME(set_masks)(g);
    *kept = most;
}

/* The flow over each edge, from its first end to its second. */
static void SSVM_GRID_NAME(flow)(const ssvm_grid *g, float *flow)
{
    ptrdiff_t at[SSVM_ARCS / 2], start, stop;
    SSVM_GRID_NAME(first_edges)(g, at);
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height; ++h) {
            const ptrdiff_t v = g->first + d * g->plane + h * g->row;
            for (int k = 0; k < SSVM_ARCS; k += 2) {
                SSVM_GRID_NAME(inside)(g, k, d, h, &start, &stop);
                float *flows = flow + at[k / 2] - start;
                const double *there = g->residual + v * SSVM_ARCS + k;
                const double *back = g->residual + (v + g->shift[k]) * SSVM_ARCS + k + 1;
                at[k / 2] += stop - start;
                for (ptrdiff_t j = start; j < stop; ++j)
                    flows[j] = (float)((back[j * SSVM_ARCS] - there[j * SSVM_ARCS]) / 2.0);
            }
        }
}

/* The scores of the edges whose ends have the same label, or have not. */
static void SSVM_GRID_NAME(agreement)(const ssvm_grid *g, const double *edges, int agree, double *total)
{
    ptrdiff_t at[SSVM_ARCS / 2], start, stop;
    SSVM_GRID_NAME(first_edges)(g, at);
    *total = 0.0;
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height; ++h) {
            const SSVM_NODE *x = (const SSVM_NODE *)g->nodes + g->first + d * g->plane + h * g->row;
            for (int k = 0; k < SSVM_ARCS; k += 2) {
                SSVM_GRID_NAME(inside)(g, k, d, h, &start, &stop);
                const double *scores = edges + at[k / 2] - start;
                const SSVM_NODE *y = x + g->shift[k];
                double row = 0.0;
                at[k / 2] += stop - start;
                for (ptrdiff_t j = start; j < stop; ++j)
                    row += (x[j].label == y[j].label) == agree ? scores[j] : 0.0;
                *total += row;
            }
        }
}

static void SSVM_GRID_NAME(change_unary)(ssvm_grid *g, const double *before, const double *after)
{
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height; ++h) {
            SSVM_NODE *x = (SSVM_NODE *)g->nodes + g->first + d * g->plane + h * g->row;
            for (ptrdiff_t j = 0; j < g->width; ++j)
                x[j].excess += after[j] - before[j];
            before += g->width;
            after += g->width;
        }
}

/* Update the residuals of an edge whose capacities change by `more` and `more_back`. Flow that no longer
 * fits through an arc returns to the excess of its tail. */
SSVM_INLINE void SSVM_GRID_NAME(change_edge)(ssvm_grid *g, ptrdiff_t v, int k, double more,
                                             double more_back)
{
    SSVM_NODE *x = (SSVM_NODE *)g->nodes + v, *y = x + g->shift[k];
    double *there = g->residual + v * SSVM_ARCS + k;
    double *back = g->residual + (v + g->shift[k]) * SSVM_ARCS + (k ^ 1);
    *there += more;
    *back += more_back;
    if (*there < 0.0) {
        x->excess -= *there;
        y->excess += *there;
        *back += *there;
        *there = 0.0;
    } else if (*back < 0.0) {
        y->excess -= *back;
        x->excess += *back;
        *there += *back;
        *back = 0.0;
    }
    *there = *there > 0.0 ? *there : 0.0; /* negative only by rounding */
    *back = *back > 0.0 ? *back : 0.0;
    x->out = (SSVM_MASK)((x->out & ~SSVM_BIT(k)) | (*there > 0.0 ? SSVM_BIT(k) : 0));
    y->in = (SSVM_MASK)((y->in & ~SSVM_BIT(k ^ 1)) | (*there > 0.0 ? SSVM_BIT(k ^ 1) : 0));
    y->out = (SSVM_MASK)((y->out & ~SSVM_BIT(k ^ 1)) | (*back > 0.0 ? SSVM_BIT(k ^ 1) : 0));
    x->in = (SSVM_MASK)((x->in & ~SSVM_BIT(k)) | (*back > 0.0 ? SSVM_BIT(k) : 0));
}

static void SSVM_GRID_NAME(change_pairwise)(ssvm_grid *g, const double *forward_before,
                                            const double *backward_before, ptrdiff_t step_before,
                                            const double *forward, const double *backward,
                                            ptrdiff_t step)
{
    const ptrdiff_t n_pixels = g->depth * g->height * g->width;
    for (int k = 0; k < SSVM_ARCS; k += 2) {
        const ptrdiff_t old = k / 2 * (step_before ? n_pixels : 1);
        const ptrdiff_t new = k / 2 * (step ? n_pixels : 1);
        ptrdiff_t pixel = 0, start, stop;
        for (ptrdiff_t d = 0; d < g->depth; ++d)
            for (ptrdiff_t h = 0; h < g->height; ++h, pixel += g->width) {
                const ptrdiff_t v = g->first + d * g->plane + h * g->row;
                SSVM_GRID_NAME(inside)(g, k, d, h, &start, &stop);
                for (ptrdiff_t j = start; j < stop; ++j) {
                    const ptrdiff_t a = old + step_before * (pixel + j), b = new + step * (pixel + j);
                    const double more = forward[b] - forward_before[a];
                    const double more_back = backward[b] - backward_before[a];
                    if (more != 0.0 || more_back != 0.0)
                        SSVM_GRID_NAME(change_edge)(g, v + j, k, more, more_back);
                }
            }
    }
}

static void SSVM_GRID_NAME(scale)(ssvm_grid *g, double factor)
{
    SSVM_NODE *nodes = (SSVM_NODE *)g->nodes;
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height; ++h) {
            const ptrdiff_t v = g->first + d * g->plane + h * g->row;
            for (ptrdiff_t j = 0; j < g->width; ++j)
                nodes[v + j].excess *= factor;
            for (ptrdiff_t j = 0; j < g->width * SSVM_ARCS; ++j)
                g->residual[v * SSVM_ARCS + j] *= factor;
        }
}

static void SSVM_GRID_NAME(labels)(const ssvm_grid *g, uint8_t *labels)
{
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height; ++h) {
            const SSVM_NODE *x = (const SSVM_NODE *)g->nodes + g->first + d * g->plane + h * g->row;
            for (ptrdiff_t j = 0; j < g->width; ++j)
                *labels++ = (uint8_t)x[j].label;
        }
}

/* Energy of the labels at pixels only; the sum stops once it reaches `enough`. */
static void SSVM_GRID_NAME(given_up)(const ssvm_grid *g, const double *unary, double enough,
                                     double *total)
{
    *total = 0.0;
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height && *total < enough; ++h, unary += g->width) {
            const SSVM_NODE *x = (const SSVM_NODE *)g->nodes + g->first + d * g->plane + h * g->row;
            double row = 0.0;
            for (ptrdiff_t j = 0; j < g->width; ++j) {
                const double against = x[j].label ? -unary[j] : unary[j];
                row += against > 0.0 ? against : 0.0;
            }
            *total += row;
        }
}

/* flow: a lower bound of the energy of every labelling, from the flow found, clipped to the capacities.
 * energy: the energy of the labels found. Both are computed anew from the scores, which are the same in
 * both directions. To subtract nothing large from something large, a pixel with u > 0 counts the flow that
 * leaves it, at most u. */
static void SSVM_GRID_NAME(certify)(const ssvm_grid *g, const double *unary, const double *pairwise,
                                    ptrdiff_t step, double *flow, double *energy)
{
    const ptrdiff_t n_pixels = g->depth * g->height * g->width;
    const ptrdiff_t direction = step ? n_pixels : 1;
    ptrdiff_t pixel = 0, start, stop;
    *flow = *energy = 0.0;
    for (ptrdiff_t d = 0; d < g->depth; ++d)
        for (ptrdiff_t h = 0; h < g->height; ++h, pixel += g->width) {
            const ptrdiff_t v = g->first + d * g->plane + h * g->row;
            double row_flow = 0.0, row_energy = 0.0; /* sums of sums round less */
            for (ptrdiff_t j = 0; j < g->width; ++j) {
                const SSVM_NODE *x = (const SSVM_NODE *)g->nodes + v + j;
                const double u = unary[pixel + j];
                double out = 0.0;
                for (int k = 0; k < SSVM_ARCS; ++k) {
                    SSVM_GRID_NAME(inside)(g, k, d, h, &start, &stop);
                    if (j < start || j >= stop)
                        continue;
                    const ptrdiff_t back = k % 2 ? SSVM_GRID_NAME(pixels)(g, k / 2) : 0;
                    const double c = pairwise[k / 2 * direction + step * (pixel + j - back)];
                    double along = (g->residual[(v + j + g->shift[k]) * SSVM_ARCS + (k ^ 1)]
                                    - g->residual[(v + j) * SSVM_ARCS + k]) / 2.0;
                    along = along > c ? c : along < -c ? -c : along;
                    out += along;
                    if (k % 2 == 0 && x->label != x[g->shift[k]].label)
                        row_energy += c;
                }
                if (u > 0.0)
                    row_flow += out < u ? out : u;
                else
                    row_flow += out < u ? out - u : 0.0;
                if (x->label ? u < 0.0 : u > 0.0)
                    row_energy += u > 0.0 ? u : -u;
            }
            *flow += row_flow;
            *energy += row_energy;
        }
}
