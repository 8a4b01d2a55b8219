"""A dual of two levels: blocks, one for each example, and a few atoms over all examples.

Block ascent stalls if the weights are few and badly conditioned: each block undoes what the others
did. Cutting planes do not stall, but they are slow if there are many weights. Here rounds of cuts
replace rounds of blocks while they promise more, and both move the same dual point.
"""

from __future__ import annotations

import abc
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.snapshots import Kind, count, number
from structsvm.exceptions import ModelFileError
from structsvm.problems import Problem
from structsvm.solvers.cuts import Cuts
from structsvm.solvers.run import Run

__all__ = ["Atom", "CoarseLevel", "TwoLevelRun"]

# Most atoms, and most numbers in their vectors. If these allow fewer than the least: none at all.
_MOST_ATOMS, _LEAST_ATOMS, _MOST_NUMBERS = 100, 8, 2e7
# An atom is dropped after so many solutions without weight.
_IDLE_SOLUTIONS = 50
# A round of cuts ends when they find less than this share of what its first one found.
_CACHED_SHARE = 0.1
_MOST_CACHED_CUTS = 30

# Declared work in multiply-adds on entries of planes: a constant for each round, and one for each
# solution of the quadratic program. Dense sums are so many times as fast.
_ROUND_WORK, _PROGRAM_WORK, _LANES = 1e5, 3e5, 8.0
# Rounds of blocks between two decisions.
_WINDOW = 5
# Cuts are tried if the tolerance is more than so many rounds of blocks away.
_FAR = 25.0
# Budget of a trial: this share of the work of all rounds of blocks so far, or the least budget; and
# a trial has at least so many rounds. If the weights are few, cuts are sure to get there, but only
# after as many cuts as there are weights, so that they need a longer trial.
_TRIAL_SHARE, _LEAST_BUDGET, _TRIAL_ROUNDS = 0.25, 1e7, 2
_FEW_WEIGHTS, _LEAST_BUDGET_OF_FEW = 150, 6e7
# Cuts also win if they leave less than this share of the gap: that of blocks may have fallen fast
# only at first.
_MUCH = 0.5
# After a lost trial the window grows by the factor that cuts were slower, within these bounds.
_LEAST_GROWTH, _MOST_GROWTH = 3.0, 10.0
# Winning cuts go on while they are faster, which is checked every few rounds, but not for more work
# than all rounds of blocks so far, or this: then the rate of blocks is measured again.
_CUT_WINDOW, _LEAST_STAY = 3, 3e8


class Atom(NamedTuple):
    """A dual point over all examples: weights of planes."""

    examples: NDArray[np.int32]
    planes: NDArray[np.int32]  #: numbers by which the fine level knows the planes of an example
    weights: NDArray[np.float64]


def mixture(shares: NDArray[np.float64], atoms: list[Atom]) -> Atom:
    """A combination of atoms; a plane in several of them comes several times."""
    used = [k for k in range(len(atoms)) if shares[k] > 0.0]
    if not used:
        return Atom(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
    return Atom(
        np.concatenate([atoms[k].examples for k in used]),
        np.concatenate([atoms[k].planes for k in used]),
        np.concatenate([shares[k] * atoms[k].weights for k in used]),
    )


def merged(atom: Atom) -> Atom:
    """The same with each plane once."""
    keys = atom.examples.astype(np.int64) << 32 | atom.planes
    keys, places = np.unique(keys, return_inverse=True)
    weights = np.bincount(places, atom.weights, len(keys)).astype(np.float64)
    return Atom((keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32), weights)


def most_atoms(problem: Problem) -> int:
    """How many atoms there may be; 0 if that would be too few."""
    limit = min(_MOST_ATOMS, int(_MOST_NUMBERS / (problem.n_weights + 2 * problem.n_examples + 1)))
    return limit if limit >= _LEAST_ATOMS else 0


class CoarseLevel:
    """Atoms, the program over their hull, and the counts that decide which level moves.

    Decisions depend on declared work alone, never on the clock.

    Attributes
    ----------
    cuts : Cuts
        The atoms as cuts of the mean hinge.
    atoms : list of Atom
        The dual point of each.
    cutting : bool
        Whether the coarse level moves now.
    """

    def __init__(self, problem: Problem, lam: float) -> None:
        self.n_examples = problem.n_examples
        self.limit = most_atoms(problem)
        self.cuts = Cuts(problem, lam)
        self.atoms: list[Atom] = []
        self.cutting = self.won = 0
        self.window = float(_WINDOW)
        self.rounds = 0  # of this window
        self.work = 0.0  # of this window
        self.block_work = 0.0  # of all rounds of blocks
        self.gap = math.inf  # at the start of this window
        self.block_rate = 0.0  # fall of ln(gap) for a unit of work
        self.budget = 0.0  # of the trial
        self.stay = 0.0  # work of cuts since they began
        self.cut_rate = 0.0  # as `block_rate`, in the last rounds of cuts

    def begin_window(self, gap: float) -> None:
        self.gap, self.work, self.rounds = gap, 0.0, 0

    def rate(self, gap: float) -> float:
        """How fast the logarithm of the gap has fallen in this window, by work."""
        if not (0.0 < gap < self.gap and self.work > 0.0):
            return 0.0
        if math.isinf(self.gap):
            return math.inf
        return math.log(self.gap / gap) / self.work

    def is_time(self, gap: float) -> bool:
        """Whether the window of blocks is over, or blocks have become slower than cuts were."""
        overtaken = self.rounds >= _WINDOW and self.rate(gap) < self.cut_rate
        return overtaken or self.rounds >= self.window

    def set_budget(self) -> None:
        """Choose the budget of the next trial; with few weights it doubles until one is won."""
        least = _LEAST_BUDGET
        if self.cuts.problem.n_weights <= _FEW_WEIGHTS:
            has_lost = self.window > _WINDOW
            least = 2.0 * self.budget if has_lost else _LEAST_BUDGET_OF_FEW
        self.budget = max(_TRIAL_SHARE * self.block_work, least)

    def count(self, work: float) -> None:
        self.work += work
        self.rounds += 1

    def program_work(self) -> float:
        """Work of adding a cut and solving."""
        m, d = len(self.atoms), self.cuts.problem.n_weights
        return _PROGRAM_WORK + 60.0 * m * m + 2.0 * m * d / _LANES

    def add(self, g: NDArray[np.float64], loss: float, atom: Atom) -> float:
        """Add an atom and solve; returns how far its cut was above the others."""
        excess = self.cuts.excess(g, loss)
        self.cuts.add(g, loss)
        self.atoms.append(atom)
        self.cuts.solve()
        kept = self.cuts.idle <= _IDLE_SOLUTIONS
        if kept.sum() > self.limit:
            self._make_room()
        else:
            self.keep(kept)
        return excess

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drop the other atoms; the solution stays the same if they had no weight."""
        self.cuts.keep(kept)
        self.atoms = [atom for atom, is_kept in zip(self.atoms, kept, strict=True) if is_kept]

    def clear(self) -> None:
        self.cuts.clear()
        self.atoms = []

    def point(self) -> Atom:
        """The dual point of the solution."""
        return mixture(self.cuts.shares, self.atoms)

    def _make_room(self) -> None:
        """Drop the atoms that have had no weight for longest; if all have weight, merge them."""
        shares = self.cuts.shares
        if (shares > 0).sum() < self.limit:
            kept = np.zeros(len(shares), dtype=bool)
            kept[np.argsort(self.cuts.idle, kind="stable")[: self.limit]] = True
            self.keep(kept)
            return
        whole, g, loss = merged(self.point()), self.cuts.combination(), self.cuts.loss()
        self.clear()
        self.cuts.add(g, loss)
        self.atoms.append(whole)
        self.cuts.solve()

    # ---- snapshots

    def kinds(self) -> dict[str, Kind]:
        """What `snapshot` holds."""
        return {
            "cutting": count(most=1),
            "won": count(most=1),
            "window": number(least=0.0),
            "rounds": count(),
            "work": number(least=0.0),
            "block_work": number(least=0.0),
            "gap": number(least=0.0, most=math.inf),
            "block_rate": number(least=0.0, most=math.inf),
            "budget": number(least=0.0),
            "stay": number(least=0.0),
            "cut_rate": number(least=0.0, most=math.inf),
            "sizes": Kind(np.int64, (None,), 0, 2.0**53),
            "examples": Kind(np.int32, (None,), 0, max(self.n_examples - 1, 0)),
            "planes": Kind(np.int32, (None,), 0, 2**30),
            "weights": Kind(np.float64, (None,), 0.0),
        } | {f"cuts/{name}": kind for name, kind in self.cuts.kinds().items()}

    def snapshot(self) -> dict[str, NDArray[Any]]:
        whole = Atom(*(np.concatenate([*part]) for part in zip(_NO_ATOM, *self.atoms, strict=True)))
        held = {name: np.array(getattr(self, name)) for name in _ACCOUNT}
        held |= whole._asdict()
        held["sizes"] = np.array([len(atom.examples) for atom in self.atoms], dtype=np.int64)
        return held | {f"cuts/{name}": value for name, value in self.cuts.snapshot().items()}

    def restore(self, held: dict[str, NDArray[Any]]) -> None:
        """Become what `snapshot` was taken of.

        Raises
        ------
        ModelFileError
            If the arrays do not fit each other.
        """
        self.cuts.restore({name: held[f"cuts/{name}"] for name in self.cuts.kinds()})
        for name in _ACCOUNT:
            setattr(self, name, held[name].item())
        sizes, whole = held["sizes"], [held[name] for name in Atom._fields]
        total = int(sizes.sum()) if (sizes <= len(whole[0])).all() else -1
        if len(sizes) != len(self.cuts) or any(len(part) != total for part in whole):
            raise ModelFileError(
                f"the snapshot does not fit this problem: there are {len(self.cuts)} cuts and "
                f"{len(sizes)} atoms of {len(whole[0])} planes"
            )
        stops = np.cumsum(sizes)[:-1]
        parts = [np.split(part, stops) for part in whole] if len(sizes) else [[], [], []]
        self.atoms = [Atom(*atom) for atom in zip(*parts, strict=True)]

    @property
    def nbytes(self) -> int:
        return self.cuts.nbytes + sum(part.nbytes for atom in self.atoms for part in atom)


_NO_ATOM = Atom(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
_ACCOUNT = (
    "cutting", "won", "window", "rounds", "work", "block_work", "gap", "block_rate", "budget",
    "stay", "cut_rate",
)  # fmt: skip


class TwoLevelRun(Run):
    """A run with rounds of blocks, and rounds of cuts where blocks stall.

    After a window of rounds of blocks, the fall of the gap per unit of declared work tells how many
    rounds the tolerance is away. If they are many, cuts are tried within a budget. The atoms are
    the present dual point and aggregates, each the mean of one plane an example; the program over
    their hull gives weights and a dual value. If the gap falls faster than with blocks, cuts go on
    while it does, and the blocks continue from the dual point of the hull. Otherwise the blocks
    continue from where they were, and the next window is longer.
    """

    coarse: CoarseLevel | None = None

    # ---- for subclasses to fill in

    @abc.abstractmethod
    def block_round(self, first: bool) -> float:
        """Make a round of the fine level and call `measured` at its end.

        Returns its declared work, without the constant of each round.
        """

    @abc.abstractmethod
    def cut_work(self, exact: bool) -> float:
        """Declared work of `exact_cut` or `aggregate`."""

    @abc.abstractmethod
    def dual_point(self) -> tuple[NDArray[np.float64], float, Atom]:
        """z and loss of the fine level, computed anew, and its dual weights."""

    @abc.abstractmethod
    def aggregate(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, Atom]:
        """A cut at these weights made of known planes."""

    def exact_cut(
        self, weights: NDArray[np.float64]
    ) -> tuple[float, tuple[NDArray[np.float64], float, Atom]]:
        """A certificate of these weights and the cut there; the mean hinge, and the cut."""
        hinge = self.certify(weights)
        return hinge, self.aggregate(weights)

    @abc.abstractmethod
    def take_over(self, atom: Atom) -> None:
        """Move the fine level to this dual point if it is no worse than the present one."""

    def is_whole(self, atom: Atom) -> bool:
        """Whether the fine level still has all planes of the atom."""
        return True

    # ---- rounds

    @property
    def cutting(self) -> bool:
        """Whether the coarse level moves now."""
        return self.coarse is not None and bool(self.coarse.cutting)

    def round(self, first: bool) -> None:
        if self.coarse is None:
            self.block_round(first)
        elif self.coarse.cutting:
            self._cut_round(self.coarse)
        else:
            self._block_round(self.coarse, first)

    def _block_round(self, coarse: CoarseLevel, first: bool) -> None:
        work = self.block_round(first) + _ROUND_WORK
        coarse.block_work += work
        if first:
            coarse.begin_window(self.present_gap())
            work = 0.0
        coarse.count(work)
        if not coarse.is_time(self.present_gap()) or not self._is_far(coarse, work):
            return
        # The gap was an estimate so far; decide by a certificate.
        self._certified_at = self.n_iter + 1
        self.certify(self._candidates()[-1])
        gap = self.present_gap()
        if coarse.is_time(gap) and self._is_far(coarse, work):
            coarse.set_budget()
            self._enter(coarse)
        coarse.begin_window(gap)

    def _is_far(self, coarse: CoarseLevel, work: float) -> bool:
        """Whether the tolerance is many rounds of so much work away; begins a window if not."""
        gap = self.present_gap()
        coarse.block_rate = coarse.rate(gap)
        if self.remaining(gap) > _FAR * work * coarse.block_rate:
            return True
        coarse.begin_window(gap)
        return False

    def _enter(self, coarse: CoarseLevel) -> None:
        coarse.cutting, coarse.won, coarse.stay = 1, 0, 0.0
        coarse.keep(np.array([self.is_whole(atom) for atom in coarse.atoms], dtype=bool))
        coarse.add(*self.dual_point())

    def _cut_round(self, coarse: CoarseLevel) -> None:
        weights = coarse.cuts.weights
        self._certified_at = self.n_iter + 1
        hinge, cut = self.exact_cut(weights)
        found = coarse.add(*cut)
        work = _ROUND_WORK + self.cut_work(True) + coarse.program_work()
        for _ in range(_MOST_CACHED_CUTS):
            excess = coarse.add(*self.aggregate(coarse.cuts.weights))
            work += self.cut_work(False) + coarse.program_work()
            if excess <= _CACHED_SHARE * found:
                break
            if not coarse.won and coarse.work + work > coarse.budget:
                break
        self.measured(coarse.cuts.dual_value(), weights, hinge)
        self._lower_level()
        coarse.count(work)
        self._judge(coarse)

    def _judge(self, coarse: CoarseLevel) -> None:
        """Decide whether cuts go on."""
        gap = max(self.best_primal - self.best_dual, 0.0)
        faster = gap == 0.0 or coarse.rate(gap) > coarse.block_rate
        if not coarse.won and coarse.rounds >= _TRIAL_ROUNDS:
            if faster or coarse.block_rate == 0.0 or gap < _MUCH * coarse.gap:
                coarse.won, coarse.window = 1, float(_WINDOW)
            elif coarse.work >= coarse.budget:
                coarse.cut_rate = coarse.rate(gap)
                lost_by = coarse.block_rate / coarse.cut_rate if coarse.cut_rate > 0.0 else 0.0
                coarse.window *= min(max(lost_by, _LEAST_GROWTH), _MOST_GROWTH)
                self._leave(coarse)
                coarse.begin_window(gap)
        if coarse.won and coarse.rounds >= _CUT_WINDOW:
            coarse.cut_rate = coarse.rate(gap)
            coarse.stay += coarse.work
            if not faster or coarse.stay > max(coarse.block_work, _LEAST_STAY):
                self._leave(coarse)
            coarse.begin_window(gap)

    def _leave(self, coarse: CoarseLevel) -> None:
        coarse.cutting = 0
        if coarse.won:
            self.take_over(coarse.point())
            coarse.keep(coarse.cuts.shares > 0.0)
        else:
            coarse.clear()

    def _due(self) -> bool:
        # A round of cuts begins with a certificate.
        return not self.cutting and super()._due()

    def _promising_multiple(self) -> NDArray[np.float64] | None:
        return None if self.cutting else super()._promising_multiple()
