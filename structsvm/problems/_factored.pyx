"""FactoredProblem: the oracle of every compiled family; see ``_factored.pxd`` for the pieces."""

import numpy as np

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from structsvm._typedefs cimport index_t, label_t
from structsvm.inference._maximizer cimport SSVM_INDICES, SSVM_VOID, Maximizer, ssvm_counts
from structsvm.linalg._plane cimport WEIGHT_PADDING, Plane, PlaneBatch, PlaneBuilder, Weights
from structsvm.linalg._plane cimport builder_finish, plane_arrays, plane_value, weights_of
from structsvm.problems._features cimport (
    BlockFeatures, FeatureBlock, RowSums, sums_free, sums_reserve,
)
from structsvm.problems._losses cimport PartLoss
from structsvm.problems._problem cimport MARGIN, PLAIN, SLACK, Outputs, Problem, Rescaling

from structsvm.exceptions import LabelError

# Two scores closer than this, relative to their terms, are equal up to rounding.
cdef double SAME_SCORE = 1e-12


cdef int scratch_fill(
    Scratch* s, Py_ssize_t n_parts, Py_ssize_t n_labels, Py_ssize_t n_counts, Py_ssize_t n_weights
) except -1:
    cdef Py_ssize_t k
    s.theta = <double*> calloc(n_parts, sizeof(double))
    s.y_hat = <label_t*> malloc(max(n_labels, 1) * sizeof(label_t))
    s.slot = <index_t*> malloc(max(n_weights, 1) * sizeof(index_t))
    s.mu.capacity = n_counts
    s.mu.parts = <int32_t*> malloc(max(n_counts, 1) * sizeof(int32_t))
    s.mu.counts = <double*> malloc(max(n_counts, 1) * sizeof(double))
    if s.theta == NULL or s.y_hat == NULL or s.slot == NULL or s.mu.parts == NULL or (
        s.mu.counts == NULL
    ):
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
    free(s.levels)
    sums_free(&s.sums)


cdef class FactoredProblem(Problem):
    """A problem of features, maximizer and loss.

    Parameters
    ----------
    features : BlockFeatures
    maximizer : Maximizer
    loss : PartLoss or None
        None for a problem that only decodes.
    labels : int32 array of shape (offsets[-1],) or None
        The true outputs, one after the other.
    offsets : int64 array of shape (n_examples + 1,)
        Start of each output in `labels`. As many labels as the maximizer says; rows of used parts
        may be shorter, with SSVM_VOID at their end.
    oracle_work : float
        See `Problem`.
    truths_outside : bool, default=False
        Whether the maximizer may not know a true output, such as a tree with crossing arcs among
        trees without. It counts as an output all the same: the hinge is 0 where it beats all else.
    """

    def __init__(
        self, BlockFeatures features, Maximizer maximizer, PartLoss loss, labels, offsets,
        double oracle_work, *, bint truths_outside=False,
    ):
        cdef Py_ssize_t i
        self.features = features
        self.maximizer = maximizer
        self.loss = loss
        self.labels = labels
        self.label_offsets = self.offsets = offsets
        self.n_examples = self.offsets.shape[0] - 1
        self.n_weights = features.n_weights
        self.exact = maximizer.exact
        self.in_batches = maximizer.in_batches
        self.takes_base = type(self) is FactoredProblem
        self._n_theta = maximizer.most_parts + features.n_room + WEIGHT_PADDING
        self.truths_outside = truths_outside
        self.in_rows = (
            maximizer.struct.count == NULL and maximizer.struct.form == SSVM_INDICES
        )
        self.room = offsets
        if self.in_rows:
            self.room = np.append(0, np.cumsum(maximizer.n_labels, dtype=np.int64))
        self.oracle_work = oracle_work
        if self.n_examples < 0 or self.offsets[0] != 0:
            raise ValueError("offsets must begin with 0")
        if (labels is None) != (loss is None):
            raise ValueError("labels and loss come together: give both or neither")
        if labels is not None and self.labels.shape[0] != self.offsets[self.n_examples]:
            raise ValueError(
                f"{self.labels.shape[0]} labels for {self.offsets[self.n_examples]} positions"
            )
        for name, n in (
            ("features", features.n_examples), ("maximizer", maximizer.struct.n_examples)
        ):
            if n != self.n_examples:
                raise ValueError(f"the {name} are of {n} examples, expected {self.n_examples}")
        for i in range(self.n_examples):
            if features.n_parts(i) != maximizer.struct.n_parts[i] or (
                not self.in_rows
                and self.offsets[i + 1] - self.offsets[i] != maximizer.struct.n_labels[i]
            ):
                raise ValueError(
                    f"example {i} has {features.n_parts(i)} parts in its features and "
                    f"{self.offsets[i + 1] - self.offsets[i]} labels; its maximizer expects "
                    f"{maximizer.struct.n_parts[i]} and {maximizer.struct.n_labels[i]}"
                )
            if loss is not None:
                loss.check_sizes(
                    i, maximizer.struct.n_labels[i], maximizer.struct.n_parts[i]
                )
        self._labels = &self.labels[0] if labels is not None and self.labels.shape[0] else NULL
        for i in range(self.n_examples if self._labels else 0):
            loss.check(i, self._labels + self.offsets[i])
        # Among other labels, void ones take parts out of predictions, so that these do not compare.
        self.foreign = maximizer.foreign and loss is not None and (
            self.in_rows or np.asarray(self.labels).min(initial=0) >= 0
        )

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
        self.maximizer.reserve(n_threads)
        scratch = <Scratch*> realloc(self._scratch, n_threads * sizeof(Scratch))
        if scratch == NULL:
            raise MemoryError(f"no memory for {n_threads} threads")
        self._scratch = scratch
        for k in range(self._n_scratch, n_threads):
            memset(&scratch[k], 0, sizeof(Scratch))
            try:
                scratch_fill(
                    &scratch[k], 2 * self._n_theta,
                    self.maximizer.most_labels,
                    # Without true outputs there are no planes to build.
                    0 if self.labels is None else 2 * self.maximizer.struct.n_counts,
                    0 if self.labels is None else self.n_weights,
                )
                if self.labels is not None:
                    sums_reserve(
                        &scratch[k].sums, self.features.n_sums, self.features.most_width
                    )
            except MemoryError:
                scratch_free(&scratch[k])
                raise
            self._n_scratch = k + 1
        if self._n_levels:
            self._reserve_levels()
        self.n_threads = n_threads
        return 0

    cdef int _reserve_levels(self) except -1:
        cdef Py_ssize_t k, size = max(self.maximizer.most_parts, <Py_ssize_t> 1)
        self.maximizer.reserve(self._n_scratch, self._n_levels)
        for k in range(self._n_scratch):
            if self._scratch[k].levels == NULL:
                self._scratch[k].levels = <int32_t*> malloc(size * sizeof(int32_t))
            if self._scratch[k].levels == NULL:
                raise MemoryError(f"no memory for the levels of {size} parts")
        return 0

    cdef int prepare_slack(self) except -1:
        cdef Py_ssize_t i, n_levels
        if self.loss is None:
            raise ValueError("rescaling needs a loss; bind the model to y")
        if not self.maximizer.counts_loss:
            raise ValueError(
                f"{type(self.maximizer).__name__} has no oracle for rescaling='slack'; use "
                "rescaling='margin'"
            )
        if np.asarray(self.labels).min(initial=0) < 0:
            raise ValueError("rescaling='slack' takes no void labels; use rescaling='margin'")
        self.loss.prepare_levels()
        n_levels = 1
        for i in range(self.n_examples):
            n_levels = max(n_levels, self.loss.n_levels(i, self._labels + self.offsets[i]))
        self._n_levels = n_levels
        try:
            self._reserve_levels()
        except MemoryError:
            self._n_levels = 0
            raise
        return 0

    cdef double score(
        self, Py_ssize_t i, const Weights* w, Rescaling rescaling, double* theta
    ) except? -1.0 nogil:
        """Write the scores of all parts, with the loss added for MARGIN; returns the constant that
        the loss adds to every output."""
        cdef Weights base
        cdef double* more
        cdef Py_ssize_t p
        self.features.scores(i, w, theta)
        if w.base != NULL:  # scores are linear, and few beside the weights
            base.data, base.scale, base.size, base.base = w.base, 1.0, w.size, NULL
            more = theta + self._n_theta
            self.features.scores(i, &base, more)
            for p in range(self.maximizer.struct.n_parts[i]):
                theta[p] += more[p]
        if rescaling == PLAIN and not self.features.are_finite(i, theta):
            self._met_bad_scores = True
        if rescaling == MARGIN:
            return self.loss.augment(i, self._labels + self.offsets[i], theta)
        return 0.0

    cdef int answer(
        self, Py_ssize_t i, const Weights* w, Rescaling rescaling, int thread, label_t* y_hat,
        double* value,
    ) except -1 nogil:
        """The output that maximises the objective of the rescaling; see `predict` for `value`."""
        cdef Scratch* s = &self._scratch[thread]
        cdef const label_t* y
        cdef double unit, beside = self.score(i, w, rescaling, s.theta)
        s.excess = 0.0
        if rescaling == SLACK:
            y = self._labels + self.offsets[i]
            memset(s.levels, 0, self.maximizer.struct.n_parts[i] * sizeof(int32_t))
            unit = self.loss.fill_levels(i, y, s.levels)
            memcpy(y_hat, y, self.maximizer.struct.n_labels[i] * sizeof(label_t))
            self.maximizer.call_maximize_slack(
                i, thread, s.theta, s.levels, self.loss.n_levels(i, y), unit, y_hat, value
            )
        else:
            self.maximizer.call_maximize(i, thread, s.theta, y_hat, value, &s.excess)
            value[0] += beside
        if self.maximizer.foreign and self.loss is not None:
            self.loss.check(i, y_hat)
        return 0

    cdef int max_oracle(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        cdef Scratch* s = &self._scratch[thread]
        cdef const label_t* y = self._labels + self.offsets[i]
        cdef PlaneBuilder builder
        cdef double value
        cdef bint is_output
        if self.loss is None:
            with gil:
                raise ValueError("a problem bound without y has no planes; bind the model to y")
        s.mu.size = 0
        if self.maximizer.struct.relax != NULL and self._rescaling == MARGIN:
            self.score(i, w, MARGIN, s.theta)
            self.maximizer.call_relax(i, thread, s.theta, y, &s.mu, &is_output)
            s.excess = 0.0
            if not is_output:  # a fractional point: the gap is no certificate any more
                self.exact = False
            value = self.loss.relaxed_value(i, y, &s.mu)
        else:
            if self._rescaling == PLAIN:
                self.score(i, w, PLAIN, s.theta)
                self.loss.hide(i, s.theta)
                self.maximizer.call_maximize(i, thread, s.theta, s.y_hat, &value, &s.excess)
                self.loss.check(i, s.y_hat)
            else:
                self.answer(i, w, self._rescaling, thread, s.y_hat, &value)
            value = self.loss.value(i, y, s.y_hat)
            self.maximizer.call_difference(i, y, s.y_hat, &s.mu)
        self.loss.leave_out(i, &s.mu)
        builder.slot = s.slot
        builder.plane = out
        out.nnz = 0
        out.excess = s.excess
        try:
            self.features.accumulate(i, &s.mu, &s.sums, &builder)
        finally:
            builder_finish(&builder)
        out.loss = value
        if self.truths_outside and self._rescaling == MARGIN and plane_value(out, w) < 0.0:
            out.nnz, out.loss = 0, 0.0
        return 0

    def planes(
        self, const index_t[::1] examples not None, w, PlaneBatch out not None,
        Py_ssize_t start=0, int thread=0,
    ):
        """As in `Problem`; a maximizer that answers in batches is asked once."""
        cdef Weights weights
        if not self.in_batches or self.loss is None:
            Problem.planes(self, examples, w, out, start, thread)
            return
        weights = self._checked(examples, w, thread)
        try:
            self._foresee(examples, &weights, thread, True)
            Problem.planes(self, examples, w, out, start, thread)
        finally:
            self.maximizer.forget(thread)

    cdef _foresee(
        self, const index_t[::1] examples, const Weights* w, int thread, bint as_planes
    ):
        """Ask the maximizer for the outputs of these examples, which it is then asked for again."""
        cdef double* theta = self._scratch[thread].theta
        cdef double[::1] own
        cdef Py_ssize_t k, i, n
        thetas = []
        for k in range(examples.shape[0]):
            i = examples[k]
            n = self.maximizer.struct.n_parts[i]
            self.score(i, w, self._rescaling, theta)
            if as_planes and self._rescaling == PLAIN:
                self.loss.hide(i, theta)
            thetas.append(np.empty(n))
            if n:
                own = thetas[k]
                memcpy(&own[0], theta, n * sizeof(double))
        self.maximizer.foresee(thread, np.asarray(examples), thetas)

    @property
    def model_name(self):
        return type(self.maximizer).__name__

    def method_name(self, str method):
        """What finds outputs, for messages."""
        return "the maximizer" if method == "inference" else "the maximizer, with losses in theta,"

    def truth_losses(self, const index_t[::1] examples):
        """The loss of each true output against itself, which must be 0."""
        return np.array([
            self.loss.value(i, self._labels + self.offsets[i], self._labels + self.offsets[i])
            for i in examples
        ])

    def truth_psi(self, Py_ssize_t i):
        """psi(x_i, y_i), without void parts, as indices and values."""
        return self._psi(i, self.truth(i), True)

    def n_best(self, weights, n):
        """The n best outputs of each example at `weights`, or all if there are fewer.

        Returns
        -------
        list of pairs (labels, values)
            Arrays of shape (n_found, n_labels) and (n_found,), the best output first.
        """
        cdef Weights w
        cdef Py_ssize_t i
        point = self.padded(weights)
        w = weights_of(point)
        self.reserve(1)
        found = []
        for i in range(self.n_examples):
            self.score(i, &w, PLAIN, self._scratch[0].theta)
            found.append(self.maximizer.find_n_best(i, 0, self._scratch[0].theta, n))
        return found

    def complete(
        self, weights, allowed, const index_t[::1] examples not None, before=None,
    ):
        """The best outputs of some examples among those whose labels are all allowed.

        Parameters
        ----------
        weights : array-like of shape (n_weights,)
        allowed : bool or uint8 array of shape (offsets[-1], n_labels)
            Whether a label may stand at a place; at least one may. Columns beyond the labels of an
            example mean nothing.
        examples : int32 array
        before : int32 array of shape (offsets[-1],), default=None
            Outputs with allowed labels, which stay unless a better one is found.

        Returns
        -------
        labels : int32 ndarray of shape (offsets[-1],)
            `before`, or zeros, with the outputs of `examples`.

        Raises
        ------
        LabelError
            If constraints leave no such output.
        """
        cdef Weights w
        cdef const unsigned char[:, ::1] able = np.ascontiguousarray(allowed, dtype=np.uint8)
        cdef Py_ssize_t e, i, k, t, p, first, width = able.shape[1]
        cdef Py_ssize_t stride = (<FeatureBlock> self.features._block[0]).stride
        cdef Py_ssize_t length, n_labels = width, step = stride, column = 1
        cdef double value, excess, known, size, low, high, rest
        cdef double* theta
        cdef label_t[::1] labels = np.zeros(self.label_offsets[self.n_examples], dtype=np.int32)
        cdef label_t* row
        cdef bint has_before = before is not None
        if self.in_rows or able.shape[0] != labels.shape[0]:
            raise ValueError(
                f"{type(self.maximizer).__name__} has {labels.shape[0]} labels, or sets of parts; "
                f"there are rows of allowed labels for {able.shape[0]}"
            )
        if has_before:
            labels = np.array(before, dtype=np.int32)
        point = self.padded(weights)
        w = weights_of(point)
        self.reserve(1)
        theta = self._scratch[0].theta
        answer = np.zeros(self.maximizer.most_labels + 1, dtype=np.int32)
        cdef label_t[::1] found = answer
        for e in range(examples.shape[0]):
            i = examples[e]
            if not 0 <= i < self.n_examples:
                raise IndexError(f"example {i}: there are {self.n_examples} examples")
            first = self.offsets[i]
            length = self.offsets[i + 1] - first
            if length == 0:
                continue
            if self.maximizer.label_major:  # heads: as many as tokens, and the root
                n_labels, step, column = length + 1, 1, length
            row = &labels[first]
            self.score(i, &w, PLAIN, theta)
            known, size = -INFINITY, 0.0
            if has_before:
                known = 0.0
                of_row = np.asarray(labels[first:self.offsets[i + 1]])
                for p, value in zip(*self.maximizer.count_sparse(i, of_row)):
                    known += value * theta[p]
                    size += fabs(value * theta[p])
            # What no part can make up for, where a score cannot be -inf.
            low = high = theta[0]
            rest = 0.0
            for p in range(self.maximizer.struct.n_parts[i]):
                if p < length * stride:
                    low, high = min(low, theta[p]), max(high, theta[p])
                else:
                    rest += fabs(theta[p])
            for t in range(length):
                for k in range(n_labels):
                    if not able[first + t, k]:
                        theta[t * step + k * column] -= (
                            INFINITY if self.maximizer.takes_infinity
                            else 1.0 + 2.0 * (high - low) + 4.0 * rest
                        )
            try:
                self.maximizer.call_maximize(i, 0, theta, &found[0], &value, &excess)
            except ValueError:
                raise LabelError(
                    f"y[{i}] leaves no labelling: constraints forbid all that agree with it", (i, 0)
                ) from None
            if has_before and not value > known + SAME_SCORE * (size + fabs(value)):
                continue
            for t in range(length):
                if not able[first + t, found[t]]:
                    raise RuntimeError(
                        f"{type(self.maximizer).__name__}: maximize gave place {t} of example {i} "
                        f"the label {found[t]}, whose score is lowest"
                    )
                row[t] = found[t]
        return np.asarray(labels)

    def part_scores(self, weights):
        """The scores of the parts of all examples at `weights`, one after the other."""
        cdef Weights w
        cdef Py_ssize_t i, p, n, place = 0
        cdef double[::1] scores = np.empty(int(np.sum(self.maximizer.n_parts)))
        point = self.padded(weights)
        w = weights_of(point)
        self.reserve(1)
        for i in range(self.n_examples):
            n = self.features.n_parts(i)
            self.score(i, &w, PLAIN, self._scratch[0].theta)
            for p in range(n):
                scores[place + p] = self._scratch[0].theta[p]
            place += n
        return np.asarray(scores)

    def joint_feature(self, Py_ssize_t i, labels):
        """psi(x_i, y) of an output, given as a row of labels.

        Returns
        -------
        indices : int32 array
            Ascending.
        values : float64 array
        """
        return self._psi(i, self._output(i, labels), False)

    def truth_change(self, FactoredProblem before not None, Py_ssize_t i):
        """psi of the true output of example i less psi of that in an earlier problem, which differs
        in true outputs alone; as indices and values."""
        change = self.maximizer.difference(i, self.truth(i), before.truth(i))
        parts = np.flatnonzero(change).astype(np.int32)
        return self._sum_of(i, parts, change[parts], False)

    def truth(self, Py_ssize_t i):
        """The true output of example i, as a row of labels."""
        row = np.asarray(self.labels[self.offsets[i]:self.offsets[i + 1]])
        return self._output(i, row[row != SSVM_VOID] if self.in_rows else row)

    def _psi(self, Py_ssize_t i, const label_t[::1] row, bint without_void):
        return self._sum_of(i, *self.maximizer.count_sparse(i, row), without_void)

    def _sum_of(
        self, Py_ssize_t i, const index_t[::1] some_parts, const double[::1] some_counts,
        bint without_void,
    ):
        """The sum of the features of some parts, times their counts, as indices and values."""
        cdef index_t[::1] slot = np.full(self.n_weights, -1, dtype=np.int32)
        cdef PlaneBatch batch = PlaneBatch(1)
        cdef PlaneBuilder builder
        cdef ssvm_counts mu
        cdef RowSums sums
        cdef index_t[::1] parts = np.array(some_parts)
        cdef double[::1] counts = np.array(some_counts)
        mu.size = mu.capacity = parts.shape[0]
        mu.parts = &parts[0] if mu.size else NULL
        mu.counts = &counts[0] if mu.size else NULL
        builder.slot = &slot[0] if self.n_weights else NULL
        builder.plane = &batch.planes[0]
        if without_void:
            self.loss.leave_out(i, &mu)
        memset(&sums, 0, sizeof(RowSums))
        try:
            sums_reserve(&sums, self.features.n_sums, self.features.most_width)
            self.features.accumulate(i, &mu, &sums, &builder)
        finally:
            builder_finish(&builder)
            sums_free(&sums)
        return plane_arrays(&batch.planes[0])

    def loss_of(self, Py_ssize_t i, labels):
        """Delta(y_i, y) of an output, given as a row of labels."""
        cdef const label_t[::1] row = self._output(i, labels)
        if self.loss is None:
            raise ValueError("a problem bound without y has no losses; bind the model to y")
        if not row.shape[0]:
            return 0.0
        self.loss.check(i, &row[0])
        return self.loss.value(i, self._labels + self.offsets[i], &row[0])

    def _output(self, Py_ssize_t i, labels):
        if not 0 <= i < self.n_examples:
            raise IndexError(f"example {i}: there are {self.n_examples} examples")
        row = np.ascontiguousarray(labels, dtype=np.int32)
        expected = self.maximizer.struct.n_labels[i]
        if self.in_rows and row.ndim == 1 and len(row) < expected:
            row = np.append(row, np.full(expected - len(row), SSVM_VOID, dtype=np.int32))
        if row.shape != (expected,):
            raise ValueError(
                f"the labels for example {i} have shape {row.shape}, expected ({expected},)"
            )
        return row

    cdef bint knows_truths(self) noexcept:
        return self.labels is not None and self.loss is not None

    cdef Outputs make_room(self, bint scored):
        labels = np.empty(self.room[self.n_examples], dtype=np.int32)
        return Outputs("write_outputs", labels, np.empty(self.n_examples))

    def write_outputs(
        self, const index_t[::1] examples not None, w, Outputs out not None, Py_ssize_t start=0,
        int thread=0,
    ):
        """What `predict` asks an engine: the outputs of neighbouring examples, in their places.

        Where the oracle's answers are fractional, these are the outputs found on the way there.
        """
        cdef Weights weights = self._checked(examples, w, thread)
        cdef label_t[::1] labels = out.outputs
        cdef double[::1] values = out.values
        cdef label_t* first = &labels[0] if labels.shape[0] else NULL
        cdef Py_ssize_t k
        try:
            if self.in_batches:
                self._foresee(examples, &weights, thread, False)
            with nogil:
                for k in range(examples.shape[0]):
                    self.answer(
                        examples[k], &weights, self._rescaling, thread,
                        first + self.room[examples[k]], &values[examples[k]],
                    )
        finally:
            if self.in_batches:
                self.maximizer.forget(thread)
