"""Maximizers; the contract is in ``maximizer.h``."""

import numbers

import numpy as np

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport index_t, label_t

# A search for n outputs asks for this many at first.
cdef enum:
    AT_ONCE = 256            # examples whose outputs are foreseen together
    MOST_OUTPUTS = 4096

# Most counts of an example: sizes of memory computed from them do not overflow.
cdef Py_ssize_t MOST_COUNTS = 1 << 40

cdef extern from *:
    """
    static int ssvm_failed(void) { return -1; }
    """
    # Raises an exception that is set already.
    int ssvm_failed() except? -1


cdef int failed(Maximizer maximizer, Py_ssize_t i, str call, int status) except -1 nogil:
    """Raise the exception that a failed call has set, or a RuntimeError."""
    with gil:
        ssvm_failed()
        raise RuntimeError(
            f"{type(maximizer).__name__}: {call} failed for example {i}, it returned {status}"
        )


cdef void cancel(ssvm_counts* mu, Py_ssize_t start) noexcept nogil:
    """Merge the entries from `start` on: one entry a part, ascending, none of them zero.

    Otherwise a part that two outputs share leaves rounding errors in their difference.
    """
    cdef int32_t* parts = mu.parts + start
    cdef double* counts = mu.counts + start
    cdef Py_ssize_t k, n = mu.size - start, found = 0
    sort_counts(parts, counts, n)
    for k in range(n):
        if found and parts[found - 1] == parts[k]:
            counts[found - 1] += counts[k]
        else:
            if found and counts[found - 1] == 0.0:
                found -= 1
            parts[found], counts[found] = parts[k], counts[k]
            found += 1
    if found and counts[found - 1] == 0.0:
        found -= 1
    mu.size = start + found


cdef void sort_counts(int32_t* parts, double* counts, Py_ssize_t n) noexcept nogil:
    """Heap sort by part, in place."""
    cdef Py_ssize_t k
    for k in range(n // 2 - 1, -1, -1):
        sift(parts, counts, k, n)
    for k in range(n - 1, 0, -1):
        parts[0], parts[k] = parts[k], parts[0]
        counts[0], counts[k] = counts[k], counts[0]
        sift(parts, counts, 0, k)


cdef void sift(int32_t* parts, double* counts, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Move entry k of a heap of n entries down to its place."""
    cdef Py_ssize_t child = 2 * k + 1
    while child < n:
        if child + 1 < n and parts[child + 1] > parts[child]:
            child += 1
        if parts[child] <= parts[k]:
            return
        parts[k], parts[child] = parts[child], parts[k]
        counts[k], counts[child] = counts[child], counts[k]
        k = child
        child = 2 * k + 1


cdef int check_row(
    Maximizer self, Py_ssize_t i, const label_t* labels
) except -1 nogil:
    """Raise ValueError unless labels are a row of the used parts."""
    cdef Py_ssize_t k
    cdef label_t last = 0
    for k in range(self.struct.n_labels[i]):
        if labels[k] == SSVM_VOID:
            return 0
        if not last <= labels[k] < self.struct.n_parts[i]:
            with gil:
                raise ValueError(
                    f"label {k} of example {i} is {labels[k]}; labels are the used parts, "
                    f"ascending: expected {last} to {self.struct.n_parts[i] - 1}, or -1 after "
                    "the last"
                )
        last = labels[k]
    return 0


cdef class Maximizer:
    """A family of structures, on some examples: scores of parts in, the best output out.

    An example has parts, the entries of a vector of scores theta. An output is a row of labels; it
    uses some of the parts, and its score is the sum of theta over them. Subclasses fill the struct
    of ``maximizer.h``.

    Attributes
    ----------
    n_examples : int
    n_parts, n_labels : int64 ndarray of shape (n_examples,)
        Number of scores, and of labels of an output, of each example.
    most_parts, most_labels : int
        The greatest of these numbers; 0 without examples.
    n_threads, n_levels : int
        Scratch space is reserved for so many threads and levels of the loss.
    exact : bool
        Whether the output found is the best one.
    relaxes : bool
        Whether `relax` is available.
    ranks : bool
        Whether `n_best` is available.
    counts_loss : bool
        Whether it maximises the objective of slack rescaling.
    lists_parts : bool
        Whether outputs are rows of the used parts.
    """

    def __cinit__(self):
        self.struct.version = SSVM_MAXIMIZER_VERSION
        self.struct.size = sizeof(ssvm_maximizer)
        self.struct.user = <void*> self

    def __init__(self):
        raise TypeError("Maximizer is a contract; see its subclasses")

    cdef int set_sizes(self, n_parts, n_labels, Py_ssize_t n_counts) except -1:
        """Set n_parts and n_labels, of shape (n_examples,), and the most counts of an output."""
        cdef const int64_t[::1] parts, labels
        cdef Py_ssize_t i
        self.n_parts = np.array(n_parts, dtype=np.int64)
        self.n_labels = np.array(n_labels, dtype=np.int64)
        self.n_parts.flags.writeable = self.n_labels.flags.writeable = False
        if self.n_parts.ndim != 1 or self.n_parts.shape != self.n_labels.shape:
            raise ValueError(
                f"n_parts has shape {self.n_parts.shape} and n_labels {self.n_labels.shape}; "
                "expected one number an example in each"
            )
        parts, labels = self.n_parts, self.n_labels
        self.struct.n_examples = parts.shape[0]
        self.most_parts = self.most_labels = 0
        for i in range(self.struct.n_examples):
            if not (0 <= parts[i] < 2**31 and 0 <= labels[i] < 2**31):
                raise ValueError(
                    f"n_parts[{i}] is {parts[i]} and n_labels[{i}] {labels[i]}; expected 0 to "
                    "2**31 - 1"
                )
            self.most_parts = max(self.most_parts, parts[i])
            self.most_labels = max(self.most_labels, labels[i])
        if self.struct.n_examples:
            self.struct.n_parts, self.struct.n_labels = &parts[0], &labels[0]
        if n_counts > MOST_COUNTS:
            raise ValueError(f"n_counts is {n_counts}, expected at most 2**40")
        self.struct.n_counts = n_counts
        return 0

    @property
    def n_examples(self):
        return self.struct.n_examples

    @property
    def exact(self):
        return self.struct.exact != 0

    @property
    def relaxes(self):
        return self.struct.relax != NULL

    @property
    def ranks(self):
        return self.struct.n_best != NULL

    @property
    def counts_loss(self):
        return self.struct.maximize_slack != NULL

    @property
    def lists_parts(self):
        return self.struct.count == NULL and self.struct.form == SSVM_INDICES

    cpdef int reserve(self, Py_ssize_t n_threads, Py_ssize_t n_levels=0) except -1:
        """Reserve scratch space for so many threads, and levels of `maximize_slack`."""
        cdef int status
        n_threads, n_levels = max(n_threads, self.n_threads), max(n_levels, self.n_levels)
        if n_threads == self.n_threads and n_levels == self.n_levels:
            return 0
        if self.struct.reserve != NULL:
            status = self.struct.reserve(self.struct.user, <int32_t> n_threads, n_levels)
            if status:
                ssvm_failed()
                raise MemoryError(
                    f"{type(self).__name__}: reserve failed for {n_threads} threads, it returned "
                    f"{status}"
                )
        self.n_threads, self.n_levels = n_threads, n_levels
        return 0

    # ---- the calls of the struct

    cdef int call_maximize(
        self, Py_ssize_t i, int thread, double* theta, label_t* labels, double* value,
        double* excess,
    ) except -1 nogil:
        cdef int status
        cdef double bound
        if self.struct.maximize_bounded == NULL:
            status = self.struct.maximize(self.struct.user, i, thread, theta, labels, value)
            if status:
                failed(self, i, "maximize", status)
            excess[0] = 0.0
            return 0
        status = self.struct.maximize_bounded(
            self.struct.user, i, thread, theta, labels, value, &bound
        )
        if status:
            failed(self, i, "maximize", status)
        excess[0] = bound - value[0]
        if not excess[0] >= 0.0:
            with gil:
                raise RuntimeError(
                    f"{type(self).__name__}: maximize found an output of example {i} that scores "
                    f"{value[0]}, but its bound says that none scores more than {bound}"
                )
        return 0

    cdef int call_count(self, Py_ssize_t i, const label_t* labels, ssvm_counts* mu) except -1 nogil:
        cdef Py_ssize_t p, k
        cdef label_t last = -1
        cdef int status
        if self.struct.count == NULL and self.struct.form == SSVM_INDICES:
            check_row(self, i, labels)
            for k in range(self.struct.n_labels[i]):
                if labels[k] == SSVM_VOID:
                    break
                if labels[k] == last:
                    mu.counts[mu.size - 1] += 1.0
                    continue
                last = labels[k]
                counts_add(mu, last, 1.0)
            return 0
        if self.struct.count == NULL:
            for p in range(self.struct.n_parts[i]):
                if labels[p] < 0:
                    with gil:
                        raise ValueError(
                            f"label {p} of example {i} is {labels[p]}; it says how often a part is "
                            "used: expected 0 or more"
                        )
                if labels[p]:
                    counts_add(mu, p, labels[p])
            return 0
        status = self.struct.count(self.struct.user, i, labels, mu)
        if status:
            failed(self, i, "count", status)
        return self.check_counts(i, mu) if self.foreign else 0

    cdef int call_difference(
        self, Py_ssize_t i, const label_t* y, label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil:
        cdef Py_ssize_t k, start, first
        cdef int status
        if self.struct.difference == NULL:
            # Among indices void only ends a row.
            if self.struct.count != NULL or self.struct.form != SSVM_INDICES:
                for k in range(self.struct.n_labels[i]):
                    if y[k] == SSVM_VOID:
                        y_hat[k] = SSVM_VOID
            start = mu.size
            self.call_count(i, y, mu)
            first = mu.size
            self.call_count(i, y_hat, mu)
            for k in range(first, mu.size):
                mu.counts[k] = -mu.counts[k]
            cancel(mu, start)
            return 0
        status = self.struct.difference(self.struct.user, i, y, y_hat, mu)
        if status:
            failed(self, i, "difference", status)
        return self.check_counts(i, mu) if self.foreign else 0

    cdef int call_relax(
        self, Py_ssize_t i, int thread, double* theta, const label_t* y, ssvm_counts* mu,
        bint* is_output,
    ) except -1 nogil:
        cdef int32_t answer = 0
        cdef int status = self.struct.relax(
            self.struct.user, i, thread, theta, y, mu, &answer
        )
        if status:
            failed(self, i, "relax", status)
        is_output[0] = answer != 0
        return self.check_counts(i, mu) if self.foreign else 0

    cdef int call_maximize_slack(
        self, Py_ssize_t i, int thread, double* theta, const int32_t* levels, Py_ssize_t n_levels,
        double unit, label_t* labels, double* value,
    ) except -1 nogil:
        cdef int status = self.struct.maximize_slack(
            self.struct.user, i, thread, theta, levels, n_levels, unit, labels, value
        )
        if status:
            failed(self, i, "maximize_slack", status)
        return 0

    cdef object find_n_best(self, Py_ssize_t i, int thread, double* theta, n):
        """The n best outputs of example i, or all if there are fewer, and their scores."""
        cdef int64_t n_found = 0, asked
        cdef Py_ssize_t k
        cdef label_t[::1] some_labels
        cdef double[::1] some_values, scores = np.zeros(self.struct.n_parts[i] + 1)
        cdef int status
        if self.struct.n_best == NULL:
            raise ValueError(f"{type(self).__name__} finds the best output only, not the n best")
        if not isinstance(n, numbers.Integral) or n < 1:
            raise ValueError(f"n={n!r}: expected an integer >= 1")
        asked = min(n, MOST_OUTPUTS)
        while True:
            # n may be far more than there are: room for at most twice what is found.
            labels = np.zeros(asked * self.struct.n_labels[i] + 1, dtype=np.int32)
            values = np.zeros(asked)
            some_labels, some_values = labels, values
            for k in range(self.struct.n_parts[i]):
                scores[k] = theta[k]
            with nogil:
                status = self.struct.n_best(
                    self.struct.user, i, thread, &scores[0], asked, &some_labels[0],
                    &some_values[0], &n_found,
                )
                if status:
                    failed(self, i, "n_best", status)
            if not 0 <= n_found <= asked:
                raise RuntimeError(
                    f"{type(self).__name__} found {n_found} outputs of example {i}, but {asked} "
                    "were asked for"
                )
            if n_found < asked or asked == n:
                break
            asked = min(n, 2 * asked)
        found = labels[:labels.size - 1].reshape(asked, self.struct.n_labels[i])[:n_found]
        order = np.argsort(-values[:n_found], kind="stable")
        return found[order], values[:n_found][order]

    cdef int check_counts(self, Py_ssize_t i, ssvm_counts* mu) except -1 nogil:
        """Check that foreign counts are of parts of the example."""
        cdef Py_ssize_t k
        if not 0 <= mu.size <= mu.capacity:
            with gil:
                raise RuntimeError(
                    f"{type(self).__name__} wrote {mu.size} counts for example {i} into room for "
                    f"{mu.capacity}: memory is damaged; correct n_counts"
                )
        for k in range(mu.size):
            if not 0 <= mu.parts[k] < self.struct.n_parts[i]:
                with gil:
                    raise RuntimeError(
                        f"{type(self).__name__} counts part {mu.parts[k]} of example {i}, which "
                        f"has {self.struct.n_parts[i]} parts"
                    )
        return 0

    # ---- the same for Python, with the scratch space of thread 0

    def maximize(self, Py_ssize_t i, theta):
        """The best output of example i for the scores theta.

        Returns
        -------
        labels : int32 array of shape (n_labels[i],)
        value : float
            Its score.
        """
        cdef double value = 0.0, excess = 0.0
        scores, labels = self._scores(i, theta), np.zeros(self.n_labels[i] + 1, dtype=np.int32)
        cdef double[::1] own = scores
        cdef label_t[::1] found = labels
        self.reserve(1)
        with nogil:
            self.call_maximize(i, 0, &own[0], &found[0], &value, &excess)
        return labels[:self.n_labels[i]], value

    def maximize_all(self, theta):
        """How often the best output of each example uses each of its parts.

        Parameters
        ----------
        theta : float64 array of shape (n_parts.sum(),)
            The scores of the examples, one after the other.

        Returns
        -------
        counts : int32 array of shape (n_parts.sum(),)
        """
        cdef Py_ssize_t i, k, n, first = 0
        cdef double value = 0.0, excess = 0.0
        cdef bint in_batches = self.in_batches
        cdef const double[::1] given = np.ascontiguousarray(theta, dtype=np.float64)
        cdef double[::1] own = np.zeros(self.most_parts + 1)
        cdef label_t[::1] labels = np.zeros(self.most_labels + 1, dtype=np.int32)
        cdef ssvm_counts mu
        counts = np.zeros(int(self.n_parts.sum()), dtype=np.int32)
        cdef int32_t[::1] total = counts
        if given.shape[0] != total.shape[0]:
            raise ValueError(f"{given.shape[0]} scores for {total.shape[0]} parts")
        held = _room(self, &mu)
        self.reserve(1)
        with nogil:
            for i in range(self.struct.n_examples):
                n = self.struct.n_parts[i]
                if in_batches and i % AT_ONCE == 0:
                    with gil:
                        self._foresee_some(i, first, np.asarray(given))
                for k in range(n):
                    own[k] = given[first + k]
                self.call_maximize(i, 0, &own[0], &labels[0], &value, &excess)
                mu.size = 0
                self.call_count(i, &labels[0], &mu)
                for k in range(mu.size):
                    total[first + mu.parts[k]] += <int32_t> mu.counts[k]
                first += n
        del held
        return counts

    def _foresee_some(self, Py_ssize_t i, Py_ssize_t first, theta):
        sizes = self.n_parts[i:i + AT_ONCE]
        rows = np.split(theta[first:first + sizes.sum()].copy(), np.cumsum(sizes)[:len(sizes) - 1])
        self.foresee(0, np.arange(i, i + len(sizes)), rows)

    def count(self, Py_ssize_t i, labels):
        """How often an output uses each part, of shape (n_parts[i],)."""
        dense = np.zeros(self.n_parts[i])
        np.add.at(dense, *self.count_sparse(i, labels))
        return dense

    def count_sparse(self, Py_ssize_t i, labels):
        """The same as a pair (parts, counts); a part may occur more than once."""
        cdef const label_t[::1] row = self._labels(i, labels)
        cdef ssvm_counts mu
        parts, counts = _room(self, &mu)
        self.call_count(i, &row[0], &mu)
        return parts[:mu.size], counts[:mu.size]

    def difference(self, Py_ssize_t i, y, y_hat):
        """mu(y) - mu(y_hat), of shape (n_parts[i],), where mu is what `count` returns."""
        cdef const label_t[::1] row = self._labels(i, y)
        cdef label_t[::1] guess = self._labels(i, y_hat)
        cdef ssvm_counts mu
        held = _room(self, &mu)
        for labels in (y, y_hat):
            self.count_sparse(i, labels)  # raises if it is not an output
        self.call_difference(i, &row[0], &guess[0], &mu)
        return _dense(self.n_parts[i], held, mu.size)

    def relax(self, Py_ssize_t i, theta, y):
        """A point mu_hat of a relaxation; no output scores more.

        Returns
        -------
        difference : ndarray of shape (n_parts[i],)
            mu(y) - mu_hat.
        is_output : bool
            Whether the point is an output.
        """
        cdef const label_t[::1] row = self._labels(i, y)
        cdef double[::1] own = self._scores(i, theta)
        cdef ssvm_counts mu
        cdef bint is_output = False
        if not self.relaxes:
            raise ValueError(f"{type(self).__name__} has no relaxation")
        held = _room(self, &mu)
        self.count_sparse(i, y)  # raises if it is not an output
        self.reserve(1)
        self.call_relax(i, 0, &own[0], &row[0], &mu, &is_output)
        return _dense(self.n_parts[i], held, mu.size), is_output

    def n_best(self, Py_ssize_t i, theta, n):
        """The n best outputs, or all if there are fewer.

        Returns
        -------
        labels : int32 array of shape (n_found, n_labels[i])
        values : float64 array of shape (n_found,)
            Descending.
        """
        cdef double[::1] own = self._scores(i, theta)
        self.reserve(1)
        return self.find_n_best(i, 0, &own[0], n)

    def _scores(self, Py_ssize_t i, theta):
        self._check_example(i)
        scores = np.zeros(self.n_parts[i] + 1)
        theta = np.asarray(theta, dtype=np.float64)
        if theta.shape != (self.n_parts[i],):
            raise ValueError(
                f"theta has shape {theta.shape}, expected ({self.n_parts[i]},) for example {i}"
            )
        scores[:len(theta)] = theta
        return scores

    def _labels(self, Py_ssize_t i, labels):
        self._check_example(i)
        row = np.zeros(self.n_labels[i] + 1, dtype=np.int32)
        labels = np.asarray(labels)
        if labels.shape != (self.n_labels[i],):
            raise ValueError(
                f"labels have shape {labels.shape}, expected ({self.n_labels[i]},) for example {i}"
            )
        row[:len(labels)] = labels
        return row

    def _check_example(self, Py_ssize_t i):
        if not 0 <= i < self.n_examples:
            raise IndexError(f"example {i}: there are {self.n_examples} examples")


cdef object _room(Maximizer maximizer, ssvm_counts* mu):
    """Room for the counts of two outputs; keep the arrays that it returns alive."""
    cdef Py_ssize_t capacity = 2 * maximizer.struct.n_counts
    parts, counts = np.zeros(capacity + 1, dtype=np.int32), np.zeros(capacity + 1)
    cdef index_t[::1] some_parts = parts
    cdef double[::1] some_counts = counts
    mu.parts, mu.counts = &some_parts[0], &some_counts[0]
    mu.size, mu.capacity = 0, capacity
    return parts, counts


def _dense(n_parts, held, size):
    parts, counts = held
    dense = np.zeros(n_parts)
    np.add.at(dense, parts[:size], counts[:size])
    return dense
