"""Precision-recall and ROC curves of pixels, drawn as scikit-learn draws those of rows."""

from __future__ import annotations

from typing import Any

from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay
from sklearn.utils.validation import check_is_fitted

from structsvm.metrics import flat_scores

__all__ = ["PixelPrecisionRecallDisplay", "PixelRocCurveDisplay"]


class _OfPixels:
    """What both displays share: scores of all pixels of an estimator, without void ones."""

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, name: str | None = None, **kwargs: Any
    ) -> Any:
        """Draw the curve of an estimator's `threshold_scores` over the pixels of all images.

        Each point of the curve is a prediction, ``estimator.predict(X, bias=b)`` for a bias b, up
        to the step between its levels.

        Parameters
        ----------
        estimator : GridSVM or GraphSVM
            Fitted, with two classes; the curve is of ``classes_[1]``.
        X, y : sequences
            Inputs, and their labels; pixels with the estimator's `ignore_label` do not count.
        name : str, default=None
            In the legend; None: the name of the estimator's class.
        **kwargs
            What ``from_predictions`` of the scikit-learn display takes, such as `ax`.

        Returns
        -------
        display
        """
        check_is_fitted(estimator)
        labels, scores = flat_scores(
            y, estimator.threshold_scores(X), ignore_label=estimator.ignore_label
        )
        name = type(estimator).__name__ if name is None else name
        kwargs.setdefault("pos_label", estimator.classes_[1])
        return cls.from_predictions(labels, scores, name=name, **kwargs)  # type: ignore[attr-defined]


class PixelPrecisionRecallDisplay(_OfPixels, PrecisionRecallDisplay):  # type: ignore[misc]
    """Precision-recall curve of pixels, or of nodes: scikit-learn's, from images.

    For scores of other kinds, pass ``flat_scores(y, scores)`` of `structsvm.metrics` to
    scikit-learn's ``PrecisionRecallDisplay.from_predictions``.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from structsvm import GridSVM
    >>> from structsvm.datasets import make_segmentation
    >>> from structsvm.plotting import PixelPrecisionRecallDisplay
    >>> blobs = make_segmentation(n_train=4, n_test=4, random_state=0)
    >>> svm = GridSVM(random_state=0).fit(blobs.X_train, blobs.y_train)
    >>> display = PixelPrecisionRecallDisplay.from_estimator(svm, blobs.X_test, blobs.y_test)
    >>> bool(display.average_precision > 0.9)
    True
    """


class PixelRocCurveDisplay(_OfPixels, RocCurveDisplay):  # type: ignore[misc]
    """ROC curve of pixels, or of nodes: scikit-learn's, from images.

    See `PixelPrecisionRecallDisplay`, which says more where one class is rare.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from structsvm import GridSVM
    >>> from structsvm.datasets import make_segmentation
    >>> from structsvm.plotting import PixelRocCurveDisplay
    >>> blobs = make_segmentation(n_train=4, n_test=4, random_state=0)
    >>> svm = GridSVM(random_state=0).fit(blobs.X_train, blobs.y_train)
    >>> display = PixelRocCurveDisplay.from_estimator(svm, blobs.X_test, blobs.y_test)
    >>> bool(display.roc_auc > 0.9)
    True
    """
