"""Cuts of graphs, with the flow kept for the next one; the algorithm is in ``graph_flow.h``."""

import numpy as np

from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from structsvm.inference.cut_scores import (
    CutCertificate, check_edges, check_factor, check_pairwise, check_total, check_unary,
)


cdef int _fit(void** room, size_t n_bytes) except -1 nogil:
    cdef void* moved = realloc(room[0], n_bytes if n_bytes else 1)
    if moved == NULL:
        with gil:
            raise MemoryError(f"no memory for {n_bytes} bytes of a graph")
    room[0] = moved
    return 0


cdef class GraphCut:
    r"""Cuts of one graph under changing scores.

    Maximises, exactly, over labels y in {0, 1} for each node

    .. math::
        \sum_i \mathrm{unary}_i \, y_i + \sum_{e = (a, b)} \mathrm{pairwise}_e \, [y_a = y_b]

    as `graph_cut` does, and keeps the flow that proves the maximum: where scores change a little,
    the next solve goes on from it (Kohli and Torr 2007).

    Parameters
    ----------
    n_nodes : int
    edges : int array-like of shape (n_edges, 2)
        Ends of each edge. Two edges may join the same nodes; their scores add up.

    Attributes
    ----------
    n_nodes, n_edges : int
    nbytes : int
        Memory held: 56 bytes a node and 52 an edge.

    Raises
    ------
    ValueError
        If an edge leaves the graph or joins a node to itself; the message says which.

    Notes
    -----
    The memory of a solve is that of the object; the time of a solve grows about linearly in
    practice. Solves release the GIL; one object must not be used by two threads at a time.

    References
    ----------
    Y. Boykov, V. Kolmogorov (2004). An experimental comparison of min-cut/max-flow algorithms for
    energy minimization in vision. TPAMI 26. doi:10.1109/TPAMI.2004.60
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
        self._node_room = self._edge_room = -1

    def __init__(self, Py_ssize_t n_nodes, edges):
        self._edges = check_edges(edges, n_nodes)
        cdef const int32_t[:, ::1] view = self._edges
        self.connect(n_nodes, view.shape[0], &view[0, 0] if view.shape[0] else NULL)
        self.set_scores(np.zeros(n_nodes), np.zeros(view.shape[0]), keep_flow=False)

    def __dealloc__(self):
        free(self.graph.nodes)
        free(self.graph.arcs)
        free(self.graph.arc_of)
        free(self.graph.capacity)
        free(self.graph.unary)
        free(self.graph.active)
        free(self.graph.orphans)

    # ---- for compiled code

    cdef int connect(
        self, Py_ssize_t n_nodes, Py_ssize_t n_edges, const int32_t* edges
    ) except -1 nogil:
        cdef ssvm_graph* g = &self.graph
        if n_nodes > self._node_room:
            _fit(<void**> &g.nodes, (n_nodes + 1) * sizeof(ssvm_node))
            _fit(<void**> &g.unary, n_nodes * sizeof(double))
            _fit(<void**> &g.active, n_nodes * sizeof(int32_t))
            _fit(<void**> &g.orphans, n_nodes * sizeof(int32_t))
            self._node_room = n_nodes
        if n_edges > self._edge_room:
            _fit(<void**> &g.arcs, 2 * n_edges * sizeof(ssvm_arc))
            _fit(<void**> &g.arc_of, n_edges * sizeof(int32_t))
            _fit(<void**> &g.capacity, n_edges * sizeof(double))
            self._edge_room = n_edges
        g.n_nodes = <int32_t> n_nodes
        g.n_edges = <int32_t> n_edges
        ssvm_graph_connect(g, edges)
        self._has_flow = self._is_solved = False
        return 0

    cdef void load(
        self, const double* unary, const double* pairwise, bint keep_flow
    ) noexcept nogil:
        ssvm_graph_load(&self.graph, unary, pairwise, keep_flow and self._has_flow)
        self._has_flow = True
        self._is_solved = False

    cdef void solve_into(self, uint8_t* labels) noexcept nogil:
        cdef int32_t i
        if not self._is_solved:
            ssvm_graph_solve(&self.graph)
            self._is_solved = True
        for i in range(self.graph.n_nodes):
            labels[i] = ssvm_graph_label(&self.graph, i)

    # ---- for Python

    def set_scores(self, unary=None, pairwise=None, *, bint keep_flow=True):
        """Scores from now on.

        Parameters
        ----------
        unary : array-like of shape (n_nodes,), default=None
            Score of label 1 minus score of label 0 of each node. None: as they are.
        pairwise : array-like of shape (n_edges,) or float, default=None
            Score, >= 0, of each edge whose ends agree. None: as they are.
        keep_flow : bool, default=True
            Start the next solve from the flow of the last one. The energy found is the same; it is
            faster where scores changed little.

        Raises
        ------
        ValueError
            If a shape does not fit, a score is not finite, or a pairwise score is negative.
        """
        cdef double[::1] new_unary, new_pairwise
        if unary is None:
            unary = self._held(self.graph.unary, self.graph.n_nodes)
        else:
            unary = check_unary(unary, (self.graph.n_nodes,))
        if pairwise is None:
            pairwise = self._held(self.graph.capacity, self.graph.n_edges)
        else:
            pairwise = check_pairwise(pairwise, (self.graph.n_edges,))
        check_total(unary, pairwise)
        new_unary, new_pairwise = unary, pairwise
        with nogil:
            self.load(
                &new_unary[0] if new_unary.shape[0] else NULL,
                &new_pairwise[0] if new_pairwise.shape[0] else NULL,
                keep_flow,
            )

    def scale(self, factor):
        """Multiply all scores by a factor > 0. What was solved stays solved."""
        factor = check_factor(factor)
        check_total(
            self._held(self.graph.unary, self.graph.n_nodes),
            self._held(self.graph.capacity, self.graph.n_edges),
            factor,
        )
        cdef double c_factor = factor
        with nogil:
            ssvm_graph_scale(&self.graph, c_factor)

    def solve(self):
        """The labels of the best score; of several best ones those with the fewest ones.

        Returns
        -------
        labels : uint8 array of shape (n_nodes,)
        """
        labels = np.empty(self.graph.n_nodes, dtype=np.uint8)
        cdef uint8_t[::1] view = labels
        with nogil:
            self.solve_into(&view[0] if view.shape[0] else NULL)
        return labels

    def certificate(self):
        """Proof of what `solve` found, in sums made anew: see `CutCertificate`."""
        self.solve()
        cdef double[::1] excess = np.empty(self.graph.n_nodes)
        cdef double* room = &excess[0] if excess.shape[0] else NULL
        cdef double flow, energy
        with nogil:
            flow = ssvm_graph_flow(&self.graph, room)
            energy = ssvm_graph_energy(&self.graph)
        return CutCertificate(flow, energy)

    @property
    def n_nodes(self):
        return self.graph.n_nodes

    @property
    def n_edges(self):
        return self.graph.n_edges

    @property
    def nbytes(self):
        cdef Py_ssize_t node = sizeof(ssvm_node) + sizeof(double) + 2 * sizeof(int32_t)
        cdef Py_ssize_t edge = 2 * sizeof(ssvm_arc) + sizeof(int32_t) + sizeof(double)
        return self._node_room * node + self._edge_room * edge

    cdef _held(self, const double* values, Py_ssize_t size):
        held = np.empty(size)
        cdef double[::1] view = held
        cdef Py_ssize_t k
        for k in range(size):
            view[k] = values[k]
        return held
