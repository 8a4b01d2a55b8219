"""Blocks of compiled features: scores by definition, and joint features that go with them."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from structsvm import ChainModel
from structsvm.inference import PythonMaximizer
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import BlockFeatures, RowBlock, StepBlock, TableBlock
from structsvm.problems._losses import LabelLoss
from structsvm.problems.layout import Layout

LENGTHS = np.array([3, 0, 1, 4])
OFFSETS = np.append(0, np.cumsum(LENGTHS))


class Case:
    """Features behind a maximizer that keeps theta and answers with no part at all."""

    def __init__(self, features):
        self.features = features
        self.n_parts = features.starts[:, -1]
        maximizer = PythonMaximizer(self.keep, self.n_parts, self.n_parts)
        offsets = np.append(0, np.cumsum(self.n_parts))
        self.problem = FactoredProblem(features, maximizer, None, None, offsets, 1.0)

    def keep(self, i, theta):
        self.theta[i] = theta
        return np.zeros(self.n_parts[i], dtype=int)

    def views(self, w):
        """The scores of all examples, by block."""
        self.theta = {}
        self.problem.predict(w)
        return [self.features.views(i, self.theta[i]) for i in range(len(self.n_parts))]

    def check_joint_features(self, w, scores, rng):
        """<w, psi> = <theta, mu>, for any counts of parts that are no padding."""
        for i, n in enumerate(self.n_parts):
            mu = np.zeros(n, dtype=int)
            for name, view in self.features.views(i, mu).items():
                k = scores[i][name].shape[1]
                view[:, :k] = rng.integers(0, 3, size=view[:, :k].shape)
            indices, values = self.problem.joint_feature(i, mu)
            assert (np.diff(indices) > 0).all()
            expected = sum(
                (view[:, : scores[i][name].shape[1]] * scores[i][name]).sum()
                for name, view in self.features.views(i, mu).items()
            )
            assert values @ w[indices] == pytest.approx(expected, abs=1e-9)
            # No weight is touched that the parts do not use.
            silent = self.problem.joint_feature(i, np.zeros(n, dtype=int))
            assert not len(silent[0])


def as_kind(x, kind):
    x = np.ascontiguousarray(x, dtype=np.float32 if kind.endswith("float") else np.float64)
    return x if kind.startswith("dense") else sp.csr_array(x)


@pytest.mark.parametrize("kind", ["dense double", "dense float", "csr double", "csr float"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("width", [1, 2, 3, 8, 11])
@pytest.mark.parametrize("intercept", [False, True])
def test_rows_times_a_matrix(kind, packed, pad, width, intercept):
    rng = np.random.default_rng(width)
    x = rng.integers(-2, 3, size=(OFFSETS[-1], 5)).astype(float)
    layout = Layout([("before", (3,)), ("matrix", (5 + intercept, width)), ("table", (2, width))])
    if packed:
        rows = FeatureRows(as_kind(x, kind), intercept=intercept)
    else:
        parts = [x[a:b] for a, b in itertools.pairwise(OFFSETS)]
        rows = [FeatureRows(as_kind(part, kind), intercept=intercept) for part in parts]
    block = RowBlock(
        rows, layout.place("matrix").start, width, offsets=OFFSETS if packed else None, pad=pad
    )
    table = TableBlock(len(LENGTHS), layout.place("table").start, 2, width, pad=pad)
    scale = np.array([0.5, 1.0, 2.0, 0.25])
    case = Case(BlockFeatures(layout.n_weights, {"rows": block, "table": table}, scale))
    w = rng.integers(-3, 4, size=layout.n_weights).astype(float)
    full = np.hstack([x, np.ones((len(x), 1))]) if intercept else x
    expected = []
    for i, views in enumerate(case.views(w)):
        own = full[OFFSETS[i] : OFFSETS[i + 1]] @ layout.views(w)["matrix"]
        expected.append({"rows": scale[i] * own, "table": scale[i] * layout.views(w)["table"]})
        for name, values in expected[i].items():
            assert np.array_equal(views[name][:, :width], values)
    case.check_joint_features(w, expected, rng)


@pytest.mark.parametrize("kind", ["dense double", "csr double", "csr float"])
def test_scores_that_share_a_column(kind):
    rng = np.random.default_rng(0)
    column_of = np.array([0, 0, 1, 2, 2, 2, 2, 2, 2], dtype=np.int32)
    x = rng.integers(-2, 3, size=(OFFSETS[-1], 4)).astype(float)
    layout = Layout([("matrix", (4, 3))])
    rows = FeatureRows(as_kind(x, kind), intercept=False)
    block = RowBlock(rows, 0, 9, offsets=OFFSETS, pad=True, column_of=column_of)
    case = Case(BlockFeatures(layout.n_weights, {"rows": block}))
    w = rng.integers(-3, 4, size=layout.n_weights).astype(float)
    expected = [{"rows": (x @ w.reshape(4, 3))[a:b, column_of]}
                for a, b in itertools.pairwise(OFFSETS)]  # fmt: skip
    for views, values in zip(case.views(w), expected, strict=True):
        assert np.array_equal(views["rows"][:, :9], values["rows"])
    case.check_joint_features(w, expected, rng)


@pytest.mark.parametrize("n_labels", [2, 9])
def test_steps_are_a_table_and_what_their_features_add(n_labels):
    rng = np.random.default_rng(n_labels)
    z = rng.integers(-2, 3, size=(OFFSETS[-1], 3)).astype(float)
    layout = Layout([("table", (n_labels, n_labels)), ("step", (3, n_labels, n_labels))])
    place = layout.place("step").start
    rows = FeatureRows(sp.csr_array(z), intercept=False)
    step = StepBlock(0, RowBlock(rows, place, n_labels**2, offsets=OFFSETS), n_labels)
    case = Case(BlockFeatures(layout.n_weights, {"step": step}))
    w = rng.integers(-3, 4, size=layout.n_weights).astype(float)
    table, own = layout.views(w)["table"], layout.views(w)["step"]
    found = case.views(w)
    expected = []
    for i, n in enumerate(LENGTHS):
        squares = table + np.tensordot(z[OFFSETS[i] : OFFSETS[i + 1]], own, axes=1)
        views = found[i]["step"][:, :n_labels].reshape(-1, n_labels, n_labels)
        assert len(views) == max(n, 1)
        assert np.array_equal(views[1:], squares[1:])
        expected.append({"step": np.concatenate([views[:1], squares[1:]]).reshape(-1, n_labels)})
        # The square of the first item, which nobody uses, has other weights: leave it out.
        mu = np.zeros(case.n_parts[i], dtype=int)
        view = case.features.views(i, mu)["step"]
        view[n_labels:, :n_labels] = rng.integers(0, 3, size=view[n_labels:, :n_labels].shape)
        indices, values = case.problem.joint_feature(i, mu)
        total = (view[:, :n_labels] * expected[i]["step"]).sum()
        assert values @ w[indices] == pytest.approx(total, abs=1e-9)


def test_scores_that_are_not_finite_are_met_in_the_padding_of_none():
    layout = Layout([("a", (2, 3)), ("b", (5,))])
    table = TableBlock(1, 0, 2, 3, pad=True)
    case = Case(BlockFeatures(layout.n_weights, {"table": table}))
    w = np.zeros(layout.n_weights + 8)[: layout.n_weights]
    w[6:] = np.nan  # behind the table, where padding is read from
    case.views(w)
    w[4] = np.inf
    with pytest.raises(ValueError, match=r"weights\[4\] is not finite"):
        case.views(w)


def test_pieces_that_do_not_fit_are_refused():
    rows = FeatureRows(np.ones((3, 2)), intercept=False)
    with pytest.raises(ValueError, match="the rows of example 1 are 2 to 4, but there are 3"):
        RowBlock(rows, 0, 2, offsets=np.array([0, 2, 4]))
    other = FeatureRows(sp.csr_array(np.ones((3, 2))), intercept=False)
    with pytest.raises(ValueError, match="dense in some examples, sparse in others"):
        RowBlock([rows, other], 0, 2)
    with pytest.raises(ValueError, match="the features of example 1 differ in number"):
        RowBlock([rows, FeatureRows(np.ones((3, 1)), intercept=False)], 0, 2)
    with pytest.raises(ValueError, match="a column for each score, not after the score"):
        RowBlock([rows], 0, 2, column_of=np.ones(2, dtype=np.int32))
    with pytest.raises(ValueError, match=r"rows of 3 scores, expected squares of 2 \* 2"):
        StepBlock(0, RowBlock([other], 0, 3), 2)
    with pytest.raises(ValueError, match="features of steps must be CSR of float64"):
        StepBlock(0, RowBlock([rows], 0, 4), 2)
    blocks = {"rows": RowBlock([rows], 0, 2), "table": TableBlock(2, 0, 1, 1)}
    with pytest.raises(ValueError, match="block 'table' has rows of 2 examples, expected 1"):
        BlockFeatures(9, blocks)
    with pytest.raises(ValueError, match="reach to weight 6, but there are 5"):
        BlockFeatures(5, {"table": TableBlock(1, 2, 2, 2)})
    with pytest.raises(ValueError, match="2 scales, expected 1"):
        BlockFeatures(9, {"rows": RowBlock([rows], 0, 2)}, np.ones(2))
    case = Case(BlockFeatures(9, {"table": TableBlock(1, 0, 2, 3, pad=True)}))
    with pytest.raises(ValueError, match="part 11 of example 0 is padding"):
        case.problem.joint_feature(0, np.arange(16) == 11)


def test_layouts_know_where_blocks_lie():
    layout = Layout([("a", (2, 3)), ("none", (0, 4)), ("b", ()), ("c", (4,))])
    assert layout.n_weights == 11
    assert layout.place("a", "none", "b") == slice(0, 7)
    assert layout.place("c") == slice(7, 11)
    assert "b" in layout
    assert "d" not in layout
    w = np.arange(11.0)
    views = layout.views(w)
    assert {name: view.shape for name, view in views.items()} == layout.shapes
    views["b"][...] = 9.0
    assert w[6] == 9.0
    with pytest.raises(ValueError, match="block 'c' starts at 7, not at 6"):
        layout.place("a", "c")
    with pytest.raises(ValueError, match="there are two blocks 'a'"):
        Layout([("a", (1,)), ("a", (2,))])
    blocks = {"x": TableBlock(2, 0, 2, 3), "y": TableBlock(2, 6, 1, 4, pad=True)}
    parts = BlockFeatures(10, blocks)
    assert parts.starts.tolist() == [[0, 6, 14], [0, 6, 14]]
    assert {k: v.shape for k, v in parts.views(0, np.zeros(14)).items()} == {
        "x": (2, 3),
        "y": (1, 8),
    }


def test_true_labels_that_are_no_output_end_in_an_error():
    """Not in a search for a block that has their parts."""
    model = ChainModel()
    model.initialize([np.eye(2)], [[0, 1]])
    problem = model.bind([np.eye(2)], [[0, 1]])
    offsets = problem.label_offsets
    wrong = FactoredProblem(
        problem.features,
        problem.maximizer,
        LabelLoss(offsets, 1.0 - np.eye(16), np.ones(2), row_size=16),  # knows more labels
        np.array([15, 1], dtype=np.int32),
        offsets,
        1.0,
    )
    with pytest.raises(ValueError, match="part 15 of example 0 is padding"):
        wrong.oracle(0, np.zeros(problem.n_weights))
