"""The structured hinge of models whose weights are tied."""

import numpy as np
import pytest

from structsvm import GraphModel, StructSVM
from structsvm.hinge import structured_hinge


@pytest.mark.parametrize("pairwise", ["symmetric", "antisymmetric", "table"])
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_the_hinge_is_that_of_training_and_its_gradient_that_of_free_weights(pairwise, reduction):
    rng = np.random.default_rng(0)
    X = [(rng.normal(size=(4, 2)), [[0, 1], [1, 2], [2, 3]]) for _ in range(8)]
    y = [(x[:, 0] + np.append(0, x[:-1, 1]) > 0).astype(int) for x, _ in X]
    svm = StructSVM(GraphModel("hamming", pairwise=pairwise), C=0.3, scale=None, random_state=0)
    model, w = svm.fit(X, y).model_, svm.coef_
    total = structured_hinge(model, X, y, w, reduction="sum")
    kept = (
        np.ones(len(w), bool)
        if pairwise == "table"
        else model.tied_weights()[0] == np.arange(len(w))
    )
    if pairwise != "table":
        kept &= model.tied_weights()[1] != 0
    assert 0.5 * (w[kept] ** 2).sum() + 0.3 * total == pytest.approx(svm.objective_)
    at = w + 0.1 * rng.normal(size=len(w))
    value, gradient = structured_hinge(model, X, y, at, reduction=reduction, with_gradient=True)
    step = 1e-6
    for j in range(len(w)):
        moved = at.copy()
        moved[j] += step
        slope = (structured_hinge(model, X, y, moved, reduction=reduction) - value) / step
        np.testing.assert_allclose(slope, gradient[..., j], atol=1e-4)
    assert (gradient[..., ~kept] == 0).all()
