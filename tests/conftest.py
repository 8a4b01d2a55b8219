"""Fixtures shared by all tests."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from structsvm.solvers import _blocks

# What a shell starts in the background is deaf to Ctrl-C, which tests send.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on the clock: a machine may be as slow as it likes.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A run that decides about a change draws the same examples every time; others explore.
settings.register_profile("ci", settings.get_profile("tests"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "tests")

HOW_TO_GET_DATA = (
    "needs the real data: set STRUCTSVM_DATA to a folder with letters.npz or conll2000 "
    "(structsvm.datasets.fetch_letters() writes one)"
)


@pytest.fixture(scope="session")
def letters():
    """OCR letters: fold 0 and folds 1-9, as (X, y) pairs."""
    folder = os.environ.get("STRUCTSVM_DATA")
    if folder is None or not (Path(folder) / "letters.npz").exists():
        pytest.skip(HOW_TO_GET_DATA)
    from structsvm.datasets import load_letters

    data = load_letters()
    folds = {}
    for name, chosen in (("small", data.folds == 0), ("large", data.folds != 0)):
        places = np.flatnonzero(chosen)
        folds[name] = ([data.X[i] for i in places], [data.y[i] for i in places])
    return folds


@pytest.fixture
def planes_as_vectors(monkeypatch):
    """Planes of short chains are kept as vectors, as those of long ones are."""
    monkeypatch.setattr(_blocks, "FEW_POSITIONS", 0)


@pytest.fixture
def words():
    """A small chain data set with structure in features and neighbours: (X, y)."""
    rng = np.random.default_rng(0)
    step = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.1, 0.6]])
    centres = rng.normal(size=(3, 5))
    X, y = [], []
    for length in rng.integers(1, 7, size=25):
        labels = [rng.integers(3)]
        while len(labels) < length:
            labels.append(rng.choice(3, p=step[labels[-1]]))
        X.append(centres[labels] + rng.normal(scale=1.2, size=(length, 5)))
        y.append(np.array(labels))
    return X, y
