"""Compiled families put together from three pieces: features, structure, loss.

The pieces talk about *parts*: the places of a score vector theta. An output y uses some parts, and
its score is the sum of theta over them. For one example i:

    features    theta = A_i w, and back: psi(x_i, y) = A_i' mu(y), mu(y) = how often y uses a part
    structure   y_hat = argmax_y <theta, mu(y)>
    loss        Delta(y_i, y) as a number, and as something to add to theta

so that FactoredProblem.max_oracle is written once. Outputs are rows of labels; a structure may
answer the oracle with a fractional mu instead, a point of a polytope that holds all outputs.
"""

from structsvm._typedefs cimport index_t, label_t, offset_t
from structsvm.linalg._plane cimport Plane, PlaneBuilder, Weights
from structsvm.problems._problem cimport Problem, Rescaling


cdef struct PartCounts:
    # Sparse mu(y_i) - mu(y_hat): parts that both outputs use as much are left out.
    index_t* parts
    double* counts
    Py_ssize_t size
    Py_ssize_t capacity


cdef int counts_add(PartCounts* mu, Py_ssize_t part, double count) except -1 nogil


cdef class PartFeatures:
    cdef readonly Py_ssize_t n_weights

    # theta OUT: all parts of example i
    cdef int scores(self, Py_ssize_t i, const Weights* w, double* theta) except -1 nogil
    # out += A_i' mu
    cdef int accumulate(
        self, Py_ssize_t i, const PartCounts* mu, PlaneBuilder* out
    ) except -1 nogil
    # Whether no score is NaN or inf
    cdef bint are_finite(self, Py_ssize_t i, const double* theta) noexcept nogil


cdef class PartLoss:
    # theta += the loss of using each part when y is right
    cdef void augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil
    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil
    # The same of a fractional output, mu = mu(y) - mu_hat: what `augment` adds on mu_hat
    cdef double relaxed_value(
        self, Py_ssize_t i, const label_t* y, const PartCounts* mu
    ) noexcept nogil


cdef class Structure:
    cdef readonly Py_ssize_t max_parts     # no example has more parts (padding included)
    cdef readonly Py_ssize_t max_labels    # no output has more labels
    cdef readonly bint exact
    cdef readonly bint relaxed             # the oracle's answers are those of `relax`

    cpdef int reserve(self, Py_ssize_t n_threads) except -1
    # theta IN, SCRATCH afterwards; y_hat OUT; value OUT = <theta, mu(y_hat)>
    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* y_hat, double* value
    ) except -1 nogil
    # Can y_hat be found that maximises loss * (1 + <theta, mu(y_hat) - mu(y)>)? ValueError if not.
    cdef int prepare_slack(self, PartLoss loss, const label_t[::1] labels) except -1
    # theta IN, SCRATCH afterwards; y_hat OUT: that maximiser, y where nothing is above 0; value OUT
    cdef int decode_slack(
        self, Py_ssize_t i, double* theta, const label_t* y, int thread, label_t* y_hat,
        double* value,
    ) except -1 nogil
    # mu OUT = mu(y); ValueError where the labels are no output
    cdef int count(self, Py_ssize_t i, const label_t* y, PartCounts* mu) except -1 nogil
    # mu OUT = mu(y) - mu(y_hat)
    cdef int difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, PartCounts* mu
    ) except -1 nogil
    # theta IN, SCRATCH afterwards; mu OUT = mu(y) - mu_hat, for a fractional mu_hat of which
    # <theta, mu_hat> is at least that of all outputs, up to a tolerance that the structure declares
    cdef int relax(
        self, Py_ssize_t i, double* theta, const label_t* y, int thread, PartCounts* mu
    ) except -1 nogil


cdef struct Scratch:
    # The private space of one thread.
    double* theta
    label_t* y_hat
    index_t* slot
    PartCounts mu


cdef class FactoredProblem(Problem):
    cdef readonly PartFeatures features
    cdef readonly Structure structure
    cdef readonly PartLoss loss
    cdef const label_t[::1] labels        # the true outputs, one after the other, or None
    cdef readonly object label_offsets    # int64 ndarray: where each example's labels start
    cdef const offset_t[::1] offsets      # the same
    cdef const label_t* _labels
    cdef bint _met_bad_scores             # decoding met scores that are not finite
    cdef Scratch* _scratch                # one a thread
    cdef Py_ssize_t _n_scratch

    cdef int score(
        self, Py_ssize_t i, const Weights* w, Rescaling rescaling, double* theta
    ) except -1 nogil
    cdef int answer(
        self, Py_ssize_t i, const Weights* w, Rescaling rescaling, int thread, label_t* y_hat,
        double* value,
    ) except -1 nogil
    cdef int _decode_range(
        self, const Weights* w, Rescaling rescaling, int thread, Py_ssize_t start, Py_ssize_t stop,
        label_t* labels, double* values,
    ) except -1 nogil
