"""Functions that find the outputs of many examples at once."""

import numpy as np
import pytest
from sklearn.base import clone

from structsvm import DecisionSVM, PartsModel, StructSVM
from structsvm.inference import Bounded, Subset
from structsvm.solvers import BCFW

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6, 3))


def best_two(theta, x):
    return np.argsort(-theta, kind="stable")[:2]


def all_best_two(thetas, X):
    assert len(thetas) == len(X)
    return np.argsort(-np.stack(thetas), axis=1, kind="stable")[:, :2]


Y = [best_two(x @ [1.0, -1.0, 0.5] + 0.5 * RNG.normal(size=6), x) for x in X]
ALONE = PartsModel(best_two, output="indices")
TOGETHER = PartsModel(all_best_two, output="indices", batch=True)


def fitted(model, X=X, y=Y, **params):
    params = {"C": 0.1, "scale": None, "tol": 1e-6, "random_state": 0, "max_iter": 2000} | params
    return StructSVM(model, **params).fit(X, y)


def test_passes_and_predictions_ask_once_and_answers_are_the_same():
    sizes = []

    def counted(thetas, X):
        sizes.append(len(thetas))
        return all_best_two(thetas, X)

    model = clone(TOGETHER).set_params(maximizer=counted)
    for solver in ("cutting_plane", "n_slack"):
        sizes.clear()
        together = fitted(model, solver=solver)
        assert np.array_equal(together.coef_, fitted(ALONE, solver=solver).coef_)
        assert together.certified_
        # Whole passes, but for the comparison of answers with other outputs.
        assert sizes.count(60) >= together.n_iter_
    sizes.clear()
    predicted = together.predict(X)
    assert sizes == [60]
    alone = fitted(ALONE)
    assert all(np.array_equal(a, b) for a, b in zip(predicted, alone.predict(X), strict=True))
    # Several answers between two looks at the weights; one by one where visits are drawn so.
    sizes.clear()
    blocks = fitted(model)
    assert blocks.objective_ == pytest.approx(alone.objective_, rel=1e-5)
    assert 3 in sizes
    for solver in (BCFW(step="frank_wolfe", sampling="uniform"), "subgradient"):
        loose = fitted(model, solver=solver, tol=0.05)
        assert loose.certified_
        assert loose.dual_objective_ <= alone.objective_


def test_threads_answer_for_their_own_examples():
    one, two = (fitted(TOGETHER, n_jobs=n, solver="cutting_plane") for n in (1, 3))
    assert np.array_equal(one.coef_, two.coef_)


def test_decisions_are_found_in_batches():
    costs = np.abs(X @ [1.0, 2.0, 3.0] + RNG.normal(size=(60, 6)))
    uses = np.eye(6)

    def alone(theta, x):
        return uses[best_two(theta, x)].sum(axis=0)

    def together(thetas, X):
        return [alone(theta, None) for theta in thetas]

    params = {"solver": "cutting_plane", "random_state": 0}
    one = DecisionSVM(alone, **params).fit(X, costs)
    many = DecisionSVM(together, batch=True, **params).fit(X, costs)
    assert np.array_equal(one.coef_, many.coef_)
    assert one.score(X, costs) == many.score(X, costs)


def test_bounds_come_one_by_one():
    def bounded(thetas, X):
        answers = zip(thetas, all_best_two(thetas, X), strict=True)
        return [Bounded(two, theta[two].sum() + 0.01) for theta, two in answers]

    svm = fitted(clone(TOGETHER).set_params(maximizer=bounded), tol=0.3)
    exact = fitted(ALONE)
    assert svm.certified_
    assert svm.dual_objective_ <= exact.objective_ <= svm.objective_


def fails(thetas, X):
    raise ArithmeticError("no")


@pytest.mark.parametrize(
    ("maximizer", "message"),
    [
        (lambda thetas, X: all_best_two(thetas, X)[1:], "returned 2 answers for 3 examples, "),
        (lambda thetas, X: 3, "returned int for 3 examples, .* expected a list of answers, as ba"),
        (lambda thetas, X: [[9]] * len(X), "output for example [0-9]+ is 9, expected a part"),
        (Subset(2), "batch=True is for functions, and Subset is a Structure"),
    ],
)
def test_bad_answers_are_refused(maximizer, message):
    with pytest.raises(ValueError, match=message):
        fitted(clone(TOGETHER).set_params(maximizer=maximizer))


def test_an_error_names_its_examples():
    with pytest.raises(ArithmeticError) as caught:
        fitted(clone(TOGETHER).set_params(maximizer=fails), solver="cutting_plane")
    assert caught.value.__notes__ == ["in the maximizer, for 60 examples, 0 to 59"]
