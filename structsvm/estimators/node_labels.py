"""What estimators of labels of nodes and of pixels share: scores, thresholds, probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from structsvm.data.checks import check_scalar
from structsvm.data.sequences import check_pairs
from structsvm.estimators.biases import (
    best_of_classes,
    best_of_two,
    check_bias,
    first_levels,
    levels_of,
    scorer_of,
)
from structsvm.estimators.calibration import Calibration
from structsvm.estimators.index_weights import INDICES, weights_for_index
from structsvm.estimators.structured import StructSVM, of_model, weight_block
from structsvm.exceptions import ModelFileError
from structsvm.inference.marginal_differences import max_marginal_differences, turning_points
from structsvm.metrics import flat_scores
from structsvm.models.labelled_graphs import LabelledGraphs
from structsvm.training.train import Examples

__all__ = ["NodeLabelSVM"]


class NodeLabelSVM(StructSVM):
    """What graphs and grids share: weights by name."""

    model_: LabelledGraphs
    ignore_label: Any
    classes: Any
    loss: Any
    class_weight: Any

    def _examples(
        self, X: Any, y: Any, sample_weight: Any = None, node_weight: Any = None
    ) -> Examples:
        examples = Examples(X, y, sample_weight, {"node_weight": node_weight})
        examples.classes = self._declared()
        return examples

    def _part_loss(self) -> Any:
        """The loss of models: that of single nodes."""
        is_index = isinstance(self.loss, str) and self.loss in INDICES
        return "normalized_hamming" if is_index else clone(self.loss, safe=False)

    def _fit_index(
        self, X: Any, y: Any, X_val: Any, y_val: Any, fit_params: dict[str, Any]
    ) -> Self:
        """Choose weights of classes by an index, and train with them."""
        given = self.class_weight
        if given is not None and not (isinstance(given, str) and given in ("auto", "jaccard")):
            raise ValueError(
                f"loss={self.loss!r} chooses weights of classes, but class_weight={given!r} is "
                "given: leave it out"
            )
        X, y = check_pairs(X, y)
        path = weights_for_index(self, X, y, (X_val, y_val), fit_params)
        [best] = path["class_weight"][path["chosen"]]
        weights = dict(zip(path["classes"].tolist(), best.tolist(), strict=True))
        loss = self.loss
        try:
            self.set_params(class_weight=weights, loss="normalized_hamming")
            self.fit(X, y, X_val=X_val, y_val=y_val, **fit_params)
        finally:
            self.set_params(class_weight=given, loss=loss)
            if self.__sklearn_is_fitted__():
                self.model_.class_weight = given
        self.index_path_ = path
        return self

    def _declared(self) -> NDArray[Any] | None:
        """The labels that are told in advance."""
        if self.classes is None:
            return None
        labels = np.asarray(self.classes)
        if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "iubU":
            raise ValueError(
                f"classes={self.classes!r}: expected a list of integers, truth values or strings"
            )
        known = np.unique(labels.astype(np.int64) if labels.dtype.kind in "ub" else labels)
        if self.ignore_label is not None and (known == self.ignore_label).any():
            raise ValueError(
                f"classes has {self.ignore_label!r}, the ignore_label, which is no class"
            )
        return known

    def predict(
        self,
        X: Any,
        constraints: Sequence[Any] | None = None,
        *,
        bias: float | ArrayLike | None = None,
    ) -> list[Any]:
        """The best labels for each x, as a list.

        Parameters
        ----------
        X : sequence
        constraints : sequence of length n_examples, default=None
            What the labels of each x must satisfy, see `StructSVM.predict`.
        bias : float or array-like of shape (n_classes,), default=None
            What each class gains at every node, in units of `pixel_scores`; of two classes a number
            is for the second, ``classes_[1]``: the higher, the more of it. See `tune_bias`.
            To keep a bias, add it to the model: ``svm.intercept_[1] += bias``.
        """
        if bias is None:
            return super().predict(X, constraints)
        if constraints is not None:
            raise ValueError("bias and constraints are given: expected one of them")
        model, inputs = self._prepared(X)
        gains = check_bias(bias, self.classes_)
        return model.biased_inference(inputs, self._flat_weights(), gains)

    def _prepared(self, X: Any) -> tuple[LabelledGraphs, Any]:
        """The fitted model, and its inputs."""
        self._fitted_model()  # raises, if there is none
        inputs, _ = self.model_.prepare_examples(self._read(X))
        return self.model_, inputs

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """The score of the predicted labels of each x, one number for a whole example.

        It tells how well labels fit together and to the features, for comparing labellings of the
        same x. For scores of single nodes, to be thresholded, see `threshold_scores` and
        `node_scores` (`GridSVM.pixel_scores`).

        Parameters
        ----------
        X : sequence

        Returns
        -------
        scores : ndarray of shape (n_examples,)
            <w, psi(x, y)>; per node where the loss is normalised.
        """
        scores: NDArray[np.float64] = super().decision_function(X)
        return scores

    def node_scores(self, X: Any, *, exact: bool = False) -> list[NDArray[np.float64]]:
        r"""How much better each label is than the other one at each node, others considered.

        Parameters
        ----------
        X : sequence
        exact : bool, default=False
            False: given the best labels of all other nodes, :math:`u_i + \sum_j w_{ij} (2 \hat y_j
            - 1)`, with the scores u of the features and w of the agreement of neighbours. It takes
            as long as a prediction. True: the exact max-marginal difference, the best score of all
            labellings in which the node has label ``classes_[1]`` minus that of those in which it
            has ``classes_[0]``, by a flow for each node (Kohli and Torr 2008). It takes about ten
            to a hundred times as long, and is for two classes with scores of agreement. The sign is
            the same, that of `predict`; the exact difference is never the larger.

        Returns
        -------
        scores : list of arrays, a number for each node where there are two classes
            For more classes a score for each class, on a last axis.

        Raises
        ------
        ValueError
            If `exact` is set for more than two classes, or for tables of pairs of labels.

        References
        ----------
        P. Kohli, P. Torr (2008). Measuring uncertainty in graph cut solutions. Computer Vision and
        Image Understanding 112. doi:10.1016/j.cviu.2008.07.002
        """
        model, inputs = self._prepared(X)
        if exact:
            self._check_cuts("exact=True")
            return self._shaped(
                inputs,
                [
                    max_marginal_differences(unary[:, 1] - unary[:, 0], edges, pairs)
                    for unary, edges, pairs in model.part_scores(inputs, self._flat_weights())
                ],
            )
        answers = self._ask(model.bind(inputs), scored=False)[0]
        numbers = np.split(np.searchsorted(self.classes_, _flat(model, inputs, answers)),
                           inputs.offsets[1:-1])  # fmt: skip
        graphs = model.part_scores(inputs, self._flat_weights())
        return self._shaped(
            inputs,
            [
                _given_the_others(*graph, of_one)
                for graph, of_one in zip(graphs, numbers, strict=True)
            ],
        )

    def threshold_scores(self, X: Any, *, n_levels: int = 32) -> list[NDArray[np.float64]]:
        """For each node, minus the bias at which `predict` gives it the label ``classes_[1]``.

        The nodes above a threshold t are, up to the step between levels, those that
        ``predict(X, bias=-t)`` labels ``classes_[1]``: the best labels at each threshold, smooth as
        cuts are, and the larger t, the fewer. They rank nodes better than `node_scores` where
        regions are thin. For two classes with scores of agreement.

        Parameters
        ----------
        X : sequence
        n_levels : int, default=32
            Number of biases that are tried, beside 0: quantiles of the scores of the example's
            nodes. Each takes a cut, which starts from that of the last.

        Returns
        -------
        scores : list of arrays, a number for each node
            Above 0 where `predict` says ``classes_[1]``.

        Raises
        ------
        ValueError
            If there are more than two classes, or tables of pairs of labels.

        See Also
        --------
        structsvm.metrics.flat_scores : labels and scores as scikit-learn's metrics take them.
        structsvm.plotting.PixelPrecisionRecallDisplay, structsvm.plotting.PixelRocCurveDisplay
        """
        check_scalar("n_levels", n_levels, above=0, integer=True)
        self._check_cuts("threshold_scores")
        model, inputs = self._prepared(X)
        return self._shaped(inputs, list(self._turning(model, inputs, None, int(n_levels))))

    def _turning(self, model: LabelledGraphs, inputs: Any, levels: Any, n_levels: int = 0) -> Any:
        """Turning points of each example, for given biases or some of its own."""
        for unary, edges, pairs in model.part_scores(inputs, self._flat_weights()):
            scores = unary[:, 1] - unary[:, 0]
            biases = levels_of(scores, n_levels) if levels is None else levels
            yield turning_points(scores, edges, pairs, biases)

    def tune_bias(self, X_val: Any, y_val: Any, scoring: Any = None) -> Any:
        """The bias for `predict` with the best score on held-out examples.

        It changes no weights. With few or small held-out examples the best bias is chance.

        Parameters
        ----------
        X_val, y_val : sequences
            Examples that were not trained on.
        scoring : str or callable, default=None
            "jaccard" or "dice" (means over the classes, see `structsvm.metrics`), the name of a
            score of labels in scikit-learn such as "balanced_accuracy" or "f1", which gets the
            labels of all nodes in one array, or a callable ``(estimator, X, y)`` such as
            ``make_scorer(jaccard, labels=[1])``. Higher is better. None: the share of nodes that
            are labelled rightly.

        Returns
        -------
        bias : float; with more than two classes, an array of shape (n_classes,)
            0 where nothing scores better. Of two classes all levels of `threshold_scores` are
            tried, and finer ones around the best; of more, one class after the other.

        Examples
        --------
        >>> from structsvm import GridSVM
        >>> from structsvm.datasets import make_segmentation
        >>> blobs = make_segmentation(n_train=8, n_test=1, random_state=0)
        >>> svm = GridSVM(random_state=0).fit(blobs.X_train[:4], blobs.y_train[:4])
        >>> bias = svm.tune_bias(blobs.X_train[4:], blobs.y_train[4:], "jaccard")
        >>> labels = svm.predict(blobs.X_test, bias=bias)
        """
        X_val, y_val = check_pairs(X_val, y_val)
        model, inputs = self._prepared(X_val)
        score = scorer_of(self, X_val, y_val, scoring)
        w = self._flat_weights()
        if self._cuts():
            every = np.concatenate([u[:, 1] - u[:, 0] for u, _, _ in model.part_scores(inputs, w)])

            def turning(biases: NDArray[np.float64]) -> list[NDArray[np.float64]]:
                return self._shaped(inputs, list(self._turning(model, inputs, biases)))

            return best_of_two(turning, first_levels(every), self.classes_, score)

        if len(self.classes_) == 1:
            return np.zeros(1)

        def margins(k: int) -> NDArray[np.float64]:
            others = np.concatenate([u for u, _, _ in model.part_scores(inputs, w)])
            own = others[:, k].copy()
            others[:, k] = -np.inf
            over: NDArray[np.float64] = own - others.max(axis=1)
            return over

        bias = best_of_classes(
            lambda gains: model.biased_inference(inputs, w, gains),
            margins,
            len(self.classes_),
            score,
        )
        return float(bias[1] - bias[0]) if len(bias) == 2 else bias

    def calibrate(self, X_val: Any, y_val: Any) -> Self:
        """Learn, on held-out examples, what scores mean as probabilities, for `predict_proba`.

        A sigmoid of `threshold_scores` (with more than two classes, one of each class's
        `node_scores`), whose two numbers have the greatest likelihood. Nodes count as if they were
        independent of each other, so sizes of sets of examples matter, not of examples. `fit`
        forgets it, `save` and pickle keep it.

        Parameters
        ----------
        X_val, y_val : sequences
            Examples that were not trained on.

        Returns
        -------
        self
        """
        X_val, y_val = check_pairs(X_val, y_val)
        labels, scores = flat_scores(
            y_val, self._calibrated_scores(X_val), ignore_label=self.ignore_label
        )
        numbers = np.searchsorted(self.classes_, labels)
        known = self.classes_[np.minimum(numbers, len(self.classes_) - 1)] == labels
        if not known.all():
            raise ValueError(
                f"y_val has the label {labels[~known][0].item()!r}, expected one of "
                f"{self.classes_.tolist()}"
            )
        self.calibration_ = Calibration().fit(scores, numbers)
        return self

    def predict_proba(self, X: Any) -> list[NDArray[np.float64]]:
        """The probability of each class at each node, for an estimator that `calibrate` was called
        on.

        Parameters
        ----------
        X : sequence

        Returns
        -------
        probabilities : list of arrays, with a last axis of the classes
        """
        if "calibration_" not in vars(self):
            raise AttributeError(
                "there are no probabilities yet: call calibrate(X_val, y_val) with examples that "
                "were not trained on"
            )
        scores = self._calibrated_scores(X)
        if len(self.classes_) == 1:
            return [np.ones_like(of_one) for of_one in scores]
        return [self.calibration_.probabilities(of_one) for of_one in scores]

    def _calibrated_scores(self, X: Any) -> list[NDArray[np.float64]]:
        self._fitted_model()
        return self.threshold_scores(X) if self._cuts() else self.node_scores(X)

    def _cuts(self) -> bool:
        """Whether best labels are cuts: two classes and scores of agreement."""
        return len(self.classes_) == 2 and not self.model_._tables

    def _check_cuts(self, what: str) -> None:
        self._fitted_model()
        if not self._cuts():
            why = (
                f"there are {len(self.classes_)} classes"
                if len(self.classes_) != 2
                else f"pairwise={self.model_.pairwise!r}"
            )
            raise ValueError(
                f"{what} is for two classes with scores of agreement (pairwise='potts'), whose "
                f"best labels are cuts; here {why}"
            )

    def _shaped(self, inputs: Any, rows: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
        return [
            row.reshape(*shape, *row.shape[1:])
            for row, shape in zip(rows, inputs.shapes, strict=True)
        ]

    def _keep(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__.pop("calibration_", None)
        super()._keep(*args, **kwargs)

    @property
    def _LEARNED(self) -> tuple[str, ...]:  # type: ignore[override]  # noqa: N802
        return ("calibration",) if "calibration_" in vars(self) else ()

    def restore(self, contents: Any) -> Self:
        super().restore(contents)
        if "calibration" in contents.header:
            learned = contents.learned(["calibration"])
            if not isinstance(learned["calibration"], Calibration) or len(
                learned["calibration"].slope
            ) != (1 if self._cuts() or len(self.classes_) == 2 else len(self.classes_)):
                raise ModelFileError("its calibration does not fit its classes")
            self._take_learned(learned)
        return self

    classes_ = of_model("classes_")
    n_features_in_ = of_model("n_features_in_")
    node_coef_ = weight_block("node")
    intercept_ = weight_block("intercept")
    edge_coef_ = weight_block("edge")
    edge_intercept_ = weight_block("edge_intercept")


def _flat(model: LabelledGraphs, inputs: Any, answers: Any) -> NDArray[Any]:
    """The labels of all nodes in one array."""
    outputs = model.outputs_of(inputs, answers)
    return np.concatenate([np.ravel(labels) for labels in outputs]) if outputs else np.zeros(0)


def _given_the_others(
    unary: NDArray[np.float64],
    edges: NDArray[np.int32],
    pairs: NDArray[np.float64],
    numbers: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Scores of each node's labels given the labels of its neighbours; of two, the difference."""
    n, k = unary.shape
    first, second = edges.T
    scores = unary.copy()
    for label in range(k):
        if pairs.ndim == 1:
            to_first = np.where(numbers[second] == label, pairs, 0.0)
            to_second = np.where(numbers[first] == label, pairs, 0.0)
        else:
            every = np.arange(len(edges))
            to_first = pairs[every, label, numbers[second]]
            to_second = pairs[every, numbers[first], label]
        scores[:, label] += np.bincount(first, to_first, minlength=n)
        scores[:, label] += np.bincount(second, to_second, minlength=n)
    return scores[:, 1] - scores[:, 0] if k == 2 else scores
