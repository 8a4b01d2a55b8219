/* The search of graph_flow.h: one breadth-first forest and excesses, as in grid_flow_search.h, whose
 * comment explains it. Here a node remembers the first arc that may lead nearer to a root: arcs before it
 * have been found useless, and stay so until the node's label rises. So a node with many arcs does not
 * read them all for every push. */
#ifndef SSVM_GRAPH_FLOW_SEARCH_H
#define SSVM_GRAPH_FLOW_SEARCH_H

/* Bits in ssvm_node.state */
enum { SSVM_QUEUED = 1, SSVM_HAS_EXCESS = 2, SSVM_IS_ORPHAN = 4 };

typedef struct {
    ssvm_node *nodes;
    ssvm_arc *arcs;
    int32_t *excess, *orphans; /* lists of nodes with excess in the forest, and of orphans, by label */
    int32_t top;               /* lists of excesses above this are empty */
    int32_t low, high;         /* lists of orphans outside these are empty */
    int32_t *queue;            /* a ring: the outermost level, from `head` on */
    int32_t head, size, n;
    int32_t n_excess;          /* nodes with a positive excess */
    int32_t level;             /* the outermost */
} ssvm_search;

/* The arc to a node one step nearer to a root, or -1. */
static inline int32_t ssvm_nearer(const ssvm_search *s, ssvm_node *x)
{
    const int32_t wanted = x->label - 1, stop = x[1].first;
    int32_t a = x->current;
    if (!wanted)
        return -1;
    for (; a < stop; ++a)
        if (s->nodes[s->arcs[a].head].label == wanted && s->arcs[a].residual > 0.0)
            break;
    x->current = a;
    return a < stop ? a : -1;
}

/* ---- lists */

static inline void ssvm_list_excess(ssvm_search *s, int32_t v)
{
    ssvm_node *x = s->nodes + v;
    x->state |= SSVM_HAS_EXCESS;
    x->link = s->excess[x->label];
    s->excess[x->label] = v;
    s->top = x->label > s->top ? x->label : s->top;
}

/* `label` is an argument because the node's own may be negative at the moment. */
static inline void ssvm_list_orphan(ssvm_search *s, int32_t v, int32_t label)
{
    s->nodes[v].state |= SSVM_IS_ORPHAN;
    s->nodes[v].link = s->orphans[label];
    s->orphans[label] = v;
    s->low = label < s->low ? label : s->low;
    s->high = label > s->high ? label : s->high;
}

/* Add v to the outermost level, unless it is there. */
static inline void ssvm_enqueue(ssvm_search *s, int32_t v)
{
    int32_t at;
    if (s->nodes[v].state & SSVM_QUEUED)
        return;
    s->nodes[v].state |= SSVM_QUEUED;
    at = s->n - s->head;
    at = s->size < at ? s->head + s->size : s->size - at;
    ++s->size;
    s->queue[at] = v;
}

/* ---- the three steps */

static inline void ssvm_grow(ssvm_search *s)
{
    for (int32_t left = s->size; left > 0; --left) {
        const int32_t v = s->queue[s->head];
        ssvm_node *x = s->nodes + v;
        s->head = s->head + 1 < s->n ? s->head + 1 : 0;
        --s->size;
        x->state &= (uint8_t)~SSVM_QUEUED;
        if (x->label != s->level) { /* it has left; it may be in the new level already */
            if (x->label == s->level + 1)
                ssvm_enqueue(s, v);
            continue;
        }
        for (int32_t a = x->first; a < x[1].first; ++a) {
            const int32_t w = s->arcs[a].head;
            ssvm_node *y = s->nodes + w;
            if (y->label || !(s->arcs[s->arcs[a].sister].residual > 0.0))
                continue;
            y->label = s->level + 1;
            y->parent = s->arcs[a].sister;
            y->current = y->first;
            ssvm_enqueue(s, w);
            if (y->excess > 0.0)
                ssvm_list_excess(s, w);
        }
    }
    ++s->level;
}

/* Push excess from v to its parent. */
static inline void ssvm_push(ssvm_search *s, int32_t v)
{
    ssvm_node *x = s->nodes + v, *y;
    ssvm_arc *arc = s->arcs + x->parent;
    const int32_t w = arc->head;
    const double pushed = x->excess < arc->residual ? x->excess : arc->residual;
    double before;
    y = s->nodes + w;
    before = y->excess;
    x->excess -= pushed;
    s->n_excess -= !(x->excess > 0.0);
    arc->residual -= pushed;
    s->arcs[arc->sister].residual += pushed;
    if (!(arc->residual > 0.0))
        x->parent = SSVM_NO_PARENT;
    y->excess += pushed;
    s->n_excess += y->excess > 0.0 && !(before > 0.0);
    if (y->parent == SSVM_ROOT) {
        if (!(y->excess < 0.0)) {
            y->parent = SSVM_NO_PARENT;
            ssvm_list_orphan(s, w, y->label);
        }
    } else if (y->excess > 0.0 && !(y->state & (SSVM_HAS_EXCESS | SSVM_IS_ORPHAN)))
        ssvm_list_excess(s, w);
}

static inline void ssvm_drain(ssvm_search *s)
{
    for (int32_t b = s->top; b > 0; --b)
        while (s->excess[b] >= 0) {
            const int32_t v = s->excess[b];
            ssvm_node *x = s->nodes + v;
            s->excess[b] = x->link;
            x->state &= (uint8_t)~SSVM_HAS_EXCESS;
            if (x->parent >= 0)
                ssvm_push(s, v);
            while (x->parent == SSVM_NO_PARENT && x->excess > 0.0) {
                const int32_t a = ssvm_nearer(s, x);
                if (a < 0)
                    break;
                x->parent = a;
                ssvm_push(s, v);
            }
            if (x->parent == SSVM_NO_PARENT)
                ssvm_list_orphan(s, v, x->label);
        }
    s->top = 0;
}

/* Orphans that find another parent at the same distance stay; the others leave. Returns the first of the
 * list of those that left. Orphans are taken in the order of their labels, so their parents are settled. */
static inline int32_t ssvm_settle_orphans(ssvm_search *s, int32_t *n_left)
{
    int32_t left = -1;
    for (int32_t b = s->low; b <= s->high; ++b)
        while (s->orphans[b] >= 0) {
            const int32_t v = s->orphans[b];
            ssvm_node *x = s->nodes + v;
            int32_t a;
            s->orphans[b] = x->link;
            x->state &= (uint8_t)~SSVM_IS_ORPHAN;
            a = ssvm_nearer(s, x);
            if (a >= 0) {
                x->parent = a;
                if (x->excess > 0.0)
                    ssvm_list_excess(s, v);
                continue;
            }
            for (a = x->first; a < x[1].first; ++a) {
                const int32_t w = s->arcs[a].head;
                ssvm_node *y = s->nodes + w;
                if (y->parent != s->arcs[a].sister)
                    continue;
                y->parent = SSVM_NO_PARENT;
                if (!(y->state & (SSVM_HAS_EXCESS | SSVM_IS_ORPHAN)))
                    ssvm_list_orphan(s, w, y->label);
            }
            x->label = 0;
            x->link = left;
            left = v;
            ++*n_left;
        }
    s->low = s->n + 1;
    s->high = 0;
    return left;
}

/* Put each node that left into the list of its new distance. Its label is negative until it returns, so
 * it does not count as a member of the forest. */
static inline void ssvm_locate(ssvm_search *s, int32_t left)
{
    while (left >= 0) {
        const int32_t v = left;
        ssvm_node *x = s->nodes + v;
        int32_t least = INT32_MAX, best = SSVM_NO_PARENT;
        left = x->link;
        for (int32_t a = x->first; a < x[1].first; ++a) {
            const int32_t label = s->nodes[s->arcs[a].head].label;
            if (label > 0 && label < least && s->arcs[a].residual > 0.0) {
                least = label;
                best = a;
            }
        }
        x->parent = SSVM_NO_PARENT;
        if (least < s->level) {
            x->parent = x->current = best;
            x->label = -(least + 1);
            ssvm_list_orphan(s, v, least + 1);
        }
    }
}

/* Make room in the ring for the nodes that return: drop queued nodes that have left. */
static inline void ssvm_make_room(ssvm_search *s, int32_t n_left)
{
    int32_t from = s->head;
    const int32_t n = s->size;
    if (n_left <= s->n - n)
        return;
    s->size = 0;
    for (int32_t i = 0; i < n; ++i) {
        const int32_t v = s->queue[from];
        from = from + 1 < s->n ? from + 1 : 0;
        s->nodes[v].state &= (uint8_t)~SSVM_QUEUED;
        if (s->nodes[v].label > 0)
            ssvm_enqueue(s, v);
    }
}

/* List a node that has its label and parent again. */
static inline void ssvm_welcome(ssvm_search *s, int32_t v)
{
    if (s->nodes[v].excess > 0.0)
        ssvm_list_excess(s, v);
    if (s->nodes[v].label == s->level)
        ssvm_enqueue(s, v);
}

/* v becomes the parent of neighbours that left and for which it is nearest. Neighbours that are still in a
 * list are welcomed when their list is read. */
static inline void ssvm_take_in(ssvm_search *s, int32_t v, int32_t *taken)
{
    const ssvm_node *x = s->nodes + v;
    const int32_t label = x->label + 1;
    for (int32_t a = x->first; a < x[1].first; ++a) {
        const int32_t w = s->arcs[a].head;
        ssvm_node *y = s->nodes + w;
        if ((y->label && y->label >= -label) || !(s->arcs[s->arcs[a].sister].residual > 0.0))
            continue;
        y->label = label;
        y->parent = s->arcs[a].sister;
        y->current = y->first;
        if (!(y->state & SSVM_IS_ORPHAN))
            ssvm_welcome(s, w);
        if (label < s->level) {
            *taken = *taken > 0 ? *taken - 1 : s->n - 1;
            s->queue[*taken] = w;
        }
    }
}

/* All located nodes return, nearest first, and take in their neighbours. */
static inline void ssvm_return_in_order(ssvm_search *s)
{
    /* Nodes taken in wait in the ring below its head, in the order of their labels. */
    int32_t taken = s->head, next = s->head;
    for (int32_t b = s->low; b <= s->high || next != taken; ++b)
        for (;;) {
            int32_t v;
            if (b <= s->high && s->orphans[b] >= 0) {
                ssvm_node *x;
                int32_t label;
                v = s->orphans[b];
                x = s->nodes + v;
                s->orphans[b] = x->link;
                x->state &= (uint8_t)~SSVM_IS_ORPHAN;
                label = x->label;
                x->label = label < 0 ? -label : label;
                ssvm_welcome(s, v);
                if (label > 0 || x->label == s->level) /* taken in before, or in the outermost level */
                    continue;
            } else if (next != taken) {
                const int32_t at = next > 0 ? next - 1 : s->n - 1;
                v = s->queue[at];
                if (s->nodes[v].label > b)
                    break;
                next = at;
            } else
                break;
            ssvm_take_in(s, v, &taken);
        }
    s->low = s->n + 1;
    s->high = 0;
}

/* ---- all together */

static inline void ssvm_push_over(ssvm_node *from, ssvm_node *to, ssvm_arc *arc, ssvm_arc *sister)
{
    double flow = from->excess < -to->excess ? from->excess : -to->excess;
    flow = flow < arc->residual ? flow : arc->residual;
    from->excess -= flow;
    to->excess += flow;
    arc->residual -= flow;
    sister->residual += flow;
}

/* Push along paths of one edge before there is a forest: most of the flow at little cost. */
static void ssvm_push_over_edges(ssvm_graph *g)
{
    for (int32_t i = 0; i < g->n_nodes; ++i) {
        ssvm_node *node = &g->nodes[i];
        /* Where all is mirrored, fewer nodes are below 0 than above. */
        if (g->is_mirrored)
            for (int32_t a = node->first; a < node[1].first && node->excess < 0.0; ++a) {
                ssvm_arc *sister = &g->arcs[g->arcs[a].sister];
                ssvm_node *other = &g->nodes[g->arcs[a].head];
                if (other->excess > 0.0 && sister->residual > 0.0)
                    ssvm_push_over(other, node, sister, &g->arcs[a]);
            }
        else
            for (int32_t a = node->first; a < node[1].first && node->excess > 0.0; ++a) {
                ssvm_arc *arc = &g->arcs[a];
                ssvm_node *other = &g->nodes[arc->head];
                if (other->excess < 0.0 && arc->residual > 0.0)
                    ssvm_push_over(node, other, arc, &g->arcs[arc->sister]);
            }
    }
}

/* Label of nodes outside the current block: too far for a parent, and not free */
#define SSVM_HIDDEN INT32_MAX

/* Nodes of the smallest blocks, and the factor to the next size */
enum { SSVM_BLOCK = 4096, SSVM_BLOCK_GROWTH = 16, SSVM_FEW = 16 };

static inline void ssvm_hide(ssvm_graph *g, int32_t from, int32_t to)
{
    for (int32_t v = from; v < to; ++v) {
        g->nodes[v].label = SSVM_HIDDEN;
        g->nodes[v].parent = SSVM_NO_PARENT;
        g->nodes[v].state = 0;
    }
}

/* Maximum flow among the nodes from, ..., to - 1; all others must be hidden, and all lists empty. */
static void ssvm_solve_block(ssvm_graph *g, int32_t from, int32_t to)
{
    ssvm_search search = {0}, *s = &search;
    s->nodes = g->nodes;
    s->arcs = g->arcs;
    s->excess = g->lists;
    s->n = g->n_nodes;
    s->orphans = g->lists + s->n + 2;
    s->queue = g->queue;
    s->low = s->n + 1;
    s->level = 1;
    for (int32_t v = from; v < to; ++v) {
        ssvm_node *x = s->nodes + v;
        const int is_root = x->excess < 0.0;
        x->label = is_root;
        x->parent = is_root ? SSVM_ROOT : SSVM_NO_PARENT;
        x->state = is_root ? SSVM_QUEUED : 0;
        x->current = x->first;
        s->queue[s->size] = v;
        s->size += is_root;
        s->n_excess += x->excess > 0.0;
    }
    while (s->size > 0 && s->n_excess > 0) {
        /* It is cheaper to drain several levels together. */
        const int32_t enough = s->level + 1 + s->level / 2;
        while (s->size > 0 && s->level < enough)
            ssvm_grow(s);
        while (s->top > 0) {
            int32_t n_left = 0, left;
            ssvm_drain(s);
            left = ssvm_settle_orphans(s, &n_left);
            if (left < 0)
                continue;
            ssvm_make_room(s, n_left);
            ssvm_locate(s, left);
            ssvm_return_in_order(s);
        }
    }
}

/* Set all labels: 1 for the nodes that positive excess can still reach, the fewest 1s. */
static inline void ssvm_reach(ssvm_graph *g)
{
    int32_t n = 0;
    for (int32_t v = 0; v < g->n_nodes; ++v) {
        ssvm_node *x = &g->nodes[v];
        x->label = g->is_mirrored ? x->excess < 0.0 : x->excess > 0.0;
        if (x->label)
            g->queue[n++] = v;
    }
    for (int32_t i = 0; i < n; ++i) {
        const ssvm_node *x = &g->nodes[g->queue[i]];
        for (int32_t a = x->first; a < x[1].first; ++a) {
            const ssvm_arc *arc = &g->arcs[a];
            ssvm_node *y = &g->nodes[arc->head];
            if (y->label || !(g->arcs[g->is_mirrored ? arc->sister : a].residual > 0.0))
                continue;
            y->label = 1;
            g->queue[n++] = arc->head;
        }
    }
}

/* Push flow until no path leads from a positive excess to a negative one. A level of a large graph does not
 * fit into a cache. So where neighbours have near numbers, small blocks of nodes are solved first, then
 * larger ones, and last the graph; each finds most of the work done. */
static void ssvm_graph_solve(ssvm_graph *g)
{
    const int32_t n = g->n_nodes;
    for (int32_t b = 0; b < 2 * (n + 2); ++b)
        g->lists[b] = -1;
    ssvm_push_over_edges(g);
    /* Of few nodes the forest has near ones only. */
    if (g->is_local && n > 2 * SSVM_BLOCK && g->n_ends > n / SSVM_FEW) {
        ssvm_hide(g, 0, n);
        for (int32_t size = SSVM_BLOCK; size < n / 2; size *= SSVM_BLOCK_GROWTH) {
            for (int32_t from = 0; from < n; from += size) {
                const int32_t to = n - from < size ? n : from + size;
                ssvm_solve_block(g, from, to);
                ssvm_hide(g, from, to);
                if (to == n)
                    break;
            }
            if (size > n / SSVM_BLOCK_GROWTH)
                break;
        }
    }
    ssvm_solve_block(g, 0, n);
    ssvm_reach(g);
}

#endif
