"""The primal point of a dual point; see ``_averaged_point.pxd``.

Design: the average of all iterates, with weight t for the t-th, is kept lazily. It is
``weights - lag / S`` with S = 1 + ... + t: each move of the weights after update t adds the move
times the present S to ``lag``. So an update costs no more than its moves.
"""

import numpy as np

from structsvm.solvers._plane_store cimport PlaneStore

from structsvm.exceptions import ModelFileError
from structsvm.linalg._plane import extended, padded_vector
from structsvm.data.snapshots import Kind, vector

MOST_UPDATES = 2**60


cdef class AveragedPoint:
    """Weights ``center_part + sum_i sum_p alpha_ip delta_ip / (regularization * n)``.

    A caller that adds a centre (a proximal term) moves the weights with it. Each weight that must
    be >= 0 has a multiplier >= 0 that is added to it: one more block of the dual, optimised after
    every update, so during an update the weights depend linearly on alpha.

    Parameters
    ----------
    problem : Problem
    average : bool, default=False
        Whether to keep the weighted average of all iterates, weight t for the t-th.

    Attributes
    ----------
    weights : ndarray of shape (n_weights,)
    multipliers : ndarray
    regularization : float
        lambda plus the weight of a proximal term.
    n_updates : int
    """

    def __init__(self, problem, *, bint average=False):
        self.n_examples = problem.n_examples
        self.problem = problem
        room = getattr(problem, "most_weights", problem.n_weights)
        self._room = self._weights = padded_vector(room)
        self.multiplied = self._multiplied = problem.non_negative
        self.multipliers = self._multipliers = np.zeros(len(problem.non_negative))
        self._floors = problem.floors
        self.lag = self._lag = np.zeros(room) if average else None
        self.regularization = 1.0

    @property
    def weights(self):
        """The weights that there are now, as a view; padded."""
        if len(self._room) == self.problem.n_weights:
            return self._room
        return self._room[:self.problem.n_weights]

    cdef share(self, AveragedPoint other):
        """Have the weights of another point, so that a move of either moves both."""
        self._room, self._weights = other._room, other._weights

    cdef double curvature(self) noexcept nogil:
        """If plane p gains dual weight 1, the height of plane q falls by this times <p, q>."""
        return 1.0 / (self.regularization * self.n_examples)

    cdef void move(self, PlaneStore store, Py_ssize_t i, int p, double change) noexcept nogil:
        """Move the weights after plane p of block i has gained dual weight `change`."""
        cdef double step = change / (self.regularization * self.n_examples)
        store.add(i, p, step, &self._weights[0])
        if self._lag is not None:
            store.add(i, p, step * self.lag_factor, &self._lag[0])

    cdef void move_all(self, PlaneStore store, Py_ssize_t i, double* changes) noexcept nogil:
        """`move` for all planes of block i."""
        cdef int p
        for p in range(store.blocks[i].size):
            changes[p] = changes[p] / (self.regularization * self.n_examples)
        store.add_all(i, changes, &self._weights[0])
        if self._lag is not None:
            for p in range(store.blocks[i].size):
                changes[p] *= self.lag_factor
            store.add_all(i, changes, &self._lag[0])

    cdef void end_update(self) noexcept nogil:
        """One averaging step; call it after each visit of a block, even if nothing moved."""
        self.choose_multipliers()
        self.n_updates += 1
        self.lag_factor += <double> self.n_updates

    cdef void choose_multipliers(self) noexcept nogil:
        """Set the best multipliers: the least ones that lift the weights to their floors, 0."""
        cdef Py_ssize_t k, j
        cdef double alone, chosen, least
        for k in range(self._multipliers.shape[0]):
            j = self._multiplied[k]
            alone = self._weights[j] - self._multipliers[k]
            least = self._floors[k]
            chosen = least - alone if alone < least else 0.0
            if self._lag is not None:
                self._lag[j] += self.lag_factor * (chosen - self._multipliers[k])
            # Exactly there, without rounding.
            self._weights[j] = least if alone < least else alone
            self._multipliers[k] = chosen

    def move_to(self, weights):
        """Set the weights (after the centre of a proximal term has moved).

        `weights` do not include multipliers, which are chosen anew.
        """
        own = self.weights
        weights = extended(weights, len(own))
        if self.lag is not None:
            self.lag[:len(own)] += self.lag_factor * (weights - own)
        own[:] = weights
        self.multipliers[:] = 0.0
        self.choose_multipliers()

    def average(self):
        """The weighted average of all iterates; the weights if it is not kept."""
        if self.lag_factor == 0.0 or self.lag is None:
            return np.array(self.weights)
        own = self.weights
        return own - self.lag[:len(own)] / self.lag_factor

    def snapshot(self):
        """The state as arrays, from which `restore` makes the same bits again."""
        held = {
            "weights": np.array(self.weights), "multipliers": self.multipliers.copy(),
            "updates": np.array([self.n_updates]),
            "numbers": np.array([self.regularization, self.lag_factor]),
        }
        return held if self.lag is None else held | {"lag": self.lag[:len(self.weights)].copy()}

    def kinds(self):
        """What `snapshot` holds."""
        kinds = {
            "weights": vector(len(self.weights)),
            "multipliers": vector(len(self.multipliers), least=0.0),
            "updates": Kind(np.int64, (1,), 0, MOST_UPDATES),
            "numbers": Kind(np.float64, (2,), 0.0),
        }
        return kinds if self.lag is None else kinds | {"lag": vector(len(self.weights))}

    def restore(self, held):
        """Restore what `snapshot` returned for a point of the same problem and options.

        Raises
        ------
        ModelFileError
            If the regularization is 0.
        """
        if not held["numbers"][0] > 0.0:
            raise ModelFileError(
                "the snapshot does not fit this problem: its regularization is 0, expected > 0"
            )
        self.weights[:] = held["weights"]
        self.multipliers[:] = held["multipliers"]
        if self.lag is not None:
            self.lag[:len(self.weights)] = held["lag"]
        self.n_updates = held["updates"].item()
        self.regularization, self.lag_factor = held["numbers"].tolist()

    @property
    def nbytes(self):
        """Memory of the vectors, in bytes."""
        lag = 0 if self.lag is None else self.weights.nbytes
        return self.weights.nbytes + self.multipliers.nbytes + lag
