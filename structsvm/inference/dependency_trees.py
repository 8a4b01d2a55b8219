"""dependency_tree: the best head of each token of a sentence."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.inference._dependency_trees import DependencyTreeMaximizer
from structsvm.inference._pairwise import check_scores
from structsvm.inference.cut_scores import check_total

__all__ = ["dependency_tree"]


def dependency_tree(
    arcs: ArrayLike,
    siblings: ArrayLike | None = None,
    grandparents: ArrayLike | None = None,
    *,
    projective: bool = True,
    single_root: bool = True,
) -> tuple[NDArray[np.int32], float]:
    r"""The best dependency tree of a sentence of n tokens, 1 to n; 0 is the root.

    .. math::
        \max_h \; \sum_{m=1}^{n} \mathrm{arcs}[h_m, m - 1]
        + \mathrm{siblings}[h_m, m - 1, s_m] + \mathrm{grandparents}[h_m, m - 1, h_{h_m}]

    over the trees with the heads h. The sibling s_m of token m is the next child of h_m from m on
    the way to h_m; it is h_m itself if m is the first on its side. Children of the root have no
    grandparent.

    Parameters
    ----------
    arcs : array-like of shape (n + 1, n)
        Score of each head for each token; -inf forbids, here and below. Entries that no tree uses
        are ignored, even NaN.
    siblings : array-like of shape (n + 1, n, n + 1), default=None
        Score of each head, token, and sibling. None: 0. Needs `projective`.
    grandparents : array-like of shape (n + 1, n, n + 1), default=None
        Score of each head, token, and head of the head. None: 0. Needs `projective`.
    projective : bool, default=True
        Whether each token must have all tokens between it and its head among the descendants of
        that head: arcs drawn above the sentence, the root at its left, do not cross.
    single_root : bool, default=True
        Whether only one token may have the root as its head.

    Returns
    -------
    heads : int32 array of shape (n,)
        ``heads[m - 1]`` is the head of token m.
    value : float
        The score of the tree; 0 for no tokens.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is NaN or +inf, scores add up to more than a double can
        hold, every tree has a score of -inf, the tables would take more than 4 GiB, or there are
        scores of siblings or grandparents without `projective`, where the best tree is NP-hard to
        find.

    See Also
    --------
    arborescence : Best directed trees of any graph.

    Notes
    -----
    Exact. Arcs: Eisner's algorithm, time O(n^3), memory O(n^2), or without `projective` that of
    `arborescence`, O(n^2). With siblings: McDonald and Pereira's, time O(n^3). With grandparents:
    Koo and Collins' model 1, time O(n^4), memory O(n^3). Equal scores are decided in a fixed order,
    the same on every machine.

    References
    ----------
    J. Eisner (1996). Three new probabilistic models for dependency parsing: an exploration.
    COLING. doi:10.3115/992628.992688
    R. McDonald, F. Pereira (2006). Online learning of approximate dependency parsing algorithms.
    EACL. https://aclanthology.org/E06-1011
    T. Koo, M. Collins (2010). Efficient third-order dependency parsers. ACL.
    https://aclanthology.org/P10-1001

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.inference import dependency_tree
    >>> arcs = np.array([[1.0, 2.0, 1.0], [0.0, 0.0, 3.0], [4.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    >>> dependency_tree(arcs)
    (array([2, 0, 2], dtype=int32), 8.0)
    >>> dependency_tree(arcs, projective=False)
    (array([2, 0, 1], dtype=int32), 9.0)
    """
    scores = real_array("arcs", arcs)
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] + 1:
        raise ValueError(f"arcs has shape {scores.shape}, expected (n + 1, n) for n tokens")
    n = scores.shape[1]
    order = 3 if grandparents is not None else 1 if siblings is None else 2
    trees = DependencyTreeMaximizer([n], order, projective=projective, single_root=single_root)
    head, token, third = np.ogrid[: n + 1, 1 : n + 1, : n + 1]
    pair = head != token
    blocks = [_used_scores("arcs", scores, pair[:, :, 0])]
    if order > 1:
        inner = (np.minimum(head, token) < third) & (third < np.maximum(head, token))
        blocks.append(_used_scores("siblings", siblings, (third == head) & pair | inner))
    if order > 2:
        above = pair & (head > 0) & (third != head) & (third != token)
        blocks.append(_used_scores("grandparents", grandparents, above))
    return trees.maximize(0, np.concatenate([block.ravel() for block in blocks]))


def _used_scores(
    name: str, value: ArrayLike | None, used: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Checked scores with 0 where no tree uses them."""
    scores = np.zeros(used.shape) if value is None else real_array(name, value)
    if scores.shape != used.shape:
        raise ValueError(f"{name} has shape {scores.shape}, expected {used.shape} as `arcs` says")
    checked = check_scores(name, np.where(used, scores, 0.0), scores.ndim, forbidden=True)
    check_total(checked[checked > -np.inf], 3.0)
    return checked
