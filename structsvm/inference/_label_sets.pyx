"""Sets of labels as a maximizer; see ``_label_sets.pxd``."""

import numpy as np

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport (
    counts_add, ssvm_count, ssvm_counts, ssvm_maximize, ssvm_relax,
)
from structsvm.inference._part_sets cimport ScratchMaximizer
from structsvm.inference._roof_maximizer cimport RoofGraphMaximizer

cdef extern from "structsvm/inference/ranking.h" nogil:
    void ssvm_rank(const double* score, int64_t n, int32_t* order, int32_t* spare)

#: Most labels whose sets are enumerated.
MOST_ENUMERATED = 12


cdef inline double* table(double* of_pair, bint turned, int parent) noexcept nogil:
    """Where the two scores of the child's label start, given that of the parent; those are
    neighbours, or two apart if the child comes first in the pair."""
    return of_pair + (parent if turned else 2 * parent)


cdef double pass_up(
    LabelSetMaximizer self, double* theta, double* belief, Py_ssize_t fixed, int label
) noexcept nogil:
    """belief[2 m + v] = the best score of label m and those below it, if it has value v; returns
    the best score of all. Label `fixed` has the value `label`; -1 fixes none."""
    cdef Py_ssize_t k, m, parent, e, v, child
    cdef double total = 0.0
    cdef double* of_child
    cdef bint turned
    for m in range(self.n_set_labels):
        belief[2 * m] = 0.0
        belief[2 * m + 1] = theta[m]
    if fixed >= 0:
        belief[2 * fixed + 1 - label] = -INFINITY
    for k in range(self.n_set_labels - 1, -1, -1):
        child = self.order[k]
        e = self.parent_pair[k]
        if e < 0:
            total += max(belief[2 * child], belief[2 * child + 1])
            continue
        turned = self.pairs[e, 0] == child
        parent = self.pairs[e, 1] if turned else self.pairs[e, 0]
        for v in range(2):
            of_child = table(theta + self.n_set_labels + 4 * e, turned, <int> v)
            belief[2 * parent + v] += max(
                belief[2 * child] + of_child[0],
                belief[2 * child + 1] + of_child[2 if turned else 1],
            )
    return total


cdef void pass_down(
    LabelSetMaximizer self, double* theta, const double* belief, label_t* labels
) noexcept nogil:
    """The labels of the best score."""
    cdef Py_ssize_t k, e, child, parent
    cdef double off, on
    cdef double* of_child
    cdef bint turned
    for k in range(self.n_set_labels):
        child = self.order[k]
        e = self.parent_pair[k]
        off, on = belief[2 * child], belief[2 * child + 1]
        if e >= 0:
            turned = self.pairs[e, 0] == child
            parent = self.pairs[e, 1] if turned else self.pairs[e, 0]
            of_child = table(theta + self.n_set_labels + 4 * e, turned, labels[parent])
            off += of_child[0]
            on += of_child[2 if turned else 1]
        labels[child] = on > off


cdef void couple(
    LabelSetMaximizer self, const double* theta, double* gain, double* coupling
) noexcept nogil:
    """gain[m]: what label m adds to the empty set; coupling[a, b]: what two labels gain beside that
    by being in a set together."""
    cdef Py_ssize_t n = self.n_set_labels, e, a, b
    cdef const double* t = theta + n
    memcpy(gain, theta, n * sizeof(double))
    memset(coupling, 0, n * n * sizeof(double))
    for e in range(self.n_pairs):
        a, b = self.pairs[e, 0], self.pairs[e, 1]
        gain[a] += t[2] - t[0]
        gain[b] += t[1] - t[0]
        coupling[a * n + b] += t[3] - t[2] - t[1] + t[0]
        coupling[b * n + a] = coupling[a * n + b]
        t += 4


cdef void improve(
    LabelSetMaximizer self, const double* theta, double* gain, double* coupling, label_t* labels
) noexcept nogil:
    """Change a label, or two at once, as long as that gains."""
    cdef Py_ssize_t n = self.n_set_labels, a, b, m, _move
    cdef Py_ssize_t[2] changed
    cdef double best, worth, least = 0.0
    couple(self, theta, gain, coupling)
    for a in range(n):
        least += fabs(gain[a])
        for b in range(n):
            least += fabs(coupling[a * n + b])
            if labels[b]:
                gain[a] += coupling[a * n + b]
    least *= 1e-12
    for m in range(n):  # from here on what a change of the label gains
        if labels[m]:
            gain[m] = -gain[m]
    for _move in range(20 * n):
        best, changed[0], changed[1] = least, -1, -1
        for a in range(n):
            if gain[a] > best:
                best, changed[0], changed[1] = gain[a], a, -1
            for b in range(a):
                worth = gain[a] + gain[b]
                if labels[a] == labels[b]:
                    worth += coupling[a * n + b]
                else:
                    worth -= coupling[a * n + b]
                if worth > best:
                    best, changed[0], changed[1] = worth, a, b
        if changed[0] < 0:
            break
        for m in range(2):
            a = changed[m]
            if a < 0:
                continue
            for b in range(n):
                if b != a:
                    gain[b] += coupling[a * n + b] * (1.0 if labels[a] == labels[b] else -1.0)
            gain[a] = -gain[a]
            labels[a] = 1 - labels[a]


cdef double enumerate_sets(
    LabelSetMaximizer self,
    const double* theta,
    double* gain,            # SCRATCH (L,): of putting each label into the present set
    double* coupling,        # SCRATCH (L, L): what two labels gain by being in it together
    const label_t* y,        # IN      where it is given, the loss 1 - F1 against it counts
    double* best_of,         # OUT     (L, 2): the best score with and without each label; or NULL
    label_t* labels,         # OUT     (L,); or NULL
) noexcept nogil:
    """All sets, each from the last one by one label, in the order of Gray."""
    cdef Py_ssize_t n = self.n_set_labels, e, a, b, m, n_true = 0, hits = 0, wrong = 0
    cdef int64_t step, found = 0, current = 0
    cdef double value = 0.0, best, worth
    cdef bint entered
    couple(self, theta, gain, coupling)
    for e in range(self.n_pairs):
        value += theta[n + 4 * e]
    if y != NULL:
        for m in range(n):
            n_true += y[m]
    best = value + (f1_loss(n_true, 0, 0) if y != NULL else 0.0)
    if best_of != NULL:
        for m in range(n):
            best_of[2 * m], best_of[2 * m + 1] = best, -INFINITY
    for step in range(1, <int64_t> 1 << n):
        m = 0
        while not (step >> m) & 1:
            m += 1
        entered = not (current >> m) & 1
        current ^= <int64_t> 1 << m
        if entered:
            value += gain[m]
            for a in range(n):
                gain[a] += coupling[m * n + a]
        else:
            for a in range(n):
                gain[a] -= coupling[m * n + a]
            value -= gain[m]
        worth = value
        if y != NULL:
            if y[m]:
                hits += 1 if entered else -1
            else:
                wrong += 1 if entered else -1
            worth += f1_loss(n_true, hits, wrong)
        if worth > best:
            best, found = worth, current
        if best_of != NULL:
            for a in range(n):
                b = 2 * a + ((current >> a) & 1)
                best_of[b] = max(best_of[b], worth)
    if labels != NULL:
        for m in range(n):
            labels[m] = (found >> m) & 1
    return best


cdef class LabelSetMaximizer(ScratchMaximizer):
    """Sets of labels.

    Without a cycle among the pairs the best set is found by max-product, O(n_labels); with cycles
    by enumeration of up to 2**12 sets. For more labels training takes roof duality, and predictions
    the set of expansions, improved as long as a change of one label or of two gains.

    Parameters
    ----------
    n_examples, n_labels : int
    pairs : int32 array of shape (n_pairs, 2)
        Different labels, each pair once.
    enumerate : bool, default=False
        Whether to enumerate sets even where there is no cycle.
    """

    def __init__(self, Py_ssize_t n_examples, Py_ssize_t n_labels, pairs, *, bint enumerate=False):
        cdef Py_ssize_t n_parts
        self.n_set_labels = n_labels
        self.pairs = pairs
        self.n_pairs = self.pairs.shape[0]
        for a, b in pairs.tolist():
            if not (0 <= a < n_labels and 0 <= b < n_labels and a != b):
                raise ValueError(f"there is a pair of the labels {a} and {b} of {n_labels}")
        order, parents, has_cycle = _rooted(n_labels, pairs)
        self.order, self.parent_pair = order, parents
        self.search = ENUMERATION if has_cycle or enumerate else FOREST
        if self.search == ENUMERATION and n_labels > MOST_ENUMERATED:
            self.search = ROOF
        n_parts = n_labels + 4 * self.n_pairs
        self.set_sizes([n_parts] * n_examples, [n_labels] * n_examples, n_labels + self.n_pairs)
        self.struct.count = <ssvm_count> count_parts
        if self.search == ENUMERATION:
            self.set_scratch((n_labels + n_labels ** 2) * sizeof(double))
        elif self.search == FOREST:
            self.set_scratch(n_labels * (2 * sizeof(double) + 3 * sizeof(int32_t)))
        else:
            self.set_scratch(
                max(2 * n_labels + 4 * self.n_pairs, n_labels + n_labels ** 2) * sizeof(double)
            )
            self.roof = RoofGraphMaximizer([n_labels] * n_examples, [pairs] * n_examples)
            self.struct.maximize = <ssvm_maximize> roof_maximize
            self.struct.relax = <ssvm_relax> roof_relax
            self.struct.n_counts = max(self.struct.n_counts, self.roof.struct.n_counts)

    cdef int make_room(self, Py_ssize_t n_threads) except -1:
        ScratchMaximizer.make_room(self, n_threads)
        if self.roof is not None:
            self.roof.reserve(n_threads)
        return 0

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef double* room = <double*> scratch
        if self.search == FOREST:
            value[0] = pass_up(self, theta, room, -1, 0)
            pass_down(self, theta, room, labels)
        else:
            value[0] = enumerate_sets(
                self, theta, room, room + self.n_set_labels, NULL, NULL, labels
            )
        return 0

    cdef double worst_f1(
        self, int thread, double* theta, const label_t* y, label_t* labels
    ) noexcept nogil:
        cdef Py_ssize_t n = self.n_set_labels, n_true = 0, p, m, hits, wrong, most = 0, other = 0
        cdef double* room = <double*> (self._scratch + thread * self._n_bytes)
        cdef int32_t* order = <int32_t*> (room + 2 * n)
        cdef int32_t* of_kind = order + n
        cdef double* sums = room          # of the best labels of the true ones, then of the others
        cdef double best = -INFINITY, worth, total
        if self.search == ENUMERATION:
            return enumerate_sets(self, theta, room, room + n, y, NULL, labels)
        ssvm_rank(theta, n, order, of_kind)
        for m in range(n):
            n_true += y[m]
        hits, wrong = 0, n_true
        for p in range(n):
            m = order[p]
            if y[m]:
                of_kind[hits] = <int32_t> m
                hits += 1
            else:
                of_kind[wrong] = <int32_t> m
                wrong += 1
        for p in range(n):
            total = sums[p - 1] if p and p != n_true else 0.0
            sums[p] = total + theta[of_kind[p]]
        for hits in range(n_true + 1):
            for wrong in range(n - n_true + 1):
                worth = f1_loss(n_true, hits, wrong)
                if hits:
                    worth += sums[hits - 1]
                if wrong:
                    worth += sums[n_true + wrong - 1]
                if worth > best:
                    best, most, other = worth, hits, wrong
        memset(labels, 0, n * sizeof(label_t))
        for p in range(most):
            labels[of_kind[p]] = 1
        for p in range(other):
            labels[of_kind[n_true + p]] = 1
        return best

    cdef double* spread(self, int thread, const double* theta) noexcept nogil:
        cdef double* room = <double*> (self._scratch + thread * self._n_bytes)
        cdef Py_ssize_t m, n = self.n_set_labels
        for m in range(n):
            room[2 * m] = 0.0
            room[2 * m + 1] = theta[m]
        memcpy(room + 2 * n, theta + n, 4 * self.n_pairs * sizeof(double))
        return room

    cdef double score(self, const double* theta, const label_t* labels) noexcept nogil:
        cdef Py_ssize_t m, e
        cdef double total = 0.0
        for m in range(self.n_set_labels):
            if labels[m]:
                total += theta[m]
        for e in range(self.n_pairs):
            total += theta[
                self.n_set_labels + 4 * e + 2 * labels[self.pairs[e, 0]] + labels[self.pairs[e, 1]]
            ]
        return total

    cdef int count_parts(self, const label_t* labels, ssvm_counts* mu) noexcept nogil:
        cdef Py_ssize_t m, e, n = self.n_set_labels
        cdef label_t a, b
        for m in range(n):
            if labels[m] == 1:
                counts_add(mu, m, 1.0)
        for e in range(self.n_pairs):
            a, b = labels[self.pairs[e, 0]], labels[self.pairs[e, 1]]
            if a >= 0 and b >= 0:
                counts_add(mu, n + 4 * e + 2 * a + b, 1.0)
        return 0

    cdef int expand(
        self, Py_ssize_t i, int thread, const double* theta, label_t* labels, double* value
    ) except -1 nogil:
        cdef double excess
        cdef double* room = self.spread(thread, theta)
        self.roof.call_maximize(i, thread, room, labels, value, &excess)
        improve(self, theta, room, room + self.n_set_labels, labels)
        value[0] = self.score(theta, labels)
        return 0

    cdef int relax(
        self, Py_ssize_t i, int thread, const double* theta, const label_t* y, ssvm_counts* mu,
        int32_t* is_output,
    ) except -1 nogil:
        cdef Py_ssize_t k, kept = mu.size, start = mu.size
        cdef int32_t part, n = <int32_t> self.n_set_labels
        cdef bint decided
        self.roof.call_relax(i, thread, self.spread(thread, theta), y, mu, &decided)
        is_output[0] = decided
        for k in range(start, mu.size):
            part = mu.parts[k]
            if part >= 2 * n or part & 1:
                mu.parts[kept] = part - n if part >= 2 * n else part >> 1
                mu.counts[kept] = mu.counts[k]
                kept += 1
        mu.size = kept
        return 0

    def leads(self, double[:, ::1] theta not None):
        """By how much the best set with a label scores more than the best set without it.

        By roof duality's expansions, of the best sets that they find.

        Parameters
        ----------
        theta : float64 array of shape (n, n_parts)

        Returns
        -------
        leads : float64 array of shape (n, n_labels)
        """
        cdef Py_ssize_t i, m, p, n = self.n_set_labels, n_parts = n + 4 * self.n_pairs
        cdef double* room
        cdef double* own
        cdef double[2] best
        cdef double push
        cdef label_t[::1] labels = np.zeros(n + 1, dtype=np.int32)
        cdef double[::1] sides = np.zeros(2 * n + 1)
        found = np.zeros((theta.shape[0], n))
        cdef double[:, ::1] lead = found
        if theta.shape[1] != n_parts:
            raise ValueError(f"theta has {theta.shape[1]} columns, expected {n_parts}")
        self.reserve(1)
        room = <double*> self._scratch
        for i in range(theta.shape[0]):
            own = &theta[i, 0]
            if self.search == ENUMERATION:
                with nogil:
                    enumerate_sets(self, own, room, room + n, NULL, &sides[0], NULL)
                for m in range(n):
                    lead[i, m] = sides[2 * m + 1] - sides[2 * m]
                continue
            push = 1.0
            for p in range(n_parts):
                push += fabs(own[p])
            for m in range(n):
                for p in range(2):
                    if self.search == FOREST:
                        best[p] = pass_up(self, own, room, m, <int> p)
                        continue
                    theta[i, m] += push if p else -push
                    self.expand(0, 0, own, &labels[0], &best[p])
                    theta[i, m] -= push if p else -push
                    best[p] = self.score(own, &labels[0])
                lead[i, m] = best[1] - best[0]
        return found


cdef int count_parts(
    void* user, int64_t i, const int32_t* labels, ssvm_counts* mu
) noexcept nogil:
    return (<LabelSetMaximizer> user).count_parts(labels, mu)


cdef int roof_maximize(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value
) except -1 nogil:
    return (<LabelSetMaximizer> user).expand(i, thread, theta, labels, value)


cdef int roof_relax(
    void* user, int64_t i, int32_t thread, double* theta, const int32_t* y, ssvm_counts* mu,
    int32_t* is_output,
) except -1 nogil:
    return (<LabelSetMaximizer> user).relax(i, thread, theta, y, mu, is_output)


def _rooted(Py_ssize_t n_labels, pairs):
    """Labels from the roots of a forest outwards, the pair that leads to each, and whether pairs
    are left over, which close cycles."""
    neighbours = [[] for _ in range(n_labels)]
    for e, (a, b) in enumerate(pairs.tolist()):
        neighbours[a].append((b, e))
        neighbours[b].append((a, e))
    seen, order, parents = [False] * n_labels, [], []
    for root in range(n_labels):
        if seen[root]:
            continue
        seen[root] = True
        waiting = [(root, -1)]
        while waiting:
            label, by = waiting.pop()
            order.append(label)
            parents.append(by)
            for other, e in neighbours[label]:
                if not seen[other]:
                    seen[other] = True
                    waiting.append((other, e))
    used = sum(e >= 0 for e in parents)
    order, parents = (np.array(values, dtype=np.int32) for values in (order, parents))
    return order, parents, used < len(pairs)
