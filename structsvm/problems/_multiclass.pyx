"""The multiclass problem and its oracles; formulas and layout are in ``_multiclass.pxd``."""

import numpy as np

from libc.math cimport isfinite

from structsvm._typedefs cimport index_t, label_t
from structsvm.linalg._plane cimport WEIGHT_PADDING, Plane, PlaneBatch, Weights, plane_arrays
from structsvm.problems._feature_rows cimport FeatureRows, ssvm_feature_scores
from structsvm.problems._problem cimport PLAIN, SLACK, Outputs, Problem

LOSSES = {
    "crammer_singer": CRAMMER_SINGER,
    "weston_watkins": WESTON_WATKINS,
    "lee_lin_wahba": LEE_LIN_WAHBA,
}
SLACKS = ("linear", "squared")


cdef void violations(
    const Hinge* hinge, label_t y, const double* s, double* v
) noexcept nogil:
    cdef Py_ssize_t k, n = hinge.n_classes
    cdef const double* cost = hinge.cost + y * n
    cdef double reference = 0.0
    if hinge.width == 1:
        v[y] = 0.0
        v[1 - y] = cost[1 - y] + (s[0] if y == 0 else -s[0])
        return
    if hinge.loss == LEE_LIN_WAHBA:
        for k in range(n):
            reference += s[k]
        reference /= n
    else:
        reference = s[y]
    for k in range(n):
        v[k] = cost[k] + (s[k] - reference)
    v[y] = 0.0


cdef double hinge_value(const Hinge* hinge, label_t y, const double* v) noexcept nogil:
    cdef Py_ssize_t k
    cdef double total = 0.0, worst = 0.0
    if hinge.loss == CRAMMER_SINGER:
        for k in range(hinge.n_classes):
            if v[k] > worst:
                worst = v[k]
        return worst * worst if hinge.squared else worst
    for k in range(hinge.n_classes):
        if v[k] > 0.0:
            total += v[k] * v[k] if hinge.squared else v[k]
    return total


cdef void coefficients(
    const Hinge* hinge, label_t y, const double* m, double* q
) noexcept nogil:
    cdef Py_ssize_t k
    cdef double total = 0.0
    if hinge.width == 1:
        q[0] = m[0] if y == 1 else -m[1]
        return
    for k in range(hinge.n_classes):
        total += m[k]
        q[k] = -m[k]
    if hinge.loss == LEE_LIN_WAHBA:
        total /= hinge.n_classes
        for k in range(hinge.n_classes):
            q[k] += total
    else:
        q[y] = total


cdef class MulticlassProblem(Problem):
    """Features and class numbers with one of the multiclass hinges.

    Parameters
    ----------
    features : FeatureRows
    labels : int32 array of shape (n_examples,), or None
        Class numbers; None for a problem that only predicts.
    loss : {"crammer_singer", "weston_watkins", "lee_lin_wahba"}
    slack : {"linear", "squared"}
    cost : float64 array of shape (n_classes, n_classes), or None
        Required margin of each class (columns), by true class (rows); None without labels.
    n_classes : int, default=None
        Needed without costs.
    """

    def __init__(
        self, FeatureRows features, labels, *, str loss, str slack, cost=None, n_classes=None
    ):
        if (labels is None) != (cost is None):
            raise ValueError("labels and cost come together: give both or neither")
        n_classes = n_classes if cost is None else len(cost)
        self.features = features
        self.labels = labels
        self.y = labels
        self.loss = loss
        self.slack = slack
        self.cost = cost
        self.hinge.loss = LOSSES[loss]
        self.hinge.squared = self.squared = slack == "squared"
        self.hinge.n_classes = n_classes
        self.hinge.width = 1 if n_classes == 2 else n_classes
        if cost is not None:
            self._cost = cost
            self.hinge.cost = &self._cost[0, 0]
        self.n_examples = features.n_rows
        self.n_weights = (features.n_features + features.intercept) * self.hinge.width
        self.exact = True
        self.oracle_work = (
            features.n_values / max(self.n_examples, 1) * self.hinge.width / WEIGHT_PADDING
        )
        self._scratch = np.zeros((0, 0))

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        if 2 * n_threads > self._scratch.shape[0]:
            self._scratch = np.zeros((2 * n_threads, self.hinge.n_classes + WEIGHT_PADDING))
        self.n_threads = max(self.n_threads, n_threads)
        return 0

    cdef int prepare_slack(self) except -1:
        if self.hinge.loss != CRAMMER_SINGER or self.hinge.squared:
            raise ValueError(
                f"rescaling='slack' is for loss='crammer_singer' with slack='linear', not for "
                f"loss={self.loss!r} with slack={self.slack!r}; use rescaling='margin'"
            )
        return 0

    cdef int max_oracle(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        cdef double* s = &self._scratch[2 * thread, 0]
        cdef double* v = &self._scratch[2 * thread + 1, 0]
        cdef const Hinge* hinge = &self.hinge
        cdef label_t y
        cdef const double* cost
        cdef Py_ssize_t k, best
        cdef double h, loss = 0.0
        if self.y is None:
            with gil:
                raise ValueError("a problem bound without y has no planes; bind the model to y")
        y = self.y[i]
        best = y
        cost = hinge.cost + y * hinge.n_classes
        self.scores(i, w, s)
        if self._rescaling == PLAIN:
            best = self.prediction(s)
            for k in range(hinge.width):
                s[k] = 0.0
            if best != y:
                s[y if hinge.width > 1 else 0] = 1.0 if hinge.width > 1 or y == 1 else -1.0
                if hinge.width > 1:
                    s[best] = -1.0
            self.features.outer(i, s, hinge.width, out)
            out.loss = cost[best]
            return 0
        violations(hinge, y, s, v)
        if hinge.loss == CRAMMER_SINGER:
            if self._rescaling == SLACK:
                self.rescale(cost, v)
            for k in range(hinge.n_classes):
                if v[k] > v[best]:
                    best = k
            h = v[best]
            for k in range(hinge.n_classes):
                v[k] = 0.0
            if best != y:
                v[best] = 1.0
                loss = cost[best]
                if hinge.squared:
                    v[best] = 2.0 * h
                    loss = 2.0 * h * loss - h * h
        else:
            for k in range(hinge.n_classes):
                h = v[k]
                v[k] = 0.0
                if h > 0.0:
                    if hinge.squared:
                        v[k] = 2.0 * h
                        loss += 2.0 * h * cost[k] - h * h
                    else:
                        v[k] = 1.0
                        loss += cost[k]
        coefficients(hinge, y, v, s)
        self.features.outer(i, s, hinge.width, out)
        out.loss = loss
        return 0

    def joint_feature(self, Py_ssize_t i, counts):
        """psi(x_i, y) of an output, given as how often each class counts.

        Returns
        -------
        indices : int32 array
            Ascending.
        values : float64 array
        """
        cdef const double[::1] q
        cdef PlaneBatch batch = PlaneBatch(1)
        if not 0 <= i < self.n_examples:
            raise IndexError(f"example {i}: there are {self.n_examples}")
        counts = np.ascontiguousarray(counts, dtype=np.float64)
        if counts.shape != (self.hinge.n_classes,):
            raise ValueError(
                f"counts of classes for example {i} have shape {counts.shape}, expected "
                f"({self.hinge.n_classes},)"
            )
        q = counts if self.hinge.width > 1 else (counts[1:] - counts[:1]) / 2.0
        self.features.outer(i, &q[0], self.hinge.width, &batch.planes[0])
        return plane_arrays(&batch.planes[0])

    cdef Py_ssize_t prediction(self, const double* s) noexcept nogil:
        """The first class with the greatest score.

        The true class does not win ties: otherwise a perceptron would never leave zero.
        """
        cdef Py_ssize_t k, best = 0
        if self.hinge.width == 1:
            return s[0] > 0.0
        for k in range(1, self.hinge.n_classes):
            if s[k] > s[best]:
                best = k
        return best

    cdef void rescale(self, const double* cost, double* v) noexcept nogil:
        """Turn violations with margin rescaling into slack rescaling, for Crammer-Singer."""
        cdef Py_ssize_t k
        for k in range(self.hinge.n_classes):
            v[k] = cost[k] * (1.0 + (v[k] - cost[k]))

    cdef void scores(self, Py_ssize_t i, const Weights* w, double* s) noexcept nogil:
        cdef Py_ssize_t k
        ssvm_feature_scores(&self.features.rows, i, w.data, self.hinge.width, s)
        if w.scale != 1.0:
            for k in range(self.hinge.width):
                s[k] *= w.scale

    cdef bint knows_truths(self) noexcept:
        return self.y is not None

    cdef Outputs make_room(self, bint scored):
        """Class numbers; or counts of classes, where the oracle's answer is a set of them."""
        cdef bint one = self._rescaling == PLAIN or self.hinge.loss == CRAMMER_SINGER
        if one:
            outputs = np.empty(self.n_examples, dtype=np.int32)
        else:
            outputs = np.empty((self.n_examples, self.hinge.n_classes))
        return Outputs("write_outputs", outputs, np.empty(self.n_examples))

    def write_outputs(
        self, const index_t[::1] examples not None, w, Outputs out not None, Py_ssize_t start=0,
        int thread=0,
    ):
        """What `predict` asks an engine: the outputs of neighbouring examples, from `start` on.

        Squared slack counts as linear.
        """
        self._checked(examples, w, thread)
        cdef Py_ssize_t stop = start + examples.shape[0]
        scores = self.all_scores(w, start, stop)
        if self._rescaling == PLAIN:
            self.write_best(scores, out.outputs, out.values, start)
            return
        out.outputs[start:stop], values = self._worst(scores, np.asarray(self.y)[start:stop])
        out.values[start:stop] = values

    cdef int write_best(
        self, const double[:, ::1] scores, label_t[::1] labels, double[::1] values,
        Py_ssize_t start,
    ) except -1:
        cdef Py_ssize_t k, best
        with nogil:
            for k in range(scores.shape[0]):
                best = self.prediction(&scores[k, 0])
                labels[start + k] = best
                if self.hinge.width == 1:
                    values[start + k] = scores[k, 0] / 2.0 if best else -scores[k, 0] / 2.0
                else:
                    values[start + k] = scores[k, best]
                if not isfinite(values[start + k]):
                    self._met_bad_scores = True
        return 0

    def all_scores(self, w, start=0, stop=None):
        """The score of each class for examples `start` to `stop`; one column for two classes."""
        return self.features.scores(w.reshape(-1, self.hinge.width), start=start, stop=stop)

    def _worst(self, scores, truths):
        """What violates the margin most, by scores and true classes; see `predict`."""
        cdef bint two = self.hinge.width == 1
        if two:
            scores = np.hstack([-scores, scores]) / 2.0
        places, cost = np.arange(len(scores)), self.cost[truths]
        own = scores[places, truths]
        if self.hinge.loss == LEE_LIN_WAHBA and not two:
            reference = scores.mean(axis=1)
        else:
            reference = own
        v = cost + (scores - reference[:, None])
        v[places, truths] = 0.0
        if self.hinge.loss == CRAMMER_SINGER:
            if self._rescaling == SLACK:
                v = cost * (1.0 + (v - cost))
            worst = v.max(axis=1)
            numbers = np.where(worst > 0.0, v.argmax(axis=1), truths)
            if self._rescaling == SLACK:
                return numbers, np.maximum(worst, 0.0)
            return numbers, cost[places, numbers] + scores[places, numbers]
        violated = v > 0.0
        n_violated = violated.sum(axis=1)
        counts = violated.astype(np.float64)
        counts[places, truths] += 1.0
        if self.hinge.loss == LEE_LIN_WAHBA and not two:
            counts -= n_violated[:, None] / self.hinge.n_classes
        else:
            counts[places, truths] -= n_violated
        return counts, (cost * violated + counts * scores).sum(axis=1)

    def write_hinges(
        self, const index_t[::1] examples not None, w, double[::1] out not None,
        Py_ssize_t start=0, int thread=0,
    ):
        """Write the hinges of several examples at w; arguments as for `planes`, but `out` is an
        array."""
        cdef Weights weights = self._checked(examples, w, thread)
        cdef double* s = &self._scratch[2 * thread, 0]
        cdef double* v = &self._scratch[2 * thread + 1, 0]
        cdef Py_ssize_t i, k, n = examples.shape[0]
        if self.y is None:
            raise ValueError("a problem bound without y has no hinges; bind the model to y")
        if start < 0 or start + n > out.shape[0]:
            raise ValueError(f"{n} hinges from slot {start} on do not fit {out.shape[0]} slots")
        with nogil:
            for k in range(n):
                i = examples[k]
                self.scores(i, &weights, s)
                violations(&self.hinge, self.y[i], s, v)
                if self._rescaling == SLACK:
                    self.rescale(self.hinge.cost + self.y[i] * self.hinge.n_classes, v)
                out[start + k] = hinge_value(&self.hinge, self.y[i], v)

    def sqnorms(self):
        """The squared norm of each example's features."""
        return self.features.sqnorms()

    def hinges(self, weights, engine=None):
        """The hinge of each example at fixed weights, without sample weights."""
        self.reserve(1)
        values = np.empty(self.n_examples)
        examples, w = np.arange(self.n_examples, dtype=np.int32), self.padded(weights)
        if engine is None:
            self.write_hinges(examples, w, values)
        else:
            engine.begin(self, "write_hinges", examples, w, values).wait()
        return values

    def mean_hinge(self, weights, double[::1] hinges=None, engine=None):
        """Mean of the weighted hinges at fixed weights."""
        values = self.hinges(weights, engine)
        if self.sample_weight is not None:
            values *= self.sample_weight
        if hinges is not None:
            np.asarray(hinges)[:] = values  # a slice of a memoryview takes only one number
        return float(values.mean()) if self.n_examples else 0.0
