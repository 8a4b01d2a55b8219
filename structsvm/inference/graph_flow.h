/* Maximum flow on any graph by one breadth-first forest and excesses (Goldberg et al. 2011,
 * doi:10.1007/978-3-642-23719-5_39, and 2015, doi:10.1007/978-3-662-48350-3_52), in double precision. The
 * flow is kept for the next solve.
 *
 * It maximises  sum_i u_i y_i - sum_e c_e [y_a > y_b] + d_e [y_a < y_b]  over y in {0, 1}^n, where edges
 * (a, b) have the capacity c_e from a to b, and d_e from b to a, mostly the same. A node's `excess` is u_i plus
 * the flow that comes in over its edges. Above 0 the node prefers label 1 (the source), below 0 label 0
 * (the sink). For any flow with residuals >= 0 the maximum is at most the sum of the positive excesses;
 * it equals this sum if no path leads from a positive to a negative excess. So new scores only change
 * excesses and residuals; the flow stays.
 *
 * No epsilon: an arc is saturated when its residual is exactly 0. The least residual of a path becomes 0
 * when it is subtracted from itself. */
#ifndef SSVM_GRAPH_FLOW_H
#define SSVM_GRAPH_FLOW_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Modules that include this header may leave some functions unused. */
#if defined(__GNUC__)
#define SSVM_UNUSED __attribute__((unused))
#else
#define SSVM_UNUSED
#endif

/* Values of ssvm_node.parent other than arcs */
enum { SSVM_ROOT = -1, SSVM_NO_PARENT = -2 };

typedef struct {
    double excess;
    int32_t first;   /* its arcs are first, ..., (node + 1)->first - 1 */
    int32_t parent;  /* the arc to the parent, or one of the above */
    int32_t label;   /* in the search: steps to a root; after a solve: the label of the node */
    int32_t link;    /* the next node of a list */
    int32_t current; /* the first arc that may lead nearer to a root */
    uint8_t state;   /* the lists it is in */
} ssvm_node;

typedef struct {
    double residual;
    int32_t head;
    int32_t sister; /* the arc of the same edge in the other direction */
} ssvm_arc;

typedef struct {
    int32_t n_nodes;
    int32_t n_edges;
    int32_t node_room; /* nodes and edges that memory is reserved for */
    int32_t edge_room;
    ssvm_node *nodes;  /* n_nodes + 1 */
    ssvm_arc *arcs;    /* 2 n_edges, by tail */
    int32_t *arc_of;   /* edge -> its arc from the first end to the second */
    double *capacity;  /* of each edge */
    double *reverse;   /* the same from its second end to its first; NULL: as capacity */
    double *unary;
    int32_t *queue;    /* n_nodes */
    int32_t *lists;    /* (2, n_nodes + 2): first nodes of lists, by label */
    int is_local;      /* whether most edges join nodes with near numbers */
    int32_t n_ends;    /* nodes above 0 or below, whichever are fewer */
    int is_mirrored;   /* whether excesses have the other sign and arcs go the other way */
    double limit;      /* scores were clipped to this magnitude when loaded */
    double kept;       /* the largest flow over an edge when scores were loaded */
} ssvm_graph;

/* ---- memory; a graph must begin as zero bytes */

SSVM_UNUSED static size_t ssvm_graph_bytes(ptrdiff_t n, ptrdiff_t m)
{
    return (size_t)(n + 1) * (sizeof(ssvm_node) + sizeof(double) + 3 * sizeof(int32_t))
           + (size_t)m * (2 * sizeof(ssvm_arc) + sizeof(int32_t) + sizeof(double));
}

static int ssvm_fit(void **room, size_t bytes)
{
    void *moved = realloc(*room, bytes ? bytes : 1);
    if (!moved)
        return -1;
    *room = moved;
    return 0;
}

/* Make room for n nodes and m edges. Returns -1 if there is no memory. */
static int ssvm_graph_reserve(ssvm_graph *g, int32_t n, int32_t m)
{
    if (n > g->node_room || !g->nodes) {
        if (ssvm_fit((void **)&g->nodes, ((size_t)n + 1) * sizeof(ssvm_node))
            || ssvm_fit((void **)&g->unary, (size_t)n * sizeof(double))
            || ssvm_fit((void **)&g->queue, ((size_t)n + 1) * sizeof(int32_t))
            || ssvm_fit((void **)&g->lists, 2 * ((size_t)n + 2) * sizeof(int32_t)))
            return -1;
        g->node_room = n;
    }
    if (m > g->edge_room || !g->arcs) {
        if (ssvm_fit((void **)&g->arcs, 2 * (size_t)m * sizeof(ssvm_arc))
            || ssvm_fit((void **)&g->arc_of, (size_t)m * sizeof(int32_t))
            || ssvm_fit((void **)&g->capacity, (size_t)m * sizeof(double)))
            return -1;
        g->edge_room = m;
    }
    return 0;
}

static void ssvm_graph_free(ssvm_graph *g)
{
    free(g->nodes);
    free(g->arcs);
    free(g->arc_of);
    free(g->capacity);
    free(g->reverse);
    free(g->unary);
    free(g->queue);
    free(g->lists);
}

/* ---- the graph */

/* Nodes whose numbers differ by less are near. */
enum { SSVM_NEAR = 2048 };

/* Set n nodes and m edges (2 m ends); there must be room for them. Arcs are sorted by tail; the queue
 * serves as counters. */
SSVM_UNUSED static void ssvm_graph_connect(ssvm_graph *g, int32_t n, int32_t m,
                                           const int32_t *edges)
{
    int32_t *next = g->queue;
    int32_t n_near = 0;
    g->n_nodes = n;
    g->n_edges = m;
    for (int32_t i = 0; i <= n; ++i)
        g->nodes[i].first = 0;
    for (ptrdiff_t e = 0; e < 2 * (ptrdiff_t)m; ++e)
        ++g->nodes[edges[e] + 1].first;
    for (int32_t i = 0; i < n; ++i)
        g->nodes[i + 1].first += g->nodes[i].first;
    for (int32_t i = 0; i < n; ++i)
        next[i] = g->nodes[i].first;
    for (int32_t e = 0; e < m; ++e) {
        const int32_t a = edges[2 * (ptrdiff_t)e], b = edges[2 * (ptrdiff_t)e + 1];
        const int32_t forward = next[a]++, backward = next[b]++;
        n_near += (a < b ? b - a : a - b) < SSVM_NEAR;
        g->arc_of[e] = forward;
        g->arcs[forward].head = b;
        g->arcs[forward].sister = backward;
        g->arcs[backward].head = a;
        g->arcs[backward].sister = forward;
    }
    g->is_local = n_near >= m / 2;
}

static inline double ssvm_between(double value, double least, double most)
{
    return value > most ? most : value < least ? least : value;
}

static inline double ssvm_within(double value, double limit)
{
    return ssvm_between(value, -limit, limit);
}

/* The capacity of an edge from its second end to its first. */
static inline double ssvm_reverse(const ssvm_graph *g, int32_t e)
{
    return g->reverse ? g->reverse[e] : g->capacity[e];
}

/* The flow over an edge from its first end to the second. */
static inline double ssvm_flow_over(const ssvm_graph *g, int32_t e)
{
    const ssvm_arc *forward = &g->arcs[g->arc_of[e]], *backward = &g->arcs[forward->sister];
    double flow;
    if (!g->reverse) {
        flow = (backward->residual - forward->residual) / 2;
    } else {
        const double there = ssvm_within(g->capacity[e], g->limit);
        const double back = ssvm_within(g->reverse[e], g->limit);
        flow = g->is_mirrored ? (backward->residual - there) + (back - forward->residual)
                              : (backward->residual - back) + (there - forward->residual);
        flow /= 2;
    }
    return g->is_mirrored ? -flow : flow;
}

/* With so many nodes below 0 for each above, all is mirrored. */
enum { SSVM_SINKS_TO_LEAVE = 4 };

/* Change the sign of all excesses and the direction of all arcs; labels stay. */
SSVM_UNUSED static void ssvm_graph_mirror(ssvm_graph *g)
{
    for (int32_t e = 0; e < g->n_edges; ++e) {
        ssvm_arc *forward = &g->arcs[g->arc_of[e]], *backward = &g->arcs[forward->sister];
        const double residual = forward->residual;
        forward->residual = backward->residual;
        backward->residual = residual;
    }
    for (int32_t i = 0; i < g->n_nodes; ++i)
        g->nodes[i].excess = -g->nodes[i].excess;
    g->is_mirrored = !g->is_mirrored;
}

/* Begin from the current scores, clipped to [-limit, limit], and a start flow, one number an edge, clipped
 * to its capacity; NULL for none.
 *
 * A limit above the value of the maximum flow changes no minimum cut: its edges cost less, and no node
 * sends or takes more. */
static void ssvm_graph_begin(ssvm_graph *g, const double *start, double limit)
{
    double kept = 0.0, sign;
    int32_t above = 0, below = 0;
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        above += g->unary[i] > 0.0;
        below += g->unary[i] < 0.0;
    }
    /* The forest grows from nodes below 0. Where these are most, few paths would use it: then all is
     * mirrored, and it grows from those above 0. */
    g->n_ends = above < below ? above : below;
    g->is_mirrored = below / SSVM_SINKS_TO_LEAVE > above;
    sign = g->is_mirrored ? -1.0 : 1.0;
    for (int32_t i = 0; i < g->n_nodes; ++i)
        g->nodes[i].excess = sign * ssvm_within(g->unary[i], limit);
    for (int32_t e = 0; e < g->n_edges; ++e) {
        ssvm_arc *forward = &g->arcs[g->arc_of[e]], *backward = &g->arcs[forward->sister];
        const double there = ssvm_within(g->capacity[e], limit);
        const double back = ssvm_within(ssvm_reverse(g, e), limit);
        double flow = 0.0;
        if (start) {
            flow = sign * ssvm_between(start[e], -back, there);
            kept = flow > kept ? flow : -flow > kept ? -flow : kept;
            g->nodes[backward->head].excess -= flow;
            g->nodes[forward->head].excess += flow;
        }
        forward->residual = (g->is_mirrored ? back : there) - flow;
        backward->residual = (g->is_mirrored ? there : back) + flow;
    }
    g->limit = limit;
    g->kept = kept;
}

/* Begin from new scores in `unary`, `capacity` and `reverse`: see ssvm_graph_begin. The limit is twice an upper bound
 * of the flow. */
static void ssvm_graph_loaded(ssvm_graph *g, const double *start)
{
    double wants_one = 0.0, wants_zero = 0.0, most;
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        wants_one += g->unary[i] > 0.0 ? g->unary[i] : 0.0;
        wants_zero -= g->unary[i] < 0.0 ? g->unary[i] : 0.0;
    }
    most = wants_one < wants_zero ? wants_one : wants_zero;
    /* If nothing can flow, any limit will do whose sums stay finite. */
    ssvm_graph_begin(g, start, most > 0.0 && most < DBL_MAX / 8 ? 2.0 * most : DBL_MAX / 4);
}

/* Load new scores and begin; `reverse` is NULL where it is as `capacity`. Returns -1 if there is no
 * memory, and then changes nothing. */
SSVM_UNUSED static int ssvm_graph_load(ssvm_graph *g, const double *unary, const double *capacity,
                                       const double *reverse, const double *start)
{
    if (!reverse) {
        free(g->reverse);
        g->reverse = NULL;
    } else {
        if (ssvm_fit((void **)&g->reverse, (size_t)g->n_edges * sizeof(double)))
            return -1;
        memcpy(g->reverse, reverse, (size_t)g->n_edges * sizeof(double));
    }
    memcpy(g->unary, unary, (size_t)g->n_nodes * sizeof(double));
    memcpy(g->capacity, capacity, (size_t)g->n_edges * sizeof(double));
    ssvm_graph_loaded(g, start);
    return 0;
}

/* Multiply all scores and the flow by a factor > 0. */
SSVM_UNUSED static void ssvm_graph_scale(ssvm_graph *g, double factor)
{
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        g->unary[i] *= factor;
        g->nodes[i].excess *= factor;
    }
    for (int32_t e = 0; e < g->n_edges; ++e)
        g->capacity[e] *= factor;
    for (int32_t e = 0; g->reverse && e < g->n_edges; ++e)
        g->reverse[e] *= factor;
    for (ptrdiff_t a = 0; a < 2 * (ptrdiff_t)g->n_edges; ++a)
        g->arcs[a].residual *= factor;
    g->limit = g->limit * factor < DBL_MAX / 4 ? g->limit * factor : DBL_MAX / 4;
    g->kept *= factor;
}

#include "structsvm/inference/graph_flow_search.h"

/* ---- results, after a solve */

/* Of all maximisers, that with the fewest 1s. */
static inline uint8_t ssvm_graph_label(const ssvm_graph *g, int32_t i)
{
    return (uint8_t)g->nodes[i].label;
}

/* Turn residuals and excesses into those of the graph itself; labels stay. */
SSVM_UNUSED static void ssvm_graph_face(ssvm_graph *g)
{
    if (g->is_mirrored)
        ssvm_graph_mirror(g);
}

/* Energy of the labels: |unary| of nodes with the worse label, plus the capacities of cut edges. */
static double ssvm_graph_energy(const ssvm_graph *g)
{
    double energy = 0.0;
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        const double u = g->unary[i];
        if (ssvm_graph_label(g, i) ? u < 0.0 : u > 0.0)
            energy += u > 0.0 ? u : -u;
    }
    for (int32_t e = 0; e < g->n_edges; ++e) {
        const ssvm_arc *forward = &g->arcs[g->arc_of[e]];
        const uint8_t first = ssvm_graph_label(g, g->arcs[forward->sister].head);
        const uint8_t second = ssvm_graph_label(g, forward->head);
        if (first != second)
            energy += first ? g->capacity[e] : ssvm_reverse(g, e);
    }
    return energy;
}

/* Flows carry rounding errors. They are negligible beside the energy while no flow is more than this many
 * times the energy. */
#define SSVM_MOST_FLOW 1e4

/* Solve. If the kept flow is too large beside the energy, its rounding could decide labels: then solve
 * again without it. */
SSVM_UNUSED static void ssvm_graph_cut(ssvm_graph *g)
{
    const double enough = g->kept / SSVM_MOST_FLOW;
    double least = 0.0;
    ssvm_graph_solve(g);
    if (!(g->kept > 0.0))
        return;
    /* Usually the energy of the nodes alone is enough. */
    for (int32_t i = 0; i < g->n_nodes && least < enough; ++i) {
        const double u = g->unary[i];
        least += ssvm_graph_label(g, i) ? (u < 0.0 ? -u : 0.0) : (u > 0.0 ? u : 0.0);
    }
    if (least >= enough || ssvm_graph_energy(g) >= enough)
        return;
    ssvm_graph_begin(g, NULL, g->limit);
    ssvm_graph_solve(g);
}

static double ssvm_graph_largest(const ssvm_graph *g)
{
    double largest = 0.0;
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        const double u = g->unary[i] < 0.0 ? -g->unary[i] : g->unary[i];
        largest = u > largest ? u : largest;
    }
    for (int32_t e = 0; e < g->n_edges; ++e) {
        const double back = ssvm_reverse(g, e);
        const double c = g->capacity[e] > back ? g->capacity[e] : back;
        largest = c > largest ? c : largest;
    }
    return largest;
}

/* Value of the flow, a lower bound of every cut. It is computed anew from the scores and the flow over
 * each edge, clipped to its capacity. To subtract nothing large from something large, a node with u > 0
 * counts the flow that leaves it, at most u. `out` is SCRATCH (n_nodes,). */
static double ssvm_graph_flow(const ssvm_graph *g, double *out)
{
    double total = 0.0;
    for (int32_t i = 0; i < g->n_nodes; ++i)
        out[i] = 0.0;
    for (int32_t e = 0; e < g->n_edges; ++e) {
        const ssvm_arc *forward = &g->arcs[g->arc_of[e]], *backward = &g->arcs[forward->sister];
        const double flow = ssvm_between(ssvm_flow_over(g, e), -ssvm_reverse(g, e), g->capacity[e]);
        out[backward->head] += flow;
        out[forward->head] -= flow;
    }
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        const double u = g->unary[i];
        if (u > 0.0)
            total += out[i] < u ? out[i] : u;
        else
            total += out[i] < u ? out[i] - u : 0.0;
    }
    return total;
}

/* After a solve: returns the flow that proves the labels, and writes their energy. Residuals are only as
 * precise as the largest capacity, so scores far above the energy are clipped and the flow is found
 * again. `out` is SCRATCH (n_nodes,). */
SSVM_UNUSED static double ssvm_graph_certify(ssvm_graph *g, double *out, double *energy)
{
    const double largest = ssvm_graph_largest(g);
    for (;;) {
        double limit;
        *energy = ssvm_graph_energy(g);
        limit = 2.0 * *energy;
        /* Labels with energy 0 need no proof. */
        if (!(limit > 0.0) || largest <= limit || g->limit <= 2.0 * limit)
            break;
        ssvm_graph_begin(g, NULL, limit);
        ssvm_graph_solve(g);
    }
    return *energy > 0.0 ? ssvm_graph_flow(g, out) : 0.0;
}

#endif
