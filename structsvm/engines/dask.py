"""Workers on other machines, by dask.distributed.

The data are cut into partitions. Each is a pure task, which makes the problem of its examples and
stays on the worker that did so; if that worker dies, another makes it again. A question is one task
a partition, and depends on the weights, which are a task, too, so that they travel once to each
worker. Workers keep no other state, and answers are taken in order of the partitions. So neither
the number of workers nor their deaths change a bit.

Weights travel as they are, in 8 bytes, or as places and values where more than a third are 0:
what comes back is of the same weights to the bit, and certificates hold as they are.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from structsvm.engines.base import Engine, Job, PartSource, Serial, later
from structsvm.exceptions import ClusterError
from structsvm.linalg._plane import PlaneBatch, padded_copy, padded_vector

if TYPE_CHECKING:
    from structsvm.problems import Problem

__all__ = ["DaskEngine"]

_PARTITIONS = 16
# Answers of at least so many partitions come at once, in about so many times.
_LEAST_AT_ONCE, _TIMES = 4, 4
_THREADED = threading.Lock()


class DaskEngine(Engine):
    """The workers of a Dask cluster, each with some partitions of the data.

    Made for `StructSVM` and its kin: ``ChainSVM(engine=DaskEngine(client)).fit(X, y)``. Solvers
    "bcfw", "cutting_plane" and "n_slack" take it. `BCFW` has each partition swept where it is, with
    steps on weights of its own, and twice where oracles are cheap; the planes that were found come
    back, and the dual steps that count are made on them here, with cached passes over all of them.
    Its options `acceleration` and `sampling` have no meaning then. Certificates are passes over all
    partitions at the same weights.

    Predictions, held-out scores among them, are made in this process.

    Parameters
    ----------
    client : distributed.Client
        Of a cluster whose workers can import structsvm, and the module of a model of your own.
    partitions : int, default=None
        Into how many partitions of neighbouring examples the data are cut; None is 16, or as many
        as there are examples. Results depend on it, as on a parameter of the solver; they do not
        depend on the number of workers.
    retries : int, default=2
        How many times a partition that cannot be read is tried again.

    Attributes
    ----------
    bytes_down, bytes_up : int
        Bytes of weights and of answers so far: those of weights count once, and go to each worker.
    n_questions : int
        Rounds over all partitions so far.

    Notes
    -----
    Memory of a worker is O(its data + n_weights); here it is that of a fit in one process. Weights
    are n_weights numbers a round down to each worker, and planes come up with 12 bytes an entry.

    Between fits nothing is left on the workers. One fit at a time uses an engine.

    Fits raise `structsvm.exceptions.ClusterError` where a partition cannot be read, where one ends
    the workers that hold it, and where the scheduler goes away; after the first iteration they keep
    the best weights so far. What a model raises comes as it is, with the name of the partition.

    References
    ----------
    M. Rocklin (2015). Dask: parallel computation with blocked algorithms and task scheduling.
    SciPy. doi:10.25080/Majora-7b98e3ed-013

    Examples
    --------
    >>> from distributed import Client  # doctest: +SKIP
    >>> from structsvm import ChainSVM
    >>> from structsvm.engines import DaskEngine
    >>> client = Client("tcp://scheduler:8786")  # doctest: +SKIP
    >>> svm = ChainSVM(engine=DaskEngine(client)).fit(X, y)  # doctest: +SKIP
    """

    in_flight = 0
    elsewhere = True

    def __init__(self, client: Any, *, partitions: int | None = None, retries: int = 2) -> None:
        for name, value, least in (("partitions", partitions, 1), ("retries", retries, 0)):
            if value is None and name == "partitions":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise ValueError(f"{name}={value!r}: expected an integer >= {least}")
        if not callable(getattr(client, "submit", None)) or getattr(client, "asynchronous", False):
            raise TypeError(
                f"client is a {type(client).__name__}, expected a distributed.Client that is not "
                "asynchronous: Client('tcp://...')"
            )
        self.client = client
        self.partitions = partitions
        self.retries = retries
        self.bytes_down = self.bytes_up = self.n_questions = 0
        self._sources: dict[int, tuple[Problem, PartSource]] = {}
        self._held: dict[int, _Partitions] = {}

    def introduce(self, problem: Problem, source: PartSource) -> None:
        held = self._held.pop(id(problem), None)
        if held is not None:
            held.release()
        self._sources[id(problem)] = problem, source

    def begin(
        self,
        problem: Problem,
        question: str,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: Any,
    ) -> Job:
        known = id(problem) in self._sources
        if not known or not isinstance(out, (PlaneBatch, np.ndarray)):
            return Serial().begin(problem, question, examples, w, out)
        return later(lambda: self._answer(problem, question, np.asarray(examples), w, out))

    def _answer(
        self, problem: Problem, question: str, examples: NDArray[np.int32], w: Any, out: Any
    ) -> None:
        parts = self._partitions(problem)
        # Slots of the examples of each part, which may be asked for in any order.
        of_part = np.searchsorted(parts.bounds, examples, side="right") - 1
        slots = [np.flatnonzero(of_part == k).astype(np.int32) for k in range(len(parts))]
        asked = [examples[s] - parts.bounds[k] for k, s in enumerate(slots)]
        batched = isinstance(out, PlaneBatch)
        per_part = [(question, mine.astype(np.int32), batched) for mine in asked]
        for k, answer in parts.ask(_answers, w, per_part):
            if batched:
                out.fill(answer, slots[k], problem.n_weights)
            else:
                out[slots[k]] = answer

    def on_parts(
        self, problem: Problem, task: Callable[..., Any], w: NDArray[np.float64], *arguments: Any
    ) -> Iterator[tuple[NDArray[np.int32], Any]]:
        parts = self._partitions(problem)
        for k, result in parts.ask(task, w, [arguments] * len(parts)):
            yield np.arange(*parts.bounds[k : k + 2], dtype=np.int32), result

    def _partitions(self, problem: Problem) -> _Partitions:
        held = self._held.get(id(problem))
        if held is None:
            problem, source = self._sources[id(problem)]
            held = self._held[id(problem)] = _Partitions(self, problem, source)
        return held

    def close(self) -> None:
        """Release what lies on the workers; the client stays as it is."""
        self._sources.clear()
        while self._held:
            self._held.popitem()[1].release()

    def __repr__(self) -> str:
        address = getattr(getattr(self.client, "scheduler", None), "address", "closed")
        return f"DaskEngine({address!r}, partitions={self.partitions})"

    def __deepcopy__(self, memo: Any) -> DaskEngine:
        return self  # clones of an estimator share it, as they share the cluster

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a DaskEngine stays in the process that has the client: estimators are pickled and "
            "saved without it"
        )


class _Partitions:
    """The partitions of one problem, on the workers."""

    def __init__(self, engine: DaskEngine, problem: Problem, source: PartSource) -> None:
        n = problem.n_examples
        n_parts = max(min(engine.partitions or _PARTITIONS, n), 1)
        self.problem = problem
        self.bounds = np.linspace(0, n, n_parts + 1).astype(np.int64)
        self._engine, self._client = engine, engine.client
        self._name = f"structsvm-{uuid.uuid4().hex}"
        self._round = itertools.count()
        self._lost: Exception | None = None
        self._futures: list[Any] = []
        with _any_size():
            data = _pickled("the model", source.common())
            self._common = self._client.submit(
                _unpickled, data, key=f"{self._name}-model", pure=False
            )
            for k in range(n_parts):
                examples = np.arange(*self.bounds[k : k + 2], dtype=np.int32)
                data = _pickled(f"partition {k} of the data", source.part(examples))
                self._futures.append(
                    self._client.submit(
                        _bound,
                        self._common,
                        data,
                        self._place(k),
                        key=f"{self._name}-part-{k}",
                        pure=False,
                        retries=engine.retries,
                    )
                )

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def _place(self, k: int) -> str:
        first, stop = self.bounds[k : k + 2]
        return f"partition {k} of {len(self)} (examples {first} to {stop - 1})"

    def ask(
        self, task: Callable[..., Any], w: NDArray[np.float64], arguments: list[Any]
    ) -> Iterator[tuple[int, Any]]:
        """The results of ``task(part, w, *arguments[k])`` for each partition k, in order."""
        if self._lost is not None:
            raise self._lost
        n, problem = next(self._round), self.problem
        state = (problem.rescaling, problem.is_weighted)
        weights = _Weights.of(np.asarray(w))
        parts, answers = list(range(len(self))), []
        try:
            try:
                with _any_size():
                    sent = self._client.submit(
                        _as_it_is, weights, key=f"{self._name}-weights-{n}", pure=False
                    )
                    answers = self._client.map(
                        _result,
                        self._futures,
                        [sent] * len(parts),
                        [state] * len(parts),
                        [task] * len(parts),
                        arguments,
                        key=[f"{self._name}-answer-{n}-{k}" for k in parts],
                        pure=False,
                    )
            except Exception as error:
                self._translate(error, 0)
            self._engine.n_questions += 1
            self._engine.bytes_down += weights.nbytes
            # Some at a time, so that the first are taken in while others are still worked on.
            at_once = max(_LEAST_AT_ONCE, -(-len(parts) // _TIMES))
            for start in parts[::at_once]:
                chunk = parts[start : start + at_once]
                try:
                    results = self._client.gather([answers[k] for k in chunk])
                except Exception as error:
                    self._translate(error, self._first_failed(answers, chunk))
                for k, (result, exact) in zip(chunk, results, strict=True):
                    answers[k] = None
                    self._engine.bytes_up += _nbytes(result)
                    if not exact:
                        problem.go_on_from(False)
                    yield k, result
        finally:
            left = [answer for answer in answers if answer is not None]
            if left:
                with contextlib.suppress(Exception):
                    self._client.cancel(left)

    @staticmethod
    def _first_failed(answers: list[Any], chunk: list[int]) -> int:
        wrong = [k for k in chunk if answers[k].status not in ("finished", "pending")]
        return (wrong or chunk)[0]

    def _translate(self, error: Exception, k: int) -> NoReturn:
        """Raise what an error of Dask means; errors of the model as they are, with a note."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        if isinstance(error, KilledWorker):
            raise ClusterError(
                f"{self._place(k)} ended each worker that worked on it, most often because memory "
                "ran out: cut the data into more partitions, or give workers more memory"
            ) from error
        if isinstance(error, (CancelledError, CommClosedError, TimeoutError)) or (
            getattr(self._client, "status", "running") != "running"
        ):
            self._lost = ClusterError(
                f"the Dask scheduler went away, or cancelled the work, before {self._place(k)} had "
                "answered: start a cluster, and go on with warm_start or from a checkpoint"
            )
            raise self._lost from error
        if not isinstance(error, ClusterError):
            error.add_note(f"in {self._place(k)}, whose examples are numbered from 0 there")
        raise error

    def release(self) -> None:
        self._futures.clear()
        del self._common


def _any_size() -> Any:
    """Data that are here have to travel, which Dask warns of from 10 MB on."""
    import dask

    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PB"})


class _Weights:
    """A vector on its way: all of it, or the places and values of what is not 0."""

    def __init__(self, size: int, places: NDArray[Any] | None, values: NDArray[np.float64]) -> None:
        self.size, self.places, self.values = size, places, values
        self._vector: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, w: NDArray[np.float64]) -> _Weights:
        places = np.flatnonzero(w)
        if 3 * len(places) < 2 * len(w) and len(w) < 2**31:
            return cls(len(w), places.astype(np.int32), w[places])
        return cls(len(w), None, np.array(w))

    def __reduce__(self) -> Any:
        return _Weights, (self.size, self.places, self.values)

    def __sizeof__(self) -> int:
        return self.nbytes + 200

    @property
    def nbytes(self) -> int:
        return int(self.values.nbytes + (0 if self.places is None else self.places.nbytes))

    def vector(self) -> NDArray[np.float64]:
        with _THREADED:
            if self._vector is None:
                if self.places is None:
                    vector = padded_copy(self.values)
                else:
                    vector = padded_vector(self.size)
                    vector[self.places] = self.values
                self._vector = vector
            return self._vector


class _Part:
    """A partition on a worker: the problem, which is made anew where the partition is moved to."""

    def __init__(self, common: Any, data: bytes, name: str) -> None:
        self.common, self.data, self.name = common, data, name
        self.problem: Any = None
        self.weight: NDArray[np.float64] | None = None  # of its examples
        self.lock = threading.Lock()

    def __reduce__(self) -> Any:
        return _Part, (self.common, self.data, self.name)

    def __sizeof__(self) -> int:
        return 2 * len(self.data) + 1000  # where it lies, tasks come to it

    def bind(self) -> None:
        try:
            self.problem = _unpickled(self.data).bind(self.common)
        except MemoryError:
            raise
        except Exception as error:
            raise ClusterError(
                f"{self.name} cannot be read: {type(error).__name__}: {error}"
            ) from error
        self.weight = self.problem.example_weights() if self.problem.is_weighted else None

    def run(self, weights: _Weights, state: tuple[str, bool], task: Any, arguments: Any) -> Any:
        with self.lock:
            if self.problem is None:
                self.bind()
            problem, (rescaling, weighted) = self.problem, state
            if problem.rescaling != rescaling:
                problem.set_rescaling(rescaling)
            problem.set_sample_weight(self.weight if weighted else None)
            problem.reserve(1)
            return task(problem, weights.vector(), *arguments), bool(problem.exact)


def _bound(common: Any, data: bytes, name: str) -> _Part:
    part = _Part(common, data, name)
    part.bind()
    return part


def _as_it_is(weights: _Weights) -> _Weights:
    return weights


def _result(part: _Part, weights: _Weights, state: Any, task: Any, arguments: Any) -> Any:
    return part.run(weights, state, task, arguments)


def _answers(
    part: Problem, w: NDArray[np.float64], question: str, examples: NDArray[np.int32], planes: bool
) -> Any:
    """What a part answers about some of its examples: packed planes, or numbers."""
    out: Any = PlaneBatch(len(examples)) if planes else np.empty(len(examples))
    getattr(part, question)(examples, w, out)
    return out.packed() if planes else out


def _pickled(what: str, value: Any) -> bytes:
    try:
        data: bytes = cloudpickle.dumps(value)
    except Exception as error:
        raise TypeError(f"{what} cannot be sent to other machines: {error}") from error
    return data


def _unpickled(data: bytes) -> Any:
    return cloudpickle.loads(data)


def _nbytes(result: Any) -> int:
    if isinstance(result, tuple):
        return sum(map(_nbytes, result))
    return int(getattr(result, "nbytes", 0))
