"""The hinge losses as functions: values, subgradients, properties, refusals."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import hinge_loss

from structsvm import ChainModel, ChainSVM
from structsvm import hinge as hinges

BINARY = {
    "hinge": (hinges.hinge, {}),
    "squared_hinge": (hinges.squared_hinge, {}),
    "smoothed_hinge": (hinges.smoothed_hinge, {}),
    "huberized_hinge": (hinges.huberized_hinge, {}),
    "huberized_hinge, wide": (hinges.huberized_hinge, {"width": 2.0}),
    "modified_huber": (hinges.modified_huber, {}),
    "softplus_hinge": (hinges.softplus_hinge, {}),
    "softplus_hinge, sharp": (hinges.softplus_hinge, {"beta": 20.0}),
    "perceptron": (hinges.perceptron, {}),
}
LIPSCHITZ = {"squared_hinge": np.inf, "modified_huber": 4.0}
BELOW_01 = ("smoothed_hinge", "perceptron")
KINKS = {"hinge": (1.0,), "perceptron": (0.0,)}

scores = st.floats(-5, 5)


def at(name, m, **kwargs):
    """Value and derivative at margins m, for label +1."""
    loss, options = BINARY[name]
    m = np.atleast_1d(np.asarray(m, dtype=float))
    return loss(np.ones(len(m)), m, reduction="none", with_gradient=True, **options)


def test_the_textbook_case():
    X, y = np.array([[1, 2], [-1, -1], [0.5, 0.5]]), np.array([1, -1, 1])
    w, b = np.array([1.0, 1.0]), -0.5
    np.testing.assert_array_equal(hinges.hinge(y, X @ w + b, reduction="none"), [0, 0, 0.5])
    total = hinges.hinge(y, X @ w + b, reduction="sum")
    assert total == 0.5
    assert total + 0.1 * (w @ w) / 2 == pytest.approx(0.6)


def test_values_computed_by_hand():
    m = np.array([-2.0, 0.0, 0.5, 1.0, 3.0])
    want = {
        "hinge": [3, 1, 0.5, 0, 0],
        "squared_hinge": [9, 1, 0.25, 0, 0],
        "smoothed_hinge": [2.5, 0.5, 0.125, 0, 0],
        "huberized_hinge": [3, 1, 0.5, 0.125, 0],
        "huberized_hinge, wide": [3, 9 / 8, 6.25 / 8, 0.5, 0],
        "modified_huber": [8, 1, 0.25, 0, 0],
        "softplus_hinge": np.log1p(np.exp(1 - m)),
        "perceptron": [2, 0, 0, 0, 0],
    }
    for name, values in want.items():
        np.testing.assert_allclose(at(name, m)[0], values, atol=1e-15, err_msg=name)


@given(name=st.sampled_from(list(BINARY)), m=scores, other=scores, share=st.floats(0, 1))
def test_binary_losses_are_convex_lipschitz_bounds(name, m, other, share):
    (value, far, between), (slope, *_) = (
        part.tolist() for part in at(name, [m, other, share * m + (1 - share) * other])
    )
    assert between <= share * value + (1 - share) * far + 1e-12
    assert value >= 0
    # In the subdifferential everywhere, kinks included: the tangent is below the loss.
    assert far >= value + slope * (other - m) - 1e-9 * (1 + abs(far))
    assert slope <= 0
    if (limit := LIPSCHITZ.get(name, 1.0)) < np.inf:
        assert abs(value - far) <= limit * abs(m - other) + 1e-12
    if name not in BELOW_01:
        assert value >= float(m <= 0) - 1e-12


@given(name=st.sampled_from(list(BINARY)), m=scores, label=st.sampled_from([-1, 1]))
def test_binary_gradients_equal_finite_differences(name, m, label):
    loss, options = BINARY[name]
    if any(abs(m - kink) < 1e-4 for kink in KINKS.get(name, ())):
        return
    h = 1e-6
    score = label * m
    gradient = loss([label], [score], with_gradient=True, **options)[1]
    high, low = (loss([label], [score + step], **options) for step in (h, -h))
    assert gradient == pytest.approx((high - low) / (2 * h), abs=2e-4)


@pytest.mark.parametrize("name", BINARY)
def test_reductions_types_and_shapes(name):
    loss, options = BINARY[name]
    rng = np.random.default_rng(0)
    y, s = rng.choice([-1, 1], size=(4, 3)), rng.normal(size=(4, 3))
    values, slopes = loss(y, s, reduction="none", with_gradient=True, **options)
    assert values.shape == slopes.shape == (4, 3)
    for reduction, scale in (("sum", 1.0), ("mean", 1 / 12)):
        value, gradient = loss(y, s, reduction=reduction, with_gradient=True, **options)
        assert value == pytest.approx(values.sum() * scale)
        np.testing.assert_allclose(gradient, slopes * scale)
    single = loss(y, s.astype(np.float32), with_gradient=True, **options)
    assert single[0].dtype == single[1].dtype == np.float32
    assert single[0] == pytest.approx(loss(y, s, **options), rel=1e-5)
    assert loss(y, np.rint(s).astype(int), **options).dtype == np.float64
    extreme = loss([1, -1], [-1e30, 1e30], reduction="none", with_gradient=True, **options)
    assert np.isfinite(extreme).all()


@pytest.mark.parametrize("name", BINARY)
def test_what_binary_losses_refuse(name):
    loss, options = BINARY[name]
    for y, s, message in (
        ([0, 1], [0.5, 0.5], r"y holds 0 and 1; expected -1 and \+1: pass 2 \* y - 1"),
        ([False, True], [0.5, 0.5], r"y holds 0 and 1; expected -1 and \+1"),
        ([1, 2], [0.5, 0.5], r"y holds 2; expected -1 and \+1 only"),
        ([1], [0.5, 0.5], r"y has shape \(1,\), expected \(2,\) as the scores has"),
        ([1, 1], [0.5, np.nan], r"scores\[1\] is nan, expected a finite number"),
        ([1, 1], [np.inf, 0], r"scores\[0\] is inf"),
        ([], [], "scores is empty"),
    ):
        with pytest.raises(ValueError, match=message):
            loss(y, s, **options)
    with pytest.raises(ValueError, match="unknown reduction 'max': expected one of 'mean', 'sum'"):
        loss([1], [1.0], reduction="max", **options)
    with pytest.raises(ValueError, match="width=0: expected a finite number > 0"):
        hinges.huberized_hinge([1], [1.0], width=0)
    with pytest.raises(ValueError, match="beta=-1: expected a finite number > 0"):
        hinges.softplus_hinge([1], [1.0], beta=-1)


def test_smooth_losses_tend_to_the_hinge():
    m = np.linspace(-3, 3, 101)
    for loss, options in (
        (hinges.huberized_hinge, {"width": 1e-9}),
        (hinges.softplus_hinge, {"beta": 1e9}),
    ):
        values = loss(np.ones(101), m, reduction="none", **options)
        np.testing.assert_allclose(values, np.maximum(1 - m, 0), atol=1e-8)


# ---- multiclass

MULTICLASS = {
    "crammer_singer": (hinges.crammer_singer, {}),
    "crammer_singer, cost": (hinges.crammer_singer, {"cost": [[0, 1, 3], [2, 0, 0.5], [1, 1, 0]]}),
    "weston_watkins": (hinges.weston_watkins, {}),
    "weston_watkins, squared": (hinges.weston_watkins, {"power": 2, "margin": 0.7}),
    "lee_lin_wahba": (hinges.lee_lin_wahba, {}),
}
rows = st.lists(st.integers(-4, 4).map(lambda k: k / 2), min_size=3, max_size=3).map(np.array)


def by_hand(name, y, s):
    s = np.asarray(s, dtype=float)
    wrong = [k for k in range(3) if k != y]
    if name == "crammer_singer":
        return max(0.0, *(1 + s[k] - s[y] for k in wrong))
    if name == "crammer_singer, cost":
        cost = MULTICLASS[name][1]["cost"]
        return max(cost[y][k] + s[k] - s[y] for k in range(3))
    if name == "lee_lin_wahba":
        return sum(max(0.0, s[k] - s.mean() + 0.5) for k in wrong)
    margin, power = (0.7, 2) if "squared" in name else (1.0, 1)
    return sum(max(0.0, margin + s[k] - s[y]) ** power for k in wrong)


@given(name=st.sampled_from(list(MULTICLASS)), y=st.integers(0, 2), s=rows, other=rows)
def test_multiclass_values_and_subgradients(name, y, s, other):
    loss, options = MULTICLASS[name]
    value, gradient = loss([y], [s], with_gradient=True, **options)
    assert value == pytest.approx(by_hand(name, y, s), abs=1e-12)
    assert gradient.sum() == pytest.approx(0.0, abs=1e-12)
    # Below the loss everywhere: a subgradient, at the many kinks of these scores too.
    assert by_hand(name, y, other) >= value + gradient[0] @ (other - s) - 1e-9
    if name in ("crammer_singer", "weston_watkins", "lee_lin_wahba"):
        assert value >= float(s.argmax() != y) * (1.0 if name != "lee_lin_wahba" else 0.5) - 1e-12


@pytest.mark.parametrize("name", MULTICLASS)
def test_multiclass_reductions_and_types(name):
    loss, options = MULTICLASS[name]
    rng = np.random.default_rng(0)
    y, s = rng.integers(3, size=7), rng.normal(size=(7, 3))
    values, slopes = loss(y, s, reduction="none", with_gradient=True, **options)
    np.testing.assert_allclose(values, [by_hand(name, a, b) for a, b in zip(y, s, strict=True)])
    value, gradient = loss(y, s, with_gradient=True, **options)
    assert value == pytest.approx(values.mean())
    np.testing.assert_allclose(gradient, slopes / 7)
    # Away from kinks, where random scores are.
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-6
        difference = (loss(y, s + step, **options) - loss(y, s - step, **options)) / 2e-6
        assert gradient[:, k].sum() == pytest.approx(difference, abs=1e-6)
    single = loss(y, s.astype(np.float32), with_gradient=True, **options)
    assert single[0].dtype == single[1].dtype == np.float32


def test_multiclass_hinges_equal_those_of_other_libraries():
    rng = np.random.default_rng(1)
    y, s = rng.integers(4, size=30), rng.normal(size=(30, 4))
    assert hinges.crammer_singer(y, s) == pytest.approx(hinge_loss(y, s, labels=range(4)))
    labels = rng.choice([-1, 1], size=30)
    assert hinges.hinge(labels, s[:, 0]) == pytest.approx(hinge_loss(labels, s[:, 0]))
    # Two classes: with scores (-f, f) / 2 the margin of Crammer-Singer is that of the hinge.
    pairs = np.column_stack([-s[:, 0], s[:, 0]]) / 2
    assert hinges.crammer_singer((labels + 1) // 2, pairs) == pytest.approx(
        hinges.hinge(labels, s[:, 0])
    )


@pytest.mark.parametrize(
    ("y", "s", "message"),
    [
        ([0, 3], np.zeros((2, 3)), r"y\[1\] is 3, expected a class number from 0 to 2"),
        ([-1, 0], np.zeros((2, 3)), r"y\[0\] is -1, expected a class number from 0 to 2"),
        ([0.0, 1.0], np.zeros((2, 3)), "y has dtype float64, expected class numbers"),
        (["a", "b"], np.zeros((2, 3)), "y has dtype <U1, expected class numbers"),
        ([0], np.zeros((2, 3)), r"y has shape \(1,\), expected \(2,\)"),
        ([0], np.zeros(3), "scores has 1 dimensions, expected 2"),
        ([0], [[0.0, np.nan, 1.0]], r"scores\[0, 1\] is nan"),
        (np.zeros(0, int), np.zeros((0, 3)), "scores is empty"),
    ],
)
def test_what_multiclass_losses_refuse(y, s, message):
    for loss in (hinges.crammer_singer, hinges.weston_watkins, hinges.lee_lin_wahba):
        with pytest.raises(ValueError, match=message):
            loss(y, s)


def test_multiclass_options_are_checked():
    with pytest.raises(ValueError, match="power=3: expected 1 or 2"):
        hinges.weston_watkins([0], np.zeros((1, 2)), power=3)
    with pytest.raises(ValueError, match=r"cost\[1, 1\] is 2.0, expected 0"):
        hinges.crammer_singer([0], np.zeros((1, 2)), cost=[[0, 1], [1, 2]])
    with pytest.raises(ValueError, match=r"cost has shape \(2, 2\), expected \(3, 3\)"):
        hinges.crammer_singer([0], np.zeros((1, 3)), cost=[[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="scores has 1 class, expected at least 2"):
        hinges.lee_lin_wahba([0], np.zeros((1, 1)))


def least_risk(name, p):
    """Scores that minimise the expected loss for class probabilities p, by linear programming."""
    n = len(p)
    rows, bounds, price = [], [], np.zeros(n)  # variables: scores, then slacks
    slacks = []
    for y in range(n):
        wrong = [k for k in range(n) if k != y]
        shared = len(slacks)
        for k in wrong:
            if name != "crammer_singer" or k == wrong[0]:
                slacks.append(p[y])
            row = np.zeros(n)
            row[k] += 1.0
            if name != "lee_lin_wahba":
                row[y] -= 1.0
            rows.append((row, shared if name == "crammer_singer" else len(slacks) - 1))
            bounds.append(-1.0 if name != "lee_lin_wahba" else -1.0 / (n - 1))
    A = np.zeros((len(rows), n + len(slacks)))
    for place, (row, slack) in enumerate(rows):
        A[place, :n], A[place, n + slack] = row, -1.0
    program = scipy.optimize.linprog(
        np.append(price, slacks),
        A_ub=A,
        b_ub=bounds,
        A_eq=[np.append(np.ones(n), np.zeros(len(slacks)))],
        b_eq=[0.0],
        bounds=[(None, None)] * n + [(0, None)] * len(slacks),
    )
    return program.x[:n], program.fun


def risk(name, p, s):
    loss = MULTICLASS[name][0]
    return sum(q * loss([y], [s]) for y, q in enumerate(p))


def test_only_lee_lin_wahba_is_fisher_consistent():
    p = np.array([0.4, 0.35, 0.25])
    s, value = least_risk("lee_lin_wahba", p)
    assert risk("lee_lin_wahba", p, s) == pytest.approx(value)
    np.testing.assert_allclose(s, [1.0, -0.5, -0.5])  # the most probable class, and only it
    # The others are content with scores that do not tell the most probable class.
    for name in ("crammer_singer", "weston_watkins"):
        s, value = least_risk(name, p)
        assert risk(name, p, s) == pytest.approx(value)
        top = np.sort(s)[::-1]
        assert top[0] == pytest.approx(top[1], abs=1e-9), name
    # With a class above one half Crammer-Singer tells it.
    s, _ = least_risk("crammer_singer", np.array([0.6, 0.25, 0.15]))
    assert s[0] > s[1:].max() + 0.5


# ---- orders and distances


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(-3, 3), st.integers(0, 1)), min_size=1, max_size=9
    )
)
def test_pairwise_hinge_equals_the_list_of_pairs(items):
    relevance, s, query = (np.array(column) for column in zip(*items, strict=True))
    s = s / 2
    pairs = [
        (i, j)
        for i in range(len(s))
        for j in range(len(s))
        if relevance[i] > relevance[j] and query[i] == query[j]
    ]
    heights = [1.0 - (s[i] - s[j]) for i, j in pairs]
    gradient = np.zeros(len(s))
    for (i, j), height in zip(pairs, heights, strict=True):
        gradient[i] -= height > 0
        gradient[j] += height > 0
    value, slope = hinges.pairwise_hinge(
        relevance, s, query=query, reduction="sum", with_gradient=True
    )
    assert value == pytest.approx(sum(max(h, 0) for h in heights))
    np.testing.assert_allclose(slope, gradient)
    mean, slope = hinges.pairwise_hinge(relevance, s, query=query, with_gradient=True)
    assert mean == pytest.approx(value / max(len(pairs), 1))
    np.testing.assert_allclose(slope, gradient / max(len(pairs), 1))
    each = hinges.pairwise_hinge(relevance, s, query=query, reduction="none")
    assert each.shape == (len(np.unique(query)),)
    assert each.sum() == pytest.approx(value)


def test_distances_by_hand_and_by_finite_differences():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 6, 4))
    for p in (1, 2):
        near = np.linalg.norm(a - b, ord=p, axis=1)
        far = np.linalg.norm(a - c, ord=p, axis=1)
        value, gradients = hinges.triplet(a, b, c, margin=0.8, p=p, with_gradient=True)
        assert value == pytest.approx(np.maximum(near - far + 0.8, 0).mean())
        for k, gradient in enumerate(gradients):
            step = rng.normal(size=(6, 4))
            high, low = (
                hinges.triplet(
                    *(x + (h * step if j == k else 0) for j, x in enumerate((a, b, c))),
                    margin=0.8,
                    p=p,
                )
                for h in (1e-6, -1e-6)
            )
            assert (gradient * step).sum() == pytest.approx((high - low) / 2e-6, abs=1e-5)
    # Coinciding points have the subgradient 0, not NaN.
    value, gradients = hinges.triplet(a, a, a, with_gradient=True)
    assert value == 1.0
    assert not np.any(gradients)
    y = np.array([1, -1, 1, -1])
    one, two = rng.normal(size=(2, 4))
    value, (by_one, by_two) = hinges.margin_ranking(y, one, two, margin=0.3, with_gradient=True)
    assert value == pytest.approx(np.maximum(0.3 - y * (one - two), 0).mean())
    np.testing.assert_allclose(by_one, -by_two)
    np.testing.assert_allclose(by_one, -y * (y * (one - two) < 0.3) / 4)
    value, slope = hinges.hinge_embedding(
        y, [0.5, 0.25, 2.0, 3.0], reduction="none", with_gradient=True
    )
    assert value.tolist() == [0.5, 0.75, 2.0, 0.0]
    assert slope.tolist() == [1.0, -1.0, 1.0, 0.0]


def test_what_orders_and_distances_refuse():
    with pytest.raises(ValueError, match="y holds 0 and 1"):
        hinges.margin_ranking([0, 1], [1.0, 1.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="y holds 0 and 1"):
        hinges.hinge_embedding([0, 1], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"second has shape \(1,\), expected \(2,\) as first has"):
        hinges.margin_ranking([1, 1], [1.0, 1.0], [0.0])
    with pytest.raises(ValueError, match=r"negative has shape \(1, 3\), expected \(1, 2\)"):
        hinges.triplet(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="p=3: expected 1 or 2"):
        hinges.triplet(*np.zeros((3, 1, 2)), p=3)
    with pytest.raises(ValueError, match=r"query has shape \(1,\), expected \(2,\)"):
        hinges.pairwise_hinge([1, 0], [0.0, 1.0], query=[0])


def test_adversarial_hinges():
    real, fake = np.array([[2.0, 0.5]]), np.array([-2.0, 0.0, 1.0])
    value, (by_real, by_fake) = hinges.discriminator_hinge(real, fake, with_gradient=True)
    assert value == pytest.approx(0.5 / 2 + 3.0 / 3)
    np.testing.assert_allclose(by_real, [[0, -0.5]])
    np.testing.assert_allclose(by_fake, [0, 1 / 3, 1 / 3])
    each = hinges.discriminator_hinge(real, fake, reduction="none")
    assert [part.tolist() for part in each] == [[[0.0, 0.5]], [0.0, 1.0, 2.0]]
    value, gradient = hinges.generator_hinge(fake, with_gradient=True)
    assert value == pytest.approx(1 / 3)
    np.testing.assert_allclose(gradient, -1 / 3)


# ---- structured


@pytest.mark.parametrize("rescaling", ["margin", "slack"])
def test_structured_hinge_is_what_is_trained(words, rescaling):
    X, y = words
    svm = ChainSVM(scale=None, C=0.7, rescaling=rescaling, random_state=0).fit(X, y)
    model, w = svm.model_, svm.coef_
    total = hinges.structured_hinge(model, X, y, w, rescaling=rescaling, reduction="sum")
    assert w @ w / 2 + 0.7 * total == pytest.approx(svm.objective_)
    each, slopes = hinges.structured_hinge(
        model, X, y, w, rescaling=rescaling, reduction="none", with_gradient=True
    )
    assert slopes.shape == (len(X), len(w))
    losses = [model.loss(a, b) for a, b in zip(y, svm.predict(X), strict=True)]
    assert (each >= np.array(losses) - 1e-9).all()
    mean, slope = hinges.structured_hinge(model, X, y, w, rescaling=rescaling, with_gradient=True)
    assert mean == pytest.approx(each.mean())
    np.testing.assert_allclose(slope, slopes.mean(axis=0))
    rng = np.random.default_rng(0)
    for _ in range(20):  # below the hinge everywhere
        other = w + rng.normal(size=len(w)) * rng.choice([1e-3, 1.0])
        values = hinges.structured_hinge(model, X, y, other, rescaling=rescaling, reduction="none")
        assert (values >= each + slopes @ (other - w) - 1e-9).all()


def test_structured_hinge_of_one_label_is_crammer_singer():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 1, 4)), rng.integers(3, size=(10, 1))
    y[:3, 0] = range(3)
    model = ChainModel(fit_intercept=False, transitions=False, boundary=False)
    model.initialize(X, y)
    w = rng.normal(size=model.n_weights)
    want = hinges.crammer_singer(y[:, 0], X[:, 0] @ w.reshape(4, 3))
    assert hinges.structured_hinge(model, X, y, w) == pytest.approx(want)
    with pytest.raises(ValueError, match=r"w has shape \(3,\), expected \(12,\) as the model's"):
        hinges.structured_hinge(model, X, y, w[:3])


EVERY_HINGE = {
    **{name: (loss, ([1, -1], [0.5, 0.5]), options) for name, (loss, options) in BINARY.items()},
    "crammer_singer": (hinges.crammer_singer, ([0, 1], [[0.5, 0.5]] * 2), {}),
    "weston_watkins": (hinges.weston_watkins, ([0, 1], [[0.5, 0.5]] * 2), {"power": 2}),
    "lee_lin_wahba": (hinges.lee_lin_wahba, ([0, 1], [[0.5, 0.5]] * 2), {}),
    "pairwise_hinge": (hinges.pairwise_hinge, ([1, 0], [0.5, 0.5]), {}),
    "hinge_embedding": (hinges.hinge_embedding, ([1, -1], [0.5, 0.5]), {}),
    "margin_ranking": (hinges.margin_ranking, ([1, -1], [0.5, 0.5], [0.5, 0.5]), {}),
    "triplet": (hinges.triplet, ([[0.5, 0.5]],) * 3, {}),
    "discriminator_hinge": (hinges.discriminator_hinge, ([0.5], [0.5]), {}),
    "generator_hinge": (hinges.generator_hinge, ([0.5],), {}),
}


@pytest.mark.parametrize("name", EVERY_HINGE)
def test_scores_that_would_overflow_are_refused_and_those_below_do_not(name):
    loss, arguments, options = EVERY_HINGE[name]
    for dtype, most in ((np.float32, 1e15), (np.float64, 1e140)):
        scores = np.array(arguments[-1], dtype=dtype)
        scores.flat[0] = most
        value, gradient = loss(*arguments[:-1], scores, **options, with_gradient=True)
        assert np.isfinite(value)
        assert all(np.isfinite(part).all() for part in np.atleast_1d(gradient))
        scores.flat[0] = 10 * most
        with pytest.raises(ValueError, match=r"expected a finite number of magnitude 1e"):
            loss(*arguments[:-1], scores, **options)


@pytest.mark.parametrize("name", EVERY_HINGE)
def test_scores_of_other_kinds_are_refused(name):
    loss, arguments, options = EVERY_HINGE[name]
    for scores, message in (
        (np.array(arguments[-1], dtype=complex), "has dtype complex128, expected real numbers"),
        (np.array(arguments[-1]).astype(str), r"has dtype <U\d+, expected real numbers"),
        (np.ma.masked_array(arguments[-1], mask=True), "has masked entries"),
    ):
        with pytest.raises(ValueError, match=message):
            loss(*arguments[:-1], scores, **options)
    if isinstance(arguments[0][0], int):
        masked = np.ma.masked_array(arguments[0], mask=True)
        with pytest.raises(ValueError, match="has masked entries"):
            loss(masked, *arguments[1:], **options)


@pytest.mark.parametrize("value", ["1", None, True, 10**400, 1e300, 1e-300, -1.0, [1.0]])
def test_widths_and_the_like_are_numbers_in_range(value):
    with pytest.raises(ValueError, match=r"width=.*: expected a finite number > 0 \("):
        hinges.huberized_hinge([1], [0.5], width=value)
    with pytest.raises(ValueError, match=r"beta=.*: expected a finite number > 0 \("):
        hinges.softplus_hinge([1], np.float32([0.5]), beta=value)


def test_distances_and_costs_are_checked():
    with pytest.raises(ValueError, match=r"distances\[1\] is -0.5, expected a distance >= 0"):
        hinges.hinge_embedding([1, -1], [0.5, -0.5])
    with pytest.raises(ValueError, match=r"cost\[0, 1\] is 1e\+30, expected a finite number of"):
        hinges.crammer_singer([0], np.float32([[0.5, 0.5]]), cost=[[0, 1e30], [1, 0]])


def test_numbers_of_any_type_are_compared_as_they_are():
    for margin in (np.float32(0.5), np.float16(0.5), np.int8(0), np.float64(0.5)):
        value = hinges.margin_ranking([1], [0.5], [0.0], margin=margin)
        assert value == max(float(margin) - 0.5, 0)
