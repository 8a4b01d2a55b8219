"""The block-coordinate dual solver; its passes are in ``_blocks``."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.data.snapshots import Kind, number, vector
from structsvm.engines import Engine
from structsvm.linalg._plane import PlaneBatch, extended, return_free_memory
from structsvm.linalg._sums import dot
from structsvm.problems import Problem
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._grown_problem import GrownProblem, restore_pairs
from structsvm.solvers._blocks import DualBlocks, grown_form, is_text
from structsvm.solvers._label_planes import LabelPlanes
from structsvm.solvers._plane_store import PlaneStore
from structsvm.solvers._replicas import N_PARTS, Replicas, may_share
from structsvm.solvers._sparse_planes import SparsePlanes
from structsvm.solvers.base import Callback, Capabilities, Snapshot, SolverResult
from structsvm.solvers.part_sweep import sweep
from structsvm.solvers.proximal import ProximalSchedule
from structsvm.solvers.run import Part, StoreRun, best_scale
from structsvm.solvers.two_level import Atom, CoarseLevel, TwoLevelRun, most_atoms

__all__ = ["BCFW"]

# Cached passes skip blocks below this share of the mean gap, except in every 4th pass.
_SKIP_SHARE = 0.5
_FULL_CACHED_PASS_EVERY = 4
# Cached passes over the planes of text: most of a visit is scores of tokens, as in an oracle call,
# and more passes do not save rounds.
_CACHED_PASSES_OF_TEXT = 2
# The proximal weight is updated when its rule has changed by this share.
_KAPPA_CHANGE = 0.25

# The moving average of the weights keeps this share of what it was before the last round.
_SMOOTHNESS = 0.85

# A fit that goes on from another may end after so many rounds.
_FIRST_LOOK = 2

# Planes that atoms stand on outlive a few windows of rounds without cuts.
_SPARED_VISITS = 15

_CHOICES = {
    "step": ("pairwise", "frank_wolfe"),
    "sampling": ("permuted", "uniform", "gap"),
}


class BCFW(BaseEstimator):  # type: ignore[misc]
    r"""Accelerated proximal block-coordinate ascent on the dual, with cached planes.

    Minimises, for a problem with n examples,

    .. math:: P(w) = \frac{\lambda}{2} \|w\|^2 + \frac1n \sum_i H_i(w), \quad \lambda = 1/(Cn).

    A round is an exact pass (for every example: call the oracle, keep its plane, improve the
    example's small dual problem) and several passes over the cached planes, which need no oracle.
    After a round Nesterov's rule moves the proximal centre v of the model

    .. math:: P(w) + \frac\kappa2 \|w - v\|^2.

    The weight of the proximal term is :math:`\kappa = a \sqrt{\lambda R^2 / (n L)}`, where R^2 and
    L are the mean squared norm and the mean loss of the planes in use and a = `acceleration`. It is
    doubled when the gap falls slowly; it is halved for good, and the momentum is dropped, when the
    best dual value does not rise.

    The certificate is :math:`(P - D) / P` of the best primal and the best dual value. Primal values
    come from passes at fixed weights. These are made when an estimate reaches the next power of
    ten, and at the end; their planes are kept. With pairwise steps and up to about 2.5 million
    weights, a moving average of the weights after each round is a candidate, too, and the dual
    value is that of the best mixture of the rounds' dual points: both are nearer the optimum than
    the rounds, which lie around it.

    Where rounds stall, as with few or badly scaled features, cuts over all examples take turns with
    them; see `structsvm.solvers.two_level`.

    Plain BCFW is ``BCFW(step="frank_wolfe", cached_passes=0, max_planes=0, acceleration=0)``;
    MP-BCFW is ``BCFW(step="frank_wolfe", acceleration=0)``.

    Parameters
    ----------
    acceleration : float, default=1.0
        Factor of the rule for the proximal weight; 0 switches the proximal term off.
    cached_passes : int or "auto", default="auto"
        Number of cached passes after each exact pass. "auto" compares the declared work of the
        oracle with the size of the cache: 2 for fast oracles and for text, up to 30 for slow
        oracles.
    step : {"pairwise", "frank_wolfe"}, default="pairwise"
        How to improve an example's dual problem: up to five exact pairwise steps, or one
        Frank-Wolfe step on a single averaged plane.
    sampling : {"permuted", "uniform", "gap"}, default="permuted"
        Order of an exact pass: all examples in random order; examples drawn uniformly with
        replacement; or, nine in ten, drawn in proportion to the gap at their last visit.
    averaging : bool, default=False
        Whether to also certify the weighted average of all iterates (weight t for the t-th) and
        return it if it is better. It helps fits that are stopped early.
    max_planes : int, default=20
        Most cached planes of an example. Planes with dual weight are never dropped.
    drop_after : int, default=2
        A plane without dual weight is dropped after so many exact visits.
    coarse : bool, default=True
        Cut where rounds stall. Not done with Frank-Wolfe steps, nor where there are more than about
        2.5 million weights.

    Notes
    -----
    Memory is O(n_weights + stored plane entries), and at most 160 MB for cuts; time of a visit is
    O(oracle + entries of the example's planes). Planes of text, which has very many features, and
    of short label sequences whose rows are not sparse are kept as a byte for each position.

    With ``n_jobs`` above 1, and the defaults of `step`, `sampling` and `averaging`, two threads
    visit examples at the same time, each with a copy of the weights; after short stretches each
    copy is told the moves of the other. The dual point is exact all the while, and so is the
    certificate; only the weights that an example is visited at are a few visits old. Results depend
    on `random_state` and on whether ``n_jobs`` is above 1, never on the clock or the number of
    threads.

    References
    ----------
    S. Lacoste-Julien, M. Jaggi, M. Schmidt, P. Pletscher (2013). Block-coordinate Frank-Wolfe
    optimization for structural SVMs. ICML.
    N. Shah, V. Kolmogorov, C. Lampert (2015). A multi-plane block-coordinate Frank-Wolfe algorithm
    for training structural SVMs with a costly max-oracle. CVPR. doi:10.1109/CVPR.2015.7298890
    S. Shalev-Shwartz, T. Zhang (2014). Accelerated proximal stochastic dual coordinate ascent for
    regularized loss minimization. Mathematical Programming 155. doi:10.1007/s10107-014-0839-0
    H. Lin, J. Mairal, Z. Harchaoui (2015). A universal catalyst for first-order optimization. NIPS.
    A. Osokin et al. (2016). Minding the gaps for block Frank-Wolfe optimization of structured SVMs.
    ICML.

    Examples
    --------
    >>> from structsvm import ChainSVM
    >>> from structsvm.solvers import BCFW
    >>> svm = ChainSVM(solver=BCFW(sampling="gap"))
    >>> svm.get_params()["solver__sampling"]
    'gap'
    """

    capabilities = Capabilities(can_move=True)

    def __init__(
        self,
        *,
        acceleration: float = 1.0,
        cached_passes: int | str = "auto",
        step: str = "pairwise",
        sampling: str = "permuted",
        averaging: bool = False,
        max_planes: int = 20,
        drop_after: int = 2,
        coarse: bool = True,
    ) -> None:
        self.acceleration = acceleration
        self.cached_passes = cached_passes
        self.step = step
        self.sampling = sampling
        self.averaging = averaging
        self.max_planes = max_planes
        self.drop_after = drop_after
        self.coarse = coarse

    def solve(
        self,
        problem: Problem,
        C: float,
        *,
        tol: float | None,
        max_iter: int | None,
        random_state: np.random.RandomState,
        engine: Engine | None = None,
        callback: Callback | None = None,
        state: Any = None,
        snapshot: Snapshot | None = None,
    ) -> SolverResult:
        """See `structsvm.solvers.base.Solver`."""
        self._check_parameters()
        if snapshot is not None:
            state = None  # a snapshot has all, and its own places of weights that grow
        if engine is not None and engine.elsewhere:
            start = DualState(self._make_blocks(problem, self._plain_store(problem)))
        else:
            start = DualState(self._make_blocks(self._form_of(problem, state)))
        if isinstance(state, DualState) and state.is_compatible(start):
            start = state
        run = _BlockRun(self, start, C, tol, random_state)
        return run.run(max_iter, callback, snapshot, engine)

    def _form_of(self, problem: Problem, state: Any) -> Problem:
        """The problem in weights that grow, where that pays; the same in a later fit."""
        if self.step == "frank_wolfe":
            return problem
        known = state.blocks.problem if isinstance(state, DualState) else None
        if isinstance(known, GrownProblem) and known.dense is problem:
            known.follow()
            return known
        grown = grown_form(problem)
        if grown is not problem:
            return_free_memory()  # what it took to make the rows
        return grown

    def _block_options(self) -> dict[str, Any]:
        return {
            "frank_wolfe": self.step == "frank_wolfe",
            "max_planes": self.max_planes,
            "drop_after": self.drop_after,
            "average": self.averaging,
        }

    def _make_blocks(self, problem: Problem, store: PlaneStore | None = None) -> DualBlocks:
        return DualBlocks(problem, store=store, **self._block_options())

    def _plain_store(self, problem: Problem) -> SparsePlanes:
        """A store of planes as they come from elsewhere."""
        return SparsePlanes(
            problem.n_examples,
            problem.n_weights,
            mixed=self.step == "frank_wolfe",
            max_planes=int(self.max_planes),
            drop_after=int(self.drop_after),
        )

    def _check_parameters(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} of BCFW: expected one of {', '.join(choices)}"
                )
        for name in ("max_planes", "drop_after", "cached_passes"):
            value = getattr(self, name)
            if name == "cached_passes" and value == "auto":
                continue
            if not isinstance(value, numbers.Integral) or value < 0:
                raise ValueError(f"{name}={value!r} of BCFW: expected an integer >= 0")
        if not isinstance(self.acceleration, numbers.Real) or not 0 <= self.acceleration < math.inf:
            raise ValueError(f"acceleration={self.acceleration!r} of BCFW: expected a number >= 0")


@dataclasses.dataclass
class DualState:
    """The state that a fit with another C starts from: a dual point and the last solution."""

    blocks: DualBlocks
    #: The weights of the fit that it comes from, and their mean hinge where it is known.
    solution: tuple[NDArray[np.float64], float | None] | None = None

    def moved(self, problem: Problem, shifts: Iterable[Any]) -> DualState:
        """See `DualBlocks.moved`."""
        before = self.blocks.problem
        if isinstance(before, GrownProblem) and isinstance(problem, FactoredProblem):
            problem = GrownProblem(problem, before)
        solution = None if self.solution is None else (self.solution[0], None)
        return DualState(self.blocks.moved(problem, shifts), solution)

    def is_compatible(self, other: DualState) -> bool:
        """Whether this belongs to the same problem and options."""
        mine, theirs = self.blocks, other.blocks
        alike = type(mine.store) is type(theirs.store) and mine.options == theirs.options
        return mine.problem is theirs.problem and alike


class _BlockRun(TwoLevelRun, StoreRun):
    """The rounds of the block solver, and its proximal term."""

    cheap_looks = True
    grown: GrownProblem | None = None  #: the problem, if its weights grow

    def __init__(
        self,
        options: BCFW,
        start: DualState,
        C: float,
        tol: float | None,
        random_state: np.random.RandomState,
    ) -> None:
        super().__init__(start.blocks.problem, C, tol, random_state)
        self.options = options
        self.start = start
        self.blocks = start.blocks
        self.store, self.evaluator = self.blocks.store, self.blocks.evaluator
        self.is_text = isinstance(self.store, LabelPlanes) and is_text(self.problem)
        self.schedule = ProximalSchedule(
            self.lam, self.problem.n_weights, options.acceleration, tolerance=_KAPPA_CHANGE
        )
        self.combination = np.zeros(0)
        self.smooth: NDArray[np.float64] | None = None
        self.mixed: NDArray[np.float64] | None = None
        self.mixed_loss, self.best_met_dual = 0.0, -math.inf
        self.smoothed = False
        self.replicas: Replicas | None = None
        self.caution = 1.0
        self._loss = 0.0
        if isinstance(self.problem, GrownProblem):
            self.grown = self.problem
        else:
            self.smoothed = not self.store.mixed and most_atoms(self.problem) > 0
        if options.coarse and self.smoothed:
            self.coarse = CoarseLevel(self.problem, self.lam)

    def kept(self) -> dict[str, Kind]:
        d = self.problem.n_weights
        return super().kept() | {
            "combination": vector(d),
            "smooth": vector(d, optional=True),
            "mixed": vector(d, optional=True),
            "mixed_loss": number()._replace(optional=True),
            "caution": number(least=1.0, most=N_PARTS)._replace(optional=True),
            "best_met_dual": number()._replace(optional=True),
            "_loss": number()._replace(optional=True),
        }

    def parts(self) -> dict[str, Part]:
        parts: dict[str, Part] = {"": self.schedule, "blocks/": self.blocks}
        if self.grown is not None:
            parts["pairs/"] = self.grown
        return parts if self.coarse is None else parts | {"coarse/": self.coarse}

    # ---- weights that grow

    def outward(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return weights if self.grown is None else self.grown.expanded(weights)

    def outward_later(self, weights: NDArray[np.float64]) -> Any:
        if self.grown is None:
            return weights
        return self.grown.scattered(weights)

    def inward(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return weights if self.grown is None else self.grown.compressed(weights)

    def snapshot(self) -> Snapshot:
        self._lengthen()
        return super().snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        if self.grown is not None:
            restore_pairs(self.grown, snapshot)
        self._lengthen()
        super().restore(snapshot)
        if "_loss" not in snapshot:
            _, self._loss = self.store.combination()

    def _lengthen(self) -> None:
        """Have all vectors as long as the weights are now."""
        n = self.schedule.n_weights = self.problem.n_weights
        self.combination = extended(self.combination, n)
        for holder, name in ((self, "best_weights"), (self.schedule, "previous")):
            if (vector := getattr(holder, name)) is not None:
                setattr(holder, name, extended(vector, n))

    # ---- rounds

    def enter(self) -> None:
        """Start from the dual point that the blocks hold: it is feasible for every lambda."""
        self.combination, loss = self.store.combination()
        self._loss = loss
        self.blocks.point.regularization = self.lam
        self.blocks.point.move_to(self.combination / self.lam)
        if self.start.solution is not None and self._accelerates:
            # The dual point is for another lambda: a proximal term keeps the weights near the
            # last solution. Certificates on the way are not worth it so near the end.
            weights, hinge = self.start.solution
            self.schedule.begin(self._rate())
            self._move_around(np.array(extended(weights, self.problem.n_weights)))
            self._next_level = 0.0
            if hinge is not None:
                self.accept(weights, hinge)
            if self.smoothed:
                self.smooth = np.array(weights)
        self.measured(self._best_dual(loss), self.blocks.point.weights, math.inf)
        if self.smooth is not None:
            self._next_look, self._dual_at_look = _FIRST_LOOK, self.best_dual

    def round(self, first: bool) -> None:
        # Atoms stand for planes, which are not to go while these are made.
        self.store.patient = self.cutting
        super().round(first)

    def block_round(self, first: bool) -> float:
        calls, visits = self.evaluator.n_oracle_calls, self.blocks.point.n_updates
        if not first and self._accelerates:
            self._accelerate()
        replicas = self._replicas()
        before = 0.0 if replicas is None else self._loss - self._half_sqnorm()
        visitor: Any = self.blocks if replicas is None else replicas
        if self.engine.elsewhere:
            self._pass_over_parts()
        else:
            visitor.exact_pass(self._exact_order(first), self.engine)
        skip_below = 0.0
        for k in range(self._n_cached_passes()):
            if k % _FULL_CACHED_PASS_EVERY == 0:
                skip_below = 0.0
            skip_below = _SKIP_SHARE * visitor.cached_pass(
                self._permutation(), skip_below, self.engine
            )
        self.schedule.record(self._measure(), *self._distance())
        if replicas is not None and self._loss - self._half_sqnorm() < before:
            replicas.raise_caution()
            self.caution = replicas.caution
        calls = self.evaluator.n_oracle_calls - calls
        visits = self.blocks.point.n_updates - visits
        visit = 2.0 * self.store.n_entries / max(self.n, 1)
        return calls * self.problem.oracle_work + visits * visit

    def _pass_over_parts(self) -> None:
        """Have all parts of the data swept, and take in the planes that come back, in order."""
        point, seed = self.blocks.point, int(self.random.randint(2**31 - 1))
        parts = self.engine.on_parts(
            self.problem, sweep, np.array(point.weights), point.regularization, self.n, seed
        )
        for examples, (n_calls, of_planes, *packed) in parts:
            self.evaluator.n_oracle_calls += n_calls - len(of_planes)
            planes = PlaneBatch(len(of_planes))
            slots = np.arange(len(of_planes), dtype=np.int32)
            planes.fill(packed, slots, self.problem.n_weights)
            self.blocks.take_in(examples[of_planes], planes)

    def _replicas(self) -> Replicas | None:
        """What visits blocks on several threads, where that may be."""
        if self.engine.n_threads == 1 or self.options.sampling != "permuted":
            return None
        if not may_share(self.blocks):
            return None
        if self.replicas is None:
            self.replicas = Replicas(self.blocks)
            self.replicas.caution = self.caution
        self.replicas.stale = True
        return self.replicas

    def _half_sqnorm(self) -> float:
        """What the norm of the weights takes from the dual value with the proximal term."""
        w = self.blocks.point.weights
        return self.blocks.point.regularization / 2 * dot(w, w)

    def _distance(self) -> tuple[float, float]:
        gap = max(self.met_value - self.best_dual, 0.0)
        return gap, self.remaining(gap)

    def _permutation(self) -> NDArray[np.int32]:
        return self.random.permutation(self.n).astype(np.int32)

    def _exact_order(self, first: bool) -> NDArray[np.int32]:
        sampling = self.options.sampling
        gaps = np.maximum(self.blocks.steps.gaps, 0.0)
        if sampling == "permuted" or (first and sampling == "gap"):
            return self._permutation()
        if sampling == "uniform" or not gaps.any():
            return self.random.randint(self.n, size=self.n).astype(np.int32)
        # A tenth is drawn uniformly, because gaps grow stale.
        share = 0.9 * gaps / gaps.sum() + 0.1 / self.n
        return self.random.choice(self.n, size=self.n, p=share / share.sum()).astype(np.int32)

    def _n_cached_passes(self) -> int:
        if self.options.cached_passes != "auto":
            return int(self.options.cached_passes)
        if self.is_text:
            return _CACHED_PASSES_OF_TEXT
        cached_work = max(self.store.n_entries / self.n, 1.0)
        return int(np.clip(round(5.0 * math.sqrt(self.problem.oracle_work / cached_work)), 2, 30))

    def _measure(self) -> bool:
        """Measure the dual value exactly, and the primal value from the hinges of the visits.

        Returns whether the dual value is the best so far.
        """
        self.combination, self._loss = self.store.combination()
        loss = self._loss
        if self.smoothed:
            w = self.blocks.point.weights
            if self.smooth is None:
                self.smooth = np.array(w)
            else:
                self.smooth *= _SMOOTHNESS
                self.smooth += (1.0 - _SMOOTHNESS) * w
        dual, before = self.dual_value(self.combination, loss), self.best_met_dual
        self.best_met_dual = max(dual, before)
        self.measured(
            max(self._best_dual(loss), dual),
            self.blocks.point.weights,
            float(self.blocks.hinges.mean()),
        )
        return dual > before

    def _best_dual(self, loss: float) -> float:
        """The dual value of the best mixture of the last such mixture and the dual point.

        The dual points of rounds lie around the optimum more than they near it, and the dual
        objective is concave. No weights of planes are needed for its value.
        """
        if not self.smoothed:
            return self.dual_value(self.combination, loss)
        z, loss = best_scale(self.combination, loss, self.lam)
        if self.mixed is None:
            self.mixed, self.mixed_loss = np.array(z), loss
            return self.dual_value(z, loss)
        z -= self.mixed
        share, sqnorm = 0.0, dot(z, z)
        if sqnorm > 0.0:
            slope = self.lam * (loss - self.mixed_loss) - dot(self.mixed, z)
            share = min(max(slope / sqnorm, 0.0), 1.0)
        z *= share
        self.mixed += z
        self.mixed_loss += share * (loss - self.mixed_loss)
        return self.dual_value(self.mixed, self.mixed_loss)

    def candidates(self) -> list[NDArray[np.float64]]:
        if self.coarse is not None and self.coarse.cutting:
            return [self.coarse.cuts.weights]
        points = [np.array(self.blocks.point.weights)]
        if self.smooth is not None:
            points = [min(np.array(self.smooth), *points, key=self._known_objective)]
        return [*points, self.blocks.point.average()] if self.options.averaging else points

    def _known_objective(self, weights: NDArray[np.float64]) -> float:
        """The objective as far as stored planes tell."""
        self.store.look_at(weights)
        hinge, _ = self.store.hinge_at_multiple(1.0)
        return float(self.lam / 2 * dot(weights, weights) + hinge)

    def promising(self) -> NDArray[np.float64]:
        return super().promising() if self.smooth is None else np.array(self.smooth)

    def hinge_along(self, weights: NDArray[np.float64]) -> Callable[[float], tuple[float, float]]:
        self.store.look_at(weights)
        return self.store.hinge_at_multiple

    def vector_bytes(self) -> int:
        coarse = 0 if self.coarse is None else self.coarse.nbytes
        pairs = 0 if self.grown is None else self.grown.rows.nbytes
        averages = sum(0 if v is None else v.nbytes for v in (self.smooth, self.mixed))
        return self.blocks.vector_bytes + coarse + pairs + averages

    # ---- the coarse level

    def cut_work(self, exact: bool) -> float:
        calls = self.n * self.problem.oracle_work if exact else 0.0
        return calls + 2.0 * self.store.n_entries

    def dual_point(self) -> tuple[NDArray[np.float64], float, Atom]:
        return *self.store.combination(), Atom(*self.store.dual_point())

    def aggregate(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, Atom]:
        serials = np.empty(self.n, dtype=np.int32)
        delta, loss = self.store.aggregate(weights, serials)
        examples = np.flatnonzero(serials >= 0).astype(np.int32)
        return delta, loss, Atom(examples, serials[examples], np.ones(len(examples)))

    def is_whole(self, atom: Atom) -> bool:
        return self.store.holds(atom.examples, atom.planes)

    def take_over(self, atom: Atom) -> None:
        self.store.spare(atom.examples, atom.planes, _SPARED_VISITS)
        present, least = Atom(*self.store.dual_point()), self.dual_value(*self.store.combination())
        self.store.go_to(*atom)
        combination, loss = self.store.combination()
        if self.dual_value(combination, loss) < least:
            self.store.go_to(*present)
            return
        self.combination, self._loss = combination, loss
        self.smooth = None
        self.schedule.forget_momentum()
        self._move_around(combination / self.lam)

    def state(self) -> DualState:
        if self.best_weights is None:
            return DualState(self.blocks, (np.array(self.presentable()), None))
        # A hinge that may be too low, or is to be checked, is not believed in by another fit.
        believed = self.problem.exact and not self.problem.foreign and self.doubt is None
        believed = believed and self.evaluator.n_overruled == 0 and self.grown is None
        hinge = self.best_mean_hinge if believed else None
        return DualState(self.blocks, (self.best_weights, hinge))

    # ---- acceleration

    @property
    def _accelerates(self) -> bool:
        """Whether there is a proximal term; sweeps of parts took more rounds with one."""
        return self.options.acceleration > 0.0 and not self.engine.elsewhere

    def _accelerate(self) -> None:
        """Move the proximal centre, and the weights with it."""
        centre = self.schedule.move(self.blocks.point.weights, self._rate())
        if centre is not None or self.blocks.point.regularization > self.lam:
            self._move_around(centre)

    def _rate(self) -> float:
        """The rule for the proximal weight, at scale 1."""
        _, sqnorm, loss = self.store.support()
        return math.sqrt(self.lam * sqnorm / (self.n * loss)) if loss > 0.0 else 0.0

    def _move_around(self, centre: NDArray[np.float64] | None) -> None:
        """Set the weights for the proximal term around `centre`, which is overwritten."""
        self.blocks.point.regularization = self.schedule.strength
        self.blocks.point.move_to(self.schedule.around(centre, self.combination, out=centre))
