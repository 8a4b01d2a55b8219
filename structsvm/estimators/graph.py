"""GraphSVM and GridSVM: labels of nodes and of pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from structsvm.estimators.structured import StructSVM, of_model, weight_block
from structsvm.losses import HammingLoss
from structsvm.models import GraphModel, GridModel
from structsvm.models.labelled_graphs import LabelledGraphs
from structsvm.solvers import Progress, Solver, capabilities_of
from structsvm.training.train import Examples

__all__ = ["GraphSVM", "GridSVM"]

_DEFAULT_TOL = 1e-2


class _NodeLabelSVM(StructSVM):
    """What graphs and grids share: weights by name."""

    model_: LabelledGraphs

    def _examples(
        self, X: Any, y: Any, sample_weight: Any = None, node_weight: Any = None
    ) -> Examples:
        return Examples(X, y, sample_weight, {"node_weight": node_weight})

    def predict(self, X: Any, constraints: Sequence[Any] | None = None) -> list[Any]:
        """The best labels for each x, as a list.

        Parameters
        ----------
        X : sequence
        constraints : sequence of length n_examples, default=None
            What the labels of each x must satisfy, or None for one without constraints: linear
            constraints with a column for each node and label, see
            `structsvm.inference.constrained_labels`. These labels are the best ones, by an integer
            program, which is for small graphs.
        """
        if constraints is None:
            return super().predict(X)
        self._fitted_model()  # raises, if there is none
        inputs, _ = self.model_.prepare_examples(self._read(X))
        return self.model_.constrained_inference(inputs, self._flat_weights(), constraints)

    classes_ = of_model("classes_")
    n_features_in_ = of_model("n_features_in_")
    node_coef_ = weight_block("node")
    intercept_ = weight_block("intercept")
    edge_coef_ = weight_block("edge")
    edge_intercept_ = weight_block("edge_intercept")


class GraphSVM(_NodeLabelSVM):
    r"""Structured SVM for the nodes of graphs, with exact cuts for two labels.

    Minimises 1/2 |w|^2 + C sum of hinges over the weights of a `GraphModel`: of node features for
    each label, and of edge features for neighbours that agree (kept >= 0) or for pairs of labels.

    Parameters
    ----------
    C : float or "scale", default="scale"
        Weight of the hinges against the norm. "scale" follows the data: see Notes of `StructSVM`.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, see `StructSVM`.
    loss : {"normalized_hamming", "hamming"} or HammingLoss, default="normalized_hamming"
        The share of wrong nodes, or their number; see `GraphModel`.
    pairwise : {"potts", "table", "symmetric", "antisymmetric"} or list, default="potts"
        Scores of agreement, or of each pair of labels; see `GraphModel`.
    fit_intercept, edge_intercept : bool, default=True
        Constant features of nodes, of edges.
    class_weight : "balanced", "jaccard", "auto" or dict, default=None
        Factor of each class: "balanced" for classes that weigh the same, "jaccard" for the Jaccard
        index of each, "auto" for the latter where there are two classes; see `GraphModel`.
    weighting : {"hinge", "loss"}, default="hinge"
        What these factors multiply: the whole hinge of nodes of the class, or the loss there, which
        leaves faint rare classes untold whatever the factor; see `GraphModel`.
    ignore_label : label, default=None
        Nodes with this label in y are void: neither loss nor truth.
    inference_method : {"auto", "expansion", "relaxation"}, default="auto"
        How the labels that training competes with are found. "auto": by exact cuts for two classes
        and Potts scores, by expansion for more classes, with tables by roof duality (two classes)
        or a relaxation; by expansion, with a warning, where n_edges * n_classes ** 2 of a graph is
        above 2**20, which is too large for a relaxation. See `GraphModel`.
    relaxation_tol : float, default=1e-3
        What a relaxation may miss, as a share of the greatest loss; see `GraphModel`.
    warm_inference : "auto", bool or int, default="auto"
        Start each cut in training from the flow of the last one; see `GraphModel`.
    solver, tol, max_iter, n_jobs, random_state, verbose, warm_start,
    prior_weights, fixed_weights, callbacks
        See `StructSVM`; solvers "perceptron" and "passive_aggressive" need ``pairwise="table"``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
    node_coef_ : ndarray of shape (n_features, n_classes)
    edge_coef_ : ndarray of shape (n_edge_features,), or (n_edge_features, n_classes, n_classes)
    intercept_ : ndarray of shape (n_classes,)
    edge_intercept_ : ndarray of shape (), or (n_classes, n_classes)
        Views of `coef_`, like those above; zeros for what is switched off.
    coef_, model_, objective_, dual_objective_, dual_gap_, certified_
        See `StructSVM`. With more than two classes `certified_` is False and the gap an estimate:
        expansions may miss the best labels, a relaxation answers for more than labels. With two
        classes and tables it is True where every answer in training was labels.
    n_iter_, n_oracle_calls_, history_, validation_score_
        See `StructSVM`.

    Notes
    -----
    X is a list of graphs: tuples (features, edges) or (features, edges, edge features), pairs of
    features and a scipy sparse adjacency matrix, or networkx graphs; see
    `structsvm.graphs.as_graph`, which also takes region adjacency graphs of scikit-image
    (``node_attribute="mean color"``). With ``pairwise="potts"`` edge features say how alike the
    ends are: distances are of no use there. Features should be of order 1. y is a list of arrays of
    node labels: integers, truth values or strings. Memory beside the data is 80 bytes a node and 52
    an edge of the largest graph for each thread, and the flows kept.

    References
    ----------
    M. Szummer, P. Kohli, D. Hoiem (2008). Learning CRFs using graph cuts. ECCV.
    doi:10.1007/978-3-540-88688-4_43
    D. Anguelov et al. (2005). Discriminative learning of Markov random fields for segmentation of
    3D scan data. CVPR. doi:10.1109/CVPR.2005.133

    Examples
    --------
    >>> from structsvm import GraphSVM
    >>> chain = [[0, 1], [1, 2], [2, 3]]
    >>> X = [([[1.0], [0.8], [-0.1], [0.9]], chain), ([[-1.0], [-0.7], [0.2], [-0.9]], chain)]
    >>> y = [["on", "on", "on", "on"], ["off", "off", "off", "off"]]
    >>> svm = GraphSVM(C=10, random_state=0).fit(X, y)
    >>> [" ".join(labels) for labels in svm.predict(X)]
    ['on on on on', 'off off off off']
    >>> bool(svm.edge_intercept_ > 0)
    True
    """

    def __init__(
        self,
        *,
        C: float | str = "scale",
        scale: str | None = "auto",
        loss: str | HammingLoss = "normalized_hamming",
        pairwise: str | Sequence[str] = "potts",
        fit_intercept: bool = True,
        edge_intercept: bool = True,
        class_weight: str | Mapping[Any, float] | None = None,
        weighting: str = "hinge",
        ignore_label: Any = None,
        inference_method: str = "auto",
        relaxation_tol: float = 1e-3,
        warm_inference: str | bool | int = "auto",
        solver: str | Solver = "bcfw",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        prior_weights: ArrayLike | None = None,
        fixed_weights: ArrayLike | None = None,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        self.C = C
        self.scale = scale
        self.loss = loss
        self.pairwise = pairwise
        self.fit_intercept = fit_intercept
        self.edge_intercept = edge_intercept
        self.class_weight = class_weight
        self.weighting = weighting
        self.ignore_label = ignore_label
        self.inference_method = inference_method
        self.relaxation_tol = relaxation_tol
        self.warm_inference = warm_inference
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.prior_weights = prior_weights
        self.fixed_weights = fixed_weights
        self.callbacks = callbacks

    rescaling = "margin"

    def _make_model(self) -> GraphModel:
        return GraphModel(
            clone(self.loss, safe=False),
            pairwise=self.pairwise,
            fit_intercept=self.fit_intercept,
            edge_intercept=self.edge_intercept,
            class_weight=self.class_weight,
            weighting=self.weighting,
            ignore_label=self.ignore_label,
            inference_method=self.inference_method,
            relaxation_tol=self.relaxation_tol,
            warm_inference=self.warm_inference,
        )

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        node_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train on graphs X with node labels y.

        Parameters
        ----------
        X : list of graphs
        y : list of arrays of shape (n_nodes,)
        sample_weight : array-like of shape (n_graphs,), default=None
            Factor of each graph's hinge, >= 0.
        node_weight : list of arrays of shape (n_nodes,), default=None
            Factor of the task loss at each node, >= 0.
        X_val, y_val, resume_from
            See `StructSVM.fit`.

        Returns
        -------
        self
        """
        examples = self._examples(X, y, sample_weight, node_weight)
        self._fit(examples, self._validation(X_val, y_val), resume_from)
        return self


class GridSVM(_NodeLabelSVM):
    r"""Structured SVM for the pixels of images, with exact cuts for two labels.

    Minimises 1/2 |w|^2 + C sum of hinges over the weights of a `GridModel`: of pixel features for
    each label, and of edge features for neighbours that agree (kept >= 0) or for pairs of labels.

    Parameters
    ----------
    C : float or "scale", default="scale"
        Weight of the hinges against the norm. "scale" follows the data: see Notes of `StructSVM`.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, see `StructSVM`.
    loss : {"normalized_hamming", "hamming"} or HammingLoss, default="normalized_hamming"
        The share of wrong pixels of an image, or their number; see `GraphModel`.
    connectivity : {4, 8}, default=8
        Neighbours of a pixel.
    contrast : bool or sequence of float, default=True
        Neighbours of like features like to agree more; see `GridModel`.
    contrast_channels : "auto" or sequence of int, default="auto"
        Which features the contrast is of: "auto" is the first three, where
        `structsvm.vision.pixel_features` has the colours; None is all.
    directions : bool, default=False
        Edge weights of their own for each direction.
    pairwise : {"potts", "table", "symmetric", "antisymmetric"} or list, default="potts"
        Scores of agreement, or of each pair of labels; see `GraphModel`.
    fit_intercept, edge_intercept : bool, default=True
        Constant features of pixels, of edges.
    class_weight : "auto", "jaccard", "balanced" or dict, default="auto"
        Factor of each class: "jaccard" is for the Jaccard index (intersection over union) of each
        class, "auto" the same where there are two classes, "balanced" for classes that weigh the
        same; see `GraphModel`. None, for the share of pixels labelled rightly, may leave a rare
        class out altogether.
    weighting : {"hinge", "loss"}, default="hinge"
        What these factors multiply: the whole hinge of pixels of the class, or the loss there,
        which leaves faint rare classes untold whatever the factor; see `GraphModel`.
    ignore_label : label, default=None
        Pixels with this label in y are void: neither loss nor truth.
    inference_method : {"auto", "expansion", "relaxation"}, default="auto"
        How the labels that training competes with are found. "auto": by exact cuts for two classes
        and Potts scores, by expansion for more classes, with tables by roof duality (two classes)
        or a relaxation; by expansion, with a warning, where n_edges * n_classes ** 2 of a graph is
        above 2**20, which is too large for a relaxation. See `GraphModel`.
    relaxation_tol : float, default=1e-3
        What a relaxation may miss, as a share of the greatest loss; see `GraphModel`.
    warm_inference : "auto", bool or int, default="auto"
        Start each cut in training from the flow of the last one; see `GraphModel`.
    tol : float, default=None
        See `StructSVM`; None is 1e-2 for solvers with a dual.
    solver, max_iter, n_jobs, random_state, verbose, warm_start,
    prior_weights, fixed_weights, callbacks
        See `StructSVM`; solvers "perceptron" and "passive_aggressive" need ``pairwise="table"``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
    node_coef_ : ndarray of shape (n_features, n_classes)
    edge_coef_ : ndarray of shape (n_edge_features,), or (n_edge_features, n_classes, n_classes)
    intercept_ : ndarray of shape (n_classes,)
    edge_intercept_ : ndarray of shape (), or (n_classes, n_classes)
        Views of `coef_`, like those above; zeros for what is switched off. With `directions` the
        constants are the last of each direction's edge features.
    coef_, model_, objective_, dual_objective_, dual_gap_, certified_
        See `StructSVM`. With more than two classes `certified_` is False and the gap an estimate:
        expansions may miss the best labels, a relaxation answers for more than labels. With two
        classes and tables it is True where every answer in training was labels.
    n_iter_, n_oracle_calls_, history_, validation_score_
        See `StructSVM`.

    Notes
    -----
    X is a list of arrays of shape (height, width, n_features), of any sizes, float32 or float64 as
    they are; or of pairs with edge features of one's own, see `GridModel`. y is a list of arrays of
    shape (height, width): integers, truth values (which count as 0 and 1) or strings. `score` is
    the share of pixels labelled rightly; see `structsvm.metrics.jaccard` for intersection over
    union, and `structsvm.vision` for features.

    Under-generating inference (expansions find labellings, maybe not the best) makes hinges, and
    with them the gap, look smaller than they are. A plane once found is kept, and used where the
    oracle answers with a lower one. Over-generating inference (roof duality and "relaxation")
    minimises an upper bound on the true objective, and the gap is that of this bound, up to
    `relaxation_tol`. It takes longer, and learns better labels where expansions miss much.

    References
    ----------
    M. Szummer, P. Kohli, D. Hoiem (2008). Learning CRFs using graph cuts. ECCV.
    doi:10.1007/978-3-540-88688-4_43
    T. Finley, T. Joachims (2008). Training structural SVMs when exact inference is intractable.
    ICML. doi:10.1145/1390156.1390195

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import GridSVM
    >>> from structsvm.datasets import make_segmentation
    >>> blobs = make_segmentation(n_train=4, n_test=4, random_state=0)
    >>> svm = GridSVM(C=10, random_state=0).fit(blobs.X_train, blobs.y_train)
    >>> alone = GridSVM(C=10, contrast=False, edge_intercept=False, random_state=0)
    >>> alone = alone.fit(blobs.X_train, blobs.y_train)
    >>> svm.score(blobs.X_test, blobs.y_test) > alone.score(blobs.X_test, blobs.y_test)
    True
    """

    def __init__(
        self,
        *,
        C: float | str = "scale",
        scale: str | None = "auto",
        loss: str | HammingLoss = "normalized_hamming",
        connectivity: int = 8,
        contrast: bool | Sequence[float] = True,
        contrast_channels: str | Sequence[int] | None = "auto",
        directions: bool = False,
        pairwise: str | Sequence[str] = "potts",
        fit_intercept: bool = True,
        edge_intercept: bool = True,
        class_weight: str | Mapping[Any, float] | None = "auto",
        weighting: str = "hinge",
        ignore_label: Any = None,
        inference_method: str = "auto",
        relaxation_tol: float = 1e-3,
        warm_inference: str | bool | int = "auto",
        solver: str | Solver = "bcfw",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        prior_weights: ArrayLike | None = None,
        fixed_weights: ArrayLike | None = None,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        self.C = C
        self.scale = scale
        self.loss = loss
        self.connectivity = connectivity
        self.contrast = contrast
        self.contrast_channels = contrast_channels
        self.directions = directions
        self.pairwise = pairwise
        self.fit_intercept = fit_intercept
        self.edge_intercept = edge_intercept
        self.class_weight = class_weight
        self.weighting = weighting
        self.ignore_label = ignore_label
        self.inference_method = inference_method
        self.relaxation_tol = relaxation_tol
        self.warm_inference = warm_inference
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.prior_weights = prior_weights
        self.fixed_weights = fixed_weights
        self.callbacks = callbacks

    rescaling = "margin"

    def _make_model(self) -> GridModel:
        return GridModel(
            clone(self.loss, safe=False),
            connectivity=self.connectivity,
            contrast=self.contrast,
            contrast_channels=self.contrast_channels,
            directions=self.directions,
            pairwise=self.pairwise,
            fit_intercept=self.fit_intercept,
            edge_intercept=self.edge_intercept,
            class_weight=self.class_weight,
            weighting=self.weighting,
            ignore_label=self.ignore_label,
            inference_method=self.inference_method,
            relaxation_tol=self.relaxation_tol,
            warm_inference=self.warm_inference,
        )

    def _tolerance(self, solver: Solver) -> float | None:
        if self.tol is None and capabilities_of(solver).has_dual:
            return _DEFAULT_TOL
        return super()._tolerance(solver)

    def _examples(
        self, X: Any, y: Any, sample_weight: Any = None, pixel_weight: Any = None
    ) -> Examples:
        return super()._examples(X, y, sample_weight, pixel_weight)

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        pixel_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train on images X with label images y.

        Parameters
        ----------
        X : list of arrays of shape (height, width, n_features)
        y : list of arrays of shape (height, width)
        sample_weight : array-like of shape (n_images,), default=None
            Factor of each image's hinge, >= 0.
        pixel_weight : list of arrays of shape (height, width), default=None
            Factor of the task loss at each pixel, >= 0.
        X_val, y_val, resume_from
            See `StructSVM.fit`.

        Returns
        -------
        self
        """
        examples = self._examples(X, y, sample_weight, pixel_weight)
        self._fit(examples, self._validation(X_val, y_val), resume_from)
        return self
