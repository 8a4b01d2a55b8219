import numpy as np
from numpy.typing import NDArray

from structsvm.inference._maximizer import Maximizer

class ChainMaximizer(Maximizer):
    @property
    def stride(self) -> int: ...
    def __init__(
        self,
        lengths: NDArray[np.int64],
        n_labels: int,
        *,
        transitions: bool,
        boundary: bool,
        steps: bool = False,
        forbidden: tuple[NDArray[np.float64], ...] | None = None,
        is_void: NDArray[np.uint8] | None = None,
    ) -> None: ...
