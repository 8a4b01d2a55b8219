"""Held-out examples: the best weights on them are kept, and certified."""

import numpy as np
import pytest
from sklearn.base import clone
from solver_settings import stop_after

from structsvm import ChainSVM
from structsvm.solvers import BCFW, Perceptron, Subgradient


def test_the_best_weights_on_held_out_examples_are_kept_and_certified(words):
    X, y = words
    seen = []
    svm = ChainSVM(
        scale=None,
        C=5.0,
        tol=0.1,
        random_state=0,
        callbacks=[lambda p: seen.append((p.validation_scores[-1], p.weights.copy()))],
    )
    svm.fit(X[:15], y[:15], X_val=X[15:], y_val=y[15:])
    scores = [score for score, _ in seen]
    assert scores == svm.history_["validation_score"].tolist()
    best = int(np.argmax(scores))
    assert best < len(scores) - 1
    assert np.array_equal(svm.coef_, seen[best][1])
    assert svm.validation_score_ == svm.score(X[15:], y[15:]) == max(scores)
    # The certificate is that of these weights.
    w, hinges = svm.coef_, 0.0
    for x, truth, violator in zip(X, y, svm.loss_augmented_predict(X[:15], y[:15]), strict=False):
        delta = svm.model_.joint_feature(x, truth) - svm.model_.joint_feature(x, violator)
        hinges += svm.model_.loss(truth, violator) - w @ delta
    assert svm.objective_ == pytest.approx(w @ w / 2 + 5.0 * hinges)
    assert svm.dual_gap_ == pytest.approx(1 - svm.dual_objective_ / svm.objective_)
    assert svm.dual_gap_ > 0.1


def test_averaged_weights_are_what_is_validated(words):
    X, y = words
    for solver in (BCFW(averaging=True), Subgradient(), Perceptron()):
        svm = ChainSVM(C=1.0, scale=None, solver=solver, random_state=0, callbacks=[stop_after(1)])
        averaged = svm.fit(X, y, X_val=X, y_val=y).coef_
        plain = clone(solver).set_params(
            averaging={"Subgradient": "none"}.get(type(solver).__name__, False)
        )
        last = clone(svm).set_params(solver=plain).fit(X, y, X_val=X, y_val=y).coef_
        assert not np.array_equal(averaged, last)


def test_held_out_examples_are_checked(words):
    X, y = words
    with pytest.raises(ValueError, match="X_val is given without y_val: give both or neither"):
        ChainSVM(C=1.0, scale=None).fit(X, y, X_val=X)
    message = "in X_val and y_val: X has 5 examples but y has 4"
    with pytest.raises(ValueError, match=message):
        ChainSVM(C=1.0, scale=None).fit(X, y, X_val=X[:5], y_val=y[:4])
    with pytest.raises(ValueError, match=r"in X_val and y_val: X\[0\] has 2 features, expected 5"):
        ChainSVM(C=1.0, scale=None).fit(X, y, X_val=[x[:, :2] for x in X], y_val=y)
