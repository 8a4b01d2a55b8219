/* Labels of segments, their tags, and where the scores of segments stand. */
#ifndef SSVM_SPAN_ROWS_H
#define SSVM_SPAN_ROWS_H

#include "../linalg/clones.h"

typedef struct {
    ptrdiff_t n_labels, stride, n_tags, tag_stride;
    ptrdiff_t longest;        /* positions of a segment */
    const int32_t *first_tag; /* (n_labels,): tag of a segment's first position */
    const int32_t *inner_tag; /* (n_labels,): tag of the others; -1: segments have one position */
    const int32_t *bin;       /* (longest,): row of length scores of a segment of l + 1 positions */
    ptrdiff_t n_bins;
} ssvm_span_labels;

/* The row of a segment of a sequence of n positions. Those of one start lie together, the shortest
 * first. */
SSVM_INLINE ptrdiff_t ssvm_span_row(ptrdiff_t n, ptrdiff_t longest, ptrdiff_t start, ptrdiff_t length)
{
    const ptrdiff_t most = longest < n ? longest : n, cut = start - (n - most);
    return start * most - (cut > 1 ? cut * (cut - 1) / 2 : 0) + length - 1;
}

/* The number of segments of a sequence. */
SSVM_INLINE ptrdiff_t ssvm_span_rows(ptrdiff_t n, ptrdiff_t longest)
{
    return ssvm_span_row(n, longest, n, 1);
}

#endif
