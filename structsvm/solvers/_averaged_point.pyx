"""The primal point of a dual one; see ``_averaged_point.pxd``.

Design: the average of all iterates, with weight t for the t-th, is kept lazily. It is
``weights - lag / S`` with S = 1 + ... + t: each move of the weights after update t is added to
``lag`` times the S of that time. So an update costs no more than its moves.
"""

import numpy as np

from structsvm.solvers._plane_store cimport PlaneStore

from structsvm.exceptions import ModelFileError
from structsvm.linalg._plane import padded_vector
from structsvm.data.snapshots import Kind, vector

MOST_UPDATES = 2**60


cdef class AveragedPoint:
    """Weights ``center_part + sum_i sum_p alpha_ip delta_ip / (regularization * n)``.

    Whoever adds a centre (a proximal term) moves the weights with it. Where the problem wants
    weights >= 0, each has a multiplier >= 0 that is added to it: one more block of the dual, made
    optimal after every update, so that during an update weights depend linearly on alpha as ever.

    Parameters
    ----------
    problem : Problem
    average : bool
        Keep the weighted average of all iterates, weight t for the t-th.

    Attributes
    ----------
    weights : ndarray of shape (n_weights,)
    multipliers : ndarray
    regularization : float
        lambda, and the weight of a proximal term.
    n_updates : int
    """

    def __init__(self, problem, *, bint average=False):
        self.n_examples = problem.n_examples
        self.weights = self._weights = padded_vector(problem.n_weights)
        self.first_multiplied = problem.non_negative_start
        n_multipliers = problem.non_negative_stop - problem.non_negative_start
        self.multipliers = self._multipliers = np.zeros(n_multipliers)
        self.lag = self._lag = np.zeros(problem.n_weights) if average else None
        self.regularization = 1.0

    cdef double curvature(self) noexcept nogil:
        """How fast heights fall along a plane: the height of q falls by this times <p, q>."""
        return 1.0 / (self.regularization * self.n_examples)

    cdef void move(self, PlaneStore store, Py_ssize_t i, int p, double change) noexcept nogil:
        """Follow plane p of block i, which has been given `change` more dual weight."""
        cdef double step = change / (self.regularization * self.n_examples)
        store.add(i, p, step, &self._weights[0])
        if self._lag is not None:
            store.add(i, p, step * self.lag_factor, &self._lag[0])

    cdef void end_update(self) noexcept nogil:
        """One averaging step for each visit of a block, whether or not it moved anything."""
        self.choose_multipliers()
        self.n_updates += 1
        self.lag_factor += <double> self.n_updates

    cdef void choose_multipliers(self) noexcept nogil:
        """The least multipliers that make the weights feasible are the best ones."""
        cdef Py_ssize_t k, j
        cdef double alone, chosen
        for k in range(self._multipliers.shape[0]):
            j = self.first_multiplied + k
            alone = self._weights[j] - self._multipliers[k]
            chosen = -alone if alone < 0.0 else 0.0
            if self._lag is not None:
                self._lag[j] += self.lag_factor * (chosen - self._multipliers[k])
            # Exactly 0, not what rounding leaves of it.
            self._weights[j] = 0.0 if alone < 0.0 else alone
            self._multipliers[k] = chosen

    def move_to(self, weights):
        """Set the weights (after the centre of a proximal term has moved).

        `weights` are without multipliers, which follow.
        """
        if self.lag is not None:
            self.lag += self.lag_factor * (weights - self.weights)
        self.weights[:] = weights
        self.multipliers[:] = 0.0
        self.choose_multipliers()

    def average(self):
        """The weighted average of all iterates; the weights where there is none."""
        if self.lag_factor == 0.0 or self.lag is None:
            return np.array(self.weights)
        return self.weights - self.lag / self.lag_factor

    def snapshot(self):
        """Everything as arrays, from which `restore` makes the same state again, bit for bit."""
        held = {
            "weights": np.array(self.weights), "multipliers": self.multipliers.copy(),
            "updates": np.array([self.n_updates]),
            "numbers": np.array([self.regularization, self.lag_factor]),
        }
        return held if self.lag is None else held | {"lag": self.lag.copy()}

    def kinds(self):
        """What `snapshot` holds."""
        kinds = {
            "weights": vector(len(self.weights)),
            "multipliers": vector(len(self.multipliers), least=0.0),
            "updates": Kind(np.int64, (1,), 0, MOST_UPDATES),
            "numbers": Kind(np.float64, (2,), 0.0),
        }
        return kinds if self.lag is None else kinds | {"lag": vector(len(self.lag))}

    def restore(self, held):
        """Become what `snapshot` was taken of: a point of the same problem and options.

        Raises
        ------
        ModelFileError
            If the regularization is 0.
        """
        if not held["numbers"][0] > 0.0:
            raise ModelFileError(
                "the snapshot does not fit this problem: its regularization is 0, expected more"
            )
        self.weights[:] = held["weights"]
        self.multipliers[:] = held["multipliers"]
        if self.lag is not None:
            self.lag[:] = held["lag"]
        self.n_updates = held["updates"].item()
        self.regularization, self.lag_factor = held["numbers"].tolist()

    @property
    def nbytes(self):
        """Memory of the vectors, in bytes."""
        lag = 0 if self.lag is None else self.lag.nbytes
        return self.weights.nbytes + self.multipliers.nbytes + lag
