"""What was learnt: the weights of transitions, and the features that weigh most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from structsvm.data.checks import check_scalar
from structsvm.estimators.chain_weights import Term, told
from structsvm.plotting._axes import axes_or_new

__all__ = ["TransitionsDisplay", "WeightsDisplay"]

_COLOURS = {True: "#2166ac", False: "#b2182b"}  # above 0 and below, as in the heat map


class TransitionsDisplay:
    """The weight of each label after each label, as a heat map.

    Parameters
    ----------
    weights : array-like of shape (n_labels, n_labels)
        A row for each label before.
    labels : sequence of str

    Attributes
    ----------
    ax_ : matplotlib axes
    figure_ : matplotlib figure
    im_ : matplotlib image

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from structsvm import ChainSVM
    >>> from structsvm.datasets import make_digit_words
    >>> from structsvm.plotting import TransitionsDisplay
    >>> data = make_digit_words(n_train=30, n_test=1, random_state=0)
    >>> svm = ChainSVM(random_state=0).fit(data.X_train, data.y_train)
    >>> TransitionsDisplay.from_estimator(svm).weights.shape
    (10, 10)
    """

    def __init__(self, weights: ArrayLike, labels: Sequence[Any]) -> None:
        self.weights = np.asarray(weights, dtype=np.float64)
        self.labels = [told(label) for label in labels]
        if self.weights.shape != (len(labels), len(labels)):
            raise ValueError(
                f"weights has shape {self.weights.shape}, expected {(len(labels), len(labels))}: "
                "a row and a column for each label"
            )

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **im_kw: Any) -> Self:
        """Draw the transitions of a chain.

        Parameters
        ----------
        estimator : ChainSVM or SequenceTagger
            Fitted.
        ax, **im_kw
            See `plot`.

        Returns
        -------
        display
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "transition_coef_"):
            raise ValueError(
                f"{type(estimator).__name__} has no transitions to draw: expected a ChainSVM or "
                "SequenceTagger"
            )
        states = estimator.model_.states_
        return cls(estimator.transition_coef_, states).plot(ax=ax, **im_kw)

    def plot(self, *, ax: Any = None, **im_kw: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None makes a new figure.
        **im_kw
            What ``ax.imshow`` takes, such as `cmap`.

        Returns
        -------
        display
        """
        self.ax_ = axes_or_new(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        limit = float(np.abs(self.weights).max(initial=0.0)) or 1.0
        options = {"cmap": "RdBu", "vmin": -limit, "vmax": limit, **im_kw}
        self.im_ = self.ax_.imshow(self.weights, **options)
        places = range(len(self.labels))
        self.ax_.set_xticks(places, self.labels, rotation=90)
        self.ax_.set_yticks(places, self.labels)
        self.ax_.set(xlabel="label", ylabel="label before", title="transition weights")
        self.figure_.colorbar(self.im_, ax=self.ax_)
        return self


class WeightsDisplay:
    """Weights by name, as bars: the features that weigh most, or why one labelling beats another.

    Parameters
    ----------
    terms : iterable of (kind, source, label, value)
        Such as `ChainSVM.top_transitions`, `ChainSVM.top_state_features` and `ChainSVM.explain`
        return.

    Attributes
    ----------
    values_ : ndarray of shape (n_terms,)
        As drawn, from the lowest bar to the highest.
    names_ : list of str
    ax_ : matplotlib axes
    figure_ : matplotlib figure
    bars_ : matplotlib container

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from structsvm import SequenceTagger
    >>> from structsvm.plotting import WeightsDisplay
    >>> X, y = [["the", "cat"], ["a", "cat"]], [["D", "N"], ["D", "N"]]
    >>> tagger = SequenceTagger(random_state=0).fit(X, y)
    >>> display = WeightsDisplay.from_estimator(tagger, label="N", k=4)
    >>> len(display.names_)
    4
    >>> why = tagger.explain(["the", "cat"], ["D", "N"], ["D", "D"])
    >>> display = WeightsDisplay(why[:5]).plot()
    >>> display.ax_.get_xlabel()
    'weight'
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        self.terms = [Term(*term) for term in terms]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        label: Any = None,
        *,
        k: int = 20,
        feature_names: Sequence[str] | None = None,
        ax: Any = None,
        **bar_kw: Any,
    ) -> Self:
        """Draw the features that weigh most, of one label or of all.

        Parameters
        ----------
        estimator : ChainSVM, SequenceTagger or MulticlassSVM
            Fitted; the latter with linear scores.
        label : int or str, default=None
            One of its `classes_`; None draws those of all labels together.
        k : int, default=20
            How many, by magnitude.
        feature_names : sequence of str, default=None
            What columns are called. None: the names that the estimator knows, else their numbers.
        ax, **bar_kw
            See `plot`.

        Returns
        -------
        display

        Raises
        ------
        ValueError
            If the estimator has no weights of features by label, or the label is not known.
        """
        check_is_fitted(estimator)
        check_scalar("k", k, above=0, integer=True)
        if hasattr(estimator, "top_state_features"):
            terms = [
                term
                for lowest in (False, True)
                for term in estimator.top_state_features(label, k, lowest=lowest)
            ]
        else:
            terms = _terms_of_classes(estimator, label)
        if feature_names is not None:
            names = list(feature_names)
            if len(names) != (n := getattr(estimator, "n_features_in_", len(names))):
                raise ValueError(f"feature_names has {len(names)} names, expected {n}")
            terms = [
                term._replace(source=names[term.source]) if isinstance(term.source, int) else term
                for term in terms
            ]
        chosen = sorted(dict.fromkeys(terms), key=lambda term: -abs(term.value))[:k]
        return cls(term for term in chosen if term.value).plot(ax=ax, **bar_kw)

    def plot(self, *, ax: Any = None, **bar_kw: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None makes a new figure.
        **bar_kw
            What ``ax.barh`` takes.

        Returns
        -------
        display
        """
        self.ax_ = axes_or_new(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        rows = sorted(self.terms, key=lambda term: term.value)
        self.values_ = np.array([term.value for term in rows], dtype=np.float64)
        one_label = len({term.label for term in rows}) == 1
        self.names_ = [_name(term, one_label) for term in rows]
        colours = [_COLOURS[bool(value > 0)] for value in self.values_]
        self.bars_ = self.ax_.barh(
            np.arange(len(rows)), self.values_, **{"color": colours, **bar_kw}
        )
        self.ax_.set_yticks(range(len(rows)), self.names_)
        self.ax_.axvline(0.0, color="black", linewidth=0.8)
        title = f"{told(rows[0].label)}" if rows and one_label else ""
        self.ax_.set(xlabel="weight", title=title)
        return self


def _terms_of_classes(estimator: Any, label: Any) -> list[Term]:
    coef: Any = getattr(estimator, "coef_", None)
    classes: Any = getattr(estimator, "classes_", None)
    if classes is None or np.ndim(coef) != 2:
        raise ValueError(
            f"{type(estimator).__name__} has no weights of features by label to draw: expected a "
            "ChainSVM, a SequenceTagger or a MulticlassSVM with linear scores"
        )
    labels = classes.tolist()
    rows = dict(zip(labels, coef, strict=True)) if len(coef) == len(labels) else {}
    if not rows:  # of two classes, which share a row
        rows = (
            {labels[-1]: coef[0], labels[0]: -coef[0]}
            if label is not None
            else {labels[-1]: coef[0]}
        )
    if label is not None and label not in rows:
        raise ValueError(f"label={label!r}: expected one of {labels}")
    names = getattr(estimator, "feature_names_in_", np.arange(coef.shape[1])).tolist()
    return [
        Term("state", name, each, float(value))
        for each, row in rows.items()
        if label is None or each == label
        for name, value in zip(names, row, strict=True)
    ]


def _name(term: Term, one_label: bool) -> str:
    """What a bar is called."""
    source = term.kind if term.source is None else told(term.source)
    if term.kind == "transition":
        return f"{source} then {told(term.label)}"
    return source if one_label else f"{source}: {told(term.label)}"
