import numpy as np
from numpy.typing import NDArray

class TreeReweighted:
    scale: float
    rounding: float
    temperature: float
    bound: float
    value: float
    score: float
    n_sweeps: int
    converged: bool
    def __init__(self, most_nodes: int, most_edges: int, n_labels: int) -> None: ...
    def set_graph(self, n_nodes: int, edges: NDArray[np.int32]) -> None: ...
    def reserve_tables(self) -> int: ...
    def set_scores(
        self,
        unary: NDArray[np.float64],
        agreement: NDArray[np.float64] | None,
        tables: NDArray[np.float64] | None,
    ) -> None: ...
    def scale_messages(self, factor: float) -> None: ...
    def solve(
        self, tol: float, max_sweeps: int, warm: bool
    ) -> tuple[
        NDArray[np.int32],
        NDArray[np.float64],
        NDArray[np.float64] | None,
        NDArray[np.float64] | None,
    ]: ...

def agreement_couplings(
    marginals: NDArray[np.float64],
    edges: NDArray[np.int32],
    agreement: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
