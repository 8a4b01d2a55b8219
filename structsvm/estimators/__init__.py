"""Estimators: validate, bind, solve; and predict from the weights found."""

from structsvm.estimators.chain import ChainSVM
from structsvm.estimators.multiclass import MulticlassSVM
from structsvm.estimators.structured import StructSVM

__all__ = ["ChainSVM", "MulticlassSVM", "StructSVM"]
