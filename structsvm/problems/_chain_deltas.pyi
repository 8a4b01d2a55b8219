from typing import NamedTuple

from structsvm.problems._factored import FactoredProblem
from structsvm.problems._problem import Problem

class ChainSizes(NamedTuple):
    row: float
    length: float
    n_labels: int

class ChainDeltas:
    @property
    def problem(self) -> FactoredProblem: ...
    @property
    def nbytes(self) -> int: ...
    def __init__(self, problem: FactoredProblem) -> None: ...

def gives_labels(problem: Problem) -> bool: ...
def chain_sizes(problem: FactoredProblem) -> ChainSizes: ...
