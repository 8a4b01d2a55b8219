"""AlignmentModel: which positions of two sequences belong together."""

from __future__ import annotations

import dataclasses
import itertools
import numbers
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import check_scalar, real_array, shorten
from structsvm.data.labels import PackedLabels, object_row
from structsvm.data.scaling import ColumnScaling, FeatureGroup
from structsvm.data.sequences import as_items, no_sequence
from structsvm.data.state import State
from structsvm.exceptions import ModelFileError
from structsvm.inference._alignment import ENDS, AlignmentMaximizer
from structsvm.models.factored import PackedInputs, PackedModel
from structsvm.problems._alignment_loss import AlignmentLoss
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import BlockFeatures, FeatureBlock, RowBlock, TableBlock
from structsvm.problems._part_features import KindBlock
from structsvm.problems.layout import Layout

__all__ = ["AlignmentModel"]

# The work of the recursion in multiply-adds for each pair of positions; see `Problem`.
_WORK = 8.0
# Symbols of which all pairs have weights: tables of more take gigabytes.
_MOST_SYMBOLS = 8192


@dataclasses.dataclass
class _PackedPairs:
    """Pairs of sequences: their symbols, or features of all pairs of positions."""

    lengths: NDArray[np.int64]  #: of the first sequences
    others: NDArray[np.int64]  #: of the second sequences
    symbols: list[tuple[NDArray[Any], NDArray[Any]]]  #: of each example; none with features
    rows: NDArray[np.float64] | None  #: of all examples, n * m each

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Of positions of the first sequences."""
        return np.append(0, np.cumsum(self.lengths)).astype(np.int64)

    @property
    def pair_offsets(self) -> NDArray[np.int64]:
        return np.append(0, np.cumsum(self.lengths * self.others)).astype(np.int64)

    def take(self, chosen: Sequence[int]) -> _PackedPairs:
        kept, rows, starts = np.asarray(chosen, dtype=np.int64), self.rows, self.pair_offsets
        if rows is not None:
            parts = [rows[starts[i] : starts[i + 1]] for i in chosen]
            rows = np.concatenate([rows[:0], *parts])
        symbols = [self.symbols[i] for i in chosen] if self.symbols else []
        return _PackedPairs(self.lengths[kept], self.others[kept], symbols, rows)


class AlignmentModel(PackedModel):
    r"""Alignments of two sequences, with learned scores of pairs and of gaps.

    An alignment is a set of pairs (i, j) of positions that rise in both sequences. Its score is the
    sum of the scores of its pairs, and open + k extend for each gap of k positions, in either
    sequence, between two pairs that follow each other. The score of a pair is a weight for its two
    symbols, or linear in features of the pair.

    Parameters
    ----------
    task_loss : {"hamming", "normalized_hamming"}, default="hamming"
        The number of positions of the first sequence with a wrong partner, or none, or one where
        there is none; normalised by the number of true pairs.
    max_shift : int, default=1
        A partner that is s < max_shift positions off costs s / max_shift, any other wrong one 1.
    end_gaps : {"same", "own", "free"}, default="same"
        What gaps before the first and after the last pair score: what those between pairs do,
        scores of their own, or nothing, as where one sequence is a piece of the other.
    symmetric : bool, default=True
        Whether the order of two symbols does not matter.
    fit_intercept : bool, default=True
        Whether all pairs share a constant beside their features; with symbols there is none.

    Attributes
    ----------
    symbols_ : ndarray of shape (n_symbols,)
        The symbols of training, sorted; none with features.
    n_features_in_ : int
        Features of a pair; 0 with symbols.
    layout_ : Layout
        The blocks "substitution", or "pairs" and "intercept"; and "gaps": open, extend, and with
        ``end_gaps="own"`` both at the ends.
    n_weights : int

    Notes
    -----
    An x is a pair of sequences of symbols (two strings, or lists of strings or integers); or an
    array of shape (n, m, n_features) with the features of all pairs of positions. A y is a list of
    pairs (i, j), or an array of shape (n_pairs, 2), as predictions are. `score` is the F1 of pairs.

    Exact: Gotoh's recursion, time and memory O(n m). As each position is in a pair or in a gap, 2 c
    more for each pair and c more for "extend" change nothing, unless ends are free; of such weights
    training finds the smallest.

    References
    ----------
    O. Gotoh (1982). An improved algorithm for matching biological sequences. Journal of Molecular
    Biology 162. doi:10.1016/0022-2836(82)90398-9
    C.-N. Yu, T. Joachims, R. Elber, J. Pillardy (2008). Support vector training of protein
    alignment models. Journal of Computational Biology 15. doi:10.1089/cmb.2007.0152

    Examples
    --------
    >>> from structsvm import AlignmentModel, StructSVM
    >>> X = [("abcd", "acd"), ("abab", "bab"), ("dca", "dcba")]
    >>> y = [[(0, 0), (2, 1), (3, 2)], [(1, 0), (2, 1), (3, 2)], [(0, 0), (1, 1), (2, 3)]]
    >>> svm = StructSVM(AlignmentModel(), C=10, random_state=0).fit(X, y)
    >>> svm.predict([("bcda", "bda")])[0].tolist()
    [[0, 0], [2, 1], [3, 2]]
    """

    def __init__(
        self,
        task_loss: str = "hamming",
        *,
        max_shift: int = 1,
        end_gaps: str = "same",
        symmetric: bool = True,
        fit_intercept: bool = True,
    ) -> None:
        self.task_loss = task_loss
        self.max_shift = max_shift
        self.end_gaps = end_gaps
        self.symmetric = symmetric
        self.fit_intercept = fit_intercept

    # ---- sizes and weights

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        if classes is not None:
            raise TypeError("alignments have no classes: leave them out")
        sequences = [row for pair in X.items.symbols for row in pair if len(row)]
        if not sequences and not X.sizes["n_features"]:
            raise ValueError("all sequences in X are empty: there is nothing to learn from")
        self.resize(X.sizes["n_features"], np.unique(np.concatenate(sequences or [[]])))

    def resize(self, n_features: int, symbols: NDArray[Any]) -> None:
        """Set the number of features, and the symbols, sorted; of which one is none.

        Parameters
        ----------
        n_features : int
            Of each pair of positions; 0 where sequences have symbols.
        symbols : ndarray of shape (n_symbols,)
        """
        if self.end_gaps not in ENDS:
            raise ValueError(f"end_gaps={self.end_gaps!r}: expected 'same', 'own' or 'free'")
        if not n_features and len(symbols) > _MOST_SYMBOLS:
            raise ValueError(
                f"X has {len(symbols)} symbols, and each two would have a weight; at most "
                f"{_MOST_SYMBOLS} can be: group them, or give features of pairs of positions"
            )
        self.n_features_in_ = n_features
        self.symbols_ = symbols
        blocks: list[tuple[str, tuple[int, ...]]] = []
        if n_features:
            blocks.append(("pairs", (n_features, 1)))
            blocks += [("intercept", (1,))] if self.fit_intercept else []
        else:
            blocks.append(("substitution", (int(self._kinds().max(initial=-1)) + 1,)))
        blocks.append(("gaps", (4 if self.end_gaps == "own" else 2,)))
        self.layout_ = Layout(blocks)
        self.n_weights = self.layout_.n_weights

    def _kinds(self) -> NDArray[np.int32]:
        """The weight of each pair of symbols, of shape (n_symbols, n_symbols)."""
        n = len(self.symbols_)
        if not self.symmetric:
            return np.arange(n * n, dtype=np.int32).reshape(n, n)
        a, b = np.mgrid[:n, :n]
        low, high = np.minimum(a, b), np.maximum(a, b)
        kinds: NDArray[np.int32] = (high * (high + 1) // 2 + low).astype(np.int32)
        return kinds

    def substitution_scores(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scores of pairs of symbols at the weights w.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)

        Returns
        -------
        scores : ndarray of shape (n_symbols, n_symbols)
        """
        if self.n_features_in_:
            raise ValueError("pairs have features, no symbols")
        scores: NDArray[np.float64] = self.layout_.views(w)["substitution"][self._kinds()]
        return scores

    def gap_scores(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scores open and extend at the weights w; with end gaps of their own also theirs.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)

        Returns
        -------
        scores : ndarray of shape (2,) or (4,)
        """
        return self.layout_.views(w)["gaps"]

    def to_state(self) -> State:
        state: State = {"n_features": self.n_features_in_}
        return state if self.n_features_in_ else state | {"symbols": self.symbols_}

    def from_state(self, state: State) -> Self:
        symbols, n_features = state.get("symbols", np.zeros(0)), state["n_features"]
        if not n_features and not (len(symbols) and np.array_equal(symbols, np.unique(symbols))):
            raise ModelFileError("the symbols are not sorted and distinct")
        self.resize(n_features, symbols)
        return self

    def n_table_entries(self, state: State) -> int:
        return 0 if state["n_features"] else len(state["symbols"]) ** 2

    @property
    def _is_sized(self) -> bool:
        return "layout_" in vars(self)

    def _oddity(self) -> str | None:
        return None

    # ---- inputs

    def input_sizes(self) -> dict[str, int]:
        return {"n_features": self.n_features_in_}

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        items = as_items("X", X)
        expected = None if sizes is None else sizes["n_features"]
        if expected is None and len(items):
            expected = 0 if _is_two(items[0]) else None
        packed = _of_symbols(items) if expected == 0 else _of_features(items, expected)
        n_features = 0 if packed.rows is None else packed.rows.shape[1]
        if packed.rows is not None and not n_features:
            raise ValueError("X has arrays without features, of shape (n, m, 0)")
        return PackedInputs(packed, packed.offsets, {"n_features": n_features})

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        packed, weights = X.items, y.sample_weight
        if packed.rows is None:
            return []

        def chunks() -> Iterator[tuple[Any, NDArray[np.float64] | None]]:
            starts = packed.pair_offsets
            for i, (start, stop) in enumerate(itertools.pairwise(starts)):
                of_rows = None if weights is None else np.full(stop - start, weights[i])
                yield packed.rows[start:stop], of_rows

        intercept = "intercept" if self.fit_intercept else None
        return [FeatureGroup("pairs", chunks, packed.rows.shape[1], intercept)]

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        if all(columns.is_identity for columns in scaling.values()):
            return X
        packed = dataclasses.replace(X.items, rows=scaling["pairs"].apply(X.items.rows))
        return PackedInputs(packed, X.offsets, X.sizes)

    def penalty_unit(self, y: PackedLabels, scaling: Mapping[str, ColumnScaling]) -> float | None:
        """That of one wrong pair."""
        square = 1.0
        if self.n_features_in_:
            square = scaling["pairs"].mean_square + bool(self.fit_intercept)
        unit = float(self._example_weights(y).mean()) / square if square > 0 else 0.0
        return unit if 0 < unit < np.inf else 1.0

    # ---- outputs

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        items = as_items("y", y)
        if X is not None and len(items) != len(X):
            raise ValueError(f"X has {len(X)} examples but y has {len(items)}")
        rows = []
        for i, item in enumerate(items):
            pairs = _as_pairs(f"y[{i}]", item)
            most = pairs.max(axis=0, initial=-1)
            sizes = most + 1 if X is None else (X.items.lengths[i], X.items.others[i])
            for name, last, size in zip(("first", "second"), most, sizes, strict=True):
                if last >= size:
                    raise ValueError(
                        f"y[{i}] has a pair with position {last} of the {name} sequence, which has "
                        f"{size}"
                    )
            rows.append(np.zeros(int(sizes[0]), dtype=np.int32))
            rows[-1][pairs[:, 0]] = pairs[:, 1] + 1
        offsets = np.append(0, np.cumsum([len(row) for row in rows])).astype(np.int64)
        return PackedLabels(np.concatenate([np.zeros(0, np.int32), *rows]), offsets)

    def class_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        partners: NDArray[np.int32] = y.labels
        return partners

    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        """Arrays of pairs, of shape (n_pairs, 2)."""
        rows = (answers[a:b] for a, b in itertools.pairwise(X.offsets))
        return [np.stack([np.flatnonzero(row), row[row > 0] - 1], axis=1) for row in rows]

    def _example_weights(self, y: PackedLabels) -> NDArray[np.float64]:
        """What the cost of an example is multiplied with."""
        if self.task_loss not in ("hamming", "normalized_hamming"):
            raise ValueError(
                f"task_loss={self.task_loss!r}: expected 'hamming' or 'normalized_hamming'"
            )
        check_scalar("max_shift", self.max_shift, above=0, integer=True)
        if self.task_loss == "hamming":
            return np.ones(len(y))
        n_pairs = np.add.reduceat(np.append(y.labels > 0, 0), y.offsets[:-1])
        return 1.0 / np.maximum(np.where(y.lengths > 0, n_pairs, 0), 1)

    def loss(self, y: Any, y_hat: Any) -> float:
        right, found = (dict(_as_pairs(name, a)) for name, a in (("y", y), ("y_hat", y_hat)))
        weight = self._example_weights(self.read_outputs([y], None))
        costs = [
            min(abs(right[i] - found[i]) / self.max_shift, 1.0)
            if i in right and i in found
            else 1.0
            for i in {*right, *found}
        ]
        return float(weight[0] * np.sum(costs))

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """F1 of pairs: twice the right ones over true and predicted ones; 0 without any."""
        right = total = 0
        for y, y_hat in zip(Y, Y_hat, strict=True):
            one, two = ({*map(tuple, _as_pairs("y", a).tolist())} for a in (y, y_hat))
            right, total = right + len(one & two), total + len(one) + len(two)
        return 2.0 * right / total if total else 0.0

    # ---- the problem

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> FactoredProblem:
        packed: _PackedPairs = X.items
        starts, layout, n = packed.pair_offsets, self.layout_, len(packed.lengths)
        pairs: FeatureBlock
        if self.n_features_in_:
            rows = packed.rows if packed.rows is not None else np.zeros((0, self.n_features_in_))
            features = FeatureRows(rows, intercept=self.fit_intercept)
            pairs = RowBlock(features, layout.place("pairs").start, 1, offsets=starts)
        else:
            place = layout.place("substitution")
            pairs = KindBlock(self._kinds_of(packed), starts, place.start, place.stop - place.start)
        gaps = layout.place("gaps")
        table = TableBlock(n, gaps.start, 1, gaps.stop - gaps.start)
        maximizer = AlignmentMaximizer(packed.lengths, packed.others, self.end_gaps)
        labels = loss = None
        if y is not None:
            labels, weights = self.label_numbers(y), self._example_weights(y)
            loss = AlignmentLoss(y.offsets, packed.others, weights, self.max_shift)
        blocks = BlockFeatures(layout.n_weights, {"pairs": pairs, "gaps": table})
        work = (_WORK + self.n_features_in_) * float(starts[-1]) / max(n, 1)
        return FactoredProblem(blocks, maximizer, loss, labels, packed.offsets, work)

    def _kinds_of(self, packed: _PackedPairs) -> NDArray[np.int32]:
        """The weights of all pairs of positions of all examples."""
        kinds, rows = self._kinds(), [np.zeros(0, dtype=np.int32)]
        for i, pair in enumerate(packed.symbols):
            first, second = (self._places(i, row) for row in pair)
            rows.append(kinds[np.ix_(first, second)].ravel())
        return np.concatenate(rows)

    def _places(self, i: int, row: NDArray[Any]) -> NDArray[np.int64]:
        """The places of symbols in `symbols_`."""
        if not len(row):
            return np.zeros(0, dtype=np.int64)
        same_kind = row.dtype.kind == self.symbols_.dtype.kind
        places = np.zeros(len(row), dtype=np.int64)
        known = np.zeros(len(row), dtype=bool)
        if same_kind:
            places = np.minimum(np.searchsorted(self.symbols_, row), len(self.symbols_) - 1)
            known = self.symbols_[places] == row
        if not known.all():
            raise ValueError(
                f"X[{i}] has the symbol {row[~known][0].item()!r}, which was not in training; the "
                f"symbols are {shorten(self.symbols_.tolist())}"
            )
        return places


def _is_two(x: Any) -> bool:
    """Whether an input is two sequences, rather than an array of features."""
    return isinstance(x, (tuple, list)) and len(x) == 2


def _of_symbols(items: Sequence[Any]) -> _PackedPairs:
    pairs = []
    for i, x in enumerate(items):
        if not _is_two(x):
            raise ValueError(f"X[{i}] is {type(x).__name__}, expected a pair of sequences")
        pairs.append((_symbols(f"X[{i}][0]", x[0]), _symbols(f"X[{i}][1]", x[1])))
    kinds = {row.dtype.kind for pair in pairs for row in pair if len(row)}
    if len(kinds) > 1:
        raise ValueError("X has integers and strings: symbols must be all of one kind")
    lengths = np.array([[len(a), len(b)] for a, b in pairs], dtype=np.int64).reshape(-1, 2)
    return _PackedPairs(lengths[:, 0].copy(), lengths[:, 1].copy(), pairs, None)


def _symbols(name: str, sequence: Any) -> NDArray[Any]:
    row = object_row(
        list(as_items(name, list(sequence) if isinstance(sequence, str) else sequence))
    )
    if all(isinstance(symbol, str) for symbol in row):
        return np.array(row.tolist(), dtype=str)
    for place, symbol in enumerate(row):
        if isinstance(symbol, (bool, np.bool_)) or not isinstance(symbol, numbers.Integral):
            raise ValueError(
                f"{name}[{place}] is {symbol!r}; symbols are all strings or all integers"
            )
    return row.astype(np.int64)


def _of_features(items: Sequence[Any], n_features: int | None) -> _PackedPairs:
    arrays, width = [], n_features
    for i, x in enumerate(items):
        if _is_two(x) and any(isinstance(sequence, str) for sequence in x):
            raise ValueError(f"X[{i}] is a pair of sequences, expected an array of features")
        array = real_array(f"X[{i}]", x)
        width = array.shape[-1] if width is None and array.ndim == 3 else width
        if array.ndim != 3 or array.shape[2] != width:
            raise ValueError(
                f"X[{i}] has shape {array.shape}, expected (n, m, {width or 'n_features'}): the "
                "features of all pairs of positions; or a pair of sequences"
            )
        if not np.isfinite(array).all():
            place = [int(k) for k in np.argwhere(~np.isfinite(array))[0]]
            raise ValueError(f"X[{i}]{place} is {array[tuple(place)]}; features must be finite")
        arrays.append(array)
    rows = [array.reshape(-1, array.shape[2]) for array in arrays]
    sizes = np.array([array.shape[:2] for array in arrays], dtype=np.int64).reshape(-1, 2)
    stacked = np.concatenate([np.zeros((0, width or 0)), *rows])
    return _PackedPairs(sizes[:, 0].copy(), sizes[:, 1].copy(), [], stacked)


def _as_pairs(name: str, item: Any) -> NDArray[np.int64]:
    """The pairs of an alignment, in order."""
    if (wrong := no_sequence(item)) is not None:
        raise ValueError(f"{name} is a {wrong}; expected a list of pairs (i, j)")
    try:
        pairs = np.asarray(item)
    except ValueError:
        raise ValueError(f"{name} has items of several lengths, expected pairs (i, j)") from None
    if not pairs.size:
        return np.zeros((0, 2), dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has shape {pairs.shape} and dtype {pairs.dtype}, expected pairs (i, j) of "
            "integers"
        )
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")].astype(np.int64)
    if pairs.min() < 0 or (np.diff(pairs, axis=0) <= 0).any():
        raise ValueError(
            f"{name} has the pairs {shorten([tuple(pair) for pair in pairs.tolist()])}, which must "
            "be >= 0 and rise in both sequences"
        )
    return pairs
