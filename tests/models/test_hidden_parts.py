"""Sets of parts of which some are unknown: `LatentSVM` completes them."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structsvm import LatentSVM, PartsModel, StructSVM, load
from structsvm.exceptions import LabelError
from structsvm.inference import Assignment, SpanningTree, Subset

PAIRS = list(itertools.combinations(range(4), 2))


def two_best(theta, x):
    return np.bincount(np.argsort(-theta, kind="stable")[:2], minlength=len(theta))


def trees_of_four():
    for chosen in itertools.combinations(range(len(PAIRS)), 3):
        group = list(range(4))
        for a, b in (PAIRS[e] for e in chosen):
            group = [group[a] if g == group[b] else g for g in group]
        if len(set(group)) == 1:
            yield np.bincount(chosen, minlength=len(PAIRS))


def matchings():
    for order in itertools.permutations(range(3)):
        yield np.eye(3, dtype=int)[list(order)].ravel()


def subsets(n=5, k=2):
    for chosen in itertools.combinations(range(n), k):
        yield np.bincount(chosen, minlength=n)


KINDS = {
    "function": (two_best, list(subsets())),
    "subsets": (Subset(2), list(subsets())),
    "spanning trees": (SpanningTree(4, PAIRS), list(trees_of_four())),
    "assignments": (Assignment((3, 3)), list(matchings())),
}
kinds = pytest.mark.parametrize("name", KINDS)


def agrees(uses, partial):
    return bool(((np.asarray(partial) < 0) | (uses == partial)).all())


@kinds
@given(data=st.data())
@settings(max_examples=20)
def test_completions_are_the_best_that_agree(name, data):
    maximizer, outputs = KINDS[name]
    n = len(outputs[0])
    few = st.sampled_from([0.0, 1.0, -1.0, 2.0])
    X = [np.array(data.draw(st.lists(few, min_size=n, max_size=n)))[:, None] for _ in range(2)]
    y = [data.draw(st.sampled_from(outputs)) for _ in X]
    hidden = [np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n))) for _ in X]
    partial = [np.where(mask, -1, uses) for uses, mask in zip(y, hidden, strict=True)]
    model = PartsModel(maximizer)
    model.initialize(X, y)
    w = np.array([data.draw(few), 1.0])
    inputs, read = model.prepare_examples(X, partial)
    before = model.completed(inputs, read, np.zeros(2))
    for found in (model.completed(inputs, read, w), model.completed(inputs, read, w, before)):
        for x, uses, some in zip(X, found, partial, strict=True):
            assert agrees(uses, some)
            best = max((x[:, 0] * w[0]) @ other for other in outputs if agrees(other, some))
            assert (x[:, 0] * w[0]) @ uses == pytest.approx(best)
    assert len(model.differing(found, model.completed(inputs, read, w, found))) == 0


def examples(name, n=40, share=0.5):
    maximizer, outputs = KINDS[name]
    rng = np.random.default_rng(0)
    X, y, partial = [], [], []
    for _ in range(n):
        x = rng.normal(size=(len(outputs[0]), 2))
        uses = max(outputs, key=lambda some, x=x: x @ [2.0, -1.0] @ some)
        X.append(x + 0.3 * rng.normal(size=x.shape))
        y.append(uses)
        partial.append(np.where(rng.random(len(uses)) < share, -1, uses))
    return maximizer, outputs, X, y, partial


@kinds
@pytest.mark.parametrize("solver", ["bcfw", "n_slack"])
def test_no_round_raises_the_objective_that_enumeration_finds(name, solver, tmp_path):
    maximizer, outputs, X, y, partial = examples(name)
    model = PartsModel(maximizer)
    svm = LatentSVM(model, C=1.0, scale=None, solver=solver, random_state=0).fit(X, partial)
    assert (np.diff(svm.history_["objective"]) <= 0).all()
    total = 0.5 * svm.coef_ @ svm.coef_
    for x, some in zip(X, partial, strict=True):
        scores = [svm.model_.joint_feature(x, uses) @ svm.coef_ for uses in outputs]
        losses = [((uses != some) & (some >= 0)).sum() for uses in outputs]
        best = max(s for s, uses in zip(scores, outputs, strict=True) if agrees(uses, some))
        total += max(np.add(scores, losses)) - best
    assert svm.objective_ == pytest.approx(total, rel=1e-6)
    void = StructSVM(model, random_state=0).fit(X, partial)
    right = [
        np.mean([np.array_equal(a, b) for a, b in zip(s.predict(X), y, strict=True)])
        for s in (svm, void)
    ]
    assert min(right) > 0.6
    copies = [pickle.loads(pickle.dumps(svm))]
    if name != "function":
        svm.save(tmp_path / "svm")
        copies.append(load(tmp_path / "svm"))
    for copy, a in itertools.product(copies, [svm.complete(X, partial)]):
        assert all(map(np.array_equal, copy.complete(X, partial), a))


def test_what_nothing_is_hidden_of_is_trained_as_it_is():
    maximizer, _, X, y, _ = examples("spanning trees")
    plain = StructSVM(PartsModel(maximizer), C=0.5, tol=1e-5, random_state=0).fit(X, y)
    svm = LatentSVM(PartsModel(maximizer), C=0.5, tol=1e-5, random_state=0).fit(X, y)
    assert svm.objective_ == pytest.approx(plain.objective_, rel=2e-5)


def test_known_parts_that_no_output_has_are_told():
    X, y = [np.eye(4)] * 2, [[1, 1, 0, 0], [0, 0, 0, -1]]
    with pytest.raises(LabelError, match=r"y\[1\] leaves no output: the maximizer found none"):
        LatentSVM(PartsModel(Subset(2)), random_state=0).fit(X, y)


@kinds
def test_void_parts_beside_used_ones_are_those_of_uses(name):
    maximizer, _, X, _, partial = examples(name)
    rows = [
        {"used": np.flatnonzero(some > 0)[::-1].tolist(), "void": set(np.flatnonzero(some < 0))}
        for some in partial
    ]
    of_rows = maximizer
    if name == "function":
        of_rows = lambda theta, x: np.flatnonzero(two_best(theta, x))  # noqa: E731
    options = {"C": 1.0, "scale": None, "random_state": 0}
    for estimator in (StructSVM, LatentSVM):
        uses = estimator(PartsModel(maximizer), **options).fit(X, partial)
        indices = estimator(PartsModel(of_rows, output="indices"), **options).fit(X, rows)
        assert indices.objective_ == uses.objective_
        np.testing.assert_array_equal(indices.coef_, uses.coef_)
        assert indices.score(X, rows) == uses.score(X, partial)
    for some, row in zip(uses.complete(X, partial), indices.complete(X, rows), strict=True):
        assert np.flatnonzero(some).tolist() == row.tolist()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"used": [0], "void": [0, 1]}, r"y\[0\] says that part 0 is used, and that it is void"),
        ({"used": [0], "hidden": [1]}, r"keys \['used', 'hidden'\], expected 'used' and 'void'"),
        ({"used": [0], "void": [4]}, r"y\[0\] has the part 4, expected 0 to 3"),
        ([0, -1], r"y\[0\] has the part -1, expected 0 to 3"),
    ],
)
def test_void_parts_that_cannot_be_are_told(output, message):
    with pytest.raises(ValueError, match=message):
        StructSVM(PartsModel(Subset(2), output="indices")).fit([np.eye(4)], [output])
