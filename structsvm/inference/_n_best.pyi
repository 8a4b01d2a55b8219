import numpy as np
from numpy.typing import NDArray

def n_best_chain(
    own: NDArray[np.float64],
    transition: NDArray[np.float64],
    labels: NDArray[np.int32],
    values: NDArray[np.float64],
) -> int: ...
