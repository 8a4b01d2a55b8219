"""Alpha-expansion; the moves are in ``expansion.h``."""

from libc.stdint cimport int32_t
from libc.string cimport memset

from structsvm.inference._graph_cut cimport ssvm_graph_connect


def expand_labels(
    const double[:, ::1] unary, const int32_t[:, ::1] edges, const double[::1] pairwise,
    Py_ssize_t step, bint is_table, int32_t[::1] labels, bint begins_anew, int32_t max_cycles,
):
    """Improve `labels` in place. Arguments as in ``ssvm_labelling``, checked by the caller.

    Returns
    -------
    score : float
    finished : bool
        Whether no further expansion gains anything.
    """
    cdef ssvm_labelling p
    cdef ssvm_move move
    cdef int32_t* y = &labels[0] if labels.shape[0] else NULL
    cdef bint finished
    cdef double score
    p.n_nodes = <int32_t> unary.shape[0]
    p.n_labels = <int32_t> unary.shape[1]
    p.n_edges = <int32_t> edges.shape[0]
    p.edges = &edges[0, 0] if edges.shape[0] else NULL
    p.unary = &unary[0, 0] if unary.shape[0] else NULL
    p.pairwise = &pairwise[0] if pairwise.shape[0] else NULL
    p.step = step
    p.is_table = is_table
    memset(&move, 0, sizeof(ssvm_move))
    try:
        with nogil:
            if ssvm_move_reserve(&move, p.n_nodes, p.n_edges, p.n_labels, is_table):
                with gil:
                    raise MemoryError(f"no memory for {p.n_nodes} nodes and {p.n_edges} edges")
            ssvm_graph_connect(&move.graph, p.n_nodes, p.n_edges, p.edges)
            finished = ssvm_expansion(&p, &move, y, begins_anew, max_cycles)
            score = ssvm_labelling_score(&p, y)
    finally:
        ssvm_move_free(&move)
    return score, finished
