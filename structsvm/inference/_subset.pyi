from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._part_sets import PartSetMaximizer

class SubsetMaximizer(PartSetMaximizer):
    def __init__(self, n_parts: Sequence[int], k: Sequence[int], *, at_most: bool) -> None: ...

def choose_items(
    scores: NDArray[np.float64], k: int, at_most: bool
) -> tuple[NDArray[np.int32], float]: ...
