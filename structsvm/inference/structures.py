"""Structure: which outputs there are, before any example is given."""

from __future__ import annotations

import abc
import ctypes
import numbers
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import LowLevelCallable
from sklearn.base import BaseEstimator

from structsvm.inference._foreign import CompiledMaximizer
from structsvm.inference._maximizer import Maximizer

__all__ = ["Bounded", "Compiled", "Structure"]


# What all function types of ctypes derive from; it has no public name.
_CFUNCTION: Any = ctypes.CFUNCTYPE(None).__base__


class Bounded(NamedTuple):
    """What a maximizer may answer that stops before it has found the best output."""

    output: Any
    bound: float  #: no output scores more


class Structure(BaseEstimator, abc.ABC):  # type: ignore[misc]
    """A kind of output that is made of parts: paths of edges, matchings of pairs, subsets of items.

    A structure says what holds for all examples, and makes maximizers for given ones. Parameters of
    its constructor are stored under their names.
    """

    @abc.abstractmethod
    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> Maximizer:
        """The maximizer of these examples.

        Parameters
        ----------
        contexts : sequence
            What each example says about its outputs: a graph, a capacity, a shape. None: what the
            constructor says.
        n_parts : sequence of int
            Number of parts of each example.

        Raises
        ------
        ValueError
            If a context does not fit, or an example has no output; the error names the example.
        """

    def part_count(self) -> int | None:
        """The number of parts, if all examples have the same and the constructor says it."""
        return None


class Compiled(Structure):
    """Outputs that a compiled function finds, of numba, cffi, ctypes, Cython or C.

    The function is called without the GIL, as ``maximize`` of the header ``maximizer.h`` in
    `structsvm.get_include()`::

        int maximize(void *user, int64_t i, int32_t thread, double *theta,
                     int32_t *labels, double *value)

    For example `i` and scores `theta` it writes the parts that the best output uses into `labels`,
    ascending; there is room for `n_labels`, filled with -1. Into `value` it writes their score. It
    returns 0, or another number to say that it failed.

    Parameters
    ----------
    function : int, ctypes or cffi function, numba ``cfunc``, PyCapsule, or `scipy.LowLevelCallable`
        The function or its address.
    n_labels : int, default=None
        The most parts that an output uses, the room in `labels`. None: all parts.
    user : ndarray or callable, default=None
        The array whose data `user` points to, or ``user(contexts, n_parts)``, which makes it for
        the examples that are bound.
    exact : bool, default=True
        Whether the function always finds the best output; if not, the gap of a fit is an estimate.
    """

    def __init__(
        self,
        function: Any,
        n_labels: int | None = None,
        *,
        user: NDArray[Any] | Callable[..., NDArray[Any]] | None = None,
        exact: bool = True,
    ) -> None:
        self.function = function
        self.n_labels = n_labels
        self.user = user
        self.exact = exact

    def __sklearn_clone__(self) -> Compiled:
        return self  # functions of ctypes cannot be copied

    def __reduce__(self) -> Any:
        raise TypeError(
            "Compiled cannot be pickled: the address of its function holds in this process alone. "
            "Keep coef_ of the model, and set it in one that is made anew"
        )

    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> Maximizer:
        user = self.user(contexts, n_parts) if callable(self.user) else self.user
        if user is not None and not (isinstance(user, np.ndarray) and user.flags.c_contiguous):
            raise TypeError(f"user is {type(user).__name__}, expected a C-contiguous array")
        if self.n_labels is not None and not (
            isinstance(self.n_labels, numbers.Integral) and self.n_labels >= 0
        ):
            raise ValueError(f"n_labels={self.n_labels!r}: expected an integer >= 0, or None")
        room = n_parts if self.n_labels is None else [self.n_labels] * len(n_parts)
        return CompiledMaximizer(
            address_of(self.function),
            n_parts,
            room,
            user=0 if user is None else user.ctypes.data,
            owner=(self.function, user),
            exact=self.exact,
        )


def address_of(function: Any) -> int:
    """The address of a compiled function.

    Raises
    ------
    TypeError
        If it is none of the kinds that `Compiled` takes.
    """
    if type(function).__module__ == "_cffi_backend":
        function = LowLevelCallable(function)
    if isinstance(function, LowLevelCallable):
        if function.user_data is not None:
            raise TypeError(
                "function is a LowLevelCallable with user_data, which Compiled does not pass on: "
                "give it as user, an array"
            )
        function = tuple.__getitem__(function, 0)  # a capsule, whatever it was made of
    if type(function).__name__ == "PyCapsule":
        return _address_in(function)
    if isinstance(function, numbers.Integral):
        return int(function)
    if isinstance(getattr(function, "address", None), int):  # numba
        return int(function.address)
    if isinstance(function, _CFUNCTION):
        return ctypes.cast(function, ctypes.c_void_p).value or 0
    raise TypeError(
        f"function is {type(function).__name__}, expected a function of ctypes, cffi or "
        "numba.cfunc, a LowLevelCallable, a PyCapsule or an address. A Python function goes to "
        "PartsModel as it is"
    )


def _address_in(capsule: Any) -> int:
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    if name(capsule) == b"ssvm_maximizer":
        raise TypeError(
            "function is a capsule of a whole maximizer: return ForeignMaximizer(capsule) from bind"
            " of a Structure of your own"
        )
    return pointer(capsule, name(capsule)) or 0
