"""What notebooks show of a fitted estimator: its certificate, how it ended, sizes and classes."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["FittedHTMLMixin"]

_MOST_CLASSES = 20


class FittedHTMLMixin:
    """Adds a table of what is known of a fit to scikit-learn's diagram of an estimator."""

    def _repr_html_inner(self) -> str:
        return str(super()._repr_html_inner()) + _table(self)  # type: ignore[misc]

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] += _table(self)
        return bundle


def _table(estimator: Any) -> str:
    if not {"dual_gap_", "gap_"} & vars(estimator).keys():
        return ""
    rows = "".join(
        f'<tr><th style="text-align: left">{name}</th>'
        f'<td style="text-align: left">{html.escape(told)}</td></tr>'
        for name, told in _told(estimator)
    )
    return f'<table class="structsvm-fit"><tbody>{rows}</tbody></table>'


def _told(estimator: Any) -> Iterator[tuple[str, str]]:
    """Rows of the table: what, and what is known of it."""
    known = vars(estimator)
    gap = known.get("dual_gap_", known.get("gap_"))
    if math.isnan(gap):
        yield "certificate", "none: there is no lower bound of the optimum"
    else:
        kind = "certified" if known.get("certified_", True) else "an estimate"
        bounds = f"objective {known['objective_']:.6g}"
        if "dual_objective_" in known:
            bounds += f", bound {known['dual_objective_']:.6g}"
        yield "duality gap", f"{gap:.2e}, {kind} ({bounds})"
    seconds = known.get("history_", {}).get("seconds", ())
    took = f" in {seconds[-1]:.2f} s" if len(seconds) else ""
    n_iter = known["n_iter_"]
    fit = f"{known.get('status_', 'ended')} after {n_iter} pass{'es' * (n_iter != 1)}{took}"
    yield "fit", f"{fit}, C = {known['C_']:.6g}" if "C_" in known else fit
    sizes = []
    weights = getattr(estimator, "coef_", None)
    if weights is not None:
        sizes.append(f"{np.size(weights):,} weights")
    if isinstance(n_features := getattr(estimator, "n_features_in_", None), int):
        sizes.append(f"{n_features:,} features")
    if sizes:
        yield "sizes", ", ".join(sizes)
    classes = getattr(estimator, "classes_", None)
    if classes is not None and len(classes):
        names = [str(each) for each in classes[:_MOST_CLASSES]]
        more = ["…"] if len(classes) > _MOST_CLASSES else []
        yield "classes", f"{len(classes):,}: {', '.join([*names, *more])}"
