"""Any convex risk, given by values and subgradients, minimised to a certificate by its planes."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from structsvm.data.checks import check_scalar, real_array
from structsvm.exceptions import OracleWarning, warn
from structsvm.linalg._sums import combined_rows, dot, row_products
from structsvm.solvers._simplex_qp import SimplexQP
from structsvm.solvers.base import Callback, Progress, Snapshot

__all__ = ["BundleMethod", "RiskResult", "minimize_risk"]

_Vector = NDArray[np.float64]
_Risk = Callable[[_Vector], tuple[Any, ...]]

# How far up from the bound to the objective the model is at the next point. At first it is the
# minimiser of the model; a step in vain raises the level to a quarter, then to one half, and steps
# that fulfil most of what the model promised lower it again.
_LEVELS = (0.1, 0.25, 0.5)
_FULFILLED = 0.5
# A point this near to its level, as share of the way to either end, will do.
_NEAR = 0.4
_MOST_TRIALS = 12  # weights of the proximal term for one point
_TRIAL_FACTOR = 4.0
# A plane without share in so many rounds is dropped.
_IDLE_ROUNDS = 50
# Without a change of objective and bound in so many calls, what is left is rounding.
_STALLED_CALLS = 20
# An objective this many times farther up than the model is down is as good as infinite.
_FAR_OUT = 1e5
_MOST_HALVINGS = 60
_MOST_PULL = 1e12  # times lambda
# Planes may be above values by this share of them, or of their terms, or of what the tolerance
# allows: that is rounding.
_SAME_VALUE = 1e-6
_ROUNDING = 1e-12
_ROUNDING_OF_TERMS = 1e-15
_SHARE_OF_TOL = 0.1
# A program that is off by more than this share of the gap begins anew.
_UNSOLVED = 0.01
_ROOM_AT_FIRST = 8
_FIELDS = ("objective", "dual_objective", "gap", "risk", "seconds")


@dataclasses.dataclass
class RiskResult:
    """Weights and the certificate for them.

    Attributes
    ----------
    weights : ndarray of shape (n_weights,)
        The best that were met.
    objective, dual_objective : float
        The objective there, and a lower bound of the objective anywhere.
    gap : float
        Their difference over the greater of their sizes.
    risk : float
        R there.
    n_calls : int
        Calls of the risk.
    status : str
        "converged", "max_iter", "stalled" (what is left is rounding), "stopped" (by the callback),
        "interrupted" (Ctrl-C), "failed" (`error` was raised by the risk or the callback) or
        "contradicted" (the bound passed the objective).
    history : dict of ndarray
        After each call: objective, dual_objective, gap, seconds since the start, and the risk at
        the point that was asked for.
    error : Exception or None
    doubt : str or None
        Why the gap is no certificate: values and subgradients that no convex function has. It was
        also a warning.
    """

    weights: _Vector
    objective: float
    dual_objective: float
    gap: float
    risk: float
    n_calls: int
    status: str
    history: dict[str, _Vector]
    error: Exception | None = None
    doubt: str | None = None

    @property
    def certified(self) -> bool:
        """Whether no weights have an objective below `dual_objective`, if R is convex."""
        return self.doubt is None


def minimize_risk(
    value_and_subgradient: _Risk,
    n_weights: int,
    *,
    regularization: float = 1.0,
    w0: ArrayLike | None = None,
    tol: float = 1e-3,
    atol: float = 0.0,
    max_iter: int = 1000,
    callback: Callback | None = None,
) -> RiskResult:
    r"""Minimise :math:`\frac\lambda2 \|w - w_0\|^2 + R(w)` for any convex R, to a certified gap.

    Each value and subgradient of R is a plane below it. The highest of the planes is a model, whose
    minimum, by a quadratic program, is a lower bound of the objective. The next point is where that
    minimum is; after steps in vain it is one near the best so far, at which the model is only part
    of the way down from the objective to the bound. So calls of R are few, which pays where each
    solves a problem of its own: an integer linear program, a simulation, a pass over data.

    Parameters
    ----------
    value_and_subgradient : callable
        ``value, subgradient = value_and_subgradient(w)`` for w of shape (n_weights,), which it may
        keep or change. The subgradient has the same shape. An infinite value says that w is outside
        the domain of R, which must hold `w0`: a point nearer to the best so far is tried. Where a
        solver stops before its optimum, return ``value, subgradient, bound``: the value and
        subgradient of what it found, and an upper bound of R(w), which is what counts for the gap.
    n_weights : int
        >= 0.
    regularization : float, default=1.0
        lambda, > 0. A mean of n hinges has the optimum of C times their sum at 1 / (C n).
    w0 : array-like of shape (n_weights,), default=None
        Where the first call is, and what weights are drawn to; None is zero.
    tol : float, default=1e-3
        Stop at ``objective - dual_objective <= tol * max(|objective|, |dual_objective|)``, ...
    atol : float, default=0.0
        ... or at a difference of `atol`.
    max_iter : int, default=1000
        Most calls.
    callback : callable, default=None
        Called with a `Progress` after every call of R; a true return value stops. Its objectives
        are those above, and its `mean_hinge` is the R of that call.

    Returns
    -------
    result : RiskResult

    Warns
    -----
    ConvergenceWarning
        If the tolerance was not reached, unless the callback stopped. After Ctrl-C, or if a later
        call or the callback raises, the result holds the best weights so far.
    OracleWarning
        If values and subgradients contradict each other by more than a tenth of the tolerance: then
        R is not convex, or they are wrong, and the gap is no certificate.

    Raises
    ------
    ValueError, TypeError
        For parameters out of range, and if the first call returns no finite value and subgradient.
        Whatever the first call raises is raised, too.

    Notes
    -----
    Besides R a call costs O(m^2 + m n_weights) and a few quadratic programs of the planes in use,
    for m planes; memory is O(m n_weights). Planes that have not counted for 50 calls are dropped.
    The smaller lambda, the more calls. Weights that no subgradient touches keep the value of `w0`.

    References
    ----------
    C. H. Teo, S. V. N. Vishwanathan, A. Smola, Q. V. Le (2010). Bundle methods for regularized risk
    minimization. JMLR 11.

    C. Lemaréchal, A. Nemirovskii, Y. Nesterov (1995). New variants of bundle methods. Mathematical
    Programming 69. doi:10.1007/BF01585555

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import minimize_risk
    >>> def distance(w):  # from (3, -1), in the 1-norm
    ...     return abs(w - [3, -1]).sum(), np.sign(w - [3, -1])
    >>> result = minimize_risk(distance, 2, regularization=0.5, tol=1e-6)
    >>> result.weights.round(3), round(result.objective, 3), result.status
    (array([ 2., -1.]), 2.25, 'converged')
    """
    _check(
        ("value_and_subgradient", value_and_subgradient),
        ("n_weights", n_weights),
        ("regularization", regularization),
        ("max_iter", max_iter),
        ("tol", tol),
        ("atol", atol),
    )
    result = _minimize(
        value_and_subgradient, n_weights, regularization, w0, tol, atol, max_iter, callback
    )
    _tell("minimize_risk", result)
    return result


class BundleMethod:
    """Minimise ``regularizer_weight / 2 |w|^2`` plus a convex function.

    The interface of the bundle method of ilpy and motile, on `minimize_risk`.

    Parameters
    ----------
    value_gradient_callback : callable
        ``value, gradient = value_gradient_callback(w)``, as for `minimize_risk`.
    dims : int
        The size of w.
    regularizer_weight : float
        > 0.
    eps : float
        Greatest difference between the objective of the weights and the optimum.

    Attributes
    ----------
    result : RiskResult or None
        What the last `optimize` came to.

    Examples
    --------
    >>> from structsvm import BundleMethod
    >>> method = BundleMethod(lambda w: (abs(w[0] - 1), [1 if w[0] > 1 else -1]), 1, 0.5, 1e-9)
    >>> method.optimize(), method.result.gap <= 1e-9
    (array([1.]), True)
    """

    def __init__(
        self,
        value_gradient_callback: _Risk,
        dims: int,
        regularizer_weight: float,
        eps: float,
    ) -> None:
        self.value_gradient_callback = value_gradient_callback
        self.dims = dims
        self.regularizer_weight = regularizer_weight
        self.eps = eps
        self.result: RiskResult | None = None

    def optimize(self, max_iterations: int | None = None) -> _Vector:
        """The best weights, from the start; each call forgets the last one.

        Parameters
        ----------
        max_iterations : int, default=None
            Most calls of the function; None sets no limit.

        Returns
        -------
        w : ndarray of shape (dims,)

        Raises
        ------
        Exception
            What the function raises; `result` then has the best weights so far.
        """
        self.result = None
        most = np.iinfo(np.int64).max if max_iterations is None else max_iterations
        risk, n, lam = self.value_gradient_callback, self.dims, self.regularizer_weight
        _check(
            ("value_gradient_callback", risk),
            ("dims", n),
            ("regularizer_weight", lam),
            ("max_iterations", most),
            ("eps", self.eps),
        )
        self.result = result = _minimize(risk, n, lam, None, 0.0, self.eps, most, None)
        if result.error is not None:
            raise result.error
        if result.status != "max_iter":  # the limit is the caller's own: reaching it is no news
            _tell("BundleMethod", result)
        return result.weights


class _Answer(NamedTuple):
    value: float  # at most the risk; inf outside its domain
    subgradient: _Vector
    upper: float  # at least the risk


class _Point(NamedTuple):
    objective: float
    u: _Vector
    risk: float


def _minimize(
    risk: _Risk,
    n_weights: int,
    lam: float,
    w0: ArrayLike | None,
    tol: float,
    atol: float,
    max_iter: int,
    callback: Callback | None,
) -> RiskResult:
    """`minimize_risk` without warnings, for numbers that are checked."""
    start = np.zeros(n_weights) if w0 is None else real_array("w0", w0)
    if start.shape != (n_weights,):
        raise ValueError(f"w0 has shape {start.shape}, expected ({n_weights},)")
    if not np.isfinite(start).all():
        i = int(np.flatnonzero(~np.isfinite(start))[0])
        raise ValueError(f"w0[{i}] is {start[i]}, expected a finite number")
    run = _Run(risk, start.copy(), float(lam), float(tol), float(atol))
    status, error = "max_iter", None
    run.visit(np.zeros(n_weights))
    try:
        while True:
            stop = callback is not None and bool(callback(run.progress()))
            ended = run.ended()
            if stop or ended is not None or run.n_calls >= max_iter:
                status = ended or ("stopped" if stop else status)
                break
            run.visit(run.next_point())
    except KeyboardInterrupt:
        status = "interrupted"
    except Exception as caught:
        status, error = "failed", caught
    return run.result(status, error)


def _check(
    risk: tuple[str, Any],
    size: tuple[str, Any],
    lam: tuple[str, Any],
    most: tuple[str, Any],
    *tolerances: tuple[str, Any],
) -> None:
    """Check parameters, each given with its name."""
    if not callable(risk[1]):
        raise TypeError(f"{risk[0]}={risk[1]!r}: expected a callable")
    check_scalar(*size, above=-1, integer=True)
    check_scalar(*lam, above=0)
    check_scalar(*most, above=0, integer=True)
    for name, value in tolerances:
        if isinstance(value, bool) or value != 0:
            check_scalar(name, value, above=0)


def _tell(name: str, result: RiskResult) -> None:
    """Warn of how the call of `name` ended."""
    if result.doubt is not None:
        warn(f"{name}: {result.doubt}", OracleWarning)
    if result.status in ("converged", "stopped", "contradicted"):
        return
    how = {
        "failed": f"failed; result.error has what was raised, {result.error!r}. It keeps the best",
        "interrupted": "was interrupted; it keeps the best",
        "stalled": "stopped where only rounding is left: raise tol. It has the best",
        "max_iter": "stopped at max_iter: raise it, tol or the regularization. It has the best",
    }[result.status]
    warn(
        f"{name} {how} weights of {result.n_calls} calls, with a gap of {result.gap:.1e}",
        ConvergenceWarning,
    )


class _Planes:
    """Lower bounds ``offset + <g, u>`` of a risk, u being the weights less `w0`."""

    def __init__(self, n_weights: int) -> None:
        self.room = np.zeros((0, n_weights))
        self.offsets = np.zeros(0)
        self.gram = np.zeros((0, 0))

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def rows(self) -> _Vector:
        return self.room[: len(self)]

    @property
    def nbytes(self) -> int:
        return self.room.nbytes + self.gram.nbytes

    def add(self, offset: float, g: _Vector) -> None:
        m = len(self)
        gram = np.empty((m + 1, m + 1))
        gram[:m, :m] = self.gram
        gram[m, :m] = gram[:m, m] = row_products(self.rows, g)
        gram[m, m] = dot(g, g)
        if m == len(self.room):
            self.room = np.concatenate([self.room, np.zeros((max(m, _ROOM_AT_FIRST), g.size))])
        self.room[m] = g
        self.gram, self.offsets = gram, np.append(self.offsets, offset)

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Forget the others."""
        survivors = self.rows[kept]
        self.gram, self.offsets = self.gram[np.ix_(kept, kept)], self.offsets[kept]
        self.room[: len(self)] = survivors

    def heights(self, u: _Vector) -> _Vector:
        return self.offsets + row_products(self.rows, u)

    def lowest(
        self, lam: float, centre: _Vector, shares: _Vector, within: float
    ) -> tuple[_Vector, _Vector]:
        r"""Minimise lam/2 |u - centre|^2 + the highest plane at u, beginning at `shares`.

        Returns the shares of the planes in the solution, sum 1, and u. The program sees the planes
        in use, the last one, and those that turn out to be above them: planes made far away have
        large numbers, which would cost digits. If it ends more than `within` above its optimum, it
        begins anew.
        """
        seen = np.union1d(np.flatnonzero(shares), [len(self) - 1])
        warm = len(seen) > 1
        while True:
            found = np.zeros(len(self))
            found[seen] = self._lowest_of(seen, lam, centre, shares[seen])
            u = centre - combined_rows(found, self.rows) / lam
            heights = self.heights(u)
            top = int(heights.argmax())
            size = abs(heights[top]) + abs(self.offsets[top])
            if top not in seen and heights[top] - heights[seen].max() > _ROUNDING * size:
                seen, shares = np.union1d(seen, [top]), found
            elif warm and heights[top] - dot(found, heights) > within:
                # Planes in use that differ by many powers of ten may block the program.
                seen, shares, warm = np.array([top]), np.zeros(len(self)), False
            else:
                return found, u

    def _lowest_of(
        self, seen: NDArray[np.intp], lam: float, centre: _Vector, shares: _Vector
    ) -> _Vector:
        """The shares of the planes that are seen, if there are no others."""
        base = int(shares.argmax()) if shares.any() else len(seen) - 1
        others = np.arange(len(seen)) != base
        # The program has a plane of zeros of its own: the others are taken relative to one in use.
        with np.errstate(over="ignore", invalid="ignore"):
            start = centre - self.rows[seen[base]] / lam
            heights = self.offsets[seen] + row_products(self.rows[seen], start)
            gram = self.gram[np.ix_(seen, seen)]
            column = gram[base]
            gram = gram - column - column[:, None] + column[base]
            if not (np.isfinite(heights).all() and np.isfinite(gram / lam).all()):
                raise ValueError(
                    f"products of subgradients over regularization={lam:g} overflow: scale the "
                    "risk, or raise the regularization"
                )
        program = SimplexQP(lam)
        program.restore(
            {
                "gram": gram[np.ix_(others, others)],
                "loss": (heights - heights[base])[others],
                "alpha": shares[others],
            }
        )
        program.solve()
        found = np.empty(len(seen))
        found[others] = program.alpha
        found[base] = max(1.0 - program.alpha.sum(), 0.0)
        found /= found.sum()
        return found

    def bound(self, lam: float, shares: _Vector) -> tuple[float, float]:
        """The minimum over u of lam/2 |u|^2 + this mean of planes, and the size of its terms."""
        g = combined_rows(shares, self.rows)
        below = dot(g, g) / (2 * lam)
        return dot(shares, self.offsets) - below, dot(shares, np.abs(self.offsets)) + below


class _Run:
    """The planes, the best point and the bound, between calls of the risk."""

    def __init__(self, risk: _Risk, w0: _Vector, lam: float, tol: float, atol: float) -> None:
        self.risk, self.w0, self.lam, self.tol, self.atol = risk, w0, lam, tol, atol
        self.planes = _Planes(w0.size)
        self.idle = np.zeros(0, dtype=int)
        self.best = _Point(math.inf, np.zeros(w0.size), math.inf)
        self.low, self.low_terms = -math.inf, 0.0
        # Of the model, and of the model with a proximal term of weight `pull` at the best point.
        self.low_shares = self.near_shares = np.zeros(0)
        self.pull = lam
        self.lowest = self.best.u  # where the model is lowest
        self.level = 0.0
        self.promised = math.nan  # the objective of the model at the next point
        self.n_calls = 0
        self.unchanged = 0
        self.doubt: str | None = None
        self.met = math.nan
        self.rows: list[tuple[float, ...]] = []
        self.started = time.perf_counter()

    # ---- calls of the risk

    def visit(self, u: _Vector) -> None:
        """Call the risk at u, or nearer to the best point if u is outside its domain or far out."""
        for _ in range(_MOST_HALVINGS):
            answer = self._ask(u)
            objective = self.lam / 2 * dot(u, u) + answer.upper
            if not self._is_out(u, answer.value):
                break
            u, self.promised = (u + self.best.u) / 2, math.nan
        if answer.value == math.inf:
            raise ValueError("value_and_subgradient is infinite on all sides of the best weights")
        before = self.best.objective, self.low
        offset = _offset(u, answer)
        self._compare(u, answer, offset)
        self._judge(objective)
        self.planes.add(offset, answer.subgradient)
        self.idle, self.low_shares = np.append(self.idle, 0), np.append(self.low_shares, 0.0)
        self.near_shares = np.append(self.near_shares, 0.0)
        if objective < self.best.objective:
            self.best = _Point(objective, u, answer.upper)
        self.low_shares, self.lowest = self.planes.lowest(
            self.lam,
            np.zeros(u.size),
            self.low_shares,
            _UNSOLVED * (self.best.objective - self.low),
        )
        low, terms = self.planes.bound(self.lam, self.low_shares)
        if low > self.low:
            self.low, self.low_terms = low, terms
        self.unchanged = self.unchanged + 1 if before == (self.best.objective, self.low) else 0
        self.met = answer.upper
        self.rows.append((*self._bounds(), answer.upper, time.perf_counter() - self.started))

    def _ask(self, u: _Vector) -> _Answer:
        self.n_calls += 1
        where = f"call {self.n_calls} of value_and_subgradient"
        answer = _read(self.risk(self.w0 + u), self.w0.size, where)
        if answer.value == math.inf and not len(self.planes):
            raise ValueError(
                f"{where}, at w0: the value or the square of the subgradient is infinite, expected "
                "finite numbers"
            )
        return answer

    def _is_out(self, u: _Vector, value: float) -> bool:
        """Whether a plane at u has numbers too large to be of use beside the others."""
        if not len(self.planes):
            return False
        excess = self.lam / 2 * dot(u, u) + value - self.best.objective
        hope = self.best.objective - self._model(u)
        return value == math.inf or excess > _FAR_OUT * hope > 0.0

    def _compare(self, u: _Vector, answer: _Answer, offset: float) -> None:
        """See whether known planes at u, and the new one at the best point, are below the risk."""
        if self.doubt is not None or not len(self.planes):
            return
        heights = self.planes.heights(u)
        k = int(heights.argmax())
        self._hold(float(heights[k]), answer.upper, float(self.planes.offsets[k]))
        height = offset + dot(answer.subgradient, self.best.u)
        self._hold(height, self.best.risk, offset)

    def _hold(self, height: float, risk: float, offset: float) -> None:
        """A plane of this offset has this height where the risk is this."""
        slack = _SAME_VALUE * max(abs(height), abs(risk))
        slack += _ROUNDING * (abs(offset) + abs(height - offset))
        if height - risk > max(slack, _SHARE_OF_TOL * self._allowed()):
            self.doubt = (
                f"call {self.n_calls} shows a value of {risk:.6g} below a plane, at {height:.6g}, "
                "of a value and subgradient elsewhere. No convex function has both, so the gap is "
                "no certificate: the function is not convex, a subgradient is wrong, or a solver "
                "stopped early and the value is too low (then return an upper bound, too)"
            )

    def _judge(self, objective: float) -> None:
        """Lower the level after a step that kept its promise; raise it after one in vain."""
        least, first, most = _LEVELS
        gain, hope = self.best.objective - objective, self.best.objective - self.promised
        if hope > 0.0 and gain > _FULFILLED * hope:
            self.level = self.level / 2 if self.level / 2 >= least else 0.0
        elif not gain > 0.0 or (len(self.planes) and math.isnan(self.promised)):
            self.level = min(max(2 * self.level, first), most)

    # ---- the next point

    def next_point(self) -> _Vector:
        """Where to call the risk next."""
        self._forget()
        point = self.lowest if self.level == 0.0 else self._point_at_level()
        self.promised = self._model(point)
        return point

    def _model(self, u: _Vector) -> float:
        return self.lam / 2 * dot(u, u) + float(self.planes.heights(u).max())

    def _point_at_level(self) -> _Vector:
        """The point near the best one at which the model is about so far up."""
        span = self.best.objective - self.low
        above = below = math.nan
        for _ in range(_MOST_TRIALS):
            total = self.lam + self.pull
            centre = self.pull / total * self.best.u
            self.near_shares, point = self.planes.lowest(
                total, centre, self.near_shares, _UNSOLVED * span
            )
            share = (self._model(point) - self.low) / span
            if abs(share - self.level) <= _NEAR * self.level:
                break
            if share > self.level:
                above, other, factor = self.pull, below, 1 / _TRIAL_FACTOR
            else:
                below, other, factor = self.pull, above, _TRIAL_FACTOR
            wanted = self.pull * factor if math.isnan(other) else math.sqrt(above * below)
            self.pull = min(max(wanted, self.lam / _MOST_PULL), self.lam * _MOST_PULL)
        return point

    def _forget(self) -> None:
        counts = (self.low_shares > 0.0) | (self.near_shares > 0.0)
        self.idle = np.where(counts, 0, self.idle + 1)
        kept = self.idle <= _IDLE_ROUNDS
        if not kept.all():
            self.planes.keep(kept)
            self.idle = self.idle[kept]
            self.low_shares, self.near_shares = self.low_shares[kept], self.near_shares[kept]

    # ---- what there is to say

    def _bounds(self) -> tuple[float, float, float]:
        """The objective, the bound and the gap."""
        above, below = self.best.objective, self.low
        size = max(abs(above), abs(below))
        if not math.isfinite(size):
            return above, below, 1.0
        return above, below, abs(above - below) / size if size > 0.0 else 0.0

    def _allowed(self) -> float:
        """The difference of objective and bound to stop at."""
        return max(self.tol * max(abs(self.best.objective), abs(self.low)), self.atol)

    def ended(self) -> str | None:
        """How the run has ended, None while it has not."""
        above, below, _ = self._bounds()
        if math.isfinite(above) and above - below <= self._allowed():
            rounding = _SAME_VALUE * max(abs(above), abs(below)) + _ROUNDING * self.low_terms
            if below - above <= max(rounding, _SHARE_OF_TOL * self._allowed()):
                return "converged"
            self.doubt = self.doubt or (
                f"the bound, {below:.6g}, is above the objective, {above:.6g}: the function is not "
                "convex, or its subgradients are wrong, and the gap is no certificate"
            )
            return "contradicted"
        return "stalled" if self.unchanged >= _STALLED_CALLS else None

    def weights(self) -> _Vector:
        return self.w0 + self.best.u

    def progress(self) -> Progress:
        objective, bound, gap = self._bounds()
        return Progress(
            n_iter=self.n_calls,
            objective=objective,
            dual_objective=bound,
            gap=gap,
            gap_estimate=gap,
            mean_hinge=self.met,
            n_oracle_calls=self.n_calls,
            seconds=time.perf_counter() - self.started,
            n_planes=len(self.planes),
            solver_bytes=self.planes.nbytes,
            make_weights=self.weights,
            snapshot=_no_snapshot,
            is_estimate=self.doubt is not None,
        )

    def result(self, status: str, error: Exception | None) -> RiskResult:
        objective, bound, gap = self._bounds()
        columns = np.array(self.rows).reshape(-1, len(_FIELDS)).T
        return RiskResult(
            weights=self.weights(),
            objective=objective,
            dual_objective=bound,
            gap=gap,
            risk=self.best.risk,
            n_calls=self.n_calls,
            status=status,
            history=dict(zip(_FIELDS, columns.copy(), strict=True)),
            error=error,
            doubt=self.doubt,
        )


def _offset(u: _Vector, answer: _Answer) -> float:
    """The height at 0 of the plane of an answer at u.

    A plane made far out is a small difference of great numbers. It is lowered by their rounding,
    so that it is below the risk.
    """
    offset = answer.value - dot(answer.subgradient, u)
    size = abs(answer.value) + math.sqrt(dot(answer.subgradient, answer.subgradient)) * math.sqrt(
        dot(u, u)
    )
    rounding = _ROUNDING_OF_TERMS * size
    return offset - rounding if rounding > _ROUNDING * abs(offset) else offset


def _no_snapshot() -> Snapshot:
    raise TypeError("minimize_risk makes no snapshots, so Checkpoint is of no use to it")


def _read(answer: Any, n_weights: int, where: str) -> _Answer:
    """What the risk returned, checked."""
    if not isinstance(answer, (tuple, list)) or len(answer) not in (2, 3):
        raise TypeError(
            f"{where} returned {type(answer).__name__}, expected (value, subgradient) or (value, "
            "subgradient, bound)"
        )
    numbers = [real_array(f"{where}: the value", answer[0])]
    if len(answer) == 3:
        numbers.append(real_array(f"{where}: the bound", answer[2]))
    for what, number in zip(("value", "bound"), numbers, strict=False):
        if number.size != 1:
            raise ValueError(f"{where}: the {what} has shape {number.shape}, expected one number")
    value, upper = numbers[0].item(), numbers[-1].item()
    if math.isnan(value) or value == -math.inf:
        raise ValueError(f"{where}: the value is {value}, expected a number")
    if not upper >= value:
        raise ValueError(f"{where}: the bound, {upper}, is below the value, {value}")
    g = real_array(f"{where}: the subgradient", answer[1])
    if g.shape != (n_weights,):
        raise ValueError(f"{where}: the subgradient has shape {g.shape}, expected ({n_weights},)")
    if value < math.inf and np.isnan(g).any():
        i = int(np.isnan(g).argmax())
        raise ValueError(f"{where}: entry {i} of the subgradient is nan, expected a number")
    # Where it is too steep to compute with is as good as outside the domain.
    return _Answer(value if math.isfinite(dot(g, g)) else math.inf, g, upper)
