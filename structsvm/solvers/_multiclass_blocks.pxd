"""The optimum of one block of the multiclass dual.

A block has the multipliers alpha_k >= 0 of one example, for its wrong classes k; all else is fixed.
With v the violations at the present w, A = |x|^2 / (n r), and rho = 1 / (2 c) for squared hinges,
else 0:

    Crammer-Singer    b_k = v_k + A (alpha_k + sum alpha);  alpha_k = max(0, b_k - t) / A, with t
                      such that sum alpha = min(c, t / (A + rho)): a projection to a capped simplex
    the others        b_k = v_k + A (alpha_k + sigma sum alpha);  alpha_k = clip((b_k - sigma A a)
                      / (A + rho), 0, c), where a = sum alpha: one root to find. sigma is 1, or
                      -1 / K for Lee-Lin-Wahba; squared hinges have no cap
"""

from structsvm._typedefs cimport label_t
from structsvm.problems._multiclass cimport Hinge


# b IN; alpha OUT; candidates SCRATCH: (n_classes,)
cdef void project(
    const Hinge* hinge, label_t y, const double* b, double A, double rho, double cap,
    double* alpha, Py_ssize_t* candidates,
) noexcept nogil
# b IN; a IN: a guess of sum alpha; alpha OUT
cdef void clip_to_box(
    const Hinge* hinge, label_t y, const double* b, double A, double rho, double cap,
    double sigma, double a, double* alpha,
) noexcept nogil
cdef double conjugate(const Hinge* hinge, const double* alpha, double cap) noexcept nogil
