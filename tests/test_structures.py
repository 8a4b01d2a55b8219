"""One suite over all structures: each does what every structure must, held against enumeration."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.planes import dense, planes_of
from sklearn.base import clone
from structures import STRUCTURES

from structsvm import StructSVM, load
from structsvm.models.factored import FactoredModel
from structsvm.problems.python_methods import sparse_vector
from structsvm.testing import check_model

#: Answers of relaxations may miss the best point by their tolerance; all else by rounding.
ROUNDING, MISSED = 1e-9, 1e-4

structures = pytest.mark.parametrize("name", STRUCTURES)
exact_ones = pytest.mark.parametrize(
    "name", [name for name, structure in STRUCTURES.items() if structure.oracle == "exact"]
)
few = settings(max_examples=20)


class Case:
    """A structure sized by drawn examples and bound to them, with drawn weights."""

    def __init__(self, data, name):
        self.structure = STRUCTURES[name]
        self.X, self.y = data.draw(self.structure.examples, label="X, y")
        self.model = self.structure.model()
        self.model.initialize(self.X, self.y)
        self.problem = self.model.bind(self.X, self.y)
        weights = st.lists(
            st.sampled_from([0.0, 1.0, -1.0, 2.0, -0.5]),
            min_size=self.problem.n_weights,
            max_size=self.problem.n_weights,
        )
        self.w = self.problem.project(np.array(data.draw(weights, label="w"), dtype=np.float64))
        self.missed = MISSED if self.structure.oracle == "over-generating" else ROUNDING

    def psi(self, x, y):
        indices, values = sparse_vector(
            self.model.joint_feature(x, y), self.problem.n_weights, "joint_feature"
        )
        dense = np.zeros(self.problem.n_weights)
        np.add.at(dense, indices, values)
        return dense

    def outputs(self, i):
        """All outputs of example i: losses, and joint features less that of the truth."""
        x, y = self.X[i], self.y[i]
        outputs = list(self.structure.outputs(self.model, x))
        if isinstance(self.model, FactoredModel):
            _, read = self.model.prepare_examples([x] * (len(outputs) + 1), [y, *outputs])
            truth, *numbers = self.model.label_numbers(read).reshape(len(outputs) + 1, -1)
            deltas, losses = planes_of(self.problem, i, truth, numbers)
            return losses, deltas
        truth = self.psi(x, y)
        losses = np.array([self.model.loss(y, y_hat) for y_hat in outputs])
        deltas = np.array([truth - self.psi(x, y_hat) for y_hat in outputs])
        return losses, deltas

    def plane(self, i):
        return dense(self.problem, self.problem.oracle(i, self.w))

    def compare(self, value, values):
        """Whether an answer's value stands to those of all outputs as the oracle's kind says."""
        size = 1.0 + np.abs(values).max()
        if self.structure.oracle != "over-generating":
            assert value <= values.max() + ROUNDING * size
        if self.structure.oracle != "under-generating":
            assert value >= values.max() - self.missed * size


@structures
@given(st.data())
@few
def test_the_maximum_is_reached_and_planes_are_those_of_outputs(name, data):
    case = Case(data, name)
    for i in range(len(case.X)):
        losses, deltas = case.outputs(i)
        assert (losses >= 0.0).all()
        assert case.model.loss(case.y[i], case.y[i]) == 0.0
        delta, loss = case.plane(i)
        case.compare(loss - delta @ case.w, losses - deltas @ case.w)
        if case.structure.oracle != "over-generating":
            same = np.abs(deltas - delta).max(axis=1, initial=0.0) + np.abs(losses - loss)
            assert same.min() <= ROUNDING * (1.0 + np.abs(delta).max(initial=0.0))
        # A hinge is never below 0: the truth is an output.
        if case.structure.oracle == "exact":
            assert loss - delta @ case.w >= -ROUNDING


@structures
@given(st.data())
@few
def test_predictions_are_best_outputs(name, data):
    case = Case(data, name)
    predicted = case.model.batch_inference(case.X, case.w)
    values = case.model.batch_best_score(case.X, case.w)
    assert len(predicted) == len(case.X)
    for i, (x, y_hat, value) in enumerate(zip(case.X, predicted, values, strict=True)):
        scores = case.psi(x, case.y[i]) @ case.w - case.outputs(i)[1] @ case.w
        size = 1.0 + np.abs(scores).max()
        assert abs(case.psi(x, y_hat) @ case.w - value) <= ROUNDING * size
        assert value <= scores.max() + ROUNDING * size
        if case.structure.predicts_best:
            assert value >= scores.max() - ROUNDING * size


@exact_ones
@given(st.data())
@few
def test_one_at_a_time_and_all_at_once_are_as_good(name, data):
    case = Case(data, name)
    model, w = case.model, case.w
    answers = model.batch_loss_augmented_inference(case.X, case.y, w)
    predictions = model.batch_inference(case.X, w)
    for x, y, answer, prediction in zip(case.X, case.y, answers, predictions, strict=True):

        def value(y_hat, x=x, y=y):
            return model.loss(y, y_hat) + case.psi(x, y_hat) @ w

        assert value(model.loss_augmented_inference(x, y, w)) == pytest.approx(value(answer))
        alone = case.psi(x, model.inference(x, w)) @ w
        assert alone == pytest.approx(case.psi(x, prediction) @ w, abs=1e-9)


@pytest.mark.parametrize("name", [name for name in STRUCTURES if STRUCTURES[name].slack])
@given(st.data())
@few
def test_slack_rescaling_reaches_its_maximum(name, data):
    case = Case(data, name)
    case.problem.set_rescaling("slack")
    for i in range(len(case.X)):
        losses, deltas = case.outputs(i)
        delta, loss = case.plane(i)
        case.compare(loss - delta @ case.w, losses * (1.0 - deltas @ case.w))


@pytest.mark.parametrize("name", [name for name in STRUCTURES if not STRUCTURES[name].slack])
def test_slack_rescaling_is_refused_where_there_is_no_oracle_for_it(name):
    with pytest.raises(ValueError, match="rescaling='slack'"):
        fitted(name, rescaling="slack")


@structures
@given(st.data())
@few
def test_copies_answer_the_same(name, data):
    case = Case(data, name)
    before = [case.plane(i) for i in range(len(case.X))]
    copy = pickle.loads(pickle.dumps(case.model))
    problem = copy.bind(case.X, case.y)
    for i, (delta, loss) in enumerate(before):
        indices, values, loss_again = problem.oracle(i, case.w)
        again = np.zeros_like(delta)
        again[indices] = values
        assert loss_again == loss
        assert np.array_equal(again, delta)
    sized_anew = clone(case.model)
    sized_anew.initialize(case.X, case.y)
    assert sized_anew.bind(case.X, case.y).n_weights == case.problem.n_weights


@structures
@given(st.data())
@few
def test_the_mean_hinge_is_that_of_the_planes(name, data):
    case = Case(data, name)
    hinges = np.empty(len(case.X))
    mean = case.problem.mean_hinge(case.w, hinges)
    assert mean == pytest.approx(hinges.mean())
    for i, hinge in enumerate(hinges):
        delta, loss = case.plane(i)
        assert hinge == pytest.approx(max(loss - delta @ case.w, 0.0), abs=1e-9)


# ---- fits, on one set of examples each


def some_examples(name):
    """A few examples, always the same ones."""
    drawn = []

    @settings(max_examples=8, database=None, derandomize=True)
    @given(STRUCTURES[name].examples)
    def draw(pair):
        drawn.append(pair)

    draw()
    # Those of most outputs: the simplest come first.
    return max(drawn, key=lambda pair: (len(pair[0]), sum(np.size(y) for y in pair[1])))


def fitted(name, **params):
    X, y = some_examples(name)
    svm = StructSVM(
        STRUCTURES[name].model(),
        **({"C": 1.0, "scale": None} | {"random_state": 0, "tol": 1e-6} | params),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return X, svm.fit(X, y)


def weights_of(svm):
    return svm._flat_weights()


@structures
def test_every_solver_finds_one_optimum(name):
    X, bcfw = fitted(name, C=0.5, max_iter=3000)
    exact = STRUCTURES[name].oracle == "exact"
    assert bcfw.certified_ == exact or STRUCTURES[name].oracle == "over-generating"
    for solver in ("cutting_plane", "n_slack"):
        other = fitted(name, C=0.5, solver=solver, max_iter=3000)[1]
        if exact:
            assert other.certified_
            for one, two in ((bcfw, other), (other, bcfw)):
                # Each one's bound is below the other's value.
                assert one.dual_objective_ <= two.objective_ * (1 + 1e-9) + 1e-12
            assert other.objective_ == pytest.approx(bcfw.objective_, rel=3e-6, abs=1e-9)
        assert len(other.predict(X)) == len(X)


@exact_ones
def test_prior_and_fixed_weights_have_one_optimum(name):
    X, y = some_examples(name)
    model = STRUCTURES[name].model()
    model.initialize(X, y)
    problem = model.bind(X, y)
    rng = np.random.default_rng(0)
    prior = rng.integers(-2, 3, size=problem.n_weights) / 2
    prior[problem.non_negative] = np.abs(prior[problem.non_negative])
    fixed = np.where(rng.random(problem.n_weights) < 0.3, np.abs(prior[::-1]), np.nan)
    given = {"prior_weights": prior, "fixed_weights": fixed, "C": 0.5, "max_iter": 3000}
    fits = [fitted(name, solver=solver, **given)[1] for solver in ("bcfw", "cutting_plane")]
    free = np.isnan(fixed)
    for svm in fits:
        assert svm.certified_
        w = weights_of(svm)
        assert np.array_equal(w[~free], fixed[~free])
        value = ((w - prior)[free] ** 2).sum() / 2 + 0.5 * len(X) * problem.mean_hinge(w)
        assert value == pytest.approx(svm.objective_, rel=1e-9, abs=1e-12)
        assert max(one.dual_objective_ for one in fits) <= value * (1 + 1e-9) + 1e-12


def same(a, b):
    """Whether two outputs are equal, arrays or dicts of arrays."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)
    return np.array_equal(a, b)


@structures
def test_threads_change_no_bit(name):
    X, two = fitted(name, n_jobs=2, max_iter=5)
    _, three = fitted(name, n_jobs=3, max_iter=5)
    assert np.array_equal(weights_of(two), weights_of(three))
    for a, b in zip(two.predict(X), three.set_params(n_jobs=1).predict(X), strict=True):
        assert same(a, b)


@structures
def test_a_loaded_model_predicts_the_same_bits(name, tmp_path):
    X, svm = fitted(name, max_iter=50)
    file = tmp_path / "model.npz"
    if "Python" in name:
        with pytest.raises(TypeError, match="use pickle or joblib"):
            svm.save(file)
        copy = svm
    else:
        svm.save(file)
        copy = load(file)
    assert np.array_equal(weights_of(copy), weights_of(svm))
    assert np.array_equal(copy.decision_function(X), svm.decision_function(X))
    for a, b in zip(copy.predict(X), svm.predict(X), strict=True):
        assert same(a, b)


# Rows of classes must be a matrix, as in scikit-learn, of which an empty list is none.
@pytest.mark.parametrize("name", [name for name in STRUCTURES if "classes" not in name])
def test_no_examples_have_no_predictions(name):
    X, svm = fitted(name, max_iter=5)
    assert len(svm.predict([])) == 0
    assert len(svm.decision_function([])) == 0
    assert len(svm.predict(X[:1])) == 1


@structures
def test_check_model_finds_nothing(name):
    X, y = some_examples(name)
    check_model(STRUCTURES[name].model(), X, y, n_weight_vectors=3)
