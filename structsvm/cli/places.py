"""Which line of a column file an error is about."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from structsvm.columns import ColumnError, line_of
from structsvm.exceptions import LabelError, ModelFileError

__all__ = ["naming_lines"]

# How estimators and metrics name a token.
_TOKENS = (re.compile(r"\bX\[(\d+)\]\[(\d+)\]"), re.compile(r"^sequence (\d+): tag (\d+) "))
_HELD_OUT = "in X_val and y_val: "


@contextlib.contextmanager
def naming_lines(path: str, held_out: str | None = None) -> Iterator[None]:
    """Put file and line in front of errors about a label or a token.

    Parameters
    ----------
    path, held_out : str
        The column files that X and y, and X_val and y_val were read from.
    """
    try:
        yield
    except (ColumnError, ModelFileError):
        raise
    except ValueError as error:
        name, place = path, _place(error)
        if str(error).startswith(_HELD_OUT) and held_out is not None:
            name = held_out
        # A pipe cannot be read again.
        if place is None or not os.path.isfile(name):
            raise
        what = str(error).removeprefix(_HELD_OUT)
        raise ColumnError(f"{name}, line {line_of(name, *place)}: {what}") from error


def _place(error: ValueError) -> tuple[int, int] | None:
    """The sentence and the token in it."""
    for cause in (error, error.__cause__):
        if isinstance(cause, LabelError):
            return cause.place
    for token in _TOKENS:
        if match := token.search(str(error)):
            return int(match[1]), int(match[2])
    return None
