import numpy as np
from numpy.typing import NDArray

def persistent_labels(
    unary: NDArray[np.float64],
    edges: NDArray[np.int32],
    pairwise: NDArray[np.float64],
    labels: NDArray[np.int8],
    strong: NDArray[np.uint8],
) -> float: ...
