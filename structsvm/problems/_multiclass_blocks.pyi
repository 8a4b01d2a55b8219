from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.problems._multiclass import MulticlassProblem

class MulticlassBlocks:
    problem: MulticlassProblem
    options: dict[str, Any]
    weights: NDArray[np.float64]
    mu: NDArray[np.float64]
    gaps: NDArray[np.float64]
    hinges: NDArray[np.float64]
    regularization: float
    n_oracle_calls: int
    n_overruled: int
    n_updates: int
    n_planes: int
    n_entries: int
    nbytes: int
    def __init__(self, problem: MulticlassProblem) -> None: ...
    def exact_pass(self, order: NDArray[np.int32]) -> None: ...
    def cached_pass(self, order: NDArray[np.int32], skip_below: float = 0.0) -> float: ...
    def evaluate(self, weights: NDArray[np.float64]) -> float: ...
    def combination(self) -> tuple[NDArray[np.float64], float]: ...
    def move_to(self, weights: NDArray[np.float64]) -> None: ...
    def support(self) -> tuple[int, float, float]: ...
    def snapshot(self) -> dict[str, NDArray[Any]]: ...
    def restore(self, held: dict[str, NDArray[Any]]) -> None: ...
