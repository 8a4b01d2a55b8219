from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._maximizer import Maximizer
from structsvm.problems._features import BlockFeatures
from structsvm.problems._losses import PartLoss
from structsvm.problems._problem import Problem

class FactoredProblem(Problem):
    @property
    def features(self) -> BlockFeatures: ...
    @property
    def maximizer(self) -> Maximizer: ...
    @property
    def loss(self) -> PartLoss | None: ...
    @property
    def label_offsets(self) -> NDArray[np.int64]: ...
    def __init__(
        self,
        features: BlockFeatures,
        maximizer: Maximizer,
        loss: PartLoss | None,
        labels: NDArray[np.int32] | None,
        offsets: NDArray[np.int64],
        oracle_work: float,
        *,
        truths_outside: bool = False,
    ) -> None: ...
    def n_best(
        self, weights: ArrayLike, n: int
    ) -> list[tuple[NDArray[np.int32], NDArray[np.float64]]]: ...
    def complete(
        self,
        weights: ArrayLike,
        allowed: NDArray[Any],
        examples: NDArray[np.int32],
        before: NDArray[np.int32] | None = None,
    ) -> NDArray[np.int32]: ...
    def part_scores(self, weights: ArrayLike) -> NDArray[np.float64]: ...
    def joint_feature(
        self, i: int, labels: ArrayLike
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
    def loss_of(self, i: int, labels: ArrayLike) -> float: ...
