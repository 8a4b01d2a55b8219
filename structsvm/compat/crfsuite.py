"""The classes of sklearn-crfsuite and python-crfsuite, trained and read as `SequenceTagger` is.

Change one import::

    from structsvm.compat.crfsuite import CRF  # from sklearn_crfsuite import CRF
    import structsvm.compat.crfsuite as pycrfsuite  # import pycrfsuite

What differs:

- Training minimises hinges, not the negative log-likelihood: ``c2 |w|^2`` plus their sum, to
  a certified gap, for the algorithms "lbfgs" and "l2sgd", which have one optimum. "ap" is the
  averaged perceptron, "pa" passive-aggressive learning; "arow" is not here.
- `CRF.predict_marginals`, `Tagger.marginal` and `Tagger.probability` give the probabilities of
  which scores are the logarithms, as CRFsuite does. Hinges do not ask that they be frequencies: see
  `SequenceTagger.calibrate`.
- Model files are those of `SequenceTagger.save`. Files of CRFsuite cannot be read.
- All attributes have weights for all labels, as with ``all_possible_states=True`` and
  ``all_possible_transitions=True``. There is no L1 penalty.
- The order of training is fixed: the same data give the same model.

A parameter without a counterpart raises an error that says what to use, unless it has the value
that CRFsuite takes anyway. `Trainer.help` tells what each of them is here.
"""

from __future__ import annotations

import contextlib
import numbers
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from structsvm.compat._crfsuite_parameters import (
    algorithm_named,
    checked,
    parameters_of,
    tagger_params,
)
from structsvm.data.files import replacing
from structsvm.data.sequences import as_items, check_pairs
from structsvm.estimators import SequenceTagger
from structsvm.exceptions import ModelFileError
from structsvm.features import SequenceVectorizer
from structsvm.features.tokens import listed, token_kinds
from structsvm.features.vectorizer import attributes_of
from structsvm.metrics import token_accuracy
from structsvm.persistence.model_files import load
from structsvm.solvers import Progress
from structsvm.training.train import of_held_out_examples

__all__ = ["CRF", "ItemSequence", "Tagger", "Trainer"]

_SEPARATOR = ":"
_FOREIGN = b"lCRF"


class ItemSequence(Sequence[dict[str, float]]):
    """A sequence of tokens whose attributes have names and numbers.

    Parameters
    ----------
    xseq : iterable of dicts, or of collections of str
        Tokens as `SequenceVectorizer` takes them; names are joined by ":".

    Examples
    --------
    >>> from structsvm.compat.crfsuite import ItemSequence
    >>> ItemSequence([{"word": "cat", "next": {"word": "sleeps", "length": 6}}, ["bias"]]).items()
    [{'word:cat': 1.0, 'next:word:sleeps': 1.0, 'next:length': 6.0}, {'bias': 1.0}]
    """

    def __init__(self, xseq: Iterable[Any]) -> None:
        self._items: list[dict[str, float]] = []
        for t, token in enumerate(_tokens(xseq)):
            item: dict[str, float] = {}
            for name, value in attributes_of(token, f"xseq[{t}]", _SEPARATOR):
                item[name] = item.get(name, 0.0) + value
            self._items.append(item)

    def items(self) -> list[dict[str, float]]:
        """Names and values of each token."""
        return [dict(item) for item in self._items]

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<ItemSequence of size {len(self)}>"


class Trainer:
    """Training as in python-crfsuite: sequences are appended, then a model file is written.

    Parameters
    ----------
    algorithm : {"lbfgs", "l2sgd", "ap", "pa"}, default="lbfgs"
    params : dict, default=None
        Training parameters by name; see `set`.
    verbose : bool, default=True
        Whether `message` prints.

    Attributes
    ----------
    logparser : namespace
        After `train`: ``iterations``, a list of dicts with "num", "loss" (the sum of hinges),
        "gap", "time", and "item_accuracy_float" of held-out sequences; ``last_iteration``, the last
        of them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from structsvm.compat.crfsuite import Tagger, Trainer
    >>> trainer = Trainer("ap", verbose=False)
    >>> trainer.append([{"word": "the"}, {"word": "cat"}], ["D", "N"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = str(pathlib.Path(folder) / "model")
    ...     trainer.train(path)
    ...     with Tagger().open(path) as tagger:
    ...         print(tagger.tag([{"word": "the"}, {"word": "dog"}]))
    ['D', 'N']
    """

    verbose: bool
    logparser: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Subclasses of python-crfsuite's trainer need not call its constructor.
        trainer = super().__new__(cls)
        trainer.verbose = True
        trainer.logparser = None
        trainer._sequences = []
        trainer.select("lbfgs")
        return trainer

    def __init__(
        self,
        algorithm: str | None = None,
        params: Mapping[str, Any] | None = None,
        verbose: bool = True,
    ) -> None:
        if algorithm is not None:
            self.select(algorithm)
        if params is not None:
            self.set_params(params)
        self.verbose = verbose

    _sequences: list[tuple[Any, list[Any], int]]

    def select(self, algorithm: str, type: str = "crf1d") -> None:
        """Choose an algorithm; its parameters have their defaults.

        Parameters
        ----------
        algorithm : {'lbfgs', 'l2sgd', 'averaged-perceptron', 'passive-aggressive'}
            Or 'ap', or 'pa'.
        type : {'crf1d'}, default='crf1d'
        """
        if type != "crf1d":
            raise ValueError(f"type={type!r}: expected 'crf1d', labels of chains")
        self._algorithm = algorithm_named(algorithm)
        self._values = {n: row.default for n, row in parameters_of(self._algorithm).items()}

    def append(self, xseq: Any, yseq: Sequence[Any], group: int = 0) -> None:
        """Add a sequence of tokens, its labels, and the number of its group.

        Parameters
        ----------
        xseq : sequence of tokens
            Each a dict, a list or a set of attributes, or an `ItemSequence`.
        yseq : sequence of labels
        group : int, default=0
        """
        X = xseq if isinstance(xseq, ItemSequence) else _tokens(xseq)
        if isinstance(yseq, (str, bytes)) or not isinstance(yseq, Iterable):
            raise ValueError(f"yseq is {yseq!r}; expected a list of labels")
        y = list(yseq)
        if len(X) != len(y):
            raise ValueError(f"xseq has {len(X)} tokens but yseq has {len(y)} labels")
        self._sequences.append((X, y, group))

    def clear(self) -> None:
        """Forget all sequences."""
        self._sequences = []

    def params(self) -> list[str]:
        """The names of the algorithm's parameters."""
        return list(self._values)

    def set(self, name: str, value: Any) -> None:
        """Set a parameter. `train` refuses values that have no counterpart.

        Parameters
        ----------
        name : str
        value : object
        """
        self._values[name] = checked(self._algorithm, name, value)

    def get(self, name: str) -> Any:
        """The value of a parameter.

        Parameters
        ----------
        name : str

        Returns
        -------
        value : object
        """
        self.help(name)
        return self._values[name]

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Set several parameters.

        Parameters
        ----------
        params : mapping of str to object
        """
        for name, value in params.items():
            self.set(name, value)

    def get_params(self) -> dict[str, Any]:
        """All parameters."""
        return dict(self._values)

    def help(self, name: str) -> str:
        """What a parameter is here.

        Parameters
        ----------
        name : str

        Returns
        -------
        text : str
        """
        checked(self._algorithm, name, self._values.get(name))
        return parameters_of(self._algorithm)[name].told

    def train(self, model: str | os.PathLike[str], holdout: int = -1) -> None:
        """Train, and write the model to a file.

        Parameters
        ----------
        model : path-like
            Empty: no file is written.
        holdout : int, default=-1
            The group of sequences that are held out: they are scored after every pass, and the
            weights that score best are kept. -1: none.
        """
        tagger = self.fit(holdout)
        if model:
            tagger.save(model)
            self.message(f"Model written to {os.fspath(model)}\n")

    def fit(self, holdout: int = -1) -> SequenceTagger:
        """Train; what `train` writes to a file.

        Parameters
        ----------
        holdout : int, default=-1
            As for `train`.

        Returns
        -------
        tagger : SequenceTagger
        """
        held = [row for row in self._sequences if row[2] == holdout and holdout >= 0]
        kept = [row for row in self._sequences if row[2] != holdout or holdout < 0]
        tagger = SequenceTagger(**tagger_params(self._algorithm, self._values))
        log = SimpleNamespace(iterations=[], last_iteration=None)
        self.logparser = log
        told = ", ".join(f"{name}: {value}" for name, value in self._values.items())
        self.message(f"{self._algorithm} as {tagger.solver}\n{told}\n")
        self.message(f"{len(kept)} sequences, {sum(len(row[1]) for row in kept)} items\n\n")
        began = time.perf_counter()

        def listen(progress: Progress) -> None:
            info: dict[str, Any] = {
                "num": progress.n_iter,
                "loss": progress.mean_hinge * len(kept),
                "gap": progress.gap,
                "time": progress.seconds - sum(row["time"] for row in log.iterations),
                "scores": {},
            }
            if progress.validation_scores:
                info["item_accuracy_float"] = progress.validation_scores[-1]
            log.iterations.append(info)
            log.last_iteration = info
            lines = [f"{key}: {value:.6g}" for key, value in info.items() if _is_number(value)]
            self.on_iteration(f"Iteration {progress.n_iter}: {', '.join(lines[1:])}\n", info)

        tagger.set_params(callbacks=[listen])
        X_val, y_val = ([row[k] for row in held] for k in (0, 1)) if held else (None, None)
        X, y = ([row[k] for row in kept] for k in (0, 1))
        tagger.fit(X, y, X_val=X_val, y_val=y_val)
        tagger.set_params(callbacks=None)
        self.message(f"Seconds required: {time.perf_counter() - began:.3f}\n")
        return tagger

    def message(self, message: str) -> None:
        """Receives what training tells; prints it if the trainer is verbose.

        Parameters
        ----------
        message : str
        """
        if self.verbose:
            sys.stdout.write(message)

    def on_iteration(self, log: str, info: dict[str, Any]) -> None:
        """Receives each iteration, as text and as `logparser` keeps it; hands on the text.

        Parameters
        ----------
        log : str
        info : dict
            What `logparser` keeps of the iteration.
        """
        self.message(log)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and value == value


class _ClosedError(ValueError, RuntimeError):
    """A tagger without a model; python-crfsuite raises the one or the other."""


class Tagger:
    """Tagging as in python-crfsuite, by a model file that `Trainer.train` wrote."""

    def __init__(self) -> None:
        self._held: SequenceTagger | None = None
        self._tokens: Any = None
        self._rows: Any = None  # of the tokens, once they are needed
        self._marginals: tuple[NDArray[np.float64], float] | None = None

    @classmethod
    def of(cls, tagger: SequenceTagger) -> Self:
        """Tagging by a fitted `SequenceTagger` over attributes.

        Parameters
        ----------
        tagger : SequenceTagger
            Fitted, with a `SequenceVectorizer` for features.

        Returns
        -------
        self
        """
        if not isinstance(tagger, SequenceTagger) or not isinstance(
            tagger.features_, SequenceVectorizer
        ):
            raise ModelFileError("the model reads no attributes of tokens: use structsvm.load")
        made = cls()
        made._held = tagger
        return made

    def open(self, name: str | os.PathLike[str]) -> contextlib.closing[Self]:
        """Read a model file; the result is a context that closes the tagger.

        Parameters
        ----------
        name : path-like

        Returns
        -------
        context : context manager
        """
        with open(name, "rb") as file:
            _refuse_foreign(file.read(len(_FOREIGN)), os.fspath(name))
        opened = self.of(load(name))
        self.close()
        self._held = opened._held
        return contextlib.closing(self)

    def open_inmemory(self, value: bytes) -> contextlib.closing[Self]:
        """Read a model from the bytes of its file.

        Parameters
        ----------
        value : bytes

        Returns
        -------
        context : context manager
        """
        _refuse_foreign(value[: len(_FOREIGN)], "the model")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.npz")
            with open(path, "wb") as file:
                file.write(value)
            return self.open(path)

    def close(self) -> None:
        """Forget the model."""
        self._held = self._tokens = self._rows = self._marginals = None

    def labels(self) -> list[Any]:
        """The labels of the model."""
        labels: list[Any] = self._tagger().classes_.tolist()
        return labels

    def set(self, xseq: Any) -> None:
        """Take a sequence for later calls.

        Parameters
        ----------
        xseq : sequence of tokens
            Each a dict, a list or a set of attributes, or an `ItemSequence`.
        """
        self._tagger()
        self._tokens, self._rows, self._marginals = _tokens(xseq), None, None

    def tag(self, xseq: Any = None) -> list[Any]:
        """The labels of a sequence; None: of the one that was set.

        Parameters
        ----------
        xseq : sequence of tokens, default=None

        Returns
        -------
        labels : list
        """
        tagger = self._tagger()
        if xseq is None:
            self._sequence()
            return _tags(tagger, self._tokens)
        # Threads may share a tagger, so the answer is for these tokens, whatever is set by then.
        tokens = _tokens(xseq)
        self.set(tokens)
        return _tags(tagger, tokens)

    def probability(self, yseq: Sequence[Any]) -> float:
        """exp(score - log of the sum of exp(score) over all labellings) for the sequence.

        Parameters
        ----------
        yseq : sequence of labels

        Returns
        -------
        probability : float
        """
        tagger, rows = self._tagger(), self._sequence()
        return float(np.exp(tagger.model_.log_probabilities(rows, [yseq], tagger.coef_)[0]))

    def marginal(self, y: Any, pos: int) -> float:
        """The sum of these probabilities over labellings with label y at position pos.

        Parameters
        ----------
        y : object
            A label.
        pos : int
            The position, from 0.

        Returns
        -------
        probability : float
        """
        tagger, rows = self._tagger(), self._sequence()
        if self._marginals is None:
            probabilities, sums = tagger.model_.marginals(rows, tagger.coef_)
            self._marginals = probabilities[0], float(sums[0])
        values = self._marginals[0]
        labels = self.labels()
        if y not in labels:
            raise ValueError(f"{y!r} is no label; expected one of {labels}")
        if not isinstance(pos, numbers.Integral) or not 0 <= pos < len(values):
            raise ValueError(
                f"pos={pos!r}: the sequence has {len(values)} items; expected an integer, 0 for "
                "the first"
            )
        return float(values[pos, labels.index(y)])

    def info(self) -> SimpleNamespace:
        """What the model holds: header, labels, attributes, transitions, state_features.

        Weights that are 0 are left out. Numbers of labels and attributes are str, as in
        python-crfsuite.
        """
        tagger = self._tagger()
        labels = self.labels()
        names = list(tagger.features_.vocabulary_)
        states, transitions = tagger.state_coef_, tagger.transition_coef_
        found = [np.nonzero(block) for block in (states, transitions)]
        header = {
            "size": str(len(self._bytes())),
            "type": "structsvm",
            "num_features": str(len(found[0][0]) + len(found[1][0])),
            "num_labels": str(len(labels)),
            "num_attrs": str(len(names)),
        }
        return SimpleNamespace(
            header=header,
            labels={label: str(k) for k, label in enumerate(labels)},
            attributes={name: str(k) for k, name in enumerate(names)},
            state_features={
                (names[f], labels[k]): float(states[f, k]) for f, k in zip(*found[0], strict=True)
            },
            transitions={
                (labels[j], labels[k]): float(transitions[j, k])
                for j, k in zip(*found[1], strict=True)
            },
        )

    def dump(self, filename: str | os.PathLike[str] | None = None) -> None:
        """Write the model as text, as CRFsuite lays it out; None: to standard output.

        Parameters
        ----------
        filename : path-like, default=None
        """
        info = self.info()
        lines = ["FILEHEADER = {", *(f"  {n}: {v}" for n, v in info.header.items()), "}", ""]
        for title, places in (("LABELS", info.labels), ("ATTRIBUTES", info.attributes)):
            lines += [f"{title} = {{", *(f"  {k:>5}: {n}" for n, k in places.items()), "}", ""]
        for title, weights, kind in (
            ("TRANSITIONS", info.transitions, 1),
            ("STATE_FEATURES", info.state_features, 0),
        ):
            rows = [f"  ({kind}) {a} --> {b}: {v:.6f}" for (a, b), v in weights.items()]
            lines += [f"{title} = {{", *rows, "}", ""]
        text = "\n".join(lines) + "\n"
        if filename is None:
            sys.stdout.write(text)
        else:
            with replacing(filename) as file:
                file.write(text.encode())

    def _bytes(self) -> bytes:
        """The model file."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model")
            self._tagger().save(path)
            with open(path, "rb") as file:
                return file.read()

    def _tagger(self) -> SequenceTagger:
        if self._held is None:
            raise _ClosedError("the tagger has no model: open one first")
        return self._held

    def _sequence(self) -> Any:
        tagger = self._tagger()
        if self._tokens is None:
            raise ValueError("there is no sequence: give one, or call set first")
        if self._rows is None:
            self._rows = tagger.features_.transform([self._tokens])
        return self._rows


def _tokens(xseq: Any) -> list[Any]:
    if isinstance(xseq, (str, bytes, Mapping)) or not isinstance(xseq, Iterable):
        raise ValueError(f"xseq is {xseq!r}; expected a list of dicts or of lists of str")
    return list(xseq)


def _tags(tagger: SequenceTagger, tokens: list[Any]) -> list[Any]:
    kinds = tagger.features_.token_kinds_
    if not kinds or token_kinds([tokens]) <= set(kinds):
        return tagger.tag(tokens)
    # A tagger refuses lists where it was fitted on dicts, and python-crfsuite does not.
    tags: list[Any] = tagger.predict(tagger.features_.transform([tokens]))[0].tolist()
    return tags


def _refuse_foreign(begin: bytes, name: str) -> None:
    if begin == _FOREIGN:
        raise ModelFileError(
            f"{name} is a model of CRFsuite, which cannot be read here: train on the data anew"
        )


class CRF(BaseEstimator):  # type: ignore[misc]
    """Sequence labelling with the interface of sklearn-crfsuite.

    The names are those of that package; what is trained is a `SequenceTagger` by hinges. See the
    module for what differs.

    Parameters
    ----------
    algorithm : {"lbfgs", "l2sgd", "ap", "pa"}, default=None
        None is "lbfgs". "lbfgs" and "l2sgd" minimise ``c2 |w|^2`` plus the sum of hinges.
    min_freq : float, default=None
        Attributes on fewer tokens are left out.
    all_possible_states, all_possible_transitions : bool, default=None
        True, or None, which is the same here.
    c1 : float, default=None
        0 or None: there is no L1 penalty.
    c2 : float, default=None
        Coefficient of the squared norm; None is 1. C of `SequenceTagger` is 1 / (2 c2).
    max_iterations : int, default=None
        Passes over the data at most: 1000, and 100 for "ap" and "pa".
    epsilon : float, default=None
        Relative duality gap at which "lbfgs" stops; None is 0.03.
    pa_type : int, default=None
        1 or None: PA-I.
    c : float, default=None
        Greatest step of "pa"; None is 1.
    error_sensitive : bool, default=None
        True or None: the margin grows with the number of wrong labels.
    averaging : bool, default=None
        Whether the weights of "pa" are means over all updates; None is True.
    num_memories, period, delta, linesearch, max_linesearch : default=None
        As those that follow.
    calibration_eta, calibration_rate, calibration_samples, calibration_candidates : default=None
        As those that follow.
    calibration_max_trials, variance, gamma : default=None
        Of optimisers that are not here: None, or the value that CRFsuite takes anyway.
    verbose : bool, default=False
        Whether training prints what it does.
    model_filename : str, default=None
        Where `fit` writes the model. If there is a model file, it is used without `fit`.
    keep_tempfiles : bool, default=False
        There are no temporary files to keep.
    trainer_cls : type, default=None
        A subclass of `Trainer`.

    Attributes
    ----------
    tagger_ : Tagger
        None before `fit`, as are those below.
    classes_ : list
        The labels.
    size_ : int
        Bytes of the model's file.
    attributes_ : list of str
    num_attributes_ : int
    state_features_ : dict
        Weights that are not 0, ``{(attribute, label): weight}``.
    transition_features_ : dict
        ``{(label, next label): weight}``.
    training_log_ : namespace
        See `Trainer.logparser`.

    Examples
    --------
    >>> from structsvm.compat.crfsuite import CRF
    >>> X = [[{"word": "the"}, {"word": "cat"}], [{"word": "a"}, {"word": "cat"}]]
    >>> crf = CRF(c2=0.1).fit(X, [["D", "N"], ["D", "N"]])
    >>> crf.predict_single([{"word": "the"}, {"word": "dog"}])
    ['D', 'N']
    """

    training_log_: Any = None
    _opened: Tagger | None = None

    def __init__(
        self,
        algorithm: str | None = None,
        min_freq: float | None = None,
        all_possible_states: bool | None = None,
        all_possible_transitions: bool | None = None,
        c1: float | None = None,
        c2: float | None = None,
        max_iterations: int | None = None,
        num_memories: int | None = None,
        epsilon: float | None = None,
        period: int | None = None,
        delta: float | None = None,
        linesearch: str | None = None,
        max_linesearch: int | None = None,
        calibration_eta: float | None = None,
        calibration_rate: float | None = None,
        calibration_samples: int | None = None,
        calibration_candidates: int | None = None,
        calibration_max_trials: int | None = None,
        pa_type: int | None = None,
        c: float | None = None,
        error_sensitive: bool | None = None,
        averaging: bool | None = None,
        variance: float | None = None,
        gamma: float | None = None,
        verbose: bool = False,
        model_filename: str | None = None,
        keep_tempfiles: bool = False,
        trainer_cls: type[Trainer] | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.min_freq = min_freq
        self.all_possible_states = all_possible_states
        self.all_possible_transitions = all_possible_transitions
        self.c1 = c1
        self.c2 = c2
        self.max_iterations = max_iterations
        self.num_memories = num_memories
        self.epsilon = epsilon
        self.period = period
        self.delta = delta
        self.linesearch = linesearch
        self.max_linesearch = max_linesearch
        self.calibration_eta = calibration_eta
        self.calibration_rate = calibration_rate
        self.calibration_samples = calibration_samples
        self.calibration_candidates = calibration_candidates
        self.calibration_max_trials = calibration_max_trials
        self.pa_type = pa_type
        self.c = c
        self.error_sensitive = error_sensitive
        self.averaging = averaging
        self.variance = variance
        self.gamma = gamma
        self.verbose = verbose
        self.model_filename = model_filename
        self.keep_tempfiles = keep_tempfiles
        self.trainer_cls = trainer_cls

    def fit(self, X: Any, y: Any, X_dev: Any = None, y_dev: Any = None) -> Self:
        """Train on sequences of tokens X with labels y.

        Parameters
        ----------
        X : list of lists of dicts, or of collections of str
        y : list of lists of labels
        X_dev, y_dev : default=None
            Held-out sequences: scored after every pass; the weights that score best are kept.

        Returns
        -------
        self
        """
        if (X_dev is None) != (y_dev is None):
            raise ValueError("X_dev and y_dev go together: one of them is None")
        if self.keep_tempfiles:
            raise ValueError("keep_tempfiles=True: there are none here; use model_filename")
        trainer = self._make_trainer()
        trainer.clear()
        for pairs, group in (((X, y), 0), ((X_dev, y_dev), 1)):
            if group and X_dev is None:
                continue
            with of_held_out_examples() if group else contextlib.nullcontext():
                for xseq, yseq in zip(*check_pairs(*map(listed, pairs)), strict=True):
                    trainer.append(xseq, yseq, group)
        fitted = trainer.fit(-1 if X_dev is None else 1)
        if self.model_filename is not None:
            fitted.save(self.model_filename)
        self._opened = Tagger.of(fitted)
        self.training_log_ = trainer.logparser
        return self

    def _make_trainer(self) -> Trainer:
        kind = Trainer if self.trainer_cls is None else self.trainer_cls
        if not (isinstance(kind, type) and issubclass(kind, Trainer)):
            raise ValueError(
                f"trainer_cls={kind!r}: expected a subclass of structsvm.compat.crfsuite.Trainer"
            )
        params = {
            name: getattr(self, ours)
            for ours, name in _CALLED.items()
            if getattr(self, ours) is not None
        }
        return kind(algorithm=self.algorithm, params=params, verbose=bool(self.verbose))

    def predict(self, X: Any) -> NDArray[np.object_]:
        """The labels of each sequence, as an array of objects.

        Parameters
        ----------
        X : iterable of sequences of tokens

        Returns
        -------
        labels : ndarray of objects, of shape (n_sequences,)
        """
        return np.array([self.predict_single(x) for x in as_items("X", listed(X))], dtype=object)

    def predict_single(self, xseq: Any) -> list[Any]:
        """The labels of one sequence.

        Parameters
        ----------
        xseq : sequence of tokens
            Each a dict, a list or a set of attributes, or an `ItemSequence`.

        Returns
        -------
        labels : list
        """
        return self._usable().tag(_tokens(xseq))

    def predict_marginals(self, X: Any) -> NDArray[np.object_]:
        """For each sequence what `predict_marginals_single` gives, as an array of objects.

        Parameters
        ----------
        X : iterable of sequences of tokens

        Returns
        -------
        marginals : ndarray of objects, of shape (n_sequences,)
        """
        found = [self.predict_marginals_single(xseq) for xseq in as_items("X", listed(X))]
        return np.array(found, dtype=object)

    def predict_marginals_single(self, xseq: Any) -> list[dict[Any, float]]:
        """The probability of each label at each position of one sequence; see `Tagger.marginal`.

        Parameters
        ----------
        xseq : sequence of tokens
            Each a dict, a list or a set of attributes, or an `ItemSequence`.

        Returns
        -------
        marginals : list of dict
            The probability of each label, at each position.
        """
        tagger = self._usable()._tagger()
        labels = tagger.classes_.tolist()
        rows = tagger.features_.transform([_tokens(xseq)])
        values = tagger.model_.marginals(rows, tagger.coef_)[0][0]
        return [dict(zip(labels, row, strict=True)) for row in values.tolist()]

    def score(self, X: Any, y: Any) -> float:
        """Share of the items that are labelled correctly.

        Parameters
        ----------
        X : iterable of sequences of tokens
        y : sequence of sequences of labels

        Returns
        -------
        accuracy : float
        """
        return token_accuracy(y, self.predict(X))

    def _usable(self) -> Tagger:
        if (tagger := self.tagger_) is None:
            raise NotFittedError("this CRF is not fitted yet: call fit first")
        return tagger

    @property
    def tagger_(self) -> Tagger | None:
        if self._opened is None:
            if self.model_filename is None or not os.path.exists(self.model_filename):
                return None
            opened = Tagger()
            opened.open(self.model_filename)
            self._opened = opened
        return self._opened

    @property
    def classes_(self) -> list[Any] | None:
        return None if (tagger := self.tagger_) is None else tagger.labels()

    @property
    def size_(self) -> int | None:
        return None if (tagger := self.tagger_) is None else len(tagger._bytes())

    @property
    def attributes_(self) -> list[str] | None:
        return None if (tagger := self.tagger_) is None else list(tagger.info().attributes)

    @property
    def num_attributes_(self) -> int | None:
        return None if (names := self.attributes_) is None else len(names)

    @property
    def state_features_(self) -> dict[tuple[str, Any], float] | None:
        return None if (tagger := self.tagger_) is None else tagger.info().state_features

    @property
    def transition_features_(self) -> dict[tuple[Any, Any], float] | None:
        return None if (tagger := self.tagger_) is None else tagger.info().transitions

    def __sklearn_is_fitted__(self) -> bool:
        return self.tagger_ is not None


#: Parameters of `CRF`, and what python-crfsuite calls them.
_CALLED = {
    "min_freq": "feature.minfreq",
    "all_possible_states": "feature.possible_states",
    "all_possible_transitions": "feature.possible_transitions",
    "calibration_eta": "calibration.eta",
    "calibration_rate": "calibration.rate",
    "calibration_samples": "calibration.samples",
    "calibration_candidates": "calibration.candidates",
    "calibration_max_trials": "calibration.max_trials",
    "pa_type": "type",
} | {
    name: name
    for name in (
        "c1", "c2", "max_iterations", "num_memories", "epsilon", "period", "delta", "linesearch",
        "max_linesearch", "c", "error_sensitive", "averaging", "variance", "gamma",
    )
}  # fmt: skip
