import numpy as np
from numpy.typing import NDArray

from structsvm.problems._factored import PartFeatures, PartLoss, Structure

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

class ChainStructure(Structure):
    def __init__(
        self,
        offsets: NDArray[np.int64],
        n_labels: int,
        *,
        transitions: bool,
        boundary: bool,
        edges: bool = False,
        forbidden: tuple[NDArray[np.float64], ...] | None = None,
    ) -> None: ...

class ChainLoss(PartLoss):
    def __init__(
        self,
        offsets: NDArray[np.int64],
        cost: NDArray[np.float64],
        position_weight: NDArray[np.float64],
    ) -> None: ...
    def prepare_levels(self) -> None: ...
