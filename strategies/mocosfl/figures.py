"""What a session came to, in numbers, and whether the contrast collapsed, in words.

A network that maps every image to one point cannot tell keys apart: the loss stands at its
value for guessing. In the authors' logs of pretraining 9 of 25 runs end so, some with all
queries right by a hair and a loss that is nearly as high.
"""

import math
from collections.abc import Mapping
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


_GUESSING = 0.995
_RARELY = 0.01
_HIGH = 0.75
_ALWAYS = 0.99
_POINT = 0.05

_ADVICE = (
    "lower mocosfl.learning-rate, raise mocosfl.warmup-steps, the batch or the pool, or, with a "
    "deep cut, set mocosfl.average-momentum; then start anew"
)


def collapse_notes(numbers: Mapping[str, float], memory_size: int, terms: int) -> tuple[str, ...]:
    """Say what is wrong with a session, if anything is.

    Parameters
    ----------
    numbers : Mapping[str, float]
        ``loss``, ``contrast_accuracy`` and ``key_spread`` of the session.
    memory_size : int
        Keys that each query was told from (K).
    terms : int
        Terms of the loss: 2 where it is symmetric.
    """
    if not numbers:
        return ()
    loss, accuracy = numbers["loss"], numbers["contrast_accuracy"]
    guessing = terms * math.log(memory_size + 1)
    told = f"the loss is {loss:.4g} of {guessing:.4g} for guessing"
    if numbers["key_spread"] < _POINT:
        return (
            f"mocosfl: collapsed: keys of all images lie within {numbers['key_spread']:.2g} of "
            f"one point (1 is all over the space), {told}; {_ADVICE}",
        )
    if loss > _GUESSING * guessing and accuracy < _RARELY:
        return (
            f"mocosfl: learns nothing: {told} and {100 * accuracy:.2g} % of queries find their "
            f"key; if later rounds say so too, it collapsed: {_ADVICE}",
        )
    if loss > _HIGH * guessing and accuracy > _ALWAYS:
        return (
            f"mocosfl: near collapse: {100 * accuracy:.3g} % of queries find their key, but by "
            f"a hair: {told}; {_ADVICE}",
        )
    return ()
