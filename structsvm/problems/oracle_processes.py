"""Oracles written in Python on several processors: worker processes beside the one that trains.

Each worker holds a copy of the model and the data, sent once. The weights lie in a file that all
map into memory; per call only example numbers go out and planes come back. Workers are started as
plain interpreters, not by multiprocessing, so that neither the user's main module runs again nor a
process with threads is forked.
"""

from __future__ import annotations

import itertools
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, NamedTuple

import cloudpickle
import numpy as np
from numpy.typing import NDArray

__all__ = ["OracleProcesses", "Planes"]

_COMMAND = (
    "import os, sys, pickle; sys.path[:] = pickle.loads(bytes.fromhex(sys.argv[1])); "
    "from structsvm.problems.oracle_processes import serve; serve()"
)


class Planes(NamedTuple):
    """Planes of several examples, one after the other."""

    sizes: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float64]
    losses: NDArray[np.float64]


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
        try:
            payload = cloudpickle.dumps((model, X, Y, n_weights))
        except Exception as error:
            raise TypeError(
                f"{type(model).__name__} or its data cannot be sent to other processes, as "
                f"n_jobs={n_processes} asks: {error}. Use n_jobs=1"
            ) from error
        self._file = _shared_file(8 * max(n_weights, 1))
        self._weights = np.memmap(self._file.name, dtype=np.float64, mode="r+")
        path = pickle.dumps(sys.path).hex()
        self._workers = [
            subprocess.Popen(
                [sys.executable, "-c", _COMMAND, path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(n_processes)
        ]
        self.close = weakref.finalize(self, _end, self._workers, self._file)
        for worker in self._workers:
            _send(worker.stdin, (payload, self._file.name))

    def planes(
        self,
        examples: NDArray[np.int32],
        weights: NDArray[np.float64],
        rescaling: str,
        meanwhile: Callable[[], object] | None = None,
    ) -> list[tuple[slice, Planes]]:
        """The planes of `examples` in pieces, each with its place; calls `meanwhile` while waiting.

        Raises
        ------
        RuntimeError
            If a worker ended.
        Exception
            What the model raised.
        """
        try:
            self._weights[: len(weights)] = weights
            # Not more workers than examples: no model need understand an empty batch.
            workers = self._workers[: len(examples)]
            bounds = np.linspace(0, len(examples), len(workers) + 1).astype(int)
            pieces = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
            for worker, piece in zip(workers, pieces, strict=True):
                _send(worker.stdin, (np.asarray(examples[piece]), rescaling))
            if meanwhile is not None:
                meanwhile()
            answers = [_receive(worker) for worker in workers]
        except BaseException:
            # Questions may be unanswered: what the workers say next would be out of step.
            self.close()
            raise
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return list(zip(pieces, answers, strict=True))


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


def _send(stream: Any, message: Any) -> None:
    data = pickle.dumps(message, protocol=5)
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


def _end(workers: list[subprocess.Popen[bytes]], file: Any) -> None:
    for worker in workers:
        worker.kill()
        worker.wait()
        for stream in (worker.stdin, worker.stdout):
            if stream is not None:
                stream.close()
    file.close()


def serve() -> None:
    """The loop of a worker: examples in, planes out, until the pipe closes."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    source: BinaryIO = os.fdopen(os.dup(0), "rb")
    target: BinaryIO = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model prints must not get between the answers
    sys.stdout = sys.stderr

    def read() -> Any:
        header = source.read(8)
        if len(header) < 8:
            sys.exit(0)
        return pickle.loads(source.read(struct.unpack("<q", header)[0]))

    from structsvm.problems._python import PythonProblem

    payload, name = read()
    problem = failure = None
    try:
        model, X, Y, n_weights = pickle.loads(payload)
        weights = np.memmap(name, dtype=np.float64, mode="r")[:n_weights]
        problem = PythonProblem(model, X, Y, n_weights)
    except Exception as error:
        failure = error
    while True:
        examples, rescaling = read()
        try:
            if failure is not None or problem is None:
                raise failure or RuntimeError("no problem")
            if problem.rescaling != rescaling:
                problem.set_rescaling(rescaling)
            answer: Any = problem.planes(examples, weights)
        except Exception as error:
            answer = _portable(error)
        _send(target, answer)


def _portable(error: Exception) -> Exception:
    """The error as it can cross a pipe, with a note of where it came from."""
    import traceback

    where = "".join(traceback.format_exception(error))
    try:
        copy: Exception = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    copy.add_note("raised in an oracle process:\n" + where)
    return copy
