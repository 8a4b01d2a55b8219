"""Models of one's own that are not what they claim to be are found out by their predictions."""

import sys
import warnings

import cloudpickle
import numpy as np
import pytest
import python_models
from python_models import PythonClasses

from structsvm import StructSVM, fit_path
from structsvm.callbacks import Checkpoint
from structsvm.exceptions import OracleWarning

# A worker cannot import test modules by name.
for module in (sys.modules[__name__], python_models):
    cloudpickle.register_pickle_by_value(module)

SOLVERS = ["bcfw", "cutting_plane", "n_slack", "subgradient"]


class Sound(PythonClasses):
    def slack_rescaled_inference(self, x, y, w):
        scores = self.scores(x, w)
        return int(np.argmax(self.losses(y) * (1 + scores - scores[y])))


class Minimum(Sound):
    def loss_augmented_inference(self, x, y, w):
        return int(np.argmin(self.scores(x, w) + self.losses(y)))

    slack_rescaled_inference = loss_augmented_inference


class LossForgotten(Sound):
    def loss_augmented_inference(self, x, y, w):
        return self.inference(x, w)

    slack_rescaled_inference = loss_augmented_inference


class LossSubtracted(Sound):
    def loss_augmented_inference(self, x, y, w):
        return int(np.argmax(self.scores(x, w) - self.losses(y)))

    slack_rescaled_inference = loss_augmented_inference


class AlwaysTheTruth(Sound):
    def loss_augmented_inference(self, x, y, w):
        return y

    slack_rescaled_inference = loss_augmented_inference


class WrongForHalf(Sound):
    def loss_augmented_inference(self, x, y, w):
        return y if x[0] > 0 else super().loss_augmented_inference(x, y, w)

    def slack_rescaled_inference(self, x, y, w):
        return y if x[0] > 0 else super().slack_rescaled_inference(x, y, w)


class WrongInBatches(Sound):
    def batch_loss_augmented_inference(self, X, Y, w):
        return list(Y)

    def batch_slack_rescaled_inference(self, X, Y, w):
        return list(Y)


class Similarity(Sound):
    def loss(self, y, y_hat):
        return float(y == y_hat)


class ConsistentSimilarity(Similarity):
    def loss_augmented_inference(self, x, y, w):
        return int(np.argmax(self.scores(x, w) + (np.arange(3) == y)))


class PredictsMinimum(Sound):
    def inference(self, x, w):
        return int(np.argmin(self.scores(x, w)))


class PredictsTheSame(Sound):
    def inference(self, x, w):
        return 0


class PredictsTheNext(Sound):
    def inference(self, x, w):
        return (super().inference(x, w) + 1) % 3


class PredictsInBatchesOnly(Sound):
    def batch_inference(self, X, w, *, n_jobs=1):
        return [PredictsMinimum.inference(self, x, w) for x in X]


ORACLES = [Minimum, LossForgotten, LossSubtracted, AlwaysTheTruth, WrongForHalf]
LOSSES = [Similarity, ConsistentSimilarity]
PREDICTIONS = [PredictsMinimum, PredictsTheSame, PredictsTheNext]


def make_rows(distance):
    """40 rows of 4 numbers of 3 classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=40)
    points = distance * rng.normal(size=(3, 4))[labels] + rng.normal(size=(40, 4))
    return list(points), [int(label) for label in labels]


@pytest.fixture(scope="module", params=[0.3, 3.0])
def rows(request):
    """Hard or easy to tell apart."""
    return make_rows(request.param)


def fitted(model, X, y, **params):
    """The estimator and the oracle warnings of its fit."""
    fit_params = {"sample_weight": params.pop("sample_weight", None)}
    for name in ("X_val", "y_val", "resume_from"):
        fit_params[name] = params.pop(name, None)
    svm = StructSVM(
        model,
        random_state=0,
        **({"C": 1.0, "scale": None} | {"max_iter": 10, "tol": 0.01} | params),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        svm.fit(X, y, **fit_params)
    told = [w for w in caught if issubclass(w.category, OracleWarning)]
    assert all(w.filename == __file__ for w in told)
    return svm, [str(w.message) for w in told]


@pytest.mark.parametrize("C", [0.01, 100.0])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("model", [*ORACLES, *LOSSES, *PREDICTIONS])
def test_a_wrong_model_is_told_once_and_not_certified(rows, model, solver, C):
    svm, told = fitted(model(), *rows, solver=solver, C=C)
    if model is LossForgotten and solver == "subgradient" and C == 100.0:
        # Its weights are so long that no margin matters: the objective is the true one.
        w, X, y = svm.coef_, *rows
        assert svm.objective_ == w @ w / 2 + 100 * 40 * Sound().bind(X, y).mean_hinge(w)
        return
    assert len(told) == 1
    assert not svm.certified_
    assert "the duality gap is no certificate" in told[0]


@pytest.mark.parametrize("C", [1e-3, 1e5])
@pytest.mark.parametrize("rescaling", ["margin", "slack"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_sound_model_is_certified(rows, solver, rescaling, C):
    weight = np.arange(40) % 3.0
    svm, told = fitted(
        Sound(), *rows, solver=solver, rescaling=rescaling, C=C, sample_weight=weight
    )
    assert told == []
    assert svm.certified_


class InFloat32(Sound):
    def scores(self, x, w):
        return w.astype("f4").reshape(3, -1) @ x.astype("f4")


def test_rounding_is_no_fault(rows):
    X, y = rows
    X = [1e4 * x + 1e6 for x in X]
    for model in (Sound(), InFloat32()):
        svm, told = fitted(model, X, y, C=1e-6, solver="n_slack")
        assert told == []
        assert svm.certified_


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Minimum,
            r"Minimum.loss_augmented_inference misses the maximum on example \d+: its hinge is 0, "
            r"but the model's own prediction has loss 1.* structsvm.testing.check_model find",
        ),
        (
            PredictsMinimum,
            r"PredictsMinimum.inference misses the maximum on example \d+: its output, with loss 1",
        ),
        (
            Similarity,
            r"loss\(y\[\d+\], y\[\d+\]\) of Similarity is 1, expected 0: a loss measures ho",
        ),
    ],
)
def test_the_warning_says_which_method_where_and_by_how_much(rows, model, message):
    with pytest.warns(OracleWarning, match=message):
        StructSVM(model(), C=1.0, scale=None, max_iter=5, tol=0.999, random_state=0).fit(*rows)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("model", ORACLES)
def test_slack_rescaling_is_checked_as_well(rows, model, solver):
    svm, told = fitted(model(), *rows, solver=solver, rescaling="slack")
    assert len(told) == 1
    assert "slack_rescaled_inference" in told[0] or "worse than one already known" in told[0]
    assert not svm.certified_


@pytest.mark.parametrize("model", [Minimum, LossForgotten, WrongForHalf, WrongInBatches])
def test_examples_of_weight_0_and_held_out_ones_hide_nothing(rows, model):
    X, y = rows
    weight = np.arange(40) % 2.0
    svm, told = fitted(model(), X, y, sample_weight=weight, X_val=X[:9], y_val=y[:9])
    assert len(told) == 1
    assert not svm.certified_


@pytest.mark.parametrize("model", [WrongInBatches, PredictsInBatchesOnly])
def test_batch_methods_are_checked_where_they_work(model):
    for n_jobs in (1, 2):
        svm, told = fitted(model(), *make_rows(0.3), solver="n_slack", max_iter=3, n_jobs=n_jobs)
        assert len(told) == 1
        assert not svm.certified_


def test_it_is_told_after_the_first_round(rows):
    """Nobody waits for the end of a fit that is in vain."""

    def stop(progress):
        raise AssertionError(f"round {progress.n_iter} is too late")

    for model in (Minimum, LossForgotten, PredictsTheNext):
        with warnings.catch_warnings():
            warnings.simplefilter("error", OracleWarning)
            with pytest.raises(OracleWarning, match="misses the maximum"):
                StructSVM(model(), scale=None, C=1.0, callbacks=[stop], random_state=0).fit(*rows)


def test_warm_starts_paths_and_resumed_fits_are_checked(rows, tmp_path):
    X, y = rows
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        path = fit_path(
            StructSVM(Minimum(), C=1.0, scale=None, max_iter=5, random_state=0), X, y, [0.1, 1.0]
        )
        warm = StructSVM(
            Minimum(), C=1.0, scale=None, max_iter=5, random_state=0, warm_start=True
        ).fit(X, y)
        warm.set_params(C=2.0).fit(X, y)
    assert sum(issubclass(w.category, OracleWarning) for w in caught) == 4
    assert not any(svm.certified_ for svm in (*path, warm))
    file = tmp_path / "fit.ckpt"
    whole, told = fitted(Minimum(), X, y, C=2.0, callbacks=[Checkpoint(file, every=1)])
    resumed, _ = fitted(Minimum(), X, y, C=2.0, resume_from=file)
    assert (len(told), whole.certified_, resumed.certified_) == (1, False, False)


def test_a_sound_model_resumes_to_the_same_numbers(rows, tmp_path):
    X, y = rows
    file = tmp_path / "fit.ckpt"
    stop = [Checkpoint(file, every=1), lambda progress: progress.n_iter == 3]
    svm, _ = fitted(Sound(), X, y, C=2.0, tol=1e-6, callbacks=stop)
    assert svm.certified_
    whole, _ = fitted(Sound(), X, y, C=2.0, tol=1e-6)
    resumed, _ = fitted(Sound(), X, y, C=2.0, tol=1e-6, resume_from=file)
    assert resumed.certified_
    assert resumed.n_oracle_calls_ == whole.n_oracle_calls_
    assert np.array_equal(resumed.coef_, whole.coef_)


def test_a_model_that_declares_itself_inexact_is_believed(rows):
    class Declared(Minimum):
        exact = False

    svm, told = fitted(Declared(), *rows)
    assert told == []
    assert not svm.certified_


def test_inference_that_raises_is_heard_of_after_the_first_round(rows):
    class Unfinished(Sound):
        def inference(self, x, w):
            raise NotImplementedError("later")

    svm = StructSVM(Unfinished(), C=1.0, scale=None, random_state=0)
    with pytest.raises(NotImplementedError, match="later"):
        svm.fit(*rows)
    assert svm.n_iter_ == 1
    assert not svm.certified_


def test_a_dual_value_above_the_objective_is_no_gap_of_0():
    """Predictions that follow the oracle's faults show nothing; two bounds that cross do."""

    class Forgetful(Sound):
        """Exact in visits, where the bound from below is made; blind in passes."""

        def batch_loss_augmented_inference(self, X, Y, w):
            return list(Y)

        def batch_inference(self, X, w, *, n_jobs=1):
            return [self.truth[x.tobytes()] for x in X]

        def initialize(self, X, y):
            self.truth = {x.tobytes(): label for x, label in zip(X, y, strict=True)}

        def inference(self, x, w):
            return self.truth[x.tobytes()]

    svm, told = fitted(Forgetful(), *make_rows(0.3), solver="subgradient", C=1.0)
    assert svm.dual_objective_ > svm.objective_
    assert 0.0 < svm.dual_gap_ <= 1.0
    assert len(told) == 1
    assert not svm.certified_
