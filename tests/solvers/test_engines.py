"""Engines of any kind give a solver the same planes, in order, however late they answer."""

import threading

import numpy as np
import pytest
import rooms

from structsvm import ChainModel
from structsvm.engines import Engine, Local, Processes, Serial, Threads, make_engine
from structsvm.linalg._plane import PlaneBatch, padded_copy
from structsvm.solvers import BCFW


class LateJob:
    """Answered by a thread of its own, which begins when it is told to."""

    def __init__(self, engine, answer):
        self.engine = engine
        self.told = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self.run, args=(answer,))
        self.thread.start()

    def run(self, answer):
        self.told.wait()
        try:
            answer()
        except Exception as error:
            self.error = error

    def end(self):
        """All that were begun later are answered first. A job that failed is abandoned, too."""
        if self not in self.engine.under_way:
            return
        place = self.engine.under_way.index(self)
        for job in reversed(self.engine.under_way[place:]):
            job.told.set()
            job.thread.join()
        self.engine.under_way.remove(self)

    def wait(self):
        self.end()
        if self.error is not None:
            raise self.error

    def abandon(self):
        self.end()


class Late(Engine):
    """Answers late, the younger of two jobs under way before the older."""

    n_workers = 2

    def __init__(self, in_flight):
        self.in_flight = in_flight
        self.under_way = []
        self.most = 0

    def begin(self, problem, question, examples, w, out):
        problem.reserve(1)
        job = LateJob(self, lambda: getattr(problem, question)(examples, w, out))
        self.under_way.append(job)
        self.most = max(self.most, len(self.under_way))
        return job


class Ahead(Serial):
    """No threads at all, and as many batches in flight."""

    n_workers = 2

    def __init__(self, in_flight):
        self.in_flight = in_flight


@pytest.fixture
def slow():
    """A problem whose oracle is worth sharing."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, 6)) for length in rng.integers(80, 120, size=60)]
    W = rng.normal(size=(6, 100))
    y = [np.append((x @ W).argmax(axis=1)[:-1], k % 100) for k, x in enumerate(X)]
    model = ChainModel()
    model.initialize(X, y)
    return model.bind(X, y)


def solve(problem, engine):
    random = np.random.RandomState(0)
    options = {"tol": 1e-9, "max_iter": 3, "random_state": random, "engine": engine}
    return BCFW().solve(problem, 0.01, **options)


@pytest.mark.parametrize("in_flight", [1, 3])
def test_results_do_not_depend_on_timing(slow, in_flight):
    late = Late(in_flight)
    fit, again = solve(slow, late), solve(slow, Ahead(in_flight))
    assert np.array_equal(fit.weights, again.weights)
    assert late.most == in_flight
    assert not late.under_way
    threads = solve(slow, Threads(3))
    assert np.array_equal(fit.weights, threads.weights) == (in_flight == 1)


@pytest.mark.parametrize("in_flight", [1, 2, 5])
@pytest.mark.parametrize("kind", [Late, Ahead])
def test_a_stream_is_in_order_and_takes_weights_as_they_are_then(kind, in_flight):
    made, taken = [], []

    class Numbers:
        n_weights = 1

        def reserve(self, n_threads):
            pass

        def planes(self, examples, w, out, start=0, thread=0):
            made.append((int(examples[0]), float(w[0])))

    weights = np.zeros(1)

    def take(examples, planes):
        assert planes.size == 2
        taken.append(int(examples[0]))
        weights[0] += 1  # as many as were taken

    batches = [np.array([k, k], dtype=np.int32) for k in range(8)]
    kind(in_flight).stream(Numbers(), batches, weights, take)
    assert taken == list(range(8))
    assert sorted(made) == [(k, max(k - in_flight, 0)) for k in range(8)]


def test_no_job_is_under_way_after_an_error(slow):
    late = Late(3)
    batches = [np.array([k], dtype=np.int32) for k in range(10)]

    def take(examples, planes):
        raise ArithmeticError("enough")

    with pytest.raises(ArithmeticError, match="enough"):
        late.stream(slow, batches, np.zeros(slow.n_weights), take)
    assert not late.under_way
    batches[1][0] = slow.n_examples
    with pytest.raises(IndexError, match="example 60 of 60"):
        late.stream(slow, batches, np.zeros(slow.n_weights), lambda *_: None)
    assert not late.under_way


def test_a_problem_refuses_questions_that_make_no_sense(slow):
    w, out = padded_copy(np.zeros(slow.n_weights)), PlaneBatch(2)
    some = np.arange(2, dtype=np.int32)
    slow.reserve(1)
    slow.planes(some, w, out)
    for arguments, message in (
        ((some, w[:-1], out), "w must be a padded vector of"),
        ((some, np.zeros(slow.n_weights), out), "w must be a padded vector of"),
        ((some, w, out, 1), "2 planes from slot 1 on do not fit a batch of 2"),
        ((some, w, out, -1), "2 planes from slot -1 on do not fit a batch of 2"),
        ((some, w, out, 0, 10**6), "thread 1000000 of"),
        ((some, w, out, 0, -1), "thread -1 of"),
    ):
        with pytest.raises(ValueError, match=message):
            slow.planes(*arguments)


def test_the_number_of_jobs_chooses_the_engine():
    assert type(make_engine(1)) is Serial
    assert type(make_engine(2)) is Local
    assert make_engine(2).n_workers == 2
    for kind in (Local, Threads, Processes):
        with pytest.raises(ValueError, match="n_workers=0: expected at least 1"):
            kind(0)


def test_processes_are_for_problems_that_can_answer_elsewhere(slow):
    assert not slow.portable
    out = PlaneBatch(2)
    with pytest.raises(
        TypeError, match="FactoredProblem answers in this process alone: use Threads or Serial"
    ):
        Processes(2).planes(
            slow, np.arange(2, dtype=np.int32), padded_copy(np.zeros(slow.n_weights)), out
        )


def test_engines_know_problems_and_nothing_above():
    for module, others in rooms.imports().items():
        if rooms.room_of(module) == "engines":
            allowed = {"engines", "problems", "linalg", "data", "exceptions"}
            assert {rooms.room_of(other) for other in others} <= allowed, module
