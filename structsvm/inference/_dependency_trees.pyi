from numpy.typing import ArrayLike

from structsvm.inference._part_sets import ScratchMaximizer

class DependencyTreeMaximizer(ScratchMaximizer):
    @property
    def order(self) -> int: ...
    @property
    def projective(self) -> bool: ...
    @property
    def single_root(self) -> bool: ...
    def __init__(
        self,
        lengths: ArrayLike,
        order: int = 1,
        *,
        projective: bool = True,
        single_root: bool = True,
    ) -> None: ...
