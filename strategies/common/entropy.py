"""How sure distributions over classes are, and how they are made surer (entropy reduction)."""

import torch
from torch import Tensor


def entropy(probabilities: Tensor) -> Tensor:
    """Return the entropy of distributions (..., class) in nats: (...)."""
    parts: Tensor = torch.special.entr(probabilities)
    return parts.sum(-1)


def sharpened(probabilities: Tensor, temperature: float) -> Tensor:
    """Return the softmax of probabilities over a temperature.

    ERA, eq. 13 of Itahara et al., IEEE TMC 2023, https://arxiv.org/abs/2008.06180. Two classes move
    apart where the logarithmic mean of their probabilities, (p - q) / ln(p / q), exceeds the
    temperature, and towards each other where it is below.

    Parameters
    ----------
    probabilities : Tensor
        (..., class), each row a distribution.
    temperature : float
        T, above 0. At 1 the result is flatter than what went in.

    Examples
    --------
    >>> sharpened(torch.tensor([0.6, 0.4]), 0.1)
    tensor([0.8808, 0.1192])
    """
    return (probabilities / temperature).softmax(-1)


def powered(probabilities: Tensor, power: float) -> Tensor:
    """Return probabilities raised to a power, normalised: surer for every power above 1.

    Parameters
    ----------
    probabilities : Tensor
        (..., class), each row a distribution.
    power : float
        beta of enhanced ERA (https://arxiv.org/abs/2504.19602), at least 1, which changes nothing.
    """
    raised: Tensor = probabilities**power
    sums = raised.sum(-1, keepdim=True)
    # Beside the largest, where powers are too small for a float.
    again = (probabilities / probabilities.amax(-1, keepdim=True)) ** power
    beside = again / again.sum(-1, keepdim=True)
    return torch.where(sums > torch.finfo(sums.dtype).tiny, raised / sums, beside)
