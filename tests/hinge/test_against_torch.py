"""The same values and gradients as torch, torchmetrics and Keras, where they are installed."""

import functools
import os

import numpy as np
import pytest

from structsvm import hinge as hinges

torch = pytest.importorskip("torch", reason="torch is not installed; it is compared with if it is")
functional = torch.nn.functional

rng = np.random.default_rng(0)
Y, S = rng.integers(5, size=40), rng.normal(size=(40, 5))
SIGNS = rng.choice([-1, 1], size=40)
A, B, C = rng.normal(size=(3, 40, 6))
SOME = np.where(rng.random(40) < 0.2, -100, Y)
REDUCTIONS = ("mean", "sum", "none")
exactly = functools.partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12)


def compared(ours, theirs, *arrays, factor=1.0):
    """Our value and gradients by the arrays, beside theirs times a factor."""
    for reduction in REDUCTIONS:
        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        their_value = theirs(*tensors, reduction=reduction)
        their_value.sum().backward()
        value, gradients = ours(*arrays, reduction=reduction, with_gradient=True)
        exactly(value, factor * their_value.detach().numpy())
        for gradient, tensor in zip(
            gradients if isinstance(gradients, tuple) else (gradients,), tensors, strict=True
        ):
            exactly(gradient, factor * tensor.grad.numpy())


def test_binary_losses_that_torch_has_too():
    s, signs = S[:, 0], torch.tensor(SIGNS)
    compared(
        functools.partial(hinges.logistic, SIGNS),
        lambda t, reduction: functional.soft_margin_loss(t, signs, reduction=reduction),
        s,
    )
    chances = (signs + 1) / 2.0
    compared(
        functools.partial(hinges.logistic, SIGNS),
        lambda t, reduction: functional.binary_cross_entropy_with_logits(
            t, chances.double(), reduction=reduction
        ),
        s,
    )
    compared(
        functools.partial(hinges.squared, SIGNS),
        lambda t, reduction: functional.mse_loss(t, signs.double(), reduction=reduction),
        s,
    )
    compared(
        functools.partial(hinges.hinge_embedding, SIGNS, margin=0.8),
        lambda t, reduction: functional.hinge_embedding_loss(
            t, signs, margin=0.8, reduction=reduction
        ),
        np.abs(s),
    )
    t = torch.tensor(s, requires_grad=True)
    for beta, margin in ((3.0, 1.0), (2.0, 0.5)):
        theirs = functional.softplus(margin - signs * t, beta=beta, threshold=1e3)
        value = hinges.softplus_hinge(SIGNS, s, beta=beta, margin=margin, reduction="none")
        exactly(value, theirs.detach().numpy())


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("margin", [1.0, 0.4])
def test_multiclass_losses_that_torch_has_too(power, margin):
    y = torch.tensor(Y)
    compared(
        functools.partial(hinges.weston_watkins, Y, power=power, margin=margin),
        lambda t, reduction: functional.multi_margin_loss(
            t, y, p=power, margin=margin, reduction=reduction
        ),
        S,
        factor=5,  # theirs is divided by the number of classes
    )
    for labels in (Y, SOME):
        compared(
            functools.partial(hinges.cross_entropy, labels, ignore_index=-100),
            lambda t, reduction, labels=labels: functional.cross_entropy(
                t, torch.tensor(labels), reduction=reduction
            ),
            S,
        )


@pytest.mark.parametrize("margin", [0.0, 0.4])
def test_orders_that_torch_has_too(margin):
    signs = torch.tensor(SIGNS)
    compared(
        functools.partial(hinges.margin_ranking, SIGNS, margin=margin),
        lambda t, u, reduction: functional.margin_ranking_loss(
            t, u, signs, margin=margin, reduction=reduction
        ),
        S[:, 0],
        S[:, 1],
    )


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, 7.0])
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    "vectors", [(A, B, C), (A[0], B[0], C[0]), (A.reshape(8, 5, 6), B[:5], C[0])]
)
def test_triplets_that_torch_has_too(p, swap, vectors):
    ours = functools.partial(hinges.triplet, p=p, swap=swap, margin=0.7)
    # The norm of torch adds this to each difference, once and in this direction.
    if len({x.shape for x in vectors}) == 1:
        compared(
            functools.partial(ours, eps=1e-6),
            lambda *t, reduction: functional.triplet_margin_loss(
                *t, p=p, swap=swap, margin=0.7, reduction=reduction
            ),
            *vectors,
        )
    distances = {
        False: lambda x, y: torch.linalg.vector_norm(x - y, ord=p, dim=-1),
        True: lambda x, y: torch.linalg.vector_norm(x - y, ord=p, dim=-1) ** 2,
    }
    for squared, distance in distances.items():
        for reduction in ("mean", "sum"):  # of "none" the gradients are not summed
            tensors = [torch.tensor(x, requires_grad=True) for x in vectors]
            theirs = functional.triplet_margin_with_distance_loss(
                *(t.expand(np.broadcast_shapes(*(x.shape for x in vectors))) for t in tensors),
                distance_function=distance,
                swap=swap,
                margin=0.7,
                reduction=reduction,
            )
            theirs.backward()
            value, gradients = ours(
                *vectors, squared=squared, reduction=reduction, with_gradient=True
            )
            exactly(value, theirs.item())
            for gradient, tensor in zip(gradients, tensors, strict=True):
                exactly(gradient, tensor.grad.numpy())


def derived(formula, *arrays):
    """Value and gradients of a formula in torch."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    value = formula(*tensors)
    value.backward()
    return value.item(), [tensor.grad.numpy() for tensor in tensors]


def test_losses_of_batches_by_formulas_in_torch():
    def n_pair(a, x):
        products = a @ x.T
        return functional.cross_entropy(products, torch.arange(len(a)))

    value, gradients = hinges.n_pair(A, B, with_gradient=True)
    theirs, slopes = derived(n_pair, A, B)
    exactly(value, theirs)
    exactly(gradients[0], slopes[0])
    exactly(gradients[1], slopes[1])

    def lifted(x):
        d = torch.stack([torch.linalg.vector_norm(x - row + 1e-300, dim=1) for row in x])
        y, heights = torch.tensor(Y), []
        for i in range(len(Y)):
            for j in range(i + 1, len(Y)):
                if Y[i] == Y[j]:
                    pushes = torch.cat([1 - d[i][y != y[i]], 1 - d[j][y != y[j]]])
                    heights.append(d[i, j] + torch.logsumexp(pushes, 0))
        return (functional.relu(torch.stack(heights)) ** 2).mean() / 2

    value, gradient = hinges.lifted_structure(Y, A, with_gradient=True)
    theirs, (slope,) = derived(lifted, A)
    exactly(value, theirs)
    exactly(gradient, slope)


@pytest.mark.parametrize("squared", [False, True])
def test_hinges_of_torchmetrics(squared):
    metrics = pytest.importorskip(
        "torchmetrics.functional.classification", reason="torchmetrics is not installed"
    )
    power = 1 + squared
    # Scores from 0 to 1, which it leaves as they are.
    scores = rng.random((40, 5))
    t, y = torch.tensor(scores), torch.tensor(Y)
    for labels in (Y, SOME):
        y = torch.tensor(labels)
        given = {"num_classes": 5, "squared": squared, "ignore_index": -100}
        theirs = metrics.multiclass_hinge_loss(t, y, multiclass_mode="crammer-singer", **given)
        ours = hinges.crammer_singer(labels, scores, power=power, ignore_index=-100)
        exactly(ours, theirs.item())
        theirs = metrics.multiclass_hinge_loss(t, y, multiclass_mode="one-vs-all", **given)
        ours = hinges.one_vs_all(labels, scores, power=power, ignore_index=-100)
        exactly(ours, theirs.sum().item())
    signs = 2 * (Y[:, None] == range(5)) - 1
    one = hinges.squared_hinge if squared else hinges.hinge
    theirs = metrics.multiclass_hinge_loss(
        t, torch.tensor(Y), num_classes=5, squared=squared, multiclass_mode="one-vs-all"
    )
    exactly(one(signs, scores, reduction="none").mean(axis=0), theirs.numpy())
    theirs = metrics.binary_hinge_loss(t[:, 0], torch.tensor((SIGNS + 1) // 2), squared=squared)
    exactly(one(SIGNS, scores[:, 0]), theirs.item())


def test_hinges_of_keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    losses = pytest.importorskip("keras.losses", reason="Keras is not installed")
    # Keras computes in float32: of these numbers, which are few bits long, its results are exact.
    y, s = Y[:32] % 4, np.rint(64 * S[:32, :4]) / 64
    one_hot = np.eye(4)[y]
    for ours, theirs in (("none", None), ("sum", "sum"), ("mean", "sum_over_batch_size")):
        loss = losses.CategoricalHinge(reduction=theirs)
        exactly(hinges.categorical_hinge(y, s, reduction=ours), loss(one_hot, s).numpy())
    # It takes the mean over the last axis.
    signs = 2 * one_hot - 1
    for ours, theirs in ((hinges.hinge, losses.Hinge), (hinges.squared_hinge, losses.SquaredHinge)):
        values = theirs(reduction=None)(signs, s)
        exactly(ours(signs, s, reduction="none").mean(axis=1), values.numpy())
