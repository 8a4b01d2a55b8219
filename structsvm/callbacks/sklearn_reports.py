"""scikit-learn's callbacks, which came with its version 1.9.

``estimator.set_callbacks(...)`` and callbacks handed down by a Pipeline or a grid search hear of a
fit as of any other: its beginning, each iteration with an estimator that can predict, its end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["CallbackSupportMixin", "TaskReport", "with_callbacks"]

_Method = TypeVar("_Method", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""

    def _with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        # A frame of its own, as the real one has: warnings count them.
        @functools.wraps(method)
        def unchanged(*args: Any, **kwargs: Any) -> Any:
            return method(*args, **kwargs)

        return unchanged


def with_callbacks(method: _Method) -> _Method:
    """Sees to it that callbacks are torn down, however the method ends."""
    return cast(_Method, _with_callbacks(method))


class TaskReport:
    """One fit as scikit-learn's callbacks see it; silent where there are none."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self._context = None
        if hasattr(estimator, "_init_callback_context"):
            self._context = estimator._init_callback_context(max_subtasks=None)
            self._context.call_on_fit_task_begin(estimator=estimator)

    def listener(
        self, attributes: Callable[[NDArray[np.float64], Any], dict[str, Any]]
    ) -> Callable[[Any, Any], bool]:
        """What hears of a fit's iterations, with its model, and reports them; `attributes` are
        those of an estimator with these weights and this model."""
        return lambda progress, model: self.iteration(
            lambda: attributes(np.array(progress.weights), model)
        )

    def iteration(self, fitted: Callable[[], dict[str, Any]]) -> bool:
        """Report an iteration; True if a callback asks to stop. `fitted` gives the attributes that
        make a clone of the estimator predict as of now."""
        if self._context is None:
            return False
        task = self._context.subcontext(task_name="iteration")
        task.call_on_fit_task_begin(estimator=self._estimator)
        stop = task.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=fitted
        )
        return bool(stop)

    def end(self, fitted: Callable[[], dict[str, Any]]) -> None:
        if self._context is not None:
            self._context.call_on_fit_task_end(
                estimator=self._estimator, reconstruction_attributes=fitted
            )
