"""`coef_` of text, which is made when it is asked for."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from text_chains import text

from structsvm import ChainSVM, StructSVM, load
from structsvm.solvers import _blocks

SOLVERS = ["bcfw", "perceptron", "passive_aggressive"]


@pytest.fixture(autouse=True)
def everything_grows(monkeypatch):
    for name in ("MANY_WEIGHTS", "SPARSE_ENOUGH", "MOST_DENSE"):
        monkeypatch.setattr(_blocks, name, 0)


def fitted(solver="bcfw", **params):
    X, y = text(0, binary=True)
    svm = ChainSVM(solver=solver, random_state=0, max_iter=5, **params)
    if solver == "bcfw":
        svm.set_params(tol=0.5, C=0.1)
    return svm.fit(X, y), X, y


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_are_made_when_asked_for(solver):
    svm, X, _ = fitted(solver)
    check_is_fitted(svm)
    assert "coef_" not in vars(svm)
    assert svm.coef_.shape == (svm.model_.n_weights,)
    assert svm.coef_ is svm.coef_
    assert svm.coef_.any()
    assert "_coef_later" not in vars(svm)
    assert len(svm.predict(X)) == len(X)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("way", ["file", "pickle", "copy", "deepcopy"])
def test_copies_have_the_same_weights(tmp_path, solver, way):
    svm, X, _ = fitted(solver)
    if way == "file":
        svm.save(tmp_path / "before")
        other = load(tmp_path / "before")
        assert "coef_" not in vars(svm)
        _ = svm.coef_
        svm.save(tmp_path / "after")
        assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes()
    elif way == "pickle":
        other = pickle.loads(pickle.dumps(svm))
        assert "coef_" not in vars(svm)
        assert "coef_" not in vars(other)
    else:
        other = getattr(copy, way)(svm)
    np.testing.assert_array_equal(other.coef_, svm.coef_)
    for ours, theirs in zip(svm.predict(X), other.predict(X), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_may_be_set():
    svm, X, _ = fitted()
    svm.coef_ = np.zeros(svm.model_.n_weights)
    assert not svm.decision_function(X).any()
    assert not pickle.loads(pickle.dumps(svm)).coef_.any()


def test_a_new_fit_replaces_them():
    svm, X, y = fitted()
    first = svm.coef_
    svm.set_params(C=0.01).fit(X, y)
    assert "coef_" not in vars(svm)
    assert not np.array_equal(svm.coef_, first)
    svm.coef_ = first
    svm.fit(X, y)
    assert not np.array_equal(svm.coef_, first)


def test_those_who_are_not_fitted_have_none():
    svm, X, y = fitted()
    assert not hasattr(clone(svm), "coef_")
    with pytest.raises(AttributeError, match="'ChainSVM' object has no attribute 'coef_'"):
        _ = clone(svm).coef_
    online = ChainSVM(solver="perceptron", random_state=0).fit(X, y)
    before = copy.deepcopy(online).coef_
    online.partial_fit(X, y)
    assert online.coef_.shape == before.shape


def test_scaled_weights_are_in_the_units_of_the_user(monkeypatch):
    X, y = text(0, binary=False)
    X = [rows * np.linspace(1e-3, 1e3, rows.shape[1]) for rows in X]
    X = [rows.tocsr() for rows in X]
    params = {"random_state": 0, "C": 0.1, "tol": 1e-9, "max_iter": 2000}
    grown = ChainSVM(**params).fit(X, y)
    monkeypatch.setattr(_blocks, "MOST_DENSE", 1 << 40)
    dense = ChainSVM(**params).fit(X, y)
    np.testing.assert_allclose(grown.coef_, dense.coef_, rtol=1e-3, atol=1e-6)


def test_threads_that_ask_at_once_see_the_same_weights():
    svm, *_ = fitted()
    ask = vars(StructSVM)["coef_"].__get__
    made = svm.coef_
    # A thread that found no weights in the dict, and comes to make them after another did.
    assert ask(svm, ChainSVM) is made
    with pytest.raises(AttributeError, match="'ChainSVM' object has no attribute 'coef_'"):
        ask(ChainSVM(), ChainSVM)
