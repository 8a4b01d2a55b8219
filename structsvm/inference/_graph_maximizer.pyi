from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.inference._maximizer import Maximizer

def check_own(n_own: NDArray[Any], n_places: int, n_labels: int) -> NDArray[np.int32]: ...

class GraphMaximizer(Maximizer):
    @property
    def n_forests(self) -> int: ...
    @property
    def n_kept(self) -> int: ...
    @property
    def most_nodes(self) -> int: ...
    @property
    def most_edges(self) -> int: ...
    def __init__(
        self,
        n_nodes: Sequence[int],
        edges: Sequence[NDArray[np.int32]],
        n_labels: int,
        *,
        tables: bool,
        by_cut: bool,
        kept_bytes: int = 0,
        max_cycles: int = 100,
        n_own: NDArray[np.int32] | None = None,
        forests: bool = False,
    ) -> None: ...
