"""The contract between a structure and a solver.

A Problem is a model bound to data. A solver sees n_examples, n_weights, `exact`, and planes. It
gets the planes of many examples from its engine, which calls `planes`, and one plane from `plane`
if the weights change before the next. Both call one method:

    max_oracle(i, w, thread, out)

    requires   0 <= i < n_examples; w.size == n_weights; 0 <= thread < the number reserved;
               `out` is a plane whose former content may be overwritten
    ensures    out = (psi(x_i, y_i) - psi(x_i, y), Delta(y_i, y)), canonical, for the y that
               maximises the objective of `rescaling` (for a good y if `exact` is false); returns 0
    on error   returns -1 with a Python exception set; the problem stays usable
    threads    calls with different `thread` may run at the same time; each uses only the scratch
               space of its own number. Called without the GIL; a Python oracle takes it inside

`planes` keeps to the same, for the slots of a batch. Predictions are a question of their own:
`predict` makes room for them and has an engine call `write_outputs` or what the room names.

A Problem never keeps a pointer to w, and a solver never keeps a pointer to a plane; it copies.
"""

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights


cdef enum Rescaling:
    # What the oracle maximises over y, with delta = psi(x_i, y_i) - psi(x_i, y):
    MARGIN     # Delta(y_i, y) - <w, delta>
    SLACK      # Delta(y_i, y) * (1 - <w, delta>)
    PLAIN      # -<w, delta>: the prediction


cdef class Outputs:
    # Where predictions are written, that of example i in place i, and the question that asks for
    # them.
    cdef readonly str question
    cdef readonly object outputs          # as the problem gives them, see Problem.predict
    cdef readonly object values           # float64 ndarray, or None: they were not asked for


cdef class Problem:
    cdef readonly Py_ssize_t n_examples
    cdef readonly Py_ssize_t n_weights
    cdef readonly bint exact              # were all answers of max_oracle a true argmax?
    cdef readonly bint foreign            # is the oracle code from outside this package?
    cdef readonly bint in_python          # do its oracles hold the GIL?
    cdef readonly bint in_batches         # are many examples at once cheaper than one by one?
    cdef readonly bint squared            # are hinges squares, of which planes are tangents?
    cdef bint takes_base                  # may `plane` be asked at Weights with a base?
    cdef readonly bint portable           # may a pickled copy elsewhere answer? See pack, unpack
    cdef readonly Py_ssize_t n_threads    # scratch space is reserved for so many
    # Work of one max_oracle call in multiply-adds on plane entries. Declared, not measured:
    # decisions of a solver must not depend on the clock.
    cdef readonly double oracle_work
    # Weights that must be >= 0, such as scores of agreement, as ascending int32 indices; or at
    # least their floors, <= 0, where weights are counted from others (see _affine.pyx).
    cdef readonly object non_negative
    cdef readonly object floors           # float64 ndarray, one for each
    cdef const double[::1] sample_weight  # one weight an example, or None
    cdef Rescaling _rescaling             # see set_rescaling()
    cdef bint _met_bad_scores             # a prediction met scores that are not finite

    # For subclasses to implement.
    cdef int max_oracle(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil
    cpdef int reserve(self, Py_ssize_t n_threads) except -1
    # Oracle calls between two checks for Ctrl-C: `most`, or fewer for slow oracles.
    cdef Py_ssize_t calls_at_a_time(self, Py_ssize_t most) noexcept
    # Called before SLACK is set; raises ValueError if there is no oracle for it.
    cdef int prepare_slack(self) except -1

    cdef _keep_above(self, indices, floors=*)

    # For predict: whether the problem is bound to true outputs; and room, with the question that
    # fills it as `planes` fills a batch.
    cdef bint knows_truths(self) noexcept
    cdef Outputs make_room(self, bint scored)

    # For solvers: max_oracle, checked; rescaled if SLACK; times the example's weight.
    cdef int plane(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil
    cdef int finish(self, Py_ssize_t i, Plane* out) except -1 nogil
    # Delta of the plane that this thread was given last.
    cdef double task_loss(self, const Plane* plane, int thread) noexcept nogil
    cdef int _plane_range(
        self, const index_t[::1] examples, const Weights* w, int thread,
        Py_ssize_t start, Py_ssize_t stop, Plane* out,
    ) except -1 nogil
    cdef Weights _checked(self, const index_t[::1] examples, w, int thread) except *
    cdef object _ask(self, engine, examples, w, PlaneBatch out)
