"""Models: they describe a structure, learn its sizes from data, and bind it to data."""

from typing import TYPE_CHECKING, Any

from structsvm.models import registry

if TYPE_CHECKING:
    from structsvm.models.registry import *

__all__ = [*registry.places("models")]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return registry.load_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
