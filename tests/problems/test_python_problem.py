"""Python models behind the Problem contract: what they may return, and what is refused."""

import traceback

import numpy as np
import pytest
import scipy.sparse as sp

from structsvm import StructSVM, StructuredModel
from structsvm.exceptions import OracleWarning
from structsvm.problems._python import PythonProblem

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
    fit = StructSVM(model, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(fit.coef_, StructSVM(want, random_state=0).fit(X, Y).coef_)
    np.testing.assert_allclose(
        fit.decision_function(X), StructSVM(want, random_state=0).fit(X, Y).decision_function(X)
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

    StructSVM(variant(loss_augmented_inference=oracle)).fit(X, Y)
    assert seen
    assert not any(seen)


def test_a_batch_oracle_is_used_where_weights_stand_still():
    sizes = []

    def batch(self, X, Y, w, *, n_jobs=1):
        sizes.append(len(X))
        return StructuredModel.batch_loss_augmented_inference(self, X, Y, w)

    fit = StructSVM(variant(batch_loss_augmented_inference=batch), random_state=0).fit(X, Y)
    assert set(sizes) == {3}
    np.testing.assert_array_equal(
        fit.coef_, StructSVM(Multiclass(), random_state=0).fit(X, Y).coef_
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
        StructSVM(variant(loss_augmented_inference=oracle)).fit(X, Y)
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
        StructSVM(variant(**methods)).fit(X, Y)


def test_missing_methods_are_named():
    class Half(StructuredModel):
        def joint_feature(self, x, y):
            return np.zeros(1)

        def inference(self, x, w):
            return 0

    message = r"Half does not implement loss\(\), loss_augmented_inference\(\); a StructuredModel"
    with pytest.raises(TypeError, match=message):
        StructSVM(Half()).fit(X, Y)
    with pytest.raises(TypeError, match=r"Half does not implement loss\(\)"):
        Half().loss(0, 0)


def test_batch_methods_need_not_know_of_threads():
    model = variant(
        batch_inference=lambda s, X, w: [s.inference(x, w) for x in X],
        batch_loss_augmented_inference=lambda s, X, Y, w: [
            s.loss_augmented_inference(x, y, w) for x, y in zip(X, Y, strict=True)
        ],
    )
    svm = StructSVM(model, tol=0.1, random_state=0).fit(X, Y, X_val=X, y_val=Y)
    assert svm.score(X, Y) == svm.validation_score_
    assert len(svm.loss_augmented_predict(X, Y)) == 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_subgradient_notices_answers_that_are_worse_than_the_truth():
    worst = variant(loss_augmented_inference=lambda s, x, y, w: int(np.argmin(w.reshape(2, 3) @ x)))
    svm = StructSVM(worst, solver="subgradient", max_iter=20, tol=0.9, random_state=0)
    with pytest.warns(OracleWarning, match="returned an output worse than one already known"):
        svm.fit(X * 5, Y * 5)
    assert not svm.certified_
