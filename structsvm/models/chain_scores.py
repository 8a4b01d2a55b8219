"""Scores of chains, and what is computed from them besides the best labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import shorten
from structsvm.data.labels import encode_labels, flatten_labels
from structsvm.data.sequences import PackedSequences
from structsvm.inference import marginals, max_marginals

if TYPE_CHECKING:
    from structsvm.models.chain import ChainModel

__all__ = [
    "ChainScores",
    "allowed_by_choices",
    "chain_scores",
    "marginals_of",
    "max_marginals_of",
    "scores_of",
]

# Most transition scores in memory at a time, if each position has its own.
_CHUNK_CELLS = 1 << 22


class ChainScores(NamedTuple):
    """Scores of chains one after the other, in the form of `structsvm.inference`."""

    unary: NDArray[np.float64]  #: (n_positions, K), K states
    transition: NDArray[np.float64]  #: (K, K), or (n_positions, K, K)
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    lengths: NDArray[np.int64]


def chain_scores(
    model: ChainModel, packed: PackedSequences, w: NDArray[np.float64]
) -> Iterator[ChainScores]:
    """Yield the scores of all sequences in order, in chunks of bounded memory."""
    blocks = model.weight_blocks(w)
    transition, start, end = (blocks[name] for name in ("transition", "start", "end"))
    if (forbidden := model.forbidden_scores()) is not None:
        transition, start, end = (
            scores + mask for scores, mask in zip((transition, start, end), forbidden, strict=True)
        )
    n_states = len(start)
    for first, stop in _chunks(packed, n_states):
        rows, edges = packed.block(first, stop)
        unary = model._of_states(rows @ blocks["state"] + blocks["intercept"])
        steps = transition
        if edges is not None:
            edge = blocks["edge"].reshape(-1, n_states * n_states)
            steps = (edges @ edge).reshape(-1, n_states, n_states) + transition
        yield ChainScores(unary, steps, start, end, packed.lengths[first:stop])


def _chunks(packed: PackedSequences, n_states: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of sequences of the chunks."""
    if packed.edges is None:
        if len(packed):
            yield 0, len(packed)
        return
    most = max(_CHUNK_CELLS // n_states**2, 1)
    first = 0
    while first < len(packed):
        end = packed.offsets[first] + most
        stop = max(int(np.searchsorted(packed.offsets, end, side="right")) - 1, first + 1)
        yield first, stop
        first = stop


def max_marginals_of(chunks: Iterable[ChainScores]) -> list[NDArray[np.float64]]:
    """For each chain, the best score of a labelling with each label fixed at each position."""
    found: list[NDArray[np.float64]] = []
    for scores in chunks:
        values = max_marginals(*scores[:4], lengths=scores.lengths)
        found += np.split(values, np.cumsum(scores.lengths)[:-1])
    return found


def marginals_of(
    chunks: Iterable[ChainScores], sharpness: float
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """For each chain the probabilities of labels, scores times `sharpness` being logarithms of
    those of sequences; and the logarithms of the sums."""
    found: list[NDArray[np.float64]] = []
    sums: list[NDArray[np.float64]] = [np.zeros(0)]
    for scores in chunks:
        own = (sharpness * part for part in scores[:4])
        values, log_partition = marginals(*own, lengths=scores.lengths)
        found += np.split(values, np.cumsum(scores.lengths)[:-1])
        sums.append(np.atleast_1d(log_partition))
    return found, np.concatenate(sums)


def scores_of(chunks: Iterable[ChainScores], states: NDArray[np.int32]) -> NDArray[np.float64]:
    """The score of one sequence of states for each chain."""
    found: list[float] = []
    begin = 0
    for scores in chunks:
        first = 0
        for length in scores.lengths.tolist():
            y = states[begin + first : begin + first + length]
            at = np.arange(first, first + length)
            value = 0.0
            if length:
                value = float(scores.unary[at, y].sum() + scores.start[y[0]] + scores.end[y[-1]])
                steps = scores.transition
                if steps.ndim == 2:
                    value += float(steps[y[:-1], y[1:]].sum())
                else:
                    value += float(steps[at[1:], y[:-1], y[1:]].sum())
            found.append(value)
            first += length
        begin += first
    return np.array(found)


def allowed_by_choices(
    y: Sequence[Any], lengths: NDArray[np.int64], classes: NDArray[Any]
) -> NDArray[np.bool_]:
    """Which labels partial labellings allow, one row for each position.

    Raises
    ------
    ValueError
        For an unknown label, or a length that does not fit; the message says where.
    """
    allowed = np.ones((int(lengths.sum()), len(classes)), dtype=bool)
    starts = np.cumsum(lengths) - lengths
    for i, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
        for t, of_position in _choices(i, y[i], length, classes):
            allowed[start + t] = of_position
    return allowed


def _choices(
    i: int, given: Any, length: int, classes: NDArray[Any]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield the positions where `given` restricts the labels, and the labels it allows."""
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        raise ValueError(
            f"y[{i}] is {given!r}; expected, for each position, a label, a list of labels, or None"
        )
    if len(given) != length:
        raise ValueError(f"y[{i}] has {len(given)} items, but X[{i}] has {length} positions")
    for t, choice in enumerate(given):
        if choice is None:
            continue
        several = isinstance(choice, (list, tuple, set, frozenset, np.ndarray))
        labels = list(choice) if several else [choice]
        try:
            numbers = encode_labels(flatten_labels([labels])[0], classes)
        except ValueError:
            raise ValueError(
                f"y[{i}][{t}] is {choice!r}; expected None, or one or several of "
                f"{shorten(classes.tolist())}"
            ) from None
        if not len(numbers):
            raise ValueError(f"y[{i}][{t}] allows no label; None allows all labels")
        allowed = np.zeros(len(classes), dtype=bool)
        allowed[numbers] = True
        yield t, allowed
