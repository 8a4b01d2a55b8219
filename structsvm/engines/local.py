"""Workers on this machine: threads or processes, whichever suits the problem."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from structsvm.engines.base import Engine, Job
from structsvm.engines.processes import Processes
from structsvm.engines.threads import Threads

if TYPE_CHECKING:
    from structsvm.problems import Problem

__all__ = ["Local"]


class Local(Engine):
    """Up to `n_workers` threads, or processes for problems whose oracles hold the GIL."""

    def __init__(self, n_workers: int) -> None:
        self._threads, self._processes = Threads(n_workers), Processes(n_workers)
        self.n_workers = self.n_threads = n_workers

    def begin(
        self,
        problem: Problem,
        question: str,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: Any,
    ) -> Job:
        engine = self._processes if problem.in_python else self._threads
        return engine.begin(problem, question, examples, w, out)

    def together(self, task: Callable[[int], object], n_threads: int) -> None:
        self._threads.together(task, n_threads)

    def close(self) -> None:
        self._processes.close()
