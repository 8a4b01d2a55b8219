"""Batches of padded chains against a plain recursion in numpy and against enumeration."""

import itertools

import numpy as np
import pytest

from structsvm.inference import viterbi
from structsvm.inference._chain_batch import (
    FAULTS,
    list_paths,
    maximize_chains,
    scatter_chains,
)

VOID = -100


class Batch:
    """A batch of random chains, some with holes, void positions, costs or scores of steps."""

    def __init__(self, seed, dtype, *, holes=True, void=True, steps=False, costs=False):
        rng = np.random.default_rng(seed)
        n, longest, k = 6, int(rng.integers(1, 6)), int(rng.integers(1, 4))
        shape = (n, longest, k, k) if steps else (1, 1, k, k)
        # Few values: ties are common. Multiples of 1/4: sums are exact in either precision.
        draw = lambda *size: (rng.integers(-6, 7, size=size) / 4).astype(dtype)  # noqa: E731
        self.emissions, self.transition = draw(n, longest, k), draw(*shape)
        self.start, self.end = draw(k), draw(k)
        self.tags = rng.integers(k, size=(n, longest))
        self.mask = None
        if holes:
            self.mask = rng.random((n, longest)) < 0.7
            self.mask[np.arange(n), rng.integers(longest, size=n)] = True
        if void:
            self.tags[rng.random((n, longest)) < 0.2] = VOID
        self.cost = None
        if costs:
            self.cost = np.abs(draw(k, k))
            np.fill_diagonal(self.cost, 0)

    def maximize(self, *, learns=True):
        paths = np.full(self.emissions.shape[:2], 77, dtype=np.int32)
        values = np.full(len(paths), np.nan, dtype=self.emissions.dtype)
        fault = maximize_chains(
            self.emissions,
            None if self.mask is None else self.mask.view(np.uint8),
            self.tags if learns else None,
            VOID,
            self.transition,
            self.start,
            self.end,
            self.cost,
            paths,
            values,
        )
        return fault, paths, values

    def places(self, b):
        n = self.emissions.shape[1]
        return np.arange(n) if self.mask is None else np.flatnonzero(self.mask[b])

    def score(self, b, labels, *, learns):
        """The score of a sequence, and the parts that it uses, void ones left out."""
        parts, total = [], 0.0
        places = self.places(b)
        known = [not learns or self.tags[b, t] != VOID for t in places]
        for z, (t, label) in enumerate(zip(places, labels, strict=True)):
            if not known[z]:
                continue
            total += self.emissions[b, t, label]
            parts.append(("emissions", b, t, label))
            if z == 0:
                total += self.start[label]
                parts.append(("start", label))
            elif known[z - 1]:
                step = (0, 0) if len(self.transition) == 1 else (b, t)
                total += self.transition[(*step, labels[z - 1], label)]
                parts.append(("transition", *step, labels[z - 1], label))
            if z == len(places) - 1:
                total += self.end[label]
                parts.append(("end", label))
        return total, parts

    def loss(self, b, labels):
        own = self.tags[b, self.places(b)]
        return sum(
            (y != label) if self.cost is None else self.cost[y, label]
            for y, label in zip(own, labels, strict=True)
            if y != VOID
        )

    def enumerate(self, b, *, learns):
        """All sequences of chain b: what they gain over the truth, or what they score."""
        k = self.emissions.shape[2]
        truth = self.tags[b, self.places(b)]
        base = self.score(b, truth, learns=True)[0] if learns else 0.0
        return {
            labels: self.score(b, labels, learns=learns)[0]
            + (self.loss(b, labels) - base if learns else 0.0)
            for labels in itertools.product(range(k), repeat=len(truth))
        }


KINDS = [{}, {"steps": True}, {"costs": True}, {"holes": False, "void": False}]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", range(len(KINDS)))
@pytest.mark.parametrize("seed", range(8))
def test_paths_and_values_are_those_of_enumeration(seed, kind, dtype):
    batch = Batch(seed, dtype, **KINDS[kind])
    for learns in (False, True):
        fault, paths, values = batch.maximize(learns=learns)
        assert fault[0] == 0
        for b, value in enumerate(values):
            places = batch.places(b)
            rest = np.setdiff1d(np.arange(paths.shape[1]), places)
            assert (paths[b, rest] == -1).all()
            own = paths[b, places]
            if learns:
                assert ((own == -2) == (batch.tags[b, places] == VOID)).all()
                own = np.where(own == -2, 0, own)
            scores = batch.enumerate(b, learns=learns)
            assert value == max(scores.values()) == scores[tuple(own.tolist())]


@pytest.mark.parametrize("kind", range(len(KINDS)))
@pytest.mark.parametrize("seed", range(4))
def test_subgradients_are_the_parts_that_differ(seed, kind):
    batch = Batch(seed, np.float64, **KINDS[kind])
    _, paths, _ = batch.maximize()
    factors = np.random.default_rng(seed).integers(-4, 5, size=len(paths)).astype(np.float64)
    n_labels, is_shared = batch.emissions.shape[2], len(batch.transition) == 1
    expected = {name: np.zeros_like(getattr(batch, name)) for name in NAMES}
    found = {name: np.zeros_like(getattr(batch, name)) for name in NAMES}
    for b, factor in enumerate(factors):
        places = batch.places(b)
        for labels, sign in ((paths[b, places], 1), (batch.tags[b, places], -1)):
            for name, *where in batch.score(b, labels, learns=True)[1]:
                expected[name][tuple(where)] += sign * factor
    scatter_chains(
        paths,
        batch.tags,
        factors,
        found["emissions"],
        found["transition"].reshape(n_labels, n_labels) if is_shared else None,
        None if is_shared else found["transition"],
        found["start"],
        found["end"],
    )
    for name in NAMES:
        np.testing.assert_array_equal(found[name], expected[name])


NAMES = ("emissions", "transition", "start", "end")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_paths_of_whole_chains_are_those_of_viterbi(dtype):
    rng = np.random.default_rng(0)
    batch = Batch(0, dtype, holes=False, void=False)
    batch.emissions = rng.normal(size=(5, 40, 19)).astype(dtype)
    batch.transition = rng.normal(size=(1, 1, 19, 19)).astype(dtype)
    batch.start, batch.end = rng.normal(size=(2, 19)).astype(dtype)
    _, paths, values = batch.maximize(learns=False)
    labels, scores = viterbi(
        batch.emissions.reshape(-1, 19),
        batch.transition[0, 0],
        batch.start,
        batch.end,
        lengths=[40] * 5,
    )
    np.testing.assert_array_equal(paths.ravel(), labels)
    np.testing.assert_array_equal(values, scores)


def test_arrays_may_have_strides():
    plain, strided = (Batch(3, np.float64, steps=True, void=False) for _ in range(2))
    strided.emissions = np.asfortranarray(strided.emissions)
    strided.transition = np.asfortranarray(strided.transition)
    strided.tags = np.asfortranarray(strided.tags)
    strided.mask = np.asfortranarray(strided.mask)
    for a, b in zip(plain.maximize(), strided.maximize(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_truth_stands_where_nothing_gains():
    batch = Batch(1, np.float32, void=False)
    batch.emissions[:] = 0
    batch.transition[:] = batch.start[:] = batch.end[:] = 0
    batch.cost = np.zeros((batch.emissions.shape[2],) * 2, dtype=np.float32)
    _, paths, values = batch.maximize()
    assert (values == 0).all()
    assert (paths[batch.mask] == batch.tags[batch.mask]).all()


def _faulty(name):
    batch = Batch(2, np.float64, holes=False, void=False)
    batch.emissions = np.zeros((3, 4, 2))
    batch.transition, batch.tags = np.zeros((1, 1, 2, 2)), np.zeros((3, 4), dtype=np.int64)
    batch.start, batch.end = np.zeros((2, 2))
    if name == "emission":
        batch.emissions[1, 2, 1] = np.nan
    elif name == "transition":
        batch.transition = np.zeros((3, 4, 2, 2))
        batch.transition[1, 2, 0, 1] = np.inf
    elif name == "tag":
        batch.tags[1, 2] = 2
    elif name == "empty":
        batch.mask = np.array([[True] * 4, [False] * 4, [True] * 4])
    elif name == "truth":
        batch.emissions[1, 2, 0] = -np.inf
    elif name in ("start", "end"):
        getattr(batch, name)[1] = np.nan
    elif name == "overflow":
        batch.emissions[1] = 1e308
    else:
        batch.emissions[1, 2] = -np.inf
    return batch


@pytest.mark.parametrize("name", FAULTS)
def test_faults_say_where(name):
    fault, _, _ = _faulty(name).maximize()
    places = {"start": (0, 0), "end": (0, 0)}
    places |= dict.fromkeys(("empty", "hopeless", "overflow"), (1, 0))
    place = places.get(name, (1, 2))
    assert fault == (FAULTS[name], *place)


def test_labels_are_listed_without_gaps():
    paths = np.array([[1, -1, 2], [-1, 3, -1], [-1, -1, -1]], dtype=np.int32)
    labels, ends = np.zeros(9, dtype=np.int32), np.zeros(3, dtype=np.int64)
    list_paths(paths, labels, ends)
    assert labels[: ends[-1]].tolist() == [1, 2, 3]
    assert ends.tolist() == [2, 3, 3]
