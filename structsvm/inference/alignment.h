/* The best alignment of two sequences, with affine costs of gaps.
 *
 * An alignment is a set of pairs (i, j) that rise in both sequences. A pair scores pair[i, j]; k positions
 * of a sequence between two neighbouring pairs are a gap and score open + k * extend; those before the
 * first and after the last pair end_open + k * end_extend. States of a cell: its two positions are a pair;
 * the gap in which i lies is the last thing so far; or that in which j lies. Of two gaps between the same
 * pairs that of the first sequence comes first.
 *
 * O. Gotoh (1982). An improved algorithm for matching biological sequences. J. Mol. Biol. 162. */
#ifndef SSVM_ALIGNMENT_H
#define SSVM_ALIGNMENT_H

#include <math.h>

#include "../linalg/clones.h"

typedef struct {
    double open, extend, end_open, end_extend;
} ssvm_gaps;

/* Rows of positions of the first sequence, `stride` numbers for the second one and one before it. */
typedef struct {
    ptrdiff_t stride;
    double *pair, *first, *second, *best; /* (n, stride): the three states, and the best of them */
    double *end;                          /* (stride,): the gap before or after so many positions */
} ssvm_alignment;

SSVM_INLINE double ssvm_alignment_scratch(ptrdiff_t n, ptrdiff_t m)
{
    return (4.0 * (double)n + 1.0) * (double)(m + 1);
}

SSVM_INLINE double ssvm_end_gap(const ssvm_gaps *gaps, ptrdiff_t k)
{
    return k ? gaps->end_open + (double)k * gaps->end_extend : 0.0;
}

SSVM_CLONES static void ssvm_alignment_forward(const ssvm_alignment *table, const double *theta,
                                               const ssvm_gaps *gaps, ptrdiff_t n, ptrdiff_t m)
{
    const ptrdiff_t stride = table->stride;
    const double extend = gaps->extend, begin = gaps->open + gaps->extend;
    const double *restrict end = table->end;
    for (ptrdiff_t i = 0; i < n; ++i) {
        double *restrict pair = table->pair + i * stride, *restrict first = table->first + i * stride;
        double *restrict second = table->second + i * stride, *restrict best = table->best + i * stride;
        const double *restrict scores = theta + i * m;
        const ptrdiff_t back = i ? stride : 0;
        const double *restrict pair_before = pair - back, *restrict first_before = first - back;
        const double *restrict best_before = best - back;
        const double lead = ssvm_end_gap(gaps, i);
        pair[0] = first[0] = second[0] = best[0] = -INFINITY;
        if (i == 0) {
            for (ptrdiff_t j = 1; j <= m; ++j) {
                pair[j] = scores[j - 1] + (lead + end[j - 1]);
                first[j] = -INFINITY;
            }
        } else {
            for (ptrdiff_t j = 1; j <= m; ++j) {
                const double alone = lead + end[j - 1], goes_on = best_before[j - 1];
                const double opens = pair_before[j] + begin, longer = first_before[j] + extend;
                pair[j] = scores[j - 1] + (goes_on > alone ? goes_on : alone);
                first[j] = longer > opens ? longer : opens;
            }
        }
        for (ptrdiff_t j = 1; j <= m; ++j)
            best[j] = first[j] > pair[j] ? first[j] : pair[j];
        double gap = -INFINITY; /* second[j] */
        for (ptrdiff_t j = 1; j <= m; ++j) {
            const double opens = best[j - 1] + begin, longer = gap + extend;
            gap = longer > opens ? longer : opens;
            second[j] = gap;
        }
        for (ptrdiff_t j = 1; j <= m; ++j)
            best[j] = second[j] > best[j] ? second[j] : best[j];
    }
}

/* theta   IN       (n, m): scores of pairs
 * scratch SCRATCH  `ssvm_alignment_scratch` doubles
 * partner OUT      (n,): one more than the position of the second sequence in the pair of each position of
 *                  the first, 0 without a pair
 * returns the score; of equal alignments one with pairs close to the start */
static double ssvm_best_alignment(const double *theta, const ssvm_gaps *gaps, ptrdiff_t n, ptrdiff_t m,
                                  double *scratch, int32_t *partner)
{
    const ptrdiff_t stride = m + 1, size = n * stride;
    const ssvm_alignment table
        = {stride, scratch, scratch + size, scratch + 2 * size, scratch + 3 * size, scratch + 4 * size};
    const double begin = gaps->open + gaps->extend;
    double value = ssvm_end_gap(gaps, n) + ssvm_end_gap(gaps, m);
    ptrdiff_t i = -1, j = 0;
    for (ptrdiff_t k = 0; k < n; ++k)
        partner[k] = 0;
    for (ptrdiff_t k = 0; k <= m; ++k)
        table.end[k] = ssvm_end_gap(gaps, k);
    ssvm_alignment_forward(&table, theta, gaps, n, m);
    for (ptrdiff_t a = 0; a < n; ++a)
        for (ptrdiff_t b = 1; b <= m; ++b) {
            const double score
                = table.pair[a * stride + b] + (ssvm_end_gap(gaps, n - 1 - a) + table.end[m - b]);
            if (score > value) {
                value = score;
                i = a;
                j = b;
            }
        }
    while (i >= 0) {
        partner[i] = (int32_t)j;
        const double alone = ssvm_end_gap(gaps, i) + table.end[j - 1];
        --i;
        --j;
        if (i < 0 || !(table.best[i * stride + j] > alone))
            break;
        const double *best = table.best + i * stride, *pair = table.pair + i * stride;
        if (!(best[j] > pair[j]))
            continue;
        if (best[j] > table.first[i * stride + j]) {
            /* Back through the gap of the second sequence, to the best other state before it. */
            while (table.second[i * stride + j - 1] + gaps->extend == table.second[i * stride + j]
                   && j > 1)
                --j;
            --j;
            if (!(table.first[i * stride + j] > pair[j]))
                continue;
        }
        while (table.pair[(i - 1) * stride + j] + begin != table.first[i * stride + j] && i > 1)
            --i;
        --i;
    }
    return value;
}

#endif
