"""GraphSVM and GridSVM: labels of nodes and of pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from structsvm.data.labels import without_none
from structsvm.engines import Engine
from structsvm.estimators.index_weights import INDICES
from structsvm.estimators.latent import LatentSVM
from structsvm.estimators.node_labels import NodeLabelSVM
from structsvm.losses import HammingLoss
from structsvm.models import GraphModel, GridModel, VolumeModel
from structsvm.solvers import Progress, Solver, capabilities_of, make_solver
from structsvm.training.train import Examples

__all__ = ["GraphSVM", "GridSVM"]

_DEFAULT_TOL = 1e-2


class GraphSVM(NodeLabelSVM):
    r"""Structured SVM for the nodes of graphs, with exact cuts for two labels.

    Minimises ``1/2 |w|^2 + C sum of hinges`` over the weights of a `GraphModel`: of node features
    for each label, and of edge features for neighbours that agree (kept >= 0) or for pairs of
    labels.

    Parameters
    ----------
    C : float or "scale", default="scale"
        Weight of the hinges against the norm. "scale" follows the data: see Notes of `StructSVM`.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, see `StructSVM`.
    loss : str or HammingLoss, default="normalized_hamming"
        "normalized_hamming": the share of wrong nodes; "hamming": their number; see
        `GraphModel`. "jaccard" and "dice": see `GridSVM`.
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
        Nodes with this label in y, or None, are void: neither loss nor truth.
    classes : list of labels, default=None
        All labels there may be, whether y has them or not; None: those in y. A label without
        examples has the weights that the others leave to it.
    inference_method : {"auto", "expansion", "relaxation"}, default="auto"
        How the labels that training competes with are found. "auto": by exact cuts for two classes
        and Potts scores, exactly in graphs without cycles; else by expansion for more classes, with
        tables by roof duality (two classes) or a relaxation; by expansion, with a warning, where
        n_edges * n_classes ** 2 of a graph is above 2**20, which is too large for a relaxation. See
        `GraphModel`.
    relaxation_tol : float, default=1e-3
        What a relaxation may miss, as a share of the greatest loss; see `GraphModel`.
    warm_inference : "auto", bool or int, default="auto"
        Start each cut in training from the flow of the last one; see `GraphModel`.
    solver, tol, max_iter, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
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
        See `StructSVM`. With more than two classes and a graph with a cycle `certified_` is False
        and the gap an estimate: expansions may miss the best labels, a relaxation answers for more
        than labels. With two classes and tables it is True where every answer in training was
        labels.
    n_iter_, n_oracle_calls_, history_, validation_score_
        See `StructSVM`.
    index_path_ : dict of ndarray
        With ``loss="jaccard"`` or "dice": each "power" that was tried, its "class_weight" (n_tried,
        n_classes), its "score" on held-out examples, whether it was "chosen", and the "classes".

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
        classes: Sequence[Any] | None = None,
        inference_method: str = "auto",
        relaxation_tol: float = 1e-3,
        warm_inference: str | bool | int = "auto",
        solver: str | Solver = "bcfw",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        engine: Engine | None = None,
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
        self.classes = classes
        self.inference_method = inference_method
        self.relaxation_tol = relaxation_tol
        self.warm_inference = warm_inference
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.prior_weights = prior_weights
        self.fixed_weights = fixed_weights
        self.callbacks = callbacks

    rescaling = "margin"

    def _make_model(self) -> GraphModel:
        return GraphModel(
            self._part_loss(),
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
        if isinstance(self.loss, str) and self.loss in INDICES:
            _refuse_resuming(resume_from)
            params = {"sample_weight": sample_weight, "node_weight": node_weight}
            return self._fit_index(X, y, X_val, y_val, params)
        examples = self._examples(X, y, sample_weight, node_weight)
        self._fit(examples, self._validation(X_val, y_val), resume_from)
        return self


class GridSVM(NodeLabelSVM):
    r"""Structured SVM for the pixels of images, with exact cuts for two labels.

    Minimises ``1/2 |w|^2 + C sum of hinges`` over the weights of a `GridModel`: of pixel features
    for each label, and of edge features for neighbours that agree (kept >= 0) or for pairs of
    labels.

    Parameters
    ----------
    C : float or "scale", default="scale"
        Weight of the hinges against the norm. "scale" follows the data: see Notes of `StructSVM`.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, see `StructSVM`.
    loss : str or HammingLoss, default="normalized_hamming"
        "normalized_hamming": the share of wrong pixels of an image; "hamming": their number; see
        `GraphModel`. "jaccard" and "dice" are for one minus the index of overlap of
        `structsvm.metrics`, of the rarer of two classes or in the mean over more. A cut cannot
        count pixels, so what is minimised and certified is the share of wrong pixels with weights
        of classes: to first order, both indices J and 2J / (1 + J) lose as much by one pixel that
        is missed as by 1 / J false ones, as ``class_weight="jaccard"`` has it. Beside these weights
        their powers .5 and 1.5, and further ones where the index still rises, are tried on a third
        of the images, held out by a fixed seed, or on X_val where it is given. One that is better
        by more than a standard error is taken; see `index_path_`. It takes three to four times as
        long. With fewer than 15 images nothing is held out, and the power is 1.
    connectivity : {4, 8, 6, 18, 26}, default=8
        Neighbours of a pixel in an image, 4 or 8, or of a voxel in a volume, 6, 18 or 26: those
        that share a face, or an edge, too, or a corner. Volumes are arrays of shape (depth, height,
        width, n_features), such as stacks of slices; see `VolumeModel`.
    spacing : tuple of three float, default=None
        For volumes: distances of the centres of neighbours along depth, height and width, in any
        unit, such as (2.5, 1, 1) for thick slices. Contrasts are divided by distances.
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
        Pixels with this label in y, or None, are void: neither loss nor truth.
    unlabelled : {"auto", "void", "hidden"}, default="auto"
        What void pixels are in training. "void": they and their edges are left out, and the fit is
        certified. "hidden": they have labels that are not known, which training completes in
        rounds, as `LatentSVM` does; the end is a local optimum without certificate. "auto" is
        "hidden" for scribbles, else "void": where more than half of the pixels are void and at most
        one in a hundred pairs of known neighbours differ, pairs say nothing of borders, and the
        weights of agreement that they ask for smooth regions away.
    classes : list of labels, default=None
        All labels there may be, whether y has them or not; None: those in y. A label without
        examples has the weights that the others leave to it.
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
    solver, max_iter, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
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
    index_path_ : dict of ndarray
        With ``loss="jaccard"`` or "dice": each "power" that was tried, its "class_weight" (n_tried,
        n_classes), its "score" on held-out examples, whether it was "chosen", and the "classes".

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
        spacing: Sequence[float] | None = None,
        contrast: bool | Sequence[float] = True,
        contrast_channels: str | Sequence[int] | None = "auto",
        directions: bool = False,
        pairwise: str | Sequence[str] = "potts",
        fit_intercept: bool = True,
        edge_intercept: bool = True,
        class_weight: str | Mapping[Any, float] | None = "auto",
        weighting: str = "hinge",
        ignore_label: Any = None,
        unlabelled: str = "auto",
        classes: Sequence[Any] | None = None,
        inference_method: str = "auto",
        relaxation_tol: float = 1e-3,
        warm_inference: str | bool | int = "auto",
        solver: str | Solver = "bcfw",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        engine: Engine | None = None,
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
        self.spacing = spacing
        self.contrast = contrast
        self.contrast_channels = contrast_channels
        self.directions = directions
        self.pairwise = pairwise
        self.fit_intercept = fit_intercept
        self.edge_intercept = edge_intercept
        self.class_weight = class_weight
        self.weighting = weighting
        self.ignore_label = ignore_label
        self.unlabelled = unlabelled
        self.classes = classes
        self.inference_method = inference_method
        self.relaxation_tol = relaxation_tol
        self.warm_inference = warm_inference
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.prior_weights = prior_weights
        self.fixed_weights = fixed_weights
        self.callbacks = callbacks

    rescaling = "margin"

    def _make_model(self) -> GridModel:
        common = {
            "connectivity": self.connectivity,
            "contrast": self.contrast,
            "contrast_channels": self.contrast_channels,
            "directions": self.directions,
            "pairwise": self.pairwise,
            "fit_intercept": self.fit_intercept,
            "edge_intercept": self.edge_intercept,
            "class_weight": self.class_weight,
            "weighting": self.weighting,
            "ignore_label": self.ignore_label,
            "inference_method": self.inference_method,
            "relaxation_tol": self.relaxation_tol,
            "warm_inference": self.warm_inference,
        }
        loss = self._part_loss()
        if self.connectivity in (6, 18, 26):
            return VolumeModel(loss, spacing=self.spacing, **common)
        if self.spacing is not None:
            raise ValueError(
                f"spacing={self.spacing!r} is for volumes: connectivity is {self.connectivity!r}, "
                "expected 6, 18 or 26"
            )
        return GridModel(loss, **common)

    def pixel_scores(self, X: Any, *, exact: bool = False) -> list[NDArray[np.float64]]:
        """How much better each label is than the other one at each pixel, neighbours considered.

        The same as `node_scores`, which tells more.

        Parameters
        ----------
        X : list of arrays of shape (height, width, n_features)
        exact : bool, default=False
            Whether to compute exact max-marginal differences: some 20 to 200 microseconds a pixel.

        Returns
        -------
        scores : list of arrays of shape (height, width)
            Of ``classes_[1]`` against ``classes_[0]``, with the sign of `predict`; with more than
            two classes of shape (height, width, n_classes).

        Examples
        --------
        >>> from structsvm import GridSVM
        >>> from structsvm.datasets import make_segmentation
        >>> blobs = make_segmentation(n_train=4, n_test=1, random_state=0)
        >>> svm = GridSVM(random_state=0).fit(blobs.X_train, blobs.y_train)
        >>> [scores] = svm.pixel_scores(blobs.X_test, exact=True)
        >>> [labels] = svm.predict(blobs.X_test)
        >>> bool(((scores > 0) == labels).all())
        True
        """
        return self.node_scores(X, exact=exact)

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
            See `StructSVM.fit`; where void pixels are completed, `LatentSVM.fit`.

        Returns
        -------
        self
        """
        if isinstance(self.loss, str) and self.loss in INDICES:
            _refuse_resuming(resume_from)
            params = {"sample_weight": sample_weight, "pixel_weight": pixel_weight}
            return self._fit_index(X, y, X_val, y_val, params)
        examples = self._examples(X, y, sample_weight, pixel_weight)
        if self._completes(examples.y, X_val):
            self._fit_hidden(examples, resume_from)
        else:
            self._fit(examples, self._validation(X_val, y_val), resume_from)
        return self

    def _completes(self, y: Any, X_val: Any) -> bool:
        """Whether void pixels are hidden ones."""
        if self.unlabelled not in ("auto", "void", "hidden"):
            raise ValueError(f"unlabelled={self.unlabelled!r}: expected 'auto', 'void' or 'hidden'")
        if self.unlabelled == "void" or (self.ignore_label is None and not _has_none(y)):
            return False
        if self.unlabelled == "hidden":
            if X_val is not None:
                raise ValueError("unlabelled='hidden' takes no X_val: score the fitted estimator")
            if self.C == "auto":
                raise ValueError("unlabelled='hidden' takes no C='auto': give a number or 'scale'")
            return True
        dual = capabilities_of(make_solver(clone(self.solver, safe=False))).has_dual
        simple = self.prior_weights is None and self.fixed_weights is None
        plain = X_val is None and self.C != "auto" and not self.warm_start
        return dual and simple and plain and _is_scribbled(y, self.ignore_label)

    def _fit_hidden(self, examples: Examples, resume_from: str | os.PathLike[str] | None) -> None:
        """Train by completions, and be as if trained on them."""
        if self.engine is not None:
            raise ValueError(
                "labels that are hidden are completed in this process: leave engine out, or train "
                "on what is known with unlabelled='void'"
            )
        model = self._make_model().set_params(weighting="loss")
        names = ("C", "scale", "solver", "tol", "max_iter", "n_jobs", "random_state", "verbose")
        shared = {name: getattr(self, name) for name in (*names, "callbacks")}
        latent = LatentSVM(model, **shared)
        if self.tol is None:
            latent.tol = _DEFAULT_TOL
        try:
            latent._fit_latent(examples, resume_from)
        finally:
            if latent.__sklearn_is_fitted__():
                self.__dict__.pop("path_", None)
                self.__dict__.pop("calibration_", None)
                fitted = {name: value for name, value in vars(latent).items() if name[-1] == "_"}
                self.__dict__.update(fitted)
                # Factors of whole hinges are for labels that are known; predictions have none.
                self.model_.weighting = self.weighting
                self._n_examples, self._online, self._warm = latent._n_examples, None, None
                self._given = latent._given


def _listed(y: Any) -> list[Any]:
    zero = isinstance(y, np.ndarray) and not y.ndim
    return list(y) if isinstance(y, (list, tuple, np.ndarray)) and not zero else []


def _has_none(y: Any) -> bool:
    """Whether a label is None. What is no list of label images is left to training, which tells."""
    items = _listed(y)
    try:
        return without_none(items)[1] is not None
    except ValueError:
        return False


def _is_scribbled(y: Any, void: Any) -> bool:
    """Whether most pixels are void, and known neighbours hardly ever differ. What is no list of
    label images is left to training, which tells."""
    n_void = n_pixels = n_pairs = n_differ = 0
    items = _listed(y)
    try:
        items, masks = without_none(items)
        rows = [np.array(np.asarray(item).tolist()) if masks else np.asarray(item)
                for item in items]  # fmt: skip
    except ValueError:
        return False
    for i, labels in enumerate(rows):
        if labels.dtype.kind not in "iubU":
            return False
        known = (
            np.ones(labels.shape, bool)
            if void is None
            else np.broadcast_to(labels != void, labels.shape)
        )
        if masks is not None and (mask := masks[i]) is not None:
            known = known & ~mask
        n_void, n_pixels = n_void + int((~known).sum()), n_pixels + labels.size
        for axis in range(labels.ndim):
            first, second = (
                tuple(slice(a, b) if k == axis else slice(None) for k in range(labels.ndim))
                for a, b in ((0, -1), (1, None))
            )
            both = known[first] & known[second]
            n_pairs += int(both.sum())
            n_differ += int((both & (labels[first] != labels[second])).sum())
    return 2 * n_void > n_pixels and n_differ <= n_pairs // 100


def _refuse_resuming(resume_from: Any) -> None:
    if resume_from is not None:
        raise ValueError(
            "resume_from is not for losses that are an index, which take several fits: give the "
            "weights that index_path_ shows as class_weight, and loss='normalized_hamming'"
        )
