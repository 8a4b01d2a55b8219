"""The structures of the library as `test_structures.py` sees them: tiny inputs, and all outputs.

A row of `STRUCTURES` is all that a new family adds here: how to make its model, a strategy of tiny
examples, and what enumerates the outputs of one. Numbers are small integers, so that sums are
exact and ties are common.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from structsvm import (
    AlignmentModel,
    ChainModel,
    DecisionModel,
    DependencyModel,
    GraphModel,
    GridModel,
    MulticlassModel,
    MultiLabelModel,
    Parts,
    PartsModel,
    RankingModel,
    SpanModel,
    StructuredModel,
    TypedGraphModel,
    VolumeModel,
)
from structsvm.features import ArcFeatures, spans_of
from structsvm.losses import HammingLoss
from structsvm.models.decisions import Truth


class Structure(NamedTuple):
    """A model, tiny examples for it, and what it is measured by."""

    model: Callable[[], StructuredModel]
    #: Of pairs (X, y), from which the model can be sized.
    examples: st.SearchStrategy[tuple[list[Any], list[Any]]]
    #: All outputs of an x, as the sized model writes them.
    outputs: Callable[[Any, Any], Iterator[Any]]
    #: How an answer compares with the greatest value of all outputs: it is that ("exact"), at most
    #: that ("under-generating"), or at least that ("over-generating").
    oracle: str = "exact"
    #: Whether predictions are best outputs; those of expansions may be less.
    predicts_best: bool = True
    #: Whether the oracle answers for rescaling="slack" too.
    slack: bool = False


FEW = st.sampled_from([0.0, 1.0, -1.0, 2.0])
AT_LEAST_0 = st.sampled_from([0.0, 1.0, 2.0])


def numbers(draw, *shape, elements=FEW):
    return draw(arrays(np.float64, shape, elements=elements))


# ---- chains


@st.composite
def chains(draw, n_classes=3, n_edge_features=0):
    lengths = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3).filter(any))
    X, y = [], []
    for length in lengths:
        x = numbers(draw, length, 2)
        X.append((x, numbers(draw, length, n_edge_features)) if n_edge_features else x)
        y.append(draw(arrays(np.int64, length, elements=st.integers(0, n_classes - 1))))
    return X, y


@st.composite
def tagged_chains(draw):
    """Chains whose labels obey the scheme IOB2."""
    X, _ = draw(chains())
    follow = {None: ["O", "B-x"], "O": ["O", "B-x"], "B-x": ["O", "B-x", "I-x"]}
    follow["I-x"] = follow["B-x"]
    tags = []
    for x in X:
        row = [None]
        for _ in range(len(x)):
            row.append(draw(st.sampled_from(follow[row[-1]])))
        tags.append(np.array(row[1:], dtype="U3"))
    return X, tags


def label_sequences(model, x):
    length = len(x[0] if isinstance(x, tuple) else x)
    for labels in itertools.product(model.classes_, repeat=length):
        yield np.array(labels, dtype=model.classes_.dtype)


def allowed_sequences(model, x):
    for labels in label_sequences(model, x):
        before = ["O", *labels]
        if all(b[:1] != "I" or a != "O" for a, b in itertools.pairwise(before)):
            yield labels


def seen_pairs(model, x):
    """Sequences whose pairs of neighbours were seen in training: the states of second order."""
    pairs = {(int(a), int(b)) for a, b in model.pairs_}
    for labels in label_sequences(model, x):
        numbers = [-1, *np.searchsorted(model.classes_, labels).tolist()]
        if all(pair in pairs for pair in itertools.pairwise(numbers)):
            yield labels


# ---- spans


@st.composite
def sequences_with_spans(draw, n_span_features=0, tags=False):
    """Spans of up to two positions, labelled x or y, of short sequences."""
    X, y = [], []
    for length in draw(st.lists(st.integers(0, 4), min_size=1, max_size=3).filter(any)):
        x, spans, t = numbers(draw, length, 2), [], 0
        rows = numbers(draw, len(spans_of(length, 2)), n_span_features)
        X.append((x, rows) if n_span_features else x)
        while t < length:
            label = draw(st.sampled_from([None, "x", "y"]))
            stop = draw(st.integers(t + 1, min(t + 2, length))) if label else t + 1
            spans += [(t, stop, label)] if label else []
            t = stop
        y.append(written_as_tags(spans, length) if tags else spans)
    return X, y


def written_as_tags(spans, length):
    row = ["O"] * length
    for start, stop, label in spans:
        row[start:stop] = [f"B-{label}", *[f"I-{label}"] * (stop - start - 1)]
    return np.array(row, dtype="U3")


def segmentations(model, x):
    """Of labels that were seen, in spans as long as any was with them."""
    length = len(x[0] if isinstance(x, tuple) else x)
    kinds = [label for label in model.labels_ if label is not None]

    def rest(t):
        if t == length:
            yield []
            return
        if None in model.labels_:
            yield from rest(t + 1)
        for label in kinds:
            longest = model.max_length_ if f"I-{label}" in model.classes_ else 1
            for stop in range(t + 1, min(t + longest, length) + 1):
                yield from ([(t, stop, label), *spans] for spans in rest(stop))

    for spans in rest(0):
        yield spans if model.output == "spans" else written_as_tags(spans, length)


# ---- alignments


@st.composite
def aligned(draw, features=False):
    """Two short sequences of two symbols, or features of their pairs, and an alignment."""
    X, y = [], []
    for _ in range(draw(st.integers(1, 3))):
        n, m = draw(st.integers(1, 3)), draw(st.integers(0, 3))
        words = ["".join(draw(st.sampled_from("ab")) for _ in range(size)) for size in (n, m)]
        X.append(numbers(draw, n, m, 2) if features else tuple(words))
        y.append(draw(st.sampled_from(list(alignments(None, X[-1])))))
    return X, y


def alignments(model, x):
    n, m = x.shape[:2] if isinstance(x, np.ndarray) else map(len, x)
    for k in range(min(n, m) + 1):
        for firsts in itertools.combinations(range(n), k):
            for seconds in itertools.combinations(range(m), k):
                yield np.array([firsts, seconds], dtype=np.int64).T


# ---- graphs and grids


@st.composite
def graphs(draw, n_classes=2, n_edge_features=1, elements=AT_LEAST_0, cycles=True):
    """Graphs of one node or several; the first has all classes."""
    X, y = [], []
    for least in [n_classes, 1][: draw(st.integers(1, 2))]:
        n = draw(st.integers(least, 4))
        pairs = list(itertools.combinations(draw(st.permutations(range(n))), 2))
        edges = draw(st.lists(st.sampled_from(pairs), max_size=5, unique=True)) if pairs else []
        if not cycles:
            forest = nx.Graph()
            edges = [
                (a, b)
                for a, b in edges
                if not (forest.has_node(a) and forest.has_node(b) and nx.has_path(forest, a, b))
                and forest.add_edge(a, b) is None
            ]
        edges = np.array(edges, dtype=np.int32).reshape(-1, 2)
        X.append(
            (
                numbers(draw, n, 2),
                edges,
                numbers(draw, len(edges), n_edge_features, elements=elements),
            )
        )
        y.append(draw(arrays(np.int64, n, elements=st.integers(0, n_classes - 1))))
    y[0][:n_classes] = range(n_classes)
    return X, y


def labellings(model, x):
    for labels in itertools.product(model.classes_, repeat=len(x[0])):
        yield np.array(labels)


@st.composite
def images(draw):
    X, y = [], []
    for least in [1, 0][: draw(st.integers(1, 2))]:
        shape = draw(st.sampled_from([(1, 1), (1, 2), (2, 2), (2, 3)][least:]))
        X.append(numbers(draw, *shape, 2))
        y.append(draw(arrays(np.int64, shape, elements=st.integers(0, 1))))
    y[0][0, :2] = 0, 1
    return X, y


def pixel_labels(model, x):
    for labels in itertools.product(model.classes_, repeat=x.shape[0] * x.shape[1]):
        yield np.array(labels).reshape(x.shape[:2])


@st.composite
def volumes(draw):
    X, y = [], []
    for least in [1, 0][: draw(st.integers(1, 2))]:
        shape = draw(st.sampled_from([(1, 1, 1), (2, 1, 2), (1, 2, 2), (2, 2, 2)][least:]))
        X.append(numbers(draw, *shape, 2))
        y.append(draw(arrays(np.int64, shape, elements=st.integers(0, 1))))
    y[0].flat[:2] = 0, 1
    return X, y


def voxel_labels(model, x):
    for labels in itertools.product(model.classes_, repeat=int(np.prod(x.shape[:3]))):
        yield np.array(labels).reshape(x.shape[:3])


# ---- graphs of several types


@st.composite
def typed_graphs(draw, labels=("abc", (0, 1)), cycles=True, n_columns=(1, 0)):
    """Nodes of types "u" and "v"; the first graph has all labels of both."""
    X, y = [], []
    kinds = [("u", "v"), ("v", "on", "u"), ("u", "u")]
    for is_first in [True, False][: draw(st.integers(1, 2))]:
        sizes = [
            len(some) if is_first else draw(st.integers(k, 2)) for k, some in enumerate(labels)
        ]
        nodes = [(kind, k) for kind, n in zip("uv", sizes, strict=True) for k in range(n)]
        tree = dict(enumerate(range(len(nodes))))
        edges, pairs = {}, []
        for kind in kinds:
            ends = [
                (a, b)
                for a, (first, _) in enumerate(nodes)
                for b, (last, _) in enumerate(nodes)
                if (first, last) == (kind[0], kind[-1]) and (first != last or a < b)
            ]
            pairs += [(kind, a, b) for a, b in ends]
        chosen = st.lists(st.sampled_from(pairs), max_size=5, unique=True) if pairs else st.just([])
        for kind, a, b in draw(chosen):
            if not cycles and tree[a] == tree[b]:
                continue
            tree = {node: tree[a] if group == tree[b] else group for node, group in tree.items()}
            edges.setdefault(kind, []).append([nodes[a][1], nodes[b][1]])
        features = {
            kind: numbers(draw, n, columns) if columns else n
            for kind, n, columns in zip("uv", sizes, n_columns, strict=True)
        }
        rows = {kind: numbers(draw, len(edges[kind]), 1) for kind in edges if len(kind) == 2}
        X.append((features, edges, rows))
        y.append(
            {
                kind: np.array([draw(st.sampled_from(some)) for _ in range(n)])
                for kind, n, some in zip("uv", sizes, labels, strict=True)
                if n
            }
        )
    y[0] = {kind: np.array(list(some)) for kind, some in zip("uv", labels, strict=True)}
    return X, y


def typed_labellings(model, x):
    sizes = {kind: n if isinstance(n, int) else len(n) for kind, n in x[0].items()}
    of_types = [
        itertools.product(model.classes_[kind].tolist(), repeat=n) for kind, n in sizes.items() if n
    ]
    kinds = [kind for kind, n in sizes.items() if n]
    for chosen in itertools.product(*of_types):
        yield {kind: np.array(row) for kind, row in zip(kinds, chosen, strict=True)}


# ---- rows


@st.composite
def rows(draw, n_classes=3):
    n = draw(st.integers(n_classes, 5))
    labels = draw(
        st.permutations([*range(n_classes), *(k % n_classes for k in range(n_classes, n))])
    )
    return list(numbers(draw, n, 2)), [int(label) for label in labels]


def classes(model, x):
    yield from model.classes_.tolist()


# ---- sets of labels


@st.composite
def labelled_rows(draw, n_labels=3):
    n = draw(st.integers(2, 4))
    sets = draw(arrays(np.int64, (n, n_labels), elements=st.integers(0, 1)))
    return list(numbers(draw, n, 2)), list(sets)


def label_sets(model, x):
    for labels in itertools.product((0, 1), repeat=model.n_labels_):
        yield np.array(labels)


# ---- rankings


@st.composite
def queries(draw, most=4):
    """Documents whose grades are all different, so that each order of them is an output."""
    X, y = [], []
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(2, most))
        X.append(numbers(draw, n, 4))
        y.append(np.array(draw(st.permutations(range(n))), dtype=np.float64))
    return X, y


def orders(model, x):
    for order in itertools.permutations(range(len(x))):
        yield np.array(order, dtype=np.float64)


# ---- a model of one's own


class Subsets(StructuredModel):
    """The k items of x to be chosen, scored one by one and by pairs: all four methods in Python."""

    def __init__(self, k=2):
        self.k = k

    def initialize(self, X, y):
        self.n_weights = X[0].shape[1] + 1

    def joint_feature(self, x, y):
        chosen = x[list(y)]
        together = sum(float(a @ b) for a, b in itertools.combinations(chosen, 2))
        return np.append(chosen.sum(axis=0), together)

    def loss(self, y, y_hat):
        return float(len(set(y) - set(y_hat)))

    def inference(self, x, w):
        return max(subsets(self, x), key=lambda y: float(self.joint_feature(x, y) @ w))

    def loss_augmented_inference(self, x, y, w):
        def value(y_hat):
            return self.loss(y, y_hat) + float(self.joint_feature(x, y_hat) @ w)

        return max(subsets(self, x), key=value)

    def slack_rescaled_inference(self, x, y, w):
        truth = float(self.joint_feature(x, y) @ w)

        def value(y_hat):
            return self.loss(y, y_hat) * (1 + float(self.joint_feature(x, y_hat) @ w) - truth)

        return max(subsets(self, x), key=value)


def subsets(model, x):
    yield from itertools.combinations(range(len(x)), model.k)


@st.composite
def chosen_items(draw):
    X = [numbers(draw, draw(st.integers(2, 4)), 2) for _ in range(draw(st.integers(1, 3)))]
    y = [draw(st.sampled_from(list(itertools.combinations(range(len(x)), 2)))) for x in X]
    return X, y


# ---- sets of parts


def best_pair(theta, x):
    """The two best items of x, as indices."""
    return sorted(np.argsort(-theta, kind="stable")[:2].tolist())


def uses_of(parts, n):
    return np.bincount(np.array(parts, dtype=np.int64), minlength=n)


def pair_uses(theta, x):
    return uses_of(best_pair(theta, x), len(theta))


def all_pair_uses(thetas, X):
    return [pair_uses(theta, x) for theta, x in zip(thetas, X, strict=True)]


def n_items(x):
    return len(x.rows if isinstance(x, Parts) else x)


def pairs_of_items(model, x):
    n = model.n_parts_ or n_items(x)
    for pair in itertools.combinations(range(n), 2):
        yield np.array(pair) if model.output == "indices" else uses_of(pair, n)


@st.composite
def items(draw, indices=False, kinds=False, vector=False, n=None):
    """Sets of items with rows of features, and which two are chosen."""
    X, y = [], []
    for _ in range(draw(st.integers(1, 3))):
        size = draw(st.integers(2, 4)) if n is None else n
        rows = numbers(draw, size, 2)
        of_kinds = np.append(draw(arrays(np.int64, size - 1, elements=st.integers(0, 1))), 1)
        of_all = numbers(draw, 2) if vector else None
        X.append(Parts(rows, of_all, of_kinds) if kinds or vector else rows)
        pair = draw(st.sampled_from(list(itertools.combinations(range(size), 2))))
        y.append(np.array(pair) if indices else uses_of(pair, size))
    return X, y


@st.composite
def decisions(draw):
    """Sets of items, what each costs, and the two that cost least."""
    X = [numbers(draw, draw(st.integers(2, 4)), 2) for _ in range(draw(st.integers(1, 3)))]
    costs = [numbers(draw, len(x)) for x in X]
    return X, [Truth(pair_uses(-row, x), row) for x, row in zip(X, costs, strict=True)]


@st.composite
def vectors(draw):
    """A vector for four items, of which two are chosen."""
    X = numbers(draw, draw(st.integers(1, 3)), 2)
    y = []
    for _ in X:
        pair = draw(st.sampled_from(list(itertools.combinations(range(4), 2))))
        y.append(uses_of(pair, 4))
    return X, y


# ---- dependency trees


@functools.cache
def trees(n, projective=True, single_root=True):
    """All dependency trees of n tokens, as tuples of heads."""
    return [
        heads
        for heads in itertools.product(range(n + 1), repeat=n)
        if is_tree(heads)
        and (not single_root or heads.count(0) == 1)
        and (not projective or not crosses(heads))
    ]


def is_tree(heads):
    for token in range(1, len(heads) + 1):
        for _ in heads:
            token = token and heads[token - 1]
        if token:
            return False
    return True


def crosses(heads):
    arcs = [sorted(arc) for arc in enumerate(heads, 1)]
    return any(a < c < b < d for (a, b), (c, d) in itertools.permutations(arcs, 2))


def trees_of(model, x):
    for heads in trees(len(x), model.projective, model.single_root):
        yield np.array(heads, dtype=np.int32)


@st.composite
def sentences(draw, projective=True, single_root=True):
    X, y = [], []
    for n in draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)):
        tags = draw(st.lists(st.sampled_from("NVP"), min_size=n, max_size=n))
        X.append([(tag.lower(), tag) for tag in tags])
        y.append(np.array(draw(st.sampled_from(trees(n, projective, single_root)))))
    return X, y


# ---- the table

COSTS = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0], [4.0, 1.0, 0.0]])


BINARY_COSTS = HammingLoss(cost=np.array([[0.0, 3.0], [1.0, 0.0]]))
ORDER_2 = functools.partial(ChainModel, order=2)
TAGS = functools.partial(ChainModel, constraints="iob2")
MEAN_LOSSES = functools.partial(ChainModel, task_loss="normalized_hamming")
NO_STEPS = functools.partial(ChainModel, transitions=False, boundary=False, fit_intercept=False)
SHIFTS = functools.partial(
    AlignmentModel, "normalized_hamming", max_shift=2, end_gaps="own", symmetric=False
)
SPANS = functools.partial(SpanModel, "spans", max_length=2, length_bins=(1, 2))
SPAN_TAGS = functools.partial(
    SpanModel, "normalized_hamming", length_bins=(), first_position=False, output="tags"
)
TABLES = functools.partial(GraphModel, pairwise="table")
EXPANSION = functools.partial(GraphModel, inference_method="expansion")
RELAXATION = functools.partial(GraphModel, inference_method="relaxation", relaxation_tol=1e-6)
NEIGHBOURS = functools.partial(GridModel, connectivity=8, directions=True)
DIAGONALS = functools.partial(VolumeModel, connectivity=18, spacing=(2, 1, 0.5))
CORNERS = functools.partial(VolumeModel, connectivity=26, directions=True)
EXPENSIVE = functools.partial(MulticlassModel, cost=COSTS)
BY_F1 = functools.partial(MultiLabelModel, "full", task_loss="f1")
WEIGHED = functools.partial(MultiLabelModel, "tree", label_weight=[1.0, 0.0, 2.0])
BY_NDCG = functools.partial(RankingModel, "ndcg", normalize=False)
INDICES = functools.partial(PartsModel, best_pair, output="indices")
USES = functools.partial(PartsModel, pair_uses)
ALL_SORTS = items(kinds=True, vector=True, n=4)
TREES = functools.partial(
    DependencyModel,
    ArcFeatures(
        [
            *("m.word", "h.tag m.tag", "h.tag+1 m.tag between.tag", "h.tag m.shape between.counts"),
            *("s.tag m.tag", "h.tag s.tag m.tag", "g.tag m.tag", "g.tag h.tag m.tag"),
        ],
        n_bits=2,
        min_count=1,
    ),
)
ARCS = functools.partial(TREES, single_root=False)
SIBLINGS = functools.partial(TREES, order=2)
GRAND_SIBLINGS = functools.partial(TREES, order=3)
CROSSING = functools.partial(TREES, projective=False, single_root=False)
COSTS_OF_PAIRS = functools.partial(DecisionModel, pair_uses)
BATCHES = functools.partial(PartsModel, all_pair_uses, batch=True)
FOUR = functools.partial(PartsModel, pair_uses, n_parts=4)
TWO_TYPES = functools.partial(TypedGraphModel, type_weight={"u": 2.0})
COUNTED = functools.partial(TypedGraphModel, "hamming", class_weight="balanced")
TYPES_RELAXED = functools.partial(TWO_TYPES, relaxation_tol=1e-6, inference_method="relaxation")
TYPES_EXPANDED = functools.partial(TWO_TYPES, inference_method="expansion", fit_intercept=False)
OVER, UNDER = "over-generating", "under-generating"

STRUCTURES: dict[str, Structure] = {
    "chain": Structure(ChainModel, chains(), label_sequences, slack=True),
    "chain of mean losses": Structure(MEAN_LOSSES, chains(), label_sequences, slack=True),
    "chain without steps": Structure(NO_STEPS, chains(), label_sequences, slack=True),
    "chain with edge features": Structure(ChainModel, chains(2, 1), label_sequences, slack=True),
    "chain of tags": Structure(TAGS, tagged_chains(), allowed_sequences, slack=True),
    "chain of second order": Structure(ORDER_2, chains(2), seen_pairs, slack=True),
    "alignment": Structure(SHIFTS, aligned(), alignments),
    "alignment of features": Structure(AlignmentModel, aligned(True), alignments),
    "spans with features": Structure(SPANS, sequences_with_spans(2), segmentations),
    "spans as tags": Structure(SPAN_TAGS, sequences_with_spans(tags=True), segmentations),
    "graph by a cut": Structure(GraphModel, graphs(), labellings),
    "graph of costs": Structure(lambda: GraphModel(BINARY_COSTS), graphs(), labellings),
    "graph by roof duality": Structure(TABLES, graphs(elements=FEW), labellings, OVER, False),
    "graph by expansion": Structure(EXPANSION, graphs(3), labellings, UNDER, False),
    "graph by relaxation": Structure(RELAXATION, graphs(3), labellings, OVER, False),
    "graph without cycles": Structure(GraphModel, graphs(3, cycles=False), labellings),
    "tables without cycles": Structure(TABLES, graphs(3, elements=FEW, cycles=False), labellings),
    "types without cycles": Structure(COUNTED, typed_graphs(cycles=False), typed_labellings),
    "types by roof duality": Structure(
        TWO_TYPES, typed_graphs(((1, 5), "x")), typed_labellings, OVER, False
    ),
    "types by relaxation": Structure(TYPES_RELAXED, typed_graphs(), typed_labellings, OVER, False),
    "types by expansion": Structure(TYPES_EXPANDED, typed_graphs(), typed_labellings, UNDER, False),
    "grid": Structure(GridModel, images(), pixel_labels),
    "grid of 8 neighbours": Structure(NEIGHBOURS, images(), pixel_labels),
    "volume": Structure(VolumeModel, volumes(), voxel_labels),
    "volume of 18 neighbours": Structure(DIAGONALS, volumes(), voxel_labels),
    "volume of 26 neighbours": Structure(CORNERS, volumes(), voxel_labels),
    "classes": Structure(MulticlassModel, rows(), classes, slack=True),
    "two classes": Structure(MulticlassModel, rows(2), classes, slack=True),
    "classes of costs": Structure(EXPENSIVE, rows(), classes, slack=True),
    "trees of arcs": Structure(ARCS, sentences(True, False), trees_of),
    "trees of siblings": Structure(SIBLINGS, sentences(), trees_of),
    "trees of grand-siblings": Structure(GRAND_SIBLINGS, sentences(), trees_of),
    "trees that cross": Structure(CROSSING, sentences(False, False), trees_of),
    "label sets by a tree": Structure(WEIGHED, labelled_rows(), label_sets),
    "label sets by F1": Structure(BY_F1, labelled_rows(), label_sets),
    "rankings by NDCG": Structure(BY_NDCG, queries(), orders),
    "pairs of documents": Structure(RankingModel, queries(2), orders),
    "sets of parts, in Python": Structure(USES, items(), pairs_of_items),
    "decisions, in Python": Structure(COSTS_OF_PAIRS, decisions(), pairs_of_items),
    "sets of parts, in Python batches": Structure(BATCHES, items(), pairs_of_items),
    "indices of parts, in Python": Structure(INDICES, items(True, True), pairs_of_items),
    "parts of one vector, in Python": Structure(FOUR, vectors(), pairs_of_items),
    "parts with all features, in Python": Structure(USES, ALL_SORTS, pairs_of_items),
    "subsets, in Python": Structure(Subsets, chosen_items(), subsets, slack=True),
}
