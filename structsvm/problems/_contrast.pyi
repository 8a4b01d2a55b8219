from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from structsvm.problems._features import FeatureBlock

def squared_differences(
    pixels: NDArray[np.floating],
    channels: NDArray[np.int32],
    down: int,
    right: int,
    out: NDArray[np.float64],
) -> None: ...

class ContrastRows:
    differences: NDArray[np.floating]
    dtype: np.dtype[Any]
    def __init__(
        self,
        differences: NDArray[np.floating],
        starts: NDArray[np.int64],
        distances: NDArray[np.float64],
        multiples: NDArray[np.float64],
        divisors: NDArray[np.float64] | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    def scaled(self, divisors: NDArray[np.float64]) -> ContrastRows: ...
    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.floating]: ...
    def __getitem__(self, rows: Any) -> NDArray[np.floating]: ...

class ContrastBlock(FeatureBlock):
    def __init__(
        self,
        rows: Iterable[ContrastRows],
        place: int,
        *,
        intercept: bool,
        row_weight: Sequence[float] | NDArray[np.float64] | None = None,
    ) -> None: ...
