/* Sparse rows times weights that grow: dense rows for frequent columns, pairs of the others.
 *
 * The first n_dense columns have a row of `stride` weights each. Each other column has a list of slots,
 * one for each label that has a weight with it; weights of slots lie one after the other, so no slot
 * ever moves. A label without a slot has the weight 0.
 *
 * C for the clones, and because gcc vectorises the sums only with explicit vectors. */
#ifndef SSVM_GROWN_ROWS_H
#define SSVM_GROWN_ROWS_H

#include "feature_rows.h"

typedef struct {
    int32_t next; /* slot of the same column, or -1 */
    int32_t label;
} ssvm_slot;

typedef struct {
    const int64_t *row_start;
    const int32_t *columns; /* ascending, so those with dense rows come first */
    const double *values;   /* NULL: all are 1 */
    const int32_t *head;    /* first slot of each column from n_dense on, or -1 */
    const ssvm_slot *slots;
    ptrdiff_t n_dense, stride;
    ptrdiff_t first_slot; /* place of the weight of slot 0 */
    int intercept;        /* whether the row of weights after the dense ones counts for all rows */
} ssvm_grown_rows;

SSVM_INLINE void ssvm_grown_block(const int32_t *c, const double *v, ptrdiff_t n, const double *weights,
                                  ptrdiff_t stride, const double *initial, double *out,
                                  const int groups)
{
    static const double zeros[SSVM_LANES];
    ssvm_lanes sum[4];
    for (int g = 0; g < groups; ++g)
        sum[g] = SSVM_LOAD(initial ? initial + g * SSVM_LANES : zeros);
    for (ptrdiff_t e = 0; e < n; ++e) {
        const double value = v ? v[e] : 1.0;
        const double *row = weights + (ptrdiff_t)c[e] * stride;
        for (int g = 0; g < groups; ++g)
            SSVM_ADD_SCALED(sum[g], value, row + g * SSVM_LANES);
    }
    for (int g = 0; g < groups; ++g)
        SSVM_STORE(out + g * SSVM_LANES, sum[g]);
}

/* out[r, k] = scale * sum_e values[e] * weight of (columns[e], k), for n_rows rows from `first` on.
 *
 * out  OUT  (n_rows, stride) */
SSVM_CLONES SSVM_UNUSED static void ssvm_grown_scores(const ssvm_grown_rows *rows, ptrdiff_t first,
                                                      ptrdiff_t n_rows, const double *weights,
                                                      double scale, double *out)
{
    const ptrdiff_t stride = rows->stride, n_dense = rows->n_dense;
    const double *initial = rows->intercept ? weights + n_dense * stride : NULL;
    const double *of_slots = weights + rows->first_slot;
    for (ptrdiff_t r = first; r < first + n_rows; ++r, out += stride) {
        const int64_t start = rows->row_start[r];
        const int32_t *c = rows->columns + start;
        const double *v = rows->values ? rows->values + start : NULL;
        const ptrdiff_t n = (ptrdiff_t)(rows->row_start[r + 1] - start);
        ptrdiff_t split = n, k = 0;
        while (split > 0 && c[split - 1] >= n_dense)
            --split;
        /* Lists are read after the dense rows, so what they begin with is there by then; their
         * heads, for the row after this one. */
        for (ptrdiff_t e = split; e < n; ++e) {
            const int32_t s = rows->head[c[e] - n_dense];
            if (s >= 0) {
                SSVM_PREFETCH(rows->slots + s);
                SSVM_PREFETCH(of_slots + s);
            }
        }
        if (r + 1 < first + n_rows)
            for (ptrdiff_t e = (ptrdiff_t)(rows->row_start[r + 2] - start) - 1;
                 e >= n && c[e] >= n_dense; --e)
                SSVM_PREFETCH(rows->head + (c[e] - n_dense));
#define SSVM_BLOCK(GROUPS)                                                                        \
    do {                                                                                          \
        if (v)                                                                                    \
            ssvm_grown_block(c, v, split, weights + k, stride, initial ? initial + k : NULL,      \
                             out + k, GROUPS);                                                    \
        else                                                                                      \
            ssvm_grown_block(c, NULL, split, weights + k, stride, initial ? initial + k : NULL,   \
                             out + k, GROUPS);                                                    \
    } while (0)
        for (; stride - k >= 4 * SSVM_LANES; k += 4 * SSVM_LANES)
            SSVM_BLOCK(4);
        if (stride - k == 3 * SSVM_LANES)
            SSVM_BLOCK(3);
        else if (stride - k == 2 * SSVM_LANES)
            SSVM_BLOCK(2);
        else if (stride - k == SSVM_LANES)
            SSVM_BLOCK(1);
#undef SSVM_BLOCK
        for (ptrdiff_t e = split; e < n; ++e)
            for (int32_t s = rows->head[c[e] - n_dense]; s >= 0; s = rows->slots[s].next)
                out[rows->slots[s].label] += (v ? v[e] : 1.0) * of_slots[s];
        if (scale != 1.0)
            for (k = 0; k < stride; ++k)
                out[k] *= scale;
    }
}

/* target of (columns[e], column) += factor * values[e], for the columns with dense rows and the
 * intercept; returns where the other columns of row r begin. */
SSVM_UNUSED static int64_t ssvm_grown_repeat(const ssvm_grown_rows *rows, ptrdiff_t r,
                                             ptrdiff_t column, double factor, double *target)
{
    int64_t e = rows->row_start[r];
    const int64_t stop = rows->row_start[r + 1];
    for (; e < stop && rows->columns[e] < rows->n_dense; ++e)
        target[rows->columns[e] * rows->stride + column] +=
            rows->values ? factor * rows->values[e] : factor;
    if (rows->intercept)
        target[rows->n_dense * rows->stride + column] += factor;
    return e;
}

/* Have the memory at hand that `ssvm_grown_repeat` will write to. */
SSVM_UNUSED static void ssvm_grown_fetch(const ssvm_grown_rows *rows, ptrdiff_t r, ptrdiff_t column,
                                         const double *target)
{
    const int64_t stop = rows->row_start[r + 1];
    for (int64_t e = rows->row_start[r]; e < stop && rows->columns[e] < rows->n_dense; ++e)
        SSVM_PREFETCH(target + rows->columns[e] * rows->stride + column);
}

#endif
