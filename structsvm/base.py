"""StructuredModel: what a structure of your own consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.data.scaling import ColumnScaling
from structsvm.data.sequences import as_items, check_pairs
from structsvm.data.state import State
from structsvm.problems import Problem
from structsvm.problems._python import PythonProblem
from structsvm.problems.python_methods import (
    LossCheck,
    number_of_weights,
    one_by_one,
    sparse_vector,
    stands_for,
    task_loss,
)

__all__ = ["StructuredModel"]

_REQUIRED = ("joint_feature", "loss", "loss_augmented_inference", "inference")

# Two scores closer than this, relative to their terms, are equal up to rounding.
_SAME_SCORE = 1e-12

# Losses up to this are those of outputs that agree with what is known.
_ROUNDING = 1e-9

# Means something else in other libraries, so that hiding it may be what is wanted.
_MAY_BE_HIDDEN = ("score",)


class StructuredModel(BaseEstimator):  # type: ignore[misc]
    r"""Base class of structured outputs written in Python.

    A model says what an output is through four methods; everything else (training to a certified
    duality gap, prediction, grid search) follows from them. Outputs y may be any Python objects.

    A model has

    joint_feature(x, y)
        psi(x, y): array of shape (n_weights,), or a pair (indices, values), or a scipy sparse row.
    loss(y, y_hat)
        Delta(y, y_hat): finite, >= 0, and 0 where y_hat is y.
    loss_augmented_inference(x, y, w)
        The y_hat that maximises Delta(y, y_hat) + <w, psi(x, y_hat)>.
    inference(x, w)
        The y_hat that maximises <w, psi(x, y_hat)>.

    where `w` is a read-only view of the current weights, valid during the call; copy it to keep it.

    and may have

    initialize(X, y)
        Called once before training: learn sizes from the data. Set ``n_weights`` here where
        `joint_feature` does not return a full array.
    slack_rescaled_inference(x, y, w)
        The y_hat that maximises Delta(y, y_hat) * (1 + <w, psi(x, y_hat) - psi(x, y)>): what
        ``rescaling="slack"`` needs.
    tied_weights()
        Which weights are one weight.
    batch_inference(X, w), batch_loss_augmented_inference(X, Y, w)
        Many examples at once, as lists; loops over the single versions by default. Likewise
        ``batch_slack_rescaled_inference(X, Y, w)``. A method that also takes the keyword
        ``n_jobs`` is called once for a prediction and distributes the work itself.
    score(Y, Y_hat)
        Higher is better; minus the mean loss by default.
    complete(x, y, w)
        The best output of those that agree with y, of which something is hidden: what `LatentSVM`
        needs. Then `inference`, `joint_feature` and the loss-augmented output are of complete
        outputs, and the loss may not depend on what is hidden in the truth.
        ``batch_complete(X, Y, w)`` is for many. Where the loss takes partial truths, training
        checks that completions have none.
    first_completion(x, y, random_state)
        An output that agrees with y, to begin with. By default those that are best at weights of
        zero, and at random weights in further starts.

    Attributes
    ----------
    exact : bool, default=True
        Set it to False where `loss_augmented_inference` may miss the maximum: the duality gap is
        then an estimate, and the estimator says so. Where it is True, training compares the
        oracle's answers with predictions, see `StructSVM`.
    non_negative : slice or array of int, default=None
        Weights that training must keep >= 0, as a slice with start and stop or as indices: what
        some inference needs to be exact. The objective is then minimised, and certified, over those
        weights.

    Examples
    --------
    Multiclass classification as a structured model:

    >>> import numpy as np
    >>> from structsvm import StructSVM, StructuredModel
    >>> class Multiclass(StructuredModel):
    ...     def __init__(self, n_classes=2):
    ...         self.n_classes = n_classes
    ...     def joint_feature(self, x, y):
    ...         psi = np.zeros((self.n_classes, len(x)))
    ...         psi[y] = x
    ...         return psi.ravel()
    ...     def loss(self, y, y_hat):
    ...         return float(y != y_hat)
    ...     def scores(self, x, w):
    ...         return w.reshape(self.n_classes, -1) @ x
    ...     def loss_augmented_inference(self, x, y, w):
    ...         return int(np.argmax(self.scores(x, w) + (np.arange(self.n_classes) != y)))
    ...     def inference(self, x, w):
    ...         return int(np.argmax(self.scores(x, w)))
    >>> X = [np.array([1.0, 0.0]), np.array([0.0, 1.0])]
    >>> svm = StructSVM(Multiclass()).fit(X, [0, 1])
    >>> svm.predict(X)
    [0, 1]
    """

    exact: bool = True
    non_negative: slice | NDArray[np.integer[Any]] | None = None

    def joint_feature(self, x: Any, y: Any) -> Any:
        """psi(x, y); the score of y is <w, psi(x, y)>.

        Parameters
        ----------
        x : object
            An input.
        y : object
            An output.

        Returns
        -------
        psi : ndarray of shape (n_weights,), or pair (indices, values)
            A sparse vector may be given by int indices, each at most once, and their values.
        """
        raise _missing(self, "joint_feature")

    def loss(self, y: Any, y_hat: Any) -> float:
        """Delta(y, y_hat), the task loss.

        Parameters
        ----------
        y : object
            The truth.
        y_hat : object
            Another output.

        Returns
        -------
        loss : float
            At least 0; 0 for y itself.
        """
        raise _missing(self, "loss")

    def loss_augmented_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        """The y_hat that maximises Delta(y, y_hat) + <w, psi(x, y_hat)>.

        Parameters
        ----------
        x : object
            An input.
        y : object
            Its true output.
        w : ndarray of shape (n_weights,)

        Returns
        -------
        y_hat : object
        """
        raise _missing(self, "loss_augmented_inference")

    def inference(self, x: Any, w: NDArray[np.float64]) -> Any:
        """The y_hat that maximises <w, psi(x, y_hat)>.

        Parameters
        ----------
        x : object
            An input.
        w : ndarray of shape (n_weights,)

        Returns
        -------
        y_hat : object
        """
        raise _missing(self, "inference")

    def slack_rescaled_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        """The y_hat that maximises Delta(y, y_hat) * (1 + <w, psi(x, y_hat) - psi(x, y)>).

        Parameters
        ----------
        x : object
            An input.
        y : object
            Its true output.
        w : ndarray of shape (n_weights,)

        Returns
        -------
        y_hat : object
        """
        raise _missing(self, "slack_rescaled_inference")

    def has_slack_oracle(self) -> bool:
        """Whether `slack_rescaled_inference` is implemented."""
        own = type(self).slack_rescaled_inference
        return own is not StructuredModel.slack_rescaled_inference

    def initialize(self, X: Sequence[Any], y: Sequence[Any]) -> None:
        """Learn sizes from the data. The default learns nothing.

        Parameters
        ----------
        X, y : as `prepare_examples` gave them
        """

    def prepare_examples(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, **weights: Any
    ) -> tuple[Any, Any]:
        """Check X and y and return them in the form that the other methods take.

        Estimators call this once in a fit and once in a prediction. The default makes lists.
        Models that pack raw data do it here.

        Parameters
        ----------
        X, y : sequences of equal length
            Without y, X holds inputs to predict.
        sample_weight, **weights
            For models whose `initialize` or ``bind`` uses them. The default ignores them.

        Returns
        -------
        X, y : pair
            y is None if none was given.
        """
        return (as_items("X", X), None) if y is None else check_pairs(X, y)

    def _screened(self, y: Any, *, whole: bool = False, held_out: bool = False) -> Any:
        """Outputs that replace y in training or scoring; None keeps y."""
        return None

    # ---- outputs of which something is hidden

    #: Whether `bind` takes outputs with void labels, which say nothing.
    takes_void: bool = False

    def complete(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        """The best output, by <w, psi(x, y_hat)>, of those that agree with y.

        Parameters
        ----------
        x : object
            An input.
        y : object
            An output of which something is hidden.
        w : ndarray of shape (n_weights,)

        Returns
        -------
        y_hat : object
        """
        raise _missing(self, "complete")

    @stands_for("complete")
    def batch_complete(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64]
    ) -> list[Any]:
        """``complete`` for each pair of x and y.

        Parameters
        ----------
        X, Y : sequences of equal length
            Inputs, and outputs of which something is hidden.
        w : ndarray of shape (n_weights,)

        Returns
        -------
        outputs : list
        """
        return one_by_one(lambda x, y: self.complete(x, y, w), "complete", X, Y)

    def first_completion(self, x: Any, y: Any, random_state: np.random.RandomState) -> Any:
        """An output that agrees with y, to begin with.

        Parameters
        ----------
        x : object
            An input.
        y : object
            An output of which something is hidden.
        random_state : RandomState

        Returns
        -------
        y_hat : object
        """
        raise _missing(self, "first_completion")

    def first_completed(self, X: Any, y: Any, random_state: np.random.RandomState) -> Any:
        """Outputs to begin with, as `bind` takes them; None leaves them to the weights.

        Parameters
        ----------
        X, y : as `prepare_examples` gave them
        random_state : RandomState

        Returns
        -------
        outputs : list or None
        """
        if type(self).first_completion is StructuredModel.first_completion:
            return None
        first = self.first_completion
        return one_by_one(lambda x, y: first(x, y, random_state), "first_completion", X, y)

    def completed(self, X: Any, y: Any, w: NDArray[np.float64], before: Any = None) -> Any:
        """Completed outputs, as `bind` takes them; those of `before` stay unless there are better.

        X and y as `prepare_examples` gave them.

        Parameters
        ----------
        X, y : as `prepare_examples` gave them
        w : ndarray of shape (n_weights,)
        before : sequence, default=None
            The completed outputs of an earlier call.

        Returns
        -------
        outputs : sequence
        """
        kind, plain = type(self), StructuredModel
        if kind.complete is plain.complete and kind.batch_complete is plain.batch_complete:
            raise _missing(self, "complete")
        found = list(self.batch_complete(X, y, w))
        if len(found) != len(X):
            raise ValueError(
                f"{kind.__name__}.batch_complete returned {len(found)} outputs for {len(X)} "
                "examples, expected one each"
            )
        for i, (partial, output) in enumerate(zip(y, found, strict=True)):
            if not (loss := self._loss_of_known(partial, output)) <= _ROUNDING:
                raise ValueError(
                    f"complete of {kind.__name__} returned an output for example {i} whose loss "
                    f"for y[{i}] is {loss:g}, expected 0: it may change nothing that is "
                    "known, and the loss may not depend on what is hidden in the truth"
                )
        if before is None:
            return found

        def better(x: Any, old: Any, new: Any) -> Any:
            values = []
            for output in (old, new):
                psi = self.joint_feature(x, output)
                indices, entries = sparse_vector(psi, len(w), "joint_feature(x, y)")
                terms = entries * w[indices]
                values += [float(terms.sum()), float(np.abs(terms).sum())]
            known, size, value, new_size = values
            return new if value > known + _SAME_SCORE * (size + new_size) else old

        return one_by_one(better, "complete", X, before, found)

    def _loss_of_known(self, partial: Any, output: Any) -> float:
        """The loss of a completed output for the partial one; 0 where this cannot be said."""
        try:
            return float(self.loss(partial, output))
        except Exception:  # a loss of complete outputs alone
            return 0.0

    def loss_of_completion(self, a: Any, b: Any, i: int) -> float:
        """The loss of completed output i of b for that of a, which has to be 0.

        Parameters
        ----------
        a, b : sequences
            What `completed` returned in two calls.
        i : int
            The number of an example.

        Returns
        -------
        loss : float
        """
        return float(self.loss(a[i], b[i]))

    def differing(self, a: Any, b: Any) -> NDArray[np.intp]:
        """The numbers of the examples whose completed outputs are not the same.

        Parameters
        ----------
        a, b : sequences
            What `completed` returned in two calls.

        Returns
        -------
        examples : ndarray of int
        """
        pairs = zip(a, b, strict=True)
        return np.flatnonzero([one is not other for one, other in pairs])

    # ---- features on one scale, for training

    def learn_scaling(self, X: Any, y: Any, *, scale: bool = True) -> dict[str, ColumnScaling]:
        """How the columns of features are scaled in training, by block of the weights.

        Nothing by default: psi of a model written in Python is trained on as it is.

        Parameters
        ----------
        X, y : as `prepare_examples` gave them
        scale : bool, default=True
            False: columns stay as they are, and only their mean squares are learnt.
        """
        return {}

    def scaled(self, X: Any, scaling: Mapping[str, ColumnScaling]) -> Any:
        """The inputs with scaled columns; X itself where nothing changes.

        Parameters
        ----------
        X : as `prepare_examples` gave it
        scaling : mapping of str to ColumnScaling
            What `learn_scaling` returned.

        Returns
        -------
        X : as `bind` takes it
        """
        return X

    def in_user_units(
        self,
        w: NDArray[np.float64],
        scaling: Mapping[str, ColumnScaling],
        *,
        back: bool = False,
    ) -> NDArray[np.float64]:
        """Weights that score the inputs as `w` scores the scaled ones, or `back` from these to
        those; `w` itself where nothing changes.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)
        scaling : mapping of str to ColumnScaling
            What `learn_scaling` returned.
        back : bool, default=False
            From the units of the inputs to those of the scaled ones.

        Returns
        -------
        w : ndarray of shape (n_weights,)
        """
        return w

    def penalty_unit(self, y: Any, scaling: Mapping[str, ColumnScaling]) -> float | None:
        """What a wrong part costs, over half the squared norm of what it changes in psi.

        C in this unit means the same whatever the scale of features and loss, their number, and the
        size of outputs. None, the default: only answers of the oracle can tell.

        Parameters
        ----------
        y : as `prepare_examples` gave it
        scaling : mapping of str to ColumnScaling
            What `learn_scaling` returned.

        Returns
        -------
        unit : float or None
        """
        return None

    def tied_weights(self) -> tuple[NDArray[np.int32], NDArray[np.float64]] | None:
        """Weights that are one weight, or None, the default, where each is its own.

        Training then minimises over the weights that are left, and its norm counts each once.

        Returns
        -------
        targets : int32 ndarray of shape (n_weights,)
            The weight that each weight goes with; those are their own.
        factors : float64 ndarray of shape (n_weights,)
            What it is times that one: 1, -1, or 0 for a weight that stays 0.
        """
        return None

    def constant_loss(self, y: Any) -> float | None:
        """The least mean loss, or hinge, of outputs y that have one label everywhere.

        None where outputs have no labels, or the truth has only one: then nobody asks whether all
        predictions are one label.

        Parameters
        ----------
        y : as `prepare_examples` gave it

        Returns
        -------
        loss : float or None
        """
        return None

    def _oddity(self) -> str | None:
        """A warning about the data that the model was sized from, or None."""
        return None

    def to_state(self) -> State:
        """What the model learned besides the weights, as integers and arrays, for a model file.

        Only models that are saved to such files need this and `from_state`.
        """
        raise _missing(self, "to_state")

    def from_state(self, state: State) -> Self:
        """Restore what `to_state` gave for a model with the same parameters; returns self.

        It must set `n_weights`. Files may be forged: a state that `to_state` cannot have made must
        raise an error.

        Parameters
        ----------
        state : dict of str to int or ndarray
            What `to_state` returned, or what a file says it did.

        Returns
        -------
        self
        """
        raise _missing(self, "from_state")

    def n_table_entries(self, state: State) -> int:
        """Count of numbers that `from_state` or a prediction allocates beyond the state and the
        weights. A file that is too small to justify it is refused.

        Parameters
        ----------
        state : dict of str to int or ndarray
            As for `from_state`.

        Returns
        -------
        n : int
        """
        return 0

    def constrained_inference(
        self, X: Any, w: NDArray[np.float64], constraints: Sequence[Any]
    ) -> list[Any]:
        """The best outputs of prepared inputs that satisfy constraints, of each input its own.

        Parameters
        ----------
        X : what `prepare_examples` returns
        w : ndarray of shape (n_weights,)
        constraints : sequence of length n_examples
            As for `StructSVM.predict`, or None.

        Returns
        -------
        outputs : list

        Raises
        ------
        ValueError
            If the model takes none, or they have no solution.
        """
        raise ValueError(
            f"{type(self).__name__} takes no constraints at prediction: models of graphs, of "
            "typed graphs and of images do"
        )

    @stands_for("inference")
    def batch_inference(self, X: Sequence[Any], w: NDArray[np.float64]) -> list[Any]:
        """``inference`` for each x.

        Parameters
        ----------
        X : sequence
            Inputs.
        w : ndarray of shape (n_weights,)

        Returns
        -------
        outputs : list
        """
        return one_by_one(lambda x: self.inference(x, w), "inference", X)

    @stands_for("loss_augmented_inference")
    def batch_loss_augmented_inference(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64]
    ) -> list[Any]:
        """``loss_augmented_inference`` for each pair of x and y.

        Parameters
        ----------
        X, Y : sequences of equal length
            Inputs and their true outputs.
        w : ndarray of shape (n_weights,)

        Returns
        -------
        outputs : list
        """
        oracle = self.loss_augmented_inference
        return one_by_one(lambda x, y: oracle(x, y, w), "the oracle", X, Y)

    @stands_for("slack_rescaled_inference")
    def batch_slack_rescaled_inference(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64]
    ) -> list[Any]:
        """``slack_rescaled_inference`` for each pair of x and y.

        Parameters
        ----------
        X, Y : sequences of equal length
            Inputs and their true outputs.
        w : ndarray of shape (n_weights,)

        Returns
        -------
        outputs : list
        """
        oracle = self.slack_rescaled_inference
        return one_by_one(lambda x, y: oracle(x, y, w), "the oracle", X, Y)

    def batch_best_score(self, X: Sequence[Any], w: NDArray[np.float64]) -> NDArray[np.float64]:
        """<w, psi(x, y_hat)> of the predicted y_hat, for each x.

        Parameters
        ----------
        X : as `prepare_examples` gave it
        w : ndarray of shape (n_weights,)

        Returns
        -------
        scores : ndarray of shape (n_examples,)
        """
        scores: NDArray[np.float64] = self.bind(X).predict(w)[1]
        return scores

    def outputs_of(self, X: Any, answers: Any) -> list[Any]:
        """The answers of ``bind(X).predict`` in the user's form; X is prepared.

        Parameters
        ----------
        X : as `prepare_examples` gave it
        answers : object
            Of the problem.

        Returns
        -------
        outputs : list of length n_examples
        """
        outputs: list[Any] = answers
        return outputs

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Minus the mean loss.

        Parameters
        ----------
        Y, Y_hat : sequences of equal length
            True outputs and predictions.

        Returns
        -------
        score : float
        """

        def loss(i: int, y: Any, y_hat: Any) -> float:
            return task_loss(self, i, y, y_hat, "inference")

        losses = one_by_one(loss, "loss", range(len(Y)), Y, Y_hat)
        check = LossCheck(self, Y)
        return -float(np.mean(one_by_one(check, "loss", range(len(Y)), losses)))

    def bind(self, X: Sequence[Any], y: Sequence[Any] | None = None) -> Problem:
        """Bind the model to data: a Problem, which is all that a solver sees.

        Without y it only predicts.

        Parameters
        ----------
        X, y : as `prepare_examples` gave them
            y may be None.

        Returns
        -------
        problem : Problem

        Raises
        ------
        TypeError
            If one of the four methods is missing, or hidden by the order of the bases.
        ValueError
            If a joint feature has the wrong shape or is not finite.
        """
        n_weights = getattr(self, "n_weights", None)
        if y is None:
            return PythonProblem(self, X, None, n_weights)
        self._check_methods()
        if n_weights is None:
            where = "joint_feature(X[0], y[0])"
            n_weights = one_by_one(
                lambda x, y: number_of_weights(self.joint_feature(x, y), where),
                "joint_feature",
                [X[0]],
                [y[0]],
            )[0]
            if n_weights is None:
                raise ValueError(
                    f"joint_feature of {type(self).__name__} returns (indices, values), which does "
                    "not tell the number of weights: set self.n_weights in initialize(X, y)"
                )
        if isinstance(n_weights, bool) or not isinstance(n_weights, (int, np.integer)):
            raise ValueError(f"n_weights is {n_weights!r}, expected an integer")
        if not 0 < n_weights < 2**31:
            raise ValueError(f"n_weights is {n_weights}, expected 1 to 2**31 - 1")
        signs = self.non_negative
        return PythonProblem(self, X, y, int(n_weights), exact=self.exact, non_negative=signs)

    def questions(self, X: Sequence[Any], y: Sequence[Any]) -> Problem:
        """As `bind`, to ask for outputs at weights of an earlier fit: the model stays as it is.

        Parameters
        ----------
        X, y : as `prepare_examples` gave them

        Returns
        -------
        problem : Problem
        """
        return self.bind(X, y)

    def _check_methods(self) -> None:
        """Check that the four methods exist and StructuredModel hides none of another base."""
        kind, defaults = type(self), vars(StructuredModel)
        for other in kind.__mro__[kind.__mro__.index(StructuredModel) + 1 :]:
            hidden = [
                name
                for name in vars(other)
                if name in defaults
                and not name.startswith("_")
                and name not in _MAY_BE_HIDDEN
                and next(base for base in kind.__mro__ if name in vars(base)) is StructuredModel
            ]
            if hidden:
                raise TypeError(
                    f"{kind.__name__} has StructuredModel before {other.__name__} among its bases, "
                    f"which hides {', '.join(hidden)} of {other.__name__}: write "
                    f"class {kind.__name__}({other.__name__}, StructuredModel)"
                )
        lacking = [name for name in _REQUIRED if getattr(kind, name) is defaults[name]]
        if lacking:
            raise _missing(self, *lacking)


def _missing(model: StructuredModel, *names: str) -> TypeError:
    methods = ", ".join(f"{name}()" for name in names)
    told = ""
    if not set(names).isdisjoint(_REQUIRED):
        told = "; a StructuredModel needs " + ", ".join(_REQUIRED)
    return TypeError(f"{type(model).__name__} does not implement {methods}{told}")
