"""States of a chain: labels (first order), or pairs of neighbouring labels (second order)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.exceptions import ModelFileError
from structsvm.models.allowed import Allowed

__all__ = ["LabelStates", "PairStates", "all_pairs", "check_pairs_of_labels", "pairs_of"]

_START = -1


class LabelStates:
    """First order: a state is a label."""

    def __init__(self, n_classes: int) -> None:
        self.n_states = n_classes
        self.label_of: NDArray[np.int32] | None = None

    def numbers(
        self, labels: NDArray[np.int32], offsets: NDArray[np.int64], classes: NDArray[Any]
    ) -> NDArray[np.int32]:
        """The states of label sequences."""
        return labels

    def labels(self, states: NDArray[np.int32]) -> NDArray[np.int32]:
        return states

    def allowed(self, of_labels: Allowed | None) -> Allowed | None:
        """Which state may follow which, given the constraints of labels, if any."""
        return of_labels

    def names(self, classes: NDArray[Any]) -> list[Any]:
        names: list[Any] = classes.tolist()
        return names


class PairStates:
    """Second order: a state is a label and the label before it, or the start.

    Parameters
    ----------
    pairs : int array of shape (n_states, 2)
        Label before (-1 for the start) and label; sorted by label, then by label before.
    """

    def __init__(self, pairs: NDArray[np.int64]) -> None:
        self.pairs = pairs
        self.n_states = len(pairs)
        self.before = pairs[:, 0].astype(np.int32)
        self.label_of = pairs[:, 1].astype(np.int32)
        n_classes = int(pairs[:, 1].max()) + 1
        self._number = np.full((n_classes + 1, n_classes), -1, dtype=np.int32)
        self._number[self.before, self.label_of] = np.arange(self.n_states)  # -1 is the last row

    def numbers(
        self, labels: NDArray[np.int32], offsets: NDArray[np.int64], classes: NDArray[Any]
    ) -> NDArray[np.int32]:
        states: NDArray[np.int32] = self._number[_labels_before(labels, offsets), labels]
        if len(wrong := np.flatnonzero(states < 0)):
            i = int(np.searchsorted(offsets, wrong[0], side="right")) - 1
            t = int(wrong[0] - offsets[i])
            label = classes[labels[wrong[0]]].item()
            after = f"after {classes[labels[wrong[0] - 1]].item()!r}" if t else "at the start"
            raise ValueError(
                f"y[{i}][{t}] is {label!r} {after}, a pair that is not in the training data: with "
                "order=2 states are the pairs of labels seen in training"
            )
        return states

    def labels(self, states: NDArray[np.int32]) -> NDArray[np.int32]:
        labels: NDArray[np.int32] = self.label_of[states]
        return labels

    def allowed(self, of_labels: Allowed | None) -> Allowed | None:
        transition = self.label_of[:, None] == self.before[None, :]
        start = self.before == _START
        end = np.ones(self.n_states, dtype=bool)
        if of_labels is not None:
            inner = self.before != _START
            follows = np.ones(self.n_states, dtype=bool)
            follows[inner] = of_labels.transition[self.before[inner], self.label_of[inner]]
            transition &= follows[None, :]
            start &= of_labels.start[self.label_of]
            end &= of_labels.end[self.label_of]
        return Allowed(transition, start, end)

    def names(self, classes: NDArray[Any]) -> list[Any]:
        """Pairs of labels, with None for the start."""
        return [
            (None if a == _START else classes[a].item(), classes[b].item())
            for a, b in self.pairs.tolist()
        ]


def _labels_before(labels: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    before = np.empty_like(labels)
    before[1:] = labels[:-1]
    before[offsets[:-1][offsets[:-1] < offsets[1:]]] = _START
    return before


def pairs_of(labels: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pairs in label sequences, as `PairStates` takes them, and each label with itself.

    The latter make paths of every length possible, even longer than any in training.
    """
    pairs = np.stack([labels, _labels_before(labels, offsets)], axis=1).astype(np.int64)
    twice = np.repeat(np.unique(labels)[:, None], 2, axis=1)
    return np.unique(np.concatenate([pairs, twice]), axis=0)[:, ::-1]


def all_pairs(n_classes: int) -> NDArray[np.int64]:
    """All pairs of labels, and of the start and a label."""
    label, before = np.divmod(np.arange(n_classes * (n_classes + 1)), n_classes + 1)
    return np.stack([before + _START, label], axis=1)


def check_pairs_of_labels(pairs: NDArray[Any], n_classes: int) -> None:
    """Raise ModelFileError for pairs from a file that are not in the order of `PairStates`."""
    if pairs.dtype != np.int64 or pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ModelFileError(f"the pairs of labels are {pairs.dtype} of shape {pairs.shape}")
    flat = pairs[:, 1] * (n_classes + 1) + pairs[:, 0] + 1
    sound = pairs[:, 0].min(initial=0) >= -1 and pairs.max(initial=0) < n_classes
    if not sound or (np.diff(flat) <= 0).any() or len(np.unique(pairs[:, 1])) != n_classes:
        raise ModelFileError("the pairs of labels are not in order, or a label has none")
