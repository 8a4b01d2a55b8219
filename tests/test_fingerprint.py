"""A warm start goes on only from the same data and the same model, and says when it cannot tell."""

import functools
import logging

import numpy as np
import pytest

from structsvm import MulticlassSVM, StructSVM, StructuredModel
from structsvm.callbacks import Checkpoint
from structsvm.training.fingerprint import fingerprint

X = np.random.default_rng(0).normal(size=(30, 3))
Y = np.arange(30) % 3


def polynomial(degree):
    return lambda A, B: (A @ B.T + 1.0) ** degree


@pytest.mark.parametrize(
    "kernel",
    [lambda A, B: A @ B.T, polynomial(2), functools.partial(lambda A, B, c: A @ B.T + c, c=1.0)],
)
def test_a_kernel_without_a_name_starts_warm(kernel):
    svm = MulticlassSVM(C=1.0, kernel=kernel, tol=1e-4, warm_start=True, random_state=0).fit(X, Y)
    n_calls = svm.n_oracle_calls_
    svm.fit(X, Y)
    assert svm.n_oracle_calls_ < n_calls / 2
    assert svm.dual_gap_ <= 1e-4


def test_another_function_of_the_same_name_starts_afresh():
    svm = MulticlassSVM(kernel=polynomial(2), tol=1e-4, warm_start=True, random_state=0).fit(X, Y)
    again = MulticlassSVM(kernel=polynomial(3), tol=1e-4, random_state=0).fit(X, Y)
    svm.set_params(kernel=polynomial(3)).fit(X, Y)
    assert np.array_equal(svm.dual_coef_, again.dual_coef_)


def one_of_three(right_loss, unpicklable=None):
    class Local(StructuredModel):
        """A class of this name is made at each call."""

        def __init__(self, held=None):
            self.held = held

        def joint_feature(self, x, y):
            return np.kron(np.eye(3)[y], x)

        def loss(self, y, y_hat):
            return right_loss * float(y != y_hat)

        def inference(self, x, w):
            return int(np.argmax(w.reshape(3, -1) @ x))

        def loss_augmented_inference(self, x, y, w):
            costs = right_loss * (np.arange(3) != y)
            return int(np.argmax(w.reshape(3, -1) @ x + costs))

    return Local(unpicklable)


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_another_class_of_the_same_name_starts_afresh():
    data = list(X), Y.tolist()
    svm = StructSVM(one_of_three(1.0), warm_start=True, random_state=0).fit(*data)
    svm.set_params(model=one_of_three(5.0)).fit(*data)
    want = StructSVM(one_of_three(5.0), random_state=0).fit(*data)
    assert np.array_equal(svm.coef_, want.coef_)


class Unpicklable:
    def __reduce_ex__(self, protocol):
        raise TypeError("not this one")

    def __deepcopy__(self, memo):
        return self


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_what_cannot_be_compared_starts_afresh_and_says_so(caplog):
    data = list(X), Y.tolist()
    svm = StructSVM(one_of_three(1.0, Unpicklable()), warm_start=True, random_state=0)
    with caplog.at_level(logging.INFO, logger="structsvm"):
        first = svm.fit(*data).coef_.copy()
        second = svm.fit(*data).coef_.copy()
    assert np.array_equal(first, second)
    assert "starts afresh: held cannot be compared with that of another fit, as it" in caplog.text


def test_a_checkpoint_of_what_cannot_be_compared_is_refused(tmp_path):
    data = list(X), Y.tolist()
    svm = StructSVM(one_of_three(1.0, Unpicklable()), callbacks=[Checkpoint(tmp_path / "c.npz", 1)])
    with pytest.raises(TypeError, match="held cannot be compared with that of another fit"):
        svm.fit(*data)


def test_a_checkpoint_of_a_kernel_without_a_name_goes_on(tmp_path):
    def svm(**params):
        kernel = polynomial(2)
        return MulticlassSVM(kernel=kernel, tol=1e-6, random_state=0, **params)

    whole = svm().fit(X, Y)
    path = tmp_path / "checkpoint.npz"
    with pytest.warns():
        svm(max_iter=3, callbacks=[Checkpoint(path, every=1)]).fit(X, Y)
    resumed = svm().fit(X, Y, resume_from=path)
    assert resumed.objective_ == pytest.approx(whole.objective_, rel=1e-5)
    with pytest.raises(ValueError, match="the checkpoint is of a fit to other data"):
        MulticlassSVM(kernel=polynomial(3), tol=1e-6, random_state=0).fit(X, Y, resume_from=path)


def test_every_part_counts():
    class Thing:
        pass

    parts = [1, "a", np.arange(3), {"f": lambda x: x + 1}, (lambda x: x,), [lambda x: 2 * x]]
    hashes = {fingerprint(part) for part in parts}
    assert len(hashes) == len(parts)
    assert {fingerprint(part) for part in parts} == hashes
    assert fingerprint(Thing) == fingerprint(Thing)
