"""Linear models as modules, and last layers: the outputs and the objective of the estimators."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from structsvm import ChainSVM, GraphSVM, GridSVM, MulticlassSVM  # noqa: E402
from structsvm.datasets import make_segmentation  # noqa: E402
from structsvm.losses import HammingLoss  # noqa: E402
from structsvm.torch import ChainLayer, last_layer, to_torch  # noqa: E402


def padded(X, y):
    longest = max(map(len, X))
    features = torch.zeros(len(X), longest, X[0].shape[1])
    tags = torch.zeros(len(X), longest, dtype=torch.int64)
    mask = torch.zeros(len(X), longest, dtype=torch.bool)
    for i, (x, labels) in enumerate(zip(X, y, strict=True)):
        features[i, : len(x)] = torch.tensor(x)
        tags[i, : len(x)] = torch.tensor(labels)
        mask[i, : len(x)] = True
    return features, tags, mask


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"transitions": False, "boundary": False},
        {"constraints": [(0, 1)], "on_violation": "repair"},
        {"loss": HammingLoss(cost=[[0, 1, 2], [1, 0, 1], [3, 1, 0]])},
    ],
)
@pytest.mark.filterwarnings("ignore:.*break the constraints")
def test_chains_decode_alike_and_have_the_hinge_of_the_objective(words, params):
    X, y = words
    svm = ChainSVM(C=0.3, scale=None, random_state=0, **params).fit(X, y)
    layer = to_torch(svm)
    features, tags, mask = padded(X, y)
    for found, expected in zip(layer.decode(features, mask), svm.predict(X), strict=True):
        assert svm.classes_[found].tolist() == expected.tolist()
    if "constraints" not in params:
        hinges = float(layer(features, tags, mask, "sum").detach())
        objective = 0.5 * np.sum(svm.coef_**2) + 0.3 * hinges
        assert objective == pytest.approx(svm.objective_, rel=1e-3)


def test_chains_fine_tune(words):
    X, y = words
    layer = to_torch(ChainSVM(C=0.01, random_state=0).fit(X, y))
    batch = padded(X, y)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    before = float(layer(*batch).detach())
    for _ in range(20):
        optimizer.zero_grad()
        layer(*batch).backward()
        optimizer.step()
    assert float(layer(*batch).detach()) < 0.9 * before


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"connectivity": 8, "contrast": (0.5, 2.0), "directions": True},
        {"contrast_channels": [1], "edge_intercept": False},
        {"contrast": False, "directions": True, "edge_intercept": False},
        {"class_weight": {0: 1.0, 1: 2.0}},
    ],
)
def test_grids_label_alike(params):
    blobs = make_segmentation(noise=1.5, random_state=0)
    X = [x[:12, :12] for x in blobs.X_train[:4]]
    y = [labels[:12, :12] for labels in blobs.y_train[:4]]
    svm = GridSVM(C=1.0, tol=0.05, random_state=0, **params).fit(X, y)
    layer = to_torch(svm).double()
    features = torch.tensor(np.stack(X)).movedim(-1, 1)
    labels = layer.decode(features)
    same = np.mean(svm.classes_[labels.numpy()] == np.stack(svm.predict(X)))
    assert same > 0.999  # weights are rounded to float32
    loss = layer(features, torch.tensor(np.stack(y)))
    loss.backward()
    assert layer.node.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("n_classes", [2, 10])
def test_classes_are_those_of_the_linear_layer(n_classes):
    X, y = load_digits(n_class=n_classes, return_X_y=True)
    svm = MulticlassSVM(random_state=0).fit(X[:200], y[:200])
    layer = to_torch(svm).double()
    scores = layer(torch.tensor(X[200:300])).detach().numpy()
    np.testing.assert_array_equal(svm.classes_[scores.argmax(axis=1)], svm.predict(X[200:300]))


class Encoder(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, X):
        return self.drop(self.layer(X).tanh())


def test_last_layers_of_sequences_are_certified(words):
    X, y = words
    features, tags, mask = padded(X, y)
    torch.manual_seed(0)
    encoder = Encoder(torch.nn.Linear(5, 8))
    tags[0, 0] = -100
    batches = [tuple(part[a : a + 10] for part in (features, tags, mask)) for a in (0, 10, 20)]
    svm = last_layer(encoder, batches)
    assert encoder.training
    assert svm.certified_
    assert svm.dual_gap_ <= 1e-3
    layer = to_torch(svm)
    assert isinstance(layer, ChainLayer)
    encoder.eval()
    found = layer.decode(encoder(features), mask)
    assert (
        np.mean(
            [
                a == b
                for row, own in zip(found, y, strict=True)
                for a, b in zip(row, own, strict=True)
            ]
        )
        > 0.6
    )
    own = last_layer(encoder, batches, ChainSVM(C=0.01, random_state=0, ignore_label=-100))
    assert own.C == 0.01
    assert not encoder.training


def test_last_layers_of_images_and_rows():
    torch.manual_seed(0)
    X, y = torch.randn(3, 2, 6, 5), torch.randint(2, (3, 6, 5))
    svm = last_layer(torch.nn.Conv2d(2, 3, 1), [(X, y)])
    assert isinstance(svm, GridSVM)
    assert svm.n_features_in_ == 3
    rows, classes = torch.randn(30, 4), torch.arange(30) % 3
    svm = last_layer(torch.nn.Linear(4, 6), [(rows[:15], classes[:15]), (rows[15:], classes[15:])])
    assert isinstance(svm, MulticlassSVM)
    assert svm.coef_.shape == (3, 6)


def test_bad_input(words):
    X, y = words
    with pytest.raises(TypeError, match="svm is GraphSVM, expected"):
        to_torch(GraphSVM())
    with pytest.raises(ValueError, match="svm has order=2"):
        to_torch(ChainSVM(order=2, random_state=0, C=0.1).fit(X, y))
    with pytest.raises(ValueError, match="not fitted"):
        to_torch(ChainSVM())
    edges = [(x, np.ones((len(x), 1))) for x in X]
    with pytest.raises(ValueError, match="svm has edge features"):
        to_torch(ChainSVM(random_state=0, C=0.1).fit(edges, y))
    with pytest.raises(ValueError, match="kernel='rbf'"):
        to_torch(MulticlassSVM(kernel="rbf", random_state=0).fit(X[0], np.arange(len(X[0])) % 2))
    encoder = torch.nn.Linear(2, 3)
    good = torch.randn(4, 5, 2), torch.zeros(4, 5, dtype=torch.int64)
    with pytest.raises(ValueError, match="loader has no examples"):
        last_layer(encoder, [])
    with pytest.raises(ValueError, match="batch 0 of loader is no"):
        last_layer(encoder, [good[0]])
    with pytest.raises(ValueError, match="labels of batch 1 have shape"):
        last_layer(encoder, [good, (good[0], good[1][:, :3])])
    with pytest.raises(ValueError, match="mask of batch 0 has shape"):
        last_layer(encoder, [(*good, torch.ones(4, 4, dtype=torch.bool))])
    with pytest.raises(ValueError, match="svm is GridSVM, but module returns features of 3"):
        last_layer(encoder, [good], GridSVM())


def test_void_rows_are_left_out():
    torch.manual_seed(0)
    X, y = torch.randn(30, 4), torch.randint(3, (30,))
    y[::5] = -100
    svm = last_layer(torch.nn.Identity(), [(X[:10], y[:10]), (X[10:], y[10:])])
    known = last_layer(torch.nn.Identity(), [(X[y >= 0], y[y >= 0])])
    assert svm.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(svm.coef_, known.coef_)
    with pytest.raises(ValueError, match="no examples with labels"):
        last_layer(torch.nn.Identity(), [(X[:1], y[:1])])
    with pytest.raises(TypeError, match="mask of batch 0 is list"):
        last_layer(torch.nn.Identity(), [(X[None], y[None], [True])])
