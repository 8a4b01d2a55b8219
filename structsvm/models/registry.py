"""The families of structures, one row each.

The public names of the package and of `models` and `estimators` come from here, model files may
hold these classes, and the tests run over all of them. Classes are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # the same names, for type checkers
    from structsvm.estimators.alignment import AlignmentSVM as AlignmentSVM
    from structsvm.estimators.chain import ChainSVM as ChainSVM
    from structsvm.estimators.decision import DecisionSVM as DecisionSVM
    from structsvm.estimators.dependency import DependencyParser as DependencyParser
    from structsvm.estimators.graph import GraphSVM as GraphSVM
    from structsvm.estimators.graph import GridSVM as GridSVM
    from structsvm.estimators.label_sets import MultiLabelSVM as MultiLabelSVM
    from structsvm.estimators.multiclass import MulticlassSVM as MulticlassSVM
    from structsvm.estimators.ranking import RankingSVM as RankingSVM
    from structsvm.estimators.spans import SpanSVM as SpanSVM
    from structsvm.estimators.tagger import SequenceTagger as SequenceTagger
    from structsvm.models.alignment import AlignmentModel as AlignmentModel
    from structsvm.models.chain import ChainModel as ChainModel
    from structsvm.models.decisions import DecisionModel as DecisionModel
    from structsvm.models.dependency import DependencyModel as DependencyModel
    from structsvm.models.graph import GraphModel as GraphModel
    from structsvm.models.grid import GridModel as GridModel
    from structsvm.models.hidden_states import HiddenStates as HiddenStates
    from structsvm.models.kernel_multiclass import KernelMulticlassModel as KernelMulticlassModel
    from structsvm.models.label_sets import MultiLabelModel as MultiLabelModel
    from structsvm.models.multiclass import MulticlassModel as MulticlassModel
    from structsvm.models.parts import PartsModel as PartsModel
    from structsvm.models.ranking import RankingModel as RankingModel
    from structsvm.models.spans import SpanModel as SpanModel
    from structsvm.models.typed_graph import TypedGraphModel as TypedGraphModel
    from structsvm.models.volume import VolumeModel as VolumeModel


class Family(NamedTuple):
    """A kind of structure: its model and its estimators."""

    name: str
    model: str  #: module and class, as in "models.chain:ChainModel"
    estimators: tuple[str, ...] = ()

    def load_model(self) -> Any:
        """The class of its models."""
        return _load(self.model)

    def load_estimators(self) -> list[Any]:
        return [_load(place) for place in self.estimators]


FAMILIES = (
    Family(
        "chain",
        "models.chain:ChainModel",
        ("estimators.chain:ChainSVM", "estimators.tagger:SequenceTagger"),
    ),
    Family("alignment", "models.alignment:AlignmentModel", ("estimators.alignment:AlignmentSVM",)),
    Family("spans", "models.spans:SpanModel", ("estimators.spans:SpanSVM",)),
    Family("grid", "models.grid:GridModel", ("estimators.graph:GridSVM",)),
    Family("volume", "models.volume:VolumeModel"),
    Family("graph", "models.graph:GraphModel", ("estimators.graph:GraphSVM",)),
    Family("typed graph", "models.typed_graph:TypedGraphModel"),
    Family(
        "multiclass", "models.multiclass:MulticlassModel", ("estimators.multiclass:MulticlassSVM",)
    ),
    Family("kernel multiclass", "models.kernel_multiclass:KernelMulticlassModel"),
    Family(
        "dependency trees",
        "models.dependency:DependencyModel",
        ("estimators.dependency:DependencyParser",),
    ),
    Family("hidden states", "models.hidden_states:HiddenStates"),
    Family("parts", "models.parts:PartsModel"),
    Family("decisions", "models.decisions:DecisionModel", ("estimators.decision:DecisionSVM",)),
    Family(
        "label sets",
        "models.label_sets:MultiLabelModel",
        ("estimators.label_sets:MultiLabelSVM",),
    ),
    Family("rankings", "models.ranking:RankingModel", ("estimators.ranking:RankingSVM",)),
)


def places(room: str = "") -> dict[str, str]:
    """The place of each class, as "models.chain:ChainModel", by name; of one room or of all."""
    found = (place for family in FAMILIES for place in (family.model, *family.estimators))
    return {place.partition(":")[2]: place for place in found if place.startswith(room)}


def load_class(name: str) -> Any:
    """The model or estimator of this name.

    Raises
    ------
    KeyError
        If no family has it.
    """
    return _load(places()[name])


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"structsvm.{module}"), name)
