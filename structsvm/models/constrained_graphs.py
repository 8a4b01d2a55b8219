"""The best labels of graphs under linear constraints, for all models of graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.sequences import as_items
from structsvm.inference.constrained import constrained_labels
from structsvm.inference.integer_program import read_constraints
from structsvm.problems._factored import FactoredProblem

__all__ = ["all_constrained_labels", "side_by_side"]


def all_constrained_labels(
    problem: FactoredProblem,
    w: NDArray[np.float64],
    graphs: Sequence[tuple[int, NDArray[np.int32]]],
    shape: tuple[int, ...],
    constraints: Sequence[Any],
    columns: Callable[[int], tuple[NDArray[np.intp], Any]] | None = None,
) -> NDArray[np.int32]:
    """The labels of all nodes of all graphs.

    Parameters
    ----------
    problem : FactoredProblem
        Its parts are the labels of nodes, then the scores of edges.
    w : ndarray of shape (n_weights,)
    graphs : sequence of pairs
        Of each graph the number of nodes, and the edges.
    shape : (n_labels,) or (n_labels, n_labels, n_labels)
        The number of labels of a node; with the shape of a table if edges have tables.
    constraints : sequence of length n_graphs
        As for `constrained_labels`, or None.
    columns : callable, default=None
        Of graph i: for each node and label the column that constraints have for it, and a function
        that turns a matrix of constraints given otherwise into one with columns.
    """
    constraints = as_items("constraints", constraints)
    if len(constraints) != len(graphs):
        raise ValueError(
            f"there are constraints of {len(constraints)} examples, expected {len(graphs)} as in X"
        )
    found = [np.zeros(0, dtype=np.int32)]
    theta, ends = problem.part_scores(w), np.cumsum(problem.maximizer.n_parts)[:-1]
    examples = zip(graphs, np.split(theta, ends), constraints, strict=True)
    for i, ((n_nodes, edges), scores, given) in enumerate(examples):
        n = n_nodes * shape[0]
        try:
            if columns is not None and given is not None:
                given = _renamed(given, *columns(i))
            answer = constrained_labels(
                scores[:n].reshape(n_nodes, shape[0]),
                edges,
                scores[n:].reshape(-1, *shape[1:]),
                given,
            )
        except (ValueError, RuntimeError) as error:
            error.add_note(f"for X[{i}]")
            raise
        found.append(answer.labels)
    return np.concatenate(found)


def _renamed(given: Any, column_of: NDArray[np.intp], read: Any) -> list[Any]:
    """Constraints whose columns are those of all nodes and labels."""
    n = int(column_of.max(initial=-1)) + 1
    several = []
    for some in read_constraints(read(given)):
        if some.A.shape[1] != n:
            raise ValueError(
                f"constraints have {some.A.shape[1]} columns, expected {n}: one for each node and "
                "label of its type"
            )
        several.append((some.A[:, column_of], some.lower, some.upper))
    return several


def side_by_side(given: Any, widths: Mapping[str, int]) -> Any:
    """Constraints whose matrices may be dicts of matrices by type, as matrices of all types."""
    if isinstance(given, list):
        return [side_by_side(one, widths) for one in given]
    if not (isinstance(given, tuple) and len(given) == 3 and isinstance(given[0], Mapping)):
        return given
    blocks = {}
    for kind, matrix in given[0].items():
        if kind not in widths:
            raise ValueError(f"constraints name the type {kind!r}, expected one of {[*widths]}")
        block = sp.csr_array(matrix if sp.issparse(matrix) else np.atleast_2d(np.asarray(matrix)))
        if block.shape[1] != widths[kind]:
            raise ValueError(
                f"constraints of {kind!r} have {block.shape[1]} columns, expected {widths[kind]}: "
                "one for each such node and label"
            )
        blocks[kind] = block
    n_rows = {block.shape[0] for block in blocks.values()}
    if len(n_rows) != 1:
        raise ValueError(
            f"constraints by type have {sorted(n_rows)} rows, expected one number for all types"
        )
    rows = n_rows.pop()
    whole = [blocks.get(kind, sp.csr_array((rows, width))) for kind, width in widths.items()]
    return sp.hstack(whole, format="csc"), *given[1:]
