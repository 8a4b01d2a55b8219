"""LatentSVM: any structured model, trained on outputs of which something is hidden."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from structsvm.base import StructuredModel
from structsvm.callbacks.sklearn_reports import TaskReport, with_callbacks
from structsvm.data.checks import check_scalar
from structsvm.data.sequences import check_pairs
from structsvm.estimators.structured import StructSVM
from structsvm.exceptions import ModelFileError, warn
from structsvm.persistence import model_files
from structsvm.problems import Problem
from structsvm.solvers import Progress, Solver, capabilities_of, solver_name
from structsvm.training.given_weights import GivenWeights
from structsvm.training.latent import LatentOutcome, LatentTraining, Round
from structsvm.training.train import Examples

__all__ = ["LatentSVM"]

_DEFAULT_TOL = 1e-3


class LatentSVM(StructSVM):
    r"""Structured support vector machine for outputs of which something is hidden.

    Minimises, over weights w,

    .. math:: \tfrac12 \|w\|^2 + C \sum_i s_i \left[ \max_y \left( \Delta(y_i, y)
        + \langle w, \psi(x_i, y) \rangle \right)
        - \max_{h \sim y_i} \langle w, \psi(x_i, h) \rangle \right]

    where h runs over the complete outputs that agree with y_i, the partial output that is given,
    and Delta does not depend on what is hidden in it. The problem is not convex. Rounds alternate:
    the best completions at the present weights, then the convex problem in which these are the
    truth (CCCP). No round raises the objective, and the end is a local optimum, which depends on
    the start.

    What is hidden depends on the model:

    - `ChainModel`, `GraphModel`, `GridModel`: labels that are None, or the model's
      `ignore_label`. In a `StructSVM` such labels are void: they and all that touches them are
      left out. Here they are completed: their features and transitions count.
    - `DependencyModel`: heads that are None.
    - `PartsModel`: parts that are -1.
    - `SpanModel`: tags that are None.
    - `TypedGraphModel`: likewise, and nodes of types that have `hidden_states` of their own.
    - `HiddenStates` over a chain, graph or grid: the states of each label, only labels being known.
    - a `StructuredModel` of your own: whatever its ``complete(x, y, w)`` completes.

    Outputs of which nothing is hidden are trained as they are.

    Parameters
    ----------
    model : StructuredModel
        What the outputs are. It must have `complete`.
    C : float or "scale", default="scale"
        See `StructSVM`.
    n_init : int, default=1
        Starts, of which the one with the least objective is kept. The first begins with the
        completions at weights that were trained on what is known (void labels left out), where the
        model can do so, or at weights of zero; further ones at random weights. `HiddenStates` begin
        with k-means, each time anew, and models of your own with their `first_completion`, if they
        have one.
    max_rounds : int, default=50
        Most rounds of a start.
    tol : float, default=None
        A start ends when a round lowers the objective by at most this, relatively, or completes
        nothing otherwise, and its convex problem is solved to this gap. Earlier rounds are solved
        less closely, as far as they make progress. None is 1e-3.
    max_iter : int, default=None
        Most passes over the data in a round, see `StructSVM`.
    warm_start : bool, default=False
        Begin a further fit with the completions at `coef_`, as the only start: to go on after
        Ctrl-C, or with another C.
    scale, solver, rescaling, n_jobs, random_state, verbose
        See `StructSVM`. Worker processes, of models in Python, start anew in each round. The solver
        needs a dual. "bcfw" and "n_slack" keep their planes and dual weights from round to round,
        as a new completion changes all planes of an example by one vector; others begin each round
        afresh.
    prior_weights, fixed_weights : array-like of shape (n_weights,), default=None
        See `StructSVM`; the same in each round.
    callbacks : list of callables, default=None
        Called after every iteration of every round; a true result ends the fit.

    Attributes
    ----------
    coef_, model_, scaling_, C_
        See `StructSVM`.
    objective_ : float
        The objective above at `coef_`.
    dual_objective_, dual_gap_ : float
        Of the last round's convex problem: a bound of that problem, which says nothing of other
        completions.
    certified_ : bool
        False: nothing is known of the global optimum.
    status_ : str
        "converged", "max_rounds", "max_iter" (of the last round), "stopped" (by a callback),
        "interrupted" or "failed". The best weights so far are kept in any case.
    n_rounds_ : int
        Of the best start.
    n_iter_, n_oracle_calls_ : int
        Of all rounds of all starts.
    history_ : dict of ndarray
        One entry a round: start, objective, convex_objective, dual_objective, gap, n_changed,
        n_iter, n_oracle_calls, seconds; see `structsvm.training.latent.Round`.

    References
    ----------
    C.-N. Yu, T. Joachims (2009). Learning structural SVMs with latent variables. ICML.
    https://doi.org/10.1145/1553374.1553523

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import ChainModel, LatentSVM
    >>> X = [np.eye(3)[[0, 1, 2]], np.eye(3)[[2, 1, 0]], np.eye(3)[[1, 0, 2]]]
    >>> y = [["a", "b", None], ["c", None, "a"], ["b", "a", "c"]]
    >>> svm = LatentSVM(ChainModel(), C=1.0, n_init=3, random_state=0).fit(X, y)
    >>> [" ".join(labels) for labels in svm.complete(X, y)]
    ['a b c', 'c b a', 'b a c']
    """

    def __init__(
        self,
        model: StructuredModel,
        *,
        C: float | str = "scale",
        scale: str | None = "auto",
        solver: str | Solver = "bcfw",
        rescaling: str = "margin",
        n_init: int = 1,
        max_rounds: int = 50,
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        prior_weights: ArrayLike | None = None,
        fixed_weights: ArrayLike | None = None,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        super().__init__(
            model,
            C=C,
            scale=scale,
            solver=solver,
            rescaling=rescaling,
            tol=tol,
            max_iter=max_iter,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
            warm_start=warm_start,
            prior_weights=prior_weights,
            fixed_weights=fixed_weights,
            callbacks=callbacks,
        )
        self.n_init = n_init
        self.max_rounds = max_rounds

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train on inputs X and partial outputs y.

        Parameters
        ----------
        X, y : sequences of equal length
            What the model takes, with hidden labels, or what else ``model.complete`` completes.
        sample_weight : array-like of shape (n_examples,), default=None
            Factor of each example's hinge, >= 0.
        resume_from : path-like, default=None
            A file that `structsvm.callbacks.Checkpoint` wrote during an earlier fit: begin with the
            completions at the best weights of the round that it was in. The convex problem of that
            round begins afresh.

        Returns
        -------
        self
        """
        self._fit_latent(self._examples(X, y, sample_weight), resume_from)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Not for hidden outputs, whose completions need all the data."""
        raise ValueError("LatentSVM has no partial_fit: completions need all the data, use fit")

    @with_callbacks
    def _fit_latent(self, examples: Examples, resume_from: str | os.PathLike[str] | None) -> None:
        solver, report = self._checked_solver(), TaskReport(self)
        examples.given = GivenWeights.read(self.prior_weights, self.fixed_weights)
        weights = self.coef_ if self.warm_start and self.__sklearn_is_fitted__() else None
        if resume_from is not None:
            weights = _best_weights(resume_from)
        tol = self._tolerance(solver)
        with self._engine() as engine:
            training = LatentTraining(
                self._make_model(),
                examples,
                solver,
                tol=_DEFAULT_TOL if tol is None else tol,
                n_init=int(self.n_init),
                max_rounds=int(self.max_rounds),
                C=self._penalty(),
                scale=self._scales(),
                max_iter=None if self.max_iter is None else int(self.max_iter),
                rescaling=self.rescaling,
                engine=engine,
                random_state=check_random_state(self.random_state),
                verbose=self.verbose,
                callbacks=self.callbacks or (),
                listen=report.listener(self._fitted_attributes),
            )
            ended = training.run(weights, of_scaled=resume_from is not None)
        self._keep_latent(ended, training.rounds, solver)
        if examples.n_violations is not None:
            self.n_violations_ = examples.n_violations
        report.end(lambda: self._fitted_attributes(self._flat_weights(), self.model_))
        if ended.error is not None:
            raise ended.error

    def _keep_latent(self, ended: LatentOutcome, rounds: list[Round], solver: Solver) -> None:
        result = ended.outcome.result
        if ended.status != "max_rounds":
            result.status = ended.status
        self._keep(ended.outcome, solver)
        self.status_ = ended.status
        self.objective_, self.certified_ = ended.objective, False
        self.n_rounds_ = ended.n_rounds
        columns = zip(Round._fields, np.array(rounds).T, strict=True)
        self.history_ = dict(columns)
        for name in ("start", "n_changed", "n_iter", "n_oracle_calls"):
            self.history_[name] = self.history_[name].astype(np.int64)
        self.n_iter_ = int(self.history_["n_iter"].sum())
        self.n_oracle_calls_ = int(self.history_["n_oracle_calls"].sum())
        if ended.status == "max_rounds" and ended.n_rounds > 1:
            warn(
                f"{type(self).__name__} stopped after {ended.n_rounds} rounds, the last of which "
                f"lowered the objective by {ended.fall:.1e}, relatively: raise max_rounds or tol",
                ConvergenceWarning,
            )

    def _checked_solver(self) -> Any:
        check_scalar("n_init", self.n_init, above=0, integer=True)
        check_scalar("max_rounds", self.max_rounds, above=0, integer=True)
        if isinstance(self.C, str) and self.C == "auto":
            raise ValueError("C='auto' is not for LatentSVM: use GridSearchCV, or a number")
        solver = super()._checked_solver()
        if not capabilities_of(solver).has_dual:
            raise ValueError(
                f"solver {solver_name(solver)!r} has no dual, which LatentSVM needs: use "
                "solver='bcfw'"
            )
        return solver

    def _check_path(self) -> None:
        raise ValueError("fit_path is not for LatentSVM: use warm_start=True and set C")

    # ---- prediction

    def complete(self, X: Any, y: Any) -> list[Any]:
        """The best complete outputs that agree with the partial outputs y, at `coef_`.

        Parameters
        ----------
        X, y : sequences of equal length

        Returns
        -------
        outputs : list
        """
        check_is_fitted(self)
        inputs, partial = self._prepared(X, y)
        return list(self.model_.completed(inputs, partial, self.coef_))

    def _questions(self, X: Any, y: Any) -> tuple[Any, Problem]:
        """Where y is completed at `coef_`."""
        model = self._fitted_model()
        inputs, partial = self._prepared(X, y)
        problem = model.questions(inputs, model.completed(inputs, partial, self.coef_))
        problem.set_rescaling(self.rescaling)
        return inputs, problem

    def _prepared(self, X: Any, y: Any) -> tuple[Any, Any]:
        return self._fitted_model().prepare_examples(*check_pairs(self._read(X), y))


def _best_weights(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    held = model_files.read_checkpoint(path, None)
    weights: NDArray[np.float64] | None = held.get("best_weights")
    if weights is None:
        raise ModelFileError(
            f"{os.fspath(path)} was written before there were weights with a certificate: there is "
            "nothing to go on from"
        )
    return weights
