"""The Problem base class; the contract itself is in ``_problem.pxd``."""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights
from structsvm.linalg._plane cimport (
    plane_arrays, plane_is_finite, plane_scale, plane_size, plane_stretch, plane_value, weights_of,
)

from structsvm.linalg._plane import is_padded, padded_vector
from structsvm.linalg._sums import dot

# Work in multiply-adds between two checks for Ctrl-C in solvers: about 50 ms.
cdef double MOST_WORK_AT_A_TIME = 5e7

cdef enum:
    EXAMPLES_AT_ONCE = 256    # of a pass at fixed weights, for each worker of an engine

_RESCALINGS = {"margin": MARGIN, "slack": SLACK, "plain": PLAIN}


cdef class Problem:
    """A model bound to data: all that a solver may see. Only Cython classes can subclass it.

    Models in Python subclass `structsvm.StructuredModel`, and `PythonProblem` adapts them.

    Attributes
    ----------
    n_examples, n_weights : int
    exact : bool
        Whether the oracle returns a true maximum, which makes the duality gap a certificate.
    foreign : bool
        Whether the oracle is code from outside this package. A fit compares its answers with the
        model's predictions before it trusts them.
    in_python : bool
        Whether the oracle holds the GIL.
    in_batches : bool
        Whether the oracle answers for many examples in less time than for one after the other.
    squared : bool
        Whether hinges are squares, or sums of squares, of which planes are tangents.
    n_threads : int
        Scratch space is reserved for so many threads.
    oracle_work : float
        Work of an oracle call in multiply-adds, a declared estimate.
    non_negative : int32 ndarray
        Indices of weights that must be >= 0; solvers keep them so, or refuse the problem.
    floors : float64 ndarray
        What each of these must be at least, <= 0; zeros, unless weights are counted from others.
    """

    def __cinit__(self):
        # An unset memoryview is neither None nor usable.
        self.sample_weight = None
        self._keep_above(np.zeros(0, dtype=np.int32))

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
    def is_weighted(self):
        """Whether sample weights were set."""
        return self.sample_weight is not None

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
            If the name is unknown, or the problem has no oracle for "slack".
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
        """Take over whether the oracle was exact in the run that is resumed."""
        self.exact = self.exact and exact

    def keep_non_negative(self, part):
        """Set the weights that must be >= 0, a slice or indices; call it before any solver."""
        if isinstance(part, slice):
            start, stop, step = part.indices(self.n_weights)
            if step != 1 or (part.start, part.stop) != (start, stop) or start > stop:
                raise ValueError(
                    f"non_negative is {part}, expected slice(start, stop) within the "
                    f"{self.n_weights} weights"
                )
            self._keep_above(np.arange(start, stop, dtype=np.int32))
            return
        given = np.asarray(part)
        indices = np.unique(given)
        if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
            raise ValueError(
                f"non_negative is {given.dtype} of shape {given.shape}, expected a slice or a row "
                "of indices of weights"
            )
        outside = indices[(indices < 0) | (indices >= self.n_weights)]
        if outside.size:
            raise ValueError(
                f"non_negative has the index {outside[0]}, expected 0 to {self.n_weights - 1}"
            )
        self._keep_above(indices.astype(np.int32))

    cdef _keep_above(self, indices, floors=None):
        self.non_negative = indices
        self.floors = np.zeros(len(indices)) if floors is None else floors

    @property
    def plain(self):
        """The problem of the model itself, without prior, fixed and tied weights."""
        return self

    def whole(self, weights):
        """The weights of the model that weights of this problem stand for."""
        return weights

    def project(self, vector, double unit=1.0):
        """The nearest vector whose constrained weights are >= 0, or at least `unit` times their
        floors; a copy if it differs."""
        kept, floors = vector[self.non_negative], unit * self.floors
        if not (kept < floors).any():
            return vector
        vector = np.array(vector)
        vector[self.non_negative] = np.maximum(kept, floors)
        return vector

    def loss_of_multipliers(self, z, allowed):
        """What the multipliers that lead from z to `allowed` add to the loss of a dual point."""
        if not self.floors.any():
            return 0.0
        return dot(self.floors, (allowed - z)[self.non_negative])

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

    def predict(self, weights, *, bint augmented=False, bint scored=True, engine=None):
        """The best outputs at `weights`; when `augmented`, what the oracle answers.

        Parameters
        ----------
        weights : float64 array of shape (n_weights,)
        augmented : bool, default=False
            Ask for the maximum with the loss, of the problem's `rescaling`.
        scored : bool, default=True
            Whether values are wanted: a model in Python is asked for joint features to give them.
        engine : Engine, default=None
            Who makes the calls; None makes them in this thread.

        Returns
        -------
        outputs : int32 array or list
            Of compiled problems the labels of all outputs, one after the other; of models in
            Python a list of what the model answered.
        values : float64 array of shape (n_examples,), or None
            The scores of the outputs, with the loss added when `augmented`; with slack rescaling,
            the hinges. None if not `scored`.

        Raises
        ------
        ValueError
            If weights have another shape or are not finite, or `augmented` needs true outputs.
        """
        cdef Rescaling rescaling = self._rescaling
        cdef Outputs out
        if augmented and not self.knows_truths():
            raise ValueError("loss-augmented decoding needs true outputs; bind the model to y")
        # One sentence must not cost a look at millions of weights: those that it uses are seen by
        # its scores.
        as_they_are = not augmented and is_padded(weights, self.n_weights)
        w = weights if as_they_are else self.padded(weights)
        examples = np.arange(self.n_examples, dtype=np.int32)
        self.reserve(1)
        self._met_bad_scores = False
        try:
            if not augmented:
                self._rescaling = PLAIN
            out = self.make_room(scored)
            if not self.n_examples:
                pass  # nobody is asked
            elif engine is None:
                getattr(self, out.question)(examples, w, out)
            else:
                engine.begin(self, out.question, examples, w, out).wait()
        finally:
            self._rescaling = rescaling
        if self._met_bad_scores:
            self.padded(weights)  # raises, if it is a weight, and names it
        return out.outputs, out.values if scored else None

    cdef bint knows_truths(self) noexcept:
        return True

    cdef Outputs make_room(self, bint scored):
        raise TypeError(f"{type(self).__name__} does not implement predict")

    cdef Py_ssize_t calls_at_a_time(self, Py_ssize_t most) noexcept:
        return max(<Py_ssize_t> min(<double> most, MOST_WORK_AT_A_TIME / self.oracle_work), 1)

    def pieces(self, const index_t[::1] examples, engine=None):
        """Split the examples of a pass at fixed weights into batches for an engine.

        The planes of a batch fit into memory, and Ctrl-C is checked between batches.
        """
        cdef Py_ssize_t n_workers = 1 if engine is None else engine.n_workers
        cdef Py_ssize_t start, size = self.calls_at_a_time(EXAMPLES_AT_ONCE) * n_workers
        cdef Py_ssize_t n = examples.shape[0]
        if engine is not None and engine.elsewhere:
            size = max(n, 1)  # each question costs a message to every worker
        return [np.asarray(examples[start:min(start + size, n)]) for start in range(0, n, size)]

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
                    "joint features and losses must be finite; if they are, they are too large: "
                    "scale the features"
                )
        if self._rescaling == SLACK:
            plane_stretch(out, out.loss)
        if self.sample_weight is not None:
            plane_scale(out, self.sample_weight[i])
        return 0

    cdef double task_loss(self, const Plane* plane, int thread) noexcept nogil:
        return plane.loss

    cdef int _plane_range(
        self, const index_t[::1] examples, const Weights* w, int thread,
        Py_ssize_t start, Py_ssize_t stop, Plane* out,
    ) except -1 nogil:
        cdef Py_ssize_t k
        for k in range(start, stop):
            self.plane(examples[k], w, thread, &out[k])
        return 0

    def planes(
        self, const index_t[::1] examples not None, w, PlaneBatch out not None,
        Py_ssize_t start=0, int thread=0,
    ):
        """Write the planes of several examples at w: slot start + k is for examples[k].

        Parameters
        ----------
        examples : int32 array
        w : float64 array of shape (n_weights,)
            Padded, see `structsvm.linalg._plane.padded_vector`.
        out : PlaneBatch
        start : int, default=0
        thread : int, default=0
            Below the number that `reserve` was called with; calls with different numbers may run
            at the same time.

        Raises
        ------
        ValueError
            If w or thread is wrong, or the planes do not fit the batch.
        IndexError
            If there is no such example.
        """
        cdef Weights weights = self._checked(examples, w, thread)
        cdef Py_ssize_t n = examples.shape[0]
        if start < 0 or start + n > out.size:
            raise ValueError(f"{n} planes from slot {start} on do not fit a batch of {out.size}")
        with nogil:
            self._plane_range(examples, &weights, thread, 0, n, out.planes + start)

    cdef Weights _checked(self, const index_t[::1] examples, w, int thread) except *:
        """Check w, thread and examples; returns the weights."""
        cdef Py_ssize_t k
        if not is_padded(w, self.n_weights):
            raise ValueError(f"w must be a padded vector of {self.n_weights} weights")
        if not 0 <= thread < self.n_threads:
            raise ValueError(f"thread {thread} of {self.n_threads}: call reserve first")
        for k in range(examples.shape[0]):
            if not 0 <= examples[k] < self.n_examples:
                raise IndexError(f"example {examples[k]} of {self.n_examples}")
        return weights_of(w)

    cdef object _ask(self, engine, examples, w, PlaneBatch out):
        """Write planes by an engine; without one, in this thread."""
        PyErr_CheckSignals()
        if engine is None:
            self.planes(examples, w, out)
        else:
            engine.planes(self, examples, w, out)

    def mean_hinge(self, weights, double[::1] hinges=None, engine=None):
        """Mean of the weighted hinges of the examples at fixed weights.

        `hinges`, of shape (n_examples,), receives the weighted hinges.
        """
        cdef double hinge
        cdef Py_ssize_t k, i = 0, n = self.n_examples
        cdef double total = 0.0
        self.reserve(1)
        pieces = self.pieces(np.arange(n, dtype=np.int32), engine)
        cdef PlaneBatch batch = PlaneBatch(max(map(len, pieces), default=0))
        point = self.padded(weights)
        cdef Weights w = weights_of(point)
        for piece in pieces:
            self._ask(engine, piece, point, batch)
            for k in range(len(piece)):
                hinge = max(plane_value(&batch.planes[k], &w) + batch.planes[k].excess, 0.0)
                total += hinge
                if hinges is not None:
                    hinges[i] = hinge
                i += 1
        return total / max(n, 1)

    def example_weights(self):
        """The sample weights, of shape (n_examples,); ones if none were set."""
        if self.sample_weight is None:
            return np.ones(self.n_examples)
        return np.array(self.sample_weight)

    def answers_at(
        self, const index_t[::1] examples, weights, *, bint plain, engine=None,
        bint one_by_one=False,
    ):
        """Outputs y of the oracle for some examples, or of `inference` if `plain`.

        Sample weights do not count. With `one_by_one` batch methods are not used.

        Returns
        -------
        losses, leads, sizes, excess : ndarray of shape (len(examples),)
            Delta(y_i, y); <w, psi(x_i, y) - psi(x_i, y_i)>, times Delta(y_i, y) with slack
            rescaling unless `plain`; the sum of the magnitudes of all terms of the two, which
            bounds their rounding; and by how much the bound on all outputs is above this one.
        """
        cdef Py_ssize_t k, place = 0
        cdef Rescaling rescaling = self._rescaling
        cdef const double[::1] sample_weight = self.sample_weight
        cdef const index_t[::1] some
        self.reserve(1)
        pieces = self.pieces(examples, engine)
        cdef PlaneBatch batch = PlaneBatch(max(map(len, pieces), default=0))
        point = self.padded(weights)
        cdef Weights w = weights_of(point)
        found = np.zeros((4, len(examples)))
        cdef double[:, ::1] view = found
        try:
            self.sample_weight = None
            if plain:
                self._rescaling = PLAIN
            for piece in pieces:
                some = piece
                if one_by_one:
                    PyErr_CheckSignals()
                    for k in range(some.shape[0]):
                        self.plane(some[k], &w, 0, &batch.planes[k])
                else:
                    self._ask(engine, piece, point, batch)
                for k in range(some.shape[0]):
                    view[0, place] = batch.planes[k].loss
                    view[1, place] = plane_value(&batch.planes[k], &w) - batch.planes[k].loss
                    view[2, place] = plane_size(&batch.planes[k], &w)
                    view[3, place] = batch.planes[k].excess
                    place += 1
        finally:
            self._rescaling = rescaling
            self.sample_weight = sample_weight
        return found

    def truth_sizes(self, const index_t[::1] examples, weights):
        """Sum of the magnitudes of the terms of the score of each true output."""
        size = np.abs(weights)
        truths = [self.truth_psi(i) for i in examples]
        return np.array([size[indices] @ np.abs(values) for indices, values in truths])

    def rival(self, Py_ssize_t i, weights, double push):
        """An output unlike the true one: the prediction at weights moved against psi(x_i, y_i).

        The move lowers the score of the true output by `push`, and of similar outputs by less.

        Returns
        -------
        loss, lead, size
            As in `answers_at`, at `weights`; None if psi(x_i, y_i) is 0.
        """
        cdef PlaneBatch batch = PlaneBatch(1)
        cdef Plane* plane = &batch.planes[0]
        cdef Rescaling rescaling = self._rescaling
        indices, values = self.truth_psi(i)
        pushed = self.padded(weights)
        w = pushed.copy()
        # Repeated indices add up.
        np.subtract.at(pushed, indices, values)
        length = np.sum((pushed - w) ** 2)
        if not length > 0.0:
            return None
        pushed = self.padded(self.project(w + (pushed - w) * (push / length)))
        cdef Weights c_pushed = weights_of(pushed)
        self.reserve(1)
        try:
            self._rescaling = PLAIN
            self.max_oracle(i, &c_pushed, 0, plane)
        finally:
            self._rescaling = rescaling
        point = self.padded(weights)
        cdef Weights c_weights = weights_of(point)
        loss = plane.loss
        return loss, plane_value(plane, &c_weights) - loss, plane_size(plane, &c_weights)

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
        indices, values = plane_arrays(plane)
        return indices, values, plane.loss


cdef class Outputs:
    """Where predictions are written; see `Problem.predict`."""

    def __init__(self, str question, outputs, values):
        self.question = question
        self.outputs = outputs
        self.values = values
