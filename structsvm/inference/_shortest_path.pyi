from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._part_sets import PartSetMaximizer

def topological_order(n_nodes: int, edges: NDArray[np.int32]) -> NDArray[np.int32] | None: ...

class PathMaximizer(PartSetMaximizer):
    def __init__(
        self,
        n_nodes: Sequence[int],
        edges: Sequence[NDArray[np.int32]],
        which: Sequence[int],
        ends: NDArray[np.int32],
        method: str,
    ) -> None: ...
    def path(self, i: int, theta: ArrayLike) -> tuple[NDArray[np.int32], float]: ...
