"""Passes on several threads, each with a copy of the weights: the dual point stays exact, and
bits do not depend on threads."""

import itertools
import signal
import threading

import numpy as np
import pytest
from reference.blocks import ReferenceBlocks
from reference.replicas import ReferenceReplicas
from sklearn.base import clone
from solver_settings import same_history, stop_after
from text_chains import bound as bound_text
from text_chains import text

from structsvm import ChainModel, ChainSVM
from structsvm.callbacks import Checkpoint
from structsvm.engines import Serial, Threads
from structsvm.problems._grown_problem import GrownProblem
from structsvm.solvers import BCFW, _blocks, _replicas
from structsvm.solvers._blocks import DualBlocks, grown_form
from structsvm.solvers._label_planes import LabelPlanes
from structsvm.solvers._replicas import Replicas, may_share


class OneAfterTheOther(Serial):
    """The parts of every phase in one thread."""

    n_threads = 2


class Reversed(Serial):
    """A thread that comes first has the second place, and does all the work."""

    n_threads = 2

    def together(self, task, n_threads):
        for k in reversed(range(n_threads)):
            task(k)


ENGINES = {"one": OneAfterTheOther, "reversed": Reversed, "two": lambda: Threads(2)}


@pytest.fixture
def shares_everything(monkeypatch):
    """However small a pass is, it is shared."""
    for name, value in {"LEAST_WORK": 100.0, "LEAST_CHUNKS": 1, "WORK_OF_WEIGHT": 0.0}.items():
        monkeypatch.setattr(_replicas, name, value)


@pytest.fixture
def everything_is_text(monkeypatch):
    for name in ("MANY_WEIGHTS", "SPARSE_ENOUGH"):
        monkeypatch.setattr(_blocks, name, 0)


@pytest.fixture
def everything_grows(monkeypatch, everything_is_text):
    monkeypatch.setattr(_blocks, "MOST_DENSE", 0)


def chains(n=60, seed=0, longest=6):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(5, 4))
    X = [rng.normal(size=(length, 5)) for length in rng.integers(1, longest + 1, size=n)]
    return X, [(x @ W + rng.gumbel(size=(len(x), 4))).argmax(axis=1) for x in X]


def bound_dense():
    X, y = chains()
    model = ChainModel(task_loss="normalized_hamming")
    model.initialize(X, y)
    return model.bind(X, y)


def trained(problem, engine, caution=1.0, rounds=4):
    """Blocks after a few rounds on copies, and the mean gaps of cached passes."""
    blocks = DualBlocks(problem)
    blocks.point.regularization = 0.02
    replicas = Replicas(blocks)
    replicas.caution = caution
    rng = np.random.default_rng(1)
    gaps = []
    for _ in range(rounds):
        replicas.exact_pass(rng.permutation(problem.n_examples).astype(np.int32), engine)
        for skip_below in (0.0, 0.01):
            order = rng.permutation(problem.n_examples).astype(np.int32)
            gaps.append(replicas.cached_pass(order, skip_below, engine))
    return blocks, gaps, replicas


PROBLEMS = {
    "dense": bound_dense,
    "labels": bound_text,
    "labels, weighted": lambda: bound_text(binary=False, weighted=True),
    "growing": lambda: grown_form(bound_text()),
}


@pytest.fixture(params=PROBLEMS)
def make_problem(request, shares_everything, monkeypatch):
    request.getfixturevalue(
        "planes_as_vectors" if request.param == "dense" else "everything_is_text"
    )
    if request.param == "growing":
        monkeypatch.setattr(_blocks, "MOST_DENSE", 0)
    return PROBLEMS[request.param]


@pytest.mark.parametrize("caution", [1.0, 1.5])
def test_threads_do_not_change_bits(make_problem, caution):
    runs = [trained(make_problem(), engine(), caution) for engine in ENGINES.values()]
    (first, gaps, replicas), *others = runs
    assert len(replicas.bounds) > 3
    assert isinstance(first.store, LabelPlanes) == (make_problem is not bound_dense)
    held = first.snapshot()
    for blocks, other_gaps, _ in others:
        assert other_gaps == gaps
        again = blocks.snapshot()
        assert held.keys() == again.keys()
        for name, array in held.items():
            assert np.array_equal(array, again[name]), name


@pytest.mark.parametrize("caution", [1.0, 2.0])
def test_the_dual_point_is_exact(make_problem, caution):
    """Weights are those of the stored dual point, each block's dual weights sum to one, and with
    as much caution as parts no pass lowers the dual value."""
    problem = make_problem()
    blocks = DualBlocks(problem)
    blocks.point.regularization = 0.02
    replicas, engine = Replicas(blocks), OneAfterTheOther()
    replicas.caution = caution
    rng, values = np.random.default_rng(2), [0.0]
    for k in range(9):
        order = rng.permutation(problem.n_examples).astype(np.int32)
        if k % 3 == 0:
            replicas.exact_pass(order, engine)
        else:
            replicas.cached_pass(order, 0.0, engine)
        z, loss = blocks.store.combination()
        assert z.any()
        np.testing.assert_allclose(blocks.point.weights, z / 0.02, rtol=0, atol=1e-9)
        for part in replicas.copies():
            np.testing.assert_allclose(part, blocks.point.weights, rtol=0, atol=1e-9)
        held = blocks.store.snapshot()
        of_block = np.repeat(np.arange(problem.n_examples), held["sizes"])
        assert (held["planes"][:, 0] >= 0).all()
        totals = np.bincount(of_block, held["planes"][:, 0], problem.n_examples) + held["truth"]
        np.testing.assert_allclose(totals, 1.0, rtol=0, atol=1e-12)
        values.append(loss - z @ z / (2 * 0.02))
        # It is a lower bound of the objective at any weights.
        w = z / 0.02
        grows = isinstance(problem, GrownProblem)
        hinge = problem.dense.mean_hinge(problem.expanded(w)) if grows else problem.mean_hinge(w)
        assert values[-1] <= 0.01 * w @ w + hinge + 1e-12
        assert blocks.store.n_planes == len(held["planes"])
        assert blocks.store.n_entries == held["counts"][:, 1].sum()
    if caution == 2.0:
        assert (np.diff(values) >= -1e-12).all()


@pytest.mark.parametrize("caution", [1.0, 1.5])
@pytest.mark.parametrize("name", ["dense", "labels"])
def test_passes_equal_numpy(shares_everything, everything_is_text, name, caution):
    problem = PROBLEMS[name]()
    blocks = DualBlocks(problem)
    twin = ReferenceBlocks(problem, **blocks.options)
    for b in (blocks, twin):
        b.point.regularization = 0.02
    replicas, engine = Replicas(blocks), OneAfterTheOther()
    replicas.caution = caution
    reference = ReferenceReplicas(twin, 2, caution)
    rng = np.random.default_rng(3)
    for k in range(9):
        order = rng.permutation(problem.n_examples).astype(np.int32)
        if k % 3 == 0:
            replicas.exact_pass(order, engine)
            reference.make_pass(lambda part, some: part.exact_pass(some), order, replicas.bounds)
        else:
            ours = replicas.cached_pass(order, 0.0, engine)
            kept = np.array([i for i in order if twin.planes[i] and not twin.gaps[i] < 0.0])
            bounds = replicas.bounds
            met = reference.make_pass(lambda part, some: part.cached_gaps(some), kept, bounds)
            theirs = sum(sum(gaps) for part in met for gaps in part) / len(kept)
            assert ours == pytest.approx(theirs, abs=1e-10)
        np.testing.assert_allclose(blocks.point.weights, twin.weights, rtol=0, atol=1e-9)
        np.testing.assert_allclose(blocks.steps.gaps, twin.gaps, rtol=0, atol=1e-9)
        np.testing.assert_allclose(blocks.hinges, twin.hinges, rtol=0, atol=1e-9)
        assert blocks.store.n_planes == twin.n_planes


@pytest.mark.usefixtures("shares_everything", "planes_as_vectors")
def test_chunks_equal_serial_passes_at_old_weights_to_the_bit():
    """The first pass, put together from serial passes over the parts of its chunks."""
    problem = bound_dense()
    blocks, *parts = (DualBlocks(problem) for _ in range(3))
    for b in (blocks, *parts):
        b.point.regularization = 0.02
    replicas = Replicas(blocks)
    order = np.random.default_rng(0).permutation(problem.n_examples).astype(np.int32)
    replicas.exact_pass(order, Threads(2))
    w = np.zeros(problem.n_weights)
    pairs = list(itertools.pairwise(replicas.bounds))
    assert len(pairs) > 6
    for chunk in range(0, len(pairs), 2):
        for part, (start, stop) in zip(parts, pairs[chunk : chunk + 2], strict=True):
            part.exact_pass(order[start:stop])
        w = w + ((parts[0].point.weights - w) + (parts[1].point.weights - w))
        for part in parts:
            part.point.weights[:] = w
    assert w.any()
    assert np.array_equal(blocks.point.weights, w)
    assert np.array_equal(blocks.hinges, parts[0].hinges + parts[1].hinges)


def test_parts_have_the_same_work(shares_everything):
    problem = bound_dense()
    _, _, replicas = trained(problem, OneAfterTheOther(), rounds=1)
    bounds = replicas.bounds
    assert bounds[0] == 0
    assert (np.diff(bounds) >= 0).all()
    assert bounds[-1] <= problem.n_examples


def test_an_example_twice_is_refused(shares_everything):
    replicas = Replicas(DualBlocks(bound_dense()))
    order = np.zeros(60, dtype=np.int32)
    with pytest.raises(ValueError, match=r"example 0 comes twice"):
        replicas.exact_pass(order, OneAfterTheOther())


@pytest.mark.parametrize(
    "options", [{"frank_wolfe": True}, {"max_planes": 0}, {"average": True}], ids=str
)
def test_some_blocks_are_not_shared(options):
    blocks = DualBlocks(bound_dense(), **options)
    assert not may_share(blocks)
    with pytest.raises(ValueError, match="not visited on several threads"):
        Replicas(blocks)


def test_ctrl_c_ends_a_pass_between_two_chunks(make_problem):
    problem = make_problem()
    blocks = DualBlocks(problem)
    blocks.point.regularization = 0.02
    replicas = Replicas(blocks)

    class Interrupted(Threads):
        def together(self, task, n_threads):
            def late(thread):
                if thread == 0 and threading.current_thread() is threading.main_thread():
                    signal.raise_signal(signal.SIGINT)
                task(thread)

            super().together(late, n_threads)

    order = np.arange(problem.n_examples, dtype=np.int32)
    for _ in range(2):  # the second time there are steps of an earlier pass
        with pytest.raises(KeyboardInterrupt):
            replicas.exact_pass(order, Interrupted(2))
        z, _ = blocks.store.combination()
        np.testing.assert_allclose(blocks.point.weights, z / 0.02, rtol=0, atol=1e-9)
        # It goes on from there.
        replicas.exact_pass(order, Threads(2))
    z, _ = blocks.store.combination()
    np.testing.assert_allclose(blocks.point.weights, z / 0.02, rtol=0, atol=1e-9)


def test_ctrl_c_before_a_visit_tells_no_step_twice(make_problem):
    problem = make_problem()
    blocks = DualBlocks(problem)
    blocks.point.regularization = 0.02
    replicas = Replicas(blocks)
    order = np.arange(problem.n_examples, dtype=np.int32)

    class Interrupting(list):
        def __getitem__(self, k):
            raise KeyboardInterrupt

    replicas.exact_pass(order, OneAfterTheOther())
    replicas.times = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        replicas.exact_pass(order, OneAfterTheOther())
    z, _ = blocks.store.combination()
    np.testing.assert_allclose(blocks.point.weights, z / 0.02, rtol=0, atol=1e-9)


def test_errors_of_parts_are_raised_and_leave_a_dual_point(shares_everything, monkeypatch):
    X, y = chains()
    X[40] = X[40] * 1e200  # its plane has an infinite norm
    model = ChainModel(task_loss="normalized_hamming")
    model.initialize(X, y)
    problem = model.bind(X, y)
    blocks = DualBlocks(problem)
    blocks.point.regularization = 0.02
    replicas = Replicas(blocks)
    order = np.arange(problem.n_examples, dtype=np.int32)
    for engine in (OneAfterTheOther(), Threads(2)):
        with pytest.raises(ValueError, match="too large"):
            replicas.exact_pass(order, engine)


# ---------------------------------------------------------------- whole fits


def sharing(**params):
    return ChainSVM(
        scale=None, loss="normalized_hamming", C=0.5, tol=1e-3, random_state=0, **params
    )


def test_every_n_jobs_above_1_gives_the_same_fit(shares_everything):
    X, y = chains(200)
    one, *several = (sharing(n_jobs=n).fit(X, y) for n in (1, 2, 3, 4))
    for svm in several:
        assert svm.status_ == one.status_ == "converged"
        assert svm.certified_
        assert np.array_equal(svm.coef_, several[0].coef_)
        assert same_history(svm.history_, several[0].history_)
    assert not np.array_equal(one.coef_, several[0].coef_)
    # Two certificates of one optimum
    low = max(svm.objective_ * (1 - svm.dual_gap_) for svm in (one, several[0]))
    assert low <= min(one.objective_, several[0].objective_) * (1 + 1e-12)


def test_the_certified_objective_is_that_of_all_outputs(shares_everything):
    """The objective from an enumeration of all outputs, and the gap against a far longer fit."""
    X, y = chains(120, longest=3)
    svm = sharing(n_jobs=2).fit(X, y)
    best = sharing(n_jobs=1).set_params(tol=1e-6).fit(X, y)
    model = svm.model_
    w = svm.coef_
    total = 0.0
    for x, truth in zip(X, y, strict=True):
        psi = model.joint_feature(x, truth)
        total += max(
            model.loss(truth, other) - w @ (psi - model.joint_feature(x, other))
            for other in map(np.array, itertools.product(range(4), repeat=len(truth)))
        )
    objective = 0.5 * w @ w + 0.5 * total
    assert objective == pytest.approx(svm.objective_, rel=1e-9)
    assert svm.objective_ * (1 - svm.dual_gap_) <= best.objective_ * (1 + 1e-9)
    assert best.objective_ <= svm.objective_ * (1 + 1e-9)


@pytest.mark.parametrize("form", ["dense", "growing"])
def test_a_fit_on_threads_resumes(shares_everything, form, request, tmp_path):
    if form == "growing":
        request.getfixturevalue("everything_grows")
        X, y = text(0, binary=True, n_examples=60)
    else:
        X, y = chains(100)
    svm = sharing(n_jobs=2).set_params(tol=1e-5)
    whole = clone(svm).fit(X, y)
    path = tmp_path / "fit.ckpt"
    part = clone(svm).set_params(callbacks=[Checkpoint(path, every=2), stop_after(5)])
    assert part.fit(X, y).n_iter_ == 5
    resumed = clone(svm).set_params(n_jobs=3).fit(X, y, resume_from=path)
    assert resumed.n_iter_ == whole.n_iter_ > 5
    assert np.array_equal(resumed.coef_, whole.coef_)
    assert same_history(resumed.history_, whole.history_)


@pytest.mark.parametrize(
    "solver", [BCFW(sampling="gap"), BCFW(averaging=True), BCFW(step="frank_wolfe")], ids=str
)
def test_other_settings_stay_serial(shares_everything, solver):
    X, y = chains(60)
    svm = sharing(solver=solver).set_params(tol=0.1, max_iter=200)
    one, two = (clone(svm).set_params(n_jobs=n).fit(X, y) for n in (1, 2))
    assert np.array_equal(one.coef_, two.coef_)
