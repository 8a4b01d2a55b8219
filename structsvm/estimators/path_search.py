"""PathSearch: C, and weights of rare classes, chosen along warm-started paths."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, check_cv
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from structsvm.data.checks import check_scalar
from structsvm.data.sequences import as_items
from structsvm.estimators.path import RepeatedFits
from structsvm.estimators.structured import StructSVM
from structsvm.metrics import SCORES, jaccard
from structsvm.training.penalty import InUnits
from structsvm.training.train import check_both, taken

__all__ = ["PathSearch"]

_FACTORS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)

_SCORES: dict[str, Callable[[Any, Any], float]] = {**SCORES, "jaccard": jaccard}


def _has(name: str) -> Callable[[Any], bool]:
    def check(search: Any) -> bool:
        getattr(vars(search).get("best_estimator_", search.estimator), name)
        return True

    return check


class PathSearch(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Choice of C, and of the weights of classes, by scores on held-out examples.

    For each weighting of classes C rises, and each fit goes on from where the last one ended, which
    takes less time than separate fits. Each of them has its certificate.

    Parameters
    ----------
    estimator : StructSVM
        `ChainSVM`, `GraphSVM`, `GridSVM`, `MulticlassSVM` or `StructSVM`, with a solver that keeps
        a dual state. Cloned, not changed.
    Cs : "auto" or list of float, default="auto"
        "auto": 0.03, 0.1, 0.3, 1, 3, 10 and 30 times the unit of C; ``C="scale"`` is 3 units.
    class_weights : list, default=None
        Values of the estimator's `class_weight`, such as ``[None, "balanced", {"horse": 4}]``. A
        number stands for a dict in which the rarest label of y weighs so much, and others 1.
        None: the estimator's own.
    scoring : str or callable, default=None
        None: the estimator's `score`. "token_accuracy", "sequence_accuracy", "span_f1" or "jaccard"
        (see `structsvm.metrics`), a scorer's name in scikit-learn, or a callable ``(estimator, X,
        y)``. Higher is better.
    cv : int, splitter or iterable of pairs, default=None
        As in scikit-learn's `GridSearchCV`. None: a fifth of the examples is held out, at random,
        with `groups` whole. Ignored if `fit` gets X_val.
    refit : bool, default=True
        After cross-validation, train on all examples with what was best. With X_val the best
        estimator is there already, at no cost.
    random_state : int, RandomState or None, default=0
        Chooses what `cv=None` holds out.

    Attributes
    ----------
    best_estimator_ : StructSVM
    best_params_ : dict
        C, and class_weight where there is a choice.
    best_score_ : float
    best_index_ : int
    cv_results_ : dict of arrays
        As in scikit-learn: "params", "param_C", "param_class_weight", "mean_test_score",
        "std_test_score", "rank_test_score", the score of each split, "mean_fit_time"; also the
        largest "dual_gap", whether all fits are "certified", and the mean "n_iter".
    n_splits_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import ChainSVM, PathSearch
    >>> X = np.random.default_rng(0).normal(size=(40, 3, 2))
    >>> y = (X[:, :, 0] > X[:, :, 1]).astype(int)
    >>> search = PathSearch(ChainSVM(random_state=0), Cs=[1e-4, 1.0]).fit(X, y)
    >>> search.best_params_
    {'C': 1.0}
    >>> bool(search.cv_results_["dual_gap"].max() <= 1e-3), search.score(X, y) > 0.9
    (True, True)
    """

    def __init__(
        self,
        estimator: StructSVM,
        *,
        Cs: str | Iterable[float] = "auto",
        class_weights: Sequence[Any] | None = None,
        scoring: str | Callable[[Any, Any, Any], float] | None = None,
        cv: Any = None,
        refit: bool = True,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.estimator = estimator
        self.Cs = Cs
        self.class_weights = class_weights
        self.scoring = scoring
        self.cv = cv
        self.refit = refit
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Train along the paths, and choose.

        Parameters
        ----------
        X, y
            See the estimator's ``fit``.
        groups : array-like of shape (n_examples,), default=None
            For the splitter: examples of one group are not separated. Estimators that take groups,
            as `RankingSVM` does, get them as well.
        X_val, y_val : default=None
            Held-out examples to be scored, instead of `cv`.
        **fit_params
            What else ``fit`` takes, such as `sample_weight`; lists and arrays with an item for each
            example are split with them.

        Returns
        -------
        self
        """
        has_val = check_both(X_val, y_val)
        grouped: dict[str, Any] = {}
        if groups is not None and "groups" in inspect.signature(self.estimator.fit).parameters:
            grouped = {"groups": groups}
            if has_val:
                raise ValueError(
                    f"{type(self.estimator).__name__} needs groups of X_val, which cannot be given "
                    "here: leave X_val and y_val out, and give cv"
                )
        fit_params |= grouped
        Cs, score = self._penalties(), self._scorer()
        X, y = _indexable("X", X), _indexable("y", y)
        if has_val:
            splits: list[Any] = [None]
        else:
            splits = list(self._splitter(y, groups).split(np.zeros(_length(X)), y, groups))
        weights = self._weightings(y)
        cells = [(weight, C) for weight in weights for C in Cs]
        table = np.full((len(cells), len(splits), 5), np.nan)
        best, kept = -math.inf, None
        for k, split in enumerate(splits):
            train = (X, y, fit_params) if split is None else _piece(split[0], X, y, fit_params)
            held_out = (X_val, y_val, {}) if split is None else _piece(split[1], X, y, grouped)
            for j, weight in enumerate(weights):
                fits = RepeatedFits(self._weighted(weight), *train[:2], **train[2])
                for i, C in enumerate(Cs):
                    svm = fits.fit(C)
                    value = float(score(svm, *held_out[:2], **held_out[2]))
                    if math.isnan(value):
                        raise ValueError(f"the score at C={svm.C_:g} is not a number")
                    table[j * len(Cs) + i, k] = (
                        value,
                        svm.history_["seconds"][-1],
                        svm.dual_gap_,
                        svm.certified_,
                        svm.n_iter_,
                    )
                    if isinstance(C, InUnits) and k == 0:
                        cells[j * len(Cs) + i] = (weight, svm.C_)
                    if split is None and value > best:
                        best, kept = value, svm
        self.n_splits_ = len(splits)
        self._keep(cells, table)
        self.__dict__.pop("best_estimator_", None)
        if kept is not None:
            self.best_estimator_ = kept.set_params(C=kept.C_)
        elif self.refit:
            best_weight, C = cells[self.best_index_]
            svm = self._weighted(best_weight).set_params(C=C)
            self.best_estimator_ = svm.fit(X, y, **fit_params)
        return self

    def _keep(self, cells: list[tuple[Any, float]], table: NDArray[np.float64]) -> None:
        """Take the table as fitted attributes."""
        chooses = self.class_weights is not None
        params = [{"C": C} | ({"class_weight": w} if chooses else {}) for w, C in cells]
        means = table.mean(axis=1)
        results: dict[str, Any] = {"params": params, "param_C": np.array([C for _, C in cells])}
        if chooses:
            column = np.empty(len(cells), dtype=object)
            column[:] = [weight for weight, _ in cells]
            results["param_class_weight"] = column
        for k in range(table.shape[1]):
            results[f"split{k}_test_score"] = table[:, k, 0]
        results["mean_test_score"] = means[:, 0]
        results["std_test_score"] = table[:, :, 0].std(axis=1)
        results["rank_test_score"] = rankdata(-means[:, 0], method="min").astype(np.int32)
        results["mean_fit_time"] = means[:, 1]
        results["dual_gap"] = table[:, :, 2].max(axis=1)
        results["certified"] = table[:, :, 3].all(axis=1)
        results["n_iter"] = means[:, 4]
        self.cv_results_ = results
        self.best_index_ = int(np.argmax(means[:, 0]))
        self.best_params_ = params[self.best_index_]
        self.best_score_ = float(means[self.best_index_, 0])

    def _penalties(self) -> list[Any]:
        if isinstance(self.Cs, str):
            if self.Cs != "auto":
                raise ValueError(f"Cs={self.Cs!r}: expected 'auto' or a list of numbers > 0")
            return [InUnits(factor) for factor in _FACTORS]
        values = list(self.Cs)
        if not values:
            raise ValueError("Cs is empty: expected at least one value of C, such as [0.1, 1.0]")
        for k, C in enumerate(values):
            check_scalar(f"Cs[{k}]", C, above=0)
        return sorted(float(C) for C in values)

    def _weightings(self, y: Any) -> list[Any]:
        if self.class_weights is None:
            return [None]
        if "class_weight" not in inspect.signature(type(self.estimator)).parameters:
            raise ValueError(
                f"class_weights are given, but {type(self.estimator).__name__} has no class_weight"
            )
        weights: list[Any] = []
        for weight in self.class_weights:
            if isinstance(weight, numbers.Real) and not isinstance(weight, bool):
                void = getattr(self.estimator, "ignore_label", None)
                weights.append({_rarest(y, void): float(weight)})
            else:
                weights.append(weight)
        if not weights:
            raise ValueError("class_weights is empty: give None for the estimator's own")
        return weights

    def _weighted(self, weight: Any) -> Any:
        svm = clone(self.estimator)
        return svm if self.class_weights is None else svm.set_params(class_weight=weight)

    def _splitter(self, y: Any, groups: Any) -> Any:
        if self.cv is not None:
            of_classes = is_classifier(self.estimator)
            return check_cv(self.cv, y if of_classes else None, classifier=of_classes)
        kind = ShuffleSplit if groups is None else GroupShuffleSplit
        return kind(n_splits=1, test_size=0.2, random_state=self.random_state)

    def _scorer(self) -> Callable[..., float]:
        scoring = self.scoring
        if scoring is None:
            return lambda svm, X, y, **groups: float(svm.score(X, y, **groups))
        if isinstance(scoring, str) and scoring in _SCORES:
            of_pairs = _SCORES[scoring]
            void = getattr(self.estimator, "ignore_label", None)
            options = {"ignore_label": void} if scoring == "jaccard" else {}
            return lambda svm, X, y: float(of_pairs(y, svm.predict(X), **options))
        return get_scorer(scoring)  # type: ignore[no-any-return]

    # ---- the best estimator

    @property
    def classes_(self) -> NDArray[Any]:
        return self._best().classes_  # type: ignore[no-any-return]

    @property
    def n_features_in_(self) -> int:
        return self._best().n_features_in_  # type: ignore[no-any-return]

    @available_if(_has("predict"))  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> Any:
        """The best estimator's predictions."""
        return self._best().predict(X)

    @available_if(_has("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> Any:
        """The best estimator's scores."""
        return self._best().decision_function(X)

    def score(self, X: Any, y: Any, **groups: Any) -> float:
        """The best estimator's score, by `scoring`.

        Parameters
        ----------
        X, y : as for `fit`
        **groups : object
            What the scorer takes besides them.

        Returns
        -------
        score : float
        """
        return float(self._scorer()(self._best(), X, y, **groups))

    def _best(self) -> Any:
        check_is_fitted(self, "cv_results_")
        if "best_estimator_" not in vars(self):
            raise AttributeError(
                "PathSearch has no best_estimator_: it was fitted with refit=False"
            )
        return self.best_estimator_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = self.estimator.__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = inner.estimator_type, inner.classifier_tags
        tags.input_tags = inner.input_tags
        return tags


def _indexable(name: str, values: Any) -> Any:
    """Values whose items can be chosen: arrays, matrices and frames as they are, else a list."""
    return values if hasattr(values, "shape") else as_items(name, values)


def _length(values: Any) -> int:
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


def _piece(
    chosen: NDArray[np.intp], X: Any, y: Any, fit_params: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Some of the examples, and what comes with each of them."""
    n = _length(X)
    split = {
        name: taken(value, chosen) if hasattr(value, "__len__") and _length(value) == n else value
        for name, value in fit_params.items()
    }
    return taken(X, chosen), taken(y, chosen), split


def _rarest(y: Any, void: Any) -> Any:
    """The label that is rarest in y, of those that are not void."""
    flat = np.concatenate([np.ravel(item) for item in y])
    labels, counts = np.unique(flat, return_counts=True)
    known = np.array([label != void for label in labels.tolist()])
    return labels[known][np.argmin(counts[known])].item()
