"""Callbacks, called after every iteration of a fit; they may stop it."""

from structsvm.callbacks.builtin import Checkpoint, EarlyStopping
from structsvm.callbacks.progress import ProgressBar

__all__ = ["Checkpoint", "EarlyStopping", "ProgressBar"]
