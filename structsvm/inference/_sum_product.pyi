import numpy as np
from numpy.typing import NDArray

def marginals_chains(
    unary: NDArray[np.floating],
    offsets: NDArray[np.int64],
    transition: NDArray[np.floating],
    start: NDArray[np.floating] | None,
    end: NDArray[np.floating] | None,
    out: NDArray[np.floating],
    values: NDArray[np.floating],
) -> int: ...
