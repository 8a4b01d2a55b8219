"""Labels given beforehand, and the n best labellings, through the estimator."""

import itertools

import numpy as np
import pytest

from structsvm import ChainSVM, SequenceTagger


@pytest.fixture
def svm(words):
    return ChainSVM(C=0.3, random_state=0).fit(*words)


def score(svm, x, y):
    return float(svm.coef_ @ svm.model_.joint_feature(x, y))


def test_completions_are_the_best_of_those_allowed(svm, words):
    rng = np.random.default_rng(0)
    for x in (x for x in words[0] if len(x) <= 5):
        choices = [[None, int(rng.integers(3)), [0, 2], (1,), {0, 1}][rng.integers(5)] for _ in x]
        allowed = [
            range(3) if c is None else [c] if isinstance(c, int) else sorted(c) for c in choices
        ]
        best = max(score(svm, x, list(y)) for y in itertools.product(*allowed))
        labels = svm.complete([x], [choices])[0]
        assert all(label in some for label, some in zip(labels, allowed, strict=True))
        assert score(svm, x, labels) == pytest.approx(best, abs=1e-9)


def test_n_best_are_the_best(svm, words):
    for x in (x for x in words[0] if len(x) <= 4):
        found = svm.predict_n_best([x], n=6)[0]
        outputs = itertools.product(range(3), repeat=len(x))
        expected = sorted((score(svm, x, list(y)) for y in outputs), reverse=True)[:6]
        np.testing.assert_allclose([s for _, s in found], expected, atol=1e-9)
        np.testing.assert_allclose([score(svm, x, y) for y, _ in found], expected, atol=1e-9)
        np.testing.assert_array_equal(found[0][0], svm.predict([x])[0])


def test_constraints_hold_for_both():
    X = [["a", "b", "c"], ["c", "a"]]
    y = [["B-X", "I-X", "O"], ["O", "B-X"]]
    tagger = SequenceTagger(constraints="iob2", random_state=0).fit(X, y)
    found = [labels.tolist() for labels, _ in tagger.predict_n_best(X[:1], n=1000)[0]]
    assert len(found) == 13  # of 27; I-X begins nothing and follows no O
    for labels in found:
        assert all(b != "I-X" or a != "O" for a, b in zip(["O", *labels], labels, strict=False))
    assert tagger.complete(X[:1], [[None, "I-X", None]])[0][0] == "B-X"
    with pytest.raises(ValueError, match=r"y\[0\] leaves no labelling: constraints forbid"):
        tagger.complete(X[:1], [["I-X", None, None]])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[0, None]], r"y\[0\] has 2 items, but X\[0\] has 3 positions"),
        ([[0, None, 9]], r"y\[0\]\[2\] is 9; expected None, or one or several of 0, 1, 2"),
        ([[0, None, [0, "a"]]], r"y\[0\]\[2\] is \[0, 'a'\]; expected None"),
        ([[0, [], None]], r"y\[0\]\[1\] allows no label; None allows all labels"),
        ([None], r"y\[0\] is None; expected, for each position"),
        ([], "X has 1 examples but y has 0"),
        (3, "y is a int; expected a list"),
    ],
)
def test_bad_choices_are_named(svm, y, message):
    with pytest.raises(ValueError, match=message):
        svm.complete([np.ones((3, 5))], y)


def test_nothing_in_nothing_out(svm):
    assert svm.complete([], []) == []
    assert svm.predict_n_best([]) == []
    assert svm.max_marginals([]) == []
    assert svm.complete([np.zeros((0, 5))], [[]])[0].tolist() == []
    [[(labels, value)]] = svm.predict_n_best([np.zeros((0, 5))])
    assert (labels.tolist(), value) == ([], 0.0)
