import numpy as np
from numpy.typing import NDArray

from structsvm.solvers._plane_store import PlaneStore

class SparsePlanes(PlaneStore):
    def shift(self, i: int, indices: NDArray[np.int32], values: NDArray[np.float64]) -> None: ...
