"""The four methods in numpy, for one example at a time: what compiled models are held against.

`twin` makes of a sized model one that answers by these, through the adapter of Python models.
"""

import numpy as np

from structsvm import ChainModel, GraphModel, GridModel, MulticlassModel, StructuredModel
from structsvm.data.labels import encode_labels, encode_nodes, flatten_labels
from structsvm.data.rows import check_class_labels
from structsvm.inference import alpha_expansion, graph_cut, relax, roof_duality, viterbi
from structsvm.linalg._sums import combined_rows, product
from structsvm.losses import make_loss


def twin(model):
    """The same model, sized alike, with methods in numpy alone."""
    kind = next(kind for compiled, kind in TWINS.items() if isinstance(model, compiled))
    result = object.__new__(kind)
    vars(result).update(vars(model))
    return result


def arrays_of(model, X):
    """Nodes, edges and edge features of raw graphs or images, as a sized model reads them."""
    return model.graphs(model.prepare_examples(X)[0])


class Python:
    """Everything that is not one of the four methods is as it is for models in Python."""

    bind = StructuredModel.bind
    batch_inference = StructuredModel.batch_inference
    batch_loss_augmented_inference = StructuredModel.batch_loss_augmented_inference
    batch_slack_rescaled_inference = StructuredModel.batch_slack_rescaled_inference
    batch_best_score = StructuredModel.batch_best_score


class PythonChain(Python, ChainModel):
    """A chain by numpy; slack rescaling by the compiled code."""

    def joint_feature(self, x, y):
        """psi(x, y), of shape (n_weights,)."""
        (rows, edges), labels = self._dense(x), self._class_numbers(y)
        psi = np.zeros(self.n_weights)
        blocks = self.weight_blocks(psi)
        np.add.at(blocks["state"].T, labels, rows)
        np.add.at(blocks["intercept"], labels, 1.0)
        states = self._states.numbers(labels, np.array([0, len(labels)]), self.classes_)
        np.add.at(blocks["transition"], (states[:-1], states[1:]), 1.0)
        np.add.at(blocks["edge"].transpose(1, 2, 0), (states[:-1], states[1:]), edges[1:])
        blocks["start"][states[:1]] = 1.0
        blocks["end"][states[-1:]] = 1.0
        return psi

    def loss(self, y, y_hat):
        """The task loss of answering y_hat where y is right."""
        return make_loss(self.task_loss).value(
            self._class_numbers(y), self._class_numbers(y_hat), self.cost_matrix()
        )

    def inference(self, x, w):
        return self._decode(*self._scores(x, w))

    def loss_augmented_inference(self, x, y, w):
        labels = self._class_numbers(y)
        unary, transition = self._scores(x, w)
        scale = make_loss(self.task_loss).position_scale(np.array([len(labels)]))
        loss = scale[:, None] * self.cost_matrix()[labels]
        return self._decode(unary + self._of_states(loss), transition)

    def _class_numbers(self, y):
        return encode_labels(flatten_labels([y])[0], self.classes_)

    def _scores(self, x, w):
        """Scores of positions, those of the ends included, and of the steps to each."""
        rows, edges = self._dense(x)
        blocks = self.weight_blocks(w)
        unary = self._of_states(product(rows, blocks["state"]) + blocks["intercept"])
        unary[:1] += blocks["start"]
        unary[-1:] += blocks["end"]
        n = self._states.n_states
        steps = product(edges, blocks["edge"].reshape(-1, n * n)).reshape(-1, n, n)
        return unary, steps + blocks["transition"]

    def _decode(self, unary, transition):
        start, end = None, None
        if (masks := self.forbidden_scores()) is not None:
            forbidden, start, end = masks
            transition = transition + forbidden
        states, _ = viterbi(unary, transition, start, end)
        return self.classes_[self._states.labels(states)]

    def _of_states(self, of_labels):
        """A column for each state from a column for each label."""
        label_of = self._states.label_of
        return of_labels if label_of is None else of_labels[:, label_of]

    def _dense(self, x):
        """Features and edge features; there may be none of the latter."""
        packed = self._packed([x])
        if packed.edges is None:
            return packed.rows.toarray(), np.zeros((packed.rows.shape[0], 0))
        return packed.rows.toarray(), packed.edges.toarray()


def _relaxed_labels(unary, edges, pairwise, tolerance):
    """The labels of a relaxation whose value misses at most `tolerance`."""
    pairs = np.abs(pairwise) if pairwise.ndim == 1 else np.ptp(pairwise, axis=(1, 2))
    scale = np.ptp(unary, axis=1).sum() + pairs.sum()
    return relax(unary, edges, pairwise, tol=tolerance / scale if scale > 0 else 0.0).labels


class PythonGraphs(Python):
    """What graphs and grids share."""

    def joint_feature(self, x, y):
        """psi(x, y), of shape (n_weights,); void nodes and their edges left out."""
        part, labels = self._example(x, y)
        return self._sums(part, labels) * self._scale(len(labels))

    def _sums(self, part, labels):
        k, known = len(self.classes_), labels >= 0
        nodes = np.zeros((self._n_node_rows, k))
        for label in range(k):
            nodes[:, label] = self._node_rows(part)[labels == label].sum(axis=0)
        first, second = labels[part.edges].T
        rows = self._edge_rows(part)[known[part.edges].all(axis=1)]
        ends = np.stack([first, second], axis=1)[known[part.edges].all(axis=1)]
        if not self._tables:
            agree = ends[:, 0] == ends[:, 1]
            return np.concatenate([nodes.ravel(), rows[agree].sum(axis=0)])
        pairs = np.zeros((self._n_edge_rows, k, k))
        for row, (a, b) in zip(rows, ends, strict=True):
            pairs[:, a, b] += row
        return np.concatenate([nodes.ravel(), pairs.ravel()])

    def loss(self, y, y_hat):
        """Sum of the costs of wrong nodes, void ones left out."""
        right, guess = self._class_numbers(y), self._class_numbers(y_hat)
        known = (right >= 0) & (guess >= 0)
        costs = self.cost_matrix()[right[known], guess[known]]
        return float(costs.sum() * self._scale(len(right)))

    def inference(self, x, w):
        (part,) = arrays_of(self, [x])
        (shape,) = self.prepare_examples([x])[0].shapes
        return self._best_labels(part, None, *self._scores(part, w)).reshape(shape)

    def loss_augmented_inference(self, x, y, w):
        part, labels = self._example(x, y)
        unary, pairwise = self._scores(part, w)
        known = labels >= 0
        unary[known] += self.cost_matrix()[labels[known]] * self._scale(len(labels))
        unary[~known] = 0.0
        pairwise[~known[part.edges].all(axis=1)] = 0.0
        return self._best_labels(part, labels, unary, pairwise).reshape(np.shape(y))

    def _example(self, x, y):
        (part,) = arrays_of(self, [x])
        return part, self._class_numbers(y)

    def _class_numbers(self, y):
        return encode_nodes(self.read_outputs([y], None), self.classes_, self.ignore_label)

    def _node_rows(self, part):
        ones = np.ones((len(part.nodes), int(bool(self.fit_intercept))))
        return np.hstack([part.nodes, ones])

    def _edge_rows(self, part):
        ones = np.ones((len(part.edges), int(self._edge_constant)))
        return np.hstack([part.pairs, ones])

    def _scores(self, part, w):
        """Scores of nodes (n, K), and of edges (m,) or (m, K, K)."""
        k = len(self.classes_)
        w = w * self._scale(len(part.nodes))
        unary = product(self._node_rows(part), w[self._node_place].reshape(-1, k))
        pairs = product(self._edge_rows(part), w[self._edge_place].reshape(-1, self._pair_width))
        return unary, pairs.reshape((-1, k, k) if self._tables else -1)

    def _best_labels(self, part, right, unary, pairwise):
        if self.exact and len(self.classes_) == 2:
            numbers = graph_cut(unary[:, 1] - unary[:, 0], part.edges, pairwise)
        else:
            start = None
            if self._by_roof_duality:
                sure = roof_duality(unary[:, 1] - unary[:, 0], part.edges, pairwise).labels
                start = np.where(sure >= 0, sure, unary.argmax(axis=1))
            elif self._relaxes and self._entries(part) <= self._most_entries:
                factors = np.full(len(unary), self._scale(len(unary)))
                tolerance = self._tolerance(right, factors).sum()
                start = _relaxed_labels(unary, part.edges, pairwise, tolerance)
            numbers, score = alpha_expansion(unary, part.edges, pairwise, start=start)
            if self._relaxes:
                greedy, other = alpha_expansion(unary, part.edges, pairwise)
                numbers = greedy if other > score else numbers
        return self.classes_[numbers]


class PythonGraph(PythonGraphs, GraphModel):
    """A graph by numpy, and the functions of `structsvm.inference`."""


class PythonGrid(PythonGraphs, GridModel):
    """Likewise a grid."""


class PythonMulticlass(Python, MulticlassModel):
    """Classes of rows by numpy, with linear slack."""

    def joint_feature(self, x, y):
        """psi(x, y), of shape (n_weights,), for a class or for counts of classes."""
        counts = self._counts(y)
        columns = counts if len(counts) > 2 else np.array([counts[1] - counts[0]]) / 2
        return np.outer(self._dense(x), columns).ravel()

    def loss(self, y, y_hat):
        """The required margins of the classes in y_hat, summed."""
        (truth,), counts = self._numbers(y), self._counts(y_hat)
        chosen = counts > 0
        return float(self._margins(len(self.classes_))[truth][chosen].sum())

    def inference(self, x, w):
        scores = combined_rows(self._dense(x), self.weight_matrix(w))
        return self.classes_[scores.argmax() if len(scores) > 1 else int(scores[0] > 0)]

    def loss_augmented_inference(self, x, y, w):
        (truth,), violations = self._numbers(y), self._violations(x, y, w)
        if self.hinge == "crammer_singer":
            return self._worst(truth, violations)
        counts = np.zeros(len(self.classes_))
        violated = np.flatnonzero(violations > 0)
        counts[truth] = 1.0
        counts[violated] += 1.0
        if self.hinge == "lee_lin_wahba" and len(counts) > 2:
            counts -= len(violated) / len(counts)
        else:
            counts[truth] -= len(violated)
        return counts

    def slack_rescaled_inference(self, x, y, w):
        """The class that maximises Delta(y, k) (1 + s_k - s_y)."""
        if self.hinge != "crammer_singer":
            raise ValueError(f"rescaling='slack' is for 'crammer_singer', not for {self.hinge!r}")
        (truth,), violations = self._numbers(y), self._violations(x, y, w)
        cost = self._margins(len(self.classes_))[truth]
        return self._worst(truth, cost * (1 + violations - cost))

    def _violations(self, x, y, w):
        (truth,) = self._numbers(y)
        scores = combined_rows(self._dense(x), self.weight_matrix(w))
        if len(scores) == 1:
            scores = np.array([-scores[0], scores[0]]) / 2
        two = len(scores) == 2
        against = scores.mean() if self.hinge == "lee_lin_wahba" and not two else scores[truth]
        violations = self._margins(len(scores))[truth] + scores - against
        violations[truth] = 0.0
        return violations

    def _worst(self, truth, values):
        """The class of the greatest value; the truth, whose value is 0, wins ties."""
        return self.classes_[truth if values.max() <= 0 else values.argmax()]

    def _numbers(self, y):
        return encode_labels(check_class_labels([y]), self.classes_)

    def _counts(self, y):
        if isinstance(y, np.ndarray) and y.ndim == 1:
            return y
        counts = np.zeros(len(self.classes_))
        counts[self._numbers(y)] = 1.0
        return counts

    def _dense(self, x):
        """x with the constant feature of the intercept."""
        x = x.toarray() if hasattr(x, "toarray") else x
        x = np.asarray(x, dtype=np.float64).ravel()
        return np.append(x, 1.0) if self.fit_intercept else x


TWINS = {
    ChainModel: PythonChain,
    GraphModel: PythonGraph,
    GridModel: PythonGrid,
    MulticlassModel: PythonMulticlass,
}
