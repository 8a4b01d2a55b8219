/* The best projective dependency tree, scored by arcs, pairs of siblings and grandparents.
 *
 * Tokens are 1 to n, 0 is the root. A *complete* span (h, e) is h with all its descendants from h to e,
 * an *incomplete* one (h, m) ends at a child m of h, whose descendants beyond h..m are still to come; e and
 * m are on either side of h. Two complete spans with their ends side by side make a *joint*, which begins
 * or goes on a chain of siblings:
 *
 *     joint(s, t)      = max_r complete(s, r) + complete(t, r + 1)
 *     incomplete(h, m) = arc(h, m) + joint(h, m)                                  without siblings
 *     incomplete(h, m) = arc(h, m) + max( complete(m, h + 1) + first(h, m),       with siblings
 *                                         max_s incomplete(h, s) + joint(s, m) + next(h, s, m) )
 *     complete(h, e)   = max_m incomplete(h, m) + complete(m, e)
 *
 * With grandparents all three have a further index, the head of h, or of both tokens of a joint, which
 * lies outside the span. No back-pointers are stored: the way back looks for the first term with the value
 * of the maximum. Spans without a tree are -inf. Loops run on to whole groups of lanes, whose last numbers
 * are then never looked at.
 *
 * J. Eisner (1996). Three new probabilistic models for dependency parsing. COLING.
 * R. McDonald, F. Pereira (2006). Online learning of approximate dependency parsing algorithms. EACL.
 * T. Koo, M. Collins (2010). Efficient third-order dependency parsers. ACL. Model 1. */
#ifndef SSVM_DEPENDENCY_TREES_H
#define SSVM_DEPENDENCY_TREES_H

#include <math.h>
#include <string.h>

#include "../linalg/clones.h"

enum { SSVM_ARCS = 1, SSVM_SIBLINGS = 2, SSVM_GRAND_SIBLINGS = 3 };

/* What is known of a sentence, and the tables of spans; rows of `stride` numbers. */
typedef struct {
    ptrdiff_t n;            /* tokens */
    int order;
    int single_root;
    const double *arc;      /* (n + 1, n): head, token - 1 */
    const double *sibling;  /* (n + 1, n, n + 1): head, token - 1, sibling; the head: the first child */
    const double *grand;    /* (n + 1, n, n + 1): head, token - 1, head of the head */
    ptrdiff_t stride;
    /* Without grandparents, (n + 1, stride): length, left end; the head at the left or at the right. */
    double *right, *left;
    double *incomplete_right, *incomplete_left;
    /* With siblings, (n + 1, stride): head, child; two ends in any order. With grandparents all three,
     * (n + 1, n + 1, stride): head, child or end, head of the head; two ends in order, head. */
    double *incomplete, *joint, *complete;
    double *row;            /* (stride,) */
    int32_t *waiting;       /* (2 n + 2, 3): complete spans that the way back has yet to open */
    ptrdiff_t n_waiting;
} ssvm_tree;

SSVM_INLINE ptrdiff_t ssvm_tree_stride(ptrdiff_t n, int order)
{
    /* Without grandparents a group of lanes may begin at the last number of a row. */
    return (n + (order == SSVM_GRAND_SIBLINGS ? 1 : 2) * SSVM_LANES) / SSVM_LANES * SSVM_LANES;
}

/* The number of doubles in one table. */
SSVM_INLINE double ssvm_tree_table(ptrdiff_t n, int order)
{
    const double pairs = (double)(n + 1) * (double)ssvm_tree_stride(n, order);
    return order == SSVM_GRAND_SIBLINGS ? pairs * (double)(n + 1) : pairs;
}

SSVM_INLINE int ssvm_tree_tables(int order)
{
    return order == SSVM_GRAND_SIBLINGS ? 3 : order == SSVM_SIBLINGS ? 6 : 4;
}

/* The number of doubles in all scratch space. */
SSVM_INLINE double ssvm_tree_scratch(ptrdiff_t n, int order)
{
    return ssvm_tree_tables(order) * ssvm_tree_table(n, order) + (double)ssvm_tree_stride(n, order)
        + 3.0 * (double)(n + 1);
}

static void ssvm_tree_init(ssvm_tree *tree, ptrdiff_t n, int order, int single_root, const double *theta,
                           double *scratch)
{
    const ptrdiff_t table = (ptrdiff_t)ssvm_tree_table(n, order);
    tree->n = n;
    tree->order = order;
    tree->single_root = single_root;
    tree->arc = theta;
    tree->sibling = theta + (n + 1) * n;
    tree->grand = tree->sibling + (n + 1) * n * (n + 1);
    tree->stride = ssvm_tree_stride(n, order);
    tree->complete = tree->right = scratch;
    tree->left = scratch + table;
    tree->incomplete_right = scratch + 2 * table;
    tree->incomplete_left = scratch + 3 * table;
    tree->incomplete = scratch + (order == SSVM_SIBLINGS ? 4 : 1) * table;
    tree->joint = tree->incomplete + table;
    tree->row = scratch + ssvm_tree_tables(order) * table;
    tree->n_waiting = 0;
    tree->waiting = (int32_t *)(tree->row + tree->stride);
}

SSVM_INLINE const double *ssvm_siblings_of(const ssvm_tree *tree, ptrdiff_t head, ptrdiff_t token)
{
    return tree->sibling + (head * tree->n + token - 1) * (tree->n + 1);
}

/* ---- the score of a span; `grand`, the head of its head, only matters with grandparents */

SSVM_INLINE double *ssvm_row_of(const ssvm_tree *tree, double *table, ptrdiff_t a, ptrdiff_t b)
{
    return table + (a * (tree->n + 1) + b) * tree->stride;
}

SSVM_INLINE double ssvm_complete(const ssvm_tree *tree, ptrdiff_t head, ptrdiff_t end, ptrdiff_t grand)
{
    if (tree->order == SSVM_GRAND_SIBLINGS)
        return ssvm_row_of(tree, tree->complete, head, end)[grand];
    return head < end ? tree->right[(end - head) * tree->stride + head]
                      : tree->left[(head - end) * tree->stride + end];
}

SSVM_INLINE double ssvm_incomplete(const ssvm_tree *tree, ptrdiff_t head, ptrdiff_t child, ptrdiff_t grand)
{
    if (tree->order == SSVM_GRAND_SIBLINGS)
        return ssvm_row_of(tree, tree->incomplete, head, child)[grand];
    return head < child ? tree->incomplete_right[(child - head) * tree->stride + head]
                        : tree->incomplete_left[(head - child) * tree->stride + child];
}

SSVM_INLINE double ssvm_joint(const ssvm_tree *tree, ptrdiff_t a, ptrdiff_t b, ptrdiff_t head)
{
    if (tree->order == SSVM_GRAND_SIBLINGS)
        return ssvm_row_of(tree, tree->joint, a < b ? a : b, a < b ? b : a)[head];
    return tree->joint[a * tree->stride + b];
}

/* ---- maxima over the terms of spans */

#define SSVM_GREATER(a, b) ((a) > (b) ? (a) : (b))

/* out[g] = max_r a[r * a_step + g] + b[r * b_step + g], or + add[r] where `b` is NULL, for r < n and
 * begin <= g < end, both whole groups of lanes. Four terms at a time, to load and store less. */
SSVM_INLINE void ssvm_best_terms(const double *restrict a, ptrdiff_t a_step, const double *restrict b,
                                 ptrdiff_t b_step, const double *restrict add, ptrdiff_t n,
                                 double *restrict out, ptrdiff_t begin, ptrdiff_t end)
{
    ptrdiff_t r = 0;
    for (ptrdiff_t g = begin; g < end; ++g)
        out[g] = -INFINITY;
#define SSVM_TERM(k) (a[(r + k) * a_step + g] + (b ? b[(r + k) * b_step + g] : add[r + k]))
    for (; r + 4 <= n; r += 4)
        for (ptrdiff_t g = begin; g < end; ++g) {
            const double first = SSVM_GREATER(SSVM_TERM(0), SSVM_TERM(1));
            const double second = SSVM_GREATER(SSVM_TERM(2), SSVM_TERM(3));
            const double best = SSVM_GREATER(first, second);
            out[g] = SSVM_GREATER(best, out[g]);
        }
    for (; r < n; ++r)
        for (ptrdiff_t g = begin; g < end; ++g)
            out[g] = SSVM_GREATER(SSVM_TERM(0), out[g]);
#undef SSVM_TERM
}

/* max_r a[r] + b[r] + c[r], r < n; reads on to whole quads, where sums must be -inf or NaN. Written with
 * masks, as gcc takes lanes that hold maxima apart. */
#if defined(__GNUC__)
typedef double ssvm_quad __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t ssvm_quad_mask __attribute__((vector_size(32), aligned(8), may_alias));
SSVM_INLINE double ssvm_best_sum(const double *a, const double *b, const double *c, ptrdiff_t n)
{
    ssvm_quad best = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    for (ptrdiff_t r = 0; r < n; r += 4) {
        const ssvm_quad sum
            = *(const ssvm_quad *)(a + r) + *(const ssvm_quad *)(b + r) + *(const ssvm_quad *)(c + r);
        const ssvm_quad_mask above = sum > best;
        best = (ssvm_quad)(((ssvm_quad_mask)sum & above) | ((ssvm_quad_mask)best & ~above));
    }
    const double first = SSVM_GREATER(best[0], best[1]), second = SSVM_GREATER(best[2], best[3]);
    return SSVM_GREATER(first, second);
}
#else
SSVM_INLINE double ssvm_best_sum(const double *a, const double *b, const double *c, ptrdiff_t n)
{
    double best = -INFINITY;
    for (ptrdiff_t r = 0; r < n; ++r)
        best = SSVM_GREATER(a[r] + b[r] + c[r], best);
    return best;
}
#endif

/* ---- arcs and siblings: tables of spans of length d, whose terms are shorter spans */

/* Joints in `row` to incomplete spans from s to s + d. */
SSVM_INLINE void ssvm_add_siblings(const ssvm_tree *tree, ptrdiff_t d, ptrdiff_t low, const double *row)
{
    const ptrdiff_t n = tree->n, stride = tree->stride;
    for (ptrdiff_t s = low; s + d <= n; ++s) {
        const ptrdiff_t t = s + d, st = s * stride + t, ts = t * stride + s;
        const double *next = ssvm_siblings_of(tree, s, t);
        double best = (d > 1 ? tree->left[(d - 1) * stride + s + 1] : 0.0) + next[s];
        double later = ssvm_best_sum(tree->incomplete + s * stride + s + 1, tree->joint + ts + 1,
                                     next + s + 1, d - 1);
        tree->incomplete[st] = tree->incomplete_right[d * stride + s]
            = SSVM_GREATER(later, best) + tree->arc[s * n + t - 1];
        if (s > 0) {
            next = ssvm_siblings_of(tree, t, s);
            best = (d > 1 ? tree->right[(d - 1) * stride + s] : 0.0) + next[t];
            later = ssvm_best_sum(tree->incomplete + ts + 1, tree->joint + s * stride + s + 1,
                                  next + s + 1, d - 1);
            tree->incomplete[ts] = tree->incomplete_left[d * stride + s]
                = SSVM_GREATER(later, best) + tree->arc[t * n + s - 1];
        }
        tree->joint[st] = tree->joint[ts] = row[s];
    }
}

/* With several roots the root is a head to the left of all tokens, and no child. */
SSVM_INLINE void ssvm_tree_spans(const ssvm_tree *tree, const int order)
{
    const ptrdiff_t n = tree->n, stride = tree->stride, low = tree->single_root ? 1 : 0;
    double *const right = tree->right, *const left = tree->left;
    double *const in_right = tree->incomplete_right, *const in_left = tree->incomplete_left;
    for (ptrdiff_t s = 0; s <= n; ++s)
        right[s] = left[s] = 0.0;
    for (ptrdiff_t k = 0; k < (n + 1) * stride && order == SSVM_SIBLINGS; ++k)
        tree->incomplete[k] = tree->joint[k] = -INFINITY;
    for (ptrdiff_t d = 1; d <= n - low; ++d) {
        const ptrdiff_t width = (n - d + SSVM_LANES) / SSVM_LANES * SSVM_LANES;
        ssvm_best_terms(right, stride, left + (d - 1) * stride + 1, 1 - stride, NULL, d, tree->row, 0, width);
        in_left[d * stride] = -INFINITY;
        if (order == SSVM_SIBLINGS) {
            ssvm_add_siblings(tree, d, low, tree->row);
        } else {
            for (ptrdiff_t s = low; s + d <= n; ++s)
                in_right[d * stride + s] = tree->row[s] + tree->arc[s * n + s + d - 1];
            for (ptrdiff_t s = 1; s + d <= n; ++s)
                in_left[d * stride + s] = tree->row[s] + tree->arc[(s + d) * n + s - 1];
        }
        ssvm_best_terms(in_right + stride, stride, right + (d - 1) * stride + 1, 1 - stride, NULL, d,
                        right + d * stride, 0, width);
        ssvm_best_terms(left, stride, in_left + d * stride, 1 - stride, NULL, d, left + d * stride, 0, width);
    }
}

SSVM_CLONES static void ssvm_tree_of_arcs(const ssvm_tree *tree)
{
    ssvm_tree_spans(tree, SSVM_ARCS);
}

SSVM_CLONES static void ssvm_tree_of_siblings(const ssvm_tree *tree)
{
    ssvm_tree_spans(tree, SSVM_SIBLINGS);
}

/* ---- grandparents: rows of a table are heads of the span, (n + 1, stride) at each pair of ends */

/* `ssvm_best_terms` for the heads outside the span from s to t, in whole groups of lanes. */
SSVM_INLINE void ssvm_best_outside(const ssvm_tree *tree, const double *a, const double *b, ptrdiff_t n,
                                   double *out, ptrdiff_t s, ptrdiff_t t)
{
    const ptrdiff_t step = tree->stride, left = (s + SSVM_LANES - 1) / SSVM_LANES * SSVM_LANES;
    const ptrdiff_t right = (t + 1) / SSVM_LANES * SSVM_LANES;
    const ptrdiff_t end = (tree->n + SSVM_LANES) / SSVM_LANES * SSVM_LANES;
    ssvm_best_terms(a, step, b, step, tree->row, n, out, 0, left);
    ssvm_best_terms(a, step, b, step, tree->row, n, out, SSVM_GREATER(left, right), end);
}

/* incomplete(head, child) for all heads of `head`. */
SSVM_INLINE void ssvm_grand_incomplete(const ssvm_tree *tree, ptrdiff_t head, ptrdiff_t child)
{
    const ptrdiff_t n = tree->n, step = child > head ? 1 : -1;
    const ptrdiff_t first = child > head ? head + 1 : child + 1, n_between = (child - head) * step - 1;
    const double *next = ssvm_siblings_of(tree, head, child);
    const double *grand = tree->grand + (head * n + child - 1) * (n + 1);
    const double arc = tree->arc[head * n + child - 1];
    const double alone = ssvm_row_of(tree, tree->complete, child, head + step)[head] + next[head];
    double *out = ssvm_row_of(tree, tree->incomplete, head, child);
    for (ptrdiff_t r = 0; r < n_between; ++r)
        tree->row[r] = ssvm_joint(tree, child, first + r, head) + next[first + r];
    ssvm_best_outside(tree, ssvm_row_of(tree, tree->incomplete, head, first), NULL, n_between, out,
                      child > head ? head : child, child > head ? child : head);
    for (ptrdiff_t g = 0; g <= n; ++g)
        out[g] = SSVM_GREATER(out[g], alone) + arc + grand[g];
}

/* complete(head, end) for all heads of `head`. */
SSVM_INLINE void ssvm_grand_complete(const ssvm_tree *tree, ptrdiff_t head, ptrdiff_t end)
{
    const ptrdiff_t first = end > head ? head + 1 : end, n_children = end > head ? end - head : head - end;
    for (ptrdiff_t r = 0; r < n_children; ++r)
        tree->row[r] = ssvm_complete(tree, first + r, end, head);
    double *out = ssvm_row_of(tree, tree->complete, head, end);
    ssvm_best_outside(tree, ssvm_row_of(tree, tree->incomplete, head, first), NULL, n_children, out,
                      end > head ? head : end, end > head ? end : head);
}

SSVM_CLONES static void ssvm_tree_of_grandparents(const ssvm_tree *tree)
{
    const ptrdiff_t n = tree->n, stride = tree->stride;
    for (ptrdiff_t k = 1; k <= n; ++k)
        memset(ssvm_row_of(tree, tree->complete, k, k), 0, (size_t)stride * sizeof(double));
    for (ptrdiff_t d = 1; d < n; ++d)
        for (ptrdiff_t s = 1; s + d <= n; ++s) {
            const ptrdiff_t t = s + d;
            double *between = ssvm_row_of(tree, tree->joint, s, t);
            ssvm_best_outside(tree, ssvm_row_of(tree, tree->complete, s, s),
                              ssvm_row_of(tree, tree->complete, t, s + 1), d, between, s, t);
            ssvm_grand_incomplete(tree, s, t);
            ssvm_grand_incomplete(tree, t, s);
            ssvm_grand_complete(tree, s, t);
            ssvm_grand_complete(tree, t, s);
        }
    /* Several roots: children of the root, which has no head. */
    for (ptrdiff_t m = 1; m <= n && !tree->single_root; ++m) {
        const double *next = ssvm_siblings_of(tree, 0, m);
        double best = ssvm_complete(tree, m, 1, 0) + next[0];
        for (ptrdiff_t r = 1; r < m; ++r) {
            const double sum = ssvm_incomplete(tree, 0, r, 0) + ssvm_joint(tree, r, m, 0) + next[r];
            best = SSVM_GREATER(sum, best);
        }
        *ssvm_row_of(tree, tree->incomplete, 0, m) = best + tree->arc[m - 1];
    }
}

/* ---- the way back */

/* Let the complete span (head, end) wait, `grand` being the head of its head. */
SSVM_INLINE void ssvm_wait(ssvm_tree *tree, ptrdiff_t head, ptrdiff_t end, ptrdiff_t grand)
{
    int32_t *top = tree->waiting + 3 * tree->n_waiting++;
    top[0] = (int32_t)head;
    top[1] = (int32_t)end;
    top[2] = (int32_t)grand;
}

/* The child whose descendants reach the end of a complete span. */
static ptrdiff_t ssvm_last_child(const ssvm_tree *tree, ptrdiff_t head, ptrdiff_t end, ptrdiff_t grand)
{
    const ptrdiff_t step = end > head ? 1 : -1;
    ptrdiff_t last = end;
    double best = -INFINITY;
    for (ptrdiff_t r = end; r != head; r -= step) {
        const double sum = ssvm_incomplete(tree, head, r, grand) + ssvm_complete(tree, r, end, head);
        if (sum > best) {
            best = sum;
            last = r;
        }
    }
    return last;
}

/* The spans of the joint of two children of `head`. */
static void ssvm_open_joint(ssvm_tree *tree, ptrdiff_t a, ptrdiff_t b, ptrdiff_t head)
{
    const ptrdiff_t s = a < b ? a : b, t = a < b ? b : a;
    ptrdiff_t middle = s;
    double best = -INFINITY;
    for (ptrdiff_t r = s; r < t; ++r) {
        const double sum = ssvm_complete(tree, s, r, head) + ssvm_complete(tree, t, r + 1, head);
        if (sum > best) {
            best = sum;
            middle = r;
        }
    }
    ssvm_wait(tree, s, middle, head);
    ssvm_wait(tree, t, middle + 1, head);
}

/* Write the heads of `child` and of its siblings between it and `head`. */
static void ssvm_open_incomplete(ssvm_tree *tree, ptrdiff_t head, ptrdiff_t child, ptrdiff_t grand,
                                 int32_t *heads)
{
    const ptrdiff_t step = child > head ? 1 : -1;
    heads[child - 1] = (int32_t)head;
    if (tree->order == SSVM_ARCS) {
        ssvm_open_joint(tree, head, child, 0);
        return;
    }
    for (;;) {
        const double *next = ssvm_siblings_of(tree, head, child);
        double best = ssvm_complete(tree, child, head + step, head) + next[head];
        ptrdiff_t sibling = head;
        for (ptrdiff_t r = head + step; r != child; r += step) {
            const double sum = ssvm_incomplete(tree, head, r, grand)
                + ssvm_joint(tree, child, r, head) + next[r];
            if (sum > best) {
                best = sum;
                sibling = r;
            }
        }
        if (sibling == head) {
            ssvm_wait(tree, child, head + step, head);
            return;
        }
        ssvm_open_joint(tree, sibling, child, head);
        heads[sibling - 1] = (int32_t)head;
        child = sibling;
    }
}

/* The score of the best tree; lets its spans wait that begin at the root. */
static double ssvm_start_at_root(ssvm_tree *tree, int32_t *heads)
{
    const ptrdiff_t n = tree->n;
    double value = -INFINITY;
    ptrdiff_t child = 1;
    for (ptrdiff_t r = 1; r <= n; ++r) {
        double sum = ssvm_complete(tree, r, n, 0);
        if (tree->single_root) {
            sum += ssvm_complete(tree, r, 1, 0) + tree->arc[r - 1];
            if (tree->order != SSVM_ARCS)
                sum += ssvm_siblings_of(tree, 0, r)[0];
        } else {
            sum += ssvm_incomplete(tree, 0, r, 0);
        }
        if (sum > value) {
            value = sum;
            child = r;
        }
    }
    if (value == -INFINITY)
        return value;
    ssvm_wait(tree, child, n, 0);
    if (tree->single_root) {
        heads[child - 1] = 0;
        ssvm_wait(tree, child, 1, 0);
    } else {
        ssvm_open_incomplete(tree, 0, child, 0, heads);
    }
    return value;
}

/* theta   IN       arcs, siblings, grandparents, as far as `order` goes, one after the other
 * scratch SCRATCH  `ssvm_tree_scratch` doubles
 * heads   OUT      (n,): the head of each token
 * returns the score of the tree, -inf if there is none; n >= 1 */
static double ssvm_projective_tree(const double *theta, ptrdiff_t n, int order, int single_root,
                                   double *scratch, int32_t *heads)
{
    ssvm_tree tree;
    ssvm_tree_init(&tree, n, order, single_root, theta, scratch);
    if (order == SSVM_ARCS)
        ssvm_tree_of_arcs(&tree);
    else if (order == SSVM_SIBLINGS)
        ssvm_tree_of_siblings(&tree);
    else
        ssvm_tree_of_grandparents(&tree);
    const double value = ssvm_start_at_root(&tree, heads);
    while (tree.n_waiting) {
        const int32_t *top = tree.waiting + 3 * --tree.n_waiting;
        const ptrdiff_t head = top[0], end = top[1], grand = top[2];
        if (head == end)
            continue;
        const ptrdiff_t child = ssvm_last_child(&tree, head, end, grand);
        ssvm_wait(&tree, child, end, head);
        ssvm_open_incomplete(&tree, head, child, grand, heads);
    }
    return value;
}

#endif
