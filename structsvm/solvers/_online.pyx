"""Online learners: each visit adds a multiple of one plane to the weights.

Design: the average of all iterates is kept lazily. A plane added at visit t with factor c is in all
later iterates, so the mean of T iterates is ``weights - lag / T``, where ``lag`` is the sum of
c * (t - 1) * plane. A visit costs an oracle call and O(nnz).
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport fabs, isfinite
from libc.stdint cimport uint8_t

from structsvm._typedefs cimport index_t, label_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights
from structsvm.linalg._plane cimport plane_axpy, plane_sqnorm, plane_value, weights_of
from structsvm.problems._chain_deltas cimport ChainDeltas
from structsvm.problems._grown_problem cimport GrownProblem
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
    grown : GrownProblem, default=None
        The problem, if its weights grow.
    """
    cdef GrownProblem grown               # the problem if its weights grow, else None
    cdef ChainDeltas deltas               # then
    cdef object _room, _of_average
    cdef public Py_ssize_t n_visits
    cdef public Py_ssize_t n_oracle_calls
    cdef public Py_ssize_t n_mistakes     # examples that moved the weights in the last pass
    cdef public double hinge              # mean positive height in the last pass
    cdef double[::1] _weights, _lag

    def __init__(self, Py_ssize_t n_weights, bint averaging, GrownProblem grown=None):
        self.grown = grown
        if grown is not None:
            n_weights = grown.most_weights
            self.deltas = ChainDeltas(grown)
        self._room = self._weights = padded_vector(n_weights)
        self._of_average = self._lag = np.zeros(n_weights) if averaging else None

    @property
    def weights(self):
        """ndarray of shape (n_weights,)"""
        return self._room if self.grown is None else self._room[:self.grown.n_weights]

    @property
    def lag(self):
        """ndarray or None: see `average`"""
        if self.grown is None or self._of_average is None:
            return self._of_average
        return self._of_average[:self.grown.n_weights]

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
        if self.grown is not None:
            self.label_pass(order, most)
            return
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

    cdef label_pass(self, const index_t[::1] order, double most):
        """`exact_pass`, with planes as labels."""
        cdef Py_ssize_t k, t, i, n
        cdef double value, excess, height, loss, sqnorm, step, hinge_sum = 0.0
        cdef bint differs, overflown = False
        cdef GrownProblem problem = self.grown
        cdef ChainDeltas deltas = self.deltas
        cdef double* theta
        cdef label_t* y_hat
        cdef const label_t* true
        cdef uint8_t[::1] labels = np.zeros(
            max(problem.maximizer.most_labels, 1), dtype=np.uint8
        )
        cdef uint8_t* y = &labels[0]
        cdef Weights w = weights_of(self._room)
        problem.reserve(1)
        theta, y_hat = problem._scratch[0].theta, problem._scratch[0].y_hat
        self.n_mistakes = 0
        with nogil:
            for k in range(order.shape[0]):
                if k % VISITS_PER_SIGNAL_CHECK == 0:
                    with gil:
                        PyErr_CheckSignals()
                i = order[k]
                n = deltas.offsets[i + 1] - deltas.offsets[i]
                true = deltas.truth + deltas.offsets[i]
                problem.features.scores(i, &w, theta)
                deltas.begin_full(i, theta)
                deltas.begin(i)
                if most > 0.0:
                    problem.loss.augment(i, true, theta)
                problem.maximizer.call_maximize(i, 0, theta, y_hat, &value, &excess)
                self.n_oracle_calls += 1
                self.n_visits += 1
                differs = False
                for t in range(n):
                    y[t] = <uint8_t> y_hat[t]
                    differs |= y_hat[t] != true[t]
                if not differs or deltas.weight(i) == 0.0:
                    continue
                height = -deltas.inner_with_weights(i, y, w.data)
                sqnorm, step = 0.0, 1.0
                if most > 0.0:
                    loss = deltas.weight(i) * problem.loss.value(i, true, y_hat)
                    height += loss
                    step = 0.0
                    if height > SAME_HEIGHT * (fabs(loss) + fabs(loss - height)):
                        sqnorm = deltas.inner(i, y, y)
                        if sqnorm > 0.0:
                            step = min(most, height / sqnorm)
                overflown = not (isfinite(height) and isfinite(sqnorm))
                if overflown:
                    break
                if height > 0.0:
                    hinge_sum += height
                if step == 0.0:
                    continue
                self.n_mistakes += 1
                deltas.add(i, y, &step, 1, &self._weights[0])
                if self._lag is not None:
                    step *= self.n_visits - 1
                    deltas.add(i, y, &step, 1, &self._lag[0])
                problem.count_weights()
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
