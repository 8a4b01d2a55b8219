"""Inference: scores in, best outputs out. Knows no weights, no features and no loss."""

from structsvm.inference._chain import max_marginals, n_best, viterbi

__all__ = ["max_marginals", "n_best", "viterbi"]
