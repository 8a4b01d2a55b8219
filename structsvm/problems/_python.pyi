from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.problems._problem import Problem
from structsvm.problems.oracle_processes import Planes

class PythonProblem(Problem):
    def __init__(
        self,
        model: Any,
        X: Sequence[Any],
        Y: Sequence[Any],
        n_weights: int,
        *,
        exact: bool = True,
        non_negative: slice | None = None,
    ) -> None: ...
    def planes(self, examples: NDArray[np.int32], weights: NDArray[np.float64]) -> Planes: ...
