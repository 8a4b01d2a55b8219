"""Photographs: features of pixels, contrasts of neighbours, superpixels and tiles.

Features and superpixels need scikit-image, ``pip install 'structured-svm[vision]'``. Pictures of
labels are in `structsvm.plotting`.
"""

from structsvm.vision.features import FEATURE_GROUPS, feature_names, pixel_features
from structsvm.vision.neighbours import contrast
from structsvm.vision.superpixels import EDGE_FEATURE_NAMES, SuperpixelGraph, superpixel_graph
from structsvm.vision.tiles import TiledLabels, predict_tiles
from structsvm.vision.transformer import PixelFeatures

__all__ = [
    "EDGE_FEATURE_NAMES",
    "FEATURE_GROUPS",
    "PixelFeatures",
    "SuperpixelGraph",
    "TiledLabels",
    "contrast",
    "feature_names",
    "pixel_features",
    "predict_tiles",
    "superpixel_graph",
]
