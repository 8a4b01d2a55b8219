"""Viterbi, marginals and the n best sequences for arrays: checks and calls of the kernels."""

from __future__ import annotations

import numbers

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_unmasked
from structsvm.inference._n_best import n_best_chain
from structsvm.inference._sum_product import marginals_chains
from structsvm.inference._viterbi import max_marginals_chains, viterbi_chains

__all__ = ["marginals", "max_marginals", "n_best", "viterbi"]


def _scores(name: str, value: ArrayLike, dtype: np.dtype, ndim: int) -> NDArray[np.floating]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {array.dtype}, expected real numbers")
    if array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} dimensions, expected {ndim}")
    given = check_unmasked(name, value, array)
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(given, dtype=dtype)
    wrong = np.isnan(array) | (array == np.inf)
    if given.dtype != dtype:
        wrong |= (array == -np.inf) & (given != -np.inf)
    if wrong.any():
        where = ", ".join(str(k) for k in np.argwhere(wrong)[0])
        rule = "finite, or -inf where forbidden"
        if np.isfinite(given[wrong][0]):
            rule += f"; {dtype} holds none so large"
            rule += ": pass unary as float64" if dtype == np.float32 else ""
        raise ValueError(f"{name}[{where}] is {given[wrong][0]}; scores are {rule}")
    return array


def viterbi(
    unary: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    *,
    lengths: ArrayLike | None = None,
) -> tuple[NDArray[np.int32], float | NDArray[np.floating]]:
    r"""The exact label sequence with the highest score, for one chain or many.

    .. math::
        \max_y \; \mathrm{start}[y_1] + \sum_{t=1}^{T} \mathrm{unary}[t, y_t]
        + \sum_{t=2}^{T} \mathrm{transition}[y_{t-1}, y_t] + \mathrm{end}[y_T]

    Time is O(T K^2). Memory is O(T K), or O(T K^2) with a transition matrix for each position.
    Scores are maximised; ``-inf`` forbids. Sums of scores must not overflow.

    Parameters
    ----------
    unary : array-like of shape (n_positions, n_labels)
        Score of each label at each position; the chains of a batch one after the other. If it is
        float32, so is the computation; otherwise it is float64.
    transition : array-like of shape (n_labels, n_labels) or (n_positions, n_labels, n_labels)
        ``transition[i, j]``: score of label j right after label i. With three dimensions
        ``transition[t, i, j]``: score of label j at position t right after label i; the matrix of
        the first position of a chain is ignored.
    start, end : array-like of shape (n_labels,), default=None
        Scores of the first and of the last label of each chain.
    lengths : array-like of int of shape (n_chains,), default=None
        Lengths of the chains of a batch, with ``sum(lengths) == n_positions``. None: one chain.

    Returns
    -------
    labels : int32 array of shape (n_positions,)
        Of several best sequences, the one with the smallest last label, then the smallest label
        before it, and so on towards the start.
    score : float, or array of shape (n_chains,) for a batch
        Score of the best sequence; 0 for a chain without positions.

    Raises
    ------
    ValueError
        If shapes do not fit, a score is NaN or +inf, or all sequences of a chain are forbidden.

    References
    ----------
    A. Viterbi (1967). Error bounds for convolutional codes and an asymptotically optimum decoding
    algorithm. IEEE Transactions on Information Theory 13(2). doi:10.1109/TIT.1967.1054010

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.inference import viterbi
    >>> unary = [[2.0, 0.0], [0.0, 1.0], [2.0, 0.0]]
    >>> stay = [[1.0, 0.0], [0.0, 1.0]]
    >>> labels, score = viterbi(unary, stay)
    >>> labels, score
    (array([0, 0, 0], dtype=int32), 6.0)
    >>> labels, scores = viterbi(unary, stay, lengths=[2, 0, 1])
    >>> labels, scores
    (array([0, 0, 0], dtype=int32), array([3., 0., 2.]))
    """
    unary, transition, start, end, offsets = _checked(unary, transition, start, end, lengths)
    labels = np.zeros(len(unary), dtype=np.int32)
    values = np.zeros(len(offsets) - 1, dtype=unary.dtype)
    if len(unary):
        hopeless = viterbi_chains(
            unary, offsets, transition, start, end, labels, values, 0, len(values)
        )
        if hopeless >= 0:
            raise ValueError(
                f"chain {hopeless} has no sequence with a finite score: every label sequence of "
                f"length {offsets[hopeless + 1] - offsets[hopeless]} is forbidden by -inf scores"
            )
    return labels, values if lengths is not None else float(values[0])


def max_marginals(
    unary: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    *,
    lengths: ArrayLike | None = None,
) -> NDArray[np.floating]:
    r"""Best score of a sequence with each label fixed at each position.

    .. math:: M[t, k] = \max_{y : y_t = k} \mathrm{score}(y)

    The maximum of every row is the score of the best sequence, up to rounding. Its margin over the
    second best entry tells how sure the choice at that position is. Time is O(T K^2), about twice
    as long as `viterbi`; memory is as for `viterbi`.

    Parameters
    ----------
    unary, transition, start, end, lengths
        See `viterbi`.

    Returns
    -------
    marginals : array of shape (n_positions, n_labels)
        float32 if `unary` is, else float64; -inf where every sequence is forbidden.

    Raises
    ------
    ValueError
        If shapes do not fit, or a score is NaN or +inf.

    Examples
    --------
    >>> from structsvm.inference import max_marginals
    >>> max_marginals([[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    array([[3., 2.],
           [3., 3.]])
    """
    unary, transition, start, end, offsets = _checked(unary, transition, start, end, lengths)
    out = np.zeros_like(unary)
    if len(unary):
        max_marginals_chains(unary, offsets, transition, start, end, out)
    return out


def marginals(
    unary: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    *,
    lengths: ArrayLike | None = None,
) -> tuple[NDArray[np.float64], float | NDArray[np.float64]]:
    r"""Probabilities of labels where sequences have probabilities that scores are logarithms of.

    .. math:: P(y) = \exp(\mathrm{score}(y) - \log Z), \qquad
        M[t, k] = \sum_{y : y_t = k} P(y)

    The forward-backward recursion, in logarithms: scores may be of any size. Time is O(T K^2) with
    an exponential for each step; memory is O(T K). The computation is in float64.

    Parameters
    ----------
    unary, transition, start, end, lengths
        See `viterbi`.

    Returns
    -------
    probabilities : array of shape (n_positions, n_labels)
        Rows sum to 1.
    log_partition : float, or array of shape (n_chains,) for a batch
        log Z; 0 for a chain without positions.

    Raises
    ------
    ValueError
        If shapes do not fit, a score is NaN or +inf, or all sequences of a chain are forbidden.

    References
    ----------
    L. R. Rabiner (1989). A tutorial on hidden Markov models and selected applications in speech
    recognition. Proceedings of the IEEE 77(2). doi:10.1109/5.18626

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.inference import marginals
    >>> probabilities, log_partition = marginals(np.log([[3, 1], [1, 1]]), np.log([[3, 1], [1, 1]]))
    >>> probabilities.round(3)
    array([[0.857, 0.143],
           [0.714, 0.286]])
    >>> round(float(np.exp(log_partition)), 6)
    14.0
    """
    if np.asarray(unary).dtype == np.float32:
        unary = check_unmasked("unary", unary, np.asarray(unary)).astype(np.float64)
    own, transition, start, end, offsets = _checked(unary, transition, start, end, lengths)
    out, values = np.zeros(own.shape), np.zeros(len(offsets) - 1)
    if len(own):
        hopeless = marginals_chains(own, offsets, transition, start, end, out, values)
        if hopeless >= 0:
            raise ValueError(
                f"chain {hopeless} has no sequence with a finite score: every label sequence of "
                f"length {offsets[hopeless + 1] - offsets[hopeless]} is forbidden by -inf scores"
            )
    return out, values if lengths is not None else float(values[0])


def n_best(
    unary: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    *,
    n: int = 10,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    r"""The n label sequences of one chain with the highest scores.

    An exact best-first search from the end of the chain. The forward pass of the Viterbi recursion
    gives the best completion of every suffix, so the search visits few labels outside the n
    sequences. Time is O(T K^2 + n T K log(n T K)), memory O(n T K).

    Parameters
    ----------
    unary : array-like of shape (n_positions, n_labels)
    transition, start, end
        See `viterbi`. The computation is in float64.
    n : int, default=10
        Number of sequences; fewer are returned if fewer have a finite score.

    Returns
    -------
    labels : int32 array of shape (n_found, n_positions)
        All different. The first is the sequence that `viterbi` returns; sequences whose scores
        differ only by rounding may change places.
    scores : float64 array of shape (n_found,)
        Descending.

    Raises
    ------
    ValueError
        If shapes do not fit, a score is NaN or +inf, or n < 1.

    References
    ----------
    F. K. Soong, E.-F. Huang (1991). A tree-trellis based fast search for finding the n best
    sentence hypotheses in continuous speech recognition. ICASSP. doi:10.1109/ICASSP.1991.150437

    Examples
    --------
    >>> from structsvm.inference import n_best
    >>> labels, scores = n_best([[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]], n=3)
    >>> labels.tolist(), scores.tolist()
    ([[0, 0], [0, 1], [1, 1]], [3.0, 3.0, 2.0])
    """
    if not isinstance(n, numbers.Integral) or n < 1:
        raise ValueError(f"n={n!r}: expected an integer >= 1")
    # Always float64: float32 sums in another order may rank sequences differently.
    own = np.asarray(unary)
    if own.dtype == np.float32:
        unary = check_unmasked("unary", unary, own).astype(np.float64)
    own, transition, start, end, _ = _checked(unary, transition, start, end, None)
    n_positions, n_labels = own.shape
    if not n_positions:
        return np.zeros((1, 0), dtype=np.int32), np.zeros(1)
    own = own.copy()
    own[0] += 0.0 if start is None else start
    own[-1] += 0.0 if end is None else end
    # No more rows than there are sequences: n may be far greater.
    n_rows = int(min(n, n_labels ** min(n_positions, 64)))
    labels, scores = np.zeros((n_rows, n_positions), dtype=np.int32), np.zeros(n_rows)
    found = n_best_chain(own, transition, labels, scores)
    order = np.argsort(-scores[:found], kind="stable")
    return labels[order], scores[order]


def _checked(
    unary: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike | None,
    end: ArrayLike | None,
    lengths: ArrayLike | None,
) -> tuple[
    NDArray[np.floating],
    NDArray[np.floating],
    NDArray[np.floating] | None,
    NDArray[np.floating] | None,
    NDArray[np.int64],
]:
    """The checked scores in one dtype, and the offsets of the chains."""
    dtype = np.dtype(np.float32 if np.asarray(unary).dtype == np.float32 else np.float64)
    unary = _scores("unary", unary, dtype, 2)
    n_positions, n_labels = unary.shape
    per_position = np.ndim(transition) == 3
    transition = _scores("transition", transition, dtype, 3 if per_position else 2)
    shape = ((n_positions,) if per_position else ()) + (n_labels, n_labels)
    if transition.shape != shape:
        raise ValueError(
            f"transition has shape {transition.shape}, expected {shape} as unary has "
            f"{n_labels} labels" + (f" and {n_positions} positions" if per_position else "")
        )
    if n_labels == 0 and n_positions:
        raise ValueError(f"unary has shape {unary.shape}: there is no label to choose")
    ends = []
    for name, value in (("start", start), ("end", end)):
        scores = None if value is None else _scores(name, value, dtype, 1)
        if scores is not None and scores.shape != (n_labels,):
            raise ValueError(f"{name} has shape {scores.shape}, expected ({n_labels},)")
        ends.append(scores)
    sizes = np.array([n_positions]) if lengths is None else np.asarray(lengths)
    if sizes.ndim != 1 or (sizes.size and sizes.dtype.kind not in "iu"):
        raise ValueError(f"lengths must be a 1-D sequence of integers, got {lengths!r}")
    # Lengths above n_positions are refused first: their sum could wrap around.
    if (sizes < 0).any() or (sizes > n_positions).any() or sizes.sum() != n_positions:
        raise ValueError(
            f"lengths must be >= 0 and sum to the {n_positions} rows of unary, "
            f"got a sum of {sizes.sum()} and a minimum of {sizes.min(initial=0)}"
        )
    offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return unary, transition.reshape(-1, n_labels, n_labels), ends[0], ends[1], offsets
