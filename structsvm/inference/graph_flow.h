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
static void ssvm_graph_connect(ssvm_graph *g, int32_t n, int32_t m, const int32_t *edges)
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

/* ---- queues: first in, first out, and orphans also in at the front */

static inline void ssvm_activate(ssvm_graph *g, int32_t i)
{
    int32_t place;
    if (g->nodes[i].is_active)
        return;
    g->nodes[i].is_active = 1;
    place = g->active_start + g->active_size++;
    g->active[place >= g->n_nodes ? place - g->n_nodes : place] = i;
}

static inline void ssvm_deactivate_first(ssvm_graph *g)
{
    g->nodes[g->active[g->active_start]].is_active = 0;
    if (++g->active_start == g->n_nodes)
        g->active_start = 0;
    --g->active_size;
}

static inline void ssvm_orphan_first(ssvm_graph *g, int32_t i)
{
    g->nodes[i].parent = SSVM_ORPHAN;
    if (--g->orphan_start < 0)
        g->orphan_start = g->n_nodes - 1;
    g->orphans[g->orphan_start] = i;
    ++g->orphan_size;
}

static inline void ssvm_orphan_last(ssvm_graph *g, int32_t i)
{
    int32_t place = g->orphan_start + g->orphan_size++;
    g->nodes[i].parent = SSVM_ORPHAN;
    g->orphans[place >= g->n_nodes ? place - g->n_nodes : place] = i;
}

static inline int32_t ssvm_next_orphan(ssvm_graph *g)
{
    const int32_t i = g->orphans[g->orphan_start];
    if (++g->orphan_start == g->n_nodes)
        g->orphan_start = 0;
    --g->orphan_size;
    return i;
}

/* ---- trees */

/* What can still flow over the arc in the direction from the source to the sink, when the arc leads
 * away from the root of a tree: along it in the source's tree, against it in the sink's. */
static inline double ssvm_away(const ssvm_graph *g, int32_t arc, uint8_t tree)
{
    return tree == SSVM_SOURCE ? g->arcs[arc].residual : g->arcs[g->arcs[arc].sister].residual;
}

/* ... and when it leads towards the root. */
static inline double ssvm_towards(const ssvm_graph *g, int32_t arc, uint8_t tree)
{
    return tree == SSVM_SOURCE ? g->arcs[g->arcs[arc].sister].residual : g->arcs[arc].residual;
}

/* More sinks than this for each source, and only the sources' trees are grown: they are enough to find
 * every path, and most sinks would look around for nothing. */
enum { SSVM_SINKS_TO_LEAVE = 4 };

/* Every node with an excess is a root; the rest is free. */
static void ssvm_plant(ssvm_graph *g)
{
    int32_t n_sources = 0, n_sinks = 0;
    g->active_start = g->active_size = g->orphan_start = g->orphan_size = 0;
    g->now = 0;
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        n_sources += g->nodes[i].excess > 0.0;
        n_sinks += g->nodes[i].excess < 0.0;
    }
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        ssvm_node *node = &g->nodes[i];
        node->is_active = 0;
        node->time = 0;
        node->distance = 1;
        node->tree = node->excess > 0.0   ? SSVM_SOURCE
                     : node->excess < 0.0 ? SSVM_SINK
                                          : SSVM_FREE;
        node->parent = node->tree == SSVM_FREE ? SSVM_NO_PARENT : SSVM_ROOT;
        if (node->tree == SSVM_SOURCE
            || (node->tree == SSVM_SINK && n_sinks / SSVM_SINKS_TO_LEAVE <= n_sources))
            ssvm_activate(g, i);
    }
}

/* Paths of one edge, before there are trees: most of the flow, for little. */
static void ssvm_push_over_edges(ssvm_graph *g)
{
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        ssvm_node *node = &g->nodes[i];
        for (int32_t a = node->first; a < node[1].first && node->excess > 0.0; ++a) {
            ssvm_arc *arc = &g->arcs[a];
            ssvm_node *other = &g->nodes[arc->head];
            double flow;
            if (!(other->excess < 0.0) || !(arc->residual > 0.0))
                continue;
            flow = node->excess < -other->excess ? node->excess : -other->excess;
            flow = flow < arc->residual ? flow : arc->residual;
            node->excess -= flow;
            other->excess += flow;
            arc->residual -= flow;
            g->arcs[arc->sister].residual += flow;
        }
    }
}

/* Let the tree of node i take its free neighbours. The arc to the other tree if one is met, from the
 * source's side to the sink's; -1 if not. */
static int32_t ssvm_grow(ssvm_graph *g, int32_t i)
{
    const ssvm_node *node = &g->nodes[i];
    const uint8_t tree = node->tree;
    for (int32_t a = node->first; a < node[1].first; ++a) {
        ssvm_node *other = &g->nodes[g->arcs[a].head];
        if (!(ssvm_away(g, a, tree) > 0.0))
            continue;
        if (other->tree == SSVM_FREE) {
            other->tree = tree;
            other->parent = g->arcs[a].sister;
            other->time = node->time;
            other->distance = node->distance + 1;
            ssvm_activate(g, g->arcs[a].head);
        } else if (other->tree != tree) {
            return tree == SSVM_SOURCE ? a : g->arcs[a].sister;
        } else if (other->time <= node->time && other->distance > node->distance) {
            /* A shorter way to the root, as far as known. */
            other->parent = g->arcs[a].sister;
            other->time = node->time;
            other->distance = node->distance + 1;
        }
    }
    return -1;
}

/* The least residual from node i to its root, the root's excess included. */
static double ssvm_least(const ssvm_graph *g, int32_t i, uint8_t tree, double least)
{
    const ssvm_node *node = &g->nodes[i];
    double excess;
    while (node->parent != SSVM_ROOT) {
        const double residual = ssvm_towards(g, node->parent, tree);
        if (residual < least)
            least = residual;
        node = &g->nodes[g->arcs[node->parent].head];
    }
    excess = tree == SSVM_SOURCE ? node->excess : -node->excess;
    return excess < least ? excess : least;
}

/* Send the flow between node i and its root; who lost the way there becomes an orphan. */
static void ssvm_send(ssvm_graph *g, int32_t i, uint8_t tree, double flow)
{
    for (;;) {
        ssvm_node *node = &g->nodes[i];
        ssvm_arc *up, *down;
        if (node->parent == SSVM_ROOT) {
            node->excess += tree == SSVM_SOURCE ? -flow : flow;
            if (tree == SSVM_SOURCE ? !(node->excess > 0.0) : !(node->excess < 0.0))
                ssvm_orphan_first(g, i);
            return;
        }
        up = &g->arcs[node->parent];
        down = &g->arcs[up->sister];
        if (tree == SSVM_SOURCE) {
            down->residual -= flow;
            up->residual += flow;
        } else {
            up->residual -= flow;
            down->residual += flow;
        }
        const int32_t parent = up->head;
        if (!((tree == SSVM_SOURCE ? down : up)->residual > 0.0))
            ssvm_orphan_first(g, i);
        i = parent;
    }
}

static void ssvm_augment(ssvm_graph *g, int32_t arc)
{
    ssvm_arc *middle = &g->arcs[arc], *back = &g->arcs[middle->sister];
    double flow = ssvm_least(g, back->head, SSVM_SOURCE, middle->residual);
    flow = ssvm_least(g, middle->head, SSVM_SINK, flow);
    middle->residual -= flow;
    back->residual += flow;
    ssvm_send(g, back->head, SSVM_SOURCE, flow);
    ssvm_send(g, middle->head, SSVM_SINK, flow);
}

/* Edges from node i to the root of its tree, INT32_MAX if an orphan is on the way. */
static int32_t ssvm_distance(ssvm_graph *g, int32_t i)
{
    int32_t steps = 0, j = i;
    for (;;) {
        ssvm_node *node = &g->nodes[j];
        if (node->time == g->now) {
            steps += node->distance;
            break;
        }
        ++steps;
        if (node->parent == SSVM_ROOT) {
            node->time = g->now;
            node->distance = 1;
            break;
        }
        if (node->parent == SSVM_ORPHAN)
            return INT32_MAX;
        j = g->arcs[node->parent].head;
    }
    for (int32_t left = steps; g->nodes[i].time != g->now; --left) {
        g->nodes[i].time = g->now;
        g->nodes[i].distance = left;
        i = g->arcs[g->nodes[i].parent].head;
    }
    return steps;
}

/* Find an orphan the parent in its tree that is nearest to a root, or set it free. */
static void ssvm_adopt(ssvm_graph *g, int32_t i)
{
    ssvm_node *node = &g->nodes[i];
    const uint8_t tree = node->tree;
    int32_t best = SSVM_NO_PARENT, least = INT32_MAX;
    for (int32_t a = node->first; a < node[1].first; ++a) {
        const int32_t head = g->arcs[a].head;
        int32_t distance;
        if (g->nodes[head].tree != tree || !(ssvm_towards(g, a, tree) > 0.0))
            continue;
        distance = ssvm_distance(g, head);
        if (distance < least) {
            least = distance;
            best = a;
        }
    }
    node->parent = best;
    if (best != SSVM_NO_PARENT) {
        node->time = g->now;
        node->distance = least + 1;
        return;
    }
    node->tree = SSVM_FREE;
    for (int32_t a = node->first; a < node[1].first; ++a) {
        const int32_t head = g->arcs[a].head;
        const ssvm_node *other = &g->nodes[head];
        if (other->tree != tree)
            continue;
        if (ssvm_towards(g, a, tree) > 0.0)
            ssvm_activate(g, head);
        if (other->parent >= 0 && g->arcs[other->parent].head == i)
            ssvm_orphan_last(g, head);
    }
}

/* Afterwards no path leads from a positive excess to a negative one. */
static void ssvm_graph_solve(ssvm_graph *g)
{
    ssvm_push_over_edges(g);
    ssvm_plant(g);
    while (g->active_size) {
        const int32_t i = g->active[g->active_start];
        int32_t arc;
        /* The same node goes on as long as it finds paths and keeps its tree. */
        while (g->nodes[i].tree != SSVM_FREE && (arc = ssvm_grow(g, i)) >= 0) {
            ++g->now;
            ssvm_augment(g, arc);
            while (g->orphan_size)
                ssvm_adopt(g, ssvm_next_orphan(g));
        }
        ssvm_deactivate_first(g);
    }
}

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
