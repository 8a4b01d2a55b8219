"""GridModel: edges and edge features against values by hand, and against a graph of the same."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference.models import arrays_of, twin

from structsvm import GraphModel, GridModel
from structsvm.models.grid import grid_edges

STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


def edges_by_loops(shape, connectivity):
    """((row, column), (row, column)) of all edges, direction after direction."""
    height, width = shape
    edges = []
    for down, right in STEPS[: connectivity // 2]:
        for row, column in itertools.product(range(height), range(width)):
            if row + down < height and 0 <= column + right < width:
                edges.append(((row, column), (row + down, column + right)))
    return edges


def image(seed=0, shape=(3, 4, 2)):
    return np.random.default_rng(seed).normal(size=shape)


def learnt_parts(model, X, y=None):
    y = [np.arange(x.shape[0] * x.shape[1]).reshape(x.shape[:2]) % 2 for x in X] if y is None else y
    model.initialize(X, y)
    return arrays_of(model, X)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 1), (2, 2), (2, 1), (3, 4)])
def test_edges_are_those_of_the_definition(shape, connectivity):
    wanted = [
        [a[0] * shape[1] + a[1], b[0] * shape[1] + b[1]]
        for a, b in edges_by_loops(shape, connectivity)
    ]
    edges = grid_edges(shape, connectivity)
    assert edges.tolist() == wanted
    assert edges.shape == (len(wanted), 2)
    assert edges.dtype == np.int32


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("channels", [None, [1], [0, 2]])
def test_contrast_is_that_of_the_definition(connectivity, channels):
    X = [image(0, (3, 4, 3)), image(1, (2, 5, 3)), image(2, (1, 1, 3))]
    model = GridModel(connectivity=connectivity, contrast=(0.5, 3.0), contrast_channels=channels)
    parts = learnt_parts(model, X)
    of_all, squares = [], []
    for x in X:
        used = x if channels is None else x[:, :, channels]
        squares.append([
            ((used[a] - used[b]) ** 2).sum()
            for a, b in edges_by_loops(x.shape[:2], connectivity)
        ])  # fmt: skip
        of_all += squares[-1]
    assert model.beta_ == pytest.approx(1 / (2 * np.mean(of_all)))
    for x, part, of_image in zip(X, parts, squares, strict=True):
        edges = edges_by_loops(x.shape[:2], connectivity)
        distances = [np.hypot(b[0] - a[0], b[1] - a[1]) for a, b in edges]
        wanted = [
            [np.exp(-factor * model.beta_ * square) / distance for factor in (0.5, 3.0)]
            for square, distance in zip(of_image, distances, strict=True)
        ]
        np.testing.assert_allclose(part.pairs, np.array(wanted).reshape(-1, 2))


def test_own_features_and_directions_have_their_columns():
    x, own = image(), np.arange(2 * 3 * 4 * 2.0).reshape(2, 3, 4, 2)
    own[0, :, -1] = own[1, -1] = np.nan  # edges that leave the image
    y = [np.indices((3, 4))[1] % 2]
    (plain,) = learnt_parts(GridModel(contrast=False), [(x, own)], y)
    edges = edges_by_loops((3, 4), 4)
    wanted = [own[int(a[0] != b[0])][a] for a, b in edges]
    assert plain.pairs.tolist() == np.array(wanted).tolist()

    model = GridModel(directions=True)
    (part,) = learnt_parts(model, [(x, own)], y)
    (contrast,) = learnt_parts(GridModel(), [x], y)
    assert part.pairs.shape == (17, 2 * (1 + 2 + 1))
    right, down = part.pairs[:9], part.pairs[9:]
    assert not right[:, 4:].any()
    assert not down[:, :4].any()
    kinds = np.concatenate([right[:, :4], down[:, 4:]])
    np.testing.assert_array_equal(kinds[:, 0], contrast.pairs[:, 0])
    assert kinds[:, 1:3].tolist() == np.array(wanted).tolist()
    assert (kinds[:, 3] == 1).all()
    # No further constant behind those of the directions.
    assert model.n_weights == 2 * 3 + 8
    without = GridModel(directions=True, edge_intercept=False, contrast=False)
    (part,) = learnt_parts(without, [(x, own)], y)
    assert part.pairs.shape == (17, 4)


def test_constant_images_and_pixels_alone_have_contrast():
    for x in (np.ones((3, 3, 2)), np.ones((1, 1, 2)), np.ones((3, 3, 0))):
        model = GridModel()
        (part,) = learnt_parts(model, [x], [np.zeros(x.shape[:2], int)])
        assert model.beta_ == 0
        assert (part.pairs[:] == 1).all()


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e150])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_contrast_does_not_depend_on_the_unit_of_the_features(scale, dtype):
    x = image()
    (want,) = learnt_parts(GridModel(connectivity=8), [x])
    scaled = (x * scale).astype(dtype) if 1e-30 <= scale <= 1e30 else x * scale
    if scale == 1e-200:  # squares are below what a double can hold
        (got,) = learnt_parts(GridModel(connectivity=8), [scaled])
        assert np.isfinite(got.pairs).all()
    else:
        (got,) = learnt_parts(GridModel(connectivity=8), [scaled])
        np.testing.assert_allclose(got.pairs, want.pairs, rtol=1e-4)


def test_differences_too_large_for_a_number_are_borders():
    X = [image()]
    model = GridModel()
    learnt_parts(model, X)
    for value, dtype in ((1e200, np.float64), (1e30, np.float32), (1e308, np.float64)):
        x = np.zeros((1, 3, 2), dtype=dtype)
        x[0, 1] = value
        x[0, 2] = -value
        (part,) = arrays_of(model, [x])
        assert part.pairs[:].tolist() == [[0.0], [0.0]]
    constant = GridModel()
    learnt_parts(constant, [np.ones((3, 4, 2))])
    (part,) = arrays_of(constant, [x])
    assert part.pairs[:].tolist() == [[1.0], [1.0]]


def test_edge_features_are_as_precise_as_what_they_are_made_of():
    x = image().astype(np.float32)
    y = [np.indices((3, 4))[1] % 2]
    (part,) = learnt_parts(GridModel(), [x], y)
    assert part.nodes.dtype == part.pairs.dtype == np.float32
    own = np.full((2, 3, 4, 1), 1e300)
    (part,) = learnt_parts(GridModel(contrast=False), [(x, own)], y)
    assert (part.pairs == 1e300).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3)),
    st.sampled_from([4, 8]),
    st.sampled_from(["potts", "table"]),
    st.integers(1, 3),
    st.booleans(),
)
def test_oracles_are_those_of_a_graph_with_the_same_edges(
    seed, shape, connectivity, pairwise, n_labels, directions
):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=shape), rng.normal(size=(2, 3, shape[2]))]
    y = [rng.integers(n_labels, size=x.shape[:2]) for x in X]
    y[1].flat[:n_labels] = range(n_labels)
    settings = {"pairwise": pairwise, "edge_intercept": not directions}
    grid = GridModel(connectivity=connectivity, directions=directions, **settings)
    grid.initialize(X, y)
    graphs = [(part.nodes, part.edges, part.pairs) for part in arrays_of(grid, X)]
    flat = [labels.ravel() for labels in y]
    graph = GraphModel(**settings)
    graph.initialize(graphs, flat)
    assert graph.n_weights == grid.n_weights
    w = rng.normal(size=grid.n_weights)
    if grid.non_negative is not None:
        w[grid.non_negative] = np.abs(w[grid.non_negative])
    ours, theirs = grid.bind(X, y), graph.bind(graphs, flat)
    for i in range(2):
        for a, b in zip(ours.oracle(i, w), theirs.oracle(i, w), strict=True):
            np.testing.assert_array_equal(a, b)
        psi = grid.joint_feature(X[i], y[i])
        np.testing.assert_allclose(psi, graph.joint_feature(graphs[i], flat[i]))
        assert grid.inference(X[i], w).shape == y[i].shape


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 20),
    st.integers(0, 3),
    st.sampled_from([4, 8]),
    st.sampled_from(["potts", "table"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([np.float32, np.float64]),
    st.data(),
)
def test_planes_of_any_number_of_labels_and_features(
    shape, n_labels, n_features, connectivity, pairwise, intercept, own, dtype, data
):
    """Rows of 1 to 400 numbers, written in groups of eight; few pixels for many labels."""
    elements = st.sampled_from([0.0, 1.0, -1.0, 0.5, 100.0])
    x = data.draw(arrays(dtype, (*shape, n_features), elements=elements))
    labels = data.draw(arrays(np.int64, shape, elements=st.integers(0, n_labels - 1)))
    first = (np.zeros((1, n_labels, n_features), dtype), np.arange(n_labels)[None])
    X, y = [first[0], x], [first[1], labels]
    if own:
        half = connectivity // 2
        X = [(item, np.ones((half, *item.shape[:2], 3), dtype)) for item in X]
    model = GridModel(
        connectivity=connectivity,
        contrast=False,
        pairwise=pairwise,
        fit_intercept=intercept,
        inference_method="auto" if pairwise == "potts" else "expansion",
        edge_intercept=True,
    )
    model.initialize(X, y)
    problem = model.bind(X, y)
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    w = np.abs(rng.normal(size=model.n_weights))
    for i in range(2):
        indices, values, loss = problem.oracle(i, w)
        delta = np.zeros(model.n_weights)
        delta[indices] = values
        (guess,) = model.batch_loss_augmented_inference([X[i]], [y[i]], w)
        wanted = model.joint_feature(X[i], y[i]) - model.joint_feature(X[i], guess)
        np.testing.assert_allclose(delta, wanted, atol=1e-9)
        assert loss == pytest.approx(model.loss(y[i], guess))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_labels", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("n_features", [0, 1, 7, 8, 9, 63, 64, 65, 150])
def test_scores_of_any_number_of_features(n_features, n_labels, dtype):
    """Features are summed in groups of eight, and in pieces of 64 where labels are few."""
    rng = np.random.default_rng(n_features)
    x = rng.normal(size=(2, 5, n_features)).astype(dtype)
    own = rng.random(size=(4, 2, 5, n_features)).astype(dtype)
    y = [np.arange(10).reshape(2, 5) % n_labels]
    for pairwise, intercept in itertools.product(("potts", "table"), (True, False)):
        if not intercept and not n_features:
            continue
        model = GridModel(
            connectivity=8,
            contrast=False,
            pairwise=pairwise,
            fit_intercept=intercept,
            edge_intercept=intercept,
        )
        model.initialize([(x, own)], y)
        w = rng.random(size=model.n_weights) / (n_features + 1)
        (labels,) = model.batch_inference([(x, own)], w)
        (score,) = model.batch_best_score([(x, own)], w)
        assert score == pytest.approx(w @ model.joint_feature((x, own), labels), rel=1e-12)
        (part,) = arrays_of(model, [(x, own)])
        unary, _ = twin(model)._scores(part, w)
        np.testing.assert_array_less(unary.max(axis=1).sum() - 1e-9, score)
        if n_labels == 2 and pairwise == "potts":
            assert labels.tolist() == twin(model).inference((x, own), w).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighting", ["loss", "hinge"])
def test_contrasts_are_computed_as_if_they_were_stored(dtype, weighting):
    rng = np.random.default_rng(0)
    X = [image(k, (5, 4, 3)).astype(dtype) for k in range(2)]
    X.append(image(3, (1, 1, 3)).astype(dtype))
    y = [rng.integers(0, 2, size=x.shape[:2]) for x in X]
    settings = {"connectivity": 8, "contrast": (0.3, 1.0, 40.0), "weighting": weighting}
    model = GridModel(class_weight={0: 1.0, 1: 3.0}, **settings)
    model.initialize(X, y)
    packed, labels = model.prepare_examples(X, y)
    problem, graphs = model.make_problem(packed, labels), model.graphs(packed)
    assert all(graph.pairs.dtype == dtype for graph in graphs)
    w = rng.normal(size=model.n_weights)
    of_edges = w[model.layout_.place("edge", "edge_intercept")]
    scores = np.split(problem.part_scores(w), np.cumsum(problem.maximizer.n_parts)[:-1])
    for i, (graph, theta, truth) in enumerate(zip(graphs, scores, y, strict=True)):
        rows = np.column_stack([graph.pairs[:], np.ones(len(graph.edges))]) / truth.size
        if weighting == "hinge":
            rows *= np.where(truth, 3.0, 1.0).ravel()[graph.edges].mean(axis=1, keepdims=True)
        n_nodes = 2 * truth.size
        np.testing.assert_allclose(theta[n_nodes:], rows @ of_edges, rtol=1e-12, atol=1e-15)
        answer = rng.integers(0, 2, size=truth.size).astype(np.int32)
        alike = answer[graph.edges[:, 0]] == answer[graph.edges[:, 1]]
        psi = np.zeros(model.n_weights)
        indices, values = problem.joint_feature(i, answer)
        psi[indices] = values
        place = model.layout_.place("edge", "edge_intercept")
        np.testing.assert_allclose(psi[place], rows[alike].sum(axis=0), rtol=1e-12, atol=1e-15)


@given(
    st.sampled_from([np.int8, np.int16, np.int32, np.int64]), st.data(), st.integers(0, 2**32 - 1)
)
@settings(max_examples=40, deadline=None)
def test_integer_labels_have_their_numbers(dtype, data, seed):
    limits = np.iinfo(dtype)
    lowest = data.draw(st.integers(limits.min, limits.max - 9))
    highest = data.draw(st.sampled_from([lowest + 9, limits.max]))
    rng = np.random.default_rng(seed)
    y = rng.integers(lowest, highest, size=(2, 5), endpoint=True, dtype=dtype)
    model = GridModel(contrast=False)
    model.initialize([np.zeros((2, 5, 1))], [y])
    assert np.array_equal(model.classes_, np.unique(y))
    _, labels = model.prepare_examples([np.zeros((2, 5, 1))], [y])
    assert np.array_equal(model.classes_[model.class_numbers(labels)], y.ravel())
