"""Raw examples are read once: in a fit, whatever it asks for beside, and in a prediction."""

import collections

import numpy as np
import pytest

from structsvm import (
    AlignmentSVM,
    ChainSVM,
    DecisionSVM,
    DependencyParser,
    GraphSVM,
    GridSVM,
    MulticlassSVM,
    MultiLabelSVM,
    RankingSVM,
    SequenceTagger,
    SpanSVM,
    fit_path,
)
from structsvm.callbacks import Checkpoint
from structsvm.data import packing, queries
from structsvm.features import ArcFeatures, SequenceVectorizer
from structsvm.graphs import conversion
from structsvm.inference import Subset
from structsvm.models import alignment, grid, label_sets, multiclass, parts, registry

RNG = np.random.default_rng(0)
N, N_VAL = 8, 3


def chains(n):
    return [RNG.normal(size=(4, 2)) for _ in range(n)], [RNG.integers(2, size=4) for _ in range(n)]


def spans(n):
    X, y = chains(n)
    return X, [[(0, 1 + 2 * labels[0], "a")] for labels in y]


def alignments(n):
    return [("abcd", "acd")] * n, [[(0, 0), (2, 1), (3, 2)]] * n


def images(n):
    X = [RNG.normal(size=(3, 4, 2)) for _ in range(n)]
    return X, [(x[..., 0] > 0).astype(int) for x in X]


def graphs(n):
    X = [(RNG.normal(size=(3, 2)), [[0, 1], [1, 2]]) for _ in range(n)]
    return X, [(x[0][:, 0] > 0).astype(int) for x in X]


def rows(n):
    X = RNG.normal(size=(n, 3))
    return X, np.arange(n) % 3


def sets(n):
    X, y = rows(n)
    return X, np.column_stack([y == 0, y != 1]).astype(int)


@pytest.fixture
def counted(monkeypatch):
    """How often each thing was done, by name and, for single examples, by their number."""
    counts = collections.Counter()

    def count(place, name, key):
        original = getattr(place, name)

        def counting(*args, **kwargs):
            counts[key(*args, **kwargs)] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(place, name, counting)

    # Many plain arrays are checked at once; here each is for itself, to be counted.
    monkeypatch.setattr(packing, "_are_plain", lambda items: False)
    count(packing, "_check_item", lambda place, item: ("sequence", id(item)))
    count(grid, "_read_image", lambda i, item, steps: ("image", id(item)))
    count(grid.GridModel, "_edge_features", lambda self, image: ("edges", id(image.pixels)))
    count(conversion, "as_graph", lambda graph, **options: ("graph", id(graph)))
    for place in (multiclass, label_sets):
        count(place, "check_rows", lambda X, *args, **options: ("rows", len(X)))
    count(alignment, "_of_symbols", lambda items: ("rows", len(items)))
    count(parts, "as_parts", lambda i, x: ("parts", id(x)))
    count(ArcFeatures, "read", lambda self, X: ("sentences", len(X)))
    count(SequenceVectorizer, "transform", lambda self, X: ("sentences", len(X)))
    return counts


CASES = {
    ChainSVM: (chains, "sequence", N + N_VAL),
    SpanSVM: (spans, "sequence", N + N_VAL),
    AlignmentSVM: (alignments, "rows", 2),
    GridSVM: (images, "image", N + N_VAL),
    GraphSVM: (graphs, "graph", N + N_VAL),
    MulticlassSVM: (rows, "rows", 2),
    MultiLabelSVM: (sets, "rows", 2),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_a_fit_reads_each_example_once(kind, counted, tmp_path):
    make, name, n_read = CASES[kind]
    (X, y), (X_val, y_val) = make(N), make(N_VAL)
    checkpoint = Checkpoint(tmp_path / "fit", every=1)
    params = {"max_iter": 3, "tol": 1e-9, "random_state": 0, "warm_start": True}
    params |= {"solver": "bcfw", "callbacks": [checkpoint]}
    weight = np.ones(N)

    def check_reads(what, n):
        read = [times for key, times in counted.items() if key[0] == what]
        assert read == [1] * n

    svm = kind(**params).fit(X, y, sample_weight=weight, X_val=X_val, y_val=y_val)
    check_reads(name, n_read)
    check_reads("edges", n_read if kind is GridSVM else 0)
    counted.clear()
    svm.fit(X, y, sample_weight=weight, X_val=X_val, y_val=y_val)  # goes on from the last one
    check_reads(name, n_read)
    counted.clear()
    svm.fit(X, y, weight, X_val=X_val, y_val=y_val, resume_from=tmp_path / "fit")
    check_reads(name, n_read)
    counted.clear()
    svm.set_params(warm_start=False, callbacks=None)
    fit_path(svm, X, y, Cs=[0.1, 1.0, 10.0], X_val=X_val, y_val=y_val)
    check_reads(name, n_read)
    check_reads("edges", n_read if kind is GridSVM else 0)
    counted.clear()
    for ask in (svm.predict, svm.decision_function):
        ask(X)
        check_reads(name, 1 if name == "rows" else N)
        counted.clear()


def test_every_estimator_of_a_family_is_counted():
    others = {"SequenceTagger", "DecisionSVM", "DependencyParser", "RankingSVM"}  # see below
    assert {kind.__name__ for kind in CASES} | others == set(registry.places("estimators"))


def test_documents_are_read_once(monkeypatch):
    read = []
    check = queries.check_rows
    monkeypatch.setattr(queries, "check_rows", lambda X, n=None: read.append(len(X)) or check(X, n))
    (X, y), (X_val, y_val) = rows(N), rows(N_VAL)
    svm = RankingSVM(random_state=0, warm_start=True)
    for _ in range(2):
        svm.fit(X, y, X_val=X_val, y_val=y_val)
        assert read == [N, N_VAL]
        read.clear()


def test_features_of_parts_are_read_once(counted):
    X, costs = list(RNG.normal(size=(N, 4, 2))), RNG.normal(size=(N, 4))
    svm = DecisionSVM(Subset(2), random_state=0)
    svm.fit(X[:5], costs[:5], X_val=X[5:], costs_val=costs[5:])
    assert counted == {("parts", id(x)): 1 for x in X}
    for ask in (svm.predict, svm.predict_costs):
        counted.clear()
        ask(X)
        assert counted == {("parts", id(x)): 1 for x in X}


def test_sentences_are_made_to_rows_once(counted):
    X = [[["a", "b"], ["c"]], [["b"], ["a"]]]
    y = [["x", "y"], ["y", "x"]]
    tagger = SequenceTagger(random_state=0).fit(X, y, X_val=X[:1], y_val=y[:1])
    assert counted == {("sentences", 2): 1, ("sentences", 1): 1}
    counted.clear()
    tagger.predict(X)  # one compiled call from attributes to labels
    assert not counted
    tagger.max_marginals(X)
    assert counted["sentences", 2] == 1


def test_sentences_of_trees_are_read_once(counted):
    X, y = [[("a", "A"), ("b", "B")], [("c", "C")]], [[0, 1], [0]]
    parser = DependencyParser(ArcFeatures(n_bits=8), random_state=0)
    parser.fit(X, y, X_val=X[:1], y_val=y[:1])
    assert counted == {("sentences", 2): 1, ("sentences", 1): 1}
    counted.clear()
    parser.predict(X)
    assert counted == {("sentences", 2): 1}
