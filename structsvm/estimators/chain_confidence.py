"""How sure labels of chains are: probabilities that hold on sequences that were not trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from structsvm.data.sequences import as_items
from structsvm.data.state import State
from structsvm.estimators.calibration import Calibration
from structsvm.exceptions import LabelError, ModelFileError
from structsvm.metrics.reliability import Reliability, expected_calibration_error, reliability
from structsvm.models import ChainModel

__all__ = ["ChainCalibration", "ChainConfidenceMixin", "Confidence"]

_METHODS = ("sigmoid", "isotonic")

# Logarithms of factors of scores to choose from, and how close to come.
_FACTORS, _CLOSE = (-9.0, 9.0), 1e-3

# Log odds of probabilities that are 0 or 1 in floating point.
_LEAST = 1e-15


class Confidence(NamedTuple):
    """Probabilities that predictions are right."""

    tokens: list[NDArray[np.float64]]  #: for each sequence, of the label at each position
    sequences: NDArray[np.float64]  #: of all labels of a sequence together


class _Curve:
    """From probabilities to probabilities, rising."""

    def __init__(self) -> None:
        self.line: Calibration | None = None
        self.steps: NDArray[np.float64] | None = None

    def fit(
        self, probabilities: NDArray[np.float64], right: NDArray[np.bool_], method: str
    ) -> Self:
        if method == "sigmoid":
            self.line = Calibration().fit(_log_odds(probabilities), right.astype(np.intp))
            return self
        from sklearn.isotonic import IsotonicRegression

        rising = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        rising.fit(probabilities, right.astype(np.float64))
        self.steps = np.array([rising.X_thresholds_, rising.y_thresholds_], dtype=np.float64)
        return self

    def __call__(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.steps is not None:
            return np.interp(probabilities, *self.steps)
        assert self.line is not None
        result: NDArray[np.float64] = self.line.probabilities(_log_odds(probabilities))[..., 1]
        return result

    def to_state(self, name: str) -> State:
        if self.steps is not None:
            return {f"{name}_steps": self.steps}
        assert self.line is not None
        return {f"{name}_line": np.concatenate([self.line.slope, self.line.intercept])}

    @classmethod
    def from_state(cls, state: State, name: str) -> _Curve:
        curve = cls()
        steps, line = (state.get(f"{name}_{kind}") for kind in ("steps", "line"))
        for values, shapes in ((steps, 2), (line, 1)):
            if values is not None and (
                values.dtype != np.float64 or values.ndim != shapes or not np.isfinite(values).all()
            ):
                raise ModelFileError("a calibration holds other than finite numbers")
        if steps is not None:
            rises = steps.shape[0] == 2 and steps.shape[1] and (np.diff(steps) >= 0).all()
            if not rises or steps[1].min() < 0 or steps[1].max() > 1:
                raise ModelFileError("a calibration holds steps that do not rise from 0 to 1")
            curve.steps = steps
        elif line is not None and line.shape == (2,):
            curve.line = Calibration().from_state({"slope": line[:1], "intercept": line[1:]})
        else:
            raise ModelFileError(f"a calibration lacks what it learned of {name}")
        return curve


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(probabilities, _LEAST, 1.0 - _LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


class ChainCalibration:
    """What `ChainSVM.calibrate` learned.

    Attributes
    ----------
    sharpness : float
        The factor of scores whose exponentials are taken as probabilities.
    """

    sharpness: float

    def fit(
        self,
        sharpness: float,
        tokens: tuple[NDArray[np.float64], NDArray[np.bool_]],
        sequences: tuple[NDArray[np.float64], NDArray[np.bool_]],
        method: str,
    ) -> Self:
        """Learn from probabilities that scores give, and whether each prediction was right."""
        self.sharpness = sharpness
        self._tokens, self._sequences = (
            _Curve().fit(*pair, method) for pair in (tokens, sequences)
        )
        return self

    def of_tokens(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._tokens(probabilities)

    def of_sequences(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._sequences(probabilities)

    # ---- model files

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def to_state(self) -> State:
        sharpness = {"sharpness": np.array([self.sharpness])}
        return sharpness | self._tokens.to_state("tokens") | self._sequences.to_state("sequences")

    def from_state(self, state: State) -> Self:
        sharpness = state["sharpness"]
        if sharpness.shape != (1,) or sharpness.dtype != np.float64 or not 0 < sharpness[0] < 1e9:
            raise ModelFileError("a calibration holds no factor of scores")
        self.sharpness = float(sharpness[0])
        self._tokens, self._sequences = (
            _Curve.from_state(state, name) for name in ("tokens", "sequences")
        )
        return self


class ChainConfidenceMixin:
    """What `ChainSVM` and `SequenceTagger` tell about how sure they are."""

    model_: ChainModel
    coef_: NDArray[np.float64]
    calibration_: ChainCalibration
    _read: Callable[[Any], Any]
    predict: Callable[..., list[Any]]
    ignore_label: Any

    def calibrate(self, X_val: Any, y_val: Any, *, method: str = "sigmoid") -> Self:
        """Learn, on held-out sequences, what scores mean as probabilities.

        First the factor of scores at which labellings, with probabilities in proportion to the
        exponentials of their scores, have the greatest likelihood. Then, for positions and for
        sequences, a curve from the probability of a prediction to the share of those that are
        right. `fit` forgets it, `save` and pickle keep it.

        Parameters
        ----------
        X_val, y_val : sequences
            Examples that were not trained on, some hundreds at least. Void positions do not count,
            nor do sequences with them where sequences count.
        method : {"sigmoid", "isotonic"}, default="sigmoid"
            The curve: a sigmoid of log odds (Platt), or any that rises, by isotonic regression,
            which takes some thousands of predictions.

        Returns
        -------
        self

        References
        ----------
        C. Guo, G. Pleiss, Y. Sun, K. Weinberger (2017). On calibration of modern neural networks.
        ICML. https://proceedings.mlr.press/v70/guo17a.html
        B. Zadrozny, C. Elkan (2002). Transforming classifier scores into accurate multiclass
        probability estimates. KDD. doi:10.1145/775047.775151

        Examples
        --------
        >>> from structsvm import ChainSVM
        >>> from structsvm.datasets import make_digit_words
        >>> data = make_digit_words(random_state=0)
        >>> svm = ChainSVM(random_state=0).fit(data.X_train[:150], data.y_train[:150])
        >>> svm.calibrate(data.X_train[150:], data.y_train[150:]).calibration_error(
        ...     data.X_test, data.y_test
        ... ) < 0.05
        True
        """
        check_is_fitted(self)
        if method not in _METHODS:
            names = ", ".join(repr(name) for name in _METHODS)
            raise ValueError(f"method={method!r}: expected one of {names}")
        inputs = self._read(X_val)
        truths = as_items("y_val", y_val)
        whole = self._whole(inputs, truths)
        if not whole:
            raise ValueError(
                "no sequence of X_val has a label at each position, all known in training: there "
                "is nothing to calibrate on"
            )
        sharpness = self._sharpest(inputs, truths, whole)
        tokens, sequences = self._told(inputs, sharpness)
        right = _right(truths, self.predict(inputs), self.ignore_label)
        full = np.array([not (row < 0).any() for row in right], dtype=bool)
        flat, of_tokens = np.concatenate(right), np.concatenate(tokens)
        known = flat >= 0
        of_sequences = np.array([row.all() for row in right], dtype=bool)
        self.calibration_ = ChainCalibration().fit(
            sharpness,
            (of_tokens[known], flat[known] > 0),
            (sequences[full], of_sequences[full]),
            method,
        )
        return self

    def predict_proba(self, X: Any) -> list[NDArray[np.float64]]:
        """The probability of each label at each position, after `calibrate`.

        Parameters
        ----------
        X : list of sequences

        Returns
        -------
        probabilities : list of arrays of shape (length, n_classes)
            Rows sum to 1; the label of `predict` has the probability that `confidence` gives.
        """
        calibration, inputs = self._calibrated(), self._read(X)
        found, _ = self.model_.marginals(inputs, self.coef_, calibration.sharpness)
        for values, labels in zip(found, self.predict(inputs), strict=True):
            at, own = np.arange(len(values)), np.searchsorted(self.model_.classes_, labels)
            sure = calibration.of_tokens(values[at, own]) if len(values) else values[at, own]
            values[at, own] = 0.0
            others = values.sum(axis=1)
            n_others = values.shape[1] - 1
            if n_others:
                values /= np.where(others > 0.0, others, 1.0)[:, None]
                values[others == 0.0] = 1.0 / n_others
                values *= (1.0 - sure)[:, None]
            values[at, own] = sure if n_others else 1.0
        return found

    def confidence(self, X: Any) -> Confidence:
        """How probable it is that predictions are right, after `calibrate`.

        Parameters
        ----------
        X : list of sequences

        Returns
        -------
        tokens : list of arrays of shape (length,)
            For the label of each position.
        sequences : ndarray of shape (n_sequences,)
            For all labels of a sequence together.
        """
        calibration = self._calibrated()
        tokens, sequences = self._told(self._read(X), calibration.sharpness)
        return Confidence(
            [calibration.of_tokens(row) if len(row) else row for row in tokens],
            calibration.of_sequences(sequences),
        )

    def calibration_error(self, X: Any, y: Any, *, of: str = "tokens", n_bins: int = 15) -> float:
        """The expected calibration error of `confidence`; 0 is best.

        Parameters
        ----------
        X, y : sequences
        of : {"tokens", "sequences"}, default="tokens"
        n_bins : int, default=15
            See `structsvm.metrics.expected_calibration_error`.
        """
        return expected_calibration_error(*self._judged(X, y, of), n_bins=n_bins)

    def reliability(self, X: Any, y: Any, *, of: str = "tokens", n_bins: int = 15) -> Reliability:
        """How often predictions are right, by how sure `confidence` is of them.

        Parameters
        ----------
        X, y : sequences
            Examples that neither `fit` nor `calibrate` saw.
        of : {"tokens", "sequences"}, default="tokens"
        n_bins : int, default=15

        Returns
        -------
        confidence, share, size : ndarrays
            See `structsvm.metrics.reliability`; `structsvm.plotting.ReliabilityDisplay` draws it.
        """
        return reliability(*self._judged(X, y, of), n_bins=n_bins)

    def _judged(self, X: Any, y: Any, of: str) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Whether predictions are right, and their confidence."""
        if of not in ("tokens", "sequences"):
            raise ValueError(f"of={of!r}: expected 'tokens' or 'sequences'")
        inputs, truths = self._read(X), as_items("y", y)
        told = self.confidence(inputs)
        right = _right(truths, self.predict(inputs), self.ignore_label)
        if of == "tokens":
            flat = np.concatenate([*right, np.zeros(0)])
            known = flat >= 0
            return flat[known] > 0, np.concatenate([*told.tokens, np.zeros(0)])[known]
        full = np.array([not (row < 0).any() for row in right], dtype=bool)
        return np.array([row.all() for row in right], dtype=bool)[full], told.sequences[full]

    def _calibrated(self) -> ChainCalibration:
        check_is_fitted(self)
        if "calibration_" not in vars(self):
            raise AttributeError(
                "there are no probabilities yet: call calibrate(X_val, y_val) with examples that "
                "were not trained on"
            )
        return self.calibration_

    def _whole(self, inputs: Any, truths: list[Any]) -> list[int]:
        """The numbers of the sequences whose labels all have a score."""
        if len(truths) != len(inputs):
            raise ValueError(f"X_val has {len(inputs)} examples but y_val has {len(truths)}")
        found = []
        for i, row in enumerate(truths):
            if not len(row):
                continue
            try:
                outputs = self.model_.read_outputs([row], None)
                if outputs.void is None:
                    self.model_.label_numbers(outputs)
                    found.append(i)
            except LabelError:
                raise
            except ValueError:
                continue  # a label, or with order=2 a pair of labels, that training did not have
        return found

    def _sharpest(self, inputs: Any, truths: list[Any], whole: list[int]) -> float:
        """The factor of scores of the greatest likelihood."""
        from scipy.optimize import minimize_scalar

        packed = self.model_._packed(inputs).take(whole)
        labels = [truths[i] for i in whole]

        def cost(logarithm: float) -> float:
            values = self.model_.log_probabilities(
                packed, labels, self.coef_, float(np.exp(logarithm))
            )
            # Sequences that constraints forbid have the probability 0 at any factor.
            return -float(values[np.isfinite(values)].sum())

        best = minimize_scalar(cost, bounds=_FACTORS, method="bounded", options={"xatol": _CLOSE})
        return float(np.exp(best.x))

    def _told(
        self, inputs: Any, sharpness: float
    ) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
        """What scores alone say of predictions: of positions, and of sequences."""
        guess = self.predict(inputs)
        found, _ = self.model_.marginals(inputs, self.coef_, sharpness)
        classes = self.model_.classes_
        tokens = [
            values[np.arange(len(values)), np.searchsorted(classes, labels)]
            for values, labels in zip(found, guess, strict=True)
        ]
        logarithms = self.model_.log_probabilities(inputs, guess, self.coef_, sharpness)
        return tokens, np.exp(logarithms)


def _right(
    truths: list[Any], guess: list[NDArray[Any]], ignore_label: Any
) -> list[NDArray[np.int8]]:
    """For each position 1 where the prediction is right, 0 where it is not, -1 where it is void."""
    found = []
    for i, (row, labels) in enumerate(zip(truths, guess, strict=True)):
        entries, told = list(row), labels.tolist()
        if len(entries) != len(told):
            raise ValueError(f"y[{i}] has {len(entries)} labels, but X[{i}] has {len(told)}")
        found.append(
            np.array(
                [
                    -1 if a is None or (ignore_label is not None and a == ignore_label) else a == b
                    for a, b in zip(entries, told, strict=True)
                ],
                dtype=np.int8,
            )
        )
    return found
