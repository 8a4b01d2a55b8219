"""The family of hinges, as functions with values and subgradients.

Binary, of scores and labels -1 / +1: `hinge`, `squared_hinge`, `smoothed_hinge`, `huberized_hinge`,
`modified_huber`, `softplus_hinge`, `perceptron`. Multiclass: `crammer_singer`, `weston_watkins`,
`lee_lin_wahba`. Orders and distances: `pairwise_hinge`, `margin_ranking`, `triplet`,
`hinge_embedding`. Adversarial: `discriminator_hinge`, `generator_hinge`. And `structured_hinge`, of
any model.

Each takes ``reduction`` ("mean", "sum" or "none") and ``with_gradient``, and computes in the type
of its input, float32 or float64.
"""

from structsvm.hinge.binary import (
    hinge,
    huberized_hinge,
    modified_huber,
    perceptron,
    smoothed_hinge,
    softplus_hinge,
    squared_hinge,
)
from structsvm.hinge.gan import discriminator_hinge, generator_hinge
from structsvm.hinge.multiclass import crammer_singer, lee_lin_wahba, weston_watkins
from structsvm.hinge.ranking import hinge_embedding, margin_ranking, pairwise_hinge, triplet
from structsvm.hinge.structured import structured_hinge

__all__ = [
    "crammer_singer",
    "discriminator_hinge",
    "generator_hinge",
    "hinge",
    "hinge_embedding",
    "huberized_hinge",
    "lee_lin_wahba",
    "margin_ranking",
    "modified_huber",
    "pairwise_hinge",
    "perceptron",
    "smoothed_hinge",
    "softplus_hinge",
    "squared_hinge",
    "structured_hinge",
    "triplet",
    "weston_watkins",
]
