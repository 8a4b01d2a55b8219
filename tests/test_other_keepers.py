"""Every estimator goes through skops and MLflow's scikit-learn flavour, and predicts as before."""

import inspect

import numpy as np
import pytest

import structsvm
from structsvm import (
    AlignmentSVM,
    ChainModel,
    ChainSVM,
    DecisionSVM,
    DependencyParser,
    GraphSVM,
    GridSVM,
    LatentSVM,
    MulticlassSVM,
    MultiLabelSVM,
    PathSearch,
    RankingSVM,
    SequenceTagger,
    SpanSVM,
    StructSVM,
    SurrogateSVM,
)

WORDS = [["the", "cat", "runs"], ["a", "dog"], ["the", "dog", "runs"]]
TAGS = [["B-NP", "I-NP", "O"], ["B-NP", "I-NP"], ["B-NP", "I-NP", "O"]]
TREES = [[("the", "D"), ("cat", "N"), ("runs", "V")], [("dogs", "N"), ("run", "V")]]
ROWS = np.array([[2.0, 0, 0], [0, 2, 0], [0, 0, 2], [1, 0, 1]])
CHAINS = [[[1.0, 0], [0, 1]], [[0, 1.0], [1, 0]]], [["a", "b"], ["b", "a"]]
SETS = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
EDGES = [[0, 1], [1, 2]]


def best(theta, x):
    return np.argsort(-theta)[:2]


#: An estimator, what `fit` takes, and what `predict` takes.
FITS = {
    ChainSVM: (ChainSVM(random_state=0), CHAINS, CHAINS[0]),
    SequenceTagger: (SequenceTagger(constraints="iob2", random_state=0), (WORDS, TAGS), WORDS),
    SpanSVM: (
        SpanSVM(random_state=0),
        ([np.eye(3)] * 2, [[(0, 2, "x"), (2, 3, "y")]] * 2),
        [np.eye(3)],
    ),
    AlignmentSVM: (
        AlignmentSVM(random_state=0),
        ([("abc", "ac"), ("bc", "abc")], [[(0, 0), (2, 1)], [(0, 1), (1, 2)]]),
        [("abc", "bc")],
    ),
    GridSVM: (GridSVM(random_state=0), ([np.eye(4)[..., None]], [np.eye(4, dtype=int)]), None),
    GraphSVM: (
        GraphSVM(random_state=0),
        ([([[1.0], [0.8], [-1.0]], EDGES)], [["on", "on", "off"]]),
        None,
    ),
    MulticlassSVM: (MulticlassSVM(kernel="rbf", random_state=0), (ROWS, list("abca")), ROWS),
    DependencyParser: (DependencyParser(random_state=0), (TREES, [[2, 3, 0], [2, 0]]), TREES),
    MultiLabelSVM: (MultiLabelSVM(random_state=0), (ROWS, SETS), ROWS),
    RankingSVM: (RankingSVM(random_state=0), (ROWS, [0, 1, 2, 1]), ROWS),
    StructSVM: (StructSVM(ChainModel(), random_state=0), CHAINS, CHAINS[0]),
    LatentSVM: (
        LatentSVM(ChainModel(), random_state=0),
        (CHAINS[0], [["a", None], ["b", "a"]]),
        CHAINS[0],
    ),
    SurrogateSVM: (SurrogateSVM(), (ROWS, [0, 1, 1, 0]), ROWS),
    PathSearch: (PathSearch(MulticlassSVM(random_state=0), Cs=[0.1, 1.0], cv=2), None, ROWS),
}


@pytest.fixture(params=FITS, ids=lambda kind: kind.__name__)
def fitted(request):
    svm, data, X = FITS[request.param]
    if data is None:
        data = np.repeat(ROWS, 2, axis=0), list("aabbccaa")
    svm.fit(*data)
    return svm, data[0] if X is None else X


def same(a, b):
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b)


def test_all_estimators_are_here():
    found = {
        value
        for value in (getattr(structsvm, name) for name in structsvm.__all__)
        if inspect.isclass(value) and hasattr(value, "fit")
    }
    assert found - {DecisionSVM} == set(FITS)  # whose decisions are a function of the user's


def types_of(svm):
    """What a file of skops holds that skops does not know."""
    io = pytest.importorskip("skops.io", reason="skops is not installed: pip install skops")
    return io.get_untrusted_types(data=io.dumps(svm))


def test_skops(fitted):
    svm, X = fitted
    trusted = types_of(svm)
    assert all(name.startswith(("structsvm.", "numpy", "sklearn", "scipy")) for name in trusted)
    io = pytest.importorskip("skops.io")
    assert same(io.loads(io.dumps(svm), trusted=trusted).predict(X), svm.predict(X))


@pytest.mark.filterwarnings("ignore")  # MLflow's, about itself
@pytest.mark.parametrize("file_format", ["cloudpickle", "skops"])
def test_mlflow(fitted, tmp_path, file_format):
    mlflow = pytest.importorskip("mlflow.sklearn", reason="MLflow is not installed")
    svm, X = fitted
    options = {"serialization_format": file_format, "pip_requirements": []}  # finding them is slow
    if file_format == "skops":
        if "skops_trusted_types" not in inspect.signature(mlflow.save_model).parameters:
            pytest.skip("this MLflow keeps no files of skops")
        options["skops_trusted_types"] = types_of(svm)
    mlflow.save_model(svm, tmp_path / "model", **options)
    assert same(mlflow.load_model(str(tmp_path / "model")).predict(X), svm.predict(X))
