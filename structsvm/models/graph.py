"""GraphModel: labels of a graph's nodes, scored by nodes and edges."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.scaling import ColumnScaling
from structsvm.graphs import Graph, as_graphs
from structsvm.losses import HammingLoss
from structsvm.models.factored import PackedInputs
from structsvm.models.labelled_graphs import GraphArrays, LabelledGraphs

__all__ = ["GraphModel"]


class GraphModel(LabelledGraphs):
    r"""Labels of the nodes of graphs.

    .. math::
        \langle w, \psi(x, y) \rangle = \sum_i x_i^\top \mathrm{node}[:, y_i]
        + \sum_{e = (a, b)} z_e^\top \mathrm{edge} \; [y_a = y_b]

    with node features x_i and edge features z_e. Both have a constant feature unless it is switched
    off, and the sums are divided by the number of nodes if the loss is normalised. With
    ``pairwise="table"`` the edge term is :math:`z_e^\top \mathrm{edge}[:, y_a, y_b]`.

    The weight vector holds the blocks node (n_features, n_classes), intercept (n_classes,), edge
    (n_edge_features,) or (n_edge_features, n_classes, n_classes) and edge intercept, row-major and
    one after the other.

    Parameters
    ----------
    task_loss : {"normalized_hamming", "hamming"} or HammingLoss, default="normalized_hamming"
        The share of wrong nodes, or their number. A normalised loss also divides the joint feature
        by the number of nodes, so each hinge is a mean over nodes: large graphs count no more than
        small ones, and C need not change with their size.
    pairwise : {"potts", "table", "symmetric", "antisymmetric"} or list, default="potts"
        "potts": scores of agreement; their weights are kept >= 0, and edge features must be >= 0.
        "table": scores of each pair of labels, of any sign. "symmetric": a table with one weight
        for both orders of two labels, so that the direction of an edge does not matter;
        "antisymmetric": the other order has minus the weight, and equal labels have 0. The norm
        counts such a weight once. A list says it of each edge feature, and of the constant.
    fit_intercept, edge_intercept : bool, default=True
        A constant feature of nodes, of edges. Regularised like any other.
    class_weight : "balanced", "jaccard", "auto" or dict, default=None
        Factor of each class. "balanced" is n_nodes / (n_classes * nodes of the class), where nodes
        count by their weight (`sample_weight` times `node_weight`). "jaccard" is for the
        Jaccard index (intersection over union): to first order, the index J of a class loses as
        much by one node that is missed as by 1 / J nodes that are labelled so wrongly. The factor
        is 1 / J over the least of these (1 / J against 1 for one of two classes that less than a
        third of the nodes have), with J of a logistic regression of the class against the others
        on single nodes, on held-out thirds of the examples, those of weight 0 left out; from 1 to
        20. "auto" is "jaccard" for two classes, and no factors for more.
    weighting : {"loss", "hinge"}, default="loss"
        What factors of classes multiply.

        - "loss": the loss at a node where the class is right, which is the margin asked for there.
          Weak features do not tell a rare class by that: where its probability is below 1/2, the
          labelling that answers another everywhere has the least hinge, for any factor.
        - "hinge": all terms of the hinge at such a node, loss and scores; those of an edge by the
          mean of its ends. A node with factor 2 counts in training as two would.
    ignore_label : label, default=None
        Nodes with this label in y are void, as are those whose label is None: they have no loss,
        and training leaves them and their edges out.
    inference_method : {"auto", "expansion", "relaxation"}, default="auto"
        The oracle of training.

        - "auto", for two classes and Potts scores: an exact cut.
        - "auto", for a graph without cycles, such as a tree: max-product, which is exact. What
          follows is for graphs with cycles.
        - "auto", for more classes and Potts scores: as "expansion", which comes close here.
        - "auto", for two classes and tables: roof duality, which takes as long as two cuts. It is
          exact if it decides every label; undecided nodes count as half of each label, as in
          "relaxation". The gap of a fit is a certificate if every oracle call decided all labels.
        - "auto", for more classes and tables: as "relaxation". If a training graph has tables with
          more than 2**20 entries (n_edges * n_classes ** 2), all training uses "expansion", with a
          warning. Such large graphs are also predicted by expansion.
        - "expansion": a labelling that no expansion improves, which may not be the best
          (*under-generating*: the hinge in training may be too low). With tables it may be far from
          the best if neighbours prefer different labels.
        - "relaxation": a point of the local polytope, that is, distributions over the labels of
          each node and the pairs of labels of each edge whose marginals agree. It includes all
          labellings, so training minimises an upper bound of the true objective
          (*over-generating*). It takes at least ten times as long as expansion; see
          `structsvm.inference.relax`.

        Predictions of graphs with cycles use expansion. If training relaxes, they also expand the
        labels of roof duality or of the relaxation, and keep the better labelling.
    relaxation_tol : float, default=1e-3
        How far the relaxation may stay below the best point of the polytope, as a share of the
        greatest loss of an example; it stops after 200 sweeps in any case. The objective of a fit,
        and so its gap, is too low by at most this. A tenfold tolerance takes about a third of the
        time.
    warm_inference : "auto", bool or int, default="auto"
        Whether each cut in training starts from the flow of the graph's last cut, which is faster
        and as exact. False keeps no flows, True all, a number at most so many bytes; "auto" is
        1 GiB. A flow takes 8 bytes an edge, 4 in images. It has an effect on exact cuts only.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    class_weight_ : ndarray of shape (n_classes,)
    n_features_in_, n_edge_features_, n_weights : int
    exact : bool
        True with "auto" for two classes and Potts scores, and where no training graph has a cycle.
        Otherwise the duality gap of a fit is an estimate, unless roof duality decided every label.
    oracle : {"exact", "under-generating", "over-generating"}
        The kind of the oracle of training.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import GraphModel, StructSVM
    >>> from structsvm.graphs import Graph
    >>> graph = Graph(np.array([[1.0], [0.4], [-1.0]]), [[0, 1], [1, 2]])
    >>> svm = StructSVM(GraphModel(), C=10, random_state=0).fit([graph], [[1, 1, 0]])
    >>> svm.predict([graph])[0].tolist()
    [1, 1, 0]
    """

    def __init__(
        self,
        task_loss: str | HammingLoss = "normalized_hamming",
        *,
        pairwise: str | Sequence[str] = "potts",
        fit_intercept: bool = True,
        edge_intercept: bool = True,
        class_weight: str | Mapping[Any, float] | None = None,
        weighting: str = "loss",
        ignore_label: Any = None,
        inference_method: str = "auto",
        relaxation_tol: float = 1e-3,
        warm_inference: str | bool | int = "auto",
    ) -> None:
        self.task_loss = task_loss
        self.pairwise = pairwise
        self.fit_intercept = fit_intercept
        self.edge_intercept = edge_intercept
        self.class_weight = class_weight
        self.weighting = weighting
        self.ignore_label = ignore_label
        self.inference_method = inference_method
        self.relaxation_tol = relaxation_tol
        self.warm_inference = warm_inference

    def input_sizes(self) -> dict[str, int]:
        return {"n_features": self.n_features_in_, "n_edge_features": self.n_edge_features_}

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        self._check_parameters()
        graphs = as_graphs(X) if sizes is None else as_graphs(X, *sizes.values())
        if not graphs and sizes is None:
            raise ValueError("X has no graphs: there is nothing to learn from")
        if not self._tables:
            for i, graph in enumerate(graphs):
                if graph.edge_features is not None:
                    _check_non_negative(f"X[{i}]", graph.edge_features)
        n_nodes = [graph.n_nodes for graph in graphs]
        offsets = np.append(0, np.cumsum(n_nodes, dtype=np.int64))
        if sizes is None:
            first = graphs[0]
            sizes = {"n_features": first.n_features, "n_edge_features": first.n_edge_features}
        return PackedInputs(graphs, offsets, sizes, [(n,) for n in n_nodes])

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        if all(columns.is_identity for columns in scaling.values()):
            return X
        graphs = [
            dataclasses.replace(graph, features=part.nodes, edge_features=part.pairs)
            for graph, part in zip(
                X.items, (part.scaled(scaling) for part in self.graphs(X)), strict=True
            )
        ]
        return PackedInputs(graphs, X.offsets, X.sizes, X.shapes)

    def graphs(self, X: PackedInputs) -> list[GraphArrays]:
        return [
            GraphArrays(graph.features, graph.edges, _edge_features(graph)) for graph in X.items
        ]


def _edge_features(graph: Graph) -> NDArray[np.floating]:
    return np.zeros((graph.n_edges, 0)) if graph.edge_features is None else graph.edge_features


def _check_non_negative(place: str, pairs: NDArray[np.floating]) -> None:
    """Raise unless edge features are >= 0: then scores of agreement are, too."""
    if pairs.size and pairs.min() < 0:
        e, g = np.argwhere(pairs < 0)[0]
        raise ValueError(
            f"{place}: edge_features[{e}, {g}] is {pairs[e, g]}; with pairwise='potts' edge "
            "features must be >= 0; use pairwise='table' for others"
        )
