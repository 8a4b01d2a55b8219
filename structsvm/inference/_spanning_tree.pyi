from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._part_sets import PartSetMaximizer

class SpanningTreeMaximizer(PartSetMaximizer):
    def __init__(self, n_nodes: Sequence[int], edges: Sequence[NDArray[np.int32]]) -> None: ...

def cut_off(n_nodes: int, edges: NDArray[np.int32]) -> int: ...
