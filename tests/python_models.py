"""Models of one's own as people write them: the four methods in numpy, one example at a time.

Tests derive faulty ones from them. `PythonChain` has the weights of `ChainModel` in their places.
"""

import numpy as np

from structsvm import StructuredModel


class PythonClasses(StructuredModel):
    """One of so many classes, each with weights of its own; a mistake costs 1."""

    def __init__(self, n_classes=3):
        self.n_classes = n_classes

    def joint_feature(self, x, y):
        psi = np.zeros((self.n_classes, len(x)))
        psi[y] = x
        return psi.ravel()

    def loss(self, y, y_hat):
        return float(y != y_hat)

    def losses(self, y):
        """Of all classes."""
        return 1.0 * (np.arange(self.n_classes) != y)

    def scores(self, x, w):
        """Of all classes."""
        return w.reshape(self.n_classes, -1) @ x

    def inference(self, x, w):
        return int(np.argmax(self.scores(x, w)))

    def loss_augmented_inference(self, x, y, w):
        return int(np.argmax(self.scores(x, w) + self.losses(y)))


class PythonChain(StructuredModel):
    """Sequences of three labels; each place with a wrong one costs 1."""

    n_labels = 3

    def initialize(self, X, y):
        self.n_weights = self.n_labels * (X[0].shape[1] + 1 + self.n_labels + 2)

    def blocks(self, w):
        """Views: weights of features, of labels, of steps, of the first and of the last label."""
        k, rows = self.n_labels, w.reshape(-1, self.n_labels)
        return rows[: -k - 3], rows[-k - 3], rows[-k - 2 : -2], rows[-2], rows[-1]

    def joint_feature(self, x, y):
        psi = np.zeros(self.n_weights)
        state, label, step, start, end = self.blocks(psi)
        np.add.at(state.T, y, x)
        np.add.at(label, y, 1.0)
        np.add.at(step, (y[:-1], y[1:]), 1.0)
        start[y[:1]] = end[y[-1:]] = 1.0
        return psi

    def loss(self, y, y_hat):
        return float(np.count_nonzero(y != y_hat))

    def unary(self, x, w):
        """The score of each label at each place, steps left out."""
        state, label, _, start, end = self.blocks(w)
        unary = x @ state + label
        unary[:1] += start
        unary[-1:] += end
        return unary

    def viterbi(self, unary, w):
        step = self.blocks(w)[2]
        best, came_from = np.zeros(self.n_labels), []
        for t, scores in enumerate(unary):
            arriving = best[:, None] + (step if t else 0.0)
            came_from.append(arriving.argmax(axis=0))
            best = arriving.max(axis=0) + scores
        labels = [best.argmax()] if came_from else []
        for places in reversed(came_from[1:]):
            labels.append(places[labels[-1]])
        return np.array(labels[::-1], dtype=np.int64)

    def inference(self, x, w):
        return self.viterbi(self.unary(x, w), w)

    def loss_augmented_inference(self, x, y, w):
        wrong = np.arange(self.n_labels) != y[:, None]
        return self.viterbi(self.unary(x, w) + wrong, w)

    def score(self, y, y_hat):
        """The share of places whose label is right."""
        return float(np.mean(np.concatenate(y) == np.concatenate(y_hat)))
