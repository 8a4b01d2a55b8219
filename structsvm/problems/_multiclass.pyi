import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.engines.base import Engine
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._problem import Problem

LOSSES: dict[str, int]
SLACKS: tuple[str, ...]

class MulticlassProblem(Problem):
    @property
    def features(self) -> FeatureRows: ...
    @property
    def labels(self) -> NDArray[np.int32] | None: ...
    @property
    def loss(self) -> str: ...
    @property
    def slack(self) -> str: ...
    @property
    def cost(self) -> NDArray[np.float64] | None: ...
    def __init__(
        self,
        features: FeatureRows,
        labels: NDArray[np.int32] | None,
        *,
        loss: str,
        slack: str,
        cost: NDArray[np.float64] | None = None,
        n_classes: int | None = None,
    ) -> None: ...
    def joint_feature(
        self, i: int, counts: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
    def all_scores(
        self, w: NDArray[np.float64], start: int = 0, stop: int | None = None
    ) -> NDArray[np.float64]: ...
    def sqnorms(self) -> NDArray[np.float64]: ...
    def hinges(self, weights: ArrayLike, engine: Engine | None = None) -> NDArray[np.float64]: ...
    def write_hinges(
        self,
        examples: NDArray[np.int32],
        w: NDArray[np.float64],
        out: NDArray[np.float64],
        start: int = 0,
        thread: int = 0,
    ) -> None: ...
