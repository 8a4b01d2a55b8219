/* Single sparse rows: their inner products, their scores, and adding one to a column of weights.
 *
 * C for the clones: the count of shared columns is vectorised by comparing all pairs. */
#ifndef SSVM_SPARSE_ROWS_H
#define SSVM_SPARSE_ROWS_H

#include <math.h>

#include "rows.h"

/* The number of columns in both of two rows, without a column twice in either. */
SSVM_CLONES SSVM_UNUSED static int ssvm_shared_columns(const int32_t *a, ptrdiff_t n, const int32_t *b,
                                                       ptrdiff_t m)
{
    int32_t shared = 0;
    for (ptrdiff_t e = 0; e < n; ++e) {
        const int32_t column = a[e];
        int32_t found = 0;
        for (ptrdiff_t f = 0; f < m; ++f)
            found += b[f] == column;
        shared += found;
    }
    return (int)shared;
}

/* The inner product of two rows with ascending columns. */
SSVM_UNUSED static double ssvm_sparse_product(const int32_t *a, const double *x, ptrdiff_t n,
                                              const int32_t *b, const double *y, ptrdiff_t m)
{
    double total = 0.0;
    ptrdiff_t e = 0, f = 0;
    while (e < n && f < m) {
        if (a[e] == b[f])
            total += x[e++] * y[f++];
        else if (a[e] < b[f])
            ++e;
        else
            ++f;
    }
    return total;
}

#endif
