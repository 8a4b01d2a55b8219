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

/* The lower triangle of A becomes L with A = L L'; returns 0 if a pivot is not above zero.
 *
 * column  SCRATCH  n doubles */
SSVM_CLONES SSVM_UNUSED static int ssvm_cholesky(double *A, ptrdiff_t n, double *column)
{
    for (ptrdiff_t k = 0; k < n; ++k) {
        const double pivot = A[k * n + k];
        if (!(pivot > 0.0) || pivot > 1.7976931348623157e308)
            return 0;
        const double root = sqrt(pivot);
        A[k * n + k] = root;
        for (ptrdiff_t i = k + 1; i < n; ++i)
            column[i] = A[i * n + k] /= root;
        for (ptrdiff_t i = k + 1; i < n; ++i) {
            const double factor = column[i];
            double *row = A + i * n;
            for (ptrdiff_t j = k + 1; j <= i; ++j)
                row[j] -= factor * column[j];
        }
    }
    return 1;
}

/* Overwrite the columns of x, (n, width), with the solutions z of L L' z = x. */
SSVM_CLONES SSVM_UNUSED static void ssvm_cholesky_solve(const double *L, ptrdiff_t n, double *x,
                                                        ptrdiff_t width)
{
    for (ptrdiff_t c = 0; c < width; ++c) {
        for (ptrdiff_t i = 0; i < n; ++i) {
            double sum[2] = {x[i * width + c], 0.0};
            for (ptrdiff_t j = 0; j < i; ++j)
                sum[j % 2] -= L[i * n + j] * x[j * width + c];
            x[i * width + c] = (sum[0] + sum[1]) / L[i * n + i];
        }
        for (ptrdiff_t i = n - 1; i >= 0; --i) {
            double sum[2] = {x[i * width + c], 0.0};
            for (ptrdiff_t j = i + 1; j < n; ++j)
                sum[j % 2] -= L[j * n + i] * x[j * width + c];
            x[i * width + c] = (sum[0] + sum[1]) / L[i * n + i];
        }
    }
}

#endif
