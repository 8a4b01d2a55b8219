import numpy as np
from numpy.typing import NDArray

from structsvm.inference._part_sets import ScratchMaximizer

ENDS: tuple[str, ...]

class AlignmentMaximizer(ScratchMaximizer):
    def __init__(
        self, lengths: NDArray[np.int64], others: NDArray[np.int64], ends: str
    ) -> None: ...
