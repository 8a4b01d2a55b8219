from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class PartLoss: ...

class LabelLoss(PartLoss):
    def __init__(
        self,
        offsets: NDArray[np.int64],
        cost: NDArray[np.float64],
        weight: NDArray[np.float64],
        *,
        row_size: int,
        pairs: Sequence[NDArray[np.int32]] | None = None,
        pair_width: int = 1,
        n_own: NDArray[np.int32] | None = None,
    ) -> None: ...
