from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._graph_maximizer import GraphMaximizer

class RoofGraphMaximizer(GraphMaximizer):
    def __init__(
        self,
        n_nodes: Sequence[int],
        edges: Sequence[NDArray[np.int32]],
        *,
        n_own: NDArray[np.int32] | None = None,
        forests: bool = False,
    ) -> None: ...
