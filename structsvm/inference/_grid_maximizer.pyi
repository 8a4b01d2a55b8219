from collections.abc import Sequence

from structsvm.inference._maximizer import Maximizer

class GridMaximizer(Maximizer):
    @property
    def n_kept(self) -> int: ...
    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        connectivity: int,
        n_labels: int,
        *,
        kept_bytes: int = 0,
    ) -> None: ...
