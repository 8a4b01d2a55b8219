"""MatchingHinge, TreeHinge and SPOPlus against enumeration and against PyEPO."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from structsvm.inference import Knapsack, ShortestPath, Subset, dependency_tree  # noqa: E402
from structsvm.torch import MatchingHinge, SPOPlus, TreeHinge  # noqa: E402


def matchings(n_rows, n_columns, partial):
    """All columns of the rows, -1 where a row is left out."""
    for columns in itertools.product(range(-1, n_columns), repeat=n_rows):
        used = [c for c in columns if c >= 0]
        if len(set(used)) == len(used) and (partial or len(used) == min(n_rows, n_columns)):
            yield columns


def of_pairs(scores, columns):
    return sum((scores[r, c] for r, c in enumerate(columns) if c >= 0), scores.new_zeros(()))


def matching_gain(scores, truth, columns):
    a, b = ({(r, c) for r, c in enumerate(x) if c >= 0} for x in (truth, columns))
    return of_pairs(scores, columns) - of_pairs(scores, truth) + len(a ^ b)


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_hinges_of_matchings(seed, partial):
    rng = np.random.default_rng(seed)
    scores = torch.tensor(rng.normal(size=(3, 3, 4)), requires_grad=True)
    sizes = [(3, 4), (2, 3), (3, 2)]
    columns = torch.full((3, 3), 99)
    expected = []
    for b, shape in enumerate(sizes):
        all_of_them = list(matchings(*shape, partial))
        truth = all_of_them[rng.integers(len(all_of_them))]
        columns[b, : shape[0]] = torch.tensor(truth)
        own = scores[b, : shape[0], : shape[1]]
        expected.append(
            torch.stack([matching_gain(own, truth, other) for other in all_of_them]).max()
        )
    hinge = MatchingHinge(partial=partial, reduction="none")
    n_rows, n_columns = zip(*sizes, strict=True)
    found = hinge(scores, columns, n_rows=n_rows, n_columns=torch.tensor(n_columns))
    torch.testing.assert_close(found, torch.stack(expected))
    a, b = (torch.autograd.grad(x.sum(), scores)[0] for x in (found, torch.stack(expected)))
    torch.testing.assert_close(a, b)
    best = hinge.decode(scores, n_rows=n_rows, n_columns=n_columns)
    for b, (rows, width) in enumerate(sizes):
        own = scores[b, :rows, :width].detach()
        most = max(float(of_pairs(own, each)) for each in matchings(rows, width, partial))
        assert float(of_pairs(own, best[b, :rows].tolist())) == pytest.approx(most)
        assert (best[b, rows:] == -1).all()


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ([[0, 0]], {}, "columns of example 0 has column 0 twice"),
        ([[0, 2]], {}, "columns of example 0, row 1 is 2, expected 0 to 1"),
        ([[0, -2]], {}, "row 1 is -2"),
        ([[0, -1]], {}, "columns of example 0 has 1 pairs, expected 2"),
        ([[0]], {}, "columns has shape"),
        ([[0, 1]], {"n_rows": [3]}, "n_rows has numbers from 3 to 3, expected 0 to 2"),
        ([[0, 1]], {"n_columns": [1, 2]}, "n_columns has shape"),
    ],
)
def test_bad_matchings(columns, more, message):
    with pytest.raises(ValueError, match=message):
        MatchingHinge()(torch.zeros(1, 2, 2), torch.tensor(columns), **more)
    with pytest.raises(TypeError, match="columns has dtype"):
        MatchingHinge()(torch.zeros(1, 2, 2), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="scores has 2 dimensions"):
        MatchingHinge()(torch.zeros(2, 2), torch.zeros(1, 2))


def trees(n, projective):
    for heads in itertools.product(range(n + 1), repeat=n):
        if heads.count(0) != 1 or any(h == m + 1 for m, h in enumerate(heads)):
            continue
        arcs = np.full((n + 1, n), -1.0)
        arcs[list(heads), range(n)] = 1.0
        if dependency_tree(arcs, projective=projective)[1] == n:
            yield heads


@pytest.mark.parametrize("projective", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_hinges_of_trees(seed, projective):
    rng = np.random.default_rng(seed)
    arcs = torch.tensor(rng.normal(size=(3, 5, 4)), requires_grad=True)
    lengths = [4, 2, 3]
    heads = torch.full((3, 4), 77)
    expected = []
    for b, n in enumerate(lengths):
        outputs = list(trees(n, projective))
        truth = outputs[rng.integers(len(outputs))]
        heads[b, :n] = torch.tensor(truth)
        gains = [
            sum(
                arcs[b, h, m] - arcs[b, t, m] + (h != t)
                for m, (h, t) in enumerate(zip(other, truth, strict=True))
            )
            for other in outputs
        ]
        expected.append(torch.stack(gains).max())
    with torch.no_grad():
        arcs[:, [1, 2, 3, 4], [0, 1, 2, 3]] = torch.nan  # no token heads itself
        arcs[1, 3:], arcs[1, :, 2:] = torch.nan, torch.nan
    hinge = TreeHinge(projective=projective, reduction="none")
    found = hinge(arcs, heads, lengths=lengths)
    torch.testing.assert_close(found, torch.stack(expected))
    a, b = (torch.autograd.grad(x.sum(), arcs)[0] for x in (found, torch.stack(expected)))
    torch.testing.assert_close(a, b)
    best = hinge.decode(arcs, lengths=torch.tensor(lengths))
    for b, n in enumerate(lengths):
        own = arcs[b, : n + 1, :n].detach().numpy()
        assert best[b, :n].tolist() == dependency_tree(own, projective=projective)[0].tolist()
        assert (best[b, n:] == -1).all()


def test_bad_trees():
    arcs, heads = torch.zeros(1, 3, 2), torch.tensor([[0, 1]])
    hinge = TreeHinge()
    with pytest.raises(ValueError, match="arcs has shape"):
        hinge(torch.zeros(1, 3, 3), heads)
    with pytest.raises(ValueError, match="heads of sentence 0, token 2 is 3, expected 0 to 2"):
        hinge(arcs, torch.tensor([[0, 3]]))
    with pytest.raises(ValueError, match="heads has shape"):
        hinge(arcs, torch.tensor([[0]]))
    with pytest.raises(TypeError, match="heads has dtype"):
        hinge(arcs, heads.float())
    with pytest.raises(ValueError, match="heads"):
        hinge(arcs, torch.tensor([[2, 1]]))
    with pytest.raises(ValueError, match="lengths has numbers"):
        hinge(arcs, heads, lengths=[3])
    with pytest.raises(ValueError, match="scores of example 0"):
        hinge(torch.full((1, 3, 2), torch.nan), heads)


STREETS = [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
PATHS = torch.tensor([[1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [1, 0, 1, 0, 1]]).double()


@pytest.mark.parametrize("seed", range(3))
def test_spo_plus_is_its_formula(seed):
    rng = np.random.default_rng(seed)
    predicted = torch.tensor(rng.random((4, 5)), requires_grad=True)
    true = torch.tensor(rng.random((4, 5)))
    best = PATHS[(true @ PATHS.T).argmin(dim=1)]
    objective = (true * best).sum(dim=1)
    expected = ((true - 2 * predicted) @ PATHS.T).max(dim=1).values
    expected = expected + 2 * (predicted * best).sum(dim=1) - objective
    spo = SPOPlus(ShortestPath(STREETS, 0, 3), reduction="none")
    for args in ((), (best,), (best, objective), (best, objective[:, None])):
        found = spo(predicted, true, *args)
        torch.testing.assert_close(found, expected)
    a, b = (torch.autograd.grad(x.sum(), predicted)[0] for x in (found, expected))
    torch.testing.assert_close(a, b)
    regret = (true * spo.decode(predicted)).sum(dim=1) - objective
    assert (found >= regret - 1e-12).all()


def test_costs_that_are_to_be_great():
    spo = SPOPlus(Knapsack([1, 1, 1], 1), sense="maximize")
    predicted = torch.tensor([[3.0, 1.0, 0.5]], requires_grad=True)
    true = torch.tensor([[1.0, 2.0, 0.0]])
    loss = spo(predicted, true)
    loss.backward()
    # max over one item of 2 * predicted - true, less 2 * 1 for the true item, plus its 2.
    assert loss == 5.0 - 2.0 + 2.0
    assert predicted.grad.tolist() == [[2.0, -2.0, 0.0]]
    assert spo.decode(predicted).tolist() == [[1, 0, 0]]


def test_as_pyepo():
    pytest.importorskip("pyepo", reason="PyEPO is not installed: pip install --no-deps pyepo")
    from pyepo.func import SPOPlus as Theirs
    from pyepo.model.opt import optModel

    class Paths(optModel):
        def _getModel(self):  # noqa: N802
            return None, list(range(5))

        def setObj(self, c):  # noqa: N802
            self.costs = torch.as_tensor(np.asarray(c)).double()

        def solve(self):
            values = PATHS @ self.costs
            return PATHS[values.argmin()].numpy(), float(values.min())

    rng = np.random.default_rng(0)
    predicted = torch.tensor(rng.random((6, 5)), dtype=torch.float32, requires_grad=True)
    true = torch.tensor(rng.random((6, 5)), dtype=torch.float32)
    best = PATHS[(true.double() @ PATHS.T).argmin(dim=1)].float()
    objective = (true * best).sum(dim=1, keepdim=True)
    values = []
    for loss in (Theirs(Paths()), SPOPlus(ShortestPath(STREETS, 0, 3))):
        value = loss(predicted, true, best, objective)
        values.append((value, torch.autograd.grad(value, predicted)[0]))
    for a, b in zip(*values, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((torch.zeros(5), torch.zeros(5)), ValueError, "pred_cost has 1 dimensions"),
        ((torch.zeros(1, 5), torch.zeros(1, 5).long()), TypeError, "true_cost has dtype"),
        ((torch.zeros(1, 5), torch.zeros(2, 5)), ValueError, "true_cost has shape"),
        (
            (torch.full((1, 5), torch.nan), torch.zeros(1, 5)),
            ValueError,
            "pred_cost of example 0, part 0 is nan",
        ),
        (
            (torch.zeros(1, 5), torch.full((1, 5), torch.nan)),
            ValueError,
            "true_cost of example 0, part 0 is nan",
        ),
        ((torch.zeros(1, 5), torch.zeros(1, 5), [1]), TypeError, "true_sol is list"),
        ((torch.zeros(1, 5), torch.zeros(1, 5), torch.zeros(5)), ValueError, "true_sol has shape"),
        (
            (torch.zeros(1, 5), torch.ones(1, 5), PATHS[:1], torch.ones(1)),
            ValueError,
            "true_obj of example 0 is 1, but its true_sol costs 2",
        ),
        (
            (torch.zeros(1, 5), torch.ones(1, 5), PATHS[:1], torch.ones(2)),
            ValueError,
            "true_obj is .* expected one number",
        ),
        (
            (torch.zeros(1, 5), torch.full((1, 5), torch.inf)),
            ValueError,
            "true_cost of example 0, part 0 is inf",
        ),
        (
            (torch.zeros(1, 5), torch.ones(1, 5), PATHS[:1], torch.full((1,), torch.nan)),
            ValueError,
            "true_obj of example 0 is nan",
        ),
        (
            (torch.zeros(1, 5), torch.ones(1, 5), PATHS[:1].to("meta")),
            ValueError,
            "true_sol is on meta, but pred_cost on cpu",
        ),
        (
            (torch.zeros(1, 5), torch.ones(1, 5), PATHS[:1], torch.ones(1).to("meta")),
            ValueError,
            "true_obj is on meta, but true_cost on cpu",
        ),
    ],
)
def test_bad_costs(args, error, message):
    with pytest.raises(error, match=message):
        SPOPlus(ShortestPath(STREETS, 0, 3))(*args)
    with pytest.raises(ValueError, match="sense='min'"):
        SPOPlus(ShortestPath(STREETS, 0, 3), sense="min")


def test_the_mean_of_no_examples_is_0():
    none = torch.zeros(0, 2, dtype=torch.int64)
    assert MatchingHinge()(torch.zeros(0, 2, 2), none) == 0
    assert TreeHinge()(torch.zeros(0, 3, 2), none) == 0
    assert SPOPlus(Subset(1))(torch.zeros(0, 2), torch.zeros(0, 2)) == 0


def test_a_tree_of_several_roots_is_refused_unless_there_may_be_several():
    arcs, heads = torch.zeros(2, 4, 3), torch.tensor([[0, 1, 1], [0, 3, 0]])
    with pytest.raises(ValueError, match="heads of sentence 1 have 2 tokens at the root"):
        TreeHinge()(arcs, heads)
    values = TreeHinge(single_root=False, reduction="none")(arcs, heads)
    assert values.tolist() == [3.0, 3.0]
