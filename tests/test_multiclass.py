"""MulticlassSVM: objectives, planes, supports, and the contract of a scikit-learn classifier."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import structsvm
from structsvm import MulticlassSVM, StructuredModel
from structsvm.callbacks import Checkpoint
from structsvm.hinge import crammer_singer, lee_lin_wahba, weston_watkins
from structsvm.models import MulticlassModel
from structsvm.problems._multiclass_blocks import MulticlassBlocks

LOSSES = ("crammer_singer", "weston_watkins", "lee_lin_wahba")
# Those of scikit-learn's own LinearSVC: solutions are equal within the gap, not to seven digits.
EXPECTED_FAILURES = {
    f"check_sample_weight_equivalence_on_{kind}_data": "solved to tol, in another order"
    for kind in ("dense", "sparse")
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        MulticlassSVM(random_state=0),
        MulticlassSVM(loss="weston_watkins", random_state=0),
        MulticlassSVM(loss="lee_lin_wahba", slack="squared", random_state=0),
    ],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def blobs(n=60, n_classes=3, n_features=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(n_classes), rng.integers(n_classes, size=n - n_classes)])
    X = rng.normal(size=(n_classes, n_features))[y] + rng.normal(size=(n, n_features))
    return X, y, rng.random(n) + 0.1


def hinges(svm, X, y):
    """Each row's hinge, by the functions of structsvm.hinge."""
    f = svm.model_.scores(X, svm._flat_weights())
    power = 2 if svm.slack == "squared" else 1
    if f.shape[1] == 2:
        return np.maximum(1 - (2 * y - 1) * f[:, 1], 0) ** power
    if svm.loss == "crammer_singer":
        return crammer_singer(y, f, cost=svm.cost, reduction="none") ** power
    if svm.loss == "weston_watkins":
        return weston_watkins(y, f, power=power, reduction="none")
    if power == 1:
        return lee_lin_wahba(y, f, reduction="none")
    short = np.maximum(f - f.mean(axis=1, keepdims=True) + 1 / (f.shape[1] - 1), 0) ** 2
    short[np.arange(len(y)), y] = 0
    return short.sum(axis=1)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("slack", ["linear", "squared"])
@pytest.mark.parametrize("loss", LOSSES)
def test_objective_certificate_and_support(loss, slack, n_classes, sparse, fit_intercept):
    X, y, weight = blobs(n_classes=n_classes)
    weight[5] = 0.0
    data = sp.csr_array(np.where(np.abs(X) > 0.5, X, 0)) if sparse else X
    svm = MulticlassSVM(
        C=0.7, loss=loss, slack=slack, fit_intercept=fit_intercept, tol=1e-8, max_iter=5000,
        random_state=0,
    ).fit(data, y, weight)  # fmt: skip
    w = svm._flat_weights()
    primal = 0.5 * w @ w + 0.7 * (weight * hinges(svm, data, y)).sum()
    assert svm.objective_ == pytest.approx(primal, rel=1e-10)
    assert svm.dual_gap_ <= 1e-8
    assert svm.certified_
    rows = np.asarray(data[svm.support_].T @ svm.dual_coef_).T
    np.testing.assert_allclose(svm.coef_, rows, atol=2e-3)
    assert svm.coef_.shape == (1 if n_classes == 2 else n_classes, 4)
    assert svm.support_counts_.sum() == 60
    assert svm.support_counts_[:, 1:].sum() == len(svm.support_)
    if slack == "squared":
        assert not svm.support_counts_[:, 2].any()
    if fit_intercept:
        ones = svm.dual_coef_.sum(axis=0)
        np.testing.assert_allclose(svm.intercept_, ones, atol=2e-3)
    if loss == "lee_lin_wahba" and n_classes > 2:
        np.testing.assert_allclose(svm.coef_.sum(axis=0), 0, atol=1e-9)

    # No step in any direction is better: an optimum found without the dual.
    def objective(v):
        svm._weights = v
        return 0.5 * v @ v + 0.7 * (weight * hinges(svm, data, y)).sum()

    best = minimize(objective, w, method="Powell", options={"maxfev": 300}).fun
    svm._weights = w
    assert best >= primal * (1 - 1e-7)


@pytest.mark.parametrize("C", [0.01, 1.0])
def test_objectives_are_those_of_liblinear(C):
    X, y = load_digits(return_X_y=True)
    X = X / 16
    theirs = LinearSVC(
        C=C, multi_class="crammer_singer", fit_intercept=False, tol=1e-7, max_iter=10**5
    ).fit(X, y)
    ours = MulticlassSVM(C=C, fit_intercept=False, tol=1e-6, random_state=0).fit(X, y)
    scores = theirs.decision_function(X)
    objective = 0.5 * (theirs.coef_**2).sum() + C * crammer_singer(y, scores, reduction="sum")
    assert ours.objective_ == pytest.approx(objective, rel=1e-5)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=0.02 * np.abs(theirs.coef_).max())
    y = (y > 4).astype(int)
    for slack, loss in (("linear", "hinge"), ("squared", "squared_hinge")):
        theirs = LinearSVC(C=C, loss=loss, fit_intercept=False, tol=1e-7, max_iter=10**6).fit(X, y)
        margin = (2 * y - 1) * theirs.decision_function(X)
        short = np.maximum(1 - margin, 0) ** (2 if slack == "squared" else 1)
        objective = 0.5 * (theirs.coef_**2).sum() + C * short.sum()
        ours = MulticlassSVM(C=C, slack=slack, fit_intercept=False, tol=1e-6, random_state=0)
        assert ours.fit(X, y).objective_ == pytest.approx(objective, rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(2, 4),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["margin", "slack"]),
)
def test_planes_equal_the_python_methods(seed, n_classes, sparse, intercept, rescaling):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(n_classes), rng.integers(n_classes, size=3)])
    X = rng.integers(-2, 3, size=(len(y), 3)).astype(float)
    cost = rng.integers(1, 4, size=(n_classes, n_classes)).astype(float)
    np.fill_diagonal(cost, 0)
    model = MulticlassModel(cost=cost, fit_intercept=intercept)
    data = sp.csr_array(X) if sparse else X
    model.initialize(data, y)
    problem = model.bind(data, y)
    problem.set_rescaling(rescaling)
    for w in (np.zeros(model.n_weights), rng.integers(-3, 4, model.n_weights).astype(float)):
        np.testing.assert_allclose(problem.scores(w), model.scores(data, w))
        for i, (x, truth) in enumerate(zip(X, y, strict=True)):
            deltas = [model.joint_feature(x, truth) - model.joint_feature(x, k)
                      for k in range(n_classes)]  # fmt: skip
            losses = np.array([model.loss(truth, k) for k in range(n_classes)])
            margins = np.array([w @ delta for delta in deltas])
            heights = losses * (1 - margins) if rescaling == "slack" else losses - margins
            indices, values, loss = problem.oracle(i, w)
            assert loss - values @ w[indices] == pytest.approx(max(heights.max(), 0), abs=1e-9)
            assert len(set(indices)) == len(indices)
            if rescaling == "margin":
                delta = np.zeros(model.n_weights)
                delta[indices] = values
                best = np.flatnonzero(heights == heights.max())
                assert any(np.array_equal(delta, deltas[k]) for k in best)
                guess = model.loss_augmented_inference(x, truth, w)
                assert heights[guess] == heights.max()


@pytest.mark.parametrize("loss", LOSSES)
def test_planes_of_sums_are_those_of_the_violated_classes(loss):
    X, y, _ = blobs(30, 4)
    model = MulticlassModel(loss)
    model.initialize(X, y)
    problem = model.bind(X, y)
    rng = np.random.default_rng(0)
    function = {"crammer_singer": crammer_singer, "weston_watkins": weston_watkins,
                "lee_lin_wahba": lee_lin_wahba}[loss]  # fmt: skip
    for w in rng.normal(size=(5, model.n_weights)):
        expected = function(y, model.scores(X, w), reduction="none")
        assert problem.mean_hinge(w) == pytest.approx(expected.mean(), rel=1e-12)
        for i in range(30):
            indices, values, plane_loss = problem.oracle(i, w)
            assert plane_loss - values @ w[indices] == pytest.approx(expected[i], abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("solver", ["cutting_plane", "n_slack", "subgradient"])
def test_every_solver_reaches_one_objective(loss, solver):
    X, y, weight = blobs(40)
    best = MulticlassSVM(C=0.3, loss=loss, tol=1e-7, random_state=0).fit(X, y, weight)
    svm = MulticlassSVM(
        C=0.3, loss=loss, solver=solver, tol=0.02, max_iter=4000, random_state=0
    ).fit(X, y, weight)
    assert svm.dual_gap_ <= 0.02
    assert best.dual_objective_ <= svm.objective_ <= best.objective_ / 0.979
    assert not hasattr(svm, "support_")


def test_costs_and_slack_rescaling():
    X, y, _ = blobs(80, 4)
    ordinal = np.abs(np.subtract.outer(np.arange(4), np.arange(4))).astype(float)
    svm = MulticlassSVM(cost=ordinal, tol=1e-6, random_state=0).fit(X, y)
    f = svm.decision_function(X)
    expected = crammer_singer(y, f, cost=ordinal, reduction="sum")
    w = svm._flat_weights()
    assert svm.objective_ == pytest.approx(0.5 * w @ w + expected, rel=1e-10)
    assert svm.dual_gap_ <= 1e-6
    slack = MulticlassSVM(cost=ordinal, rescaling="slack", tol=1e-4, random_state=0).fit(X, y)
    f = slack.decision_function(X)
    rows = np.arange(len(y))
    worst = (ordinal[y] * (1 + f - f[rows, y][:, None])).max(axis=1).sum()
    w = slack._flat_weights()
    assert slack.objective_ == pytest.approx(0.5 * w @ w + worst, rel=1e-8)
    assert slack.dual_gap_ <= 1e-4


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("slack", ["linear", "squared"])
def test_one_visit_is_the_exact_maximum_of_the_dual(loss, slack):
    """Against a general optimiser over the multipliers of one example."""
    X, y, _ = blobs(12, 4)
    model = MulticlassModel(loss, slack=slack)
    model.initialize(X, y)
    problem = model.bind(X, y)
    blocks = MulticlassBlocks(problem)
    blocks.regularization = lam = 0.05
    blocks.combination()
    blocks.move_to(np.zeros(model.n_weights))
    rng = np.random.default_rng(0)

    def dual():
        z, loss_term = blocks.combination()
        return loss_term - z @ z / (2 * lam)

    blocks.exact_pass(rng.permutation(12).astype(np.int32))
    for i in range(12):
        before = dual()
        blocks.exact_pass(np.array([i], dtype=np.int32))
        reached = dual()
        assert reached >= before - 1e-12
        mu, weights = blocks.mu[i].copy(), blocks.weights.copy()
        wrong = [k for k in range(4) if k != y[i]]
        held = blocks.snapshot()
        for _ in range(30):  # no other point of the feasible set is better
            trial = rng.dirichlet(np.ones(4))[:3] * rng.choice([0.3, 1.0])
            if loss != "crammer_singer":
                trial = rng.random(3)
            if slack == "squared":
                trial = trial * 3
            for share in (0.01, 0.3, 1.0):
                blocks.mu[i, wrong] = (1 - share) * mu[wrong] + share * trial
                z, loss_term = blocks_from_scratch(blocks)
                assert loss_term - z @ z / (2 * lam) <= reached + 1e-10
        blocks.restore(held)
        np.testing.assert_array_equal(blocks.weights, weights)


def blocks_from_scratch(blocks):
    return blocks.from_scratch()


def test_two_classes_and_many_classes():
    X, y, _ = blobs(50, 2)
    first = [MulticlassSVM(loss=loss, tol=1e-7, random_state=0).fit(X, y) for loss in LOSSES]
    for svm in first[1:]:
        np.testing.assert_allclose(svm.coef_, first[0].coef_, atol=1e-3)
    assert first[0].decision_function(X).shape == (50,)
    X, y, _ = blobs(300, 60)
    svm = MulticlassSVM(C=10, tol=1e-4, random_state=0).fit(X, y)
    assert svm.dual_gap_ <= 1e-4
    assert svm.decision_function(X).shape == (300, 60)


def test_a_fit_goes_on_and_is_kept(tmp_path):
    X, y, _ = blobs(200, 4)
    names = np.array(["b", "c", "a", "d"])[y]
    svm = MulticlassSVM(C=0.1, tol=1e-6, warm_start=True, random_state=0).fit(X, names)
    first = svm.n_iter_
    assert svm.fit(X, names).n_iter_ <= first / 3
    svm.save(tmp_path / "model")
    copy = structsvm.load(tmp_path / "model")
    assert copy.classes_.tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(copy.predict(X), svm.predict(X))
    np.testing.assert_array_equal(copy.coef_, svm.coef_)
    sparse = MulticlassSVM(C=0.1, random_state=0).fit(sp.csr_array(X), names)
    sparse.save(tmp_path / "sparse")
    copy = structsvm.load(tmp_path / "sparse")
    np.testing.assert_array_equal(copy.decision_function(X), sparse.decision_function(X))
    # Resumed from a checkpoint: the same bits.
    path = tmp_path / "fit.ckpt"
    whole = MulticlassSVM(C=10, tol=1e-7, random_state=0).fit(X, y)
    callbacks = [Checkpoint(path, every=3), lambda progress: progress.n_iter == 5]
    MulticlassSVM(C=10, tol=1e-7, random_state=0, callbacks=callbacks).fit(X, y)
    resumed = MulticlassSVM(C=10, tol=1e-7, random_state=0)
    examples = resumed._rows(X, y, None)
    from structsvm.estimators.fitting import Validation

    resumed._fit(examples, Validation(None, None), path)
    np.testing.assert_array_equal(resumed.coef_, whole.coef_)


def test_paths_and_what_violates_most():
    X, y, _ = blobs(60)
    path = structsvm.fit_path(MulticlassSVM(tol=1e-5, random_state=0), X, y, Cs=[0.1, 1.0])
    cold = MulticlassSVM(C=1.0, tol=1e-5, random_state=0).fit(X, y)
    assert path[1].objective_ == pytest.approx(cold.objective_, rel=2e-5)
    for loss, slack in itertools.product(LOSSES, ("margin", "slack")):
        if slack == "slack" and loss != "crammer_singer":
            continue
        svm = MulticlassSVM(loss=loss, rescaling=slack, tol=0.01, random_state=0).fit(X, y)
        worst = svm.loss_augmented_predict(X, y)
        positive = hinges(svm, X, y) > 1e-12
        np.testing.assert_array_equal(worst != y, positive)
        if loss == "crammer_singer" and slack == "margin":
            w = svm._flat_weights()
            expected = [svm.model_.loss_augmented_inference(*pair, w)
                        for pair in zip(X, y, strict=True)]  # fmt: skip
            np.testing.assert_array_equal(worst, expected)


def test_learning_in_pieces():
    X, y, _ = blobs(200, 3)
    svm = MulticlassSVM(solver="perceptron", random_state=0)
    for start in range(0, 200, 50):
        svm.partial_fit(X[start : start + 50], y[start : start + 50], classes=[0, 1, 2])
    assert svm.score(X, y) > 0.6
    assert not hasattr(MulticlassSVM(), "partial_fit")
    with pytest.raises(ValueError, match="y has the label 7, which is not in classes"):
        svm.partial_fit(X[:2], [0, 7])


def test_weights_of_classes_and_searches():
    X, y = load_iris(return_X_y=True)
    few = np.concatenate([np.arange(50), np.arange(50, 60), np.arange(100, 150)])
    weight = np.array([1.0, 5.0, 1.0])
    by_class = MulticlassSVM(class_weight={0: 1.0, 1: 5.0, 2: 1.0}, tol=1e-8, random_state=0)
    by_row = MulticlassSVM(tol=1e-8, random_state=0)
    by_class.fit(X[few], y[few])
    by_row.fit(X[few], y[few], weight[y[few]])
    np.testing.assert_array_equal(by_class.coef_, by_row.coef_)
    balanced = MulticlassSVM(class_weight="balanced", random_state=0).fit(X[few], y[few])
    assert (balanced.predict(X[few]) == 1).sum() > 5
    grid = {"C": [0.1, 1], "loss": LOSSES}
    search = GridSearchCV(MulticlassSVM(random_state=0), grid, cv=3)
    assert search.fit(X, y).best_score_ > 0.9


def test_input_of_any_layout_gives_one_answer(tmp_path):
    X, y, _ = blobs(40)
    X = np.round(X, 1)
    svm = MulticlassSVM(tol=1e-7, random_state=0)
    best = svm.fit(X, y).objective_
    read_only = X.copy()
    read_only.flags.writeable = False
    duplicates = sp.coo_array(
        (np.tile(X.ravel() / 2, 2), (np.tile(np.repeat(np.arange(40), 4), 2),
                                     np.tile(np.tile(np.arange(4), 40), 2)))
    )  # fmt: skip
    shuffled = sp.csr_array(X)
    for i in range(40):
        row = slice(shuffled.indptr[i], shuffled.indptr[i + 1])
        shuffled.indices[row] = shuffled.indices[row][::-1].copy()
        shuffled.data[row] = shuffled.data[row][::-1].copy()
    shuffled.has_sorted_indices = False
    wide = sp.csr_array(X)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    csr = sp.csr_array((duplicates.data, duplicates.coords[::1]), shape=(40, 4))
    layouts = [np.asfortranarray(X), read_only, X.tolist(), X.astype(np.float32), shuffled, wide]
    for data in [*layouts, sp.csr_array(duplicates), csr, sp.csc_array(X)]:
        assert svm.fit(data, y).objective_ == pytest.approx(best, rel=1e-5)
    whole = MulticlassSVM(tol=1e-7, random_state=0).fit((10 * X).astype(int), y)
    assert whole.dual_gap_ <= 1e-7


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[np.nan, 1.0], [1.0, 2.0]], [0, 1], "contains NaN"),
        ([[np.inf, 1.0], [1.0, 2.0]], [0, 1], "contains infinity"),
        ([[0.0], [1.0]], ["a", "a"], "y holds 1 class, 'a'; at least 2 classes"),
        (np.zeros((0, 3)), [], "0 sample"),
        ([[0.0], [1.0]], [0, 1, 1], "inconsistent numbers of samples"),
        ([[0.0], [1.0]], [0.5, 1.2], "Unknown label type"),
    ],
)
def test_bad_data_are_named(X, y, message):
    with pytest.raises(ValueError, match=message):
        MulticlassSVM().fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"C": 0}, "C=0: expected"),
        ({"loss": "hinge"}, "unknown hinge 'hinge': expected one of 'crammer_singer'"),
        ({"slack": "cubed"}, "unknown slack 'cubed'"),
        ({"cost": np.ones((2, 2))}, "cost"),
        ({"cost": np.ones((3, 3))}, r"cost\[0, 0\] is 1"),
        ({"cost": 1 - np.eye(3), "loss": "weston_watkins"}, "cost is for crammer_singer"),
        ({"slack": "squared", "solver": "cutting_plane"}, "'cutting_plane' works with planes"),
        ({"rescaling": "slack", "loss": "lee_lin_wahba"}, "is for loss='crammer_singer'"),
        ({"rescaling": "slack", "slack": "squared"}, "is for loss='crammer_singer'"),
        ({"class_weight": "equal"}, "class_weight"),
    ],
)
def test_bad_parameters_are_named(params, message):
    X, y, _ = blobs(20)
    with pytest.raises(ValueError, match=message):
        MulticlassSVM(**params).fit(X, y)


@pytest.mark.parametrize("weight", [-np.ones(20), np.zeros(20), np.full(20, np.nan), np.ones(3)])
def test_bad_sample_weights_are_named(weight):
    X, y, _ = blobs(20)
    with pytest.raises(ValueError, match=r"sample_weight"):
        MulticlassSVM().fit(X, y, weight)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e150])
def test_extreme_features_neither_hang_nor_give_nonsense(loss, scale):
    X, y, _ = blobs(30)
    svm = MulticlassSVM(loss=loss, max_iter=30, fit_intercept=False, random_state=0)
    svm.fit(X * scale, y)
    assert np.isfinite(svm.coef_).all()
    assert svm.dual_objective_ <= svm.objective_ * (1 + 1e-9)


def test_rows_of_zeros_and_no_features():
    X, y = np.zeros((6, 2)), np.array([0, 1, 2] * 2)
    for loss, intercept in itertools.product(LOSSES, (True, False)):
        svm = MulticlassSVM(loss=loss, fit_intercept=intercept, random_state=0).fit(X, y)
        assert svm.dual_gap_ <= 1e-3
    empty = sp.csr_array((6, 3))
    assert MulticlassSVM(random_state=0).fit(empty, y).dual_gap_ <= 1e-3


def test_the_model_is_a_structured_model():
    X, y, _ = blobs(10)
    model = MulticlassModel()
    model.initialize(X, y)
    python = StructuredModel.bind(model, list(X), list(y))
    compiled = model.bind(X, y)
    w = np.random.default_rng(0).normal(size=model.n_weights)
    assert python.mean_hinge(w) == pytest.approx(compiled.mean_hinge(w), rel=1e-12)
