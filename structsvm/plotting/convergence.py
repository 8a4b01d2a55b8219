"""Objective, dual bound and gap of fits, pass by pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from structsvm.plotting._axes import axes_or_new

__all__ = ["ConvergenceDisplay"]

_LABELS = {
    "passes": "passes",
    "seconds": "seconds",
    "oracle_calls": "calls of the oracle",
}
_KINDS = ("gap", "objective")


class ConvergenceDisplay:
    """How fits came to their optimum: the gap, or objective and bound, of one fit or several.

    Drawn solid is what is certified: the relative gap (P - D) / P, or the best objective P and the
    best bound D so far. Dotted is the solver's estimate of the present gap, which costs it nothing.
    Solvers without a dual have neither; their mean hinge is drawn.

    Parameters
    ----------
    histories : dict of dict of ndarray
        ``history_`` of each fit, by its name in the legend.
    tols : dict of float, default=None
        The gap at which each fit stops.
    estimates : set of str, default=()
        Names of fits whose gap is an estimate, no certificate.

    Attributes
    ----------
    ax_ : matplotlib axes
    figure_ : matplotlib figure
    lines_ : dict of list of matplotlib lines
        By name of the fit.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from structsvm import ChainSVM
    >>> from structsvm.datasets import make_digit_words
    >>> from structsvm.plotting import ConvergenceDisplay
    >>> data = make_digit_words(n_train=30, n_test=1, random_state=0)
    >>> fits = {
    ...     name: ChainSVM(solver=name, random_state=0).fit(data.X_train, data.y_train)
    ...     for name in ("bcfw", "cutting_plane")
    ... }
    >>> display = ConvergenceDisplay.from_estimator(fits, against="passes")
    >>> float(display.lines_["bcfw"][0].get_ydata()[-1]) == fits["bcfw"].dual_gap_
    True
    """

    def __init__(
        self,
        histories: Mapping[str, Mapping[str, NDArray[Any]]],
        *,
        tols: Mapping[str, float | None] | None = None,
        estimates: Any = (),
    ) -> None:
        self.histories = histories
        self.tols = tols
        self.estimates = estimates

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        of: str = "gap",
        against: str = "seconds",
        name: str | None = None,
        ax: Any = None,
        **line_kw: Any,
    ) -> Self:
        """Draw the course of a fit, or of several.

        Parameters
        ----------
        estimator : fitted StructSVM, or dict of them
            The keys of a dict are names for the legend.
        of, against, ax, **line_kw
            See `plot`.
        name : str, default=None
            Of one estimator, in the legend; None: the name of its class.

        Returns
        -------
        display

        Raises
        ------
        ValueError
            If an estimator has no history, as after ``partial_fit``, or a name is not known.
        """
        fits = estimator if isinstance(estimator, Mapping) else {}
        if not isinstance(estimator, Mapping):
            fits = {type(estimator).__name__ if name is None else name: estimator}
        elif name is not None:
            raise ValueError("name is given with a dict of estimators, whose keys are the names")
        if not fits:
            raise ValueError("there are no estimators to draw")
        for key, fit in fits.items():
            check_is_fitted(fit)
            if not len(getattr(fit, "history_", {}).get("seconds", ())):
                raise ValueError(
                    f"the fit {key!r} of {type(fit).__name__} has no history to draw: `fit` of a "
                    "StructSVM keeps one"
                )
        display = cls(
            {str(key): fit.history_ for key, fit in fits.items()},
            tols={str(key): _tol(fit) for key, fit in fits.items()},
            estimates={
                str(key) for key, fit in fits.items() if not getattr(fit, "certified_", True)
            },
        )
        return display.plot(of=of, against=against, ax=ax, **line_kw)

    def plot(
        self, *, of: str = "gap", against: str = "seconds", ax: Any = None, **line_kw: Any
    ) -> Self:
        """Draw.

        Parameters
        ----------
        of : {"gap", "objective"}, default="gap"
            "objective" draws P, and D dashed.
        against : {"seconds", "passes", "oracle_calls"}, default="seconds"
        ax : matplotlib axes, default=None
            None makes a new figure.
        **line_kw
            What ``ax.step`` takes, such as `linewidth`.

        Returns
        -------
        display
        """
        if of not in _KINDS:
            raise ValueError(f"of={of!r}: expected 'gap' or 'objective'")
        if against not in _LABELS:
            raise ValueError(
                f"against={against!r}: expected one of {', '.join(map(repr, _LABELS))}"
            )
        self.ax_ = axes_or_new(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        self.lines_: dict[str, list[Any]] = {}
        drawn = set()
        for name, history in self.histories.items():
            x, has_dual = _places(history, against), not np.isnan(history["gap"]).all()
            drawn.add(has_dual)
            draw = self._gap if of == "gap" else self._objective
            self.lines_[name] = (draw if has_dual else self._hinge)(name, x, history, line_kw)
        tols = {tol for tol in (self.tols or {}).values() if tol is not None}
        if of == "gap" and len(tols) == 1 and True in drawn:
            self.ax_.axhline(tols.pop(), color="grey", linewidth=0.8)
        what = {"gap": "relative duality gap", "objective": "objective, and its bound"}[of]
        told = [*([what] if True in drawn else []), *(["mean hinge"] if False in drawn else [])]
        self.ax_.set(xlabel=_LABELS[against], ylabel=" | ".join(told), yscale="log")
        self.ax_.legend(frameon=False)
        return self

    def _gap(self, name: str, x: Any, history: Any, line_kw: dict[str, Any]) -> list[Any]:
        kind = "estimate" if name in self.estimates else "certified"
        options = {"where": "post", "label": f"{name}: {kind}", **line_kw}
        (line,) = self.ax_.step(x, _positive(history["gap"]), **options)
        lines = [line]
        if "gap_estimate" in history:
            dots = {"linestyle": ":", "color": line.get_color(), "linewidth": line.get_linewidth()}
            lines += self.ax_.plot(x, _positive(history["gap_estimate"]), **dots)
        return lines

    def _objective(self, name: str, x: Any, history: Any, line_kw: dict[str, Any]) -> list[Any]:
        known = np.isfinite(history["objective"])
        options = {"where": "post", "label": name, **line_kw}
        (line,) = self.ax_.step(x[known], _positive(history["objective"][known]), **options)
        dual = {"linestyle": "--", "color": line.get_color(), "linewidth": line.get_linewidth()}
        return [line, *self.ax_.step(x, _positive(history["dual_objective"]), where="post", **dual)]

    def _hinge(self, name: str, x: Any, history: Any, line_kw: dict[str, Any]) -> list[Any]:
        options = {"label": f"{name}: mean hinge", **line_kw}
        return list(self.ax_.plot(x, _positive(history["mean_hinge"]), **options))


def _tol(estimator: Any) -> float | None:
    """The gap at which it stops, as far as it says so."""
    tol = getattr(estimator, "tol", None)
    return None if tol is None else float(tol)


def _places(history: Mapping[str, NDArray[Any]], against: str) -> NDArray[Any]:
    if against == "passes":
        return np.arange(1, len(history["seconds"]) + 1)
    return np.asarray(history["n_oracle_calls" if against == "oracle_calls" else against])


def _positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a logarithmic axis can show; the rest is left out."""
    return np.where(values > 0, values, np.nan)
