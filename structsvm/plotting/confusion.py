"""Which labels are taken for which others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.utils.validation import check_is_fitted

from structsvm.metrics.pixels import pairs_of

__all__ = ["LabelConfusionDisplay"]


class LabelConfusionDisplay(ConfusionMatrixDisplay):  # type: ignore[misc]
    """Confusion of the labels of tokens, nodes or pixels: scikit-learn's, from structures.

    Labels of all sequences, graphs or images are counted together, without void ones.

    Parameters
    ----------
    confusion_matrix : array of shape (n_labels, n_labels)
        A row for each true label.
    display_labels : array-like of shape (n_labels,), default=None

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from structsvm.plotting import LabelConfusionDisplay
    >>> display = LabelConfusionDisplay.from_predictions([["D", "N"], ["V"]], [["D", "N"], ["N"]])
    >>> display.confusion_matrix
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 0]])
    """

    @classmethod
    def from_estimator(  # type: ignore[override]
        cls, estimator: Any, X: Any, y: Any, **options: Any
    ) -> Any:
        """Draw the confusion of an estimator's predictions.

        Parameters
        ----------
        estimator : fitted estimator
            Its `predict` returns labels; those with its `ignore_label` do not count.
        X, y : sequences
        **options
            What `from_predictions` takes.

        Returns
        -------
        display
        """
        check_is_fitted(estimator)
        options.setdefault("ignore_label", getattr(estimator, "ignore_label", None))
        return cls.from_predictions(y, estimator.predict(X), **options)

    @classmethod
    def from_predictions(  # type: ignore[override]
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        labels: ArrayLike | None = None,
        normalize: str | None = None,
        ignore_label: Any = None,
        display_labels: ArrayLike | None = None,
        **options: Any,
    ) -> Any:
        """Draw the confusion of predicted labels.

        Parameters
        ----------
        y_true, y_pred : lists of sequences or arrays of int, bool or str
            Pairs have one shape.
        labels : array-like of shape (n_labels,), default=None
            Which labels to draw, and in which order. None: those that occur, sorted.
        normalize : {"true", "pred", "all"}, default=None
            Whether to draw shares of true labels, of predicted ones, or of all.
        ignore_label : int, bool or str, default=None
            Positions with this label in the truth, or with None, do not count.
        display_labels : array-like of shape (n_labels,), default=None
            What labels are called in the picture.
        **options
            What ``plot`` of scikit-learn's `ConfusionMatrixDisplay` takes, such as `ax` and `cmap`.

        Returns
        -------
        display

        Raises
        ------
        ValueError
            Naming the item: if shapes differ, or nothing counts.
        """
        pairs = pairs_of(y_true, y_pred, ignore_label)
        names = pairs.classes if labels is None else np.asarray(labels)
        counts = confusion_matrix(pairs.truth, pairs.guess, labels=names, normalize=normalize)
        shown = names if display_labels is None else display_labels
        return cls(confusion_matrix=counts, display_labels=shown).plot(**options)
