from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._graph_maximizer import GraphMaximizer

class RelaxedGraphMaximizer(GraphMaximizer):
    @property
    def missed(self) -> NDArray[np.float64]: ...
    def __init__(
        self,
        n_nodes: Sequence[int],
        edges: Sequence[NDArray[np.int32]],
        n_labels: int,
        *,
        tables: bool,
        tolerance: NDArray[np.float64],
        max_sweeps: int = 200,
        most_entries: int = ...,
        n_own: NDArray[np.int32] | None = None,
        forests: bool = False,
    ) -> None: ...
