"""The quadratic program on the simplex against enumeration of its active sets."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.simplex_qp import ReferenceQP

from structsvm.solvers._simplex_qp import SimplexQP


def value(planes, loss, lam, alpha):
    z = alpha @ planes
    return loss @ alpha - z @ z / (2 * lam)


def best_by_enumeration(planes, loss, lam):
    """The best stationary point over all sets of planes in use, with and without the truth."""
    best, m = 0.0, len(loss)
    for size in range(1, m + 1):
        for used in itertools.combinations(range(m), size):
            A, b = planes[list(used)], loss[list(used)]
            G, ones = A @ A.T / lam, np.ones((size, 1))
            systems = [
                (G, b),
                (np.block([[G, ones], [ones.T, np.zeros((1, 1))]]), np.append(b, 1.0)),
            ]
            for matrix, side in systems:
                x = np.linalg.lstsq(matrix, side, rcond=None)[0][:size]
                if (x >= -1e-9).all() and x.sum() <= 1 + 1e-9:
                    alpha = np.zeros(m)
                    alpha[list(used)] = np.maximum(x, 0) / max(np.maximum(x, 0).sum(), 1.0)
                    best = max(best, value(planes, loss, lam, alpha))
    return best


def solve_one_by_one(planes, loss, lam):
    qp = SimplexQP(lam)
    for k in range(len(loss)):
        qp.add(planes[:k] @ planes[k], planes[k] @ planes[k], loss[k])
        result = qp.solve()
        assert (qp.alpha >= 0).all()
        assert qp.alpha.sum() <= 1 + 1e-9
        assert result == pytest.approx(value(planes[: k + 1], loss[: k + 1], lam, qp.alpha))
    return qp, result


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    m=st.integers(1, 6),
    d=st.integers(1, 5),
    scale=st.sampled_from([1e-3, 1.0, 100.0]),
    lam=st.sampled_from([1e-3, 0.1, 1.0, 10.0]),
    repeated=st.booleans(),
)
def test_equals_enumeration(seed, m, d, scale, lam, repeated):
    rng = np.random.default_rng(seed)
    planes, loss = scale * rng.normal(size=(m, d)), rng.uniform(-0.2, 2, size=m)
    if repeated:  # exact duplicates, and the same plane with another loss
        planes[rng.integers(m)] = planes[0]
        planes[-1] = planes[0]
    _, result = solve_one_by_one(planes, loss, lam)
    want = best_by_enumeration(planes, loss, lam)
    assert result == pytest.approx(want, rel=1e-7, abs=1e-9)


def test_many_exact_triples_stay_solvable():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(40, 60)) + 2 * rng.normal(size=60)
    planes = np.concatenate([base, base, base, rng.normal(size=(40, 60))])
    loss = np.concatenate([np.tile(rng.uniform(0.5, 1, 40), 3), rng.uniform(0.5, 1, 40)])
    order = rng.permutation(len(loss))
    qp, result = solve_one_by_one(planes[order], loss[order], 0.5)
    heights = qp.loss - qp.gram @ qp.alpha / 0.5
    assert heights.max() - qp.alpha @ heights <= 1e-8 * np.abs(qp.loss).max()
    without = np.concatenate([base, planes[120:]]), np.concatenate([loss[:40], loss[120:]])
    assert result == pytest.approx(solve_one_by_one(*without, 0.5)[1], rel=1e-9)


def test_forgetting_planes_without_weight_changes_nothing():
    rng = np.random.default_rng(1)
    qp, result = solve_one_by_one(rng.normal(size=(30, 4)), rng.uniform(size=30), 0.1)
    qp.keep(qp.alpha > 0)
    assert len(qp) < 30
    assert qp.solve() == pytest.approx(result, rel=1e-12)


def test_no_planes_and_useless_planes():
    qp = SimplexQP(1.0)
    assert qp.solve() == 0.0
    qp.add([], 1.0, -0.5)  # below the truth everywhere near zero
    assert qp.solve() == 0.0
    assert qp.alpha.tolist() == [0.0]
    qp.add([0.0], 0.0, 3.0)  # a constant: all weight
    assert qp.solve() == pytest.approx(3.0)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    m=st.integers(1, 7),
    d=st.integers(1, 6),
    n_rays=st.integers(1, 6),
    lam=st.sampled_from([1e-3, 0.1, 1.0, 10.0]),
    repeated=st.booleans(),
)
def test_rays_are_the_multipliers_of_weights_that_must_not_be_negative(
    seed, m, d, n_rays, lam, repeated
):
    rng = np.random.default_rng(seed)
    n_rays = min(n_rays, d)
    planes, loss = rng.normal(size=(m, d)), rng.uniform(-0.2, 2, size=m)
    if repeated:
        planes[-1] = planes[0]
    qp = SimplexQP(lam, n_rays)
    assert qp.solve() == 0.0
    for k in range(m):
        products = np.concatenate([planes[k, :n_rays], planes[:k] @ planes[k]])
        qp.add(products, planes[k] @ planes[k], loss[k])
        result = qp.solve()
        rays, alpha = qp.alpha[:n_rays], qp.alpha[n_rays:]
        assert (qp.alpha >= 0).all()
        assert alpha.sum() <= 1 + 1e-9
        z = alpha @ planes[: k + 1]
        allowed = np.concatenate([np.maximum(z[:n_rays], 0), z[n_rays:]])
        size = 1 + np.abs(z).max()
        np.testing.assert_allclose(rays, np.maximum(-z[:n_rays], 0), atol=1e-6 * size)
        want = loss[: k + 1] @ alpha - allowed @ allowed / (2 * lam)
        assert result == pytest.approx(want, rel=1e-7, abs=1e-9)
        # No plane lies above those in use: the model's minimum is the dual value.
        w = allowed / lam
        hinge = max((loss[: k + 1] - planes[: k + 1] @ w).max(), 0.0)
        assert lam / 2 * w @ w + hinge == pytest.approx(want, rel=1e-6, abs=1e-7)


def assert_equals_twin(qp):
    twin = ReferenceQP(qp.gram, qp.loss, qp.alpha, qp.lam, qp.n_rays)
    assert qp.solve() == twin.solve()
    assert np.array_equal(qp.alpha, twin.alpha)


@pytest.mark.parametrize("lam", [1e-6, 0.1, 10.0])
@pytest.mark.parametrize("n_rays", [0, 4])
def test_equals_the_numpy_twin_to_the_bit(lam, n_rays):
    """Whatever was factored before: planes come, some go, some come again."""
    rng = np.random.default_rng(0)
    planes, loss = rng.normal(size=(60, 12)) + 1.0, rng.uniform(-0.1, 1, size=60)
    planes[20], planes[30], planes[31] = planes[5], 1e-5 * planes[7], 0.0
    qp, held, met = SimplexQP(lam, n_rays), [], set()
    for k in [*range(60), *range(10)]:
        products = np.concatenate([planes[k, :n_rays], planes[held] @ planes[k]])
        qp.add(products, planes[k] @ planes[k], loss[k])
        held.append(k)
        assert_equals_twin(qp)
        met.add(int((qp.alpha > 0).sum()))
        if k % 7 == 6:
            kept = (qp.alpha[n_rays:] > 0) | (rng.uniform(size=len(qp)) < 0.7)
            qp.keep(kept)
            held = [plane for plane, is_kept in zip(held, kept, strict=True) if is_kept]
            assert_equals_twin(qp)
    assert max(met) >= 6


def test_a_restored_program_goes_on_in_the_same_bits():
    rng = np.random.default_rng(2)
    planes, loss = rng.normal(size=(40, 9)), rng.uniform(size=40)
    qp, _ = solve_one_by_one(planes[:20], loss[:20], 0.1)
    other = SimplexQP(0.1)
    other.restore(qp.snapshot())
    for k in range(20, 40):
        for program in (qp, other):
            program.add(planes[:k] @ planes[k], planes[k] @ planes[k], loss[k])
            program.solve()
        assert np.array_equal(qp.alpha, other.alpha)


def test_planes_that_are_too_large_are_refused():
    qp = SimplexQP(1.0)
    with pytest.raises(ValueError, match="too large"):
        qp.add([], np.inf, 1.0)
    with pytest.raises(ValueError, match="1 products with 0 rays and planes"):
        qp.add([1.0], 1.0, 1.0)
    qp = SimplexQP(1e-300)
    qp.add([], 1e300, 1.0)
    with pytest.raises(ValueError, match="too large"):
        qp.solve()
