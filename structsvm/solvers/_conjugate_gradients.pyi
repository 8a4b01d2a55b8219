import numpy as np
from numpy.typing import NDArray

from structsvm.problems._feature_rows import FeatureRows

def newton_direction(
    rows: FeatureRows,
    curvatures: NDArray[np.float64],
    gradient: NDArray[np.float64],
    *,
    penalty: float,
    accuracy: float,
    most_steps: int,
) -> tuple[NDArray[np.float64], int]: ...
