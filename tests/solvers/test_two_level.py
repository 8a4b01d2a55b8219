"""Blocks and cuts in turn: fits that used to stall, and what passes between the two levels."""

import numpy as np
import pytest
from sklearn import datasets
from sklearn.base import clone

from structsvm import GridSVM, MulticlassModel, MulticlassSVM, StructSVM, StructuredModel
from structsvm.callbacks import Checkpoint
from structsvm.datasets import make_segmentation
from structsvm.exceptions import ModelFileError
from structsvm.solvers import BCFW, BlockDual, CuttingPlane, two_level
from structsvm.solvers._evaluator import Evaluator
from structsvm.solvers._sparse_planes import SparsePlanes
from structsvm.solvers.two_level import Atom, merged, mixture


def table(name):
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def objective(svm, X, y):
    """In numpy: 1/2 |w|^2 + C sum of hinges."""
    scores, classes = X @ svm.coef_.T, np.searchsorted(svm.classes_, y)
    if scores.shape[1] == 1:
        hinges = 1 - np.where(classes == 1, 1, -1) * scores[:, 0]
    else:
        rows = np.arange(len(y))
        violations = 1 + scores - scores[rows, classes][:, None]
        violations[rows, classes] = 0
        hinges = violations.max(axis=1)
    return (svm.coef_**2).sum() / 2 + svm.C * np.maximum(hinges, 0).sum()


# Raw features. Without cuts none of these is within reach of 1,000 rounds, but iris by blocks.
STALLED = [("iris", 100), ("wine", 1), ("wine", 100), ("breast_cancer", 1), ("breast_cancer", 100)]


@pytest.mark.parametrize("solver", ["block_dual", "bcfw"])
@pytest.mark.parametrize(("name", "C"), STALLED)
def test_badly_scaled_features_do_not_stall(name, C, solver):
    X, y = table(name)
    svm = MulticlassSVM(
        scale=None, C=C, solver=solver, fit_intercept=False, random_state=0, max_iter=100
    )
    svm.fit(X, y)
    assert svm.status_ == "converged"
    assert svm.dual_gap_ <= 1e-3
    assert svm.objective_ == pytest.approx(objective(svm, X, y), rel=1e-9)
    assert svm.dual_objective_ <= svm.objective_


def test_without_cuts_they_do():
    X, y = table("wine")
    for solver in (BlockDual(coarse=False), BCFW(coarse=False)):
        svm = MulticlassSVM(
            scale=None, C=1.0, solver=solver, fit_intercept=False, random_state=0, max_iter=200
        )
        with pytest.warns(UserWarning, match="raise max_iter"):
            svm.fit(X, y)
        assert svm.dual_gap_ > 0.1


@pytest.mark.parametrize("loss", ["weston_watkins", "lee_lin_wahba"])
def test_hinges_of_several_classes_do_not_stall(loss):
    X, y = table("wine")
    fits = [
        MulticlassSVM(
            scale=None, C=1.0, loss=loss, solver=solver, random_state=0, max_iter=150
        ).fit(X, y)
        for solver in ("block_dual", "bcfw", "cutting_plane")
    ]
    assert all(svm.dual_gap_ <= 1e-3 for svm in fits)
    assert max(s.dual_objective_ for s in fits) <= min(s.objective_ for s in fits)


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
@pytest.mark.parametrize("loss", ["crammer_singer", "weston_watkins", "lee_lin_wahba"])
def test_squared_hinges_do_not_stall(tmp_path, name, loss):
    X, y = table(name)
    svm = MulticlassSVM(scale=None, C=1.0, loss=loss, slack="squared", random_state=0, max_iter=300)
    fits = [clone(svm).set_params(solver=solver).fit(X, y) for solver in ("block_dual", "bcfw")]
    assert all(fit.dual_gap_ <= 1e-3 for fit in fits)
    assert max(s.dual_objective_ for s in fits) <= min(s.objective_ for s in fits)
    stop = [Checkpoint(tmp_path / "fit", every=1), lambda progress: progress.n_iter >= 20]
    assert clone(svm).set_params(callbacks=stop).fit(X, y).status_ == "stopped"
    resumed = clone(svm).fit(X, y, resume_from=tmp_path / "fit")
    np.testing.assert_array_equal(resumed.coef_, fits[0].coef_)


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_images_with_a_large_cost_do_not_stall(seed):
    bunch = make_segmentation(20, 1, n_labels=3, size=(10, 14), random_state=seed)
    svm = GridSVM(scale=None, C=1e6, random_state=0, max_iter=60).fit(bunch.X_train, bunch.y_train)
    assert svm.status_ == "converged"


@pytest.mark.parametrize("solver", ["block_dual", "bcfw"])
@pytest.mark.parametrize("C", [1, 100, 1e4])
def test_columns_of_any_scale_do_not_stall(C, solver):
    """Trials of cuts last until there are as many as weights: before, most of these stalled."""
    rng = np.random.default_rng(0)
    W, Z = rng.normal(size=(4, 15)), rng.normal(size=(300, 15))
    y = (Z @ W.T + rng.normal(scale=0.5, size=(300, 4))).argmax(axis=1)
    X = Z * np.exp(rng.normal(scale=2.5, size=15))
    svm = MulticlassSVM(scale=None, C=C, solver=solver, random_state=0, max_iter=300).fit(X, y)
    assert svm.status_ == "converged"


@pytest.mark.parametrize("solver", [BCFW(), BlockDual()])
def test_the_same_bits_whatever_the_threads(solver):
    X, y = table("wine")
    fits = [
        MulticlassSVM(scale=None, C=1.0, solver=solver, random_state=0, n_jobs=n_jobs).fit(X, y)
        for n_jobs in (1, 2, 3)
    ]
    for svm in fits[1:]:
        assert np.array_equal(svm.coef_, fits[0].coef_)
        assert svm.dual_objective_ == fits[0].dual_objective_
        assert svm.n_oracle_calls_ == fits[0].n_oracle_calls_


@pytest.mark.parametrize("solver", [BCFW(), BlockDual()])
def test_resumed_in_between_cuts_a_fit_ends_in_the_same_bits(solver):
    X, y = table("wine")
    model = MulticlassModel()
    model.initialize(X, y)
    problem, snapshots = model.bind(X, y), []

    def solve(snapshot=None, callback=None):
        return solver.solve(
            problem, 1.0, tol=1e-6, max_iter=100, random_state=np.random.RandomState(0),
            callback=callback, snapshot=snapshot,
        )  # fmt: skip

    whole = solve(callback=lambda progress: snapshots.append(progress.snapshot()))
    cutting = [s["coarse/cutting"].item() for s in snapshots]
    assert 3 <= sum(cutting) < len(cutting)
    for snapshot in snapshots[::3] + [
        s for s, cuts in zip(snapshots, cutting, strict=True) if cuts
    ]:
        resumed = solve(snapshot)
        assert np.array_equal(resumed.weights, whole.weights)
        for name, column in whole.history.items():
            if name != "seconds":
                assert np.array_equal(resumed.history[name], column, equal_nan=True)
    crossed = snapshots[cutting.index(1)]
    for name, value in (
        ("coarse/sizes", crossed["coarse/sizes"][:-1]),
        ("coarse/sizes", crossed["coarse/sizes"] + 1),
        ("coarse/weights", crossed["coarse/weights"][:-1]),
        ("coarse/examples", crossed["coarse/examples"] + len(X)),
        ("coarse/planes", crossed["coarse/planes"] - 2**20),
    ):
        with pytest.raises(ModelFileError, match="does not fit this problem"):
            solve(crossed | {name: value})


class Signed(StructuredModel):
    """Three classes; some weights must be >= 0."""

    non_negative = slice(5, 30)

    def joint_feature(self, x, y):
        psi = np.zeros((3, len(x)))
        psi[y] = x
        return psi.ravel()

    def loss(self, y, y_hat):
        return float(y != y_hat)

    def inference(self, x, w):
        return int(np.argmax((w.reshape(3, -1) * x).sum(axis=1)))

    def loss_augmented_inference(self, x, y, w):
        return int(np.argmax((w.reshape(3, -1) * x).sum(axis=1) + (np.arange(3) != y)))


def test_weights_kept_non_negative_do_not_stall_either():
    X, y = table("wine")
    fits = [
        StructSVM(Signed(), solver=solver, C=1.0, random_state=0, max_iter=100).fit(
            list(X[::2]), y[::2].tolist()
        )
        for solver in (BCFW(), CuttingPlane())
    ]
    for svm in fits:
        assert svm.dual_gap_ <= 1e-3
        assert (svm.coef_[Signed.non_negative] >= 0).all()
        assert (svm.coef_[Signed.non_negative] == 0).any()
    assert max(s.dual_objective_ for s in fits) <= min(s.objective_ for s in fits)


@pytest.mark.parametrize("solver", ["block_dual", "bcfw"])
def test_few_atoms_are_enough(solver, monkeypatch):
    monkeypatch.setattr(two_level, "_MOST_ATOMS", 8)
    held = []
    add = two_level.CoarseLevel.add

    def watched(self, g, loss, atom):
        excess = add(self, g, loss, atom)
        held.append(len(self.atoms))
        z = self.cuts.combination()
        assert len(self.atoms) == len(self.cuts)
        assert self.cuts.dual_value() >= -1e-12
        assert np.isfinite(z).all()
        return excess

    monkeypatch.setattr(two_level.CoarseLevel, "add", watched)
    X, y = table("iris")
    svm = MulticlassSVM(
        scale=None, C=100, solver=solver, fit_intercept=False, random_state=0, max_iter=300
    )
    svm.fit(X, y)
    assert svm.dual_gap_ <= 1e-3
    assert max(held) == 8


def test_problems_too_large_for_atoms_have_none():
    class Large:
        n_weights, n_examples = 3_000_000, 10

    assert two_level.most_atoms(Large()) == 0
    Large.n_weights = 1_000_000
    assert two_level.most_atoms(Large()) == 19
    Large.n_weights = 10
    assert two_level.most_atoms(Large()) == 100


def test_mixtures_add_up():
    atoms = [
        Atom(np.int32([0, 1]), np.int32([3, 4]), np.array([1.0, 1.0])),
        Atom(np.int32([7]), np.int32([0]), np.array([1.0])),
        Atom(np.int32([1, 2]), np.int32([4, 0]), np.array([0.5, 0.5])),
    ]
    whole = mixture(np.array([0.5, 0.0, 0.25]), atoms)
    assert whole.weights.tolist() == [0.5, 0.5, 0.125, 0.125]
    once = merged(whole)
    assert once.examples.tolist() == [0, 1, 2]
    assert once.planes.tolist() == [3, 4, 0]
    assert once.weights.tolist() == [0.5, 0.625, 0.125]
    assert len(mixture(np.zeros(3), atoms).weights) == 0


def test_a_store_goes_to_a_dual_point():
    X, y = table("iris")
    model = MulticlassModel()
    model.initialize(X, y)
    problem = model.bind(X, y)
    store = SparsePlanes(problem.n_examples, problem.n_weights)
    evaluator, rng = Evaluator(problem, store), np.random.default_rng(0)
    parts, atoms = [], []
    for share in (0.5, 0.3):
        w = rng.normal(size=problem.n_weights)
        evaluator.evaluate(w)
        serials = np.empty(problem.n_examples, dtype=np.int32)
        g, loss = store.aggregate(w, serials)
        examples = np.flatnonzero(serials >= 0).astype(np.int32)
        atoms.append(Atom(examples, serials[examples], np.ones(len(examples))))
        parts.append((share * g, share * loss))
    whole = mixture(np.array([0.5, 0.3]), atoms)
    store.go_to(*whole)
    z, loss = store.combination()
    np.testing.assert_allclose(z, sum(g for g, _ in parts), rtol=1e-12, atol=1e-15)
    assert loss == pytest.approx(sum(part for _, part in parts), rel=1e-12)
    once = Atom(*store.dual_point())
    store.go_to(*once)
    assert np.array_equal(store.combination()[0], z)
    assert store.holds(once.examples, once.planes)
    gone = once.planes + np.int32(100)
    assert not store.holds(once.examples, gone)
    store.go_to(once.examples, gone, once.weights)  # then all weight is on the truth
    assert not store.combination()[0].any()
    # Spared planes outlive others that are without weight as well.
    store.spare(once.examples, once.planes, 3)
    for visit in range(5):
        store.forget_idle()
        assert store.holds(once.examples, once.planes) == (visit < 4)
    mixed = SparsePlanes(problem.n_examples, problem.n_weights, mixed=True)
    with pytest.raises(ValueError, match="mixture"):
        mixed.go_to(*whole)
