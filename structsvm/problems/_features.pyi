from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.problems._feature_rows import FeatureRows

class FeatureBlock:
    @property
    def n_examples(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def stride(self) -> int: ...

class RowBlock(FeatureBlock):
    def __init__(
        self,
        rows: FeatureRows | Sequence[FeatureRows],
        place: int,
        width: int,
        *,
        offsets: NDArray[np.int64] | None = None,
        pad: bool = False,
        column_of: NDArray[np.int32] | None = None,
        row_weight: NDArray[np.float64] | None = None,
        name: str = "features",
    ) -> None: ...

class TableBlock(FeatureBlock):
    def __init__(
        self, n_examples: int, place: int, n_rows: int, width: int, *, pad: bool = False
    ) -> None: ...

class StepBlock(FeatureBlock):
    def __init__(self, place: int, rows: RowBlock, n_labels: int) -> None: ...

class BlockFeatures:
    @property
    def n_weights(self) -> int: ...
    @property
    def n_examples(self) -> int: ...
    @property
    def starts(self) -> NDArray[np.int64]: ...
    def __init__(
        self,
        n_weights: int,
        blocks: Mapping[str, FeatureBlock],
        scale: NDArray[np.float64] | None = None,
    ) -> None: ...
    def views(self, i: int, theta: NDArray[Any]) -> dict[str, NDArray[Any]]: ...
