"""What inference on a general graph returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Labelling", "OracleKind"]

OracleKind = Literal["exact", "under-generating", "over-generating"]


@dataclass(frozen=True, eq=False)
class Labelling:
    """Labels of a graph, their score, and a bound on the score of every labelling.

    Attributes
    ----------
    labels : int32 array of shape (n_nodes,)
    score : float
        Score of the labels.
    bound : float
        No labelling scores more, up to rounding. Equal to `score` if the labels are known to be
        the best.
    oracle : "exact", "under-generating" or "over-generating"
        The kind of oracle that this search makes in training (Finley, Joachims 2008,
        doi:10.1145/1390156.1390195). "exact" maximises over all labellings. "under-generating"
        maximises over some of them, so a hinge made with its score may be too low and bounds
        nothing. "over-generating" maximises over a larger set, so a hinge made with its bound is
        an upper bound.
    """

    labels: NDArray[np.int32]
    score: float
    bound: float
    oracle: OracleKind
