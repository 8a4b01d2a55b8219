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
 * of the maximum. Spans without a tree are -inf, and so are entries that are not computed yet, which lets
 * loops run on to whole groups of lanes.
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
    double *complete;       /* (n + 1, stride): head, end; with grandparents (n + 1, n + 1, stride) */
    double *incomplete;     /* the same: head, child */
    double *joint;          /* the same, symmetric in its ends */
    double *turned;         /* `complete` with head and end exchanged */
    double *add;            /* (stride,), with grandparents */
    int32_t *waiting;       /* (2 n + 2, 3): complete spans that the way back has yet to open */
    ptrdiff_t n_waiting;
} ssvm_tree;

SSVM_INLINE ptrdiff_t ssvm_tree_stride(ptrdiff_t n)
{
    /* A group of lanes may begin at the last number of a row. */
    return (n + 2 * SSVM_LANES - 1) / SSVM_LANES * SSVM_LANES;
}

/* Numbers of doubles in one table, and in all scratch space. */
SSVM_INLINE double ssvm_tree_table(ptrdiff_t n, int order)
{
    return (double)(n + 1) * (double)ssvm_tree_stride(n) * (order == SSVM_GRAND_SIBLINGS ? (double)(n + 1) : 1.0);
}

SSVM_INLINE double ssvm_tree_scratch(ptrdiff_t n, int order)
{
    return 4.0 * ssvm_tree_table(n, order) + (double)ssvm_tree_stride(n) + 3.0 * (double)(n + 1);
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
    tree->stride = ssvm_tree_stride(n);
    tree->complete = scratch;
    tree->incomplete = scratch + table;
    tree->joint = scratch + 2 * table;
    tree->turned = scratch + 3 * table;
    tree->add = scratch + 4 * table;
    tree->n_waiting = 0;
    tree->waiting = (int32_t *)(tree->add + tree->stride);
}

SSVM_INLINE const double *ssvm_siblings_of(const ssvm_tree *tree, ptrdiff_t head, ptrdiff_t token)
{
    return tree->sibling + (head * tree->n + token - 1) * (tree->n + 1);
}

/* ---- maxima over the terms of a span */

SSVM_INLINE double ssvm_greatest(double *best)
{
    for (int half = SSVM_LANES / 2; half; half /= 2)
        for (int k = 0; k < half; ++k)
            best[k] = best[k + half] > best[k] ? best[k + half] : best[k];
    return best[0];
}

/* max_r a[r] + b[r] + c[r], r < n, with c only if there is one. Reads on to a whole group of lanes. */
SSVM_INLINE double ssvm_best_sum(const double *a, const double *b, const double *c, ptrdiff_t n)
{
    double best[SSVM_LANES];
    for (int k = 0; k < SSVM_LANES; ++k)
        best[k] = -INFINITY;
    for (ptrdiff_t r = 0; r < n; r += SSVM_LANES)
        for (int k = 0; k < SSVM_LANES; ++k) {
            const double sum = c ? a[r + k] + b[r + k] + c[r + k] : a[r + k] + b[r + k];
            best[k] = sum > best[k] ? sum : best[k];
        }
    return ssvm_greatest(best);
}

/* ---- arcs and siblings: tables of heads and ends */

/* Spans of length d, then d + 1; with several roots the root is a head to the left of all tokens. */
SSVM_INLINE void ssvm_tree_spans(const ssvm_tree *tree, const int order)
{
    const ptrdiff_t n = tree->n, stride = tree->stride, low = tree->single_root ? 1 : 0;
    double *const complete = tree->complete, *const turned = tree->turned;
    double *const incomplete = tree->incomplete, *const joint = tree->joint;
    for (ptrdiff_t k = 0; k < (n + 1) * stride; ++k)
        complete[k] = turned[k] = incomplete[k] = joint[k] = -INFINITY;
    for (ptrdiff_t k = 0; k <= n; ++k)
        complete[k * stride + k] = turned[k * stride + k] = 0.0;
    for (ptrdiff_t d = 1; d <= n - low; ++d)
        for (ptrdiff_t s = low; s + d <= n; ++s) {
            const ptrdiff_t t = s + d, st = s * stride + t, ts = t * stride + s;
            const double between
                = ssvm_best_sum(complete + s * stride + s, complete + ts + 1, NULL, d);
            double right = between, left = between;
            if (order == SSVM_SIBLINGS) {
                const double *next = ssvm_siblings_of(tree, s, t);
                double later = d > 1 ? ssvm_best_sum(incomplete + s * stride + s + 1, joint + ts + 1,
                                                     next + s + 1, d - 1)
                                     : -INFINITY;
                right = complete[ts + 1] + next[s];
                right = later > right ? later : right;
                if (s > 0) {
                    next = ssvm_siblings_of(tree, t, s);
                    later = d > 1 ? ssvm_best_sum(incomplete + ts + 1, joint + s * stride + s + 1,
                                                  next + s + 1, d - 1)
                                  : -INFINITY;
                    left = complete[st - 1] + next[t];
                    left = later > left ? later : left;
                }
                joint[st] = joint[ts] = between;
            }
            incomplete[st] = right + tree->arc[s * n + t - 1];
            complete[st] = turned[ts]
                = ssvm_best_sum(incomplete + s * stride + s + 1, turned + ts + 1, NULL, d);
            if (s == 0)
                continue; /* the root is no child */
            incomplete[ts] = left + tree->arc[t * n + s - 1];
            complete[ts] = turned[st]
                = ssvm_best_sum(incomplete + ts, turned + s * stride + s, NULL, d);
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

SSVM_INLINE double *ssvm_row_of(const ssvm_tree *tree, double *table, ptrdiff_t a, ptrdiff_t b)
{
    return table + (a * (tree->n + 1) + b) * tree->stride;
}

/* out[g] = max_r row[r * step + g] + other[r * other_step + g], or + add[r] where `other` is NULL. */
SSVM_INLINE void ssvm_best_rows(const double *row, ptrdiff_t step, const double *other,
                                ptrdiff_t other_step, const double *add, ptrdiff_t n, ptrdiff_t stride,
                                double *out)
{
    for (ptrdiff_t g = 0; g < stride; g += SSVM_LANES) {
        double best[SSVM_LANES];
        for (int k = 0; k < SSVM_LANES; ++k)
            best[k] = -INFINITY;
        for (ptrdiff_t r = 0; r < n; ++r) {
            const double *terms = row + r * step + g;
            const double *others = other ? other + r * other_step + g : NULL;
            for (int k = 0; k < SSVM_LANES; ++k) {
                const double sum = terms[k] + (other ? others[k] : add[r]);
                best[k] = sum > best[k] ? sum : best[k];
            }
        }
        for (int k = 0; k < SSVM_LANES; ++k)
            out[g + k] = best[k];
    }
}

/* incomplete(head, child) for all heads of `head`; `joint` is that of the two ends. */
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
        tree->add[r] = ssvm_row_of(tree, tree->joint, child, first + r)[head] + next[first + r];
    ssvm_best_rows(ssvm_row_of(tree, tree->incomplete, head, first), tree->stride, NULL, 0, tree->add,
                   n_between, tree->stride, out);
    for (ptrdiff_t g = 0; g <= n; ++g)
        out[g] = (out[g] > alone ? out[g] : alone) + arc + grand[g];
}

/* complete(head, end) for all heads of `head`. */
SSVM_INLINE void ssvm_grand_complete(const ssvm_tree *tree, ptrdiff_t head, ptrdiff_t end)
{
    const ptrdiff_t first = end > head ? head + 1 : end, n_children = end > head ? end - head : head - end;
    for (ptrdiff_t r = 0; r < n_children; ++r)
        tree->add[r] = ssvm_row_of(tree, tree->turned, end, first + r)[head];
    double *out = ssvm_row_of(tree, tree->complete, head, end);
    ssvm_best_rows(ssvm_row_of(tree, tree->incomplete, head, first), tree->stride, NULL, 0, tree->add,
                   n_children, tree->stride, out);
    memcpy(ssvm_row_of(tree, tree->turned, end, head), out, (size_t)tree->stride * sizeof(double));
}

SSVM_CLONES static void ssvm_tree_of_grandparents(const ssvm_tree *tree)
{
    const ptrdiff_t n = tree->n, stride = tree->stride, step = (n + 1) * stride;
    for (ptrdiff_t k = 1; k <= n; ++k) {
        memset(ssvm_row_of(tree, tree->complete, k, k), 0, (size_t)stride * sizeof(double));
        memset(ssvm_row_of(tree, tree->turned, k, k), 0, (size_t)stride * sizeof(double));
    }
    for (ptrdiff_t d = 1; d < n; ++d)
        for (ptrdiff_t s = 1; s + d <= n; ++s) {
            const ptrdiff_t t = s + d;
            double *between = ssvm_row_of(tree, tree->joint, s, t);
            ssvm_best_rows(ssvm_row_of(tree, tree->complete, s, s), stride,
                           ssvm_row_of(tree, tree->complete, t, s + 1), stride, NULL, d, stride, between);
            memcpy(ssvm_row_of(tree, tree->joint, t, s), between, (size_t)stride * sizeof(double));
            ssvm_grand_incomplete(tree, s, t);
            ssvm_grand_incomplete(tree, t, s);
            ssvm_grand_complete(tree, s, t);
            ssvm_grand_complete(tree, t, s);
        }
    /* Several roots: children of the root, which has no head. */
    double *const incomplete = tree->incomplete, *const joint = tree->joint;
    for (ptrdiff_t m = 1; m <= n && !tree->single_root; ++m) {
        const double *next = ssvm_siblings_of(tree, 0, m);
        double best = ssvm_row_of(tree, tree->complete, m, 1)[0] + next[0];
        for (ptrdiff_t r = 1; r < m; ++r) {
            const double sum = incomplete[r * stride] + joint[m * step + r * stride] + next[r];
            best = sum > best ? sum : best;
        }
        incomplete[m * stride] = best + tree->arc[m - 1];
    }
}

/* ---- the way back */

/* One entry of a table: two ends, and the head of the span, which is only looked at with grandparents. */
SSVM_INLINE const double *ssvm_entry(const ssvm_tree *tree, const double *table, ptrdiff_t a, ptrdiff_t b,
                                     ptrdiff_t grand)
{
    if (tree->order == SSVM_GRAND_SIBLINGS)
        return table + (a * (tree->n + 1) + b) * tree->stride + grand;
    return table + a * tree->stride + b;
}

/* The first r < n with the greatest a[r * a_step] + b[r * b_step]. */
SSVM_INLINE ptrdiff_t ssvm_first_best(const double *a, ptrdiff_t a_step, const double *b, ptrdiff_t b_step,
                                      ptrdiff_t n)
{
    ptrdiff_t first = 0;
    for (ptrdiff_t r = 1; r < n; ++r)
        if (a[r * a_step] + b[r * b_step] > a[first * a_step] + b[first * b_step])
            first = r;
    return first;
}

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
    const ptrdiff_t first = head < end ? head + 1 : end, n_children = head < end ? end - head : head - end;
    const ptrdiff_t step = tree->order == SSVM_GRAND_SIBLINGS ? tree->stride : 1;
    return first
        + ssvm_first_best(ssvm_entry(tree, tree->incomplete, head, first, grand), step,
                          ssvm_entry(tree, tree->turned, end, first, head), step, n_children);
}

/* The spans of the joint of two children of `head`. */
static void ssvm_open_joint(ssvm_tree *tree, ptrdiff_t a, ptrdiff_t b, ptrdiff_t head)
{
    const ptrdiff_t s = a < b ? a : b, t = a < b ? b : a;
    const ptrdiff_t step = tree->order == SSVM_GRAND_SIBLINGS ? tree->stride : 1;
    const ptrdiff_t r = s
        + ssvm_first_best(ssvm_entry(tree, tree->complete, s, s, head), step,
                          ssvm_entry(tree, tree->complete, t, s + 1, head), step, t - s);
    ssvm_wait(tree, s, r, head);
    ssvm_wait(tree, t, r + 1, head);
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
        double best = *ssvm_entry(tree, tree->complete, child, head + step, head) + next[head];
        ptrdiff_t sibling = head;
        for (ptrdiff_t r = head + step; r != child; r += step) {
            const double sum = *ssvm_entry(tree, tree->incomplete, head, r, grand)
                + *ssvm_entry(tree, tree->joint, child, r, head) + next[r];
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
        double sum = *ssvm_entry(tree, tree->complete, r, n, 0);
        if (tree->single_root) {
            sum += *ssvm_entry(tree, tree->complete, r, 1, 0) + tree->arc[r - 1];
            if (tree->order != SSVM_ARCS)
                sum += ssvm_siblings_of(tree, 0, r)[0];
        } else {
            sum += *ssvm_entry(tree, tree->incomplete, 0, r, 0);
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
