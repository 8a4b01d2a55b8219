/* The max-plus recursion over labelled segments of a sequence, by their last label.
 *
 *     entering[t][k] = max_i ending[t][i] + transition[i][k]      a segment with label k begins at t
 *     ending[t][k]   = max_l entering[t - l][k] + first[t - l][k] + inner[t - l + 1][k] + ...
 *                            + inner[t - 1][k] + length[l][k] + whole[t - l, l][k]    one ends before t
 *
 * A row holds the scores of K labels in `stride` lanes. Sums of inner positions grow with l, from the
 * segment's end, so nothing is subtracted. No back-pointers are stored.
 *
 * S. Sarawagi, W. Cohen (2004). Semi-Markov conditional random fields for information extraction. NIPS. */
#ifndef SSVM_SPANS_H
#define SSVM_SPANS_H

#include <math.h>
#include <string.h>

#include "span_rows.h"
#include "viterbi.h"

/* The number of doubles in the scratch space of a sequence of n positions. */
SSVM_INLINE ptrdiff_t ssvm_span_scratch(const ssvm_span_labels *labels, ptrdiff_t n)
{
    return (4 * (n + 1) + labels->longest + 2) * labels->stride;
}

/* Tables of a sequence: rows of `stride` numbers. */
typedef struct {
    const double *whole, *transition, *start, *end;
    double *entering, *ending; /* (n + 1, stride) */
    double *first, *inner;     /* (n, stride) */
    double *length;            /* (longest, stride) */
    double *sum;               /* (stride,) */
} ssvm_span_tables;

static void ssvm_span_fill(const ssvm_span_labels *labels, const double *theta, ptrdiff_t n,
                           double *scratch, ssvm_span_tables *tables)
{
    const ptrdiff_t stride = labels->stride, size = (n + 1) * stride;
    const double *bins;
    tables->whole = theta + n * labels->tag_stride;
    bins = tables->whole + ssvm_span_rows(n, labels->longest) * stride;
    tables->transition = bins + labels->n_bins * stride;
    tables->start = tables->transition + labels->n_labels * stride;
    tables->end = tables->start + stride;
    tables->entering = scratch;
    tables->ending = scratch + size;
    tables->first = scratch + 2 * size;
    tables->inner = scratch + 3 * size;
    tables->length = scratch + 4 * size;
    tables->sum = tables->length + labels->longest * stride;
    memset(tables->length, 0, (size_t)(labels->longest * stride) * sizeof(double));
    memset(tables->first, 0, (size_t)(2 * size) * sizeof(double));
    for (ptrdiff_t k = 0; k < labels->n_labels; ++k) {
        const ptrdiff_t inner_tag = labels->inner_tag[k];
        for (ptrdiff_t t = 0; t < n; ++t) {
            const double *row = theta + t * labels->tag_stride;
            tables->first[t * stride + k] = row[labels->first_tag[k]];
            if (inner_tag >= 0)
                tables->inner[t * stride + k] = row[inner_tag];
        }
        for (ptrdiff_t l = 0; l < labels->longest; ++l) {
            tables->length[l * stride + k] = labels->n_bins ? bins[labels->bin[l] * stride + k] : 0.0;
            if (l > 0 && inner_tag < 0)
                tables->length[l * stride + k] = -INFINITY;
        }
    }
}

SSVM_CLONES static void ssvm_span_forward(const ssvm_span_labels *labels, ptrdiff_t n,
                                          const ssvm_span_tables *tables)
{
    const ptrdiff_t stride = labels->stride;
    double *restrict sum = tables->sum;
    memcpy(tables->entering, tables->start, (size_t)stride * sizeof(double));
    for (ptrdiff_t t = 1; t <= n; ++t) {
        const ptrdiff_t most = t < labels->longest ? t : labels->longest;
        double *restrict best = tables->ending + t * stride;
        double *begin = tables->entering + (t - 1) * stride;
        for (ptrdiff_t k = 0; k < stride; ++k) {
            begin[k] += tables->first[(t - 1) * stride + k];
            best[k] = -INFINITY;
            sum[k] = 0.0;
        }
        for (ptrdiff_t l = 1; l <= most; ++l) {
            const double *restrict entering = tables->entering + (t - l) * stride;
            const double *restrict length = tables->length + (l - 1) * stride;
            const double *restrict inner = tables->inner + (t - l) * stride;
            const double *restrict whole
                = tables->whole + ssvm_span_row(n, labels->longest, t - l, l) * stride;
            for (ptrdiff_t k = 0; k < stride; ++k) {
                const double score = entering[k] + (sum[k] + length[k]) + whole[k];
                best[k] = score > best[k] ? score : best[k];
                sum[k] += inner[k];
            }
        }
        if (t < n)
            ssvm_viterbi_double_row(best, tables->transition, tables->entering + t * stride, NULL,
                                    labels->n_labels, stride);
    }
}

/* theta   IN       tags (n, tag_stride), segments (`ssvm_span_rows`, stride), lengths (n_bins, stride),
 *                  transitions (n_labels, stride), the first and the last label (stride,)
 * scratch SCRATCH  `ssvm_span_scratch` doubles
 * tags    OUT      (n,)
 * returns the score of the best segmentation; from its end the smallest label of several, and the
 * shortest segment; n >= 1, n_labels >= 1 */
static double ssvm_best_spans(const ssvm_span_labels *labels, const double *theta, ptrdiff_t n,
                              double *scratch, int32_t *tags)
{
    const ptrdiff_t stride = labels->stride;
    ssvm_span_tables tables;
    ssvm_span_fill(labels, theta, n, scratch, &tables);
    ssvm_span_forward(labels, n, &tables);
    double value = -INFINITY;
    ptrdiff_t label = 0, t = n;
    for (ptrdiff_t k = 0; k < labels->n_labels; ++k) {
        const double score = tables.ending[n * stride + k] + tables.end[k];
        if (score > value) {
            value = score;
            label = k;
        }
    }
    while (t > 0) {
        const ptrdiff_t most = t < labels->longest ? t : labels->longest;
        double best = -INFINITY, sum = 0.0;
        ptrdiff_t length = 1;
        for (ptrdiff_t l = 1; l <= most; ++l) {
            const double score = tables.entering[(t - l) * stride + label]
                + (sum + tables.length[(l - 1) * stride + label])
                + tables.whole[ssvm_span_row(n, labels->longest, t - l, l) * stride + label];
            if (score > best) {
                best = score;
                length = l;
            }
            sum += tables.inner[(t - l) * stride + label];
        }
        for (ptrdiff_t l = 1; l < length; ++l)
            tags[t - l] = labels->inner_tag[label];
        t -= length;
        tags[t] = labels->first_tag[label];
        if (t == 0)
            break;
        const double *ending = tables.ending + t * stride;
        ptrdiff_t before = 0;
        for (ptrdiff_t k = 1; k < labels->n_labels; ++k)
            if (ending[k] + tables.transition[k * stride + label]
                > ending[before] + tables.transition[before * stride + label])
                before = k;
        label = before;
    }
    return value;
}

#endif
