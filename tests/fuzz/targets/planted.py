"""Faults of every kind, to see that the harness finds them."""

from __future__ import annotations

import os
import signal
import warnings

import numpy as np

from fuzz.harness import Target, WrongAnswerError

#: What becomes of input k.
OUTCOMES = (
    "accepted",
    "refused",
    "signal",
    "hang",
    "memory",
    "exception",
    "warning",
    "wrong",
    "exit",
)


def make(rng: np.random.Generator) -> str:
    seed_sequence: np.random.SeedSequence = rng.bit_generator.seed_seq  # type: ignore[assignment]
    _, number = seed_sequence.entropy  # type: ignore[misc]
    return OUTCOMES[number % len(OUTCOMES)]


def run(outcome: str) -> None:
    if outcome == "refused":
        raise ValueError("no such thing")
    if outcome == "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    if outcome == "hang":
        while True:
            pass
    if outcome == "memory":
        np.ones(1 << 28)
    if outcome == "exception":
        {}["key"]
    if outcome == "warning":
        warnings.warn("overflow", RuntimeWarning, stacklevel=2)
    if outcome == "wrong":
        raise WrongAnswerError("sum: 3, expected 4")
    if outcome == "exit":
        raise SystemExit(0)


#: Not among the names: for the test of the harness.
TARGET = Target("planted", make, run)
