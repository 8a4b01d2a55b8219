"""The engine interface: answers of a problem about many examples, in their order."""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from structsvm.linalg._plane import PlaneBatch, padded_vector

if TYPE_CHECKING:
    from structsvm.problems import Problem

__all__ = ["Engine", "Job", "PartSource", "Serial", "later"]


class PartSource(Protocol):
    """What makes the parts of a problem in other processes."""

    def common(self) -> Any:
        """What all parts need. It can be pickled, as what `part` returns."""
        ...

    def part(self, examples: NDArray[np.int32]) -> Any:
        """An object with a method ``bind(common)``, which makes the problem of these examples."""
        ...


class Job(Protocol):
    """A question that is being answered."""

    def wait(self) -> None:
        """Return when all answers are in their slots; raise what the problem raised.

        Afterwards nothing is running any more, even after an error.
        """

    def abandon(self) -> None:
        """Return when nothing is running any more, without answers and without an error."""


class Engine(abc.ABC):
    """Makes the oracle calls of a pass; see `structsvm.engines` for the contract.

    Attributes
    ----------
    n_workers : int, default=1
        Number of oracle calls at a time; solvers choose the size of batches by it.
    in_flight : int, default=1
        Number of batches of `stream` that run while the planes of another are taken.
    elsewhere : bool, default=False
        Whether parts of the data lie on other machines, so that a question is worth a message only
        if it is about all examples: see `on_parts`.
    n_threads : int, default=1
        Number of threads of this process that `together` may use. Above 1, a solver may share its
        own work among threads, too.
    """

    n_workers: int = 1
    in_flight: int = 1
    elsewhere: bool = False
    n_threads: int = 1

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

        Slot k of `out` receives the answer about examples[k]. The caller must not change `w`, `out`
        or the problem before the job has ended.
        """

    def introduce(self, problem: Problem, source: PartSource) -> None:  # noqa: B027
        """Say how parts of a problem can be made elsewhere, before any question about it."""

    def on_parts(
        self, problem: Problem, task: Callable[..., Any], w: NDArray[np.float64], *arguments: Any
    ) -> Iterator[tuple[NDArray[np.int32], Any]]:
        """The results of ``task(part, w, *arguments)`` for all parts of a problem, in their order.

        `part` is the problem of some examples, of which there are these numbers: the first of each
        pair. Only engines whose answers come from `elsewhere` have parts.
        """
        raise TypeError(f"{type(self).__name__} has no parts")

    def close(self) -> None:  # noqa: B027
        """Stop workers; they start again when needed."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def together(self, task: Callable[[int], object], n_threads: int) -> None:
        """Run ``task(k)`` for k in ``range(n_threads)``, at the same time as far as possible.

        The caller's thread runs ``task(0)``. The task must come to the same end if its calls run
        one after the other, or never all at the same time. Here it runs once.
        """
        task(0)

    def planes(
        self,
        problem: Problem,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: PlaneBatch,
    ) -> None:
        """Write the planes of some examples at w, a padded vector: slot k is for examples[k]."""
        self.begin(problem, "planes", examples, w, out).wait()

    def stream(
        self,
        problem: Problem,
        batches: Sequence[NDArray[np.int32]],
        weights: NDArray[np.float64],
        take: Callable[[NDArray[np.int32], PlaneBatch], object],
    ) -> None:
        """Make the planes of one batch of examples after the other, while the weights move.

        The planes of batch k are made at `weights` right after all batches before k - `in_flight`
        have been taken. Then ``take(examples, planes)`` takes them, in order and in the caller's
        thread, and may change `weights`. So the result depends only on the batches and on
        `in_flight`.
        """
        size = max(map(len, batches), default=0)
        free = [
            (padded_vector(problem.n_weights), PlaneBatch(size)) for _ in range(self.in_flight + 1)
        ]
        under_way: deque[tuple[Job, NDArray[np.int32], Any]] = deque()
        try:
            for examples in batches:
                ready = under_way[0] if 0 < len(under_way) == self.in_flight else None
                if ready is not None:
                    ready[0].wait()
                    under_way.popleft()
                point, planes = slot = free.pop()
                point[:] = weights
                under_way.append(
                    (self.begin(problem, "planes", examples, point, planes), examples, slot)
                )
                if self.in_flight == 0:
                    under_way[0][0].wait()
                    ready = under_way.popleft()
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
    """Makes all calls in the caller's thread, when the job is waited for."""

    in_flight = 0

    def begin(
        self,
        problem: Problem,
        question: str,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: Any,
    ) -> Job:
        return later(lambda: getattr(problem, question)(examples, w, out))


def later(answer: Callable[[], object]) -> Job:
    """A job that is done in the caller's thread, when it is waited for."""
    return _Later(answer)


class _Later:
    def __init__(self, answer: Callable[[], object]) -> None:
        self._answer = answer

    def wait(self) -> None:
        self._answer()

    def abandon(self) -> None:
        pass
