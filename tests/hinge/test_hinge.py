"""The hinge losses as functions: values, subgradients, properties, refusals."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import hinge_loss, log_loss

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
    "hinge, margin": (hinges.hinge, {"margin": 0.3}),
    "squared_hinge, margin": (hinges.squared_hinge, {"margin": 2.5}),
    "huberized_hinge, margin": (hinges.huberized_hinge, {"margin": 0.0, "width": 0.25}),
    "softplus_hinge, margin": (hinges.softplus_hinge, {"margin": -0.5, "beta": 3.0}),
    "logistic": (hinges.logistic, {}),
    "exponential": (hinges.exponential, {}),
    "savage": (hinges.savage, {}),
    "squared": (hinges.squared, {}),
}
LIPSCHITZ = {
    "squared_hinge": np.inf,
    "squared_hinge, margin": np.inf,
    "exponential": np.inf,
    "squared": np.inf,
    "modified_huber": 4.0,
}
BELOW_01 = (
    "smoothed_hinge",
    "perceptron",
    "logistic",
    "hinge, margin",
    "huberized_hinge, margin",
    "softplus_hinge, margin",
)
NOT_CONVEX = ("savage",)
RISES_AGAIN = ("squared",)
KINKS = {"hinge": (1.0,), "hinge, margin": (0.3,), "perceptron": (0.0,)}
# Losses that multiply no two scores take larger ones.
ADDED = {
    *("hinge", "smoothed_hinge", "modified_huber", "perceptron"),
    *("logistic", "savage", "cross_entropy", "categorical_hinge", "carlini_wagner"),
}

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
        "hinge, margin": [2.3, 0.3, 0, 0, 0],
        "squared_hinge, margin": [20.25, 6.25, 4, 2.25, 0],
        "huberized_hinge, margin": [2, 0.0625, 0, 0, 0],
        "logistic": np.log(1 + np.exp(-m)),
        "exponential": np.exp(-m),
        "savage": 1 / (1 + np.exp(2 * m)) ** 2,
        "squared": [9, 1, 0.25, 0, 4],
    }
    for name, values in want.items():
        np.testing.assert_allclose(at(name, m)[0], values, atol=1e-15, err_msg=name)


@given(name=st.sampled_from(list(BINARY)), m=scores, other=scores, share=st.floats(0, 1))
def test_binary_losses_are_convex_lipschitz_bounds(name, m, other, share):
    if name in NOT_CONVEX:
        value, far = at(name, [m, other])[0].tolist()
        assert 0 <= value <= 1
        assert (value - far) * (m - other) <= 0
        return
    (value, far, between), (slope, *_) = (
        part.tolist() for part in at(name, [m, other, share * m + (1 - share) * other])
    )
    assert between <= share * value + (1 - share) * far + 1e-12
    assert value >= 0
    # In the subdifferential everywhere, kinks included: the tangent is below the loss.
    assert far >= value + slope * (other - m) - 1e-9 * (1 + abs(far))
    assert slope <= 0 or name in RISES_AGAIN
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
    assert gradient == pytest.approx((high - low) / (2 * h), abs=2e-4, rel=1e-6)


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
    if name != "exponential":
        extreme = loss([1, -1], [-1e30, 1e30], reduction="none", with_gradient=True, **options)
        assert np.isfinite(extreme).all()


@pytest.mark.parametrize("name", BINARY)
def test_binary_weights_and_shapes_that_broadcast(name):
    loss, options = BINARY[name]
    rng = np.random.default_rng(0)
    s = rng.normal(size=(4, 3))
    for y in (1, [-1], [1, -1, 1], [[1], [-1], [1], [1]]):
        whole = np.broadcast_to(y, s.shape)
        value, gradient = loss(y, s, with_gradient=True, **options)
        want, slopes = loss(whole, s, with_gradient=True, **options)
        assert value == want
        np.testing.assert_array_equal(gradient, slopes)
    values, slopes = loss(1, s, reduction="none", with_gradient=True, **options)
    for weight in (2, [3, 0, 1], rng.integers(3, size=(4, 3)), [[1.5], [0], [2], [1]]):
        w = np.broadcast_to(weight, s.shape)
        for reduction, scale in (("none", 1), ("sum", 1), ("mean", 1 / w.sum())):
            got, gradient = loss(
                1, s, sample_weight=weight, reduction=reduction, with_gradient=True, **options
            )
            want = w * values if reduction == "none" else (w * values).sum() * scale
            np.testing.assert_allclose(got, want, rtol=1e-14)
            np.testing.assert_allclose(gradient, w * slopes * scale, rtol=1e-14)
            assert got == pytest.approx(
                loss(1, s, sample_weight=weight, reduction=reduction, **options)
            )
    # A weight of k counts as k rows, 0 as none.
    repeated = loss(1, np.repeat(s[:, 0], [2, 0, 1, 3]), **options)
    assert loss(1, s[:, 0], sample_weight=[2, 0, 1, 3], **options) == pytest.approx(repeated)
    single = loss(1, s.astype(np.float32), sample_weight=np.float64([1, 2, 3]), **options)
    assert single.dtype == np.float32
    scalar, gradient = loss(1, 0.5, with_gradient=True, **options)
    assert np.shape(scalar) == np.shape(gradient) == ()
    for weight, message in (
        ([1, 2], r"sample_weight has shape \(2,\), expected \(4, 3\) as the values have"),
        (np.ones((4, 3, 1)), r"sample_weight has shape \(4, 3, 1\), expected \(4, 3\)"),
        ([1, -1, 1], r"sample_weight\[1\] is -1, expected a number from 0 to"),
        ([1, np.nan, 1], r"sample_weight\[1\] is nan"),
        (1e200, r"sample_weight is 1e\+200, expected a number from 0 to"),
        ([0, 0, 0], "sample_weight is zero everywhere"),
        (["1", "1", "1"], "sample_weight has dtype <U1, expected real numbers"),
        (np.ma.masked_array([1.0, 1, 1], mask=[0, 1, 0]), "sample_weight has masked entries"),
    ):
        with pytest.raises(ValueError, match=message):
            loss(1, s, sample_weight=weight, **options)


def test_large_scores_of_losses_that_do_not_square_them():
    value, gradient = hinges.modified_huber([1, -1], [-1e200, -1e200], with_gradient=True)
    assert value == 2e200
    assert gradient.tolist() == [-2.0, 0.0]
    assert hinges.logistic([1], [-1e200]) == 1e200
    assert hinges.savage([1], [-1e200]) == 1.0


def test_margins_that_overflow_an_exponential_are_refused():
    for dtype, fits, not_fits in ((np.float32, 59, 61), (np.float64, 599, 601)):
        y, s = np.ones(3, dtype), np.array([0, 1, -fits], dtype)
        value, gradient = hinges.exponential(y, s, with_gradient=True)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        s[2] = -not_fits
        with pytest.raises(ValueError, match=r"scores\[2\] is at the margin -6.*, where the exp"):
            hinges.exponential(y, s)
    with pytest.raises(ValueError, match=r"^scores is at the margin"):
        hinges.exponential(1, -1e4)


@pytest.mark.parametrize("name", BINARY)
def test_what_binary_losses_refuse(name):
    loss, options = BINARY[name]
    for y, s, message in (
        ([0, 1], [0.5, 0.5], r"y holds 0 and 1; expected -1 and \+1: pass 2 \* y - 1"),
        ([False, True], [0.5, 0.5], r"y holds 0 and 1; expected -1 and \+1"),
        ([1, 2], [0.5, 0.5], r"y holds 2; expected -1 and \+1 only"),
        ([1, 1, 1], [0.5, 0.5], r"y has shape \(3,\), expected \(2,\) as the scores have, or a"),
        ([1, 1], [[0.5], [0.5]], r"y has shape \(2,\), expected \(2, 1\)"),
        ([[1], [1]], [0.5, 0.5], r"y has shape \(2, 1\), expected \(2,\)"),
        ([1, 1], 0.5, r"y has shape \(2,\), expected \(\)"),
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
    "crammer_singer, squared": (hinges.crammer_singer, {"power": 2, "margin": 0.5}),
    "lee_lin_wahba, squared": (hinges.lee_lin_wahba, {"power": 2, "margin": 0.6}),
    "one_vs_all": (hinges.one_vs_all, {}),
    "one_vs_all, squared": (hinges.one_vs_all, {"power": 2, "margin": 0.7}),
    "categorical_hinge": (hinges.categorical_hinge, {}),
    "categorical_hinge, margin": (hinges.categorical_hinge, {"margin": 0.5}),
    "cross_entropy": (hinges.cross_entropy, {}),
    "carlini_wagner": (hinges.carlini_wagner, {}),
    "carlini_wagner, confident": (hinges.carlini_wagner, {"confidence": 0.5}),
}
MOVES_WITH_CONSTANTS = ("one_vs_all", "categorical_hinge")
rows = st.lists(st.integers(-4, 4).map(lambda k: k / 2), min_size=3, max_size=3).map(np.array)


def by_hand(name, y, s):
    s = np.asarray(s, dtype=float)
    wrong = [k for k in range(3) if k != y]
    if name == "crammer_singer":
        return max(0.0, *(1 + s[k] - s[y] for k in wrong))
    if name == "crammer_singer, cost":
        cost = MULTICLASS[name][1]["cost"]
        return max(cost[y][k] + s[k] - s[y] for k in range(3))
    loss, options = MULTICLASS[name]
    margin, power = options.get("margin", 1.0), options.get("power", 1)
    if loss is hinges.crammer_singer:
        return max(0.0, *(margin + s[k] - s[y] for k in wrong)) ** power
    if loss is hinges.lee_lin_wahba:
        return sum(max(0.0, s[k] - s.mean() + margin / 2) ** power for k in wrong)
    if loss is hinges.one_vs_all:
        signs = [1 if k == y else -1 for k in range(3)]
        return sum(max(0.0, margin - sign * s[k]) ** power for k, sign in enumerate(signs))
    if loss is hinges.categorical_hinge:
        return max(0.0, margin + max(0.0, *(s[k] for k in wrong)) - s[y])
    if loss is hinges.cross_entropy:
        return np.log(np.exp(s).sum()) - s[y]
    if loss is hinges.carlini_wagner:
        return max(-options.get("confidence", 0.0), max(s[k] for k in wrong) - s[y])
    return sum(max(0.0, margin + s[k] - s[y]) ** power for k in wrong)


@given(name=st.sampled_from(list(MULTICLASS)), y=st.integers(0, 2), s=rows, other=rows)
def test_multiclass_values_and_subgradients(name, y, s, other):
    loss, options = MULTICLASS[name]
    value, gradient = loss([y], [s], with_gradient=True, **options)
    assert value == pytest.approx(by_hand(name, y, s), abs=1e-12)
    if not name.startswith(MOVES_WITH_CONSTANTS):
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


@pytest.mark.parametrize("name", MULTICLASS)
def test_multiclass_weights_and_rows_that_do_not_count(name):
    loss, options = MULTICLASS[name]
    rng = np.random.default_rng(0)
    y, s = rng.integers(3, size=7), rng.normal(size=(7, 3))
    values, slopes = loss(y, s, reduction="none", with_gradient=True, **options)
    weight = rng.integers(3, size=7) / 2
    value, gradient = loss(y, s, sample_weight=weight, with_gradient=True, **options)
    assert value == pytest.approx(np.average(values, weights=weight))
    np.testing.assert_allclose(gradient, slopes * (weight / weight.sum())[:, None])
    each = loss(y, s, sample_weight=weight, reduction="none", **options)
    np.testing.assert_allclose(each, weight * values)
    marked = y.copy()
    marked[[1, 4]] = -100
    kept = marked >= 0
    want, part = loss(y[kept], s[kept], with_gradient=True, **options)
    value, gradient = loss(marked, s, ignore_index=-100, with_gradient=True, **options)
    assert value == pytest.approx(want)
    np.testing.assert_allclose(gradient[kept], part)
    assert not gradient[~kept].any()
    assert not loss(marked, s, ignore_index=-100, reduction="none", **options)[~kept].any()
    weighted = loss(marked, s, ignore_index=-100, sample_weight=weight, **options)
    assert weighted == pytest.approx(np.average(values[kept], weights=weight[kept]))
    # A class may be what does not count.
    value = loss(y, s, ignore_index=int(y[0]), reduction="sum", **options)
    assert value == pytest.approx(values[y != y[0]].sum())
    value, gradient = loss(np.full(7, 9), s, ignore_index=9, with_gradient=True, **options)
    assert value == 0.0
    assert not gradient.any()
    for wrong in (True, 1.0, "x"):
        with pytest.raises(ValueError, match=r"ignore_index=.*: expected an integer or None"):
            loss(y, s, ignore_index=wrong, **options)
    with pytest.raises(ValueError, match=r"y\[1\] is -100, expected a class number from 0 to 2"):
        loss(marked, s, ignore_index=-1, **options)


def test_attacks_leave_a_class():
    s = np.array([[3.0, 1.0, 0.0], [0.0, 5.0, 4.5], [1.0, 2.0, 9.0]])
    options = {"targeted": False, "confidence": 1.0, "reduction": "none", "with_gradient": True}
    values, slopes = hinges.carlini_wagner([0, 1, 0], s, **options)
    assert values.tolist() == [2.0, 0.5, -1.0]
    assert slopes.tolist() == [[1, -1, 0], [0, 1, -1], [0, 0, 0]]
    with pytest.raises(ValueError, match="confidence=-1: expected a number >= 0"):
        hinges.carlini_wagner([0], s[:1], confidence=-1)
    with pytest.raises(ValueError, match="targeted=1: expected True or False"):
        hinges.carlini_wagner([0], s[:1], targeted=1)
    with pytest.raises(ValueError, match="scores has 1 class, expected at least 2"):
        hinges.carlini_wagner([0], [[1.0]])


def test_what_differs_between_categorical_hinges():
    rng = np.random.default_rng(0)
    y, s = rng.integers(4, size=50), rng.normal(size=(50, 4))
    crammer_singer = hinges.crammer_singer(y, s, reduction="none")
    keras = hinges.categorical_hinge(y, s, reduction="none")
    assert (keras >= crammer_singer).all()
    assert (keras > crammer_singer).any()
    # The same where some wrong score is above 0.
    np.testing.assert_allclose(hinges.categorical_hinge(y, s + 9), hinges.crammer_singer(y, s))
    # One class against all others is as many binary problems.
    signs = 2 * (y[:, None] == range(4)) - 1
    each = hinges.hinge(signs, s, reduction="none").mean(axis=0)
    assert hinges.one_vs_all(y, s) == pytest.approx(each.sum())
    # Two classes: cross-entropy is the logistic loss of the difference.
    two = rng.integers(2, size=50)
    assert hinges.cross_entropy(two, s[:, :2]) == pytest.approx(
        hinges.logistic(2 * two - 1, s[:, 1] - s[:, 0])
    )


def test_multiclass_hinges_equal_those_of_other_libraries():
    rng = np.random.default_rng(1)
    y, s = rng.integers(4, size=30), rng.normal(size=(30, 4))
    weight = rng.random(30)
    labels = rng.choice([-1, 1], size=30)
    for w in (None, weight):
        assert hinges.crammer_singer(y, s, sample_weight=w) == pytest.approx(
            hinge_loss(y, s, labels=range(4), sample_weight=w), rel=1e-12
        )
        assert hinges.hinge(labels, s[:, 0], sample_weight=w) == pytest.approx(
            hinge_loss(labels, s[:, 0], sample_weight=w), rel=1e-12
        )
        softmax = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        assert hinges.cross_entropy(y, s, sample_weight=w) == pytest.approx(
            log_loss(y, softmax, labels=range(4), sample_weight=w), rel=1e-12
        )
        assert hinges.logistic(labels, s[:, 0], sample_weight=w) == pytest.approx(
            log_loss(labels, 1 / (1 + np.exp(-s[:, 0])), sample_weight=w), rel=1e-12
        )
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
    for loss in {loss for loss, _ in MULTICLASS.values()}:
        with pytest.raises(ValueError, match=message):
            loss(y, s)


def test_multiclass_options_are_checked():
    summed = (hinges.weston_watkins, hinges.lee_lin_wahba, hinges.one_vs_all)
    for loss in (*summed, hinges.crammer_singer):
        for power in (3, True, "2"):
            with pytest.raises(ValueError, match=r"power=.*: expected 1 or 2"):
                loss([0], np.zeros((1, 2)), power=power)
        with pytest.raises(ValueError, match="margin='1': expected a finite number"):
            loss([0], np.zeros((1, 2)), margin="1")
    with pytest.raises(ValueError, match=r"margin \* cost\[0, 1\] is .*, expected a finite"):
        hinges.crammer_singer([0], np.float32([[0.5, 0.5]]), cost=[[0, 1e13], [1, 0]], margin=1e15)
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
    with pytest.raises(ValueError, match=r"second has shape \(3,\), expected \(2,\) as first has"):
        hinges.margin_ranking([1, 1], [1.0, 1.0], [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"negative has shape \(1, 3\), expected \(1, 2\)"):
        hinges.triplet(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="negative is a number, expected at least one vector"):
        hinges.triplet(np.zeros(2), np.zeros(2), 0.0)
    for p in (0.5, np.nan, "2", True, None):
        with pytest.raises(ValueError, match=r"p=.*: expected a number >= 1 or inf"):
            hinges.triplet(*np.zeros((3, 1, 2)), p=p)
    for name in ("swap", "squared"):
        with pytest.raises(ValueError, match=f"{name}=2: expected True or False"):
            hinges.triplet(*np.zeros((3, 1, 2)), **{name: 2})
    with pytest.raises(ValueError, match=r"positive has shape \(1, 2\), expected \(2, 2\)"):
        hinges.n_pair(np.zeros((2, 2)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"y has shape \(1,\), expected \(2,\)"):
        hinges.lifted_structure([1], np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"^distances is -1.0, expected a distance >= 0"):
        hinges.hinge_embedding(1, -1.0)
    with pytest.raises(ValueError, match=r"query has shape \(1,\), expected \(2,\)"):
        hinges.pairwise_hinge([1, 0], [0.0, 1.0], query=[0])


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 10.0, np.inf])
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("swap", [False, True])
def test_triplets_of_any_norm_by_hand_and_by_finite_differences(p, squared, swap):
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(3, 6, 4))
    options = {"margin": 0.8, "p": p, "squared": squared, "swap": swap}

    def norm(difference):
        return np.linalg.norm(difference, ord=p, axis=-1) ** (1 + squared)

    a, b, c = arrays
    far = np.minimum(norm(a - c), norm(b - c)) if swap else norm(a - c)
    want = np.maximum(norm(a - b) - far + 0.8, 0)
    values, slopes = hinges.triplet(a, b, c, reduction="none", with_gradient=True, **options)
    assert (want > 0).any()
    np.testing.assert_allclose(values, want, rtol=1e-12)
    weight = rng.random(6)
    value, gradients = hinges.triplet(
        a, b, c, sample_weight=weight, reduction="sum", with_gradient=True, **options
    )
    assert value == pytest.approx(weight @ want)
    for k, gradient in enumerate(gradients):
        assert gradient.shape == slopes[k].shape == (6, 4)
        np.testing.assert_allclose(gradient, weight[:, None] * slopes[k])
        step = rng.normal(size=(6, 4))
        moved = [[x + h * step * (j == k) for j, x in enumerate(arrays)] for h in (1e-6, -1e-6)]
        high, low = (
            hinges.triplet(*x, sample_weight=weight, reduction="sum", **options) for x in moved
        )
        assert (gradient * step).sum() == pytest.approx((high - low) / 2e-6, abs=1e-5)
    # Large and equal vectors: no overflow, no NaN.
    value, gradients = hinges.triplet(
        1e100 * a, 1e100 * b, 1e100 * c, with_gradient=True, **options
    )
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)
    value, gradients = hinges.triplet(a, a, a, with_gradient=True, **options)
    assert value == pytest.approx(0.8)
    assert not np.any(gradients)


def test_shapes_of_orders_and_distances_broadcast():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(5, 1, 4)), rng.normal(size=(3, 4)), rng.normal(size=4)
    whole = [np.broadcast_to(x, (5, 3, 4)) for x in (a, b, c)]
    weight = rng.random((5, 1))
    for reduction in ("mean", "sum"):
        options = {"sample_weight": weight, "reduction": reduction, "with_gradient": True}
        value, gradients = hinges.triplet(a, b, c, swap=True, **options)
        want, slopes = hinges.triplet(*whole, swap=True, **options)
        assert value == pytest.approx(want)
        assert [g.shape for g in gradients] == [(5, 1, 4), (3, 4), (4,)]
        np.testing.assert_allclose(gradients[0], slopes[0].sum(axis=1, keepdims=True))
        np.testing.assert_allclose(gradients[1], slopes[1].sum(axis=0))
        np.testing.assert_allclose(gradients[2], slopes[2].sum(axis=(0, 1)))
    values, slopes = hinges.triplet(a, b, c, reduction="none", with_gradient=True)
    assert values.shape == (5, 3)
    assert all(slope.shape == (5, 3, 4) for slope in slopes)
    value, (first, second) = hinges.margin_ranking(
        [1, -1], [[1.0], [2.0], [0.0]], [0.5, 0.6], reduction="sum", with_gradient=True
    )
    assert value == pytest.approx(0.5 + 0.4 + 1.4)
    assert first.shape == (3, 1)
    assert first.ravel().tolist() == [1.0, 1.0, -1.0]
    assert second.tolist() == [1.0, -2.0]
    value, slope = hinges.hinge_embedding(-1, [0.25, 3.0], reduction="sum", with_gradient=True)
    assert (value, slope.tolist()) == (0.75, [-1.0, 0.0])
    single = hinges.triplet(np.float32(a), np.float32(b), c, with_gradient=True)
    assert single[0].dtype == np.float64  # the widest
    with pytest.raises(
        ValueError, match=r"positive has shape \(2, 4\), expected \(3, 4\) as anchor"
    ):
        hinges.triplet(b, b[:2], b)
    with pytest.raises(
        ValueError, match=r"negative has shape \(2, 4\), expected \(3, 4\) as anchor"
    ):
        hinges.triplet(c, b, b[:2])


def test_n_pairs_by_hand_and_by_finite_differences():
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(2, 5, 3))
    want = [
        np.log(1 + sum(np.exp(a[i] @ (x[j] - x[i])) for j in range(5) if j != i)) for i in range(5)
    ]
    values, slopes = hinges.n_pair(a, x, reduction="none", with_gradient=True)
    np.testing.assert_allclose(values, want, rtol=1e-12)
    assert hinges.n_pair(a, x) == pytest.approx(hinges.cross_entropy(range(5), a @ x.T))
    weight = rng.random(5)
    value, gradients = hinges.n_pair(a, x, sample_weight=weight, with_gradient=True)
    assert value == pytest.approx(np.average(want, weights=weight))
    for k in (0, 1):
        assert slopes[k].shape == (5, 5, 3)
        by_weight = (slopes[k] * (weight / weight.sum())[:, None, None]).sum(axis=0)
        np.testing.assert_allclose(gradients[k], by_weight, atol=1e-15)
        step = rng.normal(size=(5, 3))
        high, low = (
            hinges.n_pair(a + h * step * (k == 0), x + h * step * (k == 1), sample_weight=weight)
            for h in (1e-6, -1e-6)
        )
        assert (gradients[k] * step).sum() == pytest.approx((high - low) / 2e-6, abs=1e-6)
    assert hinges.n_pair(a[:1], x[:1]) == 0.0
    single = hinges.n_pair(np.float32(a), np.float32(x), with_gradient=True)
    assert single[0].dtype == single[1][0].dtype == single[1][1].dtype == np.float32


def lifted_by_hand(y, x, margin):
    n = len(y)
    d = np.linalg.norm(x[:, None] - x, axis=2)
    values = []
    for i in range(n):
        for j in range(i + 1, n):
            if y[i] == y[j]:
                unlike = [k for k in range(n) if y[k] != y[i]]
                total = sum(np.exp(margin - d[i, k]) + np.exp(margin - d[j, k]) for k in unlike)
                height = d[i, j] + np.log(total) if unlike else -np.inf
                values.append(max(0.0, height) ** 2 / 2)
    return np.array(values)


def test_lifted_structures_by_hand_and_by_finite_differences():
    rng = np.random.default_rng(0)
    y = np.array(["b", "a", "b", "c", "a", "b"])
    for margin in (1.0, -1.0):
        x = rng.normal(size=(6, 3))
        want = lifted_by_hand(y, x, margin)
        values, slopes = hinges.lifted_structure(
            y, x, margin=margin, reduction="none", with_gradient=True
        )
        assert slopes.shape == (4, 6, 3)
        np.testing.assert_allclose(values, want, rtol=1e-12)
        weight = rng.random(4)
        options = {"margin": margin, "sample_weight": weight}
        value, gradient = hinges.lifted_structure(y, x, with_gradient=True, **options)
        assert value == pytest.approx(np.average(want, weights=weight))
        by_weight = (slopes * (weight / weight.sum())[:, None, None]).sum(axis=0)
        np.testing.assert_allclose(gradient, by_weight, atol=1e-14)
        step = rng.normal(size=x.shape)
        high, low = (hinges.lifted_structure(y, x + h * step, **options) for h in (1e-6, -1e-6))
        assert (gradient * step).sum() == pytest.approx((high - low) / 2e-6, abs=1e-6)
    # Nothing to push away, no pair, vectors in one place.
    for classes in (["a"] * 6, range(6)):
        value, gradient = hinges.lifted_structure(classes, x, with_gradient=True)
        assert value == 0.0
        assert not gradient.any()
    value, gradient = hinges.lifted_structure(y, np.zeros((6, 2)), with_gradient=True)
    assert value == pytest.approx(lifted_by_hand(y, np.zeros((6, 2)), 1.0).mean())
    assert not gradient.any()
    single = hinges.lifted_structure(y, np.float32(x), with_gradient=True)
    assert single[0].dtype == single[1].dtype == np.float32


def test_weights_of_queries():
    relevance, s, query = [2, 1, 0, 1, 0], [1.0, 1.5, 0.0, 0.2, 0.1], ["b", "b", "b", "a", "a"]
    options = {"query": query, "reduction": "none", "with_gradient": True}
    values, slopes = hinges.pairwise_hinge(relevance, s, **options)
    weighted, factors = hinges.pairwise_hinge(relevance, s, sample_weight=[2, 0.5], **options)
    np.testing.assert_allclose(weighted, values * [2, 0.5])
    np.testing.assert_allclose(factors, slopes * [0.5, 0.5, 0.5, 2, 2])
    options |= {"reduction": "mean", "sample_weight": [2, 0.5]}
    value, gradient = hinges.pairwise_hinge(relevance, s, **options)
    assert value == pytest.approx(weighted.sum() / (2 * 1 + 0.5 * 3))
    np.testing.assert_allclose(gradient, factors / 3.5)


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
    weight = rng.random(len(X))
    for reduction, factors in (("mean", weight / weight.sum()), ("sum", weight)):
        value, slope = hinges.structured_hinge(
            model,
            X,
            y,
            w,
            rescaling=rescaling,
            sample_weight=weight,
            reduction=reduction,
            with_gradient=True,
        )
        assert value == pytest.approx(factors @ each)
        np.testing.assert_allclose(slope, factors @ slopes, atol=1e-15)
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
    **{
        name: (loss, ([0, 1], [[0.5, 0.5]] * 2), options)
        for name, (loss, options) in MULTICLASS.items()
        if name != "crammer_singer, cost"
    },
    "pairwise_hinge": (hinges.pairwise_hinge, ([1, 0], [0.5, 0.5]), {}),
    "hinge_embedding": (hinges.hinge_embedding, ([1, -1], [0.5, 0.5]), {}),
    "margin_ranking": (hinges.margin_ranking, ([1, -1], [0.5, 0.5], [0.5, 0.5]), {}),
    "triplet": (hinges.triplet, ([[0.5, 0.5]],) * 3, {}),
    "triplet, squared": (hinges.triplet, ([[0.5, 0.5]],) * 3, {"squared": True, "p": 3}),
    "n_pair": (hinges.n_pair, ([[0.5, 0.5]] * 2,) * 2, {}),
    "lifted_structure": (hinges.lifted_structure, ([0, 0, 1], [[0.5, 0.5]] * 3), {}),
    "discriminator_hinge": (hinges.discriminator_hinge, ([0.5], [0.5]), {}),
    "generator_hinge": (hinges.generator_hinge, ([0.5],), {}),
}


@pytest.mark.parametrize("name", EVERY_HINGE)
def test_scores_that_would_overflow_are_refused_and_those_below_do_not(name):
    loss, arguments, options = EVERY_HINGE[name]
    added = name.partition(",")[0] in ADDED
    limits = (1e30, 1e290) if added or name == "exponential" else (1e15, 1e140)
    for dtype, most in zip((np.float32, np.float64), limits, strict=True):
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
