from collections.abc import Callable, Sequence
from typing import Any

from structsvm.inference._maximizer import Maximizer

class CallableMaximizer(Maximizer):
    def __init__(
        self,
        maximize: Callable[[Any, Any], Any],
        X: Sequence[Any],
        n_parts: Sequence[int],
        *,
        indices: bool = False,
        to_parts: Callable[[Any, Any], Any] | None = None,
        exact: bool = True,
        batch: bool = False,
    ) -> None: ...
