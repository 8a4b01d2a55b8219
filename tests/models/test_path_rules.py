"""Rules for whole sequences, and transitions of the training data, against enumeration."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import structsvm
from structsvm import ChainModel, ChainSVM, LatentSVM
from structsvm.exceptions import LabelError


def fitted(order=1, n_labels=3, seed=0, **params):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, 2)) for n in (3, 5, 4, 2, 6, 1)]
    y = [rng.integers(n_labels, size=len(x)) for x in X]
    y[0][:n_labels] = range(n_labels)
    return ChainSVM(C=1.0, order=order, random_state=0, **params).fit(X, y), X, y


def keeps(labels, one_run, before):
    for group in one_run:
        inside = [label in group for label in labels]
        if sum(a and not b for a, b in zip(inside, [False, *inside], strict=False)) > 1:
            return False
    for first, second in before:
        places = [[t for t, label in enumerate(labels) if label in g] for g in (first, second)]
        if all(places) and max(places[0]) >= min(places[1]):
            return False
    return True


GROUPS = st.sampled_from([(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(0, 5),
    st.sampled_from([1, 2]),
    st.lists(GROUPS, max_size=2),
    st.lists(st.tuples(GROUPS, GROUPS), max_size=2),
)
def test_equals_enumeration(seed, length, order, one_run, before):
    svm, _, _ = FITTED[order]
    x = np.random.default_rng(seed).normal(size=(length, 2)) * 3
    (found,) = svm.predict_by_rules([x], one_run=one_run, before=before, max_paths=10**6)
    every = svm.predict_n_best([x], n=4**5)[0]
    want = [(y, score) for y, score in every if keeps(y.tolist(), one_run, before)]
    if not want:
        assert found.status == "impossible"
        assert found.labels is None
        assert found.n_tried == len(every)
        return
    assert found.status == "found"
    np.testing.assert_allclose(found.score, want[0][1], rtol=0, atol=1e-9)
    assert keeps(found.labels.tolist(), one_run, before)
    assert len(found.labels) == length
    places = [k for k, (y, _) in enumerate(every) if np.array_equal(y, found.labels)]
    assert len(places) == 1
    assert found.n_tried <= len(every)


FITTED = {order: fitted(order) for order in (1, 2)}


def test_the_bound_is_told():
    svm, X, _ = FITTED[1]
    x = np.concatenate(X)[:9]
    (full,) = svm.predict_by_rules([x], one_run=[0, 1, 2], max_paths=3**9)
    assert full.status == "found"
    assert full.n_tried > 100
    (stopped,) = svm.predict_by_rules([x], one_run=[0, 1, 2], max_paths=50)
    assert stopped.status == "limit"
    assert stopped.labels is None
    assert stopped.n_tried == 50
    assert stopped.score == svm.predict_n_best([x], n=50)[0][-1][1] >= full.score
    (none,) = svm.predict_by_rules([x])
    assert none.n_tried == 1
    np.testing.assert_array_equal(none.labels, svm.predict([x])[0])
    assert svm.predict_by_rules([]) == []


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"one_run": [7]}, r"one_run\[0\] is 7; the known labels are 0, 1, 2"),
        ({"one_run": "0"}, "one_run is '0', expected a list"),
        ({"one_run": 3}, "one_run is 3, expected a list"),
        ({"before": [(0, 9)]}, r"before\[0\] is 9; the known labels"),
        ({"before": [0]}, r"before\[0\] is 0, expected a pair: the label that comes first"),
        ({"before": [(0, 1, 2)]}, r"before\[0\] is \(0, 1, 2\), expected a pair"),
        ({"max_paths": 0}, "max_paths=0: expected a finite number > 0"),
    ],
)
def test_bad_rules_are_named(rules, message):
    svm, X, _ = FITTED[1]
    with pytest.raises(ValueError, match=message):
        svm.predict_by_rules(X, **rules)


@pytest.mark.parametrize("order", [1, 2])
def test_transitions_of_the_training_data(order, tmp_path):
    rng = np.random.default_rng(1)
    X = [rng.normal(size=(n, 2)) for n in (4, 3, 5)]
    y = [list("abca"), list("aab"), list("bcabc")]
    seen = {pair for tags in y for pair in itertools.pairwise(tags)}
    svm = ChainSVM(constraints="seen", order=order, random_state=0).fit(X, y)
    svm.save(tmp_path / "model")
    new = [rng.normal(size=(n, 2)) * 5 for n in (1, 2, 6, 9, 30)]
    for each in (svm, structsvm.load(tmp_path / "model")):
        best = [rows[0][0] for rows in each.predict_n_best(new, 1)]
        for tags, again in zip(each.predict(new), best, strict=True):
            assert set(itertools.pairwise(tags.tolist())) <= seen
            np.testing.assert_array_equal(tags, again)
    free = ChainSVM(order=order, random_state=0).fit(X, y)
    assert not all(set(itertools.pairwise(t.tolist())) <= seen for t in free.predict(new))
    # Held-out sequences may have any transition.
    held = ChainSVM(constraints="seen", random_state=0)
    held.fit(X, y, X_val=X[:1], y_val=[list("acba")])
    assert 0.0 <= held.validation_score_ <= 1.0


def test_unseen_transitions_of_void_labels_and_later_batches():
    X = [np.eye(3), np.eye(3)]
    svm = ChainSVM(constraints="seen", random_state=0).fit(X, [["a", None, "b"], ["a", "b", "b"]])
    assert not svm.model_._seen[1, 0]
    assert not svm.model_._seen[0, 0]
    online = ChainSVM(constraints="seen", solver="perceptron").partial_fit(X, [list("abb")] * 2)
    with pytest.raises(LabelError, match=r"y\[0\]\[1\] is a after b, which constraints forbid"):
        online.partial_fit(X[:1], [list("bab")])
    latent = LatentSVM(ChainModel(constraints="seen"), random_state=0)
    latent.fit(X, [["a", None, "b"], ["a", "b", "b"]])
    assert "b a" not in " ".join(latent.predict(X)[0])
    no_way = ChainSVM(constraints="seen", random_state=0)
    no_way.fit([*X, np.eye(3)[:1]], [list("abc"), list("abc"), ["c"]])
    assert no_way.predict([np.zeros((3, 3))])[0].tolist() == list("abc")
    with pytest.raises(ValueError, match="constraints forbid every labelling of sequence 0"):
        no_way.predict([np.zeros((4, 3))])
