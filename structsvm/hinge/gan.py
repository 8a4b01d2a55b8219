r"""Hinges of generative adversarial networks, of the discriminator's raw scores.

Sources: J. H. Lim, J. C. Ye (2017). Geometric GAN. arXiv:1705.02894. T. Miyato, T. Kataoka,
M. Koyama, Y. Yoshida (2018). Spectral normalization for generative adversarial networks. ICLR.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from structsvm.hinge._reduction import check_array, reduced

__all__ = ["discriminator_hinge", "generator_hinge"]


def discriminator_hinge(
    real: ArrayLike, fake: ArrayLike, *, reduction: str = "mean", with_gradient: bool = False
) -> Any:
    r"""The discriminator's hinge: :math:`\max(0, 1 - D(x)) + \max(0, 1 + D(G(z)))`.

    Parameters
    ----------
    real, fake : array-likes of any shape
        Scores of real and of generated samples; their numbers may differ.
    reduction : {"mean", "sum", "none"}
        "mean" adds the mean over real to the mean over fake samples; "none" gives both arrays.
    with_gradient : bool, default=False
        Return ``(value, (by real, by fake))``.

    Examples
    --------
    >>> from structsvm.hinge import discriminator_hinge
    >>> float(discriminator_hinge([2.0, 0.0], [-0.5]))
    1.0
    """
    real, fake = check_array("real", real), check_array("fake", fake)
    real_pair, fake_pair = (
        reduced(np.maximum(1 - real, 0), (-(real < 1).astype(real.dtype),), reduction, True),
        reduced(np.maximum(1 + fake, 0), ((fake > -1).astype(fake.dtype),), reduction, True),
    )
    (real_value, real_gradient), (fake_value, fake_gradient) = real_pair, fake_pair
    value = (real_value, fake_value) if reduction == "none" else real_value + fake_value
    return (value, (real_gradient, fake_gradient)) if with_gradient else value


def generator_hinge(
    fake: ArrayLike, *, reduction: str = "mean", with_gradient: bool = False
) -> Any:
    r"""What the generator minimises: :math:`-D(G(z))`.

    Parameters
    ----------
    fake : array-like of any shape
        Scores of generated samples.
    reduction : {"mean", "sum", "none"}
    with_gradient : bool, default=False

    Examples
    --------
    >>> from structsvm.hinge import generator_hinge
    >>> float(generator_hinge([1.0, -3.0]))
    1.0
    """
    fake = check_array("fake", fake)
    return reduced(-fake, (-np.ones_like(fake),), reduction, with_gradient)
