"""Inference: scores in, best outputs out. Knows no weights, no features and no loss."""

from structsvm.inference._chain import viterbi

__all__ = ["viterbi"]
