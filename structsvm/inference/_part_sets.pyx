"""Maximizers with scratch space, and those whose outputs are sets of parts."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport free, malloc

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport (
    SSVM_INDICES, SSVM_VOID, Maximizer, ssvm_maximize, ssvm_reserve,
)

# Most tables of a thread; systems promise memory that they do not have.
cdef double MOST_BYTES = 2.0**32


cdef size_t table_bytes(double n_bytes) except 0:
    """The size of the tables of a search, with room for one byte more."""
    if n_bytes > MOST_BYTES:
        raise ValueError(
            f"the search in the largest example takes {n_bytes / 2**30:.3g} GiB of tables, at most "
            "4 can be used: make examples smaller"
        )
    return <size_t> n_bytes + 1


cdef double write_parts(
    const uint8_t* used,         # IN   (n_parts,)
    const double* theta,         # IN   (n_parts,)
    Py_ssize_t n_parts,
    label_t* labels,             # OUT  (n_labels,): the used parts ascending, then void
    Py_ssize_t n_labels,
) noexcept nogil:
    """Returns the score: the sum over the used parts in this order."""
    cdef Py_ssize_t p, found = 0
    cdef double value = 0.0
    for p in range(n_parts):
        if used[p]:
            labels[found] = <label_t> p
            value += theta[p]
            found += 1
    for p in range(found, n_labels):
        labels[p] = SSVM_VOID
    return value


cdef class ScratchMaximizer(Maximizer):
    """A family whose search needs scratch space, as much for each example.

    Subclasses call `set_sizes` and `set_scratch`, and override `decode`.
    """

    def __dealloc__(self):
        free(self._memory)

    cdef int set_scratch(self, size_t n_bytes) except -1:
        """Set the scratch space of a thread; the search is exact."""
        self._n_bytes = aligned(n_bytes + 1)
        self.struct.exact = True
        self.struct.maximize = <ssvm_maximize> scratch_maximize
        self.struct.reserve = <ssvm_reserve> scratch_reserve
        return 0

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement decode")

    cdef int make_room(self, Py_ssize_t n_threads) except -1:
        cdef char* memory
        if n_threads <= self._n_scratch:
            return 0
        memory = <char*> malloc(n_threads * self._n_bytes + 64)
        if memory == NULL:
            raise MemoryError(
                f"{type(self).__name__}: no memory for {n_threads} threads of {self._n_bytes} bytes"
            )
        free(self._memory)
        self._memory, self._n_scratch = memory, n_threads
        self._scratch = memory + (aligned(<uintptr_t> memory) - <uintptr_t> memory)
        return 0


cdef class PartSetMaximizer(ScratchMaximizer):
    """A family whose outputs are sets of parts, each part used at most once.

    The labels of an output are its parts, ascending, then -1. Subclasses call `set_outputs` and
    override `decode`.
    """

    cdef int set_outputs(self, n_parts, n_labels, size_t n_bytes) except -1:
        """Set the numbers of parts and the most parts of an output, and the scratch of a thread."""
        self.set_sizes(n_parts, n_labels, max(n_labels, default=0))
        self.struct.form = SSVM_INDICES
        return self.set_scratch(n_bytes)


cdef int scratch_maximize(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value
) except -1 nogil:
    return (<ScratchMaximizer> user).decode(
        i, theta, (<ScratchMaximizer> user)._scratch + thread * (<ScratchMaximizer> user)._n_bytes,
        labels, value,
    )


cdef int scratch_reserve(void* user, int32_t n_threads, int64_t n_levels) except -1 nogil:
    with gil:
        return (<ScratchMaximizer> user).make_room(n_threads)
