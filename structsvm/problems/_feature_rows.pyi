from typing import Any

import numpy as np
from numpy.typing import NDArray

class FeatureRows:
    @property
    def n_rows(self) -> int: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_values(self) -> int: ...
    @property
    def intercept(self) -> bool: ...
    def __init__(self, X: Any, *, intercept: float) -> None: ...
    def scores(
        self,
        weights: NDArray[np.float64],
        examples: NDArray[np.int32] | None = None,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> NDArray[np.float64]: ...
    def combined(
        self, factors: NDArray[np.float64], examples: NDArray[np.int32] | None = None
    ) -> NDArray[np.float64]: ...
    def sqnorms(self) -> NDArray[np.float64]: ...
