from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._part_sets import PartSetMaximizer

class KnapsackMaximizer(PartSetMaximizer):
    def __init__(self, weights: Sequence[NDArray[np.int64]], capacities: Sequence[int]) -> None: ...
