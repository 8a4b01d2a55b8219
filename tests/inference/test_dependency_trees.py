"""Dependency trees of all orders, projective or not, with one root or several: enumerated."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structsvm.inference import arborescence, dependency_tree
from structsvm.inference._dependency_trees import DependencyTreeMaximizer

NO = -np.inf


def is_tree(heads):
    for m in range(1, len(heads) + 1):
        seen = set()
        while m and m not in seen:
            seen.add(m)
            m = heads[m - 1]
        if m:
            return False
    return True


def crosses(heads):
    arcs = [(min(h, m), max(h, m)) for m, h in enumerate(heads, 1)]
    return any(a < c < b < d for a, b in arcs for c, d in arcs)


@functools.cache
def trees(n, projective, single_root):
    return [
        heads
        for heads in itertools.product(range(n + 1), repeat=n)
        if is_tree(heads)
        and not (single_root and heads.count(0) > 1)
        and not (projective and crosses(heads))
    ]


def score(heads, arcs, siblings, grandparents):
    """By the definition in the docstring of `dependency_tree`."""
    total = 0.0
    for m, h in enumerate(heads, 1):
        inner = range(m - 1, h, -1) if h < m else range(m + 1, h)
        sibling = next((s for s in inner if heads[s - 1] == h), h)
        total += arcs[h, m - 1]
        if siblings is not None:
            total += siblings[h, m - 1, sibling]
        if grandparents is not None and h:
            total += grandparents[h, m - 1, heads[h - 1]]
    return total


def scores_of(rng, n, order, *, ties, forbid):
    for shape in ((n + 1, n), (n + 1, n, n + 1), (n + 1, n, n + 1))[:order]:
        scores = rng.integers(-2, 3, size=shape).astype(float) if ties else rng.normal(size=shape)
        scores[rng.uniform(size=shape) < forbid] = NO
        yield scores


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 5),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.1, 0.4]),
    st.integers(0, 2**32 - 1),
)
def test_trees_equal_enumeration(n, order, single_root, ties, forbid, seed):
    projective, order = order > 0, max(order, 1)
    scores = [*scores_of(np.random.default_rng(seed), n, order, ties=ties, forbid=forbid)]
    all_trees = trees(n, projective, single_root)
    scores += [None] * (3 - order)
    best = max(score(heads, *scores) for heads in all_trees)
    if best == NO:
        with pytest.raises(ValueError, match="every dependency tree"):
            dependency_tree(*scores, projective=projective, single_root=single_root)
        return
    heads, value = dependency_tree(*scores, projective=projective, single_root=single_root)
    assert tuple(heads) in all_trees
    assert value == pytest.approx(best)
    assert score(heads, *scores) == pytest.approx(best)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_counts_are_the_parts_of_the_score(order):
    rng = np.random.default_rng(order)
    maximizer = DependencyTreeMaximizer([4, 0], order)
    scores = [*scores_of(rng, 4, order, ties=False, forbid=0.0)]
    theta = np.concatenate([block.ravel() for block in scores])
    scores += [None] * (3 - order)
    every = trees(4, False, False)  # true trees may have arcs that cross, and several roots
    counts = {heads: maximizer.count(0, heads) for heads in every}
    for heads, mu in counts.items():
        assert theta @ mu == pytest.approx(score(heads, *scores))
    for y, y_hat in rng.choice(every, size=(30, 2)):
        difference = maximizer.difference(0, y, y_hat)
        np.testing.assert_array_equal(difference, counts[tuple(y)] - counts[tuple(y_hat)])
    assert maximizer.maximize(1, [])[1] == 0


@pytest.mark.parametrize("order", [1, 2, 3])
def test_long_sentences_agree_with_simpler_scores(order):
    """Zero scores of siblings and grandparents change nothing, over many groups of lanes."""
    rng = np.random.default_rng(order)
    for n in (7, 8, 9, 30):
        arcs = rng.normal(size=(n + 1, n))
        third = [np.zeros((n + 1, n, n + 1))] * (order - 1)
        for single_root in (False, True):
            heads, value = dependency_tree(arcs, *third, single_root=single_root)
            free = dependency_tree(arcs, projective=False, single_root=single_root)
            assert not crosses(heads)
            assert is_tree(heads.tolist())
            assert value == pytest.approx(arcs[heads, range(n)].sum())
            assert value == pytest.approx(dependency_tree(arcs, single_root=single_root)[1])
            assert value <= free[1] + 1e-9
            square = np.hstack([np.zeros((n + 1, 1)), arcs])
            assert free[1] == pytest.approx(arborescence(square, single_root=single_root)[1])


def test_planted_trees_are_found():
    rng = np.random.default_rng(0)
    n = 20
    for order in (2, 3):
        arcs, *third = scores_of(rng, n, order, ties=False, forbid=0.0)
        heads = dependency_tree(arcs)[0]
        maximizer = DependencyTreeMaximizer([n], order)
        theta = np.concatenate([block.ravel() for block in (arcs, *third)])
        theta += 100 * maximizer.count(0, heads)
        found, value = maximizer.maximize(0, theta)
        np.testing.assert_array_equal(found, heads)
        assert value == pytest.approx(theta @ maximizer.count(0, heads))


def test_unused_entries_may_be_anything():
    rng = np.random.default_rng(3)
    arcs, siblings, grandparents = scores_of(rng, 6, 3, ties=False, forbid=0.0)
    want = dependency_tree(arcs, siblings, grandparents)
    head, token, third = np.ogrid[:7, 1:7, :7]
    outside = (np.maximum(head, token) <= third) | (third <= np.minimum(head, token))
    arcs[(head == token)[:, :, 0]] = np.nan
    siblings[(head == token) | (outside & (third != head))] = np.inf
    grandparents[(head == token) | (third == head) | (third == token) | (head == 0)] = np.nan
    found = dependency_tree(arcs, siblings, grandparents)
    np.testing.assert_array_equal(found[0], want[0])
    assert found[1] == want[1]
    # The maximizer itself is not told which entries those are.
    theta = np.concatenate([arcs.ravel(), siblings.ravel(), grandparents.ravel()])
    for order, size in ((1, 42), (2, 42 + 294), (3, 42 + 2 * 294)):
        blocks = (arcs, siblings, grandparents)[:order]
        want = dependency_tree(*blocks)
        found = DependencyTreeMaximizer([6], order).maximize(0, theta[:size])
        np.testing.assert_array_equal(found[0], want[0])
        assert found[1] == want[1]


def test_bad_input_is_refused():
    arcs, third = np.zeros((4, 3)), np.zeros((4, 3, 4))
    with pytest.raises(ValueError, match=r"arcs has shape \(3, 3\), expected \(n \+ 1, n\)"):
        dependency_tree(np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"siblings has shape \(4, 3\), expected \(4, 3, 4\)"):
        dependency_tree(arcs, arcs)
    with pytest.raises(ValueError, match="NP-hard"):
        dependency_tree(arcs, third, projective=False)
    third[0, 1, 0] = np.nan
    with pytest.raises(ValueError, match=r"siblings\[0, 1, 0\] is nan"):
        dependency_tree(arcs, third)
    with pytest.raises(ValueError, match=r"order=4: expected 1, 2 or 3"):
        DependencyTreeMaximizer([3], 4)
    with pytest.raises(ValueError, match=r"lengths\[1\] is -1"):
        DependencyTreeMaximizer([3, -1])
    with pytest.raises(ValueError, match=r"sentence 0 has 1300 tokens, and with order=2 22020"):
        DependencyTreeMaximizer([1300], 2)
    with pytest.raises(ValueError, match=r"takes 4\.\d+ GiB of tables, at most 4 can be used"):
        DependencyTreeMaximizer([570], 3)
    with pytest.raises(ValueError, match="add up to more than a double can hold"):
        dependency_tree(np.full((4, 3), 1e308))
    maximizer = DependencyTreeMaximizer([3])
    for heads, message in (
        ([0, 2, 1], r"head of token 2 of sentence 0 is 2, expected another token"),
        ([0, 4, 1], r"head of token 2 of sentence 0 is 4"),
        ([0, 3, 2], r"above token 2 of sentence 0 form a cycle"),
    ):
        with pytest.raises(ValueError, match=message):
            maximizer.count(0, heads)
