"""Sets of labels whose loss is 1 - F1, which does not split over labels."""

from structsvm._typedefs cimport label_t
from structsvm.inference._label_sets cimport LabelSetMaximizer, f1_loss
from structsvm.linalg._plane cimport Weights
from structsvm.problems._factored cimport FactoredProblem
from structsvm.problems._losses cimport PartLoss
from structsvm.problems._problem cimport MARGIN, Rescaling


cdef class F1Loss(PartLoss):
    """1 - 2 |y and y_hat| / (|y| + |y_hat|) of sets of labels; 0 if both are empty.

    Parameters
    ----------
    n_labels : int
    """
    cdef Py_ssize_t n_labels

    def __init__(self, Py_ssize_t n_labels):
        self.n_labels = n_labels

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        cdef Py_ssize_t m, n_true = 0, hits = 0, wrong = 0
        for m in range(self.n_labels):
            n_true += y[m]
            hits += y[m] & y_hat[m]
            wrong += y_hat[m] & (1 - y[m])
        return f1_loss(n_true, hits, wrong)


cdef class LabelSetProblem(FactoredProblem):
    """A `FactoredProblem` of a `LabelSetMaximizer`; the loss may be an `F1Loss`."""
    cdef bint by_f1

    def __init__(self, features, LabelSetMaximizer maximizer, loss, labels, offsets, work):
        FactoredProblem.__init__(self, features, maximizer, loss, labels, offsets, work)
        self.by_f1 = isinstance(loss, F1Loss)

    cdef int answer(
        self, Py_ssize_t i, const Weights* w, Rescaling rescaling, int thread, label_t* y_hat,
        double* value,
    ) except -1 nogil:
        cdef const label_t* y
        if not self.by_f1 or rescaling != MARGIN:
            return FactoredProblem.answer(self, i, w, rescaling, thread, y_hat, value)
        y = self._labels + self.offsets[i]
        self._scratch[thread].excess = 0.0
        self.score(i, w, rescaling, self._scratch[thread].theta)
        value[0] = (<LabelSetMaximizer> self.maximizer).worst_f1(
            thread, self._scratch[thread].theta, y, y_hat
        )
        return 0
