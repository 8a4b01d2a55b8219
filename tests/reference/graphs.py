"""Labelled graphs: scores by definition, enumeration, the linear program, and tiny graphs."""

import itertools

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

# Sums of these are exact, so values and ties are too.
SCORES = st.sampled_from([0.0, 1.0, -1.0, 2.0, -0.0, 0.5, 1e12, -1e12])
FEW = st.sampled_from([0.0, 1.0, -1.0])


@st.composite
def tiny_graphs(draw, scores=SCORES, max_nodes=5, max_edges=7, max_labels=3, kinds=(1, 2, 3)):
    """unary, edges, pairwise: any graph, duplicate edges and both orders of ends included."""
    n_nodes, n_labels = draw(st.integers(0, max_nodes)), draw(st.integers(1, max_labels))
    pairs = list(itertools.permutations(range(n_nodes), 2))
    edges = draw(st.lists(st.sampled_from(pairs), max_size=max_edges)) if pairs else []
    return scored(draw, n_nodes, n_labels, edges, scores, kinds)


@st.composite
def tiny_forests(draw, scores=SCORES, max_nodes=6, max_labels=3, kinds=(1, 2, 3)):
    """The same without cycles; numbers of nodes are shuffled."""
    n_nodes, n_labels = draw(st.integers(0, max_nodes)), draw(st.integers(1, max_labels))
    name = draw(st.permutations(range(n_nodes)))
    edges = []
    for node in range(1, n_nodes):
        other = draw(st.none() | st.integers(0, node - 1))
        if other is not None:
            pair = (name[node], name[other])
            edges.append(pair if draw(st.booleans()) else pair[::-1])
    return scored(draw, n_nodes, n_labels, draw(st.permutations(edges)), scores, kinds)


def scored(draw, n_nodes, n_labels, edges, scores, kinds):
    shapes = {1: (len(edges),), 2: (n_labels,) * 2, 3: (len(edges), n_labels, n_labels)}
    unary = draw(arrays(np.float64, (n_nodes, n_labels), elements=scores))
    pairwise = draw(arrays(np.float64, shapes[draw(st.sampled_from(kinds))], elements=scores))
    return unary, np.array(edges, dtype=np.int64).reshape(-1, 2), pairwise


def tables_of(edges, pairwise, n_labels):
    pairwise = np.asarray(pairwise, dtype=float)
    if pairwise.ndim == 1:
        return np.array([np.where(np.eye(n_labels, dtype=bool), w, 0.0) for w in pairwise])
    return pairwise if pairwise.ndim == 3 else np.array([pairwise] * len(edges))


def score(labels, unary, edges, pairwise):
    unary = np.asarray(unary, dtype=float)
    tables = tables_of(edges, pairwise, unary.shape[1] if unary.ndim == 2 else 0)
    total = 0.0
    for i, label in enumerate(labels):
        total += unary[i, label]
    for (i, j), table in zip(edges, tables, strict=True):
        total += table[labels[i], labels[j]]
    return total


def all_labelings(n_nodes, n_labels):
    return list(itertools.product(range(n_labels), repeat=n_nodes))


def best_by_enumeration(unary, edges, pairwise):
    """The best score, and all labelings that have it, in lexicographic order."""
    outputs = all_labelings(*np.shape(unary))
    scores = [score(labels, unary, edges, pairwise) for labels in outputs]
    value = max(scores)
    return value, [labels for labels, s in zip(outputs, scores, strict=True) if s == value]


def relaxed_optimum(unary, edges, pairwise):
    """The best score over the local polytope, by linear programming."""
    n, k = np.shape(unary)
    tables = tables_of(edges, pairwise, k).reshape(len(edges), k, k)
    if n == 0:
        return 0.0
    rows, columns, values = [], [], []

    def add(row, column, value):
        rows.append(row)
        columns.append(column)
        values.append(value)

    for i, a in itertools.product(range(n), range(k)):
        add(i, i * k + a, 1.0)
    row = n
    for e, ends in enumerate(edges):
        for end, node in enumerate(ends):
            for a in range(k):
                add(row, node * k + a, -1.0)
                for b in range(k):
                    pair = (a, b) if end == 0 else (b, a)
                    add(row, n * k + (e * k + pair[0]) * k + pair[1], 1.0)
                row += 1
    matrix = sp.csr_array((values, (rows, columns)), shape=(row, n * k + tables.size))
    right = np.concatenate([np.ones(n), np.zeros(row - n)])
    cost = -np.concatenate([np.ravel(unary), tables.ravel()])
    result = linprog(cost, A_eq=matrix, b_eq=right, method="highs")
    assert result.success, result.message
    return -result.fun
