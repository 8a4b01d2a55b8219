"""The classes that model files may name: those of this package, and what others register.

A file is data: it names classes, and only those found here are ever called.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from structsvm.models import registry

__all__ = ["class_named", "estimator_class", "name_of", "register"]

# Those of no family, beside the solvers.
_OTHERS = (
    "estimators.arc_labeller:ArcLabeller",
    "estimators.calibration:Calibration",
    "estimators.chain_confidence:ChainCalibration",
    "estimators.latent:LatentSVM",
    "estimators.structured:StructSVM",
    "features.arc_features:ArcFeatures",
    "features.token_features:TokenFeatures",
    "features.vectorizer:SequenceVectorizer",
    "losses:HammingLoss",
)

_registered: dict[str, type] = {}


def register(kind: type) -> type:
    """Let model files hold objects of a class from outside; a decorator for classes.

    Files name it by its module and its name, and whoever loads them must have registered it before.
    What its constructor takes is stored as it is: numbers, strings, lists, dicts, arrays, and
    objects of known classes.

    Parameters
    ----------
    kind : class with ``get_params``, as those derived from scikit-learn's BaseEstimator
        A model needs `StructuredModel.to_state` and `StructuredModel.from_state` as well.

    Returns
    -------
    kind

    Raises
    ------
    TypeError
        If one of these methods is missing.

    Examples
    --------
    >>> from structsvm.losses import HammingLoss
    >>> from structsvm.persistence.registry import register
    >>> @register
    ... class HalfHamming(HammingLoss):
    ...     pass
    """
    from structsvm.base import StructuredModel

    lacking = [] if callable(getattr(kind, "get_params", None)) else ["get_params"]
    if issubclass(kind, StructuredModel):
        lacking += [
            name
            for name in ("to_state", "from_state")
            if getattr(kind, name) is getattr(StructuredModel, name)
        ]
    if lacking:
        methods = ", ".join(f"{name}()" for name in lacking)
        raise TypeError(f"{kind.__name__} lacks {methods}, which model files need")
    _registered[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return kind


def name_of(kind: type) -> str | None:
    """What files call a class; None if they may not hold its objects."""
    for name in (kind.__name__, f"{kind.__module__}.{kind.__qualname__}"):
        if class_named(name) is kind:
            return name
    return None


def class_named(name: Any) -> type | None:
    """The class that a file names, or None."""
    if not isinstance(name, str):
        return None
    return _registered.get(name) or _shipped(name)


def estimator_class() -> Any:
    """What every estimator of a model file derives from."""
    return _shipped("StructSVM")


@functools.cache
def _shipped_places() -> dict[str, str]:
    others = {place.partition(":")[2]: place for place in _OTHERS}
    return registry.places() | others


def _shipped(name: str) -> type | None:
    from structsvm import inference
    from structsvm.solvers import SOLVERS

    if (place := _shipped_places().get(name)) is not None:
        module, _, _ = place.partition(":")
        kind: type = getattr(importlib.import_module(f"structsvm.{module}"), name)
        return kind
    structure = getattr(inference, name, None)
    # A file may not say at which address there is code.
    if isinstance(structure, type) and issubclass(structure, inference.Structure):
        return None if structure is inference.Compiled else structure
    return next((kind for kind in SOLVERS.values() if kind.__name__ == name), None)
