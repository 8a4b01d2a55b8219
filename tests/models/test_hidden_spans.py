"""Spans of which some tags are unknown: `LatentSVM` completes them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import segmentations, sequences_with_spans

from structsvm import LatentSVM, SpanModel, StructSVM
from structsvm.exceptions import LabelError


def agrees(tags, partial):
    return all(b is None or a == b for a, b in zip(tags, partial, strict=True))


@given(data=st.data())
@settings(max_examples=30)
def test_completions_are_the_best_that_agree(data):
    X, y = data.draw(sequences_with_spans(2, tags=True))
    model = SpanModel(max_length=2, output="tags")
    model.initialize(X, y)
    few = st.sampled_from([0.0, 1.0, -1.0, 2.0])
    w = np.array(data.draw(st.lists(few, min_size=model.n_weights, max_size=model.n_weights)))
    partial = [[None if data.draw(st.booleans()) else str(k) for k in row] for row in y]
    inputs, read = model.prepare_examples(X, partial)
    before = model.completed(inputs, read, np.zeros(model.n_weights))
    for found in (model.completed(inputs, read, w), model.completed(inputs, read, w, before)):
        for x, tags, some in zip(X, found, partial, strict=True):
            assert agrees(tags, some)
            scores = [
                model.joint_feature(x, other) @ w
                for other in segmentations(model, x)
                if agrees(other, some)
            ]
            assert model.joint_feature(x, tags) @ w == pytest.approx(max(scores), abs=1e-9)
    assert len(model.differing(found, model.completed(inputs, read, w, found))) == 0


def runs(n=40, seed=0):
    rng = np.random.default_rng(seed)
    X, y, partial = [], [], []
    for _ in range(n):
        tags = []
        while len(tags) < 8:
            size = int(rng.integers(1, 4))
            tags += ["B-x", *["I-x"] * (size - 1)] if rng.random() < 0.5 else ["O"] * size
        inside = np.array([tag != "O" for tag in tags])
        first = np.array([tag == "B-x" for tag in tags])
        X.append(np.stack([inside, first], axis=1) + 0.2 * rng.normal(size=(len(tags), 2)))
        y.append(tags)
        partial.append([None if rng.random() < 0.4 else tag for tag in tags])
    return X, y, partial


@pytest.mark.parametrize("solver", ["bcfw", "n_slack", "cutting_plane"])
def test_no_round_raises_the_objective(solver):
    X, y, partial = runs()
    svm = LatentSVM(SpanModel(output="tags", max_length=3), solver=solver, random_state=0)
    svm.fit(X, partial)
    assert (np.diff(svm.history_["objective"]) <= 0).all()
    assert svm.score(X, y) > 0.8
    assert 0.8 < svm.score(X, partial) <= 1.0
    assert all(map(agrees, svm.complete(X, partial), partial))
    weights = svm.model_.completed(*svm.model_.prepare_examples(X, partial), svm.coef_).weight
    assert (weights == 0).sum() == sum(row.count(None) for row in partial)


def test_without_unknown_tags_it_is_the_convex_problem():
    X, y, _ = runs(20)
    settings = {"C": 0.3, "tol": 1e-5, "random_state": 0}
    plain = StructSVM(SpanModel(), **settings).fit(X, y)
    assert LatentSVM(SpanModel(), **settings).fit(X, y).objective_ == pytest.approx(
        plain.objective_, rel=2e-5
    )


def test_what_cannot_be_is_told():
    X, _, partial = runs(5)
    with pytest.raises(ValueError, match=r"y\[0\]\[\d\] is None: spans take no void labels"):
        StructSVM(SpanModel()).fit(X, partial)
    with pytest.raises(ValueError, match="task_loss='spans' counts whole spans"):
        LatentSVM(SpanModel("spans")).fit(X, partial)
    with pytest.raises(ValueError, match="all tags in y are None"):
        LatentSVM(SpanModel()).fit(X[:1], [[None] * len(X[0])])
    rows = [np.eye(3), np.eye(3)]
    told = r"y\[1\] leaves no spans of up to 1 positions that agree with the tags that are known"
    with pytest.raises(LabelError, match=told):
        LatentSVM(SpanModel(max_length=1), random_state=0).fit(
            rows, [["B-x", "O", "O"], [None, "I-x", None]]
        )
