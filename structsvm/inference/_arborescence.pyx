"""Best arborescences as a maximizer.

Parts are the arcs of a list, or without one all n * n pairs of nodes: part u * n + v is the arc
from u to v. Arcs from a node to itself and into the root are never used.

Both searches are Edmonds' algorithm as Tarjan runs it: a path grows backwards along the best arc
into its last node; where it meets itself, the cycle becomes one node, and arcs into it lose the
score of the arc that they would replace.

With a single root arc, scores are pairs, ordered by their first number: -1 for an arc from the
root, else 0. An arc on a cycle is never from the root, so contraction leaves these first numbers as
they are, and a comparison has to look at the tail alone: an arc from the root is taken only where
no other enters. As few as possible are taken then, and of arborescences with so few the best.
"""

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from structsvm._typedefs cimport label_t
from structsvm.inference._part_sets cimport PartSetMaximizer, aligned

cdef enum:
    NEW = 0
    ON_PATH = 1
    DONE = 2


cdef struct Forest:
    # Nodes are 0 to n - 1, contracted cycles follow; at most 2 n in all. Arrays are (2 n,).
    int32_t root
    bint single_root
    int32_t size            # nodes and cycles so far
    int32_t* leader         # on the way to the outermost cycle around it
    int32_t* parent         # the cycle right around it, or -1
    int32_t* child          # the first member of a cycle
    int32_t* sibling        # the next member of the same cycle, or -1
    int32_t* arc            # the part chosen to enter it
    int32_t* tail           # its ends
    int32_t* head
    double* score           # its score, less what contraction has taken away
    uint8_t* state
    int32_t* path           # nodes and cycles on the path; also those that wait to be opened
    int32_t* row            # in `Pairs`: row of scores; in `Heaps`: the top of the heap, or -1


cdef struct Pairs:
    # Row of a node or cycle: the best arc into it from each node.
    double* score           # (n, n)
    int32_t* head           # (n, n): the node that the arc enters


cdef struct Heap:
    # An arc in a leftist heap of the arcs into one node or cycle.
    double score
    double add              # to be added to all arcs below
    int32_t left, right     # -1: none
    int32_t rank
    int32_t arc


cdef inline int32_t find(int32_t* leader, int32_t node) noexcept nogil:
    while leader[node] != node:
        leader[node] = leader[leader[node]]
        node = leader[node]
    return node


cdef size_t forest_bytes(Py_ssize_t n) noexcept nogil:
    return 9 * aligned(2 * n * sizeof(int32_t)) + aligned(2 * n * sizeof(double)) + aligned(2 * n)


cdef char* take(char** scratch, size_t n_bytes) noexcept nogil:
    cdef char* space = scratch[0]
    scratch[0] += aligned(n_bytes)
    return space


cdef void plant(
    Forest* f, Py_ssize_t n, int32_t root, bint single_root, char** scratch
) noexcept nogil:
    cdef int32_t v
    f.root, f.single_root, f.size = root, single_root, <int32_t> n
    f.leader = <int32_t*> take(scratch, 2 * n * sizeof(int32_t))
    f.parent = <int32_t*> take(scratch, 2 * n * sizeof(int32_t))
    f.child = <int32_t*> take(scratch, 2 * n * sizeof(int32_t))
    f.sibling = <int32_t*> take(scratch, 2 * n * sizeof(int32_t))
    f.arc = <int32_t*> take(scratch, 2 * n * sizeof(int32_t))
    f.tail = <int32_t*> take(scratch, 2 * n * sizeof(int32_t))
    f.head = <int32_t*> take(scratch, 2 * n * sizeof(int32_t))
    f.path = <int32_t*> take(scratch, 2 * n * sizeof(int32_t))
    f.row = <int32_t*> take(scratch, 2 * n * sizeof(int32_t))
    f.score = <double*> take(scratch, 2 * n * sizeof(double))
    f.state = <uint8_t*> take(scratch, 2 * n)
    for v in range(<int32_t> n):
        f.leader[v], f.parent[v], f.state[v] = v, -1, NEW
    f.state[root] = DONE


cdef bint enter_pairs(Forest* f, Pairs* pairs, Py_ssize_t n, int32_t v) noexcept nogil:
    """Choose the best arc into v, of equals that from the lowest node; whether there is one."""
    cdef const double* row = pairs.score + f.row[v] * n
    cdef double best = -INFINITY
    cdef int32_t u, tail = -1
    for u in range(<int32_t> n):
        if row[u] > best and not (f.single_root and u == f.root):
            best, tail = row[u], u
    if tail < 0 and row[f.root] > -INFINITY:
        best, tail = row[f.root], f.root
    if tail < 0:
        return False
    f.score[v], f.tail[v] = best, tail
    f.head[v] = pairs.head[f.row[v] * n + tail]
    f.arc[v] = <int32_t> (tail * n + f.head[v])
    return True


cdef void merge_pairs(Forest* f, Pairs* pairs, Py_ssize_t n, int32_t cycle) noexcept nogil:
    """The best arcs into a cycle, in the row of its first member."""
    cdef int32_t member = f.child[cycle], u
    cdef double* best = pairs.score + f.row[member] * n
    cdef int32_t* head = pairs.head + f.row[member] * n
    cdef const double* other
    cdef const int32_t* other_head
    cdef double shift = f.score[member], score
    f.row[cycle] = f.row[member]
    for u in range(<int32_t> n):
        best[u] -= shift
    member = f.sibling[member]
    while member >= 0:
        other = pairs.score + f.row[member] * n
        other_head = pairs.head + f.row[member] * n
        shift = f.score[member]
        for u in range(<int32_t> n):
            score = other[u] - shift
            head[u] = other_head[u] if score > best[u] else head[u]
            best[u] = score if score > best[u] else best[u]
        member = f.sibling[member]
    for u in range(<int32_t> n):
        if find(f.leader, u) == cycle:
            best[u] = -INFINITY


cdef inline bint comes_before(
    const Forest* f, const Arcs* arcs, const Heap* a, const Heap* b
) noexcept nogil:
    """Higher scores first, the lower arc among equals; after all others arcs from a single root."""
    cdef bint from_root, other_from_root
    if f.single_root:
        from_root = arcs.ends[2 * a.arc] == f.root
        other_from_root = arcs.ends[2 * b.arc] == f.root
        if from_root != other_from_root:
            return other_from_root
    return a.score > b.score or (a.score == b.score and a.arc < b.arc)


cdef void settle(Heap* heap, Heap* top) noexcept nogil:
    """Hand what is to be added below `top` on to its children."""
    if top.add == 0.0:
        return
    if top.left >= 0:
        heap[top.left].score += top.add
        heap[top.left].add += top.add
    if top.right >= 0:
        heap[top.right].score += top.add
        heap[top.right].add += top.add
    top.add = 0.0


cdef int32_t meld(
    const Forest* f, const Arcs* arcs, Heap* heap, int32_t a, int32_t b
) noexcept nogil:
    """Put two heaps together; as deep as the right edges of both are long, O(log n_arcs)."""
    cdef Heap* top
    if a < 0:
        return b
    if b < 0:
        return a
    if comes_before(f, arcs, &heap[b], &heap[a]):
        a, b = b, a
    top = &heap[a]
    settle(heap, top)
    top.right = meld(f, arcs, heap, top.right, b)
    if top.left < 0 or heap[top.left].rank < heap[top.right].rank:
        top.left, top.right = top.right, top.left
    top.rank = heap[top.right].rank + 1 if top.right >= 0 else 1
    return a


cdef bint enter_heap(Forest* f, const Arcs* arcs, Heap* heap, int32_t v) noexcept nogil:
    """Choose the best arc into v that is not from inside; returns whether there is one."""
    cdef Heap* top
    while f.row[v] >= 0:
        top = &heap[f.row[v]]
        if find(f.leader, arcs.ends[2 * top.arc]) != v:
            f.score[v], f.arc[v] = top.score, top.arc
            f.tail[v], f.head[v] = arcs.ends[2 * top.arc], arcs.ends[2 * top.arc + 1]
            return True
        settle(heap, top)
        f.row[v] = meld(f, arcs, heap, top.left, top.right)
    return False


cdef void merge_heaps(Forest* f, const Arcs* arcs, Heap* heap, int32_t cycle) noexcept nogil:
    cdef int32_t member = f.child[cycle]
    cdef Heap* top
    f.row[cycle] = -1
    while member >= 0:
        if f.row[member] >= 0:
            top = &heap[f.row[member]]
            top.score -= f.score[member]
            top.add -= f.score[member]
            f.row[cycle] = meld(f, arcs, heap, f.row[cycle], f.row[member])
        member = f.sibling[member]


cdef int32_t contract(Forest* f, Py_ssize_t* depth, int32_t first) noexcept nogil:
    """Make one of the path's end from `first` on."""
    cdef int32_t cycle = f.size, member
    f.size += 1
    f.leader[cycle], f.parent[cycle], f.state[cycle], f.child[cycle] = cycle, -1, NEW, -1
    while True:
        depth[0] -= 1
        member = f.path[depth[0]]
        f.parent[member] = f.leader[member] = cycle
        f.sibling[member] = f.child[cycle]
        f.child[cycle] = member
        if member == first:
            return cycle


cdef int32_t search(
    Forest* f, const Arcs* arcs, Pairs* pairs, Heap* heap
) noexcept nogil:
    """Choose an arc into each node and cycle; returns a node that cannot be reached, or -1."""
    cdef Py_ssize_t depth
    cdef int32_t start, v, w
    cdef bint found
    for start in range(<int32_t> arcs.n_nodes):
        v = find(f.leader, start)
        depth = 0
        while f.state[v] != DONE:
            f.state[v] = ON_PATH
            f.path[depth] = v
            depth += 1
            if arcs.ends == NULL:
                found = enter_pairs(f, pairs, arcs.n_nodes, v)
            else:
                found = enter_heap(f, arcs, heap, v)
            if not found:
                return start
            w = find(f.leader, f.tail[v])
            if f.state[w] == ON_PATH:
                v = contract(f, &depth, w)
                if arcs.ends == NULL:
                    merge_pairs(f, pairs, arcs.n_nodes, v)
                else:
                    merge_heaps(f, arcs, heap, v)
            else:
                v = w
        while depth:
            depth -= 1
            f.state[f.path[depth]] = DONE
    return -1


cdef void open_cycles(Forest* f, Py_ssize_t n) noexcept nogil:
    """Give the arc into a cycle to the node that it enters; the other members keep theirs."""
    cdef int32_t v, inner, outer, member
    cdef Py_ssize_t n_waiting = 0
    for v in range(f.size):
        if f.parent[v] < 0 and v != f.root:
            f.path[n_waiting] = v
            n_waiting += 1
    while n_waiting:
        n_waiting -= 1
        v = f.path[n_waiting]
        inner = f.head[v]
        f.tail[inner], f.arc[inner] = f.tail[v], f.arc[v]
        while inner != v:
            outer = f.parent[inner]
            member = f.child[outer]
            while member >= 0:
                if member != inner:
                    f.path[n_waiting] = member
                    n_waiting += 1
                member = f.sibling[member]
            inner = outer


cdef size_t search_bytes(const Arcs* arcs) noexcept nogil:
    cdef Py_ssize_t n = arcs.n_nodes
    cdef size_t more
    if arcs.ends == NULL:
        more = aligned(n * n * sizeof(double)) + aligned(n * n * sizeof(int32_t))
    else:
        more = aligned(arcs.n_arcs * sizeof(Heap))
    return forest_bytes(max(n, <Py_ssize_t> 1)) + more


cdef int32_t arborescence(
    const Arcs* arcs,
    int32_t root,
    bint single_root,
    const double* theta,     # IN   (n_parts,): -inf forbids
    char* scratch,           # of `search_bytes`
    label_t* labels,         # OUT  (n_nodes - 1,): the arcs used, ascending
    double* value,           # OUT  their score
    Py_ssize_t* n_root_arcs,  # OUT  their number from the root
) noexcept nogil:
    """Returns -1, or a node that cannot be reached from the root. n_nodes >= 1."""
    cdef Py_ssize_t n = arcs.n_nodes, k
    cdef Forest f
    cdef Pairs pairs
    cdef Heap* heap = NULL
    cdef int32_t u, v, lost, e
    plant(&f, n, root, single_root, &scratch)
    pairs.score, pairs.head = NULL, NULL
    if arcs.ends == NULL:
        pairs.score = <double*> take(&scratch, n * n * sizeof(double))
        pairs.head = <int32_t*> scratch
        for v in range(<int32_t> n):
            f.row[v] = v
            for u in range(<int32_t> n):
                pairs.score[v * n + u] = theta[u * n + v]
                pairs.head[v * n + u] = v
            pairs.score[v * n + v] = -INFINITY
    else:
        heap = <Heap*> scratch
        for v in range(<int32_t> n):
            f.row[v] = -1
        for e in range(<int32_t> arcs.n_arcs):
            u, v = arcs.ends[2 * e], arcs.ends[2 * e + 1]
            if v == root or theta[e] == -INFINITY:
                continue
            heap[e].score, heap[e].add, heap[e].arc = theta[e], 0.0, e
            heap[e].left, heap[e].right, heap[e].rank = -1, -1, 1
            f.row[v] = meld(&f, arcs, heap, f.row[v], e)
    lost = search(&f, arcs, &pairs, heap)
    if lost >= 0:
        return lost
    open_cycles(&f, n)
    n_root_arcs[0], value[0], k = 0, 0.0, 0
    if arcs.ends == NULL:
        # Ascending: `leader` becomes the place of the first arc from each node.
        memset(f.leader, 0, (n + 1) * sizeof(int32_t))
        for v in range(<int32_t> n):
            if v != root:
                f.leader[f.tail[v] + 1] += 1
        n_root_arcs[0] = f.leader[root + 1]
        for v in range(<int32_t> n):
            f.leader[v + 1] += f.leader[v]
        for v in range(<int32_t> n):
            if v != root:
                labels[f.leader[f.tail[v]]] = f.arc[v]
                f.leader[f.tail[v]] += 1
    else:
        # Ascending: ranks become marks.
        for e in range(<int32_t> arcs.n_arcs):
            heap[e].rank = 0
        for v in range(<int32_t> n):
            if v != root:
                heap[f.arc[v]].rank = 1
                n_root_arcs[0] += f.tail[v] == root
        for e in range(<int32_t> arcs.n_arcs):
            if heap[e].rank:
                labels[k] = e
                k += 1
    for k in range(n - 1):
        value[0] += theta[labels[k]]
    return -1


cdef class ArborescenceMaximizer(PartSetMaximizer):
    """The arborescences of directed graphs: trees with a path from the root to each node.

    Parameters
    ----------
    n_nodes : sequence of int
        Number of nodes of each graph, 1 or more.
    arcs : sequence of C-contiguous int32 arrays of shape (n_arcs, 2), or None
        Tails and heads, checked by `structsvm.inference.arborescence`; graphs may share arrays.
        Nothing is copied. None: all pairs of nodes.
    root : int
    single_root : bool
        Whether there may be only one arc from the root.
    """
    cdef Arcs* graphs
    cdef int32_t root
    cdef bint single_root
    cdef list _held

    def __init__(self, n_nodes, arcs, int32_t root, bint single_root):
        cdef Py_ssize_t i, n = len(n_nodes)
        cdef size_t most = 0
        cdef Arcs* some
        self.root, self.single_root = root, single_root
        self._held = list(arcs)
        self.graphs = <Arcs*> calloc(max(n, 1), sizeof(Arcs))
        if self.graphs == NULL:
            raise MemoryError(f"no memory for {n} graphs")
        for i in range(n):
            some = &self.graphs[i]
            set_arcs(some, n_nodes[i], self._held[i])
            most = max(most, search_bytes(some))
        self.set_outputs(
            [self.graphs[i].n_arcs for i in range(n)],
            [self.graphs[i].n_nodes - 1 for i in range(n)], most,
        )

    def __dealloc__(self):
        free(self.graphs)

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef Py_ssize_t n_root_arcs = 0
        cdef int32_t lost = arborescence(
            &self.graphs[i], self.root, self.single_root, theta, scratch, labels, value,
            &n_root_arcs,
        )
        if lost >= 0:
            with gil:
                raise ValueError(
                    f"example {i}: no arcs with scores above -inf lead from the root to node {lost}"
                )
        if self.single_root and n_root_arcs > 1:
            with gil:
                raise ValueError(
                    f"example {i}: every arborescence with a score above -inf has {n_root_arcs} "
                    "arcs from the root or more, but only one is allowed"
                )
        return 0


cdef int set_arcs(Arcs* some, Py_ssize_t n_nodes, arcs) except -1:
    cdef const int32_t[:, ::1] view
    some.n_nodes, some.n_arcs, some.ends = n_nodes, n_nodes * n_nodes, NULL
    if arcs is not None:
        view = arcs
        some.n_arcs = view.shape[0]
        # A pointer that is not NULL even without arcs: NULL means all pairs.
        some.ends = &view[0, 0] if view.shape[0] else <const int32_t*> some
    return 0


def best_arborescence(
    const double[::1] scores,   # IN   (n_parts,)
    Py_ssize_t n_nodes, arcs, int32_t root, bint single_root,
    label_t[::1] labels,        # OUT  (n_nodes - 1,)
):
    """Returns the score, a node that cannot be reached or -1, and the number of root arcs."""
    cdef Arcs some
    cdef double value = 0.0, nothing = 0.0
    cdef Py_ssize_t n_root_arcs = 0
    cdef int32_t lost
    cdef label_t none
    set_arcs(&some, n_nodes, arcs)
    scratch = np.empty(search_bytes(&some) + 64, dtype=np.uint8)
    cdef uint8_t[::1] bytes_ = scratch
    cdef char* start = <char*> aligned(<size_t> &bytes_[0])
    with nogil:
        lost = arborescence(
            &some, root, single_root, &scores[0] if scores.shape[0] else &nothing, start,
            &labels[0] if labels.shape[0] else &none, &value, &n_root_arcs,
        )
    return value, lost, n_root_arcs
