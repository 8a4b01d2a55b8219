import numpy as np
from numpy.typing import NDArray

from structsvm.problems._factored import PartFeatures

class ChainFeatures(PartFeatures):
    def __init__(
        self,
        offsets: NDArray[np.int64],
        row_start: NDArray[np.int64],
        columns: NDArray[np.int32],
        values: NDArray[np.float64],
        n_features: int,
        n_labels: int,
        *,
        intercept: bool,
        transitions: bool,
        boundary: bool,
        edges: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64], int] | None = None,
        label_of: NDArray[np.int32] | None = None,
    ) -> None: ...
