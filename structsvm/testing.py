"""Checks for structures of your own: run them before training, and in your own tests."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from structsvm.base import StructuredModel
from structsvm.linalg._sums import dot
from structsvm.problems.python_methods import sparse_vector

__all__ = ["ModelCheckError", "check_model", "exhaustive_max"]

# Values are sums of floats: two ways of adding them up may differ by this share of their size.
_ROUNDING = 1e-9


class ModelCheckError(AssertionError):
    """A model does not do what a StructuredModel must."""


def exhaustive_max(
    model: StructuredModel,
    x: Any,
    y: Any,
    w: NDArray[np.float64],
    outputs: Iterable[Any],
) -> tuple[Any, float]:
    """The loss-augmented maximum over a list of outputs: what an exact oracle must reach.

    Parameters
    ----------
    model : StructuredModel
    x, y : object
        One example.
    w : ndarray of shape (n_weights,)
    outputs : iterable
        All outputs that x can have.

    Returns
    -------
    y_hat, value : object, float
        A maximiser of ``loss(y, y_hat) + <w, joint_feature(x, y_hat)>``, and the maximum.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import ChainModel
    >>> from structsvm.testing import exhaustive_max
    >>> model = ChainModel(transitions=False, boundary=False, fit_intercept=False)
    >>> model.initialize([[[1.0]]], [[0]])
    >>> exhaustive_max(model, [[1.0]], [0], np.array([2.0]), [[0]])
    ([0], 2.0)
    """
    scored = [(_value(model, x, y, y_hat, w, "y_hat"), y_hat) for y_hat in outputs]
    value, y_hat = max(scored, key=lambda pair: pair[0])
    return y_hat, value


def check_model(
    model: StructuredModel,
    X: Sequence[Any],
    y: Sequence[Any],
    *,
    n_weight_vectors: int = 10,
    random_state: int | np.random.RandomState | None = 0,
) -> None:
    """Check that a model is sound on your data; silent if it is.

    The model clones and pickles; no method changes x, y or w; joint features are finite and have
    one length; losses are finite, >= 0, and 0 for the truth; batch methods equal the single ones;
    and at random weights `inference` and `loss_augmented_inference` return outputs that no other
    output seen for the same x beats, the truth among them. The last is skipped for models that
    declare ``exact = False``. Takes about ``2 * n_weight_vectors * len(X)`` inferences: a few
    examples are enough.

    Parameters
    ----------
    model : StructuredModel
        Cloned, not changed.
    X, y : sequences of equal length
    n_weight_vectors : int, default=10
        Random weight vectors of several scales, and zero.
    random_state : int, RandomState or None, default=0

    Raises
    ------
    ModelCheckError
        In one sentence: which method, for which example, what was expected and what came.
    TypeError, ValueError
        From ``model.bind``, if a method is missing or a joint feature has a wrong shape.

    Examples
    --------
    >>> from structsvm import ChainModel
    >>> from structsvm.testing import check_model
    >>> check_model(ChainModel(), [[[1.0], [2.0]], [[0.0]]], [["a", "b"], ["a"]])
    """
    random = check_random_state(random_state)
    data = joblib.hash((X, y))
    model = _checked_copy(model)
    model.initialize(X, y)
    # The Python methods, also where the model is bound to compiled code.
    problem = StructuredModel.bind(model, X, y)
    scales = [0.0, *10.0 ** random.uniform(-2, 2, size=n_weight_vectors)]
    vectors = [problem.project(scale * random.normal(size=problem.n_weights)) for scale in scales]
    for w in vectors:
        w.flags.writeable = False
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        _check_loss(model, i, truth, truth)
        seen = [("the truth", truth)]
        answers = []
        for w in vectors:
            guess = model.inference(x, w)
            violator = model.loss_augmented_inference(x, truth, w)
            _check_loss(model, i, truth, guess)
            _check_loss(model, i, truth, violator)
            seen += [("an output of inference", guess), ("an output of the oracle", violator)]
            answers.append((w, guess, violator))
        if model.exact:
            for w, guess, violator in answers:
                _check_best(model, i, x, truth, w, "inference", guess, seen)
                _check_best(model, i, x, truth, w, "loss_augmented_inference", violator, seen)
    _check_batches(model, X, y, vectors[-1])
    if joblib.hash((X, y)) != data:
        raise ModelCheckError(
            f"a method of {type(model).__name__} changed X or y in place: work on a copy"
        )


def _checked_copy(model: StructuredModel) -> StructuredModel:
    name = type(model).__name__
    try:
        copy: StructuredModel = clone(model)
    except Exception as error:
        raise ModelCheckError(
            f"sklearn.base.clone fails on {name}: __init__ must store each parameter under its own "
            f"name, and nothing else ({error})"
        ) from error
    try:
        pickle.dumps(model)
    except Exception as error:
        raise ModelCheckError(
            f"{name} cannot be pickled, so it cannot be kept or sent to workers: {error}"
        ) from error
    return copy


def _score(model: StructuredModel, x: Any, y: Any, w: NDArray[np.float64], where: str) -> float:
    indices, values = sparse_vector(model.joint_feature(x, y), len(w), where)
    return dot(values, w[indices])


def _value(
    model: StructuredModel, x: Any, y: Any, y_hat: Any, w: NDArray[np.float64], where: str
) -> float:
    return float(model.loss(y, y_hat)) + _score(model, x, y_hat, w, where)


def _check_loss(model: StructuredModel, i: int, y: Any, y_hat: Any) -> None:
    loss = float(model.loss(y, y_hat))
    if not 0.0 <= loss < np.inf:
        raise ModelCheckError(f"loss(y[{i}], y_hat) is {loss} for y_hat = {y_hat!r}, expected >= 0")
    if y_hat is y and loss != 0.0:
        raise ModelCheckError(f"loss(y[{i}], y[{i}]) is {loss}, expected 0 for the truth")


def _check_best(
    model: StructuredModel,
    i: int,
    x: Any,
    truth: Any,
    w: NDArray[np.float64],
    method: str,
    answer: Any,
    seen: list[tuple[str, Any]],
) -> None:
    """`answer` must reach the value of every output seen for this x."""

    def value(y_hat: Any) -> float:
        if method == "inference":
            return _score(model, x, y_hat, w, f"joint_feature(X[{i}], y_hat)")
        return _value(model, x, truth, y_hat, w, f"joint_feature(X[{i}], y_hat)")

    reached = value(answer)
    for source, other in seen:
        better = value(other)
        if better > reached + _ROUNDING * (1.0 + abs(better) + float(np.abs(w).max(initial=0.0))):
            what = "<w, psi>" if method == "inference" else "loss + <w, psi>"
            raise ModelCheckError(
                f"{method} of {type(model).__name__} misses the maximum on X[{i}]: it returns "
                f"{answer!r} with {what} = {reached:.6g}, but {source}, {other!r}, has "
                f"{better:.6g}. Correct it, or declare the model exact = False"
            )


def _check_batches(
    model: StructuredModel, X: Sequence[Any], y: Sequence[Any], w: NDArray[np.float64]
) -> None:
    batches = {
        "batch_inference": (model.batch_inference(X, w), False),
        "batch_loss_augmented_inference": (model.batch_loss_augmented_inference(X, y, w), True),
    }
    for name, (outputs, augmented) in batches.items():
        if len(outputs) != len(X):
            raise ModelCheckError(f"{name} returned {len(outputs)} outputs for {len(X)} inputs")
        for i, (x, truth, output) in enumerate(zip(X, y, outputs, strict=True)):
            if augmented:
                single = model.loss_augmented_inference(x, truth, w)
                values = [_value(model, x, truth, y_hat, w, name) for y_hat in (output, single)]
            else:
                single = model.inference(x, w)
                values = [_score(model, x, y_hat, w, name) for y_hat in (output, single)]
            if not np.isclose(values[0], values[1], rtol=1e-6, atol=_ROUNDING):
                raise ModelCheckError(
                    f"{name} and its single version disagree on X[{i}]: {output!r} has value "
                    f"{values[0]:.6g}, {single!r} has {values[1]:.6g}"
                )
