"""A chain's weights by name: the largest, those that decide a case, all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from structsvm.data.labels import encode_labels, flatten_labels
from structsvm.data.sequences import PackedSequences
from structsvm.models import ChainModel

__all__ = ["ChainWeightsMixin", "Term", "told"]

# Where a weight stands in the block of its kind; the label comes last.
_Place = tuple[int, ...]

_KINDS = ("transition", "start", "end", "intercept", "edge", "state")


class Term(NamedTuple):
    """A weight, or what it contributes, and what it is of."""

    kind: str  #: "state", "transition", "edge", "start", "end" or "intercept"
    source: Any  #: the feature; the label before; of edges the pair of both; None of the others
    label: Any
    value: float


class ChainWeightsMixin:
    """What `ChainSVM` and `SequenceTagger` tell about their weights."""

    coef_: NDArray[np.float64]
    model_: ChainModel

    def top_transitions(self, k: int = 20, *, lowest: bool = False) -> list[Term]:
        """The k transitions with the largest weights, or with the lowest.

        Returns
        -------
        terms : list of (kind, source, label, value)
            ``source`` is the label before.
        """
        return self._top("transition", k, lowest)

    def top_state_features(
        self, label: Any = None, k: int = 20, *, lowest: bool = False
    ) -> list[Term]:
        """The k features with the largest weights, or the lowest, for one label or for any.

        Parameters
        ----------
        label : int or str, default=None
            One of `classes_`.
        k : int, default=20
        lowest : bool, default=False

        Returns
        -------
        terms : list of (kind, source, label, value)
            ``source`` is the feature: its name, where features have names, else its column.

        Examples
        --------
        >>> from structsvm import SequenceTagger
        >>> tagger = SequenceTagger(random_state=0)
        >>> tagger.fit([[["w=the"], ["w=cat"]], [["w=a"], ["w=cat"]]], [["D", "N"], ["D", "N"]])
        SequenceTagger(random_state=0)
        >>> [(term.source, term.label) for term in tagger.top_state_features(k=1)]
        [('w=cat', 'N')]
        """
        return self._top("state", k, lowest, label)

    def top_edge_features(self, k: int = 20, *, lowest: bool = False) -> list[Term]:
        """The k edge features with the largest weights, or with the lowest.

        Returns
        -------
        terms : list of (kind, source, label, value)
            ``source`` is the pair of the edge feature and the label before.
        """
        return self._top("edge", k, lowest)

    def explain(self, x: Any, y: Sequence[Any], y_other: Sequence[Any] | None = None) -> list[Term]:
        """Why labelling y scores more, or less, than another one.

        Parameters
        ----------
        x : one input, as `predict` takes them in a list
        y : sequence of labels
        y_other : sequence of labels, default=None
            What to compare with; None is the prediction.

        Returns
        -------
        terms : list of (kind, source, label, value)
            What each weight adds to score(y) - score(y_other), the greatest effect first; values
            add up to that difference. ``source`` is as in `top_state_features`, `top_transitions`
            and `top_edge_features`.
        """
        check_is_fitted(self)
        model = self.model_
        items = self._read([x])  # type: ignore[attr-defined]
        inputs, _ = model.prepare_examples(items)
        packed = inputs.items
        if y_other is None:
            y_other = self.predict([x])[0]  # type: ignore[attr-defined]
        outputs = [model.read_outputs([labels], inputs) for labels in (y, y_other)]
        numbers = [model.class_numbers(labels) for labels in outputs]
        states = [model.label_numbers(labels) for labels in outputs]
        blocks, names = model.weight_blocks(self.coef_), self._names()
        terms = [
            _term(kind, place, float(amount * blocks[kind][place]), names)
            for (kind, place), amount in _difference(packed, numbers, states).items()
        ]
        return sorted(
            (term for term in terms if term.value != 0.0), key=lambda term: -abs(term.value)
        )

    def iter_weights(self, k: int | None = None) -> Iterator[str]:
        """The weights as lines of text: kind, source, label and value between tabs.

        Parameters
        ----------
        k : int, default=None
            The k largest of each kind; None is all that are not 0.
        """
        check_is_fitted(self)
        blocks, names = self.model_.weight_blocks(self.coef_), self._names()
        for kind in _KINDS:
            block = blocks[kind]
            flat = np.flatnonzero(block) if k is None else _largest(block.ravel(), k)
            for place in _places(flat, block.shape):
                if value := float(block[place]):
                    _, source, label, _ = _term(kind, place, value, names)
                    if kind == "edge":
                        source = f"{source[0]} after {told(source[1])}"
                    yield f"{kind}\t{told(source)}\t{told(label)}\t{value:.6g}"

    def _top(self, kind: str, k: int, lowest: bool, label: Any = None) -> list[Term]:
        check_is_fitted(self)
        block, names = self.model_.weight_blocks(self.coef_)[kind], self._names()
        columns = slice(None)
        if label is not None:
            column = int(encode_labels(flatten_labels([[label]])[0], self.model_.classes_)[0])
            columns = slice(column, column + 1)
        chosen = block[..., columns]
        values = -chosen.ravel() if lowest else chosen.ravel()
        first = columns.start or 0
        places = [
            (*place[:-1], place[-1] + first) for place in _places(_largest(values, k), chosen.shape)
        ]
        return [_term(kind, place, float(block[place]), names) for place in places]

    def _names(self) -> dict[str, Any]:
        return {
            "label": self.model_.classes_.tolist(),
            "chain state": self.model_.states_,
            "state": self._feature_names(),
            "edge": self._edge_feature_names(),
        }

    def _feature_names(self) -> Sequence[Any]:
        """What features are called; their columns where they have no names."""
        return range(self.model_.n_features_in_)

    def _edge_feature_names(self) -> Sequence[Any]:
        return range(self.model_.n_edge_features_in_)


def _largest(values: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    """The places of the k largest, in order; of equals the first."""
    order: NDArray[np.intp] = np.argsort(-values, kind="stable")[: max(k, 0)]
    return order


def _places(flat: NDArray[np.intp], shape: tuple[int, ...]) -> Iterator[_Place]:
    """Flat places as tuples."""
    return zip(*(axis.tolist() for axis in np.unravel_index(flat, shape)), strict=True)


def _term(kind: str, place: _Place, value: float, names: dict[str, Any]) -> Term:
    """A weight with what it is of."""
    labels = names["label" if kind in ("state", "intercept") else "chain state"]
    source: Any = None
    if kind == "edge":
        source = names["edge"][place[0]], labels[place[1]]
    elif kind == "transition":
        source = labels[place[0]]
    elif kind == "state":
        source = names["state"][place[0]]
    return Term(kind, source, labels[place[-1]], value)


def told(name: Any) -> str:
    """A name as text; states of second order as their labels with a bar between."""
    if isinstance(name, tuple):
        return "|".join(map(told, name))
    return "" if name is None else str(name)


def _difference(
    packed: PackedSequences, labels: list[NDArray[np.int32]], states: list[NDArray[np.int32]]
) -> dict[tuple[str, _Place], float]:
    """psi(x, y) - psi(x, y_other) by kind and place; what both use is left out."""
    amounts: dict[tuple[str, _Place], float] = defaultdict(float)
    length = int(packed.lengths[0])
    for t in range(length):
        if labels[0][t] != labels[1][t]:
            for sign, label in ((1.0, int(labels[0][t])), (-1.0, int(labels[1][t]))):
                for f, value in _entries(packed.rows, t):
                    amounts["state", (f, label)] += sign * value
                amounts["intercept", (label,)] += sign
        here, other = int(states[0][t]), int(states[1][t])
        for sign, state in ((1.0, here), (-1.0, other)) if here != other else ():
            if t == 0:
                amounts["start", (state,)] += sign
            if t == length - 1:
                amounts["end", (state,)] += sign
        steps = [(int(path[t - 1]), int(path[t])) for path in states] if t else []
        for sign, step in zip((1.0, -1.0), steps, strict=False) if len({*steps}) > 1 else ():
            amounts["transition", step] += sign
            for g, value in _entries(packed.edges, t):
                amounts["edge", (g, *step)] += sign * value
    return amounts


def _entries(matrix: Any, row: int) -> list[tuple[int, float]]:
    if matrix is None:
        return []
    here = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return list(zip(matrix.indices[here].tolist(), matrix.data[here].tolist(), strict=True))
