"""Every estimator with every solver: fit and partial_fit in any order work or say why not."""

import pickle
import re

import numpy as np
import pytest
from python_models import PythonClasses
from sklearn.base import clone

import structsvm
from structsvm import (
    ChainSVM,
    GraphSVM,
    GridSVM,
    MulticlassModel,
    MulticlassSVM,
    StructSVM,
)
from structsvm.solvers import Subgradient

SOLVERS = [
    "bcfw",
    "block_dual",
    "cutting_plane",
    "n_slack",
    "subgradient",
    "perceptron",
    "passive_aggressive",
]
ONLINE = ("subgradient", "perceptron", "passive_aggressive")
ROWS = np.random.default_rng(0).normal(size=(12, 3))
CLASSES = np.arange(12) % 3


def sequences():
    return list(ROWS.reshape(4, 3, 3)), list(CLASSES.reshape(4, 3))


def images():
    return [x.reshape(3, 1, 3) for x in sequences()[0]], [y.reshape(3, 1) for y in sequences()[1]]


def graphs():
    X, y = sequences()
    return [(x, [[0, 1], [1, 2]]) for x in X], y


def rows():
    return ROWS, CLASSES


ESTIMATORS = {
    "MulticlassSVM": (MulticlassSVM(C=1.0, scale=None), rows),
    "StructSVM of rows": (StructSVM(MulticlassModel(), C=1.0, scale=None), rows),
    "StructSVM in Python": (StructSVM(PythonClasses(), C=1.0, scale=None), rows),
    "ChainSVM": (ChainSVM(C=1.0, scale=None), sequences),
    "GridSVM": (GridSVM(C=1.0, scale=None, pairwise="table"), images),
    "GraphSVM": (GraphSVM(C=1.0, scale=None, pairwise="table"), graphs),
}
ORDERS = {
    "fit": ["fit"],
    "partial_fit": ["partial_fit"],
    "partial_fit twice": ["partial_fit", "partial_fit"],
    "fit, partial_fit": ["fit", "partial_fit", "partial_fit"],
    "partial_fit, fit": ["partial_fit", "fit", "partial_fit"],
    "fit, fit": ["fit", "fit"],
    "another solver between": ["partial_fit", "change", "partial_fit"],
    "fit by another solver": ["fit", "change", "partial_fit"],
    "pickled between": ["fit", "pickle", "partial_fit"],
    "loaded between": ["fit", "load", "partial_fit"],
    "loaded and fitted": ["partial_fit", "load", "fit", "partial_fit"],
}
SENTENCES = (
    "solver '[a-z_]+' needs all data at once: partial_fit has no meaning|"
    "there is no state of solver '[a-z_]+' to go on from: this estimator was loaded from a file or"
    " trained by another solver; clone it and begin anew|"
    "solver 'block_dual' needs a problem with an exact block update, and|"
    "solver '[a-z_]+' keeps no dual state: warm_start has no meaning"
)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_any_order_works_or_says_why_not(tmp_path, name, solver, warm_start):
    base, data = ESTIMATORS[name]
    X, y = data()
    other = "perceptron" if solver != "perceptron" else "subgradient"
    complaints = {}
    for order, steps in ORDERS.items():
        svm = clone(base)
        limit = {} if solver in ("perceptron", "passive_aggressive") else {"tol": 0.5}
        svm.set_params(solver=solver, warm_start=warm_start, random_state=0, max_iter=3, **limit)
        try:
            for step in steps:
                if step == "change":
                    svm.set_params(solver=other, tol=None)
                elif step == "pickle":
                    svm = pickle.loads(pickle.dumps(svm))
                elif step == "load":
                    if name == "StructSVM in Python":
                        continue
                    svm.save(tmp_path / "model.npz")
                    svm = structsvm.load(tmp_path / "model.npz")
                else:
                    getattr(svm, step)(X, y)
        except ValueError as error:
            complaints[order] = str(error)
        else:
            assert np.isfinite(svm.coef_).all()
            assert len(svm.predict(X)) == len(y)
    for complaint in complaints.values():
        assert re.match(SENTENCES, complaint)
    if not warm_start and (solver in ONLINE or name == "MulticlassSVM"):
        for order in ("partial_fit", "partial_fit twice", "fit, partial_fit", "pickled between"):
            assert order not in complaints


@pytest.mark.parametrize("name", ["MulticlassSVM", "StructSVM in Python", "ChainSVM", "GridSVM"])
def test_subgradient_steps_take_the_first_piece_for_the_whole(name):
    base, data = ESTIMATORS[name]
    X, y = data()
    by_name = clone(base).set_params(solver="subgradient")
    by_number = clone(base).set_params(solver=Subgradient(n_examples=len(y)))
    for svm in (by_name, by_number):
        svm.partial_fit(X, y).partial_fit(X[:2], y[:2])
    assert np.array_equal(by_name.coef_, by_number.coef_)


@pytest.mark.parametrize("solver", [*SOLVERS[:4]])
def test_a_fit_of_any_solver_goes_on_by_subgradient_steps(solver):
    svm = MulticlassSVM(scale=None, C=0.1, tol=1e-2, solver=solver, random_state=0).fit(
        ROWS, CLASSES
    )
    before = svm.coef_.copy()
    svm.partial_fit(ROWS[:1], CLASSES[:1])
    assert 0 < np.abs(svm.coef_ - before).max() < 0.5 * np.abs(before).max()


def test_a_loaded_classifier_goes_on_if_it_is_told_how_much_it_has_seen(tmp_path):
    MulticlassSVM(C=1.0, scale=None, random_state=0).fit(ROWS, CLASSES).save(tmp_path / "model.npz")
    svm = structsvm.load(tmp_path / "model.npz")
    before = svm.coef_.copy()
    svm.set_params(solver=Subgradient(n_examples=12)).partial_fit(ROWS[:1], CLASSES[:1])
    assert 0 < np.abs(svm.coef_ - before).max() < np.abs(before).max()


def test_no_weights_of_an_earlier_kernel_are_left():
    svm = MulticlassSVM(C=1.0, scale=None, random_state=0).fit(ROWS, CLASSES)
    svm.set_params(kernel="rbf").fit(ROWS, CLASSES)
    assert not hasattr(svm, "coef_")
    assert svm.predict(ROWS).shape == (12,)
