"""constrained_labels: the best labels of a graph under linear constraints."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._pairwise import check_graph_scores
from structsvm.inference.integer_program import integer_program, read_constraints

__all__ = ["ConstrainedLabelling", "constrained_labels"]


class ConstrainedLabelling(NamedTuple):
    """What `constrained_labels` finds.

    Attributes
    ----------
    labels : int32 array of shape (n_nodes,)
    value : float
        Their score.
    bound : float
        No labels that satisfy the constraints have a higher score. Above `value` only where a
        search ended early.
    """

    labels: NDArray[np.int32]
    value: float
    bound: float


def constrained_labels(
    unary: ArrayLike, edges: ArrayLike, pairwise: ArrayLike, constraints: Any, **limits: Any
) -> ConstrainedLabelling:
    r"""The labels of a graph's nodes with the greatest score that satisfy linear constraints.

    .. math::
        \max_y \; \sum_i \mathrm{unary}[i, y_i] + \sum_{e = (a, b)} s_e(y_a, y_b)
        \quad \text{with} \quad l \le \sum_{i, k} A_{i k} \, [y_i = k] \le u

    with :math:`s_e(k, l) = \mathrm{pairwise}_e [k = l]`, or :math:`\mathrm{pairwise}[e, k, l]`:
    at most two nodes with a label, one of two nodes, as many of one label as of another.

    Parameters
    ----------
    unary : array-like of shape (n_nodes, n_labels)
    edges : int array-like of shape (n_edges, 2)
    pairwise : array-like of shape (n_edges,), (n_edges, n_labels, n_labels) or (n_labels, n_labels)
        As for `alpha_expansion`.
    constraints : scipy.optimize.LinearConstraint, triple (A, l, u), or list of these; None for none
        A, dense or sparse, has a column for each node and label, ``node * n_labels + label``.
    **limits
        `gap`, `node_limit` and `time_limit`, as for `integer_program`.

    Returns
    -------
    ConstrainedLabelling
        labels, value and bound.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is not finite, or no labels satisfy the constraints.
    RuntimeError
        As `integer_program`.

    See Also
    --------
    alpha_expansion, relax : Without constraints, for large graphs.

    Notes
    -----
    An integer program of HiGHS with the local polytope as constraints: n_nodes n_labels integers
    and n_edges n_labels^2 real variables. It is NP-hard; graphs of tens to hundreds of nodes take
    milliseconds to seconds.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.inference import constrained_labels
    >>> unary = [[0.0, 3.0], [0.0, 2.0], [0.0, 1.0]]
    >>> one_of_label_1 = (np.tile([0, 1], (1, 3)), 0, 1)
    >>> constrained_labels(unary, [[0, 1], [1, 2]], [0.5, 0.5], one_of_label_1)
    ConstrainedLabelling(labels=array([1, 0, 0], dtype=int32), value=3.5, bound=3.5)
    """
    scores = check_graph_scores(unary, edges, pairwise, forbidden=False)
    n_nodes, k = scores.unary.shape
    tables, ends = scores.table_of_each_edge(), scores.edges
    n_labels, n_pairs = n_nodes * k, tables.size
    rows = [_wider(given, n_labels, n_labels + n_pairs) for given in read_constraints(constraints)]
    one_each = sp.kron(sp.eye_array(n_nodes), np.ones((1, k)), format="csc")
    none = sp.csc_array((n_nodes, n_pairs))
    rows.append((sp.hstack([one_each, none], format="csc"), 1, 1))
    for end in (0, 1):
        # The pairs of labels of an edge with label l at this end are used as often as l is there.
        sums = np.kron(np.eye(k), np.ones((1, k)))
        if end == 1:
            sums = np.kron(np.ones((1, k)), np.eye(k))
        of_pairs = sp.kron(sp.eye_array(len(ends)), sums, format="csc")
        at = sp.csc_array(
            (np.ones(len(ends)), (np.arange(len(ends)), ends[:, end])), shape=(len(ends), n_nodes)
        )
        of_labels = sp.kron(at, sp.eye_array(k), format="csc")
        rows.append((sp.hstack([-of_labels, of_pairs], format="csc"), 0, 0))
    found = integer_program(
        np.concatenate([scores.unary.ravel(), tables.ravel()]),
        rows,
        integrality=np.repeat([1, 0], [n_labels, n_pairs]),
        **limits,
    )
    labels = found.counts[:n_labels].reshape(n_nodes, k).argmax(axis=1).astype(np.int32)
    return ConstrainedLabelling(labels, found.value, found.bound)


def _wider(given: Any, n_labels: int, n: int) -> tuple[Any, Any, Any]:
    """Constraints of labels as those of all variables."""
    if given.A.shape[1] != n_labels:
        raise ValueError(
            f"constraints have {given.A.shape[1]} columns, expected {n_labels}: one for each node "
            "and label"
        )
    more = sp.csc_array((given.A.shape[0], n - n_labels))
    return sp.hstack([given.A, more], format="csc"), given.lower, given.upper
