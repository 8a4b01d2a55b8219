"""ChainModel: label sequences scored by positions and neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.base import StructuredModel
from structsvm.inference import max_marginals, viterbi
from structsvm.losses import HammingLoss, make_loss
from structsvm.models.constraints import Allowed, allowed_labels
from structsvm.problems._chain import ChainFeatures, ChainLoss, ChainStructure
from structsvm.problems._factored import FactoredProblem
from structsvm.sequences import PackedSequences
from structsvm.validation import (
    encode_labels,
    flatten_labels,
    pack_position_weight,
    pack_sequences,
)

__all__ = ["ChainModel"]

# Multiply-adds that a vector instruction does at once, roughly: see Problem.oracle_work.
_LANES = 8


class ChainModel(StructuredModel):
    r"""Sequences of labels, one for each position of x.

    .. math::
        \langle w, \psi(x, y) \rangle = \mathrm{start}[y_1] + \sum_t (x_t^\top \mathrm{state}
        + \mathrm{intercept})[y_t] + \sum_t \mathrm{transition}[y_{t-1}, y_t] + \mathrm{end}[y_T]

    The weight vector is state (n_features, n_classes), intercept (n_classes,), transition
    (n_classes, n_classes), start and end (n_classes,), row-major and one after the other; blocks
    that are switched off are left out. Training and prediction run in compiled code; the four
    methods of `StructuredModel` do the same for one example in numpy.

    Slack rescaling is exact, by a dynamic program over positions, labels and the loss so far: it
    takes up to T times the time of Viterbi for T positions. Costs must then be whole multiples of
    one unit (1, 1.5 and 4 are of .5), and position weights constant within a sequence.

    Parameters
    ----------
    task_loss : {"hamming", "normalized_hamming"} or HammingLoss, default="hamming"
    fit_intercept : bool, default=True
        Give each label a weight of its own. It is regularised like any other.
    transitions : bool, default=True
        Score neighbouring labels. Without, each position is classified by itself.
    boundary : bool, default=True
        Score the first and the last label.
    constraints : {"iob2", "iobes"} or list of pairs (from, to), default=None
        Labels that must not follow each other, in training and in prediction: by the rules of a
        tagging scheme ("I-NP" only after "B-NP" or "I-NP"), or as listed; None in place of "from"
        is the start and in place of "to" the end of a sequence. Needs `transitions`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
    n_weights : int
    """

    def __init__(
        self,
        task_loss: str | HammingLoss = "hamming",
        *,
        fit_intercept: bool = True,
        transitions: bool = True,
        boundary: bool = True,
        constraints: str | Sequence[Any] | None = None,
    ) -> None:
        self.task_loss = task_loss
        self.fit_intercept = fit_intercept
        self.transitions = transitions
        self.boundary = boundary
        self.constraints = constraints

    # ---- sizes and weights

    def initialize(self, X: Sequence[Any], y: Sequence[Any]) -> None:
        """Learn the labels and the number of features."""
        packed = pack_sequences(X)
        flat, _ = flatten_labels(y, packed.lengths)
        if not len(flat):
            raise ValueError("all sequences in X are empty: there is nothing to learn from")
        self.resize(np.unique(flat), packed.n_features)

    def resize(self, classes: NDArray[Any], n_features: int) -> None:
        """Take labels (sorted, distinct) and number of features as given, not from data."""
        self.classes_ = classes
        self.n_features_in_ = n_features
        self.n_weights = sum(int(np.prod(shape)) for _, shape in self._block_shapes())
        if not 0 < self.n_weights < 2**31:
            raise ValueError(
                f"{n_features} features and {len(classes)} labels make {self.n_weights} weights, "
                "expected 1 to 2**31 - 1"
            )

    def _block_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        k = len(self.classes_)
        blocks: list[tuple[str, tuple[int, ...]]] = [("state", (self.n_features_in_, k))]
        if self.fit_intercept:
            blocks.append(("intercept", (k,)))
        if self.transitions:
            blocks.append(("transition", (k, k)))
        if self.boundary:
            blocks += [("start", (k,)), ("end", (k,))]
        return blocks

    def weight_blocks(self, w: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The blocks of a weight vector by name, as views; zeros for blocks switched off."""
        k = len(self.classes_)
        blocks = {"intercept": np.zeros(k), "transition": np.zeros((k, k))}
        blocks |= {"start": np.zeros(k), "end": np.zeros(k)}
        place = 0
        for name, shape in self._block_shapes():
            size = int(np.prod(shape))
            blocks[name] = w[place : place + size].reshape(shape)
            place += size
        return blocks

    # ---- the compiled way

    def bind(
        self, X: Sequence[Any], y: Sequence[Any] | None = None, *, position_weight: Any = None
    ) -> FactoredProblem:
        """These sequences as a problem; without `y` it can only decode.

        Parameters
        ----------
        position_weight : list of arrays of shape (length,), default=None
            Factor of the loss at each position.
        """
        packed = pack_sequences(X, self.n_features_in_)
        labels = loss = None
        if y is None and position_weight is not None:
            raise ValueError("position_weight weighs the loss, which needs y: bind the model to y")
        if y is not None:
            flat, _ = flatten_labels(y, packed.lengths)
            labels = encode_labels(flat, self.classes_)
            if (allowed := self._allowed()) is not None:
                allowed.check(labels, packed.offsets, self.classes_)
            scale = make_loss(self.task_loss).position_scale(packed.lengths)
            weight = pack_position_weight(position_weight, packed.lengths)
            loss = ChainLoss(
                packed.offsets, self._cost_matrix(), scale if weight is None else scale * weight
            )
        return self._problem(packed, labels, loss)

    def _problem(
        self, packed: PackedSequences, labels: NDArray[np.int32] | None, loss: ChainLoss | None
    ) -> FactoredProblem:
        k = len(self.classes_)
        features = ChainFeatures(
            packed.offsets,
            packed.rows.indptr.astype(np.int64, copy=False),
            packed.rows.indices,
            packed.rows.data,
            packed.n_features,
            k,
            intercept=self.fit_intercept,
            transitions=self.transitions,
            boundary=self.boundary,
        )
        allowed = self._allowed()
        structure = ChainStructure(
            packed.offsets,
            k,
            transitions=self.transitions,
            boundary=self.boundary,
            forbidden=None if allowed is None else allowed.scores(),
        )
        n_positions = int(packed.offsets[-1])
        cells = packed.rows.nnz * k + n_positions * k * (k if self.transitions else 1)
        work = cells / _LANES / max(len(packed.lengths), 1)
        return FactoredProblem(features, structure, loss, labels, packed.offsets, work)

    def _allowed(self) -> Allowed | None:
        if self.constraints is None:
            return None
        if not self.transitions:
            raise ValueError("constraints forbid transitions, so they need transitions=True")
        return allowed_labels(self.constraints, self.classes_)

    def batch_inference(
        self, X: Sequence[Any], w: NDArray[np.float64], *, n_jobs: int = 1
    ) -> list[NDArray[Any]]:
        problem = self.bind(X)
        labels, _ = problem.decode(w, n_threads=n_jobs)
        return self._split(labels, problem)

    def batch_loss_augmented_inference(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64], *, n_jobs: int = 1
    ) -> list[NDArray[Any]]:
        problem = self.bind(X, Y)
        labels, _ = problem.decode(w, augmented=True, n_threads=n_jobs)
        return self._split(labels, problem)

    def batch_slack_rescaled_inference(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64], *, n_jobs: int = 1
    ) -> list[NDArray[Any]]:
        problem = self.bind(X, Y)
        problem.set_rescaling("slack")
        labels, _ = problem.decode(w, augmented=True, n_threads=n_jobs)
        return self._split(labels, problem)

    def batch_best_score(
        self, X: Sequence[Any], w: NDArray[np.float64], *, n_jobs: int = 1
    ) -> NDArray[np.float64]:
        _, values = self.bind(X).decode(w, n_threads=n_jobs)
        return values

    def max_marginals(self, X: Sequence[Any], w: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """For each x, the best score of a labelling with each label at each position.

        Arrays of shape (length, n_classes); see `structsvm.inference.max_marginals`.
        """
        packed = pack_sequences(X, self.n_features_in_)
        blocks = self.weight_blocks(w)
        transition, start, end = (blocks[name] for name in ("transition", "start", "end"))
        if (allowed := self._allowed()) is not None:
            forbidden = allowed.scores()
            transition, start, end = (
                scores + mask
                for scores, mask in zip((transition, start, end), forbidden, strict=True)
            )
        values = max_marginals(
            packed.rows @ blocks["state"] + blocks["intercept"],
            transition,
            start,
            end,
            lengths=packed.lengths,
        )
        return np.split(values, packed.offsets[1:-1]) if len(packed.lengths) else []

    def _split(self, labels: NDArray[np.int32], problem: FactoredProblem) -> list[NDArray[Any]]:
        names = self.classes_[labels]
        ends = problem.label_offsets.tolist()
        return [names[start:stop] for start, stop in itertools.pairwise(ends)]

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Share of positions labelled rightly. A label never seen in training counts as wrong."""
        guess, lengths = flatten_labels(Y_hat)
        truth, _ = flatten_labels(Y, lengths)
        if not len(truth):
            raise ValueError("all sequences are empty: there is no position to score")
        truth_numbers = encode_labels(truth, self.classes_, unknown=-1)
        return float(np.mean(truth_numbers == encode_labels(guess, self.classes_)))

    # ---- the same in numpy, one example at a time

    def joint_feature(self, x: Any, y: Any) -> NDArray[np.float64]:
        """psi(x, y), of shape (n_weights,)."""
        x, labels = self._dense(x), self._numbers(y)
        psi = np.zeros(self.n_weights)
        blocks = self.weight_blocks(psi)
        np.add.at(blocks["state"].T, labels, x)
        np.add.at(blocks["intercept"], labels, 1.0)
        np.add.at(blocks["transition"], (labels[:-1], labels[1:]), 1.0)
        blocks["start"][labels[:1]] = 1.0
        blocks["end"][labels[-1:]] = 1.0
        return psi

    def loss(self, y: Any, y_hat: Any) -> float:
        """The task loss of answering y_hat where y is right."""
        return make_loss(self.task_loss).value(
            self._numbers(y), self._numbers(y_hat), self._cost_matrix()
        )

    def inference(self, x: Any, w: NDArray[np.float64]) -> NDArray[Any]:
        return self._decode(self._unary(x, w), w)

    def loss_augmented_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> NDArray[Any]:
        labels = self._numbers(y)
        scale = make_loss(self.task_loss).position_scale(np.array([len(labels)]))
        return self._decode(self._unary(x, w) + scale[:, None] * self._cost_matrix()[labels], w)

    def slack_rescaled_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> NDArray[Any]:
        return self.batch_slack_rescaled_inference([x], [y], w)[0]

    def _cost_matrix(self) -> NDArray[np.float64]:
        return make_loss(self.task_loss).cost_matrix(len(self.classes_))

    def _numbers(self, y: ArrayLike) -> NDArray[np.int32]:
        return encode_labels(flatten_labels([y])[0], self.classes_)

    def _unary(self, x: Any, w: NDArray[np.float64]) -> NDArray[np.float64]:
        blocks = self.weight_blocks(w)
        scores: NDArray[np.float64] = self._dense(x) @ blocks["state"] + blocks["intercept"]
        scores[:1] += blocks["start"]
        scores[-1:] += blocks["end"]
        return scores

    def _decode(self, unary: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[Any]:
        transition, start, end = self.weight_blocks(w)["transition"], None, None
        if (allowed := self._allowed()) is not None:
            forbidden, start, end = allowed.scores()
            transition = transition + forbidden
        return self.classes_[viterbi(unary, transition, start, end)[0]]

    def _dense(self, x: Any) -> NDArray[np.float64]:
        x = np.asarray(x.toarray() if hasattr(x, "toarray") else x, dtype=np.float64)
        # As `bind` does: a sequence without positions may have any number of features.
        return x if len(x) else np.zeros((0, self.n_features_in_))
