"""Planes that are kept as labels, against the same planes as vectors."""

import numpy as np
import pytest
import scipy.sparse as sp
from text_chains import bound, text

from structsvm import ChainModel
from structsvm.exceptions import ModelFileError
from structsvm.problems._chain_deltas import gives_labels
from structsvm.solvers import BCFW
from structsvm.solvers._blocks import DualBlocks, store_for
from structsvm.solvers._label_planes import LabelPlanes
from structsvm.solvers._sparse_planes import SparsePlanes


def both(problem, **options):
    """Blocks with planes as vectors, and with planes as labels."""
    vectors = SparsePlanes(problem.n_examples, problem.n_weights, **options)
    return [
        DualBlocks(problem, store=store, **options)
        for store in (vectors, LabelPlanes(problem, **options))
    ]


def assert_same(blocks, others, atol=1e-10):
    assert blocks.store.n_planes == others.store.n_planes > 0
    for name in ("gaps", "hinges"):
        ours, theirs = ((b.steps if name == "gaps" else b) for b in (blocks, others))
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=0, atol=atol)
    np.testing.assert_allclose(blocks.point.weights, others.point.weights, rtol=0, atol=atol)
    ours, theirs = blocks.store.snapshot(), others.store.snapshot()
    for name in ("sizes", "serials", "truth", "planes", "gram"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=atol)
    for mine, other in zip(blocks.store.combination(), others.store.combination(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=atol)
    np.testing.assert_allclose(blocks.store.support(), others.store.support(), atol=atol)
    np.testing.assert_allclose(blocks.point.average(), others.point.average(), rtol=0, atol=atol)


PARAMS = [
    {},
    {"fit_intercept": False, "task_loss": "normalized_hamming"},
    {"boundary": False},
    {"transitions": False},
    {"transitions": False, "boundary": False},
    {"constraints": [(0, 0)], "on_violation": "repair"},
]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_labels_equal_vectors(params, weighted, binary):
    y = None
    if "constraints" in params:  # no label 0 follows another
        y = [np.where(np.arange(len(row)) % 2, 1, row) for row in text(0, binary=binary)[1]]
    problem = bound(binary=binary, weighted=weighted, y=y, **params)
    rng = np.random.default_rng(1)
    pair = both(problem, max_planes=4)
    for b in pair:
        b.point.regularization = 0.05
    for _ in range(6):
        order = rng.permutation(problem.n_examples).astype(np.int32)
        for b in pair:
            b.exact_pass(order)
        gaps = [b.steps.cached_pass(order[::-1].copy(), 0.0) for b in pair]
        assert gaps[0] == pytest.approx(gaps[1], abs=1e-10)
        point = rng.normal(size=problem.n_weights)
        found = [np.zeros(problem.n_examples) for _ in pair]
        hinges = [b.evaluator.evaluate(point, h) for b, h in zip(pair, found, strict=True)]
        assert hinges[0] == pytest.approx(hinges[1], abs=1e-10)
        np.testing.assert_allclose(*found, rtol=0, atol=1e-10)
        for (delta, loss), (other, other_loss) in [[b.store.aggregate(point) for b in pair]]:
            np.testing.assert_allclose(delta, other, rtol=0, atol=1e-10)
            assert loss == pytest.approx(other_loss, abs=1e-10)
        for b in pair:
            b.store.look_at(point)
        np.testing.assert_allclose(
            *(b.store.hinge_at_multiple(0.7) for b in pair), rtol=0, atol=1e-10
        )
        assert_same(*pair)
    assert all(b.evaluator.n_overruled == 0 for b in pair)
    assert pair[1].store.n_entries > 0


@pytest.mark.parametrize(
    "options", [{"average": True}, {"max_planes": 0}, {"drop_after": 0}], ids=str
)
def test_options_of_blocks(options):
    problem = bound()
    average = options.pop("average", False)
    pair = [
        DualBlocks(problem, store=b.store, average=average, **options)
        for b in both(problem, **options)
    ]
    order = np.arange(problem.n_examples, dtype=np.int32)
    for b in pair:
        b.point.regularization = 0.05
        for _ in range(4):
            b.exact_pass(order)
    assert_same(*pair)


def test_moved_blocks_are_of_the_new_truth():
    problem, (_, y) = bound(), text(0, binary=True)
    changed = [row.copy() for row in y]
    changed[0][:] = 0
    after = bound(y=changed)
    order = np.arange(problem.n_examples, dtype=np.int32)
    pair = both(problem)
    for b in pair:
        b.point.regularization = 0.05
        b.exact_pass(order)
    shifts = [(0, *after.truth_change(problem, 0))]
    pair = [b.moved(after, shifts) for b in pair]
    for ours, theirs in zip(*(b.store.combination() for b in pair), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(*(b.store.snapshot()["gram"] for b in pair), atol=1e-10)


def test_a_restored_store_is_the_same_to_the_bit():
    problem = bound()
    _, blocks = both(problem)
    blocks.point.regularization = 0.05
    order = np.arange(problem.n_examples, dtype=np.int32)
    for _ in range(3):
        blocks.exact_pass(order)
    held = blocks.snapshot()
    other = DualBlocks(problem, store=LabelPlanes(problem))
    other.restore(held)
    for b in (blocks, other):
        b.exact_pass(order)
    assert np.array_equal(blocks.point.weights, other.point.weights)
    assert blocks.store.n_entries == other.store.n_entries > 0
    with pytest.raises(ModelFileError):
        LabelPlanes(problem).restore(held | {"labels": held["labels"][1:]})


def test_only_chains_of_sparse_rows_give_labels():
    X, y = text(0, binary=True)
    assert gives_labels(bound())
    assert not gives_labels(bound(order=2))
    slack = bound()
    slack.set_rescaling("slack")
    assert not gives_labels(slack)
    void = ChainModel(ignore_label=None)
    unknown = [row.astype(object) for row in y]
    unknown[0][0] = None
    void.initialize(X, unknown)
    assert not gives_labels(void.bind(X, unknown))
    pairs = [(x, sp.csr_array(np.ones((x.shape[0], 1)))) for x in X]
    edges = ChainModel()
    edges.initialize(pairs, y)
    assert not gives_labels(edges.bind(pairs, y))
    with pytest.raises(ValueError, match="kept as labels"):
        LabelPlanes(edges.bind(pairs, y))
    with pytest.raises(ValueError, match="cannot be mixed"):
        LabelPlanes(bound(), mixed=True)


def wide(n_features):
    rng = np.random.default_rng(0)
    X = [sp.random(4, n_features, 8 / n_features, "csr", random_state=i) for i in range(6)]
    y = [rng.integers(3, size=4) for _ in X]
    model = ChainModel()
    model.initialize(X, y)
    return model.bind(X, y)


def short(length=6, n_features=12, n_labels=8, share=1.0, longest=0):
    rng = np.random.default_rng(0)
    lengths = [length] * 19 + [max(length, longest)]
    X = [rng.random((n, n_features)) * (rng.random((n, n_features)) < share) for n in lengths]
    y = [np.arange(i, i + n) % n_labels for i, n in enumerate(lengths)]
    model = ChainModel()
    model.initialize(X, y)
    return model.bind(X, y)


def test_the_form_follows_from_sizes():
    assert isinstance(store_for(short()), LabelPlanes)
    assert isinstance(store_for(short(), mixed=True), SparsePlanes)
    assert isinstance(store_for(short(length=17)), SparsePlanes)
    assert isinstance(store_for(short(longest=20)), LabelPlanes)
    assert isinstance(store_for(short(longest=100)), SparsePlanes)
    assert isinstance(store_for(short(n_features=100, share=0.05)), SparsePlanes)
    assert isinstance(store_for(short(n_features=3, n_labels=2)), SparsePlanes)
    assert isinstance(store_for(wide(60_000)), LabelPlanes)
    assert isinstance(store_for(wide(60_000), mixed=True), SparsePlanes)


def test_a_fit_with_labels_is_certified():
    problem = wide(60_000)
    result = BCFW().solve(
        problem, 1.0, tol=1e-6, max_iter=500, random_state=np.random.RandomState(0)
    )
    assert result.status == "converged"
    assert result.gap <= 1e-6
    hinge = problem.mean_hinge(result.weights)
    objective = 0.5 * np.sum(result.weights**2) + problem.n_examples * hinge
    assert objective == pytest.approx(result.objective, rel=1e-10)
    vectors = BCFW(step="frank_wolfe").solve(
        problem, 1.0, tol=1e-4, max_iter=3000, random_state=np.random.RandomState(0)
    )
    assert vectors.objective == pytest.approx(result.objective, rel=1e-3)
