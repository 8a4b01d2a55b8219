from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.snapshots import Kind
from structsvm.engines import Engine
from structsvm.problems import Problem
from structsvm.solvers._plane_store import PlaneStore

class Evaluator:
    n_oracle_calls: int
    n_overruled: int
    @property
    def problem(self) -> Problem: ...
    @property
    def store(self) -> PlaneStore: ...
    @property
    def worst_answer(self) -> tuple[int, float] | None: ...
    def __init__(self, problem: Problem, store: PlaneStore) -> None: ...
    def evaluate(
        self,
        weights: NDArray[np.float64],
        hinges: NDArray[np.float64] | None = None,
        engine: Engine | None = None,
    ) -> float: ...
    def kinds(self) -> dict[str, Kind]: ...
    def snapshot(self) -> dict[str, NDArray[Any]]: ...
    def restore(self, held: dict[str, NDArray[Any]]) -> None: ...
