"""Worker processes for models in Python.

Each worker holds a copy of the problem, model and data, sent once. The weights lie in a file that
all map into memory; per call only example numbers go out and planes or outputs come back.

Workers are plain interpreters, not started by multiprocessing: so the user's main module does not
run again, and no process with threads is forked. A start takes about a second, mostly for imports.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from structsvm.engines.base import Engine, Job, Serial
from structsvm.engines.threads import useful_workers

if TYPE_CHECKING:
    from structsvm.problems import Problem

__all__ = ["Processes"]

_WEIGHTS = "weights"  # the file that they lie in
_PIECE = 2**16  # weights written at once
_COMMAND = (
    "import os, sys, pickle; sys.path[:] = pickle.loads(bytes.fromhex(sys.argv[1])); "
    "from structsvm.engines.processes import serve; serve()"
)


class Workers:
    """Processes that each hold a copy of one object and call it with what they are sent.

    Parameters
    ----------
    task : callable
        A worker calls ``task(question)`` and sends back the result.
    name : str
        Name of the model for errors.
    n_processes : int

    Raises
    ------
    TypeError
        If the task cannot be pickled.
    """

    def __init__(self, task: Callable[[Any], Any], name: str, n_processes: int) -> None:
        self._name = name
        self._asked = f"n_jobs={n_processes}"
        payload = self._pickled(task)
        path = pickle.dumps(sys.path).hex()
        self._workers: list[subprocess.Popen[bytes]] = []
        self.close = weakref.finalize(self, _end, self._workers)
        try:
            with _uninterrupted():
                for _ in range(n_processes):
                    self._workers.append(
                        subprocess.Popen(
                            [sys.executable, "-c", _COMMAND, path],
                            stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE,
                        )
                    )
            for worker in self._workers:
                _send(worker.stdin, payload)
        except BaseException:
            self.close()
            raise

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
        """The examples of each worker, never an empty batch."""
        bounds = np.linspace(0, n, min(len(self._workers), n) + 1).astype(int)
        return [slice(int(start), int(stop)) for start, stop in itertools.pairwise(bounds)]

    @property
    def is_alive(self) -> bool:
        return bool(self.close.alive)

    def tell(self, questions: Sequence[Any]) -> None:
        """Send one question to each of the first workers.

        Raises
        ------
        TypeError
            If a question cannot be pickled.
        RuntimeError
            If a worker ended.
        """
        try:
            for worker, question in zip(self._workers, questions, strict=False):
                _send(worker.stdin, self._pickled(question))
        except BaseException:
            self.close()
            raise

    def hear(self, n: int) -> list[Any]:
        """Receive the answers of the first n workers.

        Raises
        ------
        RuntimeError
            If a worker ended.
        Exception
            What the model raised.
        """
        try:
            answers = [_receive(worker) for worker in self._workers[:n]]
        except BaseException:
            # Unanswered questions may be left: later answers would not match.
            self.close()
            raise
        for answer in answers:
            if isinstance(answer, _Failure):
                raise answer.error
        return answers


class _Failure(NamedTuple):
    """An error in place of an answer."""

    error: Exception


class Processes(Engine):
    """Worker processes, each with a copy of the problem, for oracles in Python.

    They are started with the first question about a problem and stay until `close`; there is none
    where they would share one example. Only problems that are `portable` can be asked.
    """

    def __init__(self, n_workers: int) -> None:
        if n_workers < 1:
            raise ValueError(f"n_workers={n_workers}: expected at least 1")
        self.n_workers = n_workers
        self._crews: dict[int, _Crew] = {}  # by the problem's id; a crew keeps its problem alive

    def begin(
        self,
        problem: Problem,
        question: str,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: Any,
    ) -> Job:
        """As in `Engine`.

        Raises
        ------
        TypeError
            If the problem is not portable, or cannot be pickled.
        """
        if not problem.portable:
            raise TypeError(
                f"{type(problem).__name__} answers in this process alone: use Threads or Serial"
            )
        n_workers = useful_workers(self.n_workers, problem.n_examples)
        if n_workers == 1:
            return Serial().begin(problem, question, examples, w, out)
        crew = self._crews.get(id(problem))
        if crew is None or not crew.is_alive:
            crew = self._crews[id(problem)] = _Crew(problem, n_workers)
        return crew.begin(question, examples, w, out)

    def close(self) -> None:
        while self._crews:
            self._crews.popitem()[1].close()


class _Crew:
    """The workers for one problem, and the weights that they share with this process."""

    def __init__(self, problem: Any, n_workers: int) -> None:
        self.problem = problem
        self._folder = _shared_folder(max(problem.n_weights, 1))
        try:
            file = os.path.join(self._folder.name, _WEIGHTS)
            self._weights = np.memmap(file, dtype=np.float64, mode="r+")
            task = _Answers(problem, file, problem.n_weights)
            self.workers = Workers(task, problem.model_name, n_workers)
        except BaseException:
            self._folder.cleanup()
            raise

    @property
    def is_alive(self) -> bool:
        return self.workers.is_alive

    def close(self) -> None:
        self.workers.close()
        vars(self).pop("_weights", None)  # some systems remove no file that is in use
        self._folder.cleanup()

    def begin(
        self, question: str, examples: NDArray[np.int32], w: NDArray[np.float64], out: Any
    ) -> Job:
        self._weights[: len(w)] = w
        shares = self.workers.shares(len(examples))
        rescaling = self.problem.rescaling
        try:
            self.workers.tell([(question, np.asarray(examples[s]), rescaling) for s in shares])
        except BaseException:
            self.close()
            raise
        return _Shares(self, shares, examples, out)


class _Shares:
    """A job: a question that the workers of a crew answer."""

    def __init__(
        self, crew: _Crew, shares: list[slice], examples: NDArray[np.int32], out: Any
    ) -> None:
        self.crew = crew
        self.shares = shares
        self.examples = examples
        self.out = out

    def wait(self) -> None:
        try:
            pieces = self.crew.workers.hear(len(self.shares))
        except BaseException:
            self.crew.close()
            raise
        for share, piece in zip(self.shares, pieces, strict=True):
            self.crew.problem.unpack(self.examples[share], piece, self.out, share.start)

    def abandon(self) -> None:
        # Unanswered questions may be left: later answers would not match.
        self.crew.close()


class _Answers:
    """The task of a worker in training: its copy of the problem."""

    def __init__(self, problem: Any, name: str, n_weights: int) -> None:
        self.problem = problem
        self.file = name
        self.n_weights = n_weights
        self.weights: NDArray[np.float64] | None = None

    def __call__(self, asked: tuple[str, NDArray[np.int32], str]) -> Any:
        if self.weights is None:
            self.weights = np.memmap(self.file, dtype=np.float64, mode="r")[: self.n_weights]
        question, examples, rescaling = asked
        if self.problem.rescaling != rescaling:
            self.problem.set_rescaling(rescaling)
        return self.problem.pack(question, examples, self.weights)


def _shared_folder(n_weights: int) -> tempfile.TemporaryDirectory[str]:
    """A folder with a file of zeros, in memory if there is room. The file is written whole, because
    a process that writes to a full memory file is killed."""
    for parent in ("/dev/shm", None):
        if parent is not None and not os.path.isdir(parent):
            continue
        folder = tempfile.TemporaryDirectory("", "structsvm", parent, ignore_cleanup_errors=True)
        try:
            with open(os.path.join(folder.name, _WEIGHTS), "wb") as file:
                for begin in range(0, n_weights, _PIECE):
                    file.write(bytes(8 * min(_PIECE, n_weights - begin)))
            return folder
        except OSError:
            folder.cleanup()
    raise MemoryError(f"no room for {8 * n_weights} bytes of weights that processes share")


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
    with _uninterrupted():
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.wait()
            for stream in (worker.stdin, worker.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits for the end of the block, so that no worker is started or ended by half."""
    if (
        threading.current_thread() is not threading.main_thread()
        or (before := signal.getsignal(signal.SIGINT)) is None
    ):
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def serve() -> None:
    """Run a worker: read questions and write answers until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    source: BinaryIO = os.fdopen(os.dup(0), "rb")
    target: BinaryIO = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output that a model prints must not mix with answers
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
    # cloudpickle defines classes anew on the other side, so use it only if pickle fails.
    try:
        return pickle.dumps(answer, protocol=5)
    except Exception:
        data: bytes = cloudpickle.dumps(answer)
        return data


def _portable(error: Exception) -> Exception:
    """A copy of the error that can be pickled, with a note about its origin."""
    import traceback

    where = "".join(traceback.format_exception(error))
    try:
        copy: Exception = pickle.loads(_dumps(error))
    except Exception:
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    notes = list(getattr(error, "__notes__", []))
    copy.__notes__ = ["raised in an oracle process:\n" + where, *notes]
    return copy
