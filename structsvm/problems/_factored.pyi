import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.problems._problem import Problem

class PartFeatures:
    @property
    def n_weights(self) -> int: ...

class Structure:
    @property
    def max_parts(self) -> int: ...
    @property
    def max_labels(self) -> int: ...
    @property
    def exact(self) -> bool: ...
    @property
    def relaxed(self) -> bool: ...

class PartLoss: ...

class FactoredProblem(Problem):
    @property
    def features(self) -> PartFeatures: ...
    @property
    def structure(self) -> Structure: ...
    @property
    def loss(self) -> PartLoss | None: ...
    @property
    def label_offsets(self) -> NDArray[np.int64]: ...
    def __init__(
        self,
        features: PartFeatures,
        structure: Structure,
        loss: PartLoss | None,
        labels: NDArray[np.int32] | None,
        offsets: NDArray[np.int64],
        oracle_work: float,
    ) -> None: ...
    def decode(
        self, weights: ArrayLike, *, augmented: bool = False, n_threads: int = 1
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
