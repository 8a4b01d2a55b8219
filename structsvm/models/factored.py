"""PackedModel and FactoredModel: base classes of models with compiled problems."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from structsvm.base import StructuredModel
from structsvm.data.labels import PackedLabels, encode_labels
from structsvm.data.scaling import ColumnScaling, FeatureGroup, learn_columns
from structsvm.losses import HammingLoss, make_loss
from structsvm.problems import Problem
from structsvm.problems._factored import FactoredProblem
from structsvm.problems.layout import Layout

__all__ = [
    "FactoredModel",
    "PackedInputs",
    "PackedModel",
    "least_constant_loss",
    "mean_costs",
    "unit_of_parts",
]


class PackedInputs(Sequence[Any]):
    """Checked inputs in a family's own form; made by `PackedModel.prepare_examples`.

    Parameters
    ----------
    items : PackedSequences or list
        The inputs in the family's form.
    offsets : int64 ndarray of shape (n_examples + 1,)
        The labels of output i are offsets[i], ..., offsets[i + 1] - 1 of all labels.
    sizes : dict
        Numbers of features by name.
    shapes : list of tuples, default=None
        The shape of each output; None: rows of labels.
    """

    def __init__(
        self,
        items: Any,
        offsets: NDArray[np.int64],
        sizes: Mapping[str, int],
        shapes: list[tuple[int, ...]] | None = None,
    ) -> None:
        self.items = items
        self.offsets = offsets
        self.sizes = dict(sizes)
        self.shapes = shapes

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def take(self, chosen: Sequence[int]) -> PackedInputs:
        """Some of the examples, if `items` has `take`."""
        items = self.items.take(chosen)
        return PackedInputs(items, items.offsets, self.sizes)


class PackedModel(StructuredModel, abc.ABC):
    """A model that reads raw examples once, into arrays for compiled code.

    A family says how inputs and outputs are read (`read_inputs`, `read_outputs`), what is learnt
    (`learn`), and what the problem is (`make_problem`); where labels are not numbered by their
    places in `classes_`, also how they are (`label_numbers`). The methods of `StructuredModel`, for
    one example and for many, follow from the problem; the task loss, which needs no x, is its own.

    Methods that take X and y also take the results of `prepare_examples` in their place.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    layout_ : Layout
        Where the weights of what lie.
    n_weights : int
    """

    classes_: NDArray[Any]
    layout_: Layout
    n_weights: int

    #: Keyword of `prepare_examples` and `bind` for the weight of the loss at each label; "" for
    #: none.
    weight_name: ClassVar[str] = ""

    #: Whether the structure has an oracle for ``rescaling="slack"``.
    rescales_slack: ClassVar[bool] = False

    # ---- what a family says

    @abc.abstractmethod
    def input_sizes(self) -> dict[str, int]:
        """Numbers of features that inputs must have, by name."""

    @abc.abstractmethod
    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        """Check and pack raw inputs; they must have the numbers of features in `sizes`.

        Parameters
        ----------
        X : sequence
        sizes : mapping of str to int, or None
            None: the numbers that X has.

        Returns
        -------
        X : PackedInputs
        """

    @abc.abstractmethod
    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        """Check raw outputs against the shapes of X; `weight` weighs the loss at each label.

        Parameters
        ----------
        y : sequence
        X : PackedInputs or None
        weight : sequence, default=None

        Returns
        -------
        y : PackedLabels
        """

    @abc.abstractmethod
    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        """Learn labels, sizes and all else that comes from data; calls `resize`. `classes` are all
        labels; y may lack some of them. None: the labels in y.

        Parameters
        ----------
        X : PackedInputs
        y : PackedLabels
        classes : ndarray, default=None
        """

    def class_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        """The places of the labels in `classes_`; -1 for void labels, if the family has them.

        Parameters
        ----------
        y : PackedLabels

        Returns
        -------
        numbers : int32 ndarray of shape (n_labels,)
        """
        return encode_labels(y.labels, self.classes_)

    def label_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        """The labels as the problem numbers them.

        Parameters
        ----------
        y : PackedLabels

        Returns
        -------
        numbers : int32 ndarray
        """
        return self.class_numbers(y)

    def output_numbers(self, y: Any, X: PackedInputs | None = None) -> NDArray[Any]:
        """An output as the problem's `joint_feature` takes it.

        Parameters
        ----------
        y : object
            An output.
        X : PackedInputs, default=None
            Its input.

        Returns
        -------
        numbers : ndarray
        """
        return self.label_numbers(self.read_outputs([y], X))

    @abc.abstractmethod
    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        """What the problem answered, as users write outputs.

        Parameters
        ----------
        X : PackedInputs
        answers : ndarray

        Returns
        -------
        outputs : list of length n_examples
        """

    @abc.abstractmethod
    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> Problem:
        """Make a problem of the examples; without y it can only predict.

        Parameters
        ----------
        X : PackedInputs
        y : PackedLabels or None

        Returns
        -------
        problem : Problem
        """

    # ---- features on one scale, for training

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        """The columns that training scales, with the weights of their rows; none by default. Where
        there are some, `scaled` and `penalty_unit` need to know of them.

        Parameters
        ----------
        X : PackedInputs
        y : PackedLabels

        Returns
        -------
        groups : list of FeatureGroup
        """
        return []

    def learn_scaling(
        self, X: PackedInputs, y: PackedLabels, *, scale: bool = True
    ) -> dict[str, ColumnScaling]:
        return {
            group.block: learn_columns(
                group.chunks, group.n_columns, center=group.intercept is not None, scale=scale
            )
            for group in self.feature_groups(X, y)
        }

    def in_user_units(
        self,
        w: NDArray[np.float64],
        scaling: Mapping[str, ColumnScaling],
        *,
        back: bool = False,
    ) -> NDArray[np.float64]:
        if all(columns.is_identity for columns in scaling.values()):
            return w
        converted: NDArray[np.float64] = np.array(w)
        blocks = self.layout_.views(converted)
        for name, columns in scaling.items():
            columns.convert(blocks[name], blocks.get("intercept"), back=back)
        return converted

    # ---- examples, read once

    def prepare_examples(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, **weights: Any
    ) -> tuple[PackedInputs, PackedLabels | None]:
        """Check and pack X and y; other methods take the results in place of X and y.

        Parameters
        ----------
        X, y : sequences of equal length
        sample_weight : float64 ndarray of shape (n_examples,), default=None
            Already checked.
        **weights
            Weights of the loss, as for `bind`.

        Returns
        -------
        X : PackedInputs
        y : PackedLabels, or None without y

        Raises
        ------
        ValueError
            If shapes or values do not fit, or weights come without y.
        TypeError
            If the model has no weights of this name.
        """
        return self._read(X, y, sample_weight, weights)

    def _read(
        self,
        X: Any,
        y: Any = None,
        sample_weight: NDArray[np.float64] | None = None,
        weights: dict[str, Any] | None = None,
    ) -> tuple[PackedInputs, PackedLabels | None]:
        if not isinstance(X, PackedInputs):
            X = self.read_inputs(X, self.input_sizes() if self._is_sized else None)
        elif self._is_sized and X.sizes != self.input_sizes() and X.offsets[-1]:
            raise ValueError(f"X was prepared with {X.sizes}, expected {self.input_sizes()}")
        return X, self._labels(X, y, sample_weight, weights or {})

    @property
    def _is_sized(self) -> bool:
        return "classes_" in vars(self)

    def _labels(
        self, X: PackedInputs, y: Any, sample_weight: Any, weights: dict[str, Any]
    ) -> PackedLabels | None:
        weight = weights.pop(self.weight_name, None)
        if weights:
            raise TypeError(f"{type(self).__name__} takes no {next(iter(weights))!r}")
        if y is None:
            if weight is not None:
                raise ValueError(
                    f"{self.weight_name} weighs the loss, which needs y: bind the model to y"
                )
            return None
        if isinstance(y, PackedLabels):
            if weight is not None:
                raise ValueError(
                    f"y is prepared already: pass {self.weight_name} to prepare_examples"
                )
            return y
        packed = self.read_outputs(y, X, weight)
        packed.sample_weight = sample_weight
        return packed

    def initialize(self, X: Any, y: Any, classes: NDArray[Any] | None = None) -> None:
        """Learn labels and sizes from the data.

        Parameters
        ----------
        X, y : sequences of equal length
        classes : ndarray of shape (n_classes,), default=None
            All labels there will be, sorted; None: those in y.
        """
        if not isinstance(X, PackedInputs):
            X = self.read_inputs(X, None)
        packed = self._labels(X, y, None, {})
        if packed is None:
            raise ValueError("y is None: there is nothing to learn from")
        if classes is not None:
            known = set(classes.tolist())
            strange = [label for label in np.unique(packed.known).tolist() if label not in known]
            if strange:
                raise ValueError(f"y has the label {strange[0]!r}, which is not in classes")
        self.learn(X, packed, classes)

    def _oddity(self) -> str | None:
        # A classifier of rows refuses one class, as those of scikit-learn do; outputs of many
        # labels may all be alike.
        if len(self.classes_) == 1:
            label = self.classes_[0].item()
            return f"all labels in y are {label!r}: there is nothing to tell apart"
        return None

    def bind(self, X: Any, y: Any = None, **weights: Any) -> Problem:
        """Make a problem of these examples; `weights` weigh the loss, as in `prepare_examples`."""
        return self.make_problem(*self._read(X, y, None, weights))

    # ---- many examples

    def batch_inference(self, X: Any, w: NDArray[np.float64]) -> list[Any]:
        return self._answers(X, None, w)

    def batch_loss_augmented_inference(self, X: Any, Y: Any, w: NDArray[np.float64]) -> list[Any]:
        return self._answers(X, Y, w)

    def batch_slack_rescaled_inference(self, X: Any, Y: Any, w: NDArray[np.float64]) -> list[Any]:
        return self._answers(X, Y, w, "slack")

    def _answers(
        self, X: Any, Y: Any, w: NDArray[np.float64], rescaling: str = "margin"
    ) -> list[Any]:
        """The best outputs, with Y those that violate the margin most."""
        X, Y = self._read(X, Y)
        problem = self.make_problem(X, Y)
        if rescaling != "margin":
            problem.set_rescaling(rescaling)
        numbers, _ = problem.predict(w, augmented=Y is not None)
        return self.outputs_of(X, numbers)

    def outputs_of(self, X: PackedInputs, answers: Any) -> list[Any]:
        # Those of a subclass that is bound to its Python methods come as they should.
        return answers if isinstance(answers, list) else self.write_outputs(X, answers)

    def has_slack_oracle(self) -> bool:
        """Whether the structure has an oracle for slack rescaling."""
        return self.rescales_slack

    # ---- one example

    def joint_feature(self, x: Any, y: Any) -> NDArray[np.float64]:
        """psi(x, y), of shape (n_weights,)."""
        X, _ = self._read([x])
        problem: Any = self.make_problem(X, None)
        indices, values = problem.joint_feature(0, self.output_numbers(y, X))
        psi = np.zeros(self.n_weights)
        psi[indices] = values
        return psi

    def inference(self, x: Any, w: NDArray[np.float64]) -> Any:
        return self._answers([x], None, w)[0]

    def loss_augmented_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        return self._answers([x], [y], w)[0]

    def slack_rescaled_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        return self._answers([x], [y], w, rescaling="slack")[0]


def mean_costs(cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a wrong label costs on average, by the right one; of a matrix with a zero diagonal."""
    mean: NDArray[np.float64] = cost.sum(axis=1) / max(len(cost) - 1, 1)
    return mean


def unit_of_parts(
    costs: NDArray[np.float64],
    squares: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> float:
    """`StructuredModel.penalty_unit` of parts that have a row of features, and one weight vector a
    label: their costs, over the mean squared norms of the rows, where there is a cost."""
    kept = (costs > 0) * (np.ones(len(costs)) if weight is None else weight)
    gain, change = float((kept * costs).sum()), float((kept * squares).sum())
    unit = gain / change if change > 0 else 0.0
    return unit if 0 < unit < np.inf else 1.0


def least_constant_loss(
    numbers: NDArray[np.int32],
    cost: NDArray[np.float64],
    weight: NDArray[np.float64],
    n_examples: int,
) -> float | None:
    """`StructuredModel.constant_loss`, given the right labels of all parts, and their weights."""
    shares = np.bincount(numbers, weight, len(cost))
    if np.count_nonzero(shares) < 2:
        return None
    return float((shares[:, None] * cost).sum(axis=0).min()) / n_examples


class FactoredModel(PackedModel):
    """A model of outputs that are labels, answered by a `FactoredProblem`."""

    task_loss: str | HammingLoss

    @abc.abstractmethod
    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> FactoredProblem:
        """Make a problem of the examples; without y it can only predict."""

    def bind(self, X: Any, y: Any = None, **weights: Any) -> FactoredProblem:
        """Make a problem of these examples; without `y` it can only predict.

        Parameters
        ----------
        X, y : sequences of equal length
        **weights
            Weights of the loss at each label, as a list of arrays with the shapes of y:
            `position_weight` for chains, `node_weight` for graphs and grids.
        """
        return self.make_problem(*self._read(X, y, None, weights))

    def part_factors(
        self, y: PackedLabels, scaling: Mapping[str, ColumnScaling] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Of each label in y what a mistake there is multiplied with in the loss, and the mean
        squared norm of what its features are in psi; None where this cannot be said.

        Parameters
        ----------
        y : PackedLabels
        scaling : mapping of str to ColumnScaling, default=None

        Returns
        -------
        factors, squared_norms : ndarray of shape (n_labels,), or None
        """
        return None

    def penalty_unit(self, y: PackedLabels, scaling: Mapping[str, ColumnScaling]) -> float | None:
        if (factors := self.part_factors(y, scaling)) is None:
            return None
        numbers, of_parts = self.class_numbers(y), None
        costs = factors[0] * np.where(numbers >= 0, mean_costs(self.cost_matrix())[numbers], 0.0)
        if y.sample_weight is not None:
            of_parts = np.repeat(y.sample_weight, y.lengths)
        return unit_of_parts(costs, factors[1], of_parts)

    def constant_loss(self, y: PackedLabels) -> float | None:
        if (factors := self.part_factors(y)) is None:
            return None
        numbers, weight = self.class_numbers(y), factors[0]
        if y.sample_weight is not None:
            weight = weight * np.repeat(y.sample_weight, y.lengths)
        known = numbers >= 0
        return least_constant_loss(numbers[known], self.cost_matrix(), weight[known], len(y))

    def write_labels(self, numbers: NDArray[np.int32]) -> NDArray[Any]:
        """The labels with these numbers in the problem.

        Parameters
        ----------
        numbers : int32 ndarray

        Returns
        -------
        labels : ndarray of the same shape
        """
        return self.classes_[numbers]

    def cost_matrix(self) -> NDArray[np.float64]:
        """Task loss at one label, of shape (n_classes, n_classes): rows are true classes."""
        return make_loss(self.task_loss).cost_matrix(len(self.classes_))

    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        """Rows of labels, or arrays of the shapes of X."""
        labels, ends = self.write_labels(answers), itertools.pairwise(X.offsets.tolist())
        rows = [labels[start:stop] for start, stop in ends]
        if X.shapes is None:
            return rows
        return [row.reshape(shape) for row, shape in zip(rows, X.shapes, strict=True)]

    def loss(self, y: Any, y_hat: Any) -> float:
        """The task loss of y_hat for the true output y; void labels are left out."""
        truth, answer = (self.read_outputs([output], None) for output in (y, y_hat))
        if truth.shapes != answer.shapes:
            raise ValueError(f"y_hat has the shape {answer.shapes}, expected {truth.shapes} as y")
        right, guess = self.class_numbers(truth), self.class_numbers(answer)
        if len(right) == len(guess):  # void labels cost nothing
            guess = np.where((right < 0) | (guess < 0), right, guess)
        return make_loss(self.task_loss).value(right, guess, self.cost_matrix())
