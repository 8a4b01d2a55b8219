import numpy as np
from numpy.typing import NDArray

from structsvm.inference._maximizer import Maximizer

def writes_uses(maximizer: Maximizer) -> bool: ...
def write_uses(
    maximizer: Maximizer,
    examples: NDArray[np.int64],
    uses: NDArray[np.int64],
    labels: NDArray[np.int32],
) -> tuple[int, int] | None: ...
def hinges(
    maximizer: Maximizer,
    examples: NDArray[np.int64],
    theta: NDArray[np.float64],
    labels: NDArray[np.int32],
    levels: NDArray[np.int32] | None,
    units: NDArray[np.float64] | None,
    values: NDArray[np.float64],
    slopes: NDArray[np.float64],
) -> NDArray[np.int64]: ...
