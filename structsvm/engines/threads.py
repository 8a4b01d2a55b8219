"""Threads of this process, for oracles that do not hold the GIL."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from structsvm.engines.base import Engine

if TYPE_CHECKING:
    from structsvm.problems import Problem

__all__ = ["Ranges", "Threads", "useful_workers"]

_RANGES_PER_THREAD = 4
_WORKERS_PER_PROCESSOR = 4


def usable_processors() -> int:
    """Number of processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def useful_workers(n_workers: int, n: int) -> int:
    """A useful number of threads or processes, at most `n_workers`.

    At most one for each of n examples, and at most four for each processor.
    """
    most = max(2, _WORKERS_PER_PROCESSOR * usable_processors())
    return max(1, min(n_workers, n, most))


class Threads(Engine):
    """Up to `n_workers` threads; the caller's thread works, too, while it waits.

    The threads belong to the process; all engines of this kind share them.
    """

    def __init__(self, n_workers: int) -> None:
        if n_workers < 1:
            raise ValueError(f"n_workers={n_workers}: expected at least 1")
        self.n_workers = self.n_threads = n_workers
        self._job: Ranges | None = None

    def begin(
        self,
        problem: Problem,
        question: str,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: Any,
    ) -> Ranges:
        n_threads = useful_workers(self.n_workers, len(examples))
        problem.reserve(n_threads)
        answer = getattr(problem, question)

        def task(thread: int, start: int, stop: int) -> None:
            answer(examples[start:stop], w, out, start, thread)

        if self._job is not None:
            self._job.abandon()  # if Ctrl-C left it running
        self._job = Ranges(task, len(examples), n_threads)
        self._job.start()
        return self._job

    def together(self, task: Callable[[int], object], n_threads: int) -> None:
        n = min(n_threads, self.n_threads, usable_processors())
        if n == 1:
            task(0)
            return
        job = Ranges(lambda thread, start, stop: task(thread), n, n)
        job.start()
        job.wait()


class Ranges:
    """A job: ``task(thread, start, stop)`` over ranges that make up ``range(n)``.

    There are several ranges for each thread, because examples differ in size; each thread takes the
    next free range. Calls at the same time have different `thread`. The thread that waits works,
    too. After `wait` or `abandon` nothing runs any more, even if they are interrupted; after an
    error or Ctrl-C no new range begins.
    """

    def __init__(self, task: Callable[[int, int, int], object], n: int, n_threads: int) -> None:
        self._task = task
        self._n = n
        self._n_threads = n_threads
        self._n_ranges = min(n, _RANGES_PER_THREAD * n_threads) if n_threads > 1 else 1
        self._ranges = itertools.count()
        self._enough = threading.Event()
        self._futures: list[Future[None]] = []

    def start(self) -> None:
        try:
            for thread in range(1, self._n_threads):
                self._futures.append(_threads(self._n_threads).submit(self._work, thread))
        except BaseException:
            self.abandon()
            raise

    def _work(self, thread: int) -> None:
        for k in self._ranges:
            if k >= self._n_ranges or self._enough.is_set():
                return
            start, stop = (self._n * j // self._n_ranges for j in (k, k + 1))
            try:
                self._task(thread, start, stop)
            except BaseException:
                self._enough.set()
                raise

    def wait(self) -> None:
        failure: BaseException | None = None
        try:
            self._work(0)
        except BaseException as error:
            failure = error
        failure = self._end() or failure
        if failure is not None:
            raise failure
        for future in self._futures:
            future.result()

    def abandon(self) -> None:
        self._enough.set()
        self._end()

    def _end(self) -> BaseException | None:
        """Wait for the threads; returns a Ctrl-C that came meanwhile, or None."""
        interrupt = None
        while True:
            try:
                wait(self._futures)
                return interrupt
            except KeyboardInterrupt as error:
                # They use the caller's memory, which must outlive them.
                interrupt = error
                self._enough.set()


_executor: ThreadPoolExecutor | None = None  # of this process, started when first needed


def _threads(n: int) -> ThreadPoolExecutor:
    global _executor
    if _executor is None or _executor._max_workers < n:
        _executor = ThreadPoolExecutor(max(n, usable_processors()), "structsvm")
    return _executor


def _forget_threads() -> None:
    # A forked child does not have its parent's threads.
    global _executor
    _executor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
