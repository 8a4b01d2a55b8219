"""A chain's weights by name: the largest, those that decide a case, all of them, a picture."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from structsvm.models import ChainModel
from structsvm.validation import encode_labels, flatten_labels, pack_sequences

__all__ = ["ChainWeightsMixin", "Term"]


class Term(NamedTuple):
    """A weight, or what it contributes, and what it is of."""

    kind: str  #: "state", "transition", "start", "end", "intercept"
    source: Any  #: the feature of a state, the label before of a transition; None of the others
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
        check_is_fitted(self)
        return _extreme(self._transition_terms(), k, lowest)

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
        check_is_fitted(self)
        state = self.model_.weight_blocks(self.coef_)["state"]
        names = self._feature_names()
        classes = self.model_.classes_
        columns = list(range(len(classes)))
        if label is not None:
            columns = [int(encode_labels(flatten_labels([[label]])[0], classes)[0])]
        found = []
        for column in columns:
            weights = -state[:, column] if lowest else state[:, column]
            best = np.argsort(-weights, kind="stable")[:k]
            found += [
                Term("state", names[f], classes[column].item(), float(state[f, column]))
                for f in best.tolist()
            ]
        return _extreme(found, k, lowest)

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
            add up to that difference. ``source`` is as in `top_state_features` and
            `top_transitions`.
        """
        check_is_fitted(self)
        items = self._read([x])  # type: ignore[attr-defined]
        packed = pack_sequences(items, self.model_.n_features_in_)
        if y_other is None:
            y_other = self.predict([x])[0]  # type: ignore[attr-defined]
        numbers = [
            encode_labels(flatten_labels([labels], packed.lengths)[0], self.model_.classes_)
            for labels in (y, y_other)
        ]
        blocks = self.model_.weight_blocks(self.coef_)
        names, classes = self._feature_names(), self.model_.classes_.tolist()
        terms = []
        for (kind, source, label), amount in self._difference(packed.rows, *numbers).items():
            place = (label,) if source is None else (source, label)
            if value := float(amount * blocks[kind][place]):
                if source is not None:
                    source = names[source] if kind == "state" else classes[source]
                terms.append(Term(kind, source, classes[label], value))
        return sorted(terms, key=lambda term: -abs(term.value))

    @staticmethod
    def _difference(
        rows: Any, y: NDArray[np.int32], y_other: NDArray[np.int32]
    ) -> dict[tuple[str, int | None, int], float]:
        """psi(x, y) - psi(x, y_other) by kind, source and label; what both use is left out."""
        amounts: dict[tuple[str, int | None, int], float] = defaultdict(float)
        pairs = list(zip(y.tolist(), y_other.tolist(), strict=True))
        for t, here in enumerate(pairs):
            before = pairs[t - 1] if t else (None, None)
            entries = slice(rows.indptr[t], rows.indptr[t + 1])
            features = list(zip(rows.indices[entries].tolist(), rows.data[entries], strict=True))
            for label, previous, sign in zip(here, before, (1.0, -1.0), strict=True):
                if here[0] != here[1]:
                    for f, value in features:
                        amounts["state", f, label] += sign * value
                    amounts["intercept", None, label] += sign
                    if t == 0:
                        amounts["start", None, label] += sign
                    if t == len(pairs) - 1:
                        amounts["end", None, label] += sign
                if t and (here[0] != here[1] or before[0] != before[1]):
                    amounts["transition", previous, label] += sign
        return amounts

    def iter_weights(self, k: int | None = None) -> Iterator[str]:
        """The weights as lines of text: kind, source, label and value between tabs.

        Parameters
        ----------
        k : int, default=None
            The k largest of each kind; None is all that are not 0.
        """
        check_is_fitted(self)
        state = self.model_.weight_blocks(self.coef_)["state"]
        features, columns = np.nonzero(state)
        names, classes = self._feature_names(), self.model_.classes_.tolist()
        used = (
            Term("state", names[f], classes[j], float(state[f, j]))
            for f, j in zip(features.tolist(), columns.tolist(), strict=True)
        )
        for terms in (self._transition_terms(), *self._border_terms(), used):
            chosen = terms if k is None else heapq.nlargest(k, terms, key=lambda term: term.value)
            for term in chosen:
                if term.value != 0.0:
                    source = "" if term.source is None else term.source
                    yield f"{term.kind}\t{source}\t{term.label}\t{term.value:.6g}"

    def plot_transitions(self, ax: Any = None) -> Any:
        """Draw the transition weights as a heat map; returns the matplotlib axes.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None makes a new figure.
        """
        check_is_fitted(self)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(layout="constrained").add_subplot()
        weights = self.model_.weight_blocks(self.coef_)["transition"]
        limit = float(np.abs(weights).max(initial=0.0)) or 1.0
        image = ax.imshow(weights, cmap="RdBu", vmin=-limit, vmax=limit)
        labels = [str(label) for label in self.model_.classes_]
        ax.set_xticks(range(len(labels)), labels, rotation=90)
        ax.set_yticks(range(len(labels)), labels)
        ax.set(xlabel="label", ylabel="label before", title="transition weights")
        ax.figure.colorbar(image, ax=ax)
        return ax

    def _transition_terms(self) -> list[Term]:
        weights = self.model_.weight_blocks(self.coef_)["transition"]
        classes = self.model_.classes_.tolist()
        return [
            Term("transition", classes[i], classes[j], float(weights[i, j]))
            for i, j in np.ndindex(weights.shape)
        ]

    def _border_terms(self) -> Iterator[list[Term]]:
        blocks, classes = self.model_.weight_blocks(self.coef_), self.model_.classes_.tolist()
        for kind in ("start", "end", "intercept"):
            pairs = zip(classes, blocks[kind].tolist(), strict=True)
            yield [Term(kind, None, label, weight) for label, weight in pairs]

    def _feature_names(self) -> Sequence[Any]:
        """What features are called; their columns where they have no names."""
        return range(self.model_.n_features_in_)


def _extreme(terms: list[Term], k: int, lowest: bool) -> list[Term]:
    pick = heapq.nsmallest if lowest else heapq.nlargest
    return pick(k, terms, key=lambda term: term.value)
