"""What `SoftMarginLoss` uses of ilpy, on HiGHS; `.ci/motile` runs the tests with ilpy itself."""

import enum

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

__all__ = ["Constraint", "Constraints", "Objective", "Relation", "Sense", "Solver", "VariableType"]


class VariableType(enum.Enum):
    Binary = enum.auto()


class Sense(enum.Enum):
    Minimize = 1
    Maximize = -1


class Relation(enum.Enum):
    LessEqual = enum.auto()
    Equal = enum.auto()
    GreaterEqual = enum.auto()


class Constraint:
    @classmethod
    def from_coefficients(cls, coefficients, relation, value):
        constraint = cls()
        constraint.row = np.asarray(coefficients, dtype=float)
        constraint.least = -np.inf if relation is Relation.LessEqual else value
        constraint.most = np.inf if relation is Relation.GreaterEqual else value
        return constraint


class Constraints(list):
    add = list.append


class Objective:
    def __init__(self, size):
        self.coefficients, self.sense = np.zeros(size), Sense.Minimize

    def set_sense(self, sense):
        self.sense = sense

    def set_coefficient(self, i, value):
        self.coefficients[i] = value


class Solution:
    def __init__(self, found):
        self.found = found

    def get_status(self):
        return "OPTIMAL" if self.found.success else "INFEASIBLE"

    def __array__(self, dtype=None, copy=None):
        return np.array(self.found.x, dtype=dtype)


class Solver:
    def __init__(self, num_variables, default_variable_type):
        assert default_variable_type is VariableType.Binary
        self.n = num_variables

    def set_constraints(self, constraints):
        self.constraints = [LinearConstraint(c.row, c.least, c.most) for c in constraints]

    def set_objective(self, objective):
        self.objective = objective

    def solve(self):
        costs = self.objective.sense.value * self.objective.coefficients
        return Solution(
            milp(
                costs,
                integrality=np.ones(self.n),
                bounds=Bounds(0, 1),
                constraints=self.constraints or None,
                options={"mip_rel_gap": 0},
            )
        )

    def __reduce__(self):
        raise TypeError("solvers of ilpy hold memory of libraries")
