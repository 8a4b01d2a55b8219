/* Sparse rows times a matrix with few columns: the scores of all positions of a chain. */
#ifndef SSVM_ROWS_H
#define SSVM_ROWS_H

#include "clones.h"

/* One group of lanes. Without these types gcc vectorises the loop over the non-zeros, with gathers. They
 * need not be aligned. Two halves, because gcc 12 moves vectors wider than the registers through
 * memory. */
#if defined(__GNUC__)
typedef double ssvm_half __attribute__((vector_size(32), aligned(8), may_alias));
typedef struct { ssvm_half half[2]; } ssvm_lanes;
#define SSVM_HALF(address) (*(const ssvm_half *)(address))
SSVM_INLINE ssvm_lanes ssvm_load(const double *address)
{
    const ssvm_lanes lanes = {{SSVM_HALF(address), SSVM_HALF(address + SSVM_LANES / 2)}};
    return lanes;
}
#define SSVM_LOAD(address) ssvm_load(address)
#define SSVM_STORE(address, lanes)                                                                \
    (*(ssvm_half *)(address) = (lanes).half[0],                                                   \
     *(ssvm_half *)((address) + SSVM_LANES / 2) = (lanes).half[1])
#define SSVM_ADD_SCALED(sum, factor, address)                                                     \
    ((sum).half[0] += (factor) * SSVM_HALF(address),                                              \
     (sum).half[1] += (factor) * SSVM_HALF((address) + SSVM_LANES / 2))
#define SSVM_SCALE(sum, factor) ((sum).half[0] *= (factor), (sum).half[1] *= (factor))
#else
typedef struct { double lane[SSVM_LANES]; } ssvm_lanes;
#define SSVM_LOAD(address) (*(const ssvm_lanes *)(address))
#define SSVM_STORE(address, lanes) (*(ssvm_lanes *)(address) = (lanes))
#define SSVM_ADD_SCALED(sum, factor, address)                                                     \
    for (int l = 0; l < SSVM_LANES; ++l)                                                          \
    (sum).lane[l] += (factor) * (address)[l]
#define SSVM_SCALE(sum, factor)                                                                   \
    for (int l = 0; l < SSVM_LANES; ++l)                                                          \
    (sum).lane[l] *= (factor)
#endif

/* `groups` groups of lanes of one output row; they stay in registers while the row is summed. */
SSVM_INLINE void ssvm_row_block(const int32_t *columns, const double *values, ptrdiff_t n,
                                const double *weights, ptrdiff_t row_size, const double *initial,
                                double scale, double *out, const int groups)
{
    static const double zeros[SSVM_LANES];
    ssvm_lanes sum[4];
    for (int g = 0; g < groups; ++g)
        sum[g] = SSVM_LOAD(initial ? initial + g * SSVM_LANES : zeros);
    for (ptrdiff_t e = 0; e < n; ++e) {
        const double value = values[e];
        const double *row = weights + (ptrdiff_t)columns[e] * row_size;
        for (int g = 0; g < groups; ++g)
            SSVM_ADD_SCALED(sum[g], value, row + g * SSVM_LANES);
    }
    for (int g = 0; g < groups; ++g) {
        SSVM_SCALE(sum[g], scale);
        SSVM_STORE(out + g * SSVM_LANES, sum[g]);
    }
}

/* Whether n columns are all in 0 .. n_columns - 1. The arrays may be a mapped file that changes. */
SSVM_INLINE int ssvm_columns_fit(const int32_t *columns, ptrdiff_t n, ptrdiff_t n_columns)
{
    uint32_t greatest = 0; /* as unsigned numbers, negative columns are too large, too */
    for (ptrdiff_t e = 0; e < n; ++e)
        greatest = (uint32_t)columns[e] > greatest ? (uint32_t)columns[e] : greatest;
    return n <= 0 || (ptrdiff_t)greatest < n_columns;
}

/* Whether n values are finite. If one is not, no sum with it is finite, so this needs to be called only
 * if a sum is not finite. */
static int ssvm_values_are_finite(const double *values, ptrdiff_t n)
{
    for (ptrdiff_t e = 0; e < n; ++e)
        if (!(values[e] - values[e] == 0.0))
            return 0;
    return 1;
}

/* out[r, k] = scale * (initial[k] + sum_e values[e] * weights[columns[e], k]), e over CSR row r.
 *
 * alike    IN   whether the values of each row begin at values[0]
 * weights  IN   (n_columns, row_size), readable SSVM_LANES - 1 doubles past its end: whole groups
 *               of lanes are read; the padding lanes of `out` hold no score
 * initial  IN   (row_size,) likewise, or NULL for zeros
 * out      OUT  (n_rows, stride), stride = row_size rounded up to SSVM_LANES
 *
 * Returns -1, or the first row that has a column outside of the weights or a value that is not
 * finite; rows from there on are not computed. */
SSVM_CLONES static ptrdiff_t ssvm_csr_times_rows(const int64_t *row_start, ptrdiff_t n_rows,
                                                 const int32_t *columns, const double *values,
                                                 int alike, const double *weights,
                                                 ptrdiff_t n_columns,
                                                 ptrdiff_t row_size, const double *initial,
                                                 double scale, double *out, ptrdiff_t stride)
{
    /* One check of all rows is fast; single rows are too short for it. */
    const int sound = ssvm_columns_fit(columns + row_start[0],
                                       (ptrdiff_t)(row_start[n_rows] - row_start[0]), n_columns);
    for (ptrdiff_t r = 0; r < n_rows; ++r) {
        const int32_t *c = columns + row_start[r];
        const double *v = values + (alike ? 0 : row_start[r]);
        const ptrdiff_t n = (ptrdiff_t)(row_start[r + 1] - row_start[r]);
        double *o = out + r * stride;
        ptrdiff_t k = 0;
        if (!sound && !ssvm_columns_fit(c, n, n_columns))
            return r;
#define SSVM_BLOCK(GROUPS)                                                                        \
    ssvm_row_block(c, v, n, weights + k, row_size, initial ? initial + k : NULL, scale, o + k,    \
                   GROUPS)
        for (; stride - k >= 4 * SSVM_LANES; k += 4 * SSVM_LANES)
            SSVM_BLOCK(4);
        if (stride - k == 3 * SSVM_LANES)
            SSVM_BLOCK(3);
        else if (stride - k == 2 * SSVM_LANES)
            SSVM_BLOCK(2);
        else if (stride - k == SSVM_LANES)
            SSVM_BLOCK(1);
#undef SSVM_BLOCK
        if (!(o[0] - o[0] == 0.0) && !ssvm_values_are_finite(v, n))
            return r;
    }
    return -1;
}

/* out[r, k] = scale * rows[r, k], from rows of `row_size` to rows of `stride` lanes; it reads and writes
 * whole groups of lanes. */
SSVM_CLONES static void ssvm_pad_rows(const double *rows, ptrdiff_t n_rows, ptrdiff_t row_size,
                                      double scale, double *out, ptrdiff_t stride)
{
    for (ptrdiff_t r = 0; r < n_rows; ++r)
        for (ptrdiff_t k = 0; k < stride; k += SSVM_LANES)
            for (int lane = 0; lane < SSVM_LANES; ++lane)
                out[r * stride + k + lane] = scale * rows[r * row_size + k + lane];
}

/* out[i, j] += factor * square[i, j], from rows of `size` to rows of `stride` lanes. */
SSVM_CLONES static void ssvm_add_square(const double *square, ptrdiff_t size, double factor,
                                        double *out, ptrdiff_t stride)
{
    for (ptrdiff_t i = 0; i < size; ++i)
        for (ptrdiff_t j = 0; j < size; ++j)
            out[i * stride + j] += factor * square[i * size + j];
}

#endif
