import numpy as np
from numpy.typing import NDArray

from structsvm.inference._maximizer import Maximizer

MOST_ENUMERATED: int

class LabelSetMaximizer(Maximizer):
    @property
    def n_set_labels(self) -> int: ...
    @property
    def n_pairs(self) -> int: ...
    def __init__(
        self,
        n_examples: int,
        n_labels: int,
        pairs: NDArray[np.int32],
        *,
        enumerate: bool = False,
    ) -> None: ...
    def leads(self, theta: NDArray[np.float64]) -> NDArray[np.float64]: ...
