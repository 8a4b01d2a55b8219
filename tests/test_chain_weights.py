"""Weights by name: the largest, those that decide, all, and the picture."""

import math

import matplotlib as mpl
import numpy as np
import pytest

from structsvm import ChainSVM, SequenceTagger

mpl.use("Agg")


@pytest.fixture
def svm(words):
    return ChainSVM(C=0.3, random_state=0).fit(*words)


def test_the_largest_and_the_lowest(svm):
    state, transition = svm.state_coef_, svm.transition_coef_
    for lowest in (False, True):
        sign = -1 if lowest else 1
        top = svm.top_state_features(k=4, lowest=lowest)
        expected = np.sort(sign * state.ravel())[::-1][:4]
        np.testing.assert_allclose([sign * term.value for term in top], expected)
        for kind, source, label, value in top:
            assert kind == "state"
            assert value == state[source, label]
        of_label = svm.top_state_features(2, k=3, lowest=lowest)
        np.testing.assert_allclose(
            [sign * term.value for term in of_label], np.sort(sign * state[:, 2])[::-1][:3]
        )
        best = svm.top_transitions(2, lowest=lowest)
        assert [t.value for t in best] == [transition[t.source, t.label] for t in best]
        assert sign * best[0].value == (sign * transition).max()
    assert len(svm.top_state_features(k=1000)) == state.size
    with pytest.raises(ValueError, match="label 9 was not in the y"):
        svm.top_state_features(9)


@pytest.mark.parametrize("tokens", [False, True])
def test_explanations_add_up_to_the_difference_of_the_scores(words, tokens):
    X, y = words
    if tokens:
        X = [[[f"w{np.argmax(row)}", "odd"] for row in x] for x in X]
        svm = SequenceTagger(random_state=0).fit(X, y)
        rows = [item.toarray() for item in svm.features_.transform(X)]
    else:
        svm, rows = ChainSVM(C=0.3, random_state=0).fit(X, y), X
    w, model = svm.coef_, svm.model_
    for x, row, labels in zip(X, rows, y, strict=True):
        guess = svm.predict([x])[0]
        other = labels[::-1]
        for against, expected in ((None, guess), (other, other)):
            terms = svm.explain(x, labels, against)
            difference = model.joint_feature(row, labels) - model.joint_feature(row, expected)
            assert sum(t.value for t in terms) == pytest.approx(float(w @ difference), abs=1e-9)
            sizes = [abs(t.value) for t in terms]
            assert sizes == sorted(sizes, reverse=True)
            if not tokens:  # every weight in the difference is named, with its share
                shares = {t[:3]: t.value for t in terms}
                blocks = model.weight_blocks(difference * w)
                for (f, k), share in np.ndenumerate(blocks["state"]):
                    assert shares.get(("state", f, k), 0.0) == pytest.approx(share, abs=1e-12)
                for (i, j), share in np.ndenumerate(blocks["transition"]):
                    assert shares.get(("transition", i, j), 0.0) == pytest.approx(share, abs=1e-12)
    assert svm.explain(X[0], svm.predict(X[:1])[0]) == []
    assert svm.explain([] if tokens else np.zeros((0, 5)), []) == []
    with pytest.raises(ValueError, match=r"y\[0\] has 1 labels, but X\[0\] has"):
        svm.explain(next(x for x in X if len(x) > 1), [0])


def test_names_of_attributes():
    tagger = SequenceTagger(C=0.1, random_state=0)
    tagger.fit([[["w=the"], ["w=cat"]], [["w=a"], ["w=cat"]]], [["D", "N"], ["D", "N"]])
    sources = {term.source for term in tagger.top_state_features("N")}
    assert sources == {"w=the", "w=a", "w=cat"}
    term = tagger.explain([["w=cat"]], ["N"], ["D"])[0]
    assert (term.kind, term.label) in {("state", "N"), ("state", "D"), ("start", "D")}


def test_lines_hold_every_weight_once(svm):
    lines = [line.split("\t") for line in svm.iter_weights()]
    assert len(lines) == np.count_nonzero(svm.coef_)
    assert sum(float(line[3]) for line in lines) == pytest.approx(svm.coef_.sum(), abs=1e-3)
    assert {line[0] for line in lines} == {"state", "transition", "start", "end", "intercept"}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("edges", [False, True])
def test_explanations_add_up_exactly(order, edges):
    """With weights and features that sums do not round, to the last bit."""
    rng = np.random.default_rng(0)
    X, y = [], []
    for length in (1, 2, 5, 7, 4):
        rows = rng.integers(-4, 5, size=(length, 3)) / 4
        more = rng.integers(-4, 5, size=(length, 2)) / 4
        X.append((rows, more) if edges else rows)
        y.append(rng.integers(3, size=length))
    svm = ChainSVM(order=order, random_state=0).fit(X, y)
    svm.coef_[:] = rng.integers(-64, 65, size=len(svm.coef_)) / 16
    model = svm.model_
    for x, labels in zip(X, y, strict=True):
        for other in [svm.predict([x])[0], *(row for row, _ in svm.predict_n_best([x], 4)[0])]:
            scores = [float(model.joint_feature(x, row) @ svm.coef_) for row in (labels, other)]
            terms = svm.explain(x, labels, other)
            assert math.fsum(term.value for term in terms) == scores[0] - scores[1]
            assert sum(term.value for term in terms) == scores[0] - scores[1]
