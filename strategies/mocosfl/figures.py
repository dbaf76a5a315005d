"""What a session came to, in numbers that are read from the device once at its end."""

from typing import final

import torch
from torch import Tensor

from strategies.mocosfl.contrast import Contrast

_NAMES = ("loss", "contrast_accuracy", "alignment")


@final
class Figures:
    """Sums over a session's steps.

    Parameters
    ----------
    device : torch.device
        Where the server computes.
    """

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(len(_NAMES), device=device)
        self._weight = 0.0
        self._norms = torch.zeros((), device=device)
        self._steps = 0

    def add(self, contrast: Contrast, share: float) -> None:
        """Take in one cohort's contrast.

        Parameters
        ----------
        contrast : Contrast
            Of the clients that arrived.
        share : float
            The cohort's part of the pool.
        """
        values = (contrast.loss.detach(), contrast.accuracy, contrast.alignment)
        self._sums += share * torch.stack(values)
        self._weight += share

    def finish_step(self, gradient_norm: Tensor) -> None:
        """Take in the length of a step's gradient, over all parameters of the server."""
        self._norms += gradient_norm
        self._steps += 1

    def means(self) -> dict[str, float]:
        """Return the means over the session; empty where no step took place.

        Returns
        -------
        dict[str, float]
            ``loss`` in nats, of both terms where the contrast is symmetric;
            ``contrast_accuracy`` and ``alignment`` as in :class:`Contrast`;
            ``gradient_norm`` of the server's part.
        """
        if not self._steps:
            return {}
        means = dict(zip(_NAMES, (self._sums / self._weight).tolist(), strict=True))
        return {**means, "gradient_norm": float(self._norms) / self._steps}


def spread(keys: Tensor) -> float:
    """Return how far keys spread over their space, 0 where all are alike, 1 at most.

    Parameters
    ----------
    keys : Tensor
        (keys, dim) of unit length; at least one.

    Notes
    -----
    The root of the variance summed over components: for unit vectors 1 - |mean|^2 is all
    of it. Chen and He (SimSiam, CVPR 2021) watch the same, component by component.
    """
    return float(keys.var(0, correction=0).sum().sqrt())
