"""Averaged perceptron and passive-aggressive learner: online solvers without a dual."""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.data.snapshots import Kind, number
from structsvm.engines import Engine
from structsvm.linalg._plane import return_free_memory
from structsvm.problems import Problem
from structsvm.problems._grown_problem import GrownProblem, restore_pairs
from structsvm.solvers._blocks import grown_form
from structsvm.solvers._online import OnlineWeights
from structsvm.solvers.base import Callback, Capabilities, Snapshot, SolverResult, refuse
from structsvm.solvers.run import Answer, Part, Run

__all__ = ["PassiveAggressive", "Perceptron"]

_DEFAULT_MAX_ITER = 10


class _OnlineSolver(BaseEstimator, abc.ABC):  # type: ignore[misc]
    """The base class of both learners; they differ in the oracle's objective and in the step."""

    capabilities = Capabilities(
        can_warm_start=False, has_dual=False, can_learn=True, asks_engine=False
    )
    _name: str
    _rescaling: str | None = None  # None leaves the problem's own

    def __init__(self, *, averaging: bool = True) -> None:
        self.averaging = averaging

    @abc.abstractmethod
    def _greatest_step(self, C: float) -> float:
        """The longest step along a plane."""

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
        state: OnlineWeights | None = None,
        snapshot: Snapshot | None = None,
    ) -> SolverResult:
        """See `structsvm.solvers.base.Solver`. Starts from zero, whatever `state` is."""
        if tol is not None:
            raise refuse(self._name, "tol", "has no dual")
        run = self._run(problem, C, random_state, grow=True)
        return run.run(
            _DEFAULT_MAX_ITER if max_iter is None else max_iter, callback, snapshot, engine
        )

    def learn(self, problem: Problem, C: float, state: OnlineWeights | None = None) -> SolverResult:
        """See `structsvm.solvers.base.OnlineSolver`."""
        run = self._run(problem, C, None, state)
        return run.run(1, None)

    def _run(
        self,
        problem: Problem,
        C: float,
        random_state: np.random.RandomState | None,
        state: Any = None,
        grow: bool = False,
    ) -> _OnlineRun:
        if not isinstance(self.averaging, (bool, np.bool_)):
            raise ValueError(
                f"averaging={self.averaging!r} of {type(self).__name__}: expected True or False"
            )
        if len(problem.non_negative):
            raise ValueError(
                f"solver {self._name!r} cannot keep weights at or above 0, which is needed "
                f"for {len(problem.non_negative)} of them, from weight {problem.non_negative[0]} "
                "on: use solver='bcfw'"
            )
        most = self._greatest_step(C)
        if self._rescaling is not None:
            if problem.rescaling == "slack":
                raise refuse(self._name, "rescaling='slack'", "predicts without the loss")
            problem.set_rescaling(self._rescaling)
        if isinstance(state, _Folded):
            state = state.unfolded()
        if grow and isinstance(own := grown_form(problem), GrownProblem):
            problem, state = own, OnlineWeights(own.n_weights, bool(self.averaging), own)
            return_free_memory()  # what it took to make the rows
        if state is None:
            state = OnlineWeights(problem.n_weights, bool(self.averaging))
        elif (state.lag is not None) != self.averaging:
            raise ValueError(
                f"averaging={self.averaging} of {type(self).__name__} differs from its value in "
                "the first call of partial_fit"
            )
        return _OnlineRun(problem, C, random_state, state, most)


class Perceptron(_OnlineSolver):
    r"""Averaged structured perceptron.

    It predicts each example in turn; if the prediction is wrong,

    .. math:: w \leftarrow w + \psi(x_i, y_i) - \psi(x_i, \hat y).

    There is no objective, no C and no certificate; the average of all iterates generalises well
    after a few passes. Stop it by `max_iter` (10 by default) or with `X_val` and
    `structsvm.callbacks.EarlyStopping`. It ends by itself after a pass without a mistake.

    Parameters
    ----------
    averaging : bool, default=True
        Whether to return the mean of the weights after each example rather than the last weights.

    Notes
    -----
    Time of a visit is O(oracle + plane entries); memory O(n_weights).

    References
    ----------
    M. Collins (2002). Discriminative training methods for hidden Markov models: theory and
    experiments with perceptron algorithms. EMNLP. doi:10.3115/1118693.1118694

    Examples
    --------
    >>> from structsvm import ChainSVM
    >>> X, y = [[[1.0, 0.0], [0.0, 1.0]]], [["a", "b"]]
    >>> svm = ChainSVM(solver="perceptron", random_state=0).fit(X, y)
    >>> svm.score(X, y)
    1.0
    """

    capabilities = dataclasses.replace(_OnlineSolver.capabilities, regularizes=False)
    _name = "perceptron"
    _rescaling = "plain"

    def _greatest_step(self, C: float) -> float:
        if C != 1.0:
            raise refuse(self._name, f"C={C:g}", "has no regularisation")
        return 0.0


class PassiveAggressive(_OnlineSolver):
    r"""Structured passive-aggressive learner, variant PA-I.

    For each example in turn, with the loss-augmented maximiser :math:`\hat y` and
    :math:`\delta = \psi(x_i, y_i) - \psi(x_i, \hat y)`,

    .. math:: w \leftarrow w + \min\Big(C, \frac{\Delta(y_i, \hat y) - \langle w, \delta\rangle}
        {\|\delta\|^2}\Big)\, \delta,

    which solves :math:`\min_{w'} \tfrac12 \|w' - w\|^2 + C\,[\Delta - \langle w', \delta\rangle]_+`
    exactly. C bounds the step; the weights minimise no global objective, so there is no
    certificate. Stop it by `max_iter` (10 by default) or with `X_val` and
    `structsvm.callbacks.EarlyStopping`. It ends by itself after a pass in which all hinges are 0.

    Parameters
    ----------
    averaging : bool, default=True
        Whether to return the mean of the weights after each example rather than the last weights.

    Notes
    -----
    Time of a visit is O(oracle + plane entries); memory O(n_weights).

    References
    ----------
    K. Crammer, O. Dekel, J. Keshet, S. Shalev-Shwartz, Y. Singer (2006). Online passive-aggressive
    algorithms. JMLR 7.

    Examples
    --------
    >>> from structsvm import ChainSVM
    >>> X, y = [[[1.0, 0.0], [0.0, 1.0]]], [["a", "b"]]
    >>> svm = ChainSVM(solver="passive_aggressive", C=0.1, random_state=0).fit(X, y)
    >>> svm.score(X, y)
    1.0
    """

    _name = "passive_aggressive"

    def _greatest_step(self, C: float) -> float:
        return C


@dataclasses.dataclass
class _Folded:
    """The state of an online learner, its vectors as those of their numbers that are not 0."""

    n_weights: int
    held: dict[str, Any]

    @classmethod
    def of(cls, online: OnlineWeights, grown: GrownProblem) -> _Folded:
        held: dict[str, Any] = dict(online.snapshot())
        places = grown.places()
        for name in ("weights", "lag"):
            if name in held:
                used = (places >= 0) & (held[name] != 0.0)
                held[name] = (places[used], held[name][used])
        return cls(grown.dense.n_weights, held)

    def unfolded(self) -> OnlineWeights:
        online = OnlineWeights(self.n_weights, "lag" in self.held)
        held = dict(self.held)
        for name in ("weights", "lag"):
            if name in held:
                used, values = held[name]
                held[name] = np.zeros(self.n_weights)
                held[name][used] = values
        online.restore(held)
        return online


class _OnlineRun(Run):
    """A round is one pass in random order or, without a random state, in the given order."""

    def __init__(
        self,
        problem: Problem,
        C: float,
        random_state: np.random.RandomState | None,
        online: OnlineWeights,
        most: float,
    ) -> None:
        super().__init__(problem, C, None, random_state or np.random.RandomState(0))
        self.permuted = random_state is not None
        self.online = online
        self.most = most
        self.best_primal = self.best_dual = self.estimate = math.nan
        self.grown = problem if isinstance(problem, GrownProblem) else None

    # ---- weights that grow

    def outward(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return weights if self.grown is None else self.grown.expanded(weights)

    def outward_later(self, weights: NDArray[np.float64]) -> Any:
        if self.grown is None:
            return weights
        return self.grown.scattered(weights)

    def restore(self, snapshot: Snapshot) -> None:
        if self.grown is not None:
            restore_pairs(self.grown, snapshot)
        super().restore(snapshot)

    # ---- rounds

    def kept(self) -> dict[str, Kind]:
        # These values are NaN.
        none = ("best_primal", "best_dual", "estimate")
        return super().kept() | dict.fromkeys(none, number(nan=True))

    def parts(self) -> dict[str, Part]:
        parts: dict[str, Part] = {"online/": self.online}
        return parts if self.grown is None else parts | {"pairs/": self.grown}

    def enter(self) -> None:
        pass

    def round(self, first: bool) -> None:
        order = self.random.permutation(self.n) if self.permuted else np.arange(self.n)
        self.online.exact_pass(self.problem, order.astype(np.int32), self.most)
        self.met_hinge = self.online.hinge

    def _converged(self) -> bool:
        return self.n_iter > 0 and self.online.n_mistakes == 0

    def _certify(self) -> None:
        self._certified_at = self.n_iter

    def _answer(self, chosen: NDArray[np.float64] | None) -> Answer:
        if chosen is None:
            return Answer(self.outward_later(np.array(self.presentable())), math.nan)
        return Answer(chosen, math.nan)

    _uncertified_answer = _answer

    def _relative_gap(self, primal: float) -> float:
        return math.nan

    def _check_a_few(self) -> None:
        pass  # there is no certificate to refute

    def _is_estimate(self, n_overruled: int) -> bool:
        return False

    def candidates(self) -> list[NDArray[np.float64]]:
        return [self.online.average()]

    def counters(self) -> dict[str, int]:
        lag = self.online.lag
        return {
            "n_oracle_calls": self.online.n_oracle_calls,
            "n_overruled": 0,
            "n_planes": 0,
            "solver_bytes": self.online.weights.nbytes + (0 if lag is None else lag.nbytes),
        }

    def state(self) -> Any:
        return self.online if self.grown is None else _Folded.of(self.online, self.grown)
