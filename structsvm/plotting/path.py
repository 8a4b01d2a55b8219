"""Held-out scores along a path of C, with what certifies each fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from structsvm.plotting._axes import axes_or_new

__all__ = ["PathDisplay"]


class PathDisplay:
    """The held-out score of each C, and the gap to which each fit is certified.

    Parameters
    ----------
    C : array-like of shape (n_fits,)
        Rising.
    scores : array-like of shape (n_fits,)
    gaps : array-like of shape (n_fits,)
        Relative duality gaps.
    spread : array-like of shape (n_fits,), default=None
        Standard deviation of each score over the splits of cross-validation.
    name : str, default=None
        In the legend.

    Attributes
    ----------
    best_C_ : float
        The C with the best score, the smallest of several.
    ax_ : matplotlib axes
    gap_ax_ : matplotlib axes
        Where the gaps are drawn, on the right; None without them.
    figure_ : matplotlib figure
    line_, gap_line_ : matplotlib lines

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from structsvm import ChainSVM, PathSearch
    >>> from structsvm.datasets import make_digit_words
    >>> from structsvm.plotting import PathDisplay
    >>> data = make_digit_words(n_train=60, n_test=1, random_state=0)
    >>> search = PathSearch(ChainSVM(random_state=0)).fit(data.X_train, data.y_train)
    >>> PathDisplay.from_estimator(search).best_C_ == search.best_params_["C"]
    True
    """

    def __init__(
        self,
        C: ArrayLike,
        scores: ArrayLike,
        gaps: ArrayLike,
        *,
        spread: ArrayLike | None = None,
        name: str | None = None,
    ) -> None:
        self.C = np.asarray(C, dtype=np.float64)
        self.scores = np.asarray(scores, dtype=np.float64)
        self.gaps = np.asarray(gaps, dtype=np.float64)
        self.spread = None if spread is None else np.asarray(spread, dtype=np.float64)
        self.name = name
        if self.C.ndim != 1 or not self.C.size:
            raise ValueError(f"C has shape {self.C.shape}, expected one value for each fit")
        for told, values in (("scores", scores), ("gaps", gaps), ("spread", spread)):
            if values is not None and np.shape(values) != self.C.shape:
                raise ValueError(
                    f"{told} has shape {np.shape(values)}, expected {self.C.shape} as C has"
                )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        class_weight: Any = None,
        name: str | None = None,
        ax: Any = None,
        show_gaps: bool = True,
        **line_kw: Any,
    ) -> Self:
        """Draw the path that an estimator searched, or a list of fits.

        Parameters
        ----------
        estimator : PathSearch, StructSVM fitted with ``C="auto"``, or list of StructSVM
            A list is what `fit_path` returns.
        X, y : sequences, default=None
            Held-out examples on which the fits of a list are scored; the others have scores.
        class_weight : default=None
            Which of the `class_weights` of a `PathSearch` to draw; None: that of the best.
        name : str, default=None
            In the legend.
        ax, show_gaps, **line_kw
            See `plot`.

        Returns
        -------
        display

        Raises
        ------
        ValueError
            If there is no path, or if examples are given that are not needed, or not given.
        """
        if isinstance(estimator, Sequence):
            told = _of_list(estimator, X, y)
        elif X is not None or y is not None:
            raise ValueError("X and y are for a list of fits: the others have scores of their own")
        else:
            check_is_fitted(estimator)
            told = _of_search(estimator, class_weight)
        spread = told[3] if len(told) > 3 else None
        order = np.argsort(told[0], kind="stable")
        display = cls(
            *(column[order] for column in told[:3]),
            spread=None if spread is None else spread[order],
            name=name,
        )
        return display.plot(ax=ax, show_gaps=show_gaps, **line_kw)

    def plot(self, *, ax: Any = None, show_gaps: bool = True, **line_kw: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None makes a new figure.
        show_gaps : bool, default=True
            Whether to draw the certified gaps on an axis of their own, on the right.
        **line_kw
            What ``ax.plot`` takes, such as `color`.

        Returns
        -------
        display
        """
        self.ax_ = axes_or_new(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        self.best_C_ = float(self.C[np.argmax(self.scores)])
        (self.line_,) = self.ax_.plot(
            self.C,
            self.scores,
            **{"marker": "o", "label": self.name or "held-out score", **line_kw},
        )
        if self.spread is not None:
            low, high = self.scores - self.spread, self.scores + self.spread
            self.ax_.fill_between(self.C, low, high, color=self.line_.get_color(), alpha=0.15)
        self.ax_.axvline(self.best_C_, color=self.line_.get_color(), linewidth=0.8)
        self.ax_.set(xscale="log", xlabel="C", ylabel="held-out score")
        self.gap_ax_ = self.gap_line_ = None
        lines = [self.line_]
        if show_gaps:
            self.gap_ax_ = self.ax_.twinx()
            shown = np.where(self.gaps > 0, self.gaps, np.nan)
            (self.gap_line_,) = self.gap_ax_.plot(
                self.C, shown, "x:", color="grey", label="certified gap"
            )
            self.gap_ax_.set(yscale="log", ylabel="relative duality gap")
            lines.append(self.gap_line_)
        self.ax_.legend(handles=lines, frameon=False)
        return self


def _of_list(fits: Sequence[Any], X: Any, y: Any) -> tuple[NDArray[np.float64], ...]:
    if not fits:
        raise ValueError("the list of fits is empty")
    if X is None or y is None:
        raise ValueError("a list of fits needs held-out examples: give X and y")
    for fit in fits:
        check_is_fitted(fit)
    columns = [(fit.C_, fit.score(X, y), fit.dual_gap_) for fit in fits]
    return tuple(np.array(columns, dtype=np.float64).T)


def _of_search(estimator: Any, class_weight: Any) -> tuple[NDArray[np.float64], ...]:
    """C, scores, gaps, and the spread of the scores where there are several splits."""
    if hasattr(estimator, "path_"):
        path = estimator.path_
        return path["C"], path["score"], path["dual_gap"]
    results = getattr(estimator, "cv_results_", {})
    if "dual_gap" not in results:
        raise ValueError(
            f"{type(estimator).__name__} has no path to draw: expected a PathSearch, an estimator "
            "fitted with C='auto', or the list that fit_path returns"
        )
    chosen = np.ones(len(results["param_C"]), dtype=bool)
    weights = results.get("param_class_weight")
    if weights is None and class_weight is not None:
        raise ValueError(f"class_weight={class_weight!r}: the search had no class_weights")
    if weights is not None:
        wanted = weights[estimator.best_index_] if class_weight is None else class_weight
        chosen = np.array([weight == wanted for weight in weights], dtype=bool)
        if not chosen.any():
            raise ValueError(f"class_weight={class_weight!r} is none of those that were searched")
    names = ["param_C", "mean_test_score", "dual_gap"]
    if estimator.n_splits_ > 1:
        names.append("std_test_score")
    return tuple(np.asarray(results[name], dtype=np.float64)[chosen] for name in names)
