"""Checkpoints: a resumed fit is the uninterrupted one, and no other file is believed."""

import re
import warnings

import numpy as np
import pytest
from python_models import PythonChain
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from solver_settings import ONLINE, SOLVERS, same_history, stop_after

from structsvm import ChainSVM, StructSVM
from structsvm.callbacks import Checkpoint, EarlyStopping
from structsvm.exceptions import ModelFileError
from structsvm.persistence import model_files
from structsvm.solvers import BCFW


@pytest.mark.parametrize("rescaling", ["margin", "slack"])
@pytest.mark.parametrize("name", SOLVERS)
def test_resume_equals_uninterrupted(words, tmp_path, name, rescaling):
    if name == "perceptron" and rescaling == "slack":
        rescaling = "margin"
    X, y = words
    held_out = {"X_val": X[:6], "y_val": y[:6]}
    svm = ChainSVM(C=1.0, scale=None, solver=SOLVERS[name], rescaling=rescaling, random_state=3)
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
    assert same_history(resumed.history_, whole.history_)
    assert (np.diff(resumed.history_["seconds"]) >= 0).all()


@pytest.mark.parametrize("name", SOLVERS)
def test_resume_at_the_very_end_equals_the_end(words, tmp_path, name):
    X, y = words
    path = tmp_path / "fit.ckpt"
    svm = ChainSVM(
        C=1.0, scale=None, solver=SOLVERS[name], max_iter=5, callbacks=[Checkpoint(path, every=5)]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = clone(svm).set_params(random_state=0).fit(X, y)
        resumed = clone(svm).set_params(random_state=1).fit(X, y, resume_from=path)
    assert np.array_equal(resumed.coef_, whole.coef_)
    assert (resumed.n_iter_, resumed.status_) == (whole.n_iter_, whole.status_)
    assert np.array_equal([resumed.objective_], [whole.objective_], equal_nan=True)
    assert resumed.n_oracle_calls_ == whole.n_oracle_calls_


class Inexact(PythonChain):
    exact = False


@pytest.mark.parametrize("model", [PythonChain(), Inexact()], ids=["exact", "inexact"])
def test_only_values_of_an_exact_oracle_must_be_bounds(words, tmp_path, model):
    path = tmp_path / "fit.ckpt"
    svm = StructSVM(model, C=1.0, scale=None, max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clone(svm).set_params(callbacks=[Checkpoint(path, every=1), stop_after(2)]).fit(*words)
        snapshot = model_files.read_checkpoint(path, identity=None)
        crossed = snapshot | {"best_dual": np.array(2.0), "best_primal": np.array(1.0)}
        model_files.write_checkpoint(crossed, path)
        if model.exact:
            with pytest.raises(ModelFileError, match="its numbers are not from 2 iterations"):
                svm.fit(*words, resume_from=path)
        else:
            assert not svm.fit(*words, resume_from=path).certified_


@pytest.mark.filterwarnings("ignore:all labels in y are 0:UserWarning")
@pytest.mark.parametrize("name", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
def test_a_fit_without_planes_resumes(words, tmp_path, name):
    X, y = words[0], [np.zeros(len(labels), int) for labels in words[1]]
    path = tmp_path / "fit.ckpt"
    svm = ChainSVM(
        C=1.0, scale=None, solver=SOLVERS[name], callbacks=[Checkpoint(path, every=1)]
    ).fit(X, y)
    assert svm.fit(X, y, resume_from=path).status_ == "converged"


def test_a_fit_that_was_stopped_early_stays_stopped(words, tmp_path):
    X, y = words
    path = tmp_path / "fit.ckpt"
    svm = ChainSVM(C=1.0, scale=None, solver="perceptron", max_iter=100, random_state=1)
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
            ChainSVM(C=1.0, scale=None).fit(*words, resume_from=checkpoint)


def test_resume_leaves_other_generators_alone_and_refuses_those_it_cannot_hold(words, tmp_path):
    X, y = words
    path = tmp_path / "fit.ckpt"
    ChainSVM(C=1.0, scale=None, callbacks=[Checkpoint(path, every=1), stop_after(2)]).fit(X, y)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    ChainSVM(C=1.0, scale=None, max_iter=500).fit(X, y, resume_from=path)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    strange = np.random.RandomState(np.random.PCG64(0))
    with pytest.raises(ValueError, match="a checkpoint cannot hold a PCG64: pass random_state as"):
        ChainSVM(
            C=1.0, scale=None, random_state=strange, callbacks=[Checkpoint(path, every=1)]
        ).fit(X, y)


def test_a_python_model_resumes(words, tmp_path):
    X, y = words
    svm = StructSVM(PythonChain(), C=1.0, scale=None, random_state=0, tol=1e-2)
    whole = clone(svm).fit(X, y)
    path = tmp_path / "fit.ckpt"
    clone(svm).set_params(callbacks=[Checkpoint(path, every=1), stop_after(3)]).fit(X, y)
    assert np.array_equal(svm.fit(X, y, resume_from=path).coef_, whole.coef_)


@pytest.fixture
def checkpoint(words, tmp_path):
    path = tmp_path / "fit.ckpt"
    ChainSVM(
        C=1.0, scale=None, callbacks=[Checkpoint(path, every=2), stop_after(2)], random_state=0
    ).fit(*words)
    return path


def test_a_checkpoint_of_another_fit_is_refused(words, checkpoint):
    X, y = words
    message = "fit.ckpt: the checkpoint is of a fit to other data, or with other parameters"
    for svm, data in (
        (ChainSVM(C=1.0, scale=None), (X[1:], y[1:])),
        (ChainSVM(scale=None, C=2.0), words),
        (ChainSVM(C=1.0, scale=None, boundary=False), words),
        (ChainSVM(C=1.0, scale=None, loss="normalized_hamming"), words),
        (ChainSVM(C=1.0, scale=None, rescaling="slack"), words),
        (ChainSVM(C=1.0, scale=None, solver=BCFW(averaging=True)), words),
        (ChainSVM(C=1.0, scale=None, solver="n_slack"), words),
    ):
        with pytest.raises(ModelFileError, match=message):
            svm.fit(*data, resume_from=checkpoint)
    with pytest.raises(ModelFileError, match="other data"):
        ChainSVM(C=1.0, scale=None).fit(X, y, sample_weight=np.ones(len(X)), resume_from=checkpoint)
    with pytest.raises(ModelFileError, match="other data"):
        ChainSVM(C=1.0, scale=None).fit(X, y, X_val=X, y_val=y, resume_from=checkpoint)
    with pytest.raises(FileNotFoundError):
        ChainSVM(C=1.0, scale=None).fit(X, y, resume_from=checkpoint.with_name("none"))
    ChainSVM(C=1.0, scale=None, tol=1e-2, max_iter=500, n_jobs=2).fit(X, y, resume_from=checkpoint)


def test_damaged_checkpoints_are_refused(words, checkpoint):
    data = checkpoint.read_bytes()
    for wrong in (
        b"",
        b"not a file",
        data[: len(data) // 2],
        data.replace(b"\x00\x00", b"\x01\x00"),
    ):
        checkpoint.write_bytes(wrong)
        with pytest.raises(ModelFileError):
            ChainSVM(C=1.0, scale=None).fit(*words, resume_from=checkpoint)


def test_a_forged_checkpoint_is_one_error_that_names_it_and_changes_nothing(words, checkpoint):
    snapshot = model_files.read_checkpoint(checkpoint, identity=None)
    svm = ChainSVM(C=1.0, scale=None, random_state=0).fit(*words)
    weights = svm.coef_
    lacking = ("n_iter", "random/key", "blocks/gram", "identity")
    files = [{k: v for k, v in snapshot.items() if k != name} for name in lacking] + [
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
