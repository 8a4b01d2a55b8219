from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._maximizer import Maximizer

class ForeignMaximizer(Maximizer):
    def __init__(self, address: Any, owner: object = None) -> None: ...

class CompiledMaximizer(Maximizer):
    def __init__(
        self,
        address: int,
        n_parts: Sequence[int],
        n_labels: Sequence[int],
        *,
        user: int = 0,
        owner: object = None,
        exact: bool = True,
    ) -> None: ...

class PythonMaximizer(Maximizer):
    def __init__(
        self,
        maximize: Callable[[int, NDArray[np.float64]], ArrayLike],
        n_parts: Sequence[int],
        n_labels: Sequence[int],
        *,
        parts: Callable[[int, NDArray[np.int32]], ArrayLike] | None = None,
        exact: bool = True,
    ) -> None: ...
