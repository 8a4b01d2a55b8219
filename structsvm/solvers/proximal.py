"""The proximal term of the block solvers: its weight and its centre."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.snapshots import Kind, count, number, vector
from structsvm.linalg._plane import extended

__all__ = ["ProximalSchedule"]

# The scale is halved when the best dual value does not rise for so many rounds.
_STALLED_ROUNDS = 3
# It is doubled when the estimate does not fall to this share within so many rounds.
_SLOW_SHARE = 0.5
_SLOW_ROUNDS = 8
# A late term begins when the tolerance is further away than so many rounds, ...
_FAR = 20.0
# ... going by the mean fall over so many.
_ROUNDS_OF_FALL = 4


class ProximalSchedule:
    r"""Weight and centre of the term :math:`\frac\kappa2 \|w - v\|^2`, round by round.

    kappa is ``kappa_scale * rate``. The solver computes the rate from the problem,
    :math:`\sqrt{\lambda R^2 / (n L)}`, where R^2 is a typical squared norm and L a typical loss of
    planes. The scale starts at `acceleration`. It is doubled while the gap falls slowly; it is
    halved, and the momentum is dropped, when the best dual value does not rise. Nesterov's rule
    moves the centre.

    A round begins with `move` and `around`, and ends with `record`.

    Parameters
    ----------
    lam : float
        lambda.
    n_weights : int
    acceleration : float
        The first scale; 0 for no term.
    late : bool, default=False
        Begin only when the tolerance is many rounds away, for solvers that may end before they need
        the term.
    tolerance : float, default=0.0
        While there is momentum, kappa changes only if its rule differs by more than this share, so
        that the momentum fits kappa although the rate changes in every round.
    retry_after : int, default=None
        A scale that stalled is allowed again after so many rounds without a stall; None: never.

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
        self.stalled = self.rounds_since_stall = 0
        self.watched_rounds, self.watched_gap = 0, math.inf
        self.gaps = np.full(_ROUNDS_OF_FALL + 1, math.inf)  # of the last rounds without a term
        self.gap, self.remaining = math.inf, 0.0
        self.previous: NDArray[np.float64] | None = None  # where the last round began

    @property
    def strength(self) -> float:
        """lambda + kappa: the strong convexity of the objective with the term."""
        return self.lam + self.kappa

    def forget_momentum(self) -> None:
        """The weights have been moved by something else."""
        self.previous = None

    def begin(self, rate: float) -> None:
        """Start with the term in the first round, for a start near the optimum."""
        self.kappa = self.kappa_scale * rate

    def move(self, weights: NDArray[np.float64], rate: float) -> NDArray[np.float64] | None:
        """Choose the weight and the centre of the next round.

        Parameters
        ----------
        weights : ndarray of shape (n_weights,)
            Weights after the last round; copied.
        rate : float
            kappa at scale 1, by the solver's rule; 0 where the rule has no answer.

        Returns
        -------
        centre : ndarray of shape (n_weights,), or None
            A new array; None without the term.
        """
        momentum = self._adapt() and self.kappa > 0.0
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
            previous = extended(self.previous, len(w))
            centre = np.subtract(w, previous, out=previous)
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
        """The weights of a dual point, with the term around `centre` unless it is None."""
        if centre is None:
            return combination / self.lam
        if len(centre) < len(combination):
            centre = out = extended(centre, len(combination))
        weights = np.multiply(centre, self.kappa, out=out)
        weights += combination
        weights /= self.strength
        return weights

    def record(self, improved: bool, gap: float, remaining: float) -> None:
        """Take note of a round.

        Parameters
        ----------
        improved : bool
            Whether the best dual value rose.
        gap : float
            Estimate of the absolute gap: the relative one hardly moves while it is near 1.
        remaining : float
            What the logarithm of the gap has to fall yet.
        """
        self.stalled = 0 if improved else self.stalled + 1
        self.gap, self.remaining = gap, remaining
        self.gaps = np.append(self.gaps[1:], gap)

    def reset(self) -> None:
        """The dual point has been moved by something else: no term, as in the beginning."""
        self.previous, self.kappa = None, 0.0
        self.kappa_scale = 0.0 if self.late else self.acceleration
        self.gaps[:] = math.inf

    def _is_far(self) -> bool:
        first, last = self.gaps[0], self.gaps[-1]
        if not math.isfinite(first) or self.remaining <= 0.0:
            return False
        fall = math.log(first / last) / _ROUNDS_OF_FALL if 0.0 < last < first else 0.0
        return self.remaining > _FAR * fall

    def _adapt(self) -> bool:
        """Choose the scale; False where the momentum is to be dropped."""
        if self.kappa_scale == 0.0:
            if self.late and self.kappa_scale_limit > 0.0 and self._is_far():
                self.kappa_scale = self.acceleration
                self.gaps[:] = math.inf
                self._watch()
            return False
        self.rounds_since_stall += 1
        if self.stalled >= _STALLED_ROUNDS:
            # A term that is too large stalls: do not use this scale again, or not soon.
            self.kappa_scale /= 2
            self.kappa_scale_limit = self.kappa_scale
            self.stalled = self.rounds_since_stall = 0
            self._watch()
            return False
        if self.retry_after is not None and self.rounds_since_stall >= self.retry_after:
            self.kappa_scale_limit = math.inf
        self.watched_rounds += 1
        if self.watched_rounds > _SLOW_ROUNDS:
            slow = self.gap > _SLOW_SHARE * self.watched_gap
            if slow and 2 * self.kappa_scale <= self.kappa_scale_limit:
                self.kappa_scale *= 2
            self._watch()
        return True

    def _watch(self) -> None:
        self.watched_rounds, self.watched_gap = 0, self.gap

    # ---- snapshots

    def kinds(self) -> dict[str, Kind]:
        """What `snapshot` holds."""
        kinds = {
            "kappa": number(least=0.0),
            "kappa_scale": number(least=0.0),
            "kappa_scale_limit": number(least=0.0, most=math.inf),
            "stalled": count(),
            "watched_rounds": count(),
            "watched_gap": number(least=0.0, most=math.inf),
            "gap": number(least=0.0, most=math.inf),
            "remaining": number(least=0.0, most=math.inf),
            "previous": vector(self.n_weights, optional=True),
        }
        if self.late:
            kinds["gaps"] = Kind(np.float64, (_ROUNDS_OF_FALL + 1,), 0.0, math.inf)
        if self.retry_after is not None:
            kinds["rounds_since_stall"] = count()
        return kinds

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All that later rounds depend on, as arrays."""
        held = {name: np.array(getattr(self, name)) for name in self.kinds()}
        if self.previous is None:
            del held["previous"]
        return held

    def restore(self, held: dict[str, NDArray[Any]]) -> None:
        """Restore the state that `snapshot` returned."""
        self.previous = held["previous"].copy() if "previous" in held else None
        for name in held.keys() - {"previous"}:
            value = held[name]
            setattr(self, name, value.item() if value.ndim == 0 else value.copy())
