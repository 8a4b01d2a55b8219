"""fit_path: one certified estimator for each C."""

import numpy as np
import pytest
from python_models import PythonChain
from sklearn.exceptions import ConvergenceWarning

from structsvm import ChainModel, ChainSVM, StructSVM, fit_path
from structsvm.solvers import BCFW, CuttingPlane


@pytest.mark.parametrize(
    "solver", ["bcfw", BCFW(acceleration=0), BCFW(averaging=True), "cutting_plane", "n_slack"]
)
def test_each_estimator_equals_a_cold_fit_within_the_gaps(words, solver):
    X, y = words
    Cs = [0.3, 0.01, 1.0, 0.1, 0.3]
    svm = ChainSVM(C=1.0, scale=None, solver=solver, random_state=0, tol=1e-3)
    weight = np.linspace(0.5, 2, len(X))
    path = fit_path(svm, X, y, Cs, sample_weight=weight)
    assert [fit.C for fit in path] == Cs
    assert not hasattr(svm, "coef_")
    for fit in path:
        cold = ChainSVM(scale=None, C=fit.C, tol=1e-6, max_iter=5000).fit(
            X, y, sample_weight=weight
        )
        assert fit.dual_gap_ <= 1e-3
        assert fit.dual_objective_ <= cold.objective_
        assert cold.dual_objective_ <= fit.objective_ <= cold.objective_ * 1.0011
        w = fit.coef_
        assert fit.objective_ == pytest.approx(
            w @ w / 2 + fit.C * len(X) * mean_hinge(fit, X, y, weight), rel=1e-9
        )
        assert (np.diff(fit.history_["dual_objective"]) >= 0).all()
    assert not np.shares_memory(path[0].coef_, path[2].coef_)


def mean_hinge(svm, X, y, weight):
    problem = svm.model_.bind(X, y)
    problem.set_sample_weight(weight)
    return problem.mean_hinge(svm.coef_)


def test_a_path_needs_fewer_passes_than_cold_fits(letters):
    X, y = letters["small"]
    Cs = np.geomspace(1, 100, 6) / len(X)
    svm = StructSVM(ChainModel("normalized_hamming"), C=1.0, scale=None, tol=1e-2, random_state=0)
    warm = sum(fit.n_oracle_calls_ for fit in fit_path(svm, X, y, Cs))
    cold = sum(svm.set_params(C=C).fit(X, y).n_oracle_calls_ for C in Cs)
    assert warm < 0.7 * cold


def test_ctrl_c_ends_the_path_and_keeps_what_there_is(words):
    X, y = words

    def interrupt(progress):
        if progress.objective > 10 and progress.n_iter == 3:
            raise KeyboardInterrupt

    svm = ChainSVM(C=1.0, scale=None, random_state=0, callbacks=[interrupt])
    with pytest.warns(ConvergenceWarning, match="interrupted after 3 iterations"):
        path = fit_path(svm, X, y, [10.0, 0.001, 1.0])
    assert [fit.C for fit in path] == [0.001, 1.0]
    assert path[1].status_ == "interrupted"


def test_held_out_examples_choose_within_each_fit(words):
    X, y = words
    path = fit_path(
        ChainSVM(C=1.0, scale=None, random_state=0), X, y, [0.1, 1.0], X_val=X[:5], y_val=y[:5]
    )
    for fit in path:
        assert fit.validation_score_ == fit.score(X[:5], y[:5])
        assert fit.validation_score_ == fit.history_["validation_score"].max()


def test_solvers_without_a_dual_state_are_refused(words):
    for name in ("perceptron", "passive_aggressive", "subgradient"):
        message = f"solver '{name}' keeps no dual state: fit_path has no meaning"
        with pytest.raises(ValueError, match=message):
            fit_path(ChainSVM(C=1.0, scale=None, solver=name), *words, [1.0])
    with pytest.raises(ValueError, match="C"):
        fit_path(ChainSVM(C=1.0, scale=None), *words, [1.0, -1.0])
    with pytest.raises(ValueError, match="Cs is empty: expected at least one value of C"):
        fit_path(ChainSVM(C=1.0, scale=None), *words, [])


def test_another_solver_or_setting_starts_afresh(words):
    X, y = words
    svm = ChainSVM(scale=None, warm_start=True, random_state=0, C=0.3)
    for solver in ("bcfw", "cutting_plane", CuttingPlane(max_planes=2), "n_slack", "bcfw"):
        svm.set_params(solver=solver).fit(X, y)
        cold = ChainSVM(scale=None, solver=solver, random_state=0, C=0.3).fit(X, y)
        assert np.array_equal(svm.coef_, cold.coef_)
    assert svm.set_params(solver=BCFW(max_planes=3)).fit(X, y).n_iter_ > 2
    assert svm.fit(X, y).n_iter_ <= 2


def test_warm_start_follows_c_up_and_down(words):
    X, y = words
    svm = ChainSVM(C=1.0, scale=None, warm_start=True, random_state=0)
    for C in (0.1, 1.0, 1.0, 10.0, 0.1):
        svm.set_params(C=C).fit(X, y)
        exact = ChainSVM(scale=None, C=C, tol=1e-6, max_iter=5000).fit(X, y)
        assert svm.dual_gap_ <= 1e-3
        assert exact.dual_objective_ <= svm.objective_ <= exact.objective_ * 1.0011


def test_the_last_hinge_is_believed_only_where_the_oracle_is(words):
    X, y = words
    for foreign in (False, True):
        options = {"warm_start": True, "random_state": 0, "tol": 1e-2}
        svm = StructSVM(PythonChain(), **options) if foreign else ChainSVM(scale=None, **options)
        svm.set_params(C=0.1).fit(X, y)
        svm.set_params(C=0.1 * (1 + 1e-9)).fit(X, y)
        # The certificate comes with the last solution, or by another pass.
        assert svm.n_iter_ == 1
        assert svm.n_oracle_calls_ > len(X) if foreign else svm.n_oracle_calls_ == len(X)
        assert svm.dual_gap_ <= 1e-2
