"""Chains by enumeration, and the Viterbi recursion in plain numpy."""

import functools
import itertools

import numpy as np


def all_outputs(length, n_labels):
    return list(itertools.product(range(n_labels), repeat=length))


@functools.cache
def _all_outputs(length, n_labels):
    """The same as an array, a row each."""
    outputs = np.array(all_outputs(length, n_labels), dtype=int).reshape(n_labels**length, length)
    outputs.flags.writeable = False
    return outputs


def scores_of_all(unary, transitions, start=None, end=None):
    """The score of each of `all_outputs`, added up as `score_of_steps` does.

    Transitions are one table, or one for each position.
    """
    length, n_labels = np.shape(unary)
    outputs = _all_outputs(length, n_labels)
    steps = np.broadcast_to(transitions, (length, n_labels, n_labels))
    total = np.zeros(len(outputs))
    for t in range(length):
        total += unary[t][outputs[:, t]]
        if t:
            total += steps[t][outputs[:, t - 1], outputs[:, t]]
    if length:
        total += 0.0 if start is None else start[outputs[:, 0]]
        total += 0.0 if end is None else end[outputs[:, -1]]
    return total


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
    scores = scores_of_all(unary, transition, start, end)
    best = _all_outputs(*unary.shape)[scores == scores.max()].tolist()
    return tuple(min(best, key=lambda labels: labels[::-1])), scores.max()


def max_marginals_by_enumeration(unary, transitions, start=None, end=None):
    """For each label at each position the best score of a sequence that has it there."""
    outputs, scores = _all_outputs(*unary.shape), scores_of_all(unary, transitions, start, end)
    best = np.full(unary.shape, -np.inf)
    for t, labels in enumerate(outputs.T):
        np.maximum.at(best[t], labels, scores)
    return best


def marginals_by_enumeration(unary, transitions, start=None, end=None):
    """Probabilities of labels at positions, and log Z, by all sequences; None if all are barred."""
    outputs, scores = _all_outputs(*unary.shape), scores_of_all(unary, transitions, start, end)
    most = scores.max()
    if most == -np.inf:
        return None, most
    weights = np.exp(scores - most)
    shares = np.zeros(unary.shape)
    for t, labels in enumerate(outputs.T):
        np.add.at(shares[t], labels, weights / weights.sum())
    return shares, most + np.log(weights.sum())


def enumerate_chain(x, truth, blocks, cost, position_weight):
    """All outputs of a chain, their scores and their losses, from named weight blocks.

    Knows neither joint features nor inference, so that both can be held against it.
    """
    unary = x @ blocks["state"] + blocks["intercept"]
    scores = scores_of_all(unary, blocks["transition"], blocks["start"], blocks["end"])
    outputs, losses = _all_outputs(len(truth), len(cost)), np.zeros(len(scores))
    for f, right, labels in zip(position_weight, truth, outputs.T, strict=True):
        losses += f * cost[right][labels]
    return [tuple(labels) for labels in outputs.tolist()], scores, losses


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
