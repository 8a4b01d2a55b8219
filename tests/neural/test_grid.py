"""GridHinge against enumeration of all label images."""

import copy
import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from structsvm.inference import grid_cut  # noqa: E402
from structsvm.torch import GridHinge  # noqa: E402

STEPS = {4: [(0, 1), (1, 0)], 8: [(0, 1), (1, 0), (1, 1), (1, -1)]}
VOID = -100


def edges_of(shape, connectivity):
    """Direction, first pixel and second pixel of each edge."""
    for k, (down, right) in enumerate(STEPS[connectivity]):
        for i, j in np.ndindex(shape):
            if 0 <= i + down < shape[0] and 0 <= j + right < shape[1]:
                yield k, (i, j), (i + down, j + right)


def score(hinge, unary, pairwise, labels, known):
    total = unary.new_zeros(())
    for place in np.ndindex(labels.shape):
        if known[place]:
            total = total + unary[(int(labels[place]), *place)]
    for k, a, b in edges_of(labels.shape, hinge.connectivity):
        if known[a] and known[b] and labels[a] == labels[b]:
            factor = hinge.factors[k]
            total = total + (factor if pairwise is None else factor * pairwise[(k, *a)])
    return total


def by_enumeration(hinge, unary, labels, pairwise):
    hinges = []
    for b, truth in enumerate(labels.numpy()):
        own = None if pairwise is None else pairwise[b]
        known = truth != VOID
        weight = np.ones(hinge.n_labels)
        if hinge.class_weight is not None:
            weight = hinge.class_weight.numpy()
        base, gains = score(hinge, unary[b], own, np.where(known, truth, 0), known), []
        for values in itertools.product(range(hinge.n_labels), repeat=truth.size):
            other = np.array(values).reshape(truth.shape)
            wrong = (other != truth) & known
            loss = float(weight[truth[wrong]].sum())
            gains.append(score(hinge, unary[b], own, other, known) - base + loss)
        hinges.append(torch.stack(gains).max())
    return torch.stack(hinges)


def images(seed, shape, n_labels, n_directions, void=0.2):
    rng = np.random.default_rng(seed)
    unary = torch.tensor(rng.normal(size=(2, n_labels, *shape)), requires_grad=True)
    labels = torch.tensor(rng.integers(n_labels, size=(2, *shape)))
    labels[torch.tensor(rng.random((2, *shape)) < void)] = VOID
    pairwise = torch.tensor(rng.random((2, n_directions, *shape)), requires_grad=True)
    return unary, labels, pairwise


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("seed", range(3))
def test_hinges_of_two_labels_are_exact(seed, connectivity):
    weight = torch.tensor([1.0, 0.5], dtype=torch.float64) if seed else None
    hinge = GridHinge(connectivity=connectivity, class_weight=weight, reduction="none").double()
    with torch.no_grad():
        hinge.raw_pairwise.copy_(torch.linspace(-1, 0.5, connectivity // 2))
    unary, labels, pairwise = images(seed, (2, 3), 2, connectivity // 2)
    for given in (pairwise, None):
        found = hinge(unary, labels, given)
        expected = by_enumeration(hinge, unary, labels, given)
        torch.testing.assert_close(found, expected)
        sources = [unary, hinge.raw_pairwise, *([] if given is None else [given])]
        factors = torch.tensor([1.0, 2.0], dtype=torch.float64)
        for a, b in zip(
            torch.autograd.grad((factors * found).sum(), sources),
            torch.autograd.grad((factors * expected).sum(), sources),
            strict=True,
        ):
            torch.testing.assert_close(a, b)
    each = hinge(unary, labels, pairwise)
    hinge.reduction = "sum"
    torch.testing.assert_close(hinge(unary, labels, pairwise), each.sum())
    hinge.reduction = "mean"
    known = (labels != VOID).sum()
    torch.testing.assert_close(hinge(unary, labels, pairwise), each.sum() / known)


def test_relaxed_hinges_are_no_lower_and_those_of_found_labels_no_higher():
    unary, labels, pairwise = images(3, (2, 2), 3, 2)
    values = {}
    for method in ("relaxation", "expansion"):
        hinge = GridHinge(3, method=method, reduction="none").double()
        values[method] = hinge(unary, labels, pairwise)
        exact = by_enumeration(hinge, unary, labels, pairwise)
    assert (values["relaxation"] >= exact - 1e-2).all()
    assert (values["expansion"] <= exact + 1e-9).all()
    assert (values["expansion"] >= 0.9 * exact).all()


@pytest.mark.parametrize("n_labels", [2, 3])
def test_decoded_labels_are_the_best(n_labels):
    hinge = GridHinge(n_labels, 8).double()
    unary, _, pairwise = images(4, (2, 3), n_labels, 4)
    known = np.ones((2, 3), dtype=bool)
    for b, labels in enumerate(hinge.decode(unary, pairwise)):
        best = max(
            float(score(hinge, unary[b], pairwise[b], np.array(v).reshape(2, 3), known).detach())
            for v in itertools.product(range(n_labels), repeat=6)
        )
        own = float(score(hinge, unary[b], pairwise[b], labels.numpy(), known).detach())
        assert own == pytest.approx(best)


def test_volumes_are_those_of_grid_cut():
    hinge = GridHinge(connectivity=26, learn_pairwise=False)
    rng = np.random.default_rng(0)
    unary = torch.tensor(rng.normal(size=(1, 2, 3, 4, 2)))
    pairwise = torch.tensor(rng.random((1, 13, 3, 4, 2)))
    labels = hinge.decode(unary, pairwise)
    expected = grid_cut((unary[0, 1] - unary[0, 0]).numpy(), pairwise[0].numpy(), 26)
    np.testing.assert_array_equal(labels[0], expected)
    assert hinge(unary, labels, pairwise) >= 0


def test_gradients_copies_and_dtypes():
    hinge = GridHinge().double()
    unary, labels, pairwise = images(5, (3, 3), 2, 2)
    assert torch.autograd.gradcheck(lambda u, p: hinge(u, labels, p), (unary, pairwise))
    assert torch.equal(copy.deepcopy(hinge)(unary, labels), hinge(unary, labels))
    half = GridHinge()(unary.detach().bfloat16().requires_grad_(), labels)
    assert half.dtype == torch.float32
    half.backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        conv = torch.nn.Conv2d(1, 2, 3, padding=1)
        loss = GridHinge()(conv(torch.randn(2, 1, 3, 3)), labels)
    loss.backward()
    assert conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("method", ["cut", "expansion", "relaxation"])
def test_empty_batches(method):
    hinge = GridHinge(method=method)
    unary, pairwise = torch.zeros(0, 2, 2, 3, requires_grad=True), torch.zeros(0, 2, 2, 3)
    labels = torch.zeros(0, 2, 3, dtype=torch.int64)
    for given in (None, pairwise):
        value = hinge(unary, labels, given)
        assert value == 0
        value.backward()
        assert hinge.decode(unary, given).shape == (0, 2, 3)


def test_the_place_of_a_score_that_is_not_finite():
    hinge, unary = GridHinge(), torch.zeros(2, 2, 2, 3)
    labels = torch.zeros(2, 2, 3, dtype=torch.int64)
    unary[1, 0, 1, 2] = torch.nan
    with pytest.raises(ValueError, match=r"unary\[1, 0, 1, 2\] is nan, expected a finite number"):
        hinge(unary, labels)
    with pytest.raises(ValueError, match=r"unary\[1, 0, 1, 2\] is nan, expected a finite number"):
        hinge.decode(unary)
    labels[1, 1, 2] = -100  # a void pixel has no score
    assert hinge(unary, labels).isfinite()


def test_all_pixels_void():
    unary, labels, _ = images(6, (2, 2), 2, 2)
    assert GridHinge()(unary, torch.full_like(labels, VOID)) == 0


def good():
    return {"unary": torch.zeros(1, 2, 2, 3), "labels": torch.zeros(1, 2, 3, dtype=torch.int64)}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"unary": torch.zeros(1, 2, 2, 3).long()}, TypeError, "unary has dtype"),
        ({"unary": torch.zeros(1, 2, 3)}, ValueError, "unary has 3 dimensions, expected 4"),
        ({"unary": torch.zeros(1, 3, 2, 3)}, ValueError, "expected 2 scores in the second"),
        ({"unary": torch.full((1, 2, 2, 3), torch.nan)}, ValueError, r"unary\[0, 0, 0, 0\] is nan"),
        (
            {"unary": torch.full((1, 2, 2, 3), -torch.inf)},
            ValueError,
            r"unary\[0, 0, 0, 0\] is -inf",
        ),
        ({"unary": torch.zeros(1, 2, 2, 3).to("meta")}, ValueError, "unary is on meta"),
        ({"labels": np.zeros((1, 2, 3))}, TypeError, "labels is ndarray"),
        ({"labels": torch.zeros(1, 2, 3)}, TypeError, "labels has dtype torch.float32"),
        ({"labels": torch.zeros(1, 3, 2).long()}, ValueError, "labels has shape"),
        ({"labels": torch.full((1, 2, 3), 2)}, ValueError, r"labels\[0, 0, 0\] is 2, expected 0"),
        ({"labels": torch.full((1, 2, 3), -1)}, ValueError, r"labels\[0, 0, 0\] is -1"),
        ({"pairwise": torch.zeros(1, 3, 2, 3)}, ValueError, "pairwise has shape"),
        ({"pairwise": torch.full((1, 2, 2, 3), -1.0)}, ValueError, "pairwise has an entry of -1"),
        ({"pairwise": torch.full((1, 2, 2, 3), torch.nan)}, ValueError, "an entry of nan"),
        (
            {"pairwise": torch.full((1, 2, 2, 3), torch.inf)},
            ValueError,
            "pairwise has an entry of inf",
        ),
    ],
)
def test_bad_input(changes, error, message):
    with pytest.raises(error, match=message):
        GridHinge()(**(good() | changes))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"n_labels": 1}, "n_labels=1"),
        ({"connectivity": 5}, "connectivity=5"),
        ({"method": "qpbo"}, "method='qpbo'"),
        ({"n_labels": 3, "method": "cut"}, "method='cut' is for two labels"),
        ({"ignore_index": 1}, "ignore_index=1"),
        ({"reduction": "max"}, "reduction='max'"),
        ({"class_weight": torch.ones(3)}, "class_weight has shape"),
        ({"class_weight": -torch.ones(2)}, "class_weight has entries that are negative"),
    ],
)
def test_bad_parameters(args, message):
    with pytest.raises(ValueError, match=message):
        GridHinge(**args)
