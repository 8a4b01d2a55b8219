"""Bad images, graphs and label images: one sentence that says what was wrong and where."""

import itertools
import re
import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from structsvm import GraphModel, GraphSVM, GridModel, GridSVM
from structsvm.losses import HammingLoss

RNG = np.random.default_rng(0)
SHAPES = ((3, 4), (2, 5), (4, 4))
X = [RNG.normal(size=(*shape, 2)) for shape in SHAPES]
Y = [(np.indices(shape)[1] + i) % 2 for i, shape in enumerate(SHAPES)]
OWN = [(x, np.ones((2, *x.shape[:2], 1))) for x in X]
EDGES = [[0, 1], [1, 2]]
GRAPHS = [(RNG.normal(size=(3, 2)), EDGES, np.ones((2, 1))) for _ in range(3)]
NODES = [np.array([0, 1, 0]), np.array([1, 1, 0]), np.array([0, 0, 1])]


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def replaced(items, i, item):
    return [*items[:i], item, *items[i + 1 :]]


def with_entry(array, place, value):
    array = np.array(array)
    array[place] = value
    return array


BAD_IMAGES = {
    "NaN": (with_entry(X[1], (1, 2, 0), np.nan), "X[1][1, 2, 0] is nan; features must be finite"),
    "inf": (with_entry(X[1], (0, 4, 1), -np.inf), "X[1][0, 4, 1] is -inf; features must be finite"),
    "float32 NaN": (with_entry(X[1].astype("f4"), (1, 2, 0), np.nan), "X[1][1, 2, 0] is nan; fea"),
    "no rows": (np.zeros((0, 5, 2)), "X[1] has shape (0, 5, 2): an image has at least one pixel"),
    "no columns": (np.zeros((2, 0, 2)), "X[1] has shape (2, 0, 2): an image has at least one pix"),
    "grey": (np.zeros((2, 5)), "X[1] has shape (2, 5), expected (height, width, n_features)"),
    "four axes": (np.zeros((1, 2, 5, 2)), "X[1] has shape (1, 2, 5, 2), expected (height, width"),
    "a channel more": (np.zeros((2, 5, 3)), "X[1] has 3 features, expected 2"),
    "strings": (np.full((2, 5, 2), "a"), "X[1] has dtype <U1, expected real numbers"),
    "objects": (np.full((2, 5, 2), None), "X[1] has dtype object, expected real numbers"),
    "complex": (np.full((2, 5, 2), 1j), "X[1] has dtype complex128, expected real numbers"),
    "ragged": ([[[1.0, 2.0], [1.0]]], "X[1] is no rectangular array of numbers: "),
    "masked": (np.ma.masked_greater(X[1], 0), "X[1] has masked entries; fill them: features must"),
    "None": (None, "X[1] has dtype object, expected real numbers"),
    "a pair": (OWN[1], "X[1][1] has shape (2, 2, 5, 1), expected edge features of shape (4, 2, 5"),
    "a bad pair": ((X[1][0], OWN[1][1]), "X[1][0] has shape (5, 2), expected (height, width, n_fe"),
    "of long doubles": (np.full((2, 5, 2), np.longdouble("1e400")), "X[1][0, 0, 0] is inf; featur"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images(case):
    item, message = BAD_IMAGES[case]
    bad = replaced(X, 1, item)
    fitted = GridSVM().fit(X, Y)
    with refused(message):
        GridSVM().fit(bad, Y)
    for method in (fitted.predict, fitted.decision_function):
        with refused(message):
            method(bad)
    for method in (fitted.score, fitted.loss_augmented_predict):
        with refused(message):
            method(bad, Y)
    with refused("in X_val and y_val: " + message):
        GridSVM().fit(X, Y, X_val=bad, y_val=Y)


BAD_OWN = {
    "NaN": (with_entry(OWN[1][1], (1, 0, 3, 0), np.nan), "X[1][1][1, 0, 3, 0] is nan; features mu"),
    "negative": (
        with_entry(OWN[1][1], (0, 1, 2, 0), -2.0),
        "X[1][1][0, 1, 2, 0] is -2.0; with pairwise='potts' edge features must be >= 0",
    ),
    "one column more": (np.ones((2, 2, 5, 2)), "X[1] has 2 edge features of its own, expected 1"),
    "another size": (
        np.ones((2, 2, 4, 1)),
        "X[1][1] has shape (2, 2, 4, 1), expected edge features of shape (2, 2, 5, n_edge_features",
    ),
    "more directions": (np.ones((4, 2, 5, 1)), "X[1][1] has shape (4, 2, 5, 1), expected edge fea"),
    "three axes": (np.ones((2, 2, 5)), "X[1][1] has shape (2, 2, 5), expected edge features of sh"),
    "strings": (np.full((2, 2, 5, 1), "a"), "X[1][1] has dtype <U1, expected real numbers"),
    "masked": (np.ma.masked_equal(OWN[1][1], 1), "X[1][1] has masked entries; fill them"),
}


@pytest.mark.parametrize("case", BAD_OWN)
def test_bad_edge_features_of_ones_own(case):
    item, message = BAD_OWN[case]
    fitted = GridSVM(connectivity=4).fit(OWN, Y)
    bad = replaced(OWN, 1, (X[1], item))
    with refused(message):
        GridSVM(connectivity=4).fit(bad, Y)
    with refused(message):
        fitted.predict(bad)
    with refused("X[0] has 0 edge features of its own, expected 1"):
        fitted.predict(X)


def test_edges_that_leave_the_image_may_have_any_features():
    junk = [own.copy() for _, own in OWN]
    for own in junk:
        own[0, :, -1] = np.nan
        own[1, -1] = -np.inf
    dirty = [(x, own) for x, own in zip(X, junk, strict=True)]
    want = GridSVM(connectivity=4, random_state=0).fit(OWN, Y)
    assert np.array_equal(GridSVM(connectivity=4, random_state=0).fit(dirty, Y).coef_, want.coef_)
    eight = [(x, -np.ones((4, *x.shape[:2], 1))) for x in X]
    for _, own in eight:
        own[3, :-1, 1:] = 1.0
        for k, (down, right) in enumerate(((0, 1), (1, 0), (1, 1))):
            own[k, : own.shape[1] - down, : own.shape[2] - right] = 1.0
    svm = GridSVM(connectivity=8).fit(eight, Y)
    eight[2][1][3, 0, 1] = -1.0
    with refused("X[2][1][3, 0, 1, 0] is -1.0; with pairwise='potts'"):
        svm.predict(eight)
    GridSVM(connectivity=8, pairwise="table", tol=0.5).fit(eight, Y)


BAD_LABELS = {
    "floats": (
        np.zeros((2, 5)),
        "y[1] has dtype float64; labels must be integers, booleans or strings",
    ),
    "complex": (np.zeros((2, 5), complex), "y[1] has dtype complex128; labels must be integers"),
    "dates": (np.zeros((2, 5), "M8[D]"), "y[1] has dtype datetime64[D]; labels must be integers"),
    "turned": (Y[1].T, "y[1] has shape (5, 2), expected (2, 5) as X[1] has"),
    "flat": (Y[1].ravel(), "y[1] has shape (10,), expected (2, 5) as X[1] has"),
    "colours": (np.zeros((2, 5, 3), int), "y[1] has shape (2, 5, 3), expected (2, 5) as X[1] has"),
    "a number": (1, "y[1] has shape (), expected (2, 5) as X[1] has"),
    "ragged": ([[1, 2], [1]], "y[1] is no rectangular array of labels: "),
    "masked": (np.ma.masked_equal(Y[1], 0), "y[1] has masked entries; give them a label, see ign"),
    "words among numbers": (np.full((2, 5), "a"), "y[1] holds strings, but earlier sequences hol"),
    "mixed": ([["a", 1, 1, 1, 1], [0] * 5], "y[1] holds 'a'; labels must be all integers or all"),
    "above int64": (
        np.full((2, 5), 2**64 - 1, np.uint64),
        "y[1] has the label 1844674407370955161",
    ),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_label_images(case):
    item, message = BAD_LABELS[case]
    with refused(message):
        GridSVM().fit(X, replaced(Y, 1, item))
    with refused(message):
        GridSVM().fit(X, Y).loss_augmented_predict(X, replaced(Y, 1, item))
    with refused(message):
        GridSVM(ignore_label=0).fit(X, replaced(Y, 1, item))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([], [], "X and y are empty: expected at least one example"),
        (X, Y[:2], "X has 3 examples but y has 2"),
        (X, None, "y is a NoneType; expected a list with one item for each example"),
        (3, Y, "X is a int; expected a list with one item for each example"),
        (X[0], Y[0], "X[0] has shape (4, 2), expected (height, width, n_features)"),
    ],
)
def test_bad_collections(X, y, message):
    with refused(message):
        GridSVM().fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"connectivity": 5}, "connectivity=5: expected 4 or 8"),
        ({"connectivity": 4.0}, "connectivity=4.0: expected 4 or 8"),
        ({"connectivity": "4"}, "connectivity='4': expected 4 or 8"),
        ({"connectivity": None}, "connectivity=None: expected 4 or 8"),
        ({"contrast": "yes"}, "contrast='yes': expected True, False or a list of multiples > 0"),
        ({"contrast": 2.0}, "contrast=2.0: expected True, False or a list of multiples > 0"),
        ({"contrast": None}, "contrast=None: expected True, False or a list of multiples > 0"),
        ({"contrast": [1.0, 0.0]}, "contrast=[1.0, 0.0]: expected True, False or a list of mult"),
        ({"contrast": [-1.0]}, "contrast=[-1.0]: expected True, False or a list of multiples > 0"),
        ({"contrast": [np.nan]}, "contrast=[nan]: expected True, False or a list of multiples > 0"),
        ({"contrast": [np.inf]}, "contrast=[inf]: expected True, False or a list of multiples > 0"),
        ({"contrast": [[1.0], [2.0, 3.0]]}, "contrast=[[1.0], [2.0, 3.0]]: expected True, False"),
        ({"contrast": {"a": 1}}, "contrast={'a': 1}: expected True, False or a list of multiples"),
        (
            {"contrast_channels": [2]},
            "contrast_channels=[2]: expected a list of feature numbers fr",
        ),
        ({"contrast_channels": [-1]}, "contrast_channels=[-1]: expected a list of feature numbers"),
        (
            {"contrast_channels": []},
            "contrast_channels=[]: expected a list of feature numbers from",
        ),
        (
            {"contrast_channels": 1},
            "contrast_channels=1: expected a list of feature numbers from 0",
        ),
        (
            {"contrast_channels": [0.5]},
            "contrast_channels=[0.5]: expected a list of feature number",
        ),
        ({"contrast_channels": "01"}, "contrast_channels='01': expected a list of feature numbers"),
        ({"contrast_channels": [[0]]}, "contrast_channels=[[0]]: expected a list of feature numbe"),
        ({"pairwise": "ising"}, "pairwise='ising': expected 'potts', or one of 'table'"),
        ({"warm_inference": "always"}, "warm_inference='always': expected 'auto', True, False or"),
        ({"warm_inference": -1}, "warm_inference=-1: expected 'auto', True, False or a number of"),
        ({"warm_inference": 1.5}, "warm_inference=1.5: expected 'auto', True, False or a number o"),
        (
            {"class_weight": "even"},
            "class_weight='even': expected 'balanced', 'jaccard', 'auto', a dict",
        ),
        (
            {"class_weight": [1, 2]},
            "class_weight=[1, 2]: expected 'balanced', 'jaccard', 'auto', a dict",
        ),
        ({"class_weight": {2: 1.0}}, "class_weight names the class 2, which is not in y; the clas"),
        (
            {"class_weight": {"1": 1.0}},
            "class_weight names the class '1', which is not in y; the c",
        ),
        ({"class_weight": {1: -1.0}}, "class_weight[1] is -1.0, expected a finite number >= 0"),
        ({"class_weight": {1: np.nan}}, "class_weight[1] is nan, expected a finite number >= 0"),
        ({"class_weight": {1: np.inf}}, "class_weight[1] is inf, expected a finite number >= 0"),
        ({"class_weight": {1: "2"}}, "class_weight[1] is '2', expected a finite number >= 0"),
        (
            {"ignore_label": "void"},
            "ignore_label='void' is of another kind than the labels in y, s",
        ),
        (
            {"ignore_label": 1.5},
            "ignore_label=1.5 is of another kind than the labels in y, such as",
        ),
        (
            {"ignore_label": [0]},
            "ignore_label=[0] is of another kind than the labels in y, such as",
        ),
        ({"loss": "zero_one"}, "unknown loss 'zero_one': expected one of 'hamming', 'normalized"),
        ({"loss": HammingLoss(cost=np.ones((3, 3)))}, "cost has shape (3, 3), expected (2, 2)"),
        ({"solver": "block_dual"}, "block_dual"),
        ({"C": 0}, "C=0: expected a finite number > 0"),
    ],
)
def test_bad_parameters(params, message):
    with refused(message):
        GridSVM(**params).fit(X, Y)
    if not set(params) & {"connectivity", "contrast", "contrast_channels"}:
        with refused(message):
            GraphSVM(**params).fit(GRAPHS, NODES)


def test_integer_ignore_label_among_strings():
    with refused("ignore_label=255 is of another kind than the labels in y, such as 'a'"):
        GridSVM(ignore_label=255).fit(X, [np.array(["a", "b"])[labels] for labels in Y])


def test_nothing_but_void():
    void = [np.full_like(labels, 255) for labels in Y]
    with refused("all labels in y are 255, the ignore_label: nothing is left to learn"):
        GridSVM(ignore_label=255).fit(X, void)
    svm = GridSVM(ignore_label=255).fit(X, Y)
    with refused("all pixels have the ignore_label 255: nothing to score"):
        svm.score(X, void)
    with refused("in X_val and y_val: all pixels have the ignore_label 255: nothing to score"):
        GridSVM(ignore_label=255).fit(X, Y, X_val=X, y_val=void)


@pytest.mark.parametrize("stranger", [7, "seven"])
def test_a_label_never_seen_counts_as_wrong_or_is_named(stranger):
    svm = GridSVM().fit(X, Y)
    strange = [np.full(labels.shape, stranger) for labels in Y]
    if stranger == 7:
        assert svm.score(X, strange) == 0.0
        fit = GridSVM().fit(X, Y, X_val=X, y_val=strange)
        assert fit.validation_score_ == 0.0
        with refused("y[1][1, 3] is 7, which was not in the y that fit saw; the known labels are"):
            svm.loss_augmented_predict(X, replaced(Y, 1, with_entry(Y[1], (1, 3), 7)))
    else:
        with refused("in X_val and y_val: y_true[0] holds strings but y_pred[0] holds integers"):
            GridSVM().fit(X, Y, X_val=X, y_val=strange)
    with refused(f"y[0][0, 0] is {stranger!r}, which was not in the y that fit saw; the known"):
        svm.loss_augmented_predict(X, strange)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([np.ones((3, 4))], "X has 3 examples, but the loss has weights for 1"),
        (
            replaced(Y, 1, np.ones((5, 2))),
            "weight of the loss at y[1] has shape (5, 2), expected (2",
        ),
        (
            replaced(Y, 1, with_entry(Y[1], (1, 0), -1)),
            "at y[1][1, 0] is -1.0, expected a finite nu",
        ),
        (
            replaced(Y, 2, np.full((4, 4), np.nan)),
            "the loss at y[2][0, 0] is nan, expected a finite",
        ),
        (
            replaced(Y, 2, np.full((4, 4), np.inf)),
            "the loss at y[2][0, 0] is inf, expected a finite",
        ),
        (
            replaced(Y, 0, np.full((3, 4), "a")),
            "the weight of the loss at y[0] is no array of real",
        ),
        (
            replaced(Y, 0, [[1], [1, 2]]),
            "the weight of the loss at y[0] is no array of real numbers",
        ),
        (
            replaced(Y, 0, np.ma.masked_equal(Y[0], 0)),
            "at y[0] has masked entries; fill them, with",
        ),
        (1.0, "the weight of the loss is a float; expected a list with one item for each example"),
    ],
)
def test_bad_pixel_weights(weight, message):
    with refused(message):
        GridSVM().fit(X, Y, pixel_weight=weight)


def test_node_weights_need_labels():
    model = GridModel()
    model.initialize(X, Y)
    with refused("node_weight weighs the loss, which needs y: bind the model to y"):
        model.bind(X, node_weight=[np.ones(shape) for shape in SHAPES])


BAD_GRAPHS = {
    "NaN": (([[0.0, np.nan]], [], []), "X[1]: features[0, 1] is nan; features must be finite"),
    "no nodes": ((np.zeros((0, 2)), [], []), "X[1]: features has no rows: a graph needs at least"),
    "an edge out": (([[0.0, 1.0]], [[0, 1]], [[1.0]]), "X[1]: edges[0, 1] is 1, expected a node"),
    "a loop": ((GRAPHS[1][0], [[1, 1]], [[1.0]]), "X[1]: edges[0] joins node 1 to itself"),
    "float edges": ((GRAPHS[1][0], [[0.0, 1.0]], [[1.0]]), "X[1]: edges has dtype float64, expec"),
    "twice": ((GRAPHS[1][0], [[0, 1], [1, 0]], [[1.0], [1.0]]), "X[1]: edges[0] and edges[1] both"),
    "features": ((np.zeros((3, 3)), EDGES, np.ones((2, 1))), "X[1] has 3 features, expected 2"),
    "edge features": ((GRAPHS[1][0], EDGES, np.ones((2, 2))), "X[1] has 2 edge features, expecte"),
    "no edge features": (GRAPHS[1][:2], "X[1] has 0 edge features, expected 1"),
    "too few": ((GRAPHS[1][0], EDGES, [[1.0]]), "X[1]: edge_features has 1 rows, expected 2 as ed"),
    "inf": ((GRAPHS[1][0], EDGES, [[1.0], [np.inf]]), "X[1]: edge_features[1, 0] is inf"),
    "negative": ((GRAPHS[1][0], EDGES, [[1], [-1]]), "X[1]: edge_features[1, 0] is -1.0; with pa"),
    "an array": (np.zeros((3, 2)), "X[1]: expected "),
    "None": (None, "X[1]: expected "),
}


@pytest.mark.parametrize("case", BAD_GRAPHS)
def test_bad_graphs(case):
    item, message = BAD_GRAPHS[case]
    bad = replaced(GRAPHS, 1, item)
    fitted = GraphSVM().fit(GRAPHS, NODES)
    with refused(message):
        GraphSVM().fit(bad, NODES)
    with refused(message):
        fitted.predict(bad)


def test_bad_labels_of_nodes():
    with refused("y[2] has shape (2,), expected (3,) as X[2] has"):
        GraphSVM().fit(GRAPHS, replaced(NODES, 2, [0, 1]))
    with refused("y[2] has dtype float64; labels must be integers, booleans or strings"):
        GraphSVM().fit(GRAPHS, replaced(NODES, 2, [0.0, 1.0, 0.5]))
    with refused("the weight of the loss at y[0][1] is -1.0, expected a finite number >= 0"):
        GraphSVM().fit(GRAPHS, NODES, node_weight=[[1, -1, 1], [1] * 3, [1] * 3])
    with refused("X is a dict; expected a list"):
        GraphSVM().fit({0: GRAPHS[0]}, NODES)


def test_not_fitted():
    for svm, name in ((GridSVM(), "GridSVM"), (GraphSVM(), "GraphSVM")):
        for method in (svm.predict, svm.decision_function):
            with pytest.raises(NotFittedError, match=f"This {name} instance is not fitted yet"):
                method(X)
        for method in (svm.score, svm.loss_augmented_predict):
            with pytest.raises(NotFittedError, match=f"This {name} instance is not fitted yet"):
                method(X, Y)
        for attribute in ("classes_", "node_coef_", "edge_coef_", "intercept_", "n_features_in_"):
            assert not hasattr(svm, attribute)
        with pytest.raises(NotFittedError):
            svm.save("nowhere")


def test_nothing_to_predict_is_nothing():
    svm = GridSVM().fit(X, Y)
    assert svm.predict([]) == []
    assert svm.decision_function([]).shape == (0,)
    graphs = GraphSVM().fit(GRAPHS, NODES)
    assert graphs.predict([]) == []


def test_no_weights_to_learn():
    with refused("0 features, 0 edge features and 2 labels make 0 weights, expected 1 to"):
        GridSVM(contrast=False, edge_intercept=False, fit_intercept=False).fit(
            [x[:, :, :0] for x in X], Y
        )


# ---- numbers near the ends of what a double holds

SCALES = (1e-300, 1e-160, 1e-30, 1e30, 1e150, 1e160, 1e300)
OVERFLOWS = (
    "squared differences of features overflow",
    "inner products of planes overflow",
    *(f"X[{i}] has scores that add up to no finite number" for i in range(3)),
)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_extreme_features_give_finite_weights_or_a_sentence(solver, n_labels):
    y = [(labels + np.indices(labels.shape)[0]) % n_labels for labels in Y]
    for scale, contrast, pairwise in itertools.product(SCALES, (True, False), ("potts", "table")):
        svm = GridSVM(contrast=contrast, pairwise=pairwise, solver=solver, max_iter=5)
        try:
            svm.fit([scale * x for x in X], y)
        except ValueError as error:
            message = str(error)
        else:
            message = ""
            assert np.isfinite(svm.coef_).all()
            assert 0 <= svm.dual_gap_ <= 1
        assert not message or message.startswith(OVERFLOWS)
        assert not message or scale not in (1e-300, 1e-30, 1e30)


@pytest.mark.parametrize("pairwise", ["potts", "table"])
@pytest.mark.parametrize("n_labels", [1, 2, 3])
@pytest.mark.parametrize("value", [1e308, 1.7e308])
def test_scores_whose_sums_overflow_are_refused(pairwise, n_labels, value):
    """Each score is a number, but flows, which are sums of them, would be none."""
    labels = [np.array([*range(n_labels), 0, 0])]
    model = GraphModel("hamming", pairwise=pairwise)
    graph = [(np.ones((n_labels + 2, 1)), [[0, 1], [1, 2]])]
    model.initialize(graph, labels)
    for sign in itertools.product((1.0, 0.0, -1.0), repeat=2):
        w = np.zeros(model.n_weights)
        w[0], w[n_labels - 1] = value * np.array(sign)
        w[-1] = value
        with refused("X[0] has scores that add up to no finite number: features or weights are t"):
            model.batch_inference(graph, w)


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_pixels_out_of_all_proportion_at_prediction(pairwise):
    svm = GridSVM(pairwise=pairwise, tol=0.1).fit(X, Y)
    for scale in (1e100, 1e200):
        assert svm.predict([scale * x for x in X])[0].shape == (3, 4)
    with refused("X[0] has scores that add up to no finite number"):
        svm.predict([np.full((3, 4, 2), 1.7e308)])


MASK = np.add.outer(np.arange(9), np.arange(8)) % 2


def mask_of(*values):
    """A mask with all these labels."""
    return np.resize(np.array(values), (9, 8))


@pytest.mark.parametrize(
    ("mask", "parameters", "message"),
    [
        (0 * MASK, {}, "all labels in y are 0: there is nothing to tell apart"),
        (MASK > 2, {}, "all labels in y are 0: there is nothing to tell apart"),
        (mask_of(0, 255), {"ignore_label": 0}, "all labels in y are 255: there is nothing"),
        (
            mask_of(0, 1, 2, 3, 252, 253, 254, 255),
            {},
            r"8 labels.*JPEG or resized\? Then take y > 127",
        ),
        (mask_of(*range(72)) * 255 // 71, {}, "72 labels.*JPEG or resized"),
        (mask_of(0, 1, 255), {}, "labels 0, 1, 255: is 255 void\\? Then give ignore_label=255"),
        (mask_of(0, 128, 255), {}, "labels 0, 128, 255: is 128 void\\? Then give ignore_label=128"),
    ],
)
@pytest.mark.parametrize("graphs", [False, True])
def test_odd_masks_are_told(mask, parameters, message, graphs):
    x = np.zeros((9, 8, 2))
    x[..., 0] = mask
    if graphs:
        X, y = [(x.reshape(-1, 2) / 255, [[0, 1]])], [mask.ravel()]
        svm = GraphSVM(max_iter=200, tol=0.5, **parameters)
    else:
        X, y = [x / 255], [mask]
        svm = GridSVM(max_iter=200, tol=0.5, **parameters)
    with pytest.warns(UserWarning, match=message):
        svm.fit(X, y)


@pytest.mark.parametrize(
    ("values", "parameters"),
    [
        ((0, 1), {}),
        ((0, 255), {}),
        ((-1, 1), {}),
        (range(12), {"ignore_label": 11}),
        (range(12), {}),
        ((0, 1, 255), {"ignore_label": 255}),
        ((0, 128, 255), {"ignore_label": 128}),
        ((3, 50, 90), {}),
    ],
)
def test_good_masks_pass_in_silence(values, parameters):
    mask = mask_of(*values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GridSVM(tol=0.9, **parameters).fit([mask[..., None] / 255], [mask])


def test_masks_of_another_shape_say_what_they_are():
    x = np.zeros((9, 8, 1))
    with pytest.raises(ValueError, match="labels are one number a pixel, not a colour"):
        GridSVM().fit([x], [np.stack([MASK] * 4, axis=-1)])
    with pytest.raises(ValueError, match=r"y\[0\] has shape \(8, 9\).*: it is transposed"):
        GridSVM().fit([x], [MASK.T])
    with pytest.raises(ValueError, match="a single output goes into a list of one"):
        GridSVM().fit([x], MASK)
    with pytest.raises(ValueError, match="a single image goes into a list of one"):
        GridSVM().fit(x, MASK)
