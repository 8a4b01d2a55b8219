from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.problems._multiclass import MulticlassProblem
from structsvm.problems.kernel import Kernel

class KernelProblem(MulticlassProblem): ...

class KernelMulticlassProblem(KernelProblem):
    @property
    def kernel(self) -> Kernel: ...
    @property
    def cache_bytes(self) -> int: ...
    def __init__(
        self,
        kernel: Kernel,
        cache_bytes: int,
        labels: NDArray[np.int32],
        *,
        loss: str,
        slack: str,
        cost: NDArray[np.float64],
    ) -> None: ...

class KernelPredictions(KernelProblem):
    @property
    def kernel(self) -> Kernel: ...
    @property
    def rows(self) -> Any: ...
    def __init__(
        self,
        kernel: Kernel,
        rows: Any,
        labels: NDArray[np.int32] | None,
        *,
        loss: str,
        slack: str,
        cost: NDArray[np.float64] | None,
        n_classes: int,
    ) -> None: ...
