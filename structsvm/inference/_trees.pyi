import numpy as np
from numpy.typing import NDArray

def closing_edge(n_nodes: int, edges: NDArray[np.int32]) -> int: ...
def max_product_forest(
    belief: NDArray[np.float64],
    edges: NDArray[np.int32],
    agreement: NDArray[np.float64] | None,
    tables: NDArray[np.float64] | None,
    labels: NDArray[np.int32],
    values: NDArray[np.float64],
) -> int: ...
