"""Margin losses for networks of PyTorch: a network scores parts, and the library's maximizers find
the outputs (extra ``torch``).

Nothing else of the library imports this package.
"""

try:
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "structsvm.torch needs PyTorch: pip install 'structured-svm[torch]'"
    ) from error

from structsvm.torch.chain import ChainHinge
from structsvm.torch.grid import GridHinge
from structsvm.torch.linear import ChainLayer, GridLayer, last_layer, to_torch
from structsvm.torch.sets import MatchingHinge, SPOPlus, TreeHinge
from structsvm.torch.structured import StructuredHinge

__all__ = [
    "ChainHinge",
    "ChainLayer",
    "GridHinge",
    "GridLayer",
    "MatchingHinge",
    "SPOPlus",
    "StructuredHinge",
    "TreeHinge",
    "last_layer",
    "to_torch",
]
