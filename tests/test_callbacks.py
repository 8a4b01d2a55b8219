"""Progress, validation, checkpoints, and fits that are stopped, interrupted or broken off."""

import io
import re
import signal
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from structsvm import (
    ChainModel,
    ChainSVM,
    MulticlassModel,
    StructSVM,
    StructuredModel,
    fit_path,
)
from structsvm.callbacks import Checkpoint, EarlyStopping, ProgressBar
from structsvm.exceptions import ModelFileError
from structsvm.persistence import model_files
from structsvm.solvers import (
    BCFW,
    BlockDual,
    CuttingPlane,
    NSlack,
    PassiveAggressive,
    Perceptron,
    Subgradient,
)

SOLVERS = {
    "bcfw": BCFW(),
    "bcfw, averaged, gap sampling": BCFW(averaging=True, sampling="gap"),
    "bcfw, Frank-Wolfe": BCFW(step="frank_wolfe", acceleration=0),
    "cutting_plane": CuttingPlane(),
    "n_slack": NSlack(drop_after=2),
    "subgradient": Subgradient(batch_size=4, project=True),
    "perceptron": Perceptron(),
    "passive_aggressive": PassiveAggressive(),
}


ONLINE = ("perceptron", "passive_aggressive")


class Python(ChainModel):
    """A chain by the Python methods alone."""

    prepare = StructuredModel.prepare
    bind = StructuredModel.bind
    batch_inference = StructuredModel.batch_inference
    batch_loss_augmented_inference = StructuredModel.batch_loss_augmented_inference


def stop_after(n):
    return lambda progress: progress.n_iter == n


# ---- checkpoints


@pytest.mark.parametrize("rescaling", ["margin", "slack"])
@pytest.mark.parametrize("name", SOLVERS)
def test_resume_equals_uninterrupted(words, tmp_path, name, rescaling):
    if name == "perceptron" and rescaling == "slack":
        rescaling = "margin"
    X, y = words
    held_out = {"X_val": X[:6], "y_val": y[:6]}
    svm = ChainSVM(solver=SOLVERS[name], rescaling=rescaling, random_state=3)
    if name not in ONLINE:
        slow = name in ("subgradient", "bcfw, Frank-Wolfe")
        svm.set_params(C=0.2 if slow else 2.0, tol=0.1 if slow else 1e-3)
    whole = clone(svm).fit(X, y, **held_out)
    path = tmp_path / "fit.ckpt"
    part = clone(svm).set_params(callbacks=[Checkpoint(path, every=2), stop_after(5)])
    assert part.fit(X, y, **held_out).n_iter_ == 5
    # Four iterations are in the file; a generator in another state must not matter.
    resumed = clone(svm).set_params(random_state=np.random.RandomState(99))
    resumed.fit(X, y, **held_out, resume_from=path)
    assert resumed.n_iter_ == whole.n_iter_ > 5
    assert np.array_equal(resumed.coef_, whole.coef_)
    assert resumed.n_oracle_calls_ == whole.n_oracle_calls_
    for column, values in whole.history_.items():
        if column != "seconds":
            assert np.array_equal(resumed.history_[column], values, equal_nan=True), column
    assert (np.diff(resumed.history_["seconds"]) >= 0).all()


@pytest.mark.parametrize("name", SOLVERS)
def test_resume_at_the_very_end_equals_the_end(words, tmp_path, name):
    X, y = words
    path = tmp_path / "fit.ckpt"
    svm = ChainSVM(solver=SOLVERS[name], max_iter=5, callbacks=[Checkpoint(path, every=5)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = clone(svm).set_params(random_state=0).fit(X, y)
        resumed = clone(svm).set_params(random_state=1).fit(X, y, resume_from=path)
    assert np.array_equal(resumed.coef_, whole.coef_)
    assert (resumed.n_iter_, resumed.status_) == (whole.n_iter_, whole.status_)
    assert np.array_equal([resumed.objective_], [whole.objective_], equal_nan=True)
    assert resumed.n_oracle_calls_ == whole.n_oracle_calls_


class Inexact(Python):
    exact = False


@pytest.mark.parametrize("model", [Python(), Inexact()], ids=["exact", "inexact"])
def test_only_values_of_an_exact_oracle_must_be_bounds(words, tmp_path, model):
    path = tmp_path / "fit.ckpt"
    svm = StructSVM(model, max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clone(svm).set_params(callbacks=[Checkpoint(path, every=1), stop_after(2)]).fit(*words)
        snapshot = model_files.read_checkpoint(path, identity=None)
        crossed = snapshot | {"best_dual": np.array(2.0), "best_primal": np.array(1.0)}
        model_files.write_checkpoint(crossed, path)
        if model.exact:
            with pytest.raises(ModelFileError, match="its numbers are not those of 2 iterations"):
                svm.fit(*words, resume_from=path)
        else:
            assert not svm.fit(*words, resume_from=path).certified_


@pytest.mark.parametrize("name", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
def test_a_fit_without_planes_resumes(words, tmp_path, name):
    X, y = words[0], [np.zeros(len(labels), int) for labels in words[1]]
    path = tmp_path / "fit.ckpt"
    svm = ChainSVM(solver=SOLVERS[name], callbacks=[Checkpoint(path, every=1)]).fit(X, y)
    assert svm.fit(X, y, resume_from=path).status_ == "converged"


def test_a_fit_that_was_stopped_early_stays_stopped(words, tmp_path):
    X, y = words
    path = tmp_path / "fit.ckpt"
    svm = ChainSVM(solver="perceptron", max_iter=100, random_state=1)
    svm.set_params(callbacks=[Checkpoint(path, every=1), EarlyStopping(patience=3)])
    whole = clone(svm).fit(X, y, X_val=X[:5], y_val=y[:5])
    resumed = clone(svm).fit(X, y, X_val=X[:5], y_val=y[:5], resume_from=path)
    assert resumed.n_iter_ == whole.n_iter_ < 100
    assert (resumed.status_, whole.status_) == ("stopped", "stopped")
    assert np.array_equal(resumed.coef_, whole.coef_)


def test_a_forged_generator_is_refused(words, checkpoint):
    snapshot = model_files.read_checkpoint(checkpoint, identity=None)
    for name, value in (("random/pos", np.array(10**6)), ("random/key", np.zeros(3, np.uint32))):
        model_files.write_checkpoint(snapshot | {name: value}, checkpoint)
        with pytest.raises(ValueError, match="the snapshot holds no state of a random generator"):
            ChainSVM().fit(*words, resume_from=checkpoint)


def test_resume_leaves_other_generators_alone_and_refuses_those_it_cannot_hold(words, tmp_path):
    X, y = words
    path = tmp_path / "fit.ckpt"
    ChainSVM(callbacks=[Checkpoint(path, every=1), stop_after(2)]).fit(X, y)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    ChainSVM(max_iter=500).fit(X, y, resume_from=path)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    strange = np.random.RandomState(np.random.PCG64(0))
    with pytest.raises(ValueError, match="a checkpoint cannot hold a PCG64: give random_state as"):
        ChainSVM(random_state=strange, callbacks=[Checkpoint(path, every=1)]).fit(X, y)


def test_a_python_model_resumes(words, tmp_path):
    X, y = words
    svm = StructSVM(Python(), random_state=0, tol=1e-2)
    whole = clone(svm).fit(X, y)
    path = tmp_path / "fit.ckpt"
    clone(svm).set_params(callbacks=[Checkpoint(path, every=1), stop_after(3)]).fit(X, y)
    assert np.array_equal(svm.fit(X, y, resume_from=path).coef_, whole.coef_)


@pytest.fixture
def checkpoint(words, tmp_path):
    path = tmp_path / "fit.ckpt"
    ChainSVM(callbacks=[Checkpoint(path, every=2), stop_after(2)], random_state=0).fit(*words)
    return path


def test_a_checkpoint_of_another_fit_is_refused(words, checkpoint):
    X, y = words
    message = "fit.ckpt: the checkpoint is of a fit to other data, or with other parameters"
    for svm, data in (
        (ChainSVM(), (X[1:], y[1:])),
        (ChainSVM(C=2.0), words),
        (ChainSVM(boundary=False), words),
        (ChainSVM(loss="normalized_hamming"), words),
        (ChainSVM(rescaling="slack"), words),
        (ChainSVM(solver=BCFW(averaging=True)), words),
        (ChainSVM(solver="n_slack"), words),
    ):
        with pytest.raises(ModelFileError, match=message):
            svm.fit(*data, resume_from=checkpoint)
    with pytest.raises(ModelFileError, match="other data"):
        ChainSVM().fit(X, y, sample_weight=np.ones(len(X)), resume_from=checkpoint)
    with pytest.raises(ModelFileError, match="other data"):
        ChainSVM().fit(X, y, X_val=X, y_val=y, resume_from=checkpoint)
    with pytest.raises(FileNotFoundError):
        ChainSVM().fit(X, y, resume_from=checkpoint.with_name("none"))
    ChainSVM(tol=1e-2, max_iter=500, n_jobs=2).fit(X, y, resume_from=checkpoint)


def test_damaged_and_forged_checkpoints_are_refused(words, checkpoint):
    import json
    import zlib

    data = checkpoint.read_bytes()
    for wrong in (
        b"",
        b"not a file",
        data[: len(data) // 2],
        data.replace(b"\x00\x00", b"\x01\x00"),
    ):
        checkpoint.write_bytes(wrong)
        with pytest.raises(ModelFileError):
            ChainSVM().fit(*words, resume_from=checkpoint)
    # Well-formed arrays that would lead the compiled code out of bounds.
    for name, change in (
        ("blocks/indices", lambda a: a + 10**6),
        ("blocks/indices", lambda a: a - 1000),
        ("blocks/sizes", lambda a: a + 1),
        ("blocks/sizes", lambda a: -a),
        ("blocks/counts", lambda a: a * 2),
        ("blocks/gram", lambda a: a[1:]),
        ("blocks/planes", lambda a: a[:, :2].copy()),
        ("blocks/weights", lambda a: a[1:]),
        ("blocks/hinges", lambda a: a[1:]),
        ("blocks/values", lambda a: a[:-1]),
        ("blocks/counts", lambda a: np.where([[False, True]], 2**62, a)),
    ):
        checkpoint.write_bytes(data)
        with zipfile.ZipFile(checkpoint) as archive:
            members = {entry: archive.read(entry) for entry in archive.namelist()}
        array = np.load(io.BytesIO(members[f"{name}.npy"]))
        buffer = io.BytesIO()
        np.save(buffer, change(array))
        members[f"{name}.npy"] = buffer.getvalue()
        header = json.loads(members["header.json"])
        header["crc32"][f"{name}.npy"] = zlib.crc32(buffer.getvalue())
        members["header.json"] = json.dumps(header).encode()
        with zipfile.ZipFile(checkpoint, "w") as archive:
            for entry, content in members.items():
                archive.writestr(entry, content)
        with pytest.raises((ValueError, IndexError), match="does not fit this problem"):
            ChainSVM().fit(*words, resume_from=checkpoint)


def forged(array):
    """This array changed in every way that a file may have it, with what was done."""
    integer = array.dtype.kind in "iu"
    yield "another type", np.ones(array.shape, np.float32 if integer else np.int32)
    yield "another byte order", array.astype(array.dtype.newbyteorder())
    yield "text", array.astype(str)
    yield "more dimensions", array[None]
    yield "fewer elements", array[:-1] if array.ndim else np.zeros(0, array.dtype)
    if not integer:
        yield "nan", np.full_like(array, np.nan)
        yield "inf", np.full_like(array, np.inf)
        yield "-inf", np.full_like(array, -np.inf)
    elif array.dtype != np.uint32:
        yield "most", np.full_like(array, np.iinfo(array.dtype).max)
        yield "least", np.full_like(array, np.iinfo(array.dtype).min)


#: What entries may be after all: reported numbers, and infinite bounds. Without a dual there are
#: no values of one.
MAY_BE = {
    "met_hinge": {"nan", "inf"}, "history": {"nan", "inf", "-inf"}, "best_primal": {"inf"},
    "best_dual": {"-inf"}, "kappa_scale_limit": {"inf"}, "online/hinge": {"nan", "inf"},
}  # fmt: skip
NO_DUAL = {name: {"nan", "inf", "-inf"} for name in ("best_primal", "best_dual", "estimate")}
MAY_LACK = {"best_weights", "previous", "exact", "_n_checked"}  # not in version 0.1


@pytest.mark.parametrize("name", [*SOLVERS, "block_dual"])
def test_every_entry_of_a_snapshot_is_checked_before_its_use(words, name):
    X, y = words
    model = ChainModel()
    if name == "block_dual":
        model, X, y = MulticlassModel(), np.concatenate(X), np.concatenate(y)
    model.initialize(X, y)
    problem, solver = model.bind(X, y), (SOLVERS | {"block_dual": BlockDual()})[name]
    C = 1.0 if name == "perceptron" else 2.0
    snapshots = []

    def solve(snapshot=None, callback=None):
        return solver.solve(
            problem, C, tol=None, max_iter=6, random_state=np.random.RandomState(0),
            callback=callback, snapshot=snapshot,
        )  # fmt: skip

    whole = solve(callback=lambda progress: snapshots.append(progress.snapshot()))
    snapshot = snapshots[2]
    assert np.array_equal(solve(dict(snapshot)).weights, whole.weights)
    may_be = MAY_BE | (NO_DUAL if name in ("perceptron", "passive_aggressive") else {})
    for entry, array in snapshot.items():
        for done, value in forged(array):
            same = value.dtype == array.dtype and np.array_equal(value, array)
            if same or done in may_be.get(entry, ()):
                continue
            with pytest.raises(ModelFileError, match="the snapshot "):
                assert solve(snapshot | {entry: value}) is None, f"{entry} may be {done}"
        if entry not in MAY_LACK:
            with pytest.raises(ModelFileError, match=f"{entry} is missing"):
                solve({key: value for key, value in snapshot.items() if key != entry})
    with pytest.raises(ModelFileError, match="other is there, which is of another fit"):
        solve(snapshot | {"other": np.zeros(1)})
    for entry, value, message in (
        ("n_iter", -(2**63), "n_iter is -9223372036854775808, expected a number from 1"),
        ("n_iter", 2, "its numbers are not those of 2 iterations"),
        ("_certified_at", 4, "its numbers are not those of 3 iterations"),
        ("_next_level", np.inf, "_next_level is inf, expected a number from 0 to 1"),
        ("_next_level", np.nan, "_next_level is nan"),
        ("random/pos", 625, "no state of a random generator: random/pos is 625"),
        ("random/pos", -1, "no state of a random generator: random/pos is -1"),
    ):
        with pytest.raises(ModelFileError, match=message):
            solve(snapshot | {entry: np.array(value)})


def test_a_forged_dual_value_or_dual_point_is_no_certificate(words):
    model = ChainModel()
    model.initialize(*words)
    problem, snapshots = model.bind(*words), []

    def solve(**options):
        state = np.random.RandomState(0)
        BCFW().solve(problem, 2.0, tol=None, max_iter=6, random_state=state, **options)

    solve(callback=lambda progress: snapshots.append(progress.snapshot()))
    snapshot = snapshots[-1]
    heavier = snapshot["blocks/planes"].copy()
    heavier[0, 0] += 0.5
    for entry, value in (
        ("best_dual", 2 * snapshot["best_primal"] + 1.0),
        ("blocks/truth", np.clip(snapshot["blocks/truth"] + 0.5, 0.0, 1.0)),
        ("blocks/planes", heavier),
        ("blocks/planes", -snapshot["blocks/planes"]),
        ("blocks/numbers", np.zeros(2)),
    ):
        with pytest.raises(ModelFileError, match="does not fit this problem"):
            solve(snapshot=snapshot | {entry: np.asarray(value)})


def test_a_forged_checkpoint_is_one_error_that_names_it_and_changes_nothing(words, checkpoint):
    snapshot = model_files.read_checkpoint(checkpoint, identity=None)
    svm = ChainSVM(random_state=0).fit(*words)
    weights = svm.coef_
    files = [
        {k: v for k, v in snapshot.items() if k != name} for name in set(snapshot) - MAY_LACK
    ] + [
        snapshot | {name: np.array(value)}
        for name, value in (
            ("n_iter", -(2**63)), ("n_iter", np.nan), ("_next_level", np.inf), ("seconds", "long"),
            ("identity", np.zeros(3)), ("validation/scores", [np.nan, 1.0]),
        )
    ]  # fmt: skip
    for held in files:
        model_files.write_checkpoint(held, checkpoint)
        with pytest.raises(ModelFileError, match=re.escape(str(checkpoint))):
            svm.fit(*words, resume_from=checkpoint)
        assert svm.coef_ is weights


# ---- held-out examples


def test_the_best_weights_on_held_out_examples_are_kept_and_certified(words):
    X, y = words
    seen = []
    svm = ChainSVM(
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
        svm = ChainSVM(solver=solver, random_state=0, callbacks=[stop_after(1)])
        averaged = svm.fit(X, y, X_val=X, y_val=y).coef_
        plain = clone(solver).set_params(
            averaging={"Subgradient": "none"}.get(type(solver).__name__, False)
        )
        last = clone(svm).set_params(solver=plain).fit(X, y, X_val=X, y_val=y).coef_
        assert not np.array_equal(averaged, last)


def test_early_stopping_waits_and_no_longer(words):
    X, y = words
    patience = EarlyStopping(patience=4)
    svm = ChainSVM(solver="perceptron", max_iter=100, callbacks=[patience], random_state=1)
    svm.fit(X, y, X_val=X[:5], y_val=y[:5])
    scores = svm.history_["validation_score"]
    assert svm.n_iter_ == np.argmax(scores) + 1 + 4 < 100
    # Only a great improvement counts.
    strict = clone(svm).set_params(callbacks=[EarlyStopping(patience=4, min_improvement=1.0)])
    assert strict.fit(X, y, X_val=X[:5], y_val=y[:5]).n_iter_ == 5


def test_validation_parameters_are_checked(words):
    X, y = words
    with pytest.raises(ValueError, match="X_val is given without y_val: give both or neither"):
        ChainSVM().fit(X, y, X_val=X)
    message = "in X_val and y_val: X has 5 examples but y has 4"
    with pytest.raises(ValueError, match=message):
        ChainSVM().fit(X, y, X_val=X[:5], y_val=y[:4])
    with pytest.raises(ValueError, match=r"in X_val and y_val: X\[0\] has 2 features, expected 5"):
        ChainSVM().fit(X, y, X_val=[x[:, :2] for x in X], y_val=y)
    with pytest.raises(FileNotFoundError, match=r"the folder of none/fit.ckpt does"):
        Checkpoint("none/fit.ckpt")
    with pytest.raises(ValueError, match=r"EarlyStopping\(patience=5, .*\) needs X_val and y_val"):
        ChainSVM(callbacks=[EarlyStopping()]).fit(X, y)
    for make, message in (
        (lambda: EarlyStopping(patience=0), "patience=0: expected an integer >= 1"),
        (lambda: EarlyStopping(min_improvement=-1), "min_improvement=-1: expected a number >= 0"),
        (lambda: Checkpoint("x", every=0), "every=0: expected an integer >= 1"),
        (lambda: ProgressBar(tol=2), "tol=2: expected a number between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


# ---- what ends a fit early


@pytest.mark.parametrize("name", SOLVERS)
def test_a_callback_that_raises_leaves_a_usable_estimator(words, name):
    X, y = words

    def fail(progress):
        if progress.n_iter == 3:
            raise RuntimeError("the disk is full")

    svm = ChainSVM(solver=SOLVERS[name], callbacks=[fail], random_state=0)
    with pytest.raises(RuntimeError, match="the disk is full"):
        svm.fit(X, y)
    assert svm.n_iter_ == 3
    assert svm.score(X, y) > 0.5


def test_an_oracle_that_raises_leaves_a_usable_estimator(words):
    class Weak(Python):
        calls = 0

        def loss_augmented_inference(self, x, y, w):
            type(self).calls += 1
            if type(self).calls == 100:
                raise RuntimeError("out of luck")
            return super().loss_augmented_inference(x, y, w)

    X, y = words
    svm = StructSVM(Weak(), random_state=0)
    with pytest.raises(RuntimeError, match="out of luck"):
        svm.fit(X, y)
    assert svm.n_iter_ == 100 // len(X) - 1
    assert svm.score(X, y) > 0.5
    # Without a whole iteration there is nothing to keep, and the former fit stays as it was.
    kept, model = svm.coef_, svm.model_
    Weak.calls = 90
    with pytest.raises(RuntimeError, match="out of luck"):
        svm.fit(X, y)
    assert svm.coef_ is kept
    assert svm.model_ is model


def test_an_oracle_that_raises_leaves_the_best_held_out_weights(words):
    class Failing(Python):
        calls = 0

        def loss_augmented_inference(self, x, y, w):
            type(self).calls += 1
            if type(self).calls > 400:
                raise RuntimeError("out of luck")
            return super().loss_augmented_inference(x, y, w)

    X, y = words
    svm = StructSVM(Failing(), tol=1e-9, random_state=0)
    with pytest.raises(RuntimeError, match="out of luck"):
        svm.fit(X, y, X_val=X, y_val=y)
    assert svm.status_ == "failed"
    assert svm.score(X, y) == svm.validation_score_ == svm.history_["validation_score"].max()
    assert not svm.certified_
    # A fit without held-out examples has no score of them.
    Failing.calls = -(10**9)
    assert not hasattr(svm.set_params(tol=0.1).fit(X, y), "validation_score_")


def test_an_interrupted_fit_keeps_the_best_held_out_weights(words):
    X, y = words

    def interrupt(progress):
        if progress.n_iter == 4:
            raise KeyboardInterrupt

    svm = ChainSVM(C=10.0, tol=1e-6, callbacks=[interrupt], random_state=0)
    with pytest.warns(ConvergenceWarning, match="interrupted after 4 iterations"):
        svm.fit(X, y, X_val=X, y_val=y)
    assert svm.score(X, y) == svm.validation_score_ == svm.history_["validation_score"].max()


# ---- every end certifies what it gives back


def interrupt_at(n):
    def interrupt(progress):
        if progress.n_iter == n:
            raise KeyboardInterrupt

    return interrupt


def fail_at(n):
    def fail(progress):
        if progress.n_iter == n:
            raise RuntimeError("the disk is full")

    return fail


def same_history(a, b):
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in a if name != "seconds")


@pytest.mark.parametrize("kind", [ChainSVM, lambda **params: StructSVM(Python(), **params)])
@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("name", SOLVERS)
def test_every_end_certifies_as_max_iter_does(words, name, n, kind):
    X, y = words
    svm = kind(solver=SOLVERS[name], random_state=0)
    if name not in ONLINE:
        svm.set_params(C=5.0, tol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = clone(svm).set_params(max_iter=n).fit(X, y)
        ended = {
            "stopped": clone(svm).set_params(callbacks=[stop_after(n)]).fit(X, y),
            "interrupted": clone(svm).set_params(callbacks=[interrupt_at(n)]).fit(X, y),
            "failed": clone(svm).set_params(callbacks=[fail_at(n)]),
        }
        with pytest.raises(RuntimeError, match="the disk is full"):
            ended["failed"].fit(X, y)
    for status, other in ended.items():
        assert other.status_ == status
        assert other.n_iter_ == whole.n_iter_ == n
        assert np.array_equal(other.coef_, whole.coef_)
        for attribute in ("objective_", "dual_objective_", "dual_gap_"):
            values = [getattr(other, attribute), getattr(whole, attribute)]
            assert np.array_equal(values[:1], values[1:], equal_nan=True), (status, attribute)
        assert other.certified_ == whole.certified_ == (name not in ONLINE)
        assert other.n_oracle_calls_ == whole.n_oracle_calls_
        assert same_history(other.history_, whole.history_)


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_held_out_weights_are_certified_however_the_fit_ends(words, status):
    X, y = words
    held_out = {"X_val": X[:5], "y_val": y[:5]}
    svm = ChainSVM(C=5.0, tol=1e-6, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = clone(svm).set_params(max_iter=4).fit(X, y, **held_out)
        if status == "failed":
            svm.set_params(callbacks=[fail_at(4)])
            with pytest.raises(RuntimeError, match="the disk is full"):
                svm.fit(X, y, **held_out)
        else:
            svm.set_params(callbacks=[interrupt_at(4)]).fit(X, y, **held_out)
    assert np.array_equal(svm.coef_, whole.coef_)
    assert (svm.objective_, svm.dual_gap_) == (whole.objective_, whole.dual_gap_)
    assert svm.certified_
    assert svm.validation_score_ == whole.validation_score_
    assert svm.history_["validation_score"].shape == (4,)


class Interrupting(Python):
    """Ctrl-C, for real, in chosen calls of the oracle."""

    calls = 0
    at = ()

    def count(self):
        cls = type(self)
        cls.calls += 1
        if cls.calls in cls.at:
            signal.raise_signal(signal.SIGINT)

    def loss_augmented_inference(self, x, y, w):
        self.count()
        return super().loss_augmented_inference(x, y, w)

    def inference(self, x, w):
        self.count()
        return super().inference(x, w)


@pytest.mark.parametrize("call", [1, 7, 60, 110])
@pytest.mark.parametrize("name", SOLVERS)
def test_ctrl_c_within_a_round_leaves_weights_that_predict_and_are_certified(words, name, call):
    X, y = words
    Interrupting.calls, Interrupting.at = 0, (call,)
    svm = StructSVM(Interrupting(), solver=SOLVERS[name], random_state=0)
    online = name in ONLINE
    if not online:
        svm.set_params(C=5.0, tol=1e-9)
    with pytest.warns(ConvergenceWarning, match=r"interrupted after \d iterations; it keeps the"):
        svm.fit(X, y)
    assert svm.status_ == "interrupted"
    assert len(svm.predict(X)) == len(X)
    assert len(svm.history_["gap"]) == svm.n_iter_ <= (call - 1) // 25
    if online:
        return
    w = svm.coef_
    hinges = len(X) * svm.model_.bind(X, y).mean_hinge(w)
    assert svm.objective_ == pytest.approx(w @ w / 2 + 5.0 * hinges)
    assert svm.dual_gap_ == pytest.approx(1 - svm.dual_objective_ / svm.objective_)
    assert svm.certified_
    if svm.n_iter_:
        assert svm.history_["objective"][-1] == svm.objective_
        assert svm.history_["gap"][-1] == svm.dual_gap_


@pytest.mark.parametrize("name", ["bcfw", "cutting_plane", "n_slack"])
def test_a_second_ctrl_c_ends_the_fit_at_once(words, name):
    X, y = words
    Interrupting.calls, Interrupting.at = 0, (30, 35)
    svm = StructSVM(Interrupting(), solver=SOLVERS[name], random_state=0)
    with pytest.warns(ConvergenceWarning, match="interrupted after"):
        svm.fit(X, y)
    assert Interrupting.calls == 35
    assert len(svm.predict(X)) == len(X)
    # The first pass of these solvers gives a value, but nobody could look whether it is true.
    assert np.isfinite(svm.objective_) == (name != "bcfw")
    assert not svm.certified_


def test_ctrl_c_in_the_last_pass_is_one_ctrl_c(words):
    X, y = words

    def soon(progress):
        if progress.n_iter == 3:
            Interrupting.at = (Interrupting.calls + 5,)

    Interrupting.calls, Interrupting.at = 0, ()
    svm = StructSVM(Interrupting(), max_iter=3, tol=1e-9, C=5.0, random_state=0, callbacks=[soon])
    with pytest.warns(ConvergenceWarning, match="interrupted after 3 iterations; .* duality gap"):
        svm.fit(X, y)
    assert svm.certified_


@pytest.mark.parametrize("name", ["bcfw", "cutting_plane", "n_slack"])
def test_a_warm_start_goes_on_from_an_interrupted_fit(words, name):
    X, y = words
    for call in (26, 40, 90):
        Interrupting.calls, Interrupting.at = 0, (call,)
        svm = StructSVM(Interrupting(), solver=SOLVERS[name], random_state=0, warm_start=True)
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            svm.fit(X, y)
        exact = ChainSVM(tol=1e-6, max_iter=5000).fit(X, y)
        svm.fit(X, y)
        assert svm.status_ == "converged"
        assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-9)
        assert exact.dual_objective_ <= svm.objective_ <= exact.objective_ * 1.0011


@pytest.mark.parametrize("solver", ["perceptron", "passive_aggressive", Subgradient(n_examples=25)])
def test_an_interrupted_partial_fit_keeps_what_it_has_learned(words, solver):
    class Model(Python):
        calls = 0

        def joint_feature(self, x, y):
            type(self).calls += 1
            if type(self).calls == 40:
                signal.raise_signal(signal.SIGINT)
            return super().joint_feature(x, y)

    X, y = words
    svm = StructSVM(Model(), solver=solver)
    with pytest.warns(ConvergenceWarning, match="was interrupted after 0 iterations; it keeps the"):
        svm.partial_fit(X, y)
    assert svm.status_ == "interrupted"
    assert svm.coef_.any()
    assert 0 < svm.n_oracle_calls_ < len(X)
    assert len(svm.predict(X)) == len(X)
    svm.partial_fit(X, y)
    assert svm.n_iter_ == 1


def test_a_path_interrupted_before_its_first_iteration_predicts(words):
    X, y = words
    Interrupting.calls, Interrupting.at = 0, (3,)
    with pytest.warns(ConvergenceWarning, match="interrupted after 0 iterations"):
        path = fit_path(StructSVM(Interrupting(), random_state=0), X, y, [1.0, 2.0])
    assert [fit.C for fit in path] == [1.0]
    assert len(path[0].predict(X)) == len(X)


_SIGNALS = """
import os, signal, threading, time, warnings
import numpy as np
from structsvm import ChainSVM, MulticlassSVM, SurrogateSVM
from structsvm.hinge import hinge

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)


def send():
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def begin(progress=None):
    if progress is None or progress.n_iter == 2:
        threading.Thread(target=send, daemon=True).start()


asked = 0


def surrogate(y, score, **options):
    global asked
    asked += 1
    if asked == 3:
        begin()
    return hinge(y, score, **options)


X, y = list(rng.normal(size=(1000, 8, 6))), list(rng.integers(4, size=(1000, 8)))
chain = ChainSVM(max_iter=10**6, random_state=0, callbacks=[begin])
for solver in ("bcfw", "cutting_plane", "n_slack", "subgradient"):
    svm = chain.set_params(solver=solver, C=10.0, tol=1e-12).fit(X, y)
    assert svm.status_ == "interrupted", solver
    assert svm.certified_ and 0 <= svm.dual_gap_ < 1, solver
    assert len(svm.history_["gap"]) == svm.n_iter_ >= 2, solver
    assert svm.history_["gap"][-1] == svm.dual_gap_, solver
    assert len(svm.predict(X)) == len(X), solver
chain.set_params(solver="perceptron", C=1.0, tol=None).fit(X, y)
assert chain.status_ == "interrupted" and len(chain.predict(X)) == len(X)

svm = MulticlassSVM(C=100.0, tol=1e-13, max_iter=10**6, random_state=0, callbacks=[begin])
for kernel, n in (("linear", 20000), ("rbf", 800)):
    X, y = rng.normal(size=(n, 20)), rng.integers(3, size=n)
    svm.set_params(kernel=kernel).fit(X, y)
    assert svm.status_ == "interrupted" and svm.certified_ and 0 <= svm.dual_gap_ < 1, kernel
    assert svm.predict(X).shape == (n,), kernel

svm = SurrogateSVM(surrogate, solver="subgradient", C=10.0, max_iter=10**6, random_state=0)
svm.fit(X, y > 0)
assert svm.n_iter_ < 10**6 and svm.coef_.any() and np.isfinite(svm.gap_)
assert svm.predict(X).shape == (800,)
print("done")
"""


def test_a_signal_during_training_leaves_a_certified_model():
    command = [sys.executable, "-c", _SIGNALS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout == "done\n", done.stderr


# ---- the bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_writes_few_lines_to_a_file_and_one_to_a_terminal(words):
    X, y = words
    file, terminal = io.StringIO(), Terminal()
    svm = ChainSVM(callbacks=[ProgressBar(file=file), ProgressBar(file=terminal)], random_state=0)
    svm.fit(X, y, X_val=X, y_val=y)
    lines = file.getvalue().splitlines()
    assert 2 <= len(lines) <= 5
    assert lines[-1].startswith("[########################]  pass ")
    assert f"gap {svm.history_['gap'][-1]:.1e}  validation " in lines[-1]
    assert f"{svm.history_['validation_score'][-1]:.4f} (best " in lines[-1]
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().split("\r\x1b[K")[-1].strip().startswith("[####")
    bare = io.StringIO()
    ChainSVM(solver="perceptron", callbacks=[ProgressBar(file=bare)], random_state=0).fit(X, y)
    assert bare.getvalue().startswith("pass    1  mean hinge ")


# ---- scikit-learn's callbacks


def test_callbacks_of_scikit_learn_hear_of_the_fit(words):
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks since 1.9")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    class Listener:
        def __init__(self):
            self.events = []

        def setup(self, estimator, context):
            self.events.append("setup")

        def teardown(self, estimator, context):
            self.events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.events.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.events.append(f"end {context.task_name}")
            assert fitted_estimator.score(X, y) > 0.5
            return context.task_name == "iteration" and context.task_id == 2

    X, y = words
    listener = Listener()
    svm = ChainSVM(random_state=0).set_callbacks(listener).fit(X, y)
    assert svm.n_iter_ == 3
    iterations = ["begin iteration", "end iteration"] * 3
    assert listener.events == ["setup", "begin fit", *iterations, "end fit", "teardown"]
    make_pipeline(FunctionTransformer(), ChainSVM(random_state=0)).fit(X, y)
    GridSearchCV(ChainSVM(tol=0.1), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
