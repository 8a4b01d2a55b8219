"""Maximizers from outside this package: a struct, a compiled function, functions in Python."""

import numpy as np

from cpython.pycapsule cimport PyCapsule_CheckExact, PyCapsule_GetName, PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset, strcmp

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport (
    SSVM_COUNTS, SSVM_INDICES, SSVM_MAXIMIZER_VERSION, SSVM_VOID, Maximizer, check_row, counts_add,
    ssvm_count, ssvm_counts, ssvm_maximize, ssvm_maximizer,
)

cdef const char* CAPSULE = "ssvm_maximizer"


cdef class ForeignMaximizer(Maximizer):
    """A maximizer from outside this package.

    Its labels and parts are checked to be in range; where it writes cannot be checked.

    Parameters
    ----------
    address : int or PyCapsule
        Address of a filled ``ssvm_maximizer``, which is copied; or a capsule of the name
        "ssvm_maximizer" that holds it.
    owner : object, default=None
        Owner of the memory that the struct points to; kept alive by this object.

    Raises
    ------
    ValueError
        If the address is 0, the capsule has another name, or the struct has another version, fewer
        bytes or missing entries.
    """
    cdef object owner

    def __init__(self, address, owner=None):
        cdef const ssvm_maximizer* given
        cdef const char* name
        cdef Py_ssize_t i, n
        if PyCapsule_CheckExact(address):
            name = PyCapsule_GetName(address)
            if name == NULL or strcmp(name, CAPSULE):
                found = "no name" if name == NULL else f"the name {(<bytes> name).decode()!r}"
                raise ValueError(f"the capsule has {found}, expected 'ssvm_maximizer'")
            given = <const ssvm_maximizer*> PyCapsule_GetPointer(address, CAPSULE)
            owner = (address, owner)
        else:
            given = <const ssvm_maximizer*> <uintptr_t> address
        if given == NULL:
            raise ValueError("the address of the maximizer is 0")
        if given.version != SSVM_MAXIMIZER_VERSION:
            raise ValueError(
                f"the maximizer has version {given.version}, expected {SSVM_MAXIMIZER_VERSION}"
            )
        if given.size < <int64_t> sizeof(ssvm_maximizer):
            raise ValueError(
                f"the maximizer has {given.size} bytes, expected {sizeof(ssvm_maximizer)} or more"
            )
        n = given.n_examples
        if n < 0 or given.n_counts < 0:
            raise ValueError(
                f"the maximizer has n_examples={n} and n_counts={given.n_counts}; expected 0 or "
                "more"
            )
        if (given.maximize == NULL and given.maximize_bounded == NULL) or (
            n and (given.n_parts == NULL or given.n_labels == NULL)
        ):
            raise ValueError("the maximizer lacks maximize, n_parts or n_labels: they are NULL")
        self.owner = owner
        self.foreign = True
        memcpy(&self.struct, given, sizeof(ssvm_maximizer))
        self.struct.size = sizeof(ssvm_maximizer)
        self.set_sizes(
            [given.n_parts[i] for i in range(n)], [given.n_labels[i] for i in range(n)],
            given.n_counts,
        )
        if given.form not in (SSVM_COUNTS, SSVM_INDICES):
            raise ValueError(
                f"the maximizer has form {given.form}, expected {SSVM_COUNTS} (counts) or "
                f"{SSVM_INDICES} (indices)"
            )
        if given.count == NULL and given.form == SSVM_INDICES:
            self.struct.n_counts = max(self.struct.n_counts, self.most_labels)
        elif given.count == NULL:
            if not np.array_equal(self.n_parts, self.n_labels):
                raise ValueError("without count there is one label a part: n_parts and n_labels "
                                 "must be equal")
            self.struct.n_counts = max(self.struct.n_counts, self.most_parts)


cdef class CompiledMaximizer(Maximizer):
    """A compiled function ``maximize`` of maximizer.h, whose outputs are rows of the used parts.

    Parameters
    ----------
    address : int
        Of the function.
    n_parts, n_labels : sequence of int
        Numbers of parts of each example, and the most parts that an output uses.
    user : int, default=0
        Address that the function gets as its first argument.
    owner : object, default=None
        What must live as long as this.
    exact : bool, default=True
        Whether the function always finds the best output.
    """
    cdef object owner
    cdef ssvm_maximize function
    cdef void* argument
    cdef label_t* rooms                    # one of most_labels + 1 labels for each thread

    def __init__(self, address, n_parts, n_labels, *, user=0, owner=None, bint exact=True):
        if not address:
            raise ValueError("the address of the function is 0")
        self.owner = owner
        self.foreign = True
        self.set_sizes(n_parts, n_labels, max(n_labels, default=0))
        self.function = <ssvm_maximize> <uintptr_t> address
        self.argument = <void*> <uintptr_t> user
        self.struct.exact = exact
        self.struct.form = SSVM_INDICES
        self.struct.maximize = <ssvm_maximize> compiled_maximize
        self.struct.reserve = compiled_reserve

    def __dealloc__(self):
        free(self.rooms)

    cdef int make_rooms(self, int n_threads) noexcept nogil:
        cdef size_t size = <size_t> (self.most_labels + 1) * sizeof(label_t)
        cdef label_t* rooms = <label_t*> realloc(self.rooms, n_threads * size)
        if rooms == NULL:
            return 1
        self.rooms = rooms
        return 0

    cdef int ask(
        self, Py_ssize_t i, int thread, double* theta, label_t* labels, double* value
    ) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i]
        # In a room of its own a function that writes one label too many is found out.
        cdef label_t* room = self.rooms + thread * (self.most_labels + 1)
        cdef int status
        memset(room, 0xFF, (n + 1) * sizeof(label_t))  # SSVM_VOID
        value[0] = 0.0
        status = self.function(self.argument, i, thread, theta, room, value)
        if status:
            return status
        if room[n] != SSVM_VOID:
            with gil:
                raise ValueError(
                    f"the compiled function wrote more than {n} labels for example {i}, which may "
                    "have damaged memory: n_labels is the most parts that an output uses"
                )
        check_row(self, i, room)
        memcpy(labels, room, n * sizeof(label_t))
        return 0


cdef int compiled_reserve(void* user, int32_t n_threads, int64_t n_levels) noexcept nogil:
    return (<CompiledMaximizer> user).make_rooms(n_threads)


cdef int compiled_maximize(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value
) except -1 nogil:
    return (<CompiledMaximizer> user).ask(i, thread, theta, labels, value)


cdef class PythonMaximizer(Maximizer):
    """A maximizer written in Python. Each call takes the GIL.

    Parameters
    ----------
    maximize : callable
        ``maximize(i, theta)`` returns the labels of the best output of example i, integers of
        shape (n_labels[i],), for the scores theta, float64 of shape (n_parts[i],), a copy.
    n_parts, n_labels : sequence of int
        Numbers of parts and of labels of each example.
    parts : callable, default=None
        ``parts(i, labels)`` returns the indices of the parts that an output uses. None: label p
        says how often part p is used.
    exact : bool, default=True
        Whether `maximize` always finds the best output.

    Raises
    ------
    ValueError
        If `n_parts` and `n_labels` differ and `parts` is None; in later calls, if an answer has a
        wrong shape or dtype, or names a part that the example lacks.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.inference import PythonMaximizer
    >>> positive = PythonMaximizer(lambda i, theta: theta > 0, [3], [3])
    >>> labels, value = positive.maximize(0, [1.0, -2.0, 0.5])
    >>> labels, value
    (array([1, 0, 1], dtype=int32), 1.5)
    """
    cdef object _maximize, _parts

    def __init__(self, maximize, n_parts, n_labels, *, parts=None, bint exact=True):
        self._maximize = maximize
        self._parts = parts
        self.foreign = True
        self.set_sizes(n_parts, n_labels, max(n_parts, default=0))
        self.struct.exact = exact
        self.struct.maximize = <ssvm_maximize> python_maximize
        if parts is not None:
            self.struct.count = <ssvm_count> python_count
        elif not np.array_equal(self.n_parts, self.n_labels):
            raise ValueError(
                "without `parts` there is one label a part: n_parts and n_labels must be equal"
            )

    cdef int ask(
        self, Py_ssize_t i, double* theta, label_t* labels, double* value
    ) except -1:
        cdef Py_ssize_t k, n = self.struct.n_parts[i]
        cdef double[::1] own
        cdef const label_t[::1] row
        scores = np.empty(n)
        own = scores
        for k in range(n):
            own[k] = theta[k]
        answer = np.asarray(self._maximize(i, scores.copy()))
        if answer.shape != (self.struct.n_labels[i],) or answer.dtype.kind not in "iub":
            raise ValueError(
                f"maximize({i}, theta) returned {answer.dtype} of shape {answer.shape}, expected "
                f"integers of shape ({self.struct.n_labels[i]},)"
            )
        as_labels = answer.astype(np.int32)
        if not np.array_equal(as_labels, answer):
            raise ValueError(f"maximize({i}, theta) returned labels that do not fit into int32")
        row = as_labels
        for k in range(row.shape[0]):
            labels[k] = row[k]
        parts, counts = self.used(i, row)
        value[0] = float((scores[parts] * counts).sum())
        return 0

    cdef object used(self, Py_ssize_t i, const label_t[::1] labels):
        """The parts that an output uses, each once, and how often."""
        row = np.array(labels)
        if self._parts is None:
            parts = np.flatnonzero(row)
            return parts, row[parts]
        found = np.asarray(self._parts(i, row))
        if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
            raise ValueError(
                f"parts({i}, labels) returned {found.dtype} of shape {found.shape}, expected a row "
                "of integers"
            )
        parts, counts = np.unique(found, return_counts=True)
        if len(parts) and not 0 <= found.min() <= found.max() < self.n_parts[i]:
            raise ValueError(
                f"parts({i}, labels) returned parts {found.min()} to {found.max()}, but example "
                f"{i} has {self.n_parts[i]}"
            )
        return parts.astype(np.intp), counts

    cdef int note(self, Py_ssize_t i, const label_t* labels, ssvm_counts* mu) except -1:
        cdef Py_ssize_t k
        row = np.zeros(self.n_labels[i], dtype=np.int32)
        cdef label_t[::1] own = row
        for k in range(own.shape[0]):
            own[k] = labels[k]
        parts, counts = self.used(i, own)
        for k in range(len(parts)):
            counts_add(mu, parts[k], counts[k])
        return 0


cdef int python_maximize(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value
) except -1 nogil:
    with gil:
        return (<PythonMaximizer> user).ask(i, theta, labels, value)


cdef int python_count(
    void* user, int64_t i, const int32_t* labels, ssvm_counts* mu
) except -1 nogil:
    with gil:
        return (<PythonMaximizer> user).note(i, labels, mu)
