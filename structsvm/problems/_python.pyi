from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.problems._problem import Problem

class PythonProblem(Problem):
    def __init__(
        self,
        model: Any,
        X: Sequence[Any],
        Y: Sequence[Any] | None,
        n_weights: int | None,
        *,
        exact: bool = True,
        non_negative: slice | ArrayLike | None = None,
    ) -> None: ...
    @property
    def model_name(self) -> str: ...
    def method_name(self, method: str) -> str: ...
    def truth_losses(self, examples: NDArray[np.int32]) -> NDArray[np.float64]: ...
    def truth_psi(self, i: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
    def pack(
        self, question: str, examples: NDArray[np.int32], weights: NDArray[np.float64]
    ) -> tuple[Any, ...]: ...
    def unpack(
        self,
        examples: NDArray[np.int32],
        piece: tuple[Any, ...],
        out: Any,
        start: int = 0,
    ) -> None: ...
