"""SurrogateSVM: two classes, a linear score, and any binary loss of `structsvm.hinge`."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from structsvm import hinge
from structsvm.data.checks import check_sample_weight, check_scalar
from structsvm.data.rows import check_rows, read_rows, sparse_if_mostly_zeros
from structsvm.data.scaling import ColumnScaling, learn_columns, row_chunks
from structsvm.estimators.display import FittedHTMLMixin
from structsvm.hinge._reduction import check_magnitude
from structsvm.linalg._sums import dot
from structsvm.problems._feature_rows import FeatureRows
from structsvm.solvers.newton import Losses, newton
from structsvm.training.penalty import DEFAULT

__all__ = ["SurrogateSVM"]

_Loss = Callable[..., Any]

#: Losses by name; those with a gradient everywhere.
SURROGATES: dict[str, _Loss] = {
    "hinge": hinge.hinge,
    "squared_hinge": hinge.squared_hinge,
    "smoothed_hinge": hinge.smoothed_hinge,
    "huberized_hinge": hinge.huberized_hinge,
    "modified_huber": hinge.modified_huber,
    "softplus_hinge": hinge.softplus_hinge,
    "perceptron": hinge.perceptron,
    "logistic": hinge.logistic,
    "squared": hinge.squared,
}
_WITH_KINKS = ("hinge", "perceptron")
_SOLVERS = ("newton", "subgradient")
# Their minimisers tell the probability of a class. (Zhang, 2004; Friedman and others, 2000.)
_WITH_PROBABILITIES = ("modified_huber", "logistic")
_BATCH = 32
# Values this little below 0, as share of the greatest (at least 1), are rounding.
_ROUNDING = 1e-9
_OVERFLOW = "sums over X overflow: its features, or C, are too large; scale the features"


def _tells_probabilities(svm: SurrogateSVM) -> bool:
    if isinstance(svm.surrogate, str) and svm.surrogate in _WITH_PROBABILITIES:
        return True
    raise AttributeError(
        f"surrogate {svm.surrogate!r} tells no probabilities: take one of {_WITH_PROBABILITIES}, "
        "or put scikit-learn's CalibratedClassifierCV around this"
    )


class SurrogateSVM(FittedHTMLMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    r"""Linear classifier of two classes that minimises any of the binary losses.

    .. math:: P(w) = \tfrac12 \|w\|^2 + C \sum_i s_i \, \ell(y_i, \langle w, x_i \rangle)

    As P is strongly convex, a subgradient g at w proves that no weights are better than w by more
    than :math:`\|g\|^2 / 2`, the duality gap of w and the derivatives of the losses there; `gap_`
    is that, relative to P, and at most 1, as losses are >= 0. For smooth losses it goes to zero.

    Parameters
    ----------
    surrogate : str or callable, default="squared_hinge"
        "hinge", "squared_hinge", "smoothed_hinge", "huberized_hinge", "modified_huber",
        "softplus_hinge", "perceptron", "logistic" or "squared", the functions of `structsvm.hinge`
        with their defaults; or a convex function >= 0 with their signature, such as
        ``functools.partial(huberized_hinge, width=0.5)``. "modified_huber" and "logistic" tell
        probabilities.
    C : float or "scale", default="scale"
        Weight of the losses against the norm. "scale" is 3 over the mean squared norm of the scaled
        rows, the constant of the intercept included.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of X, as for `StructSVM`: P is then that of the scaled
        columns, and `coef_` that of X.
    fit_intercept : bool, default=True
        Add a feature that is always 1, regularised like any other.
    solver : {"newton", "subgradient"}, default="newton"
        "newton" is for losses without kinks, to any gap. "subgradient" takes steps of 1 / t along
        mini-batches of 32 rows and averages them: for all losses, to a few digits.
    tol : float, default=1e-6
        Of "newton": the gap to stop at.
    max_iter : int, default=1000
        Iterations of "newton", passes of "subgradient".
    random_state : int, RandomState or None, default=None
        Order of the rows for "subgradient".

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    coef_ : ndarray of shape (1, n_features)
    intercept_ : ndarray of shape (1,)
    C_ : float
        The C that was used.
    objective_, gap_ : float
        P, and a bound on (P - its minimum) / P, from 0 to 1.
    n_iter_ : int
    n_features_in_ : int

    Notes
    -----
    For the hinge to a certified duality gap see `MulticlassSVM`. "newton" is a truncated Newton
    method: conjugate gradients for the direction, a search along it for the step. The number of
    iterations hardly depends on C, that of products with X in one does.

    A dense X that is mostly zeros is taken as a sparse one.

    References
    ----------
    C.-J. Lin, R. Weng, S. Keerthi (2008). Trust region Newton method for large-scale logistic
    regression. JMLR 9.

    S. Shalev-Shwartz, Y. Singer, N. Srebro, A. Cotter (2011). Pegasos: primal estimated
    sub-gradient solver for SVM. Mathematical Programming 127. doi:10.1007/s10107-010-0420-4

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from structsvm import SurrogateSVM
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> svm = SurrogateSVM("huberized_hinge").fit(scale(X), y)
    >>> svm.score(scale(X), y) > 0.97, svm.gap_ <= 1e-6
    (True, True)
    """

    def __init__(
        self,
        surrogate: str | _Loss = "squared_hinge",
        *,
        C: float | str = "scale",
        scale: str | None = "auto",
        fit_intercept: bool = True,
        solver: str = "newton",
        tol: float = 1e-6,
        max_iter: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.surrogate = surrogate
        self.C = C
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows X with two classes y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Any two labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Factor of each row's loss, >= 0.

        Returns
        -------
        self
        """
        loss = self._checked_loss()
        X, y = read_rows(self, X, y, reset=True)
        X = check_rows(X).astype(np.float64, copy=False)
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            raise ValueError(
                f"Only binary classification is supported: y holds {len(self.classes_)} "
                f"class{'es' if len(self.classes_) > 1 else ''}, expected 2"
            )
        weight = check_sample_weight(sample_weight, len(y))
        signs = np.where(y == self.classes_[1], 1.0, -1.0)
        scales = self.scale is not None
        X = X if scales else sparse_if_mostly_zeros(X)
        chunks, n = row_chunks(X, weight), X.shape[1]
        scaling = learn_columns(chunks, n, center=bool(self.fit_intercept), scale=scales)
        scaled = sparse_if_mostly_zeros(scaling.apply(X)) if scales else X
        rows = FeatureRows(scaled, intercept=bool(self.fit_intercept))
        self.C_ = self._penalty(scaling)
        cost = self.C_ * (np.ones(len(y)) if weight is None else weight)
        losses = functools.partial(_losses, loss, signs, cost)
        self.n_iter_ = 0
        w, interrupted = np.zeros(rows.n_features + rows.intercept), False
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                if self.solver == "newton":
                    self._by_newton(rows, losses, w)
                else:
                    self._by_subgradients(loss, rows, signs, cost, w)
            except KeyboardInterrupt:
                interrupted = True
            self.objective_, gradient = _objective(rows, losses, w)
            self.gap_ = _relative_gap(self.objective_, gradient)
        if not (math.isfinite(self.objective_) and np.isfinite(w).all()):
            raise ValueError(_OVERFLOW)
        if interrupted:
            warnings.warn(
                f"SurrogateSVM was interrupted after {self.n_iter_} iterations; it keeps the "
                f"weights so far, with a gap of {self.gap_:.1e}",
                ConvergenceWarning,
                stacklevel=2,
            )
        elif self.solver == "newton" and self.gap_ > self.tol:
            warnings.warn(
                f"SurrogateSVM stopped after {self.n_iter_} iterations with a gap of "
                f"{self.gap_:.1e}, above tol={self.tol:g}: scale the features{_scales(X)}, raise "
                "max_iter or tol, or lower C",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coef_, self.intercept_ = w[None, :n], w[n:] if self.fit_intercept else np.zeros(1)
        scaling.convert(self.coef_.T, self.intercept_)
        return self

    def _penalty(self, scaling: ColumnScaling) -> float:
        """C as a number."""
        if self.C != "scale":
            return float(self.C)
        mean_square = scaling.mean_square + bool(self.fit_intercept)
        return DEFAULT.factor / mean_square if 0 < mean_square < math.inf else 1.0

    def _checked_loss(self) -> _Loss:
        if self.C != "scale":
            check_scalar("C", self.C, above=0)
        if self.scale is not None and self.scale != "auto":
            raise ValueError(f"scale={self.scale!r}: expected 'auto' or None")
        check_scalar("tol", self.tol, above=0)
        check_scalar("max_iter", self.max_iter, above=0, integer=True)
        if self.solver not in _SOLVERS:
            raise ValueError(f"unknown solver {self.solver!r}: expected one of {_SOLVERS}")
        if not callable(self.surrogate) and self.surrogate not in SURROGATES:
            names = ", ".join(map(repr, SURROGATES))
            raise ValueError(f"unknown surrogate {self.surrogate!r}: expected one of {names}")
        if self.surrogate in _WITH_KINKS and self.solver == "newton":
            raise ValueError(
                f"surrogate {self.surrogate!r} has kinks, where solver='newton' gets stuck: use "
                "solver='subgradient'"
            )
        return self.surrogate if callable(self.surrogate) else SURROGATES[self.surrogate]

    def _by_newton(self, rows: FeatureRows, losses: Losses, w: NDArray[np.float64]) -> None:
        """Bring `w` to the minimum; after every iteration it is the iterate."""
        for value, gradient in newton(rows, losses, w):
            if self.n_iter_ >= self.max_iter or _relative_gap(value, gradient) <= self.tol:
                break
            self.n_iter_ += 1

    def _by_subgradients(
        self,
        loss: _Loss,
        rows: FeatureRows,
        signs: NDArray[np.float64],
        cost: NDArray[np.float64],
        mean: NDArray[np.float64],
    ) -> None:
        """Steps of 1 / t of the strongly convex P, averaged with weight t; w stays in the ball
        that the minimum is in. `mean` becomes the average."""
        random = check_random_state(self.random_state)
        n, n_weights = rows.n_rows, len(mean)
        w, t = np.zeros(n_weights), 0
        at_zero, _ = _losses(loss, signs, cost, np.zeros(n))
        radius = np.sqrt(2 * at_zero)
        for _ in range(int(self.max_iter)):
            order = random.permutation(n).astype(np.int32)
            for start in range(0, n, _BATCH):
                batch = order[start : start + _BATCH]
                t += 1
                scores = _checked(rows.scores(w[:, None], batch)[:, 0])
                _, slopes = loss(signs[batch], scores, reduction="none", with_gradient=True)
                step = rows.combined((slopes * cost[batch])[:, None], batch)[:, 0]
                w = w * (1 - 1 / t) - step * (n / len(batch)) / t
                if (length := math.sqrt(dot(w, w))) > radius:
                    w *= radius / length
                mean += 2 / (t + 1) * (w - mean)
            self.n_iter_ += 1

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores of class 1, of shape (n_samples,).

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        X = check_rows(read_rows(self, X, reset=False, needs_y=False)[0])
        scores = FeatureRows(X, intercept=False).scores(self.coef_.T)[:, 0]
        scores += self.intercept_[0]
        return scores

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        """
        positive = self.decision_function(X) > 0
        classes: NDArray[Any] = self.classes_[positive.astype(int)]
        return classes

    @available_if(_tells_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        r"""The probability of each class, with "modified_huber" and "logistic" only.

        That of class 1 at the score s is :math:`(1 + \min(\max(s, -1), 1)) / 2` with
        "modified_huber", 0 and 1 included, as in scikit-learn's SGDClassifier, and :math:`1 / (1 +
        e^{-s})` with "logistic". They are as good as the scores are: regularisation draws them
        towards 1/2.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, 2)

        Raises
        ------
        AttributeError
            With another `surrogate`.
        """
        scores = self.decision_function(X)
        signed = np.column_stack([-scores, scores])
        if self.surrogate == "logistic":
            return np.asarray(expit(signed))
        return np.asarray((1 + np.clip(signed, -1, 1)) / 2)

    @available_if(_tells_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """The logarithms of `predict_proba`, -inf where that is 0.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        logarithms : ndarray of shape (n_samples, 2)

        Raises
        ------
        AttributeError
            With another `surrogate`.
        """
        if self.surrogate == "logistic":  # no rounding to 1 before the logarithm
            scores = self.decision_function(X)
            return np.asarray(log_expit(np.column_stack([-scores, scores])))
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_class = False
        return tags


def _checked(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        check_magnitude("scores", scores, scores.dtype)
    except ValueError:
        raise ValueError(_OVERFLOW) from None
    return scores


def _relative_gap(objective: float, gradient: NDArray[np.float64]) -> float:
    """A bound on (P - its minimum) / P, by strong convexity and because P >= 0."""
    if objective <= 0:
        return 0.0
    return min(dot(gradient, gradient) / 2 / objective, 1.0)


def _scales(X: Any) -> str:
    """Of what size the columns of X are, where they differ much."""
    sizes: Any = abs(X).max(axis=0) if X.shape[1] else np.zeros(1)
    sizes = np.ravel(sizes.toarray() if sp.issparse(sizes) else sizes)
    sizes = sizes[sizes > 0]
    if not len(sizes) or max(sizes.max(), sizes.max() / sizes.min()) < 10:
        return ""
    return f" (columns of X reach from {sizes.min():.2g} to {sizes.max():.2g})"


def _objective(
    rows: FeatureRows, losses: Losses, w: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """P and a subgradient."""
    total, slopes = losses(rows.scores(w[:, None])[:, 0])
    return 0.5 * dot(w, w) + total, w + rows.combined(slopes[:, None])[:, 0]


def _losses(
    loss: _Loss,
    signs: NDArray[np.float64],
    cost: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """The sum of the losses, each times its cost, and its subgradient by the scores."""
    values, slopes = loss(signs, _checked(scores), reduction="none", with_gradient=True)
    if values.min(initial=0.0) < -_ROUNDING * values.max(initial=1.0):
        i = int(values.argmin())
        raise ValueError(
            f"the surrogate is {values[i]} at the score {scores[i]:g} of X[{i}], expected >= 0: "
            "add a constant to it"
        )
    return dot(cost, np.maximum(values, 0.0)), cost * slopes
