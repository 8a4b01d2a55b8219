"""check_model finds every planted fault and passes sound models."""

import functools
import itertools
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from python_models import PythonClasses

from structsvm import ChainModel, GridModel
from structsvm.base import StructuredModel
from structsvm.testing import ModelCheckError, check_model, exhaustive_max

RNG = np.random.default_rng(0)
X = list(RNG.normal(size=(6, 4)))
Y = [0, 1, 2, 0, 1, 2]


class Sound(PythonClasses):
    def loss(self, y, y_hat):
        return 2.0 * (y != y_hat)

    def losses(self, y):
        return 2.0 * super().losses(y)


def test_sound_models_pass_and_are_left_alone(words):
    model = Sound()
    check_model(model, X, Y)
    assert vars(model) == {"n_classes": 3}
    X_words, y_words = words
    for loss in ("hamming", "normalized_hamming"):
        check_model(ChainModel(loss), X_words[:8], y_words[:8])


class NegativeLoss(Sound):
    def loss(self, y, y_hat):
        return -1.0 if y != y_hat else 0.0


class LossAtTruth(Sound):
    def loss(self, y, y_hat):
        return 1.0


class ForgetsLoss(Sound):
    def loss_augmented_inference(self, x, y, w):
        return self.inference(x, w)


class WrongSign(Sound):
    def inference(self, x, w):
        return super().inference(x, -w)


class ChangesInput(Sound):
    def inference(self, x, w):
        x *= 1.0 + 1e-9
        return super().inference(x, w)


class ShortBatch(Sound):
    def batch_inference(self, X, w, *, n_jobs=1):
        return super().batch_inference(X[1:], w)


class OtherBatch(Sound):
    def batch_loss_augmented_inference(self, X, Y, w, *, n_jobs=1):
        return [0] * len(X)


class RenamedParameter(Sound):
    def __init__(self, n_classes=3):
        self.classes = self.n_classes = n_classes + 1


class Unpicklable(Sound):
    def __init__(self, n_classes=3, scale=1.0):
        self.n_classes = n_classes
        self.scale = scale

    def __getstate__(self):
        raise TypeError("a lock")


class LeastViolated(Sound):
    def loss_augmented_inference(self, x, y, w):
        scores = w.reshape(self.n_classes, -1) @ x
        return int(np.argmin(scores + 2.0 * (np.arange(self.n_classes) != y)))


class SubtractsLoss(Sound):
    def loss_augmented_inference(self, x, y, w):
        scores = w.reshape(self.n_classes, -1) @ x
        return int(np.argmax(scores - 2.0 * (np.arange(self.n_classes) != y)))


class SubtractsScore(Sound):
    def loss_augmented_inference(self, x, y, w):
        return super().loss_augmented_inference(x, y, -w)


class Similarity(Sound):
    def loss(self, y, y_hat):
        return float(y == y_hat)


class AlwaysTruth(Sound):
    def loss_augmented_inference(self, x, y, w):
        return y


class SlackWithoutProduct(Sound):
    def slack_rescaled_inference(self, x, y, w):
        return int(np.argmax(self.loss_of_all(y) + w.reshape(self.n_classes, -1) @ x))

    def loss_of_all(self, y):
        return np.array([0.1, 1.0, 5.0]) * (np.arange(self.n_classes) != y)

    def loss(self, y, y_hat):
        return float(self.loss_of_all(y)[y_hat])

    def loss_augmented_inference(self, x, y, w):
        return self.slack_rescaled_inference(x, y, w)


class SortsInputOnce(Sound):
    def initialize(self, X, y):
        for x in X:
            x.sort()


class ReordersData(Sound):
    def initialize(self, X, y):
        X.reverse()


class FeaturesChangeInput(Sound):
    def joint_feature(self, x, y):
        x += 1e-12
        return super().joint_feature(x, y)


class BatchChangesInput(Sound):
    def batch_inference(self, X, w):
        X[0] *= 2
        return [self.inference(x, w) for x in X]


class ChangesWeights(Sound):
    def inference(self, x, w):
        w *= 2
        return super().inference(x, w)


class RandomFeatures(Sound):
    def joint_feature(self, x, y):
        return super().joint_feature(x, y) * RNG.uniform()


class FeaturesByInput(Sound):
    """Remembers the joint feature by the input alone."""

    def joint_feature(self, x, y):
        memory = vars(self).setdefault("memory", {})
        return memory.setdefault(x.tobytes(), super().joint_feature(x, y))


class LossByCall(Sound):
    def loss(self, y, y_hat):
        self.calls = getattr(self, "calls", 0) + 1
        return (1.0 + self.calls % 2) * (y != y_hat)


class ScoresByInput(Sound):
    """Remembers the answer for other weights."""

    def inference(self, x, w):
        memory = vars(self).setdefault("memory", {})
        return memory.setdefault(x.tobytes(), super().inference(x, w))


class LuckyInference(Sound):
    """Finds the maximum most of the time."""

    def inference(self, x, w):
        self.calls = getattr(self, "calls", 0) + 1
        return super().inference(x, w) if self.calls % 7 else 0


class WithEnergy(Sound):
    def loss_augmented_inference(self, x, y, w):
        y_hat = super().loss_augmented_inference(x, y, w)
        return y_hat, float(w @ self.joint_feature(x, y_hat))


class ReturnsNothing(Sound):
    def inference(self, x, w):
        super().inference(x, w)


class ArrayLoss(Sound):
    def loss(self, y, y_hat):
        return np.array([2.0 * (y != y_hat)])


class UndefinedLoss(Sound):
    def loss(self, y, y_hat):
        return np.nan if y != y_hat else 0.0


class DictFeature(Sound):
    n_weights = 12

    def joint_feature(self, x, y):
        return {k: value for k, value in enumerate(x)} if y == 2 else super().joint_feature(x, y)


class LaterLength(Sound):
    def joint_feature(self, x, y):
        return super().joint_feature(x, y)[: -1 if x is self.data[3] else None]

    def initialize(self, X, y):
        self.data = X


class ForgetsWhenPickled(Sound):
    def initialize(self, X, y):
        self.scale = 2.0

    def joint_feature(self, x, y):
        return super().joint_feature(x, y) * getattr(self, "scale", 1.0)

    def inference(self, x, w):
        return super().inference(x, w)

    def __getstate__(self):
        return {"n_classes": self.n_classes}


class BreaksWhenPickled(ForgetsWhenPickled):
    def joint_feature(self, x, y):
        return super().joint_feature(x, y) / self.scale


class LockedOnceSized(Sound):
    def initialize(self, X, y):
        self.lock = threading.Lock()


class BatchByPlace(Sound):
    """Answers for the examples that it saw first, whatever it is asked about."""

    def batch_inference(self, X, w):
        if not hasattr(self, "first"):
            self.first = list(X)
        return [self.inference(x, w) for x in self.first[: len(X)]]


class BatchOfAll(Sound):
    def batch_loss_augmented_inference(self, X, Y, w):
        return {k: self.loss_augmented_inference(x, Y[k], w) for k, x in enumerate(X)}


class ScoreOfNothing(Sound):
    def score(self, Y, Y_hat):
        return None


class Flags(StructuredModel):
    """Outputs are arrays of three flags, features one number each."""

    def joint_feature(self, x, y):
        return x * y

    def loss(self, y, y_hat):
        return float((y != y_hat).sum())

    def loss_augmented_inference(self, x, y, w):
        return (w * x + 1.0 - 2.0 * y > 0).astype(int)

    def inference(self, x, w):
        return (w * x > 0).astype(int)


class SameObject(Flags):
    def inference(self, x, w):
        self.answer = getattr(self, "answer", np.zeros(3, int))
        self.answer[:] = super().inference(x, w)
        return self.answer


class SortsOutput(Flags):
    def loss(self, y, y_hat):
        y_hat.sort()
        return super().loss(y, y_hat)


class FeatureFlipsOutput(Flags):
    def joint_feature(self, x, y):
        y *= 1 - y
        return super().joint_feature(x, y)


class ComparesIdentity(Flags):
    def loss(self, y, y_hat):
        return float(y is not y_hat)

    def loss_augmented_inference(self, x, y, w):
        return self.inference(x, w)


WRONG_FLAGS = [
    (SameObject(), r"an output for X\[0\] changed when SameObject was asked again: return a new"),
    (SortsOutput(), r"loss of SortsOutput changes y_hat in place, on X\[\d\]: work on a copy"),
    (
        FeatureFlipsOutput(),
        "a method of FeatureFlipsOutput changed X or y in place: work on a copy",
    ),
    (ComparesIdentity(), r"loss\(y\[0\], y_hat\) is 1.0 for a copy of y\[0\], expected 0: compare"),
]


@pytest.mark.parametrize(
    ("model", "message"), WRONG_FLAGS, ids=[type(model).__name__ for model, _ in WRONG_FLAGS]
)
def test_faults_of_outputs_that_are_arrays_are_found(model, message):
    rng = np.random.default_rng(0)
    data = list(rng.normal(size=(5, 3)))
    with pytest.raises(ModelCheckError, match=message):
        check_model(model, data, [rng.permutation([0, 1, 1]) for _ in data])


CHANGED = (
    "a method of {0} changed X or y in place: work on a copy. It is {1}, and what changed is {2}"
)
AGAIN = r"{1} of {0} answers differently when it is asked again for X\[\d\]: {2}.* and then"
WRONG = [
    (
        LeastViolated(),
        r"misses the maximum on X\[\d\]: .* Is it a minimum\? Correct it, or declare",
    ),
    (SubtractsLoss(), r"loss_augmented_inference of .* misses the .* Is the loss subtracted\?"),
    (SubtractsScore(), r"loss_augmented_inference of .* misses the .* Is <w, psi> subtracted\?"),
    (ForgetsLoss(), r"loss_augmented_inference of .* misses the .* Is the loss left out\?"),
    (WrongSign(), r"inference of WrongSign misses the .* Is it a minimum\?"),
    (AlwaysTruth(), r"loss_augmented_inference of AlwaysTruth misses the maximum on X\[0\]"),
    (SlackWithoutProduct(), r"slack_rescaled_inference of SlackWithoutProduct misses the maximum"),
    (
        Similarity(),
        r"loss\(y\[0\], y\[0\]\) is 1.0, .* truth: a loss says how wrong an output is, not",
    ),
    (ChangesInput(), CHANGED.format("ChangesInput", "inference", r"X\[\d\]")),
    (SortsInputOnce(), CHANGED.format("SortsInputOnce", "initialize", r"X\[0\]")),
    (ReordersData(), CHANGED.format("ReordersData", "initialize", "the list X")),
    (FeaturesChangeInput(), CHANGED.format("FeaturesChangeInput", "joint_feature", r"X\[0\]")),
    (BatchChangesInput(), CHANGED.format("BatchChangesInput", "batch_inference", r"X\[0\]")),
    (
        ChangesWeights(),
        r"inference of ChangesWeights changes w in place, on X\[\d\]: work on a copy",
    ),
    (RandomFeatures(), AGAIN.format("RandomFeatures", "joint_feature", "entry")),
    (FeaturesByInput(), AGAIN.format("FeaturesByInput", "joint_feature", "entry")),
    (LossByCall(), AGAIN.format("LossByCall", "loss", "")),
    (ScoresByInput(), AGAIN.format("ScoresByInput", "inference", "<w, psi> is")),
    (LuckyInference(), AGAIN.format("LuckyInference", "inference", "<w, psi> is")),
    (
        WithEnergy(),
        r"loss_augmented_inference returned \(\d, .*\) for example \d, .* without its score",
    ),
    (
        ReturnsNothing(),
        r"inference of ReturnsNothing returned None for X\[0\]: is a return missing\?",
    ),
    (ArrayLoss(), r"loss\(y\[0\], y_hat\) returned an array of shape \(1,\), expected one number"),
    (UndefinedLoss(), r"loss\(y\[\d\], y_hat\) is nan for y_hat = \d, expected >= 0"),
    (ForgetsWhenPickled(), AGAIN.format("ForgetsWhenPickled", "joint_feature", "entry")),
    (
        BreaksWhenPickled(),
        r"joint_feature fails for X\[0\] in a pickled copy of BreaksWhenPickled, and",
    ),
    (
        LockedOnceSized(),
        "LockedOnceSized cannot be pickled, so it cannot be kept or sent to workers",
    ),
    (BatchByPlace(), r"batch_inference and its single version disagree on X\[\d\]"),
    (
        BatchOfAll(),
        "batch_loss_augmented_inference returned a dict, expected a list with one output",
    ),
    (ScoreOfNothing(), "score of ScoreOfNothing returned None, expected a number"),
]


@pytest.mark.parametrize(
    ("model", "message"), WRONG, ids=[type(model).__name__ for model, _ in WRONG]
)
def test_each_fault_gets_its_own_sentence(model, message):
    with pytest.raises(ModelCheckError, match=message):
        check_model(model, [x.copy() for x in X], list(Y))


def test_what_a_fit_would_refuse_is_refused_alike():
    with pytest.raises(ValueError, match=r"joint_feature\(X\[2\], y\[2\]\) returned a dict"):
        check_model(DictFeature(), X, Y)
    with pytest.raises(
        ValueError, match=r"joint_feature\(X\[3\], y\[3\]\) has shape \(11,\), expected"
    ):
        check_model(LaterLength(), X, Y)

    class Fails(Sound):
        def inference(self, x, w):
            return super().inference(x, w) // (x is not X[4])

    with pytest.raises(ZeroDivisionError) as info:
        check_model(Fails(), X, [0] * 6)
    assert info.value.__notes__ == ["raised while inference worked on example 4"]


def test_losses_below_zero_by_rounding_get_one_warning():
    class Rounding(Sound):
        def loss(self, y, y_hat):
            return 2.0 if y != y_hat else -1e-17

    with pytest.warns(RuntimeWarning, match="returned -1e-17, below 0 by rounding") as told:
        check_model(Rounding(), X, Y)
    assert len(told) == 1


# ---- sound models of many kinds


class OverOutputs(StructuredModel):
    """Tries all outputs of x; subclasses say which, and what they look like."""

    n_weights = 6

    def outputs(self, x):
        raise NotImplementedError

    def score_of(self, x, y, w):
        psi = self.joint_feature(x, y)
        return w[psi[0]] @ psi[1] if isinstance(psi, tuple) else w @ np.asarray(psi)

    def inference(self, x, w):
        return max(self.outputs(x), key=lambda y: self.score_of(x, y, w))

    def loss_augmented_inference(self, x, y, w):
        return max(self.outputs(x), key=lambda z: self.loss(y, z) + self.score_of(x, z, w))

    def slack_rescaled_inference(self, x, y, w):
        true = self.score_of(x, y, w)
        return max(
            self.outputs(x), key=lambda z: self.loss(y, z) * (1 + self.score_of(x, z, w) - true)
        )


class Sets(OverOutputs):
    """Some of the items."""

    kind = set

    def outputs(self, x):
        items = range(len(x))
        chosen = itertools.chain.from_iterable(itertools.combinations(items, k) for k in range(4))
        return [self.kind(items) for items in chosen]

    def joint_feature(self, x, y):
        return sum((np.append(x[k], x[k] ** 2) for k in y), np.zeros(6))

    def loss(self, y, y_hat):
        return float(len(set(y) ^ set(y_hat)))


class FrozenSets(Sets):
    kind = frozenset


class Rankings(OverOutputs):
    """Orders of the rows, as lists; items before others count."""

    def outputs(self, x):
        return [list(order) for order in itertools.permutations(range(len(x)))]

    def joint_feature(self, x, y):
        ranks = np.argsort(y)
        return np.append(x.T @ ranks, 0.1 * (x**2).T @ ranks) / len(y)

    def loss(self, y, y_hat):
        return float(np.abs(np.argsort(y) - np.argsort(y_hat)).sum())


class Trees(OverOutputs):
    """Binary trees over three leaves, as nested tuples."""

    def outputs(self, x):
        return [((0, 1), 2), (0, (1, 2)), ((0, 2), 1), (0, 1, 2)]

    def joint_feature(self, x, y):
        inner = next((part for part in y if isinstance(part, tuple)), ())
        return np.append(x[list(inner)].sum(axis=0), np.eye(3)[len(inner) % 3])

    def loss(self, y, y_hat):
        return 1.0 - (y == y_hat)


class Words(OverOutputs):
    """One of the words in x."""

    def outputs(self, x):
        return x["candidates"]

    def joint_feature(self, x, y):
        indices = [sum(map(ord, letter)) % 6 for letter in y]
        return np.array(indices, dtype=int), np.ones(len(y))

    def loss(self, y, y_hat):
        return sum(a != b for a, b in itertools.zip_longest(y, y_hat))


class Dicts(OverOutputs):
    """A frame with two roles."""

    def outputs(self, x):
        return [{"agent": a, "theme": b} for a, b in itertools.permutations(range(len(x)), 2)]

    def joint_feature(self, x, y):
        return sp.csr_array([np.append(x[y["agent"]], x[y["theme"]])])

    def score_of(self, x, y, w):
        return (self.joint_feature(x, y) @ w)[0]

    def loss(self, y, y_hat):
        return np.mean([y[role] != y_hat[role] for role in y])


class Scored(OverOutputs):
    """Outputs that are pairs of an item and a number."""

    def outputs(self, x):
        return [(k, level) for k in range(3) for level in (0.5, 1.0)]

    def joint_feature(self, x, y):
        return np.append(x[y[0]], x[y[0]] ** 2) * y[1]

    def loss(self, y, y_hat):
        return np.float32(y != y_hat)


class Remembering(Flags):
    """Remembers what does not change the answers."""

    def joint_feature(self, x, y):
        memory = vars(self).setdefault("memory", {})
        key = x.tobytes(), np.asarray(y).tobytes()
        if key not in memory:
            memory[key] = super().joint_feature(x, y)
        return memory[key]


class SameVector(Flags):
    """Writes joint features to one and the same array."""

    def joint_feature(self, x, y):
        self.vector = getattr(self, "vector", np.zeros(3))
        self.vector[:] = x * y
        return self.vector


class Guessing(Flags):
    exact = False

    def inference(self, x, w):
        return RNG.integers(2, size=3)


class FlagsAtOnce(Flags):
    def batch_inference(self, X, w):
        return (np.array(X) * w > 0).astype(int)


class Positive(Flags):
    """Exact for weights >= 0 only, and says so."""

    non_negative = slice(0, 3)

    def loss_augmented_inference(self, x, y, w):
        return super().loss_augmented_inference(x, y, np.abs(w))

    def inference(self, x, w):
        return super().inference(x, np.abs(w))


class Measured:
    """An input that works something out when first asked."""

    def __init__(self, row):
        self.row = row

    @functools.cached_property
    def doubled(self):
        return 2 * self.row


class OfObjects(Flags):
    def joint_feature(self, x, y):
        return super().joint_feature(x.doubled, y)

    def loss_augmented_inference(self, x, y, w):
        return super().loss_augmented_inference(x.doubled, y, w)

    def inference(self, x, w):
        return super().inference(x.doubled, w)


class PortOfAnotherLibrary:
    """The method names of old, and an initialize that learns; no base class of ours."""

    def initialize(self, X, Y):
        self.n_features, self.n_states = len(X[0]), len(set(Y))
        self.size_joint_feature = self.n_features * self.n_states

    def joint_feature(self, x, y):
        result = np.zeros((self.n_states, self.n_features))
        result[y] = x
        return result.ravel()

    def loss(self, y, y_hat):
        return y != y_hat

    def inference(self, x, w, relaxed=None, return_energy=False):
        return np.argmax(w.reshape(self.n_states, -1) @ x)

    def loss_augmented_inference(self, x, y, w, relaxed=None, return_energy=False):
        scores = w.reshape(self.n_states, -1) @ x
        return np.argmax(scores + (np.arange(self.n_states) != y))


class Ported(PortOfAnotherLibrary, StructuredModel):
    pass


ROWS = [RNG.normal(size=(3, 3)) for _ in range(4)]
FLAGS = [np.array([0, 1, 1]), np.array([1, 0, 1]), np.array([0, 0, 0]), np.array([1, 1, 1])]
VECTORS = list(RNG.normal(size=(4, 3)))
CANDIDATES = [{"candidates": ["tree", "trees", "tea"]}, {"candidates": ["a", "ab", ""]}]
RIGHT = [
    (Sets(), ROWS, [{0}, set(), {1, 2}, {0, 1, 2}]),
    (FrozenSets(), ROWS, [frozenset(items) for items in ({0}, set(), {1, 2}, {0})]),
    (Rankings(), ROWS, [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]]),
    (Trees(), ROWS, [((0, 1), 2), (0, (1, 2)), ((0, 2), 1), (0, 1, 2)]),
    (Words(), CANDIDATES, ["trees", ""]),
    (Dicts(), ROWS, [{"agent": 0, "theme": k} for k in (1, 2, 1, 2)]),
    (Scored(), ROWS, [(0, 0.5), (1, 1.0), (2, 0.5), (0, 1.0)]),
    (Flags(), VECTORS, FLAGS),
    (Remembering(), VECTORS, FLAGS),
    (SameVector(), VECTORS, FLAGS),
    (Guessing(), VECTORS, FLAGS),
    (FlagsAtOnce(), VECTORS, FLAGS),
    (Positive(), [np.abs(x) for x in VECTORS], FLAGS),
    (OfObjects(), [Measured(x) for x in VECTORS], FLAGS),
    (Ported(), np.array(VECTORS), np.array([0, 1, 0, 1])),
]


@pytest.mark.parametrize(
    ("model", "X", "y"), RIGHT, ids=[type(model).__name__ for model, _, _ in RIGHT]
)
def test_sound_models_of_many_kinds_pass_without_a_word(model, X, y, capfd):
    check_model(model, X, y)
    assert capfd.readouterr() == ("", "")


def test_classes_defined_inside_functions_pass():
    scale = 3.0

    class Local(Sound):
        def joint_feature(self, x, y):
            return scale * super().joint_feature(x, y)

        def loss_augmented_inference(self, x, y, w):
            return super().loss_augmented_inference(x, y, scale * w)

    check_model(Local(), X, Y)


def test_of_many_examples_only_some_are_asked_about():
    asked = []

    class Counting(Sound):
        def inference(self, x, w):
            asked.append(x.tobytes())
            return super().inference(x, w)

    rows = list(np.random.default_rng(0).normal(size=(500, 4)))
    check_model(Counting(), rows, [k % 3 for k in range(500)])
    assert len(set(asked)) == 20


def test_a_declaration_on_the_instance_is_told_of():
    model = ForgetsLoss()
    model.exact = False
    with pytest.raises(
        ModelCheckError, match="exact is set on an instance of ForgetsLoss, and its"
    ):
        check_model(model, X, Y)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NegativeLoss(), r"loss\(y\[\d\], y_hat\) is -1.0 for y_hat = \d, expected >= 0"),
        (LossAtTruth(), r"loss\(y\[0\], y\[0\]\) is 1.0, expected 0 for the truth"),
        (ForgetsLoss(), r"loss_augmented_inference of ForgetsLoss misses the maximum on X\[\d\]: "),
        (WrongSign(), r"inference of WrongSign misses the maximum on X\[\d\]: it returns \d with"),
        (ChangesInput(), "a method of ChangesInput changed X or y in place: work on a copy"),
        (ShortBatch(), "batch_inference returned 5 outputs for 6 inputs"),
        (OtherBatch(), r"batch_loss_augmented_inference and its single version disagree on X\[\d"),
        (RenamedParameter(), r"sklearn.base.clone fails on RenamedParameter: __init__ must store"),
        (Unpicklable(), "Unpicklable cannot be pickled, so it cannot be kept or sent to workers"),
    ],
)
def test_planted_faults_are_found(model, message):
    data = [x.copy() for x in X]
    with pytest.raises(ModelCheckError, match=message):
        check_model(model, data, Y)


def test_inexact_models_are_not_asked_for_the_maximum():
    model = ForgetsLoss()
    model.exact = False
    with pytest.raises(ModelCheckError):
        check_model(model, X, Y)  # the declaration is lost: clone copies parameters only

    check_model(DeclaredInexact(), X, Y)


class DeclaredInexact(ForgetsLoss):
    exact = False


def test_exhaustive_max_is_what_an_oracle_must_reach():
    model, w = Sound(), np.random.default_rng(1).normal(size=12)
    for x, y in zip(X, Y, strict=True):
        y_hat, value = exhaustive_max(model, x, y, w, range(3))
        assert y_hat == model.loss_augmented_inference(x, y, w)
        assert value == pytest.approx(model.loss(y, y_hat) + w @ model.joint_feature(x, y_hat))


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_models_whose_weights_have_signs_are_met_with_such_weights(pairwise):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(3, 4, 2)), rng.normal(size=(1, 2, 2))]
    y = [rng.integers(2, size=x.shape[:2]) for x in X]
    check_model(GridModel(connectivity=8, directions=True, pairwise=pairwise), X, y)
