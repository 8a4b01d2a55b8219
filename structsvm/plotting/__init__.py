"""Pictures of fits and of what they learnt, as scikit-learn draws its own: displays.

Each display has ``from_estimator``, which computes and draws; its attributes hold what is drawn,
and ``plot(ax=...)`` draws it again. They need matplotlib, ``pip install 'structured-svm[plot]'``,
which is imported when something is drawn.
"""

from structsvm.plotting.confusion import LabelConfusionDisplay
from structsvm.plotting.convergence import ConvergenceDisplay
from structsvm.plotting.hinges import HingesDisplay
from structsvm.plotting.path import PathDisplay
from structsvm.plotting.pixels import PixelPrecisionRecallDisplay, PixelRocCurveDisplay
from structsvm.plotting.reliability import ReliabilityDisplay
from structsvm.plotting.segmentation import SegmentationDisplay
from structsvm.plotting.weights import TransitionsDisplay, WeightsDisplay

__all__ = [
    "ConvergenceDisplay",
    "HingesDisplay",
    "LabelConfusionDisplay",
    "PathDisplay",
    "PixelPrecisionRecallDisplay",
    "PixelRocCurveDisplay",
    "ReliabilityDisplay",
    "SegmentationDisplay",
    "TransitionsDisplay",
    "WeightsDisplay",
]
