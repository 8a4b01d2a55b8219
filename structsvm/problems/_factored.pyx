"""FactoredProblem: the oracle of every compiled family; see ``_factored.pxd`` for the pieces."""

import numpy as np

from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from structsvm._typedefs cimport index_t, label_t
from structsvm.linalg._plane cimport WEIGHT_PADDING, Plane, PlaneBatch, PlaneBuilder, Weights
from structsvm.linalg._plane cimport builder_finish, weights_of
from structsvm.problems._problem cimport MARGIN, PLAIN, SLACK, Problem, Rescaling

from structsvm.linalg._plane import is_padded
from structsvm.problems._problem import run_threads, useful_threads


cdef int counts_add(PartCounts* mu, Py_ssize_t part, double count) except -1 nogil:
    cdef Py_ssize_t capacity
    cdef index_t* parts
    cdef double* counts
    if mu.size == mu.capacity:
        capacity = 2 * mu.capacity + 64
        parts = <index_t*> realloc(mu.parts, capacity * sizeof(index_t))
        if parts != NULL:
            mu.parts = parts
        counts = <double*> realloc(mu.counts, capacity * sizeof(double))
        if counts != NULL:
            mu.counts = counts
        if parts == NULL or counts == NULL:
            with gil:
                raise MemoryError(f"no memory for {capacity} parts")
        mu.capacity = capacity
    mu.parts[mu.size] = <index_t> part
    mu.counts[mu.size] = count
    mu.size += 1
    return 0


cdef class PartFeatures:
    cdef int scores(self, Py_ssize_t i, const Weights* w, double* theta) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement scores")

    cdef int accumulate(
        self, Py_ssize_t i, const PartCounts* mu, PlaneBuilder* out
    ) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement accumulate")

    cdef bint are_finite(self, Py_ssize_t i, const double* theta) noexcept nogil:
        return False


cdef class PartLoss:
    cdef void augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil:
        pass

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        return 0.0

    cdef double relaxed_value(
        self, Py_ssize_t i, const label_t* y, const PartCounts* mu
    ) noexcept nogil:
        return 0.0


cdef class Structure:
    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        return 0

    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* y_hat, double* value
    ) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement decode")

    cdef int prepare_slack(self, PartLoss loss, const label_t[::1] labels) except -1:
        raise ValueError(
            f"{type(self).__name__} has no oracle for rescaling='slack'; use rescaling='margin'"
        )

    cdef int decode_slack(
        self, Py_ssize_t i, double* theta, const label_t* y, int thread, label_t* y_hat,
        double* value,
    ) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement decode_slack")

    cdef int count(self, Py_ssize_t i, const label_t* y, PartCounts* mu) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement count")

    cdef int difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, PartCounts* mu
    ) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement difference")

    cdef int relax(
        self, Py_ssize_t i, double* theta, const label_t* y, int thread, PartCounts* mu
    ) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement relax")


cdef int scratch_fill(
    Scratch* s, Py_ssize_t n_parts, Py_ssize_t n_labels, Py_ssize_t n_weights
) except -1:
    cdef Py_ssize_t k
    s.theta = <double*> calloc(n_parts + WEIGHT_PADDING, sizeof(double))
    s.y_hat = <label_t*> malloc(max(n_labels, 1) * sizeof(label_t))
    s.slot = <index_t*> malloc(max(n_weights, 1) * sizeof(index_t))
    if s.theta == NULL or s.y_hat == NULL or s.slot == NULL:
        raise MemoryError(
            f"no memory for the scratch space of {n_parts} parts and {n_weights} weights"
        )
    for k in range(n_weights):
        s.slot[k] = -1
    return 0


cdef void scratch_free(Scratch* s) noexcept:
    free(s.theta)
    free(s.y_hat)
    free(s.slot)
    free(s.mu.parts)
    free(s.mu.counts)


cdef class FactoredProblem(Problem):
    """Features, structure and loss bound together.

    Parameters
    ----------
    features : PartFeatures
    structure : Structure
    loss : PartLoss or None
        None for a problem that only decodes.
    labels : int32 array of shape (offsets[-1],) or None
        The true outputs, one after the other.
    offsets : int64 array of shape (n_examples + 1,)
    oracle_work : float
        See `Problem`.
    """

    def __init__(
        self, PartFeatures features, Structure structure, PartLoss loss, labels, offsets,
        double oracle_work,
    ):
        self.features = features
        self.structure = structure
        self.loss = loss
        self.labels = labels
        self.label_offsets = self.offsets = offsets
        self.n_examples = self.offsets.shape[0] - 1
        self.n_weights = features.n_weights
        self.exact = structure.exact
        self.oracle_work = oracle_work
        if (labels is None) != (loss is None):
            raise ValueError("labels and loss come together: give both or neither")
        if labels is not None and self.labels.shape[0] != self.offsets[self.n_examples]:
            raise ValueError(
                f"{self.labels.shape[0]} labels for {self.offsets[self.n_examples]} positions"
            )
        self._labels = &self.labels[0] if labels is not None and self.labels.shape[0] else NULL

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self._n_scratch):
            scratch_free(&self._scratch[k])
        free(self._scratch)

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t k
        cdef Scratch* scratch
        if n_threads <= self._n_scratch:
            self.n_threads = max(self.n_threads, n_threads)
            return 0
        self.structure.reserve(n_threads)
        scratch = <Scratch*> realloc(self._scratch, n_threads * sizeof(Scratch))
        if scratch == NULL:
            raise MemoryError(f"no memory for {n_threads} threads")
        self._scratch = scratch
        for k in range(self._n_scratch, n_threads):
            memset(&scratch[k], 0, sizeof(Scratch))
            try:
                scratch_fill(
                    &scratch[k], self.structure.max_parts, self.structure.max_labels,
                    # Without true outputs there are no planes to build.
                    0 if self.labels is None else self.n_weights,
                )
            except MemoryError:
                scratch_free(&scratch[k])
                raise
            self._n_scratch = k + 1
        self.n_threads = n_threads
        return 0

    cdef int prepare_slack(self) except -1:
        if self.loss is None:
            raise ValueError("rescaling needs a loss; bind the model to y")
        self.structure.prepare_slack(self.loss, self.labels)
        return 0

    cdef int score(
        self, Py_ssize_t i, const Weights* w, Rescaling rescaling, double* theta
    ) except -1 nogil:
        """The scores of all parts, with the loss in them where the rescaling adds it."""
        self.features.scores(i, w, theta)
        if rescaling == PLAIN and not self.features.are_finite(i, theta):
            self._met_bad_scores = True
        if rescaling == MARGIN:
            self.loss.augment(i, self._labels + self.offsets[i], theta)
        return 0

    cdef int answer(
        self, Py_ssize_t i, const Weights* w, Rescaling rescaling, int thread, label_t* y_hat,
        double* value,
    ) except -1 nogil:
        """The output that maximises the rescaling's objective; see `decode` for `value`."""
        cdef double* theta = self._scratch[thread].theta
        self.score(i, w, rescaling, theta)
        if rescaling == SLACK:
            return self.structure.decode_slack(
                i, theta, self._labels + self.offsets[i], thread, y_hat, value
            )
        return self.structure.decode(i, theta, thread, y_hat, value)

    cdef int max_oracle(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        cdef Scratch* s = &self._scratch[thread]
        cdef const label_t* y = self._labels + self.offsets[i]
        cdef PlaneBuilder builder
        cdef double value
        if self.loss is None:
            with gil:
                raise ValueError("a problem bound without y has no planes; bind the model to y")
        s.mu.size = 0
        if self.structure.relaxed and self._rescaling == MARGIN:
            self.score(i, w, MARGIN, s.theta)
            self.structure.relax(i, s.theta, y, thread, &s.mu)
            if not self.structure.exact:  # from the first answer on that is no output
                self.exact = False
            value = self.loss.relaxed_value(i, y, &s.mu)
        else:
            self.answer(i, w, self._rescaling, thread, s.y_hat, &value)
            self.structure.difference(i, y, s.y_hat, &s.mu)
            value = self.loss.value(i, y, s.y_hat)
        builder.slot = s.slot
        builder.plane = out
        out.nnz = 0
        try:
            self.features.accumulate(i, &s.mu, &builder)
        finally:
            builder_finish(&builder)
        out.loss = value
        return 0

    def joint_feature(self, Py_ssize_t i, labels):
        """psi(x_i, y) of an output, given as a row of labels.

        Returns
        -------
        indices : int32 array
            Ascending.
        values : float64 array
        """
        cdef const label_t[::1] row = self._output(i, labels)
        cdef const label_t* y = &row[0] if row.shape[0] else NULL
        cdef index_t[::1] slot = np.full(self.n_weights, -1, dtype=np.int32)
        cdef PlaneBatch batch = PlaneBatch(1)
        cdef PlaneBuilder builder
        cdef PartCounts mu
        builder.slot = &slot[0] if self.n_weights else NULL
        builder.plane = &batch.planes[0]
        memset(&mu, 0, sizeof(PartCounts))
        try:
            self.structure.count(i, y, &mu)
            self.features.accumulate(i, &mu, &builder)
        finally:
            builder_finish(&builder)
            free(mu.parts)
            free(mu.counts)
        indices, values = plane_arrays(&batch.planes[0])
        order = np.argsort(indices)
        return indices[order], values[order]

    def loss_of(self, Py_ssize_t i, labels):
        """Delta(y_i, y) of an output, given as a row of labels."""
        cdef const label_t[::1] row = self._output(i, labels)
        cdef PartCounts mu
        if self.loss is None:
            raise ValueError("a problem bound without y has no losses; bind the model to y")
        if not row.shape[0]:
            return 0.0
        memset(&mu, 0, sizeof(PartCounts))
        try:
            self.structure.count(i, &row[0], &mu)  # raises, if these are no labels
        finally:
            free(mu.parts)
            free(mu.counts)
        return self.loss.value(i, self._labels + self.offsets[i], &row[0])

    def _output(self, Py_ssize_t i, labels):
        if not 0 <= i < self.n_examples:
            raise IndexError(f"example {i}: there are {self.n_examples}")
        row = np.ascontiguousarray(labels, dtype=np.int32)
        expected = self.offsets[i + 1] - self.offsets[i]
        if row.shape != (expected,):
            raise ValueError(
                f"the labels for example {i} have shape {row.shape}, expected ({expected},)"
            )
        return row

    cdef int _decode_range(
        self, const Weights* w, Rescaling rescaling, int thread, Py_ssize_t start, Py_ssize_t stop,
        label_t* labels, double* values,
    ) except -1 nogil:
        cdef Py_ssize_t i
        for i in range(start, stop):
            self.answer(i, w, rescaling, thread, labels + self.offsets[i], &values[i])
        return 0

    def decode(self, weights, *, bint augmented=False, n_threads=1):
        """The best outputs at `weights`; when `augmented`, what the oracle answers.

        Where the oracle's answers are fractional, these are the outputs found on the way there.

        Returns
        -------
        labels : int32 array of shape (offsets[-1],)
        values : float64 array of shape (n_examples,)
            Their scores, with the loss added when `augmented`; with slack rescaling, the hinges.
        """
        if augmented and (self.labels is None or self.loss is None):
            raise ValueError("loss-augmented decoding needs true outputs; bind the model to y")
        if n_threads < 1:
            raise ValueError(f"n_threads={n_threads}: expected at least 1")
        n_threads = useful_threads(n_threads, self.n_examples)
        self.reserve(n_threads)
        # One sentence must not cost a look at millions of weights: those that it uses are seen by
        # its scores.
        self._met_bad_scores = False
        as_they_are = not augmented and is_padded(weights, self.n_weights)
        w = weights if as_they_are else self.padded(weights)
        labels = np.empty(self.offsets[self.n_examples], dtype=np.int32)
        values = np.empty(self.n_examples)
        if self.n_examples:
            rescaling = self._rescaling if augmented else PLAIN
            task = _DecodeTask(self, w, rescaling, labels, values)
            run_threads(task, self.n_examples, n_threads)
            if self._met_bad_scores:
                self.padded(weights)  # raises, if it is a weight, and names it
        return labels, values


cdef object plane_arrays(const Plane* plane):
    """Copies of a plane's indices and values."""
    cdef Py_ssize_t e
    indices, values = np.empty(plane.nnz, dtype=np.int32), np.empty(plane.nnz)
    cdef index_t[::1] some_indices = indices
    cdef double[::1] some_values = values
    for e in range(plane.nnz):
        some_indices[e] = plane.indices[e]
        some_values[e] = plane.values[e]
    return indices, values


cdef class _DecodeTask:
    cdef FactoredProblem problem
    cdef object w
    cdef Rescaling rescaling
    cdef label_t[::1] labels
    cdef double[::1] values

    def __init__(
        self, FactoredProblem problem, w, Rescaling rescaling, label_t[::1] labels,
        double[::1] values,
    ):
        self.problem = problem
        self.w = w
        self.rescaling = rescaling
        self.labels = labels
        self.values = values

    def __call__(self, int thread, Py_ssize_t start, Py_ssize_t stop):
        cdef Weights w = weights_of(self.w)
        cdef label_t* labels = &self.labels[0] if self.labels.shape[0] else NULL
        cdef double* values = &self.values[0]
        with nogil:
            self.problem._decode_range(
                &w, self.rescaling, thread, start, stop, labels, values
            )
