"""Max-marginal differences of the nodes of a graph with two labels, from one cut."""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint8_t

from structsvm.inference._graph_cut cimport GraphCut, ssvm_flow_over

# Nodes that are answered between two looks for signals.
cdef Py_ssize_t AT_ONCE = 256

# An excess below this share of the flows it is a sum of is their rounding.
cdef double ROUNDING = 1e-14


cdef class MaxMarginals:
    """The residual graph of a solved cut, and what it costs to change the label of a node.

    Forcing the other label on a node with label 1 makes it a sink without limit. What more can flow
    then, from the nodes that still have an excess, is what the best labelling loses. For a node
    with label 0, all is mirrored. Paths follow distances to the nearest excess, which are computed
    once; flows and distances are undone after each node. (Kohli and Torr 2008 start each cut from
    the trees of the last.)

    Parameters
    ----------
    n_nodes : int
    edges : int32 array of shape (n_edges, 2), checked
    unary : float64 array of shape (n_nodes,), checked
    pairwise : float64 array of shape (n_edges,), checked
    """

    cdef Py_ssize_t n_nodes
    cdef int64_t now
    # Arcs by tail; the flow over an arc is against that over its sister.
    cdef int32_t[::1] first, head, sister, via
    cdef double[::1] residual, excess
    cdef uint8_t[::1] labels
    # Steps to the nearest node with an excess, at least; and how many nodes of each label have it.
    cdef int32_t[::1] distance
    cdef int32_t[:, ::1] n_at
    # What a question has changed.
    cdef int32_t[::1] arcs_changed, excesses_changed, distances_changed, distance_before
    cdef double[::1] arc_before, excess_before
    cdef int64_t[::1] arc_stamp, excess_stamp, distance_stamp
    cdef Py_ssize_t n_arcs_changed, n_excesses_changed, n_distances_changed

    def __init__(self, n_nodes, edges, unary, pairwise):
        cut = GraphCut(n_nodes, edges)
        cut.set_scores(unary, pairwise, keep_flow=False)
        self.labels = cut.solve()
        self.n_nodes = n_nodes
        cdef Py_ssize_t m = len(edges)
        self._read(cut, edges, unary, pairwise)
        self._measure()
        self.via, self.excesses_changed = np.empty((2, n_nodes), dtype=np.int32)
        self.distances_changed, self.distance_before = np.empty((2, n_nodes), dtype=np.int32)
        self.arcs_changed, self.arc_before = np.empty(2 * m, dtype=np.int32), np.empty(2 * m)
        self.excess_before = np.empty(n_nodes)
        self.excess_stamp, self.distance_stamp = np.zeros((2, n_nodes), dtype=np.int64)
        self.arc_stamp = np.zeros(2 * m, dtype=np.int64)
        self.now = 0

    cdef _read(
        self, GraphCut cut, const int32_t[:, ::1] edges, const double[::1] unary,
        const double[::1] pairwise
    ):
        """Arcs with their residuals, and the excess that a node has left."""
        cdef Py_ssize_t n = self.n_nodes, m = edges.shape[0], e, i
        cdef int32_t a, b, there, back
        cdef double flow
        starts = np.zeros(n + 1, dtype=np.int32)
        np.cumsum(np.bincount(np.asarray(edges).ravel(), minlength=n), out=starts[1:])
        self.first = starts
        cdef int32_t[::1] free = starts[:n].copy()
        self.head, self.sister = np.empty((2, 2 * m), dtype=np.int32)
        self.residual = np.empty(2 * m)
        self.excess = np.array(unary)
        cdef double[::1] size = np.abs(unary)
        for e in range(m):
            a, b = edges[e, 0], edges[e, 1]
            there, back = free[a], free[b]
            free[a] += 1
            free[b] += 1
            flow = ssvm_flow_over(&cut.graph, <int32_t> e)
            self.head[there], self.head[back] = b, a
            self.sister[there], self.sister[back] = back, there
            self.residual[there] = max(pairwise[e] - flow, 0.0)
            self.residual[back] = max(pairwise[e] + flow, 0.0)
            self.excess[a] -= flow
            self.excess[b] += flow
            size[a] += fabs(flow)
            size[b] += fabs(flow)
        for i in range(n):
            if fabs(self.excess[i]) <= ROUNDING * size[i]:
                self.excess[i] = 0.0

    cdef bint _has_excess(self, int32_t v) noexcept nogil:
        """Whether the node has more to give (label 1) or to take (label 0)."""
        return self.excess[v] > 0.0 if self.labels[v] else self.excess[v] < 0.0

    cdef int32_t _arc(self, int32_t k) noexcept nogil:
        """The arc, of k and its sister, over which a flow between a node and an excess goes: k
        leads from the node towards the excess. Flows come from nodes with label 1, and go to those
        with label 0."""
        return self.sister[k] if self.labels[self.head[k]] else k

    cdef bint _leads(self, int32_t k, uint8_t label) noexcept nogil:
        """Whether flow can use k; arcs from nodes with label 1 to those with label 0 are full."""
        return self.labels[self.head[k]] == label and self.residual[self._arc(k)] > 0.0

    cdef _measure(self):
        """Distances to the nearest excess, breadth first."""
        cdef int32_t[::1] queue = np.empty(self.n_nodes, dtype=np.int32)
        cdef Py_ssize_t n = self.n_nodes, begin = 0, end = 0, i
        cdef int32_t u, v, k, far = <int32_t> n
        self.distance = np.full(n, far, dtype=np.int32)
        self.n_at = np.zeros((2, n + 1), dtype=np.int32)
        for i in range(n):
            if self._has_excess(<int32_t> i):
                self.distance[i] = 0
                queue[end] = <int32_t> i
                end += 1
        while begin < end:
            u = queue[begin]
            begin += 1
            for k in range(self.first[u], self.first[u + 1]):
                v = self.head[k]
                if self.distance[v] == far and self._leads(self.sister[k], self.labels[v]):
                    self.distance[v] = self.distance[u] + 1
                    queue[end] = v
                    end += 1
        for i in range(n):
            self.n_at[self.labels[i], self.distance[i]] += 1

    def differences(self):
        """Score of the best labelling with label 1 at a node minus that with label 0, for each.

        Returns
        -------
        differences : float64 array of shape (n_nodes,)
        """
        found = np.empty(self.n_nodes)
        cdef double[::1] out = found
        cdef Py_ssize_t start, i, stop
        for start in range(0, self.n_nodes, AT_ONCE):
            stop = min(start + AT_ONCE, self.n_nodes)
            with nogil:
                for i in range(start, stop):
                    out[i] = self._difference(<int32_t> i)
            PyErr_CheckSignals()
        return found

    cdef double _difference(self, int32_t i) noexcept nogil:
        cdef double total = 0.0
        cdef int32_t v = i, k, stop
        cdef int32_t far = <int32_t> self.n_nodes
        cdef bint moved
        self.now += 1
        self.n_arcs_changed = self.n_excesses_changed = self.n_distances_changed = 0
        while self.distance[i] < far:
            if self._has_excess(v):
                total += self._send(v, i)
                v = i
                continue
            moved = False
            stop = self.first[v + 1]
            for k in range(self.first[v], stop):
                if (
                    self.distance[self.head[k]] == self.distance[v] - 1
                    and self._leads(k, self.labels[v])
                ):
                    v = self.head[k]
                    self.via[v] = k
                    moved = True
                    break
            if moved:
                continue
            if not self._raise(v):
                break
            if v != i:
                v = self.head[self.sister[self.via[v]]]
        self._undo()
        return total if self.labels[i] else -total

    cdef bint _raise(self, int32_t v) noexcept nogil:
        """Set the distance of a node anew; False if this leaves a gap, across which no path leads.
        """
        cdef int32_t k, least = <int32_t> self.n_nodes - 1, old = self.distance[v]
        cdef uint8_t label = self.labels[v]
        for k in range(self.first[v], self.first[v + 1]):
            if self.distance[self.head[k]] < least and self._leads(k, label):
                least = self.distance[self.head[k]]
        if self.distance_stamp[v] != self.now:
            self.distance_stamp[v] = self.now
            self.distances_changed[self.n_distances_changed] = v
            self.distance_before[self.n_distances_changed] = old
            self.n_distances_changed += 1
        self.distance[v] = least + 1
        self.n_at[label, old] -= 1
        self.n_at[label, least + 1] += 1
        return self.n_at[label, old] > 0

    cdef double _send(self, int32_t end, int32_t i) noexcept nogil:
        """Send what the path between i and a node with an excess takes; how much that is."""
        cdef double flow = fabs(self.excess[end])
        cdef int32_t v = end, arc
        while v != i:
            flow = min(flow, self.residual[self._arc(self.via[v])])
            v = self.head[self.sister[self.via[v]]]
        v = end
        while v != i:
            arc = self._arc(self.via[v])
            self._keep_arc(arc)
            self._keep_arc(self.sister[arc])
            self.residual[arc] -= flow
            self.residual[self.sister[arc]] += flow
            v = self.head[self.sister[self.via[v]]]
        if self.excess_stamp[end] != self.now:
            self.excess_stamp[end] = self.now
            self.excesses_changed[self.n_excesses_changed] = end
            self.excess_before[self.n_excesses_changed] = self.excess[end]
            self.n_excesses_changed += 1
        self.excess[end] -= flow if self.labels[end] else -flow
        return flow

    cdef void _keep_arc(self, int32_t arc) noexcept nogil:
        if self.arc_stamp[arc] != self.now:
            self.arc_stamp[arc] = self.now
            self.arcs_changed[self.n_arcs_changed] = arc
            self.arc_before[self.n_arcs_changed] = self.residual[arc]
            self.n_arcs_changed += 1

    cdef void _undo(self) noexcept nogil:
        cdef Py_ssize_t k
        cdef int32_t v
        for k in range(self.n_arcs_changed):
            self.residual[self.arcs_changed[k]] = self.arc_before[k]
        for k in range(self.n_excesses_changed):
            self.excess[self.excesses_changed[k]] = self.excess_before[k]
        for k in range(self.n_distances_changed):
            v = self.distances_changed[k]
            self.n_at[self.labels[v], self.distance[v]] -= 1
            self.distance[v] = self.distance_before[k]
            self.n_at[self.labels[v], self.distance[v]] += 1
