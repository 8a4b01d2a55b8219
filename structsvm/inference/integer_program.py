"""integer_program: the best solution of linear constraints in integers, and such structures."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from structsvm.data.checks import check_scalar
from structsvm.inference._callable import CallableMaximizer
from structsvm.inference._contexts import read_contexts
from structsvm.inference._pairwise import check_scores
from structsvm.inference.structures import Bounded, Structure

__all__ = ["IntegerProgram", "IntegerSolution", "integer_program", "read_constraints"]

#: How far a solution of HiGHS may be from integers.
_TOLERANCE = 1e-4


class IntegerSolution(NamedTuple):
    """What `integer_program` finds.

    Attributes
    ----------
    counts : int32 array of shape (n_parts,)
        How often each part is used.
    value : float
        The score.
    bound : float
        No solution has a higher score. Above `value` only where a search ended early.
    """

    counts: NDArray[np.int32]
    value: float
    bound: float


def integer_program(
    scores: ArrayLike,
    constraints: Any,
    *,
    integrality: ArrayLike | None = None,
    bounds: Any = None,
    gap: float = 0.0,
    node_limit: int | None = None,
    time_limit: float | None = None,
) -> IntegerSolution:
    r"""The best solution of linear constraints in integers, by HiGHS.

    .. math::
        \max_{x, z} \; \sum_p \mathrm{scores}_p \, x_p
        \quad \text{with} \quad l \le A \, (x, z) \le u

    Parameters
    ----------
    scores : array-like of shape (n_parts,)
        Score of each part.
    constraints : scipy.optimize.LinearConstraint, triple (A, l, u), or list of these; None for none
        A, dense or sparse, has a column for each variable: parts first, then auxiliary variables z,
        if there are any, which have no scores.
    integrality : array-like of int of shape (n_variables,), or int, default=None
        1 for an integer, 0 for a real variable. None: all are integers. Where all vertices of the
        feasible set are integer, as for paths, flows and matchings, ``integrality=0`` solves a
        linear program, several times as fast; an answer that is not integer in all parts is
        refused.
    bounds : Bounds of scipy.optimize or pair (lower, upper), default=None
        Bounds of the variables. None: 0 and 1. Bounds of parts are finite and not negative.
    gap : float, default=0.0
        The search ends when bound - value is at most this share of the absolute value.
    node_limit : int, default=None
        Most nodes of the search tree. None: no limit.
    time_limit : float, default=None
        Most seconds. Answers then depend on the clock; with `node_limit` they do not.

    Returns
    -------
    IntegerSolution
        counts, value and bound. Of several best solutions HiGHS chooses, the same each time.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is not finite, a part has no finite bounds, or no solution
        satisfies the constraints.
    RuntimeError
        If HiGHS finds no solution within the limits, fails, or leaves a part that is no integer.

    See Also
    --------
    IntegerProgram : The solutions as a structure to be learned.
    knapsack : One constraint, by dynamic programming.

    Notes
    -----
    Branch and cut of HiGHS through `scipy.optimize.milp`, which releases the GIL; about 3 ms a call
    for the smallest programs. The problem is NP-hard. Integers are those of HiGHS, to 1e-6: the
    value is computed anew from the rounded counts, and constraints hold up to its tolerance of
    1e-6.

    References
    ----------
    Q. Huangfu, J. Hall (2018). Parallelizing the dual revised simplex method. Mathematical
    Programming Computation 10. doi:10.1007/s12532-017-0130-5

    Examples
    --------
    >>> from structsvm.inference import integer_program
    >>> at_most_two = ([[1, 1, 1, 0], [0, 1, 1, 1]], -float("inf"), [2, 1])
    >>> integer_program([2.0, 3.0, -1.0, 2.5], at_most_two)
    IntegerSolution(counts=array([1, 1, 0, 0], dtype=int32), value=5.0, bound=5.0)
    """
    scores = check_scores("scores", scores, 1, forbidden=False)
    limits = _check_limits(gap, node_limit, time_limit)
    program = _Program(len(scores), read_constraints(constraints), integrality, bounds, limits)
    return program.solve(scores)


def _check_limits(gap: Any, node_limit: Any, time_limit: Any) -> dict[str, Any]:
    if isinstance(gap, bool) or not isinstance(gap, numbers.Real) or not 0 <= float(gap) < math.inf:
        raise ValueError(f"gap={gap!r}: expected a finite number >= 0")
    options: dict[str, Any] = {"mip_rel_gap": float(gap)}
    if node_limit is not None:
        check_scalar("node_limit", node_limit, above=0, integer=True)
        options["node_limit"] = int(node_limit)
    if time_limit is not None:
        check_scalar("time_limit", time_limit, above=0)
        options["time_limit"] = float(time_limit)
    return options


class _Constraints(NamedTuple):
    A: Any  # sparse, of shape (n_constraints, n_variables)
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


def read_constraints(constraints: Any) -> list[_Constraints]:
    """Constraints in one form, checked."""
    if constraints is None:
        return []
    several = constraints if isinstance(constraints, list) else [constraints]
    return [_read_constraint(k, given) for k, given in enumerate(several)]


def _read_constraint(k: int, given: Any) -> _Constraints:
    if isinstance(given, LinearConstraint):
        given = given.A, given.lb, given.ub
    if not (isinstance(given, tuple) and len(given) == 3):
        raise ValueError(
            f"constraints[{k}] is {given!r}, expected a LinearConstraint or a triple (A, l, u)"
        )
    A = sp.csc_array(given[0] if sp.issparse(given[0]) else np.atleast_2d(np.asarray(given[0])))
    A = A.astype(np.float64)
    if not np.isfinite(A.data).all():
        raise ValueError(f"constraints[{k}] has coefficients that are not finite")
    try:
        lower = np.broadcast_to(np.asarray(given[1], dtype=np.float64), (A.shape[0],))
        upper = np.broadcast_to(np.asarray(given[2], dtype=np.float64), (A.shape[0],))
    except ValueError:
        raise ValueError(
            f"constraints[{k}] has {A.shape[0]} rows, but bounds of shapes {np.shape(given[1])} "
            f"and {np.shape(given[2])}; expected ({A.shape[0]},)"
        ) from None
    if np.isnan(lower).any() or np.isnan(upper).any():
        raise ValueError(f"constraints[{k}] has bounds that are NaN; infinite ones mean none")
    return _Constraints(A, lower, upper)


class _Program:
    """Constraints of an integer program, ready for any scores."""

    def __init__(
        self,
        n_parts: int,
        constraints: Sequence[_Constraints],
        integrality: ArrayLike | None,
        bounds: Any,
        options: dict[str, Any],
    ) -> None:
        n = max([n_parts, *(some.A.shape[1] for some in constraints)])
        for k, some in enumerate(constraints):
            if some.A.shape[1] != n:
                raise ValueError(
                    f"constraints[{k}] has {some.A.shape[1]} columns, expected {n}: one for each "
                    f"of {n_parts} parts and {n - n_parts} auxiliary variables"
                )
        self.n_parts = n_parts
        self.n_variables = n
        self.options = options
        self.constraints: list[LinearConstraint] = []
        if constraints:
            self.constraints = [
                LinearConstraint(
                    sp.vstack([some.A for some in constraints], format="csc"),
                    np.concatenate([some.lower for some in constraints]),
                    np.concatenate([some.upper for some in constraints]),
                )
            ]
        whole = np.asarray(1 if integrality is None else integrality)
        if whole.shape not in ((), (n,)) or not np.isin(whole, (0, 1)).all():
            raise ValueError(
                f"integrality is {integrality!r}: expected 0 or 1 for each of {n} variables, or "
                "one of them for all"
            )
        self.integrality = np.broadcast_to(whole, (n,)).astype(np.int64)
        self.bounds = Bounds(*self._check_bounds((0, 1) if bounds is None else bounds))

    def _check_bounds(self, bounds: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if isinstance(bounds, Bounds):
            bounds = bounds.lb, bounds.ub
        n = self.n_variables
        try:
            lower, upper = (
                np.broadcast_to(np.asarray(side, dtype=np.float64), (n,)) for side in bounds
            )
        except (TypeError, ValueError, OverflowError):
            raise ValueError(
                f"bounds are {bounds!r}, expected a pair (lower, upper), each a number or of shape "
                f"({n},), or scipy.optimize.Bounds"
            ) from None
        parts = slice(0, self.n_parts)
        wrong = ~(lower <= upper)
        wrong[parts] |= ~((lower[parts] >= 0) & (upper[parts] < 2**31))
        if wrong.any():
            p = int(np.flatnonzero(wrong)[0])
            rule = "lower <= upper"
            if p < self.n_parts:
                rule = "0 <= lower <= upper < 2**31, as scores could be unbounded without"
            raise ValueError(
                f"bounds of variable {p} are {lower[p]} and {upper[p]}, expected {rule}"
            )
        return lower, upper

    def solve(self, scores: NDArray[np.float64]) -> IntegerSolution:
        if self.n_variables == 0:
            return IntegerSolution(np.zeros(0, dtype=np.int32), 0.0, 0.0)
        # HiGHS has absolute tolerances: the greatest cost is 1 to 2, whatever the scores.
        most = float(np.abs(scores).max(initial=0.0))
        unit = 2.0 ** np.floor(np.log2(most)) if most > 0.0 else 1.0
        costs = np.zeros(self.n_variables)
        costs[: self.n_parts] = -scores / unit
        found = milp(
            costs,
            integrality=self.integrality,
            bounds=self.bounds,
            constraints=self.constraints,
            options=self.options,
        )
        if found.status == 2:
            raise ValueError(
                "no solution satisfies the constraints and bounds: the integer program is "
                "infeasible"
            )
        if found.x is None:
            raise RuntimeError(
                f"HiGHS found no solution within its limits {self.options}: {found.message}"
                if found.status == 1
                else f"HiGHS failed: {found.message}"
            )
        x = found.x[: self.n_parts]
        counts = np.rint(x)
        if (off := np.abs(x - counts) > _TOLERANCE).any():
            p = int(np.flatnonzero(off)[0])
            raise RuntimeError(
                f"HiGHS uses part {p} {x[p]} times, which is no integer; set integrality=1 for "
                "parts"
            )
        value = float((scores * counts).sum())
        bound = found.mip_dual_bound if self.integrality.any() else found.fun
        return IntegerSolution(counts.astype(np.int32), value, max(value, -float(bound) * unit))


class IntegerProgram(Structure):
    """Solutions of linear constraints in integers. Parts are the first variables.

    HiGHS is called for each maximum; it releases the GIL while it searches. A solution uses parts
    at most as many times in all as there are parts.

    Parameters
    ----------
    constraints : scipy.optimize.LinearConstraint, triple (A, l, u), or list of these, default=None
        Constraints of all examples. An example's context is constraints of its own, which hold
        besides these, or None.
    integrality : array-like of int of shape (n_variables,), or int, default=None
    bounds : scipy.optimize.Bounds or pair (lower, upper), default=None
    gap : float, default=0.0
    node_limit : int, default=None
    time_limit : float, default=None
        As for `integer_program`. Where a search ends early, its bound goes into the certificate of
        training, which stays one.

    See Also
    --------
    integer_program : The best solution for given scores; which one of several; complexity.

    Examples
    --------
    >>> from structsvm.inference import IntegerProgram
    >>> one_of_two = ([[1, 1, 0], [0, 1, 1]], 0, 1)
    >>> maximizer = IntegerProgram(one_of_two).bind([None, ([[1, 0, 0]], 0, 0)], [3, 3])
    >>> maximizer.maximize(0, [2.0, 3.0, 2.0])
    (array([ 0,  2, -1], dtype=int32), 4.0)
    >>> maximizer.maximize(1, [2.0, 3.0, 2.0])[1]
    3.0
    """

    def __init__(
        self,
        constraints: Any = None,
        *,
        integrality: ArrayLike | None = None,
        bounds: Any = None,
        gap: float = 0.0,
        node_limit: int | None = None,
        time_limit: float | None = None,
    ) -> None:
        self.constraints = constraints
        self.integrality = integrality
        self.bounds = bounds
        self.gap = gap
        self.node_limit = node_limit
        self.time_limit = time_limit

    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> CallableMaximizer:
        shared = read_constraints(self.constraints)
        limits = _check_limits(self.gap, self.node_limit, self.time_limit)

        def read(context: Any, n: int) -> _Program:
            own = [] if context is None else read_constraints(context)
            program = _Program(n, [*shared, *own], self.integrality, self.bounds, limits)
            program.solve(np.zeros(n))  # raises if there is no solution
            return program

        return CallableMaximizer(_answer, read_contexts(contexts, n_parts, read), n_parts)


def _answer(theta: NDArray[np.float64], program: _Program) -> Bounded:
    found = program.solve(theta)
    return Bounded(found.counts, found.bound)
