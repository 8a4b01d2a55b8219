"""The structured hinge of integer linear programs that ilpy solves."""

from __future__ import annotations

import importlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.linalg._sums import combined_rows, dot, row_products

__all__ = ["HammingCosts", "LinearCosts", "SoftMarginLoss"]

_Vector = NDArray[np.float64]

# Solvers return integers to within this.
_INTEGER = 1e-3


class LinearCosts(Protocol):
    """A task loss that is linear in the output: ``offset + <coefficients, y>``."""

    def get_coefficients(self) -> ArrayLike: ...

    def get_offset(self) -> float: ...


class HammingCosts:
    r"""The number of variables that differ from the truth: :math:`\sum_j m_j |y_j - y'_j|`.

    For y of zeros and ones it is linear: sum_j m_j y'_j + sum_j m_j (1 - 2 y'_j) y_j.

    Parameters
    ----------
    ground_truth : array-like of shape (n_variables,)
        The truth y', of 0 and 1.
    mask : array-like of shape (n_variables,), default=None
        What a mistake at each variable costs, m: 0 where the truth is not known. None is 1.

    Attributes
    ----------
    coefficients : ndarray of shape (n_variables,)
    offset : float

    Examples
    --------
    >>> from structsvm import HammingCosts
    >>> costs = HammingCosts([1, 0, 0], mask=[1, 1, 0])
    >>> float(costs.get_offset() + costs.get_coefficients() @ [0, 1, 1])
    2.0
    """

    def __init__(self, ground_truth: ArrayLike, mask: ArrayLike | None = None) -> None:
        truth = _truth(ground_truth)
        weight = np.ones(truth.size) if mask is None else real_array("mask", mask)
        _check_vector("mask", weight, truth.size)
        self.coefficients = weight * (1.0 - 2.0 * truth)
        self.offset = dot(weight, truth)

    def get_coefficients(self) -> _Vector:
        return self.coefficients

    def get_offset(self) -> float:
        return self.offset


class SoftMarginLoss:
    r"""The structured hinge of one integer linear program whose *costs* are learned.

    .. math:: L(w) = \max_y \; \Delta(y', y) + \langle w, F y' - F y \rangle

    over all y of zeros and ones within the constraints: the truth y' shall cost less than any other
    y by the task loss Delta. It is convex; `value_and_gradient` is what `BundleMethod` and
    `minimize_risk` take. Each call solves the program once, by the solver that ilpy finds. The
    value may be below 0 if y' is not within the constraints.

    Parameters
    ----------
    constraints : ilpy.Constraints
        On y.
    features : array-like of shape (n_weights, n_variables)
        F: the costs of the variables are w F.
    ground_truth : array-like of shape (n_variables,)
        y', of 0 and 1.
    costs : object, default=None
        The task loss, with methods ``get_coefficients()`` and ``get_offset()``; None is
        ``HammingCosts(ground_truth)``.

    Raises
    ------
    ImportError
        If ilpy is not installed.
    ValueError
        If shapes do not fit, or a number is not finite.

    Notes
    -----
    Values and gradients are computed from the rounded y, so they belong together to the last digit
    whatever the tolerances of the solver. For programs that other solvers solve see the example
    with `minimize_risk` in the guide.

    References
    ----------
    C. H. Teo, S. V. N. Vishwanathan, A. Smola, Q. V. Le (2010). Bundle methods for regularized risk
    minimization. JMLR 11.

    Examples
    --------
    One of three is to be chosen, and the first is the truth (this needs ilpy)::

        import ilpy
        import numpy as np
        from structsvm import BundleMethod, SoftMarginLoss

        constraints = ilpy.Constraints()
        constraints.add(sum(ilpy.Variable(f"y{i}", index=i) for i in range(3)) == 1)
        loss = SoftMarginLoss(constraints, np.eye(3), [1, 0, 0])
        BundleMethod(loss.value_and_gradient, 3, 0.1, 1e-6).optimize()
        # array([-1.33333333,  0.66666667,  0.66666667])
    """

    def __init__(
        self,
        constraints: Any,
        features: ArrayLike,
        ground_truth: ArrayLike,
        costs: LinearCosts | None = None,
    ) -> None:
        _ilpy()
        self.constraints = constraints
        self.ground_truth = truth = _truth(ground_truth)
        self.features = np.ascontiguousarray(real_array("features", features))
        if self.features.ndim != 2 or self.features.shape[1] != truth.size:
            raise ValueError(
                f"features has shape {self.features.shape}, expected (n_weights, {truth.size}): "
                "one column for each entry of ground_truth"
            )
        if not np.isfinite(self.features).all():
            i, j = np.argwhere(~np.isfinite(self.features))[0]
            raise ValueError(f"features[{i}, {j}] is not finite")
        self.costs = HammingCosts(truth) if costs is None else costs
        self._coefficients = real_array("the costs' coefficients", self.costs.get_coefficients())
        _check_vector("the costs' coefficients", self._coefficients, truth.size)
        self._offset = float(self.costs.get_offset())
        self._of_truth = row_products(self.features, truth)
        self._solver: Any = None

    def value_and_gradient(self, w: ArrayLike) -> tuple[float, _Vector]:
        """L(w) and a subgradient there.

        Parameters
        ----------
        w : array-like of shape (n_weights,)

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_weights,)

        Raises
        ------
        ValueError
            If the program has no solution, or its solver stops before the optimum.
        """
        weights = real_array("w", w)
        _check_vector("w", weights, len(self.features))
        gain = self._coefficients - combined_rows(weights, self.features)
        y = self._best(gain)
        gradient = self._of_truth - row_products(self.features, y)
        loss = self._offset + dot(self._coefficients, y)
        return loss + dot(weights, gradient), gradient

    def _best(self, gain: _Vector) -> _Vector:
        """The y within the constraints of greatest gain."""
        ilpy = _ilpy()
        if self._solver is None:
            self._solver = ilpy.Solver(gain.size, ilpy.VariableType.Binary)
            self._solver.set_constraints(self.constraints)
        objective = ilpy.Objective(gain.size)
        objective.set_sense(ilpy.Sense.Maximize)
        for i, value in enumerate(gain.tolist()):
            objective.set_coefficient(i, value)
        self._solver.set_objective(objective)
        solution = self._solver.solve()
        status = str(solution.get_status())
        if "optimal" not in status.lower():
            raise ValueError(
                f"the integer linear program of SoftMarginLoss ended with status {status}, "
                "expected an optimal solution: see whether the constraints have one"
            )
        found = np.asarray(solution, dtype=np.float64)
        y = np.rint(found)
        if not (np.abs(found - y) <= _INTEGER).all() or not np.isin(y, (0.0, 1.0)).all():
            i = int((np.abs(found - y) + np.abs(found - np.clip(y, 0, 1))).argmax())
            raise ValueError(f"the solver of ilpy set variable {i} to {found[i]}, expected 0 or 1")
        return y

    def __getstate__(self) -> dict[str, Any]:
        # Solvers hold memory of libraries; another is made when it is needed.
        return self.__dict__ | {"_solver": None}


def _ilpy() -> Any:
    try:
        return importlib.import_module("ilpy")
    except ImportError as error:
        raise ImportError("SoftMarginLoss needs ilpy: pip install 'ilpy[scip]'") from error


def _truth(ground_truth: ArrayLike) -> _Vector:
    truth = real_array("ground_truth", ground_truth)
    if truth.ndim != 1:
        raise ValueError(f"ground_truth has shape {truth.shape}, expected (n_variables,)")
    wrong = ~np.isin(truth, (0.0, 1.0))
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(f"ground_truth[{i}] is {truth[i]}, expected 0 or 1")
    return truth


def _check_vector(name: str, vector: _Vector, size: int) -> None:
    if vector.shape != (size,):
        raise ValueError(f"{name} has shape {vector.shape}, expected ({size},)")
    if not np.isfinite(vector).all():
        i = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise ValueError(f"{name}[{i}] is {vector[i]}, expected a finite number")
