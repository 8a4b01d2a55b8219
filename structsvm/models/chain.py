"""ChainModel: label sequences scored by positions and neighbours."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.base import StructuredModel
from structsvm.inference import viterbi
from structsvm.losses import HammingLoss, make_loss
from structsvm.models.chain_scores import (
    chain_scores,
    complete_chains,
    max_marginals_of,
    n_best_of,
)
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

    An x may be a pair (features, edge features): row t of the latter, z_t, describes position t
    together with the one before, and adds sum_g z_tg edge[g, y_{t-1}, y_t].

    The weight vector is state (n_features, n_classes), intercept (n_classes,), transition
    (n_classes, n_classes), start and end (n_classes,) and edge (n_edge_features, n_classes,
    n_classes), row-major and one after the other; blocks that are switched off, or that data have
    no use for, are left out. Training and prediction run in compiled code; the four
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
    n_features_in_, n_edge_features_in_ : int
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
        self.resize(np.unique(flat), packed.n_features, packed.n_edge_features)

    def resize(self, classes: NDArray[Any], n_features: int, n_edge_features: int = 0) -> None:
        """Take labels (sorted, distinct) and numbers of features as given, not from data."""
        if n_edge_features and not self.transitions:
            raise ValueError(
                f"there are {n_edge_features} edge features, which are part of transition scores: "
                "they need transitions=True"
            )
        self.classes_ = classes
        self.n_features_in_ = n_features
        self.n_edge_features_in_ = n_edge_features
        self.n_weights = sum(math.prod(shape) for _, shape in self._block_shapes())
        if not 0 < self.n_weights < 2**31:
            edges = f", {n_edge_features} edge features" if n_edge_features else ""
            raise ValueError(
                f"{n_features} features{edges} and {len(classes)} labels make {self.n_weights} "
                "weights, expected 1 to 2**31 - 1"
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
        if self.n_edge_features_in_:
            blocks.append(("edge", (self.n_edge_features_in_, k, k)))
        return blocks

    def weight_blocks(self, w: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The blocks of a weight vector by name, as views; zeros for blocks switched off."""
        k = len(self.classes_)
        blocks = {"intercept": np.zeros(k), "transition": np.zeros((k, k))}
        blocks |= {"start": np.zeros(k), "end": np.zeros(k), "edge": np.zeros((0, k, k))}
        place = 0
        for name, shape in self._block_shapes():
            size = math.prod(shape)
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
        packed = self._pack(X)
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

    def _pack(self, X: Sequence[Any]) -> PackedSequences:
        return pack_sequences(X, self.n_features_in_, self.n_edge_features_in_)

    def _problem(
        self, packed: PackedSequences, labels: NDArray[np.int32] | None, loss: ChainLoss | None
    ) -> FactoredProblem:
        k, edges = len(self.classes_), None
        if self.n_edge_features_in_ and packed.edges is not None:
            edges = (*_csr_arrays(packed.edges), packed.n_edge_features)
        features = ChainFeatures(
            packed.offsets,
            *_csr_arrays(packed.rows),
            self.n_features_in_,
            k,
            intercept=self.fit_intercept,
            transitions=self.transitions,
            boundary=self.boundary,
            edges=edges,
        )
        structure = ChainStructure(
            packed.offsets,
            k,
            transitions=self.transitions,
            boundary=self.boundary,
            edges=edges is not None,
            forbidden=self.forbidden_scores(),
        )
        n_positions = int(packed.offsets[-1])
        cells = packed.rows.nnz * k + n_positions * k * (k if self.transitions else 1)
        if packed.edges is not None:
            cells += packed.edges.nnz * k * k
        work = cells / _LANES / max(len(packed.lengths), 1)
        return FactoredProblem(features, structure, loss, labels, packed.offsets, work)

    def forbidden_scores(self) -> tuple[NDArray[np.float64], ...] | None:
        """What constraints add to transition, start and end scores, if there are any: 0 or -inf."""
        allowed = self._allowed()
        return None if allowed is None else allowed.scores()

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
        return max_marginals_of(chain_scores(self, self._pack(X), w))

    def n_best(
        self, X: Sequence[Any], w: NDArray[np.float64], n: int
    ) -> list[list[tuple[NDArray[Any], float]]]:
        """For each x its best labellings with their scores; see `structsvm.inference.n_best`."""
        return [
            [(self.classes_[row], float(score)) for row, score in zip(labels, scores, strict=True)]
            for labels, scores in n_best_of(chain_scores(self, self._pack(X), w), n)
        ]

    def complete(
        self, X: Sequence[Any], y: Sequence[Any], w: NDArray[np.float64]
    ) -> list[NDArray[Any]]:
        """The best labels where some are given: see `ChainSVM.complete`."""
        packed = self._pack(X)
        if len(y) != len(packed):
            raise ValueError(f"X has {len(packed)} examples but y has {len(y)}")
        return complete_chains(chain_scores(self, packed, w), y, self.classes_)

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
        (rows, edges), labels = self._dense(x), self._numbers(y)
        psi = np.zeros(self.n_weights)
        blocks = self.weight_blocks(psi)
        np.add.at(blocks["state"].T, labels, rows)
        np.add.at(blocks["intercept"], labels, 1.0)
        np.add.at(blocks["transition"], (labels[:-1], labels[1:]), 1.0)
        np.add.at(blocks["edge"].transpose(1, 2, 0), (labels[:-1], labels[1:]), edges[1:])
        blocks["start"][labels[:1]] = 1.0
        blocks["end"][labels[-1:]] = 1.0
        return psi

    def loss(self, y: Any, y_hat: Any) -> float:
        """The task loss of answering y_hat where y is right."""
        return make_loss(self.task_loss).value(
            self._numbers(y), self._numbers(y_hat), self._cost_matrix()
        )

    def inference(self, x: Any, w: NDArray[np.float64]) -> NDArray[Any]:
        return self._decode(*self._scores(x, w))

    def loss_augmented_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> NDArray[Any]:
        labels = self._numbers(y)
        unary, transition = self._scores(x, w)
        scale = make_loss(self.task_loss).position_scale(np.array([len(labels)]))
        return self._decode(unary + scale[:, None] * self._cost_matrix()[labels], transition)

    def slack_rescaled_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> NDArray[Any]:
        return self.batch_slack_rescaled_inference([x], [y], w)[0]

    def _cost_matrix(self) -> NDArray[np.float64]:
        return make_loss(self.task_loss).cost_matrix(len(self.classes_))

    def _numbers(self, y: ArrayLike) -> NDArray[np.int32]:
        return encode_labels(flatten_labels([y])[0], self.classes_)

    def _scores(
        self, x: Any, w: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores of positions, those of the ends included, and of the steps to each."""
        rows, edges = self._dense(x)
        blocks = self.weight_blocks(w)
        unary: NDArray[np.float64] = rows @ blocks["state"] + blocks["intercept"]
        unary[:1] += blocks["start"]
        unary[-1:] += blocks["end"]
        return unary, np.tensordot(edges, blocks["edge"], axes=1) + blocks["transition"]

    def _decode(self, unary: NDArray[np.float64], transition: NDArray[np.float64]) -> NDArray[Any]:
        start, end = None, None
        if (masks := self.forbidden_scores()) is not None:
            forbidden, start, end = masks
            transition = transition + forbidden
        return self.classes_[viterbi(unary, transition, start, end)[0]]

    def _dense(self, x: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Features and edge features; there may be none of the latter."""
        packed = self._pack([x])
        if packed.edges is None:
            return packed.rows.toarray(), np.zeros((packed.rows.shape[0], 0))
        return packed.rows.toarray(), packed.edges.toarray()


def _csr_arrays(
    matrix: Any,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    return matrix.indptr.astype(np.int64, copy=False), matrix.indices, matrix.data
