/* The k-th largest of n numbers, without moving or copying them.
 *
 * Doubles are in the order of their bits, read as integers with the magnitude of negative ones turned
 * around. The search halves a range of these integers and counts the numbers above its middle: 64 counts
 * at most, some 10 + log2(n) where no two numbers are alike, each one comparison and one addition per
 * number, so many at once as the CPU can. */
#ifndef SSVM_SUBSET_H
#define SSVM_SUBSET_H

#include <math.h>
#include <string.h>

#include "../linalg/clones.h"

SSVM_INLINE double ssvm_of_order(int64_t order)
{
    double number;
    order ^= (order >> 63) & INT64_MAX;
    memcpy(&number, &order, sizeof(number));
    return number;
}

SSVM_INLINE int64_t ssvm_order(double number)
{
    int64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return bits ^ ((bits >> 63) & INT64_MAX);
}

SSVM_CLONES static int64_t ssvm_count_from(const double *restrict number, int64_t n, double least)
{
    int64_t count[SSVM_LANES] = {0}, total = 0, p = 0;
    for (; p + SSVM_LANES <= n; p += SSVM_LANES)
        for (int k = 0; k < SSVM_LANES; ++k)
            count[k] += number[p + k] >= least;
    for (; p < n; ++p)
        count[0] += number[p] >= least;
    for (int k = 0; k < SSVM_LANES; ++k)
        total += count[k];
    return total;
}

/* The k-th largest number, or a number between it and the next: fewer than k are above it.
 *
 * 1 <= k <= n. n_from OUT: how many are at it or above, k or more; or, where that is less than k, how
 * many are at `floor` or above, which is returned. */
static double ssvm_kth_largest(const double *number, int64_t n, int64_t k, double floor,
                               int64_t *n_from)
{
    int64_t low = ssvm_order(floor), high = ssvm_order(INFINITY) + 1;
    *n_from = ssvm_count_from(number, n, floor);
    /* n_from are at `low` or above, fewer than k at `high` or above. */
    while (*n_from > k && (uint64_t)high - (uint64_t)low > 1) {
        const int64_t middle = low + (int64_t)(((uint64_t)high - (uint64_t)low) / 2);
        const int64_t count = ssvm_count_from(number, n, ssvm_of_order(middle));
        if (count >= k) {
            low = middle;
            *n_from = count;
        } else {
            high = middle;
        }
    }
    return ssvm_of_order(low);
}

/* The positions of all numbers above `least` and of the first `n_equal` that equal it, ascending; returns
 * how many they are. */
SSVM_CLONES static int64_t ssvm_positions(const double *restrict number, int64_t n, double least,
                                          int64_t n_equal, int32_t *restrict found)
{
    enum { BLOCK = 4 * SSVM_LANES };
    int64_t n_found = 0;
    for (int64_t first = 0; first < n; first += BLOCK) {
        const int64_t end = first + BLOCK < n ? first + BLOCK : n;
        if (end == first + BLOCK) {
            int64_t any = 0;
            for (int k = 0; k < BLOCK; ++k)
                any |= number[first + k] >= least;
            if (!any)
                continue;
        }
        for (int64_t p = first; p < end; ++p)
            if (number[p] > least || (number[p] == least && n_equal-- > 0))
                found[n_found++] = (int32_t)p;
    }
    return n_found;
}

/* The k greatest numbers from `floor` up, or all if they are fewer; of equal ones the first. */
static int64_t ssvm_best_items(const double *number, int64_t n, int64_t k, double floor,
                               int32_t *found)
{
    int64_t n_from, n_equal = n;
    if (k == 0 || n == 0)
        return 0;
    const double least = ssvm_kth_largest(number, n, k, floor, &n_from);
    if (n_from > k) {
        const int64_t above = ssvm_count_from(number, n, ssvm_of_order(ssvm_order(least) + 1));
        n_equal = k - above;
    }
    return ssvm_positions(number, n, least, n_equal, found);
}

#endif
