"""Labels of graphs under linear constraints: against all labellings, and learned."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint

from structsvm import ChainSVM, GraphSVM, GridSVM, LatentSVM, StructSVM, TypedGraphModel
from structsvm.graphs import Graph
from structsvm.inference import alpha_expansion, constrained_labels

FEW = st.sampled_from([0.0, 1.0, -1.0, 2.0, -2.5])


def score(unary, edges, tables, labels):
    value = sum(unary[i, label] for i, label in enumerate(labels))
    return value + sum(
        table[labels[a], labels[b]] for (a, b), table in zip(edges, tables, strict=True)
    )


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_the_best_of_all_labellings_that_satisfy_the_constraints(data):
    n, k = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    pairs = list(itertools.combinations(range(n), 2))
    edges = data.draw(st.lists(st.sampled_from(pairs), max_size=3)) if pairs else []

    def numbers(*shape, elements=FEW):
        size = int(np.prod(shape))
        drawn = data.draw(st.lists(elements, min_size=size, max_size=size))
        return np.array(drawn).reshape(shape)

    unary, tables = numbers(n, k), numbers(len(edges), k, k)
    row = numbers(n * k, elements=st.sampled_from([0.0, 1.0, -1.0]))
    upper = data.draw(st.sampled_from([-1.0, 0.0, 1.0]))
    allowed = [
        labels
        for labels in itertools.product(range(k), repeat=n)
        if row[np.arange(n) * k + labels].sum() <= upper
    ]
    constraint = LinearConstraint(row[None], -np.inf, upper)
    edges = np.array(edges, dtype=int).reshape(-1, 2)
    if not allowed:
        with pytest.raises(ValueError, match="no solution satisfies"):
            constrained_labels(unary, edges, tables, constraint)
        return
    found = constrained_labels(unary, edges, tables, constraint)
    assert tuple(found.labels.tolist()) in allowed
    best = max(score(unary, edges, tables, labels) for labels in allowed)
    assert found.value == pytest.approx(best, abs=1e-6)
    assert found.bound == pytest.approx(best, abs=1e-5)
    assert score(unary, edges, tables, found.labels) == pytest.approx(found.value)


def test_without_constraints_it_is_the_best_labelling():
    rng = np.random.default_rng(0)
    unary, pairwise = rng.normal(size=(12, 2)), rng.random(size=15)
    edges = np.array(list(itertools.combinations(range(6), 2)))
    labels, value = alpha_expansion(unary, edges, pairwise)  # exact for two labels
    found = constrained_labels(unary, edges, pairwise, None)
    assert np.array_equal(found.labels, labels)
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_predictions_keep_to_constraints(pairwise):
    rng = np.random.default_rng(0)
    X, y = [], []
    for _ in range(15):
        labels = rng.integers(3, size=5)
        nodes = np.eye(3)[labels] + 0.8 * rng.normal(size=(5, 3))
        X.append(Graph(nodes, [[0, 1], [1, 2], [2, 3], [3, 4]], np.ones((4, 1))))
        y.append(np.array(["a", "b", "c"])[labels])
    svm = GraphSVM(pairwise=pairwise, random_state=0, tol=0.05).fit(X, y)
    # As many nodes of "b" as there are.
    rows = [(np.tile([0, 1, 0], (1, 5)), (truth == "b").sum(), (truth == "b").sum()) for truth in y]
    predicted = svm.predict(X, constraints=rows)
    for x, labels, truth in zip(X, predicted, y, strict=True):
        assert (labels == "b").sum() == (truth == "b").sum()
        # No others score more, the true ones among them.
        lead = svm.model_.joint_feature(x, labels) - svm.model_.joint_feature(x, truth)
        assert lead @ svm.coef_ >= -1e-6
    assert any((svm.predict([x])[0] != z).any() for x, z in zip(X, predicted, strict=True))
    same = svm.predict(X, constraints=[None] * len(X))
    scores = svm.decision_function(X)
    for x, labels, value in zip(X, same, scores, strict=True):
        assert svm.model_.joint_feature(x, labels) @ svm.coef_ >= value - 1e-6
    with pytest.raises(ValueError, match="constraints of 1 examples, expected 15 as in X"):
        svm.predict(X, constraints=[None])
    with pytest.raises(
        ValueError, match="have 3 columns, expected 15: one for each node"
    ) as caught:
        svm.predict(X[:1], constraints=[([[1, 0, 0]], 0, 1)])
    assert caught.value.__notes__ == ["for X[0]"]


def test_images_too():
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(3, 4, 2)) for _ in range(3)]
    labels = [(image[..., 0] > 0).astype(int) for image in images]
    svm = GridSVM(random_state=0, tol=0.1).fit(images, labels)
    three = (np.tile([0, 1], (1, 12)), 3, 3)
    found = svm.predict(images[:1], constraints=[three])[0]
    assert found.shape == (3, 4)
    assert found.sum() == 3


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_graphs_without_edges_have_constraints_too(pairwise):
    X = [(np.eye(3), np.array([[0, 1], [1, 2]]))] * 2
    svm = GraphSVM(pairwise=pairwise, C=10.0, random_state=0).fit(X, [[0, 1, 1]] * 2)
    alone = np.eye(3)[:2], np.zeros((0, 2), dtype=int)
    first_is_one = np.array([[0.0, 1.0, 0.0, 0.0]]), 1, 1
    assert svm.predict([alone])[0].tolist() == [0, 1]
    assert svm.predict([alone], constraints=[first_is_one])[0].tolist() == [1, 1]


def towns(n_towns=12):
    """Houses of three kinds in districts of two; some edges close cycles."""
    rng = np.random.default_rng(1)
    X, y = [], []
    for _ in range(n_towns):
        district, n = int(rng.integers(2)), int(rng.integers(2, 5))
        kinds = rng.integers(0, 3, n)
        edges = {("district", "house"): [[0, k] for k in range(n)]}
        edges["house", "next to", "house"] = [[k, k + 1] for k in range(n - 1)]
        houses = np.eye(3)[kinds] + 0.7 * rng.normal(size=(n, 3))
        X.append(({"house": houses, "district": [[district + rng.normal()]]}, edges))
        y.append({"house": np.array(["barn", "hut", "shop"])[kinds], "district": [district]})
    y[0]["house"][:2], y[1]["house"][:2] = ["barn", "hut"], ["shop", "shop"]
    y[0]["district"], y[1]["district"] = [0], [1]
    return X, y


def rows_of(labels, counted):
    """How many columns of the labels of each house: those counted have a 1."""
    kinds = ["barn", "hut", "shop"]
    return np.tile([float(kind in counted) for kind in kinds], (1, len(labels)))


def test_nodes_of_types_keep_to_constraints():
    X, y = towns()
    svm = StructSVM(TypedGraphModel(), C=10.0, tol=0.05, random_state=0).fit(X, y)
    for x, truth in zip(X[:5], y[:5], strict=True):
        n, n_barns = len(truth["house"]), int((truth["house"] == "barn").sum())
        rows = rows_of(truth["house"], ["barn"])
        by_type = {"house": sp.csr_array(rows)}, n_barns, n_barns
        beside = {"district": [[0.0, 1.0]], "house": rows_of(truth["house"], ["shop"])}, -np.inf, 1

        def few_shops(out):
            return out["district"][0] + (out["house"] == "shop").sum() <= 1

        def has_barns(out, n_barns=n_barns):
            return (out["house"] == "barn").sum() == n_barns

        every = [
            {"district": np.array([district]), "house": np.array(houses)}
            for district in (0, 1)
            for houses in itertools.product(["barn", "hut", "shop"], repeat=n)
        ]
        scores = [svm.model_.joint_feature(x, out) @ svm.coef_ for out in every]
        for constraint, conditions in (
            (by_type, [has_barns]),
            # The same by columns: two labels of the district come first.
            ((np.hstack([np.zeros((1, 2)), rows]), n_barns, n_barns), [has_barns]),
            (beside, [few_shops]),
            ([({"house": rows}, 0, 1), beside], [few_shops]),
        ):
            [found] = svm.predict([x], constraints=[constraint])
            allowed = [all(holds(out) for holds in conditions) for out in every]
            if isinstance(constraint, list):
                allowed = [
                    one and (out["house"] == "barn").sum() <= 1
                    for one, out in zip(allowed, every, strict=True)
                ]
            place = next(
                k
                for k, out in enumerate(every)
                if all(np.array_equal(out[kind], found[kind]) for kind in out)
            )
            assert allowed[place]
            best = max(score for score, one in zip(scores, allowed, strict=True) if one)
            assert scores[place] == pytest.approx(best, abs=1e-6)
    free = svm.predict(X, constraints=[None] * len(X))
    assert [out["house"].shape for out in free] == [out["house"].shape for out in y]


def test_hidden_states_of_types_keep_to_constraints():
    X, y = towns(6)
    y = [{"house": truth["house"]} for truth in y]
    model = TypedGraphModel(hidden_states={"district": 3})
    svm = LatentSVM(model, C=10.0, max_rounds=3, random_state=0).fit(X, y)
    last_alone = {"district": [[0.0, 0.0, 1.0]]}, 1, 1
    assert all(out["district"] == [2] for out in svm.predict(X, constraints=[last_alone] * 6))


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (([[1.0, 0.0]], 0, 1), r"have 2 columns, expected \d+: one for each node and label of its"),
        (
            ({"roof": [[1.0]]}, 0, 1),
            r"name the type 'roof', expected one of \['district', 'house'\]",
        ),
        (({"district": [[1.0]]}, 0, 1), "of 'district' have 1 columns, expected 2"),
        (({}, 0, 1), "by type have .* rows, expected one number"),
        (({"district": [[1.0, 1.0]]}, 3, 4), "no solution satisfies"),
        (({"district": [[np.nan, 1.0]]}, 0, 1), "not finite"),
    ],
)
def test_constraints_of_types_that_do_not_fit(constraint, message):
    X, y = towns(3)
    svm = StructSVM(TypedGraphModel(), C=1.0, tol=0.3, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=message) as caught:
        svm.predict(X[:1], constraints=[constraint])
    assert caught.value.__notes__ == ["for X[0]"]


@pytest.mark.parametrize("constraints", [5, "no", 0.5])
def test_constraints_that_are_no_list_are_told(constraints):
    X, y = towns(3)
    svm = StructSVM(TypedGraphModel(), C=1.0, tol=0.3, random_state=0).fit(X, y)
    with pytest.raises((TypeError, ValueError), match="constraints"):
        svm.predict(X, constraints=constraints)


def test_models_without_constraints_say_so():
    svm = ChainSVM(random_state=0).fit([[[0.0], [1.0]]], [[0, 1]])
    with pytest.raises(ValueError, match="ChainModel takes no constraints at prediction"):
        svm.predict([[[0.0]]], constraints=[None])
