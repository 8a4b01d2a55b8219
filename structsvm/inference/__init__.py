"""Inference: scores in, best outputs out. It knows no weights, no features and no loss."""

from structsvm.inference._chain import marginals, max_marginals, n_best, viterbi
from structsvm.inference._foreign import ForeignMaximizer, PythonMaximizer
from structsvm.inference._graph_cut import GraphCut
from structsvm.inference._grid_cut import GridCut
from structsvm.inference._maximizer import Maximizer
from structsvm.inference.alignment import best_alignment
from structsvm.inference.arborescence import Arborescence, arborescence
from structsvm.inference.assignment import Assignment, assignment
from structsvm.inference.constrained import ConstrainedLabelling, constrained_labels
from structsvm.inference.cut_scores import CutCertificate
from structsvm.inference.dependency_trees import dependency_tree
from structsvm.inference.exhaustive import exhaustive
from structsvm.inference.expansion import alpha_expansion
from structsvm.inference.graph_cut import graph_cut
from structsvm.inference.grid_cut import grid_cut, grid_cut_many
from structsvm.inference.integer_program import (
    IntegerProgram,
    IntegerSolution,
    integer_program,
)
from structsvm.inference.intervals import IntervalSchedule, best_intervals
from structsvm.inference.knapsack import Knapsack, knapsack
from structsvm.inference.labelling import Labelling
from structsvm.inference.marginal_differences import max_marginal_differences, turning_points
from structsvm.inference.relaxation import Relaxation, RelaxedLabelling, relax
from structsvm.inference.roof_duality import PersistentLabels, roof_duality
from structsvm.inference.shortest_path import ShortestPath, best_path
from structsvm.inference.spanning_tree import SpanningTree, spanning_tree
from structsvm.inference.structures import Bounded, Compiled, Structure
from structsvm.inference.subset import Subset, best_items
from structsvm.inference.trees import max_product_tree

__all__ = [
    "Arborescence",
    "Assignment",
    "Bounded",
    "Compiled",
    "ConstrainedLabelling",
    "CutCertificate",
    "ForeignMaximizer",
    "GraphCut",
    "GridCut",
    "IntegerProgram",
    "IntegerSolution",
    "IntervalSchedule",
    "Knapsack",
    "Labelling",
    "Maximizer",
    "PersistentLabels",
    "PythonMaximizer",
    "Relaxation",
    "RelaxedLabelling",
    "ShortestPath",
    "SpanningTree",
    "Structure",
    "Subset",
    "alpha_expansion",
    "arborescence",
    "assignment",
    "best_alignment",
    "best_intervals",
    "best_items",
    "best_path",
    "constrained_labels",
    "dependency_tree",
    "exhaustive",
    "graph_cut",
    "grid_cut",
    "grid_cut_many",
    "integer_program",
    "knapsack",
    "marginals",
    "max_marginal_differences",
    "max_marginals",
    "max_product_tree",
    "n_best",
    "relax",
    "roof_duality",
    "spanning_tree",
    "turning_points",
    "viterbi",
]
