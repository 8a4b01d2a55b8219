"""Chains by enumeration, and the Viterbi recursion in plain numpy."""

import itertools

import numpy as np


def all_outputs(length, n_labels):
    return list(itertools.product(range(n_labels), repeat=length))


def score(labels, unary, transition, start=None, end=None):
    """Score of one label sequence, added up position by position."""
    return score_of_steps(labels, unary, [transition] * len(labels), start, end)


def score_of_steps(labels, unary, transitions, start=None, end=None):
    """The same where each position has transitions of its own."""
    total = 0.0
    for t, label in enumerate(labels):
        total += unary[t][label]
        if t:
            total += transitions[t][labels[t - 1]][label]
    if len(labels):
        total += 0.0 if start is None else start[labels[0]]
        total += 0.0 if end is None else end[labels[-1]]
    return total


def best_by_enumeration(unary, transition, start=None, end=None):
    """The best value, and of the best sequences the smallest read from its end."""
    outputs = all_outputs(len(unary), len(transition))
    scores = [score(labels, unary, transition, start, end) for labels in outputs]
    value = max(scores)
    best = [labels for labels, s in zip(outputs, scores, strict=True) if s == value]
    return min(best, key=lambda labels: labels[::-1]), value


def enumerate_chain(x, truth, blocks, cost, position_weight):
    """All outputs of a chain, their scores and their losses, from named weight blocks.

    Knows neither joint features nor inference, so that both can be held against it.
    """
    unary = x @ blocks["state"] + blocks["intercept"]
    outputs = all_outputs(len(truth), len(cost))
    shared = blocks["transition"], blocks["start"], blocks["end"]
    scores = [score(labels, unary, *shared) for labels in outputs]
    losses = [
        sum(f * cost[a][b] for f, a, b in zip(position_weight, truth, labels, strict=True))
        for labels in outputs
    ]
    return outputs, np.array(scores), np.array(losses, dtype=float)


def best_augmented(outputs, scores, losses):
    """Place of the loss-augmented maximum; of several the smallest read from its end."""
    augmented = scores + losses
    best = np.flatnonzero(augmented == augmented.max())
    return min(best, key=lambda k: outputs[k][::-1])


def numpy_viterbi(unary, transition):
    """Best labels and value, with back-pointers; ties towards the smallest label."""
    best, back = unary[0], []
    for row in unary[1:]:
        candidates = best[:, None] + transition
        back.append(candidates.argmax(0))
        best = candidates.max(0) + row
    labels = [int(best.argmax())]
    for pointers in reversed(back):
        labels.append(int(pointers[labels[-1]]))
    return labels[::-1], best.max()
