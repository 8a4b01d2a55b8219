"""Where displays draw."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["axes_or_new", "matplotlib_module"]


def matplotlib_module(name: str, who: str) -> Any:
    """A module of matplotlib; `who` is named where it is missing."""
    try:
        return importlib.import_module(f"matplotlib.{name}" if name else "matplotlib")
    except ImportError as error:
        raise ImportError(f"{who} needs matplotlib: pip install 'structured-svm[plot]'") from error


def axes_or_new(ax: Any, who: str) -> Any:
    """The axes, or those of a new figure."""
    if ax is not None:
        return ax
    return matplotlib_module("pyplot", who).figure(layout="constrained").add_subplot()
