"""HiddenStates: each label has several states, and only labels are observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import clone

from structsvm.base import StructuredModel
from structsvm.data.checks import check_scalar
from structsvm.data.k_means import k_means
from structsvm.data.labels import PackedLabels
from structsvm.data.scaling import ColumnScaling
from structsvm.data.state import State
from structsvm.losses import HammingLoss, make_loss
from structsvm.models.completion import StatesModel
from structsvm.models.factored import PackedInputs
from structsvm.problems import Problem

__all__ = ["HiddenStates"]


class _States(PackedLabels):
    """Numbers of states."""


class HiddenStates(StructuredModel):
    r"""Labels of sequences, graphs or images whose states are hidden, for `LatentSVM`.

    Each label has `n_states` states, such as the ways to write a digit. Node and transition scores
    are of states, so a label may look in several ways and a state tell more of its neighbours than
    the label does; the loss is of labels. Predictions are the labels of the best states.

    Complete outputs, as `LatentSVM.complete` gives them, have state k of label number c as the
    integer ``c * n_states + k``. The first completions are by k-means on the places that have a
    label: their features, and the labels of their neighbours.

    Parameters
    ----------
    model : ChainModel, GraphModel or GridModel
        Of the labels. Not with ``order=2``, ``on_violation`` other than "raise", or
        ``weighting="hinge"``. Only with ``pairwise="table"`` do edges of graphs tell which states
        go together.
    n_states : int, default=2
        States of each label.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    visible_, hidden_ : models
        Clones of `model` that were sized for labels and for states.
    n_weights : int
        That of the states.

    References
    ----------
    A. Quattoni, S. Wang, L.-P. Morency, M. Collins, T. Darrell (2007). Hidden conditional random
    fields. IEEE Transactions on Pattern Analysis and Machine Intelligence 29.
    https://doi.org/10.1109/TPAMI.2007.1124

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import ChainModel, HiddenStates, LatentSVM
    >>> X = [np.array([[2.0], [-2.0], [0.0]]), np.array([[0.1], [1.9], [-2.1]])]
    >>> y = [["far", "far", "near"], ["near", "far", "far"]]
    >>> model = HiddenStates(ChainModel(), n_states=2)
    >>> svm = LatentSVM(model, C=10.0, random_state=0).fit(X, y)
    >>> [" ".join(labels) for labels in svm.predict(X)]
    ['far far near', 'near far far']
    """

    visible_: StatesModel
    hidden_: StatesModel
    classes_: NDArray[Any]
    n_weights: int

    def __init__(self, model: StatesModel, n_states: int = 2) -> None:
        self.model = model
        self.n_states = n_states

    # ---- sizes

    def _check(self) -> None:
        check_scalar("n_states", self.n_states, above=0, integer=True)
        if not isinstance(self.model, StatesModel):
            raise ValueError(f"model is {self.model!r}: expected a ChainModel, GraphModel or so")
        for name, needed in (("order", 1), ("on_violation", "raise"), ("weighting", "loss")):
            value = getattr(self.model, name, needed)
            if value != needed:
                raise ValueError(f"{name}={value!r} has no hidden states: use {name}={needed!r}")

    def initialize(self, X: Any, y: Any) -> None:
        """Learn the labels, and the sizes of both models."""
        self.visible_ = clone(self.model)
        self.visible_.initialize(X, y)
        self._size()
        n_states = len(self.classes_) * self.n_states
        numbers = np.maximum(self.visible_.class_numbers(y), 0) * self.n_states
        states = PackedLabels(numbers.astype(np.int64), y.offsets, y.shapes, y.weight)
        self.hidden_.initialize(X, states, np.arange(n_states))
        self.n_weights = self.hidden_.n_weights

    def _size(self) -> None:
        self.classes_ = self.visible_.classes_
        label_of = np.repeat(np.arange(len(self.classes_)), self.n_states)
        visible, rows = self.visible_, np.ix_(label_of, label_of)
        cost, normalize = visible.cost_matrix()[rows], make_loss(visible.task_loss).normalize
        params: dict[str, Any] = {"task_loss": HammingLoss(normalize, cost), "class_weight": None}
        params |= {"ignore_label": None, "constraints": visible.forbidden_pairs(label_of)}
        known = visible.get_params(deep=False)
        self.hidden_ = clone(self.model).set_params(
            **{name: value for name, value in params.items() if name in known}
        )

    def to_state(self) -> State:
        """Those of the two models."""
        visible, hidden = self.visible_.to_state(), self.hidden_.to_state()
        return visible | {f"hidden_{name}": value for name, value in hidden.items()}

    def from_state(self, state: State) -> Self:
        start = "hidden_"
        self.visible_ = clone(self.model).from_state(
            {name: value for name, value in state.items() if not name.startswith(start)}
        )
        self._size()
        self.hidden_.from_state(
            {
                name.removeprefix(start): value
                for name, value in state.items()
                if name.startswith(start)
            }
        )
        self.n_weights = self.hidden_.n_weights
        return self

    def n_table_entries(self, state: State) -> int:
        """Number of scores of pairs of states."""
        return (len(state["classes"]) * int(self.n_states)) ** 2

    @property
    def exact(self) -> bool:  # type: ignore[override]
        return bool(self.hidden_.exact)

    @property
    def non_negative(self) -> Any:  # type: ignore[override]
        return self.hidden_.non_negative

    def tied_weights(self) -> tuple[NDArray[np.int32], NDArray[np.float64]] | None:
        return self.hidden_.tied_weights()

    def has_slack_oracle(self) -> bool:
        return self.model.has_slack_oracle()

    # ---- examples

    def prepare_examples(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, **weights: Any
    ) -> tuple[Any, Any]:
        self._check()
        reader: StatesModel = vars(self).get("visible_", self.model)
        return reader.prepare_examples(X, y, sample_weight=sample_weight, **weights)

    def bind(self, X: Any, y: Any = None) -> Problem:
        """A problem of states; y is completed."""
        if y is not None and not isinstance(y, _States):
            raise ValueError("labels do not tell states: train HiddenStates by LatentSVM")
        return self.hidden_.bind(X, y)

    def outputs_of(self, X: Any, answers: Any) -> list[Any]:
        return [self.classes_[row // self.n_states] for row in self.hidden_.outputs_of(X, answers)]

    def batch_inference(self, X: Any, w: NDArray[np.float64]) -> list[Any]:
        inputs, _ = self.prepare_examples(X)
        return self.outputs_of(inputs, self.bind(inputs).predict(w)[0])

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        return self.visible_.score(Y, Y_hat)

    def loss(self, y: Any, y_hat: Any) -> float:
        return self.visible_.loss(y, y_hat)

    # ---- completion

    def first_completed(
        self, X: PackedInputs, y: PackedLabels, random_state: np.random.RandomState
    ) -> PackedLabels:
        allowed, numbers = self._allowed(y), self.visible_.class_numbers(y)
        known = np.flatnonzero(numbers >= 0)
        shape = (len(numbers), len(self.classes_))
        labels = sp.csr_array((np.ones(len(known)), (known, numbers[known])), shape=shape)
        around = [of_kind @ labels for of_kind in self.hidden_.neighbours(X)]
        rows = sp.hstack([sp.csr_array(self.hidden_.part_rows(X)), *around], format="csr")
        for number in range(len(self.classes_)):
            places = np.flatnonzero(numbers == number)
            states = number * self.n_states + k_means(rows[places], self.n_states, random_state)
            allowed[places] = False
            allowed[places, states] = True
        return self._best(X, y, allowed, np.zeros(self.n_weights), None)

    def completed(
        self,
        X: PackedInputs,
        y: PackedLabels,
        w: NDArray[np.float64],
        before: PackedLabels | None = None,
    ) -> PackedLabels:
        return self._best(X, y, self._allowed(y), w, before)

    def _allowed(self, y: PackedLabels) -> NDArray[np.bool_]:
        """Which states each place may have."""
        numbers = self.visible_.class_numbers(y)[:, None]
        label_of = np.arange(len(self.classes_) * self.n_states) // self.n_states
        allowed: NDArray[np.bool_] = (numbers == label_of) | (numbers < 0)
        return allowed

    def _best(
        self,
        X: PackedInputs,
        y: PackedLabels,
        allowed: NDArray[np.bool_],
        w: NDArray[np.float64],
        before: PackedLabels | None,
    ) -> PackedLabels:
        everything = np.arange(len(allowed))
        states = self.hidden_.complete_numbers(X, allowed, everything, w, before)
        filled = y.filled(states.astype(np.int64), self.visible_.free_labels(y))
        filled.__class__ = _States
        return filled

    def differing(self, a: PackedLabels, b: PackedLabels) -> NDArray[np.intp]:
        return self.hidden_.differing(a, b)

    def loss_of_completion(self, a: PackedLabels, b: PackedLabels, i: int) -> float:
        return 0.0  # states of one label

    # ---- scales

    def learn_scaling(self, X: Any, y: Any, *, scale: bool = True) -> dict[str, ColumnScaling]:
        return self.hidden_.learn_scaling(X, y, scale=scale)

    def scaled(self, X: Any, scaling: Mapping[str, ColumnScaling]) -> Any:
        return self.hidden_.scaled(X, scaling)

    def in_user_units(
        self,
        w: NDArray[np.float64],
        scaling: Mapping[str, ColumnScaling],
        *,
        back: bool = False,
    ) -> NDArray[np.float64]:
        return self.hidden_.in_user_units(w, scaling, back=back)

    def penalty_unit(self, y: PackedLabels, scaling: Mapping[str, ColumnScaling]) -> float | None:
        return self.visible_.penalty_unit(self._labels(y), scaling)

    def constant_loss(self, y: PackedLabels) -> float | None:
        return self.visible_.constant_loss(self._labels(y))

    def _labels(self, y: PackedLabels) -> PackedLabels:
        labels = self.classes_[y.labels // self.n_states]
        return PackedLabels(labels, y.offsets, y.shapes, y.weight, y.sample_weight)

    def _oddity(self) -> str | None:
        return self.visible_._oddity()
