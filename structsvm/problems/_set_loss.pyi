import numpy as np
from numpy.typing import NDArray

from structsvm.problems._losses import PartLoss

class SetLoss(PartLoss):
    def __init__(
        self,
        truth: NDArray[np.int32],
        offsets: NDArray[np.int64],
        n_parts: NDArray[np.int64],
        n_labels: NDArray[np.int64],
        costs: NDArray[np.float64],
        starts: NDArray[np.int64],
        *,
        symmetric: bool,
        voids: NDArray[np.int32] | None = None,
        void_starts: NDArray[np.int64] | None = None,
    ) -> None: ...
