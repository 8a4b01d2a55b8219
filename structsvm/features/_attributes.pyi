from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ReadToken = Callable[[Any, int, int], Iterable[tuple[str, float]]]

def count_attributes(sequences: Iterable[Any], read_token: _ReadToken) -> dict[str, int]: ...
def attribute_rows(
    sequences: Iterable[Any], column_of: dict[str, int], read_token: _ReadToken
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]: ...
