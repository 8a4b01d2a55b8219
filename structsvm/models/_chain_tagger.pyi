from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.features._attributes import AttributeTable
from structsvm.features._words import WordTemplates

class ChainTagger:
    def __init__(
        self,
        source: tuple[AttributeTable, int, str] | WordTemplates,
        n_features: int,
        n_labels: int,
        places: tuple[int, int, int, int],
        forbidden: tuple[NDArray[np.float64], ...] | None,
    ) -> None: ...
    def fits(self, w: NDArray[np.float64]) -> bool: ...
    def tag(self, sentence: Any, w: NDArray[np.float64], names: list[Any]) -> list[Any] | None: ...
    def tag_all(
        self, sentences: Sequence[Any], w: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]] | None: ...
