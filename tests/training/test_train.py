"""Training as a function, without any estimator."""

import subprocess
import sys

import numpy as np
import pytest
from python_models import PythonClasses

from structsvm import ChainModel, StructSVM
from structsvm.callbacks import Checkpoint, EarlyStopping
from structsvm.engines import Serial
from structsvm.solvers import BCFW, Perceptron
from structsvm.training.train import Examples, Validation, learn, train


def rows():
    X = list(np.random.default_rng(0).normal(size=(40, 4)))
    return X, [int(np.argmax(x[:3])) for x in X]


@pytest.fixture(params=["compiled", "python"])
def case(request, words):
    """A maker of models, and examples."""
    return (ChainModel, *words) if request.param == "compiled" else (PythonClasses, *rows())


def examples_of(X, y):
    return Examples(X, y, None, {})


def test_the_same_bits_as_an_estimator(case):
    make, X, y = case
    outcome = train(make(), examples_of(X, y), BCFW(), C=0.5, random_state=0)
    svm = StructSVM(make(), scale=None, C=0.5, random_state=0).fit(X, y)
    assert np.array_equal(outcome.result.weights, svm.coef_)
    assert outcome.result.gap == svm.dual_gap_
    assert outcome.certified == svm.certified_
    assert outcome.validation_score is None


def test_no_estimator_is_imported():
    code = (
        "import sys; import structsvm.training.train; "
        "assert not [name for name in sys.modules if name.startswith('structsvm.estimators')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_goes_on_from_an_outcome_with_another_c(case):
    make, X, y = case
    examples = examples_of(X, y)
    first = train(make(), examples, BCFW(), C=0.5, random_state=0)
    again = train(first.model, examples, BCFW(), C=0.5, random_state=0, start=first.bound)
    assert again.result.n_iter <= 3 < first.result.n_iter
    assert again.bound.problem is first.bound.problem
    other = train(first.model, examples, BCFW(), C=1.0, random_state=0, start=again.bound)
    assert other.result.gap <= 1e-3


def test_held_out_examples_choose_the_weights(case):
    make, X, y = case
    model, validation = make(), Validation(X[:5], y[:5])
    stop = [EarlyStopping(2)]
    outcome = train(model, examples_of(X, y), BCFW(), validation=validation, callbacks=stop)
    assert outcome.validation_score == validation.score(model, outcome.result.weights, Serial())
    assert outcome.validation_score == outcome.result.history["validation_score"].max()
    with pytest.raises(ValueError, match=r"EarlyStopping\(.*\) needs X_val and y_val in fit"):
        train(make(), examples_of(X, y), BCFW(), callbacks=stop)


def test_it_resumes_to_the_same_bits(case, tmp_path):
    make, X, y = case
    whole = train(make(), examples_of(X, y), BCFW(), tol=1e-6, random_state=0)
    stop = [Checkpoint(tmp_path / "fit", every=1), lambda progress: progress.n_iter == 2]
    train(make(), examples_of(X, y), BCFW(), tol=1e-6, random_state=0, callbacks=stop)
    path = tmp_path / "fit"
    resumed = train(make(), examples_of(X, y), BCFW(), tol=1e-6, random_state=0, resume_from=path)
    assert resumed.result.n_iter == whole.result.n_iter > 2
    assert np.array_equal(resumed.result.weights, whole.result.weights)


def test_a_checkpoint_of_an_estimator_is_one_of_the_function(words, tmp_path):
    stop = [Checkpoint(tmp_path / "fit", every=1), lambda progress: progress.n_iter == 2]
    StructSVM(ChainModel(), C=1.0, scale=None, random_state=0, callbacks=stop).fit(*words)
    path = tmp_path / "fit"
    resumed = train(ChainModel(), examples_of(*words), BCFW(), random_state=0, resume_from=path)
    whole = StructSVM(ChainModel(), C=1.0, scale=None, random_state=0).fit(*words)
    assert np.array_equal(resumed.result.weights, whole.coef_)


def test_learning_goes_on_from_a_state_and_leaves_it(case):
    make, X, y = case
    first = learn(make(), examples_of(X, y), Perceptron())
    again = [
        learn(first.model, examples_of(X, y), Perceptron(), state=first.result.state)
        for _ in range(2)
    ]
    assert np.array_equal(again[0].result.weights, again[1].result.weights)
    svm = (
        StructSVM(make(), C=1.0, scale=None, solver="perceptron")
        .partial_fit(X, y)
        .partial_fit(X, y)
    )
    assert np.array_equal(again[0].result.weights, svm.coef_)
    with pytest.raises(ValueError, match="solver 'bcfw' needs all data at once: partial_fit"):
        learn(make(), examples_of(X, y), BCFW())


def test_a_model_may_have_a_method_prepare_of_its_own():
    class Prepared(PythonClasses):
        def prepare(self):
            raise AssertionError("nobody asked for it")

    X, y = rows()
    assert (
        StructSVM(Prepared(), C=1.0, scale=None, random_state=0).fit(X, y).predict(X[:1]) == y[:1]
    )
