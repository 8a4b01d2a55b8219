"""Fits that are stopped, interrupted or broken off: what they keep is usable and certified."""

import signal
import subprocess
import sys
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from python_models import PythonChain
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from solver_settings import ONLINE, SOLVERS, raise_at, same_history, stop_after

from structsvm import ChainSVM, StructSVM, fit_path
from structsvm.solvers import Subgradient


class DiskFull(RuntimeError):
    pass


@pytest.mark.parametrize("name", SOLVERS)
def test_a_callback_that_raises_leaves_a_usable_estimator(words, name):
    X, y = words
    svm = ChainSVM(
        C=1.0, scale=None, solver=SOLVERS[name], callbacks=[raise_at(3, DiskFull)], random_state=0
    )
    with pytest.raises(DiskFull):
        svm.fit(X, y)
    assert svm.n_iter_ == 3
    assert svm.score(X, y) > 0.5


def test_an_oracle_that_raises_leaves_a_usable_estimator(words):
    class Weak(PythonChain):
        calls = 0

        def loss_augmented_inference(self, x, y, w):
            type(self).calls += 1
            if type(self).calls == 100:
                raise RuntimeError("out of luck")
            return super().loss_augmented_inference(x, y, w)

    X, y = words
    svm = StructSVM(Weak(), C=1.0, scale=None, random_state=0)
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
    class Failing(PythonChain):
        calls = 0

        def loss_augmented_inference(self, x, y, w):
            type(self).calls += 1
            if type(self).calls > 400:
                raise RuntimeError("out of luck")
            return super().loss_augmented_inference(x, y, w)

    X, y = words
    svm = StructSVM(Failing(), C=1.0, scale=None, tol=1e-9, random_state=0)
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
    interrupt = raise_at(4, KeyboardInterrupt)
    svm = ChainSVM(scale=None, C=10.0, tol=1e-6, callbacks=[interrupt], random_state=0)
    with pytest.warns(ConvergenceWarning, match="interrupted after 4 iterations"):
        svm.fit(X, y, X_val=X, y_val=y)
    assert svm.score(X, y) == svm.validation_score_ == svm.history_["validation_score"].max()


@pytest.mark.parametrize(
    "kind",
    [ChainSVM, lambda **params: StructSVM(PythonChain(), **({"C": 1.0, "scale": None} | params))],
)
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
        ends = {
            "stopped": stop_after(n),
            "interrupted": raise_at(n, KeyboardInterrupt),
            "failed": raise_at(n, DiskFull),
        }
        for status, end in ends.items():
            ends[status] = other = clone(svm).set_params(callbacks=[end])
            with pytest.raises(DiskFull) if status == "failed" else nullcontext():
                other.fit(X, y)
    for status, other in ends.items():
        assert other.status_ == status
        assert other.n_iter_ == whole.n_iter_ == n
        assert np.array_equal(other.coef_, whole.coef_)
        for attribute in ("objective_", "dual_objective_", "dual_gap_"):
            values = [getattr(other, attribute), getattr(whole, attribute)]
            assert np.array_equal(values[:1], values[1:], equal_nan=True), (status, attribute)
        assert other.certified_ == whole.certified_ == (name not in ONLINE)
        assert other.n_oracle_calls_ == whole.n_oracle_calls_
        assert same_history(other.history_, whole.history_)


@pytest.mark.parametrize("error", [KeyboardInterrupt, DiskFull])
def test_held_out_weights_are_certified_however_the_fit_ends(words, error):
    X, y = words
    held_out = {"X_val": X[:5], "y_val": y[:5]}
    svm = ChainSVM(scale=None, C=5.0, tol=1e-6, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = clone(svm).set_params(max_iter=4).fit(X, y, **held_out)
        svm.set_params(callbacks=[raise_at(4, error)])
        with pytest.raises(DiskFull) if error is DiskFull else nullcontext():
            svm.fit(X, y, **held_out)
    assert np.array_equal(svm.coef_, whole.coef_)
    assert (svm.objective_, svm.dual_gap_) == (whole.objective_, whole.dual_gap_)
    assert svm.certified_
    assert svm.validation_score_ == whole.validation_score_
    assert svm.history_["validation_score"].shape == (4,)


class Interrupting(PythonChain):
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
    svm = StructSVM(Interrupting(), C=1.0, scale=None, solver=SOLVERS[name], random_state=0)
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
    svm = StructSVM(Interrupting(), C=1.0, scale=None, solver=SOLVERS[name], random_state=0)
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
    svm = StructSVM(
        Interrupting(), scale=None, max_iter=3, tol=1e-9, C=5.0, random_state=0, callbacks=[soon]
    )
    with pytest.warns(ConvergenceWarning, match="interrupted after 3 iterations; .* duality gap"):
        svm.fit(X, y)
    assert svm.certified_


@pytest.mark.parametrize("name", ["bcfw", "cutting_plane", "n_slack"])
def test_a_warm_start_goes_on_from_an_interrupted_fit(words, name):
    X, y = words
    for call in (26, 40, 90):
        Interrupting.calls, Interrupting.at = 0, (call,)
        svm = StructSVM(
            Interrupting(), C=1.0, scale=None, solver=SOLVERS[name], random_state=0, warm_start=True
        )
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            svm.fit(X, y)
        exact = ChainSVM(C=1.0, scale=None, tol=1e-6, max_iter=5000).fit(X, y)
        svm.fit(X, y)
        assert svm.status_ == "converged"
        assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-9)
        assert exact.dual_objective_ <= svm.objective_ <= exact.objective_ * 1.0011


@pytest.mark.parametrize("solver", ["perceptron", "passive_aggressive", Subgradient(n_examples=25)])
def test_an_interrupted_partial_fit_keeps_what_it_has_learned(words, solver):
    class Model(PythonChain):
        calls = 0

        def joint_feature(self, x, y):
            type(self).calls += 1
            if type(self).calls == 40:
                signal.raise_signal(signal.SIGINT)
            return super().joint_feature(x, y)

    X, y = words
    svm = StructSVM(Model(), C=1.0, scale=None, solver=solver)
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
        path = fit_path(
            StructSVM(Interrupting(), C=1.0, scale=None, random_state=0), X, y, [1.0, 2.0]
        )
    assert [fit.C for fit in path] == [1.0]
    assert len(path[0].predict(X)) == len(X)


_SIGNALS = """
import signal, warnings
import numpy as np
from structsvm import ChainSVM, MulticlassSVM, SurrogateSVM
from structsvm.hinge import hinge

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)


# Ctrl-C after some work, wherever that leads, however slow the machine.
signal.signal(signal.SIGVTALRM, lambda *_: signal.raise_signal(signal.SIGINT))


def begin(progress=None):
    if progress is None or progress.n_iter == 2:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)


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
