"""Estimators: validate, bind, solve; and predict from the weights found."""

import importlib
from typing import TYPE_CHECKING, Any

from structsvm.models import registry

if TYPE_CHECKING:
    from structsvm.estimators.latent import LatentSVM
    from structsvm.estimators.structured import StructSVM
    from structsvm.estimators.surrogate import SurrogateSVM
    from structsvm.models.registry import *

# Those of no family.
_OTHERS = {"LatentSVM": "latent", "StructSVM": "structured", "SurrogateSVM": "surrogate"}

__all__ = [*registry.places("estimators"), "LatentSVM", "StructSVM", "SurrogateSVM"]


def __getattr__(name: str) -> Any:
    if name in _OTHERS:
        return getattr(importlib.import_module(f"{__name__}.{_OTHERS[name]}"), name)
    if name in __all__:
        return registry.load_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
