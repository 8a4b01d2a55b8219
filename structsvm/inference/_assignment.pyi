from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._part_sets import PartSetMaximizer

class AssignmentMaximizer(PartSetMaximizer):
    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        allowed: Sequence[NDArray[np.uint8] | None],
        *,
        partial: bool,
    ) -> None: ...

def assign_scores(
    scores: NDArray[np.float64], allowed: NDArray[np.uint8] | None, partial: bool
) -> tuple[NDArray[np.int32], int, float]: ...
def size_of(scores: NDArray[np.float64]) -> float: ...
