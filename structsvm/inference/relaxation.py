"""relax and Relaxation: the relaxation of graph inference over the local polytope."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar
from structsvm.inference._pairwise import check_pairwise, check_unary
from structsvm.inference._relaxation import TreeReweighted, agreement_couplings
from structsvm.inference.cut_scores import check_edges, check_factor
from structsvm.inference.labelling import Labelling

__all__ = ["Relaxation", "RelaxedLabelling", "relax"]


@dataclass(frozen=True, eq=False)
class RelaxedLabelling(Labelling):
    """A fractional labelling, labels, and a bound on both.

    `labels`, `score`, `bound` and `oracle` ("over-generating") are as in `Labelling`.

    Attributes
    ----------
    value : float
        Score of the fractional labelling: at least `score`, at most `bound`. The score of the best
        fractional labelling is between `value` and `bound`, so a plane made of this one is at most
        `gap` too low.
    node_marginals : float64 array of shape (n_nodes, n_labels)
        Fraction of each label at each node; rows sum to 1.
    agreement : float64 array of shape (n_edges,), or None
        Fraction of each edge on which its ends agree; None if edges have tables.
    n_sweeps : int
        Number of passes over all messages, forward and back.
    converged : bool
        Whether `gap` is within the tolerance.
    """

    value: float
    node_marginals: NDArray[np.float64]
    agreement: NDArray[np.float64] | None
    n_sweeps: int
    converged: bool
    _edges: NDArray[np.int32]
    _pairwise: NDArray[np.float64] | None
    _couplings: NDArray[np.float64] | None

    @property
    def gap(self) -> float:
        """`bound - value`."""
        return self.bound - self.value

    @property
    def edge_marginals(self) -> NDArray[np.float64]:
        """Fraction of each pair of labels on each edge, of shape (n_edges, n_labels, n_labels).

        For scores of agreement they are computed on each access; `agreement` holds all that such
        scores depend on, in a fraction of the memory.
        """
        if self._couplings is not None:
            return self._couplings
        assert self._pairwise is not None
        n_labels = self.node_marginals.shape[1]
        out = np.zeros((len(self._edges), n_labels, n_labels))
        agreement_couplings(self.node_marginals, self._edges, self._pairwise, out)
        return out

    @property
    def residual(self) -> float:
        """Largest violation of the constraints of the local polytope; it is rounding only.

        These are: the marginals of a node sum to 1, and the marginals of an edge sum to those of
        its ends.
        """
        nodes, edges = self.node_marginals, self.edge_marginals
        misses = (
            nodes.sum(axis=1) - 1,
            edges.sum(axis=2) - nodes[self._edges[:, 0]],
            edges.sum(axis=1) - nodes[self._edges[:, 1]],
        )
        return max(float(np.abs(miss).max(initial=0.0)) for miss in misses)


def relax(
    unary: ArrayLike,
    edges: ArrayLike,
    pairwise: ArrayLike,
    *,
    tol: float = 1e-4,
    max_sweeps: int = 200,
) -> RelaxedLabelling:
    r"""The best fractional labelling of a graph, with a bound on the best labelling.

    .. math::
        \max_{\mu \in L} \; \sum_i \langle \mathrm{unary}[i], \mu_i \rangle
        + \sum_e \langle \mathrm{pairwise}[e], \mu_e \rangle

    over the local polytope L. Its points are distributions over the labels of each node and over
    the pairs of labels of each edge whose marginals agree. Labellings are its integral points, so
    the maximum over L is at least the maximum over labellings: this is an *over-generating* oracle.
    The two are equal on trees, and for two labels with scores of agreement >= 0.

    Messages are passed along chains that cover the graph, first max-product, then sum-product at a
    temperature that falls with the gap. The bound is valid after any number of sweeps. A sweep
    takes O(n_edges n_labels) time for scores of agreement, otherwise O(n_edges n_labels^2).

    Parameters
    ----------
    unary : array-like of shape (n_nodes, n_labels)
        Score of each label of each node; -inf forbids.
    edges : array-like of int of shape (n_edges, 2)
        Pairs of nodes, in any order; scores of duplicates add up.
    pairwise : array-like of shape (n_edges,), (n_labels, n_labels) or (n_edges, n_labels, n_labels)
        One dimension: the score of each edge if its ends have the same label, of either sign. Two:
        ``pairwise[a, b]`` is the score of every edge whose first end has label a and whose second
        has b. Three: ``pairwise[e, a, b]``, a table for each edge. All finite.
    tol : float, default=1e-4
        Stop when `bound` - `value` is at most `tol` times the sum of the ranges of all scores (the
        most by which the scores of two labellings can differ).
    max_sweeps : int, default=200
        Most sweeps (passes over all messages); the result says whether it converged.

    Returns
    -------
    RelaxedLabelling

    Raises
    ------
    ValueError
        If shapes do not fit, a score is NaN or infinite (except -inf in `unary`), sums of scores
        overflow, a node has no label left, an edge leaves the graph or joins a node to itself, or
        `tol` or `max_sweeps` is out of range.

    See Also
    --------
    Relaxation : The same for one graph and changing scores, with warm starts.

    Notes
    -----
    Sweeps visit nodes in the order of their numbers. Numbers that rise along paths, as the numbers
    of pixels in an image do, make long chains and need few sweeps.

    References
    ----------
    V. Kolmogorov (2006). Convergent tree-reweighted message passing for energy minimization. IEEE
    TPAMI 28(10). doi:10.1109/TPAMI.2006.200

    B. Savchynskyy, S. Schmidt, J. Kappes, C. Schnörr (2012). Efficient MRF energy minimization via
    adaptive diminishing smoothing. UAI. arXiv:1210.4906

    J. Altschul, J. Weed, P. Rigollet (2017). Near-linear time approximation algorithms for optimal
    transport via Sinkhorn iteration. NeurIPS. arXiv:1705.09634

    T. Finley, T. Joachims (2008). Training structural SVMs when exact inference is intractable.
    ICML. doi:10.1145/1390156.1390195

    Examples
    --------
    Three nodes in a circle that all repel one another, but only two labels: half of each.

    >>> from structsvm.inference import relax
    >>> unary = [[0.5, 0.0], [0.0, 0.0], [0.0, 0.0]]
    >>> result = relax(unary, [[0, 1], [1, 2], [2, 0]], [-2.0, -2.0, -2.0], tol=1e-6)
    >>> round(result.bound, 3), round(result.value, 3), result.score
    (0.25, 0.25, -1.5)
    >>> result.node_marginals.round(2).tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    >>> result.oracle
    'over-generating'
    """
    unary = check_unary(unary)
    graph = Relaxation(len(unary), edges, unary.shape[1])
    return graph.solve(unary, pairwise, tol=tol, max_sweeps=max_sweeps)


class Relaxation:
    """`relax` on one graph for changing scores: each solve starts from the last messages.

    Any messages give a valid bound; the messages of similar scores give a good bound at once.

    Parameters
    ----------
    n_nodes : int
    edges : array-like of int of shape (n_edges, 2)
    n_labels : int

    Raises
    ------
    ValueError
        If a size is out of range, or an edge leaves the graph or joins a node to itself.

    Notes
    -----
    Memory is about 24 (n_nodes + n_edges) n_labels bytes, with n_labels rounded up to a multiple of
    4, plus 8 n_edges n_labels^2 bytes for the marginals of edges with tables; tables are not
    copied. Sweeps allocate nothing and release the GIL; do not use one object in two threads at a
    time. The same calls give the same bits.

    Examples
    --------
    >>> from structsvm.inference import Relaxation
    >>> graph = Relaxation(2, [[0, 1]], 2)
    >>> graph.solve([[1.0, 0.0], [0.0, 2.0]], [0.5]).labels
    array([0, 1], dtype=int32)
    >>> graph.solve([[1.0, 0.0], [0.0, 2.0]], [1.5]).labels
    array([1, 1], dtype=int32)
    """

    def __init__(self, n_nodes: int, edges: ArrayLike, n_labels: int) -> None:
        check_scalar("n_nodes", n_nodes, above=-1, integer=True)
        check_scalar("n_labels", n_labels, above=0 if n_nodes else -1, integer=True)
        self.n_nodes, self.n_labels = int(n_nodes), int(n_labels)
        self.edges = check_edges(edges, self.n_nodes)
        self._messages = TreeReweighted(self.n_nodes, len(self.edges), self.n_labels)
        self._messages.set_graph(self.n_nodes, self.edges)

    def scale(self, factor: float) -> None:
        """Prepare for scores that are about `factor` > 0 times the scores of the last solve.

        Parameters
        ----------
        factor : float > 0
        """
        self._messages.scale_messages(check_factor(factor))

    def solve(
        self,
        unary: ArrayLike,
        pairwise: ArrayLike,
        *,
        tol: float = 1e-4,
        max_sweeps: int = 200,
        warm: bool = True,
    ) -> RelaxedLabelling:
        """Solve for these scores, as `relax` does.

        Parameters
        ----------
        unary, pairwise, tol, max_sweeps
            See `relax`.
        warm : bool, default=True
            Whether to start from the messages of the last solve.

        Returns
        -------
        RelaxedLabelling

        Raises
        ------
        ValueError
            See `relax`.
        """
        unary = check_unary(unary)
        if unary.shape != (self.n_nodes, self.n_labels):
            raise ValueError(
                f"unary has shape {unary.shape}, expected {(self.n_nodes, self.n_labels)}"
            )
        agreement, tables = check_pairwise(
            pairwise, len(self.edges), self.n_labels, forbidden=False
        )
        if not isinstance(tol, numbers.Real) or not 0 <= tol < np.inf:
            raise ValueError(f"tol={tol!r}: expected a finite number >= 0")
        check_scalar("max_sweeps", max_sweeps, above=0, integer=True)
        kernel = self._messages
        kernel.set_scores(unary, agreement, tables)
        if not np.isfinite(kernel.scale):
            raise ValueError(
                f"the ranges of the scores add up to {kernel.scale}: their sums overflow; scale "
                "them down"
            )
        labels, marginals, masses, couplings = kernel.solve(tol, max_sweeps, warm)
        return RelaxedLabelling(
            labels=labels,
            score=kernel.score,
            bound=kernel.bound,
            oracle="over-generating",
            value=kernel.value,
            node_marginals=marginals,
            agreement=masses,
            n_sweeps=kernel.n_sweeps,
            converged=kernel.converged,
            _edges=self.edges,
            _pairwise=agreement,
            _couplings=couplings,
        )
