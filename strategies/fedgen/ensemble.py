"""What the heads of all clients say of features, and how far that is from what was asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor
from torch.nn import functional


@final
@dataclass(frozen=True)
class Heads:
    """The last layers of several models.

    Attributes
    ----------
    weight, bias : Tensor
        (client, class, width) and (client, class).
    """

    weight: Tensor
    bias: Tensor

    @staticmethod
    def of(parameters: Sequence[Tensor], num_classes: int, width: int) -> "Heads":
        """Read them from where models of features keep them: at the end of their parameters."""
        ends = torch.stack([own[-num_classes * (width + 1) :] for own in parameters])
        weight, bias = torch.split(ends, [num_classes * width, num_classes], dim=1)
        return Heads(weight.view(len(ends), num_classes, width), bias)

    def logits(self, features: Tensor) -> Tensor:
        """Return what each says of features (batch, width): (client, batch, class)."""
        return torch.einsum("kcw,bw->kbc", self.weight, features) + self.bias[:, None]


def label_weights(counts: Tensor, start: float) -> Tensor:
    """Return how far each client is heard on each label: columns that sum to one.

    Parameters
    ----------
    counts : Tensor
        (client, class) training samples.
    start : float
        What counts begin at: 1 in the authors' code. At 0, labels that nobody holds weigh nothing.
    """
    begun = counts + start
    return begun / begun.sum(0).clamp(min=torch.finfo(begun.dtype).tiny)


def ensemble_loss(
    mode: Literal["paper", "official"], logits: Tensor, labels: Tensor, weights: Tensor
) -> Tensor:
    """Return how far heads are from labels that were asked for.

    Parameters
    ----------
    mode : str
        ``"paper"``: cross-entropy of the mean logits (eq. 4). ``"official"``: the sum of each
        head's, as far as it is heard on the label, mean over the batch.
    logits : Tensor
        (client, batch, class).
    labels : Tensor
        (batch,) int64.
    weights : Tensor
        (client, class), of :func:`label_weights`.
    """
    if mode == "paper":
        return functional.cross_entropy(logits.mean(0), labels)
    each = torch.stack([functional.cross_entropy(own, labels, reduction="none") for own in logits])
    return (weights[:, labels] * each).sum(0).mean()
