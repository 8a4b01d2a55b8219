"""Probabilities of labels in chains by the forward-backward recursion, in logarithms.

Logarithms because scores of margins are large: products of their exponentials would vanish.
"""

from libc.math cimport INFINITY, exp, log
from libc.stdlib cimport free, malloc

from structsvm._typedefs cimport offset_t


cdef double log_sum(const double* values, Py_ssize_t n) noexcept nogil:
    """log(sum(exp(values)))."""
    cdef Py_ssize_t k
    cdef double most = -INFINITY, total = 0.0
    for k in range(n):
        most = max(most, values[k])
    if most == -INFINITY:
        return most
    for k in range(n):
        total += exp(values[k] - most)
    return most + log(total)


def marginals_chains(
    const double[:, ::1] unary,          # IN   (n_positions, K), all chains one after the other
    const offset_t[::1] offsets,         # IN   (n_chains + 1,)
    const double[:, :, ::1] transition,  # IN   (1, K, K), or (n_positions, K, K): steps to each
    const double[::1] start,             # IN   (K,) or None
    const double[::1] end,               # IN   (K,) or None
    double[:, ::1] out,                  # OUT  (n_positions, K): probabilities
    double[::1] values,                  # OUT  (n_chains,): logarithms of the sums over sequences
):
    """Forward into `out`, then backward over it; chains without sequences keep zeros.

    Returns the first of these, or -1.
    """
    cdef Py_ssize_t K = transition.shape[1], i, t, j, k, first, last, step
    cdef Py_ssize_t hopeless = -1
    cdef bint shared = transition.shape[0] == 1
    cdef double total
    cdef double* terms = <double*> malloc(3 * max(K, <Py_ssize_t> 1) * sizeof(double))
    cdef double* behind = terms + K      # the logarithm of the sum over all that follows
    cdef double* before = behind + K     # the same for the position before
    if terms == NULL:
        raise MemoryError(f"no memory for {K} labels")
    with nogil:
        for i in range(offsets.shape[0] - 1):
            first, last = offsets[i], offsets[i + 1] - 1
            values[i] = 0.0
            if last < first:
                continue
            for t in range(first, last + 1):
                step = 0 if shared else t
                for k in range(K):
                    if t == first:
                        out[t, k] = unary[t, k] + (0.0 if start is None else start[k])
                    else:
                        for j in range(K):
                            terms[j] = out[t - 1, j] + transition[step, j, k]
                        out[t, k] = unary[t, k] + log_sum(terms, K)
            for k in range(K):
                behind[k] = 0.0 if end is None else end[k]
                terms[k] = out[last, k] + behind[k]
            values[i] = log_sum(terms, K)
            if values[i] == -INFINITY:
                for t in range(first, last + 1):
                    for k in range(K):
                        out[t, k] = 0.0
                if hopeless < 0:
                    hopeless = i
                continue
            for t in range(last, first - 1, -1):
                total = 0.0
                for k in range(K):
                    out[t, k] = exp(out[t, k] + behind[k] - values[i])
                    total += out[t, k]
                for k in range(K):
                    out[t, k] /= total
                if t == first:
                    break
                step = 0 if shared else t
                for k in range(K):
                    behind[k] += unary[t, k]
                for j in range(K):
                    for k in range(K):
                        terms[k] = transition[step, j, k] + behind[k]
                    before[j] = log_sum(terms, K)
                behind, before = before, behind
    free(terms)
    return hopeless
