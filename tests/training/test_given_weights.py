"""Prior and fixed weights: against a general optimiser, in every unit, and errors."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from python_models import PythonClasses
from scipy.optimize import LinearConstraint, minimize
from sklearn.base import clone
from solver_settings import stop_after

import structsvm
from structsvm import (
    ChainModel,
    ChainSVM,
    DependencyModel,
    DependencyParser,
    HiddenStates,
    LatentSVM,
    MulticlassModel,
    MulticlassSVM,
    SequenceTagger,
    StructSVM,
    fit_path,
)
from structsvm.callbacks import Checkpoint
from structsvm.engines import Serial
from structsvm.exceptions import ModelFileError
from structsvm.problems._affine import AffineProblem
from structsvm.solvers import BCFW, CuttingPlane, NSlack, Perceptron, Subgradient

N, D, C = 30, 12, 0.2
SOLVERS = {
    "bcfw": BCFW(),
    "bcfw, averaged": BCFW(averaging=True, sampling="gap"),
    "bcfw, Frank-Wolfe": BCFW(step="frank_wolfe", acceleration=0),
    "cutting_plane": CuttingPlane(),
    "n_slack": NSlack(),
    "subgradient": Subgradient(),
    "subgradient, projected": Subgradient(project=True, averaging="uniform", batch_size=4),
}


class Signed(PythonClasses):
    """Some weights must be >= 0, which changes what is best."""

    non_negative = slice(2, 9)


RNG = np.random.default_rng(0)
LABELS = list(RNG.integers(3, size=N))
POINTS = list(RNG.normal(size=(3, 4))[LABELS] + RNG.normal(size=(N, 4)))
PRIOR = RNG.normal(size=D)
PRIOR[2:9] = 0.3 * np.abs(PRIOR[2:9])
FIXED = np.full(D, np.nan)
FIXED[[0, 3, 7]] = [-0.5, 0.2, 0.0]


def optimum(model, prior, fixed):
    """The problem written out for SLSQP: slacks, one constraint for each class."""
    free = np.isnan(fixed)
    rows = [
        np.append(model.joint_feature(x, a) - model.joint_feature(x, b), np.eye(N)[i])
        for i, (x, a) in enumerate(zip(POINTS, LABELS, strict=True))
        for b in range(3)
    ]
    signed = np.zeros(D, dtype=bool)
    if model.non_negative is not None:
        signed[model.non_negative] = True
    bounds = [
        (None if not s else 0, None) if np.isnan(value) else (value, value)
        for s, value in zip(signed, fixed, strict=True)
    ]
    result = minimize(
        lambda v: ((v[:D] - prior)[free] ** 2).sum() / 2 + C * v[D:].sum(),
        np.append(np.where(free, prior, fixed), np.full(N, 20.0)),
        jac=lambda v: np.append(np.where(free, v[:D] - prior, 0.0), np.full(N, C)),
        bounds=bounds + [(0, None)] * N,
        constraints=LinearConstraint(
            np.array(rows), [float(a != b) for a in LABELS for b in range(3)], np.inf
        ),
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 500},
    )
    assert result.success
    return result.fun, result.x[:D]


@pytest.mark.parametrize("model", [PythonClasses(), Signed()], ids=["free", "signed"])
@pytest.mark.parametrize("given", ["prior", "fixed", "both"])
def test_every_certified_solver_finds_the_optimum_of_a_general_optimiser(model, given):
    prior = PRIOR if given != "fixed" else None
    fixed = FIXED if given != "prior" else None
    least, best = optimum(
        model,
        np.zeros(D) if prior is None else prior,
        np.full(D, np.nan) if fixed is None else fixed,
    )
    for name, solver in SOLVERS.items():
        loose = "subgradient" in name or "Frank" in name
        svm = StructSVM(
            model,
            scale=None,
            C=C,
            solver=clone(solver),
            tol=0.02 if loose else 1e-6,
            max_iter=5000,
            random_state=0,
            prior_weights=prior,
            fixed_weights=fixed,
        ).fit(POINTS, LABELS)
        assert svm.certified_
        assert svm.dual_gap_ <= svm.tol
        assert svm.dual_objective_ <= least * (1 + 1e-8)
        assert svm.objective_ >= least * (1 - 1e-8)
        # Strong convexity: the weights are as close as the gap allows.
        gap = svm.dual_gap_ * svm.objective_
        assert np.linalg.norm(svm.coef_ - best) <= np.sqrt(2 * gap) + 1e-4
        if fixed is not None:
            assert np.array_equal(svm.coef_[~np.isnan(fixed)], fixed[~np.isnan(fixed)])
        if model.non_negative is not None:
            assert svm.coef_[2:9].min() >= 0


def test_a_prior_without_a_hinge_stays():
    strong = StructSVM(PythonClasses(), C=1e4, scale=None, tol=1e-6, random_state=0)
    easy = [int(k) for k in np.argmax(np.array(POINTS)[:, :3], axis=1)]
    X = [np.eye(4)[k] * 3 for k in easy]
    prior = 2 * strong.fit(X, easy).coef_
    for solver in ("bcfw", "cutting_plane", "n_slack", "subgradient"):
        svm = clone(strong).set_params(solver=solver, prior_weights=prior).fit(X, easy)
        assert np.array_equal(svm.coef_, prior)
        assert svm.objective_ == svm.dual_gap_ == 0.0


def words(seed, n=25):
    rng = np.random.default_rng(seed)
    X = [rng.normal([3.0, 0.0, -1.0], [5.0, 0.1, 1.0], size=(4, 3)) for _ in range(n)]
    return X, [(x[:, 0] + 20 * x[:, 1] > 3).astype(int) for x in X]


def objective(svm, X, y, prior, fixed):
    """That of scaled columns, from the weights of the columns as they are."""
    model, scaling = svm.model_, svm.scaling_
    w, w0 = (model.in_user_units(v, scaling, back=True) for v in (svm.coef_, prior))
    inputs, outputs = model.prepare_examples(X, y)
    hinge = model.bind(model.scaled(inputs, scaling), outputs).mean_hinge(w)
    return ((w - w0)[np.isnan(fixed)] ** 2).sum() / 2 + svm.C_ * len(X) * hinge


@pytest.mark.parametrize("places", [[], [0, 5], [6]], ids=["none", "some", "an intercept"])
def test_scaled_columns_are_drawn_to_the_prior_in_their_units(places):
    X, y = words(0)
    prior = ChainSVM(random_state=0).fit(*words(1)).coef_
    fixed = np.full(len(prior), np.nan)
    fixed[places] = 0.25
    svm = ChainSVM(prior_weights=prior, fixed_weights=fixed, tol=1e-6, random_state=0).fit(X, y)
    assert np.array_equal(svm.coef_[places], fixed[places])
    start = np.where(np.isnan(fixed), prior, fixed)
    assert svm.objective_ == pytest.approx(objective(svm, X, y, start, fixed))
    centres = np.concatenate([columns.center for columns in svm.scaling_.values()])
    assert bool(centres.any()) == (6 not in places)
    # In other units of columns the same predictions.
    unit = np.array([100.0, 1e-3, 1.0])
    views = svm.model_.layout_.views
    moved, held = np.array(start), np.array(fixed)
    for vector in (moved, held):
        views(vector)["state"][:] /= unit[:, None]
    other = ChainSVM(prior_weights=moved, fixed_weights=held, tol=1e-6, random_state=0)
    other.fit([x * unit for x in X], y)
    assert pytest.approx(svm.C_) == other.C_
    assert other.objective_ == pytest.approx(svm.objective_, rel=1e-5)


def test_scores_of_compiled_models_are_added():
    rng = np.random.default_rng(0)
    X = [sp.csr_array(rng.random((4, 3000)) * (rng.random((4, 3000)) < 0.01)) for _ in range(60)]
    y = [rng.integers(3, size=4) for _ in X]
    params = {"C": 1.0, "scale": None, "random_state": 0, "tol": 1e-3}
    plain = ChainSVM(**params).fit(X, y)
    drawn = ChainSVM(**params, prior_weights=np.zeros(len(plain.coef_))).fit(X, y)
    assert drawn.certified_
    assert drawn.objective_ == pytest.approx(plain.objective_, rel=2e-3)
    # One by one and together the planes are those of the sum.
    problem, v = plain.model_.bind(X, y), plain.coef_ / 2
    shifted = AffineProblem(problem, v, np.ones(len(v)))
    for i in range(5):
        indices, values, loss = problem.oracle(i, 2 * v)
        same, again, less = shifted.oracle(i, v)
        assert np.array_equal(same, indices)
        np.testing.assert_allclose(again, values)
        assert less == pytest.approx(loss - values @ v[indices])
    assert shifted.mean_hinge(v) == pytest.approx(problem.mean_hinge(2 * v))


def test_a_prior_from_much_data_helps_with_little():
    prior = ChainSVM(random_state=0).fit(*words(1, n=100)).coef_
    X, y = words(2, n=3)
    test = words(3, n=50)
    params = {"C": 0.01, "scale": None, "random_state": 0}
    drawn = ChainSVM(**params, prior_weights=prior).fit(X, y).score(*test)
    assert drawn > ChainSVM(**params).fit(X, y).score(*test) + 0.05


class Elsewhere(Serial):
    """An engine that asks a pickled copy, as processes do."""

    n_workers = 1

    def planes(self, problem, examples, w, out):
        copy = pickle.loads(pickle.dumps(problem))
        problem.unpack(examples, copy.pack("planes", examples, w), out, 0)


def test_another_process_answers_the_same():
    inner = PythonClasses().bind(POINTS, LABELS)
    problem = AffineProblem(inner, PRIOR, np.isnan(FIXED))
    problem.set_sample_weight(np.arange(1.0, N + 1))
    v, here, there = RNG.normal(size=D), np.empty(N), np.empty(N)
    problem.mean_hinge(v, here)
    problem.mean_hinge(v, there, Elsewhere())
    assert np.array_equal(here, there)
    inner.mean_hinge(problem.whole(v), there)
    np.testing.assert_allclose(here, there, atol=1e-12)


def test_paths_checkpoints_files_and_held_out_examples_know_of_both(tmp_path):
    params = {"prior_weights": PRIOR, "fixed_weights": FIXED, "scale": None, "random_state": 0}
    model = PythonClasses()
    svm = StructSVM(model, C=C, **params, solver="n_slack", tol=1e-5).fit(POINTS, LABELS)
    path = fit_path(clone(svm), POINTS, LABELS, [C / 10, C])
    assert path[1].objective_ == pytest.approx(svm.objective_, rel=2e-5)
    assert (
        pytest.approx(StructSVM(model, scale=None, random_state=0).fit(POINTS, LABELS).C_)
        == clone(svm).set_params(C="scale").fit(POINTS, LABELS).C_
    )
    # The weights that callbacks and held-out examples see are the model's.
    seen = []
    held_out = clone(svm).set_params(callbacks=[lambda p: seen.append(p.weights[[0, 3, 7]])])
    held_out.fit(POINTS[:20], LABELS[:20], X_val=POINTS[20:], y_val=LABELS[20:])
    assert np.array_equal(seen[-1], [-0.5, 0.2, 0.0])
    score = held_out.score(POINTS[20:], LABELS[20:])
    assert held_out.validation_score_ == score
    file = tmp_path / "fit.ckpt"
    chain = ChainSVM(C=0.1, prior_weights=np.ones(16), tol=1e-4, random_state=0)
    X, y = words(0)
    whole = clone(chain).fit(X, y)
    stopped = clone(chain).set_params(callbacks=[Checkpoint(file, every=1), stop_after(2)])
    assert stopped.fit(X, y).n_iter_ < whole.n_iter_
    assert np.array_equal(clone(chain).fit(X, y, resume_from=file).coef_, whole.coef_)
    other = clone(chain).set_params(prior_weights=np.zeros(16))
    with pytest.raises(ModelFileError, match="of a fit to other data"):
        other.fit(X, y, resume_from=file)
    fixed = np.append(np.full(15, np.nan), 1.0)
    chain.set_params(fixed_weights=fixed).fit(X, y).save(tmp_path / "chain.npz")
    loaded = structsvm.load(tmp_path / "chain.npz")
    assert np.array_equal(loaded.coef_, chain.coef_)
    assert np.array_equal(loaded.fit(X, y).coef_, chain.coef_)


def test_batches_of_a_stream_start_at_the_prior():
    params = {"prior_weights": PRIOR, "fixed_weights": FIXED, "scale": None}
    for solver in ("perceptron", "passive_aggressive", Subgradient(n_examples=N)):
        svm = StructSVM(PythonClasses(), C=1.0, solver=solver, **params)
        pieces = clone(svm)
        for k in range(0, N, 10):
            pieces.partial_fit(POINTS[k : k + 10], LABELS[k : k + 10])
        assert np.array_equal(pieces.coef_[[0, 3, 7]], [-0.5, 0.2, 0.0])
        assert np.array_equal(svm.partial_fit(POINTS, LABELS).coef_, pieces.coef_)
        for other in ({"prior_weights": 2 * PRIOR}, {"fixed_weights": None}):
            with pytest.raises(ValueError, match="others than those that training began with"):
                copy.deepcopy(svm).set_params(**other).partial_fit(POINTS, LABELS)
    # With nothing to learn, online learners stay there.
    still = StructSVM(PythonClasses(), C=1.0, solver="perceptron", prior_weights=PRIOR, scale=None)
    predicted = still.fit(POINTS, LABELS).model_.batch_inference(POINTS, PRIOR)
    assert np.array_equal(clone(still).fit(POINTS, predicted).coef_, PRIOR)
    once = clone(still).set_params(max_iter=1, solver=Perceptron(averaging=False))
    once.fit(POINTS[:1], [(predicted[0] + 1) % 3])
    scores = PRIOR.reshape(3, 4) @ POINTS[0]
    ahead = scores[predicted[0]] - scores[(predicted[0] + 1) % 3]
    assert once.history_["mean_hinge"][0] == pytest.approx(ahead)


def test_warm_starts_and_rescaled_slacks(words):
    X, y = words
    params = {"C": 0.1, "scale": None, "random_state": 0, "tol": 1e-4, "rescaling": "slack"}
    svm = ChainSVM(**params, warm_start=True).fit(X, y)
    assert svm.set_params(prior_weights=svm.coef_ / 2).fit(X, y).certified_
    svm.set_params(warm_start=False)
    one = clone(svm).fit(X, y)
    other = clone(svm).set_params(solver="cutting_plane").fit(X, y)
    assert one.objective_ == pytest.approx(other.objective_, rel=3e-4)
    calls = clone(svm).set_params(warm_start=True).fit(X, y)
    assert calls.fit(X, y).n_oracle_calls_ < one.n_oracle_calls_


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"prior_weights": np.zeros(3)}, r"prior_weights has shape \(3,\), expected \(12,\)"),
        ({"fixed_weights": np.full((12, 1), np.nan)}, r"fixed_weights has shape \(12, 1\)"),
        ({"prior_weights": np.full(12, np.nan)}, r"prior_weights\[0\] is nan"),
        ({"fixed_weights": [np.nan, np.inf]}, r"fixed_weights\[1\] is inf"),
        ({"fixed_weights": np.zeros(12)}, "fixes all weights: nothing is left to learn"),
        ({"prior_weights": "no"}, "prior_weights has dtype"),
        (
            {"prior_weights": -np.ones(12)},
            r"prior_weights\[2\] is -1, but Signed needs this weight >= 0",
        ),
        (
            {"prior_weights": np.ones(12), "fixed_weights": [np.nan] * 5 + [-2.0] + [np.nan] * 6},
            r"fixed_weights\[5\] is -2, but Signed needs this weight >= 0",
        ),
    ],
)
def test_bad_weights_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        StructSVM(Signed(), C=1.0, scale=None, **params).fit(POINTS, LABELS)


def test_exact_block_updates_take_neither():
    svm = StructSVM(MulticlassModel(), solver="block_dual", prior_weights=np.zeros(15))
    with pytest.raises(ValueError, match="'block_dual' takes no prior, fixed or tied weights"):
        svm.fit(POINTS, LABELS)
    assert MulticlassSVM().fit(np.array(POINTS), LABELS).prior_weights is None


# ---- named estimators


def test_every_structural_estimator_takes_them():
    named = [getattr(structsvm, name) for name in structsvm.__all__]
    estimators = [one for one in named if isinstance(one, type) and issubclass(one, StructSVM)]
    assert len(estimators) > 8
    for estimator in estimators:
        assert {"prior_weights", "fixed_weights"} <= set(estimator._get_param_names()), estimator


@pytest.mark.parametrize("n_classes", [2, 3])
def test_rows_keep_to_them(n_classes):
    y = np.minimum(LABELS, n_classes - 1)
    n_columns = 1 if n_classes == 2 else 3
    prior, fixed = np.linspace(-1, 1, 5 * n_columns), np.full(5 * n_columns, np.nan)
    fixed[[0, 3, -1]] = [0.3, -0.2, 0.5]
    options = {"C": 0.5, "scale": None, "tol": 1e-6, "random_state": 0, "solver": "bcfw"}
    options |= {"prior_weights": prior, "fixed_weights": fixed}
    svm = MulticlassSVM(intercept_scaling=2.0, **options).fit(np.array(POINTS), y)
    model = MulticlassModel(intercept_scaling=2.0)
    plain = StructSVM(model, **options).fit(np.array(POINTS), y)
    assert svm.certified_
    assert svm.objective_ == pytest.approx(plain.objective_, rel=1e-9)
    flat = np.concatenate([svm.coef_.T, svm.intercept_[None] / 2.0]).ravel()
    assert np.array_equal(flat[[0, 3, -1]], [0.3, -0.2, 0.5])
    np.testing.assert_allclose(flat, plain.coef_)
    far = clone(svm).set_params(C=1e-9).fit(np.array(POINTS), y)
    flat = np.concatenate([far.coef_.T, far.intercept_[None] / 2.0]).ravel()
    np.testing.assert_allclose(flat, np.where(np.isnan(fixed), prior, fixed), atol=1e-6)
    with pytest.raises(ValueError, match="'block_dual' takes no prior"):
        clone(svm).set_params(solver="block_dual").fit(np.array(POINTS), y)
    with pytest.raises(ValueError, match="with kernel='linear' alone, but kernel='rbf'"):
        clone(svm).set_params(kernel="rbf").fit(np.array(POINTS), y)


def test_taggers_and_parsers_keep_to_them():
    X = [["the", "cat", "sleeps"], ["a", "dog", "barks"]] * 3
    tagger = SequenceTagger(C=1.0, random_state=0).fit(X, [["D", "N", "V"]] * 6)
    prior = np.random.default_rng(0).normal(size=len(tagger.coef_))
    drawn = clone(tagger).set_params(C=1e-9, prior_weights=prior).fit(X, [["D", "N", "V"]] * 6)
    np.testing.assert_allclose(drawn.coef_, prior, atol=1e-6)
    fixed = np.where(np.arange(len(prior)) % 3 == 0, prior, np.nan)
    drawn = clone(tagger).set_params(C=1.0, fixed_weights=fixed).fit(X, [["D", "N", "V"]] * 6)
    assert np.array_equal(drawn.coef_[::3], prior[::3])
    X = [[("the", "D"), ("cat", "N"), ("sleeps", "V")], [("she", "P"), ("saw", "V")]]
    heads = [[2, 3, 0], [2, 0]]
    parser = DependencyParser(solver="bcfw", C=0.1, tol=1e-4, random_state=0)
    first = clone(parser).fit(X, heads)
    again = clone(parser).set_params(prior_weights=first.coef_).fit(X, heads)
    plain = StructSVM(
        DependencyModel(), C=0.1, tol=1e-4, scale=None, random_state=0, prior_weights=first.coef_
    ).fit(X, heads)
    assert again.objective_ == pytest.approx(plain.objective_, rel=1e-9)
    assert again.objective_ < first.objective_


@pytest.mark.parametrize("scale", [None, "auto"])
@pytest.mark.parametrize("solver", ["bcfw", "n_slack", "cutting_plane"])
def test_rounds_of_completions_keep_to_them(scale, solver):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(6, 3)) + 2 for _ in range(15)]
    y = [np.argmax(x, 1) for x in X]
    partial = [[None if rng.random() < 0.4 else int(k) for k in row] for row in y]
    n = 3 * 3 + 3 + 9 + 6
    prior, fixed = rng.normal(size=n), np.full(n, np.nan)
    fixed[[0, 3, 9]] = [0.5, -0.2, 0.1]  # the last one an intercept
    for given in ({"prior_weights": prior}, {"prior_weights": prior, "fixed_weights": fixed}):
        options = {"scale": scale, "C": 0.1, "tol": 1e-4, "random_state": 0, "solver": solver}
        options |= given
        plain = StructSVM(ChainModel(), **options).fit(X, y)
        latent = LatentSVM(ChainModel(), **options).fit(X, y)
        assert latent.objective_ == pytest.approx(plain.objective_, rel=1e-3)
        svm = LatentSVM(ChainModel(), **options).fit(X, partial)
        assert (np.diff(svm.history_["objective"]) <= 0).all()
        states = LatentSVM(HiddenStates(ChainModel()), **{**options, **dict.fromkeys(given)})
        assert (np.diff(states.fit(X, y).history_["objective"]) <= 0).all()
        # The last round is the problem of its completions.
        model, w = svm.model_, svm.coef_
        free = np.ones(n, dtype=bool)
        if "fixed_weights" in given:
            assert np.array_equal(w[[0, 3, 9]], fixed[[0, 3, 9]])
            free = np.isnan(fixed)
        if scale is None:
            inputs, read = model.prepare_examples(X, partial)
            problem = model.bind(inputs, model.completed(inputs, read, w))
            hinges = 0.0
            for i in range(len(X)):
                indices, values, loss = problem.oracle(i, w)
                hinges += loss - values @ w[indices]
            objective = ((w - prior)[free] ** 2).sum() / 2 + 0.1 * hinges
            assert objective <= svm.objective_ * (1 + 1e-6)
            assert objective >= svm.objective_ * (1 - 2e-2)
