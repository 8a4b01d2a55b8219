"""Multiclass with kernels: weights are sums over examples.

With features phi, weights are w = sum_j phi(x_j) b_j'. They are kept as two matrices of shape
(n_examples, n_columns), one after the other: the scores F = K B of all examples, and B. So scores
are read, not computed.
"""

import numpy as np

from structsvm.linalg._plane cimport Plane, Weights
from structsvm.problems._feature_rows cimport FeatureRows
from structsvm.problems._multiclass cimport MulticlassProblem

from structsvm.linalg._sums import product


cdef class KernelProblem(MulticlassProblem):
    """What all problems with a kernel have in common: no joint features, and so no planes."""

    cdef int max_oracle(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        with gil:
            raise ValueError("with a kernel there are no planes: use solver='block_dual'")

    def joint_feature(self, Py_ssize_t i, counts):
        raise ValueError("with a kernel there are no joint features: scores are sums over examples")


cdef class KernelMulticlassProblem(KernelProblem):
    """Class numbers and a kernel under one of the multiclass hinges; for exact block updates only.

    Parameters
    ----------
    kernel : structsvm.problems.kernel.Kernel
    cache_bytes : int
        Memory for rows of the kernel matrix; at least two rows are kept.
    labels, loss, slack, cost
        See `MulticlassProblem`.
    """
    cdef readonly object kernel
    cdef readonly Py_ssize_t cache_bytes

    def __init__(self, kernel, Py_ssize_t cache_bytes, labels, *, str loss, str slack, cost):
        none = FeatureRows(np.zeros((len(labels), 0)), intercept=False)
        super().__init__(none, labels, loss=loss, slack=slack, cost=cost)
        self.kernel = kernel
        self.cache_bytes = cache_bytes
        self.n_weights = 2 * self.n_examples * self.hinge.width
        self.exact = kernel.is_definite()

    cdef void scores(self, Py_ssize_t i, const Weights* w, double* s) noexcept nogil:
        cdef Py_ssize_t k, width = self.hinge.width
        for k in range(width):
            s[k] = w.scale * w.data[i * width + k]

    def sqnorms(self):
        return self.kernel.diagonal()


cdef class KernelPredictions(KernelProblem):
    """Examples whose outputs are asked for, by their kernel values with others.

    Parameters
    ----------
    kernel : structsvm.problems.kernel.Kernel
        Of the examples that support something.
    rows : ndarray or CSR matrix of shape (n_examples, n_features)
    labels, loss, slack, cost, n_classes
        See `MulticlassProblem`.
    """
    cdef readonly object kernel, rows

    def __init__(self, kernel, rows, labels, *, str loss, str slack, cost, n_classes):
        none = FeatureRows(np.zeros((rows.shape[0], 0)), intercept=False)
        super().__init__(none, labels, loss=loss, slack=slack, cost=cost, n_classes=n_classes)
        self.kernel = kernel
        self.rows = rows
        self.n_weights = 2 * kernel.X.shape[0] * self.hinge.width

    def predict(self, weights, *, bint augmented=False, bint scored=True, engine=None):
        """As in `Problem`; a kernel that is a callable sees all rows at once."""
        engine = engine if isinstance(self.kernel.kernel, str) else None
        return MulticlassProblem.predict(
            self, weights, augmented=augmented, scored=scored, engine=engine
        )

    def write_hinges(self, examples, w, out, start=0, thread=0):
        raise ValueError("this problem answers with outputs alone: bind the model to y for hinges")

    def all_scores(self, w, start=0, stop=None):
        coefficients = w[len(w) // 2:].reshape(-1, self.hinge.width)
        rows = self.rows if stop is None else self.rows[start:stop]
        if not len(coefficients):  # no example supports anything
            return np.zeros((rows.shape[0], self.hinge.width))
        scores = product(self.kernel.with_examples(rows), coefficients)
        if self.kernel.intercept:
            scores = scores + self.kernel.intercept * coefficients.sum(axis=0)
        return scores
