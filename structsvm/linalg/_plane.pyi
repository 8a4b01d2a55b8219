import numpy as np
from numpy.typing import NDArray

def padded_vector(size: int) -> NDArray[np.float64]: ...

class PlaneBatch:
    size: int
    def __init__(self, size: int) -> None: ...
