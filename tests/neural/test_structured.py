"""StructuredHinge against enumeration, for compiled structures, functions and labellings."""

import ctypes
import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from structsvm.inference import Assignment, ShortestPath, Subset  # noqa: E402
from structsvm.inference._chain_maximizer import ChainMaximizer  # noqa: E402
from structsvm.inference._dependency_trees import DependencyTreeMaximizer  # noqa: E402
from structsvm.inference._graph_maximizer import GraphMaximizer  # noqa: E402
from structsvm.inference._relaxed_maximizer import RelaxedGraphMaximizer  # noqa: E402
from structsvm.torch import StructuredHinge  # noqa: E402

DIAMOND = [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]


def two_best(theta, x):
    uses = np.zeros(len(theta), dtype=int)
    uses[np.argsort(-theta, kind="stable")[:2]] = 1
    return uses


def two_best_of_all(thetas, X):
    return [two_best(theta, x) for theta, x in zip(thetas, X, strict=True)]


def rows_of(n_parts, sets):
    rows = np.zeros((len(sets), n_parts), dtype=int)
    for row, chosen in zip(rows, sets, strict=True):
        row[list(chosen)] = 1
    return rows


PAIRS = rows_of(5, list(itertools.combinations(range(5), 2)))
SETS = {
    "subsets": (Subset(2), PAIRS, {}),
    "a function": (two_best, PAIRS, {}),
    "a function of batches": (two_best_of_all, PAIRS, {"batch": True}),
    "paths": (ShortestPath(DIAMOND, 0, 3), rows_of(5, [(0, 3), (1, 4), (0, 2, 4)]), {}),
    "pairs": (
        Assignment((2, 3)),
        rows_of(6, [(a, 3 + b) for a in range(3) for b in range(3) if a != b]),
        {},
    ),
}


def mean_hinge(scores, uses, outputs, costs):
    """By automatic differentiation of the maximum over all outputs."""
    hinges = []
    for theta, y, cost in zip(scores, uses, costs, strict=True):
        gains = (torch.tensor(outputs) - y).double() @ (theta + cost)
        hinges.append(gains.max())
    return torch.stack(hinges)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("seed", range(3))
def test_hinges_of_sets_are_those_of_enumeration(name, seed):
    maximizer, outputs, more = SETS[name]
    rng = np.random.default_rng(seed)
    n_parts = outputs.shape[1]
    scores = torch.tensor(rng.normal(size=(4, n_parts)), requires_grad=True)
    y = torch.tensor(outputs[rng.integers(len(outputs), size=4)])
    weights = torch.tensor(rng.random(n_parts))
    own = torch.tensor(rng.normal(size=(4, n_parts)))
    for loss, costs, given in (
        ("hamming", 1.0 - 2.0 * y, None),
        (weights, weights * (1.0 - 2.0 * y), None),
        (lambda y: own, own, None),
        (None, own, own),
        (None, torch.zeros_like(own), None),
    ):
        hinge = StructuredHinge(maximizer, loss, reduction="none", **more)
        found = hinge(scores, y, costs=given)
        expected = mean_hinge(scores, y, outputs, costs)
        torch.testing.assert_close(found, expected)
        factors = torch.arange(1.0, 5.0, dtype=torch.float64)
        a, b = (torch.autograd.grad((factors * x).sum(), scores)[0] for x in (found, expected))
        torch.testing.assert_close(a, b)
    best = outputs[(scores.detach().numpy() @ outputs.T).argmax(axis=1)]
    np.testing.assert_array_equal(hinge.decode(scores), best)


def test_gradients_are_checked_and_linear_in_factors():
    hinge = StructuredHinge(Assignment((3, 3)), reduction="none")
    scores = torch.randn(2, 9, dtype=torch.float64, requires_grad=True)
    y = torch.eye(3, dtype=torch.int64).reshape(1, 9).expand(2, 9)
    factors = torch.rand(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: hinge(x, y), (scores,))
    assert torch.autograd.gradgradcheck(
        lambda x, f: (f * hinge(x, y).square()).sum(), (scores, factors)
    )


def test_examples_of_any_size_padded_or_packed():
    structure = Assignment(partial=True)
    shapes = [(2, 2), (1, 3), (3, 2)]
    sizes = [4, 3, 6]
    rng = np.random.default_rng(0)
    rows = [torch.tensor(rng.normal(size=n)) for n in sizes]
    truths = [torch.tensor(t) for t in ([1, 0, 0, 1], [0, 0, 0], [0, 1, 0, 0, 1, 0])]
    hinge = StructuredHinge(structure, reduction="none")
    alone = [
        hinge(row[None], y[None], [shape])
        for row, y, shape in zip(rows, truths, shapes, strict=True)
    ]
    packed, uses = torch.cat(rows).requires_grad_(), torch.cat(truths)
    found = hinge(packed, uses, shapes, lengths=sizes)
    torch.testing.assert_close(found, torch.cat(alone))
    padded = torch.nn.utils.rnn.pad_sequence(rows, True, torch.nan).requires_grad_()
    y = torch.nn.utils.rnn.pad_sequence(truths, True, 7)
    again = hinge(padded, y, shapes, lengths=torch.tensor(sizes))
    assert torch.equal(again, found)
    a = torch.autograd.grad(found.sum(), packed)[0]
    b = torch.autograd.grad(again.sum(), padded)[0]
    assert torch.equal(a, torch.cat([row[:n] for row, n in zip(b, sizes, strict=True)]))
    best = hinge.decode(packed, shapes, lengths=sizes)
    assert best.shape == packed.shape
    rows_found = hinge.decode(padded, shapes, lengths=sizes)
    assert torch.equal(torch.cat([r[:n] for r, n in zip(rows_found, sizes, strict=True)]), best)
    assert (rows_found[1, 3:] == 0).all()


def enumerated_labels(maximizer, i, n_values):
    """All rows of labels that the maximizer takes, and how often each uses each part."""
    found = []
    for labels in itertools.product(range(n_values), repeat=int(maximizer.n_labels[i])):
        try:
            found.append((labels, maximizer.count(i, labels)))
        except ValueError:
            continue
    return found


EDGES = np.array([[0, 1], [1, 2], [0, 2]], dtype=np.int32)
LABELLINGS = {
    "chains": (
        lambda: ChainMaximizer(np.array([2, 3]), 2, transitions=True, boundary=True, steps=False),
        2,
    ),
    "cuts": (lambda: GraphMaximizer([3, 3], [EDGES, EDGES[:2]], 2, tables=False, by_cut=True), 2),
    "trees": (lambda: DependencyTreeMaximizer([2, 3], projective=False, single_root=False), 4),
}


@pytest.mark.parametrize("name", LABELLINGS)
@pytest.mark.parametrize("seed", range(3))
def test_hinges_of_labellings_are_those_of_enumeration(name, seed):
    make, n_values = LABELLINGS[name]
    maximizer = make()
    rng = np.random.default_rng(seed)
    sizes = maximizer.n_parts.tolist()
    scores = torch.tensor(np.abs(rng.normal(size=sum(sizes))), requires_grad=True)
    costs = torch.tensor(rng.random(sum(sizes)))
    y = torch.full((2, int(maximizer.n_labels.max())), -1)
    expected, first = [], 0
    for i, size in enumerate(sizes):
        outputs = enumerated_labels(maximizer, i, n_values)
        labels, own = outputs[rng.integers(len(outputs))]
        y[i, : len(labels)] = torch.tensor(labels)
        theta = (scores + costs)[first : first + size]
        gains = torch.stack([torch.tensor(uses - own) @ theta for _, uses in outputs])
        expected.append(gains.max())
        first += size
    hinge = StructuredHinge(maximizer, None, reduction="none")
    found = hinge(scores, y, lengths=sizes, costs=costs)
    torch.testing.assert_close(found, torch.stack(expected))
    a, b = (torch.autograd.grad(x.sum(), scores)[0] for x in (found, torch.stack(expected)))
    torch.testing.assert_close(a, b)
    one = hinge(scores[: sizes[0]], y[:1], lengths=sizes[:1], examples=[0], costs=costs[: sizes[0]])
    torch.testing.assert_close(one, found[:1])
    labels = hinge.decode(scores, lengths=sizes)
    for i, row in enumerate(labels.tolist()):
        assert all(label == -1 for label in row[int(maximizer.n_labels[i]) :])


def test_slack_rescaling_of_chains():
    maximizer = ChainMaximizer(np.array([3]), 2, transitions=True, boundary=True)
    rng = np.random.default_rng(0)
    size = int(maximizer.n_parts[0])
    outputs = enumerated_labels(maximizer, 0, 2)
    hinge = StructuredHinge(maximizer, None, rescaling="slack")
    for labels, own in outputs:
        scores = torch.tensor(rng.normal(size=size), requires_grad=True)
        costs = np.zeros(size)
        for t, label in enumerate(labels):
            costs[t * maximizer.stride + 1 - label] = 0.5 * (1 + t)
        gains = torch.stack(
            [(1 + torch.tensor(uses - own) @ scores) * float(costs @ uses) for _, uses in outputs]
        )
        found = hinge(scores, torch.tensor([labels]), lengths=[size], costs=torch.tensor(costs))
        torch.testing.assert_close(found, gains.max())
        a, b = (torch.autograd.grad(x, scores)[0] for x in (found, gains.max()))
        torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="rescaling='slack': SubsetMaximizer"):
        StructuredHinge(Subset(1), lambda y: 1.0 - y, rescaling="slack")(
            torch.zeros(1, 2), torch.tensor([[1, 0]])
        )
    for loss in ("hamming", torch.ones(2)):
        with pytest.raises(ValueError, match="a part of y that is left out costs something, too"):
            StructuredHinge(Subset(1), loss, rescaling="slack")
    costs[0] = np.pi
    with pytest.raises(ValueError, match="multiples of the smallest"):
        hinge(scores, torch.tensor([labels]), lengths=[size], costs=torch.tensor(costs))


@pytest.mark.parametrize("loss", ["hamming", None])
def test_a_truth_that_is_no_output_is_told_where_its_hinge_would_be_negative(loss):
    path = ShortestPath(DIAMOND, source=0, target=3)
    hinge = StructuredHinge(path, loss, reduction="none")
    good, bad = [1, 0, 0, 1, 0], [1, 0, 0, 0, 1]  # 0-1-3; 0-1 and 2-3
    scores = torch.tensor([[-1.0, -9.0, -9.0, -9.0, -1.0]]).repeat(2, 1).requires_grad_()
    with pytest.raises(ValueError, match="y of example 1 is no output: PathMaximizer never"):
        hinge(scores, torch.tensor([good, bad]))
    assert hinge(scores, torch.tensor([good, good])).min() >= 0
    # Two parts that are one of another set: three are chosen, where y has two.
    own = StructuredHinge(lambda theta, x: two_best(theta, x), loss, reduction="none")
    high = torch.tensor([[9.0, -9.0, -9.0]])
    with pytest.raises(
        ValueError, match="example 0 is no output: CallableMaximizer never finds it"
    ):
        own(high, torch.tensor([[1, 0, 0]]))
    inexact = StructuredHinge(two_best, loss, exact=False, reduction="none")
    assert inexact(high, torch.tensor([[1, 0, 0]])).item() == 0


def test_a_relaxation_is_no_lower_and_its_gradient_may_be_fractional():
    # Three nodes that repel each other: the relaxation halves them.
    tables = np.tile(np.array([[0.0, 2.0], [2.0, 0.0]]), (3, 1, 1))
    scores = torch.tensor(np.concatenate([np.zeros(6), tables.ravel()]), requires_grad=True)
    y = torch.tensor([[0, 1, 1]])
    values, slopes = [], []
    for maximizer in (
        RelaxedGraphMaximizer([3], [EDGES], 2, tables=True, tolerance=np.full(1, 1e-9)),
        GraphMaximizer([3], [EDGES], 2, tables=True, by_cut=False),
    ):
        value = StructuredHinge(maximizer, None)(scores, y, lengths=[18])
        values.append(value.item())
        slopes.append(torch.autograd.grad(value, scores)[0] if value > 0 else None)
    assert values[0] == pytest.approx(2.0)
    assert values[1] == 0.0
    assert (slopes[0] % 1 != 0).any()


def test_compiled_functions_and_capsules():
    # No library of ours: strongest part alone, in C types.
    signature = ctypes.CFUNCTYPE(
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int32,
        ctypes.POINTER(ctypes.c_double),
        ctypes.POINTER(ctypes.c_int32),
        ctypes.POINTER(ctypes.c_double),
    )

    def strongest(user, i, thread, theta, labels, value):
        best = max(range(3), key=lambda p: theta[p])
        labels[0], value[0] = best, theta[best]
        return 0

    function = signature(strongest)
    hinge = StructuredHinge(function)
    scores = torch.tensor([[0.0, 5.0, 1.0]])
    assert hinge.decode(scores).tolist() == [[0, 1, 0]]
    assert hinge(scores, torch.tensor([[1, 0, 0]])) == 7.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_dtypes(dtype):
    hinge = StructuredHinge(Subset(1), reduction="sum")
    scores = torch.tensor([[1.0, 2.0], [0.5, 0.0]], dtype=dtype, requires_grad=True)
    value = hinge(scores, torch.tensor([[True, False], [True, False]]))
    assert value.dtype == torch.float32
    assert value == 3.0 + 1.5
    value.backward()
    assert scores.grad.dtype == dtype
    assert scores.grad.tolist() == [[-1, 1], [-1, 1]]


def test_empty_batches():
    hinge = StructuredHinge(Subset(1), reduction="none")
    scores = torch.zeros(0, 3, requires_grad=True)
    value = hinge(scores, torch.zeros(0, 3))
    assert value.shape == (0,)
    value.sum().backward()
    assert hinge.decode(scores).shape == (0, 3)
    assert StructuredHinge(Subset(1))(scores, torch.zeros(0, 3)) == 0  # the mean of none


def test_hinges_that_are_no_numbers_are_told():
    hinge = StructuredHinge(Subset(1))
    scores = torch.tensor([[0.0, 1.0, 2.0], [0.0, -torch.inf, 1.0]])
    assert hinge(scores, torch.tensor([[1, 0, 0], [1, 0, 0]])) == (4 + 3) / 2
    with pytest.raises(ValueError, match="y of example 1 uses parts whose scores are -inf"):
        hinge(scores, torch.tensor([[1, 0, 0], [0, 1, 0]]))
    large = torch.tensor([[3e38, -3e38, 0.0]])
    assert hinge(large.double(), torch.tensor([[0, 1, 0]])) > 5e38
    with pytest.raises(ValueError, match=r"scores of example 0 are so large .* overflows"):
        hinge(large, torch.tensor([[0, 1, 0]]))


def test_two_devices_and_other_losses_are_refused():
    hinge, scores, y = StructuredHinge(Subset(1)), torch.zeros(1, 3), torch.tensor([[1, 0, 0]])
    with pytest.raises(ValueError, match="y is on meta, but scores on cpu"):
        hinge(scores, y.to("meta"))
    with pytest.raises(ValueError, match="costs is on meta, but scores on cpu"):
        hinge(scores, y, costs=scores.to("meta"))
    with pytest.raises(TypeError, match="y has dtype torch"):
        hinge(scores, y.to(torch.complex64))
    with pytest.raises(TypeError, match="loss is int, expected 'hamming'"):
        StructuredHinge(Subset(1), 3)
    with pytest.raises(ValueError, match="loss has entries that are negative or not finite"):
        StructuredHinge(Subset(1), torch.tensor([1.0, torch.inf]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_compiled_graphs_break_here():
    hinge = StructuredHinge(Subset(1))
    scores, y = torch.randn(3, 4, requires_grad=True), torch.eye(4, dtype=torch.int64)[:3]
    compiled = torch.compile(lambda x: hinge(2 * x, y), backend="aot_eager")
    assert torch.equal(compiled(scores), hinge(2 * scores, y))
    torch.compiler.reset()


ONES = torch.tensor([[1, 0, 0]])


@pytest.mark.parametrize(
    ("args", "more", "error", "message"),
    [
        ((torch.zeros(1, 3).long(), ONES), {}, TypeError, "scores has dtype torch.int64"),
        ((torch.zeros(3), ONES), {}, ValueError, "scores has 1 dimension: give lengths"),
        ((torch.zeros(1, 1, 3), ONES), {}, ValueError, "scores has 3 dimensions"),
        ((torch.full((1, 3), torch.nan), ONES), {}, ValueError, "scores of example 0, part 0"),
        ((torch.full((1, 3), torch.inf), ONES), {}, ValueError, "scores of example 0, part 0"),
        ((torch.zeros(1, 3), ONES[0]), {"lengths": [2]}, ValueError, "y has shape"),
        ((torch.zeros(1, 3), 3), {}, TypeError, "y is int"),
        ((torch.zeros(1, 3), ONES / 2), {}, ValueError, "y of example 0 uses part 0 0.5 times"),
        ((torch.zeros(1, 3), -ONES), {}, ValueError, "uses part 0 -1 times"),
        ((torch.zeros(1, 3), ONES * torch.nan), {}, ValueError, "uses part 0 nan times"),
        ((torch.zeros(1, 3), torch.ones(1, 3)), {}, ValueError, "uses 3 parts, but .* at most 1"),
        ((torch.zeros(2, 3), ONES), {}, ValueError, "y has shape"),
        ((torch.zeros(1, 3), ONES), {"lengths": [4]}, ValueError, "lengths has 1 entries up to 4"),
        ((torch.zeros(1, 3), ONES), {"lengths": [-1]}, ValueError, r"lengths\[0\] is -1"),
        ((torch.zeros(3), ONES[0]), {"lengths": [2, 2]}, ValueError, "lengths add up to 4"),
        ((torch.zeros(1, 3), ONES), {"lengths": [0.5]}, ValueError, "expected integers"),
        ((torch.zeros(1, 3), ONES, [1, 2]), {}, ValueError, "contexts has 2 entries for 1"),
        ((torch.zeros(1, 3), ONES), {"examples": [0]}, ValueError, "examples are numbers"),
        ((torch.zeros(1, 3), ONES), {"costs": ONES}, TypeError, "costs has dtype"),
        ((torch.zeros(1, 3), ONES), {"costs": torch.zeros(1, 2)}, ValueError, "costs has shape"),
        (
            (torch.zeros(1, 3), ONES),
            {"costs": torch.full((1, 3), torch.nan)},
            ValueError,
            "costs of example 0",
        ),
    ],
)
def test_bad_input(args, more, error, message):
    with pytest.raises(error, match=message):
        StructuredHinge(Subset(1))(*args, **more)


def test_bad_maximizers_and_parameters():
    with pytest.raises(TypeError, match="maximizer is str, expected"):
        StructuredHinge("eisner")
    with pytest.raises(ValueError, match="loss='f1'"):
        StructuredHinge(Subset(1), "f1")
    with pytest.raises(ValueError, match="reduction='max'"):
        StructuredHinge(Subset(1), reduction="max")
    with pytest.raises(ValueError, match="rescaling='none'"):
        StructuredHinge(Subset(1), rescaling="none")
    with pytest.raises(ValueError, match="batch=True"):
        StructuredHinge(Subset(1), batch=True)
    with pytest.raises(ValueError, match="negative or not finite"):
        StructuredHinge(Subset(1), torch.tensor([-1.0]))
    with pytest.raises(ValueError, match="loss has 2 entries"):
        StructuredHinge(Subset(1), torch.ones(2))(torch.zeros(1, 3), ONES)
    maximizer = Subset(1).bind([None], [3])
    with pytest.raises(ValueError, match="say which by examples"):
        StructuredHinge(maximizer)(torch.zeros(2, 3), ONES.expand(2, 3))
    with pytest.raises(ValueError, match="expected 0 to 0"):
        StructuredHinge(maximizer)(torch.zeros(1, 3), ONES, examples=[1])
    with pytest.raises(ValueError, match="but it has 3 parts"):
        StructuredHinge(maximizer)(torch.zeros(1, 2), ONES[:, :2])
    with pytest.raises(ValueError, match="contexts are for a Structure"):
        StructuredHinge(maximizer)(torch.zeros(1, 3), ONES, [None])
    chains = ChainMaximizer(np.array([2]), 2, transitions=False, boundary=False)
    theta, y = torch.zeros(1, int(chains.n_parts[0])), torch.tensor([[0, 1]])
    with pytest.raises(ValueError, match="loss='hamming' counts parts of sets"):
        StructuredHinge(chains)(theta, y)
    with pytest.raises(ValueError, match="label 1 of example 0 is 2"):
        StructuredHinge(chains, None)(theta, torch.tensor([[0, 2]]))
    with pytest.raises(ValueError, match=r"y\[0, 1\] is -1, expected a label"):
        StructuredHinge(chains, None)(theta, torch.tensor([[0, -1]]))
    with pytest.raises(TypeError, match="y has dtype"):
        StructuredHinge(chains, None)(theta, y.float())
    with pytest.raises(ValueError, match="y has shape"):
        StructuredHinge(chains, None)(theta, y[:, :1])


def test_errors_of_functions_leave_nothing_behind():
    calls = []

    def fails_first(thetas, X):
        calls.append(len(thetas))
        if len(calls) == 1:
            return [np.full(3, 9)] * len(thetas)
        return [np.array([0, 0, 1])] * len(thetas)

    hinge = StructuredHinge(fails_first, batch=True, reduction="none")
    scores, y = torch.zeros(2, 3), ONES.expand(2, 3)
    with pytest.raises(ValueError, match="example 0"):
        hinge(scores, y)
    assert hinge(scores, y).tolist() == [2.0, 2.0]
