import numpy as np
from numpy.typing import NDArray

from structsvm.inference._label_sets import LabelSetMaximizer
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._features import BlockFeatures
from structsvm.problems._losses import PartLoss

class F1Loss(PartLoss):
    def __init__(self, n_labels: int) -> None: ...

class LabelSetProblem(FactoredProblem):
    def __init__(
        self,
        features: BlockFeatures,
        maximizer: LabelSetMaximizer,
        loss: PartLoss | None,
        labels: NDArray[np.int32] | None,
        offsets: NDArray[np.int64],
        work: float,
    ) -> None: ...
