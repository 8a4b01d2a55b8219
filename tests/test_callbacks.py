"""Progress, validation, checkpoints, and fits that are stopped, interrupted or broken off."""

import io
import warnings
import zipfile

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from structsvm import ChainModel, ChainSVM, StructSVM, StructuredModel, persistence
from structsvm.callbacks import Checkpoint, EarlyStopping, ProgressBar
from structsvm.exceptions import ModelFileError
from structsvm.solvers import (
    BCFW,
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


class Python(ChainModel):
    """A chain by the Python methods alone."""

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
    if name not in ("perceptron", "passive_aggressive"):
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
    snapshot = persistence.read_checkpoint(checkpoint, identity=None)
    for name, value in (("random/pos", np.array(10**6)), ("random/key", np.zeros(3, np.uint32))):
        persistence.write_checkpoint(snapshot | {name: value}, checkpoint)
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
