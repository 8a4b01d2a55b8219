"""A saved `SequenceTagger` that labels sentences before scikit-learn is imported."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.state import State, checked_classes
from structsvm.exceptions import ModelFileError
from structsvm.features.fitted import FittedAttributes, FittedTemplates
from structsvm.models._chain_tagger import ChainTagger
from structsvm.models.allowed import SEEN, Allowed, allowed_labels
from structsvm.persistence import registry

if TYPE_CHECKING:
    from structsvm.persistence.model_files import Contents

__all__ = ["LoadedTagger"]

_FEATURES: dict[str, type[FittedAttributes] | type[FittedTemplates]] = {
    "SequenceVectorizer": FittedAttributes,
    "TokenFeatures": FittedTemplates,
}
_KIND = "SequenceTagger"
_becoming = threading.RLock()


class _Light(NamedTuple):
    """What labels sentences."""

    contents: Contents
    tagger: ChainTagger
    coef: NDArray[np.float64]
    classes: NDArray[Any]
    names: list[Any]


class LoadedTagger:
    """A `SequenceTagger` from a file, until it is asked for more than tags.

    It holds the weights and what makes columns of tokens, and labels sentences by one compiled
    call. Whatever else is asked of it, an attribute, a method, a copy, makes it the
    `SequenceTagger` that it stands for: from then on it is one, and scikit-learn is imported.
    Sentences that the compiled call does not take ask for it, too, and get its errors.

    Parameters
    ----------
    contents : Contents
        Of the file.
    state : dict
        Of the model.
    """

    def __init__(self, contents: Contents, state: State) -> None:
        n_features, classes = state["n_features"], checked_classes(state)
        k = len(classes)
        transition = n_features * k
        places = 0, transition, transition + k * k, transition + k * k + k
        (features,) = contents.learned(["features"], _FEATURES.get).values()
        source = features.compiled()
        if source is None or features.n_features_out_ != n_features:
            raise ModelFileError("no compiled call reads its tokens")
        allowed = _allowed(contents, state)
        forbidden = None if allowed is None else allowed.scores()
        # Past __setattr__, which asks for the whole.
        vars(self).update(
            _light=_Light(
                contents,
                ChainTagger(source, n_features, k, places, forbidden),
                contents.flat_weights(places[-1] + k),
                classes,
                classes.tolist(),
            )
        )

    @classmethod
    def of(cls, contents: Contents) -> LoadedTagger | None:
        """The tagger in a file; None if it is no plain one, or something in it is wrong, which
        whoever reads all of it tells."""
        try:
            estimator = contents.header["estimator"]
            if estimator["class"] != _KIND:
                return None
            state = contents.state()
            if state["n_edge_features"] or "pairs" in state or len(state["classes"]) < 2:
                return None
            return cls(contents, state)
        except (LookupError, TypeError, ValueError, ModelFileError):
            return None

    def tag(self, tokens: Any) -> list[Any]:
        """See `SequenceTagger.tag`."""
        labels: list[Any] | None = None
        if (light := _light(self)) is not None:
            labels = light.tagger.tag(tokens, light.coef, light.names)
        if labels is None:
            labels = _whole(self).tag(tokens)
        return labels

    def predict(self, X: Any) -> list[Any]:
        """See `SequenceTagger.predict`."""
        if type(X) is list and (light := _light(self)) is not None:
            answer = light.tagger.tag_all(X, light.coef)
            if answer is not None:
                numbers, offsets = answer
                tags = light.classes[numbers]
                return [tags[start:stop] for start, stop in itertools.pairwise(offsets.tolist())]
        found: list[Any] = _whole(self).predict(X)
        return found

    @property
    def classes_(self) -> NDArray[Any]:
        light = _light(self)
        classes: NDArray[Any] = _whole(self).classes_ if light is None else light.classes
        return classes

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # For isinstance, which looks here after it looked at the type.
        return registry.class_named(_KIND)

    def __getattr__(self, name: str) -> Any:
        return getattr(_whole(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_whole(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_whole(self), name)

    def __repr__(self) -> str:
        return repr(_whole(self))

    def __dir__(self) -> Any:
        return dir(_whole(self))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _whole(self).__reduce_ex__(protocol)


def _allowed(contents: Contents, state: State) -> Allowed | None:
    """The constraints, as `ChainModel` has them."""
    constraints, classes = contents.parameter("constraints"), state["classes"]
    if constraints is None:
        return None
    if isinstance(constraints, str) and constraints == SEEN:
        ends = np.ones(len(classes), dtype=bool)
        return Allowed(state["seen"] != 0, ends, ends)
    gone = contents.parameter("on_violation") != "raise"
    return allowed_labels(constraints, classes, ignore_strangers=gone)


def _light(tagger: LoadedTagger) -> _Light | None:
    """What it labels with; None if another thread made it whole."""
    return vars(tagger).get("_light")


def _whole(tagger: LoadedTagger) -> Any:
    """Make it the estimator that the file holds."""
    with _becoming:
        if (light := _light(tagger)) is not None:
            whole = light.contents.estimator()
            vars(tagger).update(vars(whole))
            # As an assignment to __class__, past the property.
            vars(object)["__class__"].__set__(tagger, type(whole))
            del vars(tagger)["_light"]
    return tagger
