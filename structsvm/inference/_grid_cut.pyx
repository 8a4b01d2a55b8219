"""Cuts of grids that keep the flow for the next one; the algorithm is in ``grid_flow_search.h``."""

import threading

import numpy as np

from libc.stdint cimport uint8_t
from libc.string cimport memset

from structsvm.inference.cut_scores import (
    CutCertificate, check_factor, check_total, scales_well,
)
from structsvm.inference.grid_scores import (
    check_grid, check_grid_pairwise, check_grid_unary, flow_limit,
)

# A flow carries the rounding of the scores it was found with. It is dropped when the largest score
# falls below this fraction of theirs.
cdef double SAFE_DECREASE = 1e-3

# This rounding is negligible beside the energy while no such score is more than this many times the
# energy.
cdef double MOST_FLOW = 1e4


cdef class GridCut:
    r"""Cuts of one image or volume under changing scores.

    Maximises, exactly, over a label 0 or 1 for each pixel

    .. math::
        \sum_v \mathrm{unary}_v \, y_v
        + \sum_k \sum_v \mathrm{pairwise}_{k, v} \, [y_v = y_{v + \mathrm{direction}_k}]

    as `grid_cut` does, and keeps the flow that proves the maximum. After a small change of scores
    the next solve starts from it (Kohli and Torr 2007).

    Parameters
    ----------
    shape : tuple of int
        (height, width), or (depth, height, width).
    connectivity : {4, 8, 6, 26}, default=4
        Number of neighbours of a pixel: 4 or 8 in an image, 6 or 26 in a volume.

    Attributes
    ----------
    shape : tuple of int
    connectivity : int
    directions : intc array of shape (n_directions, n_dimensions)
        Step of the edges of each direction; there are connectivity / 2 directions.
    nbytes : int
        Memory held: 24 bytes a pixel (32 with 26 neighbours), 8 for each of its neighbours, and a
        copy of the scores.

    Raises
    ------
    ValueError
        If the shape does not fit the connectivity, or there are 2**31 arcs or more.

    Notes
    -----
    Scores are zero at first. A solve allocates no memory except for the labels; in practice its
    time grows about linearly with the number of pixels. Solves release the GIL; do not use one
    object in two threads at a time.

    References
    ----------
    A. Goldberg, S. Hed, H. Kaplan, P. Kohli, R. Tarjan, R. Werneck (2015). Faster and more dynamic
    maximum flow by incremental breadth-first search. ESA. doi:10.1007/978-3-662-48350-3_52
    P. Kohli, P. Torr (2007). Dynamic graph cuts for efficient inference in Markov random fields.
    TPAMI 29. doi:10.1109/TPAMI.2007.1128

    Examples
    --------
    >>> from structsvm.inference import GridCut
    >>> cut = GridCut((2, 3))
    >>> cut.set_scores([[2.0, 0.3, -1.0], [1.0, -0.1, -3.0]], 0.4)
    >>> cut.solve()
    array([[1, 1, 0],
           [1, 1, 0]], dtype=uint8)
    >>> cut.set_scores(pairwise=[0.1, 0.0])
    >>> cut.solve()
    array([[1, 1, 0],
           [1, 0, 0]], dtype=uint8)
    """

    def __cinit__(self):
        memset(&self.grid, 0, sizeof(ssvm_grid))
        self._lock = threading.Lock()

    def __init__(self, shape, connectivity=4):
        self.shape, self.directions = check_grid(shape, connectivity)
        self.connectivity = connectivity
        cdef int[:, ::1] steps = np.zeros((len(self.directions), 3), dtype=np.intc)
        np.asarray(steps)[:, 3 - len(self.shape):] = self.directions
        sizes = (1, *self.shape) if len(self.shape) == 2 else self.shape
        if max(sizes) >= 2**31 or not ssvm_grid_shape(
            &self.grid, self.connectivity, &steps[0, 0], sizes[0], sizes[1], sizes[2]
        ) < 2**31:
            raise ValueError(
                f"a grid of shape {self.shape} with {connectivity} neighbours has 2**31 arcs or "
                "more, and they are counted in 32 bits: split it into smaller grids"
            )
        ssvm_grid_free(&self.grid)
        if ssvm_grid_reserve(&self.grid):
            raise MemoryError(f"no memory for a grid of shape {self.shape}")
        self._unary = self._pairwise = None

    def __dealloc__(self):
        ssvm_grid_free(&self.grid)

    def _begin(self):
        """Load zeros if no scores were set."""
        if self._unary is None:
            self._hold(np.zeros(self.shape), 0.0, np.zeros(len(self.directions)), 0.0, False)

    def _hold(self, *scores):
        with self._lock:
            self._load(*scores)

    def _load(self, unary, largest_unary, pairwise, largest_pairwise, keep_flow):
        """Load checked scores and keep the arrays, which must not change."""
        cdef double largest = max(largest_unary, largest_pairwise)
        cdef double limit = flow_limit(unary, largest, self.directions)
        # Scores that were clipped when loaded have no valid differences.
        keep_flow = keep_flow and self._unary is not None and limit == self._limit == np.inf
        keep_flow = keep_flow and SAFE_DECREASE * self._largest <= largest
        cdef const double[::1] new_unary, new_pairwise, old_unary, old_pairwise
        cdef Py_ssize_t step = pairwise.ndim > 1, old_step
        cdef bint changes_unary, changes_pairwise
        if keep_flow and self.grid.n_places and unary.size:
            new_unary, new_pairwise = unary.reshape(-1), pairwise.reshape(-1)
            old_unary, old_pairwise = self._unary.reshape(-1), self._pairwise.reshape(-1)
            old_step = self._pairwise.ndim > 1
            changes_unary = unary is not self._unary
            changes_pairwise = pairwise is not self._pairwise
            with nogil:
                if changes_unary:
                    ssvm_grid_change_unary(&self.grid, &old_unary[0], &new_unary[0])
                if changes_pairwise:
                    ssvm_grid_change_pairwise(
                        &self.grid, &old_pairwise[0], &old_pairwise[0], old_step,
                        &new_pairwise[0], &new_pairwise[0], step,
                    )
        self._unary, self._largest_unary = unary, largest_unary
        self._pairwise, self._largest_pairwise = pairwise, largest_pairwise
        if keep_flow:
            self._largest = max(self._largest, largest)
            self._keeps_flow, self._is_solved = True, False
        else:
            self._load_within(limit)

    cdef _load_within(self, double limit):
        """Load the current scores, clipped to [-limit, limit], without a flow.

        A limit above the value of the maximum flow changes no minimum cut: its edges cost less, and
        no pixel sends or takes more.
        """
        unary, pairwise = self._unary, self._pairwise
        if self._largest_unary > limit:
            unary = np.clip(unary, -limit, limit)
        if self._largest_pairwise > limit:
            pairwise = np.minimum(pairwise, limit)
        cdef const double[::1] new_unary = unary.reshape(-1)
        cdef const double[::1] new_pairwise = pairwise.reshape(-1)
        cdef Py_ssize_t step = pairwise.ndim > 1
        if self.grid.n_places and new_unary.shape[0]:
            with nogil:
                ssvm_grid_load(&self.grid, &new_unary[0], &new_pairwise[0], &new_pairwise[0], step)
        self._limit = limit
        self._largest = min(limit, max(self._largest_unary, self._largest_pairwise))
        self._keeps_flow = self._is_solved = False

    def set_scores(self, unary=None, pairwise=None, *, bint keep_flow=True):
        """Change the scores.

        Parameters
        ----------
        unary : array-like of shape `shape`, default=None
            Score of label 1 minus score of label 0 of each pixel. None: unchanged.
        pairwise : array-like of shape ``(n_directions, *shape)`` or (n_directions,), or float, \
default=None
            Score, >= 0, of each edge whose ends agree; see `grid_cut`. None: unchanged.
        keep_flow : bool, default=True
            Start the next solve from the flow of the last one. The score found is the same; the
            solve is faster after a small change.

        Raises
        ------
        ValueError
            If a shape does not fit, a score is not finite, or a pairwise score is negative.
        """
        if unary is None or pairwise is None:
            self._begin()
        if unary is None:
            unary, largest_unary = self._unary, self._largest_unary
        else:
            unary, largest_unary = check_grid_unary(unary, self.shape)
            unary = unary.copy()
        if pairwise is None:
            pairwise, largest_pairwise = self._pairwise, self._largest_pairwise
        else:
            pairwise, largest_pairwise = check_grid_pairwise(
                pairwise, self.shape, self.directions
            )
            pairwise = pairwise.copy()
        self._hold(unary, largest_unary, pairwise, largest_pairwise, keep_flow)

    def scale(self, factor):
        """Multiply all scores by a finite factor > 0; a solution found before stays valid."""
        cdef double c_factor = check_factor(factor)
        self._begin()
        stays = scales_well(c_factor, self._unary, self._pairwise)
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            # Scores of edges that leave the image may be anything, also NaN.
            unary, pairwise = self._unary * c_factor, self._pairwise * c_factor
        if not stays:
            check_total(self._unary, c_factor)
            self.set_scores(unary, pairwise, keep_flow=False)
            return
        self._unary, self._pairwise = unary, pairwise
        self._largest_unary *= c_factor
        self._largest_pairwise *= c_factor
        self._largest *= c_factor
        self._limit *= c_factor
        with self._lock:
            with nogil:
                ssvm_grid_scale(&self.grid, c_factor)

    cdef _solve(self):
        if self._is_solved:
            return
        with nogil:
            ssvm_grid_solve(&self.grid)
        self._is_solved = True
        # The rounding of a kept flow must not decide labels.
        if self._keeps_flow and self._is_rounded():
            self._load_within(np.inf)
            with nogil:
                ssvm_grid_solve(&self.grid)
            self._is_solved = True

    cdef bint _is_rounded(self):
        """Whether the rounding of the flow may matter beside the energy of the labels."""
        cdef const double[::1] unary = self._unary.reshape(-1)
        cdef double flow, energy
        with nogil:
            energy = ssvm_grid_given_up(&self.grid, &unary[0], self._largest / MOST_FLOW)
        if energy < self._largest / MOST_FLOW:  # usually the energy of the pixels is enough
            self._certify(&flow, &energy)
        return energy < self._largest / MOST_FLOW

    cdef _certify(self, double* flow, double* energy):
        cdef const double[::1] unary = self._unary.reshape(-1)
        cdef const double[::1] pairwise = self._pairwise.reshape(-1)
        cdef Py_ssize_t step = self._pairwise.ndim > 1
        with nogil:
            ssvm_grid_certify(&self.grid, &unary[0], &pairwise[0], step, flow, energy)

    def solve(self):
        """The labels with the best score; of several best labellings, the one with the fewest 1s.

        Returns
        -------
        labels : uint8 array of shape `shape`
        """
        self._begin()
        labels = np.empty(self.shape, dtype=np.uint8)
        cdef uint8_t[::1] view = labels.reshape(-1)
        if view.shape[0]:
            with self._lock:
                self._solve()
                with nogil:
                    ssvm_grid_labels(&self.grid, &view[0])
        return labels

    def certificate(self):
        """Proof that the labels of `solve` are the best, from sums computed anew.

        If a single score exceeds the energy of the labels, the flow comes from a second cut with
        such scores lowered to twice the energy.

        Returns
        -------
        CutCertificate
        """
        self._begin()
        cdef double flow = 0.0, energy = 0.0, limit
        if not self._unary.size:
            return CutCertificate(flow, energy)
        with self._lock:
            while True:
                self._solve()
                self._certify(&flow, &energy)
                limit = 2.0 * energy
                # Labels with energy 0 need no proof.
                if not limit > 0.0 or self._largest <= 2.0 * limit:
                    break
                self._load_within(limit)
        return CutCertificate(flow if energy > 0.0 else 0.0, energy)

    @property
    def nbytes(self):
        held = 0 if self._unary is None else self._unary.nbytes + self._pairwise.nbytes
        return self.grid.n_bytes + held


def line_labels(const double[::1] unary, const double[::1] pairwise):
    """The best labels of nodes in a line, the fewest 1s, by dynamic programming; for the cuts.

    Nothing is checked. pairwise[i] belongs to the edge from node i to node i + 1; or it is one
    number for all edges.
    """
    cdef Py_ssize_t i, n = unary.shape[0], step = pairwise.shape[0] > 1
    labels = np.empty(n, dtype=np.uint8)
    cdef uint8_t[::1] y = labels
    # What label 1 gains at node i, with the best labels before it.
    cdef double[::1] gain = np.empty(n)
    cdef double w, before = 0.0
    with nogil:
        for i in range(n):
            if i > 0:
                w = pairwise[(i - 1) * step]
                before = min(max(gain[i - 1], -w), w)
            gain[i] = unary[i] + before
        for i in range(n - 1, -1, -1):
            w = 0.0 if i == n - 1 else pairwise[i * step] if y[i + 1] else -pairwise[i * step]
            y[i] = gain[i] + w > 0.0
    return labels


def directed_labels(shape, int connectivity, scores):
    """Labels for each (unary, forward, backward) of `scores`; for tests.

    The first is loaded, the others are changes: they test capacities that differ between the two
    directions of an edge. Nothing is checked. All arrays are float64; forward and backward have
    shape (n_directions, *shape).
    """
    cut = GridCut(shape, connectivity)
    found = []
    cdef const double[::1] unary, forward, backward, old_unary, old_forward, old_backward
    cdef uint8_t[::1] view
    for arrays in scores:
        unary, forward, backward = (np.ascontiguousarray(array).reshape(-1) for array in arrays)
        labels = np.empty(shape, dtype=np.uint8)
        view = labels.reshape(-1)
        if found:
            ssvm_grid_change_unary(&cut.grid, &old_unary[0], &unary[0])
            ssvm_grid_change_pairwise(
                &cut.grid, &old_forward[0], &old_backward[0], 1, &forward[0], &backward[0], 1
            )
        else:
            ssvm_grid_load(&cut.grid, &unary[0], &forward[0], &backward[0], 1)
        ssvm_grid_solve(&cut.grid)
        ssvm_grid_labels(&cut.grid, &view[0])
        found.append(labels)
        old_unary, old_forward, old_backward = unary, forward, backward
    return found
