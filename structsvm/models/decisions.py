"""DecisionModel: decisions at predicted costs, learned by SPO+ or by imitation."""

from __future__ import annotations

import itertools
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
    decision : array-like of shape (n_parts,)
        How often each part is used.
    costs : array-like of shape (n_parts,), default=None
        None: the decision is to be imitated.
    """

    decision: Any
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
    to_parts, fit_intercept, n_parts, exact, batch
        See `PartsModel`. `n_parts` may be left out where there are costs or decisions.

    Notes
    -----
    As y it takes an array or a list of rows of costs, or a list of `Truth`. With costs the task
    loss is the regret, with decisions alone the number of parts that are used in one of two
    decisions and not in the other.

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
        batch: bool = False,
    ) -> None:
        self.maximizer = maximizer
        self.sense = sense
        self.to_parts = to_parts
        self.fit_intercept = fit_intercept
        self.n_parts = n_parts
        self.exact = exact
        self.batch = batch

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

        Parameters
        ----------
        y : sequence of length n_examples
            Costs, or `Truth` objects that hold a decision, too.
        X : PackedInputs

        Returns
        -------
        truths : list of Truth

        Raises
        ------
        ValueError
            Naming the example, if costs have another shape, or are not finite.
        """
        if len(y) != len(X):
            raise ValueError(f"there are costs of {len(y)} examples, expected {len(X)} as in X")
        if _has_decisions(y):
            known = [truth for truth in y if truth.costs is not None]
            if known and len(known) < len(y):
                raise ValueError("y has costs of some examples only: give those of all, or none")
            if not known:
                return list(y)
            costs = self._read_costs([truth.costs for truth in y], X)
            rows = _split(costs, X)
            return [Truth(truth.decision, row) for truth, row in zip(y, rows, strict=True)]
        costs = self._read_costs(y, X)
        found = X.items.maximizer.maximize_all(-self._sign * costs)
        return [Truth(*pair) for pair in zip(_split(found, X), _split(costs, X), strict=True)]

    def _read_costs(self, y: Any, X: PackedInputs) -> NDArray[np.float64]:
        """The costs of the parts of all examples, one after the other."""
        offsets = X.items.offsets
        sizes = np.diff(offsets)
        if isinstance(y, np.ndarray) and y.ndim == 2 and (sizes == y.shape[1]).all():
            costs = real_array("costs", y).ravel()
        else:
            rows = [real_array(f"costs[{i}]", row) for i, row in enumerate(as_items("costs", y))]
            for i, (row, n) in enumerate(zip(rows, sizes.tolist(), strict=True)):
                if row.shape != (n,):
                    raise ValueError(f"costs[{i}] has shape {row.shape}, expected ({n},)")
            costs = np.concatenate(rows)
        if (wrong := np.flatnonzero(~np.isfinite(costs))).size:
            i = int(np.searchsorted(offsets, wrong[0], side="right")) - 1
            raise ValueError(
                f"costs[{i}, {wrong[0] - offsets[i]}] is {costs[wrong[0]]}, expected a finite "
                "number: the regret of a decision needs what all its parts cost. Leave parts that "
                "cannot be used out of X, or give decisions without costs, with -1 for parts of "
                "which nobody knows"
            )
        return costs

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        if X is None or _has_decisions(y):
            truths = as_items("y", y) if X is None else self.truths(y, X)
            pairs = [self._as_pair(f"decisions[{i}]", truth) for i, truth in enumerate(truths)]
            return super().read_outputs(pairs, X)
        if len(y) != len(X):
            raise ValueError(f"there are costs of {len(y)} examples, expected {len(X)} as in X")
        costs = self._sign * self._read_costs(y, X)
        return self._packed_sets(X.items.maximizer.maximize_all(-costs), costs, X)

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
        if not _has_decisions(Y):
            raise ValueError("Y has no decisions: take those of truths(y, X)")
        true, guess = (np.concatenate(rows) for rows in ([y.decision for y in Y], Y_hat))
        known = np.asarray(true >= 0, dtype=np.float64)
        if Y[0].costs is None:
            return -float(dot(known, np.abs(guess - true).astype(np.float64))) / len(Y)
        costs = known * np.concatenate([y.costs for y in Y])
        regret = self._sign * dot(costs, (guess - true).astype(np.float64))
        examples = np.repeat(np.arange(len(Y)), [len(y.costs) for y in Y])
        best = float(np.abs(np.bincount(examples, costs * true)).sum())
        if best == 0.0:
            return -np.inf if regret > 0 else 0.0
        return -regret / best

    # ---- costs

    def costs(self, X: PackedInputs, w: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """The predicted costs of the parts of each example.

        Parameters
        ----------
        X : PackedInputs
        w : ndarray of shape (n_weights,)

        Returns
        -------
        costs : list of ndarray of shape (n_parts,)
        """
        return _split(self.make_problem(X, None).part_scores(w) / self._factor, X)

    def worst_decisions(
        self, X: PackedInputs, w: NDArray[np.float64], Y: Sequence[Truth]
    ) -> list[NDArray[np.int32]]:
        """Of all best decisions at the predicted costs the worst at the true ones, of each example.

        The maximizer is called with predicted scores to which 1e-9 of the true costs is added. What
        it finds costs at least as much as any best decision at the predicted costs, and is one of
        them up to 1e-9 of the sum of the absolute scores.

        Parameters
        ----------
        X : PackedInputs
        w : ndarray of shape (n_weights,)
        Y : sequence of Truth

        Returns
        -------
        decisions : list of int32 ndarray of shape (n_parts,)
        """
        offsets = X.items.offsets
        theta = self.make_problem(X, None).part_scores(w)
        against = self._sign * np.concatenate([truth.costs for truth in Y])
        for start, stop in itertools.pairwise(offsets):
            scores, costs = theta[start:stop], against[start:stop]
            size, size_of_costs = float(np.abs(scores).sum()), float(np.abs(costs).sum())
            if size_of_costs > 0.0:
                scores += costs * ((_TIES * size or 1.0) / size_of_costs)
        return _split(X.items.maximizer.maximize_all(theta), X)


def _has_decisions(y: Any) -> bool:
    return isinstance(y, list) and len(y) > 0 and all(isinstance(one, Truth) for one in y)


def _split(values: NDArray[Any], X: PackedInputs) -> list[NDArray[Any]]:
    """Values of the parts of all examples, by example."""
    return np.split(values, X.items.offsets[1:-1]) if len(X) else []
