import numpy as np
from numpy.typing import NDArray

def expand_labels(
    unary: NDArray[np.float64],
    edges: NDArray[np.int32],
    pairwise: NDArray[np.float64],
    step: int,
    is_table: bool,
    labels: NDArray[np.int32],
    begins_anew: bool,
    max_cycles: int,
) -> tuple[float, bool]: ...
