"""ArcFace: softmax cross-entropy on cosines with an angular margin.

Deng, Guo, Xue, Zafeiriou: "ArcFace: Additive Angular Margin Loss for Deep Face
Recognition", CVPR 2019, https://arxiv.org/abs/1801.07698.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

# Below this squared sine (angles within 0.06 degrees of 0 or 180) the sine is taken as
# constant: its slope grows without bound there, and float32 cosines have no more digits.
_SMALLEST_SQUARED_SINE = 1e-6


def add_margin(cosines: Tensor, margin: float, *, monotone: bool) -> Tensor:
    """Return cos(theta + margin) for cos(theta), finite with its gradient everywhere.

    The sum formula takes the place of an arc cosine, which is NaN where rounding pushes a
    cosine past 1 and has an infinite slope at 1.

    Parameters
    ----------
    cosines : Tensor
        Any shape; values in [-1, 1] up to rounding.
    margin : float
        Angle in radians, in [0, pi).
    monotone : bool
        Where theta + margin passes pi, the cosine would rise again; fall on linearly there
        instead, as ArcFace's authors do.
    """
    sines = (1 - cosines.square()).clamp_min(_SMALLEST_SQUARED_SINE).sqrt()
    shifted = cosines * math.cos(margin) - sines * math.sin(margin)
    if not monotone:
        return shifted
    past_pi = cosines <= -math.cos(margin)
    return torch.where(past_pi, cosines - margin * math.sin(margin), shifted)


def arcface_loss(
    cosines: Tensor, labels: Tensor, *, margin: float, scale: float, monotone: bool
) -> Tensor:
    """Return the mean cross-entropy of the scaled cosines, own class with its margin (L_A).

    Parameters
    ----------
    cosines : Tensor
        (batch, class) cosine between each sample and each class direction.
    labels : Tensor
        (batch,) int64 own class of each sample.
    margin : float
        Angle in radians added to the own class.
    scale : float
        Factor on all cosines.
    monotone : bool
        See :func:`add_margin`.

    Returns
    -------
    Tensor
        () loss.
    """
    own = labels[:, None]
    target = add_margin(cosines.gather(1, own), margin, monotone=monotone)
    return functional.cross_entropy(scale * cosines.scatter(1, own, target), labels)
