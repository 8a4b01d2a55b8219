"""Batches of padded chains: best paths, with a loss or without, and what their hinges add up to.

Positions of a chain where `mask` is 0 are left out: their neighbours follow each other. Positions
whose tag is `void` cut a chain, as in ``_chain_maximizer.pxd``.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from structsvm._typedefs cimport label_t
from structsvm.linalg._lanes cimport padded

from cython cimport floating

cdef extern from "structsvm/inference/viterbi.h" nogil:
    double ssvm_viterbi_double(
        double* score, const double* transition, Py_ssize_t step, double* entering,
        Py_ssize_t length, Py_ssize_t n_labels, Py_ssize_t stride, label_t* labels,
    )
    float ssvm_viterbi_float(
        float* score, const float* transition, Py_ssize_t step, float* entering,
        Py_ssize_t length, Py_ssize_t n_labels, Py_ssize_t stride, label_t* labels,
    )

# In paths: no position of the chain, or one whose tag is void.
cdef enum:
    LEFT_OUT = -1
    CUT = -2


cdef struct Fault:
    int kind                    # a number of FAULTS below, or 0
    Py_ssize_t chain, position


#: What `maximize_chains` may find wrong: the first entry of its answer.
FAULTS = {
    "emission": 1,              # NaN or +inf
    "transition": 2,            # the same, for the step to a position
    "tag": 3,                   # neither a label nor void
    "empty": 4,                 # a chain of which no position is left
    "truth": 5,                 # the true sequence is forbidden, at this position
    "hopeless": 6,              # all sequences are forbidden
    "start": 7,                 # NaN or +inf
    "end": 8,
    "overflow": 9,              # sums of scores, or a hinge, that the type does not hold
}


cdef inline bint load_row(
    const floating* row, Py_ssize_t step, Py_ssize_t n, floating add, floating* out
) noexcept nogil:
    """Copy a row and add a number; whether an entry is NaN or +inf."""
    cdef Py_ssize_t k
    cdef int wrong = 0
    if step == 1:
        for k in range(n):
            wrong |= not row[k] < <floating> INFINITY
            out[k] = row[k] + add
    else:
        for k in range(n):
            wrong |= not row[k * step] < <floating> INFINITY
            out[k] = row[k * step] + add
    return wrong != 0


cdef Fault at(int kind, Py_ssize_t chain, Py_ssize_t position) noexcept nogil:
    cdef Fault fault
    fault.kind, fault.chain, fault.position = kind, chain, position
    return fault


cdef bint load_matrix(
    const floating[:, :, :, :] transition, Py_ssize_t b, Py_ssize_t t, floating* rows,
    Py_ssize_t stride,
) noexcept nogil:
    """Copy a matrix to padded rows; whether an entry is NaN or +inf."""
    cdef Py_ssize_t i, n = transition.shape[3], step = transition.strides[3] // sizeof(floating)
    cdef bint wrong = False
    for i in range(n):
        wrong |= load_row(&transition[b, t, i, 0], step, n, 0, rows + i * stride)
    return wrong


def maximize_chains(
    const floating[:, :, :] emissions,         # IN   (B, T, K)
    const unsigned char[:, :] mask,            # IN   (B, T) or None: the positions there are
    const int64_t[:, :] tags,                  # IN   (B, T) or None: no truth, no loss
    int64_t void,                              # IN   the tag of positions that are void
    const floating[:, :, :, :] transition,     # IN   (1, 1, K, K), or (B, T, K, K): steps to each
    const floating[:] start,                   # IN   (K,)
    const floating[:] end,                     # IN   (K,)
    const floating[:, ::1] cost,               # IN   (K, K), 0 on the diagonal, or None: 1
    int32_t[:, ::1] paths,                     # OUT  (B, T): labels, LEFT_OUT or CUT
    floating[::1] values,                      # OUT  (B,): hinges with a truth, else best scores
):
    """The best path of each chain, for the scores and the loss.

    Returns (fault, chain, position), where fault is one of `FAULTS`, or 0 if all is well.

    A hinge is the sum, in double precision, of what the path gains over the truth, and never below
    0: if rounding finds a path that is worse than the truth, the truth stands in its place.
    """
    cdef Py_ssize_t n_chains = emissions.shape[0], longest = emissions.shape[1]
    cdef Py_ssize_t n_labels = emissions.shape[2], stride = padded(n_labels)
    cdef bint shared = transition.shape[1] == 1 and transition.shape[0] == 1
    cdef Py_ssize_t n_matrices = 1 if shared else longest
    cdef Py_ssize_t b
    cdef floating* rows
    cdef Py_ssize_t* places = NULL
    cdef Fault fault = at(0, 0, 0)
    rows = <floating*> calloc((n_matrices * n_labels + 2 * longest) * stride + 1, sizeof(floating))
    places = <Py_ssize_t*> calloc(2 * longest + 1, sizeof(Py_ssize_t))
    if rows == NULL or places == NULL:
        free(rows)
        free(places)
        raise MemoryError(f"no memory for a chain of {longest} positions, {n_labels} labels")
    with nogil:
        if shared and load_matrix(transition, 0, 0, rows, stride):
            fault = at(2, 0, 0)
        for b in range(n_labels):
            if not start[b] < <floating> INFINITY:
                fault = at(7, 0, 0)
            if not end[b] < <floating> INFINITY:
                fault = at(8, 0, 0)
        for b in range(n_chains):
            if fault.kind:
                break
            fault = maximize_chain(
                emissions, mask, tags, void, transition, start, end, cost, shared, b, rows, places,
                &paths[b, 0], &values[b],
            )
    free(rows)
    free(places)
    return fault.kind, fault.chain, fault.position


cdef Fault maximize_chain(
    const floating[:, :, :] emissions, const unsigned char[:, :] mask, const int64_t[:, :] tags,
    int64_t void, const floating[:, :, :, :] transition, const floating[:] start,
    const floating[:] end, const floating[:, ::1] cost, bint shared, Py_ssize_t b,
    floating* rows,             # IN OUT  shared: the transitions; then scratch space
    Py_ssize_t* places,         # SCRATCH (2 * T,)
    int32_t* path, floating* value,
) noexcept nogil:
    """One chain of the batch."""
    cdef Py_ssize_t longest = emissions.shape[1], n_labels = emissions.shape[2]
    cdef Py_ssize_t stride = padded(n_labels), step = 0 if shared else n_labels * stride
    cdef Py_ssize_t row_step = emissions.strides[2] // sizeof(floating)
    cdef floating* score = rows + (1 if shared else longest) * n_labels * stride
    cdef floating* entering = score + longest * stride
    cdef int32_t* found = <int32_t*> (places + longest)
    cdef Py_ssize_t length = 0, a, z, t, k
    cdef bint learns = tags is not None
    cdef int64_t tag
    cdef floating best
    cdef double total = 0.0, gain
    for t in range(longest):
        path[t] = LEFT_OUT
        if mask is None or mask[b, t]:
            places[length] = t
            length += 1
    if not length:
        return at(4, b, 0)
    a = 0
    while a < length:
        # A run of positions that are not void.
        z = a
        while z < length:
            t = places[z]
            tag = tags[b, t] if learns else 0
            if learns and tag == void:
                break
            if not 0 <= tag < n_labels:
                return at(3, b, t)
            if load_row(
                &emissions[b, t, 0], row_step, n_labels, 1 if learns and cost is None else 0,
                score + z * stride,
            ):
                return at(1, b, t)
            if learns:
                if cost is None:
                    score[z * stride + tag] = emissions[b, t, tag]
                else:
                    for k in range(n_labels):
                        score[z * stride + k] += cost[tag, k]
            # The first matrix of a run is not used.
            if not shared and z > a and load_matrix(
                transition, b, t, rows + z * step, stride
            ):
                return at(2, b, t)
            z += 1
        if z == a:
            path[places[a]] = CUT
            a += 1
            continue
        for k in range(n_labels):
            if a == 0:
                score[k] += start[k]
            if z == length:
                score[(z - 1) * stride + k] += end[k]
        if floating is double:
            best = ssvm_viterbi_double(
                score + a * stride, rows + a * step, step, entering, z - a, n_labels, stride, found
            )
        else:
            best = ssvm_viterbi_float(
                score + a * stride, rows + a * step, step, entering, z - a, n_labels, stride, found
            )
        if best == -INFINITY:
            return at(6, b, places[a])
        if not best < <floating> INFINITY:
            return at(9, b, places[a])
        for t in range(z - a):
            path[places[a + t]] = found[t]
        if learns:
            gain = 0.0
            for t in range(a, z):
                k = gain_at(
                    &emissions[b, places[t], 0], row_step, rows + t * step, start, end, cost,
                    stride, t, a == t, t == 0, t == length - 1, places[t], path,
                    &tags[b, 0], tags.strides[1] // sizeof(int64_t), places, &gain,
                )
                if k:
                    return at(5, b, places[t])
            if gain > 0.0:
                total += gain
            else:
                for t in range(a, z):
                    path[places[t]] = <int32_t> tags[b, places[t]]
        else:
            total += best
        a = z
    value[0] = <floating> total
    if not value[0] < <floating> INFINITY:
        return at(9, b, 0)
    return at(0, 0, 0)


cdef inline int gain_at(
    const floating* row, Py_ssize_t row_step, const floating* matrix, const floating[:] start,
    const floating[:] end, const floating[:, ::1] cost, Py_ssize_t stride, Py_ssize_t z,
    bint opens, bint is_first, bint is_last, Py_ssize_t t, const int32_t* path,
    const int64_t* truth, Py_ssize_t truth_step, const Py_ssize_t* places, double* gain,
) noexcept nogil:
    """Add what the path gains over the truth at a position; 1 if the truth is forbidden there."""
    cdef Py_ssize_t y = truth[t * truth_step], y_hat = path[t], before, before_hat
    cdef double own = row[y * row_step], best = row[y_hat * row_step]
    if is_first:
        own += start[y]
        best += start[y_hat]
    if is_last:
        own += end[y]
        best += end[y_hat]
    if not opens:
        before, before_hat = truth[places[z - 1] * truth_step], path[places[z - 1]]
        own += matrix[before * stride + y]
        best += matrix[before_hat * stride + y_hat]
    if own == -INFINITY:
        return 1
    if cost is None:
        best += y != y_hat
    else:
        best += cost[y, y_hat]
    gain[0] += best - own
    return 0


def scatter_chains(
    const int32_t[:, ::1] paths,               # IN   (B, T), as `maximize_chains` wrote them
    const int64_t[:, :] tags,                  # IN   (B, T)
    const floating[:] factors,                 # IN   (B,): what each hinge is multiplied by
    floating[:, :, ::1] emissions,             # OUT  (B, T, K), zeros before
    double[:, ::1] shared,                     # OUT  (K, K) or None: added to
    floating[:, :, :, ::1] steps,              # OUT  (B, T, K, K) or None, zeros before
    double[::1] start,                         # OUT  (K,): added to
    double[::1] end,                           # OUT  (K,): added to
):
    """The subgradients of the hinges: parts of the paths count +1, those of the truths -1."""
    cdef Py_ssize_t b, t, y, y_hat, before, before_hat, last
    cdef floating factor
    cdef bint opens, is_first
    with nogil:
        for b in range(paths.shape[0]):
            factor = factors[b]
            opens = is_first = True
            before = before_hat = last = -1
            for t in range(paths.shape[1]):
                y_hat = paths[b, t]
                if y_hat == LEFT_OUT:
                    continue
                last = t
                if y_hat == CUT:
                    opens, is_first = True, False
                    continue
                y = tags[b, t]
                if y != y_hat:
                    emissions[b, t, y_hat] += factor
                    emissions[b, t, y] -= factor
                    if is_first:
                        start[y_hat] += factor
                        start[y] -= factor
                if not opens and (y != y_hat or before != before_hat):
                    if steps is None:
                        shared[before_hat, y_hat] += factor
                        shared[before, y] -= factor
                    else:
                        steps[b, t, before_hat, y_hat] += factor
                        steps[b, t, before, y] -= factor
                before, before_hat = y, y_hat
                opens = is_first = False
            if last >= 0 and paths[b, last] >= 0 and tags[b, last] != paths[b, last]:
                end[paths[b, last]] += factor
                end[tags[b, last]] -= factor


def list_paths(
    const int32_t[:, ::1] paths,               # IN   (B, T), as `maximize_chains` wrote them
    int32_t[::1] labels,                       # OUT  (B * T,): those there are, without gaps
    int64_t[::1] ends,                         # OUT  (B,): where those of each chain end
):
    """Put the labels of all chains one after the other."""
    cdef Py_ssize_t b, t, n = 0
    with nogil:
        for b in range(paths.shape[0]):
            for t in range(paths.shape[1]):
                if paths[b, t] >= 0:
                    labels[n] = paths[b, t]
                    n += 1
            ends[b] = n
