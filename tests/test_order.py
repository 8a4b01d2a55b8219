"""order="auto": how far labels look back is chosen by held-out sequences."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

import structsvm
from structsvm import ChainSVM, SequenceTagger, fit_path


def memory(n=90, seed=0, back=2):
    """Labels that are the one `back` positions before, or its opposite where the input says so."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        labels = rng.integers(2, size=back).tolist()
        for _ in range(int(rng.integers(4, 9))):
            flipped = rng.random() < 0.05
            labels.append(1 - labels[-back] if flipped else labels[-back])
        shown = [label if t < back else 2 for t, label in enumerate(labels)]
        X.append(np.eye(3)[shown] + 0.1 * rng.normal(size=(len(shown), 3)))
        y.append(labels)
    return X, y


@pytest.mark.parametrize("back", [1, 2])
@pytest.mark.parametrize("params", [{}, {"C": "auto"}, {"solver": "perceptron"}])
def test_what_scores_better_is_taken(back, params):
    X, y = memory(back=back)
    svm = ChainSVM(order="auto", random_state=0, **params).fit(X, y)
    scores = svm.order_scores_
    assert svm.order_ == (2 if scores[2] > scores[1] else 1)
    if back == 2:
        assert svm.order_ == 2
        assert scores[2] > scores[1] + 0.1
    assert svm.order == "auto"
    again = ChainSVM(order=svm.order_, random_state=0, **params).fit(X, y)
    np.testing.assert_array_equal(svm.coef_, again.coef_)
    assert not hasattr(again, "order_scores_")
    assert ("path_" in vars(svm)) == (params.get("C") == "auto")


def test_given_sequences_decide_and_so_does_the_score():
    X, y = memory()
    X_val, y_val = memory(20, seed=1)
    svm = ChainSVM(order="auto", random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    for order, score in svm.order_scores_.items():
        one = ChainSVM(order=order, random_state=0).fit(X, y)
        assert score == one.score(X_val, y_val)
    words = [[f"w{int(np.argmax(row))}" for row in x] for x in X]
    tags = [[("B-A", "I-A")[label] for label in row] for row in y]
    tagger = SequenceTagger(order="auto", scoring="sequence_accuracy", random_state=0)
    tagger.fit(words, tags)
    assert tagger.order_ == 2
    assert tagger.order_scores_[2] > tagger.order_scores_[1]


def test_files_pickles_and_clones(tmp_path):
    X, y = memory()
    for svm in (
        ChainSVM(order="auto", random_state=0).fit(X, y),
        ChainSVM(order="auto", random_state=0).fit(*memory(12)),
    ):
        svm.save(tmp_path / "model")
        for copy in (structsvm.load(tmp_path / "model"), pickle.loads(pickle.dumps(svm))):
            assert copy.order == "auto"
            assert copy.order_ == svm.order_
            for a, b in zip(copy.predict(X), svm.predict(X), strict=True):
                np.testing.assert_array_equal(a, b)
        assert clone(svm).order == "auto"


def test_where_there_is_nothing_to_choose_it_is_1():
    X, y = memory(12)
    svm = ChainSVM(order="auto", random_state=0).fit(X, y)
    assert svm.order_ == 1
    assert not hasattr(svm, "order_scores_")
    X, y = memory()
    void = [[None, *row[1:]] for row in y]
    assert ChainSVM(order="auto", random_state=0).fit(X, void).order_ == 1
    other = [[9, *row[1:]] for row in y]
    assert ChainSVM(order="auto", ignore_label=9, random_state=0).fit(X, other).order_ == 1


def test_what_has_one_order_refuses():
    X, y = memory(20)
    with pytest.raises(ValueError, match="a path has one order: set order=1 or order=2"):
        fit_path(ChainSVM(order="auto"), X, y, [0.1, 1.0])
    with pytest.raises(ValueError, match="partial_fit cannot choose the order"):
        ChainSVM(order="auto", solver="perceptron").partial_fit(X, y)
    with pytest.raises(ValueError, match="order='both': expected 1 or 2"):
        ChainSVM(order="both").fit(X, y)
    svm = ChainSVM(order="auto", random_state=0)
    with pytest.raises(ValueError, match="X has 20 examples but y has 19"):
        svm.fit(X, y[:-1])
    assert svm.order == "auto"
