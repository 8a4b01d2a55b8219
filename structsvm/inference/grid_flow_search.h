/* Maximum flow by one breadth-first forest and excesses. grid_flow.h includes this once for each number of
 * arcs SSVM_ARCS.
 *
 * The roots of the forest are the pixels with a negative excess. A pixel's label is its distance to a root
 * along residual arcs, counted from 1, and 0 outside the forest; its parent is one step nearer. In turn
 *
 *   grow       pixels with an arc into the outermost level become a new level. The forest grows by half
 *              its levels at a time, because it is cheaper to drain several levels together;
 *   drain      positive excess in the forest flows towards the roots, outermost level first, so that flow
 *              from many pixels moves on together. A saturated arc makes its pixel an orphan; a root
 *              whose excess is no longer negative becomes an orphan, too;
 *   adopt      orphans look for another parent at the same distance. Those without one leave the forest,
 *              and their children become orphans. Then the pixels that left return at their new
 *              distances, nearest first, unless this is beyond the outermost level;
 *
 * drain and adopt repeat while there is excess in the forest. When the forest cannot grow, no path leads
 * from the remaining excess to a root. Labels of a pixel only rise, which bounds the number of rounds as
 * in any shortest-path flow. This is the breadth-first search of Goldberg, Hed, Kaplan, Tarjan and
 * Werneck (2011, doi:10.1007/978-3-642-23719-5_39) with the excesses and the three-pass adoption of
 * Goldberg et al. (2015, doi:10.1007/978-3-662-48350-3_52), but from one side only: so a whole level
 * drains at once, and only excesses are pushed.
 *
 * Why doubles are safe: each push moves min(excess, residual). This leaves exactly 0 in one of the two and
 * no negative number in the other; no step needs an exact sum.
 *
 * Most time is spent on reading a pixel's neighbours; that is done without branches, for all arcs at
 * once. */

/* Special values of `parent` */
#ifndef SSVM_GRID_SEARCH_WORDS
#define SSVM_GRID_SEARCH_WORDS
enum { SSVM_GRID_NO_PARENT = -1, SSVM_GRID_ROOT = -2 };

/* Bits in `state` */
enum { SSVM_GRID_QUEUED = 1, SSVM_GRID_HAS_EXCESS = 2, SSVM_GRID_IS_ORPHAN = 4 };
#endif

#define SSVM_SEARCH SSVM_GRID_NAME(search)

typedef struct {
    SSVM_NODE *nodes;
    double *residual;
    int32_t *link;             /* each pixel is in at most one list: */
    int32_t *excess, *orphans; /* pixels with excess in the forest, and orphans, by label */
    int32_t last_bucket;
    int32_t top;               /* lists of excesses above this are empty */
    int32_t low, high;         /* lists of orphans outside these are empty */
    int32_t *queue;            /* a ring: the outermost level, from `head` on; return_in_order() */
    ptrdiff_t head, size;      /* uses the ring below `head` */
    ptrdiff_t n_places;
    ptrdiff_t n_excess;        /* pixels with a positive excess */
    int32_t level;             /* the outermost */
    ptrdiff_t shift[SSVM_ARCS];
} SSVM_SEARCH;

/* ---- looking at all neighbours */

/* The least label above 0 of the neighbours along `arcs`, and its arc, as ((label - 1) << 5) + arc; far
 * above all labels if there is none. */
SSVM_INLINE uint64_t SSVM_GRID_NAME(nearest)(const SSVM_NODE *x, const ptrdiff_t *shift, uint32_t arcs)
{
    uint64_t best = UINT64_MAX;
    for (int k = 0; k < SSVM_ARCS; ++k) {
        uint64_t key = ((uint64_t)(uint32_t)(x[shift[k]].label - 1) << 5) + (unsigned)k;
        key |= (uint64_t)((arcs >> k) & 1u) - 1;
        best = key < best ? key : best;
    }
    return best;
}

SSVM_INLINE uint32_t SSVM_GRID_NAME(children)(const SSVM_NODE *x, const ptrdiff_t *shift)
{
    uint32_t arcs = 0;
    for (int k = 0; k < SSVM_ARCS; ++k)
        arcs |= (uint32_t)(x[shift[k]].parent == (k ^ 1)) << k;
    return arcs;
}

/* Neighbours whose label is 0 or below `bound`. */
SSVM_INLINE uint32_t SSVM_GRID_NAME(unlabelled)(const SSVM_NODE *x, const ptrdiff_t *shift,
                                                int32_t bound)
{
    uint32_t arcs = 0;
    for (int k = 0; k < SSVM_ARCS; ++k) {
        const int32_t label = x[shift[k]].label;
        arcs |= (uint32_t)((label == 0) | (label < bound)) << k;
    }
    return arcs;
}

/* The arc to a neighbour one step nearer to a root, or -1. */
SSVM_INLINE int SSVM_GRID_NAME(nearer)(const SSVM_SEARCH *s, const SSVM_NODE *x)
{
    const uint64_t key = SSVM_GRID_NAME(nearest)(x, s->shift, x->out);
    return (key >> 5) + 2 == (uint64_t)x->label ? (int)(key & 31) : -1;
}

/* ---- lists */

SSVM_INLINE int32_t SSVM_GRID_NAME(bucket)(const SSVM_SEARCH *s, int32_t label)
{
    return label < s->last_bucket ? label : s->last_bucket;
}

SSVM_INLINE void SSVM_GRID_NAME(list_excess)(SSVM_SEARCH *s, int32_t v)
{
    const int32_t b = SSVM_GRID_NAME(bucket)(s, s->nodes[v].label);
    s->nodes[v].state |= SSVM_GRID_HAS_EXCESS;
    s->link[v] = s->excess[b];
    s->excess[b] = v;
    s->top = b > s->top ? b : s->top;
}

/* `label` is an argument because the node's own may be negative at the moment. */
SSVM_INLINE void SSVM_GRID_NAME(list_orphan)(SSVM_SEARCH *s, int32_t v, int32_t label)
{
    const int32_t b = SSVM_GRID_NAME(bucket)(s, label);
    s->nodes[v].state |= SSVM_GRID_IS_ORPHAN;
    s->link[v] = s->orphans[b];
    s->orphans[b] = v;
    s->low = b < s->low ? b : s->low;
    s->high = b > s->high ? b : s->high;
}

/* Add v to the outermost level, unless it is there. */
SSVM_INLINE void SSVM_GRID_NAME(enqueue)(SSVM_SEARCH *s, int32_t v)
{
    if (s->nodes[v].state & SSVM_GRID_QUEUED)
        return;
    s->nodes[v].state |= SSVM_GRID_QUEUED;
    const ptrdiff_t at = s->head + s->size++;
    s->queue[at < s->n_places ? at : at - s->n_places] = v;
}

/* ---- the three steps */

SSVM_INLINE void SSVM_GRID_NAME(grow)(SSVM_SEARCH *s)
{
    for (ptrdiff_t n = s->size; n > 0; --n) {
        const int32_t v = s->queue[s->head];
        s->head = s->head + 1 < s->n_places ? s->head + 1 : 0;
        --s->size;
        SSVM_NODE *x = s->nodes + v;
        x->state &= (uint8_t)~SSVM_GRID_QUEUED;
        if (x->label != s->level) { /* it has left; it may be in the new level already */
            if (x->label == s->level + 1)
                SSVM_GRID_NAME(enqueue)(s, v);
            continue;
        }
        uint32_t arcs = x->in & SSVM_GRID_NAME(unlabelled)(x, s->shift, INT32_MIN);
        for (; arcs; arcs &= arcs - 1) {
            const int k = ssvm_lowest_bit(arcs);
            const int32_t w = v + (int32_t)s->shift[k];
            SSVM_NODE *y = s->nodes + w;
            y->label = s->level + 1;
            y->parent = (int8_t)(k ^ 1);
            SSVM_GRID_NAME(enqueue)(s, w);
            if (y->excess > 0.0)
                SSVM_GRID_NAME(list_excess)(s, w);
        }
    }
    ++s->level;
}

/* Push excess from v to its parent. */
SSVM_INLINE void SSVM_GRID_NAME(push)(SSVM_SEARCH *s, int32_t v)
{
    SSVM_NODE *x = s->nodes + v;
    const int k = x->parent;
    const int32_t w = v + (int32_t)s->shift[k];
    SSVM_NODE *y = s->nodes + w;
    double *there = s->residual + (ptrdiff_t)v * SSVM_ARCS + k;
    double *back = s->residual + (ptrdiff_t)w * SSVM_ARCS + (k ^ 1);
    const double pushed = x->excess < *there ? x->excess : *there;
    x->excess -= pushed;
    s->n_excess -= !(x->excess > 0.0);
    *there -= pushed;
    *back += pushed;
    y->out |= SSVM_BIT(k ^ 1);
    x->in |= SSVM_BIT(k);
    if (!(*there > 0.0)) {
        x->out &= (SSVM_MASK)~SSVM_BIT(k);
        y->in &= (SSVM_MASK)~SSVM_BIT(k ^ 1);
        x->parent = SSVM_GRID_NO_PARENT;
    }
    const double before = y->excess;
    y->excess += pushed;
    s->n_excess += y->excess > 0.0 && !(before > 0.0);
    if (y->parent == SSVM_GRID_ROOT) {
        if (!(y->excess < 0.0)) {
            y->parent = SSVM_GRID_NO_PARENT;
            SSVM_GRID_NAME(list_orphan)(s, w, y->label);
        }
    } else if (y->excess > 0.0 && !(y->state & (SSVM_GRID_HAS_EXCESS | SSVM_GRID_IS_ORPHAN)))
        SSVM_GRID_NAME(list_excess)(s, w);
}

SSVM_INLINE void SSVM_GRID_NAME(drain)(SSVM_SEARCH *s)
{
    for (int32_t b = s->top; b > 0; --b)
        while (s->excess[b] >= 0) {
            const int32_t v = s->excess[b];
            SSVM_NODE *x = s->nodes + v;
            s->excess[b] = s->link[v];
            x->state &= (uint8_t)~SSVM_GRID_HAS_EXCESS;
            if (x->parent >= 0)
                SSVM_GRID_NAME(push)(s, v);
            while (x->parent == SSVM_GRID_NO_PARENT && x->excess > 0.0) {
                const int k = SSVM_GRID_NAME(nearer)(s, x);
                if (k < 0)
                    break;
                x->parent = (int8_t)k;
                SSVM_GRID_NAME(push)(s, v);
            }
            if (x->parent == SSVM_GRID_NO_PARENT)
                SSVM_GRID_NAME(list_orphan)(s, v, x->label);
        }
    s->top = 0;
}

/* Orphans that find another parent at the same distance stay; the others leave. Returns the first of the
 * list of those that left. Orphans are taken in the order of their labels, so their parents are settled.
 * (In the last bucket they may not be; if the parent leaves later, the child is an orphan again.) */
SSVM_INLINE int32_t SSVM_GRID_NAME(settle)(SSVM_SEARCH *s, ptrdiff_t *n_left)
{
    int32_t left = -1;
    for (int32_t b = s->low; b <= s->high; ++b)
        while (s->orphans[b] >= 0) {
            const int32_t v = s->orphans[b];
            SSVM_NODE *x = s->nodes + v;
            s->orphans[b] = s->link[v];
            x->state &= (uint8_t)~SSVM_GRID_IS_ORPHAN;
            const int k = SSVM_GRID_NAME(nearer)(s, x);
            if (k >= 0) {
                x->parent = (int8_t)k;
                if (x->excess > 0.0)
                    SSVM_GRID_NAME(list_excess)(s, v);
                continue;
            }
            uint32_t arcs = SSVM_GRID_NAME(children)(x, s->shift);
            for (; arcs; arcs &= arcs - 1) {
                const int32_t w = v + (int32_t)s->shift[ssvm_lowest_bit(arcs)];
                SSVM_NODE *y = s->nodes + w;
                y->parent = SSVM_GRID_NO_PARENT;
                if (!(y->state & (SSVM_GRID_HAS_EXCESS | SSVM_GRID_IS_ORPHAN)))
                    SSVM_GRID_NAME(list_orphan)(s, w, y->label);
            }
            x->label = 0;
            s->link[v] = left;
            left = v;
            ++*n_left;
        }
    s->low = s->last_bucket;
    s->high = 0;
    return left;
}

/* Put each pixel that left into the list of its new distance. Its label is negative until it returns, so
 * it does not count as a member of the forest. */
SSVM_INLINE void SSVM_GRID_NAME(locate)(SSVM_SEARCH *s, int32_t left)
{
    while (left >= 0) {
        const int32_t v = left;
        SSVM_NODE *x = s->nodes + v;
        left = s->link[v];
        const uint64_t key = SSVM_GRID_NAME(nearest)(x, s->shift, x->out);
        if ((key >> 5) + 1 < (uint64_t)s->level) {
            x->parent = (int8_t)(key & 31);
            x->label = -(int32_t)((key >> 5) + 2);
            SSVM_GRID_NAME(list_orphan)(s, v, -x->label);
        } else
            x->parent = SSVM_GRID_NO_PARENT;
    }
}

/* Make room in the ring for the pixels that return: drop queued pixels that have left. */
SSVM_INLINE void SSVM_GRID_NAME(make_room)(SSVM_SEARCH *s, ptrdiff_t n_left)
{
    if (s->size + n_left <= s->n_places)
        return;
    const ptrdiff_t n = s->size;
    ptrdiff_t from = s->head;
    s->size = 0;
    for (ptrdiff_t i = 0; i < n; ++i) {
        const int32_t v = s->queue[from];
        from = from + 1 < s->n_places ? from + 1 : 0;
        s->nodes[v].state &= (uint8_t)~SSVM_GRID_QUEUED;
        if (s->nodes[v].label > 0)
            SSVM_GRID_NAME(enqueue)(s, v);
    }
}

/* List a pixel that has its label and parent again. */
SSVM_INLINE void SSVM_GRID_NAME(welcome)(SSVM_SEARCH *s, int32_t v)
{
    if (s->nodes[v].excess > 0.0)
        SSVM_GRID_NAME(list_excess)(s, v);
    if (s->nodes[v].label == s->level)
        SSVM_GRID_NAME(enqueue)(s, v);
}

/* v becomes the parent of neighbours that left and for which it is nearest. Neighbours that are still in a
 * list are welcomed when their list is read. */
SSVM_INLINE void SSVM_GRID_NAME(take_in)(SSVM_SEARCH *s, int32_t v, ptrdiff_t *taken)
{
    const SSVM_NODE *x = s->nodes + v;
    const int32_t label = x->label + 1;
    uint32_t arcs = x->in & SSVM_GRID_NAME(unlabelled)(x, s->shift, -label);
    for (; arcs; arcs &= arcs - 1) {
        const int k = ssvm_lowest_bit(arcs);
        const int32_t w = v + (int32_t)s->shift[k];
        SSVM_NODE *y = s->nodes + w;
        y->label = label;
        y->parent = (int8_t)(k ^ 1);
        if (!(y->state & SSVM_GRID_IS_ORPHAN))
            SSVM_GRID_NAME(welcome)(s, w);
        if (label < s->level) {
            *taken = *taken > 0 ? *taken - 1 : s->n_places - 1;
            s->queue[*taken] = w;
        }
    }
}

/* All located pixels return, nearest first, and take in their neighbours. */
SSVM_INLINE void SSVM_GRID_NAME(return_in_order)(SSVM_SEARCH *s)
{
    /* Pixels taken in wait in the ring below its head, in the order of their labels. */
    ptrdiff_t taken = s->head, next = s->head;
    for (int32_t b = s->low; b <= s->high || next != taken; ++b)
        for (;;) {
            int32_t v;
            if (b <= s->high && s->orphans[b] >= 0) {
                v = s->orphans[b];
                s->orphans[b] = s->link[v];
                SSVM_NODE *x = s->nodes + v;
                x->state &= (uint8_t)~SSVM_GRID_IS_ORPHAN;
                const int32_t label = x->label;
                x->label = label < 0 ? -label : label;
                SSVM_GRID_NAME(welcome)(s, v);
                if (label > 0 || x->label == s->level) /* taken in before, or in the outermost level */
                    continue;
            } else if (next != taken) {
                const ptrdiff_t at = next > 0 ? next - 1 : s->n_places - 1;
                v = s->queue[at];
                if (SSVM_GRID_NAME(bucket)(s, s->nodes[v].label) > b)
                    break;
                next = at;
            } else
                break;
            SSVM_GRID_NAME(take_in)(s, v, &taken);
        }
    s->low = s->last_bucket;
    s->high = 0;
}
