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
    """Labels of a graph, their score, and a bound on what any labels score.

    Attributes
    ----------
    labels : int32 array of shape (n_nodes,)
    score : float
        Of the labels.
    bound : float
        No labelling scores more, up to rounding. Equal to `score` where the labels are known to be
        the best.
    oracle : "exact", "under-generating" or "over-generating"
        What a search of this kind is as an oracle for training (Finley, Joachims 2008,
        doi:10.1145/1390156.1390195): "exact" maximises over all labellings; "under-generating" over
        some of them, so that a hinge made with its score is too low and bounds nothing;
        "over-generating" over more than them, so that a hinge made with its bound is valid.
    """

    labels: NDArray[np.int32]
    score: float
    bound: float
    oracle: OracleKind
