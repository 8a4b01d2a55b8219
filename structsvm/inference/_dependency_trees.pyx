"""Dependency trees as a maximizer; parts are laid out in ``_dependency_trees.pxd``."""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport label_t
from structsvm.inference._arborescence cimport Arcs, arborescence, search_bytes
from structsvm.inference._maximizer cimport (
    SSVM_VOID, counts_add, ssvm_count, ssvm_counts, ssvm_difference,
)
from structsvm.inference._part_sets cimport ScratchMaximizer, aligned, table_bytes

cdef extern from "structsvm/inference/dependency_trees.h" nogil:
    double ssvm_tree_scratch(Py_ssize_t n, int order)
    double ssvm_projective_tree(
        const double* theta, Py_ssize_t n, int order, bint single_root, double* scratch,
        int32_t* heads,
    )


cdef inline Py_ssize_t inner_sibling(const label_t* heads, Py_ssize_t m) noexcept nogil:
    """The next child of the head of m on the way to it; the head itself if there is none."""
    cdef Py_ssize_t head = heads[m - 1]
    cdef Py_ssize_t step = 1 if head > m else -1
    cdef Py_ssize_t s = m + step
    while s != head and heads[s - 1] != head:
        s += step
    return s


cdef void parts_of_token(
    int order, Py_ssize_t n, const label_t* heads, Py_ssize_t m,
    Py_ssize_t* parts,      # OUT  (order,); -1: none
) noexcept nogil:
    """The parts in which m is the child."""
    cdef Py_ssize_t head = heads[m - 1], n_arcs = (n + 1) * n, row = head * n + m - 1
    parts[0] = row
    if order > 1:
        parts[1] = n_arcs + row * (n + 1) + inner_sibling(heads, m)
    if order > 2:
        parts[2] = n_arcs + (n_arcs + row) * (n + 1) + heads[head - 1] if head else -1


cdef inline void all_pairs(Arcs* arcs, Py_ssize_t n) noexcept nogil:
    arcs.n_nodes, arcs.n_arcs, arcs.ends = n + 1, (n + 1) * (n + 1), NULL


cdef inline size_t pairs_bytes(Py_ssize_t n) noexcept nogil:
    return aligned((n + 1) * (n + 1) * sizeof(double)) + aligned((n + 1) * sizeof(label_t))


cdef double nonprojective(
    const double* arc, Py_ssize_t n, bint single_root, char* scratch, label_t* heads
) noexcept nogil:
    """The score of the best tree, -inf if there is none; see ``_arborescence.pyx``."""
    cdef Arcs arcs
    cdef double* pair = <double*> scratch
    cdef label_t* used = <label_t*> (scratch + aligned((n + 1) * (n + 1) * sizeof(double)))
    cdef double value = 0.0
    cdef Py_ssize_t h, m, n_root_arcs = 0
    all_pairs(&arcs, n)
    for h in range(n + 1):
        pair[h * (n + 1)] = -INFINITY
        for m in range(1, n + 1):
            pair[h * (n + 1) + m] = arc[h * n + m - 1]
    if arborescence(
        &arcs, 0, single_root, pair, scratch + pairs_bytes(n), used, &value, &n_root_arcs
    ) >= 0 or (single_root and n_root_arcs > 1):
        return -INFINITY
    for m in range(n):
        heads[used[m] % (n + 1) - 1] = used[m] // <int32_t> (n + 1)
    return value


cdef class DependencyTreeMaximizer(ScratchMaximizer):
    """The dependency trees of sentences.

    Parameters
    ----------
    lengths : sequence of int
        Number of tokens of each sentence, 0 or more.
    order : int, default=1
        1: arcs have scores; 2: siblings, too; 3: grandparents, too.
    projective : bool, default=True
        Whether arcs may not cross. Otherwise `order` is 1.
    single_root : bool, default=True
        Whether only one token may have the root as its head.

    Raises
    ------
    ValueError
        If a length is negative, a sentence has 2**31 parts or more, or the search would take more
        than 4 GiB of tables.

    Notes
    -----
    Any tree has counts, as true trees may have arcs that cross, or several roots. Heads may be void
    in it; then it has arcs to the other tokens alone, as nobody knows which siblings they have.
    """

    def __init__(self, lengths, order=1, *, bint projective=True, bint single_root=True):
        cdef Py_ssize_t n, longest = 0
        cdef Arcs arcs
        if order not in (1, 2, 3):
            raise ValueError(f"order={order!r}: expected 1, 2 or 3")
        if order > 1 and not projective:
            raise ValueError(
                f"order={order} needs projective=True: without it the best tree with scores of "
                "siblings is NP-hard to find"
            )
        self.order, self.projective, self.single_root = order, projective, single_root
        sizes = []
        for i, length in enumerate(lengths):
            n = length
            if n < 0:
                raise ValueError(f"lengths[{i}] is {n}, expected 0 or more")
            # In Python's integers, which do not overflow.
            n_parts = (int(n) + 1) * int(n) * (1 + (int(order) - 1) * (int(n) + 1))
            if (int(n) + 1) ** 2 >= 2**31 or n_parts >= 2**31:
                raise ValueError(
                    f"sentence {i} has {n} tokens, and with order={order} {n_parts} parts; at most "
                    "2**31 - 1 can be counted"
                )
            sizes.append(n_parts)
            longest = max(longest, n)
        self.set_sizes(sizes, lengths, longest * order)
        self.takes_infinity = self.label_major = True
        self.struct.count = <ssvm_count> tree_count
        self.struct.difference = <ssvm_difference> tree_difference
        if projective:
            self.set_scratch(table_bytes(sizeof(double) * ssvm_tree_scratch(longest, order)))
        else:
            all_pairs(&arcs, longest)
            self.set_scratch(pairs_bytes(longest) + search_bytes(&arcs))

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i]
        value[0] = 0.0
        if n == 0:
            return 0
        if self.projective:
            value[0] = ssvm_projective_tree(
                theta, n, self.order, self.single_root, <double*> scratch, labels
            )
        else:
            value[0] = nonprojective(theta, n, self.single_root, scratch, labels)
        if value[0] == -INFINITY:
            with gil:
                raise ValueError(
                    f"sentence {i}: every dependency tree"
                    + (" without crossing arcs" if self.projective else "")
                    + (" and" if self.projective and self.single_root else "")
                    + (" with one token below the root" if self.single_root else "")
                    + " has a score of -inf"
                )
        return 0

    cdef int known_order(self, Py_ssize_t n, const label_t* heads) noexcept nogil:
        """The order of the parts that are known of a tree: 1 where a head is void."""
        cdef Py_ssize_t t
        for t in range(n):
            if heads[t] == SSVM_VOID:
                return 1
        return self.order

    cdef int count_parts(self, Py_ssize_t i, const label_t* heads, ssvm_counts* mu) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i], m, k, steps
        cdef Py_ssize_t[3] parts
        cdef int order
        for m in range(1, n + 1):
            if not SSVM_VOID <= heads[m - 1] <= n or heads[m - 1] == m:
                with gil:
                    raise ValueError(
                        f"the head of token {m} of sentence {i} is {heads[m - 1]}, expected "
                        f"another token, 1 to {n}, or the root, 0"
                    )
        for m in range(1, n + 1):
            k, steps = m, 0
            while k > 0 and steps < n:
                k = heads[k - 1]
                steps += 1
            if k > 0:
                with gil:
                    raise ValueError(
                        f"the heads above token {m} of sentence {i} form a cycle, expected a way "
                        "to the root, 0"
                    )
        order = self.known_order(n, heads)
        for m in range(1, n + 1):
            if heads[m - 1] == SSVM_VOID:
                continue
            parts_of_token(order, n, heads, m, parts)
            for k in range(order):
                if parts[k] >= 0:
                    counts_add(mu, parts[k], 1.0)
        return 0

    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i], m, k
        cdef Py_ssize_t[3] right
        cdef Py_ssize_t[3] found
        cdef int order = self.known_order(n, y)
        for m in range(1, n + 1):
            if y[m - 1] == SSVM_VOID:
                continue
            parts_of_token(order, n, y, m, right)
            parts_of_token(order, n, y_hat, m, found)
            for k in range(order):
                if right[k] != found[k]:
                    if right[k] >= 0:
                        counts_add(mu, right[k], 1.0)
                    if found[k] >= 0:
                        counts_add(mu, found[k], -1.0)
        return 0


cdef int tree_count(
    void* user, int64_t i, const int32_t* heads, ssvm_counts* mu
) except -1 nogil:
    return (<DependencyTreeMaximizer> user).count_parts(i, heads, mu)


cdef int tree_difference(
    void* user, int64_t i, const int32_t* y, const int32_t* y_hat, ssvm_counts* mu
) except -1 nogil:
    return (<DependencyTreeMaximizer> user).count_difference(i, y, y_hat, mu)
