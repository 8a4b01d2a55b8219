/* Maximum flow on any graph by Boykov and Kolmogorov's two search trees (2004,
 * doi:10.1109/TPAMI.2004.60), in double precision, with the flow kept for a next solve.
 *
 * What is maximised is  sum_i u_i y_i - sum_e c_e [y_a != y_b]  over y in {0, 1}^n. A node's `excess`
 * is u_i plus the flow that comes in over its edges: above 0 it still wants label 1 (joins the source),
 * below 0 label 0 (joins the sink). For any flow with all residuals >= 0 the maximum is at most the sum
 * of the positive excesses, and where no path leads from a positive to a negative excess it is that. So
 * a flow need never be taken apart: new scores only change excesses and residuals.
 *
 * No epsilon: an arc is saturated when its residual is exactly 0, which the least residual of a path
 * becomes by being subtracted from itself. */
#ifndef SSVM_GRAPH_FLOW_H
#define SSVM_GRAPH_FLOW_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Not every module that includes this uses all of it. */
#if defined(__GNUC__)
#define SSVM_UNUSED __attribute__((unused))
#else
#define SSVM_UNUSED
#endif

enum { SSVM_FREE = 0, SSVM_SOURCE = 1, SSVM_SINK = 2 };

/* Instead of the number of an arc in ssvm_node.parent */
enum { SSVM_ROOT = -1, SSVM_ORPHAN = -2, SSVM_NO_PARENT = -3 };

typedef struct {
    double excess;
    int32_t first;    /* its arcs are first, ..., (node + 1)->first - 1 */
    int32_t parent;   /* the arc to the parent, or one of the above */
    int32_t time;     /* when `distance` was right */
    int32_t distance; /* edges to the root */
    uint8_t tree;
    uint8_t is_active; /* it is in the queue */
} ssvm_node;

typedef struct {
    double residual;
    int32_t head;
    int32_t sister; /* the same edge, the other way */
} ssvm_arc;

typedef struct {
    int32_t n_nodes;
    int32_t n_edges;
    int32_t node_room; /* what there is memory for */
    int32_t edge_room;
    ssvm_node *nodes;  /* n_nodes + 1 */
    ssvm_arc *arcs;    /* 2 n_edges, by tail */
    int32_t *arc_of;   /* edge -> its arc from the first end to the second */
    double *capacity;  /* of each edge */
    double *unary;
    int32_t *active;   /* ring of n_nodes */
    int32_t *orphans;  /* ring of n_nodes */
    int32_t active_start, active_size;
    int32_t orphan_start, orphan_size;
    int32_t now;
} ssvm_graph;

/* ---- memory; a graph begins as zero bytes */

SSVM_UNUSED static size_t ssvm_graph_bytes(ptrdiff_t n, ptrdiff_t m)
{
    return (size_t)(n + 1) * (sizeof(ssvm_node) + sizeof(double) + 2 * sizeof(int32_t))
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

/* Room for n nodes and m edges; -1 if there is no memory for them. */
static int ssvm_graph_reserve(ssvm_graph *g, int32_t n, int32_t m)
{
    if (n > g->node_room || !g->nodes) {
        if (ssvm_fit((void **)&g->nodes, ((size_t)n + 1) * sizeof(ssvm_node))
            || ssvm_fit((void **)&g->unary, (size_t)n * sizeof(double))
            || ssvm_fit((void **)&g->active, (size_t)n * sizeof(int32_t))
            || ssvm_fit((void **)&g->orphans, (size_t)n * sizeof(int32_t)))
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
    free(g->unary);
    free(g->active);
    free(g->orphans);
}

/* ---- the graph */

/* From now on n nodes and m edges (2 m ends), for which there is room. Arcs come sorted by tail; a ring
 * serves as counter. */
SSVM_UNUSED static void ssvm_graph_connect(ssvm_graph *g, int32_t n, int32_t m,
                                           const int32_t *edges)
{
    int32_t *next = g->active;
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
        g->arc_of[e] = forward;
        g->arcs[forward].head = b;
        g->arcs[forward].sister = backward;
        g->arcs[backward].head = a;
        g->arcs[backward].sister = forward;
    }
}

/* What flows over each edge, from its first end to the second. */
static inline double ssvm_flow_over(const ssvm_graph *g, int32_t e)
{
    const ssvm_arc *forward = &g->arcs[g->arc_of[e]];
    return (g->arcs[forward->sister].residual - forward->residual) / 2;
}

/* Scores from now on, and a flow to start from, one number an edge; NULL for none. Of the flow over an
 * edge, what its capacity allows is kept. */
static void ssvm_graph_load(ssvm_graph *g, const double *unary, const double *capacity,
                            const double *start)
{
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        g->unary[i] = unary[i];
        g->nodes[i].excess = unary[i];
    }
    for (int32_t e = 0; e < g->n_edges; ++e) {
        ssvm_arc *forward = &g->arcs[g->arc_of[e]], *backward = &g->arcs[forward->sister];
        const double c = capacity[e];
        double flow = 0.0;
        if (start) {
            flow = start[e];
            flow = flow > c ? c : flow < -c ? -c : flow;
            g->nodes[backward->head].excess -= flow;
            g->nodes[forward->head].excess += flow;
        }
        g->capacity[e] = c;
        forward->residual = c - flow;
        backward->residual = c + flow;
    }
}

/* All scores times a factor > 0, and the flow with them. */
SSVM_UNUSED static void ssvm_graph_scale(ssvm_graph *g, double factor)
{
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        g->unary[i] *= factor;
        g->nodes[i].excess *= factor;
    }
    for (int32_t e = 0; e < g->n_edges; ++e)
        g->capacity[e] *= factor;
    for (ptrdiff_t a = 0; a < 2 * (ptrdiff_t)g->n_edges; ++a)
        g->arcs[a].residual *= factor;
}

#include "structsvm/inference/graph_flow_search.h"

/* ---- what a solved graph tells */

/* Label 1 where an excess can still flow to: of all maximisers the one with the fewest ones. */
static inline uint8_t ssvm_graph_label(const ssvm_graph *g, int32_t i)
{
    return g->nodes[i].tree == SSVM_SOURCE;
}

/* What the flow from the source to the sink amounts to, which no cut can cost less than. It is made anew
 * from scores and residuals, with what flows over each edge held to its capacity; `excess` is room for
 * n_nodes. */
SSVM_UNUSED static double ssvm_graph_flow(const ssvm_graph *g, double *excess)
{
    double total = 0.0;
    for (int32_t i = 0; i < g->n_nodes; ++i)
        excess[i] = g->unary[i];
    for (int32_t e = 0; e < g->n_edges; ++e) {
        const ssvm_arc *forward = &g->arcs[g->arc_of[e]], *backward = &g->arcs[forward->sister];
        const double c = g->capacity[e];
        double flow = ssvm_flow_over(g, e);
        flow = flow > c ? c : flow < -c ? -c : flow;
        excess[backward->head] -= flow;
        excess[forward->head] += flow;
    }
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        const double wanted = g->unary[i] > 0.0 ? g->unary[i] : 0.0;
        total += wanted - (excess[i] > 0.0 ? excess[i] : 0.0);
    }
    return total;
}

/* What the labels give up: scores of nodes against their sign, and edges cut. */
SSVM_UNUSED static double ssvm_graph_energy(const ssvm_graph *g)
{
    double energy = 0.0;
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        const double u = g->unary[i];
        if (ssvm_graph_label(g, i) ? u < 0.0 : u > 0.0)
            energy += u > 0.0 ? u : -u;
    }
    for (int32_t e = 0; e < g->n_edges; ++e) {
        const ssvm_arc *forward = &g->arcs[g->arc_of[e]];
        const int32_t tail = g->arcs[forward->sister].head;
        if (ssvm_graph_label(g, tail) != ssvm_graph_label(g, forward->head))
            energy += g->capacity[e];
    }
    return energy;
}

#endif
