"""The kinds of tokens in sentences; later ones must be of the kinds that `fit` saw."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from structsvm.data.sequences import no_sequence

__all__ = ["check_kinds", "check_sequences", "listed", "token_kinds"]


def check_sequences(X: Any) -> list[Any]:
    """X as a list of sequences; iterators, X itself or a sequence, become lists.

    Raises
    ------
    ValueError
        If X or one of the sequences is something else.
    """
    X = listed(X)
    if (wrong := no_sequence(X)) is not None:
        raise ValueError(f"X is a {wrong}; expected a list of sequences of tokens")
    sequences = []
    for i, sequence in enumerate(X):
        if hasattr(sequence, "__iter__") and not hasattr(sequence, "__len__"):
            sequence = list(sequence)
        elif (wrong := no_sequence(sequence)) is not None:
            raise ValueError(f"X[{i}] is a {wrong}; expected a list of tokens")
        sequences.append(sequence)
    return sequences


def listed(values: Any) -> Any:
    """An iterator, such as a generator, as a list; anything else as it is."""
    return list(values) if isinstance(values, Iterator) else values


def token_kinds(sequences: Sequence[Any]) -> set[str]:
    """The kinds of tokens there are: "word", "tuple", "list" (of any other collection), "dict"."""
    return set(map(_kind, set(map(type, itertools.chain.from_iterable(sequences)))))


def _kind(of_token: type) -> str:
    for name, known in (("word", str), ("tuple", tuple), ("dict", Mapping)):
        if issubclass(of_token, known):
            return name
    return "list"


def check_kinds(sequences: Sequence[Any], fitted: Collection[str] | None) -> None:
    """Raise ValueError for the first token of a kind that `fit` did not see; None: it saw any."""
    if not fitted or token_kinds(sequences) <= set(fitted):
        return
    i, t, token = next(
        (i, t, token)
        for i, sequence in enumerate(sequences)
        for t, token in enumerate(sequence)
        if _kind(type(token)) not in fitted
    )
    raise ValueError(
        f"X[{i}][{t}] is {token!r}, a {_kind(type(token))}, but the tokens that fit saw are "
        f"{' and '.join(f'{name}s' for name in sorted(fitted))}: pass what was fitted, or fit anew"
    )
