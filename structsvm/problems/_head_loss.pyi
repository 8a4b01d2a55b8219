import numpy as np
from numpy.typing import NDArray

from structsvm.problems._losses import PartLoss

class HeadLoss(PartLoss):
    def __init__(
        self,
        offsets: NDArray[np.int64],
        weight: NDArray[np.float64],
        n_parts: NDArray[np.int64],
    ) -> None: ...
