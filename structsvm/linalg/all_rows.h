/* Scores of all rows at once, fast where the weight matrix has up to three columns.
 *
 * C for the reasons given in feature_rows.h. There the lanes hold columns of the matrix. With so few
 * columns it is faster if they hold features of the row, so each column is copied, a piece at a time. */
#ifndef SSVM_ALL_ROWS_H
#define SSVM_ALL_ROWS_H

#include "feature_rows.h"

enum { SSVM_MOST_COLUMNS = 3, SSVM_PIECE = 64 };

#if defined(__GNUC__)
typedef double ssvm_features __attribute__((vector_size(64), aligned(8), may_alias));
typedef float ssvm_float_lanes __attribute__((vector_size(32), aligned(4), may_alias));
#define SSVM_WIDEN_double(address) (*(const ssvm_features *)(address))
#define SSVM_WIDEN_float(address)                                                                 \
    __builtin_convertvector(*(const ssvm_float_lanes *)(address), ssvm_features)

/* out[i, k] += scale * sum_j x[i, j] W[j, k] for features first, ..., first + n - 1 of `row_size`. */
#define SSVM_DEFINE_PIECE_SCORES(REAL)                                                            \
    SSVM_INLINE void ssvm_piece_scores_##REAL(const REAL *x, ptrdiff_t n_rows, ptrdiff_t row_size,\
                                              ptrdiff_t n, const double *w, double scale,         \
                                              double *out, const int width)                       \
    {                                                                                             \
        double column[SSVM_MOST_COLUMNS][SSVM_PIECE];                                             \
        for (int k = 0; k < width; ++k)                                                           \
            for (ptrdiff_t j = 0; j < n; ++j)                                                     \
                column[k][j] = scale * w[j * width + k];                                          \
        for (ptrdiff_t i = 0; i < n_rows; ++i, x += row_size) {                                   \
            ssvm_features sum[SSVM_MOST_COLUMNS] = {{0.0}};                                       \
            ptrdiff_t j = 0;                                                                      \
            for (; j + SSVM_LANES <= n; j += SSVM_LANES) {                                        \
                const ssvm_features values = SSVM_WIDEN_##REAL(x + j);                            \
                for (int k = 0; k < width; ++k)                                                   \
                    sum[k] += values * *(const ssvm_features *)&column[k][j];                     \
            }                                                                                     \
            for (int k = 0; k < width; ++k) {                                                     \
                double total = 0.0;                                                               \
                for (ptrdiff_t rest = j; rest < n; ++rest)                                        \
                    total += (double)x[rest] * column[k][rest];                                   \
                if (j)                                                                            \
                    total += ((sum[k][0] + sum[k][4]) + (sum[k][2] + sum[k][6]))                  \
                             + ((sum[k][1] + sum[k][5]) + (sum[k][3] + sum[k][7]));               \
                out[i * width + k] += total;                                                      \
            }                                                                                     \
        }                                                                                         \
    }
SSVM_DEFINE_PIECE_SCORES(double)
SSVM_DEFINE_PIECE_SCORES(float)

#define SSVM_DEFINE_NARROW_SCORES(REAL)                                                           \
    SSVM_INLINE void ssvm_narrow_scores_##REAL(const REAL *x, ptrdiff_t n_rows, ptrdiff_t n,      \
                                               const double *w, double scale, double *out,        \
                                               const int width)                                   \
    {                                                                                             \
        if (n == 1 && width == 1) {                                                               \
            const double weight = scale * w[0];                                                   \
            for (ptrdiff_t i = 0; i < n_rows; ++i)                                                \
                out[i] += (double)x[i] * weight;                                                  \
            return;                                                                               \
        }                                                                                         \
        for (ptrdiff_t first = 0; first < n; first += SSVM_PIECE)                                 \
            ssvm_piece_scores_##REAL(x + first, n_rows, n,                                        \
                                     n - first < SSVM_PIECE ? n - first : SSVM_PIECE,             \
                                     w + first * width, scale, out, width);                       \
    }
SSVM_DEFINE_NARROW_SCORES(double)
SSVM_DEFINE_NARROW_SCORES(float)
#endif

/* out[i, k] = scale * <x_i, W[:, k]> for i < n_rows and k < width. Like ssvm_feature_scores it may write
 * beyond the last row, up to a whole group of lanes. */
SSVM_CLONES SSVM_UNUSED static void ssvm_all_feature_scores(const ssvm_feature_rows *rows,
                                                            ptrdiff_t n_rows, const double *w,
                                                            ptrdiff_t width, double scale,
                                                            double *out)
{
#if defined(__GNUC__)
    const ptrdiff_t n = rows->n_features;
    if (width <= SSVM_MOST_COLUMNS
        && (rows->kind == SSVM_DENSE_DOUBLE || rows->kind == SSVM_DENSE_FLOAT)) {
        for (ptrdiff_t k = 0; k < width; ++k) {
            /* Without an intercept W has no row for it. */
            const double start = rows->intercept != 0.0
                                     ? scale * (rows->intercept * w[n * width + k]) : 0.0;
            for (ptrdiff_t i = 0; i < n_rows; ++i)
                out[i * width + k] = start;
        }
#define SSVM_CALL(WIDTH)                                                                          \
    if (rows->kind == SSVM_DENSE_DOUBLE)                                                          \
        ssvm_narrow_scores_double((const double *)rows->values, n_rows, n, w, scale, out, WIDTH); \
    else                                                                                          \
        ssvm_narrow_scores_float((const float *)rows->values, n_rows, n, w, scale, out, WIDTH)
        if (width == 1) {
            SSVM_CALL(1);
        } else if (width == 2) {
            SSVM_CALL(2);
        } else {
            SSVM_CALL(3);
        }
#undef SSVM_CALL
        return;
    }
#endif
    for (ptrdiff_t i = 0; i < n_rows; ++i)
        ssvm_feature_scores(rows, i, w, width, out + i * width);
    if (scale != 1.0)
        for (ptrdiff_t k = 0; k < n_rows * width; ++k)
            out[k] *= scale;
}

/* ---- Products with X' D X, D the diagonal matrix of `factors`: what Newton's method needs of a sum
 * of losses of scores. */
#if defined(__GNUC__)
/* Dense rows go by fours: v and out are read once for all four. */
enum { SSVM_ABREAST = 4, SSVM_HALF_LANES = SSVM_LANES / 2 };

typedef float ssvm_float_half __attribute__((vector_size(16), aligned(4), may_alias));
#define SSVM_HALF_double(address) SSVM_HALF(address)
#define SSVM_HALF_float(address)                                                                  \
    __builtin_convertvector(*(const ssvm_float_half *)(address), ssvm_half)

#define SSVM_DEFINE_DENSE_CURVATURE(REAL)                                                         \
    SSVM_INLINE void ssvm_abreast_##REAL(const REAL *const *x, const double *factors, ptrdiff_t n,\
                                         double intercept, const double *v, double *out)          \
    {                                                                                             \
        static const double zeros[SSVM_LANES];                                                    \
        double factor[SSVM_ABREAST];                                                              \
        ssvm_lanes sum[SSVM_ABREAST];                                                             \
        ptrdiff_t j = 0;                                                                          \
        for (int r = 0; r < SSVM_ABREAST; ++r)                                                    \
            sum[r] = SSVM_LOAD(zeros);                                                            \
        for (; j + SSVM_LANES <= n; j += SSVM_LANES)                                              \
            for (int r = 0; r < SSVM_ABREAST; ++r) {                                              \
                sum[r].half[0] += SSVM_HALF_##REAL(x[r] + j) * SSVM_HALF(v + j);                  \
                sum[r].half[1] += SSVM_HALF_##REAL(x[r] + j + SSVM_HALF_LANES)                    \
                                  * SSVM_HALF(v + j + SSVM_HALF_LANES);                           \
            }                                                                                     \
        for (int r = 0; r < SSVM_ABREAST; ++r) {                                                  \
            const ssvm_half four = sum[r].half[0] + sum[r].half[1];                               \
            double total = (four[0] + four[2]) + (four[1] + four[3]);                             \
            for (ptrdiff_t rest = j; rest < n; ++rest)                                            \
                total += (double)x[r][rest] * v[rest];                                            \
            if (intercept != 0.0)                                                                 \
                total += intercept * v[n];                                                        \
            factor[r] = factors[r] * total;                                                       \
        }                                                                                         \
        for (j = 0; j + SSVM_HALF_LANES <= n; j += SSVM_HALF_LANES)                               \
            *(ssvm_half *)(out + j) += (factor[0] * SSVM_HALF_##REAL(x[0] + j)                    \
                                        + factor[1] * SSVM_HALF_##REAL(x[1] + j))                 \
                                       + (factor[2] * SSVM_HALF_##REAL(x[2] + j)                  \
                                          + factor[3] * SSVM_HALF_##REAL(x[3] + j));              \
        for (; j < n; ++j)                                                                        \
            out[j] += (factor[0] * (double)x[0][j] + factor[1] * (double)x[1][j])                 \
                      + (factor[2] * (double)x[2][j] + factor[3] * (double)x[3][j]);              \
        if (intercept != 0.0)                                                                     \
            out[n] += intercept * ((factor[0] + factor[1]) + (factor[2] + factor[3]));            \
    }                                                                                             \
    SSVM_INLINE void ssvm_dense_curvature_##REAL(const ssvm_feature_rows *rows, ptrdiff_t n_rows, \
                                                 const double *factors, const double *v,          \
                                                 double *out)                                     \
    {                                                                                             \
        const ptrdiff_t n = rows->n_features;                                                     \
        const REAL *x[SSVM_ABREAST];                                                              \
        double factor[SSVM_ABREAST];                                                              \
        int held = 0;                                                                             \
        for (ptrdiff_t i = 0; i < n_rows; ++i) {                                                  \
            if (factors[i] == 0.0)                                                                \
                continue;                                                                         \
            x[held] = (const REAL *)rows->values + i * n;                                         \
            factor[held++] = factors[i];                                                          \
            if (held == SSVM_ABREAST) {                                                           \
                ssvm_abreast_##REAL(x, factor, n, rows->intercept, v, out);                       \
                held = 0;                                                                         \
            }                                                                                     \
        }                                                                                         \
        if (held) {                                                                               \
            for (; held < SSVM_ABREAST; ++held) {                                                 \
                x[held] = x[0];                                                                   \
                factor[held] = 0.0;                                                               \
            }                                                                                     \
            ssvm_abreast_##REAL(x, factor, n, rows->intercept, v, out);                           \
        }                                                                                         \
    }
SSVM_DEFINE_DENSE_CURVATURE(double)
SSVM_DEFINE_DENSE_CURVATURE(float)
#endif

/* out += sum_i factors[i] x_i <x_i, v>; rows whose factor is zero cost nothing. */
SSVM_CLONES SSVM_UNUSED static void ssvm_add_curvature(const ssvm_feature_rows *rows,
                                                       ptrdiff_t n_rows, const double *factors,
                                                       const double *v, double *out)
{
    const ptrdiff_t last = rows->n_features;
#if defined(__GNUC__)
    if (rows->kind == SSVM_DENSE_DOUBLE) {
        ssvm_dense_curvature_double(rows, n_rows, factors, v, out);
        return;
    }
    if (rows->kind == SSVM_DENSE_FLOAT) {
        ssvm_dense_curvature_float(rows, n_rows, factors, v, out);
        return;
    }
#endif
    for (ptrdiff_t i = 0; i < n_rows; ++i) {
        double factor = factors[i];
        if (factor == 0.0)
            continue;
#define SSVM_CALL(REAL, SPARSE)                                                                   \
    do {                                                                                          \
        const int32_t *c = SSVM_COLUMNS(rows, i, SPARSE);                                         \
        double score = ssvm_row_dot_##REAL(x, c, n, v, SPARSE);                                   \
        if (rows->intercept != 0.0)                                                               \
            score += rows->intercept * v[last];                                                   \
        factor *= score;                                                                          \
        for (ptrdiff_t e = 0; e < n; ++e)                                                         \
            out[SPARSE ? (ptrdiff_t)c[e] : e] += factor * (double)x[e];                           \
    } while (0)
        SSVM_ON_ROW(rows, i, SSVM_CALL)
#undef SSVM_CALL
        if (rows->intercept != 0.0)
            out[last] += rows->intercept * factor;
    }
}

/* out[j] += sum_i factors[i] x[i, j]^2, the diagonal of that matrix */
SSVM_CLONES SSVM_UNUSED static void ssvm_add_squares(const ssvm_feature_rows *rows,
                                                     ptrdiff_t n_rows, const double *factors,
                                                     double *out)
{
    for (ptrdiff_t i = 0; i < n_rows; ++i) {
        const double factor = factors[i];
        if (factor == 0.0)
            continue;
#define SSVM_CALL(REAL, SPARSE)                                                                   \
    do {                                                                                          \
        const int32_t *c = SSVM_COLUMNS(rows, i, SPARSE);                                         \
        for (ptrdiff_t e = 0; e < n; ++e)                                                         \
            out[SPARSE ? (ptrdiff_t)c[e] : e] += factor * ((double)x[e] * (double)x[e]);          \
    } while (0)
        SSVM_ON_ROW(rows, i, SSVM_CALL)
#undef SSVM_CALL
        if (rows->intercept != 0.0)
            out[rows->n_features] += factor * (rows->intercept * rows->intercept);
    }
}

#endif
