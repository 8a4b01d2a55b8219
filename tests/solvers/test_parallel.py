"""Oracles on threads and in processes: the same bits for any number of either."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import python_models
from python_models import PythonChain
from sklearn.base import clone
from solver_settings import same_history

from structsvm import ChainSVM, StructSVM, StructuredModel
from structsvm.engines.processes import Workers
from structsvm.engines.threads import Ranges

# A worker cannot import test modules by name.
for module in (sys.modules[__name__], python_models):
    cloudpickle.register_pickle_by_value(module)


class Talkative(PythonChain):
    def loss_augmented_inference(self, x, y, w):
        print("words that must not get between the answers" * 100)  # noqa: T201
        os.write(1, b"nor these")
        return super().loss_augmented_inference(x, y, w)


class Failing(PythonChain):
    def loss_augmented_inference(self, x, y, w):
        if len(y) == 3 and np.any(w):
            raise ArithmeticError("three is too many")
        return super().loss_augmented_inference(x, y, w)


class Placed(StructuredModel):
    """Outputs tell which process made them; w[0] < 0 asks for trouble."""

    def joint_feature(self, x, y):
        return np.array([1.0, y[0]])

    def loss(self, y, y_hat):
        return float(y[0] != y_hat[0])

    def inference(self, x, w):
        if w[0] == -1 and x == 3:
            raise ArithmeticError("three is too many")
        if w[0] == -2 and x == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return (x, os.getpid())

    def loss_augmented_inference(self, x, y, w):
        return self.inference(x, w)


class PlacedAtOnce(Placed):
    def batch_inference(self, X, w):
        return [(x, os.getpid(), len(X)) for x in X]


class PlacedByItself(Placed):
    def batch_inference(self, X, w, *, n_jobs=1):
        return [(x, os.getpid(), n_jobs) for x in X]


class Dying(PythonChain):
    def loss_augmented_inference(self, x, y, w):
        if np.abs(w).sum() > 0.1 and threading.current_thread() is threading.main_thread():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss_augmented_inference(x, y, w)


@pytest.fixture(scope="module")
def slow():
    """Chains with 100 labels: so slow that an exact pass is shared among threads."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, 6)) for length in rng.integers(80, 120, size=60)]
    W = rng.normal(size=(6, 100))
    return X, [np.append((x @ W).argmax(axis=1)[:-1], k % 100) for k, x in enumerate(X)]


def run(task, n, n_threads):
    job = Ranges(task, n, n_threads)
    job.start()
    job.wait()


def running_workers():
    """Command lines of this process's oracle processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            command = os.fsdecode((folder / "cmdline").read_bytes())
        except OSError:  # it ended meanwhile
            continue
        if int(parent) == os.getpid() and "engines.processes" in command:
            found.append(command)
    return found


def same_fit(a, b):
    assert np.array_equal(a.coef_, b.coef_)
    assert same_history(a.history_, b.history_)


@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack"])
def test_any_number_of_threads_gives_the_same_bits(slow, solver):
    X, y = slow
    fits = []
    for n_jobs in (2, 5):
        svm = ChainSVM(
            scale=None, loss="normalized_hamming", C=0.01, solver=solver, n_jobs=n_jobs, tol=0.8
        )
        fits.append(svm.set_params(random_state=0).fit(X, y))
    same_fit(*fits)
    one = ChainSVM(
        scale=None, loss="normalized_hamming", C=0.01, solver=solver, tol=0.8, random_state=0
    )
    one.fit(X, y)
    assert one.dual_objective_ <= fits[0].objective_
    assert fits[0].dual_objective_ <= one.objective_
    if solver == "bcfw":  # batches, so other iterates, and answers to older weights: no complaint
        assert not np.array_equal(one.coef_, fits[0].coef_)
        assert fits[0].certified_


def test_processes_give_the_optimum_and_the_same_bits(words):
    X, y = words
    fits = [
        StructSVM(PythonChain(), scale=None, C=0.5, n_jobs=n_jobs, random_state=0).fit(X + X, y + y)
        for n_jobs in (2, 3)
    ]
    same_fit(*fits)
    one = StructSVM(PythonChain(), scale=None, C=0.5, random_state=0).fit(X + X, y + y)
    assert not np.array_equal(one.coef_, fits[0].coef_)  # of batches, as the data have 50 examples
    assert one.dual_objective_ <= fits[0].objective_
    assert fits[0].dual_objective_ <= one.objective_
    # At fixed weights not even one process differs.
    svm = StructSVM(PythonChain(), C=1.0, scale=None, solver="n_slack", random_state=0)
    same_fit(*(clone(svm).set_params(n_jobs=n).fit(X, y) for n in (1, 2)))


def test_a_warm_start_may_have_another_number_of_threads(slow):
    X, y = slow
    svm = ChainSVM(
        scale=None, loss="normalized_hamming", C=0.01, tol=0.3, random_state=0, warm_start=True
    )
    svm.set_params(n_jobs=3).fit(X, y)
    problem = svm._warm.problem
    svm.set_params(n_jobs=1, C=0.02).fit(X, y)
    assert svm._warm.problem is problem
    svm.set_params(n_jobs=2, C=0.03).fit(X, y)
    assert svm._warm.problem is problem
    assert svm.dual_gap_ <= 0.3


def test_no_process_is_asked_about_no_examples_and_none_is_left(words):
    class Stacking(PythonChain):
        def batch_loss_augmented_inference(self, X, Y, w, *, n_jobs=1):
            assert len(X) > 0
            return super().batch_loss_augmented_inference(X, Y, w)

    X, y = words
    svm = StructSVM(
        Stacking(), C=1.0, scale=None, n_jobs=4, tol=0.3, warm_start=True, random_state=0
    )
    svm.fit(X + X, y + y)
    assert not running_workers()


def test_a_model_of_the_main_module_and_one_that_prints_work(words, capfd):
    class Local(Talkative):  # cannot be imported by name, as in a notebook
        pass

    svm = StructSVM(Local(), scale=None, C=0.1, n_jobs=2, tol=0.1, random_state=0).fit(*words)
    assert svm.dual_gap_ <= 0.1
    assert "words that must not get between the answers" in capfd.readouterr().err


def test_what_a_model_raises_in_a_process_reaches_the_caller(words):
    with pytest.raises(ArithmeticError, match="three is too many") as info:
        StructSVM(Failing(), C=1.0, scale=None, solver="n_slack", n_jobs=2, random_state=0).fit(
            *words
        )
    assert "raised in an oracle process" in info.value.__notes__[0]
    assert "loss_augmented_inference" in info.value.__notes__[0]


def test_a_process_that_dies_is_told_of_and_the_fit_kept(words):
    svm = StructSVM(Dying(), C=1.0, scale=None, n_jobs=2, solver="n_slack", random_state=0)
    with pytest.raises(RuntimeError, match="an oracle process ended with exit code -9"):
        svm.fit(*words)
    assert svm.n_iter_ >= 1


@pytest.fixture
def placed():
    """A function that makes an estimator fitted to nothing in particular."""

    def make(model, w=(0.0, 1.0)):
        svm = StructSVM(Placed(), C=1.0, scale=None, solver="perceptron", max_iter=1)
        svm.fit([0, 1], [(0, 0), (1, 0)])
        svm.model_, svm.coef_[:] = model, w
        return svm.set_params(n_jobs=2)

    return make


def test_predictions_of_python_models_are_made_by_processes(placed):
    svm = placed(Placed())
    X = list(range(7))
    Y = [(x, 0) for x in X]
    for outputs in (svm.predict(X), svm.loss_augmented_predict(X, Y)):
        assert [x for x, _ in outputs] == X  # the order is kept
        places = {place for _, place in outputs}
        assert len(places) == 2
        assert os.getpid() not in places
    assert svm.decision_function(X).tolist() == X
    assert svm.predict([5]) == [(5, os.getpid())]  # nothing to share
    assert not running_workers()


def test_batch_methods_are_honoured_in_processes(placed):
    outputs = placed(PlacedAtOnce()).predict(range(7))
    assert [x for x, _, _ in outputs] == list(range(7))
    assert sorted({size for *_, size in outputs}) == [3, 4]
    assert len({place for _, place, _ in outputs} - {os.getpid()}) == 2
    # One that takes n_jobs sees to it.
    assert placed(PlacedByItself()).predict([8, 9]) == [(8, os.getpid(), 2), (9, os.getpid(), 2)]


def test_errors_of_predictions_in_processes_tell_the_example(placed):
    svm = placed(Placed(), w=(-1.0, 0.0))
    with pytest.raises(ArithmeticError, match="three is too many") as info:
        svm.predict(range(5))
    assert info.value.__notes__[0].startswith("raised in an oracle process")
    assert info.value.__notes__[1] == "raised while inference worked on example 3"
    svm.coef_[0] = -2
    with pytest.raises(RuntimeError, match="an oracle process ended with exit code -9; negative"):
        svm.predict(range(5))
    svm.model_.lock = threading.Lock()
    with pytest.raises(TypeError, match="Placed or its data cannot be sent to other processes, as"):
        svm.predict(range(5))
    assert svm.set_params(n_jobs=1).predict([1]) == [(1, os.getpid())]
    assert not running_workers()


def test_answers_that_cannot_come_back_are_refused(placed):
    class Locks(Placed):
        def inference(self, x, w):
            return threading.Lock()

    with pytest.raises(
        TypeError, match=r"answers cannot be sent back from another process: .* Use n"
    ):
        placed(Locks()).predict([1, 2])

    class Output:
        def __init__(self, x):
            self.x = x

    class Makes(Placed):
        def inference(self, x, w):
            return Output(x)

    outputs = placed(Makes()).predict([1, 2])
    assert all(type(one) is Output for one in outputs)
    assert [one.x for one in outputs] == [1, 2]


def test_held_out_examples_are_scored_by_processes_that_stay_for_the_fit(words):
    X, y = words
    seen = []
    svm = StructSVM(PythonChain(), C=1.0, scale=None, solver="n_slack", tol=0.3, random_state=0)
    svm.set_params(callbacks=[lambda progress: seen.append(len(running_workers()))])
    svm.fit(X[:9], y[:9], X_val=X[9:], y_val=y[9:])
    scores = svm.history_["validation_score"]
    assert set(seen) == {0}
    seen.clear()
    svm.set_params(n_jobs=2).fit(X[:9], y[:9], X_val=X[9:], y_val=y[9:])
    assert np.array_equal(svm.history_["validation_score"], scores)
    assert set(seen) == {4}  # two for the oracles, two for predictions
    assert not running_workers()


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_losses_below_zero_by_rounding_count_as_zero_in_processes():
    class Rounding(Placed):
        exact = False

        def loss(self, y, y_hat):
            return 1e9 * (y[0] != y_hat[0]) - 1e-7

        def loss_augmented_inference(self, x, y, w):
            return (1, 0)

    svm = StructSVM(Rounding(), C=1.0, scale=None, solver="n_slack", n_jobs=2, max_iter=1, tol=0.99)
    with pytest.warns(
        RuntimeWarning, match=r"loss\(y\[\d\], y_hat\) returned -1e-07, below 0 by"
    ) as told:
        svm.fit([0, 1, 2], [(1, 0), (0, 0), (1, 0)])
    assert len([one for one in told if "rounding" in str(one.message)]) == 1


def test_what_cannot_be_sent_is_refused(words):
    X, y = words

    class Locked(PythonChain):
        def initialize(self, X, y):
            super().initialize(X, y)
            self.lock = threading.Lock()

    with pytest.raises(TypeError, match="Locked or its data cannot be sent to other processes"):
        StructSVM(Locked(), C=1.0, scale=None, solver="n_slack", n_jobs=2).fit(X, y)
    StructSVM(Locked(), C=1.0, scale=None, tol=0.5).fit(X, y)


def test_threads_take_each_range_once_and_end_before_an_error():
    for n, n_threads in ((1, 4), (5, 2), (100, 3), (3, 8)):
        seen, busy, lock = [], set(), threading.Lock()

        def task(thread, start, stop, seen=seen, busy=busy, lock=lock):
            with lock:
                assert thread not in busy
                busy.add(thread)
            seen.extend(range(start, stop))
            with lock:
                busy.remove(thread)

        run(task, n, n_threads)
        assert sorted(seen) == list(range(n))
        assert not busy

    begun, done = [], []

    def failing(thread, start, stop):
        if start == 0:
            raise ValueError("no")
        begun.append(start)
        done.append(start)

    with pytest.raises(ValueError, match="no"):
        run(failing, 80, 4)
    assert len(done) == len(begun) < 16  # nothing is under way, and no new ranges


def test_ctrl_c_waits_for_the_threads_that_use_the_callers_memory():
    started, ended, interrupted = [], [], threading.Event()

    def slow(thread, start, stop):
        started.append(start)
        if thread == 0:
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                interrupted.set()
        interrupted.wait(600)
        ended.append(start)

    with pytest.raises(KeyboardInterrupt):
        run(slow, 40, 4)
    assert len(started) - len(ended) == 1  # the caller's own
    assert len(started) < 16  # no new ranges


def test_threads_work_while_the_caller_does_something_else():
    """And whoever waits works too, if there is no other thread."""
    for n_threads in (1, 3):
        seen = threading.Event()
        job = Ranges(lambda *_, seen=seen: seen.set(), 10, n_threads)
        job.start()
        assert seen.wait(600) if n_threads > 1 else not seen.is_set()
        job.wait()
        assert seen.is_set()


def test_an_abandoned_job_begins_no_new_range():
    begun, go_on, seen = threading.Event(), threading.Event(), []

    def task(thread, start, stop):
        begun.set()
        go_on.wait(600)
        seen.append(start)

    job = Ranges(task, 100, 2)
    job.start()
    begun.wait(600)
    # The range under way ends when no other may begin.
    threading.Thread(target=lambda: job._enough.wait(600) and go_on.set()).start()
    job.abandon()
    assert len(seen) == 1


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("method", ["__init__", "wait"])
def test_ctrl_c_leaves_no_worker_behind(monkeypatch, method):
    """It comes while the first of them is started, or while the first is waited for."""
    workers, original = [], getattr(subprocess.Popen, method)

    def interrupted(self, *args, **kwargs):
        if not workers or method == "__init__":
            workers.append(self)
            signal.raise_signal(signal.SIGINT)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(subprocess.Popen, method, interrupted)

    def start_and_end():
        crew = Workers(len, "Model", 2)
        crew.close()

    with pytest.raises(KeyboardInterrupt):
        start_and_end()
    assert len(workers) == (2 if method == "__init__" else 1)
    for worker in workers:
        assert worker.returncode is not None
        assert worker.stdin.closed
        assert worker.stdout.closed
