/* Maximum flow on the pixels of an image, 4- or 8-connected, or of a volume, 6- or 26-connected, in
 * double precision. The flow is kept for the next solve.
 *
 * It maximises  sum_v u_v y_v - sum_(v, w) c_vw [y_v = 1, y_w = 0]  over labels y in {0, 1}. A pixel's
 * `excess` is u_v plus the flow that comes in from its neighbours. Above 0 the pixel prefers label 1 (the
 * source), below 0 label 0 (the sink). For any flow with residuals >= 0 the maximum is at most the sum of
 * the positive excesses; it equals this sum if no path of residuals leads from a positive to a negative
 * excess. So new scores only change excesses and residuals, and the next solve starts from the flow
 * (Kohli and Torr 2007, doi:10.1109/TPAMI.2007.1128).
 *
 * Neighbours are implicit. Arc 2 k of a pixel goes one step in direction k, arc 2 k + 1 one step back, so
 * arc a at v is arc a ^ 1 at the other end. Pixels are stored at places of a padded image, so every
 * neighbour can be read; places in the padding have no arcs and no label.
 *
 * Three headers are compiled once for each number of arcs, which is why this is C: grid_flow_scores.h
 * (input and output), grid_flow_search.h (the algorithm) and grid_flow_boxes.h (its order over the image).
 *
 * No epsilon: an arc is saturated when its residual is exactly 0. A residual becomes 0 when it is
 * subtracted from itself. */
#ifndef SSVM_GRID_FLOW_H
#define SSVM_GRID_FLOW_H

#include <stdlib.h>
#include <string.h>

#include "structsvm/linalg/clones.h"

/* Modules that include this header may leave some functions unused. */
#if defined(__GNUC__)
#define SSVM_GRID_UNUSED __attribute__((unused))
#else
#define SSVM_GRID_UNUSED
#endif

enum { SSVM_GRID_MOST_ARCS = 26 };

typedef struct {
    int n_arcs;                              /* 4, 8, 6 or 26 */
    ptrdiff_t depth, height, width;          /* in pixels; depth 1 in two dimensions */
    ptrdiff_t first, plane, row;             /* pixel (d, h, w) is at first + d plane + h row + w */
    ptrdiff_t n_places;
    int step[SSVM_GRID_MOST_ARCS][3];        /* step of each arc in pixels, */
    ptrdiff_t shift[SSVM_GRID_MOST_ARCS];    /* and in places */
    int32_t n_buckets;
    size_t n_bytes;
    size_t room;                             /* bytes that memory is reserved for */
    void *block;                             /* the memory of all that follows */
    double *residual;                        /* (n_places, n_arcs) */
    void *nodes;                             /* (n_places,) */
    int32_t *queue;                          /* (n_places,) */
    int32_t *link;                           /* (n_places,): the next pixel of a list */
    int32_t *heads;                          /* (2, n_buckets): first pixels of lists, by distance */
} ssvm_grid;

SSVM_INLINE int ssvm_lowest_bit(uint32_t bits)
{
#if defined(__GNUC__)
    return __builtin_ctz(bits);
#else
    int k = 0;
    while (!((bits >> k) & 1u))
        ++k;
    return k;
#endif
}

#define SSVM_GRID_PASTE(name, arcs) ssvm_grid_##name##_##arcs
#define SSVM_GRID_EXPAND(name, arcs) SSVM_GRID_PASTE(name, arcs)
#define SSVM_GRID_NAME(name) SSVM_GRID_EXPAND(name, SSVM_ARCS)

#define SSVM_ARCS 4
#include "structsvm/inference/grid_flow_scores.h"
#include "structsvm/inference/grid_flow_search.h"
#include "structsvm/inference/grid_flow_boxes.h"
#undef SSVM_ARCS
#define SSVM_ARCS 6
#include "structsvm/inference/grid_flow_scores.h"
#include "structsvm/inference/grid_flow_search.h"
#include "structsvm/inference/grid_flow_boxes.h"
#undef SSVM_ARCS
#define SSVM_ARCS 8
#include "structsvm/inference/grid_flow_scores.h"
#include "structsvm/inference/grid_flow_search.h"
#include "structsvm/inference/grid_flow_boxes.h"
#undef SSVM_ARCS
#define SSVM_ARCS 26
#include "structsvm/inference/grid_flow_scores.h"
#include "structsvm/inference/grid_flow_search.h"
#include "structsvm/inference/grid_flow_boxes.h"
#undef SSVM_ARCS

/* The function for this grid's number of arcs. */
#define SSVM_GRID_CALL(g, name, arguments)           \
    do {                                             \
        if ((g)->n_arcs == 4)                        \
            SSVM_GRID_PASTE(name, 4) arguments;      \
        else if ((g)->n_arcs == 6)                   \
            SSVM_GRID_PASTE(name, 6) arguments;      \
        else if ((g)->n_arcs == 8)                   \
            SSVM_GRID_PASTE(name, 8) arguments;      \
        else                                         \
            SSVM_GRID_PASTE(name, 26) arguments;     \
    } while (0)

/* ---- memory; a grid must begin as zero bytes */

/* Set sizes and steps; allocates nothing, and what was loaded is lost. `directions` (n_arcs / 2, 3) are
 * the forward steps. Returns the number of arcs of all places, which must be below 2^31. */
static double ssvm_grid_shape(ssvm_grid *g, int n_arcs, const int *directions, ptrdiff_t depth,
                              ptrdiff_t height, ptrdiff_t width)
{
    g->n_arcs = n_arcs;
    g->depth = depth;
    g->height = height;
    g->width = width;
    if (((double)depth + 2) * ((double)height + 2) * ((double)width + 2) * n_arcs > 4e9)
        return 4e9;
    g->row = width + 1;
    g->plane = (height + 1) * g->row;
    ptrdiff_t margin = 0;
    for (int k = 0; k < n_arcs; ++k) {
        const int sign = k % 2 ? -1 : 1;
        for (int axis = 0; axis < 3; ++axis)
            g->step[k][axis] = sign * directions[k / 2 * 3 + axis];
        g->shift[k] = g->step[k][0] * g->plane + g->step[k][1] * g->row + g->step[k][2];
        margin = g->shift[k] > margin ? g->shift[k] : margin;
    }
    const ptrdiff_t span = depth && height && width
        ? (depth - 1) * g->plane + (height - 1) * g->row + width : 0;
    g->first = margin;
    g->n_places = margin + span + margin;
    /* Longer distances are rare; they share the last list. */
    const ptrdiff_t usual = 8 * (depth + height + width);
    g->n_buckets = (int32_t)(usual < span ? usual : span) + 2;
    return (double)g->n_places * n_arcs;
}

SSVM_INLINE char *ssvm_grid_take(char *block, size_t *at, size_t bytes)
{
    char *taken = block + *at;
    *at += (bytes + 63) / 64 * 64;
    return taken;
}

static void ssvm_grid_free(ssvm_grid *g)
{
    free(g->block);
    g->block = NULL;
    g->room = 0;
}

/* Allocate what is missing, after ssvm_grid_shape. Returns -1 if there is no memory. */
static int ssvm_grid_reserve(ssvm_grid *g)
{
    const size_t n = (size_t)g->n_places;
    size_t node = sizeof(ssvm_grid_node_8);
    if (g->n_arcs == 26)
        node = sizeof(ssvm_grid_node_26);
    g->n_bytes = n * ((size_t)g->n_arcs * sizeof(double) + node + 2 * sizeof(int32_t))
                 + (size_t)g->n_buckets * 2 * sizeof(int32_t) + 6 * 64;
    if (g->n_bytes > g->room) {
        ssvm_grid_free(g);
        g->block = malloc(g->n_bytes);
        if (!g->block)
            return -1;
        g->room = g->n_bytes;
    }
    size_t at = (64 - (size_t)((uintptr_t)g->block % 64)) % 64;
    char *block = (char *)g->block;
    g->residual = (double *)ssvm_grid_take(block, &at, n * (size_t)g->n_arcs * sizeof(double));
    g->nodes = ssvm_grid_take(block, &at, n * node);
    g->queue = (int32_t *)ssvm_grid_take(block, &at, n * sizeof(int32_t));
    g->link = (int32_t *)ssvm_grid_take(block, &at, n * sizeof(int32_t));
    g->heads = (int32_t *)ssvm_grid_take(block, &at, (size_t)g->n_buckets * 2 * sizeof(int32_t));
    return 0;
}

/* ---- the functions; the contract is in _grid_cut.pxd */

SSVM_GRID_UNUSED static void ssvm_grid_load(ssvm_grid *g, const double *unary, const double *forward,
                                            const double *backward, ptrdiff_t step)
{
    SSVM_GRID_CALL(g, load, (g, unary, forward, backward, step));
}

SSVM_GRID_UNUSED static double ssvm_grid_load_edges(ssvm_grid *g, const double *unary,
                                                    const double *edges, const float *flow,
                                                    double limit)
{
    double kept;
    SSVM_GRID_CALL(g, load_edges, (g, unary, edges, flow, limit, &kept));
    return kept;
}

SSVM_GRID_UNUSED static void ssvm_grid_flow(const ssvm_grid *g, float *flow)
{
    SSVM_GRID_CALL(g, flow, (g, flow));
}

SSVM_GRID_UNUSED static double ssvm_grid_agreement(const ssvm_grid *g, const double *edges, int agree)
{
    double total;
    SSVM_GRID_CALL(g, agreement, (g, edges, agree, &total));
    return total;
}

SSVM_GRID_UNUSED static void ssvm_grid_change_unary(ssvm_grid *g, const double *before,
                                                    const double *after)
{
    SSVM_GRID_CALL(g, change_unary, (g, before, after));
}

SSVM_GRID_UNUSED static void ssvm_grid_change_pairwise(ssvm_grid *g, const double *forward_before,
                                                       const double *backward_before,
                                                       ptrdiff_t step_before,
                                                       const double *forward,
                                                       const double *backward, ptrdiff_t step)
{
    SSVM_GRID_CALL(g, change_pairwise,
                   (g, forward_before, backward_before, step_before, forward, backward, step));
}

SSVM_GRID_UNUSED static void ssvm_grid_scale(ssvm_grid *g, double factor)
{
    SSVM_GRID_CALL(g, scale, (g, factor));
}

SSVM_GRID_UNUSED static void ssvm_grid_solve(ssvm_grid *g)
{
    SSVM_GRID_CALL(g, solve, (g));
}

SSVM_GRID_UNUSED static void ssvm_grid_labels(const ssvm_grid *g, uint8_t *labels)
{
    SSVM_GRID_CALL(g, labels, (g, labels));
}

SSVM_GRID_UNUSED static double ssvm_grid_given_up(const ssvm_grid *g, const double *unary,
                                                  double enough)
{
    double total;
    SSVM_GRID_CALL(g, given_up, (g, unary, enough, &total));
    return total;
}

SSVM_GRID_UNUSED static void ssvm_grid_certify(const ssvm_grid *g, const double *unary,
                                               const double *pairwise, ptrdiff_t step, double *flow,
                                               double *energy)
{
    SSVM_GRID_CALL(g, certify, (g, unary, pairwise, step, flow, energy));
}

#endif
