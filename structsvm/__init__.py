"""Structured support vector machines, trained to a certified duality gap."""

from structsvm.base import StructuredModel
from structsvm.estimators import ChainSVM, MulticlassSVM, StructSVM
from structsvm.models import ChainModel, MulticlassModel
from structsvm.path import fit_path
from structsvm.persistence import load

__version__ = "0.1.0"

__all__ = [
    "ChainModel",
    "ChainSVM",
    "MulticlassModel",
    "MulticlassSVM",
    "StructSVM",
    "StructuredModel",
    "fit_path",
    "load",
]
