"""Batches of chains for the Viterbi kernel; ``structsvm.inference.viterbi`` checks the input."""

import numpy as np

from cython cimport floating

from libc.math cimport INFINITY
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from structsvm._typedefs cimport label_t, offset_t
from structsvm.linalg._lanes cimport padded

cdef extern from "structsvm/inference/viterbi.h" nogil:
    double ssvm_viterbi_double(
        double* score, const double* transition, Py_ssize_t step, double* entering,
        Py_ssize_t length, Py_ssize_t n_labels, Py_ssize_t stride, label_t* labels,
    )
    float ssvm_viterbi_float(
        float* score, const float* transition, Py_ssize_t step, float* entering,
        Py_ssize_t length, Py_ssize_t n_labels, Py_ssize_t stride, label_t* labels,
    )

cdef extern from "structsvm/inference/viterbi_levels.h" nogil:
    double ssvm_viterbi_levels(
        const double* unary, const double* transition, Py_ssize_t step, const int32_t** levels,
        double true_score, double unit, double* score, double* entering, Py_ssize_t* reach,
        Py_ssize_t length, Py_ssize_t n_labels, Py_ssize_t n_levels, Py_ssize_t stride,
        label_t* labels,
    )


cdef double viterbi_double(
    double* score, const double* transition, Py_ssize_t step, double* entering, Py_ssize_t length,
    Py_ssize_t n_labels, Py_ssize_t stride, label_t* labels,
) noexcept nogil:
    return ssvm_viterbi_double(
        score, transition, step, entering, length, n_labels, stride, labels
    )


cdef double viterbi_levels(
    const double* unary, const double* transition, Py_ssize_t step, const int32_t** levels,
    double true_score, double unit, double* score, double* entering, Py_ssize_t* reach,
    Py_ssize_t length, Py_ssize_t n_labels, Py_ssize_t n_levels, Py_ssize_t stride,
    label_t* labels,
) noexcept nogil:
    return ssvm_viterbi_levels(
        unary, transition, step, levels, true_score, unit, score, entering, reach, length, n_labels,
        n_levels, stride, labels,
    )


cdef void pad_transitions(
    const floating[:, :, ::1] transition,  # IN   (1 or n_positions, K, K)
    Py_ssize_t first, Py_ssize_t count,    # IN   the matrices of one chain
    bint reverse,                          # IN   whether the chain is read from its end
    floating* rows,                        # OUT  (1 or count, K, stride)
    Py_ssize_t stride,
) noexcept nogil:
    cdef Py_ssize_t t, place, i, k, n_labels = transition.shape[1]
    for t in range(count):
        place = first + t
        if reverse and count > 1:  # the step to t of the reversed chain, transposed below
            place = first + count - t
            if t == 0:
                continue
        for i in range(n_labels):
            for k in range(n_labels):
                rows[(t * n_labels + i) * stride + k] = (
                    transition[place, k, i] if reverse else transition[place, i, k]
                )


def viterbi_chains(
    const floating[:, ::1] unary,          # IN   (n_positions, K), all chains one after the other
    const offset_t[::1] offsets,           # IN   (n_chains + 1,)
    const floating[:, :, ::1] transition,  # IN   (1, K, K), or (n_positions, K, K): steps to each
    const floating[::1] start,             # IN   (K,) or None
    const floating[::1] end,               # IN   (K,) or None
    label_t[::1] labels,                   # OUT  (n_positions,)
    floating[::1] values,                  # OUT  (n_chains,)
    Py_ssize_t first, Py_ssize_t last,
):
    """Decode chains first to last - 1; returns the first one without a finite path, or -1."""
    cdef Py_ssize_t n_labels = transition.shape[1]
    cdef Py_ssize_t stride = padded(n_labels)
    cdef Py_ssize_t i, t, k, length, longest = 0, hopeless = -1, n_matrices, step
    cdef bint shared = transition.shape[0] == 1
    cdef floating* rows
    cdef floating* score
    cdef floating* entering
    cdef floating value
    for i in range(first, last):
        longest = max(longest, offsets[i + 1] - offsets[i])
    n_matrices = 1 if shared else longest
    step = 0 if shared else n_labels * stride
    # One allocation: padded transitions, then scores, then the kernel's scratch.
    rows = <floating*> calloc((n_matrices * n_labels + 2 * longest) * stride + 1, sizeof(floating))
    if rows == NULL:
        raise MemoryError(f"no memory for a chain of {longest} positions, {n_labels} labels")
    score = rows + n_matrices * n_labels * stride
    entering = score + longest * stride
    try:
        with nogil:
            if shared:
                pad_transitions(transition, 0, 1, False, rows, stride)
            for i in range(first, last):
                length = offsets[i + 1] - offsets[i]
                if length == 0:
                    values[i] = 0
                    continue
                if not shared:
                    pad_transitions(transition, offsets[i], length, False, rows, stride)
                for t in range(length):
                    memcpy(
                        score + t * stride, &unary[offsets[i] + t, 0],
                        n_labels * sizeof(floating),
                    )
                for k in range(n_labels):
                    if start is not None:
                        score[k] += start[k]
                    if end is not None:
                        score[(length - 1) * stride + k] += end[k]
                if floating is double:
                    value = ssvm_viterbi_double(
                        score, rows, step, entering, length, n_labels, stride,
                        &labels[offsets[i]],
                    )
                else:
                    value = ssvm_viterbi_float(
                        score, rows, step, entering, length, n_labels, stride,
                        &labels[offsets[i]],
                    )
                values[i] = value
                if value == -INFINITY:
                    hopeless = i
                    break
    finally:
        free(rows)
    return hopeless


def max_marginals_chains(
    const floating[:, ::1] unary,          # IN   (n_positions, K), all chains one after the other
    const offset_t[::1] offsets,           # IN   (n_chains + 1,)
    const floating[:, :, ::1] transition,  # IN   (1, K, K), or (n_positions, K, K): steps to each
    const floating[::1] start,             # IN   (K,) or None
    const floating[::1] end,               # IN   (K,) or None
    floating[:, ::1] out,                  # OUT  (n_positions, K)
):
    """The best score of a path through each label at each position.

    The sum of the kernel's scores from the left and from the right, minus the position's own score,
    which both include.
    """
    cdef Py_ssize_t n_labels = transition.shape[1]
    cdef Py_ssize_t stride = padded(n_labels)
    cdef Py_ssize_t i, t, k, length, first, longest = 0, side, n_matrices, step
    cdef bint shared = transition.shape[0] == 1
    cdef floating* rows
    cdef floating* score
    cdef floating* entering
    cdef floating* own
    cdef floating here
    cdef label_t[::1] labels
    for i in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    n_matrices = 1 if shared else longest
    step = 0 if shared else n_labels * stride
    labels = np.zeros(max(longest, 1), dtype=np.int32)
    # One allocation: padded transitions, own scores, scores, the kernel's scratch.
    rows = <floating*> calloc((n_matrices * n_labels + 3 * longest) * stride + 1, sizeof(floating))
    if rows == NULL:
        raise MemoryError(f"no memory for a chain of {longest} positions, {n_labels} labels")
    own = rows + n_matrices * n_labels * stride
    score = own + longest * stride
    entering = score + longest * stride
    with nogil:
        for side in range(2):
            if shared:
                pad_transitions(transition, 0, 1, side == 1, rows, stride)
            for i in range(offsets.shape[0] - 1):
                first = offsets[i]
                length = offsets[i + 1] - first
                if length == 0:
                    continue
                if not shared:
                    pad_transitions(transition, first, length, side == 1, rows, stride)
                for t in range(length):
                    for k in range(n_labels):
                        here = unary[first + t, k]
                        if t == 0 and start is not None:
                            here += start[k]
                        if t == length - 1 and end is not None:
                            here += end[k]
                        own[t * stride + k] = here
                        score[(t if side == 0 else length - 1 - t) * stride + k] = here
                if floating is double:
                    ssvm_viterbi_double(
                        score, rows, step, entering, length, n_labels, stride, &labels[0]
                    )
                else:
                    ssvm_viterbi_float(
                        score, rows, step, entering, length, n_labels, stride, &labels[0]
                    )
                for t in range(length):
                    for k in range(n_labels):
                        if side == 0:
                            out[first + t, k] = score[t * stride + k]
                        elif out[first + t, k] != -INFINITY:
                            out[first + t, k] += (
                                score[(length - 1 - t) * stride + k] - own[t * stride + k]
                            )
    free(rows)
