"""Checks for structures of your own: run them before training, and in your own tests."""

from __future__ import annotations

import copy
import functools
import math
import pickle
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import cloudpickle
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from structsvm.base import StructuredModel
from structsvm.linalg._sums import dot
from structsvm.problems.python_methods import (
    LossCheck,
    brief,
    check_output,
    loss_number,
    note_example,
    sparse_vector,
)

__all__ = ["ModelCheckError", "check_model", "exhaustive_max"]

# Values are sums of floats: two orders of adding may differ by this share of the terms' sizes. Fits
# allow the same share before they overrule an oracle.
_ROUNDING = 1e-8

# Examples that are looked at closely, and those of them that a fresh copy is asked about too.
_EXAMPLES, _ASKED_TWICE = 20, 3

_ORACLES = ("loss_augmented_inference", "slack_rescaled_inference")
_OBJECTIVES = {
    "inference": "<w, psi>",
    "loss_augmented_inference": "loss + <w, psi>",
    "slack_rescaled_inference": "loss * (1 + <w, psi - psi(truth)>)",
}


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
    scored = []
    for y_hat in outputs:
        indices, values = sparse_vector(model.joint_feature(x, y_hat), len(w), "y_hat")
        score = dot(values, w[indices])
        scored.append((loss_number(0, model.loss(y, y_hat)) + score, y_hat))
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

    The model clones and pickles, and the copy answers the same. No method changes x, y, w or an
    output. Answers depend neither on earlier calls nor on chance. Joint features are finite and
    have one length; losses are finite, >= 0, and 0 for the truth; batch methods equal the single
    ones. At random weights, and at some like those of training, `inference`,
    `loss_augmented_inference` and `slack_rescaled_inference` (where there is one) return an output
    that no output seen for the same x beats, nor the truth. This last check is skipped for models
    that declare ``exact = False``.

    Looks at 20 of the examples at most, drawn by `random_state`, and makes about
    ``3 * n_weight_vectors`` inferences for each.

    Parameters
    ----------
    model : StructuredModel
        Cloned, not changed.
    X, y : sequences of equal length
    n_weight_vectors : int, default=10
        Random weight vectors of several scales, beside zero and those like in training.
    random_state : int, RandomState or None, default=0

    Raises
    ------
    ModelCheckError
        In one sentence: which method, for which example, what was expected and what came.
    TypeError, ValueError
        From ``model.bind``, if a method is missing or a joint feature has a wrong shape.
    Exception
        What a method raises itself, with a note of the example.

    Examples
    --------
    >>> from structsvm import ChainModel
    >>> from structsvm.testing import check_model
    >>> check_model(ChainModel(), [[[1.0], [2.0]], [[0.0]]], [["a", "b"], ["a"]])
    """
    _Checks(model, X, y).run(n_weight_vectors, check_random_state(random_state))


class _Seen:
    """An output, where it came from, and its loss and joint feature."""

    def __init__(self, source: str, output: Any) -> None:
        self.source = source
        self.output = output
        self.kept = _Kept(output)
        self.loss = 0.0
        self.psi: tuple[NDArray[np.int32], NDArray[np.float64]]


class _Checks:
    """One call of `check_model`."""

    def __init__(self, model: StructuredModel, X: Sequence[Any], y: Sequence[Any]) -> None:
        self.name = type(model).__name__
        self.X, self.y = X, y
        self.model = self._copied(model)
        self.check_loss = LossCheck(self.model, y)

    def run(self, n_vectors: int, random: np.random.RandomState) -> None:
        X, y, model = self.X, self.y, self.model
        n = len(X)
        chosen = range(n) if n <= _EXAMPLES else np.sort(random.permutation(n)[:_EXAMPLES]).tolist()
        self.kept = {i: (_Kept(X[i]), _Kept(y[i])) for i in chosen}
        items = [list(column) if isinstance(column, list) else None for column in (X, y)]
        model.initialize(X, y)
        for name, column, before in zip("Xy", (X, y), items, strict=True):
            if before is not None and [*map(id, before)] != [*map(id, column)]:
                self._blame_change("initialize", f"the list {name}")
        for i in chosen:
            self._unchanged("initialize", i)
        self._pickled(model)
        try:
            self._make_fresh = functools.partial(pickle.loads, pickle.dumps(model))
        except Exception:
            # Its class is defined inside a function: cloudpickle would define it anew.
            self._make_fresh = functools.partial(copy.deepcopy, copy.deepcopy(model))
        # The Python methods, also where the model is bound to compiled code.
        problem = StructuredModel.bind(model, X, y)
        for i in chosen:
            self._unchanged("joint_feature", i)
        self.n_weights = problem.n_weights
        scales = [0.0, *10.0 ** random.uniform(-2, 2, size=n_vectors)]
        vectors = [scale * random.normal(size=problem.n_weights) for scale in scales]
        vectors += self._like_in_training(chosen, vectors[0])
        self.vectors = [_locked(problem.project(w)) for w in vectors]
        methods = ["inference", *_ORACLES[: 1 + model.has_slack_oracle()]]
        for k, i in enumerate(chosen):
            self._check_example(i, methods, asked_twice=k < _ASKED_TWICE)
        self._check_batches(chosen)
        self._check_score(chosen)

    # ---- copies

    def _copied(self, model: StructuredModel) -> StructuredModel:
        try:
            result: StructuredModel = clone(model)
        except Exception as error:
            raise ModelCheckError(
                f"sklearn.base.clone fails on {self.name}: __init__ must store each parameter "
                f"under its own name, and nothing else ({error})"
            ) from error
        for name in ("exact", "non_negative"):
            if name in vars(model) and name not in vars(result):
                raise ModelCheckError(
                    f"{name} is set on an instance of {self.name}, and its clones do not have it: "
                    "set it in the class or in __init__"
                )
        self._pickled(model)
        return result

    def _pickled(self, model: StructuredModel) -> None:
        try:
            cloudpickle.dumps(model)
        except Exception as error:
            raise ModelCheckError(
                f"{self.name} cannot be pickled, so it cannot be kept or sent to workers: {error}"
            ) from error

    def _asked_anew(self, method: str, i: int, *args: Any) -> Any:
        """What a copy answers that was asked about nothing but this example."""
        try:
            return getattr(self.fresh, method)(*args)
        except Exception as error:
            raise ModelCheckError(
                f"{method} fails for X[{i}] in a pickled copy of {self.name}, and not in the model "
                f"itself: {type(error).__name__}: {error}"
            ) from error

    # ---- calls

    def _ask(self, method: str, i: int, *args: Any) -> Any:
        try:
            answer = getattr(self.model, method)(*args)
        except Exception as error:
            if isinstance(error, ValueError) and "read-only" in str(error):
                raise ModelCheckError(
                    f"{method} of {self.name} changes w in place, on X[{i}]: work on a copy"
                ) from error
            note_example(error, method, i)
            raise
        self._unchanged(method, i)
        return answer

    def _answer(self, method: str, i: int, w: NDArray[np.float64]) -> Any:
        args = (self.X[i], w) if method == "inference" else (self.X[i], self.y[i], w)
        answer = self._ask(method, i, *args)
        if answer is None and self.y[i] is not None:
            raise ModelCheckError(
                f"{method} of {self.name} returned None for X[{i}]: is a return missing?"
            )
        self._as_check_error(check_output, method, i, self.y[i], answer)
        return answer

    @staticmethod
    def _as_check_error(check: Callable[..., Any], *args: Any) -> Any:
        try:
            return check(*args)
        except ValueError as error:
            raise ModelCheckError(str(error)) from error

    def _loss(self, i: int, y_hat: Any) -> float:
        loss = self._as_check_error(loss_number, i, self._ask("loss", i, self.y[i], y_hat))
        try:
            return self.check_loss(i, loss)
        except ValueError as error:
            raise ModelCheckError(
                f"loss(y[{i}], y_hat) is {loss} for y_hat = {_shown(y_hat)}, expected >= 0"
            ) from error

    def _psi(self, i: int, y_hat: Any) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        psi = self._ask("joint_feature", i, self.X[i], y_hat)
        return self._vector(i, psi)

    def _vector(self, i: int, psi: Any) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        where = f"joint_feature(X[{i}], y_hat)"
        indices, values = self._as_check_error(sparse_vector, psi, self.n_weights, where)
        return indices.copy(), values.copy()  # a model may return the same buffers at each call

    # ---- what must not change

    def _unchanged(self, method: str, i: int) -> None:
        for name, column, kept in zip("Xy", (self.X, self.y), self.kept[i], strict=True):
            if kept.differs(column[i]):
                self._blame_change(method, f"{name}[{i}]")

    def _blame_change(self, method: str, what: str) -> NoReturn:
        raise ModelCheckError(
            f"a method of {self.name} changed X or y in place: work on a copy. It is {method}, and "
            f"what changed is {what}"
        )

    def _blame_memory(self, method: str, i: int, before: Any, now: Any) -> NoReturn:
        raise ModelCheckError(
            f"{method} of {self.name} answers differently when it is asked again for X[{i}]: "
            f"{before} and then {now}. An answer may depend neither on earlier calls nor on chance"
        )

    # ---- one example

    def _check_example(self, i: int, methods: list[str], *, asked_twice: bool) -> None:
        truth = _Seen("the truth", self.y[i])
        self._check_truth(i)
        seen = [truth]
        answers: dict[str, list[int]] = {method: [] for method in methods}
        for w in self.vectors:
            for method in methods:
                answers[method].append(len(seen))
                source = "an output of " + ("inference" if method == "inference" else "the oracle")
                seen.append(_Seen(source, self._answer(method, i, w)))
        for one in seen[1:]:
            if one.kept.differs(one.output):
                raise ModelCheckError(
                    f"an output for X[{i}] changed when {self.name} was asked again: return a new "
                    "object each time"
                )
        distinct: dict[int, _Seen] = {}
        for one in seen:
            distinct.setdefault(one.kept.digest or id(one), one)
        for one in distinct.values():
            one.loss = self._loss(i, one.output)
            self._output_unchanged("loss", i, one)
            one.psi = self._psi(i, one.output)
            self._output_unchanged("joint_feature", i, one)
        for one in seen:
            like = distinct[one.kept.digest or id(one)]
            one.loss, one.psi = like.loss, like.psi
        self.fresh = self._make_fresh()
        for one in reversed(list(distinct.values())):
            self._check_memory(i, one)
        if not self.model.exact:
            return
        table = _Values(seen, self.vectors)
        for method in methods if asked_twice else ():
            for k in reversed(range(len(self.vectors))):
                self._check_again(i, method, table, k, answers[method][k])
        for method in methods:
            self._check_best(i, method, table, answers[method])

    def _check_truth(self, i: int) -> None:
        truth = self.y[i]
        if (loss := self._loss(i, truth)) > _ROUNDING * self.check_loss.greatest:
            raise ModelCheckError(
                f"loss(y[{i}], y[{i}]) is {loss}, expected 0 for the truth: a loss says how wrong "
                "an output is, not how alike two are"
            )
        twin = self.kept[i][1].copy
        if twin is None or twin is truth or not _compares(truth):
            return
        if (loss := self._loss(i, copy.deepcopy(twin))) > _ROUNDING * self.check_loss.greatest:
            raise ModelCheckError(
                f"loss(y[{i}], y_hat) is {loss} for a copy of y[{i}], expected 0: compare what "
                "outputs hold, not whether they are one object"
            )

    def _output_unchanged(self, method: str, i: int, one: _Seen) -> None:
        if one.kept.differs(one.output):
            raise ModelCheckError(
                f"{method} of {self.name} changes y_hat in place, on X[{i}]: work on a copy"
            )

    def _check_memory(self, i: int, one: _Seen) -> None:
        """Loss and joint feature are those that a copy gives, asked in another order."""
        loss = self._as_check_error(
            loss_number, i, self._asked_anew("loss", i, self.y[i], one.output)
        )
        if abs(max(loss, 0.0) - one.loss) > _ROUNDING * self.check_loss.greatest:
            self._blame_memory("loss", i, f"{one.loss:.6g}", f"{loss:.6g}")
        for psi in (
            self._psi(i, one.output),
            self._vector(i, self._asked_anew("joint_feature", i, self.X[i], one.output)),
        ):
            if np.array_equal(psi[0], one.psi[0]) and np.array_equal(psi[1], one.psi[1]):
                continue
            now, before = _row(psi, self.n_weights), _row(one.psi, self.n_weights)
            change = (now - before).tocoo()
            size = float(np.abs(one.psi[1]).max(initial=0.0))
            large = np.flatnonzero(np.abs(change.data) > _ROUNDING * (1.0 + size))
            if large.size:
                j = int(change.coords[-1][large[0]])
                entry = f"entry {j} is "
                values = (f"{entry}{row.toarray()[0, j]:.6g}" for row in (before, now))
                self._blame_memory("joint_feature", i, *values)

    def _check_best(self, i: int, method: str, table: _Values, answers: list[int]) -> None:
        """Each answer reaches the value of every output seen for this x."""
        values, rounding = table.of(method)
        places = np.arange(len(answers))
        reached = values[answers, places]
        misses = values - reached > rounding + rounding[answers, places]
        if not misses.any():
            return
        k = int(np.argmax(misses.any(axis=0)))
        best = int(np.argmax(np.where(misses[:, k], values[:, k], -np.inf)))
        answer, other = table.seen[answers[k]], table.seen[best]
        what = _OBJECTIVES[method]
        raise ModelCheckError(
            f"{method} of {self.name} misses the maximum on X[{i}]: it returns "
            f"{_shown(answer.output)} with {what} = {reached[k]:.6g}, but {other.source}, "
            f"{_shown(other.output)}, has {values[best, k]:.6g}. {table.guess(method, answers)}"
            "Correct it, or declare the model exact = False"
        )

    def _check_again(self, i: int, method: str, table: _Values, k: int, answer: int) -> None:
        """The value of the answer is the same in a copy, asked in another order."""
        w = self.vectors[k]
        args = (self.X[i], w) if method == "inference" else (self.X[i], self.y[i], w)
        again = _Seen("", self._asked_anew(method, i, *args))
        again.loss, again.psi = self._loss(i, again.output), self._psi(i, again.output)
        values, rounding = _Values([table.seen[0], table.seen[answer], again], [w]).of(method)
        if abs(values[1, 0] - values[2, 0]) > rounding[1, 0] + rounding[2, 0]:
            what = f"{_OBJECTIVES[method]} is "
            self._blame_memory(method, i, f"{what}{values[1, 0]:.6g}", f"{what}{values[2, 0]:.6g}")

    # ---- all examples

    def _like_in_training(
        self, chosen: Sequence[int], zero: NDArray[np.float64]
    ) -> list[NDArray[np.float64]]:
        """Weights along the first step of a fit, of several lengths."""
        step = np.zeros(self.n_weights)
        for i in chosen:
            for y_hat, sign in ((self.y[i], 1.0), (None, -1.0)):
                if y_hat is None:
                    y_hat = self._answer("loss_augmented_inference", i, _locked(zero))
                indices, values = self._psi(i, y_hat)
                np.add.at(step, indices, sign * values)
        length = math.sqrt(dot(step, step))
        return [scale / length * step for scale in (0.1, 1.0, 10.0)] if length > 0 else []

    def _check_batches(self, chosen: Sequence[int]) -> None:
        w = self.vectors[-1]
        for name in ("inference", *_ORACLES[: 1 + self.model.has_slack_oracle()]):
            batch = f"batch_{name}"
            if hasattr(getattr(self.model, batch), "stands_for"):
                continue
            # As workers call it: with some of the examples, in any order.
            for some in (list(chosen), list(chosen)[::-1], list(chosen)[:1]):
                columns = [[self.X[i] for i in some], [self.y[i] for i in some]]
                outputs = self._batch(batch, some, columns[: 1 if name == "inference" else 2], w)
                for i, output in zip(some, outputs, strict=True):
                    self._check_same_value(batch, name, i, output, w)

    def _batch(self, name: str, some: list[int], columns: list[Any], w: Any) -> Any:
        try:
            outputs = getattr(self.model, name)(*columns, w)
        except Exception as error:
            note_example(error, name, some[0], some[-1])
            raise
        for i in some:
            self._unchanged(name, i)
        if not hasattr(outputs, "__len__") or isinstance(outputs, (str, bytes, dict, set)):
            raise ModelCheckError(
                f"{name} returned {brief(outputs)}, expected a list with one output for each input"
            )
        if len(outputs) != len(some):
            raise ModelCheckError(f"{name} returned {len(outputs)} outputs for {len(some)} inputs")
        return outputs

    def _check_same_value(self, batch: str, name: str, i: int, output: Any, w: Any) -> None:
        self._as_check_error(check_output, batch, i, self.y[i], output)
        both = [_Seen("", self.y[i]), _Seen("", output), _Seen("", self._answer(name, i, w))]
        for one in both:
            one.loss, one.psi = self._loss(i, one.output), self._psi(i, one.output)
        values, rounding = _Values(both, [w]).of(name)
        if abs(values[1, 0] - values[2, 0]) > rounding[1, 0] + rounding[2, 0]:
            raise ModelCheckError(
                f"{batch} and its single version disagree on X[{i}]: {_shown(output)} has value "
                f"{values[1, 0]:.6g}, {_shown(both[2].output)} has {values[2, 0]:.6g}"
            )

    def _check_score(self, chosen: Sequence[int]) -> None:
        truths = [self.y[i] for i in chosen]
        guesses = [self._answer("inference", i, self.vectors[-1]) for i in chosen]
        with warnings.catch_warnings():  # the user has been warned already
            warnings.filterwarnings("ignore", r"loss\(y\[", RuntimeWarning)
            score = self.model.score(truths, guesses)
        try:
            known = not math.isnan(float(score))
        except (TypeError, ValueError):
            known = False
        if not known:
            raise ModelCheckError(
                f"score of {self.name} returned {brief(score)}, expected a number"
            )
        for i in chosen:
            self._unchanged("score", i)


class _Values:
    """What outputs seen for one x are worth at several weights, and the rounding of that."""

    def __init__(self, seen: list[_Seen], vectors: list[NDArray[np.float64]]) -> None:
        self.seen = seen
        self.losses = np.array([one.loss for one in seen])[:, None]
        self.scores = np.zeros((len(seen), len(vectors)))
        self.sizes = np.zeros_like(self.scores)
        for a, one in enumerate(seen):
            indices, values = one.psi
            for k, w in enumerate(vectors):
                self.scores[a, k] = dot(values, w[indices])
                self.sizes[a, k] = dot(np.abs(values), np.abs(w[indices]))

    def of(self, method: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The objective of a method, by output and weights; the first output is the truth."""
        if method == "inference":
            return self.scores, _ROUNDING * self.sizes
        if method == "loss_augmented_inference":
            return self.losses + self.scores, _ROUNDING * (self.losses + self.sizes)
        sizes = self.losses * (1.0 + self.sizes + self.sizes[0])
        return self.losses * (1.0 + self.scores - self.scores[0]), _ROUNDING * sizes

    def guess(self, method: str, answers: list[int]) -> str:
        """What an answer may be that is no maximum, if all answers agree on it."""
        places = np.arange(len(answers))
        values, rounding = self.of(method)
        other = [
            ("is the loss left out?", self.scores),
            ("is the loss subtracted?", self.scores - self.losses),
            ("is it a minimum?", -values),
            ("is <w, psi> subtracted?", self.losses - self.scores),
        ]
        for question, table in other if method != "inference" else other[2:3]:
            if (table - table[answers, places] <= rounding + rounding[answers, places]).all():
                return question.capitalize() + " "
        return ""


# ---- objects before and after


class _Kept:
    """A copy of an object, to compare it with later; what cannot be copied is not compared."""

    def __init__(self, value: Any) -> None:
        self.digest = _hash(value)
        try:
            self.copy = copy.deepcopy(value)
        except Exception:
            self.copy = None

    def differs(self, value: Any) -> bool:
        digest = _hash(value)
        if digest is not None and digest == self.digest:
            return False
        # What an object merely caches about itself is no change.
        return self.copy is not None and not _same(self.copy, value, set())


def _hash(value: Any) -> int | None:
    try:
        return hash(pickle.dumps(value, protocol=5))
    except Exception:  # what cannot be pickled
        return None


def _same(before: Any, now: Any, compared: set[tuple[int, int]]) -> bool:
    """Whether two objects hold the same; `now` may have gained attributes."""
    if before is now or (id(before), id(now)) in compared:
        return True
    if type(before) is not type(now):
        return False
    compared.add((id(before), id(now)))
    if isinstance(before, np.ndarray):
        if before.shape != now.shape or before.dtype != now.dtype:
            return False
        if before.dtype.hasobject:
            return _same(before.tolist(), now.tolist(), compared)
        return bool(before.tobytes() == now.tobytes())
    if isinstance(before, dict):
        return before.keys() == now.keys() and all(
            _same(value, now[key], compared) for key, value in before.items()
        )
    if isinstance(before, (list, tuple)):
        return len(before) == len(now) and all(
            _same(*pair, compared) for pair in zip(before, now, strict=True)
        )
    if hasattr(before, "equals"):  # a frame
        return bool(before.equals(now))
    if hasattr(before, "__dict__"):
        return all(
            name in vars(now) and _same(value, vars(now)[name], compared)
            for name, value in vars(before).items()
        )
    if not _compares(before):
        return True  # it does not tell
    try:
        return bool(before == now or before != before)
    except Exception:
        return True


def _compares(value: Any) -> bool:
    """Whether == looks at what such an object holds."""
    return any("__eq__" in vars(base) for base in type(value).__mro__[:-1])


def _locked(w: NDArray[np.float64]) -> NDArray[np.float64]:
    w.flags.writeable = False
    return w


def _row(psi: tuple[NDArray[np.int32], NDArray[np.float64]], size: int) -> sp.csr_array:
    indices, values = psi
    return sp.coo_array((values, (np.zeros_like(indices), indices)), shape=(1, size)).tocsr()


def _shown(value: Any) -> str:
    """An output for a message, on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 200 else text[:200] + "..."
