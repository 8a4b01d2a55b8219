"""Paths in directed graphs as a maximizer: part e is edge e."""

import numpy as np

from libc.math cimport INFINITY, fabs, floor, frexp, ldexp
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from structsvm._typedefs cimport label_t
from structsvm.data.checks import shorten
from structsvm.inference._maximizer cimport SSVM_VOID
from structsvm.inference._part_sets cimport PartSetMaximizer, aligned

# Bellman-Ford adds integers: a score keeps so many binary digits of the largest.
cdef enum:
    DIGITS = 50

# How a network is searched; AUTO: Dijkstra unless an edge has a positive score.
cdef enum Method:
    DAG
    DIJKSTRA
    BELLMAN_FORD
    AUTO

cdef enum Outcome:
    FOUND
    NO_PATH
    NEGATIVE_COST    # faults[0] is the edge
    CYCLE            # faults are the edges of a cycle with a positive score, backwards


cdef struct Arc:
    int32_t node
    int32_t edge


cdef struct Network:
    Py_ssize_t n_nodes, n_edges
    Method method
    # Arcs into the nodes start[v] to start[v + 1]; nodes of a DAG are in topological order.
    const int64_t* start_in
    const Arc* arcs_in
    # Arcs out of the nodes, not used for a DAG.
    const int64_t* start_out
    const Arc* arcs_out


cdef struct Trip:
    const Network* network
    int32_t source, target    # in the network's own numbers of nodes


cdef struct Open:
    # A node in the heap, and the score of the best known way to it.
    double best
    int32_t node


cdef struct Search:
    # Scratch space of one call.
    double* best         # (n_nodes,): score of the best known way from the source
    int32_t* before      # (n_nodes,): the node before on this way
    int32_t* by          # (n_nodes,): the edge from there
    int32_t* queue       # (n_nodes,)
    int32_t* place       # (n_nodes,): in the heap; the next queue of Bellman-Ford
    Open* heap           # (n_nodes,)
    int64_t* whole       # (n_edges,): scores as integers
    uint8_t* seen        # (n_nodes,)
    uint8_t* queued      # (n_nodes,)
    Py_ssize_t n_faults  # entries of `queue` that say what is wrong


cdef size_t search_bytes(Py_ssize_t n_nodes, Py_ssize_t n_edges, Method method) noexcept nogil:
    cdef size_t bytes = aligned(8 * n_nodes) + 2 * aligned(4 * n_nodes)
    if method != DAG:
        bytes += 2 * aligned(4 * n_nodes) + aligned(n_nodes * sizeof(Open)) + 2 * aligned(n_nodes)
        if method != DIJKSTRA:
            bytes += aligned(8 * n_edges)
    return bytes


cdef void place_search(Search* s, char* scratch, const Network* network) noexcept nogil:
    cdef size_t n = network.n_nodes
    s.best = <double*> scratch
    s.before = <int32_t*> (scratch + aligned(8 * n))
    s.n_faults = 0
    s.by = <int32_t*> (<char*> s.before + aligned(4 * n))
    if network.method == DAG:
        return
    s.queue = <int32_t*> (<char*> s.by + aligned(4 * n))
    s.place = <int32_t*> (<char*> s.queue + aligned(4 * n))
    s.heap = <Open*> (<char*> s.place + aligned(4 * n))
    s.seen = <uint8_t*> s.heap + aligned(n * sizeof(Open))
    s.queued = s.seen + aligned(n)
    s.whole = <int64_t*> (s.queued + aligned(n))


# ---- acyclic networks

cdef double search_dag(
    const Trip* trip, const double* theta, double* best, int32_t* before, int32_t* by
) noexcept nogil:
    """Score of the best path; theta is NULL: the number of edges of the longest one."""
    cdef const Network* network = trip.network
    cdef Py_ssize_t v
    cdef int64_t k
    cdef double most, way
    cdef Arc arc
    best[trip.source] = 0.0
    for v in range(trip.source + 1, trip.target + 1):
        most = -INFINITY
        for k in range(network.start_in[v], network.start_in[v + 1]):
            arc = network.arcs_in[k]
            if arc.node < trip.source:
                continue
            way = best[arc.node] + (1.0 if theta == NULL else theta[arc.edge])
            if way > most:
                most = way
                before[v] = arc.node
                by[v] = arc.edge
        best[v] = most
    return best[trip.target] if trip.source <= trip.target else -INFINITY


# ---- Dijkstra: a heap of nodes, each with four children

cdef inline void rise(Search* s, Py_ssize_t k, Open one) noexcept nogil:
    """Put a node into place k of the heap, or further up."""
    cdef Py_ssize_t up
    while k:
        up = (k - 1) // 4
        if s.heap[up].best >= one.best:
            break
        s.heap[k] = s.heap[up]
        s.place[s.heap[k].node] = <int32_t> k
        k = up
    s.heap[k] = one
    s.place[one.node] = <int32_t> k


cdef inline void sink(Search* s, Py_ssize_t n, Open one) noexcept nogil:
    """Put a node into place 0 of a heap of n, or further down."""
    cdef Py_ssize_t k = 0, first, child, top
    while True:
        first = 4 * k + 1
        if first >= n:
            break
        top = first
        for child in range(first + 1, min(first + 4, n)):
            if s.heap[child].best > s.heap[top].best:
                top = child
        if s.heap[top].best <= one.best:
            break
        s.heap[k] = s.heap[top]
        s.place[s.heap[k].node] = <int32_t> k
        k = top
    s.heap[k] = one
    s.place[one.node] = <int32_t> k


cdef Outcome search_dijkstra(
    const Trip* trip, const double* theta, Search* s
) noexcept nogil:
    """theta <= 0."""
    cdef const Network* network = trip.network
    cdef Py_ssize_t v, n = 1
    cdef int64_t k
    cdef int32_t node
    cdef double way
    cdef Arc arc
    cdef Open one
    for v in range(network.n_nodes):
        s.best[v] = -INFINITY
    s.best[trip.source] = one.best = 0.0
    one.node = trip.source
    rise(s, 0, one)
    while n:
        node = s.heap[0].node
        if node == trip.target:
            return FOUND
        n -= 1
        if n:
            sink(s, n, s.heap[n])
        for k in range(network.start_out[node], network.start_out[node + 1]):
            arc = network.arcs_out[k]
            way = s.best[node] + theta[arc.edge]
            if way > s.best[arc.node]:
                if s.best[arc.node] == -INFINITY:
                    s.place[arc.node] = <int32_t> n
                    n += 1
                s.best[arc.node] = way
                s.before[arc.node] = node
                s.by[arc.node] = arc.edge
                one.best, one.node = way, arc.node
                rise(s, s.place[arc.node], one)
    return NO_PATH


# ---- Bellman-Ford

cdef int64_t round_scores(
    const double* theta, Py_ssize_t n_edges, Py_ssize_t n_nodes, int64_t* whole
) noexcept nogil:
    """Round scores down to multiples of a power of two; returns a bound of the scores of paths.

    Sums are exact, so that no cycle gains by rounding. An edge without a finite score gets
    INT64_MIN.
    """
    cdef Py_ssize_t e, n = n_nodes
    cdef double most = 0.0
    cdef int exponent = 0, n_digits = DIGITS, spare = 61
    for e in range(n_edges):
        if fabs(theta[e]) < INFINITY:
            most = max(most, fabs(theta[e]))
    frexp(most, &exponent)
    while n:
        n //= 2
        spare -= 1
    n_digits = min(n_digits, spare)
    for e in range(n_edges):
        if fabs(theta[e]) < INFINITY:
            whole[e] = <int64_t> floor(ldexp(theta[e], n_digits - exponent))
        else:
            whole[e] = INT64_MIN
    return n_nodes << n_digits


cdef bint mark_ways_to(
    int32_t target, int32_t source, const Network* network, Search* s
) noexcept nogil:
    """Mark the nodes from which the target can be reached; whether the source is one of them."""
    cdef Py_ssize_t n = 1
    cdef int64_t k
    cdef int32_t node
    cdef Arc arc
    memset(s.seen, 0, network.n_nodes)
    s.seen[target] = 1
    s.queue[0] = target
    while n:
        n -= 1
        node = s.queue[n]
        for k in range(network.start_in[node], network.start_in[node + 1]):
            arc = network.arcs_in[k]
            if not s.seen[arc.node] and (s.whole == NULL or s.whole[arc.edge] != INT64_MIN):
                s.seen[arc.node] = 1
                s.queue[n] = arc.node
                n += 1
    return s.seen[source]


cdef Outcome follow_cycle(const Network* network, int32_t node, Search* s) noexcept nogil:
    """Note the cycle that the way back from a node runs into."""
    cdef Py_ssize_t left = network.n_nodes
    cdef int32_t first
    while left:
        node = s.before[node]
        left -= 1
    first = node
    s.n_faults = 0
    while s.n_faults == 0 or node != first:
        s.queue[s.n_faults] = s.by[node]
        s.n_faults += 1
        node = s.before[node]
    return CYCLE


cdef Outcome search_bellman_ford(
    const Trip* trip, const double* theta, Search* s
) noexcept nogil:
    """Edge by edge from nodes that were bettered in the round before."""
    cdef const Network* network = trip.network
    cdef Py_ssize_t v, m, n = 1, n_next, rounds = 0
    cdef int64_t* best = <int64_t*> s.best
    cdef int64_t k, way, most
    cdef int32_t node
    cdef int32_t* here = s.queue
    cdef int32_t* next = s.place
    cdef Arc arc
    most = round_scores(theta, network.n_edges, network.n_nodes, s.whole)
    if not mark_ways_to(trip.target, trip.source, network, s):
        return NO_PATH
    for v in range(network.n_nodes):
        best[v] = INT64_MIN
        s.queued[v] = 0
    best[trip.source] = 0
    here[0] = trip.source
    while n:
        if rounds == network.n_nodes:
            # Each of these nodes was bettered through one of the round before, and so on: back from
            # here there are more nodes than the network has, so a cycle comes first.
            return follow_cycle(network, here[0], s)
        n_next = 0
        for m in range(n):
            node = here[m]
            s.queued[node] = 0
            for k in range(network.start_out[node], network.start_out[node + 1]):
                arc = network.arcs_out[k]
                if not s.seen[arc.node] or s.whole[arc.edge] == INT64_MIN:
                    continue
                way = best[node] + s.whole[arc.edge]
                if way > best[arc.node]:
                    best[arc.node] = way
                    s.before[arc.node] = node
                    s.by[arc.node] = arc.edge
                    if way > most:
                        # No path scores so much, and the way back has a score of this or more.
                        return follow_cycle(network, arc.node, s)
                    if not s.queued[arc.node]:
                        s.queued[arc.node] = 1
                        next[n_next] = arc.node
                        n_next += 1
        here, next = next, here
        n = n_next
        rounds += 1
    return FOUND


cdef Outcome search(
    const Trip* trip, const double* theta, Search* s,
    label_t* parts,         # OUT  the edges of the best path, from the target back to the source
    Py_ssize_t* n_parts,    # OUT
) noexcept nogil:
    cdef const Network* network = trip.network
    cdef Method method = network.method
    cdef Outcome outcome = FOUND
    cdef Py_ssize_t e
    cdef int32_t node
    n_parts[0] = 0
    if method == DAG:
        if search_dag(trip, theta, s.best, s.before, s.by) == -INFINITY:
            return NO_PATH
    else:
        if method != BELLMAN_FORD:
            e = 0
            while e < network.n_edges and theta[e] <= 0.0:
                e += 1
            if e == network.n_edges:
                method = DIJKSTRA
            elif method == DIJKSTRA:
                s.queue[0], s.n_faults = <int32_t> e, 1
                return NEGATIVE_COST
        if method == DIJKSTRA:
            outcome = search_dijkstra(trip, theta, s)
        else:
            outcome = search_bellman_ford(trip, theta, s)
        if outcome != FOUND:
            return outcome
    node = trip.target
    while node != trip.source:
        parts[n_parts[0]] = s.by[node]
        n_parts[0] += 1
        node = s.before[node]
    return FOUND


cdef void sort_parts(label_t* parts, Py_ssize_t n) noexcept nogil:
    """Ascending; Shell's sort, for the few edges of a path."""
    cdef Py_ssize_t gap = 1, k, place
    cdef label_t part
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap:
        for k in range(gap, n):
            part = parts[k]
            place = k
            while place >= gap and parts[place - gap] > part:
                parts[place] = parts[place - gap]
                place -= gap
            parts[place] = part
        gap //= 3


# ---- what is made once

def topological_order(Py_ssize_t n_nodes, const int32_t[:, ::1] edges):
    """Nodes in an order in which every edge leads on, or None if there is a cycle.

    Of the nodes that may come next, the one that could come first does (Kahn 1962).
    """
    cdef int64_t[::1] start = np.zeros(n_nodes + 2, dtype=np.int64)
    cdef int32_t[::1] head = np.zeros(edges.shape[0], dtype=np.int32)
    cdef int32_t[::1] n_before = np.zeros(n_nodes, dtype=np.int32)
    cdef int32_t[::1] order = np.zeros(n_nodes, dtype=np.int32)
    cdef Py_ssize_t e, n = 0, step = 0
    cdef int64_t k
    cdef int32_t v
    with nogil:
        for e in range(edges.shape[0]):
            start[edges[e, 0] + 2] += 1
            n_before[edges[e, 1]] += 1
        for v in range(<int32_t> n_nodes):
            start[v + 2] += start[v + 1]
            if n_before[v] == 0:
                order[n] = v
                n += 1
        for e in range(edges.shape[0]):
            head[start[edges[e, 0] + 1]] = edges[e, 1]
            start[edges[e, 0] + 1] += 1
        while step < n:
            v = order[step]
            step += 1
            for k in range(start[v], start[v + 1]):
                n_before[head[k]] -= 1
                if n_before[head[k]] == 0:
                    order[n] = head[k]
                    n += 1
    return np.asarray(order) if n == n_nodes else None


cdef object arcs_by(
    int end, Py_ssize_t n_nodes, const int32_t[::1] own, const int32_t[:, ::1] edges
):
    """Edges by the node at this end, in order at each: where those of each node start, and the
    arcs. `own` is the new number of each node."""
    cdef Py_ssize_t e, v, n_edges = edges.shape[0]
    cdef int64_t place
    start, arcs = np.zeros(n_nodes + 2, dtype=np.int64), np.empty((n_edges, 2), dtype=np.int32)
    cdef int64_t[::1] starts = start
    cdef int32_t[:, ::1] found = arcs
    with nogil:
        for e in range(n_edges):
            starts[own[edges[e, end]] + 2] += 1
        for v in range(n_nodes):
            starts[v + 2] += starts[v + 1]
        for e in range(n_edges):
            place = starts[own[edges[e, end]] + 1]
            starts[own[edges[e, end]] + 1] += 1
            found[place, 0], found[place, 1] = own[edges[e, 1 - end]], <int32_t> e
    return start, arcs


cdef const int64_t* starts_of(const int64_t[::1] start) noexcept:
    return &start[0]


cdef const Arc* arcs_of(const int32_t[:, ::1] arcs) noexcept:
    return <const Arc*> &arcs[0, 0] if arcs.shape[0] else NULL


cdef Py_ssize_t most_edges(const Trip* trip) except -2:
    """The most edges of a path, or a bound if there are cycles; -1 if there is no path."""
    cdef const Network* network = trip.network
    cdef size_t n = network.n_nodes
    cdef Search s
    cdef double longest
    cdef double[::1] best = np.zeros(n)
    cdef int32_t[:, ::1] nodes = np.zeros((2, n), dtype=np.int32)
    cdef uint8_t[::1] seen = np.zeros(n, dtype=np.uint8)
    if network.method == DAG:
        longest = search_dag(trip, NULL, &best[0], &nodes[0, 0], &nodes[1, 0])
        return -1 if longest < 0.0 else <Py_ssize_t> longest
    s.queue, s.seen, s.whole = &nodes[0, 0], &seen[0], NULL
    if not mark_ways_to(trip.target, trip.source, network, &s):
        return -1
    return 0 if trip.source == trip.target else min(network.n_nodes - 1, network.n_edges)


cdef class PathMaximizer(PartSetMaximizer):
    """Paths from a source to a target.

    Parameters
    ----------
    n_nodes : sequence of int
        Number of nodes of each network.
    edges : sequence of C-contiguous int32 arrays of shape (n_edges, 2)
        Edges of each network, from the first node to the second; checked by the caller.
    which : sequence of int
        Network of each example.
    ends : int32 array of shape (n_examples, 2)
        Source and target of each example.
    method : "auto", "dag", "dijkstra" or "bellman-ford"

    Raises
    ------
    ValueError
        If an example has no path, or its network has a cycle and `method` is "dag".
    """
    cdef Network* networks
    cdef Trip* trips
    cdef list held
    cdef object ends

    def __init__(self, n_nodes, edges, which, const int32_t[:, ::1] ends, str method):
        cdef Py_ssize_t i, k, n = len(which), n_networks = len(edges)
        cdef size_t most = 0
        cdef Network* network
        cdef Trip* trip
        self.held = []
        self.ends = np.asarray(ends)
        self.networks = <Network*> calloc(max(n_networks, 1), sizeof(Network))
        self.trips = <Trip*> calloc(max(n, 1), sizeof(Trip))
        if self.networks == NULL or self.trips == NULL:
            raise MemoryError(f"no memory for {n} paths in {n_networks} networks")
        places = []
        for k in range(n_networks):
            places.append(self.connect(&self.networks[k], n_nodes[k], edges[k], method))
        n_parts, n_labels = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        longest = {}
        for i in range(n):
            k = which[i]
            trip, network = &self.trips[i], &self.networks[k]
            if places[k] is None:
                raise ValueError(
                    f"example {i}: the graph has a cycle, but method='dag' is for graphs without; "
                    "choose method='auto'"
                )
            trip.network = network
            trip.source, trip.target = places[k][ends[i, 0]], places[k][ends[i, 1]]
            n_parts[i] = network.n_edges
            key = (k, ends[i, 0], ends[i, 1])
            if key not in longest:
                longest[key] = most_edges(trip)
                if longest[key] < 0:
                    raise ValueError(
                        f"example {i}: no path leads from node {ends[i, 0]} to node {ends[i, 1]}"
                    )
                most = max(most, search_bytes(network.n_nodes, network.n_edges, network.method))
            n_labels[i] = longest[key]
        self.set_outputs(n_parts, n_labels, most)

    def __dealloc__(self):
        free(self.networks)
        free(self.trips)

    cdef object connect(
        self, Network* network, Py_ssize_t n_nodes, const int32_t[:, ::1] edges, str method
    ):
        """Fill a network; returns its own number of each node, or None if it should be acyclic."""
        order = topological_order(n_nodes, edges) if method in ("auto", "dag") else None
        if method == "dag" and order is None:
            return None
        own = np.arange(n_nodes, dtype=np.int32)
        if order is not None:
            own[order] = np.arange(n_nodes, dtype=np.int32)
        network.n_nodes, network.n_edges = n_nodes, edges.shape[0]
        network.method = {
            "auto": AUTO, "dag": DAG, "dijkstra": DIJKSTRA, "bellman-ford": BELLMAN_FORD
        }[method] if order is None else DAG
        start, arcs = arcs_by(1, n_nodes, own, edges)
        network.start_in, network.arcs_in = starts_of(start), arcs_of(arcs)
        self.held += [start, arcs]
        if order is None:
            start, arcs = arcs_by(0, n_nodes, own, edges)
            network.start_out, network.arcs_out = starts_of(start), arcs_of(arcs)
            self.held += [start, arcs]
        return own

    cdef int find(
        self, Py_ssize_t i, const double* theta, char* scratch, label_t* parts, Py_ssize_t* n_parts
    ) except -1 nogil:
        """The edges of the best path, from the target back."""
        cdef Trip* trip = &self.trips[i]
        cdef Search s
        cdef Outcome outcome
        cdef Py_ssize_t k
        cdef double score = 0.0
        place_search(&s, scratch, trip.network)
        outcome = search(trip, theta, &s, parts, n_parts)
        if outcome == FOUND:
            return 0
        with gil:
            source, target = self.ends[i]
            if outcome == NO_PATH:
                raise ValueError(
                    f"example {i}: no path with a score above -inf leads from node {source} to "
                    f"node {target}"
                )
            if outcome == NEGATIVE_COST:
                raise ValueError(
                    f"example {i}: edge {s.queue[0]} has the score {theta[s.queue[0]]}, a cost of "
                    f"{-theta[s.queue[0]]}, but Dijkstra's method needs scores <= 0, costs >= 0; "
                    "method='auto' takes others as long as no cycle has a score above 0"
                )
            for k in range(s.n_faults):
                score += theta[s.queue[k]]
            cycle = [s.queue[k] for k in range(s.n_faults - 1, -1, -1)]
            raise ValueError(
                f"example {i}: edges {shorten(cycle)} are a cycle with a score of {score}: each "
                "round raises the score, so that no path is the best. Scores <= 0 (costs >= 0) "
                "have no such cycle; in training those with the loss must be <= 0, too"
            )

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef Py_ssize_t k, n = 0
        self.find(i, theta, scratch, labels, &n)
        sort_parts(labels, n)
        value[0] = 0.0
        for k in range(n):
            value[0] += theta[labels[k]]
        for k in range(n, self.struct.n_labels[i]):
            labels[k] = SSVM_VOID
        return 0

    def path(self, Py_ssize_t i, theta):
        """The edges of the best path of example i in order, and its score."""
        cdef const double[::1] scores = self._scores(i, theta)
        edges = np.zeros(self.n_labels[i] + 1, dtype=np.int32)
        cdef label_t[::1] own = edges
        cdef Py_ssize_t k, n = 0
        cdef double value = 0.0
        self.reserve(1)
        with nogil:
            self.find(i, &scores[0], self._scratch, &own[0], &n)
        for k in range(n - 1, -1, -1):
            value += scores[own[k]]
        return edges[:n][::-1].copy(), value
