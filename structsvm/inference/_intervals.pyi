from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._part_sets import PartSetMaximizer

class IntervalMaximizer(PartSetMaximizer):
    def __init__(
        self,
        order: Sequence[NDArray[np.int32]],
        before: Sequence[NDArray[np.int32]],
    ) -> None: ...
