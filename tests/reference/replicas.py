"""Passes on copies of the weights in numpy: one part after the other, all at dense vectors."""

import copy

import numpy as np


class ReferenceReplicas:
    """Parts that share the dual point of some `ReferenceBlocks`, each at its own weights."""

    def __init__(self, whole, n_parts, caution):
        self.whole, self.caution = whole, caution
        # Planes, gaps and hinges are the same objects in all copies.
        self.parts = [copy.copy(whole) for _ in range(n_parts)]
        for part in self.parts:
            part.store = part.point = part.steps = part.evaluator = part

    def make_pass(self, visit, order, bounds):
        """``visit(part, examples)`` for the parts of each chunk; then all learn of all moves."""
        whole = self.whole
        for part in self.parts:
            part.weights = whole.weights.copy()
            part.regularization = whole.regularization / self.caution
        met = [[] for _ in self.parts]
        for start in range(0, len(bounds) - 1, len(self.parts)):
            for q, part in enumerate(self.parts):
                met[q].append(visit(part, order[bounds[start + q] : bounds[start + q + 1]]))
            moves = np.sum([part.weights - whole.weights for part in self.parts], axis=0)
            whole.weights = whole.weights + moves / self.caution
            for part in self.parts:
                part.weights = whole.weights.copy()
        return met
