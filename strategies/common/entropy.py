"""How sure distributions over classes are."""

import torch
from torch import Tensor


def entropy(probabilities: Tensor) -> Tensor:
    """Return the entropy of distributions (..., class) in nats: (...)."""
    parts: Tensor = torch.special.entr(probabilities)
    return parts.sum(-1)
