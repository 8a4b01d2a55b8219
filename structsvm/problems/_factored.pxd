"""Compiled families, each put together from three pieces: features, maximizer, loss.

The pieces work on *parts*, the entries of a score vector theta. An output y uses some parts, and
its score is the sum of theta over them. For one example i:

    features    theta = A_i w, and back: psi(x_i, y) = A_i' mu(y), mu(y) = how often y uses a part
    maximizer   y_hat = argmax_y <theta, mu(y)>
    loss        Delta(y_i, y) as a number, and as something to add to theta

So FactoredProblem.max_oracle is written once for all families. Outputs are rows of labels; a
maximizer with a relaxation returns a fractional mu instead, a point of a polytope that contains all
outputs.
"""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport index_t, label_t, offset_t
from structsvm.inference._maximizer cimport Maximizer, ssvm_counts
from structsvm.linalg._plane cimport Weights
from structsvm.problems._features cimport BlockFeatures, RowSums
from structsvm.problems._losses cimport PartLoss
from structsvm.problems._problem cimport Problem, Rescaling


cdef struct Scratch:
    # The private space of one thread.
    double* theta
    label_t* y_hat
    index_t* slot
    ssvm_counts mu
    RowSums sums
    double excess          # of the last answer: how far its bound is above its value
    int32_t* levels        # levels of the parts, for slack rescaling


cdef class FactoredProblem(Problem):
    cdef readonly BlockFeatures features
    cdef readonly Maximizer maximizer
    cdef readonly PartLoss loss
    cdef const label_t[::1] labels        # the true outputs, one after the other, or None
    cdef readonly object label_offsets    # int64 ndarray: start of each example's labels
    cdef const offset_t[::1] offsets      # the same
    cdef const label_t* _labels
    cdef bint in_rows                     # whether outputs are rows of used parts
    cdef bint truths_outside              # whether true outputs may be none of the maximizer's
    cdef const offset_t[::1] room         # where predictions of examples start
    cdef Py_ssize_t _n_levels             # of slack rescaling: more than any output's level
    cdef Py_ssize_t _n_theta              # room for the scores of an example
    cdef Scratch* _scratch                # one a thread
    cdef Py_ssize_t _n_scratch

    cdef int _reserve_levels(self) except -1
    cdef double score(
        self, Py_ssize_t i, const Weights* w, Rescaling rescaling, double* theta
    ) except? -1.0 nogil
    cdef _foresee(
        self, const index_t[::1] examples, const Weights* w, int thread, bint as_planes
    )
    cdef int answer(
        self, Py_ssize_t i, const Weights* w, Rescaling rescaling, int thread, label_t* y_hat,
        double* value,
    ) except -1 nogil
