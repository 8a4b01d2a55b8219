"""DecisionModel: decisions at predicted costs, learned by SPO+ or by imitation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import real_array
from structsvm.data.labels import PackedLabels
from structsvm.data.sequences import as_items
from structsvm.inference.structures import Structure
from structsvm.linalg._sums import dot
from structsvm.models.factored import PackedInputs
from structsvm.models.parts import PartsModel

__all__ = ["DecisionModel", "Truth"]

# The share of the scores that ties are broken by.
_TIES = 1e-9


class Truth(NamedTuple):
    """What is known of an example.

    Attributes
    ----------
    decision : array-like of shape (n_parts,) or None
        How often each part is used; None: the best decision at `costs`.
    costs : array-like of shape (n_parts,) or None
        None: the decision is to be imitated.
    """

    decision: Any = None
    costs: Any = None


class DecisionModel(PartsModel):
    r"""The best decisions at costs that are linear in the weights.

    A decision is a set of parts, and costs the sum of what its parts cost. The predicted costs are
    the scores of `PartsModel`,

    .. math:: \hat c_p = \langle w, F_p \rangle + \langle W_p, x \rangle + b_{kind(p)}

    and the joint feature of a decision z is such that
    :math:`\langle w, \psi(x, z) \rangle = -2 \hat c^\top z`, or 2 where the sum is to be maximised.

    Parameters
    ----------
    maximizer : callable or Structure
        As in `PartsModel`: it returns the decision with the greatest sum of theta, whatever `sense`
        says.
    sense : {"minimize", "maximize"}, default="minimize"
        Whether the sum of the costs is to be small, or to be great.
    to_parts, fit_intercept, n_parts, exact
        See `PartsModel`. `n_parts` may be left out where there are costs or decisions.

    Notes
    -----
    As an output of an example it takes a row of costs, or a `Truth`. With costs the task loss is
    the regret, with decisions alone the number of parts that are used in one of two decisions and
    not in the other.

    Examples
    --------
    >>> from structsvm import DecisionModel
    >>> from structsvm.inference import Knapsack
    >>> DecisionModel(Knapsack([3, 2, 2], 4), sense="maximize").sense
    'maximize'
    """

    task_loss = "regret"
    part_weight = None
    output = "uses"
    _outputs_name: ClassVar[str] = "decisions"

    def __init__(
        self,
        maximizer: Structure | Callable[[NDArray[np.float64], Any], Any],
        *,
        sense: str = "minimize",
        to_parts: Callable[[Any, Any], Any] | None = None,
        fit_intercept: bool = True,
        n_parts: int | None = None,
        exact: bool = True,
    ) -> None:
        self.maximizer = maximizer
        self.sense = sense
        self.to_parts = to_parts
        self.fit_intercept = fit_intercept
        self.n_parts = n_parts
        self.exact = exact

    def _check_parameters(self) -> None:
        if self.sense not in ("minimize", "maximize"):
            raise ValueError(f"sense={self.sense!r}: expected 'minimize' or 'maximize'")
        super()._check_parameters()

    @property
    def _sign(self) -> float:
        """The costs times this are to be small."""
        return -1.0 if self.sense == "maximize" else 1.0

    @property
    def _factor(self) -> float:
        return -2.0 * self._sign

    # ---- examples

    def prepare_examples(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, **weights: Any
    ) -> tuple[PackedInputs, PackedLabels | None]:
        if y is not None and not isinstance(y, PackedLabels) and len(y):
            first = y[0]
            if isinstance(first, Truth):
                first = first.decision if first.costs is None else first.costs
            self._n_known = np.size(first)
        return super().prepare_examples(X, y, sample_weight=sample_weight, **weights)

    def _known_part_count(self) -> int | None:
        count = super()._known_part_count()
        return vars(self).get("_n_known") if count is None else count

    def truths(self, y: Any, X: PackedInputs) -> list[Truth]:
        """Checked costs and decisions of prepared inputs; decisions that are not given are found.

        Raises
        ------
        ValueError
            Naming the example, if costs have another shape, or are not finite.
        """
        n_parts = np.diff(X.items.offsets).tolist()
        items = as_items("costs", y)
        if len(items) != len(X):
            raise ValueError(f"there are costs of {len(items)} examples, expected {len(X)} as in X")
        return [
            self._truth(i, item if isinstance(item, Truth) else Truth(costs=item), n, X)
            for i, (item, n) in enumerate(zip(items, n_parts, strict=True))
        ]

    def _truth(self, i: int, truth: Truth, n: int, X: PackedInputs) -> Truth:
        decision, costs = truth
        if costs is not None:
            costs = real_array(f"costs[{i}]", costs)
            if costs.shape != (n,):
                raise ValueError(f"costs[{i}] has shape {costs.shape}, expected ({n},)")
            if not np.isfinite(costs).all():
                p = int(np.argmin(np.isfinite(costs)))
                raise ValueError(f"costs[{i}, {p}] is {costs[p]}, expected a finite number")
        if decision is None:
            if costs is None:
                raise ValueError(f"neither costs nor the decision of example {i} are given")
            decision = self._best(X, i, -self._sign * costs)
        return Truth(decision, costs)

    def _best(self, X: PackedInputs, i: int, theta: NDArray[np.float64]) -> NDArray[np.int64]:
        """How often the best decision of example i uses each part."""
        row, _ = X.items.maximizer.maximize(i, theta)
        end = int(np.argmax(row < 0)) if (row < 0).any() else len(row)
        return np.bincount(row[:end], minlength=len(theta))

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        if X is not None:
            y = self.truths(y, X)
        return super().read_outputs(
            [self._as_pair(f"decisions[{i}]", truth) for i, truth in enumerate(y)], X
        )

    def _as_pair(self, name: str, truth: Any) -> tuple[Any, Any]:
        """A decision and what its parts add to the loss, as `PartsModel` takes them."""
        if not isinstance(truth, Truth) or truth.decision is None:
            raise ValueError(
                f"{name} is {type(truth).__name__}, expected a Truth with a decision, which costs "
                "alone do not tell without x"
            )
        if truth.costs is not None:
            return truth.decision, self._sign * real_array("costs", truth.costs)
        uses = real_array(name, truth.decision)
        if uses.max(initial=0) > 1:
            raise ValueError(f"{name} uses a part twice: without costs parts are used once")
        return truth.decision, 1.0 - 2.0 * uses

    def loss(self, y: Any, y_hat: Any) -> float:
        """The task loss of a decision for a `Truth` with a decision."""
        return super().loss(self._as_pair("y", y), y_hat)

    def joint_feature(self, x: Any, y: Any) -> NDArray[np.float64]:
        """psi(x, y), of shape (n_weights,), of a decision or a `Truth` with one."""
        decision = y.decision if isinstance(y, Truth) else y
        return super().joint_feature(x, decision)

    def score(self, Y: Sequence[Truth], Y_hat: Sequence[Any]) -> float:
        """Minus the normalised regret: that of all examples, over the absolute values of the best
        decisions. Without costs, minus the mean number of parts that differ.

        Parameters
        ----------
        Y : list of Truth
            As `truths` returns it.
        Y_hat : list of decisions
        """
        losses = [self.loss(y, y_hat) for y, y_hat in zip(Y, Y_hat, strict=True)]
        if Y[0].costs is None:
            return -float(np.mean(losses))
        regret = float(np.sum(losses))
        best = sum(abs(dot(*(np.asarray(row, dtype=np.float64) for row in y))) for y in Y)
        if best == 0.0:
            return -np.inf if regret > 0 else 0.0
        return -regret / best

    # ---- costs

    def costs(self, X: PackedInputs, w: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """The predicted costs of the parts of each example."""
        scores = self.make_problem(X, None).part_scores(w) / self._factor
        return np.split(scores, X.items.offsets[1:-1])

    def worst_decisions(
        self, X: PackedInputs, w: NDArray[np.float64], Y: Sequence[Truth]
    ) -> list[NDArray[np.int64]]:
        """Of each example, of all best decisions at the predicted costs the worst at the true ones.

        The maximizer is called with predicted scores of which 1e-9 is replaced by the true costs.
        What it finds costs at least as much as any best decision at the predicted costs, and is one
        of them up to 1e-9 of the sum of the absolute scores.
        """
        found = []
        for i, (predicted, truth) in enumerate(zip(self.costs(X, w), Y, strict=True)):
            theta = -self._sign * predicted
            against = self._sign * np.asarray(truth.costs, dtype=np.float64)
            size, size_of_costs = float(np.abs(theta).sum()), float(np.abs(against).sum())
            if size == 0.0:
                theta = against
            elif size_of_costs > 0.0:
                theta = theta + against * (_TIES * size / size_of_costs)
            found.append(self._best(X, i, theta))
        return found
