"""Spans of which some tags are unknown: void in training, or completed by `LatentSVM`."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import segmentations, sequences_with_spans

from structsvm import LatentSVM, SpanModel, SpanSVM, StructSVM
from structsvm.exceptions import LabelError
from structsvm.features import spans_of


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


def psi_of_known(model, x, partial, tags):
    """psi of the tags, without parts that touch an unknown tag."""
    x, rows = x if isinstance(x, tuple) else (x, None)
    psi, n = np.zeros(model.n_weights), len(tags)
    blocks, known = model.weight_blocks(psi), [tag is not None for tag in partial]
    numbers = [model.tags_.index(tag) for tag in tags]
    labels = [model.labels_.index(None if tag == "O" else tag[2:]) for tag in tags]
    starts = [t for t in range(n) if not tags[t].startswith("I")]
    for t in range(n):
        if known[t]:
            blocks["state"][:, numbers[t]] += x[t]
            blocks["intercept"][numbers[t]] += 1
        if t in starts and t and known[t - 1] and known[t]:
            blocks["transition"][labels[t - 1], labels[t]] += 1
    for start, stop in itertools.pairwise([*starts, n]):
        if all(known[start : stop + 1]):  # and that the span ends there
            blocks["length"][np.searchsorted(model.length_bins, stop - start, "right") - 1] += (
                np.arange(len(model.labels_)) == labels[start]
            )
            if rows is not None:
                listed = spans_of(n, model.max_length_).tolist()
                blocks["span"][:, labels[start]] += rows[listed.index([start, stop])]
    if n and known[0]:
        blocks["start"][labels[0]] += 1
    if n and known[-1]:
        blocks["end"][labels[-1]] += 1
    return psi


@pytest.mark.parametrize("n_span_features", [0, 2])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_void_planes_are_the_best_of_all_outputs_without_what_touches_void(n_span_features, data):
    X, y = data.draw(sequences_with_spans(n_span_features, tags=True))
    model = SpanModel(max_length=2, length_bins=(1, 2), output="tags")
    model.initialize(X, y)
    few = st.sampled_from([0.0, 1.0, -1.0, 2.0])
    w = np.array(data.draw(st.lists(few, min_size=model.n_weights, max_size=model.n_weights)))
    partial = [[None if data.draw(st.booleans()) else str(k) for k in row] for row in y]
    problem = model.bind(X, partial)
    for i, (x, row, whole) in enumerate(zip(X, partial, y, strict=True)):
        truth = psi_of_known(model, x, row, list(whole))
        np.testing.assert_array_equal(model.joint_feature(x, row), truth)
        heights = [
            model.loss(row, other) + w @ (psi_of_known(model, x, row, list(other)) - truth)
            for other in segmentations(model, x)
        ]
        indices, values, loss = problem.oracle(i, w)
        assert loss - values @ w[indices] == pytest.approx(max(heights), abs=1e-9)


def test_void_tags_at_ends_of_spans_cut_sequences():
    """Spans of one position, and nothing that is shared by neighbours: the same as the pieces."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 3)) for n in (5, 4, 6)]
    y = [rng.choice(["B-x", "B-y", "O"], len(x)).tolist() for x in X]
    partial = [[None if t % 3 == 2 else tag for t, tag in enumerate(row)] for row in y]
    alone = [np.atleast_2d(x[t]) for x in X for t in range(len(x)) if t % 3 != 2]
    tags = [[row[t]] for row in y for t in range(len(row)) if t % 3 != 2]
    settings = {"C": 0.5, "scale": None, "tol": 1e-6, "random_state": 0}
    fixed = np.full(len(SpanSVM(max_length=1, **settings).fit(X, y).coef_), np.nan)
    fixed[12:] = 0.0  # beside 3 x 3 weights of states, and 3 constants
    whole = SpanSVM(max_length=1, fixed_weights=fixed, **settings).fit(alone, tags)
    void = SpanSVM(max_length=1, fixed_weights=fixed, **settings).fit(X, partial)
    assert void.certified_
    assert void.objective_ == pytest.approx(whole.objective_, rel=1e-5)


@pytest.mark.parametrize("solver", ["bcfw", "n_slack", "cutting_plane", "perceptron"])
def test_void_tags_train_by_all_solvers(solver):
    X, y, partial = runs(60)
    options = {"max_length": 3, "random_state": 0, "solver": solver}
    svm = SpanSVM(output="tags", **options).fit(X, partial)
    twice = SpanSVM(output="tags", n_jobs=2, **options).fit(X, partial)
    assert np.array_equal(svm.coef_, twice.coef_)
    assert svm.score(X, y) > 0.8
    nothing = SpanSVM(output="tags", **options).fit([*X, X[0]], [*partial, [None] * len(X[0])])
    if solver != "perceptron":
        assert nothing.objective_ == pytest.approx(svm.objective_, rel=5e-3)


@pytest.mark.parametrize(
    ("tags", "longest"),
    [
        ([None, "I-a", "B-a", "O"], 2),
        (["B-a", None, "I-a", "I-a"], 3),
        ([None, None, "B-a", "O"], 1),
        (["B-a", "I-a", None, "O"], 2),
    ],
)
def test_the_longest_span_is_one_that_known_tags_need(tags, longest):
    X = [np.eye(4)] * 2
    svm = SpanSVM(C=1.0, random_state=0).fit(X, [tags, ["B-a", "O", "O", "O"]])
    assert svm.max_length_ == longest
    assert svm.certified_


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
