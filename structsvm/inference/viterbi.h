/* The max-plus chain recursion, for double and float.
 *
 * A row holds the scores of K labels in `stride` lanes, where stride is K rounded up to a multiple of
 * SSVM_LANES. For each position the kernel keeps the best score *before* it adds the position's own
 * score. It stores no back-pointers: the back-trace looks for the previous label whose sum has the same
 * bits. Without an argmax the inner loop is one add and one max per cell.
 *
 * Labels are processed in register blocks of at most 32 lanes; the block lives in registers while
 * the loop runs over all previous labels. */
#ifndef SSVM_VITERBI_H
#define SSVM_VITERBI_H

#include "../linalg/clones.h"

#define SSVM_VITERBI(REAL, NAME)                                                                  \
/* One block of WIDTH next labels: entering[j] = max_i previous[i] + transition[i][j], which is    \
 * also added to score[j] unless that is NULL. */                                                 \
SSVM_INLINE void NAME##_block(const REAL *previous, const REAL *transition, REAL *entering,       \
                              REAL *score, ptrdiff_t n_labels, ptrdiff_t stride,                  \
                              const int width)                                                    \
{                                                                                                 \
    REAL best[32];                                                                                \
    for (int j = 0; j < width; ++j)                                                               \
        best[j] = previous[0] + transition[j];                                                    \
    for (ptrdiff_t i = 1; i < n_labels; ++i) {                                                    \
        const REAL from = previous[i];                                                            \
        const REAL *row = transition + i * stride;                                                \
        for (int j = 0; j < width; ++j) {                                                         \
            const REAL candidate = from + row[j];                                                 \
            best[j] = candidate > best[j] ? candidate : best[j];                                  \
        }                                                                                         \
    }                                                                                             \
    for (int j = 0; j < width; ++j) {                                                             \
        entering[j] = best[j];                                                                    \
        if (score)                                                                                \
            score[j] += best[j];                                                                  \
    }                                                                                             \
}                                                                                                 \
                                                                                                  \
/* A whole row of next labels, in blocks. */                                                      \
SSVM_INLINE void NAME##_row(const REAL *previous, const REAL *transition, REAL *entering,         \
                            REAL *score, ptrdiff_t n_labels, ptrdiff_t stride)                    \
{                                                                                                 \
    ptrdiff_t j = 0;                                                                              \
    for (; stride - j >= 32; j += 32)                                                             \
        NAME##_block(previous, transition + j, entering + j, score ? score + j : NULL, n_labels,  \
                     stride, 32);                                                                 \
    if (stride - j == 24)                                                                         \
        NAME##_block(previous, transition + j, entering + j, score ? score + j : NULL, n_labels,  \
                     stride, 24);                                                                 \
    else if (stride - j == 16)                                                                    \
        NAME##_block(previous, transition + j, entering + j, score ? score + j : NULL, n_labels,  \
                     stride, 16);                                                                 \
    else if (stride - j == 8)                                                                     \
        NAME##_block(previous, transition + j, entering + j, score ? score + j : NULL, n_labels,  \
                     stride, 8);                                                                  \
}                                                                                                 \
                                                                                                  \
SSVM_CLONES static void NAME##_forward(REAL *score, const REAL *transition, ptrdiff_t step,       \
                                       REAL *entering, ptrdiff_t length, ptrdiff_t n_labels,      \
                                       ptrdiff_t stride)                                          \
{                                                                                                 \
    for (ptrdiff_t t = 1; t < length; ++t)                                                        \
        NAME##_row(score + (t - 1) * stride, transition + t * step, entering + t * stride,        \
                   score + t * stride, n_labels, stride);                                         \
}                                                                                                 \
                                                                                                  \
/* Writes the best path, from its end the smallest label of several; returns its score. */        \
static REAL NAME##_backtrace(const REAL *score, const REAL *transition, ptrdiff_t step,           \
                             const REAL *entering, ptrdiff_t length, ptrdiff_t n_labels,          \
                             ptrdiff_t stride, int32_t *labels)                                   \
{                                                                                                 \
    const REAL *last = score + (length - 1) * stride;                                             \
    ptrdiff_t label = 0;                                                                          \
    for (ptrdiff_t j = 1; j < n_labels; ++j)                                                      \
        if (last[j] > last[label])                                                                \
            label = j;                                                                            \
    const REAL value = last[label];                                                               \
    labels[length - 1] = (int32_t)label;                                                          \
    for (ptrdiff_t t = length - 1; t > 0; --t) {                                                  \
        const REAL *previous = score + (t - 1) * stride;                                          \
        const REAL target = entering[t * stride + label];                                         \
        const REAL *column = transition + t * step + label;                                       \
        ptrdiff_t i = 0;                                                                          \
        while (i < n_labels - 1 && previous[i] + column[i * stride] != target)                    \
            ++i;                                                                                  \
        labels[t - 1] = (int32_t)i;                                                               \
        label = i;                                                                                \
    }                                                                                             \
    return value;                                                                                 \
}                                                                                                 \
                                                                                                  \
/* score       IN/OUT  (length, stride): score of each label; then of the best path to it         \
 * transition  IN      (n_labels, stride): score of label i followed by label j; the matrix for    \
 *                     the step from t - 1 to t begins at transition + t * step                   \
 * entering    SCRATCH (length, stride)                                                           \
 * labels      OUT     (length,)                                                                  \
 * returns the score of the best path; length >= 1, n_labels >= 1 */                              \
static REAL NAME(REAL *score, const REAL *transition, ptrdiff_t step, REAL *entering,             \
                 ptrdiff_t length, ptrdiff_t n_labels, ptrdiff_t stride, int32_t *labels)         \
{                                                                                                 \
    NAME##_forward(score, transition, step, entering, length, n_labels, stride);                  \
    return NAME##_backtrace(score, transition, step, entering, length, n_labels, stride, labels); \
}

SSVM_VITERBI(double, ssvm_viterbi_double)
SSVM_VITERBI(float, ssvm_viterbi_float)

#endif
