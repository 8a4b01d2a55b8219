import numpy as np
from numpy.typing import NDArray

from structsvm.problems._losses import PartLoss

class AlignmentLoss(PartLoss):
    def __init__(
        self,
        offsets: NDArray[np.int64],
        others: NDArray[np.int64],
        weight: NDArray[np.float64],
        max_shift: int,
    ) -> None: ...
