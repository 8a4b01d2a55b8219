"""Sentences as people pass them: what kind of tokens they hold, which must be what `fit` saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["check_kinds", "check_sequences", "token_kinds"]

#: Where the first token of a kind is.
Kinds = dict[str, tuple[int, int]]


def check_sequences(X: Any) -> list[Any]:
    """The sequences of X, if it is a list of lists; iterators among them are read, once.

    Raises
    ------
    ValueError
        If X or one of the sequences is something else.
    """
    if isinstance(X, (str, bytes, Mapping)) or not hasattr(X, "__len__"):
        raise ValueError(f"X is a {type(X).__name__}; expected a list of sequences of tokens")
    sequences = []
    for i, sequence in enumerate(X):
        if isinstance(sequence, (str, bytes, Mapping)) or not hasattr(sequence, "__iter__"):
            raise ValueError(f"X[{i}] is a {type(sequence).__name__}; expected a list of tokens")
        sequences.append(sequence if hasattr(sequence, "__len__") else list(sequence))
    return sequences


def token_kinds(sequences: Sequence[Any]) -> Kinds:
    """The kinds of tokens there are: "word", "tuple", "list" (of any other collection), "dict"."""
    types: dict[type, int] = {}
    for i, sequence in enumerate(sequences):
        for kind in set(map(type, sequence)) - types.keys():
            types[kind] = i
    kinds: Kinds = {}
    for kind, i in types.items():
        t = next(t for t, token in enumerate(sequences[i]) if type(token) is kind)
        kinds.setdefault(_name(kind), (i, t))
    return kinds


def _name(kind: type) -> str:
    for name, of_kind in (("word", str), ("tuple", tuple), ("dict", Mapping)):
        if issubclass(kind, of_kind):
            return name
    return "list"


def check_kinds(sequences: Sequence[Any], found: Kinds, fitted: Iterable[str] | None) -> None:
    """Raise ValueError for the first token of a kind that `fit` did not see; None: it saw any."""
    if fitted is None:
        return
    seen = sorted(fitted)
    for kind, (i, t) in found.items():
        if seen and kind not in seen:
            raise ValueError(
                f"X[{i}][{t}] is {sequences[i][t]!r}, a {kind}, but the tokens that fit saw are "
                f"{' and '.join(f'{name}s' for name in seen)}: pass what was fitted, or fit anew"
            )
