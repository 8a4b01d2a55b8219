"""SequenceTagger: a chain SVM that reads tokens."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import numbers
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from structsvm.base import StructuredModel
from structsvm.data.sequences import PackedSequences
from structsvm.engines import Engine
from structsvm.estimators.chain import ChainSVM
from structsvm.exceptions import ModelFileError
from structsvm.features import SequenceVectorizer, TokenFeatures
from structsvm.features.tokens import check_kinds, check_sequences, listed
from structsvm.linalg._plane import padded_vector
from structsvm.losses import HammingLoss
from structsvm.metrics import SCORES
from structsvm.models._chain_tagger import ChainTagger
from structsvm.solvers import Progress, Solver, capabilities_of
from structsvm.training.penalty import DEFAULT, InUnits
from structsvm.training.train import of_held_out_examples

__all__ = ["SequenceTagger"]

_DEFAULT_TOL = 0.03
_BLOCKS = ("state", "transition", "start", "end")


class SequenceTagger(ChainSVM):
    r"""Tagger of tokens: features and a `ChainSVM` in one, which save to one file.

    Parameters
    ----------
    features : transformer or "auto", default="auto"
        What describes a token: a `TokenFeatures`, a `SequenceVectorizer` or a transformer of your
        own from lists of tokens to `PackedSequences`. "auto" looks at the first token: a dict or a
        list of str holds attributes (`SequenceVectorizer`, the input of common packages for
        conditional random fields), a tuple of two str has columns (``TokenFeatures("chunk")``, or
        "words" of one column), and a str is a word (``TokenFeatures("words")``). Later tokens must
        be of the kind that was fitted.
    C : float, "scale" or "auto", default="scale"
        Weight of the hinges against the norm. "scale" follows the data, "auto" chooses by held-out
        sentences: see `StructSVM`. None is "scale".
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, see `StructSVM`.
    loss, constraints, on_violation, order, ignore_label
        See `ChainSVM`.
    scoring : {"token_accuracy", "sequence_accuracy", "span_f1"}, default="token_accuracy"
        What `score` gives, and what chooses among iterations where there are held-out sentences;
        see `structsvm.metrics`.
    solver, rescaling, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
    prior_weights, fixed_weights, callbacks
        See `StructSVM`. `solver="perceptron"` is done several times sooner.
    tol : float, default=None
        See `StructSVM`, but None is 0.03 here: on text, accuracy settles long before the objective
        does. `dual_gap_` tells the gap that was reached.
    max_iter : int, default=None
        See `StructSVM`.

    Attributes
    ----------
    features_ : transformer
        Fitted on the training sentences.
    classes_ : ndarray of shape (n_classes,)
        The tags.
    state_coef_, transition_coef_, start_coef_, end_coef_ : ndarrays
        See `ChainSVM`; there is no intercept.
    coef_, model_, objective_, dual_objective_, dual_gap_, certified_, n_iter_, history_
        See `StructSVM`.

    Examples
    --------
    >>> from structsvm import SequenceTagger
    >>> X = ["the cat sleeps".split(), "a dog sleeps".split(), "the dog barks".split()]
    >>> y = [["DET", "NOUN", "VERB"]] * 3
    >>> tagger = SequenceTagger(C=1.0, random_state=0).fit(X, y)
    >>> tagger.tag("a cat barks".split())
    ['DET', 'NOUN', 'VERB']
    """

    # Attributes speak for each position, and borders have attributes of their own.
    fit_intercept = False
    transitions = True
    boundary = True

    C: Any
    features_: Any
    _quick: Any

    def __init__(
        self,
        features: Any = "auto",
        *,
        C: float | str | None = "scale",
        scale: str | None = "auto",
        loss: str | HammingLoss = "hamming",
        constraints: str | Sequence[Any] | None = None,
        on_violation: str = "raise",
        order: int | str = 1,
        ignore_label: Any = None,
        scoring: str = "token_accuracy",
        solver: str | Solver = "bcfw",
        rescaling: str = "margin",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        engine: Engine | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        prior_weights: ArrayLike | None = None,
        fixed_weights: ArrayLike | None = None,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        self.features = features
        self.C = C
        self.scale = scale
        self.loss = loss
        self.constraints = constraints
        self.on_violation = on_violation
        self.order = order
        self.ignore_label = ignore_label
        self.scoring = scoring
        self.solver = solver
        self.rescaling = rescaling
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.prior_weights = prior_weights
        self.fixed_weights = fixed_weights
        self.callbacks = callbacks

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        position_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train on sentences X with tags y.

        Parameters
        ----------
        X : list of lists of tokens, or an iterator over such lists
        y : list of lists of tags, one for each token; None where it is void
        sample_weight, position_weight
            See `ChainSVM.fit`.
        X_val, y_val, resume_from
            See `StructSVM.fit`; X_val are sentences too.

        Returns
        -------
        self
        """
        X, y, y_val = _sentences(X), listed(y), listed(y_val)
        features = self._make_features(X)
        rows = features.fit_transform(X)
        if X_val is not None:
            with of_held_out_examples():
                X_val = _sentences(X_val)
                self._check_tokens(features, X_val)
                X_val = features.transform(X_val)
        with self._reading_with(features):
            super().fit(
                rows,
                y,
                sample_weight,
                position_weight,
                X_val=X_val,
                y_val=y_val,
                resume_from=resume_from,
            )
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        position_weight: Any = None,
        *,
        classes: ArrayLike | None = None,
    ) -> Self:
        """One pass over more sentences, in their order, from where the last call left off.

        The first call decides on the features: attributes that it does not see count for nothing
        later, unless they are hashed (``TokenFeatures(n_hashed=...)``).

        Parameters
        ----------
        X, y, sample_weight, position_weight
            See `fit`.
        classes : array-like, default=None
            All tags there will be. Needed in the first call, unless its y has them all.

        Returns
        -------
        self
        """
        X, y = _sentences(X), listed(y)
        if (features := vars(self).get("features_")) is not None:
            self._check_tokens(features, X)
            rows = features.transform(X)
        else:
            features = self._make_features(X)
            rows = features.fit_transform(X)
        with self._reading_with(features):
            super().partial_fit(rows, y, sample_weight, position_weight, classes=classes)
        return self

    def score(self, X: Any, y: Any) -> float:
        """The score of the predictions for sentences X against tags y, by `scoring`."""
        return super().score(listed(X), listed(y))

    def tag(self, tokens: Any) -> list[Any]:
        """The tags of one sentence, as a list.

        Parameters
        ----------
        tokens : sequence
            The tokens of the sentence, as for `predict`.

        Returns
        -------
        tags : list
        """
        if (found := self._compiled()) is not None:
            _, _, tagger, names = found
            if (labels := tagger.tag(tokens, self.coef_, names)) is not None:
                return labels
        tags: list[Any] = super().predict([tokens])[0].tolist()
        return tags

    def condensed(self, min_weight: float = 0.0, *, dtype: Any = np.float16) -> Self:
        """A copy with fewer and shorter weights, whose model file is several times smaller.

        Weights of attributes that are below `min_weight` become 0, attributes without a weight are
        left out, and what is left is rounded to `dtype`. It predicts with these weights, before and
        after it is saved, and has no certificate: `objective_`, `dual_objective_` and `dual_gap_`
        are NaN. What it loses is to be measured: compare `score` on held-out sentences.

        Parameters
        ----------
        min_weight : float, default=0.0
        dtype : {np.float16, np.float32}, default=np.float16
            float16 has 11 bits, float32 24.

        Returns
        -------
        tagger : SequenceTagger

        Raises
        ------
        ValueError
            If `min_weight` is negative, a weight is too large for `dtype`, or the features are a
            transformer of another class.

        Examples
        --------
        >>> from structsvm import SequenceTagger
        >>> X = ["the cat sleeps".split(), "a dog sleeps".split(), "the dog barks".split()]
        >>> y = [["DET", "NOUN", "VERB"]] * 3
        >>> tagger = SequenceTagger(C=1.0, random_state=0).fit(X, y)
        >>> small = tagger.condensed(min_weight=0.02)
        >>> small.model_.n_features_in_ < tagger.model_.n_features_in_
        True
        >>> small.tag("a cat barks".split())
        ['DET', 'NOUN', 'VERB']
        """
        model, features = self._fitted_model(), self.features_
        if not isinstance(min_weight, numbers.Real) or not 0 <= min_weight < math.inf:
            raise ValueError(f"min_weight={min_weight!r}: expected a finite number >= 0")
        if not isinstance(dtype, (type, np.dtype)) or dtype not in (np.float16, np.float32):
            raise ValueError(f"dtype={dtype!r}: expected np.float16 or np.float32")
        if type(features) not in (SequenceVectorizer, TokenFeatures):
            raise ValueError(
                f"the features are a {type(features).__name__}: only columns of SequenceVectorizer "
                "and TokenFeatures can be left out"
            )
        with np.errstate(over="ignore"):
            short = self.coef_.astype(dtype).astype(np.float64)
        if not np.isfinite(short).all():
            raise ValueError(f"a weight is too large for {np.dtype(dtype)}: use dtype=np.float32")
        blocks = model.weight_blocks(short)
        state = blocks["state"]
        state[np.abs(state) < min_weight] = 0.0
        kept = state.any(axis=1) | features.keeps()
        kept[0] |= not kept.any()  # a model has some column
        smaller = self._make_model().from_state(model.to_state() | {"n_features": int(kept.sum())})
        weights = padded_vector(smaller.n_weights)
        for name, block in smaller.weight_blocks(weights).items():
            block[...] = blocks[name][kept] if name == "state" else blocks[name]
        other = copy.copy(self)
        other.features_ = features.restricted(kept)
        other.__dict__.update(other._fitted_attributes(weights, smaller))
        other.objective_ = other.dual_objective_ = other.dual_gap_ = math.nan
        other.certified_ = False
        for name in ("_quick", "_warm", "_online"):
            other.__dict__.pop(name, None)
        return other

    def predict(self, X: Any) -> list[Any]:  # type: ignore[override]
        """The tags of each sentence, as a list of arrays.

        Parameters
        ----------
        X : list of lists of tokens, or PackedSequences
        """
        # With several threads, too: it takes less time than the way round takes on two.
        if type(X) is list and (found := self._compiled()) is not None:
            answer = found[2].tag_all(X, self.coef_)
            if answer is not None:
                numbers, offsets = answer
                tags = self.classes_[numbers]
                bounds = itertools.pairwise(offsets.tolist())
                return [tags[start:stop] for start, stop in bounds]
        return super().predict(X)

    def _compiled(self) -> tuple[Any, Any, ChainTagger, list[Any]] | None:
        """What labels plain sentences of attributes in one call; None if nothing does.

        It reads `coef_` as it is then, and all else as it was when model and features were fitted.
        """
        held = vars(self)
        found: Any = held.get("_quick")
        if found is None or found[0] is not held.get("model_") or found[1] is not self.features_:
            if "model_" not in held:
                return None
            tagger = self._make_compiled()
            found = self._quick = (self.model_, self.features_, tagger, self.classes_.tolist())
        return found if found[2] is not None and found[2].fits(self.coef_) else None

    def _make_compiled(self) -> ChainTagger | None:
        model, features = self.model_, self.features_
        if type(features) not in (SequenceVectorizer, TokenFeatures) or model.n_edge_features_in_:
            return None
        if model.order != 1 or len(model.classes_) < 2 or (source := features.compiled()) is None:
            return None
        state, transition, start, end = (model.layout_.place(name).start for name in _BLOCKS)
        return ChainTagger(
            source,
            model.n_features_in_,
            len(model.classes_),
            (state, transition, start, end),
            model.forbidden_scores(),
        )

    def _make_features(self, X: Any) -> Any:
        if not isinstance(self.features, (str, type)) and hasattr(self.features, "fit_transform"):
            return clone(self.features)
        if not isinstance(self.features, str) or self.features != "auto":
            known = self.features if isinstance(self.features, str) else "words"
            raise ValueError(
                f"features={self.features!r}: expected 'auto', or a transformer such as "
                f"TokenFeatures({known!r})"
            )
        first = next((token for sentence in X for token in sentence), None)
        if first is None or isinstance(first, (Mapping, list)):
            return SequenceVectorizer()
        if isinstance(first, tuple) and len(first) > 2:
            raise ValueError(
                f"the first token is {first!r}, a tuple of {len(first)}: features='auto' reads "
                "tuples as columns, a word and its tag, and would ignore the rest. If these are "
                "attributes, pass lists or features=SequenceVectorizer(); if they are columns, "
                "TokenFeatures('chunk') takes the first two, and templates any"
            )
        return TokenFeatures("chunk" if isinstance(first, tuple) and len(first) > 1 else "words")

    @contextlib.contextmanager
    def _reading_with(self, features: Any) -> Iterator[None]:
        """Read with these features; afterwards too, if there are weights for them."""
        before, model = vars(self).get("features_"), vars(self).get("model_")
        self.features_ = features
        try:
            yield
        finally:
            if vars(self).get("model_") is model:
                self.features_ = before
            if self.features_ is None:
                del self.features_

    @property
    def _LEARNED(self) -> tuple[str, ...]:  # type: ignore[override]  # noqa: N802
        return ("features", *super()._LEARNED)

    def _take_learned(self, learned: dict[str, Any]) -> None:
        super()._take_learned(learned)
        made, expected = self.features_.n_features_out_, self.model_.n_features_in_
        if made != expected:
            raise ModelFileError(f"the features make {made} columns, the model has {expected}")

    def _read(self, X: Any) -> Any:
        if isinstance(X, PackedSequences):
            return X
        X = check_sequences(X)
        self._check_tokens(self.features_, X)
        return self.features_.transform(X)

    @staticmethod
    def _check_tokens(features: Any, X: list[Any]) -> None:
        """Tuples are columns here, and no attributes as they are to a `SequenceVectorizer`."""
        if isinstance(features, SequenceVectorizer):
            check_kinds(X, features.token_kinds_)

    def _penalty(self) -> float | InUnits:
        return DEFAULT if self.C is None else super()._penalty()

    def _tolerance(self, solver: Solver) -> float | None:
        if self.tol is None and capabilities_of(solver).has_dual:
            return _DEFAULT_TOL
        return super()._tolerance(solver)

    def _check_path(self) -> None:
        raise ValueError(
            "fit_path takes a ChainSVM and rows: fit_path(ChainSVM(...), "
            "features.fit_transform(X), y, Cs), so that features are made once"
        )

    def _feature_names(self) -> Sequence[Any]:
        names: Sequence[Any] = self.features_.get_feature_names_out()
        return names

    def _edge_feature_names(self) -> Sequence[Any]:
        if not self.model_.n_edge_features_in_:
            return ()
        names: Sequence[Any] = self.features_.get_edge_feature_names_out()
        return names

    def _checked_solver(self) -> Any:
        if self.scoring not in SCORES:
            names = ", ".join(repr(name) for name in SCORES)
            raise ValueError(f"unknown scoring {self.scoring!r}: expected one of {names}")
        return super()._checked_solver()

    def _score_outputs(self, model: StructuredModel, y: Any, guess: Any) -> float:
        return SCORES[self.scoring](y, guess, ignore_label=self.ignore_label)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_quick", None)
        return state

    def _fitted_attributes(self, weights: NDArray[np.float64], model: Any) -> dict[str, Any]:
        return super()._fitted_attributes(weights, model) | {"features_": self.features_}


def _sentences(X: Any) -> list[Any]:
    """Sentences that can be read more than once."""
    if isinstance(X, PackedSequences):
        raise ValueError(
            "X is a PackedSequences, rows that were made before; fit takes sentences of tokens. "
            "ChainSVM takes rows"
        )
    return check_sequences(X)
