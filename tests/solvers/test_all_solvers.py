"""One objective: every solver on every kind of model, within the certified gaps."""

import numpy as np
import pytest
from python_models import PythonClasses
from scipy.optimize import LinearConstraint, minimize
from sklearn.base import clone

from structsvm import ChainModel, StructSVM, StructuredModel
from structsvm.solvers import (
    BCFW,
    SOLVERS,
    BlockDual,
    Capabilities,
    CuttingPlane,
    NSlack,
    Perceptron,
    Subgradient,
    capabilities_of,
)

SETTINGS = {
    "bcfw": BCFW(),
    "cutting_plane": CuttingPlane(),
    "cutting_plane, no cache": CuttingPlane(max_cached_rounds=0),
    "cutting_plane, one plane": CuttingPlane(max_planes=1),
    "n_slack": NSlack(),
    "n_slack, precise": NSlack(precision=0.01, drop_after=3),
    "subgradient": Subgradient(),
}


class Signed(PythonClasses):
    """Some weights must be >= 0, which changes what is best."""

    non_negative = slice(2, 9)


class Subset(StructuredModel):
    """y is a set of items of one size; the score adds up those of its members."""

    def joint_feature(self, x, y):
        return x[list(y)].sum(axis=0)

    def loss(self, y, y_hat):
        return float(len(set(y) - set(y_hat)))

    def inference(self, x, w):
        return tuple(np.argsort(-(x @ w), kind="stable")[:2])

    def loss_augmented_inference(self, x, y, w):
        return tuple(np.argsort(-(x @ w - np.isin(range(len(x)), y)), kind="stable")[:2])


def problems(words):
    rng = np.random.default_rng(0)
    labels = list(rng.integers(3, size=30))
    points = list(rng.normal(size=(3, 4))[labels] + rng.normal(size=(30, 4)))
    sets = list(rng.normal(size=(30, 5, 3)))
    chosen = [Subset().inference(x + rng.normal(size=x.shape), np.array([1, -1, 0])) for x in sets]
    return {
        "chain": (ChainModel(task_loss="normalized_hamming"), *words, 1.0),
        "multiclass": (PythonClasses(), points, labels, 0.2),
        "signed": (Signed(), points, labels, 0.2),
        "subset": (Subset(), sets, chosen, 0.2),
    }


def bound_words(words):
    model = ChainModel()
    model.initialize(*words)
    return model.bind(*words)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("kind", ["chain", "multiclass", "signed", "subset"])
def test_every_solver_reaches_the_same_optimum(words, kind, name):
    model, X, y, C = problems(words)[kind]
    exact = StructSVM(model, scale=None, C=C, tol=1e-7, max_iter=5000, random_state=0).fit(X, y)
    tol = 0.05 if name == "subgradient" else 1e-3
    solver = clone(SETTINGS[name])
    svm = StructSVM(
        model, scale=None, C=C, solver=solver, tol=tol, max_iter=3000, random_state=0
    ).fit(X, y)
    assert svm.dual_gap_ <= tol
    assert svm.certified_
    assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-9)
    assert exact.dual_objective_ * (1 - 1e-9) <= svm.objective_
    assert svm.objective_ * (1 - tol) <= exact.objective_
    history = svm.history_
    assert (history["objective"] >= history["dual_objective"]).all()
    assert (np.diff(history["dual_objective"]) >= 0).all()
    # Strong convexity: the weights are as close as the gaps allow.
    bound = np.sqrt(2 * svm.dual_gap_ * svm.objective_) + np.sqrt(2e-7 * exact.objective_)
    assert np.linalg.norm(svm.coef_ - exact.coef_) <= bound


def test_weights_kept_non_negative_are_those_of_a_general_optimiser(words):
    """Against SLSQP on the problem written out: slacks, one constraint for each class."""
    model, X, y, C = problems(words)["signed"]
    svm = StructSVM(model, scale=None, C=C, tol=1e-9, max_iter=5000, random_state=0).fit(X, y)
    free = StructSVM(PythonClasses(), scale=None, C=C, tol=1e-9, max_iter=5000, random_state=0).fit(
        X, y
    )
    assert free.coef_[2:9].min() < -1e-3
    assert svm.objective_ > free.objective_ * (1 + 1e-3)
    rows = [
        np.append(model.joint_feature(x, a) - model.joint_feature(x, b), np.eye(30)[i])
        for i, (x, a) in enumerate(zip(X, y, strict=True))
        for b in range(3)
    ]
    right = [float(a != b) for a in y for b in range(3)]
    result = minimize(
        lambda v: v[:12] @ v[:12] / 2 + C * v[12:].sum(),
        np.append(np.zeros(12), np.ones(30)),
        jac=lambda v: np.append(v[:12], np.full(30, C)),
        bounds=[(0 if 2 <= j < 9 else None, None) for j in range(12)] + [(0, None)] * 30,
        constraints=LinearConstraint(np.array(rows), right, np.inf),
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert result.success
    assert svm.objective_ == pytest.approx(result.fun, rel=1e-6)
    np.testing.assert_allclose(svm.coef_, result.x[:12], atol=1e-4)
    assert svm.coef_[2:9].min() == 0.0


def test_variants_of_solvers_keep_weights_non_negative(words):
    model, X, y, C = problems(words)["signed"]
    exact = StructSVM(model, scale=None, C=C, tol=1e-7, max_iter=5000, random_state=0).fit(X, y)
    for solver in (
        BCFW(step="frank_wolfe", averaging=True),
        BCFW(acceleration=0, max_planes=0, cached_passes=0),
        BCFW(averaging=True, sampling="gap"),
        Subgradient(project=True, averaging="uniform", batch_size=4),
        Subgradient(averaging="none"),
    ):
        svm = StructSVM(
            model, scale=None, C=C, solver=solver, tol=0.05, max_iter=5000, random_state=0
        )
        svm.fit(X, y)
        assert svm.coef_[2:9].min() >= 0
        assert svm.objective_ * 0.95 <= exact.objective_
        assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-9)


@pytest.mark.parametrize("solver", ["perceptron", "passive_aggressive"])
def test_online_solvers_refuse_weights_kept_non_negative(words, solver):
    model, X, y, _ = problems(words)["signed"]
    with pytest.raises(
        ValueError, match=f"'{solver}' cannot keep weights at or above 0, .* for 7 of them"
    ):
        StructSVM(model, C=1.0, scale=None, solver=solver).fit(X, y)


@pytest.mark.parametrize("part", [slice(3, 13), slice(None, 3), slice(0, 4, 2), slice(-2, 3)])
def test_non_negative_must_be_a_slice_of_the_weights(words, part):
    model, X, y, _ = problems(words)["signed"]
    model.non_negative = part
    with pytest.raises(ValueError, match=r"expected slice\(start, stop\) within the 12 weights"):
        model.bind(X, y)


@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
def test_weights_kept_non_negative_may_stand_anywhere(words, solver):
    """Indices of a slice train to the same bits; others keep those weights, and nothing else."""
    model, X, y, C = problems(words)["signed"]
    params = {"C": C, "scale": None, "solver": solver, "tol": 0.1, "random_state": 0}

    def trained(indices):
        kind = type("Signed", (type(model),), {"non_negative": indices})
        return StructSVM(kind(**model.get_params()), **params).fit(X, y).coef_

    by_slice = StructSVM(model, **params).fit(X, y).coef_
    assert np.array_equal(trained(np.arange(8, 1, -1)), by_slice)
    coef = trained(np.array([0, 4, 11]))
    assert (coef[[0, 4, 11]] >= 0).all()
    assert (coef < 0).any()


@pytest.mark.parametrize(
    ("indices", "message"),
    [([0, 12], "has the index 12, expected 0 to 11"), ([-1], "index -1"), ([0.5], "is float64 of")],
)
def test_non_negative_indices_must_be_of_weights(words, indices, message):
    model, X, y, _ = problems(words)["signed"]
    model.non_negative = np.array(indices)
    with pytest.raises(ValueError, match=message):
        model.bind(X, y)


def test_refit_is_a_fresh_fit_and_names_make_solvers(words):
    X, y = words
    for name in ("bcfw", "cutting_plane", "n_slack", "subgradient"):
        svm = StructSVM(ChainModel(), C=1.0, scale=None, solver=name, tol=0.3, random_state=0)
        first = svm.fit(X, y).coef_
        assert np.array_equal(svm.fit(X[:5], y[:5]).fit(X, y).coef_, first)


@pytest.mark.parametrize("kind", SOLVERS.values(), ids=list(SOLVERS))
def test_a_solver_can_do_what_it_declares(words, kind):
    problem = bound_words(words)
    declared = capabilities_of(kind())
    assert kind.capabilities is declared
    assert hasattr(kind, "learn") == declared.can_learn
    if kind is BlockDual:
        return  # which is for other problems
    options = {"tol": None, "max_iter": 3, "random_state": np.random.RandomState(0)}
    first = kind().solve(problem, 1.0, **options)
    assert np.isfinite(first.gap) == declared.has_dual
    again = kind().solve(problem, 1.0, state=first.state, **options)
    assert (
        again.history["dual_objective"][0] > first.dual_objective / 2
    ) == declared.can_warm_start
    if declared.regularizes:
        other = kind().solve(bound_words(words), 2.0, **options)
        assert not np.array_equal(other.weights, first.weights)
    else:
        with pytest.raises(ValueError, match="C=2 has no meaning"):
            kind().solve(problem, 2.0, **options)


class Outside:
    """A solver from outside that declares nothing, and one that declares something."""

    def solve(self, problem, C, **options):
        return BCFW().solve(problem, C, **options)


class OutsideWithoutState(Outside):
    capabilities = Capabilities(can_warm_start=False)


def test_a_solver_from_outside_has_the_default_capabilities(words):
    X, y = words
    ours = StructSVM(ChainModel(), C=1.0, scale=None, random_state=0).fit(X, y)
    theirs = StructSVM(
        ChainModel(), C=1.0, scale=None, solver=Outside(), warm_start=True, random_state=0
    ).fit(X, y)
    assert np.array_equal(ours.coef_, theirs.coef_)
    with pytest.raises(ValueError, match="'OutsideWithoutState' keeps no dual state: warm_start"):
        StructSVM(
            ChainModel(), C=1.0, scale=None, solver=OutsideWithoutState(), warm_start=True
        ).fit(X, y)
    with pytest.raises(ValueError, match="solver 'Outside' needs all data at once: partial_fit"):
        StructSVM(ChainModel(), C=1.0, scale=None, solver=Outside()).partial_fit(X, y)


def test_cached_cuts_save_oracle_calls(letters):
    X, y = letters["small"]
    calls = {}
    for rounds in (0, 30):
        svm = StructSVM(
            ChainModel("normalized_hamming"),
            scale=None,
            C=30 / len(X),
            solver=CuttingPlane(max_cached_rounds=rounds),
            tol=0.3,
        )
        calls[rounds] = svm.fit(X, y).n_oracle_calls_
    assert calls[30] < calls[0] / 3


@pytest.mark.parametrize(
    ("solver", "message"),
    [
        (
            CuttingPlane(max_cached_rounds=-1),
            "max_cached_rounds=-1 of CuttingPlane: expected an integer >= 0",
        ),
        (CuttingPlane(max_planes=0), "max_planes=0 of CuttingPlane: expected an integer >= 1"),
        (NSlack(precision=1), "precision=1 of NSlack: expected a number between 0 and 1"),
        (NSlack(drop_after=0), "drop_after=0 of NSlack: expected an integer >= 1"),
        (Subgradient(n_examples=0), "n_examples=0 of Subgradient: expected an integer >= 1"),
        (Perceptron(averaging="yes"), "averaging='yes' of Perceptron: expected True or False"),
    ],
)
def test_bad_parameters_are_named(words, solver, message):
    with pytest.raises(ValueError, match=message):
        StructSVM(ChainModel(), C=1.0, scale=None, solver=solver).fit(*words)
