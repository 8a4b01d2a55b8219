"""Block-coordinate ascent on the dual of a structured SVM, one example at a time.

Design: a block keeps planes, their weights and their Gram matrix. A visit rescoring the planes
costs one sparse dot product each; every further step of the block's own small problem happens in
the Gram matrix, and the weight vector is touched once at the end. Nothing costs O(n_weights).

Two kinds of step share everything else. "pairwise" moves weight from the lowest plane in use to the
highest one (SMO; planes keep their identities). "frank_wolfe" keeps one plane with all the weight,
``cached[0]``, and moves it towards the highest one; that is BCFW, with cached planes MP-BCFW.

Sources: Lacoste-Julien, Jaggi, Schmidt, Pletscher (2013), Block-coordinate Frank-Wolfe
optimization for structural SVMs; Shah, Kolmogorov, Lampert (2015), A multi-plane block-coordinate
Frank-Wolfe algorithm, doi:10.1109/CVPR.2015.7298890; Chang and Yih (2013), Dual coordinate descent
algorithms for efficient large margin structured prediction, doi:10.1162/tacl_a_00221.
"""

import functools

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY, fabs
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from structsvm._typedefs cimport index_t, offset_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, PlaneBuilder, Weights
from structsvm.linalg._plane cimport (
    builder_add_row, builder_finish, plane_axpy, plane_free, plane_reserve, plane_size,
    plane_sqnorm, plane_value, weights_of,
)
from structsvm.problems._problem cimport Problem
from structsvm.solvers._plane_cache cimport (
    TRUTH, Block, CachedPlane, block_bytes, block_free, current_height, gram_at, grow, height_at,
    highest, insert_plane, longest_idle, remove_plane, rescore, rounding_of_heights,
)

from structsvm.exceptions import ModelFileError
from structsvm.linalg._plane import padded_vector
from structsvm.persistence.snapshots import Kind, vector

# In a snapshot: how far dual weights may be from summing to 1, and where an int may go on from.
ROUNDED = 1e-6
MOST_COUNTED = 2**30

cdef enum:
    VISITS_PER_SIGNAL_CHECK = 64
    EXAMPLES_AT_ONCE = 256    # of a pass at fixed weights, for each thread
    MAX_STEPS = 5    # pairwise steps a visit
    # Batches of an exact pass on several threads: the fewer examples, the fresher their weights.
    MOST_AT_ONCE = 16
    LEAST_BATCHES = 20

# An oracle with less declared work than this, some 100 us, costs less than sharing it.
cdef double LEAST_WORK_TO_SHARE = 1e5

# Two heights closer than this, relative to their parts, are the same plane seen twice.
cdef double SAME_HEIGHT = 1e-12
# An oracle answer this much below a known plane, relative likewise, is a wrong answer.
cdef double WORSE_HEIGHT = 1e-8
# A block's own problem is solved to this share of the gap found at the visit.
cdef double BLOCK_TOLERANCE = 0.1


cdef class DualBlocks:
    """Cached planes, dual weights and the primal point they stand for.

    The weight vector is ``center_part + sum_i sum_p alpha_ip delta_ip / (regularization * n)``;
    whoever adds a centre (a proximal term) writes it into ``weights``. Where the problem wants
    weights >= 0, each has a multiplier >= 0 that is added to it: one more block of the dual, made
    optimal after every visit, so that during a visit weights depend linearly on alpha as ever.

    Parameters
    ----------
    problem : Problem
    frank_wolfe : bool
        Frank-Wolfe steps on one plane an example instead of pairwise steps on several.
    max_planes : int
        Cached planes an example; planes in use are never dropped, even beyond this.
    drop_after : int
        A plane without weight is dropped after so many exact visits.
    average : bool
        Keep the weighted average of all iterates (weight t for the t-th block update).
    """

    def __cinit__(self):
        self.blocks = NULL
        self.change = NULL
        memset(&self.fresh, 0, sizeof(Plane))

    def __init__(
        self, Problem problem, *, bint frank_wolfe=False, int max_planes=20, int drop_after=2,
        bint average=False,
    ):
        cdef Py_ssize_t i
        self.problem = problem
        self.options = {
            "frank_wolfe": bool(frank_wolfe), "max_planes": max_planes,
            "drop_after": drop_after, "average": bool(average),
        }
        self.frank_wolfe = frank_wolfe
        self.max_planes = max_planes
        self.drop_after = drop_after
        self.n = problem.n_examples
        self.regularization = 1.0
        self.weights = padded_vector(problem.n_weights)
        self.gaps = np.zeros(self.n)
        self._weights = self.weights
        self.first_multiplied = problem.non_negative_start
        self.multipliers = np.zeros(problem.non_negative_stop - problem.non_negative_start)
        self._multipliers = self.multipliers
        self.hinges = np.zeros(self.n)
        self._gaps = self.gaps
        self._hinges = self.hinges
        self.lag = np.zeros(problem.n_weights) if average else None
        self._lag = self.lag
        self.dense = np.zeros(problem.n_weights)
        self.slot = np.full(problem.n_weights if frank_wolfe else 0, -1, dtype=np.int32)
        self.blocks = <Block*> calloc(max(self.n, 1), sizeof(Block))
        if self.blocks == NULL:
            raise MemoryError(f"no memory for {self.n} blocks")
        for i in range(self.n):
            self.blocks[i].truth_weight = 1.0
        problem.reserve(1)

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.blocks != NULL:
            for i in range(self.n):
                block_free(&self.blocks[i])
            free(self.blocks)
        plane_free(&self.fresh)
        free(self.change)

    # ------------------------------------------------------------------ planes of one block

    cdef int keep(self, Block* b, const Plane* plane, double height) except -1 nogil:
        """Keep a plane, without weight; a full block gives up one that has none either."""
        cdef int idle
        if self.max_planes and b.size >= self.max_planes:
            idle = longest_idle(b)
            if idle != TRUTH:
                self.forget(b, idle)
        insert_plane(b, plane, height, &self.dense[0])
        self.n_planes += 1
        self.n_entries += plane.nnz
        return 0

    cdef void forget(self, Block* b, int p) noexcept nogil:
        self.n_planes -= 1
        self.n_entries -= b.cached[p].plane.nnz
        remove_plane(b, p)

    cdef void age(self, Block* b, double below) noexcept nogil:
        """Drop planes lower than `below` that have been without weight for long enough."""
        cdef int p, first_dropable = 1 if self.frank_wolfe else 0
        for p in range(b.size - 1, first_dropable - 1, -1):
            if b.cached[p].weight > 0.0:
                b.cached[p].idle = 0
            else:
                b.cached[p].idle += 1
                if b.cached[p].idle >= self.drop_after and b.cached[p].height < below:
                    self.forget(b, p)

    cdef int judge(
        self, Block* b, const Plane* plane, const Weights* w, double* hinge, bint stale
    ) except -1 nogil:
        """Take the oracle's plane into the rescored block if it is higher than all known ones.

        An oracle that returns less than what is known already is overruled and counted, unless it
        answered for older weights.
        """
        cdef int best = highest(b, 0.0)
        cdef double known = height_at(b, best)
        cdef double height = plane_value(plane, w)
        cdef double magnitude = fabs(plane.loss) + fabs(plane.loss - height)
        cdef Plane empty
        if best != TRUTH:
            magnitude += fabs(b.cached[best].plane.loss) + fabs(b.cached[best].plane.loss - known)
        hinge[0] = max(known, height)
        if height < known - WORSE_HEIGHT * magnitude:
            # Rare, so now with care: terms that cancel leave more rounding than they seem to.
            magnitude = plane_size(plane, w)
            if best != TRUTH:
                magnitude += plane_size(&b.cached[best].plane, w)
            if not stale and height < known - WORSE_HEIGHT * magnitude:
                self.n_overruled += 1
                if known - height > self.worst_shortfall:
                    self.worst_shortfall = known - height
                    self.worst_example = b - self.blocks
            return 0
        if height > known + SAME_HEIGHT * magnitude:
            if self.frank_wolfe and b.size == 0:
                # The plane that will carry all the weight; it starts as the truth.
                memset(&empty, 0, sizeof(Plane))
                self.keep(b, &empty, 0.0)
                b.cached[0].weight = 1.0
                b.truth_weight = 0.0
            self.keep(b, plane, height)
        return 0

    # ------------------------------------------------------------------ the block's own problem

    cdef void move(self, const Plane* plane, double change) noexcept nogil:
        """Give `change` more dual weight to a plane: the primal point follows."""
        cdef double step = change / (self.regularization * self.n)
        plane_axpy(step, plane, &self._weights[0])
        if self._lag is not None:
            plane_axpy(step * self.lag_factor, plane, &self._lag[0])

    cdef void choose_multipliers(self) noexcept nogil:
        """The least multipliers that make the weights feasible are the best ones."""
        cdef Py_ssize_t k, j
        cdef double alone, chosen
        for k in range(self._multipliers.shape[0]):
            j = self.first_multiplied + k
            alone = self._weights[j] - self._multipliers[k]
            chosen = -alone if alone < 0.0 else 0.0
            if self._lag is not None:
                self._lag[j] += self.lag_factor * (chosen - self._multipliers[k])
            # Exactly 0, not what rounding leaves of it.
            self._weights[j] = 0.0 if alone < 0.0 else alone
            self._multipliers[k] = chosen

    cdef int optimise(self, Block* b, double gap) except -1 nogil:
        if self.frank_wolfe:
            self.frank_wolfe_step(b)
        elif gap > 0.0:
            self.pairwise_steps(b, BLOCK_TOLERANCE * gap)
        self.choose_multipliers()
        # One averaging step for each visit, whether or not it moved anything.
        self.n_updates += 1
        self.lag_factor += <double> self.n_updates
        return 0

    cdef int pairwise_steps(self, Block* b, double tolerance) except -1 nogil:
        """Move weight from the lowest plane in use to the highest plane, a few times.

        Each step is an exact line search on the dual; heights follow from the Gram matrix.
        """
        cdef double curvature = 1.0 / (self.regularization * self.n)
        # A line search leaves its two planes level but for rounding: without a margin the next
        # choice between them would be noise.
        cdef double margin = SAME_HEIGHT * rounding_of_heights(b)
        cdef double current = current_height(b)
        cdef double share, low_height, distance, before
        cdef int up, low, p, _step
        cdef double* change
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
                if b.cached[p].weight > 0.0 and (
                    share == 0.0 or b.cached[p].height < low_height - margin
                ):
                    low = p
                    low_height = b.cached[p].height
                    share = b.cached[p].weight
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
                b.cached[low].weight = before - share
                change[low] -= share
            if up == TRUTH:
                b.truth_weight += share
            else:
                b.cached[up].weight += share
                change[up] += share
            for p in range(b.size):
                b.cached[p].height -= (
                    share * curvature * (gram_at(b, up, p) - gram_at(b, low, p))
                )
            current = current_height(b)
        for p in range(b.size):
            if change[p] != 0.0:
                self.move(&b.cached[p].plane, change[p])
        return 0

    cdef int frank_wolfe_step(self, Block* b) except -1 nogil:
        """cached[0] carries all the weight; move it towards the highest plane."""
        cdef int up, p
        cdef double gain, distance, step
        cdef Plane mixed
        cdef PlaneBuilder builder
        cdef const Plane* target
        if b.size == 0:
            return 0
        up = highest(b, 0.0)
        gain = height_at(b, up) - b.cached[0].height
        if up == 0 or not gain > 0.0:
            return 0
        distance = (
            gram_at(b, up, up) + gram_at(b, 0, 0) - 2.0 * gram_at(b, up, 0)
        ) / (self.regularization * self.n)
        step = gain / distance if gain < distance else 1.0
        self.move(&b.cached[0].plane, -step)
        memset(&mixed, 0, sizeof(Plane))
        builder.slot = &self.slot[0]
        builder.plane = &mixed
        try:
            builder_add_row(
                &builder, b.cached[0].plane.nnz, b.cached[0].plane.indices,
                b.cached[0].plane.values, 1, 0, 1.0 - step,
            )
            mixed.loss = (1.0 - step) * b.cached[0].plane.loss
            if up != TRUTH:
                target = &b.cached[up].plane
                self.move(target, step)
                builder_add_row(
                    &builder, target.nnz, target.indices, target.values, 1, 0, step
                )
                mixed.loss += step * target.loss
        finally:
            builder_finish(&builder)
        self.n_entries += mixed.nnz - b.cached[0].plane.nnz
        plane_free(&b.cached[0].plane)
        b.cached[0].plane = mixed
        b.gram[0] = plane_sqnorm(&mixed)
        for p in range(1, b.size):
            b.gram[p * (p + 1) // 2] = (
                (1.0 - step) * b.gram[p * (p + 1) // 2] + step * gram_at(b, up, p)
            )
        return 0

    # ------------------------------------------------------------------ passes

    cdef int exact_visit(
        self, Py_ssize_t i, const Plane* fresh, const Weights* w, bint stale
    ) except -1 nogil:
        """Improve block i by the oracle's plane, which may be of weights a little older than w."""
        cdef Block* b = &self.blocks[i]
        cdef double known, gap
        cdef int p, first_dropable = 1 if self.frank_wolfe else 0
        self.n_oracle_calls += 1
        known = height_at(b, rescore(b, w.data))
        gap = -current_height(b)
        self.age(b, known)
        self.judge(b, fresh, w, &self._hinges[i], stale)
        gap += self._hinges[i]
        self._gaps[i] = gap
        self.optimise(b, gap)
        if self.max_planes == 0:
            for p in range(b.size - 1, first_dropable - 1, -1):
                if b.cached[p].weight == 0.0:
                    self.forget(b, p)
        return 0

    def exact_pass(self, const index_t[::1] order):
        """Visit the blocks in `order`, with a call of the oracle each.

        With several threads and a dear oracle, planes are made for a batch of examples at a time,
        while those of the batch before are taken in one after the other, each with a fresh line
        search. The weights they are made at are thus those from before the last two batches, and
        the result depends neither on timing nor on the number of threads, as long as that is 1 or
        not 1.

        ``gaps`` and ``hinges`` hold afterwards what each visit met at the weights of its time.
        """
        cdef Py_ssize_t k, start, size = self.batch_size()
        cdef Py_ssize_t at_a_time = self.problem.calls_at_a_time(VISITS_PER_SIGNAL_CHECK)
        cdef Weights w = weights_of(self.weights)
        cdef PlaneBatch made, taken
        if size == 1:
            with nogil:
                for k in range(order.shape[0]):
                    if k % at_a_time == 0:
                        with gil:
                            PyErr_CheckSignals()
                    self.problem.plane(order[k], &w, 0, &self.fresh)
                    self.exact_visit(order[k], &self.fresh, &w, False)
            return
        point = padded_vector(self.problem.n_weights)
        w = weights_of(point)
        made, taken = PlaneBatch(size), PlaneBatch(size)
        before = order[:0]
        for start in range(0, order.shape[0], size):
            PyErr_CheckSignals()
            batch = order[start:min(start + size, order.shape[0])]
            point[:] = self.weights
            self.problem.plane_many(
                batch, &w, made, functools.partial(self.take_in, before, taken)
            )
            before = batch
            made, taken = taken, made
        self.take_in(before, taken)

    def take_in(self, const index_t[::1] examples, PlaneBatch planes):
        """Improve the blocks of some examples by planes of older weights."""
        cdef Py_ssize_t k
        cdef Weights w = weights_of(self.weights)
        with nogil:
            for k in range(examples.shape[0]):
                self.exact_visit(examples[k], &planes.planes[k], &w, True)

    def batch_size(self):
        """Examples whose planes an exact pass makes at a time; see there."""
        if self.problem.n_threads <= 1 or self.problem.oracle_work < LEAST_WORK_TO_SHARE:
            return 1
        return max(1, min(<Py_ssize_t> MOST_AT_ONCE, self.n // LEAST_BATCHES))

    def cached_pass(self, const index_t[::1] order, double skip_below=-INFINITY):
        """Visit blocks without the oracle, except those whose last gap is below `skip_below`.

        Returns
        -------
        gap : float
            Mean over the visited blocks of the gap among cached planes.
        """
        cdef double gap, gap_sum = 0.0
        cdef Py_ssize_t k, i, n_visited = 0
        cdef Block* b
        with nogil:
            for k in range(order.shape[0]):
                i = order[k]
                b = &self.blocks[i]
                if b.size == 0 or self._gaps[i] < skip_below:
                    continue
                gap = height_at(b, rescore(b, &self._weights[0])) - current_height(b)
                self._gaps[i] = gap
                gap_sum += gap
                n_visited += 1
                self.optimise(b, gap)
        return gap_sum / max(n_visited, 1)

    def evaluate(self, weights, double[::1] hinges=None):
        """One oracle call an example at fixed weights, on all threads reserved.

        The planes met are kept where they beat the known ones, so no call is wasted. `hinges`, of
        shape (n_examples,), receives each example's hinge.

        Returns
        -------
        hinge : float
            Mean hinge at `weights`.
        """
        cdef Py_ssize_t start, k, count, n_threads = max(self.problem.n_threads, 1)
        cdef Py_ssize_t size = min(
            self.problem.calls_at_a_time(EXAMPLES_AT_ONCE) * n_threads, max(self.n, 1)
        )
        cdef PlaneBatch batch = PlaneBatch(size)
        cdef double hinge, total = 0.0
        cdef index_t[::1] examples = np.arange(self.n, dtype=np.int32)
        point = padded_vector(self.problem.n_weights)
        point[:] = weights
        cdef Weights w = weights_of(point)
        for start in range(0, self.n, size):
            count = min(size, self.n - start)
            PyErr_CheckSignals()
            self.problem.plane_many(examples[start:start + count], &w, batch)
            with nogil:
                for k in range(count):
                    rescore(&self.blocks[start + k], w.data)
                    self.judge(&self.blocks[start + k], &batch.planes[k], &w, &hinge, False)
                    total += hinge
                    if hinges is not None:
                        hinges[start + k] = hinge
            self.n_oracle_calls += count
        return total / max(self.n, 1)

    def forget_idle(self):
        """Drop planes without weight for long enough, counted by calls of this."""
        cdef Py_ssize_t i
        with nogil:
            for i in range(self.n):
                self.age(&self.blocks[i], INFINITY)

    def aggregate(self, weights):
        """The mean of the highest cached plane of each example, the truth where none is higher.

        A lower bound of the mean hinge everywhere, and equal to it at `weights` right after
        ``evaluate(weights)``.

        Returns
        -------
        delta : ndarray of shape (n_weights,)
        loss : float
        """
        cdef Py_ssize_t i
        cdef int p, best
        cdef double loss = 0.0
        cdef Block* b
        delta = np.zeros(self.problem.n_weights)
        cdef double[::1] delta_view = delta
        cdef const double[::1] w = np.ascontiguousarray(weights, dtype=np.float64)
        with nogil:
            for i in range(self.n):
                b = &self.blocks[i]
                best = rescore(b, &w[0])
                for p in range(b.size):
                    b.cached[p].idle = 0 if p == best else b.cached[p].idle + 1
                if best != TRUTH:
                    plane_axpy(1.0, &b.cached[best].plane, &delta_view[0])
                    loss += b.cached[best].plane.loss
        return delta / max(self.n, 1), loss / max(self.n, 1)

    # ------------------------------------------------------------------ the state as a whole

    def combination(self):
        """The dual point from scratch: ``z = sum_i alpha_i delta_i / n`` and its loss term.

        Returns
        -------
        z : ndarray of shape (n_weights,)
        loss : float
            ``sum_i alpha_i Delta_i / n``; the dual value is ``loss - |P(z)|^2 / (2 lambda)``, P
            being the projection to what the problem allows.
        """
        cdef Py_ssize_t i
        cdef int p
        cdef double loss = 0.0
        cdef Block* b
        z = np.zeros(self.problem.n_weights)
        cdef double[::1] z_view = z
        with nogil:
            for i in range(self.n):
                b = &self.blocks[i]
                for p in range(b.size):
                    if b.cached[p].weight > 0.0:
                        plane_axpy(b.cached[p].weight, &b.cached[p].plane, &z_view[0])
                        loss += b.cached[p].weight * b.cached[p].plane.loss
        z /= max(self.n, 1)
        return z, loss / max(self.n, 1)

    def support(self):
        """The planes with weight: how many, their mean squared norm, their mean loss."""
        cdef Py_ssize_t i, count = 0
        cdef int p
        cdef double sqnorm = 0.0, loss = 0.0
        cdef Block* b
        with nogil:
            for i in range(self.n):
                b = &self.blocks[i]
                for p in range(b.size):
                    if b.cached[p].weight > 0.0:
                        count += 1
                        sqnorm += b.gram[p * (p + 1) // 2 + p]
                        loss += b.cached[p].plane.loss
        return count, sqnorm / max(count, 1), loss / max(count, 1)

    def move_to(self, weights):
        """Set the primal point (after the centre of a proximal term has moved).

        `weights` are without multipliers, which follow.
        """
        if self.lag is not None:
            self.lag += self.lag_factor * (weights - self.weights)
        self.weights[:] = weights
        self.multipliers[:] = 0.0
        self.choose_multipliers()

    def average(self):
        """The weighted average of all iterates, weight t for the t-th.

        Kept lazily: ``average = weights - lag / S`` with S = 1 + ... + t, where each move of the
        weights after update t is added to ``lag`` times the S of that time.
        """
        if self.lag_factor == 0.0:
            return np.array(self.weights)
        return self.weights - self.lag / self.lag_factor

    def snapshot(self):
        """Everything as arrays, from which `restore` makes the same state again, bit for bit."""
        cdef Py_ssize_t i, k, place = 0, entry = 0, cell = 0
        cdef int p
        cdef Block* b
        cdef const CachedPlane* c
        cdef Py_ssize_t n_cells = 0
        for i in range(self.n):
            n_cells += self.blocks[i].size * (self.blocks[i].size + 1) // 2
        sizes, truth = np.zeros(self.n, dtype=np.int32), np.zeros(self.n)
        planes, counts = np.zeros((self.n_planes, 3)), np.zeros((self.n_planes, 2), dtype=np.int64)
        indices, values = np.zeros(self.n_entries, dtype=np.int32), np.zeros(self.n_entries)
        gram = np.zeros(n_cells)
        cdef index_t[::1] sizes_view = sizes, indices_view = indices
        cdef double[::1] truth_view = truth, values_view = values, gram_view = gram
        cdef double[:, ::1] planes_view = planes
        cdef offset_t[:, ::1] counts_view = counts
        for i in range(self.n):
            b = &self.blocks[i]
            sizes_view[i] = b.size
            truth_view[i] = b.truth_weight
            for p in range(b.size):
                c = &b.cached[p]
                planes_view[place, 0] = c.weight
                planes_view[place, 1] = c.height
                planes_view[place, 2] = c.plane.loss
                counts_view[place, 0] = c.idle
                counts_view[place, 1] = c.plane.nnz
                place += 1
                for k in range(c.plane.nnz):
                    indices_view[entry] = c.plane.indices[k]
                    values_view[entry] = c.plane.values[k]
                    entry += 1
            for k in range(b.size * (b.size + 1) // 2):
                gram_view[cell] = b.gram[k]
                cell += 1
        held = {
            "sizes": sizes, "truth": truth, "planes": planes, "counts": counts,
            "indices": indices, "values": values, "gram": gram,
            "weights": np.array(self.weights), "gaps": self.gaps.copy(),
            "hinges": self.hinges.copy(), "multipliers": self.multipliers.copy(),
            "calls": np.array([self.n_oracle_calls, self.n_overruled, self.n_updates]),
            "numbers": np.array([self.regularization, self.lag_factor]),
        }
        return held if self.lag is None else held | {"lag": self.lag.copy()}

    def kinds(self):
        """What `snapshot` holds."""
        cdef Py_ssize_t n_weights = len(self.weights)
        kinds = {
            "sizes": Kind(np.int32, (self.n,), 0),
            "truth": Kind(np.float64, (self.n,), 0.0, 1.0 + ROUNDED),
            "planes": Kind(np.float64, (None, 3)),
            "counts": Kind(np.int64, (None, 2), 0, MOST_COUNTED),
            "indices": Kind(np.int32, (None,), 0, n_weights - 1),
            "values": vector(None),
            "gram": vector(None),
            "weights": vector(n_weights),
            "gaps": vector(self.n),
            "hinges": vector(self.n),
            "multipliers": vector(len(self.multipliers), least=0.0),
            "calls": Kind(np.int64, (3,), 0, MOST_COUNTED**2),
            "numbers": vector(2, least=0.0),
        }
        return kinds if self.lag is None else kinds | {"lag": vector(n_weights)}

    def restore(self, held):
        """Become what `snapshot` was taken of: blocks of the same problem and options.

        Raises
        ------
        ModelFileError
            If the arrays do not fit each other.
        """
        cdef Py_ssize_t i, k, place = 0, entry = 0, cell = 0
        cdef int p
        cdef Block* b
        cdef CachedPlane* c
        cdef const index_t[::1] sizes = held["sizes"], indices = held["indices"]
        cdef const double[::1] truth = held["truth"], values = held["values"]
        cdef const double[::1] gram = held["gram"]
        cdef const double[:, ::1] planes = held["planes"]
        cdef const offset_t[:, ::1] counts = held["counts"]
        size, nnz = np.asarray(sizes).astype(np.int64), np.asarray(counts)[:, 1]
        weight = np.asarray(planes)[:, 0]
        fits = (
            (size <= len(planes)).all() and size.sum() == len(planes) == len(counts)
            and (nnz <= len(indices)).all() and nnz.sum() == len(indices) == len(values)
            and (size * (size + 1) // 2).sum() == len(gram)
            and held["numbers"][0] > 0.0
            # A dual point: weights >= 0 of each block's planes and its truth that sum to 1.
            and (weight >= 0.0).all()
            and np.allclose(
                np.bincount(np.repeat(np.arange(self.n), size), weight, self.n),
                1.0 - np.asarray(truth), rtol=0.0, atol=ROUNDED,
            )
        )
        if not fits:
            raise ModelFileError(
                "the snapshot does not fit this problem: its planes are not those of "
                f"{self.n} examples"
            )
        for i in range(self.n):
            b = &self.blocks[i]
            block_free(b)
            memset(b, 0, sizeof(Block))
            b.truth_weight = truth[i]
            while b.capacity < sizes[i]:
                grow(b)
            for p in range(sizes[i]):
                c = &b.cached[p]
                plane_reserve(&c.plane, counts[place, 1])
                b.size = p + 1
                c.weight = planes[place, 0]
                c.height = planes[place, 1]
                c.plane.loss = planes[place, 2]
                c.idle = <int> counts[place, 0]
                c.plane.nnz = counts[place, 1]
                place += 1
                for k in range(c.plane.nnz):
                    c.plane.indices[k] = indices[entry]
                    c.plane.values[k] = values[entry]
                    entry += 1
            for k in range(b.size * (b.size + 1) // 2):
                b.gram[k] = gram[cell]
                cell += 1
        for name in ("weights", "gaps", "hinges", "multipliers"):
            getattr(self, name)[:] = held[name]
        if self.lag is not None:
            self.lag[:] = held["lag"]
        self.n_planes, self.n_entries = place, entry
        self.n_oracle_calls, self.n_overruled, self.n_updates = held["calls"].tolist()
        self.regularization, self.lag_factor = held["numbers"].tolist()

    @property
    def worst_answer(self):
        """The example whose overruled answer was furthest below a known plane, and how far."""
        return (self.worst_example, self.worst_shortfall) if self.worst_shortfall > 0 else None

    @property
    def nbytes(self):
        """Memory of the planes, their Gram matrices and the vectors of this object, in bytes."""
        cdef Py_ssize_t i, total = 0
        for i in range(self.n):
            total += block_bytes(&self.blocks[i])
        arrays = [
            self.weights, self.gaps, self.hinges, self.multipliers, self.dense, self.slot, self.lag,
        ]
        return total + sum(np.asarray(a).nbytes for a in arrays if a is not None)
