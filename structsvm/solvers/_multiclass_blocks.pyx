"""The optimum of one block of the multiclass dual; formulas are in ``_multiclass_blocks.pxd``."""

from libc.math cimport INFINITY

from structsvm._typedefs cimport label_t
from structsvm.problems._multiclass cimport CRAMMER_SINGER, Hinge

cdef enum:
    MOST_ROOT_STEPS = 100


cdef void project(
    const Hinge* hinge, label_t y, const double* b, double A, double rho, double cap,
    double* alpha, Py_ssize_t* candidates,
) noexcept nogil:
    """The block optimum for Crammer-Singer. b IN; alpha OUT; candidates SCRATCH: (n_classes,)

    Michelot's algorithm (1986, doi:10.1007/BF00938486): while too many classes count as positive, t
    is too low; classes at or below it leave until none does.
    """
    cdef Py_ssize_t k, c, kept, size = 0, best = -1
    cdef double total, t = 0.0, ratio, capped = 0.0, sum_alpha
    for k in range(hinge.n_classes):
        alpha[k] = 0.0
        if k != y and b[k] > 0.0:
            candidates[size] = k
            size += 1
            if best < 0 or b[k] > b[best]:
                best = k
    if size == 0:
        return
    ratio = A / (A + rho) if rho > 0.0 else 1.0
    while True:
        total = 0.0
        for c in range(size):
            total += b[candidates[c]]
        t = total / (size + ratio)
        capped = (total - A * cap) / size
        if capped > t:
            t = capped
        kept = 0
        for c in range(size):
            k = candidates[c]
            if b[k] > t:
                candidates[kept] = k
                kept += 1
        if kept == size or kept == 0:
            break
        size = kept
    total = 0.0
    for c in range(kept):
        k = candidates[c]
        alpha[k] = (b[k] - t) / A
        total += alpha[k]
    # The sum of alpha is more precise than its terms, which vanish if A is tiny: then the best
    # class gets all of it.
    sum_alpha = cap if t == capped else t / (A + rho)
    if 0.0 < total < INFINITY:
        for c in range(kept):
            alpha[candidates[c]] *= sum_alpha / total
    else:
        for c in range(kept):
            alpha[candidates[c]] = 0.0
        alpha[best] = sum_alpha


cdef void clip_to_box(
    const Hinge* hinge, label_t y, const double* b, double A, double rho, double cap,
    double sigma, double a, double* alpha,
) noexcept nogil:
    """The block optimum for the other hinges. b IN; a IN: a guess of sum alpha; alpha OUT

    The sum of the clipped values minus a is decreasing and piecewise linear in a, so Newton's
    method between bounds finds its root exactly.
    """
    cdef Py_ssize_t k, step, n_free = -1, n_capped = -1, free_now, capped_now
    cdef double low = 0.0, high = INFINITY, total, value
    cdef double scale = A + rho
    for step in range(MOST_ROOT_STEPS):
        total = 0.0
        free_now = capped_now = 0
        for k in range(hinge.n_classes):
            alpha[k] = 0.0
            if k == y:
                continue
            value = b[k] - sigma * A * a
            if value <= 0.0:
                continue
            if value >= scale * cap:
                alpha[k] = cap
                capped_now += 1
            else:
                alpha[k] = value / scale
                free_now += 1
            total += alpha[k]
        if total == a:
            return
        if total > a:
            low = a
        else:
            high = a
        value = (total - a) / (1.0 + sigma * A / scale * free_now)
        if value == 0.0 or a + value == a:
            return
        if free_now == n_free and capped_now == n_capped and low < a + value < high:
            # Most likely the same linear piece as before: this step is exact up to rounding.
            if step > 0 and (value if value > 0.0 else -value) <= 1e-15 * total:
                return
        n_free, n_capped = free_now, capped_now
        a += value
        if not low < a < high:
            a = 0.5 * (low + high) if high < INFINITY else 2.0 * low + total


cdef double conjugate(
    const Hinge* hinge, const double* alpha, double cap
) noexcept nogil:
    """The term of a squared hinge in the dual, times n; 0 for other hinges."""
    cdef Py_ssize_t k
    cdef double total = 0.0
    if not hinge.squared or cap == 0.0:
        return 0.0
    if hinge.loss == CRAMMER_SINGER:
        for k in range(hinge.n_classes):
            total += alpha[k]
        return total * total / (4.0 * cap)
    for k in range(hinge.n_classes):
        total += alpha[k] * alpha[k]
    return total / (4.0 * cap)
