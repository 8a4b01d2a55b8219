"""Integer programs as a maximizer, solved in Python: label p says how often part p is used."""

import numpy as np

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport (
    SSVM_COUNTS, Maximizer, ssvm_maximize, ssvm_maximize_bounded,
)


cdef class IntegerProgramMaximizer(Maximizer):
    """A maximizer in Python that gives a bound, too. Each call takes the GIL.

    Parameters
    ----------
    solve : callable
        ``solve(i, theta)`` returns how often each part of example i is used, int32, the score of
        this and an upper bound on the score of any output.
    n_parts : sequence of int
    """
    cdef object _solve

    def __init__(self, solve, n_parts):
        self._solve = solve
        self.set_sizes(n_parts, n_parts, max(n_parts, default=0))
        self.struct.exact = True
        self.struct.form = SSVM_COUNTS
        self.struct.maximize = <ssvm_maximize> program_maximize
        self.struct.maximize_bounded = <ssvm_maximize_bounded> program_maximize_bounded

    cdef int ask(
        self, Py_ssize_t i, const double* theta, label_t* labels, double* value, double* bound
    ) except -1:
        cdef Py_ssize_t k, n = self.struct.n_parts[i]
        cdef double[::1] own
        cdef const label_t[::1] row
        scores = np.empty(n)
        own = scores
        for k in range(n):
            own[k] = theta[k]
        found, value[0], bound[0] = self._solve(i, scores)
        row = found
        for k in range(n):
            labels[k] = row[k]
        return 0


cdef int program_maximize_bounded(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value,
    double* bound,
) except -1 nogil:
    with gil:
        return (<IntegerProgramMaximizer> user).ask(i, theta, labels, value, bound)


cdef int program_maximize(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value
) except -1 nogil:
    cdef double bound
    return program_maximize_bounded(user, i, thread, theta, labels, value, &bound)
