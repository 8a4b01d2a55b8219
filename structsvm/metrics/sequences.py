r"""How good label sequences are: by position, by sequence, and by the spans that tags mark.

Tags such as "B-NP", "I-NP" and "O" mark spans: runs of positions with one type. The scores take
lists of label sequences, ``(y_true, y_pred)``, in which pairs have one length. They make scorers::

    cross_val_score(svm, X, y, scoring=make_scorer(span_f1_score))

Positions whose true label is None, or `ignore_label`, are void: they do not count, whatever was
predicted there. They cut a sequence, so spans are read in the pieces between them.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from structsvm.data.schemes import Span, spans

__all__ = [
    "SCORES",
    "SpanScores",
    "label_report",
    "sequence_accuracy",
    "span_f1_score",
    "span_report",
    "span_scores",
    "token_accuracy",
]


@dataclasses.dataclass(frozen=True)
class SpanScores:
    """Spans in the truth, in the prediction, and in both with the same type and ends."""

    n_true: int
    n_predicted: int
    n_correct: int

    @property
    def precision(self) -> float:
        """Share of the predicted spans that are right; 0 if there are none."""
        return self.n_correct / self.n_predicted if self.n_predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the true spans that are found; 0 if there are none."""
        return self.n_correct / self.n_true if self.n_true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.n_true + self.n_predicted
        return 2 * self.n_correct / total if total else 0.0


def _label_rows(name: str, y: Iterable[Any]) -> list[list[Any]]:
    """Label sequences as lists."""
    rows = []
    for i, row in enumerate(_listed(name, y, "a list of label sequences")):
        if np.ma.is_masked(row):
            raise ValueError(f"{name}[{i}] has masked entries; each position needs a label")
        rows.append(_listed(f"{name}[{i}]", row, "a sequence of labels"))
    return rows


def _listed(name: str, value: Any, expected: str) -> list[Any]:
    try:
        return list(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}, expected {expected}") from None


def _pairs(
    y_true: Iterable[Any], y_pred: Iterable[Any], ignore_label: Any
) -> list[tuple[list[Any], list[Any]]]:
    truth, guess = _label_rows("y_true", y_true), _label_rows("y_pred", y_pred)
    if ignore_label is not None:
        truth = [[None if label == ignore_label else label for label in row] for row in truth]
    if len(truth) != len(guess):
        raise ValueError(f"y_true has {len(truth)} sequences but y_pred has {len(guess)}")
    for i, (a, b) in enumerate(zip(truth, guess, strict=True)):
        if len(a) != len(b):
            raise ValueError(f"y_pred[{i}] has {len(b)} labels, expected {len(a)} as y_true[{i}]")
        for t, (label, predicted) in enumerate(zip(a, b, strict=True)):
            if predicted is None and label is not None:
                raise ValueError(f"y_pred[{i}][{t}] is None, expected a label")
    return list(zip(truth, guess, strict=True))


def _known_pairs(
    y_true: Iterable[Any], y_pred: Iterable[Any], ignore_label: Any
) -> list[list[tuple[Any, Any]]]:
    """For each sequence, the pairs of labels at positions that are not void."""
    return [
        [(a, b) for a, b in zip(truth, guess, strict=True) if a is not None]
        for truth, guess in _pairs(y_true, y_pred, ignore_label)
    ]


def _spans_of_pieces(tags: list[Any], truth: list[Any], scheme: str) -> set[Span]:
    """The spans in the pieces between void positions of the truth."""
    found: set[Span] = set()
    start = 0
    for stop in [*(t for t, label in enumerate(truth) if label is None), len(tags)]:
        inside = spans(tags[start:stop], scheme)
        found.update((kind, start + a, start + b) for kind, a, b in inside)
        start = stop + 1
    return found


def span_scores(
    y_true: Iterable[Sequence[str]],
    y_pred: Iterable[Sequence[str]],
    *,
    scheme: str = "conll",
    ignore_label: Any = None,
) -> dict[str, SpanScores]:
    """Counts of spans by type, in sorted order; a span counts as right if type and ends are.

    Parameters
    ----------
    y_true, y_pred : lists of sequences of tags
    scheme : {"conll", "iob1", "iob2", "iobes", "bilou"}, default="conll"
        See `structsvm.metrics.spans`.
    ignore_label : str, default=None
        A true label of void positions.

    Examples
    --------
    >>> from structsvm.metrics import span_scores
    >>> scores = span_scores([["B-NP", "I-NP", "B-VP"]], [["B-NP", "I-NP", "B-NP"]])
    >>> scores["NP"].precision, scores["NP"].recall, scores["VP"].recall
    (0.5, 1.0, 0.0)
    """
    true: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for i, (truth, guess) in enumerate(_pairs(y_true, y_pred, ignore_label)):
        try:
            a, b = (_spans_of_pieces(tags, truth, scheme) for tags in (truth, guess))
        except ValueError as error:
            raise ValueError(f"sequence {i}: {error}") from None
        for counter, found in ((true, a), (predicted, b), (correct, a & b)):
            counter.update(kind for kind, _, _ in found)
    return {
        kind: SpanScores(true[kind], predicted[kind], correct[kind])
        for kind in sorted(true | predicted)
    }


def _total(scores: dict[str, SpanScores]) -> SpanScores:
    return SpanScores(
        sum(s.n_true for s in scores.values()),
        sum(s.n_predicted for s in scores.values()),
        sum(s.n_correct for s in scores.values()),
    )


def span_f1_score(
    y_true: Iterable[Sequence[str]],
    y_pred: Iterable[Sequence[str]],
    *,
    scheme: str = "conll",
    average: str = "micro",
    ignore_label: Any = None,
) -> float:
    """F1 of spans; with the defaults the "FB1" of the CoNLL evaluation, between 0 and 1.

    Parameters
    ----------
    y_true, y_pred, scheme, ignore_label
        See `span_scores`.
    average : {"micro", "macro"}, default="micro"
        Over all spans, or the mean over types.

    Examples
    --------
    >>> from structsvm.metrics import span_f1_score
    >>> span_f1_score([["B-NP", "I-NP", "B-VP"]], [["B-NP", "I-NP", "B-NP"]])
    0.5
    """
    scores = span_scores(y_true, y_pred, scheme=scheme, ignore_label=ignore_label)
    if average == "micro":
        return _total(scores).f1
    if average == "macro":
        return sum(s.f1 for s in scores.values()) / max(len(scores), 1)
    raise ValueError(f"unknown average {average!r}: expected one of 'micro', 'macro'")


def span_report(
    y_true: Iterable[Sequence[str]],
    y_pred: Iterable[Sequence[str]],
    *,
    scheme: str = "conll",
    ignore_label: Any = None,
) -> str:
    """A table of precision, recall and F1 for each type and for all spans together.

    Parameters
    ----------
    y_true : list of sequences of labels
        None marks void positions.
    y_pred : list of sequences of labels
        Of the same lengths.
    scheme : str, default="conll"
        See `spans`.
    ignore_label : int or str, default=None
        Positions with this label in the truth (void) do not count.

    Examples
    --------
    >>> from structsvm.metrics import span_report
    >>> print(span_report([["B-NP", "I-NP", "B-VP"]], [["B-NP", "I-NP", "B-NP"]]))
    type  precision  recall      F1   spans
    NP       0.5000  1.0000  0.6667       1
    VP       0.0000  0.0000  0.0000       1
    all      0.5000  0.5000  0.5000       2
    """
    scores = span_scores(y_true, y_pred, scheme=scheme, ignore_label=ignore_label)
    scores["all"] = _total(scores)
    width = max([4, *map(len, scores)])
    return "\n".join(
        [f"{'type':{width}}  precision  recall      F1   spans", *_rows(scores, width)]
    )


def _rows(scores: dict[str, SpanScores], width: int) -> list[str]:
    return [
        f"{kind:{width}} {s.precision:10.4f} {s.recall:7.4f} {s.f1:7.4f} {s.n_true:7d}"
        for kind, s in scores.items()
    ]


def token_accuracy(
    y_true: Iterable[Sequence[Any]],
    y_pred: Iterable[Sequence[Any]],
    *,
    ignore_label: Any = None,
) -> float:
    """Share of the positions labelled correctly, without void ones.

    Parameters
    ----------
    y_true : list of sequences of labels
        None marks void positions.
    y_pred : list of sequences of labels
        Of the same lengths.
    ignore_label : int or str, default=None
        Positions with this label in the truth (void) do not count.

    Examples
    --------
    >>> from structsvm.metrics import token_accuracy
    >>> token_accuracy([[1, 2], [3, 4]], [[1, 2], [3, 0]])
    0.75
    """
    pairs = _known_pairs(y_true, y_pred, ignore_label)
    total = sum(map(len, pairs))
    if not total:
        raise ValueError("all sequences are empty or void: there is no position to score")
    return float(sum(a == b for row in pairs for a, b in row)) / total


def sequence_accuracy(
    y_true: Iterable[Sequence[Any]],
    y_pred: Iterable[Sequence[Any]],
    *,
    ignore_label: Any = None,
) -> float:
    """Share of the sequences labelled correctly throughout, without void positions.

    Parameters
    ----------
    y_true : list of sequences of labels
        None marks void positions.
    y_pred : list of sequences of labels
        Of the same lengths.
    ignore_label : int or str, default=None
        Positions with this label in the truth (void) do not count.

    Examples
    --------
    >>> from structsvm.metrics import sequence_accuracy
    >>> sequence_accuracy([[1, 2], [3, 4]], [[1, 2], [3, 0]])
    0.5
    """
    pairs = _known_pairs(y_true, y_pred, ignore_label)
    if not pairs:
        raise ValueError("there are no sequences to score")
    return sum(all(a == b for a, b in row) for row in pairs) / len(pairs)


def label_report(
    y_true: Iterable[Sequence[Any]],
    y_pred: Iterable[Sequence[Any]],
    *,
    ignore_label: Any = None,
) -> str:
    """A table of precision, recall and F1 for each label by position, and the token accuracy.

    Parameters
    ----------
    y_true : list of sequences of labels
        None marks void positions.
    y_pred : list of sequences of labels
        Of the same lengths.
    ignore_label : int or str, default=None
        Positions with this label in the truth (void) do not count.

    Examples
    --------
    >>> from structsvm.metrics import label_report
    >>> print(label_report([["D", "N", "V"]], [["D", "N", "N"]]))
    label     precision  recall      F1  tokens
    D            1.0000  1.0000  1.0000       1
    N            0.5000  1.0000  0.6667       1
    V            0.0000  0.0000  0.0000       1
    accuracy                     0.6667       3
    """
    pairs = [pair for row in _known_pairs(y_true, y_pred, ignore_label) for pair in row]
    true = Counter(truth for truth, _ in pairs)
    predicted = Counter(guess for _, guess in pairs)
    correct = Counter(truth for truth, guess in pairs if truth == guess)
    scores = {
        str(label): SpanScores(true[label], predicted[label], correct[label])
        for label in sorted(true | predicted)
    }
    width = max([8, *map(len, scores)])
    lines = [f"{'label':{width}}  precision  recall      F1  tokens", *_rows(scores, width)]
    share = correct.total() / max(len(pairs), 1)
    lines.append(f"{'accuracy':{width}} {'':10} {'':7} {share:7.4f} {len(pairs):7d}")
    return "\n".join(lines)


#: Scores of (y_true, y_pred) by name, as `SequenceTagger(scoring=...)` knows them.
SCORES: dict[str, Callable[..., float]] = {
    "token_accuracy": token_accuracy,
    "sequence_accuracy": sequence_accuracy,
    "span_f1": span_f1_score,
}
