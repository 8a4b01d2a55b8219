"""Base classes of models whose labels may be hidden."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.labels import PackedLabels
from structsvm.models.factored import FactoredModel, PackedInputs, PackedModel

__all__ = ["CompletableLabels", "CompletableModel", "StatesModel"]


class CompletableModel(PackedModel):
    """A model of outputs of which any label may be unknown: void in training, or completed."""

    takes_void = True

    @abc.abstractmethod
    def free_labels(self, y: PackedLabels) -> NDArray[np.bool_] | None:
        """Which labels say nothing, so that they may be completed; None if all are known.

        Parameters
        ----------
        y : PackedLabels

        Returns
        -------
        free : bool ndarray of shape (n_labels,), or None
        """

    def complete_numbers(
        self,
        X: PackedInputs,
        allowed: NDArray[np.bool_],
        free: NDArray[np.intp],
        w: NDArray[np.float64],
        before: PackedLabels | None,
    ) -> NDArray[np.int32]:
        """The best of the `allowed` labels, as the problem numbers them, of the examples that have
        some of the `free` labels; other rows mean nothing."""
        examples = np.unique(np.searchsorted(X.offsets, free, side="right") - 1)
        known = None if before is None else self.label_numbers(before)
        problem: Any = self.make_problem(X, None)
        labels: NDArray[np.int32] = problem.complete(w, allowed, examples.astype(np.int32), known)
        return labels

    def loss_of_completion(self, a: PackedLabels, b: PackedLabels, i: int) -> float:
        return 0.0  # by the weights of what was filled in

    def differing(self, a: PackedLabels, b: PackedLabels) -> NDArray[np.intp]:
        places = np.flatnonzero(a.labels != b.labels)
        return np.unique(np.searchsorted(a.offsets, places, side="right") - 1)

    def batch_complete(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64]
    ) -> list[Any]:
        inputs, partial = self._read(X, Y)
        assert partial is not None
        return list(self.completed(inputs, partial, w))

    def complete(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        return self.batch_complete([x], [y], w)[0]


class CompletableLabels(CompletableModel, FactoredModel):
    """A `CompletableModel` of labels that are all of one set."""

    def completed(
        self,
        X: PackedInputs,
        y: PackedLabels,
        w: NDArray[np.float64],
        before: PackedLabels | None = None,
    ) -> PackedLabels:
        if (free := self.free_labels(y)) is None:
            return y
        numbers = self.class_numbers(y)
        allowed = free[:, None] | (numbers[:, None] == np.arange(len(self.classes_)))
        able = self._of_states(allowed)
        states = self.complete_numbers(X, able, np.flatnonzero(free), w, before)
        return y.filled(np.where(free, self.write_labels(states), y.labels), free)

    def _of_states(self, of_labels: NDArray[Any]) -> NDArray[Any]:
        """Columns of what the problem numbers, from columns of labels."""
        return of_labels


class StatesModel(CompletableLabels):
    """A `CompletableLabels` whose labels may have several states each: see `HiddenStates`."""

    @abc.abstractmethod
    def part_rows(self, X: PackedInputs) -> Any:
        """The features at the place of each label, as a matrix.

        Parameters
        ----------
        X : PackedInputs

        Returns
        -------
        rows : matrix of shape (n_labels, n_features)
        """

    @abc.abstractmethod
    def neighbours(self, X: PackedInputs) -> list[sp.csr_array]:
        """Which labels are scored together, as matrices of 0 and 1: one for each kind of
        neighbour.

        Parameters
        ----------
        X : PackedInputs

        Returns
        -------
        matrices : list of csr_array of shape (n_labels, n_labels)
        """

    def forbidden_pairs(self, label_of: NDArray[np.intp]) -> list[Any] | None:
        """The constraints of states that have these labels, by number, if there are any.

        Parameters
        ----------
        label_of : int ndarray of shape (n_states,)
            The number of each state's label.

        Returns
        -------
        constraints : list or None
        """
        return None
