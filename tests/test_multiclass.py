"""MulticlassSVM as scikit-learn's users meet it."""

import contextlib
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale as scaled_columns
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import structsvm
from structsvm import MulticlassModel, MulticlassSVM, StructSVM, SurrogateSVM, fit_path, load
from structsvm.callbacks import Checkpoint, EarlyStopping
from structsvm.solvers import BCFW, BlockDual, CuttingPlane, Subgradient

LOSSES = ["crammer_singer", "weston_watkins", "lee_lin_wahba"]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400] / 16, y[:400]


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def expected_to_fail(estimator):
    # What scikit-learn excuses its own LinearSVC from, for the same reason.
    reason = "a fit to a tolerance visits repeated rows one by one"
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [MulticlassSVM(C=1.0, scale=None)], expected_failed_checks=expected_to_fail
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("C", [0.1, 1.0])
@pytest.mark.parametrize(("two", "slack"), [(False, "linear"), (True, "linear"), (True, "squared")])
def test_same_optimum_as_liblinear(digits, C, two, slack):
    X, y = digits
    if two:
        y = y % 2
        params = {"loss": {"linear": "hinge", "squared": "squared_hinge"}[slack]}
    else:
        params = {"multi_class": "crammer_singer"}
    svm = MulticlassSVM(
        scale=None, C=C, slack=slack, fit_intercept=False, tol=1e-7, random_state=0
    ).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = LinearSVC(C=C, fit_intercept=False, tol=1e-8, max_iter=10**5, **params).fit(X, y)
    assert svm.coef_.shape == peer.coef_.shape
    np.testing.assert_allclose(svm.coef_, peer.coef_, atol=1e-3 * np.abs(peer.coef_).max())
    np.testing.assert_array_equal(svm.predict(X), peer.predict(X))
    problem = svm.model_.bind(X, y)
    at_peer = np.sum(peer.coef_**2) / 2 + C * len(X) * problem.mean_hinge(peer.coef_.T.ravel())
    assert svm.dual_objective_ <= at_peer
    assert svm.objective_ <= at_peer * (1 + 1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_two_classes_are_one_binary_svm(iris, loss):
    X, y = iris[0][:100], np.array(["no", "yes"])[iris[1][:100]]
    X = X[:, :2]
    svm = MulticlassSVM(scale=None, loss=loss, C=2.0, tol=1e-8, random_state=0).fit(X, y)
    assert svm.coef_.shape == (1, 2)
    assert svm.intercept_.shape == (1,)
    same = MulticlassSVM(scale=None, C=2.0, tol=1e-8, random_state=1).fit(X, y)
    assert svm.objective_ == pytest.approx(same.objective_, rel=1e-7)
    scores = svm.decision_function(X)
    assert scores.shape == (100,)
    np.testing.assert_array_equal(svm.predict(X), np.where(scores > 0, "yes", "no"))
    hinge = np.maximum(0, 1 - np.where(y == "yes", scores, -scores)).sum()
    norm = (svm.coef_**2).sum() + svm.intercept_[0] ** 2
    assert svm.objective_ == pytest.approx(norm / 2 + 2.0 * hinge, rel=1e-9)
    np.testing.assert_allclose(svm.margins(X, y), np.where(y == "yes", scores, -scores))


@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack"])
@pytest.mark.parametrize("slack", ["linear", "squared"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_solver_reaches_the_optimum(iris, solver, slack, loss):
    X, y = iris[0][::3], iris[1][::3]
    exact = MulticlassSVM(scale=None, loss=loss, slack=slack, C=0.1, tol=1e-9, random_state=0).fit(
        X, y
    )
    svm = clone(exact).set_params(solver=solver, tol=1e-3, max_iter=3000).fit(X, y)
    assert svm.dual_gap_ <= 1e-3
    assert svm.certified_
    assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-9)
    assert exact.dual_objective_ * (1 - 1e-9) <= svm.objective_
    assert svm.objective_ * (1 - 1e-3) <= exact.objective_
    assert not hasattr(svm, "dual_coef_")


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
@pytest.mark.parametrize("slack", ["linear", "squared"])
@pytest.mark.parametrize("loss", LOSSES)
def test_subgradient_is_certified(iris, loss, slack):
    X, y = iris[0][::3] / 8, iris[1][::3]
    svm = MulticlassSVM(scale=None, loss=loss, slack=slack, C=0.02, tol=0.05, random_state=0)
    exact = clone(svm).set_params(tol=1e-7).fit(X, y)
    svm.set_params(solver="subgradient", max_iter=3000).fit(X, y)
    assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-9)
    assert svm.objective_ * (1 - 0.05) <= exact.objective_
    for name in ("perceptron", "passive_aggressive"):
        online = clone(svm).set_params(solver=name, C=1.0, tol=None, max_iter=20)
        assert online.fit(X, y).score(X, y) > 0.6


def test_cost_matrix_and_rescaling(iris):
    X, y = iris
    cost = [[0, 1, 4], [1, 0, 1], [4, 1, 0]]
    margin = MulticlassSVM(scale=None, C=0.1, cost=cost, tol=1e-6, random_state=0).fit(X, y)
    planes = clone(margin).set_params(solver="bcfw", tol=1e-4).fit(X, y)
    assert planes.objective_ == pytest.approx(margin.objective_, rel=1e-4)
    slack = clone(planes).set_params(rescaling="slack").fit(X, y)
    assert slack.dual_gap_ <= 1e-4
    scores = slack.decision_function(X)
    delta = np.array(cost)[y]
    hinges = (delta * (1 + scores - scores[np.arange(150), y][:, None])).max(axis=1)
    norm = (slack.coef_**2).sum() + (slack.intercept_**2).sum()
    assert slack.objective_ == pytest.approx(norm / 2 + 0.1 * np.maximum(hinges, 0).sum())


@pytest.mark.parametrize("loss", LOSSES)
def test_dual_point_makes_the_weights(digits, loss):
    X, y = digits
    svm = MulticlassSVM(scale=None, C=0.2, loss=loss, tol=1e-8, random_state=0).fit(X, y)
    np.testing.assert_allclose(svm.dual_coef_.T @ X[svm.support_], svm.coef_, atol=1e-3)
    np.testing.assert_allclose(svm.dual_coef_.sum(axis=0), svm.intercept_, atol=1e-3)
    counts = svm.support_counts_
    totals = sum(counts.values())
    np.testing.assert_array_equal(totals, np.bincount(y))
    assert counts["non_support"].sum() == len(X) - len(svm.support_)
    margins = svm.margins(X, y)
    if loss == "crammer_singer":
        supported = np.isin(np.arange(len(X)), svm.support_)
        # At the optimum: no multiplier, margin kept; at the bound, margin not exceeded.
        assert margins[~supported].min() > 1 - 1e-3
        assert margins[supported].max() < 1 + 1e-3
        own = svm.dual_coef_[np.arange(len(svm.support_)), y[svm.support_]]
        assert own.max() <= 0.2 * (1 + 1e-9)
        at_bound = own >= 0.2 * (1 - 1e-12)
        assert counts["bound_support"].sum() == at_bound.sum()
        between = svm.support_[~at_bound]
        np.testing.assert_allclose(margins[between], 1.0, atol=1e-3)
        assert (margins[svm.support_[at_bound]] < 1 + 1e-3).all()
    if loss == "lee_lin_wahba":
        np.testing.assert_allclose(svm.coef_.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_same_fit_of_every_kind_of_array(iris, loss):
    X, y = np.round(iris[0] * 4) / 4, iris[1]
    want = MulticlassSVM(C=1.0, scale=None, loss=loss, random_state=0).fit(X, y)
    read_only = X.copy()
    read_only.flags.writeable = False
    int64 = sp.csr_array(X)
    int64.indices, int64.indptr = int64.indices.astype(np.int64), int64.indptr.astype(np.int64)
    for other in (X.astype(np.float32), np.asfortranarray(X), read_only, X.tolist()):
        np.testing.assert_array_equal(clone(want).fit(other, y).coef_, want.coef_)
    sparse = clone(want).fit(sp.csr_matrix(X), y)
    np.testing.assert_array_equal(clone(want).fit(int64, y).coef_, sparse.coef_)
    assert sparse.objective_ == pytest.approx(want.objective_, rel=1e-3)
    whole = clone(want).fit((X * 4).astype(int), y)
    np.testing.assert_array_equal(whole.coef_, clone(want).fit(X * 4, y).coef_)
    np.testing.assert_array_equal(want.predict(sp.csr_matrix(X)), want.predict(X))


def test_unsorted_and_duplicate_entries(iris):
    X, y = iris
    n, d = X.shape
    columns = np.tile(np.repeat(np.arange(d)[::-1], 2), n)
    values = np.repeat(X[:, ::-1], 2, axis=1).ravel() / 2
    twice = sp.csr_matrix((values, columns, np.arange(n + 1) * 2 * d), shape=(n, d))
    svm = MulticlassSVM(C=1.0, scale=None, tol=1e-6, random_state=0)
    np.testing.assert_allclose(
        svm.fit(twice, y).coef_, clone(svm).fit(sp.csr_matrix(X), y).coef_, rtol=1e-9
    )
    assert twice.nnz == 2 * n * d


def test_weights_of_examples_and_classes(iris):
    X, y = iris
    svm = MulticlassSVM(scale=None, C=0.03, tol=1e-9, max_iter=3000, random_state=0)
    weight = np.arange(150) % 3.0
    repeated = np.repeat(np.arange(150), weight.astype(int))
    want = clone(svm).fit(X[repeated], y[repeated])
    got = clone(svm).fit(X, y, sample_weight=weight)
    assert got.objective_ == pytest.approx(want.objective_, rel=1e-8)
    np.testing.assert_allclose(got.coef_, want.coef_, atol=1e-3)
    by_class = clone(svm).set_params(class_weight={0: 1, 1: 2, 2: 0.5}).fit(X, y)
    same = clone(svm).fit(X, y, sample_weight=np.array([1, 2, 0.5])[y])
    np.testing.assert_array_equal(by_class.coef_, same.coef_)
    balanced = clone(svm).set_params(class_weight="balanced").fit(X[25:], y[25:])
    factors = 125 / (3 * np.bincount(y[25:]))
    same = clone(svm).fit(X[25:], y[25:], sample_weight=factors[y[25:]])
    np.testing.assert_array_equal(balanced.coef_, same.coef_)


@pytest.mark.parametrize("two", [False, True])
def test_balanced_classes_weigh_the_same_with_sample_weights_counted(iris, two):
    X, y = iris[0][30:140], iris[1][30:140]
    y = (y > 0).astype(int) if two else y
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weight)
    kind = {"C": 0.5, "class_weight": "balanced", "fit_intercept": False}
    svm = MulticlassSVM(
        **({"C": 1.0, "scale": None} | kind), tol=1e-11, max_iter=10**5, random_state=0
    )
    svm.set_params(slack="squared" if two else "linear")
    weighted = clone(svm).fit(X, y, sample_weight=weight)
    want = clone(svm).fit(X[repeated], y[repeated])
    assert weighted.objective_ == pytest.approx(want.objective_, rel=1e-10)
    hinge = {"loss": "squared_hinge"} if two else {"multi_class": "crammer_singer"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        liblinear = LinearSVC(**kind, **hinge, tol=1e-10, max_iter=10**6)
        liblinear.fit(X[repeated], y[repeated])
    np.testing.assert_allclose(weighted.coef_, liblinear.coef_, atol=1e-6)
    # A class without weight has nothing to balance.
    nothing = clone(svm).fit(X, y, sample_weight=weight * (y != y[0]))
    assert np.isfinite(nothing.coef_).all()


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_scale_of_features_does_not_matter_to_the_certificate():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.arange(40) % 4
    for scale in (0.0, 1e-160, 1e-12, 1e6, 1e100):
        for loss in LOSSES:
            for slack in ("linear", "squared"):
                svm = MulticlassSVM(
                    scale=None,
                    loss=loss,
                    slack=slack,
                    C=1 / max(scale, 1e-3) ** 2,
                    fit_intercept=False,
                )
                svm.fit(scale * X, y)
                assert svm.dual_gap_ <= 1e-3
                assert np.isfinite(svm.coef_).all()


@pytest.mark.parametrize("params", [{}, {"loss": "weston_watkins"}, {"slack": "squared"}])
def test_warm_start_path_and_checkpoint(digits, tmp_path, params):
    X, y = digits
    svm = MulticlassSVM(
        C=0.1, tol=1e-6, random_state=0, warm_start=True, **({"scale": None} | params)
    ).fit(X, y)
    cold = MulticlassSVM(C=0.12, tol=1e-6, random_state=0, **({"scale": None} | params)).fit(X, y)
    svm.set_params(C=0.12).fit(X, y)
    assert svm.dual_gap_ <= 1e-6
    assert svm.objective_ == pytest.approx(cold.objective_, rel=2e-6)
    whole = MulticlassSVM(C=1.0, tol=1e-5, random_state=0, **({"scale": None} | params))
    path = tmp_path / "fit.ckpt"
    stopped = clone(whole).set_params(
        callbacks=[Checkpoint(path, every=1), lambda progress: progress.n_iter >= 5]
    )
    stopped.fit(X, y)
    assert stopped.status_ == "stopped"
    resumed = clone(whole).fit(X, y, resume_from=path)
    np.testing.assert_array_equal(resumed.coef_, whole.fit(X, y).coef_)
    assert resumed.n_iter_ == whole.n_iter_ > 5


def test_held_out_rows(digits):
    X, y = digits
    svm = MulticlassSVM(
        scale=None, C=10, tol=1e-6, random_state=0, callbacks=[EarlyStopping(patience=3)]
    )
    svm.fit(X[:200], y[:200], X_val=sp.csr_matrix(X[200:]), y_val=y[200:])
    assert svm.score(X[200:], y[200:]) == svm.validation_score_
    with pytest.raises(ValueError, match="in X_val and y_val: X has 200 examples but y has 1"):
        svm.fit(X[:200], y[:200], X_val=X[200:], y_val=y[:1])


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_paths(digits, kernel):
    X, y = digits
    svm = MulticlassSVM(C=1.0, kernel=kernel, tol=1e-5, random_state=0)
    held_out = {"X_val": sp.csr_matrix(X[300:]), "y_val": y[300:]} if kernel == "linear" else {}
    path = fit_path(svm, X[:300].tolist(), list(y[:300]), Cs=[0.03, 0.1, 0.3], **held_out)
    for each in path:
        cold = clone(svm).set_params(C=each.C).fit(X[:300], y[:300])
        np.testing.assert_allclose(each.dual_objective_, cold.dual_objective_, rtol=2e-5)
        if held_out:
            assert each.score(X[300:], y[300:]) == each.validation_score_
        else:
            scores = each.decision_function(X)
            np.testing.assert_allclose(scores, cold.decision_function(X), atol=0.05)


def test_threads_give_the_same_bits(digits):
    X, y = digits
    fits = [
        MulticlassSVM(C=1.0, scale=None, n_jobs=jobs, random_state=0).fit(X, y)
        for jobs in (1, 2, 3)
    ]
    for svm in fits[1:]:
        np.testing.assert_array_equal(svm.coef_, fits[0].coef_)
        assert svm.objective_ == fits[0].objective_


def test_a_step_of_the_subgradient_after_another(digits):
    X, y = digits
    X = X - X.mean(axis=0)
    svm = MulticlassSVM(scale=None, C=0.1, fit_intercept=False)
    for start in range(0, 400, 100):
        svm.partial_fit(X[start : start + 100], y[start : start + 100], classes=np.arange(10))
    assert svm.score(X, y) > 0.8
    whole = MulticlassSVM(
        scale=None, C=0.1, solver=Subgradient(n_examples=100), fit_intercept=False
    )
    np.testing.assert_array_equal(whole.partial_fit(X, y).coef_, svm.coef_)
    # After a fit to all data, steps go on from its weights.
    fitted = MulticlassSVM(scale=None, C=0.1, tol=1e-6, random_state=0).fit(X, y)
    before = fitted.coef_.copy()
    fitted.partial_fit(X[:1], y[:1])
    assert 0 < np.abs(fitted.coef_ - before).max() < 0.1 * np.abs(before).max()
    assert np.isnan(fitted.objective_)


def test_partial_fit_complains(digits):
    X, y = digits
    svm = MulticlassSVM(C=1.0, scale=None).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"classes are 'a', but training began with 0, 1, 2"):
        svm.partial_fit(X, y, classes=["a"])
    with pytest.raises(ValueError, match="y has the label 9, which is not in classes"):
        MulticlassSVM(C=1.0, scale=None).partial_fit(X, y, classes=np.arange(9))
    with pytest.raises(ValueError, match="class_weight='balanced' needs all data at once"):
        MulticlassSVM(C=1.0, scale=None, class_weight="balanced").partial_fit(X, y)


def test_keeping(digits, tmp_path):
    X, y = digits
    names = np.array([f"digit {k}" for k in range(10)])[y]
    for labels in (names, names.astype(object), y.astype(float), y % 2 == 1):
        for intercept in (False, True):
            svm = MulticlassSVM(scale=None, C=0.1, fit_intercept=intercept, random_state=0).fit(
                X, labels
            )
            svm.save(tmp_path / "model.npz")
            copy = structsvm.load(tmp_path / "model.npz")
            np.testing.assert_array_equal(copy.coef_, svm.coef_)
            np.testing.assert_array_equal(copy.intercept_, svm.intercept_)
            np.testing.assert_array_equal(copy.predict(X), svm.predict(X))
            assert copy.dual_gap_ == svm.dual_gap_
            np.testing.assert_array_equal(
                pickle.loads(pickle.dumps(svm)).predict(X), svm.predict(X)
            )
            assert svm.score(X, labels) > 0.8


def test_grid_search(iris):
    search = GridSearchCV(
        MulticlassSVM(C=1.0, scale=None, solver=BlockDual(), random_state=0),
        {"C": [0.01, 1.0], "loss": LOSSES, "solver__inner_passes": [0, 4]},
    ).fit(*iris)
    assert search.best_score_ > 0.9


def test_the_model_by_itself(iris):
    X, y = iris
    svm = StructSVM(
        MulticlassModel(), C=1.0, scale=None, solver="block_dual", tol=1e-6, random_state=0
    )
    svm.fit(list(X), list(y))
    same = MulticlassSVM(C=1.0, scale=None, tol=1e-6, random_state=0).fit(X, y)
    np.testing.assert_array_equal(svm.coef_, same._flat_weights())
    assert svm.predict(list(X)) == same.predict(X).tolist()
    assert svm.score(list(X), list(y)) == same.score(X, y)
    augmented = same.loss_augmented_predict(X, y)
    assert np.mean(np.array(augmented) == y) < same.score(X, y)


def test_acceleration_changes_the_way_and_not_the_end(digits):
    X, y = digits
    plain = MulticlassSVM(
        scale=None, C=1.0, solver=BlockDual(acceleration=0, coarse=False), tol=1e-5, random_state=0
    )
    fast = MulticlassSVM(scale=None, C=1.0, tol=1e-5, random_state=0).fit(X, y)
    plain.set_params(max_iter=10**4).fit(X, y)
    assert fast.n_oracle_calls_ < plain.n_oracle_calls_ / 2
    assert fast.objective_ == pytest.approx(plain.objective_, rel=2e-5)
    # A weight much too large is found out.
    heavy = MulticlassSVM(
        scale=None, C=1.0, solver=BlockDual(acceleration=50), tol=1e-5, random_state=0
    )
    assert heavy.fit(X, y).dual_gap_ <= 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_badly_scaled_features_converge(iris, seed):
    """Far from the origin and C large: rounds alone creep, and the first proximal weight stalls."""
    X, y = np.round(iris[0] * 4), iris[1]
    assert MulticlassSVM(C=1.0, scale=None, tol=1e-4, random_state=seed).fit(X, y).n_iter_ < 600
    assert MulticlassSVM(scale=None, C=100, random_state=seed).fit(iris[0], y).n_iter_ < 900


CSR = sp.csr_matrix(np.eye(4))


def damaged():
    X = CSR.copy()
    X.indices[1] = 7
    return X


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.full((4, 2), np.nan), [0, 1, 0, 1], r"X\[0, 0\] is NaN; features must be finite"),
        (np.diag([1, np.inf, 1, 1]), [0, 1, 0, 1], r"X\[1, 1\] is inf; features must be finite"),
        (sp.csr_array(np.diag([1, 1, -np.inf, 1])), [0, 1, 0, 1], r"X\[2, 2\] is -inf"),
        (np.eye(4), [1, 1, 1, 1], "y has 1 class, 1: expected at least 2 classes to tell apart"),
        (np.zeros((0, 3)), [], "0 sample"),
        (np.eye(4), [0, 1, 2], "inconsistent numbers of samples"),
        (np.eye(4), [0, 1, np.nan, 1], "y contains NaN"),
        (np.eye(4), [0.1, 0.2, 0.3, 0.5], "Unknown label type: continuous"),
        (damaged(), [0, 1, 0, 1], "X is a damaged CSR matrix: its indptr or indices point out"),
        (np.eye(4) * 1j, [0, 1, 0, 1], "Complex data not supported"),
    ],
)
def test_bad_data(X, y, message):
    with pytest.raises(ValueError, match=message):
        MulticlassSVM(C=1.0, scale=None).fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": "hinge"}, "unknown hinge 'hinge': expected one of 'crammer_singer', 'weston_wat"),
        ({"slack": "cubed"}, "unknown slack 'cubed': expected one of 'linear', 'squared'"),
        ({"cost": np.ones((2, 2))}, r"cost has shape \(2, 2\), expected \(4, 4\)"),
        ({"cost": np.ones((4, 4))}, r"cost\[0, 0\] is 1.0, expected 0: a right answer is free"),
        ({"cost": np.eye(4) - 1}, r"cost\[0, 1\] is -1.0, expected a finite number >= 0"),
        (
            {"cost": 1 - np.eye(4), "loss": "weston_watkins"},
            "cost is for hinge='crammer_singer', not for 'weston_watk",
        ),
        ({"rescaling": "slack"}, "exact block updates need rescaling='margin', not 'slack'"),
        (
            {"rescaling": "slack", "slack": "squared", "solver": "bcfw"},
            "rescaling='slack' is for loss='crammer_singer' with slack='linear', not for loss='cr",
        ),
        (
            {"rescaling": "slack", "loss": "weston_watkins", "solver": "bcfw"},
            "rescaling='slack' is for loss='crammer_singer' with slack='linear', not for loss='we",
        ),
        ({"C": -1}, "C=-1: expected a finite number > 0"),
        (
            {"solver": BlockDual(inner_passes=-1)},
            "inner_passes=-1 of BlockDual: expected an integer >= 0",
        ),
        (
            {"solver": BlockDual(acceleration=np.nan)},
            "acceleration=nan of BlockDual: expected a number >= 0",
        ),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        MulticlassSVM(**({"C": 1.0, "scale": None} | params)).fit(np.eye(4), [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, 1, -1, 1], r"sample_weight\[2\] is -1.0, expected a finite number >= 0"),
        ([0, 0, 0, 0], "sample_weight is zero everywhere: there is nothing to learn from"),
        ([1, np.nan, 1, 1], r"sample_weight\[1\] is nan"),
        ([1, 1], r"sample_weight has shape \(2,\), expected \(4,\)"),
    ],
)
def test_bad_weights(weight, message):
    with pytest.raises(ValueError, match=message):
        MulticlassSVM(C=1.0, scale=None).fit(np.eye(4), [0, 1, 0, 1], sample_weight=weight)


def test_bad_prediction(iris):
    with pytest.raises(NotFittedError):
        MulticlassSVM(C=1.0, scale=None).predict(iris[0])
    svm = MulticlassSVM(C=1.0, scale=None).fit(*iris)
    with pytest.raises(ValueError, match="X has 3 features, but MulticlassSVM is expecting 4 feat"):
        svm.predict(iris[0][:, :3])
    with pytest.raises(ValueError, match=r"X\[0, 1\] is NaN"):
        svm.predict([[0, np.nan, 0, 0]])
    with pytest.raises(ValueError, match="label 7 was not in the y that fit saw"):
        svm.margins(iris[0][:1], [7])


def test_a_problem_without_block_updates_is_refused(words):
    from structsvm import ChainSVM

    with pytest.raises(ValueError, match="needs a problem with an exact block update"):
        ChainSVM(C=1.0, scale=None, solver="block_dual").fit(*words)


def test_solvers_by_object(iris):
    for solver in (BCFW(averaging=True), CuttingPlane(max_planes=50)):
        assert (
            MulticlassSVM(scale=None, solver=solver, C=0.1, random_state=0).fit(*iris).dual_gap_
            <= 1e-3
        )


@pytest.mark.parametrize("weights", [[1e308, 1e308, 1.0], [1e300, 1.0, 1e-300]])
def test_balanced_factors_that_are_no_numbers_are_refused(weights):
    svm = MulticlassSVM(C=1.0, scale=None, class_weight="balanced")
    with pytest.raises(ValueError, match=r"cannot balance classes of weight .* scale the weights"):
        svm.fit(np.eye(3), [0, 1, 2], sample_weight=weights)


@pytest.mark.parametrize(
    "estimator", [MulticlassSVM(C=1.0, scale=None), SurrogateSVM(C=1.0, scale=None)]
)
def test_masked_rows_are_refused(estimator):
    X, y = np.array([[1.0, 9.0], [2.0, 3.0]]), np.array([0, 1])
    masked = np.ma.masked_array(X, [[0, 1], [0, 0]])
    with pytest.raises(ValueError, match="X has masked entries"):
        estimator.fit(masked, y)
    with pytest.raises(ValueError, match="y has masked entries"):
        estimator.fit(X, np.ma.masked_array(y, [0, 1]))
    with pytest.raises(ValueError, match="X has masked entries"):
        estimator.fit(X, y).predict(masked)


@pytest.mark.parametrize("scaling", [1.0, 0.2, 7.0])
@pytest.mark.parametrize("slack", ["linear", "squared"])
def test_intercept_scaling_is_that_of_liblinear(scaling, slack, tmp_path):
    X, y = load_breast_cancer(return_X_y=True)
    X = scaled_columns(X)[:200, :5] + 1.0
    y = y[:200]
    svm = MulticlassSVM(
        C=0.3, scale=None, slack=slack, intercept_scaling=scaling, tol=1e-8, random_state=0
    ).fit(X, y)
    theirs = LinearSVC(
        C=0.3,
        loss="hinge" if slack == "linear" else "squared_hinge",
        intercept_scaling=scaling,
        dual=True,
        tol=1e-9,
        max_iter=10**6,
        random_state=0,
    ).fit(X, y)
    np.testing.assert_allclose(svm.coef_, theirs.coef_, atol=2e-3)
    np.testing.assert_allclose(svm.intercept_, theirs.intercept_, atol=2e-3)
    np.testing.assert_allclose(svm.decision_function(X), X @ svm.coef_[0] + svm.intercept_)
    hinges = np.maximum(1 - (2 * y - 1) * svm.decision_function(X), 0) ** (1 + (slack != "linear"))
    norm = svm.coef_[0] @ svm.coef_[0] + (svm.intercept_[0] / scaling) ** 2
    assert svm.objective_ == pytest.approx(norm / 2 + 0.3 * hinges.sum(), rel=1e-9)
    svm.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.decision_function(X), svm.decision_function(X))
    assert again.intercept_scaling == scaling


@pytest.mark.parametrize("solver", ["block_dual", "bcfw", "n_slack", "subgradient"])
def test_intercept_scaling_by_every_way(solver):
    X, y = load_iris(return_X_y=True)
    params = {"C": 0.5, "intercept_scaling": 4.0, "random_state": 0}
    exact = MulticlassSVM(tol=1e-7, **params).fit(X, y)  # of scaled columns
    svm = MulticlassSVM(solver=solver, tol=1e-3, max_iter=2000, **params)
    svm.set_params(warm_start=solver != "subgradient")
    if solver == "subgradient":
        with contextlib.suppress(ConvergenceWarning):
            svm.fit(X, y)
        assert svm.objective_ <= exact.objective_ * 1.05
    else:
        svm.fit(X, y)
        assert svm.objective_ <= exact.objective_ * 1.0011
        assert svm.n_iter_ > 2
        assert svm.fit(X, y).n_iter_ <= 2
        assert svm.objective_ <= exact.objective_ * 1.0011
    columns = exact.scaling_["coef"]
    by_hand = ((X - columns.center) / columns.scale) @ (exact.coef_ * columns.scale).T
    shift = exact.decision_function(X) - by_hand
    np.testing.assert_allclose(shift, np.broadcast_to(shift[:1], shift.shape), atol=1e-9)
    assert exact.dual_gap_ <= 1e-7


def test_a_large_intercept_scaling_leaves_the_intercept_free():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = scaled_columns(X)[:150, :3] + 2.0, y[:150]
    theirs = SVC(kernel="linear", C=0.3, tol=1e-8).fit(X, y)
    sums = []
    for scaling in (1.0, 1000.0):
        svm = MulticlassSVM(
            C=0.3, scale=None, intercept_scaling=scaling, tol=1e-9, random_state=0
        ).fit(X, y)
        sums.append(abs(svm.dual_coef_.sum()))
    assert sums[0] > 1e-2
    assert sums[1] < 1e-3
    np.testing.assert_allclose(svm.coef_, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(svm.intercept_, theirs.intercept_, atol=5e-3)
    # C="scale" is a matter of the columns alone.
    a, b = (MulticlassSVM(intercept_scaling=s, random_state=0).fit(X, y).C_ for s in (1.0, 50.0))
    assert a == b


def test_intercept_scaling_is_checked():
    X, y = load_iris(return_X_y=True)
    for value in (0, -1.0, np.inf, np.nan, "1", None, True):
        with pytest.raises(ValueError, match=r"intercept_scaling=.*: expected a"):
            MulticlassSVM(intercept_scaling=value).fit(X, y)
    for value in (1e-7, 1e7):
        with pytest.raises(ValueError, match="expected a number from 1e-06 to 1e"):
            MulticlassSVM(intercept_scaling=value).fit(X, y)
