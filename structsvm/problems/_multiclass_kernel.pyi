import numpy as np
from numpy.typing import NDArray

from structsvm.problems._multiclass import MulticlassProblem
from structsvm.problems.kernel import Kernel
from structsvm.solvers._multiclass_dual import MulticlassDual

class KernelMulticlassProblem(MulticlassProblem):
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

class KernelDual(MulticlassDual):
    @property
    def place(self) -> NDArray[np.int32]: ...
    @property
    def holder(self) -> NDArray[np.int32]: ...
    @property
    def cache(self) -> NDArray[np.float64]: ...
    @property
    def n_computed(self) -> int: ...
    def load(self, examples: NDArray[np.int32]) -> None: ...
    def present_gaps(self, examples: NDArray[np.int32]) -> NDArray[np.float64]: ...
