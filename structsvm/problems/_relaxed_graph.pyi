import numpy as np
from numpy.typing import NDArray

from structsvm.problems._graph import GraphData, GraphStructure

class RelaxedGraphStructure(GraphStructure):
    def __init__(
        self,
        data: GraphData,
        n_labels: int,
        *,
        tables: bool,
        slack: NDArray[np.float64],
        max_sweeps: int = 200,
    ) -> None: ...
