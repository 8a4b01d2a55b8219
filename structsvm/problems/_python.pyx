"""PythonProblem: adapts models with the four Python methods to the Problem contract."""

import numpy as np

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, PlaneBuilder, Weights
from structsvm.linalg._plane cimport builder_add_row, builder_finish
from structsvm.problems._problem cimport MARGIN, PLAIN, SLACK, Outputs, Problem

from structsvm.linalg._plane import padded_copy
from structsvm.linalg._sums import dot
from structsvm.problems.python_methods import (
    LossCheck, Numbered, ask_batch, note_example, sparse_vector, takes_n_jobs, task_loss,
)

# The work of a Python oracle in multiply-adds: it takes at least tens of microseconds.
PYTHON_ORACLE_WORK = 1e5


cdef class PythonProblem(Problem):
    """A Python model bound to data.

    Parameters
    ----------
    model : object
        With the methods of `StructuredModel`.
    X : sequence
    Y : sequence of equal length, or None
        None for a problem that only predicts.
    n_weights : int or None
        None where there is no Y, and none is known: as many as a prediction is asked at.
    exact : bool
        Whether the model's loss-augmented inference finds a true maximum.
    non_negative : slice or indices, or None
        Weights that must be >= 0.
    """
    cdef object model, X, Y
    cdef object check_loss                # LossCheck
    cdef list truth                       # psi(x_i, y_i) as (indices, values)
    cdef index_t[::1] slot
    cdef dict _options                    # of the batch method that is called

    def __init__(
        self, model, X, Y, n_weights, *, bint exact=True, non_negative=None
    ):
        self.model = model
        self.X = X
        self.Y = Y
        self.n_examples = len(X)
        self.n_weights = -1 if n_weights is None else n_weights
        self.exact = exact
        self.foreign = True
        self.in_python = True
        self.portable = True
        self._options = {}
        if non_negative is not None:
            self.keep_non_negative(non_negative)
        self.oracle_work = PYTHON_ORACLE_WORK
        self.truth = []
        if Y is None:
            return
        self.slot = np.full(n_weights, -1, dtype=np.int32)
        self.check_loss = LossCheck(model, Y)
        for i, (x, y) in enumerate(zip(X, Y, strict=True)):
            try:
                psi = model.joint_feature(x, y)
                indices, values = sparse_vector(psi, n_weights, f"joint_feature(X[{i}], y[{i}])")
            except Exception as error:
                note_example(error, "joint_feature", i)
                raise
            # Copies, because a model may return the same buffers at each call.
            self.truth.append((indices.copy(), values.copy()))

    def __reduce__(self):
        """For worker processes: sample weights and checks of losses stay here."""
        return PythonProblem, (self.model, self.X, self.Y, self.n_weights)

    cdef bint knows_truths(self) noexcept:
        return self.Y is not None

    cdef int check_truths(self) except -1:
        if self.Y is None:
            raise ValueError("a problem bound without y has no planes; bind the model to y")
        return 0

    cdef int prepare_slack(self) except -1:
        if not self.model.has_slack_oracle():
            raise ValueError(
                f"{type(self.model).__name__} has no slack_rescaled_inference(x, y, w), which "
                "rescaling='slack' calls; implement it, or use rescaling='margin'"
            )
        return 0

    @property
    def model_name(self):
        return type(self.model).__name__

    def truth_losses(self, const index_t[::1] examples):
        """The loss of each true output against itself, which must be 0."""
        return np.array([
            self.checked_loss(i, task_loss(self.model, i, self.Y[i], self.Y[i], "loss"))
            for i in examples
        ])

    def truth_psi(self, Py_ssize_t i):
        """psi(x_i, y_i) as indices and values."""
        return self.truth[i]

    def truth_change(self, PythonProblem before not None, Py_ssize_t i):
        """psi of the true output of example i less psi of that in an earlier problem, which differs
        in true outputs alone; as indices and values."""
        cdef dict change = {}
        for (indices, values), sign in ((self.truth[i], 1.0), (before.truth[i], -1.0)):
            for k, value in zip(indices.tolist(), values.tolist()):
                change[k] = change.get(k, 0.0) + sign * value
        return np.array(list(change), dtype=np.int32), np.array(list(change.values()), dtype=float)

    def method_name(self, str method):
        """A method of the model, for messages."""
        return f"{self.model_name}.{method}"

    cdef int max_oracle(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        with gil:
            self.check_truths()
            try:
                name, y_hat = self.answer(i, readonly_weights(w))
            except Exception as error:
                note_example(error, "the oracle", i)
                raise
            self.build(i, name, y_hat, out)
            out.loss = self.checked_loss(i, out.loss)
        return 0

    def planes(
        self, const index_t[::1] examples not None, w, PlaneBatch out not None,
        Py_ssize_t start=0, int thread=0,
    ):
        """As in `Problem`, but it calls the batch methods of the model."""
        cdef Weights weights = self._checked(examples, w, thread)
        cdef Py_ssize_t k, n = examples.shape[0]
        cdef Plane* plane
        self.check_truths()
        if start < 0 or start + n > out.size:
            raise ValueError(f"{n} planes from slot {start} on do not fit a batch of {out.size}")
        name, outputs = self.answers(examples, readonly_weights(&weights))
        for k in range(n):
            plane = &out.planes[start + k]
            self.build(examples[k], name, outputs[k], plane)
            self.accept(examples[k], plane)

    cdef int accept(self, Py_ssize_t i, Plane* plane) except -1:
        plane.loss = self.checked_loss(i, plane.loss)
        return self.finish(i, plane)

    def predict(self, weights, *, bint augmented=False, bint scored=True, engine=None):
        """As in `Problem`, by the batch methods of the model.

        One that takes `n_jobs` sees to it itself: it is called once, in this process.
        """
        if self.n_weights < 0:
            self.n_weights = len(weights)
        if not takes_n_jobs(getattr(self.model, self.batch_method(augmented))):
            return Problem.predict(
                self, weights, augmented=augmented, scored=scored, engine=engine
            )
        self._options = {"n_jobs": 1 if engine is None else engine.n_workers}
        try:
            return Problem.predict(self, weights, augmented=augmented, scored=scored)
        finally:
            self._options = {}

    cdef Outputs make_room(self, bint scored):
        values = np.empty(self.n_examples) if scored else None
        question = "write_scored_outputs" if scored else "write_outputs"
        return Outputs(question, [None] * self.n_examples, values)

    def write_outputs(
        self, const index_t[::1] examples not None, w, Outputs out not None, Py_ssize_t start=0,
        int thread=0,
    ):
        """What `predict` asks an engine: outputs, from slot `start` on."""
        cdef Weights weights = self._checked(examples, w, thread)
        _, outputs = self.answers(examples, readonly_weights(&weights))
        out.outputs[start:start + len(outputs)] = outputs

    def write_scored_outputs(
        self, const index_t[::1] examples not None, w, Outputs out not None, Py_ssize_t start=0,
        int thread=0,
    ):
        """Likewise, with their values."""
        cdef Weights weights = self._checked(examples, w, thread)
        point = readonly_weights(&weights)
        name, outputs = self.answers(examples, point)
        out.outputs[start:start + len(outputs)] = outputs
        out.values[start:start + len(outputs)] = self.values_of(examples, name, outputs, point)

    cdef values_of(self, const index_t[::1] examples, name, outputs, w):
        """What the outputs, which the method `name` answered, are worth to what it maximises."""
        cdef Py_ssize_t k, i
        values = np.zeros(examples.shape[0])
        for k in range(examples.shape[0]):
            i = examples[k]
            try:
                psi = self.model.joint_feature(self.X[i], outputs[k])
                indices, entries = sparse_vector(
                    psi, self.n_weights, f"joint_feature(X[{i}], y_hat)"
                )
            except Exception as error:
                note_example(error, "joint_feature", i)
                raise
            values[k] = dot(entries, w[indices])
            if self._rescaling == PLAIN:
                continue
            loss = self.checked_loss(
                i, task_loss(self.model, i, self.Y[i], outputs[k], name)
            )
            if self._rescaling == MARGIN:
                values[k] += loss
            else:
                indices, entries = self.truth[i]
                values[k] = loss * (1.0 + values[k] - dot(entries, w[indices]))
        return values

    def pack(self, question, const index_t[::1] examples not None, weights):
        """Answers that can be sent to another process; see `unpack`.

        Outputs, with their values or None. Planes as ``PlaneBatch.packed`` gives them, unscaled,
        with losses as the model gave them.
        """
        w = padded_copy(weights)
        self.reserve(1)
        cdef Weights c_weights = self._checked(examples, w, 0)
        point = readonly_weights(&c_weights)
        name, outputs = self.answers(examples, point)
        if question == "write_outputs":
            return outputs, None
        if question == "write_scored_outputs":
            return outputs, self.values_of(examples, name, outputs, point)
        if question != "planes":
            raise ValueError(f"no answer to {question!r} can be sent")
        return self.packed_planes(examples, name, outputs)

    cdef packed_planes(self, const index_t[::1] examples, name, outputs):
        cdef PlaneBatch batch = PlaneBatch(examples.shape[0])
        cdef Py_ssize_t k
        for k in range(examples.shape[0]):
            self.build(examples[k], name, outputs[k], &batch.planes[k])
        return batch.packed()

    def unpack(
        self, const index_t[::1] examples not None, piece, out not None, Py_ssize_t start=0
    ):
        """Check what `pack` answered elsewhere, and write it: slot start + k is of examples[k]."""
        if isinstance(out, PlaneBatch):
            self.unpack_planes(examples, piece, out, start)
            return
        outputs, values = piece
        out.outputs[start:start + len(outputs)] = outputs
        if values is not None:
            out.values[start:start + len(outputs)] = values

    cdef int unpack_planes(
        self, const index_t[::1] examples, piece, PlaneBatch out, Py_ssize_t start
    ) except -1:
        cdef Py_ssize_t k, n = examples.shape[0]
        out.fill(piece, np.arange(start, start + n, dtype=np.int32), self.n_weights)
        for k in range(n):
            self.accept(examples[k], &out.planes[start + k])

    cdef double checked_loss(self, Py_ssize_t i, double loss) except? -1.0:
        try:
            return self.check_loss(i, loss)
        except Exception as error:
            note_example(error, "the oracle", i)
            raise

    cdef answer(self, Py_ssize_t i, w):
        """The name of the method that was called, and its result."""
        if self._rescaling == PLAIN:
            return "inference", self.model.inference(self.X[i], w)
        if self._rescaling == SLACK:
            y_hat = self.model.slack_rescaled_inference(self.X[i], self.Y[i], w)
            return "slack_rescaled_inference", y_hat
        y_hat = self.model.loss_augmented_inference(self.X[i], self.Y[i], w)
        return "loss_augmented_inference", y_hat

    cdef str batch_method(self, bint augmented):
        if not augmented:
            return "batch_inference"
        if self._rescaling == SLACK:
            return "batch_slack_rescaled_inference"
        return "batch_loss_augmented_inference"

    cdef answers(self, const index_t[::1] examples, w):
        """The method that was called and what it returned, one output for each example."""
        cdef bint plain = self._rescaling == PLAIN
        cdef Py_ssize_t k
        numbers = [examples[k] for k in range(examples.shape[0])]
        columns = [Numbered([self.X[i] for i in numbers], numbers)]
        if not plain:
            columns.append(Numbered([self.Y[i] for i in numbers], numbers))
        return ask_batch(
            self.model, self.batch_method(not plain), *columns, w=w, **self._options
        )

    cdef int build(self, Py_ssize_t i, name, y_hat, Plane* out) except -1:
        """out = the plane of output y_hat, which the method `name` returned; its loss is unchecked.

        All calls into Python come before the arithmetic.
        """
        cdef const index_t[::1] indices
        cdef const double[::1] values
        cdef PlaneBuilder builder
        cdef double sign = 1.0
        try:
            loss = task_loss(self.model, i, self.Y[i], y_hat, name)
            psi = self.model.joint_feature(self.X[i], y_hat)
            psi = sparse_vector(psi, self.n_weights, f"joint_feature(X[{i}], y_hat)")
        except Exception as error:
            note_example(error, "the oracle", i)
            raise
        builder.slot = &self.slot[0]
        builder.plane = out
        out.nnz = 0
        out.loss = loss
        try:
            for vector in (self.truth[i], psi):
                indices, values = vector
                if indices.shape[0]:
                    builder_add_row(
                        &builder, indices.shape[0], &indices[0], &values[0], 1, 0, sign
                    )
                sign = -1.0
        finally:
            builder_finish(&builder)
        return 0


cdef object readonly_weights(const Weights* w):
    view = (<object> w.owner).view()
    if w.scale != 1.0:
        view = w.scale * view
    view.flags.writeable = False
    return view
