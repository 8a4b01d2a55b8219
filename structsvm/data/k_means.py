"""k-means, with the same bits for any number of threads."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["k_means"]

_MOST_ROUNDS = 50


def k_means(
    rows: sp.csr_array, n_clusters: int, random_state: np.random.RandomState
) -> NDArray[np.int64]:
    """Clusters of rows, from centres that are drawn far from each other (k-means++).

    Parameters
    ----------
    rows : CSR of shape (n_rows, n_features)
    n_clusters : int
        Some may have no rows.
    random_state : RandomState

    Returns
    -------
    clusters : int64 ndarray of shape (n_rows,)

    References
    ----------
    D. Arthur, S. Vassilvitskii (2007). k-means++: the advantages of careful seeding. SODA.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from structsvm.data.k_means import k_means
    >>> rows = sp.csr_array(np.array([[1.0], [9.0], [1.1], [9.1]]))
    >>> a, b, c, d = k_means(rows, 2, np.random.RandomState(0))
    >>> bool(a == c != b == d)
    True
    """
    n = rows.shape[0]
    if n <= n_clusters:
        return np.arange(n)
    sizes = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
    first = int(random_state.randint(n))
    centres = rows[[first]].toarray()
    nearest = _distances(rows, sizes, centres)[:, 0]
    while len(centres) < n_clusters and nearest.sum() > 0:
        chosen = int(np.searchsorted(np.cumsum(nearest), random_state.uniform() * nearest.sum()))
        centres = np.vstack([centres, rows[[min(chosen, n - 1)]].toarray()])
        nearest = np.minimum(nearest, _distances(rows, sizes, centres[-1:])[:, 0])
    clusters = np.full(n, -1)
    for _ in range(_MOST_ROUNDS):
        latest = np.argmin(_distances(rows, sizes, centres), axis=1)
        if (latest == clusters).all():
            break
        clusters = latest
        members = sp.csr_array((np.ones(n), (clusters, np.arange(n))), shape=(len(centres), n))
        counts = np.bincount(clusters, minlength=len(centres))[:, None]
        centres = np.where(counts > 0, (members @ rows).toarray() / np.maximum(counts, 1), centres)
    return clusters


def _distances(
    rows: sp.csr_array, sizes: NDArray[np.float64], centres: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distances of rows with these squared norms from centres."""
    squares = sizes[:, None] - 2.0 * (rows @ centres.T) + (centres**2).sum(axis=1)
    distances: NDArray[np.float64] = np.maximum(squares, 0.0)
    return distances
