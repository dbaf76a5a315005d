"""What the heads of all clients say of features, and how far that is from what was asked."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def head_logits(heads: Tensor, features: Tensor) -> Tensor:
    """Return what heads say of features (batch, width): (client, batch, class).

    Heads are (client, class * (width + 1)), weights by class and then biases.
    """
    width = features.shape[1]
    classes = heads.shape[1] // (width + 1)
    weights, biases = torch.split(heads, [classes * width, classes], dim=1)
    said: Tensor = torch.einsum("kcw,bw->kbc", weights.view(len(heads), classes, width), features)
    return said + biases[:, None]


def ensemble_loss(
    mode: Literal["paper", "official"], logits: Tensor, labels: Tensor, counts: Tensor
) -> Tensor:
    """Return how far logits (client, batch, class) are from labels (batch,) asked for: ().

    ``"paper"``: cross-entropy of the mean logits (eq. 4). ``"official"``: the sum of each head's,
    mean over the batch, as far as its client holds the label: of counts (client, class), begun at
    1 as in the authors' code, so that who holds none is heard a little.
    """
    if mode == "paper":
        return functional.cross_entropy(logits.mean(0), labels)
    heard = (counts + 1) / (counts + 1).sum(0)
    each = torch.stack([functional.cross_entropy(own, labels, reduction="none") for own in logits])
    return (heard[:, labels] * each).sum(0).mean()
