import numpy as np
from numpy.typing import NDArray

def viterbi_chains(
    unary: NDArray[np.floating],
    offsets: NDArray[np.int64],
    transition: NDArray[np.floating],
    start: NDArray[np.floating] | None,
    end: NDArray[np.floating] | None,
    labels: NDArray[np.int32],
    values: NDArray[np.floating],
    first: int,
    last: int,
) -> int: ...
def max_marginals_chains(
    unary: NDArray[np.floating],
    offsets: NDArray[np.int64],
    transition: NDArray[np.floating],
    start: NDArray[np.floating] | None,
    end: NDArray[np.floating] | None,
    out: NDArray[np.floating],
) -> None: ...
