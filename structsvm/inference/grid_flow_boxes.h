/* The search of grid_flow_search.h in boxes, then in the whole image. grid_flow.h includes this once for
 * each number of arcs SSVM_ARCS.
 *
 * A level of a large image does not fit into a cache. So small boxes are solved first, then larger boxes,
 * and last the image; each finds most of the work done. */

#ifndef SSVM_GRID_BOX_SIZES
#define SSVM_GRID_BOX_SIZES
/* Label of pixels outside the current box: too far for a parent, and not free */
#define SSVM_GRID_HIDDEN INT32_MAX

/* Side of the smallest boxes in two and in three dimensions, and the factor to the next size */
enum { SSVM_GRID_BOX = 64, SSVM_GRID_BOX_3D = 16, SSVM_GRID_BOX_GROWTH = 4 };
#endif

/* Maximum flow among the pixels [from, to) of each axis; all other pixels must be hidden. */
static void SSVM_GRID_NAME(solve_box)(ssvm_grid *g, const ptrdiff_t *from, const ptrdiff_t *to)
{
    SSVM_SEARCH search, *s = &search;
    memset(s, 0, sizeof *s);
    s->nodes = (SSVM_NODE *)g->nodes;
    s->residual = g->residual;
    s->link = g->link;
    s->queue = g->queue;
    s->excess = g->heads;
    s->orphans = g->heads + g->n_buckets;
    s->last_bucket = g->n_buckets - 1;
    s->low = s->last_bucket;
    s->n_places = g->n_places;
    memcpy(s->shift, g->shift, sizeof s->shift);
    for (ptrdiff_t d = from[0]; d < to[0]; ++d)
        for (ptrdiff_t h = from[1]; h < to[1]; ++h) {
            const ptrdiff_t row = g->first + d * g->plane + h * g->row;
            for (ptrdiff_t v = row + from[2]; v < row + to[2]; ++v) {
                SSVM_NODE *x = s->nodes + v;
                const int is_root = x->excess < 0.0;
                x->label = is_root;
                x->parent = is_root ? SSVM_GRID_ROOT : SSVM_GRID_NO_PARENT;
                x->state = is_root ? SSVM_GRID_QUEUED : 0;
                s->queue[s->size] = (int32_t)v;
                s->size += is_root;
                s->n_excess += x->excess > 0.0;
            }
        }
    s->level = 1;
    while (s->size > 0 && s->n_excess > 0) {
        const int32_t enough = s->level + 1 + s->level / 2;
        while (s->size > 0 && s->level < enough)
            SSVM_GRID_NAME(grow)(s);
        while (s->top > 0) {
            ptrdiff_t n_left = 0;
            SSVM_GRID_NAME(drain)(s);
            const int32_t left = SSVM_GRID_NAME(settle)(s, &n_left);
            if (left < 0)
                continue;
            SSVM_GRID_NAME(make_room)(s, n_left);
            SSVM_GRID_NAME(locate)(s, left);
            SSVM_GRID_NAME(return_in_order)(s);
        }
    }
}

static void SSVM_GRID_NAME(hide)(ssvm_grid *g, const ptrdiff_t *from, const ptrdiff_t *to)
{
    for (ptrdiff_t d = from[0]; d < to[0]; ++d)
        for (ptrdiff_t h = from[1]; h < to[1]; ++h) {
            SSVM_NODE *x = (SSVM_NODE *)g->nodes + g->first + d * g->plane + h * g->row;
            for (ptrdiff_t j = from[2]; j < to[2]; ++j) {
                x[j].label = SSVM_GRID_HIDDEN;
                x[j].parent = SSVM_GRID_NO_PARENT;
            }
        }
}

/* Label 1 for the pixels that positive excess can still reach: the fewest 1s. */
static void SSVM_GRID_NAME(reach)(ssvm_grid *g)
{
    SSVM_NODE *nodes = (SSVM_NODE *)g->nodes;
    ptrdiff_t n = 0;
    for (ptrdiff_t v = 0; v < g->n_places; ++v) {
        nodes[v].label = nodes[v].excess > 0.0;
        g->queue[n] = (int32_t)v;
        n += nodes[v].label;
    }
    for (ptrdiff_t i = 0; i < n; ++i) {
        const int32_t v = g->queue[i];
        SSVM_NODE *x = nodes + v;
        uint32_t arcs = x->out & SSVM_GRID_NAME(unlabelled)(x, g->shift, INT32_MIN);
        for (; arcs; arcs &= arcs - 1) {
            const int32_t w = v + (int32_t)g->shift[ssvm_lowest_bit(arcs)];
            nodes[w].label = 1;
            g->queue[n++] = w;
        }
    }
}

static void SSVM_GRID_NAME(solve)(ssvm_grid *g)
{
    const ptrdiff_t size[3] = {g->depth, g->height, g->width}, zero[3] = {0, 0, 0};
    ptrdiff_t side = g->n_arcs == 6 || g->n_arcs == 26 ? SSVM_GRID_BOX_3D : SSVM_GRID_BOX;
    for (int32_t b = 0; b < 2 * g->n_buckets; ++b)
        g->heads[b] = -1;
    SSVM_GRID_NAME(hide)(g, zero, size);
    for (; side < size[0] || side < size[1] || side < size[2]; side *= SSVM_GRID_BOX_GROWTH) {
        ptrdiff_t from[3], to[3];
        for (from[0] = 0; from[0] < size[0]; from[0] += side)
            for (from[1] = 0; from[1] < size[1]; from[1] += side)
                for (from[2] = 0; from[2] < size[2]; from[2] += side) {
                    for (int axis = 0; axis < 3; ++axis)
                        to[axis] = from[axis] + side < size[axis] ? from[axis] + side : size[axis];
                    SSVM_GRID_NAME(solve_box)(g, from, to);
                    SSVM_GRID_NAME(hide)(g, from, to);
                }
    }
    SSVM_GRID_NAME(solve_box)(g, zero, size);
    SSVM_GRID_NAME(reach)(g);
}

#undef SSVM_SEARCH
#undef SSVM_BIT
#undef SSVM_NODE
#undef SSVM_MASK
