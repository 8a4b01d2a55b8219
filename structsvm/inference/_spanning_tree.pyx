"""Maximum spanning trees as a maximizer: part e is edge e of a graph."""

import numpy as np

from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from structsvm._typedefs cimport label_t
from structsvm.inference._part_sets cimport PartSetMaximizer, aligned, write_parts

cdef enum:
    N_DIGITS = 8        # of a key, each of 8 bits
    N_VALUES = 256
    FEW = 256           # so few edges are not split
    MOST_RANGES = 128


cdef struct Keyed:
    uint64_t key        # the lower, the higher the score
    int32_t edge


cdef struct Range:
    # Edges first to last - 1, which may be split so many times before they are sorted.
    Py_ssize_t first, last
    int32_t splits


cdef struct Tree:
    const int32_t* edges    # (n_edges, 2)
    int32_t* leader         # (n_nodes,): on the way to the lowest node of the component
    uint8_t* used           # (n_edges,)
    Py_ssize_t missing      # edges that the tree still lacks


cdef struct Graph:
    Py_ssize_t n_nodes
    Py_ssize_t n_edges
    const int32_t* edges


cdef inline uint64_t key_of(double score) noexcept nogil:
    """The bits of a float are ordered as integers, but for the sign."""
    cdef uint64_t bits
    score += 0.0    # no negative zero
    memcpy(&bits, &score, sizeof(double))
    return bits if bits >> 63 else ~bits ^ (<uint64_t> 1 << 63)


cdef inline int32_t find(int32_t* leader, int32_t node) noexcept nogil:
    while leader[node] != node:
        leader[node] = leader[leader[node]]
        node = leader[node]
    return node


cdef inline void unite(Tree* tree, int32_t edge) noexcept nogil:
    """Use an edge if it closes no cycle."""
    cdef int32_t i = find(tree.leader, tree.edges[2 * edge])
    cdef int32_t j = find(tree.leader, tree.edges[2 * edge + 1])
    if i != j:
        tree.leader[max(i, j)] = min(i, j)
        tree.used[edge] = 1
        tree.missing -= 1


cdef inline bint comes_before(const Keyed* a, const Keyed* b) noexcept nogil:
    """Higher scores first, the lower edge among equals: no two edges are alike."""
    return a.key < b.key or (a.key == b.key and a.edge < b.edge)


cdef Py_ssize_t split(Keyed* some, Keyed* other, Py_ssize_t n) noexcept nogil:
    """Move the better edges to the front, 1 to n - 1 of them; returns their number. n >= 3.

    Both sides keep their order.
    """
    cdef const Keyed* first = &some[0]
    cdef const Keyed* middle = &some[n // 2]
    cdef const Keyed* last = &some[n - 1]
    cdef Keyed pivot
    cdef Py_ssize_t k, better = 0, worse = 0
    if comes_before(middle, first):
        first, middle = middle, first
    if comes_before(last, middle):
        middle = first if comes_before(last, first) else last
    pivot = middle[0]
    for k in range(n):
        other[worse] = some[k]
        some[better] = some[k]
        if comes_before(&other[worse], &pivot):
            better += 1
        else:
            worse += 1
    memcpy(some + better, other, worse * sizeof(Keyed))
    return better


cdef Keyed* sort(
    Keyed* some, Keyed* other, Py_ssize_t n, Py_ssize_t[N_VALUES]* places
) noexcept nogil:
    """Sort by the digits of the keys, the last one first; returns that of the two arrays it is in.

    Edges with equal keys keep their order.
    """
    cdef Py_ssize_t k, place, count
    cdef int digit, value
    cdef Keyed* source = some
    cdef Keyed* target = other
    memset(places, 0, N_DIGITS * N_VALUES * sizeof(Py_ssize_t))
    for k in range(n):
        for digit in range(N_DIGITS):
            places[digit][some[k].key >> (8 * digit) & 255] += 1
    for digit in range(N_DIGITS):
        if places[digit][source[0].key >> (8 * digit) & 255] == n:
            continue    # all have this digit
        place = 0
        for value in range(N_VALUES):
            count = places[digit][value]
            places[digit][value] = place
            place += count
        for k in range(n):
            value = source[k].key >> (8 * digit) & 255
            target[places[digit][value]] = source[k]
            places[digit][value] += 1
        source, target = target, source
    return source


cdef Py_ssize_t drop_inner(const Tree* tree, Keyed* some, Py_ssize_t n) noexcept nogil:
    """Keep the edges that join two components; returns their number."""
    cdef Py_ssize_t k, kept = 0
    cdef const int32_t* ends
    for k in range(n):
        ends = tree.edges + 2 * some[k].edge
        if find(tree.leader, ends[0]) != find(tree.leader, ends[1]):
            some[kept] = some[k]
            kept += 1
    return kept


cdef void grow(
    Tree* tree, Keyed* keyed, Keyed* other, Py_ssize_t n_edges, Py_ssize_t[N_VALUES]* places
) noexcept nogil:
    """Kruskal's algorithm. Of many edges the worse ones wait, and most of them need no sorting."""
    cdef Range[MOST_RANGES] waiting
    cdef Range some
    cdef Py_ssize_t n_waiting = 1, k, n
    cdef Keyed* ordered
    cdef bint has_grown = False
    waiting[0].first, waiting[0].last, waiting[0].splits = 0, n_edges, 64
    while n_waiting and tree.missing:
        n_waiting -= 1
        some = waiting[n_waiting]
        if has_grown:
            some.last = some.first + drop_inner(tree, keyed + some.first, some.last - some.first)
        n = some.last - some.first
        has_grown = n <= FEW or n <= 4 * tree.missing or some.splits == 0
        if has_grown and n:
            ordered = sort(keyed + some.first, other, n, places)
            for k in range(n):
                unite(tree, ordered[k].edge)
        elif n:
            k = some.first + split(keyed + some.first, other, n)
            waiting[n_waiting].first, waiting[n_waiting].last = k, some.last
            waiting[n_waiting + 1].first, waiting[n_waiting + 1].last = some.first, k
            waiting[n_waiting].splits = some.splits - 1
            waiting[n_waiting + 1].splits = some.splits - 1
            n_waiting += 2


cdef size_t tree_bytes(Py_ssize_t n_nodes, Py_ssize_t n_edges) noexcept nogil:
    return (
        2 * aligned(n_edges * sizeof(Keyed)) + aligned(n_nodes * sizeof(int32_t))
        + aligned(n_edges) + N_DIGITS * N_VALUES * sizeof(Py_ssize_t)
    )


cdef class SpanningTreeMaximizer(PartSetMaximizer):
    """The maximum spanning trees of connected graphs.

    Parameters
    ----------
    n_nodes : sequence of int
        Number of nodes of each graph.
    edges : sequence of C-contiguous int32 arrays of shape (n_edges, 2)
        Edges of each graph, checked by `structsvm.inference.spanning_tree`; graphs may share
        arrays. Nothing is copied.
    """
    cdef Graph* graphs
    cdef list _held

    def __init__(self, n_nodes, edges):
        cdef Py_ssize_t i, n = len(n_nodes)
        cdef const int32_t[:, ::1] view
        cdef size_t most = 0
        self._held = list(edges)
        self.graphs = <Graph*> calloc(max(n, 1), sizeof(Graph))
        if self.graphs == NULL:
            raise MemoryError(f"no memory for {n} graphs")
        for i in range(n):
            view = self._held[i]
            self.graphs[i].n_nodes, self.graphs[i].n_edges = n_nodes[i], view.shape[0]
            self.graphs[i].edges = &view[0, 0] if view.shape[0] else NULL
            most = max(most, tree_bytes(n_nodes[i], view.shape[0]))
        self.set_outputs(
            [self.graphs[i].n_edges for i in range(n)],
            [max(self.graphs[i].n_nodes - 1, 0) for i in range(n)], most,
        )

    def __dealloc__(self):
        free(self.graphs)

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef Graph* graph = &self.graphs[i]
        cdef size_t n_bytes = aligned(graph.n_edges * sizeof(Keyed))
        cdef Keyed* keyed = <Keyed*> scratch
        cdef Keyed* other = <Keyed*> (scratch + n_bytes)
        cdef Tree tree
        cdef Py_ssize_t k
        scratch += 2 * n_bytes
        tree.leader = <int32_t*> scratch
        scratch += aligned(graph.n_nodes * sizeof(int32_t))
        tree.used = <uint8_t*> scratch
        scratch += aligned(graph.n_edges)
        tree.edges = graph.edges
        tree.missing = max(graph.n_nodes - 1, <Py_ssize_t> 0)
        for k in range(graph.n_edges):
            keyed[k].key, keyed[k].edge = key_of(theta[k]), <int32_t> k
        for k in range(graph.n_nodes):
            tree.leader[k] = <int32_t> k
        memset(tree.used, 0, graph.n_edges)
        grow(&tree, keyed, other, graph.n_edges, <Py_ssize_t[N_VALUES]*> scratch)
        value[0] = write_parts(
            tree.used, theta, graph.n_edges, labels, self.struct.n_labels[i]
        )
        return 0


def cut_off(Py_ssize_t n_nodes, const int32_t[:, ::1] edges):
    """The lowest node that no edges connect with node 0, or -1."""
    cdef int32_t[::1] leader = np.arange(n_nodes + 1, dtype=np.int32)
    cdef Py_ssize_t e
    cdef int32_t i, j
    for e in range(edges.shape[0]):
        i, j = find(&leader[0], edges[e, 0]), find(&leader[0], edges[e, 1])
        leader[max(i, j)] = min(i, j)
    for i in range(1, <int32_t> n_nodes):
        if leader[i] == i:
            return i
    return -1
