"""Weights of an estimator that are made when they are asked for."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["WeightsWhenAsked"]


class WeightsWhenAsked:
    """The attribute `coef_`: set like any other, or made at the first reading.

    It is no data descriptor: weights that are set, or made, stand in the estimator's dict.
    """

    LATER = "_coef_later"  #: what makes them

    @overload
    def __get__(self, estimator: None, owner: type) -> WeightsWhenAsked: ...

    @overload
    def __get__(self, estimator: Any, owner: type) -> NDArray[np.float64]: ...

    def __get__(self, estimator: Any, owner: type) -> Any:
        if estimator is None:
            return self
        held = vars(estimator)
        if (later := held.get(self.LATER)) is not None:
            held.setdefault("coef_", later())
            held.pop(self.LATER, None)
        # Another thread may have made them since the dict was looked at.
        if "coef_" not in held:
            raise AttributeError(f"{owner.__name__!r} object has no attribute 'coef_'")
        return held["coef_"]
