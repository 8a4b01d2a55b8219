"""Graphs with features of nodes and edges, and conversion from other forms."""

from structsvm.graphs.conversion import as_graph, as_graphs
from structsvm.graphs.graph import Graph

__all__ = ["Graph", "as_graph", "as_graphs"]
