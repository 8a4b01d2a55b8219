"""Maximum spanning trees as a maximizer: part e is edge e of a graph."""

from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from structsvm._typedefs cimport label_t
from structsvm.inference._part_sets cimport PartSetMaximizer, aligned, write_parts

cdef enum:
    FEW = 24        # so few edges are sorted by insertion
    MOST_RANGES = 160


cdef struct Scored:
    double score
    int32_t edge


cdef struct Range:
    # Edges first to last - 1, which may be split so many times before they are sorted by a heap.
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


cdef inline bint comes_before(const Scored* a, const Scored* b) noexcept nogil:
    """Higher scores first, the lower edge among equals: no two edges are alike."""
    return a.score > b.score or (a.score == b.score and a.edge < b.edge)


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


cdef void sort_few(Scored* some, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k, place
    cdef Scored one
    for k in range(1, n):
        one = some[k]
        place = k
        while place and comes_before(&one, &some[place - 1]):
            some[place] = some[place - 1]
            place -= 1
        some[place] = one


cdef void sift(Scored* heap, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Move entry k of a heap, whose top comes last, down to its place."""
    cdef Py_ssize_t child = 2 * k + 1
    while child < n:
        if child + 1 < n and comes_before(&heap[child], &heap[child + 1]):
            child += 1
        if not comes_before(&heap[k], &heap[child]):
            return
        heap[k], heap[child] = heap[child], heap[k]
        k = child
        child = 2 * k + 1


cdef void sort_by_heap(Scored* some, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n // 2 - 1, -1, -1):
        sift(some, k, n)
    for k in range(n - 1, 0, -1):
        some[0], some[k] = some[k], some[0]
        sift(some, 0, k)


cdef Py_ssize_t split(Scored* some, Py_ssize_t n) noexcept nogil:
    """Move the better edges to the front, 1 to n - 1 of them; returns their number. n >= 3."""
    cdef Py_ssize_t low = -1, high = n
    cdef Scored* first = &some[0]
    cdef Scored* middle = &some[n // 2]
    cdef Scored* last = &some[n - 1]
    cdef Scored pivot
    if comes_before(middle, first):
        middle[0], first[0] = first[0], middle[0]
    if comes_before(last, middle):
        middle[0], last[0] = last[0], middle[0]
        if comes_before(middle, first):
            middle[0], first[0] = first[0], middle[0]
    pivot = middle[0]
    while True:
        low += 1
        while comes_before(&some[low], &pivot):
            low += 1
        high -= 1
        while comes_before(&pivot, &some[high]):
            high -= 1
        if low >= high:
            return low if low > 0 else 1
        some[low], some[high] = some[high], some[low]


cdef void grow(Tree* tree, Scored* scored, Py_ssize_t n_edges) noexcept nogil:
    """Kruskal's algorithm; worse edges are sorted only if they still join two components."""
    cdef Range[MOST_RANGES] waiting
    cdef Range some
    cdef Py_ssize_t n_waiting = 1, k, n, kept
    cdef bint filtered = True
    cdef int32_t splits = 2
    n = n_edges
    while n > 1:
        splits += 2
        n //= 2
    waiting[0].first, waiting[0].last, waiting[0].splits = 0, n_edges, splits
    while n_waiting and tree.missing:
        n_waiting -= 1
        some = waiting[n_waiting]
        if not filtered:
            kept = some.first
            for k in range(some.first, some.last):
                if find(tree.leader, tree.edges[2 * scored[k].edge]) != find(
                    tree.leader, tree.edges[2 * scored[k].edge + 1]
                ):
                    scored[kept] = scored[k]
                    kept += 1
            some.last = kept
        filtered = True
        n = some.last - some.first
        if n <= FEW or some.splits == 0 or n_waiting + 2 > MOST_RANGES:
            if n <= FEW:
                sort_few(scored + some.first, n)
            else:
                sort_by_heap(scored + some.first, n)
            for k in range(some.first, some.last):
                unite(tree, scored[k].edge)
            filtered = False
            continue
        k = some.first + split(scored + some.first, n)
        waiting[n_waiting].first, waiting[n_waiting].last = k, some.last
        waiting[n_waiting].splits = some.splits - 1
        n_waiting += 1
        waiting[n_waiting].first, waiting[n_waiting].last = some.first, k
        waiting[n_waiting].splits = some.splits - 1
        n_waiting += 1


cdef size_t tree_bytes(Py_ssize_t n_nodes, Py_ssize_t n_edges) noexcept nogil:
    return (
        aligned(n_edges * sizeof(Scored)) + aligned(n_nodes * sizeof(int32_t)) + aligned(n_edges)
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
        cdef Scored* scored = <Scored*> scratch
        cdef Tree tree
        cdef Py_ssize_t k
        scratch += aligned(graph.n_edges * sizeof(Scored))
        tree.leader = <int32_t*> scratch
        tree.used = <uint8_t*> (scratch + aligned(graph.n_nodes * sizeof(int32_t)))
        tree.edges = graph.edges
        tree.missing = max(graph.n_nodes - 1, <Py_ssize_t> 0)
        for k in range(graph.n_edges):
            scored[k].score, scored[k].edge = theta[k], <int32_t> k
        for k in range(graph.n_nodes):
            tree.leader[k] = <int32_t> k
        memset(tree.used, 0, graph.n_edges)
        grow(&tree, scored, graph.n_edges)
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
