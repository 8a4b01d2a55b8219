"""Photographs: features of pixels, contrasts of neighbours, superpixels and plots of labels.

Features and superpixels need scikit-image, ``pip install 'structured-svm[vision]'``; plots need
matplotlib, ``pip install 'structured-svm[plot]'``.
"""

from structsvm.vision.displays import PixelPrecisionRecallDisplay, PixelRocCurveDisplay
from structsvm.vision.features import FEATURE_GROUPS, feature_names, pixel_features
from structsvm.vision.neighbours import contrast
from structsvm.vision.plotting import plot_segmentation
from structsvm.vision.superpixels import EDGE_FEATURE_NAMES, SuperpixelGraph, superpixel_graph
from structsvm.vision.tiles import TiledLabels, predict_tiles
from structsvm.vision.transformer import PixelFeatures

__all__ = [
    "EDGE_FEATURE_NAMES",
    "FEATURE_GROUPS",
    "PixelFeatures",
    "PixelPrecisionRecallDisplay",
    "PixelRocCurveDisplay",
    "SuperpixelGraph",
    "TiledLabels",
    "contrast",
    "feature_names",
    "pixel_features",
    "plot_segmentation",
    "predict_tiles",
    "superpixel_graph",
]
