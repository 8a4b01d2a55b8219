"""Models: a structure described, sized from data, and bound to it."""

from structsvm.models.chain import ChainModel

__all__ = ["ChainModel"]
