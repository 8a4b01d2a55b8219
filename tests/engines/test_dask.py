"""Fits on the workers of a cluster: same bits for any number of workers, in any order, and after
deaths."""

import contextlib
import functools
import os
import pickle
import signal
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest
from elsewhere import FailsElsewhere
from sklearn.base import clone

from structsvm import (
    ChainSVM,
    GraphSVM,
    MulticlassSVM,
    StructSVM,
    load,
)
from structsvm.cli import main
from structsvm.engines import DaskEngine
from structsvm.exceptions import ClusterError
from structsvm.linalg._plane import PlaneBatch
from structsvm.solvers import BCFW, CuttingPlane, NSlack


class Answer:
    status = "pending"

    def __init__(self, work):
        self.work = work

    @functools.cached_property
    def value(self):
        return self.work()


class Here:
    """A client whose cluster is this process; what travels is pickled, as it would be.

    A task is done when somebody asks for it, the last of several first. The answer to question
    number `fails_at` is that the scheduler is gone.
    """

    status = "running"

    def __init__(self, fails_at=None):
        self.fails_at = fails_at
        self.n_asked = 0
        self.cancelled = []

    def submit(self, function, *arguments, key, pure, retries=0):
        assert not pure
        sent = [
            one if isinstance(one, Answer) else pickle.loads(pickle.dumps(one)) for one in arguments
        ]
        return Answer(
            lambda: function(*(one.value if isinstance(one, Answer) else one for one in sent))
        )

    def map(self, function, *columns, key, pure):
        return [
            self.submit(function, *row, key=one, pure=pure)
            for one, *row in zip(key, *columns, strict=True)
        ]

    def gather(self, answers):
        self.n_asked += len(answers)
        if self.fails_at is not None and self.n_asked >= self.fails_at:
            self.status = "closed"
            for answer in answers[1:]:
                answer.status = "cancelled"
            raise CancelledError("scheduler-connection-lost")
        return [pickle.loads(pickle.dumps(answer.value)) for answer in answers[::-1]][::-1]

    def cancel(self, answers):
        self.cancelled += answers


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def text(n=60, seed=0):
    """Sentences of rare words, as sparse rows."""
    from structsvm.features import SequenceVectorizer

    random = np.random.default_rng(seed)
    y = [random.integers(0, 3, size=k).astype(str) for k in random.integers(1, 8, size=n)]
    X = [
        [{f"w{t}{random.integers(9)}": 1.0, f"r{random.integers(90)}": 1.0} for t in row]
        for row in y
    ]
    return SequenceVectorizer().fit_transform(X), y


def graphs(seed=0):
    random = np.random.default_rng(seed)
    X, y = [], []
    for n in random.integers(3, 7, size=30):
        labels = random.integers(0, 2, size=n)
        edges = np.array([(i, i + 1) for i in range(n - 1)])
        X.append((np.eye(2)[labels] + random.normal(size=(n, 2)), edges))
        y.append(labels)
    return X, y


def rows(seed=0):
    random = np.random.default_rng(seed)
    y = random.integers(0, 4, size=80)
    return np.eye(4)[y] + random.normal(size=(80, 4)), y


def same(one, other):
    assert np.array_equal(one.coef_, other.coef_)
    assert one.dual_gap_ == other.dual_gap_
    assert one.n_oracle_calls_ == other.n_oracle_calls_
    for name in ("objective", "dual_objective", "gap", "gap_estimate"):
        assert np.array_equal(one.history_[name], other.history_[name], equal_nan=True)


def bounds_agree(fit, local):
    """The optimum is between the bounds of both."""
    least = max(fit.dual_objective_, local.dual_objective_)
    assert least <= min(fit.objective_, local.objective_) * (1 + 1e-9)
    assert fit.certified_ == local.certified_


# ---- the same optimum, and the same bits


def chain(**params):
    return ChainSVM(C=0.5, tol=1e-2, random_state=0, **params)


FITS = {
    "text": (chain, text),
    "chains with Frank-Wolfe steps": (
        functools.partial(chain, solver=BCFW(step="frank_wolfe"), max_iter=40),
        text,
    ),
    "graphs": (functools.partial(GraphSVM, C=0.5, tol=1e-4, random_state=0), graphs),
    "rows": (
        functools.partial(MulticlassSVM, C=0.1, tol=1e-4, solver="bcfw", random_state=0),
        rows,
    ),
    "cutting planes": (functools.partial(chain, solver=CuttingPlane()), text),
    "n-slack": (functools.partial(chain, solver=NSlack()), text),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_same_bits_for_any_workers_and_order(name, client):
    make, data = FITS[name]
    X, y = data()
    fit = make(engine=DaskEngine(Here(), partitions=5)).fit(X, y)
    same(make(engine=DaskEngine(client, partitions=5)).fit(X, y), fit)
    bounds_agree(fit, make().fit(X, y))


@pytest.mark.parametrize("n_workers", [1, 4])
def test_the_number_of_workers_changes_nothing(n_workers):
    distributed = pytest.importorskip("distributed")
    X, y = text()
    with (
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        fit = chain(engine=DaskEngine(client, partitions=5)).fit(X, y)
    same(fit, chain(engine=DaskEngine(Here(), partitions=5)).fit(X, y))


def test_weights_of_examples_and_outputs_left_out_travel():
    X, y = text()
    weight = np.random.default_rng(1).uniform(0.5, 2.0, size=len(y))
    y = [np.array([f"{'BI'[t > 0]}-{tag}" for t, tag in enumerate(row)]) for row in y]
    y[3] = np.array(["I-0"] * len(y[3]))  # breaks the constraints
    params = {"constraints": "iob2", "on_violation": "skip"}
    with pytest.warns(UserWarning, match="sequences break the constraints"):
        fit = chain(engine=DaskEngine(Here(), partitions=4), **params).fit(X, y, weight)
    with pytest.warns(UserWarning, match="sequences break the constraints"):
        local = chain(**params).fit(X, y, weight)
    assert fit.n_violations_ == local.n_violations_ > 0
    bounds_agree(fit, local)
    assert fit.dual_gap_ <= 1e-2


def test_given_weights_travel():
    X, y = text()
    local = chain().fit(X, y)
    fixed = np.full(len(local.coef_), np.nan)
    fixed[:5] = 0.25
    base = 0.5 * local.coef_
    base[:5] = 0.25
    params = {"prior_weights": base, "fixed_weights": fixed}
    fit = chain(engine=DaskEngine(Here(), partitions=4), **params).fit(X, y)
    assert (fit.coef_[:5] == 0.25).all()
    bounds_agree(fit, chain(**params).fit(X, y))


@pytest.mark.parametrize("scale", [None, "auto"])
def test_chosen_penalties_and_warm_starts(scale):
    X, y = text()
    engine = DaskEngine(Here(), partitions=3)
    svm = ChainSVM(C="auto", scale=scale, tol=1e-2, random_state=0, engine=engine).fit(X, y)
    assert svm.C_ == ChainSVM(C="auto", scale=scale, tol=1e-2, random_state=0).fit(X, y).C_
    warm = chain(engine=engine, warm_start=True).fit(X, y)
    warm.set_params(C=0.6).fit(X, y)
    bounds_agree(warm, chain(engine=engine).set_params(C=0.6).fit(X, y))
    before = warm.dual_objective_
    assert warm.set_params(engine=None).fit(X, y).dual_objective_ >= before * (1 - 1e-4)


def test_slack_rescaling_and_models_in_python(client):
    X, y = text()
    params = {"rescaling": "slack", "C": 0.5, "tol": 1e-3, "random_state": 0}
    fit = ChainSVM(engine=DaskEngine(Here(), partitions=4), **params).fit(X, y)
    bounds_agree(fit, ChainSVM(**params).fit(X, y))
    X, y = rows()
    model = FailsElsewhere(4)
    svm = StructSVM(model, C=0.1, tol=1e-3, random_state=0)
    fit = clone(svm).set_params(engine=DaskEngine(client, partitions=3)).fit(list(X), y.tolist())
    bounds_agree(fit, svm.fit(list(X), y.tolist()))
    assert fit.certified_


def test_calls_are_counted_and_options_without_meaning_change_nothing():
    X, y = text()
    counts = []
    fit = chain(
        engine=DaskEngine(Here(), partitions=4),
        callbacks=[lambda p: counts.append(p.n_oracle_calls)],
    ).fit(X, y)
    assert counts[0] == 2 * len(y)  # the oracle is cheap: two sweeps
    other = chain(engine=DaskEngine(Here(), partitions=4), solver=BCFW(acceleration=0))
    same(other.fit(X, y), fit)


# ---- deaths


def killing(client, n, killed):
    """A callback that kills a worker in n of the first six rounds."""
    rounds = np.random.default_rng(0).choice(np.arange(1, 7), size=n, replace=False)

    def callback(progress):
        if progress.n_iter in rounds:
            pids = client.run(os.getpid, on_error="ignore")
            os.kill(min(pids.values()), signal.SIGKILL)
            killed.append(progress.n_iter)

    return callback


def test_workers_that_are_killed_change_nothing(client):
    X, y = text()
    killed = []
    svm = chain(engine=DaskEngine(client, partitions=5), callbacks=[killing(client, 3, killed)])
    same(svm.fit(X, y), chain(engine=DaskEngine(Here(), partitions=5)).fit(X, y))
    assert len(killed) == 3


def left_on(client):
    return client.run_on_scheduler(lambda dask_scheduler: sorted(map(str, dask_scheduler.tasks)))


def test_nothing_is_left_behind(client):
    X, y = text()
    engine = DaskEngine(client, partitions=5)
    svm = chain(engine=engine).fit(X, y)
    for _ in range(100):
        if not left_on(client) and not any(
            client.run(lambda dask_worker: len(dask_worker.data)).values()
        ):
            break
        time.sleep(0.1)
    assert left_on(client) == []
    assert svm.predict(X)  # asks no worker
    assert left_on(client) == []


# ---- what can go wrong


def failing(client, how):
    X, y = rows()
    model = FailsElsewhere(4, how, os.getpid())
    engine = DaskEngine(client, partitions=4)
    return StructSVM(model, C=0.1, tol=1e-6, random_state=0, engine=engine), list(X), y.tolist()


def test_a_scheduler_that_goes_away_leaves_the_best_weights():
    X, y = text()
    client = Here(fails_at=33)
    svm = chain(engine=DaskEngine(client, partitions=5))
    with pytest.raises(ClusterError, match=r"scheduler went away.*partition 1 of 5 \(examples 12"):
        svm.fit(X, y)
    assert svm.status_ == "failed"
    assert 1 <= svm.n_iter_ < 7
    assert svm.score(X, y) > 0.5
    assert len(client.cancelled) == 5  # of the round that was under way
    assert client.n_asked == 34  # nobody asks again


def test_a_partition_that_cannot_be_read_is_named(client):
    svm, X, y = failing(client, "reading")
    with pytest.raises(
        ClusterError,
        match=r"partition \d of 4 \(examples \d+ to \d9\) cannot be read: "
        "OSError: no disk for reading",
    ):
        svm.fit(X, y)
    assert not hasattr(svm, "coef_")


def test_what_an_oracle_raises_comes_with_the_name_of_its_partition(client):
    svm, X, y = failing(client, "asked")
    with pytest.raises(OSError, match="no disk for asked") as caught:
        svm.fit(X, y)
    assert any("of 4 (examples" in note for note in caught.value.__notes__)
    assert svm.status_ == "failed"
    assert svm.n_iter_ >= 1
    assert svm.coef_.any()


def test_a_partition_that_ends_its_workers_is_named(client):
    svm, X, y = failing(client, "ends")
    before = client.run_on_scheduler(of_scheduler, "allowed_failures", 0)
    try:
        with pytest.raises(ClusterError, match=r"partition \d of 4 .* memory ran out"):
            svm.fit(X, y)
    finally:
        client.run_on_scheduler(of_scheduler, "allowed_failures", before)


def of_scheduler(name, value, dask_scheduler):
    before = getattr(dask_scheduler, name)
    setattr(dask_scheduler, name, value)
    return before


@pytest.mark.parametrize("solver", ["subgradient", "perceptron"])
def test_solvers_that_visit_examples_themselves_are_refused(solver):
    with pytest.raises(ValueError, match=f"solver '{solver}' visits the examples itself"):
        ChainSVM(solver=solver, engine=DaskEngine(Here())).fit(*text())
    with pytest.raises(ValueError, match="solver 'block_dual' visits the examples itself"):
        MulticlassSVM(engine=DaskEngine(Here())).fit(*rows())


def test_parameters_are_checked():
    for name, value in (("partitions", 0), ("partitions", 1.5), ("retries", -1), ("retries", True)):
        with pytest.raises(ValueError, match=f"{name}={value!r}: expected an integer"):
            DaskEngine(Here(), **{name: value})
    with pytest.raises(TypeError, match=r"client is a str, expected a distributed\.Client"):
        DaskEngine("tcp://127.0.0.1:8786")
    with pytest.raises(TypeError, match=r"engine='dask': expected an Engine"):
        ChainSVM(engine="dask").fit(*text())


# ---- estimators


def test_clones_share_the_engine_and_files_do_not_have_it(tmp_path):
    X, y = text()
    engine = DaskEngine(Here(), partitions=2)
    svm = chain(engine=engine)
    assert clone(svm).engine is engine
    assert svm.get_params()["engine"] is engine
    assert "DaskEngine" in repr(svm)
    svm.fit(X, y)
    assert svm.engine is engine
    copy = pickle.loads(pickle.dumps(svm))
    svm.save(tmp_path / "model")
    for other in (copy, load(tmp_path / "model")):
        assert other.engine is None
        assert np.array_equal(np.concatenate(other.predict(X)), np.concatenate(svm.predict(X)))
    with pytest.raises(TypeError, match="stays in the process that has the client"):
        pickle.dumps(engine)


def test_planes_that_do_not_fit_are_refused():
    sizes, indices, values, bounds = PlaneBatch(2).packed()
    slots = np.arange(2, dtype=np.int32)
    for packed, message in (
        ((sizes[:1], indices, values, bounds), "1 planes do not fit 2 slots"),
        ((sizes + 1, indices, values, bounds), "plane 0 has 1 entries, more than there are"),
        ((sizes - 1, indices, values, bounds), "plane 0 has -1 entries"),
        ((sizes, np.ones(1, np.int32), np.ones(1), bounds), "1 entries, but the planes have 0"),
        ((np.array([1, 0]), np.array([7], np.int32), np.ones(1), bounds), "the index 7 of 3"),
    ):
        with pytest.raises(ValueError, match=message):
            PlaneBatch(2).fill(packed, slots, 3)
    with pytest.raises(ValueError, match="slot 2 of a batch of 2"):
        PlaneBatch(2).fill((sizes, indices, values, bounds), slots + 1, 3)


# ---- the command line


@pytest.fixture
def corpus(tmp_path):
    random = np.random.default_rng(0)
    lines = []
    for n in random.integers(1, 8, size=50):
        tags = random.integers(0, 3, size=n)
        lines += [f"w{tag}{random.integers(9)} r{random.integers(20)} T{tag}" for tag in tags]
        lines.append("")
    path = tmp_path / "train.txt"
    path.write_text("\n".join(lines))
    return path


def test_the_command_line_trains_on_a_cluster(client, corpus, tmp_path, capsys):
    model = tmp_path / "model"
    arguments = ["train", str(corpus), "-o", str(model), "-C", "0.5", "--tol", "0.03"]
    assert main([*arguments, "--scheduler", client.scheduler.address]) == 0
    assert "certified gap" in capsys.readouterr().err
    tagger = load(model)
    assert tagger.dual_gap_ <= 0.03
    assert tagger.engine is None
    before = model.read_bytes()
    assert main(arguments) == 0
    assert load(model).objective_ * (1 - 0.03) <= tagger.objective_
    assert model.read_bytes() != before


def test_a_scheduler_that_is_not_there_is_one_sentence(corpus, tmp_path, capsys, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("structsvm.cli.cluster._WAIT", "200ms")
    arguments = ["train", str(corpus), "-o", str(tmp_path / "model"), "-q", "--scheduler"]
    assert main([*arguments, "tcp://127.0.0.1:1"]) == 1
    told = capsys.readouterr().err
    assert "error: --scheduler tcp://127.0.0.1:1: no scheduler answers there" in told
    assert not (tmp_path / "model").exists()


def test_a_scheduler_that_goes_away_leaves_a_model(corpus, tmp_path, capsys, monkeypatch):
    @contextlib.contextmanager
    def workers_of(address):
        yield DaskEngine(Here(fails_at=33), partitions=5)

    monkeypatch.setattr("structsvm.cli.train.workers_of", workers_of)
    arguments = ["train", str(corpus), "-o", str(tmp_path / "model"), "--tol", "0.001"]
    assert main([*arguments, "--scheduler", "tcp://a:1"]) == 1
    assert "scheduler went away" in capsys.readouterr().err
    assert load(tmp_path / "model").predict([[("w01", "r1")]])
