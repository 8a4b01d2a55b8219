/* Features exp(-m x) of edges, where x is a squared difference and m one of several multiples.
 *
 * C, so that compilers vectorise the loops over exponentials. Features are rounded to the precision of x,
 * as if they were stored, so a score is that of a stored row. */
#ifndef SSVM_CONTRAST_H
#define SSVM_CONTRAST_H

#include "structsvm/linalg/exponential.h"

typedef struct {
    const void *x;            /* float if `is_single`, else double */
    int is_single;
    ptrdiff_t n_columns;
    const double *multiples;  /* (n_columns,) */
    const double *divisors;   /* (n_columns,) */
    ptrdiff_t n_directions;
    const int64_t *starts;    /* (n_directions + 1,): the first edge of each direction */
    const double *distances;  /* (n_directions,): of the ends of an edge */
} ssvm_contrasts;

enum { SSVM_CONTRAST_PIECE = 256 };

SSVM_INLINE double ssvm_contrast_of(double x, double multiple, double distance, double divisor,
                                    const int is_single)
{
    const double value = ssvm_exp(-(x * multiple)) / distance;
    if (!is_single)
        return value / divisor;
    return (double)(float)((double)(float)value / divisor);
}

SSVM_UNUSED static double ssvm_contrast(const ssvm_contrasts *c, ptrdiff_t e, ptrdiff_t k,
                                        double distance)
{
    if (c->is_single)
        return ssvm_contrast_of(((const float *)c->x)[e], c->multiples[k], distance, c->divisors[k], 1);
    return ssvm_contrast_of(((const double *)c->x)[e], c->multiples[k], distance, c->divisors[k], 0);
}

#define SSVM_DEFINE_CONTRAST_SCORES(REAL, SINGLE)                                                 \
    SSVM_INLINE void ssvm_contrast_scores_##REAL(const ssvm_contrasts *c, ptrdiff_t start,        \
                                                 ptrdiff_t stop, double distance,                 \
                                                 const double *w, double scale, double initial,   \
                                                 double *out)                                     \
    {                                                                                             \
        const REAL *x = (const REAL *)c->x;                                                       \
        double total[SSVM_CONTRAST_PIECE];                                                        \
        for (ptrdiff_t first = start; first < stop; first += SSVM_CONTRAST_PIECE) {               \
            const ptrdiff_t n = stop - first < SSVM_CONTRAST_PIECE ? stop - first                 \
                                                                   : SSVM_CONTRAST_PIECE;         \
            for (ptrdiff_t j = 0; j < n; ++j)                                                     \
                total[j] = 0.0;                                                                   \
            for (ptrdiff_t k = 0; k < c->n_columns; ++k) {                                        \
                const double m = c->multiples[k], divisor = c->divisors[k];                       \
                const double weight = scale * w[k];                                               \
                if (weight == 0.0)                                                                \
                    continue;                                                                     \
                for (ptrdiff_t j = 0; j < n; ++j)                                                 \
                    total[j] += ssvm_contrast_of(x[first + j], m, distance, divisor, SINGLE)      \
                                * weight;                                                         \
            }                                                                                     \
            for (ptrdiff_t j = 0; j < n; ++j)                                                     \
                out[first + j] = initial + total[j];                                              \
        }                                                                                         \
    }
SSVM_DEFINE_CONTRAST_SCORES(float, 1)
SSVM_DEFINE_CONTRAST_SCORES(double, 0)

/* out[e] = initial + scale * sum_k feature[e, k] w[k] for start <= e < stop. */
SSVM_CLONES SSVM_UNUSED static void ssvm_contrast_scores(const ssvm_contrasts *c, ptrdiff_t start,
                                                         ptrdiff_t stop, double distance,
                                                         const double *w, double scale,
                                                         double initial, double *out)
{
    if (c->is_single)
        ssvm_contrast_scores_float(c, start, stop, distance, w, scale, initial, out);
    else
        ssvm_contrast_scores_double(c, start, stop, distance, w, scale, initial, out);
}

#endif
