/* The max-plus chain recursion with the loss of the path as a second state.
 *
 * The loss of a path is a sum of integers, its level: label k at position t adds levels[t][k]. The table
 * holds the best score for each position, level and last label, so any objective of score and loss can
 * be maximised exactly at the end. Here the objective is
 *
 *     unit * level * (1 + score - true_score),
 *
 * as in slack rescaling. Time O(length * n_levels * n_labels^2). */
#ifndef SSVM_VITERBI_LEVELS_H
#define SSVM_VITERBI_LEVELS_H

#include <math.h>

#include "viterbi.h"

/* unary       IN      (length, stride)
 * transition  IN      (n_labels, stride); the matrix of position t begins at transition + t * step
 * levels      IN      row of (stride,) for each position, given by pointer
 * score       SCRATCH (length, n_levels, stride)
 * entering    SCRATCH (length, n_levels, stride)
 * reach       OUT     (length,): the greatest level of a path that ends here */
SSVM_CLONES static void ssvm_levels_forward(const double *unary, const double *transition,
                                            ptrdiff_t step, const int32_t *const *levels,
                                            double *score, double *entering, ptrdiff_t *reach,
                                            ptrdiff_t length, ptrdiff_t n_labels,
                                            ptrdiff_t n_levels, ptrdiff_t stride)
{
    for (ptrdiff_t t = 0; t < length; ++t) {
        const double *own = unary + t * stride;
        double *out = score + t * n_levels * stride;
        double *in = entering + t * n_levels * stride;
        ptrdiff_t before = t > 0 ? reach[t - 1] : 0;
        ptrdiff_t most = 0;
        for (ptrdiff_t k = 0; k < n_labels; ++k)
            if (levels[t][k] > most)
                most = levels[t][k];
        reach[t] = before + most;
        for (ptrdiff_t e = 0; e < (reach[t] + 1) * stride; ++e)
            out[e] = -INFINITY;
        for (ptrdiff_t l = 0; l <= before; ++l) {
            if (t > 0)
                ssvm_viterbi_double_row(out + (l - n_levels) * stride, transition + t * step,
                                        in + l * stride, NULL, n_labels, stride);
            for (ptrdiff_t k = 0; k < n_labels; ++k)
                out[(l + levels[t][k]) * stride + k] =
                    t > 0 ? in[l * stride + k] + own[k] : own[k];
        }
    }
}

/* labels IN: the true labels; OUT: the maximiser, unchanged if no value is above 0. Of several, the one
 * with the smallest level, then the smallest last label, then the smallest label before, and so on.
 * Returns the maximum. length >= 1. */
static double ssvm_viterbi_levels(const double *unary, const double *transition, ptrdiff_t step,
                                  const int32_t *const *levels, double true_score, double unit,
                                  double *score, double *entering, ptrdiff_t *reach,
                                  ptrdiff_t length, ptrdiff_t n_labels, ptrdiff_t n_levels,
                                  ptrdiff_t stride, int32_t *labels)
{
    ssvm_levels_forward(unary, transition, step, levels, score, entering, reach, length, n_labels,
                        n_levels, stride);
    const double *last = score + (length - 1) * n_levels * stride;
    double best = 0.0;
    ptrdiff_t level = -1, label = 0;
    for (ptrdiff_t l = 1; l <= reach[length - 1]; ++l)
        for (ptrdiff_t k = 0; k < n_labels; ++k) {
            double value = unit * (double)l * (1.0 + (last[l * stride + k] - true_score));
            if (value > best) {
                best = value;
                level = l;
                label = k;
            }
        }
    if (level < 0)
        return best;
    for (ptrdiff_t t = length - 1; t > 0; --t) {
        labels[t] = (int32_t)label;
        level -= levels[t][label];
        const double target = entering[(t * n_levels + level) * stride + label];
        const double *previous = score + ((t - 1) * n_levels + level) * stride;
        const double *column = transition + t * step + label;
        ptrdiff_t i = 0;
        while (i < n_labels - 1 && previous[i] + column[i * stride] != target)
            ++i;
        label = i;
    }
    labels[0] = (int32_t)label;
    return best;
}

#endif
