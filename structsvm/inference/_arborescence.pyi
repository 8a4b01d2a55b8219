from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._part_sets import PartSetMaximizer

class ArborescenceMaximizer(PartSetMaximizer):
    def __init__(
        self,
        n_nodes: Sequence[int],
        arcs: Sequence[NDArray[np.int32] | None],
        root: int,
        single_root: bool,
    ) -> None: ...

def best_arborescence(
    scores: NDArray[np.float64],
    n_nodes: int,
    arcs: NDArray[np.int32] | None,
    root: int,
    single_root: bool,
    labels: NDArray[np.int32],
) -> tuple[float, int, int]: ...
