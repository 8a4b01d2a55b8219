"""Cuts of grids against enumeration, against other algorithms, and against bad input."""

import functools

import joblib
import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.graphs import as_matrix, assert_proven, binary_labellings, sizes_apart
from scipy.sparse.csgraph import maximum_flow

from structsvm.inference import GridCut, graph_cut, grid_cut, grid_cut_many
from structsvm.inference._grid_cut import directed_labels

# Written down again: the order of directions is part of the interface.
DIRECTIONS = {
    4: [(0, 1), (1, 0)],
    8: [(0, 1), (1, 0), (1, 1), (1, -1)],
    6: [(0, 0, 1), (0, 1, 0), (1, 0, 0)],
    26: [
        (0, 0, 1),
        (0, 1, 0),
        (1, 0, 0),
        (0, 1, 1),
        (0, 1, -1),
        (1, 0, 1),
        (1, 0, -1),
        (1, 1, 0),
        (1, -1, 0),
        (1, 1, 1),
        (1, 1, -1),
        (1, -1, 1),
        (1, -1, -1),
    ],
}
CONNECTIVITIES = list(DIRECTIONS)


@functools.cache
def edge_list(shape, connectivity):
    """Edges between flat pixel numbers, and where the scores of the edges stand."""
    edges, places = [], []
    pixels = np.indices(shape).reshape(len(shape), -1)
    size = np.reshape(shape, (-1, 1))
    for k, direction in enumerate(DIRECTIONS[connectivity]):
        others = pixels + np.reshape(direction, (-1, 1))
        inside = ((others >= 0) & (others < size)).all(axis=0)
        ends = (np.ravel_multi_index(p[:, inside], shape) for p in (pixels, others))
        edges.append(np.stack(list(ends), axis=1))
        places.append(np.insert(pixels[:, inside], 0, k, axis=0))
    return np.concatenate(edges), tuple(np.concatenate(places, axis=1))


def as_graph(unary, pairwise, connectivity):
    edges, places = edge_list(unary.shape, connectivity)
    return unary.reshape(-1), edges, pairwise[places]


def fewest_ones(labels, scores):
    best = labels[scores == scores.max()]
    ones = best.sum(axis=1)
    assert (ones == ones.min()).sum() == 1
    return best[ones.argmin()]


def brute_force(unary, pairwise, connectivity):
    u, edges, p = as_graph(unary, pairwise, connectivity)
    labels = binary_labellings(len(u))
    agree = labels[:, edges[:, 0]] == labels[:, edges[:, 1]]
    return fewest_ones(labels, labels @ u + agree @ p).reshape(unary.shape)


def random_grid(shape, connectivity, seed=0, whole=False):
    rng = np.random.default_rng(seed)
    unary = 2 * rng.normal(size=shape)
    pairwise = rng.exponential(size=(len(DIRECTIONS[connectivity]), *shape))
    return (np.round(4 * unary), np.round(4 * pairwise)) if whole else (unary, pairwise)


@st.composite
def shapes(draw, most_pixels=12):
    """A connectivity, and a shape that fits it."""
    connectivity = draw(st.sampled_from(CONNECTIVITIES))
    shape, room = [], most_pixels
    for _ in range(len(DIRECTIONS[connectivity][0])):
        shape.append(draw(st.integers(1, room)))
        room //= shape[-1]
    return connectivity, tuple(draw(st.permutations(shape)))


@st.composite
def grids(draw, most_pixels=12):
    """Whole scores, so that ties are ties."""
    connectivity, shape = draw(shapes(most_pixels))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width = draw(st.integers(1, 6))
    unary = rng.integers(-width, width + 1, size=shape).astype(float)
    pairwise = rng.integers(
        0, draw(st.integers(1, 5)), size=(len(DIRECTIONS[connectivity]), *shape)
    )
    return unary, pairwise.astype(float), connectivity


@given(grids())
@settings(max_examples=300, deadline=None)
def test_best_labels_with_fewest_ones(grid):
    labels, certificate = grid_cut(*grid, return_certificate=True)
    assert labels.dtype == np.uint8
    assert labels.tolist() == brute_force(*grid).tolist()
    assert certificate.gap == 0
    u, edges, p = as_graph(*grid)
    y = labels.reshape(-1)
    score = u @ y + p @ (y[edges[:, 0]] == y[edges[:, 1]])
    assert np.maximum(u, 0).sum() + p.sum() - certificate.energy == score


@given(grids(9), st.integers(0, 2**32))
@settings(deadline=None)
def test_forced_labels(grid, seed):
    unary, pairwise, connectivity = grid
    forced = np.random.default_rng(seed).choice([0.0, 0.0, np.inf, -np.inf], size=unary.shape)
    labels, certificate = grid_cut(unary + forced, pairwise, connectivity, return_certificate=True)
    # Scores of 1e6 force labels here, too.
    finite = np.where(forced == 0, unary, np.sign(forced) * 1e6)
    assert labels.tolist() == brute_force(finite, pairwise, connectivity).tolist()
    assert ((labels == 1) == (forced > 0))[forced != 0].all()
    assert certificate.gap == 0


@given(grids(8), st.sampled_from([2.0**-1000, 2.0**-30, 2.0**30, 2.0**900]))
@settings(deadline=None)
def test_huge_and_tiny_scores(grid, factor):
    unary, pairwise, connectivity = grid
    labels, certificate = grid_cut(
        unary * factor, pairwise * factor, connectivity, return_certificate=True
    )
    assert labels.tolist() == grid_cut(*grid).tolist()
    assert certificate.gap == 0


@pytest.mark.parametrize("factor", [1e-9, 1e9, 1e-300, 1e290])
@pytest.mark.parametrize(("shape", "connectivity"), [((90, 70), 8), ((9, 20, 18), 6)])
def test_scaled_scores(shape, connectivity, factor):
    unary, pairwise = random_grid(shape, connectivity)
    labels, certificate = grid_cut(
        unary * factor, pairwise * factor, connectivity, return_certificate=True
    )
    assert labels.tolist() == grid_cut(unary, pairwise, connectivity).tolist()
    assert certificate.gap <= 1e-9


@given(shapes(), st.integers(0, 2**32 - 1), st.integers(1, 14))
@settings(max_examples=200, deadline=None)
def test_scores_of_very_different_size(case, seed, decades):
    connectivity, shape = case
    rng = np.random.default_rng(seed)
    unary = rng.normal(size=shape) * 10.0 ** rng.integers(-decades, decades, size=shape)
    pairwise = rng.random((len(DIRECTIONS[connectivity]), *shape))
    pairwise *= 10.0 ** rng.integers(-decades, decades, size=pairwise.shape)
    _, certificate = grid_cut(unary, pairwise, connectivity, return_certificate=True)
    u, edges, p = as_graph(unary, pairwise, connectivity)
    _, other = graph_cut(u, edges, p, return_certificate=True)
    rounding = 1e-13 * (np.abs(u).sum() + p.sum())
    assert abs(certificate.energy - certificate.flow) <= rounding
    assert abs(certificate.energy - other.energy) <= rounding


# Larger than one and than several of the boxes that are solved first.
LARGE = [((70, 130), 4), ((1, 300), 4), ((280, 3), 8), ((67, 129), 8), ((20, 9, 35), 6)]
LARGE += [((3, 1100), 8), ((35, 5, 40), 26), ((34, 4, 3), 6), ((260, 262), 4)]


@pytest.mark.parametrize(("shape", "connectivity"), LARGE)
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 4.0])
def test_equals_the_cut_of_a_general_graph(shape, connectivity, strength):
    unary, pairwise = random_grid(shape, connectivity, seed=len(shape), whole=True)
    pairwise = np.round(strength * pairwise)
    labels, certificate = grid_cut(unary, pairwise, connectivity, return_certificate=True)
    expected, other = graph_cut(*as_graph(unary, pairwise, connectivity), return_certificate=True)
    assert certificate.flow == certificate.energy == other.energy
    assert labels.reshape(-1).tolist() == expected.tolist()


def as_network(unary, pairwise, connectivity):
    """Capacities between source n, sink n + 1 and pixels."""
    u, edges, p = as_graph(unary, pairwise, connectivity)
    n = len(u)
    rows = np.concatenate([edges[:, 0], edges[:, 1], np.full(n, n), np.arange(n)])
    columns = np.concatenate([edges[:, 1], edges[:, 0], np.arange(n), np.full(n, n + 1)])
    capacities = np.concatenate([p, p, np.maximum(u, 0), np.maximum(-u, 0)])
    return as_matrix(capacities, rows, columns, n + 2)


@pytest.mark.parametrize(("shape", "connectivity"), [*LARGE[:-1], ((1, 1), 4), ((2, 2, 2), 26)])
def test_flow_of_scipy(shape, connectivity):
    grid = (*random_grid(shape, connectivity, seed=3, whole=True), connectivity)
    _, certificate = grid_cut(*grid, return_certificate=True)
    n = int(np.prod(shape))
    network = as_network(*grid).astype(np.int32)
    assert certificate.flow == maximum_flow(network, n, n + 1).flow_value


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
def test_flow_of_networkx(connectivity):
    shape = (6, 7) if connectivity in (4, 8) else (3, 4, 3)
    grid = (*random_grid(shape, connectivity), connectivity)
    network = networkx.from_scipy_sparse_array(
        as_network(*grid), create_using=networkx.DiGraph, edge_attribute="capacity"
    )
    n = int(np.prod(shape))
    _, certificate = grid_cut(*grid, return_certificate=True)
    assert certificate.energy == pytest.approx(
        networkx.maximum_flow_value(network, n, n + 1), rel=1e-12
    )
    assert certificate.gap <= 1e-9


@given(grids(), st.data())
@settings(max_examples=150, deadline=None)
def test_warm_solves_equal_cold_ones(grid, data):
    unary, pairwise, connectivity = grid
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    cut = GridCut(unary.shape, connectivity)
    for _ in range(5):
        change = data.draw(st.sampled_from(["unary", "pairwise", "both", "numbers", "scale"]))
        if change in ("unary", "both"):
            unary = np.where(
                rng.random(unary.shape) < 0.4, rng.integers(-9, 10, unary.shape), unary
            )
        if change in ("pairwise", "both"):
            new = rng.integers(0, 6, pairwise.shape)
            pairwise = np.where(rng.random(pairwise.shape) < 0.4, new, pairwise)
        given_pairwise = pairwise
        if change == "numbers":
            given_pairwise = rng.integers(0, 5, len(pairwise)).astype(float)
            pairwise = np.broadcast_to(
                given_pairwise.reshape(-1, *[1] * unary.ndim), pairwise.shape
            ).copy()
        cut.set_scores(unary, given_pairwise, keep_flow=data.draw(st.booleans()))
        if change == "scale":
            factor = data.draw(st.sampled_from([0.25, 2.0]))
            if data.draw(st.booleans()):
                cut.solve()
            cut.scale(factor)
            unary, pairwise = unary * factor, pairwise * factor
        cold, certificate = grid_cut(unary, pairwise, connectivity, return_certificate=True)
        assert cut.solve().tolist() == cold.tolist()
        assert cut.certificate().energy == certificate.energy
        assert cut.certificate().gap == 0


@pytest.mark.parametrize(("shape", "connectivity"), [((100, 80), 4), ((70, 70), 8), ((20,) * 3, 6)])
def test_many_warm_solves_stay_exact(shape, connectivity):
    unary, pairwise = random_grid(shape, connectivity)
    rng = np.random.default_rng(1)
    cut = GridCut(shape, connectivity)
    for _ in range(40):
        unary = unary + 0.3 * rng.normal(size=shape) * (rng.random(shape) < 0.1)
        pairwise = pairwise * rng.uniform(0.95, 1.05, size=pairwise.shape)
        cut.set_scores(unary, pairwise)
        labels = cut.solve()
        cold, certificate = grid_cut(unary, pairwise, connectivity, return_certificate=True)
        assert labels.tolist() == cold.tolist()
        assert cut.certificate().energy == pytest.approx(certificate.energy, rel=1e-12)
        assert cut.certificate().gap <= 1e-9
        cut.scale(1.7)
        unary, pairwise = unary * 1.7, pairwise * 1.7
        assert cut.solve().tolist() == cold.tolist()
        assert cut.certificate().gap <= 1e-9


@given(shapes(6), st.data())
@settings(max_examples=150, deadline=None)
def test_the_proof_holds_at_any_scale(case, data):
    connectivity, shape = case
    n, directions = int(np.prod(shape)), len(DIRECTIONS[connectivity])
    cut = GridCut(shape, connectivity)
    for _ in range(3):  # also when a flow of quite other scores is kept
        unary = data.draw(sizes_apart(n, signed=True)).reshape(shape)
        pairwise = data.draw(sizes_apart(n * directions, signed=False))
        pairwise = pairwise.reshape(directions, *shape)
        cut.set_scores(unary, pairwise)
        labels = cut.solve().ravel()
        certificate = cut.certificate()
        graph = as_graph(unary, pairwise, connectivity)
        assert_proven(certificate, [labels, cut.solve().ravel()], *graph)


@pytest.mark.parametrize("coupling", [1e12, 1e16, 1e100, 1e300, 1.7e308])
def test_huge_couplings_are_as_good_as_joined_pixels(coupling):
    unary = np.random.default_rng(0).normal(size=(8, 8))
    labels, certificate = grid_cut(unary, coupling, return_certificate=True)
    assert (labels == (unary.sum() > 0)).all()
    least = min(unary[unary > 0].sum(), -unary[unary < 0].sum())
    assert certificate.energy == pytest.approx(least, rel=1e-12)
    assert certificate.gap <= 1e-12
    cut = GridCut((8, 8))
    cut.set_scores(unary, coupling)
    cut.set_scores(-unary)
    assert (cut.solve() == (unary.sum() <= 0)).all()
    assert cut.certificate().gap <= 1e-12


def test_warm_solves_of_shrinking_scores():
    unary, pairwise = random_grid((30, 30), 4)
    cut = GridCut((30, 30), 4)
    for factor in (1e12, 1e3, 1e-9, 1e-200, 1e100, 1e290, 1e-300):
        cut.set_scores(unary * factor, pairwise * factor)
        assert cut.solve().tolist() == grid_cut(unary, pairwise).tolist()
        assert cut.certificate().gap <= 1e-9
    cut.scale(1e-7)  # smallest numbers lose their digits
    assert cut.certificate().gap <= 1e-9
    cut.set_scores(unary, pairwise)
    cut.scale(1e-200)
    cut.scale(1e250)
    assert cut.solve().tolist() == grid_cut(unary, pairwise).tolist()
    assert cut.certificate().gap <= 1e-9


def test_differences_of_the_largest_scores():
    unary = np.array([[1.0, -0.2], [0.3, -0.7]]) * 1e308 / 2
    cut = GridCut((2, 2))
    for sign in (1, -1, 1):
        cut.set_scores(sign * unary, 1e305)
        assert cut.solve().tolist() == (sign * unary > 0).tolist()
        assert cut.certificate().gap <= 1e-9


@given(shapes(9), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_scores_that_differ_both_ways(case, seed):
    """For compiled callers; what alpha-expansion needs."""
    connectivity, shape = case
    rng = np.random.default_rng(seed)
    size = (len(DIRECTIONS[connectivity]), *shape)
    scores = []
    unary, forward, backward = np.zeros(shape), np.zeros(size), np.zeros(size)
    for _ in range(4):
        unary = np.where(rng.random(shape) < 0.6, rng.integers(-6, 7, shape), unary).astype(float)
        mask = rng.random(size) < 0.6
        forward = np.where(mask, rng.integers(0, 5, size), forward).astype(float)
        backward = np.where(mask, rng.integers(0, 5, size), backward).astype(float)
        scores.append((unary, forward, backward))
    labels = binary_labellings(unary.size)
    for found, (u, there, back) in zip(
        directed_labels(shape, connectivity, scores), scores, strict=True
    ):
        edges, places = edge_list(shape, connectivity)
        one, other = labels[:, edges[:, 0]], labels[:, edges[:, 1]]
        total = labels @ u.reshape(-1)
        total = total - (one & (1 - other)) @ there[places] - (other & (1 - one)) @ back[places]
        assert found.reshape(-1).tolist() == fewest_ones(labels, total).tolist()


def test_a_number_for_each_direction_or_for_all():
    for connectivity in CONNECTIVITIES:
        shape = (6, 5) if connectivity in (4, 8) else (4, 3, 5)
        unary, _ = random_grid(shape, connectivity)
        n = len(DIRECTIONS[connectivity])
        assert GridCut(shape, connectivity).directions.tolist() == [
            list(step) for step in DIRECTIONS[connectivity]
        ]
        numbers = np.linspace(0.1, 0.9, n)
        full = np.broadcast_to(numbers.reshape(-1, *[1] * len(shape)), (n, *shape))
        expected = grid_cut(unary, full, connectivity).tolist()
        assert grid_cut(unary, numbers, connectivity).tolist() == expected
        expected = grid_cut(unary, np.full(n, 0.4), connectivity).tolist()
        assert grid_cut(unary, 0.4, connectivity).tolist() == expected


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf, -5.0, 1e300])
def test_entries_whose_edge_leaves_the_image_are_ignored(connectivity, rubbish):
    shape = (5, 4) if connectivity in (4, 8) else (3, 4, 2)
    unary, pairwise = random_grid(shape, connectivity)
    expected, certificate = grid_cut(unary, pairwise, connectivity, return_certificate=True)
    inside = np.zeros(pairwise.shape, dtype=bool)
    inside[edge_list(shape, connectivity)[1]] = True
    pairwise = np.where(inside, pairwise, rubbish)
    labels, other = grid_cut(unary, pairwise, connectivity, return_certificate=True)
    assert labels.tolist() == expected.tolist()
    assert other == certificate
    cut = GridCut(shape, connectivity)
    cut.set_scores(unary, pairwise)
    cut.solve()
    cut.set_scores(unary + 0.1, 2 * pairwise)
    cut.scale(3.0)
    assert (
        cut.solve().tolist()
        == grid_cut(unary + 0.1, np.where(inside, 2 * pairwise, 0.0), connectivity).tolist()
    )
    assert cut.certificate().gap <= 1e-9


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (3, 0)])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_empty_images(shape, connectivity):
    labels, certificate = grid_cut(np.zeros(shape), 1.0, connectivity, return_certificate=True)
    assert labels.shape == shape
    assert (certificate.flow, certificate.gap) == (0.0, 0.0)
    n = len(DIRECTIONS[connectivity])
    assert grid_cut(np.zeros(shape), np.zeros((n, *shape)), connectivity).shape == shape


def test_empty_volume():
    assert grid_cut(np.zeros((2, 0, 3)), 1.0, 26).shape == (2, 0, 3)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_single_pixels_and_lines(connectivity):
    for score, label in ((1.0, 1), (0.0, 0), (-0.0, 0), (-1.0, 0)):
        assert grid_cut([[score]], 5.0, connectivity).tolist() == [[label]]
    line = np.array([3.0, -0.5, 0.75, -5.0, 1.0])
    expected = [1, 1, 1, 0, 0]
    assert grid_cut(line[None], 1.5, connectivity)[0].tolist() == expected
    assert grid_cut(line[:, None], 1.5, connectivity)[:, 0].tolist() == expected


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (1, 1, 4000), (1, 4000, 1), (4000, 1, 1)])
def test_lines_equal_the_cut_of_a_general_graph(shape):
    for connectivity in (4, 8) if len(shape) == 2 else (6, 26):
        for whole in (False, True):
            unary, pairwise = random_grid(shape, connectivity, whole=whole)
            for scores in (pairwise, pairwise.reshape(len(pairwise), -1)[:, 7]):
                full = scores if scores.ndim > 1 else scores.reshape(-1, *np.ones_like(shape))
                full = np.broadcast_to(full, pairwise.shape)
                labels = grid_cut(unary, scores, connectivity)
                expected = graph_cut(*as_graph(unary, full, connectivity)).reshape(shape)
                assert labels.tolist() == expected.tolist()
                proven, _ = grid_cut(unary, scores, connectivity, return_certificate=True)
                assert labels.tolist() == proven.tolist()


def test_no_scores_and_no_changes():
    cut = GridCut((3, 4), 8)
    assert not cut.solve().any()
    cut.set_scores(np.ones((3, 4)), 1.0)
    assert cut.solve().all()
    cut.set_scores()
    assert cut.solve().all()
    assert cut.solve().all()


def test_scores_given_are_copied():
    unary, pairwise = random_grid((6, 6), 4)
    mine, pairs = unary.copy(), pairwise.copy()
    cut = GridCut((6, 6))
    cut.set_scores(mine, pairs)
    cut.solve()
    mine[:], pairs[:] = -mine, 0.0
    assert cut.certificate().gap <= 1e-9
    cut.set_scores(mine, pairs)
    assert cut.solve().tolist() == (unary < 0).tolist()


def test_read_only_strided_and_whole_arrays():
    unary, pairwise = random_grid((7, 9), 8, whole=True)
    expected = grid_cut(unary, pairwise, 8).tolist()
    strided = np.repeat(unary, 2, axis=1)[:, ::2]
    strided.flags.writeable = False
    assert grid_cut(strided, np.asfortranarray(pairwise), 8).tolist() == expected
    assert grid_cut(unary.astype(np.int8), pairwise.astype(np.uint16), 8).tolist() == expected
    assert grid_cut(unary.tolist(), pairwise.astype(np.float32), 8).tolist() == expected


def test_several_images():
    cases = [random_grid(shape, 8) for shape in ((5, 6), (1, 9), (40, 30), (5, 6), (0, 3))]
    unaries, pairwises = zip(*cases, strict=True)
    expected = [grid_cut(unary, pairwise, 8).tolist() for unary, pairwise in cases]
    for n_jobs in (1, 2):
        labels = grid_cut_many(unaries, pairwises, 8, n_jobs=n_jobs)
        assert [one.tolist() for one in labels] == expected
    assert grid_cut_many([], []) == []


@pytest.mark.parametrize(
    ("shape", "connectivity", "most"),
    [((512, 512), 4, 60), ((512, 512), 8, 90), ((64,) * 3, 6, 80), ((32,) * 3, 26, 275)],
)
def test_memory(shape, connectivity, most):
    """Bytes a pixel, and the copy of the scores."""
    cut = GridCut(shape, connectivity)
    own = cut.nbytes
    assert 16 + 8 * connectivity < own / np.prod(shape) < most
    pairwise = np.ones(connectivity // 2)
    cut.set_scores(np.ones(shape), pairwise)
    assert cut.nbytes == own + 8 * np.prod(shape) + pairwise.nbytes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unary": [[0, np.nan, 0]]}, r"unary\[0, 1\] is nan; expected a number"),
        ({"unary": [[np.inf, 0, np.nan]]}, r"unary\[0, 2\] is nan; expected a number"),
        ({"unary": [0.0, 0.0]}, r"shape \(2,\) has 1 dimensions, expected 2 for connectivity=4"),
        ({"unary": [["a", "b"]]}, "unary has dtype <U1, expected real numbers"),
        ({"unary": [[1e308] * 3]}, "add up to more than a double can hold"),
        ({"pairwise": [[[0, -1.0, 0]], [[0] * 3]]}, r"pairwise\[0, 0, 1\] is -1.0, expected a sc"),
        ({"pairwise": [[[np.nan, 1, 0]], [[0] * 3]]}, r"pairwise\[0, 0, 0\] is nan"),
        ({"pairwise": [1.0, np.inf]}, r"pairwise\[1\] is inf"),
        ({"pairwise": -1.0}, r"pairwise\[0\] is -1.0"),
        (
            {"pairwise": [1.0, 1.0, 1.0]},
            r"pairwise has shape \(3,\), expected \(2, 1, 3\), \(2,\) or one number",
        ),
        ({"pairwise": [[1.0, 1.0, 1.0]]}, r"pairwise has shape \(1, 3\), expected \(2, 1, 3\)"),
        ({"connectivity": 5}, "connectivity=5: expected 4 or 8 for images, 6 or 26 for volumes"),
        ({"connectivity": True}, "connectivity=True: expected 4 or 8"),
        ({"connectivity": 6}, r"shape \(1, 3\) has 2 dimensions, expected 3 for connectivity=6"),
    ],
)
def test_errors(change, message):
    arguments = {"unary": [[0.0, 0.0, 0.0]], "pairwise": 1.0} | change
    with pytest.raises(ValueError, match=message):
        grid_cut(**arguments)


def test_errors_of_the_object():
    for shape in ((50_000, 50_000), (2**40, 1), (1, 2**62), (2**31, 2**31)):
        with pytest.raises(ValueError, match=r"2\*\*31 arcs or more"):
            GridCut(shape)
    for shape in ((-1, 3), (2.0, 3), ("2", 3)):
        with pytest.raises(ValueError, match="expected whole numbers >= 0"):
            GridCut(shape)
    with pytest.raises(ValueError, match=r"shape \(3,\) has 1 dimensions"):
        GridCut(3)
    with pytest.raises(ValueError, match=r"unary\[0, 2\] is -inf; the scores of a cut are finite"):
        GridCut((1, 3)).set_scores([[0, 0, -np.inf]])
    cut = GridCut((1, 2))
    for factor in (0, -1, np.inf, np.nan, "2"):
        with pytest.raises(ValueError, match="expected a finite number > 0"):
            cut.scale(factor)
    cut.set_scores([[1.0, 1e300]])
    with pytest.raises(ValueError, match="add up to more than a double can hold"):
        cut.scale(1e20)
    with pytest.raises(ValueError, match=r"unary has shape \(2, 1\), expected \(1, 2\)"):
        cut.set_scores([[1.0], [2.0]])
    with pytest.raises(ValueError, match=r"pairwise\[0, 0, 0\] is -2"):
        cut.set_scores([[5.0, 5.0]], [[[-2.0, 0.0]], [[0.0, 0.0]]])
    assert cut.solve().tolist() == [[1, 1]]  # a refused call changes nothing
    with pytest.raises(ValueError, match="2 images have unary scores but 1 pairwise"):
        grid_cut_many([[[1.0]], [[1.0]]], [1.0])


def test_errors_of_many_images_name_the_image():
    with pytest.raises(ValueError, match=r"in image 1: unary\[0, 0\] is nan"):
        grid_cut_many([[[1.0]], [[np.nan]]], [1.0, 1.0])


def test_no_more_threads_than_images(monkeypatch):
    asked = []
    parallel = joblib.Parallel
    monkeypatch.setattr(joblib, "Parallel", lambda n_jobs, **_: asked.append(n_jobs) or parallel(1))
    for n_images, n_jobs, n_threads in ((2, 10**6, 2), (3, 2, 2), (1, -1, 1), (0, 5, 1)):
        found = grid_cut_many([[[1.0, -0.5]]] * n_images, [0.7] * n_images, n_jobs=n_jobs)
        assert [labels.tolist() for labels in found] == [[[1, 1]]] * n_images
        assert asked.pop() == n_threads
