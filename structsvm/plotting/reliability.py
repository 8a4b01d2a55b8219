"""How often predictions are right that claim to be so with some probability."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from structsvm.metrics import Reliability
from structsvm.plotting._axes import axes_or_new

__all__ = ["ReliabilityDisplay"]


class ReliabilityDisplay:
    """The share of right predictions against their confidence.

    Parameters
    ----------
    table : Reliability
        See `structsvm.metrics.reliability`.
    of : str, default="predictions"
        What is right or wrong, for the label of the axis.

    Attributes
    ----------
    error_ : float
        The expected calibration error: the mean distance of the dots from the diagonal.
    ax_ : matplotlib axes
    figure_ : matplotlib figure
    line_ : matplotlib line

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from structsvm import ChainSVM
    >>> from structsvm.datasets import make_digit_words
    >>> from structsvm.plotting import ReliabilityDisplay
    >>> data = make_digit_words(n_train=60, n_test=60, random_state=0)
    >>> svm = ChainSVM(random_state=0).fit(data.X_train, data.y_train)
    >>> svm = svm.calibrate(data.X_test[:30], data.y_test[:30])
    >>> display = ReliabilityDisplay.from_estimator(svm, data.X_test[30:], data.y_test[30:])
    >>> error = svm.calibration_error(data.X_test[30:], data.y_test[30:])
    >>> abs(display.error_ - error) < 1e-12
    True
    """

    def __init__(self, table: Reliability, *, of: str = "predictions") -> None:
        self.table = table
        self.of = of

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        of: str = "tokens",
        n_bins: int = 15,
        ax: Any = None,
        **line_kw: Any,
    ) -> Self:
        """Draw the reliability of an estimator's `confidence`.

        Parameters
        ----------
        estimator : ChainSVM or SequenceTagger
            Fitted, and calibrated.
        X, y : sequences
            Examples that neither `fit` nor `calibrate` saw.
        of : {"tokens", "sequences"}, default="tokens"
        n_bins : int, default=15
        ax, **line_kw
            See `plot`.

        Returns
        -------
        display
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "reliability"):
            raise ValueError(
                f"{type(estimator).__name__} has no reliability to draw: expected a ChainSVM or "
                "SequenceTagger"
            )
        table = estimator.reliability(X, y, of=of, n_bins=n_bins)
        return cls(table, of=of).plot(ax=ax, **line_kw)

    def plot(self, *, ax: Any = None, **line_kw: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None makes a new figure.
        **line_kw
            What ``ax.plot`` takes.

        Returns
        -------
        display
        """
        self.ax_ = axes_or_new(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        confidence, share, size = map(np.asarray, self.table)
        far = np.abs(share - confidence)
        self.error_ = float((size * far).sum() / max(size.sum(), 1))
        self.ax_.plot([0, 1], [0, 1], color="grey", linewidth=1)
        (self.line_,) = self.ax_.plot(confidence, share, **line_kw)
        sizes = 20 + 180 * np.sqrt(size / max(size.max(initial=1), 1))
        self.ax_.scatter(confidence, share, s=sizes, alpha=0.6, color=self.line_.get_color())
        self.ax_.set(
            xlabel="confidence", ylabel=f"share of right {self.of}", xlim=(0, 1), ylim=(0, 1),
            title=f"expected calibration error {self.error_:.4f}",
        )  # fmt: skip
        return self
