"""SpanModel: segmentations of sequences, scored by whole segments."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.labels import PackedLabels, encode_labels, flatten_partial
from structsvm.data.scaling import ColumnScaling, FeatureGroup, row_chunks
from structsvm.data.schemes import scheme_named
from structsvm.data.sequences import (
    PackedSequences,
    as_items,
    is_pair,
    no_sequence,
    pack_sequences,
)
from structsvm.data.state import State, checked_classes
from structsvm.exceptions import LabelError
from structsvm.features.spans import check_max_length, n_spans_of
from structsvm.inference._spans import SpanMaximizer
from structsvm.losses import HammingLoss, make_loss
from structsvm.models.chain import position_chunks
from structsvm.models.completion import CompletableLabels
from structsvm.models.factored import PackedInputs
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import BlockFeatures, FeatureBlock, RowBlock, TableBlock
from structsvm.problems._losses import LabelLoss, PartLoss
from structsvm.problems._span_loss import SpanLoss
from structsvm.problems.layout import Layout

__all__ = ["SpanModel"]

_LOSSES = ("hamming", "normalized_hamming", "spans")

# Rough number of multiply-adds of a vector instruction: see Problem.oracle_work.
_LANES = 8

#: A span as users write it: first position, the position after the last, and label.
Span = tuple[int, int, str]


@dataclasses.dataclass
class _PackedSpans:
    """Features of positions and of spans, each one sequence an example."""

    positions: PackedSequences
    spans: PackedSequences | None

    @property
    def offsets(self) -> NDArray[np.int64]:
        return self.positions.offsets

    def __getitem__(self, index: Any) -> Any:
        if self.spans is None or isinstance(index, slice):
            return self.positions[index]
        return self.positions[index], self.spans[index]

    def take(self, chosen: Sequence[int]) -> _PackedSpans:
        spans = None if self.spans is None else self.spans.take(chosen)
        return _PackedSpans(self.positions.take(chosen), spans)


class SpanModel(CompletableLabels):
    r"""Spans of sequences: segments with labels, and scores for whole segments.

    A sequence is cut into segments, each with a label; positions that are in no span are segments
    of their own. A segment from a to b - 1 with label k has the score

    .. math::
        \sum_{t=a}^{b-1} (x_t^\top \mathrm{state} + \mathrm{intercept})[\mathrm{tag}_t]
        + z_{ab}^\top \mathrm{span}[k] + \mathrm{length}[\mathrm{bin}(b - a), k]

    where the tag is B-k at a and I-k from there on, and segments that follow each other add
    transition[k', k], the first and the last one start[k] and end[k]. So features z of the whole
    span count, such as its length, its words, or whether a list has it, which no chain can see.

    The weight vector holds the blocks state (n_features, n_tags), intercept (n_tags,), span
    (n_span_features, n_labels), length (n_bins, n_labels), transition (n_labels, n_labels), start
    and end (n_labels,), row-major and one after the other.

    Parameters
    ----------
    task_loss : {"hamming", "normalized_hamming", "spans"} or HammingLoss, default="hamming"
        The number, the share or the cost of positions with a wrong tag; or the number of spans that
        are in one output only, so that a wrong end costs 2.
    max_length : int, default=None
        The most positions of a span. None: that of the longest in training. Inputs with features of
        spans need it.
    length_bins : sequence of int, default=(1, 2, 3, 4, 5, 7, 10, 15)
        The least length of each bin of lengths, ascending from 1; each bin has a weight for each
        label. Empty: lengths have no weights.
    first_position : bool, default=True
        Whether the first position of a span has state weights of its own. Otherwise those of its
        label are shared, and state and intercept have n_labels columns.
    fit_intercept : bool, default=True
    output : {"spans", "tags"}, default="spans"
        How predictions are written: lists of (start, stop, label), or arrays of tags in the scheme
        IOB2.

    Attributes
    ----------
    classes_ : ndarray of shape (n_tags,)
        The tags, sorted.
    tags_ : list of str
        The tags in the order of columns of state weights: by label, B before I.
    labels_ : list
        The labels of segments; None, the first, for positions that are in no span, if there are.
    max_length_ : int
    n_features_in_, n_span_features_in_ : int
    n_weights : int

    Notes
    -----
    An x is an array or CSR matrix of shape (length, n_features); or a pair of it and an array or
    CSR matrix of features of spans, with one row for each span that `structsvm.features.spans_of`
    lists for this length and `max_length`. A y is a list of spans (start, stop, label), or a
    sequence of tags in the scheme IOB2; labels are strings. A span in y that is longer than
    `max_length` is an error. `score` is the F1 of spans.

    Tags in y may be None. In a `StructSVM` these positions are void: they have no loss, and
    training leaves out what touches one, the steps to it and from it and spans that hold one or end
    at one. `LatentSVM` completes them, so that the spans there count. The loss "spans" takes none.

    Exact: the Viterbi recursion over segments, in time O(T L K + T K^2) for T positions, spans of
    up to L positions, and K labels, beside the computation of scores.

    References
    ----------
    S. Sarawagi, W. Cohen (2004). Semi-Markov conditional random fields for information extraction.
    NIPS.
    R. McDonald, K. Crammer, F. Pereira (2005). Flexible text segmentation with structured
    multilabel classification. EMNLP. https://aclanthology.org/H05-1124

    Examples
    --------
    A span is a run of ones with an even sum, which features of positions cannot tell:

    >>> import numpy as np
    >>> from structsvm import SpanModel, StructSVM
    >>> from structsvm.features import spans_of
    >>> def read(row):
    ...     x, spans = np.array(row, dtype=float)[:, None], spans_of(len(row), 4)
    ...     sums = np.array([x[a:b].sum() for a, b in spans])
    ...     return x, np.stack([sums == spans[:, 1] - spans[:, 0], sums % 2 == 0], 1).astype(float)
    >>> X = [read(row) for row in ([1, 1, 0, 1], [0, 1, 1, 1, 1, 0], [1, 0, 1, 1], [1, 0, 0])]
    >>> y = [[(0, 2, "even")], [(1, 5, "even")], [(2, 4, "even")], []]
    >>> svm = StructSVM(SpanModel("spans", max_length=4), C=10, random_state=0).fit(X, y)
    >>> svm.predict([read([0, 1, 1, 0, 1])])
    [[(1, 3, 'even')]]
    """

    def __init__(
        self,
        task_loss: str | HammingLoss = "hamming",
        *,
        max_length: int | None = None,
        length_bins: Sequence[int] = (1, 2, 3, 4, 5, 7, 10, 15),
        first_position: bool = True,
        fit_intercept: bool = True,
        output: str = "spans",
    ) -> None:
        self.task_loss = task_loss
        self.max_length = max_length
        self.length_bins = length_bins
        self.first_position = first_position
        self.fit_intercept = fit_intercept
        self.output = output

    # ---- sizes and weights

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        if not len(y.labels):
            raise ValueError("all sequences in X are empty: there is nothing to learn from")
        if not len(y.known):
            raise ValueError("all tags in y are None: nothing is left to learn")
        if classes is None:
            classes = np.unique(y.known)
        longest = self.max_length
        if longest is None:
            begins = np.array([tag[:1] != "I" for tag in classes.tolist()])
            places = np.minimum(np.searchsorted(classes, y.labels), len(classes) - 1)
            begins = np.append(begins[places], True)
            begins[y.offsets] = True
            more = np.zeros(len(begins), dtype=np.int64)
            if y.void is not None:  # what is known of spans ends there
                # A span that is known from an inner tag on has a position more.
                more[1:] = ~begins[1:] & y.void
                more[:-1][y.void] = 0
                begins[:-1] |= y.void
                begins[1:] |= y.void
            starts = np.flatnonzero(begins)
            longest = int((np.diff(starts) + more[starts[:-1]]).max())
        self.resize(classes, **X.sizes, max_length=longest)

    def resize(
        self, classes: NDArray[Any], n_features: int, n_span_features: int, max_length: int
    ) -> None:
        """Set the tags (sorted, distinct), the numbers of features and the longest span.

        Parameters
        ----------
        classes : ndarray of shape (n_tags,)
            Sorted and distinct.
        n_features : int
        n_span_features : int
        max_length : int
        """
        places = _tag_places(classes)
        has_inner = [inner >= 0 for _, inner in places.values()]
        numbers = np.cumsum([0, *(1 + inner for inner in has_inner)])
        self.classes_ = classes
        self.labels_ = list(places)
        self.n_features_in_ = n_features
        self.n_span_features_in_ = n_span_features
        self.max_length_ = max_length
        # In the problem tags are numbered by label, so that those of one label lie together.
        self._place_of = np.array([p for pair in places.values() for p in pair if p >= 0])
        self._number_of = np.argsort(self._place_of).astype(np.int32)
        self._first = numbers[:-1].astype(np.int32)
        self._inner = np.where(has_inner, self._first + 1, -1).astype(np.int32)
        self._label_of = np.repeat(np.arange(len(places), dtype=np.int32), np.diff(numbers))
        self._bins = self._bin_of_lengths(max_length)
        k, n_columns = len(places), len(classes) if self.first_position else len(places)
        blocks: list[tuple[str, tuple[int, ...]]] = [("state", (n_features, n_columns))]
        if self.fit_intercept:
            blocks.append(("intercept", (n_columns,)))
        blocks += [
            ("span", (n_span_features, k)),
            ("length", (int(self._bins.max()) + 1, k)),
            ("transition", (k, k)),
            ("start", (k,)),
            ("end", (k,)),
        ]
        self.layout_ = Layout(blocks)
        self.n_weights = self.layout_.n_weights
        if not 0 < self.n_weights < 2**31:
            raise ValueError(
                f"{n_features} features, {n_span_features} features of spans and {len(classes)} "
                f"tags make {self.n_weights} weights, expected 1 to 2**31 - 1"
            )

    def _bin_of_lengths(self, max_length: int) -> NDArray[np.int32]:
        """The bin of each length from 1 on."""
        check_max_length(max_length)
        bins = list(self.length_bins)
        if not all(isinstance(b, numbers.Integral) for b in bins) or (
            bins and (bins[0] != 1 or any(a >= b for a, b in itertools.pairwise(bins)))
        ):
            raise ValueError(
                f"length_bins={self.length_bins!r}: expected integers, ascending from 1, or none"
            )
        lengths = np.arange(1, max_length + 1)
        found: NDArray[np.int32] = np.searchsorted(bins, lengths, side="right").astype(np.int32)
        return found - 1

    @property
    def tags_(self) -> list[str]:
        tags: list[str] = self.classes_[self._place_of].tolist()
        return tags

    def to_state(self) -> State:
        return {
            "n_features": self.n_features_in_,
            "n_span_features": self.n_span_features_in_,
            "max_length": self.max_length_,
            "classes": self.classes_,
        }

    def from_state(self, state: State) -> Self:
        classes = checked_classes(state)
        self.resize(classes, state["n_features"], state["n_span_features"], state["max_length"])
        return self

    def n_table_entries(self, state: State) -> int:
        return int(state["max_length"]) + len(state["classes"]) ** 2

    def weight_blocks(self, w: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The blocks of a weight vector by name, as views; zeros for an intercept switched off.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)

        Returns
        -------
        blocks : dict of str to ndarray
        """
        blocks = self.layout_.views(w)
        return {"intercept": np.zeros(blocks["state"].shape[1])} | blocks

    # ---- inputs

    def input_sizes(self) -> dict[str, int]:
        return {
            "n_features": self.n_features_in_,
            "n_span_features": self.n_span_features_in_,
        }

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        if self.output not in ("spans", "tags"):
            raise ValueError(f"output={self.output!r}: expected 'spans' or 'tags'")
        if isinstance(self.task_loss, str) and self.task_loss not in _LOSSES:
            names = ", ".join(map(repr, _LOSSES))
            raise ValueError(
                f"unknown loss {self.task_loss!r}: expected one of {names}, or a HammingLoss"
            )
        items, known = as_items("X", X), sizes or {}
        expected, n_features = known.get("n_span_features"), known.get("n_features")
        paired = 0 if isinstance(items, PackedSequences) else sum(map(is_pair, items))
        if paired and paired < len(items):
            i = next(i for i, x in enumerate(items) if is_pair(x) != is_pair(items[0]))
            raise ValueError(
                f"X[{i}] {'has no' if is_pair(items[0]) else 'has'} features of spans, unlike X[0]"
            )
        if expected and not paired and len(items):
            raise ValueError(
                "the items of X are single arrays, expected pairs (features, features of spans) "
                f"with {expected} features of spans"
            )
        positions = pack_sequences([x[0] for x in items] if paired else items, n_features)
        if positions.edges is not None:
            raise ValueError("X has edge features, which spans do not have; give it without")
        spans = None
        if paired:
            spans = pack_sequences([x[1] for x in items], expected)
            self._check_spans(positions.lengths, spans.lengths)
        n_span_features = (expected or 0) if spans is None else spans.n_features
        found = {"n_features": positions.n_features, "n_span_features": n_span_features}
        return PackedInputs(_PackedSpans(positions, spans), positions.offsets, found)

    def _check_spans(self, lengths: NDArray[np.int64], n_rows: NDArray[np.int64]) -> None:
        longest = self.max_length
        if longest is None:
            raise ValueError("X has features of spans, which need max_length; spans_of lists them")
        check_max_length(longest)
        wanted = n_spans_of(lengths, longest)
        if (wrong := np.flatnonzero(wanted != n_rows)).size:
            i = int(wrong[0])
            raise ValueError(
                f"X[{i}] has {n_rows[i]} rows of features of spans, expected {wanted[i]}: the "
                f"spans_of({lengths[i]}, {longest}), as it has {lengths[i]} positions and "
                f"max_length={longest}"
            )

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        if all(columns.is_identity for columns in scaling.values()):
            return X
        positions, spans = X.items.positions, X.items.spans
        rows = scaling["state"].apply(positions.rows)
        positions = PackedSequences(rows, positions.offsets)
        if spans is not None and "span" in scaling:
            spans = PackedSequences(scaling["span"].apply(spans.rows), spans.offsets)
        return PackedInputs(_PackedSpans(positions, spans), X.offsets, X.sizes)

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        positions, spans = X.items.positions, X.items.spans
        chunks = functools.partial(position_chunks, positions, y)
        intercept = "intercept" if self.fit_intercept else None
        groups = [FeatureGroup("state", chunks, positions.n_features, intercept)]
        if spans is not None and spans.n_features:
            weights = y.sample_weight
            of_rows = None if weights is None else np.repeat(weights, spans.lengths)
            of_spans = row_chunks(spans.rows, of_rows)
            groups.append(FeatureGroup("span", of_spans, spans.n_features, None))
        return groups

    # ---- outputs

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        lengths = None if X is None else np.diff(X.offsets)
        items = as_items("y", y)
        if lengths is not None and len(items) != len(lengths):
            raise ValueError(f"X has {len(lengths)} examples but y has {len(items)}")
        rows = [
            _as_tags(i, item, None if lengths is None else int(lengths[i]))
            for i, item in enumerate(items)
        ]
        flat, lengths, void = flatten_partial(rows, lengths)
        if void is not None and void.all():
            flat = np.full(len(flat), "O")  # any tag
        if void is not None and self.task_loss == "spans":
            i, t = _place_in(lengths, int(np.argmax(void)))
            raise ValueError(
                f"y[{i}][{t}] is None, but task_loss='spans' counts whole spans, which unknown "
                "tags do not tell: use 'hamming'"
            )
        if len(flat) and flat.dtype.kind != "U":
            raise ValueError(
                f"y has the tag {flat[0].item()!r}; expected spans (start, stop, label), or tags "
                "such as 'B-NP', 'I-NP' and 'O'"
            )
        offsets = np.append(0, np.cumsum(lengths)) if X is None else X.offsets
        return PackedLabels(flat, offsets, void=void)

    def class_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        if y.void is None:
            return super().class_numbers(y)
        numbers = np.full(len(y.labels), -1, dtype=np.int32)
        numbers[~y.void] = encode_labels(y.known, self.classes_)
        return numbers

    def label_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        """The numbers of tags in the problem; -1 for void ones."""
        if y.void is not None:
            return np.where(y.void, np.int32(-1), self._number_of[self.class_numbers(y)])
        numbers = self._number_of[self.class_numbers(y)]
        labels = self._label_of[numbers]
        begins = numbers == self._first[labels]
        opens = np.zeros(len(numbers), dtype=bool)
        opens[y.offsets[:-1][y.lengths > 0]] = True
        stray = ~begins & (opens | (labels != np.roll(labels, 1)))
        if stray.any():
            place = int(np.argmax(stray))
            i, t = _place(y, place)
            raise ValueError(f"y[{i}][{t}] is {y.labels[place].item()!r}, but no span goes on here")
        starts = np.flatnonzero(begins)
        sizes = np.diff(np.append(starts, len(numbers)))
        if sizes.max(initial=0) > self.max_length_:
            place = int(starts[np.argmax(sizes)])
            i, t = _place(y, place)
            raise ValueError(
                f"y[{i}] has a span of {sizes.max()} positions from {t} on, but max_length is "
                f"{self.max_length_}: raise it, or cut the span"
            )
        return numbers

    def write_labels(self, numbers: NDArray[np.int32]) -> NDArray[Any]:
        tags: NDArray[Any] = self.classes_[self._place_of[numbers]]
        return tags

    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        if self.output == "tags":
            return super().write_outputs(X, answers)
        rows = (answers[a:b] for a, b in itertools.pairwise(X.offsets.tolist()))
        return [self._spans(row) for row in rows]

    def _spans(self, numbers: NDArray[np.int32]) -> list[Span]:
        labels = self._label_of[numbers]
        starts = np.flatnonzero(numbers == self._first[labels])
        stops = np.append(starts, len(numbers))[1:]
        found = zip(starts.tolist(), stops.tolist(), labels[starts].tolist(), strict=True)
        return [
            (start, stop, self.labels_[label])
            for start, stop, label in found
            if self.labels_[label] is not None
        ]

    # ---- completion

    def free_labels(self, y: PackedLabels) -> NDArray[np.bool_] | None:
        return y.void

    def completed(
        self,
        X: PackedInputs,
        y: PackedLabels,
        w: NDArray[np.float64],
        before: PackedLabels | None = None,
    ) -> PackedLabels:
        try:
            return super().completed(X, y, w, before)
        except LabelError as error:
            raise LabelError(
                f"{str(error).partition(' leaves')[0]} leaves no spans of up to {self.max_length_} "
                "positions that agree with the tags that are known",
                error.place,
            ) from None

    def _of_states(self, of_labels: NDArray[Any]) -> NDArray[Any]:
        return of_labels[:, self._place_of]

    # ---- problem and losses

    def cost_matrix(self) -> NDArray[np.float64]:
        if self.task_loss == "spans":
            return HammingLoss().cost_matrix(len(self.classes_))
        return super().cost_matrix()

    def part_factors(
        self, y: PackedLabels, scaling: Mapping[str, ColumnScaling] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        if self.task_loss == "spans":
            if scaling is None:
                return None  # what one label everywhere would lose, tags do not tell
            of_loss = np.char.startswith(y.labels, "B").astype(float)
        else:
            of_loss = make_loss(self.task_loss).position_scale(y.lengths)
            if y.weight is not None:
                of_loss = of_loss * y.weight
        square = 0.0 if scaling is None else scaling["state"].mean_square
        return of_loss, np.full(len(of_loss), square + bool(self.fit_intercept))

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> FactoredProblem:
        positions, spans = X.items.positions, X.items.spans
        lengths, k = positions.lengths, len(self.labels_)
        void = None if y is None else y.void
        maximizer = SpanMaximizer(
            lengths, self._first, self._inner, self.max_length_, self._bins, void
        )
        if spans is None:
            ends = np.append(0, np.cumsum(n_spans_of(lengths, self.max_length_)))
            spans = PackedSequences(sp.csr_array((int(ends[-1]), self.n_span_features_in_)), ends)
        labels, loss = None, None
        if y is not None:
            if y.void is not None:
                self.completed(X, y, np.zeros(self.n_weights))  # raises if no spans agree
            labels, loss = self.label_numbers(y), self._part_loss(y, maximizer)
        layout = self.layout_
        intercept = ["intercept"] if self.fit_intercept else []
        of_positions = RowBlock(
            FeatureRows(positions.rows, intercept=self.fit_intercept),
            layout.place("state", *intercept).start,
            len(self.classes_),
            offsets=positions.offsets,
            pad=True,
            column_of=None if self.first_position else self._label_of,
        )
        of_spans = RowBlock(
            FeatureRows(spans.rows, intercept=False),
            layout.place("span").start,
            k,
            offsets=spans.offsets,
            pad=True,
            name="features of spans",
        )
        tables = layout.place("length", "transition", "start", "end")
        n_rows = (tables.stop - tables.start) // k
        blocks: dict[str, FeatureBlock] = {
            "position": of_positions,
            "span": of_spans,
            "shared": TableBlock(len(lengths), tables.start, n_rows, k, pad=True),
        }
        cells = positions.rows.nnz * len(self.classes_) + (spans.rows.nnz + spans.rows.shape[0]) * k
        work = cells / _LANES / max(len(lengths), 1)
        features = BlockFeatures(layout.n_weights, blocks)
        return FactoredProblem(features, maximizer, loss, labels, positions.offsets, work)

    def _part_loss(self, y: PackedLabels, maximizer: SpanMaximizer) -> PartLoss:
        if self.task_loss == "spans":
            return SpanLoss(maximizer, 0 if self.labels_[0] is None else -1)
        weight = make_loss(self.task_loss).position_scale(y.lengths)
        if y.weight is not None:
            weight = weight * y.weight
        cost = self.cost_matrix()[np.ix_(self._place_of, self._place_of)]
        return LabelLoss(y.offsets, cost, weight, row_size=maximizer.tag_stride)

    def loss(self, y: Any, y_hat: Any) -> float:
        """The task loss of y_hat where y is the truth.

        Spans do not tell how long their sequence is: of lists of spans "normalized_hamming" is the
        share of the positions up to the end of the last one. Of tags, and in training, it is that
        of all positions.
        """
        if self.task_loss == "spans":
            return float(len(_span_set(y) ^ _span_set(y_hat)))
        rows = [_as_tags(0, output, None) for output in (y, y_hat)]
        longest = max(map(len, rows))
        padded = [[*row, *["O"] * (longest - len(row))] for row in rows]
        return super().loss(*padded)

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """F1 of spans: twice the right ones over true and predicted ones; 0 without any. Spans that
        touch positions whose true tag is None, or stand next to one, are left out."""
        pairs = [_told_spans(y, y_hat) for y, y_hat in zip(Y, Y_hat, strict=True)]
        total = sum(len(y) + len(y_hat) for y, y_hat in pairs)
        return 2.0 * sum(len(y & y_hat) for y, y_hat in pairs) / total if total else 0.0


def _tag_places(classes: NDArray[Any]) -> dict[str | None, tuple[int, int]]:
    """The labels of these tags, None for "O" first, and the places of their first and inner tag."""
    scheme, firsts = scheme_named("iob2"), dict[str | None, int]()
    inners: dict[str | None, int] = {}
    for place, tag in enumerate(classes.tolist()):
        try:
            prefix, kind = scheme.split(place, tag)
        except ValueError:
            raise ValueError(
                f"y has the tag {tag!r}, expected 'O', 'B-' and a label, or 'I-' and a label (IOB2)"
            ) from None
        label = None if prefix == "O" else kind
        of_prefix = inners if prefix == "I" else firsts
        if label in of_prefix:
            raise ValueError(f"two tags say the same, {classes[of_prefix[label]]!s} and {tag}")
        of_prefix[label] = place
    if stray := [label for label in inners if label not in firsts]:
        raise ValueError(f"y has the tag {f'I-{stray[0]}'!r} but never {f'B-{stray[0]}'!r}")
    labels = sorted(firsts, key=lambda label: (label is not None, label))
    return {label: (firsts[label], inners.get(label, -1)) for label in labels}


def _is_spans(item: Any) -> bool:
    """Whether an output is a list of spans; one without entries may be either."""
    return not isinstance(item, np.ndarray) and all(
        isinstance(entry, (tuple, list)) and len(entry) == 3 for entry in item
    )


def _as_tags(i: int, item: Any, length: int | None) -> Any:
    """An output as tags; without a length, as far as its last span reaches."""
    if no_sequence(item) is not None:
        return item
    if not _is_spans(item):
        for entry in item:
            if isinstance(entry, (tuple, list)):
                raise ValueError(
                    f"y[{i}] holds {entry!r}, expected spans (start, stop, label) alone, or tags "
                    "alone"
                )
        return item
    spans = sorted(_checked_span(i, entry) for entry in item)
    end = max((stop for _, stop, _ in spans), default=0)
    tags = ["O"] * (end if length is None else length)
    if end > len(tags):
        raise ValueError(f"y[{i}] has a span up to {end}, but X[{i}] has {length} positions")
    last = 0
    for start, stop, label in spans:
        if start < last:
            raise ValueError(f"y[{i}] has spans that overlap at position {start}")
        tags[start:stop] = [f"B-{label}", *[f"I-{label}"] * (stop - start - 1)]
        last = stop
    return tags


def _checked_span(i: int, entry: Any) -> Span:
    start, stop, label = entry
    ends = all(
        isinstance(end, numbers.Integral) and not isinstance(end, bool) for end in (start, stop)
    )
    if not ends or not isinstance(label, str) or not 0 <= start < stop:
        raise ValueError(
            f"y[{i}] has the span {entry!r}, expected (start, stop, label) with integers "
            "0 <= start < stop and a string"
        )
    return int(start), int(stop), str(label)


def _told_spans(y: Any, y_hat: Any) -> tuple[set[Span], set[Span]]:
    """True and predicted spans, without those that unknown tags of y leave open."""
    unknown = {t + s for t, entry in enumerate(y) if entry is None for s in (-1, 0, 1)}
    if not unknown:
        return _span_set(y), _span_set(y_hat)
    truth = _span_set(["O" if entry is None else entry for entry in y])
    told = [
        {span for span in spans if unknown.isdisjoint(range(*span[:2]))}
        for spans in (truth, _span_set(y_hat))
    ]
    return told[0], told[1]


def _span_set(item: Iterable[Any]) -> set[Span]:
    """The spans of an output, in either form."""
    entries = list(item)
    if _is_spans(entries):
        return {_checked_span(0, entry) for entry in entries}
    split = [scheme_named("iob2").split(t, tag) for t, tag in enumerate(entries)]
    found: set[Span] = set()
    starts = [t for t, (prefix, _) in enumerate(split) if prefix != "I"]
    for start, stop in itertools.pairwise([*starts, len(split)]):
        if split[start][0] == "B":
            found.add((start, stop, split[start][1]))
    return found


def _place_in(lengths: NDArray[np.int64], place: int) -> tuple[int, int]:
    """The sequence that a label is in, and its place there."""
    ends = np.cumsum(lengths)
    i = int(np.searchsorted(ends, place, side="right"))
    return i, place - int(ends[i] - lengths[i])


def _place(y: PackedLabels, place: int) -> tuple[int, int]:
    """The sequence that a label is in, and its place there."""
    i = int(np.searchsorted(y.offsets, place, side="right")) - 1
    return i, place - int(y.offsets[i])
