/* The moves of expansion.h. expansion.h includes this.
 *
 * For each label alpha, `flows` keeps a number g_alpha an edge. Where ends have labels k and l, the cut of
 * alpha starts from the flow g_alpha - (g_k + g_l) / 2 and leaves its own flow there in the same form. So a
 * cut begins from what all earlier ones have found, as in the primal-dual method of Komodakis, Tziritas and
 * Paragios (2008, doi:10.1016/j.cviu.2008.06.007).
 *
 * After a cut no node that keeps its label has a positive excess. Excesses depend on the labels of a node
 * and its neighbours alone. So the next cut of alpha looks only where labels have changed since, and
 * pushes the few positive excesses along shortest paths to near nodes that take them. What reaches no
 * such node is what takes alpha. Nodes and edges are loaded when they are met. */
#ifndef SSVM_EXPANSION_MOVE_H
#define SSVM_EXPANSION_MOVE_H

/* With more nodes above 0 than one in so many, all are solved together by graph_flow_search.h. With more
 * changes than one in so many nodes, it is cheaper to compute all excesses in order. */
enum { SSVM_MOST_SOURCES = 2, SSVM_MOST_CHANGED = 16 };

/* Most memory for flows and messages. */
#define SSVM_MOST_KEPT ((size_t)1 << 30)

/* Flows are kept if no edge score is this many times the mean range of a node's scores: they would lose
 * the digits of the smaller scores. */
#define SSVM_MOST_RATIO 1e6

typedef struct {
    ssvm_graph graph;      /* connected to the same edges */
    int32_t *edge_of;      /* (2 n_edges,): the edge of each arc */
    int32_t *node_loaded;  /* (n_nodes,): the last move that loaded it */
    int32_t *edge_loaded;  /* (n_edges,): the same; negative once its flow is stored again */
    int32_t *touched;      /* (n_edges,): edges loaded one by one in this move */
    int32_t *changed;      /* (n_nodes,): nodes whose label changed, the last ones at the end */
    int32_t *seen;         /* (n_labels,): how many of them the last move of each label saw; -1: look at all */
    double *row;           /* SCRATCH (2, n_labels) */
    double *flows;         /* (n_labels, n_edges) if it keeps */
    double *messages;      /* (n_edges, n_labels), likewise */
    int32_t node_room, edge_room, label_room; /* what memory is reserved for */
    size_t flow_room, message_room;           /* numbers */
    int32_t n_touched, n_changed, n_moves, n_searches;
    int keeps;             /* whether flows are kept */
} ssvm_move;

/* ---- scores of a move */

/* What an edge adds to the gains of its ends, and its capacity. */
static inline void ssvm_move_edge(const ssvm_labelling *p, int32_t e, int32_t k, int32_t l, int32_t alpha,
                                  double *of_first, double *of_second, double *capacity)
{
    if (!p->is_table) {
        const int first = l == alpha, second = k == alpha, both_keep = k == l;
        const double half_score = p->pairwise[e] / 2;
        *of_first = half_score * (1 + first - second - both_keep);
        *of_second = half_score * (1 + second - first - both_keep);
        *capacity = half_score * (1 + both_keep - first - second);
    } else {
        const double both_keep = ssvm_pair_score(p, e, k, l);
        const double second = ssvm_pair_score(p, e, k, alpha);
        const double first = ssvm_pair_score(p, e, alpha, l);
        const double both_take = ssvm_pair_score(p, e, alpha, alpha);
        /* Large terms that all four share cancel before small ones are added. */
        const double take = both_take - both_keep, change = first - second;
        const double half = (both_keep - second + (both_take - first)) / 2;
        *of_first = (take + change) / 2;
        *of_second = (take - change) / 2;
        *capacity = half > 0.0 ? half : 0.0;
    }
}

/* The flow over an edge from which the cut of alpha starts, if its ends have labels k and l. */
static inline double ssvm_kept_flow(const ssvm_labelling *p, const ssvm_move *move, int32_t e, int32_t k,
                                    int32_t l, int32_t alpha, double capacity)
{
    const ptrdiff_t m = p->n_edges;
    const double *flows = move->flows;
    return ssvm_within(flows[alpha * m + e] - (flows[k * m + e] + flows[l * m + e]) / 2, capacity);
}

static inline void ssvm_keep_flow(const ssvm_labelling *p, ssvm_move *move, int32_t e, int32_t k, int32_t l,
                                  int32_t alpha, double flow)
{
    const ptrdiff_t m = p->n_edges;
    double *flows = move->flows;
    if (k != alpha && l != alpha)
        flows[alpha * m + e] = flow + (flows[k * m + e] + flows[l * m + e]) / 2;
}

/* Load an edge; returns what it and its flow add to the excess of its first end, and writes that of the
 * second. */
static inline double ssvm_load_edge(const ssvm_labelling *p, ssvm_move *move, int32_t e, int32_t alpha,
                                    const int32_t *y, double *of_second)
{
    const int32_t k = y[p->edges[2 * (ptrdiff_t)e]], l = y[p->edges[2 * (ptrdiff_t)e + 1]];
    ssvm_arc *forward = &move->graph.arcs[move->graph.arc_of[e]];
    double first, capacity, flow = 0.0;
    ssvm_move_edge(p, e, k, l, alpha, &first, of_second, &capacity);
    if (move->keeps)
        flow = ssvm_kept_flow(p, move, e, k, l, alpha, capacity);
    forward->residual = capacity - flow;
    move->graph.arcs[forward->sister].residual = capacity + flow;
    *of_second += flow;
    return first - flow;
}

/* Keep the flow over a loaded edge; its ends must have the labels with which it was loaded. */
static inline void ssvm_store_edge(const ssvm_labelling *p, ssvm_move *move, int32_t e, int32_t alpha,
                                   const int32_t *y)
{
    ssvm_keep_flow(p, move, e, y[p->edges[2 * (ptrdiff_t)e]], y[p->edges[2 * (ptrdiff_t)e + 1]], alpha,
                   ssvm_flow_over(&move->graph, e));
}

/* List the nodes above 0, which have another label than alpha, without loading anything. Most of them are
 * beside a node below 0: these get flow first. Returns how many are left. */
static int32_t ssvm_find_sources(const ssvm_labelling *p, ssvm_move *move, int32_t alpha, const int32_t *y,
                                 int32_t *sources)
{
    double *excess = move->graph.unary;
    int32_t n_sources = 0;
    for (int32_t i = 0; i < p->n_nodes; ++i) {
        const double *row = p->unary + (ptrdiff_t)i * p->n_labels;
        excess[i] = row[alpha] - row[y[i]];
    }
    for (int32_t e = 0; e < p->n_edges; ++e) {
        const int32_t a = p->edges[2 * (ptrdiff_t)e], b = p->edges[2 * (ptrdiff_t)e + 1];
        double first, second, capacity, flow;
        ssvm_move_edge(p, e, y[a], y[b], alpha, &first, &second, &capacity);
        flow = ssvm_kept_flow(p, move, e, y[a], y[b], alpha, capacity);
        excess[a] += first - flow;
        excess[b] += second + flow;
    }
    for (int32_t e = 0; e < p->n_edges; ++e) {
        const int32_t a = p->edges[2 * (ptrdiff_t)e], b = p->edges[2 * (ptrdiff_t)e + 1];
        double first, second, capacity, flow, more;
        if (!(excess[a] > 0.0 && excess[b] < 0.0) && !(excess[a] < 0.0 && excess[b] > 0.0))
            continue;
        ssvm_move_edge(p, e, y[a], y[b], alpha, &first, &second, &capacity);
        flow = ssvm_kept_flow(p, move, e, y[a], y[b], alpha, capacity);
        more = fabs(excess[a]) < fabs(excess[b]) ? excess[a] : -excess[b];
        more = ssvm_within(flow + more, capacity) - flow;
        ssvm_keep_flow(p, move, e, y[a], y[b], alpha, flow + more);
        excess[a] -= more;
        excess[b] += more;
    }
    for (int32_t i = 0; i < p->n_nodes; ++i) {
        sources[n_sources] = i;
        n_sources += excess[i] > 0.0 && y[i] != alpha;
    }
    return n_sources;
}

/* Load everything. Returns the number of nodes above 0. */
static int32_t ssvm_load_all(const ssvm_labelling *p, ssvm_move *move, int32_t alpha, const int32_t *y)
{
    ssvm_node *nodes = move->graph.nodes;
    int32_t n_above = 0;
    for (int32_t i = 0; i < p->n_nodes; ++i) {
        const double *row = p->unary + (ptrdiff_t)i * p->n_labels;
        nodes[i].excess = row[alpha] - row[y[i]];
        move->node_loaded[i] = move->n_moves;
    }
    for (int32_t e = 0; e < p->n_edges; ++e) {
        double second, first = ssvm_load_edge(p, move, e, alpha, y, &second);
        nodes[p->edges[2 * (ptrdiff_t)e]].excess += first;
        nodes[p->edges[2 * (ptrdiff_t)e + 1]].excess += second;
        move->edge_loaded[e] = move->n_moves;
    }
    for (int32_t i = 0; i < p->n_nodes; ++i)
        n_above += nodes[i].excess > 0.0;
    move->n_touched = p->n_edges;
    return n_above;
}

/* Load a node and its edges. No flow has been pushed over them yet, so they may be loaded again. */
static void ssvm_load_node(const ssvm_labelling *p, ssvm_move *move, int32_t v, int32_t alpha,
                           const int32_t *y)
{
    const double *row = p->unary + (ptrdiff_t)v * p->n_labels;
    ssvm_node *x = &move->graph.nodes[v];
    double excess = row[alpha] - row[y[v]];
    for (int32_t a = x->first; a < x[1].first; ++a) {
        const int32_t e = move->edge_of[a];
        double second, first = ssvm_load_edge(p, move, e, alpha, y, &second);
        excess += p->edges[2 * (ptrdiff_t)e] == v ? first : second;
        if (move->edge_loaded[e] != move->n_moves && move->edge_loaded[e] != -move->n_moves) {
            move->edge_loaded[e] = move->n_moves;
            move->touched[move->n_touched++] = e;
        }
    }
    x->excess = excess;
    move->node_loaded[v] = move->n_moves;
}

/* Store the flows of this move that are not stored yet, and begin the next one. */
static void ssvm_next_move(const ssvm_labelling *p, ssvm_move *move, int32_t alpha, const int32_t *y)
{
    const int is_all = move->n_touched == p->n_edges;
    for (int32_t t = 0; t < move->n_touched && move->keeps; ++t) {
        const int32_t e = is_all ? t : move->touched[t];
        if (move->edge_loaded[e] == move->n_moves)
            ssvm_store_edge(p, move, e, alpha, y);
    }
    move->n_touched = 0;
    if (move->n_moves++ < INT32_MAX - 1)
        return;
    move->n_moves = 1;
    memset(move->node_loaded, 0, (size_t)p->n_nodes * sizeof(int32_t));
    memset(move->edge_loaded, 0, (size_t)p->n_edges * sizeof(int32_t));
}

/* ---- the cut */

/* The first n nodes of the queue take alpha if they gain from it, by the true scores: rounding must not
 * let moves go round in circles. Returns whether they do. */
static int ssvm_take(const ssvm_labelling *p, ssvm_move *move, int32_t n, int32_t alpha, int32_t *y)
{
    const int32_t *nodes = move->graph.queue;
    int32_t *before = move->graph.lists;
    double gain = 0.0;
    for (int32_t t = 0; t < n; ++t) {
        const int32_t v = nodes[t], k = y[v];
        const double *row = p->unary + (ptrdiff_t)v * p->n_labels;
        const ssvm_node *x = &move->graph.nodes[v];
        gain += row[alpha] - row[k];
        for (int32_t a = x->first; a < x[1].first; ++a) {
            const int32_t e = move->edge_of[a], l = y[move->graph.arcs[a].head];
            if (move->keeps && move->edge_loaded[e] == move->n_moves) {
                ssvm_store_edge(p, move, e, alpha, y);
                move->edge_loaded[e] = -move->n_moves;
            }
            if (p->edges[2 * (ptrdiff_t)e] == v)
                gain += ssvm_pair_score(p, e, alpha, l) - ssvm_pair_score(p, e, k, l);
            else
                gain += ssvm_pair_score(p, e, l, alpha) - ssvm_pair_score(p, e, l, k);
        }
        before[t] = k;
        y[v] = alpha;
    }
    if (!(gain > 0.0)) {
        for (int32_t t = 0; t < n; ++t)
            y[nodes[t]] = before[t];
        return 0;
    }
    if (n > p->n_nodes - move->n_changed) { /* all labels must look at all nodes */
        move->n_changed = 0;
        for (int32_t k = 0; k < p->n_labels; ++k)
            move->seen[k] = -1;
    }
    memcpy(move->changed + move->n_changed, nodes, (size_t)n * sizeof(int32_t));
    move->n_changed += n;
    return n > 0;
}

/* The best move, by one search for all nodes; all must be loaded. */
static int ssvm_solve_move(const ssvm_labelling *p, ssvm_move *move, int32_t n_above, int32_t alpha,
                           int32_t *y)
{
    ssvm_graph *g = &move->graph;
    int32_t n = 0, n_below = 0;
    for (int32_t v = 0; v < p->n_nodes; ++v)
        n_below += g->nodes[v].excess < 0.0;
    g->n_ends = n_above < n_below ? n_above : n_below;
    if (n_below / SSVM_SINKS_TO_LEAVE > n_above)
        ssvm_graph_mirror(g);
    ssvm_graph_solve(g);
    if (g->is_mirrored)
        ssvm_graph_mirror(g);
    for (int32_t v = 0; v < p->n_nodes; ++v)
        if (ssvm_graph_label(g, v) && y[v] != alpha)
            g->queue[n++] = v;
    return ssvm_take(p, move, n, alpha, y);
}

/* Push what the path from the source to v can carry. Returns whether an arc of it is saturated. */
static int ssvm_push_path(ssvm_graph *g, int32_t source, int32_t v)
{
    const int32_t sink = v;
    double flow = g->nodes[source].excess;
    int is_saturated = 0;
    flow = -g->nodes[sink].excess < flow ? -g->nodes[sink].excess : flow;
    for (; v != source; v = g->arcs[g->arcs[g->nodes[v].parent].sister].head) {
        const double residual = g->arcs[g->nodes[v].parent].residual;
        flow = residual < flow ? residual : flow;
    }
    for (v = sink; v != source; v = g->arcs[g->arcs[g->nodes[v].parent].sister].head) {
        ssvm_arc *arc = &g->arcs[g->nodes[v].parent];
        arc->residual -= flow;
        g->arcs[arc->sister].residual += flow;
        is_saturated |= !(arc->residual > 0.0);
    }
    g->nodes[source].excess -= flow;
    g->nodes[sink].excess += flow;
    return is_saturated;
}

/* Push the excess of a node along shortest paths to nodes below 0. Returns 0 if all of it found a place,
 * else the number of nodes that it reaches, which are in the queue; or -1 when more than `most_arcs` arcs
 * would be read. */
static int32_t ssvm_place_excess(const ssvm_labelling *p, ssvm_move *move, int32_t source, int32_t alpha,
                           const int32_t *y, int64_t *most_arcs)
{
    ssvm_graph *g = &move->graph;
    while (g->nodes[source].excess > 0.0) {
        int32_t id, size = 1;
        int is_saturated = 0;
        if (*most_arcs < 0 || move->n_searches == INT32_MAX)
            return -1;
        id = ++move->n_searches;
        g->queue[0] = source;
        g->nodes[source].label = id;
        for (int32_t t = 0; t < size && !is_saturated; ++t) {
            const ssvm_node *x = &g->nodes[g->queue[t]];
            *most_arcs -= x[1].first - x->first;
            for (int32_t a = x->first; a < x[1].first && !is_saturated; ++a) {
                const int32_t w = g->arcs[a].head;
                ssvm_node *z = &g->nodes[w];
                if (!(g->arcs[a].residual > 0.0) || z->label == id || y[w] == alpha)
                    continue;
                if (move->node_loaded[w] != move->n_moves)
                    ssvm_load_node(p, move, w, alpha, y);
                z->label = id;
                z->parent = a;
                g->queue[size++] = w;
                if (z->excess < 0.0) {
                    is_saturated = ssvm_push_path(g, source, w);
                    if (!(g->nodes[source].excess > 0.0))
                        return 0;
                }
            }
        }
        if (!is_saturated)
            return size;
    }
    return 0;
}

/* Make the best move to alpha if it gains anything. Returns whether it was made. */
static int ssvm_expand(const ssvm_labelling *p, ssvm_move *move, int32_t alpha, int32_t *y)
{
    const ssvm_graph *g = &move->graph;
    int32_t *sources = g->lists + p->n_nodes;
    const int32_t seen = move->seen[alpha], n_new = move->n_changed - seen;
    int64_t most_arcs = 2 * ((int64_t)p->n_nodes + 2 * (int64_t)p->n_edges);
    int32_t n_sources = 0;
    int moved = 0;
    if (!move->keeps)
        return ssvm_solve_move(p, move, ssvm_load_all(p, move, alpha, y), alpha, y);
    if (seen < 0 || n_new > p->n_nodes / SSVM_MOST_CHANGED)
        n_sources = ssvm_find_sources(p, move, alpha, y, sources);
    else
        for (int32_t t = seen; t < move->n_changed; ++t) {
            const int32_t first = move->changed[t];
            const ssvm_node *x = &g->nodes[first];
            for (int32_t a = x->first - 1; a < x[1].first; ++a) {
                const int32_t v = a < x->first ? first : g->arcs[a].head;
                if (move->node_loaded[v] == move->n_moves || y[v] == alpha)
                    continue;
                ssvm_load_node(p, move, v, alpha, y);
                if (g->nodes[v].excess > 0.0)
                    sources[n_sources++] = v;
            }
        }
    if (n_sources > p->n_nodes / SSVM_MOST_SOURCES)
        most_arcs = -1;
    for (int32_t t = 0; t < n_sources; ++t) {
        int32_t n_reached;
        if (y[sources[t]] == alpha)
            continue;
        if (move->node_loaded[sources[t]] != move->n_moves)
            ssvm_load_node(p, move, sources[t], alpha, y);
        n_reached = ssvm_place_excess(p, move, sources[t], alpha, y, &most_arcs);
        if (n_reached > 0)
            moved |= ssvm_take(p, move, n_reached, alpha, y);
        else if (n_reached < 0) { /* too many long paths */
            ssvm_next_move(p, move, alpha, y);
            moved |= ssvm_solve_move(p, move, ssvm_load_all(p, move, alpha, y), alpha, y);
            move->n_searches = 1; /* no node is marked any more */
            break;
        }
    }
    ssvm_next_move(p, move, alpha, y);
    move->seen[alpha] = move->n_changed;
    return moved;
}

/* ---- memory; a move must begin as zero bytes */

SSVM_UNUSED static int ssvm_move_reserve(ssvm_move *move, int32_t n, int32_t m, int32_t n_labels, int is_table)
{
    const size_t one = (size_t)m * (size_t)n_labels, kept = (is_table || n_labels < 3 ? 1 : 2) * one;
    const size_t size = sizeof(int32_t);
    if (ssvm_graph_reserve(&move->graph, n, m))
        return -1;
    if (n > move->node_room || !move->changed) {
        if (ssvm_fit((void **)&move->node_loaded, (size_t)n * size)
            || ssvm_fit((void **)&move->changed, (size_t)n * size))
            return -1;
        move->node_room = n;
    }
    if (m > move->edge_room || !move->edge_of) {
        if (ssvm_fit((void **)&move->edge_of, 2 * (size_t)m * size)
            || ssvm_fit((void **)&move->edge_loaded, (size_t)m * size)
            || ssvm_fit((void **)&move->touched, (size_t)m * size))
            return -1;
        move->edge_room = m;
    }
    if (n_labels > move->label_room || !move->seen) {
        if (ssvm_fit((void **)&move->seen, (size_t)n_labels * size)
            || ssvm_fit((void **)&move->row, 2 * (size_t)n_labels * sizeof(double)))
            return -1;
        move->label_room = n_labels;
    }
    if (kept > SSVM_MOST_KEPT / sizeof(double))
        return 0;
    if (one > move->flow_room) {
        if (ssvm_fit((void **)&move->flows, one * sizeof(double)))
            return -1;
        move->flow_room = one;
    }
    if (kept - one > move->message_room) {
        if (ssvm_fit((void **)&move->messages, (kept - one) * sizeof(double)))
            return -1;
        move->message_room = kept - one;
    }
    return 0;
}

SSVM_UNUSED static void ssvm_move_free(ssvm_move *move)
{
    ssvm_graph_free(&move->graph);
    free(move->edge_of);
    free(move->node_loaded);
    free(move->edge_loaded);
    free(move->touched);
    free(move->changed);
    free(move->seen);
    free(move->row);
    free(move->flows);
    free(move->messages);
}

/* Whether no score of an edge is so large that flows would lose the digits of the others. */
static int ssvm_flows_are_precise(const ssvm_labelling *p)
{
    const ptrdiff_t size = (ptrdiff_t)p->n_labels * p->n_labels;
    const ptrdiff_t n = !p->is_table ? p->n_edges : p->step ? p->n_edges * p->step : size;
    double largest = 0.0, ranges = 0.0;
    for (ptrdiff_t t = 0; t < n; ++t)
        largest = fabs(p->pairwise[t]) > largest ? fabs(p->pairwise[t]) : largest;
    for (int32_t i = 0; i < p->n_nodes; ++i) {
        const double *row = p->unary + (ptrdiff_t)i * p->n_labels;
        double low = row[0], high = row[0];
        for (int32_t k = 1; k < p->n_labels; ++k) {
            low = row[k] < low ? row[k] : low;
            high = row[k] > high ? row[k] : high;
        }
        ranges += high - low;
    }
    return largest <= SSVM_MOST_RATIO * (ranges / (p->n_nodes > 0 ? p->n_nodes : 1));
}

/* Begin with new scores, for the edges to which the graph is connected. */
static void ssvm_moves_begin(const ssvm_labelling *p, ssvm_move *move)
{
    ssvm_graph *g = &move->graph;
    for (int32_t e = 0; e < p->n_edges; ++e) {
        move->edge_of[g->arc_of[e]] = e;
        move->edge_of[g->arcs[g->arc_of[e]].sister] = e;
        move->edge_loaded[e] = 0;
    }
    for (int32_t i = 0; i < p->n_nodes; ++i) {
        move->node_loaded[i] = 0;
        g->nodes[i].label = 0;
    }
    for (int32_t k = 0; k < p->n_labels; ++k)
        move->seen[k] = -1;
    move->n_touched = move->n_changed = 0;
    move->n_moves = move->n_searches = 1;
    move->keeps = (size_t)p->n_edges * (size_t)p->n_labels <= move->flow_room
                  && ssvm_flows_are_precise(p);
}

#endif
