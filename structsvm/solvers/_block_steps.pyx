"""Steps on the dual problem of one example; see ``_block_steps.pxd``.

Design: a visit rescores the planes by one sparse dot product each. All steps on the block's small
problem use the Gram matrix, and the weights are updated once at the end. Nothing costs
O(n_weights).

Sources: Lacoste-Julien, Jaggi, Schmidt, Pletscher (2013), Block-coordinate Frank-Wolfe
optimization for structural SVMs; Shah, Kolmogorov, Lampert (2015), A multi-plane block-coordinate
Frank-Wolfe algorithm, doi:10.1109/CVPR.2015.7298890; Chang and Yih (2013), Dual coordinate descent
algorithms for efficient large margin structured prediction, doi:10.1162/tacl_a_00221.
"""

import numpy as np

from libc.math cimport INFINITY
from libc.stdlib cimport free, realloc

from structsvm._typedefs cimport index_t
from structsvm.solvers._averaged_point cimport AveragedPoint
from structsvm.solvers._plane_store cimport (
    TRUTH, Block, PlaneStore, current_height, gram_at, height_at, highest, rounding_of_heights,
)

cdef enum:
    MAX_STEPS = 5    # pairwise steps a visit

# Two heights closer than this, relative to their terms, are equal up to rounding.
cdef double SAME_HEIGHT = 1e-12
# A block's problem is solved to this share of the gap at the start of the visit.
cdef double BLOCK_TOLERANCE = 0.1


cdef class BlockSteps:
    """Visits of blocks that need no oracle; subclasses define the step.

    Parameters
    ----------
    store : PlaneStore
    point : AveragedPoint
        The point of the same problem; it moves with the dual weights in the store.

    Attributes
    ----------
    gaps : ndarray of shape (n_examples,)
        The gap of each block at its last visit.
    """

    def __init__(self, PlaneStore store, AveragedPoint point):
        if (store.n_examples, store.n_weights) != (point.n_examples, len(point.weights)):
            raise ValueError(
                f"the point has {point.n_examples} examples and {len(point.weights)} weights, "
                f"expected {store.n_examples} and {store.n_weights} as the store has"
            )
        self.store = store
        self.point = point
        self.gaps = self._gaps = np.zeros(store.n_examples)

    cdef int improve(self, Py_ssize_t i, double gap) except -1 nogil:
        """Visit block i; its heights must be at the present weights."""
        self._gaps[i] = gap
        self.step(i, gap)
        self.point.end_update()
        return 0

    cdef int step(self, Py_ssize_t i, double gap) except -1 nogil:
        return 0

    def cached_pass(self, const index_t[::1] order, double skip_below=-INFINITY):
        """Visit blocks, except those without planes or whose last gap is below `skip_below`.

        Returns
        -------
        gap : float
            Mean over the visited blocks of the gap among stored planes.
        """
        cdef double gap_sum = 0.0
        cdef Py_ssize_t n_visited = 0
        if order.shape[0]:
            with nogil:
                self.visit_some(&order[0], order.shape[0], skip_below, &gap_sum, &n_visited)
        return gap_sum / max(n_visited, 1)

    cdef int visit_some(
        self, const index_t* order, Py_ssize_t n, double skip_below, double* gap_sum,
        Py_ssize_t* n_visited,
    ) except -1 nogil:
        """`cached_pass` over n blocks; the sum of their gaps and their number are added."""
        cdef Py_ssize_t k, i
        cdef double gap
        cdef const Block* b
        cdef const double* w = &self.point._weights[0]
        for k in range(n):
            i = order[k]
            b = &self.store.blocks[i]
            if b.size == 0 or self._gaps[i] < skip_below:
                continue
            gap = height_at(b, self.store.rescore(i, w)) - current_height(b)
            gap_sum[0] += gap
            n_visited[0] += 1
            self.improve(i, gap)
        return 0


cdef class PairwiseSteps(BlockSteps):
    """Move weight from the lowest plane in use to the highest plane, up to five times (SMO)."""

    def __cinit__(self):
        self.change = NULL

    def __dealloc__(self):
        free(self.change)

    cdef int step(self, Py_ssize_t i, double gap) except -1 nogil:
        """Each step is an exact line search on the dual; heights follow from the Gram matrix."""
        cdef Block* b = &self.store.blocks[i]
        cdef double tolerance = BLOCK_TOLERANCE * gap
        cdef double curvature = self.point.curvature()
        cdef double margin, current, share, low_height, distance, before
        cdef int up, low, p, _step
        cdef double* change
        if not gap > 0.0:
            return 0
        # A line search leaves its two planes at equal heights up to rounding; without a margin the
        # next choice between them would be noise.
        margin = SAME_HEIGHT * rounding_of_heights(b)
        current = current_height(b)
        if b.size > self.change_capacity:
            change = <double*> realloc(self.change, 2 * b.size * sizeof(double))
            if change == NULL:
                with gil:
                    raise MemoryError(f"no memory for {b.size} planes of one example")
            self.change = change
            self.change_capacity = 2 * b.size
        change = self.change
        for p in range(b.size):
            change[p] = 0.0
        for _step in range(MAX_STEPS):
            up = highest(b, margin)
            if height_at(b, up) - current <= tolerance:
                break
            low = TRUTH
            low_height = 0.0
            share = b.truth_weight
            for p in range(b.size):
                if b.planes[p].weight > 0.0 and (
                    share == 0.0 or b.planes[p].height < low_height - margin
                ):
                    low = p
                    low_height = b.planes[p].height
                    share = b.planes[p].weight
            distance = curvature * (
                gram_at(b, up, up) + gram_at(b, low, low) - 2.0 * gram_at(b, up, low)
            )
            before = share
            if height_at(b, up) - low_height < share * distance:
                share = (height_at(b, up) - low_height) / distance
            # `before - share` is exactly 0 when all of it moves.
            if low == TRUTH:
                b.truth_weight = before - share
            else:
                b.planes[low].weight = before - share
                change[low] -= share
            if up == TRUTH:
                b.truth_weight += share
            else:
                b.planes[up].weight += share
                change[up] += share
            for p in range(b.size):
                b.planes[p].height -= (
                    share * curvature * (gram_at(b, up, p) - gram_at(b, low, p))
                )
            current = current_height(b)
        self.point.move_all(self.store, i, change)
        return 0


cdef class FrankWolfeSteps(BlockSteps):
    """Move the mixture, plane 0 of a `mixed` store, towards the highest plane.

    This is the step of BCFW and, with stored planes, of MP-BCFW.
    """

    def __init__(self, PlaneStore store, AveragedPoint point):
        if not store.mixed:
            raise ValueError("Frank-Wolfe steps need a store that is mixed")
        super().__init__(store, point)

    cdef int step(self, Py_ssize_t i, double gap) except -1 nogil:
        cdef const Block* b = &self.store.blocks[i]
        cdef int up
        cdef double gain, distance, share
        if b.size == 0:
            return 0
        up = highest(b, 0.0)
        gain = height_at(b, up) - b.planes[0].height
        if up == 0 or not gain > 0.0:
            return 0
        distance = (
            gram_at(b, up, up) + gram_at(b, 0, 0) - 2.0 * gram_at(b, up, 0)
        ) / (self.point.regularization * self.point.n_examples)
        share = gain / distance if gain < distance else 1.0
        self.point.move(self.store, i, 0, -share)
        if up != TRUTH:
            self.point.move(self.store, i, up, share)
        return self.store.mix(i, up, share)
