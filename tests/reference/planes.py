"""Planes written out: those that oracles answer, and those of every output of an example."""

import numpy as np


def dense(problem, plane):
    """delta and loss of a plane (indices, values, loss), whose indices are sorted."""
    indices, values, loss = plane
    assert (np.diff(indices) > 0).all()
    assert (values != 0).all()
    delta = np.zeros(problem.n_weights)
    delta[indices] = values
    return delta, loss


def planes_of(problem, i, truth, outputs):
    """Deltas (n_outputs, n_weights) and losses of outputs, all given as numbers of classes.

    By the problem's own joint features and losses, which tests of each family hold against numpy.
    """
    psi = np.zeros((len(outputs) + 1, problem.n_weights))
    for row, labels in zip(psi, [truth, *outputs], strict=True):
        indices, values = problem.joint_feature(i, labels)
        row[indices] = values
    return psi[0] - psi[1:], np.array([problem.loss_of(i, labels) for labels in outputs])
