from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference.cut_scores import CutCertificate

class GridCut:
    shape: tuple[int, ...]
    connectivity: int
    directions: NDArray[np.intc]
    def __init__(self, shape: tuple[int, ...], connectivity: int = 4) -> None: ...
    @property
    def nbytes(self) -> int: ...
    def set_scores(
        self,
        unary: ArrayLike | None = None,
        pairwise: ArrayLike | None = None,
        *,
        keep_flow: bool = True,
    ) -> None: ...
    def scale(self, factor: float) -> None: ...
    def solve(self) -> NDArray[np.uint8]: ...
    def certificate(self) -> CutCertificate: ...
    def _hold(
        self,
        unary: NDArray[np.float64],
        largest_unary: float,
        pairwise: NDArray[np.float64],
        largest_pairwise: float,
        keep_flow: bool,
    ) -> None: ...

def line_labels(unary: NDArray[np.float64], pairwise: NDArray[np.float64]) -> NDArray[np.uint8]: ...
def directed_labels(
    shape: tuple[int, ...],
    connectivity: int,
    scores: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]],
) -> list[NDArray[np.uint8]]: ...
