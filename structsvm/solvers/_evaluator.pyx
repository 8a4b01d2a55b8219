"""Passes at fixed weights, and checks of oracle answers; see ``_evaluator.pxd``."""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport fabs

from structsvm._typedefs cimport label_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights
from structsvm.linalg._plane cimport weights_of
from structsvm.problems._problem cimport Outputs, Problem
from structsvm.solvers._label_planes cimport LabelPlanes
from structsvm.solvers._plane_store cimport TRUTH, Block, PlaneStore, height_at, highest

from structsvm.engines import Serial
from structsvm.linalg._plane import extended, padded_copy
from structsvm.data.snapshots import Kind

MOST_CALLS = 2**60

# Two heights closer than this, relative to their terms, are equal up to rounding.
cdef double SAME_HEIGHT = 1e-12
# An oracle answer below a known plane by more than this, relative to the terms, is wrong.
cdef double WORSE_HEIGHT = 1e-8


cdef class Evaluator:
    """Takes oracle answers into a store of planes, and computes hinges from both.

    Parameters
    ----------
    problem : Problem
    store : PlaneStore
        Has the same numbers of examples and weights.

    Attributes
    ----------
    n_oracle_calls : int
    n_overruled : int
        Number of answers below a known plane, which are not the maximum.
    """

    def __init__(self, Problem problem, PlaneStore store):
        if (store.n_examples, store.n_weights) != (problem.n_examples, problem.n_weights):
            raise ValueError(
                f"the store is for {store.n_examples} examples and {store.n_weights} weights, "
                f"expected {problem.n_examples} and {problem.n_weights} as the problem has"
            )
        self.problem = problem
        self.store = store
        problem.reserve(1)

    cdef int judge(
        self, Py_ssize_t i, const Plane* plane, const Weights* w, double* hinge, bint stale
    ) except -1 nogil:
        """Add the oracle's plane to block i, which is rescored at w, if it is the highest.

        An answer below a known plane is overruled and counted, unless it is for older weights or
        says itself that the hinge may lie above.

        hinge  OUT  the greatest height known, or what the hinge may be if the oracle was cut short
        stale  IN   whether the answer is for older weights
        """
        cdef const Block* b = &self.store.blocks[i]
        cdef int best = highest(b, 0.0)
        cdef double known = height_at(b, best)
        cdef double height = self.store.value(i, plane, w), limit = height + plane.excess
        cdef double magnitude = fabs(plane.loss) + fabs(plane.loss - height)
        self.n_oracle_calls += 1
        if best != TRUTH:
            magnitude += fabs(b.planes[best].loss) + fabs(b.planes[best].loss - known)
        hinge[0] = max(known, limit)
        if limit < known - WORSE_HEIGHT * magnitude:
            # This is rare, so bound the rounding by the magnitudes of all terms.
            magnitude = self.store.size_of(i, plane, w)
            if best != TRUTH:
                magnitude += self.store.size_at(i, best, w)
            if not stale and limit < known - WORSE_HEIGHT * magnitude:
                self.n_overruled += 1
                if known - limit > self.worst_shortfall:
                    self.worst_shortfall = known - limit
                    self.worst_example = i
            return 0
        if height > known + SAME_HEIGHT * magnitude:
            self.store.keep(i, plane, height)
        return 0

    def evaluate(self, weights, double[::1] hinges=None, engine=None):
        """Make one oracle call for each example at fixed weights.

        Planes above the known ones are kept. `hinges`, of shape (n_examples,), receives the hinges.

        Returns
        -------
        hinge : float
            Mean hinge at `weights`.
        """
        cdef Py_ssize_t k, count, start = 0, n = self.problem.n_examples
        cdef double hinge, total = 0.0
        if engine is None:
            engine = Serial()
        if isinstance(self.store, LabelPlanes):
            return self.evaluate_labels(weights, hinges, engine)
        pieces = self.problem.pieces(np.arange(n, dtype=np.int32), engine)
        cdef PlaneBatch batch = PlaneBatch(max(map(len, pieces), default=0))
        point = padded_copy(weights)
        cdef Weights w = weights_of(point)
        for piece in pieces:
            PyErr_CheckSignals()
            engine.planes(self.problem, piece, point, batch)
            count = len(piece)
            with nogil:
                for k in range(count):
                    self.store.rescore(start + k, w.data)
                    self.judge(start + k, &batch.planes[k], &w, &hinge, False)
                    total += hinge
                    if hinges is not None:
                        hinges[start + k] = hinge
            start += count
        return total / max(n, 1)

    def evaluate_labels(self, weights, double[::1] hinges, engine):
        """`evaluate`, for a store of labels."""
        cdef Py_ssize_t i = 0, stop, n = self.problem.n_examples
        cdef double hinge, total = 0.0
        cdef bint alone = engine.n_workers == 1
        cdef LabelPlanes store = self.store
        cdef Outputs out = self.problem.make_room(False)
        cdef const label_t[::1] labels = out.outputs
        cdef const label_t* first = &labels[0] if labels.shape[0] else NULL
        cdef PlaneBatch batch = PlaneBatch(1)
        point = padded_copy(extended(weights, self.problem.n_weights))
        cdef Weights w = weights_of(point)
        for piece in self.problem.pieces(np.arange(n, dtype=np.int32), engine):
            PyErr_CheckSignals()
            if not alone:
                engine.begin(self.problem, out.question, piece, point, out).wait()
            stop = i + len(piece)
            with nogil:
                while i < stop:
                    if alone:  # then the scores are computed once for the answer and the heights
                        store.ask(i, &w, &batch.planes[0])
                    store.rescore(i, w.data)
                    if not alone:
                        store.make_plane(i, first + store.deltas.offsets[i], &batch.planes[0])
                    self.judge(i, &batch.planes[0], &w, &hinge, False)
                    total += hinge
                    if hinges is not None:
                        hinges[i] = hinge
                    i += 1
        return total / max(n, 1)

    cdef void take_counts(self, Evaluator share) noexcept nogil:
        """Add what another has counted, which begins anew."""
        self.n_oracle_calls += share.n_oracle_calls
        self.n_overruled += share.n_overruled
        if share.worst_shortfall > self.worst_shortfall:
            self.worst_shortfall, self.worst_example = share.worst_shortfall, share.worst_example
        share.n_oracle_calls = share.n_overruled = 0
        share.worst_shortfall = 0.0

    @property
    def worst_answer(self):
        """The example with the worst overruled answer, and how far it was below a known plane."""
        return (self.worst_example, self.worst_shortfall) if self.worst_shortfall > 0 else None

    def snapshot(self):
        """The counts as an array; the store has its own snapshot."""
        return {"calls": np.array([self.n_oracle_calls, self.n_overruled])}

    def kinds(self):
        """What `snapshot` holds."""
        return {"calls": Kind(np.int64, (2,), 0, MOST_CALLS)}

    def restore(self, held):
        """Restore what `snapshot` returned."""
        self.n_oracle_calls, self.n_overruled = held["calls"].tolist()
