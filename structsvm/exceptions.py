"""Warnings and errors of this package that callers may want to catch by name."""

from __future__ import annotations

import sys
import warnings

__all__ = [
    "ClusterError",
    "LabelError",
    "ModelFileError",
    "OracleWarning",
    "TrivialFitWarning",
    "warn",
]


class OracleWarning(UserWarning):
    """A model that claims to be exact gave answers that an exact model cannot give."""


class TrivialFitWarning(UserWarning):
    """A fit that learnt nothing: weights near zero, or one label for everything."""


class ModelFileError(ValueError):
    """A model file or checkpoint that is damaged, forged or of another version."""


class ClusterError(RuntimeError):
    """Other machines that cannot go on: data that they cannot read or hold, or none that answers.

    A fit that has made an iteration keeps its best weights, with status "failed".
    """


class LabelError(ValueError):
    """A label that does not fit.

    Attributes
    ----------
    place : tuple of int, or None
        The number of its sequence, and its position in it.
    """

    def __init__(self, message: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.place = place


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the calling line outside this package and scikit-learn.

    Parameters
    ----------
    message : str
    category : type of Warning
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("structsvm", "sklearn")
