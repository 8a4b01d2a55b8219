from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.problems._features import FeatureBlock

class SumBlock(FeatureBlock):
    def __init__(self, blocks: Sequence[FeatureBlock]) -> None: ...

class KindBlock(FeatureBlock):
    def __init__(
        self,
        kinds: NDArray[np.int32],
        offsets: NDArray[np.int64],
        place: int,
        n_kinds: int,
        *,
        shared: bool = False,
    ) -> None: ...
