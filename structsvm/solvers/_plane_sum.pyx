"""Stochastic subgradient steps: the weights as a scaled sum of planes.

Design: with steps 1 / (lambda t) the iterate is w = 1 / (lambda N) times the sum of the N planes so
far. So only the sum is stored; shrinking changes the scale, and a step costs O(nnz). The same
factors, over the examples, are a dual point. After whole passes in permuted order every example has
added equally many planes, so this point is feasible. For weights that must be >= 0, the least
multipliers that make them so are added to the sum.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport isfinite, sqrt

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights
from structsvm.linalg._plane cimport (
    plane_axpy, plane_dot, plane_scale, plane_size, plane_sqnorm, plane_value, weights_of,
)
from structsvm.problems._problem cimport Problem

from structsvm.linalg._plane import padded_vector
from structsvm.linalg._sums import dot
from structsvm.data.snapshots import count as counted, number, vector
from structsvm.solvers.base import TOO_LARGE

# `fold` is called once projections have shrunk the weights this much: otherwise the sum becomes far
# larger than the weights.
cdef double MOST_SHRINKING = 1e-3

# An answer below the truth by more than this, relative to its terms, is wrong.
cdef double WORSE_HEIGHT = 1e-8

cdef enum:
    STEPS_PER_SIGNAL_CHECK = 64

_NUMBERS = (
    "scale", "total_loss", "hinge", "n_met", "n_steps", "n_oracle_calls", "n_overruled",
    "total_sqnorm",
    "greatest_loss", "shrinking", "weight_sum", "scale_sum",
)


cdef class PlaneSum:
    """Weights ``scale * total``, where total is a sum of planes.

    Parameters
    ----------
    n_weights : int
    averaging : {"none", "uniform", "weighted"}
        Whether to keep the average of all iterates, with equal weights or weight t for the t-th.
    multiplied : int32 ndarray, default=None
        The weights that must be >= 0; None: none.
    floors : float64 ndarray, default=None
        What they must be at least instead, <= 0.
    """
    cdef readonly str averaging
    cdef readonly object total            # ndarray: sum of planes, each times its factor
    cdef readonly object lag              # ndarray or None: see average()
    cdef readonly object multipliers      # ndarray: multipliers of weights >= 0, included in total
    cdef readonly object multiplied       # int32 ndarray: the weights that have them
    cdef readonly object floors           # ndarray: what these must be at least
    cdef public double scale
    cdef public double total_loss         # sum of the planes' losses, times the same factors
    cdef public double hinge              # mean hinge in the last pass
    cdef public Py_ssize_t n_met          # planes in the sum
    cdef public Py_ssize_t n_steps
    cdef public Py_ssize_t n_oracle_calls
    cdef public Py_ssize_t n_overruled    # answers worse than the truth
    cdef double worst_shortfall           # the worst such answer: its shortfall and example
    cdef Py_ssize_t worst_example
    cdef public double total_sqnorm       # |total|^2, updated with it
    cdef public double greatest_loss      # greatest loss of a plane so far
    cdef public double shrinking          # product of the projections since the last fold
    cdef public double weight_sum         # sum of the averaging weights
    cdef public double scale_sum          # sum of averaging weight * scale since the last fold
    cdef bint weighted
    cdef double[::1] _total, _lag, _multipliers
    cdef const index_t[::1] _multiplied
    cdef const double[::1] _floors
    cdef object settled                   # sum of averaging weight * iterate up to the last fold

    def __init__(self, Py_ssize_t n_weights, str averaging, multiplied=None, floors=None):
        self.averaging = averaging
        self.weighted = averaging == "weighted"
        self.total = padded_vector(n_weights)
        self._total = self.total
        if multiplied is None:
            multiplied = np.zeros(0, dtype=np.int32)
        self.multiplied = multiplied
        self._multiplied = multiplied
        self.multipliers = np.zeros(len(multiplied))
        self._multipliers = self.multipliers
        self.floors = np.zeros(len(multiplied)) if floors is None else floors
        self._floors = self.floors
        self.lag = np.zeros(n_weights) if averaging != "none" else None
        self._lag = self.lag
        self.settled = np.zeros(n_weights) if averaging != "none" else None
        self.scale = self.shrinking = 1.0

    def __reduce__(self):
        size = (len(self.total), self.averaging, self.multiplied, self.floors)
        return _restored, (size, self.snapshot())

    def exact_pass(
        self, Problem problem, const index_t[::1] order, double lam, Py_ssize_t batch_size,
        bint project,
    ):
        """Make a step for every `batch_size` examples of `order`; see `step`.

        Squared hinges steepen with the weights, and steps along them would overshoot more and more.
        Their tangents are taken where the step ends; see `soften`.
        """
        cdef Py_ssize_t k, count, start = 0, n = order.shape[0]
        cdef Py_ssize_t at_a_time = problem.calls_at_a_time(STEPS_PER_SIGNAL_CHECK)
        cdef PlaneBatch batch = PlaneBatch(batch_size)
        cdef Weights w = weights_of(self.total)
        cdef double height, hinge_sum = 0.0
        cdef bint overflown = False
        if problem.n_weights != self._total.shape[0]:
            raise ValueError(
                f"the problem has {problem.n_weights} weights, expected {self._total.shape[0]}"
            )
        problem.reserve(1)
        with nogil:
            while start < n:
                if start // batch_size % at_a_time == 0:
                    with gil:
                        PyErr_CheckSignals()
                count = min(batch_size, n - start)
                w.scale = self.scale
                for k in range(count):
                    problem.plane(order[start + k], &w, 0, &batch.planes[k])
                    height = plane_value(&batch.planes[k], &w)
                    overflown |= not isfinite(height)
                    height += batch.planes[k].excess
                    if height > 0.0:
                        hinge_sum += height
                        if problem.squared:
                            self.soften(&batch.planes[k], height, count, lam)
                    elif height < 0.0 and height < -WORSE_HEIGHT * plane_size(
                        &batch.planes[k], &w
                    ):
                        self.n_overruled += 1
                        if -height > self.worst_shortfall:
                            self.worst_shortfall = -height
                            self.worst_example = order[start + k]
                self.n_oracle_calls += count
                if overflown:
                    break
                self.step(batch.planes, count, lam, project)
                start += count
                if self.shrinking < MOST_SHRINKING:
                    with gil:
                        self.fold()
        if overflown:
            raise ValueError(TOO_LARGE)
        self.hinge = hinge_sum / max(n, 1)

    cdef void soften(
        self, Plane* plane, double height, Py_ssize_t count, double lam
    ) noexcept nogil:
        """Take the tangent of a squared hinge at a share of the margin's violation.

        Of m^2 at share * m, where a step along it, all else unchanged, leaves the violation
        share * m: an implicit step. It has the slope times the share.
        """
        cdef double share = 1.0 / (
            1.0 + count * plane_sqnorm(plane) / (2.0 * height * lam * (self.n_met + count))
        )
        cdef double loss = share * (plane.loss + height) - share * share * height
        self.greatest_loss = max(self.greatest_loss, plane.loss)
        plane_scale(plane, share)
        plane.loss = loss

    cdef void step(
        self, const Plane* planes, Py_ssize_t count, double lam, bint project
    ) noexcept nogil:
        """w <- (1 - count / N) w + sum of the planes / (lambda N), N = number of planes so far.

        With `project`, then project to |w| <= sqrt(greatest loss so far / lambda). The optimum is
        in this ball: hinges are >= 0, so lambda |w|^2 is at most the mean loss of its planes.
        """
        cdef Py_ssize_t k
        cdef double factor, radius, length, weight
        self.n_met += count
        self.n_steps += 1
        if self.n_met == count:
            self.scale = 1.0 / (lam * self.n_met)
        else:
            self.scale *= (<double> (self.n_met - count)) / self.n_met
        factor = 1.0 / (lam * self.n_met * self.scale)
        for k in range(count):
            self.total_sqnorm += factor * (
                2.0 * plane_dot(&planes[k], &self._total[0]) + factor * plane_sqnorm(&planes[k])
            )
            plane_axpy(factor, &planes[k], &self._total[0])
            self.total_loss += factor * planes[k].loss
            self.greatest_loss = max(self.greatest_loss, planes[k].loss)
            if self._lag is not None:
                plane_axpy(factor * self.scale_sum, &planes[k], &self._lag[0])
        self.choose_multipliers()
        if project:
            radius = sqrt(self.greatest_loss / lam)
            length = self.scale * sqrt(max(self.total_sqnorm, 0.0))
            if length > radius:
                self.scale *= radius / length
                self.shrinking *= radius / length
        if self._lag is not None:
            weight = <double> self.n_steps if self.weighted else 1.0
            self.weight_sum += weight
            self.scale_sum += weight * self.scale

    cdef void choose_multipliers(self) noexcept nogil:
        cdef Py_ssize_t k, j
        cdef double alone, kept, before, least
        for k in range(self._multipliers.shape[0]):
            j = self._multiplied[k]
            before = self._total[j]
            alone = before - self._multipliers[k]
            least = self._floors[k] / self.scale
            kept = alone if alone > least else least
            if self._lag is not None:
                self._lag[j] += self.scale_sum * (kept - before)
            self.total_sqnorm += kept * kept - before * before
            self._total[j] = kept
            self._multipliers[k] = kept - alone

    cdef fold(self):
        """Multiply the scale into the sum and settle the average so far, O(n_weights)."""
        if self.lag is not None:
            self.settled += self.scale_sum * self.total - self.lag
            self.lag[:] = 0.0
            self.scale_sum = 0.0
        self.total *= self.scale
        self.multipliers *= self.scale
        self.total_sqnorm = dot(self.total, self.total)
        self.total_loss *= self.scale
        self.scale = self.shrinking = 1.0

    @property
    def worst_answer(self):
        """The example whose answer was furthest below the truth, and how far; or None."""
        return (self.worst_example, self.worst_shortfall) if self.worst_shortfall > 0 else None

    def loss(self, double lam):
        """The loss of the dual point ``lam * weights()``, multipliers included."""
        return lam * self.scale * (self.total_loss + dot(self.floors, self.multipliers))

    def weights(self):
        with np.errstate(over="ignore", invalid="ignore"):  # callers check for finite weights
            return self.scale * self.total

    def average(self):
        """The average of all iterates, kept lazily.

        A plane added with factor c at step t is in all later iterates. So their weighted sum is
        ``R total - lag``, where R is the sum of weight * scale over all steps and ``lag`` the sum
        of c * (R before t) * plane. ``settled`` holds the sum up to the last fold.
        """
        if self.weight_sum == 0.0:
            return self.weights()
        with np.errstate(over="ignore", invalid="ignore"):
            return (self.settled + self.scale_sum * self.total - self.lag) / self.weight_sum

    def snapshot(self):
        held = {name: np.array(getattr(self, name)) for name in _NUMBERS}
        held["total"] = np.array(self.total)
        held["multipliers"] = self.multipliers.copy()
        if self.lag is not None:
            held |= {"lag": self.lag.copy(), "settled": self.settled.copy()}
        return held

    def kinds(self):
        """What `snapshot` holds."""
        cdef Py_ssize_t n = len(self.total)
        kinds = dict.fromkeys(_NUMBERS, number(least=0.0))
        kinds |= dict.fromkeys(("n_met", "n_steps", "n_oracle_calls", "n_overruled"), counted())
        kinds |= {"total_loss": number(), "total": vector(n)}
        kinds |= {"multipliers": vector(len(self.multipliers), least=0.0)}
        return kinds if self.lag is None else kinds | {"lag": vector(n), "settled": vector(n)}

    def restore(self, held):
        for name in _NUMBERS:
            setattr(self, name, held[name].item())
        self.total[:] = held["total"]
        self.multipliers[:] = held["multipliers"]
        if self.lag is not None:
            self.lag[:] = held["lag"]
            self.settled[:] = held["settled"]


def _restored(size, held):
    planes = PlaneSum(*size)
    planes.restore(held)
    return planes
