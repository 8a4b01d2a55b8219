"""Block-coordinate ascent with exact block updates."""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.data.snapshots import Kind, count, number, vector
from structsvm.engines import Engine
from structsvm.problems import Problem
from structsvm.solvers.base import TOO_LARGE, Callback, Capabilities, Snapshot, SolverResult
from structsvm.solvers.proximal import ProximalSchedule
from structsvm.solvers.run import Part, dual_value, dual_value_at
from structsvm.solvers.two_level import Atom, CoarseLevel, TwoLevelRun, most_atoms

if TYPE_CHECKING:
    from structsvm.solvers.block_duals import ExactBlocks

__all__ = ["BlockDual"]

# Short passes visit the blocks whose gap is above this share of the mean gap.
_SHARE = 0.1
# Long passes that visit all blocks: every pass without a proximal term, every fifth pass with it,
# and the pass after a certificate that missed the tolerance.
_FULL_PASS_EVERY = 5
# A proximal weight that stalled is allowed again after so many rounds without a stall.
_RETRY_AFTER = 16


class BlockDual(BaseEstimator):  # type: ignore[misc]
    r"""Dual coordinate ascent on blocks, each solved exactly.

    For problems with an exact block update: those of `MulticlassModel` and its kernel version. The
    objective is the same as for `BCFW`; no planes are stored.

    A round is a pass over the blocks in random order, without those that had no gap in the last two
    passes, and then short passes over those whose gap is above a tenth of the mean (shrinking).
    Where the tolerance is many rounds away, a proximal term :math:`\frac\kappa2 \|w - v\|^2` is
    added, whose centre v moves by Nesterov's rule. Its weight follows
    :math:`\kappa = a \sqrt{\lambda R^2 t / (n L)}`, R^2 being twice the mean squared norm of x, L
    the mean loss of the planes in use, t the share of the multipliers' caps in use (the mean
    weighed by itself) and a = `acceleration`; it is doubled while the gap falls slowly and halved
    when the best dual value stands still. Where rounds stall all the same, cuts over all examples
    take turns with them; see `structsvm.solvers.two_level`.

    Parameters
    ----------
    acceleration : float, default=1.0
        Factor of the rule for the proximal weight; 0 switches the proximal term off.
    inner_passes : int, default=4
        Short passes in a round.
    coarse : bool, default=True
        Cut where rounds stall; see `BCFW`. Not done with kernels.

    Notes
    -----
    Memory is O(n_weights + n_examples * n_classes), and at most 160 MB for cuts. A visit costs two
    products of the example's features with rows of the weight matrix. Results depend on
    `random_state` alone.

    References
    ----------
    S. S. Keerthi, S. Sundararajan, K.-W. Chang, C.-J. Hsieh, C.-J. Lin (2008). A sequential dual
    method for large scale multi-class linear SVMs. KDD. doi:10.1145/1401890.1401942
    M. Blondel, A. Fujino, N. Ueda (2014). Large-scale multiclass support vector machine training
    via Euclidean projection onto the simplex. ICPR. doi:10.1109/ICPR.2014.231
    S. Shalev-Shwartz, T. Zhang (2014). Accelerated proximal stochastic dual coordinate ascent for
    regularized loss minimization. Mathematical Programming 155. doi:10.1007/s10107-014-0839-0

    Examples
    --------
    >>> from structsvm import MulticlassSVM
    >>> from structsvm.solvers import BlockDual
    >>> svm = MulticlassSVM(solver=BlockDual(acceleration=0), random_state=0)
    >>> svm.fit([[0.0], [1.0], [2.0]], ["a", "b", "c"]).dual_gap_ <= 1e-3
    True
    """

    capabilities = Capabilities(has_dual_point=True, asks_engine=False)

    def __init__(
        self, *, acceleration: float = 1.0, inner_passes: int = 4, coarse: bool = True
    ) -> None:
        self.acceleration = acceleration
        self.inner_passes = inner_passes
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
        # Imported here because it loads the families that it knows.
        from structsvm.solvers.block_duals import block_dual_of

        make = block_dual_of(problem)
        is_compatible = type(state) is make and state.problem is problem
        blocks: ExactBlocks = state if is_compatible else make(problem)
        run = _BlockDualRun(self, blocks, C, tol, random_state)
        return run.run(max_iter, callback, snapshot, engine)

    def _check_parameters(self) -> None:
        if not isinstance(self.inner_passes, numbers.Integral) or self.inner_passes < 0:
            raise ValueError(
                f"inner_passes={self.inner_passes!r} of BlockDual: expected an integer >= 0"
            )
        if not isinstance(self.acceleration, numbers.Real) or not 0 <= self.acceleration < math.inf:
            raise ValueError(
                f"acceleration={self.acceleration!r} of BlockDual: expected a number >= 0"
            )


class _BlockDualRun(TwoLevelRun):
    """The rounds, and the proximal term."""

    def __init__(
        self,
        options: BlockDual,
        blocks: ExactBlocks,
        C: float,
        tol: float | None,
        random_state: np.random.RandomState,
    ) -> None:
        super().__init__(blocks.problem, C, tol, random_state)
        self.options = options
        self.blocks = blocks
        self.schedule = ProximalSchedule(
            self.lam,
            self.problem.n_weights,
            options.acceleration,
            late=True,
            retry_after=_RETRY_AFTER,
        )
        self.loss = 0.0
        self.combination = np.zeros(blocks.problem.n_weights)
        self.n_certified = 0
        self.known = np.zeros((0, 0), dtype=np.uint8)  # classes that cuts have been made of
        if options.coarse and not blocks.implicit and most_atoms(self.problem) > 0:
            self.coarse = CoarseLevel(self.problem, self.lam)

    def kept(self) -> dict[str, Kind]:
        return super().kept() | {
            "loss": number(),
            "combination": vector(self.problem.n_weights),
            "n_certified": count(),
        }

    def parts(self) -> dict[str, Part]:
        parts: dict[str, Part] = {"": self.schedule, "blocks/": self.blocks}
        return parts if self.coarse is None else parts | {"coarse/": self.coarse}

    def enter(self) -> None:
        """Start from the dual point that the blocks hold: it is feasible for every lambda."""
        if not math.isfinite(self.blocks.mean_sqnorm):
            raise ValueError(TOO_LARGE)
        self.combination, self.loss = self.blocks.combination(), self.blocks.loss()
        self.blocks.regularization = self.lam
        self.blocks.move_to(self.combination / self.lam)
        self.measured(self._dual_value(), self.blocks.weights, math.inf)
        self._next_level = 0.0  # no certificates on the way: each costs as much as a round

    def block_round(self, first: bool) -> float:
        visits = self.blocks.n_visits
        centre = None if first else self._move_centre()
        fell_short = self.n_iter > 0 and self._certified_at == self.n_iter
        due = self.schedule.kappa_scale == 0.0 or self.n_iter % _FULL_PASS_EVERY == 0
        mean_gap = self.blocks.long_pass(self._seed(), due or fell_short)
        self.blocks.short_passes(_SHARE, int(self.options.inner_passes), self._seed())
        w = self.blocks.weights
        self.loss = self.blocks.loss()
        combination = self.schedule.strength * w
        if centre is not None:
            combination -= self.schedule.kappa * centre
        self.combination = self.blocks.without_rounding(combination)
        # Estimate of the mean hinge at fixed weights, from the gaps of the visits.
        hinge = mean_gap + self.loss - self.inner(w, self.combination)
        improved = self.measured(self._dual_value(), w, hinge)
        gap = max(self.met_value - self.best_dual, 0.0)
        self.schedule.record(improved, gap, self.remaining(gap))
        return 2.0 * self.problem.oracle_work * (self.blocks.n_visits - visits)

    def settle(self) -> None:
        self.combination, self.loss = self.blocks.combination(), self.blocks.loss()

    def contradicted(self, sentence: str) -> None:
        if not self.blocks.implicit:
            super().contradicted(sentence)
            return
        self.doubt = sentence
        raise ValueError(f"the kernel is not positive semidefinite: {sentence.partition(':')[0]}")

    def inner(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return self.blocks.inner(a, b)

    def _dual_value(self) -> float:
        sqnorm = self.inner(self.combination, self.combination)
        return dual_value_at(sqnorm, self.loss, self.lam)

    def _seed(self) -> int:
        return int(self.random.randint(2**31 - 1))

    def _move_centre(self) -> NDArray[np.float64] | None:
        """Move the proximal centre and the weights; returns the centre, None without the term."""
        rate = 0.0
        share, loss = self.blocks.usage()
        if loss > 0.0:
            # Two roots, as the product of what is under them may be out of range.
            rate = math.sqrt(self.lam / (self.n * loss)) * math.sqrt(share)
            rate *= math.sqrt(2 * self.blocks.mean_sqnorm)
        centre = self.schedule.move(self.blocks.weights, rate)
        if centre is not None or self.blocks.regularization > self.lam:
            self.blocks.regularization = self.schedule.strength
            self.blocks.move_to(self.schedule.around(centre, self.combination))
        return centre

    def candidates(self) -> list[NDArray[np.float64]]:
        if self.coarse is not None and self.coarse.cutting:
            return [self.coarse.cuts.weights]
        if self.blocks.implicit:
            return [self.combination / self.lam]
        return [np.array(self.blocks.weights)]

    def hinge_along(
        self, weights: NDArray[np.float64]
    ) -> Callable[[float], tuple[float, float]] | None:
        if self.blocks.implicit:
            return None
        self.n_certified += self.n
        return functools.partial(self.blocks.hinge_at_multiple, self.blocks.scores_of_all(weights))

    def mean_hinge(
        self, weights: NDArray[np.float64], hinges: NDArray[np.float64] | None = None
    ) -> float:
        self.n_certified += self.n
        return super().mean_hinge(weights, hinges)

    def counters(self) -> dict[str, int]:
        return {
            "n_oracle_calls": self.blocks.n_visits + self.n_certified,
            "n_overruled": 0,
            "n_planes": 0,
            "solver_bytes": self.blocks.nbytes + (0 if self.coarse is None else self.coarse.nbytes),
        }

    # ---- the coarse level

    def cut_work(self, exact: bool) -> float:
        return 2.0 * self.problem.oracle_work * self.n

    def dual_point(self) -> tuple[NDArray[np.float64], float, Atom]:
        examples, classes = np.nonzero(self.blocks.alpha)
        weights = self.blocks.alpha[examples, classes]
        atom = Atom(examples.astype(np.int32), classes.astype(np.int32), weights)
        return self.blocks.combination(), self.blocks.loss(), atom

    def exact_cut(
        self, weights: NDArray[np.float64]
    ) -> tuple[float, tuple[NDArray[np.float64], float, Atom]]:
        self.known = (self.blocks.alpha > 0.0).astype(np.uint8)
        for atom in self.coarse.atoms if self.coarse is not None else ():
            self.known[atom.examples, atom.planes] = 1
        self.n_certified += self.n
        hinge, cut = self._cut_at(weights, True)
        self.accept(weights, hinge)
        return hinge, cut

    def aggregate(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, Atom]:
        return self._cut_at(weights, False)[1]

    def _cut_at(
        self, weights: NDArray[np.float64], exact: bool
    ) -> tuple[float, tuple[NDArray[np.float64], float, Atom]]:
        delta, loss, hinge, multipliers = self.blocks.aggregate(weights, self.known, exact)
        examples, classes = np.nonzero(multipliers)
        taken = multipliers[examples, classes]
        atom = Atom(examples.astype(np.int32), classes.astype(np.int32), taken)
        return hinge, (delta, loss, atom)

    def take_over(self, atom: Atom) -> None:
        alpha, present = self.blocks.alpha, self.blocks.alpha.copy()
        least = dual_value(self.blocks.combination(), self.blocks.loss(), self.lam)
        self.blocks.go_to(*atom)
        combination, loss = self.blocks.combination(), self.blocks.loss()
        if dual_value(combination, loss, self.lam) < least:
            alpha[...] = present
            return
        self.combination, self.loss = combination, loss
        self.blocks.idle[:] = 0
        self.schedule.reset()
        self.blocks.regularization = self.schedule.strength
        self.blocks.move_to(combination / self.lam)

    def state(self) -> ExactBlocks:
        return self.blocks
