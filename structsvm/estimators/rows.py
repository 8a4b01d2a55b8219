"""`Examples` and `Validation` whose examples are the rows of one matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from structsvm.data.checks import check_sample_weight
from structsvm.data.rows import check_class_labels, read_rows
from structsvm.training.train import Examples, Validation

__all__ = ["RowExamples", "RowValidation"]


class RowExamples(Examples):
    """A matrix of features, checked before, and one class label for each row."""

    def check(self) -> None:
        self.weight = check_sample_weight(self.weight, self.X.shape[0])


class RowValidation(Validation):
    """Held-out rows and their classes, or none; X is checked as the estimator's own."""

    def __init__(self, estimator: Any, X: Any, y: Any, score: Callable[..., float]) -> None:
        self._estimator = estimator
        super().__init__(X, y, score)

    def check(self) -> None:
        self.X, _ = read_rows(self._estimator, self.X, reset=False, needs_y=False)
        self.y = check_class_labels(self.y, self.X.shape[0])
