"""Models written in Python on several processors: worker processes beside the one that calls.

For training each worker holds a copy of the model and the data, sent once. The weights lie in a
file that all map into memory; per call only example numbers go out and planes come back. For
predictions a worker holds the model, and gets its share of the examples with each call.

Workers are started as plain interpreters, not by multiprocessing, so that neither the user's main
module runs again nor a process with threads is forked. A start takes about a second, most of it
imports.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, BinaryIO, NamedTuple

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from structsvm.problems._problem import useful_threads
from structsvm.problems.python_methods import Numbered, ask_batch

__all__ = ["OracleProcesses", "Planes", "in_processes", "kept_workers"]

_COMMAND = (
    "import os, sys, pickle; sys.path[:] = pickle.loads(bytes.fromhex(sys.argv[1])); "
    "from structsvm.engines.processes import serve; serve()"
)


class Planes(NamedTuple):
    """Planes of several examples, one after the other."""

    sizes: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float64]
    losses: NDArray[np.float64]


class Workers:
    """Processes that each hold a copy of one object and call it with what they are sent.

    Parameters
    ----------
    task : callable
        Made where it is used: a worker calls ``task(question)`` and sends back what that returns.
    model : object
        Whose methods it calls; named in errors.
    n_processes : int

    Raises
    ------
    TypeError
        If the task cannot be pickled.
    """

    def __init__(self, task: Callable[[Any], Any], model: Any, n_processes: int) -> None:
        self._name = type(model).__name__
        self._asked = f"n_jobs={n_processes}"
        payload = self._pickled(task)
        path = pickle.dumps(sys.path).hex()
        self._workers = [
            subprocess.Popen(
                [sys.executable, "-c", _COMMAND, path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(n_processes)
        ]
        self.close = weakref.finalize(self, _end, self._workers)
        for worker in self._workers:
            _send(worker.stdin, payload)

    def _pickled(self, message: Any) -> bytes:
        try:
            data: bytes = cloudpickle.dumps(message)
        except Exception as error:
            raise TypeError(
                f"{self._name} or its data cannot be sent to other processes, as {self._asked} "
                f"asks: {error}. Use n_jobs=1"
            ) from error
        return data

    def shares(self, n: int) -> list[slice]:
        """The examples of each worker; no more workers than examples: no model need understand an
        empty batch."""
        bounds = np.linspace(0, n, min(len(self._workers), n) + 1).astype(int)
        return [slice(int(start), int(stop)) for start, stop in itertools.pairwise(bounds)]

    def ask(
        self, questions: Sequence[Any], meanwhile: Callable[[], object] | None = None
    ) -> list[Any]:
        """The answers to one question for each of the first workers; calls `meanwhile` meanwhile.

        Raises
        ------
        TypeError
            If a question cannot be pickled.
        RuntimeError
            If a worker ended.
        Exception
            What the model raised.
        """
        workers = self._workers[: len(questions)]
        try:
            for worker, question in zip(workers, questions, strict=True):
                _send(worker.stdin, self._pickled(question))
            if meanwhile is not None:
                meanwhile()
            answers = [_receive(worker) for worker in workers]
        except BaseException:
            # Questions may be unanswered: what the workers say next would be out of step.
            self.close()
            raise
        for answer in answers:
            if isinstance(answer, _Failure):
                raise answer.error
        return answers


class _Failure(NamedTuple):
    """In place of an answer."""

    error: Exception


class OracleProcesses:
    """Workers that make planes of a Python model.

    Parameters
    ----------
    model, X, Y, n_weights
        What `PythonProblem` takes.
    n_processes : int

    Raises
    ------
    TypeError
        If the model or the data cannot be pickled.
    """

    def __init__(
        self, model: Any, X: Sequence[Any], Y: Sequence[Any], n_weights: int, n_processes: int
    ) -> None:
        self._file = _shared_file(8 * max(n_weights, 1))
        try:
            self._weights = np.memmap(self._file.name, dtype=np.float64, mode="r+")
            task = _PlaneTask(model, X, Y, n_weights, self._file.name)
            self._workers = Workers(task, model, n_processes)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._workers.close()
        self._file.close()

    def planes(
        self,
        examples: NDArray[np.int32],
        weights: NDArray[np.float64],
        rescaling: str,
        meanwhile: Callable[[], object] | None = None,
    ) -> list[tuple[slice, Planes]]:
        """The planes of `examples` in pieces, each with its place; calls `meanwhile` while waiting.

        Raises as `Workers.ask` does.
        """
        self._weights[: len(weights)] = weights
        shares = self._workers.shares(len(examples))
        questions = [(np.asarray(examples[share]), rescaling) for share in shares]
        return list(zip(shares, self._workers.ask(questions, meanwhile), strict=True))


class _PlaneTask:
    """What a worker of `OracleProcesses` holds."""

    problem = None

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __call__(self, question: tuple[NDArray[np.int32], str]) -> Planes:
        from structsvm.problems._python import PythonProblem

        if self.problem is None:
            model, X, Y, n_weights, name = self.parts
            self.weights = np.memmap(name, dtype=np.float64, mode="r")[:n_weights]
            self.problem = PythonProblem(model, X, Y, n_weights)
        examples, rescaling = question
        if self.problem.rescaling != rescaling:
            self.problem.set_rescaling(rescaling)
        return self.problem.planes(examples, self.weights)


# ---- predictions


class _AnswerTask:
    """What a worker for predictions holds: the model, and the examples it was asked about last."""

    columns: tuple[Any, ...] = ()

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, question: tuple[str, Any, NDArray[np.float64]]) -> Any:
        name, columns, weights = question
        if columns is not None:
            self.columns = columns
        weights.flags.writeable = False
        return ask_batch(self.model, name, *self.columns, w=weights)[1]


class _AnswerProcesses:
    """Workers that answer for a model, with the examples they were asked about last."""

    def __init__(self, model: Any, n_processes: int) -> None:
        self.model = model
        self.workers = Workers(_AnswerTask(model), model, n_processes)
        self._last: tuple[Any, ...] = ()

    def answers(self, name: str, columns: tuple[Any, ...], w: NDArray[np.float64]) -> Any:
        shares = self.workers.shares(len(columns[0]))
        known = len(columns) == len(self._last) and all(map(operator.is_, columns, self._last))
        numbers = Numbered.numbers_of(columns[0])
        questions = [
            (
                name,
                None
                if known
                else tuple(Numbered(column[share], numbers[share]) for column in columns),
                np.asarray(w),
            )
            for share in shares
        ]
        self._last = columns
        pieces = self.workers.ask(questions)
        if all(isinstance(piece, np.ndarray) for piece in pieces):
            return np.concatenate(pieces)
        return [answer for piece in pieces for answer in piece]


_kept: ContextVar[dict[tuple[int, int], _AnswerProcesses] | None] = ContextVar(
    "_kept", default=None
)


@contextlib.contextmanager
def kept_workers() -> Iterator[None]:
    """Workers for predictions that are started inside stay for the next call, until the end.

    The examples of a call must not change before the next one.
    """
    workers: dict[tuple[int, int], _AnswerProcesses] = {}
    token = _kept.set(workers)
    try:
        yield
    finally:
        _kept.reset(token)
        for one in workers.values():
            one.workers.close()


def in_processes(
    model: Any, name: str, *columns: Sequence[Any], w: NDArray[np.float64], n_processes: int
) -> Any:
    """What the batch method `name` answers, each of several processes asked about its share.

    In this process where there is no more than one example.

    Raises as `Workers.ask` does.
    """
    for column in columns[1:]:
        if len(column) != len(columns[0]):
            raise ValueError(f"{len(columns[0])} inputs but {len(column)} outputs")
    n_processes = useful_threads(n_processes, len(columns[0]))
    if n_processes <= 1:
        return ask_batch(model, name, *columns, w=w)[1]
    kept = _kept.get()
    if kept is None:
        with kept_workers():
            return in_processes(model, name, *columns, w=w, n_processes=n_processes)
    key = (id(model), n_processes)
    if key not in kept:
        kept[key] = _AnswerProcesses(model, n_processes)
    try:
        return kept[key].answers(name, columns, w)
    except BaseException:
        kept.pop(key).workers.close()
        raise


def _shared_file(size: int) -> Any:
    """A file of this size, in memory if there is room: writing past the room kills a process."""
    for folder in ("/dev/shm", None):
        if folder is not None and not os.path.isdir(folder):
            continue
        file = tempfile.NamedTemporaryFile(prefix="structsvm", dir=folder)  # noqa: SIM115
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return file
        except OSError:
            file.close()
    raise MemoryError(f"no room for {size} bytes of weights that processes share")


def _send(stream: Any, data: bytes) -> None:
    try:
        stream.write(struct.pack("<q", len(data)) + data)
        stream.flush()
    except BrokenPipeError:
        raise RuntimeError("an oracle process has ended; see what it printed above") from None


def _receive(worker: subprocess.Popen[bytes]) -> Any:
    assert worker.stdout is not None
    header = worker.stdout.read(8)
    data = worker.stdout.read(struct.unpack("<q", header)[0]) if len(header) == 8 else b""
    if not data:
        raise RuntimeError(
            f"an oracle process ended with exit code {worker.wait()}; negative numbers are "
            "signals, and -9 most often means that memory ran out"
        )
    return pickle.loads(data)


def _end(workers: list[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.wait()
        for stream in (worker.stdin, worker.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def serve() -> None:
    """The loop of a worker: questions in, answers out, until the pipe closes."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    source: BinaryIO = os.fdopen(os.dup(0), "rb")
    target: BinaryIO = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model prints must not get between the answers
    sys.stdout = sys.stderr

    def read() -> bytes:
        header = source.read(8)
        if len(header) < 8:
            sys.exit(0)
        return source.read(struct.unpack("<q", header)[0])

    payload = read()
    task = None
    while True:
        question = read()
        try:
            if task is None:
                task = pickle.loads(payload)
            answer: Any = task(pickle.loads(question))
        except Exception as error:
            answer = _Failure(_portable(error))
        try:
            data = _dumps(answer)
        except Exception as error:
            refusal = TypeError(
                f"the answers cannot be sent back from another process: {error}. Use n_jobs=1"
            )
            data = pickle.dumps(_Failure(refusal))
        _send(target, data)


def _dumps(answer: Any) -> bytes:
    # cloudpickle would define classes anew on the other side, so only for those it has to.
    try:
        return pickle.dumps(answer, protocol=5)
    except Exception:
        data: bytes = cloudpickle.dumps(answer)
        return data


def _portable(error: Exception) -> Exception:
    """The error as it can cross a pipe, with a note of where it came from."""
    import traceback

    where = "".join(traceback.format_exception(error))
    try:
        copy: Exception = pickle.loads(_dumps(error))
    except Exception:
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    notes = list(getattr(error, "__notes__", []))
    copy.__notes__ = ["raised in an oracle process:\n" + where, *notes]
    return copy
