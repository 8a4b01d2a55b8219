from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.problems._factored import PartFeatures, PartLoss, Structure
from structsvm.problems._feature_rows import FeatureRows

class GraphData:
    @property
    def n_graphs(self) -> int: ...
    @property
    def offsets(self) -> NDArray[np.int64]: ...
    def __init__(
        self, graphs: Sequence[tuple[FeatureRows, NDArray[np.int32], FeatureRows]]
    ) -> None: ...
    def largest(self) -> tuple[int, int]: ...

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

class GraphLoss(PartLoss):
    def __init__(
        self,
        data: GraphData,
        cost: NDArray[np.float64],
        node_weight: NDArray[np.float64],
        *,
        tables: bool,
    ) -> None: ...

class GraphStructure(Structure):
    @property
    def n_kept(self) -> int: ...
    def __init__(
        self,
        data: GraphData,
        n_labels: int,
        *,
        tables: bool,
        by_cut: bool,
        kept_bytes: int = 0,
        max_cycles: int = 100,
    ) -> None: ...
