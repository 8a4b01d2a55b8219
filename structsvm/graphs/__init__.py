"""Graphs with features of nodes and edges, and conversion from other forms."""

from structsvm.graphs.conversion import as_graph, as_graphs
from structsvm.graphs.graph import Graph
from structsvm.graphs.typed import TypedGraph, as_typed_graphs

__all__ = ["Graph", "TypedGraph", "as_graph", "as_graphs", "as_typed_graphs"]
