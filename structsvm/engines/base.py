"""What an engine is: answers of a problem about many examples, in their order."""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from structsvm.linalg._plane import PlaneBatch, padded_vector

if TYPE_CHECKING:
    from structsvm.problems import Problem

__all__ = ["Engine", "Job", "Serial"]


class Job(Protocol):
    """A question under way."""

    def wait(self) -> None:
        """Return when all answers are in their slots; raise what the problem raised.

        However it ends, nothing is under way afterwards.
        """

    def abandon(self) -> None:
        """Return when nothing is under way any more, without answers and without an error."""


class Engine(abc.ABC):
    """Who makes the oracle calls of a pass; see `structsvm.engines` for what it must keep to.

    Attributes
    ----------
    n_workers : int
        Oracle calls that it makes at a time; solvers cut their batches by it.
    in_flight : int
        Batches of `stream` under way while the planes of another are taken.
    """

    n_workers: int = 1
    in_flight: int = 1

    @abc.abstractmethod
    def begin(
        self,
        problem: Problem,
        question: str,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: Any,
    ) -> Job:
        """Begin to answer a question about some examples at w.

        Slot k of `out` receives the answer about examples[k]. Nobody changes `w`, `out` or the
        problem before the job has ended.
        """

    def close(self) -> None:  # noqa: B027
        """Give up what was started; it comes back when needed again."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def planes(
        self,
        problem: Problem,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: PlaneBatch,
    ) -> None:
        """The planes of some examples at w, a padded vector: slot k is that of examples[k]."""
        self.begin(problem, "planes", examples, w, out).wait()

    def stream(
        self,
        problem: Problem,
        batches: Sequence[NDArray[np.int32]],
        weights: NDArray[np.float64],
        take: Callable[[NDArray[np.int32], PlaneBatch], object],
    ) -> None:
        """Planes of one batch of examples after the other, at weights that move meanwhile.

        The planes of batch k are made at `weights` as these are when all batches before
        k - `in_flight` have been taken; then ``take(examples, planes)`` takes them, in order, in
        the caller's thread, and may change `weights`. So what comes out depends on the batches and
        on `in_flight`, and on nothing else.
        """
        size = max(map(len, batches), default=0)
        free = [
            (padded_vector(problem.n_weights), PlaneBatch(size)) for _ in range(self.in_flight + 1)
        ]
        under_way: deque[tuple[Job, NDArray[np.int32], Any]] = deque()
        try:
            for examples in batches:
                ready = under_way[0] if len(under_way) == self.in_flight else None
                if ready is not None:
                    ready[0].wait()
                    under_way.popleft()
                point, planes = slot = free.pop()
                point[:] = weights
                under_way.append(
                    (self.begin(problem, "planes", examples, point, planes), examples, slot)
                )
                if ready is not None:
                    _, done, slot = ready
                    take(done, slot[1])
                    free.append(slot)
            while under_way:
                job, done, slot = under_way[0]
                job.wait()
                under_way.popleft()
                take(done, slot[1])
        finally:
            for job, *_ in under_way:
                job.abandon()


class Serial(Engine):
    """All calls in the caller's thread, one after the other, when they are waited for."""

    def begin(
        self,
        problem: Problem,
        question: str,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: Any,
    ) -> Job:
        return _Later(lambda: getattr(problem, question)(examples, w, out))


class _Later:
    def __init__(self, answer: Callable[[], object]) -> None:
        self._answer = answer

    def wait(self) -> None:
        self._answer()

    def abandon(self) -> None:
        pass
