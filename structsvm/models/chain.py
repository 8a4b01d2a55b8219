"""ChainModel: label sequences scored by positions and neighbours."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.labels import (
    PackedLabels,
    encode_labels,
    flatten_labels,
    flatten_partial,
    not_a_label,
)
from structsvm.data.scaling import ColumnScaling, FeatureGroup
from structsvm.data.sequences import PackedSequences, pack_label_weight, pack_sequences
from structsvm.data.state import State, checked_classes
from structsvm.exceptions import ModelFileError
from structsvm.inference._chain_maximizer import ChainMaximizer
from structsvm.losses import HammingLoss, make_loss
from structsvm.models.allowed import SCHEMES, SEEN, Allowed, allowed_labels
from structsvm.models.chain_scores import (
    allowed_by_choices,
    chain_scores,
    marginals_of,
    max_marginals_of,
    scores_of,
)
from structsvm.models.completion import StatesModel
from structsvm.models.constraints import (
    ON_VIOLATION,
    Screened,
    check_tags,
    screen_labels,
    seen_transitions,
)
from structsvm.models.factored import PackedInputs
from structsvm.models.path_rules import PathRules, RuledLabels, check_max_paths
from structsvm.models.states import (
    LabelStates,
    PairStates,
    all_pairs,
    check_pairs_of_labels,
    pairs_of,
)
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import (
    BlockFeatures,
    FeatureBlock,
    RowBlock,
    StepBlock,
    TableBlock,
)
from structsvm.problems._losses import LabelLoss
from structsvm.problems.layout import Layout

__all__ = ["ChainModel", "position_chunks"]

# Rough number of multiply-adds of a vector instruction: see Problem.oracle_work.
_LANES = 8

# Entries that are looked at together, of sequences that may not all fit in memory.
_AT_ONCE = 1 << 20


class ChainModel(StatesModel):
    r"""Sequences of labels: one label for each position of x.

    .. math::
        \langle w, \psi(x, y) \rangle = \mathrm{start}[y_1] + \sum_t (x_t^\top \mathrm{state}
        + \mathrm{intercept})[y_t] + \sum_t \mathrm{transition}[y_{t-1}, y_t] + \mathrm{end}[y_T]

    An x may be a pair (features, edge features). Row t of the edge features, z_t, describes
    positions t - 1 and t and adds sum_g z_tg edge[g, y_{t-1}, y_t] to the score.

    The weight vector holds the blocks state (n_features, n_classes), intercept (n_classes,),
    transition (n_classes, n_classes), start and end (n_classes,) and edge (n_edge_features,
    n_classes, n_classes), row-major and one after the other; blocks that are switched off or empty
    are left out. All methods run in compiled code.

    Slack rescaling is exact, by a dynamic program over positions, labels and loss levels. It takes
    up to n_levels times as long as Viterbi, where n_levels is T + 1 for T positions and the Hamming
    loss. Costs must be integer multiples of one unit (1, 1.5 and 4 are multiples of 0.5), and
    position weights constant within a sequence.

    Parameters
    ----------
    task_loss : {"hamming", "normalized_hamming"} or HammingLoss, default="hamming"
        The number or the share of wrong labels, or costs of pairs of labels.
    fit_intercept : bool, default=True
        Whether each label has an intercept. It is regularised like all weights.
    transitions : bool, default=True
        Whether pairs of neighbouring labels have scores. Otherwise each position is classified by
        itself.
    boundary : bool, default=True
        Whether the first and the last label have scores of their own.
    constraints : {"iob2", "iobes", "bilou", "seen"} or list of pairs (from, to), default=None
        Labels that must not follow each other, in training and in prediction: by the rules of a
        tagging scheme ("I-NP" only after "B-NP" or "I-NP"), see `structsvm.metrics.spans`, whose
        letters come last with "-suffix" behind its name; all transitions that the training data do
        not have ("seen"; a sequence for which they leave nothing is an error); or the listed pairs.
        None as "from" is the start of a sequence, None as "to" its end. Needs `transitions`.
    on_violation : {"raise", "skip", "repair"}, default="raise"
        What estimators do with training and held-out sequences that constraints forbid: raise
        ValueError, leave them out, or change their labels. The latter two give one warning and are
        counted in `n_violations_`. With a scheme, "repair" reads the spans as
        `structsvm.metrics.spans` does with "conll" and writes them in the scheme: only prefixes
        change ("O I-NP" becomes "O B-NP"). With a list of pairs it makes the fewest changes of
        labels. "skip" also leaves out sequences with a label that the scheme does not know.
    order : {1, 2}, default=1
        How many labels a transition looks back. With order 2, states are pairs of neighbouring
        labels: the pairs seen in training and each label with itself. Then transition, start, end
        and edge weights have n_states in place of n_classes. Time grows with the square of the
        number of states. Takes no void labels.
    ignore_label : int or str, default=None
        A label that says nothing: positions of y with this label, and those with None, are void.
        See Notes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted, without `ignore_label`.
    states_ : list
        What transitions lead from and to: the labels; with order 2, pairs of labels, whose first
        is None at the start.
    n_features_in_, n_edge_features_in_ : int
    n_weights : int

    Notes
    -----
    A void position has no loss and no features in training, nor has a transition to or from it;
    where it is the first or the last, there is no boundary score. So it cuts the chain: the hinge
    is the sum of those of the pieces, which are runs of known labels, and constraints hold within
    pieces. Its features still count at prediction, which labels every position. For labels that
    are to be completed instead, see `LatentSVM`.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import ChainModel, StructSVM
    >>> X = [np.eye(2)[[0, 1, 1]], np.eye(2)[[1, 0]]]
    >>> y = [["a", "b", "b"], ["b", "a"]]
    >>> svm = StructSVM(ChainModel(), C=10, random_state=0).fit(X, y)
    >>> svm.predict([np.eye(2)[[1, 1]]])[0].tolist()
    ['b', 'b']
    """

    weight_name = "position_weight"
    rescales_slack = True
    _seen: NDArray[np.bool_] | None = None  # which label follows which in training

    def __init__(
        self,
        task_loss: str | HammingLoss = "hamming",
        *,
        fit_intercept: bool = True,
        transitions: bool = True,
        boundary: bool = True,
        constraints: str | Sequence[Any] | None = None,
        on_violation: str = "raise",
        order: int = 1,
        ignore_label: Any = None,
    ) -> None:
        self.task_loss = task_loss
        self.fit_intercept = fit_intercept
        self.transitions = transitions
        self.boundary = boundary
        self.constraints = constraints
        self.on_violation = on_violation
        self.order = order
        self.ignore_label = ignore_label

    # ---- sizes and weights

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        """Learn the labels and the number of features."""
        if not len(y.labels):
            raise ValueError("all sequences in X are empty: there is nothing to learn from")
        if not len(y.known):
            raise ValueError("all labels in y are void: nothing is left to learn")
        pairs = None
        if classes is not None:
            pairs = all_pairs(len(classes)) if self._looks_back() == 2 else None
        else:
            classes = np.unique(y.known)
            if self._looks_back() == 2:
                pairs = pairs_of(self._all_known(encode_labels(y.labels, classes), y), y.offsets)
        numbers = np.full(len(y.labels), -1, dtype=np.int32)
        there = np.ones(len(numbers), bool) if y.void is None else ~y.void
        numbers[there] = encode_labels(y.known, classes)
        seen = seen_transitions(numbers, y.offsets, len(classes))
        self.resize(classes, **X.sizes, pairs=pairs, seen=seen)

    def resize(
        self,
        classes: NDArray[Any],
        n_features: int,
        n_edge_features: int = 0,
        pairs: NDArray[np.int64] | None = None,
        seen: NDArray[np.bool_] | None = None,
    ) -> None:
        """Set the labels (sorted, distinct), the numbers of features, the pairs of labels, and
        which label follows which in training, which counts with ``constraints="seen"``.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)
            Sorted and distinct.
        n_features : int
        n_edge_features : int, default=0
        pairs : int64 ndarray of shape (n_pairs, 2), default=None
            For ``order=2``: the pairs of labels that follow each other.
        seen : bool ndarray of shape (n_classes, n_classes), default=None
        """
        if n_edge_features and not self.transitions:
            raise ValueError(
                f"there are {n_edge_features} edge features; they add to transition scores, so "
                "they need transitions=True"
            )
        self.classes_ = classes
        self.n_features_in_ = n_features
        self.n_edge_features_in_ = n_edge_features
        self._states = LabelStates(len(classes)) if pairs is None else PairStates(pairs)
        self._seen = (
            seen if isinstance(self.constraints, str) and self.constraints == SEEN else None
        )
        self.layout_ = self._layout()
        self.n_weights = self.layout_.n_weights
        if not 0 < self.n_weights < 2**31:
            edges = f", {n_edge_features} edge features" if n_edge_features else ""
            raise ValueError(
                f"{n_features} features{edges} and {len(classes)} labels make {self.n_weights} "
                "weights, expected 1 to 2**31 - 1"
            )

    def to_state(self) -> State:
        """Labels, numbers of features and, with order 2, pairs of labels."""
        state: State = {
            "n_features": self.n_features_in_,
            "n_edge_features": self.n_edge_features_in_,
            "classes": self.classes_,
        }
        if self._seen is not None:
            state = state | {"seen": self._seen.astype(np.int32)}
        return state if self.pairs_ is None else state | {"pairs": self.pairs_}

    def from_state(self, state: State) -> Self:
        classes, pairs = checked_classes(state), state.get("pairs")
        if pairs is not None:
            check_pairs_of_labels(pairs, len(classes))
        seen = state.get("seen")
        if seen is not None and seen.shape != (len(classes),) * 2:
            raise ModelFileError(f"the transitions that were seen have the shape {seen.shape}")
        sizes = state["n_features"], state["n_edge_features"]
        self.resize(classes, *sizes, pairs, None if seen is None else seen != 0)
        return self

    def n_table_entries(self, state: State) -> int:
        """Number of transition scores; files have them even if they are switched off."""
        return len(state["classes"]) ** 2

    @property
    def _only_seen(self) -> bool:
        return isinstance(self.constraints, str) and self.constraints == SEEN

    def _looks_back(self) -> int:
        real = isinstance(self.order, numbers.Real) and not isinstance(self.order, bool)
        if not real or self.order not in (1, 2):
            raise ValueError(f"order={self.order!r}: expected 1 or 2")
        if self.order == 2 and not self.transitions:
            raise ValueError("order=2 needs transitions=True")
        return self.order

    @property
    def pairs_(self) -> NDArray[np.int64] | None:
        """With order 2, the pairs of label numbers that the states are; see `PairStates`."""
        return getattr(self._states, "pairs", None)

    @property
    def states_(self) -> list[Any]:
        return self._states.names(self.classes_)

    def _layout(self) -> Layout:
        k, n_states = len(self.classes_), self._states.n_states
        blocks: list[tuple[str, tuple[int, ...]]] = [("state", (self.n_features_in_, k))]
        if self.fit_intercept:
            blocks.append(("intercept", (k,)))
        if self.transitions:
            blocks.append(("transition", (n_states, n_states)))
        if self.boundary:
            blocks += [("start", (n_states,)), ("end", (n_states,))]
        if self.n_edge_features_in_:
            blocks.append(("edge", (self.n_edge_features_in_, n_states, n_states)))
        return Layout(blocks)

    def weight_blocks(self, w: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The blocks of a weight vector by name, as views; zeros for blocks switched off.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)

        Returns
        -------
        blocks : dict of str to ndarray
        """
        k, n = len(self.classes_), self._states.n_states
        blocks = {"intercept": np.zeros(k), "transition": np.zeros((n, n))}
        blocks |= {"start": np.zeros(n), "end": np.zeros(n), "edge": np.zeros((0, n, n))}
        return blocks | self.layout_.views(w)

    # ---- examples and problem

    def input_sizes(self) -> dict[str, int]:
        return {"n_features": self.n_features_in_, "n_edge_features": self.n_edge_features_in_}

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        packed = pack_sequences(X, **(sizes or {}))
        found = {"n_features": packed.n_features, "n_edge_features": packed.n_edge_features}
        return PackedInputs(packed, packed.offsets, found)

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        lengths = None if X is None else np.diff(X.offsets)
        flat, lengths, void = flatten_partial(y, lengths, self.ignore_label)
        offsets = np.append(0, np.cumsum(lengths)) if X is None else X.offsets
        return PackedLabels(flat, offsets, weight=pack_label_weight(weight, lengths), void=void)

    def class_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        if y.void is None:
            return encode_labels(y.labels, self.classes_)
        numbers = np.full(len(y.labels), -1, dtype=np.int32)
        numbers[~y.void] = encode_labels(y.known, self.classes_)
        return numbers

    def _oddity(self) -> str | None:
        return super()._oddity() or not_a_label(self.classes_, self.ignore_label)

    def _all_known(self, numbers: NDArray[np.int32], y: PackedLabels) -> NDArray[np.int32]:
        """The same numbers; void labels are refused where transitions look back further."""
        if y.void is not None and self.order == 2:
            i = int(np.searchsorted(y.offsets, np.argmax(y.void), side="right")) - 1
            raise ValueError(
                f"y[{i}] has void labels, which order=2 cannot take, as its states are pairs of "
                "labels: use order=1, or leave these sequences out"
            )
        return numbers

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        packed, intercept = X.items, "intercept" if self.fit_intercept else None
        chunks = functools.partial(position_chunks, packed, y)
        groups = [FeatureGroup("state", chunks, packed.n_features, intercept)]
        if self.n_edge_features_in_ and packed.edges is not None:
            chunks = functools.partial(position_chunks, packed, y, of_edges=True)
            groups.append(FeatureGroup("edge", chunks, packed.n_edge_features, None))
        return groups

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        if all(columns.is_identity for columns in scaling.values()):
            return X
        packed = X.items
        edges = packed.edges
        if edges is not None and "edge" in scaling:
            edges = scaling["edge"].apply(edges)
        rows = scaling["state"].apply(packed.rows)
        return PackedInputs(PackedSequences(rows, packed.offsets, edges), X.offsets, X.sizes)

    def part_factors(
        self, y: PackedLabels, scaling: Mapping[str, ColumnScaling] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        of_loss = make_loss(self.task_loss).position_scale(y.lengths)
        if y.weight is not None:
            of_loss *= y.weight
        square = 0.0 if scaling is None else scaling["state"].mean_square
        return of_loss, np.full(len(of_loss), square + bool(self.fit_intercept))

    def _screened(self, y: Any, *, whole: bool = False, held_out: bool = False) -> Screened:
        if self.on_violation not in ON_VIOLATION:
            names = ", ".join(repr(name) for name in ON_VIOLATION)
            raise ValueError(f"on_violation={self.on_violation!r}: expected one of {names}")
        # bind checks what it is given.
        if self.constraints is None or (self.on_violation == "raise" and not held_out):
            return Screened(y, None, 0, "")
        if self._only_seen:
            return Screened(y, None, 0, "")  # training breaks none, and may be scored by any
        screened = screen_labels(
            self.constraints, self.on_violation, y, whole=whole, ignore_label=self.ignore_label
        )
        if not isinstance(y, PackedLabels):
            return screened
        return screened._replace(y=y.replaced(screened.y, screened.kept) if screened.told else y)

    def label_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        """The places in `states_` of the states of the sequences."""
        numbers = self._all_known(self.class_numbers(y), y)
        return self._states.numbers(numbers, y.offsets, self.classes_)

    def write_labels(self, numbers: NDArray[np.int32]) -> NDArray[Any]:
        return self.classes_[self._states.labels(numbers)]

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> FactoredProblem:
        packed, labels = X.items, None
        if y is not None:
            numbers = self.class_numbers(y)
            if isinstance(self.constraints, str) and self.constraints in SCHEMES:
                check_tags(self.constraints, numbers, y.offsets, self.classes_)
            if (allowed := self._allowed()) is not None:
                allowed.check(numbers, y.offsets, self.classes_)
            numbers = self._all_known(numbers, y)
            labels = self._states.numbers(numbers, y.offsets, self.classes_)
        k, n_states = len(self.classes_), self._states.n_states
        steps = bool(self.n_edge_features_in_) and packed.edges is not None
        maximizer = ChainMaximizer(
            packed.lengths,
            n_states,
            transitions=self.transitions,
            boundary=self.boundary,
            steps=steps,
            forbidden=self.forbidden_scores(),
            is_void=None if y is None or y.void is None else y.void.view(np.uint8),
        )
        loss = None
        if y is not None:
            weight = make_loss(self.task_loss).position_scale(y.lengths)
            if y.weight is not None:
                weight *= y.weight
            cost, label_of = self.cost_matrix(), self._states.label_of
            if label_of is not None:
                cost = cost[np.ix_(label_of, label_of)]
            loss = LabelLoss(packed.offsets, cost, weight, row_size=maximizer.stride)
        features = self._features(packed, steps)
        n_positions = int(packed.offsets[-1])
        cells = packed.rows.nnz * k + n_positions * n_states * (n_states if self.transitions else 1)
        if packed.edges is not None:
            cells += packed.edges.nnz * n_states**2
        work = cells / _LANES / max(len(packed.lengths), 1)
        return FactoredProblem(features, maximizer, loss, labels, packed.offsets, work)

    def _features(self, packed: PackedSequences, steps: bool) -> BlockFeatures:
        layout, n, n_states = self.layout_, len(packed), self._states.n_states
        intercept = ["intercept"] if self.fit_intercept else []
        position = RowBlock(
            FeatureRows(packed.rows, intercept=self.fit_intercept),
            layout.place("state", *intercept).start,
            n_states,
            offsets=packed.offsets,
            pad=True,
            column_of=self._states.label_of,
        )
        blocks: dict[str, FeatureBlock] = {"position": position}
        shared = ["start", "end"] if self.boundary else []
        if steps:
            edges = RowBlock(
                FeatureRows(packed.edges, intercept=False),
                layout.place("edge").start,
                n_states**2,
                offsets=packed.offsets,
                name="edge features",
            )
            blocks["transition"] = StepBlock(layout.place("transition").start, edges, n_states)
        elif self.transitions:
            shared = ["transition", *shared]
        if shared:
            place = layout.place(*shared)
            n_rows = (place.stop - place.start) // n_states
            blocks["shared"] = TableBlock(n, place.start, n_rows, n_states, pad=True)
        return BlockFeatures(layout.n_weights, blocks)

    def forbidden_scores(self) -> tuple[NDArray[np.float64], ...] | None:
        """Scores that constraints add to transition, start and end scores: 0, or -inf where they
        forbid; None without constraints."""
        allowed = self._states.allowed(self._allowed())
        return None if allowed is None else allowed.scores()

    def _allowed(self) -> Allowed | None:
        if self.constraints is None:
            return None
        if not self.transitions:
            raise ValueError("constraints need transitions=True")
        if self._seen is not None:
            ends = np.ones(len(self.classes_), dtype=bool)
            return Allowed(self._seen, ends, ends)
        # Labels may have disappeared with the sequences that were left out.
        gone = self.on_violation != "raise"
        return allowed_labels(self.constraints, self.classes_, ignore_strangers=gone)

    def max_marginals(self, X: Sequence[Any], w: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """For each x, the best score of a labelling with each label fixed at each position.

        Arrays of shape (length, n_classes); see `structsvm.inference.max_marginals`.

        Parameters
        ----------
        X : sequence or PackedSequences
            Inputs, as for `ChainSVM`.
        w : ndarray of shape (n_weights,)

        Returns
        -------
        scores : list of arrays of shape (length, n_classes)
        """
        of_states = max_marginals_of(chain_scores(self, self._packed(X), w))
        return self._by_label(of_states, np.maximum)

    def marginals(
        self, X: Sequence[Any], w: NDArray[np.float64], sharpness: float = 1.0
    ) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
        """For each x, the probability of each label at each position, where that of a labelling is
        in proportion to exp(sharpness * score); see `structsvm.inference.marginals`.

        Parameters
        ----------
        X : sequence or PackedSequences
            Inputs, as for `ChainSVM`.
        w : ndarray of shape (n_weights,)
        sharpness : float, default=1.0

        Returns
        -------
        probabilities : list of arrays of shape (length, n_classes)
        log_partition : ndarray of shape (n_examples,)
            Logarithms of the sums of exp(sharpness * score) over all labellings.
        """
        of_states, sums = marginals_of(chain_scores(self, self._packed(X), w), sharpness)
        return self._by_label(of_states, np.add), sums

    def log_probabilities(
        self, X: Sequence[Any], y: Any, w: NDArray[np.float64], sharpness: float = 1.0
    ) -> NDArray[np.float64]:
        """For each x, the logarithm of the probability of labelling y; see `marginals`.

        Parameters
        ----------
        X : sequence or PackedSequences
            Inputs, as for `ChainSVM`.
        y : sequence of label sequences
        w : ndarray of shape (n_weights,)
        sharpness : float, default=1.0

        Returns
        -------
        logarithms : ndarray of shape (n_examples,)
        """
        inputs, _ = self._read(X)
        truths = self.read_outputs(y, inputs)
        if truths.void is not None:
            raise ValueError("labellings with void labels have no score: each label must be known")
        states = self.label_numbers(truths)
        _, sums = self.marginals(inputs.items, w, sharpness)
        scores = scores_of(chain_scores(self, inputs.items, w), states)
        return np.minimum(sharpness * scores - sums, 0.0)

    def _by_label(
        self, of_states: list[NDArray[np.float64]], ufunc: np.ufunc
    ) -> list[NDArray[np.float64]]:
        """What the states of each label have together."""
        label_of = self._states.label_of
        if label_of is None:
            return of_states
        # States are sorted by label, and each label has at least one.
        firsts = np.searchsorted(label_of, np.arange(len(self.classes_)))
        return [ufunc.reduceat(values, firsts, axis=1) for values in of_states]

    def n_best(
        self, X: Sequence[Any], w: NDArray[np.float64], n: int
    ) -> list[list[tuple[NDArray[Any], float]]]:
        """The n best labellings of each x with scores; see `structsvm.inference.n_best`.

        Parameters
        ----------
        X : sequence or PackedSequences
            Inputs, as for `ChainSVM`.
        w : ndarray of shape (n_weights,)
        n : int

        Returns
        -------
        labellings : list of lists of pairs (labels, score)
        """
        return [
            [
                (self.classes_[self._states.labels(row)], float(score))
                for row, score in zip(states, scores, strict=True)
            ]
            for states, scores in self.bind(X).n_best(w, n)
        ]

    def best_by_rules(
        self,
        X: Sequence[Any],
        w: NDArray[np.float64],
        one_run: Sequence[Any] = (),
        before: Sequence[Any] = (),
        max_paths: int = 1000,
    ) -> list[RuledLabels]:
        """The best labelling of each x that keeps rules; see `ChainSVM.predict_by_rules`.

        Parameters
        ----------
        X : sequence or PackedSequences
            Inputs, as for `ChainSVM`.
        w : ndarray of shape (n_weights,)
        one_run : sequence of labels, default=()
            Each stands in at most one run.
        before : sequence of pairs of labels, default=()
            The first stands nowhere behind the second.
        max_paths : int, default=1000
            The most labellings looked at.

        Returns
        -------
        labellings : list of RuledLabels
        """
        rules, limit = PathRules(self.classes_, one_run, before), check_max_paths(max_paths)
        packed = self._packed(X)
        flat, scores = self.bind(packed).predict(w)
        labels, found = self._states.labels(flat), []
        for i, score in enumerate(scores.tolist()):
            path = labels[packed.offsets[i] : packed.offsets[i + 1]]
            if rules.kept(path[None])[0]:
                found.append(RuledLabels("found", self.classes_[path], score, 1))
                continue
            problem = self.bind(packed[i : i + 1])

            def n_best(n: int, problem: FactoredProblem = problem) -> tuple[Any, Any]:
                states, values = problem.n_best(w, n)[0]
                return self._states.labels(states), values

            found.append(rules.best(n_best, self.classes_, limit))
        return found

    def batch_complete(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64]
    ) -> list[NDArray[Any]]:
        """The best labels, given some of them; see `ChainSVM.complete`."""
        inputs, _ = self._read(X)
        if len(Y) != len(inputs):
            raise ValueError(f"X has {len(inputs)} examples but y has {len(Y)}")
        allowed = allowed_by_choices(Y, np.diff(inputs.offsets), self.classes_)
        states = self.make_problem(inputs, None).complete(
            w, self._of_states(allowed), np.arange(len(Y), dtype=np.int32)
        )
        return self.write_outputs(inputs, states)

    def free_labels(self, y: PackedLabels) -> NDArray[np.bool_] | None:
        return y.void

    def part_rows(self, X: PackedInputs) -> Any:
        return X.items.rows

    def neighbours(self, X: PackedInputs) -> list[sp.csr_array]:
        n = int(X.offsets[-1])
        later = np.setdiff1d(np.arange(1, n), X.offsets)
        if not self.transitions:
            return []
        step = sp.csr_array((np.ones(len(later)), (later, later - 1)), shape=(n, n))
        return [step, step.T.tocsr()]

    def forbidden_pairs(self, label_of: NDArray[np.intp]) -> list[Any] | None:
        if (allowed := self._allowed()) is None:
            return None
        forbidden = ~allowed.transition[np.ix_(label_of, label_of)]
        pairs: list[Any] = np.argwhere(forbidden).tolist()
        pairs += [[None, k] for k in np.flatnonzero(~allowed.start[label_of]).tolist()]
        return pairs + [[k, None] for k in np.flatnonzero(~allowed.end[label_of]).tolist()]

    @property
    def takes_void(self) -> bool:  # type: ignore[override]
        return self.order == 1

    def _packed(self, X: Any) -> PackedSequences:
        sequences: PackedSequences = self._read(X)[0].items
        return sequences

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Accuracy: share of correct labels, without void ones. A label unknown to training counts
        as wrong."""
        guess, lengths = flatten_labels(Y_hat)
        truth, _, void = flatten_partial(Y, lengths, self.ignore_label)
        if not len(truth):
            raise ValueError("all sequences are empty: there is no position to score")
        if void is not None:
            truth, guess = truth[~void], guess[~void]
        if not len(truth):
            raise ValueError("all labels are void: there is no position to score")
        truth_numbers = encode_labels(truth, self.classes_, unknown=-1)
        return float(np.mean(truth_numbers == encode_labels(guess, self.classes_)))

    def _of_states(self, of_labels: NDArray[Any]) -> NDArray[Any]:
        """Columns of states from columns of labels."""
        label_of = self._states.label_of
        return of_labels if label_of is None else of_labels[:, label_of]


def position_chunks(
    packed: PackedSequences, y: PackedLabels, *, of_edges: bool = False
) -> Iterator[tuple[Any, NDArray[np.float64] | None]]:
    """Rows of some sequences at a time, or of their edges, with the weight of each."""
    ends = packed.rows.indptr[packed.offsets]
    first = 0
    while first < len(packed):
        stop = int(np.searchsorted(ends, ends[first] + _AT_ONCE, side="right")) - 1
        stop = max(stop, first + 1)
        rows, edges = packed.block(first, stop)
        lengths, weights = np.diff(packed.offsets[first : stop + 1]), None
        if of_edges or y.sample_weight is not None or y.void is not None:
            factors = np.ones(len(packed)) if y.sample_weight is None else y.sample_weight
            weights = np.repeat(factors[first:stop], lengths)
        if weights is not None and y.void is not None:
            void = y.void[packed.offsets[first] : packed.offsets[stop]]
            weights[void] = 0.0
            if of_edges:
                weights[1:][void[:-1]] = 0.0
        if weights is not None and of_edges:  # the first positions have no label before them
            weights[(np.cumsum(lengths) - lengths)[lengths > 0]] = 0.0
        yield edges if of_edges else rows, weights
        first = stop
