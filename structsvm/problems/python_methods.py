"""Checks of what a model's Python methods return: vectors, losses, outputs and batches.

Messages name the method and the example. Exceptions of a method itself pass unchanged, with a note
about the example.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import math
import numbers
import reprlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.sparse import check_sparse

__all__ = [
    "LossCheck",
    "Numbered",
    "ask_batch",
    "brief",
    "check_output",
    "loss_number",
    "note_example",
    "number_of_weights",
    "one_by_one",
    "sparse_vector",
    "stands_for",
    "takes_n_jobs",
    "task_loss",
]

_Method = TypeVar("_Method", bound=Callable[..., Any])

_FORMS = "an array of numbers, a tuple (indices, values) or a scipy sparse row"

# Losses below 0 by at most this share of the greatest loss so far (at least 1) are rounding.
_ROUNDING = 1e-9
_TRUTHS = 10


# ---- which example


class Numbered(list[Any]):
    """Some of the examples, with their numbers among all examples."""

    def __init__(self, items: Iterable[Any], numbers: Sequence[int]) -> None:
        super().__init__(items)
        self.numbers = numbers

    @staticmethod
    def numbers_of(items: Any) -> Sequence[int]:
        """Numbers of the examples in a list or in the rows of a matrix."""
        n = items.shape[0] if hasattr(items, "shape") else len(items)
        own: Sequence[int] = getattr(items, "numbers", range(n))
        return own


def one_by_one(ask: Callable[..., Any], what: str, *columns: Sequence[Any]) -> list[Any]:
    """Call ``ask(*row)`` for one example after the other."""
    answers = []
    for i, *row in zip(Numbered.numbers_of(columns[0]), *columns, strict=True):
        try:
            answers.append(ask(*row))
        except Exception as error:
            note_example(error, what, i)
            raise
    return answers


def note_example(error: BaseException, what: str, i: int, last: int | None = None) -> None:
    """Add a note to an error about the example or examples it came from."""
    where = f"example {i}" if last in (None, i) else f"examples {i} to {last}"
    error.add_note(f"raised while {what} worked on {where}")


# ---- batches


def stands_for(single: str) -> Callable[[_Method], _Method]:
    """Mark a batch method that calls `single` for one example after the other."""

    def mark(method: _Method) -> _Method:
        vars(method)["stands_for"] = single
        return method

    return mark


def takes_n_jobs(method: Any) -> bool:
    """Whether a batch method shares its work among processors by itself."""
    return _has_n_jobs(getattr(method, "__func__", method))


@functools.lru_cache(maxsize=64)
def _has_n_jobs(function: Callable[..., Any]) -> bool:
    return "n_jobs" in inspect.signature(function).parameters


def ask_batch(
    model: Any, name: str, *columns: Sequence[Any], w: Any, **options: Any
) -> tuple[str, Any]:
    """Call a batch method; returns the name of the method for later messages, and the outputs.

    Raises
    ------
    ValueError
        If there is not one output for each example.
    """
    method = getattr(model, name)
    single = getattr(method, "stands_for", None)
    numbers = Numbered.numbers_of(columns[0])
    n = len(numbers)
    try:
        outputs = method(*columns, w, **options)
    except Exception as error:
        own = not str(getattr(method, "__module__", "")).startswith("structsvm.")
        if single is None and own and n:
            note_example(error, name, int(numbers[0]), int(numbers[-1]))
        raise
    if not hasattr(outputs, "__len__") or isinstance(outputs, (str, bytes, dict, set)):
        raise ValueError(
            f"{name} returned {brief(outputs)}, expected a list with one output for each of the "
            f"{n} examples"
        )
    if len(outputs) != n:
        raise ValueError(f"{name} returned {len(outputs)} outputs for {n} examples")
    return single or name, outputs


# ---- outputs


def check_output(method: str, i: int, y: Any, y_hat: Any) -> None:
    """Raise ValueError if y_hat is a pair of an output and its score.

    The message names the method and the example.
    """
    if (
        type(y_hat) is tuple
        and len(y_hat) == 2
        and isinstance(y_hat[1], numbers.Real)
        and _alike(y_hat[0], y)
        and not _alike(y_hat, y)
    ):
        raise ValueError(
            f"{method} returned {brief(y_hat)} for example {i}, expected an output such as y: "
            "return only the output, without its score or energy"
        )


def _alike(a: Any, b: Any) -> bool:
    """Whether a may be the same kind of output as b."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_alike, a, b))
    kinds: tuple[Any, ...] = (numbers.Number, str, (list, np.ndarray))
    kind = next((kind for kind in kinds if isinstance(b, kind)), type(b))
    return isinstance(a, kind)


# ---- losses


def task_loss(model: Any, i: int, y: Any, y_hat: Any, method: str) -> float:
    """``model.loss(y, y_hat)`` as a number; `method` returned y_hat for example i.

    Raises
    ------
    ValueError
        If the output or the loss is of the wrong kind.
    """
    check_output(method, i, y, y_hat)
    return loss_number(i, model.loss(y, y_hat))


def loss_number(i: int, value: Any) -> float:
    """The value of a loss as a float; raises ValueError if it is not a number."""
    if type(value) is float:
        return value
    wrong = isinstance(value, (str, bytes, complex, np.complexfloating))
    if not wrong and getattr(value, "shape", ()) == ():
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise ValueError(f"loss(y[{i}], y_hat) returned {brief(value)}, expected one number")


class LossCheck:
    """Check that task losses are finite and >= 0; losses below 0 by rounding become 0, with one
    warning.

    Rounding is judged against the greatest loss so far, or losses between the first few true
    outputs Y.
    """

    def __init__(self, model: Any, Y: Sequence[Any]) -> None:
        self.model = model
        self.Y = Y
        self.greatest = 1.0
        self.told = False

    def __call__(self, i: int, loss: float) -> float:
        if 0.0 <= loss < math.inf:
            if loss > self.greatest:
                self.greatest = loss
            return loss
        if not self._is_rounding(loss):
            self._learn_scale(i)
        if not self._is_rounding(loss):
            raise ValueError(f"loss(y[{i}], y_hat) returned {loss}; a task loss is finite and >= 0")
        if not self.told:
            self.told = True
            warnings.warn(
                f"loss(y[{i}], y_hat) returned {loss}, below 0 by rounding: such losses count as "
                "0. Return max(loss, 0.0) to silence this",
                RuntimeWarning,
                stacklevel=2,
            )
        return 0.0

    def _is_rounding(self, loss: float) -> bool:
        return -_ROUNDING * self.greatest <= loss < 0.0

    def _learn_scale(self, i: int) -> None:
        for other in itertools.islice(self.Y, _TRUTHS):
            with contextlib.suppress(Exception):  # it may be no output of this x
                loss = abs(float(self.model.loss(self.Y[i], other)))
                if self.greatest < loss < math.inf:
                    self.greatest = loss


# ---- joint features


def sparse_vector(psi: Any, size: int, where: str) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """``(indices, values)`` of a joint feature: a dense array, such a pair, or a scipy sparse row.

    Raises
    ------
    ValueError
        If the kind is wrong, the shape or an index does not fit `size`, or a value is NaN or inf;
        the message starts with `where`.
    """
    if sp.issparse(psi):
        indices, values = _sparse_row(psi, where)
        length = math.prod(psi.shape)
        if length != size:
            raise ValueError(f"{where} has {length} entries, expected {size}")
    elif isinstance(psi, tuple) and len(psi) == 2:
        indices, values = _array(psi[0], f"{where}[0]"), _real(psi[1], f"{where}[1]")
        if indices.ndim != 1 or values.shape != indices.shape:
            raise ValueError(
                f"{where} is a pair (indices, values) of shapes {indices.shape} and "
                f"{values.shape}; both must be 1-D and equally long"
            )
        if indices.size and indices.dtype.kind not in "iu":
            raise ValueError(f"{where} has indices of dtype {indices.dtype}, expected integers")
    else:
        dense = _real(psi, where, f"expected ({size},)")
        if dense.shape != (size,):
            raise ValueError(f"{where} has shape {dense.shape}, expected ({size},)")
        indices = np.flatnonzero(dense)
        values = dense[indices]
    if indices.size and not (indices.min() >= 0 and indices.max() < size):
        raise ValueError(
            f"{where} has indices from {indices.min()} to {indices.max()}, expected 0 to {size - 1}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{where} holds NaN or inf")
    return (
        np.ascontiguousarray(indices, dtype=np.int32),
        np.ascontiguousarray(values, dtype=np.float64),
    )


def number_of_weights(psi: Any, where: str) -> int | None:
    """The length of a joint feature; None for a pair, which does not have it."""
    if isinstance(psi, tuple) and len(psi) == 2:
        return None
    return math.prod(psi.shape if sp.issparse(psi) else _real(psi, where).shape)


def _sparse_row(psi: Any, where: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Indices and values of a sparse row; duplicates are not summed."""
    check_sparse(where, psi)
    if math.prod(psi.shape) != max(psi.shape):
        raise ValueError(f"{where} has shape {psi.shape}, expected one row")
    row = psi.tocoo()
    return row.coords[int(np.argmax(psi.shape))], _real(row.data, where)


def _real(value: Any, where: str, expected: str = "expected (n_weights,)") -> NDArray[np.float64]:
    """An array as float64; raises ValueError unless its entries are real numbers."""
    array = _array(value, where)
    if array.dtype.kind in "fiub":
        return array.astype(np.float64, copy=False)
    fractions = array.dtype.kind == "O" and array.ndim > 0
    if fractions and all(isinstance(entry, numbers.Real) for entry in array.flat):
        return array.astype(np.float64)
    if array.ndim == 0:
        raise ValueError(
            f"{where} returned {brief(value)}, which has shape (), {expected}: return {_FORMS}"
        )
    raise ValueError(f"{where} has dtype {array.dtype}, expected real numbers")


def _array(value: Any, where: str) -> NDArray[Any]:
    if np.ma.is_masked(value):
        raise ValueError(f"{where} has masked entries, expected real numbers")
    try:
        return np.asarray(value)
    except Exception as error:
        raise ValueError(
            f"{where} returned {brief(value)}, no array of numbers: {error}"
        ) from error


# ---- words

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def brief(value: Any) -> str:
    """A short description of a value for a message."""
    if value is None or isinstance(value, (bool, numbers.Number, str, tuple)):
        return _SHORT.repr(value)
    kind = type(value).__name__
    article = "an" if kind[0] in "aeiou" else "a"
    if getattr(value, "shape", None) is not None:
        return ("an array" if isinstance(value, np.ndarray) else f"{article} {kind}") + (
            f" of shape {tuple(value.shape)}"
        )
    return f"{article} {kind}"
