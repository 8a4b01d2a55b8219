"""Subgradient steps: against numpy, and their certificate against the block solver."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from structsvm import ChainModel, ChainSVM, MulticlassSVM
from structsvm.solvers import Subgradient
from structsvm.solvers._plane_sum import PlaneSum


def bound(words, **options):
    X, y = words
    model = ChainModel(**options)
    model.initialize(X, y)
    return model.bind(X, y)


def numpy_steps(problem, orders, lam, batch_size, project):
    """All iterates, and every plane's factor in lambda times the last one."""
    w, n_met, greatest = np.zeros(problem.n_weights), 0, 0.0
    iterates, factors, owners, losses = [], np.zeros(0), [], []
    for order in orders:
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            mean = np.zeros_like(w)
            for i in batch:
                indices, values, loss = problem.oracle(i, w)
                mean[indices] += values
                losses.append(loss)
                owners.append(i)
                greatest = max(greatest, loss)
            n_met += len(batch)
            w = (1 - len(batch) / n_met) * w + mean / (lam * n_met)
            factors = np.append(factors * (1 - len(batch) / n_met), [1 / n_met] * len(batch))
            radius = np.sqrt(greatest / lam)
            if project and np.linalg.norm(w) > radius:
                factors *= radius / np.linalg.norm(w)
                w = w * radius / np.linalg.norm(w)
            iterates.append(w)
    return np.array(iterates), factors, np.array(owners), np.array(losses)


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4, 25, 7])
def test_steps_averages_and_dual_point_equal_numpy(words, batch_size, project):
    problem, lam = bound(words), 0.003
    rng = np.random.default_rng(0)
    orders = [rng.permutation(problem.n_examples).astype(np.int32) for _ in range(3)]
    iterates, factors, owners, losses = numpy_steps(problem, orders, lam, batch_size, project)
    t = np.arange(1, len(iterates) + 1)
    averages = {
        "none": iterates[-1],
        "uniform": iterates.mean(axis=0),
        "weighted": t @ iterates / t.sum(),
    }
    for averaging, average in averages.items():
        planes = PlaneSum(problem.n_weights, averaging)
        for order in orders:
            planes.exact_pass(problem, order, lam, batch_size, project)
        np.testing.assert_allclose(planes.weights(), iterates[-1], atol=1e-10)
        if averaging != "none":
            np.testing.assert_allclose(planes.average(), average, atol=1e-10)
        assert lam * planes.scale * planes.total_loss == pytest.approx(factors @ losses, abs=1e-10)
    # The dual point is feasible: no example has more than its share.
    shares = np.bincount(owners, factors, minlength=problem.n_examples)
    assert shares.max() <= 1 / problem.n_examples + 1e-12


@pytest.mark.parametrize(
    "options",
    [{}, {"averaging": "uniform"}, {"averaging": "none"}, {"batch_size": 5}, {"project": True}],
)
def test_certificate_brackets_the_optimum(words, options):
    X, y = words
    exact = ChainSVM(scale=None, C=0.3, tol=1e-7, max_iter=5000).fit(X, y)
    svm = ChainSVM(
        scale=None, C=0.3, solver=Subgradient(**options), tol=0.02, max_iter=3000, random_state=0
    )
    svm.fit(X, y)
    assert svm.dual_gap_ <= 0.02
    assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-12)
    assert svm.objective_ >= exact.dual_objective_ * (1 - 1e-12)
    history = svm.history_
    assert (history["objective"] >= history["dual_objective"]).all()
    assert (np.diff(history["dual_objective"]) >= 0).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("C", ["scale", 100.0])
@pytest.mark.parametrize("loss", ["crammer_singer", "weston_watkins", "lee_lin_wahba"])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_steps_along_squared_hinges_do_not_go_further_and_further(loss, C, batch_size):
    X, y = load_wine(return_X_y=True)
    svm = MulticlassSVM(loss=loss, slack="squared", C=C, tol=1e-6, random_state=0)
    optimum = clone(svm).set_params(solver="bcfw").fit(X, y)
    svm.set_params(solver=Subgradient(batch_size=batch_size), max_iter=30).fit(X, y)
    assert svm.certified_
    assert svm.dual_objective_ <= optimum.objective_
    assert svm.objective_ >= optimum.dual_objective_
    assert svm.dual_gap_ < (0.6 if C == "scale" else 1.0)
    assert svm.score(X, y) > 0.97


def test_pieces_of_rows_with_squared_hinges_are_learnt_from():
    X, y = load_wine(return_X_y=True)
    svm = MulticlassSVM(C=1.0, slack="squared")
    for _ in range(10):
        svm.partial_fit(scale(X), y)
    assert svm.score(scale(X), y) > 0.97


def test_far_projections_do_not_lose_the_scale(words):
    # A tiny lambda: the first steps are far too long, and each is pulled back.
    X, y = words
    svm = ChainSVM(scale=None, C=1e6, solver=Subgradient(project=True), max_iter=50, random_state=0)
    with pytest.warns(ConvergenceWarning):
        svm.fit(X, y)
    assert np.isfinite(svm.coef_).all()
    assert 0 < svm.dual_objective_ <= svm.objective_ < np.inf


def test_result_depends_on_the_seed_alone(words):
    X, y = words

    def fit(seed, n_jobs=None):
        svm = ChainSVM(
            C=1.0, scale=None, solver="subgradient", tol=0.05, random_state=seed, n_jobs=n_jobs
        )
        return svm.fit(X, y).coef_

    assert np.array_equal(fit(0), fit(0, n_jobs=3))
    assert not np.array_equal(fit(0), fit(1))


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"averaging": "exponential"}, "averaging='exponential' of Subgradient: expected one of n"),
        ({"batch_size": 0}, "batch_size=0 of Subgradient: expected an integer >= 1"),
        ({"batch_size": 2.5}, "batch_size=2.5 of Subgradient: expected an integer >= 1"),
    ],
)
def test_bad_parameters_are_named(words, parameter, message):
    with pytest.raises(ValueError, match=message):
        ChainSVM(C=1.0, scale=None, solver=Subgradient(**parameter)).fit(*words)
