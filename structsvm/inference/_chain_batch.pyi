import numpy as np
from numpy.typing import NDArray

FAULTS: dict[str, int]

def maximize_chains(
    emissions: NDArray[np.floating],
    mask: NDArray[np.uint8] | None,
    tags: NDArray[np.int64] | None,
    void: int,
    transition: NDArray[np.floating],
    start: NDArray[np.floating],
    end: NDArray[np.floating],
    cost: NDArray[np.floating] | None,
    paths: NDArray[np.int32],
    values: NDArray[np.floating],
) -> tuple[int, int, int]: ...
def scatter_chains(
    paths: NDArray[np.int32],
    tags: NDArray[np.int64],
    factors: NDArray[np.floating],
    emissions: NDArray[np.floating],
    shared: NDArray[np.float64] | None,
    steps: NDArray[np.floating] | None,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
) -> None: ...
def list_paths(
    paths: NDArray[np.int32], labels: NDArray[np.int32], ends: NDArray[np.int64]
) -> None: ...
