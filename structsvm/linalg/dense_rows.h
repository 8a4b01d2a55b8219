/* A dense or sparse row times few columns of weights, and back: what multiclass updates are made of.
 *
 * Dense rows go with weights by class, (K, F): sums run along a row of weights. Sparse rows go with
 * weights by feature, (F, K): a non-zero meets K neighbours. */
#ifndef SSVM_DENSE_ROWS_H
#define SSVM_DENSE_ROWS_H

#include "rows.h"

#if defined(__GNUC__)
/* The sums of `classes` rows of weights, in 8 lanes each that are added up at the end. */
SSVM_INLINE void ssvm_dense_block(const double *x, ptrdiff_t size, const double *weights, double *out,
                                  const int classes)
{
    ssvm_lanes sum[4];
    for (int k = 0; k < classes; ++k)
        sum[k] = (ssvm_lanes){0};
    ptrdiff_t j = 0;
    for (; j + SSVM_LANES <= size; j += SSVM_LANES) {
        const ssvm_lanes here = SSVM_LOAD(x + j);
        for (int k = 0; k < classes; ++k)
            sum[k] += here * SSVM_LOAD(weights + k * size + j);
    }
    for (int k = 0; k < classes; ++k) {
        double total = 0.0;
        for (int lane = 0; lane < SSVM_LANES; ++lane)
            total += sum[k][lane];
        for (ptrdiff_t e = j; e < size; ++e)
            total += x[e] * weights[k * size + e];
        out[k] = total;
    }
}
#else
static void ssvm_dense_block(const double *x, ptrdiff_t size, const double *weights, double *out,
                             const int classes)
{
    for (int k = 0; k < classes; ++k) {
        out[k] = 0.0;
        for (ptrdiff_t j = 0; j < size; ++j)
            out[k] += x[j] * weights[k * size + j];
    }
}
#endif

/* x        IN   (size,)
 * weights  IN   (n_classes, size)
 * out      OUT  (n_classes,) */
SSVM_CLONES static void ssvm_dense_scores(const double *x, ptrdiff_t size, const double *weights,
                                          ptrdiff_t n_classes, double *out)
{
    ptrdiff_t k = 0;
    for (; k + 4 <= n_classes; k += 4)
        ssvm_dense_block(x, size, weights + k * size, out + k, 4);
    for (; k < n_classes; ++k)
        ssvm_dense_block(x, size, weights + k * size, out + k, 1);
}

/* weights[k] += change[k] * x, for the classes that change. */
SSVM_CLONES static void ssvm_dense_add(const double *x, ptrdiff_t size, const double *change,
                                       ptrdiff_t n_classes, double *weights)
{
    for (ptrdiff_t k = 0; k < n_classes; ++k) {
        if (change[k] == 0.0)
            continue;
        double *row = weights + k * size;
        for (ptrdiff_t j = 0; j < size; ++j)
            row[j] += change[k] * x[j];
    }
}

/* weights[columns[e]] += values[e] * change, of K neighbours each. */
SSVM_CLONES static void ssvm_sparse_add(const int32_t *columns, const double *values, ptrdiff_t n,
                                        const double *change, ptrdiff_t n_classes, double *weights)
{
    for (ptrdiff_t e = 0; e < n; ++e) {
        double *row = weights + (ptrdiff_t)columns[e] * n_classes;
        for (ptrdiff_t k = 0; k < n_classes; ++k)
            row[k] += values[e] * change[k];
    }
}

/* The same two with one column of weights: four sums, as additions would else wait for each other. */
static double ssvm_sparse_dot(const int32_t *columns, const double *values, ptrdiff_t n,
                              const double *weights)
{
    double sum0 = 0.0, sum1 = 0.0, sum2 = 0.0, sum3 = 0.0;
    ptrdiff_t e = 0;
    for (; e + 4 <= n; e += 4) {
        sum0 += values[e] * weights[columns[e]];
        sum1 += values[e + 1] * weights[columns[e + 1]];
        sum2 += values[e + 2] * weights[columns[e + 2]];
        sum3 += values[e + 3] * weights[columns[e + 3]];
    }
    for (; e < n; ++e)
        sum0 += values[e] * weights[columns[e]];
    return (sum0 + sum1) + (sum2 + sum3);
}

static void ssvm_sparse_axpy(const int32_t *columns, const double *values, ptrdiff_t n,
                             double factor, double *weights)
{
    for (ptrdiff_t e = 0; e < n; ++e)
        weights[columns[e]] += factor * values[e];
}

#endif
