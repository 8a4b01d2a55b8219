"""Models bound to data: the oracles that solvers call."""

from structsvm.problems._problem import Problem

__all__ = ["Problem"]
