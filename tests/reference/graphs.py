"""Labelled graphs: scores by definition, enumeration, the linear program, and tiny graphs."""

import itertools

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog
from scipy.sparse import csr_array

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
        return np.where(np.eye(n_labels, dtype=bool), pairwise[:, None, None], 0.0)
    return np.broadcast_to(pairwise, (len(edges), n_labels, n_labels))


def scores_of(labellings, unary, edges, pairwise):
    """The scores of labellings, a row each."""
    unary, labellings = np.asarray(unary, dtype=float), np.asarray(labellings, dtype=int)
    first, second = np.asarray(edges, dtype=int).reshape(-1, 2).T
    tables = tables_of(first, pairwise, unary.shape[1])
    on_nodes = unary[np.arange(len(unary)), labellings]
    on_edges = tables[np.arange(len(first)), labellings[:, first], labellings[:, second]]
    return on_nodes.sum(axis=1) + on_edges.sum(axis=1)


def score(labels, unary, edges, pairwise):
    return float(scores_of(np.reshape(labels, (1, -1)), unary, edges, pairwise)[0])


def all_labellings(n_nodes, n_labels):
    return list(itertools.product(range(n_labels), repeat=n_nodes))


def best_by_enumeration(unary, edges, pairwise):
    """The best score, and all labellings that have it, in lexicographic order."""
    n_nodes, n_labels = np.shape(unary)
    outputs = all_labellings(n_nodes, n_labels)
    outputs = np.array(outputs, dtype=int).reshape(len(outputs), n_nodes)
    scores = scores_of(outputs, unary, edges, pairwise)
    value = float(scores.max())
    return value, [tuple(labels) for labels in outputs[scores == value].tolist()]


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


# ---- cuts in rational numbers

# From the least to the largest that a double holds, near 1, and where a double ends to hold both.
_EXPONENTS = st.sampled_from([-300, -150, -16, -8, -1, 0, 1, 8, 12, 16, 17, 150, 300])


@st.composite
def sizes_apart(draw, n, *, signed):
    """n numbers of very different size, zeros among them."""
    numbers = [
        draw(st.integers(0, 99)) / 10 * 10.0 ** draw(_EXPONENTS)
        * (draw(st.sampled_from([1, -1])) if signed else 1)
        for _ in range(n)
    ]  # fmt: skip
    return np.array(numbers)


def exactly(numbers):
    """Doubles as whole multiples of the smallest one: Python integers in an array."""
    ratios = (float(number).as_integer_ratio() for number in numbers)
    exact = [n << 1075 - d.bit_length() for n, d in ratios]
    return np.array(exact, dtype=object)


def given_up(labels, unary, edges, pairwise):
    """What labellings by 0 and 1, a row each, give up of what each score could add alone."""
    labels, edges = np.atleast_2d(labels).astype(bool), np.reshape(edges, (-1, 2)).astype(int)
    scores = np.concatenate([unary, pairwise])
    agree = labels[:, edges[:, 0]] == labels[:, edges[:, 1]]
    adds = np.concatenate([labels, agree], axis=1)
    return ((adds != (scores > 0)) * exactly(np.abs(scores))).sum(axis=1)


def binary_labellings(n):
    return np.array(all_labellings(n, 2)).reshape(2**n, n)


def assert_proven(certificate, labels, unary, edges, pairwise):
    """Labellings give up no more than the best one, and the flow proves it, but for rounding."""
    least = given_up(binary_labellings(len(unary)), unary, edges, pairwise).min()
    energy, flow = exactly([certificate.energy, certificate.flow])
    for value in (*given_up(labels, unary, edges, pairwise), energy, flow):
        assert abs(value - least) * 10**12 <= least
    assert certificate.gap <= 1e-12


def as_matrix(capacities, rows, columns, n):
    """A network with one entry an edge and indices of 32 bits, as older versions of scipy need."""
    places = rows.astype(np.int32), columns.astype(np.int32)
    matrix = csr_array((capacities, places), (n, n))
    matrix.sum_duplicates()
    return matrix
