"""Support of scikit-learn's callbacks (version 1.9 and later).

Callbacks from ``estimator.set_callbacks(...)``, a Pipeline or a grid search are called at the
beginning of a fit, after each iteration with an estimator that can predict, and at the end.
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
        # An extra frame, as in scikit-learn's decorator: warnings count frames.
        @functools.wraps(method)
        def unchanged(*args: Any, **kwargs: Any) -> Any:
            return method(*args, **kwargs)

        return unchanged


def with_callbacks(method: _Method) -> _Method:
    """Decorate a method so that callbacks are torn down even after an error."""
    return cast(_Method, _with_callbacks(method))


class TaskReport:
    """Reports one fit to scikit-learn's callbacks; does nothing without callbacks."""

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
        """Report an iteration; returns whether a callback asks to stop. `fitted` returns the
        attributes with which a clone of the estimator predicts by the present weights."""
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
