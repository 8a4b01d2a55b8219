"""Compiled multiclass problems against the numpy reference, and their exact block updates."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.models import twin
from reference.planes import dense

from structsvm import MulticlassModel, hinge
from structsvm.data.snapshots import check_snapshot
from structsvm.engines import Threads
from structsvm.exceptions import ModelFileError
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._multiclass import MulticlassProblem
from structsvm.solvers._multiclass_dual import MulticlassDual
from structsvm.solvers.block_duals import block_dual_of
from structsvm.testing import check_model

HINGES = ["crammer_singer", "weston_watkins", "lee_lin_wahba"]
SLACKS = ["linear", "squared"]
KINDS = {
    "dense": np.asarray,
    "dense float32": lambda X: X.astype(np.float32),
    "Fortran": np.asfortranarray,
    "integers": lambda X: X.astype(int),
    "CSR": sp.csr_array,
    "CSR float32": lambda X: sp.csr_matrix(X.astype(np.float32)),
    "CSR int64": lambda X: with_int64(sp.csr_array(X)),
    "CSR duplicates": lambda X: with_duplicates(X),
    "list of rows": list,
    "list of CSR rows": lambda X: [sp.csr_array(row[None]) for row in X],
}


def with_int64(X):
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def with_duplicates(X):
    """Each entry as two halves, in descending order of columns."""
    n, d = X.shape
    columns = np.tile(np.repeat(np.arange(d)[::-1], 2), n)
    values = np.repeat(X[:, ::-1], 2, axis=1).ravel() / 2
    return sp.csr_matrix((values, columns, np.arange(n + 1) * 2 * d), shape=(n, d))


def read_only(X):
    X = np.ascontiguousarray(X)
    X.flags.writeable = False
    return X


def data(rng, n_classes, n=6, d=5):
    """Small even integers, so that all sums are exact."""
    X = 2.0 * rng.integers(-2, 3, size=(n, d))
    return X, np.arange(n) % n_classes


def make_model(name, n_classes, rng, *, intercept=True, slack="linear", cost=False):
    matrix = None
    if cost:
        matrix = rng.integers(1, 5, size=(n_classes, n_classes)) * (1.0 - np.eye(n_classes))
    return MulticlassModel(name, slack=slack, cost=matrix, fit_intercept=intercept)


def bound(model, X, y):
    model.initialize(X, y)
    return model.bind(X, y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HINGES)
@given(
    n_classes=st.sampled_from([2, 3, 5, 8, 9, 17, 26, 33]),
    intercept=st.booleans(),
    cost=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=12, deadline=None)
def test_planes_equal_the_reference(kind, name, n_classes, intercept, cost, seed):
    rng = np.random.default_rng(seed)
    X, y = data(rng, n_classes, n=n_classes + 2)
    cost = cost and name == "crammer_singer"
    model = make_model(name, n_classes, rng, intercept=intercept, cost=cost)
    problem = bound(model, KINDS[kind](X), y)
    python = twin(model).bind(list(X), list(y))
    assert problem.n_weights == python.n_weights == model.n_weights
    for w in (np.zeros(model.n_weights), rng.integers(-3, 4, model.n_weights).astype(float)):
        hinges = problem.hinges(w)
        for i in range(0, len(X), len(X) // 8 + 1):
            delta, loss = dense(problem, problem.oracle(i, w))
            expected_delta, expected_loss = dense(python, python.oracle(i, w))
            height = loss - w @ delta
            assert height == pytest.approx(expected_loss - w @ expected_delta, abs=1e-9)
            assert hinges[i] == pytest.approx(max(height, 0), abs=1e-9)
            # Where two classes violate the margin equally, either plane will do.
            if len(set(twin(model)._violations(X[i], y[i], w))) == n_classes:
                assert loss == expected_loss
                np.testing.assert_allclose(delta, expected_delta, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("cost", [False, True])
def test_slack_rescaling_equals_the_reference(n_classes, cost):
    rng = np.random.default_rng(0)
    X, y = data(rng, n_classes, n=9)
    model = make_model("crammer_singer", n_classes, rng, cost=cost)
    problem = bound(model, X, y)
    python = twin(model).bind(list(X), list(y))
    for each in (problem, python):
        each.set_rescaling("slack")
    for _ in range(10):
        w = rng.normal(size=model.n_weights) / 4
        for i in range(len(X)):
            delta, loss = dense(problem, problem.oracle(i, w))
            expected_delta, expected_loss = dense(python, python.oracle(i, w))
            assert loss == expected_loss
            np.testing.assert_allclose(delta, expected_delta, rtol=1e-12)
            assert problem.hinges(w)[i] == pytest.approx(loss - w @ delta, abs=1e-12)


@pytest.mark.parametrize("name", HINGES)
@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_hinges_equal_the_functions(name, n_classes):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(20, 4)), np.arange(20) % n_classes
    model = make_model(name, n_classes, rng)
    problem = bound(model, X, y)
    w = rng.normal(size=model.n_weights)
    scores = model.scores(X, w)
    if n_classes == 2:
        expected = hinge.hinge(np.where(y == 1, 1, -1), scores[:, 0], reduction="none")
    else:
        expected = getattr(hinge, name)(y, scores, reduction="none")
    np.testing.assert_allclose(problem.hinges(w), expected, rtol=1e-12)
    assert problem.mean_hinge(w) == pytest.approx(expected.mean())
    problem.set_sample_weight(np.arange(20.0))
    assert problem.mean_hinge(w) == pytest.approx((np.arange(20) * expected).mean())
    np.testing.assert_array_equal(problem.hinges(w, Threads(3)), problem.hinges(w))


@pytest.mark.parametrize("name", HINGES)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_squared_slack_is_a_maximum_over_its_tangents(name, n_classes):
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(12, 3)), np.arange(12) % n_classes
    model = make_model(name, n_classes, rng, slack="squared")
    problem = bound(model, X, y)
    linear = bound(make_model(name, n_classes, rng), X, y)
    points = rng.normal(size=(6, model.n_weights))
    if name == "crammer_singer":
        np.testing.assert_allclose(problem.hinges(points[0]), linear.hinges(points[0]) ** 2)
    elif n_classes > 2:
        scores = model.scores(X, points[0])
        if name == "weston_watkins":
            expected = hinge.weston_watkins(y, scores, power=2, reduction="none")
            np.testing.assert_allclose(problem.hinges(points[0]), expected)
    for w in points:
        for i in range(len(X)):
            delta, loss = dense(problem, problem.oracle(i, w))
            assert loss - w @ delta == pytest.approx(problem.hinges(w)[i], abs=1e-12)
            for other in points:
                assert loss - other @ delta <= problem.hinges(other)[i] + 1e-12


def block_dual_value(problem, alpha, i, A, v, old, cap):
    """The dual of one block as a function of its multipliers, by the formulas of the source."""
    loss, K = problem.loss, len(problem.cost)
    wrong = np.arange(K) != problem.labels[i]
    change = np.where(wrong, alpha - old, 0.0)
    if K == 2:
        quadratic = change.sum() ** 2
    elif loss == "lee_lin_wahba":
        quadratic = change @ change - change.sum() ** 2 / K
    else:
        quadratic = change @ change + change.sum() ** 2
    value = change @ np.where(wrong, v, 0.0) - A / 2 * quadratic
    if problem.slack == "squared":
        total = alpha.sum() ** 2 if loss == "crammer_singer" else alpha @ alpha
        value -= total / (4 * cap)
    return value


@pytest.mark.parametrize("slack", SLACKS)
@pytest.mark.parametrize("name", HINGES)
@given(
    n_classes=st.sampled_from([2, 3, 4, 6]),
    scale=st.sampled_from([0.0, 1e-9, 1e-3, 1.0, 30.0]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_block_updates_are_exact(name, slack, n_classes, scale, seed):
    rng = np.random.default_rng(seed)
    n = n_classes + 1
    X, y = scale * rng.normal(size=(n, 3)), np.arange(n) % n_classes
    model = make_model(
        name,
        n_classes,
        rng,
        intercept=False,
        slack=slack,
        cost=name == "crammer_singer" and seed % 2,
    )
    problem = bound(model, X, y)
    caps = rng.integers(0, 3, size=n) / 2.0
    problem.set_sample_weight(caps if caps.any() else None)
    caps = caps if caps.any() else np.ones(n)
    dual = block_dual_of(problem)(problem)
    dual.regularization = 0.3
    dual.move_to(rng.normal(size=model.n_weights))
    dual.ascend(rng.integers(n, size=5).astype(np.int32))
    for i in range(n):
        old, w = dual.alpha[i].copy(), np.array(dual.weights)
        v = twin(model)._violations(X[i], y[i], w)
        A = X[i] @ X[i] / (n * 0.3)
        dual.ascend(np.array([i], dtype=np.int32))
        new = dual.alpha[i]
        assert (new >= 0).all()
        assert new[y[i]] == 0
        if slack == "linear":
            most = new.sum() if name == "crammer_singer" else new.max()
            assert most <= caps[i] * (1 + 1e-12)
        if caps[i] == 0:
            assert not new.any()
            continue
        value = block_dual_value(problem, new, i, A, v, old, caps[i])
        # The weights are where the multipliers say.
        shift = np.zeros_like(w)
        columns = problem_columns(problem, new - old, y[i])
        shift += np.outer(X[i], columns).ravel() / (n * 0.3)
        np.testing.assert_allclose(dual.weights, w + shift, rtol=1e-9, atol=1e-9)
        # No other feasible point is better: random ones, and those a little way from this one.
        tolerance = 1e-9 * (1 + abs(value) + caps[i] * np.abs(v).max())
        for _ in range(30):
            trial = rng.exponential(size=n_classes) * (rng.random(n_classes) < 0.6)
            if slack == "linear":
                most = trial.sum() if name == "crammer_singer" else trial.max()
                trial *= rng.random() * caps[i] / max(most, 1e-300)
                if name != "crammer_singer":
                    trial = np.minimum(trial * rng.integers(1, 5), caps[i])
            trial[y[i]] = 0.0
            for share in (1.0, 0.1, 1e-3):
                point = share * trial + (1 - share) * new
                better = block_dual_value(problem, point, i, A, v, old, caps[i])
                assert better <= value + tolerance
        # A second visit changes nothing, and the gap it meets is none.
        dual.ascend(np.array([i], dtype=np.int32))
        assert dual.gaps[i] <= 10 * tolerance
        np.testing.assert_allclose(dual.alpha[i], new, rtol=1e-6, atol=1e-9 * caps[i])


def problem_columns(problem, alpha, y):
    """q of ``_multiclass.pxd``."""
    K = len(problem.cost)
    if K == 2:
        return np.array([alpha.sum() if y == 1 else -alpha.sum()])
    q = -alpha
    if problem.loss == "lee_lin_wahba":
        return q + alpha.sum() / K
    q[y] += alpha.sum()
    return q


@pytest.mark.parametrize("slack", SLACKS)
@pytest.mark.parametrize("name", HINGES)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_dual_point_is_consistent(name, slack, n_classes):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(30, 4)), np.arange(30) % n_classes
    problem = bound(make_model(name, n_classes, rng, slack=slack), X, y)
    dual = block_dual_of(problem)(problem)
    dual.regularization = 0.02
    values = []
    for _ in range(20):
        dual.ascend(rng.permutation(30).astype(np.int32))
        z = dual.combination()
        np.testing.assert_allclose(dual.weights, z / 0.02, rtol=1e-9, atol=1e-12)
        values.append(dual.loss() - z @ z / 0.04)
    assert (np.diff(values) >= -1e-12).all()
    w = np.array(dual.weights)
    assert values[-1] <= 0.01 * w @ w + problem.mean_hinge(w)
    dual.ascend(np.arange(30, dtype=np.int32))
    held = dual.snapshot()
    other = block_dual_of(problem)(problem)
    other.restore(held)
    for each in (dual, other):
        each.long_pass(3, True)
        each.long_pass(4, False)
        each.short_passes(0.1, 5, 5)
    np.testing.assert_array_equal(dual.weights, other.weights)
    np.testing.assert_array_equal(dual.alpha, other.alpha)
    check_snapshot(held, dual.kinds())
    with pytest.raises(ModelFileError, match=r"alpha.* is float64 of shape \(29, "):
        check_snapshot(held | {"alpha": held["alpha"][:-1]}, dual.kinds())


def test_a_block_dual_is_for_one_kind_of_problem():
    class Other(MulticlassProblem):
        """Perhaps with another oracle, of which the dual knows nothing."""

    given = {"loss": "crammer_singer", "slack": "linear", "cost": 1.0 - np.eye(3)}
    labels = np.arange(3, dtype=np.int32)
    rows = FeatureRows(np.eye(3), intercept=False)
    assert block_dual_of(MulticlassProblem(rows, labels, **given)) is MulticlassDual
    with pytest.raises(ValueError, match="and Other has none: use solver='bcfw'"):
        block_dual_of(Other(rows, labels, **given))


def test_passes_visit_whom_they_should():
    rng = np.random.default_rng(9)
    X, y = rng.normal(size=(50, 3)) + 5 * np.eye(3)[np.arange(50) % 3], np.arange(50) % 3
    problem = bound(make_model("crammer_singer", 3, rng), X, y)
    dual = block_dual_of(problem)(problem)
    dual.regularization = 0.1
    for seed in range(3):
        dual.long_pass(seed, True)
    assert dual.n_visits == 150
    left_out = int((dual.idle >= 2).sum())
    assert 0 < left_out < 50
    mean_gap = dual.long_pass(9, False)
    assert dual.n_visits == 200 - left_out
    assert mean_gap == pytest.approx(dual.gaps.mean())
    wanting = int((dual.gaps > 0.5 * dual.gaps.mean()).sum())
    dual.short_passes(0.5, 1, 1)
    assert dual.n_visits == 200 - left_out + wanting
    dual.short_passes(0.5, 0, 1)
    assert dual.n_visits == 200 - left_out + wanting


@pytest.mark.parametrize("kind", KINDS)
def test_square_norms(kind):
    from structsvm.data.rows import check_rows

    X, _ = data(np.random.default_rng(4), 3, d=21)
    for intercept in (False, True):
        norms = FeatureRows(check_rows(KINDS[kind](X)), intercept=intercept).sqnorms()
        np.testing.assert_array_equal(norms, (X**2).sum(axis=1) + intercept)


def test_rows_are_used_in_place():
    from structsvm.data.rows import check_rows

    X, _ = data(np.random.default_rng(5), 3)
    for kind in (X, X.astype(np.float32), read_only(X)):
        assert check_rows(kind) is kind or np.shares_memory(check_rows(kind), kind)
    sparse = sp.csr_matrix(X)
    assert check_rows(sparse) is sparse
    before = with_duplicates(X)
    data_before = before.data.copy()
    check_rows(before)
    np.testing.assert_array_equal(before.data, data_before)


def test_the_model_is_sound():
    rng = np.random.default_rng(6)
    X, y = data(rng, 3, n=9)
    for cost in (False, True):
        check_model(make_model("crammer_singer", 3, rng, cost=cost), list(X), list(y))
    check_model(make_model("crammer_singer", 2, rng), list(X), list(y % 2))


def test_plain_oracle_predicts():
    rng = np.random.default_rng(7)
    for name in HINGES:
        for n_classes in (2, 3):
            X, y = data(rng, n_classes, n=9)
            model = make_model(name, n_classes, rng)
            problem = bound(model, X, y)
            problem.set_rescaling("plain")
            for w in (np.zeros(model.n_weights), rng.normal(size=model.n_weights)):
                for i in range(9):
                    delta, _ = dense(problem, problem.oracle(i, w))
                    guess = model.inference(X[i], w)
                    expected = model.joint_feature(X[i], y[i]) - model.joint_feature(X[i], guess)
                    np.testing.assert_allclose(delta, expected, atol=1e-12)


@pytest.mark.parametrize("slack", SLACKS)
@pytest.mark.parametrize("name", HINGES)
def test_primal_optimum_agrees_with_scipy(name, slack):
    """An independent program: L-BFGS for smooth objectives, a QP by SLSQP for the others."""
    from structsvm import MulticlassSVM

    rng = np.random.default_rng(8)
    X, y = rng.normal(size=(14, 2)), np.arange(14) % 3
    X += np.eye(3)[y][:, :2]
    svm = MulticlassSVM(scale=None, C=0.7, loss=name, slack=slack, tol=1e-9, random_state=0).fit(
        X, y
    )
    Z = np.c_[X, np.ones(14)]
    wrong = np.arange(3) != y[:, None]

    def margins(w):
        s = Z @ w.reshape(3, 3)
        if name == "lee_lin_wahba":
            return 0.5 + s - s.mean(axis=1, keepdims=True)
        return 1 + s - s[np.arange(14), y][:, None]

    n_slacks = 14 if name == "crammer_singer" else 28
    power = 2 if slack == "squared" else 1

    def objective(p):
        return p[:9] @ p[:9] / 2 + 0.7 * (p[9:] ** power).sum()

    def room(p):
        v = margins(p[:9])[wrong].reshape(14, 2)
        xi = p[9:].reshape(14, -1)
        return np.concatenate([(xi - v).ravel(), p[9:]])

    start = np.concatenate([np.zeros(9), np.ones(n_slacks)])
    found = scipy.optimize.minimize(
        objective,
        start,
        constraints={"type": "ineq", "fun": room},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert found.success
    assert svm.objective_ == pytest.approx(found.fun, rel=1e-6)
    assert svm.dual_gap_ <= 1e-9
    np.testing.assert_allclose(svm._flat_weights(), found.x[:9], atol=1e-3)
