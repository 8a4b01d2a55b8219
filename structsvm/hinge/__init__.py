"""The family of hinges, as functions with values and subgradients.

Binary, of scores and labels -1 / +1: `hinge`, `squared_hinge`, `smoothed_hinge`, `huberized_hinge`,
`modified_huber`, `softplus_hinge`, `perceptron`; and what they are compared with: `logistic`,
`exponential`, `savage`, `squared`. Multiclass: `crammer_singer`, `weston_watkins`, `lee_lin_wahba`,
`one_vs_all`, `categorical_hinge`, `carlini_wagner`; beside them `cross_entropy`. Orders and
distances: `pairwise_hinge`, `margin_ranking`, `triplet`, `hinge_embedding`, `n_pair`,
`lifted_structure`. Adversarial: `discriminator_hinge`, `generator_hinge`. And `structured_hinge`,
of any model.

Each takes ``reduction`` ("mean", "sum" or "none") and ``with_gradient``, all but the adversarial
ones ``sample_weight``, and computes in the type of its input, float32 or float64.
"""

from structsvm.hinge.binary import (
    exponential,
    hinge,
    huberized_hinge,
    logistic,
    modified_huber,
    perceptron,
    savage,
    smoothed_hinge,
    softplus_hinge,
    squared,
    squared_hinge,
)
from structsvm.hinge.gan import discriminator_hinge, generator_hinge
from structsvm.hinge.multiclass import (
    carlini_wagner,
    categorical_hinge,
    crammer_singer,
    cross_entropy,
    lee_lin_wahba,
    one_vs_all,
    weston_watkins,
)
from structsvm.hinge.ranking import (
    hinge_embedding,
    lifted_structure,
    margin_ranking,
    n_pair,
    pairwise_hinge,
    triplet,
)
from structsvm.hinge.structured import structured_hinge

__all__ = [
    "carlini_wagner",
    "categorical_hinge",
    "crammer_singer",
    "cross_entropy",
    "discriminator_hinge",
    "exponential",
    "generator_hinge",
    "hinge",
    "hinge_embedding",
    "huberized_hinge",
    "lee_lin_wahba",
    "lifted_structure",
    "logistic",
    "margin_ranking",
    "modified_huber",
    "n_pair",
    "one_vs_all",
    "pairwise_hinge",
    "perceptron",
    "savage",
    "smoothed_hinge",
    "softplus_hinge",
    "squared",
    "squared_hinge",
    "structured_hinge",
    "triplet",
    "weston_watkins",
]
