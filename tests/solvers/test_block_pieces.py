"""The pieces of a block dual, each alone: plane store, evaluator, block steps, averaged point."""

import itertools

import numpy as np
import pytest
from python_models import PythonClasses

from structsvm.data.snapshots import check_snapshot
from structsvm.exceptions import ModelFileError
from structsvm.solvers._averaged_point import AveragedPoint
from structsvm.solvers._block_steps import FrankWolfeSteps, PairwiseSteps
from structsvm.solvers._evaluator import Evaluator
from structsvm.solvers._simplex_qp import SimplexQP
from structsvm.solvers._sparse_planes import SparsePlanes

N, D, K = 8, 5, 6


class Classes(PythonClasses):
    """`wrong` gives the lowest class instead of the highest."""

    wrong = False

    def loss_augmented_inference(self, x, y, w):
        values = self.scores(x, w) + self.losses(y)
        return int(np.argmin(values) if self.wrong else np.argmax(values))


@pytest.fixture
def model():
    return Classes(K)


@pytest.fixture
def problem(model):
    rng = np.random.default_rng(0)
    X, y = list(rng.normal(size=(N, D))), list(np.arange(N) % K)
    model.initialize(X, y)
    return model.bind(X, y)


def filled(problem, n_points=12, seed=1, **options):
    """A store after passes at so many points, its evaluator, and the points."""
    store = SparsePlanes(problem.n_examples, problem.n_weights, **options)
    evaluator = Evaluator(problem, store)
    points = np.random.default_rng(seed).normal(size=(n_points, problem.n_weights))
    for w in points:
        evaluator.evaluate(w)
    return store, evaluator, points


def planes_of(store):
    """(deltas, losses, weights) of each example, from a snapshot."""
    held = store.snapshot()
    nnz = held["counts"][:, 1]
    starts = np.concatenate([[0], np.cumsum(nnz)])
    deltas = np.zeros((len(nnz), store.n_weights))
    for k, (start, stop) in enumerate(itertools.pairwise(starts)):
        deltas[k, held["indices"][start:stop]] = held["values"][start:stop]
    cuts = np.cumsum(held["sizes"])[:-1]
    parts = (deltas, held["planes"][:, 2], held["planes"][:, 0])
    return list(zip(*(np.split(part, cuts) for part in parts), strict=True))


# ---- the store


def test_a_store_holds_each_plane_once_with_its_inner_products(problem):
    store, _, _ = filled(problem, 40)
    held = store.snapshot()
    assert store.n_planes == held["sizes"].sum() == len(held["planes"])
    assert store.n_entries == len(held["values"])
    assert held["sizes"].max() <= K - 1
    cells = iter(held["gram"])
    for deltas, losses, weights in planes_of(store):
        assert len(np.unique(np.column_stack([deltas, losses]), axis=0)) == len(losses)
        assert not weights.any()
        gram = deltas @ deltas.T
        for p in range(len(losses)):
            np.testing.assert_allclose([next(cells) for _ in range(p + 1)], gram[p, : p + 1])
    assert next(cells, None) is None
    assert store.nbytes > 12 * store.n_entries


def test_the_aggregate_is_the_mean_of_the_highest_planes(problem):
    store, evaluator, points = filled(problem)
    w = points[3]
    delta, loss = store.aggregate(w)
    want = np.zeros(store.n_weights), 0.0
    for deltas, losses, _ in planes_of(store):
        heights = losses - deltas @ w
        if len(heights) and heights.max() > 0:
            best = heights.argmax()
            want = want[0] + deltas[best] / N, want[1] + losses[best] / N
    np.testing.assert_allclose(delta, want[0], atol=1e-14)
    assert loss == pytest.approx(want[1])
    assert loss - delta @ w == pytest.approx(evaluator.evaluate(w))
    with pytest.raises(ValueError, match=f"there are 3 weights, expected {K * D}"):
        store.aggregate(w[:3])


def test_a_full_block_gives_up_the_plane_that_was_idle_longest(problem):
    store, _, _ = filled(problem, 40, max_planes=2)
    assert store.snapshot()["sizes"].max() == 2
    # Those that a later point needs are the ones that stay.
    w = np.random.default_rng(9).normal(size=store.n_weights)
    evaluator = Evaluator(problem, store)
    hinge = evaluator.evaluate(w)
    delta, loss = store.aggregate(w)
    assert loss - delta @ w == pytest.approx(hinge)


def test_planes_without_weight_are_forgotten_in_time(problem):
    store, _, _ = filled(problem, drop_after=3)
    point = AveragedPoint(problem)
    steps = PairwiseSteps(store, point)
    point.regularization = 0.1
    for _ in range(5):
        steps.cached_pass(np.arange(N, dtype=np.int32))
    in_use, before = store.support()[0], store.n_planes
    z, loss = store.combination()
    assert 0 < in_use < before
    for _ in range(2):
        store.forget_idle()
        assert store.n_planes == before
    store.forget_idle()
    assert store.n_planes == in_use
    # What is left has kept its places in the Gram matrix.
    cells = iter(store.snapshot()["gram"])
    for deltas, losses, _ in planes_of(store):
        for p in range(len(losses)):
            row = (deltas @ deltas.T)[p, : p + 1]
            np.testing.assert_allclose([next(cells) for _ in range(p + 1)], row, atol=1e-14)
    np.testing.assert_array_equal(store.combination()[0], z)
    assert store.combination()[1] == loss
    store.clear()
    assert store.n_planes == store.n_entries == store.support()[0] == 0
    assert not store.combination()[0].any()


@pytest.mark.parametrize("mixed", [False, True])
def test_a_store_becomes_what_a_snapshot_was_taken_of(problem, mixed):
    store, _, points = filled(problem, mixed=mixed)
    steps = (FrankWolfeSteps if mixed else PairwiseSteps)(store, AveragedPoint(problem))
    steps.cached_pass(np.arange(N, dtype=np.int32))
    held = store.snapshot()
    check_snapshot(held, store.kinds())
    # One that is empty, and one that holds other planes.
    for other in (
        SparsePlanes(N, K * D, mixed=mixed),
        filled(problem, 30, seed=5, mixed=mixed)[0],
    ):
        other.restore(held)
        again = other.snapshot()
        assert held.keys() == again.keys()
        for name, array in held.items():
            np.testing.assert_array_equal(array, again[name], err_msg=name)
        assert (other.n_planes, other.n_entries) == (store.n_planes, store.n_entries)
        assert other.support() == store.support()
        for evaluator in (Evaluator(problem, other), Evaluator(problem, store)):
            evaluator.evaluate(points[0] + 1)
        store.restore(held)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sizes", lambda a: a + 1),
        ("truth", lambda a: a / 2),
        ("planes", lambda a: np.column_stack([a[:, 0] + 0.5, a[:, 1:]])),
        ("counts", lambda a: a[:-1]),
        ("counts", lambda a: a * 2),
        ("gram", lambda a: a[1:]),
        ("values", lambda a: a[1:]),
        ("indices", lambda a: a[1:]),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(problem, name, change):
    store, _, _ = filled(problem)
    held = store.snapshot()
    with pytest.raises(ModelFileError, match=f"its planes are not for {N} examples"):
        store.restore(held | {name: change(held[name])})
    # Nothing has changed by then.
    for key, array in store.snapshot().items():
        np.testing.assert_array_equal(array, held[key])


# ---- the evaluator


def answered_heights(problem, w):
    """The height at w of each answer of the oracle there."""
    planes = (problem.oracle(i, w) for i in range(N))
    return [loss - values @ w[indices] for indices, values, loss in planes]


def test_an_evaluator_tells_the_hinge_of_each_example(problem):
    store, evaluator, points = filled(problem, 3)
    w, hinges = points[1] - 0.5, np.empty(N)
    mean = evaluator.evaluate(w, hinges)
    want = answered_heights(problem, w)
    np.testing.assert_allclose(hinges, np.maximum(want, 0.0), atol=1e-14)
    assert mean == pytest.approx(hinges.mean())
    assert evaluator.n_oracle_calls == 4 * N
    assert evaluator.n_overruled == 0
    assert evaluator.worst_answer is None
    other = Evaluator(problem, store)
    other.restore(evaluator.snapshot())
    assert other.n_oracle_calls == 4 * N
    check_snapshot(evaluator.snapshot(), evaluator.kinds())


def test_an_answer_below_a_known_plane_is_overruled(model, problem):
    _, evaluator, points = filled(problem, 30)
    w, hinges = points[7], np.empty(N)
    want = evaluator.evaluate(w)
    model.wrong = True
    assert evaluator.evaluate(w, hinges) == pytest.approx(want)  # by the planes known
    assert evaluator.n_overruled == N
    example, shortfall = evaluator.worst_answer
    heights = answered_heights(problem, w)
    np.testing.assert_allclose(shortfall, np.max(hinges - heights))
    assert example == np.argmax(hinges - heights)


def test_the_pieces_must_be_of_one_size(problem):
    with pytest.raises(ValueError, match=f"the store is for 3 examples and {K * D} weights"):
        Evaluator(problem, SparsePlanes(3, K * D))
    with pytest.raises(
        ValueError, match=f"has {N} examples and {K * D} weights, expected {N} and 4"
    ):
        PairwiseSteps(SparsePlanes(N, 4), AveragedPoint(problem))
    with pytest.raises(ValueError, match="Frank-Wolfe steps need a store that is mixed"):
        FrankWolfeSteps(SparsePlanes(N, K * D), AveragedPoint(problem))


# ---- the steps


def one_example(problem, mixed):
    """Planes of example 0 alone."""
    store, _, _ = filled(problem, 30, mixed=mixed)
    return store, planes_of(store)[0]


@pytest.mark.parametrize(
    ("kind", "passes", "precision"), [(PairwiseSteps, 40, 1e-9), (FrankWolfeSteps, 4000, 2e-3)]
)
def test_steps_solve_the_quadratic_program_of_a_block(problem, kind, passes, precision):
    store, (deltas, losses, _) = one_example(problem, kind is FrankWolfeSteps)
    regularization = 0.05
    point = AveragedPoint(problem)
    point.regularization = regularization
    steps = kind(store, point)
    values = []
    for _ in range(passes):
        steps.cached_pass(np.zeros(1, dtype=np.int32))
        z, loss = store.combination()
        values.append(N * loss - N * z @ z / (2 * regularization))
        np.testing.assert_allclose(point.weights, z / regularization, atol=1e-10)
    assert (np.diff(values) >= -1e-12).all()
    qp = SimplexQP(regularization * N)
    for p in range(len(losses)):
        qp.add(deltas[:p] @ deltas[p], deltas[p] @ deltas[p], losses[p])
    assert values[-1] == pytest.approx(qp.solve(), rel=precision)
    assert steps.gaps[0] == pytest.approx(0.0, abs=10 * precision)
    assert not steps.gaps[1:].any()
    if kind is PairwiseSteps:
        weights = store.snapshot()["planes"][: len(losses), 0]
        np.testing.assert_allclose(weights, qp.alpha, atol=1e-6)


def test_blocks_with_a_small_gap_wait(problem):
    store, _, _ = filled(problem)
    point = AveragedPoint(problem)
    steps = PairwiseSteps(store, point)
    order = np.arange(N, dtype=np.int32)
    mean = steps.cached_pass(order)
    met = steps.gaps.copy()
    assert mean == pytest.approx(met[met > 0].sum() / (store.snapshot()["sizes"] > 0).sum())
    before = point.n_updates
    steps.cached_pass(order, np.median(met))
    waited = met < np.median(met)
    assert point.n_updates - before == (~waited & (store.snapshot()["sizes"] > 0)).sum()
    np.testing.assert_array_equal(steps.gaps[waited], met[waited])


# ---- the averaged point


def test_the_average_is_that_of_all_iterates(problem):
    store, _, points = filled(problem)
    point = AveragedPoint(problem, average=True)
    point.regularization = 0.1
    steps = PairwiseSteps(store, point)
    np.testing.assert_array_equal(point.average(), 0.0)
    rng, iterates = np.random.default_rng(2), []
    for t in range(30):
        if t == 17:
            point.move_to(points[0])
        steps.cached_pass(rng.integers(N, size=1).astype(np.int32))
        if point.n_updates > len(iterates):
            iterates.append(np.array(point.weights))
    factors = np.arange(1, len(iterates) + 1)
    want = np.average(iterates, axis=0, weights=factors)
    np.testing.assert_allclose(point.average(), want, atol=1e-12)
    held = point.snapshot()
    check_snapshot(held, point.kinds())
    other = AveragedPoint(problem, average=True)
    other.restore(held)
    np.testing.assert_array_equal(other.average(), point.average())
    assert other.regularization == 0.1
    with pytest.raises(ModelFileError, match="its regularization is 0"):
        other.restore(held | {"numbers": np.zeros(2)})
    # Without an average it is the point itself.
    plain = AveragedPoint(problem)
    plain.move_to(points[1])
    np.testing.assert_array_equal(plain.average(), points[1])


def test_multipliers_are_the_least_that_make_weights_allowed(model, problem):
    problem.keep_non_negative(slice(2, 6))
    point = AveragedPoint(problem)
    w = np.random.default_rng(3).normal(size=problem.n_weights)
    point.move_to(w)
    np.testing.assert_array_equal(point.weights, problem.project(w))
    np.testing.assert_array_equal(point.multipliers, np.maximum(-w[2:6], 0.0))
    store, _, _ = filled(problem)
    steps = PairwiseSteps(store, point)
    point.move_to(np.zeros(problem.n_weights))
    for _ in range(30):
        steps.cached_pass(np.arange(N, dtype=np.int32))
        assert (point.weights[2:6] >= 0).all()
        z = store.combination()[0]
        np.testing.assert_allclose(point.weights, problem.project(z), atol=1e-12)
