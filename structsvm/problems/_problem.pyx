"""The Problem base class; the contract itself is in ``_problem.pxd``."""

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport uintptr_t

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights
from structsvm.linalg._plane cimport (
    plane_is_finite, plane_scale, plane_size, plane_stretch, plane_value, weights_of,
)

from structsvm.linalg._plane import padded_vector

# Work in multiply-adds, some 50 ms, between two looks at Ctrl-C, as far as it is up to solvers.
cdef double MOST_WORK_AT_A_TIME = 5e7

cdef enum:
    EXAMPLES_AT_ONCE = 256    # of a pass at fixed weights, for each thread
    RANGES_PER_THREAD = 4
    THREADS_PER_PROCESSOR = 4

_RESCALINGS = {"margin": MARGIN, "slack": SLACK, "plain": PLAIN}


cdef class Problem:
    """A model bound to data: all that a solver may see. Subclassed in Cython only.

    Structures written in Python subclass `structsvm.StructuredModel` instead and are adapted.

    Attributes
    ----------
    n_examples, n_weights : int
    exact : bool
        Whether the oracle returns a true maximum, so that the duality gap is a certificate.
    foreign : bool
        Whether the oracle is code from outside this package. A fit compares its answers with the
        model's predictions before it trusts them.
    oracle_work : float
        Work of an oracle call in multiply-adds, a declared estimate.
    non_negative_start, non_negative_stop : int
        Weights start, ..., stop - 1 must be >= 0: solvers keep to that, or refuse the problem.
    """

    def __cinit__(self):
        # An unset memoryview is neither None nor usable.
        self.sample_weight = None

    def __init__(self):
        raise TypeError("Problem is a contract: get one from model.bind(X, y)")

    def set_sample_weight(self, sample_weight):
        """Multiply the hinge of example i by ``sample_weight[i]``; None for all ones."""
        if sample_weight is None:
            self.sample_weight = None
            return
        weights = np.array(sample_weight, dtype=np.float64)
        if weights.shape != (self.n_examples,):
            raise ValueError(
                f"sample_weight has shape {weights.shape}, expected ({self.n_examples},)"
            )
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError("sample_weight must be finite and >= 0")
        self.sample_weight = weights

    @property
    def rescaling(self):
        """What the oracle maximises; see `set_rescaling`."""
        return next(name for name, value in _RESCALINGS.items() if value == self._rescaling)

    def set_rescaling(self, str rescaling):
        """Choose what the oracle maximises over y, and with it the hinge.

        With delta = psi(x, y_true) - psi(x, y): "margin" is Delta(y) - <w, delta>; "slack" is
        Delta(y) * (1 - <w, delta>), whose planes are (Delta(y) * delta, Delta(y)); "plain" is
        -<w, delta>, the prediction.

        Raises
        ------
        ValueError
            If the name is unknown, or this problem cannot maximise the slack form.
        """
        if rescaling not in _RESCALINGS:
            names = ", ".join(repr(name) for name in _RESCALINGS)
            raise ValueError(f"unknown rescaling {rescaling!r}: expected one of {names}")
        if rescaling == "slack":
            self.prepare_slack()
        self._rescaling = _RESCALINGS[rescaling]

    cdef int prepare_slack(self) except -1:
        raise ValueError(
            f"{type(self).__name__} has no oracle for rescaling='slack'; use rescaling='margin'"
        )

    def go_on_from(self, bint exact):
        """Planes of an earlier run join, whose oracle was exact or not."""
        self.exact = self.exact and exact

    def keep_non_negative(self, part):
        """Say which weights, a slice of them, must be >= 0; before any solver sees the problem."""
        start, stop, step = part.indices(self.n_weights)
        if step != 1 or (part.start, part.stop) != (start, stop) or start > stop:
            raise ValueError(
                f"non_negative is {part}, expected slice(start, stop) within the "
                f"{self.n_weights} weights"
            )
        self.non_negative_start, self.non_negative_stop = start, stop

    def project(self, vector):
        """The nearest vector that `non_negative_start` and `stop` allow; a copy if it differs."""
        part = slice(self.non_negative_start, self.non_negative_stop)
        if not (vector[part] < 0).any():
            return vector
        vector = np.array(vector)
        vector[part] = np.maximum(vector[part], 0.0)
        return vector

    def padded(self, weights):
        """A padded copy of a weight vector, its shape checked."""
        weights = np.asarray(weights, dtype=np.float64)
        if weights.shape != (self.n_weights,):
            raise ValueError(f"weights have shape {weights.shape}, expected ({self.n_weights},)")
        if not np.isfinite(weights).all():
            raise ValueError(f"weights[{np.argmin(np.isfinite(weights))}] is not finite")
        w = padded_vector(self.n_weights)
        w[:] = weights
        return w

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        """Allocate the scratch space of `n_threads` threads."""
        self.n_threads = max(self.n_threads, n_threads)
        return 0

    cdef Py_ssize_t calls_at_a_time(self, Py_ssize_t most) noexcept:
        return max(<Py_ssize_t> min(<double> most, MOST_WORK_AT_A_TIME / self.oracle_work), 1)

    def use_threads(self, n_threads):
        """Have passes made by so many threads from now on, or by as many as have something to do.
        """
        n_threads = useful_threads(n_threads, self.n_examples)
        self.reserve(n_threads)
        if n_threads < self.n_threads:
            self.release()
            self.n_threads = n_threads

    def release(self):
        """Give up what `reserve` started beside memory; it comes back when needed again."""

    cdef int max_oracle(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement max_oracle")

    cdef int plane(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        self.max_oracle(i, w, thread, out)
        return self.finish(i, out)

    cdef int finish(self, Py_ssize_t i, Plane* out) except -1 nogil:
        """Check what an oracle returned and apply the example's weight."""
        if not plane_is_finite(out):
            with gil:
                raise ValueError(
                    f"the oracle's plane for example {i} holds NaN or inf; "
                    "joint features and losses must be finite; where they are, they are too large: "
                    "scale the features"
                )
        if self._rescaling == SLACK:
            plane_stretch(out, out.loss)
        if self.sample_weight is not None:
            plane_scale(out, self.sample_weight[i])
        return 0

    cdef int _plane_range(
        self, const index_t[::1] examples, const Weights* w, int thread,
        Py_ssize_t start, Py_ssize_t stop, Plane* out,
    ) except -1 nogil:
        cdef Py_ssize_t k
        for k in range(start, stop):
            self.plane(examples[k], w, thread, &out[k])
        return 0

    cdef int plane_many(
        self, const index_t[::1] examples, const Weights* w, PlaneBatch out, meanwhile=None
    ) except -1:
        """Planes of several examples at one w, the same for any number of threads.

        Slot k receives the plane of examples[k], so nothing depends on who finished first. The
        caller's thread calls `meanwhile` before it helps; that must change neither w nor out.
        """
        cdef Py_ssize_t n = examples.shape[0]
        if n > out.size:
            raise ValueError(f"{n} planes do not fit a batch of {out.size}")
        if self.n_threads <= 1 or n <= 1:
            if meanwhile is not None:
                meanwhile()
            with nogil:
                self._plane_range(examples, w, 0, 0, n, out.planes)
            return 0
        run_threads(
            _PlaneTask(self, examples, <uintptr_t> w, out), n, self.n_threads, meanwhile
        )
        return 0

    def mean_hinge(self, weights, double[::1] hinges=None):
        """Mean of the examples' hinges at fixed weights, on all threads reserved.

        `hinges`, of shape (n_examples,), receives them one by one, times their weights.
        """
        cdef double hinge
        cdef Py_ssize_t start, k, count, n = self.n_examples
        self.reserve(1)
        cdef Py_ssize_t size = min(
            self.calls_at_a_time(EXAMPLES_AT_ONCE) * self.n_threads, max(n, 1)
        )
        cdef PlaneBatch batch = PlaneBatch(size)
        cdef const index_t[::1] examples = np.arange(n, dtype=np.int32)
        cdef double total = 0.0
        point = self.padded(weights)
        cdef Weights w = weights_of(point)
        for start in range(0, n, size):
            count = min(size, n - start)
            PyErr_CheckSignals()
            self.plane_many(examples[start:start + count], &w, batch)
            for k in range(count):
                hinge = max(plane_value(&batch.planes[k], &w), 0.0)
                total += hinge
                if hinges is not None:
                    hinges[start + k] = hinge
        return total / max(n, 1)

    def example_weights(self):
        """The sample weights, 1 where none were set, of shape (n_examples,)."""
        if self.sample_weight is None:
            return np.ones(self.n_examples)
        return np.array(self.sample_weight)

    def answers_at(
        self, const index_t[::1] examples, weights, *, bint plain, bint one_by_one=False
    ):
        """What the oracle answers for some examples, or `inference` if `plain`.

        Sample weights do not count. With `one_by_one` batch methods are not used.

        Returns
        -------
        losses, leads, sizes : ndarray of shape (len(examples),)
            Delta(y_i, y); <w, psi(x_i, y) - psi(x_i, y_i)>, with slack rescaling and not `plain`
            times that loss; and the sum of the magnitudes that the two add up, by which to judge
            rounding.
        """
        cdef Py_ssize_t start, k, count, n = examples.shape[0]
        cdef Rescaling rescaling = self._rescaling
        cdef const double[::1] sample_weight = self.sample_weight
        self.reserve(1)
        cdef Py_ssize_t size = min(
            self.calls_at_a_time(EXAMPLES_AT_ONCE) * self.n_threads, max(n, 1)
        )
        cdef PlaneBatch batch = PlaneBatch(size)
        point = self.padded(weights)
        cdef Weights w = weights_of(point)
        found = np.zeros((3, n))
        cdef double[:, ::1] view = found
        try:
            self.sample_weight = None
            if plain:
                self._rescaling = PLAIN
            for start in range(0, n, size):
                count = min(size, n - start)
                PyErr_CheckSignals()
                if one_by_one:
                    for k in range(count):
                        self.plane(examples[start + k], &w, 0, &batch.planes[k])
                else:
                    self.plane_many(examples[start:start + count], &w, batch)
                for k in range(count):
                    view[0, start + k] = batch.planes[k].loss
                    view[1, start + k] = plane_value(&batch.planes[k], &w) - batch.planes[k].loss
                    view[2, start + k] = plane_size(&batch.planes[k], &w)
        finally:
            self._rescaling = rescaling
            self.sample_weight = sample_weight
        return found

    def oracle(self, Py_ssize_t i, weights):
        """The plane of example i at `weights`: ``(indices, values, loss)``, indices ascending.

        For study and tests; solvers use the compiled entry points.
        """
        if not 0 <= i < self.n_examples:
            raise IndexError(f"example {i} of a problem with {self.n_examples} examples")
        w = self.padded(weights)
        cdef Weights c_weights = weights_of(w)
        cdef PlaneBatch batch = PlaneBatch(1)
        cdef Plane* plane = &batch.planes[0]
        self.reserve(1)
        with nogil:
            self.plane(i, &c_weights, 0, plane)
        indices = np.empty(plane.nnz, dtype=np.int32)
        values = np.empty(plane.nnz)
        cdef index_t[::1] indices_view = indices
        cdef double[::1] values_view = values
        cdef Py_ssize_t e
        for e in range(plane.nnz):
            indices_view[e] = plane.indices[e]
            values_view[e] = plane.values[e]
        order = np.argsort(indices)
        return indices[order], values[order], plane.loss


cdef class _PlaneTask:
    """One call of plane_many, to be cut into ranges."""
    cdef Problem problem
    cdef const index_t[::1] examples
    cdef Weights w
    cdef object owner    # of the weights' data
    cdef PlaneBatch out

    def __init__(self, Problem problem, const index_t[::1] examples, uintptr_t w, PlaneBatch out):
        self.problem = problem
        self.examples = examples
        self.w = (<const Weights*> w)[0]
        self.owner = <object> self.w.owner
        self.out = out

    def __call__(self, int thread, Py_ssize_t start, Py_ssize_t stop):
        with nogil:
            self.problem._plane_range(
                self.examples, &self.w, thread, start, stop, self.out.planes
            )


def useful_threads(n_threads, Py_ssize_t n):
    """Of so many threads as many as there is use for: one for each of n examples, at most, and
    `THREADS_PER_PROCESSOR` for each processor, or two.
    """
    most = max(2, THREADS_PER_PROCESSOR * (os.cpu_count() or 1))
    return max(1, min(n_threads, n, most))


_executor = None    # threads for all problems of this process, started when first needed


def _forget_executor():
    # A forked child has none of its parent's threads.
    global _executor
    _executor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_executor)


def run_threads(task, Py_ssize_t n, Py_ssize_t n_threads, meanwhile=None):
    """``task(thread, start, stop)`` over ranges that make up ``range(n)``.

    Threads take ranges as they come, several each, as examples differ in size; no two calls at a
    time have the same `thread`. The caller's thread calls `meanwhile` and then works too. No thread
    works any more when this returns or raises, whatever interrupts it; after an error or Ctrl-C no
    new range is begun.
    """
    global _executor
    n_threads = useful_threads(n_threads, n)
    if n_threads == 1:
        if meanwhile is not None:
            meanwhile()
        task(0, 0, n)
        return
    n_ranges = min(n, RANGES_PER_THREAD * n_threads)
    ranges = itertools.count()
    enough = threading.Event()

    def work(thread):
        for k in ranges:
            if k >= n_ranges or enough.is_set():
                return
            task(thread, n * k // n_ranges, n * (k + 1) // n_ranges)

    if _executor is None or _executor._max_workers < n_threads:
        _executor = ThreadPoolExecutor(max(n_threads, os.cpu_count() or 1), "structsvm")
    futures = [_executor.submit(work, thread) for thread in range(1, n_threads)]
    failure = None
    try:
        if meanwhile is not None:
            meanwhile()
        work(0)
    except BaseException as error:
        failure = error
        enough.set()
    while True:
        try:
            wait(futures)
            break
        except KeyboardInterrupt as error:
            # They use the caller's memory: it must not go before they do.
            failure = error
            enough.set()
    if failure is not None:
        raise failure
    for future in futures:
        future.result()
