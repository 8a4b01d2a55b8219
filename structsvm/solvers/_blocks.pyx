"""Block-coordinate ascent on the dual of a structured SVM, one example at a time.

The pieces are in modules of their own: planes and dual weights in ``_plane_store``, steps on one
block in ``_block_steps``, weights and their average in ``_averaged_point``, passes at fixed weights
and checks of oracles in ``_evaluator``. This module makes passes with the oracle.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.string cimport memset

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights, plane_free, weights_of
from structsvm.problems._grown_problem cimport GrownProblem
from structsvm.problems._problem cimport Problem
from structsvm.solvers._averaged_point cimport AveragedPoint
from structsvm.solvers._block_steps cimport FrankWolfeSteps, PairwiseSteps
from structsvm.solvers._evaluator cimport Evaluator
from structsvm.solvers._label_planes cimport LabelPlanes
from structsvm.solvers._plane_store cimport Block, PlaneStore, current_height, height_at
from structsvm.solvers._sparse_planes cimport SparsePlanes

from structsvm.data.snapshots import vector
from structsvm.problems._chain_deltas import chain_sizes, gives_labels
from structsvm.problems._grown_problem import can_grow

cdef enum:
    VISITS_PER_SIGNAL_CHECK = 64
    # Batches of an exact pass with several workers: small batches see fresher weights.
    MOST_AT_ONCE = 16
    LEAST_BATCHES = 20

# Work of a slow oracle, about 100 us: sharing a faster one among workers costs more than it saves.
cdef double LEAST_WORK_TO_SHARE = 1e5

# Planes are kept as labels where there are more weights than this for each number of a row, ...
SPARSE_ENOUGH = 2000
# ... and so many in all; ...
MANY_WEIGHTS = 1 << 17
# ... and where examples are short, ...
FEW_POSITIONS = 16
# ... rows have a good part of the features, ...
DENSE_ENOUGH = 0.1
# ... and there are more weights than this for each number of the rows of an example.
ENOUGH_WEIGHTS = 1.5
# Weights grow where there would be more than this; see `two_level.most_atoms`.
MOST_DENSE = 2_500_000


def is_text(Problem problem):
    """Whether a problem is of chains whose rows have few of very many features."""
    if isinstance(problem, GrownProblem):
        return True
    if not _may_keep_labels(problem):
        return False
    return problem.n_weights >= max(MANY_WEIGHTS, SPARSE_ENOUGH * chain_sizes(problem).row)


def is_short(Problem problem):
    """Whether a problem is of short chains whose rows have a good part of the features.

    To score a few positions under all labels takes less time than the product of a plane with the
    weights, and the labels less memory. Products of planes take time quadratic in the positions.
    """
    if not _may_keep_labels(problem):
        return False
    sizes = chain_sizes(problem)
    return (
        sizes.length <= FEW_POSITIONS
        and sizes.row * sizes.n_labels >= DENSE_ENOUGH * problem.n_weights
        and problem.n_weights >= ENOUGH_WEIGHTS * sizes.length * (sizes.row + 1)
    )


def _may_keep_labels(Problem problem):
    return gives_labels(problem) and problem.oracle_work < LEAST_WORK_TO_SHARE


def grown_form(Problem problem):
    """The problem in weights that grow, where that pays; else the problem itself.

    It pays for text with so many weights that no cuts over all examples are made of them.
    """
    if problem.n_weights < MOST_DENSE or not (can_grow(problem) and is_text(problem)):
        return problem
    return GrownProblem(problem)


def store_for(Problem problem, *, bint mixed=False, **options):
    """The store of planes for a problem.

    Planes of text and of short chains are kept as labels; all others as sparse vectors. So are
    those that are mixed, and those of slow oracles, which several workers answer. This and the
    functions above are where forms are chosen.
    """
    is_of_labels = is_text(problem) or is_short(problem)
    if is_of_labels and not mixed and problem.rescaling == "margin":
        return LabelPlanes(problem, **options)
    return SparsePlanes(problem.n_examples, problem.n_weights, mixed=mixed, **options)


cdef class DualBlocks:
    """A dual point, its primal point, and passes that improve both.

    Parameters
    ----------
    problem : Problem
    frank_wolfe : bool, default=False
        Whether to make Frank-Wolfe steps on one plane an example, not pairwise steps on several.
    max_planes, drop_after : int, default=20 and 2
        See `PlaneStore`.
    average : bool, default=False
        See `AveragedPoint`.
    store : PlaneStore, default=None
        Planes to begin with; None: none, to be kept as `store_for` chooses.

    Attributes
    ----------
    store : PlaneStore
    point : AveragedPoint
    steps : BlockSteps
    evaluator : Evaluator
    hinges : ndarray of shape (n_examples,)
        The hinge of each example at its last exact visit.
    """

    def __cinit__(self):
        memset(&self.fresh, 0, sizeof(Plane))

    def __init__(
        self, Problem problem, *, bint frank_wolfe=False, int max_planes=20, int drop_after=2,
        bint average=False, PlaneStore store=None,
    ):
        self.problem = problem
        self.options = {
            "frank_wolfe": bool(frank_wolfe), "max_planes": max_planes,
            "drop_after": drop_after, "average": bool(average),
        }
        if store is None:
            store = store_for(
                problem, max_planes=max_planes, drop_after=drop_after, mixed=frank_wolfe
            )
        self.store = store
        self.labelled = store if isinstance(store, LabelPlanes) else None
        self.point = AveragedPoint(problem, average=average)
        self.steps = (FrankWolfeSteps if frank_wolfe else PairwiseSteps)(self.store, self.point)
        self.evaluator = Evaluator(problem, self.store)
        self.hinges = self._hinges = np.zeros(problem.n_examples)

    def __dealloc__(self):
        plane_free(&self.fresh)

    def moved(self, Problem problem, shifts):
        """The blocks for a problem that differs in the true outputs of some examples alone.

        All planes of such an example change by one vector, what psi of its truth changes by: they
        stay planes of the same outputs. Dual weights stay, that of the truth with the new one. The
        planes go over to the result, so this object is not to be used any more.

        Parameters
        ----------
        problem : Problem
            The loss of an output may not depend on what has changed.
        shifts : iterable of triples (i, indices, values)
            For each such example, psi of the new truth less that of the old, times the weight of
            the example.
        """
        if self.labelled is not None:
            self.labelled.move_to(problem, shifts)
        else:
            for shift in shifts:
                self.store.shift(*shift)
        return DualBlocks(problem, store=self.store, **self.options)

    cdef int exact_visit(
        self, Py_ssize_t i, const Plane* fresh, const Weights* w, bint stale
    ) except -1 nogil:
        """Improve block i with the oracle's plane, which may be from slightly older weights."""
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
        """Visit the blocks in `order`, with an oracle call each.

        With several workers and a slow oracle, the engine makes the planes of a batch of examples
        while the planes of the batch before are taken in one after the other, each with a line
        search at the present weights: see ``Engine.stream``. With one batch in flight, planes are
        made at the weights before the last two batches. So results do not depend on timing. One
        worker gives other results than several; any number above one gives the same results. An
        oracle that answers in batches is asked for batches by one worker, too, none in flight.

        Afterwards ``steps.gaps`` and ``hinges`` hold the values of each visit, at the weights of
        that visit.
        """
        cdef Py_ssize_t start, size = self.batch_size(engine)
        cdef Py_ssize_t at_a_time = self.problem.calls_at_a_time(VISITS_PER_SIGNAL_CHECK)
        cdef Weights w = weights_of(self.point.weights)
        if size == 1:
            for start in range(0, order.shape[0], at_a_time):
                PyErr_CheckSignals()
                with nogil:
                    self.visit_some(
                        &order[start], min(at_a_time, order.shape[0] - start), &w
                    )
            return
        batches = [
            np.asarray(order[start:min(start + size, order.shape[0])])
            for start in range(0, order.shape[0], size)
        ]
        engine.stream(self.problem, batches, self.point.weights, self.take_in)

    cdef int visit_some(
        self, const index_t* order, Py_ssize_t n, const Weights* w
    ) except -1 nogil:
        """Visit n blocks one after the other, with an oracle call each."""
        cdef Py_ssize_t k
        for k in range(n):
            if self.labelled is not None:
                self.labelled.ask(order[k], w, &self.fresh)
            else:
                self.problem.plane(order[k], w, self.thread, &self.fresh)
            self.exact_visit(order[k], &self.fresh, w, False)
        return 0

    def cached_pass(self, const index_t[::1] order, double skip_below, engine=None):
        """`BlockSteps.cached_pass`."""
        return self.steps.cached_pass(order, skip_below)

    def take_in(self, const index_t[::1] examples, PlaneBatch planes):
        """Improve the blocks of some examples with planes from older weights."""
        cdef Py_ssize_t k
        cdef Weights w = weights_of(self.point.weights)
        with nogil:
            for k in range(examples.shape[0]):
                self.exact_visit(examples[k], &planes.planes[k], &w, True)

    def batch_size(self, engine=None):
        """Number of examples in a batch of `exact_pass`; 1 visits them one by one."""
        if engine is None or engine.n_workers <= 1 and not self.problem.in_batches:
            return 1
        if self.labelled is not None or self.problem.oracle_work < LEAST_WORK_TO_SHARE:
            return 1
        return max(1, min(<Py_ssize_t> MOST_AT_ONCE, self.problem.n_examples // LEAST_BATCHES))

    def snapshot(self):
        """The state as arrays, from which `restore` makes the same bits again."""
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
        """Restore what `snapshot` returned for blocks of the same problem and options.

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
        """Memory of everything but the store, in bytes."""
        return self.point.nbytes + self.steps.gaps.nbytes + self.hinges.nbytes
