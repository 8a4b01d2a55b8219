"""Which examples are hard: the hinge of each of them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from structsvm.plotting._axes import axes_or_new

__all__ = ["HingesDisplay"]


class HingesDisplay:
    r"""The hinge of each example at the fitted weights, the hardest first.

    One with a positive hinge violates its margin and pulls at the weights with all of its C; one
    whose hinge is large is answered wrongly, is mislabelled, or cannot be told by the features.
    Where the hinge is 0 the truth has its margin: such an example matters only if another output
    lies just at it.

    Parameters
    ----------
    hinges : array-like of shape (n_examples,)
    wrong : array-like of bool of shape (n_examples,)
        Whether the prediction has a loss.

    Attributes
    ----------
    order_ : ndarray of shape (n_examples,)
        Numbers of the examples from the hardest to the easiest.
    ax_ : matplotlib axes
    figure_ : matplotlib figure
    bars_ : dict of matplotlib containers
        "wrong" and "right", and what does not occur is left out.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from structsvm import ChainSVM
    >>> from structsvm.datasets import make_digit_words
    >>> from structsvm.plotting import HingesDisplay
    >>> data = make_digit_words(n_train=30, n_test=1, random_state=0)
    >>> svm = ChainSVM(random_state=0).fit(data.X_train, data.y_train)
    >>> display = HingesDisplay.from_estimator(svm, data.X_train, data.y_train)
    >>> worst, *_, best = display.hinges[display.order_]
    >>> bool(worst > best >= 0)
    True
    """

    def __init__(self, hinges: ArrayLike, wrong: ArrayLike) -> None:
        self.hinges = np.asarray(hinges, dtype=np.float64)
        self.wrong = np.asarray(wrong, dtype=bool)
        if self.hinges.ndim != 1 or self.wrong.shape != self.hinges.shape:
            raise ValueError(
                f"hinges has shape {self.hinges.shape} and wrong {self.wrong.shape}; expected one "
                "number for each example"
            )

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, groups: Any = None, ax: Any = None, **bar_kw: Any
    ) -> Self:
        """Draw the hinges of an estimator's examples, by `StructSVM.hinges`.

        Parameters
        ----------
        estimator : fitted StructSVM
        X, y : sequences
            Those of the fit, or others.
        groups : array-like, default=None
            Of a `RankingSVM`, as in its `fit`.
        ax, **bar_kw
            See `plot`.

        Returns
        -------
        display
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "hinges"):
            raise ValueError(f"{type(estimator).__name__} has no structured hinges to draw")
        hinges, losses = estimator.hinges(X, y, **({} if groups is None else {"groups": groups}))
        return cls(hinges, losses > 0).plot(ax=ax, **bar_kw)

    def plot(self, *, ax: Any = None, **bar_kw: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None makes a new figure.
        **bar_kw
            What ``ax.bar`` takes.

        Returns
        -------
        display
        """
        self.ax_ = axes_or_new(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        self.order_ = np.argsort(-self.hinges, kind="stable")
        self.bars_ = {}
        hinges, wrong = self.hinges[self.order_], self.wrong[self.order_]
        for name, chosen, colour in (("wrong", wrong, "#d62728"), ("right", ~wrong, "#2c3e50")):
            if chosen.any():
                options = {"width": 1.0, "color": colour, "label": f"answered {name}ly", **bar_kw}
                self.bars_[name] = self.ax_.bar(np.flatnonzero(chosen), hinges[chosen], **options)
        self.ax_.set(
            xlabel="examples, the hardest first",
            ylabel="hinge",
            title=f"{self.wrong.sum()} of {len(hinges)} examples are answered wrongly",
        )
        if self.bars_:
            self.ax_.legend(frameon=False)
        return self
