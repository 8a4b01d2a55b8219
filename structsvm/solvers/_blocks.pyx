"""Block-coordinate ascent on the dual of a structured SVM, one example at a time.

The pieces stand in modules of their own: planes and dual weights in ``_plane_store``, steps on one
block in ``_block_steps``, weights and their average in ``_averaged_point``, passes at fixed weights
and the judge of oracles in ``_evaluator``. Here they make passes with the oracle.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.string cimport memset

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights, plane_free, weights_of
from structsvm.problems._problem cimport Problem
from structsvm.solvers._averaged_point cimport AveragedPoint
from structsvm.solvers._block_steps cimport FrankWolfeSteps, PairwiseSteps
from structsvm.solvers._evaluator cimport Evaluator
from structsvm.solvers._plane_store cimport Block, SparsePlanes, current_height, height_at

from structsvm.data.snapshots import vector

cdef enum:
    VISITS_PER_SIGNAL_CHECK = 64
    # Batches of an exact pass on several threads: the fewer examples, the fresher their weights.
    MOST_AT_ONCE = 16
    LEAST_BATCHES = 20

# An oracle with less declared work than this, some 100 us, costs less than sharing it.
cdef double LEAST_WORK_TO_SHARE = 1e5


cdef class DualBlocks:
    """A dual point, the primal point that it stands for, and passes that improve both.

    Parameters
    ----------
    problem : Problem
    frank_wolfe : bool
        Frank-Wolfe steps on one plane an example instead of pairwise steps on several.
    max_planes, drop_after : int
        See `PlaneStore`.
    average : bool
        See `AveragedPoint`.

    Attributes
    ----------
    store : PlaneStore
    point : AveragedPoint
    steps : BlockSteps
    evaluator : Evaluator
    hinges : ndarray of shape (n_examples,)
        The hinge of each example as its last exact visit met it.
    """

    def __cinit__(self):
        memset(&self.fresh, 0, sizeof(Plane))

    def __init__(
        self, Problem problem, *, bint frank_wolfe=False, int max_planes=20, int drop_after=2,
        bint average=False,
    ):
        self.problem = problem
        self.options = {
            "frank_wolfe": bool(frank_wolfe), "max_planes": max_planes,
            "drop_after": drop_after, "average": bool(average),
        }
        self.store = SparsePlanes(
            problem.n_examples, problem.n_weights, max_planes=max_planes, drop_after=drop_after,
            mixed=frank_wolfe,
        )
        self.point = AveragedPoint(problem, average=average)
        self.steps = (FrankWolfeSteps if frank_wolfe else PairwiseSteps)(self.store, self.point)
        self.evaluator = Evaluator(problem, self.store)
        self.hinges = self._hinges = np.zeros(problem.n_examples)

    def __dealloc__(self):
        plane_free(&self.fresh)

    cdef int exact_visit(
        self, Py_ssize_t i, const Plane* fresh, const Weights* w, bint stale
    ) except -1 nogil:
        """Improve block i by the oracle's plane, which may be of weights a little older than w."""
        cdef const Block* b = &self.store.blocks[i]
        cdef double known = height_at(b, self.store.rescore(i, w.data))
        cdef double gap = -current_height(b)
        self.store.age(i, known)
        self.evaluator.judge(i, fresh, w, &self._hinges[i], stale)
        gap += self._hinges[i]
        self.steps.improve(i, gap)
        if self.store.max_planes == 0:
            self.store.forget_unused(i)
        return 0

    def exact_pass(self, const index_t[::1] order, engine=None):
        """Visit the blocks in `order`, with a call of the oracle each.

        With several workers and a dear oracle, planes are made for a batch of examples at a time,
        while those of the batch before are taken in one after the other, each with a fresh line
        search: see ``Engine.stream``. The weights they are made at are thus those from before the
        last two batches, for an engine with one in flight, and the result depends neither on timing
        nor on the number of workers, as long as that is 1 or not 1.

        ``steps.gaps`` and ``hinges`` hold afterwards what each visit met at the weights of its
        time.
        """
        cdef Py_ssize_t k, start, size = self.batch_size(engine)
        cdef Py_ssize_t at_a_time = self.problem.calls_at_a_time(VISITS_PER_SIGNAL_CHECK)
        cdef Weights w = weights_of(self.point.weights)
        if size == 1:
            with nogil:
                for k in range(order.shape[0]):
                    if k % at_a_time == 0:
                        with gil:
                            PyErr_CheckSignals()
                    self.problem.plane(order[k], &w, 0, &self.fresh)
                    self.exact_visit(order[k], &self.fresh, &w, False)
            return
        batches = [
            np.asarray(order[start:min(start + size, order.shape[0])])
            for start in range(0, order.shape[0], size)
        ]
        engine.stream(self.problem, batches, self.point.weights, self.take_in)

    def take_in(self, const index_t[::1] examples, PlaneBatch planes):
        """Improve the blocks of some examples by planes of older weights."""
        cdef Py_ssize_t k
        cdef Weights w = weights_of(self.point.weights)
        with nogil:
            for k in range(examples.shape[0]):
                self.exact_visit(examples[k], &planes.planes[k], &w, True)

    def batch_size(self, engine=None):
        """Examples whose planes an exact pass makes at a time; see there."""
        if engine is None or engine.n_workers <= 1:
            return 1
        if self.problem.oracle_work < LEAST_WORK_TO_SHARE:
            return 1
        return max(1, min(<Py_ssize_t> MOST_AT_ONCE, self.problem.n_examples // LEAST_BATCHES))

    def snapshot(self):
        """Everything as arrays, from which `restore` makes the same state again, bit for bit."""
        held = self.store.snapshot() | self.point.snapshot() | self.evaluator.snapshot()
        # All counts in one array, as version 0.1 wrote them.
        held["calls"] = np.append(held["calls"], held.pop("updates"))
        return held | {"gaps": self.steps.gaps.copy(), "hinges": self.hinges.copy()}

    def kinds(self):
        """What `snapshot` holds."""
        kinds = self.store.kinds() | self.point.kinds() | self.evaluator.kinds()
        del kinds["updates"]
        n = self.problem.n_examples
        return kinds | {
            "calls": kinds["calls"]._replace(shape=(3,)), "gaps": vector(n), "hinges": vector(n),
        }

    def restore(self, held):
        """Become what `snapshot` was taken of: blocks of the same problem and options.

        Raises
        ------
        ModelFileError
            If the arrays do not fit each other.
        """
        self.store.restore(held)
        self.point.restore(held | {"updates": held["calls"][2:]})
        self.evaluator.restore(held | {"calls": held["calls"][:2]})
        self.steps.gaps[:] = held["gaps"]
        self.hinges[:] = held["hinges"]

    @property
    def vector_bytes(self):
        """Memory of all but the store, in bytes."""
        return self.point.nbytes + self.steps.gaps.nbytes + self.hinges.nbytes
