/* Maximum flow by one breadth-first forest and excesses. Compiled by grid_flow.h once for each number of
 * arcs SSVM_ARCS.
 *
 * Roots of the forest are the pixels with a negative excess. A pixel's label is its distance to a root
 * along residual arcs, counted from 1, and 0 outside the forest; its parent is one nearer. In turn
 *
 *   grow       pixels with an arc into the outermost level join it, as a new level; half as many
 *              levels again as there are, as what drains together costs less;
 *   drain      positive excess that is now in the forest flows towards the roots, outermost level first,
 *              so that what comes from many pixels goes on together. An arc that fills leaves an orphan;
 *              so does a root with enough;
 *   adopt      orphans look for another parent at the same distance. Those without one leave the forest,
 *              their children become orphans, and when all is settled what left returns at its new
 *              distance, nearest first, if that is not beyond the outermost level;
 *
 * drain and adopt again while there is excess in the forest. When the forest cannot grow, no path leads
 * from what excess remains to a root. Labels of a pixel only rise, which bounds the number of rounds as
 * in any shortest-path flow. This is the breadth-first search of Goldberg, Hed, Kaplan, Tarjan and
 * Werneck (2011, doi:10.1007/978-3-642-23719-5_39) with the excesses and the three-pass adoption of
 * Goldberg et al. (2015, doi:10.1007/978-3-662-48350-3_52), from one side only: then a whole level can
 * drain at once, and nothing but excesses is ever pushed.
 *
 * Why doubles are safe: what is pushed is min(excess, residual), which leaves exactly 0 in one of the
 * two and no negative number in the other; no step relies on a sum being exact.
 *
 * Most time goes into looking at a pixel's neighbours. That is done without branches, for all arcs at
 * once. */

/* Words in `parent` */
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
    int32_t *link;             /* each pixel is in one list at most: */
    int32_t *excess, *orphans; /* those with excess in the forest, and orphans, by label */
    int32_t last_bucket;
    int32_t top;               /* above this no list of excesses has anything */
    int32_t low, high;         /* between these all orphans are */
    int32_t *queue;            /* a ring: the outermost level, from `head` on; what is being read in */
    ptrdiff_t head, size;      /* adopt() grows from there to the other side */
    ptrdiff_t n_places;
    ptrdiff_t n_excess;        /* pixels with a positive excess */
    int32_t level;             /* the outermost */
    ptrdiff_t shift[SSVM_ARCS];
} SSVM_SEARCH;

/* ---- looking at all neighbours */

/* The least label above 0 of the neighbours along `arcs`, and the arc: ((label - 1) << 5) + arc; far
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

/* Neighbours with label 0 or one below `bound`. */
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

/* The arc to a neighbour one nearer to a root, or -1. */
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

/* `label` is given as that of the node may be hidden from others by its sign. */
SSVM_INLINE void SSVM_GRID_NAME(list_orphan)(SSVM_SEARCH *s, int32_t v, int32_t label)
{
    const int32_t b = SSVM_GRID_NAME(bucket)(s, label);
    s->nodes[v].state |= SSVM_GRID_IS_ORPHAN;
    s->link[v] = s->orphans[b];
    s->orphans[b] = v;
    s->low = b < s->low ? b : s->low;
    s->high = b > s->high ? b : s->high;
}

/* To the outermost level, once. */
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
        if (x->label != s->level) { /* it left since; it may be in the new level already */
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

/* Excess from v to its parent. */
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

/* Orphans with another parent at the same distance stay; the others leave, into a list whose first is
 * returned. In the order of their labels, so that such a parent is settled. (In the last bucket it
 * need not be; if it leaves later, this one is an orphan again.) */
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

/* What left goes into the list of the distance that the forest gives it now. Its label is negative until
 * it is back, so that nobody takes it for a member. */
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

/* Room in the ring for what returns: those that left need not stay queued. */
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

/* A pixel has its label and parent again: it is listed where it must be. */
SSVM_INLINE void SSVM_GRID_NAME(welcome)(SSVM_SEARCH *s, int32_t v)
{
    if (s->nodes[v].excess > 0.0)
        SSVM_GRID_NAME(list_excess)(s, v);
    if (s->nodes[v].label == s->level)
        SSVM_GRID_NAME(enqueue)(s, v);
}

/* v, at its distance, takes in those that left and are nearest through it. Those that are in a list
 * still are welcomed when that list comes to them. */
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

/* All that located themselves return, nearest first, and take others with them. */
SSVM_INLINE void SSVM_GRID_NAME(return_in_order)(SSVM_SEARCH *s)
{
    /* Those taken in wait, in the order of their labels, in the part of the ring below its head. */
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
                if (label > 0 || x->label == s->level) /* taken in before, or nobody beyond it */
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
