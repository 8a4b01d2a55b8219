"""ChainHinge against enumeration, against pytorch-crf's conventions, and on bad input."""

import copy
import functools
import itertools
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from torch.nn.utils.rnn import pack_padded_sequence  # noqa: E402

from structsvm.torch import ChainHinge  # noqa: E402
from structsvm.torch import _chain_functions as functions  # noqa: E402
from structsvm.torch import chain as chain_module  # noqa: E402

K, VOID = 3, -100


def batch(seed=0, n=4, longest=5, dtype=torch.float64, void=0.15, grain=None):
    """Emissions, tags and a mask with holes, batch first."""
    rng = np.random.default_rng(seed)
    emissions = torch.tensor(rng.normal(size=(n, longest, K)), dtype=dtype)
    if grain:
        emissions = (emissions * grain).round() / grain
    tags = torch.tensor(rng.integers(K, size=(n, longest)))
    tags[torch.tensor(rng.random((n, longest)) < void)] = VOID
    mask = torch.tensor(rng.random((n, longest)) < 0.7)
    mask[torch.arange(n), torch.tensor(rng.integers(longest, size=n))] = True
    return emissions, tags, mask


def module(dtype=torch.float64, seed=0, **more):
    torch.manual_seed(seed)
    return ChainHinge(K, batch_first=True, **more).to(dtype)


def score(hinge, emissions, labels, known, edges=None):
    """The score of the labels of one sequence whose positions are all there."""
    total = emissions.new_zeros(())
    for t, label in enumerate(labels):
        if not known[t]:
            continue
        total = total + emissions[t, label]
        if t == 0:
            total = total + hinge.start_transitions[label]
        elif known[t - 1]:
            total = total + hinge.transitions[labels[t - 1], label]
            if edges is not None:
                total = total + edges[t, labels[t - 1], label]
        if t == len(labels) - 1:
            total = total + hinge.end_transitions[label]
    return total


def by_enumeration(hinge, emissions, tags, mask, edges=None):
    """The hinges of a batch, by automatic differentiation of the maximum over all sequences."""
    hinges = []
    for b in range(len(tags)):
        there = mask[b]
        own, truth = emissions[b][there], tags[b][there].tolist()
        pairs = None if edges is None else edges[b][there]
        known = [tag != VOID for tag in truth]
        base = score(hinge, own, truth, known, pairs)
        gains = []
        for labels in itertools.product(range(K), repeat=len(truth)):
            loss = sum(y != label for y, label in zip(truth, labels, strict=True) if y != VOID)
            if hinge._cost is not None:
                loss = sum(
                    float(hinge._cost[y, label])
                    for y, label in zip(truth, labels, strict=True)
                    if y != VOID
                )
            gains.append(score(hinge, own, labels, known, pairs) - base + loss)
        hinges.append(torch.stack(gains).max())
    return torch.stack(hinges)


@pytest.fixture(params=["compiled", "tensors"])
def path(request, monkeypatch):
    """Both ways of computing, on the CPU: that of other devices has no other code."""
    if request.param == "tensors":
        monkeypatch.setattr(chain_module, "compiled_hinges", functions.tensor_hinges)
        monkeypatch.setattr(
            chain_module,
            "compiled_paths",
            lambda *args: functions.tensor_paths(*args, None).to(torch.int32).numpy(),
        )
    return request.param


def gradients(hinge, value, *tensors):
    return torch.autograd.grad(value, [*hinge.parameters(), *tensors])


@pytest.mark.parametrize("with_edges", [False, True])
@pytest.mark.parametrize("with_cost", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_hinges_and_gradients_are_those_of_enumeration(path, seed, with_cost, with_edges):
    cost = [[0, 2, 1], [0.5, 0, 3], [1, 1, 0]] if with_cost else None
    hinge = module(seed=seed, cost=cost)
    emissions, tags, mask = batch(seed)
    emissions.requires_grad_()
    edges, more = None, []
    if with_edges:
        edges = torch.tensor(
            np.random.default_rng(seed).normal(size=(4, 5, K, K)), requires_grad=True
        )
        more = [edges]
    expected = by_enumeration(hinge, emissions, tags, mask, edges)
    found = -hinge(emissions, tags, mask, reduction="none", edges=edges)
    torch.testing.assert_close(found, expected)
    weights = torch.arange(1.0, 5.0, dtype=torch.float64)
    for a, b in zip(
        gradients(hinge, (weights * found).sum(), emissions, *more),
        gradients(hinge, (weights * expected).sum(), emissions, *more),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(5))
def test_both_ways_have_the_same_bits_where_sums_are_exact(seed, dtype):
    # Multiples of 1/4, with many ties: the same path among the best.
    hinge = module(dtype, seed)
    with torch.no_grad():
        for parameter in hinge.parameters():
            parameter.copy_((parameter * 20).round() / 4)
    emissions, tags, mask = batch(seed, n=12, longest=9, dtype=dtype, grain=4)
    scores, mask = hinge._checked(emissions.requires_grad_(), mask, None)
    truth = functions.ChainTruth(tags, VOID, None)
    found = []
    for hinges in (functions.compiled_hinges, functions.tensor_hinges):
        value = hinges(scores, mask, truth)
        found.append((value, *torch.autograd.grad(value.sum(), scores, retain_graph=True)))
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)
    paths = functions.compiled_paths(scores, mask)
    np.testing.assert_array_equal(paths, functions.tensor_paths(scores, mask, None))


@pytest.mark.parametrize("longest", [1, 7])
def test_void_positions_and_holes_on_longer_chains(longest):
    hinge = module(torch.float32)
    emissions, tags, mask = batch(9, n=20, longest=longest, dtype=torch.float32, void=0.4)
    scores, mask = hinge._checked(emissions, mask, None)
    truth = functions.ChainTruth(tags, VOID, None)
    torch.testing.assert_close(
        functions.compiled_hinges(scores, mask, truth),
        functions.tensor_hinges(scores, mask, truth),
        atol=1e-5,
        rtol=1e-5,
    )


def test_holes_join_their_neighbours_and_void_positions_part_them(path):
    hinge = module()
    emissions, tags, _ = batch(1, n=1, void=0)
    holes = torch.tensor([[False, True, False, True, True]])
    kept = holes[0]
    joined = hinge(emissions, tags, holes)
    torch.testing.assert_close(joined, hinge(emissions[:, kept], tags[:, kept]))
    assert hinge.decode(emissions, holes) == hinge.decode(emissions[:, kept])
    tags[0, 2] = VOID
    ends = copy.deepcopy(hinge)
    with torch.no_grad():
        ends.end_transitions.zero_()
    starts = copy.deepcopy(hinge)
    with torch.no_grad():
        starts.start_transitions.zero_()
    parted = ends(emissions[:, :2], tags[:, :2]) + starts(emissions[:, 3:], tags[:, 3:])
    torch.testing.assert_close(hinge(emissions, tags), parted)
    assert len(hinge.decode(emissions)[0]) == 5


def test_masked_entries_may_be_anything(path):
    hinge = module()
    emissions, tags, mask = batch(2)
    expected = hinge(emissions, tags, mask)
    tags[~mask] = 99
    emissions[~mask] = torch.nan
    assert torch.equal(hinge(emissions, tags, mask), expected)


def test_reductions_and_layout(path):
    hinge = module()
    emissions, tags, mask = batch(3)
    each = hinge(emissions, tags, mask, reduction="none")
    assert each.shape == (4,)
    torch.testing.assert_close(hinge(emissions, tags, mask), each.sum())
    torch.testing.assert_close(hinge(emissions, tags, mask, "mean"), each.mean())
    known = (mask & (tags != VOID)).sum()
    torch.testing.assert_close(hinge(emissions, tags, mask, "token_mean"), each.sum() / known)
    other = copy.deepcopy(hinge)
    other.batch_first = False
    turned = [each.transpose(0, 1) for each in (emissions, tags, mask)]
    torch.testing.assert_close(other(*turned, reduction="none"), each)
    torch.testing.assert_close(other(turned[0], turned[1], turned[2].to(torch.uint8)), each.sum())
    assert other.decode(turned[0], turned[2]) == hinge.decode(emissions, mask)


def test_decode_finds_the_best_sequences(path):
    hinge = module()
    emissions, _, mask = batch(4)
    for b, labels in enumerate(hinge.decode(emissions, mask)):
        own = emissions[b][mask[b]]
        scores = {
            each: score(hinge, own, each, [True] * len(own)).item()
            for each in itertools.product(range(K), repeat=len(own))
        }
        assert tuple(labels) == max(scores, key=scores.get)
        assert all(type(label) is int for label in labels)


def test_edges_may_be_shared_by_a_batch(path):
    hinge = module()
    emissions, tags, mask = batch(5)
    edges = torch.randn(5, K, K, dtype=torch.float64, requires_grad=True)
    each = edges.expand(4, 5, K, K)
    value = hinge(emissions, tags, mask, edges=edges)
    assert torch.equal(value, hinge(emissions, tags, mask, edges=each))
    assert torch.autograd.grad(value, edges)[0].abs().sum() > 0
    other = copy.deepcopy(hinge)
    other.batch_first = False
    turned = [x.transpose(0, 1) for x in (emissions, tags, mask)]
    torch.testing.assert_close(other(*turned, edges=each.transpose(0, 1)), value)


def test_constraints_hold_in_training_and_in_decoding(path):
    labels = ["B-NP", "I-NP", "O"]
    hinge = module(constraints="iob2", labels=labels)
    emissions = torch.tensor([[[0.0, 9, 0], [0, 9, 0], [0, 0, 11], [3, 9, 0]]], dtype=torch.float64)
    assert hinge.decode(emissions) == [[0, 1, 2, 0]]
    numbers = module(constraints=[(2, 1), (None, 1)])
    assert numbers.decode(emissions) == [[0, 1, 2, 0]]
    truth = torch.tensor([[0, 1, 2, 0]])
    emissions.requires_grad_()
    loss = -hinge(emissions, truth)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(hinge.transitions.grad).all()
    with pytest.raises(ValueError, match=r"tags of sequence 0 are forbidden.* position 3, .* is 1"):
        hinge(emissions, torch.tensor([[0, 1, 2, 1]]))
    with pytest.raises(ValueError, match=r"tags of sequence 0 are forbidden.* position 0"):
        hinge(emissions, torch.tensor([[1, 1, 2, 0]]))
    ends = module(constraints=[(2, None)])
    with pytest.raises(ValueError, match=r"tags of sequence 0 are forbidden.* position 3"):
        ends(emissions, torch.tensor([[0, 0, 0, 2]]))
    with pytest.raises(ValueError, match="forbid every labelling of sequence 0"):
        module(constraints=[(i, j) for i in range(3) for j in range(3)]).decode(emissions)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(path, dtype):
    hinge = module(torch.float32)
    emissions, tags, mask = batch(6, dtype=dtype)
    emissions.requires_grad_()
    value = hinge(emissions, tags, mask)
    assert value.dtype == torch.float32
    assert torch.equal(value, hinge(emissions.float(), tags, mask))
    (gradient,) = torch.autograd.grad(value, emissions)
    assert gradient.dtype == dtype
    half = copy.deepcopy(hinge).to(dtype)
    assert half(emissions, tags, mask).dtype == torch.float32


def test_gradcheck_away_from_ties(path):
    hinge = module()
    emissions, tags, mask = batch(7)
    edges = torch.randn(4, 5, K, K, dtype=torch.float64, requires_grad=True)

    def value(emissions, edges, *parameters):
        names = ("start_transitions", "end_transitions", "transitions")
        return torch.func.functional_call(
            hinge,
            dict(zip(names, parameters, strict=True)),
            (emissions, tags, mask, "none"),
            {"edges": edges},
        )

    parameters = (hinge.start_transitions, hinge.end_transitions, hinge.transitions)
    assert torch.autograd.gradcheck(value, (emissions.requires_grad_(), edges, *parameters))
    assert torch.autograd.gradcheck(lambda own: hinge(own, tags, mask, "none"), (emissions,))


def test_second_derivatives_are_zero_and_gradients_linear_in_their_factors(path):
    hinge = module()
    emissions, tags, mask = batch(8)
    emissions.requires_grad_()
    factors = torch.rand(4, dtype=torch.float64, requires_grad=True)

    def value(own, factors):
        return (factors * hinge(own, tags, mask, "none").square()).sum()

    assert torch.autograd.gradgradcheck(value, (emissions, factors))
    (gradient,) = torch.autograd.grad(value(emissions, factors), emissions, create_graph=True)
    gradient.square().sum().backward()
    assert hinge.transitions.grad.abs().sum() > 0


def test_training_under_autocast():
    hinge = module(torch.float32)
    encoder = torch.nn.Linear(4, K)
    inputs = torch.randn(4, 5, 4)
    _, tags, mask = batch(10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        emissions = encoder(inputs)
        loss = -hinge(emissions, tags, mask)
    assert emissions.dtype == torch.bfloat16
    loss.backward()
    assert encoder.weight.grad.dtype == torch.float32
    assert encoder.weight.grad.abs().sum() > 0


def test_weights_of_a_crf_load(tmp_path):
    hinge = module()
    state = hinge.state_dict()
    assert set(state) == {"start_transitions", "end_transitions", "transitions"}
    constrained = module(seed=1, constraints=[(0, 1)], cost=1 - np.eye(K))
    assert set(constrained.state_dict()) == set(state)
    constrained.load_state_dict(state)
    emissions, tags, mask = batch(11, void=0)
    for copied in (copy.deepcopy(constrained), pickle.loads(pickle.dumps(constrained))):
        assert copied.decode(emissions, mask) == constrained.decode(emissions, mask)
    torch.save(hinge, tmp_path / "hinge.pt")
    again = torch.load(tmp_path / "hinge.pt", weights_only=False)
    assert torch.equal(again(emissions, tags, mask), hinge(emissions, tags, mask))


def test_as_pytorch_crf():
    torchcrf = pytest.importorskip("torchcrf", reason="pip install pytorch-crf --no-deps")
    crf = torchcrf.CRF(K, batch_first=True).double()
    hinge = ChainHinge(K, batch_first=True).double()
    hinge.load_state_dict(crf.state_dict())
    emissions, tags, _ = batch(12, void=0)
    mask = torch.arange(5)[None] < torch.tensor([5, 1, 3, 4])[:, None]
    assert hinge.decode(emissions, mask) == crf.decode(emissions, mask)
    each = hinge(emissions, tags, mask, reduction="none")
    assert each.shape == crf(emissions, tags, mask, reduction="none").shape
    assert (each <= 0).all()


def test_empty_batches(path):
    hinge = module()
    emissions = torch.zeros(0, 5, K, dtype=torch.float64, requires_grad=True)
    tags = torch.zeros(0, 5, dtype=torch.int64)
    for reduction in ("sum", "mean", "token_mean"):
        value = hinge(emissions, tags, reduction=reduction)
        assert value == 0
    value.backward()
    # As distributed training and optimisers expect of each parameter.
    assert all(part.grad is not None and not part.grad.any() for part in hinge.parameters())
    assert hinge(emissions, tags, reduction="none").shape == (0,)
    assert hinge.decode(emissions) == []


def test_sequences_without_positions(path):
    hinge = module()
    emissions, tags = torch.zeros(2, 0, K, dtype=torch.float64), torch.zeros(2, 0).long()
    with pytest.raises(ValueError, match="sequence 0"):
        hinge(emissions, tags)
    with pytest.raises(ValueError, match="sequence 0"):
        hinge.decode(emissions)


def bad(**changes):
    emissions, tags, mask = batch(0, void=0)
    mask[:] = True
    given = {"emissions": emissions, "tags": tags, "mask": mask}
    return given | {k: v(given[k]) if callable(v) else v for k, v in changes.items()}


def put(value, *where):
    def change(tensor):
        tensor = tensor.clone()
        tensor[where] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (bad(emissions=[[1.0]]), TypeError, "emissions is list, expected a tensor"),
        (bad(emissions=torch.Tensor.long), TypeError, "emissions has dtype torch.int64"),
        (bad(emissions=lambda x: x[0]), ValueError, "emissions has 2 dimensions, expected 3"),
        (bad(emissions=lambda x: x[..., :2]), ValueError, "emissions has shape .* expected 3"),
        (bad(emissions=put(torch.nan, 1, 2, 0)), ValueError, "emissions of sequence 1, position 2"),
        (bad(emissions=put(torch.inf, 1, 2, 0)), ValueError, "are inf at 0; scores are finite"),
        (bad(emissions=lambda x: x.to("meta")), ValueError, "emissions is on meta, but"),
        (bad(tags=np.zeros((4, 5))), TypeError, "tags is ndarray, expected a tensor"),
        (bad(tags=torch.Tensor.float), TypeError, "tags has dtype torch.float32, expected int64"),
        (bad(tags=lambda x: x[:, :4]), ValueError, r"tags has shape \(4, 4\), expected \(4, 5\)"),
        (
            bad(tags=put(3, 1, 2)),
            ValueError,
            "tags of sequence 1, position 2 is 3, expected 0 to 2",
        ),
        (bad(tags=put(-1, 1, 2)), ValueError, "tags of sequence 1, position 2 is -1"),
        (bad(tags=put(2**62, 1, 2)), ValueError, "position 2 is 4611686018427387904"),
        (bad(tags=lambda x: x.to("meta")), ValueError, "tags is on meta, but emissions on cpu"),
        (bad(mask=[[True]]), TypeError, "mask is list"),
        (bad(mask=torch.Tensor.float), TypeError, "mask has dtype torch.float32, expected bool"),
        (bad(mask=lambda x: x[:3]), ValueError, r"mask has shape \(3, 5\)"),
        (bad(mask=put(False, 2)), ValueError, "mask is False at all positions of sequence 2"),
        (bad(mask=lambda x: x.to("meta")), ValueError, "mask is on meta, but emissions on cpu"),
        (bad() | {"reduction": "max"}, ValueError, "reduction='max': expected one of"),
        (bad() | {"edges": torch.zeros(5, 3)}, ValueError, "edges has 2 dimensions"),
        (bad() | {"edges": torch.zeros(4, 3, 3)}, ValueError, "edges has shape"),
        (
            bad() | {"edges": torch.full((5, 3, 3), torch.nan)},
            ValueError,
            "transitions, with edges, to position",
        ),
        (bad() | {"edges": torch.zeros(5, 3, 3).long()}, TypeError, "edges has dtype torch.int64"),
    ],
)
def test_bad_input_of_forward(path, given, error, message):
    hinge = module()
    with pytest.raises(error, match=message):
        hinge(**given)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"num_tags": 0}, "num_tags=0: expected an integer >= 1"),
        ({"num_tags": 2.5}, "num_tags=2.5"),
        ({"num_tags": True}, "num_tags=True"),
        ({"ignore_index": 1}, "ignore_index=1: expected an integer that is no label"),
        ({"cost": np.eye(2)}, "cost has shape"),
        ({"cost": np.eye(3)}, "cost has entries on its diagonal"),
        ({"cost": np.eye(3) - 1}, "cost has entries that are negative"),
        ({"constraints": "iob2"}, "give labels"),
        ({"constraints": [(0, 7)]}, "names 7, which is no label"),
        ({"constraints": [], "labels": ["a"]}, "labels has 1 entries, expected num_tags=3"),
    ],
)
def test_bad_constructor_arguments(args, message):
    with pytest.raises(ValueError, match=message):
        ChainHinge(**({"num_tags": 3} | args))


def test_parameters_that_are_not_finite(path):
    hinge = module()
    emissions, tags, mask = batch(0)
    for parameter in hinge.parameters():
        with torch.no_grad():
            kept = parameter.clone()
            parameter.view(-1)[1] = torch.nan
        with pytest.raises(ValueError, match="transitions"):
            hinge(emissions, tags, mask)
        with torch.no_grad():
            parameter.copy_(kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_that_overflow_are_told(path, dtype):
    hinge = module(dtype)
    large = torch.zeros(2, 4, K, dtype=dtype)
    large[1], large[1, :, 0] = 0.6 * torch.finfo(dtype).max, -0.6 * torch.finfo(dtype).max
    tags = torch.zeros(2, 4, dtype=torch.int64)
    message = f"scores of sequence 1 are so large that their sums overflow {dtype}"
    with pytest.raises(ValueError, match=message):
        hinge.decode(large)
    with pytest.raises(ValueError, match=message):
        hinge(large, tags)
    hinge.decode(large / 8)
    assert hinge(large / 16, tags).isfinite()


def test_hinges_that_their_type_does_not_hold_are_told():
    scores = torch.tensor([[[-3e38, 3e38, 0.0]]])
    with pytest.raises(ValueError, match="scores of sequence 0 are so large"):
        module(torch.float32)(scores, torch.tensor([[0]]))
    assert module(torch.float32).decode(scores) == [[1]]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("tags_packed", [True, False])
def test_packed_sequences_are_as_padded_ones(batch_first, tags_packed):
    emissions, tags, _ = batch(n=5, longest=6)
    lengths = torch.tensor([4, 6, 1, 6, 3])  # not sorted
    mask = torch.arange(6) < lengths[:, None]
    expected = module()
    value = expected(emissions.requires_grad_(), tags, mask)
    value.backward()
    by_rows = emissions.grad.clone()
    emissions.grad = None

    hinge = ChainHinge(K, batch_first=batch_first).double()
    hinge.load_state_dict(expected.state_dict())
    own = [each if batch_first else each.transpose(0, 1) for each in (emissions, tags)]
    packed, packed_tags = (
        pack_padded_sequence(each, lengths, batch_first=batch_first, enforce_sorted=False)
        for each in own
    )
    found = hinge(packed, packed_tags if tags_packed else own[1])
    found.backward()
    assert torch.equal(found, value)
    assert torch.equal(emissions.grad, by_rows)
    assert hinge.decode(packed) == expected.decode(emissions, mask)


def test_packed_sequences_that_do_not_fit_are_refused():
    emissions, tags, mask = batch(n=2, longest=3)
    hinge = module()
    pack = functools.partial(pack_padded_sequence, batch_first=True, enforce_sorted=False)
    packed = pack(emissions, torch.tensor([3, 1]))
    with pytest.raises(ValueError, match="mask is given, but packed emissions have lengths"):
        hinge(packed, tags, mask)
    with pytest.raises(TypeError, match="tags are packed, but emissions are a tensor"):
        hinge(emissions, pack(tags, torch.tensor([3, 1])))
    with pytest.raises(ValueError, match=r"lengths \[3, 2\], expected .* \[3, 1\]"):
        hinge(packed, pack(tags, torch.tensor([3, 2])))
    with pytest.raises(ValueError, match=r"tags has shape \(2, 2\)"):
        hinge(packed, tags[:, :2])
