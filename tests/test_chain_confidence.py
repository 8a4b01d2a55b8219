"""Calibrated probabilities of chains, and how they are judged."""

import pickle

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import structsvm
from structsvm import ChainSVM, SequenceTagger
from structsvm.exceptions import ModelFileError
from structsvm.metrics import expected_calibration_error, reliability


def chains(n, seed, noise=1.5):
    """Sequences whose labels can only be guessed."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        labels = np.cumsum(rng.choice(3, p=[0.6, 0.3, 0.1], size=rng.integers(1, 8))) % 3
        X.append(np.eye(3)[labels] + noise * rng.normal(size=(len(labels), 3)))
        y.append(labels)
    return X, y


mpl.use("Agg")

TRAIN, HELD, TEST = chains(150, 0), chains(600, 1), chains(1500, 2)
SVM = ChainSVM(random_state=0).fit(*TRAIN)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("params", [{}, {"order": 2}, {"solver": "perceptron"}])
def test_confidence_is_the_share_of_right_predictions(method, params):
    svm = ChainSVM(random_state=0, **params).fit(*TRAIN).calibrate(*HELD, method=method)
    plain, _ = svm.model_.marginals(TEST[0], svm.coef_)
    told, guess = svm.confidence(TEST[0]), svm.predict(TEST[0])
    right = np.concatenate([a == b for a, b in zip(guess, TEST[1], strict=True)])
    raw = np.concatenate([p[np.arange(len(a)), a] for p, a in zip(plain, guess, strict=True)])
    error = svm.calibration_error(*TEST)
    assert error < 0.05
    if params.get("solver") == "perceptron":  # its scores are of any size
        assert expected_calibration_error(right, raw) > 4 * error
    assert svm.calibration_error(*TEST, of="sequences", n_bins=10) < 0.06
    sure = np.concatenate(told.tokens)
    assert abs(right.mean() - sure.mean()) < 0.05
    # Those that it is sure of are right more often than those that it doubts.
    half = sure > np.median(sure)
    assert right[half].mean() > right[~half].mean() + 0.1


@pytest.mark.parametrize("labels", [1, 2, 3])
def test_rows_of_probabilities(labels):
    X, y = chains(80, 3)
    y = [np.minimum(row, labels - 1) for row in y]
    X_val, y_val = chains(80, 4)
    y_val = [np.minimum(row, labels - 1) for row in y_val]
    with pytest.MonkeyPatch.context() as patch:
        if labels == 1:
            patch.setattr("structsvm.training.train.warn", lambda *_: None)
        svm = ChainSVM(random_state=0).fit([*X, np.zeros((0, 3))], [*y, y[0][:0]])
    svm.calibrate(X_val, y_val)
    found, told = svm.predict_proba([*X, np.zeros((0, 3))]), svm.confidence(X)
    assert found[-1].shape == (0, labels)
    for values, tokens, guess in zip(found, told.tokens, svm.predict(X), strict=False):
        np.testing.assert_allclose(values.sum(axis=1), 1.0)
        assert (values >= 0).all()
        own = values[np.arange(len(guess)), np.searchsorted(svm.classes_, guess)]
        np.testing.assert_allclose(own, tokens if labels > 1 else 1.0)


def test_the_factor_has_the_greatest_likelihood():
    svm = ChainSVM(random_state=0).fit(*TRAIN).calibrate(*HELD)
    best = svm.calibration_.sharpness

    def likelihood(factor):
        return svm.model_.log_probabilities(*HELD, svm.coef_, factor).sum()

    assert likelihood(best) >= max(likelihood(best * 1.02), likelihood(best / 1.02))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_files_and_pickles_keep_it_and_fits_forget_it(method, tmp_path):
    svm = ChainSVM(random_state=0).fit(*TRAIN).calibrate(*HELD, method=method)
    svm.save(tmp_path / "model")
    want = svm.predict_proba(TEST[0][:20])
    for copy in (structsvm.load(tmp_path / "model"), pickle.loads(pickle.dumps(svm))):
        for a, b in zip(copy.predict_proba(TEST[0][:20]), want, strict=True):
            np.testing.assert_array_equal(a, b)
    words = [[f"w{label}" for label in row] for row in TRAIN[1]]
    tagger = SequenceTagger(random_state=0).fit(words, TRAIN[1]).calibrate(words, TRAIN[1])
    tagger.save(tmp_path / "tagger")
    copy = structsvm.load(tmp_path / "tagger")
    np.testing.assert_array_equal(
        copy.confidence(words).sequences, tagger.confidence(words).sequences
    )
    for again in (svm, tagger):
        again.fit(*TRAIN) if again is svm else again.fit(words, TRAIN[1])
        with pytest.raises(AttributeError, match="no probabilities yet: call calibrate"):
            again.confidence(words)


@pytest.mark.parametrize(
    "change",
    [
        {"sharpness": np.array([0.0])},
        {"sharpness": np.array([1.0, 2.0])},
        {"tokens_line": np.array([np.nan, 0.0])},
        {"tokens_line": np.zeros(3)},
        {"tokens_steps": np.array([[0.0, 1.0], [0.5, 0.2]])},
        {"tokens_steps": np.array([[0.0, 1.0], [0.5, 1.2]])},
        {"tokens_line": None},
    ],
)
def test_forged_calibrations_are_refused(change):
    calibration = ChainSVM(random_state=0).fit(*TRAIN).calibrate(*HELD).calibration_
    state = calibration.to_state() | change
    state = {name: values for name, values in state.items() if values is not None}
    with pytest.raises(ModelFileError, match="a calibration"):
        type(calibration)().from_state(state)


def test_void_labels_and_unseen_pairs_do_not_count():
    X, y = HELD
    svm = ChainSVM(random_state=0).fit(*TRAIN).calibrate(X, y)
    some = [[None if t == 3 else label for t, label in enumerate(row)] for row in y]
    other = ChainSVM(random_state=0).fit(*TRAIN).calibrate(X, some)
    assert abs(other.calibration_.sharpness / svm.calibration_.sharpness - 1) < 0.3
    told = other.calibration_error(X, some)
    assert 0 <= told < 0.1
    few = [np.eye(3)[[0, 1, 2]], np.eye(3)[[0, 0, 1]]], [[0, 1, 2], [0, 0, 1]]
    pairs = ChainSVM(C=10, order=2, random_state=0).fit(*few)
    barred = ChainSVM(C=10, constraints=[(2, 1)], random_state=0).fit(*few)
    for svm in (pairs, barred):
        assert len(svm._whole(X, y)) < len(X) or svm is barred
        assert np.isfinite(svm.calibrate(X, y).calibration_.sharpness)
        assert np.isfinite(np.concatenate(svm.confidence(X).tokens)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda svm: svm.calibrate(*HELD, method="platt"), "method='platt': expected one of 'sigm"),
        (lambda svm: svm.calibrate([], []), "no sequence of X_val has a label at each position"),
        (lambda svm: svm.calibrate(HELD[0][:2], HELD[1][:1]), "X_val has 2 examples but y_val has"),
        (lambda svm: svm.calibrate(HELD[0][:2], [[9], [9]]), "no sequence of X_val has a label"),
        (
            lambda svm: svm.calibrate(*HELD).calibration_error(*HELD, of="words"),
            "of='words': expected 'tokens' or 'sequences'",
        ),
        (
            lambda svm: svm.calibrate(*HELD).calibration_error(HELD[0][:1], [[0] * 20]),
            r"y\[0\] has 20 labels, but X\[0\] has",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(pickle.loads(pickle.dumps(SVM)))
    with pytest.raises(NotFittedError):
        ChainSVM().calibrate(*HELD)


def test_errors_by_bins_against_a_plain_count():
    rng = np.random.default_rng(0)
    sure = np.concatenate([rng.random(500), [0.0, 1.0]])
    right = rng.random(502) < sure**2
    table = reliability(right, sure, n_bins=7)
    total = 0.0
    for k in range(7):
        inside = (sure >= k / 7) & ((sure < (k + 1) / 7) | (k == 6))
        total += inside.sum() * abs(right[inside].mean() - sure[inside].mean())
    np.testing.assert_allclose(expected_calibration_error(right, sure, n_bins=7), total / 502)
    assert table.size.sum() == 502
    assert expected_calibration_error([], []) == 0.0
    for args, message in (
        (([True], [1.5]), r"confidence\[0\] is 1.5; expected a number from 0 to 1"),
        (([True], [np.nan]), r"confidence\[0\] is nan"),
        (([True, False], [0.5]), r"right has shape \(2,\) and confidence \(1,\)"),
        (([2], [0.5]), "right holds other than True and False"),
    ):
        with pytest.raises(ValueError, match=message):
            reliability(*args)
