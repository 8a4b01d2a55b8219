/* Dense sums with the same bits for every CPU, BLAS and number of threads.
 *
 * C for the clones and for ssvm_row_dot_double. The code fixes the order of additions; they are vectorised
 * across sums, or in a fixed pattern of partial sums. */
#ifndef SSVM_SUMS_H
#define SSVM_SUMS_H

#include <math.h>

#include "all_rows.h"

enum { SSVM_CHUNK = 512 };

/* sum_j a[j] b[j] */
SSVM_CLONES SSVM_UNUSED static double ssvm_dot(const double *a, const double *b, ptrdiff_t n)
{
    return ssvm_row_dot_double(a, NULL, n, b, 0);
}

/* out[k] = <rows[k], v> for k < n_rows */
SSVM_CLONES SSVM_UNUSED static void ssvm_row_products(const double *rows, ptrdiff_t n_rows,
                                                      ptrdiff_t n, const double *v, double *out)
{
    for (ptrdiff_t k = 0; k < n_rows; ++k)
        out[k] = ssvm_row_dot_double(rows + k * n, NULL, n, v, 0);
}

/* out[j] += sum_k factors[k] rows[k, j], a chunk of `out` at a time; rows with factor 0 are skipped. */
SSVM_CLONES SSVM_UNUSED static void ssvm_add_rows(const double *factors, const double *rows,
                                                  ptrdiff_t n_rows, ptrdiff_t n, double *out)
{
    for (ptrdiff_t first = 0; first < n; first += SSVM_CHUNK) {
        const ptrdiff_t size = n - first < SSVM_CHUNK ? n - first : SSVM_CHUNK;
        for (ptrdiff_t k = 0; k < n_rows; ++k) {
            const double factor = factors[k];
            const double *row = rows + k * n + first;
            if (factor != 0.0)
                for (ptrdiff_t j = 0; j < size; ++j)
                    out[first + j] += factor * row[j];
        }
    }
}

/* Row i of L with L L' = A, from row i of A and the rows before it. L is held by columns: row k of
 * U, (., stride), is column k of L. Returns 0 if the pivot is not above zero.
 *
 * a  IN, SCRATCH  A[i, :i + 1] */
SSVM_CLONES SSVM_UNUSED static int ssvm_cholesky_row(double *U, ptrdiff_t stride, ptrdiff_t i,
                                                     double *a)
{
    for (ptrdiff_t k = 0; k < i; ++k) {
        const double *column = U + k * stride;
        const double factor = a[k] / column[k];
        a[k] = factor;
        for (ptrdiff_t j = k + 1; j < i; ++j)
            a[j] -= factor * column[j];
        a[i] -= factor * factor;
    }
    if (!(a[i] > 0.0) || a[i] > 1.7976931348623157e308)
        return 0;
    U[i * stride + i] = sqrt(a[i]);
    for (ptrdiff_t k = 0; k < i; ++k)
        U[k * stride + i] = a[k];
    return 1;
}

/* Overwrite x with the solution z of L L' z = x, for n rows of the L of ssvm_cholesky_row. */
SSVM_CLONES SSVM_UNUSED static void ssvm_cholesky_solve(const double *U, ptrdiff_t stride,
                                                        ptrdiff_t n, double *x)
{
    for (ptrdiff_t k = 0; k < n; ++k) {
        const double *column = U + k * stride;
        x[k] /= column[k];
        for (ptrdiff_t j = k + 1; j < n; ++j)
            x[j] -= x[k] * column[j];
    }
    for (ptrdiff_t k = n - 1; k >= 0; --k) {
        const double *column = U + k * stride;
        const double rest = ssvm_row_dot_double(column + k + 1, NULL, n - k - 1, x + k + 1, 0);
        x[k] = (x[k] - rest) / column[k];
    }
}

#endif
