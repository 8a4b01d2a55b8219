"""Chains by enumeration, and the Viterbi recursion in plain numpy."""

import itertools


def all_outputs(length, n_labels):
    return list(itertools.product(range(n_labels), repeat=length))


def score(labels, unary, transition, start=None, end=None):
    """Score of one label sequence, added up position by position."""
    total = 0.0
    for t, label in enumerate(labels):
        total += unary[t][label]
        if t:
            total += transition[labels[t - 1]][label]
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
