"""Messages of a running fit, through ``logging``."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator

from structsvm.solvers.base import Progress

__all__ = ["log_progress", "log_to_stderr", "logger"]

logger = logging.getLogger("structsvm")
logger.addHandler(logging.NullHandler())


@contextlib.contextmanager
def log_to_stderr(verbose: int) -> Iterator[None]:
    """Send the logger's records to standard error while ``verbose`` > 0.

    A program that has configured logging itself, on this logger or on the root, keeps its own
    handlers and gets no second line.
    """
    if verbose <= 0:
        yield
        return
    level = logger.level
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("[structsvm] %(message)s"))
    own = all(isinstance(h, logging.NullHandler) for h in logger.handlers)
    own = own and not logging.getLogger().handlers
    logger.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
    if own:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def log_progress(progress: Progress, verbose: int) -> None:
    """Log one line an iteration; with verbose=1 only for iterations 1, 2, 5, 10, 20, 50, ..."""
    n = progress.n_iter
    rare = n in (1, 2, 5) or (n % 10 == 0 and n // 10 ** (len(str(n)) - 1) in (1, 2, 5))
    if verbose <= 1 and not rare:
        return
    parts = [f"iteration {n:4d}"]
    if math.isnan(progress.gap):
        parts.append(f"mean hinge {progress.mean_hinge:.6g}")
    else:
        parts.append(f"dual objective {progress.dual_objective:.6g}")
        kind = "gap estimate" if progress.is_estimate else "gap"
        parts.append(f"{kind} {progress.gap:.2e} (about {progress.gap_estimate:.2e} now)")
        parts.append(f"{progress.n_planes} planes")
    if progress.validation_scores:
        parts.append(f"validation {progress.validation_scores[-1]:.4f}")
    logger.info("%s", "  ".join([*parts, f"{progress.seconds:.1f} s"]))
