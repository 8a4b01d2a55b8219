/* Alpha-expansion (Boykov, Veksler, Zabih 2001, doi:10.1109/34.969114): cuts improve a labelling of a
 * graph with several labels.
 *
 * It maximises  sum_i unary[i, y_i] + sum_e s_e(y_a, y_b),  where s_e(k, l) is pairwise[e] if k = l and
 * else 0, or an entry of a table. In a move every node keeps its label or takes alpha. A cut finds the
 * best move if A + D >= B + C for every edge (A: both keep, B: the second takes alpha, C: the first
 * takes alpha, D: both take alpha). For other edges B and C are lowered until this holds. Then moves are
 * scored too low, except the one that changes nothing, so the move found never lowers the score. */
#ifndef SSVM_EXPANSION_H
#define SSVM_EXPANSION_H

#include <string.h>

#include "structsvm/inference/graph_flow.h"

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

typedef struct {
    ssvm_graph graph;      /* connected to the same edges; its scores are the gains of the move */
    uint8_t *takes;        /* n_nodes */
} ssvm_move;

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

/* Gain of the move in `takes`, by the true scores. */
static double ssvm_gain_of_move(const ssvm_labelling *p, const ssvm_move *move, int32_t alpha,
                                const int32_t *y)
{
    double gain = 0.0;
    for (int32_t i = 0; i < p->n_nodes; ++i)
        if (move->takes[i]) {
            const double *row = p->unary + (ptrdiff_t)i * p->n_labels;
            gain += row[alpha] - row[y[i]];
        }
    for (int32_t e = 0; e < p->n_edges; ++e) {
        const int32_t a = p->edges[2 * (ptrdiff_t)e], b = p->edges[2 * (ptrdiff_t)e + 1];
        if (move->takes[a] || move->takes[b])
            gain += ssvm_pair_score(p, e, move->takes[a] ? alpha : y[a],
                                    move->takes[b] ? alpha : y[b])
                    - ssvm_pair_score(p, e, y[a], y[b]);
    }
    return gain;
}

/* The edges of a move as gains of nodes and capacities. Scores of agreement have a function of their own,
 * which needs no branches. */
static void ssvm_potts_move(const ssvm_labelling *p, ssvm_move *move, int32_t alpha, const int32_t *y)
{
    for (int32_t e = 0; e < p->n_edges; ++e) {
        const int32_t a = p->edges[2 * (ptrdiff_t)e], b = p->edges[2 * (ptrdiff_t)e + 1];
        const int first = y[b] == alpha, second = y[a] == alpha, both_keep = y[a] == y[b];
        const double half_score = p->pairwise[e] / 2;
        move->graph.unary[a] += half_score * (1 + first - second - both_keep);
        move->graph.unary[b] += half_score * (1 + second - first - both_keep);
        move->graph.capacity[e] = half_score * (1 + both_keep - first - second);
    }
}

static void ssvm_table_move(const ssvm_labelling *p, ssvm_move *move, int32_t alpha, const int32_t *y)
{
    for (int32_t e = 0; e < p->n_edges; ++e) {
        const int32_t a = p->edges[2 * (ptrdiff_t)e], b = p->edges[2 * (ptrdiff_t)e + 1];
        const double both_keep = ssvm_pair_score(p, e, y[a], y[b]);
        const double second = ssvm_pair_score(p, e, y[a], alpha);
        const double first = ssvm_pair_score(p, e, alpha, y[b]);
        const double both_take = ssvm_pair_score(p, e, alpha, alpha);
        /* Large terms that all four share cancel before small ones are added. */
        const double take = both_take - both_keep, change = first - second;
        const double half = (both_keep - second + (both_take - first)) / 2;
        move->graph.unary[a] += (take + change) / 2;
        move->graph.unary[b] += (take - change) / 2;
        move->graph.capacity[e] = half > 0.0 ? half : 0.0;
    }
}

/* Make the best move to alpha if it gains anything. Returns whether it was made. */
static int ssvm_expand(const ssvm_labelling *p, ssvm_move *move, int32_t alpha, int32_t *y)
{
    int32_t n_moved = 0;
    for (int32_t i = 0; i < p->n_nodes; ++i) {
        const double *row = p->unary + (ptrdiff_t)i * p->n_labels;
        move->graph.unary[i] = row[alpha] - row[y[i]];
    }
    if (p->is_table)
        ssvm_table_move(p, move, alpha, y);
    else
        ssvm_potts_move(p, move, alpha, y);
    ssvm_graph_loaded(&move->graph, NULL);
    ssvm_graph_solve(&move->graph);
    for (int32_t i = 0; i < p->n_nodes; ++i) {
        move->takes[i] = ssvm_graph_label(&move->graph, i) && y[i] != alpha;
        n_moved += move->takes[i];
    }
    /* Rounding must not let moves go round in circles. */
    if (!n_moved || !(ssvm_gain_of_move(p, move, alpha, y) > 0.0))
        return 0;
    for (int32_t i = 0; i < p->n_nodes; ++i)
        if (move->takes[i])
            y[i] = alpha;
    return 1;
}

/* Expand each label in turn until none gains anything, for at most `max_cycles` rounds. Returns whether
 * no label gains anything. */
static int ssvm_expansion(const ssvm_labelling *p, ssvm_move *move, int32_t *y, int32_t max_cycles)
{
    int32_t idle = 0; /* labels in a row that gained nothing */
    for (int32_t cycle = 0; cycle < max_cycles; ++cycle)
        for (int32_t alpha = 0; alpha < p->n_labels; ++alpha) {
            idle = ssvm_expand(p, move, alpha, y) ? 1 : idle + 1;
            if (idle >= p->n_labels)
                return 1;
        }
    return 0;
}

/* ---- memory; a move must begin as zero bytes */

static int ssvm_move_reserve(ssvm_move *move, int32_t n, int32_t m)
{
    return ssvm_graph_reserve(&move->graph, n, m)
           || ssvm_fit((void **)&move->takes, (size_t)n);
}

static void ssvm_move_free(ssvm_move *move)
{
    ssvm_graph_free(&move->graph);
    free(move->takes);
}

#endif
