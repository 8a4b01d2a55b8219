"""Callbacks: what hears of a fit after every iteration, and may stop it."""

from structsvm.callbacks.builtin import Checkpoint, EarlyStopping, ProgressBar

__all__ = ["Checkpoint", "EarlyStopping", "ProgressBar"]
