"""Perceptron, passive-aggressive and partial_fit."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from structsvm import ChainModel, ChainSVM, StructSVM, StructuredModel
from structsvm.solvers import PassiveAggressive, Perceptron, Subgradient


def numpy_pass(model, X, y, order, C=None):
    """Weights after each visit: PA-I with C, else the perceptron."""
    w, iterates, mistakes = np.zeros(model.n_weights), [], 0
    for i in order:
        if C is None:
            y_hat = model.inference(X[i], w)
        else:
            y_hat = model.loss_augmented_inference(X[i], y[i], w)
        delta = model.joint_feature(X[i], y[i]) - model.joint_feature(X[i], y_hat)
        step = 1.0 if delta.any() else 0.0
        if C is not None and delta.any():
            height = model.loss(y[i], y_hat) - w @ delta
            step = min(C, max(height, 0.0) / (delta @ delta))
        w = w + step * delta
        mistakes += step > 0
        iterates.append(w)
    return np.array(iterates), mistakes


@pytest.mark.parametrize("averaging", [True, False])
@pytest.mark.parametrize("C", [None, 0.05, 10.0])
def test_passes_equal_numpy(words, C, averaging):
    X, y = words
    solver = (
        Perceptron(averaging=averaging) if C is None else PassiveAggressive(averaging=averaging)
    )
    # Python scores ties in the same way; the data have none but at w = 0, where both take label 0.
    svm = ChainSVM(
        scale=None, solver=solver, C=1.0 if C is None else C, max_iter=3, random_state=5
    ).fit(X, y)
    random = np.random.RandomState(5)
    order = np.concatenate([random.permutation(len(X)) for _ in range(3)])
    iterates, _ = numpy_pass(svm.model_, X, y, order, C)
    want = iterates.mean(axis=0) if averaging else iterates[-1]
    np.testing.assert_allclose(svm.coef_, want, atol=1e-10)
    assert svm.n_oracle_calls_ == 3 * len(X)
    assert np.isnan(svm.dual_gap_)
    assert not svm.certified_
    assert np.isfinite(svm.history_["mean_hinge"]).all()


def test_the_perceptron_ends_after_a_pass_without_mistakes():
    X = [np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0]])]
    svm = ChainSVM(C=1.0, scale=None, solver="perceptron", random_state=0).fit(
        X, [["a", "b"], ["b"]]
    )
    assert svm.n_iter_ < 10
    assert svm.history_["mean_hinge"][-1] == 0.0
    assert svm.score(X, [["a", "b"], ["b"]]) == 1.0


def test_both_learn_as_well_as_the_exact_optimum(letters):
    X, y = letters["small"]
    train, test = (X[:500], y[:500]), (X[500:], y[500:])
    exact = ChainSVM(scale=None, C=0.1, tol=1e-2, random_state=0).fit(*train).score(*test)
    for solver, C in (("perceptron", 1.0), ("passive_aggressive", 0.01)):
        svm = ChainSVM(scale=None, solver=solver, C=C, random_state=0).fit(*train)
        assert svm.score(*test) > exact - 0.05


ONLINE = {
    "perceptron": ("perceptron", 1.0),
    "passive_aggressive": ("passive_aggressive", 0.1),
    "subgradient": (Subgradient(n_examples=25), 1.0),
    "subgradient, uniform, projected": (
        Subgradient(n_examples=25, averaging="uniform", project=True),
        5.0,
    ),
}


@pytest.mark.parametrize("name", ONLINE)
def test_partial_fit_in_pieces_equals_one_pass(words, name):
    X, y = words
    solver, C = ONLINE[name]
    svm = ChainSVM(scale=None, solver=solver, C=C)
    whole = clone(svm).partial_fit(X, y)
    pieces = clone(svm).partial_fit(X[:3], y[:3], classes=[0, 1, 2])
    pieces.partial_fit(X[3:10], y[3:10])
    # Also across a pickle.
    pieces = pickle.loads(pickle.dumps(pieces)).partial_fit(X[10:], y[10:])
    assert np.array_equal(pieces.coef_, whole.coef_)
    assert whole.coef_.any()
    assert pieces.n_oracle_calls_ == whole.n_oracle_calls_ == len(X)
    assert np.isnan(whole.dual_gap_)
    if name == "perceptron":
        iterates, _ = numpy_pass(whole.model_, X, y, range(len(X)))
        np.testing.assert_allclose(whole.coef_, iterates.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("name", ["perceptron", "passive_aggressive", "subgradient"])
def test_counters_at_their_end_do_not_crash(words, name):
    """In a build with checks an overflow used to raise where no thread held the GIL."""
    X, y = words
    svm = ChainSVM(C=1.0, scale=None, solver=name).partial_fit(X, y)
    counters = svm._online[1]
    for counter in ("n_visits", "n_oracle_calls", "n_met", "n_steps"):
        if hasattr(counters, counter):
            setattr(counters, counter, 2**63 - 1)
    with np.errstate(all="ignore"):
        svm.partial_fit(X, y)
    assert np.isfinite(svm.coef_).all()


def test_a_partial_fit_that_fails_changes_nothing(words):
    class Failing(ChainModel):
        prepare_examples = StructuredModel.prepare_examples
        bind = StructuredModel.bind
        batch_inference = StructuredModel.batch_inference

        def inference(self, x, w):
            if len(x) == 6:
                raise ArithmeticError("six is too many")
            return super().inference(x, w)

    X, y = words
    short = [i for i in range(len(X)) if len(X[i]) < 6]
    long = next(i for i in range(len(X)) if len(X[i]) == 6)
    first, second = short[:8], short[8:]
    svm = StructSVM(Failing(), C=1.0, scale=None, solver="perceptron")
    svm.partial_fit([X[i] for i in first], [y[i] for i in first])
    with pytest.raises(ArithmeticError):
        svm.partial_fit([X[i] for i in [*second, long]], [y[i] for i in [*second, long]])
    svm.partial_fit([X[i] for i in second], [y[i] for i in second])
    clean = StructSVM(Failing(), C=1.0, scale=None, solver="perceptron")
    clean.partial_fit([X[i] for i in short], [y[i] for i in short])
    assert np.array_equal(svm.coef_, clean.coef_)
    assert svm.n_oracle_calls_ == len(short)


def test_labels_of_object_arrays_are_classes(words):
    X, y = words
    named = [["abc"[k] for k in labels] for labels in y]
    classes = np.array(["a", "b", "c", "d"], dtype=object)
    svm = ChainSVM(C=1.0, scale=None, solver="perceptron").partial_fit(X, named, classes=classes)
    assert svm.classes_.tolist() == ["a", "b", "c", "d"]


def test_partial_fit_goes_on_from_fit_and_fit_begins_anew(words):
    X, y = words
    svm = StructSVM(ChainModel(), C=1.0, scale=None, solver="perceptron", random_state=0).fit(X, y)
    fitted, calls = svm.coef_, svm.n_oracle_calls_
    svm.partial_fit(X, y)
    assert svm.n_oracle_calls_ == calls + len(X)
    assert not np.array_equal(svm.coef_, fitted)
    assert np.array_equal(svm.fit(X, y).coef_, fitted)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"tol": 0.1}, "solver 'perceptron' has no dual: tol has no meaning"),
        ({"C": 2.0}, "solver 'perceptron' has no regularisation: C=2 has no meaning"),
        (
            {"warm_start": True},
            "solver 'perceptron' keeps no dual state: warm_start has no meaning",
        ),
        (
            {"solver": "passive_aggressive", "tol": 0.1},
            "solver 'passive_aggressive' has no dual: tol has no meaning",
        ),
        (
            {"solver": "subgradient", "warm_start": True},
            "solver 'subgradient' keeps no dual state: warm_start has no meaning",
        ),
    ],
)
def test_options_in_the_wrong_combination_are_refused(words, params, message):
    with pytest.raises(ValueError, match=message):
        ChainSVM(**({"C": 1.0, "scale": None} | {"solver": "perceptron"} | params)).fit(*words)


@pytest.mark.filterwarnings("ignore:all labels in y are 0")
def test_partial_fit_refuses_what_it_cannot_do(words, tmp_path):
    X, y = words
    for name in ("bcfw", "cutting_plane", "n_slack"):
        message = f"solver '{name}' needs all data at once: partial_fit has no meaning"
        with pytest.raises(ValueError, match=message):
            ChainSVM(C=1.0, scale=None, solver=name).partial_fit(X, y)
    svm = ChainSVM(C=1.0, scale=None, solver="perceptron").partial_fit(
        X[:4], [np.zeros(len(k), int) for k in y[:4]]
    )
    before = svm.coef_.copy()
    with pytest.raises(ValueError, match="label 2 was not in the y that fit saw"):
        svm.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"X\[0\] has 4 features, expected 5"):
        svm.partial_fit([x[:, :4] for x in X], [np.zeros(len(k), int) for k in y])
    assert np.array_equal(svm.coef_, before)
    for classes, message in (
        ([0, 1], "classes are 0, 1, but training began with 0"),
        (np.array(["a"], dtype=object), "classes are 'a', but training began with 0"),
    ):
        with pytest.raises(ValueError, match=message):
            svm.partial_fit(X[:4], [np.zeros(len(k), int) for k in y[:4]], classes=classes)
    with pytest.raises(ValueError, match="y has the label 2, which is not in classes"):
        ChainSVM(C=1.0, scale=None, solver="perceptron").partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="averaging=False of Perceptron differs from its value"):
        svm.set_params(solver=Perceptron(averaging=False)).partial_fit(
            X[:4], [np.zeros(len(k), int) for k in y[:4]]
        )
    message = "there is no state of solver 'passive_aggressive' to go on from"
    with pytest.raises(ValueError, match=message):
        svm.set_params(solver="passive_aggressive").partial_fit(X, y)
    svm.set_params(solver="perceptron").save(tmp_path / "model")
    from structsvm import load

    with pytest.raises(ValueError, match="this estimator was loaded from a file"):
        load(tmp_path / "model").partial_fit(X, y)
