"""Models: a structure described, sized from data, and bound to it."""

from structsvm.models.chain import ChainModel
from structsvm.models.graph import GraphModel
from structsvm.models.grid import GridModel
from structsvm.models.kernel_multiclass import KernelMulticlassModel
from structsvm.models.multiclass import MulticlassModel

__all__ = ["ChainModel", "GraphModel", "GridModel", "KernelMulticlassModel", "MulticlassModel"]
