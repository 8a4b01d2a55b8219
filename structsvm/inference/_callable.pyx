"""CallableMaximizer: sets of parts, found by a function in Python."""

from collections.abc import Set

import numpy as np

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport fabs, rint
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t
from libc.string cimport memcpy

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport (
    SSVM_INDICES, SSVM_VOID, Maximizer, ssvm_maximize_bounded,
)

from structsvm.inference.structures import Bounded

ctypedef fused entry_t:
    int8_t
    uint8_t
    int32_t
    int64_t
    double

# Solvers of integer programs leave whole numbers to about 1e-9.
cdef double WHOLE = 1e-6
# A bound may fall below the score of its own output by rounding, by this share of all scores.
cdef double ROUNDING = 1e-9


cdef class CallableMaximizer(Maximizer):
    """The outputs that a Python function finds. Each call takes the GIL.

    Parameters
    ----------
    maximize : callable
        ``maximize(theta, x)`` returns the best output for the scores theta, float64 of shape
        (n_parts,), an array of the caller's own. It may return ``Bounded(output, bound)``.
    X : sequence
        What each example passes as x.
    n_parts : sequence of int
    indices : bool, default=False
        Whether an output is a row of the used parts, in any order; else it says of each part how
        often it is used.
    to_parts : callable, default=None
        ``to_parts(answer, x)`` turns what `maximize` returned into such an output.
    exact : bool, default=True
        Whether outputs without a bound are best ones.
    batch : bool, default=False
        Whether it is ``maximize(thetas, X)``, for lists of both, and returns an answer for each.

    Raises
    ------
    ValueError
        In calls, if an answer is no set of parts.
    """
    cdef object _maximize, _to_parts
    cdef list _X
    cdef bint _indices
    cdef dict _foreseen                    # by thread: answers to come, the next one last

    def __init__(
        self, maximize, X, n_parts, *, bint indices=False, to_parts=None, bint exact=True,
        bint batch=False,
    ):
        self._maximize = maximize
        self._to_parts = to_parts
        self._X = list(X)
        self._indices = indices
        self.in_batches = batch
        self._foreseen = {}
        self.foreign = True
        self.set_sizes(n_parts, n_parts, max(n_parts, default=0))
        if len(self._X) != self.struct.n_examples:
            raise ValueError(f"{len(self._X)} examples, but n_parts has {self.struct.n_examples}")
        self.struct.exact = exact
        self.struct.form = SSVM_INDICES
        self.struct.maximize_bounded = <ssvm_maximize_bounded> call

    def foresee(self, int thread, examples, thetas):
        """Ask for the outputs of several examples: this thread asks for them next, in this order.

        Parameters
        ----------
        thread : int
        examples : int32 array
        thetas : list of float64 arrays
        """
        cdef list numbers = examples.tolist()
        if not numbers:
            return
        place = f"example {numbers[0]}"
        if len(numbers) > 1:
            place = f"{len(numbers)} examples, {numbers[0]} to {numbers[len(numbers) - 1]}"
        try:
            answers = self._maximize(thetas, [self._X[i] for i in numbers])
        except Exception as error:
            error.add_note(f"in the maximizer, for {place}")
            raise
        try:
            answers = list(answers)
        except TypeError:
            raise ValueError(
                f"the maximizer returned {type(answers).__name__} for {place}, expected a list of "
                "answers, as batch is True"
            ) from None
        if len(answers) != len(numbers):
            raise ValueError(
                f"the maximizer returned {len(answers)} answers for {place}, expected "
                f"{len(numbers)}"
            )
        answers.reverse()
        self._foreseen[thread] = answers

    def forget(self, int thread):
        """Drop answers that this thread has not asked for."""
        self._foreseen.pop(thread, None)

    cdef int ask(
        self, Py_ssize_t i, int thread, double* theta, label_t* labels, double* value,
        double* bound,
    ) except -1:
        cdef Py_ssize_t k, n = self.struct.n_parts[i], n_used = 0
        cdef double[::1] own
        cdef double total = 0.0, size = 0.0
        foreseen = self._foreseen.get(thread) if self.in_batches else None
        if not foreseen:
            scores = np.empty(n)
            if n:
                own = scores
                memcpy(&own[0], theta, n * sizeof(double))
            if self.in_batches:
                self.foresee(thread, np.array([i]), [scores])
                foreseen = self._foreseen[thread]
        try:
            answer = self._maximize(scores, self._X[i]) if foreseen is None else foreseen.pop()
            limit = None
            if type(answer) is Bounded:
                answer, limit = answer
            if self._to_parts is not None:
                answer = self._to_parts(answer, self._X[i])
        except Exception as error:
            error.add_note(f"in the maximizer, for example {i}")
            raise
        row = self.entries(i, answer)
        kind = row.dtype.char
        if kind == "l" or kind == "q":
            n_used = read[int64_t](self, i, row, labels)
        elif kind == "d":
            n_used = read[double](self, i, row, labels)
        elif kind == "i":
            n_used = read[int32_t](self, i, row, labels)
        elif kind == "b":
            n_used = read[int8_t](self, i, row, labels)
        else:
            n_used = read[uint8_t](self, i, row, labels)
        if n_used < n:
            labels[n_used] = SSVM_VOID
        for k in range(n_used):
            total += theta[labels[k]]
        value[0] = total
        bound[0] = total
        if limit is None:
            return 0
        try:
            bound[0] = limit
        except TypeError:
            raise ValueError(
                f"the maximizer's bound for example {i} is {limit!r}, expected a number"
            ) from None
        if bound[0] >= total:
            return 0
        for k in range(n):
            size += fabs(theta[k])
        if not bound[0] >= total - ROUNDING * size:
            raise ValueError(
                f"the maximizer's output for example {i} scores {total}, but its bound says that "
                f"none scores more than {bound[0]}"
            )
        bound[0] = total
        return 0

    cdef object entries(self, Py_ssize_t i, answer):
        """The answer as a row of one of the types."""
        if answer is None:
            raise ValueError(
                f"the maximizer returned None for example {i}, expected {self._expected(i)}; where "
                "there is no output it should raise an error that says so"
            )
        if self._indices and isinstance(answer, Set):
            answer = list(answer)
        row = np.asarray(answer)
        if self._indices and row.dtype == bool:
            raise ValueError(
                f"the maximizer returned a mask of booleans for example {i}, expected "
                f"{self._expected(i)}; for a mask set output='uses'"
            )
        if row.dtype.char not in "lqdibB" or not row.dtype.isnative:
            if row.dtype == bool:
                row = row.view(np.int8)
            elif row.dtype.kind in "iuf":
                row = row.astype(np.int64 if row.dtype.kind == "i" else np.float64)
            elif not row.size:
                row = row.astype(np.int64)
            else:
                kind = f"{row.dtype} of shape {row.shape}" if row.ndim else type(answer).__name__
                raise ValueError(
                    f"the maximizer returned {kind} for example {i}, expected {self._expected(i)}; "
                    "to_parts can turn it into one"
                )
        if row.ndim != 1 or not (self._indices or row.shape[0] == self.struct.n_parts[i]):
            raise ValueError(
                f"the maximizer returned an array of shape {row.shape} for example {i}, expected "
                f"{self._expected(i)}"
            )
        if row.shape[0] > self.struct.n_parts[i]:
            raise ValueError(
                f"the maximizer returned {row.shape[0]} parts for example {i}, which has "
                f"{self.struct.n_parts[i]}"
            )
        return row

    def _expected(self, i):
        if self._indices:
            return "a row of the parts that are used"
        return f"a row of {self.struct.n_parts[i]} numbers, how often each part is used"

    cdef int refuse(self, Py_ssize_t i, Py_ssize_t k, double entry) except -1:
        n_parts = self.struct.n_parts[i]
        if self._indices:
            expected = f"a part, 0 to {n_parts - 1}"
        elif entry > 1:
            expected = f"0 or more, and no more uses than parts, of which there are {n_parts}"
        else:
            expected = "a whole number >= 0"
        raise ValueError(
            f"entry {k} of the maximizer's output for example {i} is {entry:g}, expected {expected}"
        )


cdef Py_ssize_t read(
    CallableMaximizer self, Py_ssize_t i, const entry_t[:] row, label_t* labels
) except -1:
    """Write the used parts to labels, ascending, and return their number."""
    cdef Py_ssize_t k, _e, n_parts = self.struct.n_parts[i], n_used = 0
    cdef double entry, whole
    cdef label_t part
    cdef bint ordered = True
    for k in range(row.shape[0]):
        entry = <double> row[k]
        whole = rint(entry)
        if not fabs(entry - whole) <= WHOLE or whole < 0 or (
            whole >= n_parts if self._indices else whole > n_parts - n_used
        ):
            self.refuse(i, k, entry)
        if self._indices:
            part = <label_t> whole
            ordered &= n_used == 0 or labels[n_used - 1] <= part
            labels[n_used] = part
            n_used += 1
            continue
        for _e in range(<Py_ssize_t> whole):
            labels[n_used] = <label_t> k
            n_used += 1
    if not ordered:
        sort(labels, n_used)
    return n_used


cdef void sort(label_t* labels, Py_ssize_t n) noexcept:
    """Merge sort."""
    cdef label_t* other = <label_t*> PyMem_Malloc(n * sizeof(label_t))
    cdef Py_ssize_t start, a, b, middle, stop, k, step = 1
    if other == NULL:  # slowly, but in place
        for a in range(1, n):
            b = a
            while b and labels[b - 1] > labels[b]:
                labels[b - 1], labels[b] = labels[b], labels[b - 1]
                b -= 1
        return
    while step < n:
        start = 0
        while start < n:
            middle, stop = min(start + step, n), min(start + 2 * step, n)
            a, b = start, middle
            for k in range(start, stop):
                if a < middle and (b >= stop or labels[a] <= labels[b]):
                    other[k] = labels[a]
                    a += 1
                else:
                    other[k] = labels[b]
                    b += 1
            start = stop
        memcpy(labels, other, n * sizeof(label_t))
        step *= 2
    PyMem_Free(other)


cdef int call(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value,
    double* bound,
) except -1 nogil:
    with gil:
        return (<CallableMaximizer> user).ask(i, thread, theta, labels, value, bound)
