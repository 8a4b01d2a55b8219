/* Sums of exponentials over rows of labels. In C for the message kernels, which are in C.
 *
 * The quality of soft messages depends on them, the validity of a bound does not. */
#ifndef SSVM_SOFT_MAX_H
#define SSVM_SOFT_MAX_H

#include "../linalg/exponential.h"

/* Rows are padded to whole groups of this many lanes, so inner loops have a constant length. */
enum { SSVM_GROUP = 4 };

/* The maximum of a row. */
SSVM_INLINE double ssvm_row_max(const double *row, ptrdiff_t stride)
{
    double best[SSVM_GROUP];
    for (int j = 0; j < SSVM_GROUP; ++j)
        best[j] = row[j];
    for (ptrdiff_t g = SSVM_GROUP; g < stride; g += SSVM_GROUP)
        for (int j = 0; j < SSVM_GROUP; ++j)
            best[j] = row[g + j] > best[j] ? row[g + j] : best[j];
    const double left = best[0] > best[1] ? best[0] : best[1];
    const double right = best[2] > best[3] ? best[2] : best[3];
    return left > right ? left : right;
}

/* weights = exp((row - top) / temperature); returns their sum. */
SSVM_INLINE double ssvm_row_exp(const double *row, double top, double inverse_temperature,
                                double *weights, ptrdiff_t stride)
{
    double sum[SSVM_GROUP] = {0.0, 0.0, 0.0, 0.0};
    for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
        for (int j = 0; j < SSVM_GROUP; ++j) {
            weights[g + j] = ssvm_exp((row[g + j] - top) * inverse_temperature);
            sum[j] += weights[g + j];
        }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

#endif
