"""The same values and gradients as torch, where it is installed."""

import numpy as np
import pytest

from structsvm import hinge as hinges

torch = pytest.importorskip("torch", reason="torch is not installed; it is compared with if it is")


def tensor(values):
    return torch.tensor(values, requires_grad=True)


def test_losses_that_torch_has_too():
    functional = torch.nn.functional
    rng = np.random.default_rng(0)
    y, s = rng.integers(5, size=40), rng.normal(size=(40, 5))
    signs = rng.choice([-1, 1], size=40)
    a, b, c = rng.normal(size=(3, 40, 6))
    for reduction in ("mean", "sum"):
        for power in (1, 2):
            t = tensor(s)
            theirs = functional.multi_margin_loss(t, torch.tensor(y), p=power, reduction=reduction)
            theirs.backward()
            value, gradient = hinges.weston_watkins(
                y, s, power=power, reduction=reduction, with_gradient=True
            )
            # Theirs is divided by the number of classes.
            assert value / 5 == pytest.approx(float(theirs.detach()))
            np.testing.assert_allclose(gradient / 5, t.grad.numpy(), atol=1e-12)
        t, u = tensor(s[:, 0]), tensor(s[:, 1])
        theirs = functional.margin_ranking_loss(
            t, u, torch.tensor(signs), margin=0.4, reduction=reduction
        )
        theirs.backward()
        value, (first, second) = hinges.margin_ranking(
            signs, s[:, 0], s[:, 1], margin=0.4, reduction=reduction, with_gradient=True
        )
        assert value == pytest.approx(float(theirs.detach()))
        np.testing.assert_allclose(first, t.grad.numpy())
        np.testing.assert_allclose(second, u.grad.numpy())
        t = tensor(np.abs(s[:, 0]))
        theirs = functional.hinge_embedding_loss(t, torch.tensor(signs), reduction=reduction)
        theirs.backward()
        value, gradient = hinges.hinge_embedding(
            signs, np.abs(s[:, 0]), reduction=reduction, with_gradient=True
        )
        assert value == pytest.approx(float(theirs.detach()))
        np.testing.assert_allclose(gradient, t.grad.numpy())
        for p in (1, 2):
            tensors = [tensor(x) for x in (a, b, c)]
            theirs = functional.triplet_margin_loss(*tensors, p=p, reduction=reduction)
            theirs.backward()
            value, gradients = hinges.triplet(a, b, c, p=p, reduction=reduction, with_gradient=True)
            # Theirs adds 1e-6 to each difference.
            assert value == pytest.approx(float(theirs.detach()), rel=1e-5)
            for gradient, t in zip(gradients, tensors, strict=True):
                np.testing.assert_allclose(gradient, t.grad.numpy(), atol=1e-5)
        t = tensor(s[:, 0])
        functional.softplus(1 - torch.tensor(signs) * t, beta=3.0).sum().backward()
        _, gradient = hinges.softplus_hinge(
            signs, s[:, 0], beta=3.0, reduction="sum", with_gradient=True
        )
        np.testing.assert_allclose(gradient, t.grad.numpy(), rtol=1e-6)
