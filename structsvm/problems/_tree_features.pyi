from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.problems._features import FeatureBlock

LINE: int

class TreeBlock(FeatureBlock):
    def __init__(
        self,
        templates: Sequence[tuple[NDArray[Any], ...]],
        rows: NDArray[np.uint64],
        kinds: NDArray[np.uint8],
        lengths: NDArray[np.int64],
        *,
        place: int,
        n_bits: int,
        order: int,
        single_root: bool,
        nested: bool,
    ) -> None: ...
    def arc_rows(
        self, heads: NDArray[np.int32], n_bits: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]]: ...
