"""Estimators: validate, bind, solve; and predict from the weights found."""

from structsvm.estimators.chain import ChainSVM
from structsvm.estimators.graph import GraphSVM, GridSVM
from structsvm.estimators.multiclass import MulticlassSVM
from structsvm.estimators.structured import StructSVM
from structsvm.estimators.surrogate import SurrogateSVM
from structsvm.estimators.tagger import SequenceTagger

__all__ = [
    "ChainSVM",
    "GraphSVM",
    "GridSVM",
    "MulticlassSVM",
    "SequenceTagger",
    "StructSVM",
    "SurrogateSVM",
]
