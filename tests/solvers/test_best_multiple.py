"""The best multiple of weights: the search, what it looks at, and the certificates it makes."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from structsvm import MulticlassSVM
from structsvm.models import MulticlassModel
from structsvm.solvers import BCFW, BlockDual
from structsvm.solvers._evaluator import Evaluator
from structsvm.solvers._multiclass_dual import MulticlassDual
from structsvm.solvers._sparse_planes import SparsePlanes
from structsvm.solvers.best_multiple import best_multiple


def pieces(seed, n=30):
    """h(s) = mean over n of max(0, loss - s * inner), and its slope."""
    rng = np.random.default_rng(seed)
    losses, inner = rng.uniform(0, 2, n), rng.normal(1.0, 2.0, n)

    def hinge(s):
        heights = losses - s * inner
        return np.maximum(heights, 0).mean(), -inner[heights > 0].sum() / n

    return hinge


@pytest.mark.parametrize("sqnorm", [0.0, 1e-6, 0.3, 1e6])
@pytest.mark.parametrize("seed", range(5))
def test_the_best_multiple_is_that_of_a_fine_grid(sqnorm, seed):
    hinge = pieces(seed)
    multiple, value = best_multiple(sqnorm, hinge)
    grid = np.geomspace(0.25, 4.0, 4001)
    values = [sqnorm * s**2 / 2 + hinge(s)[0] for s in grid]
    assert 0.25 <= multiple <= 4.0
    assert value == sqnorm * multiple**2 / 2 + hinge(multiple)[0]
    assert value <= min(values) * (1 + 1e-3)


def rows(n_classes=4, n=40, seed=0):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, 5)), np.arange(n) % n_classes
    X[np.arange(n), y] += 1.0
    return X, y, rng


@pytest.mark.parametrize("slack", ["linear", "squared"])
@pytest.mark.parametrize("loss", ["crammer_singer", "weston_watkins", "lee_lin_wahba"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_hinges_at_multiples_are_those_of_passes(n_classes, loss, slack):
    X, y, rng = rows(n_classes)
    model = MulticlassModel(loss, slack=slack)
    model.initialize(X, y)
    problem = model.bind(X, y)
    problem.set_sample_weight(rng.uniform(0.0, 2.0, len(y)))
    dual, w = MulticlassDual(problem), rng.normal(size=problem.n_weights)
    scores = dual.scores_of_all(w)
    store = SparsePlanes(problem.n_examples, problem.n_weights)
    evaluator = Evaluator(problem, store)
    for s in (0.25, 1.0, 3.0):
        hinge, slope = dual.hinge_at_multiple(scores, s)
        above = dual.hinge_at_multiple(scores, s * (1 + 1e-7))[0]
        assert hinge == pytest.approx(problem.mean_hinge(s * w), rel=1e-12)
        assert slope == pytest.approx((above - hinge) / (s * 1e-7), rel=1e-3, abs=1e-6)
        # Planes that are tight there tell the same; elsewhere they are a lower bound.
        evaluator.evaluate(s * w)
        store.look_at(w)
        assert np.allclose(store.hinge_at_multiple(s), (hinge, slope), rtol=1e-9, atol=1e-12)
        assert store.hinge_at_multiple(2 * s)[0] <= problem.mean_hinge(2 * s * w) * (1 + 1e-12)


@pytest.mark.parametrize(("solver", "rounds"), [(BCFW(), 150), (BlockDual(), 500)])
def test_separable_data_with_a_large_cost_are_certified_by_their_length(solver, rounds):
    # Without it: 200 and 1,524 rounds.
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    svm = MulticlassSVM(scale=None, C=1e6, solver=solver, fit_intercept=False, random_state=0)
    svm.set_params(max_iter=rounds).fit(X, y)
    assert svm.status_ == "converged"
    scores = X @ svm.coef_.T
    violations = 1 + scores - scores[np.arange(300), y][:, None]
    violations[np.arange(300), y] = 0
    objective = (svm.coef_**2).sum() / 2 + 1e6 * violations.max(axis=1).sum()
    assert svm.objective_ == pytest.approx(objective, rel=1e-9)
    assert svm.dual_objective_ <= objective
