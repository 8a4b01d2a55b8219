"""The cut of grid_flow.h for other compiled modules: raw pointers in, no Python, no GIL.

A grid begins as zero bytes. Then, with n_pixels = depth * height * width:

    ssvm_grid_shape(g, n_arcs, directions, depth, height, width)
        n_arcs is 4 or 8 (depth 1), 6 or 26; `directions` (n_arcs / 2, 3) are the forward
        steps (d, h, w).
        Returns the number of arcs; ssvm_grid_reserve may be called if it is below 2**31.
    ssvm_grid_reserve(g)
        Allocates all memory that the functions below use; returns -1 if there is none.
        ssvm_grid_free frees it; it may be called for a grid of zero bytes.

        The memory of a grid serves it again after another shape; so does that of a larger one.

    ssvm_grid_load(g, unary, forward, backward, step)
        Loads scores, without a flow. unary (n_pixels,): score of label 1 minus score of label 0.
        forward and backward (n_arcs / 2, n_pixels) if step is 1, (n_arcs / 2,) if it is 0: the cost
        if a pixel has label 1 and its neighbour in the direction has label 0, and the cost of the
        reverse; the same pointer twice if they are equal. All must be finite, forward and backward
        >= 0, and the sum of magnitudes finite. Scores of edges that leave the image are not read.
    ssvm_grid_load_edges(g, unary, edges, flow, limit)
        Loads scores that are the same in both directions, clipped to [-limit, limit], and the flow
        of an earlier solve, clipped to the scores, or NULL. `edges` (n_edges,) and `flow` hold the
        edges alone: direction by direction, in the order of the pixels that they begin at. Returns
        the largest flow over an edge.
    ssvm_grid_flow(g, flow)
        After a solve: writes the flow over each edge. It may be rounded and loaded with any scores:
        what does not fit a pixel becomes excess.
    ssvm_grid_agreement(g, edges, agree)
        After a solve: the sum of the scores of edges whose ends agree, or do not.
    ssvm_grid_change_unary(g, before, after)
    ssvm_grid_change_pairwise(
        g, forward_before, backward_before, step_before, forward, backward, step
    )
        Changes scores and keeps the flow as far as it fits (Kohli and Torr 2007). `before` are the
        scores of the last load or change, because the grid does not keep them; a difference of 0
        changes nothing, not even by rounding. Flows carry the rounding of the largest scores since
        the last load: after scores shrink a thousandfold, load them.
    ssvm_grid_scale(g, factor)
        Multiplies all scores by a factor > 0; a solution found before stays valid.

    ssvm_grid_solve(g)
        Finds the best labels, of several best labellings the one with the fewest 1s. Allocates
        nothing.
    ssvm_grid_labels(g, labels)
        Writes these labels, (n_pixels,); valid until scores are loaded or changed.
    ssvm_grid_given_up(g, unary, enough)
        After a solve: the energy of the labels at pixels only; the sum stops at `enough`.
    ssvm_grid_certify(g, unary, pairwise, step, flow, energy)
        After a solve, for scores that are the same in both directions: a lower bound of the energy
        of every labelling, and the energy of the labels; see `CutCertificate`.

Calls for different grids may run at the same time.
"""

from libc.stdint cimport uint8_t


cdef extern from "structsvm/inference/grid_flow.h" nogil:
    ctypedef struct ssvm_grid:
        int n_arcs
        Py_ssize_t depth
        Py_ssize_t height
        Py_ssize_t width
        Py_ssize_t n_places
        size_t n_bytes

    double ssvm_grid_shape(
        ssvm_grid* g, int n_arcs, const int* directions, Py_ssize_t depth, Py_ssize_t height,
        Py_ssize_t width,
    )
    int ssvm_grid_reserve(ssvm_grid* g)
    void ssvm_grid_free(ssvm_grid* g)
    void ssvm_grid_load(
        ssvm_grid* g, const double* unary, const double* forward, const double* backward,
        Py_ssize_t step,
    )
    double ssvm_grid_load_edges(
        ssvm_grid* g, const double* unary, const double* edges, const float* flow, double limit
    )
    void ssvm_grid_flow(const ssvm_grid* g, float* flow)
    double ssvm_grid_agreement(const ssvm_grid* g, const double* edges, int agree)
    void ssvm_grid_change_unary(ssvm_grid* g, const double* before, const double* after)
    void ssvm_grid_change_pairwise(
        ssvm_grid* g, const double* forward_before, const double* backward_before,
        Py_ssize_t step_before, const double* forward, const double* backward, Py_ssize_t step,
    )
    void ssvm_grid_scale(ssvm_grid* g, double factor)
    void ssvm_grid_solve(ssvm_grid* g)
    void ssvm_grid_labels(const ssvm_grid* g, uint8_t* labels)
    double ssvm_grid_given_up(const ssvm_grid* g, const double* unary, double enough)
    void ssvm_grid_certify(
        const ssvm_grid* g, const double* unary, const double* pairwise, Py_ssize_t step,
        double* flow, double* energy,
    )


cdef class GridCut:
    cdef ssvm_grid grid
    cdef bint _is_solved
    cdef bint _keeps_flow            # whether the next solve starts from a flow of other scores
    cdef double _limit               # scores were clipped to this magnitude when loaded
    cdef object _lock                # held while the grid is used without the GIL
    cdef double _largest             # largest score since the last load without a flow
    cdef readonly tuple shape
    cdef readonly int connectivity
    cdef readonly object directions
    cdef object _unary, _pairwise    # the scores loaded
    cdef double _largest_unary, _largest_pairwise
    cdef _load_within(self, double limit)
    cdef _solve(self)
    cdef bint _is_rounded(self)
    cdef _certify(self, double* flow, double* energy)
