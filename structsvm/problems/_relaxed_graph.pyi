import numpy as np
from numpy.typing import NDArray

from structsvm.problems._graph import GraphData, GraphStructure

class RelaxedGraphStructure(GraphStructure):
    @property
    def missed(self) -> NDArray[np.float64]: ...
    def __init__(
        self,
        data: GraphData,
        n_labels: int,
        *,
        tables: bool,
        slack: NDArray[np.float64],
        max_sweeps: int = 200,
        most_entries: int = ...,
    ) -> None: ...
