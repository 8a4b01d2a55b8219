"""TypedGraphModel: what its families share is in `test_structures.py`; here is what types add."""

import itertools
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.graphs import best_by_enumeration, relaxed_optimum, tiny_forests
from structures import numbers, typed_graphs, typed_labellings

from structsvm import GraphModel, HiddenStates, LatentSVM, StructSVM, TypedGraphModel, load
from structsvm.exceptions import ModelFileError
from structsvm.graphs import TypedGraph
from structsvm.inference._graph_maximizer import GraphMaximizer
from structsvm.losses import HammingLoss


def people_and_teams(n=30, seed=0, hide=None):
    """People of three roles in teams of two kinds, joined to their team and to each other."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        kinds = rng.integers(0, 2, 2)
        team_of = np.repeat([0, 1], 3)
        roles = np.where(kinds[team_of] == 0, rng.integers(0, 2, 6), 2)
        people = np.eye(3)[roles] + rng.normal(scale=0.8, size=(6, 3))
        teams = rng.normal(scale=0.1, size=(2, 1))
        edges = {
            ("person", "team"): np.stack([np.arange(6), team_of], axis=1),
            ("person", "knows", "person"): [[0, 1], [1, 2], [3, 4], [4, 5]],
        }
        X.append(TypedGraph({"person": people, "team": teams}, edges))
        y.append({"person": np.array(["ann", "bob", "cy"])[roles], "team": kinds})
        if hide is not None:
            y[-1].pop(hide)
    return X, y


# ---- the model


@pytest.mark.parametrize("task_loss", ["hamming", "normalized_hamming"])
def test_one_type_is_a_graph_model_with_tables(task_loss):
    rng = np.random.default_rng(0)
    edges = [[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]]
    X = [(rng.normal(size=(4, 2)), edges, rng.normal(size=(5, 1))) for _ in range(12)]
    y = [rng.integers(0, 2, 4) for _ in X]
    settings = {"C": 0.3, "tol": 1e-6, "random_state": 0}
    plain = StructSVM(GraphModel(task_loss, pairwise="table"), **settings).fit(X, y)
    kind = ("node", "node")
    typed = StructSVM(TypedGraphModel(task_loss), **settings).fit(
        [({"node": rows}, {kind: ends}, {kind: of_edges}) for rows, ends, of_edges in X],
        [{"node": row} for row in y],
    )
    assert typed.objective_ == pytest.approx(plain.objective_, rel=2e-6)
    assert typed.C_ == plain.C_
    blocks, expected = (svm.model_.weight_blocks(svm.coef_) for svm in (typed, plain))
    np.testing.assert_allclose(blocks["node"]["node"], expected["node"], atol=1e-2)
    assert blocks["edge_intercept"][kind].shape == (2, 2)


def test_types_help_each_other():
    """What a team is, only its people tell; and they are told apart better by what it is."""
    X, y = people_and_teams(60)
    joint = StructSVM(TypedGraphModel(), random_state=0).fit(X[:30], y[:30])
    apart = StructSVM(TypedGraphModel(), random_state=0).fit(
        [TypedGraph(x.features) for x in X[:30]], y[:30]
    )
    scores = (
        joint.score(X[30:], y[30:]),
        apart.score([TypedGraph(x.features) for x in X[30:]], y[30:]),
    )
    assert scores[0] > scores[1] + 0.1
    answers = joint.predict(X[30:])
    assert all(set(answer["person"]) <= {"ann", "bob", "cy"} for answer in answers)
    assert all(set(answer["team"].tolist()) <= {0, 1} for answer in answers)


def test_graphs_without_cycles_are_certified():
    X, y = people_and_teams()
    trees = []
    for x in X:
        edges = {kind: ends for kind, ends in x.edges.items() if len(kind) == 2}
        trees.append((x.features, edges))
    svm = StructSVM(TypedGraphModel(), random_state=0).fit(trees, y)
    assert svm.certified_
    assert svm.model_.oracle == "exact"
    relaxed = StructSVM(TypedGraphModel(), random_state=0).fit(X, y)
    assert not relaxed.certified_
    assert relaxed.model_.oracle == "over-generating"
    greedy = StructSVM(TypedGraphModel(inference_method="expansion"), random_state=0).fit(X, y)
    assert greedy.model_.oracle == "under-generating"


@given(st.data())
@settings(max_examples=30)
def test_a_relaxation_is_that_of_the_labels_that_there_are(data):
    """Labels that stand for the last one, too, add nothing to the polytope."""
    X, y = data.draw(typed_graphs())
    model = TypedGraphModel("hamming", inference_method="relaxation", relaxation_tol=1e-7)
    model.initialize(X, y)
    w = numbers(data.draw, model.n_weights)
    problem = model.bind(X, y)
    for i, (features, edges, rows) in enumerate(X):
        indices, values, loss = problem.oracle(i, w)
        found = loss - values @ w[indices] + model.joint_feature(X[i], y[i]) @ w
        blocks = model.weight_blocks(w)
        unary, first = [], {}
        for kind in ("u", "v"):
            first[kind] = len(unary)
            n = features[kind] if isinstance(features[kind], int) else len(features[kind])
            for k in range(n):
                x = np.zeros(0) if isinstance(features[kind], int) else features[kind][k]
                scores = x @ blocks["node"][kind] + blocks["intercept"][kind]
                truth = y[i][kind][k]
                unary.append(scores + (model.classes_[kind] != truth))
        lacking = [np.full(3 - len(scores), -50.0) for scores in unary]
        ends, tables = [], []
        for kind, pairs in edges.items():
            for e, (a, b) in enumerate(pairs):
                z = rows[kind][e] if kind in rows else np.zeros(1)
                table = np.zeros((3, 3))
                own = blocks["edge_intercept"][kind].copy()
                if kind in rows:
                    own += np.tensordot(z, blocks["edge"][kind], axes=1)
                table[: own.shape[0], : own.shape[1]] = own
                ends.append((first[kind[0]] + a, first[kind[-1]] + b))
                tables.append(table)
        unary = np.array([np.append(*pair) for pair in zip(unary, lacking, strict=True)])
        best = relaxed_optimum(
            unary, np.array(ends).reshape(-1, 2), np.array(tables).reshape(-1, 3, 3)
        )
        assert found == pytest.approx(best, abs=1e-4)


@given(tiny_forests(scores=st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0])))
@settings(max_examples=80)
def test_trees_are_decoded_exactly(graph):
    unary, edges, pairwise = graph
    n, k = unary.shape
    tables = pairwise.ndim > 1
    if pairwise.ndim == 2:
        pairwise = np.broadcast_to(pairwise, (len(edges), k, k))
    maximizer = GraphMaximizer(
        [n], [edges.astype(np.int32)], k, tables=tables, by_cut=False, forests=True
    )
    assert maximizer.exact
    labels, value = maximizer.maximize(0, np.concatenate([unary.ravel(), np.ravel(pairwise)]))
    best, all_best = best_by_enumeration(unary, edges, pairwise)
    assert value == best
    assert tuple(labels) in all_best


# ---- losses


def test_losses_by_type():
    X, y = people_and_teams(4)
    wrong = {"person": np.array(["cy"] * 6), "team": 1 - y[0]["team"]}
    n_wrong = int((y[0]["person"] != "cy").sum())
    for params, expected in (
        ({}, (n_wrong + 2) / 8),
        ({"task_loss": "hamming"}, n_wrong + 2),
        ({"task_loss": HammingLoss(), "type_weight": {"team": 10.0}}, n_wrong + 20),
        ({"task_loss": "hamming", "class_weight": {"person": {"ann": 0.0}}}, None),
    ):
        model = TypedGraphModel(**params)
        model.initialize(X, y)
        if expected is None:
            expected = int((y[0]["person"] == "bob").sum()) + 2
        assert model.loss(y[0], wrong) == pytest.approx(expected)
        assert model.loss(y[0], y[0]) == 0.0
    balanced = TypedGraphModel("hamming", class_weight="balanced")
    balanced.initialize(X, y)
    labels = np.concatenate([row["person"] for row in y])
    names, counts = np.unique(labels, return_counts=True)
    np.testing.assert_allclose(
        balanced.class_weight_["person"], len(labels) / (len(names) * counts)
    )


def test_weights_of_the_loss_at_nodes():
    X, y = people_and_teams(3)
    model = TypedGraphModel("hamming")
    model.initialize(X, y)
    weight = [{"team": np.array([0.0, 3.0])}, {}, {"person": np.zeros(6)}]
    problem = model.bind(X, y, node_weight=weight)
    other = [{"person": row["person"], "team": 1 - row["team"]} for row in y]
    rows = [model.output_numbers(row, None) for row in other]
    assert [problem.loss_of(i, row) for i, row in enumerate(rows)] == [3.0, 2.0, 2.0]


# ---- void and hidden labels


def test_void_nodes_are_left_out():
    X, y = people_and_teams(20)
    by_none, by_label = [], []
    for row in y:
        people = row["person"].astype(object)
        people[2] = None
        by_none.append({"person": people, "team": row["team"]})
        by_label.append({"person": np.where(people == None, "?", people), "team": row["team"]})  # noqa: E711
    model = TypedGraphModel(ignore_label="?")
    fits = [StructSVM(model, random_state=0).fit(X, some) for some in (by_none, by_label)]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert set(fits[1].model_.classes_["person"]) == {"ann", "bob", "cy"}
    assert fits[0].score(X, by_none) == fits[1].score(X, by_label)
    # As if the nodes and their edges were not there; of those that are, the share is of more.
    without = []
    for x in X:
        keep = [0, 1, 3, 4, 5]
        number = {k: new for new, k in enumerate(keep)}
        edges = {
            kind: [
                [number[a], number[b] if kind[-1] == "person" else b]
                for a, b in ends.tolist()
                if a != 2 and (kind[-1] != "person" or b != 2)
            ]
            for kind, ends in x.edges.items()
        }
        without.append(({"person": x.features["person"][keep], "team": x.features["team"]}, edges))
    rest = [{"person": row["person"][[0, 1, 3, 4, 5]], "team": row["team"]} for row in y]
    settings = {"C": 0.5, "scale": None, "tol": 1e-6, "random_state": 0}
    method = {"inference_method": "expansion"}
    one = StructSVM(TypedGraphModel("hamming", **method), **settings).fit(X, by_none)
    two = StructSVM(TypedGraphModel("hamming", **method), **settings).fit(without, rest)
    assert one.objective_ == pytest.approx(two.objective_, rel=1e-2)


@given(st.data())
@settings(max_examples=20)
def test_completions_are_the_best_of_those_that_agree(data):
    X, y = data.draw(typed_graphs(cycles=False))
    model = TypedGraphModel()
    model.initialize(X, y)
    w = numbers(data.draw, model.n_weights)
    partial = [
        {
            kind: [None if data.draw(st.booleans()) else k for k in row.tolist()]
            for kind, row in one.items()
        }
        for one in y
    ]
    before = model.batch_complete(X, partial, np.zeros(model.n_weights))
    for x, some, found in zip(X, partial, model.batch_complete(X, partial, w), strict=True):
        scores = [
            model.joint_feature(x, output) @ w
            for output in typed_labellings(model, x)
            if agrees(output, some)
        ]
        assert agrees(found, some)
        assert model.joint_feature(x, found) @ w == pytest.approx(max(scores), abs=1e-9)
    assert all(agrees(found, some) for found, some in zip(before, partial, strict=True))


def agrees(output, partial):
    return all(
        b is None or a == b
        for kind, row in partial.items()
        for a, b in zip(output[kind].tolist(), row, strict=True)
    )


def latent_objective(svm, X, y):
    """The objective by enumeration of all outputs and completions."""
    model, w, total = svm.model_, svm.coef_, 0.5 * svm.coef_ @ svm.coef_
    for x, partial in zip(X, y, strict=True):
        scores = [(z, model.joint_feature(x, z) @ w) for z in typed_labellings(model, x)]
        worst = max(model.loss(partial, z) + score for z, score in scores)
        best = max(score for z, score in scores if agrees(z, partial))
        total += svm.C_ * (worst - best)
    return total


@pytest.mark.parametrize("columns", [0, 1])
@pytest.mark.parametrize("solver", ["bcfw", "n_slack", "cutting_plane"])
def test_hidden_nodes_have_states_of_their_own(columns, solver):
    """One of three pixels is bright; a hidden node, which all are joined to, tells which."""
    rng = np.random.default_rng(0)
    edges = {("pixel", "part"): [[0, 0], [1, 0], [2, 0]]}
    places = {("pixel", "part"): np.eye(3)}  # each has a table of its own
    X, y = [], []
    for state in rng.integers(0, 3, 130):
        labels = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])[state]
        pixels = (labels[:, None] - 0.5) + rng.normal(scale=0.6, size=(3, 1))
        part = np.full((1, 1), state - 1.0) if columns else 1
        X.append(({"pixel": pixels, "part": part}, edges, places))
        y.append({"pixel": labels})
    model = TypedGraphModel("hamming", hidden_states={"part": 3})
    svm = LatentSVM(model, C=10.0, scale=None, solver=solver, random_state=0)
    svm.fit(X[:30], y[:30])
    objective = svm.history_["objective"]
    assert (np.diff(objective) <= 0).all()
    assert svm.objective_ == pytest.approx(latent_objective(svm, X[:30], y[:30]), rel=1e-6)
    void = StructSVM(model, C=10.0, scale=None, random_state=0).fit(X[:30], y[:30])
    assert svm.score(X[30:], y[30:]) > void.score(X[30:], y[30:]) + 0.05
    states = [answer["part"].item() for answer in svm.complete(X, y)]
    groups = {tuple(row["pixel"]): set() for row in y}
    for row, state in zip(y, states, strict=True):
        groups[tuple(row["pixel"])].add(state)
    assert sorted(len(group) for group in groups.values()) == [1, 1, 1]
    assert len(set.union(*groups.values())) == 3


def test_a_latent_grid():
    """Blocks of 2 x 2 pixels, each joined to a hidden node of its own: diagonals of either kind."""
    rng = np.random.default_rng(1)
    n = 4
    grid = np.arange(n * n).reshape(n, n)
    block_of = np.kron(np.arange(4).reshape(2, 2), np.ones((2, 2), dtype=int))
    edges = {
        ("pixel", "block"): np.stack([grid.ravel(), block_of.ravel()], axis=1),
        ("block", "block"): [[0, 1], [2, 3], [0, 2], [1, 3]],
    }
    shapes = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]])
    places = np.array([[0, 1], [2, 3]])
    corner = np.tile(places, (2, 2)).ravel()
    X, y = [], []
    for _ in range(40):
        labels = shapes[rng.integers(0, 2, (2, 2))].transpose(0, 2, 1, 3).reshape(n, n)
        bright = labels.ravel() - 0.5 + rng.normal(scale=0.7, size=n * n)
        # The table of a pixel and its block depends on where in the block it is.
        features = np.eye(4)[corner]
        X.append(
            TypedGraph(
                {"pixel": bright[:, None], "block": 4}, edges, {("pixel", "block"): features}
            )
        )
        y.append({"pixel": labels.ravel()})
    model = TypedGraphModel(hidden_states={"block": 2})
    svm = LatentSVM(model, random_state=0).fit(X[:20], y[:20])
    plain = StructSVM(model, random_state=0).fit(X[:20], y[:20])
    assert svm.score(X[20:], y[20:]) > plain.score(X[20:], y[20:]) + 0.1
    assert (np.diff(svm.history_["objective"]) <= 0).all()


def test_all_else_of_an_estimator_with_hidden_nodes(tmp_path):
    X, y = people_and_teams(20, hide="team")
    svm = LatentSVM(TypedGraphModel(hidden_states={"team": 2}), random_state=0).fit(X, y)
    again = LatentSVM(TypedGraphModel(hidden_states={"team": 2}), random_state=0, n_jobs=2)
    np.testing.assert_array_equal(again.fit(X, y).coef_, svm.coef_)
    svm.save(tmp_path / "svm")
    for copy in (load(tmp_path / "svm"), pickle.loads(pickle.dumps(svm))):
        for a, b in zip(copy.predict(X), svm.predict(X), strict=True):
            assert all(np.array_equal(a[kind], b[kind]) for kind in ("person", "team"))
        assert copy.score(X, y) == svm.score(X, y)
    known = svm.complete(X, y)  # with the states, which may be given
    assert svm.score(X, known) <= 1.0
    partial = [{**row, "team": [None, row["team"][1]]} for row in known]
    assert [row["team"][1] for row in svm.complete(X, partial)] == [row["team"][1] for row in known]


# ---- bad input

EDGES = {("u", "v"): [[0, 0], [1, 0]]}
GRAPH = ({"u": [[1.0], [0.0]], "v": [[1.0, 2.0]]}, EDGES)
LABELS = {"u": [0, 1], "v": ["a"]}


@pytest.mark.parametrize(
    ("x", "told"),
    [
        ([1.0], "X[0] is a list, expected a TypedGraph or a tuple"),
        ((1, 2, 3, 4), "X[0] is a tuple, expected a TypedGraph or a tuple"),
        (([[1.0]], {}), "X[0]: features is a list, expected a dict from types to arrays"),
        (({"u": [[1.0]]}, [[0, 0]]), "X[0]: edges is a list, expected a dict"),
        (({"u": 0}, {}), "X[0]: features has no rows: a graph needs at least one node"),
        (({1: [[1.0]]}, {}), "X[0]: 1 is no name of a type: expected a string"),
        (({"u": [[np.nan]]}, {}), "X[0]: features['u'][0, 0] is nan; features must be finite"),
        (({"u": [1.0]}, {}), "X[0]: features['u'] has shape (1,), expected (n_nodes, n_features)"),
        (({"u": -1}, {}), "X[0]: features['u'] is -1, expected 0 to 2**31 - 1 nodes"),
        (({"u": 10**20}, {}), "expected 0 to 2**31 - 1 nodes"),
        (({"u": 1}, {"uv": [[0, 0]]}), "X[0]: 'uv' is no edge type: expected a pair of node types"),
        (({"u": 1}, {("u", "w"): [[0, 0]]}), "join nodes of 'w', which features does not have"),
        ((GRAPH[0], {("u", "v"): [[0, 1]]}), "X[0]: edges[('u', 'v')][0, 1] is 1, expected a node"),
        ((GRAPH[0], {("u", "v"): [[0, 0], [0, 0]]}), "both join nodes 0 and 0"),
        ((GRAPH[0], {("u", "u"): [[0, 0]]}), "edges[('u', 'u')][0] joins node 0 to itself"),
        ((GRAPH[0], {("u", "u"): [[0, 1], [1, 0]]}), "[0] and edges[('u', 'u')][1] both join"),
        (({"u": 1, "v": 0}, {("u", "v"): [[0, 0]]}), "there are no nodes of this type"),
        ((*GRAPH, {("u", "v"): [[1.0]]}), "has 1 rows, expected 2 as edges has"),
        (
            (*GRAPH, {("v", "u"): [[1.0]]}),
            "edge_features has ('v', 'u'), which edges does not have",
        ),
    ],
)
def test_bad_graphs_are_told(x, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        TypedGraphModel().initialize([x], [LABELS])


@pytest.mark.parametrize(
    ("y", "told"),
    [
        ([0, 1], "y[0] is a list, expected a dict from node types to labels"),
        ({"u": [0, 1]}, "y[0] has no labels of type 'v', of which X[0] has 1 nodes: give None"),
        ({"u": [0], "v": ["a"]}, "y[0] has 1 labels of type 'u', but X[0] has 2 such nodes"),
        ({**LABELS, "w": [0]}, "y[0] has labels of type 'w', but the node types are 'u', 'v'"),
        ({"u": [0, "b"], "v": ["a"]}, "labels of 'u' in y[0] holds"),
        ({"u": [0.5, 1], "v": ["a"]}, "labels of 'u' in y[0] holds 0.5"),
        ({"u": [0, 1], "v": [None]}, "y has no label of a node of type 'v'"),
        ({"u": np.ma.masked_array([0, 1], [0, 1]), "v": ["a"]}, "has masked entries"),
    ],
)
def test_bad_labels_are_told(y, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        TypedGraphModel().initialize([GRAPH], [y])


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"inference_method": "ilp"}, "inference_method='ilp': expected one of 'auto'"),
        ({"relaxation_tol": 0}, "relaxation_tol=0"),
        ({"task_loss": HammingLoss(cost=1 - np.eye(2))}, "task_loss has a matrix of costs"),
        ({"task_loss": "f1"}, "unknown loss 'f1'"),
        ({"type_weight": {"u": -1}}, "type_weight['u'] is -1, expected a finite number >= 0"),
        ({"type_weight": {"w": 1}}, "type_weight names the node type 'w', which is not in X"),
        ({"type_weight": 2.0}, "type_weight=2.0: expected a dict from node types"),
        ({"hidden_states": {"v": 0}}, "hidden_states['v']=0"),
        ({"hidden_states": {"v": 10**9}}, "hidden_states['v'] is 1000000000, expected <= 46340"),
        ({"hidden_states": {"w": 2}}, "hidden_states names the node type 'w'"),
        ({"hidden_states": 2}, "hidden_states=2: expected a dict"),
        ({"class_weight": "some"}, "class_weight='some': expected 'balanced', a dict"),
        ({"class_weight": {"u": {7: 1.0}}}, "of node type 'u': class_weight names the class 7"),
        ({"class_weight": {"w": "balanced"}}, "class_weight names the node type 'w'"),
    ],
)
def test_bad_parameters_are_told(params, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        StructSVM(TypedGraphModel(**params)).fit([GRAPH] * 2, [LABELS] * 2)


def test_what_fit_did_not_see_is_told():
    svm = StructSVM(TypedGraphModel(), random_state=0).fit([GRAPH] * 2, [LABELS] * 2)
    for x, told in (
        (({"w": 2}, {}), "X[0] has nodes of 'w', a type that was not in the X that fit saw"),
        ((GRAPH[0], {("v", "u"): [[0, 0]]}), "X[0] has edges of ('v', 'u'), a type that"),
        (({"u": [[1.0, 2.0]]}, {}), "X[0] has 2 features of 'u', expected 1"),
    ):
        with pytest.raises(ValueError, match=re.escape(told)):
            svm.predict([x])
    with pytest.raises(ValueError, match="y\\[0\\] has the label 7 of type 'u', which was not in"):
        svm.score([GRAPH], [{"u": [7, 0], "v": ["a"]}])
    with pytest.raises(ValueError, match="X\\[1\\] has 2 features of 'u', expected 1 as X\\[0\\]"):
        TypedGraphModel().initialize([({"u": [[1.0]]},), ({"u": [[1.0, 2.0]]},)], [{"u": [0]}] * 2)
    with pytest.raises(ValueError, match="expected a ChainModel, GraphModel or so"):
        LatentSVM(HiddenStates(TypedGraphModel())).fit([GRAPH] * 2, [LABELS] * 2)
    with pytest.raises(ValueError, match="y_hat\\[0\\] has 0 labels of type 'v', expected 1"):
        svm.model_.loss(LABELS, {"u": [0, 1]})
    alone = svm.predict([({"u": [[1.0]]},)])  # types may be lacking
    assert list(alone[0]) == ["u"]


def test_states_of_files_are_checked():
    model = TypedGraphModel(hidden_states={"v": 2})
    model.initialize([GRAPH] * 2, [{"u": [0, 1]}] * 2)
    state = model.to_state()
    assert TypedGraphModel(hidden_states={"v": 2}).from_state(state).n_weights == model.n_weights
    for forged in (
        {"node_types": np.array(["v", "u"])},
        {"node_types": np.array([1, 2])},
        {"edge_types": np.array([["u", "", "w"]])},
        {"edge_types": np.array(["u", "v"])},
        {"n_features": np.array([-1, 2])},
        {"n_features": np.array([1])},
        {"n_edge_features": np.array([0.5])},
        {"classes_0": np.array([1, 0])},
        {"classes_0": np.zeros(0)},
        {"classes_1": np.array([0, 2])},
        {"class_weight_0": np.array([1.0, np.nan])},
        {"class_weight_0": np.array([1.0])},
    ):
        with pytest.raises((ModelFileError, ValueError)):
            TypedGraphModel(hidden_states={"v": 2}).from_state(state | forged)


def test_large_tables_are_not_relaxed():
    """As graphs of one type: "auto" trains with expansions where tables are too large."""
    rng = np.random.default_rng(0)
    n, k = 60, 27
    edges = {("u", "u"): list(itertools.combinations(range(n), 2))}
    labels = rng.permutation(np.resize(np.arange(k), n))
    X, y = [({"u": rng.normal(size=(n, 1))}, edges)], [{"u": labels}]
    model = TypedGraphModel()
    with pytest.warns(UserWarning, match=r"tables for up to 27 labels have \d+ entries"):
        model.initialize(X, y)
    assert model.oracle == "under-generating"
    assert TypedGraphModel().from_state(model.to_state()).oracle == "under-generating"
