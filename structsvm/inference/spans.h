/* The max-plus recursion over labelled segments of a sequence, by their last label.
 *
 *     entering[t][k] = max_i ending[t][i] + transition[i][k]      a segment with label k begins at t
 *     ending[t][k]   = max_l entering[t - l][k] + first[t - l][k] + inner[t - l + 1][k] + ...
 *                            + inner[t - 1][k] + length[l][k] + whole[t - l, l][k]    one ends before t
 *
 * A row holds the scores of K labels in `stride` lanes. Sums of inner positions grow with l, from the
 * segment's end, so nothing is subtracted. No back-pointers are stored.
 *
 * Nobody knows the tags of void positions: nothing that touches one has a score. That is what is said of
 * it, the steps to it and from it, and segments that hold one or end at one, which might go on.
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
    return (4 * (n + 1) + labels->longest + 3) * labels->stride;
}

/* Tables of a sequence: rows of `stride` numbers. */
typedef struct {
    const double *whole, *transition, *start, *end;
    double *entering, *ending; /* (n + 1, stride) */
    double *first, *inner;     /* (n, stride) */
    double *length;            /* (longest, stride) */
    double *sum;               /* (stride,) */
    double *rest;              /* (stride,): of segments of several positions without a score */
    const int32_t *last_void;  /* (n,): see `ssvm_best_spans` */
} ssvm_span_tables;

/* Whether a segment has no score. */
SSVM_INLINE int ssvm_span_is_void(const ssvm_span_tables *tables, ptrdiff_t n, ptrdiff_t start,
                                  ptrdiff_t length)
{
    const ptrdiff_t stop = start + length < n ? start + length : n - 1;
    return tables->last_void != NULL && tables->last_void[stop] >= start;
}

/* Whether a step from position t - 1 to t has no score; t = 0: the start, t = n: the end. */
SSVM_INLINE int ssvm_step_is_void(const ssvm_span_tables *tables, ptrdiff_t n, ptrdiff_t t)
{
    const ptrdiff_t last = t < n ? t : n - 1, first = 0 < t && t < n ? t - 1 : last;
    return tables->last_void != NULL && tables->last_void[last] >= first;
}

static void ssvm_span_fill(const ssvm_span_labels *labels, const double *theta, ptrdiff_t n,
                           const int32_t *last_void, double *scratch, ssvm_span_tables *tables)
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
    tables->rest = tables->sum + stride;
    tables->last_void = last_void;
    memset(tables->rest, 0, (size_t)stride * sizeof(double));
    memset(tables->length, 0, (size_t)(labels->longest * stride) * sizeof(double));
    memset(tables->first, 0, (size_t)(2 * size) * sizeof(double));
    for (ptrdiff_t k = 0; k < labels->n_labels; ++k) {
        const ptrdiff_t inner_tag = labels->inner_tag[k];
        if (inner_tag < 0)
            tables->rest[k] = -INFINITY;
        for (ptrdiff_t t = 0; t < n; ++t) {
            if (last_void != NULL && last_void[t] == t)
                continue;
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
    if (ssvm_step_is_void(tables, n, 0))
        memset(tables->entering, 0, (size_t)stride * sizeof(double));
    else
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
            if (ssvm_span_is_void(tables, n, t - l, l)) {
                for (ptrdiff_t k = 0; k < stride; ++k) {
                    const double score = entering[k] + sum[k] + (l > 1 ? tables->rest[k] : 0.0);
                    best[k] = score > best[k] ? score : best[k];
                    sum[k] += inner[k];
                }
                continue;
            }
            for (ptrdiff_t k = 0; k < stride; ++k) {
                const double score = entering[k] + (sum[k] + length[k]) + whole[k];
                best[k] = score > best[k] ? score : best[k];
                sum[k] += inner[k];
            }
        }
        if (t < n && ssvm_step_is_void(tables, n, t)) {
            double most_of_all = -INFINITY;
            for (ptrdiff_t k = 0; k < labels->n_labels; ++k)
                most_of_all = best[k] > most_of_all ? best[k] : most_of_all;
            for (ptrdiff_t k = 0; k < stride; ++k)
                tables->entering[t * stride + k] = most_of_all;
        } else if (t < n)
            ssvm_viterbi_double_row(best, tables->transition, tables->entering + t * stride, NULL,
                                    labels->n_labels, stride);
    }
}

/* theta   IN       tags (n, tag_stride), segments (`ssvm_span_rows`, stride), lengths (n_bins, stride),
 *                  transitions (n_labels, stride), the first and the last label (stride,)
 * last_void IN     (n,): the last void position up to each, or -1; NULL: none is
 * scratch SCRATCH  `ssvm_span_scratch` doubles
 * tags    OUT      (n,)
 * returns the score of the best segmentation; from its end the smallest label of several, and the
 * shortest segment; n >= 1, n_labels >= 1 */
static double ssvm_best_spans(const ssvm_span_labels *labels, const double *theta, ptrdiff_t n,
                              const int32_t *last_void, double *scratch, int32_t *tags)
{
    const ptrdiff_t stride = labels->stride;
    ssvm_span_tables tables;
    ssvm_span_fill(labels, theta, n, last_void, scratch, &tables);
    ssvm_span_forward(labels, n, &tables);
    double value = -INFINITY;
    ptrdiff_t label = 0, t = n;
    for (ptrdiff_t k = 0; k < labels->n_labels; ++k) {
        const double last = ssvm_step_is_void(&tables, n, n) ? 0.0 : tables.end[k];
        const double score = tables.ending[n * stride + k] + last;
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
            double score = tables.entering[(t - l) * stride + label];
            if (ssvm_span_is_void(&tables, n, t - l, l))
                score += sum + (l > 1 ? tables.rest[label] : 0.0);
            else
                score = score + (sum + tables.length[(l - 1) * stride + label])
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
        const double *step = tables.transition + label;
        const int is_void = ssvm_step_is_void(&tables, n, t);
        for (ptrdiff_t k = 1; k < labels->n_labels; ++k)
            if (ending[k] + (is_void ? 0.0 : step[k * stride])
                > ending[before] + (is_void ? 0.0 : step[before * stride]))
                before = k;
        label = before;
    }
    return value;
}

#endif
