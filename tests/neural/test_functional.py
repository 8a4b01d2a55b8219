"""structsvm.torch.functional: the values and gradients of structsvm.hinge, on tensors."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from structsvm import hinge as arrays  # noqa: E402
from structsvm.torch import functional  # noqa: E402

rng = np.random.default_rng(0)
BINARY = {
    "hinge": {"margin": 0.7},
    "squared_hinge": {"margin": 1.5},
    "smoothed_hinge": {},
    "huberized_hinge": {"width": 0.3, "margin": 0.8},
    "modified_huber": {},
    "softplus_hinge": {"beta": 2.0, "margin": 0.5},
    "perceptron": {},
    "exponential": {},
    "savage": {},
}
MULTICLASS = {
    "crammer_singer": {"margin": 0.7},
    "crammer_singer, squared": {"power": 2},
    "crammer_singer, cost": {"cost": [[0, 1, 3.0], [2, 0, 0.5], [1, 1, 0]]},
    "lee_lin_wahba": {"margin": 0.7},
    "lee_lin_wahba, squared": {"power": 2},
    "one_vs_all": {"margin": 0.7},
    "one_vs_all, squared": {"power": 2},
    "categorical_hinge": {"margin": 0.7},
    "carlini_wagner": {"confidence": 0.3},
    "carlini_wagner, away": {"targeted": False},
}
ROWS = {**BINARY, **MULTICLASS}


def example(name, dtype=np.float64):
    """The loss of arrays, that of tensors, scores, labels and options for both."""
    plain = name.partition(",")[0]
    options = dict(ROWS[name])
    theirs = dict(options)
    if "cost" in options:
        theirs["cost"] = torch.tensor(options["cost"])
    if name in BINARY:
        scores, y = 2 * rng.normal(size=(4, 3)), rng.choice([-1, 1], size=(4, 3))
    else:
        scores, y = rng.normal(size=(12, 3)), rng.integers(3, size=12)
    loss = getattr(arrays, plain), getattr(functional, plain)
    return *loss, scores.astype(dtype), y, options, theirs


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_values_and_gradients_are_those_of_arrays(name, reduction, weighted):
    ours, theirs, scores, y, options, their_options = example(name)
    if weighted:
        weight = rng.random(y.shape)
        options["sample_weight"] = weight
        their_options["sample_weight"] = torch.tensor(weight)
    if name in MULTICLASS:
        y[[2, 5]] = -100
        options["ignore_index"] = -100
    t = torch.tensor(scores, requires_grad=True)
    value = theirs(t, torch.tensor(y), reduction=reduction, **their_options)
    value.sum().backward()
    want, slopes = ours(y, scores, reduction=reduction, with_gradient=True, **options)
    np.testing.assert_allclose(value.detach().numpy(), want, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(t.grad.numpy(), slopes, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ROWS)
def test_kinks_have_the_same_subgradient(name):
    ours, theirs, scores, y, options, their_options = example(name)
    for at in np.unique([-1.0, 0.0, 1.0, options.get("margin", 1.0)]):
        fixed = np.full(scores.shape, at)
        if name in MULTICLASS:
            fixed[:] = 0.0
            fixed[np.arange(len(y)), y] = at
        t = torch.tensor(fixed, requires_grad=True)
        theirs(t, torch.tensor(y), reduction="sum", **their_options).backward()
        _, slopes = ours(y, fixed, reduction="sum", with_gradient=True, **options)
        if name in MULTICLASS:  # which of equal classes it takes is of no matter
            np.testing.assert_allclose(
                np.sort(t.grad.numpy(), axis=1), np.sort(slopes, axis=1), atol=1e-14
            )
        else:
            np.testing.assert_allclose(t.grad.numpy(), slopes, atol=1e-14)


@pytest.mark.parametrize("name", ROWS)
def test_types_graphs_and_shapes(name):
    _, loss, scores, y, _, options = example(name)
    labels = torch.tensor(y)
    want = float(loss(torch.tensor(scores), labels, **options))
    for dtype, rel in ((torch.float32, 1e-5), (torch.bfloat16, 0.1), (torch.float16, 0.02)):
        t = torch.tensor(scores).to(dtype).requires_grad_()
        value = loss(t, labels, **options)
        value.backward()
        assert value.dtype == torch.float32
        assert t.grad.dtype == dtype
        assert float(value.detach()) == pytest.approx(want, rel=rel)
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    assert float(compiled(torch.tensor(scores), labels, **options)) == pytest.approx(want)
    t = torch.tensor(scores, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: loss(s, labels, **options), (t,))
    if name in BINARY:
        one = loss(torch.tensor(scores), torch.tensor(1), **options)
        assert one == loss(torch.tensor(scores), torch.ones(4, 3), **options)
        large = torch.tensor([-1e20, 1e20], requires_grad=True)
        if name not in ("exponential", "squared_hinge"):
            loss(large, torch.tensor([1, 1]), **options).backward()
            assert torch.isfinite(large.grad).all()
    else:
        none = loss(torch.tensor(scores), torch.full((12,), -100), **options)
        assert none == 0.0


def test_orders_distances_and_adversaries_are_those_of_arrays():
    relevance, s = rng.integers(3, size=9), rng.normal(size=9)
    query, y = rng.integers(2, size=9), rng.integers(3, size=9)
    a, x = rng.normal(size=(2, 9, 4))
    weight = rng.random(9)
    for reduction in ("mean", "sum"):
        given = {"reduction": reduction}
        cases = [
            (
                lambda t, given=given: functional.pairwise_hinge(
                    t, torch.tensor(relevance), query=torch.tensor(query), margin=0.6, **given
                ),
                arrays.pairwise_hinge(
                    relevance, s, query=query, margin=0.6, with_gradient=True, **given
                ),
                (s,),
            ),
            (
                lambda t, u, given=given: functional.n_pair(
                    t, u, sample_weight=torch.tensor(weight), **given
                ),
                arrays.n_pair(a, x, sample_weight=weight, with_gradient=True, **given),
                (a, x),
            ),
            (
                lambda t, given=given: functional.lifted_structure(
                    t, torch.tensor(y), margin=0.8, **given
                ),
                arrays.lifted_structure(y, a, margin=0.8, with_gradient=True, **given),
                (a,),
            ),
            (
                lambda t, u, given=given: functional.discriminator_hinge(t, u, **given),
                arrays.discriminator_hinge(s, a, with_gradient=True, **given),
                (s, a),
            ),
            (
                lambda t, given=given: functional.generator_hinge(t, **given),
                arrays.generator_hinge(s, with_gradient=True, **given),
                (s,),
            ),
        ]
        for loss, (want, slopes), inputs in cases:
            tensors = [torch.tensor(array, requires_grad=True) for array in inputs]
            value = loss(*tensors)
            value.backward()
            np.testing.assert_allclose(value.detach().numpy(), want, rtol=1e-12)
            for t, slope in zip(
                tensors, slopes if isinstance(slopes, tuple) else (slopes,), strict=True
            ):
                np.testing.assert_allclose(t.grad.numpy(), slope, rtol=1e-11, atol=1e-14)
    each = functional.lifted_structure(torch.tensor(a), torch.tensor(y), reduction="none")
    np.testing.assert_allclose(each.numpy(), arrays.lifted_structure(y, a, reduction="none"))


def test_equal_vectors_and_batches_of_one_class():
    for y in (torch.zeros(4), torch.arange(4), torch.tensor([0, 0, 1, 1])):
        x = torch.ones(4, 2, requires_grad=True)
        functional.lifted_structure(x, y).backward()
        assert not x.grad.any()
    s = torch.zeros(3, requires_grad=True)
    functional.pairwise_hinge(s, torch.zeros(3)).backward()
    assert not s.grad.any()


def test_what_is_refused():
    s, t = torch.zeros(3), torch.zeros(3, 2)
    ones, classes = torch.ones(3), torch.zeros(3, dtype=torch.long)
    for error, message, call in (
        (TypeError, "scores is list, expected a tensor", lambda: functional.hinge([0.0], ones)),
        (TypeError, "scores has dtype torch.int64", lambda: functional.hinge(classes, ones)),
        (ValueError, "scores is empty", lambda: functional.hinge(s[:0], ones[:0])),
        (TypeError, "y is int, expected a tensor", lambda: functional.hinge(s, 1)),
        (ValueError, "of 0 and 1 make 2", lambda: functional.hinge(s, classes)),
        (ValueError, "of 0 and 1 make 2", lambda: functional.hinge(s, ones.bool())),
        (ValueError, r"y has shape \(2,\), expected \(3,\)", lambda: functional.hinge(s, ones[:2])),
        (
            ValueError,
            r"y has shape \(3, 1\), expected \(3,\)",
            lambda: functional.hinge(s, ones[:, None]),
        ),
        (
            ValueError,
            "unknown reduction 'max'",
            lambda: functional.hinge(s, ones, reduction="max"),
        ),
        (
            ValueError,
            "sample_weight holds a number that is below 0",
            lambda: functional.hinge(s, ones, sample_weight=-ones),
        ),
        (ValueError, "width=0: expected", lambda: functional.huberized_hinge(s, ones, width=0)),
        (ValueError, "beta=-1: expected", lambda: functional.softplus_hinge(s, ones, beta=-1)),
        (ValueError, "scores has 1 dimensions", lambda: functional.crammer_singer(s, classes)),
        (TypeError, "y is torch.float32", lambda: functional.crammer_singer(t, ones)),
        (
            ValueError,
            "y holds 0 to 2, expected class numbers from 0 to 1",
            lambda: functional.crammer_singer(t, torch.arange(3)),
        ),
        (ValueError, "power=3", lambda: functional.one_vs_all(t, classes, power=3)),
        (
            ValueError,
            "cost is below 0 somewhere, or not 0",
            lambda: functional.crammer_singer(t, classes, cost=torch.ones(2, 2)),
        ),
        (
            ValueError,
            r"cost has shape \(3, 3\), expected \(2, 2\)",
            lambda: functional.crammer_singer(t, classes, cost=torch.ones(3, 3)),
        ),
        (ValueError, "scores has 1 class", lambda: functional.lee_lin_wahba(t[:, :1], classes)),
        (ValueError, "confidence=-1", lambda: functional.carlini_wagner(t, classes, confidence=-1)),
        (ValueError, "positive has shape", lambda: functional.n_pair(t, t[:2])),
        (
            ValueError,
            "reduction='none': expected 'mean' or 'sum'",
            lambda: functional.discriminator_hinge(s, s, reduction="none"),
        ),
        (
            ValueError,
            "y is on meta, but scores on cpu",
            lambda: functional.hinge(s, ones.to("meta")),
        ),
    ):
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("name", ["crammer_singer", "lee_lin_wahba", "one_vs_all"])
def test_rows_that_do_not_count_may_hold_anything(name):
    scores = torch.tensor([[1.0, 2.0], [torch.nan, torch.inf]], requires_grad=True)
    loss = getattr(functional, name)(scores, torch.tensor([0, -100]), power=2)
    loss.backward()
    assert loss.isfinite()
    assert scores.grad[0].isfinite().all()
    assert scores.grad[1].tolist() == [0, 0]


def test_bytes_do_not_wrap_around():
    scores = torch.tensor([0.5, 0.5])
    for y in (torch.tensor([1, 255], dtype=torch.uint8), torch.tensor([1, 127], dtype=torch.int8)):
        with pytest.raises(ValueError, match="y holds other labels than -1 and \\+1"):
            functional.hinge(scores, y)
    y = torch.tensor([156], dtype=torch.uint8)  # -100 as a byte
    assert functional.crammer_singer(torch.zeros(1, 157), y) == 1
    with pytest.raises(ValueError, match="y holds 156 to 156"):
        functional.crammer_singer(torch.zeros(1, 3), y)


def test_weights_are_finite():
    with pytest.raises(ValueError, match="sample_weight holds a number that is below 0 or not"):
        functional.hinge(torch.zeros(1), torch.ones(1), sample_weight=torch.tensor([torch.inf]))


def test_lifted_structure_of_nan_is_nan():
    x, y = torch.tensor([[0.0], [torch.nan], [3.0], [4.0]]), torch.tensor([0, 0, 1, 1])
    each = functional.lifted_structure(x, y, reduction="none")
    assert each.isnan().all()  # pairs (0, 1) and, pushed from the second vector, (2, 3)
