from typing import Any

from structsvm.problems._factored import FactoredProblem
from structsvm.solvers._plane_store import PlaneStore

class LabelPlanes(PlaneStore):
    @property
    def problem(self) -> FactoredProblem: ...
    def __init__(
        self,
        problem: FactoredProblem,
        *,
        max_planes: int = 20,
        drop_after: int = 2,
        mixed: bool = False,
    ) -> None: ...
    def move_to(self, problem: FactoredProblem, shifts: Any) -> None: ...
