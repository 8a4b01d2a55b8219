"""Inference: scores in, best outputs out. Knows no weights, no features and no loss."""

from structsvm.inference._chain import max_marginals, n_best, viterbi
from structsvm.inference.labeling import Labeling
from structsvm.inference.relaxation import Relaxation, RelaxedLabeling, relax

__all__ = [
    "Labeling",
    "Relaxation",
    "RelaxedLabeling",
    "max_marginals",
    "n_best",
    "relax",
    "viterbi",
]
