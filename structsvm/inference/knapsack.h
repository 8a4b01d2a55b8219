/* One step of the recursion of a 0-1 knapsack; C for the vector instructions that make bits of comparisons,
 * which no compiler finds by itself: twice as fast. */
#ifndef SSVM_KNAPSACK_H
#define SSVM_KNAPSACK_H

#include "structsvm/linalg/clones.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* kept[room] IN is the best score of the items after this one, best[room] OUT the same with this item,
 * for the 64 rooms from `room` on; rooms below `weight` have none for it. Returns a bit for each room:
 * whether the item is taken. */
SSVM_INLINE uint64_t ssvm_knapsack_rooms(const double *kept, ptrdiff_t room, ptrdiff_t weight, double score,
                                         double *best)
{
    ptrdiff_t k = weight > room ? weight - room : 0;
    const double *without = kept + room;
    const double *rest = without - weight;
    uint64_t taken = 0;
    best += room;
#if defined(__SSE2__)
    if (k == 0) {
        const __m128d scores = _mm_set1_pd(score);
        for (; k < 64; k += 2) {
            __m128d leave = _mm_loadu_pd(without + k);
            __m128d take = _mm_add_pd(_mm_loadu_pd(rest + k), scores);
            taken |= (uint64_t) _mm_movemask_pd(_mm_cmpgt_pd(take, leave)) << k;
            _mm_storeu_pd(best + k, _mm_max_pd(take, leave));
        }
        return taken;
    }
#endif
    k = k < 64 ? k : 64;
    for (ptrdiff_t j = 0; j < k; j++)
        best[j] = without[j];
    for (; k < 64; k++) {
        double take = rest[k] + score;
        taken |= (uint64_t) (take > without[k]) << k;
        best[k] = take > without[k] ? take : without[k];
    }
    return taken;
}

#endif
