import numpy as np
from numpy.typing import NDArray

class MaxMarginals:
    def __init__(
        self,
        n_nodes: int,
        edges: NDArray[np.int32],
        unary: NDArray[np.float64],
        pairwise: NDArray[np.float64],
    ) -> None: ...
    def differences(self) -> NDArray[np.float64]: ...
