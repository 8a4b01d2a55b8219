"""The compiled passes against their numpy twin, and the driver run on both."""

import numpy as np
import pytest
from reference.blocks import ReferenceBlocks

from structsvm import ChainModel
from structsvm.solvers import BCFW
from structsvm.solvers._blocks import DualBlocks

OPTIONS = [
    {"frank_wolfe": False, "max_planes": 20, "drop_after": 2, "average": False},
    {"frank_wolfe": False, "max_planes": 3, "drop_after": 0, "average": True},
    {"frank_wolfe": False, "max_planes": 0, "drop_after": 2, "average": False},
    {"frank_wolfe": True, "max_planes": 20, "drop_after": 2, "average": True},
    {"frank_wolfe": True, "max_planes": 2, "drop_after": 2, "average": False},
    {"frank_wolfe": True, "max_planes": 0, "drop_after": 2, "average": False},
]


def bound(words):
    X, y = words
    model = ChainModel(task_loss="normalized_hamming")
    model.initialize(X, y)
    return model.bind(X, y)


def assert_same(blocks, twin):
    np.testing.assert_allclose(blocks.point.weights, twin.weights, rtol=0, atol=1e-10)
    np.testing.assert_allclose(blocks.steps.gaps, twin.gaps, rtol=0, atol=1e-10)
    np.testing.assert_allclose(blocks.hinges, twin.hinges, rtol=0, atol=1e-10)
    assert blocks.store.n_planes == twin.n_planes
    assert blocks.evaluator.n_overruled == twin.n_overruled == 0
    for ours, theirs in zip(blocks.store.combination(), twin.combination(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(blocks.store.support(), twin.support(), rtol=1e-10)
    if blocks.point.lag is not None:
        np.testing.assert_allclose(blocks.point.average(), twin.average(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("options", OPTIONS)
def test_passes_equal_numpy_step_by_step(words, options):
    problem = bound(words)
    blocks, twin = DualBlocks(problem, **options), ReferenceBlocks(problem, **options)
    rng = np.random.default_rng(1)
    for blocks_or_twin in (blocks, twin):
        blocks_or_twin.point.regularization = 0.02
    for step in range(8):
        order = rng.permutation(problem.n_examples).astype(np.int32)
        for i in order:  # one visit at a time: a difference shows where it arises
            for b in (blocks, twin):
                b.exact_pass(np.array([i], dtype=np.int32))
            np.testing.assert_allclose(blocks.point.weights, twin.weights, rtol=0, atol=1e-10)
        gaps = [b.steps.cached_pass(order[::-1].copy(), 0.0) for b in (blocks, twin)]
        assert gaps[0] == pytest.approx(gaps[1], abs=1e-10)
        gaps = [b.steps.cached_pass(order, 0.5 * gaps[0]) for b in (blocks, twin)]
        assert gaps[0] == pytest.approx(gaps[1], abs=1e-10)
        assert_same(blocks, twin)
        if step % 3 == 2:
            point = rng.normal(size=problem.n_weights)
            assert blocks.evaluator.evaluate(point) == pytest.approx(
                twin.evaluate(point), abs=1e-10
            )
            shift = 0.01 * rng.normal(size=problem.n_weights)
            for b in (blocks, twin):
                b.point.move_to(b.point.weights + shift)
            assert_same(blocks, twin)


class ReferenceBCFW(BCFW):
    """The driver over the numpy passes."""

    def _make_blocks(self, problem):
        return ReferenceBlocks(problem, **self._block_options())


@pytest.mark.parametrize(
    "options",
    [
        {"coarse": False},
        {"acceleration": 5.0, "averaging": True, "coarse": False},
        {"sampling": "gap", "cached_passes": 3, "coarse": False},
        {"step": "frank_wolfe", "cached_passes": 0, "max_planes": 0, "acceleration": 0},
        {"step": "frank_wolfe", "acceleration": 0, "sampling": "uniform"},
    ],
)
def test_driver_gives_the_same_fit_on_both(words, options, planes_as_vectors):
    # Six rounds: later, rounding alone may decide what stands still.
    paths = []
    for solver in (BCFW, ReferenceBCFW):
        path = []
        result = solver(**options).solve(
            bound(words),
            10.0,
            tol=1e-9,
            max_iter=6,
            random_state=np.random.RandomState(0),
            callback=lambda progress, path=path: path.append(progress.weights.copy()),
        )
        paths.append((result, path))
    (ours, our_path), (theirs, their_path) = paths
    assert ours.n_iter == theirs.n_iter == 6
    np.testing.assert_allclose(our_path, their_path, rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=0, atol=1e-10)
    for name in ("objective", "dual_objective", "gap", "gap_estimate", "n_oracle_calls"):
        np.testing.assert_allclose(ours.history[name], theirs.history[name], rtol=1e-9, atol=1e-12)
