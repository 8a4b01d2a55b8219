"""The registry of families, and what is made of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import structsvm
from structsvm import StructuredModel
from structsvm.models.registry import FAMILIES, load_class, places

TABLE = (Path(__file__).parents[2] / "docs" / "guide" / "models.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_row_names_what_is_there_and_public(family):
    model, estimators = family.load_model(), family.load_estimators()
    assert issubclass(model, StructuredModel)
    assert all(issubclass(estimator, BaseEstimator) for estimator in estimators)
    assert getattr(structsvm.models, model.__name__) is model
    for one in (model, *estimators):
        assert getattr(structsvm, one.__name__) is one
        assert one.__name__ in structsvm.__all__
        assert load_class(one.__name__) is one
    for one in estimators:
        assert getattr(structsvm.estimators, one.__name__) is one
        assert one.__name__ in TABLE


def test_places_of_one_room():
    models, estimators = places("models"), places("estimators")
    assert models["ChainModel"] == "models.chain:ChainModel"
    assert "ChainModel" not in estimators
    assert models | estimators == places()


def test_other_names_are_refused():
    for room in (structsvm, structsvm.models, structsvm.estimators):
        with pytest.raises(AttributeError, match="has no attribute 'ChainMode'"):
            room.ChainMode  # noqa: B018


def test_names_cost_nothing_before_they_are_used():
    code = (
        "import sys, structsvm.models, structsvm.estimators; "
        "assert 'ChainSVM' in dir(structsvm); assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
