"""Stochastic subgradient descent with a certificate."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.data.snapshots import Kind, count
from structsvm.engines import Engine
from structsvm.linalg._sums import dot
from structsvm.problems import Problem
from structsvm.solvers._plane_sum import PlaneSum
from structsvm.solvers.base import (
    Callback,
    Capabilities,
    History,
    Snapshot,
    SolverResult,
    check_weights,
    regularization,
)
from structsvm.solvers.run import Part, Run

__all__ = ["Subgradient"]

_AVERAGING = ("none", "uniform", "weighted")


class Subgradient(BaseEstimator):  # type: ignore[misc]
    r"""Stochastic subgradient descent with steps 1 / (lambda t), as in Pegasos.

    Minimises :math:`P(w) = \frac\lambda2 \|w\|^2 + \frac1n \sum_i H_i(w)`, lambda = 1 / (C n), by

    .. math:: w \leftarrow \Big(1 - \frac bN\Big) w + \frac{1}{\lambda N} \sum_{k=1}^b \delta_k

    for the planes delta_1 ... delta_b of the next b = `batch_size` examples, where N is the number
    of planes so far. So the iterate is 1 / (lambda N) times the sum of all planes; after a pass in
    permuted order this is a feasible dual point, whose value certifies the averaged weights. It is
    slow to high precision, but needs little memory: a few vectors, no planes. Squared hinges have
    implicit steps, along the tangent where the step ends: others would go further and further.

    Parameters
    ----------
    batch_size : int, default=1
        Examples in a step; the last step of a pass, or of a call of ``partial_fit``, may have
        fewer.
    averaging : {"weighted", "uniform", "none"}, default="weighted"
        Whether to also certify the average of the iterates and return it if it is better:
        "weighted" gives the t-th iterate weight t, "uniform" equal weights.
    project : bool, default=False
        Whether to project the weights after each step to the ball of radius
        sqrt(greatest loss so far / lambda), which contains the optimum.
    n_examples : int, default=None
        For ``partial_fit`` only: the size n of the whole data in lambda = 1 / (C n), which the
        batches do not show. With None, estimators use the size of the first batch.

    Notes
    -----
    Time of a step is O(oracle + plane entries); memory O(n_weights).

    References
    ----------
    S. Shalev-Shwartz, Y. Singer, N. Srebro, A. Cotter (2011). Pegasos: primal estimated
    sub-gradient solver for SVM. Mathematical Programming 127. doi:10.1007/s10107-010-0420-4
    S. Lacoste-Julien, M. Schmidt, F. Bach (2012). A simpler approach to obtaining an O(1/t)
    convergence rate for the projected stochastic subgradient method. arXiv:1212.2002

    Examples
    --------
    >>> from structsvm import ChainSVM
    >>> X, y = [[[1.0, 0.0], [0.0, 1.0]]], [["a", "b"]]
    >>> svm = ChainSVM(solver="subgradient", tol=0.05, random_state=0).fit(X, y)
    >>> svm.dual_gap_ <= 0.05
    True
    """

    capabilities = Capabilities(
        can_warm_start=False, can_learn=True, counts_examples=True, asks_engine=False
    )

    def __init__(
        self,
        *,
        batch_size: int = 1,
        averaging: str = "weighted",
        project: bool = False,
        n_examples: int | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.averaging = averaging
        self.project = project
        self.n_examples = n_examples

    def solve(
        self,
        problem: Problem,
        C: float,
        *,
        tol: float | None,
        max_iter: int | None,
        random_state: np.random.RandomState,
        engine: Engine | None = None,
        callback: Callback | None = None,
        state: Any = None,
        snapshot: Snapshot | None = None,
    ) -> SolverResult:
        """See `structsvm.solvers.base.Solver`. It ignores `state`."""
        self._check_parameters()
        planes = self._empty_sum(problem)
        run = _SubgradientRun(self, problem, C, tol, random_state, planes)
        return run.run(max_iter, callback, snapshot, engine)

    def learn(self, problem: Problem, C: float, state: PlaneSum | None = None) -> SolverResult:
        """See `structsvm.solvers.base.OnlineSolver`."""
        self._check_parameters()
        if self.n_examples is None:
            raise ValueError(
                "partial_fit with solver 'subgradient' needs the number of examples of the whole "
                "data for lambda = 1 / (C n): use solver=Subgradient(n_examples=...)"
            )
        planes = self._empty_sum(problem) if state is None else state
        if planes.averaging != self.averaging:
            raise ValueError(
                f"averaging={self.averaging!r} of Subgradient differs from its value in the first "
                f"call of partial_fit, {planes.averaging!r}"
            )
        before, status = planes.n_oracle_calls, "max_iter"
        overruled_before = planes.n_overruled
        try:
            planes.exact_pass(
                problem,
                np.arange(problem.n_examples, dtype=np.int32),
                regularization(C, int(self.n_examples)),
                min(int(self.batch_size), problem.n_examples),
                bool(self.project),
            )
        except KeyboardInterrupt:
            status = "interrupted"
        return SolverResult(
            weights=check_weights(
                problem.project(planes.average() if self.averaging != "none" else planes.weights())
            ),
            objective=math.nan,
            dual_objective=math.nan,
            gap=math.nan,
            tol=math.nan,
            n_iter=int(status == "max_iter"),
            n_oracle_calls=planes.n_oracle_calls - before,
            n_overruled=planes.n_overruled - overruled_before,
            worst_answer=planes.worst_answer,
            status=status,
            history=History().arrays(),
            state=planes,
        )

    def state_at(self, weights: NDArray[np.float64], n_examples: int) -> PlaneSum:
        """A state for `learn`, as if these weights had been constant over `n_examples` examples.

        Parameters
        ----------
        weights : ndarray of shape (n_weights,)
        n_examples : int

        Returns
        -------
        state : object
            For `learn`.
        """
        planes = PlaneSum(len(weights), self.averaging)
        held = planes.snapshot()
        steps = n_examples * (n_examples + 1) / 2 if self.averaging == "weighted" else n_examples
        held |= {"n_met": np.array(n_examples), "n_steps": np.array(n_examples)}
        held |= {"total": weights, "total_sqnorm": np.array(dot(weights, weights))}
        if self.averaging != "none":
            held |= {"weight_sum": np.array(float(steps)), "settled": steps * weights}
        planes.restore(held)
        return planes

    def _empty_sum(self, problem: Problem) -> PlaneSum:
        signed = problem.non_negative, problem.floors
        return PlaneSum(problem.n_weights, self.averaging, *signed)

    def _check_parameters(self) -> None:
        if self.averaging not in _AVERAGING:
            raise ValueError(
                f"averaging={self.averaging!r} of Subgradient: expected one of "
                + ", ".join(_AVERAGING)
            )
        for name in ("batch_size", "n_examples"):
            value = getattr(self, name)
            if name == "n_examples" and value is None:
                continue
            if not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(f"{name}={value!r} of Subgradient: expected an integer >= 1")


class _SubgradientRun(Run):
    """A round is one pass in permuted order; after it the iterate is a dual point."""

    def __init__(
        self,
        options: Subgradient,
        problem: Problem,
        C: float,
        tol: float | None,
        random_state: np.random.RandomState,
        planes: PlaneSum,
    ) -> None:
        super().__init__(problem, C, tol, random_state)
        self.options = options
        self.planes = planes
        self.n_certified = 0

    def kept(self) -> dict[str, Kind]:
        return super().kept() | {"n_certified": count()}

    def parts(self) -> dict[str, Part]:
        return {"planes/": self.planes}

    def enter(self) -> None:
        self.measured(0.0, self.planes.weights(), math.inf)

    def round(self, first: bool) -> None:
        planes = self.planes
        planes.exact_pass(
            self.problem,
            self.random.permutation(self.n).astype(np.int32),
            self.lam,
            min(int(self.options.batch_size), self.n),
            bool(self.options.project),
        )
        w = planes.weights()
        # lambda w is a sum of planes; their factors, over the examples, are a dual point.
        self.measured(self.dual_value(self.lam * w, planes.loss(self.lam)), w, planes.hinge)

    def candidates(self) -> list[NDArray[np.float64]]:
        if self.options.averaging == "none":
            return [self.planes.weights()]
        return [self.planes.weights(), self.planes.average()]

    def mean_hinge(
        self, weights: NDArray[np.float64], hinges: NDArray[np.float64] | None = None
    ) -> float:
        self.n_certified += self.n
        return super().mean_hinge(weights, hinges)

    def worst_answer(self) -> tuple[int, float] | None:
        return self.planes.worst_answer

    def counters(self) -> dict[str, int]:
        arrays = [self.planes.total, self.planes.lag]
        return {
            "n_oracle_calls": self.planes.n_oracle_calls + self.n_certified,
            "n_overruled": self.planes.n_overruled,
            "n_planes": 0,
            "solver_bytes": sum(a.nbytes for a in arrays if a is not None),
        }

    def state(self) -> PlaneSum:
        return self.planes
