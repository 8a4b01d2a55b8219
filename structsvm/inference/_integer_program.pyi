from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._maximizer import Maximizer

class IntegerProgramMaximizer(Maximizer):
    def __init__(
        self,
        solve: Callable[[int, NDArray[np.float64]], tuple[NDArray[np.int32], float, float]],
        n_parts: Sequence[int],
    ) -> None: ...
