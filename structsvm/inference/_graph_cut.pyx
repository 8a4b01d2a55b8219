"""Cuts of graphs, with the flow kept for the next one; the algorithm is in ``graph_flow.h``."""

import threading

import numpy as np

from libc.stdint cimport int32_t, uint8_t
from libc.string cimport memset

from structsvm.inference.cut_scores import (
    CutCertificate, check_edges, check_factor, check_pairwise, check_total, check_unary,
    scales_well,
)


cdef class GraphCut:
    r"""Cuts of one graph under changing scores.

    Maximises, exactly, over labels y in {0, 1} for each node

    .. math::
        \sum_i \mathrm{unary}_i \, y_i + \sum_{e = (a, b)} \mathrm{pairwise}_e \, [y_a = y_b]

    as `graph_cut` does, with `reverse`, too, and keeps the flow that proves the maximum. After a
    small change of scores the next solve starts from it (Kohli and Torr 2007).

    Parameters
    ----------
    n_nodes : int
    edges : int array-like of shape (n_edges, 2)
        Ends of each edge. Several edges may join the same nodes; their scores add up.

    Attributes
    ----------
    n_nodes, n_edges : int
    nbytes : int
        Memory held: 52 bytes a node and 44 an edge, 52 with `reverse`.

    Raises
    ------
    ValueError
        If an edge leaves the graph or joins a node to itself; the message says which.

    Notes
    -----
    A solve allocates no memory; in practice its time grows about linearly with the graph. Solves
    release the GIL; do not use one object in two threads at a time.

    References
    ----------
    A. Goldberg, S. Hed, H. Kaplan, P. Kohli, R. Tarjan, R. Werneck (2015). Faster and more dynamic
    maximum flow by incremental breadth-first search. ESA. doi:10.1007/978-3-662-48350-3_52
    P. Kohli, P. Torr (2007). Dynamic graph cuts for efficient inference in Markov random fields.
    TPAMI 29. doi:10.1109/TPAMI.2007.1128

    Examples
    --------
    >>> from structsvm.inference import GraphCut
    >>> cut = GraphCut(3, [[0, 1], [1, 2]])
    >>> cut.set_scores([2.0, -0.5, -1.0], [1.0, 0.25])
    >>> cut.solve()
    array([1, 1, 0], dtype=uint8)
    >>> cut.set_scores(pairwise=[0.1, 0.25])
    >>> cut.solve()
    array([1, 0, 0], dtype=uint8)
    """

    def __cinit__(self):
        memset(&self.graph, 0, sizeof(ssvm_graph))
        self._lock = threading.Lock()

    def __init__(self, n_nodes, edges):
        cdef const int32_t[:, ::1] view = check_edges(edges, n_nodes)
        cdef Py_ssize_t n_edges = view.shape[0]
        if ssvm_graph_reserve(&self.graph, <int32_t> n_nodes, <int32_t> n_edges):
            raise MemoryError(f"no memory for a graph of {n_nodes} nodes and {n_edges} edges")
        ssvm_graph_connect(
            &self.graph, <int32_t> n_nodes, <int32_t> n_edges, &view[0, 0] if n_edges else NULL
        )

    def _begin(self):
        """Load zeros if no scores were set."""
        if not self._is_loaded:
            self.set_scores(np.zeros(self.n_nodes), np.zeros(self.n_edges), keep_flow=False)

    def __dealloc__(self):
        ssvm_graph_free(&self.graph)

    cdef void _solve(self) noexcept nogil:
        if not self._is_solved:
            ssvm_graph_cut(&self.graph)
            self._is_solved = True

    def set_scores(self, unary=None, pairwise=None, *, reverse=None, bint keep_flow=True):
        """Change the scores.

        Parameters
        ----------
        unary : array-like of shape (n_nodes,), default=None
            Score of label 1 minus score of label 0 of each node. None: unchanged.
        pairwise : array-like of shape (n_edges,) or float, default=None
            Score, >= 0, of each edge whose ends agree. None: unchanged, `reverse` too.
        reverse : array-like of shape (n_edges,) or float, default=None
            What each edge loses if its first end has label 0 and its second label 1; `pairwise` is
            then what it loses the other way about. None: the same, if `pairwise` is given.
        keep_flow : bool, default=True
            Start the next solve from the flow of the last one. The energy found is the same; the
            solve is faster after a small change.

        Raises
        ------
        ValueError
            If a shape does not fit, a score is not finite, or a pairwise score is negative.
        """
        cdef double[::1] new_unary, new_pairwise, new_reverse = None, flow = None
        cdef int32_t e
        cdef int error
        if unary is None or pairwise is None:
            self._begin()
        if unary is None:
            unary = self._held(self.graph.unary, self.graph.n_nodes)
        else:
            unary = check_unary(unary, (self.graph.n_nodes,))
        if pairwise is None:
            pairwise = self._held(self.graph.capacity, self.graph.n_edges)
            if reverse is None and self.graph.reverse != NULL:
                reverse = self._held(self.graph.reverse, self.graph.n_edges)
        else:
            pairwise = check_pairwise(pairwise, (self.graph.n_edges,))
        check_total(unary)
        new_unary, new_pairwise = unary, pairwise
        if reverse is not None:
            new_reverse = check_pairwise(reverse, (self.graph.n_edges,), "reverse")
        if keep_flow and self._is_loaded:
            start = np.empty(self.graph.n_edges)
            flow = start
            for e in range(self.graph.n_edges):
                flow[e] = ssvm_flow_over(&self.graph, e)
        with self._lock:
            with nogil:
                error = ssvm_graph_load(
                    &self.graph, &new_unary[0] if new_unary.shape[0] else NULL,
                    &new_pairwise[0] if new_pairwise.shape[0] else NULL,
                    &new_reverse[0] if new_reverse is not None and new_reverse.shape[0] else NULL,
                    &flow[0] if flow is not None and flow.shape[0] else NULL,
                )
        if error:
            raise MemoryError(f"no memory for scores of {self.graph.n_edges} edges")
        self._is_loaded = True
        self._is_solved = False

    def scale(self, factor):
        """Multiply all scores by a finite factor > 0; a solution found before stays valid."""
        cdef double c_factor = check_factor(factor)
        self._begin()
        unary = self._held(self.graph.unary, self.graph.n_nodes)
        pairwise = self._held(self.graph.capacity, self.graph.n_edges)
        reverse = None
        if self.graph.reverse != NULL:
            reverse = self._held(self.graph.reverse, self.graph.n_edges)
        if scales_well(c_factor, unary, pairwise, *([] if reverse is None else [reverse])):
            with self._lock:
                with nogil:
                    ssvm_graph_scale(&self.graph, c_factor)
            return
        check_total(unary, c_factor)
        with np.errstate(over="ignore", under="ignore"):
            if reverse is not None:
                reverse = reverse * c_factor
            self.set_scores(
                unary * c_factor, pairwise * c_factor, reverse=reverse, keep_flow=False
            )

    def solve(self):
        """The labels with the best score; of several best labellings, the one with the fewest 1s.

        Returns
        -------
        labels : uint8 array of shape (n_nodes,)
        """
        self._begin()
        labels = np.empty(self.graph.n_nodes, dtype=np.uint8)
        cdef uint8_t[::1] view = labels
        cdef int32_t i
        with self._lock:
            with nogil:
                self._solve()
                for i in range(self.graph.n_nodes):
                    view[i] = ssvm_graph_label(&self.graph, i)
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
        cdef double[::1] out = np.empty(self.graph.n_nodes)
        cdef double* room = &out[0] if out.shape[0] else NULL
        cdef double flow, energy
        with self._lock:
            with nogil:
                self._solve()
                flow = ssvm_graph_certify(&self.graph, room, &energy)
        return CutCertificate(flow, energy)

    @property
    def n_nodes(self):
        return self.graph.n_nodes

    @property
    def n_edges(self):
        return self.graph.n_edges

    @property
    def nbytes(self):
        directed = 8 * self.graph.n_edges if self.graph.reverse != NULL else 0
        return ssvm_graph_bytes(self.graph.n_nodes, self.graph.n_edges) + directed

    cdef _held(self, const double* values, Py_ssize_t size):
        held = np.empty(size)
        cdef double[::1] view = held
        cdef Py_ssize_t k
        for k in range(size):
            view[k] = values[k]
        return held
