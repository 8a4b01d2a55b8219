"""Callbacks for ``StructSVM(callbacks=[...])``.

A callback is any callable that takes a `structsvm.solvers.Progress` after every iteration; a true
result stops the fit. If it raises, the estimator keeps the best weights so far and ``fit`` raises.
"""

from __future__ import annotations

import math
import os

from structsvm.data import files
from structsvm.persistence import model_files
from structsvm.solvers import Progress

__all__ = ["Checkpoint", "EarlyStopping"]


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
