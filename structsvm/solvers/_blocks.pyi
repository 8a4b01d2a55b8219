from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.snapshots import Kind
from structsvm.engines import Engine
from structsvm.problems import Problem
from structsvm.solvers._averaged_point import AveragedPoint
from structsvm.solvers._block_steps import BlockSteps
from structsvm.solvers._evaluator import Evaluator
from structsvm.solvers._plane_store import PlaneStore

def store_for(
    problem: Problem, *, mixed: bool = False, max_planes: int = 20, drop_after: int = 2
) -> PlaneStore: ...

class DualBlocks:
    @property
    def problem(self) -> Problem: ...
    @property
    def options(self) -> dict[str, Any]: ...
    @property
    def store(self) -> PlaneStore: ...
    @property
    def point(self) -> AveragedPoint: ...
    @property
    def steps(self) -> BlockSteps: ...
    @property
    def evaluator(self) -> Evaluator: ...
    @property
    def hinges(self) -> NDArray[np.float64]: ...
    @property
    def vector_bytes(self) -> int: ...
    def __init__(
        self,
        problem: Problem,
        *,
        frank_wolfe: bool = False,
        max_planes: int = 20,
        drop_after: int = 2,
        average: bool = False,
        store: PlaneStore | None = None,
    ) -> None: ...
    def moved(
        self,
        problem: Problem,
        shifts: Iterable[tuple[int, NDArray[np.int32], NDArray[np.float64]]],
    ) -> DualBlocks: ...
    def exact_pass(self, order: NDArray[np.int32], engine: Engine | None = None) -> None: ...
    def batch_size(self, engine: Engine | None = None) -> int: ...
    def kinds(self) -> dict[str, Kind]: ...
    def snapshot(self) -> dict[str, NDArray[Any]]: ...
    def restore(self, held: dict[str, NDArray[Any]]) -> None: ...
