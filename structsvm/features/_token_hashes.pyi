from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

MARGIN: int

def tag_hash(tag: str) -> int: ...
def word_hash(word: str) -> int: ...
def word_attributes(
    words: Sequence[str], known: Collection[int], out: NDArray[np.uint64]
) -> None: ...
def token_rows(
    words: NDArray[np.uint64],
    tags: NDArray[np.uint64],
    kinds: NDArray[np.uint8],
    word_of: NDArray[np.int32],
    tag_of: NDArray[np.int32],
    offsets: NDArray[np.int64],
) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]: ...
