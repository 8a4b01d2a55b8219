"""Structured support vector machines, trained to a certified duality gap."""

from structsvm.base import StructuredModel
from structsvm.estimators import ChainSVM, SequenceTagger, StructSVM
from structsvm.models import ChainModel
from structsvm.path import fit_path
from structsvm.persistence import load
from structsvm.sequences import PackedSequences

__version__ = "0.1.0"

__all__ = [
    "ChainModel",
    "ChainSVM",
    "PackedSequences",
    "SequenceTagger",
    "StructSVM",
    "StructuredModel",
    "fit_path",
    "load",
]
