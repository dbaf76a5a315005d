"""The simplex equiangular tight frame: fixed class directions, all equally far apart.

It takes the place of a trained classifier, so that the projected features of unlike models
live in one space. Nobody sends it: every client derives it from the run's seed.
"""

import math

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.errors import ModelError

# In double precision the error stays below 1e-13 for a thousand classes.
_GRAM_TOLERANCE = 1e-6


def check_num_classes(num_classes: int) -> None:
    """Refuse a task for which there is no frame.

    Raises
    ------
    ModelError
        If there are fewer than two classes.
    """
    if num_classes < 2:
        raise ModelError(
            f"fedktl: expected at least 2 classes, got {num_classes}; name data with more classes"
        )


def simplex_etf(num_classes: int, seed: int) -> Tensor:
    """Build the class directions V = sqrt(C / (C - 1)) U (I - 11' / C).

    U is a random orthogonal matrix, made unique by a positive diagonal of R in its QR
    decomposition, so that devices with another linear algebra library agree on it.

    Parameters
    ----------
    num_classes : int
        C, at least 2; also the width of a direction, since K = C.
    seed : int
        Root seed of the run.

    Returns
    -------
    Tensor
        (class, feature) float32; rows have unit length and pairwise cosine -1 / (C - 1).

    Raises
    ------
    ModelError
        If there are fewer than two classes, or this machine's linear algebra is broken.
    """
    check_num_classes(num_classes)
    shape = (num_classes, num_classes)
    random = torch.randn(shape, generator=seeds.generator(seed, "etf"), dtype=torch.float64)
    orthogonal, triangular = torch.linalg.qr(random)
    orthogonal = orthogonal * triangular.diagonal().sign()
    identity = torch.eye(num_classes, dtype=torch.float64)
    gram = (num_classes * identity - 1) / (num_classes - 1)
    centred = orthogonal @ (identity - 1 / num_classes)
    frame = math.sqrt(num_classes / (num_classes - 1)) * centred
    error = (frame.T @ frame - gram).abs().max().item()
    if not error < _GRAM_TOLERANCE:
        raise ModelError(
            f"fedktl: expected class directions with pairwise cosine -1 / {num_classes - 1}, got "
            f"an error of {error}; torch's QR decomposition does not work on this machine"
        )
    directions: Tensor = frame.T.float().contiguous()
    return directions
