"""Soft labels: their means on a device, and the teacher that leaves one device out.

Pure functions on tensors. A soft label is a distribution over classes (softmax at
temperature 1), never a logit: only distributions bound the distillation loss from below.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional


def soft_labels(logits: Tensor) -> Tensor:
    """Return the distributions of a batch, (batch, class) float64, without gradient.

    Parameters
    ----------
    logits : Tensor
        (batch, class).
    """
    return logits.detach().double().softmax(1)


@final
@dataclass(frozen=True)
class Pool:
    """What all devices of a round uploaded, label by label.

    Attributes
    ----------
    sums : Tensor
        (class, class) float64; row l adds the soft labels of all holders of label l.
    holders : Tensor
        (class,) int64; devices that hold a label.
    """

    sums: Tensor
    holders: Tensor

    @staticmethod
    def of(tables: Tensor, present: Tensor) -> "Pool":
        """Add up the tables of all devices.

        Parameters
        ----------
        tables : Tensor
            (client, class, class); one row per label.
        present : Tensor
            (client, class) bool; rows of labels that a device does not hold are not read.
        """
        held = tables.double().masked_fill(~present[:, :, None], 0.0)
        return Pool(held.sum(0), present.sum(0))

    def without(self, table: Tensor, present: Tensor) -> "Pool":
        """Return the pool of all devices but one.

        Parameters
        ----------
        table : Tensor
            (class, class); what that device uploaded.
        present : Tensor
            (class,) bool; which labels it holds.
        """
        own = table.double().masked_fill(~present[:, None], 0.0)
        return Pool(self.sums - own, self.holders - present.long())

    def means(self) -> tuple[Tensor, Tensor]:
        """Return the mean over holders of every label that has one, and these labels.

        Returns
        -------
        tuple[Tensor, Tensor]
            (present, class) float32 distributions, and (present,) int64 labels, ascending.
        """
        labels = self.holders.nonzero().flatten()
        # Taking one's own part out again can leave a rounding error below zero.
        means = (self.sums[labels] / self.holders[labels, None]).clamp(min=0.0)
        return means.float(), labels


def distillation_loss(logits: Tensor, labels: Tensor, teacher: Tensor) -> Tensor:
    """Return the cross-entropy of a batch to the soft labels of its true labels.

    It is averaged over the batch. A sample whose label has no teacher adds nothing to the
    sum and still counts in the average.

    Parameters
    ----------
    logits : Tensor
        (batch, class).
    labels : Tensor
        (batch,) int64 true labels, by which the teacher's row is chosen.
    teacher : Tensor
        (class, class); row l is a distribution, or all zeros where l has no teacher.
    """
    return functional.cross_entropy(logits, teacher[labels])


def mean_entropy(distributions: Tensor) -> float:
    """Return the mean entropy in nats of the rows of a (rows, class) tensor."""
    return float(torch.special.entr(distributions).sum(1).mean())
