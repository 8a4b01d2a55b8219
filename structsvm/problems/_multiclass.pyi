from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.problems._problem import Problem

class FeatureRows:
    n_rows: int
    n_features: int
    dense: bool
    intercept: bool
    sqnorms: NDArray[np.float64]
    def __init__(self, rows: Any, n_features: int, *, intercept: bool) -> None: ...

class MulticlassProblem(Problem):
    features: FeatureRows
    n_classes: int
    n_columns: int
    squared: bool
    class_numbers: NDArray[np.int32]
    weights_of_examples: NDArray[np.float64] | None
    def __init__(
        self,
        features: FeatureRows,
        labels: NDArray[np.int32],
        cost: NDArray[np.float64],
        loss: str,
        squared: bool = False,
    ) -> None: ...
    def own_blocks(self) -> Any: ...
    def scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]: ...
