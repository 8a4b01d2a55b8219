from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

class WordTemplates:
    def __init__(
        self,
        lines: Sequence[
            tuple[int, Sequence[tuple[int, int, int, int, int, NDArray[np.int64]]] | bool]
        ],
        columns: Sequence[int],
        views: Sequence[Sequence[tuple[Callable[[str], str | None], dict[str, int]]]],
        widths: Collection[int],
        kinds: Collection[str],
        reach: int,
        begin: int,
        end: int,
    ) -> None: ...

class WordCodes:
    def __init__(self, templates: WordTemplates) -> None: ...
