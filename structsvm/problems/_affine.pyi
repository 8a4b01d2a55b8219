import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.problems._problem import Problem

class AffineProblem(Problem):
    @property
    def inner(self) -> Problem: ...
    @property
    def base(self) -> NDArray[np.float64]: ...
    @property
    def factors(self) -> NDArray[np.float64]: ...
    @property
    def targets(self) -> NDArray[np.int32] | None: ...
    def __init__(
        self,
        plain: Problem,
        base: ArrayLike,
        factors: ArrayLike,
        targets: NDArray[np.int32] | None = None,
    ) -> None: ...
