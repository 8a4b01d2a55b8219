/* Rankings of documents that violate the margin most.
 *
 * Documents have scores s and levels of relevance, 0 for the lowest. A pair is two documents of different
 * levels; it is swapped where the one of the lower level stands above. A ranking is worth
 *
 *     loss(ranking) + (1 / n_pairs) sum over its swapped pairs (better, worse) of s_worse - s_better
 *
 * In the best ranking the documents of each level stand by falling score: putting two of them into this
 * order changes no loss, and moves the higher score above those between them. With two levels a ranking is
 * therefore a row of splits: `above[j]` documents of the upper level stand above the j-th of the lower one. */
#ifndef SSVM_RANKING_H
#define SSVM_RANKING_H

#include <math.h>
#include <string.h>

#include "../linalg/clones.h"
#include "assignment.h"

typedef enum {
    SSVM_PAIRS,
    SSVM_NDCG,
    SSVM_AVERAGE_PRECISION,
    SSVM_PRECISION,
    SSVM_F1
} ssvm_measure;

/* One query. */
typedef struct {
    int64_t n;
    int32_t n_levels;
    int64_t n_pairs;
    int64_t n_relevant;     /* documents above level 0, for measures of two levels */
    int64_t k;              /* positions that count */
    const int32_t *level;   /* (n,) */
    const double *gain;     /* (n,), for NDCG alone */
    const double *discount; /* (n,) of each position; likewise */
    double ideal;           /* the greatest sum of gain * discount */
    double rise;            /* what the gain of the upper of two levels is above that of the lower */
} ssvm_query;

/* Room for queries of up to `most` documents. */
typedef struct {
    int32_t *order; /* (most,) documents from the first position on */
    int32_t *spare; /* (most,) */
    int32_t *part;  /* (most,) those of the upper level, then those of the lower one, by score */
    int32_t *above; /* (most,) */
    int32_t *best;  /* (most,) */
    int64_t *tree;  /* (most + 1,) */
    double *sums;   /* (most + 1,) */
    double *table;  /* (most, most) and the assignment's own; NULL where nobody needs them */
} ssvm_ranker;

/* Documents by falling score; those of one score in their order. */
static void ssvm_rank(const double *score, int64_t n, int32_t *order, int32_t *spare)
{
    enum { RUN = 8 };
    for (int64_t first = 0; first < n; first += RUN) {
        const int64_t stop = first + RUN < n ? first + RUN : n;
        for (int64_t p = first; p < stop; ++p) {
            int64_t q = p;
            for (; q > first && score[order[q - 1]] < score[p]; --q)
                order[q] = order[q - 1];
            order[q] = (int32_t)p;
        }
    }
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t first = 0; first < n; first += 2 * width) {
            const int64_t middle = first + width < n ? first + width : n;
            const int64_t stop = middle + width < n ? middle + width : n;
            int64_t a = first, b = middle;
            for (int64_t p = first; p < stop; ++p)
                spare[p] = b == stop || (a < middle && score[order[a]] >= score[order[b]])
                               ? order[a++]
                               : order[b++];
        }
        memcpy(order, spare, (size_t)n * sizeof(int32_t));
    }
}

/* ---- how many documents of each level were met, in a binary indexed tree */

SSVM_INLINE void ssvm_meet(int64_t *tree, int32_t n_levels, int32_t level)
{
    for (int32_t node = level + 1; node <= n_levels; node += node & -node)
        ++tree[node];
}

/* Of levels below `level`. */
SSVM_INLINE int64_t ssvm_met_below(const int64_t *tree, int32_t level)
{
    int64_t total = 0;
    for (int32_t node = level; node > 0; node -= node & -node)
        total += tree[node];
    return total;
}

/* net[i] = in how many swapped pairs document i is the better one, less those in which it is the worse,
 * if pairs are swapped one by one: those with s_better < s_worse + 1. Returns the number of these pairs. */
static int64_t ssvm_swap_pairs(const ssvm_query *query, const double *score, ssvm_ranker *r, double *net)
{
    const int64_t n = query->n;
    const int32_t *level = query->level, n_levels = query->n_levels;
    int64_t p, q, total = 0;
    ssvm_rank(score, n, r->order, r->spare);
    memset(r->tree, 0, (size_t)(n_levels + 1) * sizeof(int64_t));
    for (p = q = 0; p < n; ++p) {
        const int32_t i = r->order[p];
        for (; q < n && score[i] < score[r->order[q]] + 1.0; ++q)
            ssvm_meet(r->tree, n_levels, level[r->order[q]]);
        const int64_t swapped = ssvm_met_below(r->tree, level[i]);
        net[i] = (double)swapped;
        total += swapped;
    }
    memset(r->tree, 0, (size_t)(n_levels + 1) * sizeof(int64_t));
    for (p = n - 1, q = n - 1; p >= 0; --p) {
        const int32_t j = r->order[p];
        for (; q >= 0 && score[r->order[q]] < score[j] + 1.0; --q)
            ssvm_meet(r->tree, n_levels, level[r->order[q]]);
        net[j] -= (double)(n - 1 - q - ssvm_met_below(r->tree, level[j] + 1));
    }
    return total;
}

/* The same of the ranking r->order. */
static int64_t ssvm_count_swaps(const ssvm_query *query, ssvm_ranker *r, double *net)
{
    const int32_t *level = query->level, n_levels = query->n_levels;
    int64_t total = 0;
    memset(r->tree, 0, (size_t)(n_levels + 1) * sizeof(int64_t));
    for (int64_t p = 0; p < query->n; ++p) {
        const int32_t i = r->order[p];
        const int64_t swapped = ssvm_met_below(r->tree, level[i]);
        net[i] = (double)swapped;
        total += swapped;
        ssvm_meet(r->tree, n_levels, level[i]);
    }
    memset(r->tree, 0, (size_t)(n_levels + 1) * sizeof(int64_t));
    for (int64_t p = query->n - 1; p >= 0; --p) {
        const int32_t j = r->order[p];
        net[j] -= (double)(query->n - 1 - p - ssvm_met_below(r->tree, level[j] + 1));
        ssvm_meet(r->tree, n_levels, level[j]);
    }
    return total;
}

/* wins[i] = documents of lower levels, less those of higher ones. */
SSVM_UNUSED static void ssvm_count_wins(const ssvm_query *query, ssvm_ranker *r, double *wins)
{
    memset(r->tree, 0, (size_t)(query->n_levels + 1) * sizeof(int64_t));
    for (int64_t i = 0; i < query->n; ++i)
        ssvm_meet(r->tree, query->n_levels, query->level[i]);
    for (int64_t i = 0; i < query->n; ++i)
        wins[i] = (double)(ssvm_met_below(r->tree, query->level[i])
                           + ssvm_met_below(r->tree, query->level[i] + 1) - query->n);
}

/* The mean of |s_i - s_j| over the pairs of unlike scores, or their sum. */
SSVM_UNUSED static double ssvm_spread(const double *score, int64_t n, ssvm_ranker *r, int mean)
{
    double total = 0.0;
    int64_t n_pairs = n * (n - 1) / 2;
    ssvm_rank(score, n, r->order, r->spare);
    for (int64_t p = 0, alike = 0; p < n; ++p) {
        alike = p && score[r->order[p]] == score[r->order[p - 1]] ? alike + 1 : 0;
        n_pairs -= alike;
        total += score[r->order[p]] * (double)(n - 1 - 2 * p);
    }
    return mean && n_pairs ? total / (double)n_pairs : total;
}

/* ---- two levels */

/* part = the upper level, then the lower one, each by falling score; above[j] = upper documents whose
 * score is at least that of the j-th lower one. r->order is by falling score. */
static void ssvm_part(const ssvm_query *query, const double *score, ssvm_ranker *r)
{
    const int64_t upper = query->n_relevant, n = query->n;
    int64_t u = 0, l = upper;
    for (int64_t p = 0; p < n; ++p) {
        const int32_t i = r->order[p];
        r->part[query->level[i] ? u++ : l++] = i;
    }
    u = 0;
    for (int64_t j = 0; j < n - upper; ++j) {
        while (u < upper && score[r->part[u]] >= score[r->part[upper + j]])
            ++u;
        r->above[j] = (int32_t)u;
    }
}

/* r->order from the splits r->above. */
static void ssvm_merge(const ssvm_query *query, ssvm_ranker *r)
{
    const int64_t upper = query->n_relevant, lower = query->n - upper;
    int64_t u = 0, p = 0;
    for (int64_t j = 0; j < lower; ++j) {
        while (u < r->above[j])
            r->order[p++] = r->part[u++];
        r->order[p++] = r->part[upper + j];
    }
    while (u < upper)
        r->order[p++] = r->part[u++];
}

/* What the loss gains when the u-th upper document, from 1 on, has j lower ones above it and not j - 1. */
SSVM_INLINE double ssvm_drop(const ssvm_query *query, ssvm_measure measure, int64_t u, int64_t j)
{
    if (measure == SSVM_AVERAGE_PRECISION)
        return (double)u / ((double)(u + j - 1) * (double)(u + j) * (double)query->n_relevant);
    return query->rise * (query->discount[u + j - 2] - query->discount[u + j - 1]) / query->ideal;
}

/* Splits of the lower documents first, ..., stop - 1, which are from `least` to `most`.
 *
 * The worth of a ranking is the sum of a worth for each lower document, that of its split. Where drops
 * shrink with j, the best splits rise with j, so each document is settled on its own, the middle one first
 * (Yue et al. 2007 scan them in order; Mohapatra et al. 2018 halve as here). */
static void ssvm_settle(const ssvm_query *query, ssvm_measure measure, const double *score,
                        ssvm_ranker *r, int64_t first, int64_t stop, int64_t least, int64_t most)
{
    const double share = 1.0 / (double)query->n_pairs;
    while (first < stop) {
        const int64_t j = first + (stop - first) / 2;
        const double own = score[r->part[query->n_relevant + j]];
        double worth = 0.0, best = 0.0;
        int64_t split = most;
        for (int64_t u = most; u > least; --u) {
            worth += ssvm_drop(query, measure, u, j + 1) + share * (own - score[r->part[u - 1]]);
            if (worth > best) {
                best = worth;
                split = u - 1;
            }
        }
        r->above[j] = (int32_t)split;
        ssvm_settle(query, measure, score, r, first, j, least, split);
        first = j + 1;
        least = split;
    }
}

/* Measures of how many upper documents are among the first k: all numbers of them are tried (Joachims
 * 2005). O(k n). */
static void ssvm_settle_top(const ssvm_query *query, ssvm_measure measure, const double *score,
                            ssvm_ranker *r)
{
    const int64_t upper = query->n_relevant, lower = query->n - upper;
    const int64_t k = query->k < query->n ? query->k : query->n, reach = upper < k ? upper : k;
    const double share = 1.0 / (double)query->n_pairs;
    const double unit = measure == SSVM_F1 ? 2.0 / (double)(query->k + upper) : 1.0 / (double)query->k;
    double best = -INFINITY;
    int64_t most = reach;
    r->sums[0] = 0.0;
    for (int64_t u = 0; u < upper; ++u)
        r->sums[u + 1] = r->sums[u] + score[r->part[u]];
    for (int64_t hits = reach; hits >= 0 && k - hits <= lower; --hits) {
        double worth = 0.0;
        for (int64_t j = 0; j < lower; ++j) {
            const int64_t free = r->above[j];
            const int64_t split = j < k - hits ? (free < hits ? free : hits) : (free > hits ? free : hits);
            worth += (double)(upper - split) * score[r->part[upper + j]]
                     - (r->sums[upper] - r->sums[split]);
        }
        worth = share * worth + unit * (double)(reach - hits);
        if (worth > best) {
            best = worth;
            most = hits;
        }
    }
    for (int64_t j = 0; j < lower; ++j) {
        const int32_t hits = (int32_t)most, free = r->above[j];
        r->above[j] = j < k - most ? (free < hits ? free : hits) : (free > hits ? free : hits);
    }
}

/* ---- any number of levels */

/* Bytes of `table` for so many documents. */
static int64_t ssvm_ranking_table_bytes(int64_t n)
{
    return 8 * n * n + ssvm_assignment_bytes(n, n);
}

/* What document i is worth more at position p than at the next one. */
SSVM_INLINE double ssvm_step(const ssvm_query *query, const double *score, int32_t i, int64_t p)
{
    return score[i] / (double)query->n_pairs
           - query->gain[i] * (query->discount[p] - query->discount[p + 1]) / query->ideal;
}

/* NDCG by an assignment of documents to positions, O(n^3): both the loss and the sum over all pairs of
 * s_above - s_below, which is sum_i s_i (n - 1 - 2 position_i), are sums over documents; and what pairs
 * of one level add is the same in all rankings that have each level by falling score.
 *
 * Every position is used, so each may have a price. Prices are those of a ranking in which no two
 * neighbours should change places: there nearly all documents want the position that they have, and the
 * assignment has little left to do. */
static void ssvm_assign_positions(const ssvm_query *query, const double *score, ssvm_ranker *r)
{
    const int64_t n = query->n;
    const double half = 0.5 / (double)query->n_pairs;
    ssvm_assignment search;
    memcpy(r->best, r->order, (size_t)n * sizeof(int32_t));
    for (int64_t swaps = 1, pass = 0; swaps && pass < n; ++pass) {
        swaps = 0;
        for (int64_t p = 0; p + 1 < n; ++p) {
            const int32_t i = r->best[p], j = r->best[p + 1];
            if (ssvm_step(query, score, j, p) > ssvm_step(query, score, i, p)) {
                r->best[p] = j;
                r->best[p + 1] = i;
                ++swaps;
            }
        }
    }
    r->sums[n - 1] = 0.0;
    for (int64_t p = n - 2; p >= 0; --p)
        r->sums[p] = r->sums[p + 1]
                     + 0.5 * (ssvm_step(query, score, r->best[p], p)
                              + ssvm_step(query, score, r->best[p + 1], p));
    for (int64_t i = 0; i < n; ++i)
        for (int64_t p = 0; p < n; ++p)
            r->table[i * n + p] = half * score[i] * (double)(n - 1 - 2 * p)
                                  - query->gain[i] * query->discount[p] / query->ideal - r->sums[p];
    ssvm_assignment_place(&search, (char *)(r->table + n * n), n, n);
    ssvm_assign(&search, r->table, n, n);
    /* Positions of each level, to its documents by score: r->order is by falling score. */
    for (int32_t level = 0; level < query->n_levels; ++level) {
        int64_t q = 0;
        for (int64_t p = 0; p < n; ++p) {
            if (query->level[search.row_of[p]] != level)
                continue;
            while (query->level[r->order[q]] != level)
                ++q;
            r->best[p] = r->order[q++];
        }
    }
    memcpy(r->order, r->best, (size_t)n * sizeof(int32_t));
}

/* ---- together */

/* The loss of the ranking r->order. */
static double ssvm_ranking_loss(const ssvm_query *query, ssvm_measure measure, const ssvm_ranker *r)
{
    const int64_t k = query->k < query->n ? query->k : query->n;
    double total = 0.0;
    int64_t hits = 0;
    if (measure == SSVM_NDCG) {
        for (int64_t p = 0; p < k; ++p)
            total += query->gain[r->order[p]] * query->discount[p];
        total = 1.0 - total / query->ideal;
        return total > 0.0 ? total : 0.0;
    }
    for (int64_t p = 0; p < k; ++p)
        if (query->level[r->order[p]]) {
            ++hits;
            total += (double)hits / (double)(p + 1);
        }
    if (measure == SSVM_AVERAGE_PRECISION) {
        total = 1.0 - total / (double)query->n_relevant;
        return total > 0.0 ? total : 0.0;
    }
    hits = (query->n_relevant < k ? query->n_relevant : k) - hits;
    return measure == SSVM_F1 ? 2.0 * (double)hits / (double)(query->k + query->n_relevant)
                              : (double)hits / (double)query->k;
}

/* The ranking that is worth most goes to r->order, its swaps to `net`; returns its loss. Of SSVM_PAIRS
 * what violates the margin most is a set of pairs, and r->order is that of the scores. `query` has pairs. */
SSVM_UNUSED static double ssvm_worst_ranking(const ssvm_query *query, ssvm_measure measure,
                                             const double *score, ssvm_ranker *r, double *net)
{
    if (measure == SSVM_PAIRS)
        return (double)ssvm_swap_pairs(query, score, r, net) / (double)query->n_pairs;
    ssvm_rank(score, query->n, r->order, r->spare);
    if (measure == SSVM_NDCG && (query->n_levels > 2 || query->k < query->n))
        ssvm_assign_positions(query, score, r);
    else {
        ssvm_part(query, score, r);
        if (measure == SSVM_NDCG || measure == SSVM_AVERAGE_PRECISION)
            ssvm_settle(query, measure, score, r, 0, query->n - query->n_relevant, 0,
                        query->n_relevant);
        else
            ssvm_settle_top(query, measure, score, r);
        ssvm_merge(query, r);
    }
    ssvm_count_swaps(query, r, net);
    return ssvm_ranking_loss(query, measure, r);
}

/* The same of the ranking by falling score, in which of equal ones the lower level stands above: so
 * scores that are all alike are wrong. */
SSVM_UNUSED static double ssvm_plain_ranking(const ssvm_query *query, ssvm_measure measure,
                                             const double *score, ssvm_ranker *r, double *net)
{
    const int32_t *level = query->level;
    ssvm_rank(score, query->n, r->order, r->spare);
    for (int64_t first = 0, stop; first < query->n; first = stop) {
        int64_t p = first;
        for (stop = first; stop < query->n && score[r->order[stop]] == score[r->order[first]];)
            ++stop;
        for (int32_t of = 0; of < query->n_levels && stop - first > 1; ++of)
            for (int64_t q = first; q < stop; ++q)
                if (level[r->order[q]] == of)
                    r->spare[p++] = r->order[q];
        if (stop - first > 1)
            memcpy(r->order + first, r->spare + first, (size_t)(stop - first) * sizeof(int32_t));
    }
    const int64_t swapped = ssvm_count_swaps(query, r, net);
    return measure == SSVM_PAIRS ? (double)swapped / (double)query->n_pairs
                                 : ssvm_ranking_loss(query, measure, r);
}

#endif
