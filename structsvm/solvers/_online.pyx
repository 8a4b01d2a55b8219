"""Online learners: each visit adds a multiple of one plane to the weights.

Design: the average of all iterates is kept lazily. A plane added at visit t with factor c is in all
later iterates, so the mean of T iterates is ``weights - lag / T``, where ``lag`` is the sum of
c * (t - 1) * plane. A visit costs an oracle call and O(nnz).
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport fabs, isfinite

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights
from structsvm.linalg._plane cimport plane_axpy, plane_sqnorm, plane_value, weights_of
from structsvm.problems._problem cimport Problem

from structsvm.linalg._plane import padded_vector
from structsvm.data.snapshots import count, number, vector
from structsvm.solvers.base import TOO_LARGE

cdef enum:
    VISITS_PER_SIGNAL_CHECK = 64

# A height below this, relative to its terms, is rounding.
cdef double SAME_HEIGHT = 1e-12

_NUMBERS = ("n_visits", "n_oracle_calls", "n_mistakes", "hinge")


cdef class OnlineWeights:
    """Weights and the average of all iterates.

    Parameters
    ----------
    n_weights : int
    averaging : bool
    """
    cdef readonly object weights          # ndarray (n_weights,)
    cdef readonly object lag              # ndarray or None: see average()
    cdef public Py_ssize_t n_visits
    cdef public Py_ssize_t n_oracle_calls
    cdef public Py_ssize_t n_mistakes     # examples that moved the weights in the last pass
    cdef public double hinge              # mean positive height in the last pass
    cdef double[::1] _weights, _lag

    def __init__(self, Py_ssize_t n_weights, bint averaging):
        self.weights = padded_vector(n_weights)
        self._weights = self.weights
        self.lag = np.zeros(n_weights) if averaging else None
        self._lag = self.lag

    def __reduce__(self):
        return _restored, (len(self.weights), self.lag is not None, self.snapshot())

    def exact_pass(self, Problem problem, const index_t[::1] order, double most):
        """Visit the examples in `order`; each adds a multiple of its plane to the weights.

        The multiple makes the height of the plane 0, but is at most `most` (PA-I). With `most` = 0
        it is always 1 and the loss does not count (the perceptron, for rescaling "plain").
        """
        cdef Py_ssize_t k, at_a_time = problem.calls_at_a_time(VISITS_PER_SIGNAL_CHECK)
        cdef double height, sqnorm, step, hinge_sum = 0.0
        cdef bint overflown = False
        cdef PlaneBatch batch = PlaneBatch(1)
        cdef Plane* plane = &batch.planes[0]
        cdef Weights w = weights_of(self.weights)
        if problem.n_weights != self._weights.shape[0]:
            raise ValueError(
                f"the problem has {problem.n_weights} weights, expected {self._weights.shape[0]}"
            )
        problem.reserve(1)
        self.n_mistakes = 0
        with nogil:
            for k in range(order.shape[0]):
                if k % at_a_time == 0:
                    with gil:
                        PyErr_CheckSignals()
                problem.plane(order[k], &w, 0, plane)
                self.n_oracle_calls += 1
                self.n_visits += 1
                height = plane_value(plane, &w)
                sqnorm = 0.0
                step = 1.0
                if most == 0.0:
                    height -= problem.task_loss(plane, 0)
                elif plane.nnz and height > SAME_HEIGHT * (
                    fabs(plane.loss) + fabs(plane.loss - height)
                ):
                    sqnorm = plane_sqnorm(plane)
                    step = min(most, height / sqnorm)
                else:
                    step = 0.0
                overflown = not (isfinite(height) and isfinite(sqnorm))
                if overflown:
                    break
                if height > 0.0:
                    hinge_sum += height
                if step == 0.0 or plane.nnz == 0:
                    continue
                self.n_mistakes += 1
                plane_axpy(step, plane, &self._weights[0])
                if self._lag is not None:
                    plane_axpy(step * (self.n_visits - 1), plane, &self._lag[0])
        if overflown:
            raise ValueError(TOO_LARGE)
        self.hinge = hinge_sum / max(order.shape[0], 1)

    def average(self):
        """The mean of the iterates after each visit; the weights themselves if not averaging."""
        if self.lag is None or self.n_visits == 0:
            return np.array(self.weights)
        return self.weights - self.lag / self.n_visits

    def snapshot(self):
        held = {name: np.array(getattr(self, name)) for name in _NUMBERS}
        held["weights"] = np.array(self.weights)
        return held if self.lag is None else held | {"lag": self.lag.copy()}

    def kinds(self):
        """What `snapshot` holds."""
        kinds = dict.fromkeys(_NUMBERS, count()) | {"hinge": number(most=np.inf, nan=True)}
        kinds["weights"] = vector(len(self.weights))
        return kinds if self.lag is None else kinds | {"lag": vector(len(self.weights))}

    def restore(self, held):
        for name in _NUMBERS:
            setattr(self, name, held[name].item())
        self.weights[:] = held["weights"]
        if self.lag is not None:
            self.lag[:] = held["lag"]


def _restored(n_weights, averaging, held):
    online = OnlineWeights(n_weights, averaging)
    online.restore(held)
    return online
