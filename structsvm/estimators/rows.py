"""Examples that are the rows of one matrix, for `Examples` and `Validation` of lists."""

from __future__ import annotations

from structsvm.estimators.fitting import Examples, Validation
from structsvm.row_validation import check_class_labels, check_rows
from structsvm.validation import check_sample_weight

__all__ = ["RowExamples", "RowValidation"]


class RowExamples(Examples):
    """A matrix of features, checked before, and one class label for each row."""

    def check(self) -> None:
        self.weight = check_sample_weight(self.weight, self.X.shape[0])


class RowValidation(Validation):
    """Held-out rows and their classes, or none."""

    def check(self) -> None:
        self.X = check_rows(self.X)
        self.y = check_class_labels(self.y, self.X.shape[0])
        if not len(self.y):
            raise ValueError("X and y are empty: there is nothing to score")
