/* Feature vectors in the user's arrays, dense or CSR in either precision, times a weight matrix.
 *
 * C, because one body serves four kinds of rows, and because gcc vectorises the contiguous loop, over
 * the columns of the matrix, only with explicit vectors.
 *
 * The matrix W has a row of `width` doubles for each feature, one for the intercept if there is one, and
 * SSVM_LANES - 1 readable doubles after its end. Values are not copied; sums are in double. */
#ifndef SSVM_FEATURE_ROWS_H
#define SSVM_FEATURE_ROWS_H

#include "rows.h"

typedef enum { SSVM_DENSE_DOUBLE, SSVM_DENSE_FLOAT, SSVM_CSR_DOUBLE, SSVM_CSR_FLOAT } ssvm_kind;

typedef struct {
    ssvm_kind kind;
    ptrdiff_t n_features;
    const void *values;
    const int64_t *row_start; /* CSR only, like columns */
    const int32_t *columns;
    double intercept; /* value of a last feature that all rows have; 0: there is none */
    int alike;        /* CSR double: `values` are those of the longest row, and begin each row */
} ssvm_feature_rows;

/* Where the values of CSR row i begin, counted from `values`. */
#define SSVM_FIRST_VALUE(rows, i) ((rows)->alike ? 0 : (rows)->row_start[i])

#if defined(__GNUC__)
#define SSVM_PREFETCH(address) __builtin_prefetch(address)
#else
#define SSVM_PREFETCH(address) ((void)0)
#endif

/* Prefetch the row of W for the non-zero so far ahead. */
enum { SSVM_AHEAD = 12 };

/* The body of a function over row i, written once for the four kinds: `CALL(REAL, COLUMN)` must be
 * an expression in x (the values), n (how many) and c (columns, NULL when dense). */
#define SSVM_ON_ROW(rows, i, CALL)                                                                \
    switch ((rows)->kind) {                                                                       \
    case SSVM_DENSE_DOUBLE: {                                                                     \
        const double *x = (const double *)(rows)->values + (i) * (rows)->n_features;              \
        const ptrdiff_t n = (rows)->n_features;                                                   \
        CALL(double, 0);                                                                          \
        break;                                                                                    \
    }                                                                                             \
    case SSVM_DENSE_FLOAT: {                                                                      \
        const float *x = (const float *)(rows)->values + (i) * (rows)->n_features;                \
        const ptrdiff_t n = (rows)->n_features;                                                   \
        CALL(float, 0);                                                                           \
        break;                                                                                    \
    }                                                                                             \
    case SSVM_CSR_DOUBLE: {                                                                       \
        const double *x = (const double *)(rows)->values + SSVM_FIRST_VALUE(rows, i);             \
        const ptrdiff_t n = (ptrdiff_t)((rows)->row_start[(i) + 1] - (rows)->row_start[i]);       \
        CALL(double, 1);                                                                          \
        break;                                                                                    \
    }                                                                                             \
    default: {                                                                                    \
        const float *x = (const float *)(rows)->values + (rows)->row_start[i];                    \
        const ptrdiff_t n = (ptrdiff_t)((rows)->row_start[(i) + 1] - (rows)->row_start[i]);       \
        CALL(float, 1);                                                                           \
        break;                                                                                    \
    }                                                                                             \
    }

#define SSVM_COLUMNS(rows, i, sparse) ((sparse) ? (rows)->columns + (rows)->row_start[i] : NULL)

/* ---- out[k] = sum_j x_j W[j, k] for `groups` groups of lanes, in several sums that need not wait for
 * each other. */
#define SSVM_DEFINE_ROW_SCORES(REAL, NAME)                                                        \
    SSVM_INLINE void NAME(const REAL *x, const int32_t *c, ptrdiff_t n, const double *w,          \
                          ptrdiff_t width, double *out, const int groups, const int sums,         \
                          const int sparse)                                                       \
    {                                                                                             \
        static const double zeros[SSVM_LANES];                                                    \
        ssvm_lanes sum[8];                                                                        \
        for (int s = 0; s < sums * groups; ++s)                                                   \
            sum[s] = SSVM_LOAD(zeros);                                                            \
        ptrdiff_t e = 0;                                                                          \
        for (; e + sums <= n; e += sums)                                                          \
            for (int s = 0; s < sums; ++s) {                                                      \
                const double *row = w + (sparse ? (ptrdiff_t)c[e + s] : e + s) * width;           \
                if (sparse && e + s + SSVM_AHEAD < n)                                             \
                    SSVM_PREFETCH(w + (ptrdiff_t)c[e + s + SSVM_AHEAD] * width);                  \
                for (int g = 0; g < groups; ++g)                                                  \
                    SSVM_ADD_SCALED(sum[s * groups + g], (double)x[e + s], row + g * SSVM_LANES); \
            }                                                                                     \
        for (; e < n; ++e) {                                                                      \
            const double *row = w + (sparse ? (ptrdiff_t)c[e] : e) * width;                       \
            for (int g = 0; g < groups; ++g)                                                      \
                SSVM_ADD_SCALED(sum[g], (double)x[e], row + g * SSVM_LANES);                      \
        }                                                                                         \
        for (int s = 1; s < sums; ++s)                                                            \
            for (int g = 0; g < groups; ++g)                                                      \
                SSVM_ADD_SCALED(sum[g], 1.0, (const double *)&sum[s * groups + g]);               \
        for (int g = 0; g < groups; ++g)                                                          \
            SSVM_STORE(out + g * SSVM_LANES, sum[g]);                                             \
    }
SSVM_DEFINE_ROW_SCORES(double, ssvm_row_scores_double)
SSVM_DEFINE_ROW_SCORES(float, ssvm_row_scores_float)

/* ---- sum_j x_j w[j], for one column */
#define SSVM_DEFINE_ROW_DOT(REAL, NAME)                                                           \
    SSVM_INLINE double NAME(const REAL *x, const int32_t *c, ptrdiff_t n, const double *w,        \
                            const int sparse)                                                     \
    {                                                                                             \
        double total = 0.0;                                                                       \
        ptrdiff_t e = 0;                                                                          \
        if (sparse) {                                                                             \
            double sum[4] = {0.0, 0.0, 0.0, 0.0};                                                 \
            for (; e + 4 <= n; e += 4)                                                            \
                for (int s = 0; s < 4; ++s)                                                       \
                    sum[s] += x[e + s] * w[c[e + s]];                                             \
            total = (sum[0] + sum[1]) + (sum[2] + sum[3]);                                        \
        } else {                                                                                  \
            double sum[4 * SSVM_LANES] = {0.0};                                                   \
            for (; e + 4 * SSVM_LANES <= n; e += 4 * SSVM_LANES)                                  \
                for (int s = 0; s < 4 * SSVM_LANES; ++s)                                          \
                    sum[s] += x[e + s] * w[e + s];                                                \
            for (int half = 2 * SSVM_LANES; half > 0; half /= 2)                                  \
                for (int s = 0; s < half; ++s)                                                    \
                    sum[s] += sum[s + half];                                                      \
            total = sum[0];                                                                       \
        }                                                                                         \
        for (; e < n; ++e)                                                                        \
            total += x[e] * w[sparse ? (ptrdiff_t)c[e] : e];                                      \
        return total;                                                                             \
    }
SSVM_DEFINE_ROW_DOT(double, ssvm_row_dot_double)
SSVM_DEFINE_ROW_DOT(float, ssvm_row_dot_float)

/* ---- W[j, first : first + lanes] += x_j delta[first : first + lanes] */
#if defined(__GNUC__)
typedef double ssvm_pair __attribute__((vector_size(16), aligned(8), may_alias));
#define SSVM_ADD_TO(TYPE, address, factor, delta)                                                 \
    (*(TYPE *)(address) += (factor) * *(const TYPE *)(delta))
#endif

SSVM_INLINE void ssvm_add_to_row(double *row, double factor, const double *delta, const int lanes)
{
#if defined(__GNUC__)
    if (lanes == 8) {
        SSVM_ADD_TO(ssvm_half, row, factor, delta);
        SSVM_ADD_TO(ssvm_half, row + 4, factor, delta + 4);
    } else if (lanes == 4)
        SSVM_ADD_TO(ssvm_half, row, factor, delta);
    else if (lanes == 2)
        SSVM_ADD_TO(ssvm_pair, row, factor, delta);
    else
        *row += factor * *delta;
#else
    for (int l = 0; l < lanes; ++l)
        row[l] += factor * delta[l];
#endif
}

#define SSVM_DEFINE_ROW_ADD(REAL, NAME)                                                           \
    SSVM_INLINE void NAME(const REAL *x, const int32_t *c, ptrdiff_t n, const double *delta,      \
                          double *w, ptrdiff_t width, const int lanes, const int sparse)          \
    {                                                                                             \
        double d[SSVM_LANES];                                                                     \
        for (int l = 0; l < lanes; ++l)                                                           \
            d[l] = delta[l];                                                                      \
        for (ptrdiff_t e = 0; e < n; ++e)                                                         \
            ssvm_add_to_row(w + (sparse ? (ptrdiff_t)c[e] : e) * width, (double)x[e], d, lanes);  \
    }
SSVM_DEFINE_ROW_ADD(double, ssvm_row_add_double)
SSVM_DEFINE_ROW_ADD(float, ssvm_row_add_float)

/* out[k] = <x_i, W[:, k]> for k < width. `out` must have room for whole groups of lanes; lanes beyond
 * `width` are overwritten. */
SSVM_CLONES SSVM_UNUSED static void ssvm_feature_scores(const ssvm_feature_rows *rows, ptrdiff_t i,
                                            const double *w, ptrdiff_t width, double *out)
{
    const double *last = w + rows->n_features * width;
    if (width == 1) {
#define SSVM_CALL(REAL, SPARSE)                                                                   \
    out[0] = ssvm_row_dot_##REAL(x, SSVM_COLUMNS(rows, i, SPARSE), n, w, SPARSE)
        SSVM_ON_ROW(rows, i, SSVM_CALL)
#undef SSVM_CALL
    } else {
        ptrdiff_t k = 0;
#define SSVM_CALL(REAL, SPARSE)                                                                   \
    do {                                                                                          \
        const int32_t *c = SSVM_COLUMNS(rows, i, SPARSE);                                         \
        for (; width - k > 3 * SSVM_LANES; k += 4 * SSVM_LANES)                                   \
            ssvm_row_scores_##REAL(x, c, n, w + k, width, out + k, 4, 2, SPARSE);                 \
        if (width - k > 2 * SSVM_LANES)                                                           \
            ssvm_row_scores_##REAL(x, c, n, w + k, width, out + k, 3, 2, SPARSE);                 \
        else if (width - k > SSVM_LANES)                                                          \
            ssvm_row_scores_##REAL(x, c, n, w + k, width, out + k, 2, 4, SPARSE);                 \
        else if (width - k > 0)                                                                   \
            ssvm_row_scores_##REAL(x, c, n, w + k, width, out + k, 1, 8, SPARSE);                 \
    } while (0)
        SSVM_ON_ROW(rows, i, SSVM_CALL)
#undef SSVM_CALL
    }
    if (rows->intercept != 0.0)
        for (ptrdiff_t k = 0; k < width; ++k)
            out[k] += rows->intercept * last[k];
}

/* W[:, k] += delta[k] x_i for k < width; columns whose delta is zero cost nothing in whole groups. */
SSVM_CLONES SSVM_UNUSED static void ssvm_feature_add(const ssvm_feature_rows *rows, ptrdiff_t i,
                                         const double *delta, double *w, ptrdiff_t width)
{
    double *last = w + rows->n_features * width;
    ptrdiff_t k = 0;
    for (int lanes = SSVM_LANES; lanes > 0; lanes /= 2)
        for (; k + lanes <= width; k += lanes) {
            int zero = 1;
            for (int l = 0; l < lanes; ++l)
                zero &= delta[k + l] == 0.0;
            if (zero)
                continue;
#define SSVM_CALL(REAL, SPARSE)                                                                   \
    do {                                                                                          \
        const int32_t *c = SSVM_COLUMNS(rows, i, SPARSE);                                         \
        if (lanes == 8)                                                                           \
            ssvm_row_add_##REAL(x, c, n, delta + k, w + k, width, 8, SPARSE);                     \
        else if (lanes == 4)                                                                      \
            ssvm_row_add_##REAL(x, c, n, delta + k, w + k, width, 4, SPARSE);                     \
        else if (lanes == 2)                                                                      \
            ssvm_row_add_##REAL(x, c, n, delta + k, w + k, width, 2, SPARSE);                     \
        else if (width > 1 || SPARSE)                                                             \
            ssvm_row_add_##REAL(x, c, n, delta + k, w + k, width, 1, SPARSE);                     \
        else                                                                                      \
            for (ptrdiff_t e = 0; e < n; ++e)                                                     \
                w[e] += delta[0] * x[e];                                                          \
    } while (0)
            SSVM_ON_ROW(rows, i, SSVM_CALL)
#undef SSVM_CALL
        }
    if (rows->intercept != 0.0)
        for (k = 0; k < width; ++k)
            last[k] += rows->intercept * delta[k];
}

/* W += x q' for a dense vector x of n entries. */
SSVM_UNUSED static void ssvm_add_outer(const double *x, ptrdiff_t n, const double *q,
                                       ptrdiff_t width, double *w)
{
    const ssvm_feature_rows row = {SSVM_DENSE_DOUBLE, n, x, NULL, NULL, 0.0, 0};
    ssvm_feature_add(&row, 0, q, w, width);
}

/* |x_i|^2, the intercept included */
SSVM_CLONES SSVM_UNUSED static double ssvm_feature_sqnorm(const ssvm_feature_rows *rows, ptrdiff_t i)
{
    double total = rows->intercept * rows->intercept;
    double sum[SSVM_LANES] = {0.0};
#define SSVM_CALL(REAL, SPARSE)                                                                   \
    do {                                                                                          \
        ptrdiff_t e = 0;                                                                          \
        for (; e + SSVM_LANES <= n; e += SSVM_LANES)                                              \
            for (int l = 0; l < SSVM_LANES; ++l)                                                  \
                sum[l] += (double)x[e + l] * (double)x[e + l];                                    \
        for (; e < n; ++e)                                                                        \
            total += (double)x[e] * (double)x[e];                                                 \
    } while (0)
    SSVM_ON_ROW(rows, i, SSVM_CALL)
#undef SSVM_CALL
    for (int l = 0; l < SSVM_LANES; ++l)
        total += sum[l];
    return total;
}

/* Prefetch the beginning of row i. */
SSVM_INLINE void ssvm_feature_prefetch(const ssvm_feature_rows *rows, ptrdiff_t i)
{
    const ptrdiff_t size
        = rows->kind == SSVM_DENSE_DOUBLE || rows->kind == SSVM_CSR_DOUBLE ? 8 : 4;
    const ptrdiff_t first = rows->row_start ? (ptrdiff_t)rows->row_start[i] : i * rows->n_features;
    const char *values = (const char *)rows->values + (rows->alike ? 0 : first * size);
    for (int line = 0; line < 8; ++line)
        SSVM_PREFETCH(values + 64 * line);
    if (rows->columns)
        for (int line = 0; line < 4; ++line)
            SSVM_PREFETCH((const char *)(rows->columns + first) + 64 * line);
}

#endif
