from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.problems._factored import PartFeatures
from structsvm.problems._feature_rows import FeatureRows

class GraphData:
    @property
    def n_graphs(self) -> int: ...
    @property
    def offsets(self) -> NDArray[np.int64]: ...
    def __init__(self, graphs: Sequence[tuple[FeatureRows, FeatureRows]]) -> None: ...

class GraphFeatures(PartFeatures):
    def __init__(
        self,
        data: GraphData,
        n_labels: int,
        n_node_rows: int,
        n_edge_rows: int,
        scale: NDArray[np.float64],
        *,
        tables: bool,
    ) -> None: ...
