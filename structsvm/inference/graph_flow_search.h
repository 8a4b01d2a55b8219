/* The search for paths, included by graph_flow.h: two trees grow until they meet. */
#ifndef SSVM_GRAPH_FLOW_SEARCH_H
#define SSVM_GRAPH_FLOW_SEARCH_H

/* ---- queues: first in, first out; orphans may also enter at the front */

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

/* Residual from source to sink over an arc that leads away from the root: along the arc in the source's
 * tree, against it in the sink's. */
static inline double ssvm_away(const ssvm_graph *g, int32_t arc, uint8_t tree)
{
    return tree == SSVM_SOURCE ? g->arcs[arc].residual : g->arcs[g->arcs[arc].sister].residual;
}

/* The same for an arc that leads towards the root. */
static inline double ssvm_towards(const ssvm_graph *g, int32_t arc, uint8_t tree)
{
    return tree == SSVM_SOURCE ? g->arcs[g->arcs[arc].sister].residual : g->arcs[arc].residual;
}

/* With more sinks than this for each source only the sources' trees are grown. They are enough to find
 * every path, and most sinks would search in vain. */
enum { SSVM_SINKS_TO_LEAVE = 4 };

/* Make every node with an excess a root and all others free. */
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

/* Push along paths of one edge before there are trees: most of the flow at little cost. */
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

/* Let the tree of node i take its free neighbours. If it meets the other tree, returns the arc from the
 * source's side to the sink's; else -1. */
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
            /* A shorter path to the root, by the distances known. */
            other->parent = g->arcs[a].sister;
            other->time = node->time;
            other->distance = node->distance + 1;
        }
    }
    return -1;
}

/* The least of `least`, the residuals between node i and its root, and the root's excess. */
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

/* Send the flow between node i and its root. Nodes whose arc to the parent is saturated become orphans. */
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

/* Distance of node i from the root of its tree, counted from 1; INT32_MAX if the path meets an orphan. */
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

/* Give an orphan the parent in its tree that is nearest to a root, or set it free. */
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

/* Push flow until no path leads from a positive excess to a negative one. */
static void ssvm_graph_solve(ssvm_graph *g)
{
    ssvm_push_over_edges(g);
    ssvm_plant(g);
    while (g->active_size) {
        const int32_t i = g->active[g->active_start];
        int32_t arc;
        /* Stay at this node as long as it finds paths and keeps its tree. */
        while (g->nodes[i].tree != SSVM_FREE && (arc = ssvm_grow(g, i)) >= 0) {
            ++g->now;
            ssvm_augment(g, arc);
            while (g->orphan_size)
                ssvm_adopt(g, ssvm_next_orphan(g));
        }
        ssvm_deactivate_first(g);
    }
}

#endif
