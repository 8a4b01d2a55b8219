"""Callbacks for ``StructSVM(callbacks=[...])``.

A callback is any callable that takes a `structsvm.solvers.Progress` after every iteration; a true
result stops the fit. If it raises, the estimator keeps the best weights so far and ``fit`` raises.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from typing import TextIO

from structsvm.persistence import files, model_files
from structsvm.solvers import Progress

__all__ = ["Checkpoint", "EarlyStopping", "ProgressBar"]


class EarlyStopping:
    """Stop when the score on held-out examples has not improved for a while.

    It needs ``fit(..., X_val=, y_val=)``, which returns the best weights with or without it.

    Parameters
    ----------
    patience : int, default=5
        Iterations without improvement before the fit is stopped.
    min_improvement : float, default=0.0
        A score must beat the best one by more than this to count as better.

    Examples
    --------
    >>> from structsvm import ChainSVM
    >>> from structsvm.callbacks import EarlyStopping
    >>> X, y = [[[1.0, 0.0], [0.0, 1.0]]], [["a", "b"]]
    >>> svm = ChainSVM(solver="subgradient", callbacks=[EarlyStopping(patience=2)], random_state=0)
    >>> svm.fit(X, y, X_val=X, y_val=y).n_iter_
    3
    >>> svm.validation_score_
    1.0
    """

    needs_validation = True

    def __init__(self, patience: int = 5, min_improvement: float = 0.0) -> None:
        if patience < 1:
            raise ValueError(f"patience={patience}: expected an integer >= 1")
        if not 0.0 <= min_improvement < math.inf:
            raise ValueError(f"min_improvement={min_improvement}: expected a number >= 0")
        self.patience = patience
        self.min_improvement = min_improvement

    def __repr__(self) -> str:
        return f"EarlyStopping(patience={self.patience}, min_improvement={self.min_improvement})"

    def __call__(self, progress: Progress) -> bool:
        # Counted anew each time: a resumed fit then stops where an uninterrupted fit stops.
        best, waited = -math.inf, 0
        for score in progress.validation_scores:
            if score > best + self.min_improvement or best == -math.inf:
                best, waited = score, 0
            else:
                waited += 1
        return waited >= self.patience


class Checkpoint:
    """Write the state of the fit to a file; ``fit(..., resume_from=path)`` continues from it.

    The file is replaced in one step, so it is always complete, and a killed process loses at most
    `every` iterations. It holds arrays and no code.

    Parameters
    ----------
    path : path-like
    every : int, default=10
        Iterations between two writes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from structsvm import ChainSVM
    >>> from structsvm.callbacks import Checkpoint
    >>> X = np.random.default_rng(0).normal(size=(20, 3, 2))
    >>> y = (X[:, :, 0] > X[:, :, 1]).astype(int)
    >>> whole = ChainSVM(random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "fit.ckpt"
    ...     stop = lambda progress: progress.n_iter == 3
    ...     svm = ChainSVM(callbacks=[Checkpoint(path, every=1), stop], random_state=0).fit(X, y)
    ...     svm.set_params(callbacks=None).fit(X, y, resume_from=path)
    ChainSVM(random_state=0)
    >>> svm.n_iter_ == whole.n_iter_ > 3, np.array_equal(svm.coef_, whole.coef_)
    (True, True)
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 10) -> None:
        if every < 1:
            raise ValueError(f"every={every}: expected an integer >= 1")
        # Checked now, before iterations that would be lost.
        files.check_output(path, again=True)
        self.path = path
        self.every = every

    def __repr__(self) -> str:
        return f"Checkpoint({os.fspath(self.path)!r}, every={self.every})"

    def __call__(self, progress: Progress) -> None:
        if progress.n_iter % self.every == 0:
            model_files.write_checkpoint(progress.snapshot(), self.path)


class ProgressBar:
    """Show the progress of a fit on one line: passes, gap, validation score, time.

    The bar fills as the logarithm of the gap falls from 1 to `tol`. On a terminal the line is
    rewritten in place, at most every tenth of a second; elsewhere it is written once for each power
    of ten of the gap. Solvers without a dual have no gap and no bar, but a line a pass.

    Parameters
    ----------
    tol : float, default=1e-3
        The gap at which the bar is full: the estimator's `tol`.
    file : text stream, default=None
        Where to write; None is standard error.
    """

    _WIDTH = 24

    def __init__(self, tol: float = 1e-3, file: TextIO | None = None) -> None:
        if not 0.0 < tol < 1.0:
            raise ValueError(f"tol={tol}: expected a number between 0 and 1")
        self.tol = tol
        self.file = file
        self._written = -math.inf
        self._level = 1.0

    def __repr__(self) -> str:
        return f"ProgressBar(tol={self.tol:g})"

    def __call__(self, progress: Progress) -> None:
        file = sys.stderr if self.file is None else self.file
        if progress.n_iter == 1:
            self._written, self._level = -math.inf, 1.0
        gap = min(progress.gap, progress.gap_estimate)
        done = progress.gap <= self.tol
        if file.isatty():
            now = time.monotonic()
            if now - self._written >= 0.1 or done:
                self._written = now
                self._tell(file, f"\r\x1b[K{self._line(progress, gap)}" + ("\n" if done else ""))
        elif progress.n_iter == 1 or not gap > self._level / 10 or done:
            if gap > 0.0:
                self._level = 10.0 ** math.ceil(math.log10(gap))
            self._tell(file, self._line(progress, gap) + "\n")

    @staticmethod
    def _tell(file: TextIO, text: str) -> None:
        # A closed stream must not stop the fit.
        with contextlib.suppress(BrokenPipeError):
            file.write(text)
            file.flush()

    def _line(self, progress: Progress, gap: float) -> str:
        parts = [f"pass {progress.n_iter:4d}"]
        if not math.isnan(gap):
            share = min(math.log(max(gap, self.tol)) / math.log(self.tol), 1.0)
            filled = round(self._WIDTH * max(share, 0.0))
            parts.insert(0, "[" + "#" * filled + "." * (self._WIDTH - filled) + "]")
            kind = "gap" if progress.gap <= gap else "gap about"
            kind = "gap estimate" if progress.is_estimate else kind
            parts.append(f"{kind} {gap:.1e}")
        else:
            parts.append(f"mean hinge {progress.mean_hinge:.4g}")
        if progress.validation_scores:
            score, best = progress.validation_scores[-1], max(progress.validation_scores)
            parts.append(f"validation {score:.4f} (best {best:.4f})")
        parts.append(f"{progress.seconds:.1f} s")
        return "  ".join(parts)
