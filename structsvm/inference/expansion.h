/* Alpha-expansion (Boykov, Veksler, Zabih 2001, doi:10.1109/34.969114): cuts improve a labelling of a
 * graph with several labels.
 *
 * It maximises  sum_i unary[i, y_i] + sum_e s_e(y_a, y_b),  where s_e(k, l) is pairwise[e] if k = l and
 * else 0, or an entry of a table. In a move every node keeps its label or takes alpha. A cut finds the
 * best move if A + D >= B + C for every edge (A: both keep, B: the second takes alpha, C: the first
 * takes alpha, D: both take alpha). For other edges B and C are lowered until this holds. Then moves are
 * scored too low, except the one that changes nothing, so the move found never lowers the score.
 *
 * The cuts are in expansion_move.h, the first labels in expansion_start.h. */
#ifndef SSVM_EXPANSION_H
#define SSVM_EXPANSION_H

#include <math.h>
#include <string.h>

#include "structsvm/inference/graph_flow.h"
#include "structsvm/linalg/clones.h"

typedef struct {
    int32_t n_nodes;
    int32_t n_edges;
    int32_t n_labels;
    const int32_t *edges;  /* (n_edges, 2) */
    const double *unary;   /* (n_nodes, n_labels) */
    const double *pairwise;
    ptrdiff_t step;        /* numbers in `pairwise` an edge: 1 or n_labels^2, or 0 for one table */
    int is_table;
} ssvm_labelling;

static inline double ssvm_pair_score(const ssvm_labelling *p, int32_t e, int32_t k, int32_t l)
{
    if (p->is_table)
        return p->pairwise[e * p->step + (ptrdiff_t)k * p->n_labels + l];
    return k == l ? p->pairwise[e] : 0.0;
}

static double ssvm_labelling_score(const ssvm_labelling *p, const int32_t *y)
{
    double score = 0.0;
    for (int32_t i = 0; i < p->n_nodes; ++i)
        score += p->unary[(ptrdiff_t)i * p->n_labels + y[i]];
    for (int32_t e = 0; e < p->n_edges; ++e)
        score += ssvm_pair_score(p, e, y[p->edges[2 * (ptrdiff_t)e]],
                                 y[p->edges[2 * (ptrdiff_t)e + 1]]);
    return score;
}

/* The best label of each node without edges; the first of several. */
static void ssvm_greedy_labels(const ssvm_labelling *p, int32_t *y)
{
    for (int32_t i = 0; i < p->n_nodes; ++i) {
        const double *row = p->unary + (ptrdiff_t)i * p->n_labels;
        int32_t best = 0;
        for (int32_t k = 1; k < p->n_labels; ++k)
            if (row[k] > row[best])
                best = k;
        y[i] = best;
    }
}

#include "structsvm/inference/expansion_move.h"
#include "structsvm/inference/expansion_start.h"

/* Expand each label in turn until none gains anything, for at most `max_cycles` rounds. With
 * `begins_anew` the first labels are chosen here, and else they are those in y. Returns whether no label
 * gains anything. */
SSVM_UNUSED static int ssvm_expansion(const ssvm_labelling *p, ssvm_move *move, int32_t *y, int begins_anew,
                          int32_t max_cycles)
{
    int32_t idle = 0; /* labels in a row that gained nothing */
    ssvm_moves_begin(p, move);
    if (!(begins_anew && ssvm_first_labels(p, move, y)) && move->keeps)
        memset(move->flows, 0, (size_t)p->n_edges * (size_t)p->n_labels * sizeof(double));
    for (int32_t cycle = 0; cycle < max_cycles; ++cycle)
        for (int32_t alpha = 0; alpha < p->n_labels; ++alpha) {
            idle = ssvm_expand(p, move, alpha, y) ? 1 : idle + 1;
            if (idle >= p->n_labels)
                return 1;
        }
    return 0;
}

#endif
