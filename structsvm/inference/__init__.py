"""Inference: scores in, best outputs out. Knows no weights, no features and no loss."""

from structsvm.inference._chain import max_marginals, n_best, viterbi
from structsvm.inference._graph_cut import GraphCut
from structsvm.inference._grid_cut import GridCut
from structsvm.inference.cut_scores import CutCertificate
from structsvm.inference.expansion import alpha_expansion
from structsvm.inference.graph_cut import graph_cut
from structsvm.inference.grid_cut import grid_cut, grid_cut_many

__all__ = [
    "CutCertificate",
    "GraphCut",
    "GridCut",
    "alpha_expansion",
    "graph_cut",
    "grid_cut",
    "grid_cut_many",
    "max_marginals",
    "n_best",
    "viterbi",
]
