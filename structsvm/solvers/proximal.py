"""The proximal term of the block solvers: how much it weighs, and where its centre goes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.snapshots import Kind, count, number, vector

__all__ = ["ProximalSchedule"]

# The scale is halved when the best dual value stands still for so many rounds, ...
_STALLED_ROUNDS = 3
# ... and doubled when the estimate has not fallen to this share within so many rounds.
_SLOW_SHARE = 0.5
_SLOW_ROUNDS = 8
# A round without the term is slow where it leaves more than this share of the estimate; after so
# many in a row the term is worth its cost.
_SLOW_ROUND = 0.5
_SLOW_IN_A_ROW = 2


class ProximalSchedule:
    r"""Weight and centre of the term :math:`\frac\kappa2 \|w - v\|^2`, round by round.

    kappa is ``kappa_scale * rate``. The rate follows from the problem and is the solver's business:
    :math:`\sqrt{\lambda R^2 / (n L)}`, R^2 being a squared norm and L a loss typical of planes. The
    scale starts at `acceleration`. It is doubled while the gap falls slowly; it is halved, and the
    momentum dropped, when the best dual value stands still. Nesterov's rule moves the centre.

    A round begins with `move` and `around`, and ends with `record`.

    Parameters
    ----------
    lam : float
        lambda.
    n_weights : int
    acceleration : float
        The first scale; 0 for no term at all.
    late : bool, default=False
        Begin only after two slow rounds, for solvers that may end before they need the term.
    tolerance : float, default=0.0
        While the momentum lasts, kappa follows its rate only where it is off by more than this
        share: a solver whose rate changes in each round keeps a momentum that fits its kappa.
    retry_after : int, default=None
        A scale that stalled is tried again after so many rounds without a stall; None for never.

    Attributes
    ----------
    kappa : float
        The present weight, 0 without the term.
    kappa_scale : float
    """

    def __init__(
        self,
        lam: float,
        n_weights: int,
        acceleration: float,
        *,
        late: bool = False,
        tolerance: float = 0.0,
        retry_after: int | None = None,
    ) -> None:
        self.lam = lam
        self.n_weights = n_weights
        self.acceleration = float(acceleration)
        self.late = late
        self.tolerance = tolerance
        self.retry_after = retry_after
        self.kappa = 0.0
        self.kappa_scale = 0.0 if late else self.acceleration
        self.kappa_scale_limit = math.inf
        self.stalled = self.slow = self.rounds_since_stall = 0
        self.watched_rounds, self.watched_estimate = 0, 1.0
        self.previous: NDArray[np.float64] | None = None  # where the last round began

    @property
    def strength(self) -> float:
        """lambda + kappa: how strongly convex the regularised objective is."""
        return self.lam + self.kappa

    def begin(self, rate: float) -> None:
        """Have the term before the first round, around weights known to be near the optimum."""
        self.kappa = self.kappa_scale * rate

    def move(
        self, weights: NDArray[np.float64], rate: float, estimate: float
    ) -> NDArray[np.float64] | None:
        """Choose the weight and the centre of the next round.

        Parameters
        ----------
        weights : ndarray of shape (n_weights,)
            Where the last round ended; copied.
        rate : float
            kappa at scale 1, by the solver's rule; 0 where the rule has no answer.
        estimate : float
            Of the relative gap, as the last round left it.

        Returns
        -------
        centre : ndarray of shape (n_weights,), or None
            A new array; None where there is no term.
        """
        momentum = self._adapt(estimate) and self.kappa > 0.0
        kappa = self.kappa_scale * rate
        if kappa == 0.0:
            self.kappa, self.previous = 0.0, None
            return None
        if not momentum or abs(kappa - self.kappa) > self.tolerance * self.kappa:
            self.kappa = kappa
        w, centre = np.array(weights), None
        if momentum and self.previous is not None:
            root = math.sqrt(self.lam / self.strength)
            # In place: there may be millions of weights.
            centre = np.subtract(w, self.previous, out=self.previous)
            centre *= (1 - root) / (1 + root)
            centre += w
        self.previous = w
        return np.array(w) if centre is None else centre

    def around(
        self,
        centre: NDArray[np.float64] | None,
        combination: NDArray[np.float64],
        out: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """The weights that a dual point makes, with the term around `centre` if there is one."""
        if centre is None:
            return combination / self.lam
        weights = np.multiply(centre, self.kappa, out=out)
        weights += combination
        weights /= self.strength
        return weights

    def record(self, improved: bool, before: float, estimate: float) -> None:
        """Take note of a round: whether the best dual value rose, the estimates around it."""
        self.stalled = 0 if improved else self.stalled + 1
        self.slow = self.slow + 1 if estimate > _SLOW_ROUND * before else 0

    def _adapt(self, estimate: float) -> bool:
        """Choose the scale; False where the momentum is to be dropped."""
        if self.kappa_scale == 0.0:
            if self.late and self.slow >= _SLOW_IN_A_ROW and self.kappa_scale_limit > 0.0:
                self.kappa_scale = self.acceleration
                self._watch(estimate)
            return False
        self.rounds_since_stall += 1
        if self.stalled >= _STALLED_ROUNDS:
            # Too large a term stalls, so this scale is not tried again, or not soon.
            self.kappa_scale /= 2
            self.kappa_scale_limit = self.kappa_scale
            self.stalled = self.rounds_since_stall = 0
            self._watch(estimate)
            return False
        if self.retry_after is not None and self.rounds_since_stall >= self.retry_after:
            self.kappa_scale_limit = math.inf
        self.watched_rounds += 1
        if self.watched_rounds > _SLOW_ROUNDS:
            slow = estimate > _SLOW_SHARE * self.watched_estimate
            if slow and 2 * self.kappa_scale <= self.kappa_scale_limit:
                self.kappa_scale *= 2
            self._watch(estimate)
        return True

    def _watch(self, estimate: float) -> None:
        self.watched_rounds, self.watched_estimate = 0, estimate

    # ---- snapshots

    def kinds(self) -> dict[str, Kind]:
        """What `snapshot` holds."""
        kinds = {
            "kappa": number(least=0.0),
            "kappa_scale": number(least=0.0),
            "kappa_scale_limit": number(least=0.0, most=math.inf),
            "stalled": count(),
            "watched_rounds": count(),
            "watched_estimate": number(least=0.0),
            "previous": vector(self.n_weights, optional=True),
        }
        if self.late:
            kinds["slow"] = count()
        if self.retry_after is not None:
            kinds["rounds_since_stall"] = count()
        return kinds

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All that later rounds depend on."""
        held = {name: np.array(getattr(self, name)) for name in self.kinds()}
        if self.previous is None:
            del held["previous"]
        return held

    def restore(self, held: dict[str, NDArray[Any]]) -> None:
        """Become what `snapshot` was taken of."""
        self.previous = held["previous"].copy() if "previous" in held else None
        for name in held.keys() - {"previous"}:
            setattr(self, name, held[name].item())
