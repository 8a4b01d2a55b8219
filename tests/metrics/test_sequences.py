"""Spans, accuracies and scorers."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score

from structsvm import ChainSVM
from structsvm.metrics import (
    label_report,
    sequence_accuracy,
    span_f1_score,
    span_report,
    span_scores,
    spans,
    token_accuracy,
)

TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("A", "B"))]


@pytest.mark.parametrize(
    ("tags", "conll", "iob2"),
    [
        ("", [], []),
        ("O O", [], []),
        ("B-A I-A O", [("A", 0, 2)], [("A", 0, 2)]),
        ("I-A I-A B-A", [("A", 0, 2), ("A", 2, 3)], [("A", 2, 3)]),  # IOB1
        ("B-A B-A I-B", [("A", 0, 1), ("A", 1, 2), ("B", 2, 3)], [("A", 0, 1), ("A", 1, 2)]),
        ("B-A I-B I-B", [("A", 0, 1), ("B", 1, 3)], [("A", 0, 1)]),
        ("O I-A", [("A", 1, 2)], []),
        ("B I O B", [("", 0, 2), ("", 3, 4)], [("", 0, 2), ("", 3, 4)]),
        ("B-X-Y I-X-Y", [("X-Y", 0, 2)], [("X-Y", 0, 2)]),
    ],
)
def test_spans_by_hand(tags, conll, iob2):
    assert spans(tags.split()) == conll
    assert spans(tags.split(), scheme="iob2") == iob2


@pytest.mark.parametrize(
    ("tags", "conll", "iobes"),
    [
        ("S-A S-A", [("A", 0, 1), ("A", 1, 2)], [("A", 0, 1), ("A", 1, 2)]),
        ("B-A I-A E-A S-B", [("A", 0, 3), ("B", 3, 4)], [("A", 0, 3), ("B", 3, 4)]),
        ("B-A E-A E-A", [("A", 0, 2), ("A", 2, 3)], [("A", 0, 2)]),
        ("B-A O", [("A", 0, 1)], []),
        ("S-A I-A", [("A", 0, 1), ("A", 1, 2)], [("A", 0, 1)]),
        ("B-A E-B", [("A", 0, 1), ("B", 1, 2)], []),
    ],
)
def test_spans_with_ends(tags, conll, iobes):
    assert spans(tags.split()) == conll
    assert spans(tags.split(), scheme="iobes") == iobes


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_lenient_spans_cover_all_but_o_and_never_overlap(tags):
    found = spans(tags)
    places = [t for _, start, stop in found for t in range(start, stop)]
    assert places == [t for t, tag in enumerate(tags) if tag != "O"]
    for kind, start, stop in found:
        assert all(tag.endswith(f"-{kind}") for tag in tags[start:stop])
    # Spans written in either scheme are read back by both ways of reading.
    for scheme in ("iob2", "iobes"):
        written = ["O"] * len(tags)
        for kind, start, stop in found:
            written[start:stop] = [f"B-{kind}"] + [f"I-{kind}"] * (stop - start - 1)
            if scheme == "iobes":
                written[stop - 1] = f"E-{kind}" if stop - start > 1 else f"S-{kind}"
        assert spans(written) == spans(written, scheme=scheme) == found


def test_every_short_sequence_equals_seqeval():
    for tags in itertools.product(TAGS, repeat=3):
        theirs = [(kind, start, stop + 1) for kind, start, stop in get_entities(list(tags))]
        assert spans(tags) == theirs, tags


TRUE = [["B-NP", "I-NP", "O", "B-VP"], ["B-NP", "O"], []]
GUESS = [["B-NP", "I-NP", "B-PP", "B-VP"], ["O", "B-NP"], []]


def test_scores_by_hand():
    scores = span_scores(TRUE, GUESS)
    assert list(scores) == ["NP", "PP", "VP"]
    assert (scores["NP"].n_true, scores["NP"].n_predicted, scores["NP"].n_correct) == (2, 2, 1)
    assert (scores["PP"].precision, scores["PP"].recall, scores["PP"].f1) == (0, 0, 0)
    assert span_f1_score(TRUE, GUESS) == pytest.approx(2 * 2 / (3 + 4))
    assert span_f1_score(TRUE, GUESS, average="macro") == pytest.approx((0.5 + 0 + 1) / 3)
    assert span_f1_score([["O"]], [["O"]]) == 0.0
    assert token_accuracy(TRUE, GUESS) == pytest.approx(3 / 6)
    assert sequence_accuracy(TRUE, GUESS) == pytest.approx(1 / 3)
    lines = span_report(TRUE, GUESS).splitlines()
    assert [line.split()[0] for line in lines] == ["type", "NP", "PP", "VP", "all"]
    assert lines[-1].split() == ["all", "0.5000", "0.6667", "0.5714", "3"]
    assert token_accuracy([np.array([1, 2])], [[1, 0]]) == 0.5


def test_scorers_work_in_model_selection(words):
    X, numbers = words
    names = np.array(["O", "B-A", "I-A"])
    y = [list(names[k]) for k in numbers]
    scorer = make_scorer(span_f1_score)
    scores = cross_val_score(ChainSVM(tol=0.1, random_state=0), X, y, scoring=scorer, cv=3)
    assert scores.shape == (3,)
    assert (scores > 0.3).all()
    search = GridSearchCV(
        ChainSVM(tol=0.1, random_state=0), {"C": [0.001, 1.0]}, scoring=scorer, cv=2
    )
    search.fit(X, y)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"]) > 0.3
    assert search.score(X, y) == span_f1_score(y, search.predict(X))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: spans(["X-A"]),
            "tag 0 is 'X-A'; scheme 'conll' has the prefixes B, I, E, S, L",
        ),
        (lambda: spans(["O", "S-A"], scheme="iob2"), "tag 1 is 'S-A'; scheme 'iob2' has the pref"),
        (lambda: spans(["O-A"]), "tag 0 is 'O-A'"),
        (lambda: spans([""]), "tag 0 is ''"),
        (lambda: spans([3]), "tag 0 is 3, expected a str such as 'B-NP' or 'O'"),
        (lambda: spans([], scheme="bio"), "unknown scheme 'bio': expected one of 'conll', 'iob1'"),
        (lambda: span_scores([["O"]], []), "y_true has 1 sequences but y_pred has 0"),
        (lambda: span_scores([["O"]], [["O", "O"]]), r"y_pred\[0\] has 2 labels, expected 1 as"),
        (lambda: span_scores([[], ["Z"]], [[], ["O"]]), "sequence 1: tag 0 is 'Z'"),
        (lambda: span_f1_score([], [], average="x"), "unknown average 'x': expected one of"),
        (lambda: token_accuracy([[]], [[]]), "all sequences are empty"),
        (lambda: sequence_accuracy([], []), "there are no sequences to score"),
        (lambda: token_accuracy(None, [["a"]]), "y_true is None, expected a list of label seq"),
        (lambda: label_report([["a"]], [None]), r"y_pred\[0\] is None, expected a sequence of lab"),
        (lambda: label_report([["a", "b"]], [["a", None]]), r"y_pred\[0\]\[1\] is None, expected"),
        (
            lambda: token_accuracy([np.ma.masked_less([1, 2], 2)], [[1, 2]]),
            r"y_true\[0\] has masked entries",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
