"""DecisionSVM: costs are predicted so that the decisions made at them cost little."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from structsvm.data.checks import check_sample_weight
from structsvm.data.rows import read_rows
from structsvm.data.sequences import as_items
from structsvm.engines import Engine
from structsvm.estimators.structured import StructSVM
from structsvm.inference.structures import Structure
from structsvm.models import DecisionModel
from structsvm.models.decisions import Truth
from structsvm.solvers import Progress, Solver
from structsvm.training.train import Examples, Validation

__all__ = ["DecisionSVM"]


class DecisionSVM(StructSVM):
    r"""Predict, then optimise: a linear predictor of costs, trained for the decisions made at them.

    A decision z is a set of parts of which a maximizer knows which are possible: a path of edges, a
    knapsack of items. It costs :math:`c^\top z`, but c is known only later; x is known now. The
    predictor :math:`\hat c` is linear in x, and training minimises

    .. math:: \tfrac12 \|w\|^2 + C \sum_i s_i \Bigl[ \max_z \, (c_i - 2 \hat c_i)^\top z
        + 2 \hat c_i^\top z_i - c_i^\top z_i \Bigr]

    with the best decision :math:`z_i` at the true costs. In brackets is SPO+, a convex upper
    bound on the regret, what the decision at :math:`\hat c_i` costs more than :math:`z_i`. It is a
    structured hinge with psi(x, z) = -2 x z', so training ends with a certificate.

    Parameters
    ----------
    maximizer : callable or Structure
        Which decisions there are: ``maximizer(theta, x)`` returns the one with the *greatest* sum
        of theta over its parts, whatever `sense` says, as an array of shape (n_parts,), how often
        each part is used; or ``Bounded(decision, bound)``, see `PartsModel`. A `Structure` is
        compiled: those of `structsvm.inference`, and `structsvm.inference.Compiled` for your own.
    sense : {"minimize", "maximize"}, default="minimize"
        Whether the sum of the costs is to be small or, being a gain, great.
    to_parts : callable, default=None
        ``to_parts(answer, x)`` turns what `maximizer` returned into the row of uses.
    fit_intercept : bool, default=True
        Whether each part has a constant; parts with features of their own share one, or those of
        one kind do.
    exact : bool, default=True
        Whether a function in Python always finds the best decision.
    batch : bool, default=False
        Whether it answers for lists of theta and x; see `PartsModel`.
    C, scale, solver, tol, max_iter, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
    prior_weights, fixed_weights, callbacks
        See `StructSVM`. ``C="auto"`` chooses the C of the least regret on examples held out.

    Attributes
    ----------
    model_ : DecisionModel
    coef_, objective_, dual_objective_, dual_gap_, certified_, C_, path_, scaling_
        See `StructSVM`.
    n_iter_, n_oracle_calls_, history_, status_, validation_score_
        See `StructSVM`. `n_oracle_calls_` does not count the n calls that find the best decisions
        at the true costs.

    Notes
    -----
    X is a matrix of shape (n, n_features), dense or CSR: each part has weights of its own for the
    vector of an example. Or X is a list with the features of the parts of each example, of shape
    (n_parts, n_features), or with `Parts`: all parts share the weights, and their number may
    differ.

    Decisions depend on the ratios of predicted costs only, and the norm of the weights shrinks
    costs towards zero: with a small C they are small, which need not change decisions. Costs in
    another unit give predictions in that unit where C is "scale" or "auto".

    All costs must be known: with an unknown one nobody can say which decision is best, or what
    another one loses, so there is no regret to bound.

    Decisions alone, without costs, are imitated: the loss is then the number of parts that are used
    in one of two decisions and not in the other, and predicted costs have no unit.

    References
    ----------
    A. Elmachtoub, P. Grigas (2022). Smart "predict, then optimize". Management Science 68.
    doi:10.1287/mnsc.2020.3922

    Examples
    --------
    Which two of four jobs to do, at costs that follow three numbers known before:

    >>> import numpy as np
    >>> from structsvm import DecisionSVM
    >>> def two_best(theta, x):
    ...     return np.isin(np.arange(4), np.argsort(-theta)[:2])
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> costs = 5 + X @ rng.normal(size=(3, 4)) + 0.1 * rng.normal(size=(200, 4))
    >>> svm = DecisionSVM(two_best, random_state=0).fit(X[:100], costs[:100])
    >>> svm.predict(X[:100]).shape, svm.predict_costs(X[:100]).shape
    ((100, 4), (100, 4))
    >>> svm.score(X[100:], costs[100:]) > -0.01  # minus the share of costs that it loses
    True
    """

    model_: DecisionModel

    def __init__(
        self,
        maximizer: Structure | Callable[[NDArray[np.float64], Any], Any],
        *,
        sense: str = "minimize",
        to_parts: Callable[[Any, Any], Any] | None = None,
        fit_intercept: bool = True,
        exact: bool = True,
        batch: bool = False,
        C: float | str = "scale",
        scale: str | None = "auto",
        solver: str | Solver = "bcfw",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        engine: Engine | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        prior_weights: ArrayLike | None = None,
        fixed_weights: ArrayLike | None = None,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        self.maximizer = maximizer
        self.sense = sense
        self.to_parts = to_parts
        self.fit_intercept = fit_intercept
        self.exact = exact
        self.batch = batch
        self.C = C
        self.scale = scale
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.prior_weights = prior_weights
        self.fixed_weights = fixed_weights
        self.callbacks = callbacks

    rescaling = "margin"

    def _make_model(self) -> DecisionModel:
        is_structure = isinstance(self.maximizer, Structure)
        return DecisionModel(
            clone(self.maximizer) if is_structure else self.maximizer,
            sense=self.sense,
            to_parts=self.to_parts,
            fit_intercept=self.fit_intercept,
            exact=self.exact,
            batch=self.batch,
        )

    # ---- training

    def fit(  # type: ignore[override]
        self,
        X: Any,
        costs: Any = None,
        sample_weight: ArrayLike | None = None,
        *,
        decisions: Any = None,
        X_val: Any = None,
        costs_val: Any = None,
        decisions_val: Any = None,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train on inputs X with the costs that turned out, or with decisions to imitate.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_examples, n_features), or list
            See Notes of the class.
        costs : array-like of shape (n_examples, n_parts), or list of rows, default=None
        sample_weight : array-like of shape (n_examples,), default=None
            Factor of each example's loss, >= 0.
        decisions : array-like of int of shape (n_examples, n_parts), or list of rows, default=None
            How often each part is used. With `costs`: the best decisions, which are then not
            computed. Without: decisions to imitate; -1 marks parts of which nobody knows.
        X_val, costs_val, decisions_val
            Held-out examples, see `StructSVM.fit`.
        resume_from
            See `StructSVM.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Naming the example, where costs are not finite, a shape does not fit, or there is no
            decision.
        """
        examples = self._examples(X, costs, sample_weight, decisions)
        truths = costs_val
        if decisions_val is not None:
            truths = _truths(costs_val, decisions_val)
        self._fit(examples, self._validation(X_val, truths), resume_from)
        return self

    def partial_fit(
        self,
        X: Any,
        costs: Any = None,
        sample_weight: ArrayLike | None = None,
        *,
        decisions: Any = None,
    ) -> Self:
        """One pass over more examples, see `StructSVM.partial_fit` and `fit`.

        Returns
        -------
        self
        """
        self._partial_fit(self._examples(X, costs, sample_weight, decisions))
        return self

    def _examples(
        self, X: Any, y: Any, sample_weight: Any = None, decisions: Any = None
    ) -> Examples:
        X = self._read(X, reset=True)
        return _DecisionExamples(X, _truths(y, decisions), sample_weight, {})

    def _validation(self, X: Any, y: Any) -> Validation:
        return _DecisionValidation(self, X, y, self._score_outputs)

    def _held_out(self, examples: Examples) -> Validation:
        return _DecisionValidation(self, examples.X, examples.y, self._score_outputs)

    def _read(self, X: Any, *, reset: bool = False) -> Any:
        if sp.issparse(X) or hasattr(X, "columns") or getattr(X, "ndim", 0) == 2:
            return read_rows(self, X, reset=reset, needs_y=False)[0]
        if reset:
            self.__dict__.pop("n_features_in_", None)
            self.__dict__.pop("feature_names_in_", None)
        return as_items("X", X)

    # ---- prediction

    def predict(self, X: Any) -> Any:  # type: ignore[override]
        """The best decisions at the predicted costs.

        Returns
        -------
        decisions : int32 array of shape (n_examples, n_parts)
            A list of rows where numbers of parts differ.
        """
        return _stacked(super().predict(X))

    def predict_costs(self, X: Any) -> Any:
        """The predicted costs, those that `predict` finds best decisions for.

        Parameters
        ----------
        X : sequence of length n_examples
            Inputs, as for `fit`.

        Returns
        -------
        costs : float64 array of shape (n_examples, n_parts)
            A list of rows where numbers of parts differ.
        """
        model: Any = self._fitted_model()
        inputs, _ = model.prepare_examples(self._read(X))
        return _stacked(model.costs(inputs, self._flat_weights()))

    def score(
        self, X: Any, costs: Any = None, *, decisions: Any = None, unambiguous: bool = False
    ) -> float:
        """Minus the normalised regret of `predict`; higher is better.

        What the predicted decisions cost more than the best ones, in all examples, over the sum of
        the absolute values of the best ones. With decisions alone, minus the mean number of parts
        that differ.

        Parameters
        ----------
        X, costs, decisions
            As in `fit`.
        unambiguous : bool, default=False
            Where several decisions are best at the predicted costs, take the worst of them, so that
            nothing depends on how the maximizer chooses: one more call for each example. Predicted
            scores count as equal if they differ by less than 1e-9 of the sum of those of all parts.

        Returns
        -------
        score : float
        """
        model: Any = self._fitted_model()
        inputs, _ = model.prepare_examples(self._read(X))
        truths = model.truths(_truths(costs, decisions), inputs)
        if not unambiguous:
            answers, _ = self._ask(model.bind(inputs), scored=False)
            return self._score_outputs(model, truths, model.outputs_of(inputs, answers))
        if costs is None:
            raise ValueError("unambiguous=True: expected costs")
        worst = model.worst_decisions(inputs, self._flat_weights(), truths)
        return self._score_outputs(model, truths, worst)


class _DecisionExamples(Examples):
    """Inputs as `DecisionSVM` reads them, and what is known of each."""

    def check(self) -> None:
        self.X, self.y = _check_lengths(self.X, self.y)
        self.weight = check_sample_weight(self.weight, len(self.y))


class _DecisionValidation(Validation):
    """Held-out inputs and truths, or none."""

    def __init__(self, estimator: Any, X: Any, y: Any, score: Callable[..., float]) -> None:
        self._estimator = estimator
        super().__init__(X, y, score)

    def check(self) -> None:
        self.X = self._estimator._read(self.X)
        self.X, self.y = _check_lengths(self.X, _truths(self.y, None))

    def _read(self, model: Any) -> None:
        super()._read(model)
        self.y = model.truths(self.y, self.X)


def _truths(costs: Any, decisions: Any) -> Any:
    """What is known of each example, as `DecisionModel` takes it."""
    if costs is not None and not (isinstance(costs, np.ndarray) and costs.ndim == 2):
        costs = as_items("costs", costs)
    if decisions is None:
        if costs is None:
            raise ValueError("costs and decisions are both None: expected at least one of them")
        return costs
    decisions = as_items("decisions", decisions)
    if costs is None:
        return [Truth(decision) for decision in decisions]
    if len(costs) != len(decisions):
        raise ValueError(
            f"there are costs of {len(costs)} examples but decisions of {len(decisions)}"
        )
    return [Truth(*pair) for pair in zip(decisions, costs, strict=True)]


def _check_lengths(X: Any, y: Any) -> tuple[Any, Any]:
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    if n != len(y):
        raise ValueError(f"X has {n} examples, but there are costs or decisions of {len(y)}")
    if not n:
        raise ValueError("X and costs are empty: there is nothing to learn from")
    return X, y


def _stacked(rows: list[NDArray[Any]]) -> Any:
    if len({len(row) for row in rows}) == 1:
        return np.stack(rows)
    return rows
