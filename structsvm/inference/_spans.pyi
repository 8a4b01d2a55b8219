import numpy as np
from numpy.typing import NDArray

from structsvm.inference._part_sets import ScratchMaximizer

class SpanMaximizer(ScratchMaximizer):
    @property
    def stride(self) -> int: ...
    @property
    def tag_stride(self) -> int: ...
    def __init__(
        self,
        lengths: NDArray[np.int64],
        first_tags: NDArray[np.int32],
        inner_tags: NDArray[np.int32],
        longest: int,
        bins: NDArray[np.int32],
        is_void: NDArray[np.bool_] | None = None,
    ) -> None: ...
