r"""The losses of `structsvm.hinge` that PyTorch lacks, as functions of tensors.

Scores come first and labels second, as in ``torch.nn.functional``; names, formulas, sources and
subgradients are those of `structsvm.hinge`, to which every function is compared in the tests. What
PyTorch has itself is not repeated:

======================================  ===========================================================
`structsvm.hinge`                       ``torch.nn.functional``
======================================  ===========================================================
logistic                                ``soft_margin_loss``
squared                                 ``mse_loss``
cross_entropy                           ``cross_entropy``
weston_watkins                          ``multi_margin_loss``, divided by the number of classes
margin_ranking                          ``margin_ranking_loss``
hinge_embedding                         ``hinge_embedding_loss``
triplet                                 ``triplet_margin_loss``, with ``eps=1e-6``; squared and
                                        others: ``triplet_margin_with_distance_loss``
======================================  ===========================================================

Parameters in common:

scores : tensor of float64, float32, bfloat16 or float16
    The last two are computed in float32. Any shape for binary losses, (n, K) for multiclass ones.
y : tensor
    -1 and +1 of the scores' shape or one that broadcasts to it; class numbers of shape (n,).
sample_weight : tensor that broadcasts to the values, default=None
    Factor of each value. The mean is then the weighted mean.
reduction : {"mean", "sum", "none"}
ignore_index : int, default=-100
    Of multiclass losses: rows with this in y have the value 0 and do not count in the mean, which
    is 0 if none is left.

They raise TypeError and ValueError for what is no such tensor, for shapes that do not fit and
tensors on two devices. What labels hold is checked on the CPU outside of `torch.compile`: elsewhere
it would cost a wait for the device, and labels of 0 and 1 or out of range give wrong values.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot, relu

from structsvm.torch._tensors import COMPUTED_AS, check_devices, check_floating, check_shape

__all__ = [
    "carlini_wagner",
    "categorical_hinge",
    "crammer_singer",
    "discriminator_hinge",
    "exponential",
    "generator_hinge",
    "hinge",
    "huberized_hinge",
    "lee_lin_wahba",
    "lifted_structure",
    "modified_huber",
    "n_pair",
    "one_vs_all",
    "pairwise_hinge",
    "perceptron",
    "savage",
    "smoothed_hinge",
    "softplus_hinge",
    "squared_hinge",
]


def _scores(name: str, scores: Tensor, n_dims: int | None = None) -> Tensor:
    if n_dims is None:
        n_dims = scores.ndim if isinstance(scores, torch.Tensor) else 0
    scores = check_floating(name, scores, n_dims)
    if scores.numel() == 0:
        raise ValueError(f"{name} is empty")
    return scores.to(COMPUTED_AS[scores.dtype])


def _holds(condition: Callable[[], Tensor], device: torch.device) -> bool:
    """Whether a condition holds, where it can be asked for nothing; else True."""
    if device.type != "cpu" or torch.compiler.is_compiling():
        return True
    return bool(condition())


def _like(name: str, value: Tensor, scores: Tensor, shape: torch.Size) -> Tensor:
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} is {type(value).__name__}, expected a tensor")
    check_devices(name, value, "scores", scores)
    try:
        stretched = torch.broadcast_shapes(value.shape, shape)
    except RuntimeError:
        stretched = None
    if stretched != shape:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}, expected {tuple(shape)} or one that "
            "broadcasts to it"
        )
    return value


def _margins(scores: Tensor, y: Tensor) -> Tensor:
    scores = _scores("scores", scores)
    y = _like("y", y, scores, scores.shape)
    wide = y if y.is_floating_point() or y.is_complex() else y.long()  # a byte of 255 is no -1
    is_label = lambda: ((wide == 1) | (wide == -1)).all()  # noqa: E731
    if y.dtype == torch.bool or not _holds(is_label, y.device):
        raise ValueError("y holds other labels than -1 and +1: of 0 and 1 make 2 * y - 1")
    return scores * y.to(scores.dtype)


def _classes(scores: Tensor, y: Tensor, ignore_index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, class numbers, those of rows that do not count being 0, and which rows count."""
    scores = _scores("scores", scores, 2)
    if not isinstance(y, torch.Tensor) or y.dtype == torch.bool or y.is_floating_point():
        kind = y.dtype if isinstance(y, torch.Tensor) else type(y).__name__
        raise TypeError(f"y is {kind}, expected a tensor of class numbers (integers)")
    check_devices("y", y, "scores", scores)
    check_shape("y", y, (len(scores),), ": one class for each row of scores")
    y = y.long()  # or a byte would be compared to the byte that ignore_index wraps around to
    counts = y != ignore_index
    labels = torch.where(counts, y, 0)
    # Whatever stands in rows that do not count: squares of NaN would have NaN as gradient.
    scores = torch.where(counts[:, None], scores, 0)
    n_classes = scores.shape[1]
    if not _holds(lambda: ((labels >= 0) & (labels < n_classes)).all(), y.device):
        raise ValueError(
            f"y holds {int(labels.min())} to {int(labels.max())}, expected class numbers from 0 to "
            f"{n_classes - 1}"
        )
    return scores, labels, counts


def _reduced(
    values: Tensor,
    reduction: str,
    sample_weight: Tensor | None,
    counts: Tensor | None = None,
) -> Tensor:
    """The values reduced; `counts` says for how many each stands in the mean."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"unknown reduction {reduction!r}: expected one of 'mean', 'sum', 'none'")
    factors = torch.ones_like(values) if counts is None else counts.to(values.dtype)
    if sample_weight is not None:
        weight = _like("sample_weight", sample_weight, values, values.shape).to(values.dtype)
        if not _holds(lambda: ((weight >= 0) & (weight < torch.inf)).all(), weight.device):
            raise ValueError(
                "sample_weight holds a number that is below 0 or not finite, expected numbers >= 0"
            )
        values, factors = values * weight, factors * weight
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    total = factors.sum()
    return values.sum() / torch.where(total > 0, total, 1)


def _of_rows(
    values: Tensor, counts: Tensor, reduction: str, sample_weight: Tensor | None
) -> Tensor:
    return _reduced(torch.where(counts, values, 0), reduction, sample_weight, counts)


def _power(values: Tensor, power: int) -> Tensor:
    if power not in (1, 2):
        raise ValueError(f"power={power!r}: expected 1 or 2")
    return values if power == 1 else values * values


# ---- binary


def hinge(
    scores: Tensor,
    y: Tensor,
    *,
    margin: float = 1.0,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.hinge`: :math:`\max(0, \gamma - m)` at the margins m = y * score.

    Examples
    --------
    >>> import torch
    >>> from structsvm.torch.functional import hinge
    >>> hinge(torch.tensor([2.5, 0.5]), torch.tensor([1, 1]))
    tensor(0.2500)
    """
    return _reduced(relu(margin - _margins(scores, y)), reduction, sample_weight)


def squared_hinge(
    scores: Tensor,
    y: Tensor,
    *,
    margin: float = 1.0,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.squared_hinge`: :math:`\max(0, \gamma - m)^2`."""
    return _reduced(relu(margin - _margins(scores, y)) ** 2, reduction, sample_weight)


def smoothed_hinge(
    scores: Tensor,
    y: Tensor,
    *,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`structsvm.hinge.smoothed_hinge`, of Rennie and Srebro."""
    m = _margins(scores, y)
    values = torch.where(m <= 0, 0.5 - m, torch.clamp(1 - m, 0, 1) ** 2 / 2)
    return _reduced(values, reduction, sample_weight)


def huberized_hinge(
    scores: Tensor,
    y: Tensor,
    *,
    width: float = 0.5,
    margin: float = 1.0,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`structsvm.hinge.huberized_hinge`: the hinge with a parabola of half-width `width`."""
    if not width > 0:
        raise ValueError(f"width={width!r}: expected a number > 0")
    short = margin - _margins(scores, y)
    parabola = width * torch.clamp((width + short) / (2 * width), 0, 1) ** 2
    return _reduced(torch.where(short > width, short, parabola), reduction, sample_weight)


def modified_huber(
    scores: Tensor,
    y: Tensor,
    *,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.modified_huber`: :math:`\max(0, 1 - m)^2` for m >= -1, else -4m."""
    m = _margins(scores, y)
    values = torch.where(m < -1, -4 * m, torch.clamp(1 - m, 0, 2) ** 2)
    return _reduced(values, reduction, sample_weight)


def softplus_hinge(
    scores: Tensor,
    y: Tensor,
    *,
    beta: float = 1.0,
    margin: float = 1.0,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.softplus_hinge`: :math:`\log(1 + e^{\beta (\gamma - m)}) / \beta`.

    Without the threshold of ``torch.nn.functional.softplus``, above which that is linear.
    """
    if not beta > 0:
        raise ValueError(f"beta={beta!r}: expected a number > 0")
    exponent = beta * (margin - _margins(scores, y))
    values = torch.logaddexp(torch.zeros_like(exponent), exponent) / beta
    return _reduced(values, reduction, sample_weight)


def perceptron(
    scores: Tensor,
    y: Tensor,
    *,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.perceptron`: :math:`\max(0, -m)`."""
    return _reduced(relu(-_margins(scores, y)), reduction, sample_weight)


def exponential(
    scores: Tensor,
    y: Tensor,
    *,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.exponential`: :math:`e^{-m}`; inf where that overflows."""
    return _reduced(torch.exp(-_margins(scores, y)), reduction, sample_weight)


def savage(
    scores: Tensor,
    y: Tensor,
    *,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.savage`: :math:`1 / (1 + e^{2 m})^2`."""
    return _reduced(torch.sigmoid(-2 * _margins(scores, y)) ** 2, reduction, sample_weight)


# ---- multiclass


def crammer_singer(
    scores: Tensor,
    y: Tensor,
    *,
    cost: Tensor | None = None,
    margin: float = 1.0,
    power: int = 1,
    sample_weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.crammer_singer`: :math:`(\max_k \gamma \Delta(y, k) + s_k - s_y)^p`.

    `cost` is a tensor of shape (K, K), >= 0 and 0 on its diagonal; None: 1 for each wrong class.

    Examples
    --------
    >>> import torch
    >>> from structsvm.torch.functional import crammer_singer
    >>> scores = torch.tensor([[2.0, 0.5, 0.0], [0.0, 1.0, 1.5]])
    >>> crammer_singer(scores, torch.tensor([0, 2]), reduction="none")
    tensor([0.0000, 0.5000])
    """
    scores, labels, counts = _classes(scores, y, ignore_index)
    k = scores.shape[1]
    if cost is not None:
        if not isinstance(cost, torch.Tensor):
            raise TypeError(f"cost is {type(cost).__name__}, expected a tensor")
        check_shape("cost", cost, (k, k), ": rows are true classes")
        check_devices("cost", cost, "scores", scores)
        if not _holds(lambda: (cost >= 0).all() & (cost.diagonal() == 0).all(), cost.device):
            raise ValueError("cost is below 0 somewhere, or not 0 on its diagonal")
    required = 1.0 if cost is None else cost.to(scores.dtype)[labels]
    augmented = _without_truth(margin * required + scores, labels)
    lead = augmented.max(dim=1).values - scores.gather(1, labels[:, None])[:, 0]
    return _of_rows(_power(relu(lead), power), counts, reduction, sample_weight)


def _without_truth(scores: Tensor, labels: Tensor) -> Tensor:
    """The scores with -inf in place of those of the true classes."""
    truth = one_hot(labels, scores.shape[1]).bool()
    return scores.masked_fill(truth, -torch.inf)


def lee_lin_wahba(
    scores: Tensor,
    y: Tensor,
    *,
    margin: float = 1.0,
    power: int = 1,
    sample_weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.lee_lin_wahba`:
    :math:`\sum_{k \ne y} \max(0, \bar s_k + \tfrac{\gamma}{K - 1})^p`, of centred scores.
    """
    scores, labels, counts = _classes(scores, y, ignore_index)
    k = scores.shape[1]
    if k < 2:
        raise ValueError("scores has 1 class, expected at least 2")
    short = scores - scores.mean(dim=1, keepdim=True) + margin / (k - 1)
    values = _power(relu(_without_truth(short, labels)), power).sum(dim=1)
    return _of_rows(values, counts, reduction, sample_weight)


def one_vs_all(
    scores: Tensor,
    y: Tensor,
    *,
    margin: float = 1.0,
    power: int = 1,
    sample_weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.one_vs_all`:
    :math:`\sum_k \max(0, \gamma - t_k s_k)^p`, t_y = 1, else -1.
    """
    scores, labels, counts = _classes(scores, y, ignore_index)
    signs = 2 * one_hot(labels, scores.shape[1]).to(scores.dtype) - 1
    values = _power(relu(margin - signs * scores), power).sum(dim=1)
    return _of_rows(values, counts, reduction, sample_weight)


def categorical_hinge(
    scores: Tensor,
    y: Tensor,
    *,
    margin: float = 1.0,
    sample_weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.categorical_hinge`, Keras':
    :math:`\max(0, \gamma + \max(0, \max_{k \ne y} s_k) - s_y)`.
    """
    scores, labels, counts = _classes(scores, y, ignore_index)
    worst = relu(_without_truth(scores, labels).max(dim=1).values)
    values = relu(margin + worst - scores.gather(1, labels[:, None])[:, 0])
    return _of_rows(values, counts, reduction, sample_weight)


def carlini_wagner(
    scores: Tensor,
    y: Tensor,
    *,
    confidence: float = 0.0,
    targeted: bool = True,
    sample_weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.carlini_wagner`, of attacks:
    :math:`\max(-\kappa, \max_{k \ne t} s_k - s_t)`.

    Untargeted, the difference is that of the other side.
    """
    scores, labels, counts = _classes(scores, y, ignore_index)
    if scores.shape[1] < 2:
        raise ValueError("scores has 1 class, expected at least 2")
    if not confidence >= 0:
        raise ValueError(f"confidence={confidence!r}: expected a number >= 0")
    others = _without_truth(scores, labels).max(dim=1).values
    lead = others - scores.gather(1, labels[:, None])[:, 0]
    values = relu((lead if targeted else -lead) + confidence) - confidence
    return _of_rows(values, counts, reduction, sample_weight)


# ---- orders and distances


def pairwise_hinge(
    scores: Tensor,
    relevance: Tensor,
    *,
    query: Tensor | None = None,
    margin: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.pairwise_hinge`: :math:`\max(0, \mathrm{margin} - (s_i - s_j))` over pairs
    with relevance i > j, of one query. "none" gives one value for each pair, by (i, j).

    Time and memory are O(n^2 + pairs), on any device; the function of `structsvm.hinge` lists no
    pairs.
    """
    scores = _scores("scores", scores, 1)
    for name, value in (("relevance", relevance), ("query", query)):
        if value is not None:
            _like(name, value, scores, scores.shape)
            check_shape(name, value, tuple(scores.shape), " as scores has")
    pairs = relevance[:, None] > relevance
    if query is not None:
        pairs = pairs & (query[:, None] == query)
    first, second = torch.nonzero(pairs, as_tuple=True)
    return _reduced(relu(margin - (scores[first] - scores[second])), reduction, None)


def n_pair(
    anchor: Tensor,
    positive: Tensor,
    *,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""`structsvm.hinge.n_pair`:
    :math:`\log(1 + \sum_{j \ne i} e^{\langle a_i, x_j - x_i \rangle})`.
    """
    anchor, positive = _scores("anchor", anchor, 2), _scores("positive", positive, 2)
    check_shape("positive", positive, tuple(anchor.shape), " as anchor has")
    check_devices("positive", positive, "anchor", anchor)
    places = torch.arange(len(anchor), device=anchor.device)
    values = cross_entropy(anchor @ positive.T, places, reduction="none")
    return _reduced(values, reduction, sample_weight)


def lifted_structure(
    vectors: Tensor, y: Tensor, *, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """`structsvm.hinge.lifted_structure`, half the squares of J over pairs of one class.

    "none" gives them by (i, j). Where two vectors are equal, their distance has the derivative 0.
    """
    x = _scores("vectors", vectors, 2)
    _like("y", y, x, x.shape[:1])
    check_shape("y", y, (len(x),), ": one class for each vector")
    squares = ((x[:, None] - x) ** 2).sum(dim=2)
    apart = squares != 0  # NaN, too
    distances = torch.where(apart, torch.where(apart, squares, 1).sqrt(), 0)
    alike = y[:, None] == y
    first, second = torch.nonzero(alike.triu(1), as_tuple=True)
    pushes = (margin - distances).masked_fill(alike, -torch.inf)
    both = torch.cat([pushes[first], pushes[second]], dim=1)
    pushed = (both != -torch.inf).any(dim=1)
    logs = torch.logsumexp(torch.where(pushed[:, None], both, 0), dim=1)
    heights = torch.where(pushed, distances[first, second] + logs, 0)
    return _reduced(relu(heights) ** 2 / 2, reduction, None)


# ---- adversarial


def discriminator_hinge(real: Tensor, fake: Tensor, *, reduction: str = "mean") -> Tensor:
    r"""`structsvm.hinge.discriminator_hinge`: :math:`\max(0, 1 - D(x)) + \max(0, 1 + D(G(z)))`.

    The mean, or the sum, over real samples plus that over fake ones.
    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction={reduction!r}: expected 'mean' or 'sum'")
    real, fake = _scores("real", real), _scores("fake", fake)
    check_devices("fake", fake, "real", real)
    of_real = _reduced(relu(1 - real), reduction, None)
    return of_real + _reduced(relu(1 + fake), reduction, None)


def generator_hinge(fake: Tensor, *, reduction: str = "mean") -> Tensor:
    r"""`structsvm.hinge.generator_hinge`: :math:`-D(G(z))`."""
    return _reduced(-_scores("fake", fake), reduction, None)
