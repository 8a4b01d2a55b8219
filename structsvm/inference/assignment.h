/* The rectangular assignment problem by shortest augmenting paths.
 *
 * Every row gets a column of its own so that the sum of scores is greatest, n_rows <= n_columns. Columns
 * have prices, and a row would gain score - price by a column: rows sit where they gain most, and columns
 * that nobody sits on cost nothing, which proves the sum to be the greatest. Rows without a column first
 * bid for them, as in an auction, for at most SSVM_BIDS bids a row. What is left is settled row by row, by
 * Dijkstra's method from the row to a column that nobody sits on.
 *
 * The method keeps no predecessors: the way back looks for the row whose sum has the same bits. The inner
 * loop over columns is two additions and two comparisons, and no branch. */
#ifndef SSVM_ASSIGNMENT_H
#define SSVM_ASSIGNMENT_H

#include <math.h>

#include "../linalg/clones.h"

enum { SSVM_NOBODY = -1, SSVM_BIDS = 2 };

typedef struct {
    double *price;         /* (n_columns,) */
    double *open;          /* (n_columns,) the price, or infinity where the search is done */
    double *gain;          /* (n_columns,) of the best way to each open column, from 0 down */
    double *gain_at;       /* (n_rows,) of the way to each scanned column */
    double *offset;        /* (n_rows,) of each row that was scanned from */
    int32_t *from;         /* (n_rows,) these rows, in order; the first is the one without a column */
    int32_t *scanned;      /* (n_rows,) columns, in the order in which the search is done with them */
    int32_t *waiting;      /* (n_rows,) rows without a column */
    int32_t *column_of;    /* (n_rows,) OUT */
    int32_t *row_of;       /* (n_columns,) OUT */
    int64_t n_scanned;     /* OUT if there is no assignment: see below */
} ssvm_assignment;

/* Bytes of the arrays for so many rows and columns. */
static int64_t ssvm_assignment_bytes(int64_t n_rows, int64_t n_columns)
{
    return 8 * (3 * n_columns + 2 * n_rows) + 4 * (4 * n_rows + n_columns);
}

/* Lay out the arrays in memory aligned for doubles. */
static void ssvm_assignment_place(ssvm_assignment *a, char *memory, int64_t n_rows, int64_t n_columns)
{
    a->price = (double *)memory;
    a->open = a->price + n_columns;
    a->gain = a->open + n_columns;
    a->gain_at = a->gain + n_columns;
    a->offset = a->gain_at + n_rows;
    a->from = (int32_t *)(a->offset + n_rows);
    a->scanned = a->from + n_rows;
    a->waiting = a->scanned + n_rows;
    a->column_of = a->waiting + n_rows;
    a->row_of = a->column_of + n_rows;
}

/* gain[j] = max(gain[j], score[j] - open[j] + offset); returns the greatest. */
SSVM_CLONES static double ssvm_assignment_scan(const double *restrict score,
                                               const double *restrict open, double *restrict gain,
                                               double offset, int64_t n_columns)
{
    double best[SSVM_LANES];
    int64_t j = 0;
    for (int k = 0; k < SSVM_LANES; ++k)
        best[k] = -INFINITY;
    for (; j + SSVM_LANES <= n_columns; j += SSVM_LANES)
        for (int k = 0; k < SSVM_LANES; ++k) {
            const double way = score[j + k] - open[j + k] + offset;
            const double most = way > gain[j + k] ? way : gain[j + k];
            gain[j + k] = most;
            best[k] = most > best[k] ? most : best[k];
        }
    for (; j < n_columns; ++j) {
        const double way = score[j] - open[j] + offset;
        if (way > gain[j])
            gain[j] = way;
        if (gain[j] > best[0])
            best[0] = gain[j];
    }
    for (int k = 1; k < SSVM_LANES; ++k)
        if (best[k] > best[0])
            best[0] = best[k];
    return best[0];
}

/* The first of the columns with this gain that nobody sits on, or else the first of all. */
SSVM_CLONES static int32_t ssvm_assignment_find(const double *restrict gain, double best,
                                                const int32_t *restrict row_of, int64_t n_columns)
{
    enum { BLOCK = 4 * SSVM_LANES };
    int32_t found = SSVM_NOBODY;
    for (int64_t j = 0; j < n_columns; j += BLOCK) {
        const int64_t end = j + BLOCK < n_columns ? j + BLOCK : n_columns;
        if (end == j + BLOCK) {
            int64_t any = 0;
            for (int k = 0; k < BLOCK; ++k)
                any |= gain[j + k] == best;
            if (!any)
                continue;
        }
        for (int64_t k = j; k < end; ++k)
            if (gain[k] == best) {
                if (row_of[k] == SSVM_NOBODY)
                    return (int32_t)k;
                if (found == SSVM_NOBODY)
                    found = (int32_t)k;
            }
    }
    return found;
}

/* gain[j] = score[j] - price[j], and the two greatest of them. */
SSVM_CLONES static void ssvm_assignment_two(const double *restrict score,
                                            const double *restrict price, double *restrict gain,
                                            int64_t n_columns, double *top, double *second)
{
    double first[SSVM_LANES], next[SSVM_LANES];
    int64_t j = 0;
    for (int k = 0; k < SSVM_LANES; ++k)
        first[k] = next[k] = -INFINITY;
    for (; j + SSVM_LANES <= n_columns; j += SSVM_LANES)
        for (int k = 0; k < SSVM_LANES; ++k) {
            const double own = score[j + k] - price[j + k];
            const double lower = own > first[k] ? first[k] : own;
            gain[j + k] = own;
            first[k] = own > first[k] ? own : first[k];
            next[k] = lower > next[k] ? lower : next[k];
        }
    for (int k = 0; j < n_columns; ++j, ++k) {
        const double own = score[j] - price[j];
        const double lower = own > first[k] ? first[k] : own;
        gain[j] = own;
        first[k] = own > first[k] ? own : first[k];
        next[k] = lower > next[k] ? lower : next[k];
    }
    *top = first[0];
    *second = next[0];
    for (int k = 1; k < SSVM_LANES; ++k) {
        const double lower = first[k] > *top ? *top : first[k];
        *top = first[k] > *top ? first[k] : *top;
        *second = lower > *second ? lower : *second;
        *second = next[k] > *second ? next[k] : *second;
    }
}

/* Rows bid for the columns where they gain most, and raise the price by what they gain over the next
 * best. Returns the number of rows in `waiting`: those without a column. */
static int64_t ssvm_assignment_bid(ssvm_assignment *a, const double *score, int64_t n_rows,
                                   int64_t n_columns)
{
    int64_t n_waiting = 0, bids_left = SSVM_BIDS * n_rows;
    for (int64_t row = 0; row < n_rows; ++row) {
        int32_t bidder = (int32_t)row;
        while (bidder != SSVM_NOBODY) {
            const double *own = score + bidder * n_columns;
            double top = -INFINITY, second = -INFINITY;
            int32_t at = SSVM_NOBODY;
            if (bids_left-- > 0) {
                ssvm_assignment_two(own, a->price, a->gain, n_columns, &top, &second);
                at = ssvm_assignment_find(a->gain, top, a->row_of, n_columns);
            }
            /* Not if there is no next best, nor if the price is too large to move. */
            const double price = at == SSVM_NOBODY ? 0.0 : a->price[at] + (top - second);
            const int moves = at != SSVM_NOBODY && second > -INFINITY && price > a->price[at];
            if (top == -INFINITY || at == SSVM_NOBODY
                || (a->row_of[at] != SSVM_NOBODY && !moves)) {
                a->waiting[n_waiting++] = bidder;
                break;
            }
            if (moves)
                a->price[at] = price;
            const int32_t next = a->row_of[at];
            a->row_of[at] = bidder;
            a->column_of[bidder] = at;
            bidder = next;
        }
    }
    return n_waiting;
}

/* Find a column for a row, where other rows may have to move; returns whether there is one. */
static int ssvm_assignment_settle(ssvm_assignment *a, const double *score, int64_t n_columns,
                                  int32_t row)
{
    double *const open = a->open, *const gain = a->gain;
    double best;
    int32_t at, i = row;
    int64_t n = 0; /* columns that the search is done with */
    for (int64_t j = 0; j < n_columns; ++j) {
        open[j] = a->price[j];
        gain[j] = -INFINITY;
    }
    a->offset[0] = 0.0;
    for (;;) {
        a->from[n] = i;
        best = ssvm_assignment_scan(score + i * n_columns, open, gain, a->offset[n], n_columns);
        a->n_scanned = n;
        if (best == -INFINITY)
            return 0;
        at = ssvm_assignment_find(gain, best, a->row_of, n_columns);
        if (a->row_of[at] == SSVM_NOBODY)
            break;
        a->scanned[n] = at;
        a->gain_at[n] = best;
        i = a->row_of[at];
        ++n;
        a->offset[n] = best - (score[i * n_columns + at] - open[at]);
        open[at] = INFINITY;
        gain[at] = -INFINITY;
    }
    /* Back from there: from[k], the row that sat on scanned[k - 1], moves to the column. */
    double reached = best;
    for (int64_t k = n + 1; k > 0; at = a->scanned[k - 1], reached = a->gain_at[k - 1]) {
        const int64_t last = k;
        for (k = 0; k < last; ++k) {
            const double way = score[a->from[k] * n_columns + at] - a->price[at] + a->offset[k];
            if (way == reached)
                break;
        }
        a->row_of[at] = a->from[k];
        a->column_of[a->from[k]] = at;
        if (k == 0)
            break;
    }
    for (int64_t k = 0; k < n; ++k)
        a->price[a->scanned[k]] += a->gain_at[k] - best;
    return 1;
}

/* The assignment with the greatest sum of scores.
 *
 * score IN (n_rows, n_columns), n_rows <= n_columns, -infinity where forbidden. Returns 0, or the number
 * of rows, from[0], from[1], ..., that have only n_scanned columns, scanned[0], ..., for all of them. */
static int64_t ssvm_assign(ssvm_assignment *a, const double *score, int64_t n_rows,
                           int64_t n_columns)
{
    for (int64_t i = 0; i < n_rows; ++i)
        a->column_of[i] = SSVM_NOBODY;
    for (int64_t j = 0; j < n_columns; ++j) {
        a->row_of[j] = SSVM_NOBODY;
        a->price[j] = 0.0;
    }
    const int64_t n_waiting = ssvm_assignment_bid(a, score, n_rows, n_columns);
    for (int64_t k = 0; k < n_waiting; ++k)
        if (!ssvm_assignment_settle(a, score, n_columns, a->waiting[k]))
            return a->n_scanned + 1;
    return 0;
}

#endif
