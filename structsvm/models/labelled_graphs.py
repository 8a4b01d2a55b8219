"""LabelledGraphs: the base class of graph and grid models."""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar
from structsvm.data.labels import (
    PackedLabels,
    check_class_weight,
    encode_nodes,
    flat_labels,
    known_labels,
    known_nodes,
    odd_labels,
    pack_label_weight,
    void_nodes,
    without_none,
)
from structsvm.data.scaling import ColumnScaling, FeatureGroup, row_chunks
from structsvm.data.sequences import as_items
from structsvm.data.state import State, checked_classes
from structsvm.exceptions import ModelFileError, warn
from structsvm.inference._graph_maximizer import GraphMaximizer
from structsvm.inference._maximizer import Maximizer
from structsvm.inference._relaxed_maximizer import RelaxedGraphMaximizer
from structsvm.inference._roof_maximizer import RoofGraphMaximizer
from structsvm.inference._trees import closing_edge
from structsvm.losses import HammingLoss, make_loss
from structsvm.metrics import pixel_accuracy
from structsvm.models.class_weights import jaccard_weights
from structsvm.models.completion import StatesModel
from structsvm.models.constrained_graphs import all_constrained_labels
from structsvm.models.factored import PackedInputs, mean_costs, unit_of_parts
from structsvm.problems._contrast import ContrastBlock, ContrastRows
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import BlockFeatures, RowBlock
from structsvm.problems._losses import LabelLoss
from structsvm.problems.layout import Layout

__all__ = ["GraphArrays", "LabelledGraphs", "LazyEdges"]

# Rough numbers for Problem.oracle_work: multiply-adds of a vector instruction, and the work of a
# cut for each node in multiply-adds.
_LANES, _CUT_OF_A_NODE = 8, 150

# Sweeps of a relaxation, and the work of one term of a soft message in multiply-adds.
_SWEEPS, _SOFT_TERM = 30, 20

_TABLES = ("table", "symmetric", "antisymmetric")
_METHODS = ("auto", "expansion", "relaxation")

# Most entries in the tables of all edges of a graph that "auto" relaxes: about a second a call.
_MOST_ENTRIES = 1 << 20

# Nodes of all examples that tell a C of its own; see `LabelledGraphs.penalty_unit`.
_EVIDENCE = 20_000

# Bytes of flows that "auto" keeps.
_AUTO_BYTES = 1 << 30


class LazyEdges:
    """The edges of a graph, made when they are first asked for."""

    def __init__(self, make: Callable[[], NDArray[np.int32]]) -> None:
        self._make = make

    @functools.cached_property
    def array(self) -> NDArray[np.int32]:
        return self._make()


class GraphArrays(NamedTuple):
    """Arrays of one graph for compiled code; features are float64 or float32, C-contiguous."""

    nodes: NDArray[np.floating]  #: (n_nodes, n_features)
    ends: NDArray[np.int32] | LazyEdges  #: (n_edges, 2)
    pairs: NDArray[np.floating] | ContrastRows  #: (n_edges, n_edge_features)

    @property
    def edges(self) -> NDArray[np.int32]:
        return self.ends.array if isinstance(self.ends, LazyEdges) else self.ends

    def scaled(self, scaling: Mapping[str, ColumnScaling]) -> GraphArrays:
        """The same with scaled columns."""
        nodes, columns = scaling["node"].apply(self.nodes), scaling["edge"]
        if isinstance(self.pairs, ContrastRows):  # edges have no column that is centred
            return GraphArrays(nodes, self.ends, self.pairs.scaled(columns.scale))
        pairs = columns.apply(self.pairs)
        return GraphArrays(nodes, self.ends, pairs)


class LabelledGraphs(StatesModel):
    """Models of graphs with scores of nodes and edges: layout, oracle and parameters.

    Subclasses define how to read examples, in `read_inputs` and `graphs`.
    """

    task_loss: str | HammingLoss
    pairwise: str | Sequence[str]
    fit_intercept: bool
    edge_intercept: bool
    class_weight: str | Mapping[Any, float] | None
    weighting: str
    ignore_label: Any
    inference_method: str
    relaxation_tol: float
    warm_inference: str | bool | int

    weight_name = "node_weight"

    _is_too_large = False  #: whether a training graph is too large for a relaxation
    _has_cycles = True  #: whether a training graph has

    # ---- for subclasses

    @abc.abstractmethod
    def graphs(self, X: PackedInputs) -> list[GraphArrays]:
        """The arrays of the examples for compiled code; made once while the model is the same.

        Parameters
        ----------
        X : PackedInputs

        Returns
        -------
        graphs : list of GraphArrays
        """

    # ---- sizes and weights

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        items = as_items("y", y)
        shapes = [np.shape(item) for item in items] if X is None else X.shapes
        assert shapes is not None
        items, masks = without_none(items)
        flat = flat_labels(items, shapes)
        sizes = [math.prod(shape) for shape in shapes]
        offsets = np.append(0, np.cumsum(sizes, dtype=np.int64))
        weights, void = pack_label_weight(weight, shapes), None
        if masks is not None:
            rows = zip(masks, sizes, strict=True)
            void = np.concatenate([np.zeros(n, bool) if m is None else m.ravel() for m, n in rows])
        return PackedLabels(flat, offsets, shapes, weights, void=void)

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        """Learn the labels, their weights, and the numbers of features."""
        self._check_parameters()
        weights = y.weight
        if y.sample_weight is not None:
            of_nodes = np.repeat(y.sample_weight, y.lengths)
            weights = of_nodes if weights is None else weights * of_nodes
        classes, counts = known_labels(y, self.ignore_label, weights, classes)
        graphs = self.graphs(X)
        self.resize(classes, graphs[0].nodes.shape[1], graphs[0].pairs.shape[1])
        class_weight = self.class_weight
        if isinstance(class_weight, str) and class_weight == "auto":
            class_weight = "jaccard" if len(classes) == 2 else None
        if isinstance(class_weight, str) and class_weight == "jaccard":
            numbers = self.class_numbers(y)
            if weights is not None:
                numbers = np.where(weights > 0, numbers, np.int32(-1))
            nodes = [graph.nodes for graph in graphs]
            self.class_weight_ = jaccard_weights(nodes, numbers, len(classes))
        else:
            self.class_weight_ = check_class_weight(class_weight, classes, counts)
        has_cycle = [_has_cycle(graph) for graph in graphs]
        self._has_cycles = any(has_cycle)
        entries = [
            self._entries(graph) if cyclic else 0
            for graph, cyclic in zip(graphs, has_cycle, strict=True)
        ]
        if self._relaxes and not self._by_roof_duality and max(entries) > self._most_entries:
            self._is_too_large = True
            i = int(np.argmax(entries))
            warn(
                f"X[{i}] has {len(graphs[i].pairs)} edges, whose tables for {len(classes)} labels "
                f"have {entries[i]} entries, more than {_MOST_ENTRIES}: inference_method='auto' "
                "trains with expansion instead of a relaxation, which may be far from the best "
                "labels if edges prefer different labels; the objective and the gap are "
                "estimates. Use 'relaxation' to wait for it, or 'expansion' to silence this",
                UserWarning,
            )

    def _oddity(self) -> str | None:
        return super()._oddity() or odd_labels(self.classes_, self.ignore_label)

    def _check_parameters(self) -> None:
        kinds = [self.pairwise] if isinstance(self.pairwise, str) else self.pairwise
        if self.pairwise != "potts" and not set(kinds) <= set(_TABLES):
            names = ", ".join(repr(name) for name in _TABLES)
            raise ValueError(
                f"pairwise={self.pairwise!r}: expected 'potts', or one of {names}, or a list of "
                "the latter, one for each edge feature and one for the constant"
            )
        if not isinstance(self.inference_method, str) or self.inference_method not in _METHODS:
            names = ", ".join(repr(name) for name in _METHODS)
            raise ValueError(f"inference_method={self.inference_method!r}: expected one of {names}")
        if self.weighting not in ("loss", "hinge"):
            raise ValueError(f"weighting={self.weighting!r}: expected 'loss' or 'hinge'")
        check_scalar("relaxation_tol", self.relaxation_tol, above=0)
        warm = self.warm_inference
        if warm != "auto" and (not isinstance(warm, (bool, int, np.integer)) or warm < 0):
            raise ValueError(
                f"warm_inference={warm!r}: expected 'auto', True, False or a number of bytes"
            )

    def resize(self, classes: NDArray[Any], n_features: int, n_edge_features: int) -> None:
        """Set the labels (sorted, distinct) and the numbers of features.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)
            Sorted and distinct.
        n_features : int
        n_edge_features : int
        """
        self._check_parameters()
        self.classes_ = classes
        self.n_features_in_ = n_features
        self.n_edge_features_ = n_edge_features
        self._is_too_large, self._has_cycles = False, True
        self.layout_ = self._layout()
        self.n_weights = self.layout_.n_weights
        if not 0 < self.n_weights < 2**31:
            raise ValueError(
                f"{n_features} features, {n_edge_features} edge features and {len(classes)} labels "
                f"make {self.n_weights} weights, expected 1 to 2**31 - 1"
            )
        self._kinds_of_tables()

    def to_state(self) -> State:
        """Labels and their weights, numbers of features, and what is known of the training
        graphs."""
        state: State = {
            "n_features": self.n_features_in_,
            "n_edge_features": self.n_edge_features_,
            "classes": self.classes_,
            "class_weight": self.class_weight_,
        }
        flags = {"is_too_large": self._is_too_large, "has_no_cycles": not self._has_cycles}
        return state | {name: np.ones(1) for name, flag in flags.items() if flag}

    def from_state(self, state: State) -> Self:
        classes, weights = checked_classes(state), state["class_weight"]
        self.resize(classes, state["n_features"], state["n_edge_features"])
        if weights.dtype != np.float64 or weights.shape != (len(classes),):
            raise ModelFileError(
                f"the class weights are {weights.dtype} of shape {weights.shape}, expected float64 "
                f"of shape ({len(classes)},)"
            )
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise ModelFileError("a class weight is negative or not finite")
        self.class_weight_ = weights
        self._is_too_large = "is_too_large" in state
        self._has_cycles = "has_no_cycles" not in state
        return self

    def n_table_entries(self, state: State) -> int:
        """Number of scores of pairs of labels."""
        return len(state["classes"]) ** 2

    @property
    def _tables(self) -> bool:
        return self.pairwise != "potts"

    @property
    def _pair_width(self) -> int:
        return len(self.classes_) ** 2 if self._tables else 1

    @property
    def _n_node_rows(self) -> int:
        return self.n_features_in_ + bool(self.fit_intercept)

    @property
    def _edge_constant(self) -> bool:
        """Whether compiled code adds a constant after each edge's features."""
        return bool(self.edge_intercept)

    @property
    def _n_edge_rows(self) -> int:
        return self.n_edge_features_ + self._edge_constant

    def _layout(self) -> Layout:
        k = len(self.classes_)
        pair = (k, k) if self._tables else ()
        blocks: list[tuple[str, tuple[int, ...]]] = [("node", (self.n_features_in_, k))]
        if self.fit_intercept:
            blocks.append(("intercept", (k,)))
        blocks.append(("edge", (self.n_edge_features_, *pair)))
        if self._edge_constant:
            blocks.append(("edge_intercept", pair))
        return Layout(blocks)

    def _kinds_of_tables(self) -> list[str]:
        """The kind of each table of scores of pairs, the constant's last."""
        if isinstance(self.pairwise, str):
            return [self.pairwise] * self._n_edge_rows
        if len(self.pairwise) != self._n_edge_rows:
            constant = " and one for the constant" if self._edge_constant else ""
            raise ValueError(
                f"pairwise has {len(self.pairwise)} kinds of tables, expected {self._n_edge_rows}: "
                f"one for each of {self.n_edge_features_} edge features{constant}"
            )
        return list(self.pairwise)

    def constrained_inference(
        self, X: PackedInputs, w: NDArray[np.float64], constraints: Sequence[Any]
    ) -> list[Any]:
        k = len(self.classes_)
        graphs = [(len(graph.nodes), graph.edges) for graph in self.graphs(X)]
        shape = (k, k, k) if self._tables else (k,)
        labels = all_constrained_labels(self.make_problem(X, None), w, graphs, shape, constraints)
        return self.write_outputs(X, labels)

    def part_scores(
        self, X: PackedInputs, w: NDArray[np.float64]
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]]:
        """Of each prepared input the scores of nodes and labels (n_nodes, n_classes), the edges,
        and their scores of agreement (n_edges,) or tables (n_edges, n_classes, n_classes).

        They are not divided by the number of nodes, whatever the loss.
        """
        k = len(self.classes_)
        of_nodes = np.ascontiguousarray(w[self._node_place].reshape(-1, k))
        of_edges = np.ascontiguousarray(w[self._edge_place].reshape(-1, self._pair_width))
        shape = (-1, k, k) if self._tables else (-1,)
        for graph in self.graphs(X):
            nodes = FeatureRows(graph.nodes, intercept=self.fit_intercept)
            pairs = FeatureRows(np.asarray(graph.pairs), intercept=self._edge_constant)
            scores = pairs.scores(of_edges) if len(of_edges) else np.zeros((len(graph.edges), 1))
            yield nodes.scores(of_nodes), graph.edges, scores.reshape(shape)

    def biased_inference(
        self, X: PackedInputs, w: NDArray[np.float64], bias: NDArray[np.float64]
    ) -> list[Any]:
        """The best outputs where each label has `bias` (n_classes,) more at every node."""
        if not len(X):
            return []
        problem, k = self.make_problem(X, None), len(self.classes_)
        theta = problem.part_scores(w)
        scale = self._scale(np.diff(X.offsets))
        ends = np.cumsum(problem.maximizer.n_parts)[:-1]
        found = []
        for i, scores in enumerate(np.split(theta, ends)):
            problem.features.views(i, scores)["node"][:, :k] += scale[i] * bias
            found.append(problem.maximizer.maximize(i, scores)[0])
        return self.write_outputs(X, np.concatenate(found))

    def tied_weights(self) -> tuple[NDArray[np.int32], NDArray[np.float64]] | None:
        kinds = self._kinds_of_tables()
        if not {"symmetric", "antisymmetric"} & set(kinds):
            return None
        k = len(self.classes_)
        targets, factors = np.arange(self.n_weights, dtype=np.int32), np.ones(self.n_weights)
        below, diagonal = np.tril_indices(k, -1), np.diag_indices(k)
        place = self._edge_place
        rows = targets[place].reshape(-1, k, k), factors[place].reshape(-1, k, k)
        for kind, target, factor in zip(kinds, *rows, strict=True):
            if kind != "table":
                target[below] = target.T[below]
            if kind == "antisymmetric":
                factor[below], factor[diagonal] = -1.0, 0.0
        return targets, factors

    @property
    def _node_place(self) -> slice:
        return self.layout_.place("node", *(["intercept"] if self.fit_intercept else []))

    @property
    def _edge_place(self) -> slice:
        return self.layout_.place("edge", *(["edge_intercept"] if self._edge_constant else []))

    def weight_blocks(self, w: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The blocks of a weight vector by name, as views; zeros for blocks switched off."""
        k = len(self.classes_)
        no_edge: NDArray[np.float64] = np.zeros((k, k) if self._tables else ())
        none = {"intercept": np.zeros(k), "edge_intercept": no_edge}
        blocks = none | self.layout_.views(w)
        return {name: blocks[name] for name in ("node", "intercept", "edge", "edge_intercept")}

    @property
    def non_negative(self) -> slice | None:  # type: ignore[override]
        """The weights of agreement, which cuts need to be >= 0."""
        return None if self._tables else self._edge_place

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Whether the oracle is an exact cut or max-product: two classes and Potts scores, or
        training graphs without cycles."""
        return self.inference_method == "auto" and (self._is_cut or not self._has_cycles)

    @property
    def _is_cut(self) -> bool:
        """Whether the best labels of any graph are a cut."""
        auto = self.inference_method == "auto"
        return len(self.classes_) <= 2 and not self._tables and auto

    @property
    def _relaxes(self) -> bool:
        """Whether the oracle of training is a relaxation; "auto" relaxes tables, whose edges may
        prefer different labels."""
        if self.inference_method == "auto":
            return self._tables and self._has_cycles and not self._is_too_large
        return self.inference_method == "relaxation"

    @property
    def _by_roof_duality(self) -> bool:
        """Whether the relaxation is roof duality, which is for two labels."""
        return self.inference_method == "auto" and self._tables and len(self.classes_) == 2

    @property
    def _most_entries(self) -> int:
        """Most entries of the tables of a graph that is relaxed."""
        return _MOST_ENTRIES if self.inference_method == "auto" else 2**62

    def _entries(self, graph: GraphArrays) -> int:
        return len(graph.pairs) * self._pair_width

    @property
    def oracle(self) -> str:
        """The kind of the oracle of training."""
        if self._relaxes:
            return "over-generating"
        return "exact" if self.exact else "under-generating"

    # ---- features on one scale, for training

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        """Those of nodes, void ones left out, and of edges, which have to stay >= 0."""
        graphs, of_graphs = self.graphs(X), y.sample_weight
        of_nodes: list[Any] = [None] * len(X)
        of_edges: list[Any] = [None] * len(X)
        if of_graphs is not None:
            of_edges = [np.full(len(p.pairs), w) for p, w in zip(graphs, of_graphs, strict=True)]
        if of_graphs is not None or self.ignore_label is not None or y.void is not None:
            weights = np.ones(len(X)) if of_graphs is None else of_graphs
            known = known_nodes(y, self.ignore_label)
            of_nodes = [w * mask.ravel() for w, mask in zip(weights, known, strict=True)]
        nodes = functools.partial(_chunks, [graph.nodes for graph in graphs], of_nodes)
        edges = functools.partial(_chunks, [graph.pairs for graph in graphs], of_edges)
        return [
            FeatureGroup(
                "node", nodes, self.n_features_in_, "intercept" if self.fit_intercept else None
            ),
            FeatureGroup("edge", edges, self.n_edge_features_, None),
        ]

    def part_factors(
        self, y: PackedLabels, scaling: Mapping[str, ColumnScaling] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        factors = np.repeat(self._scale(y.lengths), y.lengths)
        square = 0.0 if scaling is None else scaling["node"].mean_square
        squares = factors**2 * (square + bool(self.fit_intercept))
        if self.weighting == "hinge":  # a node with factor 2 is as two
            numbers = self.class_numbers(y)
            squares *= np.where(numbers >= 0, self.class_weight_[numbers], 0.0)
        return factors if y.weight is None else factors * y.weight, squares

    def penalty_unit(self, y: PackedLabels, scaling: Mapping[str, ColumnScaling]) -> float:
        """That of nodes, times `_EVIDENCE` over their number where there are more: nodes of one
        graph are alike, and beyond so many the unit only costs time. Factors of classes that
        multiply whole hinges do not change it."""
        of_loss, squares = self.part_factors(y, scaling)
        numbers = self.class_numbers(y)
        cost = super().cost_matrix() if self.weighting == "hinge" else self.cost_matrix()
        costs = of_loss * np.where(numbers >= 0, mean_costs(cost)[numbers], 0.0)
        weight = None if y.sample_weight is None else np.repeat(y.sample_weight, y.lengths)
        n_known = int((numbers >= 0).sum())
        return unit_of_parts(costs, squares, weight) * min(1.0, _EVIDENCE / max(n_known, 1))

    # ---- the problem

    def class_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        return encode_nodes(y, self.classes_, self.ignore_label)

    def part_rows(self, X: PackedInputs) -> Any:
        return np.vstack([graph.nodes for graph in self.graphs(X)])

    def neighbours(self, X: PackedInputs) -> list[sp.csr_array]:
        n = int(X.offsets[-1])
        pairs = zip(self.graphs(X), X.offsets[:-1].tolist(), strict=True)
        a, b = np.concatenate([graph.edges + start for graph, start in pairs]).T
        ones = np.ones(2 * len(a))
        places = (np.concatenate([a, b]), np.concatenate([b, a]))
        return [sp.csr_array((ones, places), shape=(n, n))]

    def free_labels(self, y: PackedLabels) -> NDArray[np.bool_] | None:
        if self.weighting == "hinge" and (self.class_weight_ != 1).any():
            raise ValueError(
                "factors of classes cannot multiply the hinge at nodes whose class is hidden: use "
                "weighting='loss', or class_weight=None"
            )
        free = void_nodes(y, self.ignore_label)
        return free if free.any() else None

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> FactoredProblem:
        self._check_parameters()
        graphs = self.graphs(X)
        k, offsets = len(self.classes_), X.offsets
        sizes = np.diff(offsets)
        scale = self._scale(sizes)
        nodes = [FeatureRows(graph.nodes, intercept=self.fit_intercept) for graph in graphs]
        labels = loss = of_nodes = of_edges = ends = None
        factors = np.repeat(scale, sizes)
        if y is not None:
            labels = self.class_numbers(y)
            if (labels < 0).any():  # what void labels hide is all that asks for ends
                ends = [graph.edges for graph in graphs]
            if self.weighting == "hinge" and (self.class_weight_ != 1).any():
                of_nodes, of_edges = self._hinge_weights(labels, graphs)
        blocks = {
            "node": RowBlock(nodes, self._node_place.start, k, row_weight=of_nodes),
            "edge": self._edge_block([graph.pairs for graph in graphs], of_edges),
        }
        features = BlockFeatures(self.n_weights, blocks, scale)
        if y is not None:
            if y.weight is not None:
                factors *= y.weight
            loss = LabelLoss(
                offsets,
                self.cost_matrix(),
                factors,
                row_size=k,
                pairs=ends,
                pair_width=self._pair_width,
            )
        maximizer = self._maximizer(X, labels, factors)
        work = self._work(graphs)
        problem = FactoredProblem(features, maximizer, loss, labels, offsets, work)
        if self.non_negative is not None:
            problem.keep_non_negative(self.non_negative)
        return problem

    def _edge_block(
        self, pairs: list[Any], row_weight: NDArray[np.float64] | None
    ) -> RowBlock | ContrastBlock:
        place, constant = self._edge_place.start, self._edge_constant
        if pairs and isinstance(pairs[0], ContrastRows):
            return ContrastBlock(pairs, place, intercept=constant, row_weight=row_weight)
        rows = [FeatureRows(one, intercept=constant) for one in pairs]
        return RowBlock(rows, place, self._pair_width, row_weight=row_weight)

    def _of_edges(self, of_nodes: NDArray[np.float64], graph: GraphArrays) -> NDArray[np.float64]:
        """Of each edge the mean of its ends."""
        return 0.5 * (of_nodes[graph.edges[:, 0]] + of_nodes[graph.edges[:, 1]])

    def _hinge_weights(
        self, labels: NDArray[np.int32], graphs: list[GraphArrays]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Factors of the scores of all nodes and of all edges, in training."""
        of_nodes = np.where(labels >= 0, self.class_weight_[labels], 1.0)
        ends = np.cumsum([len(graph.nodes) for graph in graphs])[:-1]
        of_edges = [
            self._of_edges(of_one, graph)
            for of_one, graph in zip(np.split(of_nodes, ends), graphs, strict=True)
        ]
        return of_nodes, np.concatenate(of_edges)

    def _maximizer(
        self, X: PackedInputs, labels: NDArray[np.int32] | None, factors: NDArray[np.float64]
    ) -> Maximizer:
        k, tables, graphs = len(self.classes_), self._tables, self.graphs(X)
        n_nodes, edges = [len(graph.nodes) for graph in graphs], [graph.edges for graph in graphs]
        forests = self.inference_method == "auto"
        if self._by_roof_duality:
            return RoofGraphMaximizer(n_nodes, edges, forests=forests)
        if not self._relaxes:
            return GraphMaximizer(
                n_nodes,
                edges,
                k,
                tables=tables,
                by_cut=self._is_cut,
                kept_bytes=self._kept_bytes(labels),
                forests=forests,
            )
        ends = np.append(0, np.cumsum(n_nodes, dtype=np.int64))
        tolerance = np.append(0.0, np.cumsum(self._tolerance(labels, factors)))
        return RelaxedGraphMaximizer(
            n_nodes,
            edges,
            k,
            tables=tables,
            tolerance=np.diff(tolerance[ends]),
            most_entries=self._most_entries,
            forests=forests,
        )

    def _tolerance(
        self, labels: NDArray[np.int32] | None, factors: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Tolerance of the relaxation at each node: a share of its greatest loss."""
        cost = self.relaxation_tol * self.cost_matrix()
        most: NDArray[np.float64] = np.full(len(factors), cost.max(initial=0.0))
        if labels is not None:
            most = np.where(labels >= 0, cost.max(axis=1)[labels], 0.0)
        return factors * most

    def _work(self, graphs: list[GraphArrays]) -> float:
        """See `Problem.oracle_work`."""
        k = len(self.classes_)
        n_nodes = sum(len(graph.nodes) for graph in graphs)
        n_edges = sum(len(graph.pairs) for graph in graphs)
        cells = n_nodes * k * self._n_node_rows
        cells += n_edges * self._pair_width * self._n_edge_rows
        if not self._has_cycles and not self._is_cut:
            decoding = 2.0 * n_edges * self._pair_width
        elif self._by_roof_duality:
            decoding = 2.0 * _CUT_OF_A_NODE * n_nodes
        elif self._relaxes:
            terms = n_edges * k * (k if self._tables else 1)
            decoding = 2.0 * _SWEEPS * _SOFT_TERM * terms / _LANES
        else:
            decoding = float((1 if self._is_cut else 3 * k) * _CUT_OF_A_NODE * n_nodes)
        return (cells / _LANES + decoding) / max(len(graphs), 1)

    def _kept_bytes(self, labels: NDArray[np.int32] | None) -> int:
        """Memory for flows, of which predictions keep none."""
        if labels is None:
            return 0
        if isinstance(self.warm_inference, str):
            return _AUTO_BYTES
        if self.warm_inference is True:
            return 2**62
        return int(self.warm_inference)

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Share of nodes with the correct label, over all examples, without void nodes."""
        return pixel_accuracy(Y, Y_hat, ignore_label=self.ignore_label)

    def _scale(self, sizes: ArrayLike) -> NDArray[np.float64]:
        """Factor of the joint feature and the loss of examples with these numbers of nodes."""
        sizes = np.asarray(sizes)
        return 1.0 / sizes if make_loss(self.task_loss).normalize else np.ones(sizes.shape)

    def cost_matrix(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(super().cost_matrix() * self.class_weight_[:, None])


def _has_cycle(graph: GraphArrays) -> bool:
    n_nodes, n_edges = len(graph.nodes), len(graph.pairs)
    return n_edges > 0 and (n_edges >= n_nodes or closing_edge(n_nodes, graph.edges) >= 0)


def _chunks(
    matrices: Sequence[Any], weights: Sequence[NDArray[np.float64] | None]
) -> Iterator[tuple[Any, NDArray[np.float64] | None]]:
    for matrix, weight in zip(matrices, weights, strict=True):
        yield from row_chunks(matrix, weight)()
