import numpy as np
from numpy.typing import NDArray

from structsvm.problems._features import BlockFeatures
from structsvm.problems._problem import Problem

LOSSES: dict[str, int]

class RankingProblem(Problem):
    @property
    def features(self) -> BlockFeatures: ...
    @property
    def loss(self) -> str: ...
    @property
    def offsets(self) -> NDArray[np.int64]: ...
    def __init__(
        self,
        features: BlockFeatures,
        offsets: NDArray[np.int64],
        levels: NDArray[np.int32] | None = None,
        gains: NDArray[np.float64] | None = None,
        *,
        loss: str,
        k: int | None = None,
        normalize: bool = True,
        oracle_work: float = 1.0,
    ) -> None: ...
