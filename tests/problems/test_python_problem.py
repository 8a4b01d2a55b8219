"""Python models behind the Problem contract: what they may return, and what is refused."""

import re
import traceback
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

from structsvm import StructSVM, StructuredModel
from structsvm.exceptions import OracleWarning
from structsvm.hinge import structured_hinge
from structsvm.problems._python import PythonProblem
from structsvm.solvers import Subgradient

X = [np.array([1.0, 0.0, 2.0]), np.array([0.0, 1.0, -1.0]), np.array([1.0, 1.0, 0.0])]
Y = [0, 1, 1]


class Multiclass(StructuredModel):
    """A correct model; tests replace one method at a time."""

    def joint_feature(self, x, y):
        psi = np.zeros((2, 3))
        psi[y] = x
        return psi.ravel()

    def loss(self, y, y_hat):
        return float(y != y_hat)

    def loss_augmented_inference(self, x, y, w):
        return int(np.argmax(w.reshape(2, 3) @ x + (np.arange(2) != y)))

    def inference(self, x, w):
        return int(np.argmax(w.reshape(2, 3) @ x))


def variant(**methods):
    return type("Variant", (Multiclass,), methods)()


def pair(self, x, y):
    psi = Multiclass.joint_feature(self, x, y)
    return np.flatnonzero(psi), psi[psi != 0]


def repeated_pair(self, x, y):
    indices, values = pair(self, x, y)
    return np.repeat(indices, 2)[::-1], np.repeat(values / 2, 2)[::-1]


SIZED = {"initialize": lambda self, X, y: setattr(self, "n_weights", 6)}
FORMS = {
    "pair": {"joint_feature": pair, **SIZED},
    "pair with repeated, unsorted indices": {"joint_feature": repeated_pair, **SIZED},
    "csr row": {"joint_feature": lambda s, x, y: sp.csr_array([Multiclass.joint_feature(s, x, y)])},
    "coo matrix": {
        "joint_feature": lambda s, x, y: sp.coo_matrix([Multiclass.joint_feature(s, x, y)])
    },
    "fractions": {
        "joint_feature": lambda s, x, y: [
            Fraction(value) for value in Multiclass.joint_feature(s, x, y)
        ]
    },
    "list": {"joint_feature": lambda s, x, y: Multiclass.joint_feature(s, x, y).tolist()},
    "float32": {"joint_feature": lambda s, x, y: Multiclass.joint_feature(s, x, y).astype("f4")},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_joint_feature_gives_the_same_planes(form):
    model, want = variant(**FORMS[form]), Multiclass()
    model.initialize(X, Y)
    problem, reference = model.bind(X, Y), want.bind(X, Y)
    for w in np.random.default_rng(0).normal(size=(5, 6)):
        for i in range(3):
            for ours, theirs in zip(problem.oracle(i, w), reference.oracle(i, w), strict=True):
                np.testing.assert_array_equal(ours, theirs)
    fit = StructSVM(model, C=1.0, scale=None, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(
        fit.coef_, StructSVM(want, C=1.0, scale=None, random_state=0).fit(X, Y).coef_
    )
    np.testing.assert_allclose(
        fit.decision_function(X),
        StructSVM(want, C=1.0, scale=None, random_state=0).fit(X, Y).decision_function(X),
    )


def test_the_problem_can_be_made_without_bind():
    problem, reference = PythonProblem(Multiclass(), X, Y, 6), Multiclass().bind(X, Y)
    assert (problem.n_examples, problem.n_weights, problem.exact) == (3, 6, True)
    assert not PythonProblem(Multiclass(), X, Y, 6, exact=False).exact
    w = np.arange(6.0)
    for i in range(3):
        for ours, theirs in zip(problem.oracle(i, w), reference.oracle(i, w), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="zip"):
        PythonProblem(Multiclass(), X, Y[:2], 6)


def test_repeated_entries_that_cancel_leave_no_trace():
    def joint_feature(self, x, y):
        return [4, 1, 4, 1], [1.0, y, -1.0, 2.0]

    model = variant(joint_feature=joint_feature, loss_augmented_inference=lambda s, x, y, w: 1 - y)
    indices, values, loss = PythonProblem(model, [0], [0], 6).oracle(0, np.zeros(6))
    assert (indices.tolist(), values.tolist(), loss) == ([1], [-1.0], 1.0)


def test_a_model_may_return_the_same_buffers_at_each_call():
    indices, values = np.zeros(1, np.int32), np.zeros(1)

    def joint_feature(self, x, y):
        indices[0], values[0] = y, 1 + y
        return indices, values

    model = variant(joint_feature=joint_feature, loss_augmented_inference=lambda s, x, y, w: 1 - y)
    problem = PythonProblem(model, X, Y, 6)
    for i, want in enumerate(([1, -2], [-1, 2], [-1, 2])):
        found, delta, _ = problem.oracle(i, np.zeros(6))
        assert found.tolist() == [0, 1]
        assert delta.tolist() == want


def test_weights_are_a_read_only_view():
    seen = []

    def oracle(self, x, y, w):
        seen.append(w.flags.writeable)
        with pytest.raises(ValueError, match="read-only"):
            w[0] = 1
        return Multiclass.loss_augmented_inference(self, x, y, w)

    StructSVM(variant(loss_augmented_inference=oracle), C=1.0, scale=None).fit(X, Y)
    assert seen
    assert not any(seen)


def test_a_batch_oracle_is_used_where_weights_stand_still():
    sizes = []

    def batch(self, X, Y, w, *, n_jobs=1):
        sizes.append(len(X))
        return StructuredModel.batch_loss_augmented_inference(self, X, Y, w)

    fit = StructSVM(
        variant(batch_loss_augmented_inference=batch), C=1.0, scale=None, random_state=0
    ).fit(X, Y)
    assert set(sizes) == {3}
    np.testing.assert_array_equal(
        fit.coef_, StructSVM(Multiclass(), C=1.0, scale=None, random_state=0).fit(X, Y).coef_
    )


def test_a_failed_call_leaves_the_problem_usable():
    answers = iter([1, None, 1])

    def joint_feature(self, x, y):
        if y is None:
            raise KeyError("no such output")
        return Multiclass.joint_feature(self, x, y)

    problem = PythonProblem(
        variant(
            joint_feature=joint_feature,
            loss_augmented_inference=lambda s, x, y, w: next(answers),
        ),
        X,
        Y,
        6,
    )
    before = problem.oracle(0, np.zeros(6))
    with pytest.raises(KeyError, match="no such output") as info:
        problem.oracle(0, np.zeros(6))
    assert info.value.__notes__ == ["raised while the oracle worked on example 0"]
    assert "joint_feature" in [f.name for f in traceback.extract_tb(info.value.__traceback__)]
    for ours, theirs in zip(problem.oracle(0, np.zeros(6)), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_traceback_of_an_oracle_survives():
    def oracle(self, x, y, w):
        raise ZeroDivisionError("in the user's own code")

    with pytest.raises(ZeroDivisionError, match="in the user's own code") as info:
        StructSVM(variant(loss_augmented_inference=oracle), C=1.0, scale=None).fit(X, Y)
    assert "oracle" in [frame.name for frame in traceback.extract_tb(info.value.__traceback__)]
    assert info.value.__notes__[0].startswith("raised while the oracle worked on example ")


@pytest.mark.parametrize(
    ("methods", "error", "message"),
    [
        (
            {"joint_feature": lambda s, x, y: np.zeros(6 if y == 0 else 5)},
            ValueError,
            r"joint_feature\(X\[1\], y\[1\]\) has shape \(5,\), expected \(6,\)",
        ),
        (
            {"joint_feature": lambda s, x, y: np.full(6, np.nan)},
            ValueError,
            r"joint_feature\(X\[0\], y\[0\]\) holds NaN or inf",
        ),
        (
            {"joint_feature": lambda s, x, y: ([0, 6], [1.0, 1.0]), **SIZED},
            ValueError,
            r"joint_feature\(X\[0\], y\[0\]\) has indices from 0 to 6, expected 0 to 5",
        ),
        (
            {"joint_feature": lambda s, x, y: ([-1], [1.0]), **SIZED},
            ValueError,
            "has indices from -1 to -1, expected 0 to 5",
        ),
        (
            {"joint_feature": lambda s, x, y: ([0], [np.inf]), **SIZED},
            ValueError,
            r"joint_feature\(X\[0\], y\[0\]\) holds NaN or inf",
        ),
        (
            {"joint_feature": lambda s, x, y: sp.csr_array([[np.nan] * 6])},
            ValueError,
            r"joint_feature\(X\[0\], y\[0\]\) holds NaN or inf",
        ),
        (
            {"joint_feature": lambda s, x, y: np.zeros((2, 3)), **SIZED},
            ValueError,
            r"joint_feature\(X\[0\], y\[0\]\) has shape \(2, 3\), expected \(6,\)",
        ),
        (
            {
                "loss_augmented_inference": lambda s, x, y, w: 1 - y,
                "joint_feature": lambda s, x, y: np.full(6, np.nan if y == 0 and x[1] else 1.0),
            },
            ValueError,
            r"joint_feature\(X\[[12]\], y_hat\) holds NaN or inf",
        ),
        (
            {"joint_feature": lambda s, x, y: None, **SIZED},
            ValueError,
            r"has shape \(\), expected \(6,\)",
        ),
        (
            {"joint_feature": lambda s, x, y: ([0.5], [1.0]), **SIZED},
            ValueError,
            "has indices of dtype float64, expected integers",
        ),
        (
            {"joint_feature": lambda s, x, y: ([0], [1.0, 2.0]), **SIZED},
            ValueError,
            "both must be 1-D and equally long",
        ),
        (
            {"joint_feature": pair},
            ValueError,
            r"does not tell the number of weights: set self.n_weights in initialize\(X, y\)",
        ),
        (
            {"joint_feature": lambda s, x, y: sp.csr_array((1, 4)), **SIZED},
            ValueError,
            "has 4 entries, expected 6",
        ),
        (
            {"loss": lambda s, y, y_hat: -1.0},
            ValueError,
            r"loss\(y\[\d\], y_hat\) returned -1.0; a task loss is finite and >= 0",
        ),
        (
            {"loss": lambda s, y, y_hat: np.nan},
            ValueError,
            r"loss\(y\[\d\], y_hat\) returned nan; a task loss is finite and >= 0",
        ),
        (
            {"loss": lambda s, y, y_hat: np.inf},
            ValueError,
            r"loss\(y\[\d\], y_hat\) returned inf; a task loss is finite and >= 0",
        ),
        (
            {"batch_loss_augmented_inference": lambda s, X, Y, w: [0]},
            ValueError,
            "batch_loss_augmented_inference returned 1 outputs for 3 examples",
        ),
    ],
)
def test_wrong_answers_are_named(methods, error, message):
    with pytest.raises(error, match=message):
        StructSVM(variant(**methods), C=1.0, scale=None).fit(X, Y)


NO_VECTOR = "return an array of numbers, a tuple \\(indices, values\\) or a scipy sparse row"


@pytest.mark.parametrize(
    ("psi", "message"),
    [
        ({0: 1.0}, rf"returned a dict, which has shape \(\), expected \(6,\): {NO_VECTOR}"),
        ({0, 1}, rf"returned a set, which has shape \(\), expected \(6,\): {NO_VECTOR}"),
        (None, rf"returned None, which has shape \(\), expected \(6,\): {NO_VECTOR}"),
        ("abc", rf"returned 'abc', which has shape \(\), expected \(6,\): {NO_VECTOR}"),
        (3.5, r"has shape \(\), expected \(6,\)"),
        ([[1.0, 2.0], [3.0]], "returned a list, no array of numbers"),
        (["1"] * 6, "has dtype <U1, expected real numbers"),
        (np.full(6, 1j), "has dtype complex128, expected real numbers"),
        (np.array([None] * 6), "has dtype object, expected real numbers"),
        (np.ma.masked_equal(np.arange(6.0), 3), "has masked entries, expected real numbers"),
        (([0, 1], [1j, 2.0]), r"\[1\] has dtype complex128, expected real numbers"),
        ((["a", "b"], [1.0, 2.0]), "has indices of dtype <U1, expected integers"),
        (sp.csr_array(np.full((1, 6), 1j)), "has dtype complex128, expected real numbers"),
        (sp.csr_array((2, 3)), r"has shape \(2, 3\), expected one row"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_what_is_no_joint_feature_is_refused_by_name_and_place(psi, message, late):
    """For the truth, and for an output that the oracle finds later."""

    def joint_feature(self, x, y):
        if x[2] < 0 and (y == 0 if late else y == 1):
            return psi
        return Multiclass.joint_feature(self, x, y)

    where = r"joint_feature\(X\[1\], y_hat\)" if late else r"joint_feature\(X\[1\], y\[1\]\)"
    wrong = variant(
        joint_feature=joint_feature, loss_augmented_inference=lambda s, x, y, w: 1 - y, **SIZED
    )
    with pytest.raises(ValueError, match=f"^{where}.*{message}") as info:
        StructSVM(wrong, C=1.0, scale=None, solver="n_slack").fit(X, Y)
    assert "on example 1" in "".join(info.value.__notes__)


def test_damaged_sparse_rows_are_no_crash():
    def damaged(self, x, y):
        row = sp.csr_array([Multiclass.joint_feature(self, x, y)])
        row.indptr[1] = 2**31 - 1
        return row

    def out_of_range(self, x, y):
        row = sp.csr_array([Multiclass.joint_feature(self, x, y)])
        row.indices[:] = 10**6
        return row

    def column(self, x, y):
        row = sp.csc_array(Multiclass.joint_feature(self, x, y)[:, None])
        row.indptr[1] = 2**31 - 1
        return row

    for joint_feature, message in (
        (damaged, r"joint_feature\(X\[0\], y\[0\]\) is a damaged CS[RC] matrix: its indptr"),
        (column, r"joint_feature\(X\[0\], y\[0\]\) is a damaged CS[RC] matrix: its indptr"),
        (out_of_range, r"is a damaged CSR matrix: its indptr or indices point out"),
    ):
        with pytest.raises(ValueError, match=message):
            StructSVM(variant(joint_feature=joint_feature, **SIZED), C=1.0, scale=None).fit(X, Y)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        # Also of one entry: whether that is a number must not depend on the example.
        (np.array([1.0]), r"an array of shape \(1,\)"),
        (np.array([1.0, 0.0]), r"an array of shape \(2,\)"),
        ([1.0], "a list"),
        ("1.0", "'1.0'"),
        (None, "None"),
        (1 + 0j, r"\(1\+0j\)"),
    ],
)
def test_a_loss_that_is_no_number_is_refused(loss, message):
    with pytest.raises(ValueError, match=f"returned {message}, expected one number") as info:
        StructSVM(variant(loss=lambda s, y, y_hat: loss), C=1.0, scale=None, solver="n_slack").fit(
            X, Y
        )
    assert str(info.value).startswith("loss(y[0], y_hat) ")
    assert "on example 0" in info.value.__notes__[0]


def test_losses_may_be_any_kind_of_number():
    want = StructSVM(Multiclass(), C=1.0, scale=None, random_state=0).fit(X, Y)
    for number in (int, np.bool_, Fraction, np.float32, np.array):
        model = variant(loss=lambda s, y, y_hat, number=number: number(y != y_hat))
        fit = StructSVM(model, C=1.0, scale=None, random_state=0).fit(X, Y)
        np.testing.assert_array_equal(fit.coef_, want.coef_)


@pytest.mark.parametrize("energy", [0.5, 3, np.float32(0.5)])
def test_an_oracle_that_returns_an_energy_too_is_told_so(energy):
    def with_energy(self, x, *args):
        return 0, energy

    message = (
        r"returned \(0, .*\) for example 0, expected an output such as y: return only the output, "
    )
    oracle = variant(loss_augmented_inference=with_energy)
    with pytest.raises(ValueError, match="^loss_augmented_inference " + message):
        StructSVM(oracle, C=1.0, scale=None, solver="n_slack").fit(X, Y)
    slack = variant(slack_rescaled_inference=with_energy)
    with pytest.raises(ValueError, match="^slack_rescaled_inference " + message):
        StructSVM(slack, C=1.0, scale=None, solver="n_slack", rescaling="slack").fit(X, Y)
    with pytest.raises(ValueError, match="^inference " + message):
        StructSVM(variant(inference=with_energy), C=1.0, scale=None).fit(X, Y)
    svm = StructSVM(Multiclass(), C=1.0, scale=None, tol=0.5).fit(X, Y)
    svm.model_ = variant(inference=with_energy)
    with pytest.raises(ValueError, match="^inference " + message):
        svm.score(X, Y)


def test_outputs_may_be_pairs_with_a_number():
    outputs = [(0, 0.5), (1, 0.25)]

    class Pairs(Multiclass):
        def joint_feature(self, x, y):
            return super().joint_feature(x, y[0])

        def loss_augmented_inference(self, x, y, w):
            return outputs[super().loss_augmented_inference(x, y[0], w)]

        def inference(self, x, w):
            return outputs[super().inference(x, w)]

    truth = [outputs[y] for y in Y]
    fit = StructSVM(Pairs(), C=1.0, scale=None, random_state=0).fit(X, truth)
    assert fit.score(X, truth) == StructSVM(Multiclass(), C=1.0, scale=None, random_state=0).fit(
        X, Y
    ).score(X, Y)


@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_losses_below_zero_by_rounding_count_as_zero_and_are_told_once(scale):
    def loss(self, y, y_hat):
        return scale * (1.0 if y != y_hat else -1e-16)

    def oracle(self, x, y, w):
        return int(np.argmax(w.reshape(2, 3) @ x + scale * (np.arange(2) != y)))

    model = variant(loss=loss, loss_augmented_inference=oracle)
    for solver in ("bcfw", "n_slack"):
        svm = StructSVM(model, scale=None, solver=solver, C=1e3 * scale, random_state=0)
        with pytest.warns(RuntimeWarning, match="below 0 by rounding: such losses count as 0") as w:
            svm.fit(X, Y)
        assert len(w) == 1
        assert svm.certified_
    with pytest.warns(RuntimeWarning, match=r"loss\(y\[0\], y_hat\) returned -1e-") as w:
        assert svm.score(X, [Y[0], Y[1], 1 - Y[2]]) == pytest.approx(-scale / 3)
    assert len(w) == 1
    with pytest.warns(RuntimeWarning, match="below 0 by rounding"):
        assert structured_hinge(svm.model_, X * 2, [0, 1, 1, 1, 0, 0], 10 * svm.coef_) > scale


def test_losses_clearly_below_zero_are_refused():
    model = variant(loss=lambda s, y, y_hat: 1.0 if y != y_hat else -1e-8)
    svm = StructSVM(model, scale=None, C=100.0)
    with pytest.raises(ValueError, match="returned -1e-08; a task loss is finite and >= 0"):
        svm.fit(X, Y)
    svm = StructSVM(Multiclass(), C=1.0, scale=None).fit(X, Y)
    svm.model_ = model
    with pytest.raises(ValueError, match=r"loss\(y\[0\], y_hat\) returned -1e-08; a task") as info:
        svm.score(X, Y)
    assert info.value.__notes__ == ["raised while loss worked on example 0"]


def raising(name, bad=2):
    """A model whose method fails on X[bad], `joint_feature` only for wrong outputs."""

    def method(self, *args):
        if args[0] is X[bad] and not (name == "joint_feature" and args[1] == Y[bad]):
            raise ZeroDivisionError("in the user's own code")
        twin = "loss_augmented_inference" if name == "slack_rescaled_inference" else name
        return getattr(Multiclass, twin)(self, *args)

    return variant(**{name: method})


SOLVERS = ["bcfw", "cutting_plane", "n_slack", "subgradient", "passive_aggressive"]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["loss_augmented_inference", "joint_feature"])
def test_errors_of_a_model_tell_the_example_with_every_solver(solver, name):
    with pytest.raises(ZeroDivisionError, match="in the user's own code") as info:
        StructSVM(raising(name), C=1.0, scale=None, solver=solver, random_state=0).fit(X, Y)
    assert info.value.__notes__ == ["raised while the oracle worked on example 2"]


@pytest.mark.parametrize("solver", [*SOLVERS, "perceptron"])
def test_errors_of_a_loss_tell_the_example_with_every_solver(solver):
    model = variant(
        loss=lambda s, y, y_hat: 1 / (y != 7),
        loss_augmented_inference=lambda s, x, y, w: 0,
        inference=lambda s, x, w: 0,
        joint_feature=lambda s, x, y: np.append(x, x) * (y + 1),
    )
    with pytest.raises(ZeroDivisionError) as info:
        StructSVM(model, C=1.0, scale=None, solver=solver, random_state=0).fit(X, [0, 7, 1])
    assert info.value.__notes__ == ["raised while the oracle worked on example 1"]


def test_errors_of_a_model_tell_the_example_with_every_method():
    def notes(call, *args, **kwargs):
        with pytest.raises(ZeroDivisionError, match="in the user's own code") as info:
            call(*args, **kwargs)
        return info.value.__notes__

    slack = raising("slack_rescaled_inference")
    for solver in ("bcfw", "n_slack"):
        svm = StructSVM(slack, C=1.0, scale=None, solver=solver, rescaling="slack")
        assert notes(svm.fit, X, Y) == ["raised while the oracle worked on example 2"]
    fitted = StructSVM(Multiclass(), C=1.0, scale=None, random_state=0).fit(X, Y)
    fitted.model_ = raising("inference")
    for call in (fitted.predict, fitted.decision_function):
        assert notes(call, X) == ["raised while inference worked on example 2"]
    assert notes(fitted.score, X, Y) == ["raised while inference worked on example 2"]
    fitted.model_ = raising("loss_augmented_inference")
    assert notes(fitted.loss_augmented_predict, X, Y) == [
        "raised while the oracle worked on example 2"
    ]
    fitted.model_ = raising("joint_feature")
    fitted.coef_ *= -1
    assert notes(fitted.decision_function, X) == ["raised while joint_feature worked on example 2"]
    online = StructSVM(
        raising("loss_augmented_inference"), C=1.0, scale=None, solver="passive_aggressive"
    )
    assert notes(online.partial_fit, X, Y) == ["raised while the oracle worked on example 2"]
    held_out = StructSVM(raising("inference", bad=1), C=1.0, scale=None, solver="n_slack", tol=0.5)
    assert notes(held_out.fit, [X[0], X[2]], [Y[0], Y[2]], X_val=X, y_val=Y) == [
        "raised while inference worked on example 1",
        "in X_val and y_val",
    ]


@pytest.mark.parametrize("answer", [None, 3, "abc", {0: 0, 1: 1, 2: 1}, iter([0, 1, 1])])
def test_a_batch_method_that_returns_no_list_is_named(answer):
    message = "returned .*, expected a list with one output for each of the 3 examples"
    oracle = variant(batch_loss_augmented_inference=lambda s, X, Y, w: answer)
    with pytest.raises(ValueError, match="^batch_loss_augmented_inference " + message):
        StructSVM(oracle, C=1.0, scale=None, solver="n_slack").fit(X, Y)
    # Training can do without it, and checks the single one.
    svm = StructSVM(
        variant(batch_inference=lambda s, X, w: answer), C=1.0, scale=None, tol=0.5
    ).fit(X, Y)
    assert svm.certified_
    for call in (svm.predict, svm.decision_function):
        with pytest.raises(ValueError, match="^batch_inference " + message):
            call(X)


def test_batch_methods_say_which_single_one_they_stand_for():
    for single in ("inference", "loss_augmented_inference", "slack_rescaled_inference"):
        assert getattr(StructuredModel, f"batch_{single}").stands_for == single


def test_a_batch_method_that_fails_tells_of_which_examples():
    def batch(self, X, Y, w):
        raise ZeroDivisionError("in the user's own code")

    with pytest.raises(ZeroDivisionError) as info:
        StructSVM(
            variant(batch_loss_augmented_inference=batch), C=1.0, scale=None, solver="n_slack"
        ).fit(X, Y)
    note = "raised while batch_loss_augmented_inference worked on examples 0 to 2"
    assert info.value.__notes__ == [note]


@pytest.mark.parametrize("n_weights", [6.0, "6", True, [6]])
def test_a_number_of_weights_that_is_no_integer_is_refused(n_weights):
    model = variant(initialize=lambda s, X, y: setattr(s, "n_weights", n_weights))
    with pytest.raises(
        ValueError, match=f"n_weights is {n_weights!r}, expected an integer".replace("[", r"\[")
    ):
        StructSVM(model, C=1.0, scale=None).fit(X, Y)


def test_base_classes_in_the_wrong_order_are_told_of():
    class Theirs:
        joint_feature = Multiclass.joint_feature
        loss = Multiclass.loss
        loss_augmented_inference = Multiclass.loss_augmented_inference
        inference = Multiclass.inference

    class Sizes:
        def initialize(self, X, y):
            self.n_weights = 6

        def score(self, x):  # no business of ours
            return 0

    class Hidden(StructuredModel, Theirs):
        pass

    class HalfHidden(StructuredModel, Sizes):
        joint_feature = pair
        loss = Multiclass.loss
        loss_augmented_inference = Multiclass.loss_augmented_inference
        inference = Multiclass.inference

    class Fine(Theirs, StructuredModel):
        pass

    for model, message in (
        (Hidden(), "before Theirs among its bases, which hides joint_feature, loss, .* of Theirs"),
        (Hidden(), r"write class Hidden\(Theirs, StructuredModel\)"),
        (HalfHidden(), "before Sizes among its bases, which hides initialize of Sizes: write"),
    ):
        with pytest.raises(TypeError, match=message):
            StructSVM(model, C=1.0, scale=None).fit(X, Y)
    StructSVM(Fine(), C=1.0, scale=None).fit(X, Y)


def test_missing_methods_are_named():
    class Half(StructuredModel):
        def joint_feature(self, x, y):
            return np.zeros(1)

        def inference(self, x, w):
            return 0

    message = r"Half does not implement loss\(\), loss_augmented_inference\(\); a StructuredModel"
    with pytest.raises(TypeError, match=message):
        StructSVM(Half(), C=1.0, scale=None).fit(X, Y)
    with pytest.raises(TypeError, match=r"Half does not implement loss\(\)"):
        Half().loss(0, 0)


def test_batch_methods_need_not_know_of_threads():
    model = variant(
        batch_inference=lambda s, X, w: [s.inference(x, w) for x in X],
        batch_loss_augmented_inference=lambda s, X, Y, w: [
            s.loss_augmented_inference(x, y, w) for x, y in zip(X, Y, strict=True)
        ],
    )
    svm = StructSVM(model, C=1.0, scale=None, tol=0.1, random_state=0).fit(X, Y, X_val=X, y_val=Y)
    assert svm.score(X, Y) == svm.validation_score_
    assert len(svm.loss_augmented_predict(X, Y)) == 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
def test_the_warning_of_a_wrong_oracle_says_by_how_much_and_where(solver):
    def oracle(self, x, y, w):
        """Wrong on the second example, once the weights are not 0."""
        return 1 - y if x[2] < 0 else Multiclass.loss_augmented_inference(self, x, y, w)

    svm = StructSVM(
        variant(loss_augmented_inference=oracle), scale=None, solver=solver, C=100.0, max_iter=20
    )
    with pytest.warns(OracleWarning) as told:
        svm.set_params(random_state=0).fit(X, Y)
    message = next(str(one.message) for one in told if one.category is OracleWarning)
    found = re.search(r"by up to (\S+) \(on example 1\), which was used .*check_model", message)
    assert found, message
    assert float(found[1]) > 0


def test_pieces_of_the_data_tell_of_a_wrong_oracle_too():
    worst = variant(loss_augmented_inference=lambda s, x, y, w: 1 - y)
    svm = StructSVM(worst, scale=None, solver=Subgradient(n_examples=3), C=1000.0)
    with pytest.warns(OracleWarning, match=r"by up to \S+ \(on example \d\)"):
        svm.partial_fit(X, Y).partial_fit(X[:1], Y[:1])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_subgradient_notices_answers_that_are_worse_than_the_truth():
    worst = variant(loss_augmented_inference=lambda s, x, y, w: int(np.argmin(w.reshape(2, 3) @ x)))
    svm = StructSVM(
        worst, C=1.0, scale=None, solver="subgradient", max_iter=20, tol=0.9, random_state=0
    )
    with pytest.warns(OracleWarning, match="returned an output worse than one already known"):
        svm.fit(X * 5, Y * 5)
    assert not svm.certified_
